/* check_int.h - an answer beside its evidence; inside engine/ only.
 *
 *   check_read.c    a text as tokens with state and side, numbers with units, findings
 *   check_align.c   the same thing elsewhere: is it said alike there?
 *   check.c         flags, support, what is shown
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_CHECK_INT_H
#define RS_ENGINE_CHECK_INT_H

#include "engine/check.h"
#include "engine/strmap.h"

/* A number of a text. */
typedef struct {
    double      value;           /* of lengths in mm */
    const char *unit;            /* "mm", "%", "year", "ml", ...; NULL for none */
    const char *word;            /* of "T2": the whole, lower case; NULL for a mere number */
    size_t      token;           /* which it stands at */
} rs_amount;

/* One sentence, of the evidence or of the answer. */
typedef struct {
    const char     *text;
    const rs_cited *cited;       /* NULL for a title, a head and answers */
    size_t          item;        /* its number; 0 for answers */
    rs_token       *tokens;      size_t n;
    rs_state       *states;      /* [n] */
    rs_side        *sides;       /* [n] */
    bool           *content;     /* [n]: neither small nor a frame word, a side or a number */
    rs_mention     *mentions;    size_t n_mentions;
    rs_amount      *amounts;     size_t n_amounts;
} rs_line;

typedef struct {
    const rs_lexicon *l;
    const rs_context *c;
    const rs_check_options *o;
    rs_arena *mem;
    rs_err   *err;
    rs_strmap frame;             /* stems that speak of cases and reports as such */
    rs_line  *lines;  size_t n;  /* the evidence, item by item */
} rs_checker;

/* The lines of a context that a sentence cites. */
typedef struct { const rs_line **rows; size_t n; } rs_lines;

rs_status rs_check_no_memory(const rs_checker *k);
rs_status rs_line_read(rs_checker *k, const char *text, rs_line *out);

/* Each sets flags of *r where the answer's line `a` says other than the cited lines. */
void rs_check_states(const rs_line *a, const rs_lines *cited, rs_checked *r);
void rs_check_sides(const rs_line *a, const rs_lines *cited, rs_checked *r);
void rs_check_mentions(const rs_line *a, const rs_lines *cited, rs_checked *r);
void rs_check_amounts(const rs_line *a, const rs_lines *cited, rs_checked *r);

/* Say that `flag` is set because of bytes [begin, end) of the line. */
void rs_check_flag(rs_checked *r, rs_flag flag, const char *about);

#endif
