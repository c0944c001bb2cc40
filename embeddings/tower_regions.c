/* tower_regions.c - parts of an image out of one pass of the vision tower; regions.h says
 * why so. Follows rs_tower_forward without `keep`, which leaves the last layer's input, one
 * row a patch, where it was.
 *
 * A patch counts by how much of it lies in the box, w_t:
 *
 *   class token    x = sum_t w_t in_t / sum_t w_t, read out as the class token is: no layer
 *                  more
 *   pooling layer  the layer itself, its query seeing the patches of the box alone:
 *                  softmax(q k_t / sqrt(hd) + log w_t). A box of everything is the image's
 *                  own feature.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/tower_int.h"

#include "base/alloc.h"
#include "embeddings/kernels.h"

#include <math.h>
#include <string.h>

/* Regions on their way: at most as many rows as the batch has, for which the packed layers
 * have room. */
typedef struct {
    const rs_tape *t;
    const float *p;
    const rs_tower_at *at;
    size_t side, patches;
    float *weight;                 /* [patches] of one region */
    float *x, *norm, *stat;        /* [block x d] twice, [block x 2] */
    float *hidden, *hidden_a;      /* [block x hidden] */
    float *h1, *kv, *q;            /* pooling layer: [rows x d], [rows x 2d], [d] */
    float *ctx, *h2, *u;           /* pooling layer: [block x d] twice, [block x mlp] */
} work;

/* Length of [a, b] and cell i of n on [0, 1], in cells. */
static double overlap(double a, double b, size_t i, size_t n)
{
    const double lo = fmax(a * (double)n, (double)i), hi = fmin(b * (double)n, (double)i + 1);
    return hi > lo ? hi - lo : 0;
}

/* Shares of the patches in the box; they sum to 1. */
static void weigh(const work *w, const double *box)
{
    double sum = 0;

    for (size_t y = 0, t = 0; y < w->side; y++)
        for (size_t x = 0; x < w->side; x++, t++) {
            const double area = overlap(box[0], box[2], x, w->side) *
                                overlap(box[1], box[3], y, w->side);
            w->weight[t] = (float)area;
            sum += area;
        }
    for (size_t t = 0; t < w->patches && sum > 0; t++)
        w->weight[t] = (float)((double)w->weight[t] / sum);
}

/* ---- A class token's family ------------------------------------------ */

static void average(float *out, const work *w, const float *rows)
{
    const size_t d = w->t->in.c->width;

    memset(out, 0, d * sizeof *out);
    for (size_t t = 0; t < w->patches; t++, rows += d)
        for (size_t j = 0; j < d && w->weight[t] > 0; j++)
            out[j] += w->weight[t] * rows[j];
}

/* ---- A pooling layer -------------------------------------------------- */

static const rs_layer_at *last_layer(const work *w)
{
    return &w->at->layer[w->t->in.depth - 1];
}

/* Keys and values of all patches, and the one query. */
static void keys_and_values(const work *w)
{
    const rs_packed *in = &w->t->in;
    const rs_layer_at *at = last_layer(w);
    const size_t d = in->c->width;

    rs_kernels_best()->layer_norm(w->h1, w->t->layer[0].stat1, w->t->layer[in->depth - 1].in,
                                  w->p + at->ln1_g, w->p + at->ln1_b, in->c->eps, in->rows, d);
    rs_tower_linear(in, w->kv, NULL, w->h1, w->p, at->k_w, at->k_b, in->rows, d, 2 * d);
    rs_tower_linear(in, w->q, NULL, w->p + w->at->probe, w->p, at->q_w, at->q_b, 1, d, d);
}

/* out [d] = the heads' weighted values; kv: of the image's first patch. */
static void attend_box(float *out, const work *w, const float *kv)
{
    const rs_kernels *kn = rs_kernels_best();
    const size_t d = w->t->in.c->width, hd = d / w->t->in.c->heads;
    const float scale = 1 / sqrtf((float)hd);

    memset(out, 0, d * sizeof *out);
    for (size_t h = 0; h < d; h += hd) {
        float *score = w->h1;                       /* read no more */
        float top = -INFINITY;
        double sum = 0;
        for (size_t t = 0; t < w->patches; t++)
            if (w->weight[t] > 0) {
                score[t] = scale * kn->dot(w->q + h, kv + t * 2 * d + h, hd);
                top = fmaxf(top, score[t]);
            }
        for (size_t t = 0; t < w->patches; t++)
            if (w->weight[t] > 0) {
                score[t] = w->weight[t] * expf(score[t] - top);
                sum += (double)score[t];
            }
        for (size_t t = 0; t < w->patches; t++)
            for (size_t j = 0; j < hd && w->weight[t] > 0; j++)
                out[h + j] += score[t] / (float)sum * kv[t * 2 * d + d + h + j];
    }
}

/* From w->ctx [in->n x d] to w->x. */
static void pool_box(const work *w, const rs_packed *in)
{
    const rs_layer_at *at = last_layer(w);
    const size_t d = in->c->width;
    const rs_layer_tape l = {.mid = w->x, .stat1 = w->stat, .stat2 = w->stat, .h2 = w->h2,
                             .u = w->u, .a = w->u, .sum = w->x, .out = w->x};

    rs_tower_linear(in, w->x, NULL, w->ctx, w->p, at->out_w, at->out_b, in->n, d, d);
    rs_tower_feed_forward(in, &l, w->p, at, true);
}

/* ---- All of them ------------------------------------------------------- */

/* Regions [first, first + n) of the list. */
static void run_block(const work *w, const double *boxes, size_t m, size_t first, size_t n,
                      float *features)
{
    const rs_packed *all = &w->t->in;
    const size_t d = all->c->width, each = w->patches + all->f->class_token;
    const bool pooling = all->f->pool == RS_POOL_ATTENTION;
    const float *in = w->t->layer[all->depth - 1].in;
    rs_tape few = {.in = *all, .last = w->x, .last_stat = w->stat, .norm = w->norm,
                   .hidden = w->hidden, .hidden_a = w->hidden_a};

    for (size_t i = 0; i < n; i++) {
        const size_t row = (first + i) / m * each + all->f->class_token;
        weigh(w, boxes + (first + i) * 4);
        if (pooling)
            attend_box(w->ctx + i * d, w, w->kv + row * 2 * d);
        else
            average(w->x + i * d, w, in + row * d);
    }
    few.in.n = n;
    if (pooling)
        pool_box(w, &few.in);
    few.norm = all->f->output_norm ? w->norm : w->x;
    rs_tower_read_out(&few, w->p, w->at, features + first * all->dim);
}

/* The pieces of `w` for blocks of `block` regions, cut out of `from`; NULL: only how many
 * floats they are. */
static size_t cut(work *w, size_t block, float *from)
{
    const rs_packed *in = &w->t->in;
    const size_t d = in->c->width, rows = in->f->pool == RS_POOL_ATTENTION ? in->rows : 0;
    const size_t ctx = rows ? block : 0, hidden = rs_proj_hidden(in->c, in->dim) *
                                                  (in->f->proj == RS_PROJ_MLP);
    const struct { float **to; size_t n; } piece[] = {
        {&w->weight, w->patches}, {&w->x, block * d}, {&w->norm, block * d},
        {&w->stat, block * 2}, {&w->hidden, block * hidden}, {&w->hidden_a, block * hidden},
        {&w->h1, rows * d}, {&w->kv, rows * 2 * d}, {&w->q, d}, {&w->ctx, ctx * d},
        {&w->h2, ctx * d}, {&w->u, ctx * in->c->mlp},
    };
    size_t used = 0;

    for (size_t i = 0; i < sizeof piece / sizeof *piece; i++) {
        *piece[i].to = from ? from + used : NULL;
        used += (piece[i].n + 15) & ~(size_t)15;
    }
    return used;
}

rs_status rs_tower_regions(const rs_tape *t, const float *params, const rs_tower_at *at,
                           const double *boxes, size_t m, size_t side, float *features,
                           rs_err *err)
{
    work w = {.t = t, .p = params, .at = at, .side = side, .patches = side * side};
    const size_t total = t->in.n * m, block = total < t->in.rows ? total : t->in.rows;
    float *mem;

    if (total == 0)
        return RS_OK;
    mem = rs_calloc_aligned(cut(&w, block, NULL), sizeof *mem);
    if (!mem)
        return rs_fail(err, RS_ENOMEM, "regions: no memory for %zu", total);
    cut(&w, block, mem);
    if (t->in.f->pool == RS_POOL_ATTENTION)
        keys_and_values(&w);
    for (size_t i = 0; i < total; i += block)
        run_block(&w, boxes, m, i, total - i < block ? total - i : block, features);
    rs_free(mem);
    return RS_OK;
}
