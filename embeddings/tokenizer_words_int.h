/* tokenizer_words_int.h - what Unigram and WordPiece share: everything but the cutting of
 * one word.
 *
 *   text -> tidied (tidy_int.h; open_clip only) -> added tokens part it -> normalised
 *   -> more added tokens part it -> cut into words -> each word by the model -> ids
 *
 * Private to embeddings/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_TOKENIZER_WORDS_INT_H
#define RS_EMBEDDINGS_TOKENIZER_WORDS_INT_H

#include "embeddings/added_int.h"
#include "embeddings/normaliser_int.h"
#include "embeddings/pretoken_int.h"
#include "embeddings/tidy_int.h"
#include "embeddings/tokenizer_int.h"
#include "embeddings/unigram_int.h"
#include "embeddings/wordpiece_int.h"

/* What each id reads as, one after another; a space in front where a word begins. */
typedef struct {
    char     *text;
    uint32_t *at;                /* [size + 1] */
} rs_readings;

typedef struct {
    rs_tokenizer  base;
    rs_tidy_kind  tidy;
    rs_added_set  raw, normalised;
    rs_normaliser normaliser;
    rs_cutter     cutter;
    rs_unigram    unigram;       /* by base.ops->kind, */
    rs_wordpiece  wordpiece;     /* one of these two */
    rs_readings   readings;
} rs_word_tokenizer;

extern const rs_tokenizer_ops rs_unigram_ops, rs_wordpiece_ops;

/* Appends ids' readings without a first space, broken UTF-8 as U+FFFD. */
void rs_readings_decode(const rs_readings *r, size_t size, const int32_t *ids, size_t n,
                        rs_buf *out);
void rs_readings_clear(rs_readings *r);
/* How a SentencePiece piece reads: spaces for U+2581; `bytes`: "<0x41>" is that byte. */
void rs_reading_put(rs_buf *out, const char *piece, size_t len, bool bytes);

/* Bytes as valid UTF-8, U+FFFD for what is not: appended to `out`. */
void rs_utf8_repair(rs_buf *out, const char *text, size_t len);
bool rs_utf8_valid(const char *text, size_t len);
/* A token that tokenizer_config.json names, as a text or an object with its content. */
const char *rs_config_token(const json_t *config, const char *key);

#endif
