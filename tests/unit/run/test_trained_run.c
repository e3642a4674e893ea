/* A recorded training run: which of its checkpoints is meant, what its weights are, and what is recorded when they are
 * played on held-out streams. */
#include "orchestrator/run/trained_run.h"

#include <stdio.h>

#include "core/base/err.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "tests/lib/scratch.h"
#include "tests/unit/run/small_run.h"

/* A finished training of three episodes of four slots: dapo has a checkpoint after each, and learns from the slot
 * after its warm-up on. */
static void record_with_warmup(const struct scratch *s, const char *policy, uint64_t warmup)
{
    struct settings settings;
    struct world world = small_run_world(&settings);
    settings.learned.ddpg.warmup = warmup;
    const struct small_run run = {.policy = policy,
                                  .episodes = 3,
                                  .slots = 4,
                                  .played = 3,
                                  .checkpoint_every = 1,
                                  .status = DB_FINISHED};
    assert_int_equal(small_run_record(s->file, &world, &settings, &run), 1);
    world_finish(&world);
}

static void record(const struct scratch *s, const char *policy)
{
    record_with_warmup(s, policy, 2);
}

static int open_run(struct trained_run *own, const struct scratch *s, int64_t run_id, const char *checkpoint,
                    struct diag *diag)
{
    const struct trained_run_options options = {.path = s->file,
                                                .run_id = run_id,
                                                .checkpoint = checkpoint,
                                                .host = {.kind = HOST_MEMORY, .quiet = true}};
    return trained_run_open(own, &options, diag);
}

static void take(struct trained_run *own, const struct scratch *s, const char *checkpoint)
{
    static struct diag diag; /* the run keeps it */
    diag = (struct diag){{0}};
    if (open_run(own, s, 0, checkpoint, &diag) != 0)
        fail_msg("%s", diag.text);
}

static void expect_checkpoint(const struct scratch *s, const char *checkpoint, int64_t expected)
{
    struct trained_run own;
    int64_t episode = -5;
    take(&own, s, checkpoint);
    if (trained_run_checkpoint(&own, &policy_dapo, &episode) != 0)
        fail_msg("%s", own.diag->text);
    assert_int_equal(episode, expected);
    trained_run_finish(&own);
}

static void expect_failure(const struct scratch *s, const char *checkpoint, const struct policy_kind *kind,
                           int code, const char *said)
{
    struct trained_run own;
    int64_t episode = -5;
    take(&own, s, checkpoint);
    assert_int_equal(trained_run_checkpoint(&own, kind, &episode), code);
    if (strstr(own.diag->text, said) == NULL)
        fail_msg("'%s' says nothing of '%s'", own.diag->text, said);
    trained_run_finish(&own);
}

/* ---- which checkpoint ---- */

static void the_last_is_the_last_and_a_number_is_that_episodes(void **state)
{
    const struct scratch *s = *state;
    record(s, "dapo");
    expect_checkpoint(s, "last", 2);
    expect_checkpoint(s, "1", 1);
    expect_checkpoint(s, "0", 0);
    scratch_expect(s->file, "SELECT count(DISTINCT weights) FROM checkpoint", "3");
    scratch_expect(s->file, "SELECT count(*) FROM run", "1"); /* nothing was played for that */
}

static void the_best_is_the_cheapest_on_the_validation_streams(void **state)
{
    const struct scratch *s = *state;
    char best[32];
    record(s, "dapo");
    struct trained_run own;
    int64_t episode = -5;
    take(&own, s, "best");
    assert_int_equal(trained_run_checkpoint(&own, &policy_dapo, &episode), 0);
    trained_run_finish(&own);
    scratch_query(s->file, "SELECT episode FROM checkpoint ORDER BY validation_cost, episode LIMIT 1", best,
                  sizeof best);
    assert_int_equal(best[0] - '0', episode);
    scratch_expect(s->file,
                   "SELECT kind, phase, policy, parent_run_id, checkpoint_episode, status FROM run WHERE "
                   "run_id > 1 ORDER BY checkpoint_episode",
                   "validate|validate|dapo|1|0|finished\nvalidate|validate|dapo|1|1|finished\n"
                   "validate|validate|dapo|1|2|finished");
    /* Each cost is that of the run which validated that checkpoint. */
    scratch_expect(s->file,
                   "SELECT count(*) FROM checkpoint AS c JOIN run AS r ON r.checkpoint_episode = c.episode"
                   " JOIN episode AS e ON e.run_id = r.run_id"
                   " WHERE abs(c.validation_cost - e.mean_cost) <= 1e-12 * e.mean_cost",
                   "3");
}

static void what_was_validated_once_is_not_played_again(void **state)
{
    const struct scratch *s = *state;
    record(s, "dapo");
    scratch_exec(s->file,
                 "UPDATE checkpoint SET validation_cost = 3e-9 - episode % 2 * 1e-9"); /* the second */
    expect_checkpoint(s, "best", 1);
    scratch_exec(s->file, "UPDATE checkpoint SET validation_cost = 2e-9 + (episode = 0) * 1e-9");
    expect_checkpoint(s, "best", 1); /* the first of equals */
    scratch_expect(s->file, "SELECT count(*) FROM run", "1");
    scratch_exec(s->file, "UPDATE checkpoint SET validation_cost = NULL WHERE episode = 2");
    expect_checkpoint(s, "best", 1);
    expect_checkpoint(s, "best", 1);
    scratch_expect(s->file, "SELECT checkpoint_episode FROM run WHERE run_id > 1", "2");
}

static void one_from_before_the_first_update_is_never_the_best(void **state)
{
    const struct scratch *s = *state;
    record_with_warmup(s, "dapo", 6); /* the first is */
    scratch_exec(s->file, "UPDATE checkpoint SET validation_cost = (episode + 1) * 1e-9");
    expect_checkpoint(s, "best", 1);
    expect_checkpoint(s, "0", 0);
    scratch_exec(s->file, "UPDATE checkpoint SET validation_cost = NULL");
    struct trained_run own;
    int64_t episode = -5;
    take(&own, s, "best");
    assert_int_equal(trained_run_checkpoint(&own, &policy_dapo, &episode), 0);
    assert_true(trained_run_never_learned(&own, 0));
    assert_false(trained_run_never_learned(&own, episode));
    trained_run_finish(&own);
    scratch_expect(s->file, "SELECT episode FROM checkpoint WHERE validation_cost IS NULL", "0");
    scratch_expect(s->file, "SELECT checkpoint_episode FROM run WHERE kind = 'validate'", "1\n2");
    /* From the sixth slot on, but for the twelfth: its update comes with the next slot, and there is none. */
    scratch_expect(s->file, "SELECT updates FROM run ORDER BY run_id", "6\n6\n6");
}

static void where_nothing_was_learned_the_last_is_taken_and_known_as_such(void **state)
{
    const struct scratch *s = *state;
    record_with_warmup(s, "dapo", 100);
    struct trained_run own;
    int64_t episode = -5;
    take(&own, s, "best");
    assert_int_equal(trained_run_checkpoint(&own, &policy_dapo, &episode), 0);
    assert_int_equal(episode, 2);
    assert_true(trained_run_never_learned(&own, episode));
    trained_run_finish(&own);
    scratch_expect(s->file, "SELECT count(*) FROM run", "1"); /* nothing to choose from */
    struct session_result result;
    take(&own, s, "last");
    assert_int_equal(trained_run_play(&own, &policy_dapo, RNG_TEST, episode, &result), 0);
    assert_int_equal(trained_run_play(&own, &policy_greedy, RNG_TEST, -1, &result), 0);
    trained_run_finish(&own);
    scratch_expect(s->file, "SELECT policy, updates FROM run ORDER BY run_id", "dapo|0\ndapo|0\ngreedy|NULL");
}

static void a_checkpoint_that_is_not_there_is_named_with_the_last(void **state)
{
    const struct scratch *s = *state;
    record(s, "dapo");
    expect_failure(s, "7", &policy_dapo, ERR_NOT_FOUND,
                   "run 1 has no checkpoint after episode 7; its last is 2");
    expect_failure(s, "soon", &policy_dapo, ERR_SYNTAX, "'soon' is neither best, last nor an episode");
    expect_failure(s, "-1", &policy_dapo, ERR_SYNTAX, "'-1'");
    scratch_exec(s->file, "DELETE FROM checkpoint");
    expect_failure(s, "last", &policy_dapo, ERR_NOT_FOUND, "run 1 has no checkpoint of dapo");
}

static void weights_fit_who_was_trained_and_a_rule_takes_none(void **state)
{
    const struct scratch *s = *state;
    struct trained_run own;
    int64_t episode = -5;
    record(s, "dapo");
    take(&own, s, "best");
    assert_int_equal(trained_run_checkpoint(&own, &policy_greedy, &episode), 0);
    assert_int_equal(episode, -1);
    trained_run_finish(&own);
    expect_failure(s, "last", &policy_td3, ERR_NOT_FOUND, "run 1 trained dapo: it has no weights for td3");
}

static void who_decides_with_anothers_weights_takes_that_ones_checkpoint(void **state)
{
    const struct scratch *s = *state;
    struct trained_run own;
    int64_t episode = -5;
    record(s, "dapo-plus");
    take(&own, s, "last");
    assert_int_equal(trained_run_checkpoint(&own, &policy_dapo_plus_actor, &episode), 0);
    assert_int_equal(episode, 2);
    trained_run_finish(&own);
}

/* ---- the run ---- */

static void only_a_training_run_has_trained_something(void **state)
{
    const struct scratch *s = *state;
    struct trained_run own;
    struct diag diag = {{0}};
    record(s, "dapo");
    scratch_exec(s->file, "UPDATE run SET kind = 'test'");
    assert_int_equal(open_run(&own, s, 1, "last", &diag), ERR_STATE);
    assert_non_null(strstr(diag.text, s->file));
    assert_non_null(strstr(diag.text, "run 1 is no training run; name the one it belongs to"));
    trained_run_finish(&own);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    const struct scratch *s = *state;
    struct trained_run own;
    struct diag diag = {{0}};
    assert_int_not_equal(open_run(&own, s, 0, "last", &diag), 0);
    assert_non_null(strstr(diag.text, s->file));
    trained_run_finish(&own);
}

static void the_weights_are_those_that_were_saved(void **state)
{
    const struct scratch *s = *state;
    struct trained_run own;
    struct buf weights = {0};
    char hex[65], expected[65];
    record(s, "dapo");
    take(&own, s, "last");
    assert_int_equal(trained_run_weights(&own, 1, &weights), 0);
    scratch_query(s->file, "SELECT lower(hex(substr(weights, -32))) FROM checkpoint WHERE episode = 1",
                  expected, sizeof expected);
    for (size_t i = 0; i < 32; i++)
        (void) snprintf(hex + 2 * i, 3, "%02x", weights.data[weights.size - 32 + i]);
    assert_string_equal(hex, expected);
    assert_int_equal(trained_run_weights(&own, 9, &weights), ERR_NOT_FOUND);
    buf_finish(&weights);
    trained_run_finish(&own);
}

/* ---- held-out streams ---- */

static void a_test_is_recorded_as_the_runs_own_with_every_task(void **state)
{
    const struct scratch *s = *state;
    struct trained_run own;
    struct session_result result;
    record(s, "dapo");
    take(&own, s, "last");
    assert_int_equal(trained_run_play(&own, &policy_dapo, RNG_TEST, 1, &result), 0);
    assert_int_equal(trained_run_play(&own, &policy_greedy, RNG_VALIDATE, -1, &result), 0);
    trained_run_finish(&own);
    scratch_expect(
        s->file,
        "SELECT kind, phase, policy, parent_run_id, checkpoint_episode, seed FROM run WHERE run_id > 1",
        "test|test|dapo|1|1|5\nvalidate|validate|greedy|1|NULL|5");
    scratch_expect(s->file,
                   "SELECT run_id, count(*), sum(slots) FROM episode WHERE run_id > 1 GROUP BY run_id",
                   "2|2|8\n3|1|3");
    scratch_expect(s->file, "SELECT run_id, count(*) FROM task WHERE run_id > 1 GROUP BY run_id", "2|16");
    scratch_expect(s->file, "SELECT count(*) FROM checkpoint WHERE run_id > 1", "0");
}

static void the_checkpoint_that_is_named_is_the_one_that_plays(void **state)
{
    const struct scratch *s = *state;
    struct trained_run own;
    struct session_result result;
    record(s, "dapo");
    take(&own, s, "last");
    scratch_exec(s->file, "UPDATE checkpoint SET weights = x'00' WHERE episode = 1");
    assert_int_equal(trained_run_play(&own, &policy_dapo, RNG_TEST, 0, &result), 0);
    assert_int_not_equal(trained_run_play(&own, &policy_dapo, RNG_TEST, 1, &result), 0);
    assert_true(strlen(own.diag->text) > 0);
    trained_run_finish(&own);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        TEST(the_last_is_the_last_and_a_number_is_that_episodes),
        TEST(the_best_is_the_cheapest_on_the_validation_streams),
        TEST(what_was_validated_once_is_not_played_again),
        TEST(one_from_before_the_first_update_is_never_the_best),
        TEST(where_nothing_was_learned_the_last_is_taken_and_known_as_such),
        TEST(a_checkpoint_that_is_not_there_is_named_with_the_last),
        TEST(weights_fit_who_was_trained_and_a_rule_takes_none),
        TEST(who_decides_with_anothers_weights_takes_that_ones_checkpoint),
        TEST(only_a_training_run_has_trained_something),
        TEST(a_file_that_is_not_there_is_named),
        TEST(the_weights_are_those_that_were_saved),
        TEST(a_test_is_recorded_as_the_runs_own_with_every_task),
        TEST(the_checkpoint_that_is_named_is_the_one_that_plays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
