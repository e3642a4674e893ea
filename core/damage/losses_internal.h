/* Elements that did not arrive: which they are, and what is put in their place. */
#ifndef HANDOFF_CORE_DAMAGE_LOSSES_INTERNAL_H
#define HANDOFF_CORE_DAMAGE_LOSSES_INTERNAL_H

#include "core/damage/damage.h"

/* Drawn for each element of x [rows * columns], and filled. -ENOMEM. */
int losses_elements(const struct damage *damage, const struct rng_at *at, uint32_t first_row, uint32_t rows,
                    uint32_t columns, const float *before, float *x, struct damage_result *result);

/* What lay in missing packets of a payload, whose whole content is x [rows * columns]. -ENOMEM. */
int losses_packets(const struct damage *damage, const struct activation_shape *shape, const struct rng_at *at,
                   const uint8_t *bytes, float *x, struct damage_result *result);

#endif
