/* Lanes without vector instructions (lanes_internal.h). */
#ifndef HANDOFF_CORE_LINALG_LANES_PLAIN_INTERNAL_H
#define HANDOFF_CORE_LINALG_LANES_PLAIN_INTERNAL_H

#include <stdint.h>
#include <string.h>

#include "core/linalg/fused_internal.h"
#include "core/linalg/half_internal.h"
#include "core/linalg/group_plain_internal.h"
#include "core/linalg/packed_internal.h"

#define INTEGER_ROWS 1u
#define SIGNED_OFFSET 0
#define FLOATS struct plain_floats
#define INTS struct plain_ints
#define BYTES struct plain_bytes
#define FOURS struct plain_ints

struct plain_floats {
    float at[LANES];
};

struct plain_ints {
    int32_t at[LANES];
};

struct plain_bytes {
    uint8_t at[CHUNK_BYTES];
};

static inline FLOATS floats_load(const float *from)
{
    FLOATS to;
    memcpy(to.at, from, sizeof to.at);
    return to;
}

static inline void floats_store(float *to, FLOATS from)
{
    memcpy(to, from.at, sizeof from.at);
}

static inline FLOATS floats_of_halves(const uint8_t *from)
{
    FLOATS to;
    for (size_t i = 0; i < LANES; i++)
        to.at[i] = float_of_half(half_at(from + 2 * i));
    return to;
}

static inline FLOATS floats_of_unsigned(const uint8_t *from)
{
    FLOATS to;
    for (size_t i = 0; i < LANES; i++)
        to.at[i] = (float) from[i];
    return to;
}

static inline FLOATS floats_of_signed(const uint8_t *from)
{
    FLOATS to;
    for (size_t i = 0; i < LANES; i++)
        to.at[i] = (float) (int8_t) from[i];
    return to;
}

static inline FLOATS floats_times(FLOATS a, FLOATS b)
{
    for (size_t i = 0; i < LANES; i++)
        a.at[i] *= b.at[i];
    return a;
}

static inline FLOATS floats_scaled(FLOATS a, float by)
{
    for (size_t i = 0; i < LANES; i++)
        a.at[i] *= by;
    return a;
}

/* a * (float) b + c, rounded once */
static inline FLOATS floats_fused(FLOATS a, INTS b, FLOATS c)
{
    for (size_t i = 0; i < LANES; i++)
        c.at[i] = fused(a.at[i], (float) b.at[i], c.at[i]);
    return c;
}

/* a * b + c, rounded once */
static inline FLOATS floats_fused_all(FLOATS a, float b, FLOATS c)
{
    for (size_t i = 0; i < LANES; i++)
        c.at[i] = fused(a.at[i], b, c.at[i]);
    return c;
}

static inline INTS ints_of(int32_t value)
{
    INTS to;
    for (size_t i = 0; i < LANES; i++)
        to.at[i] = value;
    return to;
}

static inline BYTES bytes_load(const uint8_t *from)
{
    BYTES to;
    memcpy(to.at, from, sizeof to.at);
    return to;
}

/* The lower and the upper four bits of each byte. */
static inline BYTES bytes_low(BYTES from)
{
    for (size_t i = 0; i < CHUNK_BYTES; i++)
        from.at[i] &= 15u;
    return from;
}

static inline BYTES bytes_high(BYTES from)
{
    for (size_t i = 0; i < CHUNK_BYTES; i++)
        from.at[i] >>= 4;
    return from;
}

/* low | two bits of each byte of high, from bit 2 `place` on, as bits 4 and 5 */
static inline BYTES bytes_join(BYTES low, BYTES high, size_t place)
{
    for (size_t i = 0; i < CHUNK_BYTES; i++)
        low.at[i] = (uint8_t) (low.at[i] | (uint32_t) (high.at[i] >> 2 * place & 3) << 4);
    return low;
}

/* Bytes that stand for signed numbers: two chunks more of a sum. A path may add SIGNED_OFFSET to each of them. */
static inline INTS signed_add(INTS sum, const uint8_t *w, const int8_t *z)
{
    for (size_t i = 0; i < LANES; i++)
        for (size_t k = 0; k < 4; k++) {
            sum.at[i] += (int8_t) w[4 * i + k] * z[k];
            sum.at[i] += (int8_t) w[CHUNK_BYTES + 4 * i + k] * z[4 + k];
        }
    return sum;
}

/* Bytes below 64: two chunks more of a sum. */
static inline INTS sixes_add(INTS sum, BYTES first, BYTES second, const int8_t *z)
{
    for (size_t i = 0; i < LANES; i++)
        for (size_t k = 0; k < 4; k++) {
            sum.at[i] += first.at[4 * i + k] * z[k];
            sum.at[i] += second.at[4 * i + k] * z[4 + k];
        }
    return sum;
}

/* Bytes below 16: a sum of 8 chunks has few bits. */
static inline FOURS fours_none(void)
{
    return ints_of(0);
}

static inline FOURS fours_add(FOURS sum, BYTES first, BYTES second, const int8_t *z)
{
    return sixes_add(sum, first, second, z);
}

static inline INTS fours_sum(FOURS sum, int32_t start)
{
    for (size_t i = 0; i < LANES; i++)
        sum.at[i] += start;
    return sum;
}

#endif
