/* test_fusion.c - every fusion on rankings worked out by hand, and in whole searches.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/fusion.h"

static rs_ranked rows_a[] = {{1, "a", 9, 0}, {2, "b", 8, 0}, {3, "c", 7, 0}};
static rs_ranked rows_b[] = {{3, "c", .9, 5}, {4, "d", .8, 6}};
static rs_ranked rows_c[] = {{2, "b", .5, 7}};

/*            bm25 rank  image rank     k = 60, weights 1
 *   a            1          -          1/61           = 0.016393
 *   b            2          -          1/62           = 0.016129
 *   c            3          1          1/63 + 1/61    = 0.032266
 *   d            -          2          1/62           = 0.016129   after b by key */
static void test_two_rankings(void **state)
{
    const rs_ranking r[] = {{RS_PROBE_BM25, rows_a, 3}, {RS_PROBE_TEXT_IMAGE, rows_b, 2}};
    static const char *const want[] = {"c", "a", "b", "d"};
    static const double score[] = {0.032266458, 0.016393443, 0.016129032, 0.016129032};
    rs_query q = rs_query_default();
    rs_arena mem = {0};
    rs_fused *rows;
    size_t n;

    (void)state;
    rows = rs_fuse(r, 2, RS_FUSION_RRF, q.rrf_k, q.weight, &mem, &n);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(rows[i].key, want[i]);
        assert_true(fabs(rows[i].score - score[i]) < 1e-9);
    }
    assert_int_equal(rows[0].rank[RS_PROBE_BM25], 3);
    assert_int_equal(rows[0].rank[RS_PROBE_TEXT_IMAGE], 1);
    assert_int_equal(rows[1].rank[RS_PROBE_TEXT_IMAGE], 0);
    rs_arena_clear(&mem);
}

/* With k = 0 and weights: a 1*2 = 2; b 2/2 + 0.5/1 = 1.5; c 2/3. */
static void test_weights_and_k(void **state)
{
    const rs_ranking r[] = {{RS_PROBE_BM25, rows_a, 3}, {RS_PROBE_LIKE_IMAGE, rows_c, 1}};
    rs_query q = rs_query_default();
    rs_arena mem = {0};
    rs_fused *rows;
    size_t n;

    (void)state;
    q.weight[RS_PROBE_BM25] = 2;
    q.weight[RS_PROBE_LIKE_IMAGE] = 0.5;
    rows = rs_fuse(r, 2, RS_FUSION_RRF, 0, q.weight, &mem, &n);
    assert_int_equal(n, 3);
    assert_string_equal(rows[0].key, "a");
    assert_true(rows[0].score == 2);
    assert_string_equal(rows[1].key, "b");
    assert_true(rows[1].score == 1.5);
    assert_true(fabs(rows[2].score - 2.0 / 3) < 1e-15);
    rs_arena_clear(&mem);
}

static void test_nothing_to_fuse(void **state)
{
    const rs_ranking empty = {RS_PROBE_BM25, NULL, 0};
    rs_query q = rs_query_default();
    rs_arena mem = {0};
    size_t n = 9;

    (void)state;
    assert_non_null(rs_fuse(NULL, 0, RS_FUSION_RRF, 60, q.weight, &mem, &n));
    assert_int_equal(n, 0);
    assert_non_null(rs_fuse(&empty, 1, RS_FUSION_RRF, 60, q.weight, &mem, &n));
    assert_int_equal(n, 0);
    rs_arena_clear(&mem);
    rs_alloc_fail_after(0);
    assert_null(rs_fuse(&empty, 1, RS_FUSION_RRF, 60, q.weight, &mem, &n));
    rs_alloc_fail_after(-1);
}

static void check_parts(rs_fusion how, const double *score, size_t n, const double *want)
{
    rs_ranked rows[8];
    double out[8], room[8];

    for (size_t i = 0; i < n; i++)
        rows[i] = (rs_ranked){(int64_t)i, "x", score[i], 0};
    rs_fusion_parts(&(rs_ranking){RS_PROBE_BM25, rows, n}, how, 60, out, room);
    for (size_t i = 0; i < n; i++)
        if (!(fabs(out[i] - want[i]) < 1e-9))
            fail_msg("%s, row %zu: %.9f, wanted %.9f", rs_fusion_name(how), i, out[i], want[i]);
}

/*   scores      9      7      5      3
 *   minmax      1     4/6    2/6     0
 *   zscore   mean 6, sd sqrt(5): (s - 6) / sd less that of the last = (s - 3) / sqrt(5)
 *   atan     s - min: 6 4 2 0, median (the third of four) 2: 2/pi atan(3), atan(2), atan(1), 0 */
static void test_parts_by_hand(void **state)
{
    static const double score[] = {9, 7, 5, 3}, equal[] = {4, 4, 4}, one[] = {1, 1, 1};
    static const double minmax[] = {1, 4.0 / 6, 2.0 / 6, 0};
    const double zscore[] = {6 / sqrt(5), 4 / sqrt(5), 2 / sqrt(5), 0};
    const double pi = acos(-1);
    const double squashed[] = {2 / pi * atan(3), 2 / pi * atan(2), 0.5, 0};

    (void)state;
    check_parts(RS_FUSION_RRF, score, 2, (double[]){1.0 / 61, 1.0 / 62});
    check_parts(RS_FUSION_MINMAX, score, 4, minmax);
    check_parts(RS_FUSION_ZSCORE, score, 4, zscore);
    check_parts(RS_FUSION_ATAN, score, 4, squashed);
    check_parts(RS_FUSION_EARLY, score, 4, score);
    for (int how = RS_FUSION_MINMAX; how <= RS_FUSION_ATAN; how++) {
        check_parts((rs_fusion)how, equal, 3, one);
        check_parts((rs_fusion)how, equal, 1, one);
        check_parts((rs_fusion)how, equal, 0, one);
    }
}

static void test_standardise(void **state)
{
    double x[] = {1, 2, 3, 4}, same[] = {0.1, 0.1, 0.1};

    (void)state;
    rs_standardise(x, 4);
    assert_true(fabs(x[0] + 1.5 / sqrt(1.25)) < 1e-12 && fabs(x[3] - 1.5 / sqrt(1.25)) < 1e-12);
    rs_standardise(same, 3);
    assert_true(same[0] == 0 && same[2] == 0);
}

/* min-max keeps distances: a case far ahead in one probe wins over one that is second in both. */
static void test_minmax_against_rrf(void **state)
{
    static rs_ranked words[] = {{1, "far", 20, 0}, {2, "both", 6, 0}, {3, "x", 5, 0}};
    static rs_ranked images[] = {{4, "y", .9, 0}, {2, "both", .6, 0}, {5, "z", .5, 0}};
    const rs_ranking r[] = {{RS_PROBE_BM25, words, 3}, {RS_PROBE_TEXT_IMAGE, images, 3}};
    rs_query q = rs_query_default();
    rs_arena mem = {0};
    size_t n;

    (void)state;
    assert_string_equal(rs_fuse(r, 2, RS_FUSION_RRF, 60, q.weight, &mem, &n)[0].key, "both");
    assert_string_equal(rs_fuse(r, 2, RS_FUSION_MINMAX, 60, q.weight, &mem, &n)[0].key, "far");
    rs_arena_clear(&mem);
}

static void test_names(void **state)
{
    (void)state;
    for (int f = 0; f < RS_FUSIONS; f++)
        assert_int_equal(rs_fusion_of(rs_fusion_name((rs_fusion)f)), f);
    assert_int_equal(rs_fusion_of("best"), RS_FUSIONS);
}

/* ---- In whole searches ----------------------------------------------- */

enum { CASES = 40 };

static double parts_of(const rs_hit *h)
{
    double sum = h->agreement;

    for (size_t i = 0; i < h->n_found; i++)
        sum += h->found[i].part;
    return sum;
}

/* Whatever the fusion, with and without rescoring: scores fall and are the sums of their parts. */
static void test_scores_are_sums(void **state)
{
    rs_random rnd = rs_random_seed(21);
    static random_case cases[CASES];
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    char dir[64];
    rs_archive *a;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    for (size_t i = 0; i < CASES; i++) {
        make_case(&cases[i], &rnd, i);
        put_one(a, &cases[i].c);
    }
    for (int how = 0; how < RS_FUSIONS; how++)
        for (size_t rescore = 0; rescore <= 10; rescore += 10) {
            rs_query q = rs_query_default();
            float text[DIM], image[DIM];
            rs_result r;
            unit_vector(&rnd, text);
            unit_vector(&rnd, image);
            ask_text(&q, "left effusion", text);
            ask_images(&q, image, 1);
            q.fusion = (rs_fusion)how;
            q.rescore = rescore;
            q.k = 10;
            ok(rs_search(a, &q, &mem, &r, &err), &err);
            assert_int_equal(r.n, 10);
            assert_true(r.ran[RS_PROBE_CASE] == (how == RS_FUSION_EARLY));
            assert_true(r.ran[RS_PROBE_BM25] != (how == RS_FUSION_EARLY));
            for (size_t i = 0; i < r.n; i++) {
                assert_true(fabs(parts_of(&r.hits[i]) - r.hits[i].score) < 1e-9);
                assert_true(i == 0 || r.hits[i].score <= r.hits[i - 1].score);
                assert_true(rescore || r.hits[i].agreement == 0);
            }
        }
    rs_archive_close(a);
    remove_folder(dir);
    rs_arena_clear(&mem);
}

/* Of a short text the vectors weigh a tenth, of one of ten things half, of a long one all. */
static void test_words_first(void **state)
{
    static const char *const texts[] = {
        "effusion", "effusion pneumothorax nodule fracture mass lung heart small large hand",
        "effusion pneumothorax nodule fracture mass lung heart small large hand knee hip skull "
        "spine liver spleen kidney brain aorta trachea oesophagus bladder"};
    static const double want[] = {0.1, 0.5, 1};
    static const float x[DIM] = {1};
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    char dir[64];
    rs_archive *a;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    put_one(a, &(rs_case){.key = "one", .title = "effusion", .age_years = -1, .n_images = 1,
                          .images = &(rs_case_image){.path = "/x", .vector = x}});
    for (size_t i = 0; i < 3; i++) {
        rs_query q = rs_query_default();
        rs_result r;
        q.rrf_k = 0;
        q.words = RS_WORDS_PLAIN;               /* each word one thing */
        ask_text(&q, texts[i], x);
        ok(rs_search(a, &q, &mem, &r, &err), &err);
        assert_int_equal(r.n, 1);
        for (size_t f = 0; f < r.hits[0].n_found; f++)
            if (r.hits[0].found[f].probe == RS_PROBE_TEXT_IMAGE)
                assert_true(fabs(r.hits[0].found[f].part - want[i]) < 1e-12);
        q.weight[RS_PROBE_BM25] = 0;                    /* nothing else reads it */
        ok(rs_search(a, &q, &mem, &r, &err), &err);
        assert_true(fabs(r.hits[0].score - 1) < 1e-12);
    }
    rs_archive_close(a);
    remove_folder(dir);
    rs_arena_clear(&mem);
}

static void put_two(rs_archive *a, const char *key, const float *image, const float *passage)
{
    put_one(a, &(rs_case){.key = key, .title = "t", .age_years = -1,
                          .images = &(rs_case_image){.path = "/x", .vector = image}, .n_images = 1,
                          .passages = &(rs_passage){.text = "y", .vector = passage},
                          .n_passages = 1});
}

/* One vector for a case: image and passage count the same, and a query of both finds the case
 * that has both, though each of two others has one of them exactly. */
static void test_early(void **state)
{
    static const float e[4][DIM] = {{1}, {0, 1}, {0, 0, 1}, {0, 0, 0, 1}};
    const float near_image[DIM] = {0.8f, 0, 0, 0.6f}, near_text[DIM] = {0, 0.8f, 0, 0.6f};
    rs_query q = rs_query_default();
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    rs_result r;
    char dir[64];
    rs_archive *a;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    put_two(a, "image", e[0], e[2]);
    put_two(a, "text", e[2], e[1]);
    put_two(a, "both", near_image, near_text);
    ask_text(&q, "zzz", e[1]);
    ask_images(&q, e[0], 1);
    q.fusion = RS_FUSION_EARLY;
    ok(rs_search(a, &q, &mem, &r, &err), &err);
    assert_int_equal(r.n, 3);
    assert_string_equal(r.hits[0].key, "both");
    assert_int_equal(r.hits[0].found[0].probe, RS_PROBE_CASE);
    /* query (1, 1)/sqrt(2); case "both" (0.8, 0.8, 0, 1.2) / sqrt(2.72) */
    assert_true(fabs(r.hits[0].score - 1.6 / sqrt(2) / sqrt(2.72)) < 1e-3);
    assert_true(fabs(r.hits[1].score - 0.5) < 1e-3);
    rs_archive_close(a);
    remove_folder(dir);
    rs_arena_clear(&mem);
}

/* What rescoring is said to be, from the vectors themselves. */
static double naive_best(const float *x, const random_case *c, size_t first, size_t n)
{
    double best = n ? -2 : 0;

    for (size_t v = 0; v < n; v++) {
        double sum = 0;
        for (int k = 0; k < DIM; k++)
            sum += (double)x[k] * (double)c->vectors[first + v][k];
        best = fmax(best, sum);
    }
    return best;
}

static void naive_agreement(const rs_hit *hits, size_t n, const random_case *cases,
                            const float *text, const float *image, double out[CASES])
{
    static const double weight[4] = {1, 1, 1, 1};
    double z[4][CASES], score[CASES];

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (strcmp(cases[k].key, hits[i].key) != 0)
            k++;
        for (size_t a = 0; a < 4; a++)
            z[a][i] = naive_best(a < 2 ? text : image, &cases[k], a % 2 ? 3 : 0,
                                 a % 2 ? cases[k].c.n_passages : cases[k].c.n_images);
        score[i] = hits[i].score;
        out[i] = 0;
    }
    for (size_t a = 0; a < 4; a++)
        rs_standardise(z[a], n);
    for (size_t i = 0; i < n; i++) {
        for (size_t a = 0; a < 4; a++)
            out[i] += weight[a] * z[a][i] / 4;
        out[i] *= RS_RESCORE * rs_deviation(score, n);
    }
}

static void test_rescoring_equals_naive(void **state)
{
    enum { N = 15 };
    static random_case cases[CASES];
    rs_random rnd = rs_random_seed(22);
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    char dir[64];
    rs_archive *a;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    for (size_t i = 0; i < CASES; i++) {
        make_case(&cases[i], &rnd, i);
        put_one(a, &cases[i].c);
    }
    for (int round = 0; round < 10; round++) {
        rs_query q = rs_query_default();
        float text[DIM], image[DIM];
        double want[CASES];
        rs_result before, after;
        unit_vector(&rnd, text);
        unit_vector(&rnd, image);
        ask_text(&q, "effusion", text);
        ask_images(&q, image, 1);
        q.words_first = false;
        q.k = N;
        q.depth = 20;                                   /* so that rankings have gaps */
        q.keep_patients = q.keep_duplicates = true;
        ok(rs_search(a, &q, &mem, &before, &err), &err);
        q.rescore = N;
        ok(rs_search(a, &q, &mem, &after, &err), &err);
        naive_agreement(before.hits, N, cases, text, image, want);
        assert_int_equal(after.n, N);
        for (size_t i = 0; i < N; i++) {
            size_t k = 0;
            while (strcmp(after.hits[k].key, before.hits[i].key) != 0)
                assert_true(++k < N);
            assert_true(fabs(after.hits[k].agreement - want[i]) < 1e-4);
            assert_true(fabs(after.hits[k].score - before.hits[i].score - want[i]) < 1e-4);
            assert_true(i == 0 || after.hits[i].score <= after.hits[i - 1].score);
        }
    }
    rs_archive_close(a);
    remove_folder(dir);
    rs_arena_clear(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_rankings),
        cmocka_unit_test(test_weights_and_k),
        cmocka_unit_test(test_nothing_to_fuse),
        cmocka_unit_test(test_parts_by_hand),
        cmocka_unit_test(test_standardise),
        cmocka_unit_test(test_minmax_against_rrf),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_scores_are_sums),
        cmocka_unit_test(test_words_first),
        cmocka_unit_test(test_early),
        cmocka_unit_test(test_rescoring_equals_naive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
