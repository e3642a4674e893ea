/* The draws of a damage: words, normals, bits and gains, each a function of its place and its number (damage.h). */
#ifndef HANDOFF_CORE_DAMAGE_DRAWS_INTERNAL_H
#define HANDOFF_CORE_DAMAGE_DRAWS_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/rng.h"

#define DRAWS_PORTION 1024u /* words that are drawn at once: a multiple of 4 */
#define DRAWS_UNITS 64u     /* units of bits that are drawn at once */

/* Below which of 2^32 words an event with this probability happens: 0 never, 2^32 always. */
uint64_t draws_threshold(double probability);

/* Words first .. first + count - 1 of a place; first / 4 + count / 4 < 2^32. */
void draws_words(const struct rng_at *at, uint64_t first, size_t count, uint32_t *ret_words);

/* Standard normals of elements first .. first + count - 1; count <= DRAWS_PORTION - 2. */
void draws_normals(const struct rng_at *at, uint64_t first, size_t count, double *ret_normals);

/* Units first .. first + count - 1 of 32 bits, each 1 with probability threshold / 2^32; count <= DRAWS_UNITS, and all
 * units are below 2^29. */
void draws_bits(const struct rng_at *at, uint32_t first, uint32_t count, uint64_t threshold,
                uint32_t *ret_bits);

/* A gamma variable with this shape (>= 0.5) and mean 1: >= 0, finite. */
double draws_gamma(const struct rng_at *at, uint32_t number, double shape);

#endif
