/* Microseconds for one decision of every policy that does not learn: 10 devices, 3 servers, the scenario
 * `dapo`, and `run.mode: queue` for those that are made for it (with nothing left over from earlier slots).
 * The peer is the slot's physics alone: every device's outcome for one given decision, shares divided. The
 * ratio says how many decisions a policy could have priced in its time. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/units.h"
#include "core/model/device_slot.h"
#include "core/model/mobility.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/policy/catalog/settings.h"
#include "orchestrator/policy/policy.h"

#define SLOTS 50u   /* different ones */
#define LEAST_S 0.1 /* of time for each measurement, in whole decisions */
#define REPEATS 3

struct bench {
    struct world world;
    struct settings settings; /* of policies */
    struct env_view view[SLOTS];
    struct env_decision decision;
    uint32_t load[WORLD_SERVERS_MAX];
    double sink; /* keeps the compiler from dropping work */
};

/* Observes an episode's slots; the loads of the slots before are made up. */
static int observe(struct bench *bench)
{
    struct world *world = &bench->world;
    static struct device_slot met;
    for (uint32_t t = 0; t < SLOTS; t++) {
        if (env_view_init(&bench->view[t], world) != 0)
            return -1;
        env_view_begin(&bench->view[t], (struct slot_id){RNG_TEST, 0, t});
        for (uint32_t m = 0; m < world->servers && t > 0; m++)
            bench->view[t].previous_load[m] = (t + m) % 5;
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

static int bench_open(struct bench *bench, enum scenario_mode mode)
{
    struct scenario scenario;
    struct diag diag = {0};
    scenario_defaults(&scenario);
    scenario.run.mode = mode;
    *bench = (struct bench){.sink = 0.0};
    settings_defaults(&bench->settings);
    if (world_init(&bench->world, &scenario, NULL, &diag) != 0) {
        (void) fprintf(stderr, "%s\n", diag.text);
        return -1;
    }
    return env_decision_init(&bench->decision, bench->world.devices) != 0 ? -1 : observe(bench);
}

static void bench_close(struct bench *bench)
{
    for (uint32_t t = 0; t < SLOTS; t++)
        env_view_finish(&bench->view[t]);
    env_decision_finish(&bench->decision);
    world_finish(&bench->world);
}

/* Of one decision, over LEAST_S, slot after slot; policy NULL: of pricing one. */
static double measure(struct bench *bench, struct policy *policy)
{
    uint64_t start_ns = clock_monotonic_ns(), count = 0;
    double passed_s = 0.0;
    for (; passed_s < LEAST_S; count++) {
        const struct env_view *view = &bench->view[count % SLOTS];
        if (policy != NULL) {
            policy->kind->decide(policy, view, &bench->decision);
        } else {
            env_repair(view, &bench->decision);
            env_allocate(view, &bench->decision, bench->load);
            bench->sink += env_joint_cost(view, &bench->decision);
        }
        bench->sink += bench->decision.split[0];
        passed_s = units_ns_to_s(clock_monotonic_ns() - start_ns);
    }
    return passed_s * 1e6 / (double) count;
}

static double microseconds(struct bench *bench, struct policy *policy)
{
    double best = measure(bench, policy);
    for (int i = 1; i < REPEATS; i++) {
        double us = measure(bench, policy);
        best = us < best ? us : best;
    }
    return best;
}

/* Half of the devices away, at all servers. */
static double price_one(struct bench *bench)
{
    for (uint32_t n = 0; n < bench->world.devices; n++) {
        bench->decision.split[n] = n % 2 == 0 ? 8 : bench->world.llm->layers;
        bench->decision.server[n] = n % 2 == 0 ? n % bench->world.servers : ENV_LOCAL;
    }
    return microseconds(bench, NULL);
}

static int run_all(struct bench *bench, enum scenario_mode mode)
{
    double price_us = price_one(bench);
    (void) printf("run.mode: %s; pricing one joint decision: %.2f us (best of %d)\n",
                  mode == MODE_QUEUE ? "queue" : "round", price_us, REPEATS);
    for (size_t i = 0; i < catalog_count(); i++) {
        const struct policy_kind *kind = catalog_at(i);
        struct policy policy;
        struct diag diag = {0};
        bool takes_part = !policy_is_trained(kind) &&
                          policy_suits(kind, policy_mode_of(&bench->world.scenario)) &&
                          (mode != MODE_QUEUE || kind->modes == POLICY_MODE_QUEUE);
        if (!takes_part)
            continue;
        const struct policy_options options = {.world = &bench->world,
                                               .settings = settings_values(&bench->settings)};
        if (policy_create(&policy, kind, &options, &diag) != 0) {
            (void) fprintf(stderr, "%s\n", diag.text);
            return -1;
        }
        double us = microseconds(bench, &policy);
        (void) printf("%-20s %12.2f us a decision, ratio to pricing one: %.1f\n", kind->name, us,
                      us / price_us);
        policy_destroy(&policy);
    }
    return 0;
}

int main(void)
{
    static const enum scenario_mode modes[] = {MODE_ROUND, MODE_QUEUE};
    static struct bench bench;
    int rc = 0;
    for (size_t i = 0; i < 2 && rc == 0; i++) {
        rc = bench_open(&bench, modes[i]);
        if (rc == 0)
            rc = run_all(&bench, modes[i]);
        if (rc == 0)
            (void) printf("(checksum %.6g)\n", bench.sink);
        bench_close(&bench);
    }
    return rc == 0 ? 0 : 1;
}
