#include "core/damage/losses_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/simd_clones.h"
#include "core/damage/draws_internal.h"
#include "core/damage/turned_internal.h"

#define WORD_BYTES 4u /* what INTERLEAVED deals out */

/* ---- what is put in a gap; lost [rows * columns]: not 0 where an element did not arrive ---- */

struct gaps {
    uint32_t rows, columns;
    uint8_t *lost;
    const float *before; /* NULL: none */
    float *x;
};

SIMD_CLONES static void zero_lost(float *restrict x, const uint8_t *restrict lost, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float kept = x[i];
        x[i] = lost[i] == 0 ? kept : 0.0f;
    }
}

SIMD_CLONES static void fill_row(float *restrict x, const uint8_t *restrict lost, const float *restrict from,
                                 uint32_t columns)
{
    for (uint32_t c = 0; c < columns; c++) {
        float kept = x[c], other = from[c];
        x[c] = lost[c] == 0 ? kept : other;
    }
}

static void fill_previous(const struct gaps *gaps)
{
    for (size_t r = 0; r < gaps->rows; r++) {
        float *row = gaps->x + r * gaps->columns;
        const uint8_t *lost = gaps->lost + r * gaps->columns;
        if (r > 0 || gaps->before != NULL)
            fill_row(row, lost, r > 0 ? row - gaps->columns : gaps->before, gaps->columns);
        else
            zero_lost(row, lost, gaps->columns);
    }
}

/* Of the elements of each column that arrived. Sums are in the order of rows. */
static void find_means(const struct gaps *gaps, double *sum, uint32_t *count)
{
    uint32_t columns = gaps->columns;
    for (size_t r = 0; r < gaps->rows; r++)
        for (uint32_t c = 0; c < columns; c++) {
            bool arrived = gaps->lost[r * columns + c] == 0;
            sum[c] += arrived ? (double) gaps->x[r * columns + c] : 0.0;
            count[c] += arrived ? 1 : 0;
        }
}

/* The means of what arrived: the caller frees. NULL: no memory. */
static float *means_of_columns(const struct gaps *gaps)
{
    float *mean = malloc(gaps->columns * sizeof *mean);
    double *sum = calloc(gaps->columns, sizeof *sum);
    uint32_t *count = calloc(gaps->columns, sizeof *count);
    if (mean != NULL && sum != NULL && count != NULL) {
        find_means(gaps, sum, count);
        for (uint32_t c = 0; c < gaps->columns; c++)
            mean[c] = count[c] > 0 ? (float) (sum[c] / count[c]) : 0.0f;
    } else {
        free(mean);
        mean = NULL;
    }
    free(sum);
    free(count);
    return mean;
}

static int fill_mean(const struct gaps *gaps, const float *given)
{
    float *found = given == NULL ? means_of_columns(gaps) : NULL;
    const float *mean = given != NULL ? given : found;
    if (mean == NULL)
        return -ENOMEM;
    for (size_t r = 0; r < gaps->rows; r++)
        fill_row(gaps->x + r * gaps->columns, gaps->lost + r * gaps->columns, mean, gaps->columns);
    free(found);
    return 0;
}

static int fill(const struct damage *damage, const struct gaps *gaps)
{
    switch (damage->fill) {
    case DAMAGE_ZERO: zero_lost(gaps->x, gaps->lost, (size_t) gaps->rows * gaps->columns); break;
    case DAMAGE_PREVIOUS: fill_previous(gaps); break;
    case DAMAGE_MEAN: return fill_mean(gaps, damage->mean);
    }
    return 0;
}

/* ---- ELEMENTS ---- */

/* Zeroes those whose word is below the limit, and says how many. */
SIMD_CLONES static uint64_t zero_below(const uint32_t *restrict word, uint32_t limit, uint32_t count,
                                       float *restrict x)
{
    uint32_t lost = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t is_lost = word[i] < limit ? 1 : 0, bits = 0;
        memcpy(&bits, &x[i], sizeof bits);
        bits &= is_lost - 1;
        memcpy(&x[i], &bits, sizeof bits);
        lost += is_lost;
    }
    return lost;
}

SIMD_CLONES static uint64_t mark_below(const uint32_t *restrict word, uint32_t limit, uint32_t count,
                                       uint8_t *restrict ret_lost)
{
    uint32_t lost = 0;
    for (uint32_t i = 0; i < count; i++) {
        ret_lost[i] = word[i] < limit ? 1 : 0;
        lost += ret_lost[i];
    }
    return lost;
}

/* Elements from number `first` on are zeroed in x, or else marked. Returns how many are lost. */
static uint64_t lose(const struct rng_at *at, uint64_t threshold, uint64_t first, size_t count, float *x,
                     uint8_t *ret_lost)
{
    uint32_t word[DRAWS_PORTION], portion;
    uint64_t lost = 0;
    if (threshold == 0 && ret_lost != NULL)
        memset(ret_lost, 0, count);
    if (threshold == 0)
        return 0;
    if (threshold >> 32 != 0) {
        memset(ret_lost != NULL ? (void *) ret_lost : (void *) x, ret_lost != NULL ? 1 : 0,
               count * (ret_lost != NULL ? sizeof *ret_lost : sizeof *x));
        return count;
    }
    for (size_t done = 0; done < count; done += portion) {
        portion = (uint32_t) (count - done < DRAWS_PORTION ? count - done : DRAWS_PORTION);
        draws_words(at, first + done, portion, word);
        lost += ret_lost != NULL ? mark_below(word, (uint32_t) threshold, portion, ret_lost + done)
                                 : zero_below(word, (uint32_t) threshold, portion, x + done);
    }
    return lost;
}

int losses_elements(const struct damage *damage, const struct rng_at *at, uint32_t first_row, uint32_t rows,
                    uint32_t columns, const float *before, float *x, struct damage_result *result)
{
    uint64_t threshold = draws_threshold(damage->loss), first = (uint64_t) first_row * columns;
    size_t count = (size_t) rows * columns;
    struct gaps gaps = {.rows = rows, .columns = columns, .before = before, .x = x};
    int rc = 0;
    if (damage->fill != DAMAGE_ZERO && threshold > 0) {
        if ((gaps.lost = malloc(count)) == NULL)
            return -ENOMEM;
        result->missing += lose(at, threshold, first, count, NULL, gaps.lost);
        rc = fill(damage, &gaps);
    } else {
        result->missing += lose(at, threshold, first, count, x, NULL);
    }
    result->elements += count;
    free(gaps.lost);
    return rc;
}

/* ---- PACKETS ---- */

uint64_t damage_packets(const struct damage *damage, const struct activation_shape *shape)
{
    size_t bytes = activation_bytes(shape->format, shape->rows, shape->columns, shape->k);
    return (bytes + damage->packet_bytes - 1) / damage->packet_bytes;
}

static bool packet_is_missing(const struct damage *damage, const struct rng_at *at, uint64_t packet)
{
    if (damage->missing_packets != NULL)
        return damage->missing_packets[packet] != 0;
    uint32_t word = 0;
    draws_words(at, packet, 1, &word);
    return word < draws_threshold(damage->loss);
}

/* Marks the bytes of one packet of a payload in gone [size]. */
static void mark_packet(const struct damage *damage, uint64_t packet, uint64_t packets, size_t size,
                        uint8_t *gone)
{
    if (damage->layout == DAMAGE_ROWS) {
        size_t first = (size_t) packet * damage->packet_bytes, left = size - first;
        memset(gone + first, 1, left < damage->packet_bytes ? left : damage->packet_bytes);
        return;
    }
    for (size_t at = (size_t) packet * WORD_BYTES; at < size; at += (size_t) packets * WORD_BYTES)
        memset(gone + at, 1, size - at < WORD_BYTES ? size - at : WORD_BYTES);
}

static bool any_gone(const uint8_t *gone, size_t count)
{
    uint8_t any = 0;
    for (size_t i = 0; i < count; i++)
        any |= gone[i];
    return any != 0;
}

/* Elements of `each` bytes behind a scale, or none. */
static void mark_numbers(const uint8_t *gone, size_t scale, size_t each, uint32_t columns, uint8_t *ret_lost)
{
    bool no_scale = any_gone(gone, scale);
    for (uint32_t c = 0; c < columns; c++)
        ret_lost[c] = no_scale || any_gone(gone + scale + c * each, each) ? 1 : 0;
}

static void mark_int4(const uint8_t *gone, uint32_t columns, uint8_t *ret_lost)
{
    for (uint32_t first = 0; first < columns; first += ACTIVATION_INT4_BLOCK) {
        uint32_t left = columns - first, count = left < ACTIVATION_INT4_BLOCK ? left : ACTIVATION_INT4_BLOCK;
        bool no_scale = any_gone(gone, 2);
        for (uint32_t i = 0; i < count; i++)
            ret_lost[first + i] = no_scale || gone[2 + i / 2] != 0 ? 1 : 0;
        gone += 2 + (count + 1) / 2;
    }
}

/* The i-th number of a row, of `bits` bits from bit i * bits on. */
static uint32_t number_at(const uint8_t *numbers, uint32_t i, uint32_t bits)
{
    uint32_t number = 0;
    for (uint32_t b = 0; b < bits; b++) {
        uint64_t bit = (uint64_t) i * bits + b;
        number |= ((uint32_t) numbers[bit / 8] >> (bit % 8) & 1u) << b;
    }
    return number;
}

/* Kept elements that are gone become zero at once, and only a row of which all are gone has gaps. Returns how many. */
static uint64_t lose_topk(const struct activation_shape *shape, const uint8_t *row, const uint8_t *gone,
                          float *x, uint8_t *ret_lost)
{
    const uint32_t k = shape->k;
    uint32_t bits = 0, lost = 0;
    while (bits < 32 && (shape->columns - 1) >> bits > 0)
        bits++;
    const size_t numbers = (size_t) 2 * k;
    for (uint32_t i = 0; i < k; i++) {
        size_t first = (size_t) ((uint64_t) i * bits / 8),
               end = (size_t) (((uint64_t) (i + 1) * bits + 7) / 8);
        if (!any_gone(gone + (size_t) 2 * i, 2) &&
            !any_gone(gone + numbers + first, bits > 0 ? end - first : 0))
            continue;
        x[number_at(row + numbers, i, bits)] = 0.0f;
        lost++;
    }
    memset(ret_lost, lost == k ? 1 : 0, shape->columns);
    return lost;
}

/* Marks and counts what is lost of one row. */
static uint64_t mark_row(const struct activation_shape *shape, const uint8_t *row, const uint8_t *gone,
                         float *x, uint8_t *ret_lost)
{
    uint64_t lost = 0;
    switch (shape->format) {
    case ACTIVATION_FP32: mark_numbers(gone, 0, 4, shape->columns, ret_lost); break;
    case ACTIVATION_FP16: mark_numbers(gone, 0, 2, shape->columns, ret_lost); break;
    case ACTIVATION_INT8: mark_numbers(gone, 4, 1, shape->columns, ret_lost); break;
    case ACTIVATION_INT4: mark_int4(gone, shape->columns, ret_lost); break;
    case ACTIVATION_TOPK: return lose_topk(shape, row, gone, x, ret_lost);
    case ACTIVATION_FORMATS: assert(false);
    }
    for (uint32_t c = 0; c < shape->columns; c++)
        lost += ret_lost[c];
    return lost;
}

int losses_packets(const struct damage *damage, const struct activation_shape *shape, const struct rng_at *at,
                   const uint8_t *bytes, float *x, struct damage_result *result)
{
    size_t size = activation_bytes(shape->format, shape->rows, shape->columns, shape->k);
    size_t each = size / shape->rows, columns = shape->columns;
    uint64_t packets = damage_packets(damage, shape), missing = 0;
    uint8_t *gone = calloc(size, 1), *lost = malloc(shape->rows * columns);
    int rc = gone != NULL && lost != NULL ? 0 : -ENOMEM;
    for (uint64_t p = 0; rc == 0 && p < packets; p++) {
        if (!packet_is_missing(damage, at, p))
            continue;
        mark_packet(damage, p, packets, size, gone);
        missing++;
    }
    if (rc == 0)
        result->elements += turned_elements(shape);
    if (rc == 0 && missing > 0) {
        for (size_t r = 0; r < shape->rows; r++)
            result->missing +=
                mark_row(shape, bytes + r * each, gone + r * each, x + r * columns, lost + r * columns);
        struct gaps gaps = {.rows = shape->rows, .columns = shape->columns, .lost = lost, .x = x};
        rc = fill(damage, &gaps);
    }
    free(gone);
    free(lost);
    return rc;
}
