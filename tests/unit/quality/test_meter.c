/* The meter on the house model: what it measures, when a surrogate takes over, and what a resumed training needs. */
#include "orchestrator/quality/meter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/model/channel.h"
#include "core/model/quality.h"
#include "tests/lib/house_world.h"

#define SLOTS 5u
#define AFTER                                                                                                \
    10u /* slots until the surrogate takes over: two episodes, which are two records for each fold */
#define DEVICES 2u
#define KILLED 1u /* episodes before a training is killed */
#define TEXT "quality.text=" HOUSE_MODEL "/evaluation/sotu.txt"

struct bench {
    struct world world;
    struct meter *meter;
    char table[QUALITY_TEXT_MAX + 1]; /* of the last fit */
    struct surrogate_error error;
    uint32_t fits;
};

static int keep_table(void *user, const char *table, const struct surrogate_error *error)
{
    struct bench *bench = user;
    (void) snprintf(bench->table, sizeof bench->table, "%s", table);
    bench->error = *error;
    bench->fits++;
    return 0;
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->world = house_world((const char *[]){
        "devices.count=2", "run.slots=5", "model.min_split=1", "model.max_split=10", "channel.mode=erasure",
        "channel.loss_min=0.01", "channel.loss_max=0.3", "compute.format=fp32", "quality.source=model",
        "quality.tokens=256", "quality.surrogate_after=10", TEXT, NULL});
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    meter_close(bench->meter);
    world_finish(&bench->world);
    free(bench);
    return 0;
}

static struct meter_options options_of(struct bench *bench, bool is_training)
{
    return (struct meter_options){.world = &bench->world,
                                  .is_training = is_training,
                                  .slots = SLOTS,
                                  .fitted = keep_table,
                                  .user = bench,
                                  .quiet = true};
}

static void open_meter(struct bench *bench, const struct meter_options *options)
{
    struct diag diag = {{0}};
    meter_close(bench->meter);
    if (meter_open(&bench->meter, options, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_non_null(bench->meter);
}

static struct session_quality measure(const struct bench *bench, const struct session_crossing *crossing)
{
    const struct session_meter *hook = meter_hook(bench->meter);
    struct session_quality quality;
    struct diag diag = {{0}};
    if (hook->measure(hook->user, crossing, &quality, &diag) != 0)
        fail_msg("%s", diag.text);
    return quality;
}

static struct session_crossing crossing_in(const struct bench *bench, uint32_t episode, uint32_t slot,
                                           uint32_t device)
{
    const struct slot_id id = {RNG_TRAIN, episode, slot};
    return (struct session_crossing){.device = device,
                                     .id = id,
                                     .split = 1 + (7 * episode + 3 * slot + device) % 10,
                                     .condition = channel_drawn(&bench->world, device, id)};
}

static void without_a_model_there_is_no_meter(void **state)
{
    struct bench *bench = *state;
    const struct meter_options options = options_of(bench, true);
    bench->world.scenario.quality.source = QUALITY_TABLE;
    assert_int_equal(meter_open(&bench->meter, &options, NULL), 0);
    assert_null(bench->meter);
    assert_null(meter_hook(NULL));
    meter_close(NULL);
}

static void a_measure_repeats_and_a_clean_channel_costs_nothing(void **state)
{
    struct bench *bench = *state;
    const struct meter_options options = options_of(bench, false);
    struct session_crossing crossing = crossing_in(bench, 100, 2, 1);
    bench->world.scenario.quality.tokens = 512; /* two windows */
    open_meter(bench, &options);
    const struct session_quality one = measure(bench, &crossing), again = measure(bench, &crossing);
    assert_memory_equal(&one, &again, sizeof one);
    assert_true(one.log_ratio > 0.0 && one.tokens == 512.0 && one.bytes > one.tokens);
    crossing.device = 0;
    assert_true(measure(bench, &crossing).log_ratio != one.log_ratio);
    crossing.condition = 0.0;
    assert_true(measure(bench, &crossing).log_ratio == 0.0);
    crossing.condition = 0.3;
    const double bad = measure(bench, &crossing).log_ratio;
    crossing.condition = 0.05;
    assert_true(measure(bench, &crossing).log_ratio < bad);
    assert_true(meter_seconds(bench->meter) > 0.0);
}

static void where_nothing_crosses_nothing_is_damaged(void **state)
{
    struct bench *bench = *state;
    const struct meter_options options = options_of(bench, false);
    struct session_crossing crossing = crossing_in(bench, 0, 0, 0);
    open_meter(bench, &options);
    for (uint32_t split = 0; split <= 12; split += 12) {
        crossing.split = split;
        const struct session_quality quality = measure(bench, &crossing);
        assert_true(quality.log_ratio == 0.0 && isnan(quality.nll));
    }
}

/* Reports come in any order within a slot: here the second device's first in some. */
static void train_until(struct bench *bench, uint32_t episodes, bool swaps)
{
    for (uint32_t episode = 0; episode < episodes; episode++)
        for (uint32_t slot = 0; slot < SLOTS; slot++)
            for (uint32_t i = 0; i < DEVICES; i++) {
                const struct session_crossing crossing =
                    crossing_in(bench, episode, slot, swaps && slot % 2 == 0 ? 1 - i : i);
                (void) measure(bench, &crossing);
            }
}

/* Of all splits, and of 33 conditions from the least to the greatest that was met. */
static void check_grid(const struct quality_table *table, const struct bench *bench)
{
    double least = HUGE_VAL, most = 0.0;
    for (uint32_t i = 0; i < AFTER * DEVICES; i++) {
        double condition =
            crossing_in(bench, i / (SLOTS * DEVICES), i / DEVICES % SLOTS, i % DEVICES).condition;
        least = fmin(least, condition);
        most = fmax(most, condition);
    }
    assert_int_equal(table->splits, 10);
    assert_int_equal(table->conditions, 33);
    for (uint32_t split = 0; split < table->splits; split++)
        assert_int_equal(table->split[split], split + 1);
    for (uint32_t i = 0; i < table->conditions; i++)
        assert_near(table->condition[i], least + i / 32.0 * (most - least), 1e-7);
}

static void a_surrogate_takes_over_after_so_many_slots_of_training(void **state)
{
    struct bench *bench = *state;
    const struct meter_options options = options_of(bench, true);
    struct quality_table table;
    open_meter(bench, &options);
    train_until(bench, AFTER / SLOTS, false);
    assert_int_equal(bench->fits, 0);
    const struct session_crossing next = crossing_in(bench, AFTER / SLOTS, 0, 0);
    const struct session_quality told = measure(bench, &next);
    assert_int_equal(bench->fits, 1);
    assert_int_equal(bench->error.records, AFTER * DEVICES);
    assert_int_equal(quality_table_read(&table, bench->table, NULL), 0);
    check_grid(&table, bench);
    assert_true(told.log_ratio == quality_at(&table, next.split, next.condition));
    assert_true(isnan(told.nll) && isnan(told.tokens) && isnan(told.bytes));
    (void) measure(bench, &next);
    assert_int_equal(bench->fits, 1);
}

static void the_order_of_reports_changes_no_bit_of_the_surrogate(void **state)
{
    struct bench *bench = *state;
    const struct meter_options options = options_of(bench, true);
    const struct session_crossing next = crossing_in(bench, AFTER / SLOTS, 0, 0);
    char first[sizeof bench->table];
    for (uint32_t swaps = 0; swaps < 2; swaps++) {
        open_meter(bench, &options);
        train_until(bench, AFTER / SLOTS, swaps == 1);
        (void) measure(bench, &next);
        if (swaps == 0)
            memcpy(first, bench->table, sizeof first);
    }
    assert_int_equal(bench->fits, 2);
    assert_string_equal(first, bench->table);
}

/* Killed after an episode: what was measured is remembered, and the same surrogate takes over; killed after the
 * surrogate has, it is read. */
static void a_training_that_goes_on_has_the_same_surrogate(void **state)
{
    struct bench *bench = *state;
    struct meter_options options = options_of(bench, true);
    const struct session_crossing next = crossing_in(bench, AFTER / SLOTS, 0, 0);
    char whole[sizeof bench->table];
    double ratio[KILLED][SLOTS][DEVICES];
    open_meter(bench, &options);
    for (uint32_t episode = 0; episode < KILLED; episode++)
        for (uint32_t slot = 0; slot < SLOTS; slot++)
            for (uint32_t device = 0; device < DEVICES; device++) {
                const struct session_crossing crossing = crossing_in(bench, episode, slot, device);
                ratio[episode][slot][device] = measure(bench, &crossing).log_ratio;
            }
    for (uint32_t again = 0; again < 2; again++) {
        if (again == 1) {
            open_meter(bench, &options);
            for (uint32_t i = 0; i < KILLED * SLOTS * DEVICES; i++) {
                uint32_t episode = i / (SLOTS * DEVICES), slot = i / DEVICES % SLOTS, device = i % DEVICES;
                const struct session_crossing crossing = crossing_in(bench, episode, slot, device);
                assert_int_equal(meter_remember(bench->meter, &crossing, ratio[episode][slot][device]), 0);
            }
        }
        for (uint32_t i = KILLED * SLOTS * DEVICES; i < AFTER * DEVICES; i++) {
            const struct session_crossing crossing =
                crossing_in(bench, i / (SLOTS * DEVICES), i / DEVICES % SLOTS, i % DEVICES);
            (void) measure(bench, &crossing);
        }
        (void) measure(bench, &next);
        if (again == 0)
            memcpy(whole, bench->table, sizeof whole);
    }
    assert_int_equal(bench->fits, 2);
    assert_string_equal(whole, bench->table);
    double told = measure(bench, &next).log_ratio;
    options.surrogate = whole;
    open_meter(bench, &options);
    assert_true(measure(bench, &next).log_ratio == told);
    assert_int_equal(bench->fits, 2);
    const struct session_crossing before = crossing_in(bench, 0, 0, 0);
    assert_true(measure(bench, &before).log_ratio == ratio[0][0][0]); /* it counts from its episode on */
}

static void the_split_before_an_episode_teaches_the_surrogate_nothing(void **state)
{
    struct bench *bench = *state;
    const struct meter_options options = options_of(bench, true);
    struct session_crossing before = crossing_in(bench, 0, 0, 0);
    open_meter(bench, &options);
    before.id.slot = SESSION_METER_BEFORE;
    assert_true(measure(bench, &before).log_ratio > 0.0);
    train_until(bench, AFTER / SLOTS, false);
    const struct session_crossing next = crossing_in(bench, AFTER / SLOTS, 0, 0);
    (void) measure(bench, &next);
    assert_int_equal(bench->error.records, AFTER * DEVICES);
}

static void held_out_streams_are_measured_to_the_end(void **state)
{
    struct bench *bench = *state;
    struct meter_options options = options_of(bench, false);
    struct session_crossing late = crossing_in(bench, 1000, 0, 0);
    late.id.phase = RNG_TEST;
    options.surrogate = "0.1 | 1:0.5";
    open_meter(bench, &options);
    assert_true(measure(bench, &late).nll > 0.0);
    assert_int_equal(bench->fits, 0);
}

static int refuse(void *user, const char *table, const struct surrogate_error *error)
{
    (void) user;
    (void) table;
    (void) error;
    return ERR_STATE;
}

/* Of a prompt that is as likely as the clean text the ratio is 0. */
static void what_nodes_told_stands_beside_the_clean_text(void **state)
{
    struct bench *bench = *state;
    const struct meter_options options = options_of(bench, true);
    struct session_crossing crossing = crossing_in(bench, 0, 0, 0);
    crossing.condition = 0.0;
    open_meter(bench, &options);
    const struct session_quality clean = measure(bench, &crossing);
    bench->world.scenario.quality.source = QUALITY_TASK;
    open_meter(bench, &options);
    assert_true(isnan(measure(bench, &crossing).log_ratio));
    crossing.told = (struct likelihood){clean.nll, (uint64_t) clean.tokens, 7};
    assert_near(measure(bench, &crossing).log_ratio, 0.0, 1e-12);
    crossing.told.nats += 0.25 * clean.tokens;
    assert_near(measure(bench, &crossing).log_ratio, 0.25, 1e-12);
    assert_true(measure(bench, &crossing).bytes == 7.0);
    assert_true(meter_seconds(bench->meter) == 0.0);
}

static void what_cannot_be_kept_ends_the_session(void **state)
{
    struct bench *bench = *state;
    struct meter_options options = options_of(bench, true);
    const struct session_crossing next = crossing_in(bench, AFTER / SLOTS, 0, 0);
    struct session_quality quality;
    options.fitted = refuse;
    open_meter(bench, &options);
    train_until(bench, AFTER / SLOTS, false);
    const struct session_meter *hook = meter_hook(bench->meter);
    assert_int_equal(hook->measure(hook->user, &next, &quality, NULL), ERR_STATE);
}

static void expect_refusal(struct bench *bench, int code, const char *sentence)
{
    const struct meter_options options = options_of(bench, true);
    struct diag diag = {{0}};
    assert_int_equal(meter_open(&bench->meter, &options, &diag), code);
    assert_null(bench->meter);
    if (strstr(diag.text, sentence) == NULL)
        fail_msg("'%s' does not say '%s'", diag.text, sentence);
}

static void what_cannot_be_measured_is_named(void **state)
{
    struct bench *bench = *state;
    struct scenario *scenario = &bench->world.scenario;
    const struct scenario good = *scenario;
    scenario->channel.mode = CHANNEL_RELIABLE;
    expect_refusal(bench, ERR_UNSUPPORTED, "channel.mode: reliable damages nothing");
    *scenario = good;
    scenario->channel.mode = CHANNEL_ANALOG;
    scenario->compute.format = COMPUTE_INT8;
    expect_refusal(bench, ERR_UNSUPPORTED, "channel.mode: analog with compute.format: int8");
    *scenario = good;
    scenario->quality.text[0] = '\0';
    expect_refusal(bench, ERR_RANGE, "quality.text: is empty");
    (void) snprintf(scenario->quality.text, sizeof scenario->quality.text, "/nowhere");
    expect_refusal(bench, -ENOENT, "quality.text: ");
    scenario->quality.text[0] = '\0';
    (void) snprintf(scenario->compute.text, sizeof scenario->compute.text, "/nowhere");
    expect_refusal(bench, -ENOENT, "compute.text: ");
    *scenario = good;
    scenario->quality.tokens = 1u << 20;
    bench->world.devices = 1000;
    expect_refusal(bench, ERR_RANGE,
                   "quality.tokens: 1048576 are 4096 windows, and with 1000 devices at most 1048 have");
    bench->world.devices = DEVICES;
    *scenario = good;
    (void) snprintf(scenario->model.hash, sizeof scenario->model.hash, "%064d", 7);
    expect_refusal(bench, ERR_MISMATCH, "it is another model");
    *scenario = good;
    (void) snprintf(scenario->model.file, sizeof scenario->model.file, "/nowhere");
    expect_refusal(bench, -ENOENT, "/nowhere");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_a_model_there_is_no_meter),
        TEST(a_measure_repeats_and_a_clean_channel_costs_nothing),
        TEST(where_nothing_crosses_nothing_is_damaged),
        TEST(a_surrogate_takes_over_after_so_many_slots_of_training),
        TEST(the_order_of_reports_changes_no_bit_of_the_surrogate),
        TEST(a_training_that_goes_on_has_the_same_surrogate),
        TEST(the_split_before_an_episode_teaches_the_surrogate_nothing),
        TEST(held_out_streams_are_measured_to_the_end),
        TEST(what_nodes_told_stands_beside_the_clean_text),
        TEST(what_cannot_be_kept_ends_the_session),
        TEST(what_cannot_be_measured_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
