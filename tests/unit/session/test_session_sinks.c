/* The list of sinks alone: who sees which row, and when. */
#include "orchestrator/session/session_sinks.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Every row that any sink saw, as "sink:row ", in order of arrival. */
static char seen[1024];

struct taker {
    char name;
    int fails_at; /* the row with this number */
};

/* Rows have numbers: an episode, or an event's slot. */
static int take(void *user, const char *kind, int number)
{
    const struct taker *taker = user;
    size_t used = strlen(seen);
    int size = snprintf(seen + used, sizeof seen - used, "%c:%s%d ", taker->name, kind, number);
    assert_true(size > 0 && (size_t) size < sizeof seen - used);
    return number == taker->fails_at ? -ENOSPC - number : 0;
}

static int on_tasks(void *user, const struct db_task *task, size_t count)
{
    assert_int_equal(count, 2);
    return take(user, "tasks", (int) task[1].slot);
}

static int on_episode(void *user, const struct db_episode *episode)
{
    return take(user, "episode", (int) episode->episode);
}

static int on_event(void *user, const struct db_event *event)
{
    return take(user, "event", (int) event->slot);
}

static int on_checkpoint(void *user, uint32_t episode, struct policy *policy)
{
    assert_null(policy);
    return take(user, "checkpoint", (int) episode);
}

static int on_link(void *user, const struct audit_link *window)
{
    return take(user, "link", (int) window->device);
}

static int on_loop(void *user, const struct audit_loop *interval)
{
    return take(user, "loop", (int) interval->number);
}

static int on_answers(void *user, const struct db_answer *answer, size_t count)
{
    assert_int_equal(count, 2);
    return take(user, "answers", (int) answer[1].slot);
}

static int on_jobs(void *user, const struct audit_jobs *interval)
{
    return take(user, "jobs", (int) interval->number);
}

static struct session_sink sink_of(struct taker *taker)
{
    return (struct session_sink){.tasks = on_tasks,
                                 .episode = on_episode,
                                 .event = on_event,
                                 .checkpoint = on_checkpoint,
                                 .link = on_link,
                                 .loop = on_loop,
                                 .answers = on_answers,
                                 .jobs = on_jobs,
                                 .user = taker};
}

/* The eight hooks in turn, with row `number`. Returns the last code. */
static int tell_all(const struct session_sinks *sinks, uint32_t number)
{
    const struct db_task task[2] = {{.slot = 0}, {.slot = number}};
    const struct db_episode episode = {.episode = number};
    const struct db_event event = {.slot = number};
    const struct audit_link window = {.device = number};
    const struct audit_loop interval = {.number = number};
    const struct audit_jobs jobs = {.number = number};
    const struct db_answer answer[2] = {{.slot = 0}, {.slot = number}};
    const int rc[] = {
        session_sinks_answers(sinks, answer, 2), session_sinks_tasks(sinks, task, 2),
        session_sinks_event(sinks, &event),      session_sinks_checkpoint(sinks, number, NULL),
        session_sinks_episode(sinks, &episode),  session_sinks_link(sinks, &window),
        session_sinks_loop(sinks, &interval),    session_sinks_jobs(sinks, &jobs),
    };
    for (size_t i = 1; i < sizeof rc / sizeof *rc; i++)
        assert_int_equal(rc[i], rc[0]);
    return rc[0];
}

static int begin(void **state)
{
    (void) state;
    seen[0] = '\0';
    return 0;
}

static void every_sink_sees_every_row_in_the_order_of_the_list(void **state)
{
    (void) state;
    struct taker first = {'b', -1}, second = {'a', -1};
    struct session_sinks sinks = {.count = 0};
    session_sinks_add(&sinks, sink_of(&first));
    session_sinks_add(&sinks, sink_of(&second));
    assert_int_equal(tell_all(&sinks, 4), 0);
    assert_string_equal(
        seen, "b:answers4 a:answers4 b:tasks4 a:tasks4 b:event4 a:event4 b:checkpoint4 a:checkpoint4 "
              "b:episode4 a:episode4 b:link4 a:link4 b:loop4 a:loop4 b:jobs4 a:jobs4 ");
}

static void a_row_that_a_sink_refuses_goes_no_further(void **state)
{
    (void) state;
    struct taker first = {'a', -1}, second = {'b', 5}, third = {'c', 5};
    struct session_sinks sinks = {.count = 0};
    session_sinks_add(&sinks, sink_of(&first));
    session_sinks_add(&sinks, sink_of(&second));
    session_sinks_add(&sinks, sink_of(&third));
    assert_int_equal(tell_all(&sinks, 5), -ENOSPC - 5);
    assert_string_equal(
        seen, "a:answers5 b:answers5 a:tasks5 b:tasks5 a:event5 b:event5 a:checkpoint5 b:checkpoint5 "
              "a:episode5 b:episode5 a:link5 b:link5 a:loop5 b:loop5 a:jobs5 b:jobs5 ");
}

static void a_sink_without_a_hook_is_passed_over(void **state)
{
    (void) state;
    struct taker first = {'a', -1}, second = {'b', -1};
    struct session_sinks sinks = {.count = 0};
    session_sinks_add(&sinks, (struct session_sink){.event = on_event, .user = &first});
    session_sinks_add(&sinks, (struct session_sink){.user = &first});
    assert_false(session_sinks_take_episodes(&sinks));
    session_sinks_add(&sinks, (struct session_sink){.episode = on_episode, .user = &second});
    assert_true(session_sinks_take_episodes(&sinks));
    assert_int_equal(tell_all(&sinks, 1), 0);
    assert_string_equal(seen, "a:event1 b:episode1 ");
}

static void rows_without_a_sink_go_nowhere(void **state)
{
    (void) state;
    const struct session_sinks none = {.count = 0};
    assert_false(session_sinks_take_episodes(&none));
    assert_int_equal(tell_all(&none, 1), 0);
    assert_string_equal(seen, "");
}

static void a_list_takes_as_many_sinks_as_it_says(void **state)
{
    (void) state;
    struct taker taker = {'a', -1};
    struct session_sinks sinks = {.count = 0};
    for (unsigned i = 0; i < SESSION_SINKS_MAX; i++)
        session_sinks_add(&sinks, (struct session_sink){.link = on_link, .user = &taker});
    assert_int_equal(sinks.count, SESSION_SINKS_MAX);
    assert_int_equal(tell_all(&sinks, 7), 0);
    assert_string_equal(seen, "a:link7 a:link7 a:link7 a:link7 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_sink_sees_every_row_in_the_order_of_the_list, begin),
        cmocka_unit_test_setup(a_row_that_a_sink_refuses_goes_no_further, begin),
        cmocka_unit_test_setup(a_sink_without_a_hook_is_passed_over, begin),
        cmocka_unit_test_setup(rows_without_a_sink_go_nowhere, begin),
        cmocka_unit_test_setup(a_list_takes_as_many_sinks_as_it_says, begin),
    };
    return cmocka_run_group_tests_name("session sinks", tests, NULL, NULL);
}
