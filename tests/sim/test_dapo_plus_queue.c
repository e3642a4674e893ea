/* dapo-plus in queueing mode: what it learns of single parts against the true durations, and of the price of
 * work against one that was tuned. */
#include "orchestrator/host/host_memory.h"

#include <stdlib.h>

#include "core/base/err.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/policy/plus/dapo_plus_parts.h"
#include "tests/unit/policy/full_slot.h"

#define EPISODES 4u

/* `dapo-queue` with one server and a third of the devices. */
#define CROWDED                                                                                              \
    "run.mode=queue", "run.slot_s=0.6", "devices.count=10", "servers.count=1",                               \
        "task.probability=0.3333333333333333", "objective.server_energy=0", "objective.deadline_s=2.4",      \
        "objective.deadline_penalty=1", "servers.coverage_m=2000", "plus.warmup=20"

static const char *const crowded[] = {CROWDED, "plus.price_block=20", "plus.price_settle=5", NULL};

static double play(struct policy *policy, enum rng_phase phase, uint32_t episodes, uint32_t slots)
{
    struct session session = {
        .world = policy->world, .policy = policy, .phase = phase, .episodes = episodes, .slots = slots};
    struct session_result result;
    struct diag diag = {{0}};
    if (host_memory_run(&session, &result, &diag) != 0)
        fail_msg("%s", diag.text);
    return result.mean_cost;
}

static struct policy create(const struct world *world, const struct settings *settings, const char *name,
                            bool training)
{
    const struct policy_options options = full_options(world, settings, training);
    const struct policy_kind *kind = NULL;
    struct policy policy;
    assert_int_equal(catalog_find(name, &kind, NULL), 0);
    assert_int_equal(policy_create(&policy, kind, &options, NULL), 0);
    return policy;
}

/* ---- parts ---- */

/* Mean distance of learned from true logarithms of seconds and joules. */
struct errors {
    double sum;
    uint32_t count;
};

static void compare(struct errors *errors, struct forecast_spent found, struct forecast_spent truth,
                    double factor)
{
    errors->sum += fabs(log(found.s / (truth.s * factor))) + fabs(log(found.j / (truth.j * factor)));
    errors->count += 2;
}

static double mean_of(const struct errors *errors)
{
    return errors->sum / errors->count;
}

struct parts {
    struct errors device, link, server[WORLD_SERVERS_MAX];
};

/* On slots that were not met. Server 0 is said to take `factor` times as long as the model says. */
static struct parts errors_of(struct policy *policy, double factor)
{
    const struct world *world = policy->world;
    struct dapo_plus *own = policy->state;
    const struct forecast_source found = outcome_model_source(own->model), truth = forecast_model(world);
    struct forecast_spent a[64], b[64];
    struct parts errors = {.device = {0}};
    struct env_view view;
    assert_int_equal(env_view_init(&view, world), 0);
    for (uint32_t e = 0; e < 20; e++) {
        check_observe_all(&view, e);
        outcome_model_look(own->model, &view);
        for (uint32_t n = 0; n < world->devices; n++) {
            if (!env_has_task(&view, n))
                continue;
            found.device(found.user, &view, n, a);
            truth.device(truth.user, &view, n, b);
            for (uint32_t s = 1; s <= world->llm->layers; s++)
                compare(&errors.device, a[s], b[s], 1.0);
            for (uint32_t m = 0; m < world->servers; m++) {
                found.server(found.user, &view, n, m, a);
                truth.server(truth.user, &view, n, m, b);
                for (uint32_t s = 1; s < world->llm->layers; s++)
                    compare(&errors.server[m], a[s], b[s], m == 0 ? factor : 1.0);
                if (!view.covered[n * world->servers + m])
                    continue;
                found.link(found.user, &view, n, m, 1 + e % 4, a);
                truth.link(truth.user, &view, n, m, 1 + e % 4, b);
                for (uint32_t s = 1; s < world->llm->layers; s++)
                    compare(&errors.link, a[s], b[s], 1.0);
            }
        }
    }
    env_view_finish(&view);
    return errors;
}

static struct parts train(const char *const *keys, uint32_t slots, double factor)
{
    struct settings settings;
    struct world world = full_world(keys, &settings);
    struct policy policy = create(&world, &settings, "dapo-plus", true);
    (void) play(&policy, RNG_TRAIN, EPISODES, slots / EPISODES);
    struct parts errors = errors_of(&policy, factor);
    policy_destroy(&policy);
    world_finish(&world);
    return errors;
}

#define TWO_SERVERS CROWDED, "servers.count=2", "devices.count=12"

/* Though reports are of tasks that have waited, and of transfers that took several slots. */
static void what_parts_take_alone_is_learned_from_reports_of_tasks_that_wait(void **state)
{
    (void) state;
    static const char *const fifo[] = {TWO_SERVERS, NULL};
    struct parts few = train(fifo, 60, 1.0), many = train(fifo, 480, 1.0);
    assert_true(mean_of(&few.device) < 1e-3); /* products are linear in logarithms */
    assert_true(mean_of(&few.server[0]) < 1e-3);
    assert_true(mean_of(&few.server[1]) < 1e-3);
    assert_true(mean_of(&few.link) < 0.2);
    assert_true(mean_of(&many.link) < 0.03);
}

/* Where a task's seconds at a server are those of all that are there. */
static void a_server_that_shares_itself_out_teaches_its_own_work_too(void **state)
{
    (void) state;
    static const char *const shared[] = {TWO_SERVERS, "servers.discipline=processor-sharing", NULL};
    struct parts many = train(shared, 200, 1.0);
    assert_true(mean_of(&many.server[0]) < 1e-3);
    assert_true(mean_of(&many.server[1]) < 1e-3);
}

/* The scenario's own numbers are not looked up: a server that is not what it was declared to be is known by
 * what it does. */
static void a_server_that_is_half_as_fast_as_declared_is_known_as_that(void **state)
{
    (void) state;
    static const char *const slow[] = {TWO_SERVERS, "faults.script=slot 0 slow server 0 by 0.5", NULL};
    struct parts many = train(slow, 200, 2.0);
    assert_true(mean_of(&many.server[0]) < 1e-3);
    assert_true(mean_of(&many.server[1]) < 1e-3);
    assert_true(mean_of(&many.device) < 1e-3);
}

/* A task that went on to another server than was decided says nothing of the one that was. */
static void what_was_handed_over_is_not_blamed_on_the_server_it_left(void **state)
{
    (void) state;
    static const char *const moving[] = {TWO_SERVERS,
                                         "handover.policy=restart",
                                         "handover.interruption_s=0",
                                         "mobility.speed_mean=40",
                                         "mobility.speed_max=60",
                                         "servers.coverage_m=350",
                                         "radio.bandwidth_mhz=1",
                                         NULL};
    struct parts many = train(moving, 200, 1.0);
    assert_true(mean_of(&many.server[0]) < 1e-3);
    assert_true(mean_of(&many.server[1]) < 1e-3);
}

/* ---- the price ---- */

static bool same_prices(struct slot_prices a, struct slot_prices b)
{
    return a.sent == b.sent && a.kept == b.kept;
}

static void pass(struct learned_price *price, uint64_t slots, double cost)
{
    for (uint64_t i = 0; i < slots; i++)
        learned_price_observe(price, -cost, 3);
}

/* What a price that was much too low or too high has left over would be blamed on the next. */
static void after_a_dear_trial_the_next_waits_until_queues_are_empty(void **state)
{
    (void) state;
    static struct learned_price price; /* too large for a stack */
    struct settings settings;
    struct world world = full_world(crowded, &settings);
    learned_price_init(&price, &world, &settings.plus);
    assert_true(price.wait > 0); /* for the end of the warm-up's queues */
    learned_price_begin_episode(&price);
    assert_int_equal(price.wait, 0);
    pass(&price, price.settle, 9.0); /* does not count */
    pass(&price, price.block, 1.0);
    assert_int_equal(price.surface.seen, 1);
    assert_true(fabs(price.surface.trial[0].y - log(10.0 / 3.0)) <
                1e-12); /* of a task: ten devices, three tasks */
    assert_int_equal(price.wait, 0);
    assert_false(same_prices(learned_price_prices(&price, true), learned_price_prices(&price, false)));
    pass(&price, price.settle + price.block, 3.0);
    assert_int_equal(price.surface.seen, 2);
    assert_true(price.wait > 0 && learned_price_is_settling(&price));
    assert_true(same_prices(learned_price_prices(&price, true), learned_price_prices(&price, false)));
    uint64_t wait = price.wait;
    pass(&price, 3, 3.0);
    assert_int_equal(price.wait, wait - 3);
    learned_price_begin_episode(&price);
    assert_int_equal(price.wait, 0);
    assert_false(same_prices(learned_price_prices(&price, true), learned_price_prices(&price, false)));
    world_finish(&world);
}

static double held_out(const struct world *world, const struct settings *settings, const char *name,
                       const struct buf *weights)
{
    struct policy policy = create(world, settings, name, false);
    struct diag diag = {{0}};
    if (weights != NULL && policy.kind->load(&policy, weights->data, weights->size, &diag) != 0)
        fail_msg("%s", diag.text);
    double cost = play(&policy, RNG_TEST, 2, 100);
    policy_destroy(&policy);
    return cost;
}

static void a_price_is_learned_that_is_worth_what_a_tuned_one_is(void **state)
{
    (void) state;
    struct settings settings;
    struct world world = full_world(crowded, &settings);
    struct policy policy = create(&world, &settings, "dapo-plus", true);
    struct buf weights = {0};
    (void) play(&policy, RNG_TRAIN, EPISODES, 300);
    const struct dapo_plus *own = policy.state;
    assert_true(learned_price_prices(&own->queue->price, false).sent > 0.3);
    assert_true(learned_price_prices(&own->queue->price, false).kept == 0.0);
    assert_int_equal(policy.kind->save(&policy, false, &weights), 0);
    double learned = held_out(&world, &settings, "dapo-plus", &weights);
    assert_true(learned < 1.1 * held_out(&world, &settings, "priced", NULL));
    assert_true(learned < 0.9 * held_out(&world, &settings, "myopic", NULL));
    buf_finish(&weights);
    policy_destroy(&policy);
    world_finish(&world);
}

static void weights_of_the_other_mode_and_damaged_prices_are_refused(void **state)
{
    (void) state;
    static const char *const rounds[] = {"devices.count=10", "servers.count=1", NULL};
    struct settings settings, others;
    struct world world = full_world(crowded, &settings), other = full_world(rounds, &others);
    struct policy policy = create(&world, &settings, "dapo-plus", true),
                  round = create(&other, &others, "dapo-plus", true);
    struct buf bytes = {0};
    struct diag diag = {{0}};
    (void) play(&policy, RNG_TRAIN, 1, 60);
    assert_int_equal(policy.kind->save(&policy, false, &bytes), 0);
    assert_int_equal(round.kind->load(&round, bytes.data, bytes.size, &diag), ERR_MISMATCH);
    assert_non_null(strstr(diag.text, "queue"));
    for (size_t i = 0; i < bytes.size; i += 1 + i / 20) {
        bytes.data[i] ^= 0x40;
        assert_int_not_equal(policy.kind->load(&policy, bytes.data, bytes.size, NULL), 0);
        bytes.data[i] ^= 0x40;
    }
    for (size_t size = 0; size < bytes.size; size += 1 + size / 7)
        assert_int_not_equal(policy.kind->load(&policy, bytes.data, size, NULL), 0);
    assert_int_equal(policy.kind->load(&policy, bytes.data, bytes.size, NULL), 0);
    buf_finish(&bytes);
    policy_destroy(&policy);
    policy_destroy(&round);
    world_finish(&world);
    world_finish(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_parts_take_alone_is_learned_from_reports_of_tasks_that_wait),
        cmocka_unit_test(a_server_that_shares_itself_out_teaches_its_own_work_too),
        cmocka_unit_test(a_server_that_is_half_as_fast_as_declared_is_known_as_that),
        cmocka_unit_test(what_was_handed_over_is_not_blamed_on_the_server_it_left),
        cmocka_unit_test(after_a_dear_trial_the_next_waits_until_queues_are_empty),
        cmocka_unit_test(a_price_is_learned_that_is_worth_what_a_tuned_one_is),
        cmocka_unit_test(weights_of_the_other_mode_and_damaged_prices_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
