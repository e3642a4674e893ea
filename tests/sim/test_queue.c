/* Queueing mode, whole sessions: what the rows say is held against naive simulations of queues, sums against
 * sums, and every order of arrival against every other. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/model/cost.h"
#include "core/model/outlook.h"
#include "orchestrator/host_memory.h"

#define TINY 1e-9
#define SHUFFLES 6u

/* Busy: servers queue, radios take several slots, devices compute for longer than a slot. */
#define BUSY                                                                                                 \
    "run.mode=queue", "run.slot_s=0.6", "devices.count=8", "servers.count=2", "task.probability=0.6",        \
        "radio.bandwidth_mhz=8", "objective.deadline_s=2.4"

static const char *const busy[] = {BUSY, NULL};
static const char *const rough[] = {BUSY,
                                    "link.delay_s=0.03",
                                    "link.jitter_s=0.01",
                                    "link.loss=0.02",
                                    "link.result_kb=20",
                                    "link.down_mbps=2",
                                    NULL};
static const char *const sharing[] = {BUSY, "servers.discipline=processor-sharing", NULL};

struct played {
    struct world world;
    struct sim_record record;
    struct session_result result;
};

static struct session session_of(struct played *played, struct policy *policy, uint32_t episodes,
                                 uint32_t slots)
{
    return (struct session){
        .world = &played->world,
        .policy = policy,
        .phase = RNG_TRAIN,
        .episodes = episodes,
        .slots = slots,
        .checkpoint_every = 1,
        .record_tasks = true,
        .sink = sim_sink(&played->record),
    };
}

static void play(struct played *played, const char *const *keys, const char *name, uint32_t slots)
{
    *played = (struct played){.world = check_world(keys)};
    struct policy policy = sim_policy(&played->world, name, false);
    played->result = sim_run(&played->world, &policy, 2, slots, NULL, 0, &played->record);
    policy_destroy(&policy);
}

static void finish(struct played *played)
{
    sim_record_finish(&played->record);
    world_finish(&played->world);
}

static bool is_done(const struct db_task *row)
{
    return !isnan(row->latency_s);
}

static double start_s(const struct played *played, const struct db_task *row)
{
    return row->slot * played->world.scenario.run.slot_s;
}

/* ---- every task, once ---- */

static void every_request_has_one_row_in_order_and_a_status(void **state)
{
    (void) state;
    struct played played;
    play(&played, busy, "random", 60);
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
                assert_int_equal(strcmp(row->status, DB_EXPIRED) == 0, !is_done(row));
                assert_true(row->end_slot >= slot && row->end_slot < 60);
            }
    assert_int_equal(place, played.record.rows);
    assert_true(place > 450 && place < 700); /* 0.6 of 960 */
    assert_int_equal(played.result.tasks, place);
    finish(&played);
}

static void latency_is_the_sum_of_its_parts_and_ends_in_the_slot_that_is_said(void **state)
{
    (void) state;
    struct played played;
    play(&played, busy, "random", 60);
    for (size_t i = 0; i < played.record.rows; i++) {
        const struct db_task *row = &played.record.row[i];
        if (!is_done(row))
            continue;
        assert_near(row->latency_s,
                    row->wait_s + row->local_s + row->transmit_s + row->queue_s + row->edge_s +
                        row->interrupted_s,
                    TINY);
        double end = (start_s(&played, row) + row->latency_s) / played.world.scenario.run.slot_s;
        assert_true(end > row->end_slot - TINY && end < row->end_slot + 1 + TINY);
        assert_int_equal(row->deadline_missed, row->latency_s > 2.4);
    }
    finish(&played);
}

static void the_rewards_of_an_episode_add_up_to_its_tasks_costs(void **state)
{
    (void) state;
    for (int discipline = 0; discipline < 2; discipline++) {
        struct played played;
        play(&played, discipline == 0 ? busy : sharing, "random", 60);
        for (uint32_t episode = 0; episode < 2; episode++) {
            double cost = 0.0;
            uint32_t expired = 0;
            for (size_t i = 0; i < played.record.rows; i++)
                if (played.record.row[i].episode == episode) {
                    cost += played.record.row[i].cost;
                    expired += is_done(&played.record.row[i]) ? 0 : 1;
                }
            assert_true(expired > 0);
            assert_near(played.record.episode[episode].episode_return, -cost / 8.0, 1e-7);
        }
        finish(&played);
    }
}

/* Against the same decisions over a plain link: each transfer is longer by the delay, at least, and the
 * RESULT by its own way; nobody's packets are lost for good. */
static void a_rough_link_makes_every_transfer_longer_and_loses_nothing(void **state)
{
    (void) state;
    static const char *const one[] = {BUSY, "task.probability=0.1", NULL};
    static const char *const one_rough[] = {BUSY,
                                            "task.probability=0.1",
                                            "link.delay_s=0.03",
                                            "link.jitter_s=0.01",
                                            "link.loss=0.02",
                                            "link.result_kb=20",
                                            "link.down_mbps=2",
                                            NULL};
    struct played plain, other;
    play(&plain, one, "random", 60);
    play(&other, one_rough, "random", 60);
    assert_int_equal(plain.record.rows, other.record.rows);
    size_t compared = 0;
    for (size_t i = 0; i < plain.record.rows; i++) {
        const struct db_task *a = &plain.record.row[i], *b = &other.record.row[i];
        bool remote = a->server != DB_SERVER_NULL && is_done(a) && is_done(b);
        if (!remote)
            continue;
        double longer_s = b->wait_s + b->transmit_s - a->wait_s - a->transmit_s;
        assert_true(longer_s > 0.03 + 0.03 + 20e3 * 8 / 2e6 - TINY);
        compared++;
    }
    assert_true(compared > 30);
    finish(&plain);
    finish(&other);
}

/* ---- stations ---- */

struct visit {
    double arrival_s, work_s, finish_s;
    uint32_t device;
};

static int by_arrival(const void *a, const void *b)
{
    const struct visit *x = a, *y = b;
    if (x->arrival_s != y->arrival_s)
        return x->arrival_s < y->arrival_s ? -1 : 1;
    return (x->device > y->device) - (x->device < y->device);
}

/* Naive: of all that are there, equal shares of each instant until the next thing happens. */
static void share_out(struct visit *visit, size_t count, double *ret_finish_s)
{
    double *left = calloc(count + 1, sizeof *left), now_s = 0.0;
    for (size_t i = 0; i < count; i++) {
        left[i] = visit[i].work_s;
        ret_finish_s[i] = (double) INFINITY;
    }
    for (size_t done = 0; done < count;) {
        double next_s = (double) INFINITY;
        size_t there = 0, first = count;
        for (size_t i = 0; i < count; i++) {
            if (isinf(ret_finish_s[i]) && visit[i].arrival_s <= now_s) {
                there++;
                first = first == count || left[i] < left[first] ? i : first;
            } else if (visit[i].arrival_s > now_s && visit[i].arrival_s < next_s) {
                next_s = visit[i].arrival_s;
            }
        }
        double end_s = there > 0 ? now_s + left[first] * (double) there : (double) INFINITY;
        double until_s = end_s <= next_s ? end_s : next_s;
        for (size_t i = 0; i < count; i++)
            if (isinf(ret_finish_s[i]) && visit[i].arrival_s <= now_s)
                left[i] -= (until_s - now_s) / (double) there;
        if (end_s <= next_s) {
            ret_finish_s[first] = end_s;
            done++;
        }
        now_s = until_s;
    }
    free(left);
}

/* The server's tasks of an episode, as rows say when they arrived; stops at the first that was not finished,
 * since nobody knows when that one came. */
static size_t visits(const struct played *played, uint32_t episode, uint32_t server, struct visit *ret)
{
    const struct world *world = &played->world;
    size_t count = 0;
    double end_s = 60 * world->scenario.run.slot_s;
    for (size_t i = 0; i < played->record.rows; i++) {
        const struct db_task *row = &played->record.row[i];
        if (row->episode != episode || row->server != (int32_t) server || !is_done(row))
            continue;
        double arrival_s =
            start_s(played, row) + row->wait_s + row->local_s + row->transmit_s + row->interrupted_s;
        ret[count++] = (struct visit){
            .arrival_s = arrival_s,
            .work_s = cost_edge_s(world, world->server[server].flops, 1.0, row->tokens, row->split),
            .finish_s = start_s(played, row) + row->latency_s,
            .device = row->device,
        };
        assert_true(ret[count - 1].finish_s < end_s + TINY);
    }
    qsort(ret, count, sizeof *ret, by_arrival);
    return count;
}

static void a_fifo_server_takes_them_in_order_and_is_never_idle_while_somebody_waits(void **state)
{
    (void) state;
    struct played played;
    play(&played, busy, "random", 60);
    struct visit *visit = calloc(played.record.rows, sizeof *visit);
    size_t waited = 0;
    for (uint32_t episode = 0; episode < 2; episode++)
        for (uint32_t m = 0; m < 2; m++) {
            size_t count = visits(&played, episode, m, visit);
            double free_s = 0.0;
            assert_true(count > 20);
            for (size_t i = 0; i < count; i++) {
                double begin_s = fmax(visit[i].arrival_s, free_s);
                waited += begin_s > visit[i].arrival_s ? 1 : 0;
                free_s = begin_s + visit[i].work_s;
                assert_near(visit[i].finish_s, free_s, 1e-8);
            }
        }
    assert_true(waited > 100); /* or nothing was tried */
    free(visit);
    finish(&played);
}

/* One server has half of its speed from the first slot on: nobody knows, its queue is that of twice the work,
 * and its joules are its power for as long as it really takes. */
static void a_slow_server_takes_them_in_order_at_its_own_pace(void **state)
{
    (void) state;
    static const char *const keys[] = {BUSY, "faults.script=episode 0 slot 0 slow server 1 by 0.5", NULL};
    struct played whole, played;
    play(&whole, busy, "random", 60);
    play(&played, keys, "random", 60);
    struct visit *visit = calloc(played.record.rows, sizeof *visit);
    for (uint32_t episode = 0; episode < 2; episode++)
        for (uint32_t m = 0; m < 2; m++) {
            size_t count = visits(&played, episode, m, visit);
            double free_s = 0.0;
            assert_true(count > 10);
            for (size_t i = 0; i < count; i++) {
                free_s = fmax(visit[i].arrival_s, free_s) + visit[i].work_s * (m == 1 ? 2.0 : 1.0);
                assert_near(visit[i].finish_s, free_s, 1e-8);
            }
        }
    for (size_t i = 0; i < played.record.rows; i++) {
        const struct db_task *is = &played.record.row[i], *was = &whole.record.row[i];
        assert_int_equal(is->server, was->server);
        assert_int_equal(is->split, was->split);
        if (is_done(is) && is->server != DB_SERVER_NULL)
            assert_near(is->server_j, played.world.server[is->server].power_w * is->edge_s, 1e-7);
    }
    assert_int_equal(played.record.rows, whole.record.rows);
    assert_int_equal(played.record.events, 1);
    free(visit);
    finish(&whole);
    finish(&played);
}

/* Tasks that were there at the end and are not in the rows took their share too: only what was finished
 * before the first of them can have come is compared. */
static void a_sharing_server_divides_each_instant_equally(void **state)
{
    (void) state;
    struct played played;
    play(&played, sharing, "random", 60);
    struct visit *visit = calloc(played.record.rows, sizeof *visit);
    double *finish_s = calloc(played.record.rows, sizeof *finish_s);
    size_t compared = 0;
    for (uint32_t episode = 0; episode < 2; episode++)
        for (uint32_t m = 0; m < 2; m++) {
            size_t count = visits(&played, episode, m, visit);
            double sure_s = 60 * 0.6;
            for (size_t i = 0; i < played.record.rows; i++) {
                const struct db_task *row = &played.record.row[i];
                if (row->episode == episode && row->server == (int32_t) m && !is_done(row))
                    sure_s = fmin(sure_s, start_s(&played, row));
            }
            share_out(visit, count, finish_s);
            for (size_t i = 0; i < count; i++)
                if (visit[i].finish_s < sure_s) {
                    assert_near(visit[i].finish_s, finish_s[i], 1e-7);
                    compared++;
                }
        }
    assert_true(compared > 100);
    free(visit);
    free(finish_s);
    finish(&played);
}

static void a_device_computes_one_task_after_the_other(void **state)
{
    (void) state;
    struct played played;
    play(&played, busy, "local", 60);
    for (uint32_t episode = 0; episode < 2; episode++)
        for (uint32_t n = 0; n < 8; n++) {
            double free_s = 0.0;
            for (size_t i = 0; i < played.record.rows; i++) {
                const struct db_task *row = &played.record.row[i];
                if (row->episode != episode || row->device != n || !is_done(row))
                    continue;
                double begin_s = fmax(start_s(&played, row), free_s);
                assert_near(row->wait_s, begin_s - start_s(&played, row), TINY);
                assert_near(row->local_s, cost_full_s(&played.world, &played.world.device[n], row->tokens),
                            TINY);
                free_s = begin_s + row->local_s;
            }
        }
    finish(&played);
}

/* ---- order of arrival ---- */

static void play_in(struct played *played, const char *const *keys, const char *name,
                    const struct session_fault *fault, size_t faults, const struct sim_host_options *options)
{
    struct diag diag = {{0}};
    *played = (struct played){.world = check_world(keys)};
    struct policy policy = sim_policy(&played->world, name, true);
    struct session session = session_of(played, &policy, 2, 25);
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
    struct played memory, other;
    play_in(&memory, keys, name, fault, faults, NULL);
    for (uint32_t i = 0; i <= SHUFFLES; i++) {
        struct sim_host_options options = {.shuffle = i > 0, .seed = i, .late = i % 2 == 1};
        play_in(&other, keys, name, fault, faults, &options);
        sim_assert_same(&other.record, &memory.record);
        assert_same(other.result.mean_cost, memory.result.mean_cost);
        assert_int_equal(other.result.tasks, memory.result.tasks);
        assert_int_equal(other.result.lost_tasks, memory.result.lost_tasks);
        finish(&other);
    }
    finish(&memory);
}

static void every_order_of_arrival_leaves_the_same_bits(void **state)
{
    (void) state;
    static const char *const learning[] = {
        BUSY, "ddpg.hidden_1=16", "ddpg.hidden_2=16", "ddpg.warmup=10", "ddpg.batch=8", NULL};
    static const char *const pricing[] = {BUSY,
                                          "servers.discipline=processor-sharing",
                                          "plus.warmup=5",
                                          "plus.price_block=4",
                                          "plus.price_settle=1",
                                          NULL};
    static const char *const moving[] = {BUSY,
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
    static const char *const away[] = {BUSY, "faults.recovery=reoffload", NULL};
    static const char *const none[] = {BUSY, "faults.recovery=none", NULL};
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
        BUSY,           "ddpg.hidden_1=16",          "ddpg.hidden_2=16",  "ddpg.warmup=5",
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

static uint32_t with_status(const struct played *played, const char *status)
{
    uint32_t count = 0;
    for (size_t i = 0; i < played->record.rows; i++)
        count += strcmp(played->record.row[i].status, status) == 0 ? 1 : 0;
    return count;
}

static void tasks_of_a_killed_server_go_on_as_the_scenario_says(void **state)
{
    (void) state;
#define KILL "faults.script=slot 20 kill server 0; slot 40 rejoin server 0"
    static const char *const home[] = {BUSY, KILL, "faults.recovery=local", NULL};
    static const char *const away[] = {BUSY, KILL, "faults.recovery=reoffload", NULL};
    static const char *const none[] = {BUSY, KILL, "faults.recovery=none", NULL};
    struct played played;
    play(&played, home, "random", 60);
    uint32_t saved = with_status(&played, DB_RECOVERED);
    assert_true(saved > 5);
    assert_int_equal(with_status(&played, DB_SERVER_LOST), 0);
    for (size_t i = 0; i < played.record.rows; i++) {
        const struct db_task *row = &played.record.row[i];
        if (strcmp(row->status, DB_RECOVERED) != 0)
            continue;
        assert_int_equal(row->server, 0);
        assert_same(row->server_j, 0.0);
        assert_near(row->local_s, cost_full_s(&played.world, &played.world.device[row->device], row->tokens),
                    TINY); /* both computations together are all layers */
    }
    finish(&played);
    play(&played, away, "random", 60);
    assert_true(with_status(&played, DB_REOFFLOADED) > 5);
    assert_int_equal(with_status(&played, DB_SERVER_LOST), 0);
    finish(&played);
    play(&played, none, "random", 60);
    assert_true(with_status(&played, DB_SERVER_LOST) >= saved);
    finish(&played);
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
    struct played played = {.world = check_world(busy)};
    struct policy policy = {.kind = &blind, .world = &played.world};
    uint32_t saved = 0;
    played.result = sim_run(&played.world, &policy, 1, 60, fault, 1, &played.record);
    for (size_t i = 0; i < played.record.rows; i++)
        saved += played.record.row[i].slot > 5 && strcmp(played.record.row[i].status, DB_RECOVERED) == 0;
    assert_true(saved > 20);
    finish(&played);
}

static void under_chaos_every_request_still_has_one_status(void **state)
{
    (void) state;
    for (int seed = 1; seed <= 5; seed++) {
        char text[32];
        (void) snprintf(text, sizeof text, "run.seed=%d", seed);
        const char *const keys[] = {BUSY, "chaos.rate=0.05", "faults.recovery=reoffload", text, NULL};
        struct played played;
        play(&played, keys, "random", 60);
        uint32_t known = with_status(&played, DB_DONE) + with_status(&played, DB_RECOVERED) +
                         with_status(&played, DB_REOFFLOADED) + with_status(&played, DB_DEVICE_LOST) +
                         with_status(&played, DB_SERVER_LOST) + with_status(&played, DB_EXPIRED);
        assert_int_equal(known, played.record.rows);
        assert_int_equal(known, played.result.tasks);
        assert_true(with_status(&played, DB_DEVICE_LOST) > 0);
        finish(&played);
    }
}

/* What was reported before a slot began stays done, whoever is lost as it begins. */
static void a_loss_while_observing_changes_nothing_that_had_ended(void **state)
{
    (void) state;
    static const struct session_fault fault[] = {{0, 12, SESSION_OBSERVE, true, 0, false},
                                                 {0, 12, SESSION_OBSERVE, false, 3, false}};
    struct played whole, torn;
    play_in(&whole, busy, "edge-best-channel", NULL, 0, NULL);
    play_in(&torn, busy, "edge-best-channel", fault, 2, NULL);
    uint32_t just_before = 0;
    for (size_t i = 0; i < whole.record.rows && whole.record.row[i].slot < 12; i++) {
        const struct db_task *was = &whole.record.row[i], *is = &torn.record.row[i];
        assert_int_equal(is->device, was->device);
        if (was->end_slot >= 12)
            continue;
        assert_string_equal(is->status, DB_DONE);
        assert_same(is->cost, was->cost);
        just_before += was->end_slot == 11 ? 1 : 0;
    }
    assert_true(just_before > 1);
    finish(&whole);
    finish(&torn);
}

/* What a lost server computed is counted nowhere: so it does not matter whether servers' energy counts. */
static void the_energy_of_a_lost_server_is_not_in_what_its_tasks_have_cost(void **state)
{
    (void) state;
    double cost[2][64];
    size_t rows[2];
    for (int counted = 0; counted < 2; counted++) {
        const char *const keys[] = {BUSY,
                                    "fixed.split=1",
                                    "faults.script=slot 20 kill server 0",
                                    "servers.tflops_min=0.2",
                                    "servers.tflops_max=0.2",
                                    "servers.count=1",
                                    "servers.coverage_m=2000",
                                    counted ? "objective.server_energy=1" : "objective.server_energy=0",
                                    NULL};
        struct played played;
        play(&played, keys, "static", 22);
        rows[counted] = 0;
        for (size_t i = 0; i < played.record.rows && rows[counted] < 64; i++)
            if (strcmp(played.record.row[i].status, DB_EXPIRED) == 0 && played.record.row[i].server == 0)
                cost[counted][rows[counted]++] = played.record.row[i].cost;
        finish(&played);
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
    struct played played;
    play(&played, keys, "static", 250);
    uint32_t late = 0;
    for (size_t i = 0; i < played.record.rows; i++) {
        const struct db_task *row = &played.record.row[i];
        if (row->slot < 10 || row->slot >= 200)
            continue;
        late += row->deadline_missed ? 1 : 0;
        assert_true(isfinite(row->cost));
        if (is_done(row))
            assert_true(row->end_slot >= 210 && row->transmit_j < 100.0);
    }
    assert_true(late > 40);
    finish(&played);
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
    struct played played;
    uint32_t at_once = 0;
    play(&played, keys, "static", 60);
    for (size_t i = 0; i < played.record.rows; i++)
        at_once += played.record.row[i].slot < 40 && played.record.row[i].end_slot == 40 ? 1 : 0;
    assert_true(at_once > 4);
    assert_int_equal(with_status(&played, DB_DONE), played.record.rows);
    finish(&played);
}

/* ---- handover ---- */

static const struct played *moving(struct played *played, const char *policy)
{
    char text[64];
    (void) snprintf(text, sizeof text, "handover.policy=%s", policy);
    const char *const keys[] = {BUSY,
                                "mobility.speed_mean=40",
                                "mobility.speed_max=60",
                                "servers.coverage_m=350",
                                "radio.bandwidth_mhz=1",
                                "fixed.split=4",
                                text,
                                NULL};
    play(played, keys, "static", 60);
    return played;
}

static void who_leaves_a_servers_coverage_finishes_resumes_or_restarts(void **state)
{
    (void) state;
    struct played played;
    moving(&played, "finish");
    assert_int_equal(played.result.handovers, 0);
    for (size_t i = 0; i < played.record.rows; i++)
        assert_true(!(played.record.row[i].extra_bytes > 0.0) && played.record.row[i].handovers == 0);
    finish(&played);
    for (int restart = 0; restart < 2; restart++) {
        uint32_t handed = 0;
        moving(&played, restart ? "restart" : "resume");
        assert_true(played.result.handovers > 5);
        for (size_t i = 0; i < played.record.rows; i++) {
            const struct db_task *row = &played.record.row[i];
            if (!is_done(row) || row->handovers == 0)
                continue;
            handed++;
            assert_true(row->interrupted_s > 0.0 && row->interrupted_s <= 0.05 * row->handovers + TINY);
            assert_true(row->extra_bytes >= 0.0 && row->extra_bytes <= row->payload_bytes * row->handovers);
            assert_true(restart ? row->extra_j > 0.0 : row->extra_j == 0.0);
            double once_j = 0.5 * row->payload_bytes * 8.0 / row->rate_bps;
            assert_near(row->transmit_j, once_j, 1e-6 * once_j); /* power x time on the radio, all of it */
        }
        assert_true(handed > 3);
        finish(&played);
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
    struct played played;
    uint32_t twice = 0;
    play(&played, keys, "random", 60);
    for (size_t i = 0; i < played.record.rows; i++)
        twice += played.record.row[i].handovers > 0 && is_done(&played.record.row[i]) ? 1 : 0;
    assert_true(twice > 0);
    finish(&played);
    assert_same_in_every_order(keys, "random", NULL, 0);
}

/* ---- looking ahead ---- */

/* One slot, so long that everything is finished in it: what the outlook foresees is what the cores do. */
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
    for (int which = 0; which < 2; which++) {
        struct played played;
        play(&played, which == 0 ? fifo : shared, "random", 1);
        struct env_view view;
        struct outlook outlook;
        const struct outlook_source model = outlook_model(&played.world);
        assert_int_equal(env_view_init(&view, &played.world), 0);
        assert_int_equal(outlook_init(&outlook, &played.world, &model), 0);
        env_view_begin(&view, (struct slot_id){RNG_TRAIN, 0, 0});
        for (uint32_t n = 0; n < 12; n++) {
            struct mobility mobility;
            struct device_slot met;
            mobility_start(&played.world, n, RNG_TRAIN, 0, &mobility);
            device_slot_meet(&played.world, n, view.id, &mobility, &met);
            env_view_observe(&view, n, met.position, met.speed_mps, met.tokens, met.gain);
        }
        outlook_begin(&outlook, &view);
        double foreseen = 0.0, happened = 0.0;
        for (uint32_t n = 0; n < 12; n++) {
            const struct db_task *row = &played.record.row[n];
            assert_true(is_done(row));
            happened += row->cost - (row->repaired ? 0.1 : 0.0);
            foreseen += row->server == DB_SERVER_NULL ? outlook_local(&outlook, n) : 0.0;
        }
        for (uint32_t m = 0; m < 3; m++) {
            uint32_t who[12], split[12], count = 0;
            double cost = 0.0;
            for (uint32_t n = 0; n < 12; n++)
                if (played.record.row[n].server == (int32_t) m) {
                    who[count] = n;
                    split[count++] = played.record.row[n].split;
                }
            assert_int_equal(outlook_server(&outlook, m, who, split, count, &cost), 0);
            foreseen += cost;
        }
        assert_near(foreseen, happened, 1e-9 * happened);
        outlook_finish(&outlook);
        env_view_finish(&view);
        finish(&played);
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
    struct played played;
    uint32_t missed = 0;
    play(&played, keys, "myopic", 1);
    struct env_view view;
    struct outlook outlook;
    const struct outlook_source model = outlook_model(&played.world);
    assert_int_equal(env_view_init(&view, &played.world), 0);
    assert_int_equal(outlook_init(&outlook, &played.world, &model), 0);
    struct policy policy = sim_policy(&played.world, "myopic", false);
    struct env_decision decision;
    assert_int_equal(env_decision_init(&decision, 3), 0);
    for (uint32_t episode = 0; episode < 40; episode++) {
        check_observe_all(&view, episode);
        view.backlog_s[0] = 0.3 * (episode % 4);
        policy.kind->decide(&policy, &view, &decision);
        outlook_begin(&outlook, &view);
        double best = (double) INFINITY, found = (double) INFINITY;
        for (uint32_t code = 0; code < 25 * 25 * 25; code++) {
            uint32_t choice[3] = {code % 25, code / 25 % 25, code / 625};
            double cost = 0.0;
            bool same = true, possible = true;
            for (uint32_t n = 0; n < 3; n++) {
                uint32_t m = choice[n] == 24 ? ENV_LOCAL : choice[n] / 12;
                uint32_t s = choice[n] == 24 ? 12 : choice[n] % 12;
                cost += m == ENV_LOCAL ? outlook_local(&outlook, n) : 0.0;
                possible = possible && (m == ENV_LOCAL || view.covered[n * 2 + m]);
                same = same && decision.server[n] == m && decision.split[n] == s;
            }
            for (uint32_t m = 0; m < 2 && possible; m++) {
                uint32_t who[3], split[3], count = 0;
                double group = 0.0;
                for (uint32_t n = 0; n < 3; n++)
                    if (choice[n] != 24 && choice[n] / 12 == m) {
                        who[count] = n;
                        split[count++] = choice[n] % 12;
                    }
                assert_int_equal(outlook_server(&outlook, m, who, split, count, &group), 0);
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
    outlook_finish(&outlook);
    env_view_finish(&view);
    finish(&played);
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
    struct played myopic, priced;
    play(&myopic, keys, "myopic", 40);
    play(&priced, keys, "priced", 40);
    assert_true(priced.result.mean_cost < 0.85 * myopic.result.mean_cost);
    for (uint32_t episode = 0; episode < 2; episode++)
        assert_true(priced.record.episode[episode].episode_return >
                    myopic.record.episode[episode].episode_return);
    finish(&myopic);
    finish(&priced);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_has_one_row_in_order_and_a_status),
        cmocka_unit_test(latency_is_the_sum_of_its_parts_and_ends_in_the_slot_that_is_said),
        cmocka_unit_test(the_rewards_of_an_episode_add_up_to_its_tasks_costs),
        cmocka_unit_test(a_rough_link_makes_every_transfer_longer_and_loses_nothing),
        cmocka_unit_test(a_fifo_server_takes_them_in_order_and_is_never_idle_while_somebody_waits),
        cmocka_unit_test(a_slow_server_takes_them_in_order_at_its_own_pace),
        cmocka_unit_test(a_sharing_server_divides_each_instant_equally),
        cmocka_unit_test(a_device_computes_one_task_after_the_other),
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
        cmocka_unit_test(what_is_still_being_passed_on_is_not_handed_over_again),
        cmocka_unit_test(who_leaves_a_servers_coverage_finishes_resumes_or_restarts),
        cmocka_unit_test(the_outlook_is_what_happens_when_nothing_follows),
        cmocka_unit_test(the_search_finds_what_brute_force_finds),
        cmocka_unit_test(a_price_on_work_beats_the_myopic_optimum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
