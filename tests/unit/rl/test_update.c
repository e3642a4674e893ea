/* One whole update against the published algorithm, computed from its text in double precision with finite
 * differences for gradients; and the promises of ddpg.h. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/rl/ddpg_internal.h"
#include "learner.h"
#include "twin.h"

#define BATCH 10u
#define STATE LEARNER_STATE
#define ACTION LEARNER_ACTION

static struct ddpg *of(struct offpolicy *learner)
{
    return (struct ddpg *) learner;
}

/* The mini-batch of an update and what the critic should say about it. */
struct oracle {
    const struct mlp *actor, *critic;
    double state[BATCH][STATE], action[BATCH][ACTION], wanted[BATCH];
    double *critic_params; /* after the critic's step; owned */
};

static double value_of(const struct mlp *critic, const double *params, const double *state,
                       const double *action)
{
    double x[STATE + ACTION], y[1];
    memcpy(x, state, STATE * sizeof(double));
    memcpy(x + STATE, action, ACTION * sizeof(double));
    twin_forward(critic, params, x, y);
    return y[0];
}

static double mean_squared_error(const void *context, const double *critic_params)
{
    const struct oracle *oracle = context;
    double sum = 0.0;
    for (size_t i = 0; i < BATCH; i++) {
        double value = value_of(oracle->critic, critic_params, oracle->state[i], oracle->action[i]);
        sum += (value - oracle->wanted[i]) * (value - oracle->wanted[i]);
    }
    return sum / BATCH;
}

static double minus_mean_value(const void *context, const double *actor_params)
{
    const struct oracle *oracle = context;
    double sum = 0.0, action[ACTION];
    for (size_t i = 0; i < BATCH; i++) {
        twin_forward(oracle->actor, actor_params, oracle->state[i], action);
        sum += value_of(oracle->critic, oracle->critic_params, oracle->state[i], action);
    }
    return -sum / BATCH;
}

/* The batch that update number `update` draws, taken from the buffer by the documented draws. */
static void oracle_init(struct oracle *oracle, struct offpolicy *ddpg, uint32_t update)
{
    struct rng_at at = {.seed = ddpg->config.seed, .stream = RNG_SAMPLING, .slot = update};
    double *actor = twin_widen(of(ddpg)->actor.network.target, of(ddpg)->actor.network.mlp.params);
    double *critic = twin_widen(of(ddpg)->critic.network.target, of(ddpg)->critic.network.mlp.params);
    *oracle = (struct oracle){.actor = &of(ddpg)->actor.network.mlp, .critic = &of(ddpg)->critic.network.mlp};
    for (uint32_t i = 0; i < BATCH; i++) {
        uint64_t word = rng_block(&at, i / 4).v[i % 4];
        const float *row = ddpg->replay.rows + (word * ddpg->replay.count >> 32) * ddpg->replay.stride;
        double next[STATE], next_action[ACTION];
        for (size_t j = 0; j < STATE; j++) {
            oracle->state[i][j] = (double) row[j];
            next[j] = (double) row[STATE + ACTION + j];
        }
        for (size_t j = 0; j < ACTION; j++)
            oracle->action[i][j] = (double) row[STATE + j];
        twin_forward(oracle->actor, actor, next, next_action);
        oracle->wanted[i] = (double) row[2 * STATE + ACTION];
        if (row[2 * STATE + ACTION + 1] == 0.0f)
            oracle->wanted[i] += 0.9 * value_of(oracle->critic, critic, next, next_action);
    }
    free(actor);
    free(critic);
}

static float *copy_of(const float *values, size_t size)
{
    float *copy = malloc(size * sizeof(float));
    assert_non_null(copy);
    memcpy(copy, values, size * sizeof(float));
    return copy;
}

static void an_update_computes_the_gradients_of_the_published_algorithm(void **state)
{
    (void) state;
    struct offpolicy *ddpg = learner_create(&learner_config);
    learner_run(ddpg, 0, 60); /* away from the start: targets differ from weights, the ring has turned */
    float *actor = copy_of(of(ddpg)->actor.network.params, of(ddpg)->actor.network.mlp.params);
    float *critic = copy_of(of(ddpg)->critic.network.params, of(ddpg)->critic.network.mlp.params);
    struct oracle oracle;
    oracle_init(&oracle, ddpg, (uint32_t) offpolicy_updates(ddpg));
    double *old_critic = twin_widen(critic, of(ddpg)->critic.network.mlp.params);
    double expected_loss = mean_squared_error(&oracle, old_critic);

    struct offpolicy_losses losses;
    assert_true(offpolicy_update(ddpg, &losses));
    oracle.critic_params = twin_widen(of(ddpg)->critic.network.params, of(ddpg)->critic.network.mlp.params);
    struct twin_function error = {mean_squared_error, &oracle, of(ddpg)->critic.network.mlp.params};
    assert_true(twin_gradient_error(&error, critic, of(ddpg)->critic.network.grads) < 1e-4);
    struct twin_function value = {minus_mean_value, &oracle, of(ddpg)->actor.network.mlp.params};
    assert_true(twin_gradient_error(&value, actor, of(ddpg)->actor.network.grads) < 1e-4);
    assert_true(fabs((double) losses.critic - expected_loss) < 1e-5 * (1.0 + expected_loss));
    double *wide_actor = twin_widen(actor, of(ddpg)->actor.network.mlp.params);
    assert_true(fabs((double) losses.actor - minus_mean_value(&oracle, wide_actor)) < 1e-5);

    free(wide_actor);
    free(oracle.critic_params);
    free(old_critic);
    free(actor);
    free(critic);
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
        before[k] = copy_of(networks[k]->target, networks[k]->mlp.params);
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
    const float state[STATE] = {0.1f, -0.2f, 0.3f, 0.4f, -0.5f}, action[ACTION] = {0.2f, 0.1f, -0.3f};
    struct transition transition = {state, action, 1.0f, state, terminal};
    for (size_t i = 0; i < 15; i++)
        offpolicy_push(ddpg, &transition);
    struct offpolicy_losses losses = {0, 0};
    for (size_t i = 0; i < 4000; i++)
        assert_true(offpolicy_update(ddpg, &losses));
    double wide_state[STATE], wide_action[ACTION];
    for (size_t i = 0; i < STATE; i++)
        wide_state[i] = (double) state[i];
    for (size_t i = 0; i < ACTION; i++)
        wide_action[i] = (double) action[i];
    double *params = twin_widen(of(ddpg)->critic.network.params, of(ddpg)->critic.network.mlp.params);
    double value = value_of(&of(ddpg)->critic.network.mlp, params, wide_state, wide_action);
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

static void no_update_happens_before_the_warm_up_is_over(void **state)
{
    (void) state;
    struct offpolicy *ddpg = learner_create(&learner_config);
    learner_feed(ddpg, 0, 14);
    assert_false(offpolicy_is_warm(ddpg));
    struct offpolicy_losses losses = {-1.0f, -1.0f};
    assert_false(offpolicy_update(ddpg, &losses));
    assert_true(losses.critic == -1.0f && offpolicy_updates(ddpg) == 0);
    learner_feed(ddpg, 14, 1);
    assert_true(offpolicy_is_warm(ddpg));
    assert_true(offpolicy_update(ddpg, &losses));
    assert_int_equal(offpolicy_updates(ddpg), 1);
    offpolicy_destroy(ddpg);
}

static void no_update_happens_with_less_than_a_batch(void **state)
{
    (void) state;
    struct offpolicy_config config = learner_config;
    config.warmup = 0;
    struct offpolicy *ddpg = learner_create(&config);
    learner_feed(ddpg, 0, BATCH - 1);
    assert_false(offpolicy_update(ddpg, NULL));
    learner_feed(ddpg, BATCH - 1, 1);
    assert_true(offpolicy_update(ddpg, NULL));
    offpolicy_destroy(ddpg);
}

static void the_same_seed_gives_the_same_bits_and_another_seed_others(void **state)
{
    (void) state;
    struct buf one = {0}, two = {0}, other = {0};
    struct offpolicy_config reseeded = learner_config;
    reseeded.seed = 4;
    const struct offpolicy_config *configs[] = {&learner_config, &learner_config, &reseeded};
    struct buf *saved[] = {&one, &two, &other};
    for (size_t i = 0; i < 3; i++) {
        struct offpolicy *ddpg = learner_create(configs[i]);
        learner_run(ddpg, 0, 200);
        assert_int_equal(offpolicy_save(ddpg, LEARNER_ALL, saved[i]), 0);
        offpolicy_destroy(ddpg);
    }
    assert_int_equal(one.size, two.size);
    assert_memory_equal(one.data, two.data, one.size);
    assert_memory_not_equal(one.data, other.data, one.size);
    for (size_t i = 0; i < 3; i++)
        buf_finish(saved[i]);
}

static void a_decision_does_not_disturb_learning_nor_learning_a_decisions_path(void **state)
{
    (void) state;
    struct offpolicy *quiet = learner_create(&learner_config), *asked = learner_create(&learner_config);
    float at[STATE], first[ACTION], second[ACTION];
    twin_fill(at, STATE, 1.0f, 5);
    for (size_t n = 0; n < 100; n++) {
        learner_run(quiet, n, 1);
        offpolicy_act(asked, at, first);
        learner_run(asked, n, 1);
    }
    offpolicy_act(quiet, at, first);
    offpolicy_act(asked, at, second);
    assert_memory_equal(first, second, sizeof(first));
    for (size_t i = 0; i < ACTION; i++)
        assert_true(first[i] >= -1.0f && first[i] <= 1.0f);
    offpolicy_destroy(quiet);
    offpolicy_destroy(asked);
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

static void a_decision_does_not_depend_on_where_the_state_lies(void **state)
{
    (void) state;
    struct offpolicy_config config = learner_config;
    config.state_size = 106;
    config.hidden_1 = 256;
    config.hidden_2 = 128;
    struct offpolicy *ddpg = learner_create(&config);
    float values[106], room[106 + 16], first[ACTION], other[ACTION];
    twin_fill(values, 106, 1.0f, 9);
    offpolicy_act(ddpg, values, first);
    for (size_t offset = 0; offset < 16; offset++) {
        memcpy(room + offset, values, sizeof(values));
        offpolicy_act(ddpg, room + offset, other);
        assert_memory_equal(first, other, sizeof(first));
    }
    offpolicy_destroy(ddpg);
}

static void check_refused(struct offpolicy_config config)
{
    struct offpolicy *ddpg = NULL;
    struct diag diag = {{0}};
    assert_int_equal(offpolicy_config_check(&config, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "allowed is"));
    assert_int_equal(ddpg_create(&ddpg, &config), ERR_RANGE);
    assert_null(ddpg);
}

static struct offpolicy_config changed_size(size_t offset, size_t value)
{
    struct offpolicy_config config = learner_config;
    memcpy((char *) &config + offset, &value, sizeof(value));
    return config;
}

static struct offpolicy_config changed_number(size_t offset, float value)
{
    struct offpolicy_config config = learner_config;
    memcpy((char *) &config + offset, &value, sizeof(value));
    return config;
}

static void impossible_configurations_are_refused(void **state)
{
    (void) state;
    check_refused(changed_size(offsetof(struct offpolicy_config, state_size), 0));
    check_refused(changed_size(offsetof(struct offpolicy_config, state_size), SIZE_MAX));
    check_refused(changed_size(offsetof(struct offpolicy_config, action_size), MLP_SIZE_MAX));
    check_refused(changed_size(offsetof(struct offpolicy_config, hidden_1), SIZE_MAX));
    check_refused(changed_size(offsetof(struct offpolicy_config, hidden_2), 0));
    check_refused(changed_size(offsetof(struct offpolicy_config, batch), 0));
    check_refused(changed_size(offsetof(struct offpolicy_config, batch), learner_config.buffer + 1));
    check_refused(changed_size(offsetof(struct offpolicy_config, buffer), SIZE_MAX / 8));
    check_refused(changed_size(offsetof(struct offpolicy_config, warmup), learner_config.buffer + 1));
    check_refused(changed_number(offsetof(struct offpolicy_config, discount), 1.5f));
    check_refused(changed_number(offsetof(struct offpolicy_config, actor_rate), NAN));
    check_refused(changed_number(offsetof(struct offpolicy_config, critic_rate), -1.0f));
    check_refused(changed_number(offsetof(struct offpolicy_config, soft_update), NAN));
    check_refused(changed_number(offsetof(struct offpolicy_config, final_init), INFINITY));
}

static void destroying_nothing_is_allowed(void **state)
{
    (void) state;
    offpolicy_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_update_computes_the_gradients_of_the_published_algorithm),
        cmocka_unit_test(targets_follow_by_tau),
        cmocka_unit_test(only_a_terminal_transition_stops_the_bootstrap),
        cmocka_unit_test(no_update_happens_before_the_warm_up_is_over),
        cmocka_unit_test(no_update_happens_with_less_than_a_batch),
        cmocka_unit_test(the_same_seed_gives_the_same_bits_and_another_seed_others),
        cmocka_unit_test(a_decision_does_not_disturb_learning_nor_learning_a_decisions_path),
        cmocka_unit_test(a_decision_is_the_actors_output),
        cmocka_unit_test(a_decision_does_not_depend_on_where_the_state_lies),
        cmocka_unit_test(impossible_configurations_are_refused),
        cmocka_unit_test(destroying_nothing_is_allowed),
    };
    return cmocka_run_group_tests_name("update", tests, NULL, NULL);
}
