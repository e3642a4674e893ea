/* Problems whose answers are known, solved by PPO and A2C at a fixed seed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/rl/policy_gradient_internal.h"
#include "twin.h"

static const struct policy_gradient_config ppo = {
    .hidden_1 = 64,
    .hidden_2 = 32,
    .objective = OBJECTIVE_CLIPPED,
    .rollout = 256,
    .epochs = 10,
    .batch = 64,
    .trace = 0.95f,
    .rate = 1e-3f,
    .clip = 0.2f,
    .norm = 0.5f,
    .standardise = true,
    .sigma = 0.5f,
    .final_init = 3e-3f,
    .seed = 1,
};

static const struct policy_gradient_config a2c = {
    .hidden_1 = 64,
    .hidden_2 = 32,
    .objective = OBJECTIVE_PLAIN,
    .rollout = 5,
    .epochs = 1,
    .batch = 5,
    .trace = 1.0f,
    .rate = 2e-3f,
    .entropy = 0.01f,
    .norm = 0.5f,
    .sigma = 0.5f,
    .final_init = 3e-3f,
    .seed = 1,
};

static struct policy_gradient *create(const struct policy_gradient_config *config)
{
    struct policy_gradient *learner = NULL;
    assert_int_equal(policy_gradient_create(&learner, config), 0);
    return learner;
}

/* --- contextual bandits: no next state to speak of --- */

#define CONTEXT 3u
#define HEADS 2u
#define REALS 2u

static const size_t classes[HEADS] = {3, 4};
static const uint8_t all_allowed[7] = {1, 1, 1, 1, 1, 1, 1};

static void draw_context(enum rng_phase phase, uint32_t slot, float ret_context[static CONTEXT])
{
    struct rng_at at = {.seed = 21, .phase = phase, .stream = RNG_TASK, .slot = slot};
    for (uint32_t i = 0; i < CONTEXT; i++)
        ret_context[i] = (float) rng_range(&at, i, -1.0, 1.0);
}

/* The largest entry's number, and the quadrant of the first two: the share that is right. */
static float reward_of_classes(const float *context, const float *action)
{
    size_t largest = context[1] > context[0] ? 1 : 0;
    largest = context[2] > context[largest] ? 2 : largest;
    size_t quadrant = (context[0] > 0.0f ? 1u : 0u) + (context[1] > 0.0f ? 2u : 0u);
    return (action[0] == (float) largest ? 0.5f : 0.0f) + (action[1] == (float) quadrant ? 0.5f : 0.0f);
}

/* Minus the squared distance to a curved function of the context. */
static float reward_of_reals(const float *context, const float *action)
{
    float a = action[0] - 0.6f * context[0] + 0.3f * context[1] * context[2];
    float b = action[1] - 0.5f * fabsf(context[1]) + 0.4f * context[2];
    return -(a * a) - b * b;
}

static double held_out_reward(struct policy_gradient *learner,
                              float (*reward)(const float *context, const float *action))
{
    double sum = 0.0;
    for (uint32_t slot = 0; slot < 500; slot++) {
        float context[CONTEXT], action[HEADS] = {0.0f, 0.0f};
        draw_context(RNG_TEST, slot, context);
        if (learner != NULL)
            policy_gradient_mode(learner, context, all_allowed, action);
        sum += (double) reward(context, action);
    }
    return sum / 500.0;
}

static void play_bandit(struct policy_gradient *learner,
                        float (*reward)(const float *context, const float *action), uint32_t slots)
{
    for (uint32_t slot = 0; slot < slots; slot++) {
        float context[CONTEXT], action[HEADS];
        draw_context(RNG_TRAIN, slot, context);
        struct rollout_transition transition = {
            .state = context,
            .action = action,
            .allowed = all_allowed,
            .log_probability = policy_gradient_sample(learner, context, all_allowed, action),
            .next_state = context,
            .begins = true,
        };
        transition.reward = reward(context, action);
        policy_gradient_push(learner, &transition);
        (void) policy_gradient_update(learner, NULL); /* false before the rollout is full */
    }
}

static double solve_bandit(const struct policy_gradient_config *how,
                           float (*reward)(const float *context, const float *action), uint32_t slots)
{
    struct policy_gradient_config config = *how;
    bool reals = reward == reward_of_reals;
    config.state_size = CONTEXT;
    config.heads = reals ? 0 : HEADS;
    config.classes = classes;
    config.action_size = reals ? REALS : 0;
    struct policy_gradient *learner = create(&config);
    play_bandit(learner, reward, slots);
    double found = held_out_reward(learner, reward);
    policy_gradient_destroy(learner);
    return found;
}

static void ppo_solves_a_bandit_of_classes(void **state)
{
    (void) state;
    assert_true(held_out_reward(NULL, reward_of_classes) < 0.4);
    assert_true(solve_bandit(&ppo, reward_of_classes, 8192) > 0.93);
}

static void ppo_solves_a_bandit_of_reals_to_a_twentieth_of_the_best_constant(void **state)
{
    (void) state;
    double found = solve_bandit(&ppo, reward_of_reals, 16384);
    assert_true(found > held_out_reward(NULL, reward_of_reals) / 20.0);
}

static void a2c_solves_a_bandit_of_classes(void **state)
{
    (void) state;
    assert_true(solve_bandit(&a2c, reward_of_classes, 20000) > 0.9);
}

static void a2c_solves_a_bandit_of_reals_to_a_tenth_of_the_best_constant(void **state)
{
    (void) state;
    double found = solve_bandit(&a2c, reward_of_reals, 20000);
    assert_true(found > held_out_reward(NULL, reward_of_reals) / 10.0);
}

/* --- a chain of cells: one step left or right, 1 for leaving it at the right end --- */

#define CELLS 6u
#define DISCOUNT 0.8
#define HORIZON 3u /* steps of an episode, far fewer than the chain has cells: truncation, not an end */

static void see(size_t cell, float ret_seen[static CELLS])
{
    for (size_t i = 0; i < CELLS; i++)
        ret_seen[i] = i == cell ? 1.0f : 0.0f;
}

static void play_chain(struct policy_gradient *learner, uint32_t episodes)
{
    static const uint8_t both[2] = {1, 1};
    for (uint32_t episode = 0; episode < episodes; episode++) {
        struct rng_at at = {.seed = 22, .stream = RNG_START, .episode = episode};
        size_t cell = rng_below(&at, 0, CELLS);
        for (uint32_t t = 0; t < HORIZON && cell < CELLS; t++) {
            float seen[CELLS], next[CELLS], action;
            see(cell, seen);
            float log_probability = policy_gradient_sample(learner, seen, both, &action);
            cell = action > 0.5f ? cell + 1 : cell > 0 ? cell - 1 : 0;
            see(cell, next); /* all 0 behind the end */
            bool ends = cell == CELLS;
            struct rollout_transition transition = {seen, &action, both,  log_probability, ends ? 1.0f : 0.0f,
                                                    next, ends,    t == 0};
            policy_gradient_push(learner, &transition);
            (void) policy_gradient_update(learner, NULL); /* false before the rollout is full */
        }
    }
}

static double value_of(const struct policy_gradient *learner, size_t cell)
{
    double wide[CELLS], value, *params = twin_widen(learner->critic.params, learner->critic.size);
    for (size_t i = 0; i < CELLS; i++)
        wide[i] = i == cell ? 1.0 : 0.0;
    twin_forward(&learner->critic.mlp, params, wide, &value);
    free(params);
    return value / (1.0 - DISCOUNT); /* the network says (1 - discount) V */
}

/* The optimal value of a cell is 0.8 to the number of steps that must pass before the reward. */
static void solve_chain(const struct policy_gradient_config *how, uint32_t episodes)
{
    static const size_t two = 2;
    static const uint8_t both[2] = {1, 1};
    struct policy_gradient_config config = *how;
    config.state_size = CELLS;
    config.heads = 1;
    config.classes = &two;
    config.discount = (float) DISCOUNT;
    config.entropy = 1e-4f;
    struct policy_gradient *learner = create(&config);
    play_chain(learner, episodes);
    for (size_t cell = 0; cell < CELLS; cell++) {
        float seen[CELLS], action;
        see(cell, seen);
        policy_gradient_mode(learner, seen, both, &action);
        assert_true(action == 1.0f);
        double best = pow(DISCOUNT, (double) (CELLS - 1 - cell));
        if (fabs(value_of(learner, cell) - best) > 0.08)
            fail_msg("cell %zu is worth %g, not %g", cell, value_of(learner, cell), best);
    }
    policy_gradient_destroy(learner);
}

static void ppo_finds_the_chains_value_through_truncated_episodes(void **state)
{
    (void) state;
    solve_chain(&ppo, 6000);
}

static void a2c_finds_the_chains_value_through_truncated_episodes(void **state)
{
    (void) state;
    solve_chain(&a2c, 8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ppo_solves_a_bandit_of_classes),
        cmocka_unit_test(ppo_solves_a_bandit_of_reals_to_a_twentieth_of_the_best_constant),
        cmocka_unit_test(a2c_solves_a_bandit_of_classes),
        cmocka_unit_test(a2c_solves_a_bandit_of_reals_to_a_tenth_of_the_best_constant),
        cmocka_unit_test(ppo_finds_the_chains_value_through_truncated_episodes),
        cmocka_unit_test(a2c_finds_the_chains_value_through_truncated_episodes),
    };
    return cmocka_run_group_tests_name("on policy", tests, NULL, NULL);
}
