/* tokenizer.h - text to token ids: CLIP's byte-level BPE.
 *
 * Equal to the published CLIPTokenizerFast (NFC, white space folded, lower-cased,
 * CLIP's splitting pattern, bytes to printable code points, merges, "</w>"), loaded
 * from vocab.json + merges.txt or from tokenizer.json. Special tokens are found inside
 * texts too, as there. Compared on 10,000 strings (tests/embeddings/test_tokenizer.c);
 * words_int.h says which rare code points an older Unicode treats otherwise.
 * Radford et al. 2021, arXiv:2103.00020; Sennrich et al. 2016, arXiv:1508.07909.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_TOKENIZER_H
#define RS_EMBEDDINGS_TOKENIZER_H

#include "base/bytes.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rs_tokenizer rs_tokenizer;

/* From a model folder. RS_ENOENT when neither form is there; RS_ECORRUPT names file and
 * line or field; RS_EFORMAT for a tokenizer.json of another kind; RS_ELIMIT for a file
 * over 64 MB; RS_EIO, RS_ENOMEM. */
rs_status rs_tokenizer_open(rs_tokenizer **out, const char *folder, rs_err *err);
void      rs_tokenizer_close(rs_tokenizer *t);             /* NULL is fine */
size_t    rs_tokenizer_size(const rs_tokenizer *t);        /* ids are 0..size-1 */
int32_t   rs_tokenizer_bos(const rs_tokenizer *t);         /* <|startoftext|> */
int32_t   rs_tokenizer_eos(const rs_tokenizer *t);         /* <|endoftext|> */

/* ids: [max], filled with bos, tokens, eos; *n ids written, 2..max. A text over the
 * limit loses its tail, keeps eos last, and sets *cut. `text` is any bytes: what is
 * not UTF-8 is taken as U+FFFD. Any thread. RS_ENOMEM. */
rs_status rs_tokenizer_encode(const rs_tokenizer *t, const char *text, size_t len,
                              int32_t *ids, size_t max, size_t *n, bool *cut, rs_err *err);
/* Number of tokens of `text` without bos/eos and without a limit. */
rs_status rs_tokenizer_count(const rs_tokenizer *t, const char *text, size_t len,
                             size_t *n, rs_err *err);
/* Readable text of ids, appended to `out`: "</w>" becomes a space but at the end, bos, eos
 * and ids out of range nothing, broken UTF-8 U+FFFD. */
void      rs_tokenizer_decode(const rs_tokenizer *t, const int32_t *ids, size_t n, rs_buf *out);

#endif
