/* Which runs can be resumed, after which episode, as what the learner comes back, and what the run says of itself from
 * then on. */
#include "orchestrator/run/resume.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/err.h"
#include "db/claim.h"
#include "db/experiment_file.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "tests/lib/scratch.h"
#include "tests/unit/run/small_run.h"

/* A run of five episodes that was killed in the fourth. */
static int64_t record(const struct scratch *s, const char *policy, uint32_t checkpoint_every)
{
    struct settings settings;
    struct world world = small_run_world(&settings);
    const struct small_run run = {.policy = policy,
                                  .episodes = 5,
                                  .slots = 4,
                                  .played = 3,
                                  .checkpoint_every = checkpoint_every,
                                  .status = DB_ABORTED};
    int64_t run_id = small_run_record(s->file, &world, &settings, &run);
    world_finish(&world);
    return run_id;
}

static int read_run(struct resume *resume, const struct scratch *s, int64_t run_id, struct diag *diag)
{
    const struct resume_options options = {.path = s->file, .run_id = run_id};
    return resume_read(resume, &options, diag);
}

static void take(struct resume *resume, const struct scratch *s)
{
    struct diag diag = {{0}};
    if (read_run(resume, s, 0, &diag) != 0)
        fail_msg("%s", diag.text);
}

/* Reading fails, and the sentence has this in it. */
static void expect_failure(const struct scratch *s, int64_t run_id, int code, const char *said)
{
    struct resume resume;
    struct diag diag = {{0}};
    assert_int_equal(read_run(&resume, s, run_id, &diag), code);
    if (strstr(diag.text, said) == NULL)
        fail_msg("'%s' says nothing of '%s'", diag.text, said);
    resume_finish(&resume);
}

static void expect_after(const struct scratch *s, int64_t after_episode)
{
    struct resume resume;
    take(&resume, s);
    assert_int_equal(resume.after_episode, after_episode);
    assert_int_equal(resume.record.rewind.after_episode, after_episode);
    resume_finish(&resume);
}

/* ---- after which episode ---- */

static void a_learner_goes_on_after_its_last_milestone(void **state)
{
    const struct scratch *s = *state;
    struct resume resume;
    char elapsed[64];
    int64_t run_id = record(s, "dapo", 2); /* checkpoints after 1 and, where it ended, 2 */
    scratch_exec(s->file, "UPDATE episode SET wall_s = episode + 0.5");
    take(&resume, s);
    assert_false(resume.finished);
    assert_int_equal(resume.after_episode, 1);
    assert_int_equal(resume.host, HOST_MEMORY);
    assert_int_equal(resume.record.rewind.run_id, run_id);
    assert_int_equal(resume.record.rewind.after_episode, 1);
    assert_string_equal(resume.record.rewind.config_json, resume.config_json);
    assert_int_equal(resume.recorded.episodes, 5);
    assert_int_equal(resume.recorded.slots, 4);
    assert_true(resume.record.trusted);
    (void) snprintf(elapsed, sizeof elapsed, "%.1f", resume.record.elapsed_s);
    assert_string_equal(elapsed, "2.0"); /* 0.5 and 1.5 s */
    resume_finish(&resume);
}

static int recall(void *user, const struct db_experience *experience)
{
    struct policy *policy = user;
    return policy->kind->recall(policy, experience->bytes, experience->size, NULL);
}

/* A fresh learner that is given what the file holds. */
static struct policy restore(const struct scratch *s, const struct world *world,
                             const struct settings *settings)
{
    struct experiment_file file;
    struct db_checkpoint row;
    struct policy policy;
    struct buf learner = {0};
    const struct policy_options options = full_options(world, settings, true);
    assert_int_equal(policy_create(&policy, &policy_dapo, &options, NULL), 0);
    assert_int_equal(experiment_file_open(&file, s->file, DB_READ, NULL), 0);
    assert_int_equal(store_each_experience(file.store, 1, recall, &policy, NULL), 0);
    assert_int_equal(store_read_learner(file.store, 1, &row, &learner, NULL), 0);
    assert_int_equal(row.episode, 2);
    assert_int_equal(experiment_file_close(&file, NULL), 0);
    assert_int_equal(policy_dapo.resume(&policy, learner.data, learner.size, NULL), 0);
    buf_finish(&learner);
    return policy;
}

static void a_learner_comes_back_with_what_it_had_learned(void **state)
{
    const struct scratch *s = *state;
    struct settings settings;
    struct world world = small_run_world(&settings);
    struct resume resume;
    struct buf expected = {0}, now = {0};
    (void) record(s, "dapo", 1);
    scratch_expect(s->file, "SELECT count(DISTINCT weights) FROM checkpoint", "3"); /* it has learned */
    struct policy policy = restore(s, &world, &settings);
    take(&resume, s);
    assert_int_equal(resume.after_episode, 2);
    assert_true(resume.policy.training);
    assert_int_equal(policy_dapo.save(&policy, true, &expected), 0);
    assert_int_equal(policy_dapo.save(&resume.policy, true, &now), 0);
    assert_int_equal(now.size, expected.size);
    assert_memory_equal(now.data, expected.data, now.size);
    buf_finish(&expected);
    buf_finish(&now);
    resume_finish(&resume);
    policy_destroy(&policy);
    world_finish(&world);
}

static void a_learner_without_a_milestone_begins_anew(void **state)
{
    const struct scratch *s = *state;
    (void) record(s, "dapo", 4);
    expect_after(s, -1);
}

static void a_rule_goes_on_after_its_last_whole_episode(void **state)
{
    const struct scratch *s = *state;
    (void) record(s, "greedy", 0);
    expect_after(s, 2);
    scratch_exec(s->file, "UPDATE episode SET slots = 3 WHERE episode = 2"); /* cut short */
    expect_after(s, 1);
    scratch_exec(s->file, "DELETE FROM episode");
    expect_after(s, -1);
}

/* ---- which runs ---- */

static void nothing_is_left_to_do_of_a_run_that_is_finished(void **state)
{
    const struct scratch *s = *state;
    struct resume resume;
    (void) record(s, "greedy", 0);
    scratch_exec(s->file, "UPDATE run SET status = 'finished'");
    take(&resume, s);
    assert_true(resume.finished);
    assert_null(resume.policy.kind);
    assert_null(resume.config_json);
    resume_finish(&resume);
}

static void a_run_that_was_killed_is_still_called_running_and_goes_on(void **state)
{
    const struct scratch *s = *state;
    (void) record(s, "greedy", 0);
    scratch_exec(s->file, "UPDATE run SET status = 'running'");
    expect_after(s, 2);
}

static void only_training_runs_go_on(void **state)
{
    static const struct {
        const char *kind, *said;
    } others[] = {
        {"validate", "run 1 is a validation run: `evaluate` makes it again"},
        {"test", "run 1 is a test run: `evaluate` makes it again"},
        {"counterfactual", "run 1 is a counterfactual run: `replay --policy` makes it again"},
        {"twin", "run 1 is a twin run: `twin` makes it again"},
    };
    const struct scratch *s = *state;
    (void) record(s, "greedy", 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char sql[128];
        (void) snprintf(sql, sizeof sql, "UPDATE run SET kind = '%s'", others[i].kind);
        scratch_exec(s->file, sql);
        expect_failure(s, 1, ERR_STATE, others[i].said);
    }
}

static void a_run_that_is_not_there_is_named(void **state)
{
    const struct scratch *s = *state;
    (void) record(s, "greedy", 0);
    expect_failure(s, 7, ERR_NOT_FOUND, "7");
}

static void the_newest_training_run_is_meant_unless_one_is_named(void **state)
{
    const struct scratch *s = *state;
    struct resume resume;
    (void) record(s, "greedy", 0);
    (void) record(s, "local", 0);
    take(&resume, s);
    assert_int_equal(resume.record.rewind.run_id, 2);
    resume_finish(&resume);
    assert_int_equal(read_run(&resume, s, 1, NULL), 0);
    assert_int_equal(resume.record.rewind.run_id, 1);
    assert_string_equal(resume.policy.kind->name, "greedy");
    resume_finish(&resume);
}

/* Another process that records the run until it is told to end. */
static pid_t claim_elsewhere(const char *path, int64_t run_id, int *ret_end)
{
    int ready[2], end[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(end), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct claim claim = claim_none;
        (void) close(end[1]);
        if (claim_take(&claim, path, run_id, NULL) != 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        (void) read(end[0], &byte, 1) /* the end of the stream */;
        _exit(0);
    }
    (void) close(ready[1]);
    (void) close(end[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void) close(ready[0]);
    *ret_end = end[1];
    return pid;
}

static void a_run_that_another_process_records_is_left_to_it(void **state)
{
    const struct scratch *s = *state;
    int end = -1, status = 0;
    int64_t run_id = record(s, "greedy", 0);
    pid_t pid = claim_elsewhere(s->file, run_id, &end);
    expect_failure(s, run_id, ERR_STATE, "is being recorded by a running process");
    (void) close(end);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    expect_after(s, 2);
}

static void a_learner_that_does_not_read_back_is_not_resumed(void **state)
{
    const struct scratch *s = *state;
    (void) record(s, "dapo", 1);
    scratch_exec(s->file, "UPDATE checkpoint SET learner = x'00' WHERE learner IS NOT NULL");
    struct resume resume;
    struct diag diag = {{0}};
    assert_int_not_equal(read_run(&resume, s, 0, &diag), 0);
    assert_non_null(strstr(diag.text, "run 1 cannot be resumed"));
    resume_finish(&resume);
}

static void a_learner_whose_experience_is_lost_is_not_resumed(void **state)
{
    const struct scratch *s = *state;
    (void) record(s, "dapo", 1);
    scratch_exec(s->file, "DELETE FROM experience");
    struct resume resume;
    struct diag diag = {{0}};
    assert_int_not_equal(read_run(&resume, s, 0, &diag), 0);
    assert_non_null(strstr(diag.text, "run 1 cannot be resumed"));
    resume_finish(&resume);
}

static void a_policy_that_this_program_does_not_have_is_named(void **state)
{
    const struct scratch *s = *state;
    (void) record(s, "greedy", 0);
    scratch_exec(s->file, "UPDATE run SET policy = 'of-old'");
    expect_failure(s, 0, ERR_UNKNOWN, "of-old");
}

/* ---- what it says from then on ---- */

static void the_configuration_lists_where_the_run_was_resumed(void **state)
{
    const struct scratch *s = *state;
    struct resume resume;
    char config[4096];
    (void) record(s, "greedy", 0);
    scratch_query(s->file, "SELECT config_json FROM run", config, sizeof config);
    take(&resume, s);
    assert_int_equal(config[strlen(config) - 1], '}');
    assert_memory_equal(resume.config_json, config, strlen(config) - 1); /* the rest is as it was */
    assert_non_null(strstr(resume.config_json, ",\"resumed\":[{\"after_episode\":2,\"program\":\""));
    assert_non_null(strstr(resume.config_json, "\"host\":\"memory\"}]}"));
    scratch_expect(s->file, "SELECT config_json FROM run", config); /* not in the file yet */
    scratch_expect(s->file, "SELECT status FROM run", "aborted");
    resume_finish(&resume);
}

static void a_resumption_that_this_one_undoes_is_not_listed(void **state)
{
    const struct scratch *s = *state;
    struct resume resume;
    (void) record(s, "greedy", 0);
    scratch_exec(s->file,
                 "UPDATE run SET config_json = json_set(config_json, '$.resumed', json('["
                 "{\"after_episode\":0,\"host\":\"tcp\"},{\"after_episode\":2,\"host\":\"tcp\"},"
                 "{\"after_episode\":3,\"host\":\"tcp\"},{\"after_episode\":1,\"host\":\"tcp\"}]'))");
    take(&resume, s);
    assert_non_null(strstr(resume.config_json,
                           "\"resumed\":[{\"after_episode\":0,\"host\":\"tcp\"},"
                           "{\"after_episode\":1,\"host\":\"tcp\"},{\"after_episode\":2,\"program\":"));
    resume_finish(&resume);
}

static void it_goes_on_where_it_was_unless_told_otherwise(void **state)
{
    const struct scratch *s = *state;
    struct resume resume;
    struct resume_options options = {.path = s->file, .host_given = true, .host = HOST_TCP};
    (void) record(s, "greedy", 0);
    assert_int_equal(resume_read(&resume, &options, NULL), 0);
    assert_int_equal(resume.host, HOST_TCP);
    assert_non_null(strstr(resume.config_json, "\"host\":\"tcp\"}]"));
    resume_finish(&resume);
    scratch_exec(s->file, "UPDATE run SET host = 'tcp'");
    options.host_given = false;
    options.host = HOST_MEMORY;
    assert_int_equal(resume_read(&resume, &options, NULL), 0);
    assert_int_equal(resume.host, HOST_TCP);
    resume_finish(&resume);
}

static void mistrust_is_handed_on(void **state)
{
    const struct scratch *s = *state;
    struct resume resume;
    (void) record(s, "greedy", 0);
    scratch_exec(s->file, "UPDATE run SET trusted = 0, untrusted_reason = 'links were slow'");
    take(&resume, s);
    assert_false(resume.record.trusted);
    assert_string_equal(resume.record.untrusted_reason, "links were slow");
    resume_finish(&resume);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        TEST(a_learner_goes_on_after_its_last_milestone),
        TEST(a_learner_comes_back_with_what_it_had_learned),
        TEST(a_learner_without_a_milestone_begins_anew),
        TEST(a_rule_goes_on_after_its_last_whole_episode),
        TEST(nothing_is_left_to_do_of_a_run_that_is_finished),
        TEST(a_run_that_was_killed_is_still_called_running_and_goes_on),
        TEST(only_training_runs_go_on),
        TEST(a_run_that_is_not_there_is_named),
        TEST(the_newest_training_run_is_meant_unless_one_is_named),
        TEST(a_run_that_another_process_records_is_left_to_it),
        TEST(a_learner_that_does_not_read_back_is_not_resumed),
        TEST(a_learner_whose_experience_is_lost_is_not_resumed),
        TEST(a_policy_that_this_program_does_not_have_is_named),
        TEST(the_configuration_lists_where_the_run_was_resumed),
        TEST(a_resumption_that_this_one_undoes_is_not_listed),
        TEST(it_goes_on_where_it_was_unless_told_otherwise),
        TEST(mistrust_is_handed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
