/* The first signal asks for an orderly end, the second does not ask. In processes of their own: the flag stays. */
#include "orchestrator/setup/stop_signal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/process.h"

/* The status with which a process ends that gets these signals; 0: it is still there, and knows of the first. */
static int status_after(int first, int second)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        stop_signal_catch();
        bool early = stop_signal_raised() || *stop_signal_flag() != 0;
        (void) raise(first);
        bool raised = stop_signal_raised() && *stop_signal_flag() != 0;
        if (second != 0)
            (void) raise(second);
        _exit(!early && raised ? 0 : 99);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void the_first_signal_raises_the_flag(void **state)
{
    (void) state;
    assert_int_equal(status_after(SIGINT, 0), 0);
    assert_int_equal(status_after(SIGTERM, 0), 0);
}

static void the_second_ends_the_process_at_once(void **state)
{
    (void) state;
    assert_int_equal(status_after(SIGINT, SIGINT), PROCESS_SIGNAL);
    assert_int_equal(status_after(SIGINT, SIGTERM), PROCESS_SIGNAL);
    assert_int_equal(status_after(SIGTERM, SIGINT), PROCESS_SIGNAL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_signal_raises_the_flag),
        cmocka_unit_test(the_second_ends_the_process_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
