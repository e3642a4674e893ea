/* dapo-plus and its distilled actor at 10, 50 and 500 devices: the least time of a decision, and what their
 * decisions cost beside a multi-start search that knows the true model (the peer), on slots that training did
 * not see. Trains first, over memory. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/model/device_slot.h"
#include "core/model/mobility.h"
#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/policy/catalog/settings.h"

#define SLOTS 20u /* held-out ones */
#define REPEATS 3 /* of which the fastest counts */

struct bench {
    struct world world;
    struct settings settings; /* of policies */
    struct env_view view[SLOTS];
    struct env_decision decision;
    uint32_t load[WORLD_SERVERS_MAX];
    struct buf weights;
};

static int observe(struct bench *bench)
{
    struct world *world = &bench->world;
    static struct device_slot met;
    for (uint32_t t = 0; t < SLOTS; t++) {
        if (env_view_init(&bench->view[t], world) != 0)
            return -1;
        for (uint32_t m = 0; m < world->servers; m++)
            bench->view[t].server_up[m] = true;
        env_view_begin(&bench->view[t], (struct slot_id){RNG_TEST, 0, t});
    }
    for (uint32_t n = 0; n < world->devices; n++) {
        struct mobility mobility;
        mobility_start(world, n, RNG_TEST, 0, &mobility);
        for (uint32_t t = 0; t < SLOTS; t++) {
            device_slot_meet(world, n, (struct slot_id){RNG_TEST, 0, t}, &mobility, &met);
            env_view_observe(&bench->view[t], n, met.position, met.speed_mps, met.tokens, met.gain);
            mobility_step(world, n, RNG_TEST, 0, t, &mobility);
        }
    }
    return 0;
}

static struct policy_options options_of(const struct bench *bench, bool training)
{
    return (struct policy_options){
        .world = &bench->world, .settings = settings_values(&bench->settings), .training = training};
}

static int train(struct bench *bench, uint32_t slots, struct diag *diag)
{
    struct policy policy = {0};
    struct session_result result;
    const struct policy_options options = options_of(bench, true);
    int rc = policy_create(&policy, &policy_dapo_plus, &options, diag);
    struct session session = {
        .world = &bench->world, .policy = &policy, .phase = RNG_TRAIN, .episodes = 1, .slots = slots};
    if (rc == 0)
        rc = host_memory_run(&session, &result, diag);
    if (rc == 0)
        rc = policy.kind->save(&policy, false, &bench->weights);
    policy_destroy(&policy);
    return rc;
}

static int open(struct bench *bench, uint32_t devices, uint32_t slots, struct diag *diag)
{
    struct scenario scenario;
    *bench = (struct bench){.weights = {0}};
    scenario_defaults(&scenario);
    settings_defaults(&bench->settings);
    scenario.devices.count = devices;
    scenario.run.episodes = 1;
    scenario.run.slots = slots;
    int rc = world_init(&bench->world, &scenario, NULL, diag);
    if (rc == 0)
        rc = env_decision_init(&bench->decision, devices);
    if (rc == 0)
        rc = observe(bench);
    return rc != 0 ? rc : train(bench, slots, diag);
}

static void close_all(struct bench *bench)
{
    for (uint32_t t = 0; t < SLOTS; t++)
        env_view_finish(&bench->view[t]);
    env_decision_finish(&bench->decision);
    world_finish(&bench->world);
    buf_finish(&bench->weights);
}

/* Of this thread: what others do on the machine does not count. */
static double used_us(void)
{
    struct timespec used = {0};
    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double) used.tv_sec * 1e6 + (double) used.tv_nsec * 1e-3;
}

/* Mean cost over the slots; *ret_us: of a decision, each slot at its fastest. */
static double drive(struct bench *bench, const struct policy_kind *kind, double *ret_us, struct diag *diag)
{
    struct policy policy = {0};
    double cost = 0.0, sum_us = 0.0;
    const struct policy_options options = options_of(bench, false);
    int rc = policy_create(&policy, kind, &options, diag);
    if (rc == 0 && policy_is_trained(kind))
        rc = kind->load(&policy, bench->weights.data, bench->weights.size, diag);
    for (uint32_t t = 0; t < SLOTS && rc == 0; t++) {
        double least_us = 1e12;
        for (int i = 0; i < REPEATS; i++) {
            double start_us = used_us();
            kind->decide(&policy, &bench->view[t], &bench->decision);
            double us = used_us() - start_us;
            least_us = us < least_us ? us : least_us;
        }
        env_allocate(&bench->view[t], &bench->decision, bench->load);
        cost += env_joint_cost(&bench->view[t], &bench->decision);
        sum_us += least_us;
    }
    policy_destroy(&policy);
    *ret_us = sum_us / SLOTS;
    return rc == 0 ? cost / SLOTS : -1.0;
}

static int run(uint32_t devices, uint32_t slots)
{
    static const struct policy_kind *const kinds[] = {&policy_multistart, &policy_dapo_plus,
                                                      &policy_dapo_plus_actor};
    static struct bench bench;
    struct diag diag = {{0}};
    (void) setvbuf(stdout, NULL, _IOLBF, 0);
    double peer = 0.0, peer_us = 0.0;
    int rc = open(&bench, devices, slots, &diag);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && rc == 0; i++) {
        double us = 0.0, cost = drive(&bench, kinds[i], &us, &diag);
        rc = cost < 0.0 ? -1 : 0;
        peer = i == 0 ? cost : peer;
        peer_us = i == 0 ? us : peer_us;
        if (rc == 0)
            (void) printf(
                "%4u devices, %5u slots of training: %-16s cost %.4f (%+.2f %%), %8.0f us a decision "
                "(peer's: x %.3f)\n",
                devices, slots, kinds[i]->name, cost, 100.0 * (cost / peer - 1.0), us, us / peer_us);
    }
    if (rc != 0)
        (void) fprintf(stderr, "%s\n", diag.text);
    close_all(&bench);
    return rc;
}

int main(void)
{
    int rc = run(10, 2000);
    rc = rc != 0 ? rc : run(50, 2000);
    rc = rc != 0 ? rc : run(500, 300);
    return rc == 0 ? 0 : 1;
}
