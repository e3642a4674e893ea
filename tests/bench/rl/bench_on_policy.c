/* What learning costs a slot with PPO, A2C and DQN, beside DDPG: at the sizes of the scenario `dapo` (10
 * devices, 3 servers). PPO updates once in 2048 slots, A2C once in 5, DQN and DDPG in each; a slot of the
 * first two also draws and stores, one of DQN has ten devices' turns. Rounds of all alternate, and each
 * learner's ratio is to DDPG's time in the same round, so that a noisy neighbour slows both. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/rng.h"
#include "core/linalg/vector_path.h"
#include "core/rl/ddpg.h"
#include "core/rl/dqn.h"
#include "core/rl/policy_gradient.h"

#define DEVICES 10u
#define SERVERS 3u
#define SPLITS 33u
#define STATE (4u * DEVICES + 2u * DEVICES * SERVERS + 2u * SERVERS)
#define DEVICE_STATE (4u + 4u * SERVERS + SERVERS + DEVICES)
#define ACTIONS (1u + SERVERS * (SPLITS - 1u))
#define CLASSES (DEVICES * (SPLITS + SERVERS))
#define ROUNDS 11
#define SEED 1

static float values[4096];
static uint8_t allowed[CLASSES];

static void *checked(int code, void *learner)
{
    if (code < 0) {
        (void) fprintf(stderr, "bench_on_policy: a learner cannot be made\n");
        exit(1);
    }
    return learner;
}

static struct policy_gradient *make_on_policy(enum policy_gradient_objective objective, bool reals)
{
    static size_t classes[2 * DEVICES];
    bool is_ppo = objective == OBJECTIVE_CLIPPED;
    for (size_t h = 0; h < 2 * DEVICES; h++)
        classes[h] = h % 2 == 0 ? SPLITS : SERVERS;
    const struct policy_gradient_config config = {
        .state_size = STATE,
        .heads = reals ? 0 : 2 * DEVICES,
        .classes = classes,
        .action_size = reals ? 2 * DEVICES : 0,
        .hidden_1 = 256,
        .hidden_2 = 128,
        .objective = objective,
        .rollout = is_ppo ? 2048 : 5,
        .epochs = is_ppo ? 10 : 1,
        .batch = is_ppo ? 64 : 5,
        .discount = 0.99f,
        .trace = 0.95f,
        .rate = 3e-4f,
        .clip = 0.2f,
        .entropy = 0.01f,
        .norm = 0.5f,
        .standardise = is_ppo,
        .sigma = 1.0f,
        .final_init = 3e-3f,
        .seed = SEED,
    };
    struct policy_gradient *learner = NULL;
    int code = policy_gradient_create(&learner, &config);
    return checked(code, learner);
}

static struct dqn *make_dqn(void)
{
    const struct dqn_config config = {
        .state_size = DEVICE_STATE,
        .actions = ACTIONS,
        .hidden_1 = 256,
        .hidden_2 = 128,
        .buffer = 100000,
        .batch = 64,
        .rate = 1e-3f,
        .soft_update = 5e-3f,
        .steps = 1,
        .is_double = true,
        .is_dueling = true,
        .epsilon_last = 0.05f,
        .final_init = 3e-3f,
        .seed = SEED,
    };
    struct dqn *learner = NULL;
    int code = dqn_create(&learner, &config);
    return checked(code, learner);
}

static struct offpolicy *make_ddpg(void)
{
    const struct offpolicy_config config = {
        .state_size = STATE,
        .action_size = 2 * DEVICES,
        .hidden_1 = 256,
        .hidden_2 = 128,
        .buffer = 100000,
        .batch = 64,
        .discount = 0.99f,
        .actor_rate = 1e-3f,
        .critic_rate = 1e-3f,
        .soft_update = 5e-3f,
        .final_init = 3e-3f,
        .seed = SEED,
    };
    struct offpolicy *learner = NULL;
    int code = ddpg_create(&learner, &config);
    return checked(code, learner);
}

static double since_us(uint64_t start_ns)
{
    return (double) (clock_monotonic_ns() - start_ns) * 1e-3;
}

/* Each: microseconds a slot, over `slots` of them. */

static double run_on_policy(struct policy_gradient *learner, uint32_t slots)
{
    uint64_t start_ns = clock_monotonic_ns();
    for (uint32_t slot = 0; slot < slots; slot++) {
        float action[2 * DEVICES];
        const float *state = values + slot % 2048;
        struct rollout_transition transition = {
            .state = state,
            .action = action,
            .allowed = allowed,
            .log_probability = policy_gradient_sample(learner, state, allowed, action),
            .reward = values[slot % 4096],
            .next_state = state + 1,
        };
        policy_gradient_push(learner, &transition);
        (void) policy_gradient_update(learner, NULL); /* false before the rollout is full */
    }
    return since_us(start_ns) / slots;
}

static double run_dqn(struct dqn *learner, uint32_t slots)
{
    uint64_t start_ns = clock_monotonic_ns();
    for (uint32_t slot = 0; slot < slots; slot++) {
        for (uint32_t n = 0; n < DEVICES; n++) {
            const float *state = values + (slot + n) % 2048;
            struct dqn_transition transition = {
                .state = state,
                .action = dqn_explore(learner, state, allowed),
                .reward = values[slot % 4096],
                .discount = 1.0f,
                .next_state = state + 1,
                .next_allowed = allowed,
            };
            dqn_push(learner, &transition);
        }
        (void) dqn_update(learner, NULL); /* false while it is cold */
    }
    return since_us(start_ns) / slots;
}

static double run_ddpg(struct offpolicy *learner, uint32_t slots)
{
    uint64_t start_ns = clock_monotonic_ns();
    for (uint32_t slot = 0; slot < slots; slot++) {
        float action[2 * DEVICES];
        const float *state = values + slot % 2048;
        offpolicy_act(learner, state, action);
        struct transition transition = {
            .state = state, .action = action, .reward = values[slot % 4096], .next_state = state + 1};
        offpolicy_push(learner, &transition);
        (void) offpolicy_update(learner, NULL); /* false while it is cold */
    }
    return since_us(start_ns) / slots;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static double median(double *of)
{
    qsort(of, ROUNDS, sizeof *of, compare);
    return of[ROUNDS / 2];
}

enum { PPO, PPO_GAUSSIAN, A2C, DQN, LEARNERS };

int main(void)
{
    static const char *const names[LEARNERS] = {"ppo", "ppo-gaussian", "a2c", "dqn"};
    static const double slots_an_update[LEARNERS] = {2048, 2048, 5, 1};
    double us[LEARNERS][ROUNDS], ratio[LEARNERS][ROUNDS], ddpg_us[ROUNDS];
    struct rng_at at = {.seed = SEED, .stream = RNG_TASK};
    for (uint32_t i = 0; i < 4096; i++)
        values[i] = (float) rng_range(&at, i, -1.0, 1.0);
    for (size_t i = 0; i < CLASSES; i++)
        allowed[i] = 1;
    struct policy_gradient *ppo = make_on_policy(OBJECTIVE_CLIPPED, false);
    struct policy_gradient *gaussian = make_on_policy(OBJECTIVE_CLIPPED, true);
    struct policy_gradient *a2c = make_on_policy(OBJECTIVE_PLAIN, false);
    struct dqn *dqn = make_dqn();
    struct offpolicy *ddpg = make_ddpg();
    (void) run_dqn(dqn, 100); /* both buffers hold a mini-batch */
    (void) run_ddpg(ddpg, 100);
    for (int round = 0; round < ROUNDS; round++) {
        ddpg_us[round] = run_ddpg(ddpg, 200);
        us[PPO][round] = run_on_policy(ppo, 2048);
        us[PPO_GAUSSIAN][round] = run_on_policy(gaussian, 2048);
        us[A2C][round] = run_on_policy(a2c, 1000);
        us[DQN][round] = run_dqn(dqn, 200);
        for (size_t k = 0; k < LEARNERS; k++)
            ratio[k][round] = us[k][round] / ddpg_us[round];
    }
    (void) printf("learning, %u devices, %u servers, networks 256-128, products %s, medians of %d rounds\n",
                  DEVICES, SERVERS, linalg_vector_path(), ROUNDS);
    (void) printf("%-12s %8.0f us a slot\n", "ddpg", median(ddpg_us));
    for (size_t k = 0; k < LEARNERS; k++) {
        double slot_us = median(us[k]);
        (void) printf("%-12s %8.0f us a slot   %8.1f updates/s   %.2f of ddpg's time\n", names[k], slot_us,
                      1e6 / slot_us / slots_an_update[k], median(ratio[k]));
    }
    offpolicy_destroy(ddpg);
    dqn_destroy(dqn);
    policy_gradient_destroy(a2c);
    policy_gradient_destroy(gaussian);
    policy_gradient_destroy(ppo);
    return 0;
}
