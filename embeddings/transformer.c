/* transformer.c - transformer layers over packed sequences, forward and backward. See
 * tower_int.h.
 *
 *   before the sums (pre)                       after the sums (post_norm)
 *   h1 = LN1(x)                                 h1 = x
 *   ctx = attention(h1 Wqkv^T + b)              ctx = attention(h1 Wqkv^T + b)
 *   mid = x + ctx Wo^T + b                      mid = x + ctx Wo^T + b
 *   h2 = LN2(mid)   a = act(h2 W1^T + b)        h2 = LN1(mid)   a = act(h2 W1^T + b)
 *   out = mid + a W2^T + b                      sum = h2 + a W2^T + b   out = LN2(sum)
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
        .head_dim = in->c->width / in->c->heads, .causal = in->f->causal, .one_query = last,
    };
}

static rs_qkv qkv_of(const rs_layer_tape *l, size_t d, bool last)
{
    if (last)
        return (rs_qkv){l->q1, l->qkv, l->qkv + d, d, 2 * d};
    return (rs_qkv){l->qkv, l->qkv + d, l->qkv + 2 * d, 3 * d, 3 * d};
}

static void activate(rs_activation act, float *y, const float *x, size_t n)
{
    const rs_kernels *kn = rs_kernels_best();

    switch (act) {
    case RS_ACT_QUICK_GELU: kn->quick_gelu(y, x, n); break;
    case RS_ACT_GELU:       kn->gelu(y, x, n); break;
    case RS_ACT_GELU_TANH:  kn->gelu_tanh(y, x, n); break;
    }
}

static void activate_grad(rs_activation act, float *dy, const float *x, size_t n)
{
    const rs_kernels *kn = rs_kernels_best();

    switch (act) {
    case RS_ACT_QUICK_GELU: kn->quick_gelu_grad(dy, x, n); break;
    case RS_ACT_GELU:       kn->gelu_grad(dy, x, n); break;
    case RS_ACT_GELU_TANH:  kn->gelu_tanh_grad(dy, x, n); break;
    }
}

/* A layer norm of the tower's width with gain and bias at g and b. */
static void norm(const rs_packed *in, float *y, float *stat, const float *x, const float *p,
                 size_t g, size_t b, size_t rows)
{
    rs_kernels_best()->layer_norm(y, stat, x, p + g, p + b, in->c->eps, rows, in->c->width);
}

/* Adds to dx and to the gradients g. */
static void norm_grad(const rs_packed *in, float *dx, const float *dy, const float *x,
                      const float *stat, const float *p, float *g, size_t gain, size_t bias,
                      size_t rows)
{
    rs_kernels_best()->layer_norm_grad(dx, g + gain, g + bias, dy, x, stat, p + gain, rows,
                                       in->c->width);
}

/* ---- Forward ----------------------------------------------------------------------- */

/* The same query for each sequence. */
static void probe_queries(const rs_packed *in, const rs_layer_tape *l, const float *p,
                          const rs_layer_at *at, size_t probe)
{
    const size_t d = in->c->width;

    rs_tower_linear(in, l->q1, NULL, p + probe, p, at->q_w, at->q_b, 1, d, d);
    for (size_t i = 1; i < in->n; i++)
        memcpy(l->q1 + i * d, l->q1, d * sizeof *l->q1);
}

/* ctx and mid, up to the residual. The last layer asks only for the pooled rows. */
static void attend(const rs_packed *in, const rs_layer_tape *l, const float *p,
                   const rs_tower_at *tower, const rs_layer_at *at, bool last, bool keep)
{
    const size_t d = in->c->width, m = last ? in->n : in->rows;
    const rs_attention_shape shape = attention_shape(in, last);
    const float *base = l->in;

    if (!in->f->post_norm)
        norm(in, l->h1, l->stat1, l->in, p, at->ln1_g, at->ln1_b, in->rows);
    if (!last) {
        rs_tower_linear(in, l->qkv, NULL, l->h1, p, at->q_w, at->q_b, in->rows, d, 3 * d);
    } else {
        rs_tower_linear(in, l->qkv, NULL, l->h1, p, at->k_w, at->k_b, in->rows, d, 2 * d);
        if (in->f->pool == RS_POOL_ATTENTION) {
            probe_queries(in, l, p, at, tower->probe);
            base = NULL;
        } else {
            rs_gather(l->h1q, l->h1, in->pool, in->n, d);
            rs_tower_linear(in, l->q1, NULL, l->h1q, p, at->q_w, at->q_b, in->n, d, d);
            rs_gather(l->mid, l->in, in->pool, in->n, d);
            base = l->mid;
        }
    }
    rs_attention(l->ctx, l->probs, keep, qkv_of(l, d, last), &shape);
    rs_tower_linear(in, l->mid, base, l->ctx, p, at->out_w, at->out_b, m, d, d);
}

void rs_tower_feed_forward(const rs_packed *in, const rs_layer_tape *l, const float *p,
                           const rs_layer_at *at, bool last)
{
    const size_t d = in->c->width, mlp = in->c->mlp, m = last ? in->n : in->rows;
    const bool post = in->f->post_norm;

    if (post)
        norm(in, l->h2, l->stat1, l->mid, p, at->ln1_g, at->ln1_b, m);
    else
        norm(in, l->h2, l->stat2, l->mid, p, at->ln2_g, at->ln2_b, m);
    rs_tower_linear(in, l->u, NULL, l->h2, p, at->fc1_w, at->fc1_b, m, d, mlp);
    if (!rs_tower_activated(in))                    /* else u is a already, and in its place */
        activate(in->c->act, l->a, l->u, m * mlp);
    rs_tower_linear(in, l->sum, post ? l->h2 : l->mid, l->a, p, at->fc2_w, at->fc2_b, m, mlp, d);
    if (post)
        norm(in, l->out, l->stat2, l->sum, p, at->ln2_g, at->ln2_b, m);
}

void rs_tower_read_out(const rs_tape *t, const float *p, const rs_tower_at *at, float *features)
{
    const rs_packed *in = &t->in;
    const size_t d = in->c->width, dim = in->dim, hidden = rs_proj_hidden(in->c, dim);

    if (in->f->output_norm)
        norm(in, t->norm, t->last_stat, t->last, p, at->out_g, at->out_b, in->n);
    switch (in->f->proj) {
    case RS_PROJ_NONE:
        memcpy(features, t->norm, in->n * d * sizeof *features);
        break;
    case RS_PROJ_LINEAR:
        rs_tower_linear(in, features, NULL, t->norm, p, at->proj_w, RS_NOWHERE, in->n, d, dim);
        break;
    case RS_PROJ_LINEAR_BIAS:
        rs_tower_linear(in, features, NULL, t->norm, p, at->proj_w, at->proj_b, in->n, d, dim);
        break;
    case RS_PROJ_MLP:
        rs_tower_linear(in, t->hidden, NULL, t->norm, p, at->proj_w, RS_NOWHERE, in->n, d, hidden);
        activate(RS_ACT_GELU, t->hidden_a, t->hidden, in->n * hidden);
        rs_tower_linear(in, features, NULL, t->hidden_a, p, at->proj2_w, RS_NOWHERE, in->n, hidden,
                        dim);
        break;
    }
}

void rs_tower_forward(rs_tape *t, const float *params, const rs_tower_at *at, bool keep,
                      float *features)
{
    const rs_packed *in = &t->in;

    if (in->f->input_norm)
        norm(in, t->layer[0].in, t->emb_stat, t->emb, params, at->in_g, at->in_b, in->rows);
    for (size_t i = 0; i < in->depth; i++) {
        const bool last = i + 1 == in->depth;
        attend(in, &t->layer[i], params, at, &at->layer[i], last, keep);
        rs_tower_feed_forward(in, &t->layer[i], params, &at->layer[i], last);
    }
    rs_tower_read_out(t, params, at, features);
}

/* ---- Backward ---------------------------------------------------------------------- */

/* The two products of the MLP: dy [m x d], the gradient of its output, becomes t->dh, that
 * of h2. */
static void mlp_grad(const rs_tape *t, const rs_layer_tape *l, const float *p,
                     const rs_layer_at *at, size_t m, const float *dy, float *g)
{
    const rs_tower_config *c = t->in.c;
    float *du = t->spare;

    rs_linear_grad(du, g + at->fc2_w, g + at->fc2_b, dy, l->a, p + at->fc2_w, m, c->mlp, c->width);
    activate_grad(c->act, du, l->u, m * c->mlp);
    rs_linear_grad(t->dh, g + at->fc1_w, g + at->fc1_b, du, l->h2, p + at->fc1_w, m, c->width,
                   c->mlp);
}

/* dx [m x d] is the gradient of `out` and becomes that of `mid`. */
static void feed_forward_grad(const rs_tape *t, const rs_layer_tape *l, const float *p,
                              const rs_layer_at *at, bool last, float *dx, float *g)
{
    const rs_packed *in = &t->in;
    const size_t d = in->c->width, m = last ? in->n : in->rows;

    if (!in->f->post_norm) {
        mlp_grad(t, l, p, at, m, dx, g);
        norm_grad(in, dx, t->dh, l->mid, l->stat2, p, g, at->ln2_g, at->ln2_b, m);
        return;
    }
    memset(t->dsum, 0, m * d * sizeof *t->dsum);
    norm_grad(in, t->dsum, dx, l->sum, l->stat2, p, g, at->ln2_g, at->ln2_b, m);
    mlp_grad(t, l, p, at, m, t->dsum, g);
    rs_kernels_best()->add(t->dh, t->dsum, m * d);
    memset(dx, 0, m * d * sizeof *dx);
    norm_grad(in, dx, t->dh, l->mid, l->stat1, p, g, at->ln1_g, at->ln1_b, m);
}

/* From t->dq1, the gradients of the queries, all of them the probe's. */
static void probe_grad(const rs_tape *t, const float *p, const rs_layer_at *at, size_t probe,
                       float *g)
{
    const rs_kernels *kn = rs_kernels_best();
    const size_t d = t->in.c->width;
    float *dq = t->dh1q, *dprobe = t->dq1;

    memset(dq, 0, d * sizeof *dq);
    kn->add_columns(dq, t->dq1, d, t->in.n, d);
    rs_linear_grad(dprobe, g + at->q_w, g + at->q_b, dq, p + probe, p + at->q_w, 1, d, d);
    kn->add(g + probe, dprobe, d);
}

/* Of the last layer's attention: t->dlast, the gradient of `mid`, and t->dh, that of ctx,
 * become t->dh, that of h1, and t->dx, that of `in` so far. */
static void last_attention_grad(rs_tape *t, const rs_layer_tape *l, const float *p,
                                const rs_tower_at *tower, const rs_layer_at *at, float *g)
{
    const rs_packed *in = &t->in;
    const size_t d = in->c->width;
    const rs_attention_shape shape = attention_shape(in, true);

    rs_attention_grad(t->dq1, t->dqkv, t->dqkv + d, t->dp, t->dh, l->probs, qkv_of(l, d, true),
                      &shape);
    rs_linear_grad(t->dh, g + at->k_w, g + at->k_b, t->dqkv, l->h1, p + at->k_w, in->rows, d,
                   2 * d);
    memset(t->dx, 0, in->rows * d * sizeof *t->dx);
    if (in->f->pool == RS_POOL_ATTENTION) {
        probe_grad(t, p, at, tower->probe, g);
        return;
    }
    rs_linear_grad(t->dh1q, g + at->q_w, g + at->q_b, t->dq1, l->h1q, p + at->q_w, in->n, d, d);
    rs_scatter_add(t->dh, t->dh1q, in->pool, in->n, d);
    rs_scatter_add(t->dx, t->dlast, in->pool, in->n, d);
}

/* t->dx [rows x d], the gradient of `mid`, becomes that of `in`. In the last layer the
 * gradient of `mid` is t->dlast [n x d], and t->dx is written. */
static void attend_grad(rs_tape *t, const rs_layer_tape *l, const float *p,
                        const rs_tower_at *tower, const rs_layer_at *at, bool last, float *g)
{
    const rs_packed *in = &t->in;
    const size_t d = in->c->width, rows = in->rows;

    rs_linear_grad(t->dh, g + at->out_w, g + at->out_b, last ? t->dlast : t->dx, l->ctx,
                   p + at->out_w, last ? in->n : rows, d, d);
    if (last) {
        last_attention_grad(t, l, p, tower, at, g);
    } else {
        const rs_attention_shape shape = attention_shape(in, false);
        rs_attention_grad(t->dqkv, t->dqkv + d, t->dqkv + 2 * d, t->dp, t->dh, l->probs,
                          qkv_of(l, d, false), &shape);
        rs_linear_grad(t->dh, g + at->q_w, g + at->q_b, t->dqkv, l->h1, p + at->q_w,
                       rows, d, 3 * d);
    }
    if (in->f->post_norm)
        rs_kernels_best()->add(t->dx, t->dh, rows * d);
    else
        norm_grad(in, t->dx, t->dh, l->in, l->stat1, p, g, at->ln1_g, at->ln1_b, rows);
}

/* Leaves the gradient of t->last in t->dlast. */
static void read_out_grad(rs_tape *t, const float *p, const rs_tower_at *at,
                          const float *d_features, float *g)
{
    const rs_packed *in = &t->in;
    const size_t d = in->c->width, dim = in->dim, hidden = rs_proj_hidden(in->c, dim);
    float *dnorm = in->f->output_norm ? t->dq1 : t->dlast;

    switch (in->f->proj) {
    case RS_PROJ_NONE:
        memcpy(dnorm, d_features, in->n * d * sizeof *dnorm);
        break;
    case RS_PROJ_LINEAR:
    case RS_PROJ_LINEAR_BIAS:
        rs_linear_grad(dnorm, g + at->proj_w,
                       in->f->proj == RS_PROJ_LINEAR_BIAS ? g + at->proj_b : NULL, d_features,
                       t->norm, p + at->proj_w, in->n, d, dim);
        break;
    case RS_PROJ_MLP:
        rs_linear_grad(t->dhidden, g + at->proj2_w, NULL, d_features, t->hidden_a,
                       p + at->proj2_w, in->n, hidden, dim);
        activate_grad(RS_ACT_GELU, t->dhidden, t->hidden, in->n * hidden);
        rs_linear_grad(dnorm, g + at->proj_w, NULL, t->dhidden, t->norm, p + at->proj_w, in->n, d,
                       hidden);
        break;
    }
    if (in->f->output_norm) {
        memset(t->dlast, 0, in->n * d * sizeof *t->dlast);
        norm_grad(in, t->dlast, dnorm, t->last, t->last_stat, p, g, at->out_g, at->out_b, in->n);
    }
}

void rs_tower_backward(rs_tape *t, const float *params, const rs_tower_at *at,
                       const float *d_features, float *grads)
{
    const rs_packed *in = &t->in;

    read_out_grad(t, params, at, d_features, grads);
    for (size_t i = in->depth; i-- > 0;) {
        const bool last = i + 1 == in->depth;
        feed_forward_grad(t, &t->layer[i], params, &at->layer[i], last,
                          last ? t->dlast : t->dx, grads);
        attend_grad(t, &t->layer[i], params, at, &at->layer[i], last, grads);
    }
    if (in->f->input_norm) {
        float *dx = t->dh;
        memset(dx, 0, in->rows * in->c->width * sizeof *dx);
        norm_grad(in, dx, t->dx, t->emb, t->emb_stat, params, grads, at->in_g, at->in_b, in->rows);
        t->dh = t->dx;
        t->dx = dx;
    }
}
