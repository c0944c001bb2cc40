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
    rs_selection selection;        /* where it has a bitmap */
} rs_scope;

rs_status rs_scope_make(rs_archive *a, rs_kind kind, const rs_restriction *r, rs_arena *mem,
                        rs_scope *out, rs_err *err);

/* The best `depth` cases by the largest cosine between any of the n query vectors
 * x [n x dim] and any of the case's vectors of that kind. */
rs_status rs_probe_vectors(rs_archive *a, rs_probe probe, rs_kind kind, const float *x, size_t n,
                           const rs_scope *scope, size_t depth, rs_arena *mem, rs_ranking *out,
                           rs_err *err);

/* The best `depth` cases by BM25. */
rs_status rs_probe_words(rs_archive *a, const rs_text_query *q, const rs_restriction *r,
                         size_t depth, rs_arena *mem, rs_ranking *out, rs_err *err);

#endif
