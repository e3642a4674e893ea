/* Whichever allocation fails in a session: it ends and says so, and leaves nothing behind. */
#include <errno.h>
#include <stdio.h>

#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "tests/lib/memory.h"
#include "tests/sim/played.h"

#define TRIES_MAX 20000u
#define SLOTS 4u
#define SMALL                                                                                                \
    "devices.count=3", "servers.count=2", "ddpg.hidden_1=8", "ddpg.hidden_2=8", "ddpg.warmup=2",             \
        "ddpg.batch=2", "ddpg.buffer=1000", "dqn.buffer=1000", "plus.buffer=1000"

static int on_checkpoint(void *user, uint32_t episode, struct policy *policy)
{
    (void) episode;
    return policy->kind->save(policy, true, user);
}

/* Two episodes, in which allocation `n` fails. False: it was not needed. */
static bool play(const struct sim_played *played, const char *name, size_t n, int *ret_rc)
{
    struct diag diag = {{0}};
    struct buf weights = {0};
    struct policy policy = sim_policy(&played->world, &played->settings, name, true);
    struct session session = {.world = &played->world,
                              .policy = &policy,
                              .phase = RNG_TRAIN,
                              .episodes = 2,
                              .slots = SLOTS,
                              .checkpoint_every = policy_learns(policy.kind) ? 1 : 0,
                              .record_tasks = true};
    struct session_sink sink = {.checkpoint = on_checkpoint, .user = &weights};
    struct session_result result;
    if (policy_learns(policy.kind))
        session_sinks_add(&session.sinks, sink);
    memory_fail_at(n);
    *ret_rc = host_memory_run(&session, &result, &diag);
    bool failed = memory_has_failed();
    policy_destroy(&policy);
    buf_finish(&weights);
    return failed;
}

/* `goes_on`: the policy may decide with what it knows when memory has run out. */
static void play_without_memory(const char *const *keys, const char *name, bool goes_on)
{
    struct sim_played played = {.result = {0}};
    played.world = full_world(keys, &played.settings);
    size_t before = memory_blocks(), n = 1;
    for (bool failed = true; failed && n < TRIES_MAX; n++) {
        int rc;
        failed = play(&played, name, n, &rc);
        bool told = rc == (failed ? -ENOMEM : 0) || (rc == 0 && goes_on);
        if (!told || memory_blocks() != before)
            fail_msg("%s: allocation %zu: %d, %zu blocks, before %zu", name, n, rc, memory_blocks(), before);
    }
    assert_in_range(n, 50, TRIES_MAX - 1);
    world_finish(&played.world);
}

static void a_session_of_rounds_says_that_memory_ran_out(void **state)
{
    (void) state;
    static const char *const keys[] = {SMALL, NULL};
    play_without_memory(keys, "greedy", false);
}

/* Every one that suits the mode, but for those that take long. */
static void play_policies(const char *const *keys)
{
    size_t played = 0;
    struct settings settings;
    struct world world = full_world(keys, &settings);
    for (size_t i = 0; i < catalog_count(); i++)
        if (!catalog_at(i)->only_named && !catalog_at(i)->asks && catalog_at(i)->weights_of == NULL &&
            policy_suits(catalog_at(i), policy_mode_of(&world.scenario))) {
            play_without_memory(keys, catalog_at(i)->name, true);
            played++;
        }
    assert_true(played > 1);
    world_finish(&world);
}

/* As one of a new run, which fills its buffers as it begins; or one that is tested. */
static int create(const struct sim_played *played, const struct policy_kind *kind, bool training, size_t n,
                  bool *ret_failed)
{
    struct diag diag = {{0}};
    struct policy policy = {0};
    const struct policy_options options = {
        .world = &played->world, .settings = settings_values(&played->settings), .training = training};
    memory_fail_at(n);
    int rc = policy_create(&policy, kind, &options, &diag);
    *ret_failed = memory_has_failed();
    policy_destroy(&policy); /* in any case */
    return rc;
}

static void every_policy_is_there_or_says_that_memory_ran_out(void **state)
{
    (void) state;
    static const char *const keys[] = {SMALL, NULL};
    struct sim_played played = {.result = {0}};
    played.world = full_world(keys, &played.settings);
    size_t before = memory_blocks();
    for (size_t i = 0; i < 2 * catalog_count(); i++) {
        const struct policy_kind *kind = catalog_at(i / 2);
        bool failed = true;
        for (size_t n = 1; failed && !kind->asks && n < TRIES_MAX; n++) {
            int rc = create(&played, kind, i % 2 == 0, n, &failed);
            if ((failed && rc != -ENOMEM) || memory_blocks() != before)
                fail_msg("%s: allocation %zu: %d, %zu blocks, before %zu", kind->name, n, rc, memory_blocks(),
                         before);
        }
    }
    world_finish(&played.world);
}

static void policies_in_rounds_say_that_memory_ran_out(void **state)
{
    (void) state;
    static const char *const keys[] = {SMALL, NULL};
    play_policies(keys);
}

static void policies_in_queues_say_that_memory_ran_out(void **state)
{
    (void) state;
    static const char *const keys[] = {SMALL, "run.mode=queue", NULL};
    play_policies(keys);
}

static void a_session_of_queues_says_that_memory_ran_out(void **state)
{
    (void) state;
    static const char *const keys[] = {SIM_BUSY, "devices.count=4", NULL};
    play_without_memory(keys, "greedy", false);
}

static void faults_and_handovers_say_that_memory_ran_out(void **state)
{
    (void) state;
    static const char *const keys[] = {SMALL, "run.mode=queue", "chaos.rate=0.2", "faults.recovery=reoffload",
                                       NULL};
    play_without_memory(keys, "greedy", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_of_rounds_says_that_memory_ran_out),
        cmocka_unit_test(every_policy_is_there_or_says_that_memory_ran_out),
        cmocka_unit_test(policies_in_rounds_say_that_memory_ran_out),
        cmocka_unit_test(policies_in_queues_say_that_memory_ran_out),
        cmocka_unit_test(a_session_of_queues_says_that_memory_ran_out),
        cmocka_unit_test(faults_and_handovers_say_that_memory_ran_out),
    };
    if (!memory_can_fail()) {
        (void) printf("1..0 # SKIP sanitizers allocate by functions of their own\n");
        return 0; /* the plan above says it */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
