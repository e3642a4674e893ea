/* What one vector path is made of: WIDTH floats at once, and square blocks turned in registers. Which path, the
 * compiler's flags say: every path has a file of its own, built for its instructions (meson.build). A file that
 * defines LINALG_PLAIN takes none. */
#ifndef HANDOFF_CORE_LINALG_VECTOR_INTERNAL_H
#define HANDOFF_CORE_LINALG_VECTOR_INTERNAL_H

#include <stddef.h>

#include "core/linalg/fused_internal.h"

/* TILE_ROWS x TILE_VECTORS sums stay in registers, beside TILE_VECTORS vectors of b and one of a: enough chains side
 * by side to hide a fused multiply-add's latency (4 cycles, two at a time). */

#if defined(__AVX512F__) && !defined(LINALG_PLAIN)

#include <immintrin.h>

#define VECTOR __m512
#define WIDTH 16u
#define TILE_ROWS 8u /* 16 of 32 registers */
#define TILE_VECTORS 2u

static inline VECTOR vector_load(const float *from)
{
    return _mm512_loadu_ps(from);
}

static inline void vector_store(float *to, VECTOR value)
{
    _mm512_storeu_ps(to, value);
}

static inline VECTOR vector_of(float value)
{
    return _mm512_set1_ps(value);
}

static inline VECTOR vector_fused(VECTOR a, VECTOR b, VECTOR c)
{
    return _mm512_fmadd_ps(a, b, c);
}

#elif defined(__AVX2__) && defined(__FMA__) && !defined(LINALG_PLAIN)

#include <immintrin.h>

#define VECTOR __m256
#define WIDTH 8u
#define TILE_ROWS 6u /* 12 of 16 registers */
#define TILE_VECTORS 2u

static inline VECTOR vector_load(const float *from)
{
    return _mm256_loadu_ps(from);
}

static inline void vector_store(float *to, VECTOR value)
{
    _mm256_storeu_ps(to, value);
}

static inline VECTOR vector_of(float value)
{
    return _mm256_set1_ps(value);
}

static inline VECTOR vector_fused(VECTOR a, VECTOR b, VECTOR c)
{
    return _mm256_fmadd_ps(a, b, c);
}

#elif defined(__aarch64__) && !defined(LINALG_PLAIN)

#include <arm_neon.h>

#define VECTOR float32x4_t
#define WIDTH 4u
#define TILE_ROWS 6u /* 24 of 32 registers */
#define TILE_VECTORS 4u

static inline VECTOR vector_load(const float *from)
{
    return vld1q_f32(from);
}

static inline void vector_store(float *to, VECTOR value)
{
    vst1q_f32(to, value);
}

static inline VECTOR vector_of(float value)
{
    return vdupq_n_f32(value);
}

static inline VECTOR vector_fused(VECTOR a, VECTOR b, VECTOR c)
{
    return vfmaq_f32(c, a, b);
}

#else

#define VECTOR float
#define WIDTH 1u
#define TILE_ROWS 4u
#define TILE_VECTORS 8u

static inline VECTOR vector_load(const float *from)
{
    return *from;
}

static inline void vector_store(float *to, VECTOR value)
{
    *to = value;
}

static inline VECTOR vector_of(float value)
{
    return value;
}

static inline VECTOR vector_fused(VECTOR a, VECTOR b, VECTOR c)
{
    return fused(a, b, c);
}

#endif

/* to[TURN][to_stride] = the transpose of from[TURN][from_stride]. */
#if defined(__AVX2__) && defined(__FMA__) && !defined(LINALG_PLAIN)

#define TURN 8u

static inline void vector_turn(const float *from, size_t from_stride, float *to, size_t to_stride)
{
    __m256 row[TURN], pair[TURN], four[TURN];
    for (size_t i = 0; i < TURN; i++)
        row[i] = _mm256_loadu_ps(from + i * from_stride);
    for (size_t i = 0; i < TURN; i += 2) {
        pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
        pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
    }
    for (size_t i = 0; i < TURN; i += 4) {
        four[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
        four[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
        four[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
        four[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
    for (size_t i = 0; i < 4; i++) {
        _mm256_storeu_ps(to + i * to_stride, _mm256_permute2f128_ps(four[i], four[i + 4], 0x20));
        _mm256_storeu_ps(to + (i + 4) * to_stride, _mm256_permute2f128_ps(four[i], four[i + 4], 0x31));
    }
}

#else

#define TURN 4u

static inline void vector_turn(const float *from, size_t from_stride, float *to, size_t to_stride)
{
    for (size_t i = 0; i < TURN; i++)
        for (size_t j = 0; j < TURN; j++)
            to[j * to_stride + i] = from[i * from_stride + j];
}

#endif

#endif
