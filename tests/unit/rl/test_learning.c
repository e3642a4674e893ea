/* Two problems whose answers are known, solved at a fixed seed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/rl/ddpg.h"
#include "core/rl/noise.h"
#include "learner.h"

/* --- A contextual bandit: reward -|a - f(s)|^2, no next state to speak of. --- */

#define CONTEXT 3u
#define ARM 2u

static void best_arm(const float *context, float ret_arm[static ARM])
{
    ret_arm[0] = 0.6f * context[0] - 0.3f * context[1] * context[2];
    ret_arm[1] = 0.5f * fabsf(context[1]) - 0.4f * context[2];
}

static float bandit_reward(const float *context, const float *arm)
{
    float best[ARM], reward = 0.0f;
    best_arm(context, best);
    for (size_t i = 0; i < ARM; i++)
        reward -= (arm[i] - best[i]) * (arm[i] - best[i]);
    return reward;
}

static void draw_context(enum rng_phase phase, uint32_t slot, float ret_context[static CONTEXT])
{
    struct rng_at at = {.seed = 21, .phase = phase, .stream = RNG_TASK, .slot = slot};
    for (uint32_t i = 0; i < CONTEXT; i++)
        ret_context[i] = (float) rng_range(&at, i, -1.0, 1.0);
}

/* Mean reward over held-out contexts; without a learner, of the arm 0. */
static double held_out_reward(struct offpolicy *ddpg)
{
    double sum = 0.0;
    for (uint32_t slot = 0; slot < 500; slot++) {
        float context[CONTEXT], arm[ARM] = {0.0f, 0.0f};
        draw_context(RNG_TEST, slot, context);
        if (ddpg != NULL)
            offpolicy_act(ddpg, context, arm);
        sum += (double) bandit_reward(context, arm);
    }
    return sum / 500.0;
}

static void a_contextual_bandit_is_solved_to_a_fiftieth_of_the_best_constant(void **state)
{
    (void) state;
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
    struct offpolicy *ddpg = learner_create(&config);
    struct noise noise;
    assert_int_equal(noise_init(&noise, &exploration, ARM), 0);
    for (uint32_t slot = 0; slot < 6000; slot++) {
        float context[CONTEXT], arm[ARM];
        draw_context(RNG_TRAIN, slot, context);
        offpolicy_act(ddpg, context, arm);
        noise_add(&noise, arm);
        struct transition transition = {context, arm, bandit_reward(context, arm), context, false};
        offpolicy_push(ddpg, &transition);
        (void) offpolicy_update(ddpg, NULL); /* false before it is warm */
    }
    assert_true(held_out_reward(ddpg) > held_out_reward(NULL) / 50.0);
    noise_finish(&noise);
    offpolicy_destroy(ddpg);
}

/* --- A linear-quadratic regulator: x' = x + u / 2, cost x^2 + u^2 a step, discounted. --- */

#define DRIFT 1.0
#define PUSH 0.5
#define EFFORT 1.0
#define DISCOUNT 0.8
#define HORIZON 20u /* steps of an episode; its end is truncation, not a terminal state */

/* The optimal gain: u = -gain x, from the discounted Riccati equation. */
static double optimal_gain(void)
{
    double p = 1.0;
    for (int i = 0; i < 1000; i++)
        p = 1.0 + DISCOUNT * DRIFT * DRIFT * p -
            pow(DISCOUNT * DRIFT * PUSH * p, 2) / (EFFORT + DISCOUNT * PUSH * PUSH * p);
    return DISCOUNT * DRIFT * PUSH * p / (EFFORT + DISCOUNT * PUSH * PUSH * p);
}

/* Discounted cost from x on, by the actor or, without one, by the optimal gain. */
static double cost_from(double x, struct offpolicy *ddpg)
{
    double cost = 0.0, weight = 1.0, gain = optimal_gain();
    for (int t = 0; t < 100; t++, weight *= DISCOUNT) {
        float seen = (float) x, chosen;
        double u = -gain * x;
        if (ddpg != NULL) {
            offpolicy_act(ddpg, &seen, &chosen);
            u = (double) chosen;
        }
        cost += weight * (x * x + EFFORT * u * u);
        x = DRIFT * x + PUSH * u;
    }
    return cost;
}

static double mean_cost(struct offpolicy *ddpg)
{
    double sum = 0.0;
    for (int i = -8; i <= 8; i++)
        sum += cost_from((double) i / 10.0, ddpg);
    return sum / 17.0;
}

static void run_regulator(struct offpolicy *ddpg, struct noise *noise, uint32_t episodes)
{
    for (uint32_t episode = 0; episode < episodes; episode++) {
        struct rng_at at = {.seed = 22, .stream = RNG_START, .episode = episode};
        double x = rng_range(&at, 0, -1.0, 1.0);
        for (uint32_t t = 0; t < HORIZON; t++) {
            float seen = (float) x, u;
            offpolicy_act(ddpg, &seen, &u);
            noise_add(noise, &u);
            double cost = x * x + EFFORT * (double) (u * u);
            x = DRIFT * x + PUSH * (double) u;
            float next = (float) x;
            struct transition transition = {&seen, &u, (float) -cost, &next, false};
            offpolicy_push(ddpg, &transition);
            (void) offpolicy_update(ddpg, NULL); /* false before it is warm */
        }
    }
}

static void a_linear_quadratic_regulator_costs_within_five_percent_of_the_optimum(void **state)
{
    (void) state;
    const struct offpolicy_config config = {
        .state_size = 1,
        .action_size = 1,
        .hidden_1 = 64,
        .hidden_2 = 32,
        .buffer = 10000,
        .batch = 64,
        .discount = (float) DISCOUNT,
        .actor_rate = 1e-3f,
        .critic_rate = 1e-3f,
        .soft_update = 2e-2f,
        .warmup = 200,
        .final_init = 3e-3f,
        .seed = 1,
    };
    const struct noise_config exploration = {.sigma = 0.5, .decay = 1.0, .seed = 1};
    struct offpolicy *ddpg = learner_create(&config);
    struct noise noise;
    assert_int_equal(noise_init(&noise, &exploration, 1), 0);
    double optimum = mean_cost(NULL);
    assert_true(mean_cost(ddpg) > 1.5 * optimum); /* nothing is solved before learning */
    run_regulator(ddpg, &noise, 400);
    assert_true(mean_cost(ddpg) < 1.05 * optimum);
    noise_finish(&noise);
    offpolicy_destroy(ddpg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_contextual_bandit_is_solved_to_a_fiftieth_of_the_best_constant),
        cmocka_unit_test(a_linear_quadratic_regulator_costs_within_five_percent_of_the_optimum),
    };
    return cmocka_run_group_tests_name("learning", tests, NULL, NULL);
}
