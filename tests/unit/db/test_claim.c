/* Who records a run or plays a sweep keeps others from it, and from nothing else. */
#include "db/claim.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "tests/lib/scratch.h"

static int setup(void **state)
{
    if (scratch_setup(state) != 0)
        return -1;
    const struct scratch *s = *state;
    scratch_write(s->file, "", 0);
    return 0;
}

static void a_run_is_claimed_once_and_free_again_afterwards(void **state)
{
    const struct scratch *s = *state;
    struct claim first = claim_none, second = claim_none;
    struct diag diag = {{0}};
    char expected[2 * SCRATCH_PATH];
    assert_int_equal(claim_take(&first, s->file, 7, NULL), 0);
    assert_int_equal(claim_take(&second, s->file, 7, &diag), ERR_STATE);
    (void) snprintf(expected, sizeof expected, "%s: run 7 is being recorded by a running process", s->file);
    assert_string_equal(diag.text, expected);
    claim_release(&second);
    claim_release(&first);
    assert_int_equal(first.file, -1);
    claim_release(&first); /* none */
    assert_int_equal(claim_take(&second, s->file, 7, NULL), 0);
    claim_release(&second);
}

static void a_sweep_is_claimed_once(void **state)
{
    const struct scratch *s = *state;
    struct claim first = claim_none, second = claim_none;
    struct diag diag = {{0}};
    char expected[2 * SCRATCH_PATH];
    assert_int_equal(claim_take_sweep(&first, s->file, 7, NULL), 0);
    assert_int_equal(claim_take_sweep(&second, s->file, 7, &diag), ERR_STATE);
    (void) snprintf(expected, sizeof expected, "%s: a running process plays this sweep", s->file);
    assert_string_equal(diag.text, expected);
    claim_release(&second);
    claim_release(&first);
}

static void other_runs_sweeps_and_files_are_free(void **state)
{
    const struct scratch *s = *state;
    struct claim claim[6];
    char other[SCRATCH_PATH];
    scratch_path(s, "other.db", other);
    scratch_write(other, "", 0);
    for (size_t i = 0; i < 6; i++)
        claim[i] = claim_none;
    for (int64_t id = 1; id <= 2; id++) {
        assert_int_equal(claim_take(&claim[id - 1], s->file, id, NULL), 0);
        assert_int_equal(claim_take_sweep(&claim[id + 1], s->file, id, NULL), 0);
    }
    assert_int_equal(claim_take(&claim[4], other, 1, NULL), 0);
    assert_int_equal(claim_take_sweep(&claim[5], other, 1, NULL), 0);
    for (size_t i = 0; i < 6; i++)
        claim_release(&claim[i]);
}

static void a_file_that_is_not_there_has_nothing_to_claim(void **state)
{
    const struct scratch *s = *state;
    struct claim claim = claim_none;
    struct diag diag = {{0}};
    char path[SCRATCH_PATH], expected[2 * SCRATCH_PATH];
    scratch_path(s, "none.db", path);
    assert_int_equal(claim_take(&claim, path, 1, &diag), -ENOENT);
    (void) snprintf(expected, sizeof expected, "%s: cannot open it: No such file or directory", path);
    assert_string_equal(diag.text, expected);
    assert_int_equal(claim.file, -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)
        TEST(a_run_is_claimed_once_and_free_again_afterwards),
        TEST(a_sweep_is_claimed_once),
        TEST(other_runs_sweeps_and_files_are_free),
        TEST(a_file_that_is_not_there_has_nothing_to_claim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
