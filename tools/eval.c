/* eval.c - see eval.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "engine/metrics.h"
#include "engine/sections.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 500 };

/* ---- Indexing -------------------------------------------------------- */

static rs_status put_document(rs_archive *a, const rs_beir_text *d, rs_arena *mem, rs_err *err)
{
    size_t n;
    rs_section *sections = rs_sections_find(rs_archive_lexicon(a), d->text, mem, &n);
    rs_case c = {.key = d->id, .title = d->title, .report = d->text, .sections = sections,
                 .n_sections = n, .age_years = -1};

    if (!sections)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", d->id);
    return rs_archive_put(a, &c, NULL, err);
}

rs_status rs_eval_index(rs_archive *a, const rs_beir *b, rs_err *err)
{
    rs_status st = RS_OK;
    rs_arena mem = {0};

    for (size_t i = 0; st == RS_OK && i < b->n_documents; i++) {
        if (i % BATCH == 0)
            st = rs_archive_begin(a, err);
        if (st == RS_OK)
            st = put_document(a, &b->documents[i], &mem, err);
        if (st == RS_OK && ((i + 1) % BATCH == 0 || i + 1 == b->n_documents))
            st = rs_archive_commit(a, err);
        rs_arena_reset(&mem);
    }
    rs_arena_clear(&mem);
    return st;
}

/* ---- Asking ---------------------------------------------------------- */

double rs_eval_metric(const rs_eval_answer *a, size_t which)
{
    const double all[RS_EVAL_N_METRICS] = {
#define VALUE(field, name, cut) a->field,
        RS_EVAL_METRICS(VALUE)
#undef VALUE
    };
    return all[which];
}

const char *rs_eval_metric_name(size_t which, size_t k, char out[32])
{
    static const struct { const char *name; bool cut; } metrics[RS_EVAL_N_METRICS] = {
#define NAME(field, name, cut) {name, cut},
        RS_EVAL_METRICS(NAME)
#undef NAME
    };

    snprintf(out, 32, metrics[which].cut ? "%s@%zu" : "%s", metrics[which].name, k);
    return out;
}

static int falling(const void *a, const void *b) { return *(const int *)b - *(const int *)a; }

static rs_status grade(const rs_beir *b, const char *query, size_t k, rs_eval_answer *a,
                       rs_arena *mem, rs_err *err)
{
    size_t n;
    const rs_beir_judgement *of = rs_beir_judged(b, query, &n);
    int *judged = rs_new(mem, int, n + 1), *retrieved = rs_new(mem, int, a->n + 1);
    rs_graded g = {retrieved, a->n, judged, n};

    if (!judged || !retrieved)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", query);
    for (size_t i = 0; i < n; i++)
        judged[i] = of[i].grade;
    qsort(judged, n, sizeof *judged, falling);
    for (size_t i = 0; i < a->n; i++)
        retrieved[i] = rs_beir_grade(of, n, a->found[i].document);
    a->ndcg = rs_ndcg_at(&g, k);
    a->ap = rs_average_precision(&g);
    a->precision = rs_precision_at(&g, k);
    a->recall = rs_recall_at(&g, k);
    a->rr = rs_reciprocal_rank(&g);
    return RS_OK;
}

static rs_status ask(rs_archive *a, const char *text, rs_words words, size_t depth,
                     rs_eval_answer *out, rs_arena *mem, rs_err *err)
{
    rs_query q = rs_query_default();
    rs_eval_found *list;
    rs_result r;
    rs_status st;

    rs_query_add(&q)->text = text;
    q.words = words;
    q.k = q.depth = depth;
    q.scores_only = true;
    if ((st = rs_search(a, &q, mem, &r, err)) != RS_OK)
        return st;
    list = rs_new(mem, rs_eval_found, r.n + 1);
    if (!list)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu hits", r.n);
    for (size_t i = 0; i < r.n; i++) {
        list[i] = (rs_eval_found){r.hits[i].key, r.hits[i].n_found ? r.hits[i].found[0].score : 0};
        /* Whoever sorts the run again by its scores gets this order. */
        if (i > 0 && list[i].score >= list[i - 1].score)
            list[i].score = nextafter(list[i - 1].score, -INFINITY);
    }
    out->found = list;
    out->n = r.n;
    return RS_OK;
}

rs_status rs_eval_ask(rs_archive *a, const rs_beir *b, size_t k, size_t depth, rs_eval_run *run,
                      rs_arena *mem, rs_err *err)
{
    rs_status st = RS_OK;

    run->answers = rs_new(mem, rs_eval_answer, b->n_queries);
    if (!run->answers)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu queries", b->n_queries);
    for (size_t i = 0; st == RS_OK && i < b->n_queries; i++) {
        double start = rs_now_s();
        st = ask(a, b->queries[i].text, run->words, depth, &run->answers[i], mem, err);
        run->seconds += rs_now_s() - start;
        if (st == RS_OK)
            st = grade(b, b->queries[i].id, k, &run->answers[i], mem, err);
    }
    return st;
}

/* ---- Files ----------------------------------------------------------- */

static rs_status write_buf(const char *path, rs_buf *b, rs_err *err)
{
    rs_status st = b->failed ? rs_fail(err, RS_ENOMEM, "%s: no memory", path)
                             : rs_file_write(path, b->data ? b->data : "", b->len, err);

    rs_buf_clear(b);
    return st;
}

rs_status rs_eval_write_run(const char *path, const rs_beir *b, const rs_eval_run *run,
                            rs_err *err)
{
    rs_buf out = {0};

    for (size_t i = 0; i < b->n_queries; i++)
        for (size_t k = 0; k < run->answers[i].n; k++)
            rs_buf_printf(&out, "%s Q0 %s %zu %.17g radscout-%s\n", b->queries[i].id,
                          run->answers[i].found[k].document, k + 1,
                          run->answers[i].found[k].score, run->name);
    return write_buf(path, &out, err);
}

rs_status rs_eval_write_queries(const char *path, const rs_beir *b, size_t k,
                                const rs_eval_run *runs, size_t n_runs, rs_err *err)
{
    rs_buf out = {0};
    char name[32];

    rs_buf_puts(&out, "query\ttext\tconfiguration");
    for (size_t m = 0; m < RS_EVAL_N_METRICS; m++)
        rs_buf_printf(&out, "\t%s", rs_eval_metric_name(m, k, name));
    rs_buf_puts(&out, "\tretrieved\n");
    for (size_t i = 0; i < b->n_queries; i++)
        for (size_t r = 0; r < n_runs; r++) {
            rs_buf_printf(&out, "%s\t", b->queries[i].id);
            for (const char *p = b->queries[i].text; *p; p++)
                rs_buf_putc(&out, (unsigned char)*p < 0x20 ? ' ' : *p);
            rs_buf_printf(&out, "\t%s", runs[r].name);
            for (size_t m = 0; m < RS_EVAL_N_METRICS; m++)
                rs_buf_printf(&out, "\t%.4f", rs_eval_metric(&runs[r].answers[i], m));
            rs_buf_printf(&out, "\t%zu\n", runs[r].answers[i].n);
        }
    return write_buf(path, &out, err);
}
