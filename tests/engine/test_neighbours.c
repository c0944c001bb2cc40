/* test_neighbours.c - the k nearest of each row, against a naive search.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/neighbours.h"

static void rows(float *x, uint32_t *group, size_t n, uint64_t seed)
{
    rs_random rnd = rs_random_seed(seed);

    for (size_t i = 0; i < n; i++) {
        unit_vector(&rnd, x + i * DIM);
        group[i] = (uint32_t)rs_random_below(&rnd, n / 3 + 1);
    }
}

/* Is `row` at its place: is nobody of another group, who is not before it, nearer? */
static void check_row(const float *x, const uint32_t *group, size_t n, size_t i, size_t k,
                      const rs_neighbour *near)
{
    size_t others = 0;

    for (size_t j = 0; j < n; j++)
        others += group[j] != group[i];
    for (size_t a = 0; a < k; a++) {
        size_t nearer = 0;
        if (a >= others) {
            assert_int_equal(near[a].row, RS_NEIGHBOUR_NONE);
            continue;
        }
        assert_int_not_equal(group[near[a].row], group[i]);
        for (size_t j = 0; j < n; j++) {
            double s = 0;
            for (size_t d = 0; d < DIM; d++)
                s += (double)x[i * DIM + d] * (double)x[j * DIM + d];
            nearer += group[j] != group[i] && s > (double)near[a].score + 1e-5;
        }
        assert_true(nearer <= a);
    }
}

static void test_against_naive(void **state)
{
    static const size_t sizes[] = {1, 2, 7, 130, 1100};
    rs_pool *pool;
    rs_err err = {0};

    (void)state;
    ok(rs_pool_new(&pool, 3, &err), &err);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t n = sizes[s];
        for (size_t k = 1; k <= 9; k += 4) {
            float *x = rs_calloc(n * DIM, sizeof *x);
            uint32_t *group = rs_calloc(n, sizeof *group);
            rs_neighbour *one = rs_calloc(n * k, sizeof *one), *two = rs_calloc(n * k, sizeof *two);
            rows(x, group, n, s);
            ok(rs_neighbours(x, n, DIM, group, k, NULL, one, &err), &err);
            ok(rs_neighbours(x, n, DIM, group, k, pool, two, &err), &err);
            assert_memory_equal(one, two, n * k * sizeof *one);
            for (size_t i = 0; i < n; i += n > 200 ? 37 : 1)
                check_row(x, group, n, i, k, one + i * k);
            rs_free(two);
            rs_free(one);
            rs_free(group);
            rs_free(x);
        }
    }
    rs_pool_free(pool);
}

/* Equal scores by row. */
static void test_ties(void **state)
{
    static const float x[4 * 2] = {1, 0, 1, 0, 1, 0, 0, 1};
    static const uint32_t group[] = {0, 1, 2, 3};
    rs_neighbour near[4 * 3];
    rs_err err = {0};

    (void)state;
    ok(rs_neighbours(x, 4, 2, group, 3, NULL, near, &err), &err);
    assert_int_equal(near[0].row, 1);
    assert_int_equal(near[1].row, 2);
    assert_int_equal(near[2].row, 3);
    assert_int_equal(near[9].row, 0);
}

static void test_out_of_memory(void **state)
{
    static const float x[] = {1, 0};
    static const uint32_t group[] = {0};
    rs_neighbour near[1];

    (void)state;
    rs_alloc_fail_after(0);
    assert_int_equal(rs_neighbours(x, 1, 2, group, 1, NULL, near, NULL), RS_ENOMEM);
    rs_alloc_fail_after(-1);
    assert_int_equal(rs_neighbours(x, 0, 2, group, 1, NULL, near, NULL), RS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_naive),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
