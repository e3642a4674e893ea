/* Whole sessions in which splits move by steps and channels damage activations: what their rows say. */
#include "tests/sim/played.h"

#include <math.h>

#include "core/model/channel.h"
#include "core/model/cost.h"
#include "core/model/env_splits.h"
#include "core/model/forecast.h"
#include "core/model/quality.h"

#define SLOTS 30u

#define DAMAGED                                                                                              \
    "channel.mode=erasure", "quality.source=table", "quality.table=0,0.3 | 1:0,2 | 16:0,0.5 | 31:0,0.1",     \
        "objective.quality_weight=1.5"
#define STEPS                                                                                                \
    "model.split_step=2", "model.min_split=1", "model.max_split=20", "model.first_split_min=3",              \
        "model.first_split_max=15"

static struct slot_id slot_of(const struct db_task *row)
{
    return (struct slot_id){RNG_TRAIN, (uint32_t) row->episode, (uint32_t) row->slot};
}

/* The session keeps each device's last split; an episode begins with the drawn one. */
static void splits_move_by_steps_from_slot_to_slot(void **state)
{
    (void) state;
    struct sim_played played;
    uint32_t before[4] = {0}, moves = 0;
    sim_play(&played, (const char *[]){"devices.count=4", DAMAGED, STEPS, NULL}, "random", SLOTS);
    for (size_t i = 0; i < played.record.rows; i++) {
        const struct db_task *row = &played.record.row[i];
        if (row->slot == 0)
            before[row->device] = env_splits_drawn(&played.world, (uint32_t) row->device, slot_of(row));
        if (row->server == DB_SERVER_NULL)
            continue; /* without a server it keeps its split */
        assert_true(fabs((double) row->split - before[row->device]) <= 2.0);
        assert_in_range(row->split, 1, 20);
        moves += (uint32_t) row->split != before[row->device] ? 1 : 0;
        before[row->device] = (uint32_t) row->split;
    }
    assert_true(moves > played.record.rows / 2);
    sim_finish(&played);
}

static void rows_tell_their_channel_and_what_it_cost(void **state)
{
    (void) state;
    struct sim_played played;
    size_t sent = 0;
    sim_play(&played, (const char *[]){"devices.count=4", DAMAGED, NULL}, "random", SLOTS);
    const struct world *world = &played.world;
    for (size_t i = 0; i < played.record.rows; i++) {
        const struct db_task *row = &played.record.row[i];
        const struct device_params *device = &world->device[row->device];
        double loss = channel_drawn(world, (uint32_t) row->device, slot_of(row));
        struct task_quality quality =
            cost_quality(world, (uint32_t) row->device, slot_of(row), (uint32_t) row->split, loss, 0);
        bool remote = row->server != DB_SERVER_NULL;
        if (remote)
            assert_true(row->channel == loss);
        assert_int_equal(isnan(row->channel), !remote);
        assert_true(row->quality == quality_log_ratio(world, (uint32_t) row->split, loss, 0));
        double cost = cost_task(world, device, (uint32_t) row->tokens, row->latency_s, row->energy_j,
                                row->repaired, &quality);
        assert_true(row->cost == cost);
        sent += row->quality > 0.0 ? 1 : 0;
    }
    assert_true(sent > played.record.rows / 4);
    sim_finish(&played);
}

static void a_reliable_channel_leaves_both_columns_empty(void **state)
{
    (void) state;
    struct sim_played played;
    sim_play(&played, (const char *[]){"devices.count=4", NULL}, "random", SLOTS);
    for (size_t i = 0; i < played.record.rows; i++)
        assert_true(isnan(played.record.row[i].channel) && isnan(played.record.row[i].quality));
    sim_finish(&played);
}

/* Queueing mode: damage comes to a task's cost when it ends, and forecasts count it. */
static void queues_count_damage_too(void **state)
{
    (void) state;
    struct sim_played with, without;
    double quality = 0.0, difference = 0.0;
    sim_play(&with, (const char *[]){SIM_BUSY, DAMAGED, NULL}, "random", SLOTS);
    sim_play(&without, (const char *[]){SIM_BUSY, NULL}, "random", SLOTS);
    assert_int_equal(with.record.rows, without.record.rows);
    for (size_t i = 0; i < with.record.rows; i++) {
        const struct db_task *row = &with.record.row[i];
        if (!sim_is_done(row))
            continue;
        quality += 1.5 * row->quality;
        difference += row->cost - without.record.row[i].cost;
    }
    assert_true(quality > 10.0);
    assert_true(fabs(quality - difference) < 1e-9 * quality);
    sim_finish(&with);
    sim_finish(&without);
}

/* A slot so long that everything is finished in it, as in test_forecast: what was foreseen is what it costs. */
static void a_forecast_foresees_the_damage(void **state)
{
    (void) state;
    struct sim_played played;
    struct env_view view;
    struct forecast forecast;
    sim_play(&played, (const char *[]){"run.mode=queue", "run.slot_s=1000", "devices.count=6", DAMAGED, NULL},
             "random", 1);
    const struct forecast_source model = forecast_model(&played.world);
    assert_int_equal(env_view_init(&view, &played.world), 0);
    assert_int_equal(forecast_init(&forecast, &played.world, &model), 0);
    env_view_begin(&view, (struct slot_id){RNG_TRAIN, 0, 0});
    for (uint32_t n = 0; n < 6; n++) {
        struct mobility mobility;
        struct device_slot met;
        mobility_start(&played.world, n, RNG_TRAIN, 0, &mobility);
        device_slot_meet(&played.world, n, view.id, &mobility, &met);
        env_view_observe(&view, n, met.position, met.speed_mps, met.tokens, met.gain);
    }
    forecast_begin(&forecast, &view);
    double foreseen = 0.0, happened = 0.0;
    for (uint32_t m = 0; m < played.world.servers; m++) {
        struct forecast_way way[6];
        uint32_t who[6], count = 0;
        double cost = 0.0;
        for (uint32_t n = 0; n < 6; n++) {
            const struct db_task *row = &played.record.row[n];
            if (row->server != (int32_t) m)
                continue;
            who[count] = n;
            way[count++] = (struct forecast_way){(uint32_t) row->split, row->coding};
            happened += row->cost - (row->repaired ? 0.1 : 0.0);
        }
        assert_int_equal(forecast_server(&forecast, m, who, way, count, &cost), 0);
        foreseen += cost;
    }
    assert_true(happened > 0.0 && fabs(foreseen - happened) < 1e-9 * happened);
    forecast_finish(&forecast);
    env_view_finish(&view);
    sim_finish(&played);
}

/* With reward shaped a slot's reward is minus one task's cost, and that is positive mostly. */
static void an_episodes_return_is_the_papers_reward(void **state)
{
    (void) state;
    struct sim_played played;
    sim_play(&played,
             (const char *[]){"devices.count=1", "servers.count=1", "servers.coverage_m=2000", DAMAGED, STEPS,
                              "objective.reward=shaped", "objective.gain_weight=0.1", NULL},
             "stay", 5);
    for (size_t i = 0; i < played.record.rows; i++) {
        const struct db_task *row = &played.record.row[i];
        double early = (20.0 - row->split) / 20.0, gain = 1.0 - exp(row->quality);
        assert_true(fabs(row->cost + 0.1 * gain + early) < 1e-12);
    }
    assert_int_equal(played.record.rows, 10);
    sim_finish(&played);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_move_by_steps_from_slot_to_slot),
        cmocka_unit_test(rows_tell_their_channel_and_what_it_cost),
        cmocka_unit_test(a_reliable_channel_leaves_both_columns_empty),
        cmocka_unit_test(queues_count_damage_too),
        cmocka_unit_test(a_forecast_foresees_the_damage),
        cmocka_unit_test(an_episodes_return_is_the_papers_reward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
