/* A device in queueing mode alone: scripted slots, exact times, in both clocks. */
#include "mobile-node/device_queue_virtual.h"

#include "core/base/err.h"
#include "core/base/units.h"
#include "core/model/radio.h"
#include "tests/unit/model/check.h"

#define SERVERS 2u
#define TINY 1e-9

struct bench {
    struct world world;
    struct device_queue *queue;           /* real time; else NULL */
    struct device_queue_virtual *virtual; /* virtual time; else NULL */
    struct device_queue_actions actions;
    struct diag diag;
    uint64_t round;
    double gain[64][SERVERS];
};

static void open_bench(struct bench *bench, const char *const *extra, bool in_real_time)
{
    const char *keys[16] = {"run.mode=queue",  "run.slot_s=0.5",        "devices.count=1",
                            "servers.count=2", "radio.bandwidth_mhz=2", "servers.coverage_m=2000"};
    for (size_t i = 0; extra != NULL && extra[i] != NULL; i++)
        keys[6 + i] = extra[i];
    *bench = (struct bench){.world = check_world(keys)};
    if (in_real_time)
        assert_int_equal(device_queue_create(&bench->queue, &bench->world, 0), 0);
    else
        assert_int_equal(device_queue_virtual_create(&bench->virtual, &bench->world, 0), 0);
}

static void close_bench(struct bench *bench)
{
    device_queue_destroy(bench->queue);
    device_queue_virtual_destroy(bench->virtual);
    world_finish(&bench->world);
}

static int step_at(struct bench *bench, enum device_queue_event_kind kind,
                   const struct proto_message *message, double now_s)
{
    struct device_queue_event event = {
        .kind = kind, .now_s = now_s, .way_s = (double) NAN, .message = message};
    return device_queue_step(bench->queue, &event, &bench->actions, &bench->diag);
}

static int take_at(struct bench *bench, const struct proto_message *message, double now_s)
{
    if (bench->virtual != NULL)
        return device_queue_virtual_take(bench->virtual, message, &bench->actions, &bench->diag);
    return step_at(bench, DEVICE_QUEUE_ON_MESSAGE, message, now_s);
}

/* The i-th action of a kind in the last step; NULL: there are fewer. */
static const struct device_queue_action *find(const struct bench *bench, enum device_queue_action_kind kind,
                                              size_t which)
{
    for (size_t i = 0; i < bench->actions.count; i++)
        if (bench->actions.list[i].kind == kind && which-- == 0)
            return &bench->actions.list[i];
    return NULL;
}

static const struct proto_message *told(const struct bench *bench, enum proto_id id)
{
    for (size_t i = 0; i < bench->actions.count; i++)
        if (bench->actions.list[i].kind == DEVICE_QUEUE_TELL && bench->actions.list[i].message.id == id)
            return &bench->actions.list[i].message;
    return NULL;
}

/* Nothing goes out. */
static void assert_silent(const struct bench *bench)
{
    assert_null(find(bench, DEVICE_QUEUE_TELL, 0));
    assert_null(find(bench, DEVICE_QUEUE_DELIVER, 0));
    assert_null(find(bench, DEVICE_QUEUE_SEND, 0));
}

static const struct proto_message *slot_at(struct bench *bench, uint32_t slot, double now_s)
{
    struct proto_message message = {.id = PROTO_SLOT, .slot = {.round = bench->round = slot, .slot = slot}};
    assert_int_equal(take_at(bench, &message, now_s), 0);
    const struct proto_message *observation = told(bench, PROTO_OBSERVATION);
    assert_non_null(observation);
    memcpy(bench->gain[slot], observation->observation.gain.data, sizeof bench->gain[slot]);
    return observation;
}

static const struct proto_message *slot(struct bench *bench, uint32_t number)
{
    return slot_at(bench, number, 0.0);
}

static void decide_at(struct bench *bench, uint32_t split, uint32_t server, double share, double now_s)
{
    const double shares[SERVERS] = {share, share};
    bool local = split == bench->world.llm->layers;
    struct proto_message message = {
        .id = PROTO_DECISION,
        .decision = {.round = bench->round,
                     .split = split,
                     .server = local ? PROTO_SERVER_NONE : server,
                     .share = {shares, SERVERS}},
    };
    assert_int_equal(take_at(bench, &message, now_s), 0);
}

static void decide(struct bench *bench, uint32_t split, uint32_t server, double share)
{
    decide_at(bench, split, server, share, 0.0);
}

static double rate_bps(const struct bench *bench, uint32_t slot_number, uint32_t server, double share)
{
    return radio_rate_bps(&bench->world.scenario, share * 2.0 * UNITS_MHZ,
                          bench->world.device[0].transmit_power_w, bench->gain[slot_number][server]);
}

static double local_s(const struct bench *bench, uint32_t split)
{
    return cost_local_s(&bench->world, &bench->world.device[0], 128, split);
}

#define BITS (16.0 * 128 * 4096) /* of one hidden state */

/* When a transfer that begins at begin_s is through, by the rates of the slots it passes. */
static double through_s(const struct bench *bench, double begin_s, double bits, uint32_t server)
{
    double now_s = begin_s;
    for (uint32_t t = (uint32_t) (begin_s / 0.5); t < 64; t++) {
        double rate = rate_bps(bench, t, server, 0.5), end_s = (t + 1) * 0.5;
        if (bits <= rate * (end_s - now_s))
            return now_s + bits / rate;
        bits -= rate * (end_s - now_s);
        now_s = end_s;
    }
    return (double) INFINITY;
}

static void a_local_task_is_reported_in_the_slot_in_which_it_ends(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, NULL, false);
    double full_s = local_s(&bench, 32);
    uint32_t last = (uint32_t) (full_s / 0.5);
    for (uint32_t t = 0; t <= last; t++) {
        const struct proto_message *observation = slot(&bench, t);
        if (t > 0) {
            assert_near(observation->observation.processor_s, full_s + (t - 1) * full_s - t * 0.5, TINY);
            assert_int_equal(observation->observation.accrued_task.count, 1);
            assert_near(observation->observation.accrued_j.data[0], 5.0 * 0.5, TINY);
        }
        decide(&bench, 32, 0, 0.5);
        assert_int_equal(told(&bench, PROTO_REPORT) != NULL, t == last);
        assert_non_null(told(&bench, PROTO_PASSED));
    }
    const struct msg_report *report = &told(&bench, PROTO_REPORT)->report;
    assert_int_equal(report->round, 0);
    assert_near(report->latency_s, full_s, TINY);
    assert_near(report->energy_j, 5.0 * full_s, TINY);
    close_bench(&bench);
}

/* Plays slots until the first task is delivered, with tasks of later slots kept local and waiting; returns
 * the delivery. `at_slot` > 0: then a HANDOVER from server 0 to 1 comes before the DECISION of that slot. */
static struct msg_task deliver(struct bench *bench, uint32_t split, uint32_t at_slot)
{
    for (uint32_t t = 0; t < 64; t++) {
        slot(bench, t);
        if (at_slot > 0 && t == at_slot) {
            struct proto_message handover = {.id = PROTO_HANDOVER,
                                             .handover = {.round = t, .from = 0, .to = 1}};
            assert_int_equal(take_at(bench, &handover, 0.0), 0);
            assert_silent(bench);
        }
        decide(bench, t == 0 ? split : 32, 0, 0.5);
        const struct device_queue_action *action = find(bench, DEVICE_QUEUE_DELIVER, 0);
        if (action == NULL)
            continue;
        const struct msg_passed *passed = &told(bench, PROTO_PASSED)->passed;
        assert_int_equal(passed->task.count, 1);
        assert_int_equal(passed->task.data[0], 0);
        assert_int_equal(passed->server.data[0], at_slot > 0 ? 1 : 0);
        assert_same(passed->arrival_s.data[0], action->message.task.arrival_s);
        assert_int_equal(action->server, passed->server.data[0]);
        return action->message.task;
    }
    fail_msg("nothing was delivered");
    return (struct msg_task){0};
}

static struct msg_report result(struct bench *bench, uint32_t server, double arrival_s)
{
    struct proto_message message = {
        .id = PROTO_RESULT,
        .result = {
            .queue_s = 0.1, .edge_s = 0.2, .finish_s = arrival_s + 0.3, .server = server, .busy_s = 0.2}};
    assert_int_equal(take_at(bench, &message, message.result.finish_s), 0);
    return told(bench, PROTO_REPORT)->report;
}

static void a_transfer_goes_on_through_slots_at_each_ones_rate(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, NULL, false);
    struct msg_task task = deliver(&bench, 2, 0);
    double begin_s = local_s(&bench, 2), end_s = through_s(&bench, begin_s, BITS, 0);
    assert_true(end_s > 1.0); /* or it passed through one slot alone */
    assert_near(task.arrival_s, end_s, TINY);
    assert_near(task.declared_bits, BITS, 0.0);
    struct msg_report report = result(&bench, 0, task.arrival_s);
    assert_near(report.transmit_s, end_s - begin_s, TINY);
    assert_near(report.latency_s, end_s + 0.3, TINY);
    assert_near(report.transmit_j, 0.5 * (end_s - begin_s), TINY);
    assert_near(report.server_j, 150.0 * 0.2, TINY);
    close_bench(&bench);
}

/* Half a second of 3 Mbit/s, an outage, a burst, again and again: not the slots' means count but each step. */
static void a_transfer_follows_every_step_of_a_trace(void **state)
{
    (void) state;
    static const double start_s[] = {0.0, 0.45, 0.83, 0.95}, rate[] = {3e6, 0.0, 9e6, 1e6};
    struct bench bench;
    open_bench(&bench, NULL, false);
    struct track track;
    assert_int_equal(track_init(&track, TRACK_RATE, 4, 1.27), 0);
    memcpy(track.start_s, start_s, sizeof start_s);
    memcpy(track.value, rate, sizeof rate);
    assert_int_equal(tracks_push(&bench.world.rate_tracks, &track), 0);
    const struct track *played = tracks_of(&bench.world.rate_tracks, 0);
    double from_s = world_track_s(&bench.world, played, 0, RNG_TRAIN, 0, 0), begin_s = local_s(&bench, 2);
    for (uint32_t t = 0; t < 64; t++) {
        slot(&bench, t);
        decide(&bench, t == 0 ? 2 : 32, 0, 1.0);
        const struct device_queue_action *action = find(&bench, DEVICE_QUEUE_DELIVER, 0);
        if (action == NULL)
            continue;
        double took_s = action->message.task.arrival_s - begin_s;
        assert_true(took_s > 1.27); /* or it met a part of the trace alone */
        assert_near(track_mean_bps(played, true, from_s + begin_s, took_s) * took_s, BITS, 1.0);
        close_bench(&bench);
        return;
    }
    fail_msg("nothing was delivered");
}

static void a_restarted_transfer_sends_everything_again_from_the_handover_on(void **state)
{
    (void) state;
    static const char *const restart[] = {"handover.policy=restart", "handover.interruption_s=0.1", NULL};
    struct bench bench;
    open_bench(&bench, restart, false);
    struct msg_task task = deliver(&bench, 2, 2);
    double begin_s = local_s(&bench, 2), again_s = 1.1, end_s = through_s(&bench, again_s, BITS, 1);
    assert_near(task.arrival_s, end_s, TINY);
    struct msg_report report = result(&bench, 1, task.arrival_s);
    assert_int_equal(report.handovers, 1);
    assert_near(report.interrupted_s, 0.1, TINY);
    assert_near(report.bandwidth_share, 0.5,
                TINY); /* of the new server: what it had of the old one is past */
    assert_near(report.transmit_s, end_s - begin_s - 0.1, TINY);
    double sent = 0.0;
    for (double at_s = begin_s; at_s < 1.0 - TINY; at_s = 0.5 * ((uint32_t) (at_s / 0.5) + 1))
        sent +=
            rate_bps(&bench, (uint32_t) (at_s / 0.5), 0, 0.5) * (0.5 * ((uint32_t) (at_s / 0.5) + 1) - at_s);
    assert_near(report.extra_bits, sent, 1e-6);
    assert_near(report.extra_j, 0.5 * (1.0 - begin_s), TINY);
    assert_near(report.transmit_j, 0.5 * (end_s - begin_s - 0.1), TINY);
    close_bench(&bench);
}

static void a_resumed_transfer_sends_the_rest_while_the_old_server_passes_on_what_it_has(void **state)
{
    (void) state;
    for (int slow = 0; slow < 2; slow++) {
        const char *const resume[] = {"handover.policy=resume", "handover.interruption_s=0.1",
                                      slow ? "handover.backhaul_mbps=1" : "handover.backhaul_mbps=1000",
                                      "handover.backhaul_nj_bit=10", NULL};
        struct bench bench;
        open_bench(&bench, resume, false);
        double begin_s = local_s(&bench, 2);
        struct msg_task task = deliver(&bench, 2, 2);
        double there = task.forwarded_bits;
        double sent_s = through_s(&bench, 1.1, BITS - there, 1);
        double forwarded_s = 1.1 + there / (slow ? 1e6 : 1e9);
        assert_true(there > 0.0 && there < BITS);
        assert_near(task.arrival_s, fmax(sent_s, forwarded_s), TINY);
        struct msg_report report = result(&bench, 1, task.arrival_s);
        assert_near(report.extra_bits, there, 0.0);
        assert_near(report.bandwidth_share, 0.5, TINY);
        assert_near(report.extra_j, there * 10e-9, TINY);
        assert_near(report.transmit_j, 0.5 * (sent_s - begin_s - 0.1) + there * 10e-9, TINY);
        assert_near(report.latency_s, task.arrival_s + 0.3, TINY);
        close_bench(&bench);
    }
}

static void a_lost_servers_task_is_computed_here_or_sent_elsewhere(void **state)
{
    (void) state;
    for (int away = 0; away < 2; away++) {
        struct bench bench;
        open_bench(&bench, NULL, false);
        struct msg_task task = deliver(&bench, 2, 0);
        uint32_t next = (uint32_t) bench.round + 1;
        slot(&bench, next);
        struct proto_message recover = {
            .id = PROTO_RECOVER,
            .recover = {.round = 0, .attempt = 1, .server = away ? 1 : PROTO_SERVER_NONE}};
        assert_int_equal(take_at(&bench, &recover, 0.0), 0);
        struct proto_message late = {.id = PROTO_RESULT, .result = {.round = 0, .server = 0}};
        assert_int_equal(take_at(&bench, &late, 0.0), 0);
        assert_silent(&bench); /* the lost server's answer is nobody's */
        for (uint32_t t = next;; t++) {
            if (t > next)
                slot(&bench, t);
            decide(&bench, 32, 0, 0.5);
            const struct proto_message *message = told(&bench, PROTO_REPORT);
            const struct device_queue_action *action = find(&bench, DEVICE_QUEUE_DELIVER, 0);
            if (away && action != NULL) {
                assert_int_equal(action->server, 1);
                assert_near(action->message.task.arrival_s, through_s(&bench, next * 0.5, BITS, 1), TINY);
                break;
            }
            bool ours = message != NULL && message->report.attempt == 1;
            if (!ours)
                continue;
            assert_false(away);
            assert_near(message->report.local_s, local_s(&bench, 32), TINY);
            assert_near(message->report.interrupted_s, next * 0.5 - task.arrival_s, TINY);
            assert_near(message->report.extra_bits, BITS, 0.0);
            assert_same(message->report.server_j, 0.0);
            break;
        }
        close_bench(&bench);
    }
}

static void who_misses_a_slot_or_begins_an_episode_forgets(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, NULL, false);
    slot(&bench, 0);
    decide(&bench, 32, 0, 0.5);
    assert_true(slot(&bench, 1)->observation.processor_s > 0.0);
    decide(&bench, 32, 0, 0.5);
    assert_same(slot(&bench, 3)->observation.processor_s, 0.0);
    decide(&bench, 32, 0, 0.5);
    struct proto_message again = {.id = PROTO_SLOT, .slot = {.round = 4, .episode = 1, .slot = 0}};
    assert_int_equal(take_at(&bench, &again, 0.0), 0);
    assert_same(bench.actions.list[0].message.observation.processor_s, 0.0);
    close_bench(&bench);
}

static void a_slot_number_that_does_not_follow_begins_anew(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, NULL, false);
    slot(&bench, 0);
    decide(&bench, 32, 0, 0.5);
    slot(&bench, 1);
    decide(&bench, 32, 0, 0.5);
    struct proto_message again = {.id = PROTO_SLOT, .slot = {.round = 2, .slot = 1}};
    assert_int_equal(take_at(&bench, &again, 0.0), 0);
    assert_same(bench.actions.list[0].message.observation.processor_s, 0.0);
    close_bench(&bench);
}

static void what_is_out_of_place_is_refused(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, NULL, false);
    const double shares[SERVERS] = {1.0, 1.0};
    struct proto_message decision = {
        .id = PROTO_DECISION,
        .decision = {.split = 32, .server = PROTO_SERVER_NONE, .share = {shares, SERVERS}}};
    assert_int_equal(take_at(&bench, &decision, 0.0), ERR_STATE);
    slot(&bench, 0);
    decision.decision.round = 1;
    assert_int_equal(take_at(&bench, &decision, 0.0), ERR_STATE);
    decision.decision.round = 0;
    decision.decision.share.count = 1;
    assert_int_equal(take_at(&bench, &decision, 0.0), ERR_RANGE);
    decision.decision.share.count = SERVERS;
    decision.decision.split = 33;
    assert_int_equal(take_at(&bench, &decision, 0.0), ERR_RANGE);
    struct proto_message recover = {.id = PROTO_RECOVER, .recover = {.round = 7, .attempt = 1, .server = 0}};
    assert_int_equal(take_at(&bench, &recover, 0.0), ERR_STATE);
    struct proto_message handover = {.id = PROTO_HANDOVER, .handover = {.from = 1, .to = 1}};
    assert_int_equal(take_at(&bench, &handover, 0.0), ERR_STATE);
    struct proto_message allot = {.id = PROTO_ALLOT};
    assert_int_equal(take_at(&bench, &allot, 0.0), ERR_STATE);
    decide(&bench, 32, 0, 0.5); /* none of it has left a trace */
    close_bench(&bench);
}

/* In real time: what is begun, what has really ended, and nothing sent twice or too little. */
static void in_real_time_the_shell_is_told_what_to_begin_and_its_times_count(void **state)
{
    (void) state;
    static const char *const resume[] = {"handover.policy=resume", "handover.interruption_s=0.1", NULL};
    struct bench bench;
    open_bench(&bench, resume, true);
    slot_at(&bench, 0, 0.0);
    decide_at(&bench, 2, 0, 0.5, 0.01);
    assert_near(find(&bench, DEVICE_QUEUE_COMPUTE, 0)->due_s, 0.01 + local_s(&bench, 2), TINY);
    assert_int_equal(step_at(&bench, DEVICE_QUEUE_ON_COMPUTED, NULL, 0.2), 0);
    const struct device_queue_action *send = find(&bench, DEVICE_QUEUE_SEND, 0);
    assert_near(send->bits, BITS, 0.0);
    assert_near(send->rate_bps, rate_bps(&bench, 0, 0, 0.5), TINY);
    assert_near(send->due_s, 0.2 + BITS / send->rate_bps, TINY);
    slot_at(&bench, 1, 0.5);
    struct proto_message handover = {.id = PROTO_HANDOVER, .handover = {.round = 1, .from = 0, .to = 1}};
    assert_int_equal(take_at(&bench, &handover, 0.51), 0);
    assert_int_equal(find(&bench, DEVICE_QUEUE_STOP, 0)->server, 0);
    decide_at(&bench, 32, 0, 0.5, 0.52);
    assert_near(find(&bench, DEVICE_QUEUE_WAIT, 0)->due_s, 0.51 + 0.1, TINY);
    assert_null(find(&bench, DEVICE_QUEUE_SEND, 0));
    assert_int_equal(step_at(&bench, DEVICE_QUEUE_ON_WAITED, NULL, 0.615), 0);
    send = find(&bench, DEVICE_QUEUE_SEND, 0);
    assert_int_equal(send->server, 1);
    assert_near(send->bits + send->message.task.forwarded_bits, BITS, 1e-6);
    assert_near(send->message.task.forwarded_bits, rate_bps(&bench, 0, 0, 0.5) * (0.51 - 0.2), 1e-3);
    assert_int_equal(step_at(&bench, DEVICE_QUEUE_ON_SENT, NULL, 3.0), 0);
    assert_int_equal(find(&bench, DEVICE_QUEUE_DELIVER, 0)->server, 1);
    struct proto_message message = {.id = PROTO_RESULT,
                                    .result = {.edge_s = 0.5, .server = 1, .busy_s = 0.5}};
    assert_int_equal(take_at(&bench, &message, 3.6), 0);
    const struct msg_report *report = &told(&bench, PROTO_REPORT)->report;
    assert_near(report->latency_s, 3.59, TINY); /* from its DECISION to its RESULT, in real time */
    assert_near(report->local_s, 0.19, TINY);
    assert_int_equal(step_at(&bench, DEVICE_QUEUE_ON_SENT, NULL, 3.7), 0); /* of a job forgotten: no harm */
    close_bench(&bench);
}

static void in_real_time_a_job_that_is_overdue_when_it_is_told_of_ends_at_once(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, NULL, true);
    slot_at(&bench, 0, 0.0);
    decide_at(&bench, 2, 0, 0.5, 0.01);
    slot_at(&bench, 1, 0.5);
    decide_at(&bench, 1, 0, 0.5, 0.51);
    slot_at(&bench, 2, 1.0);
    assert_int_equal(step_at(&bench, DEVICE_QUEUE_ON_COMPUTED, NULL, 1.01), 0);
    assert_null(find(&bench, DEVICE_QUEUE_COMPUTE, 0)); /* a DECISION is awaited */
    assert_true(local_s(&bench, 1) < 0.3);
    decide_at(&bench, 1, 0, 0.5, 1.4);
    assert_true(find(&bench, DEVICE_QUEUE_COMPUTE, 0)->due_s <= 1.4);
    close_bench(&bench);
}

/* Plays on with local tasks until the first task's REPORT comes. */
static struct msg_report reported(struct bench *bench, uint32_t from_slot)
{
    for (uint32_t t = from_slot; t < 64; t++) {
        if (t > from_slot)
            slot(bench, t);
        decide(bench, 32, 0, 0.5);
        for (size_t i = 0; i < bench->actions.count; i++) {
            const struct proto_message *message = &bench->actions.list[i].message;
            if (message->id == PROTO_REPORT && message->report.round == 0)
                return message->report;
        }
    }
    fail_msg("it was never reported");
    return (struct msg_report){0};
}

static void recover_here(struct bench *bench)
{
    struct proto_message recover = {.id = PROTO_RECOVER,
                                    .recover = {.attempt = 1, .server = PROTO_SERVER_NONE}};
    assert_int_equal(take_at(bench, &recover, 0.0), 0);
}

static void a_server_lost_during_the_interruption_of_a_handover_ends_the_interruption(void **state)
{
    (void) state;
    static const char *const slow[] = {"handover.policy=resume", "handover.interruption_s=3", NULL};
    struct bench bench;
    open_bench(&bench, slow, false);
    double begin_s = local_s(&bench, 2);
    slot(&bench, 0);
    decide(&bench, 2, 0, 0.5);
    slot(&bench, 1);
    struct proto_message handover = {.id = PROTO_HANDOVER, .handover = {.round = 1, .from = 0, .to = 1}};
    assert_int_equal(take_at(&bench, &handover, 0.0), 0);
    decide(&bench, 2, 1, 0.5); /* waits for the radio */
    slot(&bench, 2);
    recover_here(&bench);
    struct msg_report report = reported(&bench, 2);
    assert_near(report.transmit_s, 0.5 - begin_s, TINY);
    assert_near(report.interrupted_s, 0.5, TINY);
    close_bench(&bench);
    /* And the next transfer does not stand still for a handover that was none of its own. */
    open_bench(&bench, slow, false);
    slot(&bench, 0);
    decide(&bench, 2, 0, 0.5);
    slot(&bench, 1);
    assert_int_equal(take_at(&bench, &handover, 0.0), 0);
    decide(&bench, 2, 1, 0.5);
    slot(&bench, 2);
    recover_here(&bench);
    for (uint32_t t = 2; find(&bench, DEVICE_QUEUE_DELIVER, 0) == NULL; t++) {
        assert_true(t < 64);
        if (t > 2)
            slot(&bench, t);
        decide(&bench, 32, 0, 0.5);
    }
    assert_near(find(&bench, DEVICE_QUEUE_DELIVER, 0)->message.task.arrival_s,
                through_s(&bench, 1.0, BITS, 1), TINY);
    close_bench(&bench);
}

/* Whether a lost server's RESULT came before the loss was noticed is chance; the rows must not show it. */
static void a_result_that_came_before_its_server_was_lost_leaves_no_trace(void **state)
{
    (void) state;
    static const char *const far[] = {"link.delay_s=0.1", NULL};
    struct msg_report report[2];
    double accrued_j[2];
    for (int came = 0; came < 2; came++) {
        struct bench bench;
        open_bench(&bench, far, false);
        struct msg_task task = deliver(&bench, 2, 0);
        if (came)
            (void) result(&bench, 0, task.arrival_s);
        const struct msg_observation *seen = &slot(&bench, (uint32_t) bench.round + 1)->observation;
        assert_true(seen->accrued_task.count > 0);
        assert_int_equal(seen->accrued_task.data[0], 0);
        accrued_j[came] = seen->accrued_j.data[0];
        recover_here(&bench);
        report[came] = reported(&bench, (uint32_t) bench.round);
        close_bench(&bench);
    }
    assert_same(accrued_j[1], accrued_j[0]);
    assert_same(report[1].transmit_s, report[0].transmit_s);
    assert_same(report[1].latency_s, report[0].latency_s);
    assert_same(report[1].energy_j, report[0].energy_j);
}

static void in_real_time_who_forgets_stops_sending(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, NULL, true);
    slot_at(&bench, 0, 0.0);
    decide_at(&bench, 2, 1, 0.5, 0.01);
    assert_int_equal(step_at(&bench, DEVICE_QUEUE_ON_COMPUTED, NULL, 0.2), 0);
    assert_non_null(find(&bench, DEVICE_QUEUE_SEND, 0));
    struct proto_message late = {.id = PROTO_SLOT, .slot = {.round = 3, .slot = 3}};
    assert_int_equal(take_at(&bench, &late, 1.5), 0);
    assert_int_equal(find(&bench, DEVICE_QUEUE_STOP, 0)->server, 1);
    close_bench(&bench);
}

static void in_real_time_a_transfer_whose_connection_closes_is_sent_again(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, NULL, true);
    slot_at(&bench, 0, 0.0);
    decide_at(&bench, 2, 1, 0.5, 0.01);
    assert_int_equal(step_at(&bench, DEVICE_QUEUE_ON_COMPUTED, NULL, 0.2), 0);
    assert_int_equal(step_at(&bench, DEVICE_QUEUE_ON_CUT, NULL, 0.3), 0);
    assert_int_equal(bench.actions.count, 0); /* not at once: a server that is gone would be asked for ever */
    slot_at(&bench, 1, 0.5);
    decide_at(&bench, 32, 1, 0.5, 0.51);
    const struct device_queue_action *send = find(&bench, DEVICE_QUEUE_SEND, 0);
    assert_int_equal(send->server, 1);
    assert_near(send->bits, BITS, 0.0);
    close_bench(&bench);
}

/* The layers that the i-th COMPUTE of the last step asks for. */
static void assert_work(const struct bench *bench, size_t which, uint64_t round, uint32_t first,
                        uint32_t last)
{
    const struct device_queue_action *action = find(bench, DEVICE_QUEUE_COMPUTE, which);
    assert_non_null(action);
    assert_int_equal(action->work.device, 0);
    assert_int_equal(action->work.round, round);
    assert_int_equal(action->work.id.slot, round);
    assert_int_equal(action->work.tokens, 128);
    assert_int_equal(action->work.first_layer, first);
    assert_int_equal(action->work.last_layer, last);
}

static void what_is_computed_names_its_task_and_its_layers(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, NULL, true);
    slot_at(&bench, 0, 0.0);
    decide_at(&bench, 20, 1, 0.5, 0.01);
    assert_work(&bench, 0, 0, 0, 20);
    slot_at(&bench, 1, 0.5);
    recover_here(&bench); /* it is still computing: it goes on to the last layer */
    decide_at(&bench, 3, 1, 0.5, 0.51);
    assert_work(&bench, 0, 0, 0, 32);
    assert_near(find(&bench, DEVICE_QUEUE_COMPUTE, 0)->due_s, 0.01 + local_s(&bench, 32), TINY);
    assert_int_equal(step_at(&bench, DEVICE_QUEUE_ON_COMPUTED, NULL, 2.0), 0);
    assert_int_equal(told(&bench, PROTO_REPORT)->report.round, 0);
    assert_work(&bench, 0, 1, 0, 3);
    close_bench(&bench);
    /* It has been sent: what remains is computed here. */
    open_bench(&bench, NULL, false);
    (void) deliver(&bench, 2, 0);
    slot(&bench, (uint32_t) bench.round + 1);
    recover_here(&bench);
    for (uint32_t t = (uint32_t) bench.round; t < 64; t++) {
        if (t > bench.round)
            slot(&bench, t);
        decide(&bench, 32, 0, 0.5);
        for (size_t i = 0; find(&bench, DEVICE_QUEUE_COMPUTE, i) != NULL; i++)
            if (find(&bench, DEVICE_QUEUE_COMPUTE, i)->work.round == 0) {
                assert_work(&bench, i, 0, 2, 32);
                close_bench(&bench);
                return;
            }
    }
    fail_msg("the rest was never computed");
}

static void what_ends_but_is_not_waited_for_changes_nothing(void **state)
{
    (void) state;
    static const enum device_queue_event_kind ends[] = {DEVICE_QUEUE_ON_COMPUTED, DEVICE_QUEUE_ON_SENT,
                                                        DEVICE_QUEUE_ON_WAITED, DEVICE_QUEUE_ON_CUT};
    struct bench bench;
    open_bench(&bench, NULL, true);
    assert_int_equal(step_at(&bench, DEVICE_QUEUE_ON_END, NULL, 0.0), ERR_STATE); /* no slot was decided */
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(step_at(&bench, ends[i], NULL, 0.0), 0);
    slot_at(&bench, 0, 0.0);
    assert_int_equal(step_at(&bench, DEVICE_QUEUE_ON_END, NULL, 0.0), ERR_STATE);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(step_at(&bench, ends[i], NULL, 0.0), 0);
        assert_int_equal(bench.actions.count, 0);
    }
    decide_at(&bench, 2, 1, 0.5, 0.0);
    assert_work(&bench, 0, 0, 0, 2);
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(step_at(&bench, ends[i], NULL, 0.0), 0);
        assert_silent(&bench);
        assert_null(find(&bench, DEVICE_QUEUE_COMPUTE, 0));
    }
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_local_task_is_reported_in_the_slot_in_which_it_ends),
        cmocka_unit_test(a_transfer_goes_on_through_slots_at_each_ones_rate),
        cmocka_unit_test(a_transfer_follows_every_step_of_a_trace),
        cmocka_unit_test(a_restarted_transfer_sends_everything_again_from_the_handover_on),
        cmocka_unit_test(a_resumed_transfer_sends_the_rest_while_the_old_server_passes_on_what_it_has),
        cmocka_unit_test(a_lost_servers_task_is_computed_here_or_sent_elsewhere),
        cmocka_unit_test(who_misses_a_slot_or_begins_an_episode_forgets),
        cmocka_unit_test(a_slot_number_that_does_not_follow_begins_anew),
        cmocka_unit_test(what_is_out_of_place_is_refused),
        cmocka_unit_test(a_server_lost_during_the_interruption_of_a_handover_ends_the_interruption),
        cmocka_unit_test(a_result_that_came_before_its_server_was_lost_leaves_no_trace),
        cmocka_unit_test(in_real_time_a_transfer_whose_connection_closes_is_sent_again),
        cmocka_unit_test(in_real_time_who_forgets_stops_sending),
        cmocka_unit_test(in_real_time_the_shell_is_told_what_to_begin_and_its_times_count),
        cmocka_unit_test(in_real_time_a_job_that_is_overdue_when_it_is_told_of_ends_at_once),
        cmocka_unit_test(what_is_computed_names_its_task_and_its_layers),
        cmocka_unit_test(what_ends_but_is_not_waited_for_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
