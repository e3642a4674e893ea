/* Lanes in two registers of AVX2 (lanes_internal.h). Products of bytes are added in pairs of 16 bits, which hold what
 * two products of 128 and 127 are, four of 63 and 127, or 16 of 15 and 127. */
#ifndef HANDOFF_CORE_LINALG_LANES_AVX2_INTERNAL_H
#define HANDOFF_CORE_LINALG_LANES_AVX2_INTERNAL_H

#ifdef __AVX2__ /* without it there is nothing here */

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "core/linalg/group_x86_internal.h"
#include "core/linalg/packed_internal.h"

#define INTEGER_ROWS 4u
#define SIGNED_OFFSET 0
#define FLOATS struct avx2_floats
#define INTS struct avx2_ints
#define BYTES struct avx2_ints
#define FOURS struct avx2_ints

struct avx2_floats {
    __m256 first, second;
};

struct avx2_ints {
    __m256i first, second;
};

static inline __m256i half_load(const uint8_t *from)
{
    return _mm256_loadu_si256((const __m256i *) (const void *) from);
}

static inline __m128i quarter_load(const uint8_t *from)
{
    return _mm_loadu_si128((const __m128i *) (const void *) from);
}

static inline FLOATS floats_load(const float *from)
{
    return (FLOATS){_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
}

static inline void floats_store(float *to, FLOATS from)
{
    _mm256_storeu_ps(to, from.first);
    _mm256_storeu_ps(to + 8, from.second);
}

static inline FLOATS floats_of_halves(const uint8_t *from)
{
    return (FLOATS){_mm256_cvtph_ps(quarter_load(from)), _mm256_cvtph_ps(quarter_load(from + 16))};
}

static inline FLOATS floats_of_unsigned(const uint8_t *from)
{
    __m128i bytes = quarter_load(from);
    return (FLOATS){_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)),
                    _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)))};
}

static inline FLOATS floats_of_signed(const uint8_t *from)
{
    __m128i bytes = quarter_load(from);
    return (FLOATS){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
                    _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
}

static inline FLOATS floats_times(FLOATS a, FLOATS b)
{
    return (FLOATS){_mm256_mul_ps(a.first, b.first), _mm256_mul_ps(a.second, b.second)};
}

static inline FLOATS floats_scaled(FLOATS a, float by)
{
    return floats_times(a, (FLOATS){_mm256_set1_ps(by), _mm256_set1_ps(by)});
}

static inline FLOATS floats_fused(FLOATS a, INTS b, FLOATS c)
{
    return (FLOATS){_mm256_fmadd_ps(a.first, _mm256_cvtepi32_ps(b.first), c.first),
                    _mm256_fmadd_ps(a.second, _mm256_cvtepi32_ps(b.second), c.second)};
}

/* a * b + c, rounded once */
static inline FLOATS floats_fused_all(FLOATS a, float b, FLOATS c)
{
    const __m256 all = _mm256_set1_ps(b);
    return (FLOATS){_mm256_fmadd_ps(a.first, all, c.first), _mm256_fmadd_ps(a.second, all, c.second)};
}

static inline INTS ints_of(int32_t value)
{
    return (INTS){_mm256_set1_epi32(value), _mm256_set1_epi32(value)};
}

static inline BYTES bytes_load(const uint8_t *from)
{
    return (BYTES){half_load(from), half_load(from + 32)};
}

static inline BYTES bytes_and(BYTES from, char mask)
{
    const __m256i masks = _mm256_set1_epi8(mask);
    return (BYTES){_mm256_and_si256(from.first, masks), _mm256_and_si256(from.second, masks)};
}

static inline BYTES bytes_low(BYTES from)
{
    return bytes_and(from, 15);
}

static inline BYTES bytes_high(BYTES from)
{
    return bytes_and((BYTES){_mm256_srli_epi16(from.first, 4), _mm256_srli_epi16(from.second, 4)}, 15);
}

static inline __m256i moved(__m256i high, size_t place)
{
    return place == 0   ? _mm256_slli_epi16(high, 4)
           : place == 1 ? _mm256_slli_epi16(high, 2)
           : place == 2 ? high
                        : _mm256_srli_epi16(high, 2);
}

static inline BYTES bytes_join(BYTES low, BYTES high, size_t place)
{
    BYTES upper = bytes_and((BYTES){moved(high.first, place), moved(high.second, place)}, 0x30);
    return (BYTES){_mm256_or_si256(low.first, upper.first), _mm256_or_si256(low.second, upper.second)};
}

static inline __m256i four_of(const int8_t *z)
{
    int32_t four;
    memcpy(&four, z, sizeof four);
    return _mm256_set1_epi32(four);
}

/* Pairs of 16 bits to sums of 32. */
static inline __m256i pairs_sum(__m256i pairs)
{
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

/* The instruction wants one unsigned operand: the weight's sign goes to the activation. */
static inline __m256i signed_products(const uint8_t *w, __m256i four)
{
    __m256i weights = half_load(w);
    return pairs_sum(_mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(four, weights)));
}

static inline INTS signed_add(INTS sum, const uint8_t *w, const int8_t *z)
{
    for (size_t c = 0; c < 2; c++) {
        __m256i four = four_of(z + 4 * c);
        sum.first = _mm256_add_epi32(sum.first, signed_products(w + c * CHUNK_BYTES, four));
        sum.second = _mm256_add_epi32(sum.second, signed_products(w + c * CHUNK_BYTES + 32, four));
    }
    return sum;
}

static inline __m256i products(__m256i first, __m256i second, const int8_t *z)
{
    return _mm256_add_epi16(_mm256_maddubs_epi16(first, four_of(z)),
                            _mm256_maddubs_epi16(second, four_of(z + 4)));
}

static inline INTS sixes_add(INTS sum, BYTES first, BYTES second, const int8_t *z)
{
    sum.first = _mm256_add_epi32(sum.first, pairs_sum(products(first.first, second.first, z)));
    sum.second = _mm256_add_epi32(sum.second, pairs_sum(products(first.second, second.second, z)));
    return sum;
}

static inline FOURS fours_none(void)
{
    return ints_of(0);
}

static inline FOURS fours_add(FOURS sum, BYTES first, BYTES second, const int8_t *z)
{
    sum.first = _mm256_add_epi16(sum.first, products(first.first, second.first, z));
    sum.second = _mm256_add_epi16(sum.second, products(first.second, second.second, z));
    return sum;
}

static inline INTS fours_sum(FOURS sum, int32_t start)
{
    return (INTS){_mm256_add_epi32(pairs_sum(sum.first), _mm256_set1_epi32(start)),
                  _mm256_add_epi32(pairs_sum(sum.second), _mm256_set1_epi32(start))};
}

#endif

#endif
