/* DQN's whole update against finite differences of its text in double precision; returns against sums by hand; problems
 * whose answers are known, solved at a fixed seed; and the promises of dqn.h. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/rl/checkpoint.h"
#include "core/rl/dqn_internal.h"
#include "core/rl/experience.h"
#include "core/rl/mask.h"
#include "twin.h"

#define STATE 4u
#define ACTIONS 5u
#define BATCH 12u

static const struct dqn_config small = {
    .state_size = STATE,
    .actions = ACTIONS,
    .hidden_1 = 12,
    .hidden_2 = 7,
    .buffer = 30,
    .batch = BATCH,
    .warmup = 15,
    .rate = 1e-3f,
    .soft_update = 5e-3f,
    .steps = 1,
    .priority = 0.5f,
    .importance = 0.4f,
    .importance_updates = 200,
    .epsilon_first = 1.0f,
    .epsilon_last = 0.1f,
    .epsilon_acts = 1000,
    .final_init = 0.5f, /* large enough that gradients are plain to see */
    .seed = 3,
};

static struct dqn *create(const struct dqn_config *config)
{
    struct dqn *dqn = NULL;
    assert_int_equal(dqn_create(&dqn, config), 0);
    return dqn;
}

/* Of every third nothing is allowed in the next state; rewards reach beyond where the slope is bounded. */
static void feed(struct dqn *dqn, size_t first, size_t count)
{
    for (size_t n = first; n < first + count; n++) {
        float values[2 * STATE + 1];
        uint8_t allowed[ACTIONS];
        twin_fill(values, 2 * STATE + 1, 1.0f, 500 + (uint32_t) n);
        for (size_t i = 0; i < ACTIONS; i++)
            allowed[i] = n % 3 != 2 && (n + i) % 4 != 0;
        struct dqn_transition transition = {
            .state = values,
            .action = (uint32_t) (n % ACTIONS),
            .reward = 3.0f * values[2 * STATE],
            .discount = n % 5 == 0 ? 1.0f : 0.9f,
            .next_state = values + STATE,
            .next_allowed = allowed,
        };
        dqn_push(dqn, &transition);
    }
}

static void run(struct dqn *dqn, size_t first, size_t count)
{
    for (size_t n = first; n < first + count; n++) {
        feed(dqn, n, 1);
        (void) dqn_update(dqn, NULL); /* false before it is warm */
    }
}

/* --- the loss, from its text --- */

struct oracle {
    const struct mlp *mlp;
    bool is_dueling;
    double state[BATCH][STATE], wanted[BATCH], weight[BATCH];
    size_t action[BATCH];
};

static void worths(const struct mlp *mlp, bool is_dueling, const double *params, const double *state,
                   double ret_worth[static ACTIONS])
{
    double y[ACTIONS + 1], mean = 0.0;
    twin_forward(mlp, params, state, y);
    for (size_t i = 0; i < ACTIONS && is_dueling; i++)
        mean += y[1 + i] / ACTIONS;
    for (size_t i = 0; i < ACTIONS; i++)
        ret_worth[i] = is_dueling ? y[0] + y[1 + i] - mean : y[i];
}

static double next_worth(const struct dqn *dqn, const double *params, const double *target, const float *row)
{
    const float *choice = row + STATE;
    double next[STATE], by_network[ACTIONS], by_target[ACTIONS];
    uint8_t allowed[ACTIONS];
    size_t best = ACTIONS;
    for (size_t j = 0; j < STATE; j++)
        next[j] = (double) choice[DQN_ALLOWED + 1 + j];
    worths(&dqn->network.mlp, dqn->config.is_dueling, params, next, by_network);
    worths(&dqn->network.mlp, dqn->config.is_dueling, target, next, by_target);
    mask_unpack(ACTIONS, choice + DQN_ALLOWED, allowed);
    const double *chooses = dqn->config.is_double ? by_network : by_target;
    for (size_t i = 0; i < ACTIONS; i++)
        if (allowed[i] != 0 && (best == ACTIONS || chooses[i] > chooses[best]))
            best = i;
    return best < ACTIONS ? (double) choice[DQN_DISCOUNT] * by_target[best] : 0.0;
}

/* Where the i-th draw falls when slots stand side by side, each as wide as its priority. */
static size_t drawn_by_priority(const struct dqn *dqn, const struct rng_at *at, uint32_t i)
{
    const float *weight = dqn->priorities.weight;
    double sum = 0.0, mark = (i + rng_uniform(at, i)) / BATCH, come = 0.0;
    for (size_t k = 0; k < dqn->replay.count; k++)
        sum += (double) weight[k];
    for (size_t k = 0; k < dqn->replay.count; k++) {
        come += (double) weight[k] / sum;
        if (mark < come)
            return k;
    }
    return dqn->replay.count - 1;
}

/* (N P)^-beta, as a share of the batch's largest. */
static void weigh_draws(const struct dqn *dqn, const size_t slot[static BATCH],
                        double ret_weight[static BATCH])
{
    double sum = 0.0, most = 0.0;
    double beta = fmin(1.0, 0.4 + 0.6 * (double) dqn->updates / (double) dqn->config.importance_updates);
    for (size_t k = 0; k < dqn->replay.count; k++)
        sum += (double) dqn->priorities.weight[k];
    for (size_t i = 0; i < BATCH; i++) {
        double share = (double) dqn->priorities.weight[slot[i]] / sum;
        ret_weight[i] = pow((double) dqn->replay.count * share, -beta);
        most = fmax(most, ret_weight[i]);
    }
    for (size_t i = 0; i < BATCH; i++)
        ret_weight[i] /= most;
}

static void oracle_init(struct oracle *oracle, const struct dqn *dqn)
{
    struct rng_at at = {.seed = 3, .stream = RNG_SAMPLING, .slot = (uint32_t) dqn->updates};
    double *params = twin_widen(dqn->network.params, dqn->network.size);
    double *target = twin_widen(dqn->network.target, dqn->network.size);
    size_t slot[BATCH];
    *oracle = (struct oracle){.mlp = &dqn->network.mlp, .is_dueling = dqn->config.is_dueling};
    for (uint32_t i = 0; i < BATCH; i++) {
        uint64_t word = rng_block(&at, i / 4).v[i % 4];
        slot[i] = dqn->config.is_prioritised ? drawn_by_priority(dqn, &at, i)
                                             : (size_t) (word * dqn->replay.count >> 32);
        const float *row = dqn->replay.rows + slot[i] * dqn->replay.stride;
        for (size_t j = 0; j < STATE; j++)
            oracle->state[i][j] = (double) row[j];
        oracle->action[i] = (size_t) row[STATE + DQN_ACTION];
        oracle->wanted[i] = (double) row[2 * STATE + DQN_ALLOWED + 1] + next_worth(dqn, params, target, row);
        oracle->weight[i] = 1.0;
    }
    if (dqn->config.is_prioritised)
        weigh_draws(dqn, slot, oracle->weight);
    free(params);
    free(target);
}

static double loss_of(const void *context, const double *params)
{
    const struct oracle *oracle = context;
    double loss = 0.0;
    for (size_t i = 0; i < BATCH; i++) {
        double worth[ACTIONS];
        worths(oracle->mlp, oracle->is_dueling, params, oracle->state[i], worth);
        double error = fabs(worth[oracle->action[i]] - oracle->wanted[i]);
        loss += oracle->weight[i] * (error <= 1.0 ? 0.5 * error * error : error - 0.5) / BATCH;
    }
    return loss;
}

static void an_update_computes_the_gradient_of_the_published_algorithms(void **state)
{
    (void) state;
    for (int options = 0; options < 16; options++) {
        struct dqn_config config = small;
        config.is_double = (options & 1) != 0;
        config.is_dueling = (options & 2) != 0;
        config.is_prioritised = (options & 4) != 0;
        config.steps = (options & 8) != 0 ? 3 : 1;
        struct dqn *dqn = create(&config);
        run(dqn, 0, 100); /* away from the start: the target differs from the network, the ring has turned */
        feed(dqn, 100, 1);
        float *params = malloc(dqn->network.size * sizeof(float));
        assert_non_null(params);
        memcpy(params, dqn->network.params, dqn->network.size * sizeof(float));
        struct oracle oracle;
        oracle_init(&oracle, dqn);
        float loss = 0.0f;
        assert_true(dqn_update(dqn, &loss));
        struct twin_function function = {loss_of, &oracle, dqn->network.size};
        assert_true(twin_gradient_error(&function, params, dqn->network.grads) < 1e-4);
        double *wide = twin_widen(params, dqn->network.size);
        assert_true(fabs((double) loss - loss_of(&oracle, wide)) < 1e-5);
        free(wide);
        free(params);
        dqn_destroy(dqn);
    }
}

/* Errors as large as the batch's last are what is drawn next. */
static void an_error_becomes_its_transitions_priority(void **state)
{
    (void) state;
    struct dqn_config config = small;
    config.is_prioritised = true;
    struct dqn *dqn = create(&config);
    run(dqn, 0, 40);
    feed(dqn, 40, 1);
    const struct priorities *priorities = &dqn->priorities;
    struct oracle oracle;
    oracle_init(&oracle, dqn);
    double *params = twin_widen(dqn->network.params, dqn->network.size);
    assert_true(dqn_update(dqn, NULL));
    for (size_t i = 0; i < BATCH; i++) {
        double worth[ACTIONS];
        worths(oracle.mlp, oracle.is_dueling, params, oracle.state[i], worth);
        double error = fabs(worth[oracle.action[i]] - oracle.wanted[i]);
        float wanted = (float) sqrt(error + DQN_LEAST_PRIORITY);
        assert_true(fabsf(priorities->weight[dqn->slots[i]] - wanted) < 1e-4f);
    }
    free(params);
    dqn_destroy(dqn);
}

/* --- returns of several steps --- */

#define PUSHES 5u

/* Transition n of a chain: begins in n, ends in n + 1. */
static void push_link(struct dqn *dqn, size_t n, float reward, float discount)
{
    static const uint8_t all[ACTIONS] = {1, 1, 1, 1, 1};
    const float now[STATE] = {(float) n}, next[STATE] = {(float) (n + 1)};
    struct dqn_transition transition = {now, (uint32_t) (n % ACTIONS), reward, discount, next, all};
    dqn_push(dqn, &transition);
}

static void expect_stored(const struct dqn *dqn, size_t slot, const float wanted[static 5])
{
    const float *row = dqn->replay.rows + slot * dqn->replay.stride;
    const float found[5] = {row[0], row[STATE + DQN_ACTION], row[2 * STATE + DQN_ALLOWED + 1],
                            row[STATE + DQN_DISCOUNT], row[STATE + DQN_ALLOWED + 1]};
    assert_memory_equal(found, wanted, sizeof(found));
}

static void a_return_adds_rewards_up_as_by_hand(void **state)
{
    (void) state;
    static const float reward[PUSHES] = {1.0f, 2.0f, -4.0f, 8.0f, 16.0f};
    static const float discount[PUSHES] = {0.5f, 1.0f, 0.5f, 0.5f, 0.25f};
    /* Begins in, action, return, what follows counts, ends in. */
    static const float stored[PUSHES][5] = {
        {0, 0, 1.0f + 0.5f * 2.0f + 0.5f * -4.0f, 0.25f, 3},
        {1, 1, 2.0f + -4.0f + 0.5f * 8.0f, 0.25f, 4},
        {2, 2, -4.0f + 0.5f * 8.0f + 0.25f * 16.0f, 0.0625f, 5},
        {3, 3, 8.0f + 0.5f * 16.0f, 0.125f, 5},
        {4, 4, 16.0f, 0.25f, 5},
    };
    struct dqn_config config = small;
    config.steps = 3;
    struct dqn *dqn = create(&config);
    for (size_t n = 0; n < PUSHES; n++) {
        assert_int_equal(dqn_pushed(dqn), n < 2 ? 0 : n - 2);
        push_link(dqn, n, reward[n], discount[n]);
    }
    assert_int_equal(dqn_pushed(dqn), 3);
    dqn_cut(dqn);
    dqn_cut(dqn); /* nothing waits any more */
    assert_int_equal(dqn_pushed(dqn), PUSHES);
    for (size_t n = 0; n < PUSHES; n++)
        expect_stored(dqn, n, stored[n]);
    dqn_destroy(dqn);
}

static void no_return_reaches_beyond_an_end(void **state)
{
    (void) state;
    static const float stored[4][5] = {{0, 0, 1.0f + 0.5f * 2.0f, 0.0f, 2},
                                       {1, 1, 2.0f, 0.0f, 2},
                                       {2, 2, 4.0f, 0.5f, 3},
                                       {9, 4, 8.0f, 0.5f, 10}};
    struct dqn_config config = small;
    config.steps = 4;
    struct dqn *dqn = create(&config);
    push_link(dqn, 0, 1.0f, 0.5f);
    push_link(dqn, 1, 2.0f, 0.0f); /* the process ends here */
    assert_int_equal(dqn_pushed(dqn), 2);
    push_link(dqn, 2, 4.0f, 0.5f);
    dqn_cut(dqn); /* and here the chain breaks off */
    push_link(dqn, 9, 8.0f, 0.5f);
    dqn_cut(dqn);
    for (size_t n = 0; n < 4; n++)
        expect_stored(dqn, n, stored[n]);
    dqn_destroy(dqn);
}

/* --- known answers --- */

#define CELLS 6u
#define DISCOUNT 0.8
#define HORIZON 3u /* steps of an episode, far fewer than the chain has cells: truncation, not an end */

static void see(size_t cell, float ret_seen[static CELLS])
{
    for (size_t i = 0; i < CELLS; i++)
        ret_seen[i] = i == cell ? 1.0f : 0.0f;
}

/* A chain of cells: one step left or right, 1 for leaving it at the right end; a third action that would be
 * worth more than all is forbidden. */
static void play_chain(struct dqn *dqn, uint32_t episodes)
{
    static const uint8_t two[3] = {1, 1, 0}, none[3] = {0, 0, 0};
    for (uint32_t episode = 0; episode < episodes; episode++) {
        struct rng_at at = {.seed = 22, .stream = RNG_START, .episode = episode};
        size_t cell = rng_below(&at, 0, CELLS);
        for (uint32_t t = 0; t < HORIZON && cell < CELLS; t++) {
            float seen[CELLS], next[CELLS];
            see(cell, seen);
            uint32_t action = dqn_explore(dqn, seen, two);
            assert_true(action < 2);
            cell = action == 1 ? cell + 1 : cell > 0 ? cell - 1 : 0;
            see(cell, next); /* all 0 behind the end */
            bool ends = cell == CELLS;
            struct dqn_transition transition = {seen, action,           ends ? 1.0f : 0.0f, (float) DISCOUNT,
                                                next, ends ? none : two};
            dqn_push(dqn, &transition);
            (void) dqn_update(dqn, NULL); /* false before it is warm */
        }
    }
}

static void the_chains_value_is_found_through_truncated_episodes_with_every_option(void **state)
{
    (void) state;
    static const uint8_t two[3] = {1, 1, 0};
    for (int options = 0; options < 8; options++) {
        struct dqn_config config = small;
        config.state_size = CELLS;
        config.actions = 3;
        config.hidden_1 = 32;
        config.hidden_2 = 16;
        config.buffer = 5000;
        config.batch = 32;
        config.soft_update = 0.02f;
        config.epsilon_last = 0.5f;
        config.final_init = 3e-3f;
        config.is_double = (options & 1) != 0;
        config.is_dueling = (options & 2) != 0;
        config.is_prioritised = (options & 4) != 0;
        struct dqn *dqn = create(&config);
        play_chain(dqn, 1500);
        double *params = twin_widen(dqn->network.params, dqn->network.size);
        for (size_t cell = 0; cell < CELLS; cell++) {
            float seen[CELLS];
            see(cell, seen);
            assert_int_equal(dqn_act(dqn, seen, two), 1);
            double wide[CELLS], y[4], mean = 0.0;
            for (size_t i = 0; i < CELLS; i++)
                wide[i] = (double) seen[i];
            twin_forward(&dqn->network.mlp, params, wide, y);
            for (size_t i = 0; i < 3 && config.is_dueling; i++)
                mean += y[1 + i] / 3.0;
            double worth = config.is_dueling ? y[0] + y[2] - mean : y[1];
            double best = pow(DISCOUNT, (double) (CELLS - 1 - cell));
            if (fabs(worth - best) > 0.05)
                fail_msg("options %d: cell %zu is worth %g, not %g", options, cell, worth, best);
        }
        free(params);
        dqn_destroy(dqn);
    }
}

/* Contexts of three numbers, three arms: 1 for the arm of the largest number. */
static void a_contextual_bandit_is_solved(void **state)
{
    (void) state;
    static const uint8_t three[3] = {1, 1, 1}, none[3] = {0, 0, 0};
    struct dqn_config config = small;
    config.state_size = 3;
    config.actions = 3;
    config.hidden_1 = 64;
    config.hidden_2 = 32;
    config.buffer = 5000;
    config.batch = 64;
    config.final_init = 3e-3f;
    config.is_double = config.is_dueling = true;
    struct dqn *dqn = create(&config);
    uint32_t right = 0;
    for (uint32_t slot = 0; slot < 5500; slot++) {
        bool is_test = slot >= 5000;
        struct rng_at at = {.seed = 21, .stream = RNG_TASK, .slot = slot};
        float context[3];
        for (uint32_t i = 0; i < 3; i++)
            context[i] = (float) rng_range(&at, i, -1.0, 1.0);
        uint32_t best = context[1] > context[0] ? 1 : 0;
        best = context[2] > context[best] ? 2 : best;
        uint32_t arm = is_test ? dqn_act(dqn, context, three) : dqn_explore(dqn, context, three);
        right += is_test && arm == best ? 1 : 0;
        struct dqn_transition transition = {context, arm, arm == best ? 1.0f : 0.0f, 0.9f, context, none};
        if (!is_test)
            dqn_push(dqn, &transition);
        (void) dqn_update(dqn, NULL); /* false before it is warm */
    }
    assert_true(right > 475);
    dqn_destroy(dqn);
}

/* --- promises --- */

static void exploring_falls_in_a_line_and_keeps_to_what_is_allowed(void **state)
{
    (void) state;
    static const uint8_t allowed[ACTIONS] = {0, 1, 1, 0, 1};
    struct dqn *dqn = create(&small);
    float seen[STATE];
    twin_fill(seen, STATE, 1.0f, 1);
    uint32_t best = dqn_act(dqn, seen, allowed);
    assert_int_equal(allowed[best], 1);
    size_t other[3] = {0, 0, 0}; /* in each thousand of acts */
    for (size_t n = 0; n < 3000; n++) {
        uint32_t action = dqn_explore(dqn, seen, allowed);
        assert_int_equal(allowed[action], 1);
        other[n / 1000] += action != best ? 1 : 0;
    }
    /* Two in three random actions are others. Mean epsilons: 0.55, 0.1 and 0.1. */
    assert_true(fabs((double) other[0] - 550.0 * 2.0 / 3.0) < 50.0);
    assert_true(fabs((double) other[1] - 100.0 * 2.0 / 3.0) < 30.0);
    assert_true(fabs((double) other[2] - 100.0 * 2.0 / 3.0) < 30.0);
    dqn_destroy(dqn);
}

static void an_update_wants_a_warm_buffer_and_something_new_in_it(void **state)
{
    (void) state;
    struct dqn *dqn = create(&small);
    feed(dqn, 0, 14);
    assert_false(dqn_update(dqn, NULL));
    feed(dqn, 14, 1);
    assert_true(dqn_update(dqn, NULL));
    assert_false(dqn_update(dqn, NULL));
    feed(dqn, 15, 3);
    assert_true(dqn_update(dqn, NULL));
    assert_int_equal(dqn_updates(dqn), 2);
    dqn_destroy(dqn);
}

static void go_on(const struct dqn_config *config)
{
    struct dqn *a = create(config), *b = create(config);
    struct buf bytes = {0}, experience = {0};
    float seen[STATE];
    uint8_t allowed[ACTIONS] = {1, 1, 1, 1, 1};
    twin_fill(seen, STATE, 1.0f, 1);
    run(a, 0, 70);
    feed(a, 70, 1); /* an update is owed */
    (void) dqn_explore(a, seen, allowed);
    assert_int_equal(dqn_save(a, CHECKPOINT_ACTOR | CHECKPOINT_LEARNER, &bytes), 0);
    assert_int_equal(experience_save(dqn_replay(a), 0, &experience), 0);
    assert_int_equal(experience_load(dqn_replay(b), experience.data, experience.size, NULL), 0);
    assert_int_equal(dqn_load(b, bytes.data, bytes.size, NULL), 0);
    assert_true(experience_is_whole(dqn_replay(b), dqn_pushed(b)));
    assert_true(dqn_buffer_is_sound(b));
    for (int i = 0; i < 2; i++) {
        struct dqn *dqn = i == 0 ? a : b;
        assert_true(dqn_update(dqn, NULL));
        run(dqn, 71, 20);
        (void) dqn_explore(dqn, seen, allowed);
    }
    assert_memory_equal(a->network.params, b->network.params, a->network.size * sizeof(float));
    assert_memory_equal(a->network.target, b->network.target, a->network.size * sizeof(float));
    assert_int_equal(a->acts, b->acts);
    buf_finish(&experience);
    buf_finish(&bytes);
    dqn_destroy(a);
    dqn_destroy(b);
}

/* With several steps some transitions still wait. */
static void a_learner_goes_on_bit_for_bit_from_its_checkpoint_and_experience(void **state)
{
    (void) state;
    for (int options = 0; options < 4; options++) {
        struct dqn_config config = small;
        config.is_dueling = true;
        config.is_prioritised = (options & 1) != 0;
        config.steps = (options & 2) != 0 ? 3 : 1;
        go_on(&config);
    }
}

static void impossible_actions_in_a_buffer_are_found(void **state)
{
    (void) state;
    const struct {
        size_t column;
        float value;
    } bad[] = {{DQN_ACTION, 5.0f},    {DQN_ACTION, -1.0f},  {DQN_ACTION, 0.5f},  {DQN_DISCOUNT, 1.5f},
               {DQN_DISCOUNT, -0.1f}, {DQN_ALLOWED, 32.0f}, {DQN_ALLOWED, 0.5f}, {DQN_ALLOWED, -1.0f}};
    struct dqn *dqn = create(&small);
    feed(dqn, 0, 10);
    assert_true(dqn_buffer_is_sound(dqn));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        float *at = dqn->replay.rows + 3 * dqn->replay.stride + STATE + bad[i].column, kept = *at;
        *at = bad[i].value;
        assert_false(dqn_buffer_is_sound(dqn));
        *at = kept;
    }
    dqn_destroy(dqn);
}

static void impossible_priorities_and_actions_that_wait_are_found(void **state)
{
    (void) state;
    struct dqn_config config = small;
    config.is_prioritised = true;
    config.steps = 3;
    struct dqn *dqn = create(&config);
    feed(dqn, 1, 11);
    float *weight = dqn->priorities.weight, *action = dqn->waiting.rows + STATE + DQN_WAITING_ACTION;
    const struct {
        float *at, value;
    } bad[] = {
        {&weight[3], 0.0f}, {&weight[20], 1.0f}, {&weight[3], 2.0f}, {action, 5.0f}, {action + 1, 2.0f}};
    assert_true(dqn->waiting.count > 0 && dqn_buffer_is_sound(dqn));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        float kept = *bad[i].at;
        *bad[i].at = bad[i].value;
        assert_false(dqn_buffer_is_sound(dqn));
        *bad[i].at = kept;
    }
    dqn->waiting.count = 3;
    assert_false(dqn_buffer_is_sound(dqn));
    dqn->waiting.count = 0;
    dqn_destroy(dqn);
}

static void a_checkpoint_cut_or_changed_anywhere_is_refused(void **state)
{
    (void) state;
    struct dqn *dqn = create(&small), *fresh = create(&small);
    struct buf bytes = {0};
    run(dqn, 0, 20);
    assert_int_equal(dqn_save(dqn, CHECKPOINT_ACTOR | CHECKPOINT_LEARNER, &bytes), 0);
    for (size_t size = 0; size < bytes.size; size += 1 + size / 9) {
        uint8_t *copy = malloc(size + 1); /* of this length, so that a sanitizer sees a byte too far */
        assert_non_null(copy);
        memcpy(copy, bytes.data, size);
        assert_int_not_equal(dqn_load(fresh, copy, size, NULL), 0);
        free(copy);
    }
    for (size_t i = 0; i < bytes.size; i += 1 + i / 40) {
        bytes.data[i] ^= 1;
        assert_int_not_equal(dqn_load(fresh, bytes.data, bytes.size, NULL), 0);
        bytes.data[i] ^= 1;
    }
    struct dqn_config dueling = small;
    dueling.is_dueling = true;
    struct dqn *other = create(&dueling);
    assert_int_equal(dqn_load(other, bytes.data, bytes.size, NULL), ERR_MISMATCH);
    assert_int_equal(dqn_load(fresh, bytes.data, bytes.size, NULL), 0);
    buf_finish(&bytes);
    dqn_destroy(other);
    dqn_destroy(fresh);
    dqn_destroy(dqn);
}

static void impossible_numbers_are_refused_by_name(void **state)
{
    (void) state;
    struct dqn_config bad[] = {small, small, small, small, small, small, small};
    bad[0].warmup = 31;
    bad[1].actions = 0;
    bad[2].epsilon_last = 1.1f;
    bad[3].rate = NAN;
    bad[4].buffer = BATCH - 1;
    bad[5].steps = 0;
    bad[6].priority = 1.5f;
    static const char *const names[] = {"warm-up", "actions", "last epsilon", "rate",
                                        "buffer",  "steps",   "priority"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct dqn *dqn = NULL;
        struct diag diag = {{0}};
        assert_int_equal(dqn_config_check(&bad[i], &diag), ERR_RANGE);
        assert_non_null(strstr(diag.text, names[i]));
        assert_int_equal(dqn_create(&dqn, &bad[i]), ERR_RANGE);
        assert_null(dqn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_update_computes_the_gradient_of_the_published_algorithms),
        cmocka_unit_test(an_error_becomes_its_transitions_priority),
        cmocka_unit_test(a_return_adds_rewards_up_as_by_hand),
        cmocka_unit_test(no_return_reaches_beyond_an_end),
        cmocka_unit_test(the_chains_value_is_found_through_truncated_episodes_with_every_option),
        cmocka_unit_test(a_contextual_bandit_is_solved),
        cmocka_unit_test(exploring_falls_in_a_line_and_keeps_to_what_is_allowed),
        cmocka_unit_test(an_update_wants_a_warm_buffer_and_something_new_in_it),
        cmocka_unit_test(a_learner_goes_on_bit_for_bit_from_its_checkpoint_and_experience),
        cmocka_unit_test(impossible_actions_in_a_buffer_are_found),
        cmocka_unit_test(impossible_priorities_and_actions_that_wait_are_found),
        cmocka_unit_test(a_checkpoint_cut_or_changed_anywhere_is_refused),
        cmocka_unit_test(impossible_numbers_are_refused_by_name),
    };
    return cmocka_run_group_tests_name("dqn", tests, NULL, NULL);
}
