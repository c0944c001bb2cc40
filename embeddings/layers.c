/* layers.c - linear layers, patches and picked rows. See layers.h; attention is in
 * attention.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/layers.h"

#include "embeddings/kernels.h"
#include "embeddings/matmul.h"

#include <string.h>

void rs_linear(float *y, const float *base, const float *x, const float *w, const float *b,
               size_t n, size_t in, size_t out)
{
    /* BLAS adds to C either way, so putting the bias there first costs nothing. */
    rs_kernels_best()->add_bias(y, base, b, n, out);
    rs_matmul(RS_NT, n, out, in, 1, (rs_mat){x, in}, (rs_mat){w, in}, 1, y, out);
}

void rs_linear_grad(float *dx, float *dw, float *db, const float *dy, const float *x,
                    const float *w, size_t n, size_t in, size_t out)
{
    if (dx)
        rs_matmul(RS_NN, n, in, out, 1, (rs_mat){dy, out}, (rs_mat){w, in}, 0, dx, in);
    rs_matmul(RS_TN, out, in, n, 1, (rs_mat){dy, out}, (rs_mat){x, in}, 1, dw, in);
    if (db)
        rs_kernels_best()->add_columns(db, dy, out, n, out);
}

void rs_patches(float *out, const float *image, size_t size, size_t patch)
{
    const size_t side = size / patch;

    for (size_t py = 0; py < side; py++)
        for (size_t px = 0; px < side; px++)
            for (size_t c = 0; c < 3; c++)
                for (size_t y = 0; y < patch; y++, out += patch)
                    memcpy(out, image + (c * size + py * patch + y) * size + px * patch,
                           patch * sizeof *out);
}

void rs_gather(float *y, const float *x, const size_t *row, size_t n, size_t d)
{
    for (size_t i = 0; i < n; i++)
        memcpy(y + i * d, x + row[i] * d, d * sizeof *y);
}

void rs_scatter_add(float *y, const float *x, const size_t *row, size_t n, size_t d)
{
    const rs_kernels *k = rs_kernels_best();

    for (size_t i = 0; i < n; i++)
        k->add(y + row[i] * d, x + i * d, d);
}
