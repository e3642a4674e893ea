/* Bits that turn over: how many, which they never are, and that all that decodes is finite. */
#include "core/damage/damage.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/half.h"
#include "core/base/rng.h"

#define ROWS 64u
#define COLUMNS 131u /* odd: nibbles are filled up */
#define K 20u
#define ELEMENTS ((size_t) ROWS * COLUMNS)

static const struct rng_at place = {.seed = 77, .phase = RNG_VALIDATE, .entity = 1, .episode = 0, .slot = 12};

struct payload {
    struct activation_shape shape;
    uint32_t width; /* bits of an element */
    uint64_t elements;
    size_t size;
    float whole[ELEMENTS], y[ELEMENTS];
    uint8_t bytes[4 * ELEMENTS];
};

static struct payload *payload_of(enum activation_format format)
{
    static const uint32_t widths[] = {32, 16, 8, 4, 16};
    struct payload *payload = calloc(1, sizeof *payload);
    assert_non_null(payload);
    payload->shape = (struct activation_shape){format, ROWS, COLUMNS, format == ACTIVATION_TOPK ? K : 0};
    payload->width = widths[format];
    payload->elements = format == ACTIVATION_TOPK ? ROWS * K : ELEMENTS;
    payload->size = activation_bytes(format, ROWS, COLUMNS, payload->shape.k);
    for (size_t i = 0; i < ELEMENTS; i++)
        payload->y[i] = (float) (i * 7919 % 4001) / 1000.0f - 2.0003f;
    assert_int_equal(activation_encode(&payload->shape, payload->y, payload->bytes, NULL), 0);
    assert_int_equal(activation_decode(&payload->shape, payload->bytes, payload->size, payload->whole, NULL),
                     0);
    return payload;
}

static struct damage_result receive(struct payload *payload, double bit_error, uint32_t protected_bits)
{
    struct damage damage = {.kind = DAMAGE_BITS, .bit_error = bit_error, .protected_bits = protected_bits};
    struct damage_result result = {0};
    struct diag diag = {{0}};
    if (damage_receive(&damage, &payload->shape, &place, payload->bytes, payload->size, payload->y, &result,
                       &diag) != 0)
        fail_msg("%s", diag.text);
    for (size_t i = 0; i < ELEMENTS; i++)
        assert_true(isfinite(payload->y[i]));
    assert_int_equal(result.elements, payload->elements);
    assert_int_equal(result.bits, payload->elements * (payload->width - protected_bits));
    return result;
}

static void the_share_of_turned_bits_is_the_bit_error_rate(void **state)
{
    (void) state;
    static const double rates[] = {0.0, 1e-4, 1e-3, 0.05, 0.5, 1.0};
    for (enum activation_format format = ACTIVATION_FP32; format < ACTIVATION_FORMATS; format++) {
        struct payload *payload = payload_of(format);
        for (size_t r = 0; r < sizeof rates / sizeof *rates; r++)
            for (uint32_t kept = 0; kept < payload->width; kept += payload->width / 4) {
                struct damage_result result = receive(payload, rates[r], kept);
                double bits = (double) result.bits, share = (double) result.turned / bits;
                double limit = 5.0 * sqrt(rates[r] * (1.0 - rates[r]) / bits);
                if (fabs(share - rates[r]) > limit)
                    fail_msg("format %u: %g of the bits turned over, not %g", format, share, rates[r]);
            }
        free(payload);
    }
}

/* int8, whose encoded elements can be read off: x = q a / 127. */
static uint32_t bits_of(const struct payload *payload, size_t e)
{
    const uint8_t *row = payload->bytes + e / COLUMNS * (4 + COLUMNS);
    float a = 0.0f;
    memcpy(&a, row, sizeof a);
    int32_t q = (int32_t) lround((double) payload->y[e] / (double) a * 127.0);
    return (uint32_t) q & 0xffu;
}

static void each_bit_of_an_element_turns_over_as_often_as_the_others(void **state)
{
    (void) state;
    struct payload *payload = payload_of(ACTIVATION_INT8);
    uint32_t turned[8] = {0};
    (void) receive(payload, 0.1, 0);
    for (size_t e = 0; e < ELEMENTS; e++) {
        uint32_t sent = payload->bytes[e / COLUMNS * (4 + COLUMNS) + 4 + e % COLUMNS],
                 got = bits_of(payload, e);
        for (uint32_t b = 0; b < 8; b++)
            turned[b] += (sent ^ got) >> b & 1;
    }
    /* -128 is read as -127: it happens to a few elements, whose lowest bit then looks turned over */
    for (uint32_t b = 0; b < 8; b++)
        assert_true(fabs((double) turned[b] / (double) ELEMENTS - 0.1) < 0.02);
    free(payload);
}

static void protected_bits_and_scales_never_turn_over(void **state)
{
    (void) state;
    for (uint32_t kept = 1; kept <= 8; kept++) {
        struct payload *payload = payload_of(ACTIVATION_INT8);
        (void) receive(payload, 0.5, kept);
        for (size_t e = 0; e < ELEMENTS; e++) {
            uint32_t sent = payload->bytes[e / COLUMNS * (4 + COLUMNS) + 4 + e % COLUMNS];
            uint32_t high = sent >> (8 - kept), got = bits_of(payload, e);
            bool was_floor = got == 0x81; /* -127, which -128 is read as */
            assert_true(got >> (8 - kept) == high || (was_floor && kept == 8));
        }
        free(payload);
    }
    for (enum activation_format format = ACTIVATION_FP32; format < ACTIVATION_FORMATS; format++) {
        struct payload *payload = payload_of(format);
        struct damage_result result = receive(payload, 1.0, payload->width);
        assert_memory_equal(payload->y, payload->whole, sizeof payload->y);
        assert_int_equal(result.turned + result.missing, 0);
        free(payload);
    }
}

static void a_sign_and_an_exponent_that_are_protected_keep_magnitudes(void **state)
{
    (void) state;
    static const struct {
        enum activation_format format;
        uint32_t kept;
    } known[] = {{ACTIVATION_FP32, 9}, {ACTIVATION_FP16, 6}, {ACTIVATION_TOPK, 6}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct payload *payload = payload_of(known[i].format);
        struct damage_result result = receive(payload, 0.5, known[i].kept);
        assert_int_equal(result.missing, 0);
        for (size_t e = 0; e < ELEMENTS; e++) {
            double sent = (double) payload->whole[e], got = (double) payload->y[e];
            assert_true(fabs(got) <= 2.0 * fabs(sent) && fabs(sent) <= 2.0 * fabs(got) && got * sent >= 0.0);
        }
        free(payload);
    }
}

/* All bits turned over: the inverse of each number, and zero where that is none. */
static void all_bits_of_a_number_turned_over_are_its_inverse(void **state)
{
    (void) state;
    struct payload *payload = payload_of(ACTIVATION_FP16);
    payload->bytes[0] = 0x34; /* 0x0234, whose inverse 0xfdcb is no number */
    payload->bytes[1] = 0x02;
    struct damage_result result = receive(payload, 1.0, 0);
    assert_int_equal(result.turned, result.bits);
    assert_int_equal(result.missing, 1);
    assert_true(payload->y[0] == 0.0f);
    for (size_t e = 1; e < ELEMENTS; e++) {
        uint32_t half = payload->bytes[2 * e] | (uint32_t) payload->bytes[2 * e + 1] << 8;
        assert_true(payload->y[e] == half_to_float((uint16_t) ~half));
    }
    free(payload);
}

static void floats_that_become_no_numbers_are_missing(void **state)
{
    (void) state;
    for (enum activation_format format = ACTIVATION_FP32; format <= ACTIVATION_FP16; format++) {
        struct payload *payload = payload_of(format);
        struct damage_result result = receive(payload, 0.5, 0);
        uint64_t zeros = 0;
        for (size_t e = 0; e < ELEMENTS; e++)
            zeros += payload->y[e] == 0.0f ? 1 : 0;
        double share = format == ACTIVATION_FP32 ? 1.0 / 256 : 1.0 / 32; /* an exponent of ones */
        double limit = 5.0 * sqrt(share / (double) ELEMENTS);
        assert_true(fabs((double) result.missing / (double) ELEMENTS - share) < limit);
        assert_true(zeros >= result.missing);
        free(payload);
    }
}

static void the_same_place_turns_the_same_bits(void **state)
{
    (void) state;
    struct payload *payload = payload_of(ACTIVATION_INT4), *again = payload_of(ACTIVATION_INT4);
    (void) receive(payload, 0.01, 1);
    (void) receive(again, 0.01, 1);
    assert_memory_equal(payload->y, again->y, sizeof payload->y);
    assert_true(memcmp(payload->y, payload->whole, sizeof payload->y) != 0);
    free(payload);
    free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_share_of_turned_bits_is_the_bit_error_rate),
        cmocka_unit_test(each_bit_of_an_element_turns_over_as_often_as_the_others),
        cmocka_unit_test(protected_bits_and_scales_never_turn_over),
        cmocka_unit_test(a_sign_and_an_exponent_that_are_protected_keep_magnitudes),
        cmocka_unit_test(all_bits_of_a_number_turned_over_are_its_inverse),
        cmocka_unit_test(floats_that_become_no_numbers_are_missing),
        cmocka_unit_test(the_same_place_turns_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
