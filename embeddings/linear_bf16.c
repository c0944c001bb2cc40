/* linear_bf16.c - linear.inc built for AVX-512 with VNNI and products of bfloat16 pairs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifdef __AVX512BF16__
#include "embeddings/linear512_int.h"
#define SET bf16
#define BF16_PAIRS

typedef __m512bh pair_w, pair_x;

static inline __m512bh load_pair(const uint16_t *p)
{
    return (__m512bh)_mm512_loadu_si512(p);
}

static inline __m512bh splat_pair(const uint16_t *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

static inline real dot_pair(real s, __m512bh a, __m512bh w)
{
    return (real)_mm512_dpbf16_ps((__m512)s, a, w);
}

#include "embeddings/linear.inc"
#else
typedef int rs_no_bf16;
#endif
