/* judged_query.c - see judged_query.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/judged_query.h"

#include "base/bytes.h"
#include "engine/filter.h"
#include "engine/query.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 64 };

typedef struct {
    rs_judged_query *q;
    rs_arena        *mem;
    char            *field;        /* [96] */
    rs_err          *err;
} reader;

/* "FIELD: what is wrong", and FIELD by itself. */
static rs_status wrong(reader *r, const char *field, const char *what)
{
    if (r->field)
        snprintf(r->field, 96, "%s", field);
    return rs_fail(r->err, RS_EARG, "%s%s%s", field, *field ? ": " : "", what);
}

static rs_status no_memory(reader *r)
{
    return rs_fail(r->err, RS_ENOMEM, "query: no memory");
}

/* ---- Members --------------------------------------------------------- */

/* One entry of a list, in the arena. */
typedef rs_status read_one(reader *r, const char *field, const char *text, const char **out);

static rs_status any_text(reader *r, const char *field, const char *text, const char **out)
{
    if (!*text)
        return wrong(r, field, "is empty");
    *out = rs_arena_strdup(r->mem, text);
    return *out ? RS_OK : no_memory(r);
}

static rs_status digest(reader *r, const char *field, const char *text, const char **out)
{
    char *copy;

    if (strlen(text) != DIGITS || strspn(text, "0123456789abcdefABCDEF") != DIGITS)
        return wrong(r, field, "wanted the SHA-256 of the image's file, 64 hex digits");
    copy = rs_arena_strdup(r->mem, text);
    for (char *c = copy; c && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    *out = copy;
    return copy ? RS_OK : no_memory(r);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static rs_status read_list(reader *r, const char *name, const json_t *v, read_one *one,
                           const char *const **out, size_t *n)
{
    const size_t count = json_is_array(v) ? json_array_size(v) : 1;
    const char **list;

    if (count > RS_QUERY_MAX_PARTS)
        return wrong(r, name, "has more parts than a query may have (64)");
    list = rs_new(r->mem, const char *, count + 1);
    if (!list)
        return no_memory(r);
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
        char field[64];
        rs_status st;
        snprintf(field, sizeof field, json_is_array(v) ? "%s[%zu]" : "%s", name, i);
        if (!text)
            return wrong(r, field, "wanted a string");
        if ((st = one(r, field, text, &list[i])) != RS_OK)
            return st;
    }
    qsort(list, count, sizeof *list, by_bytes);
    *out = list;
    *n = count;
    return RS_OK;
}

static rs_status read_text(reader *r, const json_t *v)
{
    return read_list(r, "text", v, any_text, &r->q->texts, &r->q->n_texts);
}

static rs_status read_like(reader *r, const json_t *v)
{
    return read_list(r, "like", v, any_text, &r->q->likes, &r->q->n_likes);
}

static rs_status read_images(reader *r, const json_t *v)
{
    return read_list(r, "images", v, digest, &r->q->images, &r->q->n_images);
}

static rs_status read_filter(reader *r, const json_t *v)
{
    rs_err why = {0};
    const char *text = json_string_value(v);
    rs_status st;

    if (json_is_null(v))
        return RS_OK;
    if (!text)
        return wrong(r, "filter", "wanted a string");
    if ((st = rs_filter_check(text, &why)) == RS_EARG)
        return wrong(r, "filter", why.msg);
    r->q->filter = st == RS_OK ? rs_arena_strdup(r->mem, text) : NULL;
    return r->q->filter ? RS_OK : no_memory(r);
}

static const struct { const char *name; rs_status (*read)(reader *r, const json_t *v); } members[] = {
    {"text", read_text}, {"like", read_like}, {"images", read_images}, {"filter", read_filter}};

/* ---- The canonical text ----------------------------------------------- */

static void add_list(json_t *o, const char *name, const char *const *list, size_t n)
{
    json_t *all = n ? json_array() : NULL;

    for (size_t i = 0; i < n; i++)
        json_array_append_new(all, json_string(list[i]));
    if (n)
        json_object_set_new(o, name, all);
}

static rs_status write_down(reader *r)
{
    rs_judged_query *q = r->q;
    json_t *o = json_object();

    add_list(o, "text", q->texts, q->n_texts);
    add_list(o, "like", q->likes, q->n_likes);
    add_list(o, "images", q->images, q->n_images);
    if (q->filter)
        json_object_set_new(o, "filter", json_string(q->filter));
    q->canonical = rs_json_keep(o, r->mem);
    if (!q->canonical)
        return no_memory(r);
    return strlen(q->canonical) <= RS_JUDGED_QUERY_BYTES ? RS_OK
         : wrong(r, "", "the query is longer than 65536 bytes");
}

/* ---- Reading ---------------------------------------------------------- */

rs_status rs_judged_query_read(rs_judged_query *out, const json_t *v, rs_arena *mem,
                               char field[96], rs_err *err)
{
    reader r = {out, mem, field, err};
    const char *name;
    json_t *value;
    rs_status st = RS_OK;

    *out = (rs_judged_query){0};
    if (field)
        *field = '\0';
    if (!json_is_object(v))
        return wrong(&r, "", "wanted a query as an object");
    json_object_foreach((json_t *)v, name, value) {
        size_t i = 0;
        while (i < sizeof members / sizeof *members && strcmp(members[i].name, name) != 0)
            i++;
        if (i == sizeof members / sizeof *members) {
            char known[96];
            snprintf(known, sizeof known, "%.80s", name);
            return wrong(&r, known, "there is no such member of a judged query; there are text, "
                         "like, images, filter");
        }
        if ((st = members[i].read(&r, value)) != RS_OK)
            return st;
    }
    if (out->n_texts + out->n_likes + out->n_images > RS_QUERY_MAX_PARTS)
        return wrong(&r, "", "the query has more than 64 parts");
    if (out->n_texts + out->n_likes + out->n_images == 0)
        return wrong(&r, "", "nothing is asked for: give text, like or images");
    return write_down(&r);
}

const char *rs_judged_clean(const char *text, rs_arena *mem)
{
    char *copy = text ? rs_arena_strdup(mem, text) : NULL;
    const size_t n = copy ? strlen(copy) : 0;

    for (size_t i = 0, len; i < n; i += len)
        if ((len = rs_utf8_length((const unsigned char *)copy + i, n - i)) == 0) {
            copy[i] = '?';
            len = 1;
        }
    return copy;
}

rs_status rs_judged_query_parse(rs_judged_query *out, const char *text, rs_arena *mem,
                                rs_err *err)
{
    const char *clean = rs_judged_clean(text, mem);
    rs_err why = {0};
    json_t *v = NULL;
    rs_status st;

    *out = (rs_judged_query){0};
    if (!clean)
        return rs_fail(err, RS_ENOMEM, "query: no memory");
    if (strlen(clean) > 2 * RS_JUDGED_QUERY_BYTES)         /* blanks and escapes may be more */
        return rs_fail(err, RS_EARG, "the query is longer than 65536 bytes");
    if (*clean != '{') {
        if (!(v = json_pack("{s:s}", "text", clean)))
            return rs_fail(err, RS_ENOMEM, "query: no memory");
    } else if ((st = rs_json_parse(&v, clean, strlen(clean), "query", &why)) != RS_OK) {
        return rs_fail(err, st == RS_ECORRUPT ? RS_EARG : st, "%s", why.msg);
    }
    st = rs_judged_query_read(out, v, mem, NULL, err);
    json_decref(v);
    return st;
}

const char *rs_judged_query_words(const rs_judged_query *q, rs_arena *mem, bool *nomem)
{
    const char *all = NULL;

    if (q->n_likes || q->n_images)
        return NULL;
    for (size_t i = 0; i < q->n_texts; i++) {
        all = i ? rs_arena_sprintf(mem, "%s %s", all, q->texts[i]) : q->texts[0];
        if (!all) {
            *nomem = true;
            return NULL;
        }
    }
    return all;
}
