#include "db/row_text.h"

#include <assert.h>
#include <string.h>

static const char *const task_status[] = {
#define TASK_STATUS(enumerator, word, meaning) [enumerator] = word,
#include "db/task_status.def"
};
static const char *const event_kind[] = {
#define EVENT_KIND(enumerator, word, meaning) [enumerator] = word,
#include "db/event.def"
};
static const char *const event_phase[] = {
#define EVENT_PHASE(enumerator, word, meaning) [enumerator] = word,
#include "db/event.def"
};
static const char *const event_role[] = {
#define EVENT_ROLE(enumerator, word, meaning) [enumerator] = word,
#include "db/event.def"
};
static const char *const event_action[] = {
    [DB_ACTION_NONE] = NULL,
#define EVENT_ACTION(enumerator, word, meaning) [enumerator] = word,
#include "db/event.def"
};

#define COUNT(words) (sizeof(words) / sizeof *(words))

static int find(const char *const *word, size_t count, const char *text)
{
    for (size_t i = 0; text != NULL && i < count; i++)
        if (word[i] != NULL && strcmp(word[i], text) == 0)
            return (int) i;
    return -1;
}

const char *db_task_status_text(enum db_task_status status)
{
    assert((size_t) status < COUNT(task_status));
    return task_status[status];
}

const char *db_event_kind_text(enum db_event_kind kind)
{
    assert((size_t) kind < COUNT(event_kind));
    return event_kind[kind];
}

const char *db_event_phase_text(enum db_event_phase phase)
{
    assert((size_t) phase < COUNT(event_phase));
    return event_phase[phase];
}

const char *db_event_role_text(enum db_event_role role)
{
    assert((size_t) role < COUNT(event_role));
    return event_role[role];
}

const char *db_event_action_text(enum db_event_action action)
{
    assert((size_t) action < COUNT(event_action));
    return event_action[action];
}

int db_find_task_status(const char *text)
{
    return find(task_status, COUNT(task_status), text);
}

int db_find_event_kind(const char *text)
{
    return find(event_kind, COUNT(event_kind), text);
}

int db_find_event_phase(const char *text)
{
    return find(event_phase, COUNT(event_phase), text);
}

int db_find_event_role(const char *text)
{
    return find(event_role, COUNT(event_role), text);
}

int db_find_event_action(const char *text)
{
    return text == NULL ? DB_ACTION_NONE : find(event_action, COUNT(event_action), text);
}
