/* manifest.c - a manifest as a source: JSON lines or CSV, mapped into memory. A first
 * pass finds the rows and which of them are one case; a row is parsed again when its
 * case is asked for, so memory holds a few words a row.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/source_int.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROW = 16 << 20 };
static const size_t NONE = SIZE_MAX;

typedef struct {
    size_t begin, end;           /* bytes of the file */
    size_t number;               /* from 1: the row as a person counts it */
    size_t next;                 /* next row of the same case, or NONE */
    uint64_t hash;               /* of the case_id or id; 0 for a row that has neither */
} row;

typedef struct {
    rs_map map;
    char *path, *base;           /* base: the manifest's folder */
    char delimiter;              /* 0: JSON lines */
    rs_arena header_mem;
    char **header;
    size_t n_header;
    row *rows;
    size_t n_rows, cap;
    size_t *cases;               /* first row of each case */
    size_t n_cases;
} manifest;

/* ---- One row to a JSON object ---------------------------------------- */

static json_t *csv_object(const manifest *m, const row *r, rs_arena *mem, const char **why)
{
    size_t at = r->begin, n;
    char **fields;
    json_t *o;

    if (!rs_csv_record((const char *)m->map.data, r->end, &at, m->delimiter, mem, &fields, &n)) {
        *why = fields ? "a quote is never closed" : NULL;
        return NULL;
    }
    if (n != m->n_header) {
        *why = rs_arena_sprintf(mem, "%zu fields where the header names %zu", n, m->n_header);
        return NULL;
    }
    o = json_object();
    for (size_t i = 0; o && i < n; i++) {
        if (!*fields[i])
            continue;
        if (json_object_set_new(o, m->header[i], json_string(fields[i])) != 0) {
            json_decref(o);
            *why = rs_arena_sprintf(mem, "field %s is not UTF-8", m->header[i]);
            return NULL;
        }
    }
    return o;
}

/* NULL with *why set for a row that cannot be read; NULL with *why NULL: no memory. */
static json_t *row_object(const manifest *m, const row *r, rs_arena *mem, const char **why)
{
    json_t *o;
    rs_err err = {0};
    rs_status st;

    *why = NULL;
    if (r->end - r->begin > MAX_ROW) {
        *why = rs_arena_sprintf(mem, "%zu bytes long, at most %d are read", r->end - r->begin, MAX_ROW);
        return NULL;
    }
    if (m->delimiter)
        return csv_object(m, r, mem, why);
    st = rs_json_parse(&o, (const char *)m->map.data + r->begin, r->end - r->begin, "JSON", &err);
    if (st == RS_OK && !json_is_object(o)) {
        json_decref(o);
        st = rs_fail(&err, RS_ECORRUPT, "not a JSON object");
    }
    if (st == RS_OK)
        return o;
    if (st != RS_ENOMEM)
        *why = rs_arena_strdup(mem, err.msg);
    return NULL;
}

/* ---- The first pass -------------------------------------------------- */

static uint64_t hash_of(const char *s)
{
    const uint64_t h = rs_hash_text(s);

    return h ? h : 1;
}

static uint64_t case_hash(const manifest *m, const row *r, rs_arena *mem)
{
    const char *why;
    json_t *o = row_object(m, r, mem, &why), *id = json_object_get(o, "case_id");
    uint64_t h = 0;

    if (!id)
        id = json_object_get(o, "id");
    if (json_is_string(id) && json_string_length(id) > 0)
        h = hash_of(json_string_value(id));
    else if (json_is_integer(id))
        h = hash_of(rs_arena_sprintf(mem, "%lld", (long long)json_integer_value(id)));
    json_decref(o);
    return h;
}

static bool add_row(manifest *m, row r)
{
    if (m->n_rows == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 1024;
        row *more = rs_realloc(m->rows, cap, sizeof *more);
        if (!more)
            return false;
        m->rows = more;
        m->cap = cap;
    }
    m->rows[m->n_rows++] = r;
    return true;
}

static bool blank(const char *text, size_t begin, size_t end)
{
    for (; begin < end; begin++)
        if (!strchr(" \t\r\n", text[begin]) || !text[begin])
            return false;
    return true;
}

static bool find_rows(manifest *m, size_t at, size_t number)
{
    const char *text = (const char *)m->map.data;

    while (at < m->map.len) {
        size_t begin = at;
        const char *end = m->delimiter ? text + rs_csv_end(text, m->map.len, at, m->delimiter)
                                       : memchr(text + at, '\n', m->map.len - at);
        at = end ? (size_t)(end - text) : m->map.len;
        if (!blank(text, begin, at) &&
            !add_row(m, (row){.begin = begin, .end = at, .number = number, .next = NONE}))
            return false;
        at++;
        number++;
    }
    return true;
}

/* Link rows of one case: an open hash table of the last row of each case. */
static bool group_rows(manifest *m)
{
    size_t slots = 16;
    size_t *last;
    rs_arena mem = {0};

    while (slots < 2 * m->n_rows)
        slots *= 2;
    last = rs_malloc(slots * sizeof *last);
    m->cases = rs_calloc(m->n_rows + 1, sizeof *m->cases);
    if (!last || !m->cases) {
        rs_free(last);
        return false;
    }
    for (size_t i = 0; i < slots; i++)
        last[i] = NONE;
    for (size_t i = 0; i < m->n_rows; i++) {
        row *r = &m->rows[i];
        size_t slot;
        r->hash = case_hash(m, r, &mem);
        rs_arena_reset(&mem);
        slot = r->hash & (slots - 1);
        while (r->hash && last[slot] != NONE && m->rows[last[slot]].hash != r->hash)
            slot = (slot + 1) & (slots - 1);
        if (r->hash && last[slot] != NONE)
            m->rows[last[slot]].next = i;
        else
            m->cases[m->n_cases++] = i;
        if (r->hash)
            last[slot] = i;
    }
    rs_arena_clear(&mem);
    rs_free(last);
    return true;
}

static rs_status read_header(manifest *m, size_t *at, rs_err *err)
{
    if (m->map.len >= 3 && memcmp(m->map.data, "\xef\xbb\xbf", 3) == 0)
        *at = 3;                                     /* a byte order mark */
    if (!m->delimiter)
        return RS_OK;
    if (!rs_csv_record((const char *)m->map.data, m->map.len, at, m->delimiter, &m->header_mem,
                       &m->header, &m->n_header) && !m->header)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", m->path);
    if (m->map.len == 0 || m->n_header == 0 || !*m->header[0])
        return rs_fail(err, RS_ECORRUPT, "%s: row 1 is not a header that names the fields", m->path);
    return RS_OK;
}

static void manifest_close(void *self);

rs_status rs_manifest_open(void **out, const char *path, char delimiter, rs_err *err)
{
    rs_status st;
    manifest *m = rs_calloc(1, sizeof *m);
    char *slash;
    size_t at = 0;

    *out = NULL;
    if (!m || !(m->path = rs_strdup(path)) || !(m->base = rs_strdup(path))) {
        st = rs_fail(err, RS_ENOMEM, "open %s: no memory", path);
        goto done;
    }
    slash = strrchr(m->base, '/');
    if (slash)
        slash[slash == m->base] = '\0';
    m->delimiter = delimiter;
    if ((st = rs_map_open(&m->map, path, err)) != RS_OK ||
        (st = read_header(m, &at, err)) != RS_OK)
        goto done;
    if (!find_rows(m, at, delimiter ? 2 : 1) || !group_rows(m)) {
        st = rs_fail(err, RS_ENOMEM, "open %s: no memory for its rows", path);
        goto done;
    }
    *out = m;
    m = NULL;
done:
    manifest_close(m);
    return st;
}

/* ---- The kind -------------------------------------------------------- */

static void manifest_close(void *self)
{
    manifest *m = self;

    if (!m)
        return;
    rs_map_close(&m->map);
    rs_arena_clear(&m->header_mem);
    rs_free(m->path);
    rs_free(m->base);
    rs_free(m->rows);
    rs_free(m->cases);
    rs_free(m);
}

static size_t manifest_count(const void *self)
{
    return ((const manifest *)self)->n_cases;
}

/* Parse every row of the case; a broken row makes the case a problem. */
static rs_status manifest_get(void *self, size_t i, rs_arena *mem, rs_source_case *out, rs_err *err)
{
    manifest *m = self;
    size_t n = 0, first = m->cases[i];
    const char *why = NULL, *row_key;
    json_t **rows;
    rs_status st = RS_OK;

    for (size_t k = first; k != NONE; k = m->rows[k].next)
        n++;
    rows = rs_new(mem, json_t *, n);
    out->item = rs_arena_sprintf(mem, "row %zu", m->rows[first].number);
    row_key = rs_arena_sprintf(mem, "row-%zu", m->rows[first].number);
    if (!rows || !out->item || !row_key)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", m->path);
    n = 0;
    for (size_t k = first; k != NONE; k = m->rows[k].next) {
        rows[n] = row_object(m, &m->rows[k], mem, &why);
        if (!rows[n]) {
            out->item = rs_arena_sprintf(mem, "row %zu", m->rows[k].number);
            out->problem = why;
            if (!why)
                st = rs_fail(err, RS_ENOMEM, "%s: no memory", m->path);
            goto done;
        }
        n++;
    }
    st = rs_rows_to_case(rows, n, m->base, out->item, row_key, mem, out, err);
done:
    for (size_t k = 0; k < n; k++)
        json_decref(rows[k]);
    return st;
}

const rs_source_kind rs_source_manifest = {manifest_count, manifest_get, manifest_close};
