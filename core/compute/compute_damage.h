/* What the scenario's channel (section `channel`) does to activations, for those who compute with what arrives. */
#ifndef HANDOFF_CORE_COMPUTE_COMPUTE_DAMAGE_H
#define HANDOFF_CORE_COMPUTE_COMPUTE_DAMAGE_H

#include "core/damage/damage.h"
#include "core/model/device_slot.h"
#include "core/model/world.h"

/* The rows of a payload as they are encoded in compute.format, of the model's hidden state. */
struct activation_shape compute_shape_of(const struct scenario *scenario, uint32_t hidden, uint32_t rows);
/* The same in a coding's format (core/model/coding.h). */
struct activation_shape compute_shape(const struct world *world, uint32_t rows, uint32_t coding);

/* The damage of a channel in that condition (core/model/channel.h). In mode bounded packets are drawn with it, unless the
 * caller enters a list of those that are missing. `mean` [hidden] is for channel.fill mean: what the layer gives on
 * average; NULL: that of the rows that arrived. It is borrowed. */
void compute_damage_of(const struct scenario *scenario, double condition, const float *mean,
                       struct damage *ret_damage);
void compute_damage(const struct world *world, double condition, const float *mean,
                    struct damage *ret_damage);

/* Where a task's damage is drawn (core/damage/damage.h). */
struct rng_at compute_damage_place(const struct world *world, uint32_t device, struct slot_id id);

/* ERR_UNSUPPORTED: the channel does not go with compute.format (core/damage/damage.h). The sentence names both keys. */
int compute_damage_check(const struct world *world, struct diag *diag);

#endif
