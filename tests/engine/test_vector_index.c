/* test_vector_index.c - a flat vector_index.h against a naive inner product and FAISS; what
 * the bitmap, removal and damaged files do; and FAISS's later C API as we define it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "embeddings/half.h"
#include "engine/faiss_ext.h"
#include "engine/vector_index.h"

#include <faiss/c_api/error_c.h>
#include <faiss/c_api/index_factory_c.h>

enum { N = 300, K = 12 };

typedef struct {
    float   x[N][DIM];
    int64_t ids[N];                /* ascending with gaps */
    bool    live[N];
    rs_vector_index *v;
} world;

/* As the catalog has it: half floats. */
static void stored_vector(rs_random *rnd, float x[DIM])
{
    uint16_t half[DIM];

    unit_vector(rnd, x);
    rs_half_pack(half, x, DIM);
    rs_half_unpack(x, half, DIM);
}

static void make_world(world *w, uint64_t seed)
{
    rs_random rnd = rs_random_seed(seed);
    rs_err err = {RS_OK, ""};
    int64_t id = 0;

    ok(rs_vector_index_new(&w->v, DIM, NULL, &err), &err);
    for (size_t i = 0; i < N; i++) {
        stored_vector(&rnd, w->x[i]);
        w->ids[i] = id += 1 + (int64_t)rs_random_below(&rnd, 3);
        w->live[i] = true;
    }
    ok(rs_vector_index_add(w->v, w->ids, w->x[0], 100, &err), &err);
    ok(rs_vector_index_add(w->v, w->ids + 100, w->x[100], N - 100, &err), &err);
}

static int by_score(const void *a, const void *b)
{
    const rs_near *x = a, *y = b;

    return (x->score < y->score) - (x->score > y->score);
}

/* The K best of those with allowed[i] and live. */
static size_t naive(const world *w, const bool *allowed, const float *q, rs_near out[N])
{
    size_t n = 0;

    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        if (!w->live[i] || (allowed && !allowed[i]))
            continue;
        for (int k = 0; k < DIM; k++)
            sum += (double)q[k] * (double)w->x[i][k];
        out[n++] = (rs_near){w->ids[i], (float)sum};
    }
    qsort(out, n, sizeof *out, by_score);
    return n < K ? n : K;
}

static void check(const world *w, const bool *allowed, const float *q)
{
    rs_near got[K], want[N];
    int64_t ids[N];
    uint8_t *bits = NULL;
    rs_err err = {RS_OK, ""};
    size_t n, m = 0, found, set = 0;

    for (size_t i = 0; allowed && i < N; i++)
        if (allowed[i]) {
            ids[m++] = w->ids[i];
            set += w->live[i];
        }
    if (allowed) {
        bits = calloc(rs_vector_index_bitmap_bytes(w->v) + 1, 1);
        assert_int_equal(rs_vector_index_select(w->v, ids, m, bits), set);
    }
    n = naive(w, allowed, q, want);
    for (int how = 0; how < 3; how++) {               /* our own scan, and FAISS's */
        ok((how == 0   ? rs_vector_index_search
            : how == 1 ? rs_vector_index_exact
                       : rs_vector_index_by_faiss)(w->v, q, K, bits, set, got, &found, &err),
           &err);
        assert_int_equal(found, n);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(got[i].id, want[i].id);
            assert_true(fabs((double)got[i].score - (double)want[i].score) < 1e-6);
        }
    }
    free(bits);
}

static void test_equals_naive(void **state)
{
    static const size_t percent[] = {100, 50, 10, 1, 0};
    rs_random rnd = rs_random_seed(2);
    bool allowed[N];
    float q[DIM];
    world w;

    (void)state;
    make_world(&w, 1);
    for (int round = 0; round < 20; round++) {
        unit_vector(&rnd, q);
        check(&w, NULL, q);
        for (size_t p = 0; p < sizeof percent / sizeof *percent; p++) {
            for (size_t i = 0; i < N; i++)
                allowed[i] = rs_random_below(&rnd, 100) < percent[p];
            check(&w, allowed, q);
        }
        for (int gone = 0; gone < 12; gone++) {      /* less and less is left */
            size_t at = rs_random_below(&rnd, N);
            assert_int_equal(rs_vector_index_remove(w.v, w.ids[at]), w.live[at]);
            w.live[at] = false;
        }
    }
    assert_int_equal(rs_vector_index_count(w.v), N);
    rs_vector_index_free(w.v);
}

static void test_ids_must_ascend(void **state)
{
    static const int64_t bad[][2] = {{5, 5}, {6, 2}, {-1, 3}, {0, 1}};
    static const int64_t good[] = {3, 9};
    static const float x[2][DIM] = {{1}, {0, 1}};
    rs_vector_index *v;
    rs_err err = {RS_OK, ""};
    size_t found = 9;
    rs_near near[2];

    (void)state;
    ok(rs_vector_index_new(&v, DIM, NULL, &err), &err);
    ok(rs_vector_index_search(v, x[0], 2, NULL, 0, near, &found, &err), &err);
    assert_int_equal(found, 0);                      /* empty */
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(rs_vector_index_add(v, bad[i], x[0], 2, &err), RS_EARG);
    ok(rs_vector_index_add(v, good, x[0], 2, &err), &err);
    assert_int_equal(rs_vector_index_add(v, good + 1, x[1], 1, &err), RS_EARG);
    assert_int_equal(rs_vector_index_last_id(v), 9);
    assert_false(rs_vector_index_remove(v, 4));
    assert_true(rs_vector_index_remove(v, 3));
    assert_false(rs_vector_index_remove(v, 3));
    assert_int_equal(rs_vector_index_live(v), 1);
    rs_vector_index_free(v);
}

/* ---- Files ----------------------------------------------------------- */

static void test_file_and_back(void **state)
{
    char dir[64], path[80], sha[RS_SHA256_HEX], other[RS_SHA256_HEX];
    rs_random rnd = rs_random_seed(4);
    rs_err err = {RS_OK, ""};
    float q[DIM];
    world w;

    (void)state;
    make_folder(dir);
    make_world(&w, 3);
    snprintf(path, sizeof path, "%s/x.faiss", dir);
    ok(rs_vector_index_write(w.v, path, sha, &err), &err);
    ok(rs_sha256_file(other, path, &err), &err);
    assert_string_equal(sha, other);
    rs_vector_index_free(w.v);
    ok(rs_vector_index_read(&w.v, path, sha, DIM, &err), &err);
    for (int i = 0; i < 5; i++) {
        unit_vector(&rnd, q);
        check(&w, NULL, q);
    }
    rs_vector_index_free(w.v);
    assert_int_equal(rs_vector_index_read(&w.v, path, sha, DIM + 1, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "8 floats, wanted 9"));
    assert_null(w.v);
    remove_folder(dir);
}

/* Whatever is wrong with the file, it is named and FAISS does not read it. */
static void test_damaged_files(void **state)
{
    char dir[64], path[80], sha[RS_SHA256_HEX], *bytes;
    rs_vector_index *v;
    rs_err err = {RS_OK, ""};
    size_t len;
    world w;

    (void)state;
    make_folder(dir);
    make_world(&w, 5);
    snprintf(path, sizeof path, "%s/x.faiss", dir);
    ok(rs_vector_index_write(w.v, path, sha, &err), &err);
    rs_vector_index_free(w.v);
    ok(rs_file_read(&bytes, &len, path, 1 << 20, &err), &err);
    for (size_t at = 0; at < len; at += len / 50) {
        bytes[at] ^= 1;
        ok(rs_file_write(path, bytes, len, &err), &err);
        assert_int_equal(rs_vector_index_read(&v, path, sha, DIM, &err), RS_ECORRUPT);
        assert_non_null(strstr(err.msg, "checksum"));
        bytes[at] ^= 1;
        ok(rs_file_write(path, bytes, at, &err), &err);
        assert_int_equal(rs_vector_index_read(&v, path, sha, DIM, &err), RS_ECORRUPT);
    }
    ok(rs_file_write(path, "not an index", 12, &err), &err);     /* with its own checksum */
    ok(rs_sha256_file(sha, path, &err), &err);
    assert_int_equal(rs_vector_index_read(&v, path, sha, DIM, &err), RS_ECORRUPT);
    unlink(path);
    assert_int_equal(rs_vector_index_read(&v, path, sha, DIM, &err), RS_ENOENT);
    assert_null(v);
    rs_free(bytes);
    remove_folder(dir);
}

/* ---- The C API of later versions ------------------------------------- */

/* nprobe and efSearch travel per call, with a bitmap: on well-chosen parameters each
 * kind finds what an exact scan of the allowed vectors finds. */
static void test_parameters_per_call(void **state)
{
    rs_random rnd = rs_random_seed(6);
    uint8_t bits[N / 8 + 1] = {0};
    float x[N][DIM], score[3];
    idx_t at[3];

    (void)state;
    for (size_t i = 0; i < N; i++) {
        unit_vector(&rnd, x[i]);
        if (i % 3 == 0)
            bits[i / 8] |= (uint8_t)(1u << (i % 8));
    }
    for (int kind = 0; kind < 2; kind++) {
        FaissIDSelectorBitmap *sel = NULL;
        FaissSearchParameters *sp = NULL;
        FaissIndex *index = NULL;
        assert_int_equal(faiss_index_factory(&index, DIM, kind ? "HNSW16,Flat" : "IVF4,Flat",
                                             METRIC_INNER_PRODUCT), 0);
        assert_int_equal(faiss_Index_train(index, N, x[0]), 0);
        assert_int_equal(faiss_Index_add(index, N, x[0]), 0);
        assert_int_equal(faiss_IDSelectorBitmap_new(&sel, sizeof bits, bits), 0);
        assert_int_equal(kind ? faiss_SearchParametersHNSW_new_with(&sp, (FaissIDSelector *)sel, N)
                              : faiss_SearchParametersIVF_new_with(&sp, (FaissIDSelector *)sel, 4,
                                                                   0), 0);
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(faiss_Index_search_with_params(index, 1, x[i], 3, sp, score, at), 0);
            for (int k = 0; k < 3; k++)
                assert_true(at[k] % 3 == 0);
            if (i % 3 == 0)
                assert_int_equal(at[0], i);          /* itself */
        }
        if (kind)
            faiss_SearchParametersHNSW_free(sp);
        else
            faiss_SearchParametersIVF_free(sp);
        faiss_IDSelectorBitmap_free(sel);
        faiss_Index_free(index);
    }
}

/* A C++ exception ends as a code and a message. */
static void test_exceptions_become_codes(void **state)
{
    float x[DIM] = {1}, score[1];
    FaissIndex *index = NULL;
    idx_t at[1];

    (void)state;
    assert_int_equal(faiss_index_factory(&index, DIM, "IVF8,Flat", METRIC_INNER_PRODUCT), 0);
    assert_true(faiss_Index_search_with_params(index, 1, x, 0, NULL, score, at) < 0);
    assert_non_null(faiss_get_last_error());
    assert_true(strlen(faiss_get_last_error()) > 0);
    faiss_Index_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_naive),
        cmocka_unit_test(test_ids_must_ascend),
        cmocka_unit_test(test_file_and_back),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_parameters_per_call),
        cmocka_unit_test(test_exceptions_become_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
