/* probe.c - see probe.h.
 *
 * A vector index ranks images or passages, not cases, so it is asked for more and more of
 * them until enough different cases are among them or there are no more: the ranking is
 * what sorting all cases by their best vector would give.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/probe.h"

#include "embeddings/kernels.h"
#include "engine/catalog.h"

#include <math.h>
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

/* ---- Rows ------------------------------------------------------------ */

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

/* Each case once, with its best row, in the order of cases. Returns how many. */
static size_t once(rs_ranked *rows, size_t n)
{
    size_t kept = 0;

    if (n)
        qsort(rows, n, sizeof *rows, by_case);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || rows[kept - 1].case_id != rows[i].case_id)
            rows[kept++] = rows[i];
    return kept;
}

/* Each case once, best first. Returns how many. */
static size_t collapse(rs_ranked *rows, size_t n)
{
    n = once(rows, n);
    if (n)
        qsort(rows, n, sizeof *rows, by_score);
    return n;
}

/* ---- One vector ------------------------------------------------------ */

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
        out->n += !rs_restriction_leaves_out(scope->only, row->case_id);
    }
    out->n = collapse(out->rows, out->n);
    return RS_OK;
}

/* The best `depth` cases for one vector. *all: there are no others. */
static rs_status probe_one(rs_archive *a, rs_kind kind, const float *x, const rs_scope *scope,
                           size_t depth, rs_arena *mem, rs_ranking *out, bool *all, rs_err *err)
{
    const size_t most = scope->only->cases ? scope->selection.n
                                           : rs_vectors_live(a->vectors[kind]);
    size_t k = depth < 16 ? 32 : 2 * depth, seen;
    rs_status st;

    for (;; k *= 4) {
        if (k > most)
            k = most;
        st = nearest_cases(a, kind, x, scope, k, mem, out, &seen, err);
        if (st != RS_OK || out->n >= depth || k == most)
            break;
    }
    *all = k == most && out->n <= depth;
    if (out->n > depth)
        out->n = depth;
    return st;
}

/* ---- Several: late interaction --------------------------------------- */

/* The strongest part: most weight, the first of equals. */
static size_t strongest(const rs_asked_vector *q, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (q[i].weight > q[best].weight)
            best = i;
    return best;
}

static double positive_weight(const rs_asked_vector *q, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += q[i].weight > 0 ? q[i].weight : 0;
    return sum;
}

double rs_late_interaction(const rs_asked_vector *q, size_t n_q, const float *y, size_t n,
                           size_t dim, size_t *best)
{
    const rs_kernels *kernels = rs_kernels_best();
    const size_t strong = strongest(q, n_q);
    double sum = 0;

    for (size_t i = 0; i < n_q; i++) {
        float most = -2;
        for (size_t j = 0; j < n; j++) {
            const float score = kernels->dot(q[i].x, y + j * dim, dim);
            if (score > most) {
                most = score;
                if (best && i == strong)
                    *best = j;
            }
        }
        sum += q[i].weight * (double)most;
    }
    return sum / positive_weight(q, n_q);
}

/* Each candidate compared with all that is asked for. */
static rs_status compare(rs_archive *a, rs_kind kind, const rs_asked_vector *q, size_t n,
                         rs_ranking *r, rs_err *err)
{
    rs_arena mem = {0};
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < r->n; i++) {
        rs_ranked *row = &r->rows[i];
        int64_t *ids;
        size_t have, best = 0;
        float *y;
        rs_arena_reset(&mem);
        st = rs_catalog_vectors(a, kind, row->case_id, &mem, &y, &ids, &have, err);
        if (st != RS_OK || have == 0)
            continue;
        row->score = rs_late_interaction(q, n, y, have, a->encoder.dim, &best);
        row->item = ids[best];
    }
    rs_arena_clear(&mem);
    return st;
}

/* The union of what each positive vector finds, `depth` cases each. *rest: what a case that is
 * not among them scores at most; below everything where there is none. */
static rs_status candidates(rs_archive *a, rs_kind kind, const rs_asked_vector *q, size_t n,
                            const rs_scope *scope, size_t depth, rs_arena *mem, rs_ranking *out,
                            double *rest, rs_err *err)
{
    rs_ranked *rows = depth < SIZE_MAX / n ? rs_new(mem, rs_ranked, n * depth + 1) : NULL;
    size_t total = 0;
    bool some_all = false;
    rs_status st;

    if (!rows)
        return rs_fail(err, RS_ENOMEM, "probe: no memory");
    *rest = 0;
    for (size_t i = 0; i < n; i++) {
        rs_ranking one;
        bool all;
        if (q[i].weight < 0) {
            *rest -= q[i].weight;              /* it may lie just opposite */
            continue;
        }
        st = probe_one(a, kind, q[i].x, scope, depth, mem, &one, &all, err);
        if (st != RS_OK)
            return st;
        some_all |= all;
        if (one.n)
            memcpy(rows + total, one.rows, one.n * sizeof *rows);
        *rest += one.n ? q[i].weight * one.rows[one.n - 1].score : 0;
        total += one.n;
    }
    out->rows = rows;
    out->n = once(rows, total);
    *rest = some_all ? -HUGE_VAL : *rest / positive_weight(q, n);
    return RS_OK;
}

static rs_status probe_several(rs_archive *a, rs_kind kind, const rs_asked_vector *q, size_t n,
                               const rs_scope *scope, size_t depth, rs_arena *mem,
                               rs_ranking *out, rs_err *err)
{
    size_t look = depth;
    rs_status st = RS_OK;

    for (int round = 0; round < RS_PROBE_ROUNDS; round++, look *= 4) {
        double rest = 0;
        if ((st = candidates(a, kind, q, n, scope, look, mem, out, &rest, err)) != RS_OK ||
            (st = compare(a, kind, q, n, out, err)) != RS_OK)
            return st;
        if (out->n)
            qsort(out->rows, out->n, sizeof *out->rows, by_score);
        if (rest == -HUGE_VAL || (out->n >= depth && out->rows[depth - 1].score >= rest))
            break;
    }
    if (out->n > depth)
        out->n = depth;
    return st;
}

/* ---- Probes ---------------------------------------------------------- */

rs_status rs_probe_vectors(rs_archive *a, rs_probe probe, rs_kind kind, const rs_asked_vector *q,
                           size_t n, const rs_scope *scope, size_t depth, rs_arena *mem,
                           rs_ranking *out, rs_err *err)
{
    bool all;

    *out = (rs_ranking){.probe = probe};
    if (n == 1)
        return probe_one(a, kind, q->x, scope, depth, mem, out, &all, err);
    return probe_several(a, kind, q, n, scope, depth, mem, out, err);
}

static int by_id(const void *a, const void *b)
{
    const rs_ranked *x = a, *y = b;

    return (x->case_id > y->case_id) - (x->case_id < y->case_id);
}

/* Rows of one case next to each other become one. */
static size_t add_up(rs_ranked *rows, size_t n)
{
    size_t kept = 0;

    if (n)
        qsort(rows, n, sizeof *rows, by_id);
    for (size_t i = 0; i < n; i++) {
        if (kept && rows[kept - 1].case_id == rows[i].case_id)
            rows[kept - 1].score += rows[i].score;
        else
            rows[kept++] = rows[i];
    }
    return kept;
}

rs_status rs_probe_words(rs_archive *a, const rs_text_query *const *q, const double *weight,
                         size_t n, const rs_restriction *r, size_t depth, rs_arena *mem,
                         rs_ranking *out, rs_err *err)
{
    const size_t look = n == 1 ? depth : 4 * depth;
    rs_ranked *rows = look < SIZE_MAX / n ? rs_new(mem, rs_ranked, n * look + 1) : NULL;
    size_t total = 0, wanted = 0;
    double sum = 0;

    *out = (rs_ranking){.probe = RS_PROBE_BM25, .rows = rows};
    if (!rows)
        return rs_fail(err, RS_ENOMEM, "probe: no memory");
    for (size_t i = 0; i < n; i++)
        sum += weight[i] > 0 ? weight[i] : 0;
    for (int sign = 1; sign >= -1; sign -= 2) {          /* what is wanted first */
        for (size_t i = 0; i < n; i++) {
            rs_ranked *one;
            size_t found;
            rs_status st;
            if (weight[i] * sign <= 0 || !q[i]->match)
                continue;
            st = rs_text_index_rank(a->text, q[i], r, NULL, look, mem, &one, &found, err);
            if (st != RS_OK)
                return st;
            for (size_t k = 0; k < found; k++) {
                one[k].score *= weight[i] / sum;
                if (sign > 0 || (wanted && bsearch(&one[k], rows, wanted, sizeof *rows, by_id)))
                    rows[total++] = one[k];
            }
        }
        if (sign > 0)
            total = wanted = add_up(rows, total);
    }
    out->n = add_up(rows, total);
    if (out->n)
        qsort(rows, out->n, sizeof *rows, by_score);
    if (out->n > depth)
        out->n = depth;
    return RS_OK;
}
