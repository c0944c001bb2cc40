/* linear512_int.h - what the AVX-512 builds of linear.inc share: 12 x 32 tiles; int8 with
 * VNNI where the file was built for it, as 16-bit pairs otherwise.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_EMBEDDINGS_LINEAR512_INT_H
#define RS_EMBEDDINGS_LINEAR512_INT_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define VEC_BYTES 64
#define ROWS 12

typedef int32_t sixteen __attribute__((vector_size(64)));
typedef float   real    __attribute__((vector_size(64)));
typedef __m512i int8_w, int8_x;

static inline sixteen to_int(real x)
{
    return (sixteen)_mm512_cvtps_epi32((__m512)x);
}

#ifdef __AVX512VNNI__
#define GROUP 4

static inline __m512i load_w(const int8_t *p)
{
    return _mm512_loadu_si512(p);
}

static inline __m512i splat_x(const uint8_t *p)
{
    int32_t quad;
    memcpy(&quad, p, sizeof quad);
    return _mm512_set1_epi32(quad);
}

static inline sixteen dot_int8(sixteen s, __m512i a, __m512i w)
{
    return (sixteen)_mm512_dpbusd_epi32((__m512i)s, a, w);
}
#else
#define GROUP 2

static inline __m512i load_w(const int8_t *p)
{
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const void *)p));
}

static inline __m512i splat_x(const int16_t *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return _mm512_set1_epi32(pair);
}

static inline sixteen dot_int8(sixteen s, __m512i a, __m512i w)
{
    return s + (sixteen)_mm512_madd_epi16(a, w);
}
#endif

#endif
