/* kernels_int.h - the tables of kernels.c, one per instruction set.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_EMBEDDINGS_KERNELS_INT_H
#define RS_EMBEDDINGS_KERNELS_INT_H

#include "embeddings/kernels.h"

extern const rs_kernels rs_kernels_generic;
#ifdef __x86_64__
extern const rs_kernels rs_kernels_avx2;
extern const rs_kernels rs_kernels_avx512;
#endif

#endif
