/* layers.h - the layers of a transformer, forward and backward side by side.
 *
 * Everything is float32, row-major, dense. Gradients of activations are overwritten,
 * gradients of parameters are added to, unless a comment says otherwise. Nothing here
 * allocates. Any thread. The row-wise loops themselves are in kernels.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_LAYERS_H
#define RS_EMBEDDINGS_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* y = base + x w^T + b.
 *   x [n x in]   w [out x in]   b [out] or NULL   y [n x out]
 *   base [n x out], may be y (a residual stream), NULL counts as zeros */
void rs_linear(float *y, const float *base, const float *x, const float *w, const float *b,
               size_t n, size_t in, size_t out);
/* Given dy [n x out]: dx = dy w (NULL: not wanted), dw += dy^T x, db += columns of dy
 * (NULL where there is no bias). */
void rs_linear_grad(float *dx, float *dw, float *db, const float *dy, const float *x,
                    const float *w, size_t n, size_t in, size_t out);

/* Sequences packed end to end: sequence s has the rows start[s] .. start[s + 1] - 1. */
typedef struct {
    size_t n;                  /* sequences */
    const size_t *start;       /* [n + 1], start[0] = 0 */
    size_t heads, head_dim;
    bool causal;               /* row i of a sequence sees its rows 0..i */
    bool one_query;            /* q and out have one row a sequence, which sees all of it */
} rs_attention_shape;

/* Where queries, keys and values lie: row r of q is at q + r * ldq, its heads side by side. */
typedef struct {
    const float *q, *k, *v;
    size_t ldq, ldkv;
} rs_qkv;

/* Multi-head scaled dot-product attention; Vaswani et al. 2017, arXiv:1706.03762, 3.2:
 * out = softmax(q k^T / sqrt(head_dim)) v, for each sequence and head.
 *   out    [rows of q x heads * head_dim]
 *   probs  with `keep`: rs_attention_probs() floats, the softmax of each sequence, then
 *          head, [queries x rows]; otherwise scratch of the largest [queries x rows] */
void rs_attention(float *out, float *probs, bool keep, rs_qkv in, const rs_attention_shape *s);
size_t rs_attention_probs(const rs_attention_shape *s);

/* Given dout and what the forward pass kept: dq, dk, dv, laid out as q, k, v were.
 *   dp  scratch of the largest [queries x rows] */
void rs_attention_grad(float *dq, float *dk, float *dv, float *dp, const float *dout,
                       const float *probs, rs_qkv in, const rs_attention_shape *s);

/* The same by the definition, sums in double, no BLAS: for tests. */
void rs_attention_naive(float *out, rs_qkv in, const rs_attention_shape *s);

/* Cut an image into patches: row (py, px) of out is that square as [3 x patch x patch].
 *   image [3 x size x size]   out [(size / patch)^2 x 3 patch^2]; a rim that fits no
 *   patch is left out, as a convolution with that stride leaves it out */
void rs_patches(float *out, const float *image, size_t size, size_t patch);

/* Rows picked from x [. x d]: y[i] = x[row[i]]; and back: y[row[i]] += x[i]. */
void rs_gather(float *y, const float *x, const size_t *row, size_t n, size_t d);
void rs_scatter_add(float *y, const float *x, const size_t *row, size_t n, size_t d);

#endif
