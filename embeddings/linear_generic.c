/* linear_generic.c - linear.inc for any processor, its int8 step and rounding in plain C:
 * the reference that tests hold the other sets to.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdint.h>

#define VEC_BYTES 16
#define ROWS 6
#define GROUP 2
#define SET generic

typedef int32_t four __attribute__((vector_size(16)));
typedef float   real __attribute__((vector_size(16)));
typedef struct { int16_t of[8]; } int8_w;           /* four outputs, two inputs of each */
typedef struct { int16_t of[2]; } int8_x;

static inline int8_w load_w(const int8_t *p)
{
    int8_w w;
    for (int i = 0; i < 8; i++)
        w.of[i] = p[i];
    return w;
}

static inline int8_x splat_x(const int16_t *p)
{
    return (int8_x){{p[0], p[1]}};
}

static inline four dot_int8(four s, int8_x a, int8_w w)
{
    for (int j = 0; j < 4; j++)
        s[j] += a.of[0] * w.of[2 * j] + a.of[1] * w.of[2 * j + 1];
    return s;
}

static inline four to_int(real x)
{
    four q;
    for (int i = 0; i < 4; i++)
        q[i] = (int32_t)lrintf(x[i]);
    return q;
}

#include "embeddings/linear.inc"
