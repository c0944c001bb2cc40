/* added_int.h - added tokens: found in a text as they stand, in front of everything else.
 *
 * Those that are not "normalized" part the raw text, the others what the normaliser made
 * of the parts. Of several that begin at one place the longest is taken; lstrip and
 * rstrip take the white space beside a match along. Time is linear in the text.
 *
 * Private to embeddings/. {0} finds nothing. Any thread may read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_ADDED_INT_H
#define RS_EMBEDDINGS_ADDED_INT_H

#include "embeddings/trie_int.h"

#include <stdbool.h>

enum { RS_ADDED_BYTES = 256 };   /* of one token's text */

typedef struct {
    int32_t id;
    bool strip_left, strip_right;
} rs_added;

typedef struct {
    rs_trie   trie;              /* values: places in `token` */
    rs_added *token;
    size_t    n, room;
} rs_added_set;

/* RS_ELIMIT for a text over RS_ADDED_BYTES; a text that is there already stays. */
rs_status rs_added_put(rs_added_set *s, const char *text, size_t len, rs_added token, rs_err *err);
void      rs_added_clear(rs_added_set *s);

/* Parts of a text, in order:
 *   rs_added_parts p = {.set = s, .text = text, .len = len};
 *   while (rs_added_next(&p, &part)) ...        part.token NULL: a piece between tokens */
typedef struct {
    const rs_added_set *set;
    const char *text;
    size_t len;
    size_t from, at;             /* handed out so far; searched so far */
    const rs_added *found;       /* the token that follows the piece just handed out */
} rs_added_parts;

typedef struct {
    const char *text;
    size_t len;
    const rs_added *token;
} rs_added_part;

bool rs_added_next(rs_added_parts *p, rs_added_part *part);

#endif
