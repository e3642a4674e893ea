/* The numbered actions of one device, for a learner that chooses among a fixed number of them. Where tasks are split:
 *
 *   0                                  local
 *   1 + m (L - s_min) + s - s_min      server m, split s_min <= s < L
 *
 * Where there are C codings to choose (core/model/coding.h), each pair is C actions, one behind the other. Where splits
 * are bound (core/model/env_splits.h) there is no local action, and each server has env_splits_choices in place of
 * L - s_min splits. Forbidden are servers that do not cover the device and splits that its memory does not hold.
 *
 * Whole tasks that reserve (env_reserves), with n levels:
 *
 *   ((m n + c) n + b) n + k            server m; of reserve.most full shares the part (c + 1/2) / n of compute,
 *                                      (b + 1/2) / n of band, (k + 1/2) / n of memory
 *
 * Forbidden are servers that do not cover the device. Asking for more than is left is not: the task is refused, and that
 * is to be learned. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_LEARNED_TURN_ACTIONS_H
#define HANDOFF_ORCHESTRATOR_POLICY_LEARNED_TURN_ACTIONS_H

#include "core/model/env.h"

struct turn_actions {
    uint32_t count;
    uint32_t locals;  /* actions that stay local: 1 or 0 */
    uint32_t splits;  /* choices at a server; of whole tasks: the parts, levels^3 */
    uint32_t codings; /* of each; 1: there is none to choose */
    uint32_t levels;  /* of whole tasks */
};

/* Of whole tasks: what level 0 <= level < levels of compute, band or memory reserves of a server. */
double turn_actions_share(const struct world *world, uint32_t levels, uint32_t level);

struct turn_actions turn_actions_of(const struct world *world, uint32_t levels);

/* Into ret_allowed[count]: 1 or 0. False when the device has nothing to decide. */
bool turn_actions_allow(const struct turn_actions *actions, const struct env_view *view, uint32_t device,
                        uint8_t *ret_allowed);

/* The device goes nowhere: local, or refused where tasks reserve. */
void turn_actions_stay(const struct env_view *view, struct env_decision *decision, uint32_t device);

/* Enters an allowed action; returns its server, or ENV_LOCAL. */
uint32_t turn_actions_enter(const struct turn_actions *actions, const struct env_view *view,
                            struct env_decision *decision, uint32_t device, uint32_t action);

#endif
