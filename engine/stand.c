/* stand.c - which rows of the fused list become hits: a case that is of the same patient, or
 * nearly the same picture, as a better one folds into it, and hits may be asked to be unlike
 * each other. See fold.h and diversity.h.
 *
 * Four times as many rows as hits are wanted are looked at, at least RS_STAND_LEAST; if too
 * few of them stand by themselves, four times as many again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/search_int.h"

#include "engine/diversity.h"
#include "engine/fold.h"

enum { RS_STAND_LEAST = 50, RS_STAND_MOST = 4000 };

static rs_status no_memory(const rs_search_state *s)
{
    return rs_fail(s->err, RS_ENOMEM, "query: no memory");
}

/* Every row for itself. */
static rs_status all_stand(rs_search_state *s, size_t n)
{
    s->stands = rs_new(s->mem, rs_stand, n + 1);
    if (!s->stands)
        return no_memory(s);
    for (size_t i = 0; i < n; i++)
        s->stands[i] = (rs_stand){.row = i};
    s->n_stands = n;
    return RS_OK;
}

/* The first n rows folded: s->stands are those that stand by themselves. */
static rs_status fold(rs_search_state *s, size_t n)
{
    int64_t *ids = rs_new(s->mem, int64_t, n + 1);
    size_t *place = rs_new(s->mem, size_t, n + 1);      /* of a row among the stands */
    rs_fold *folds;
    rs_status st;

    s->stands = rs_new(s->mem, rs_stand, n + 1);
    s->n_stands = 0;
    if (!ids || !place || !s->stands)
        return no_memory(s);
    for (size_t i = 0; i < n; i++)
        ids[i] = s->fused[i].case_id;
    st = rs_fold_rows(s->a, ids, n, !s->q->keep_patients, !s->q->keep_duplicates, s->mem, &folds,
                      s->err);
    for (size_t i = 0; st == RS_OK && i < n; i++) {
        rs_stand *of;
        if (folds[i].row == i) {
            place[i] = s->n_stands;
            s->stands[s->n_stands++] = (rs_stand){.row = i};
            continue;
        }
        of = &s->stands[place[folds[i].row]];
        if (!of->folded && !(of->folded = rs_new(s->mem, rs_folded, n)))
            return no_memory(s);
        of->folded[of->n_folded++] = (rs_folded){s->fused[i].key, rs_fold_why_text(folds[i].why)};
    }
    return st;
}

/* q->k of the stands, unlike each other. */
static rs_status diversify(rs_search_state *s)
{
    const size_t n = s->n_stands;
    int64_t *ids = rs_new(s->mem, int64_t, n + 1);
    double *score = rs_new(s->mem, double, n + 1);
    const size_t k = n < s->q->k ? n : s->q->k;
    rs_stand *picked = rs_new(s->mem, rs_stand, k + 1);
    size_t *order;
    rs_status st;

    if (!ids || !score || !picked)
        return no_memory(s);
    for (size_t i = 0; i < n; i++) {
        ids[i] = s->fused[s->stands[i].row].case_id;
        score[i] = s->fused[s->stands[i].row].score;
    }
    st = rs_diversify_cases(s->a, ids, score, n, s->q->diversity, k, s->mem, &order, s->err);
    for (size_t i = 0; st == RS_OK && i < k; i++)
        picked[i] = s->stands[order[i]];
    s->stands = picked;
    s->n_stands = st == RS_OK ? k : 0;
    return st;
}

rs_status rs_search_stands(rs_search_state *s)
{
    const bool folds = !s->q->keep_patients || !s->q->keep_duplicates;
    const bool varied = s->q->diversity > 0 && s->a->encoder.id;
    size_t look = 4 * s->q->k;
    rs_status st;

    if (s->q->scores_only || (!folds && !varied))
        return all_stand(s, s->n_fused < s->q->k ? s->n_fused : s->q->k);
    if (look < RS_STAND_LEAST)
        look = RS_STAND_LEAST;
    for (;; look *= 4) {
        if (look > RS_STAND_MOST)
            look = RS_STAND_MOST > s->q->k ? RS_STAND_MOST : s->q->k;
        if (look > s->n_fused)
            look = s->n_fused;
        st = folds ? fold(s, look) : all_stand(s, look);
        if (st != RS_OK || s->n_stands >= s->q->k || look == s->n_fused || look >= RS_STAND_MOST)
            break;
    }
    if (st == RS_OK && varied)
        return diversify(s);
    if (s->n_stands > s->q->k)
        s->n_stands = s->q->k;
    return st;
}
