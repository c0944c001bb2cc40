/* loss.c - see loss.h: the contrastive terms.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/loss.h"

#include "base/arena.h"
#include "embeddings/loss_int.h"

#include <math.h>

static const double TINY_NORM = 1e-12;          /* as torch.nn.functional.normalize */

/* ---- Shared ---------------------------------------------------------- */

void rs_unit_rows(float *u, float *norm, const float *x, size_t n, size_t d)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < d; k++)
            sum += (double)x[i * d + k] * x[i * d + k];
        norm[i] = (float)fmax(sqrt(sum), TINY_NORM);
        for (size_t k = 0; k < d; k++)
            u[i * d + k] = x[i * d + k] / norm[i];
    }
}

void rs_unit_rows_back(float *dx, const float *du, const float *u, const float *norm,
                       size_t n, size_t d, double weight)
{
    for (size_t i = 0; i < n; i++) {
        const float *ui = u + i * d, *gi = du + i * d;
        double along = 0, scale = weight / norm[i];
        for (size_t k = 0; k < d; k++)
            along += (double)ui[k] * gi[k];
        for (size_t k = 0; k < d; k++)
            dx[i * d + k] += (float)(scale * (gi[k] - along * ui[k]));
    }
}

double rs_softmax_row(float *row, const bool *use, size_t n)
{
    float top = -INFINITY;
    double sum = 0;

    for (size_t j = 0; j < n; j++)
        if ((!use || use[j]) && row[j] > top)
            top = row[j];
    for (size_t j = 0; j < n; j++) {
        row[j] = !use || use[j] ? expf(row[j] - top) : 0.0f;
        sum += row[j];
    }
    for (size_t j = 0; j < n; j++)
        row[j] = (float)(row[j] / sum);
    return top + log(sum);
}

/* ---- Image against text ---------------------------------------------- */

/* One side of the symmetric loss. s [m x n] logits; adds half of the gradient of
 * mean_i CE to g, which is [m x n] (step n, 1) or its transpose (step 1, m). */
static double one_side(const float *s, const int32_t *row_label, const int32_t *column_label,
                       size_t m, size_t n, float *row, float *g, size_t row_step,
                       size_t column_step)
{
    size_t counted = 0;
    double total = 0;

    for (size_t pass = 0; pass < 2; pass++) {       /* first count the rows with a positive */
        for (size_t i = 0; i < m; i++) {
            size_t positives = 0;
            double picked = 0, lse;
            for (size_t j = 0; j < n; j++)
                positives += row_label[i] == column_label[j];
            if (positives == 0)
                continue;
            if (pass == 0) {
                counted++;
                continue;
            }
            for (size_t j = 0; j < n; j++) {
                row[j] = s[i * row_step + j * column_step];
                picked += row_label[i] == column_label[j] ? row[j] : 0.0;
            }
            lse = rs_softmax_row(row, NULL, n);
            total += lse - picked / (double)positives;
            for (size_t j = 0; j < n; j++) {
                double target = row_label[i] == column_label[j] ? 1.0 / (double)positives : 0.0;
                g[i * row_step + j * column_step] += (float)((row[j] - target) * 0.5 / (double)counted);
            }
        }
    }
    return counted ? total * 0.5 / (double)counted : 0.0;
}

rs_status rs_loss_contrastive(const rs_contrastive *c, double *value, float *d_image,
                              float *d_text, double *d_log_scale, rs_err *err)
{
    size_t m = c->m, n = c->n, d = c->d;
    float scale = (float)exp(c->log_scale);
    double pull = 0;
    rs_arena mem = {0};
    float *u = rs_new(&mem, float, m * d), *v = rs_new(&mem, float, n * d);
    float *u_norm = rs_new(&mem, float, m), *v_norm = rs_new(&mem, float, n);
    float *s = rs_new(&mem, float, m * n), *g = rs_new(&mem, float, m * n);
    float *row = rs_new(&mem, float, m > n ? m : n);
    float *du = rs_new(&mem, float, m * d), *dv = rs_new(&mem, float, n * d);

    if (!u || !v || !u_norm || !v_norm || !s || !g || !row || !du || !dv) {
        rs_arena_clear(&mem);
        return rs_fail(err, RS_ENOMEM, "contrastive loss of %zu x %zu: no memory", m, n);
    }
    rs_unit_rows(u, u_norm, c->image, m, d);
    rs_unit_rows(v, v_norm, c->text, n, d);
    rs_dense(RS_NT, s, u, v, m, n, d, scale, 0);
    *value = one_side(s, c->image_label, c->text_label, m, n, row, g, n, 1)
           + one_side(s, c->text_label, c->image_label, n, m, row, g, 1, n);
    for (size_t i = 0; i < m * n; i++)
        pull += (double)g[i] * s[i];
    *d_log_scale += c->weight * pull;               /* dS / d log_scale = S */
    rs_dense(RS_NN, du, g, v, m, d, n, scale, 0);
    rs_dense(RS_TN, dv, g, u, n, d, m, scale, 0);
    rs_unit_rows_back(d_image, du, u, u_norm, m, d, c->weight);
    rs_unit_rows_back(d_text, dv, v, v_norm, n, d, c->weight);
    rs_arena_clear(&mem);
    return RS_OK;
}

/* log(1 + e^x) without overflow, and its derivative, sigmoid(x). */
static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* s [m x n] holds the logits without the bias and becomes their gradient. Adds sum of
 * gradient x logit to *pull and of the gradient to *push. */
static double each_pair(float *s, const rs_contrastive *c, double bias, double *pull, double *push)
{
    double total = 0;

    for (size_t i = 0; i < c->m; i++) {
        for (size_t j = 0; j < c->n; j++, s++) {
            const bool same = c->image_label[i] == c->text_label[j];
            const double x = (double)*s + bias, g = (sigmoid(x) - same) / (double)c->m;
            total += softplus(same ? -x : x);
            *pull += g * (double)*s;
            *push += g;
            *s = (float)g;
        }
    }
    return total / (double)c->m;
}

rs_status rs_loss_sigmoid(const rs_contrastive *c, double bias, double *value, float *d_image,
                          float *d_text, double *d_log_scale, double *d_bias, rs_err *err)
{
    size_t m = c->m, n = c->n, d = c->d;
    float scale = (float)exp(c->log_scale);
    double pull = 0, push = 0;
    rs_arena mem = {0};
    float *u = rs_new(&mem, float, m * d), *v = rs_new(&mem, float, n * d);
    float *u_norm = rs_new(&mem, float, m), *v_norm = rs_new(&mem, float, n);
    float *s = rs_new(&mem, float, m * n);
    float *du = rs_new(&mem, float, m * d), *dv = rs_new(&mem, float, n * d);

    if (!u || !v || !u_norm || !v_norm || !s || !du || !dv) {
        rs_arena_clear(&mem);
        return rs_fail(err, RS_ENOMEM, "sigmoid loss of %zu x %zu: no memory", m, n);
    }
    rs_unit_rows(u, u_norm, c->image, m, d);
    rs_unit_rows(v, v_norm, c->text, n, d);
    rs_dense(RS_NT, s, u, v, m, n, d, scale, 0);
    *value = each_pair(s, c, bias, &pull, &push);
    *d_log_scale += c->weight * pull;
    *d_bias += c->weight * push;
    rs_dense(RS_NN, du, s, v, m, d, n, scale, 0);
    rs_dense(RS_TN, dv, s, u, n, d, m, scale, 0);
    rs_unit_rows_back(d_image, du, u, u_norm, m, d, c->weight);
    rs_unit_rows_back(d_text, dv, v, v_norm, n, d, c->weight);
    rs_arena_clear(&mem);
    return RS_OK;
}

/* ---- Image against image --------------------------------------------- */

rs_status rs_loss_two_views(const rs_two_views *v, double *value, float *dx, rs_err *err)
{
    size_t n = v->n, m = 2 * n, d = v->d;
    float sharp = (float)(1.0 / v->temperature);
    double total = 0;
    rs_arena mem = {0};
    float *u = rs_new(&mem, float, m * d), *norm = rs_new(&mem, float, m);
    float *s = rs_new(&mem, float, m * m), *du = rs_new(&mem, float, m * d);
    bool *use = rs_new(&mem, bool, m);

    if (!u || !norm || !s || !du || !use) {
        rs_arena_clear(&mem);
        return rs_fail(err, RS_ENOMEM, "image-image loss of %zu rows: no memory", m);
    }
    rs_unit_rows(u, norm, v->x, m, d);
    rs_dense(RS_NT, s, u, u, m, m, d, sharp, 0);
    for (size_t i = 0; i < m; i++) {
        float *row = s + i * m;
        size_t other = i < n ? i + n : i - n;
        double picked = row[other];
        for (size_t j = 0; j < m; j++)
            use[j] = j != i && (j == other || !v->label || v->label[i % n] != v->label[j % n]);
        total += rs_softmax_row(row, use, m) - picked;
        row[other] -= 1.0f;
    }
    *value = total / (double)m;
    /* The gradient of the logits is s / m; S = U U^T / t gives dU = (G + G^T) U / t. */
    rs_dense(RS_NN, du, s, u, m, d, m, sharp / (float)m, 0);
    rs_dense(RS_TN, du, s, u, m, d, m, sharp / (float)m, 1);
    rs_unit_rows_back(dx, du, u, norm, m, d, v->weight);
    rs_arena_clear(&mem);
    return RS_OK;
}
