/* eval.c - asking, grading, comparing, and the files that come of it. See eval.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval.h"

#include "base/bytes.h"
#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 10000, SEED = 1 };

/* ---- Configurations --------------------------------------------------- */

static bool words_of(rs_eval_run *r, const char *name)
{
    r->words_only = strcmp(name, "bm25") == 0 || strcmp(name, "read") == 0;
    r->words = strcmp(name, "bm25") == 0 ? RS_WORDS_PLAIN : RS_WORDS_READ;
    return r->words_only;
}

static bool probe_of(rs_eval_run *r, const char *name)
{
    for (int p = 0; p < RS_PROBE_COUNT; p++)
        if (strcmp(name, rs_probe_name((rs_probe)p)) == 0) {
            for (int other = 0; other < RS_PROBE_COUNT; other++)
                r->weight[other] = other == p;
            return true;
        }
    return false;
}

/* "rrf" or "rrf+50". */
static bool fusion_of(rs_eval_run *r, const char *name)
{
    const char *plus = strchr(name, '+');
    const size_t len = plus ? (size_t)(plus - name) : strlen(name);
    char fusion[16], *end;
    long rescore = 0;

    if (len >= sizeof fusion)
        return false;
    memcpy(fusion, name, len);
    fusion[len] = '\0';
    r->fusion = rs_fusion_of(fusion);
    if (plus) {
        rescore = strtol(plus + 1, &end, 10);
        if (*end || rescore < 1 || rescore > 10000)
            return false;
    }
    r->rescore = (size_t)rescore;
    return r->fusion != RS_FUSIONS;
}

bool rs_eval_run_of(rs_eval_run *out, const char *name)
{
    const rs_query usual = rs_query_default();

    *out = (rs_eval_run){.name = name, .words = usual.words, .fusion = usual.fusion};
    memcpy(out->weight, usual.weight, sizeof out->weight);
    return words_of(out, name) || probe_of(out, name) || fusion_of(out, name);
}

rs_status rs_eval_weights(rs_eval_run *run, const char *text, rs_err *err)
{
    while (*text) {
        const char *equals = strchr(text, '=');
        char *end = NULL;
        const double w = equals ? strtod(equals + 1, &end) : NAN;
        int p = 0;
        if (!equals || end == equals + 1 || (*end && *end != ',') || !(w >= 0 && w <= 1e6))
            return rs_fail(err, RS_EARG, "weights: wanted PROBE=NUMBER,... at '%.60s'", text);
        for (; p < RS_PROBE_COUNT; p++) {
            const char *name = rs_probe_name((rs_probe)p);
            if (strncmp(name, text, (size_t)(equals - text)) == 0 && !name[equals - text])
                break;
        }
        if (p == RS_PROBE_COUNT)
            return rs_fail(err, RS_EARG, "weights: there is no probe '%.*s'",
                           (int)(equals - text > 60 ? 60 : equals - text), text);
        run->weight[p] = w;
        text = *end ? end + 1 : end;
    }
    return RS_OK;
}

/* ---- Grading --------------------------------------------------------- */

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

static int falling(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;

    return (x < y) - (x > y);
}

static rs_status grade(const rs_beir_judgement *of, size_t n, size_t k, rs_eval_answer *a,
                       rs_arena *mem, rs_err *err)
{
    int *judged = rs_new(mem, int, n + 1), *retrieved = rs_new(mem, int, a->n + 1);
    rs_graded g = {retrieved, 0, judged, 0};

    if (!judged || !retrieved)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu judgements", n);
    for (size_t i = 0; i < n; i++)
        if (of[i].grade != RS_EVAL_LEFT_OUT)
            judged[g.n_judged++] = of[i].grade;
    qsort(judged, g.n_judged, sizeof *judged, falling);
    for (size_t i = 0; i < a->n; i++) {
        const int x = rs_beir_grade(of, n, a->found[i].document);
        if (x != RS_EVAL_LEFT_OUT)
            retrieved[g.n_retrieved++] = x;
    }
    a->ndcg = rs_ndcg_at(&g, k);
    a->ap = rs_average_precision(&g);
    a->precision = rs_precision_at(&g, k);
    a->recall = rs_recall_at(&g, k);
    a->rr = rs_reciprocal_rank(&g);
    return RS_OK;
}

/* ---- Asking ---------------------------------------------------------- */

static void make_parts(rs_query *q, const rs_eval_query *of, size_t dim, bool words_only)
{
    if (of->text) {
        rs_query_part *p = rs_query_add(q);
        p->text = of->text;
        p->vector = words_only ? NULL : of->text_vector;
    }
    for (size_t i = 0; !words_only && i < of->n_images; i++) {
        rs_query_part *p = rs_query_add(q);
        p->vector = of->images + i * dim;
        p->weight = 1 / (double)of->n_images;
    }
}

/* The hits of a query, without those left out. A score is the fused one, of words alone BM25's. */
static rs_status list_hits(const rs_result *r, const rs_eval_run *run, size_t depth,
                           const rs_beir_judgement *of, size_t n, rs_eval_answer *out,
                           rs_arena *mem, rs_err *err)
{
    rs_eval_found *list = rs_new(mem, rs_eval_found, r->n + 1);

    if (!list)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu hits", r->n);
    out->found = list;
    for (size_t i = 0; i < r->n && out->n < depth; i++) {
        const rs_hit *h = &r->hits[i];
        rs_eval_found f = {h->key, (float)(run->words_only && h->n_found ? h->found[0].score
                                                                         : h->score)};
        if (rs_beir_grade(of, n, h->key) == RS_EVAL_LEFT_OUT)
            continue;
        if (out->n > 0 && f.score >= list[out->n - 1].score)
            f.score = nextafterf(list[out->n - 1].score, -INFINITY);
        list[out->n++] = f;
    }
    return RS_OK;
}

static rs_status search(rs_archive *a, const rs_encoder *e, const rs_eval_query *of, size_t depth,
                        rs_eval_run *run, rs_arena *mem, rs_result *r, rs_err *err)
{
    const rs_encoder_identity *id = rs_archive_encoder(a);
    rs_query q = rs_query_default();
    const double start = rs_now_s();
    rs_status st;

    memcpy(q.weight, run->weight, sizeof q.weight);
    make_parts(&q, of, id ? id->dim : 0, run->words_only);
    q.encoder = run->words_only ? NULL : e;
    q.words = run->words;
    q.fusion = run->fusion;
    q.rescore = run->rescore;
    q.k = q.depth = depth;
    q.filter = of->filter;
    q.scores_only = q.keep_patients = q.keep_duplicates = true;
    q.false_alarm = 0;
    q.deadline_s = 0;
    st = rs_search(a, &q, mem, r, err);
    run->seconds += rs_now_s() - start;
    return st;
}

/* What a run file says of a query, in trec_eval's order. */
static rs_status take_given(const rs_trec_run *given, const char *query, size_t depth,
                            rs_eval_answer *out, rs_arena *mem, rs_err *err)
{
    size_t n;
    const rs_trec_row *rows = rs_trec_found(given, query, &n);
    rs_eval_found *list = rs_new(mem, rs_eval_found, n + 1);

    if (!list)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu hits", n);
    for (size_t i = 0; i < n && i < depth; i++)
        list[out->n++] = (rs_eval_found){rows[i].document, rows[i].score};
    out->found = list;
    return RS_OK;
}

static rs_status answer(rs_archive *a, const rs_encoder *e, const rs_eval_set *s, size_t i,
                        size_t k, size_t depth, rs_eval_run *run, rs_arena *mem,
                        rs_arena *scratch, rs_err *err)
{
    const rs_beir_judgement *of;
    rs_eval_answer *out = &run->answers[i];
    rs_result r;
    size_t n;
    rs_status st;

    if ((st = s->judged(s, i, scratch, &of, &n, err)) != RS_OK)
        return st;
    if (run->given)
        st = take_given(run->given, s->queries[i].id, depth, out, mem, err);
    else if ((st = search(a, e, &s->queries[i], depth, run, mem, &r, err)) == RS_OK)
        st = list_hits(&r, run, depth, of, n, out, mem, err);
    if (st == RS_OK)
        st = grade(of, n, k, out, scratch, err);
    return st == RS_OK ? st : rs_wrap(err, st, "query '%.60s'", s->queries[i].id);
}

rs_status rs_eval_ask(rs_archive *a, const rs_encoder *e, const rs_eval_set *s, size_t k,
                      size_t depth, rs_eval_run *run, rs_arena *mem, rs_err *err)
{
    rs_arena scratch = {0};
    rs_status st = RS_OK;

    run->answers = rs_new(mem, rs_eval_answer, s->n_queries);
    if (!run->answers)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu queries", s->n_queries);
    for (size_t i = 0; st == RS_OK && i < s->n_queries; i++) {
        st = answer(a, e, s, i, k, depth, run, mem, &scratch, err);
        rs_arena_reset(&scratch);
    }
    rs_arena_clear(&scratch);
    return st;
}

/* ---- Comparing ------------------------------------------------------- */

static void values_of(double *x, const rs_eval_run *run, size_t n, size_t which)
{
    for (size_t i = 0; i < n; i++)
        x[i] = rs_eval_metric(&run->answers[i], which);
}

void rs_eval_figures(rs_eval_figure *out, const rs_eval_set *s, const rs_eval_run *runs,
                     size_t n_runs, rs_arena *mem)
{
    const size_t n = s->n_queries, all = n_runs * RS_EVAL_N_METRICS;
    double *first = rs_new(mem, double, n), *x = rs_new(mem, double, n);
    double *p = rs_new(mem, double, n_runs + 1);

    for (size_t i = 0; i < all; i++)
        out[i] = (rs_eval_figure){{NAN, NAN, NAN}, NAN, NAN};
    for (size_t m = 0; first && x && p && m < RS_EVAL_N_METRICS; m++) {
        values_of(first, &runs[0], n, m);
        for (size_t r = 0; r < n_runs; r++) {
            values_of(x, &runs[r], n, m);
            out[r * RS_EVAL_N_METRICS + m].interval = rs_bootstrap(x, n, ROUNDS, SEED);
            p[r] = r ? rs_randomisation_test(first, x, n, ROUNDS, SEED) : NAN;
            out[r * RS_EVAL_N_METRICS + m].p = p[r];
        }
        rs_holm(p, n_runs);
        for (size_t r = 0; r < n_runs; r++)
            out[r * RS_EVAL_N_METRICS + m].holm = p[r];
    }
}

/* ---- Files ----------------------------------------------------------- */

static rs_status write_buf(const char *path, rs_buf *b, rs_err *err)
{
    rs_status st = b->failed ? rs_fail(err, RS_ENOMEM, "%s: no memory", path)
                             : rs_file_write(path, b->data ? b->data : "", b->len, err);

    rs_buf_clear(b);
    return st;
}

rs_status rs_eval_write_run(const char *path, const rs_eval_set *s, const rs_eval_run *run,
                            rs_err *err)
{
    rs_buf out = {0};

    for (size_t i = 0; i < s->n_queries; i++)
        for (size_t k = 0; k < run->answers[i].n; k++)
            rs_buf_printf(&out, "%s Q0 %s %zu %.9g radscout-%s\n", s->queries[i].id,
                          run->answers[i].found[k].document, k + 1,
                          (double)run->answers[i].found[k].score, run->name);
    return write_buf(path, &out, err);
}

static void put_field(rs_buf *out, const char *text)
{
    for (const char *p = text ? text : ""; *p; p++)
        rs_buf_putc(out, (unsigned char)*p < 0x20 ? ' ' : *p);
}

rs_status rs_eval_write_queries(const char *path, const rs_eval_set *s, size_t k,
                                const rs_eval_run *runs, size_t n_runs, rs_err *err)
{
    rs_buf out = {0};
    char name[32];

    rs_buf_puts(&out, "query\ttext\tconfiguration");
    for (size_t m = 0; m < RS_EVAL_N_METRICS; m++)
        rs_buf_printf(&out, "\t%s", rs_eval_metric_name(m, k, name));
    rs_buf_puts(&out, "\tretrieved\n");
    for (size_t i = 0; i < s->n_queries; i++)
        for (size_t r = 0; r < n_runs; r++) {
            put_field(&out, s->queries[i].id);
            rs_buf_putc(&out, '\t');
            put_field(&out, s->queries[i].text);
            rs_buf_putc(&out, '\t');
            put_field(&out, runs[r].name);
            for (size_t m = 0; m < RS_EVAL_N_METRICS; m++)
                rs_buf_printf(&out, "\t%.4f", rs_eval_metric(&runs[r].answers[i], m));
            rs_buf_printf(&out, "\t%zu\n", runs[r].answers[i].n);
        }
    return write_buf(path, &out, err);
}
