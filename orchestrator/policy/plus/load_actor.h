/* The distilled actor of dapo-plus: a network that has learned from the searcher's decisions how many devices
 * each server should take (core/rl/deep_sets). Its input is what the outcome model foresees for each (device,
 * server) at a few loads, against staying local. It works for any number of devices and servers, in any order.
 * Which devices they are needs no learning: the outcome model says which gain most there under that load. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLUS_LOAD_ACTOR_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLUS_LOAD_ACTOR_H

#include "core/base/diag.h"
#include "orchestrator/policy/search/load_table.h"

struct load_actor;

/* -ENOMEM, ERR_RANGE. The world is borrowed. */
int load_actor_create(struct load_actor **ret_actor, const struct world *world, size_t hidden, float rate);
void load_actor_destroy(struct load_actor *actor);

/* The table has been begun; fills ret_server[N], and leaves in table->who only those that a server takes or
 * that are next in line for one: the others stay local. */
void load_actor_decide(struct load_actor *actor, struct load_table *table, uint32_t *ret_server);

/* The search has given the table's slot load[M]: keeps what there is to learn from it, in place of the oldest. */
void load_actor_watch(struct load_actor *actor, struct load_table *table, const uint32_t *load);
/* A step on some of what is kept, drawn at (seed, RNG_SAMPLING, entity 1, step number). */
void load_actor_update(struct load_actor *actor);

/* As in policy.h; with `full` also what is kept. */
int load_actor_save(const struct load_actor *actor, bool full, struct buf *bytes);
int load_actor_load(struct load_actor *actor, bool full, const uint8_t **bytes, size_t *size,
                    struct diag *diag);

#endif
