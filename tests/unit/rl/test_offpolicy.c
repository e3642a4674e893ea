/* The promises of offpolicy.h, kept by every learner. */
#include "core/rl/offpolicy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/rl/mlp.h"
#include "learner.h"
#include "twin.h"

static void no_update_happens_before_the_warm_up_is_over(void **state)
{
    (void) state;
    for (size_t k = 0; k < LEARNER_KINDS; k++) {
        const struct learner_kind *kind = &learner_kinds[k];
        struct offpolicy *learner = learner_of_kind(kind, 3);
        learner_feed(learner, 0, 14);
        assert_false(offpolicy_is_warm(learner));
        struct offpolicy_losses losses = {-1.0f, -1.0f};
        assert_false(offpolicy_update(learner, &losses));
        assert_true(losses.critic == -1.0f && offpolicy_updates(learner) == 0);
        learner_feed(learner, 14, 1);
        assert_true(offpolicy_is_warm(learner));
        assert_true(offpolicy_update(learner, &losses));
        assert_true(losses.critic > 0.0f);
        assert_int_equal(offpolicy_updates(learner), 1);
        offpolicy_destroy(learner);
    }
}

static void no_update_happens_with_less_than_a_batch(void **state)
{
    (void) state;
    struct offpolicy_config config = learner_config;
    config.warmup = 0;
    struct offpolicy *learner = learner_create(&config);
    learner_feed(learner, 0, config.batch - 1);
    assert_false(offpolicy_update(learner, NULL));
    learner_feed(learner, config.batch - 1, 1);
    assert_true(offpolicy_update(learner, NULL));
    offpolicy_destroy(learner);
}

static void check_bits(const struct learner_kind *kind)
{
    static const uint64_t seeds[] = {3, 3, 4};
    struct buf saved[3] = {{0}};
    for (size_t i = 0; i < 3; i++) {
        struct offpolicy *learner = learner_of_kind(kind, seeds[i]);
        learner_run(learner, 0, 200);
        assert_int_equal(offpolicy_save(learner, LEARNER_ALL, &saved[i]), 0);
        offpolicy_destroy(learner);
    }
    assert_int_equal(saved[0].size, saved[1].size);
    assert_memory_equal(saved[0].data, saved[1].data, saved[0].size);
    assert_memory_not_equal(saved[0].data, saved[2].data, saved[0].size);
    for (size_t i = 0; i < 3; i++)
        buf_finish(&saved[i]);
}

static void the_same_seed_gives_the_same_bits_and_another_seed_others(void **state)
{
    (void) state;
    for (size_t k = 0; k < LEARNER_KINDS; k++)
        check_bits(&learner_kinds[k]);
}

static void check_quiet_and_asked(const struct learner_kind *kind)
{
    struct offpolicy *quiet = learner_of_kind(kind, 3), *asked = learner_of_kind(kind, 3);
    size_t actions = offpolicy_replay(quiet)->action_size;
    float at[LEARNER_SIZE_MAX], first[LEARNER_SIZE_MAX], second[LEARNER_SIZE_MAX];
    twin_fill(at, LEARNER_SIZE_MAX, 1.0f, 5);
    for (size_t n = 0; n < 100; n++) {
        learner_run(quiet, n, 1);
        offpolicy_act(asked, at, first);
        if (offpolicy_explores(asked))
            offpolicy_sample(asked, at, first, second);
        learner_run(asked, n, 1);
    }
    offpolicy_act(quiet, at, first);
    offpolicy_act(asked, at, second);
    assert_memory_equal(first, second, actions * sizeof(float));
    for (size_t i = 0; i < actions; i++)
        assert_true(first[i] >= -1.0f && first[i] <= 1.0f);
    offpolicy_destroy(quiet);
    offpolicy_destroy(asked);
}

static void a_decision_does_not_disturb_learning_nor_learning_a_decisions_path(void **state)
{
    (void) state;
    for (size_t k = 0; k < LEARNER_KINDS; k++)
        check_quiet_and_asked(&learner_kinds[k]);
}

#define MANY 106u

static void check_everywhere(const struct learner_kind *kind)
{
    struct offpolicy *learner = NULL;
    struct offpolicy_config config = learner_config_of(kind);
    config.state_size = MANY;
    config.hidden_1 = 256;
    config.hidden_2 = 128;
    assert_int_equal(kind->create(&learner, &config, kind->agents), 0);
    float values[MANY], room[MANY + 16], first[LEARNER_SIZE_MAX], other[LEARNER_SIZE_MAX];
    twin_fill(values, MANY, 1.0f, 9);
    offpolicy_act(learner, values, first);
    for (size_t offset = 0; offset < 16; offset++) {
        memcpy(room + offset, values, sizeof(values));
        offpolicy_act(learner, room + offset, other);
        assert_memory_equal(first, other, config.action_size * sizeof(float));
    }
    offpolicy_destroy(learner);
}

static void a_decision_does_not_depend_on_where_the_state_lies(void **state)
{
    (void) state;
    for (size_t k = 0; k < LEARNER_KINDS; k++)
        check_everywhere(&learner_kinds[k]);
}

/* 50 devices and 3 servers have a state of 500 and more. */
static void a_large_state_is_learned_from(void **state)
{
    (void) state;
    for (size_t k = 0; k < LEARNER_KINDS; k++) {
        const struct learner_kind *kind = &learner_kinds[k];
        struct offpolicy *learner = NULL;
        struct offpolicy_config config = learner_config;
        config.state_size = 800;
        config.action_size = 100;
        size_t agents = kind->agents > 1 ? 50 : 1;
        assert_int_equal(kind->create(&learner, &config, agents), 0);
        static float values[2 * 800 + 100], action[100];
        for (uint32_t n = 0; n < 15; n++) {
            twin_fill(values, 2 * 800 + 100, 1.0f, n);
            struct transition transition = {values, values + 1600, -1.0f, values + 800, false};
            offpolicy_push(learner, &transition);
        }
        assert_true(offpolicy_update(learner, NULL));
        assert_true(offpolicy_update(learner, NULL));
        offpolicy_act(learner, values, action);
        for (size_t i = 0; i < 100; i++)
            assert_true(action[i] >= -1.0f && action[i] <= 1.0f);
        offpolicy_destroy(learner);
    }
}

static void check_refused(struct offpolicy_config config)
{
    struct offpolicy *learner = NULL;
    struct diag diag = {{0}};
    assert_int_equal(offpolicy_config_check(&config, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "allowed is"));
    for (size_t k = 0; k < LEARNER_KINDS; k++) {
        const struct learner_kind *kind = &learner_kinds[k];
        assert_int_equal(kind->create(&learner, &config, 1), ERR_RANGE);
        assert_null(learner);
    }
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
        cmocka_unit_test(no_update_happens_before_the_warm_up_is_over),
        cmocka_unit_test(no_update_happens_with_less_than_a_batch),
        cmocka_unit_test(the_same_seed_gives_the_same_bits_and_another_seed_others),
        cmocka_unit_test(a_decision_does_not_disturb_learning_nor_learning_a_decisions_path),
        cmocka_unit_test(a_decision_does_not_depend_on_where_the_state_lies),
        cmocka_unit_test(a_large_state_is_learned_from),
        cmocka_unit_test(impossible_configurations_are_refused),
        cmocka_unit_test(destroying_nothing_is_allowed),
    };
    return cmocka_run_group_tests_name("offpolicy", tests, NULL, NULL);
}
