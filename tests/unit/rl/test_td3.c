/* Whole updates of TD3 against the published algorithm, computed from its text in double precision with
 * finite differences for gradients. */
#include "core/rl/td3.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/rl/td3_internal.h"
#include "oracle.h"
#include "twin.h"

#define ACTION LEARNER_ACTION

static struct td3 *of(struct offpolicy *learner)
{
    return (struct td3 *) learner;
}

static struct td3_config config_of(float target_noise, float noise_clip)
{
    return (struct td3_config){
        .common = learner_config, .delay = 2, .target_noise = target_noise, .noise_clip = noise_clip};
}

/* Away from the start, where targets differ from weights and the ring has turned: after `updates`. */
static struct offpolicy *trained(const struct td3_config *config, size_t updates)
{
    struct offpolicy *learner = NULL;
    assert_int_equal(td3_create(&learner, config), 0);
    learner_run(learner, 0, config->common.warmup - 1 + updates);
    assert_int_equal(offpolicy_updates(learner), updates);
    return learner;
}

static double clip(double value, double bound)
{
    return fmax(-bound, fmin(bound, value));
}

/* y = r + gamma min_k Q_k'(s', clip(mu'(s') + clip(noise))); returns how many noises were clipped. */
static size_t fill_wanted(struct oracle_batch *batch, struct offpolicy *learner)
{
    const struct td3 *td3 = of(learner);
    const struct mlp *actor = &td3->actor.network.mlp, *critic = &td3->critic[0].network.mlp;
    double *actor_target = twin_widen(td3->actor.network.target, actor->params);
    double *critic_target[2], normal[ORACLE_BATCH][LEARNER_SIZE_MAX];
    double sigma = (double) td3->target_noise, bound = (double) td3->noise_clip;
    size_t clipped = 0;
    oracle_normals(learner, 0, normal);
    for (size_t k = 0; k < 2; k++)
        critic_target[k] = twin_widen(td3->critic[k].network.target, critic->params);
    for (size_t i = 0; i < ORACLE_BATCH; i++) {
        double action[ACTION];
        twin_forward(actor, actor_target, batch->next[i], action);
        for (size_t j = 0; j < ACTION; j++) {
            clipped += fabs(sigma * normal[i][j]) > bound ? 1 : 0;
            action[j] = clip(action[j] + clip(sigma * normal[i][j], bound), 1.0);
        }
        double first = oracle_value(batch, critic, critic_target[0], batch->next[i], action);
        double second = oracle_value(batch, critic, critic_target[1], batch->next[i], action);
        batch->wanted[i] = batch->reward[i] + (batch->terminal[i] ? 0.0 : 0.9 * fmin(first, second));
    }
    free(actor_target);
    free(critic_target[0]);
    free(critic_target[1]);
    return clipped;
}

/* The actor's loss, through the first critic after its step. */
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

static void check_actor(const struct td3 *td3, const struct oracle_batch *batch, const float *before,
                        float loss)
{
    const struct network *actor = &td3->actor.network, *critic = &td3->critic[0].network;
    double *critic_params = twin_widen(critic->params, critic->mlp.params);
    double *wide = twin_widen(before, actor->mlp.params);
    struct oracle_actor context = {batch, &actor->mlp, &critic->mlp, critic_params};
    struct twin_function value = {minus_mean_value, &context, actor->mlp.params};
    assert_true(twin_gradient_error(&value, before, actor->grads) < 1e-4);
    assert_true(fabs((double) loss - minus_mean_value(&context, wide)) < 1e-5);
    free(wide);
    free(critic_params);
}

/* Returns how many of the target's noises were clipped. */
static size_t check_update(const struct td3_config *config, size_t updates)
{
    struct offpolicy *learner = trained(config, updates);
    struct td3 *td3 = of(learner);
    size_t params = td3->critic[0].network.mlp.params;
    float *actor = oracle_copy(td3->actor.network.params, td3->actor.network.mlp.params);
    float *critic[2] = {oracle_copy(td3->critic[0].network.params, params),
                        oracle_copy(td3->critic[1].network.params, params)};
    struct oracle_batch batch;
    struct offpolicy_losses losses;
    oracle_batch(&batch, learner);
    size_t clipped = fill_wanted(&batch, learner);
    assert_true(offpolicy_update(learner, &losses));
    double expected = 0.0;
    for (size_t k = 0; k < 2; k++)
        expected += oracle_check_critic(&td3->critic[k].network, &batch, critic[k]);
    assert_true(fabs((double) losses.critic - expected) < 1e-5 * (1.0 + expected));
    if (updates % 2 == 1)
        check_actor(td3, &batch, actor, losses.actor);
    free(actor);
    free(critic[0]);
    free(critic[1]);
    offpolicy_destroy(learner);
    return clipped;
}

static void an_update_computes_the_gradients_of_the_published_algorithm(void **state)
{
    (void) state;
    struct td3_config published = config_of(0.2f, 0.5f), wild = config_of(2.0f, 0.3f);
    (void) check_update(&published, 60); /* the critics' alone, whatever was clipped */
    (void) check_update(&published, 61);
    assert_true(check_update(&wild, 61) > ORACLE_BATCH);
}

static void the_actor_and_the_targets_move_with_every_second_update_only(void **state)
{
    (void) state;
    struct td3_config config = config_of(0.2f, 0.5f);
    struct offpolicy *learner = trained(&config, 20);
    struct td3 *td3 = of(learner);
    struct network *networks[] = {&td3->actor.network, &td3->critic[0].network, &td3->critic[1].network};
    for (size_t turn = 0; turn < 4; turn++) {
        bool rests = turn % 2 == 0;
        float *target[3], *actor = oracle_copy(networks[0]->params, networks[0]->mlp.params);
        for (size_t k = 0; k < 3; k++)
            target[k] = oracle_copy(networks[k]->target, networks[k]->mlp.params);
        assert_true(offpolicy_update(learner, NULL));
        assert_int_equal(memcmp(actor, networks[0]->params, networks[0]->mlp.params * sizeof(float)) == 0,
                         rests);
        for (size_t k = 0; k < 3; k++) {
            for (size_t i = 0; i < networks[k]->mlp.params; i++) {
                double tau = rests ? 0.0 : 0.005, old = (double) target[k][i];
                double expected = old + tau * ((double) networks[k]->params[i] - old);
                assert_true(fabs((double) networks[k]->target[i] - expected) <= (rests ? 0.0 : 1e-6));
            }
            free(target[k]);
        }
        free(actor);
    }
    offpolicy_destroy(learner);
}

/* Adam's first step is one rate long wherever there is a gradient: its steps are the actor's own, not the
 * critics'. */
static void the_actors_first_step_is_one_rate_long(void **state)
{
    (void) state;
    struct td3_config config = config_of(0.2f, 0.5f);
    struct offpolicy *learner = trained(&config, 1);
    struct network *actor = &of(learner)->actor.network;
    float *before = oracle_copy(actor->params, actor->mlp.params);
    assert_true(offpolicy_update(learner, NULL));
    double longest = 0.0;
    for (size_t i = 0; i < actor->mlp.params; i++)
        longest = fmax(longest, fabs((double) actor->params[i] - (double) before[i]));
    assert_true(fabs(longest - 1e-3) < 1e-5);
    free(before);
    offpolicy_destroy(learner);
}

static void the_critics_begin_apart(void **state)
{
    (void) state;
    struct td3_config config = config_of(0.2f, 0.5f);
    struct offpolicy *learner = NULL;
    assert_int_equal(td3_create(&learner, &config), 0);
    const struct network *first = &of(learner)->critic[0].network, *second = &of(learner)->critic[1].network;
    assert_memory_not_equal(first->params, second->params, first->mlp.params * sizeof(float));
    offpolicy_destroy(learner);
}

static void check_refused(struct td3_config config)
{
    struct offpolicy *learner = NULL;
    struct diag diag = {{0}};
    assert_int_equal(td3_config_check(&config, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "allowed is"));
    assert_int_equal(td3_create(&learner, &config), ERR_RANGE);
    assert_null(learner);
}

static void impossible_configurations_are_refused(void **state)
{
    (void) state;
    struct td3_config config = config_of(0.2f, 0.5f);
    config.delay = 0;
    check_refused(config);
    check_refused(config_of(NAN, 0.5f));
    check_refused(config_of(-0.1f, 0.5f));
    check_refused(config_of(0.2f, INFINITY));
    config = config_of(0.2f, 0.5f);
    config.common.batch = 0;
    check_refused(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_update_computes_the_gradients_of_the_published_algorithm),
        cmocka_unit_test(the_actor_and_the_targets_move_with_every_second_update_only),
        cmocka_unit_test(the_actors_first_step_is_one_rate_long),
        cmocka_unit_test(the_critics_begin_apart),
        cmocka_unit_test(impossible_configurations_are_refused),
    };
    return cmocka_run_group_tests_name("td3", tests, NULL, NULL);
}
