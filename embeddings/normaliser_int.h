/* normaliser_int.h - what happens to a text before it is cut: the steps of a
 * tokenizer.json's "normalizer", run one after another as the tokenizers library does.
 *
 *   Lowercase      code point by code point (so a final capital sigma is the plain one)
 *   Replace        every match of a String or Regex (pattern_int.h) by a text
 *   Strip          white space at either end
 *   Precompiled    SentencePiece's table (charsmap_int.h), grapheme by grapheme
 *   NFC NFD NFKC NFKD
 *   Prepend        a text in front of one that is not empty
 *   StripAccents   without combining marks (after NFD, as a step of its own)
 *   Nmt            control characters dropped, odd spaces made plain
 *   BertNormalizer clean_text, handle_chinese_chars, strip_accents, lowercase
 *
 * All but Replace and Prepend, whose texts come from the file, grow a text at most some
 * tenfold; a text that grows past RS_NORMALISER_GROWTH times its length is refused.
 * Character classes are those of Unicode 8, as in that library, where it matters
 * (classes_int.h).
 *
 * Private to embeddings/. {0} is a valid empty one. Any thread may run one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_NORMALISER_INT_H
#define RS_EMBEDDINGS_NORMALISER_INT_H

#include "base/bytes.h"
#include "base/json.h"
#include "embeddings/charsmap_int.h"
#include "embeddings/pattern_int.h"

enum { RS_NORMALISER_STEPS = 64, RS_NORMALISER_GROWTH = 64 };

typedef enum {
    RS_STEP_LOWER, RS_STEP_REPLACE, RS_STEP_STRIP, RS_STEP_CHARSMAP, RS_STEP_FORM,
    RS_STEP_PREPEND, RS_STEP_MARKS, RS_STEP_NMT, RS_STEP_BERT
} rs_step_kind;

typedef struct {
    rs_step_kind kind;
    rs_pattern  *pattern;                            /* REPLACE */
    char        *content;                            /* REPLACE, PREPEND */
    rs_charsmap  charsmap;                           /* CHARSMAP */
    bool left, right;                                /* STRIP */
    bool compatible, composed;                       /* FORM */
    bool clean, chinese, accents, lower;             /* BERT; accents: they are stripped */
} rs_step;

typedef struct {
    rs_step *step;               /* [RS_NORMALISER_STEPS] */
    size_t   n;
} rs_normaliser;

/* From the "normalizer" of tokenizer.json; NULL or null: no steps. `where` names it.
 * RS_EFORMAT for a step or a setting that is not known; RS_ECORRUPT, RS_ELIMIT, RS_ENOMEM. */
rs_status rs_normaliser_read(rs_normaliser *n, const json_t *spec, const char *where, rs_err *err);
/* One more step at the end, zeroed but for its kind; NULL and RS_ELIMIT or RS_ENOMEM. */
rs_step  *rs_normaliser_add(rs_normaliser *n, rs_step_kind kind, const char *where, rs_err *err);
void      rs_normaliser_clear(rs_normaliser *n);

/* text becomes its normal form; `room` is scratch. Both keep their memory for the next
 * text. Valid UTF-8 in, valid UTF-8 out. RS_ELIMIT, RS_ENOMEM. */
rs_status rs_normaliser_run(const rs_normaliser *n, rs_buf *text, rs_buf *room, rs_err *err);

#endif
