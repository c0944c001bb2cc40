/* codes.c - see codes.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/codes.h"

#include "base/alloc.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 256, LARGEST = 127, MIDDLE = 128, LIST_LEAST = 1024 };

/* Scores are summed in float: a bound must not be tighter than that. */
static const float ROUNDING = 4e-6f;

/* ---- Codes ------------------------------------------------------------------------- */

void rs_codes_init(rs_codes *c, size_t dim)
{
    *c = (rs_codes){.dim = dim,
                    .width = (dim + RS_SCAN_STEP - 1) / RS_SCAN_STEP * RS_SCAN_STEP};
}

void rs_codes_clear(rs_codes *c)
{
    rs_free(c->code);
    rs_free(c->scale);
    rs_free(c->error);
    rs_free(c->low);
    rs_free(c->step);
    rs_codes_init(c, c->dim);
}

size_t rs_codes_bytes(const rs_codes *c)
{
    return c->cap * (c->width + (c->low ? 0 : 2 * sizeof *c->scale));
}

rs_status rs_codes_reserve(rs_codes *c, size_t n, rs_err *err)
{
    uint8_t *code;
    float *grown;

    if (n <= c->cap)
        return RS_OK;
    if (n > UINT32_MAX)
        return rs_fail(err, RS_ELIMIT, "vector index: %zu vectors, at most 2^32 - 1", n);
    code = n <= SIZE_MAX / c->width ? rs_calloc_aligned(n, c->width) : NULL;
    if (!code)
        goto nomem;
    if (c->n)
        memcpy(code, c->code, c->n * c->width);
    rs_free(c->code);
    c->code = code;
    if (!c->low) {
        if (!(grown = rs_realloc(c->scale, n, sizeof *grown)))
            goto nomem;
        c->scale = grown;
        if (!(grown = rs_realloc(c->error, n, sizeof *grown)))
            goto nomem;
        c->error = grown;
    }
    c->cap = n;
    return RS_OK;
nomem:
    return rs_fail(err, RS_ENOMEM, "vector index: no memory for the codes of %zu vectors", n);
}

static float largest_of(const float *x, size_t n)
{
    float most = 0;

    for (size_t j = 0; j < n; j++)
        most = fabsf(x[j]) > most ? fabsf(x[j]) : most;
    return most;
}

static void encode(rs_codes *c, size_t row, const float *x)
{
    const float most = largest_of(x, c->dim), scale = most / LARGEST;
    const float up = most > 0 ? LARGEST / most : 0;
    uint8_t *code = c->code + row * c->width;
    double off = 0, length = 0;

    c->scale[row] = 0;
    c->error[row] = INFINITY;
    for (size_t j = 0; j < c->dim; j++)
        if (!isfinite(x[j]))
            return;                        /* nothing is known of it: always a candidate */
    for (size_t j = 0; j < c->dim; j++) {
        const float v = rintf(x[j] * up), r = x[j] - v * scale;
        code[j] = (uint8_t)((int)v + MIDDLE);
        off += (double)(r * r);
        length += (double)(v * v);
    }
    c->scale[row] = scale;
    c->error[row] = (float)sqrt(off) * 1.0001f;
    length = sqrt(length) * (double)scale * 1.0001;
    if ((float)length > c->longest)
        c->longest = (float)length;
}

rs_status rs_codes_add(rs_codes *c, const float *x, size_t n, rs_err *err)
{
    size_t cap = c->n + n > c->cap ? c->n + n + c->n / 2 : c->cap;
    rs_status st = rs_codes_reserve(c, cap, err);

    if (st != RS_OK)
        return st;
    for (size_t i = 0; i < n; i++)
        encode(c, c->n + i, x + i * c->dim);
    c->n += n;
    return RS_OK;
}

/* ---- The query --------------------------------------------------------------------- */

/* The weights w [dim] as integers p with |w - t p| known. */
static float put_query(rs_shortlist *s, const float *w, size_t dim, bool wide, float *t)
{
    const float most = largest_of(w, dim), up = most > 0 ? LARGEST / most : 0;
    double off = 0;

    *t = most / LARGEST;
    s->offset = 0;
    for (size_t j = 0; j < dim; j++) {
        const float p = rintf(w[j] * up), u = w[j] - p * *t;
        if (wide)
            ((int16_t *)s->query)[j] = (int16_t)p;
        else
            ((int8_t *)s->query)[j] = (int8_t)p;
        s->offset += MIDDLE * (int32_t)p;
        off += (double)(u * u);
    }
    return (float)sqrt(off) * 1.0001f;
}

static rs_status room_for(rs_shortlist *s, size_t width, size_t k, rs_err *err)
{
    const size_t bytes = 2 * width + 4 * width;      /* the query, and its weights */

    if (bytes > s->query_cap) {
        rs_free(s->query);
        s->query = rs_calloc_aligned(bytes, 1);
        s->query_cap = s->query ? bytes : 0;
    }
    if (k > s->best_cap) {
        rs_free(s->best);
        s->best = k < SIZE_MAX / sizeof *s->best ? rs_malloc(k * sizeof *s->best) : NULL;
        s->best_cap = s->best ? k : 0;
    }
    if (!s->list) {
        s->list = rs_malloc(LIST_LEAST * sizeof *s->list);
        s->cap = s->list ? LIST_LEAST : 0;
    }
    if (s->query && s->best && s->list)
        return RS_OK;
    return rs_fail(err, RS_ENOMEM, "vector search: no memory for %zu results", k);
}

rs_status rs_shortlist_begin(rs_shortlist *s, const rs_codes *codes, const float *q, size_t k,
                             float caution, rs_err *err)
{
    const size_t dim = codes->dim;
    double length = 0, base = 0;
    float u, *w;
    rs_status st = room_for(s, codes->width, k, err);

    if (st != RS_OK)
        return st;
    if (!s->set)
        s->set = rs_scan_best();
    s->codes = codes;
    s->k = k;
    s->n = s->n_best = 0;
    s->limit = -INFINITY;
    s->nomem = false;
    memset(s->query, 0, s->query_cap);
    w = (float *)(void *)((char *)s->query + 2 * codes->width);
    for (size_t j = 0; j < dim; j++) {
        w[j] = codes->low ? q[j] * codes->step[j] : q[j];
        length += (double)q[j] * (double)q[j];
        if (codes->low)
            base += (double)q[j] * (double)codes->low[j] + MIDDLE * (double)w[j];
    }
    u = put_query(s, w, dim, s->set->wide, &s->times);
    s->base = (float)base;
    if (codes->low || caution < RS_CAUTION_ALWAYS)
        caution = fminf(1, 4 / sqrtf((float)dim));
    s->per_error = caution * (float)sqrt(length) * 1.0001f;
    s->slack = caution * u * codes->longest + ROUNDING;
    if (codes->low)                        /* a uniform error of one step each */
        for (size_t j = 0; j < dim; j++)
            s->slack += caution * fabsf(w[j]) * 0.2887f;
    return RS_OK;
}

/* ---- Rows -------------------------------------------------------------------------- */

static void sift_down(float *heap, size_t n, size_t at)
{
    const float v = heap[at];

    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && heap[child + 1] < heap[child];
        if (heap[child] >= v)
            break;
        heap[at] = heap[child];
    }
    heap[at] = v;
}

/* `least` among the k largest, and what that leaves to reach. */
static void raise_limit(rs_shortlist *s, float least)
{
    if (s->n_best < s->k) {
        s->best[s->n_best++] = least;
        if (s->n_best < s->k)
            return;
        for (size_t i = s->k / 2; i-- > 0;)
            sift_down(s->best, s->k, i);
    } else if (least > s->best[0]) {
        s->best[0] = least;
        sift_down(s->best, s->k, 0);
    }
    s->limit = s->best[0];
}

/* Drop what cannot be among the best any more. */
static void compact(rs_shortlist *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        if (s->list[i].most >= s->limit)
            s->list[n++] = s->list[i];
    s->n = n;
}

static void take(rs_shortlist *s, uint32_t row, float least, float most)
{
    if (s->n == s->cap) {
        compact(s);
        if (s->n > s->cap / 2) {
            rs_candidate *grown = rs_realloc(s->list, 2 * s->cap, sizeof *grown);
            if (!grown) {
                s->nomem = true;
                s->limit = INFINITY;
                s->n = 0;
                return;
            }
            s->list = grown;
            s->cap *= 2;
        }
    }
    s->list[s->n++] = (rs_candidate){row, least, most};
    raise_limit(s, least);
}

/* mid and off: a block's scores and what they may be off by. */
static void take_block(rs_shortlist *s, const uint32_t *rows, size_t first, size_t n,
                       const float *mid, const float *off)
{
    for (size_t i = 0; i < n; i++)
        if (mid[i] + off[i] >= s->limit && !s->nomem)
            take(s, rows ? rows[i] : (uint32_t)(first + i), mid[i] - off[i], mid[i] + off[i]);
}

/* Sums to scores. `rows` NULL: those from `first` on. */
static void score(const rs_shortlist *s, const int32_t *sum, const uint32_t *rows, size_t first,
                  size_t n, float *mid, float *off)
{
    const float *scale = s->codes->scale, *error = s->codes->error;

    if (!scale) {
        for (size_t i = 0; i < n; i++) {
            mid[i] = s->base + s->times * (float)(sum[i] - s->offset);
            off[i] = s->slack;
        }
        return;
    }
    if (rows) {
        for (size_t i = 0; i < n; i++) {
            mid[i] = s->times * scale[rows[i]] * (float)(sum[i] - s->offset);
            off[i] = s->per_error * error[rows[i]] + s->slack;
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        mid[i] = s->times * scale[first + i] * (float)(sum[i] - s->offset);
        off[i] = s->per_error * error[first + i] + s->slack;
    }
}

void rs_shortlist_range(rs_shortlist *s, size_t first, size_t n)
{
    const size_t width = s->codes->width;
    float mid[BLOCK], off[BLOCK];
    int32_t sum[BLOCK];

    for (size_t at = first, m; at < first + n; at += m) {
        m = first + n - at < BLOCK ? first + n - at : BLOCK;
        s->set->codes(sum, s->codes->code + at * width, NULL, m, s->query, width);
        score(s, sum, NULL, at, m, mid, off);
        take_block(s, NULL, at, m, mid, off);
    }
}

void rs_shortlist_rows(rs_shortlist *s, const uint32_t *rows, size_t n)
{
    float mid[BLOCK], off[BLOCK];
    int32_t sum[BLOCK];

    for (size_t at = 0, m; at < n; at += m) {
        m = n - at < BLOCK ? n - at : BLOCK;
        s->set->codes(sum, s->codes->code, rows + at, m, s->query, s->codes->width);
        score(s, sum, rows + at, 0, m, mid, off);
        take_block(s, rows + at, 0, m, mid, off);
    }
}

void rs_shortlist_estimate(rs_shortlist *s, float *to, size_t n)
{
    const size_t width = s->codes->width;
    int32_t sum[BLOCK];
    float off[BLOCK];

    for (size_t at = 0, m; at < n; at += m) {
        m = n - at < BLOCK ? n - at : BLOCK;
        s->set->codes(sum, s->codes->code + at * width, NULL, m, s->query, width);
        score(s, sum, NULL, at, m, to + at, off);
    }
}

rs_status rs_shortlist_end(rs_shortlist *s, rs_err *err)
{
    if (s->nomem)
        return rs_fail(err, RS_ENOMEM, "vector search: no memory for its shortlist");
    compact(s);
    return RS_OK;
}

void rs_shortlist_clear(rs_shortlist *s)
{
    rs_free(s->list);
    rs_free(s->best);
    rs_free(s->query);
    *s = (rs_shortlist){.set = s->set};
}
