/* probe.h - one way to look: a part of a query against one index, giving a ranking of
 * cases. A case stands in a ranking once, with its best image or passage.
 *
 * All inside the archive's snapshot, after rs_archive_refresh; results live in `mem`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_PROBE_H
#define RS_ENGINE_PROBE_H

#include "base/arena.h"
#include "engine/archive_int.h"
#include "engine/query.h"
#include "engine/restriction.h"
#include "engine/text_index.h"

/* Cases best first, equal scores by key; ranks are 1 + the index. */
typedef struct {
    rs_probe   probe;
    rs_ranked *rows;
    size_t     n;
} rs_ranking;

/* What a vector probe may find: made once per query and kind. */
typedef struct {
    const rs_restriction *only;    /* borrowed */
    rs_selection selection;        /* where that has a bitmap */
} rs_scope;

rs_status rs_scope_make(rs_archive *a, rs_kind kind, const rs_restriction *r, rs_arena *mem,
                        rs_scope *out, rs_err *err);

/* A vector [dim] to look for, or, where the weight is negative, away from. */
typedef struct {
    const float *x;
    double       weight;
} rs_asked_vector;

/* The best `depth` cases by late interaction (query.h) with their vectors of that kind; at
 * least one weight is positive. One vector: what sorting all cases by their nearest would
 * give. Several: each positive one is asked for its nearest cases, which are then compared
 * with all of them exactly; it goes on until what none of them has shown yet cannot be among
 * the best (Fagin, Lotem, Naor, PODS 2001), or, where that takes too long, after
 * RS_PROBE_ROUNDS times as many, each time fourfold. item: what the strongest part matched. */
enum { RS_PROBE_ROUNDS = 4 };
rs_status rs_probe_vectors(rs_archive *a, rs_probe probe, rs_kind kind, const rs_asked_vector *q,
                           size_t n, const rs_scope *scope, size_t depth, rs_arena *mem,
                           rs_ranking *out, rs_err *err);

/* The best `depth` cases by the weighted mean of BM25 over n texts; with several, over the
 * best of each (four times `depth`), less what the negative ones give these. */
rs_status rs_probe_words(rs_archive *a, const rs_text_query *const *q, const double *weight,
                         size_t n, const rs_restriction *r, size_t depth, rs_arena *mem,
                         rs_ranking *out, rs_err *err);

/* Late interaction of one case: its vectors y [n x dim] under n_q asked for; the one that the
 * strongest part matched in *best (may be NULL). */
double rs_late_interaction(const rs_asked_vector *q, size_t n_q, const float *y, size_t n,
                           size_t dim, size_t *best);

#endif
