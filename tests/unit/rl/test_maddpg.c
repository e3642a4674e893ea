/* One whole update of MADDPG with shared parameters against the published algorithm, computed from its text
 * in double precision with finite differences for gradients; and who sees what. */
#include "core/rl/maddpg.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/rl/maddpg_internal.h"
#include "oracle.h"
#include "twin.h"

#define AGENTS 2u
#define OBSERVATION 3u
#define CHOICE 2u

static struct maddpg *of(struct offpolicy *learner)
{
    return (struct maddpg *) learner;
}

static struct maddpg_config config_of(size_t agents)
{
    struct maddpg_config config = {
        .common = learner_config, .agents = agents, .actor_hidden_1 = 9, .actor_hidden_2 = 8};
    config.common.state_size = agents * OBSERVATION;
    config.common.action_size = agents * CHOICE;
    return config;
}

static struct offpolicy *create(size_t agents)
{
    struct offpolicy *learner = NULL;
    struct maddpg_config config = config_of(agents);
    assert_int_equal(maddpg_create(&learner, &config), 0);
    return learner;
}

/* Each agent's choice from its own observation. */
static void choose(const struct mlp *actor, const double *params, const double *state, double *ret_action)
{
    for (size_t n = 0; n < AGENTS; n++)
        twin_forward(actor, params, state + n * OBSERVATION, ret_action + n * CHOICE);
}

static void fill_wanted(struct oracle_batch *batch, struct offpolicy *learner)
{
    const struct network *actor = &of(learner)->actor, *critic = &of(learner)->critic.network;
    double *actor_target = twin_widen(actor->target, actor->mlp.params);
    double *critic_target = twin_widen(critic->target, critic->mlp.params);
    for (size_t i = 0; i < ORACLE_BATCH; i++) {
        double action[AGENTS * CHOICE];
        choose(&actor->mlp, actor_target, batch->next[i], action);
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
    double sum = 0.0, action[AGENTS * CHOICE];
    for (size_t i = 0; i < ORACLE_BATCH; i++) {
        choose(own->actor, actor_params, own->batch->state[i], action);
        sum += oracle_value(own->batch, own->critic, own->critic_params, own->batch->state[i], action);
    }
    return -sum / ORACLE_BATCH;
}

static void an_update_computes_the_gradients_of_the_published_algorithm(void **state)
{
    (void) state;
    struct offpolicy *learner = create(AGENTS);
    const struct network *actor = &of(learner)->actor, *critic = &of(learner)->critic.network;
    learner_run(learner, 0, 60); /* away from the start: targets differ from weights, the ring has turned */
    float *old_actor = oracle_copy(actor->params, actor->mlp.params);
    float *old_critic = oracle_copy(critic->params, critic->mlp.params);
    struct oracle_batch batch;
    struct offpolicy_losses losses;
    oracle_batch(&batch, learner);
    fill_wanted(&batch, learner);
    assert_true(offpolicy_update(learner, &losses));
    double expected = oracle_check_critic(critic, &batch, old_critic);
    assert_true(fabs((double) losses.critic - expected) < 1e-5 * (1.0 + expected));
    double *critic_params = twin_widen(critic->params, critic->mlp.params);
    double *wide = twin_widen(old_actor, actor->mlp.params);
    struct oracle_actor context = {&batch, &actor->mlp, &critic->mlp, critic_params};
    struct twin_function value = {minus_mean_value, &context, actor->mlp.params};
    assert_true(twin_gradient_error(&value, old_actor, actor->grads) < 1e-4);
    assert_true(fabs((double) losses.actor - minus_mean_value(&context, wide)) < 1e-5);
    free(wide);
    free(critic_params);
    free(old_actor);
    free(old_critic);
    offpolicy_destroy(learner);
}

static void an_agent_decides_by_its_own_observation_alone(void **state)
{
    (void) state;
    struct offpolicy *learner = create(AGENTS);
    float at[AGENTS * OBSERVATION], first[AGENTS * CHOICE], second[AGENTS * CHOICE];
    twin_fill(at, AGENTS * OBSERVATION, 1.0f, 5);
    offpolicy_act(learner, at, first);
    at[0] += 0.5f; /* the first agent's */
    offpolicy_act(learner, at, second);
    assert_memory_not_equal(first, second, CHOICE * sizeof(float));
    assert_memory_equal(first + CHOICE, second + CHOICE, CHOICE * sizeof(float));
    offpolicy_destroy(learner);
}

/* Of 50: one observation, the same choice to the bit, wherever it stands in the state. */
static void agents_that_see_the_same_choose_the_same(void **state)
{
    (void) state;
    struct offpolicy *learner = create(50);
    float at[50 * OBSERVATION], action[50 * CHOICE];
    for (size_t n = 0; n < 50; n++)
        twin_fill(at + n * OBSERVATION, OBSERVATION, 1.0f, 7);
    offpolicy_act(learner, at, action);
    for (size_t n = 1; n < 50; n++)
        assert_memory_equal(action, action + n * CHOICE, CHOICE * sizeof(float));
    offpolicy_destroy(learner);
}

static void check_refused(struct maddpg_config config)
{
    struct offpolicy *learner = NULL;
    struct diag diag = {{0}};
    assert_int_equal(maddpg_config_check(&config, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "allowed is"));
    assert_int_equal(maddpg_create(&learner, &config), ERR_RANGE);
    assert_null(learner);
}

static void impossible_configurations_are_refused(void **state)
{
    (void) state;
    struct maddpg_config config = config_of(2);
    config.agents = 0;
    check_refused(config);
    config.agents = 3; /* divides the state of 6, not the action of 4 */
    check_refused(config);
    config.agents = 4; /* the other way round */
    check_refused(config);
    config = config_of(2);
    config.actor_hidden_1 = 0;
    check_refused(config);
    config = config_of(2);
    config.actor_hidden_2 = SIZE_MAX;
    check_refused(config);
    config = config_of(5000);
    config.common.batch = config.common.buffer = 65536;
    check_refused(config);
    config = config_of(2);
    config.common.batch = 0;
    check_refused(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_update_computes_the_gradients_of_the_published_algorithm),
        cmocka_unit_test(an_agent_decides_by_its_own_observation_alone),
        cmocka_unit_test(agents_that_see_the_same_choose_the_same),
        cmocka_unit_test(impossible_configurations_are_refused),
    };
    return cmocka_run_group_tests_name("maddpg", tests, NULL, NULL);
}
