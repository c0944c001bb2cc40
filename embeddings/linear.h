/* linear.h - a linear layer whose weights are packed once: y = base + act(x W^T + b).
 *
 * Made when a model is opened, immutable from then on: any number of threads may run one
 * layer at once, each with scratch of its own. Nothing here allocates after packing.
 *
 *   precision   weights                 activations               a product's error
 *   f32         as they are             as they are               1e-6 sqrt(k), relative
 *   bf16        nearest bfloat16        as they are; bfloat16     2^-8 of |x| |w|
 *                                       where the processor
 *                                       multiplies pairs of them
 *   int8        round(w / s_j), |.|     round(x / t_i), |.| <=    about 1% of |x| |w|
 *               <= 127, s_j for each    127, t_i for each row
 *               output                  when it comes
 *
 * A row of y does not depend on the rows beside it: in int8 to the bit on one machine
 * (sums are exact integers), in f32 and bf16 to 1e-5 of |x| |w|, since another back end
 * may serve another number of rows and adds in another order.
 *
 * Back ends: our own panels (for each instruction set, linear.inc), which any number of
 * rows may use, and for RS_LINEAR_BLOCK rows and more BLAS (f32) or oneDNN (where it was
 * found, and in bf16 and int8 where the processor has the instructions). Which of them
 * serves many rows is measured, once a shape and process, unless the spec names one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_LINEAR_H
#define RS_EMBEDDINGS_LINEAR_H

#include "base/status.h"
#include "base/threads.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { RS_AUTO, RS_F32, RS_BF16, RS_INT8 } rs_precision;

const char *rs_precision_name(rs_precision p);                 /* "auto", "f32", ... */
bool        rs_precision_parse(rs_precision *p, const char *name);

/* Who multiplies where there are many rows. */
typedef enum { RS_LINEAR_MEASURE, RS_LINEAR_OWN, RS_LINEAR_BLAS, RS_LINEAR_DNNL } rs_linear_backend;
const char *rs_linear_backend_name(rs_linear_backend b);       /* "own", "openblas", "onednn" */

typedef struct rs_linear_set rs_linear_set;                    /* linear_int.h: one build of linear.inc */

typedef struct {
    size_t n, k;                       /* outputs, inputs; 1..2^20 each, int8: k to 2^16 */
    const float *w;                    /* [n x k]; with RS_LINEAR_BLAS it must outlive the layer */
    const int8_t *q;                   /* instead of w: [n x k] in -127..127, with */
    const float *scale;                /* [n]: w = q * scale; only for RS_INT8 */
    const float *bias;                 /* [n], copied; NULL: none */
    void (*act)(float *y, const float *x, size_t n);   /* one of kernels.h; NULL: none */
    bool keeps_w;                      /* w stays where it is: BLAS may be chosen */
    rs_linear_backend backend;         /* RS_LINEAR_MEASURE: the fastest. What is not there or does
                                          not have the precision is taken as RS_LINEAR_OWN */
    const rs_linear_set *set;          /* NULL: the fastest that this processor runs */
} rs_linear_spec;

typedef struct rs_weights rs_weights;

/* RS_ENOMEM; RS_EARG when a size is out of bounds. `precision` is not RS_AUTO. The
 * environment variable RADSCOUT_LINEAR (own, openblas, onednn) stands for MEASURE. */
rs_status rs_weights_new(rs_weights **out, const rs_linear_spec *spec, rs_precision precision,
                         rs_err *err);
void      rs_weights_free(rs_weights *w);                      /* NULL is fine */

enum { RS_LINEAR_BLOCK = 64 };         /* rows from which on another back end may serve */

/* Bytes of scratch that m rows need. */
size_t rs_weights_scratch(const rs_weights *w, size_t m);

/* y = base + act(x W^T + b).
 *   x [m x k]   y [m x n]   base [m x n], may be y; NULL counts as zeros
 *   scratch     rs_weights_scratch() bytes, 64-byte aligned, not shared between threads
 *   pool        NULL, or idle: our own panels then serve all rows, and large products
 *               are split over it by outputs, which changes no bit of them */
void rs_weights_run(const rs_weights *w, float *y, const float *base, const float *x, size_t m,
                    void *scratch, rs_pool *pool);

/* What was decided and what it takes. */
rs_linear_backend rs_weights_backend(const rs_weights *w);
const char *rs_weights_set(const rs_weights *w);               /* "avx2", "vnni", ... */
size_t rs_weights_bytes(const rs_weights *w);

/* Symmetric quantisation of one row of weights: scale = max |w| / 127. q [k]. */
float rs_quantise_row(int8_t *q, const float *w, size_t k);

/* Is int8 (bf16) likely to be faster than f32 on this processor? */
bool rs_precision_pays(rs_precision p);

#endif
