/* A contextual bandit, reward -|a - f(s)|^2 and no next state to speak of, solved by every learner at a fixed
 * seed: by as many copies of it as the learner has agents, with one reward for all. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "learner.h"

#define COPIES_MAX 2u
#define CONTEXT 3u
#define ARM 2u

static void best_arm(const float *context, float ret_arm[static ARM])
{
    ret_arm[0] = 0.6f * context[0] - 0.3f * context[1] * context[2];
    ret_arm[1] = 0.5f * fabsf(context[1]) - 0.4f * context[2];
}

/* Mean over the copies. */
static float bandit_reward(size_t copies, const float *context, const float *arm)
{
    float reward = 0.0f;
    for (size_t n = 0; n < copies; n++) {
        float best[ARM];
        best_arm(context + n * CONTEXT, best);
        for (size_t i = 0; i < ARM; i++)
            reward -= (arm[n * ARM + i] - best[i]) * (arm[n * ARM + i] - best[i]);
    }
    return reward / (float) copies;
}

static void draw_context(enum rng_phase phase, uint32_t slot, float ret_context[static COPIES_MAX * CONTEXT])
{
    struct rng_at at = {.seed = 21, .phase = phase, .stream = RNG_TASK, .slot = slot};
    for (uint32_t i = 0; i < COPIES_MAX * CONTEXT; i++)
        ret_context[i] = (float) rng_range(&at, i, -1.0, 1.0);
}

/* Mean reward over held-out contexts; without a learner, of the arm 0. */
static double held_out_reward(size_t copies, struct offpolicy *learner)
{
    double sum = 0.0;
    for (uint32_t slot = 0; slot < 500; slot++) {
        float context[COPIES_MAX * CONTEXT], arm[COPIES_MAX * ARM] = {0.0f};
        draw_context(RNG_TEST, slot, context);
        if (learner != NULL)
            offpolicy_act(learner, context, arm);
        sum += (double) bandit_reward(copies, context, arm);
    }
    return sum / 500.0;
}

static void solve_bandit(const struct learner_kind *kind)
{
    const struct offpolicy_config config = {
        .state_size = CONTEXT,
        .action_size = ARM,
        .hidden_1 = 64,
        .hidden_2 = 32,
        .buffer = 10000,
        .batch = 64,
        .discount = 0.0f,
        .actor_rate = 1e-3f,
        .critic_rate = 1e-3f,
        .soft_update = 5e-3f,
        .warmup = 200,
        .final_init = 3e-3f,
        .seed = 1,
    };
    const struct noise_config exploration = {.sigma = 0.3, .decay = 0.9995, .seed = 1};
    struct noise noise;
    struct offpolicy *learner = learner_for(kind, &config);
    assert_int_equal(noise_init(&noise, &exploration, kind->agents * config.action_size), 0);
    for (uint32_t slot = 0; slot < 6000; slot++) {
        float context[COPIES_MAX * CONTEXT], arm[COPIES_MAX * ARM];
        draw_context(RNG_TRAIN, slot, context);
        learner_explore(learner, &noise, context, arm);
        float reward = bandit_reward(kind->agents, context, arm);
        struct transition transition = {context, arm, reward, context, false};
        offpolicy_push(learner, &transition);
        (void) offpolicy_update(learner, NULL); /* false before it is warm */
    }
    double share = held_out_reward(kind->agents, learner) / held_out_reward(kind->agents, NULL);
    print_message("# %s: %.4f of the best constant's loss\n", kind->name, share);
    assert_true(share < 1.0 / 50.0);
    noise_finish(&noise);
    offpolicy_destroy(learner);
}

static void a_contextual_bandit_is_solved_to_a_fiftieth_of_the_best_constant(void **state)
{
    (void) state;
    for (size_t k = 0; k < LEARNER_KINDS; k++)
        solve_bandit(&learner_kinds[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_contextual_bandit_is_solved_to_a_fiftieth_of_the_best_constant),
    };
    return cmocka_run_group_tests_name("bandit", tests, NULL, NULL);
}
