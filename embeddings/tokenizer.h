/* tokenizer.h - text to token ids, as the published tokenizers of three families do.
 *
 *   family   in the folder                              kind       a text becomes
 *   CLIP     vocab.json + merges.txt, tokenizer.json    BPE        bos, tokens, eos
 *   SigLIP   tokenizer.json, spiece.model               Unigram    tokens, eos, then pad
 *   BERT     tokenizer.json, vocab.txt                  WordPiece  [CLS], tokens, [SEP]
 *
 * How a text is finished belongs to the tokenizer: rs_tokenizer_encode() writes bos and
 * eos where the family has them. Padding is left to the caller, who knows the model's
 * length: where rs_tokenizer_pads(), the model was trained on texts filled up with
 * rs_tokenizer_pad() to that length and reads the fill as it reads words. Elsewhere
 * fill is masked or never looked at, and need not be there.
 *
 * Equal to the published ones, each compared on 10,000 strings:
 *   BPE        CLIPTokenizerFast: NFC, white space folded, lower-cased, CLIP's pattern,
 *              bytes to printable code points, merges, "</w>" (tokenizer_bpe.c)
 *   Unigram    tokenizer.json as the tokenizers library runs it (tokenizer_json.c);
 *              spiece.model as SiglipTokenizer runs SentencePiece (spiece.c)
 *   WordPiece  BertTokenizerFast (wordpiece_int.h)
 * Where open_clip_config.json lies beside them (BiomedCLIP), Unigram and WordPiece tidy a
 * text first as open_clip's HFTokenizer does (tidy_int.h).
 * Special tokens are found inside texts too, as there. words_int.h says which rare code
 * points an older Unicode treats otherwise.
 * Radford et al. 2021, arXiv:2103.00020; Sennrich et al. 2016, arXiv:1508.07909;
 * Kudo 2018, arXiv:1804.10959; Zhai et al. 2023, arXiv:2303.15343; Wu et al. 2016,
 * arXiv:1609.08144; Devlin et al. 2019, arXiv:1810.04805.
 *
 * Nothing changes after rs_tokenizer_open(): any thread may use one tokenizer.
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

typedef enum {
    RS_TOKENIZER_BPE,            /* CLIP */
    RS_TOKENIZER_UNIGRAM,        /* SigLIP */
    RS_TOKENIZER_WORDPIECE       /* BERT, so BiomedCLIP */
} rs_tokenizer_kind;

/* From a model folder: the first of vocab.json with merges.txt, tokenizer.json (whose
 * model.type says which kind), spiece.model, vocab.txt; spiece.model goes before
 * tokenizer.json where tokenizer_config.json names SiglipTokenizer, which is what the
 * published library then runs. RS_ENOENT when none is there;
 * RS_ECORRUPT names file and line or field; RS_EFORMAT for a tokenizer of another kind;
 * RS_ELIMIT for a file over 64 MB; RS_EIO, RS_ENOMEM. */
rs_status rs_tokenizer_open(rs_tokenizer **out, const char *folder, rs_err *err);
void      rs_tokenizer_close(rs_tokenizer *t);             /* NULL is fine */
rs_tokenizer_kind rs_tokenizer_kind_of(const rs_tokenizer *t);
size_t    rs_tokenizer_size(const rs_tokenizer *t);        /* ids are 0..size-1 */

/* Ids that finish a text; -1 where the family has none. */
int32_t   rs_tokenizer_bos(const rs_tokenizer *t);         /* <|startoftext|>, -1, [CLS] */
int32_t   rs_tokenizer_eos(const rs_tokenizer *t);         /* <|endoftext|>, </s>, [SEP] */
int32_t   rs_tokenizer_pad(const rs_tokenizer *t);         /* <|endoftext|>, </s>, [PAD] */
bool      rs_tokenizer_pads(const rs_tokenizer *t);        /* fill is read: SigLIP */
size_t    rs_tokenizer_extra(const rs_tokenizer *t);       /* 0..2: bos and eos that it has */

/* ids: [max], filled with bos, tokens, eos; *n ids written, extra..max. A text over the
 * limit loses its tail, keeps eos last, and sets *cut. `text` is any bytes: what is
 * not UTF-8 is taken as U+FFFD. RS_EARG where max is 0 or below extra; RS_ELIMIT where the
 * file's own replacements make a text grow 64-fold; RS_ENOMEM. */
rs_status rs_tokenizer_encode(const rs_tokenizer *t, const char *text, size_t len,
                              int32_t *ids, size_t max, size_t *n, bool *cut, rs_err *err);
/* Number of tokens of `text` without bos/eos and without a limit. */
rs_status rs_tokenizer_count(const rs_tokenizer *t, const char *text, size_t len,
                             size_t *n, rs_err *err);
/* Readable text of ids, appended to `out`: words apart, bos, eos, pad and ids out of
 * range nothing, broken UTF-8 U+FFFD. */
void      rs_tokenizer_decode(const rs_tokenizer *t, const int32_t *ids, size_t n, rs_buf *out);

#endif
