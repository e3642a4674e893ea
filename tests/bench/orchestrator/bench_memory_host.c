/* Device decisions per second of the memory host on one core: random policy, no recording, the scenario
 * `dapo`, through the cores. The named peer is the physics alone: the same mobility, channels and outcomes as
 * plain function calls, with no cores and no messages. The ratio says what the state machines cost. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/units.h"
#include "core/model/cost.h"
#include "core/model/device_slot.h"
#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/policy/catalog/settings.h"

#define EPISODES 5u
#define SLOTS 20000u
#define REPEATS 5

static double best_of(double a, double b)
{
    return a > b ? a : b;
}

/* Decisions per second through the cores. */
static double run_host(const struct world *world, const struct policy_kind *kind)
{
    struct policy policy;
    struct session_result result = {0};
    struct diag diag = {0};
    struct settings settings;
    settings_defaults(&settings);
    if (policy_create(&policy, kind,
                      &(struct policy_options){.world = world, .settings = settings_values(&settings)},
                      &diag) != 0)
        return 0.0;
    struct session session = {
        .world = world, .policy = &policy, .phase = RNG_TRAIN, .episodes = EPISODES, .slots = SLOTS};
    int rc = host_memory_run(&session, &result, &diag);
    policy_destroy(&policy);
    return rc == 0 ? (double) result.tasks / result.wall_s : 0.0;
}

/* The same physics without cores. `sink` keeps the compiler from dropping it. */
static double run_physics(const struct world *world, double *sink)
{
    static struct device_slot slot;
    uint64_t start_ns = clock_monotonic_ns();
    uint64_t tasks = 0;
    for (uint32_t n = 0; n < world->devices; n++)
        for (uint32_t e = 0; e < EPISODES; e++) {
            struct mobility mobility;
            mobility_start(world, n, RNG_TRAIN, e, &mobility);
            for (uint32_t t = 0; t < SLOTS; t++, tasks++) {
                struct task_plan plan = {.split = t % 32,
                                         .server = t % world->servers,
                                         .bandwidth_share = 0.3,
                                         .compute_share = 0.3};
                struct task_outcome outcome;
                device_slot_meet(world, n, (struct slot_id){RNG_TRAIN, e, t}, &mobility, &slot);
                cost_outcome(world, n, slot.tokens, slot.gain[plan.server], &plan, &outcome);
                *sink += cost_task(world, &world->device[n], slot.tokens, outcome.latency_s, outcome.energy_j,
                                   false, NULL);
                mobility_step(world, n, RNG_TRAIN, e, t, &mobility);
            }
        }
    return (double) tasks / units_ns_to_s(clock_monotonic_ns() - start_ns);
}

int main(void)
{
    struct scenario scenario;
    struct world world;
    struct diag diag = {0};
    scenario_defaults(&scenario);
    if (world_init(&world, &scenario, NULL, &diag) != 0) {
        (void) fprintf(stderr, "%s\n", diag.text);
        return 1;
    }
    double host = 0.0, local = 0.0, physics = 0.0, sink = 0.0;
    for (int i = 0; i < REPEATS; i++) {
        host = best_of(host, run_host(&world, &policy_random));
        local = best_of(local, run_host(&world, &policy_local));
        physics = best_of(physics, run_physics(&world, &sink));
    }
    (void) printf("memory host, random policy: %.0f device decisions/s (best of %d)\n", host, REPEATS);
    (void) printf("memory host, local policy:  %.0f device decisions/s\n", local);
    (void) printf("physics alone:              %.0f device slots/s (checksum %.6g)\n", physics, sink);
    (void) printf("ratio host/physics: %.2f\n", host / physics);
    world_finish(&world);
    return host > 0.0 ? 0 : 1;
}
