/* A network with everything that is learned of it: parameters, a copy that follows them, Adam's moments, and
 * space for gradients. Each is a block of `size` floats: the layers' as core/rl/mlp.h lays them out, and then
 * those of no layer, if any. */
#ifndef HANDOFF_CORE_RL_NETWORK_H
#define HANDOFF_CORE_RL_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "core/rl/mlp.h"

/* Owns `params`, the start of one block; the others point into it. */
struct network {
    struct mlp mlp;
    size_t size;   /* mlp.params and more */
    float *params; /* [size], as are the others */
    float *target; /* NULL: nothing follows */
    float *first, *second, *grads;
};

/* All zero. ERR_RANGE as mlp_init, or -ENOMEM. */
int network_init(struct network *ret_network, const size_t sizes[static MLP_LAYERS + 1], enum mlp_head head);
/* The same without a target, and with `more` parameters of no layer. */
int network_init_alone(struct network *ret_network, const size_t sizes[static MLP_LAYERS + 1],
                       enum mlp_head head, size_t more);
void network_finish(struct network *network);

/* Initial weights as mlp_draw makes them, at (seed, RNG_WEIGHTS, entity `which`); the target becomes the
 * same. Parameters of no layer are left alone. */
void network_draw(struct network *network, uint64_t seed, uint32_t which, float final_init);

/* How a network goes down its gradient. */
struct network_pace {
    uint64_t step; /* Adam's, from 1 */
    float rate;
    float tau; /* how far the target follows; 0: it rests */
};

void network_step(struct network *network, const struct network_pace *pace);

#endif
