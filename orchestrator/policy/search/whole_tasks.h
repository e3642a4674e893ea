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

/* So many full shares of a server's compute, and as much of its band and memory; of memory at least what a task needs
 * (reserve.memory_need). */
void whole_tasks_shares(const struct world *world, uint32_t server, double shares,
                        double ret_part[static RESERVED_KINDS]);
/* How many full shares a server has. */
uint32_t whole_tasks_room(const struct world *world, uint32_t server);
/* Sends the device's task there; it may ask for more than is left. */
void whole_tasks_send(struct whole_tasks *tasks, uint32_t device, uint32_t server,
                      const double part[static RESERVED_KINDS]);

/* Where a task may go, and what it would hold there. */
struct whole_choice {
    uint32_t server;
    double shares; /* full shares of it (reserve.levels) */
};
struct whole_rule {
    /* What a choice is worth to a task: the largest takes it. -INFINITY: it must not. */
    double (*worth)(void *user, const struct whole_tasks *tasks, uint32_t device, struct whole_choice choice);
    /* Told after each device's turn, before its parts are taken; NULL: need not be. */
    void (*decided)(void *user, const struct whole_tasks *tasks, uint32_t device);
    void *user;
    bool chooses_shares; /* among reserve.levels; else a task has one full share */
};
/* Each task goes where there is room and it is worth most, the lower of equals; else it is refused. */
void whole_tasks_best(const struct env_view *view, struct env_decision *ret_decision,
                      const struct whole_rule *rule);
/* Does the device have a task, and does the server cover it and is up? */
bool whole_tasks_reach(const struct whole_tasks *tasks, uint32_t device, uint32_t server);
/* And has the server room for it? */
bool whole_tasks_fit(const struct whole_tasks *tasks, uint32_t device, struct whole_choice choice);

/* What a task would do there with the device's present channel and an answer of so many tokens, as declared. */
struct task_plan whole_tasks_plan(const struct env_view *view, uint32_t device, struct whole_choice choice,
                                  double answer_tokens);

/* Each task goes with full shares to the nearest server with room of the tier `cloud`, or of all others. */
void whole_tasks_nearest(const struct env_view *view, struct env_decision *ret_decision, bool in_cloud);
/* ERR_UNSUPPORTED: the scenario has no tier of that name. */
int whole_tasks_need_cloud(const struct world *world, struct diag *diag);

/* The parts of a server that a task asks for, from what was drawn for it. */
typedef void whole_tasks_parts(const struct world *world, uint32_t server, const struct rng_block *draw,
                               double ret_part[static RESERVED_KINDS]);
/* Each task goes to a uniform server (stream RNG_POLICY), whatever is left there. */
void whole_tasks_draw(const struct env_view *view, struct env_decision *ret_decision,
                      whole_tasks_parts *parts);

#endif
