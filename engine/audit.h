/* audit.h - an archive looked over as a whole: what it covers, how well it finds for whom, what
 * it cannot find, whether what came last is like the rest, and which cases look wrong.
 *
 * Counts are of all cases. What compares cases with each other takes a sample of at most
 * `sample` of them, drawn by chance with `seed`: its time grows with the square of that. The
 * same archive, options and seed give the same audit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_AUDIT_H
#define RS_ENGINE_AUDIT_H

#include "engine/quality.h"
#include "engine/shift.h"
#include "engine/suspects.h"

typedef struct {
    size_t      sample, queries;   /* cases compared; of them, cases that ask */
    size_t      few;               /* a finding of fewer cases is a hole */
    size_t      top;               /* suspects of each kind */
    uint64_t    seed;
    const char *since;             /* see rs_newest_of */
    rs_pool    *pool;              /* may be NULL */
} rs_audit_options;

/* 10000 cases, 2000 queries, 10 few, 20 top, seed 1, since "10%". */
rs_audit_options rs_audit_default(void);

typedef struct { rs_suspect *list; size_t n, all; } rs_suspect_list;

typedef struct {
    rs_census         census;
    rs_vicinity       vicinity;
    size_t            images, passages, without_image, without_report, without_label;
    rs_quality_case  *asked;   size_t n_asked;
    rs_interval       precision, ndcg;             /* of all queries; NaN where none */
    rs_quality_group *groups;  size_t n_groups;
    rs_quality_hole  *holes;   size_t n_holes;
    rs_newest         newest;
    rs_shift          shifts[RS_SHIFTS];
    rs_suspect_list   suspects[RS_SUSPECTS];
} rs_audit;

/* All of it in `mem`. RS_EARG: `since` cannot be read. RS_ECORRUPT, RS_EIO, RS_ENOMEM. */
rs_status rs_audit_run(rs_archive *a, const rs_audit_options *o, rs_arena *mem, rs_audit *out,
                       rs_err *err);

#endif
