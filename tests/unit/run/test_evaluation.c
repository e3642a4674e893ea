/* Who is played on a run's held-out streams: whose weights, who is left out and why, and that all this is known before
 * anybody plays. */
#include "orchestrator/run/evaluation.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "tests/lib/scratch.h"
#include "tests/unit/run/small_run.h"

/* A training of two short episodes in this world. */
static void record(const struct scratch *s, const char *policy, const struct world *world,
                   const struct settings *settings)
{
    struct world own = *world;
    (void) snprintf(own.scenario.run.policy, sizeof own.scenario.run.policy, "%s", policy);
    const struct small_run run = {.policy = policy,
                                  .episodes = 2,
                                  .slots = 4,
                                  .played = 2,
                                  .checkpoint_every = 1,
                                  .status = DB_FINISHED};
    (void) small_run_record(s->file, &own, settings, &run);
}

static struct evaluation *open_list(const struct scratch *s, int64_t run_id, const char *policies, int code,
                                    struct diag *diag)
{
    struct evaluation *evaluation = calloc(1, sizeof *evaluation);
    const struct evaluation_options options = {.run = {.path = s->file,
                                                       .run_id = run_id,
                                                       .checkpoint = "last",
                                                       .host = {.kind = HOST_MEMORY, .quiet = true}},
                                               .policies = policies};
    *diag = (struct diag){{0}};
    assert_non_null(evaluation);
    int rc = evaluation_open(evaluation, &options, diag);
    if (rc != code)
        fail_msg("%d: %s", rc, diag->text);
    return evaluation;
}

static void close_list(struct evaluation *evaluation)
{
    evaluation_finish(evaluation);
    free(evaluation);
}

/* The runs whose weights or world entry number i takes. */
static int64_t run_of(const struct evaluation *evaluation, const struct policy_kind *kind)
{
    for (size_t i = 0; i < evaluation->entries; i++)
        if (evaluation->entry[i].kind == kind)
            return evaluation->training[evaluation->entry[i].training].run.run_id;
    return 0;
}

static void those_trained_one_after_the_other_are_played_side_by_side(void **state)
{
    const struct scratch *s = *state;
    struct settings settings, others;
    struct diag diag;
    struct world world = small_run_world(&settings);
    others = settings;
    others.learned.ddpg.noise_sigma = 0.5; /* how a learner is set moves no stream */
    record(s, "dapo", &world, &others);
    record(s, "td3", &world, &settings);
    record(s, "dapo", &world, &settings);
    record(s, "sac", &world, &settings);
    struct world other = world;
    other.seed = other.scenario.run.seed = 6; /* but this does */
    record(s, "maddpg", &other, &settings);
    record(s, "ppo", &world, &settings);
    struct evaluation *all = open_list(s, 0, NULL, 0, &diag);
    assert_ptr_equal(all->entry[0].kind, &policy_ppo); /* the run's own first */
    assert_int_equal(run_of(all, &policy_ppo), 6);
    assert_int_equal(run_of(all, &policy_sac), 4);
    assert_int_equal(run_of(all, &policy_dapo), 3); /* the newest */
    assert_int_equal(run_of(all, &policy_td3), 2);
    assert_int_equal(run_of(all, &policy_maddpg), 0);
    assert_int_equal(run_of(all, &policy_greedy), 6);
    assert_int_equal(all->left_out_count, 0);
    close_list(all);
    struct evaluation *one = open_list(s, 3, NULL, 0, &diag); /* a run that is named stands for itself */
    assert_int_equal(run_of(one, &policy_dapo), 3);
    assert_int_equal(run_of(one, &policy_td3), 0);
    close_list(one);
    struct evaluation *named = open_list(s, 3, "td3,dapo", 0, &diag);
    assert_int_equal(named->entries, 2);
    assert_int_equal(run_of(named, &policy_td3), 2);
    assert_int_equal(evaluation_play(named, RNG_TEST), 0);
    close_list(named);
    scratch_expect(s->file, "SELECT policy, parent_run_id FROM run WHERE kind = 'test' ORDER BY run_id",
                   "td3|2\ndapo|3");
    world_finish(&world);
}

static void who_does_not_suit_is_left_out_with_the_reason_before_anybody_plays(void **state)
{
    const struct scratch *s = *state;
    struct settings settings;
    struct diag diag;
    struct world world = small_run_world(&settings);
    world.scenario.servers.memory_gb = 16.0;
    record(s, "dapo", &world, &settings);
    struct evaluation *all = open_list(s, 0, NULL, 0, &diag);
    assert_true(all->entries > 10);
    assert_int_equal(run_of(all, &policy_optimum), 0);
    assert_int_equal(all->left_out_count, 1);
    const char *line = (const char *) all->left_out.data;
    assert_non_null(strstr(line, "policy optimum: is exact only with"));
    close_list(all);
    struct evaluation *some = open_list(s, 0, "greedy,optimum,sac", 0, &diag);
    assert_int_equal(some->entries, 1);
    assert_int_equal(some->left_out_count, 2);
    line = (const char *) some->left_out.data;
    assert_non_null(
        strstr(line + strlen(line) + 1, "policy sac: run 1 trained dapo: it has no weights for sac"));
    close_list(some);
    close_list(open_list(s, 0, "optimum", ERR_UNSUPPORTED, &diag));
    assert_non_null(strstr(diag.text, "is exact only with"));
    close_list(open_list(s, 0, "greedy,clever", ERR_UNKNOWN, &diag));
    scratch_exec(s->file, "UPDATE checkpoint SET weights = x'0011'");
    close_list(open_list(s, 0, "greedy,dapo", ERR_TRUNCATED, &diag)); /* broken, not unfit */
    scratch_expect(s->file, "SELECT count(*) FROM run", "1");
    world_finish(&world);
}

static void who_played_without_ever_having_learned_is_known(void **state)
{
    const struct scratch *s = *state;
    struct settings settings;
    struct diag diag;
    struct world world = small_run_world(&settings);
    record(s, "ppo", &world, &settings); /* its rollout is longer than eight slots */
    record(s, "dapo", &world, &settings);
    struct evaluation *evaluation = open_list(s, 0, "dapo,ppo,local", 0, &diag);
    assert_int_equal(evaluation_play(evaluation, RNG_TEST), 0);
    assert_false(evaluation->entry[0].never_learned);
    assert_true(evaluation->entry[1].never_learned);
    assert_false(evaluation->entry[2].never_learned);
    close_list(evaluation);
    world_finish(&world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        TEST(those_trained_one_after_the_other_are_played_side_by_side),
        TEST(who_does_not_suit_is_left_out_with_the_reason_before_anybody_plays),
        TEST(who_played_without_ever_having_learned_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
