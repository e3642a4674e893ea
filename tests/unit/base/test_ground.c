/* The small pieces: buffers, diagnoses, error names, files, clocks. */
#include "core/base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/diag.h"
#include "core/base/err.h"
#include "core/base/file.h"

static void a_buffer_keeps_what_is_pushed_and_consumed(void **state)
{
    (void) state;
    struct buf buf = {0};
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(buf_push(&buf, "abc", 3), 0);
    assert_int_equal(buf.size, 3000);
    buf_consume(&buf, 2998);
    assert_int_equal(buf.size, 2);
    assert_memory_equal(buf.data, "bc", 2);
    assert_int_equal(buf_printf(&buf, "%d-%s", 7, "x"), 0);
    assert_int_equal(buf.size, 5);
    assert_string_equal((const char *) buf.data, "bc7-x");
    buf_clear(&buf);
    assert_int_equal(buf.size, 0);
    buf_finish(&buf);
    assert_null(buf.data);
    buf_finish(NULL);
}

static void a_buffer_refuses_what_cannot_be_addressed(void **state)
{
    (void) state;
    struct buf buf = {0};
    assert_int_equal(buf_push(&buf, "kept", 4), 0);
    assert_int_equal(buf_reserve(&buf, SIZE_MAX), -ENOMEM);
    assert_int_equal(buf_reserve(&buf, SIZE_MAX / 2), -ENOMEM);
    assert_int_equal(buf.size, 4);
    assert_memory_equal(buf.data, "kept", 4);
    buf_finish(&buf);
}

static void the_first_diagnosis_wins_and_takes_a_prefix(void **state)
{
    (void) state;
    struct diag diag = {{0}};
    diag_prefix(&diag, "nothing to prefix");
    diag_add(&diag, "; nothing to add to");
    assert_string_equal(diag.text, "");
    assert_int_equal(diag_fail(&diag, ERR_RANGE, "%d is wrong", 5), ERR_RANGE);
    assert_int_equal(diag_fail(&diag, ERR_TYPE, "later"), ERR_TYPE);
    diag_prefix(&diag, "%s:%d", "file", 3);
    assert_string_equal(diag_text(&diag, ERR_RANGE), "file:3: 5 is wrong");
    diag_add(&diag, "; %s", "behind it");
    assert_string_equal(diag_text(&diag, ERR_RANGE), "file:3: 5 is wrong; behind it");
    assert_int_equal(diag_fail(NULL, ERR_LOST, "nobody listens"), ERR_LOST);
    struct diag silent = {{0}};
    assert_string_equal(diag_text(&silent, ERR_LOST), err_text(ERR_LOST));
    assert_string_equal(diag_text(NULL, ERR_LOST), err_text(ERR_LOST));
}

static void a_diagnosis_is_one_bounded_line(void **state)
{
    (void) state;
    struct diag diag = {{0}};
    (void) diag_fail(&diag, ERR_SYNTAX, "a\nb\tc\033[31m");
    diag_prefix(&diag, "d\ne");
    assert_string_equal(diag.text, "d?e: a?b?c?[31m");
    char *tall = malloc(5000);
    assert_non_null(tall);
    memset(tall, 'x', 4999);
    tall[4999] = '\0';
    struct diag cut = {{0}};
    (void) diag_fail(&cut, ERR_SYNTAX, "%s", tall);
    assert_int_equal(strlen(cut.text), DIAG_TEXT_MAX - 1);
    diag_prefix(&cut, "where");
    assert_int_equal(strncmp(cut.text, "where: xxx", 10), 0);
    assert_true(strlen(cut.text) < DIAG_TEXT_MAX);
    diag_add(&cut, "more than fits");
    assert_int_equal(strlen(cut.text), DIAG_TEXT_MAX - 1);
    free(tall);
}

static void every_code_has_a_text_and_ours_have_names(void **state)
{
    (void) state;
    assert_string_equal(err_name(ERR_RANGE), "ERR_RANGE");
    assert_null(err_name(-ENOENT));
    assert_string_equal(err_text(0), "no error");
    assert_string_equal(err_text(-ENOENT), strerror(ENOENT));
    assert_non_null(err_text(12345));
    static const int codes[] = {
#define ERR(name, value, text) name,
#include "core/base/err.def"
#undef ERR
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        assert_non_null(err_name(codes[i]));
        assert_true(codes[i] <= -10001);
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(codes[i], codes[k]);
    }
}

static void files_are_read_whole_within_their_limit(void **state)
{
    (void) state;
    char path[] = "/tmp/handoff-file-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    assert_int_equal(close(fd), 0);
    struct buf text = {0};
    struct diag diag = {{0}};
    assert_int_equal(file_read(path, 10, &text, &diag), 0);
    assert_int_equal(text.size, 10);
    assert_string_equal((const char *) text.data, "0123456789");
    buf_finish(&text);
    assert_int_equal(file_read(path, 9, &text, &diag), ERR_TOO_BIG);
    assert_non_null(strstr(diag.text, path));
    assert_null(text.data);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(file_read(path, 9, &text, NULL), 0);
    assert_int_equal(text.size, 0);
    buf_finish(&text);
    assert_int_equal(unlink(path), 0);
}

static void missing_files_and_folders_are_named(void **state)
{
    (void) state;
    struct buf text = {0};
    struct diag diag = {{0}};
    assert_int_equal(file_read("/nonexistent/x.yaml", 10, &text, &diag), -ENOENT);
    assert_string_equal(diag.text, "/nonexistent/x.yaml: No such file or directory");
    struct diag folder = {{0}};
    assert_int_equal(file_read("/tmp", 10, &text, &folder), -EISDIR);
    assert_string_equal(folder.text, "/tmp: is a directory, a file was expected");
    assert_null(text.data);
}

static void clocks_do_not_go_back_and_utc_is_a_timestamp(void **state)
{
    (void) state;
    uint64_t first = clock_monotonic_ns();
    assert_true(clock_monotonic_ns() >= first);
    assert_true(clock_process_ns() > 0);
    char text[CLOCK_UTC_TEXT];
    clock_utc_text(text);
    assert_int_equal(strlen(text), 20);
    assert_int_equal(text[10], 'T');
    assert_int_equal(text[19], 'Z');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_keeps_what_is_pushed_and_consumed),
        cmocka_unit_test(a_buffer_refuses_what_cannot_be_addressed),
        cmocka_unit_test(the_first_diagnosis_wins_and_takes_a_prefix),
        cmocka_unit_test(a_diagnosis_is_one_bounded_line),
        cmocka_unit_test(every_code_has_a_text_and_ours_have_names),
        cmocka_unit_test(files_are_read_whole_within_their_limit),
        cmocka_unit_test(missing_files_and_folders_are_named),
        cmocka_unit_test(clocks_do_not_go_back_and_utc_is_a_timestamp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
