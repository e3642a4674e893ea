/* The condition of a task's channel: one number that says how bad it is for the activations that cross (channel.mode).
 * Quality tables (quality.h), learners' states and the column task.channel are in its unit:
 *
 *     reliable   0, nothing is damaged
 *     bounded    probability that a packet is missing after all its transmissions (channel_given_up). A deadline depends
 *                on what is sent: it is not in here, but in task_outcome.missing (cost.h) and in what devices report
 *     analog     mean SNR over the channel's fading, dB: as drawn, or p g / (N0 b) of the task's link
 *     erasure    probability that an element is zeroed
 *     bits       probability that a bit turns over
 */
#ifndef HANDOFF_CORE_MODEL_CHANNEL_H
#define HANDOFF_CORE_MODEL_CHANNEL_H

#include <stdint.h>

#include "core/model/device_slot.h"
#include "core/model/world.h"

/* What the scenario draws for a device's episode, uniformly (stream RNG_CHANNEL, slot 0): modes erasure, and analog with
 * channel.snr fixed. Mode bits: channel.bit_error. Else 0. Pure: whatever the slot, the same within an episode. */
double channel_drawn(const struct world *world, uint32_t device, struct slot_id id);

/* The condition of a task that is sent in slot `id` over a link of that gain, with that share of the band. The modes that
 * draw it do not ask for the link. With the margin of a coding (coding.h), or the scenario's own. Mode analog, snr
 * radio: at least CHANNEL_SNR_DB_LEAST. */
double channel_condition_coded(const struct world *world, uint32_t device, struct slot_id id, double gain,
                               double bandwidth_share, uint32_t coding);
#define CHANNEL_SNR_DB_LEAST (-200.0)
double channel_condition(const struct world *world, uint32_t device, struct slot_id id, double gain,
                         double bandwidth_share);

/* Least and greatest condition that channel_drawn can give: the scale of a learner's state. */
void channel_range(const struct scenario *scenario, double *ret_least, double *ret_most);

#endif
