/* unigram_int.h - the most likely way to cut a word into pieces that have scores.
 *
 * Viterbi over the byte positions: best[e] is the largest sum of scores of pieces that
 * fill text[0..e), found by walking the trie from each character's start. A character
 * that is no piece of its own may stand as the unknown token, at the lowest score less
 * 10; unknown neighbours are one token. Of equal sums the first found stays, that is the
 * one whose last piece begins earliest. Time: characters times the longest piece.
 * Kudo 2018, arXiv:1804.10959; the same order and rounding as the two references:
 * the tokenizers library sums in double, SentencePiece keeps sums in float.
 *
 * Private to embeddings/. Any thread may read; each run has a room of its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_UNIGRAM_INT_H
#define RS_EMBEDDINGS_UNIGRAM_INT_H

#include "embeddings/trie_int.h"

#include <stdbool.h>

enum { RS_PIECE_BYTES = 1024 };  /* the longest piece; published ones have 16 characters */

typedef struct {
    rs_trie trie;                /* pieces that may be found in a text, to ids */
    double *score;               /* [size], finite */
    double  unknown_score;
    int32_t unknown;             /* its id */
    bool    narrow;              /* sums as SentencePiece keeps them */
    bool    whole_unknown;       /* a run of unknown characters that is a piece is that piece */
    bool    bytes;               /* unknown characters as byte tokens, where all of them are there */
    int32_t byte_id[256];        /* -1: none */
} rs_unigram;

typedef struct {
    struct rs_unigram_node *best;
    size_t   room;
    int32_t *id;                 /* the tokens found, [n] */
    size_t   n, id_room;
} rs_unigram_room;

void rs_unigram_clear(rs_unigram *u);
/* The tokens of text[0..len), valid UTF-8, into room->id. {0} is a valid empty room.
 * RS_ENOMEM; RS_ELIMIT for a word of more than 2 GB. */
rs_status rs_unigram_run(const rs_unigram *u, const char *text, size_t len, rs_unigram_room *room,
                         rs_err *err);
void rs_unigram_room_clear(rs_unigram_room *room);

#endif
