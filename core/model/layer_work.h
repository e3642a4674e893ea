/* Which layers of which task a node computes in one go. State machines ask for it (COMPUTE) and know nothing
 * more of it. A shell that really computes finds all here: the slot names the task's draws, and so its prompt;
 * (device, round) is the task's name on the wire. */
#ifndef HANDOFF_CORE_MODEL_LAYER_WORK_H
#define HANDOFF_CORE_MODEL_LAYER_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/model/chunks.h"
#include "core/model/device_slot.h"

struct layer_work {
    uint32_t device;
    uint64_t round;
    struct slot_id id; /* the task's own slot, which may be an earlier one */
    uint32_t tokens;
    uint32_t first_layer, last_layer; /* [first_layer, last_layer), counted from 0; equal: no layer */
    struct chunk_rows rows;           /* of the prompt; those before them have been through these layers */
    uint32_t coding;                  /* of what crosses behind them (coding.h) */
};

/* The same layers of the same rows of the same task. */
static inline bool layer_work_is(const struct layer_work *a, const struct layer_work *b)
{
    return a->device == b->device && a->round == b->round && a->first_layer == b->first_layer &&
           a->last_layer == b->last_layer && a->rows.first == b->rows.first;
}

#endif
