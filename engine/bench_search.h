/* bench_search.h - how fast the kinds of vector index answer, and how much they find.
 *
 * Clustered unit vectors that follow from a seed are indexed in each kind; queries of the
 * same clusters are asked with and without a filter that a share of the rows passes. What is
 * found is held against an exact search. Times are of this thread's processor time, so what
 * else runs shows only in its caches.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_BENCH_SEARCH_H
#define RS_ENGINE_BENCH_SEARCH_H

#include "base/status.h"
#include "engine/vector_index.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    size_t      n, dim;
    const char *index;             /* "ivf", or "faiss flat": by FAISS alone */
    const char *factory;
    double      share;             /* of the rows that pass the filter; 1: none */
    double      recall;            /* at 10 */
    double      per_second;        /* on one thread */
    double      p50_ms, p99_ms;
    double      build_s;           /* processor time, all threads */
    double      memory_mib, rss_mib, disk_mib;     /* of the index; of the process; of its file */
    size_t      effort;
} rs_bench_search_row;

typedef struct {
    size_t      n, dim, queries;
    uint64_t    seed;
    double      recall;            /* that efforts are chosen for */
    bool        kinds[RS_INDEX_KINDS];
    const char *folder;            /* for index files; removed again */
    /* Where to write what another program needs to do the same, or NULL: base.f32 and
     * queries.f32, rows of floats; rank.u32, a number below RS_BENCH_RANKS for each row;
     * truth-<share>.u32, the 10 nearest rows of each query among those with a rank below share *
     * RS_BENCH_RANKS (0xFFFFFFFF: none). */
    const char *export;
    void (*row)(void *ctx, const rs_bench_search_row *r);
    void       *ctx;
} rs_bench_search_request;

enum { RS_BENCH_RANKS = 1000000 };

rs_status rs_bench_search(const rs_bench_search_request *q, rs_err *err);

#endif
