/* test_vector_kinds.c - every kind of vector index over the same clustered vectors: filters
 * of every width lose nothing of an exact index and next to nothing of the others, removed
 * vectors are gone, files come back, efforts are measured, memory that fails is told.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "embeddings/half.h"
#include "engine/tune.h"
#include "engine/vector_index.h"

enum { N = 6000, D = 48, QUERIES = 60, K = 10, CENTRES = 60 };

typedef struct {
    float    x[N][D], q[QUERIES][D];
    uint16_t half[N][D];
    int64_t  ids[N];
    size_t   centre[N];                /* a vector's cluster, for filters that follow them */
    bool     live[N];
} world;

static void unit(float *x)
{
    double sum = 0;

    for (size_t j = 0; j < D; j++)
        sum += (double)x[j] * (double)x[j];
    for (size_t j = 0; j < D; j++)
        x[j] = (float)((double)x[j] / sqrt(sum));
}

static world *make_world(uint64_t seed)
{
    world *w = calloc(1, sizeof *w);
    rs_random rnd = rs_random_seed(seed);
    float centre[CENTRES][D];
    int64_t id = 0;

    for (size_t c = 0; c < CENTRES; c++) {
        for (size_t j = 0; j < D; j++)
            centre[c][j] = (float)rs_random_normal(&rnd);
        unit(centre[c]);
    }
    for (size_t i = 0; i < N + QUERIES; i++) {
        float *x = i < N ? w->x[i] : w->q[i - N];
        const size_t c = rs_random_below(&rnd, CENTRES);
        for (size_t j = 0; j < D; j++)
            x[j] = centre[c][j] + 0.12f * (float)rs_random_normal(&rnd);
        unit(x);
        if (i >= N)
            continue;
        rs_half_pack(w->half[i], x, D);
        rs_half_unpack(x, w->half[i], D);
        w->ids[i] = id += 1 + (int64_t)rs_random_below(&rnd, 3);
        w->centre[i] = c;
        w->live[i] = true;
    }
    return w;
}

/* An rs_vector_source over a world. */
static rs_status from_world(void *ctx, int64_t id, uint16_t *half, rs_err *err)
{
    const world *w = ctx;

    for (size_t lo = 0, hi = N; lo < hi;) {
        size_t mid = lo + (hi - lo) / 2;
        if (w->ids[mid] == id) {
            memcpy(half, w->half[mid], sizeof w->half[mid]);
            return RS_OK;
        }
        if (w->ids[mid] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return rs_fail(err, RS_ENOENT, "vector %lld", (long long)id);
}

static rs_status build(rs_vector_index **out, world *w, rs_index_kind kind, const char *path,
                       char sha[RS_SHA256_HEX], rs_err *err)
{
    const bool lists = kind == RS_INDEX_IVF || kind == RS_INDEX_SQ8;
    const rs_index_setting s = {.kind = kind, .lists = lists ? 64 : 0};
    rs_status st = rs_vector_index_new(out, D, &s, err);

    if (st == RS_OK && rs_vector_index_sample(*out))
        st = rs_vector_index_train(*out, w->x[0], N, err);
    if (st == RS_OK)
        st = rs_vector_index_add(*out, w->ids, w->x[0], 1000, err);
    if (st == RS_OK)
        st = rs_vector_index_add(*out, w->ids + 1000, w->x[1000], N - 1000, err);
    if (st == RS_OK && path)
        st = rs_vector_index_write(*out, path, sha, err);
    if (st == RS_OK)
        st = rs_vector_index_seal(*out, err);
    if (st == RS_OK)
        rs_vector_index_set_source(*out, from_world, w);
    return st;
}

/* ---- Filters ------------------------------------------------------------ */

typedef struct { double score; size_t at; } scored;

static int falling(const void *a, const void *b)
{
    const scored *x = a, *y = b;

    return x->score != y->score ? (x->score < y->score) - (x->score > y->score)
                                : (x->at > y->at) - (x->at < y->at);
}

/* How many of the K best that `pass` were found; *of: how many there are. */
static size_t recalled(world *w, rs_vector_index *v, const float *q, const bool *pass, size_t *of)
{
    static scored all[N];
    static int64_t ids[N];
    uint8_t *bits = pass ? calloc(rs_vector_index_bitmap_bytes(v), 1) : NULL;
    rs_err err = {RS_OK, ""};
    size_t n = 0, m = 0, set = 0, found, hits = 0;
    rs_near near[K];

    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        if (pass && pass[i])
            ids[m++] = w->ids[i];
        if (!w->live[i] || (pass && !pass[i]))
            continue;
        for (size_t j = 0; j < D; j++)
            sum += (double)q[j] * (double)w->x[i][j];
        all[n++] = (scored){sum, i};
    }
    qsort(all, n, sizeof *all, falling);
    if (pass) {
        set = rs_vector_index_select(v, ids, m, bits);
        assert_int_equal(set, n);
    }
    ok(rs_vector_index_search(v, q, K, bits, set, near, &found, &err), &err);
    *of = n < K ? n : K;
    assert_int_equal(found, *of);                      /* never fewer than there are */
    for (size_t r = 0; r < found; r++) {
        if (r)
            assert_true(near[r].score <= near[r - 1].score);
        for (size_t i = 0; i < n; i++)
            if (w->ids[all[i].at] == near[r].id) {
                assert_true(fabs((double)near[r].score - all[i].score) < 1e-5);
                hits += i < *of;
                break;
            } else {
                assert_true(i + 1 < n);                /* what was found had passed */
            }
    }
    free(bits);
    return hits;
}

static void check_filters(world *w, rs_vector_index *v, const char *what, uint64_t seed)
{
    static const double share[] = {1, 0.5, 0.1, 0.01, 0.0001, 0};
    const rs_index_kind kind = rs_vector_index_setting(v)->kind;
    rs_random rnd = rs_random_seed(seed);
    static bool pass[N];

    /* By chance, and by cluster: what passes is then far from most queries. */
    for (int by_cluster = 0; by_cluster < 2; by_cluster++)
        for (size_t s = 0; s < sizeof share / sizeof *share; s++) {
            size_t hits = 0, all = 0, of;
            bool in[CENTRES];
            for (size_t i = 0; i < QUERIES; i++) {
                for (size_t c = 0; c < CENTRES; c++)
                    in[c] = rs_random_unit(&rnd) < share[s];
                for (size_t j = 0; j < N; j++)
                    pass[j] = by_cluster ? in[w->centre[j]] : rs_random_unit(&rnd) < share[s];
                hits += recalled(w, v, w->q[i], s ? pass : NULL, &of);
                all += of;
            }
            /* A graph that threads built has a few vectors to which no way leads. */
            if ((double)hits < (kind == RS_INDEX_FLAT            ? 1
                                : kind == RS_INDEX_HNSW && !s ? 0.96
                                                              : 0.99) * (double)all)
                fail_msg("%s: %zu of %zu at %g%s", what, hits, all, share[s],
                         by_cluster ? " by cluster" : "");
        }
}

/* Efforts as rs_tune finds them, with the world's own vectors. */
static void tune(world *w, rs_vector_index *v, rs_tuned *out)
{
    rs_tune_queries q = {.x = w->x[0], .self = w->ids, .n = 100, .own = 100};
    rs_err err = {RS_OK, ""};

    ok(rs_tune(v, &q, 0.99, false, out, &err), &err);
    for (size_t i = 0; !out->reached && i < out->n; i++)
        print_error("effort %zu: recall %.4f and %.4f\n", out->curve[i].effort,
                    out->curve[i].recall[0], out->curve[i].recall[1]);
    assert_true(out->reached);
    for (int at = 0; at < RS_TUNE_KS; at++)
        assert_true(out->recall[at] >= 0.99);
    assert_int_equal(rs_vector_index_setting(v)->effort[0], out->effort[0]);
}

static void test_filters_lose_nothing(void **state)
{
    rs_err err = {RS_OK, ""};
    world *w = make_world(11);
    rs_random rnd = rs_random_seed(12);

    (void)state;
    for (int kind = 0; kind < RS_INDEX_KINDS; kind++) {
        rs_vector_index *v;
        rs_tuned tuned;
        ok(build(&v, w, (rs_index_kind)kind, NULL, NULL, &err), &err);
        assert_int_equal(rs_vector_index_count(v), N);
        assert_int_equal(rs_vector_index_live(v), N);
        if (kind != RS_INDEX_FLAT) {
            tune(w, v, &tuned);
            for (size_t i = 1; i < tuned.n; i++)       /* more effort, more recall */
                assert_true(tuned.curve[i].effort > tuned.curve[i - 1].effort &&
                            tuned.curve[i].recall[0] > tuned.curve[i - 1].recall[0] - 0.02);
        }
        check_filters(w, v, rs_index_kind_name((rs_index_kind)kind), 13);
        for (size_t i = 0; i < N; i++)
            if (rs_random_below(&rnd, 4) == 0) {       /* a quarter goes */
                assert_true(rs_vector_index_remove(v, w->ids[i]));
                assert_false(rs_vector_index_remove(v, w->ids[i]));
                w->live[i] = false;
            }
        check_filters(w, v, rs_index_kind_name((rs_index_kind)kind), 14);
        rs_vector_index_free(v);
        for (size_t i = 0; i < N; i++)
            w->live[i] = true;
    }
    free(w);
}

/* With as much effort as there are lists, lists are exact too. */
static void test_all_lists_are_exact(void **state)
{
    const rs_index_setting all = {.effort = {64, 64}};
    rs_err err = {RS_OK, ""};
    world *w = make_world(21);
    rs_near a[100], b[100];
    rs_vector_index *v;
    size_t na, nb;

    (void)state;
    ok(build(&v, w, RS_INDEX_IVF, NULL, NULL, &err), &err);
    assert_int_equal(rs_vector_index_by_faiss(v, w->q[0], 3, NULL, 0, a, &na, &err), RS_EARG);
    rs_vector_index_set_effort(v, &all);
    for (size_t i = 0; i < QUERIES; i++) {
        ok(rs_vector_index_search(v, w->q[i], 100, NULL, 0, a, &na, &err), &err);
        ok(rs_vector_index_exact(v, w->q[i], 100, NULL, 0, b, &nb, &err), &err);
        assert_int_equal(na, 100);
        assert_int_equal(nb, 100);
        for (size_t r = 0; r < na; r++)
            assert_true(a[r].id == b[r].id && a[r].score == b[r].score);
    }
    ok(rs_vector_index_search(v, w->q[0], 1, NULL, 0, a, &na, &err), &err);
    assert_int_equal(na, 1);
    rs_vector_index_free(v);
    free(w);
}

/* ---- Files --------------------------------------------------------------- */

static void test_files_of_every_kind(void **state)
{
    char dir[64], path[80], sha[RS_SHA256_HEX], factory[RS_FACTORY_SIZE], *bytes;
    rs_err err = {RS_OK, ""};
    world *w = make_world(31);
    size_t len;

    (void)state;
    make_folder(dir);
    snprintf(path, sizeof path, "%s/x.faiss", dir);
    for (int kind = 0; kind < RS_INDEX_KINDS; kind++) {
        rs_vector_index *made, *read;
        rs_near a[K], b[K];
        size_t na, nb;
        ok(build(&made, w, (rs_index_kind)kind, path, sha, &err), &err);
        ok(rs_vector_index_read(&read, path, sha, D, &err), &err);
        rs_vector_index_set_source(read, from_world, w);
        assert_int_equal(rs_vector_index_setting(read)->kind, kind);
        assert_int_equal(rs_vector_index_setting(read)->lists, rs_vector_index_setting(made)->lists);
        rs_index_factory(rs_vector_index_setting(read), factory);
        assert_non_null(strstr(factory, kind == RS_INDEX_SQ8 ? "SQ8" : "SQfp16"));
        assert_true(rs_vector_index_bytes(read) > (size_t)N * D);
        for (size_t i = 0; i < QUERIES; i++) {
            ok(rs_vector_index_search(made, w->q[i], K, NULL, 0, a, &na, &err), &err);
            ok(rs_vector_index_search(read, w->q[i], K, NULL, 0, b, &nb, &err), &err);
            assert_int_equal(na, nb);
            for (size_t r = 0; r < na; r++)
                assert_int_equal(a[r].id, b[r].id);
        }
        rs_vector_index_free(made);
        rs_vector_index_free(read);
        ok(rs_file_read(&bytes, &len, path, 1 << 24, &err), &err);
        bytes[len / 2] ^= 1;
        ok(rs_file_write(path, bytes, len, &err), &err);
        assert_int_equal(rs_vector_index_read(&read, path, sha, D, &err), RS_ECORRUPT);
        assert_null(read);
        rs_free(bytes);
    }
    remove_folder(dir);
    free(w);
}

/* ---- What is asked wrongly, what fails ------------------------------------ */

static void test_order_of_making(void **state)
{
    const rs_index_setting s = {.kind = RS_INDEX_IVF, .lists = 64};
    rs_err err = {RS_OK, ""};
    world *w = make_world(41);
    char sha[RS_SHA256_HEX];
    rs_vector_index *v;

    (void)state;
    ok(rs_vector_index_new(&v, D, &s, &err), &err);
    assert_true(rs_vector_index_sample(v) >= 64);
    assert_int_equal(rs_vector_index_add(v, w->ids, w->x[0], 1, &err), RS_EARG);
    assert_int_equal(rs_vector_index_train(v, w->x[0], 63, &err), RS_EARG);
    ok(rs_vector_index_train(v, w->x[0], 200, &err), &err);
    assert_int_equal(rs_vector_index_sample(v), 0);
    ok(rs_vector_index_add(v, w->ids, w->x[0], 10, &err), &err);
    ok(rs_vector_index_seal(v, &err), &err);
    ok(rs_vector_index_seal(v, &err), &err);
    assert_int_equal(rs_vector_index_add(v, w->ids + 10, w->x[10], 1, &err), RS_EARG);
    rs_vector_index_free(v);
    ok(build(&v, w, RS_INDEX_SQ8, NULL, NULL, &err), &err);
    assert_int_equal(rs_vector_index_write(v, "/nowhere", sha, &err), RS_EARG);
    rs_vector_index_free(v);
    free(w);
}

static void test_kind_by_size(void **state)
{
    rs_index_setting s;
    rs_index_kind kind;
    char factory[RS_FACTORY_SIZE];

    (void)state;
    s = rs_index_setting_for(1000, 512, UINT64_MAX);
    assert_int_equal(s.kind, RS_INDEX_FLAT);
    s = rs_index_setting_for(100000, 512, UINT64_MAX);
    assert_int_equal(s.kind, RS_INDEX_IVF);
    assert_int_equal(s.lists, 1024);
    rs_index_factory(&s, factory);
    assert_string_equal(factory, "IDMap,IVF1024,SQfp16");
    s = rs_index_setting_for(1000000, 512, 1u << 30);   /* 1.5 GB do not fit */
    assert_int_equal(s.kind, RS_INDEX_SQ8);
    assert_int_equal(s.lists, 4096);
    assert_int_equal(rs_index_lists_for(0), 1);
    assert_int_equal(rs_index_lists_for(39), 1);
    assert_true(rs_index_memory() > 1u << 20);
    for (int k = 0; k < RS_INDEX_KINDS; k++) {
        assert_true(rs_index_kind_of(rs_index_kind_name((rs_index_kind)k), &kind));
        assert_int_equal(kind, k);
    }
    assert_false(rs_index_kind_of("lsh", &kind));
}

static void test_allocation_failures(void **state)
{
    rs_err err = {RS_OK, ""};
    world *w = make_world(51);
    char dir[64], path[80], sha[RS_SHA256_HEX];
    size_t live = rs_alloc_live();

    (void)state;
    make_folder(dir);
    snprintf(path, sizeof path, "%s/x.faiss", dir);
    for (int kind = 0; kind < RS_INDEX_KINDS; kind++) {
        rs_vector_index *v;
        rs_status st = RS_ENOMEM;
        ok(build(&v, w, (rs_index_kind)kind, path, sha, &err), &err);
        rs_vector_index_free(v);
        for (long k = 0; st != RS_OK; k++) {
            rs_near near[K];
            size_t n;
            v = NULL;
            rs_alloc_fail_after(k);
            st = rs_vector_index_read(&v, path, sha, D, &err);
            if (st == RS_OK) {
                rs_vector_index_set_source(v, from_world, w);
                st = rs_vector_index_search(v, w->q[0], K, NULL, 0, near, &n, &err);
            }
            rs_alloc_fail_after(-1);
            if (st != RS_OK)
                assert_int_equal(st, RS_ENOMEM);
            rs_vector_index_free(v);
            assert_int_equal(rs_alloc_live(), live);
        }
    }
    remove_folder(dir);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters_lose_nothing),
        cmocka_unit_test(test_all_lists_are_exact),
        cmocka_unit_test(test_files_of_every_kind),
        cmocka_unit_test(test_order_of_making),
        cmocka_unit_test(test_kind_by_size),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
