/* When tasks come that reserve (section arrivals): the start of each slot, in seconds of its episode. A function of the
 * scenario, the seed and the slot; each is reached from the one before, so whoever asks keeps a walk, and asks in order of
 * slots for O(1) each.
 *
 *   slots    slot * run.slot_s
 *   poisson  gaps are exponential with mean 1 / rate; the first task comes one gap after 0
 *   bursts   the same with two rates in turn: calm at first, each for an exponential time */
#ifndef HANDOFF_CORE_MODEL_ARRIVALS_H
#define HANDOFF_CORE_MODEL_ARRIVALS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/model/device_slot.h"

/* Zeroed: nothing was asked for. */
struct arrivals_walk {
    bool has_begun;
    struct slot_id id; /* of the last that was asked for */
    double at_s;       /* its start */
    bool is_burst;
    double turn_s;  /* when that changes */
    uint32_t turns; /* how often it has */
};

double arrivals_start_s(struct arrivals_walk *walk, const struct world *world, struct slot_id id);

#endif
