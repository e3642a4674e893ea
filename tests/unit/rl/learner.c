#include "learner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

struct offpolicy *learner_create(const struct offpolicy_config *config)
{
    struct offpolicy *ddpg = NULL;
    assert_int_equal(ddpg_create(&ddpg, config), 0);
    return ddpg;
}

void learner_feed(struct offpolicy *ddpg, size_t first, size_t count)
{
    for (size_t n = first; n < first + count; n++) {
        float values[2 * LEARNER_STATE + LEARNER_ACTION + 1];
        twin_fill(values, 2 * LEARNER_STATE + LEARNER_ACTION + 1, 1.0f, 1000 + (uint32_t) n);
        struct transition transition = {
            .state = values,
            .next_state = values + LEARNER_STATE,
            .action = values + 2 * LEARNER_STATE,
            .reward = values[2 * LEARNER_STATE + LEARNER_ACTION],
            .terminal = n % 7 == 0,
        };
        offpolicy_push(ddpg, &transition);
    }
}

void learner_run(struct offpolicy *ddpg, size_t first, size_t count)
{
    for (size_t n = first; n < first + count; n++) {
        learner_feed(ddpg, n, 1);
        (void) offpolicy_update(ddpg, NULL); /* false before it is warm */
    }
}
