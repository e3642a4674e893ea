/* What rules for whole tasks share (servers.discipline reserved): full shares, which servers have room for them, and how a
 * decision is written. Several tasks of a slot are decided one after the other: each sees what those before it took. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_SEARCH_WHOLE_TASKS_H
#define HANDOFF_ORCHESTRATOR_POLICY_SEARCH_WHOLE_TASKS_H

#include "core/base/rng.h"
#include "orchestrator/policy/policy.h"

struct whole_tasks {
    const struct env_view *view; /* borrowed, as the next */
    struct env_decision *decision;
    uint64_t rest[WORLD_SERVERS_MAX][RESERVED_KINDS]; /* of the slot's beginning, less what was decided */
};

/* Every task is refused until it is sent. */
void whole_tasks_begin(struct whole_tasks *tasks, const struct env_view *view, struct env_decision *decision);

/* A full share of compute, and as much of band and memory. */
void whole_tasks_full(const struct world *world, double ret_part[static RESERVED_KINDS]);
/* Sends the device's task there; it may ask for more than is left. */
void whole_tasks_send(struct whole_tasks *tasks, uint32_t device, uint32_t server,
                      const double part[static RESERVED_KINDS]);

/* What a server is worth to a task: the largest takes it. -INFINITY: it must not. */
typedef double whole_tasks_worth(const struct whole_tasks *tasks, uint32_t device, uint32_t server);
/* Each task goes with full shares to the server with room that is worth most, the lower of equals; else it is refused. */
void whole_tasks_best(const struct env_view *view, struct env_decision *ret_decision,
                      whole_tasks_worth *worth);

/* Each task goes with full shares to the nearest server with room of the tier `cloud`, or of all others. */
void whole_tasks_nearest(const struct env_view *view, struct env_decision *ret_decision, bool in_cloud);
/* ERR_UNSUPPORTED: the scenario has no tier of that name. */
int whole_tasks_need_cloud(const struct world *world, struct diag *diag);

/* The parts of a server that a task asks for, from what was drawn for it. */
typedef void whole_tasks_parts(const struct world *world, const struct rng_block *draw,
                               double ret_part[static RESERVED_KINDS]);
/* Each task goes to a uniform server (stream RNG_POLICY), whatever is left there. */
void whole_tasks_draw(const struct env_view *view, struct env_decision *ret_decision,
                      whole_tasks_parts *parts);

#endif
