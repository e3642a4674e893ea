#include "orchestrator/run/event_text.h"

#include <assert.h>

#include "core/base/text_format.h"

static void down_text(const struct db_event *event, char *text)
{
    const char *what = event->action == DB_ACTION_KILL ? "killed" : "paused";
    if (event->until_slot == DB_EVENT_NULL)
        (void) text_format(text, EVENT_TEXT_MAX, "%s by the scenario for the rest of the episode", what);
    else
        (void) text_format(text, EVENT_TEXT_MAX, "%s by the scenario, back in slot %lld", what,
                           (long long) event->until_slot);
}

static void fault_text(const struct db_event *event, char *text)
{
    if (event->action == DB_ACTION_RETURN)
        (void) text_format(text, EVENT_TEXT_MAX, "takes part again, by the scenario");
    else if (event->action == DB_ACTION_SLOW)
        (void) text_format(text, EVENT_TEXT_MAX, "slowed by the scenario to %g of its speed", event->speed);
    else if (event->action == DB_ACTION_RESTORE)
        (void) text_format(text, EVENT_TEXT_MAX, "slowed by the scenario no more");
    else
        down_text(event, text);
}

static void move_text(const struct db_event *event, char *text)
{
    const char *why = event->kind == DB_EVENT_HANDOVER ? "left server" : "without server";
    if (event->to_server == DB_EVENT_NULL)
        (void) text_format(text, EVENT_TEXT_MAX, "%s %lld: its task of slot %lld goes on at the device", why,
                           (long long) event->from_server, (long long) event->task_slot);
    else
        (void) text_format(text, EVENT_TEXT_MAX, "%s %lld: its task of slot %lld goes on to server %lld", why,
                           (long long) event->from_server, (long long) event->task_slot,
                           (long long) event->to_server);
}

void event_text(const struct db_event *event, char ret_text[static EVENT_TEXT_MAX])
{
    switch (event->kind) {
    case DB_EVENT_NODE_LOST: (void) text_format(ret_text, EVENT_TEXT_MAX, "lost: %s", event->detail); return;
    case DB_EVENT_REJOIN:
        (void) text_format(ret_text, EVENT_TEXT_MAX, "%s",
                           event->role == DB_ROLE_NONE ? event->detail
                                                       : "is here again, and takes part from the next slot");
        return;
    case DB_EVENT_REFUSAL: (void) text_format(ret_text, EVENT_TEXT_MAX, "%s", event->detail); return;
    case DB_EVENT_FAULT: fault_text(event, ret_text); return;
    case DB_EVENT_RECOVERED:
    case DB_EVENT_HANDOVER: move_text(event, ret_text); return;
    }
    assert(false); /* every kind has its case */
}
