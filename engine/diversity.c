/* diversity.c - see diversity.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/diversity.h"

#include "engine/catalog.h"

#include <string.h>

static double dot(const float *x, const float *y, size_t d)
{
    double sum = 0;

    for (size_t i = 0; i < d; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

static bool is_zero(const float *x, size_t d)
{
    for (size_t i = 0; i < d; i++)
        if (x[i] != 0)
            return false;
    return true;
}

static size_t best_of(const double *score, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (score[i] > score[best])
            best = i;
    return best;
}

/* The smallest cosine of a row that has a vector to row `best`; 1 where there is none. */
static double lowest(const float *x, size_t n, size_t d, size_t best)
{
    double low = 1;

    for (size_t i = 0; i < n; i++)
        if (!is_zero(x + i * d, d)) {
            const double c = dot(x + i * d, x + best * d, d);
            low = c < low ? c : low;
        }
    return low;
}

/* like[i] becomes the larger of itself and s(i, j). */
static void note_likeness(double *like, const float *x, size_t n, size_t d, size_t j, double low)
{
    for (size_t i = 0; i < n && low < 1; i++) {
        const double s = (dot(x + i * d, x + j * d, d) - low) / (1 - low);
        if (s > like[i] && !is_zero(x + i * d, d) && !is_zero(x + j * d, d))
            like[i] = s;
    }
}

size_t *rs_diversify(const double *score, const float *x, size_t n, size_t d, double diversity,
                     size_t k, rs_arena *mem)
{
    const size_t best = best_of(score, n);
    size_t *picked = rs_new(mem, size_t, k < n ? k : n);
    double *value = rs_new(mem, double, n), *like = rs_new(mem, double, n);
    bool *taken = rs_new(mem, bool, n);
    double least = n ? score[0] : 0, low;

    if (!picked || !value || !like || !taken)
        return NULL;
    low = n ? lowest(x, n, d, best) : 1;
    for (size_t i = 0; i < n; i++)
        least = score[i] < least ? score[i] : least;
    for (size_t i = 0; i < n; i++)
        value[i] = score[best] > least ? (score[i] - least) / (score[best] - least) : 1;
    for (size_t p = 0; p < k && p < n; p++) {
        size_t next = best;
        double most = 0;
        for (size_t i = 0; i < n && p > 0; i++) {
            const double v = (1 - diversity) * value[i] - diversity * like[i];
            if (!taken[i] && (taken[next] || v > most)) {
                next = i;
                most = v;
            }
        }
        picked[p] = next;
        taken[next] = true;
        if (diversity > 0)
            note_likeness(like, x, n, d, next, low);
    }
    return picked;
}

rs_status rs_diversify_cases(rs_archive *a, const int64_t *cases, const double *score, size_t n,
                             double diversity, size_t k, rs_arena *mem, size_t **picked,
                             rs_err *err)
{
    const size_t d = a->encoder.dim;
    float *x = n == 0 || d <= SIZE_MAX / n ? rs_new(mem, float, n * d) : NULL;
    rs_status st = RS_OK;

    *picked = NULL;
    for (size_t i = 0; x && d && i < n && st == RS_OK; i++) {
        float *own;
        size_t have;
        st = rs_catalog_vectors(a, RS_KIND_CASE, cases[i], mem, &own, NULL, &have, err);
        if (st == RS_OK && have)
            memcpy(x + i * d, own, d * sizeof *x);
    }
    if (st != RS_OK)
        return st;
    *picked = x ? rs_diversify(score, x, n, d, diversity, k, mem) : NULL;
    return *picked ? RS_OK : rs_fail(err, RS_ENOMEM, "%zu cases: no memory", n);
}
