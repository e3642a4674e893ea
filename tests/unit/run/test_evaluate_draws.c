/* Policies over many draws of node parameters: each line is the sum of what the same policy does in each world, played here
 * alone. */
#include "orchestrator/run/evaluate_draws.h"

#include <stdio.h>

#include "core/base/err.h"
#include "orchestrator/host/host_memory.h"
#include "orchestrator/setup/world_setup.h"
#include "tests/lib/scratch.h"
#include "tests/unit/run/small_run.h"

#define DRAWS 3u
#define SEED 5u

/* Two servers; server 0 is away for some slots, and nobody finishes its tasks. */
static const char *const keys[] = {"devices.count=4",
                                   "servers.count=2",
                                   "run.seed=5",
                                   "model.min_split=3",
                                   "evaluation.test_episodes=2",
                                   "evaluation.test_slots=12",
                                   "faults.script=slot 2 pause server 0 for 4",
                                   "faults.recovery=none",
                                   "objective.deadline_s=1",
                                   NULL};

static struct full_scenario make_full(void)
{
    struct full_scenario full;
    struct diag diag = {{0}};
    full_scenario_defaults(&full);
    for (size_t i = 0; keys[i] != NULL; i++)
        if (full_scenario_set(&full, keys[i], &diag) != 0)
            fail_msg("%s", diag.text);
    return full;
}

/* ---- a second way to the sums ---- */

static int add(void *user, const struct db_task *task, size_t count)
{
    struct evaluate_draws_line *line = user;
    for (const struct db_task *row = task; row < task + count; row++) {
        bool done = row->status == DB_TASK_DONE;
        line->tasks++;
        line->done += done ? 1 : 0;
        line->latency_sum += done ? row->latency_s : 0.0;
        line->energy_sum += done ? row->energy_j : 0.0;
        line->misses += done && row->latency_s > 1.0 ? 1 : 0;
        line->local += row->server == DB_SERVER_NULL ? 1 : 0;
        line->full += row->server != DB_SERVER_NULL && row->split == 3 ? 1 : 0;
        line->interior += row->server != DB_SERVER_NULL && row->split > 3 ? 1 : 0;
    }
    return 0;
}

static void play_alone(const struct full_scenario *full, const struct policy_kind *kind,
                       struct evaluate_draws_line *ret_line)
{
    *ret_line = (struct evaluate_draws_line){0};
    for (uint32_t d = 0; d < DRAWS; d++) {
        struct world world;
        struct policy policy;
        struct session_result result;
        struct diag diag = {{0}};
        assert_int_equal(world_setup_draw(&world, &full->scenario, SEED + d, &diag), 0);
        const struct policy_options options = full_options(&world, &full->settings, false);
        assert_int_equal(policy_create(&policy, kind, &options, &diag), 0);
        struct session session = {.world = &world,
                                  .policy = &policy,
                                  .phase = RNG_TEST,
                                  .episodes = 2,
                                  .slots = 12,
                                  .record_tasks = true};
        session_sinks_add(&session.sinks, (struct session_sink){.tasks = add, .user = ret_line});
        if (host_memory_run(&session, &result, &diag) != 0)
            fail_msg("%s", diag.text);
        ret_line->cost_sum += result.mean_cost;
        ret_line->cost_square_sum += result.mean_cost * result.mean_cost;
        policy_destroy(&policy);
        world_finish(&world);
    }
}

static void assert_line(const struct evaluate_draws_line *is, const struct evaluate_draws_line *was)
{
    assert_int_equal(is->tasks, was->tasks);
    assert_int_equal(is->done, was->done);
    assert_int_equal(is->misses, was->misses);
    assert_int_equal(is->local, was->local);
    assert_int_equal(is->full, was->full);
    assert_int_equal(is->interior, was->interior);
    assert_same(is->latency_sum, was->latency_sum);
    assert_same(is->energy_sum, was->energy_sum);
    assert_same(is->cost_sum, was->cost_sum);
    assert_same(is->cost_square_sum, was->cost_square_sum);
    assert_int_equal(is->min_split, 3);
    assert_false(is->never_learned);
}

static void each_line_is_the_sum_over_all_worlds(void **state)
{
    const struct full_scenario full = make_full();
    struct policy_names policies;
    struct evaluate_draws_line line[POLICY_NAMES_MAX], alone;
    struct diag diag = {{0}};
    uint64_t lost = 0, interior = 0, misses = 0;
    (void) state;
    assert_int_equal(policy_names_parse(&policies, "local,greedy,random,edge-nearest,optimum", NULL,
                                        POLICY_MODE_ROUND, &diag),
                     0);
    const struct evaluate_draws_options options = {
        .full = &full, .policies = &policies, .draws = DRAWS, .trained = {.host = {.quiet = true}}};
    if (evaluate_draws(&options, line, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(policies.count, 5);
    for (size_t i = 0; i < policies.count; i++) {
        play_alone(&full, policies.kind[i], &alone);
        assert_line(&line[i], &alone);
        lost += alone.tasks - alone.done;
        interior += alone.interior;
        misses += alone.misses;
    }
    assert_true(lost > 0 && interior > 0 && misses > 0); /* something of everything */
}

/* ---- who plays ---- */

static int evaluate(struct policy_names *policies, const char *names, const char *path,
                    const struct full_scenario *full, struct evaluate_draws_line *line, struct diag *diag)
{
    *diag = (struct diag){{0}};
    assert_int_equal(policy_names_parse(policies, names, NULL, POLICY_MODE_ROUND, diag), 0);
    const struct evaluate_draws_options options = {
        .full = full,
        .policies = policies,
        .draws = 2,
        .trained = {.path = path, .checkpoint = "last", .host = {.kind = HOST_MEMORY, .quiet = true}}};
    return evaluate_draws(&options, line, diag);
}

static void who_cannot_play_leaves_the_list_and_nobody_is_left_only_with_a_reason(void **state)
{
    const struct full_scenario full = make_full();
    struct policy_names policies;
    struct evaluate_draws_line line[POLICY_NAMES_MAX];
    struct diag diag;
    (void) state;
    assert_int_equal(evaluate(&policies, "external,local,external,greedy", NULL, &full, line, &diag), 0);
    assert_int_equal(policies.count, 2);
    assert_string_equal(policies.kind[0]->name, "local");
    assert_string_equal(policies.kind[1]->name, "greedy");
    assert_int_equal(line[0].local, line[0].tasks);
    assert_true(line[1].local < line[1].tasks);
    assert_int_equal(evaluate(&policies, "external", NULL, &full, line, &diag), ERR_UNSUPPORTED);
    assert_string_equal(diag.text, "--draws: external has no agent there");
}

static void learners_play_with_the_weights_of_the_run_that_is_named(void **state)
{
    struct scratch *s = *state;
    struct settings settings;
    struct world world = small_run_world(&settings);
    (void) snprintf(world.scenario.run.policy, sizeof world.scenario.run.policy, "dapo");
    const struct full_scenario full = {world.scenario, settings};
    struct evaluate_draws_line line[2][POLICY_NAMES_MAX];
    for (uint32_t i = 0; i < 2; i++) {
        struct policy_names policies;
        struct diag diag;
        const struct small_run run = {.policy = "dapo",
                                      .episodes = 2,
                                      .slots = i == 0 ? 1 : 6, /* too few for an update, or enough */
                                      .played = 2,
                                      .checkpoint_every = 1,
                                      .status = DB_FINISHED};
        (void) small_run_record(s->file, &world, &settings, &run);
        if (evaluate(&policies, "local,dapo", s->file, &full, line[i], &diag) != 0)
            fail_msg("%s", diag.text);
        assert_int_equal(policies.count, 2);
        assert_false(line[i][0].never_learned);
        assert_int_equal(line[i][1].never_learned, i == 0);
    }
    assert_same(line[0][0].cost_sum, line[1][0].cost_sum);
    assert_true(line[0][1].cost_sum != line[1][1].cost_sum); /* the newest run's weights are others */
    world_finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_is_the_sum_over_all_worlds),
        cmocka_unit_test(who_cannot_play_leaves_the_list_and_nobody_is_left_only_with_a_reason),
        cmocka_unit_test_setup_teardown(learners_play_with_the_weights_of_the_run_that_is_named,
                                        scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
