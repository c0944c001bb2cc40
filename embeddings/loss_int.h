/* loss_int.h - what the loss terms share: unit rows and products of small matrices.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_EMBEDDINGS_LOSS_INT_H
#define RS_EMBEDDINGS_LOSS_INT_H

#include "embeddings/matmul.h"

#include <stdbool.h>
#include <stddef.h>

/* rs_matmul of dense matrices: C[m x n] = alpha op(A) op(B) + beta C. */
static inline void rs_dense(rs_matmul_op op, float *c, const float *a, const float *b,
                            size_t m, size_t n, size_t k, float alpha, float beta)
{
    rs_matmul(op, m, n, k, alpha, (rs_mat){a, op == RS_TN ? m : k},
              (rs_mat){b, op == RS_NT ? k : n}, beta, c, n);
}

/* u_i = x_i / |x_i|, norm[i] = |x_i| (at least 1e-12). u may be x. */
void rs_unit_rows(float *u, float *norm, const float *x, size_t n, size_t d);

/* dx_i += weight * (du_i - u_i <u_i, du_i>) / norm_i. */
void rs_unit_rows_back(float *dx, const float *du, const float *u, const float *norm,
                       size_t n, size_t d, double weight);

/* Softmax of one row of logits over the j with use[j], in place; the others become 0.
 * Returns log(sum exp). use may be NULL (all). */
double rs_softmax_row(float *row, const bool *use, size_t n);

#endif
