#include "core/base/rng.h"

#include <assert.h>
#include <math.h>

#include "core/base/elementary.h"
#include "core/base/units.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <Random123/philox.h>
#pragma GCC diagnostic pop

_Static_assert(RNG_TEST < 1 << 4 && RNG_BOOTSTRAP < 1 << 8, "phase:4 | stream:8 | entity:20");

struct rng_block rng_block(const struct rng_at *at, uint32_t index)
{
    assert(at->entity < (1u << 20));
    philox4x32_ctr_t counter = {{index, at->slot, at->episode,
                                 (uint32_t) at->phase << 28 | (uint32_t) at->stream << 20 | at->entity}};
    philox4x32_key_t key = {{(uint32_t) at->seed, (uint32_t) (at->seed >> 32)}};
    philox4x32_ctr_t out = philox4x32(counter, key);
    return (struct rng_block){{out.v[0], out.v[1], out.v[2], out.v[3]}};
}

double rng_uniform(const struct rng_at *at, uint32_t index)
{
    struct rng_block block = rng_block(at, index);
    uint64_t bits = (uint64_t) block.v[0] << 21 ^ (uint64_t) block.v[1] >> 11;
    return ((double) bits + 0.5) * 0x1p-53;
}

double rng_range(const struct rng_at *at, uint32_t index, double low, double high)
{
    assert(low <= high);
    return low + (high - low) * rng_uniform(at, index);
}

uint32_t rng_below(const struct rng_at *at, uint32_t index, uint32_t n)
{
    assert(n >= 1);
    return (uint32_t) ((uint64_t) rng_block(at, index).v[0] * n >> 32);
}

void rng_normal_pair(uint32_t word_a, uint32_t word_b, double ret_normal[static 2])
{
    double radius = sqrt(-2.0 * elementary_log(rng_u01(word_a)));
    double sine, cosine;
    elementary_sincos(2.0 * UNITS_PI * rng_u01(word_b), &sine, &cosine);
    ret_normal[0] = radius * cosine;
    ret_normal[1] = radius * sine;
}

double rng_exponential(uint32_t word)
{
    return -elementary_log(rng_u01(word));
}
