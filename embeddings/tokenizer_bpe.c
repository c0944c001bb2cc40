/* tokenizer_bpe.c - CLIP's byte-level BPE, one text at a time:
 *
 *   "No <|endoftext|> RIB"        added tokens part the text, before or after it is
 *   no | <|endoftext|> | rib      normalised, as each of them asks (words_int.h)
 *   n o</w> | 49407 | r i b</w>   words become bytes, the last one marked
 *   871 | 49407 | 18544           neighbours join (bpe_int.h)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "embeddings/tokenizer_bpe_int.h"

#include "base/alloc.h"
#include "embeddings/words_int.h"

#include <string.h>

static rs_status encode_word(const rs_bpe_tokenizer *t, const char *word, size_t len, rs_id_sink *s,
                             rs_err *err)
{
    uint32_t few[RS_BPE_SHORT], *symbol = few;
    size_t n = 0;
    rs_status st;

    if (len > RS_BPE_SHORT && !(symbol = rs_malloc(len * sizeof *symbol)))
        return rs_fail(err, RS_ENOMEM, "a word of %zu bytes: no memory", len);
    for (size_t i = 0; i < len; i++) {
        int32_t id = t->byte_id[i + 1 == len][(uint8_t)word[i]];
        if (id < 0)
            id = t->unknown;
        if (id >= 0)
            symbol[n++] = (uint32_t)id;
    }
    st = rs_bpe_apply(&t->bpe, symbol, &n, err);
    for (size_t i = 0; st == RS_OK && i < n; i++)
        rs_id_put(s, (int32_t)symbol[i]);
    if (symbol != few)
        rs_free(symbol);
    return st;
}

static rs_status encode_words(const rs_bpe_tokenizer *t, const char *text, size_t len, rs_id_sink *s,
                              rs_err *err)
{
    rs_words w = {.text = text, .len = len};
    const char *word;
    size_t n;
    rs_status st = RS_OK;

    while (st == RS_OK && !s->cut && rs_words_next(&w, &word, &n))
        st = encode_word(t, word, n, s, err);
    return st;
}

/* The first added token of the wanted kind at or after *at, the longest of those that
 * begin there; *at becomes its place. NULL, and *at = len, where there is none. */
static const rs_added_token *find_added(const rs_bpe_tokenizer *t, bool normalised,
                                        const char *text, size_t len, size_t *at)
{
    const rs_added_token *found = NULL;

    for (; *at < len; ++*at) {
        if (!t->added_first[(uint8_t)text[*at]])
            continue;
        for (size_t i = 0; i < t->n_added; i++) {
            const rs_added_token *a = &t->added[i];
            if (a->normalised == normalised && a->len <= len - *at &&
                (!found || a->len > found->len) && memcmp(text + *at, a->text, a->len) == 0)
                found = a;
        }
        if (found)
            return found;
    }
    return NULL;
}

static rs_status encode_normalised(const rs_bpe_tokenizer *t, const char *text, size_t len, rs_id_sink *s,
                                   rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t from = 0; st == RS_OK && !s->cut && from < len;) {
        size_t at = from;
        const rs_added_token *a = find_added(t, true, text, len, &at);

        st = encode_words(t, text + from, at - from, s, err);
        if (st == RS_OK && a)
            rs_id_put(s, a->id);
        from = a ? at + a->len : len;
    }
    return st;
}

static rs_status encode_text(const rs_tokenizer *base, const char *text, size_t len,
                             rs_id_sink *s, rs_err *err)
{
    const rs_bpe_tokenizer *t = (const rs_bpe_tokenizer *)base;
    rs_buf plain = {0};
    rs_status st = RS_OK;

    for (size_t from = 0; st == RS_OK && !s->cut && from < len;) {
        size_t at = t->any_raw ? from : len;
        const rs_added_token *a = find_added(t, false, text, len, &at);

        plain.len = 0;
        st = rs_words_normalise(&plain, text + from, at - from, err);
        if (st == RS_OK)
            st = encode_normalised(t, plain.data, plain.len, s, err);
        if (st == RS_OK && a)
            rs_id_put(s, a->id);
        from = a ? at + a->len : len;
    }
    rs_buf_clear(&plain);
    return st;
}

/* "</w>" becomes a space but at the end. */
static void decode(const rs_tokenizer *base, const int32_t *ids, size_t n, rs_buf *out)
{
    const rs_bpe_tokenizer *t = (const rs_bpe_tokenizer *)base;
    rs_buf bytes = {0};

    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= base->size)
            continue;
        rs_buf_append(&bytes, t->pieces + t->piece_at[ids[i]],
                      t->piece_at[ids[i] + 1] - t->piece_at[ids[i]]);
    }
    if (bytes.len && bytes.data[bytes.len - 1] == ' ')
        bytes.len--;
    /* A token may end inside a character, and ids may come in any order. */
    for (size_t at = 0; at < bytes.len;)
        rs_utf8_put(out, rs_utf8_next(bytes.data, bytes.len, &at));
    if (bytes.failed)
        out->failed = true;
    rs_buf_clear(&bytes);
}

static void close_bpe(rs_tokenizer *base)
{
    rs_bpe_tokenizer *t = (rs_bpe_tokenizer *)base;

    for (size_t i = 0; i < t->n_added; i++)
        rs_free(t->added[i].text);
    rs_free(t->added);
    rs_bpe_clear(&t->bpe);
    rs_free(t->pieces);
    rs_free(t->piece_at);
    rs_free(t);
}

const rs_tokenizer_ops rs_bpe_ops = {RS_TOKENIZER_BPE, encode_text, decode, close_bpe};
