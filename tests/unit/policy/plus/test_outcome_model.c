/* The learned outcome model: it learns what the true model says, and it notices nodes that change. */
#include "tests/lib/memory.h"
#include "tests/unit/policy/plus/outcome_bench.h"

#define SPLITS_MAX 200u
#define RARE_GAIN 1e-13 /* of so bad a channel it has seen too little */

static double true_cost(struct bench *bench, uint32_t n, uint32_t m)
{
    load_table_model(&bench->table, &bench->slot.view);
    assert_true(load_table_need(&bench->table, m, 1));
    return bench->table.cost[load_table_at(&bench->table, n, m, 1)];
}

static void what_is_foreseen_after_learning_is_near_the_truth(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, true);
    for (uint32_t slot = 0; slot < LEARNED_SLOTS; slot++)
        play_slot(&bench, true);
    unsigned usual = 0;
    for (uint32_t n = 0; n < DEVICES; n++)
        for (uint32_t m = 0; m < SERVERS; m++) {
            if (bench.slot.view.gain[n * SERVERS + m] < RARE_GAIN)
                continue;
            double truth = true_cost(&bench, n, m);
            assert_near(foreseen(&bench, n, m), truth, 0.05 * truth);
            usual++;
        }
    assert_true(usual > DEVICES * SERVERS / 2);
    assert_int_equal(outcome_model_updates(bench.model), LEARNED_SLOTS);
    close_bench(&bench);
}

struct foresight {
    double cost[DEVICES][SERVERS];
};

static struct foresight look(struct bench *bench)
{
    struct foresight all;
    for (uint32_t n = 0; n < DEVICES; n++)
        for (uint32_t m = 0; m < SERVERS; m++)
            all.cost[n][m] = foreseen(bench, n, m);
    return all;
}

/* The same slot, foreseen before a node changed and after its tasks were reported. */
static void change_and_look(struct bench *bench, double *pace, struct foresight *ret_before,
                            struct foresight *ret_after)
{
    uint32_t shown = LEARNED_SLOTS + 999;
    for (uint32_t slot = 0; slot < LEARNED_SLOTS; slot++)
        play_slot(bench, true);
    slot_draw(&bench->slot, shown, 0, 0, 0);
    *ret_before = look(bench);
    *pace = SLOWER;
    play_window(bench);
    slot_draw(&bench->slot, shown, 0, 0, 0);
    *ret_after = look(bench);
}

static void a_server_that_slows_down_is_foreseen_slower_and_no_other_is(void **state)
{
    (void) state;
    struct bench bench;
    struct foresight before, after;
    open_bench(&bench, true);
    change_and_look(&bench, &bench.pace.server[1], &before, &after);
    for (uint32_t n = 0; n < DEVICES; n++) {
        assert_same(after.cost[n][0], before.cost[n][0]);
        assert_true(after.cost[n][1] > 1.1 * before.cost[n][1]);
    }
    close_bench(&bench);
}

static void a_device_that_slows_down_weighs_the_servers_less_and_no_other_does(void **state)
{
    (void) state;
    struct bench bench;
    struct foresight before, after;
    open_bench(&bench, true);
    change_and_look(&bench, &bench.pace.device[2], &before, &after);
    for (uint32_t n = 0; n < DEVICES; n++)
        for (uint32_t m = 0; m < SERVERS; m++)
            if (n != 2)
                assert_same(after.cost[n][m], before.cost[n][m]);
            else /* against computing all itself a server is now worth more */
                assert_true(after.cost[n][m] < 0.9 * before.cost[n][m]);
    close_bench(&bench);
}

static void a_model_that_does_not_watch_foresees_the_same(void **state)
{
    (void) state;
    struct bench bench;
    struct foresight before, after;
    open_bench(&bench, false);
    change_and_look(&bench, &bench.pace.server[1], &before, &after);
    assert_memory_equal(&before, &after, sizeof before);
    close_bench(&bench);
}

/* What is one node's own is taken out of its reports, so the others' are not learned as slower. */
static void the_others_stay_as_they_were_while_learning_goes_on(void **state)
{
    (void) state;
    struct bench bench;
    struct foresight before, after;
    open_bench(&bench, true);
    change_and_look(&bench, &bench.pace.server[1], &before, &after);
    for (uint32_t slot = 0; slot < LEARNED_SLOTS / 2; slot++)
        play_slot(&bench, true);
    slot_draw(&bench.slot, LEARNED_SLOTS + 999, 0, 0, 0);
    struct foresight later = look(&bench);
    for (uint32_t n = 0; n < DEVICES; n++) {
        assert_near(later.cost[n][0], before.cost[n][0], 0.03 * before.cost[n][0]);
        assert_near(later.cost[n][1], after.cost[n][1], 0.05 * after.cost[n][1]);
    }
    close_bench(&bench);
}

/* Not as one that computes in no time. */
static void a_device_is_foreseen_at_no_split_when_memory_runs_out(void **state)
{
    (void) state;
    struct bench bench;
    struct forecast_spent spent[SPLITS_MAX];
    if (!memory_can_fail()) {
        print_message("# sanitizers allocate by functions of their own: nothing can fail\n");
        return;
    }
    open_bench(&bench, false);
    uint32_t layers = bench.slot.world.llm->layers;
    const struct env_view *view = &bench.slot.view;
    assert_true(layers < SPLITS_MAX);
    slot_draw(&bench.slot, 1, 0, 0, 0);
    outcome_model_look(bench.model, view);
    struct forecast_source source = outcome_model_source(bench.model);
    memory_fail_at(1);
    source.device(source.user, view, 0, spent);
    assert_true(memory_has_failed());
    for (uint32_t s = 0; s <= layers; s++)
        assert_true(isinf(spent[s].s) && isinf(spent[s].j));
    source.device(source.user, view, 0, spent);
    for (uint32_t s = 1; s <= layers; s++)
        assert_true(isfinite(spent[s].s) && spent[s].s > 0.0 && isfinite(spent[s].j) && spent[s].j > 0.0);
    close_bench(&bench);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_foreseen_after_learning_is_near_the_truth),
        cmocka_unit_test(a_server_that_slows_down_is_foreseen_slower_and_no_other_is),
        cmocka_unit_test(a_device_that_slows_down_weighs_the_servers_less_and_no_other_does),
        cmocka_unit_test(a_model_that_does_not_watch_foresees_the_same),
        cmocka_unit_test(the_others_stay_as_they_were_while_learning_goes_on),
        cmocka_unit_test(a_device_is_foreseen_at_no_split_when_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
