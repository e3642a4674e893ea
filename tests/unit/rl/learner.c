#include "learner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/rl/ddpg.h"
#include "twin.h"

const struct offpolicy_config learner_config = {
    .state_size = LEARNER_STATE,
    .action_size = LEARNER_ACTION,
    .hidden_1 = 12,
    .hidden_2 = 7,
    .buffer = 40,
    .batch = 10,
    .discount = 0.9f,
    .actor_rate = 1e-3f,
    .critic_rate = 1e-3f,
    .soft_update = 5e-3f,
    .warmup = 15,
    .final_init = 0.5f, /* large enough that gradients through the heads are plain to see */
    .seed = 3,
};

static int create_ddpg(struct offpolicy **ret_learner, const struct offpolicy_config *config, size_t agents)
{
    (void) agents; /* it has one */
    return ddpg_create(ret_learner, config);
}

static int create_td3(struct offpolicy **ret_learner, const struct offpolicy_config *config, size_t agents)
{
    (void) agents; /* it has one */
    struct td3_config own = {.common = *config, .delay = 2, .target_noise = 0.2f, .noise_clip = 0.5f};
    return td3_create(ret_learner, &own);
}

static int create_sac(struct offpolicy **ret_learner, const struct offpolicy_config *config, size_t agents)
{
    (void) agents; /* it has one */
    struct sac_config own = {
        .common = *config, .temperature = 1.0f, .temperature_rate = 1e-3f, .target_entropy = -1.0f};
    return sac_create(ret_learner, &own);
}

static int create_maddpg(struct offpolicy **ret_learner, const struct offpolicy_config *config, size_t agents)
{
    struct maddpg_config own = {.common = *config,
                                .agents = agents,
                                .actor_hidden_1 = config->hidden_1 - 1,
                                .actor_hidden_2 = config->hidden_2 - 1};
    return maddpg_create(ret_learner, &own);
}

const struct learner_kind learner_kinds[LEARNER_KINDS] = {
    {"DDPG", "HDDP", 5, 1, create_ddpg},
    {"TD3", "HTD3", 5, 1, create_td3},
    {"SAC", "HSAC", 5, 1, create_sac},
    {"MADDPG", "HMAD", 8, 2, create_maddpg},
};

struct offpolicy_config learner_config_of(const struct learner_kind *kind)
{
    struct offpolicy_config config = learner_config;
    if (kind->agents > 1) {
        config.state_size = 3 * kind->agents;
        config.action_size = 2 * kind->agents;
    }
    return config;
}

struct offpolicy *learner_create(const struct offpolicy_config *config)
{
    struct offpolicy *learner = NULL;
    assert_int_equal(ddpg_create(&learner, config), 0);
    return learner;
}

struct offpolicy *learner_of_kind(const struct learner_kind *kind, uint64_t seed)
{
    struct offpolicy *learner = NULL;
    struct offpolicy_config config = learner_config_of(kind);
    config.seed = seed;
    assert_int_equal(kind->create(&learner, &config, kind->agents), 0);
    return learner;
}

struct offpolicy *learner_for(const struct learner_kind *kind, const struct offpolicy_config *of_one)
{
    struct offpolicy *learner = NULL;
    struct offpolicy_config config = *of_one;
    config.state_size *= kind->agents;
    config.action_size *= kind->agents;
    assert_int_equal(kind->create(&learner, &config, kind->agents), 0);
    return learner;
}

void learner_explore(struct offpolicy *learner, struct noise *noise, const float *state, float *ret_action)
{
    float normal[LEARNER_SIZE_MAX];
    if (offpolicy_explores(learner)) {
        noise_normal(noise, normal);
        offpolicy_sample(learner, state, normal, ret_action);
    } else {
        offpolicy_act(learner, state, ret_action);
        noise_add(noise, ret_action);
    }
}

void learner_feed(struct offpolicy *learner, size_t first, size_t count)
{
    size_t state = offpolicy_replay(learner)->state_size, action = offpolicy_replay(learner)->action_size;
    for (size_t n = first; n < first + count; n++) {
        float values[3 * LEARNER_SIZE_MAX + 1];
        twin_fill(values, 2 * state + action + 1, 1.0f, 1000 + (uint32_t) n);
        struct transition transition = {
            .state = values,
            .next_state = values + state,
            .action = values + 2 * state,
            .reward = values[2 * state + action],
            .terminal = n % 7 == 0,
        };
        offpolicy_push(learner, &transition);
    }
}

void learner_run(struct offpolicy *learner, size_t first, size_t count)
{
    for (size_t n = first; n < first + count; n++) {
        learner_feed(learner, n, 1);
        (void) offpolicy_update(learner, NULL); /* false before it is warm */
    }
}
