/* fusion.h - rankings to one list.
 *
 * Late fusion: each probe ranks by itself, then the rankings are summed. A row's part is
 * w f(row), w the probe's weight; a case that a probe does not rank gets nothing from it.
 *
 *   rrf      f = 1 / (rrf_k + r)       r: the rank. Cormack, Clarke, Buettcher, SIGIR 2009
 *   minmax   f = (s - min) / (max - min)               s: the score. Fox, Shaw, TREC-2 1993
 *   zscore   f = (s - mean) / sd, less that of the last row
 *                                                    Montague, Aslam, CIKM 2001: "ZMUV"
 *   atan     f = 2/pi atan((s - min) / m)               m: the median of s - min: as minmax,
 *            but one far ahead does not press all others to the ground
 *
 * min, max, mean and sd are of the ranking itself. Where all scores are equal f is 1.
 *
 * Early fusion has no rankings: search.c asks for the one vector of the whole query, and the
 * only ranking is that of probe `case`, of which the part is the cosine itself.
 *
 * Hybrid: the best n of a fused list are ordered anew by
 *
 *   score' = score + RS_RESCORE sd(score) sum of w z(agreement) / sum of w
 *
 * agreements: late interaction of the query's texts with the case's images and with its
 * passages, of the query's images with both: exactly, also where a probe did not rank the
 * case; z: standardised over the n, as sd is theirs; w: the probe's weight. They stay before
 * the rest.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_FUSION_H
#define RS_ENGINE_FUSION_H

#include "base/arena.h"
#include "engine/probe.h"

#include <stddef.h>

#define RS_RESCORE 0.5

typedef struct {
    int64_t     case_id;
    const char *key;
    double      score;
    double      agreement;                   /* of the score, what rescoring made of it */
    size_t      rank[RS_PROBE_COUNT];        /* from 1; 0: this probe did not rank it */
    double      part[RS_PROBE_COUNT];        /* of the score */
} rs_fused;

/* weight: by probe, >= 0. Best first, equal scores by key. In `mem`; NULL on OOM. Every
 * ranking is of a probe of its own and ranks a case once. */
rs_fused *rs_fuse(const rs_ranking *rankings, size_t n_rankings, rs_fusion how, double rrf_k,
                  const double weight[RS_PROBE_COUNT], rs_arena *mem, size_t *n);
/* Best first, equal scores by key. */
void      rs_fused_sort(rs_fused *rows, size_t n);

/* f of each row of a ranking, and of a rank that no row has ([0, r->n) in out). */
void rs_fusion_parts(const rs_ranking *r, rs_fusion how, double rrf_k, double *out, double *room);

/* x becomes (x - mean) / sd; zeros where all are equal. */
void   rs_standardise(double *x, size_t n);
double rs_deviation(const double *x, size_t n);

#endif
