/* Addresses on the command line, and what all three programs do at their start. */
#include "core/base/process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void the_file_limit_goes_up_to_the_hard_one(void **state)
{
    (void) state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(process_raise_file_limit(), limit.rlim_max);
}

static void the_ready_line_is_exactly_that(void **state)
{
    (void) state;
    int ends[2];
    char line[64] = {0};
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void) dup2(ends[1], STDOUT_FILENO); /* the parent notices when it did not work */
        process_ready(4711);
        _exit(0);
    }
    (void) close(ends[1]);
    ssize_t size = read(ends[0], line, sizeof line - 1);
    assert_int_equal(waitpid(child, NULL, 0), child);
    (void) close(ends[0]);
    assert_string_equal(line, "READY port=4711\n");
    assert_int_equal(size, 16);
}

/* Child of a parent that is about to die: says that it is set, then waits for its signal. */
static void play_orphan(int out)
{
    alarm(20); /* a safety net: SIGALRM ends it should SIGTERM never come */
    char said = process_die_with_parent() == 0 ? 'y' : 'n';
    if (write(out, &said, 1) != 1)
        _exit(1);
    for (;;)
        (void) pause();
}

static void a_process_dies_with_its_parent(void **state)
{
    (void) state;
    int ends[2], go[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(go), 0);
    pid_t middle = fork();
    if (middle == 0) {
        (void) close(go[1]);
        if (fork() == 0)
            play_orphan(ends[1]);
        char byte;
        _exit(read(go[0], &byte, 1) == 1 ? 0 : 1);
    }
    (void) close(ends[1]);
    (void) close(go[0]);
    char said = 0;
    assert_int_equal(read(ends[0], &said, 1), 1);
    assert_int_equal(said, 'y');
    assert_int_equal(write(go[1], "g", 1), 1);
    assert_int_equal(waitpid(middle, NULL, 0), middle);
    assert_int_equal(read(ends[0], &said, 1), 0); /* the pipe's last writer is gone */
    (void) close(ends[0]);
    (void) close(go[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_limit_goes_up_to_the_hard_one),
        cmocka_unit_test(the_ready_line_is_exactly_that),
        cmocka_unit_test(a_process_dies_with_its_parent),
    };
    return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
