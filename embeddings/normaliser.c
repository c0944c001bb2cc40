/* normaliser.c - see normaliser_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/normaliser_int.h"

#include "base/alloc.h"
#include "embeddings/classes_int.h"
#include "embeddings/words_int.h"

#include <string.h>
#include <utf8proc.h>

enum { CONTENT_MAX = 64, DEPTH_MAX = 8, CAPITAL_I_DOT = 0x130, DOT_ABOVE = 0x307 };

/* ---- Steps: each appends to `out` what becomes of text[0..len) --------- */

static void put_lower(rs_buf *out, uint32_t c)
{
    if (c < 0x80) {
        rs_buf_putc(out, (char)(c - 'A' < 26 ? c + 32 : c));
        return;
    }
    if (c == CAPITAL_I_DOT) {            /* the one letter whose lower case is two */
        rs_buf_putc(out, 'i');
        c = DOT_ABOVE;
    }
    rs_utf8_put(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
}

static void lower(rs_buf *out, const char *text, size_t len)
{
    for (size_t at = 0; at < len;)
        put_lower(out, rs_utf8_next(text, len, &at));
}

static void replace(const rs_step *s, rs_buf *out, const char *text, size_t len, size_t limit)
{
    size_t from = 0;

    for (size_t at = 0; at < len && out->len <= limit;) {
        size_t n = rs_pattern_match(s->pattern, text + at, len - at);
        if (n) {
            rs_buf_append(out, text + from, at - from);
            rs_buf_puts(out, s->content);
            from = at += n;
        } else {
            rs_utf8_next(text, len, &at);
        }
    }
    rs_buf_append(out, text + from, len - from);
}

static void strip(const rs_step *s, rs_buf *out, const char *text, size_t len)
{
    size_t from = 0, end = 0;

    for (size_t at = 0; s->left && at < len && rs_is_space(rs_utf8_next(text, len, &at));)
        from = at;
    for (size_t at = from; at < len;)
        if (!rs_is_space(rs_utf8_next(text, len, &at)) || !s->right)
            end = at;
    if (end > from)
        rs_buf_append(out, text + from, end - from);
}

/* Bytes of the grapheme cluster at text[at]. */
static size_t cluster(const char *text, size_t len, size_t at)
{
    size_t next = at, end;
    uint32_t c = rs_utf8_next(text, len, &next);
    utf8proc_int32_t state = 0;

    for (end = next; next < len; end = next) {
        uint32_t following = rs_utf8_next(text, len, &next);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)c, (utf8proc_int32_t)following,
                                             &state))
            break;
        c = following;
    }
    return end - at;
}

/* As the library has it: a short cluster whole, by the first key that it begins with (and
 * then the rest of it is dropped); otherwise each of its characters so. */
static void put_mapped(const rs_charsmap *m, rs_buf *out, const char *text, size_t len)
{
    enum { SHORT = 6 };
    size_t n;
    const char *to = len < SHORT ? rs_charsmap_shortest(m, text, len, &n) : NULL;

    if (to) {
        rs_buf_puts(out, to);
        return;
    }
    for (size_t at = 0, next = 0; at < len; at = next) {
        rs_utf8_next(text, len, &next);
        to = rs_charsmap_shortest(m, text + at, next - at, &n);
        if (to)
            rs_buf_puts(out, to);
        else
            rs_buf_append(out, text + at, next - at);
    }
}

static void map_characters(const rs_step *s, rs_buf *out, const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        uint8_t c = (uint8_t)text[at];
        bool alone = c < 0x80 && c != '\r' && (at + 1 == len || (uint8_t)text[at + 1] < 0x80);
        size_t n = alone ? 1 : cluster(text, len, at);

        if (alone && !s->charsmap.ascii[c])
            rs_buf_putc(out, (char)c);
        else
            put_mapped(&s->charsmap, out, text + at, n);
        at += n;
    }
}

static void drop_marks(rs_buf *out, const char *text, size_t len)
{
    for (size_t at = 0, from = 0; at < len; from = at)
        if (!rs_is_mark(rs_utf8_next(text, len, &at)))
            rs_buf_append(out, text + from, at - from);
}

static bool nmt_drops(uint32_t c)
{
    return (c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f ||
           c == 0x9f;
}

static bool nmt_spaces(uint32_t c)
{
    return c == 9 || c == 0xa || c == 0xc || c == 0xd || c == 0x1680 ||
           (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
           c == 0xfeff || c == 0xfffd;
}

static void nmt(rs_buf *out, const char *text, size_t len)
{
    for (size_t at = 0, from = 0; at < len; from = at) {
        uint32_t c = rs_utf8_next(text, len, &at);
        if (nmt_spaces(c))
            rs_buf_putc(out, ' ');
        else if (!nmt_drops(c))
            rs_buf_append(out, text + from, at - from);
    }
}

/* BERT's first two settings in one pass. */
static void bert_clean(const rs_step *s, rs_buf *out, const char *text, size_t len)
{
    for (size_t at = 0, from = 0; at < len; from = at) {
        uint32_t c = rs_utf8_next(text, len, &at);
        if (s->clean && (c == 0 || c == 0xfffd || rs_is_control(c)))
            continue;
        if (s->clean && rs_is_space(c)) {
            rs_buf_putc(out, ' ');
        } else if (s->chinese && rs_is_chinese(c)) {
            rs_buf_putc(out, ' ');
            rs_buf_append(out, text + from, at - from);
            rs_buf_putc(out, ' ');
        } else {
            rs_buf_append(out, text + from, at - from);
        }
    }
}

/* Its last two. */
static void bert_fold(const rs_step *s, rs_buf *out, const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        uint32_t c = rs_utf8_next(text, len, &at);
        if (s->accents && rs_is_accent(c))
            continue;
        if (s->lower)
            put_lower(out, c);
        else
            rs_utf8_put(out, c);
    }
}

static bool is_ascii(const rs_buf *b)
{
    for (size_t i = 0; i < b->len; i++)
        if ((uint8_t)b->data[i] >= 0x80)
            return false;
    return true;
}

static void exchange(rs_buf *a, rs_buf *b)
{
    rs_buf c = *a;

    *a = *b;
    *b = c;
}

/* text -> cleaned -> NFD -> folded; ends in `out`. */
static rs_status bert(const rs_step *s, rs_buf *out, rs_buf *text, rs_err *err)
{
    rs_status st = RS_OK;

    bert_clean(s, out, text->data, text->len);
    if (!s->accents && !s->lower)
        return RS_OK;
    exchange(out, text);
    out->len = 0;
    if (s->accents && !is_ascii(text)) {
        st = rs_normal_form(out, text->data, text->len, false, false, err);
        exchange(out, text);
        out->len = 0;
    }
    if (st == RS_OK)
        bert_fold(s, out, text->data, text->len);
    return st;
}

static rs_status run_step(const rs_step *s, rs_buf *out, rs_buf *text, size_t limit, rs_err *err)
{
    switch (s->kind) {
    case RS_STEP_LOWER:    lower(out, text->data, text->len); break;
    case RS_STEP_REPLACE:  replace(s, out, text->data, text->len, limit); break;
    case RS_STEP_STRIP:    strip(s, out, text->data, text->len); break;
    case RS_STEP_CHARSMAP: map_characters(s, out, text->data, text->len); break;
    case RS_STEP_MARKS:    drop_marks(out, text->data, text->len); break;
    case RS_STEP_NMT:      nmt(out, text->data, text->len); break;
    case RS_STEP_PREPEND:
        if (text->len)
            rs_buf_puts(out, s->content);
        rs_buf_append(out, text->data, text->len);
        break;
    case RS_STEP_FORM:
        return rs_normal_form(out, text->data, text->len, s->compatible, s->composed, err);
    case RS_STEP_BERT:
        return bert(s, out, text, err);
    }
    return RS_OK;
}

rs_status rs_normaliser_run(const rs_normaliser *n, rs_buf *text, rs_buf *room, rs_err *err)
{
    size_t len = text->len, limit = RS_NORMALISER_GROWTH * (len + 64);
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < n->n; i++) {
        room->len = 0;
        st = run_step(&n->step[i], room, text, limit, err);
        exchange(room, text);
        if (st == RS_OK && (text->failed || room->failed))
            st = rs_fail(err, RS_ENOMEM, "text of %zu bytes: no memory to normalise it", len);
        if (st == RS_OK && text->len > limit)
            st = rs_fail(err, RS_ELIMIT, "text of %zu bytes: the tokenizer's normalizer makes "
                         "more than %zu of them", len, limit);
    }
    return st;
}

/* ---- Reading --------------------------------------------------------- */

rs_step *rs_normaliser_add(rs_normaliser *n, rs_step_kind kind, const char *where, rs_err *err)
{
    if (!n->step && !(n->step = rs_calloc(RS_NORMALISER_STEPS, sizeof *n->step))) {
        rs_fail(err, RS_ENOMEM, "%s: no memory", where);
        return NULL;
    }
    if (n->n == RS_NORMALISER_STEPS) {
        rs_fail(err, RS_ELIMIT, "%s: more than %d steps", where, RS_NORMALISER_STEPS);
        return NULL;
    }
    n->step[n->n].kind = kind;
    return &n->step[n->n++];
}

void rs_normaliser_clear(rs_normaliser *n)
{
    for (size_t i = 0; i < n->n; i++) {
        rs_free(n->step[i].pattern);
        rs_free(n->step[i].content);
        rs_charsmap_clear(&n->step[i].charsmap);
    }
    rs_free(n->step);
    *n = (rs_normaliser){0};
}

static rs_status read_content(rs_step *s, rs_json_at at, const char *key, rs_err *err)
{
    const char *text;
    rs_status st = rs_json_str(at, key, NULL, &text, err);

    if (st != RS_OK || (st = rs_json_need(at, key, err)) != RS_OK)
        return st;
    if (strlen(text) > CONTENT_MAX)
        return rs_fail(err, RS_ELIMIT, "%s: %s: %zu bytes, at most %d", at.where, key, strlen(text),
                       CONTENT_MAX);
    s->content = rs_strdup(text);
    return s->content ? RS_OK : rs_fail(err, RS_ENOMEM, "%s: no memory", at.where);
}

static rs_status read_replace(rs_step *s, rs_json_at at, rs_err *err)
{
    const json_t *pattern = json_object_get(at.object, "pattern");
    const json_t *literal = json_object_get(pattern, "String");
    const json_t *regex = json_object_get(pattern, "Regex");
    rs_status st = read_content(s, at, "content", err);

    if (st != RS_OK)
        return st;
    if (json_is_string(pattern))
        literal = pattern;
    s->pattern = rs_calloc(1, sizeof *s->pattern);
    if (!s->pattern)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", at.where);
    if (json_is_string(regex))
        return rs_pattern_read(s->pattern, json_string_value(regex), json_string_length(regex),
                               at.where, err);
    if (json_is_string(literal))
        return rs_pattern_literal(s->pattern, json_string_value(literal),
                                  json_string_length(literal), at.where, err);
    return rs_fail(err, RS_ECORRUPT, "%s: pattern: wanted a String or a Regex", at.where);
}

static rs_status read_charsmap(rs_step *s, rs_json_at at, rs_err *err)
{
    const char *text;
    char where[400];
    rs_status st = rs_json_str(at, "precompiled_charsmap", NULL, &text, err);

    if (st != RS_OK || (st = rs_json_need(at, "precompiled_charsmap", err)) != RS_OK)
        return st;
    snprintf(where, sizeof where, "%s: precompiled_charsmap", at.where);
    return rs_charsmap_read64(&s->charsmap, text, strlen(text), where, err);
}

static rs_status read_strip(rs_step *s, rs_json_at at, rs_err *err)
{
    rs_status st = rs_json_bool(at, "strip_left", true, &s->left, err);

    return st == RS_OK ? rs_json_bool(at, "strip_right", true, &s->right, err) : st;
}

/* strip_accents: null goes by lowercase. */
static rs_status read_bert(rs_step *s, rs_json_at at, rs_err *err)
{
    rs_status st;

    if ((st = rs_json_bool(at, "clean_text", true, &s->clean, err)) != RS_OK ||
        (st = rs_json_bool(at, "handle_chinese_chars", true, &s->chinese, err)) != RS_OK ||
        (st = rs_json_bool(at, "lowercase", true, &s->lower, err)) != RS_OK)
        return st;
    return rs_json_bool(at, "strip_accents", s->lower, &s->accents, err);
}

static rs_status read_step(rs_normaliser *n, const char *type, rs_json_at at, rs_err *err)
{
    static const struct {
        const char *type;
        rs_step_kind kind;
        bool compatible, composed;
        const char *key;
    } rows[] = {
        {"Lowercase", RS_STEP_LOWER, 0, 0, NULL}, {"Replace", RS_STEP_REPLACE, 0, 0, NULL},
        {"Strip", RS_STEP_STRIP, 0, 0, NULL}, {"Precompiled", RS_STEP_CHARSMAP, 0, 0, NULL},
        {"NFD", RS_STEP_FORM, 0, 0, NULL}, {"NFC", RS_STEP_FORM, 0, 1, NULL},
        {"NFKD", RS_STEP_FORM, 1, 0, NULL}, {"NFKC", RS_STEP_FORM, 1, 1, NULL},
        {"Prepend", RS_STEP_PREPEND, 0, 0, "prepend"}, {"StripAccents", RS_STEP_MARKS, 0, 0, NULL},
        {"Nmt", RS_STEP_NMT, 0, 0, NULL}, {"BertNormalizer", RS_STEP_BERT, 0, 0, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_step *s;

        if (strcmp(type, rows[i].type) != 0)
            continue;
        s = rs_normaliser_add(n, rows[i].kind, at.where, err);
        if (!s)
            return n->step ? RS_ELIMIT : RS_ENOMEM;
        s->compatible = rows[i].compatible;
        s->composed = rows[i].composed;
        return s->kind == RS_STEP_REPLACE ? read_replace(s, at, err) :
               s->kind == RS_STEP_STRIP ? read_strip(s, at, err) :
               s->kind == RS_STEP_CHARSMAP ? read_charsmap(s, at, err) :
               s->kind == RS_STEP_BERT ? read_bert(s, at, err) :
               rows[i].key ? read_content(s, at, rows[i].key, err) : RS_OK;
    }
    return rs_fail(err, RS_EFORMAT, "%s: type \"%.40s\" is not supported", at.where, type);
}

static rs_status read_any(rs_normaliser *n, const json_t *spec, const char *where, int depth,
                          rs_err *err)
{
    rs_json_at at = {spec, where};
    const json_t *list = json_object_get(spec, "normalizers");
    const char *type;
    char inner[300];
    rs_status st;

    if ((st = rs_json_str(at, "type", "", &type, err)) != RS_OK)
        return st;
    if (strcmp(type, "Sequence") != 0)
        return read_step(n, type, at, err);
    if (!json_is_array(list))
        return rs_fail(err, RS_ECORRUPT, "%s: normalizers: wanted a list", where);
    if (depth == DEPTH_MAX)
        return rs_fail(err, RS_ELIMIT, "%s: sequences nested deeper than %d", where, DEPTH_MAX);
    for (size_t i = 0; st == RS_OK && i < json_array_size(list); i++) {
        snprintf(inner, sizeof inner, "%s: normalizers %zu", where, i);
        st = read_any(n, json_array_get(list, i), inner, depth + 1, err);
    }
    return st;
}

rs_status rs_normaliser_read(rs_normaliser *n, const json_t *spec, const char *where, rs_err *err)
{
    rs_status st = RS_OK;

    *n = (rs_normaliser){0};
    if (spec && !json_is_null(spec))
        st = read_any(n, spec, where, 0, err);
    if (st != RS_OK)
        rs_normaliser_clear(n);
    return st;
}
