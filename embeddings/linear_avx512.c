/* linear_avx512.c - linear.inc built for AVX-512 (F, BW, DQ, VL) without VNNI.
 * SPDX-License-Identifier: Apache-2.0 */
#ifdef __AVX512BW__
#include "embeddings/linear512_int.h"
#define SET avx512
#include "embeddings/linear.inc"
#else
typedef int rs_no_avx512;
#endif
