/* query_line.h - a line of text cut into what a query asks for; inside engine/ only.
 *
 *   line  = { item | anything else }
 *   item  = [ "-" ] [ column ":" ] ( word [ "*" ] | '"' any '"' )
 *
 * A word is letters and digits, with - ' between them and a point between digits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_QUERY_LINE_H
#define RS_ENGINE_QUERY_LINE_H

#include "base/arena.h"
#include "engine/text_index.h"

#include <stdbool.h>
#include <stddef.h>

enum { RS_COLUMN_ANY = -1, RS_COLUMN_ALL = -2 };

typedef struct {
    const char *text;                    /* of the word or phrase alone */
    size_t      len;
    const char *from;                    /* where its operators begin */
    bool        quoted, prefix, negative;
    int         column;                  /* rs_text_column, RS_COLUMN_ANY, or _ALL: report: */
} rs_query_item;

/* The text cut to RS_QUERY_MAX_BYTES, what is not UTF-8 or a control character made a
 * space; in `mem`. NULL on OOM. */
char *rs_query_clean(const char *text, rs_arena *mem);

/* The next item at or after *at of the clean text `start`, and *at moved behind it; false
 * at the end. */
bool rs_query_next(const char **at, const char *start, rs_query_item *out);

/* A small common word that stands there as it is. */
bool rs_query_is_stop_word(const rs_query_item *it);

#endif
