/* test_metrics.c - the measures against cases worked out by hand, as trec_eval has them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/metrics.h"

static void near_to(double got, double want)
{
    if (fabs(got - want) > 1e-6)
        print_error("got %.9f, wanted %.9f\n", got, want);
    assert_true(fabs(got - want) <= 1e-6);
}

/* Retrieved by rank: 0 2 0 1 (3 is never found); judged 3 2 1.
 *   DCG@4  = 2 / log2(3) + 1 / log2(5)                 = 1.692536
 *   best   = 3 / log2(2) + 2 / log2(3) + 1 / log2(4)   = 4.761860
 *   AP     = (1/2 + 2/4) / 3                           = 1/3 */
static void test_by_hand(void **state)
{
    static const int retrieved[] = {0, 2, 0, 1}, judged[] = {3, 2, 1};
    const rs_graded g = {retrieved, 4, judged, 3};

    (void)state;
    near_to(rs_ndcg_at(&g, 4), 1.692536 / 4.761860);
    near_to(rs_ndcg_at(&g, 10), 1.692536 / 4.761860);
    near_to(rs_ndcg_at(&g, 1), 0);
    near_to(rs_ndcg_at(&g, 2), (2 / log2(3)) / (3 + 2 / log2(3)));
    near_to(rs_average_precision(&g), 1.0 / 3);
    near_to(rs_precision_at(&g, 4), 0.5);
    near_to(rs_precision_at(&g, 10), 0.2);         /* of ten wanted, not of four there */
    near_to(rs_recall_at(&g, 2), 1.0 / 3);
    near_to(rs_recall_at(&g, 1000), 2.0 / 3);
    near_to(rs_reciprocal_rank(&g), 0.5);
}

static void test_corners(void **state)
{
    static const int none[] = {0, 0}, all[] = {1, 1}, below[] = {-1, 0};
    const rs_graded nothing = {NULL, 0, all, 2}, wrong = {none, 2, all, 2};
    const rs_graded best = {all, 2, all, 2}, unjudged = {none, 2, below, 2};

    (void)state;
    near_to(rs_ndcg_at(&nothing, 10), 0);
    near_to(rs_average_precision(&nothing), 0);
    near_to(rs_reciprocal_rank(&wrong), 0);
    near_to(rs_ndcg_at(&best, 10), 1);
    near_to(rs_average_precision(&best), 1);
    near_to(rs_recall_at(&best, 1), 0.5);
    near_to(rs_ndcg_at(&unjudged, 10), 0);
    near_to(rs_average_precision(&unjudged), 0);
    near_to(rs_recall_at(&unjudged, 10), 0);
}

/* The interval holds the mean, shrinks with n, and is the same for the same seed. */
static void test_bootstrap(void **state)
{
    double x[400], constant[5] = {0.5, 0.5, 0.5, 0.5, 0.5};
    rs_random rnd = rs_random_seed(3);
    rs_interval few, many, again;

    (void)state;
    for (int i = 0; i < 400; i++)
        x[i] = rs_random_unit(&rnd);
    few = rs_bootstrap(x, 40, 2000, 1);
    many = rs_bootstrap(x, 400, 2000, 1);
    again = rs_bootstrap(x, 400, 2000, 1);
    assert_true(few.low < few.mean && few.mean < few.high);
    assert_true(many.high - many.low < (few.high - few.low) / 2);
    /* sd of a uniform mean of 400: 0.2887 / 20 = 0.0144; 2 * 1.96 of it = 0.0566 */
    assert_true(fabs(many.high - many.low - 0.0566) < 0.006);
    assert_true(many.low <= again.low && many.low >= again.low && many.high <= again.high);
    near_to(rs_bootstrap(constant, 5, 100, 1).low, 0.5);
    near_to(rs_bootstrap(constant, 5, 100, 1).high, 0.5);
}

/* Four queries that all gain: of 16 sign patterns two are as far, p = 1/8. */
static void test_randomisation(void **state)
{
    static const double a[] = {1, 1, 1, 1}, b[] = {0, 0, 0, 0};
    double p = rs_randomisation_test(a, b, 4, 20000, 5);

    (void)state;
    assert_true(fabs(p - 0.125) < 0.01);
    near_to(rs_randomisation_test(a, a, 4, 1000, 5), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_corners),
        cmocka_unit_test(test_bootstrap),
        cmocka_unit_test(test_randomisation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
