/* tokenizer_int.h - what a loaded tokenizer holds. Filled by tokenizer_load.c, read by
 * tokenizer.c; nothing changes after rs_tokenizer_open(), so any thread may read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_TOKENIZER_INT_H
#define RS_EMBEDDINGS_TOKENIZER_INT_H

#include "embeddings/bpe_int.h"
#include "embeddings/tokenizer.h"

/* A token that is found in a text as it stands, before the text is cut into words. */
typedef struct {
    char   *text;
    size_t  len;                 /* at least 1 */
    int32_t id;
    bool    normalised;          /* looked for after normalising (so in any case), else before */
} rs_added_token;

struct rs_tokenizer {
    size_t   size;
    int32_t  bos, eos;
    int32_t  unknown;            /* for a byte that the vocabulary lacks; -1: left out */
    int32_t  byte_id[2][256];    /* [1]: at a word's end, "x</w>"; -1 where there is none */
    rs_bpe   bpe;
    rs_added_token *added;
    size_t   n_added;
    bool     any_raw;            /* some added token is looked for before normalising */
    char     added_first[256];   /* whether an added token begins with this byte */
    char    *pieces;             /* the bytes that each id stands for, one after another */
    uint32_t *piece_at;          /* [size + 1] */
};

#endif
