/* test_matmul.c - matrix products against the definition.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/matmul.h"

#include "base/random.h"
#include "embeddings/golden.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static float *random_floats(rs_random *r, size_t n)
{
    float *x = rs_calloc(n ? n : 1, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rs_random_normal(r);
    return x;
}

static void test_small_by_hand(void **state)
{
    const float a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 0, 2, 0, 1, -1};
    float c[4] = {100, 100, 100, 100};

    (void)state;
    /* [1 2 3; 4 5 6] times [1 0 2; 0 1 -1]^T */
    rs_matmul(RS_NT, 2, 2, 3, 1, (rs_mat){a, 3}, (rs_mat){b, 3}, 0, c, 2);
    const float nt[] = {7, -1, 16, -1};
    assert_near("NT", c, nt, 4, 0);
    /* the same bytes as [1 2; 3 4; 5 6]^T [1 0; 2 0; 1 -1], doubled, on top of ones */
    const float tn[] = {1 + 2 * 12, 1 - 2 * 5, 1 + 2 * 16, 1 - 2 * 6};
    for (size_t i = 0; i < 4; i++)
        c[i] = 1;
    rs_matmul(RS_TN, 2, 2, 3, 2, (rs_mat){a, 2}, (rs_mat){b, 2}, 1, c, 2);
    assert_near("TN", c, tn, 4, 0);
}

static void test_against_definition(void **state)
{
    static const size_t sizes[][3] = {        /* m, n, k */
        {1, 1, 1}, {1, 7, 5}, {7, 1, 5}, {3, 5, 0}, {5, 3, 2}, {16, 16, 16}, {65, 65, 64},
        {65, 64, 65}, {33, 129, 70}, {1, 512, 300}, {130, 192, 48},
    };
    static const float factors[][2] = {{1, 0}, {1, 1}, {0.125f, 0}, {-2, 0.5f}};
    rs_random r = rs_random_seed(1);

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int op = RS_NN; op <= RS_TN; op++) {
            const size_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2], pad = i % 3;
            const size_t lda = (op == RS_TN ? m : k) + pad, ldb = (op == RS_NT ? k : n) + pad;
            const size_t ldc = n + pad;
            float *a = random_floats(&r, (op == RS_TN ? k : m) * lda + 1);
            float *b = random_floats(&r, (op == RS_NT ? n : k) * ldb + 1);
            float *c = random_floats(&r, m * ldc), *want = rs_calloc(m * ldc, sizeof *want);
            for (size_t f = 0; f < 4; f++) {
                char what[80];
                snprintf(what, sizeof what, "op %d, %zu x %zu x %zu, factors %zu", op, m, n, k, f);
                memcpy(want, c, m * ldc * sizeof *c);
                rs_matmul(op, m, n, k, factors[f][0], (rs_mat){a, lda ? lda : 1},
                          (rs_mat){b, ldb ? ldb : 1}, factors[f][1], c, ldc);
                rs_matmul_naive(op, m, n, k, factors[f][0], (rs_mat){a, lda}, (rs_mat){b, ldb},
                                factors[f][1], want, ldc);
                assert_near(what, c, want, m * ldc, 1e-6 * (double)(10 + k));
            }
            rs_free(a); rs_free(b); rs_free(c); rs_free(want);
        }
    }
}

/* With beta 0 what was in C does not matter, not even NaN. */
static void test_overwrites(void **state)
{
    const float a[] = {1, 2}, b[] = {3, 4};
    float c[1] = {NAN};

    (void)state;
    rs_matmul(RS_NT, 1, 1, 2, 1, (rs_mat){a, 2}, (rs_mat){b, 2}, 0, c, 1);
    assert_near("1 row", c, (const float[]){11}, 1, 0);
    float d[4] = {NAN, NAN, NAN, NAN};
    rs_matmul(RS_NN, 2, 2, 1, 1, (rs_mat){a, 1}, (rs_mat){b, 2}, 0, d, 2);
    assert_near("2 rows", d, (const float[]){3, 4, 6, 8}, 4, 0);
}

static void test_rows_do_not_depend_on_the_batch(void **state)
{
    enum { M = 150, N = 192, K = 300 };
    static const size_t batches[] = {1, 2, 3, 16, 65, 149};
    rs_random r = rs_random_seed(2);
    float *a = random_floats(&r, (size_t)M * K), *b = random_floats(&r, (size_t)N * K);
    float *all = rs_calloc((size_t)M * N, sizeof *all);
    float *some = rs_calloc((size_t)M * N, sizeof *some);

    (void)state;
    rs_matmul(RS_NT, M, N, K, 0.05f, (rs_mat){a, K}, (rs_mat){b, K}, 0, all, N);
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        rs_matmul(RS_NT, batches[i], N, K, 0.05f, (rs_mat){a, K}, (rs_mat){b, K}, 0, some, N);
        assert_near("batch", some, all, batches[i] * N, 1e-5);
    }
    rs_free(a); rs_free(b); rs_free(all); rs_free(some);
}

static void test_counts(void **state)
{
    float a[6] = {0}, c[4];
    uint64_t before = rs_matmul_flops();

    (void)state;
    rs_matmul(RS_NN, 2, 2, 3, 1, (rs_mat){a, 3}, (rs_mat){a, 2}, 0, c, 2);
    assert_int_equal(rs_matmul_flops() - before, 24);
    rs_matmul(RS_NN, 0, 2, 3, 1, (rs_mat){a, 3}, (rs_mat){a, 2}, 0, c, 2);
    assert_int_equal(rs_matmul_flops() - before, 24);
}

/* This program started again with OpenBLAS told to be `core`: what it would rather be. */
static void wanted_under(const char *core, char out[64])
{
    int to[2], status;
    ssize_t n;
    pid_t child;

    assert_int_equal(pipe(to), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(to[1], STDOUT_FILENO);
        if (setenv("OPENBLAS_CORETYPE", core, 1) == 0)
            execl("/proc/self/exe", "test_matmul", "--wanted", (char *)NULL);
        _exit(1);
    }
    close(to[1]);
    n = read(to[0], out, 63);
    out[n > 0 ? n : 0] = '\0';
    close(to[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static int print_wanted(void)
{
    const char *core;

    if (rs_matmul_core_wanted() != NULL)
        return 1;                                /* it was told, and that stands */
    unsetenv("OPENBLAS_CORETYPE");
    core = rs_matmul_core_wanted();
    fputs(core ? core : "none", stdout);
    return 0;
}

/* OpenBLAS that took this processor for an old one is told a better one, which it takes. */
static void test_core_of_blas(void **state)
{
    char core[64], then[64];

    (void)state;
    wanted_under("Prescott", core);
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        assert_true(strcmp(core, "SkylakeX") == 0 || strcmp(core, "Haswell") == 0);
#endif
    if (strcmp(core, "none") == 0)
        return;
    wanted_under(core, then);
    assert_string_equal(then, "none");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--wanted") == 0)
        return print_wanted();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_core_of_blas),
        cmocka_unit_test(test_small_by_hand),
        cmocka_unit_test(test_against_definition),
        cmocka_unit_test(test_overwrites),
        cmocka_unit_test(test_rows_do_not_depend_on_the_batch),
        cmocka_unit_test(test_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
