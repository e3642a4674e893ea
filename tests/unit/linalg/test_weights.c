#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/linalg/weights.h"
#include "tests/unit/linalg/weight_rows.h"

#define COUNT 5u
#define DEPTH 768u

static uint8_t rows[COUNT * DEPTH * 4], again[COUNT * DEPTH * 4];
static float values[COUNT * DEPTH], wanted[COUNT * DEPTH];

static void a_row_is_whole_blocks(void **state)
{
    (void) state;
    const size_t bytes[] = {4 * 256, 8 * 34, 8 * 18, 144, 210}, block[] = {1, 32, 32, 256, 256};
    for (unsigned format = 0; format < LINALG_WEIGHTS_FORMATS; format++) {
        assert_int_equal(linalg_row_bytes(format, 256), bytes[format]);
        assert_int_equal(linalg_row_bytes(format, 768), 3 * bytes[format]);
        assert_int_equal(linalg_weights_block(format), block[format]);
        assert_int_equal(linalg_row_bytes(format, 0), 0);
        assert_int_equal(linalg_row_bytes(format, (size_t) LINALG_DEPTH_MAX + 256), 0);
        assert_true(linalg_row_bytes(format, LINALG_DEPTH_MAX) > 0);
    }
    assert_int_equal(linalg_row_bytes(LINALG_F32, 33), 132);
    assert_int_equal(linalg_row_bytes(LINALG_Q8_0, 33), 0);
    assert_int_equal(linalg_row_bytes(LINALG_Q4_0, 16), 0);
    assert_int_equal(linalg_row_bytes(LINALG_Q4_K, 128), 0);
    assert_int_equal(linalg_row_bytes(LINALG_Q6_K, 257), 0);
    assert_string_equal(linalg_weights_name(LINALG_F32), "f32");
    assert_string_equal(linalg_weights_name(LINALG_Q6_K), "q6_k");
}

static void every_number_is_what_its_format_says(void **state)
{
    (void) state;
    for (unsigned format = LINALG_Q8_0; format < LINALG_WEIGHTS_FORMATS; format++) {
        size_t bytes = linalg_row_bytes(format, DEPTH);
        fill_rows(format, COUNT, DEPTH, format, rows);
        linalg_dequantize_rows(format, COUNT, DEPTH, rows, values);
        for (size_t i = 0; i < COUNT * DEPTH; i++) {
            struct weight weight = weight_of(format, rows + i / DEPTH * bytes, i % DEPTH);
            /* In double precision, so that only the last step rounds. */
            float number = (float) ((double) weight.scale * weight.q - (double) weight.minimum);
            if (values[i] != number)
                fail_msg("%s, number %zu: %a instead of %a", linalg_weights_name(format), i,
                         (double) values[i], (double) number);
        }
    }
}

static void floats_stand_as_they_are(void **state)
{
    (void) state;
    fill_floats(wanted, COUNT * 7, 1);
    wanted[3] = NAN;
    linalg_dequantize_rows(LINALG_F32, COUNT, 7, wanted, values);
    assert_memory_equal(values, wanted, COUNT * 7 * sizeof(float));
}

/* The blocks of one format, written by hand. */
static void known_blocks_have_known_values(void **state)
{
    (void) state;
    uint8_t q8_0[34] = {0x00, 0x38, 127, 0x80}, q4_0[18] = {0x00, 0xbc, 0xf0, 0x08};
    uint8_t q4_k[144] = {0x00, 0x3c, 0x00, 0x40}, q6_k[210] = {0};
    linalg_dequantize_rows(LINALG_Q8_0, 1, 32, q8_0, values); /* d = 0.5 */
    assert_true(values[0] == 63.5f && values[1] == -64.0f && values[2] == 0.0f);
    linalg_dequantize_rows(LINALG_Q4_0, 1, 32, q4_0, values); /* d = -1 */
    assert_true(values[0] == 8.0f && values[16] == -7.0f && values[1] == 0.0f && values[17] == 8.0f);
    q4_k[4] = 0xc3;  /* scale 0 is 3; the upper bits of scale 4 are 3 */
    q4_k[8] = 0x45;  /* minimum 0 is 5; the upper bits of minimum 4 are 1 */
    q4_k[12] = 0x21; /* scale 4 is 1 + 48, minimum 4 is 2 + 16 */
    q4_k[16] = 0x07;
    q4_k[16 + 64] = 0x0f;
    linalg_dequantize_rows(LINALG_Q4_K, 1, 256, q4_k, values); /* d = 1, least = 2 */
    assert_true(values[0] == 3.0f * 7.0f - 10.0f && values[1] == -10.0f && values[32] == 0.0f);
    assert_true(values[128] == 49.0f * 15.0f - 36.0f && values[129] == -36.0f);
    q6_k[209] = 0x3c; /* d = 1 */
    memset(q6_k + 192, 1, 16);
    q6_k[192 + 6] = 0xfe; /* scale 6, of numbers 96 to 111, is -2 */
    q6_k[32] = 0x90;      /* number 32 + 64 */
    q6_k[128] = 0xc0;     /* its upper bits are 3 */
    linalg_dequantize_rows(LINALG_Q6_K, 1, 256, q6_k, values);
    assert_true(values[0] == -32.0f && values[96] == -2.0f * (9 + 48 - 32) && values[64] == -32.0f);
}

static void expect_code(enum linalg_weights format, const float *from, int code)
{
    assert_int_equal(linalg_quantize_rows(format, 1, 32, from, rows), code);
}

static void quantized_numbers_are_within_half_a_step(void **state)
{
    (void) state;
    const enum linalg_weights formats[] = {LINALG_Q8_0, LINALG_Q4_0};
    fill_floats(wanted, COUNT * DEPTH, 2);
    for (size_t i = 0; i < DEPTH; i++)
        wanted[i] *= ldexpf(1.0f, (int) (i / 32 % 20) - 6); /* steps that are no denormal halves */
    for (size_t f = 0; f < 2; f++) {
        size_t bytes = linalg_row_bytes(formats[f], DEPTH);
        assert_int_equal(linalg_quantize_rows(formats[f], COUNT, DEPTH, wanted, rows), 0);
        linalg_dequantize_rows(formats[f], COUNT, DEPTH, rows, values);
        for (size_t i = 0; i < COUNT * DEPTH; i++) {
            struct weight weight = weight_of(formats[f], rows + i / DEPTH * bytes, i % DEPTH);
            /* Q4_0 reaches 7 steps to one side and 8 to the other. */
            double step = fabs((double) weight.scale), error = fabs((double) values[i] - (double) wanted[i]);
            if (error > (formats[f] == LINALG_Q4_0 && weight.q == 7 ? 1.01 : 0.501) * step)
                fail_msg("%s, number %zu: %a became %a, steps of %a", linalg_weights_name(formats[f]), i,
                         (double) wanted[i], (double) values[i], step);
        }
    }
}

static void quantizing_what_was_quantized_changes_nothing(void **state)
{
    (void) state;
    const enum linalg_weights formats[] = {LINALG_Q8_0, LINALG_Q4_0};
    fill_floats(wanted, COUNT * DEPTH, 3);
    for (size_t f = 0; f < 2; f++) {
        assert_int_equal(linalg_quantize_rows(formats[f], COUNT, DEPTH, wanted, rows), 0);
        linalg_dequantize_rows(formats[f], COUNT, DEPTH, rows, values);
        assert_int_equal(linalg_quantize_rows(formats[f], COUNT, DEPTH, values, again), 0);
        assert_memory_equal(rows, again, COUNT * linalg_row_bytes(formats[f], DEPTH));
    }
}

static void halves_of_a_step_go_to_the_even_number(void **state)
{
    (void) state;
    float from[32] = {127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f};
    const int8_t q8_0[] = {127, 0, 2, 2, 0, -2, -2, 126};
    expect_code(LINALG_Q8_0, from, 0);
    assert_true(number_of_half(rows) == 1.0f);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal((int8_t) rows[2 + i], q8_0[i]);
    float four[32] = {-8.0f, 8.0f, 0.5f, 1.5f, -0.5f, -1.5f, 7.0f, 7.6f};
    const int q4_0[] = {-8, 7, 0, 2, 0, -2, 7, 7};
    expect_code(LINALG_Q4_0, four, 0);
    assert_true(number_of_half(rows) == 1.0f); /* of -8 and 8, the first counts */
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(weight_of(LINALG_Q4_0, rows, i).q, q4_0[i]);
}

static void a_block_of_nothing_stays_nothing(void **state)
{
    (void) state;
    float from[32] = {0.0f, -0.0f, 0x1p-149f, -1e-9f};
    const enum linalg_weights formats[] = {LINALG_Q8_0, LINALG_Q4_0};
    for (size_t f = 0; f < 2; f++) {
        expect_code(formats[f], from, 0);
        linalg_dequantize_rows(formats[f], 1, 32, rows, values);
        for (size_t i = 0; i < 32; i++)
            assert_true(values[i] == 0.0f);
    }
}

static void numbers_without_a_scale_are_refused(void **state)
{
    (void) state;
    const float bad[] = {NAN, INFINITY, -INFINITY, 3e38f, -1e7f};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t place = 0; place < 32; place += 31) {
            float from[32] = {1.0f, 2.0f, [30] = -3.0f};
            from[place] = bad[i];
            expect_code(LINALG_Q8_0, from, ERR_RANGE);
            expect_code(LINALG_Q4_0, from, ERR_RANGE);
        }
    float most[32] = {8.3e6f};
    expect_code(LINALG_Q8_0, most, 0);
    expect_code(LINALG_Q4_0, most, ERR_RANGE);
    most[0] = 520000.0f;
    expect_code(LINALG_Q4_0, most, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_whole_blocks),
        cmocka_unit_test(every_number_is_what_its_format_says),
        cmocka_unit_test(floats_stand_as_they_are),
        cmocka_unit_test(known_blocks_have_known_values),
        cmocka_unit_test(quantized_numbers_are_within_half_a_step),
        cmocka_unit_test(quantizing_what_was_quantized_changes_nothing),
        cmocka_unit_test(halves_of_a_step_go_to_the_even_number),
        cmocka_unit_test(a_block_of_nothing_stays_nothing),
        cmocka_unit_test(numbers_without_a_scale_are_refused),
    };
    return cmocka_run_group_tests_name("weights", tests, NULL, NULL);
}
