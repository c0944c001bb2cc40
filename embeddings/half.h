/* half.h - 16-bit floats: IEEE 754 binary16 ("half") and bfloat16.
 *
 *             sign  exponent  fraction    largest    smallest normal
 *   half         1         5        10     65504      2^-14
 *   bfloat16     1         8         7     3.4e38     2^-126   (the top half of a float)
 *
 * To 16 bits the nearest value is taken, ties to even; beyond the largest comes
 * infinity. To 32 bits is exact, subnormals included. A NaN stays a NaN, with what of its
 * payload there is room for, made quiet (as processors do). Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_HALF_H
#define RS_EMBEDDINGS_HALF_H

#include <stddef.h>
#include <stdint.h>

float    rs_half_to_float(uint16_t h);
uint16_t rs_half_from_float(float x);
float    rs_bf16_to_float(uint16_t b);

/* n values at once. `in` is as in a file: little-endian, at any alignment; so is the
 * `out` of rs_half_pack. */
void rs_half_unpack(float *out, const void *in, size_t n);
void rs_half_pack(void *out, const float *in, size_t n);
void rs_bf16_unpack(float *out, const void *in, size_t n);

/* The definition, step by step; the functions above are held to these by a test. */
float    rs_half_to_float_plain(uint16_t h);
uint16_t rs_half_from_float_plain(float x);

#endif
