/* PPO's and A2C's whole loss against finite differences of its text in double precision; advantages against
 * their definition; and the promises of policy_gradient.h. */
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
#include "core/rl/policy_gradient_internal.h"
#include "twin.h"

#define STATE 5u
#define HEADS 3u
#define LOGITS 9u
#define REALS 4u
#define ROWS 20u

static const size_t classes[HEADS] = {4, 2, 3};

static const struct policy_gradient_config with_classes = {
    .state_size = STATE,
    .heads = HEADS,
    .classes = classes,
    .hidden_1 = 12,
    .hidden_2 = 7,
    .objective = OBJECTIVE_CLIPPED,
    .rollout = ROWS,
    .epochs = 1,
    .batch = ROWS,
    .discount = 0.9f,
    .trace = 0.8f,
    .rate = 1e-3f,
    .clip = 0.2f,
    .entropy = 0.05f,
    .standardise = true,
    .final_init = 0.5f, /* large enough that gradients are plain to see */
    .seed = 3,
};

static struct policy_gradient_config with_reals(void)
{
    struct policy_gradient_config config = with_classes;
    config.heads = 0;
    config.classes = NULL;
    config.action_size = REALS;
    config.sigma = 0.7f;
    return config;
}

static struct policy_gradient *create(const struct policy_gradient_config *config)
{
    struct policy_gradient *learner = NULL;
    assert_int_equal(policy_gradient_create(&learner, config), 0);
    return learner;
}

/* Head 1 of every fourth row may do nothing, the first class of head 0 never in odd ones. */
static void fill_allowed(size_t n, uint8_t allowed[static LOGITS])
{
    memset(allowed, 1, LOGITS);
    allowed[0] = n % 2 == 0;
    if (n % 4 == 3)
        allowed[4] = allowed[5] = 0;
}

/* Acts and stores `count` transitions, as if the policy had been a little different before. */
static void feed(struct policy_gradient *learner, size_t first, size_t count)
{
    for (size_t n = first; n < first + count; n++) {
        float values[2 * STATE + 2], action[LOGITS];
        uint8_t allowed[LOGITS];
        twin_fill(values, 2 * STATE + 2, 1.0f, 1000 + (uint32_t) n);
        fill_allowed(n, allowed);
        float log_probability = policy_gradient_sample(learner, values, allowed, action);
        struct rollout_transition transition = {
            .state = values,
            .action = action,
            .allowed = allowed,
            .log_probability = log_probability + 0.5f * values[2 * STATE],
            .reward = values[2 * STATE + 1],
            .next_state = values + STATE,
            .terminal = n % 7 == 6,
            .begins = n % 5 == 0,
        };
        policy_gradient_push(learner, &transition);
    }
}

/* --- the loss, from its text --- */

struct oracle {
    struct policy_gradient_config config;
    const struct mlp *actor, *critic;
    double state[ROWS][STATE], next_state[ROWS][STATE], action[ROWS][LOGITS];
    double before[ROWS], reward[ROWS], advantage[ROWS], wanted[ROWS];
    bool terminal[ROWS], begins[ROWS];
    uint8_t allowed[ROWS][LOGITS];
    size_t flat; /* rows whose objective the clip holds */
};

static double network_value(const struct oracle *oracle, const double *critic_params, const double *state)
{
    double y[1];
    twin_forward(oracle->critic, critic_params, state, y);
    return y[0];
}

/* The network says (1 - discount) V. */
static double value_at(const struct oracle *oracle, const double *critic_params, const double *state)
{
    return network_value(oracle, critic_params, state) / 0.1;
}

/* The advantage as the definition's sum, not by recursion. */
static double advantage_of(const struct oracle *oracle, const double *critic_params, size_t first)
{
    double sum = 0.0, weight = 1.0;
    for (size_t i = first; i < ROWS; i++, weight *= 0.9 * 0.8) {
        double next =
            oracle->terminal[i] ? 0.0 : 0.9 * value_at(oracle, critic_params, oracle->next_state[i]);
        if (i > first && oracle->begins[i])
            break;
        sum += weight * (oracle->reward[i] + next - value_at(oracle, critic_params, oracle->state[i]));
        if (oracle->terminal[i])
            break;
    }
    return sum;
}

static void standardise(double *values)
{
    double mean = 0.0, variance = 0.0;
    for (size_t i = 0; i < ROWS; i++)
        mean += values[i] / ROWS;
    for (size_t i = 0; i < ROWS; i++)
        variance += (values[i] - mean) * (values[i] - mean) / ROWS;
    for (size_t i = 0; i < ROWS; i++)
        values[i] = (values[i] - mean) / sqrt(variance);
}

static struct oracle oracle_of(const struct policy_gradient *learner, const double *critic_params)
{
    struct oracle oracle = {
        .config = learner->config, .actor = &learner->actor.mlp, .critic = &learner->critic.mlp};
    for (size_t i = 0; i < ROWS; i++) {
        struct view state = rollout_states(&learner->rollout), next = rollout_next_states(&learner->rollout);
        for (size_t j = 0; j < STATE; j++) {
            oracle.state[i][j] = (double) state.at[i * state.stride + j];
            oracle.next_state[i][j] = (double) next.at[i * next.stride + j];
        }
        for (size_t j = 0; j < learner->action_size; j++)
            oracle.action[i][j] = (double) rollout_action(&learner->rollout, i)[j];
        float values[2 * STATE + 2];
        twin_fill(values, 2 * STATE + 2, 1.0f, 1000 + (uint32_t) i);
        oracle.before[i] = (double) rollout_log_probability(&learner->rollout, i);
        oracle.reward[i] = (double) values[2 * STATE + 1];
        oracle.terminal[i] = i % 7 == 6;
        oracle.begins[i] = i % 5 == 0;
        fill_allowed(i, oracle.allowed[i]);
    }
    for (size_t i = 0; i < ROWS; i++) {
        oracle.advantage[i] = advantage_of(&oracle, critic_params, i);
        oracle.wanted[i] = oracle.advantage[i] + value_at(&oracle, critic_params, oracle.state[i]);
    }
    if (learner->config.standardise)
        standardise(oracle.advantage);
    return oracle;
}

struct chances {
    double log_probability, entropy;
};

static struct chances of_classes(const struct oracle *oracle, size_t row, const double *logits)
{
    struct chances chances = {0.0, 0.0};
    const uint8_t *allowed = oracle->allowed[row];
    for (size_t h = 0, first = 0; h < HEADS; first += classes[h], h++) {
        double sum = 0.0;
        for (size_t i = first; i < first + classes[h]; i++)
            sum += allowed[i] != 0 ? exp(logits[i]) : 0.0;
        if (sum <= 0.0)
            continue;
        chances.log_probability += logits[first + (size_t) oracle->action[row][h]] - log(sum);
        for (size_t i = first; i < first + classes[h]; i++)
            chances.entropy -= allowed[i] != 0 ? exp(logits[i]) / sum * (logits[i] - log(sum)) : 0.0;
    }
    return chances;
}

static struct chances of_reals(const struct oracle *oracle, size_t row, const double *mean,
                               const double *log_sigma)
{
    struct chances chances = {0.0, 0.0};
    double log_2_pi = log(2.0 * acos(-1.0));
    for (size_t i = 0; i < REALS; i++) {
        double z = (oracle->action[row][i] - mean[i]) / exp(log_sigma[i]);
        chances.log_probability -= 0.5 * (z * z + log_2_pi) + log_sigma[i];
        chances.entropy += 0.5 * (log_2_pi + 1.0) + log_sigma[i];
    }
    return chances;
}

static bool is_flat(const struct oracle *oracle, double ratio, double advantage)
{
    double clip = (double) oracle->config.clip;
    return advantage > 0.0 ? ratio > 1.0 + clip : ratio < 1.0 - clip;
}

static double actor_loss(const void *context, const double *params)
{
    const struct oracle *oracle = context;
    double loss = 0.0, clip = (double) oracle->config.clip;
    for (size_t row = 0; row < ROWS; row++) {
        double y[LOGITS];
        twin_forward(oracle->actor, params, oracle->state[row], y);
        struct chances chances = oracle->config.heads > 0
                                     ? of_classes(oracle, row, y)
                                     : of_reals(oracle, row, y, params + oracle->actor->params);
        double ratio = exp(chances.log_probability - oracle->before[row]), a = oracle->advantage[row];
        double bounded = fmin(fmax(ratio, 1.0 - clip), 1.0 + clip);
        double objective = oracle->config.objective == OBJECTIVE_CLIPPED ? fmin(ratio * a, bounded * a)
                                                                         : a * chances.log_probability;
        loss -= (objective + (double) oracle->config.entropy * chances.entropy) / ROWS;
    }
    return loss;
}

static double critic_loss(const void *context, const double *params)
{
    const struct oracle *oracle = context;
    double loss = 0.0;
    for (size_t row = 0; row < ROWS; row++) {
        double error = network_value(oracle, params, oracle->state[row]) - 0.1 * oracle->wanted[row];
        loss += error * error / ROWS;
    }
    return loss;
}

static size_t count_flat(const struct oracle *oracle, const double *params)
{
    size_t count = 0;
    for (size_t row = 0; row < ROWS; row++) {
        double y[LOGITS];
        twin_forward(oracle->actor, params, oracle->state[row], y);
        struct chances chances = oracle->config.heads > 0
                                     ? of_classes(oracle, row, y)
                                     : of_reals(oracle, row, y, params + oracle->actor->params);
        count += is_flat(oracle, exp(chances.log_probability - oracle->before[row]), oracle->advantage[row]);
    }
    return count;
}

static float *copy_of(const float *values, size_t size)
{
    float *copy = malloc(size * sizeof(float));
    assert_non_null(copy);
    memcpy(copy, values, size * sizeof(float));
    return copy;
}

/* One step on a whole rollout; what it went down is what the text says. */
static void compare_gradients(const struct policy_gradient_config *config)
{
    struct policy_gradient *learner = create(config);
    feed(learner, 0, ROWS);
    float *actor = copy_of(learner->actor.params, learner->actor.size);
    float *critic = copy_of(learner->critic.params, learner->critic.size);
    double *wide_actor = twin_widen(actor, learner->actor.size);
    double *wide_critic = twin_widen(critic, learner->critic.size);
    struct oracle oracle = oracle_of(learner, wide_critic);
    size_t flat = count_flat(&oracle, wide_actor);
    assert_true(flat > 0 && flat < ROWS / 2); /* the clip matters to some */
    struct policy_gradient_losses losses;
    assert_true(policy_gradient_update(learner, &losses));
    struct twin_function of_actor = {actor_loss, &oracle, learner->actor.size};
    struct twin_function of_critic = {critic_loss, &oracle, learner->critic.size};
    assert_true(twin_gradient_error(&of_actor, actor, learner->actor.grads) < 1e-4);
    assert_true(twin_gradient_error(&of_critic, critic, learner->critic.grads) < 1e-4);
    double whole = (double) losses.policy - (double) (config->entropy * losses.entropy);
    assert_true(fabs(whole - actor_loss(&oracle, wide_actor)) < 1e-5);
    assert_true(fabs((double) losses.value - critic_loss(&oracle, wide_critic)) < 1e-5);
    free(wide_actor);
    free(wide_critic);
    free(actor);
    free(critic);
    policy_gradient_destroy(learner);
}

static void ppos_gradients_are_those_of_the_clipped_objective(void **state)
{
    (void) state;
    struct policy_gradient_config reals = with_reals();
    compare_gradients(&with_classes);
    compare_gradients(&reals);
}

static void a2cs_gradients_are_those_of_the_plain_objective(void **state)
{
    (void) state;
    struct policy_gradient_config config = with_classes, reals = with_reals();
    config.objective = reals.objective = OBJECTIVE_PLAIN;
    config.standardise = reals.standardise = false;
    compare_gradients(&config);
    compare_gradients(&reals);
}

/* --- promises --- */

static void an_update_waits_for_a_full_rollout_and_empties_it(void **state)
{
    (void) state;
    struct policy_gradient *learner = create(&with_classes);
    struct policy_gradient_losses losses = {-1.0f, -1.0f, -1.0f};
    feed(learner, 0, ROWS - 1);
    assert_false(policy_gradient_update(learner, &losses));
    assert_true(losses.policy == -1.0f && policy_gradient_updates(learner) == 0);
    feed(learner, ROWS - 1, 1);
    assert_true(policy_gradient_is_full(learner));
    assert_true(policy_gradient_update(learner, NULL));
    assert_false(policy_gradient_is_full(learner));
    assert_int_equal(policy_gradient_updates(learner), 1);
    assert_false(policy_gradient_update(learner, &losses));
    policy_gradient_destroy(learner);
}

static void every_epoch_takes_each_transition_once_in_another_order(void **state)
{
    (void) state;
    struct policy_gradient_config config = with_classes;
    config.batch = 6; /* of 20: the last one has 2 */
    config.epochs = 1;
    uint32_t before[ROWS] = {0};
    struct policy_gradient *learner = create(&config);
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        feed(learner, 0, ROWS);
        assert_true(policy_gradient_update(learner, NULL));
        bool seen[ROWS] = {false};
        for (size_t i = 0; i < ROWS; i++)
            seen[learner->order[i]] = true;
        for (size_t i = 0; i < ROWS; i++)
            assert_true(seen[i]);
        assert_memory_not_equal(before, learner->order, sizeof(before));
        memcpy(before, learner->order, sizeof(before));
        assert_int_equal(learner->steps, 4 * (epoch + 1));
    }
    policy_gradient_destroy(learner);
}

static void the_same_calls_give_the_same_bits(void **state)
{
    (void) state;
    struct policy_gradient_config configs[] = {with_classes, with_reals()};
    for (size_t k = 0; k < 2; k++) {
        configs[k].epochs = 3;
        configs[k].batch = 7;
        configs[k].norm = 0.5f;
        struct policy_gradient *a = create(&configs[k]), *b = create(&configs[k]);
        for (size_t n = 0; n < 2; n++) {
            feed(a, n * ROWS, ROWS);
            feed(b, n * ROWS, ROWS);
            assert_true(policy_gradient_update(a, NULL) && policy_gradient_update(b, NULL));
        }
        assert_memory_equal(a->actor.params, b->actor.params, a->actor.size * sizeof(float));
        assert_memory_equal(a->critic.params, b->critic.params, a->critic.size * sizeof(float));
        policy_gradient_destroy(a);
        policy_gradient_destroy(b);
    }
}

static void forbidden_classes_are_never_drawn_nor_the_mode(void **state)
{
    (void) state;
    struct policy_gradient *learner = create(&with_classes);
    for (size_t n = 0; n < 400; n++) {
        float seen[STATE], action[HEADS];
        uint8_t allowed[LOGITS];
        twin_fill(seen, STATE, 1.0f, (uint32_t) n);
        fill_allowed(n, allowed);
        for (int mode = 0; mode < 2; mode++) {
            if (mode == 1)
                policy_gradient_mode(learner, seen, allowed, action);
            else
                assert_true(policy_gradient_sample(learner, seen, allowed, action) < 0.0f);
            assert_true(allowed[(size_t) action[0]] == 1);
            assert_true(n % 4 != 3 || action[1] == 0.0f);
        }
    }
    policy_gradient_destroy(learner);
}

#define EVERYTHING (CHECKPOINT_ACTOR | CHECKPOINT_LEARNER | CHECKPOINT_REPLAY)

static void a_saved_learner_goes_on_bit_for_bit_in_the_middle_of_a_rollout(void **state)
{
    (void) state;
    struct policy_gradient_config configs[] = {with_classes, with_reals()};
    for (size_t k = 0; k < 2; k++) {
        struct policy_gradient *a = create(&configs[k]), *b = create(&configs[k]);
        struct buf bytes = {0};
        feed(a, 0, ROWS);
        assert_true(policy_gradient_update(a, NULL));
        feed(a, 0, 7);
        assert_int_equal(policy_gradient_save(a, EVERYTHING, &bytes), 0);
        assert_int_equal(policy_gradient_load(b, bytes.data, bytes.size, NULL), 0);
        feed(a, 7, ROWS - 7);
        feed(b, 7, ROWS - 7);
        assert_true(policy_gradient_update(a, NULL) && policy_gradient_update(b, NULL));
        assert_memory_equal(a->actor.params, b->actor.params, a->actor.size * sizeof(float));
        assert_memory_equal(a->critic.params, b->critic.params, a->critic.size * sizeof(float));
        assert_int_equal(a->acts, b->acts);
        buf_finish(&bytes);
        policy_gradient_destroy(a);
        policy_gradient_destroy(b);
    }
}

/* Whoever can write a checksum can write a class that is none. */
static void a_rollout_with_impossible_actions_is_refused(void **state)
{
    (void) state;
    const struct {
        size_t column; /* of a row's action columns */
        float value;
    } bad[] = {{0, 4.0f}, {0, -1.0f},        {0, 1.5f},           {0, 0.0f},
               {2, 1e9f}, {HEADS + 1, 2.0f}, {HEADS + 2, 1024.0f}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct policy_gradient *learner = create(&with_classes), *fresh = create(&with_classes);
        struct buf bytes = {0};
        feed(learner, 0, 4); /* class 0 is forbidden in the second */
        struct replay *replay = &learner->rollout.replay;
        replay->rows[replay->stride + STATE + bad[i].column] = bad[i].value;
        assert_int_equal(policy_gradient_save(learner, EVERYTHING, &bytes), 0);
        assert_int_equal(policy_gradient_load(fresh, bytes.data, bytes.size, NULL), ERR_CORRUPT);
        assert_int_equal(rollout_count(&fresh->rollout), 0);
        buf_finish(&bytes);
        policy_gradient_destroy(learner);
        policy_gradient_destroy(fresh);
    }
}

static void a_checkpoint_of_other_heads_is_refused(void **state)
{
    (void) state;
    struct policy_gradient_config reals = with_reals();
    reals.action_size = LOGITS; /* as many outputs */
    struct policy_gradient *a = create(&with_classes), *b = create(&reals);
    struct buf bytes = {0};
    assert_int_equal(policy_gradient_save(a, CHECKPOINT_ACTOR, &bytes), 0);
    assert_int_equal(policy_gradient_load(b, bytes.data, bytes.size, NULL), ERR_MISMATCH);
    buf_finish(&bytes);
    policy_gradient_destroy(a);
    policy_gradient_destroy(b);
}

static void impossible_numbers_are_refused_by_name(void **state)
{
    (void) state;
    struct policy_gradient_config bad[] = {with_classes, with_classes, with_classes, with_classes,
                                           with_classes, with_classes, with_reals(), with_reals()};
    bad[0].batch = ROWS + 1;
    bad[1].epochs = 0;
    bad[2].trace = 1.1f;
    bad[3].clip = NAN;
    bad[4].entropy = -1.0f;
    bad[5].state_size = 0;
    bad[6].sigma = 0.0f;
    bad[7].action_size = 0;
    static const char *const names[] = {"mini-batch", "epochs", "trace",           "clip",
                                        "entropy",    "state",  "first deviation", "action"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct policy_gradient *learner = NULL;
        struct diag diag = {{0}};
        assert_int_equal(policy_gradient_config_check(&bad[i], &diag), ERR_RANGE);
        assert_non_null(strstr(diag.text, names[i]));
        assert_int_equal(policy_gradient_create(&learner, &bad[i]), ERR_RANGE);
        assert_null(learner);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ppos_gradients_are_those_of_the_clipped_objective),
        cmocka_unit_test(a2cs_gradients_are_those_of_the_plain_objective),
        cmocka_unit_test(an_update_waits_for_a_full_rollout_and_empties_it),
        cmocka_unit_test(every_epoch_takes_each_transition_once_in_another_order),
        cmocka_unit_test(the_same_calls_give_the_same_bits),
        cmocka_unit_test(forbidden_classes_are_never_drawn_nor_the_mode),
        cmocka_unit_test(a_saved_learner_goes_on_bit_for_bit_in_the_middle_of_a_rollout),
        cmocka_unit_test(a_rollout_with_impossible_actions_is_refused),
        cmocka_unit_test(a_checkpoint_of_other_heads_is_refused),
        cmocka_unit_test(impossible_numbers_are_refused_by_name),
    };
    return cmocka_run_group_tests_name("policy_gradient", tests, NULL, NULL);
}
