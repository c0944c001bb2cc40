/* search_int.h - one search on its way; inside engine/ only.
 *
 *   query.c           is it a query?
 *   query_vectors.c   its parts as words and vectors
 *   search.c          probes, fusion, what is left out
 *   rescore.c         the best ones looked at again
 *   evidence.c        what speaks for each hit
 *   regions.c         boxes: a query's as vectors, a hit's out of the catalog
 *   stand.c           which rows become hits: folding, diversity
 *   contrast.c        the nearest case of another diagnosis
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_SEARCH_INT_H
#define RS_ENGINE_SEARCH_INT_H

#include "engine/fusion.h"
#include "engine/probe.h"
#include "engine/query.h"

/* A text of the query as words. */
typedef struct {
    rs_text_query query;
    double        weight;
} rs_asked_words;

/* Vectors of the query that are looked for in one probe. */
typedef struct {
    rs_asked_vector *rows;
    size_t           n;
} rs_asked;

/* All that belongs to one search; everything lives in `mem`. */
typedef struct {
    rs_archive     *a;
    const rs_query *q;
    rs_arena       *mem;
    rs_err         *err;
    rs_result      *out;
    rs_asked_words *words;             /* [n_words]; weights may be negative */
    size_t          n_words;
    bool            looked_for[RS_STATE_COUNT];    /* states that a word is worth most in */
    rs_asked        texts, images, regions;
    rs_asked        like[RS_KINDS];    /* vectors of cases asked for: images, passages, whole */
    rs_filter       filter;            /* without steps where there is none */
    const char     *exclude;           /* FTS5: words that a case may not have, or NULL */
    rs_restriction  seen;              /* what the asker may see at all */
    rs_restriction  restriction;       /* what the query may find */
    rs_scope        scope[RS_KINDS];
    bool            scoped[RS_KINDS];
    size_t          depth;
    double          weight[RS_PROBE_COUNT];    /* the query's, as words_first has them */
    rs_ranking      rankings[RS_PROBE_COUNT];
    size_t          n_rankings;
    rs_fused       *fused;
    size_t          n_fused;
    struct rs_stand *stands;           /* the rows that become hits, in order */
    size_t          n_stands;
} rs_search_state;

/* A row of s->fused that becomes a hit, and the rows that fold into it. */
typedef struct rs_stand {
    size_t     row;
    rs_folded *folded;
    size_t     n_folded;
} rs_stand;

/* RS_EARG says what makes no sense. */
rs_status rs_query_check(const rs_query *q, rs_err *err);

/* Words and vectors of texts and images: before the snapshot, for it takes longest. Without an
 * encoder in the archive there are no vectors to compare with, and none are made. */
rs_status rs_query_encode(rs_search_state *s);
/* Vectors of the cases asked for, which are not among their own hits. Inside the snapshot. */
rs_status rs_query_find_cases(rs_search_state *s);
/* All that the query has as one unit vector [dim], put together as a case's is (put.c); NULL
 * where there is nothing or it cancels out. Inside the snapshot; *st says of memory. */
const float *rs_query_whole(rs_search_state *s, rs_status *st);

/* The scope of a kind, made when it is first asked for. */
rs_status rs_search_scope(rs_search_state *s, rs_kind kind, rs_scope **out);

/* Which rows of the fused list become hits, at most q->k: s->stands, in order. */
rs_status rs_search_stands(rs_search_state *s);

/* Order the first n of s->fused anew; see fusion.h. */
rs_status rs_search_rescore(rs_search_state *s, size_t n);

/* The nearest case of another diagnosis into hit->contrast, where there is one. */
rs_status rs_search_contrast(rs_search_state *s, int64_t case_id, rs_hit *hit);

/* The hit of one fused row. */
rs_status rs_search_hit(rs_search_state *s, const rs_fused *f, size_t rank, rs_hit *hit);

#endif
