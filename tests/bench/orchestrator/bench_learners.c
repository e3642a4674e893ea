/* Slots per second of each learner while it trains over the memory host: the scenario `dapo` (10 devices, 3
 * servers), updates included, nothing recorded. The named peer is the same session with actions at random:
 * the ratio says what learning costs. Sessions of all alternate. */
#include <stdio.h>
#include <stdlib.h>

#include "core/linalg/vector_path.h"
#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/policy/catalog/full_scenario.h"

#define SLOTS 300u
#define EPISODES 3u
#define REPEATS 3

/* Slots per second. */
static double run(const struct policy_options *made_for, const struct policy_kind *kind)
{
    struct policy policy;
    struct session_result result = {0};
    struct diag diag = {0};
    if (policy_create(&policy, kind, made_for, &diag) != 0)
        return 0.0;
    struct session session = {.world = made_for->world,
                              .policy = &policy,
                              .phase = RNG_TRAIN,
                              .episodes = EPISODES,
                              .slots = SLOTS};
    int rc = host_memory_run(&session, &result, &diag);
    policy_destroy(&policy);
    return rc == 0 ? (double) EPISODES * SLOTS / result.wall_s : 0.0;
}

int main(void)
{
    static const struct policy_kind *const learners[] = {
        &policy_random, &policy_dapo,         &policy_bandit, &policy_td3, &policy_sac,      &policy_maddpg,
        &policy_ppo,    &policy_ppo_gaussian, &policy_a2c,    &policy_dqn, &policy_dapo_plus};
    enum { LEARNERS = sizeof learners / sizeof *learners };
    struct full_scenario full;
    struct world world;
    struct diag diag = {0};
    double best[LEARNERS] = {0.0};
    full_scenario_defaults(&full);
    full.settings.learned.ddpg.warmup =
        full.settings.learned.ddpg.batch; /* nearly every slot has its update */
    full.settings.learned.dqn.warmup = full.settings.learned.dqn.batch;
    full.settings.plus.plus.warmup = 1;
    full.settings.learned.ppo.rollout = SLOTS / 2; /* filled as often as there are slots for it */
    if (world_init(&world, &full.scenario, NULL, &diag) != 0) {
        (void) fprintf(stderr, "%s\n", diag.text);
        return 1;
    }
    const struct policy_options made_for = {
        .world = &world, .settings = settings_values(&full.settings), .training = true};
    for (int i = 0; i < REPEATS; i++)
        for (size_t k = 0; k < LEARNERS; k++) {
            double slots = run(&made_for, learners[k]);
            best[k] = slots > best[k] ? slots : best[k];
        }
    (void) printf("training over memory, 10 devices, 3 servers, products %s, best of %d\n",
                  linalg_vector_path(), REPEATS);
    for (size_t k = 0; k < LEARNERS; k++)
        (void) printf("%-12s %8.0f slots/s   %.4f of random's\n", learners[k]->name, best[k],
                      best[k] / best[0]);
    world_finish(&world);
    return 0;
}
