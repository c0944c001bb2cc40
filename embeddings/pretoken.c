/* pretoken.c - see pretoken_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/pretoken_int.h"

#include "embeddings/classes_int.h"
#include "embeddings/words_int.h"

#include <string.h>

static const char METASPACE[] = "\xe2\x96\x81";

/* ---- Running --------------------------------------------------------- */

/* One text on its way through the steps. */
typedef struct {
    const rs_cutter *c;
    rs_cut_room *room;
    rs_word_fn   word;
    void        *context;
    rs_err      *err;
} run;

static rs_status cut(const run *r, size_t step, const char *text, size_t len);

static rs_status cut_at_space(const run *r, size_t step, const char *text, size_t len, bool signs)
{
    rs_status st = RS_OK;
    size_t from = 0;

    for (size_t at = 0, next = 0; st == RS_OK && at < len; at = next) {
        uint32_t c = rs_utf8_next(text, len, &next);
        bool space = rs_is_space(c), sign = signs && !space && rs_is_punctuation(c);

        if (!space && !sign)
            continue;
        st = cut(r, step + 1, text + from, at - from);
        if (st == RS_OK && sign)
            st = cut(r, step + 1, text + at, next - at);
        from = next;
    }
    return st == RS_OK ? cut(r, step + 1, text + from, len - from) : st;
}

/* The text with marks for spaces, in the room of this step. */
static void mark_spaces(const rs_cut *s, rs_buf *out, bool *begun, const char *text, size_t len)
{
    size_t n = strlen(s->mark);
    bool has = text[0] == ' ' || (len >= n && memcmp(text, s->mark, n) == 0);

    out->len = 0;
    if (!has && (s->prefix == RS_PREFIX_ALWAYS || (s->prefix == RS_PREFIX_FIRST && !*begun)))
        rs_buf_append(out, s->mark, n);
    *begun = true;
    for (size_t i = 0; i < len; i++)
        if (text[i] == ' ')
            rs_buf_append(out, s->mark, n);
        else
            rs_buf_putc(out, text[i]);
}

static rs_status cut_at_mark(const run *r, size_t step, const char *text, size_t len)
{
    const rs_cut *s = &r->c->cut[step];
    rs_buf *marked = &r->room->marked[step];
    size_t n = strlen(s->mark), from = 0;
    rs_status st = RS_OK;

    mark_spaces(s, marked, &r->room->begun[step], text, len);
    if (marked->failed)
        return rs_fail(r->err, RS_ENOMEM, "text of %zu bytes: no memory", len);
    for (size_t at = 1; s->split && st == RS_OK && at + n <= marked->len; at++)
        if (marked->data[at] == s->mark[0] && memcmp(marked->data + at, s->mark, n) == 0) {
            st = cut(r, step + 1, marked->data + from, at - from);
            from = at;
        }
    return st == RS_OK ? cut(r, step + 1, marked->data + from, marked->len - from) : st;
}

static rs_status cut(const run *r, size_t step, const char *text, size_t len)
{
    if (len == 0)
        return RS_OK;
    if (step == r->c->n)
        return r->word(r->context, text, len, r->err);
    switch (r->c->cut[step].kind) {
    case RS_CUT_SPACE: return cut_at_space(r, step, text, len, false);
    case RS_CUT_BERT:  return cut_at_space(r, step, text, len, true);
    case RS_CUT_MARK:  return cut_at_mark(r, step, text, len);
    }
    return RS_OK;
}

rs_status rs_cutter_run(const rs_cutter *c, rs_cut_room *room, const char *text, size_t len,
                        rs_word_fn word, void *context, rs_err *err)
{
    run r = {c, room, word, context, err};

    return cut(&r, 0, text, len);
}

void rs_cut_room_clear(rs_cut_room *room)
{
    for (size_t i = 0; i < RS_CUT_STEPS; i++)
        rs_buf_clear(&room->marked[i]);
    *room = (rs_cut_room){0};
}

/* ---- Reading --------------------------------------------------------- */

static rs_status read_mark(rs_cut *s, rs_json_at at, rs_err *err)
{
    const char *mark, *scheme;
    bool prefix;
    size_t next = 0, n;
    rs_status st;

    if ((st = rs_json_str(at, "replacement", METASPACE, &mark, err)) != RS_OK ||
        (st = rs_json_str(at, "prepend_scheme", "always", &scheme, err)) != RS_OK ||
        (st = rs_json_bool(at, "add_prefix_space", true, &prefix, err)) != RS_OK ||
        (st = rs_json_bool(at, "split", true, &s->split, err)) != RS_OK)
        return st;
    n = strlen(mark);
    if (n)
        rs_utf8_next(mark, n, &next);
    if (n == 0 || next != n || n >= sizeof s->mark)
        return rs_fail(err, RS_ECORRUPT, "%s: replacement: wanted one character", at.where);
    memcpy(s->mark, mark, n + 1);
    if (strcmp(scheme, "always") != 0 && strcmp(scheme, "first") != 0 &&
        strcmp(scheme, "never") != 0)
        return rs_fail(err, RS_EFORMAT, "%s: prepend_scheme \"%.40s\" is not supported", at.where,
                       scheme);
    s->prefix = !prefix || *scheme == 'n' ? RS_PREFIX_NEVER :
                *scheme == 'f' ? RS_PREFIX_FIRST : RS_PREFIX_ALWAYS;
    return RS_OK;
}

static rs_status read_cut(rs_cutter *c, rs_json_at at, rs_err *err)
{
    static const struct { const char *type; rs_cut_kind kind; } rows[] = {
        {"WhitespaceSplit", RS_CUT_SPACE}, {"Metaspace", RS_CUT_MARK},
        {"BertPreTokenizer", RS_CUT_BERT},
    };
    const char *type;
    rs_status st = rs_json_str(at, "type", "", &type, err);

    for (size_t i = 0; st == RS_OK && i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(type, rows[i].type) != 0)
            continue;
        if (c->n == RS_CUT_STEPS)
            return rs_fail(err, RS_ELIMIT, "%s: more than %d steps", at.where, RS_CUT_STEPS);
        c->cut[c->n].kind = rows[i].kind;
        c->n++;
        return rows[i].kind == RS_CUT_MARK ? read_mark(&c->cut[c->n - 1], at, err) : RS_OK;
    }
    return st != RS_OK ? st :
           rs_fail(err, RS_EFORMAT, "%s: type \"%.40s\" is not supported", at.where, type);
}

rs_status rs_cutter_read(rs_cutter *c, const json_t *spec, const char *where, rs_err *err)
{
    rs_json_at at = {spec, where};
    const json_t *list = json_object_get(spec, "pretokenizers");
    const char *type = "";
    char inner[300];
    rs_status st = RS_OK;

    *c = (rs_cutter){0};
    if (!spec || json_is_null(spec))
        return RS_OK;
    if ((st = rs_json_str(at, "type", "", &type, err)) != RS_OK)
        return st;
    if (strcmp(type, "Sequence") != 0)
        return read_cut(c, at, err);
    if (!json_is_array(list))
        return rs_fail(err, RS_ECORRUPT, "%s: pretokenizers: wanted a list", where);
    for (size_t i = 0; st == RS_OK && i < json_array_size(list); i++) {
        snprintf(inner, sizeof inner, "%s: pretokenizers %zu", where, i);
        st = read_cut(c, (rs_json_at){json_array_get(list, i), inner}, err);
    }
    return st;
}
