/* metrics.c - see metrics.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/metrics.h"

#include "base/alloc.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>

static size_t relevant(const int *grades, size_t n)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        found += grades[i] > 0;
    return found;
}

static double dcg(const int *grades, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        if (grades[i] > 0)
            sum += grades[i] / log2((double)i + 2);
    return sum;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

double rs_ndcg_at(const rs_graded *g, size_t k)
{
    double best = dcg(g->judged, least(k, g->n_judged));

    return best > 0 ? dcg(g->retrieved, least(k, g->n_retrieved)) / best : 0;
}

double rs_average_precision(const rs_graded *g)
{
    size_t all = relevant(g->judged, g->n_judged), found = 0;
    double sum = 0;

    for (size_t i = 0; i < g->n_retrieved; i++)
        if (g->retrieved[i] > 0)
            sum += (double)++found / (double)(i + 1);
    return all ? sum / (double)all : 0;
}

double rs_precision_at(const rs_graded *g, size_t k)
{
    return k ? (double)relevant(g->retrieved, least(k, g->n_retrieved)) / (double)k : 0;
}

double rs_recall_at(const rs_graded *g, size_t k)
{
    size_t all = relevant(g->judged, g->n_judged);

    return all ? (double)relevant(g->retrieved, least(k, g->n_retrieved)) / (double)all : 0;
}

double rs_reciprocal_rank(const rs_graded *g)
{
    for (size_t i = 0; i < g->n_retrieved; i++)
        if (g->retrieved[i] > 0)
            return 1 / (double)(i + 1);
    return 0;
}

/* ---- How sure -------------------------------------------------------- */

static double mean(const double *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

rs_interval rs_bootstrap(const double *x, size_t n, size_t rounds, uint64_t seed)
{
    rs_interval out = {mean(x, n), NAN, NAN};
    rs_random rnd = rs_random_seed(seed);
    double *means = rs_calloc(rounds, sizeof *means);

    if (!means)
        return out;
    for (size_t r = 0; r < rounds; r++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += x[rs_random_below(&rnd, n)];
        means[r] = sum / (double)n;
    }
    qsort(means, rounds, sizeof *means, ascending);
    out.low = means[(size_t)(0.025 * (double)(rounds - 1))];
    out.high = means[(size_t)ceil(0.975 * (double)(rounds - 1))];
    rs_free(means);
    return out;
}

double rs_randomisation_test(const double *a, const double *b, size_t n, size_t rounds,
                             uint64_t seed)
{
    const double slack = 1e-12;          /* sums in another order are not another sum */
    rs_random rnd = rs_random_seed(seed);
    size_t as_far = 1;
    double seen = 0;

    for (size_t i = 0; i < n; i++)
        seen += a[i] - b[i];
    for (size_t r = 0; r < rounds; r++) {
        double sum = 0;
        uint64_t bits = 0;
        for (size_t i = 0; i < n; i++) {
            if (i % 64 == 0)
                bits = rs_random_u64(&rnd);
            sum += bits >> (i % 64) & 1 ? a[i] - b[i] : b[i] - a[i];
        }
        as_far += fabs(sum) >= fabs(seen) - slack;
    }
    return (double)as_far / (double)(rounds + 1);
}

void rs_holm(double *p, size_t n)
{
    double least = 0;
    size_t left = 0;

    for (size_t i = 0; i < n; i++)
        left += isnan(p[i]) ? 0u : 1u;
    /* The smallest that is left, n times; done ones are negative until the end. */
    for (; left > 0; left--) {
        size_t at = n;
        for (size_t i = 0; i < n; i++)
            if (p[i] >= 0 && (at == n || p[i] < p[at]))
                at = i;
        if (at == n)
            break;
        least = fmax(least, fmin(1, p[at] * (double)left));
        p[at] = -1 - least;
    }
    for (size_t i = 0; i < n; i++)
        if (p[i] < 0)
            p[i] = -1 - p[i];
}
