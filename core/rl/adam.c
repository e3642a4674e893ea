#include "core/rl/adam.h"

#include <math.h>

/* The moments of a unit that has died decay towards zero and would end as denormal numbers, which processors
 * handle a hundred times slower. Adding and taking away a number this small clears them and changes no other
 * value by more than 1e-37, far below ADAM_EPSILON even under the root. */
#define FLUSH 1e-30f

struct factors {
    float keep_1, new_1; /* beta_1, 1 - beta_1 */
    float keep_2, new_2;
    float rate;       /* learning rate / (1 - beta_1^step) */
    float correction; /* 1 / sqrt(1 - beta_2^step) */
    float tau;
};

static void step_block(size_t size, const struct factors *factors, float *restrict params,
                       float *restrict target, float *restrict first, float *restrict second,
                       const float *restrict grads)
{
    const struct factors f = *factors;
    for (size_t i = 0; i < size; i++) {
        float g = grads[i];
        float m = (f.keep_1 * first[i] + f.new_1 * g + FLUSH) - FLUSH;
        float v = (f.keep_2 * second[i] + f.new_2 * (g * g) + FLUSH) - FLUSH;
        float p = params[i] - f.rate * m / (sqrtf(v) * f.correction + (float) ADAM_EPSILON);
        first[i] = m;
        second[i] = v;
        params[i] = p;
        target[i] += f.tau * (p - target[i]);
    }
}

void adam_step(const struct adam_blocks *blocks, uint64_t step, float rate, float tau)
{
    double t = (double) step;
    struct factors factors = {
        .keep_1 = (float) ADAM_BETA_1,
        .new_1 = (float) (1.0 - ADAM_BETA_1),
        .keep_2 = (float) ADAM_BETA_2,
        .new_2 = (float) (1.0 - ADAM_BETA_2),
        .rate = (float) ((double) rate / (1.0 - pow(ADAM_BETA_1, t))),
        .correction = (float) (1.0 / sqrt(1.0 - pow(ADAM_BETA_2, t))),
        .tau = tau,
    };
    step_block(blocks->size, &factors, blocks->params, blocks->target, blocks->first, blocks->second,
               blocks->grads);
}
