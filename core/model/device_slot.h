/* What one device meets in one slot: its place, its channels, its task. A pure function of (world, phase,
 * episode, slot, device) and of the device's movement so far. The mobile node computes it, the orchestrator
 * receives it. */
#ifndef HANDOFF_CORE_MODEL_DEVICE_SLOT_H
#define HANDOFF_CORE_MODEL_DEVICE_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/rng.h"
#include "core/model/mobility.h"
#include "core/model/world.h"

struct slot_id {
    enum rng_phase phase;
    uint32_t episode;
    uint32_t slot;
};

/* A task's draws, but their stream. */
static inline struct rng_at device_slot_draws(const struct world *world, uint32_t device, struct slot_id id)
{
    return (struct rng_at){
        .seed = world->seed, .phase = id.phase, .entity = device, .episode = id.episode, .slot = id.slot};
}

struct device_slot {
    struct vec2 position; /* m */
    double speed_mps;
    uint32_t tokens;                /* n_t of this slot's task; 0: it has none (task.probability) */
    uint32_t task_class;            /* of whole tasks (classes.h); 0 */
    double deadline_s;              /* by when it is wanted, after it came; 0: it may take any time */
    double gain[WORLD_SERVERS_MAX]; /* g_{n,m}, linear power gain, first M valid (A4); 0: an outage.
                                       Where channel_gain_is_mean, xi is 1 */
};

/* Fills `ret` for a device whose movement has been brought to this slot (mobility_start, then one
 * mobility_step a slot). */
void device_slot_meet(const struct world *world, uint32_t device, struct slot_id id,
                      const struct mobility *mobility, struct device_slot *ret);

/* Only where rates come from a trace (radio.trace): the gain to every server `after_s` after the slot's
 * start, and for how long it holds. Within a slot a link follows the trace's steps. An observation is the
 * slot's mean. */
double device_slot_gain_at(const struct world *world, uint32_t device, struct slot_id id, double after_s,
                           double *ret_for_s);

/* Is the device, since the slot before, at the beginning of its trace again (run.trace_end: restart)? What it has not
 * sent yet is then no longer handed over. Pure; needs the device's track. */
bool device_slot_begins_anew(const struct world *world, uint32_t device, struct slot_id id);

/* Prompt tokens of the device's task in this slot: the scenario's number, or a run of consecutive real
 * requests whose start is drawn for each episode. `rows` = NULL means no real requests. */
uint32_t device_slot_tokens(const struct scenario *scenario, const uint32_t *rows, uint32_t row_count,
                            uint64_t seed, uint32_t device, struct slot_id id);

/* d_{n,m}, never below d_min (A3). */
double device_slot_distance_m(const struct world *world, struct vec2 position, uint32_t server);

/* Whether a device at `position` is within a server's reach (C6): d_{n,m} <= R_cov; or, where the device's
 * trace names the cell that it is in at the slot's start, whether the cell is the server's (cell modulo M).
 * Pure; needs the device's track. An outage (gain 0) does not count here. */
bool device_slot_covered(const struct world *world, uint32_t device, struct slot_id id, struct vec2 position,
                         uint32_t server);

#endif
