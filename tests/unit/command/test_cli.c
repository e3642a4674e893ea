/* The command line: what each flag becomes, and which usage is refused. Parsing ends the process where usage is wrong,
 * so that those cases run in one of their own. */
#include "orchestrator/command/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/process.h"
#include "orchestrator/command/cli_options.h"

#define WORDS_MAX 160u
#define TEXT_MAX 8192u

/* A command line in pieces, as a shell would hand it over. */
struct line {
    char text[TEXT_MAX];
    char *argv[WORDS_MAX];
    int argc;
};

static void split(struct line *line, const char *words)
{
    *line = (struct line){.argc = 1};
    assert_true(snprintf(line->text, sizeof line->text, "handoff-orchestrator %s", words) < (int) TEXT_MAX);
    line->argv[0] = line->text;
    for (char *at = line->text; (at = strchr(at, ' ')) != NULL && at[1] != '\0';) {
        *at++ = '\0';
        assert_true(line->argc < (int) WORDS_MAX - 1);
        line->argv[line->argc++] = at;
    }
}

/* Texts of the result point into the line. */
static struct cli parse(struct line *line, const char *words)
{
    struct cli cli;
    split(line, words);
    cli_parse(&cli, line->argc, line->argv);
    return cli;
}

/* How the process ends that parses these words, and what it has said. */
static int end_of(const char *words, char said[static TEXT_MAX])
{
    struct line line;
    int ends[2], status = 0;
    size_t size = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void) dup2(ends[1], STDOUT_FILENO);
        (void) dup2(ends[1], STDERR_FILENO);
        struct cli cli = parse(&line, words);
        cli_finish(&cli);
        _exit(77); /* parsed */
    }
    (void) close(ends[1]);
    for (ssize_t got; (got = read(ends[0], said + size, TEXT_MAX - 1 - size)) > 0;)
        size += (size_t) got;
    said[size] = '\0';
    (void) close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect_end(const char *words, int status, const char *expected)
{
    char said[TEXT_MAX];
    int got = end_of(words, said);
    if (got != status || strstr(said, expected) == NULL)
        fail_msg("'%s' ended with %d and said:\n%s\nexpected %d and '%s'", words, got, said, status,
                 expected);
}

/* ---- commands ---- */

static void each_command_is_known_by_its_name(void **state)
{
    static const char *const names[CLI_COMMANDS] = {
        [CLI_RUN] = "run",           [CLI_EVALUATE] = "evaluate",     [CLI_REPLAY] = "replay",
        [CLI_SHOW] = "show",         [CLI_EXPORT] = "export",         [CLI_DELETE] = "delete",
        [CLI_TWIN] = "twin",         [CLI_SWEEP] = "sweep",           [CLI_COMPARE] = "compare",
        [CLI_REPORT] = "report",     [CLI_TRAIN] = "train",           [CLI_MODEL] = "model",
        [CLI_GENERATE] = "generate", [CLI_PERPLEXITY] = "perplexity", [CLI_LEAK] = "leak",
        [CLI_BOUND] = "bound"};
    (void) state;
    for (size_t i = 0; i < CLI_COMMANDS; i++) {
        struct line line;
        struct cli cli = parse(&line, names[i]);
        assert_int_equal(cli.command, i);
        cli_finish(&cli);
    }
}

static void what_is_not_given_is_as_the_help_says(void **state)
{
    (void) state;
    struct line line;
    struct cli cli = parse(&line, "run");
    assert_int_equal(cli.host, HOST_TCP);
    assert_false(cli.host_given || cli.run_given || cli.resume || cli.verify || cli.json || cli.quiet ||
                 cli.die_with_parent || cli.live || cli.validate || cli.dry_run);
    assert_string_equal(cli.db, "results.db");
    assert_string_equal(cli.listen_host, "127.0.0.1");
    assert_string_equal(cli.agent_host, "127.0.0.1");
    assert_int_equal(cli.listen_port, 0);
    assert_int_equal(cli.agent_port, 0);
    assert_int_equal(cli.wait_s, 60);
    assert_int_equal(cli.stall_s, 30);
    assert_string_equal(cli.checkpoint, "last"); /* of --from */
    assert_true(cli.csv);
    assert_int_equal(cli.run, 0);
    assert_null(cli.scenario);
    assert_null(cli.policy);
    assert_null(cli.data);
    assert_int_equal(cli.set_count, 0);
    assert_int_equal(parse(&line, "replay").host, HOST_MEMORY);
    assert_int_equal(parse(&line, "evaluate").host, HOST_MEMORY);
}

static void a_command_is_needed_and_must_be_one(void **state)
{
    (void) state;
    expect_end("", PROCESS_USAGE, "a command is needed");
    expect_end("walk", PROCESS_USAGE, "unknown command 'walk'");
    expect_end("walk", PROCESS_USAGE, "Commands:");
}

static void help_and_the_version_are_no_failure(void **state)
{
    (void) state;
    expect_end("--help", PROCESS_OK, "Usage: handoff-orchestrator COMMAND");
    expect_end("help", PROCESS_OK, "Usage: handoff-orchestrator COMMAND");
    expect_end("--version", PROCESS_OK, "handoff-orchestrator " HANDOFF_VERSION);
    expect_end("run --help", PROCESS_OK, "--scenario=NAME|FILE");
    expect_end("run --version", PROCESS_OK, "handoff-orchestrator " HANDOFF_VERSION);
}

/* ---- flags ---- */

static void flags_of_a_run_are_taken(void **state)
{
    (void) state;
    struct line line;
    struct cli cli =
        parse(&line, "run --scenario melbourne --data /srv --db a.db --policy dapo --over memory "
                     "--listen 0.0.0.0:4711 --agent 10.0.0.1:4712 --wait-s 5 --stall-s 86400 "
                     "--quiet --json --die-with-parent");
    assert_string_equal(cli.scenario, "melbourne");
    assert_string_equal(cli.data, "/srv");
    assert_string_equal(cli.db, "a.db");
    assert_string_equal(cli.policy, "dapo");
    assert_int_equal(cli.host, HOST_MEMORY);
    assert_true(cli.host_given);
    assert_string_equal(cli.listen_host, "0.0.0.0");
    assert_int_equal(cli.listen_port, 4711);
    assert_string_equal(cli.agent_host, "10.0.0.1");
    assert_int_equal(cli.agent_port, 4712);
    assert_int_equal(cli.wait_s, 5);
    assert_int_equal(cli.stall_s, 86400);
    assert_true(cli.quiet && cli.json && cli.die_with_parent);
    cli_finish(&cli);
}

static void short_flags_are_the_same(void **state)
{
    (void) state;
    struct line line;
    struct cli cli = parse(&line, "run -s melbourne -d a.db -p dapo -q -n 5 -m 2 -e 3 -t 4");
    assert_string_equal(cli.scenario, "melbourne");
    assert_string_equal(cli.db, "a.db");
    assert_string_equal(cli.policy, "dapo");
    assert_true(cli.quiet);
    assert_int_equal(cli.set_count, 4);
    cli_finish(&cli);
}

static void flags_that_stand_for_scenario_keys_are_settings_in_the_order_given(void **state)
{
    static const char *const expected[] = {"devices.count=5", "run.slots=9", "servers.count=2",
                                           "run.episodes=3",  "run.seed=11", "run.record=tasks",
                                           "run.slots=4"};
    (void) state;
    struct line line;
    struct cli cli = parse(&line, "run --devices 5 --set run.slots=9 --servers 2 --episodes 3 --seed 11 "
                                  "--record tasks --slots 4");
    assert_int_equal(cli.set_count, 7);
    for (size_t i = 0; i < 7; i++)
        assert_string_equal(cli.set[i], expected[i]);
    cli_finish(&cli);
}

static void a_twins_episodes_and_slots_are_its_own(void **state)
{
    (void) state;
    struct line line;
    struct cli cli = parse(&line, "twin --episodes 2 --slots 30 --time-scale 0.5 --live --devices 3");
    assert_int_equal(cli.episodes, 2);
    assert_int_equal(cli.slots, 30);
    assert_string_equal(cli.time_scale, "0.5");
    assert_true(cli.live);
    assert_int_equal(cli.set_count, 1);
    assert_string_equal(cli.set[0], "devices.count=3");
    cli_finish(&cli);
}

static void a_bounds_episodes_and_slots_are_its_own(void **state)
{
    (void) state;
    struct line line;
    struct cli cli = parse(&line, "bound --episodes 2 --slots 30 --seed 4 --phase validate");
    assert_int_equal(cli.episodes, 2);
    assert_int_equal(cli.slots, 30);
    assert_true(cli.validate && !cli.db_given);
    assert_int_equal(cli.set_count, 1);
    assert_string_equal(cli.set[0], "run.seed=4");
    cli_finish(&cli);
    cli = parse(&line, "bound --db x.db --run 3");
    assert_true(cli.db_given && cli.run_given && cli.run == 3);
    cli_finish(&cli);
}

static void flags_of_the_other_commands_are_taken(void **state)
{
    (void) state;
    struct line line;
    struct cli cli = parse(&line, "evaluate --run 12 --checkpoint last --phase validate --draws 7");
    assert_int_equal(cli.run, 12);
    assert_true(cli.run_given && cli.validate);
    assert_string_equal(cli.checkpoint, "last");
    assert_int_equal(cli.draws, 7);
    cli = parse(&line, "replay --verify --over tcp");
    assert_true(cli.verify && cli.host_given);
    assert_int_equal(cli.host, HOST_TCP);
    cli = parse(&line, "sweep grid.yaml --jobs 3 --name again --dry-run");
    assert_int_equal(cli.jobs, 3);
    assert_string_equal(cli.name, "again");
    assert_true(cli.dry_run);
    assert_int_equal(cli.word_count, 1);
    assert_string_equal(cli.word[0], "grid.yaml");
    cli = parse(&line, "compare --sweep paper --experiment users --metric p95");
    assert_string_equal(cli.sweep, "paper");
    assert_string_equal(cli.experiment, "users");
    assert_string_equal(cli.metric, "p95");
    cli = parse(&line, "report a.db --output there");
    assert_string_equal(cli.word[0], "a.db");
    assert_string_equal(cli.output, "there");
    cli = parse(&line, "export tasks --format json -o a.json");
    assert_false(cli.csv);
    assert_string_equal(cli.output, "a.json");
    cli = parse(&line, "delete --run 3 -r 4 --with-dependents --compact --dry-run");
    assert_int_equal(cli.run_count, 2);
    assert_int_equal(cli.runs[0], 3);
    assert_int_equal(cli.runs[1], 4);
    assert_true(cli.with_dependents && cli.compact && cli.dry_run);
    cli = parse(&line, "show trace a.csv --format columns --direction down");
    assert_int_equal(cli.word_count, 2);
    assert_string_equal(cli.word[1], "a.csv");
    assert_string_equal(cli.trace_format, "columns");
    assert_string_equal(cli.direction, "down");
    cli = parse(&line, "run --resume --run 3 --over memory");
    assert_true(cli.resume && cli.run_given);
    assert_int_equal(cli.run, 3);
    cli = parse(&line, "run --episodes 90 --resume=4");
    assert_int_equal(cli.run, 4);
    assert_int_equal(cli_resume(&cli).episodes, 90);
    assert_int_equal(cli.set_count, 0);
    cli_finish(&cli);
    cli = parse(&line, "run --from 4 -e 90 --checkpoint 12");
    assert_int_equal(cli_trained_run(&cli).run_id, 4);
    assert_string_equal(cli_trained_run(&cli).checkpoint, "12");
    assert_string_equal(cli.set[0], "run.episodes=90");
    cli_finish(&cli);
}

/* ---- wrong usage ---- */

static void numbers_are_whole_and_within_their_limits(void **state)
{
    static const struct {
        const char *words, *said;
    } bad[] = {
        {"run --wait-s 0", "--wait-s: '0' is not a whole number from 1 to 86400"},
        {"run --wait-s 86401", "--wait-s: '86401' is not"},
        {"run --stall-s 1.5", "--stall-s: '1.5' is not a whole number"},
        {"evaluate --draws 100001", "--draws: '100001' is not a whole number from 1 to 100000"},
        {"evaluate --run 0", "--run: '0' is not"},
        {"evaluate --run x", "--run: 'x' is not"},
        {"sweep --jobs 1025", "--jobs: '1025' is not a whole number from 1 to 1024"},
        {"twin --episodes 0", "--episodes: '0' is not"},
        {"twin --slots 1000001", "--slots: '1000001' is not"},
    };
    (void) state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_end(bad[i].words, PROCESS_USAGE, bad[i].said);
}

static void of_two_words_one_is_meant(void **state)
{
    (void) state;
    expect_end("run --over air", PROCESS_USAGE, "--over: 'air' is neither tcp nor memory");
    expect_end("evaluate --phase train", PROCESS_USAGE, "--phase: 'train' is neither test nor validate");
    expect_end("export tasks --format xml", PROCESS_USAGE, "--format: 'xml' is neither json nor csv");
}

static void an_address_is_a_host_and_a_port(void **state)
{
    (void) state;
    expect_end("run --listen here", PROCESS_USAGE, "--listen: ");
    expect_end("run --listen here:70000", PROCESS_USAGE, "--listen: ");
    expect_end("run --agent :", PROCESS_USAGE, "--agent: ");
}

static void flags_of_other_commands_are_not_known(void **state)
{
    (void) state;
    expect_end("run --verify", PROCESS_USAGE, "--verify");
    expect_end("compare --scenario dapo", PROCESS_USAGE, "--scenario");
    expect_end("replay --resume", PROCESS_USAGE, "--resume");
    expect_end("run --jobs 3", PROCESS_USAGE, "--jobs");
}

static void words_stand_only_where_they_mean_something(void **state)
{
    (void) state;
    expect_end("run fast", PROCESS_USAGE, "unexpected word 'fast'");
    expect_end("show a b c d e", PROCESS_USAGE, "too many words: 'e'");
    expect_end("show a b c d", 77, "");
}

static void what_is_resumed_is_what_was_recorded(void **state)
{
    static const char *const with[] = {"--scenario dapo", "--set run.slots=5", "--policy greedy",
                                       "--data /srv",     "--devices 5",       "--seed 1"};
    (void) state;
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        char words[64];
        (void) snprintf(words, sizeof words, "run --resume %s", with[i]);
        expect_end(words, PROCESS_USAGE, "--resume goes on with the recorded scenario and policy");
    }
    expect_end("run --resume -e 5 -t 5", PROCESS_USAGE,
               "--resume goes on with the recorded scenario and policy");
    expect_end("run --resume -e 0", PROCESS_USAGE, "--episodes: '0' is not a whole number from 1 to 1000000");
    expect_end("run --resume --from 2", PROCESS_USAGE, "name one of them");
    expect_end("run --checkpoint 2", PROCESS_USAGE, "--checkpoint goes with --from R");
    expect_end("run --run 3", PROCESS_USAGE, "--run R goes with --resume");
    expect_end("run --resume --run 3 --db a.db --listen 127.0.0.1:1", 77, "");
}

/* `count` times `--set` or `--devices` by turns. */
static void print_many(char words[static TEXT_MAX], unsigned count)
{
    size_t at = (size_t) snprintf(words, TEXT_MAX, "run");
    for (unsigned i = 0; i < count; i++)
        at +=
            (size_t) snprintf(words + at, TEXT_MAX - at, i % 2 == 0 ? " --set run.slots=5" : " --devices 5");
}

static void so_many_keys_are_set_and_no_more(void **state)
{
    char words[TEXT_MAX];
    (void) state;
    print_many(words, CLI_SETS_MAX);
    expect_end(words, 77, "");
    print_many(words, CLI_SETS_MAX + 1);
    expect_end(words, PROCESS_USAGE, "more than 64 scenario keys are set");
}

/* ---- what the rooms below take ---- */

static void the_rooms_below_get_plain_structs(void **state)
{
    (void) state;
    struct line line;
    struct cli cli = parse(&line, "run -s melbourne --data /srv --set run.slots=5 -n 3 -p dapo -q --wait-s 7 "
                                  "--stall-s 8 --listen 1.2.3.4:5 --agent 6.7.8.9:10 --over memory");
    struct scenario_source source = cli_scenario_source(&cli);
    assert_string_equal(source.name, "melbourne");
    assert_string_equal(source.data, "/srv");
    assert_int_equal(source.set_count, 2);
    assert_string_equal(source.set[0], "run.slots=5");
    assert_string_equal(source.set[1], "devices.count=3");
    assert_string_equal(source.policy, "dapo");
    struct host_options host = cli_host_options(&cli);
    assert_int_equal(host.kind, HOST_MEMORY);
    assert_string_equal(host.listen_host, "1.2.3.4");
    assert_int_equal(host.listen_port, 5);
    assert_string_equal(host.agent_host, "6.7.8.9");
    assert_int_equal(host.agent_port, 10);
    assert_int_equal(host.wait_s, 7);
    assert_int_equal(host.stall_s, 8);
    assert_true(host.quiet);
    cli_finish(&cli);
}

static void only_a_run_takes_its_policy_into_the_scenario(void **state)
{
    (void) state;
    struct line line;
    struct cli cli = parse(&line, "evaluate -s dapo -p dapo,greedy");
    assert_null(cli_scenario_source(&cli).policy); /* elsewhere it says who is compared */
    cli_finish(&cli);
}

static void recorded_runs_are_named_with_their_file(void **state)
{
    (void) state;
    struct line line;
    struct cli cli = parse(&line, "evaluate --db a.db --run 4 --checkpoint 17 -q");
    struct trained_run_options trained = cli_trained_run(&cli);
    assert_string_equal(trained.path, "a.db");
    assert_int_equal(trained.run_id, 4);
    assert_string_equal(trained.checkpoint, "17");
    assert_int_equal(trained.host.kind, HOST_MEMORY);
    assert_true(trained.host.quiet);
    cli = parse(&line, "run --resume --db b.db --run 5");
    struct resume_options resume = cli_resume(&cli);
    assert_string_equal(resume.path, "b.db");
    assert_int_equal(resume.run_id, 5);
    assert_false(resume.host_given);
    cli = parse(&line, "run --resume --over memory");
    resume = cli_resume(&cli);
    assert_int_equal(resume.run_id, 0);
    assert_true(resume.host_given);
    assert_int_equal(resume.host, HOST_MEMORY);
    cli_finish(&cli);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_is_known_by_its_name),
        cmocka_unit_test(what_is_not_given_is_as_the_help_says),
        cmocka_unit_test(a_command_is_needed_and_must_be_one),
        cmocka_unit_test(help_and_the_version_are_no_failure),
        cmocka_unit_test(flags_of_a_run_are_taken),
        cmocka_unit_test(short_flags_are_the_same),
        cmocka_unit_test(flags_that_stand_for_scenario_keys_are_settings_in_the_order_given),
        cmocka_unit_test(a_bounds_episodes_and_slots_are_its_own),
        cmocka_unit_test(a_twins_episodes_and_slots_are_its_own),
        cmocka_unit_test(flags_of_the_other_commands_are_taken),
        cmocka_unit_test(numbers_are_whole_and_within_their_limits),
        cmocka_unit_test(of_two_words_one_is_meant),
        cmocka_unit_test(an_address_is_a_host_and_a_port),
        cmocka_unit_test(flags_of_other_commands_are_not_known),
        cmocka_unit_test(words_stand_only_where_they_mean_something),
        cmocka_unit_test(what_is_resumed_is_what_was_recorded),
        cmocka_unit_test(so_many_keys_are_set_and_no_more),
        cmocka_unit_test(the_rooms_below_get_plain_structs),
        cmocka_unit_test(only_a_run_takes_its_policy_into_the_scenario),
        cmocka_unit_test(recorded_runs_are_named_with_their_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
