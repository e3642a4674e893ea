#include "core/rl/rollout.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/rl/mask.h"

#define VECTORS 4u

/* Of the action's columns. */
static size_t choice_size(const struct rollout_sizes *sizes)
{
    return sizes->action + 2 + mask_size(sizes->allowed);
}

int rollout_init(struct rollout *ret_rollout, const struct rollout_sizes *sizes)
{
    struct rollout rollout = {.sizes = *sizes};
    int code = replay_init(&rollout.replay, sizes->capacity, sizes->state, choice_size(sizes));
    if (code < 0)
        return code;
    rollout.block = calloc(VECTORS * sizes->capacity + choice_size(sizes), sizeof(float));
    if (rollout.block == NULL) {
        replay_finish(&rollout.replay);
        return -ENOMEM;
    }
    rollout.value = rollout.block;
    rollout.next_value = rollout.value + sizes->capacity;
    rollout.advantage = rollout.next_value + sizes->capacity;
    rollout.wanted = rollout.advantage + sizes->capacity;
    rollout.choice = rollout.wanted + sizes->capacity;
    *ret_rollout = rollout;
    return 0;
}

void rollout_finish(struct rollout *rollout)
{
    free(rollout->block);
    replay_finish(&rollout->replay);
    *rollout = (struct rollout){0};
}

void rollout_push(struct rollout *rollout, const struct rollout_transition *from)
{
    const struct rollout_sizes *sizes = &rollout->sizes;
    assert(!rollout_is_full(rollout));
    assert(sizes->allowed == 0 || from->allowed != NULL);
    float *choice = rollout->choice;
    memcpy(choice, from->action, sizes->action * sizeof(float));
    choice[sizes->action] = from->log_probability;
    choice[sizes->action + 1] = from->begins ? 1.0f : 0.0f;
    mask_pack(sizes->allowed, from->allowed, choice + sizes->action + 2);
    struct transition transition = {
        .state = from->state,
        .action = choice,
        .reward = from->reward,
        .next_state = from->next_state,
        .terminal = from->terminal,
    };
    replay_push(&rollout->replay, &transition);
}

void rollout_clear(struct rollout *rollout)
{
    rollout->replay.count = 0;
    rollout->replay.head = 0;
    rollout->replay.pushed = 0; /* as in a new one */
}

static const float *row_of(const struct rollout *rollout, size_t i)
{
    assert(i < rollout_count(rollout));
    return rollout->replay.rows + i * rollout->replay.stride;
}

struct view rollout_states(const struct rollout *rollout)
{
    return (struct view){rollout->replay.rows, rollout->replay.stride};
}

struct view rollout_next_states(const struct rollout *rollout)
{
    const struct replay *replay = &rollout->replay;
    return (struct view){replay->rows + replay->state_size + replay->action_size, replay->stride};
}

const float *rollout_action(const struct rollout *rollout, size_t i)
{
    return row_of(rollout, i) + rollout->sizes.state;
}

float rollout_log_probability(const struct rollout *rollout, size_t i)
{
    return rollout_action(rollout, i)[rollout->sizes.action];
}

static float begins(const struct rollout *rollout, size_t i)
{
    return rollout_action(rollout, i)[rollout->sizes.action + 1];
}

static const float *packed(const struct rollout *rollout, size_t i)
{
    return rollout_action(rollout, i) + rollout->sizes.action + 2;
}

void rollout_allowed(const struct rollout *rollout, size_t i, uint8_t *ret_allowed)
{
    mask_unpack(rollout->sizes.allowed, packed(rollout, i), ret_allowed);
}

bool rollout_is_sound(const struct rollout *rollout)
{
    for (size_t i = 0; i < rollout_count(rollout); i++) {
        bool is_flag = begins(rollout, i) == 0.0f || begins(rollout, i) == 1.0f;
        if (!is_flag || !mask_is_sound(rollout->sizes.allowed, packed(rollout, i)))
            return false;
    }
    return true;
}

void rollout_judge(struct rollout *rollout, float discount, float trace)
{
    size_t count = rollout_count(rollout), reward = replay_row_size(&rollout->replay) - 2;
    float later = 0.0f;
    assert(discount >= 0.0f && discount <= 1.0f && trace >= 0.0f && trace <= 1.0f);
    for (size_t i = count; i-- > 0;) {
        const float *row = row_of(rollout, i);
        bool ends = row[reward + 1] > 0.5f;
        bool goes_on = !ends && i + 1 < count && begins(rollout, i + 1) < 0.5f;
        float delta = row[reward] - rollout->value[i];
        if (!ends)
            delta += discount * rollout->next_value[i];
        later = delta + (goes_on ? discount * trace * later : 0.0f);
        rollout->advantage[i] = later;
        rollout->wanted[i] = later + rollout->value[i];
    }
}
