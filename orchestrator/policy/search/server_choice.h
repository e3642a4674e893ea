/* Choosing a server by a simple rule: shared by the fixed-rule policies. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_SEARCH_SERVER_CHOICE_H
#define HANDOFF_ORCHESTRATOR_POLICY_SEARCH_SERVER_CHOICE_H

#include "core/model/env.h"

/* The covered server with the largest gain, or ENV_LOCAL. Ties: the lower number. */
uint32_t server_choice_best_channel(const struct env_view *view, uint32_t device);

/* The nearest covered server, or ENV_LOCAL. Ties: the lower number. */
uint32_t server_choice_nearest(const struct env_view *view, uint32_t device);

/* Every device: `split` at the server that `pick` finds; local where none is covered. Where splits are bound
 * (core/model/env_splits.h), the reachable one that is nearest to it. */
void server_choice_for_all(const struct env_view *view, uint32_t split,
                           uint32_t (*pick)(const struct env_view *view, uint32_t device),
                           struct env_decision *decision);

#endif
