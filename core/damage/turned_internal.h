/* Bits of encoded elements that turn over. */
#ifndef HANDOFF_CORE_DAMAGE_TURNED_INTERNAL_H
#define HANDOFF_CORE_DAMAGE_TURNED_INTERNAL_H

#include <stdint.h>

#include "core/damage/damage.h"

#define TURNED_UNITS_MAX ((uint64_t) 1 << 29) /* of 32 bits */

/* Bits of one element, without its scale and its number: 32, 16, 8, 4; of top-k 16. They divide 32. */
uint32_t turned_width(enum activation_format format);

/* Elements of a payload: rows * columns, of top-k rows * k. */
uint64_t turned_elements(const struct activation_shape *shape);

/* Units of 32 bits that they fill. */
uint64_t turned_units(const struct activation_shape *shape);

/* Turns bits of a payload over, in place. Elements that are no finite number then become zero. */
void turned_bits(const struct damage *damage, const struct activation_shape *shape, const struct rng_at *at,
                 uint8_t *bytes, struct damage_result *result);

#endif
