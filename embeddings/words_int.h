/* words_int.h - text as CLIP's tokenizer sees it, before any merging: normalised,
 * cut into words, each byte of a word a printable symbol.
 *
 *   bytes -> UTF-8 (what is not becomes U+FFFD) -> NFC -> each run of white space one
 *   space -> lower case -> the words that this pattern finds, leftmost first:
 *
 *     's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
 *
 * This is the normaliser and the pre-tokeniser of CLIPTokenizerFast (Hugging Face
 * transformers 4.38, tokenizers 0.15). Lower-casing goes code point by code point, as
 * there: a final capital sigma becomes the plain one. Letters, numbers and the order of
 * marks are the Unicode version's of the installed utf8proc; the reference's is older,
 * so code points that were assigned since (Unicode 10 and later for the order of
 * combining marks, 15 for letters and numbers) may be cut differently there.
 *
 * Private to embeddings/: the tokenizers and the vocabulary's trainer share it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_WORDS_INT_H
#define RS_EMBEDDINGS_WORDS_INT_H

#include "base/bytes.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code point at text[*at], *at < len, and steps over it. A maximal piece of a
 * broken sequence (Unicode 3.9, as in the WHATWG decoder) gives one U+FFFD. */
uint32_t rs_utf8_next(const char *text, size_t len, size_t *at);
void     rs_utf8_put(rs_buf *out, uint32_t code_point);

/* White_Space of Unicode: \s of the references, and what they strip. */
static inline bool rs_is_space(uint32_t c)
{
    return c == ' ' || (c >= 9 && c <= 13) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

/* Appends the text in NFC, NFD, NFKC or NFKD. Time grows linearly with len. RS_ENOMEM. */
rs_status rs_normal_form(rs_buf *out, const char *text, size_t len, bool compatible,
                         bool composed, rs_err *err);

/* Appends the normalised text to `out`. Time grows linearly with len. RS_ENOMEM. */
rs_status rs_words_normalise(rs_buf *out, const char *text, size_t len, rs_err *err);

/* The words of a normalised text, in order:
 *   rs_words w = {.text = text, .len = len};
 *   while (rs_words_next(&w, &word, &n)) ...            word borrows from text, n >= 1 */
typedef struct {
    const char *text;
    size_t len, at;
} rs_words;

bool rs_words_next(rs_words *w, const char **word, size_t *n);

/* GPT-2's alphabet, in which vocabularies are written: a code point that prints for
 * each byte. Printable Latin-1 stands for itself, the other 68 bytes for U+0100.. */
uint32_t rs_byte_symbol(uint8_t byte);
/* The byte of a symbol, -1 if it is none. */
int      rs_symbol_byte(uint32_t code_point);
/* The i-th byte, 0..255, in the order of CLIP's vocabulary: printable ones first. */
uint8_t  rs_byte_in_order(size_t i);

#endif
