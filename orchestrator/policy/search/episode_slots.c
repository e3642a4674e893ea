#include "orchestrator/policy/search/episode_slots.h"

#include <assert.h>

uint64_t episode_slots(const struct scenario *scenario, enum rng_phase phase)
{
    switch (phase) {
    case RNG_TRAIN: return scenario->run.slots;
    case RNG_VALIDATE: return scenario->evaluation.validate_slots;
    case RNG_TEST: return scenario->evaluation.test_slots;
    }
    assert(false); /* every phase is above */
    return 0;
}
