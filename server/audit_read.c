/* audit_read.c - reading an audit log and checking each line of it; see audit_log.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/audit_log.h"

#include "base/bytes.h"
#include "server/audit_line.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    rs_audit_span *span;
    rs_audit_line  line;
    void          *ctx;
    bool           any;                /* a line has been read */
} reading;

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? text : "";
}

/* Does the line follow those before it? The first of a file says what the file is. */
static rs_status check_place(const reading *r, const json_t *o, bool first, const char *where,
                             rs_err *err)
{
    const bool begin = strcmp(text_of(o, "event"), "begin") == 0;
    const bool goes_on = strcmp(text_of(o, "event"), "continue") == 0;
    const long long n = json_integer_value(json_object_get(o, "n"));

    if (first != (begin || goes_on))
        return rs_fail(err, RS_ECORRUPT, "%s: %s", where, first
                       ? "it is not a file's first line: lines before it are missing"
                       : "a first line in the midst of a file");
    if (!r->any && goes_on)
        return RS_OK;
    if (n != (r->any ? r->span->last + 1 : 1))
        return rs_fail(err, RS_ECORRUPT, "%s: its number is %lld, wanted %lld: lines are missing "
                       "or out of order", where, n, r->any ? r->span->last + 1 : 1);
    if (strcmp(text_of(o, "prev"), r->any ? r->span->head : rs_audit_nothing) != 0)
        return rs_fail(err, RS_ECORRUPT, "%s: it does not follow the line before it", where);
    return RS_OK;
}

static rs_status take(reading *r, const char *line, size_t n, bool first, const char *where,
                      rs_err *err)
{
    char hash[RS_SHA256_HEX];
    json_t *o;
    rs_status st = rs_audit_line_read(line, n, where, &o, hash, err);

    if (st == RS_OK)
        st = check_place(r, o, first, where, err);
    if (st == RS_OK && r->line)
        st = r->line(r->ctx, o, err);
    if (st == RS_OK) {
        r->span->last = json_integer_value(json_object_get(o, "n"));
        memcpy(r->span->head, hash, sizeof hash);
        if (!r->any) {
            r->span->first = r->span->last;
            r->span->begins = strcmp(text_of(o, "event"), "begin") == 0;
        }
        r->any = true;
    }
    json_decref(o);
    return st;
}

static rs_status read_file(reading *r, const char *path, rs_err *err)
{
    const char *text;
    size_t number = 0;
    rs_map m;
    rs_status st = rs_map_open(&m, path, err);

    if (st != RS_OK)
        return st;
    text = (const char *)m.data;
    if (m.len == 0)
        st = rs_fail(err, RS_ECORRUPT, "%s: it is empty", path);
    for (size_t from = 0; st == RS_OK && from < m.len;) {
        const char *end = memchr(text + from, '\n', m.len - from);
        char where[300];
        snprintf(where, sizeof where, "%.250s: line %zu", path, ++number);
        if (!end) {
            st = rs_fail(err, RS_ECORRUPT, "%s: it is cut short", where);
            break;
        }
        st = take(r, text + from, (size_t)(end - text) - from, number == 1, where, err);
        from = (size_t)(end - text) + 1;
    }
    rs_map_close(&m);
    return st;
}

rs_status rs_audit_log_read(const char *const *paths, size_t n, rs_audit_line line, void *ctx,
                            rs_audit_span *span, rs_err *err)
{
    reading r = {.span = span, .line = line, .ctx = ctx};
    rs_status st = RS_OK;

    *span = (rs_audit_span){0};
    for (size_t i = 0; st == RS_OK && i < n; i++)
        st = read_file(&r, paths[i], err);
    return st;
}
