/* The learned outcome model: it learns what the true model says, and it notices nodes that change. */
#include "orchestrator/policy/plus/outcome_model.h"

#include "core/model/task_features.h"

#include "tests/unit/policy/slot.h"

#define DEVICES 6u
#define SERVERS 2u
#define LEARNED_SLOTS 600u
#define WINDOW_TASKS 12u /* more than are looked at before a node is found out */
#define SLOWER 3.0
#define RARE_GAIN 1e-13 /* of so bad a channel it has seen too little */

static const char *const keys[] = {"devices.count=6", "servers.count=2", "servers.coverage_m=5000", NULL};

/* How much slower than declared each node is. */
struct pace {
    double device[DEVICES], server[SERVERS];
};

struct bench {
    struct slot slot;
    struct outcome_model *model;
    struct load_table table;
    struct pace pace;
    uint32_t episode;
};

static void open_bench(struct bench *bench, bool watches)
{
    const struct outcome_config config = {.hidden = 16,
                                          .batch = 64,
                                          .buffer = 4096,
                                          .rate = 3e-3f,
                                          .final_rate = 3e-4f,
                                          .horizon = LEARNED_SLOTS,
                                          .seed = 3,
                                          .watches = watches};
    *bench = (struct bench){.episode = 0};
    for (uint32_t n = 0; n < DEVICES; n++)
        bench->pace.device[n] = 1.0;
    for (uint32_t m = 0; m < SERVERS; m++)
        bench->pace.server[m] = 1.0;
    slot_open_plain(&bench->slot, keys);
    assert_int_equal(load_table_init(&bench->table, &bench->slot.world, DEVICES), 0);
    assert_int_equal(outcome_model_create(&bench->model, &bench->slot.world, &config), 0);
}

static void close_bench(struct bench *bench)
{
    outcome_model_destroy(bench->model);
    load_table_finish(&bench->table);
    slot_close(&bench->slot);
}

/* A task of device n at server m, alone there, as the true model and the nodes' paces have it. */
static void tell(struct bench *bench, uint32_t n, uint32_t m, uint32_t split)
{
    const struct world *world = &bench->slot.world;
    const struct env_view *view = &bench->slot.view;
    double gain = view->gain[n * SERVERS + m];
    struct task_plan plan = {.split = split, .server = m, .bandwidth_share = 1.0, .compute_share = 1.0};
    struct task_outcome truth;
    cost_outcome(world, n, view->tokens[n], gain, &plan, &truth);
    truth.times.local_s *= bench->pace.device[n];
    truth.joules.compute_j *= bench->pace.device[n];
    truth.times.edge_s *= bench->pace.server[m];
    truth.joules.server_j *= bench->pace.server[m];
    const struct outcome_sending sending = {.gain = task_features_gain(gain), .load = 1, .share = 1.0f};
    const struct outcome_task task = {.device = n,
                                      .server = m,
                                      .split = split,
                                      .tokens = view->tokens[n],
                                      .load = 1,
                                      .sending = &sending,
                                      .sendings = 1};
    const struct policy_outcome outcome = {.device = n, .times = truth.times, .joules = truth.joules};
    outcome_model_observe(bench->model, &task, &outcome);
}

/* One task of each device in a slot of its own. */
static void play_slot(struct bench *bench, bool learns)
{
    uint32_t layers = bench->slot.world.llm->layers;
    uint32_t least = (uint32_t) bench->slot.world.scenario.model.min_split;
    slot_draw(&bench->slot, ++bench->episode, 0, 0, 0);
    for (uint32_t n = 0; n < DEVICES; n++) {
        struct rng_at at = {.seed = 4, .stream = RNG_SAMPLING, .entity = n, .episode = bench->episode};
        uint32_t lowest = least > 0 ? least : 1;
        tell(bench, n, (n + bench->episode) % SERVERS, lowest + rng_below(&at, 0, layers - lowest));
    }
    if (learns)
        outcome_model_update(bench->model);
}

/* What the model says of device n's tasks at server m, alone there, in the slot at hand. */
static double foreseen(struct bench *bench, uint32_t n, uint32_t m)
{
    outcome_model_begin(bench->model, &bench->table, &bench->slot.view);
    assert_true(load_table_need(&bench->table, m, 1));
    return bench->table.cost[load_table_at(&bench->table, n, m, 1)];
}

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

/* Without an update the regressions stand still: what changes is the watch's doing. */
static void play_window(struct bench *bench)
{
    for (uint32_t i = 0; i < WINDOW_TASKS; i++)
        play_slot(bench, false);
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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_foreseen_after_learning_is_near_the_truth),
        cmocka_unit_test(a_server_that_slows_down_is_foreseen_slower_and_no_other_is),
        cmocka_unit_test(a_device_that_slows_down_weighs_the_servers_less_and_no_other_does),
        cmocka_unit_test(a_model_that_does_not_watch_foresees_the_same),
        cmocka_unit_test(the_others_stay_as_they_were_while_learning_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
