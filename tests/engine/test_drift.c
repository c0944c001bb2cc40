/* test_drift.c - MMD and chi-square worked out by hand; that a shift is told and chance is not.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/drift.h"
#include "engine/metrics.h"

static void near_to(double got, double want)
{
    if (!(fabs(got - want) <= 1e-6))
        print_error("got %.9f, wanted %.9f\n", got, want);
    assert_true(fabs(got - want) <= 1e-6);
}

/* Two points at 0, two at 1. Squared distances: 0 0 1 1 1 1, the median 1, so that
 *   k = 1 within, exp(-1/2) = 0.606531 between;   MMD^2 = 1 + 1 - 2 * 0.606531 = 0.786939
 * Of the 6 ways to take 2 of 4, 2 are as far apart. */
static void test_mmd_by_hand(void **state)
{
    static const float x[] = {0, 0, 1, 1};
    rs_drift d;
    rs_err err = {0};

    (void)state;
    ok(rs_drift_vectors(x, 2, 2, 1, 3000, 1, &d, &err), &err);
    near_to(d.statistic, 2 - 2 * exp(-0.5));
    near_to(d.scale, 1);
    assert_true(fabs(d.p - 1.0 / 3) < 0.03);
}

/* Three against one and one against three: 2 are expected everywhere, (3 - 2)^2 / 2 four times. */
static void test_chi_square_by_hand(void **state)
{
    static const uint32_t of[] = {0, 0, 0, 1, 0, 1, 1, 1};
    static const size_t first[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    rs_drift d;
    rs_err err = {0};

    (void)state;
    ok(rs_drift_categories(of, first, 4, 4, 2, 2000, 1, &d, &err), &err);
    near_to(d.statistic, 2);
    /* C(4,3) C(4,1) + C(4,4) C(4,0) = 17 of C(8,4) = 70 on either side. */
    assert_true(fabs(d.p - 34.0 / 70) < 0.04);
    ok(rs_drift_categories(of, first, 1, 7, 2, 100, 1, &d, &err), &err);
    assert_true(isnan(d.p));
}

static void test_holm(void **state)
{
    double p[] = {0.01, NAN, 0.04, 0.03}, one[] = {0.6, 0.7};

    (void)state;
    rs_holm(p, 4);                          /* 3 * 0.01, 2 * 0.03, not below the one before */
    near_to(p[0], 0.03);
    assert_true(isnan(p[1]));
    near_to(p[2], 0.06);
    near_to(p[3], 0.06);
    rs_holm(one, 2);
    near_to(one[0], 1);
    near_to(one[1], 1);
    rs_holm(NULL, 0);
}

enum { N = 60, M = 40 };

/* M + N random points; the first M moved by `by` in one dimension. */
static void points(float *x, uint64_t seed, double by)
{
    rs_random rnd = rs_random_seed(seed);

    for (size_t i = 0; i < M + N; i++)
        for (size_t k = 0; k < DIM; k++)
            x[i * DIM + k] = (float)(rs_random_normal(&rnd) + (i < M && k == 0 ? by : 0));
}

/* p below 0.05 in about one of twenty of those without a shift, below 0.01 in all with one, and
 * the same whichever sample is called the first. */
static void test_power_and_level(void **state)
{
    enum { TRIES = 100 };
    float x[(M + N) * DIM], turned[(M + N) * DIM];
    size_t alarms = 0;
    rs_drift d, e;
    rs_err err = {0};

    (void)state;
    for (uint64_t seed = 0; seed < TRIES; seed++) {
        points(x, seed, 0);
        ok(rs_drift_vectors(x, M, N, DIM, 199, seed, &d, &err), &err);
        alarms += d.p < 0.05;
    }
    assert_in_range(alarms, 0, 11);
    for (uint64_t seed = 0; seed < 5; seed++) {
        points(x, seed, 1.5);
        ok(rs_drift_vectors(x, M, N, DIM, 199, seed, &d, &err), &err);
        assert_true(d.p < 0.01);
        memcpy(turned, x + M * DIM, N * DIM * sizeof *x);
        memcpy(turned + N * DIM, x, M * DIM * sizeof *x);
        ok(rs_drift_vectors(turned, N, M, DIM, 199, seed, &e, &err), &err);
        near_to(d.statistic, e.statistic);
    }
}

static void test_out_of_memory(void **state)
{
    static const uint32_t of[] = {0, 1, 0, 1};
    static const size_t first[] = {0, 1, 2, 3, 4};
    float x[(M + N) * DIM];
    rs_status st = RS_ENOMEM;
    rs_drift d;

    (void)state;
    points(x, 1, 0);
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_drift_vectors(x, M, N, DIM, 19, 1, &d, NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
    }
    st = RS_ENOMEM;
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_drift_categories(of, first, 2, 2, 2, 19, 1, &d, NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mmd_by_hand),
        cmocka_unit_test(test_chi_square_by_hand),
        cmocka_unit_test(test_holm),
        cmocka_unit_test(test_power_and_level),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
