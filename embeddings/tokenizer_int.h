/* tokenizer_int.h - what every kind of tokenizer has, and the way into each. Nothing
 * changes after rs_tokenizer_open(), so any thread may read.
 *
 * A kind is a struct that begins with rs_tokenizer, three functions, and a loader for
 * each form that its files have.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_TOKENIZER_INT_H
#define RS_EMBEDDINGS_TOKENIZER_INT_H

#include "base/json.h"
#include "embeddings/tokenizer.h"

enum {
    RS_TOKENIZER_FILE_MAX = 64 << 20,    /* bytes of any one file; T5's and CLIP's have 2 M */
    RS_TOKENS_MAX = 4 << 20,
    RS_ADDED_MAX = 4096
};

/* Where ids go; without `ids` they are only counted. */
typedef struct {
    int32_t *ids;
    size_t   max, n;
    bool     cut;                /* an id found no room: nothing more need be done */
} rs_id_sink;

static inline void rs_id_put(rs_id_sink *s, int32_t id)
{
    if (s->ids && s->n >= s->max) {
        s->cut = true;
        return;
    }
    if (s->ids)
        s->ids[s->n] = id;
    s->n++;
}

typedef struct {
    rs_tokenizer_kind kind;
    /* The tokens of a text, without bos and eos. May stop once s->cut. */
    rs_status (*encode)(const rs_tokenizer *t, const char *text, size_t len, rs_id_sink *s,
                        rs_err *err);
    void      (*decode)(const rs_tokenizer *t, const int32_t *ids, size_t n, rs_buf *out);
    void      (*close)(rs_tokenizer *t);         /* frees t too */
} rs_tokenizer_ops;

struct rs_tokenizer {
    const rs_tokenizer_ops *ops;
    size_t  size;
    int32_t bos, eos, pad;       /* -1: none */
    bool    pads;
};

/* Each fills *out on RS_OK and leaves it alone otherwise. `root` is a parsed
 * tokenizer.json, `path` its name for messages; `config` a parsed tokenizer_config.json or
 * NULL. */
rs_status rs_bpe_load_two(rs_tokenizer **out, const char *vocab_path, const char *merges_path,
                          rs_err *err);
rs_status rs_bpe_load_json(rs_tokenizer **out, const json_t *root, const char *path, rs_err *err);
rs_status rs_words_load_json(rs_tokenizer **out, rs_tokenizer_kind kind, const json_t *root,
                             const json_t *config, const char *path, rs_err *err);
rs_status rs_words_load_txt(rs_tokenizer **out, const char *path, const json_t *config,
                            rs_err *err);
/* Texts are tidied as open_clip does: `config` is a parsed open_clip_config.json. Of the
 * two above only; of others nothing changes. RS_EFORMAT for a way that is not known. */
rs_status rs_words_tidy(rs_tokenizer *t, const json_t *config, const char *path, rs_err *err);
rs_status rs_spiece_load(rs_tokenizer **out, const char *path, const json_t *config, rs_err *err);

#endif
