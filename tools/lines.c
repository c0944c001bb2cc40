/* lines.c - see lines.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

void *rs_lines_grow(rs_lines *t)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 256;
        void *more = rs_arena_alloc(t->mem, cap, t->size);
        if (!more)
            return NULL;
        if (t->n)
            memcpy(more, t->rows, t->n * t->size);
        t->rows = more;
        t->cap = cap;
    }
    return (char *)t->rows + t->n++ * t->size;
}

rs_status rs_lines_no_memory(const rs_lines *t, rs_err *err)
{
    return rs_fail(err, RS_ENOMEM, "%s: no memory", t->path);
}

rs_status rs_lines_each(rs_lines *t, const char *folder, const char *name, rs_lines_take *take,
                        rs_err *err)
{
    rs_map m = {0};
    char *path = rs_path_join(folder, name);
    rs_status st;
    size_t number = 0;

    t->path = path ? rs_arena_strdup(t->mem, path) : NULL;
    rs_free(path);
    if (!t->path)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", name);
    if ((st = rs_map_open(&m, t->path, err)) != RS_OK)
        return st;
    for (size_t at = 0; st == RS_OK && at < m.len;) {
        const char *line = (const char *)m.data + at, *end = memchr(line, '\n', m.len - at);
        size_t len = end ? (size_t)(end - line) : m.len - at;
        at += len + 1;
        while (len && line[len - 1] == '\r')
            len--;
        number++;
        if (len)
            st = take(t, line, len, number, err);
    }
    rs_map_close(&m);
    return st;
}

static bool blank(char c) { return c == ' ' || c == '\t'; }

const char *rs_lines_field(const char **at, const char *end)
{
    const char *p = *at, *first;

    while (p < end && blank(*p))
        p++;
    first = p;
    while (p < end && !blank(*p))
        p++;
    *at = p;
    return p > first ? first : NULL;
}

bool rs_lines_number(const char *text, size_t len, long most, int *out)
{
    char digits[16], *end;
    long v;

    if (len == 0 || len >= sizeof digits)
        return false;
    memcpy(digits, text, len);
    digits[len] = '\0';
    v = strtol(digits, &end, 10);
    *out = (int)v;
    return end == digits + len && v >= -most && v <= most;
}
