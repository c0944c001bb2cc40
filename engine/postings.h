/* postings.h - case_fts once more, in memory, as posting lists: what FTS5 ranks in tens of
 * milliseconds is ranked in one or two, with the same scores to the last bit.
 *
 * FTS5 is the truth and these are a cache: they are made from the text that it keeps, cut
 * by its own tokenizer, and each query follows what was written since, whoever wrote it.
 *
 *   documents   numbers in the order of coming, never used again; a case that was replaced
 *               gets a new one and the old one is dead
 *   words       a list each (posting_list.h), which grows at its end
 *   pieces      a phrase, words near each other or a beginning that was asked for becomes
 *               a list of its own, kept and grown like those of words
 *
 * So nothing is ever rebuilt because something was added: a new case costs what its words
 * cost, some 20 us, whether or not another process goes on indexing. Which known cases
 * changed is read from `case_changes`, new ones have higher ids; where that log does not
 * reach back far enough, or all reports were read by other tables (meta.reading), all is
 * made anew. What FTS5 counts of rows and tokens must then be what is counted
 * here, or all is made anew; so it is too once a quarter of the documents is dead (until
 * then their words are in memory, though nothing finds them). The generation is the
 * connection's (PRAGMA data_version and total changes), as in rs_lengths.
 *
 * Ranking is document at a time in windows of 4096, most promising first: MaxScore (Turtle,
 * Flood, IPM 31, 1995) over the groups of a query, with bounds by block (Ding, Suel, SIGIR
 * 2011). Only what may be among the best has its places read and is scored by rs_bm25_score.
 * The bounds hold for any weights of columns: see posting_list.h.
 *
 * One thread at a time, one for each text index.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_POSTINGS_H
#define RS_ENGINE_POSTINGS_H

#include "base/arena.h"
#include "base/status.h"
#include "engine/bm25.h"
#include "engine/db.h"
#include "engine/text_index.h"
#include "engine/top.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rs_postings rs_postings;

/* Empty. `db` and `tokens` are borrowed. */
rs_status rs_postings_new(rs_postings **out, rs_db *db, rs_tokens *tokens, rs_err *err);
void      rs_postings_free(rs_postings *p);             /* NULL is fine */

/* Take in what case_fts has and these have not, for about `budget_s`; *current: that is
 * all, so that queries may be asked until something is written. Where there is not the
 * memory, all is let go, *current is false and it is not tried again. Not inside a write
 * transaction. RS_EIO, RS_ECORRUPT, RS_ECANCEL, RS_ELIMIT. */
rs_status rs_postings_follow(rs_postings *p, double budget_s, bool *current, rs_err *err);
/* It was current when it was last followed. */
bool      rs_postings_ready(const rs_postings *p);

typedef struct {
    size_t cases, dead, words, pieces;
    size_t bytes;                  /* of memory, pieces included */
} rs_postings_size;

rs_postings_size rs_postings_measure(const rs_postings *p);

/* ---- Queries: only while current ------------------------------------- */

size_t   rs_postings_cases(const rs_postings *p);
double   rs_postings_mean(const rs_postings *p);        /* tokens a case */

/* Make the pieces that `q` needs. *can is false where one would be too large (a beginning
 * of very many words). RS_ENOMEM, RS_ECANCEL. */
rs_status rs_postings_can(rs_postings *p, const rs_text_query *q, rs_arena *mem, bool *can,
                          rs_err *err);

/* How many cases have a term of group g that is its own, or quite the same. */
rs_status rs_postings_count(rs_postings *p, const rs_text_query *q, size_t g, bool own,
                            rs_arena *mem, size_t *out, rs_err *err);

/* What else a query may find: NULL or 0 for no condition. */
typedef struct {
    const uint64_t *pass;          /* bit `id` of it: may this case be found? */
    size_t          n_pass;        /* bits; ids from there on may not */
    const int64_t  *left_out;      /* cases that may not */
    size_t          n_left_out;
} rs_postings_scope;

/* Every case that may be among the best `top->limit` into `top`, for rs_top_end(). The
 * columns of a group are those of its `weight`; plan->groups has what they are worth, which
 * must be above 0 there. RS_ENOMEM, RS_ECANCEL. */
rs_status rs_postings_rank(rs_postings *p, const rs_text_query *q, const rs_bm25_plan *plan,
                           const rs_postings_scope *scope, rs_top *top, rs_arena *mem,
                           rs_err *err);

#endif
