#include "core/rl/actor.h"

#include <assert.h>

int actor_init(struct actor *actor, const struct offpolicy_config *config)
{
    const size_t sizes[] = {config->state_size, config->hidden_1, config->hidden_2, config->action_size};
    int code = network_init(&actor->network, sizes, MLP_TANH);
    if (code == 0)
        code = mlp_pass_init(&actor->pass, &actor->network.mlp, config->batch);
    if (code == 0)
        network_draw(&actor->network, config->seed, OFFPOLICY_ACTOR, config->final_init);
    return code;
}

void actor_finish(struct actor *actor)
{
    mlp_pass_finish(&actor->pass);
    network_finish(&actor->network);
}

static size_t state_size(const struct actor *actor)
{
    return actor->network.mlp.layers[0].in;
}

static size_t action_size(const struct actor *actor)
{
    return actor->network.mlp.layers[MLP_LAYERS - 1].out;
}

/* The action by `params` at each row of x goes into `y`. */
static void fill(struct actor *actor, const float *params, struct view x, struct matrix y)
{
    actor->pass.x = x;
    actor->pass.y[MLP_LAYERS - 1] = y;
    mlp_forward(&actor->network.mlp, params, &actor->pass);
}

void actor_act(struct actor *actor, const float *state, float *ret_action)
{
    actor->pass.rows = 1;
    fill(actor, actor->network.params, (struct view){state, state_size(actor)},
         (struct matrix){ret_action, action_size(actor)});
}

void actor_fill(struct actor *actor, const float *params, struct matrix rows)
{
    assert(rows.stride >= state_size(actor) + action_size(actor));
    actor->pass.rows = actor->pass.rows_max;
    fill(actor, params, dense_view(rows), (struct matrix){rows.at + state_size(actor), rows.stride});
}

float actor_improve(struct actor *actor, struct critic *critic, struct matrix rows,
                    const struct network_pace *pace)
{
    actor_fill(actor, actor->network.params, rows);
    struct mlp_wanted action = {
        .first = state_size(actor), .count = action_size(actor), .dx = actor->pass.dy[MLP_LAYERS - 1]};
    float loss = critic_slopes(critic, rows, &action);
    struct mlp_wanted wanted = {.grads = actor->network.grads};
    mlp_backward(&actor->network.mlp, actor->network.params, &actor->pass, &wanted);
    network_step(&actor->network, pace);
    return loss;
}
