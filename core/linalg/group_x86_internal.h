/* A group of activations by AVX2: as group_plain_internal.h, which says what each function does. */
#ifndef HANDOFF_CORE_LINALG_GROUP_X86_INTERNAL_H
#define HANDOFF_CORE_LINALG_GROUP_X86_INTERNAL_H

#ifdef __AVX2__ /* without it there is nothing here */

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "core/linalg/half_internal.h"
#include "core/linalg/weight_blocks_internal.h"

static inline __m256i sizes_of(const float *x)
{
    return _mm256_and_si256(_mm256_castps_si256(_mm256_loadu_ps(x)), _mm256_set1_epi32(0x7fffffff));
}

static inline float group_largest(const float *x)
{
    __m256i eight = _mm256_max_epi32(_mm256_max_epi32(sizes_of(x), sizes_of(x + 8)),
                                     _mm256_max_epi32(sizes_of(x + 16), sizes_of(x + 24)));
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    __m128i one = _mm_max_epi32(two, _mm_shuffle_epi32(two, 0xb1));
    return float_of_bits((uint32_t) _mm_cvtsi128_si32(one));
}

/* To the nearest, to even between two: the processor's state at the start of a program, which nobody changes. */
static inline __m256i rounded_product(const float *x, float by)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), _mm256_set1_ps(by)));
}

static inline void group_numbers(const float *x, float by, int8_t ret_z[GROUP], int32_t ret_sum[2])
{
    __m256i first = _mm256_packs_epi32(rounded_product(x, by), rounded_product(x + 8, by));
    __m256i second = _mm256_packs_epi32(rounded_product(x + 16, by), rounded_product(x + 24, by));
    __m256i mixed = _mm256_packs_epi16(first, second); /* fours 0 2 4 6 1 3 5 7 */
    __m256i z = _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    __m256i fours = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), z), _mm256_set1_epi16(1));
    __m128i twos = _mm_hadd_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
    _mm256_storeu_si256((__m256i *) (void *) ret_z, z);
    _mm_storeu_si64(ret_sum, _mm_hadd_epi32(twos, twos));
}

#endif

#endif
