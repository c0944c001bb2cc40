/* tokenizer_bpe_int.h - what a loaded tokenizer of CLIP's kind holds: filled by
 * tokenizer_bpe_load.c, read by tokenizer_bpe.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_TOKENIZER_BPE_INT_H
#define RS_EMBEDDINGS_TOKENIZER_BPE_INT_H

#include "embeddings/bpe_int.h"
#include "embeddings/tokenizer_int.h"

/* A token that is found in a text as it stands, before the text is cut into words. */
typedef struct {
    char   *text;
    size_t  len;                 /* at least 1 */
    int32_t id;
    bool    normalised;          /* looked for after normalising (so in any case), else before */
} rs_added_token;

typedef struct {
    rs_tokenizer base;
    int32_t  unknown;            /* for a byte that the vocabulary lacks; -1: left out */
    int32_t  byte_id[2][256];    /* [1]: at a word's end, "x</w>"; -1 where there is none */
    rs_bpe   bpe;
    rs_added_token *added;
    size_t   n_added;
    bool     any_raw;            /* some added token is looked for before normalising */
    char     added_first[256];   /* whether an added token begins with this byte */
    char    *pieces;             /* the bytes that each id stands for, one after another */
    uint32_t *piece_at;          /* [size + 1] */
} rs_bpe_tokenizer;

extern const rs_tokenizer_ops rs_bpe_ops;

#endif
