/* How many slots the episodes of a phase have, by the scenario: run.slots, or evaluation.validate_slots or test_slots. A
 * session may be given another number (twin --slots). */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_SEARCH_EPISODE_SLOTS_H
#define HANDOFF_ORCHESTRATOR_POLICY_SEARCH_EPISODE_SLOTS_H

#include "core/base/rng.h"
#include "core/model/scenario.h"

uint64_t episode_slots(const struct scenario *scenario, enum rng_phase phase);

#endif
