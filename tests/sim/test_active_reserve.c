/* active-inference of whole tasks: what it learns where the right choice is known, with both planners and preferences, and
 * the planner that draws against the one that asks of all. */
#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/policy/planned/reserve_model.h"

#include "core/base/err.h"
#include "core/rl/checkpoint.h"
#include "core/rl/ensemble.h"
#include "tests/sim/sim.h"
#include "tests/unit/policy/slot.h"

/* One tier is in time with a tenth of a full share, and the other never. Everything comes back in time. */
static const char obvious[] = "run: {slots: 100, slot_s: 1}\n"
                              "devices: {count: 1}\n"
                              "servers: {count: 3, discipline: reserved, coverage_m: 10000}\n"
                              "tiers:\n"
                              "  - {name: slow, count: 2, task_s: 20, answer: 1}\n"
                              "  - {name: fast, task_s: 1, answer: 0.5}\n"
                              "reserve: {full_share: 0.05}\n"
                              "objective: {reward: completed, deadline_s: 10}\n"
                              "faults: {recovery: none}\n"
                              "active: {warmup: 100, fit_slots: 50, width: 32}\n";

/* The printed problem, with fewer tasks. */
static const char printed[] = "run: {slots: 50, slot_s: 0.09}\n"
                              "devices: {count: 1}\n"
                              "mobility: {kind: anywhere}\n"
                              "servers: {count: 5, discipline: reserved, coverage_m: 10000}\n"
                              "tiers:\n"
                              "  - {name: cloud, places: \"2500,500\", task_s: 2.3, answer: 0.1159}\n"
                              "  - {name: edge, count: 4, task_s: 9.2, answer: 0.1892}\n"
                              "reserve: {returns: off, full_share: 0.1}\n"
                              "radio: {fading: shadowing}\n"
                              "objective: {reward: completed, deadline_s: 15, horizon: episode}\n"
                              "faults: {recovery: none}\n"
                              "active: {warmup: 50, fit_slots: 50, width: 32}\n";

static struct policy make(const struct world *world, const struct settings *settings, bool training)
{
    return sim_policy(world, settings, "active-inference", training);
}

/* Weights after so many episodes. */
static void train(const char *text, const char *const *keys, uint32_t episodes, struct buf *ret_weights)
{
    struct settings settings;
    struct world world = full_world_of(text, keys, &settings);
    struct policy policy = make(&world, &settings, true);
    struct session_result result;
    struct diag diag = {{0}};
    struct session session = {.world = &world,
                              .policy = &policy,
                              .phase = RNG_TRAIN,
                              .episodes = episodes,
                              .slots = (uint32_t) world.scenario.run.slots};
    if (host_memory_run(&session, &result, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(policy.kind->save(&policy, false, ret_weights), 0);
    policy_destroy(&policy);
    world_finish(&world);
}

struct completion {
    double in_time, at_last; /* of all tasks; of all, those that the last server ran */
};

static struct completion play(const char *text, const char *const *keys, const struct buf *weights)
{
    struct settings settings;
    struct world world = full_world_of(text, keys, &settings);
    struct policy policy = make(&world, &settings, false);
    struct diag diag = {{0}};
    struct sim_record record = {0};
    struct completion completion = {0};
    if (weights != NULL && policy.kind->load(&policy, weights->data, weights->size, &diag) != 0)
        fail_msg("%s", diag.text);
    (void) sim_run(&world, &policy, 3, (uint32_t) world.scenario.run.slots, NULL, 0, &record);
    for (size_t i = 0; i < record.rows; i++) {
        const struct db_task *row = &record.row[i];
        bool is_in_time = row->status == DB_TASK_DONE && !row->deadline_missed;
        completion.in_time += is_in_time ? 1.0 / (double) record.rows : 0.0;
        completion.at_last +=
            row->served_by + 1 == (int64_t) world.servers ? 1.0 / (double) record.rows : 0.0;
    }
    sim_record_finish(&record);
    policy_destroy(&policy);
    world_finish(&world);
    return completion;
}

static void expect_obvious(const char *const *keys, double least)
{
    struct buf weights = {0};
    train(obvious, keys, 4, &weights);
    struct completion learned = play(obvious, keys, &weights);
    assert_true(learned.at_last > least && learned.in_time > least);
    buf_finish(&weights);
}

static void the_obvious_server_is_learned_in_few_tasks(void **state)
{
    (void) state;
    static const char *const asking[] = {NULL};
    static const char *const drawing[] = {"active.plan=cross-entropy", NULL};
    static const char *const learned[] = {"active.preference=learned", NULL};
    static const char *const published[] = {"active.inputs=state", NULL};
    static const char *const further[] = {"active.plan=cross-entropy", "active.horizon=3", NULL};
    assert_true(play(obvious, asking, NULL).in_time < 0.5);
    expect_obvious(asking, 0.7);
    expect_obvious(drawing, 0.7);
    expect_obvious(learned, 0.7);
    expect_obvious(published, 0.7);
    expect_obvious(further, 0.7);
}

/* Several tasks come at once: each finds what those before it have left, and there is room for all. */
static void tasks_of_one_slot_are_told_apart(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=5", "run.slots=10", "active.warmup=20",
                                       "active.fit_slots=10", NULL};
    struct buf weights = {0};
    train(printed, keys, 30, &weights);
    assert_true(play(printed, keys, &weights).in_time > 0.8); /* of shares that are drawn 0.25 */
    buf_finish(&weights);
}

/* Two tasks for each full share, and a third of one is in time, too. */
static const char scarce[] = "run: {slots: 20, slot_s: 0.1}\n"
                             "devices: {count: 1}\n"
                             "servers: {count: 1, discipline: reserved, coverage_m: 10000}\n"
                             "tiers:\n  - {name: edge, task_s: 2, answer: 0.5}\n"
                             "reserve: {returns: off, full_share: 0.1, memory_need: 0.3}\n"
                             "objective: {reward: completed, deadline_s: 15}\n"
                             "faults: {recovery: none}\n"
                             "active: {warmup: 100, fit_slots: 50, width: 32, gain: 0.01, price_rate: 0.1}\n";

static void prices_make_room_where_servers_are_full(void **state)
{
    (void) state;
    static const char *const none[] = {NULL};
    static const char *const learned[] = {"active.price=learned", NULL};
    struct buf weights[2] = {0};
    train(scarce, none, 80, &weights[0]);
    train(scarce, learned, 80, &weights[1]);
    double without = play(scarce, none, &weights[0]).in_time,
           with = play(scarce, learned, &weights[1]).in_time;
    assert_true(without < 0.6); /* the first ten take all that there is */
    assert_true(with > 0.75);
    buf_finish(&weights[0]);
    buf_finish(&weights[1]);
}

/* ---- planners ---- */

#define STATES 100u
#define SERVERS 5u
#define RESTS (SERVERS * RESERVED_KINDS)

/* What the ensemble's members make of a decision, as a mean. */
static double worth(struct ensemble *ensemble, struct ensemble_guess *guess, const struct slot *slot)
{
    const struct ensemble_config *config = ensemble_config(ensemble);
    const struct env_decision *decision = &slot->decision;
    double full = slot->world.scenario.reserve.full_share, sum = 0.0;
    const struct reserve_action action = {
        .server = decision->server[0],
        .part = {[RESERVED_COMPUTE] = (float) (decision->compute_share[0] / full),
                 [RESERVED_BAND] = (float) (decision->bandwidth_share[0] / full),
                 [RESERVED_MEMORY] = (float) (decision->memory_share[0] / full)}};
    float rest[RESTS], x[64], y[64];
    assert_true(config->inputs <= 64 && config->outputs <= 64);
    reserve_model_rest(&slot->view, rest);
    reserve_model_describe(&slot->view, 0, rest, &action, true, x);
    ensemble_predict(ensemble, 1, x, guess);
    for (size_t e = 0; e < config->members; e++) {
        ensemble_in_units(ensemble, 1, guess->mean + e * config->outputs, y);
        sum += reserve_model_preference(&slot->world, slot->view.deadline_s[0], y);
    }
    return sum / (double) config->members;
}

/* An ensemble with the weights of a policy. */
static struct ensemble *load(const struct world *world, const struct buf *weights)
{
    const struct ensemble_config config = {.inputs = reserve_model_inputs(world, true),
                                           .outputs = reserve_model_outputs(world, false),
                                           .members = 5,
                                           .width = 32,
                                           .layers = 2,
                                           .buffer = 1,
                                           .batch = 1,
                                           .rows = 1,
                                           .epochs = 1,
                                           .rate = 1e-3f};
    struct ensemble *ensemble = NULL;
    struct checkpoint checkpoint;
    struct diag diag = {{0}};
    uint64_t count[3];
    assert_int_equal(ensemble_create(&ensemble, &config), 0);
    checkpoint_begin(&checkpoint, "HACT", NULL);
    ensemble_describe_actor(ensemble, &checkpoint);
    ensemble_describe_learner(ensemble, &checkpoint);
    for (size_t i = 0; i < 3; i++)
        checkpoint_count(&checkpoint, CHECKPOINT_LEARNER, &count[i]);
    if (checkpoint_load(&checkpoint, weights->data, weights->size, &diag) != 0)
        fail_msg("%s", diag.text);
    return ensemble;
}

/* Tasks of others hold some of every server. */
static void draw_state(struct slot *slot, struct reservations *held, uint32_t number)
{
    struct rng_at at = {.seed = 5, .stream = RNG_SAMPLING, .episode = number};
    slot_draw(slot, number, 0, 0, 0);
    reservations_clear(held);
    for (uint32_t m = 0; m < SERVERS; m++) {
        double part[RESERVED_KINDS];
        at.entity = m;
        for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
            part[kind] = 1e-3 + 0.99 * rng_uniform(&at, kind);
        reservations_take(held, m, m, part, 1.0);
    }
    slot->view.held = held;
}

static void decide(struct slot *slot, struct policy *policy)
{
    policy->kind->decide(policy, &slot->view, &slot->decision);
}

static void drawing_candidates_finds_about_what_asking_of_all_does(void **state)
{
    (void) state;
    static const char *const asking[] = {NULL};
    static const char *const drawing[] = {"active.plan=cross-entropy", NULL};
    struct slot slot;
    struct settings settings[2];
    struct buf weights = {0};
    struct reservations held;
    struct ensemble_guess guess = {0};
    struct diag diag = {{0}};
    uint32_t close = 0;
    train(printed, asking, 15, &weights);
    struct world world = full_world_of(printed, asking, &settings[0]),
                 again = full_world_of(printed, drawing, &settings[1]);
    slot_open_world(&slot, &world);
    assert_int_equal(reservations_init(&held, SERVERS, SERVERS), 0);
    struct policy all = make(&slot.world, &settings[0], false), drawn = make(&again, &settings[1], false);
    assert_int_equal(all.kind->load(&all, weights.data, weights.size, &diag), 0);
    assert_int_equal(drawn.kind->load(&drawn, weights.data, weights.size, &diag), 0);
    struct ensemble *ensemble = load(&slot.world, &weights);
    assert_int_equal(ensemble_guess_init(&guess, ensemble, 1), 0);
    for (uint32_t i = 0; i < STATES; i++) {
        draw_state(&slot, &held, i);
        decide(&slot, &all);
        double most = worth(ensemble, &guess, &slot);
        decide(&slot, &drawn);
        close += worth(ensemble, &guess, &slot) >= 0.99 * most ? 1 : 0;
    }
    print_message("# within 1 %% or better in %u of %u states\n", close, STATES);
    assert_true(close >= 95);
    ensemble_guess_finish(&guess);
    ensemble_destroy(ensemble);
    policy_destroy(&all);
    policy_destroy(&drawn);
    reservations_finish(&held);
    slot_close(&slot);
    world_finish(&again);
    buf_finish(&weights);
}

/* ---- what is refused ---- */

static void expect_refusal(const char *const *keys, int code, const char *words)
{
    struct settings settings;
    struct world world = full_world_of(obvious, keys, &settings);
    const struct policy_options options = full_options(&world, &settings, false);
    const struct policy_kind *kind = NULL;
    struct policy policy;
    struct diag diag = {{0}};
    assert_int_equal(catalog_find("active-inference", &kind, NULL), 0);
    assert_int_equal(policy_create(&policy, kind, &options, &diag), code);
    if (strstr(diag.text, words) == NULL)
        fail_msg("%s", diag.text);
    policy_destroy(&policy);
    world_finish(&world);
}

static void what_it_cannot_value_or_ask_of_is_refused(void **state)
{
    (void) state;
    static const char *const cost[] = {"objective.reward=cost", NULL};
    static const char *const far[] = {"active.horizon=5", NULL};
    expect_refusal(cost, ERR_UNSUPPORTED, "objective.reward: completed, printed or utility");
    expect_refusal(far, ERR_RANGE, "active.plan: enumerate would ask of more than 16777216 plans");
}

static void splits_are_planned_over_one_slot(void **state)
{
    (void) state;
    static const char *const keys[] = {"active.horizon=2", NULL};
    struct settings settings;
    struct world world = full_world(keys, &settings);
    const struct policy_options options = full_options(&world, &settings, false);
    const struct policy_kind *kind = NULL;
    struct policy policy;
    struct diag diag = {{0}};
    assert_int_equal(catalog_find("active-inference", &kind, NULL), 0);
    assert_int_equal(policy_create(&policy, kind, &options, &diag), ERR_UNSUPPORTED);
    assert_non_null(strstr(diag.text, "active.horizon"));
    policy_destroy(&policy);
    world_finish(&world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_obvious_server_is_learned_in_few_tasks),
        cmocka_unit_test(tasks_of_one_slot_are_told_apart),
        cmocka_unit_test(prices_make_room_where_servers_are_full),
        cmocka_unit_test(drawing_candidates_finds_about_what_asking_of_all_does),
        cmocka_unit_test(what_it_cannot_value_or_ask_of_is_refused),
        cmocka_unit_test(splits_are_planned_over_one_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
