/* kernels.h - the small loops between the matrix products, in as many builds as the
 * processor asks for.
 *
 * One table of functions per instruction set, all from the same source
 * (kernels.inc), and one written for the reader (kernels_reference.c: libm, sums in
 * double). Tests hold each to the reference. Matrices are row-major and dense unless
 * a comment says otherwise; everything is float32; any thread.
 *
 * exp and erf are polynomials good to 3e-7 (exp, relative) and 5e-7 (erf).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_KERNELS_H
#define RS_EMBEDDINGS_KERNELS_H

#include <stddef.h>

typedef struct {
    const char *name;                        /* "reference", "generic", "avx2", "avx512" */

    /* y[i] = exp(x[i]), erf(x[i]); y may be x. exp clamps to [-87, 88]. */
    void (*exp)(float *y, const float *x, size_t n);
    void (*erf)(float *y, const float *x, size_t n);

    /* y[i] = x sigmoid(1.702 x), x Phi(x), and the latter by the tanh that stands in for Phi,
     * 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))); Hendrycks, Gimpel 2016,
     * arXiv:1606.08415. y may be x. The _grad ones: dy[i] *= derivative at x[i]. */
    void (*quick_gelu)(float *y, const float *x, size_t n);
    void (*quick_gelu_grad)(float *dy, const float *x, size_t n);
    void (*gelu)(float *y, const float *x, size_t n);
    void (*gelu_grad)(float *dy, const float *x, size_t n);
    void (*gelu_tanh)(float *y, const float *x, size_t n);
    void (*gelu_tanh_grad)(float *dy, const float *x, size_t n);

    /* One row in place: p = softmax(x).  n >= 1. */
    void (*softmax)(float *x, size_t n);
    /* dp becomes the gradient of the row before softmax: p (dp - <p, dp>), times `scale`. */
    void (*softmax_grad)(float *dp, const float *p, size_t n, float scale);

    /* y = g (x - mean) / sqrt(var + eps) + b of each row; Ba, Kiros, Hinton 2016,
     * arXiv:1607.06450; var divides by d.  x, y [n x d], y may be x.  g, b [d].
     * stat [n x 2]: mean and 1 / sqrt(var + eps), for the backward pass. */
    void (*layer_norm)(float *y, float *stat, const float *x, const float *g, const float *b,
                       float eps, size_t n, size_t d);
    /* ADDS to dx [n x d], dg [d], db [d].  dy [n x d]; x, stat, g as in the forward pass. */
    void (*layer_norm_grad)(float *dx, float *dg, float *db, const float *dy, const float *x,
                            const float *stat, const float *g, size_t n, size_t d);

    /* y[r] = x[r] + b for each row; x NULL counts as zeros; b NULL too.  y may be x. */
    void (*add_bias)(float *y, const float *x, const float *b, size_t n, size_t d);
    /* sum[j] += sum over rows of x[r][j];  rows of x are `ld` floats apart. */
    void (*add_columns)(float *sum, const float *x, size_t ld, size_t n, size_t d);
    /* y += x */
    void (*add)(float *y, const float *x, size_t n);
    /* inner product */
    float (*dot)(const float *x, const float *y, size_t n);
    /* C[m x n] = alpha A[m x k] B[n x k]^T + beta C for small m: B is read once and not
     * packed, which for a few rows costs BLAS more than the product. */
    void (*nt_few)(float *c, size_t ldc, const float *a, size_t lda, const float *b, size_t ldb,
                   size_t m, size_t n, size_t k, float alpha, float beta);
} rs_kernels;

extern const rs_kernels rs_kernels_reference;

/* The fastest table this processor runs. */
const rs_kernels *rs_kernels_best(void);
/* Every table this processor runs, the reference first: list[0..return value). */
enum { RS_KERNEL_SETS = 4 };
size_t rs_kernels_list(const rs_kernels *list[RS_KERNEL_SETS]);

#endif
