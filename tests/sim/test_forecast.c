/* Queueing mode, looking ahead: the forecast against what the cores do, the search against brute force, and
 * what a price on work is worth. */
#include "tests/sim/played.h"

#include "core/model/cost.h"
#include "core/model/forecast.h"

/* ---- looking ahead ---- */

/* One slot, so long that everything is finished in it: what the forecast foresees is what the cores do. */
static void the_outlook_is_what_happens_when_nothing_follows(void **state)
{
    (void) state;
    static const char *const fifo[] = {"run.mode=queue", "run.slot_s=1000", "devices.count=12",
                                       "radio.bandwidth_mhz=4", NULL};
    static const char *const shared[] = {"run.mode=queue",
                                         "run.slot_s=1000",
                                         "devices.count=12",
                                         "radio.bandwidth_mhz=4",
                                         "servers.discipline=processor-sharing",
                                         "objective.server_energy=0.5",
                                         "link.delay_s=0.03",
                                         "link.result_kb=20",
                                         "link.down_mbps=2",
                                         NULL};
    /* What packets leave is drawn, and how often token ids go; what elements leave is known. */
    static const char *const margins[] = {
        "run.mode=queue",        "run.slot_s=1000",      "devices.count=12",
        "radio.bandwidth_mhz=4", "channel.mode=bounded", "action.formats=int8 q4",
        "action.margins_db=0 3", "model.min_split=1",    NULL};
    static const char *const formats[] = {"run.mode=queue",
                                          "run.slot_s=1000",
                                          "devices.count=12",
                                          "radio.bandwidth_mhz=4",
                                          "channel.mode=erasure",
                                          "action.formats=int8 q4",
                                          "quality.source=table",
                                          "objective.quality_weight=2",
                                          "quality.table=0,1|1:0,3",
                                          "quality.formats=q4=0,1|1:0.1,3.5",
                                          NULL};
    static const char *const *const keys[] = {fifo, shared, margins, formats};
    for (int which = 0; which < 4; which++) {
        struct sim_played played;
        sim_play(&played, keys[which], "random", 1);
        struct env_view view;
        struct forecast forecast;
        const struct forecast_source model = forecast_model(&played.world);
        assert_int_equal(env_view_init(&view, &played.world), 0);
        assert_int_equal(forecast_init(&forecast, &played.world, &model), 0);
        env_view_begin(&view, (struct slot_id){RNG_TRAIN, 0, 0});
        for (uint32_t n = 0; n < 12; n++) {
            struct mobility mobility;
            struct device_slot met;
            mobility_start(&played.world, n, RNG_TRAIN, 0, &mobility);
            device_slot_meet(&played.world, n, view.id, &mobility, &met);
            env_view_observe(&view, n, met.position, met.speed_mps, met.tokens, met.gain);
        }
        forecast_begin(&forecast, &view);
        double foreseen = 0.0, happened = 0.0;
        for (uint32_t n = 0; n < 12; n++) {
            const struct db_task *row = &played.record.row[n];
            assert_true(sim_is_done(row));
            happened += row->cost - (row->repaired ? 0.1 : 0.0);
            foreseen += row->server == DB_SERVER_NULL ? forecast_local(&forecast, n) : 0.0;
        }
        for (uint32_t m = 0; m < 3; m++) {
            struct forecast_way way[12];
            uint32_t who[12], count = 0;
            double cost = 0.0;
            for (uint32_t n = 0; n < 12; n++)
                if (played.record.row[n].server == (int32_t) m) {
                    who[count] = n;
                    way[count++] =
                        (struct forecast_way){played.record.row[n].split, played.record.row[n].coding};
                }
            assert_int_equal(forecast_server(&forecast, m, who, way, count, &cost), 0);
            foreseen += cost;
        }
        assert_near(foreseen, happened, 1e-9 * happened);
        forecast_finish(&forecast);
        env_view_finish(&view);
        sim_finish(&played);
    }
}

/* All (split, server) of three devices, against the search. */
static void the_search_finds_what_brute_force_finds(void **state)
{
    (void) state;
    static const char *const keys[] = {"run.mode=queue",
                                       "run.slot_s=1000",
                                       "devices.count=3",
                                       "servers.count=2",
                                       "model.llm=gpt2",
                                       "fixed.split=6",
                                       "devices.tflops_min=0.005",
                                       "devices.tflops_max=0.01",
                                       "servers.tflops_min=0.03",
                                       "servers.tflops_max=0.06",
                                       "objective.deadline_s=2",
                                       "radio.bandwidth_mhz=1",
                                       NULL};
    struct sim_played played;
    uint32_t missed = 0;
    sim_play(&played, keys, "myopic", 1);
    struct env_view view;
    struct forecast forecast;
    const struct forecast_source model = forecast_model(&played.world);
    assert_int_equal(env_view_init(&view, &played.world), 0);
    assert_int_equal(forecast_init(&forecast, &played.world, &model), 0);
    struct policy policy = sim_policy(&played.world, &played.settings, "myopic", false);
    struct env_decision decision;
    assert_int_equal(env_decision_init(&decision, 3), 0);
    for (uint32_t episode = 0; episode < 40; episode++) {
        check_observe_all(&view, episode);
        view.backlog_s[0] = 0.3 * (episode % 4);
        policy.kind->decide(&policy, &view, &decision);
        forecast_begin(&forecast, &view);
        double best = (double) INFINITY, found = (double) INFINITY;
        for (uint32_t code = 0; code < 25 * 25 * 25; code++) {
            uint32_t choice[3] = {code % 25, code / 25 % 25, code / 625};
            double cost = 0.0;
            bool same = true, possible = true;
            for (uint32_t n = 0; n < 3; n++) {
                uint32_t m = choice[n] == 24 ? ENV_LOCAL : choice[n] / 12;
                uint32_t s = choice[n] == 24 ? 12 : choice[n] % 12;
                cost += m == ENV_LOCAL ? forecast_local(&forecast, n) : 0.0;
                possible = possible && (m == ENV_LOCAL || view.covered[n * 2 + m]);
                same = same && decision.server[n] == m && decision.split[n] == s;
            }
            for (uint32_t m = 0; m < 2 && possible; m++) {
                struct forecast_way way[3];
                uint32_t who[3], count = 0;
                double group = 0.0;
                for (uint32_t n = 0; n < 3; n++)
                    if (choice[n] != 24 && choice[n] / 12 == m) {
                        who[count] = n;
                        way[count++] = (struct forecast_way){choice[n] % 12, 0};
                    }
                assert_int_equal(forecast_server(&forecast, m, who, way, count, &group), 0);
                cost += group;
            }
            best = possible && cost < best ? cost : best;
            found = same ? cost : found;
        }
        assert_true(isfinite(found) && found >= best);
        missed += found > best * (1.0 + 1e-9) ? 1 : 0;
        assert_true(found <= best * 1.05);
    }
    assert_true(missed <= 2);
    env_decision_finish(&decision);
    policy_destroy(&policy);
    forecast_finish(&forecast);
    env_view_finish(&view);
    sim_finish(&played);
}

/* The scenario's reason: what is best for each slot is not best. */
static void a_price_on_work_beats_the_myopic_optimum(void **state)
{
    (void) state;
    static const char *const keys[] = {"run.mode=queue",
                                       "run.slot_s=0.6",
                                       "devices.count=30",
                                       "task.probability=0.3333333333333333",
                                       "objective.server_energy=0",
                                       "objective.deadline_s=2.4",
                                       "objective.deadline_penalty=1",
                                       NULL};
    struct sim_played myopic, priced;
    sim_play(&myopic, keys, "myopic", 40);
    sim_play(&priced, keys, "priced", 40);
    assert_true(priced.result.mean_cost < 0.85 * myopic.result.mean_cost);
    for (uint32_t episode = 0; episode < 2; episode++)
        assert_true(priced.record.episode[episode].episode_return >
                    myopic.record.episode[episode].episode_return);
    sim_finish(&myopic);
    sim_finish(&priced);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_outlook_is_what_happens_when_nothing_follows),
        cmocka_unit_test(the_search_finds_what_brute_force_finds),
        cmocka_unit_test(a_price_on_work_beats_the_myopic_optimum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
