/* pretoken_int.h - a normalised text cut into words: the "pre_tokenizer" of a
 * tokenizer.json, as the tokenizers library (0.15) runs it.
 *
 *   WhitespaceSplit    at white space, which is dropped
 *   Metaspace          each space a mark (U+2581), one in front where the text has none
 *                      (prepend_scheme "always", "first": of the first piece, "never");
 *                      cut before each mark unless "split" is false
 *   BertPreTokenizer   at white space, and every sign a word of its own
 *   Sequence           each of them on what the one before gave
 *
 * Private to embeddings/. {0} cuts nothing. Any thread may run one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_PRETOKEN_INT_H
#define RS_EMBEDDINGS_PRETOKEN_INT_H

#include "base/bytes.h"
#include "base/json.h"

enum { RS_CUT_STEPS = 4 };

typedef enum { RS_CUT_SPACE, RS_CUT_MARK, RS_CUT_BERT } rs_cut_kind;
typedef enum { RS_PREFIX_NEVER, RS_PREFIX_FIRST, RS_PREFIX_ALWAYS } rs_cut_prefix;

typedef struct {
    rs_cut_kind kind;
    char mark[5];                /* MARK: the character, NUL-terminated */
    rs_cut_prefix prefix;
    bool split;
} rs_cut;

typedef struct {
    rs_cut cut[RS_CUT_STEPS];
    size_t n;
} rs_cutter;

/* Of one text. {0} to begin with; rs_cut_room_clear() at the end. */
typedef struct {
    rs_buf marked[RS_CUT_STEPS];
    bool   begun[RS_CUT_STEPS];  /* the first piece has been seen */
} rs_cut_room;

typedef rs_status (*rs_word_fn)(void *context, const char *word, size_t len, rs_err *err);

rs_status rs_cutter_read(rs_cutter *c, const json_t *spec, const char *where, rs_err *err);
/* Calls `word` for each word of text[0..len), none of them empty, until it fails. */
rs_status rs_cutter_run(const rs_cutter *c, rs_cut_room *room, const char *text, size_t len,
                        rs_word_fn word, void *context, rs_err *err);
void      rs_cut_room_clear(rs_cut_room *room);

#endif
