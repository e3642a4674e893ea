#include "core/rl/network.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/rl/adam.h"

#define LINE_BYTES 64u
#define LINE_FLOATS (LINE_BYTES / sizeof(float))

static int init(struct network *ret_network, const struct mlp *mlp, size_t more, bool has_target)
{
    struct network network = {.mlp = *mlp, .size = mlp->params + more};
    size_t size = (network.size + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
    size_t blocks = has_target ? 5 : 4;
    float *block = aligned_alloc(LINE_BYTES, blocks * size * sizeof(float));
    if (block == NULL)
        return -ENOMEM;
    memset(block, 0, blocks * size * sizeof(float));
    network.params = block;
    network.first = block + size;
    network.second = block + 2 * size;
    network.grads = block + 3 * size;
    network.target = has_target ? block + 4 * size : NULL;
    *ret_network = network;
    return 0;
}

int network_init(struct network *ret_network, const size_t sizes[static MLP_LAYERS + 1], enum mlp_head head)
{
    struct mlp mlp;
    int code = mlp_init(&mlp, sizes, head);
    return code == 0 ? init(ret_network, &mlp, 0, true) : code;
}

int network_init_alone(struct network *ret_network, const size_t sizes[static MLP_LAYERS + 1],
                       enum mlp_head head, size_t more)
{
    struct mlp mlp;
    int code = mlp_init(&mlp, sizes, head);
    return code == 0 ? init(ret_network, &mlp, more, false) : code;
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
    assert(network->target == NULL || network->size == network->mlp.params); /* all of it is copied */
    if (network->target != NULL)
        memcpy(network->target, network->params, network->mlp.params * sizeof(float));
}

void network_step(struct network *network, const struct network_pace *pace)
{
    assert(pace->rate >= 0.0f && pace->tau >= 0.0f && pace->tau <= 1.0f);
    struct adam_blocks blocks = {network->params, network->target, network->first,
                                 network->second, network->grads,  network->size};
    adam_step(&blocks, pace->step, pace->rate, pace->tau);
}
