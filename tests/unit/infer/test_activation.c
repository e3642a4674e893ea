/* Encodings of activations: exact bytes, bounds on errors for rows of every kind, and nothing believed. */
#include "core/infer/activation.h"

#include <float.h>
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

#define COLUMNS_MAX 4096u
#define BYTES_MAX (4u * COLUMNS_MAX)

static struct activation_shape shape_of(enum activation_format format, uint32_t rows, uint32_t columns,
                                        uint32_t k)
{
    return (struct activation_shape){format, rows, columns, k};
}

static void encode(const struct activation_shape *shape, const float *x, uint8_t *ret_bytes)
{
    struct diag diag = {{0}};
    if (activation_encode(shape, x, ret_bytes, &diag) != 0)
        fail_msg("%s", diag.text);
}

static void decode(const struct activation_shape *shape, const uint8_t *bytes, float *ret_x)
{
    struct diag diag = {{0}};
    size_t size = activation_bytes(shape->format, shape->rows, shape->columns, shape->k);
    if (activation_decode(shape, bytes, size, ret_x, &diag) != 0)
        fail_msg("%s", diag.text);
}

/* ---- sizes and exact bytes ---- */

static void sizes_are_those_of_the_layout(void **state)
{
    (void) state;
    assert_int_equal(activation_bytes(ACTIVATION_FP32, 3, 5, 0), 60);
    assert_int_equal(activation_bytes(ACTIVATION_FP16, 3, 5, 0), 30);
    assert_int_equal(activation_bytes(ACTIVATION_INT8, 3, 5, 0), 27);
    assert_int_equal(activation_bytes(ACTIVATION_INT4, 3, 5, 0), 15);
    assert_int_equal(activation_bytes(ACTIVATION_INT4, 1, 32, 0), 18);
    assert_int_equal(activation_bytes(ACTIVATION_INT4, 1, 33, 0), 21);
    assert_int_equal(activation_bytes(ACTIVATION_INT4, 128, 4096, 0), 128 * 4096 * 9 / 16);
    assert_int_equal(activation_bytes(ACTIVATION_TOPK, 1, 1, 1), 2);
    assert_int_equal(activation_bytes(ACTIVATION_TOPK, 2, 5, 3), 2 * (6 + 2)); /* 3 x 3 bits */
    assert_int_equal(activation_bytes(ACTIVATION_TOPK, 1, 4096, 512), 1024 + 768);
    assert_int_equal(activation_bytes(ACTIVATION_TOPK, 1, 4097, 512), 1024 + 832);
    assert_int_equal(activation_bytes(ACTIVATION_TOPK, 1, 65536, 2), 8);
    assert_true(activation_bytes(ACTIVATION_FP32, ACTIVATION_ROWS_MAX, ACTIVATION_COLUMNS_MAX, 0) ==
                (size_t) 1 << 35);
}

/* By hand. f32 1.0 is 3f800000, f16 1.0 is 3c00, bf16 1.0 is 3f80. */
static void small_rows_have_the_bytes_of_a_hand_calculation(void **state)
{
    (void) state;
    static const float x[] = {1.0f, -0.5f, 0.25f, 0.0f, -1.0f};
    static const struct {
        enum activation_format format;
        uint32_t k;
        uint8_t bytes[24];
    } known[] = {
        {ACTIVATION_FP32, 0, {0,    0,    0x80, 0x3f, 0, 0, 0, 0xbf, 0,    0,
                              0x80, 0x3e, 0,    0,    0, 0, 0, 0,    0x80, 0xbf}},
        {ACTIVATION_FP16, 0, {0, 0x3c, 0, 0xb8, 0, 0x34, 0, 0, 0, 0xbc}},
        /* 127, -63.5 to the even -64, 31.75 to 32, 0, -127 */
        {ACTIVATION_INT8, 0, {0, 0, 0x80, 0x3f, 127, 0xc0, 32, 0, 0x81}},
        /* 7, -3.5 to the even -4, 1.75 to 2, 0, -7 and nothing */
        {ACTIVATION_INT4, 0, {0x80, 0x3f, 0xc7, 0x02, 0x09}},
        /* 1.0 at 0, -0.5 at 1, -1.0 at 4: 000, 001, 100 from the lowest bit */
        {ACTIVATION_TOPK, 3, {0, 0x3c, 0, 0xb8, 0, 0xbc, 0x08, 0x01}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct activation_shape shape = shape_of(known[i].format, 1, 5, known[i].k);
        uint8_t bytes[24] = {0};
        encode(&shape, x, bytes);
        assert_memory_equal(bytes, known[i].bytes, sizeof bytes);
    }
}

/* ---- FP16, against the list of all its numbers ---- */

/* IEEE 754: (-1)^sign 2^(exponent - 15) 1.significand, or 2^-14 0.significand. */
static float value_of_half(uint32_t half)
{
    int exponent = (int) (half >> 10 & 31u);
    double significand = (half & 1023u) / 1024.0;
    double value = exponent == 0 ? ldexp(significand, -14) : ldexp(1.0 + significand, exponent - 15);
    return (float) (half >> 15 != 0 ? -value : value);
}

static uint32_t half_after_encoding(float x)
{
    const struct activation_shape one = shape_of(ACTIVATION_FP16, 1, 1, 0);
    uint8_t bytes[2];
    encode(&one, &x, bytes);
    return (uint32_t) bytes[0] | (uint32_t) bytes[1] << 8;
}

static void every_half_is_decoded_to_its_value_and_encoded_to_itself(void **state)
{
    (void) state;
    const struct activation_shape one = shape_of(ACTIVATION_FP16, 1, 1, 0);
    for (uint32_t half = 0; half < 65536; half++) {
        const uint8_t bytes[2] = {(uint8_t) half, (uint8_t) (half >> 8)};
        float x = 0.0f, expected = value_of_half(half);
        if ((half >> 10 & 31u) == 31u) {
            assert_int_equal(activation_decode(&one, bytes, 2, &x, NULL), ERR_CORRUPT);
            continue;
        }
        decode(&one, bytes, &x);
        assert_memory_equal(&x, &expected, sizeof x);
        assert_int_equal(half_after_encoding(x), half);
    }
}

/* Between two neighbours: their middle goes to the even one, and what is beside the middle to the nearer one. */
static void numbers_between_two_halves_go_to_the_nearer_and_ties_to_the_even_one(void **state)
{
    (void) state;
    for (uint32_t half = 0; half < 0x7bffu; half++) {
        float low = value_of_half(half), high = value_of_half(half + 1);
        float middle = (float) (((double) low + (double) high) / 2.0);
        uint32_t even = half % 2 == 0 ? half : half + 1;
        assert_int_equal(half_after_encoding(middle), even);
        assert_int_equal(half_after_encoding(nextafterf(middle, 0.0f)), half);
        assert_int_equal(half_after_encoding(nextafterf(middle, INFINITY)), half + 1);
        assert_int_equal(half_after_encoding(-middle), even | 0x8000u);
    }
    assert_int_equal(half_after_encoding(FLT_TRUE_MIN), 0);
    assert_int_equal(half_after_encoding(-FLT_MIN), 0x8000u);
    assert_int_equal(half_after_encoding(nextafterf(65520.0f, 0.0f)), 0x7bffu);
}

/* ---- rows of every kind ---- */

enum row_kind {
    ROW_NORMAL,     /* about 1 */
    ROW_OUTLIER,    /* one element a thousand times as large */
    ROW_ZEROS,      /* nothing but zeros of both signs */
    ROW_DENORMAL,   /* below the least normal float */
    ROW_LEAST,      /* the smallest float, and zeros */
    ROW_SMALL,      /* about the least f16 */
    ROW_MIXED,      /* from 2^-30 to 2^15 */
    ROW_EQUAL,      /* few different magnitudes */
    ROW_HALF_LARGE, /* up to the largest f16 */
    ROW_HUGE,       /* up to the largest float: not for f16 */
    ROW_KINDS
};

static float element(enum row_kind kind, const struct rng_at *at, uint32_t i)
{
    struct rng_block block = rng_block(at, i);
    float sign = block.v[2] % 2 == 0 ? 1.0f : -1.0f;
    float u = (float) (2.0 * rng_u01(block.v[0]) - 1.0);
    switch (kind) {
    case ROW_NORMAL: return u;
    case ROW_OUTLIER: return i % 97 == 41 ? 1000.0f * u : u;
    case ROW_ZEROS: return sign * 0.0f;
    case ROW_DENORMAL: return u * FLT_MIN;
    case ROW_LEAST: return block.v[1] % 4 == 0 ? sign * FLT_TRUE_MIN : 0.0f;
    case ROW_SMALL: return u * 0x1p-23f;
    case ROW_MIXED: return ldexpf(u, (int) (block.v[1] % 46) - 30);
    case ROW_EQUAL: return sign * (float) (block.v[1] % 3);
    case ROW_HALF_LARGE: return i % 5 == 0 ? sign * 65504.0f : 65504.0f * u;
    case ROW_HUGE: return i % 5 == 0 ? sign * FLT_MAX : FLT_MAX * u;
    case ROW_KINDS: break;
    }
    return 0.0f;
}

static void fill(float *x, uint32_t columns, enum row_kind kind, uint32_t entity)
{
    struct rng_at at = {.stream = RNG_WEIGHTS, .entity = entity, .slot = kind};
    for (uint32_t i = 0; i < columns; i++)
        x[i] = element(kind, &at, i);
}

static double largest_of(const float *x, uint32_t columns)
{
    double largest = 0.0;
    for (uint32_t i = 0; i < columns; i++)
        largest = fmax(largest, fabs((double) x[i]));
    return largest;
}

/* What activation.h promises for element i. */
static double bound_of(enum activation_format format, const float *x, uint32_t columns, uint32_t i)
{
    const double e = 0x1p-149;
    double magnitude = fabs((double) x[i]);
    uint32_t first = i / ACTIVATION_INT4_BLOCK * ACTIVATION_INT4_BLOCK;
    uint32_t block = columns - first < ACTIVATION_INT4_BLOCK ? columns - first : ACTIVATION_INT4_BLOCK;
    switch (format) {
    case ACTIVATION_FP32: return 0.0;
    case ACTIVATION_FP16: return magnitude * 0x1p-11 + 0x1p-25;
    case ACTIVATION_INT8: return largest_of(x, columns) * (1.0 / 254 + 0x1p-23) + e;
    case ACTIVATION_INT4:
        return (largest_of(x + first, block) * (1 + 0x1p-7) + 0x1p-133) * (1.0 / 14 + 0x1p-23) + e;
    case ACTIVATION_TOPK:
    case ACTIVATION_FORMATS: break;
    }
    fail();
    return 0.0;
}

static const uint32_t widths[] = {1, 2, 3, 7, 31, 32, 33, 64, 100, 255, 256, 896, 2304};

#define WIDTHS (sizeof widths / sizeof *widths)

static float x[COLUMNS_MAX], y[COLUMNS_MAX];
static uint8_t bytes_of_row[BYTES_MAX];

static void every_element_is_within_its_bound(void **state)
{
    (void) state;
    for (unsigned format = 0; format < ACTIVATION_TOPK; format++)
        for (unsigned kind = 0; kind < ROW_KINDS; kind++)
            for (size_t w = 0; w < WIDTHS; w++) {
                struct activation_shape shape = shape_of((enum activation_format) format, 1, widths[w], 0);
                if (format == ACTIVATION_FP16 && kind == ROW_HUGE)
                    continue;
                fill(x, widths[w], (enum row_kind) kind, (uint32_t) w);
                encode(&shape, x, bytes_of_row);
                decode(&shape, bytes_of_row, y);
                for (uint32_t i = 0; i < widths[w]; i++) {
                    double error = fabs((double) y[i] - (double) x[i]);
                    double bound = bound_of(shape.format, x, widths[w], i);
                    if (!(error <= bound) || !isfinite(y[i]))
                        fail_msg("format %u, row %u of %u, element %u: %a became %a, beyond %a", format, kind,
                                 widths[w], i, (double) x[i], (double) y[i], bound);
                }
            }
}

/* The bounds are not loose: some error of these rows is more than four fifths of it. */
static void the_bounds_are_nearly_reached(void **state)
{
    (void) state;
    for (unsigned format = ACTIVATION_FP16; format < ACTIVATION_TOPK; format++) {
        struct activation_shape shape = shape_of((enum activation_format) format, 1, 2304, 0);
        double most = 0.0;
        fill(x, 2304, ROW_NORMAL, 1);
        encode(&shape, x, bytes_of_row);
        decode(&shape, bytes_of_row, y);
        for (uint32_t i = 0; i < 2304; i++)
            most = fmax(most, fabs((double) y[i] - (double) x[i]) / bound_of(shape.format, x, 2304, i));
        assert_true(most > 0.8 && most <= 1.0);
    }
}

static void a_rows_largest_element_survives_int8_exactly(void **state)
{
    (void) state;
    const struct activation_shape shape = shape_of(ACTIVATION_INT8, 1, 100, 0);
    for (unsigned kind = 0; kind < ROW_KINDS; kind++) {
        fill(x, 100, (enum row_kind) kind, 3);
        encode(&shape, x, bytes_of_row);
        decode(&shape, bytes_of_row, y);
        assert_true(largest_of(x, 100) == largest_of(y, 100));
    }
}

/* ---- TOPK, against a sort ---- */

struct ranked {
    uint32_t number;
    float magnitude;
};

static int by_rank(const void *a, const void *b)
{
    const struct ranked *one = a, *other = b;
    if (one->magnitude != other->magnitude)
        return one->magnitude > other->magnitude ? -1 : 1;
    return one->number < other->number ? -1 : 1;
}

static void the_k_largest_are_kept_and_of_equal_ones_the_first(void **state)
{
    static struct ranked ranked[COLUMNS_MAX];
    static bool kept[COLUMNS_MAX];
    (void) state;
    for (unsigned kind = 0; kind < ROW_HUGE; kind++)
        for (size_t w = 0; w < WIDTHS; w++) {
            uint32_t columns = widths[w], ks[] = {1, (columns + 9) / 10, (columns + 1) / 2, columns};
            fill(x, columns, (enum row_kind) kind, (uint32_t) w);
            for (uint32_t i = 0; i < columns; i++)
                ranked[i] = (struct ranked){i, fabsf(x[i])};
            qsort(ranked, columns, sizeof *ranked, by_rank);
            for (size_t j = 0; j < 4; j++) {
                struct activation_shape shape = shape_of(ACTIVATION_TOPK, 1, columns, ks[j]);
                memset(kept, 0, sizeof kept);
                for (uint32_t r = 0; r < ks[j]; r++)
                    kept[ranked[r].number] = true;
                encode(&shape, x, bytes_of_row);
                decode(&shape, bytes_of_row, y);
                for (uint32_t i = 0; i < columns; i++) {
                    float expected = kept[i] ? value_of_half(half_after_encoding(x[i])) : 0.0f;
                    assert_memory_equal(&y[i], &expected, sizeof expected);
                }
            }
        }
}

/* ---- rows beside one another, and the same bytes everywhere ---- */

static void a_rows_bytes_do_not_depend_on_its_neighbours(void **state)
{
    (void) state;
    for (unsigned format = 0; format < ACTIVATION_FORMATS; format++) {
        uint32_t k = format == ACTIVATION_TOPK ? 13 : 0;
        struct activation_shape three = shape_of((enum activation_format) format, 3, 101, k);
        struct activation_shape one = shape_of((enum activation_format) format, 1, 101, k);
        uint8_t alone[101 * 4];
        size_t size = activation_bytes(one.format, 1, 101, k);
        fill(x, 101, ROW_OUTLIER, 1);
        fill(x + 101, 101, ROW_DENORMAL, 2);
        fill(x + 202, 101, ROW_HALF_LARGE, 3);
        encode(&three, x, bytes_of_row);
        decode(&three, bytes_of_row, y);
        for (uint32_t r = 0; r < 3; r++) {
            float back[101];
            encode(&one, x + (size_t) r * 101, alone);
            decode(&one, alone, back);
            assert_memory_equal(alone, bytes_of_row + r * size, size);
            assert_memory_equal(back, y + (size_t) r * 101, sizeof back);
        }
    }
}

/* FNV-1a of what 30 rows become, and of what they become again. Other bits are another number. */
static uint64_t digest(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *byte = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3u;
    return hash;
}

static void the_same_rows_have_the_same_bits_everywhere(void **state)
{
    static const uint64_t known[ACTIVATION_FORMATS] = {0xffdee793ec7be15du, 0xa6241688e8ff758au,
                                                       0x9c1ae3bd57b50670u, 0xafc88c5311eaf8d9u,
                                                       0xfcc9ab0514da584bu};
    (void) state;
    for (unsigned format = 0; format < ACTIVATION_FORMATS; format++) {
        uint64_t hash = 0xcbf29ce484222325u;
        uint32_t k = format == ACTIVATION_TOPK ? 77 : 0;
        struct activation_shape shape = shape_of((enum activation_format) format, 1, 896, k);
        size_t size = activation_bytes(shape.format, 1, 896, k);
        for (uint32_t row = 0; row < 30; row++) {
            fill(x, 896, (enum row_kind)(row % ROW_HUGE), row);
            encode(&shape, x, bytes_of_row);
            decode(&shape, bytes_of_row, y);
            hash = digest(hash, bytes_of_row, size);
            for (uint32_t i = 0; i < 896; i++) { /* whatever the order of bytes here */
                uint32_t bits = 0;
                memcpy(&bits, &y[i], sizeof bits);
                const uint8_t little[] = {(uint8_t) bits, (uint8_t) (bits >> 8), (uint8_t) (bits >> 16),
                                          (uint8_t) (bits >> 24)};
                hash = digest(hash, little, sizeof little);
            }
        }
        if (hash != known[format])
            fail_msg("format %u: 0x%016llx", format, (unsigned long long) hash);
    }
}

/* ---- what is refused ---- */

static void what_is_no_number_is_not_encoded(void **state)
{
    (void) state;
    static const struct {
        float x;
        const char *said;
    } bad[] = {
        {NAN, "activation: row 1, column 2 is not a finite number"},
        {INFINITY, "activation: row 1, column 2 is not a finite number"},
        {-INFINITY, "activation: row 1, column 2 is not a finite number"},
    };
    for (unsigned format = 0; format < ACTIVATION_FORMATS; format++)
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            struct activation_shape shape =
                shape_of((enum activation_format) format, 2, 4, format == ACTIVATION_TOPK ? 1 : 0);
            float values[8] = {0};
            uint8_t bytes[32], before[32];
            struct diag diag = {{0}};
            values[6] = bad[i].x;
            memset(bytes, 0x5a, sizeof bytes);
            memset(before, 0x5a, sizeof before);
            assert_int_equal(activation_encode(&shape, values, bytes, &diag), ERR_RANGE);
            assert_string_equal(diag.text, bad[i].said);
            assert_memory_equal(bytes, before, sizeof bytes);
        }
}

static void what_sixteen_bits_cannot_hold_is_refused_by_those_formats_alone(void **state)
{
    (void) state;
    static const float large[] = {1.0f, -65520.0f};
    for (unsigned format = 0; format < ACTIVATION_FORMATS; format++) {
        struct activation_shape shape =
            shape_of((enum activation_format) format, 1, 2, format == ACTIVATION_TOPK ? 1 : 0);
        bool is_half = format == ACTIVATION_FP16 || format == ACTIVATION_TOPK;
        uint8_t bytes[8];
        struct diag diag = {{0}};
        assert_int_equal(activation_encode(&shape, large, bytes, &diag), is_half ? ERR_RANGE : 0);
        assert_string_equal(
            diag.text, is_half ? "activation: row 0, column 1 is -65520, too large for 16 bits, which hold "
                                 "up to 65504: use another format"
                               : "");
    }
}

static void shapes_from_outside_are_checked(void **state)
{
    (void) state;
    static const struct {
        struct activation_shape shape;
        const char *said;
    } bad[] = {
        {{ACTIVATION_FORMATS, 1, 1, 0}, "activation: format 5 is not known, allowed 0 to 4"},
        {{ACTIVATION_FP32, 0, 1, 0}, "activation: 0 rows, allowed 1 to 131072"},
        {{ACTIVATION_FP32, 131073, 1, 0}, "activation: 131073 rows, allowed 1 to 131072"},
        {{ACTIVATION_FP32, 1, 0, 0}, "activation: 0 columns, allowed 1 to 65536"},
        {{ACTIVATION_FP32, 1, 65537, 0}, "activation: 65537 columns, allowed 1 to 65536"},
        {{ACTIVATION_INT8, 1, 9, 1}, "activation: k is 1, allowed 0 to 0"},
        {{ACTIVATION_TOPK, 1, 9, 0}, "activation: k is 0, allowed 1 to 9"},
        {{ACTIVATION_TOPK, 1, 9, 10}, "activation: k is 10, allowed 1 to 9"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct diag diag = {{0}};
        float value = 0.0f;
        uint8_t byte = 0;
        assert_int_equal(activation_decode(&bad[i].shape, &byte, 1, &value, &diag), ERR_RANGE);
        assert_string_equal(diag.text, bad[i].said);
    }
}

static void bytes_that_are_no_encoding_are_refused(void **state)
{
    (void) state;
    static const char *const element = "activation: row 0: an element is not a finite number";
    static const char *const scale = "activation: row 0: a scale is not a finite number of at least 0";
    static const char *const number = "activation: row 0: numbers of columns do not rise, or are too large";
    static const char *const behind = "activation: row 0: bits behind the last number are not 0";
    const struct {
        struct activation_shape shape;
        size_t size;
        uint8_t bytes[8];
        const char *said;
    } bad[] = {
        {{ACTIVATION_FP32, 1, 1, 0}, 3, {0}, "activation: 3 bytes, but 1 rows of 1 columns have 4"},
        {{ACTIVATION_FP32, 1, 1, 0}, 5, {0}, "activation: 5 bytes, but 1 rows of 1 columns have 4"},
        {{ACTIVATION_FP32, 1, 1, 0}, 4, {0, 0, 0x80, 0x7f}, element},
        {{ACTIVATION_FP32, 1, 1, 0}, 4, {1, 0, 0x80, 0xff}, element},
        {{ACTIVATION_FP16, 1, 2, 0}, 4, {0, 0, 0, 0x7c}, element},
        {{ACTIVATION_INT8, 1, 1, 0}, 5, {0, 0, 0x80, 0x7f, 1}, scale},
        {{ACTIVATION_INT8, 1, 1, 0}, 5, {0, 0, 0x80, 0xbf, 1}, scale},
        {{ACTIVATION_INT4, 1, 1, 0}, 3, {0x80, 0x7f, 1}, scale},
        {{ACTIVATION_INT4, 1, 1, 0}, 3, {0x80, 0xbf, 1}, scale},
        {{ACTIVATION_INT4, 1, 1, 0},
         3,
         {0x80, 0x3f, 0x10},
         "activation: row 0: bits behind the last element are not 0"},
        {{ACTIVATION_TOPK, 1, 5, 1}, 3, {0, 0x7c, 0}, element},
        {{ACTIVATION_TOPK, 1, 5, 1}, 3, {0, 0, 5}, number},
        {{ACTIVATION_TOPK, 1, 5, 1}, 3, {0, 0, 8}, behind},
        {{ACTIVATION_TOPK, 1, 5, 2}, 5, {0, 0, 0, 0, 2 | 2 << 3}, number},
        {{ACTIVATION_TOPK, 1, 5, 2}, 5, {0, 0, 0, 0, 2 | 1 << 3}, number},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct diag diag = {{0}};
        float values[8] = {1, 2, 3, 4, 5, 6, 7, 8}, before[8] = {1, 2, 3, 4, 5, 6, 7, 8};
        int rc = activation_decode(&bad[i].shape, bad[i].bytes, bad[i].size, values, &diag);
        if (rc != ERR_CORRUPT || strcmp(diag.text, bad[i].said) != 0)
            fail_msg("%zu: %d, '%s', expected '%s'", i, rc, diag.text, bad[i].said);
        assert_memory_equal(values, before, sizeof values);
    }
}

static void a_number_that_no_encoder_writes_is_read_as_the_one_above(void **state)
{
    (void) state;
    const struct activation_shape int8 = shape_of(ACTIVATION_INT8, 1, 1, 0),
                                  int4 = shape_of(ACTIVATION_INT4, 1, 2, 0);
    /* The largest float, and the largest bf16: a step more would be infinite. */
    static const uint8_t turned_8[] = {0xff, 0xff, 0x7f, 0x7f, 0x80}, turned_4[] = {0x7f, 0x7f, 0x88};
    float back[2];
    decode(&int8, turned_8, back);
    assert_true(back[0] == -FLT_MAX);
    decode(&int4, turned_4, back);
    assert_true(back[0] == -0x1.fep127f && back[1] == -0x1.fep127f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_those_of_the_layout),
        cmocka_unit_test(small_rows_have_the_bytes_of_a_hand_calculation),
        cmocka_unit_test(every_half_is_decoded_to_its_value_and_encoded_to_itself),
        cmocka_unit_test(numbers_between_two_halves_go_to_the_nearer_and_ties_to_the_even_one),
        cmocka_unit_test(every_element_is_within_its_bound),
        cmocka_unit_test(the_bounds_are_nearly_reached),
        cmocka_unit_test(a_rows_largest_element_survives_int8_exactly),
        cmocka_unit_test(the_k_largest_are_kept_and_of_equal_ones_the_first),
        cmocka_unit_test(a_rows_bytes_do_not_depend_on_its_neighbours),
        cmocka_unit_test(the_same_rows_have_the_same_bits_everywhere),
        cmocka_unit_test(what_is_no_number_is_not_encoded),
        cmocka_unit_test(what_sixteen_bits_cannot_hold_is_refused_by_those_formats_alone),
        cmocka_unit_test(shapes_from_outside_are_checked),
        cmocka_unit_test(bytes_that_are_no_encoding_are_refused),
        cmocka_unit_test(a_number_that_no_encoder_writes_is_read_as_the_one_above),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
