#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/linalg/fused_internal.h"
#include "core/linalg/product.h"
#include "core/linalg/vector_path.h"

#define FLOATS (1u << 17) /* of each matrix with its strides */
#define GUARD 17.25f      /* what lies between the rows of a result */

static float a_values[FLOATS], b_values[FLOATS], start_values[512], found[FLOATS], wanted[FLOATS];

/* How the operands lie. */
struct layout {
    const char *name;
    bool turns_a, turns_b, has_start;
    size_t extra; /* a stride beyond the columns */
};

static const struct layout layouts[] = {
    {"forward", false, false, true, 0},         {"forward in a wider matrix", false, false, true, 5},
    {"weight gradient", true, false, false, 3}, {"input gradient", false, true, false, 0},
    {"both transposed", true, true, true, 2},
};

#define LAYOUTS (sizeof layouts / sizeof *layouts)

static void fill(float *values, size_t count, uint32_t entity)
{
    struct rng_at at = {.stream = RNG_WEIGHTS, .entity = entity};
    for (size_t i = 0; i < count; i += 4) {
        struct rng_block block = rng_block(&at, (uint32_t) (i / 4));
        for (size_t j = 0; j < 4 && i + j < count; j++)
            values[i + j] = (float) (2.0 * rng_u01(block.v[j]) - 1.0);
    }
}

static int setup(void **state)
{
    (void) state;
    fill(a_values, FLOATS, 1);
    fill(b_values, FLOATS, 2);
    fill(start_values, sizeof start_values / sizeof *start_values, 3);
    return 0;
}

static struct linalg_product make(const struct layout *layout, size_t rows, size_t depth, size_t columns)
{
    size_t a_stride = (layout->turns_a ? rows : depth) + layout->extra;
    size_t b_stride = (layout->turns_b ? depth : columns) + layout->extra;
    struct linalg_product product = {
        .rows = rows,
        .columns = columns,
        .depth = depth,
        .a = {a_values, layout->turns_a ? 1 : a_stride, layout->turns_a ? a_stride : 1},
        .b = {b_values, layout->turns_b ? 1 : b_stride, layout->turns_b ? b_stride : 1},
        .start = layout->has_start ? start_values : NULL,
        .c = found,
        .c_stride = columns + layout->extra,
    };
    assert_true((layout->turns_a ? depth : rows) * a_stride <= FLOATS && rows * product.c_stride <= FLOATS);
    assert_true((layout->turns_b ? columns : depth) * b_stride <= FLOATS);
    return product;
}

/* The rule, as product.h states it. */
static void multiply_plainly(const struct linalg_product *p, float *ret_c)
{
    for (size_t i = 0; i < p->rows; i++)
        for (size_t j = 0; j < p->columns; j++) {
            float sum = p->start != NULL ? p->start[j] : 0.0f;
            for (size_t k = 0; k < p->depth; k++)
                sum = fmaf(p->a.at[i * p->a.down + k * p->a.across], p->b.at[k * p->b.down + j * p->b.across],
                           sum);
            ret_c[i * p->c_stride + j] = sum;
        }
}

static bool are_the_same(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static void guard(float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = GUARD;
}

/* By this path, against what lies in `wanted`. */
static void compare(const struct linalg_product *p, const char *path, const char *name)
{
    size_t count = p->rows * p->c_stride;
    guard(found, count);
    assert_int_equal(linalg_vector_choose(path, NULL), 0);
    linalg_multiply(p);
    for (size_t i = 0; i < count; i++)
        if (!are_the_same(found[i], wanted[i]))
            fail_msg("%s, path %s, %zu rows, depth %zu, %zu columns: at row %zu, column %zu %a instead of %a",
                     name, path, p->rows, p->depth, p->columns, i / p->c_stride, i % p->c_stride,
                     (double) found[i], (double) wanted[i]);
}

static void compare_all_paths(const struct linalg_product *p, const char *name)
{
    const char *paths[LINALG_PATHS_MAX];
    size_t count = linalg_vector_paths(paths);
    guard(wanted, p->rows * p->c_stride);
    multiply_plainly(p, wanted);
    for (size_t i = 0; i < count; i++)
        compare(p, paths[i], name);
}

static void every_path_is_the_plain_chain_for_every_small_shape(void **state)
{
    (void) state;
    /* Each number of rows and columns beside tiles of 4, 6 and 8 rows and of 8 to 128 columns. */
    for (size_t layout = 0; layout < LAYOUTS; layout++)
        for (size_t rows = 1; rows <= 19; rows++)
            for (size_t columns = 1; columns <= 70; columns += rows <= 2 ? 1 : 3)
                for (size_t depth = 1; depth <= 12; depth += 1 + (rows + columns) % 5) {
                    struct linalg_product product = make(&layouts[layout], rows, depth, columns);
                    compare_all_paths(&product, layouts[layout].name);
                }
}

static void every_path_is_the_plain_chain_for_shapes_that_blocks_do_not_divide(void **state)
{
    (void) state;
    const size_t rows[] = {1, 2, 7, 8, 9, 41, 64, 70, 73},
                 columns[] = {1, 2, 20, 31, 33, 64, 127, 129, 200, 300};
    const size_t depths[] = {1, 2, 63, 64, 127, 128, 129, 256, 300};
    for (size_t layout = 0; layout < LAYOUTS; layout++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
                for (size_t k = (i + j) % 3; k < sizeof depths / sizeof *depths; k += 3) {
                    struct linalg_product product = make(&layouts[layout], rows[i], depths[k], columns[j]);
                    compare_all_paths(&product, layouts[layout].name);
                }
}

static void every_path_is_the_plain_chain_at_random_shapes(void **state)
{
    (void) state;
    struct rng_at at = {.stream = RNG_TASK};
    for (uint32_t n = 0; n < 400; n++) {
        struct rng_block block = rng_block(&at, n);
        size_t rows = 1 + block.v[0] % 70, depth = 1 + block.v[1] % 300, columns = 1 + block.v[2] % 70;
        struct layout layout = layouts[block.v[3] % LAYOUTS];
        layout.extra = (block.v[3] >> 8) % 9;
        struct linalg_product product = make(&layout, rows, depth, columns);
        compare_all_paths(&product, layout.name);
    }
}

static void nothing_to_sum_leaves_the_start(void **state)
{
    (void) state;
    struct linalg_product product = make(&layouts[0], 9, 0, 40);
    compare_all_paths(&product, "depth 0");
    product.start = NULL;
    product.rows = 3;
    compare_all_paths(&product, "depth 0, no start");
}

static void a_row_has_the_same_bits_alone_and_in_any_batch(void **state)
{
    (void) state;
    const char *paths[LINALG_PATHS_MAX];
    size_t count = linalg_vector_paths(paths);
    for (size_t path = 0; path < count; path++) {
        assert_int_equal(linalg_vector_choose(paths[path], NULL), 0);
        struct linalg_product all = make(&layouts[0], 37, 150, 67);
        linalg_multiply(&all);
        memcpy(wanted, found, sizeof found);
        for (size_t size = 1; size < 12; size++)
            for (size_t first = 0; first + size <= 37; first += 5) {
                struct linalg_product some = all;
                some.rows = size;
                some.a.at = all.a.at + first * all.a.down;
                linalg_multiply(&some);
                assert_memory_equal(found, wanted + first * all.c_stride,
                                    size * all.c_stride * sizeof(float));
            }
    }
}

/* Numbers whose products and sums overflow, vanish, cancel and are none. */
static void put_special_numbers(float *values, size_t count, uint32_t entity)
{
    const float special[] = {0.0f,      -0.0f,    INFINITY,  -INFINITY,   NAN,      0x1p-149f,  -0x1p-149f,
                             0x1p-126f, 0x1p127f, -0x1p127f, 0x1.8p-130f, 0x1p-75f, -0x1p-74f,  0x1p64f,
                             1.0f,      -1.0f,    1e-20f,    3e38f,       0x1p-24f, 0x1.8p-23f, 0x1p-1f};
    const size_t kinds = sizeof special / sizeof *special;
    struct rng_at at = {.stream = RNG_TASK, .entity = entity};
    for (size_t i = 0; i < count; i++) {
        struct rng_block block = rng_block(&at, (uint32_t) i);
        size_t kind = block.v[0] % (2 * kinds);
        /* No number and infinity in few places: they would cover everything else. */
        bool rare = kind >= 2 && kind <= 4 && block.v[1] % 8 != 0;
        if (kind < kinds && !rare)
            values[i] = special[kind];
    }
}

static void infinite_tiny_and_invalid_numbers_are_the_plain_chains(void **state)
{
    (void) state;
    put_special_numbers(a_values, FLOATS, 1);
    put_special_numbers(b_values, FLOATS, 2);
    put_special_numbers(start_values, sizeof start_values / sizeof *start_values, 3);
    for (size_t layout = 0; layout < LAYOUTS; layout++)
        for (size_t rows = 1; rows <= 33; rows += 4)
            for (size_t depth = 1; depth <= 9; depth += 2) {
                struct linalg_product product = make(&layouts[layout], rows, depth, 41);
                compare_all_paths(&product, layouts[layout].name);
            }
    (void) setup(NULL);
}

static float number_of(uint32_t bits)
{
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* Exponents near each other, so that sums cancel and halves are met. */
static float close_number_of(uint32_t bits)
{
    return number_of((bits & 0x807f0003u) | ((120u + (bits >> 26)) << 23));
}

static void a_sum_without_the_instruction_is_rounded_once(void **state)
{
    (void) state;
    struct rng_at at = {.stream = RNG_TASK, .entity = 7};
    for (uint32_t n = 0; n < 3000000; n++) {
        struct rng_block block = rng_block(&at, n);
        bool close = n % 2 == 0;
        float a = close ? close_number_of(block.v[0]) : number_of(block.v[0]);
        float b = close ? close_number_of(block.v[1]) : number_of(block.v[1]);
        float c = close ? close_number_of(block.v[2]) : number_of(block.v[2]);
        if (n % 4 == 2) /* near the negative product: nearly all cancels */
            c = -(a * b);
        if (n % 8 == 5) /* results that are denormal */
            a = ldexpf(a, -100);
        float plain = fmaf(a, b, c), ours = fused_by_parts(a, b, c);
        if (!are_the_same(plain, ours))
            fail_msg("%a * %a + %a is %a, not %a", (double) a, (double) b, (double) c, (double) plain,
                     (double) ours);
    }
}

static void the_chain_is_near_the_sum_in_double_precision(void **state)
{
    (void) state;
    struct linalg_product p = make(&layouts[0], 33, 300, 65);
    assert_int_equal(linalg_vector_choose(NULL, NULL), 0);
    linalg_multiply(&p);
    for (size_t i = 0; i < p.rows; i++)
        for (size_t j = 0; j < p.columns; j++) {
            double sum = (double) p.start[j], size = fabs(sum);
            for (size_t k = 0; k < p.depth; k++) {
                double term = (double) p.a.at[i * p.a.down + k] * (double) p.b.at[k * p.b.down + j];
                sum += term;
                size += fabs(term);
            }
            /* Higham: depth roundings of partial sums, none larger than the sum of sizes. */
            assert_true(fabs((double) p.c[i * p.c_stride + j] - sum) <= (double) p.depth * 0x1p-24 * size);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_path_is_the_plain_chain_for_every_small_shape),
        cmocka_unit_test(every_path_is_the_plain_chain_for_shapes_that_blocks_do_not_divide),
        cmocka_unit_test(every_path_is_the_plain_chain_at_random_shapes),
        cmocka_unit_test(nothing_to_sum_leaves_the_start),
        cmocka_unit_test(a_row_has_the_same_bits_alone_and_in_any_batch),
        cmocka_unit_test(infinite_tiny_and_invalid_numbers_are_the_plain_chains),
        cmocka_unit_test(a_sum_without_the_instruction_is_rounded_once),
        cmocka_unit_test(the_chain_is_near_the_sum_in_double_precision),
    };
    return cmocka_run_group_tests_name("product", tests, setup, NULL);
}
