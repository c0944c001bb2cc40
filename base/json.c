/* json.c - see json.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *type_name(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:  return "an object";
    case JSON_ARRAY:   return "a list";
    case JSON_STRING:  return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL:    return "a number";
    case JSON_TRUE:
    case JSON_FALSE:   return "a boolean";
    case JSON_NULL:    return "null";
    }
    return "something else";
}

rs_status rs_json_parse(json_t **out, const char *text, size_t len, const char *what, rs_err *err)
{
    json_error_t e;

    *out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
    if (*out)
        return RS_OK;
    if (json_error_code(&e) == json_error_out_of_memory)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", what);
    return rs_fail(err, RS_ECORRUPT, "%s: line %d, column %d: %s", what, e.line, e.column, e.text);
}

rs_status rs_json_load(json_t **out, const char *path, size_t max, rs_err *err)
{
    char *text;
    size_t len;
    rs_status st = rs_file_read(&text, &len, path, max, err);

    *out = NULL;
    if (st != RS_OK)
        return st;
    st = rs_json_parse(out, text, len, path, err);
    rs_free(text);
    return st;
}

/* A number of 17 digits as the shortest text that is read as the same: of n bytes at `from` to
 * `to`, which may be the same place. Returns its length. */
static size_t shorten(char *to, const char *from, size_t n)
{
    char was[40], now[40];
    double x;

    if (n < 17 || n >= sizeof was) {
        memmove(to, from, n);
        return n;
    }
    memcpy(was, from, n);
    was[n] = '\0';
    x = strtod(was, NULL);
    for (int digits = 15; digits < 17; digits++) {
        double back;
        int len = snprintf(now, sizeof now, "%.*g", digits, x);
        if (!strpbrk(now, ".e"))               /* still a real */
            len = snprintf(now, sizeof now, "%.*g.0", digits, x);
        back = strtod(now, NULL);
        if (memcmp(&back, &x, sizeof x) == 0 && (size_t)len <= n) {
            memcpy(to, now, (size_t)len);
            return (size_t)len;
        }
    }
    memmove(to, from, n);
    return n;
}

/* All numbers of a JSON text, in place. */
static void shorten_all(char *text)
{
    char *to = text;

    for (const char *s = text; *s;) {
        if (*s == '"') {
            const char *begin = s++;
            while (*s != '"')
                s += *s == '\\' ? 2 : 1;
            s++;
            memmove(to, begin, (size_t)(s - begin));
            to += s - begin;
        } else if (*s == '-' || (*s >= '0' && *s <= '9')) {
            const size_t n = strspn(s, "-+.0123456789eE");
            to += memchr(s, '.', n) || memchr(s, 'e', n) ? shorten(to, s, n)
                                                         : (memmove(to, s, n), n);
            s += n;
        } else {
            *to++ = *s++;
        }
    }
    *to = '\0';
}

char *rs_json_text(const json_t *v)
{
    char *theirs = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    char *ours = theirs ? rs_strdup(theirs) : NULL;

    free(theirs);
    if (ours)
        shorten_all(ours);
    return ours;
}

/* The field, or NULL where absent or null. */
static const json_t *field(rs_json_at at, const char *key)
{
    const json_t *v = at.object ? json_object_get(at.object, key) : NULL;
    return v && !json_is_null(v) ? v : NULL;
}

rs_status rs_json_int(rs_json_at at, const char *key, long long min, long long max,
                      long long fallback, long long *out, rs_err *err)
{
    const json_t *v = field(at, key);
    long long n;

    if (!v) {
        *out = fallback;
        return RS_OK;
    }
    if (!json_is_integer(v))
        return rs_fail(err, RS_ECORRUPT, "%s: %s: wanted an integer, found %s",
                       at.where, key, type_name(v));
    n = json_integer_value(v);
    if (n < min || n > max)
        return rs_fail(err, RS_ECORRUPT, "%s: %s: %lld is not within %lld..%lld",
                       at.where, key, n, min, max);
    *out = n;
    return RS_OK;
}

rs_status rs_json_real(rs_json_at at, const char *key, double min, double max,
                       double fallback, double *out, rs_err *err)
{
    const json_t *v = field(at, key);
    double x;

    if (!v) {
        *out = fallback;
        return RS_OK;
    }
    if (!json_is_number(v))
        return rs_fail(err, RS_ECORRUPT, "%s: %s: wanted a number, found %s",
                       at.where, key, type_name(v));
    x = json_number_value(v);
    if (!(x >= min && x <= max))
        return rs_fail(err, RS_ECORRUPT, "%s: %s: %g is not within %g..%g",
                       at.where, key, x, min, max);
    *out = x;
    return RS_OK;
}

rs_status rs_json_bool(rs_json_at at, const char *key, bool fallback, bool *out, rs_err *err)
{
    const json_t *v = field(at, key);

    if (v && !json_is_boolean(v))
        return rs_fail(err, RS_ECORRUPT, "%s: %s: wanted true or false, found %s",
                       at.where, key, type_name(v));
    *out = v ? json_is_true(v) : fallback;
    return RS_OK;
}

rs_status rs_json_str(rs_json_at at, const char *key, const char *fallback,
                      const char **out, rs_err *err)
{
    const json_t *v = field(at, key);

    if (v && !json_is_string(v))
        return rs_fail(err, RS_ECORRUPT, "%s: %s: wanted a string, found %s",
                       at.where, key, type_name(v));
    *out = v ? json_string_value(v) : fallback;
    return RS_OK;
}

rs_status rs_json_need(rs_json_at at, const char *key, rs_err *err)
{
    if (field(at, key))
        return RS_OK;
    return rs_fail(err, RS_ECORRUPT, "%s: %s is missing", at.where, key);
}

const char *rs_json_keep(json_t *v, rs_arena *mem)
{
    char *text = v ? rs_json_text(v) : NULL;
    const char *copy = text ? rs_arena_strdup(mem, text) : NULL;

    json_decref(v);
    rs_free(text);
    return copy;
}

json_t *rs_json_any(const char *text)
{
    json_t *v = text ? json_string(text) : json_null();
    char *copy;
    size_t n;

    if (v || !text)
        return v ? v : json_null();
    copy = rs_strdup(text);                    /* not UTF-8: as far as it is */
    n = copy ? strlen(copy) : 0;
    for (size_t i = 0, len; i < n; i += len) {
        len = rs_utf8_length((const unsigned char *)copy + i, n - i);
        if (len == 0) {
            copy[i] = '?';
            len = 1;
        }
    }
    v = copy ? json_string(copy) : NULL;
    rs_free(copy);
    return v ? v : json_null();
}
