/* tokenizer.c - see tokenizer.h: which kind a folder holds, and what all kinds share.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/tokenizer.h"

#include "base/alloc.h"
#include "embeddings/tokenizer_int.h"

#include <string.h>

/* ---- Opening --------------------------------------------------------- */

/* The files that may decide, in the order in which they do. */
enum { VOCAB_JSON, MERGES_TXT, TOKENIZER_JSON, SPIECE_MODEL, VOCAB_TXT, CONFIG, OPEN_CLIP,
       FILES };

typedef struct {
    char *path[FILES];
    bool  there[FILES];
} files;

static bool find_files(files *f, const char *folder)
{
    static const char *const name[FILES] = {"vocab.json", "merges.txt", "tokenizer.json",
                                            "spiece.model", "vocab.txt", "tokenizer_config.json",
                                            "open_clip_config.json"};
    for (size_t i = 0; i < FILES; i++) {
        f->path[i] = rs_path_join(folder, name[i]);
        if (!f->path[i])
            return false;
        f->there[i] = rs_file_exists(f->path[i]);
    }
    return true;
}

static rs_status open_json(rs_tokenizer **out, const char *path, const json_t *config, rs_err *err)
{
    json_t *root = NULL;
    const char *type;
    rs_status st;

    if ((st = rs_json_load(&root, path, RS_TOKENIZER_FILE_MAX, err)) != RS_OK)
        return st;
    st = rs_json_str((rs_json_at){json_object_get(root, "model"), path}, "type", "BPE", &type, err);
    if (st == RS_OK && strcmp(type, "Unigram") == 0)
        st = rs_words_load_json(out, RS_TOKENIZER_UNIGRAM, root, config, path, err);
    else if (st == RS_OK && strcmp(type, "WordPiece") == 0)
        st = rs_words_load_json(out, RS_TOKENIZER_WORDPIECE, root, config, path, err);
    else if (st == RS_OK)
        st = rs_bpe_load_json(out, root, path, err);
    json_decref(root);
    return st;
}

/* A published SigLIP folder has both forms, and the library runs the class that the config
 * names: on spiece.model. The two differ in "/", "<" and ">". */
static bool runs_spiece(const files *f, const json_t *config)
{
    const char *class = json_string_value(json_object_get(config, "tokenizer_class"));

    return f->there[SPIECE_MODEL] &&
           (!f->there[TOKENIZER_JSON] || (class && strcmp(class, "SiglipTokenizer") == 0));
}

static rs_status tidy_as_open_clip(rs_tokenizer *t, const char *path, rs_err *err)
{
    json_t *config = NULL;
    rs_status st = rs_json_load(&config, path, RS_TOKENIZER_FILE_MAX, err);

    if (st == RS_OK)
        st = rs_words_tidy(t, config, path, err);
    json_decref(config);
    return st;
}

static rs_status open_files(rs_tokenizer **out, const files *f, const char *folder, rs_err *err)
{
    json_t *config = NULL;
    rs_status st = RS_OK;

    if (f->there[VOCAB_JSON] && f->there[MERGES_TXT])
        return rs_bpe_load_two(out, f->path[VOCAB_JSON], f->path[MERGES_TXT], err);
    if (!f->there[TOKENIZER_JSON] && !f->there[SPIECE_MODEL] && !f->there[VOCAB_TXT])
        return rs_fail(err, RS_ENOENT, "%s: neither vocab.json with merges.txt nor tokenizer.json, "
                       "spiece.model or vocab.txt is there", folder);
    if (f->there[CONFIG])
        st = rs_json_load(&config, f->path[CONFIG], RS_TOKENIZER_FILE_MAX, err);
    if (st == RS_OK)
        st = runs_spiece(f, config) ? rs_spiece_load(out, f->path[SPIECE_MODEL], config, err) :
             f->there[TOKENIZER_JSON] ? open_json(out, f->path[TOKENIZER_JSON], config, err) :
             rs_words_load_txt(out, f->path[VOCAB_TXT], config, err);
    json_decref(config);
    if (st == RS_OK && f->there[OPEN_CLIP] &&
        (st = tidy_as_open_clip(*out, f->path[OPEN_CLIP], err)) != RS_OK) {
        rs_tokenizer_close(*out);
        *out = NULL;
    }
    return st;
}

rs_status rs_tokenizer_open(rs_tokenizer **out, const char *folder, rs_err *err)
{
    files f = {0};
    rs_status st;

    *out = NULL;
    st = find_files(&f, folder) ? open_files(out, &f, folder, err) :
         rs_fail(err, RS_ENOMEM, "open the tokenizer of %s: no memory", folder);
    for (size_t i = 0; i < FILES; i++)
        rs_free(f.path[i]);
    return st;
}

void rs_tokenizer_close(rs_tokenizer *t)
{
    if (t)
        t->ops->close(t);
}

/* ---- Use ------------------------------------------------------------- */

rs_status rs_tokenizer_encode(const rs_tokenizer *t, const char *text, size_t len,
                              int32_t *ids, size_t max, size_t *n, bool *cut, rs_err *err)
{
    size_t extra = rs_tokenizer_extra(t), head = t->bos >= 0;
    rs_id_sink s;
    rs_status st;

    *n = 0;
    *cut = false;
    if (max == 0 || max < extra)
        return rs_fail(err, RS_EARG, "room for %zu token ids: at least %zu are needed", max,
                       extra ? extra : 1);
    s = (rs_id_sink){.ids = ids + head, .max = max - extra};
    st = t->ops->encode(t, text, len, &s, err);
    if (st != RS_OK)
        return st;
    if (head)
        ids[0] = t->bos;
    if (t->eos >= 0)
        ids[head + s.n] = t->eos;
    *n = s.n + extra;
    *cut = s.cut;
    return RS_OK;
}

rs_status rs_tokenizer_count(const rs_tokenizer *t, const char *text, size_t len,
                             size_t *n, rs_err *err)
{
    rs_id_sink s = {0};
    rs_status st = t->ops->encode(t, text, len, &s, err);

    *n = st == RS_OK ? s.n : 0;
    return st;
}

void rs_tokenizer_decode(const rs_tokenizer *t, const int32_t *ids, size_t n, rs_buf *out)
{
    t->ops->decode(t, ids, n, out);
}

rs_tokenizer_kind rs_tokenizer_kind_of(const rs_tokenizer *t) { return t->ops->kind; }
size_t  rs_tokenizer_size(const rs_tokenizer *t) { return t->size; }
int32_t rs_tokenizer_bos(const rs_tokenizer *t) { return t->bos; }
int32_t rs_tokenizer_eos(const rs_tokenizer *t) { return t->eos; }
int32_t rs_tokenizer_pad(const rs_tokenizer *t) { return t->pad; }
bool    rs_tokenizer_pads(const rs_tokenizer *t) { return t->pads; }

size_t rs_tokenizer_extra(const rs_tokenizer *t)
{
    return (size_t)(t->bos >= 0) + (size_t)(t->eos >= 0);
}
