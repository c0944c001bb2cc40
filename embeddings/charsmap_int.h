/* charsmap_int.h - SentencePiece's table of character replacements ("precompiled
 * charsmap"): which byte sequences become which texts, for example NFKC and a few more.
 *
 *   bytes            little-endian
 *   4                n: size of the trie in bytes, a multiple of 4
 *   n                a double array (darts-clone): units of 32 bits
 *   the rest         the replacements, each ended by a NUL
 *
 * A unit:  bits 0-7 and 31: the byte that leads here (bit 31: a value, not a node);
 * bit 8: a string ends here; bits 10-30: distance to the children, times 256 if bit 9 is
 * set. A node's child for byte b lies at (place of the node ^ its distance) ^ b, its value
 * at that of byte 0. A value is the place of a replacement.
 * Aoe 1989, IEEE TSE 15(9); the layout is that of SentencePiece's normaliser.
 *
 * Two ways to look up, as two programs do it: SentencePiece replaces the longest key that
 * the text begins with, the tokenizers library the shortest that a character begins with.
 *
 * Private to embeddings/. Any thread may read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_CHARSMAP_INT_H
#define RS_EMBEDDINGS_CHARSMAP_INT_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t *unit;
    size_t    n_units;
    char     *text;              /* the replacements, NUL at the end */
    size_t    text_len;
    bool      ascii[128];        /* whether a key begins with this byte */
} rs_charsmap;

/* From the bytes above; `where` names them in messages. Every key is walked: a trie that
 * points outside, runs in a circle or to a value past the end is RS_ECORRUPT. */
rs_status rs_charsmap_read(rs_charsmap *m, const void *bytes, size_t len, const char *where,
                           rs_err *err);
/* The same in base64, as tokenizer.json has it. */
rs_status rs_charsmap_read64(rs_charsmap *m, const char *base64, size_t len, const char *where,
                             rs_err *err);
void      rs_charsmap_clear(rs_charsmap *m);

/* The replacement (NUL-terminated, borrowed) of the shortest or longest key that
 * text[0..len) begins with, and *n, the key's bytes; NULL where none does. */
const char *rs_charsmap_shortest(const rs_charsmap *m, const char *text, size_t len, size_t *n);
const char *rs_charsmap_longest(const rs_charsmap *m, const char *text, size_t len, size_t *n);

#endif
