/* dual_fast.c - see dual_fast.h. The packed layers are found by where their weights lie
 * in the parameter block.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/dual_fast.h"

#include "base/alloc.h"
#include "embeddings/kernels.h"
#include "embeddings/tower_int.h"

#include <assert.h>

typedef struct {
    size_t place, n;               /* of the weights; outputs: q alone or q, k and v together */
    size_t count;                  /* of weights */
    bool   exact;
    rs_weights *w;
} entry;

struct rs_dual_fast {
    const rs_dual *m;
    rs_precision precision;
    entry *list;                   /* by place, then n */
    size_t n, cap;
};

/* ---- Packing ------------------------------------------------------------------------- */

static void (*act_of(rs_activation act))(float *, const float *, size_t)
{
    const rs_kernels *kn = rs_kernels_best();

    switch (act) {
    case RS_ACT_QUICK_GELU: return kn->quick_gelu;
    case RS_ACT_GELU:       return kn->gelu;
    case RS_ACT_GELU_TANH:  return kn->gelu_tanh;
    }
    return NULL;
}

/* One layer [n x k] with weights at w and bias at b (RS_NOWHERE: none). */
typedef struct {
    size_t w, b, n, k;
    bool act, exact;               /* the tower's activation follows; stays in float */
} matrix;

static rs_status add(rs_dual_fast *f, const rs_tower_config *c, matrix a, rs_err *err)
{
    const float *p = f->m->params;
    const rs_linear_spec spec = {
        .n = a.n, .k = a.k, .w = p + a.w, .bias = a.b == RS_NOWHERE ? NULL : p + a.b,
        .act = a.act ? act_of(c->act) : NULL, .keeps_w = true,
    };
    size_t i = f->n;
    rs_weights *w;
    rs_status st;

    assert(f->n < f->cap);
    if ((st = rs_weights_new(&w, &spec, a.exact ? RS_F32 : f->precision, err)) != RS_OK)
        return st;
    for (; i > 0 && (f->list[i - 1].place > a.w ||
                     (f->list[i - 1].place == a.w && f->list[i - 1].n > a.n)); i--)
        f->list[i] = f->list[i - 1];
    f->list[i] = (entry){a.w, a.n, a.n * a.k, a.exact, w};
    f->n++;
    return RS_OK;
}

/* The last layer computes keys and values of all rows, queries of those that are read. */
static rs_status add_layer(rs_dual_fast *f, const rs_tower_config *c, const rs_layer_at *at,
                           bool last, rs_err *err)
{
    const size_t d = c->width;
    const matrix all[] = {
        {.w = last ? at->k_w : at->q_w, .b = last ? at->k_b : at->q_b, .n = last ? 2 * d : 3 * d, .k = d},
        {.w = at->out_w, .b = at->out_b, .n = d, .k = d},
        {.w = at->fc1_w, .b = at->fc1_b, .n = c->mlp, .k = d, .act = true},
        {.w = at->fc2_w, .b = at->fc2_b, .n = d, .k = c->mlp},
        {.w = at->q_w, .b = at->q_b, .n = d, .k = d},
    };
    rs_status st = RS_OK;

    for (size_t i = 0; i < (last ? 5 : 4) && st == RS_OK; i++)
        st = add(f, c, all[i], err);
    return st;
}

static rs_status add_tower(rs_dual_fast *f, const rs_tower_config *c, const rs_tower_traits *traits,
                           const rs_tower_at *at, rs_err *err)
{
    const size_t depth = rs_tower_depth(c, traits), dim = f->m->config.dim;
    const size_t hidden = rs_proj_hidden(c, dim);
    rs_status st = RS_OK;

    for (size_t i = 0; i < depth && st == RS_OK; i++)
        st = add_layer(f, c, &at->layer[i], i + 1 == depth, err);
    if (st != RS_OK || traits->proj == RS_PROJ_NONE)
        return st;
    if (traits->proj != RS_PROJ_MLP)
        return add(f, c, (matrix){at->proj_w, traits->proj == RS_PROJ_LINEAR ? RS_NOWHERE : at->proj_b,
                                  dim, c->width, .exact = true}, err);
    st = add(f, c, (matrix){at->proj_w, RS_NOWHERE, hidden, c->width, .exact = true}, err);
    if (st == RS_OK)
        st = add(f, c, (matrix){at->proj2_w, RS_NOWHERE, dim, hidden, .exact = true}, err);
    return st;
}

static rs_status add_all(rs_dual_fast *f, rs_err *err)
{
    const rs_dual *m = f->m;
    const rs_dual_config *c = &m->config;
    const rs_tower_traits *vision = rs_vision_traits(c);
    const size_t patch = 3 * c->patch_size * c->patch_size;
    rs_status st;

    f->cap = 5 * (rs_tower_depth(&c->vision, vision) + rs_tower_depth(&c->text, rs_text_traits(c))) + 5;
    f->list = rs_calloc(f->cap, sizeof *f->list);
    if (!f->list)
        return rs_fail(err, RS_ENOMEM, "packed layers: no memory");
    st = add(f, &c->vision, (matrix){m->at.vision.patch_w,
                                     vision->patch_bias ? m->at.vision.patch_b : RS_NOWHERE,
                                     c->vision.width, patch, false, false}, err);
    if (st == RS_OK)
        st = add_tower(f, &c->vision, vision, &m->at.vision, err);
    if (st == RS_OK)
        st = add_tower(f, &c->text, rs_text_traits(c), &m->at.text, err);
    return st;
}

rs_status rs_dual_fast_new(rs_dual_fast **out, const rs_dual *m, rs_precision precision, rs_err *err)
{
    rs_dual_fast *f = rs_calloc(1, sizeof *f);
    rs_status st;

    *out = NULL;
    if (!f)
        return rs_fail(err, RS_ENOMEM, "packed layers: no memory");
    f->m = m;
    f->precision = precision;
    if ((st = add_all(f, err)) != RS_OK) {
        rs_dual_fast_free(f);
        return st;
    }
    *out = f;
    return RS_OK;
}

void rs_dual_fast_free(rs_dual_fast *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n; i++)
        rs_weights_free(f->list[i].w);
    rs_free(f->list);
    rs_free(f);
}

rs_precision rs_dual_fast_precision(const rs_dual_fast *f)
{
    return f->precision;
}

size_t rs_dual_fast_bytes(const rs_dual_fast *f)
{
    size_t sum = 0;

    for (size_t i = 0; i < f->n; i++)
        sum += rs_weights_bytes(f->list[i].w);
    return sum;
}

bool rs_dual_fast_holds(const rs_dual_fast *f, size_t offset)
{
    for (size_t i = 0; i < f->n; i++)
        if (!f->list[i].exact && offset >= f->list[i].place &&
            offset < f->list[i].place + f->list[i].count)
            return true;
    return false;
}

/* ---- In a pass ---------------------------------------------------------------------------- */

void rs_tape_use(rs_tape *t, const rs_dual_fast *f, rs_pool *pool)
{
    t->fast = f;
    t->threads = pool;
}

size_t rs_dual_fast_scratch(const rs_dual_fast *f, size_t rows)
{
    size_t most = 0;

    for (size_t i = 0; i < f->n; i++) {
        const size_t need = rs_weights_scratch(f->list[i].w, rows);
        most = need > most ? need : most;
    }
    return most;
}

/* The layer is there: every product of a forward pass was packed. */
static const rs_weights *find(const rs_dual_fast *f, size_t place, size_t n)
{
    size_t lo = 0, hi = f->n;

    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        const entry *e = &f->list[mid];
        if (e->place < place || (e->place == place && e->n < n))
            lo = mid + 1;
        else
            hi = mid;
    }
    assert(lo < f->n && f->list[lo].place == place && f->list[lo].n == n);
    return f->list[lo].w;
}

void rs_tower_linear(const rs_packed *in, float *y, const float *base, const float *x,
                     const float *p, size_t w, size_t b, size_t rows, size_t k, size_t n)
{
    if (in->fast)
        rs_weights_run(find(in->fast, w, n), y, base, x, rows, in->room, in->threads);
    else
        rs_linear(y, base, x, p + w, b == RS_NOWHERE ? NULL : p + b, rows, k, n);
}

bool rs_tower_activated(const rs_packed *in)
{
    return in->fast != NULL;
}
