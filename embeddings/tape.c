/* tape.c - memory of a forward pass: one block, cut up anew for each batch.
 *
 * The cutting runs twice: once without memory to learn the size, once for real. The
 * block only grows, so a loop over like batches allocates once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "embeddings/tower_int.h"

#include "base/alloc.h"

rs_tape *rs_tape_new(void)
{
    return rs_calloc(1, sizeof(rs_tape));
}

void rs_tape_free(rs_tape *t)
{
    if (!t)
        return;
    rs_free(t->mem);
    rs_free(t->index);
    rs_free(t->layer);
    rs_free(t);
}

rs_status rs_tape_index(rs_tape *t, const rs_tower_config *c, const rs_tower_traits *f, size_t dim,
                        size_t n, rs_err *err)
{
    if (n > SIZE_MAX / 4)
        return rs_fail(err, RS_ELIMIT, "tape: %zu sequences", n);
    if (2 * n + 1 > t->index_cap) {
        size_t *p = rs_realloc(t->index, 2 * n + 1, sizeof *p);
        if (!p)
            return rs_fail(err, RS_ENOMEM, "tape: no memory for %zu sequences", n);
        t->index = p;
        t->index_cap = 2 * n + 1;
    }
    t->in = (rs_packed){.c = c, .f = f, .depth = rs_tower_depth(c, f), .dim = dim, .n = n,
                        .start = t->index, .pool = t->index + n + 1};
    t->kept = false;
    return RS_OK;
}

/* ---- Cutting --------------------------------------------------------------------- */

typedef struct {
    float *base;                 /* NULL: only count */
    size_t used;                 /* floats, a multiple of 16: each piece is 64-byte aligned */
} cursor;

static float *take(cursor *at, size_t n)
{
    float *p = at->base ? at->base + at->used : NULL;
    at->used += (n + 15) & ~(size_t)15;
    return p;
}

/* Each layer its own buffers. */
static void cut_kept_layers(rs_tape *t, cursor *at)
{
    const rs_packed *in = &t->in;
    const bool post = in->f->post_norm;
    const size_t d = in->c->width;
    float *x = take(at, in->rows * d);

    for (size_t i = 0; i < in->depth; i++) {
        rs_layer_tape *l = &t->layer[i];
        const bool last = i + 1 == in->depth;
        const size_t m = last ? in->n : in->rows;
        *l = (rs_layer_tape){
            .in = x,
            .stat1 = take(at, in->rows * 2), .h1 = post ? x : take(at, in->rows * d),
            .qkv = take(at, in->rows * (last ? 2 : 3) * d),
            .q1 = take(at, last ? m * d : 0), .h1q = take(at, last ? m * d : 0),
            .probs = take(at, (last ? in->rows : in->pairs) * in->c->heads),
            .ctx = take(at, m * d), .mid = take(at, m * d),
            .stat2 = take(at, m * 2), .h2 = take(at, m * d),
            .u = take(at, m * in->c->mlp), .a = take(at, m * in->c->mlp),
            .sum = post ? take(at, m * d) : NULL, .out = take(at, m * d),
        };
        l->sum = post ? l->sum : l->out;
        x = l->out;
    }
    t->last = x;
}

/* All layers in the same buffers: x is updated in place, what is dead is overwritten. */
static void cut_shared_layers(rs_tape *t, cursor *at)
{
    const rs_packed *in = &t->in;
    const bool post = in->f->post_norm;
    const size_t d = in->c->width, wide = in->c->mlp > 3 * d ? in->c->mlp : 3 * d;
    float *h = take(at, in->rows * d), *big = take(at, in->rows * wide);
    rs_layer_tape l = {
        .in = take(at, in->rows * d), .stat1 = take(at, in->rows * 2), .h1 = h,
        .qkv = big, .probs = take(at, in->longest * in->longest),
        .ctx = h, .h2 = h, .u = big, .a = big,
    };

    l.stat2 = l.stat1;
    l.mid = l.sum = l.out = l.in;
    if (post)
        l.h1 = l.h2 = l.in;
    for (size_t i = 0; i < in->depth; i++)
        t->layer[i] = l;
    rs_layer_tape *last = &t->layer[in->depth - 1];
    last->q1 = take(at, in->n * d);
    last->h1q = take(at, in->n * d);
    last->mid = last->sum = last->out = take(at, in->n * d);
    last->h2 = post ? last->mid : last->h2;
    t->last = last->out;
}

static size_t hidden_floats(const rs_packed *in)
{
    return in->f->proj == RS_PROJ_MLP ? in->n * rs_proj_hidden(in->c, in->dim) : 0;
}

static void cut_backward(rs_tape *t, cursor *at)
{
    const rs_packed *in = &t->in;
    const size_t d = in->c->width;

    t->dx = take(at, in->rows * d);
    t->dh = take(at, in->rows * d);
    t->dqkv = take(at, in->rows * 3 * d);
    t->dsum = take(at, in->f->post_norm ? in->rows * d : 0);
    t->dp = take(at, in->longest * in->longest);
    t->dlast = take(at, in->n * d);
    t->dq1 = take(at, in->n * d);
    t->dh1q = take(at, in->n * d);
    t->dhidden = take(at, hidden_floats(in));
}

static size_t cut(rs_tape *t, bool keep, size_t spare, float *base)
{
    const rs_packed *in = &t->in;
    const size_t d = in->c->width, least = keep ? in->rows * in->c->mlp : 0;
    cursor at = {.base = base};

    if (keep)
        cut_kept_layers(t, &at);
    else
        cut_shared_layers(t, &at);
    /* A pass that keeps nothing normalises the embeddings in place. */
    t->emb = keep && in->f->input_norm ? take(&at, in->rows * d) : t->layer[0].in;
    t->emb_stat = keep && in->f->input_norm ? take(&at, in->rows * 2) : t->layer[0].stat1;
    t->last_stat = take(&at, in->n * 2);
    t->norm = in->f->output_norm ? take(&at, in->n * d) : t->last;
    t->hidden = take(&at, hidden_floats(in));
    t->hidden_a = take(&at, hidden_floats(in));
    t->spare = take(&at, spare > least ? spare : least);
    t->in.fast = keep ? NULL : t->fast;
    t->in.threads = t->in.fast ? t->threads : NULL;
    t->in.room = take(&at, t->in.fast ? rs_dual_fast_scratch(t->fast, in->rows) / sizeof(float) + 1 : 0);
    if (keep)
        cut_backward(t, &at);
    return at.used;
}

rs_status rs_tape_lay_out(rs_tape *t, bool keep, size_t spare, rs_err *err)
{
    size_t need;

    if (t->in.rows > UINT32_MAX)
        return rs_fail(err, RS_ELIMIT, "tape: %zu rows", t->in.rows);
    if (t->in.depth > t->layer_cap) {
        rs_layer_tape *p = rs_realloc(t->layer, t->in.depth, sizeof *p);
        if (!p)
            return rs_fail(err, RS_ENOMEM, "tape: no memory");
        t->layer = p;
        t->layer_cap = t->in.depth;
    }
    need = cut(t, keep, spare, NULL);
    if (need > t->mem_cap) {
        rs_free(t->mem);
        t->mem_cap = 0;
        t->mem = rs_calloc_aligned(need, sizeof *t->mem);
        if (!t->mem)
            return rs_fail(err, RS_ENOMEM, "tape: no memory for %zu rows (%zu MiB)",
                           t->in.rows, need >> 18);
        t->mem_cap = need;
    }
    cut(t, keep, spare, t->mem);
    return RS_OK;
}
