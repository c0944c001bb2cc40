/* spiece_int.h - a SentencePiece model file, spiece.model, and its normaliser.
 *
 * The file is a protocol buffer (sentencepiece_model.proto):
 *   1  pieces, one field each: 1 text, 2 score (float), 3 type (1 normal, 2 unknown,
 *      3 control, 4 user-defined, 5 unused, 6 byte)
 *   2  trainer: 3 model type (1 Unigram), 24 white space as suffix, 35 byte fallback
 *   3  normaliser: 2 charsmap, 3 dummy prefix, 4 extra white space removed, 5 white space
 *      written as U+2581
 *
 * Private to embeddings/. Any thread may read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_SPIECE_INT_H
#define RS_EMBEDDINGS_SPIECE_INT_H

#include "base/bytes.h"
#include "embeddings/charsmap_int.h"
#include "embeddings/unigram_int.h"

typedef enum {
    RS_PIECE_NORMAL = 1, RS_PIECE_UNKNOWN, RS_PIECE_CONTROL, RS_PIECE_USER, RS_PIECE_UNUSED,
    RS_PIECE_BYTE
} rs_piece_type;

typedef struct {
    const char   *text;          /* borrowed from the file's bytes */
    size_t        len;
    float         score;
    rs_piece_type type;
} rs_piece;

typedef struct {
    rs_piece    *piece;          /* [n]; gone after rs_spiece_forget() */
    size_t       n;
    rs_unigram   unigram;
    rs_trie      all;            /* every piece to its id; gone after rs_spiece_forget() */
    rs_trie      user;           /* user-defined pieces, which are never normalised */
    rs_charsmap  charsmap;       /* no units: none */
    bool         dummy_prefix, trim, escape;
} rs_spiece;

/* From the bytes of a file, which must stay until rs_spiece_forget(). RS_ECORRUPT names
 * field and number; RS_EFORMAT for a model that is not Unigram; RS_ELIMIT, RS_ENOMEM. */
rs_status rs_spiece_read(rs_spiece *s, const void *bytes, size_t len, const char *path,
                         rs_err *err);
void      rs_spiece_forget(rs_spiece *s);
void      rs_spiece_clear(rs_spiece *s);

/* Appends to `out` what SentencePiece makes of text[0..len), valid UTF-8, before cutting. */
void rs_spiece_normalise(const rs_spiece *s, rs_buf *out, const char *text, size_t len);

#endif
