#include "core/rl/replay.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/rng.h"

#define LINE_BYTES 64u
#define LINE_FLOATS (LINE_BYTES / sizeof(float))

size_t replay_row_size(const struct replay *replay)
{
    return 2 * replay->state_size + replay->action_size + 2;
}

int replay_init(struct replay *ret_replay, size_t capacity, size_t state_size, size_t action_size)
{
    struct replay replay = {.state_size = state_size, .action_size = action_size, .capacity = capacity};
    assert(capacity >= 1);
    replay.stride = (replay_row_size(&replay) + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
    if (capacity > UINT32_MAX || capacity > SIZE_MAX / 2 / sizeof(float) / replay.stride)
        return ERR_RANGE;
    replay.rows = aligned_alloc(LINE_BYTES, capacity * replay.stride * sizeof(float));
    if (replay.rows == NULL)
        return -ENOMEM;
    *ret_replay = replay;
    return 0;
}

void replay_finish(struct replay *replay)
{
    free(replay->rows);
    *replay = (struct replay){0};
}

void replay_push(struct replay *replay, const struct transition *transition)
{
    size_t state = replay->state_size, action = replay->action_size;
    assert(replay->head == replay->pushed % replay->capacity && replay->count <= replay->capacity);
    float *row = replay->rows + replay->head * replay->stride;
    memcpy(row, transition->state, state * sizeof(float));
    memcpy(row + state, transition->action, action * sizeof(float));
    memcpy(row + state + action, transition->next_state, state * sizeof(float));
    row[2 * state + action] = transition->reward;
    row[2 * state + action + 1] = transition->terminal ? 1.0f : 0.0f;
    replay->head = replay->head + 1 == replay->capacity ? 0 : replay->head + 1;
    if (replay->count < replay->capacity)
        replay->count++;
    replay->pushed++;
}

static void copy_row(const struct replay *replay, size_t slot, const struct replay_batch *batch, size_t i)
{
    size_t state = replay->state_size, action = replay->action_size;
    const float *row = replay->rows + slot * replay->stride;
    memcpy(batch->state_action + i * batch->stride, row, (state + action) * sizeof(float));
    memcpy(batch->next_state + i * batch->stride, row + state + action, state * sizeof(float));
    batch->reward[i] = row[2 * state + action];
    batch->terminal[i] = row[2 * state + action + 1];
}

#define DRAWS 4u /* slots of one block of random numbers */

/* Draws the slots of rows i .. i + DRAWS - 1. They lie anywhere in memory, so that the processor is told ahead. */
static void draw_slots(const struct replay *replay, const struct rng_at *at, size_t i, size_t *ret_slots)
{
    struct rng_block block = rng_block(at, (uint32_t) (i / DRAWS));
    for (size_t j = 0; j < DRAWS; j++) {
        ret_slots[j] = (size_t) ((uint64_t) block.v[j] * replay->count >> 32);
        for (size_t line = 0; line < replay->stride; line += LINE_FLOATS)
            __builtin_prefetch(replay->rows + ret_slots[j] * replay->stride + line);
    }
}

void replay_sample(const struct replay *replay, uint64_t seed, uint64_t update,
                   const struct replay_batch *batch)
{
    struct rng_at at = {
        .seed = seed,
        .phase = RNG_TRAIN,
        .stream = RNG_SAMPLING,
        .episode = (uint32_t) (update >> 32),
        .slot = (uint32_t) update,
    };
    size_t slots[2][DRAWS]; /* of the block at hand, and of the next */
    assert(replay->count > 0 && batch->stride >= replay->state_size + replay->action_size);
    draw_slots(replay, &at, 0, slots[0]);
    for (size_t i = 0, now = 0; i < batch->size; i += DRAWS, now = 1 - now) {
        if (i + DRAWS < batch->size)
            draw_slots(replay, &at, i + DRAWS, slots[1 - now]);
        for (size_t j = 0; j < DRAWS && i + j < batch->size; j++)
            copy_row(replay, slots[now][j], batch, i + j);
    }
}

void replay_take(const struct replay *replay, const size_t *slot, const struct replay_batch *batch)
{
    assert(batch->stride >= replay->state_size + replay->action_size);
    for (size_t i = 0; i < batch->size; i++) {
        assert(slot[i] < replay->count);
        copy_row(replay, slot[i], batch, i);
    }
}
