/* formula.h - numbers by a formula, the same as formula() of tests/reference/towers.py:
 * models too large to commit, filled alike here and there.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_TESTS_EMBEDDINGS_FORMULA_H
#define RS_TESTS_EMBEDDINGS_FORMULA_H

#include "embeddings/dual.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* splitmix64's finaliser of (tensor << 40) + i, its top 24 bits as u in [0, 1), then
 * mean + std sqrt(3) (2u - 1). */
static inline void formula(float *out, uint64_t tensor, size_t n, double mean, double std)
{
    const double width = std * sqrt(3.0);

    for (size_t i = 0; i < n; i++) {
        uint64_t z = ((tensor << 40) + i + 1) * 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        z ^= z >> 31;
        out[i] = (float)(mean + width * (2 * ((double)(z >> 40) * 0x1p-24) - 1));
    }
}

static inline int formula_by_name(const void *a, const void *b)
{
    return strcmp((*(const rs_param *const *)a)->name, (*(const rs_param *const *)b)->name);
}

/* The transpose of x [rows x columns], in its place. */
static inline void formula_turn(float *x, size_t rows, size_t columns)
{
    float *copy = malloc(rows * columns * sizeof *copy);

    for (size_t i = 0; copy && i < rows * columns; i++)
        copy[i] = x[i];
    for (size_t i = 0; copy && i < rows * columns; i++)
        x[i % columns * rows + i / columns] = copy[i];
    free(copy);
}

/* Mean and deviation of a tensor by its name and shape: spread() of towers.py. */
static inline void formula_fill(rs_dual *m, const rs_param *p, uint64_t tensor)
{
    const size_t len = strlen(p->name);
    double mean = 0, std;

    if (strcmp(p->name, "logit_scale") == 0)
        mean = 2.6592, std = 0;
    else if ((strstr(p->name, "norm") || strstr(p->name, "Norm") || strstr(p->name, "ln_")) &&
             strcmp(p->name + len - 6, "weight") == 0)
        mean = 1, std = 0.1;
    else if (p->rank == 1)
        std = 0.05;
    else if ((strstr(p->name, "embedding") && !strstr(p->name, "patch")) ||
             strstr(p->name, "pos_embed"))
        std = 0.25;
    else
        std = pow((double)p->count / (double)p->shape[0], -0.5);
    formula(rs_dual_params(m) + p->offset, tensor, p->count, mean, std);
    if (p->transposed)
        formula_turn(rs_dual_params(m) + p->offset, p->shape[0], p->shape[1]);
}

/* Every parameter of m; tensors are numbered in order of name. */
static inline void formula_fill_all(rs_dual *m)
{
    size_t n;
    const rs_param *table = rs_dual_param_table(m, &n);
    const rs_param *by_name[1024];

    for (size_t i = 0; i < n; i++)
        by_name[i] = &table[i];
    qsort(by_name, n, sizeof *by_name, formula_by_name);
    for (size_t i = 0; i < n; i++)
        formula_fill(m, by_name[i], i);
}

#endif
