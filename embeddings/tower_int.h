/* tower_int.h - the transformer both towers share, and the tape it writes.
 *
 * One call runs over a batch of sequences packed end to end ("rows" are tokens). Of the
 * last layer only one row a sequence is read (a class token, the end token), so that
 * layer computes keys and values for all rows and everything else for those only:
 *
 *   x[rows x d] -> layer 0 .. layer L-2 -> x[rows x d] -> layer L-1 -> last[n x d]
 *   -> layer norm -> norm[n x d] -> projection -> features[n x dim]
 *
 * A pooling layer (RS_POOL_ATTENTION) is one more such last layer, whose queries all come
 * from one learned row, the probe, and whose attention adds to nothing:
 *
 *   h = LN1(x)   mid = attention(probe Wq^T + b, h Wk^T + b, h Wv^T + b) Wo^T + b
 *   out = mid + MLP(LN2(mid))
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_TOWER_INT_H
#define RS_EMBEDDINGS_TOWER_INT_H

#include "embeddings/dual_fast.h"
#include "embeddings/dual_int.h"
#include "embeddings/layers.h"

/* A batch as the transformer sees it. */
typedef struct {
    const rs_tower_config *c;
    const rs_tower_traits *f;
    size_t depth, dim;             /* layers with the pooling layer; floats of a feature */
    size_t n, rows;                /* sequences, tokens in all */
    size_t longest, pairs;         /* of one sequence; sum of the squared lengths */
    size_t *start;                 /* [n + 1] first row of each; in the tape's index */
    size_t *pool;                  /* [n] the row of each that is read at the end */
    const rs_dual_fast *fast;      /* packed layers; NULL with keep, and where there are none */
    void   *room;                  /* their scratch */
    rs_pool *threads;              /* over which one product may be split; NULL: none */
} rs_packed;

/* What one layer leaves. m: rows of its second half, `rows`, in the last layer `n`. */
typedef struct {
    float *in;                     /* [rows x d] */
    float *stat1, *h1;             /* [rows x 2], [rows x d]: first layer norm; post_norm: h1 is in */
    float *qkv;                    /* [rows x 3d]; last layer: keys and values [rows x 2d] */
    float *q1, *h1q;               /* last layer: queries and what they come from, [n x d] */
    float *probs;                  /* see rs_attention */
    float *ctx;                    /* [m x d] heads' output */
    float *mid;                    /* [m x d] after attention */
    float *stat2, *h2;             /* [m x 2], [m x d]: the MLP's layer norm, see transformer.c */
    float *u, *a;                  /* [m x mlp] before and after the activation */
    float *sum;                    /* [m x d] post_norm: before the last norm; else out */
    float *out;                    /* [m x d], the next layer's `in` */
} rs_layer_tape;

struct rs_tape {
    /* Memory, kept from call to call. */
    float  *mem;   size_t mem_cap;         /* floats */
    size_t *index; size_t index_cap;
    rs_layer_tape *layer; size_t layer_cap;
    const rs_dual_fast *fast;              /* rs_tape_use */
    rs_pool *threads;
    /* This batch. */
    rs_packed in;
    bool   kept;                           /* a forward pass with `keep` is waiting */
    float *emb, *emb_stat;                 /* [rows x d], [rows x 2]: before the input norm */
    float *last, *last_stat, *norm;        /* [n x d], [n x 2], [n x d] */
    float *hidden, *hidden_a;              /* [n x hidden] each: an MLP projection's middle */
    float *spare;                          /* [rows x mlp], or what was asked for if more */
    /* Backward only. */
    float *dx, *dh, *dqkv;                 /* [rows x d], [rows x d], [rows x 3d] */
    float *dsum;                           /* [rows x d] post_norm */
    float *dp;                             /* [longest x longest] */
    float *dlast, *dq1, *dh1q;             /* [n x d] each */
    float *dhidden;                        /* [n x hidden] */
};

/* Room for the index of n sequences of a tower of config c; sets all of t->in but rows,
 * longest, pairs and what start and pool point to. RS_ENOMEM. */
rs_status rs_tape_index(rs_tape *t, const rs_tower_config *c, const rs_tower_traits *f, size_t dim,
                        size_t n, rs_err *err);
/* Lay out everything for t->in, which is filled; `spare` floats at least. With keep
 * false the layers share one set of buffers. RS_ENOMEM, RS_ELIMIT over 2^32 rows. */
rs_status rs_tape_lay_out(rs_tape *t, bool keep, size_t spare, rs_err *err);

/* y = base + x W^T + b, as rs_linear, with weights [n x k] and bias at the places w and b
 * of p, by the packed layers where the batch has them. Those of an MLP's first layer end
 * with the tower's activation: rs_tower_activated. b RS_NOWHERE: none. */
void rs_tower_linear(const rs_packed *in, float *y, const float *base, const float *x,
                     const float *p, size_t w, size_t b, size_t rows, size_t k, size_t n);
bool rs_tower_activated(const rs_packed *in);
/* Bytes of scratch that packed layers need for a batch of `rows`. */
size_t rs_dual_fast_scratch(const rs_dual_fast *f, size_t rows);

/* From t->emb, which is layer[0].in where there is no input norm, to features. */
void rs_tower_forward(rs_tape *t, const float *params, const rs_tower_at *at, bool keep,
                      float *features);
/* Its second half of a layer, on in->rows rows or with `last` on in->n; and from t->last, the
 * rows that are read, to features [t->in.n x dim]. */
void rs_tower_feed_forward(const rs_packed *in, const rs_layer_tape *l, const float *params,
                           const rs_layer_at *at, bool last);
void rs_tower_read_out(const rs_tape *t, const float *params, const rs_tower_at *at,
                       float *features);
/* After a forward pass of the vision tower without `keep`: `m` regions of each of its images
 * to features [n x m x dim]; boxes as rs_dual_image_regions. RS_ENOMEM. */
rs_status rs_tower_regions(const rs_tape *t, const float *params, const rs_tower_at *at,
                           const double *boxes, size_t m, size_t side, float *features,
                           rs_err *err);
/* Adds the gradients of all of these to grads and leaves that of t->emb in t->dx. */
void rs_tower_backward(rs_tape *t, const float *params, const rs_tower_at *at,
                       const float *d_features, float *grads);

/* Rows a call without `keep` works on at a time: beyond this, larger products are no
 * faster and memory only grows. */
enum { RS_CHUNK_ROWS = 1040 };

#endif
