/* tune.c - one index measured: see tune.h. rebuild.c has the archive's side.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/tune.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 101 };                   /* results asked for: 100, and the query itself */

const size_t rs_tune_k[RS_TUNE_KS] = {10, 100};

typedef struct {
    rs_vector_index *v;
    const rs_tune_queries *q;
    rs_near *truth;                    /* [n x MOST] */
    size_t  *n_truth;                  /* [n] */
    double  *ms;                       /* [n] */
    rs_err  *err;
} job;

static size_t dim_of(const job *j)
{
    return rs_vector_index_dim(j->v);
}

/* The k nearest of query i without itself. */
static rs_status ask(job *j, size_t i, size_t k, bool exact, rs_near *near, size_t *n)
{
    const float *x = j->q->x + i * dim_of(j);
    const double start = rs_thread_cpu_s();
    rs_status st;
    size_t kept = 0;

    st = exact ? rs_vector_index_exact(j->v, x, k + 1, NULL, 0, near, n, j->err)
               : rs_vector_index_search(j->v, x, k + 1, NULL, 0, near, n, j->err);
    j->ms[i] = 1e3 * (rs_thread_cpu_s() - start);
    for (size_t r = 0; st == RS_OK && r < *n; r++)
        if (near[r].id != j->q->self[i] && kept < k)
            near[kept++] = near[r];
    *n = kept;
    return st;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void times(job *j, double *mean, double *p99)
{
    double sum = 0;

    for (size_t i = 0; i < j->q->n; i++)
        sum += j->ms[i];
    *mean = j->q->n ? sum / (double)j->q->n : 0;
    if (!p99 || !j->q->n)
        return;
    qsort(j->ms, j->q->n, sizeof *j->ms, ascending);
    *p99 = j->ms[(j->q->n - 1) * 99 / 100];
}

/* How many of the first k of `want` are among `got`. */
static size_t agree(const rs_near *want, size_t n_want, const rs_near *got, size_t n_got)
{
    size_t hits = 0;

    for (size_t a = 0; a < n_want; a++)
        for (size_t b = 0; b < n_got; b++)
            hits += want[a].id == got[b].id;
    return hits;
}

/* The point of one effort. *sure: recall less what chance may have added to it. */
static rs_status measure(job *j, size_t effort, rs_tune_point *p, double sure[RS_TUNE_KS])
{
    rs_index_setting same = *rs_vector_index_setting(j->v);
    rs_near near[MOST];
    size_t n;

    *p = (rs_tune_point){.effort = effort};
    same.effort[0] = same.effort[1] = effort;
    rs_vector_index_set_effort(j->v, &same);
    for (int at = 0; at < RS_TUNE_KS; at++) {
        size_t hits[2] = {0, 0}, all[2] = {0, 0};
        p->recall[at] = sure[at] = 1;
        for (size_t i = 0; i < j->q->n; i++) {
            size_t of = j->n_truth[i] < rs_tune_k[at] ? j->n_truth[i] : rs_tune_k[at];
            rs_status st = ask(j, i, rs_tune_k[at], false, near, &n);
            if (st != RS_OK)
                return st;
            hits[i >= j->q->own] += agree(j->truth + i * MOST, of, near, n);
            all[i >= j->q->own] += of;
        }
        for (int own = 0; own < 2; own++) {
            double r = all[own] ? (double)hits[own] / (double)all[own] : 1, spread;
            spread = all[own] ? sqrt(r * (1 - r) / (double)all[own]) : 0;
            p->recall[at] = fmin(p->recall[at], r);
            sure[at] = fmin(sure[at], r - spread);
        }
        times(j, &p->ms[at], &p->p99_ms[at]);
    }
    return RS_OK;
}

static rs_status find_truth(job *j, rs_tuned *out)
{
    rs_near near[MOST];
    size_t n;

    for (int at = 0; at < RS_TUNE_KS; at++) {
        for (size_t i = 0; i < j->q->n; i++) {
            rs_status st = ask(j, i, rs_tune_k[at], true, near, &n);
            if (st != RS_OK)
                return st;
            memcpy(j->truth + i * MOST, near, n * sizeof *near);
            j->n_truth[i] = n;
        }
        times(j, &out->exact_ms[at], NULL);
    }
    return RS_OK;
}

/* 1 2 3 4 6 8 12 ... */
static size_t next_effort(size_t e)
{
    if (e < 3)
        return e + 1;
    return (e & (e - 1)) == 0 ? e + e / 2 : e / 3 * 4;
}

static rs_status sweep(job *j, double wanted, bool whole, rs_tuned *out)
{
    const rs_index_setting *s = rs_vector_index_setting(j->v);
    const bool graph = s->kind == RS_INDEX_HNSW;
    const size_t last = graph ? 4096 : s->lists;
    bool have[RS_TUNE_KS] = {false, false};
    double sure[RS_TUNE_KS];
    rs_index_setting chosen;

    for (size_t e = graph ? 16 : 1; out->n < RS_TUNE_POINTS; e = next_effort(e)) {
        rs_tune_point *p = &out->curve[out->n++];
        rs_status st = measure(j, e < last ? e : last, p, sure);
        if (st != RS_OK)
            return st;
        for (int at = 0; at < RS_TUNE_KS; at++)
            if (!have[at]) {
                have[at] = sure[at] >= wanted;
                out->effort[at] = p->effort;
                out->ms[at] = p->ms[at];
                out->recall[at] = p->recall[at];
            }
        out->reached = have[0] && have[1];
        if (e >= last || (out->reached && (!whole || fmin(p->recall[0], p->recall[1]) > 0.9999)))
            break;
    }
    for (int at = 0; graph && at < RS_TUNE_KS; at++)
        out->effort[at] *= 2;              /* queries that are in the graph find their way in it */
    chosen = *s;
    memcpy(chosen.effort, out->effort, sizeof chosen.effort);
    rs_vector_index_set_effort(j->v, &chosen);
    return RS_OK;
}

/* ---- The margin --------------------------------------------------------- */

static int rising(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* Each query's gaps, as it is or with the lists of its nearest barred; *most: what as many of
 * them as are wanted stay within, at 10 and at 100 results. */
static rs_status measure_gaps(job *j, double wanted, bool barred, uint8_t *bits, float *gap,
                              float *most)
{
    const size_t at = (size_t)floor((wanted + (1 - wanted) / 2) * 1e6);
    rs_near near[MOST];

    for (int ks = 0; ks < RS_TUNE_KS; ks++) {
        size_t all = 0, n, k = rs_tune_k[ks];
        for (size_t i = 0; i < j->q->n; i++) {
            const float *x = j->q->x + i * dim_of(j);
            rs_status st = RS_OK;
            n = j->n_truth[i];
            if (n)
                memcpy(near, j->truth + i * MOST, n * sizeof *near);
            if (barred) {
                size_t set = rs_vector_index_bar(j->v, near, n, bits);
                st = rs_vector_index_exact(j->v, x, k, bits, set, near, &n, j->err);
            }
            n = n < k ? n : k;
            if (st == RS_OK && n)
                st = rs_vector_index_gaps(j->v, x, near, n, gap + all, j->err);
            if (st != RS_OK)
                return st;
            all += n;
        }
        if (all == 0)
            continue;
        qsort(gap, all, sizeof *gap, rising);
        n = all * at / 1000000;
        *most = fmaxf(*most, gap[n < all ? n : all - 1]);
    }
    return RS_OK;
}

static rs_status find_margin(job *j, double wanted)
{
    rs_index_setting s = *rs_vector_index_setting(j->v);
    uint8_t *bits = rs_calloc(rs_vector_index_bitmap_bytes(j->v) + 1, 1);
    float *gap = rs_calloc(j->q->n * MOST + 1, sizeof *gap), most = -1;
    rs_status st;

    if (!bits || !gap)
        st = rs_fail(j->err, RS_ENOMEM, "tune: no memory for %zu queries", j->q->n);
    else if ((st = measure_gaps(j, wanted, false, bits, gap, &most)) == RS_OK)
        st = measure_gaps(j, wanted, true, bits, gap, &most);
    s.margin = most;
    if (st == RS_OK)
        rs_vector_index_set_effort(j->v, &s);
    rs_free(bits);
    rs_free(gap);
    return st;
}

rs_status rs_tune(rs_vector_index *v, const rs_tune_queries *q, double recall, bool whole,
                  rs_tuned *out, rs_err *err)
{
    job j = {.v = v, .q = q, .err = err};
    rs_status st;

    *out = (rs_tuned){0};
    j.truth = rs_calloc(q->n * MOST + 1, sizeof *j.truth);
    j.n_truth = rs_calloc(q->n + 1, sizeof *j.n_truth);
    j.ms = rs_calloc(q->n + 1, sizeof *j.ms);
    if (!j.truth || !j.n_truth || !j.ms)
        st = rs_fail(err, RS_ENOMEM, "tune: no memory for %zu queries", q->n);
    else
        st = find_truth(&j, out);
    if (st == RS_OK && rs_vector_index_setting(v)->kind == RS_INDEX_FLAT) {
        out->reached = true;
        for (int at = 0; at < RS_TUNE_KS; at++) {
            out->recall[at] = 1;
            out->ms[at] = out->exact_ms[at];
        }
    } else if (st == RS_OK) {
        st = sweep(&j, recall, whole, out);
        if (st == RS_OK && rs_vector_index_setting(v)->lists)
            st = find_margin(&j, recall);
    }
    rs_free(j.truth);
    rs_free(j.n_truth);
    rs_free(j.ms);
    return st;
}
