/* AdamW's step (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2), and the sum of gradients before it. The bits
 * are the same on every processor. */
#ifndef HANDOFF_CORE_TRAIN_ADAMW_H
#define HANDOFF_CORE_TRAIN_ADAMW_H

#include <stddef.h>
#include <stdint.h>

#define ADAMW_BETA_1 0.9
#define ADAMW_BETA_2 0.95 /* as LLaMA (Touvron et al., arXiv 2302.13971) */
#define ADAMW_EPSILON 1e-8

/* The first of `shards` rows, which lie `stride` floats from each other, becomes the sum of all, added in their order.
 * Returns the sum of its squares. */
double adamw_sum(size_t size, size_t shards, size_t stride, float *grads);

/* A step's numbers. */
struct adamw_step {
    float keep_1, new_1; /* beta_1, 1 - beta_1 */
    float keep_2, new_2;
    float rate;       /* of weight decay */
    float corrected;  /* rate / (1 - beta_1^step) */
    float correction; /* 1 / sqrt(1 - beta_2^step) */
    float scale;      /* of the gradient */
};

/* step >= 1. `scale` shortens the gradient. */
struct adamw_step adamw_step_of(uint32_t step, double rate, double scale);

struct adamw_blocks {
    size_t size;
    float *params, *first, *second; /* [size] */
    const float *grads;             /* [size] */
    float decay;
};

void adamw_update(const struct adamw_blocks *blocks, const struct adamw_step *step);

#endif
