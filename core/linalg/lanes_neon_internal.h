/* Lanes in four registers of arm64 (lanes_internal.h), with its products of bytes where the processor has them: the
 * compiler's flags say so. */
#ifndef HANDOFF_CORE_LINALG_LANES_NEON_INTERNAL_H
#define HANDOFF_CORE_LINALG_LANES_NEON_INTERNAL_H

#ifdef __aarch64__ /* without it there is nothing here */

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#include "core/linalg/group_plain_internal.h"
#include "core/linalg/packed_internal.h"

#ifdef __ARM_FEATURE_DOTPROD
#define INTEGER_ROWS 4u
#else
#define INTEGER_ROWS 2u
#endif
#define QUARTERS 4u
#define SIGNED_OFFSET 0
#define FLOATS struct neon_floats
#define INTS struct neon_ints
#define BYTES struct neon_bytes
#define FOURS struct neon_ints

struct neon_floats {
    float32x4_t at[QUARTERS];
};

struct neon_ints {
    int32x4_t at[QUARTERS];
};

struct neon_bytes {
    uint8x16_t at[QUARTERS];
};

static inline FLOATS floats_load(const float *from)
{
    FLOATS to;
    for (size_t i = 0; i < QUARTERS; i++)
        to.at[i] = vld1q_f32(from + 4 * i);
    return to;
}

static inline void floats_store(float *to, FLOATS from)
{
    for (size_t i = 0; i < QUARTERS; i++)
        vst1q_f32(to + 4 * i, from.at[i]);
}

static inline FLOATS floats_of_halves(const uint8_t *from)
{
    FLOATS to;
    for (size_t i = 0; i < QUARTERS; i++)
        to.at[i] = vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(from + 8 * i)));
    return to;
}

static inline FLOATS floats_of_unsigned(const uint8_t *from)
{
    FLOATS to;
    uint8x16_t bytes = vld1q_u8(from);
    uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_u8(vget_high_u8(bytes));
    to.at[0] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(low)));
    to.at[1] = vcvtq_f32_u32(vmovl_u16(vget_high_u16(low)));
    to.at[2] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(high)));
    to.at[3] = vcvtq_f32_u32(vmovl_u16(vget_high_u16(high)));
    return to;
}

static inline FLOATS floats_of_signed(const uint8_t *from)
{
    FLOATS to;
    int8x16_t bytes = vreinterpretq_s8_u8(vld1q_u8(from));
    int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_s8(vget_high_s8(bytes));
    to.at[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)));
    to.at[1] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(low)));
    to.at[2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)));
    to.at[3] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)));
    return to;
}

static inline FLOATS floats_times(FLOATS a, FLOATS b)
{
    for (size_t i = 0; i < QUARTERS; i++)
        a.at[i] = vmulq_f32(a.at[i], b.at[i]);
    return a;
}

static inline FLOATS floats_scaled(FLOATS a, float by)
{
    for (size_t i = 0; i < QUARTERS; i++)
        a.at[i] = vmulq_n_f32(a.at[i], by);
    return a;
}

static inline FLOATS floats_fused(FLOATS a, INTS b, FLOATS c)
{
    for (size_t i = 0; i < QUARTERS; i++)
        c.at[i] = vfmaq_f32(c.at[i], a.at[i], vcvtq_f32_s32(b.at[i]));
    return c;
}

/* a * b + c, rounded once */
static inline FLOATS floats_fused_all(FLOATS a, float b, FLOATS c)
{
    for (size_t i = 0; i < QUARTERS; i++)
        c.at[i] = vfmaq_n_f32(c.at[i], a.at[i], b);
    return c;
}

static inline INTS ints_of(int32_t value)
{
    INTS to;
    for (size_t i = 0; i < QUARTERS; i++)
        to.at[i] = vdupq_n_s32(value);
    return to;
}

static inline BYTES bytes_load(const uint8_t *from)
{
    BYTES to;
    for (size_t i = 0; i < QUARTERS; i++)
        to.at[i] = vld1q_u8(from + 16 * i);
    return to;
}

static inline BYTES bytes_low(BYTES from)
{
    for (size_t i = 0; i < QUARTERS; i++)
        from.at[i] = vandq_u8(from.at[i], vdupq_n_u8(15));
    return from;
}

static inline BYTES bytes_high(BYTES from)
{
    for (size_t i = 0; i < QUARTERS; i++)
        from.at[i] = vshrq_n_u8(from.at[i], 4);
    return from;
}

static inline BYTES bytes_join(BYTES low, BYTES high, size_t place)
{
    for (size_t i = 0; i < QUARTERS; i++) {
        uint8x16_t moved = place == 0   ? vshlq_n_u8(high.at[i], 4)
                           : place == 1 ? vshlq_n_u8(high.at[i], 2)
                           : place == 2 ? high.at[i]
                                        : vshrq_n_u8(high.at[i], 2);
        low.at[i] = vorrq_u8(low.at[i], vandq_u8(moved, vdupq_n_u8(0x30)));
    }
    return low;
}

static inline int8x16_t four_of(const int8_t *z)
{
    int32_t four;
    memcpy(&four, z, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

/* Bytes as signed ones: two chunks of four lanes. Without the instruction, products are added in pairs of 16 bits,
 * which hold two products of 128 and 127. */
static inline int32x4_t quarter_add(int32x4_t sum, uint8x16_t first, uint8x16_t second, int8x16_t z0,
                                    int8x16_t z1)
{
    int8x16_t w0 = vreinterpretq_s8_u8(first), w1 = vreinterpretq_s8_u8(second);
#ifdef __ARM_FEATURE_DOTPROD
    return vdotq_s32(vdotq_s32(sum, w0, z0), w1, z1);
#else
    int16x8_t low = vmull_s8(vget_low_s8(w0), vget_low_s8(z0)), high = vmull_high_s8(w0, z0);
    low = vmlal_s8(low, vget_low_s8(w1), vget_low_s8(z1));
    high = vmlal_high_s8(high, w1, z1);
    return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
#endif
}

static inline INTS sixes_add(INTS sum, BYTES first, BYTES second, const int8_t *z)
{
    int8x16_t z0 = four_of(z), z1 = four_of(z + 4);
    for (size_t i = 0; i < QUARTERS; i++)
        sum.at[i] = quarter_add(sum.at[i], first.at[i], second.at[i], z0, z1);
    return sum;
}

static inline INTS signed_add(INTS sum, const uint8_t *w, const int8_t *z)
{
    return sixes_add(sum, bytes_load(w), bytes_load(w + CHUNK_BYTES), z);
}

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
    for (size_t i = 0; i < QUARTERS; i++)
        sum.at[i] = vaddq_s32(sum.at[i], vdupq_n_s32(start));
    return sum;
}

#endif

#endif
