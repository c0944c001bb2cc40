/* bench_text.h - how fast words are ranked: FTS5's own order, FTS5 with our function, and
 * posting lists, over the same made reports and queries.
 *
 * Reports of 40 to 80 words follow from a seed: words as often as Zipf's law has them, most of
 * them made up and some of a radiologist's, so that a query that is read finds other names
 * too. Every way must give the same scores. Times are of this thread's processor time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_BENCH_TEXT_H
#define RS_ENGINE_BENCH_TEXT_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *way;               /* "fts5 rank", "fts5 + rs_bm25", "posting lists" */
    const char *words;             /* of the queries: "common", ... */
    const char *asked;             /* "first": as new; "again": what is kept is there;
                                      "changed": after 50 cases were replaced */
    size_t      cases, queries;
    double      matches;           /* cases that a query matches, on average */
    double      p50_ms, p99_ms;
    double      build_s, memory_mib;       /* of the posting lists; 0 for the others */
} rs_bench_text_row;

typedef struct {
    size_t      cases, queries, k;
    uint64_t    seed;
    const char *folder;            /* for the archive; removed by the caller */
    /* Where to write what another program needs to do the same, or NULL: cases.txt, a case
     * a line, its stems parted by blanks; queries.txt, of words, a tab and stems;
     * scores.txt, the k best scores of each of them. */
    const char *export;
    void (*row)(void *ctx, const rs_bench_text_row *r);
    void       *ctx;
} rs_bench_text_request;

/* RS_EMISMATCH: two ways gave different scores. */
rs_status rs_bench_text(const rs_bench_text_request *q, rs_err *err);

#endif
