#include "core/rl/critic.h"

#include <assert.h>

int critic_init(struct critic *critic, const struct offpolicy_config *config, enum offpolicy_weights which)
{
    const size_t sizes[] = {config->state_size + config->action_size, config->hidden_1, config->hidden_2, 1};
    int code = network_init(&critic->network, sizes, MLP_LINEAR);
    if (code == 0)
        code = mlp_pass_init(&critic->pass, &critic->network.mlp, config->batch);
    if (code == 0)
        network_draw(&critic->network, config->seed, (uint32_t) which, config->final_init);
    return code;
}

void critic_finish(struct critic *critic)
{
    mlp_pass_finish(&critic->pass);
    network_finish(&critic->network);
}

struct matrix critic_values(struct critic *critic, const float *params, struct matrix rows)
{
    assert(rows.stride >= critic->network.mlp.layers[0].in);
    critic->pass.x = dense_view(rows);
    mlp_forward(&critic->network.mlp, params, &critic->pass);
    return critic->pass.y[MLP_LAYERS - 1];
}

float critic_improve(struct critic *critic, struct matrix rows, const float *wanted,
                     const struct network_pace *pace)
{
    size_t batch = critic->pass.rows;
    struct matrix value = critic_values(critic, critic->network.params, rows);
    struct matrix d = critic->pass.dy[MLP_LAYERS - 1];
    float sum = 0.0f, scale = 2.0f / (float) batch;
    for (size_t i = 0; i < batch; i++) {
        float error = value.at[i * value.stride] - wanted[i];
        sum += error * error;
        d.at[i * d.stride] = scale * error;
    }
    struct mlp_wanted grads = {.grads = critic->network.grads};
    mlp_backward(&critic->network.mlp, critic->network.params, &critic->pass, &grads);
    network_step(&critic->network, pace);
    return sum / (float) batch;
}

void critic_input_gradient(struct critic *critic, const struct mlp_wanted *input)
{
    assert(input->grads == NULL); /* the weights rest */
    mlp_backward(&critic->network.mlp, critic->network.params, &critic->pass, input);
}

float critic_slopes(struct critic *critic, struct matrix rows, const struct mlp_wanted *input)
{
    size_t batch = critic->pass.rows;
    struct matrix value = critic_values(critic, critic->network.params, rows);
    struct matrix d = critic->pass.dy[MLP_LAYERS - 1];
    float sum = 0.0f;
    for (size_t i = 0; i < batch; i++) {
        sum += value.at[i * value.stride];
        d.at[i * d.stride] = -1.0f / (float) batch;
    }
    critic_input_gradient(critic, input);
    return -sum / (float) batch;
}

void critic_describe(struct critic *critic, struct checkpoint *checkpoint)
{
    checkpoint_weights(checkpoint, CHECKPOINT_LEARNER, &critic->network);
    checkpoint_target(checkpoint, CHECKPOINT_LEARNER, &critic->network);
    checkpoint_moments(checkpoint, CHECKPOINT_LEARNER, &critic->network);
}
