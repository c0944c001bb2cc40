/* AdamW against PyTorch's, gradient sums, the learning rate's course.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/optimizer.h"

#include "base/alloc.h"
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const rs_adamw_config config = {0.9, 0.98, 1e-6, 0.1};

/* tests/data/adamw.bin, made by tests/reference/loss.py: start [300], gradients
 * [25 x 300], end [300]; the first 200 decay; lr 1e-2 (1 - i / 25). */
static void equal_to_pytorch(void **state)
{
    enum { N = 300, STEPS = 25, DECAYED = 200 };
    static float v[N * (STEPS + 2)];
    rs_param table[] = {
        {.name = "w", .offset = 0, .count = DECAYED, .decay = true},
        {.name = "b", .offset = DECAYED, .count = N - DECAYED, .decay = false},
    };
    FILE *f = fopen("tests/data/adamw.bin", "rb");
    rs_adamw *a;
    rs_pool *pool;

    (void)state;
    assert_non_null(f);
    assert_int_equal(fread(v, sizeof *v, sizeof v / sizeof *v, f), sizeof v / sizeof *v);
    fclose(f);
    assert_int_equal(rs_pool_new(&pool, 2, NULL), RS_OK);
    assert_int_equal(rs_adamw_new(&a, &config, N, table, 2, NULL), RS_OK);
    for (size_t i = 0; i < STEPS; i++) {
        float half[N];
        for (size_t k = 0; k < N; k++)
            half[k] = 0.5f * v[(i + 1) * N + k];
        rs_adamw_step(a, v, half, 2.0, 1e-2 * (1 - (double)i / STEPS), pool);
        for (size_t k = 0; k < N; k++)
            assert_true(half[k] == 0.0f);
    }
    assert_int_equal(*rs_adamw_steps(a), STEPS);
    for (size_t k = 0; k < N; k++)
        if (fabs(v[k] - v[(STEPS + 1) * N + k]) > 1e-5)
            fail_msg("parameter %zu is %.7f, wanted %.7f", k, v[k], v[(STEPS + 1) * N + k]);
    rs_adamw_free(a);
    rs_pool_free(pool);
}

/* Several pieces, several blocks; the same with any number of threads. */
static void sums_of_blocks_do_not_depend_on_threads(void **state)
{
    enum { N = 100003, K = 3 };
    float *first = NULL;
    double norm_of_one = 0;

    (void)state;
    for (size_t threads = 1; threads <= 3; threads++) {
        rs_random r = rs_random_seed(5);
        float *block[K], *params = rs_calloc(N, sizeof *params);
        double want = 0, norm;
        rs_adamw *a;
        rs_pool *pool;

        assert_int_equal(rs_pool_new(&pool, threads, NULL), RS_OK);
        assert_int_equal(rs_adamw_new(&a, &config, N, NULL, 0, NULL), RS_OK);
        for (size_t b = 0; b < K; b++) {
            block[b] = rs_calloc(N, sizeof(float));
            for (size_t i = 0; i < N; i++)
                block[b][i] = (float)rs_random_normal(&r);
        }
        for (size_t i = 0; i < N; i++) {
            float s = block[0][i] + block[1][i] + block[2][i];
            want += (double)s * s;
        }
        norm = rs_adamw_sum(a, block, K, pool);
        assert_true(fabs(norm - sqrt(want)) < 1e-6 * norm);
        assert_true(block[1][N - 1] == 0 && block[2][0] == 0);
        rs_adamw_step(a, params, block[0], 1, 1e-3, pool);
        if (!first) {
            first = params;
            norm_of_one = norm;
        } else {
            assert_true(norm == norm_of_one);
            assert_memory_equal(first, params, N * sizeof *params);
            rs_free(params);
        }
        for (size_t b = 0; b < K; b++)
            rs_free(block[b]);
        rs_adamw_free(a);
        rs_pool_free(pool);
    }
    rs_free(first);
}

static void a_gradient_that_is_not_finite_shows_in_the_norm(void **state)
{
    float x[3] = {1, NAN, 2}, y[3] = {0}, *blocks[2] = {y, x};
    rs_adamw *a;

    (void)state;
    assert_int_equal(rs_adamw_new(&a, &config, 3, NULL, 0, NULL), RS_OK);
    assert_true(!!isnan(rs_adamw_sum(a, blocks, 2, NULL)));
    y[1] = INFINITY;
    assert_true(!isfinite(rs_adamw_sum(a, blocks, 1, NULL)));
    rs_adamw_free(a);
}

static void the_learning_rate_rises_and_falls(void **state)
{
    static const struct { rs_schedule s; uint64_t step; double want; } rows[] = {
        {{1.0, 0.0, 4, 12}, 0, 0.25},
        {{1.0, 0.0, 4, 12}, 3, 1.0},
        {{1.0, 0.0, 4, 12}, 4, 1.0},
        {{1.0, 0.0, 4, 12}, 8, 0.5},
        {{1.0, 0.0, 4, 12}, 12, 0.0},
        {{1.0, 0.2, 4, 12}, 8, 0.6},
        {{1.0, 0.2, 4, 12}, 99, 0.2},
        {{1.0, 0.0, 0, 2}, 0, 1.0},
        {{1.0, 0.1, 5, 5}, 5, 0.1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (fabs(rs_schedule_at(&rows[i].s, rows[i].step) - rows[i].want) > 1e-12)
            fail_msg("row %zu: %g, wanted %g", i, rs_schedule_at(&rows[i].s, rows[i].step),
                     rows[i].want);
}

static void running_out_of_memory_is_told(void **state)
{
    rs_adamw *a = NULL;
    rs_status st = RS_ENOMEM;
    size_t live = rs_alloc_live();

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_adamw_new(&a, &config, 1000, NULL, 0, NULL);
        rs_alloc_fail_after(-1);
        if (st != RS_OK) {
            assert_int_equal(st, RS_ENOMEM);
            assert_null(a);
            assert_int_equal(rs_alloc_live(), live);
        }
    }
    rs_adamw_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_to_pytorch),
        cmocka_unit_test(sums_of_blocks_do_not_depend_on_threads),
        cmocka_unit_test(a_gradient_that_is_not_finite_shows_in_the_norm),
        cmocka_unit_test(the_learning_rate_rises_and_falls),
        cmocka_unit_test(running_out_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
