/* linear_avx2.c - linear.inc built with -mavx2 -mfma: 6 x 16 tiles. int8 as 16-bit pairs
 * (vpmaddwd), which nothing can overflow: vpmaddubsw would need weights of 7 bits, and is
 * no faster where multiplications share two ports, as on Zen.
 * SPDX-License-Identifier: Apache-2.0 */
#ifdef __AVX2__
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define VEC_BYTES 32
#define ROWS 6
#define GROUP 2
#define SET avx2

typedef int32_t eight __attribute__((vector_size(32)));
typedef float   real  __attribute__((vector_size(32)));
typedef __m256i int8_w, int8_x;

static inline __m256i load_w(const int8_t *p)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)p));
}

static inline __m256i splat_x(const int16_t *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return _mm256_set1_epi32(pair);
}

static inline eight dot_int8(eight s, __m256i a, __m256i w)
{
    return s + (eight)_mm256_madd_epi16(a, w);
}

static inline eight to_int(real x)
{
    return (eight)_mm256_cvtps_epi32((__m256)x);
}

#include "embeddings/linear.inc"
#else
typedef int rs_no_avx2;
#endif
