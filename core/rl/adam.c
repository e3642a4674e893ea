#include "core/rl/adam.h"

#include <assert.h>
#include <math.h>

#include "core/base/elementary.h"
#include "core/base/simd_clones.h"

/* The moments of a unit that has died decay towards zero and would end as denormal numbers, which take a
 * processor many times longer (the whole pass twice as long, measured). Adding and taking away a number this
 * small rounds small moments to multiples of 2^-103 (1e-31), which leaves room for the products below as
 * well. That is far below what ADAM_EPSILON covers, even under the root; larger moments change by one more
 * rounding at most. */
#define FLUSH 0x1p-80f

struct factors {
    float keep_1, new_1; /* beta_1, 1 - beta_1 */
    float keep_2, new_2;
    float rate;       /* learning rate / (1 - beta_1^step) */
    float correction; /* 1 / sqrt(1 - beta_2^step) */
    float tau;
};

/* One parameter's step; returns what it becomes. */
static inline float step_one(const struct factors *f, float param, float g, float *first, float *second)
{
    float m = (f->keep_1 * *first + f->new_1 * g + FLUSH) - FLUSH;
    float v = (f->keep_2 * *second + f->new_2 * (g * g) + FLUSH) - FLUSH;
    *first = m;
    *second = v;
    return param - f->rate * m / (sqrtf(v) * f->correction + (float) ADAM_EPSILON);
}

SIMD_CLONES static void step_block(size_t size, const struct factors *factors, float *restrict params,
                                   float *restrict first, float *restrict second, const float *restrict grads)
{
    const struct factors f = *factors;
    for (size_t i = 0; i < size; i++)
        params[i] = step_one(&f, params[i], grads[i], &first[i], &second[i]);
}

SIMD_CLONES static void step_and_follow(size_t size, const struct factors *factors, float *restrict params,
                                        float *restrict target, float *restrict first, float *restrict second,
                                        const float *restrict grads)
{
    const struct factors f = *factors;
    for (size_t i = 0; i < size; i++) {
        float p = step_one(&f, params[i], grads[i], &first[i], &second[i]);
        params[i] = p;
        target[i] += f.tau * (p - target[i]);
    }
}

void adam_step(const struct adam_blocks *blocks, uint64_t step, float rate, float tau)
{
    assert(step >= 1); /* at 0 the bias corrections divide by 0 */
    double t = (double) step;
    struct factors factors = {
        .keep_1 = (float) ADAM_BETA_1,
        .new_1 = (float) (1.0 - ADAM_BETA_1),
        .keep_2 = (float) ADAM_BETA_2,
        .new_2 = (float) (1.0 - ADAM_BETA_2),
        .rate = (float) ((double) rate / (1.0 - elementary_pow(ADAM_BETA_1, t))),
        .correction = (float) (1.0 / sqrt(1.0 - elementary_pow(ADAM_BETA_2, t))),
        .tau = tau,
    };
    if (blocks->target != NULL)
        step_and_follow(blocks->size, &factors, blocks->params, blocks->target, blocks->first, blocks->second,
                        blocks->grads);
    else
        step_block(blocks->size, &factors, blocks->params, blocks->first, blocks->second, blocks->grads);
}
