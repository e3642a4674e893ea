/* Faults of the scenario, in whole sessions: no admitted task is forgotten, whatever breaks; the order of
 * arrival changes nothing; and what was recorded plays again. */
#include <stdio.h>

#include "core/model/faults.h"
#include "db/row_text.h"
#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "tests/sim/sim.h"

#define DEVICES 12u
#define SERVERS 10u
#define SLOTS 30u
#define KILLED 3u /* of the servers: 30 % */

struct tally {
    uint64_t done, recovered, reoffloaded, device_lost, server_lost;
};

static struct tally count(const struct sim_record *record)
{
    struct tally tally = {0};
    for (size_t i = 0; i < record->rows; i++) {
        const struct db_task *row = &record->row[i];
        bool ended = !isnan(row->latency_s);
        if (row->status == DB_TASK_DONE)
            tally.done++;
        else if (row->status == DB_TASK_RECOVERED)
            tally.recovered++;
        else if (row->status == DB_TASK_REOFFLOADED)
            tally.reoffloaded++;
        else if (row->status == DB_TASK_DEVICE_LOST)
            tally.device_lost++;
        else if (row->status == DB_TASK_SERVER_LOST)
            tally.server_lost++;
        else
            fail_msg("episode %u, slot %u, device %u: status '%s'", row->episode, row->slot, row->device,
                     db_task_status_text(row->status));
        bool lost = row->status == DB_TASK_DEVICE_LOST || row->status == DB_TASK_SERVER_LOST;
        assert_int_equal(ended, !lost);
        assert_int_equal(ended, !isnan(row->cost));
    }
    return tally;
}

static struct world make_world(const char *policy_keys, const char *recovery, const char *script,
                               uint64_t seed)
{
    char devices[32], servers[32], seeded[48], recover[48], text[4200];
    (void) snprintf(devices, sizeof devices, "devices.count=%u", DEVICES);
    (void) snprintf(servers, sizeof servers, "servers.count=%u", SERVERS);
    (void) snprintf(seeded, sizeof seeded, "run.seed=%llu", (unsigned long long) seed);
    (void) snprintf(recover, sizeof recover, "faults.recovery=%s", recovery);
    (void) snprintf(text, sizeof text, "faults.script=%s", script);
    return check_world((const char *[]){devices, servers, seeded, recover, text, policy_keys, NULL});
}

/* Links that lose packets, and a RESULT's way back that takes time. */
static void roughen(struct world *world)
{
    world->scenario.link.delay_s = 0.01;
    world->scenario.link.jitter_s = 0.005;
    world->scenario.link.loss = 0.05;
    world->scenario.link.down_mbps = 5.0;
    world->scenario.link.result_kb = 20.0;
}

static struct session_result play(const struct world *world, const char *name, uint32_t episodes,
                                  struct sim_record *record)
{
    struct policy policy = sim_policy(world, NULL, name, false);
    *record = (struct sim_record){.rows = 0};
    struct session_result result = sim_run(world, &policy, episodes, SLOTS, NULL, 0, record);
    policy_destroy(&policy);
    return result;
}

/* Three servers of ten, one after the other, in mid-run; which ones depends on the seed. */
static void write_script(char *script, size_t size, uint64_t seed)
{
    size_t used = 0;
    for (uint32_t i = 0; i < KILLED; i++)
        used += (size_t) snprintf(script + used, size - used, "slot %u kill server %u; ", SLOTS / 2 + i,
                                  (unsigned) ((seed + 3 * i) % SERVERS));
}

static void every_task_has_a_status_when_a_third_of_the_servers_dies_in_mid_run(void **state)
{
    (void) state;
    static const char *const recoveries[] = {"local", "reoffload", "none"};
    struct tally sum = {0};
    for (uint64_t seed = 1; seed <= 20; seed++)
        for (int r = 0; r < 3; r++) {
            char script[256];
            struct sim_record record;
            write_script(script, sizeof script, seed);
            struct world world = make_world(NULL, recoveries[r], script, seed);
            struct session_result result = play(&world, "edge-best-channel", 1, &record);
            struct tally tally = count(&record);
            assert_int_equal(record.rows, SLOTS * DEVICES);
            assert_int_equal(tally.done + tally.recovered + tally.reoffloaded + tally.device_lost +
                                 tally.server_lost,
                             SLOTS * DEVICES);
            assert_int_equal(result.tasks, SLOTS * DEVICES);
            assert_int_equal(result.faults, KILLED);
            assert_int_equal(result.recovered, tally.recovered);
            assert_int_equal(result.reoffloaded, tally.reoffloaded);
            assert_int_equal(result.lost_tasks, tally.device_lost + tally.server_lost);
            assert_int_equal(record.episode[0].failures, result.lost_tasks);
            assert_int_equal(tally.device_lost, 0);
            assert_true(r == 2 || tally.server_lost == 0);
            assert_true(r == 2 ? tally.recovered + tally.reoffloaded == 0 : true);
            assert_true(r == 1 || tally.reoffloaded == 0);
            sum.recovered += tally.recovered;
            sum.reoffloaded += tally.reoffloaded;
            sum.server_lost += tally.server_lost;
            sim_record_finish(&record);
            world_finish(&world);
        }
    print_message("# 20 seeds: %llu recovered, %llu reoffloaded, %llu lost without recovery\n",
                  (unsigned long long) sum.recovered, (unsigned long long) sum.reoffloaded,
                  (unsigned long long) sum.server_lost);
    assert_true(sum.recovered > 20 && sum.reoffloaded > 20 && sum.server_lost > 20);
}

static void a_run_in_which_nothing_breaks_has_the_same_bits_with_and_without_a_script(void **state)
{
    (void) state;
    struct sim_record a, b;
    struct world whole = make_world(NULL, "local", "", 3);
    struct world scripted = make_world(NULL, "reoffload", "slot 4000 kill server 1", 3);
    assert_null(whole.faults);
    play(&whole, "greedy", 2, &a);
    play(&scripted, "greedy", 2, &b);
    sim_assert_same(&a, &b);
    sim_record_finish(&a);
    sim_record_finish(&b);
    world_finish(&whole);
    world_finish(&scripted);
}

static void a_killed_server_takes_part_again_from_the_slot_in_which_it_rejoins(void **state)
{
    (void) state;
    struct sim_record whole, torn;
    struct world plain = make_world(NULL, "local", "", 5);
    struct world world = make_world(NULL, "local", "slot 4 kill server 2; slot 9 rejoin server 2", 5);
    play(&plain, "edge-nearest", 2, &whole);
    struct session_result result = play(&world, "edge-nearest", 2, &torn);
    assert_int_equal(result.faults, 2); /* in each episode */
    assert_int_equal(result.lost_nodes, 0);
    uint32_t hit = 0;
    for (size_t i = 0; i < torn.rows; i++) {
        const struct db_task *is = &torn.row[i], *was = &whole.row[i];
        bool away = is->slot > 4 && is->slot < 9, struck = is->slot == 4 && was->server == 2;
        hit += struck ? 1 : 0;
        assert_int_equal(is->status, struck ? DB_TASK_RECOVERED : DB_TASK_DONE);
        assert_true(!away || is->server != 2);
        if (is->slot < 4 || is->slot > 9)
            assert_same(is->latency_s, was->latency_s);
        if (struck)
            assert_true(is->latency_s > was->local_s + was->transmit_s + 0.2);
    }
    assert_true(hit > 0);
    sim_record_finish(&whole);
    sim_record_finish(&torn);
    world_finish(&plain);
    world_finish(&world);
}

static void a_paused_device_loses_its_slots_and_stands_where_it_would_have_stood(void **state)
{
    (void) state;
    struct sim_record whole, torn;
    struct world plain = make_world(NULL, "local", "", 5);
    struct world world = make_world(NULL, "local", "slot 4 pause device 7 for 3", 5);
    play(&plain, "local", 1, &whole);
    play(&world, "local", 1, &torn);
    for (size_t i = 0; i < torn.rows; i++) {
        const struct db_task *is = &torn.row[i], *was = &whole.row[i];
        bool away = is->device == 7 && is->slot >= 4 && is->slot < 7;
        assert_int_equal(is->status, away ? DB_TASK_DEVICE_LOST : DB_TASK_DONE);
        if (!away) {
            assert_same(is->x_m, was->x_m);
            assert_same(is->latency_s, was->latency_s);
        }
    }
    sim_record_finish(&whole);
    sim_record_finish(&torn);
    world_finish(&plain);
    world_finish(&world);
}

static void slow_nodes_take_longer_and_a_cut_way_is_noticed_by_its_device_alone(void **state)
{
    (void) state;
    struct sim_record whole, torn;
    struct world plain = make_world(NULL, "local", "", 5);
    char script[1024];
    size_t used = (size_t) snprintf(script, sizeof script,
                                    "slot 2 slow device 0 by 0.5 for 3; "
                                    "slot 8 slow server 1 by 0.25 for 2");
    for (uint32_t m = 0; m < SERVERS; m++)
        used += (size_t) snprintf(script + used, sizeof script - used,
                                  "; slot 12 partition device 1 server %u for 9", m);
    struct world world = make_world(NULL, "reoffload", script, 5);
    play(&plain, "edge-nearest", 1, &whole);
    play(&world, "edge-nearest", 1, &torn);
    uint32_t slowed = 0, cut = 0;
    for (size_t i = 0; i < torn.rows; i++) {
        const struct db_task *is = &torn.row[i], *was = &whole.row[i];
        assert_int_equal(is->server, was->server); /* nobody knows */
        bool way_cut = is->device == 1 && is->slot >= 12 && is->slot < 21 && was->server != DB_SERVER_NULL;
        bool slow_edge = was->server == 1 && (is->slot == 8 || is->slot == 9);
        bool slow_home = is->device == 0 && is->slot >= 2 && is->slot < 5;
        cut += way_cut ? 1 : 0;
        slowed += slow_edge ? 1 : 0;
        assert_int_equal(is->status, way_cut ? DB_TASK_RECOVERED : DB_TASK_DONE);
        assert_near(is->local_s,
                    way_cut     ? is->local_s
                    : slow_home ? 2.0 * was->local_s
                                : was->local_s,
                    1e-12);
        assert_near(is->edge_s, way_cut ? 0.0 : slow_edge ? 4.0 * was->edge_s : was->edge_s, 1e-12);
    }
    assert_true(slowed > 0 && cut > 0);
    sim_record_finish(&whole);
    sim_record_finish(&torn);
    world_finish(&plain);
    world_finish(&world);
}

/* ---- a hidden slowdown ---- */

#define SLOWDOWN "episode 1 slot 10 slow server 1 by 0.5 until episode 2 slot 5"

static bool is_slowed(const struct db_task *row)
{
    return row->server == 1 &&
           ((row->episode == 1 && row->slot >= 10) || (row->episode == 2 && row->slot < 5));
}

/* Who knows nothing of it decides as before; the times at that server are exactly doubled, and what follows
 * from them. */
static void a_server_that_is_slowed_in_mid_run_takes_twice_as_long_and_nobody_is_told(void **state)
{
    (void) state;
    static const char *const names[] = {"edge-best-channel",  "greedy",      "neurosurgeon",
                                        "static-association", "nash",        "iao",
                                        "best-response",      "multi-start", "random"};
    struct world plain = check_world((const char *[]){"devices.count=4", "servers.count=2", NULL});
    struct world world =
        check_world((const char *[]){"devices.count=4", "servers.count=2", "faults.script=" SLOWDOWN, NULL});
    uint32_t slowed = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct sim_record whole, torn;
        play(&plain, names[i], 3, &whole);
        play(&world, names[i], 3, &torn);
        assert_int_equal(torn.rows, whole.rows);
        for (size_t r = 0; r < torn.rows; r++) {
            const struct db_task *is = &torn.row[r], *was = &whole.row[r];
            double factor = is_slowed(is) ? 2.0 : 1.0;
            slowed += is_slowed(is) ? 1 : 0;
            assert_int_equal(is->server, was->server);
            assert_int_equal(is->split, was->split);
            assert_int_equal(is->status, DB_TASK_DONE);
            assert_same(is->edge_s, factor * was->edge_s);
            assert_same(is->server_j, factor * was->server_j);
            assert_same(is->local_s, was->local_s);
            assert_same(is->transmit_s, was->transmit_s);
            if (is->server != DB_SERVER_NULL)
                assert_same(is->server_j, world.server[is->server].power_w * is->compute_share * is->edge_s);
        }
        sim_record_finish(&whole);
        sim_record_finish(&torn);
    }
    print_message("# %u tasks served at half speed\n", slowed);
    assert_true(slowed > 80);
    world_finish(&plain);
    world_finish(&world);
}

static void assert_event(const struct db_event *event, uint32_t episode, uint32_t slot)
{
    assert_int_equal(event->kind, DB_EVENT_FAULT);
    assert_int_equal(event->phase, DB_PHASE_OBSERVE);
    assert_int_equal(event->role, DB_ROLE_SERVER);
    assert_int_equal(event->number, 1);
    assert_int_equal(event->episode, episode);
    assert_int_equal(event->slot, slot);
}

/* Also in a run that goes on with a later episode: it says what the whole run would have said from there on. */
static void an_event_tells_where_a_slowdown_begins_and_ends(void **state)
{
    (void) state;
    struct world world = make_world(NULL, "local", SLOWDOWN, 5);
    for (uint32_t first = 0; first < 3; first++) {
        struct sim_record record = {.rows = 0};
        struct policy policy = sim_policy(&world, NULL, "local", false);
        struct session session = {
            .world = &world,
            .policy = &policy,
            .phase = RNG_TRAIN,
            .first_episode = first,
            .episodes = 4,
            .slots = SLOTS,
        };
        session_sinks_add(&session.sinks, sim_sink(&record));
        struct session_result result;
        assert_int_equal(host_memory_run(&session, &result, NULL), 0);
        assert_int_equal(record.events, first < 2 ? 2 : 1);
        if (first < 2)
            assert_event(&record.event[0], 1, 10);
        assert_event(&record.event[record.events - 1], 2, 5);
        assert_int_equal(result.faults, 0); /* nothing is struck */
        policy_destroy(&policy);
        sim_record_finish(&record);
    }
    world_finish(&world);
}

/* At full speed again with the next episode's first slot: it was slow until the last one of the episode before. */
static void a_slowdown_that_ends_with_its_episode_is_told_in_the_next(void **state)
{
    (void) state;
    char script[64];
    (void) snprintf(script, sizeof script, "episode 1 slot 10 slow server 1 by 0.5 for %u", SLOTS - 10);
    struct world world = make_world(NULL, "local", script, 5);
    struct sim_record record;
    play(&world, "local", 4, &record);
    assert_int_equal(record.events, 2);
    assert_event(&record.event[0], 1, 10);
    assert_event(&record.event[1], 2, 0);
    sim_record_finish(&record);
    world_finish(&world);
}

/* The speeds of server 0 that a run of three episodes of eight slots tells, as "episode.slot=speed". */
static void assert_speeds(const char *script, const char *expected)
{
    char text[256] = "", rule[128];
    size_t used = 0;
    (void) snprintf(rule, sizeof rule, "faults.script=%s", script);
    struct world world = check_world((const char *[]){"devices.count=2", "servers.count=1", rule, NULL});
    struct policy policy = sim_policy(&world, NULL, "local", false);
    struct sim_record record = {.rows = 0};
    (void) sim_run(&world, &policy, 3, 8, NULL, 0, &record);
    for (size_t i = 0; i < record.events; i++)
        if (!isnan(record.event[i].speed))
            used += (size_t) snprintf(text + used, sizeof text - used, "%s%u.%u=%g", used > 0 ? " " : "",
                                      record.event[i].episode, record.event[i].slot, record.event[i].speed);
    assert_string_equal(text, expected);
    policy_destroy(&policy);
    sim_record_finish(&record);
    world_finish(&world);
}

static void a_change_of_speed_is_told_once_also_across_episodes(void **state)
{
    (void) state;
    assert_speeds("slot 2 slow server 0 by 0.5 for 3", "0.2=0.5 0.5=1 1.2=0.5 1.5=1 2.2=0.5 2.5=1");
    assert_speeds("slot 7 slow server 0 by 0.5", "0.7=0.5 1.0=1 1.7=0.5 2.0=1 2.7=0.5");
    assert_speeds("slot 6 slow server 0 by 0.5 for 1", "0.6=0.5 0.7=1 1.6=0.5 1.7=1 2.6=0.5 2.7=1");
    assert_speeds("episode 0 slot 7 slow server 0 by 0.5 until episode 1 slot 0", "0.7=0.5 1.0=1");
    assert_speeds("episode 0 slot 7 slow server 0 by 0.5 until episode 1 slot 3", "0.7=0.5 1.3=1");
    assert_speeds("episode 0 slot 6 slow server 0 by 0.5 until episode 2 slot 0", "0.6=0.5 2.0=1");
    assert_speeds("slot 0 slow server 0 by 0.5", "0.0=0.5");
}

static double slot_cost(const struct sim_record *record, size_t from, uint32_t devices)
{
    double sum = 0.0;
    for (uint32_t n = 0; n < devices; n++)
        sum += record->row[from + n].cost;
    return sum;
}

static void the_optimum_knows_who_is_slow_and_nobody_beats_it(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=5", "servers.count=3", "run.seed=3",
                                       "faults.script=episode 0 slot 10 slow server 0 by 0.5 until episode 1 "
                                       "slot 20; slot 5 slow device 2 by 0.4 for 20; "
                                       "slot 15 slow server 2 by 0.3",
                                       NULL};
    struct world world = check_world(keys);
    struct sim_record best, whole;
    play(&world, "optimum", 2, &best);
    uint32_t others = 0, better = 0, compared = 0;
    for (size_t i = 0; i < catalog_count(); i++) {
        const struct policy_kind *kind = catalog_at(i);
        if (policy_is_trained(kind) || kind->only_named || !policy_suits(kind, POLICY_MODE_ROUND))
            continue;
        struct sim_record other;
        play(&world, kind->name, 2, &other);
        assert_int_equal(other.rows, best.rows);
        for (size_t r = 0; r < best.rows; r += 5) {
            double least = slot_cost(&best, r, 5), cost = slot_cost(&other, r, 5);
            if (least > cost * (1.0 + 1e-12))
                fail_msg("%s beats the optimum in episode %u, slot %u: %.17g, %.17g", kind->name,
                         best.row[r].episode, best.row[r].slot, cost, least);
            compared++;
            better += least < cost ? 1 : 0;
        }
        sim_record_finish(&other);
    }
    assert_true(better > compared / 2);
    /* One that does not look decides otherwise, and pays for it. */
    struct faults *faults = world.faults;
    world.faults = NULL;
    play(&world, "optimum", 2, &whole);
    world.faults = faults;
    for (size_t r = 0; r < best.rows; r++)
        others +=
            best.row[r].server != whole.row[r].server || best.row[r].split != whole.row[r].split ? 1 : 0;
    print_message("# %u of %zu decisions are others because somebody is slow\n", others, best.rows);
    assert_true(others > 50);
    sim_record_finish(&best);
    sim_record_finish(&whole);
    world_finish(&world);
}

static void a_session_goes_on_while_everybody_is_down(void **state)
{
    (void) state;
    char script[1024];
    size_t used = 0;
    for (uint32_t n = 0; n < DEVICES; n++)
        used += (size_t) snprintf(script + used, sizeof script - used, "slot 3 pause device %u for 6;", n);
    for (uint32_t m = 0; m < SERVERS; m++)
        used += (size_t) snprintf(script + used, sizeof script - used, "slot 4 pause server %u for 3;", m);
    struct world world = make_world(NULL, "reoffload", script, 5);
    struct sim_record record;
    struct session_result result = play(&world, "edge-nearest", 2, &record);
    assert_false(result.abandoned);
    assert_int_equal(record.rows, 2 * SLOTS * DEVICES);
    for (size_t i = 0; i < record.rows; i++)
        assert_int_equal(record.row[i].status, record.row[i].slot >= 3 && record.row[i].slot < 9
                                                   ? DB_TASK_DEVICE_LOST
                                                   : DB_TASK_DONE);
    sim_record_finish(&record);
    world_finish(&world);
}

/* ---- orders of arrival ---- */

/* `settings`: of a learner, which learns; NULL: the policy does not. */
static void shuffle(const struct world *world, const char *name, const struct settings *settings,
                    const struct session_fault *fault, size_t faults)
{
    bool training = settings != NULL;
    struct policy policy = sim_policy(world, settings, name, training);
    struct sim_record expected = {.rows = 0};
    (void) sim_run(world, &policy, 2, SLOTS, fault, faults, &expected);
    policy_destroy(&policy);
    struct tally tally = count(&expected);
    assert_true(tally.recovered + tally.reoffloaded + tally.device_lost + tally.server_lost > 0);
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct sim_record record = {.rows = 0};
        policy = sim_policy(world, settings, name, training);
        struct session session = {
            .world = world,
            .policy = &policy,
            .phase = RNG_TRAIN,
            .episodes = 2,
            .slots = SLOTS,
            .checkpoint_every = 1,
            .record_tasks = true,
            .fault = fault,
            .fault_count = faults,
        };
        session_sinks_add(&session.sinks, sim_sink(&record));
        struct session_result result;
        sim_host_run(&session, &(struct sim_host_options){.shuffle = true, .seed = seed}, &result);
        sim_assert_same(&expected, &record);
        sim_record_finish(&record);
        policy_destroy(&policy);
    }
    sim_record_finish(&expected);
}

static void faults_leave_the_same_bits_in_every_order_of_arrival(void **state)
{
    (void) state;
    static const char *const recoveries[] = {"local", "reoffload", "none"};
    for (int r = 0; r < 6; r++) {
        struct world world =
            make_world("chaos.rate=0.03", recoveries[r % 3],
                       "slot 5 kill server 1; slot 12 rejoin server 1; slot 7 kill device 3", 11);
        if (r >= 3)
            roughen(&world);
        shuffle(&world, "edge-best-channel", NULL, NULL, 0);
        world_finish(&world);
    }
}

static void losses_in_earnest_leave_the_same_bits_too(void **state)
{
    (void) state;
    static const char *const recoveries[] = {"local", "reoffload", "none"};
    static const struct session_fault fault[] = {
        {0, 3, SESSION_EXECUTE, true, 2, false},  {0, 3, SESSION_EXECUTE, true, 1, false},
        {0, 8, SESSION_EXECUTE, true, 2, true},   {0, 9, SESSION_EXECUTE, false, 4, false},
        {0, 14, SESSION_OBSERVE, true, 0, false}, {0, 20, SESSION_EXECUTE, false, 4, true},
        {1, 2, SESSION_EXECUTE, true, 0, true},   {1, 6, SESSION_EXECUTE, true, 2, false},
    };
    for (int r = 0; r < 6; r++) {
        struct world world =
            make_world("chaos.rate=0.01", recoveries[r % 3], "slot 5 pause server 2 for 9", 11);
        if (r >= 3)
            roughen(&world);
        shuffle(&world, "edge-best-channel", NULL, fault, 8);
        world_finish(&world);
    }
}

static void a_learner_learns_the_same_bits_under_chaos(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=4",
                                       "servers.count=2",
                                       "ddpg.hidden_1=16",
                                       "ddpg.hidden_2=16",
                                       "ddpg.warmup=20",
                                       "ddpg.batch=16",
                                       "ddpg.buffer=64",
                                       "chaos.rate=0.05",
                                       "faults.recovery=reoffload",
                                       NULL};
    struct settings settings;
    struct world world = full_world(keys, &settings);
    shuffle(&world, "dapo", &settings, NULL, 0);
    world_finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_has_a_status_when_a_third_of_the_servers_dies_in_mid_run),
        cmocka_unit_test(a_run_in_which_nothing_breaks_has_the_same_bits_with_and_without_a_script),
        cmocka_unit_test(a_killed_server_takes_part_again_from_the_slot_in_which_it_rejoins),
        cmocka_unit_test(a_paused_device_loses_its_slots_and_stands_where_it_would_have_stood),
        cmocka_unit_test(slow_nodes_take_longer_and_a_cut_way_is_noticed_by_its_device_alone),
        cmocka_unit_test(a_server_that_is_slowed_in_mid_run_takes_twice_as_long_and_nobody_is_told),
        cmocka_unit_test(an_event_tells_where_a_slowdown_begins_and_ends),
        cmocka_unit_test(a_slowdown_that_ends_with_its_episode_is_told_in_the_next),
        cmocka_unit_test(a_change_of_speed_is_told_once_also_across_episodes),
        cmocka_unit_test(the_optimum_knows_who_is_slow_and_nobody_beats_it),
        cmocka_unit_test(a_session_goes_on_while_everybody_is_down),
        cmocka_unit_test(faults_leave_the_same_bits_in_every_order_of_arrival),
        cmocka_unit_test(losses_in_earnest_leave_the_same_bits_too),
        cmocka_unit_test(a_learner_learns_the_same_bits_under_chaos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
