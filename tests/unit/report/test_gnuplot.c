/* How gnuplot is run and how it ends: a shell script plays it. */
#include "orchestrator/report/gnuplot.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/err.h"

static char folder[] = "/tmp/handoff-test-XXXXXX";
static char program[sizeof folder + 16];

static int open_folder(void **state)
{
    (void) state;
    assert_non_null(mkdtemp(folder));
    (void) snprintf(program, sizeof program, "%s/gnuplot", folder);
    return setenv("PATH", folder, 1);
}

static int close_folder(void **state)
{
    (void) state;
    (void) unlink(program);
    return rmdir(folder);
}

/* `body` uses what the shell has built in. Mode 0: there is no program. */
static void write_program(const char *body, mode_t mode)
{
    (void) unlink(program);
    if (mode == 0)
        return;
    FILE *file = fopen(program, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "#!/bin/sh\n%s\n", body) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(program, mode), 0);
}

static void check(int rc, const char *text)
{
    struct diag diag = {{0}};
    assert_int_equal(gnuplot_run(folder, "a.gp", &diag), rc);
    assert_string_equal(diag.text, text);
}

static void how_it_ends_is_told_with_its_last_line(void **state)
{
    (void) state;
    static const struct {
        const char *body;
        mode_t mode;
        int rc;
        const char *text;
    } cases[] = {
        {"exit 0", 0700, 0, ""},
        {"echo a warning; exit 0", 0700, 0, ""},
        {"[ \"$*\" = '-d a.gp' ] && [ -x ./gnuplot ] && ! read line", 0700, 0, ""},
        {"exit 1", 0700, -EIO, "gnuplot failed on a.gp: "},
        {"echo first; echo second >&2; exit 2", 0700, -EIO, "gnuplot failed on a.gp: second"},
        {"echo alone; echo; echo ' '; exit 1", 0700, -EIO, "gnuplot failed on a.gp: alone"},
        {"echo ' '; exit 1", 0700, -EIO, "gnuplot failed on a.gp: "},
        {"echo dies; kill -9 $$", 0700, -EIO, "gnuplot failed on a.gp: dies"},
        {"exit 126", 0700, -EIO, "gnuplot failed on a.gp: "},
        {"exit 0", 0600, -EIO, "gnuplot failed on a.gp: "}, /* nobody may run it */
        {"", 0, ERR_NOT_FOUND, "gnuplot is not installed (package gnuplot-nox)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_program(cases[i].body, cases[i].mode);
        check(cases[i].rc, cases[i].text);
    }
}

/* It is read to the end, and the beginning is kept. */
static void whoever_says_much_is_not_kept_waiting(void **state)
{
    (void) state;
    write_program("i=0; while [ $i -lt 3000 ]; do printf 'line %04d and so on and so on and so on\\n' $i; "
                  "i=$((i+1)); done; exit 1",
                  0700);
    check(-EIO, "gnuplot failed on a.gp: line 0102 and s"); /* 4095 bytes are kept, and 40 are a line */
}

static void without_its_folder_it_is_not_run(void **state)
{
    (void) state;
    struct diag diag = {{0}};
    write_program("exit 0", 0700);
    assert_int_equal(gnuplot_run("/nowhere/at/all", "a.gp", &diag), -EIO);
}

/* Who has started this program may have left it so. Then nobody can tell how gnuplot ended. */
static void where_children_leave_no_status_it_has_failed(void **state)
{
    (void) state;
    write_program("exit 0", 0700);
    void (*before)(int) = signal(SIGCHLD, SIG_IGN);
    check(-EIO, "gnuplot failed on a.gp: ");
    assert_true(signal(SIGCHLD, before) == SIG_IGN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_it_ends_is_told_with_its_last_line),
        cmocka_unit_test(whoever_says_much_is_not_kept_waiting),
        cmocka_unit_test(without_its_folder_it_is_not_run),
        cmocka_unit_test(where_children_leave_no_status_it_has_failed),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
