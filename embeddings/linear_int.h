/* linear_int.h - between linear.c, the builds of linear.inc and the other back ends.
 *
 * A set's panels: outputs in groups of `nr`, the last one filled up with zeros; in each,
 *
 *   f32    [k][nr]               float
 *   bf16   [k / 2][nr][2]        two inputs side by side: one load widens to both
 *   int8   [k / g][nr][g]        g = 2: multiplied as 16-bit pairs, g = 4: as u8 x s8 quads
 *
 * with k rounded up by zeros to a multiple of the set's step. Activations come as floats, or quantised by the set: int16
 * (g = 2) or x + 128 as uint8 (g = 4); the latter adds 128 * sum(w) to each output, which
 * `offset` takes away. The integers left are the same in every set.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_LINEAR_INT_H
#define RS_EMBEDDINGS_LINEAR_INT_H

#include "embeddings/linear.h"

/* One product: outputs of panels [p0, p1) for m rows. */
typedef struct {
    const void *w;                     /* panels */
    size_t n, k, padded;               /* padded: k as the panels have it */
    size_t m, p0, p1;
    const float *x;                    /* [m x k]: f32, and bf16 that is widened */
    const void *q;                     /* [m x padded]: int8, and bf16 in pairs */
    const float *row_scale;            /* int8: [m] */
    const float *scale;                /* int8: [n rounded up] */
    const int32_t *offset;             /* int8 with g = 4: [n rounded up] */
    const float *bias;                 /* [n rounded up] */
    void (*act)(float *y, const float *x, size_t n);
    const float *base;
    float *y;                          /* [m x n] */
} rs_linear_call;

struct rs_linear_set {
    const char *name;
    size_t nr, group;                  /* columns of a panel; g of int8 */
    bool bf16_pairs;                   /* activations are rounded to bfloat16 too */
    size_t step_bf16, step_int8;       /* k is rounded up to a multiple; even, of g */
    size_t rows_past;                  /* rows behind the last that q must have room for: they
                                          are read, and what comes of them is not */
    void (*f32)(const rs_linear_call *c);
    void (*bf16)(const rs_linear_call *c);
    void (*int8)(const rs_linear_call *c);
    /* q [m x padded] from x [m x k]. scale[i] is max |x_i| / 127; not finite: NaN. */
    void (*quantise)(void *q, float *scale, const float *x, size_t m, size_t k, size_t padded);
    void (*round)(uint16_t *q, const float *x, size_t m, size_t k, size_t padded);
    /* What another back end summed, [rows x n] int32_t or float, into rows row.. of c->y. */
    void (*finish)(const rs_linear_call *c, size_t row, const void *sums, bool ints, size_t rows);
};

extern const rs_linear_set rs_linear_generic;
#ifdef __x86_64__
extern const rs_linear_set rs_linear_avx2, rs_linear_avxvnni, rs_linear_avx512, rs_linear_vnni,
    rs_linear_bf16, rs_linear_amx;
bool rs_linear_amx_runs(void);         /* the processor has it and the kernel lets us */
#endif

/* Every set this processor runs, the slowest first: list[0..return value). */
enum { RS_LINEAR_SETS = 7 };
size_t rs_linear_list(const rs_linear_set *list[RS_LINEAR_SETS]);

/* ---- oneDNN (linear_dnnl.c): RS_LINEAR_BLOCK rows at a time ------------------------ */

typedef struct rs_dnnl rs_dnnl;

bool rs_dnnl_found(void);              /* built with it */
/* f32: w float [n x k]. bf16: w uint16_t. int8: w int8_t, activations uint8. Rows of
 * activations will be `ldx` elements apart.
 * *out is NULL where it has no implementation for this processor. RS_ENOMEM. */
rs_status rs_dnnl_new(rs_dnnl **out, rs_precision p, size_t n, size_t k, size_t ldx,
                      const void *w, rs_err *err);
void   rs_dnnl_free(rs_dnnl *d);
size_t rs_dnnl_scratch(const rs_dnnl *d);
size_t rs_dnnl_bytes(const rs_dnnl *d);
/* c [BLOCK x n] = x [BLOCK x k] W^T; c is int32_t in int8,
 * float otherwise. False when oneDNN reports a failure. */
bool   rs_dnnl_run(const rs_dnnl *d, void *c, const void *x, void *scratch);

#endif
