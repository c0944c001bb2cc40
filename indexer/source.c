/* source.c - see source.h: tells the kinds of source apart.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/source.h"

#include "base/alloc.h"
#include "indexer/source_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct rs_source {
    char *name;
    const rs_source_kind *kind;
    void *self;
};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

static rs_status open_kind(rs_source *s, rs_err *err)
{
    static const struct { const char *ending; char delimiter; } manifests[] = {
        {".jsonl", 0}, {".ndjson", 0}, {".csv", ','}, {".tsv", '\t'},
    };

    if (rs_is_folder(s->name)) {
        s->kind = &rs_source_folder;
        return rs_folder_open(&s->self, s->name, err);
    }
    for (size_t i = 0; i < sizeof manifests / sizeof *manifests; i++) {
        if (!ends_with(s->name, manifests[i].ending))
            continue;
        s->kind = &rs_source_manifest;
        return rs_manifest_open(&s->self, s->name, manifests[i].delimiter, err);
    }
    return rs_fail(err, RS_EFORMAT,
                   "%s: a source is a folder or a .jsonl, .csv or .tsv manifest", s->name);
}

rs_status rs_source_open(rs_source **out, const char *path, rs_err *err)
{
    rs_status st;
    rs_source *s;
    char *real = realpath(path, NULL);

    *out = NULL;
    if (!real)
        return rs_fail_errno(err, "open source %s", path);
    s = rs_calloc(1, sizeof *s);
    if (s)
        s->name = rs_strdup(real);
    free(real);
    if (!s || !s->name) {
        rs_source_close(s);
        return rs_fail(err, RS_ENOMEM, "open source %s: no memory", path);
    }
    st = open_kind(s, err);
    if (st != RS_OK) {
        rs_source_close(s);
        return st;
    }
    *out = s;
    return RS_OK;
}

void rs_source_close(rs_source *s)
{
    if (!s)
        return;
    if (s->self)
        s->kind->close(s->self);
    rs_free(s->name);
    rs_free(s);
}

const char *rs_source_name(const rs_source *s) { return s->name; }
size_t rs_source_count(const rs_source *s) { return s->kind->count(s->self); }

rs_status rs_source_get(rs_source *s, size_t i, rs_arena *mem, rs_source_case *out, rs_err *err)
{
    *out = (rs_source_case){.age_years = -1};
    return s->kind->get(s->self, i, mem, out, err);
}

double rs_age_years(const char *text)
{
    static const struct { char unit; double years; } units[] = {
        {'Y', 1.0}, {'M', 1.0 / 12}, {'W', 7.0 / 365.25}, {'D', 1.0 / 365.25},
    };
    char *end;
    double n;

    if (!text || !(*text >= '0' && *text <= '9'))
        return -1;
    n = strtod(text, &end);
    if (!(n >= 0 && n <= 1500))
        return -1;
    if (*end == '\0')
        return n <= 150 ? n : -1;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if ((*end & ~0x20) == units[i].unit && end[1] == '\0')
            return n * units[i].years <= 150 ? n * units[i].years : -1;
    return -1;
}
