/* kernels_reference.c - each kernel as its definition: one loop, libm, sums in double.
 * See kernels.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/kernels.h"

#include "embeddings/matmul.h"

#include <math.h>

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double phi(double x)                     /* the normal distribution function */
{
    return 0.5 * (1 + erf(x * sqrt(0.5)));
}

static void ref_exp(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)exp(fmin(fmax((double)x[i], -87), 88));
}

static void ref_erf(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)erf((double)x[i]);
}

static void ref_quick_gelu(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)((double)x[i] * sigmoid(1.702 * (double)x[i]));
}

static void ref_quick_gelu_grad(float *dy, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double s = sigmoid(1.702 * (double)x[i]);
        dy[i] = (float)((double)dy[i] * (s + 1.702 * (double)x[i] * s * (1 - s)));
    }
}

static void ref_gelu(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)((double)x[i] * phi((double)x[i]));
}

static void ref_gelu_grad(float *dy, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[i], density = 0.3989422804014327 * exp(-0.5 * v * v);
        dy[i] = (float)((double)dy[i] * (phi(v) + v * density));
    }
}

static const double TANH_SCALE = 0.7978845608028654, TANH_CUBE = 0.044715;   /* sqrt(2 / pi) */

static void ref_gelu_tanh(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[i];
        y[i] = (float)(0.5 * v * (1 + tanh(TANH_SCALE * (v + TANH_CUBE * v * v * v))));
    }
}

static void ref_gelu_tanh_grad(float *dy, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[i], t = tanh(TANH_SCALE * (v + TANH_CUBE * v * v * v));
        double slope = TANH_SCALE * (1 + 3 * TANH_CUBE * v * v);
        dy[i] = (float)((double)dy[i] * (0.5 * (1 + t) + 0.5 * v * (1 - t * t) * slope));
    }
}

static void ref_softmax(float *x, size_t n)
{
    double top = (double)x[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        top = fmax(top, (double)x[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - top);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(exp((double)x[i] - top) / sum);
}

static void ref_softmax_grad(float *dp, const float *p, size_t n, float scale)
{
    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += (double)p[i] * (double)dp[i];
    for (size_t i = 0; i < n; i++)
        dp[i] = (float)((double)scale * (double)p[i] * ((double)dp[i] - mean));
}

static void ref_layer_norm(float *y, float *stat, const float *x, const float *g, const float *b,
                           float eps, size_t n, size_t d)
{
    for (size_t r = 0; r < n; r++, x += d, y += d) {
        double mean = 0, var = 0;
        for (size_t i = 0; i < d; i++)
            mean += (double)x[i] / (double)d;
        for (size_t i = 0; i < d; i++)
            var += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)d;
        double rstd = 1 / sqrt(var + (double)eps);
        for (size_t i = 0; i < d; i++)
            y[i] = (float)(((double)x[i] - mean) * rstd * (double)g[i] + (double)b[i]);
        stat[2 * r] = (float)mean;
        stat[2 * r + 1] = (float)rstd;
    }
}

static void ref_layer_norm_grad(float *dx, float *dg, float *db, const float *dy, const float *x,
                                const float *stat, const float *g, size_t n, size_t d)
{
    for (size_t r = 0; r < n; r++, dx += d, dy += d, x += d) {
        double mean = (double)stat[2 * r], rstd = (double)stat[2 * r + 1], me = 0, mez = 0;
        for (size_t i = 0; i < d; i++) {
            double z = ((double)x[i] - mean) * rstd, e = (double)dy[i] * (double)g[i];
            me += e / (double)d;
            mez += e * z / (double)d;
            dg[i] = (float)((double)dg[i] + (double)dy[i] * z);
            db[i] = (float)((double)db[i] + (double)dy[i]);
        }
        for (size_t i = 0; i < d; i++) {
            double z = ((double)x[i] - mean) * rstd, e = (double)dy[i] * (double)g[i];
            dx[i] = (float)((double)dx[i] + rstd * (e - me - z * mez));
        }
    }
}

static void ref_add_bias(float *y, const float *x, const float *b, size_t n, size_t d)
{
    for (size_t i = 0; i < n * d; i++)
        y[i] = (x ? x[i] : 0) + (b ? b[i % d] : 0);
}

static void ref_add_columns(float *sum, const float *x, size_t ld, size_t n, size_t d)
{
    for (size_t j = 0; j < d; j++) {
        double s = 0;
        for (size_t r = 0; r < n; r++)
            s += (double)x[r * ld + j];
        sum[j] = (float)((double)sum[j] + s);
    }
}

static void ref_add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

static float ref_dot(const float *x, const float *y, size_t n)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += (double)x[i] * (double)y[i];
    return (float)s;
}

static void ref_nt_few(float *c, size_t ldc, const float *a, size_t lda, const float *b, size_t ldb,
                       size_t m, size_t n, size_t k, float alpha, float beta)
{
    rs_matmul_naive(RS_NT, m, n, k, alpha, (rs_mat){a, lda}, (rs_mat){b, ldb}, beta, c, ldc);
}

const rs_kernels rs_kernels_reference = {
    .name = "reference",
    .exp = ref_exp, .erf = ref_erf,
    .quick_gelu = ref_quick_gelu, .quick_gelu_grad = ref_quick_gelu_grad,
    .gelu = ref_gelu, .gelu_grad = ref_gelu_grad,
    .gelu_tanh = ref_gelu_tanh, .gelu_tanh_grad = ref_gelu_tanh_grad,
    .softmax = ref_softmax, .softmax_grad = ref_softmax_grad,
    .layer_norm = ref_layer_norm, .layer_norm_grad = ref_layer_norm_grad,
    .add_bias = ref_add_bias, .add_columns = ref_add_columns, .add = ref_add, .dot = ref_dot,
    .nt_few = ref_nt_few,
};
