/* pattern.c - see pattern_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/pattern_int.h"

#include "embeddings/words_int.h"

#include <string.h>
#include <utf8proc.h>

/* What is read, and where from. */
typedef struct {
    rs_pattern *p;
    const char *text;
    size_t len, at;
    const char *where;
} reader;

static rs_status refuse(const reader *r, const char *what, rs_err *err)
{
    return rs_fail(err, RS_EFORMAT, "%s: \"%.60s\", byte %zu: %s", r->where, r->text, r->at, what);
}

/* ---- Matching -------------------------------------------------------- */

static bool is_digit(uint32_t c)
{
    return c < 0x80 ? c - '0' < 10 :
           utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ND;
}

static bool fits_slowly(const rs_pattern *p, const rs_pattern_item *item, uint32_t c)
{
    bool in = (item->space && rs_is_space(c)) || (item->not_space && !rs_is_space(c)) ||
              (item->digit && is_digit(c)) || (item->not_digit && !is_digit(c));

    for (size_t i = item->from; !in && i < (size_t)item->from + item->n; i++)
        in = c >= p->range[i].first && c <= p->range[i].last;
    return in != item->negated;
}

static bool fits(const rs_pattern *p, const rs_pattern_item *item, uint32_t c)
{
    return c < 128 ? item->ascii[c >> 6] >> (c & 63) & 1 : fits_slowly(p, item, c);
}

size_t rs_pattern_match(const rs_pattern *p, const char *text, size_t len)
{
    size_t at = 0;

    for (size_t i = 0; i < p->n_items; i++) {
        bool last = i + 1 == p->n_items;
        size_t least = last ? p->least : 1, most = last ? p->most : 1, times = 0;

        while (times < most && at < len) {
            size_t next = at;
            if (!fits(p, &p->item[i], rs_utf8_next(text, len, &next)))
                break;
            at = next;
            times++;
        }
        if (times < least)
            return 0;
    }
    return at;
}

/* ---- Reading --------------------------------------------------------- */

static rs_pattern_item *new_item(reader *r, rs_err *err)
{
    rs_pattern_item *item;

    if (r->p->n_items == RS_PATTERN_ITEMS) {
        rs_fail(err, RS_ELIMIT, "%s: a pattern of more than %d characters", r->where,
                RS_PATTERN_ITEMS);
        return NULL;
    }
    item = &r->p->item[r->p->n_items++];
    item->from = (uint16_t)r->p->n_ranges;
    return item;
}

static rs_status add_range(reader *r, rs_pattern_item *item, uint32_t first, uint32_t last,
                           rs_err *err)
{
    if (first > last)
        return refuse(r, "a range that runs backwards", err);
    if (r->p->n_ranges == RS_PATTERN_RANGES)
        return rs_fail(err, RS_ELIMIT, "%s: a pattern of more than %d ranges", r->where,
                       RS_PATTERN_RANGES);
    r->p->range[r->p->n_ranges++] = (rs_code_range){first, last};
    item->n++;
    return RS_OK;
}

static void end_item(const rs_pattern *p, rs_pattern_item *item)
{
    for (uint32_t c = 0; c < 128; c++)
        if (fits_slowly(p, item, c))
            item->ascii[c >> 6] |= UINT64_C(1) << (c & 63);
}

/* After a backslash: a class of characters goes into `item` and *code is UINT32_MAX, any
 * other escape gives one character. */
static rs_status read_escape(reader *r, rs_pattern_item *item, uint32_t *code, rs_err *err)
{
    static const char letters[] = "tnrfv", means[] = "\t\n\r\f\v";
    const char *known;
    uint32_t c;

    if (r->at >= r->len)
        return refuse(r, "a backslash at the end", err);
    c = rs_utf8_next(r->text, r->len, &r->at);
    *code = UINT32_MAX;
    if (c == 's')
        item->space = true;
    else if (c == 'S')
        item->not_space = true;
    else if (c == 'd')
        item->digit = true;
    else if (c == 'D')
        item->not_digit = true;
    else if (c && c < 0x80 && (known = strchr(letters, (int)c)) != NULL)
        *code = (uint8_t)means[known - letters];
    else if (c >= 0x80 || (c | 32) - 'a' < 26 || c - '0' < 10)
        return refuse(r, "an escape that is not supported", err);
    else
        *code = c;
    return RS_OK;
}

/* One character of a class or a range's end: *code, or a class went into `item`. */
static rs_status read_member(reader *r, rs_pattern_item *item, uint32_t *code, rs_err *err)
{
    bool doubled = r->len - r->at >= 2 && memcmp(r->text + r->at, "&&", 2) == 0;

    *code = rs_utf8_next(r->text, r->len, &r->at);
    if (*code == '[' || doubled)
        return refuse(r, "a class within a class", err);
    return *code == '\\' ? read_escape(r, item, code, err) : RS_OK;
}

static rs_status read_class(reader *r, rs_pattern_item *item, rs_err *err)
{
    rs_status st;

    if (r->at < r->len && r->text[r->at] == '^') {
        item->negated = true;
        r->at++;
    }
    for (bool first = true;; first = false) {
        uint32_t low, high;

        if (r->at >= r->len)
            return refuse(r, "a class without end", err);
        if (r->text[r->at] == ']') {
            r->at++;
            return first ? refuse(r, "an empty class", err) : RS_OK;
        }
        if ((st = read_member(r, item, &low, err)) != RS_OK)
            return st;
        high = low;
        if (r->len - r->at >= 2 && r->text[r->at] == '-' && r->text[r->at + 1] != ']') {
            r->at++;
            if ((st = read_member(r, item, &high, err)) != RS_OK)
                return st;
            if (low == UINT32_MAX || high == UINT32_MAX)
                return refuse(r, "a range that begins or ends with a class", err);
        }
        if (low != UINT32_MAX && (st = add_range(r, item, low, high, err)) != RS_OK)
            return st;
    }
}

static rs_status read_item(reader *r, rs_err *err)
{
    rs_pattern_item *item = new_item(r, err);
    uint32_t c;
    rs_status st = RS_OK;

    if (!item)
        return RS_ELIMIT;
    c = rs_utf8_next(r->text, r->len, &r->at);
    if (c == '[') {
        st = read_class(r, item, err);
    } else {
        if (c && c < 0x80 && strchr("(){}*+?|.^$]", (int)c))
            return refuse(r, "only characters, classes and a repeated last one are supported", err);
        if (c == '\\')
            st = read_escape(r, item, &c, err);
        if (st == RS_OK && c != UINT32_MAX)
            st = add_range(r, item, c, c, err);
    }
    if (st == RS_OK)
        end_item(r->p, item);
    return st;
}

/* Decimal digits, at most four; false where there are none. */
static bool read_count(reader *r, size_t *count)
{
    size_t from = r->at;

    for (*count = 0; r->at < r->len && r->at < from + 4 && is_digit((uint8_t)r->text[r->at]); r->at++)
        *count = 10 * *count + (size_t)(r->text[r->at] - '0');
    return r->at > from;
}

/* What follows the last item; nothing may follow it. */
static rs_status read_repeat(reader *r, rs_err *err)
{
    rs_pattern *p = r->p;

    if (r->text[r->at] == '+') {
        r->at++;
        p->most = SIZE_MAX;
    } else {
        r->at++;
        if (!read_count(r, &p->least))
            return refuse(r, "wanted a number", err);
        p->most = p->least;
        if (r->at < r->len && r->text[r->at] == ',') {
            r->at++;
            if (!read_count(r, &p->most))
                p->most = SIZE_MAX;
        }
        if (r->at >= r->len || r->text[r->at++] != '}')
            return refuse(r, "wanted \"}\"", err);
        if (p->least == 0 || p->most < p->least)
            return refuse(r, "a count of 0, or one that runs backwards", err);
    }
    return r->at == r->len ? RS_OK : refuse(r, "only the last character may repeat", err);
}

rs_status rs_pattern_read(rs_pattern *p, const char *text, size_t len, const char *where,
                          rs_err *err)
{
    reader r = {.p = p, .text = text, .len = len, .where = where};
    rs_status st = RS_OK;

    *p = (rs_pattern){.least = 1, .most = 1};
    while (st == RS_OK && r.at < len && !(p->n_items && strchr("+{", text[r.at]) && text[r.at]))
        st = read_item(&r, err);
    if (st == RS_OK && r.at < len)
        st = read_repeat(&r, err);
    if (st == RS_OK && p->n_items == 0)
        st = refuse(&r, "nothing to look for", err);
    return st;
}

rs_status rs_pattern_literal(rs_pattern *p, const char *text, size_t len, const char *where,
                             rs_err *err)
{
    reader r = {.p = p, .text = text, .len = len, .where = where};
    rs_status st = RS_OK;

    *p = (rs_pattern){.least = 1, .most = 1};
    if (len == 0)
        return refuse(&r, "nothing to look for", err);
    while (st == RS_OK && r.at < len) {
        uint32_t c = rs_utf8_next(text, len, &r.at);
        rs_pattern_item *item = new_item(&r, err);
        st = item ? add_range(&r, item, c, c, err) : RS_ELIMIT;
        if (st == RS_OK)
            end_item(p, item);
    }
    return st;
}
