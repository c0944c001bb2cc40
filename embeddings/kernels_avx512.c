/* kernels_avx512.c - kernels.inc built for AVX-512 F, BW, DQ, VL (see CMakeLists.txt).
 * SPDX-License-Identifier: Apache-2.0 */
#ifdef __AVX512F__
#define VEC_BYTES 64
#define SET avx512
#include "embeddings/kernels.inc"
#else
typedef int rs_no_avx512;
#endif
