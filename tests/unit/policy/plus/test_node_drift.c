/* Which nodes have changed, by how far their tasks are from what was foreseen. */
#include "orchestrator/policy/plus/node_drift.h"

#include "tests/unit/model/check.h"

#define QUIET 0.003f

/* Residuals as usual, a little to both sides. */
static bool observe_usual(struct node_drift *shift, uint32_t node, uint32_t i)
{
    float residual[NODE_DRIFT_OUTPUTS] = {i % 2 == 0 ? QUIET : -QUIET, i % 3 == 0 ? QUIET : -QUIET / 2.0f};
    return node_drift_observe(shift, node, residual);
}

static void a_node_that_halves_its_speed_is_noticed_within_a_window_and_forgiven_later(void **state)
{
    (void) state;
    static const float slow[NODE_DRIFT_OUTPUTS] = {0.6931f, 0.6931f},
                       normal[NODE_DRIFT_OUTPUTS] = {0.001f, 0.0f};
    struct node_drift shift;
    assert_int_equal(node_drift_init(&shift, 3), 0);
    for (uint32_t i = 0; i < 3000; i++)
        assert_false(observe_usual(&shift, i % 3, i / 3));
    for (uint32_t i = 0; i < NODE_DRIFT_WINDOW; i++)
        assert_true(node_drift_observe(&shift, 1, slow));
    for (uint32_t k = 0; k < NODE_DRIFT_OUTPUTS; k++) {
        assert_true(fabsf(shift.node[1].shift[k] - slow[k]) < 0.01f);
        assert_true(shift.node[0].shift[k] == 0.0f && shift.node[2].shift[k] == 0.0f);
    }
    for (uint32_t i = 0; i < NODE_DRIFT_WINDOW; i++)
        (void) node_drift_observe(&shift, 1, normal);
    assert_true(shift.node[1].shift[0] == 0.0f);
    node_drift_finish(&shift);
}

static void one_odd_task_on_a_noisy_node_changes_nothing(void **state)
{
    (void) state;
    struct node_drift shift;
    float odd[NODE_DRIFT_OUTPUTS] = {0.5f, 0.5f};
    assert_int_equal(node_drift_init(&shift, 1), 0);
    for (uint32_t i = 0; i < 4000; i++) {
        float noisy[NODE_DRIFT_OUTPUTS] = {i % 2 == 0 ? 0.2f : -0.2f, 0.1f};
        (void) node_drift_observe(&shift, 0, noisy);
    }
    assert_false(node_drift_observe(&shift, 0, odd));
    assert_true(shift.node[0].shift[0] == 0.0f);
    node_drift_finish(&shift);
}

static void nobody_is_suspected_while_the_model_is_young(void **state)
{
    (void) state;
    static const float far[NODE_DRIFT_OUTPUTS] = {2.0f, 2.0f};
    struct node_drift shift;
    assert_int_equal(node_drift_init(&shift, 2), 0);
    for (uint32_t i = 0; i < 200; i++)
        assert_false(node_drift_observe(&shift, i % 2, far));
    node_drift_finish(&shift);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_that_halves_its_speed_is_noticed_within_a_window_and_forgiven_later),
        cmocka_unit_test(one_odd_task_on_a_noisy_node_changes_nothing),
        cmocka_unit_test(nobody_is_suspected_while_the_model_is_young),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
