/* What a task is made of, and how many bytes of it cross: pure functions of the world. */
#include "core/compute/compute.h"

#include <assert.h>

#include "core/base/rng.h"
#include "core/compute/compute_internal.h"

#define TOKEN_BYTES 4u

/* Index of a prompt's draws under RNG_PROMPT. */
enum prompt_draw { DRAW_BEGIN = 0, DRAW_TOKENS = 1 };

static struct rng_at draws_of(const struct world *world, uint32_t device, struct slot_id id)
{
    return (struct rng_at){.seed = world->seed,
                           .phase = id.phase,
                           .stream = RNG_PROMPT,
                           .entity = device,
                           .episode = id.episode,
                           .slot = id.slot};
}

/* Where in the world's text a prompt begins. */
static uint32_t begin_of(const struct world *world, const struct rng_at *at, uint32_t tokens)
{
    uint32_t text = world->prompt_tokens;
    return rng_below(at, DRAW_BEGIN, tokens <= text ? text - tokens + 1 : text);
}

void compute_prompt(const struct world *world, uint32_t device, struct slot_id id, uint32_t tokens,
                    uint32_t *ret_token)
{
    const struct rng_at at = draws_of(world, device, id);
    uint32_t text = world->prompt_tokens;
    if (text == 0) {
        for (uint32_t i = 0; i < tokens; i++)
            ret_token[i] = rng_below(&at, DRAW_TOKENS + i, world->llm->vocab);
        return;
    }
    uint32_t begin = begin_of(world, &at, tokens);
    for (uint32_t i = 0; i < tokens; i++)
        ret_token[i] = world->prompt[(begin + i) % text];
}

uint64_t compute_prompt_bytes(const struct world *world, uint32_t device, struct slot_id id, uint32_t tokens)
{
    const struct rng_at at = draws_of(world, device, id);
    uint64_t bytes = 0;
    if (world->prompt_bytes == NULL)
        return 0;
    uint32_t begin = begin_of(world, &at, tokens);
    for (uint32_t i = 1; i < tokens; i++)
        bytes += world->prompt_bytes[(begin + i) % world->prompt_tokens];
    return bytes;
}

static const enum activation_format formats[] = {
    [COMPUTE_FP32] = ACTIVATION_FP32, [COMPUTE_FP16] = ACTIVATION_FP16, [COMPUTE_INT8] = ACTIVATION_INT8,
    [COMPUTE_Q4] = ACTIVATION_INT4,   [COMPUTE_TOPK] = ACTIVATION_TOPK,
};

struct activation_shape compute_shape_of(const struct scenario *scenario, uint32_t hidden, uint32_t rows)
{
    return (struct activation_shape){.format = formats[scenario->compute.format],
                                     .rows = rows,
                                     .columns = hidden,
                                     .k = (uint32_t) scenario->compute.kept};
}

struct activation_shape compute_shape(const struct world *world, uint32_t rows, uint32_t coding)
{
    if (coding == 0)
        return compute_shape_of(&world->scenario, world->llm->hidden, rows);
    return (struct activation_shape){
        .format = formats[coding_at(&world->codings, &world->scenario, coding).format],
        .rows = rows,
        .columns = world->llm->hidden,
    };
}

size_t compute_bytes(const struct world *world, uint32_t split, uint32_t tokens, uint32_t coding)
{
    assert(split <= world->llm->layers);
    if (split == 0)
        return (size_t) TOKEN_BYTES * tokens;
    return split == world->llm->layers ? 0 : compute_row_bytes(world, coding) * tokens;
}

size_t compute_row_bytes(const struct world *world, uint32_t coding)
{
    const struct activation_shape shape = compute_shape(world, 1, coding);
    return activation_bytes(shape.format, shape.rows, shape.columns, shape.k);
}
