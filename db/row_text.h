/* The words of task_status.def and event.def: what the columns hold for the enums of rows.h. */
#ifndef HANDOFF_DB_ROW_TEXT_H
#define HANDOFF_DB_ROW_TEXT_H

#include "db/rows.h"

/* Literals. */
const char *db_task_status_text(enum db_task_status status);
const char *db_event_kind_text(enum db_event_kind kind);
const char *db_event_phase_text(enum db_event_phase phase);
const char *db_event_role_text(enum db_event_role role);
const char *db_event_action_text(enum db_event_action action); /* NULL of DB_ACTION_NONE */

/* The enumerator, or -1: no such word, or NULL. */
int db_find_task_status(const char *text);
int db_find_event_kind(const char *text);
int db_find_event_phase(const char *text);
int db_find_event_role(const char *text);
/* NULL is DB_ACTION_NONE. */
int db_find_event_action(const char *text);

#endif
