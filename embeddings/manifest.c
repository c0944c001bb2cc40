/* manifest.c - see manifest.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/manifest.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1 << 30, MAX_TEXTS = 1000 };

static const char *const split_names[] = {"train", "val", "test"};

static rs_status no_memory(rs_err *err)
{
    return rs_fail(err, RS_ENOMEM, "manifest: no memory");
}

/* ---- One row --------------------------------------------------------- */

static rs_status read_texts(rs_manifest *m, rs_manifest_row *row, rs_json_at at, rs_err *err)
{
    const json_t *texts = json_object_get(at.object, "texts");
    size_t n = json_array_size(texts);

    if (n == 0 || n > MAX_TEXTS)
        return rs_fail(err, RS_ECORRUPT, "%s: texts: wanted a list of 1 to %d strings", at.where,
                       MAX_TEXTS);
    row->texts = rs_new(&m->mem, const char *, n);
    for (size_t i = 0; row->texts && i < n; i++) {
        const char *text = json_string_value(json_array_get(texts, i));
        if (!text)
            return rs_fail(err, RS_ECORRUPT, "%s: texts[%zu]: wanted a string", at.where, i);
        row->texts[i] = rs_arena_strdup(&m->mem, text);
        if (!row->texts[i])
            return no_memory(err);
    }
    row->n_texts = n;
    return row->texts ? RS_OK : no_memory(err);
}

static rs_status read_split(rs_manifest_row *row, rs_json_at at, rs_err *err)
{
    const char *name = NULL;
    rs_status st = rs_json_need(at, "split", err);

    if (st == RS_OK)
        st = rs_json_str(at, "split", NULL, &name, err);
    if (st != RS_OK)
        return st;
    for (size_t i = 0; i < sizeof split_names / sizeof *split_names; i++) {
        if (name && strcmp(name, split_names[i]) == 0) {
            row->split = (rs_split)i;
            return RS_OK;
        }
    }
    return rs_fail(err, RS_ECORRUPT, "%s: split: wanted train, val or test, found %s", at.where,
                   name ? name : "null");
}

/* A copy of a string field; absent or null leaves *out NULL. */
static rs_status read_string(rs_manifest *m, const char **out, rs_json_at at, const char *key,
                             rs_err *err)
{
    const char *s = NULL;
    rs_status st = rs_json_str(at, key, NULL, &s, err);

    *out = NULL;
    if (st != RS_OK || !s)
        return st;
    *out = rs_arena_strdup(&m->mem, s);
    return *out ? RS_OK : no_memory(err);
}

static rs_status read_row(rs_manifest *m, rs_json_at at, const char *folder, rs_err *err)
{
    rs_manifest_row row = {0};
    const char *image = NULL;
    char *path;
    rs_status st = read_texts(m, &row, at, err);

    if (st == RS_OK)
        st = read_split(&row, at, err);
    if (st == RS_OK)
        st = rs_json_need(at, "image", err);
    if (st == RS_OK)
        st = rs_json_str(at, "image", NULL, &image, err);
    if (st == RS_OK)
        st = read_string(m, &row.label, at, "label", err);
    if (st == RS_OK)
        st = read_string(m, &row.kind, at, "kind", err);
    if (st == RS_OK)
        st = read_string(m, &row.group, at, "group", err);
    if (st == RS_OK)
        st = rs_json_need(at, "set", err);
    if (st == RS_OK)
        st = read_string(m, &row.set, at, "set", err);
    if (st != RS_OK)
        return st;
    if (!image || !row.set)
        return rs_fail(err, RS_ECORRUPT, "%s: image and set may not be null", at.where);
    path = rs_path_join(folder, image);
    row.image = path ? rs_arena_strdup(&m->mem, path) : NULL;
    rs_free(path);
    if (!row.image)
        return no_memory(err);
    if (m->n == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 256;
        rs_manifest_row *rows = rs_realloc(m->rows, cap, sizeof *rows);
        if (!rows)
            return no_memory(err);
        m->rows = rows;
        m->cap = cap;
    }
    m->rows[m->n++] = row;
    return RS_OK;
}

/* ---- One file -------------------------------------------------------- */

static rs_status read_line(rs_manifest *m, const char *text, size_t len, const char *where,
                           const char *folder, rs_err *err)
{
    json_t *v = NULL;
    rs_status st = rs_json_parse(&v, text, len, where, err);

    if (st == RS_OK && !json_is_object(v))
        st = rs_fail(err, RS_ECORRUPT, "%s: wanted an object", where);
    if (st == RS_OK)
        st = read_row(m, (rs_json_at){v, where}, folder, err);
    json_decref(v);
    return st;
}

static bool is_blank(const char *s, size_t n)
{
    return strspn(s, " \t\r") >= n;
}

rs_status rs_manifest_add(rs_manifest *m, const char *path, rs_err *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = rs_strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
    char *data = NULL, *where = NULL;
    size_t len = 0, line = 1;
    rs_status st = folder ? rs_file_read(&data, &len, path, MAX_BYTES, err) : no_memory(err);

    for (char *at = data; st == RS_OK && at < data + len; line++) {
        char *end = memchr(at, '\n', (size_t)(data + len - at));
        size_t n = end ? (size_t)(end - at) : (size_t)(data + len - at);
        at[n] = '\0';                           /* the newline, or the NUL after the file */
        if (!is_blank(at, n)) {
            where = rs_sprintf("%s:%zu", path, line);
            st = where ? read_line(m, at, n, where, folder, err) : no_memory(err);
            rs_free(where);
        }
        at += n + 1;
    }
    rs_free(folder);
    rs_free(data);
    return st;
}

/* ---- Groups ---------------------------------------------------------- */

static int by_group(const void *a, const void *b)
{
    const rs_manifest_row *x = *(const rs_manifest_row *const *)a;
    const rs_manifest_row *y = *(const rs_manifest_row *const *)b;
    int order = strcmp(x->set, y->set);

    return order ? order : strcmp(x->group, y->group);
}

rs_status rs_manifest_check_groups(const rs_manifest *m, rs_err *err)
{
    const rs_manifest_row **grouped = rs_calloc(m->n, sizeof *grouped);
    size_t n = 0;
    rs_status st = RS_OK;

    if (!grouped)
        return no_memory(err);
    for (size_t i = 0; i < m->n; i++)
        if (m->rows[i].group)
            grouped[n++] = &m->rows[i];
    qsort(grouped, n, sizeof *grouped, by_group);
    for (size_t i = 1; i < n && st == RS_OK; i++) {
        const rs_manifest_row *a = grouped[i - 1], *b = grouped[i];
        if (by_group(&grouped[i - 1], &grouped[i]) == 0 && a->split != b->split)
            st = rs_fail(err, RS_ECORRUPT, "group %s of set %s is in two splits: %s (%s), %s (%s)",
                         a->group, a->set, a->image, split_names[a->split], b->image,
                         split_names[b->split]);
    }
    rs_free(grouped);
    return st;
}

void rs_manifest_clear(rs_manifest *m)
{
    rs_free(m->rows);
    rs_arena_clear(&m->mem);
    *m = (rs_manifest){0};
}
