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
#include "core/linalg/packed.h"
#include "core/linalg/product.h"
#include "core/linalg/vector_path.h"
#include "tests/unit/linalg/weight_rows.h"

#define FLOATS (1u << 17) /* of activations, and of results */
#define BYTES (1u << 23)  /* of weights */
#define COLUMNS 300u
#define GUARD 17.25f

static float a_values[FLOATS], start_values[COLUMNS], found[FLOATS], wanted[FLOATS];
static _Alignas(float) uint8_t rows[BYTES];
static _Alignas(LINALG_PACKED_ALIGNMENT) uint8_t packed[BYTES];
static _Alignas(LINALG_PACKED_ALIGNMENT) uint8_t packed_again[BYTES];

static int setup(void **state)
{
    (void) state;
    fill_floats(a_values, FLOATS, 1);
    fill_floats(start_values, COLUMNS, 3);
    return 0;
}

/* A row of activations, as packed.h states it; z of one group. */
static float quantize_plainly(const float *x, int *ret_z)
{
    float most = 0.0f;
    bool is_number = true;
    for (size_t k = 0; k < 32; k++) {
        is_number = is_number && isfinite(x[k]);
        most = fmaxf(most, fabsf(x[k]));
    }
    for (size_t k = 0; k < 32; k++)
        ret_z[k] = is_number && most >= 0x1p-100f ? (int) nearbyintf(x[k] * (127.0f / most)) : 0;
    return !is_number ? NAN : most < 0x1p-100f ? 0.0f : most / 127.0f;
}

static float add_group(enum linalg_weights format, const uint8_t *row, size_t n, const int *z, float d,
                       float sum)
{
    size_t size = format == LINALG_Q6_K ? 16 : 32;
    int all = 0;
    for (size_t first = 0; first < 32; first += size) {
        struct weight at = weight_of(format, row, 32 * n + first);
        int dot = 0;
        for (size_t k = first; k < first + size; k++) {
            dot += weight_of(format, row, 32 * n + k).q * z[k];
            all += z[k];
        }
        sum = fmaf(at.scale * d, (float) dot, sum);
        if (format == LINALG_Q4_K)
            sum = fmaf(-at.minimum * d, (float) all, sum);
    }
    return sum;
}

static float chain(const struct linalg_packed_product *p, size_t i, const uint8_t *row, float sum)
{
    for (size_t k = 0; k < p->depth; k++) {
        float w;
        memcpy(&w, row + k * sizeof w, sizeof w);
        sum = fmaf(p->a[i * p->a_stride + k], w, sum);
    }
    return sum;
}

static void multiply_plainly(const struct linalg_packed_product *p, float *ret_c)
{
    size_t bytes = linalg_row_bytes(p->format, p->depth);
    for (size_t i = 0; i < p->rows; i++)
        for (size_t j = 0; j < p->columns; j++)
            ret_c[i * p->c_stride + j] = p->start != NULL ? p->start[j] : 0.0f;
    if (p->format == LINALG_F32) {
        for (size_t i = 0; i < p->rows; i++)
            for (size_t j = 0; j < p->columns; j++)
                ret_c[i * p->c_stride + j] = chain(p, i, rows + j * bytes, ret_c[i * p->c_stride + j]);
        return;
    }
    for (size_t i = 0; i < p->rows; i++)
        for (size_t n = 0; n < p->depth / 32; n++) {
            int z[32];
            float d = quantize_plainly(p->a + i * p->a_stride + 32 * n, z);
            for (size_t j = 0; j < p->columns; j++)
                ret_c[i * p->c_stride + j] =
                    add_group(p->format, rows + j * bytes, n, z, d, ret_c[i * p->c_stride + j]);
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

/* The last columns of the panel included, in case somebody writes them: rows have gaps, and the last one is followed
 * by one. */
static size_t floats_of(const struct linalg_packed_product *p)
{
    size_t count = p->rows * p->c_stride + LINALG_PACKED_PANEL;
    assert_true(count <= FLOATS);
    return count;
}

static void compare(const struct linalg_packed_product *p, const char *path)
{
    size_t count = floats_of(p);
    guard(found, count);
    assert_int_equal(linalg_vector_choose(path, NULL), 0);
    linalg_multiply_packed(p);
    for (size_t i = 0; i < count; i++)
        if (!are_the_same(found[i], wanted[i]))
            fail_msg("%s, path %s, %zu rows, depth %zu, %zu columns: at row %zu, column %zu %a instead of %a",
                     linalg_weights_name(p->format), path, p->rows, p->depth, p->columns, i / p->c_stride,
                     i % p->c_stride, (double) found[i], (double) wanted[i]);
}

static void compare_all_paths(const struct linalg_packed_product *p)
{
    const char *paths[LINALG_PATHS_MAX];
    size_t count = linalg_vector_paths(paths);
    guard(wanted, floats_of(p));
    multiply_plainly(p, wanted);
    for (size_t i = 0; i < count; i++)
        compare(p, paths[i]);
}

static struct linalg_packed_product make(enum linalg_weights format, size_t count, size_t depth,
                                         size_t columns)
{
    size_t bytes = linalg_row_bytes(format, depth);
    assert_true(bytes > 0 && columns <= COLUMNS && columns * bytes <= BYTES);
    assert_true(linalg_packed_bytes(format, columns, depth) <= BYTES && count * (depth + 3) <= FLOATS);
    fill_rows(format, columns, depth, (uint32_t) (count + columns), rows);
    memset(packed, 0xa5, linalg_packed_bytes(format, columns, depth));
    assert_int_equal(linalg_pack_rows(format, columns, depth, 0, columns, rows, packed), 0);
    return (struct linalg_packed_product){
        .format = format,
        .rows = count,
        .columns = columns,
        .depth = depth,
        .a = a_values,
        .a_stride = depth + count % 4,
        .packed = packed,
        .start = columns % 2 == 1 ? start_values : NULL,
        .c = found,
        .c_stride = columns + count % 3,
    };
}

static void every_path_is_the_rule_for_every_small_shape(void **state)
{
    (void) state;
    for (unsigned format = 0; format < LINALG_WEIGHTS_FORMATS; format++)
        for (size_t count = 1; count <= 19; count++)
            for (size_t columns = 1; columns <= 70; columns += 1 + (count + columns) % 9) {
                size_t block = linalg_weights_block(format);
                struct linalg_packed_product p = make(format, count, block * (1 + columns % 3), columns);
                compare_all_paths(&p);
            }
}

static void every_path_is_the_rule_where_blocks_of_depth_and_rows_end(void **state)
{
    (void) state;
    const struct {
        size_t rows, depth, columns;
    } shapes[] = {{33, 1280, 17},      {64, 1024, 3}, {75, 1056, 33}, {40, 1312, 20},
                  {1, 32768 + 256, 5}, {3, 11264, 6}, {128, 128, 64}, {72, 256, 100},
                  {73, 288, 31},       {17, 129, 65}, {30, 127, 300}, {2, 768, 300}};
    for (unsigned format = 0; format < LINALG_WEIGHTS_FORMATS; format++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            if (shapes[i].depth % linalg_weights_block(format) == 0) {
                struct linalg_packed_product p =
                    make(format, shapes[i].rows, shapes[i].depth, shapes[i].columns);
                compare_all_paths(&p);
            }
}

static void packed_floats_give_the_bits_of_the_other_product(void **state)
{
    (void) state;
    struct linalg_packed_product p = make(LINALG_F32, 21, 200, 77);
    const struct linalg_product plain = {
        .rows = p.rows,
        .columns = p.columns,
        .depth = p.depth,
        .a = {p.a, p.a_stride, 1},
        .b = {(const float *) (const void *) rows, 1, p.depth},
        .start = p.start,
        .c = wanted,
        .c_stride = p.c_stride,
    };
    guard(wanted, floats_of(&p));
    linalg_multiply(&plain);
    compare(&p, NULL);
}

static void a_row_has_the_same_bits_alone_and_in_any_company(void **state)
{
    (void) state;
    const char *paths[LINALG_PATHS_MAX];
    size_t count = linalg_vector_paths(paths);
    for (unsigned format = 0; format < LINALG_WEIGHTS_FORMATS; format++)
        for (size_t path = 0; path < count; path++) {
            assert_int_equal(linalg_vector_choose(paths[path], NULL), 0);
            struct linalg_packed_product all = make(format, 37, 512, 67);
            linalg_multiply_packed(&all);
            memcpy(wanted, found, sizeof found);
            for (size_t size = 1; size < 12; size++)
                for (size_t first = 0; first + size <= 37; first += 5) {
                    struct linalg_packed_product some = all;
                    some.rows = size;
                    some.a += first * all.a_stride;
                    linalg_multiply_packed(&some);
                    for (size_t i = 0; i < size; i++)
                        assert_memory_equal(found + i * all.c_stride, wanted + (first + i) * all.c_stride,
                                            all.columns * sizeof(float));
                }
        }
}

/* Numbers that overflow, vanish, and are none. A row that holds one that is none shall harm no other. */
static void infinite_tiny_and_invalid_activations_are_the_rule(void **state)
{
    (void) state;
    const float special[] = {NAN,    INFINITY,  -INFINITY,   3e38f,      -3e38f, 0x1p-149f,
                             1e-40f, 0x1p-100f, 0x1.fp-101f, -0x1p-101f, 1e-20f, -0.0f};
    const size_t kinds = sizeof special / sizeof *special;
    for (unsigned format = 0; format < LINALG_WEIGHTS_FORMATS; format++) {
        struct linalg_packed_product p = make(format, 2 * kinds + 2, 512, 35);
        for (size_t i = 0; i < kinds; i++) {
            a_values[2 * i * p.a_stride + 7 * i] = special[i];
            for (size_t k = 32; k < 64; k++) /* a group that holds nothing else */
                a_values[2 * i * p.a_stride + k] = special[i] * (k % 3 == 0 ? 1.0f : 0.25f);
        }
        memset(a_values + (2 * kinds + 1) * p.a_stride, 0, p.depth * sizeof(float));
        compare_all_paths(&p);
        for (size_t j = 0; j < p.columns; j++) {
            assert_true(isnan(wanted[j]) && !isnan(wanted[p.c_stride + j]));
            float start = p.start != NULL ? p.start[j] : 0.0f;
            assert_true(wanted[(2 * kinds + 1) * p.c_stride + j] == start);
        }
        (void) setup(NULL);
    }
}

static void the_largest_numbers_do_not_overflow_the_sum_of_integers(void **state)
{
    (void) state;
    for (unsigned format = LINALG_Q8_0; format < LINALG_WEIGHTS_FORMATS; format++)
        for (int sign = -1; sign <= 1; sign += 2) {
            struct linalg_packed_product p = make(format, 9, 256, 32);
            for (size_t n = 0; n < 32 * 256 / linalg_weights_block(format); n++) {
                size_t block = linalg_row_bytes(format, linalg_weights_block(format)), places[2];
                size_t halves = places_of_halves(format, places);
                memset(rows + n * block, format == LINALG_Q8_0 ? 0x80 : 0xff, block);
                for (size_t i = 0; i < halves; i++)
                    memcpy(rows + n * block + places[i], (const uint8_t[]){0x66, 0x2e}, 2);
            }
            for (size_t i = 0; i < 9 * p.a_stride; i++)
                a_values[i] = (float) sign;
            assert_int_equal(linalg_pack_rows(format, 32, 256, 0, 32, rows, packed), 0);
            compare_all_paths(&p);
            (void) setup(NULL);
        }
}

static void the_product_is_near_that_of_the_stored_numbers(void **state)
{
    (void) state;
    static float weights[COLUMNS * 512];
    for (unsigned format = LINALG_Q8_0; format < LINALG_WEIGHTS_FORMATS; format++) {
        struct linalg_packed_product p = make(format, 8, 512, 40);
        linalg_dequantize_rows(format, 40, 512, rows, weights);
        linalg_multiply_packed(&p);
        for (size_t i = 0; i < p.rows; i++)
            for (size_t j = 0; j < p.columns; j++) {
                double sum = p.start != NULL ? (double) p.start[j] : 0.0, size = 0.0;
                for (size_t k = 0; k < p.depth; k++) {
                    sum += (double) p.a[i * p.a_stride + k] * (double) weights[j * 512 + k];
                    size += fabs((double) weights[j * 512 + k]);
                }
                /* Activations below 1 err by at most half of 1/127 each. */
                assert_true(fabs((double) found[i * p.c_stride + j] - sum) <= size * (0.5 / 127.0 + 1e-5));
            }
    }
}

static void rows_come_in_any_order_and_portions(void **state)
{
    (void) state;
    for (unsigned format = 0; format < LINALG_WEIGHTS_FORMATS; format++) {
        size_t bytes = linalg_row_bytes(format, 768);
        struct linalg_packed_product p = make(format, 1, 768, 83);
        memset(packed_again, 0x5a, sizeof packed_again);
        for (size_t end = 83, count = 1; end > 0; end -= count, count = count % 7 + 1) {
            count = count < end ? count : end;
            assert_int_equal(linalg_pack_rows(format, 83, 768, end - count, count,
                                              rows + (end - count) * bytes, packed_again),
                             0);
        }
        assert_memory_equal(packed_again, packed, linalg_packed_bytes(format, 83, 768));
        assert_int_equal(packed_again[linalg_packed_bytes(format, 83, 768)], 0x5a);
        (void) p;
    }
}

static void from_each_panel_on_lies_a_matrix_of_its_own(void **state)
{
    (void) state;
    for (unsigned format = 0; format < LINALG_WEIGHTS_FORMATS; format++) {
        struct linalg_packed_product all = make(format, 5, 256, 101);
        linalg_multiply_packed(&all);
        memcpy(wanted, found, sizeof found);
        for (size_t first = LINALG_PACKED_PANEL; first < 101; first += LINALG_PACKED_PANEL) {
            struct linalg_packed_product part = all;
            part.columns = 101 - first;
            part.packed = packed + linalg_packed_bytes(format, first, 256);
            part.start = all.start != NULL ? all.start + first : NULL;
            part.c = found + first;
            guard(found, 5 * all.c_stride);
            linalg_multiply_packed(&part);
            for (size_t i = 0; i < 5; i++)
                assert_memory_equal(found + i * all.c_stride + first, wanted + i * all.c_stride + first,
                                    part.columns * sizeof(float));
        }
    }
}

static void what_no_matrix_can_be_has_no_bytes(void **state)
{
    (void) state;
    for (unsigned format = 0; format < LINALG_WEIGHTS_FORMATS; format++) {
        assert_int_equal(linalg_packed_bytes(format, 0, 256), 0);
        assert_int_equal(linalg_packed_bytes(format, (size_t) LINALG_COLUMNS_MAX + 1, 256), 0);
        assert_int_equal(linalg_packed_bytes(format, 1, 0), 0);
        assert_int_equal(linalg_packed_bytes(format, 77, 768) % LINALG_PACKED_ALIGNMENT, 0);
        assert_true(linalg_packed_bytes(format, LINALG_COLUMNS_MAX, LINALG_DEPTH_MAX) >= (size_t) 1 << 47);
    }
    assert_int_equal(linalg_packed_bytes(LINALG_Q4_K, 1, 128), 0);
    assert_int_equal(linalg_packed_bytes(LINALG_Q8_0, 1, 31), 0);
}

static void a_scale_that_is_no_number_is_refused(void **state)
{
    (void) state;
    const uint8_t bad[][2] = {{0x00, 0x7c}, {0x01, 0x7e}, {0x00, 0xfc}};
    for (unsigned format = LINALG_Q8_0; format < LINALG_WEIGHTS_FORMATS; format++)
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            size_t places[2], halves = places_of_halves(format, places);
            size_t block = linalg_row_bytes(format, linalg_weights_block(format));
            for (size_t half = 0; half < halves; half++) {
                fill_rows(format, 3, 512, 1, rows);
                memcpy(rows + linalg_row_bytes(format, 512) + block + places[half], bad[i], 2);
                assert_int_equal(linalg_pack_rows(format, 3, 512, 0, 1, rows, packed), 0);
                assert_int_equal(linalg_pack_rows(format, 3, 512, 0, 3, rows, packed), ERR_CORRUPT);
            }
        }
}

/* FNV-1a */
static uint32_t digest(const uint8_t *bytes, size_t count)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

/* Files may hold packed matrices: a change of this digest is a change of their format. */
static void the_layout_is_that_of_files(void **state)
{
    (void) state;
    const uint32_t digests[LINALG_WEIGHTS_FORMATS] = {0x22e85b21u, 0x25234e8fu, 0x5742cff7u, 0xeb698870u,
                                                      0xd49f44dbu};
    for (unsigned format = 0; format < LINALG_WEIGHTS_FORMATS; format++) {
        (void) make(format, 1, 768, 83);
        uint32_t hash = digest(packed, linalg_packed_bytes(format, 83, 768));
        if (hash != digests[format])
            fail_msg("%s: digest %#x instead of %#x", linalg_weights_name(format), hash, digests[format]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_path_is_the_rule_for_every_small_shape),
        cmocka_unit_test(every_path_is_the_rule_where_blocks_of_depth_and_rows_end),
        cmocka_unit_test(packed_floats_give_the_bits_of_the_other_product),
        cmocka_unit_test(a_row_has_the_same_bits_alone_and_in_any_company),
        cmocka_unit_test(infinite_tiny_and_invalid_activations_are_the_rule),
        cmocka_unit_test(the_largest_numbers_do_not_overflow_the_sum_of_integers),
        cmocka_unit_test(the_product_is_near_that_of_the_stored_numbers),
        cmocka_unit_test(rows_come_in_any_order_and_portions),
        cmocka_unit_test(from_each_panel_on_lies_a_matrix_of_its_own),
        cmocka_unit_test(what_no_matrix_can_be_has_no_bytes),
        cmocka_unit_test(a_scale_that_is_no_number_is_refused),
        cmocka_unit_test(the_layout_is_that_of_files),
    };
    return cmocka_run_group_tests_name("packed", tests, setup, NULL);
}
