/* scan512_int.h - what the builds of scan.inc for 64-byte vectors have in common.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_ENGINE_SCAN512_INT_H
#define RS_ENGINE_SCAN512_INT_H

#include "engine/scan256_int.h"

#define LANES 16

typedef __m512i ints;
typedef __m512  reals;

static inline ints no_ints(void) { return _mm512_setzero_si512(); }
static inline reals no_reals(void) { return _mm512_setzero_ps(); }
static inline reals real(const float *p) { return _mm512_loadu_ps(p); }
static inline reals fma_of(reals a, reals b, reals c) { return _mm512_fmadd_ps(a, b, c); }

static inline reals half(const uint8_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

static inline __m256i folded(__m512i a)
{
    return _mm256_add_epi32(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1));
}

static inline __m128i four(ints a, ints b, ints c, ints d)
{
    return four_256(folded(a), folded(b), folded(c), folded(d));
}

static inline float total(reals a)
{
    return total_256(_mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)));
}

#endif
