/* bm25.h - the ranking function: an auxiliary function of FTS5, rs_bm25(case_fts, plan).
 *
 *   score(d) = sum over groups g of  idf(g) * sat(tf(g))
 *            + wider * sum over g of idf'(g) * best * sat(tf'(g) / best)
 *   sat(tf)  = tf (k1 + 1) / (tf + k1 (1 - b + b |d| / avg))
 *   tf(g)    = sum over the places in d of g's own phrases of  w(column)
 *   tf'(g)   = sum over the places in d of all g's phrases p of  w(p) * w(column)
 *   best     = the largest w(p) of a phrase of g that is in d
 *   idf(g)   = log((N - n + 0.5) / (n + 0.5)), at least 1e-6; n: rows with any of these
 *
 * k1 = 1.2, b = 0.75 where a plan says no other; |d| counts all tokens of the row. A
 * group's own phrases are what was asked for; the wider sum, left out of a plain query,
 * takes in what else it is called and what is related, and however often that stands in a
 * report, it is worth less than the thing itself. Without it and with one phrase a group
 * this is FTS5's own bm25(), which is the textbook's (Robertson, Zaragoza 2009), to the last
 * bits; it is faster because lengths are read once for many queries and not once a row.
 * Phrases as one term: the "synonym" operator of Pirkola, SIGIR 1998. A query that was read
 * adds for each pair of its groups
 *
 *   near * (idf'(g) + idf'(h)) / 2 * min(w) / d     d: tokens between, at most 10
 *
 * after Buettcher, Clarke, Lushman, SIGIR 2006.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_BM25_H
#define RS_ENGINE_BM25_H

#include "base/arena.h"
#include "base/status.h"
#include "engine/db.h"
#include "engine/restriction.h"
#include "engine/strmap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RS_BM25_MAX_COLUMNS = 16 };

/* The length of each row in tokens, and the rows that were counted for a group: kept
 * until the database changes. {0} is an empty one. */
typedef struct {
    int64_t   *ids;                /* ascending; NULL where they are 1 to n without a gap */
    uint32_t  *tokens;
    size_t     n;
    double     mean;
    int64_t    data_version, changes;        /* of the database when it was read */
    bool       known;
    rs_arena   mem;                /* of the counts */
    rs_strmap  counts;             /* FTS5 expression -> rows + 1 */
} rs_lengths;

void      rs_lengths_clear(rs_lengths *l);
/* Bring it up to date with case_fts. */
rs_status rs_lengths_refresh(rs_lengths *l, rs_db *db, rs_err *err);
/* How many rows `match` finds. */
rs_status rs_lengths_count(rs_lengths *l, rs_db *db, const char *match, size_t *out, rs_err *err);

typedef struct {
    size_t group;
    double weight;                 /* w(p); 0: a further part of the phrase before, which
                                      counts where all its parts are */
    bool   own;
} rs_bm25_phrase;

typedef struct {
    double idf, wider_idf;
    double column[RS_BM25_MAX_COLUMNS];
} rs_bm25_group;

/* Everything that a row's score hangs on; handed to rs_bm25() as a pointer. */
typedef struct {
    const rs_lengths     *lengths;   /* NULL: rs_bm25_score() is told them */
    double                mean;      /* length of a row */
    const rs_restriction *only;      /* other rows get no score, but NULL; may be NULL */
    const rs_bm25_phrase *phrases;   size_t n_phrases;      /* as in the MATCH expression */
    const rs_bm25_group  *groups;    size_t n_groups;
    double                wider;     /* what the wider sum is worth; 0: nothing */
    struct rs_bm25_count *counts;    /* [n_groups], room to work in */
    double                b;         /* how much a row's length counts; the textbook's 0.75 */
    double                near;      /* what standing near is worth; 0: nothing */
    struct rs_bm25_place *places;    /* room for the places of groups; NULL where near is 0 */
} rs_bm25_plan;

#define RS_BM25_K1 1.2
#define RS_BM25_B 0.75
#define RS_BM25_POINTER "rs_bm25_plan"
double rs_bm25_idf(size_t rows, size_t with);
/* Room for a plan's work, in `mem`; false on OOM. */
bool      rs_bm25_room(rs_bm25_plan *p, rs_arena *mem);
/* One row's score: begin, then each place of each phrase in their order, then the score
 * of a row that is `length` tokens long. FTS5 and posting lists both come here, so that
 * their scores are the same to the last bit. */
void      rs_bm25_begin(const rs_bm25_plan *p);
void      rs_bm25_at(const rs_bm25_plan *p, size_t phrase, int column, int offset);
double    rs_bm25_score(const rs_bm25_plan *p, uint32_t length);
/* Make rs_bm25() known to a connection. */
rs_status rs_bm25_register(rs_db *db, rs_err *err);

#endif
