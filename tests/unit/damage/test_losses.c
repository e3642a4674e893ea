/* Elements and packets that do not arrive: which elements they are, how many, and what is put in their place. */
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

#include "core/base/err.h"
#include "core/base/rng.h"

#define ROWS 5u
#define COLUMNS 37u /* two blocks of int4, the second of an odd length */
#define ELEMENTS (ROWS * COLUMNS)
#define BYTES_MAX (4u * ELEMENTS)
#define PACKETS_MAX BYTES_MAX

static const struct rng_at place = {.seed = 11, .phase = RNG_TEST, .entity = 3, .episode = 2, .slot = 7};

/* No element is 0 in any format, and none is like its neighbour. */
static void fill_up(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = (i % 2 == 0 ? 1.0f : -1.0f) * (1.0f + (float) (i % 7) / 4.0f + (float) i / 512.0f);
}

static void receive(const struct damage *damage, const struct activation_shape *shape, const float *x,
                    float *ret_y, struct damage_result *result)
{
    size_t size = activation_bytes(shape->format, shape->rows, shape->columns, shape->k);
    uint8_t *bytes = malloc(size);
    struct diag diag = {{0}};
    assert_non_null(bytes);
    if (activation_encode(shape, x, bytes, &diag) != 0 ||
        damage_receive(damage, shape, &place, bytes, size, ret_y, result, &diag) != 0)
        fail_msg("%s", diag.text);
    free(bytes);
}

/* ---- which elements lie in a packet ---- */

/* Which elements' values need a byte: those that change, or do not decode, when one of its bits does. */
static void mark_users_of(const struct activation_shape *shape, uint8_t *bytes, size_t size, size_t at,
                          const float *whole, bool *users)
{
    float y[ELEMENTS];
    for (unsigned bit = 0; bit < 8; bit++) {
        bytes[at] ^= (uint8_t) (1u << bit);
        if (activation_decode(shape, bytes, size, y, NULL) == 0)
            for (size_t e = 0; e < ELEMENTS; e++)
                users[e] |= memcmp(&y[e], &whole[e], sizeof *y) != 0;
        bytes[at] ^= (uint8_t) (1u << bit);
    }
}

static uint64_t packet_of(const struct damage *damage, uint64_t packets, size_t byte)
{
    return damage->layout == DAMAGE_ROWS ? byte / damage->packet_bytes : byte / 4 % packets;
}

static void check_one_missing(struct damage *damage, const struct activation_shape *shape, uint8_t *bytes,
                              size_t size, const float *whole, uint64_t packet)
{
    uint64_t packets = damage_packets(damage, shape), count = 0;
    uint8_t missing[PACKETS_MAX] = {0};
    bool expected[ELEMENTS] = {false};
    float y[ELEMENTS];
    struct damage_result result = {0};
    for (size_t byte = 0; byte < size; byte++)
        if (packet_of(damage, packets, byte) == packet)
            mark_users_of(shape, bytes, size, byte, whole, expected);
    missing[packet] = 1;
    damage->missing_packets = missing;
    assert_int_equal(damage_receive(damage, shape, &place, bytes, size, y, &result, NULL), 0);
    for (size_t e = 0; e < ELEMENTS; e++) {
        float due = expected[e] ? 0.0f : whole[e];
        if (memcmp(&y[e], &due, sizeof due) != 0)
            fail_msg("format %u, layout %u, packet %u of %u bytes: element %zu is %g, not %g", shape->format,
                     damage->layout, (unsigned) packet, damage->packet_bytes, e, (double) y[e], (double) due);
        count += expected[e] ? 1 : 0;
    }
    assert_int_equal(result.elements, ELEMENTS);
    assert_int_equal(result.missing, count);
}

static void a_missing_packet_takes_the_elements_that_need_one_of_its_bytes(void **state)
{
    (void) state;
    static const uint32_t sizes[] = {1, 3, 4, 5, 16, 41, 64, 10000};
    float x[ELEMENTS], whole[ELEMENTS];
    uint8_t bytes[BYTES_MAX];
    fill_up(x, ELEMENTS);
    for (enum activation_format format = ACTIVATION_FP32; format <= ACTIVATION_INT4; format++) {
        struct activation_shape shape = {format, ROWS, COLUMNS, 0};
        size_t size = activation_bytes(format, ROWS, COLUMNS, 0);
        assert_int_equal(activation_encode(&shape, x, bytes, NULL), 0);
        assert_int_equal(activation_decode(&shape, bytes, size, whole, NULL), 0);
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (enum damage_layout layout = DAMAGE_ROWS; layout <= DAMAGE_INTERLEAVED; layout++) {
                struct damage damage = {.kind = DAMAGE_PACKETS, .layout = layout, .packet_bytes = sizes[s]};
                uint64_t packets = damage_packets(&damage, &shape), step = packets > 40 ? packets / 40 : 1;
                for (uint64_t p = 0; p < packets; p += step)
                    check_one_missing(&damage, &shape, bytes, size, whole, p);
            }
    }
}

/* 3 rows of 6 columns, of which 2 are kept: 4 bytes of values and 1 of numbers, of 3 bits each. */
static void a_missing_packet_takes_the_kept_elements_of_top_k(void **state)
{
    (void) state;
    static const float x[18] = {9, 1, 1, 1, 1, 8, 1, 7, 6, 1, 1, 1, 1, 1, 5, 1, 4, 1};
    const struct activation_shape shape = {ACTIVATION_TOPK, 3, 6, 2};
    static const struct {
        uint32_t packet_bytes;
        enum damage_layout layout;
        enum damage_fill fill;
        uint8_t missing[15];
        uint64_t lost;
        float due[18];
    } known[] = {
        /* the first row's second value */
        {2, DAMAGE_ROWS, DAMAGE_PREVIOUS, {0, 1}, 1, {9, 0, 0, 0, 0, 0, 0, 7, 6, 0, 0, 0, 0, 0, 5, 0, 4, 0}},
        /* the first row's numbers, and half a value of the second row: the first row is whole lost */
        {2, DAMAGE_ROWS, DAMAGE_ZERO, {0, 0, 1}, 3, {0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 5, 0, 4, 0}},
        /* the second row's numbers: it is filled like the first */
        {1,
         DAMAGE_ROWS,
         DAMAGE_PREVIOUS,
         {[9] = 1},
         2,
         {9, 0, 0, 0, 0, 8, 9, 0, 0, 0, 0, 8, 0, 0, 5, 0, 4, 0}},
        /* words 0 and 2 of the payload: bytes 0 to 3 and 8 to 11 */
        {8,
         DAMAGE_INTERLEAVED,
         DAMAGE_ZERO,
         {1, 0},
         5,
         {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct damage damage = {.kind = DAMAGE_PACKETS,
                                .packet_bytes = known[i].packet_bytes,
                                .layout = known[i].layout,
                                .fill = known[i].fill,
                                .missing_packets = known[i].missing};
        struct damage_result result = {0};
        float y[18];
        receive(&damage, &shape, x, y, &result);
        for (size_t e = 0; e < 18; e++)
            if (y[e] != known[i].due[e])
                fail_msg("case %zu: element %zu is %g, not %g", i, e, (double) y[e],
                         (double) known[i].due[e]);
        assert_int_equal(result.elements, 6);
        assert_int_equal(result.missing, known[i].lost);
    }
}

/* ---- how many ---- */

/* Five standard deviations of a binomial share. */
static void assert_share(uint64_t happened, uint64_t of, double probability)
{
    double share = (double) happened / (double) of;
    double limit = 5.0 * sqrt(probability * (1.0 - probability) / (double) of);
    if (fabs(share - probability) > limit)
        fail_msg("%g of %g, not %g", (double) happened, (double) of, probability);
}

static void the_share_of_lost_elements_is_the_loss(void **state)
{
    (void) state;
    enum { rows = 256, columns = 1000 };
    static const double losses[] = {0.0, 1e-3, 0.1, 0.5, 0.97, 1.0};
    float *x = malloc(sizeof *x * rows * columns);
    assert_non_null(x);
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
        for (enum damage_fill fill = DAMAGE_ZERO; fill <= DAMAGE_PREVIOUS; fill++) {
            struct damage damage = {.kind = DAMAGE_ELEMENTS, .loss = losses[i], .fill = fill};
            struct damage_result result = {0};
            uint64_t zeros = 0, beside = 0;
            fill_up(x, (size_t) rows * columns);
            assert_int_equal(damage_rows(&damage, &place, 0, rows, columns, NULL, x, &result), 0);
            for (size_t e = 0; e < (size_t) rows * columns; e++) {
                zeros += x[e] == 0.0f ? 1 : 0;
                beside += e > 0 && x[e] == 0.0f && x[e - 1] == 0.0f ? 1 : 0;
            }
            assert_int_equal(result.elements, rows * columns);
            assert_share(result.missing, result.elements, losses[i]);
            if (fill != DAMAGE_ZERO)
                continue;
            assert_int_equal(zeros, result.missing);
            /* independent of one another: runs of a dependent pair are counted too */
            assert_true(fabs((double) beside / (rows * columns) - losses[i] * losses[i]) < 0.01);
        }
    free(x);
}

static void the_share_of_lost_packets_is_the_loss(void **state)
{
    (void) state;
    enum { rows = 500, columns = 100 };
    struct activation_shape shape = {ACTIVATION_FP32, rows, columns, 0};
    struct damage damage = {.kind = DAMAGE_PACKETS, .loss = 0.3, .packet_bytes = 4};
    float *x = malloc(sizeof *x * rows * columns), *y = malloc(sizeof *y * rows * columns);
    struct damage_result result = {0};
    assert_non_null(x);
    assert_non_null(y);
    fill_up(x, (size_t) rows * columns);
    receive(&damage, &shape, x, y, &result);
    assert_share(result.missing, rows * columns, 0.3); /* a packet is an element */
    for (uint32_t bytes = 400; bytes <= 800; bytes += 400) {
        result = (struct damage_result){0};
        damage.packet_bytes = bytes;
        receive(&damage, &shape, x, y, &result);
        assert_int_equal(result.missing % (bytes / 4), 0);
        assert_share(result.missing / (bytes / 4), rows * 400 / bytes, 0.3);
    }
    free(x);
    free(y);
}

/* Element by element, with rng's own functions. */
static void a_lost_element_is_a_draw_of_its_own_number(void **state)
{
    (void) state;
    struct rng_at own = place;
    struct damage damage = {.kind = DAMAGE_ELEMENTS, .loss = 0.25};
    struct damage_result result = {0};
    float x[ELEMENTS], y[ELEMENTS];
    own.stream = RNG_DAMAGE;
    fill_up(x, ELEMENTS);
    memcpy(y, x, sizeof y);
    assert_int_equal(damage_rows(&damage, &place, 100, ROWS, COLUMNS, NULL, y, &result), 0);
    for (uint32_t e = 0; e < ELEMENTS; e++) {
        uint32_t number = 100 * COLUMNS + e;
        bool lost = rng_u01(rng_block(&own, number / 4).v[number % 4]) < 0.25;
        assert_true(y[e] == (lost ? 0.0f : x[e]));
    }
}

/* ---- gaps ---- */

static void a_gap_takes_the_token_before_or_the_mean_or_zero(void **state)
{
    (void) state;
    static const float x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, layer[3] = {-1, -2, -3};
    /* packets of one element; missing: all of row 0, 5 and 8 of column 1, 7 of column 0 */
    static const uint8_t missing[12] = {1, 1, 1, 0, 1, 0, 1, 1, 0};
    const struct activation_shape shape = {ACTIVATION_FP32, 4, 3, 0};
    static const struct {
        enum damage_fill fill;
        const float *mean;
        float due[12];
    } known[] = {
        {DAMAGE_ZERO, NULL, {0, 0, 0, 4, 0, 6, 0, 0, 9, 10, 11, 12}},
        {DAMAGE_PREVIOUS, NULL, {0, 0, 0, 4, 0, 6, 4, 0, 9, 10, 11, 12}},
        {DAMAGE_MEAN, NULL, {7, 11, 9, 4, 11, 6, 7, 11, 9, 10, 11, 12}},
        {DAMAGE_MEAN, layer, {-1, -2, -3, 4, -2, 6, -1, -2, 9, 10, 11, 12}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct damage damage = {.kind = DAMAGE_PACKETS,
                                .packet_bytes = 4,
                                .fill = known[i].fill,
                                .mean = known[i].mean,
                                .missing_packets = missing};
        struct damage_result result = {0};
        float y[12];
        receive(&damage, &shape, x, y, &result);
        for (size_t e = 0; e < 12; e++)
            if (y[e] != known[i].due[e])
                fail_msg("case %zu: element %zu is %g, not %g", i, e, (double) y[e],
                         (double) known[i].due[e]);
        assert_int_equal(result.missing, 6);
    }
}

static void a_column_of_which_nothing_arrived_has_mean_0(void **state)
{
    (void) state;
    struct damage damage = {.kind = DAMAGE_ELEMENTS, .loss = 1.0, .fill = DAMAGE_MEAN};
    struct damage_result result = {0};
    float x[ELEMENTS];
    fill_up(x, ELEMENTS);
    assert_int_equal(damage_rows(&damage, &place, 0, ROWS, COLUMNS, NULL, x, &result), 0);
    for (size_t e = 0; e < ELEMENTS; e++)
        assert_true(x[e] == 0.0f);
}

static void portions_of_rows_lose_the_same_elements(void **state)
{
    (void) state;
    static const float layer[COLUMNS] = {3.0f, 1.0f};
    for (enum damage_fill fill = DAMAGE_ZERO; fill <= DAMAGE_MEAN; fill++)
        for (uint32_t portion = 1; portion <= ROWS; portion++) {
            struct damage damage = {.kind = DAMAGE_ELEMENTS, .loss = 0.4, .fill = fill, .mean = layer};
            struct damage_result all = {0}, parts = {0};
            float whole[ELEMENTS], x[ELEMENTS];
            fill_up(whole, ELEMENTS);
            fill_up(x, ELEMENTS);
            assert_int_equal(damage_rows(&damage, &place, 0, ROWS, COLUMNS, NULL, whole, &all), 0);
            for (uint32_t r = 0; r < ROWS; r += portion) {
                float *row = x + r * COLUMNS;
                uint32_t rows = ROWS - r < portion ? ROWS - r : portion;
                assert_int_equal(
                    damage_rows(&damage, &place, r, rows, COLUMNS, r > 0 ? row - COLUMNS : NULL, row, &parts),
                    0);
            }
            assert_memory_equal(x, whole, sizeof x);
            assert_memory_equal(&parts, &all, sizeof all);
        }
}

static void nothing_lost_is_the_decoded_payload(void **state)
{
    (void) state;
    static const struct damage none[] = {{.kind = DAMAGE_NONE},
                                         {.kind = DAMAGE_ELEMENTS},
                                         {.kind = DAMAGE_PACKETS, .packet_bytes = 9},
                                         {.kind = DAMAGE_BITS}};
    float x[ELEMENTS], due[ELEMENTS], y[ELEMENTS];
    uint8_t bytes[BYTES_MAX];
    fill_up(x, ELEMENTS);
    for (enum activation_format format = ACTIVATION_FP32; format < ACTIVATION_FORMATS; format++)
        for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
            struct activation_shape shape = {format, ROWS, COLUMNS, format == ACTIVATION_TOPK ? 5 : 0};
            struct damage_result result = {0};
            assert_int_equal(activation_encode(&shape, x, bytes, NULL), 0);
            assert_int_equal(
                activation_decode(&shape, bytes, activation_bytes(format, ROWS, COLUMNS, shape.k), due, NULL),
                0);
            receive(&none[i], &shape, x, y, &result);
            assert_memory_equal(y, due, sizeof y);
            assert_int_equal(result.missing + result.turned, 0);
        }
}

/* ---- what is refused ---- */

static void what_is_no_damage_is_refused(void **state)
{
    (void) state;
    static const struct activation_shape fp32 = {ACTIVATION_FP32, 2, 3, 0}, int8 = {ACTIVATION_INT8, 2, 3, 0},
                                         large = {ACTIVATION_FP32, 131072, 65536, 0};
    const struct {
        const struct activation_shape *shape;
        struct damage damage;
        const char *word;
    } wrong[] = {
        {&fp32, {.kind = (enum damage_kind) 9}, "kind"},
        {&fp32, {.kind = DAMAGE_ELEMENTS, .loss = 1.5}, "loss"},
        {&fp32, {.kind = DAMAGE_ELEMENTS, .loss = NAN}, "loss"},
        {&fp32, {.kind = DAMAGE_ELEMENTS, .fill = (enum damage_fill) 3}, "fill"},
        {&fp32, {.kind = DAMAGE_PACKETS}, "0 bytes"},
        {&fp32, {.kind = DAMAGE_PACKETS, .packet_bytes = 1, .layout = (enum damage_layout) 2}, "layout"},
        {&fp32, {.kind = DAMAGE_PACKETS, .packet_bytes = 1, .loss = -0.1}, "loss"},
        {&int8, {.kind = DAMAGE_ANALOG, .power = DAMAGE_PER_TOKEN}, "fp32"},
        {&fp32, {.kind = DAMAGE_ANALOG}, "fixed gain"},
        {&fp32, {.kind = DAMAGE_ANALOG, .power = DAMAGE_PER_REQUEST, .reference_rms = INFINITY}, "inf"},
        {&fp32, {.kind = DAMAGE_ANALOG, .power = (enum damage_power) 3}, "power"},
        {&fp32, {.kind = DAMAGE_ANALOG, .power = DAMAGE_PER_TOKEN, .snr_db = 201}, "SNR"},
        {&fp32,
         {.kind = DAMAGE_ANALOG, .power = DAMAGE_PER_TOKEN, .fading = (enum damage_fading) 3},
         "fading"},
        {&fp32,
         {.kind = DAMAGE_ANALOG, .power = DAMAGE_PER_TOKEN, .fading = DAMAGE_NAKAGAMI, .nakagami_m = 0.4},
         "Nakagami"},
        {&fp32, {.kind = DAMAGE_BITS, .bit_error = 2}, "turn over"},
        {&int8, {.kind = DAMAGE_BITS, .protected_bits = 9}, "protected"},
        {&large, {.kind = DAMAGE_BITS}, "2 GiB"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct diag diag = {{0}};
        assert_int_equal(damage_check(&wrong[i].damage, wrong[i].shape, &diag), ERR_RANGE);
        if (strstr(diag.text, wrong[i].word) == NULL)
            fail_msg("\"%s\" does not say %s", diag.text, wrong[i].word);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_packet_takes_the_elements_that_need_one_of_its_bytes),
        cmocka_unit_test(a_missing_packet_takes_the_kept_elements_of_top_k),
        cmocka_unit_test(the_share_of_lost_elements_is_the_loss),
        cmocka_unit_test(the_share_of_lost_packets_is_the_loss),
        cmocka_unit_test(a_lost_element_is_a_draw_of_its_own_number),
        cmocka_unit_test(a_gap_takes_the_token_before_or_the_mean_or_zero),
        cmocka_unit_test(a_column_of_which_nothing_arrived_has_mean_0),
        cmocka_unit_test(portions_of_rows_lose_the_same_elements),
        cmocka_unit_test(nothing_lost_is_the_decoded_payload),
        cmocka_unit_test(what_is_no_damage_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
