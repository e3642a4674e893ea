/* What a replay says of a column that differs from its record, and which columns it looks at in which clock. */
#include <stdio.h>
#include <stdlib.h>

#include "orchestrator/replay/verify.h"
#include "tests/unit/model/check.h"

static struct world world;

static int open_world(void **state)
{
    static const char *const keys[] = {"devices.count=3", NULL};
    (void) state;
    world = check_world(keys);
    return 0;
}

static int close_world(void **state)
{
    (void) state;
    world_finish(&world);
    return 0;
}

static struct db_task recorded(void)
{
    return (struct db_task){.run_id = 7,
                            .episode = 1,
                            .slot = 2,
                            .device = 0,
                            .tokens = 64,
                            .split = 3,
                            .server = 1,
                            .latency_s = 0.5,
                            .edge_s = 0.5,
                            .y_m = (double) NAN,
                            .status = DB_TASK_DONE};
}

/* One row played again: "" if it is as it was, else the sentence. */
static const char *played_again(const struct db_task *was, const struct db_task *is, bool in_real_time)
{
    static char text[512];
    struct verification verification = {
        .world = &world, .row = calloc(1, sizeof *was), .rows = 1, .in_real_time = in_real_time};
    assert_non_null(verification.row);
    verification.row[0] = *was;
    struct session_sink sink = verify_sink(&verification);
    assert_int_equal(sink.tasks(sink.user, is, 1), 0);
    assert_int_equal(verification.compared, 1);
    assert_int_equal(verification.identical, verification.first_difference[0] == '\0');
    (void) snprintf(text, sizeof text, "%s", verification.first_difference);
    verify_finish(&verification);
    return text;
}

static void a_row_that_is_the_same_but_for_its_run_is_identical(void **state)
{
    (void) state;
    struct db_task was = recorded(), is = recorded();
    is.run_id = 8;
    assert_string_equal(played_again(&was, &is, false), "");
    is.cost = -0.0; /* the database has no such zero */
    assert_string_equal(played_again(&was, &is, false), "");
}

#define CHANGE_WHOLE(field) (field)++
#define CHANGE_SERVER(field) (field)++
#define CHANGE_FLAG(field) (field) = !(field)
#define CHANGE_REAL(field) (field) = 0.25
#define CHANGE_STATUS(field) (field) = DB_TASK_RECOVERED

static void every_column_that_differs_is_named(void **state)
{
    (void) state;
    const struct db_task was = recorded();
#define TASK(name, kind, unit, role, meaning)                                                                \
    {                                                                                                        \
        struct db_task is = was;                                                                             \
        CHANGE_##kind(is.name);                                                                              \
        if (strstr(played_again(&was, &is, false), ": " #name " was recorded as ") == NULL)                  \
            fail_msg("a change of " #name " is not seen");                                                   \
    }
#include "db/task.def"
}

static void a_difference_says_where_it_is_and_both_values(void **state)
{
    (void) state;
    struct db_task was = recorded(), is = recorded();
    is.latency_s = 0.1;
    is.status = DB_TASK_EXPIRED;
    assert_string_equal(
        played_again(&was, &is, false),
        "episode 1, slot 2, device 0: latency_s was recorded as 0.5 and is 0.10000000000000001");
    is = recorded();
    is.status = DB_TASK_REOFFLOADED;
    assert_string_equal(played_again(&was, &is, false),
                        "episode 1, slot 2, device 0: status was recorded as done and is reoffloaded");
}

static void of_several_differences_the_cause_is_named(void **state)
{
    (void) state;
    struct db_task was = recorded(), is = recorded();
    is.wait_s = is.y_m = is.payload_bytes = 1.0;
    assert_string_equal(played_again(&was, &is, false),
                        "episode 1, slot 2, device 0: y_m was recorded as nan and is 1");
}

static void rounding_is_counted_apart_and_gives_way_to_another_difference(void **state)
{
    (void) state;
    struct db_task was[3] = {recorded(), recorded(), recorded()},
                   is[3] = {recorded(), recorded(), recorded()};
    struct verification verification = {.world = &world, .row = calloc(3, sizeof *was), .rows = 3};
    assert_non_null(verification.row);
    memcpy(verification.row, was, sizeof was);
    is[0].latency_s = 0.5 + 1e-10;
    is[1].latency_s = 0.5 + 1e-8;
    is[2].latency_s = 0.5 - 1e-10;
    is[2].split = 4; /* and another decision */
    struct session_sink sink = verify_sink(&verification);
    assert_int_equal(sink.tasks(sink.user, is, 1), 0);
    assert_non_null(
        strstr(verification.first_difference, "latency_s was recorded as 0.5 and is 0.5000000001"));
    assert_int_equal(sink.tasks(sink.user, is + 1, 2), 0);
    assert_int_equal(verification.compared, 3);
    assert_int_equal(verification.identical, 0);
    assert_int_equal(verification.rounded, 1);
    assert_int_equal(verification.different, 2);
    assert_non_null(strstr(verification.first_difference, "latency_s was recorded as 0.5 and is 0.50000001"));
    verify_finish(&verification);
}

#define SEEN_KEY true
#define SEEN_WORLD true
#define SEEN_DECISION true
#define SEEN_SHARE true
#define SEEN_SENT true
#define SEEN_REPORTED false
#define SEEN_DERIVED false
#define SEEN_END false

static void in_real_time_only_what_does_not_depend_on_the_clock_is_compared(void **state)
{
    (void) state;
    const struct db_task was = recorded();
#define TASK(name, kind, unit, role, meaning)                                                                \
    {                                                                                                        \
        struct db_task is = was;                                                                             \
        CHANGE_##kind(is.name);                                                                              \
        if ((played_again(&was, &is, true)[0] != '\0') != SEEN_##role)                                       \
            fail_msg("a change of " #name " in real time");                                                  \
    }
#include "db/task.def"
}

static void in_real_time_what_was_sent_is_compared_of_tasks_that_went_as_planned(void **state)
{
    (void) state;
    struct db_task was = recorded(), is = recorded();
    is.payload_bytes = 1.0;
    assert_true(played_again(&was, &is, true)[0] != '\0');
    is.status = DB_TASK_RECOVERED;
    assert_string_equal(played_again(&was, &is, true), "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_that_is_the_same_but_for_its_run_is_identical),
        cmocka_unit_test(every_column_that_differs_is_named),
        cmocka_unit_test(a_difference_says_where_it_is_and_both_values),
        cmocka_unit_test(of_several_differences_the_cause_is_named),
        cmocka_unit_test(rounding_is_counted_apart_and_gives_way_to_another_difference),
        cmocka_unit_test(in_real_time_only_what_does_not_depend_on_the_clock_is_compared),
        cmocka_unit_test(in_real_time_what_was_sent_is_compared_of_tasks_that_went_as_planned),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
