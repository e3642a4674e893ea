#include "core/train/adamw.h"

#include <assert.h>
#include <math.h>

#include "core/base/elementary.h"
#include "core/base/simd_clones.h"
#include "core/train/lanes_internal.h"

#define SUM_SIZE 1024u /* squares are added up in floats over so many, then in doubles */

/* Moments that decay towards zero would end as denormal numbers, which are many times slower. Adding and taking away
 * this much rounds them to multiples of 2^-103, far below what ADAMW_EPSILON covers. */
#define FLUSH 0x1p-80f

SIMD_CLONES double adamw_sum(size_t size, size_t shards, size_t stride, float *grads)
{
    double squares = 0.0;
    for (size_t first = 0; first < size; first += SUM_SIZE) {
        const size_t count = size - first < SUM_SIZE ? size - first : SUM_SIZE;
        float *restrict sum = grads + first;
        for (size_t shard = 1; shard < shards; shard++) {
            const float *restrict more = grads + first + shard * stride;
            for (size_t i = 0; i < count; i++)
                sum[i] += more[i];
        }
        squares += (double) sum_of_products(sum, sum, count);
    }
    return squares;
}

struct adamw_step adamw_step_of(uint32_t step, double rate, double scale)
{
    assert(step >= 1);
    return (struct adamw_step){
        .keep_1 = (float) ADAMW_BETA_1,
        .new_1 = (float) (1.0 - ADAMW_BETA_1),
        .keep_2 = (float) ADAMW_BETA_2,
        .new_2 = (float) (1.0 - ADAMW_BETA_2),
        .rate = (float) rate,
        .corrected = (float) (rate / (1.0 - elementary_pow(ADAMW_BETA_1, step))),
        .correction = (float) (1.0 / sqrt(1.0 - elementary_pow(ADAMW_BETA_2, step))),
        .scale = (float) scale,
    };
}

SIMD_CLONES void adamw_update(const struct adamw_blocks *blocks, const struct adamw_step *step)
{
    const struct adamw_step s = *step;
    const float keep = 1.0f - s.rate * blocks->decay;
    float *restrict params = blocks->params, *restrict first = blocks->first,
                    *restrict second = blocks->second;
    const float *restrict grads = blocks->grads;
    for (size_t i = 0; i < blocks->size; i++) {
        float g = s.scale * grads[i];
        float m = (s.keep_1 * first[i] + s.new_1 * g + FLUSH) - FLUSH;
        float v = (s.keep_2 * second[i] + s.new_2 * (g * g) + FLUSH) - FLUSH;
        first[i] = m;
        second[i] = v;
        params[i] = keep * params[i] - s.corrected * m / (sqrtf(v) * s.correction + (float) ADAMW_EPSILON);
    }
}
