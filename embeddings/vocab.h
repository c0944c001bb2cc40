/* vocab.h - a vocabulary of CLIP's kind, learned from texts.
 *
 * Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909, algorithm 1) over the
 * words that the tokenizer itself would cut: the pair of neighbouring symbols that is
 * most frequent becomes a symbol, until the vocabulary is full.
 *
 *   ids                 tokens
 *   0..255              the bytes, in CLIP's order
 *   256..511            the bytes at a word's end, "x</w>"
 *   512..size-3         one for each merge, in the order of merging
 *   size-2, size-1      <|startoftext|>, <|endoftext|>
 *
 * The same texts in any order give the same vocabulary: of pairs that are equally
 * frequent the one of the lowest left id, then the lowest right id, is taken. What is
 * merged inside a stretch of a word does not depend on what surrounds it (as long as
 * nothing joins over its ends), so no two merges make the same text: each adds a token.
 *
 * Pair counts are kept up to date by visiting only the words that hold the merged pair;
 * the next pair comes from a heap whose outdated entries are put back when met.
 *
 *   rs_vocab_new(&v, err);
 *   for each text: rs_vocab_add(v, text, len, err);
 *   rs_vocab_train(v, 8192, NULL, err);
 *   rs_vocab_write(v, "model", err);                 vocab.json, merges.txt
 *
 * One thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_VOCAB_H
#define RS_EMBEDDINGS_VOCAB_H

#include "base/progress.h"
#include "base/status.h"

#include <stddef.h>

typedef struct rs_vocab rs_vocab;

enum {
    RS_VOCAB_SIZE_MIN = 514,       /* bytes and special tokens: no merges */
    RS_VOCAB_SIZE_MAX = 49408,     /* CLIP's: the published slow tokenizer reads no more */
    RS_VOCAB_PAIR_MIN = 2,         /* a pair met less often is not merged */
    RS_VOCAB_WORD_MAX = 256        /* bytes; longer runs (rules, base64) teach nothing */
};

rs_status rs_vocab_new(rs_vocab **out, rs_err *err);
void      rs_vocab_free(rs_vocab *v);                     /* NULL is fine */

/* Counts the words of one text (any bytes). RS_ENOMEM: the text is counted in part. */
rs_status rs_vocab_add(rs_vocab *v, const char *text, size_t len, rs_err *err);
size_t    rs_vocab_texts(const rs_vocab *v);              /* that were not empty */
size_t    rs_vocab_words(const rs_vocab *v);              /* different ones */

/* Learns up to `size` tokens from what was added; fewer where no pair is met often
 * enough: rs_vocab_size() tells. Replaces what was trained before. `progress` counts
 * merges and may be NULL. RS_EARG for a size out of bounds, RS_ENOMEM, RS_ELIMIT for
 * more than 2^32 symbols. */
rs_status rs_vocab_train(rs_vocab *v, size_t size, rs_progress *progress, rs_err *err);
size_t    rs_vocab_size(const rs_vocab *v);               /* 0 before training */

/* Writes vocab.json and merges.txt into `folder`, which is made if need be. RS_EARG
 * before training; RS_EIO, RS_ENOMEM. */
rs_status rs_vocab_write(const rs_vocab *v, const char *folder, rs_err *err);

#endif
