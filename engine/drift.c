/* drift.c - see drift.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/drift.h"

#include "base/alloc.h"
#include "base/random.h"
#include "embeddings/matmul.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sums in another order are not another sum. */
#define SLACK 1e-9

/* The first `m` of order[all] become a random choice. */
static void draw(rs_random *rnd, size_t *order, size_t m, size_t all)
{
    for (size_t i = 0; i < m; i++) {
        const size_t k = i + rs_random_below(rnd, all - i), swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
}

/* ---- Vectors --------------------------------------------------------- */

typedef struct {
    float  *k;                     /* [all x all], 0 on the diagonal */
    double *row;                   /* sums of rows */
    double  total;
    size_t  all;
} kernel;

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* The median of all squared distances, each pair once; below 0 on OOM. */
static double median_square(const float *square, size_t all)
{
    const size_t pairs = all * (all - 1) / 2;
    float *list = rs_calloc(pairs + 1, sizeof *list);
    size_t n = 0;
    double median;

    if (!list)
        return -1;
    for (size_t i = 0; i < all; i++)
        for (size_t j = 0; j < i; j++)
            list[n++] = square[i * all + j];
    qsort(list, n, sizeof *list, ascending);
    median = list[n / 2];
    rs_free(list);
    return median;
}

/* Inner products -> squared distances; what rounding makes negative is 0. */
static void to_squares(float *k, size_t all, float *norm)
{
    for (size_t i = 0; i < all; i++)
        norm[i] = k[i * all + i];
    for (size_t i = 0; i < all; i++)
        for (size_t j = 0; j < all; j++) {
            const float d = norm[i] + norm[j] - 2 * k[i * all + j];
            k[i * all + j] = d > 0 ? d : 0;
        }
}

static void to_kernel(kernel *s, double two_squares)
{
    s->total = 0;
    for (size_t i = 0; i < s->all; i++) {
        s->row[i] = 0;
        for (size_t j = 0; j < s->all; j++) {
            float *v = &s->k[i * s->all + j];
            *v = i == j ? 0 : two_squares > 0 ? expf(-*v / (float)two_squares) : 1;
            s->row[i] += *v;
        }
        s->total += s->row[i];
    }
}

/* MMD^2 of the m items order[0..m) and the rest. */
static double discrepancy(const kernel *s, const size_t *order, size_t m)
{
    const double x = (double)m, y = (double)(s->all - m);
    double within = 0, rows = 0;

    for (size_t i = 0; i < m; i++) {
        const float *k = s->k + order[i] * s->all;
        double sum = 0;
        for (size_t j = 0; j < i; j++)
            sum += k[order[j]];
        within += 2 * sum;
        rows += s->row[order[i]];
    }
    return within / (x * (x - 1)) + (s->total - 2 * rows + within) / (y * (y - 1)) -
           2 * (rows - within) / (x * y);
}

static void test_vectors(const kernel *s, size_t *order, size_t m, size_t rounds, uint64_t seed,
                         rs_drift *out)
{
    rs_random rnd = rs_random_seed(seed);
    size_t as_far = 1;

    out->statistic = discrepancy(s, order, m);
    for (size_t r = 0; r < rounds; r++) {
        draw(&rnd, order, m, s->all);
        as_far += discrepancy(s, order, m) >= out->statistic - SLACK;
    }
    out->p = (double)as_far / (double)(rounds + 1);
}

rs_status rs_drift_vectors(const float *x, size_t m, size_t n, size_t dim, size_t rounds,
                           uint64_t seed, rs_drift *out, rs_err *err)
{
    kernel s = {.all = m + n};
    size_t *order = NULL;
    float *norm = NULL;
    double square = -1;
    rs_status st = RS_OK;

    *out = (rs_drift){0, NAN, 0};
    if (m < 2 || n < 2)
        return RS_OK;
    s.k = rs_calloc(s.all * s.all, sizeof *s.k);
    s.row = rs_calloc(s.all, sizeof *s.row);
    order = rs_calloc(s.all, sizeof *order);
    norm = rs_calloc(s.all, sizeof *norm);
    if (s.k && s.row && order && norm) {
        rs_matmul(RS_NT, s.all, s.all, dim, 1, (rs_mat){x, dim}, (rs_mat){x, dim}, 0, s.k, s.all);
        to_squares(s.k, s.all, norm);
        square = median_square(s.k, s.all);
    }
    if (square < 0) {
        st = rs_fail(err, RS_ENOMEM, "no memory to compare %zu vectors", s.all);
        goto done;
    }
    out->scale = sqrt(square);
    to_kernel(&s, 2 * square);
    for (size_t i = 0; i < s.all; i++)               /* the smaller sample is summed over */
        order[i] = m > n ? (i + m) % s.all : i;
    test_vectors(&s, order, m < n ? m : n, rounds, seed, out);
done:
    rs_free(norm);
    rs_free(order);
    rs_free(s.row);
    rs_free(s.k);
    return st;
}

/* ---- Categories ------------------------------------------------------ */

typedef struct {
    const uint32_t *of;
    const size_t   *first;
    size_t          all, n_categories;
    double         *total, *here;  /* items of each category: in all, in the first sample */
} table;

static double chi_square(const table *t, const size_t *order, size_t m)
{
    const double share = (double)m / (double)t->all;
    double sum = 0;

    memset(t->here, 0, t->n_categories * sizeof *t->here);
    for (size_t i = 0; i < m; i++)
        for (size_t k = t->first[order[i]]; k < t->first[order[i] + 1]; k++)
            t->here[t->of[k]]++;
    for (size_t c = 0; c < t->n_categories; c++)
        if (t->total[c] > 0) {
            const double off = t->here[c] - share * t->total[c];
            sum += off * off / (share * t->total[c]) + off * off / ((1 - share) * t->total[c]);
        }
    return sum;
}

rs_status rs_drift_categories(const uint32_t *of, const size_t *first, size_t m, size_t n,
                              size_t n_categories, size_t rounds, uint64_t seed, rs_drift *out,
                              rs_err *err)
{
    table t = {of, first, m + n, n_categories, NULL, NULL};
    rs_random rnd = rs_random_seed(seed);
    size_t *order = NULL, as_far = 1;
    rs_status st = RS_OK;

    *out = (rs_drift){0, NAN, 0};
    if (m < 2 || n < 2)
        return RS_OK;
    t.total = rs_calloc(n_categories + 1, sizeof *t.total);
    t.here = rs_calloc(n_categories + 1, sizeof *t.here);
    order = rs_calloc(t.all, sizeof *order);
    if (!t.total || !t.here || !order) {
        st = rs_fail(err, RS_ENOMEM, "no memory to compare %zu items", t.all);
        goto done;
    }
    for (size_t i = 0; i < t.all; i++)
        order[i] = i;
    for (size_t k = first[0]; k < first[t.all]; k++)
        t.total[of[k]]++;
    out->statistic = chi_square(&t, order, m);
    for (size_t r = 0; r < rounds; r++) {
        draw(&rnd, order, m, t.all);
        as_far += chi_square(&t, order, m) >= out->statistic - SLACK;
    }
    out->p = (double)as_far / (double)(rounds + 1);
done:
    rs_free(order);
    rs_free(t.here);
    rs_free(t.total);
    return st;
}
