/* probe.c - see probe.h.
 *
 * A vector index ranks images or passages, not cases, so it is asked for more and more of
 * them until enough different cases are among them or there are no more: the ranking is
 * what sorting all cases by their best vector would give.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/probe.h"

#include "engine/catalog.h"

#include <stdlib.h>
#include <string.h>

rs_status rs_scope_make(rs_archive *a, rs_kind kind, const rs_restriction *r, rs_arena *mem,
                        rs_scope *out, rs_err *err)
{
    *out = (rs_scope){.only = r};
    if (!r->cases)
        return RS_OK;
    return rs_vectors_select(a->vectors[kind], r->cases, r->cap, mem, &out->selection, err);
}

/* Best first; equal scores by key, then by item. */
static int by_score(const void *a, const void *b)
{
    const rs_ranked *x = a, *y = b;
    int order;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    order = strcmp(x->key, y->key);
    return order ? order : (x->item > y->item) - (x->item < y->item);
}

static int by_case(const void *a, const void *b)
{
    const rs_ranked *x = a, *y = b;

    if (x->case_id != y->case_id)
        return x->case_id < y->case_id ? -1 : 1;
    return by_score(a, b);
}

/* Each case once, with its best row; best first. Returns how many. */
static size_t collapse(rs_ranked *rows, size_t n)
{
    size_t kept = 0;

    if (n == 0)
        return 0;
    qsort(rows, n, sizeof *rows, by_case);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || rows[kept - 1].case_id != rows[i].case_id)
            rows[kept++] = rows[i];
    qsort(rows, kept, sizeof *rows, by_score);
    return kept;
}

/* The cases of the k nearest vectors, collapsed. *seen: how many vectors there were. */
static rs_status nearest_cases(rs_archive *a, rs_kind kind, const float *x,
                               const rs_scope *scope, size_t k, rs_arena *mem,
                               rs_ranking *out, size_t *seen, rs_err *err)
{
    const rs_selection *sel = scope->only->cases ? &scope->selection : NULL;
    rs_status st;
    rs_near *near;

    out->n = 0;
    st = rs_vectors_search(a->vectors[kind], x, k, sel, mem, &near, seen, err);
    if (st != RS_OK)
        return st;
    out->rows = rs_new(mem, rs_ranked, *seen + 1);
    if (!out->rows)
        return rs_fail(err, RS_ENOMEM, "probe: no memory");
    for (size_t i = 0; i < *seen; i++) {
        rs_ranked *row = &out->rows[out->n];
        st = rs_catalog_owner(a, kind, near[i].id, mem, &row->case_id, &row->key, err);
        if (st != RS_OK)
            return st;
        row->score = (double)near[i].score;
        row->item = near[i].id;
        out->n += rs_restriction_passes(scope->only, row->case_id);
    }
    out->n = collapse(out->rows, out->n);
    return RS_OK;
}

/* The best `depth` cases for one vector. */
static rs_status probe_one(rs_archive *a, rs_kind kind, const float *x, const rs_scope *scope,
                           size_t depth, rs_arena *mem, rs_ranking *out, rs_err *err)
{
    size_t all = scope->only->cases ? scope->selection.n : rs_vectors_live(a->vectors[kind]);
    size_t k = depth < 16 ? 32 : 2 * depth, seen;
    rs_status st;

    for (;; k *= 4) {
        if (k > all)
            k = all;
        st = nearest_cases(a, kind, x, scope, k, mem, out, &seen, err);
        if (st != RS_OK || out->n >= depth || k == all)
            break;
    }
    if (out->n > depth)
        out->n = depth;
    return st;
}

rs_status rs_probe_vectors(rs_archive *a, rs_probe probe, rs_kind kind, const float *x, size_t n,
                           const rs_scope *scope, size_t depth, rs_arena *mem, rs_ranking *out,
                           rs_err *err)
{
    size_t dim = a->encoder.dim, total = 0;
    rs_ranked *rows;
    rs_status st;

    *out = (rs_ranking){.probe = probe};
    rows = depth < SIZE_MAX / (n + 1) ? rs_new(mem, rs_ranked, n * depth + 1) : NULL;
    if (!rows)
        return rs_fail(err, RS_ENOMEM, "probe: no memory");
    for (size_t i = 0; i < n; i++) {
        rs_ranking one = {.probe = probe};
        st = probe_one(a, kind, x + i * dim, scope, depth, mem, &one, err);
        if (st != RS_OK)
            return st;
        if (one.n)
            memcpy(rows + total, one.rows, one.n * sizeof *rows);
        total += one.n;
    }
    out->rows = rows;
    out->n = collapse(rows, total);
    if (out->n > depth)
        out->n = depth;
    return RS_OK;
}

rs_status rs_probe_words(rs_archive *a, const rs_text_query *q, const rs_restriction *r,
                         size_t depth, rs_arena *mem, rs_ranking *out, rs_err *err)
{
    *out = (rs_ranking){.probe = RS_PROBE_BM25};
    return rs_text_index_rank(a->text, q, r, NULL, depth, mem, &out->rows, &out->n, err);
}
