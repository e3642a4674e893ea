/* A linear-quadratic regulator, x' = x + u / 2, cost x^2 + u^2 a step, discounted, solved by every learner at
 * a fixed seed: by as many copies of it as the learner has agents, with one reward for all. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "learner.h"

#define COPIES_MAX 2u
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

/* Discounted cost of the first copy from x on, the others beginning at -x, by the learner or, without one, by
 * the optimal gain. */
static double cost_from(double x, struct offpolicy *learner)
{
    double cost = 0.0, weight = 1.0, gain = optimal_gain();
    double at[COPIES_MAX] = {x, -x};
    for (int t = 0; t < 100; t++, weight *= DISCOUNT) {
        float seen[COPIES_MAX] = {(float) at[0], (float) at[1]}, chosen[COPIES_MAX] = {0.0f};
        if (learner != NULL)
            offpolicy_act(learner, seen, chosen);
        double u = learner != NULL ? (double) chosen[0] : -gain * at[0];
        cost += weight * (at[0] * at[0] + EFFORT * u * u);
        at[0] = DRIFT * at[0] + PUSH * u;
        at[1] = DRIFT * at[1] + PUSH * (double) chosen[1];
    }
    return cost;
}

static double mean_cost(struct offpolicy *learner)
{
    double sum = 0.0;
    for (int i = -8; i <= 8; i++)
        sum += cost_from((double) i / 10.0, learner);
    return sum / 17.0;
}

/* One step of every copy; returns the mean cost. */
static double step_copies(size_t copies, double *x, const float *u)
{
    double cost = 0.0;
    for (size_t n = 0; n < copies; n++) {
        cost += x[n] * x[n] + EFFORT * (double) (u[n] * u[n]);
        x[n] = DRIFT * x[n] + PUSH * (double) u[n];
    }
    return cost / (double) copies;
}

static void run_regulator(struct offpolicy *learner, size_t copies, struct noise *noise, uint32_t episodes)
{
    for (uint32_t episode = 0; episode < episodes; episode++) {
        struct rng_at at = {.seed = 22, .stream = RNG_START, .episode = episode};
        double x[COPIES_MAX] = {rng_range(&at, 0, -1.0, 1.0), rng_range(&at, 1, -1.0, 1.0)};
        for (uint32_t t = 0; t < HORIZON; t++) {
            float seen[COPIES_MAX] = {(float) x[0], (float) x[1]}, u[COPIES_MAX];
            learner_explore(learner, noise, seen, u);
            double cost = step_copies(copies, x, u);
            float next[COPIES_MAX] = {(float) x[0], (float) x[1]};
            struct transition transition = {seen, u, (float) -cost, next, false};
            offpolicy_push(learner, &transition);
            (void) offpolicy_update(learner, NULL); /* false before it is warm */
        }
    }
}

static void solve_regulator(const struct learner_kind *kind)
{
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
    struct noise noise;
    struct offpolicy *learner = learner_for(kind, &config);
    assert_int_equal(noise_init(&noise, &exploration, kind->agents * config.action_size), 0);
    double optimum = mean_cost(NULL);
    assert_true(mean_cost(learner) > 1.5 * optimum); /* nothing is solved before learning */
    run_regulator(learner, kind->agents, &noise, 400);
    double share = mean_cost(learner) / optimum;
    print_message("# %s: %.4f of the optimum's cost\n", kind->name, share);
    assert_true(share < 1.05);
    noise_finish(&noise);
    offpolicy_destroy(learner);
}

static void a_linear_quadratic_regulator_costs_within_five_percent_of_the_optimum(void **state)
{
    (void) state;
    for (size_t k = 0; k < LEARNER_KINDS; k++)
        solve_regulator(&learner_kinds[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_linear_quadratic_regulator_costs_within_five_percent_of_the_optimum),
    };
    return cmocka_run_group_tests_name("regulator", tests, NULL, NULL);
}
