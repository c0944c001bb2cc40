/* report.h - a report read: what it says is there, not there, perhaps there, normal, or
 * past, word by word; and the findings it names, with state, side and size.
 *
 * Queries are read by the same functions, so that "no pneumothorax" asks for reports
 * that rule one out.
 *
 * Time is linear in the text. One thread at a time for each lexicon. Results live in the
 * caller's arena; positions are bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_REPORT_H
#define RS_ENGINE_REPORT_H

#include "base/arena.h"
#include "base/status.h"
#include "engine/archive.h"
#include "engine/lexicon.h"

#include <stddef.h>

/* Words in a row, of one sentence, that a text says the same of. */
typedef struct {
    size_t   begin, end;
    rs_state state;
} rs_statement;

/* Bytes [begin, end) of `text` as statements: ascending, apart; what lies between them
 * has no words. RS_ENOMEM, RS_ELIMIT. */
rs_status rs_report_read(const rs_lexicon *l, const char *text, size_t begin, size_t end,
                         rs_arena *mem, rs_statement **out, size_t *n, rs_err *err);

typedef enum { RS_SIDE_NONE, RS_SIDE_LEFT, RS_SIDE_RIGHT, RS_SIDE_BILATERAL } rs_side;
const char *rs_side_name(rs_side s);             /* "left"; NULL for none */

/* A finding or device that a report names. */
typedef struct {
    const char *finding;       /* the lexicon's name for it; borrowed from the lexicon */
    const char *section;       /* as in the sections given; NULL outside of all */
    size_t      begin, end;    /* where it is named */
    rs_state    state;
    rs_side     side;
    double      size;          /* the largest measure that belongs to it; 0 for none */
    const char *unit;          /* "cm" or "mm"; NULL for none */
} rs_mention;

/* All of them, in the order of the text. What a history section names is historical,
 * unless negated. RS_ENOMEM, RS_ELIMIT. */
rs_status rs_report_mentions(const rs_lexicon *l, const char *text, const rs_section *sections,
                             size_t n_sections, rs_arena *mem, rs_mention **out, size_t *n,
                             rs_err *err);

#endif
