/* The distilled actor of dapo-plus: a network that has learned from the searcher's decisions how many devices
 * each server should take (core/rl/deep_sets), at a glance at what the outcome model foresees for each
 * (device, server) at a few loads, against staying local; whatever the number of devices and servers, and in
 * whatever order. Who they are needs no learning: the outcome model says who gains most there under that
 * load. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_DISTILLED_H
#define HANDOFF_ORCHESTRATOR_POLICY_DISTILLED_H

#include "core/base/diag.h"
#include "orchestrator/policy/load_table.h"

struct distilled;

/* -ENOMEM, ERR_RANGE. The world is borrowed. */
int distilled_create(struct distilled **ret_distilled, const struct world *world, size_t hidden, float rate);
void distilled_destroy(struct distilled *actor);

/* The table has been begun; fills ret_server[N], and leaves in table->who those alone that a server takes or
 * that are next in line for one: who else stays local needs no second look. */
void distilled_decide(struct distilled *actor, struct load_table *table, uint32_t *ret_server);

/* The searcher has given the table's slot load[M]: keeps what there is to learn from it, in place of the
 * oldest. */
void distilled_watch(struct distilled *actor, struct load_table *table, const uint32_t *load);
/* A step on some of what is kept, drawn at (seed, RNG_SAMPLING, entity 1, step number). */
void distilled_update(struct distilled *actor);

/* As in policy.h; with `full` also what is kept. */
int distilled_save(const struct distilled *actor, bool full, struct buf *bytes);
int distilled_load(struct distilled *actor, bool full, const uint8_t **bytes, size_t *size,
                   struct diag *diag);

#endif
