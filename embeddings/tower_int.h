/* tower_int.h - the transformer both towers share, and the tape it writes.
 *
 * One call runs over a batch of sequences packed end to end ("rows" are tokens). Of the
 * last layer only one row a sequence is read (the class token, the end token), so that
 * layer computes keys and values for all rows and everything else for those only:
 *
 *   x[rows x d] -> layer 0 .. layer L-2 -> x[rows x d] -> layer L-1 -> last[n x d]
 *   -> layer norm -> norm[n x d] -> projection -> features[n x dim]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_TOWER_INT_H
#define RS_EMBEDDINGS_TOWER_INT_H

#include "embeddings/dual_int.h"
#include "embeddings/layers.h"

/* A batch as the transformer sees it. */
typedef struct {
    const rs_tower_config *c;
    bool   causal;
    size_t n, rows;                /* sequences, tokens in all */
    size_t longest, pairs;         /* of one sequence; sum of the squared lengths */
    size_t *start;                 /* [n + 1] first row of each; in the tape's index */
    size_t *pool;                  /* [n] the row of each that is read at the end */
} rs_packed;

/* What one layer leaves. m: rows of its second half, `rows`, in the last layer `n`. */
typedef struct {
    float *in;                     /* [rows x d] */
    float *stat1, *h1;             /* [rows x 2], [rows x d]: first layer norm */
    float *qkv;                    /* [rows x 3d]; last layer: keys and values [rows x 2d] */
    float *q1, *h1q;               /* last layer: queries and what they come from, [n x d] */
    float *probs;                  /* see rs_attention */
    float *ctx;                    /* [m x d] heads' output */
    float *mid;                    /* [m x d] after attention */
    float *stat2, *h2;             /* [m x 2], [m x d]: second layer norm */
    float *u, *a;                  /* [m x mlp] before and after the activation */
    float *out;                    /* [m x d], the next layer's `in` */
} rs_layer_tape;

struct rs_tape {
    /* Memory, kept from call to call. */
    float  *mem;   size_t mem_cap;         /* floats */
    size_t *index; size_t index_cap;
    rs_layer_tape *layer; size_t layer_cap;
    /* This batch. */
    rs_packed in;
    bool   kept;                           /* a forward pass with `keep` is waiting */
    float *emb, *emb_stat;                 /* vision: [rows x d] before pre_layrnorm, [rows x 2] */
    float *last, *last_stat, *norm;        /* [n x d], [n x 2], [n x d] */
    float *spare;                          /* [rows x mlp], or what was asked for if more */
    /* Backward only. */
    float *dx, *dh, *dqkv;                 /* [rows x d], [rows x d], [rows x 3d] */
    float *dp;                             /* [longest x longest] */
    float *dlast, *dq1, *dh1q;             /* [n x d] each */
};

/* Room for the index of n sequences; sets t->in.start and .pool. RS_ENOMEM. */
rs_status rs_tape_index(rs_tape *t, size_t n, rs_err *err);
/* Lay out everything for t->in, which is filled; `spare` floats at least. With keep
 * false the layers share one set of buffers. RS_ENOMEM, RS_ELIMIT over 2^32 rows. */
rs_status rs_tape_lay_out(rs_tape *t, bool keep, size_t spare, rs_err *err);

/* From t->layer[0].in to features: the layers, then the layer norm (g, b) of the pooled
 * rows and the projection proj [dim x d]. */
typedef struct {
    const rs_layer_at *layer;
    size_t norm_g, norm_b, proj_w, dim;
} rs_tower_at;
void rs_tower_forward(rs_tape *t, const float *params, const rs_tower_at *at, bool keep,
                      float *features);
/* Adds the gradients of all of these to grads and leaves that of layer[0].in in t->dx. */
void rs_tower_backward(rs_tape *t, const float *params, const rs_tower_at *at,
                       const float *d_features, float *grads);

/* Rows a call without `keep` works on at a time: beyond this, larger products are no
 * faster and memory only grows. */
enum { RS_CHUNK_ROWS = 1040 };

#endif
