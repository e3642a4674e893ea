/* An episode's statistics against hand-made numbers. */
#include "orchestrator/session/episode_stats.h"

#include "tests/unit/model/check.h"

static struct db_task done(double latency_s, double energy_j, double cost)
{
    return (struct db_task){
        .latency_s = latency_s, .energy_j = energy_j, .cost = cost, .status = DB_TASK_DONE};
}

static void percentiles_are_by_nearest_rank(void **state)
{
    (void) state;
    struct episode_stats stats;
    struct db_episode row = {.episode = 0};
    assert_int_equal(episode_stats_init(&stats, 200), 0);
    for (uint32_t count = 1; count <= 200; count++) {
        for (uint32_t i = 0; i < count; i++) { /* 1..count in a shuffled order: 7919 is prime */
            struct db_task task = done((double) ((i * 7919u) % count + 1), 1.0, 1.0);
            episode_stats_add(&stats, &task);
        }
        episode_stats_close(&stats, &row);
        assert_same(row.p50_latency_s, (count * 50 + 99) / 100);
        assert_same(row.p95_latency_s, (count * 95 + 99) / 100);
        assert_same(row.p99_latency_s, (count * 99 + 99) / 100);
        assert_same(row.mean_latency_s, (count + 1) / 2.0);
        assert_int_equal(row.tasks, count);
    }
    episode_stats_finish(&stats);
}

static void lost_tasks_count_as_failures_and_spoil_no_mean(void **state)
{
    (void) state;
    struct episode_stats stats;
    struct db_episode row = {.episode = 3, .slots = 9, .optimum_cost = 0.5};
    assert_int_equal(episode_stats_init(&stats, 4), 0);
    struct db_task task = done(1.0, 2.0, 3.0);
    task.deadline_missed = true;
    episode_stats_add(&stats, &task);
    task = done(3.0, 4.0, 5.0);
    task.repaired = true;
    episode_stats_add(&stats, &task);
    task = (struct db_task){
        .latency_s = (double) NAN, .cost = (double) NAN, .repaired = true, .status = DB_TASK_DEVICE_LOST};
    episode_stats_add(&stats, &task);
    task.status = DB_TASK_SERVER_LOST;
    episode_stats_add(&stats, &task);
    stats.row.episode_return = -7.0;
    episode_stats_close(&stats, &row);
    assert_int_equal(row.tasks, 4);
    assert_int_equal(row.failures, 2);
    assert_int_equal(row.repairs, 3);
    assert_int_equal(row.deadline_misses, 1);
    assert_same(row.mean_latency_s, 2.0);
    assert_same(row.mean_energy_j, 3.0);
    assert_same(row.mean_cost, 4.0);
    assert_same(row.episode_return, -7.0);
    assert_int_equal(row.episode, 3); /* the caller's own fields stay */
    assert_int_equal(row.slots, 9);
    assert_same(row.optimum_cost, 0.5);
    episode_stats_finish(&stats);
}

static void an_episode_without_a_task_done_has_no_numbers_and_the_next_starts_afresh(void **state)
{
    (void) state;
    struct episode_stats stats;
    struct db_episode row = {.episode = 0};
    assert_int_equal(episode_stats_init(&stats, 1), 0);
    struct db_task task = {.latency_s = (double) NAN, .status = DB_TASK_DEVICE_LOST};
    episode_stats_add(&stats, &task);
    episode_stats_close(&stats, &row);
    assert_true(isnan(row.mean_latency_s) && isnan(row.mean_energy_j) && isnan(row.mean_cost));
    assert_true(isnan(row.p50_latency_s) && isnan(row.p95_latency_s) && isnan(row.p99_latency_s));
    assert_int_equal(row.failures, 1);
    task = done(2.0, 2.0, 2.0);
    episode_stats_add(&stats, &task);
    episode_stats_close(&stats, &row);
    assert_int_equal(row.tasks, 1);
    assert_int_equal(row.failures, 0);
    assert_same(row.p99_latency_s, 2.0);
    assert_same(row.episode_return, 0.0);
    episode_stats_finish(&stats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_by_nearest_rank),
        cmocka_unit_test(lost_tasks_count_as_failures_and_spoil_no_mean),
        cmocka_unit_test(an_episode_without_a_task_done_has_no_numbers_and_the_next_starts_afresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
