/* fusion.h - rankings to one list: reciprocal rank fusion,
 *
 *   score(case) = sum over probes of weight / (k + rank of the case in that probe)
 *
 * Cormack, Clarke, Buettcher, SIGIR 2009: k = 60. A case that a probe does not rank gets
 * nothing from it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_FUSION_H
#define RS_ENGINE_FUSION_H

#include "base/arena.h"
#include "engine/probe.h"

#include <stddef.h>

typedef struct {
    int64_t     case_id;
    const char *key;
    double      score;
    size_t      rank[RS_PROBE_COUNT];        /* from 1; 0: this probe did not rank it */
} rs_fused;

/* weight: by probe, >= 0. Best first, equal scores by key. In `mem`; NULL on OOM. Every
 * ranking is of a probe of its own and ranks a case once. */
rs_fused *rs_fuse_rrf(const rs_ranking *rankings, size_t n_rankings, double k,
                      const double weight[RS_PROBE_COUNT], rs_arena *mem, size_t *n);

/* What one probe adds at a rank. */
double rs_rrf_part(double weight, double k, size_t rank);

#endif
