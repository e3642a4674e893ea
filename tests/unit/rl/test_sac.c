/* Whole updates of SAC against the published algorithm, computed from its text in double precision with
 * finite differences for gradients; and what its distribution promises. */
#include "core/rl/sac.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/rl/sac_internal.h"
#include "oracle.h"
#include "twin.h"

#define STATE LEARNER_STATE
#define ACTION LEARNER_ACTION

static struct sac *of(struct offpolicy *learner)
{
    return (struct sac *) learner;
}

static const struct sac_config published = {
    .common =
        {
            .state_size = STATE,
            .action_size = ACTION,
            .hidden_1 = 12,
            .hidden_2 = 7,
            .buffer = 40,
            .batch = 10,
            .discount = 0.9f,
            .actor_rate = 1e-3f,
            .critic_rate = 1e-3f,
            .soft_update = 5e-3f,
            .warmup = 15,
            .final_init = 0.5f,
            .seed = 3,
        },
    .temperature = 0.7f,
    .temperature_rate = 1e-3f,
    .target_entropy = -1.0f,
};

static struct offpolicy *create(const struct sac_config *config)
{
    struct offpolicy *learner = NULL;
    assert_int_equal(sac_create(&learner, config), 0);
    return learner;
}

/* An action at a state by these parameters and standard normals; returns log pi by the change of variables,
 * log N(u; mean, deviation) - sum log(1 - tanh(u)^2). */
static double draw(const struct mlp *actor, const double *params, const double *state, const double *normal,
                   double ret_action[static ACTION])
{
    double output[2 * ACTION], log_density = 0.0;
    twin_forward(actor, params, state, output);
    for (size_t j = 0; j < ACTION; j++) {
        double log_deviation = fmax(-20.0, fmin(2.0, output[ACTION + j]));
        double u = output[j] + exp(log_deviation) * normal[j];
        ret_action[j] = tanh(u);
        log_density += -0.5 * normal[j] * normal[j] - log_deviation - 0.5 * log(2.0 * acos(-1.0));
        log_density -= log(1.0 - ret_action[j] * ret_action[j]);
    }
    return log_density;
}

/* What an update's losses are made of. */
struct oracle_sac {
    const struct oracle_batch *batch;
    const struct mlp *actor, *critic;
    double alpha;
    double *critic_params[2]; /* owned */
    double normal[ORACLE_BATCH][LEARNER_SIZE_MAX];
};

static void oracle_finish(struct oracle_sac *oracle)
{
    free(oracle->critic_params[0]);
    free(oracle->critic_params[1]);
}

static double smaller_value(const struct oracle_sac *own, const double *state, const double *action)
{
    return fmin(oracle_value(own->batch, own->critic, own->critic_params[0], state, action),
                oracle_value(own->batch, own->critic, own->critic_params[1], state, action));
}

/* y = r + gamma (min_k Q_k'(s', a') - alpha log pi(a' | s')). */
static void fill_wanted(struct oracle_batch *batch, struct offpolicy *learner)
{
    const struct sac *sac = of(learner);
    struct oracle_sac oracle = {
        .batch = batch, .actor = &sac->actor.mlp, .critic = &sac->critic[0].network.mlp};
    double *actor = twin_widen(sac->actor.params, sac->actor.mlp.params);
    oracle_normals(learner, 0, oracle.normal);
    for (size_t k = 0; k < 2; k++)
        oracle.critic_params[k] = twin_widen(sac->critic[k].network.target, oracle.critic->params);
    for (size_t i = 0; i < ORACLE_BATCH; i++) {
        double action[ACTION],
            log_density = draw(oracle.actor, actor, batch->next[i], oracle.normal[i], action);
        double value = smaller_value(&oracle, batch->next[i], action);
        double soft = value - exp((double) sac->temperature.log) * log_density;
        batch->wanted[i] = batch->reward[i] + (batch->terminal[i] ? 0.0 : 0.9 * soft);
    }
    oracle_finish(&oracle);
    free(actor);
}

/* mean (alpha log pi(a | s) - min_k Q_k(s, a)), through the critics after their step. */
static double actor_loss(const void *context, const double *actor_params)
{
    const struct oracle_sac *own = context;
    double sum = 0.0, action[ACTION];
    for (size_t i = 0; i < ORACLE_BATCH; i++) {
        const double *state = own->batch->state[i];
        sum += own->alpha * draw(own->actor, actor_params, state, own->normal[i], action);
        sum -= smaller_value(own, state, action);
    }
    return sum / ORACLE_BATCH;
}

static double mean_log_density(const struct oracle_sac *own, const double *actor_params)
{
    double sum = 0.0, action[ACTION];
    for (size_t i = 0; i < ORACLE_BATCH; i++)
        sum += draw(own->actor, actor_params, own->batch->state[i], own->normal[i], action);
    return sum / ORACLE_BATCH;
}

static void check_actor_and_temperature(const struct sac *sac, struct oracle_sac *oracle, const float *before,
                                        float loss)
{
    struct twin_function function = {actor_loss, oracle, sac->actor.mlp.params};
    double *wide = twin_widen(before, sac->actor.mlp.params);
    for (size_t k = 0; k < 2; k++)
        oracle->critic_params[k] = twin_widen(sac->critic[k].network.params, oracle->critic->params);
    assert_true(twin_gradient_error(&function, before, sac->actor.grads) < 1e-4);
    assert_true(fabs((double) loss - actor_loss(oracle, wide)) < 1e-4);
    double slope = -oracle->alpha * (mean_log_density(oracle, wide) - (double) ACTION);
    assert_true(fabs((double) sac->temperature.grad - slope) < 1e-4 * (1.0 + fabs(slope)));
    free(wide);
}

static void an_update_computes_the_gradients_of_the_published_algorithm(void **state)
{
    (void) state;
    struct offpolicy *learner = create(&published);
    struct sac *sac = of(learner);
    learner_run(learner, 0, 60); /* away from the start: targets differ from weights, the ring has turned */
    size_t params = sac->critic[0].network.mlp.params;
    float *actor = oracle_copy(sac->actor.params, sac->actor.mlp.params);
    float *critic[2] = {oracle_copy(sac->critic[0].network.params, params),
                        oracle_copy(sac->critic[1].network.params, params)};
    struct oracle_batch batch;
    struct oracle_sac oracle = {.batch = &batch,
                                .actor = &sac->actor.mlp,
                                .critic = &sac->critic[0].network.mlp,
                                .alpha = exp((double) sac->temperature.log)};
    oracle_batch(&batch, learner);
    oracle_normals(learner, 1, oracle.normal);
    fill_wanted(&batch, learner);
    struct offpolicy_losses losses;
    assert_true(offpolicy_update(learner, &losses));
    double expected = 0.0;
    for (size_t k = 0; k < 2; k++)
        expected += oracle_check_critic(&sac->critic[k].network, &batch, critic[k]);
    assert_true(fabs((double) losses.critic - expected) < 1e-4 * (1.0 + expected));
    check_actor_and_temperature(sac, &oracle, actor, losses.actor);
    oracle_finish(&oracle);
    free(actor);
    free(critic[0]);
    free(critic[1]);
    offpolicy_destroy(learner);
}

static void a_deviation_beyond_its_bounds_has_no_gradient(void **state)
{
    (void) state;
    struct offpolicy *learner = create(&published);
    struct sac *sac = of(learner);
    const struct dense *head = &sac->actor.mlp.layers[MLP_LAYERS - 1];
    const float beyond[ACTION] = {30.0f, -50.0f, 0.0f};
    memcpy(sac->actor.params + head->bias + ACTION, beyond, sizeof(beyond));
    learner_feed(learner, 0, 15);
    assert_true(offpolicy_update(learner, NULL));
    const float *slope = sac->actor.grads + head->bias + ACTION;
    assert_true(slope[0] == 0.0f && slope[1] == 0.0f && slope[2] != 0.0f);
    for (size_t i = 0; i < sac->actor.mlp.params; i++)
        assert_true(isfinite(sac->actor.params[i]));
    offpolicy_destroy(learner);
}

static void without_exploring_the_action_is_tanh_of_the_mean(void **state)
{
    (void) state;
    struct offpolicy *learner = create(&published);
    const float none[ACTION] = {0.0f, 0.0f, 0.0f}, some[ACTION] = {0.5f, -1.0f, 2.0f};
    float at[STATE], action[ACTION], drawn[ACTION];
    double wide[STATE], output[2 * ACTION];
    twin_fill(at, STATE, 1.0f, 6);
    for (size_t i = 0; i < STATE; i++)
        wide[i] = (double) at[i];
    double *params = twin_widen(of(learner)->actor.params, of(learner)->actor.mlp.params);
    twin_forward(&of(learner)->actor.mlp, params, wide, output);
    offpolicy_act(learner, at, action);
    for (size_t j = 0; j < ACTION; j++)
        assert_true(fabs((double) action[j] - tanh(output[j])) < 1e-6);
    assert_true(offpolicy_explores(learner));
    offpolicy_sample(learner, at, none, drawn);
    assert_memory_equal(action, drawn, sizeof(action));
    offpolicy_sample(learner, at, some, drawn);
    for (size_t j = 0; j < ACTION; j++) {
        double u = output[j] + exp(output[ACTION + j]) * (double) some[j];
        assert_true(fabs((double) drawn[j] - tanh(u)) < 1e-6);
    }
    free(params);
    offpolicy_destroy(learner);
}

/* Whatever is drawn has its density, also where tanh rounds to 1. */
static void an_action_at_the_edge_has_a_finite_density(void **state)
{
    (void) state;
    struct offpolicy *learner = create(&published);
    struct sac *sac = of(learner);
    const struct dense *head = &sac->actor.mlp.layers[MLP_LAYERS - 1];
    const float far[ACTION] = {40.0f, -40.0f, 12.0f};
    memcpy(sac->actor.params + head->bias, far, sizeof(far));
    learner_feed(learner, 0, 15);
    struct offpolicy_losses losses;
    assert_true(offpolicy_update(learner, &losses));
    assert_true(isfinite(losses.critic) && isfinite(losses.actor));
    for (size_t i = 0; i < ORACLE_BATCH; i++)
        assert_true(isfinite(sac->log_density[i]) && sac->log_density[i] > 50.0f);
    for (size_t i = 0; i < sac->actor.mlp.params; i++)
        assert_true(isfinite(sac->actor.params[i]));
    offpolicy_destroy(learner);
}

/* With nothing to gain, entropy settles at its target: -1 nat an entry. */
static void the_temperature_brings_entropy_to_its_target(void **state)
{
    (void) state;
    struct sac_config config = published;
    config.common.discount = 0.0f;
    config.common.batch = 40;
    config.common.buffer = 40;
    config.temperature_rate = 1e-2f;
    config.common.actor_rate = 3e-3f;
    struct offpolicy *learner = create(&config);
    learner_feed(learner, 0, 40);
    double sum = 0.0;
    for (size_t update = 0; update < 4000; update++) {
        assert_true(offpolicy_update(learner, NULL));
        for (size_t i = 0; i < 40 && update >= 3000; i++)
            sum += (double) of(learner)->log_density[i];
    }
    assert_true(fabs(sum / 40000.0 - (double) ACTION) < 0.3);
    offpolicy_destroy(learner);
}

static void check_refused(float temperature, float rate, float entropy, size_t batch)
{
    struct offpolicy *learner = NULL;
    struct diag diag = {{0}};
    struct sac_config config = published;
    config.temperature = temperature;
    config.temperature_rate = rate;
    config.target_entropy = entropy;
    config.common.batch = batch;
    assert_int_equal(sac_config_check(&config, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "allowed is"));
    assert_int_equal(sac_create(&learner, &config), ERR_RANGE);
    assert_null(learner);
}

static void impossible_configurations_are_refused(void **state)
{
    (void) state;
    check_refused(0.0f, 1e-3f, -1.0f, 10);
    check_refused(INFINITY, 1e-3f, -1.0f, 10);
    check_refused(1.0f, -1e-3f, -1.0f, 10);
    check_refused(1.0f, NAN, -1.0f, 10);
    check_refused(1.0f, 1e-3f, NAN, 10);
    check_refused(1.0f, 1e-3f, -1.0f, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_update_computes_the_gradients_of_the_published_algorithm),
        cmocka_unit_test(a_deviation_beyond_its_bounds_has_no_gradient),
        cmocka_unit_test(without_exploring_the_action_is_tanh_of_the_mean),
        cmocka_unit_test(an_action_at_the_edge_has_a_finite_density),
        cmocka_unit_test(the_temperature_brings_entropy_to_its_target),
        cmocka_unit_test(impossible_configurations_are_refused),
    };
    return cmocka_run_group_tests_name("sac", tests, NULL, NULL);
}
