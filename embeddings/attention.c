/* attention.c - multi-head attention over packed sequences: for each sequence and head
 * two small matrix products with a softmax between. See layers.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/layers.h"

#include "embeddings/kernels.h"
#include "embeddings/matmul.h"

#include <math.h>
#include <string.h>

/* One sequence: its rows, its queries, and where both begin. */
typedef struct {
    size_t rows, queries;      /* T and Tq of the comments below */
    size_t row0, query0;
} span;

static span span_of(const rs_attention_shape *s, size_t i)
{
    span a = {.rows = s->start[i + 1] - s->start[i], .row0 = s->start[i]};
    a.queries = s->one_query ? 1 : a.rows;
    a.query0 = s->one_query ? i : a.row0;
    return a;
}

/* How many rows query i of a sequence sees. */
static size_t seen(const rs_attention_shape *s, span a, size_t i)
{
    return s->causal && !s->one_query ? i + 1 : a.rows;
}

size_t rs_attention_probs(const rs_attention_shape *s)
{
    size_t sum = 0;

    for (size_t i = 0; i < s->n; i++) {
        span a = span_of(s, i);
        sum += a.queries * a.rows;
    }
    return sum * s->heads;
}

void rs_attention(float *out, float *probs, bool keep, rs_qkv in, const rs_attention_shape *s)
{
    const rs_kernels *kn = rs_kernels_best();
    const size_t hd = s->head_dim, width = s->heads * hd;
    const float scale = 1 / sqrtf((float)hd);

    for (size_t i = 0; i < s->n; i++) {
        span a = span_of(s, i);
        for (size_t h = 0; h < s->heads; h++) {
            rs_mat q = {in.q + a.query0 * in.ldq + h * hd, in.ldq};
            rs_mat k = {in.k + a.row0 * in.ldkv + h * hd, in.ldkv};
            rs_mat v = {in.v + a.row0 * in.ldkv + h * hd, in.ldkv};

            /* P[Tq x T] = softmax(scale q k^T); what a row may not see is 0. */
            rs_matmul(RS_NT, a.queries, a.rows, hd, scale, q, k, 0, probs, a.rows);
            for (size_t r = 0; r < a.queries; r++) {
                float *row = probs + r * a.rows;
                size_t t = seen(s, a, r);
                kn->softmax(row, t);
                memset(row + t, 0, (a.rows - t) * sizeof *row);
            }
            /* out[Tq x hd] = P v */
            rs_matmul(RS_NN, a.queries, hd, a.rows, 1, (rs_mat){probs, a.rows}, v, 0,
                      out + a.query0 * width + h * hd, width);
            if (keep)
                probs += a.queries * a.rows;
        }
    }
}

void rs_attention_grad(float *dq, float *dk, float *dv, float *dp, const float *dout,
                       const float *probs, rs_qkv in, const rs_attention_shape *s)
{
    const rs_kernels *kn = rs_kernels_best();
    const size_t hd = s->head_dim, width = s->heads * hd;
    const float scale = 1 / sqrtf((float)hd);

    for (size_t i = 0; i < s->n; i++) {
        span a = span_of(s, i);
        for (size_t h = 0; h < s->heads; h++, probs += a.queries * a.rows) {
            const size_t at_q = a.query0 * in.ldq + h * hd, at_kv = a.row0 * in.ldkv + h * hd;
            rs_mat q = {in.q + at_q, in.ldq}, k = {in.k + at_kv, in.ldkv};
            rs_mat v = {in.v + at_kv, in.ldkv}, p = {probs, a.rows};
            rs_mat o = {dout + a.query0 * width + h * hd, width}, ds = {dp, a.rows};

            /* dv[T x hd] = P^T dout;  dP[Tq x T] = dout v^T */
            rs_matmul(RS_TN, a.rows, hd, a.queries, 1, p, o, 0, dv + at_kv, in.ldkv);
            rs_matmul(RS_NT, a.queries, a.rows, hd, 1, o, v, 0, dp, a.rows);
            /* dS = scale P (dP - <P, dP>): rows not seen have P = 0, so dS = 0 there */
            for (size_t r = 0; r < a.queries; r++)
                kn->softmax_grad(dp + r * a.rows, probs + r * a.rows, a.rows, scale);
            /* dq[Tq x hd] = dS k;  dk[T x hd] = dS^T q */
            rs_matmul(RS_NN, a.queries, hd, a.rows, 1, ds, k, 0, dq + at_q, in.ldq);
            rs_matmul(RS_TN, a.rows, hd, a.queries, 1, ds, q, 0, dk + at_kv, in.ldkv);
        }
    }
}

/* One query of one head: weights exp(q k_t / sqrt(hd)) of the rows it sees. Two passes
 * (the largest score, then the sums) instead of keeping the scores. */
static void naive_query(float *out, const float *q, const float *k, const float *v, size_t ldkv,
                        size_t rows, size_t hd)
{
    double top = -INFINITY, total = 0;

    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t t = 0; t < rows; t++) {
            double score = 0;
            for (size_t j = 0; j < hd; j++)
                score += (double)q[j] * (double)k[t * ldkv + j] / sqrt((double)hd);
            if (pass == 0)
                top = fmax(top, score);
            else
                total += exp(score - top);
        }
    }
    for (size_t c = 0; c < hd; c++) {
        double sum = 0;
        for (size_t t = 0; t < rows; t++) {
            double score = 0;
            for (size_t j = 0; j < hd; j++)
                score += (double)q[j] * (double)k[t * ldkv + j] / sqrt((double)hd);
            sum += exp(score - top) / total * (double)v[t * ldkv + c];
        }
        out[c] = (float)sum;
    }
}

void rs_attention_naive(float *out, rs_qkv in, const rs_attention_shape *s)
{
    const size_t hd = s->head_dim, width = s->heads * hd;

    for (size_t i = 0; i < s->n; i++) {
        span a = span_of(s, i);
        for (size_t h = 0; h < s->heads; h++)
            for (size_t r = 0; r < a.queries; r++)
                naive_query(out + (a.query0 + r) * width + h * hd,
                            in.q + (a.query0 + r) * in.ldq + h * hd,
                            in.k + a.row0 * in.ldkv + h * hd,
                            in.v + a.row0 * in.ldkv + h * hd, in.ldkv, seen(s, a, r), hd);
    }
}
