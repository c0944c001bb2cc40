/* matmul.c - see matmul.h. Nothing else includes cblas.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/matmul.h"

#include "base/cpu.h"
#include "embeddings/kernels.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>

/* Up to here packing the weights for BLAS costs more than it brings: a query's ten tokens
 * through a [2048 x 512] layer take 0.57 ms instead of 0.92. Measured on Zen 3. */
enum { FEW_ROWS = 18 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_uint_fast64_t flops;

/* Our threads are the parallelism: a second pool inside BLAS would fight them. */
static void one_thread(void)
{
    openblas_set_num_threads(1);
}

static int as_int(size_t v)
{
    assert(v <= INT_MAX);
    return (int)v;
}

void rs_matmul(rs_matmul_op op, size_t m, size_t n, size_t k, float alpha,
               rs_mat a, rs_mat b, float beta, float *c, size_t ldc)
{
    pthread_once(&once, one_thread);
    if (m == 0 || n == 0)
        return;
    rs_matmul_count(2 * (uint64_t)m * n * k);
    if (op == RS_NT && m <= FEW_ROWS) {
        rs_kernels_best()->nt_few(c, ldc, a.p, a.ld, b.p, b.ld, m, n, k, alpha, beta);
        return;
    }
    cblas_sgemm(CblasRowMajor, op == RS_TN ? CblasTrans : CblasNoTrans,
                op == RS_NT ? CblasTrans : CblasNoTrans, as_int(m), as_int(n), as_int(k), alpha,
                a.p, as_int(a.ld), b.p, as_int(b.ld), beta, c, as_int(ldc));
}

void rs_matmul_naive(rs_matmul_op op, size_t m, size_t n, size_t k, float alpha,
                     rs_mat a, rs_mat b, float beta, float *c, size_t ldc)
{
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t l = 0; l < k; l++) {
                float u = op == RS_TN ? a.p[l * a.ld + i] : a.p[i * a.ld + l];
                float v = op == RS_NT ? b.p[j * b.ld + l] : b.p[l * b.ld + j];
                sum += (double)u * (double)v;
            }
            double old = beta == 0 ? 0 : (double)beta * (double)c[i * ldc + j];
            c[i * ldc + j] = (float)((double)alpha * sum + old);
        }
    }
}

const char *rs_matmul_core_wanted(void)
{
#ifdef __x86_64__
    /* Its cores with kernels for AVX2 or more, as it names them. */
    static const char *const good[] = {"Haswell", "Zen", "Excavator", "SkylakeX", "Cooperlake",
                                       "Sapphirerapids"};
    const char *core = openblas_get_corename();

    if (getenv("OPENBLAS_CORETYPE"))
        return NULL;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (strcasecmp(core, good[i]) == 0)
            return NULL;
    if (rs_cpu_avx512())
        return "SkylakeX";
    if (rs_cpu_avx2())
        return "Haswell";
#endif
    return NULL;
}

uint64_t rs_matmul_flops(void)
{
    return atomic_load_explicit(&flops, memory_order_relaxed);
}

void rs_matmul_count(uint64_t more)
{
    atomic_fetch_add_explicit(&flops, more, memory_order_relaxed);
}
