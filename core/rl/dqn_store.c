#include "core/rl/dqn_internal.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rl/mask.h"

size_t dqn_choice_size(const struct dqn_config *config)
{
    return DQN_ALLOWED + mask_size(config->actions);
}

int dqn_waiting_init(struct dqn_waiting_list *ret_waiting, const struct dqn_config *config)
{
    size_t row = config->state_size + DQN_WAITING_COLUMNS, mask = mask_size(config->actions);
    size_t size = config->steps * row + config->state_size + mask;
    *ret_waiting = (struct dqn_waiting_list){.row = row, .size = size, .rows = calloc(size, sizeof(float))};
    if (ret_waiting->rows == NULL)
        return -ENOMEM;
    ret_waiting->next = ret_waiting->rows + config->steps * row;
    ret_waiting->packed = ret_waiting->next + config->state_size;
    return 0;
}

static float *waiting_row(const struct dqn *dqn, size_t i)
{
    return dqn->waiting.rows + i * dqn->waiting.row;
}

/* The oldest of those that wait goes to the buffer. */
static void store_oldest(struct dqn *dqn)
{
    struct dqn_waiting_list *waiting = &dqn->waiting;
    const float *oldest = waiting_row(dqn, 0), *columns = oldest + dqn->config.state_size;
    float *choice = dqn->choice;
    assert(waiting->count > 0);
    choice[DQN_ACTION] = columns[DQN_WAITING_ACTION];
    choice[DQN_DISCOUNT] = columns[DQN_WAITING_DISCOUNT];
    memcpy(choice + DQN_ALLOWED, waiting->packed, mask_size(dqn->config.actions) * sizeof(float));
    struct transition transition = {.state = oldest,
                                    .action = choice,
                                    .reward = columns[DQN_WAITING_REWARD],
                                    .next_state = waiting->next};
    if (dqn->config.is_prioritised)
        priorities_set_new(&dqn->priorities, dqn->replay.head);
    replay_push(&dqn->replay, &transition);
    waiting->count--;
    memmove(waiting->rows, waiting_row(dqn, 1), waiting->count * waiting->row * sizeof(float));
    dqn->pushed++;
    dqn->fresh++;
}

/* Those that wait get what their discounts leave of this reward; then the transition waits, too. */
static void wait_with(struct dqn *dqn, const struct dqn_transition *from)
{
    struct dqn_waiting_list *waiting = &dqn->waiting;
    size_t state = dqn->config.state_size;
    assert(waiting->count < dqn->config.steps);
    for (size_t i = 0; i < waiting->count; i++) {
        float *columns = waiting_row(dqn, i) + state;
        columns[DQN_WAITING_REWARD] += columns[DQN_WAITING_DISCOUNT] * from->reward;
        columns[DQN_WAITING_DISCOUNT] *= from->discount;
    }
    float *row = waiting_row(dqn, waiting->count++), *columns = row + state;
    memcpy(row, from->state, state * sizeof(float));
    columns[DQN_WAITING_ACTION] = (float) from->action;
    columns[DQN_WAITING_DISCOUNT] = from->discount;
    columns[DQN_WAITING_REWARD] = from->reward;
    memcpy(waiting->next, from->next_state, state * sizeof(float));
    mask_pack(dqn->config.actions, from->next_allowed, waiting->packed);
}

void dqn_push(struct dqn *dqn, const struct dqn_transition *from)
{
    assert(from->action < dqn->config.actions && from->discount >= 0.0f && from->discount <= 1.0f);
    wait_with(dqn, from);
    if (dqn->waiting.count == dqn->config.steps)
        store_oldest(dqn);
    if (!(from->discount > 0.0f))
        dqn_cut(dqn);
}

void dqn_cut(struct dqn *dqn)
{
    while (dqn->waiting.count > 0)
        store_oldest(dqn);
}

static bool choice_is_sound(const struct dqn *dqn, float action, float discount, const float *packed)
{
    return action >= 0.0f && action < (float) dqn->config.actions && floorf(action) == action &&
           discount >= 0.0f && discount <= 1.0f && mask_is_sound(dqn->config.actions, packed);
}

static bool waiting_is_sound(const struct dqn *dqn)
{
    const struct dqn_waiting_list *waiting = &dqn->waiting;
    bool sound = waiting->count < dqn->config.steps;
    for (size_t i = 0; sound && i < waiting->count; i++) {
        const float *columns = waiting_row(dqn, i) + dqn->config.state_size;
        sound =
            choice_is_sound(dqn, columns[DQN_WAITING_ACTION], columns[DQN_WAITING_DISCOUNT], waiting->packed);
    }
    return sound;
}

/* Slots that hold something have a weight, no more than the largest; the others have none. */
static bool priorities_are_sound(const struct dqn *dqn)
{
    const float *weight = dqn->priorities.weight;
    size_t capacity = dqn->replay.capacity;
    for (size_t i = 0; i < capacity; i++) {
        bool is_filled = i < dqn->replay.count;
        if (is_filled != (weight[i] > 0.0f) || !(weight[i] <= weight[capacity]))
            return false;
    }
    return true;
}

bool dqn_buffer_is_sound(struct dqn *dqn)
{
    const struct replay *replay = &dqn->replay;
    for (size_t i = 0; i < replay->count; i++) {
        const float *choice = replay->rows + i * replay->stride + dqn->config.state_size;
        if (!choice_is_sound(dqn, choice[DQN_ACTION], choice[DQN_DISCOUNT], choice + DQN_ALLOWED))
            return false;
    }
    return waiting_is_sound(dqn) && (!dqn->config.is_prioritised || priorities_are_sound(dqn));
}
