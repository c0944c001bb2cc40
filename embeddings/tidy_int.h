/* tidy_int.h - what open_clip does to a text before its tokenizer sees it ("clean").
 *
 *   whitespace     ftfy.fix_text, HTML entities resolved twice, white space folded and
 *                  stripped: the default, so BiomedCLIP's
 *   lower          the same in lower case
 *   canonicalize   "_" a space, ASCII's signs dropped, lower case: its SigLIP models
 *
 * Of ftfy.fix_text that which changes a well-made text: entities, curly quotes made
 * straight, Latin ligatures and full-width forms resolved, Windows-1252 in place of C1
 * controls, control characters dropped, NFC. Its guesses at text that was decoded with
 * the wrong encoding, and terminal escapes, are left out. Of the entities the common ones
 * are known, and all numbers. Equal to open_clip's on all captions of the openly licensed
 * set that the tests use; of 6,846, 167 hold a curly quote and differ without this.
 *
 * Private to embeddings/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_TIDY_INT_H
#define RS_EMBEDDINGS_TIDY_INT_H

#include "base/bytes.h"
#include "base/status.h"

typedef enum { RS_TIDY_NONE, RS_TIDY_SPACE, RS_TIDY_LOWER, RS_TIDY_CANONICAL } rs_tidy_kind;

/* *kind of "whitespace", "lower" or "canonicalize"; false for another name. */
bool rs_tidy_named(rs_tidy_kind *kind, const char *name);
/* text becomes tidy; `room` is scratch. Valid UTF-8 in and out. RS_ENOMEM. */
rs_status rs_tidy(rs_tidy_kind kind, rs_buf *text, rs_buf *room, rs_err *err);

#endif
