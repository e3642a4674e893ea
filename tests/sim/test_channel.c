/* Bad channels (channel.mode): what nodes do in each mode is what the cost model says, in rounds and in queues, and what
 * is missing is what the law of its packets says, whatever happened on the way. */
#include "tests/sim/played.h"

#include <stdio.h>

#include "core/base/units.h"
#include "core/model/channel_missing.h"
#include "core/model/cost.h"

#define SLOTS 40u
#define KEYS_MAX 24u

/* Without repetitions and jitter all is known in advance. */
static const char *const certain[][4] = {
    {"channel.mode=bounded"},
    {"channel.mode=bounded", "channel.margin_db=3"},
    {"channel.mode=bounded", "channel.margin_db=3", "channel.deadline_s=0.3"},
    {"channel.mode=bounded", "link.delay_s=0.02", "channel.deadline_s=0.1"},
    {"channel.mode=analog", "channel.snr=radio"},
    {"channel.mode=analog", "channel.snr_db_min=-5", "channel.snr_db_max=20"},
    {"channel.mode=erasure"},
    {"channel.mode=bits", "model.bits_per_element=8.5"},
    {"channel.harq=on", "channel.harq_error=0"},
};
static const char *const drawn[][4] = {
    {"channel.harq=on"},
    {"channel.harq=on", "link.jitter_s=0.01", "link.loss=0.05"},
    {"channel.mode=bounded", "channel.transmissions=3", "link.jitter_s=0.01"},
    {"channel.mode=bounded", "channel.margin_db=0", "channel.transmissions=4", "link.loss=0.05"},
    {"channel.mode=bounded", "channel.transmissions=2", "action.margins_db=0 3 20", "action.formats=q4"},
};
#define COUNT(list) (sizeof(list) / sizeof *(list))

/* `before`, then the first four of `more`; NULL ends each. */
static void join(const char *const *before, const char *const more[4], const char *ret[KEYS_MAX])
{
    size_t count = 0;
    for (; *before != NULL; before++)
        ret[count++] = *before;
    for (size_t i = 0; i < 4 && more[i] != NULL; i++)
        ret[count++] = more[i];
    assert_true(count < KEYS_MAX);
    ret[count] = NULL;
}

static double gain_of(const struct world *world, const struct db_task *row)
{
    const struct slot_id id = {RNG_TRAIN, (uint32_t) row->episode, (uint32_t) row->slot};
    struct mobility mobility;
    struct device_slot met;
    mobility_start(world, (uint32_t) row->device, id.phase, id.episode, &mobility);
    for (uint32_t slot = 0; slot < id.slot; slot++)
        mobility_step(world, (uint32_t) row->device, id.phase, id.episode, slot, &mobility);
    device_slot_meet(world, (uint32_t) row->device, id, &mobility, &met);
    return met.gain[row->served_by];
}

static struct task_outcome foreseen(const struct world *world, const struct db_task *row)
{
    struct task_plan plan = {.split = (uint32_t) row->split};
    struct task_outcome outcome;
    double gain = 0.0;
    if (row->served_by != DB_SERVER_NULL) {
        plan.server = (uint32_t) row->served_by;
        plan.bandwidth_share = row->bandwidth_share;
        plan.compute_share = row->compute_share;
        plan.coding = row->coding;
        gain = gain_of(world, row);
    }
    cost_outcome(world, (uint32_t) row->device, (uint32_t) row->tokens, gain, &plan, &outcome);
    return outcome;
}

/* What the law of packets says of a row, which nobody asked while it was made. */
static double missing_of(const struct world *world, const struct db_task *row)
{
    const struct channel_crossing crossing = {
        .id = {RNG_TRAIN, (uint32_t) row->episode, (uint32_t) row->slot},
        .device = (uint32_t) row->device,
        .server = (uint32_t) row->served_by,
        .use = channel_up_coded(world, (uint32_t) row->split, row->coding),
        .bits = row->payload_bytes * 8.0,
        .rate_bps = row->rate_bps,
    };
    uint32_t packets = transfer_packets(crossing.bits), missing = 0;
    for (uint32_t i = 0; i < packets; i++)
        missing += channel_packet_missing(world, &crossing, i) ? 1 : 0;
    return missing / (double) packets;
}

struct tally {
    uint32_t remote, damaged;
    double missing, expected;
};

static void check_missing(const struct world *world, const struct db_task *row, struct tally *tally)
{
    bool can = world->scenario.channel.mode == CHANNEL_BOUNDED && row->served_by != DB_SERVER_NULL;
    assert_true(isnan(row->missing) == !can);
    if (!can)
        return;
    assert_same(row->missing, missing_of(world, row));
    tally->remote++;
    tally->damaged += row->missing > 0.0 ? 1 : 0;
    tally->missing += row->missing;
}

/* Token ids are, until they come. */
static bool are_repeated(const struct world *world, const struct db_task *row)
{
    return world->scenario.channel.mode == CHANNEL_BOUNDED && row->split == 0;
}

static const char *const rounds[] = {"devices.count=10", "servers.count=2", "servers.coverage_m=2000", NULL};

static void nodes_do_what_the_model_says_to_the_bit_where_nothing_is_drawn(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(certain); i++) {
        struct sim_played played;
        struct tally tally = {0};
        const char *keys[KEYS_MAX];
        uint32_t splits = 0;
        join(rounds, certain[i], keys);
        sim_play(&played, keys, "random", SLOTS);
        for (size_t r = 0; r < played.record.rows; r++) {
            const struct db_task *row = &played.record.row[r];
            const struct task_outcome outcome = foreseen(&played.world, row);
            assert_same(row->local_s, outcome.times.local_s);
            assert_same(row->edge_s, outcome.times.edge_s);
            if (!are_repeated(&played.world, row)) {
                assert_same(row->transmit_s, outcome.times.transmit_s);
                assert_same(row->latency_s, outcome.latency_s);
                assert_same(row->energy_j, outcome.energy_j);
                assert_same(row->transmit_j, outcome.joules.transmit_j);
            }
            assert_same(row->rate_bps, outcome.rate_bps);
            assert_same(row->payload_bytes * 8.0, outcome.payload_bits);
            check_missing(&played.world, row, &tally);
            tally.expected += outcome.missing;
            splits += row->split > 0 && row->served_by != DB_SERVER_NULL ? 1 : 0;
        }
        assert_true(splits > 500);
        if (played.world.scenario.channel.mode == CHANNEL_BOUNDED) {
            assert_true(tally.damaged > 100);
            assert_near(tally.missing, tally.expected, 0.02 * tally.expected);
        }
        sim_finish(&played);
    }
}

static void what_is_foreseen_of_draws_is_their_mean(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(drawn); i++) {
        struct sim_played played;
        struct tally tally = {0};
        const char *keys[KEYS_MAX];
        double took_s = 0.0, expected_s = 0.0;
        join(rounds, drawn[i], keys);
        sim_play(&played, keys, "random", 4 * SLOTS);
        for (size_t r = 0; r < played.record.rows; r++) {
            const struct db_task *row = &played.record.row[r];
            const struct task_outcome outcome = foreseen(&played.world, row);
            took_s += row->transmit_s;
            expected_s += outcome.times.transmit_s;
            check_missing(&played.world, row, &tally);
            tally.expected += outcome.missing;
        }
        assert_near(took_s, expected_s, 0.01 * expected_s);
        assert_near(tally.missing, tally.expected, 0.05 * tally.expected);
        sim_finish(&played);
    }
}

/* ---- codings ---- */

#define CODED                                                                                                \
    "channel.mode=bounded", "action.formats=int8 q4", "action.margins_db=0 3 10", "quality.source=table",    \
        "objective.quality_weight=2", "quality.table=0,1|1:0,3", "quality.formats=q4=0,1|1:0.1,3.5"

/* What each of them decides is what nodes do, and what the model said of it. */
static void decided_codings_are_sent_as_the_model_says(void **state)
{
    (void) state;
    static const char *const policies[] = {"random",  "greedy",        "neurosurgeon",
                                           "optimum", "best-response", "multi-start"};
    for (size_t p = 0; p < COUNT(policies); p++) {
        struct sim_played played;
        struct tally tally = {0};
        uint32_t seen[7] = {0};
        sim_play(
            &played,
            (const char *[]){"devices.count=4", "servers.count=2", "servers.coverage_m=2000", CODED, NULL},
            policies[p], SLOTS);
        for (size_t r = 0; r < played.record.rows; r++) {
            const struct db_task *row = &played.record.row[r];
            const struct task_outcome outcome = foreseen(&played.world, row);
            const struct coding coding =
                coding_at(&played.world.codings, &played.world.scenario, row->coding);
            bool sends = row->server != DB_SERVER_NULL;
            check_missing(&played.world, row, &tally);
            assert_same(row->payload_bytes * 8.0, outcome.payload_bits);
            assert_same(row->rate_bps, outcome.rate_bps);
            if (!are_repeated(&played.world, row))
                assert_same(row->transmit_s, outcome.times.transmit_s);
            assert_true(isnan(row->margin_db) == !sends && isnan(row->element_bits) == !sends);
            assert_true(!sends || row->margin_db == coding.margin_db);
            assert_true(!sends || row->element_bits == coding.bits_per_element);
            assert_true(sends || row->coding == 0);
            seen[row->coding]++;
        }
        for (uint32_t i = 0; i < 7 && p == 0; i++)
            assert_true(seen[i] > 10); /* random takes all */
        if (p > 0)
            assert_true(seen[1] + seen[2] + seen[3] + seen[4] + seen[5] + seen[6] > 20);
        sim_finish(&played);
    }
}

/* No other coding of any one device would have been better: with equal shares, the others' tasks stay as they are. */
static void the_optimum_takes_the_best_coding_of_each_task(void **state)
{
    (void) state;
    struct sim_played played;
    uint32_t remote = 0;
    sim_play(&played,
             (const char *[]){"devices.count=4", "servers.count=2", "servers.coverage_m=2000", CODED, NULL},
             "optimum", SLOTS);
    for (size_t r = 0; r < played.record.rows; r++) {
        const struct db_task *row = &played.record.row[r];
        const struct world *world = &played.world;
        const struct slot_id id = {RNG_TRAIN, (uint32_t) row->episode, (uint32_t) row->slot};
        if (row->server == DB_SERVER_NULL)
            continue;
        double gain = gain_of(world, row), decided = HUGE_VAL, best = HUGE_VAL;
        for (uint32_t coding = 0; coding < world->codings.count; coding++) {
            struct task_plan plan = {
                .split = row->split,
                .server = (uint32_t) row->server,
                .bandwidth_share = row->bandwidth_share,
                .compute_share = row->compute_share,
                .coding = coding,
            };
            struct task_outcome outcome;
            cost_outcome(world, row->device, row->tokens, gain, &plan, &outcome);
            struct task_quality quality = cost_quality_planned(world, row->device, id, gain, &plan, &outcome);
            double cost = cost_task(world, &world->device[row->device], row->tokens, outcome.latency_s,
                                    outcome.energy_j, false, &quality);
            best = fmin(best, cost);
            decided = coding == row->coding ? cost : decided;
        }
        assert_same(decided, best);
        remote++;
    }
    assert_true(remote > 50);
    sim_finish(&played);
}

/* ---- on the way ---- */

static const char *const breaks[] = {
    "devices.count=6",
    "servers.count=3",
    "servers.coverage_m=2000",
    "faults.recovery=reoffload",
    "faults.script=slot 3 pause server 1 for 2; slot 9 partition device 2 server 0 for 3; "
    "slot 20 slow server 2 by 0.5 for 4; slot 22 pause server 0 for 3",
    NULL};

static void after_a_loss_the_packets_are_those_of_the_new_server(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(drawn); i++) {
        struct sim_played played;
        struct tally tally = {0};
        const char *keys[KEYS_MAX];
        uint32_t elsewhere = 0;
        join(breaks, drawn[i], keys);
        sim_play(&played, keys, "random", SLOTS);
        for (size_t r = 0; r < played.record.rows; r++) {
            const struct db_task *row = &played.record.row[r];
            if (!sim_is_done(row))
                continue;
            check_missing(&played.world, row, &tally);
            elsewhere += row->served_by != DB_SERVER_NULL && row->served_by != row->server ? 1 : 0;
        }
        assert_true(elsewhere > 5);
        sim_finish(&played);
    }
}

/* Over slots rates change, handovers pass a part on and transfers start again: the law asks for none of that. */
static void in_queues_too_the_law_of_packets_says_what_is_missing(void **state)
{
    (void) state;
    static const char *const handovers[] = {"handover.policy=finish", "handover.policy=resume",
                                            "handover.policy=restart"};
    for (size_t i = 0; i < 3 * COUNT(drawn); i++) {
        struct sim_played played;
        struct tally tally = {0};
        const char *keys[KEYS_MAX];
        uint32_t handed_over = 0;
        join((const char *[]){SIM_BUSY, "servers.coverage_m=320", "mobility.speed_mean=18", handovers[i % 3],
                              NULL},
             drawn[i / 3], keys);
        sim_play(&played, keys, "random", 3 * SLOTS);
        for (size_t r = 0; r < played.record.rows; r++)
            if (sim_is_done(&played.record.row[r])) {
                check_missing(&played.world, &played.record.row[r], &tally);
                handed_over += played.record.row[r].handovers;
            }
        assert_true(handed_over > 0 || i % 3 == 0);
        assert_true(tally.remote > 100 || played.world.scenario.channel.mode != CHANNEL_BOUNDED);
        sim_finish(&played);
    }
}

static void orders_of_messages_change_nothing(void **state)
{
    (void) state;
    static const char *const queue[] = {SIM_BUSY, NULL};
    for (size_t i = 0; i < 2 * (COUNT(certain) + COUNT(drawn)); i++) {
        size_t mode = i / 2;
        const char *keys[KEYS_MAX];
        struct sim_played played;
        const char *const *settings = mode < COUNT(certain) ? certain[mode] : drawn[mode - COUNT(certain)];
        struct sim_record other = {0};
        struct session_result result;
        join(i % 2 == 0 ? breaks : queue, settings, keys);
        bool is_round_only = false; /* scenario_check_channel */
        for (size_t k = 0; k < 4 && settings[k] != NULL; k++)
            is_round_only = is_round_only || strncmp(settings[k], "channel.deadline_s", 18) == 0 ||
                            strcmp(settings[k], "channel.snr=radio") == 0;
        if (i % 2 == 1 && is_round_only)
            continue;
        sim_play(&played, keys, "random", SLOTS);
        struct policy policy = sim_policy(&played.world, &played.settings, "random", false);
        struct session session = sim_session_of(&played, &policy, 2, SLOTS);
        session.sinks = (struct session_sinks){0};
        session_sinks_add(&session.sinks, sim_sink(&other));
        sim_host_run(&session, &(struct sim_host_options){.shuffle = true, .seed = i}, &result);
        sim_assert_same(&other, &played.record);
        policy_destroy(&policy);
        sim_record_finish(&other);
        sim_finish(&played);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_do_what_the_model_says_to_the_bit_where_nothing_is_drawn),
        cmocka_unit_test(what_is_foreseen_of_draws_is_their_mean),
        cmocka_unit_test(decided_codings_are_sent_as_the_model_says),
        cmocka_unit_test(the_optimum_takes_the_best_coding_of_each_task),
        cmocka_unit_test(after_a_loss_the_packets_are_those_of_the_new_server),
        cmocka_unit_test(in_queues_too_the_law_of_packets_says_what_is_missing),
        cmocka_unit_test(orders_of_messages_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
