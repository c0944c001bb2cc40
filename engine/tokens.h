/* tokens.h - words as the text index sees them: FTS5's "porter unicode61
 * remove_diacritics 2", so that reports, queries and lexicons meet on the same stems.
 *
 * One thread at a time for each rs_tokens.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_TOKENS_H
#define RS_ENGINE_TOKENS_H

#include "base/arena.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* How case_fts is declared, and what rs_tokens is. */
#define RS_TOKENIZER "porter unicode61 remove_diacritics 2"

typedef struct rs_tokens rs_tokens;

rs_status rs_tokens_new(rs_tokens **out, rs_err *err);
void      rs_tokens_free(rs_tokens *t);                 /* NULL is fine */

/* A stem, and the bytes [begin, end) of the text that it was made of. */
typedef struct { const char *text; size_t begin, end; } rs_token;

/* The tokens of text[0, len) in `mem`: [*n], begin and end ascending. RS_ENOMEM,
 * RS_ELIMIT. */
rs_status rs_tokens_cut(rs_tokens *t, const char *text, size_t len, rs_arena *mem,
                        rs_token **out, size_t *n, rs_err *err);
/* The tokens of text[0, len) one by one, as bytes that are not ended by a NUL; `take` says
 * false to stop, which gives RS_ENOMEM. */
typedef bool rs_token_fn(void *ctx, const char *token, size_t len);
rs_status rs_tokens_each(rs_tokens *t, const char *text, size_t len, rs_token_fn *take,
                         void *ctx, rs_err *err);

#endif
