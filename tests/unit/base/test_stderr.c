/* What logs and progress write, caught from the real standard error. */
#include "core/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/progress.h"
#include "core/base/units.h"

struct capture {
    FILE *file;
    int real_fd;
    char text[4096];
};

static void capture_start(struct capture *capture)
{
    (void) fflush(stderr);
    capture->file = tmpfile();
    assert_non_null(capture->file);
    capture->real_fd = dup(STDERR_FILENO);
    assert_true(dup2(fileno(capture->file), STDERR_FILENO) >= 0);
}

static void capture_stop(struct capture *capture)
{
    (void) fflush(stderr);
    assert_true(dup2(capture->real_fd, STDERR_FILENO) >= 0);
    (void) close(capture->real_fd);
    rewind(capture->file);
    size_t got = fread(capture->text, 1, sizeof capture->text - 1, capture->file);
    capture->text[got] = '\0';
    (void) fclose(capture->file);
}

static void a_log_line_names_program_level_and_topic(void **state)
{
    (void) state;
    struct capture capture;
    log_setup("prog", LOG_INFO);
    capture_start(&capture);
    log_info("radio", "gain %d", 3);
    log_error("radio", "gone");
    log_debug("radio", "not shown");
    capture_stop(&capture);
    assert_string_equal(capture.text, "prog: info: radio: gain 3\nprog: error: radio: gone\n");
    log_setup("handoff", LOG_WARN);
}

static void progress_off_a_terminal_is_a_plain_line_every_few_seconds(void **state)
{
    (void) state;
    struct capture capture;
    struct progress progress;
    capture_start(&capture);
    progress_start(&progress, "train", 200, false);
    progress_update(&progress, 10, "early: nothing is due yet");
    progress.start_ns -= 10 * UNITS_NS_PER_S;
    progress_update(&progress, 100, "cost 1.5");
    progress_update(&progress, 101, "too soon");
    progress_stop(&progress, 200);
    capture_stop(&capture);
    assert_string_equal(capture.text, "train: 50%, 10 s, ETA 10 s  cost 1.5\ntrain: 100% in 10.0 s\n");
}

static void short_or_quiet_work_shows_no_progress(void **state)
{
    (void) state;
    struct capture capture;
    struct progress progress;
    capture_start(&capture);
    progress_start(&progress, "short", 2, false);
    progress_update(&progress, 1, NULL);
    progress_stop(&progress, 2);
    progress_start(&progress, "quiet", 2, true);
    progress.start_ns -= 100 * UNITS_NS_PER_S;
    progress_update(&progress, 1, NULL);
    progress_stop(&progress, 2);
    capture_stop(&capture);
    assert_string_equal(capture.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_line_names_program_level_and_topic),
        cmocka_unit_test(progress_off_a_terminal_is_a_plain_line_every_few_seconds),
        cmocka_unit_test(short_or_quiet_work_shows_no_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
