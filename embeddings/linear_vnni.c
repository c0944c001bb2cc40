/* linear_vnni.c - linear.inc built for AVX-512 with VNNI.
 * SPDX-License-Identifier: Apache-2.0 */
#ifdef __AVX512VNNI__
#include "embeddings/linear512_int.h"
#define SET vnni
#include "embeddings/linear.inc"
#else
typedef int rs_no_vnni;
#endif
