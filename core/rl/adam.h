/* Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1) over one flat block, with the target network's soft
 * update in the same pass: each parameter is touched once. */
#ifndef HANDOFF_CORE_RL_ADAM_H
#define HANDOFF_CORE_RL_ADAM_H

#include <stddef.h>
#include <stdint.h>

/* The paper's recommended constants. */
#define ADAM_BETA_1 0.9
#define ADAM_BETA_2 0.999
#define ADAM_EPSILON 1e-8

/* One network's learnable state; every block is [size]. Borrowed. */
struct adam_blocks {
    float *params;
    float *target; /* follows params; NULL: nothing does */
    float *first;  /* mean of gradients */
    float *second; /* mean of squared gradients, >= 0 */
    const float *grads;
    size_t size;
};

/* Step number `step` (from 1) down the gradient, then target = tau * params + (1 - tau) * target. */
void adam_step(const struct adam_blocks *blocks, uint64_t step, float rate, float tau);

#endif
