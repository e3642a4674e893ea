/* What an event's row says, as a part of a sentence for people: "killed by the scenario, back in slot 60". */
#ifndef HANDOFF_ORCHESTRATOR_RUN_EVENT_TEXT_H
#define HANDOFF_ORCHESTRATOR_RUN_EVENT_TEXT_H

#include <stddef.h>

#include "db/rows.h"

#define EVENT_TEXT_MAX 1100u /* a diagnosis, and what goes before it */

/* Cut where it is longer than there is room. */
void event_text(const struct db_event *event, char ret_text[static EVENT_TEXT_MAX]);

#endif
