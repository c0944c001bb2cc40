/* wordpiece_int.h - a word cut from the left into the longest pieces there are; those
 * that do not begin it are written with a prefix, "##". A word that cannot be cut to its
 * end, or is too long, is the unknown token.
 *
 *   effusions -> eff ##us ##ions
 *
 * Wu et al. 2016, arXiv:1609.08144, as BERT does it. Time: the word times the longest
 * piece.
 *
 * Private to embeddings/. Any thread may read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_WORDPIECE_INT_H
#define RS_EMBEDDINGS_WORDPIECE_INT_H

#include "embeddings/tokenizer_int.h"
#include "embeddings/trie_int.h"

enum { RS_WORD_MAX = 1000 };     /* the most that max_input_chars_per_word may be */

typedef struct {
    rs_trie  trie;               /* pieces to ids */
    uint32_t inside;             /* the node after the prefix, RS_TRIE_ROOT: no piece has it */
    bool     prefixed;           /* the prefix is not empty */
    int32_t  unknown;
    size_t   longest;            /* characters of a word that is still cut */
} rs_wordpiece;

void rs_wordpiece_run(const rs_wordpiece *w, const char *word, size_t len, rs_id_sink *s);

#endif
