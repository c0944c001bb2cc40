/* scan_avx512.c - scan.inc built for AVX-512 (F, BW, DQ, VL) without VNNI: 16-bit pairs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifdef __AVX512BW__
#include "engine/scan512_int.h"

#include <stddef.h>

#define SET avx512
#define WIDE true
#define BYTES 32

static inline ints dot(ints s, const uint8_t *row, const void *q, size_t j)
{
    __m512i x = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)(row + j)));

    return _mm512_add_epi32(s, _mm512_madd_epi16(x, _mm512_loadu_si512((const int16_t *)q + j)));
}

#include "engine/scan.inc"
#else
typedef int rs_no_avx512;
#endif
