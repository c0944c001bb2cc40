/* text_index.h - the words of the cases: FTS5, a query line that cannot be wrong, BM25,
 * and which words of a text a query asked for.
 *
 * One FTS5 row a case, with columns title, findings, impression, history, other and
 * labels; tokens are what "porter unicode61 remove_diacritics 2" makes of them. The same
 * tokenizer is used here to read queries and to mark matches.
 *
 * One thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_TEXT_INDEX_H
#define RS_ENGINE_TEXT_INDEX_H

#include "base/arena.h"
#include "base/status.h"
#include "engine/db.h"
#include "engine/filter.h"
#include "engine/query.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* column, weight in BM25 */
#define RS_TEXT_COLUMNS(X)                                                       \
    X(TITLE, 1.0) X(FINDINGS, 1.0) X(IMPRESSION, 1.0) X(HISTORY, 1.0)            \
    X(OTHER, 1.0) X(LABELS, 1.0)

typedef enum {
#define RS_TEXT_ENUM(name, weight) RS_TEXT_##name,
    RS_TEXT_COLUMNS(RS_TEXT_ENUM)
#undef RS_TEXT_ENUM
    RS_TEXT_COUNT
} rs_text_column;

typedef struct rs_text_index rs_text_index;

/* `db` is borrowed. */
rs_status rs_text_index_new(rs_text_index **out, rs_db *db, rs_err *err);
void      rs_text_index_free(rs_text_index *t);         /* NULL is fine */

/* The row of a case that has none / away with it. Inside a batch. */
rs_status rs_text_index_put(rs_text_index *t, int64_t case_id,
                            const char *const text[RS_TEXT_COUNT], rs_err *err);
rs_status rs_text_index_remove(rs_text_index *t, int64_t case_id, rs_err *err);
/* The column for a section of that name. */
rs_text_column rs_text_column_of(const char *section);

/* ---- Queries --------------------------------------------------------- */

enum { RS_QUERY_MAX_TERMS = 64, RS_QUERY_MAX_BYTES = 16 * 1024 };

/* A word or phrase as the index sees it. */
typedef struct {
    const char *const *tokens;     /* stemmed, in order */
    size_t n;
    bool   prefix;                 /* the last one is a beginning */
} rs_term;

typedef struct {
    const rs_term *terms;  size_t n;     /* what is wanted, each once */
    const char *match;             /* FTS5: any of the terms; NULL where there is none */
    const char *exclude;           /* FTS5: any word ruled out; NULL where there is none */
    const char *plain;             /* the text without operators and ruled-out words, valid
                                      UTF-8: for an encoder; "" where nothing is left */
} rs_text_query;

/* Any bytes are a query: at most RS_QUERY_MAX_BYTES of them and RS_QUERY_MAX_TERMS terms
 * are read. "a phrase" stays together, so do words with - ' . inside; -word rules out;
 * word* is a beginning; small common words are left out unless there are no others. */
rs_status rs_text_query_compile(rs_text_index *t, const char *text, rs_arena *mem,
                                rs_text_query *out, rs_err *err);

/* A case in a ranking. */
typedef struct {
    int64_t     case_id;
    const char *key;
    double      score;             /* larger is better */
    int64_t     item;              /* the image or passage that earned it; 0: none */
} rs_ranked;

/* The best `limit` cases by BM25 (k1 1.2, b 0.75, as FTS5 defines it: a term's idf is
 * log((N - n + 0.5) / (n + 0.5)), at least 1e-6), equal scores by key. weights: per
 * column, NULL: the table above. */
rs_status rs_text_index_rank(rs_text_index *t, const rs_text_query *q, const rs_restriction *r,
                             const double weights[RS_TEXT_COUNT], size_t limit, rs_arena *mem,
                             rs_ranked **out, size_t *n, rs_err *err);

/* Where in `text` terms of `q` occur: spans ascending and apart; *distinct counts the
 * terms found. */
rs_status rs_text_query_spans(rs_text_index *t, const rs_text_query *q, const char *text,
                              rs_arena *mem, rs_span **spans, size_t *n, size_t *distinct,
                              rs_err *err);

#endif
