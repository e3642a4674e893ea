#include "core/rl/network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/rl/adam.h"

#define LINE_BYTES 64u
#define LINE_FLOATS (LINE_BYTES / sizeof(float))
#define BLOCKS 5u

int network_init(struct network *ret_network, const size_t sizes[static MLP_LAYERS + 1], enum mlp_head head)
{
    struct network network = {0};
    int code = mlp_init(&network.mlp, sizes, head);
    if (code < 0)
        return code;
    size_t size = (network.mlp.params + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
    float *block = aligned_alloc(LINE_BYTES, BLOCKS * size * sizeof(float));
    if (block == NULL)
        return -ENOMEM;
    memset(block, 0, BLOCKS * size * sizeof(float));
    network.params = block;
    network.target = block + size;
    network.first = block + 2 * size;
    network.second = block + 3 * size;
    network.grads = block + 4 * size;
    *ret_network = network;
    return 0;
}

void network_finish(struct network *network)
{
    free(network->params);
    *network = (struct network){0};
}

void network_draw(struct network *network, uint64_t seed, uint32_t which, float final_init)
{
    struct rng_at at = {.seed = seed, .phase = RNG_TRAIN, .stream = RNG_WEIGHTS, .entity = which};
    mlp_draw(&network->mlp, network->params, at, final_init);
    memcpy(network->target, network->params, network->mlp.params * sizeof(float));
}

void network_step(struct network *network, const struct network_pace *pace)
{
    struct adam_blocks blocks = {network->params, network->target, network->first,
                                 network->second, network->grads,  network->mlp.params};
    adam_step(&blocks, pace->step, pace->rate, pace->tau);
}
