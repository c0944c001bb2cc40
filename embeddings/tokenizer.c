/* tokenizer.c - see tokenizer.h: which kind a folder holds, and what all kinds share.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/tokenizer.h"

#include "base/alloc.h"
#include "embeddings/tokenizer_int.h"

#include <string.h>

/* ---- Opening --------------------------------------------------------- */

static rs_status open_json(rs_tokenizer **out, const char *path, rs_err *err)
{
    json_t *root = NULL;
    const char *type;
    rs_json_at model;
    rs_status st;

    if ((st = rs_json_load(&root, path, RS_TOKENIZER_FILE_MAX, err)) != RS_OK)
        return st;
    model = (rs_json_at){json_object_get(root, "model"), path};
    if ((st = rs_json_str(model, "type", "BPE", &type, err)) == RS_OK)
        st = rs_bpe_load_json(out, root, path, err);
    json_decref(root);
    return st;
}

rs_status rs_tokenizer_open(rs_tokenizer **out, const char *folder, rs_err *err)
{
    char *vocab = rs_path_join(folder, "vocab.json");
    char *merges = rs_path_join(folder, "merges.txt");
    char *whole = rs_path_join(folder, "tokenizer.json");
    rs_status st;

    *out = NULL;
    if (!vocab || !merges || !whole)
        st = rs_fail(err, RS_ENOMEM, "open the tokenizer of %s: no memory", folder);
    else if (rs_file_exists(vocab) && rs_file_exists(merges))
        st = rs_bpe_load_two(out, vocab, merges, err);
    else if (rs_file_exists(whole))
        st = open_json(out, whole, err);
    else
        st = rs_fail(err, RS_ENOENT, "%s: neither vocab.json with merges.txt nor tokenizer.json "
                     "is there", folder);
    rs_free(whole);
    rs_free(merges);
    rs_free(vocab);
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
