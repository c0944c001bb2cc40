/* test_fusion.c - reciprocal rank fusion on rankings worked out by hand.
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_rankings),
        cmocka_unit_test(test_weights_and_k),
        cmocka_unit_test(test_nothing_to_fuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
