#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/file.h"

struct place {
    char folder[64], path[96], beside[112];
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    (void) strcpy(place->folder, "/tmp/handoff-file-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    (void) snprintf(place->path, sizeof place->path, "%s/file", place->folder);
    (void) snprintf(place->beside, sizeof place->beside, "%s.new", place->path);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    (void) unlink(place->path);
    assert_int_equal(rmdir(place->folder), 0); /* nothing else is left */
    free(place);
    return 0;
}

static void expect_content(const char *path, const char *expected)
{
    struct buf text = {0};
    assert_int_equal(file_read(path, 100, &text, NULL), 0);
    assert_string_equal((const char *) text.data, expected);
    buf_finish(&text);
}

static void a_file_is_written_and_replaced(void **state)
{
    const struct place *place = *state;
    assert_int_equal(file_replace(place->path, "first", 5, NULL), 0);
    expect_content(place->path, "first");
    assert_int_equal(file_replace(place->path, "", 0, NULL), 0);
    expect_content(place->path, "");
    assert_int_not_equal(access(place->beside, F_OK), 0);
}

static void a_file_that_cannot_be_replaced_stays_as_it_was(void **state)
{
    const struct place *place = *state;
    struct diag diag = {0};
    assert_int_equal(file_replace(place->path, "first", 5, NULL), 0);
    assert_int_equal(mkdir(place->beside, 0700), 0); /* nobody can write there */
    assert_true(file_replace(place->path, "second", 6, &diag) < 0);
    assert_non_null(strstr(diag.text, place->path));
    expect_content(place->path, "first");
    assert_int_equal(rmdir(place->beside), 0);
}

static void what_cannot_be_moved_is_removed(void **state)
{
    const struct place *place = *state;
    assert_int_equal(mkdir(place->path, 0700), 0);
    assert_true(file_replace(place->path, "text", 4, NULL) < 0);
    assert_int_not_equal(access(place->beside, F_OK), 0);
    assert_int_equal(rmdir(place->path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_written_and_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_replaced_stays_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_moved_is_removed, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
