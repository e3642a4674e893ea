/* Making a file smaller needs space for a while; how much there is says the test, in place of the system. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cmocka.h>

#include "db/db.h"
#include "tests/lib/scratch.h"

#define ASKED_MAX 8u

static struct {
    char folder[ASKED_MAX][SCRATCH_PATH];
    size_t asked;
    uint64_t bytes_free;
} space;

/* Stands before the C library's. */
int statvfs(const char *restrict folder, struct statvfs *restrict ret_info)
{
    assert_true(space.asked < ASKED_MAX && strlen(folder) < SCRATCH_PATH);
    (void) strcpy(space.folder[space.asked++], folder);
    *ret_info = (struct statvfs){.f_frsize = 1, .f_bavail = space.bytes_free};
    return 0;
}

static int compact(struct db *db, uint64_t bytes_free, struct diag *diag)
{
    space.asked = 0;
    space.bytes_free = bytes_free;
    *diag = (struct diag){{0}};
    return db_compact(db, NULL, NULL, diag);
}

/* A file of which a large part is unused. */
static void open_loose(const struct scratch *s, struct db *ret_db, uint64_t *ret_kept)
{
    uint64_t bytes, unused;
    struct diag diag = {{0}};
    assert_int_equal(db_open(ret_db, s->file, DB_CREATE, &diag), 0);
    scratch_exec(
        s->file,
        "CREATE TABLE ballast (x); INSERT INTO ballast VALUES (zeroblob(300000)); DROP TABLE ballast");
    assert_int_equal(db_size(ret_db, &bytes, &unused, &diag), 0);
    assert_true(unused >= 250000 && unused < bytes);
    *ret_kept = bytes - unused;
}

static void where_both_folders_share_it_there_is_room_for_what_is_kept_twice(void **state)
{
    struct scratch *s = *state;
    struct db db;
    struct diag diag;
    uint64_t kept, bytes, unused;
    assert_int_equal(setenv("SQLITE_TMPDIR", s->directory, 1), 0);
    open_loose(s, &db, &kept);
    assert_int_equal(compact(&db, 2 * kept, &diag), -ENOSPC);
    assert_int_equal(space.asked, 1);
    assert_string_equal(space.folder[0], s->directory);
    assert_non_null(strstr(diag.text, "making it smaller needs"));
    assert_int_equal(compact(&db, 2 * kept + 1, &diag), 0);
    assert_int_equal(space.asked, 1);
    assert_int_equal(db_size(&db, &bytes, &unused, &diag), 0);
    assert_int_equal(unused, 0);
    assert_int_equal(db_close(&db, &diag), 0);
}

static void of_two_file_systems_each_has_room_for_what_is_kept(void **state)
{
    static const char elsewhere[] = "/dev/shm";
    struct scratch *s = *state;
    struct db db;
    struct diag diag;
    struct stat here, there;
    uint64_t kept;
    if (stat(elsewhere, &there) != 0 || stat(s->directory, &here) != 0 || here.st_dev == there.st_dev) {
        print_message("# %s is no other file system here\n", elsewhere);
        return;
    }
    assert_int_equal(setenv("SQLITE_TMPDIR", elsewhere, 1), 0);
    open_loose(s, &db, &kept);
    assert_int_equal(compact(&db, kept, &diag), -ENOSPC);
    assert_int_equal(space.asked, 1); /* the file's own says no */
    assert_int_equal(compact(&db, kept + 1, &diag), 0);
    assert_int_equal(space.asked, 2);
    assert_string_equal(space.folder[0], s->directory);
    assert_string_equal(space.folder[1], elsewhere);
    assert_int_equal(db_close(&db, &diag), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(where_both_folders_share_it_there_is_room_for_what_is_kept_twice),
        TEST(of_two_file_systems_each_has_room_for_what_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
