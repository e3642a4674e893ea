/* Where the rows of a session go: to a list of sinks, such as the recorder, a comparison with recorded rows or
 * a summary. An empty list drops them.
 *
 * Order: every row goes to the sinks in the order in which they were added, and to all of them before the
 * next row. So all see the same rows in the same order.
 *
 * Errors: the first nonzero return ends the session with that code. The sinks behind it do not see that row,
 * and no sink sees another one.
 *
 * Memory: rows are borrowed for the call; a sink copies what it keeps. The list holds copies of the sinks.
 * Their `user` is borrowed and outlives the session. Who made a sink finishes what is behind it when the
 * session has ended. */
#ifndef HANDOFF_ORCHESTRATOR_SESSION_SESSION_SINKS_H
#define HANDOFF_ORCHESTRATOR_SESSION_SESSION_SINKS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/model/audit.h"
#include "db/rows.h"
#include "orchestrator/policy/policy.h"

/* Any hook may be NULL: the sink does not take such rows. */
struct session_sink {
    int (*tasks)(void *user, const struct db_task *task, size_t count);
    int (*episode)(void *user, const struct db_episode *episode);
    int (*event)(void *user, const struct db_event *event);
    /* Comes before the row of the episode after which it is, so that both can be written at once. */
    int (*checkpoint)(void *user, uint32_t episode, struct policy *policy);
    /* Of tasks with real layers: one for each that was finished. They come before the rows of these tasks, so that both
     * can be written at once. */
    int (*answers)(void *user, const struct db_answer *answer, size_t count);
    /* Real time: windows of links, intervals of event loops and of layers. */
    int (*link)(void *user, const struct audit_link *window);
    int (*loop)(void *user, const struct audit_loop *interval);
    int (*jobs)(void *user, const struct audit_jobs *interval);
    void *user;
};

#define SESSION_SINKS_MAX 4

/* A zeroed list is empty: rows go nowhere. */
struct session_sinks {
    struct session_sink sink[SESSION_SINKS_MAX];
    size_t count;
};

/* Before the session begins. */
void session_sinks_add(struct session_sinks *sinks, struct session_sink sink);

/* Whether any sink takes rows of episodes: nobody sums them up otherwise. */
bool session_sinks_take_episodes(const struct session_sinks *sinks);

/* Each hands a row to every sink that takes it. 0, or the first nonzero return. */
int session_sinks_answers(const struct session_sinks *sinks, const struct db_answer *answer, size_t count);
int session_sinks_tasks(const struct session_sinks *sinks, const struct db_task *task, size_t count);
int session_sinks_episode(const struct session_sinks *sinks, const struct db_episode *episode);
int session_sinks_event(const struct session_sinks *sinks, const struct db_event *event);
int session_sinks_checkpoint(const struct session_sinks *sinks, uint32_t episode, struct policy *policy);
int session_sinks_link(const struct session_sinks *sinks, const struct audit_link *window);
int session_sinks_loop(const struct session_sinks *sinks, const struct audit_loop *interval);
int session_sinks_jobs(const struct session_sinks *sinks, const struct audit_jobs *interval);

#endif
