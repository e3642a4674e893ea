/* Prompts in chunks (compute.chunks): what devices and servers do, chunk by chunk, is what the cost model says of the
 * task, and one lost server is told apart from another by no order of messages. */
#include "tests/sim/played.h"

#include <stdio.h>

#include "core/base/units.h"
#include "core/model/cost.h"
#include "core/model/radio.h"

#define TINY 1e-9
#define SLOTS 40u

static const char *const settings[] = {"task.tokens=128", "model.attention=counted", "link.delay_s=0.03",
                                       "model.times=1:0.01 8:0.012 128:0.05"};
#define SETTINGS (sizeof settings / sizeof *settings)
static const unsigned counts[] = {1, 2, 3, 16, 64};
#define COUNTS (sizeof counts / sizeof *counts)

/* The outcome by the model of a row's task, with the gain that gives its rate. */
static struct task_outcome foreseen(const struct world *world, const struct db_task *row)
{
    bool remote = row->served_by != DB_SERVER_NULL;
    double power_w = world->device[row->device].transmit_power_w, gain = 0.0;
    struct task_plan plan = {.split = (uint32_t) row->split};
    struct task_outcome outcome;
    if (remote) {
        double band_hz = row->bandwidth_share * world->scenario.radio.bandwidth_mhz * UNITS_MHZ;
        plan.server = (uint32_t) row->served_by;
        plan.bandwidth_share = row->bandwidth_share;
        plan.compute_share = row->compute_share;
        gain = radio_gain_for_rate(&world->scenario, band_hz, power_w, row->rate_bps);
    }
    cost_outcome(world, (uint32_t) row->device, (uint32_t) row->tokens, gain, &plan, &outcome);
    return outcome;
}

static void check_row(const struct world *world, const struct db_task *row)
{
    const struct task_outcome outcome = foreseen(world, row);
    assert_near(row->local_s, outcome.times.local_s, TINY);
    assert_near(row->transmit_s, outcome.times.transmit_s, TINY);
    assert_near(row->edge_s, outcome.times.edge_s, TINY);
    assert_near(row->latency_s, outcome.latency_s, TINY);
    assert_near(row->compute_j, outcome.joules.compute_j, 1e-6);
    assert_near(row->transmit_j, outcome.joules.transmit_j, 1e-6);
    assert_near(row->server_j, outcome.joules.server_j, 1e-6);
    assert_near(row->payload_bytes, outcome.payload_bits / 8.0, 1e-3);
}

/* All splits come, local tasks among them, and shares from all of a server to a tenth of it. */
static void nodes_do_what_the_model_says_of_every_split_and_number_of_chunks(void **state)
{
    (void) state;
    char chunks[32];
    for (size_t i = 0; i < SETTINGS * COUNTS; i++) {
        struct sim_played played;
        uint32_t remote = 0;
        bool seen[64] = {false};
        (void) snprintf(chunks, sizeof chunks, "compute.chunks=%u", counts[i % COUNTS]);
        sim_play(&played,
                 (const char *[]){"devices.count=10", "servers.count=2", "servers.coverage_m=2000", chunks,
                                  settings[i / COUNTS], NULL},
                 "random", SLOTS);
        for (size_t r = 0; r < played.record.rows; r++) {
            const struct db_task *row = &played.record.row[r];
            check_row(&played.world, row);
            remote += row->served_by != DB_SERVER_NULL ? 1 : 0;
            seen[row->split] = true;
        }
        for (uint32_t split = 0; split <= played.world.llm->layers; split++)
            assert_true(seen[split]);
        assert_true(remote > 500);
        sim_finish(&played);
    }
}

/* ---- in every order, and with losses ---- */

static void play_in(const struct world *world, const struct settings *policies,
                    const struct sim_host_options *options, struct sim_record *record)
{
    struct sim_played played = {.world = *world};
    struct policy policy = sim_policy(world, policies, "random", false);
    struct session session = sim_session_of(&played, &policy, 2, SLOTS);
    struct session_result result;
    session.world = world;
    session.sinks = (struct session_sinks){0};
    session_sinks_add(&session.sinks, sim_sink(record));
    sim_host_run(&session, options, &result);
    policy_destroy(&policy);
}

static void check_orders(const char *const *keys)
{
    struct settings policies;
    struct world world = full_world(keys, &policies);
    struct sim_record memory = {0};
    struct policy policy = sim_policy(&world, &policies, "random", false);
    (void) sim_run(&world, &policy, 2, SLOTS, NULL, 0, &memory);
    policy_destroy(&policy);
    uint32_t overtook = 0;
    for (uint32_t i = 0; i < 10; i++) {
        struct sim_host_options options = {.shuffle = i > 0, .seed = i, .overtook = &overtook};
        struct sim_record other = {0};
        play_in(&world, &policies, &options, &other);
        sim_assert_same(&other, &memory);
        sim_record_finish(&other);
    }
    assert_true(overtook > 100);
    for (size_t r = 0; r < memory.rows; r++)
        if (sim_is_done(&memory.row[r])) {
            const struct db_task *row = &memory.row[r];
            double sum_s = row->local_s + row->transmit_s + row->queue_s + row->edge_s + row->interrupted_s;
            assert_near(row->latency_s, sum_s, TINY);
        }
    sim_record_finish(&memory);
    world_finish(&world);
}

static void chunks_arrive_in_any_order_and_leave_the_same_rows(void **state)
{
    (void) state;
    check_orders((const char *[]){"devices.count=6", "servers.count=3", "compute.chunks=5",
                                  "link.jitter_s=0.02", "link.loss=0.05", "link.retransmit_s=0.05",
                                  "link.result_kb=3", NULL});
}

static void a_lost_server_is_got_over_in_chunks_in_any_order(void **state)
{
    (void) state;
    static const char *const recoveries[] = {"faults.recovery=none", "faults.recovery=local",
                                             "faults.recovery=reoffload"};
    for (size_t i = 0; i < 3; i++)
        check_orders((const char *[]){
            "devices.count=6", "servers.count=3", "servers.coverage_m=2000", "compute.chunks=4",
            recoveries[i],
            "faults.script=slot 3 pause server 1 for 2; slot 9 partition device 2 server 0 for 3; "
            "slot 20 slow server 2 by 0.5 for 4; slot 22 pause server 0 for 3",
            NULL});
}

/* All chunks go again, as one: what the second server adds is no more than what a whole prompt takes. */
static void what_is_sent_again_is_served_whole(void **state)
{
    (void) state;
    struct sim_played played;
    uint32_t again = 0;
    sim_play(&played,
             (const char *[]){"devices.count=6", "servers.count=3", "servers.coverage_m=2000",
                              "compute.chunks=4", "faults.recovery=reoffload",
                              "faults.script=slot 3 pause server 1 for 2; slot 9 pause server 0 for 4", NULL},
             "random", SLOTS);
    for (size_t r = 0; r < played.record.rows; r++) {
        const struct db_task *row = &played.record.row[r];
        if (!sim_is_done(row) || row->served_by == DB_SERVER_NULL || row->served_by == row->server)
            continue;
        assert_near(row->edge_s,
                    cost_edge_s(&played.world, (uint32_t) row->served_by, row->compute_share,
                                (uint32_t) row->tokens, (uint32_t) row->split),
                    TINY);
        assert_true(row->interrupted_s > 0.0);
        assert_true(row->extra_bytes > 0.0);
        again++;
    }
    assert_true(again > 5);
    sim_finish(&played);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_do_what_the_model_says_of_every_split_and_number_of_chunks),
        cmocka_unit_test(chunks_arrive_in_any_order_and_leave_the_same_rows),
        cmocka_unit_test(a_lost_server_is_got_over_in_chunks_in_any_order),
        cmocka_unit_test(what_is_sent_again_is_served_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
