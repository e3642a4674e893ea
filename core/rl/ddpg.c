#include "core/rl/ddpg.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>

#include "core/base/err.h"
#include "core/rl/ddpg_internal.h"

#define LINE_BYTES 64u
#define LINE_FLOATS (LINE_BYTES / sizeof(float))

/* Whose initial weights a draw is for: the entity of RNG_WEIGHTS. */
enum weights_of { WEIGHTS_OF_ACTOR = 0, WEIGHTS_OF_CRITIC = 1 };

static size_t whole_lines(size_t floats)
{
    return (floats + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
}

static bool is_rate(float value)
{
    return isfinite(value) && value >= 0.0f;
}

static bool is_share(float value)
{
    return value >= 0.0f && value <= 1.0f;
}

static int check_numbers(const struct ddpg_config *config, struct diag *diag)
{
    const struct {
        const char *name;
        float value;
        bool valid;
        const char *allowed;
    } numbers[] = {
        {"discount", config->discount, is_share(config->discount), "0 to 1"},
        {"soft update", config->soft_update, is_share(config->soft_update), "0 to 1"},
        {"actor's rate", config->actor_rate, is_rate(config->actor_rate), "0 or more"},
        {"critic's rate", config->critic_rate, is_rate(config->critic_rate), "0 or more"},
        {"final init", config->final_init, is_rate(config->final_init), "0 or more"},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (!numbers[i].valid)
            return diag_fail(diag, ERR_RANGE, "learner's %s is %g, allowed is %s", numbers[i].name,
                             (double) numbers[i].value, numbers[i].allowed);
    return 0;
}

int ddpg_config_check(const struct ddpg_config *config, struct diag *diag)
{
    const struct {
        const char *name;
        size_t value, low, high;
    } sizes[] = {
        {"state", config->state_size, 1, MLP_SIZE_MAX - 1},
        {"action", config->action_size, 1, MLP_SIZE_MAX - config->state_size},
        {"first hidden layer", config->hidden_1, 1, MLP_SIZE_MAX},
        {"second hidden layer", config->hidden_2, 1, MLP_SIZE_MAX},
        {"mini-batch", config->batch, 1, MLP_SIZE_MAX},
        {"buffer", config->buffer, config->batch, UINT32_MAX},
        {"warm-up", config->warmup, 0, config->buffer},
    };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (sizes[i].value < sizes[i].low || sizes[i].value > sizes[i].high)
            return diag_fail(diag, ERR_RANGE, "learner's %s is %zu, allowed is %zu to %zu", sizes[i].name,
                             sizes[i].value, sizes[i].low, sizes[i].high);
    return check_numbers(config, diag);
}

static int network_init(struct network *network, const size_t sizes[static MLP_LAYERS + 1],
                        enum mlp_head head)
{
    int code = mlp_init(&network->mlp, sizes, head);
    if (code < 0)
        return code;
    size_t size = whole_lines(network->mlp.params);
    float *block = aligned_alloc(LINE_BYTES, 5 * size * sizeof(float));
    if (block == NULL)
        return -ENOMEM;
    memset(block, 0, 5 * size * sizeof(float));
    network->params = block;
    network->target = block + size;
    network->first = block + 2 * size;
    network->second = block + 3 * size;
    network->grads = block + 4 * size;
    return 0;
}

static void network_draw(struct network *network, const struct ddpg_config *config, enum weights_of which)
{
    struct rng_at at = {
        .seed = config->seed, .phase = RNG_TRAIN, .stream = RNG_WEIGHTS, .entity = (uint32_t) which};
    mlp_draw(&network->mlp, network->params, at, config->final_init);
    memcpy(network->target, network->params, network->mlp.params * sizeof(float));
}

static int networks_init(struct ddpg *ddpg)
{
    const struct ddpg_config *config = &ddpg->config;
    const size_t actor[] = {config->state_size, config->hidden_1, config->hidden_2, config->action_size};
    const size_t critic[] = {config->state_size + config->action_size, config->hidden_1, config->hidden_2, 1};
    int code = network_init(&ddpg->actor, actor, MLP_TANH);
    if (code == 0)
        code = network_init(&ddpg->critic, critic, MLP_LINEAR);
    if (code < 0)
        return code;
    network_draw(&ddpg->actor, config, WEIGHTS_OF_ACTOR);
    network_draw(&ddpg->critic, config, WEIGHTS_OF_CRITIC);
    return 0;
}

static int batch_init(struct ddpg *ddpg)
{
    size_t batch = ddpg->config.batch;
    size_t stride = whole_lines(ddpg->config.state_size + ddpg->config.action_size);
    size_t vector = whole_lines(batch);
    float *block = aligned_alloc(LINE_BYTES, (2 * (batch * stride + vector) + stride) * sizeof(float));
    if (block == NULL)
        return -ENOMEM;
    ddpg->batch_block = block;
    ddpg->now = (struct matrix){block, stride};
    ddpg->next = (struct matrix){block + batch * stride, stride};
    ddpg->reward = block + 2 * batch * stride;
    ddpg->terminal = ddpg->reward + vector;
    ddpg->state = ddpg->terminal + vector;
    return 0;
}

static int passes_init(struct ddpg *ddpg)
{
    int code = mlp_pass_init(&ddpg->row, &ddpg->actor.mlp, 1);
    if (code == 0)
        code = mlp_pass_init(&ddpg->actor_pass, &ddpg->actor.mlp, ddpg->config.batch);
    if (code == 0)
        code = mlp_pass_init(&ddpg->critic_pass, &ddpg->critic.mlp, ddpg->config.batch);
    return code;
}

int ddpg_create(struct ddpg **ret_ddpg, const struct ddpg_config *config)
{
    int code = ddpg_config_check(config, NULL);
    if (code < 0)
        return code;
    struct ddpg *ddpg = calloc(1, sizeof(*ddpg));
    if (ddpg == NULL)
        return -ENOMEM;
    /* These products are too small to share, and one thread adds in one order. */
    openblas_set_num_threads(1);
    ddpg->config = *config;
    code = networks_init(ddpg);
    if (code == 0)
        code = batch_init(ddpg);
    if (code == 0)
        code = passes_init(ddpg);
    if (code == 0)
        code = replay_init(&ddpg->replay, config->buffer, config->state_size, config->action_size);
    if (code < 0) {
        ddpg_destroy(ddpg);
        return code;
    }
    *ret_ddpg = ddpg;
    return 0;
}

void ddpg_destroy(struct ddpg *ddpg)
{
    if (ddpg == NULL)
        return;
    replay_finish(&ddpg->replay);
    mlp_pass_finish(&ddpg->critic_pass);
    mlp_pass_finish(&ddpg->actor_pass);
    mlp_pass_finish(&ddpg->row);
    free(ddpg->batch_block);
    free(ddpg->critic.params);
    free(ddpg->actor.params);
    free(ddpg);
}

void ddpg_act(struct ddpg *ddpg, const float *state, float *ret_action)
{
    struct mlp_pass *pass = &ddpg->row;
    /* Always from the same alignment: a kernel may add in another order elsewhere. */
    memcpy(ddpg->state, state, ddpg->config.state_size * sizeof(float));
    pass->x = (struct view){ddpg->state, ddpg->config.state_size};
    mlp_forward(&ddpg->actor.mlp, ddpg->actor.params, pass);
    memcpy(ret_action, pass->y[MLP_LAYERS - 1].at, ddpg->config.action_size * sizeof(float));
}

void ddpg_push(struct ddpg *ddpg, const struct ddpg_transition *transition)
{
    replay_push(&ddpg->replay, transition);
}

bool ddpg_is_warm(const struct ddpg *ddpg)
{
    return ddpg->replay.count >= ddpg->config.batch && ddpg->replay.count >= ddpg->config.warmup;
}

uint64_t ddpg_updates(const struct ddpg *ddpg)
{
    return ddpg->updates;
}

/* The action's columns in a matrix [batch][state | action]. */
static struct matrix action_columns(const struct ddpg *ddpg, struct matrix matrix)
{
    return (struct matrix){matrix.at + ddpg->config.state_size, matrix.stride};
}

/* The actor's action at each row's state, written into the same row. */
static void fill_actions(struct ddpg *ddpg, const float *actor_params, struct matrix rows)
{
    ddpg->actor_pass.x = dense_view(rows);
    ddpg->actor_pass.y[MLP_LAYERS - 1] = action_columns(ddpg, rows);
    mlp_forward(&ddpg->actor.mlp, actor_params, &ddpg->actor_pass);
}

/* Q at each row; returns where it stands. */
static struct matrix fill_values(struct ddpg *ddpg, const float *critic_params, struct matrix rows)
{
    ddpg->critic_pass.x = dense_view(rows);
    mlp_forward(&ddpg->critic.mlp, critic_params, &ddpg->critic_pass);
    return ddpg->critic_pass.y[MLP_LAYERS - 1];
}

/* reward += discount * Q'(s', mu'(s')), but not behind a terminal transition: now it is what the critic
 * should say. */
static void add_bootstrap(struct ddpg *ddpg)
{
    if (ddpg->config.discount <= 0.0f)
        return;
    fill_actions(ddpg, ddpg->actor.target, ddpg->next);
    struct matrix value = fill_values(ddpg, ddpg->critic.target, ddpg->next);
    for (size_t i = 0; i < ddpg->config.batch; i++)
        if (ddpg->terminal[i] < 0.5f)
            ddpg->reward[i] += ddpg->config.discount * value.at[i * value.stride];
}

static void network_step(struct network *network, uint64_t step, float rate, float tau)
{
    struct adam_blocks blocks = {network->params, network->target, network->first,
                                 network->second, network->grads,  network->mlp.params};
    adam_step(&blocks, step, rate, tau);
}

/* One step down the mean squared error to `reward`; returns that error. */
static float improve_critic(struct ddpg *ddpg)
{
    size_t batch = ddpg->config.batch;
    struct matrix value = fill_values(ddpg, ddpg->critic.params, ddpg->now);
    struct matrix d = ddpg->critic_pass.dy[MLP_LAYERS - 1];
    float sum = 0.0f, scale = 2.0f / (float) batch;
    for (size_t i = 0; i < batch; i++) {
        float error = value.at[i * value.stride] - ddpg->reward[i];
        sum += error * error;
        d.at[i * d.stride] = scale * error;
    }
    struct mlp_wanted wanted = {.grads = ddpg->critic.grads};
    mlp_backward(&ddpg->critic.mlp, ddpg->critic.params, &ddpg->critic_pass, &wanted);
    network_step(&ddpg->critic, ddpg->updates + 1, ddpg->config.critic_rate, ddpg->config.soft_update);
    return sum / (float) batch;
}

/* One step up the mean of Q(s, mu(s)); returns that mean. The critic's weights rest. */
static float improve_actor(struct ddpg *ddpg)
{
    size_t batch = ddpg->config.batch;
    fill_actions(ddpg, ddpg->actor.params, ddpg->now);
    struct matrix value = fill_values(ddpg, ddpg->critic.params, ddpg->now);
    struct matrix d = ddpg->critic_pass.dy[MLP_LAYERS - 1];
    float sum = 0.0f;
    for (size_t i = 0; i < batch; i++) {
        sum += value.at[i * value.stride];
        d.at[i * d.stride] = -1.0f / (float) batch;
    }
    struct mlp_wanted action = {
        .first = ddpg->config.state_size,
        .count = ddpg->config.action_size,
        .dx = ddpg->actor_pass.dy[MLP_LAYERS - 1],
    };
    mlp_backward(&ddpg->critic.mlp, ddpg->critic.params, &ddpg->critic_pass, &action);
    struct mlp_wanted wanted = {.grads = ddpg->actor.grads};
    mlp_backward(&ddpg->actor.mlp, ddpg->actor.params, &ddpg->actor_pass, &wanted);
    network_step(&ddpg->actor, ddpg->updates + 1, ddpg->config.actor_rate, ddpg->config.soft_update);
    return sum / (float) batch;
}

bool ddpg_update(struct ddpg *ddpg, struct ddpg_losses *ret_losses)
{
    if (!ddpg_is_warm(ddpg))
        return false;
    struct replay_batch batch = {
        .size = ddpg->config.batch,
        .stride = ddpg->now.stride,
        .state_action = ddpg->now.at,
        .next_state = ddpg->next.at,
        .reward = ddpg->reward,
        .terminal = ddpg->terminal,
    };
    replay_sample(&ddpg->replay, ddpg->config.seed, ddpg->updates, &batch);
    add_bootstrap(ddpg);
    struct ddpg_losses losses;
    losses.critic = improve_critic(ddpg);
    losses.mean_value = improve_actor(ddpg);
    ddpg->updates++;
    if (ret_losses != NULL)
        *ret_losses = losses;
    return true;
}
