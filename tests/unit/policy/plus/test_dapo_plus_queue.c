/* What is remembered of slots until a task's report comes: which transfers are known to have taken one slot and no more. */
#include "orchestrator/policy/plus/dapo_plus_queue.h"

#include "orchestrator/policy/plus/settings.h"
#include "tests/unit/policy/slot.h"

#define DEVICES 3u
#define SERVERS 2u
#define SLOT_S 0.5

static const char *const keys[] = {"devices.count=3", "servers.count=2",         "run.mode=queue",
                                   "run.slot_s=0.5",  "servers.coverage_m=5000", NULL};

struct bench {
    struct slot slot;
    struct outcome_model *model;
    struct dapo_plus_queue *queue;
};

static int open_bench(void **state)
{
    static struct bench bench;
    const struct outcome_config config = {
        .hidden = 8, .batch = 4, .buffer = 64, .rate = 1e-3f, .final_rate = 1e-3f, .horizon = 10, .seed = 1};
    const struct plus_settings settings = {.plus = {.price_block = 10, .price_settle = 2, .price_most = 1.0}};
    slot_open_plain(&bench.slot, keys);
    check_observe_all(&bench.slot.view, 0);
    for (uint32_t n = 0; n < DEVICES; n++)
        assert_true(env_has_task(&bench.slot.view, n));
    *state = &bench;
    int rc = outcome_model_create(&bench.model, &bench.slot.world, &config);
    return rc != 0 ? rc : dapo_plus_queue_create(&bench.queue, &bench.slot.world, &settings, bench.model);
}

static int close_bench(void **state)
{
    struct bench *bench = *state;
    dapo_plus_queue_destroy(bench->queue);
    outcome_model_destroy(bench->model);
    slot_close(&bench->slot);
    return 0;
}

/* Device 0 sends to server 0, device 1 to server 1, device 2 sends nothing. */
static void remember(struct bench *bench, uint32_t slot)
{
    struct env_decision *decision = &bench->slot.decision;
    bench->slot.view.id.slot = slot;
    for (uint32_t n = 0; n < DEVICES; n++) {
        decision->server[n] = n < SERVERS ? n : ENV_LOCAL;
        decision->split[n] = n < SERVERS ? 8 : bench->slot.world.llm->layers;
    }
    dapo_plus_queue_remember(bench->queue, &bench->slot.view, decision);
}

/* The slot after: so many have been sending to server 1. */
static void learn(struct bench *bench, uint32_t load, const struct policy_outcome *outcome)
{
    bench->slot.view.previous_load[0] = 1;
    bench->slot.view.previous_load[1] = load;
    const struct policy_feedback feedback = {
        .next = &bench->slot.view, .outcome = outcome, .outcomes = outcome != NULL ? 1 : 0};
    dapo_plus_queue_learn(bench->queue, bench->model, &feedback, false);
}

static void pass(struct bench *bench, uint32_t first, uint32_t count)
{
    for (uint32_t slot = first; slot < first + count; slot++) {
        remember(bench, slot);
        learn(bench, 1, NULL);
    }
}

/* Was the device's transfer, of `transmit` slots after `wait` slots of the slot of its decision, known to have taken one? */
static bool is_whole(struct bench *bench, uint32_t slot, uint32_t device, double wait, double transmit)
{
    uint64_t before = bench->queue->whole;
    const struct policy_outcome outcome = {
        .slot = slot,
        .device = device,
        .times = {.wait_s = wait * SLOT_S * 0.5,
                  .local_s = wait * SLOT_S * 0.5,
                  .transmit_s = transmit * SLOT_S,
                  .edge_s = 0.01},
        .joules = {.compute_j = 1.0, .transmit_j = 0.1, .server_j = 1.0},
        .channel = (double) NAN,
        .quality = (double) NAN,
    };
    learn(bench, 1, &outcome);
    assert_in_range(bench->queue->whole, before, before + 1);
    return bench->queue->whole > before;
}

static void a_transfer_within_a_known_slot_counts_and_one_across_two_does_not(void **state)
{
    struct bench *bench = *state;
    pass(bench, 0, 4);
    assert_true(is_whole(bench, 1, 0, 0.25, 0.5));
    assert_true(is_whole(bench, 1, 1, 1.25, 0.5)); /* it waited until slot 2 */
    assert_true(is_whole(bench, 0, 1, 3.25, 0.5));
    assert_true(is_whole(bench, 1, 0, 0.0, 1.0)); /* to its very end */
    assert_false(is_whole(bench, 1, 0, 0.75, 0.5));
    assert_false(is_whole(bench, 0, 0, 0.0, 4.0));
}

static void a_task_that_was_not_sent_teaches_nothing_of_transfers(void **state)
{
    struct bench *bench = *state;
    pass(bench, 0, 4);
    assert_false(is_whole(bench, 1, 2, 0.25, 0.5)); /* decided to stay */
    assert_false(is_whole(bench, 1, 0, 0.25, 0.0)); /* it never came to its transfer */
}

static void a_slot_whose_load_is_not_told_or_was_nothing_is_not_known(void **state)
{
    struct bench *bench = *state;
    pass(bench, 0, 2);
    remember(bench, 2);
    learn(bench, 0, NULL); /* nobody sent to server 1 */
    remember(bench, 3);
    assert_true(is_whole(bench, 1, 1, 0.25, 0.5)); /* learning tells slot 3's load first */
    assert_false(is_whole(bench, 1, 1, 1.25, 0.5));
    assert_true(is_whole(bench, 1, 0, 1.25, 0.5)); /* of server 0 it is known */
    assert_true(is_whole(bench, 3, 1, 0.25, 0.5));
    assert_false(is_whole(bench, 3, 1, 1.25, 0.5)); /* slot 4 is to come */
}

static void slots_of_the_episode_before_are_forgotten_and_others_after_a_while(void **state)
{
    struct bench *bench = *state;
    pass(bench, 0, DAPO_PLUS_QUEUE_SLOTS + 10);
    assert_true(is_whole(bench, 10, 0, 0.25, 0.5));
    assert_false(is_whole(bench, 9, 0, 0.25, 0.5)); /* another slot has its place */
    assert_false(is_whole(bench, 9, 0, 1.25, 0.5));
    pass(bench, 0, 12);
    assert_true(is_whole(bench, 10, 0, 0.25, 0.5));
    assert_true(is_whole(bench, 10, 0, 1.25, 0.5));
    for (uint32_t slot = 12; slot < DAPO_PLUS_QUEUE_SLOTS + 10; slot++) {
        assert_false(is_whole(bench, 10, 0, slot - 10 + 0.25, 0.5));
        assert_false(is_whole(bench, slot, 0, 0.25, 0.5));
    }
}

static void a_report_of_any_time_is_taken(void **state)
{
    static const double waits[] = {1e3, 1e9, 1e15, 1e300};
    struct bench *bench = *state;
    pass(bench, 0, 4);
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        assert_false(is_whole(bench, 1, 0, waits[i], 0.5));
        assert_false(is_whole(bench, 1, 0, 0.25, waits[i]));
    }
}

/* Between two episodes, in full or as weights. */
static void what_is_saved_comes_back_and_is_refused_wherever_it_ends_early(void **state)
{
    struct bench *bench = *state;
    pass(bench, 0, 4);
    for (int full = 0; full < 2; full++) {
        struct buf saved = {0}, again = {0};
        bench->queue->whole = 5;
        assert_int_equal(dapo_plus_queue_save(bench->queue, full == 1, &saved), 0);
        for (size_t size = 0; size <= saved.size; size++) {
            const uint8_t *bytes = saved.data;
            size_t left = size;
            bench->queue->whole = 7;
            int rc = dapo_plus_queue_load(bench->queue, full == 1, &bytes, &left, NULL);
            assert_int_equal(rc == 0, size == saved.size);
            assert_true(rc != 0 || (left == 0 && bytes == saved.data + size));
        }
        assert_int_equal(bench->queue->whole, full == 1 ? 5 : 7);
        assert_int_equal(dapo_plus_queue_save(bench->queue, full == 1, &again), 0);
        assert_int_equal(again.size, saved.size);
        assert_memory_equal(again.data, saved.data, saved.size);
        buf_finish(&saved);
        buf_finish(&again);
    }
}

int main(void)
{
#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
    const struct CMUnitTest tests[] = {
        BENCH_TEST(a_transfer_within_a_known_slot_counts_and_one_across_two_does_not),
        BENCH_TEST(a_task_that_was_not_sent_teaches_nothing_of_transfers),
        BENCH_TEST(a_slot_whose_load_is_not_told_or_was_nothing_is_not_known),
        BENCH_TEST(slots_of_the_episode_before_are_forgotten_and_others_after_a_while),
        BENCH_TEST(a_report_of_any_time_is_taken),
        BENCH_TEST(what_is_saved_comes_back_and_is_refused_wherever_it_ends_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
