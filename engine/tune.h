/* tune.h - how hard an index must look for a wanted recall, measured on the archive's own
 * vectors against an exact search.
 *
 * Queries are some of the indexed vectors, each without itself among its results, and some
 * of the other kind: texts are searched among images too, and lie elsewhere in the space.
 * Recall is that of the worse of the two.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_TUNE_H
#define RS_ENGINE_TUNE_H

#include "base/arena.h"
#include "base/status.h"
#include "engine/archive.h"
#include "engine/vector_index.h"
#include "engine/vectors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- One index --------------------------------------------------------- */

/* Everything comes twice: for 10 results and for 100. */
enum { RS_TUNE_KS = 2, RS_TUNE_POINTS = 32 };
extern const size_t rs_tune_k[RS_TUNE_KS];

typedef struct {
    const float   *x;              /* [n x dim] */
    const int64_t *self;           /* [n]: the id that a query is, or 0 */
    size_t         n, own;         /* the first `own` are of the index's kind */
} rs_tune_queries;

/* Milliseconds are of this thread's processor time, a query. */
typedef struct {
    size_t effort;
    double recall[RS_TUNE_KS], ms[RS_TUNE_KS], p99_ms[RS_TUNE_KS];
} rs_tune_point;

typedef struct {
    rs_tune_point curve[RS_TUNE_POINTS];
    size_t        n;               /* 0 for flat */
    size_t        effort[RS_TUNE_KS];
    bool          reached;         /* the wanted recall, at both */
    double        ms[RS_TUNE_KS];  /* with that effort */
    double        exact_ms[RS_TUNE_KS];
    double        recall[RS_TUNE_KS];
} rs_tuned;

/* Measure, and leave `v` with the efforts found (the largest tried where none reaches
 * `recall`) and with the margin that finds as many of the exact results of a filter, among
 * them one that bars the lists that a query is nearest to. `whole`: the curve goes on beyond
 * what is needed. v is sealed. */
rs_status rs_tune(rs_vector_index *v, const rs_tune_queries *q, double recall, bool whole,
                  rs_tuned *out, rs_err *err);

/* ---- An archive -------------------------------------------------------- */

typedef struct {
    double   recall;               /* wanted at 10; (0, 1] */
    bool     kinds[RS_INDEX_KINDS];/* which to try; none: what suits the size */
    uint64_t memory;               /* bytes an index may take; 0: half of the machine's */
} rs_tune_options;

typedef struct {
    rs_index_setting setting;
    char     factory[RS_FACTORY_SIZE];
    double   build_s;
    uint64_t file_bytes, memory_bytes;
    rs_tuned tuned;
    bool     chosen;
} rs_tune_try;

typedef struct {
    size_t       vectors;          /* 0: nothing to tune */
    rs_tune_try *tries;  size_t n;
} rs_tune_report;

/* Build each kind of index over the archive's images and over its passages, measure them,
 * and keep the quickest that reaches the wanted recall as the next generation; its kind and
 * efforts stand in the catalog from then on, and later generations follow them. An exact
 * index that takes less than a millisecond is taken before any other. Writer only, not inside
 * a batch; readers go on. Reports live in `mem`. */
rs_status rs_archive_tune(rs_archive *a, const rs_tune_options *o, rs_arena *mem,
                          rs_tune_report report[RS_KINDS], rs_err *err);

#endif
