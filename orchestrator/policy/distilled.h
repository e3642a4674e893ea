/* The distilled actor of dapo-plus: a network that has learned from the searcher's decisions where each
 * device should go, at a glance. It sees what the outcome model foresees for each (device, server) at a few
 * loads, against staying local; whatever the number of devices and servers, and in whatever order
 * (core/rl/scorer). The splits then follow from the outcome model.
 *
 * Learns from how much worse each other place of a device would have been, the others as the searcher had
 * them: its target is a softmax of that, so that a mistake counts by what it costs. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_DISTILLED_H
#define HANDOFF_ORCHESTRATOR_POLICY_DISTILLED_H

#include "core/base/diag.h"
#include "orchestrator/policy/load_search.h"

struct distilled;

/* -ENOMEM, ERR_RANGE. The world is borrowed. */
int distilled_create(struct distilled **ret_distilled, const struct world *world, size_t hidden, float rate);
void distilled_destroy(struct distilled *actor);

/* The table has been begun; fills ret_server[N] of its devices, ENV_LOCAL of the others, and ret_load[M]. */
void distilled_decide(struct distilled *actor, struct load_table *table, uint32_t *ret_server,
                      uint32_t *ret_load);

/* The searcher has decided the table's slot: keeps what there is to learn from it, in place of the oldest. */
void distilled_watch(struct distilled *actor, struct load_table *table, struct load_search *search);
/* A step on some of what is kept, drawn at (seed, RNG_SAMPLING, entity 1, step number). */
void distilled_update(struct distilled *actor);

/* As in policy.h; with `full` also what is kept. */
int distilled_save(const struct distilled *actor, bool full, struct buf *bytes);
int distilled_load(struct distilled *actor, bool full, const uint8_t **bytes, size_t *size,
                   struct diag *diag);

#endif
