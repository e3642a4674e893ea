/* What commands print, each in a process of its own. (tests/e2e/test_said.py compares all that they say in usual cases.) */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "core/base/process.h"
#include "orchestrator/command/commands.h"
#include "orchestrator/setup/stop_signal.h"
#include "tests/lib/scratch.h"
#include "tests/unit/infer/small_model.h"

#define WORDS_MAX 64u

typedef int command(const struct cli *cli, struct diag *diag);

struct said {
    int status;
    char text[1 << 14]; /* both streams */
};

static _Noreturn void act(command *run, const char *words, bool interrupted)
{
    static char text[2048];
    char *argv[WORDS_MAX] = {text};
    int argc = 1;
    struct cli cli;
    struct diag diag = {{0}};
    (void) snprintf(text, sizeof text, "handoff-orchestrator %s", words);
    for (char *at = text; (at = strchr(at, ' ')) != NULL && argc < (int) WORDS_MAX;) {
        *at++ = '\0';
        argv[argc++] = at;
    }
    cli_parse(&cli, argc, argv);
    if (interrupted) {
        stop_signal_catch();
        (void) raise(SIGINT);
    }
    int status = run(&cli, &diag);
    if (status != PROCESS_OK)
        (void) fprintf(stderr, "%s\n", diag.text);
    (void) fflush(NULL);
    _exit(status);
}

static void say(const struct scratch *s, command *run, const char *words, bool interrupted,
                struct said *ret_said)
{
    char path[SCRATCH_PATH];
    struct buf text = {0};
    int status = 0;
    scratch_path(s, "said", path);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (dup2(file, STDOUT_FILENO) < 0 || dup2(file, STDERR_FILENO) < 0)
            _exit(99);
        act(run, words, interrupted);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    ret_said->status = WEXITSTATUS(status);
    assert_int_equal(file_read(path, sizeof ret_said->text - 1, &text, NULL), 0);
    (void) snprintf(ret_said->text, sizeof ret_said->text, "%.*s", (int) text.size, (const char *) text.data);
    buf_finish(&text);
}

static void expect(const struct said *said, bool whether, const char *words)
{
    if ((strstr(said->text, words) != NULL) != whether)
        fail_msg("%s '%s' in\n%s", whether ? "no" : "there is", words, said->text);
}

/* ---- run ---- */

#define RUN "run -q --over memory -p local -n 1 -m 1 -e 1 -t 2 --set channel.mode=erasure --db %s%s"
#define TABLE " --set quality.source=table --set quality.table=0.01,0.3|0:1,1|32:1,1"

static void a_run_says_what_the_channel_cost_where_tasks_that_tell_it_are_recorded(void **state)
{
    static const struct {
        const char *more;
        bool says;
    } cases[] = {
        {TABLE, true},
        {TABLE " --set run.record=episodes", false},
        {"", false},
        {TABLE " --json", false},
    };
    const struct scratch *s = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[1024];
        struct said said;
        (void) snprintf(words, sizeof words, RUN, s->file, cases[i].more);
        say(s, command_run, words, false, &said);
        if (said.status != PROCESS_OK)
            fail_msg("%d: %s", said.status, said.text);
        expect(&said, cases[i].says, "\nwhat the channel cost: means of finished tasks, by split\n");
        expect(&said, cases[i].says, "relative_perplexity");
        expect(&said, false, "where each second went"); /* nothing is really computed */
    }
}

/* ---- model ---- */

static void a_measurement_ends_when_it_is_interrupted(void **state)
{
    const struct scratch *s = *state;
    char path[SCRATCH_PATH], words[2 * SCRATCH_PATH];
    struct said said;
    scratch_path(s, "model.bin", path);
    small_model_write(path, 1);
    (void) snprintf(words, sizeof words, "model %s --measure -q", path);
    say(s, command_model, words, true, &said);
    assert_int_equal(said.status, PROCESS_SIGNAL);
    assert_string_equal(said.text, "interrupted\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        TEST(a_run_says_what_the_channel_cost_where_tasks_that_tell_it_are_recorded),
        TEST(a_measurement_ends_when_it_is_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
