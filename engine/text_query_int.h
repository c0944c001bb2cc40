/* text_query_int.h - a query on its way from a line to FTS5's expression; see text_query.c
 * for the line and term_group.c for the expression.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_ENGINE_TEXT_QUERY_INT_H
#define RS_ENGINE_TEXT_QUERY_INT_H

#include "engine/text_index_int.h"

#include "base/bytes.h"
#include "engine/lexicon_int.h"
#include "engine/query_line.h"

/* A word or phrase of the line, as stems. */
typedef struct {
    rs_query_item it;
    const rs_token *stems;  size_t n;
    const rs_token *known;  size_t n_known;   /* as the lexicon spells it */
    rs_state state;
    bool     cue;              /* "no", "history of": it says how, not what */
    bool     stop;
} rs_query_word;

typedef struct {
    rs_text_index *t;
    rs_words  mode;
    rs_arena *mem;
    rs_err   *err;
    char     *clean;
    rs_query_word *words;           size_t n_words;
    rs_term  *terms;           size_t n, cap;
    rs_term_group *groups;     size_t n_groups;
    rs_buf    piece;           /* of FTS5's expression: a phrase, or parts near each other */
    rs_buf    expr, core, own; /* of the group being made: all pieces, those quite the same,
                                  those that are what was asked */
    rs_buf    exclude, plain;
    size_t    n_exclude;
} rs_query_compiler;

/* A group, or part of what is ruled out, of words w[0, n), which the lexicon knows as
 * `which`, under all names; or of w[0] as it stands. */
rs_status rs_group_known(rs_query_compiler *c, const rs_query_word *w, size_t n, uint32_t which);
rs_status rs_group_alone(rs_query_compiler *c, const rs_query_word *w);
rs_status rs_query_no_memory(const rs_query_compiler *c);

#endif
