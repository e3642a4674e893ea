/* Whole sessions in host_memory: the same seed gives the same rows, losses cost what they must and no more,
 * and what the nodes report is what the model says. */
#include "orchestrator/host/host_memory.h"

#include <errno.h>

#include "core/base/err.h"
#include "core/model/cost.h"
#include "tests/sim/sim.h"

static const char *const plain_keys[] = {"devices.count=5", "servers.count=2", "faults.recovery=none", NULL};
static const char *const learning_keys[] = {"devices.count=4",        "servers.count=2",
                                            "servers.coverage_m=700", "ddpg.hidden_1=16",
                                            "ddpg.hidden_2=16",       "ddpg.warmup=20",
                                            "ddpg.batch=16",          "ddpg.buffer=64",
                                            "faults.recovery=none",   NULL};

/* One session of a fresh policy in a fresh world. */
static struct session_result play(const char *const *keys, const char *name, uint32_t episodes,
                                  uint32_t slots, const struct session_fault *fault, size_t faults,
                                  struct sim_record *record)
{
    struct settings settings;
    struct world world = full_world(keys, &settings);
    struct policy policy = sim_policy(&world, &settings, name, true);
    *record = (struct sim_record){.rows = 0};
    struct session_result result = sim_run(&world, &policy, episodes, slots, fault, faults, record);
    policy_destroy(&policy);
    world_finish(&world);
    return result;
}

/* What holds of every session that was not cut short. */
static void assert_whole(const struct sim_record *record, uint32_t episodes, uint32_t slots, uint32_t devices)
{
    assert_int_equal(record->rows, (size_t) episodes * slots * devices);
    assert_int_equal(record->episodes, episodes);
    for (size_t i = 0; i < record->rows; i++) {
        const struct db_task *row = &record->row[i];
        bool done = row->status == DB_TASK_DONE;
        assert_int_equal(row->device, i % devices);
        assert_int_equal(row->slot, i / devices % slots);
        assert_int_equal(row->episode, i / devices / slots);
        assert_true(done || row->status == DB_TASK_DEVICE_LOST || row->status == DB_TASK_SERVER_LOST);
        assert_int_equal(done, !isnan(row->cost));
        assert_int_equal(done, !isnan(row->latency_s));
        assert_true(done || !row->deadline_missed);
        if (row->status == DB_TASK_SERVER_LOST)
            assert_int_not_equal(row->server, DB_SERVER_NULL);
    }
    for (uint32_t e = 0; e < episodes; e++) {
        assert_int_equal(record->episode[e].episode, e);
        assert_int_equal(record->episode[e].slots, slots);
        assert_int_equal(record->episode[e].tasks, (uint64_t) slots * devices);
    }
}

/* ---- seeds ---- */

static void the_same_seed_gives_the_same_rows_and_another_seed_others(void **state)
{
    (void) state;
    static const char *const other_seed[] = {"devices.count=5", "servers.count=2", "run.seed=2", NULL};
    static const char *const names[] = {"random", "greedy", "best-response", "optimum"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct sim_record a, b, c;
        play(plain_keys, names[i], 2, 10, NULL, 0, &a);
        play(plain_keys, names[i], 2, 10, NULL, 0, &b);
        play(other_seed, names[i], 2, 10, NULL, 0, &c);
        assert_whole(&a, 2, 10, 5);
        sim_assert_same(&a, &b);
        assert_int_equal(a.rows, c.rows);
        assert_false(sim_same_rows(&a, &c));
        sim_record_finish(&a);
        sim_record_finish(&b);
        sim_record_finish(&c);
    }
}

static void learning_twice_gives_the_same_rows_and_weights(void **state)
{
    (void) state;
    struct sim_record a, b, shorter;
    struct session_result first = play(learning_keys, "dapo", 4, 40, NULL, 0, &a);
    struct session_result second = play(learning_keys, "dapo", 4, 40, NULL, 0, &b);
    assert_whole(&a, 4, 40, 4);
    sim_assert_same(&a, &b);
    assert_same(first.mean_cost, second.mean_cost);
    assert_true(a.weights.size > 4 * 1000); /* a checkpoint an episode */
    play(learning_keys, "dapo", 2, 40, NULL, 0, &shorter);
    size_t half = shorter.weights.size;
    assert_int_equal(half, a.weights.size / 2);
    assert_memory_equal(a.weights.data, shorter.weights.data,
                        half); /* what comes later changes nothing before it */
    assert_memory_not_equal(a.weights.data, a.weights.data + half, half);
    sim_record_finish(&a);
    sim_record_finish(&b);
    sim_record_finish(&shorter);
}

/* Decisions do not move phones: two policies meet the same world. */
static void every_policy_meets_the_same_positions_and_tasks(void **state)
{
    (void) state;
    struct sim_record a, b;
    play(plain_keys, "local", 2, 10, NULL, 0, &a);
    play(plain_keys, "random", 2, 10, NULL, 0, &b);
    for (size_t i = 0; i < a.rows; i++) {
        assert_same(a.row[i].x_m, b.row[i].x_m);
        assert_same(a.row[i].y_m, b.row[i].y_m);
        assert_int_equal(a.row[i].tokens, b.row[i].tokens);
    }
    sim_record_finish(&a);
    sim_record_finish(&b);
}

/* ---- numbers ---- */

static void local_computing_costs_exactly_one_where_nothing_is_penalised(void **state)
{
    (void) state;
    static const char *const keys[] = {"objective.deadline_s=0", "servers.tflops_min=10",
                                       "servers.tflops_max=20", NULL};
    for (uint32_t weight = 0; weight <= 10; weight++) {
        char assignment[] = "objective.latency_weight=0.0";
        assignment[sizeof assignment - 2] = (char) ('0' + weight % 10);
        assignment[sizeof assignment - 4] = (char) ('0' + weight / 10);
        const char *const all[] = {keys[0], keys[1], keys[2], assignment, NULL};
        struct sim_record record;
        struct session_result result = play(all, "local", 1, 20, NULL, 0, &record);
        assert_same(result.mean_cost, 1.0);
        for (size_t i = 0; i < record.rows; i++)
            assert_same(record.row[i].cost, 1.0);
        assert_same(record.episode[0].episode_return, -20.0);
        sim_record_finish(&record);
    }
}

/* A policy around another that notes J by the model before anything is played. */
struct witness {
    struct policy inner;
    struct env_decision copy;
    uint32_t load[WORLD_SERVERS_MAX];
    double joint_cost[64]; /* slot by slot */
    size_t slots;
};

static void witness_decide(struct policy *policy, const struct env_view *view,
                           struct env_decision *ret_decision)
{
    struct witness *witness = policy->state;
    witness->inner.kind->decide(&witness->inner, view, ret_decision);
    for (uint32_t n = 0; n < view->world->devices; n++) {
        witness->copy.split[n] = ret_decision->split[n];
        witness->copy.server[n] = ret_decision->server[n];
        witness->copy.repaired[n] = ret_decision->repaired[n];
    }
    env_allocate(view, &witness->copy, witness->load);
    assert_true(witness->slots < 64);
    witness->joint_cost[witness->slots++] = env_joint_cost(view, &witness->copy);
}

static const struct policy_kind witness_kind = {.name = "witness", .decide = witness_decide};

static void assert_reports_what_the_model_says(const char *const *keys, const char *name)
{
    struct world world = check_world(keys);
    struct witness witness = {.inner = sim_policy(&world, NULL, name, false)};
    struct policy policy = {.kind = &witness_kind, .world = &world, .state = &witness};
    struct sim_record record = {.rows = 0};
    assert_int_equal(env_decision_init(&witness.copy, world.devices), 0);
    (void) sim_run(&world, &policy, 3, 20, NULL, 0, &record);
    assert_int_equal(witness.slots, 60);
    for (size_t t = 0; t < witness.slots; t++) {
        double sum = 0.0;
        for (uint32_t n = 0; n < world.devices; n++)
            sum += record.row[t * world.devices + n].cost;
        assert_same(sum / world.devices, witness.joint_cost[t]);
    }
    env_decision_finish(&witness.copy);
    policy_destroy(&witness.inner);
    sim_record_finish(&record);
    world_finish(&world);
}

static void what_the_nodes_report_is_the_models_joint_cost_to_the_last_bit(void **state)
{
    (void) state;
    static const char *const defaults[] = {"devices.count=6", NULL};
    static const char *const other[] = {"devices.count=6",
                                        "radio.sharing=proportional",
                                        "servers.sharing=proportional",
                                        "model.work=geometry",
                                        "model.llm=tinyllama-1.1b",
                                        "model.bits_per_element=7.5",
                                        NULL};
    static const char *const shared[] = {"devices.count=6",     "radio.sharing=shared",  "model.min_split=3",
                                         "devices.memory_gb=5", "servers.memory_gb=0.2", NULL};
    static const char *const far[] = {"devices.count=6", "link.delay_s=0.017", "link.down_mbps=3",
                                      "link.result_kb=7.7", NULL};
    static const char *const names[] = {"random", "greedy", "edge-nearest", "best-response", "local"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_reports_what_the_model_says(defaults, names[i]);
        assert_reports_what_the_model_says(other, names[i]);
        assert_reports_what_the_model_says(shared, names[i]);
        assert_reports_what_the_model_says(far, names[i]);
    }
}

/* Losses and jitter are drawn for each task, and nobody knows them before: what happens is what the model
 * expects in the mean alone. */
static void rough_links_cost_in_the_mean_what_the_model_expects(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"devices.count=6", "link.loss=0.05",
                                                      "link.jitter_s=0.02", "link.retransmit_s=0.03", NULL});
    struct witness witness = {.inner = sim_policy(&world, NULL, "edge-nearest", false)};
    struct policy policy = {.kind = &witness_kind, .world = &world, .state = &witness};
    struct sim_record record = {.rows = 0};
    assert_int_equal(env_decision_init(&witness.copy, world.devices), 0);
    (void) sim_run(&world, &policy, 3, 20, NULL, 0, &record);
    double expected = 0.0, cost = 0.0;
    for (size_t t = 0; t < witness.slots; t++)
        expected += witness.joint_cost[t];
    for (size_t i = 0; i < record.rows; i++)
        cost += record.row[i].cost / world.devices;
    assert_true(cost != expected);
    assert_near(cost, expected, 0.01 * expected);
    env_decision_finish(&witness.copy);
    policy_destroy(&witness.inner);
    sim_record_finish(&record);
    world_finish(&world);
}

/* ---- losses ---- */

/* Rows of one device from (episode, slot) on are lost, all others are as they would have been without the
 * loss. */
static void a_lost_device_costs_its_own_tasks_from_there_on(void **state)
{
    (void) state;
    static const enum session_phase phases[] = {SESSION_OBSERVE, SESSION_EXECUTE};
    for (int i = 0; i < 2; i++) {
        struct session_fault fault = {1, 4, phases[i], false, 2, false};
        struct sim_record whole, torn, again;
        play(plain_keys, "edge-nearest", 3, 8, NULL, 0, &whole);
        struct session_result result = play(plain_keys, "edge-nearest", 3, 8, &fault, 1, &torn);
        play(plain_keys, "edge-nearest", 3, 8, &fault, 1, &again);
        assert_whole(&torn, 3, 8, 5);
        sim_assert_same(&torn, &again);
        assert_int_equal(result.lost_nodes, 1);
        for (size_t r = 0; r < torn.rows; r++) {
            bool after = torn.row[r].episode > 1 || (torn.row[r].episode == 1 && torn.row[r].slot >= 4);
            bool lost = after && torn.row[r].device == 2;
            assert_int_equal(torn.row[r].status, lost ? DB_TASK_DEVICE_LOST : DB_TASK_DONE);
            if (!lost)
                assert_same(torn.row[r].x_m, whole.row[r].x_m);
            if (!after)
                assert_same(torn.row[r].latency_s, whole.row[r].latency_s);
        }
        assert_int_equal(torn.events, 1);
        assert_int_equal(torn.event[0].slot, 4);
        assert_int_equal(torn.event[0].phase, i == 0 ? DB_PHASE_OBSERVE : DB_PHASE_EXECUTE);
        assert_int_equal(torn.episode[1].failures, 4);
        assert_int_equal(torn.episode[2].failures, 8);
        sim_record_finish(&whole);
        sim_record_finish(&torn);
        sim_record_finish(&again);
    }
}

static void a_lost_server_costs_the_tasks_of_that_slot_and_is_not_chosen_again(void **state)
{
    (void) state;
    static const enum session_phase phases[] = {SESSION_OBSERVE, SESSION_EXECUTE};
    for (int i = 0; i < 2; i++) {
        struct session_fault fault = {0, 3, phases[i], true, 1, false};
        struct sim_record torn;
        play(plain_keys, "edge-best-channel", 2, 8, &fault, 1, &torn);
        assert_whole(&torn, 2, 8, 5);
        uint32_t lost = 0, before = 0;
        for (size_t r = 0; r < torn.rows; r++) {
            bool at = torn.row[r].episode == 0 && torn.row[r].slot == 3;
            bool earlier = torn.row[r].episode == 0 && torn.row[r].slot < 3;
            bool there = torn.row[r].server == 1;
            before += earlier && there ? 1 : 0;
            lost += torn.row[r].status == DB_TASK_SERVER_LOST ? 1 : 0;
            assert_int_equal(torn.row[r].status != DB_TASK_DONE, i == 1 && at && there);
            if (!earlier && !(i == 1 && at))
                assert_false(there);
        }
        assert_true(before > 0);
        assert_int_equal(lost > 0, i == 1);
        sim_record_finish(&torn);
    }
}

static void a_lost_server_that_nobody_needed_costs_nothing(void **state)
{
    (void) state;
    static const enum session_phase phases[] = {SESSION_OBSERVE, SESSION_EXECUTE};
    for (int i = 0; i < 2; i++) {
        struct session_fault fault = {0, 3, phases[i], true, 1, false};
        struct sim_record whole, torn;
        play(plain_keys, "local", 2, 8, NULL, 0, &whole);
        play(plain_keys, "local", 2, 8, &fault, 1, &torn);
        assert_true(sim_same_rows(&whole, &torn));
        assert_int_equal(torn.events, 1);
        sim_record_finish(&whole);
        sim_record_finish(&torn);
    }
}

static void the_last_device_ends_the_session_and_the_last_server_does_not(void **state)
{
    (void) state;
    static const struct session_fault devices[] = {
        {0, 2, SESSION_EXECUTE, false, 0, false}, {0, 2, SESSION_EXECUTE, false, 1, false},
        {0, 3, SESSION_OBSERVE, false, 4, false}, {0, 3, SESSION_EXECUTE, false, 2, false},
        {0, 5, SESSION_EXECUTE, false, 3, false},
    };
    static const struct session_fault servers[] = {{0, 2, SESSION_EXECUTE, true, 0, false},
                                                   {0, 2, SESSION_EXECUTE, true, 1, false}};
    struct sim_record record;
    struct session_result result = play(plain_keys, "random", 2, 8, devices, 5, &record);
    assert_true(result.abandoned);
    assert_int_equal(result.slots, 6);
    assert_int_equal(record.rows, 6 * 5);
    assert_int_equal(record.events, 5);
    assert_int_equal(record.event[0].number, 0); /* two at once are two events */
    assert_int_equal(record.event[1].number, 1);
    assert_int_equal(record.episode[0].slots, 6);
    sim_record_finish(&record);
    result = play(plain_keys, "edge-nearest", 2, 8, servers, 2, &record);
    assert_false(result.abandoned);
    assert_whole(&record, 2, 8, 5);
    for (size_t r = 15; r < record.rows; r++)
        assert_int_equal(record.row[r].server, DB_SERVER_NULL);
    sim_record_finish(&record);
}

/* Everyone at one server, which is lost: the slot is over before any decision has arrived, and the next
 * slot's loss must wait for the next slot. */
static void losses_in_slots_that_follow_one_another_happen_in_their_own_slot(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=4", "servers.count=1", "servers.coverage_m=5000",
                                       "faults.recovery=none", NULL};
    static const struct session_fault fault[] = {{0, 2, SESSION_EXECUTE, true, 0, false},
                                                 {0, 3, SESSION_EXECUTE, false, 1, false}};
    struct sim_record record;
    play(keys, "edge-nearest", 1, 6, fault, 2, &record);
    assert_whole(&record, 1, 6, 4);
    assert_int_equal(record.event[1].phase, DB_PHASE_EXECUTE);
    assert_int_equal(record.event[1].slot, 3);
    for (size_t r = 0; r < record.rows; r++) {
        enum db_task_status status = record.row[r].slot == 2 ? DB_TASK_SERVER_LOST
                                     : record.row[r].slot > 2 && record.row[r].device == 1
                                         ? DB_TASK_DEVICE_LOST
                                         : DB_TASK_DONE;
        assert_int_equal(record.row[r].status, status);
    }
    sim_record_finish(&record);
}

static void a_learner_goes_on_without_the_lost_and_gives_up_when_all_are(void **state)
{
    (void) state;
    static const struct session_fault some[] = {{0, 3, SESSION_EXECUTE, false, 1, false},
                                                {1, 0, SESSION_OBSERVE, true, 0, false},
                                                {1, 40, SESSION_OBSERVE, false, 2, false}};
    static const struct session_fault all[] = {{1, 40, SESSION_OBSERVE, false, 0, false},
                                               {1, 40, SESSION_OBSERVE, false, 1, false},
                                               {1, 40, SESSION_OBSERVE, false, 2, false},
                                               {1, 40, SESSION_OBSERVE, false, 3, false}};
    struct sim_record a, b;
    play(learning_keys, "dapo", 3, 40, some, 3, &a);
    play(learning_keys, "dapo", 3, 40, some, 3, &b);
    assert_whole(&a, 3, 40, 4);
    sim_assert_same(&a, &b);
    assert_int_equal(a.event[2].slot, 40); /* at the closing observation */
    sim_record_finish(&a);
    sim_record_finish(&b);
    struct session_result result = play(learning_keys, "dapo", 3, 40, all, 4, &a);
    assert_true(result.abandoned);
    assert_int_equal(a.rows, 2 * 40 * 4);
    assert_int_equal(a.events, 4);
    sim_record_finish(&a);
}

/* ---- decisions played again ---- */

struct again {
    const struct sim_record *record;
    size_t next;
};

static void again_decide(struct policy *policy, const struct env_view *view,
                         struct env_decision *ret_decision)
{
    struct again *again = policy->state;
    for (uint32_t n = 0; n < view->world->devices; n++) {
        const struct db_task *row = &again->record->row[again->next++];
        ret_decision->split[n] = row->split;
        ret_decision->server[n] = row->server == DB_SERVER_NULL ? ENV_LOCAL : (uint32_t) row->server;
        ret_decision->repaired[n] = row->repaired;
    }
}

static const struct policy_kind again_kind = {.name = "again", .decide = again_decide};

/* From rows and events alone, as a replay does it: a learner's decisions without the learner. */
static void decisions_and_losses_played_again_give_the_same_rows(void **state)
{
    (void) state;
    static const struct session_fault fault[] = {
        {0, 3, SESSION_EXECUTE, true, 0, false},
        {0, 40, SESSION_OBSERVE, false, 2, false}, /* the closing observation */
        {1, 7, SESSION_OBSERVE, false, 1, false},
        {2, 39, SESSION_EXECUTE, true, 1, false}};
    struct session_fault read[4];
    struct sim_record was, is = {.rows = 0};
    play(learning_keys, "dapo", 3, 40, fault, 4, &was);
    assert_int_equal(was.events, 4);
    for (size_t i = 0; i < 4; i++)
        read[i] = (struct session_fault){
            .episode = was.event[i].episode,
            .slot = was.event[i].slot,
            .phase = was.event[i].phase == DB_PHASE_EXECUTE ? SESSION_EXECUTE : SESSION_OBSERVE,
            .is_server = was.event[i].role == DB_ROLE_SERVER,
            .number = (uint32_t) was.event[i].number,
        };
    struct settings settings;
    struct world world = full_world(learning_keys, &settings);
    struct again again = {.record = &was};
    struct policy policy = {.kind = &again_kind, .world = &world, .state = &again};
    struct session_result result = sim_run(&world, &policy, 3, 40, read, 4, &is);
    assert_int_equal(result.lost_nodes, 4);
    assert_int_equal(again.next, was.rows);
    assert_true(sim_same_rows(&was, &is));
    sim_record_finish(&was);
    sim_record_finish(&is);
    world_finish(&world);
}

/* ---- sums ---- */

/* A policy that is told the outcome of each slot that it has decided. */
struct hearer {
    struct policy inner;
    size_t decides, hears, outcomes;
    double cost_sum, reward_sum;
    size_t truncated;
};

static void hearer_decide(struct policy *policy, const struct env_view *view,
                          struct env_decision *ret_decision)
{
    struct hearer *hearer = policy->state;
    assert_int_equal(hearer->hears, hearer->decides); /* of the slot before, before this one */
    hearer->decides++;
    hearer->inner.kind->decide(&hearer->inner, view, ret_decision);
}

static void hearer_hear(struct policy *policy, const struct policy_feedback *feedback)
{
    struct hearer *hearer = policy->state;
    hearer->hears++;
    hearer->truncated += feedback->truncated ? 1 : 0;
    hearer->reward_sum += feedback->reward;
    hearer->outcomes += feedback->outcomes;
    for (size_t i = 0; i < feedback->outcomes; i++)
        hearer->cost_sum += feedback->outcome[i].cost;
}

static const struct policy_kind hearer_kind = {
    .name = "hearer", .decide = hearer_decide, .hear = hearer_hear};

/* What rows say of themselves, for one episode or for all. */
struct sums {
    uint64_t tasks, done, missed, expired, recovered, reoffloaded, repairs;
    double cost, energy_j;
};

static void add_to(struct sums *sums, const struct db_task *row)
{
    bool done = !isnan(row->latency_s); /* others may have a cost: what they are charged */
    sums->tasks++;
    sums->done += done ? 1 : 0;
    sums->missed += done && row->deadline_missed ? 1 : 0;
    sums->expired += row->status == DB_TASK_EXPIRED ? 1 : 0;
    sums->recovered += row->status == DB_TASK_RECOVERED ? 1 : 0;
    sums->reoffloaded += row->status == DB_TASK_REOFFLOADED ? 1 : 0;
    sums->repairs += row->repaired ? 1 : 0;
    sums->cost += done ? row->cost : 0.0;
    sums->energy_j += done ? row->energy_j : 0.0;
}

static void check_episode(const struct db_episode *episode, const struct sums *sums)
{
    assert_int_equal(episode->tasks, sums->tasks);
    assert_int_equal(episode->failures, sums->tasks - sums->done);
    assert_int_equal(episode->deadline_misses, sums->missed);
    assert_int_equal(episode->repairs, sums->repairs);
    check_near(episode->mean_cost, sums->cost / (double) sums->done, 1e-9, "mean cost", __FILE__, __LINE__);
    check_near(episode->mean_energy_j, sums->energy_j / (double) sums->done, 1e-9, "mean energy", __FILE__,
               __LINE__);
}

static struct sums check_sums(const char *const *keys, const struct session_fault *fault, size_t faults)
{
    enum { EPISODES = 3, SLOTS = 40 };
    struct settings settings;
    struct world world = full_world(keys, &settings);
    struct hearer hearer = {.inner = sim_policy(&world, &settings, "greedy", false)};
    struct policy policy = {.kind = &hearer_kind, .world = &world, .state = &hearer};
    struct sim_record record = {.rows = 0};
    struct sums all = {.tasks = 0};
    struct session_result result = sim_run(&world, &policy, EPISODES, SLOTS, fault, faults, &record);
    double returns = 0.0;
    assert_int_equal(record.episodes, EPISODES);
    for (uint32_t e = 0; e < EPISODES; e++) {
        struct sums own = {.tasks = 0};
        for (size_t i = 0; i < record.rows; i++)
            if (record.row[i].episode == e)
                add_to(&own, &record.row[i]);
        check_episode(&record.episode[e], &own);
        returns += record.episode[e].episode_return;
    }
    for (size_t i = 0; i < record.rows; i++)
        add_to(&all, &record.row[i]);
    assert_int_equal(result.slots, EPISODES * SLOTS);
    assert_int_equal(result.tasks, all.tasks);
    assert_int_equal(result.lost_tasks, all.tasks - all.done - all.expired);
    assert_int_equal(result.recovered, all.recovered);
    assert_int_equal(result.reoffloaded, all.reoffloaded);
    assert_near(result.mean_cost, all.cost / (double) all.done, 1e-9);
    assert_int_equal(hearer.decides, EPISODES * SLOTS);
    assert_int_equal(hearer.hears, EPISODES * SLOTS);
    assert_int_equal(hearer.truncated, EPISODES);
    assert_int_equal(hearer.outcomes, all.done);
    assert_near(hearer.cost_sum, all.cost, 1e-9);
    assert_near(hearer.reward_sum, returns, 1e-9);
    policy_destroy(&hearer.inner);
    sim_record_finish(&record);
    world_finish(&world);
    return all;
}

static void a_sessions_sums_are_those_of_its_rows(void **state)
{
    (void) state;
#define KILLS                                                                                                \
    "faults.script=slot 3 kill server 0; slot 8 rejoin server 0; slot 20 pause device 1 for 3; slot 9 "      \
    "pause server 1 for 4",                                                                                  \
        "devices.count=6", "servers.count=2", "servers.coverage_m=5000"
#define QUEUE "run.mode=queue", "run.slot_s=0.6", "task.probability=0.6", "radio.bandwidth_mhz=8"
    static const char *const quiet[] = {"devices.count=5", "servers.count=2", NULL};
    static const char *const killed[] = {KILLS, "faults.recovery=none", NULL};
    static const char *const local[] = {KILLS, "faults.recovery=local", NULL};
    static const char *const again[] = {KILLS, "faults.recovery=reoffload", NULL};
    static const char *const queue[] = {QUEUE, KILLS, "faults.recovery=reoffload", "objective.deadline_s=2.4",
                                        NULL};
    static const struct session_fault lost[] = {{1, 3, SESSION_EXECUTE, true, 0, false},
                                                {1, 30, SESSION_EXECUTE, false, 2, false}};
    struct sums sums = check_sums(quiet, NULL, 0);
    assert_int_equal(sums.done, sums.tasks);
    sums = check_sums(killed, NULL, 0);
    assert_true(sums.done < sums.tasks);
    assert_true(check_sums(local, NULL, 0).recovered > 0);
    assert_true(check_sums(again, NULL, 0).reoffloaded > 0);
    assert_true(check_sums(queue, NULL, 0).reoffloaded > 0);
    sums = check_sums(local, lost, 2);
    assert_true(sums.done < sums.tasks);
    static const char *const alone[] = {"devices.count=1", "servers.count=1",
                                        "faults.script=slot 5 pause device 0 for 3", NULL};
    check_sums(alone, NULL, 0); /* nobody is there to be waited for, and it goes on */
}

/* ---- ends ---- */

static int full_disk(void *user, const struct db_task *task, size_t count)
{
    (void) task;
    (void) count;
    return ++*(int *) user == 3 ? -ENOSPC : 0;
}

static void a_sinks_error_ends_the_session_with_its_code(void **state)
{
    (void) state;
    struct world world = check_world(plain_keys);
    struct policy policy = sim_policy(&world, NULL, "local", false);
    int calls = 0;
    struct session session = {
        .world = &world,
        .policy = &policy,
        .episodes = 1,
        .slots = 8,
        .record_tasks = true,
    };
    session_sinks_add(&session.sinks, (struct session_sink){.tasks = full_disk, .user = &calls});
    struct session_result result = {.slots = 77};
    struct diag diag = {{0}};
    assert_int_equal(host_memory_run(&session, &result, &diag), -ENOSPC);
    assert_int_equal(calls, 3);
    assert_int_equal(result.slots, 77);
    policy_destroy(&policy);
    world_finish(&world);
}

static void two_sinks_see_the_same_rows_in_the_same_order(void **state)
{
    (void) state;
    struct settings settings;
    struct world world = full_world(learning_keys, &settings);
    struct policy policy = sim_policy(&world, &settings, "dapo", true);
    struct sim_record first = {.rows = 0}, second = {.rows = 0};
    const struct session_fault fault = {0, 2, SESSION_OBSERVE, true, 1, false};
    struct session session = {
        .world = &world,
        .policy = &policy,
        .episodes = 2,
        .slots = 30,
        .checkpoint_every = 1,
        .record_tasks = true,
        .fault = &fault,
        .fault_count = 1,
    };
    session_sinks_add(&session.sinks, sim_sink(&first));
    session_sinks_add(&session.sinks, sim_sink(&second));
    struct session_result result;
    struct diag diag = {{0}};
    assert_int_equal(host_memory_run(&session, &result, &diag), 0);
    assert_int_equal(first.rows, (size_t) 60 * world.devices);
    assert_int_equal(first.episodes, 2);
    assert_true(first.events > 0);
    assert_true(first.weights.size > 0);
    sim_assert_same(&first, &second);
    sim_record_finish(&first);
    sim_record_finish(&second);
    policy_destroy(&policy);
    world_finish(&world);
}

static void a_sink_that_fails_ends_the_session_before_later_sinks_see_its_row(void **state)
{
    (void) state;
    struct world world = check_world(plain_keys);
    struct policy policy = sim_policy(&world, NULL, "local", false);
    struct sim_record before = {.rows = 0}, behind = {.rows = 0};
    int calls = 0;
    struct session session = {
        .world = &world,
        .policy = &policy,
        .episodes = 1,
        .slots = 8,
        .record_tasks = true,
    };
    session_sinks_add(&session.sinks, sim_sink(&before));
    session_sinks_add(&session.sinks, (struct session_sink){.tasks = full_disk, .user = &calls});
    session_sinks_add(&session.sinks, sim_sink(&behind));
    struct session_result result;
    struct diag diag = {{0}};
    assert_int_equal(host_memory_run(&session, &result, &diag), -ENOSPC);
    assert_int_equal(calls, 3);
    assert_int_equal(before.rows, (size_t) 3 * world.devices);
    assert_int_equal(behind.rows, (size_t) 2 * world.devices);
    assert_int_equal(before.episodes + behind.episodes, 0);
    sim_record_finish(&before);
    sim_record_finish(&behind);
    policy_destroy(&policy);
    world_finish(&world);
}

static void the_stop_flag_cuts_a_session_short_with_whole_slots(void **state)
{
    (void) state;
    static const volatile sig_atomic_t stop = 1;
    struct world world = check_world(plain_keys);
    struct policy policy = sim_policy(&world, NULL, "random", false);
    struct sim_record record = {.rows = 0};
    struct session session = {
        .world = &world,
        .policy = &policy,
        .episodes = 4,
        .slots = 8,
        .record_tasks = true,
        .stop = &stop,
    };
    session_sinks_add(&session.sinks, sim_sink(&record));
    struct session_result result;
    struct diag diag = {{0}};
    assert_int_equal(host_memory_run(&session, &result, &diag), 0);
    assert_true(result.stopped);
    assert_int_equal(record.rows, 5);
    assert_int_equal(record.episode[0].slots, 1);
    sim_record_finish(&record);
    policy_destroy(&policy);
    world_finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_rows_and_another_seed_others),
        cmocka_unit_test(learning_twice_gives_the_same_rows_and_weights),
        cmocka_unit_test(every_policy_meets_the_same_positions_and_tasks),
        cmocka_unit_test(local_computing_costs_exactly_one_where_nothing_is_penalised),
        cmocka_unit_test(what_the_nodes_report_is_the_models_joint_cost_to_the_last_bit),
        cmocka_unit_test(rough_links_cost_in_the_mean_what_the_model_expects),
        cmocka_unit_test(a_lost_device_costs_its_own_tasks_from_there_on),
        cmocka_unit_test(a_lost_server_costs_the_tasks_of_that_slot_and_is_not_chosen_again),
        cmocka_unit_test(a_lost_server_that_nobody_needed_costs_nothing),
        cmocka_unit_test(the_last_device_ends_the_session_and_the_last_server_does_not),
        cmocka_unit_test(losses_in_slots_that_follow_one_another_happen_in_their_own_slot),
        cmocka_unit_test(a_learner_goes_on_without_the_lost_and_gives_up_when_all_are),
        cmocka_unit_test(decisions_and_losses_played_again_give_the_same_rows),
        cmocka_unit_test(a_sessions_sums_are_those_of_its_rows),
        cmocka_unit_test(a_sinks_error_ends_the_session_with_its_code),
        cmocka_unit_test(two_sinks_see_the_same_rows_in_the_same_order),
        cmocka_unit_test(a_sink_that_fails_ends_the_session_before_later_sinks_see_its_row),
        cmocka_unit_test(the_stop_flag_cuts_a_session_short_with_whole_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
