/* kernels_generic.c - kernels.inc for any processor, 16 bytes at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#define VEC_BYTES 16
#define SET generic
#include "embeddings/kernels.inc"
