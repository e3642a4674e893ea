/* The order in which messages arrive must not show: rows, events, episodes and learned weights are the same
 * bits in the memory host and in a host that shuffles everything in flight. */
#include "tests/sim/sim.h"

#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"

#define SHUFFLES 20u

static const char *const learning[] = {
    "devices.count=4", "servers.count=2", "servers.coverage_m=700", "ddpg.hidden_1=16",  "ddpg.hidden_2=16",
    "ddpg.warmup=20",  "ddpg.batch=16",   "ddpg.buffer=64",         "model.min_split=1", NULL};

struct played {
    struct sim_record record;
    struct session_result result;
};

/* One session of a fresh policy, in host_memory or, with `options`, in the other host. */
static void play(const struct policy_options *made_for, const char *name, const struct session_fault *fault,
                 size_t faults, const struct sim_host_options *options, struct played *ret)
{
    struct policy policy;
    const struct policy_kind *kind = NULL;
    assert_int_equal(catalog_find(name, &kind, NULL), 0);
    assert_int_equal(policy_create(&policy, kind, made_for, NULL), 0);
    *ret = (struct played){.record = {.rows = 0}};
    struct session session = {
        .world = made_for->world,
        .policy = &policy,
        .phase = RNG_TRAIN,
        .episodes = 3,
        .slots = 25,
        .checkpoint_every = 1,
        .record_tasks = true,
        .fault = fault,
        .fault_count = faults,
    };
    session_sinks_add(&session.sinks, sim_sink(&ret->record));
    struct diag diag = {{0}};
    if (options != NULL)
        sim_host_run(&session, options, &ret->result);
    else if (host_memory_run(&session, &ret->result, &diag) != 0)
        fail_msg("%s", diag.text);
    policy_destroy(&policy);
}

static void assert_same_in_every_order(const char *const *keys, const char *name,
                                       const struct session_fault *fault, size_t faults, uint32_t shuffles,
                                       uint32_t *overtook)
{
    struct settings settings;
    struct world world = full_world(keys, &settings);
    const struct policy_options made_for = full_options(&world, &settings, true);
    struct played memory, other;
    play(&made_for, name, fault, faults, NULL, &memory);
    for (uint32_t i = 0; i <= shuffles; i++) {
        struct sim_host_options options = {.shuffle = i > 0, .seed = i, .overtook = overtook};
        play(&made_for, name, fault, faults, &options, &other);
        sim_assert_same(&other.record, &memory.record);
        assert_same(other.result.mean_cost, memory.result.mean_cost);
        assert_int_equal(other.result.tasks, memory.result.tasks);
        assert_int_equal(other.result.lost_nodes, memory.result.lost_nodes);
        sim_record_finish(&other.record);
    }
    sim_record_finish(&memory.record);
    world_finish(&world);
}

static void a_learner_learns_the_same_bits_in_every_order_of_arrival(void **state)
{
    (void) state;
    uint32_t overtook = 0;
    assert_same_in_every_order(learning, "dapo", NULL, 0, SHUFFLES, &overtook);
    assert_true(overtook > 100); /* tasks came before their ALLOT, or the test shuffled nothing */
}

static void fixed_policies_report_the_same_bits_in_every_order_of_arrival(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=7", "servers.count=3", NULL};
    static const char *const shared[] = {"devices.count=7", "servers.count=3", "radio.sharing=shared",
                                         "servers.sharing=proportional", NULL};
    assert_same_in_every_order(keys, "random", NULL, 0, SHUFFLES, NULL);
    assert_same_in_every_order(keys, "greedy", NULL, 0, 5, NULL);
    assert_same_in_every_order(shared, "edge-best-channel", NULL, 0, 5, NULL);
}

static void losses_at_a_given_place_leave_the_same_rows_in_every_order_of_arrival(void **state)
{
    (void) state;
    static const struct session_fault fault[] = {
        {0, 3, SESSION_EXECUTE, false, 1, false},
        {0, 10, SESSION_OBSERVE, true, 0, false},
        {1, 0, SESSION_OBSERVE, false, 3, false},
        {1, 24, SESSION_EXECUTE, true, 1, false},
    };
    assert_same_in_every_order(learning, "dapo", fault, 4, SHUFFLES, NULL);
    assert_same_in_every_order(learning, "random", fault, 4, SHUFFLES, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_learner_learns_the_same_bits_in_every_order_of_arrival),
        cmocka_unit_test(fixed_policies_report_the_same_bits_in_every_order_of_arrival),
        cmocka_unit_test(losses_at_a_given_place_leave_the_same_rows_in_every_order_of_arrival),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
