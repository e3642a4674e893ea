/* A session whose tasks' quality is measured beside it: when the meter is asked, what a row and a cost become, and what
 * happens when it cannot measure. The meter here is a formula. */
#include <errno.h>
#include <stdio.h>

#include "core/model/channel.h"
#include "core/model/env_splits.h"
#include "orchestrator/host/host_memory.h"
#include "tests/sim/played.h"

#define SLOTS 6u
#define EPISODES 2u
#define ASKED_MAX 512u
#define TABLE "quality.source=table", "quality.table=0.1 | 1:0" /* by itself, a channel costs nothing */

struct formula {
    struct session_crossing asked[ASKED_MAX];
    size_t count;
    size_t fails_at; /* which call; 0: none */
    bool is_unknown;
};

static double ratio_of(const struct session_crossing *crossing)
{
    return 0.01 * crossing->split + crossing->condition + 1e-3 * crossing->device;
}

static int measure(void *user, const struct session_crossing *crossing, struct session_quality *ret,
                   struct diag *diag)
{
    struct formula *own = user;
    (void) diag;
    assert_in_range(own->count, 0, ASKED_MAX - 1);
    own->asked[own->count++] = *crossing;
    if (own->count == own->fails_at)
        return -EIO;
    double ratio = own->is_unknown ? (double) NAN : ratio_of(crossing);
    *ret = (struct session_quality){ratio, 3.0 + ratio, 2.0, 7.0};
    return 0;
}

static const char *const queue_keys[] = {
    SIM_BUSY, "channel.mode=erasure", "channel.loss_max=0.2", "objective.quality_weight=2", TABLE, NULL};

static int play(struct sim_played *played, const char *const *keys, struct formula *formula)
{
    struct session_meter meter = {measure, formula};
    struct diag diag = {{0}};
    *played = (struct sim_played){.result = {0}};
    played->world = full_world(keys, &played->settings);
    struct policy policy = sim_policy(&played->world, &played->settings, "random", false);
    struct session session = sim_session_of(played, &policy, EPISODES, SLOTS);
    session.checkpoint_every = 0;
    session.meter = &meter;
    int rc = host_memory_run(&session, &played->result, &diag);
    policy_destroy(&policy);
    return rc;
}

static const struct session_crossing *find(const struct formula *formula, const struct db_task *row)
{
    for (size_t i = 0; i < formula->count; i++) {
        const struct session_crossing *at = &formula->asked[i];
        if (at->id.episode == row->episode && at->id.slot == row->slot && at->device == row->device)
            return at;
    }
    return NULL;
}

/* The same session without a meter has the same rows but for these columns and the cost. */
static void check_rows(const struct sim_played *with, const struct sim_played *without,
                       const struct formula *formula)
{
    size_t done = 0;
    assert_int_equal(with->record.rows, without->record.rows);
    for (size_t i = 0; i < with->record.rows; i++) {
        const struct db_task *row = &with->record.row[i], *plain = &without->record.row[i];
        if (!sim_is_done(row)) {
            assert_null(find(formula, row));
            continue;
        }
        const struct session_crossing *crossing = find(formula, row);
        assert_non_null(crossing);
        assert_int_equal(crossing->split, row->served_by == DB_SERVER_NULL ? 32 : row->split);
        const struct slot_id id = {RNG_TRAIN, row->episode, row->slot};
        assert_true(crossing->condition == channel_drawn(&with->world, row->device, id));
        double ratio = ratio_of(crossing);
        assert_true(row->quality == ratio && row->nll == 3.0 + ratio && row->nll_tokens == 2.0 &&
                    row->nll_bytes == 7.0);
        assert_true(fabs(row->cost - (plain->cost + 2.0 * ratio)) < 1e-12);
        assert_true(row->latency_s == plain->latency_s && row->split == plain->split);
        done++;
    }
    assert_int_equal(formula->count, done);
    assert_true(done > 10);
}

static void play_both(const char *const *keys)
{
    static struct formula formula;
    struct sim_played with, without;
    formula = (struct formula){.count = 0};
    assert_int_equal(play(&with, keys, &formula), 0);
    without = (struct sim_played){.result = {0}};
    sim_play(&without, keys, "random", SLOTS);
    check_rows(&with, &without, &formula);
    sim_finish(&with);
    sim_finish(&without);
}

static void each_task_that_is_done_is_measured_once_in_rounds(void **state)
{
    static const char *const keys[] = {"devices.count=3",
                                       "servers.count=2",
                                       "channel.mode=erasure",
                                       "channel.loss_max=0.2",
                                       "objective.quality_weight=2",
                                       TABLE,
                                       NULL};
    (void) state;
    play_both(keys);
}

static void and_in_queues(void **state)
{
    (void) state;
    play_both(queue_keys);
}

/* Within a slot by device, and slot after slot: a meter may learn from the order. */
static void tasks_are_measured_in_order(void **state)
{
    static struct formula formula;
    struct sim_played played;
    static const char *const keys[] = {"devices.count=3", "channel.mode=erasure", NULL};
    (void) state;
    formula = (struct formula){.count = 0};
    assert_int_equal(play(&played, keys, &formula), 0);
    assert_int_equal(formula.count, EPISODES * SLOTS * 3);
    for (size_t i = 0; i < formula.count; i++) {
        assert_int_equal(formula.asked[i].id.episode, i / (SLOTS * 3));
        assert_int_equal(formula.asked[i].id.slot, i / 3 % SLOTS);
        assert_int_equal(formula.asked[i].device, i % 3);
    }
    sim_finish(&played);
}

/* objective.gain_reference initial: the reference is asked first, at the split before the episode. */
static void a_gain_is_relative_to_the_split_before_the_episode(void **state)
{
    static struct formula formula;
    struct sim_played played;
    static const char *const keys[] = {"devices.count=1",
                                       "servers.count=1",
                                       "channel.mode=erasure",
                                       "model.min_split=1",
                                       "model.max_split=10",
                                       "model.split_step=1",
                                       "model.first_split_max=9",
                                       "objective.reward=shaped",
                                       "servers.coverage_m=2000",
                                       "objective.gain_reference=initial",
                                       TABLE,
                                       NULL};
    (void) state;
    formula = (struct formula){.count = 0};
    assert_int_equal(play(&played, keys, &formula), 0);
    assert_int_equal(formula.count, 2 * EPISODES * SLOTS);
    for (size_t i = 0; i < formula.count; i += 2) {
        const struct session_crossing *before = &formula.asked[i], *at = &formula.asked[i + 1];
        const struct db_task *row = &played.record.row[i / 2];
        assert_int_equal(before->id.slot, SESSION_METER_BEFORE);
        assert_int_equal(before->id.episode, at->id.episode);
        assert_int_equal(before->split, env_splits_drawn(&played.world, 0, at->id));
        double gain = 1.0 - exp(ratio_of(at) - ratio_of(before));
        assert_true(fabs(row->cost + 10.0 * gain + (10.0 - row->split) / 10.0) < 1e-12);
    }
    sim_finish(&played);
}

static void a_quality_that_is_not_known_costs_nothing(void **state)
{
    static struct formula formula;
    struct sim_played with, without;
    static const char *const keys[] = {"devices.count=2", "channel.mode=erasure",
                                       "objective.quality_weight=2", TABLE, NULL};
    (void) state;
    formula = (struct formula){.is_unknown = true};
    assert_int_equal(play(&with, keys, &formula), 0);
    without = (struct sim_played){.result = {0}};
    sim_play(&without, keys, "random", SLOTS);
    for (size_t i = 0; i < with.record.rows; i++) {
        assert_true(isnan(with.record.row[i].quality));
        assert_true(with.record.row[i].cost == without.record.row[i].cost);
    }
    sim_finish(&with);
    sim_finish(&without);
}

static void a_meter_that_cannot_measure_ends_the_session_before_its_row_leaves(void **state)
{
    static struct formula formula;
    struct sim_played played;
    static const char *const keys[] = {"devices.count=3", "channel.mode=erasure", NULL};
    (void) state;
    for (size_t at = 1; at <= EPISODES * SLOTS * 3; at++) {
        formula = (struct formula){.fails_at = at};
        assert_int_equal(play(&played, keys, &formula), -EIO);
        assert_int_equal(formula.count, at);
        assert_int_equal(played.record.rows, (at - 1) / 3 * 3);
        sim_finish(&played);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_task_that_is_done_is_measured_once_in_rounds),
        cmocka_unit_test(and_in_queues),
        cmocka_unit_test(tasks_are_measured_in_order),
        cmocka_unit_test(a_gain_is_relative_to_the_split_before_the_episode),
        cmocka_unit_test(a_quality_that_is_not_known_costs_nothing),
        cmocka_unit_test(a_meter_that_cannot_measure_ends_the_session_before_its_row_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
