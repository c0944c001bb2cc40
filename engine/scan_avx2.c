/* scan_avx2.c - scan.inc built with -mavx2 -mfma -mf16c: bytes multiplied as 16-bit pairs
 * (vpmaddwd), which nothing can overflow.
 * SPDX-License-Identifier: Apache-2.0 */
#ifdef __AVX2__
#include "engine/scan256_int.h"

#include <stddef.h>

#define SET avx2
#define WIDE true
#define BYTES 16
#define LANES 8

typedef __m256i ints;
typedef __m256  reals;

static inline ints no_ints(void) { return _mm256_setzero_si256(); }
static inline reals no_reals(void) { return _mm256_setzero_ps(); }
static inline reals real(const float *p) { return _mm256_loadu_ps(p); }
static inline reals fma_of(reals a, reals b, reals c) { return _mm256_fmadd_ps(a, b, c); }
static inline float total(reals a) { return total_256(a); }

static inline reals half(const uint8_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

static inline __m128i four(ints a, ints b, ints c, ints d) { return four_256(a, b, c, d); }

static inline ints dot(ints s, const uint8_t *row, const void *q, size_t j)
{
    __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(row + j)));
    __m256i w = _mm256_loadu_si256((const __m256i *)(const void *)((const int16_t *)q + j));

    return _mm256_add_epi32(s, _mm256_madd_epi16(x, w));
}

#include "engine/scan.inc"
#else
typedef int rs_no_avx2;
#endif
