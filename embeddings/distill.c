/* distill.c - see loss.h: the terms that follow a teacher's features.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/loss.h"

#include "base/arena.h"
#include "embeddings/loss_int.h"

#include <math.h>

/* Which rows the teacher has features for; their number. */
static size_t known_rows(bool *known, const float *teacher, size_t n, size_t d)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        known[i] = false;
        for (size_t k = 0; k < d && !known[i]; k++)
            known[i] = teacher[i * d + k] != 0.0f;
        count += known[i];
    }
    return count;
}

/* sum p (log p - log q), p and q as softmax rows over the columns in use. */
static double divergence(const float *p, const float *q, const bool *use, size_t n)
{
    double sum = 0;

    for (size_t j = 0; j < n; j++)
        if (use[j] && p[j] > 0.0f)
            sum += p[j] * (log(p[j]) - log(fmax(q[j], 1e-30)));
    return sum;
}

rs_status rs_loss_relational(const rs_relational *r, double *value, float *dx, rs_err *err)
{
    size_t n = r->n, d = r->d, known_n;
    double total = 0;
    float sharp = (float)(1.0 / r->temperature);
    rs_arena mem = {0};
    float *u = rs_new(&mem, float, n * d), *norm = rs_new(&mem, float, n);
    float *s = rs_new(&mem, float, n * n), *t = rs_new(&mem, float, n * n);
    float *du = rs_new(&mem, float, n * d);
    bool *known = rs_new(&mem, bool, n), *use = rs_new(&mem, bool, n);

    *value = 0;
    if (!u || !norm || !s || !t || !du || !known || !use) {
        rs_arena_clear(&mem);
        return rs_fail(err, RS_ENOMEM, "relational loss of %zu rows: no memory", n);
    }
    known_n = known_rows(known, r->teacher, n, r->teacher_d);
    rs_unit_rows(u, norm, r->x, n, d);
    rs_dense(RS_NT, s, u, u, n, n, d, sharp, 0);
    rs_dense(RS_NT, t, r->teacher, r->teacher, n, n, r->teacher_d,
                 (float)(1.0 / r->teacher_temperature), 0);
    for (size_t i = 0; i < n && known_n > 2; i++) {
        float *si = s + i * n, *ti = t + i * n;
        for (size_t j = 0; j < n; j++)
            use[j] = known[i] && known[j] && j != i;
        if (!known[i]) {
            for (size_t j = 0; j < n; j++)
                si[j] = 0.0f;
            continue;
        }
        rs_softmax_row(si, use, n);
        rs_softmax_row(ti, use, n);
        total += divergence(ti, si, use, n);
        for (size_t j = 0; j < n; j++)
            si[j] -= ti[j];
    }
    if (known_n > 2) {                          /* with two, a row has one other: nothing to match */
        float g = sharp / (float)known_n;
        *value = total / (double)known_n;
        rs_dense(RS_NN, du, s, u, n, d, n, g, 0);
        rs_dense(RS_TN, du, s, u, n, d, n, g, 1);
        rs_unit_rows_back(dx, du, u, norm, n, d, r->weight);
    }
    rs_arena_clear(&mem);
    return RS_OK;
}

/* y_i becomes the gradient of -cos(y_i, t_i); returns the cosine. */
static double cosine_back(float *y, const float *t, size_t d)
{
    double yy = 0, yt = 0, norm, cosine;

    for (size_t k = 0; k < d; k++) {
        yy += (double)y[k] * y[k];
        yt += (double)y[k] * t[k];
    }
    norm = fmax(sqrt(yy), 1e-12);
    cosine = yt / norm;
    for (size_t k = 0; k < d; k++)
        y[k] = (float)((cosine * y[k] / norm - t[k]) / norm);
    return cosine;
}

rs_status rs_loss_cosine_map(const rs_cosine_map *c, double *value, float *dx, float *d_map,
                             rs_err *err)
{
    size_t n = c->n, d = c->d, td = c->teacher_d, known_n;
    double total = 0;
    rs_arena mem = {0};
    float *u = rs_new(&mem, float, n * d), *norm = rs_new(&mem, float, n);
    float *y = rs_new(&mem, float, n * td), *du = rs_new(&mem, float, n * d);
    bool *known = rs_new(&mem, bool, n);

    *value = 0;
    if (!u || !norm || !y || !du || !known) {
        rs_arena_clear(&mem);
        return rs_fail(err, RS_ENOMEM, "cosine loss of %zu x %zu: no memory", n, td);
    }
    known_n = known_rows(known, c->teacher, n, td);
    rs_unit_rows(u, norm, c->x, n, d);
    rs_dense(RS_NT, y, u, c->map, n, td, d, 1, 0);
    for (size_t i = 0; i < n; i++) {
        if (known[i])
            total += 1.0 - cosine_back(y + i * td, c->teacher + i * td, td);
        else
            for (size_t k = 0; k < td; k++)
                y[i * td + k] = 0.0f;
    }
    if (known_n) {
        float g = 1.0f / (float)known_n;
        *value = total / (double)known_n;
        rs_dense(RS_NN, du, y, c->map, n, d, td, g, 0);
        rs_dense(RS_TN, d_map, y, u, td, d, n, g * (float)c->weight, 1);
        rs_unit_rows_back(dx, du, u, norm, n, d, c->weight);
    }
    rs_arena_clear(&mem);
    return RS_OK;
}
