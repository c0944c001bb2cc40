/* matmul.h - the only door to BLAS: float32 matrix products, row-major.
 *
 * OpenBLAS is set to one thread the first time; whoever wants two cores gives each
 * thread its own rows. Any number of threads may call at once. A row of C does not
 * depend on how many other rows there are, to 1e-5 of its size.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_MATMUL_H
#define RS_EMBEDDINGS_MATMUL_H

#include <stddef.h>
#include <stdint.h>

/* How A and B are stored. N: as in the formula. T: transposed. */
typedef enum {
    RS_NN,          /* C[m x n] += A[m x k] B[k x n] */
    RS_NT,          /* C[m x n] += A[m x k] B[n x k]^T    a linear layer: x w^T */
    RS_TN           /* C[m x n] += A[k x m]^T B[k x n]    a weight's gradient: dy^T x */
} rs_matmul_op;

/* A matrix inside a larger one: rows are `ld` floats apart. */
typedef struct {
    const float *p;
    size_t ld;
} rs_mat;

/* C = alpha op(A) op(B) + beta C, shapes as above; rows of C are `ldc` floats apart.
 * C overlaps neither A nor B. With beta 0 C need not be initialised. */
void rs_matmul(rs_matmul_op op, size_t m, size_t n, size_t k, float alpha,
               rs_mat a, rs_mat b, float beta, float *c, size_t ldc);

/* The definition, three loops summing in double: what tests hold rs_matmul to. */
void rs_matmul_naive(rs_matmul_op op, size_t m, size_t n, size_t k, float alpha,
                     rs_mat a, rs_mat b, float beta, float *c, size_t ldc);

/* OpenBLAS 0.3.21 (Debian 12's) takes a processor whose model number it does not know, an
 * Emerald Rapids Xeon or a Raptor Lake laptop, for a Prescott of 2004, and multiplies five times
 * slower than it could (OpenBLAS #4267, mended in 0.3.25). It reads the environment variable
 * OPENBLAS_CORETYPE when it is loaded: this is the value that it should have had, or NULL
 * where it chose well or was told. A program that wants it must start anew. */
const char *rs_matmul_core_wanted(void);

/* Floating point operations asked of rs_matmul so far (2 m n k each), all threads; and
 * for products made elsewhere (linear.c), which count in. */
uint64_t rs_matmul_flops(void);
void     rs_matmul_count(uint64_t more);

#endif
