/* What people are told of an event: made of its columns alone. */
#include "orchestrator/run/event_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/lib/scratch.h"

static void assert_text(const struct db_event *event, const char *expected)
{
    char text[EVENT_TEXT_MAX];
    event_text(event, text);
    assert_string_equal(text, expected);
}

static void a_fault_says_what_is_done_and_until_when(void **state)
{
    (void) state;
    struct db_event event = scratch_event(DB_EVENT_FAULT);
    event.role = DB_ROLE_SERVER;
    event.action = DB_ACTION_KILL;
    assert_text(&event, "killed by the scenario for the rest of the episode");
    event.until_slot = 60;
    assert_text(&event, "killed by the scenario, back in slot 60");
    event.action = DB_ACTION_PAUSE;
    assert_text(&event, "paused by the scenario, back in slot 60");
    event.action = DB_ACTION_RETURN;
    assert_text(&event, "takes part again, by the scenario");
    event.action = DB_ACTION_SLOW;
    event.speed = 0.5;
    assert_text(&event, "slowed by the scenario to 0.5 of its speed");
    event.action = DB_ACTION_RESTORE;
    assert_text(&event, "slowed by the scenario no more");
}

static void a_move_says_which_task_and_from_where_to_where(void **state)
{
    (void) state;
    struct db_event event = scratch_event(DB_EVENT_HANDOVER);
    event.action = DB_ACTION_RESUME;
    event.from_server = 2;
    event.to_server = 0;
    event.task_slot = 7;
    assert_text(&event, "left server 2: its task of slot 7 goes on to server 0");
    event.kind = DB_EVENT_RECOVERED;
    event.action = DB_ACTION_REOFFLOAD;
    assert_text(&event, "without server 2: its task of slot 7 goes on to server 0");
    event.action = DB_ACTION_LOCAL;
    event.to_server = DB_EVENT_NULL;
    assert_text(&event, "without server 2: its task of slot 7 goes on at the device");
}

static void reasons_from_outside_are_told_as_they_are(void **state)
{
    (void) state;
    struct db_event event = scratch_event(DB_EVENT_NODE_LOST);
    event.role = DB_ROLE_DEVICE;
    event.detail = "its connection closed";
    assert_text(&event, "lost: its connection closed");
    event.kind = DB_EVENT_REJOIN;
    assert_text(&event, "is here again, and takes part from the next slot");
    event.role = DB_ROLE_NONE;
    event.detail = "an agent is here again";
    assert_text(&event, "an agent is here again");
    event.kind = DB_EVENT_REFUSAL;
    event.detail = "greedy decides: no answer within 0.05 s";
    assert_text(&event, "greedy decides: no answer within 0.05 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_says_what_is_done_and_until_when),
        cmocka_unit_test(a_move_says_which_task_and_from_where_to_where),
        cmocka_unit_test(reasons_from_outside_are_told_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
