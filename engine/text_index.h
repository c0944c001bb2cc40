/* text_index.h - the words of the cases: FTS5, a query line that cannot be wrong, BM25,
 * and which words of a text a query asked for.
 *
 * One FTS5 row a case. Its columns keep apart what the report says of a thing (report.h),
 * so that "pneumothorax" finds the reports that have one and "no pneumothorax" those that
 * rule one out:
 *
 *   title        what the title affirms
 *   findings     what the findings affirm, or a report without sections
 *   impression   what impression, conclusion or diagnosis affirm
 *   uncertain    what is possible, and differential diagnoses
 *   negated      what is ruled out
 *   normal       what is called normal
 *   history      the history section, and what was there once
 *   other        technique, comparison, advice, headings
 *   labels       finding labels, modality, body part, view
 *
 * Every word of a case is in one column, so that all columns together are the case as it
 * was written: searched with equal weights they are plain BM25.
 *
 * One thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_TEXT_INDEX_H
#define RS_ENGINE_TEXT_INDEX_H

#include "base/arena.h"
#include "base/status.h"
#include "engine/case_keys.h"
#include "engine/db.h"
#include "engine/lexicon.h"
#include "engine/query.h"
#include "engine/restriction.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* column, name, what a word in it is worth to a query that does not say otherwise */
#define RS_TEXT_COLUMNS(X)                                                              \
    X(TITLE, "title", 1.0) X(FINDINGS, "findings", 1.0)                                 \
    X(IMPRESSION, "impression", 1.0) X(UNCERTAIN, "uncertain", 0.5)                     \
    X(NEGATED, "negated", 0.0) X(NORMAL, "normal", 0.0) X(HISTORY, "history", 0.5)      \
    X(OTHER, "other", 0.5) X(LABELS, "labels", 1.0)

typedef enum {
#define RS_TEXT_ENUM(name, text, weight) RS_TEXT_##name,
    RS_TEXT_COLUMNS(RS_TEXT_ENUM)
#undef RS_TEXT_ENUM
    RS_TEXT_COUNT
} rs_text_column;

const char *rs_text_column_name(rs_text_column c);          /* "impression" */

typedef struct rs_text_index rs_text_index;

/* `db`, `keys` and `lexicon` are borrowed; the lexicon may be changed for another. */
rs_status rs_text_index_new(rs_text_index **out, rs_db *db, rs_case_keys *keys,
                            const rs_lexicon *lexicon, rs_err *err);
void      rs_text_index_free(rs_text_index *t);         /* NULL is fine */
void      rs_text_index_use(rs_text_index *t, const rs_lexicon *lexicon);

/* The row of a case that has none / away with it. Inside a batch. */
rs_status rs_text_index_put(rs_text_index *t, int64_t case_id,
                            const char *const text[RS_TEXT_COUNT], rs_err *err);
rs_status rs_text_index_remove(rs_text_index *t, int64_t case_id, rs_err *err);

/* ---- Queries --------------------------------------------------------- */

enum { RS_QUERY_MAX_TERMS = 64, RS_QUERY_MAX_PHRASES = 512, RS_QUERY_MAX_BYTES = 16 * 1024 };

/* A word or phrase as the index sees it. */
typedef struct {
    const char *const *tokens;     /* stemmed, in order */
    size_t n;
    bool   prefix;                 /* the last one is a beginning */
    size_t group;                  /* which of the query's it stands for */
    double weight;                 /* how much it means that; 0: the other part of a term
                                      in parts, which counts once */
    bool   own;                    /* it is what was asked */
    bool   core;                   /* it means quite the same */
} rs_term;

/* One thing that the query asks for, with all that it may be called. */
typedef struct {
    const char *match;             /* FTS5: any of its terms, in its columns */
    const char *own;               /* those that are what was asked; NULL for none */
    const char *core;              /* those that mean quite the same */
    const char *asked;             /* as the query has it */
    double weight[RS_TEXT_COUNT];  /* of a word by column; 0: not looked for there */
} rs_term_group;

typedef struct {
    const rs_term *terms;          size_t n;     /* in the order of FTS5's phrases */
    const rs_term_group *groups;   size_t n_groups;
    bool read;                     /* RS_WORDS_READ */
    const char *match;             /* FTS5: any of the groups; NULL where there is none */
    const char *exclude;           /* FTS5: any word ruled out; NULL where there is none */
    const char *plain;             /* the text without operators and ruled-out words, valid
                                      UTF-8: for an encoder; "" where nothing is left */
} rs_text_query;

/* Any bytes are a query: at most RS_QUERY_MAX_BYTES of them and RS_QUERY_MAX_TERMS terms
 * are read. "a phrase" stays together, so do words with - ' . inside; -word rules out;
 * word* is a beginning; column:word looks in one column (report: in all); small common
 * words are left out unless there are no others.
 *
 * RS_WORDS_READ: the line is read as a report is, so that "no effusion" asks for what is
 * negated; words are looked for under all names that the lexicon has, those of the line
 * itself excepted that are quoted, begin with * or have a column; -word rules out what is
 * affirmed, not what is negated too. RS_WORDS_PLAIN: the words, in all columns alike. */
rs_status rs_text_query_compile(rs_text_index *t, const char *text, rs_words words,
                                rs_arena *mem, rs_text_query *out, rs_err *err);

/* A case in a ranking. */
typedef struct {
    int64_t     case_id;
    const char *key;
    double      score;             /* larger is better */
    int64_t     item;              /* the image or passage that earned it; 0: none */
} rs_ranked;

/* The best `limit` cases by BM25 (bm25.h), equal scores by key. A group counts as one
 * term: its tf is the weighted sum over its names, its idf that of the cases which have
 * any. weights: per column, instead of those of the groups; NULL: those. Groups of a
 * query that was read gain by standing near each other. */
rs_status rs_text_index_rank(rs_text_index *t, const rs_text_query *q, const rs_restriction *r,
                             const double weights[RS_TEXT_COUNT], size_t limit, rs_arena *mem,
                             rs_ranked **out, size_t *n, rs_err *err);

/* Posting lists in memory (postings.h) rank what they can, FTS5 the rest, with the same
 * result. They are made bit by bit beside queries, once a few of these on a large index
 * have shown that it pays. */
typedef enum {
    RS_TEXT_AUTO,
    RS_TEXT_FTS5,                  /* never by posting lists */
    RS_TEXT_MEMORY                 /* by posting lists, made at once where they are not yet */
} rs_text_mode;

void      rs_text_index_mode(rs_text_index *t, rs_text_mode mode);
/* Make them now, all of them. RS_OK too where there is not the memory for them. */
rs_status rs_text_index_prepare(rs_text_index *t, rs_err *err);

/* What a case would score that had everything asked for about once: the sum of the groups' idf,
 * those that no case has included. */
rs_status rs_text_query_worth(rs_text_index *t, const rs_text_query *q, double *out, rs_err *err);

/* Where in `text` terms of `q` occur: spans ascending and apart; *distinct counts the
 * groups found. */
rs_status rs_text_query_spans(rs_text_index *t, const rs_text_query *q, const char *text,
                              rs_arena *mem, rs_span **spans, size_t *n, size_t *distinct,
                              rs_err *err);

#endif
