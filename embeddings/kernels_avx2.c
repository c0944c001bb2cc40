/* kernels_avx2.c - kernels.inc built with -mavx2 -mfma (see CMakeLists.txt).
 * SPDX-License-Identifier: Apache-2.0 */
#ifdef __AVX2__
#define VEC_BYTES 32
#define SET avx2
#include "embeddings/kernels.inc"
#else
typedef int rs_no_avx2;
#endif
