/* What a task's outcome may depend on, as small vectors of about unit size: the inputs of a learned outcome
 * model. Logarithms throughout, since durations and energies are products. Only what a deployment knows is
 * among them: declared speeds, gains, loads, and the task's own description (its tokens, how many layers run
 * where, the size of what is sent); no formula of a channel or of a computation. */
#ifndef HANDOFF_CORE_MODEL_TASK_FEATURES_H
#define HANDOFF_CORE_MODEL_TASK_FEATURES_H

#include <stdint.h>

#include "core/model/world.h"

/* The three places where a task spends time and energy. */
enum task_part {
    TASK_DEVICE, /* layers 1..s on the device: speed F_n, s, tokens */
    TASK_LINK, /* the way to the server: gain, load K_m, size D_s; where margins are decided, the margin, too */
    TASK_SERVER, /* layers s+1..L there: speed F_m, K_m, L - s, tokens */
    TASK_PARTS,
};
#define TASK_FEATURES_MAX 4u

/* A way to a server, as features. */
struct task_way {
    float gain, load, size, margin;
};

uint32_t task_features_count(const struct world *world, enum task_part part);

/* split >= 1. */
void task_features_device(const struct world *world, uint32_t device, uint32_t tokens, uint32_t split,
                          float *ret_x);
/* A gain as a feature; gain > 0. */
float task_features_gain(double gain);
/* A load as a feature; load >= 1. */
float task_features_load(uint32_t load);
/* What is sent as a feature; bits > 0. */
float task_features_size(double bits);
/* The margin of a coding (coding.h) as a feature. */
float task_features_margin(const struct world *world, uint32_t coding);
/* Of those. */
void task_features_link(const struct world *world, const struct task_way *way, float *ret_x);
/* load >= 1, split < L. */
void task_features_server(const struct world *world, uint32_t server, uint32_t load, uint32_t tokens,
                          uint32_t split, float *ret_x);

/* D_s of a task in a coding, bits: what its descriptor declares. */
double task_features_bits(const struct world *world, uint32_t tokens, uint32_t split, uint32_t coding);

#endif
