/* fusion.c - see fusion.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/fusion.h"

#include <stdlib.h>
#include <string.h>

double rs_rrf_part(double weight, double k, size_t rank)
{
    return rank ? weight / (k + (double)rank) : 0;
}

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

/* Rows of one case next to each other become one row. */
static size_t join(rs_fused *rows, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (kept && rows[kept - 1].case_id == rows[i].case_id) {
            for (int p = 0; p < RS_PROBE_COUNT; p++)
                rows[kept - 1].rank[p] += rows[i].rank[p];
        } else {
            rows[kept++] = rows[i];
        }
    }
    return kept;
}

rs_fused *rs_fuse_rrf(const rs_ranking *rankings, size_t n_rankings, double k,
                      const double weight[RS_PROBE_COUNT], rs_arena *mem, size_t *n)
{
    size_t total = 0, at = 0;
    rs_fused *rows;

    *n = 0;
    for (size_t r = 0; r < n_rankings; r++)
        total += rankings[r].n;
    rows = rs_new(mem, rs_fused, total + 1);
    if (!rows)
        return NULL;
    for (size_t r = 0; r < n_rankings; r++)
        for (size_t i = 0; i < rankings[r].n; i++, at++) {
            rows[at].case_id = rankings[r].rows[i].case_id;
            rows[at].key = rankings[r].rows[i].key;
            rows[at].rank[rankings[r].probe] = i + 1;
        }
    qsort(rows, total, sizeof *rows, by_case);
    *n = join(rows, total);
    /* Summed in the order of probes, so that equal ranks give equal sums to the bit. */
    for (size_t i = 0; i < *n; i++)
        for (int p = 0; p < RS_PROBE_COUNT; p++)
            rows[i].score += rs_rrf_part(weight[p], k, rows[i].rank[p]);
    qsort(rows, *n, sizeof *rows, by_score);
    return rows;
}
