/* What an update and a decision of each off-policy learner cost, beside DDPG's: at the sizes of the scenario
 * `dapo` (10 devices, 3 servers) and at those of 50 devices. Blocks of all learners alternate, and each
 * learner's ratio is to the DDPG block of the same round, so that a noisy neighbour slows both. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/rng.h"
#include "core/linalg/vector_path.h"
#include "core/rl/ddpg.h"
#include "core/rl/maddpg.h"
#include "core/rl/sac.h"
#include "core/rl/td3.h"

#define DEVICES_MAX 50u
#define SERVERS 3u
#define BUFFER 5000u
#define SEED 1
#define ROUNDS 31
#define DECISIONS 200

/* What a device and a state have in mode round: core/model/env.h. */
static size_t device_state(void)
{
    return 4 + 4 * SERVERS;
}

static size_t joint_state(size_t devices)
{
    return 4 * devices + 2 * devices * SERVERS + 2 * SERVERS;
}

#define STATE_MAX (DEVICES_MAX * (4 + 4 * SERVERS))
#define ACTION_MAX (2 * DEVICES_MAX)

static struct offpolicy_config config_of(size_t devices, size_t state)
{
    return (struct offpolicy_config){
        .state_size = state,
        .action_size = 2 * devices,
        .hidden_1 = 256,
        .hidden_2 = 128,
        .buffer = BUFFER,
        .batch = 64,
        .discount = 0.99f,
        .actor_rate = 1e-3f,
        .critic_rate = 1e-3f,
        .soft_update = 5e-3f,
        .warmup = 1000,
        .final_init = 3e-3f,
        .seed = SEED,
    };
}

static int create_ddpg(struct offpolicy **ret_learner, size_t devices)
{
    struct offpolicy_config config = config_of(devices, joint_state(devices));
    return ddpg_create(ret_learner, &config);
}

static int create_bandit(struct offpolicy **ret_learner, size_t devices)
{
    struct offpolicy_config config = config_of(devices, joint_state(devices));
    config.discount = 0.0f;
    return ddpg_create(ret_learner, &config);
}

static int create_td3(struct offpolicy **ret_learner, size_t devices)
{
    struct td3_config config = {.common = config_of(devices, joint_state(devices)),
                                .delay = 2,
                                .target_noise = 0.2f,
                                .noise_clip = 0.5f};
    return td3_create(ret_learner, &config);
}

static int create_sac(struct offpolicy **ret_learner, size_t devices)
{
    struct sac_config config = {.common = config_of(devices, joint_state(devices)),
                                .temperature = 1.0f,
                                .temperature_rate = 1e-3f,
                                .target_entropy = -1.0f};
    return sac_create(ret_learner, &config);
}

static int create_maddpg(struct offpolicy **ret_learner, size_t devices)
{
    struct maddpg_config config = {.common = config_of(devices, devices * device_state()),
                                   .agents = devices,
                                   .actor_hidden_1 = 64,
                                   .actor_hidden_2 = 64};
    return maddpg_create(ret_learner, &config);
}

static const struct {
    const char *name;
    int (*create)(struct offpolicy **ret_learner, size_t devices);
} kinds[] = {
    {"ddpg", create_ddpg}, {"bandit", create_bandit}, {"td3", create_td3},
    {"sac", create_sac},   {"maddpg", create_maddpg},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void fill(float *values, size_t size, uint32_t entity)
{
    struct rng_at at = {.seed = SEED, .stream = RNG_TASK, .entity = entity};
    for (size_t i = 0; i < size; i++)
        values[i] = (float) rng_range(&at, (uint32_t) i, -1.0, 1.0);
}

static struct offpolicy *make_full_learner(size_t kind, size_t devices)
{
    static float row[2 * STATE_MAX + ACTION_MAX];
    struct offpolicy *learner = NULL;
    if (kinds[kind].create(&learner, devices) < 0) {
        fprintf(stderr, "bench_offpolicy: %s cannot be made\n", kinds[kind].name);
        exit(1);
    }
    size_t state = offpolicy_replay(learner)->state_size;
    for (uint32_t n = 0; n < BUFFER; n++) {
        fill(row, 2 * state + 2 * devices, n);
        struct transition transition = {row, row + 2 * state, -row[0], row + state, false};
        offpolicy_push(learner, &transition);
    }
    return learner;
}

/* Mean microseconds of one. */
static double time_updates(struct offpolicy *learner, int count)
{
    uint64_t start = clock_monotonic_ns();
    for (int i = 0; i < count; i++)
        (void) offpolicy_update(learner, NULL); /* true: it is warm */
    return (double) (clock_monotonic_ns() - start) * 1e-3 / count;
}

static double time_decisions(struct offpolicy *learner)
{
    static float state[STATE_MAX], action[ACTION_MAX];
    fill(state, STATE_MAX, 0);
    uint64_t start = clock_monotonic_ns();
    for (int i = 0; i < DECISIONS; i++)
        offpolicy_act(learner, state, action);
    return (double) (clock_monotonic_ns() - start) * 1e-3 / DECISIONS;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof(*values), compare);
    return values[ROUNDS / 2];
}

static void compare_learners(size_t devices, int updates)
{
    static double update[KINDS][ROUNDS], ratio[KINDS][ROUNDS], decision[KINDS][ROUNDS];
    struct offpolicy *learner[KINDS];
    for (size_t k = 0; k < KINDS; k++) {
        learner[k] = make_full_learner(k, devices);
        (void) time_updates(learner[k], updates); /* warms the caches */
    }
    for (int round = 0; round < ROUNDS; round++)
        for (size_t k = 0; k < KINDS; k++) {
            update[k][round] = time_updates(learner[k], updates);
            ratio[k][round] = update[k][round] / update[0][round];
            decision[k][round] = time_decisions(learner[k]);
        }
    printf("%zu devices, %u servers: median of %d blocks of %d updates\n", devices, SERVERS, ROUNDS, updates);
    for (size_t k = 0; k < KINDS; k++) {
        double us = median(update[k]);
        printf("%-8s state %3zu  update %8.1f us  %6.0f updates/s  %5.2f of ddpg's   decision %6.2f us\n",
               kinds[k].name, offpolicy_replay(learner[k])->state_size, us, 1e6 / us, median(ratio[k]),
               median(decision[k]));
        offpolicy_destroy(learner[k]);
    }
}

int main(void)
{
    printf("off-policy learners: networks 256-128 (maddpg's actor 64-64), batch 64, seed %d, one thread\n",
           SEED);
    printf("products: %s\n", linalg_vector_path());
    compare_learners(10, 20);
    compare_learners(50, 5);
    return 0;
}
