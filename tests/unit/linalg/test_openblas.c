/* OpenBLAS as the second opinion on our own product. */
#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/base/rng.h"
#include "core/linalg/openblas.h"

#define SIDE 256u

static float a_values[SIDE * SIDE], b_values[SIDE * SIDE], start_values[SIDE], ours[SIDE * SIDE],
    theirs[SIDE * SIDE];

static void open_or_skip(void)
{
    struct diag diag = {{0}};
    int rc = openblas_open(&diag);
    if (rc == ERR_NOT_FOUND) {
        print_message("%s\n", diag.text);
        skip();
    }
    if (rc != 0)
        fail_msg("%s", diag.text);
}

static void fill(float *values, size_t count, uint32_t entity)
{
    struct rng_at at = {.stream = RNG_WEIGHTS, .entity = entity};
    for (size_t i = 0; i < count; i++)
        values[i] = (float) (2.0 * rng_uniform(&at, (uint32_t) i) - 1.0);
}

static void openblas_has_a_kernel_and_multiplies_as_a_plain_loop_does(void **state)
{
    (void) state;
    open_or_skip();
    assert_true(strlen(openblas_kernel()) > 0);
    assert_non_null(strstr(openblas_version(), "OpenBLAS"));
}

/* Also when somebody has loaded it before, for a thread on each processor. It is the first thing that is tested: a library
 * is loaded once. */
static void openblas_computes_with_one_thread_whoever_loaded_it(void **state)
{
    int (*count)(void) = NULL;
    (void) state;
    assert_int_equal(setenv("OPENBLAS_NUM_THREADS", "2", 1), 0);
    void *handle = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    open_or_skip();
    void *found = handle != NULL ? dlsym(handle, "openblas_get_num_threads") : NULL;
    if (found == NULL)
        skip(); /* it has another name, or no such function */
    memcpy(&count, &found, sizeof count);
    assert_int_equal(count(), 1);
    assert_int_equal(dlclose(handle), 0);
}

/* Both within the bound of a sum in any order of the sum itself, so within twice that of each other. */
static void expect_nearly_equal(const struct linalg_product *p)
{
    for (size_t i = 0; i < p->rows; i++)
        for (size_t j = 0; j < p->columns; j++) {
            double one = (double) ours[i * p->c_stride + j], other = (double) theirs[i * p->c_stride + j];
            double size = (double) (p->depth + 1);
            if (!(fabs(one - other) <= 2.0 * size * 0x1p-24 * size))
                fail_msg("%zu rows, depth %zu, %zu columns: at row %zu, column %zu %.9g and %.9g", p->rows,
                         p->depth, p->columns, i, j, one, other);
        }
}

static void our_product_is_openblas_s_within_the_bound_of_rounding(void **state)
{
    (void) state;
    const size_t sides[] = {1, 2, 7, 20, 64, 129, 200};
    const size_t count = sizeof sides / sizeof *sides;
    open_or_skip();
    fill(a_values, SIDE * SIDE, 1);
    fill(b_values, SIDE * SIDE, 2);
    fill(start_values, SIDE, 3);
    for (size_t n = 0; n < count * count * count * 4; n++) {
        size_t rows = sides[n % count], depth = sides[n / count % count],
               columns = sides[n / count / count % count];
        bool turns_a = n / (count * count * count) % 2 == 1, turns_b = n / (count * count * count) / 2 == 1;
        struct linalg_product p = {
            .rows = rows,
            .columns = columns,
            .depth = depth,
            .a = {a_values, turns_a ? 1 : SIDE, turns_a ? SIDE : 1},
            .b = {b_values, turns_b ? 1 : SIDE, turns_b ? SIDE : 1},
            .start = n % 2 == 0 ? start_values : NULL,
            .c = ours,
            .c_stride = columns + 3,
        };
        linalg_multiply(&p);
        p.c = theirs;
        openblas_multiply(&p);
        expect_nearly_equal(&p);
    }
}

static void products_are_openblas_s_as_long_as_it_is_used(void **state)
{
    (void) state;
    struct linalg_product p = {.rows = 64, .columns = 64, .depth = 200, .c_stride = 64};
    open_or_skip();
    fill(a_values, SIDE * SIDE, 1);
    fill(b_values, SIDE * SIDE, 2);
    p.a = (struct linalg_matrix){a_values, SIDE, 1};
    p.b = (struct linalg_matrix){b_values, SIDE, 1};
    p.c = theirs;
    openblas_multiply(&p);
    assert_string_equal(linalg_name(), "portable");
    assert_int_equal(openblas_use(true, NULL), 0);
    assert_string_equal(linalg_name(), "openblas");
    p.c = ours;
    linalg_multiply(&p);
    assert_memory_equal(ours, theirs, 64 * 64 * sizeof(float));
    assert_int_equal(openblas_use(false, NULL), 0);
    assert_string_equal(linalg_name(), "portable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openblas_computes_with_one_thread_whoever_loaded_it),
        cmocka_unit_test(openblas_has_a_kernel_and_multiplies_as_a_plain_loop_does),
        cmocka_unit_test(our_product_is_openblas_s_within_the_bound_of_rounding),
        cmocka_unit_test(products_are_openblas_s_as_long_as_it_is_used),
    };
    return cmocka_run_group_tests_name("openblas", tests, NULL, NULL);
}
