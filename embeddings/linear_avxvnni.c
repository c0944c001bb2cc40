/* linear_avxvnni.c - linear.inc for processors that have VNNI but not AVX-512: built with
 * -mavx2 -mfma -mavxvnni.
 * SPDX-License-Identifier: Apache-2.0 */
#ifdef __AVXVNNI__
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define VEC_BYTES 32
#define ROWS 6
#define GROUP 4
#define SET avxvnni

typedef int32_t eight __attribute__((vector_size(32)));
typedef float   real  __attribute__((vector_size(32)));
typedef __m256i int8_w, int8_x;

static inline __m256i load_w(const int8_t *p)
{
    return _mm256_loadu_si256((const void *)p);
}

static inline __m256i splat_x(const uint8_t *p)
{
    int32_t quad;
    memcpy(&quad, p, sizeof quad);
    return _mm256_set1_epi32(quad);
}

static inline eight dot_int8(eight s, __m256i a, __m256i w)
{
    return (eight)_mm256_dpbusd_avx_epi32((__m256i)s, a, w);
}

static inline eight to_int(real x)
{
    return (eight)_mm256_cvtps_epi32((__m256)x);
}

#include "embeddings/linear.inc"
#else
typedef int rs_no_avxvnni;
#endif
