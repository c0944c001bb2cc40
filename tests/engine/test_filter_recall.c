/* test_filter_recall.c - filters of 50%, 10%, 1% and 0.01% over an archive of 20,000 clustered
 * images under every kind of vector index: recall@10 against looking at all that pass.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "embeddings/half.h"
#include "engine/probe.h"
#include "engine/vectors_int.h"

enum { N = 20000, QUERIES = 40, K = 10, CENTRES = 80, BATCH = 1000 };

/* What share of the cases each filter passes; the last follows the clusters, so that what
 * passes is far from most queries. */
static const struct { const char *filter; double share; } filters[] = {
    {"modality:half", 0.5},     {"body_part:tenth", 0.1},  {"view:hundredth", 0.01},
    {"sex:rare", 0.0001},       {"not modality:half", 0.5}, {"collection:few", 0.1},
};
enum { FILTERS = sizeof filters / sizeof *filters };

typedef struct {
    float x[N][DIM], centre[CENTRES][DIM];
    bool  pass[FILTERS][N];
} world;

static void near_centre(const world *w, rs_random *rnd, size_t c, float x[DIM])
{
    double sum = 0;

    for (size_t k = 0; k < DIM; k++) {
        x[k] = w->centre[c][k] + 0.15f * (float)rs_random_normal(rnd);
        sum += (double)x[k] * (double)x[k];
    }
    for (size_t k = 0; k < DIM; k++)
        x[k] = (float)((double)x[k] / sqrt(sum));
}

/* Case i: one image; whether it passes each filter is by chance, its cluster or its number. */
static void put_image(rs_archive *a, world *w, rs_random *rnd, size_t i)
{
    const size_t c = rs_random_below(rnd, CENTRES);
    rs_case_image image = {.path = "/x.png", .vector = w->x[i]};
    rs_err err = {RS_OK, ""};
    bool in[FILTERS];
    char key[16];

    near_centre(w, rnd, c, w->x[i]);
    for (size_t k = 0; k < DIM; k++)
        w->x[i][k] = rs_half_to_float(rs_half_from_float(w->x[i][k]));
    for (size_t f = 0; f < FILTERS; f++)
        in[f] = rs_random_unit(rnd) < filters[f].share;
    in[3] = i % (N / 2) == 77;                           /* two of them */
    in[4] = !in[0];
    in[5] = c % 10 == 0;
    for (size_t f = 0; f < FILTERS; f++)
        w->pass[f][i] = in[f];
    snprintf(key, sizeof key, "c%zu", i);
    ok(rs_archive_put(a, &(rs_case){.key = key, .age_years = -1, .images = &image, .n_images = 1,
        .modality = in[0] ? "HALF" : "other", .body_part = in[1] ? "tenth" : NULL,
        .view = in[2] ? "Hundredth" : NULL, .sex = in[3] ? "rare" : "F",
        .collection = in[5] ? "few" : "many"}, NULL, &err), &err);
}

static rs_archive *make_archive(const char *dir, world *w, rs_random *rnd)
{
    rs_archive *a = open_writer(dir);
    rs_err err = {RS_OK, ""};

    for (size_t c = 0; c < CENTRES; c++)
        unit_vector(rnd, w->centre[c]);
    for (size_t i = 0; i < N; i++) {
        if (i % BATCH == 0)
            ok(rs_archive_begin(a, &err), &err);
        put_image(a, w, rnd, i);
        if (i % BATCH == BATCH - 1)
            ok(rs_archive_commit(a, &err), &err);
    }
    return a;
}

/* The next generation is of this kind. */
static void choose(rs_archive *a, rs_index_kind kind)
{
    const size_t lists = kind == RS_INDEX_IVF || kind == RS_INDEX_SQ8 ? 128 : 0;
    rs_err err = {RS_OK, ""};
    char sql[160];

    snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO meta VALUES('vectors.image',"
             " '%s %zu 0 0 0 0.99 tuned')", rs_index_kind_name(kind), lists);
    ok(rs_db_exec(a->db, sql, &err), &err);
    ok(rs_archive_rebuild(a, &err), &err);
}

static double dot(const float *x, const float *y)
{
    double sum = 0;

    for (size_t k = 0; k < DIM; k++)
        sum += (double)x[k] * (double)y[k];
    return sum;
}

/* The score of the K-th best that pass, or of the last; *most: how many there are, K at most. */
static double last_of_best(const world *w, const bool *pass, const float *q, size_t *most)
{
    double best[K];

    *most = 0;
    for (size_t i = 0; i < N; i++) {
        const double score = pass[i] ? dot(q, w->x[i]) : -2;
        size_t at = *most;
        if (!pass[i] || (at == K && score <= best[K - 1]))
            continue;
        at -= at == K;
        for (; at > 0 && best[at - 1] < score; at--)
            best[at] = best[at - 1];
        best[at] = score;
        *most += *most < K;
    }
    return best[*most - 1];
}

static size_t recalled(rs_archive *a, const world *w, size_t f, const float *q, size_t *of)
{
    const double least = last_of_best(w, w->pass[f], q, of);
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    rs_restriction r;
    rs_filter filter;
    rs_ranking got;
    rs_scope scope;
    size_t hits = 0;

    ok(rs_filter_parse(filters[f].filter, &mem, &filter, &err), &err);
    ok(rs_restriction_make(a, &filter, NULL, &mem, &r, &err), &err);
    ok(rs_scope_make(a, RS_KIND_IMAGE, &r, &mem, &scope, &err), &err);
    ok(rs_probe_vectors(a, RS_PROBE_IMAGE_IMAGE, RS_KIND_IMAGE, &(rs_asked_vector){q, 1}, 1, &scope,
                        K, &mem, &got, &err), &err);
    assert_int_equal(got.n, *of);                        /* never fewer than there are */
    for (size_t i = 0; i < got.n; i++) {
        assert_true(w->pass[f][strtoul(got.rows[i].key + 1, NULL, 10)]);
        hits += got.rows[i].score >= least - 1e-6;
    }
    rs_arena_clear(&mem);
    return hits;
}

static void test_recall_under_filters(void **state)
{
    rs_random rnd = rs_random_seed(31);
    world *w = calloc(1, sizeof *w);
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = make_archive(dir, w, &rnd);
    for (int kind = 0; kind < RS_INDEX_KINDS; kind++) {
        choose(a, (rs_index_kind)kind);
        ok(rs_db_read_begin(a->db, &err), &err);
        ok(rs_archive_refresh(a, &err), &err);
        assert_int_equal(rs_vector_index_setting(a->vectors[RS_KIND_IMAGE]->base)->kind, kind);
        for (size_t f = 0; f < FILTERS; f++) {
            size_t hits = 0, all = 0;
            for (size_t i = 0; i < QUERIES; i++) {
                float q[DIM];
                size_t of;
                near_centre(w, &rnd, rs_random_below(&rnd, CENTRES), q);
                hits += recalled(a, w, f, q, &of);
                all += of;
            }
            if ((double)hits < (kind == RS_INDEX_FLAT ? 1 : 0.99) * (double)all)
                fail_msg("%s: %zu of %zu under %s", rs_index_kind_name((rs_index_kind)kind), hits,
                         all, filters[f].filter);
        }
        rs_db_read_end(a->db);
    }
    rs_archive_close(a);
    remove_folder(dir);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recall_under_filters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
