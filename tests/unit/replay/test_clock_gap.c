/* How far two clocks are apart, against hand-made numbers. */
#include "orchestrator/replay/clock_gap.h"

#include "tests/unit/model/check.h"

static struct db_task task(double local_s, double edge_s)
{
    return (struct db_task){.local_s = local_s, .edge_s = edge_s, .latency_s = local_s + edge_s};
}

static void differences_keep_their_sign_and_percentiles_are_by_nearest_rank(void **state)
{
    (void) state;
    struct clock_gap gap = {0};
    const struct db_task modelled = task(1000.0, 8.0);
    for (uint32_t i = 0; i < 100; i++) { /* -3 .. 96 in a shuffled order: 7919 is prime */
        struct db_task measured = task(1000.0 + (double) ((i * 7919u) % 100) - 3.0, 8.0);
        assert_int_equal(clock_gap_add(&gap, &measured, &modelled), 0);
    }
    for (size_t i = 0; i < CLOCK_GAP_PARTS; i++) {
        struct clock_gap_part row = clock_gap_part(&gap, i);
        bool differs = strcmp(row.part, "local_s") == 0 || strcmp(row.part, "latency_s") == 0;
        assert_int_equal(row.tasks, 100);
        assert_same(row.mean_s, differs ? 46.5 : 0.0);
        assert_same(row.p5_s, differs ? 1.0 : 0.0);
        assert_same(row.p50_s, differs ? 46.0 : 0.0);
        assert_same(row.p95_s, differs ? 91.0 : 0.0);
        assert_same(row.max_s, differs ? 96.0 : 0.0);
    }
    clock_gap_finish(&gap);
}

static void without_tasks_there_is_no_number(void **state)
{
    (void) state;
    struct clock_gap gap = {0};
    struct clock_gap_part row = clock_gap_part(&gap, CLOCK_GAP_PARTS - 1);
    assert_string_equal(row.part, "latency_s");
    assert_int_equal(row.tasks, 0);
    assert_true(isnan(row.mean_s) && isnan(row.p5_s) && isnan(row.p50_s) && isnan(row.p95_s) &&
                isnan(row.max_s));
    clock_gap_finish(&gap);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_keep_their_sign_and_percentiles_are_by_nearest_rank),
        cmocka_unit_test(without_tasks_there_is_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
