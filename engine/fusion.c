/* fusion.c - see fusion.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/fusion.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Of one ranking -------------------------------------------------- */

static void mean_and_sd(const double *x, size_t n, double *mean, double *sd)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i];
    *mean = n ? sum / (double)n : 0;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - *mean) * (x[i] - *mean);
    *sd = n ? sqrt(squares / (double)n) : 0;
}

void rs_standardise(double *x, size_t n)
{
    double mean, sd;

    mean_and_sd(x, n, &mean, &sd);
    for (size_t i = 0; i < n; i++)
        x[i] = sd > 1e-12 * fabs(mean) ? (x[i] - mean) / sd : 0;
}

double rs_deviation(const double *x, size_t n)
{
    double mean, sd;

    mean_and_sd(x, n, &mean, &sd);
    return sd;
}

/* What a score above the last is divided by; 0: all scores are equal. `score` is falling. */
static double unit_of(const double *score, size_t n, rs_fusion how)
{
    const double last = score[n - 1];

    if (!(score[0] > last))
        return 0;
    if (how == RS_FUSION_MINMAX)
        return score[0] - last;
    if (how == RS_FUSION_ATAN) {
        const double median = score[n / 2] - last;
        return median > 0 ? median : score[0] - last;
    }
    return rs_deviation(score, n);
}

void rs_fusion_parts(const rs_ranking *r, rs_fusion how, double rrf_k, double *out, double *room)
{
    double unit;

    for (size_t i = 0; i < r->n; i++)
        room[i] = r->rows[i].score;
    unit = r->n && (how == RS_FUSION_MINMAX || how == RS_FUSION_ZSCORE || how == RS_FUSION_ATAN)
           ? unit_of(room, r->n, how) : 1;
    for (size_t i = 0; i < r->n; i++) {
        const double above = unit > 0 ? (room[i] - room[r->n - 1]) / unit : 1;
        switch (how) {
        case RS_FUSION_RRF:
            out[i] = 1 / (rrf_k + (double)(i + 1));
            break;
        case RS_FUSION_MINMAX:
        case RS_FUSION_ZSCORE:
            out[i] = above;
            break;
        case RS_FUSION_ATAN:
            out[i] = unit > 0 ? 2 / acos(-1) * atan(above) : 1;
            break;
        case RS_FUSION_EARLY:
        case RS_FUSIONS:
            out[i] = room[i];
            break;
        }
    }
}

/* ---- Of all ---------------------------------------------------------- */

static int by_case(const void *a, const void *b)
{
    const rs_fused *x = a, *y = b;

    return (x->case_id > y->case_id) - (x->case_id < y->case_id);
}

static int by_score(const void *a, const void *b)
{
    const rs_fused *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return strcmp(x->key, y->key);
}

void rs_fused_sort(rs_fused *rows, size_t n)
{
    if (n)
        qsort(rows, n, sizeof *rows, by_score);
}

/* Rows of one case next to each other become one row. */
static size_t join(rs_fused *rows, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (kept && rows[kept - 1].case_id == rows[i].case_id) {
            for (int p = 0; p < RS_PROBE_COUNT; p++) {
                rows[kept - 1].rank[p] += rows[i].rank[p];
                rows[kept - 1].part[p] += rows[i].part[p];
            }
        } else {
            rows[kept++] = rows[i];
        }
    }
    return kept;
}

rs_fused *rs_fuse(const rs_ranking *rankings, size_t n_rankings, rs_fusion how, double rrf_k,
                  const double weight[RS_PROBE_COUNT], rs_arena *mem, size_t *n)
{
    size_t total = 0, at = 0;
    double *part, *room;
    rs_fused *rows;

    *n = 0;
    for (size_t r = 0; r < n_rankings; r++)
        total += rankings[r].n;
    rows = rs_new(mem, rs_fused, total + 1);
    part = rs_new(mem, double, total + 1);
    room = rs_new(mem, double, total + 1);
    if (!rows || !part || !room)
        return NULL;
    for (size_t r = 0; r < n_rankings; r++) {
        const rs_probe p = rankings[r].probe;
        rs_fusion_parts(&rankings[r], how, rrf_k, part, room);
        for (size_t i = 0; i < rankings[r].n; i++, at++) {
            rows[at].case_id = rankings[r].rows[i].case_id;
            rows[at].key = rankings[r].rows[i].key;
            rows[at].rank[p] = i + 1;
            rows[at].part[p] = weight[p] * part[i];
        }
    }
    if (total)
        qsort(rows, total, sizeof *rows, by_case);
    *n = join(rows, total);
    /* Summed in the order of probes, so that equal ranks give equal sums to the bit. */
    for (size_t i = 0; i < *n; i++)
        for (int p = 0; p < RS_PROBE_COUNT; p++)
            rows[i].score += rows[i].part[p];
    rs_fused_sort(rows, *n);
    return rows;
}
