/* optimizer.c - see optimizer.h. Built with -fno-math-errno: the root of a second
 * moment is never negative, and without errno the loop is vectorised.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/optimizer.h"

#include "base/alloc.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { PIECE = 32768 };                         /* floats: four arrays of it fit in a core's L2 */

typedef struct {
    size_t offset, count;
    bool decay;
} piece;

struct rs_adamw {
    rs_adamw_config c;
    size_t n, n_pieces;
    piece *pieces;
    float *first, *second;
    double *square;                             /* the gradient's, a PIECE of the block each */
    uint64_t steps;
};

/* ---- State ----------------------------------------------------------- */

static size_t pieces_of(size_t n)
{
    return (n + PIECE - 1) / PIECE;
}

static void cut(rs_adamw *a, size_t offset, size_t count, bool decay)
{
    for (size_t at = 0; at < count; at += PIECE) {
        size_t left = count - at;
        a->pieces[a->n_pieces++] = (piece){offset + at, left < PIECE ? left : PIECE, decay};
    }
}

rs_status rs_adamw_new(rs_adamw **out, const rs_adamw_config *c, size_t n,
                       const rs_param *table, size_t n_table, rs_err *err)
{
    rs_adamw *a = rs_calloc(1, sizeof *a);
    size_t pieces = table ? 0 : pieces_of(n);

    *out = NULL;
    for (size_t i = 0; table && i < n_table; i++)
        pieces += pieces_of(table[i].count);
    if (a) {
        a->c = *c;
        a->n = n;
        a->pieces = rs_calloc(pieces, sizeof *a->pieces);
        a->first = rs_calloc_aligned(n, sizeof *a->first);
        a->second = rs_calloc_aligned(n, sizeof *a->second);
        a->square = rs_calloc(pieces_of(n), sizeof *a->square);
    }
    if (!a || !a->pieces || !a->first || !a->second || !a->square) {
        rs_adamw_free(a);
        return rs_fail(err, RS_ENOMEM, "optimizer of %zu parameters: no memory", n);
    }
    for (size_t i = 0; table && i < n_table; i++)
        cut(a, table[i].offset, table[i].count, table[i].decay);
    if (!table)
        cut(a, 0, n, true);
    *out = a;
    return RS_OK;
}

void rs_adamw_free(rs_adamw *a)
{
    if (!a)
        return;
    rs_free(a->pieces);
    rs_free(a->first);
    rs_free(a->second);
    rs_free(a->square);
    rs_free(a);
}

float    *rs_adamw_first(rs_adamw *a) { return a->first; }
float    *rs_adamw_second(rs_adamw *a) { return a->second; }
uint64_t *rs_adamw_steps(rs_adamw *a) { return &a->steps; }

/* ---- One step -------------------------------------------------------- */

typedef struct {
    rs_adamw *a;
    float *params, *grads;
    float grad_scale, shrink, step, root_scale;   /* 1, 1 - lr wd, lr / c1, 1 / sqrt(c2) */
} step_ctx;

static void update(float *restrict p, float *restrict g, float *restrict m, float *restrict v,
                   size_t n, float b1, float b2, float eps, float shrink, const step_ctx *s)
{
    float grad_scale = s->grad_scale, step = s->step, root_scale = s->root_scale;

    for (size_t i = 0; i < n; i++) {
        float gi = g[i] * grad_scale;
        m[i] = b1 * m[i] + (1.0f - b1) * gi;
        v[i] = b2 * v[i] + (1.0f - b2) * gi * gi;
        p[i] = p[i] * shrink - step * m[i] / (sqrtf(v[i]) * root_scale + eps);
        g[i] = 0.0f;
    }
}

static void update_piece(void *ctx, size_t i, size_t worker)
{
    const step_ctx *s = ctx;
    const piece *w = &s->a->pieces[i];
    const rs_adamw_config *c = &s->a->c;

    (void)worker;
    update(s->params + w->offset, s->grads + w->offset, s->a->first + w->offset,
           s->a->second + w->offset, w->count, (float)c->beta1, (float)c->beta2, (float)c->eps,
           w->decay ? s->shrink : 1.0f, s);
}

void rs_adamw_step(rs_adamw *a, float *params, float *grads, double grad_scale, double lr,
                   rs_pool *pool)
{
    double t = (double)++a->steps;
    step_ctx s = {
        .a = a, .params = params, .grads = grads, .grad_scale = (float)grad_scale,
        .shrink = (float)(1.0 - lr * a->c.weight_decay),
        .step = (float)(lr / (1.0 - pow(a->c.beta1, t))),
        .root_scale = (float)(1.0 / sqrt(1.0 - pow(a->c.beta2, t))),
    };

    rs_pool_for(pool, a->n_pieces, update_piece, &s);
}

/* ---- Gradients ------------------------------------------------------- */

typedef struct {
    float *const *blocks;
    size_t k, n;
    double *square;
} sum_ctx;

/* Partial sums in eight lanes, so that the loop needs no particular order of its own. */
static double squares(const float *x, size_t n)
{
    double lane[8] = {0}, sum = 0;
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        for (size_t l = 0; l < 8; l++)
            lane[l] += (double)x[i + l] * x[i + l];
    for (; i < n; i++)
        sum += (double)x[i] * x[i];
    for (size_t l = 0; l < 8; l++)
        sum += lane[l];
    return sum;
}

static void add_and_clear(float *restrict to, float *restrict from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] += from[i];
    memset(from, 0, n * sizeof *from);
}

static void sum_piece(void *ctx, size_t i, size_t worker)
{
    const sum_ctx *s = ctx;
    size_t at = i * PIECE, count = s->n - at < PIECE ? s->n - at : PIECE;

    (void)worker;
    for (size_t b = 1; b < s->k; b++)
        add_and_clear(s->blocks[0] + at, s->blocks[b] + at, count);
    s->square[i] = squares(s->blocks[0] + at, count);
}

double rs_adamw_sum(rs_adamw *a, float *const *blocks, size_t k, rs_pool *pool)
{
    size_t pieces = pieces_of(a->n);
    sum_ctx s = {blocks, k, a->n, a->square};
    double total = 0;

    rs_pool_for(pool, pieces, sum_piece, &s);
    for (size_t i = 0; i < pieces; i++)
        total += a->square[i];
    return sqrt(total);
}

double rs_schedule_at(const rs_schedule *s, uint64_t step)
{
    double done;

    if (step < s->warmup)
        return s->peak * (double)(step + 1) / (double)s->warmup;
    if (step >= s->steps || s->steps <= s->warmup)
        return s->last;
    done = (double)(step - s->warmup) / (double)(s->steps - s->warmup);
    return s->last + (s->peak - s->last) * 0.5 * (1.0 + cos(3.14159265358979323846 * done));
}
