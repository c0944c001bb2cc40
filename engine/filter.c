/* filter.c - see filter.h. Recursive descent that writes postfix steps; parentheses are the
 * only thing that recurses, and they are counted.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/filter.h"

#include "base/alloc.h"
#include "engine/archive.h"
#include "engine/dates.h"
#include "engine/db.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct {
    const char     *text;
    size_t          at;
    rs_arena       *mem;
    rs_err         *err;
    rs_filter_step *steps;
    size_t          n, cap;
    size_t          tests, values, depth;
    size_t          waiting, room;     /* results on the stack, now and at most */
} parser;

static const struct { const char *name; bool ranges; } fields[RS_FIELDS] = {
#define RS_FILTER_ROW(id, text, ranges) {text, ranges},
    RS_FILTER_FIELDS(RS_FILTER_ROW)
#undef RS_FILTER_ROW
};

const char *rs_field_name(rs_field f) { return (unsigned)f < RS_FIELDS ? fields[f].name : "?"; }

/* ---- What is wrong --------------------------------------------------- */

static rs_status wanted(parser *p, size_t at, const char *what)
{
    if (!p->text[at])
        return rs_fail(p->err, RS_EARG, "filter: at its end: wanted %s", what);
    return rs_fail(p->err, RS_EARG, "filter: at character %zu, '%.30s': wanted %s", at + 1,
                   p->text + at, what);
}

static rs_status nomem(parser *p) { return rs_fail(p->err, RS_ENOMEM, "filter: no memory"); }

/* ---- Words ----------------------------------------------------------- */

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static void skip_space(parser *p)
{
    while (is_space(p->text[p->at]))
        p->at++;
}

/* How many bytes from here on are none of `stop`, spaces or the end. */
static size_t run_of(const parser *p, const char *stop)
{
    const char *s = p->text + p->at;
    size_t n = 0;

    while (s[n] && !is_space(s[n]) && !strchr(stop, s[n]))
        n++;
    return n;
}

/* Is the next word this one? Then past it. */
static bool take_word(parser *p, const char *word)
{
    const size_t n = strlen(word);

    skip_space(p);
    if (run_of(p, "():|\"") != n || strncasecmp(p->text + p->at, word, n) != 0 ||
        p->text[p->at + n] == ':')
        return false;
    p->at += n;
    return true;
}

static bool take_char(parser *p, char c)
{
    skip_space(p);
    if (p->text[p->at] != c)
        return false;
    p->at++;
    return true;
}

/* "...", with \" and \\ inside, without them. */
static rs_status take_quoted(parser *p, const char **out)
{
    const char *s = p->text + p->at + 1;
    char *to = rs_new(p->mem, char, strlen(s) + 1);
    size_t n = 0;

    if (!to)
        return nomem(p);
    for (; *s && *s != '"'; s++) {
        if (*s == '\\' && (s[1] == '"' || s[1] == '\\'))
            s++;
        to[n++] = *s;
    }
    p->at = (size_t)(s - p->text);
    if (!*s)
        return wanted(p, p->at, "a closing \"");
    p->at++;
    *out = to;
    return RS_OK;
}

/* ---- Values ---------------------------------------------------------- */

bool rs_filter_number(const char *text, size_t len, double *out)
{
    char copy[64], *end;

    if (len == 0 || len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (strspn(copy, "0123456789.+-eE") != len)
        return false;
    *out = strtod(copy, &end);
    return *end == '\0' && isfinite(*out);
}

/* What one end of a range stands for: from <= x < below. */
static bool read_end(rs_field f, const char *text, size_t len, double *from, double *below)
{
    rs_date d;

    switch (f) {
    case RS_FIELD_DATE:
        if (!rs_date_read(&d, text, len))
            return false;
        *from = rs_date_first(d);
        *below = rs_date_last(d) + 1;
        return true;
    case RS_FIELD_TIER:
        for (int t = 0; t < RS_TIERS; t++) {
            const char *name = rs_tier_name((rs_tier)t);
            if (strlen(name) != len || strncasecmp(name, text, len) != 0)
                continue;
            *from = t;
            *below = t + 1;
            return true;
        }
        return false;
    case RS_FIELD_AGE: case RS_FIELD_ATTRIBUTE:
        if (!rs_filter_number(text, len, from))
            return false;
        *below = nextafter(*from, INFINITY);
        if (f == RS_FIELD_AGE && *from >= 0 && !memchr(text, '.', len))
            *below = floor(*from) + 1;
        return true;
    case RS_FIELD_MODALITY: case RS_FIELD_BODY_PART: case RS_FIELD_VIEW: case RS_FIELD_SEX:
    case RS_FIELD_COLLECTION: case RS_FIELD_SOURCE: case RS_FIELD_FINDING:
    case RS_FIELD_PATIENT: case RS_FIELD_CASE: case RS_FIELDS: break;
    }
    return false;
}

static const char *end_wanted(rs_field f)
{
    return f == RS_FIELD_DATE ? "a date such as 2024, 2024-03 or 2024-03-01" :
           f == RS_FIELD_TIER ? "unknown, reported, reviewed, followed or proven" :
           f == RS_FIELD_AGE ? "an age in years such as 40 or 40..60" : "a number";
}

/* The tier that is not known is only meant where it is named. */
static double least(rs_field f) { return f == RS_FIELD_TIER ? RS_TIER_UNKNOWN + 1 : -INFINITY; }

/* ">=40": `text` is 40. */
static bool compare(rs_field f, const char *op, size_t op_len, const char *text, size_t len,
                    rs_filter_value *v)
{
    double from, below;

    if (!read_end(f, text, len, &from, &below))
        return false;
    v->from = op[0] == '>' ? (op_len == 2 ? from : below) : op[0] == '=' ? from : least(f);
    v->below = op[0] == '<' ? (op_len == 2 ? below : from) : op[0] == '=' ? below : INFINITY;
    return true;
}

/* "40..60", "..60", "40.." or "40"; `text` ends after len. */
static bool range(rs_field f, const char *text, size_t len, rs_filter_value *v)
{
    const char *dots = strstr(text, "..");
    const size_t left = dots ? (size_t)(dots - text) : len, right = dots ? len - left - 2 : 0;
    double unused;

    if (!dots)
        return read_end(f, text, len, &v->from, &v->below);
    v->from = least(f);
    v->below = INFINITY;
    return left + right > 0 && (!left || read_end(f, text, left, &v->from, &unused)) &&
           (!right || read_end(f, dots + 2, right, &unused, &v->below));
}

/* A value of a field that has ranges. */
static bool read_range(rs_field f, const char *text, size_t len, rs_filter_value *v)
{
    size_t op = len && strchr("<>=", text[0]) ? 1 : 0;

    if (op && text[0] != '=' && text[1] == '=')
        op = 2;
    v->kind = RS_VALUE_RANGE;
    return op ? compare(f, text, op, text + op, len - op, v) : range(f, text, len, v);
}

/* Is a word an attribute's text, or meant as a range? */
static bool is_text(rs_field f, const char *text)
{
    return !fields[f].ranges ||
           (f == RS_FIELD_ATTRIBUTE && !strchr("<>=", text[0]) && !strstr(text, ".."));
}

static rs_status take_value(parser *p, rs_field f, rs_filter_value *v)
{
    const size_t at = (skip_space(p), p->at);
    const bool quoted = p->text[at] == '"';
    const char *text;
    size_t len;

    if (++p->values > RS_FILTER_MAX_VALUES)
        return rs_fail(p->err, RS_EARG, "filter: more than %d values", RS_FILTER_MAX_VALUES);
    if (quoted) {
        rs_status st = take_quoted(p, &text);
        if (st != RS_OK)
            return st;
    } else {
        len = run_of(p, "()|\"");
        if (len == 0)
            return wanted(p, at, "a value");
        text = rs_arena_strndup(p->mem, p->text + at, len);
        if (!text)
            return nomem(p);
        p->at += len;
    }
    *v = (rs_filter_value){.kind = RS_VALUE_EQUAL, .text = text};
    if (!quoted && strcmp(text, "*") == 0)
        v->kind = RS_VALUE_KNOWN;
    else if (quoted ? f == RS_FIELD_ATTRIBUTE || !fields[f].ranges : is_text(f, text))
        return RS_OK;
    else if (!read_range(f, text, strlen(text), v))
        return wanted(p, at, end_wanted(f));
    v->text = NULL;
    return RS_OK;
}

static rs_status take_values(parser *p, rs_filter_step *test)
{
    void *list = NULL;
    size_t cap = 0, n = 0;
    rs_status st;

    do {
        if (!rs_arena_grow(p->mem, &list, &cap, n, sizeof *test->values))
            return nomem(p);
        if ((st = take_value(p, test->field, (rs_filter_value *)list + n)) != RS_OK)
            return st;
        n++;
    } while (take_char(p, '|'));
    test->values = list;
    test->n_values = n;
    return RS_OK;
}

/* ---- Tests ----------------------------------------------------------- */

/* Equal but for capitals, and '-' for '_'. */
static bool is_named(const char *text, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++) {
        const char c = text[i] == '-' ? '_' : text[i];
        if (!name[i] || strncasecmp(&c, &name[i], 1) != 0)
            return false;
    }
    return !name[len];
}

static rs_field field_of(const char *text, size_t len)
{
    if (is_named(text, len, "plane"))
        return RS_FIELD_VIEW;
    for (int f = 0; f < RS_FIELD_ATTRIBUTE; f++)
        if (is_named(text, len, fields[f].name))
            return (rs_field)f;
    return RS_FIELDS;
}

static rs_status take_attribute_name(parser *p, rs_filter_step *test)
{
    size_t len;

    test->field = RS_FIELD_ATTRIBUTE;
    p->at += strlen("attr.");
    if (p->text[p->at] == '"')
        return take_quoted(p, &test->attribute);
    len = run_of(p, "():|\"");
    if (len == 0)
        return wanted(p, p->at, "the name of an attribute, as in attr.scanner:Siemens");
    test->attribute = rs_arena_strndup(p->mem, p->text + p->at, len);
    p->at += len;
    return test->attribute ? RS_OK : nomem(p);
}

static rs_status take_field(parser *p, rs_filter_step *test)
{
    const size_t len = run_of(p, "():|\"");

    if (strncasecmp(p->text + p->at, "attr.", 5) == 0)
        return take_attribute_name(p, test);
    test->field = field_of(p->text + p->at, len);
    if (test->field == RS_FIELDS)
        return wanted(p, p->at, "FIELD:VALUE with modality, body_part, view, sex, age, date,"
                      " finding, collection, source, patient, case, tier or attr.NAME");
    p->at += len;
    return RS_OK;
}

static rs_status add_step(parser *p, const rs_filter_step *s)
{
    void *array = p->steps;

    if (!rs_arena_grow(p->mem, &array, &p->cap, p->n, sizeof *p->steps))
        return nomem(p);
    p->steps = array;
    p->steps[p->n++] = *s;
    p->waiting += s->op == RS_FILTER_TEST;
    p->waiting -= s->op == RS_FILTER_AND || s->op == RS_FILTER_OR;
    p->room = p->waiting > p->room ? p->waiting : p->room;
    return RS_OK;
}

static rs_status take_test(parser *p)
{
    rs_filter_step test = {.op = RS_FILTER_TEST};
    rs_status st = take_field(p, &test);

    if (st != RS_OK)
        return st;
    if (!take_char(p, ':'))
        return wanted(p, p->at, "':' and a value");
    if (++p->tests > RS_FILTER_MAX_TESTS)
        return rs_fail(p->err, RS_EARG, "filter: more than %d tests", RS_FILTER_MAX_TESTS);
    if ((st = take_values(p, &test)) != RS_OK)
        return st;
    return add_step(p, &test);
}

/* ---- And, or, not ---------------------------------------------------- */

static rs_status take_any(parser *p);

static rs_status take_one(parser *p)
{
    bool negated = false;
    rs_status st;

    while (take_word(p, "not"))
        negated = !negated;
    if (take_char(p, '(')) {
        if (++p->depth > RS_FILTER_MAX_DEPTH)
            return rs_fail(p->err, RS_EARG, "filter: at character %zu: more than %d parentheses in"
                           " each other", p->at, RS_FILTER_MAX_DEPTH);
        if ((st = take_any(p)) != RS_OK)
            return st;
        if (!take_char(p, ')'))
            return wanted(p, p->at, "and, or, another test or ')'");
        p->depth--;
    } else if ((st = take_test(p)) != RS_OK) {
        return st;
    }
    return negated ? add_step(p, &(rs_filter_step){.op = RS_FILTER_NOT}) : RS_OK;
}

/* Does something follow that is to be true as well? */
static bool goes_on(parser *p)
{
    const size_t at = (skip_space(p), p->at);
    const bool other = take_word(p, "or");

    p->at = at;
    return !other && p->text[at] && p->text[at] != ')';
}

static rs_status take_all(parser *p)
{
    rs_status st = take_one(p);

    while (st == RS_OK && goes_on(p)) {
        take_word(p, "and");
        if ((st = take_one(p)) == RS_OK)
            st = add_step(p, &(rs_filter_step){.op = RS_FILTER_AND});
    }
    return st;
}

static rs_status take_any(parser *p)
{
    rs_status st = take_all(p);

    while (st == RS_OK && take_word(p, "or"))
        if ((st = take_all(p)) == RS_OK)
            st = add_step(p, &(rs_filter_step){.op = RS_FILTER_OR});
    return st;
}

/* ---- Whole ----------------------------------------------------------- */

rs_status rs_filter_parse(const char *text, rs_arena *mem, rs_filter *out, rs_err *err)
{
    parser p = {.text = text, .mem = mem, .err = err};
    rs_status st;

    *out = (rs_filter){0};
    if (strlen(text) > RS_FILTER_MAX_BYTES)
        return rs_fail(err, RS_EARG, "filter: %zu bytes, at most %d are read", strlen(text),
                       RS_FILTER_MAX_BYTES);
    if ((st = take_any(&p)) != RS_OK)
        return st;
    if (p.text[p.at])
        return wanted(&p, p.at, "and, or, another test or the end");
    *out = (rs_filter){p.steps, p.n, p.room};
    return RS_OK;
}

rs_status rs_filter_check(const char *text, rs_err *err)
{
    rs_arena mem = {0};
    rs_filter unused;
    rs_status st = rs_filter_parse(text, &mem, &unused, err);

    rs_arena_clear(&mem);
    return st;
}

/* ---- Written --------------------------------------------------------- */

void rs_filter_add_value(rs_buf *b, const char *text)
{
    rs_buf_putc(b, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            rs_buf_putc(b, '\\');
        rs_buf_putc(b, *text);
    }
    rs_buf_putc(b, '"');
}

void rs_filter_add(rs_buf *b, const char *field, const char *value)
{
    if (b->len)
        rs_buf_putc(b, ' ');
    if (strncmp(field, "attr.", 5) == 0) {
        rs_buf_puts(b, "attr.");
        rs_filter_add_value(b, field + 5);
    } else {
        rs_buf_puts(b, field);
    }
    rs_buf_putc(b, ':');
    rs_filter_add_value(b, value);
}

void rs_filter_add_filter(rs_buf *b, const char *filter)
{
    rs_buf_printf(b, "%s(%s)", b->len ? " " : "", filter);
}
