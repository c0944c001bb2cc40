/* bench_search.c - see bench_search.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/bench_search.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/outfile.h"
#include "base/random.h"
#include "embeddings/half.h"
#include "engine/tune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { K = 10, SHARES = 5, TUNE_QUERIES = 100, FAISS_QUERIES = 20, PER_CLUSTER = 100,
       PER_GROUP = 5000 };

static const double shares[SHARES] = {1, 0.5, 0.1, 0.01, 0.0001};

typedef struct {
    const rs_bench_search_request *req;
    float    *x, *q;               /* [n x dim], [queries x dim] */
    float    *centre;
    size_t    centres;
    uint32_t *rank;                /* [n] */
    int64_t  *ids, *some;          /* [n]: 1 .. n, and those that pass */
    int64_t  *truth;               /* [SHARES x queries x K]; 0: none */
    double   *ms;                  /* [queries] */
    rs_vector_index *exact;
    rs_err   *err;
} job;

/* ---- Vectors ----------------------------------------------------------- */

static void add_noise(rs_random *rnd, float *x, size_t dim, double size)
{
    for (size_t j = 0; j < dim; j++)
        x[j] += (float)(size * rs_random_normal(rnd) / sqrt((double)dim));
}

static void unit(float *x, size_t dim)
{
    double sum = 0;

    for (size_t j = 0; j < dim; j++)
        sum += (double)x[j] * (double)x[j];
    for (size_t j = 0; j < dim; j++)
        x[j] = (float)((double)x[j] / sqrt(sum));
}

/* Clusters lie in groups. They hold from few rows to many and are from tight to loose. */
static rs_status make_centres(job *j)
{
    const size_t dim = j->req->dim, groups = j->req->n / PER_GROUP + 1;
    rs_random rnd = rs_random_seed(j->req->seed);
    float *group = rs_calloc(groups, dim * sizeof *group);

    j->centres = j->req->n / PER_CLUSTER + 1;
    j->centre = rs_calloc(j->centres, dim * sizeof *j->centre);
    if (!group || !j->centre) {
        rs_free(group);
        return rs_fail(j->err, RS_ENOMEM, "bench: no memory");
    }
    for (size_t g = 0; g < groups; g++) {
        add_noise(&rnd, group + g * dim, dim, 1);
        unit(group + g * dim, dim);
    }
    for (size_t c = 0; c < j->centres; c++) {
        memcpy(j->centre + c * dim, group + c % groups * dim, dim * sizeof *group);
        add_noise(&rnd, j->centre + c * dim, dim, 0.9);
        unit(j->centre + c * dim, dim);
    }
    rs_free(group);
    return RS_OK;
}

/* Point i of a stream, rounded as the catalog rounds. */
static void make_point(const job *j, uint64_t stream, size_t i, float *x)
{
    rs_random rnd = rs_random_derive(j->req->seed + stream, i);
    const double u = rs_random_unit(&rnd);
    const size_t dim = j->req->dim, c = (size_t)(u * u * (double)j->centres);

    memcpy(x, j->centre + c * dim, dim * sizeof *x);
    add_noise(&rnd, x, dim, 0.5 + 0.7 * (double)(c % 7) / 6);
    unit(x, dim);
    for (size_t k = 0; k < dim; k++)
        x[k] = rs_half_to_float(rs_half_from_float(x[k]));
}

static rs_status make_vectors(job *j)
{
    const size_t n = j->req->n, dim = j->req->dim, q = j->req->queries;
    rs_random rnd = rs_random_seed(j->req->seed + 3);
    rs_status st;

    j->x = rs_calloc_aligned(n, dim * sizeof *j->x);
    j->q = rs_calloc_aligned(q, dim * sizeof *j->q);
    j->rank = rs_calloc(n, sizeof *j->rank);
    j->ids = rs_calloc(n, sizeof *j->ids);
    j->some = rs_calloc(n, sizeof *j->some);
    j->truth = rs_calloc(SHARES * K * q, sizeof *j->truth);
    j->ms = rs_calloc(q, sizeof *j->ms);
    if (!j->x || !j->q || !j->rank || !j->ids || !j->some || !j->truth || !j->ms)
        return rs_fail(j->err, RS_ENOMEM, "bench: no memory for %zu vectors", n);
    if ((st = make_centres(j)) != RS_OK)
        return st;
    for (size_t i = 0; i < n; i++) {
        make_point(j, 1, i, j->x + i * dim);
        j->ids[i] = (int64_t)i + 1;
        j->rank[i] = (uint32_t)rs_random_below(&rnd, RS_BENCH_RANKS);
    }
    for (size_t i = 0; i < q; i++)
        make_point(j, 2, i, j->q + i * dim);
    return RS_OK;
}

/* An rs_vector_source over them. */
static rs_status half_of(void *ctx, int64_t id, uint16_t *half, rs_err *err)
{
    const job *j = ctx;

    (void)err;
    rs_half_pack(half, j->x + ((size_t)id - 1) * j->req->dim, j->req->dim);
    return RS_OK;
}

/* ---- Ask --------------------------------------------------------------- */

/* The rows of a share as a bitmap of `v`; NULL with *set 0 for all of them. */
static rs_status choose(job *j, rs_vector_index *v, double share, uint8_t **bits, size_t *set)
{
    size_t n = 0;

    *bits = NULL;
    *set = 0;
    if (share >= 1)
        return RS_OK;
    *bits = rs_calloc(rs_vector_index_bitmap_bytes(v) + 8, 1);
    if (!*bits)
        return rs_fail(j->err, RS_ENOMEM, "bench: no memory");
    for (size_t i = 0; i < j->req->n; i++)
        if (j->rank[i] < share * RS_BENCH_RANKS)
            j->some[n++] = j->ids[i];
    *set = rs_vector_index_select(v, j->some, n, *bits);
    return RS_OK;
}

typedef rs_status ask_fn(rs_vector_index *v, const float *q, size_t k, const uint8_t *bits,
                         size_t set, rs_near *near, size_t *found, rs_err *err);

/* All queries at one share. `keep`: what is found is the truth. */
static rs_status ask_all(job *j, rs_vector_index *v, ask_fn *ask, size_t queries, size_t share,
                         bool keep, rs_bench_search_row *row)
{
    int64_t *truth = j->truth + share * j->req->queries * K;
    size_t hits = 0, all = 0, set, found;
    rs_near near[K];
    uint8_t *bits;
    double sum = 0;
    rs_status st = choose(j, v, shares[share], &bits, &set);

    for (size_t warm = 0; st == RS_OK && warm < 3; warm++)
        st = ask(v, j->q + warm % queries * j->req->dim, K, bits, set, near, &found, j->err);
    for (size_t i = 0; st == RS_OK && i < queries; i++, truth += K) {
        const double start = rs_thread_cpu_s();
        st = ask(v, j->q + i * j->req->dim, K, bits, set, near, &found, j->err);
        j->ms[i] = 1e3 * (rs_thread_cpu_s() - start);
        sum += j->ms[i];
        for (size_t r = 0; keep && r < K; r++)
            truth[r] = r < found ? near[r].id : 0;
        for (size_t r = 0; r < K; r++) {
            all += truth[r] != 0;
            for (size_t f = 0; f < found; f++)
                hits += truth[r] == near[f].id;
        }
    }
    rs_free(bits);
    row->share = shares[share];
    row->recall = all ? (double)hits / (double)all : 1;
    row->per_second = sum > 0 ? 1e3 * (double)queries / sum : 0;
    return st;
}

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static rs_status ask_shares(job *j, rs_vector_index *v, ask_fn *ask, size_t queries, bool keep,
                            rs_bench_search_row *row)
{
    rs_status st = RS_OK;

    for (size_t s = 0; st == RS_OK && s < SHARES; s++) {
        st = ask_all(j, v, ask, queries, s, keep, row);
        if (st != RS_OK)
            break;
        qsort(j->ms, queries, sizeof *j->ms, rising);
        row->p50_ms = j->ms[(queries - 1) / 2];
        row->p99_ms = j->ms[(queries - 1) * 99 / 100];
        row->rss_mib = (double)rs_rss_bytes() / 1048576;
        j->req->row(j->req->ctx, row);
    }
    return st;
}

/* ---- Index ------------------------------------------------------------- */

static rs_status train(job *j, rs_vector_index *v)
{
    size_t m = rs_vector_index_sample(v), dim = j->req->dim;
    float *x;
    rs_status st;

    if (m == 0)
        return RS_OK;
    m = m < j->req->n ? m : j->req->n;
    x = rs_calloc_aligned(m, dim * sizeof *x);
    if (!x)
        return rs_fail(j->err, RS_ENOMEM, "bench: no memory");
    for (size_t i = 0; i < m; i++)
        memcpy(x + i * dim, j->x + i * (j->req->n / m) * dim, dim * sizeof *x);
    st = rs_vector_index_train(v, x, m, j->err);
    rs_free(x);
    return st;
}

static rs_status measure_file(job *j, const rs_vector_index *v, rs_bench_search_row *row)
{
    char sha[RS_SHA256_HEX], *path = rs_path_join(j->req->folder, "bench.faiss");
    struct stat sb;
    rs_status st;

    if (!path)
        return rs_fail(j->err, RS_ENOMEM, "bench: no memory");
    st = rs_vector_index_write(v, path, sha, j->err);
    if (st == RS_OK && stat(path, &sb) == 0)
        row->disk_mib = (double)sb.st_size / 1048576;
    unlink(path);
    rs_free(path);
    return st;
}

static rs_status build(job *j, rs_index_kind kind, rs_vector_index **v, rs_bench_search_row *row)
{
    const bool lists = kind == RS_INDEX_IVF || kind == RS_INDEX_SQ8;
    const rs_index_setting s = {.kind = kind, .lists = lists ? rs_index_lists_for(j->req->n) : 0};
    double start = rs_cpu_s();
    rs_status st = rs_vector_index_new(v, j->req->dim, &s, j->err);

    if (st == RS_OK)
        st = train(j, *v);
    if (st == RS_OK)
        st = rs_vector_index_add(*v, j->ids, j->x, j->req->n, j->err);
    row->build_s = rs_cpu_s() - start;
    if (st == RS_OK)
        st = measure_file(j, *v, row);
    start = rs_cpu_s();
    if (st == RS_OK)
        st = rs_vector_index_seal(*v, j->err);
    row->build_s += rs_cpu_s() - start;
    rs_vector_index_set_source(*v, half_of, j);
    row->memory_mib = st == RS_OK ? (double)rs_vector_index_bytes(*v) / 1048576 : 0;
    return st;
}

/* Efforts for the wanted recall, as an archive finds them: by vectors of its own. */
static rs_status tune(job *j, rs_vector_index *v, rs_bench_search_row *row)
{
    const size_t dim = j->req->dim, m = j->req->n < TUNE_QUERIES ? j->req->n : TUNE_QUERIES;
    float *x = rs_calloc_aligned(m, dim * sizeof *x);
    int64_t *self = rs_calloc(m, sizeof *self);
    rs_tune_queries q = {x, self, m, m};
    rs_tuned *tuned = rs_calloc(1, sizeof *tuned);
    rs_status st;

    if (!x || !self || !tuned) {
        st = rs_fail(j->err, RS_ENOMEM, "bench: no memory");
        goto done;
    }
    for (size_t i = 0; i < m; i++) {
        self[i] = j->ids[i * (j->req->n / m)];
        memcpy(x + i * dim, j->x + i * (j->req->n / m) * dim, dim * sizeof *x);
    }
    st = rs_tune(v, &q, j->req->recall, false, tuned, j->err);
    row->effort = rs_vector_index_setting(v)->effort[0];
done:
    rs_free(x);
    rs_free(self);
    rs_free(tuned);
    return st;
}

static rs_status bench_kind(job *j, rs_index_kind kind)
{
    char factory[RS_FACTORY_SIZE];
    rs_bench_search_row row = {.n = j->req->n, .dim = j->req->dim,
                               .index = rs_index_kind_name(kind), .factory = factory};
    rs_vector_index *v = NULL;
    rs_status st = build(j, kind, &v, &row);

    if (st == RS_OK) {
        rs_index_factory(rs_vector_index_setting(v), factory);
        st = kind == RS_INDEX_FLAT ? RS_OK : tune(j, v, &row);
    }
    if (st == RS_OK)
        st = ask_shares(j, v, rs_vector_index_search, j->req->queries, kind == RS_INDEX_FLAT, &row);
    if (st == RS_OK && kind == RS_INDEX_FLAT) {
        row.index = "faiss flat";
        st = ask_shares(j, v, rs_vector_index_by_faiss,
                        j->req->queries < FAISS_QUERIES ? j->req->queries : FAISS_QUERIES, false,
                        &row);
    }
    rs_vector_index_free(v);
    return st;
}

/* ---- For others -------------------------------------------------------- */

static rs_status put_file(const job *j, const char *name, const void *data, size_t bytes)
{
    char *path = rs_path_join(j->req->export, name);
    rs_outfile *f = NULL;
    rs_status st;

    if (!path)
        return rs_fail(j->err, RS_ENOMEM, "bench: no memory");
    st = rs_outfile_open(&f, path, j->err);
    if (st == RS_OK)
        st = rs_outfile_end(f, rs_outfile_write(f, data, bytes, j->err), j->err);
    rs_free(path);
    return st;
}

static rs_status put_truth(const job *j, size_t share)
{
    const size_t n = j->req->queries * K;
    uint32_t *rows = rs_calloc(n, sizeof *rows);
    char name[48];
    rs_status st;

    if (!rows)
        return rs_fail(j->err, RS_ENOMEM, "bench: no memory");
    for (size_t i = 0; i < n; i++)
        rows[i] = (uint32_t)(j->truth[share * n + i] - 1);
    snprintf(name, sizeof name, "truth-%g.u32", shares[share]);
    st = put_file(j, name, rows, n * sizeof *rows);
    rs_free(rows);
    return st;
}

static rs_status put_files(const job *j)
{
    const size_t n = j->req->n, row = j->req->dim * sizeof *j->x;
    rs_status st = rs_mkdirs(j->req->export, j->err);

    if (st == RS_OK)
        st = put_file(j, "base.f32", j->x, n * row);
    if (st == RS_OK)
        st = put_file(j, "queries.f32", j->q, j->req->queries * row);
    if (st == RS_OK)
        st = put_file(j, "rank.u32", j->rank, n * sizeof *j->rank);
    for (size_t s = 0; st == RS_OK && s < SHARES; s++)
        st = put_truth(j, s);
    return st;
}

/* ---- All --------------------------------------------------------------- */

rs_status rs_bench_search(const rs_bench_search_request *q, rs_err *err)
{
    job j = {.req = q, .err = err};
    rs_status st;

    if (q->n < K || q->dim < 1 || q->queries < 1)
        return rs_fail(err, RS_EARG, "bench: %zu vectors of %zu floats, %zu queries", q->n, q->dim,
                       q->queries);
    st = make_vectors(&j);
    if (st == RS_OK)
        st = bench_kind(&j, RS_INDEX_FLAT);      /* always: it is what the others are held to */
    if (st == RS_OK && q->export)
        st = put_files(&j);
    for (int kind = RS_INDEX_FLAT + 1; st == RS_OK && kind < RS_INDEX_KINDS; kind++)
        if (q->kinds[kind])
            st = bench_kind(&j, (rs_index_kind)kind);
    rs_free(j.x);
    rs_free(j.q);
    rs_free(j.centre);
    rs_free(j.rank);
    rs_free(j.ids);
    rs_free(j.some);
    rs_free(j.truth);
    rs_free(j.ms);
    return st;
}
