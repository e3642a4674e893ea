#include "core/rl/actor.h"

#include <assert.h>
#include <string.h>

int actor_init(struct actor *actor, const struct offpolicy_config *config)
{
    const size_t sizes[] = {config->state_size, config->hidden_1, config->hidden_2, config->action_size};
    int code = network_init(&actor->network, sizes, MLP_TANH);
    if (code == 0)
        code = mlp_pass_init(&actor->row, &actor->network.mlp, 1);
    if (code == 0)
        code = mlp_pass_init(&actor->pass, &actor->network.mlp, config->batch);
    if (code == 0)
        network_draw(&actor->network, config->seed, OFFPOLICY_ACTOR, config->final_init);
    return code;
}

void actor_finish(struct actor *actor)
{
    mlp_pass_finish(&actor->pass);
    mlp_pass_finish(&actor->row);
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

void actor_act(struct actor *actor, const float *state, float *ret_action)
{
    actor->row.x = (struct view){state, state_size(actor)};
    mlp_forward(&actor->network.mlp, actor->network.params, &actor->row);
    memcpy(ret_action, actor->row.y[MLP_LAYERS - 1].at, action_size(actor) * sizeof(float));
}

void actor_fill(struct actor *actor, const float *params, struct matrix rows)
{
    assert(rows.stride >= state_size(actor) + action_size(actor));
    actor->pass.x = dense_view(rows);
    actor->pass.y[MLP_LAYERS - 1] = (struct matrix){rows.at + state_size(actor), rows.stride};
    mlp_forward(&actor->network.mlp, params, &actor->pass);
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
