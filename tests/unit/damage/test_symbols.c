/* Uncoded transmission, y = h x + n: noise of the power that the SNR says, under each gain and each fading. */
#include "core/damage/damage.h"

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

#include "core/base/rng.h"

#define ROWS 200u
#define COLUMNS 301u /* odd: rows begin within a pair of normals */
#define ELEMENTS ((size_t) ROWS * COLUMNS)

static const struct rng_at place = {.seed = 5, .phase = RNG_TRAIN, .entity = 2, .episode = 9, .slot = 1};

struct payload {
    float x[ELEMENTS], y[ELEMENTS];
};

/* Rows whose magnitudes differ by up to 20. */
static int setup(void **state)
{
    struct payload *payload = malloc(sizeof *payload);
    assert_non_null(payload);
    for (size_t i = 0; i < ELEMENTS; i++)
        payload->x[i] =
            (float) (0.1 + (double) (i / COLUMNS) / 100.0) * ((float) (i * 7919 % 2001) / 1000.0f - 1.0f);
    *state = payload;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void receive(const struct damage *damage, struct payload *payload)
{
    struct damage_result result = {0};
    memcpy(payload->y, payload->x, sizeof payload->y);
    assert_int_equal(damage_rows(damage, &place, 0, ROWS, COLUMNS, NULL, payload->y, &result), 0);
    assert_int_equal(result.elements, ELEMENTS);
    assert_int_equal(result.missing, 0);
}

/* Mean square of y - h x in some rows. */
static double noise_power(const struct payload *payload, size_t first, size_t rows, double h)
{
    double sum = 0.0;
    for (size_t i = first * COLUMNS; i < (first + rows) * COLUMNS; i++) {
        double n = (double) payload->y[i] - h * (double) payload->x[i];
        sum += n * n;
    }
    return sum / (double) (rows * COLUMNS);
}

/* The mean square of n normals is 1 with the standard deviation sqrt(2 / n). */
static void assert_power(double power, double due, double count)
{
    if (!(fabs(power / due - 1.0) < 5.0 * sqrt(2.0 / count)))
        fail_msg("noise of power %g, not %g", power, due);
}

static void noise_under_a_fixed_gain_has_the_power_of_the_reference(void **state)
{
    struct payload *payload = *state;
    for (double snr = -10.0; snr <= 30.0; snr += 20.0) {
        struct damage damage = {.kind = DAMAGE_ANALOG, .snr_db = snr, .reference_rms = 1.5};
        receive(&damage, payload);
        double due = 1.5 * 1.5 * pow(10.0, -snr / 10.0);
        assert_power(noise_power(payload, 0, ROWS, 1.0), due, ELEMENTS);
        assert_power(noise_power(payload, 0, 20, 1.0), due, 20 * COLUMNS); /* of small and large rows alike */
        assert_power(noise_power(payload, ROWS - 20, 20, 1.0), due, 20 * COLUMNS);
    }
}

static void noise_under_a_gain_per_token_follows_each_row(void **state)
{
    struct payload *payload = *state;
    struct damage damage = {.kind = DAMAGE_ANALOG, .snr_db = 10, .power = DAMAGE_PER_TOKEN};
    double sum = 0.0;
    receive(&damage, payload);
    for (uint32_t r = 0; r < ROWS; r++) {
        double rms = damage_rms(payload->x + (size_t) r * COLUMNS, COLUMNS),
               power = noise_power(payload, r, 1, 1.0);
        assert_power(power, rms * rms / 10.0, COLUMNS);
        sum += power / (rms * rms);
    }
    assert_power(sum / ROWS, 0.1, ELEMENTS);
}

static void noise_under_a_gain_per_request_follows_the_payload(void **state)
{
    struct payload *payload = *state;
    struct damage damage = {.kind = DAMAGE_ANALOG, .snr_db = 0, .power = DAMAGE_PER_REQUEST};
    double rms = damage_rms(payload->x, ELEMENTS);
    receive(&damage, payload);
    assert_power(noise_power(payload, 0, 20, 1.0), rms * rms, 20 * COLUMNS);
    assert_power(noise_power(payload, ROWS - 20, 20, 1.0), rms * rms, 20 * COLUMNS);
}

static void noise_is_normal_and_its_neighbours_are_independent(void **state)
{
    struct payload *payload = *state;
    struct damage damage = {.kind = DAMAGE_ANALOG, .reference_rms = 1.0};
    memset(payload->x, 0, sizeof payload->x);
    receive(&damage, payload);
    double sum = 0.0, fourth = 0.0, lagged = 0.0, within = 0.0;
    for (size_t i = 0; i < ELEMENTS; i++) {
        double n = (double) payload->y[i];
        sum += n;
        fourth += n * n * n * n;
        within += fabs(n) < 1.0 ? 1.0 : 0.0;
        lagged += i > 0 ? n * (double) payload->y[i - 1] : 0.0;
    }
    double count = (double) ELEMENTS;
    assert_true(fabs(sum / count) < 5.0 / sqrt(count));
    assert_true(fabs(lagged / count) < 5.0 / sqrt(count));
    assert_true(fabs(fourth / count - 3.0) < 5.0 * sqrt(96.0 / count)); /* E n^8 - 9 = 96 */
    assert_true(fabs(within / count - erf(sqrt(0.5))) < 5.0 * 0.47 / sqrt(count));
}

/* ---- fading ---- */

static void each_block_of_rows_has_its_own_gain(void **state)
{
    struct payload *payload = *state;
    static const uint32_t blocks[] = {0, 1, 3};
    for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++)
        for (enum damage_fading fading = DAMAGE_RAYLEIGH; fading <= DAMAGE_NAKAGAMI; fading++) {
            struct damage damage = {.kind = DAMAGE_ANALOG,
                                    .snr_db = 120,
                                    .fading = fading,
                                    .nakagami_m = 2,
                                    .block_rows = blocks[b],
                                    .power = DAMAGE_PER_TOKEN};
            receive(&damage, payload);
            for (uint32_t r = 0; r < ROWS; r++) {
                double h = damage_gain(&damage, &place, blocks[b] > 0 ? r / blocks[b] : 0);
                double rms = damage_rms(payload->x + (size_t) r * COLUMNS, COLUMNS);
                assert_true(noise_power(payload, r, 1, h) < 1e-11 * rms * rms);
            }
        }
}

static void an_equalised_receiver_sees_noise_over_h(void **state)
{
    struct payload *payload = *state;
    struct damage damage = {.kind = DAMAGE_ANALOG,
                            .snr_db = 20,
                            .fading = DAMAGE_RAYLEIGH,
                            .block_rows = 1,
                            .equalised = true,
                            .power = DAMAGE_PER_TOKEN};
    double sum = 0.0;
    receive(&damage, payload);
    for (uint32_t r = 0; r < ROWS; r++) {
        double h = damage_gain(&damage, &place, r), power = noise_power(payload, r, 1, 1.0);
        double rms = damage_rms(payload->x + (size_t) r * COLUMNS, COLUMNS);
        assert_power(power, rms * rms * 0.01 / (h * h), COLUMNS);
        sum += power * h * h / (rms * rms);
    }
    assert_power(sum / ROWS, 0.01, ELEMENTS);
}

static void equalised_without_fading_is_plain(void **state)
{
    struct payload *payload = *state;
    struct damage damage = {.kind = DAMAGE_ANALOG, .snr_db = 3, .power = DAMAGE_PER_TOKEN};
    float *plain = malloc(sizeof payload->y);
    assert_non_null(plain);
    receive(&damage, payload);
    memcpy(plain, payload->y, sizeof payload->y);
    damage.equalised = true;
    receive(&damage, payload);
    assert_memory_equal(plain, payload->y, sizeof payload->y);
    free(plain);
}

/* ---- portions, bytes, the ends of floats ---- */

static void portions_of_rows_give_the_same_bits(void **state)
{
    struct payload *payload = *state;
    static const uint32_t portions[] = {1, 2, 7, 199};
    for (enum damage_power power = DAMAGE_FIXED; power <= DAMAGE_PER_REQUEST; power++) {
        struct damage damage = {.kind = DAMAGE_ANALOG,
                                .snr_db = 10,
                                .fading = DAMAGE_NAKAGAMI,
                                .nakagami_m = 0.7,
                                .block_rows = 3,
                                .equalised = true,
                                .power = power,
                                .reference_rms = damage_rms(payload->x, ELEMENTS)};
        float *whole = malloc(sizeof payload->y);
        assert_non_null(whole);
        receive(&damage, payload);
        memcpy(whole, payload->y, sizeof payload->y);
        if (power == DAMAGE_PER_REQUEST) { /* which finds the same by itself */
            struct damage own = damage;
            own.reference_rms = 0.0;
            receive(&own, payload);
            assert_memory_equal(payload->y, whole, sizeof payload->y);
        }
        for (size_t p = 0; p < sizeof portions / sizeof *portions; p++) {
            struct damage_result result = {0};
            memcpy(payload->y, payload->x, sizeof payload->y);
            for (uint32_t r = 0, rows; r < ROWS; r += rows) {
                rows = ROWS - r < portions[p] ? ROWS - r : portions[p];
                assert_int_equal(damage_rows(&damage, &place, r, rows, COLUMNS, NULL,
                                             payload->y + (size_t) r * COLUMNS, &result),
                                 0);
            }
            assert_memory_equal(payload->y, whole, sizeof payload->y);
        }
        free(whole);
    }
}

static void bytes_of_fp32_are_received_like_floats(void **state)
{
    struct payload *payload = *state;
    struct activation_shape shape = {ACTIVATION_FP32, ROWS, COLUMNS, 0};
    struct damage damage = {.kind = DAMAGE_ANALOG, .snr_db = 10, .power = DAMAGE_PER_TOKEN, .block_rows = 1};
    struct damage_result result = {0};
    uint8_t *bytes = malloc(4 * ELEMENTS);
    float *y = malloc(sizeof payload->y);
    assert_non_null(bytes);
    assert_non_null(y);
    assert_int_equal(activation_encode(&shape, payload->x, bytes, NULL), 0);
    assert_int_equal(damage_receive(&damage, &shape, &place, bytes, 4 * ELEMENTS, y, &result, NULL), 0);
    receive(&damage, payload);
    assert_memory_equal(y, payload->y, sizeof payload->y);
    free(bytes);
    free(y);
}

static void what_is_too_large_for_a_float_did_not_arrive(void **state)
{
    (void) state;
    struct damage damage = {.kind = DAMAGE_ANALOG, .snr_db = 0, .power = DAMAGE_PER_TOKEN};
    struct damage_result result = {0};
    float x[1000];
    uint64_t zeros = 0;
    for (size_t i = 0; i < 1000; i++)
        x[i] = i % 2 == 0 ? FLT_MAX : -FLT_MAX;
    assert_int_equal(damage_rows(&damage, &place, 0, 10, 100, NULL, x, &result), 0);
    for (size_t i = 0; i < 1000; i++) {
        assert_true(isfinite(x[i]));
        zeros += x[i] == 0.0f ? 1 : 0;
    }
    assert_true(zeros > 400 && zeros < 600); /* noise of the element's own sign */
    assert_int_equal(result.missing, zeros);
}

static void an_empty_signal_stays_empty(void **state)
{
    (void) state;
    float x[100] = {0};
    for (enum damage_power power = DAMAGE_PER_TOKEN; power <= DAMAGE_PER_REQUEST; power++) {
        struct damage damage = {
            .kind = DAMAGE_ANALOG, .power = power, .fading = DAMAGE_RAYLEIGH, .equalised = true};
        struct damage_result result = {0};
        assert_int_equal(damage_rows(&damage, &place, 0, 10, 10, NULL, x, &result), 0);
        for (size_t i = 0; i < 100; i++)
            assert_true(x[i] == 0.0f);
        assert_int_equal(result.missing, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(noise_under_a_fixed_gain_has_the_power_of_the_reference),
        TEST(noise_under_a_gain_per_token_follows_each_row),
        TEST(noise_under_a_gain_per_request_follows_the_payload),
        TEST(noise_is_normal_and_its_neighbours_are_independent),
        TEST(each_block_of_rows_has_its_own_gain),
        TEST(an_equalised_receiver_sees_noise_over_h),
        TEST(equalised_without_fading_is_plain),
        TEST(portions_of_rows_give_the_same_bits),
        TEST(bytes_of_fp32_are_received_like_floats),
        cmocka_unit_test(what_is_too_large_for_a_float_did_not_arrive),
        cmocka_unit_test(an_empty_signal_stays_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
