/* transformer.c - pre-layer-norm transformer layers over packed sequences, forward and
 * backward. See tower_int.h.
 *
 *   h1 = LN1(x)      ctx = attention(h1 Wqkv^T + b)   mid = x + ctx Wo^T + b
 *   h2 = LN2(mid)    a = act(h2 W1^T + b)             out = mid + a W2^T + b
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "embeddings/tower_int.h"

#include "embeddings/kernels.h"

#include <string.h>

static rs_attention_shape attention_shape(const rs_packed *in, bool last)
{
    return (rs_attention_shape){
        .n = in->n, .start = in->start, .heads = in->c->heads,
        .head_dim = in->c->width / in->c->heads, .causal = in->causal, .one_query = last,
    };
}

static rs_qkv qkv_of(const rs_layer_tape *l, size_t d, bool last)
{
    if (last)
        return (rs_qkv){l->q1, l->qkv, l->qkv + d, d, 2 * d};
    return (rs_qkv){l->qkv, l->qkv + d, l->qkv + 2 * d, 3 * d, 3 * d};
}

/* ---- Forward ----------------------------------------------------------------------- */

/* ctx and mid, up to the residual. The last layer asks only for the pooled rows. */
static void attend(const rs_packed *in, const rs_layer_tape *l, const float *p,
                   const rs_layer_at *at, bool last, bool keep)
{
    const size_t d = in->c->width, m = last ? in->n : in->rows;
    const rs_attention_shape shape = attention_shape(in, last);
    const float *base = l->in;

    rs_kernels_best()->layer_norm(l->h1, l->stat1, l->in, p + at->ln1_g, p + at->ln1_b,
                                  in->c->eps, in->rows, d);
    if (last) {
        rs_linear(l->qkv, NULL, l->h1, p + at->k_w, p + at->k_b, in->rows, d, 2 * d);
        rs_gather(l->h1q, l->h1, in->pool, in->n, d);
        rs_linear(l->q1, NULL, l->h1q, p + at->q_w, p + at->q_b, in->n, d, d);
        rs_gather(l->mid, l->in, in->pool, in->n, d);
        base = l->mid;
    } else {
        rs_linear(l->qkv, NULL, l->h1, p + at->q_w, p + at->q_b, in->rows, d, 3 * d);
    }
    rs_attention(l->ctx, l->probs, keep, qkv_of(l, d, last), &shape);
    rs_linear(l->mid, base, l->ctx, p + at->out_w, p + at->out_b, m, d, d);
}

static void feed_forward(const rs_packed *in, const rs_layer_tape *l, const float *p,
                         const rs_layer_at *at, bool last)
{
    const rs_kernels *kn = rs_kernels_best();
    const size_t d = in->c->width, mlp = in->c->mlp, m = last ? in->n : in->rows;

    kn->layer_norm(l->h2, l->stat2, l->mid, p + at->ln2_g, p + at->ln2_b, in->c->eps, m, d);
    rs_linear(l->u, NULL, l->h2, p + at->fc1_w, p + at->fc1_b, m, d, mlp);
    if (in->c->act == RS_ACT_GELU)
        kn->gelu(l->a, l->u, m * mlp);
    else
        kn->quick_gelu(l->a, l->u, m * mlp);
    rs_linear(l->out, l->mid, l->a, p + at->fc2_w, p + at->fc2_b, m, mlp, d);
}

void rs_tower_forward(rs_tape *t, const float *params, const rs_tower_at *at, bool keep,
                      float *features)
{
    const rs_packed *in = &t->in;
    const size_t d = in->c->width;

    for (size_t i = 0; i < in->c->layers; i++) {
        const bool last = i + 1 == in->c->layers;
        attend(in, &t->layer[i], params, &at->layer[i], last, keep);
        feed_forward(in, &t->layer[i], params, &at->layer[i], last);
    }
    rs_kernels_best()->layer_norm(t->norm, t->last_stat, t->last, params + at->norm_g,
                                  params + at->norm_b, in->c->eps, in->n, d);
    rs_linear(features, NULL, t->norm, params + at->proj_w, NULL, in->n, d, at->dim);
}

/* ---- Backward ---------------------------------------------------------------------- */

/* dx [m x d] is the gradient of `out` and becomes that of `mid`. */
static void feed_forward_grad(const rs_tape *t, const rs_layer_tape *l, const float *p,
                              const rs_layer_at *at, bool last, float *dx, float *g)
{
    const rs_kernels *kn = rs_kernels_best();
    const rs_tower_config *c = t->in.c;
    const size_t d = c->width, m = last ? t->in.n : t->in.rows;
    float *du = t->spare;

    rs_linear_grad(du, g + at->fc2_w, g + at->fc2_b, dx, l->a, p + at->fc2_w, m, c->mlp, d);
    if (c->act == RS_ACT_GELU)
        kn->gelu_grad(du, l->u, m * c->mlp);
    else
        kn->quick_gelu_grad(du, l->u, m * c->mlp);
    rs_linear_grad(t->dh, g + at->fc1_w, g + at->fc1_b, du, l->h2, p + at->fc1_w, m, d, c->mlp);
    kn->layer_norm_grad(dx, g + at->ln2_g, g + at->ln2_b, t->dh, l->mid, l->stat2,
                        p + at->ln2_g, m, d);
}

/* t->dx [rows x d], the gradient of `mid`, becomes that of `in`. In the last layer the
 * gradient of `mid` is t->dlast [n x d], and t->dx is written. */
static void attend_grad(rs_tape *t, const rs_layer_tape *l, const float *p,
                        const rs_layer_at *at, bool last, float *g)
{
    const rs_packed *in = &t->in;
    const size_t d = in->c->width, rows = in->rows, m = last ? in->n : rows;
    const rs_attention_shape shape = attention_shape(in, last);
    const float *dmid = last ? t->dlast : t->dx;
    float *dctx = t->dh;

    rs_linear_grad(dctx, g + at->out_w, g + at->out_b, dmid, l->ctx, p + at->out_w, m, d, d);
    if (last) {
        rs_attention_grad(t->dq1, t->dqkv, t->dqkv + d, t->dp, dctx, l->probs,
                          qkv_of(l, d, true), &shape);
        rs_linear_grad(t->dh, g + at->k_w, g + at->k_b, t->dqkv, l->h1, p + at->k_w,
                       rows, d, 2 * d);
        rs_linear_grad(t->dh1q, g + at->q_w, g + at->q_b, t->dq1, l->h1q, p + at->q_w,
                       in->n, d, d);
        rs_scatter_add(t->dh, t->dh1q, in->pool, in->n, d);
        memset(t->dx, 0, rows * d * sizeof *t->dx);
        rs_scatter_add(t->dx, t->dlast, in->pool, in->n, d);
    } else {
        rs_attention_grad(t->dqkv, t->dqkv + d, t->dqkv + 2 * d, t->dp, dctx, l->probs,
                          qkv_of(l, d, false), &shape);
        rs_linear_grad(t->dh, g + at->q_w, g + at->q_b, t->dqkv, l->h1, p + at->q_w,
                       rows, d, 3 * d);
    }
    rs_kernels_best()->layer_norm_grad(t->dx, g + at->ln1_g, g + at->ln1_b, t->dh, l->in,
                                       l->stat1, p + at->ln1_g, rows, d);
}

void rs_tower_backward(rs_tape *t, const float *params, const rs_tower_at *at,
                       const float *d_features, float *grads)
{
    const rs_packed *in = &t->in;
    const size_t d = in->c->width;
    float *dnorm = t->dq1;

    rs_linear_grad(dnorm, grads + at->proj_w, NULL, d_features, t->norm, params + at->proj_w,
                   in->n, d, at->dim);
    memset(t->dlast, 0, in->n * d * sizeof *t->dlast);
    rs_kernels_best()->layer_norm_grad(t->dlast, grads + at->norm_g, grads + at->norm_b, dnorm,
                                       t->last, t->last_stat, params + at->norm_g, in->n, d);
    for (size_t i = in->c->layers; i-- > 0;) {
        const bool last = i + 1 == in->c->layers;
        feed_forward_grad(t, &t->layer[i], params, &at->layer[i], last,
                          last ? t->dlast : t->dx, grads);
        attend_grad(t, &t->layer[i], params, &at->layer[i], last, grads);
    }
}
