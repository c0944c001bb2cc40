/* eval_judgments.c - what experts said of an archive's cases (engine/judgments.h) as a set of
 * queries. See eval.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval.h"

#include "engine/agreement.h"

typedef struct {
    const rs_agreed_query **asked;     /* those of words alone */
} judged_set;

/* The cases come in order of keys, as documents are wanted. */
static rs_status judged(const rs_eval_set *s, size_t query, rs_arena *mem,
                        const rs_beir_judgement **of, size_t *n, rs_err *err)
{
    const rs_agreed_query *q = ((const judged_set *)s->data)->asked[query];
    rs_beir_judgement *list = rs_new(mem, rs_beir_judgement, q->n + 1);

    if (!list)
        return rs_fail(err, RS_ENOMEM, "no memory for judgments");
    for (size_t i = 0; i < q->n; i++)
        list[i] = (rs_beir_judgement){q->id, q->cases[i].key, q->cases[i].grade};
    *of = list;
    *n = q->n;
    return RS_OK;
}

rs_status rs_eval_set_judgments(rs_eval_set *out, rs_archive *a, size_t *left_out, rs_arena *mem,
                                rs_err *err)
{
    judged_set *set = rs_new(mem, judged_set, 1);
    rs_eval_query *queries = NULL;
    const rs_agreed_query *all;
    rs_stats stats;
    size_t n, kept = 0, judgements = 0;
    rs_status st;

    if ((st = rs_judgments_agree(a, mem, &all, &n, err)) != RS_OK ||
        (st = rs_archive_stats(a, mem, &stats, err)) != RS_OK)
        return st;
    if (set) {
        set->asked = rs_new(mem, const rs_agreed_query *, n + 1);
        queries = rs_new(mem, rs_eval_query, n + 1);
    }
    if (!set || !set->asked || !queries)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu queries", n);
    for (size_t i = 0; i < n; i++) {
        if (!all[i].words)
            continue;
        set->asked[kept] = &all[i];
        queries[kept++] = (rs_eval_query){.id = all[i].id, .text = all[i].words,
                                          .filter = all[i].query.filter};
        judgements += all[i].n;
    }
    *left_out = n - kept;
    if (!kept)
        return rs_fail(err, RS_ENOENT, "no query of words has been judged in this archive (%zu of "
                       "cases or images); /v1/judgments of radscout serve takes judgments", n);
    *out = (rs_eval_set){queries, kept, stats.cases, judgements, judged, set};
    return RS_OK;
}
