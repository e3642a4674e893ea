/* Lanes in one register of AVX-512, with its products of bytes (lanes_internal.h). */
#ifndef HANDOFF_CORE_LINALG_LANES_VNNI_INTERNAL_H
#define HANDOFF_CORE_LINALG_LANES_VNNI_INTERNAL_H

#ifdef __AVX512VNNI__ /* without it there is nothing here */

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "core/linalg/group_x86_internal.h"
#include "core/linalg/packed_internal.h"

#define INTEGER_ROWS 8u
#define SIGNED_OFFSET 128
#define FLOATS __m512
#define INTS __m512i
#define BYTES __m512i
#define FOURS __m512i

static inline FLOATS floats_load(const float *from)
{
    return _mm512_loadu_ps(from);
}

static inline void floats_store(float *to, FLOATS from)
{
    _mm512_storeu_ps(to, from);
}

static inline FLOATS floats_of_halves(const uint8_t *from)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) (const void *) from));
}

static inline FLOATS floats_of_unsigned(const uint8_t *from)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *) (const void *) from)));
}

static inline FLOATS floats_of_signed(const uint8_t *from)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *) (const void *) from)));
}

static inline FLOATS floats_times(FLOATS a, FLOATS b)
{
    return _mm512_mul_ps(a, b);
}

static inline FLOATS floats_scaled(FLOATS a, float by)
{
    return _mm512_mul_ps(a, _mm512_set1_ps(by));
}

static inline FLOATS floats_fused(FLOATS a, INTS b, FLOATS c)
{
    return _mm512_fmadd_ps(a, _mm512_cvtepi32_ps(b), c);
}

/* a * b + c, rounded once */
static inline FLOATS floats_fused_all(FLOATS a, float b, FLOATS c)
{
    return _mm512_fmadd_ps(a, _mm512_set1_ps(b), c);
}

static inline INTS ints_of(int32_t value)
{
    return _mm512_set1_epi32(value);
}

static inline BYTES bytes_load(const uint8_t *from)
{
    return _mm512_loadu_si512(from);
}

static inline BYTES bytes_low(BYTES from)
{
    return _mm512_and_si512(from, _mm512_set1_epi8(15));
}

static inline BYTES bytes_high(BYTES from)
{
    return _mm512_and_si512(_mm512_srli_epi16(from, 4), _mm512_set1_epi8(15));
}

static inline BYTES bytes_join(BYTES low, BYTES high, size_t place)
{
    BYTES moved = place == 0   ? _mm512_slli_epi16(high, 4)
                  : place == 1 ? _mm512_slli_epi16(high, 2)
                  : place == 2 ? high
                               : _mm512_srli_epi16(high, 2);
    return _mm512_or_si512(low, _mm512_and_si512(moved, _mm512_set1_epi8(0x30)));
}

static inline INTS four_of(const int8_t *z)
{
    int32_t four;
    memcpy(&four, z, sizeof four);
    return _mm512_set1_epi32(four);
}

static inline INTS sixes_add(INTS sum, BYTES first, BYTES second, const int8_t *z)
{
    return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sum, first, four_of(z)), second, four_of(z + 4));
}

/* The instruction wants one unsigned operand: SIGNED_OFFSET is added to each weight. */
static inline INTS signed_add(INTS sum, const uint8_t *w, const int8_t *z)
{
    const BYTES up = _mm512_set1_epi8(-128);
    return sixes_add(sum, _mm512_xor_si512(bytes_load(w), up),
                     _mm512_xor_si512(bytes_load(w + CHUNK_BYTES), up), z);
}

static inline FOURS fours_none(void)
{
    return _mm512_setzero_si512();
}

static inline FOURS fours_add(FOURS sum, BYTES first, BYTES second, const int8_t *z)
{
    return sixes_add(sum, first, second, z);
}

static inline INTS fours_sum(FOURS sum, int32_t start)
{
    return _mm512_add_epi32(sum, ints_of(start));
}

#endif

#endif
