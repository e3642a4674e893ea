#include "core/infer/activation.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/half.h"

#define SIGN 0x80000000u
#define MAGNITUDE 0x7fffffffu
#define INFINITE 0x7f800000u /* magnitudes from here on are no finite numbers */

#define HALF_LIMIT 65520.0f /* what is not below would round to infinity (IEEE 754, binary16) */
#define HALF_INFINITE 0x7c00u

#define BF16_MAX 0x7f7fu

#define INT8_MAX_Q 127.0
#define INT4_MAX_Q 7.0

/* Added and taken away again, it rounds a double below 2^51 to the nearest integer, ties to even. */
#define ROUNDER 0x1.8p52

_Static_assert(sizeof(size_t) >= 8, "the largest encoding has 2^35 bytes");

/* ---- numbers and bytes ---- */

static uint32_t bits_of(float x)
{
    uint32_t bits = 0;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float x = 0.0f;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void put_16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t) value;
    to[1] = (uint8_t) (value >> 8);
}

static uint32_t get_16(const uint8_t *from)
{
    return (uint32_t) from[0] | (uint32_t) from[1] << 8;
}

static void put_32(uint8_t *to, uint32_t value)
{
    put_16(to, value);
    put_16(to + 2, value >> 16);
}

static uint32_t get_32(const uint8_t *from)
{
    return get_16(from) | get_16(from + 2) << 16;
}

static bool is_finite_32(uint32_t bits)
{
    return (bits & MAGNITUDE) < INFINITE;
}

static bool is_finite_16(uint32_t half)
{
    return (half & 0x7fffu) < HALF_INFINITE;
}

/* The least bf16 that is not below a magnitude, or the largest that there is. */
static uint32_t bf16_above(uint32_t magnitude)
{
    uint32_t up = (magnitude + 0xffffu) >> 16;
    return up < BF16_MAX ? up : BF16_MAX;
}

static uint32_t largest_magnitude(const float *x, uint32_t columns)
{
    uint32_t largest = 0;
    for (uint32_t i = 0; i < columns; i++) {
        uint32_t magnitude = bits_of(x[i]) & MAGNITUDE;
        largest = magnitude > largest ? magnitude : largest;
    }
    return largest;
}

/* What x / largest * most rounds to. In doubles, nothing of a float's range overflows or underflows here. */
static double steps_per_unit(double largest, double most)
{
    return largest > 0.0 ? most / largest : 0.0;
}

static int32_t quantised(float x, double steps)
{
    return (int32_t) ((double) x * steps + ROUNDER - ROUNDER);
}

/* Bits that number a column. */
static uint32_t number_bits(uint32_t columns)
{
    uint32_t bits = 0;
    while (bits < 32 && (columns - 1) >> bits > 0)
        bits++;
    return bits;
}

/* ---- FP32 and FP16 ---- */

static void encode_fp32(const float *x, uint32_t columns, uint32_t k, uint8_t *to)
{
    (void) k;
    for (uint32_t i = 0; i < columns; i++)
        put_32(to + (size_t) 4 * i, bits_of(x[i]));
}

static const char *check_fp32(const uint8_t *from, uint32_t columns, uint32_t k)
{
    bool finite = true;
    (void) k;
    for (uint32_t i = 0; i < columns; i++)
        finite &= is_finite_32(get_32(from + (size_t) 4 * i));
    return finite ? NULL : "an element is not a finite number";
}

static void decode_fp32(const uint8_t *from, uint32_t columns, uint32_t k, float *to)
{
    (void) k;
    for (uint32_t i = 0; i < columns; i++)
        to[i] = float_of(get_32(from + (size_t) 4 * i));
}

static void encode_fp16(const float *x, uint32_t columns, uint32_t k, uint8_t *to)
{
    (void) k;
    for (uint32_t i = 0; i < columns; i++)
        put_16(to + (size_t) 2 * i, half_of_float(x[i]));
}

static const char *check_fp16(const uint8_t *from, uint32_t columns, uint32_t k)
{
    bool finite = true;
    (void) k;
    for (uint32_t i = 0; i < columns; i++)
        finite &= is_finite_16(get_16(from + (size_t) 2 * i));
    return finite ? NULL : "an element is not a finite number";
}

static void decode_fp16(const uint8_t *from, uint32_t columns, uint32_t k, float *to)
{
    (void) k;
    for (uint32_t i = 0; i < columns; i++)
        to[i] = half_to_float((uint16_t) get_16(from + (size_t) 2 * i));
}

/* ---- INT8 ---- */

static void encode_int8(const float *x, uint32_t columns, uint32_t k, uint8_t *to)
{
    uint32_t largest = largest_magnitude(x, columns);
    double steps = steps_per_unit((double) float_of(largest), INT8_MAX_Q);
    (void) k;
    put_32(to, largest);
    for (uint32_t i = 0; i < columns; i++)
        to[4 + i] = (uint8_t) quantised(x[i], steps);
}

static const char *check_int8(const uint8_t *from, uint32_t columns, uint32_t k)
{
    (void) columns;
    (void) k;
    return get_32(from) < INFINITE ? NULL : "a scale is not a finite number of at least 0";
}

static void decode_int8(const uint8_t *from, uint32_t columns, uint32_t k, float *to)
{
    double step = (double) float_of(get_32(from)) / INT8_MAX_Q;
    (void) k;
    for (uint32_t i = 0; i < columns; i++) {
        int32_t q = (int32_t) (from[4 + i] ^ 0x80u) - 0x80;
        to[i] = (float) ((q < -127 ? -127 : q) * step);
    }
}

/* ---- INT4 ---- */

static uint32_t block_columns(uint32_t columns, uint32_t first)
{
    uint32_t left = columns - first;
    return left < ACTIVATION_INT4_BLOCK ? left : ACTIVATION_INT4_BLOCK;
}

static size_t block_bytes(uint32_t columns)
{
    return 2 + (columns + 1) / 2;
}

static void encode_int4(const float *x, uint32_t columns, uint32_t k, uint8_t *to)
{
    (void) k;
    for (uint32_t first = 0; first < columns; first += ACTIVATION_INT4_BLOCK) {
        uint32_t count = block_columns(columns, first);
        uint32_t scale = bf16_above(largest_magnitude(x + first, count));
        double steps = steps_per_unit((double) float_of(scale << 16), INT4_MAX_Q);
        uint32_t q[ACTIVATION_INT4_BLOCK] = {0};
        put_16(to, scale);
        for (uint32_t i = 0; i < count; i++)
            q[i] = (uint32_t) quantised(x[first + i], steps) & 0xfu;
        for (uint32_t i = 0; i < count; i += 2)
            to[2 + i / 2] = (uint8_t) (q[i] | q[i + 1] << 4);
        to += block_bytes(count);
    }
}

static const char *check_int4(const uint8_t *from, uint32_t columns, uint32_t k)
{
    (void) k;
    for (uint32_t first = 0; first < columns; first += ACTIVATION_INT4_BLOCK) {
        uint32_t count = block_columns(columns, first);
        if (get_16(from) > BF16_MAX)
            return "a scale is not a finite number of at least 0";
        if (count % 2 == 1 && from[block_bytes(count) - 1] >> 4 != 0)
            return "bits behind the last element are not 0";
        from += block_bytes(count);
    }
    return NULL;
}

static void decode_int4(const uint8_t *from, uint32_t columns, uint32_t k, float *to)
{
    (void) k;
    for (uint32_t first = 0; first < columns; first += ACTIVATION_INT4_BLOCK) {
        uint32_t count = block_columns(columns, first);
        double step = (double) float_of(get_16(from) << 16) / INT4_MAX_Q;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t pair = from[2 + i / 2];
            int32_t q = (int32_t) (((i % 2 == 0 ? pair : pair >> 4) & 0xfu) ^ 0x8u) - 0x8;
            to[first + i] = (float) ((q < -7 ? -7 : q) * step);
        }
        from += block_bytes(count);
    }
}

/* ---- TOPK ---- */

/* The k-th largest magnitude, and how many of the k are above it. Found byte by byte from the highest: of the
 * magnitudes that begin like it, a histogram of the next byte tells how many are larger. */
static uint32_t kth_magnitude(const float *x, uint32_t columns, uint32_t k, uint32_t *ret_above)
{
    uint32_t prefix = 0, mask = 0, above = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        uint32_t count[256] = {0}, byte = 255;
        for (uint32_t i = 0; i < columns; i++) {
            uint32_t magnitude = bits_of(x[i]) & MAGNITUDE;
            count[magnitude >> shift & 0xffu] += (magnitude & mask) == prefix ? 1 : 0;
        }
        for (; above + count[byte] < k; byte--) {
            above += count[byte];
            assert(byte > 0);
        }
        prefix |= byte << shift;
        mask |= 0xffu << shift;
    }
    *ret_above = above;
    return prefix;
}

/* Numbers of `bits` bits, one after the other, the lowest bit first. */
struct packer {
    uint8_t *to;
    uint64_t held;
    uint32_t held_bits;
};

static void pack(struct packer *packer, uint32_t number, uint32_t bits)
{
    packer->held |= (uint64_t) number << packer->held_bits;
    packer->held_bits += bits;
    for (; packer->held_bits >= 8; packer->held_bits -= 8) {
        *packer->to++ = (uint8_t) packer->held;
        packer->held >>= 8;
    }
}

static void pack_end(struct packer *packer)
{
    if (packer->held_bits > 0)
        *packer->to++ = (uint8_t) packer->held;
}

struct unpacker {
    const uint8_t *from;
    uint64_t held;
    uint32_t held_bits;
};

static uint32_t unpack(struct unpacker *unpacker, uint32_t bits)
{
    for (; unpacker->held_bits < bits; unpacker->held_bits += 8)
        unpacker->held |= (uint64_t) *unpacker->from++ << unpacker->held_bits;
    uint32_t number = (uint32_t) (unpacker->held & (((uint64_t) 1 << bits) - 1));
    unpacker->held >>= bits;
    unpacker->held_bits -= bits;
    return number;
}

static void encode_topk(const float *x, uint32_t columns, uint32_t k, uint8_t *to)
{
    uint32_t above = 0, taken = 0, bits = number_bits(columns);
    uint32_t least = kth_magnitude(x, columns, k, &above);
    uint32_t equal = k - above; /* of those that are as large as the k-th */
    struct packer packer = {.to = to + (size_t) 2 * k};
    for (uint32_t i = 0; i < columns && taken < k; i++) {
        uint32_t magnitude = bits_of(x[i]) & MAGNITUDE;
        if (magnitude < least || (magnitude == least && equal == 0))
            continue;
        equal -= magnitude == least ? 1 : 0;
        put_16(to + (size_t) 2 * taken++, half_of_float(x[i]));
        pack(&packer, i, bits);
    }
    assert(taken == k && equal == 0);
    pack_end(&packer);
}

static const char *check_topk(const uint8_t *from, uint32_t columns, uint32_t k)
{
    uint32_t bits = number_bits(columns), next = 0;
    struct unpacker unpacker = {.from = from + (size_t) 2 * k};
    if (check_fp16(from, k, 0) != NULL)
        return "an element is not a finite number";
    for (uint32_t i = 0; i < k; i++) {
        uint32_t number = unpack(&unpacker, bits);
        if (number < next || number >= columns)
            return "numbers of columns do not rise, or are too large";
        next = number + 1;
    }
    return unpacker.held == 0 ? NULL : "bits behind the last number are not 0";
}

static void decode_topk(const uint8_t *from, uint32_t columns, uint32_t k, float *to)
{
    uint32_t bits = number_bits(columns);
    struct unpacker unpacker = {.from = from + (size_t) 2 * k};
    for (uint32_t i = 0; i < columns; i++)
        to[i] = 0.0f;
    for (uint32_t i = 0; i < k; i++)
        to[unpack(&unpacker, bits)] = half_to_float((uint16_t) get_16(from + (size_t) 2 * i));
}

/* ---- all formats ---- */

/* One row of each format. A check says what is wrong, or NULL. */
static const struct coder {
    bool is_half; /* elements become f16 */
    void (*encode)(const float *x, uint32_t columns, uint32_t k, uint8_t *to);
    const char *(*check)(const uint8_t *from, uint32_t columns, uint32_t k);
    void (*decode)(const uint8_t *from, uint32_t columns, uint32_t k, float *to);
} coders[ACTIVATION_FORMATS] = {
    [ACTIVATION_FP32] = {false, encode_fp32, check_fp32, decode_fp32},
    [ACTIVATION_FP16] = {true, encode_fp16, check_fp16, decode_fp16},
    [ACTIVATION_INT8] = {false, encode_int8, check_int8, decode_int8},
    [ACTIVATION_INT4] = {false, encode_int4, check_int4, decode_int4},
    [ACTIVATION_TOPK] = {true, encode_topk, check_topk, decode_topk},
};

static size_t row_bytes(enum activation_format format, uint32_t columns, uint32_t k)
{
    switch (format) {
    case ACTIVATION_FP32: return (size_t) 4 * columns;
    case ACTIVATION_FP16: return (size_t) 2 * columns;
    case ACTIVATION_INT8: return 4 + (size_t) columns;
    case ACTIVATION_INT4: {
        uint32_t rest = columns % ACTIVATION_INT4_BLOCK;
        return columns / ACTIVATION_INT4_BLOCK * block_bytes(ACTIVATION_INT4_BLOCK) +
               (rest > 0 ? block_bytes(rest) : 0);
    }
    case ACTIVATION_TOPK: return (size_t) 2 * k + ((size_t) k * number_bits(columns) + 7) / 8;
    case ACTIVATION_FORMATS: break;
    }
    assert(false); /* every format is above */
    return 0;
}

int activation_check(const struct activation_shape *shape, struct diag *diag)
{
    unsigned format = shape->format;
    if (format >= ACTIVATION_FORMATS)
        return diag_fail(diag, ERR_RANGE, "activation: format %u is not known, allowed 0 to %u", format,
                         ACTIVATION_FORMATS - 1u);
    if (shape->rows < 1 || shape->rows > ACTIVATION_ROWS_MAX)
        return diag_fail(diag, ERR_RANGE, "activation: %u rows, allowed 1 to %u", shape->rows,
                         ACTIVATION_ROWS_MAX);
    if (shape->columns < 1 || shape->columns > ACTIVATION_COLUMNS_MAX)
        return diag_fail(diag, ERR_RANGE, "activation: %u columns, allowed 1 to %u", shape->columns,
                         ACTIVATION_COLUMNS_MAX);
    bool keeps_k = format == ACTIVATION_TOPK;
    if (keeps_k ? shape->k < 1 || shape->k > shape->columns : shape->k != 0)
        return diag_fail(diag, ERR_RANGE, "activation: k is %u, allowed %u to %u", shape->k,
                         keeps_k ? 1u : 0u, keeps_k ? shape->columns : 0u);
    return 0;
}

size_t activation_bytes(enum activation_format format, uint32_t rows, uint32_t columns, uint32_t k)
{
    assert(activation_check(&(struct activation_shape){format, rows, columns, k}, NULL) == 0);
    return rows * row_bytes(format, columns, k);
}

/* Whether all of a row can be encoded: with magnitudes below `limit`. */
static bool row_fits(const float *x, uint32_t columns, uint32_t limit)
{
    return largest_magnitude(x, columns) < limit;
}

static int fail_element(const float *x, uint32_t row, uint32_t columns, uint32_t limit, struct diag *diag)
{
    uint32_t i = 0;
    while ((bits_of(x[i]) & MAGNITUDE) < limit)
        i++;
    assert(i < columns);
    if (is_finite_32(bits_of(x[i])))
        return diag_fail(
            diag, ERR_RANGE,
            "activation: row %u, column %u is %g, too large for 16 bits, which hold up to 65504: "
            "use another format",
            row, i, (double) x[i]);
    return diag_fail(diag, ERR_RANGE, "activation: row %u, column %u is not a finite number", row, i);
}

int activation_encode(const struct activation_shape *shape, const float *x, uint8_t *ret_bytes,
                      struct diag *diag)
{
    assert(activation_check(shape, NULL) == 0);
    const struct coder *coder = &coders[shape->format];
    uint32_t columns = shape->columns, limit = coder->is_half ? bits_of(HALF_LIMIT) : INFINITE;
    size_t size = row_bytes(shape->format, columns, shape->k);
    for (uint32_t r = 0; r < shape->rows; r++)
        if (!row_fits(x + (size_t) r * columns, columns, limit))
            return fail_element(x + (size_t) r * columns, r, columns, limit, diag);
    for (uint32_t r = 0; r < shape->rows; r++)
        coder->encode(x + (size_t) r * columns, columns, shape->k, ret_bytes + r * size);
    return 0;
}

int activation_decode(const struct activation_shape *shape, const uint8_t *bytes, size_t size, float *ret_x,
                      struct diag *diag)
{
    int rc = activation_check(shape, diag);
    if (rc != 0)
        return rc;
    const struct coder *coder = &coders[shape->format];
    uint32_t columns = shape->columns;
    size_t each = row_bytes(shape->format, columns, shape->k);
    if (size != shape->rows * each)
        return diag_fail(diag, ERR_CORRUPT, "activation: %zu bytes, but %u rows of %u columns have %zu", size,
                         shape->rows, columns, shape->rows * each);
    for (uint32_t r = 0; r < shape->rows; r++) {
        const char *wrong = coder->check(bytes + r * each, columns, shape->k);
        if (wrong != NULL)
            return diag_fail(diag, ERR_CORRUPT, "activation: row %u: %s", r, wrong);
    }
    for (uint32_t r = 0; r < shape->rows; r++)
        coder->decode(bytes + r * each, columns, shape->k, ret_x + (size_t) r * columns);
    return 0;
}
