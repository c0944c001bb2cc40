/* tokenizer_spiece.c - SigLIP's tokenizer from a spiece.model: SiglipTokenizer of the
 * transformers library, which runs SentencePiece after tidying the text.
 *
 *   "Left Lung: clear.</s>"    U+2581 in front (a space where the text has one), lower
 *                              case but in special tokens, which then part the text
 *   "\u2581left lung clear"    ASCII's signs dropped, white space folded and stripped
 *   "<unk>\u2581left_..."      the unknown token in front, so that SentencePiece does not
 *                              take the first U+2581 for white space of its own
 *   ids, without the first few, those of "<unk>"
 *
 * Nothing but that library would do it so; these steps are what its ids are made of.
 * eos is not doubled where a text ends with it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "embeddings/spiece_int.h"
#include "embeddings/tokenizer_words_int.h"

#include "base/alloc.h"
#include "embeddings/words_int.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static const char METASPACE[] = "\xe2\x96\x81";
enum { MARK = 3 };                       /* its bytes */

typedef struct {
    rs_tokenizer base;
    rs_spiece    model;
    rs_added_set special;        /* found after lower-casing */
    bool   lower;
    char  *unknown;              /* "<unk>" */
    size_t n_unknown;            /* its tokens as a text */
    rs_readings readings;
} spiece_tokenizer;

/* ---- Encoding -------------------------------------------------------- */

/* White space of Python's str. */
static bool is_space(uint32_t c)
{
    return rs_is_space(c) || (c >= 0x1c && c <= 0x1f);
}

static bool is_sign(uint32_t c)
{
    return c > ' ' && c < 0x7f && (c | 32) - 'a' >= 26 && c - '0' >= 10;
}

static void put_lower(rs_buf *out, uint32_t c)
{
    if (c == 0x130) {                    /* the one letter whose lower case is two */
        rs_buf_putc(out, 'i');
        c = 0x307;
    }
    rs_utf8_put(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
}

/* U+2581, then the text in lower case with spaces for its own U+2581. */
static void prepare(const spiece_tokenizer *t, rs_buf *out, const char *text, size_t len)
{
    rs_buf_puts(out, METASPACE);
    for (size_t at = 0; at < len;) {
        size_t n;
        uint32_t c;

        if (rs_trie_longest(&t->special.trie, RS_TRIE_ROOT, text + at, len - at, &n) >= 0) {
            rs_buf_append(out, text + at, n);
            at += n;
            continue;
        }
        c = rs_utf8_next(text, len, &at);
        if (c == 0x2581)
            rs_buf_putc(out, ' ');
        else if (t->lower)
            put_lower(out, c);
        else
            rs_utf8_put(out, c);
    }
}

/* Appends text without signs, white space folded, none at either end. */
static void canonicalise(rs_buf *out, const char *text, size_t len)
{
    size_t from = out->len;
    bool space = false;

    for (size_t at = 0; at < len;) {
        uint32_t c = rs_utf8_next(text, len, &at);
        if (is_sign(c))
            continue;
        if (is_space(c)) {
            space = true;
            continue;
        }
        if (space && out->len > from)
            rs_buf_putc(out, ' ');
        space = false;
        rs_utf8_put(out, c);
    }
}

/* One text on its way. */
typedef struct {
    const spiece_tokenizer *t;
    rs_id_sink *sink;
    rs_unigram_room room;
    rs_buf tidy, plain;
    bool   held;                 /* an eos that is put when something follows it */
    rs_err *err;
} run;

static void put_id(run *r, int32_t id)
{
    if (r->held)
        rs_id_put(r->sink, r->t->base.eos);
    r->held = id == r->t->base.eos;
    if (!r->held)
        rs_id_put(r->sink, id);
}

/* The tokens of a piece between special ones, into r->room, of which *skip are not its. */
static rs_status cut_piece(run *r, const char *text, size_t len, size_t *skip)
{
    rs_status st;

    r->tidy.len = r->plain.len = 0;
    rs_buf_puts(&r->tidy, r->t->unknown);
    canonicalise(&r->tidy, text, len);
    if (!r->tidy.failed)
        rs_spiece_normalise(&r->t->model, &r->plain, r->tidy.data, r->tidy.len);
    if (r->tidy.failed || r->plain.failed)
        return rs_fail(r->err, RS_ENOMEM, "text of %zu bytes: no memory", len);
    *skip = 0;
    st = rs_unigram_run(&r->t->model.unigram, r->plain.data, r->plain.len, &r->room, r->err);
    if (r->room.n >= r->t->n_unknown)
        *skip = r->t->n_unknown;
    return st;
}

/* Whether all of what was cut is U+2581: dropped in front of a special token. */
static bool only_mark(const run *r, size_t skip)
{
    return r->room.n == skip + 1 && r->tidy.len == strlen(r->t->unknown) + MARK &&
           memcmp(r->tidy.data + r->tidy.len - MARK, METASPACE, MARK) == 0;
}

static rs_status put_parts(run *r, const char *text, size_t len)
{
    rs_added_parts parts = {.set = &r->t->special, .text = text, .len = len};
    rs_added_part part;
    rs_status st = RS_OK;

    while (st == RS_OK && !r->sink->cut && rs_added_next(&parts, &part)) {
        size_t skip = 0;

        if (part.token) {
            put_id(r, part.token->id);
            continue;
        }
        st = cut_piece(r, part.text, part.len, &skip);
        if (st == RS_OK && part.text == text && parts.found && only_mark(r, skip))
            continue;
        for (size_t i = skip; st == RS_OK && i < r->room.n; i++)
            put_id(r, r->room.id[i]);
    }
    return st;
}

static rs_status encode(const rs_tokenizer *base, const char *text, size_t len, rs_id_sink *s,
                        rs_err *err)
{
    run r = {.t = (const spiece_tokenizer *)base, .sink = s, .err = err};
    rs_buf ready = {0};
    rs_status st;

    prepare(r.t, &ready, text, len);
    st = ready.failed ? rs_fail(err, RS_ENOMEM, "text of %zu bytes: no memory", len) :
         put_parts(&r, ready.data, ready.len);
    if (s->cut && s->n > 0 && s->ids[s->n - 1] == base->eos)
        s->n--;                          /* it follows anyway, as it does one that is held */
    rs_unigram_room_clear(&r.room);
    rs_buf_clear(&r.tidy);
    rs_buf_clear(&r.plain);
    rs_buf_clear(&ready);
    return st;
}

static void decode(const rs_tokenizer *base, const int32_t *ids, size_t n, rs_buf *out)
{
    rs_readings_decode(&((const spiece_tokenizer *)base)->readings, base->size, ids, n, out);
}

static void close_spiece(rs_tokenizer *base)
{
    spiece_tokenizer *t = (spiece_tokenizer *)base;

    rs_spiece_clear(&t->model);
    rs_added_clear(&t->special);
    rs_readings_clear(&t->readings);
    rs_free(t->unknown);
    rs_free(t);
}

static const rs_tokenizer_ops spiece_ops = {RS_TOKENIZER_UNIGRAM, encode, decode, close_spiece};

/* ---- Opening --------------------------------------------------------- */

/* The id of a token that the config names, or the usual one; put among the special ones. */
static rs_status take_special(spiece_tokenizer *t, const json_t *config, const char *key,
                              const char *usual, int32_t *id, rs_err *err)
{
    const char *name = rs_config_token(config, key);

    if (!name)
        name = usual;
    *id = rs_trie_find(&t->model.all, name, strlen(name));
    if (*id < 0)
        return rs_fail(err, RS_ECORRUPT, "spiece.model: %s \"%.40s\" is not among the pieces", key,
                       name);
    return rs_added_put(&t->special, name, strlen(name), (rs_added){.id = *id}, err);
}

/* One of tokenizer_config.json's added_tokens_decoder: {"1": {"content": "</s>"}}: a
 * piece, or a token behind them all. */
static rs_status take_added(spiece_tokenizer *t, const char *key, const json_t *token, rs_err *err)
{
    const char *text = json_string_value(json_object_get(token, "content"));
    int32_t piece = text ? rs_trie_find(&t->model.all, text, strlen(text)) : -1;
    char *end;
    long id = strtol(key, &end, 10);
    bool behind = id >= (long)t->model.n && id < (long)t->model.n + RS_ADDED_MAX;

    if (!text || !*text || *end || !*key || (piece >= 0 ? id != piece : !behind))
        return rs_fail(err, RS_ECORRUPT, "tokenizer_config.json: added_tokens_decoder: \"%.20s\": "
                       "wanted a piece of spiece.model with its id, or an id behind them", key);
    if ((size_t)id >= t->base.size)
        t->base.size = (size_t)id + 1;
    return rs_added_put(&t->special, text, strlen(text), (rs_added){.id = (int32_t)id}, err);
}

static rs_status take_all_added(spiece_tokenizer *t, const json_t *config, rs_err *err)
{
    json_t *list = json_object_get(config, "added_tokens_decoder");
    const char *key;
    json_t *token;
    rs_status st;

    if (json_object_size(list) > RS_ADDED_MAX)
        return rs_fail(err, RS_ELIMIT, "tokenizer_config.json: added_tokens_decoder: %zu tokens, at "
                       "most %d", json_object_size(list), RS_ADDED_MAX);
    json_object_foreach(list, key, token)
        if ((st = take_added(t, key, token, err)) != RS_OK)
            return st;
    return RS_OK;
}

static rs_status take_config(spiece_tokenizer *t, const json_t *config, rs_err *err)
{
    rs_json_at at = {config, "tokenizer_config.json"};
    const char *class, *unknown = rs_config_token(config, "unk_token");
    int32_t id;
    rs_status st = rs_json_str(at, "tokenizer_class", "SiglipTokenizer", &class, err);

    if (st != RS_OK)
        return st;
    if (strncmp(class, "Siglip", 6) != 0)
        return rs_fail(err, RS_EFORMAT, "tokenizer_config.json: tokenizer_class \"%.40s\": with "
                       "spiece.model only SiglipTokenizer is supported", class);
    t->unknown = rs_strdup(unknown ? unknown : "<unk>");
    if (!t->unknown)
        return rs_fail(err, RS_ENOMEM, "spiece.model: no memory");
    if ((st = rs_json_bool(at, "do_lower_case", true, &t->lower, err)) != RS_OK ||
        (st = take_special(t, config, "unk_token", "<unk>", &id, err)) != RS_OK ||
        (st = take_special(t, config, "eos_token", "</s>", &t->base.eos, err)) != RS_OK ||
        (st = take_special(t, config, "pad_token", "</s>", &t->base.pad, err)) != RS_OK)
        return st;
    return take_all_added(t, config, err);
}

/* How many tokens the unknown token is as a text. */
static rs_status count_unknown(spiece_tokenizer *t, rs_err *err)
{
    rs_unigram_room room = {0};
    rs_buf plain = {0};
    rs_status st;

    rs_spiece_normalise(&t->model, &plain, t->unknown, strlen(t->unknown));
    st = plain.failed ? rs_fail(err, RS_ENOMEM, "spiece.model: no memory") :
         rs_unigram_run(&t->model.unigram, plain.data, plain.len, &room, err);
    t->n_unknown = room.n;
    rs_unigram_room_clear(&room);
    rs_buf_clear(&plain);
    return st;
}

static rs_status build_readings(spiece_tokenizer *t, rs_err *err)
{
    const rs_spiece *m = &t->model;
    rs_buf all = {0};

    t->readings.at = rs_calloc(t->base.size + 1, sizeof *t->readings.at);
    for (size_t i = 0; t->readings.at && i < t->base.size; i++) {
        const rs_piece *p = i < m->n ? &m->piece[i] : NULL;
        if (p && p->type != RS_PIECE_CONTROL && p->type != RS_PIECE_UNKNOWN)
            rs_reading_put(&all, p->text, p->len, p->type == RS_PIECE_BYTE);
        t->readings.at[i + 1] = (uint32_t)all.len;
    }
    t->readings.text = rs_buf_take(&all);
    return t->readings.at && t->readings.text ? RS_OK :
           rs_fail(err, RS_ENOMEM, "spiece.model: no memory for the tokens' texts");
}

rs_status rs_spiece_load(rs_tokenizer **out, const char *path, const json_t *config, rs_err *err)
{
    spiece_tokenizer *t = rs_calloc(1, sizeof *t);
    char *bytes = NULL;
    size_t len;
    rs_status st;

    if (!t)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", path);
    t->base = (rs_tokenizer){.ops = &spiece_ops, .bos = -1, .eos = -1, .pad = -1, .pads = true};
    if ((st = rs_file_read(&bytes, &len, path, RS_TOKENIZER_FILE_MAX, err)) == RS_OK &&
        (st = rs_spiece_read(&t->model, bytes, len, path, err)) == RS_OK) {
        t->model.dummy_prefix = false;   /* SiglipTokenizer puts its own */
        t->base.size = t->model.n;
        if ((st = take_config(t, config, err)) == RS_OK &&
            (st = build_readings(t, err)) == RS_OK)
            st = count_unknown(t, err);
    }
    rs_spiece_forget(&t->model);
    rs_free(bytes);
    if (st == RS_OK)
        *out = &t->base;
    else
        rs_tokenizer_close(&t->base);
    return st;
}
