/* tokenizer_words.c - see tokenizer_words_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/tokenizer_words_int.h"

#include "base/alloc.h"
#include "embeddings/words_int.h"

#include <stdio.h>
#include <string.h>

/* ---- Encoding -------------------------------------------------------- */

/* One text on its way. */
typedef struct {
    const rs_word_tokenizer *t;
    rs_id_sink *sink;
    rs_cut_room cut;
    rs_unigram_room unigram;
    rs_buf plain, room;
    rs_err *err;
} run;

static rs_status put_word(void *context, const char *word, size_t len, rs_err *err)
{
    run *r = context;
    rs_status st;

    if (r->sink->cut)
        return RS_OK;
    if (r->t->base.ops->kind == RS_TOKENIZER_WORDPIECE) {
        rs_wordpiece_run(&r->t->wordpiece, word, len, r->sink);
        return RS_OK;
    }
    st = rs_unigram_run(&r->t->unigram, word, len, &r->unigram, err);
    for (size_t i = 0; st == RS_OK && i < r->unigram.n; i++)
        rs_id_put(r->sink, r->unigram.id[i]);
    return st;
}

static rs_status put_normalised(run *r)
{
    rs_added_parts parts = {.set = &r->t->normalised, .text = r->plain.data, .len = r->plain.len};
    rs_added_part part;
    rs_status st = RS_OK;

    while (st == RS_OK && !r->sink->cut && rs_added_next(&parts, &part)) {
        if (part.token)
            rs_id_put(r->sink, part.token->id);
        else
            st = rs_cutter_run(&r->t->cutter, &r->cut, part.text, part.len, put_word, r, r->err);
    }
    return st;
}

static rs_status put_text(run *r, const char *text, size_t len)
{
    rs_added_parts parts = {.set = &r->t->raw, .text = text, .len = len};
    rs_added_part part;
    rs_status st = RS_OK;

    while (st == RS_OK && !r->sink->cut && rs_added_next(&parts, &part)) {
        if (part.token) {
            rs_id_put(r->sink, part.token->id);
            continue;
        }
        r->plain.len = 0;
        rs_buf_append(&r->plain, part.text, part.len);
        if (r->plain.failed)
            return rs_fail(r->err, RS_ENOMEM, "text of %zu bytes: no memory", len);
        st = rs_normaliser_run(&r->t->normaliser, &r->plain, &r->room, r->err);
        if (st == RS_OK)
            st = put_normalised(r);
    }
    return st;
}

static rs_status encode(const rs_tokenizer *base, const char *text, size_t len, rs_id_sink *s,
                        rs_err *err)
{
    run r = {.t = (const rs_word_tokenizer *)base, .sink = s, .err = err};
    rs_buf valid = {0};
    rs_status st;

    rs_utf8_repair(&valid, text, len);
    st = valid.failed ? rs_fail(err, RS_ENOMEM, "text of %zu bytes: no memory", len) :
         rs_tidy(r.t->tidy, &valid, &r.room, err);
    if (st == RS_OK)
        st = put_text(&r, valid.data, valid.len);
    rs_cut_room_clear(&r.cut);
    rs_unigram_room_clear(&r.unigram);
    rs_buf_clear(&r.plain);
    rs_buf_clear(&r.room);
    rs_buf_clear(&valid);
    return st;
}

/* ---- Text ------------------------------------------------------------ */

void rs_utf8_repair(rs_buf *out, const char *text, size_t len)
{
    size_t plain = 0;

    while (plain < len && (uint8_t)text[plain] < 0x80)
        plain++;
    rs_buf_append(out, text, plain);
    for (size_t at = plain; at < len;)
        rs_utf8_put(out, rs_utf8_next(text, len, &at));
}

bool rs_utf8_valid(const char *text, size_t len)
{
    for (size_t at = 0, from = 0; at < len; from = at)
        if (rs_utf8_next(text, len, &at) == 0xfffd &&
            (at - from != 3 || memcmp(text + from, "\xef\xbf\xbd", 3) != 0))
            return false;
    return true;
}

const char *rs_config_token(const json_t *config, const char *key)
{
    const json_t *v = json_object_get(config, key);

    return json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);
}

void rs_reading_put(rs_buf *out, const char *piece, size_t len, bool bytes)
{
    unsigned byte;
    char name[8] = "";

    if (bytes && len == 6) {
        memcpy(name, piece, len);
        if (sscanf(name, "<0x%02X>", &byte) == 1) {
            rs_buf_putc(out, (char)byte);
            return;
        }
    }
    for (size_t i = 0; i < len; i++)
        if (len - i >= 3 && memcmp(piece + i, "\xe2\x96\x81", 3) == 0) {
            rs_buf_putc(out, ' ');
            i += 2;
        } else {
            rs_buf_putc(out, piece[i]);
        }
}

void rs_readings_decode(const rs_readings *r, size_t size, const int32_t *ids, size_t n,
                        rs_buf *out)
{
    rs_buf bytes = {0};
    size_t at;

    for (size_t i = 0; i < n; i++)
        if (ids[i] >= 0 && (size_t)ids[i] < size)
            rs_buf_append(&bytes, r->text + r->at[ids[i]], r->at[ids[i] + 1] - r->at[ids[i]]);
    at = bytes.len && bytes.data[0] == ' ';
    rs_utf8_repair(out, bytes.len ? bytes.data + at : "", bytes.len - at);
    if (bytes.failed)
        out->failed = true;
    rs_buf_clear(&bytes);
}

void rs_readings_clear(rs_readings *r)
{
    rs_free(r->text);
    rs_free(r->at);
    *r = (rs_readings){0};
}

/* ---- The two kinds --------------------------------------------------- */

static void decode(const rs_tokenizer *base, const int32_t *ids, size_t n, rs_buf *out)
{
    rs_readings_decode(&((const rs_word_tokenizer *)base)->readings, base->size, ids, n, out);
}

static void close_words(rs_tokenizer *base)
{
    rs_word_tokenizer *t = (rs_word_tokenizer *)base;

    rs_added_clear(&t->raw);
    rs_added_clear(&t->normalised);
    rs_normaliser_clear(&t->normaliser);
    rs_unigram_clear(&t->unigram);
    rs_trie_clear(&t->wordpiece.trie);
    rs_readings_clear(&t->readings);
    rs_free(t);
}

const rs_tokenizer_ops rs_unigram_ops = {RS_TOKENIZER_UNIGRAM, encode, decode, close_words};
const rs_tokenizer_ops rs_wordpiece_ops = {RS_TOKENIZER_WORDPIECE, encode, decode, close_words};

/* text_cfg.tokenizer_kwargs.clean; "whitespace" is open_clip's default. */
rs_status rs_words_tidy(rs_tokenizer *base, const json_t *config, const char *path, rs_err *err)
{
    const json_t *model = json_object_get(config, "model_cfg");
    const json_t *text = json_object_get(model ? model : config, "text_cfg");
    rs_json_at at = {json_object_get(text, "tokenizer_kwargs"), path};
    const char *clean;
    rs_status st;

    if (base->ops != &rs_unigram_ops && base->ops != &rs_wordpiece_ops)
        return RS_OK;
    if ((st = rs_json_str(at, "clean", "whitespace", &clean, err)) != RS_OK)
        return st;
    if (!rs_tidy_named(&((rs_word_tokenizer *)base)->tidy, clean))
        return rs_fail(err, RS_EFORMAT, "%s: text_cfg.tokenizer_kwargs.clean: \"%.40s\" is not "
                       "supported", path, clean);
    return RS_OK;
}
