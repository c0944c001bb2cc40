/* scan256_int.h - what the builds of scan.inc for 32-byte vectors have in common.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_ENGINE_SCAN256_INT_H
#define RS_ENGINE_SCAN256_INT_H

#include <immintrin.h>
#include <stdint.h>

static inline __m128i halves_added(__m256i a)
{
    return _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
}

static inline __m128i four_256(__m256i a, __m256i b, __m256i c, __m256i d)
{
    return _mm_hadd_epi32(_mm_hadd_epi32(halves_added(a), halves_added(b)),
                          _mm_hadd_epi32(halves_added(c), halves_added(d)));
}

static inline float total_256(__m256 a)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

#endif
