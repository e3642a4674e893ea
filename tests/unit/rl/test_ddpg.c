/* One whole update of DDPG against the published algorithm, computed from its text in double precision with
 * finite differences for gradients. */
#include "core/rl/ddpg.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/rl/ddpg_internal.h"
#include "oracle.h"
#include "twin.h"

#define STATE LEARNER_STATE
#define ACTION LEARNER_ACTION

static struct ddpg *of(struct offpolicy *learner)
{
    return (struct ddpg *) learner;
}

/* y = r + gamma Q'(s', mu'(s')). */
static void fill_wanted(struct oracle_batch *batch, struct ddpg *ddpg)
{
    const struct network *actor = &ddpg->actor.network, *critic = &ddpg->critic.network;
    double *actor_target = twin_widen(actor->target, actor->mlp.params);
    double *critic_target = twin_widen(critic->target, critic->mlp.params);
    for (size_t i = 0; i < ORACLE_BATCH; i++) {
        double action[ACTION];
        twin_forward(&actor->mlp, actor_target, batch->next[i], action);
        double value = oracle_value(batch, &critic->mlp, critic_target, batch->next[i], action);
        batch->wanted[i] = batch->reward[i] + (batch->terminal[i] ? 0.0 : 0.9 * value);
    }
    free(actor_target);
    free(critic_target);
}

/* The actor's loss, through the critic after its step. */
struct oracle_actor {
    const struct oracle_batch *batch;
    const struct mlp *actor, *critic;
    const double *critic_params;
};

static double minus_mean_value(const void *context, const double *actor_params)
{
    const struct oracle_actor *own = context;
    double sum = 0.0, action[ACTION];
    for (size_t i = 0; i < ORACLE_BATCH; i++) {
        twin_forward(own->actor, actor_params, own->batch->state[i], action);
        sum += oracle_value(own->batch, own->critic, own->critic_params, own->batch->state[i], action);
    }
    return -sum / ORACLE_BATCH;
}

static void check_actor(const struct ddpg *ddpg, const struct oracle_batch *batch, const float *before,
                        float loss)
{
    const struct network *actor = &ddpg->actor.network, *critic = &ddpg->critic.network;
    double *critic_params = twin_widen(critic->params, critic->mlp.params);
    double *wide = twin_widen(before, actor->mlp.params);
    struct oracle_actor context = {batch, &actor->mlp, &critic->mlp, critic_params};
    struct twin_function value = {minus_mean_value, &context, actor->mlp.params};
    assert_true(twin_gradient_error(&value, before, actor->grads) < 1e-4);
    assert_true(fabs((double) loss - minus_mean_value(&context, wide)) < 1e-5);
    free(wide);
    free(critic_params);
}

static void an_update_computes_the_gradients_of_the_published_algorithm(void **state)
{
    (void) state;
    struct offpolicy *ddpg = learner_create(&learner_config);
    const struct network *actor = &of(ddpg)->actor.network, *critic = &of(ddpg)->critic.network;
    learner_run(ddpg, 0, 60); /* away from the start: targets differ from weights, the ring has turned */
    float *old_actor = oracle_copy(actor->params, actor->mlp.params);
    float *old_critic = oracle_copy(critic->params, critic->mlp.params);
    struct oracle_batch batch;
    oracle_batch(&batch, ddpg);
    fill_wanted(&batch, of(ddpg));
    struct offpolicy_losses losses;
    assert_true(offpolicy_update(ddpg, &losses));
    double expected = oracle_check_critic(critic, &batch, old_critic);
    assert_true(fabs((double) losses.critic - expected) < 1e-5 * (1.0 + expected));
    check_actor(of(ddpg), &batch, old_actor, losses.actor);
    free(old_actor);
    free(old_critic);
    offpolicy_destroy(ddpg);
}

static void targets_follow_by_tau(void **state)
{
    (void) state;
    struct offpolicy *ddpg = learner_create(&learner_config);
    learner_run(ddpg, 0, 60);
    struct network *networks[] = {&of(ddpg)->actor.network, &of(ddpg)->critic.network};
    float *before[2];
    for (size_t k = 0; k < 2; k++)
        before[k] = oracle_copy(networks[k]->target, networks[k]->mlp.params);
    assert_true(offpolicy_update(ddpg, NULL));
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < networks[k]->mlp.params; i++) {
            double expected = 0.995 * (double) before[k][i] + 0.005 * (double) networks[k]->params[i];
            assert_true(fabs((double) networks[k]->target[i] - expected) < 1e-6);
        }
        free(before[k]);
    }
    offpolicy_destroy(ddpg);
}

/* The critic's value of one state-action after learning from one transition over and over. */
static double learned_value(bool terminal, float discount)
{
    struct offpolicy_config config = learner_config;
    config.discount = discount;
    config.soft_update = 0.05f;
    struct offpolicy *ddpg = learner_create(&config);
    const float at[STATE] = {0.1f, -0.2f, 0.3f, 0.4f, -0.5f}, action[ACTION] = {0.2f, 0.1f, -0.3f};
    struct transition transition = {at, action, 1.0f, at, terminal};
    for (size_t i = 0; i < 15; i++)
        offpolicy_push(ddpg, &transition);
    struct offpolicy_losses losses = {0, 0};
    for (size_t i = 0; i < 4000; i++)
        assert_true(offpolicy_update(ddpg, &losses));
    const struct network *critic = &of(ddpg)->critic.network;
    double *params = twin_widen(critic->params, critic->mlp.params);
    double x[STATE + ACTION], value;
    for (size_t i = 0; i < STATE + ACTION; i++)
        x[i] = (double) (i < STATE ? at[i] : action[i - STATE]);
    twin_forward(&critic->mlp, params, x, &value);
    free(params);
    offpolicy_destroy(ddpg);
    return value;
}

static void only_a_terminal_transition_stops_the_bootstrap(void **state)
{
    (void) state;
    assert_true(fabs(learned_value(true, 0.5f) - 1.0) < 0.02);
    /* Going on for ever from the same state is worth more than the one reward. */
    assert_true(learned_value(false, 0.5f) > 1.5);
    assert_true(fabs(learned_value(false, 0.0f) - 1.0) < 0.02);
}

static void a_decision_is_the_actors_output(void **state)
{
    (void) state;
    struct offpolicy *ddpg = learner_create(&learner_config);
    float at[STATE], action[ACTION];
    double wide[STATE], expected[ACTION];
    twin_fill(at, STATE, 1.0f, 6);
    for (size_t i = 0; i < STATE; i++)
        wide[i] = (double) at[i];
    offpolicy_act(ddpg, at, action);
    double *params = twin_widen(of(ddpg)->actor.network.params, of(ddpg)->actor.network.mlp.params);
    twin_forward(&of(ddpg)->actor.network.mlp, params, wide, expected);
    for (size_t i = 0; i < ACTION; i++)
        assert_true(fabs((double) action[i] - expected[i]) < 1e-6);
    free(params);
    offpolicy_destroy(ddpg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_update_computes_the_gradients_of_the_published_algorithm),
        cmocka_unit_test(targets_follow_by_tau),
        cmocka_unit_test(only_a_terminal_transition_stops_the_bootstrap),
        cmocka_unit_test(a_decision_is_the_actors_output),
    };
    return cmocka_run_group_tests_name("ddpg", tests, NULL, NULL);
}
