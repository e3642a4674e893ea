/* Codings as decisions of learners: all of them try every coding, and learn which one costs less. */
#include <math.h>
#include <string.h>

#include "orchestrator/policy/catalog/catalog.h"
#include "tests/sim/sim.h"
#include "tests/unit/policy/full_slot.h"

#define EPISODES 4u
#define CODINGS 5u /* of MANY */

#define SMALL                                                                                                \
    "run.seed=3", "devices.count=3", "servers.count=2", "servers.coverage_m=5000", "ddpg.hidden_1=16",       \
        "ddpg.hidden_2=16", "ddpg.batch=32", "ddpg.warmup=100", "ppo.rollout=64", "ppo.batch=32",            \
        "dqn.warmup=100", "dqn.batch=32", "dqn.epsilon_slots=200", "plus.warmup=50", "model.min_split=1"
#define MANY                                                                                                 \
    "channel.mode=bounded", "action.formats=int8 q4", "action.margins_db=0 6", "quality.source=table",       \
        "objective.quality_weight=2", "quality.table=0,1|1:0,3", "quality.formats=q4=0,1|1:0.1,3.5"

/* Every learner of mode round, by the table. active-inference plans splits and servers alone. */
static const char *learner_at(size_t i)
{
    const struct policy_kind *kind = catalog_at(i);
    bool plans = strcmp(kind->name, "active-inference") == 0;
    return policy_learns(kind) && policy_suits(kind, POLICY_MODE_ROUND) && !plans ? kind->name : NULL;
}

/* Weights to deploy, behind what is in the buffer. */
static void train(const char *const *keys, const char *name, uint32_t slots, struct sim_record *ret_record,
                  struct buf *ret_weights)
{
    struct settings settings;
    struct world world = full_world(keys, &settings);
    struct policy policy = sim_policy(&world, &settings, name, true);
    *ret_record = (struct sim_record){.rows = 0};
    (void) sim_run(&world, &policy, EPISODES, slots / EPISODES, NULL, 0, ret_record);
    assert_int_equal(policy.kind->save(&policy, false, ret_weights), 0);
    policy_destroy(&policy);
    world_finish(&world);
}

static void every_learner_tries_every_coding_of_what_is_sent(void **state)
{
    (void) state;
    for (size_t i = 0; i < catalog_count(); i++) {
        struct sim_record record;
        struct buf weights = {0};
        uint32_t seen[CODINGS] = {0};
        if (learner_at(i) == NULL)
            continue;
        train((const char *[]){SMALL, MANY, NULL}, learner_at(i), 100, &record, &weights);
        for (size_t r = 0; r < record.rows; r++) {
            assert_true(record.row[r].coding < CODINGS);
            assert_true(record.row[r].server != DB_SERVER_NULL || record.row[r].coding == 0);
            seen[record.row[r].coding]++;
        }
        for (uint32_t coding = 0; coding < CODINGS; coding++)
            if (seen[coding] < 10)
                fail_msg("%s: coding %u %u times", learner_at(i), coding, seen[coding]);
        buf_finish(&weights);
        sim_record_finish(&record);
    }
}

/* The weights decide held-out slots: of what they send, the part in `coding`. */
static double share_of(const char *const *keys, const char *name, uint32_t coding, const struct buf *weights)
{
    struct slot slot;
    uint32_t sent = 0, so = 0;
    slot_open(&slot, keys);
    struct policy policy = slot_policy(&slot, name);
    struct diag diag = {{0}};
    if (policy.kind->load(&policy, weights->data, weights->size, &diag) != 0)
        fail_msg("%s: %s", name, diag.text);
    for (uint32_t e = 0; e < 50; e++) {
        slot_draw(&slot, e, 0, 0, 0);
        (void) slot_decide(&slot, &policy);
        for (uint32_t n = 0; n < slot.world.devices; n++) {
            bool sends = slot.decision.server[n] != ENV_LOCAL;
            sent += sends ? 1 : 0;
            so += sends && slot.decision.coding[n] == coding ? 1 : 0;
        }
    }
    policy_destroy(&policy);
    slot_close(&slot);
    assert_true(sent > 50);
    return so / (double) sent;
}

/* Seven eighths of the bits are saved at no cost, on a narrow link; nobody may stay local. One learner of each way to
 * choose. That of dapo and bandit may end with one device's number at the wrong end, as it may with a split's. */
static void learners_find_the_format_that_is_better_throughout(void **state)
{
    (void) state;
    static const char *const keys[] = {
        SMALL, "model.max_split=8", "model.bits_per_element=32", "action.formats=q4", "radio.bandwidth_mhz=4",
        NULL};
    static const char *const names[] = {"td3", "ppo", "dqn", "dapo-plus"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct sim_record record;
        struct buf weights = {0};
        train(keys, names[i], 2000, &record, &weights);
        double share = share_of(keys, names[i], 1, &weights);
        if (share < 0.95)
            fail_msg("%s: %.2f", names[i], share);
        buf_finish(&weights);
        sim_record_finish(&record);
    }
}

/* A narrow link, where four bits an element are worth their quality; in queues a forecast says so. */
static void searches_in_queues_choose_codings_and_gain_by_it(void **state)
{
    (void) state;
#define QUEUE                                                                                                \
    SMALL, "run.mode=queue", "run.slot_s=0.6", "task.probability=0.6", "radio.bandwidth_mhz=2",              \
        "channel.mode=bounded", "channel.transmissions=2", "plus.price_block=10", "plus.price_settle=2"
    static const char *const fixed[] = {QUEUE, NULL};
    static const char *const open[] = {QUEUE, "action.formats=int8 q4", "action.margins_db=0 3", NULL};
    static const char *const names[] = {"myopic", "priced", "dapo-plus"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        double cost[2] = {0.0, 0.0};
        uint32_t coded = 0;
        for (int opens = 0; opens < 2; opens++) {
            struct settings settings;
            struct sim_record record = {.rows = 0};
            struct world world = full_world(opens ? open : fixed, &settings);
            struct policy policy = sim_policy(&world, &settings, names[i], i == 2);
            (void) sim_run(&world, &policy, EPISODES, 30, NULL, 0, &record);
            for (size_t r = record.rows / 2; r < record.rows; r++) {
                cost[opens] += isnan(record.row[r].cost) ? 0.0 : record.row[r].cost;
                coded += record.row[r].coding > 0 ? 1 : 0;
            }
            sim_record_finish(&record);
            policy_destroy(&policy);
            world_finish(&world);
        }
        if (coded < 20 || !(cost[1] < 0.95 * cost[0]))
            fail_msg("%s: %u coded, cost %g of %g", names[i], coded, cost[1], cost[0]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_learner_tries_every_coding_of_what_is_sent),
        cmocka_unit_test(searches_in_queues_choose_codings_and_gain_by_it),
        cmocka_unit_test(learners_find_the_format_that_is_better_throughout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
