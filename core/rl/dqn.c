#include "core/rl/dqn.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/rl/checkpoint.h"
#include "core/rl/config_check.h"
#include "core/rl/dqn_internal.h"
#include "core/rl/mask.h"

#define LINE_BYTES 64u
#define LINE_FLOATS (LINE_BYTES / sizeof(float))
#define WEIGHTS_OF_NETWORK 0u          /* the entity of RNG_WEIGHTS */
#define MARK_MOST 0x1.fffffffffffffp-1 /* below 1, where rounding would give 1 */

static size_t whole_lines(size_t floats)
{
    return (floats + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
}

int dqn_config_check(const struct dqn_config *config, struct diag *diag)
{
    const struct config_check_size sizes[] = {
        {"state", config->state_size, 1, MLP_SIZE_MAX},
        {"number of actions", config->actions, 1, MLP_SIZE_MAX - 1},
        {"first hidden layer", config->hidden_1, 1, MLP_SIZE_MAX},
        {"second hidden layer", config->hidden_2, 1, MLP_SIZE_MAX},
        {"mini-batch", config->batch, 1, MLP_SIZE_MAX},
        {"buffer", config->buffer, config->batch, UINT32_MAX},
        {"warm-up", config->warmup, 0, config->buffer},
        {"steps of a return", config->steps, 1, DQN_STEPS_MAX},
    };
    const struct config_check_number numbers[] = {
        {"rate", config->rate, CONFIG_AMOUNT},
        {"soft update", config->soft_update, CONFIG_SHARE},
        {"first epsilon", config->epsilon_first, CONFIG_SHARE},
        {"last epsilon", config->epsilon_last, CONFIG_SHARE},
        {"final init", config->final_init, CONFIG_AMOUNT},
        {"priority", config->priority, CONFIG_SHARE},
        {"importance", config->importance, CONFIG_SHARE},
    };
    int code = config_check_sizes(sizes, sizeof(sizes) / sizeof(sizes[0]), diag);
    return code != 0 ? code : config_check_numbers(numbers, sizeof(numbers) / sizeof(numbers[0]), diag);
}

static int work_init(struct dqn *dqn)
{
    const struct dqn_config *config = &dqn->config;
    size_t choice = whole_lines(dqn_choice_size(config)), vector = whole_lines(config->batch);
    size_t stride = whole_lines(config->state_size + dqn_choice_size(config));
    size_t matrix = config->batch * stride;
    size_t floats = 2 * matrix + 3 * vector + choice;
    dqn->block = aligned_alloc(LINE_BYTES, floats * sizeof(float));
    dqn->best = malloc(config->batch * sizeof(*dqn->best));
    dqn->allowed = malloc(config->actions);
    dqn->slots = malloc(config->batch * sizeof(*dqn->slots));
    if (dqn->block == NULL || dqn->best == NULL || dqn->allowed == NULL || dqn->slots == NULL)
        return -ENOMEM;
    dqn->now = (struct matrix){dqn->block, stride};
    dqn->next = (struct matrix){dqn->block + matrix, stride};
    dqn->reward = dqn->block + 2 * matrix;
    dqn->terminal = dqn->reward + vector;
    dqn->importance = dqn->terminal + vector;
    dqn->choice = dqn->importance + vector;
    return 0;
}

static int parts_init(struct dqn *dqn)
{
    const struct dqn_config *config = &dqn->config;
    size_t outputs = config->actions + (config->is_dueling ? 1 : 0);
    const size_t sizes[] = {config->state_size, config->hidden_1, config->hidden_2, outputs};
    int code = network_init(&dqn->network, sizes, MLP_LINEAR);
    if (code < 0)
        return code;
    network_draw(&dqn->network, config->seed, WEIGHTS_OF_NETWORK, config->final_init);
    code = work_init(dqn);
    if (code == 0)
        code = mlp_pass_init(&dqn->pass, &dqn->network.mlp, config->batch);
    if (code == 0)
        code = replay_init(&dqn->replay, config->buffer, config->state_size, dqn_choice_size(config));
    if (code == 0)
        code = dqn_waiting_init(&dqn->waiting, config);
    if (code == 0 && config->is_prioritised)
        code = priorities_init(&dqn->priorities, config->buffer);
    return code;
}

int dqn_create(struct dqn **ret_dqn, const struct dqn_config *config)
{
    int code = dqn_config_check(config, NULL);
    if (code < 0)
        return code;
    struct dqn *dqn = calloc(1, sizeof(*dqn));
    if (dqn == NULL)
        return -ENOMEM;
    dqn->config = *config;
    code = parts_init(dqn);
    if (code < 0) {
        dqn_destroy(dqn);
        return code;
    }
    *ret_dqn = dqn;
    return 0;
}

void dqn_destroy(struct dqn *dqn)
{
    if (dqn == NULL)
        return;
    priorities_finish(&dqn->priorities);
    free(dqn->waiting.rows);
    replay_finish(&dqn->replay);
    mlp_pass_finish(&dqn->pass);
    free(dqn->slots);
    free(dqn->allowed);
    free(dqn->best);
    free(dqn->block);
    network_finish(&dqn->network);
    free(dqn);
}

/* --- choosing --- */

/* Where the actions' outputs stand in a row of outputs. Dueling: the state's worth and the mean advantage are
 * the same for all actions and change no order. */
static const float *actions_of(const struct dqn *dqn, const float *outputs)
{
    return outputs + (dqn->config.is_dueling ? 1 : 0);
}

/* The allowed action with the largest output, the lowest of equals; `actions` when none is allowed. */
static uint32_t best_of(const struct dqn *dqn, const float *outputs, const uint8_t *allowed)
{
    const float *value = actions_of(dqn, outputs);
    uint32_t actions = (uint32_t) dqn->config.actions, best = actions;
    for (uint32_t i = 0; i < actions; i++)
        if (allowed[i] != 0 && (best == actions || value[i] > value[best]))
            best = i;
    return best;
}

uint32_t dqn_act(struct dqn *dqn, const float *state, const uint8_t *allowed)
{
    dqn->pass.rows = 1;
    dqn->pass.x = (struct view){state, dqn->config.state_size};
    mlp_forward(&dqn->network.mlp, dqn->network.params, &dqn->pass);
    uint32_t best = best_of(dqn, dqn->pass.y[MLP_LAYERS - 1].at, allowed);
    assert(best < dqn->config.actions); /* one is allowed */
    return best;
}

/* From first to last in a line over so many steps, and last from there on. */
static double on_line(float first, float last, uint64_t step, uint64_t steps)
{
    if (step >= steps)
        return (double) last;
    return (double) first + (double) step / (double) steps * (double) (last - first);
}

static double epsilon_of(const struct dqn *dqn)
{
    const struct dqn_config *config = &dqn->config;
    return on_line(config->epsilon_first, config->epsilon_last, dqn->acts, config->epsilon_acts);
}

static uint32_t random_of(const struct dqn *dqn, const uint8_t *allowed, const struct rng_at *at)
{
    uint32_t choices = 0, actions = (uint32_t) dqn->config.actions, i = 0;
    for (i = 0; i < actions; i++)
        choices += allowed[i] != 0;
    assert(choices >= 1);
    uint32_t nth = rng_below(at, 1, choices);
    for (i = 0; allowed[i] == 0 || nth > 0; i++)
        nth -= allowed[i] != 0;
    assert(i < actions);
    return i;
}

uint32_t dqn_explore(struct dqn *dqn, const float *state, const uint8_t *allowed)
{
    struct rng_at at = {
        .seed = dqn->config.seed,
        .phase = RNG_TRAIN,
        .stream = RNG_EXPLORATION,
        .episode = (uint32_t) (dqn->acts >> 32),
        .slot = (uint32_t) dqn->acts,
    };
    bool explores = rng_uniform(&at, 0) < epsilon_of(dqn);
    dqn->acts++;
    return explores ? random_of(dqn, allowed, &at) : dqn_act(dqn, state, allowed);
}

/* --- learning --- */

uint64_t dqn_updates(const struct dqn *dqn)
{
    return dqn->updates;
}

uint64_t dqn_pushed(const struct dqn *dqn)
{
    return dqn->pushed;
}

struct replay *dqn_replay(struct dqn *dqn)
{
    return &dqn->replay;
}

static struct matrix fill_outputs(struct dqn *dqn, const float *params, struct matrix states)
{
    dqn->pass.rows = dqn->config.batch;
    dqn->pass.x = dense_view(states);
    mlp_forward(&dqn->network.mlp, params, &dqn->pass);
    return dqn->pass.y[MLP_LAYERS - 1];
}

/* Q of one action from a row of outputs. */
static float worth_of(const struct dqn *dqn, const float *outputs, size_t action)
{
    const float *value = actions_of(dqn, outputs);
    if (!dqn->config.is_dueling)
        return value[action];
    float sum = 0.0f;
    for (size_t i = 0; i < dqn->config.actions; i++)
        sum += value[i];
    return outputs[0] + value[action] - sum / (float) dqn->config.actions;
}

static void choose_next(struct dqn *dqn, struct matrix outputs)
{
    for (size_t i = 0; i < dqn->config.batch; i++) {
        const float *choice = dqn->now.at + i * dqn->now.stride + dqn->config.state_size;
        mask_unpack(dqn->config.actions, choice + DQN_ALLOWED, dqn->allowed);
        dqn->best[i] = best_of(dqn, outputs.at + i * outputs.stride, dqn->allowed);
    }
}

/* reward += discount Q'(next state, best action): now it is what the action taken should be worth. */
static void add_bootstrap(struct dqn *dqn)
{
    if (dqn->config.is_double)
        choose_next(dqn, fill_outputs(dqn, dqn->network.params, dqn->next));
    struct matrix outputs = fill_outputs(dqn, dqn->network.target, dqn->next);
    if (!dqn->config.is_double)
        choose_next(dqn, outputs);
    for (size_t i = 0; i < dqn->config.batch; i++) {
        float discount = dqn->now.at[i * dqn->now.stride + dqn->config.state_size + DQN_DISCOUNT];
        if (dqn->best[i] < dqn->config.actions)
            dqn->reward[i] += discount * worth_of(dqn, outputs.at + i * outputs.stride, dqn->best[i]);
    }
}

/* One row's gradient at the outputs, from that at the worth of one action. */
static void spread(const struct dqn *dqn, size_t action, float gradient, float *ret_d)
{
    size_t actions = dqn->config.actions, first = dqn->config.is_dueling ? 1 : 0;
    assert(action < actions);
    float others = dqn->config.is_dueling ? -gradient / (float) actions : 0.0f;
    if (dqn->config.is_dueling)
        ret_d[0] = gradient;
    for (size_t i = 0; i < actions; i++)
        ret_d[first + i] = others;
    ret_d[first + action] += gradient;
}

/* Its last error was so large. */
static void prioritise(struct dqn *dqn, size_t slot, float error)
{
    double weight = elementary_pow((double) error + DQN_LEAST_PRIORITY, (double) dqn->config.priority);
    priorities_set(&dqn->priorities, slot, (float) weight);
}

/* Returns the mean loss. */
static float improve(struct dqn *dqn)
{
    size_t batch = dqn->config.batch;
    struct matrix y = fill_outputs(dqn, dqn->network.params, dqn->now), d = dqn->pass.dy[MLP_LAYERS - 1];
    float loss = 0.0f;
    for (size_t i = 0; i < batch; i++) {
        size_t action = (size_t) dqn->now.at[i * dqn->now.stride + dqn->config.state_size + DQN_ACTION];
        float error = worth_of(dqn, y.at + i * y.stride, action) - dqn->reward[i], size = fabsf(error);
        float slope = dqn->importance[i] * fminf(fmaxf(error, -1.0f), 1.0f);
        loss += dqn->importance[i] * (size <= 1.0f ? 0.5f * error * error : size - 0.5f);
        spread(dqn, action, slope / (float) batch, d.at + i * d.stride);
        if (dqn->config.is_prioritised)
            prioritise(dqn, dqn->slots[i], size);
    }
    struct mlp_wanted wanted = {.grads = dqn->network.grads};
    struct network_pace pace = {dqn->updates + 1, dqn->config.rate, dqn->config.soft_update};
    mlp_backward(&dqn->network.mlp, dqn->network.params, &dqn->pass, &wanted);
    network_step(&dqn->network, &pace);
    return loss / (float) batch;
}

/* What was drawn too often counts less: ret_importance[batch], the largest is 1. */
static void weigh(const struct dqn *dqn, float *ret_importance)
{
    const struct dqn_config *config = &dqn->config;
    double beta = on_line(config->importance, 1.0f, dqn->updates, config->importance_updates), least = 1.0;
    for (size_t i = 0; i < config->batch; i++)
        least = fmin(least, priorities_share(&dqn->priorities, dqn->slots[i]));
    for (size_t i = 0; i < config->batch; i++)
        ret_importance[i] =
            (float) elementary_pow(least / priorities_share(&dqn->priorities, dqn->slots[i]), beta);
}

static void sample_prioritised(struct dqn *dqn, const struct replay_batch *batch)
{
    struct rng_at at = {
        .seed = dqn->config.seed,
        .phase = RNG_TRAIN,
        .stream = RNG_SAMPLING,
        .episode = (uint32_t) (dqn->updates >> 32),
        .slot = (uint32_t) dqn->updates,
    };
    for (size_t i = 0; i < batch->size; i++) {
        double mark = ((double) i + rng_uniform(&at, (uint32_t) i)) / (double) batch->size;
        dqn->slots[i] = priorities_find(&dqn->priorities, fmin(mark, MARK_MOST));
    }
    replay_take(&dqn->replay, dqn->slots, batch);
    weigh(dqn, dqn->importance);
}

static void sample_uniform(struct dqn *dqn, const struct replay_batch *batch)
{
    replay_sample(&dqn->replay, dqn->config.seed, dqn->updates, batch);
    for (size_t i = 0; i < batch->size; i++)
        dqn->importance[i] = 1.0f;
}

bool dqn_update(struct dqn *dqn, float *ret_loss)
{
    bool is_warm = dqn->replay.count >= dqn->config.batch && dqn->replay.count >= dqn->config.warmup;
    bool owed = dqn->fresh > 0;
    dqn->fresh = 0;
    if (!is_warm || !owed)
        return false;
    struct replay_batch batch = {
        .size = dqn->config.batch,
        .stride = dqn->now.stride,
        .state_action = dqn->now.at,
        .next_state = dqn->next.at,
        .reward = dqn->reward,
        .terminal = dqn->terminal,
    };
    if (dqn->config.is_prioritised)
        sample_prioritised(dqn, &batch);
    else
        sample_uniform(dqn, &batch);
    add_bootstrap(dqn);
    float loss = improve(dqn);
    dqn->updates++;
    if (ret_loss != NULL)
        *ret_loss = loss;
    return true;
}

/* --- checkpoints --- */

static void describe(struct dqn *dqn, struct checkpoint *ret_checkpoint)
{
    const struct dqn_config *config = &dqn->config;
    checkpoint_begin(ret_checkpoint, "HDDQ", &dqn->replay);
    checkpoint_size(ret_checkpoint, "state", config->state_size);
    checkpoint_size(ret_checkpoint, "actions", config->actions);
    checkpoint_size(ret_checkpoint, "output", dqn->network.mlp.layers[MLP_LAYERS - 1].out);
    checkpoint_size(ret_checkpoint, "hidden 1", config->hidden_1);
    checkpoint_size(ret_checkpoint, "hidden 2", config->hidden_2);
    checkpoint_weights(ret_checkpoint, CHECKPOINT_ACTOR, &dqn->network);
    checkpoint_count(ret_checkpoint, CHECKPOINT_LEARNER, &dqn->acts);
    checkpoint_count(ret_checkpoint, CHECKPOINT_LEARNER, &dqn->updates);
    checkpoint_count(ret_checkpoint, CHECKPOINT_LEARNER, &dqn->pushed);
    checkpoint_count(ret_checkpoint, CHECKPOINT_LEARNER, &dqn->fresh);
    checkpoint_target(ret_checkpoint, CHECKPOINT_LEARNER, &dqn->network);
    checkpoint_moments(ret_checkpoint, CHECKPOINT_LEARNER, &dqn->network);
    if (config->steps > 1) {
        checkpoint_count(ret_checkpoint, CHECKPOINT_LEARNER, &dqn->waiting.count);
        checkpoint_floats(ret_checkpoint, CHECKPOINT_LEARNER, dqn->waiting.rows, dqn->waiting.size);
    }
    if (config->is_prioritised)
        checkpoint_squares(ret_checkpoint, CHECKPOINT_LEARNER, dqn->priorities.weight, config->buffer + 1);
}

int dqn_save(const struct dqn *dqn, uint32_t sections, struct buf *bytes)
{
    struct checkpoint checkpoint;
    describe((struct dqn *) dqn, &checkpoint); /* saving only reads */
    return checkpoint_save(&checkpoint, sections, bytes);
}

int dqn_load(struct dqn *dqn, const void *bytes, size_t size, struct diag *diag)
{
    struct checkpoint checkpoint;
    describe(dqn, &checkpoint);
    int code = checkpoint_load(&checkpoint, bytes, size, diag);
    if (code == 0 && dqn->config.is_prioritised)
        priorities_rebuild(&dqn->priorities);
    return code;
}
