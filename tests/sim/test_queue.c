/* Queueing mode, whole sessions: every task, once; every order of arrival against every other; what breaks;
 * handover. */
#include "tests/sim/played.h"

#include <stdio.h>

#include "core/model/cost.h"
#include "orchestrator/host/host_memory.h"

#define TINY 1e-9
#define SHUFFLES 6u

static const char *const busy[] = {SIM_BUSY, NULL};
static const char *const rough[] = {SIM_BUSY,
                                    "link.delay_s=0.03",
                                    "link.jitter_s=0.01",
                                    "link.loss=0.02",
                                    "link.result_kb=20",
                                    "link.down_mbps=2",
                                    NULL};
static const char *const sharing[] = {SIM_BUSY, "servers.discipline=processor-sharing", NULL};

/* ---- every task, once ---- */

static void every_request_has_one_row_in_order_and_a_status(void **state)
{
    (void) state;
    struct sim_played played;
    sim_play(&played, busy, "random", 60);
    size_t place = 0;
    for (uint32_t episode = 0; episode < 2; episode++)
        for (uint32_t slot = 0; slot < 60; slot++)
            for (uint32_t n = 0; n < 8; n++) {
                struct slot_id id = {RNG_TRAIN, episode, slot};
                struct mobility mobility;
                struct device_slot met;
                mobility_start(&played.world, n, RNG_TRAIN, episode, &mobility);
                device_slot_meet(&played.world, n, id, &mobility, &met);
                if (met.tokens == 0)
                    continue;
                const struct db_task *row = &played.record.row[place++];
                assert_int_equal(row->episode, episode);
                assert_int_equal(row->slot, slot);
                assert_int_equal(row->device, n);
                assert_int_equal(row->status == DB_TASK_EXPIRED, !sim_is_done(row));
                assert_true(row->end_slot >= slot && row->end_slot < 60);
            }
    assert_int_equal(place, played.record.rows);
    assert_true(place > 450 && place < 700); /* 0.6 of 960 */
    assert_int_equal(played.result.tasks, place);
    sim_finish(&played);
}

static void latency_is_the_sum_of_its_parts_and_ends_in_the_slot_that_is_said(void **state)
{
    (void) state;
    struct sim_played played;
    sim_play(&played, busy, "random", 60);
    for (size_t i = 0; i < played.record.rows; i++) {
        const struct db_task *row = &played.record.row[i];
        if (!sim_is_done(row))
            continue;
        assert_near(row->latency_s,
                    row->wait_s + row->local_s + row->transmit_s + row->queue_s + row->edge_s +
                        row->interrupted_s,
                    TINY);
        double end = (sim_start_s(&played, row) + row->latency_s) / played.world.scenario.run.slot_s;
        assert_true(end > row->end_slot - TINY && end < row->end_slot + 1 + TINY);
        assert_int_equal(row->deadline_missed, row->latency_s > 2.4);
    }
    sim_finish(&played);
}

static void the_rewards_of_an_episode_add_up_to_its_tasks_costs(void **state)
{
    (void) state;
    for (int discipline = 0; discipline < 2; discipline++) {
        struct sim_played played;
        sim_play(&played, discipline == 0 ? busy : sharing, "random", 60);
        for (uint32_t episode = 0; episode < 2; episode++) {
            double cost = 0.0;
            uint32_t expired = 0;
            for (size_t i = 0; i < played.record.rows; i++)
                if (played.record.row[i].episode == episode) {
                    cost += played.record.row[i].cost;
                    expired += sim_is_done(&played.record.row[i]) ? 0 : 1;
                }
            assert_true(expired > 0);
            assert_near(played.record.episode[episode].episode_return, -cost / 8.0, 1e-7);
        }
        sim_finish(&played);
    }
}

/* Against the same decisions over a plain link: each transfer is longer by the delay, at least, and the
 * RESULT by its own way; nobody's packets are lost for good. */
static void a_rough_link_makes_every_transfer_longer_and_loses_nothing(void **state)
{
    (void) state;
    static const char *const one[] = {SIM_BUSY, "task.probability=0.1", NULL};
    static const char *const one_rough[] = {
        SIM_BUSY,         "task.probability=0.1", "link.delay_s=0.03", "link.jitter_s=0.01",
        "link.loss=0.02", "link.result_kb=20",    "link.down_mbps=2",  NULL};
    struct sim_played plain, other;
    sim_play(&plain, one, "random", 60);
    sim_play(&other, one_rough, "random", 60);
    assert_int_equal(plain.record.rows, other.record.rows);
    size_t compared = 0;
    for (size_t i = 0; i < plain.record.rows; i++) {
        const struct db_task *a = &plain.record.row[i], *b = &other.record.row[i];
        bool remote = a->server != DB_SERVER_NULL && sim_is_done(a) && sim_is_done(b);
        if (!remote)
            continue;
        double longer_s = b->wait_s + b->transmit_s - a->wait_s - a->transmit_s;
        assert_true(longer_s > 0.03 + 0.03 + 20e3 * 8 / 2e6 - TINY);
        compared++;
    }
    assert_true(compared > 30);
    sim_finish(&plain);
    sim_finish(&other);
}

/* ---- order of arrival ---- */

static void play_in(struct sim_played *played, const char *const *keys, const char *name,
                    const struct session_fault *fault, size_t faults, const struct sim_host_options *options)
{
    struct diag diag = {{0}};
    *played = (struct sim_played){.result = {0}};
    played->world = full_world(keys, &played->settings);
    struct policy policy = sim_policy(&played->world, &played->settings, name, true);
    struct session session = sim_session_of(played, &policy, 2, 25);
    session.fault = fault;
    session.fault_count = faults;
    if (options != NULL)
        sim_host_run(&session, options, &played->result);
    else if (host_memory_run(&session, &played->result, &diag) != 0)
        fail_msg("%s", diag.text);
    policy_destroy(&policy);
}

static void assert_same_in_every_order(const char *const *keys, const char *name,
                                       const struct session_fault *fault, size_t faults)
{
    struct sim_played memory, other;
    play_in(&memory, keys, name, fault, faults, NULL);
    for (uint32_t i = 0; i <= SHUFFLES; i++) {
        struct sim_host_options options = {.shuffle = i > 0, .seed = i, .late = i % 2 == 1};
        play_in(&other, keys, name, fault, faults, &options);
        sim_assert_same(&other.record, &memory.record);
        assert_same(other.result.mean_cost, memory.result.mean_cost);
        assert_int_equal(other.result.tasks, memory.result.tasks);
        assert_int_equal(other.result.lost_tasks, memory.result.lost_tasks);
        sim_finish(&other);
    }
    sim_finish(&memory);
}

static void every_order_of_arrival_leaves_the_same_bits(void **state)
{
    (void) state;
    static const char *const learning[] = {SIM_BUSY,         "ddpg.hidden_1=16", "ddpg.hidden_2=16",
                                           "ddpg.warmup=10", "ddpg.batch=8",     NULL};
    static const char *const pricing[] = {SIM_BUSY,
                                          "servers.discipline=processor-sharing",
                                          "plus.warmup=5",
                                          "plus.price_block=4",
                                          "plus.price_settle=1",
                                          NULL};
    static const char *const moving[] = {SIM_BUSY,
                                         "handover.policy=restart",
                                         "mobility.speed_mean=40",
                                         "mobility.speed_max=60",
                                         "servers.coverage_m=350",
                                         "radio.bandwidth_mhz=1",
                                         NULL};
    assert_same_in_every_order(busy, "random", NULL, 0);
    assert_same_in_every_order(sharing, "random", NULL, 0);
    assert_same_in_every_order(busy, "priced", NULL, 0);
    assert_same_in_every_order(learning, "dapo", NULL, 0);
    assert_same_in_every_order(pricing, "dapo-plus", NULL, 0);
    assert_same_in_every_order(moving, "random", NULL, 0);
    assert_same_in_every_order(rough, "random", NULL, 0);
}

static void losses_at_any_phase_leave_the_same_rows_in_every_order_of_arrival(void **state)
{
    (void) state;
    static const struct session_fault fault[] = {
        {0, 3, SESSION_EXECUTE, false, 1, false}, {0, 5, SESSION_SERVE, false, 2, false},
        {0, 8, SESSION_OBSERVE, true, 0, false},  {0, 12, SESSION_OBSERVE, true, 0, true},
        {0, 14, SESSION_OBSERVE, false, 1, true}, {0, 16, SESSION_SERVE, true, 1, false},
        {0, 20, SESSION_OBSERVE, true, 1, true},  {1, 2, SESSION_EXECUTE, true, 0, false},
        {1, 6, SESSION_OBSERVE, false, 5, false}, {1, 24, SESSION_SERVE, true, 1, false},
    };
    static const char *const away[] = {SIM_BUSY, "faults.recovery=reoffload", NULL};
    static const char *const none[] = {SIM_BUSY, "faults.recovery=none", NULL};
    for (size_t kept = 1; kept <= sizeof fault / sizeof *fault; kept += 3)
        assert_same_in_every_order(busy, "random", fault, kept);
    assert_same_in_every_order(away, "edge-best-channel", fault, 10);
    assert_same_in_every_order(none, "random", fault, 10);
}

/* Some of a lost server's RESULTs and REPORTs have come by then, others not: a learner sees no difference. */
static void how_much_of_a_slot_a_lost_server_had_told_does_not_matter(void **state)
{
    (void) state;
    static const char *const learning[] = {
        SIM_BUSY,       "ddpg.hidden_1=16",          "ddpg.hidden_2=16",  "ddpg.warmup=5",
        "ddpg.batch=4", "objective.server_energy=1", "link.delay_s=0.03", NULL};
    struct session_fault fault[24];
    size_t faults = 0;
    for (uint32_t t = 2; faults < 24; t += 2) {
        bool is_device = t % 8 == 0;
        uint32_t number = t / 2 % 2;
        fault[faults++] = (struct session_fault){0, t, SESSION_SERVE, !is_device, number, false};
        fault[faults++] = (struct session_fault){0, t + 1, SESSION_OBSERVE, !is_device, number, true};
    }
    assert_same_in_every_order(learning, "dapo", fault, faults);
}

/* ---- what breaks ---- */

static uint32_t with_status(const struct sim_played *played, enum db_task_status status)
{
    uint32_t count = 0;
    for (size_t i = 0; i < played->record.rows; i++)
        count += played->record.row[i].status == status ? 1 : 0;
    return count;
}

static void tasks_of_a_killed_server_go_on_as_the_scenario_says(void **state)
{
    (void) state;
#define KILL "faults.script=slot 20 kill server 0; slot 40 rejoin server 0"
    static const char *const home[] = {SIM_BUSY, KILL, "faults.recovery=local", NULL};
    static const char *const away[] = {SIM_BUSY, KILL, "faults.recovery=reoffload", NULL};
    static const char *const none[] = {SIM_BUSY, KILL, "faults.recovery=none", NULL};
    struct sim_played played;
    sim_play(&played, home, "random", 60);
    uint32_t saved = with_status(&played, DB_TASK_RECOVERED);
    assert_true(saved > 5);
    assert_int_equal(with_status(&played, DB_TASK_SERVER_LOST), 0);
    for (size_t i = 0; i < played.record.rows; i++) {
        const struct db_task *row = &played.record.row[i];
        if (row->status != DB_TASK_RECOVERED)
            continue;
        assert_int_equal(row->server, 0);
        assert_same(row->server_j, 0.0);
        assert_near(row->local_s, cost_full_s(&played.world, &played.world.device[row->device], row->tokens),
                    TINY); /* both computations together are all layers */
    }
    sim_finish(&played);
    sim_play(&played, away, "random", 60);
    assert_true(with_status(&played, DB_TASK_REOFFLOADED) > 5);
    assert_int_equal(with_status(&played, DB_TASK_SERVER_LOST), 0);
    sim_finish(&played);
    sim_play(&played, none, "random", 60);
    assert_true(with_status(&played, DB_TASK_SERVER_LOST) >= saved);
    sim_finish(&played);
}

/* As twin's decisions do, which were made for the other clock. */
static void decide_blindly(struct policy *policy, const struct env_view *view,
                           struct env_decision *ret_decision)
{
    for (uint32_t n = 0; n < policy->world->devices; n++) {
        bool any = env_has_task(view, n);
        ret_decision->split[n] = any ? 1 : policy->world->llm->layers;
        ret_decision->server[n] = any ? 0 : ENV_LOCAL;
        ret_decision->repaired[n] = false;
    }
}

static void a_task_sent_to_a_server_that_was_lost_before_goes_on_too(void **state)
{
    (void) state;
    static const struct session_fault fault[] = {{0, 5, SESSION_OBSERVE, true, 0, false}};
    const struct policy_kind blind = {.name = "blind", .decide = decide_blindly};
    struct sim_played played = {.world = check_world(busy)};
    struct policy policy = {.kind = &blind, .world = &played.world};
    uint32_t saved = 0;
    played.result = sim_run(&played.world, &policy, 1, 60, fault, 1, &played.record);
    for (size_t i = 0; i < played.record.rows; i++)
        saved += played.record.row[i].slot > 5 && played.record.row[i].status == DB_TASK_RECOVERED;
    assert_true(saved > 20);
    sim_finish(&played);
}

static void under_chaos_every_request_still_has_one_status(void **state)
{
    (void) state;
    for (int seed = 1; seed <= 5; seed++) {
        char text[32];
        (void) snprintf(text, sizeof text, "run.seed=%d", seed);
        const char *const keys[] = {SIM_BUSY, "chaos.rate=0.05", "faults.recovery=reoffload", text, NULL};
        struct sim_played played;
        sim_play(&played, keys, "random", 60);
        uint32_t known = with_status(&played, DB_TASK_DONE) + with_status(&played, DB_TASK_RECOVERED) +
                         with_status(&played, DB_TASK_REOFFLOADED) +
                         with_status(&played, DB_TASK_DEVICE_LOST) +
                         with_status(&played, DB_TASK_SERVER_LOST) + with_status(&played, DB_TASK_EXPIRED);
        assert_int_equal(known, played.record.rows);
        assert_int_equal(known, played.result.tasks);
        assert_true(with_status(&played, DB_TASK_DEVICE_LOST) > 0);
        sim_finish(&played);
    }
}

/* What was reported before a slot began stays done, whoever is lost as it begins. */
static void a_loss_while_observing_changes_nothing_that_had_ended(void **state)
{
    (void) state;
    static const struct session_fault fault[] = {{0, 12, SESSION_OBSERVE, true, 0, false},
                                                 {0, 12, SESSION_OBSERVE, false, 3, false}};
    struct sim_played whole, torn;
    play_in(&whole, busy, "edge-best-channel", NULL, 0, NULL);
    play_in(&torn, busy, "edge-best-channel", fault, 2, NULL);
    uint32_t just_before = 0;
    for (size_t i = 0; i < whole.record.rows && whole.record.row[i].slot < 12; i++) {
        const struct db_task *was = &whole.record.row[i], *is = &torn.record.row[i];
        assert_int_equal(is->device, was->device);
        if (was->end_slot >= 12)
            continue;
        assert_int_equal(is->status, DB_TASK_DONE);
        assert_same(is->cost, was->cost);
        just_before += was->end_slot == 11 ? 1 : 0;
    }
    assert_true(just_before > 1);
    sim_finish(&whole);
    sim_finish(&torn);
}

/* What a lost server computed is counted nowhere: so it does not matter whether servers' energy counts. */
static void the_energy_of_a_lost_server_is_not_in_what_its_tasks_have_cost(void **state)
{
    (void) state;
    double cost[2][64];
    size_t rows[2];
    for (int counted = 0; counted < 2; counted++) {
        const char *const keys[] = {SIM_BUSY,
                                    "fixed.split=1",
                                    "faults.script=slot 20 kill server 0",
                                    "servers.tflops_min=0.2",
                                    "servers.tflops_max=0.2",
                                    "servers.count=1",
                                    "servers.coverage_m=2000",
                                    counted ? "objective.server_energy=1" : "objective.server_energy=0",
                                    NULL};
        struct sim_played played;
        sim_play(&played, keys, "static", 22);
        rows[counted] = 0;
        for (size_t i = 0; i < played.record.rows && rows[counted] < 64; i++)
            if (played.record.row[i].status == DB_TASK_EXPIRED && played.record.row[i].server == 0)
                cost[counted][rows[counted]++] = played.record.row[i].cost;
        sim_finish(&played);
    }
    assert_true(rows[0] > 5);
    assert_int_equal(rows[1], rows[0]);
    for (size_t i = 0; i < rows[0]; i++)
        assert_same(cost[1][i], cost[0][i]);
}

/* A device cut off for minutes: its transfer waits, its deadline passes, and nothing divides by zero. */
static void in_an_outage_tasks_wait_and_their_deadlines_pass(void **state)
{
    (void) state;
    static const char *const keys[] = {"run.mode=queue",
                                       "devices.count=1",
                                       "servers.count=1",
                                       "radio.bandwidth_mhz=2",
                                       "task.probability=0.2",
                                       "servers.coverage_m=2000",
                                       "fixed.split=16",
                                       "faults.script=slot 10 partition device 0 server 0 for 200",
                                       NULL};
    struct sim_played played;
    sim_play(&played, keys, "static", 250);
    uint32_t late = 0;
    for (size_t i = 0; i < played.record.rows; i++) {
        const struct db_task *row = &played.record.row[i];
        if (row->slot < 10 || row->slot >= 200)
            continue;
        late += row->deadline_missed ? 1 : 0;
        assert_true(isfinite(row->cost));
        if (sim_is_done(row))
            assert_true(row->end_slot >= 210 && row->transmit_j < 100.0);
    }
    assert_true(late > 40);
    sim_finish(&played);
}

/* Forty tasks wait for a radio that is cut off, and then arrive at once. */
static void whatever_an_outage_held_back_may_arrive_in_one_slot(void **state)
{
    (void) state;
    static const char *const keys[] = {"run.mode=queue",
                                       "devices.count=1",
                                       "servers.count=1",
                                       "radio.bandwidth_mhz=200",
                                       "run.slot_s=10",
                                       "servers.coverage_m=2000",
                                       "fixed.split=1",
                                       "faults.script=slot 0 partition device 0 server 0 for 40",
                                       NULL};
    struct sim_played played;
    uint32_t at_once = 0;
    sim_play(&played, keys, "static", 60);
    for (size_t i = 0; i < played.record.rows; i++)
        at_once += played.record.row[i].slot < 40 && played.record.row[i].end_slot == 40 ? 1 : 0;
    assert_true(at_once > 4);
    assert_int_equal(with_status(&played, DB_TASK_DONE), played.record.rows);
    sim_finish(&played);
}

/* ---- handover ---- */

static const struct sim_played *moving(struct sim_played *played, const char *policy)
{
    char text[64];
    (void) snprintf(text, sizeof text, "handover.policy=%s", policy);
    const char *const keys[] = {SIM_BUSY,
                                "mobility.speed_mean=40",
                                "mobility.speed_max=60",
                                "servers.coverage_m=350",
                                "radio.bandwidth_mhz=1",
                                "fixed.split=4",
                                text,
                                NULL};
    sim_play(played, keys, "static", 60);
    return played;
}

static void who_leaves_a_servers_coverage_finishes_resumes_or_restarts(void **state)
{
    (void) state;
    struct sim_played played;
    moving(&played, "finish");
    assert_int_equal(played.result.handovers, 0);
    for (size_t i = 0; i < played.record.rows; i++)
        assert_true(!(played.record.row[i].extra_bytes > 0.0) && played.record.row[i].handovers == 0);
    sim_finish(&played);
    for (int restart = 0; restart < 2; restart++) {
        uint32_t handed = 0;
        moving(&played, restart ? "restart" : "resume");
        assert_true(played.result.handovers > 5);
        for (size_t i = 0; i < played.record.rows; i++) {
            const struct db_task *row = &played.record.row[i];
            if (!sim_is_done(row) || row->handovers == 0)
                continue;
            if (row->interrupted_s == 0.0) { /* it was not being sent yet */
                assert_true(row->extra_bytes == 0.0 && row->extra_j == 0.0);
                continue;
            }
            handed++;
            assert_true(row->interrupted_s > 0.0 && row->interrupted_s <= 0.05 * row->handovers + TINY);
            assert_true(row->extra_bytes >= 0.0 && row->extra_bytes <= row->payload_bytes * row->handovers);
            assert_true(restart ? row->extra_j > 0.0 : row->extra_j == 0.0);
            double once_j = 0.5 * row->payload_bytes * 8.0 / row->rate_bps;
            assert_near(row->transmit_j, once_j, 1e-6 * once_j); /* power x time on the radio, all of it */
        }
        assert_true(handed > 3);
        sim_finish(&played);
    }
}

/* 12 s from one server's cell to the other's and further on in it. The trace ends twice or more in an episode. */
static void play_along_a_trace(struct sim_played *played, const char *end)
{
    char key[32];
    (void) snprintf(key, sizeof key, "run.trace_end=%s", end);
    const char *const keys[] = {"run.mode=queue",
                                "run.slot_s=0.6",
                                "devices.count=12",
                                "servers.count=2",
                                "fixed.split=4",
                                "radio.bandwidth_mhz=1",
                                "handover.policy=restart",
                                "task.probability=0.6",
                                key,
                                NULL};
    struct track track;
    *played = (struct sim_played){.result = {0}};
    played->world = full_world(keys, &played->settings);
    played->world.scenario.mobility.kind = MOBILITY_TRACE;
    assert_int_equal(track_init(&track, TRACK_PLACE, 2, 12.0), 0);
    const struct vec2 *from = &played->world.server[0].position, *to = &played->world.server[1].position;
    const double values[] = {from->x, from->y, 5, 0, to->x, to->y, 5, 1};
    memcpy(track.value, values, sizeof values);
    track.start_s[1] = 6.0;
    assert_int_equal(tracks_push(&played->world.place_tracks, &track), 0);
    struct policy policy = sim_policy(&played->world, &played->settings, "static", false);
    played->result = sim_run(&played->world, &policy, 2, 60, NULL, 0, &played->record);
    policy_destroy(&policy);
}

/* Whether the trace of an event's device has come to its end since the slot before. */
static bool at_an_end(const struct sim_played *played, const struct db_event *event)
{
    const struct track *track = tracks_of(&played->world.place_tracks, (uint32_t) event->number);
    double until_s = world_track_s(&played->world, track, (uint32_t) event->number, RNG_TRAIN, event->episode,
                                   event->slot);
    return floor(until_s / 12.0) > floor((until_s - 0.6) / 12.0);
}

static void the_end_of_a_trace_is_nobodys_handover(void **state)
{
    (void) state;
    for (int restart = 0; restart < 2; restart++) {
        struct sim_played played;
        uint32_t handovers = 0, kept = 0;
        play_along_a_trace(&played, restart ? "restart" : "turn");
        for (size_t i = 0; i < played.record.events; i++) {
            const struct db_event *event = &played.record.event[i];
            assert_int_equal(event->kind, DB_EVENT_HANDOVER);
            assert_false(at_an_end(&played, event));
            assert_true(restart == 0 || event->from_server == 0); /* the way back is no way at all */
            handovers++;
        }
        for (size_t i = 0; i < played.record.rows; i++) {
            const struct db_task *row = &played.record.row[i];
            struct slot_id id = {RNG_TRAIN, row->episode, row->slot + 1};
            bool over_the_end =
                row->end_slot > row->slot && device_slot_begins_anew(&played.world, row->device, id);
            kept += over_the_end && row->server == 1 && row->served_by == 1 ? 1 : 0;
        }
        assert_true(handovers > 10);
        assert_int_equal(kept > 3, restart);
        sim_finish(&played);
    }
}

/* A slow backhaul: what is sent to one server is still being passed on there when its device leaves that one
 * too. It stays where it was sent; what is not sent goes on. */
static void what_is_still_being_passed_on_is_not_handed_over_again(void **state)
{
    (void) state;
    static const char *const keys[] = {"run.mode=queue",         "run.slot_s=0.6",
                                       "devices.count=20",       "servers.count=6",
                                       "task.probability=0.6",   "mobility.speed_mean=40",
                                       "mobility.speed_max=60",  "servers.coverage_m=350",
                                       "radio.bandwidth_mhz=4",  "fixed.split=1",
                                       "handover.policy=resume", "handover.backhaul_mbps=0.5",
                                       "chaos.rate=0.02",        NULL};
    struct sim_played played;
    uint32_t twice = 0;
    sim_play(&played, keys, "random", 60);
    for (size_t i = 0; i < played.record.rows; i++)
        twice += played.record.row[i].handovers > 0 && sim_is_done(&played.record.row[i]) ? 1 : 0;
    assert_true(twice > 0);
    sim_finish(&played);
    assert_same_in_every_order(keys, "random", NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_has_one_row_in_order_and_a_status),
        cmocka_unit_test(latency_is_the_sum_of_its_parts_and_ends_in_the_slot_that_is_said),
        cmocka_unit_test(the_rewards_of_an_episode_add_up_to_its_tasks_costs),
        cmocka_unit_test(a_rough_link_makes_every_transfer_longer_and_loses_nothing),
        cmocka_unit_test(every_order_of_arrival_leaves_the_same_bits),
        cmocka_unit_test(losses_at_any_phase_leave_the_same_rows_in_every_order_of_arrival),
        cmocka_unit_test(how_much_of_a_slot_a_lost_server_had_told_does_not_matter),
        cmocka_unit_test(tasks_of_a_killed_server_go_on_as_the_scenario_says),
        cmocka_unit_test(a_task_sent_to_a_server_that_was_lost_before_goes_on_too),
        cmocka_unit_test(under_chaos_every_request_still_has_one_status),
        cmocka_unit_test(a_loss_while_observing_changes_nothing_that_had_ended),
        cmocka_unit_test(the_energy_of_a_lost_server_is_not_in_what_its_tasks_have_cost),
        cmocka_unit_test(in_an_outage_tasks_wait_and_their_deadlines_pass),
        cmocka_unit_test(whatever_an_outage_held_back_may_arrive_in_one_slot),
        cmocka_unit_test(the_end_of_a_trace_is_nobodys_handover),
        cmocka_unit_test(what_is_still_being_passed_on_is_not_handed_over_again),
        cmocka_unit_test(who_leaves_a_servers_coverage_finishes_resumes_or_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
