/* beir.c - see beir.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "beir.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_GRADE = 1000 };

/* ---- Lines ----------------------------------------------------------- */

typedef struct {
    rs_arena   *mem;
    const char *path;
    void       *rows;
    size_t      n, cap, size;      /* of `size` bytes each */
} table;

/* Room for one more row, zeroed; NULL on OOM. */
static void *grow(table *t)
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

static rs_status no_memory(const table *t, rs_err *err)
{
    return rs_fail(err, RS_ENOMEM, "%s: no memory", t->path);
}

typedef rs_status take_line(table *t, const char *line, size_t len, size_t number, rs_err *err);

/* `take` for each line of FOLDER/NAME that is not empty. */
static rs_status each_line(table *t, const char *folder, const char *name, take_line *take,
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

static rs_status take_text(table *t, const char *line, size_t len, size_t number, rs_err *err)
{
    char where[32];
    rs_beir_text *row;
    rs_err why = {0};
    json_t *v = NULL;
    const char *id, *title, *text;
    rs_status st;

    snprintf(where, sizeof where, "line %zu", number);
    if ((st = rs_json_parse(&v, line, len, where, &why)) != RS_OK)
        return rs_fail(err, st, "%s: %s", t->path, why.msg);
    id = json_string_value(json_object_get(v, "_id"));
    title = json_string_value(json_object_get(v, "title"));
    text = json_string_value(json_object_get(v, "text"));
    if (!id || !*id || !text) {
        json_decref(v);
        return rs_fail(err, RS_ECORRUPT, "%s: %s: wanted texts _id and text", t->path, where);
    }
    row = grow(t);
    if (row)
        *row = (rs_beir_text){
            rs_arena_strdup(t->mem, id),
            title && *title ? rs_arena_strdup(t->mem, title) : NULL,
            rs_arena_strdup(t->mem, text)};
    st = row && row->id && row->text && (row->title || !title || !*title)
       ? RS_OK : no_memory(t, err);
    json_decref(v);
    return st;
}

/* The number in line[0, len), if it is one. */
static bool grade_of(const char *text, size_t len, int *out)
{
    char digits[16], *end;
    long v;

    if (len == 0 || len >= sizeof digits)
        return false;
    memcpy(digits, text, len);
    digits[len] = '\0';
    v = strtol(digits, &end, 10);
    *out = (int)v;
    return !*end && v >= -MAX_GRADE && v <= MAX_GRADE;
}

static rs_status take_judgement(table *t, const char *line, size_t len, size_t number, rs_err *err)
{
    const char *first = memchr(line, '\t', len), *second;
    rs_beir_judgement *row;
    int grade;

    second = first ? memchr(first + 1, '\t', len - (size_t)(first + 1 - line)) : NULL;
    if (!second || !grade_of(second + 1, len - (size_t)(second + 1 - line), &grade)) {
        if (number == 1)
            return RS_OK;                               /* the header */
        return rs_fail(err, RS_ECORRUPT, "%s: line %zu: wanted query, document and grade, tabs "
                       "between", t->path, number);
    }
    row = grow(t);
    if (!row)
        return no_memory(t, err);
    *row = (rs_beir_judgement){
        rs_arena_strndup(t->mem, line, (size_t)(first - line)),
        rs_arena_strndup(t->mem, first + 1, (size_t)(second - first - 1)), grade};
    return row->query && row->document ? RS_OK : no_memory(t, err);
}

/* ---- The collection -------------------------------------------------- */

static int by_query(const void *a, const void *b)
{
    const rs_beir_judgement *x = a, *y = b;
    int c = strcmp(x->query, y->query);

    return c ? c : strcmp(x->document, y->document);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const rs_beir_text *)a)->id, ((const rs_beir_text *)b)->id);
}

/* Sorted copies of the ids must differ: a document twice would be found twice. */
static rs_status check_ids(const table *t, rs_err *err)
{
    rs_beir_text *sorted = rs_new(t->mem, rs_beir_text, t->n + 1);

    if (!sorted)
        return no_memory(t, err);
    if (t->n)
        memcpy(sorted, t->rows, t->n * sizeof *sorted);
    qsort(sorted, t->n, sizeof *sorted, by_id);
    for (size_t i = 1; i < t->n; i++)
        if (strcmp(sorted[i - 1].id, sorted[i].id) == 0)
            return rs_fail(err, RS_ECORRUPT, "%s: _id '%.100s' is there twice", t->path,
                           sorted[i].id);
    return RS_OK;
}

const rs_beir_judgement *rs_beir_judged(const rs_beir *b, const char *query, size_t *n)
{
    size_t low = 0, high = b->n_judgements;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(b->judgements[middle].query, query) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *n = 0;
    while (low + *n < b->n_judgements && strcmp(b->judgements[low + *n].query, query) == 0)
        ++*n;
    return b->judgements + low;
}

int rs_beir_grade(const rs_beir_judgement *of, size_t n, const char *document)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = strcmp(of[middle].document, document);
        if (c == 0)
            return of[middle].grade;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

static size_t keep_judged(const rs_beir *b, rs_beir_text *queries, size_t n)
{
    size_t kept = 0, of;

    for (size_t i = 0; i < n; i++) {
        rs_beir_judged(b, queries[i].id, &of);
        if (of)
            queries[kept++] = queries[i];
    }
    return kept;
}

rs_status rs_beir_load(rs_beir *out, const char *folder, const char *qrels, rs_arena *mem,
                       rs_err *err)
{
    table documents = {.mem = mem, .size = sizeof(rs_beir_text)};
    table queries = {.mem = mem, .size = sizeof(rs_beir_text)};
    table judgements = {.mem = mem, .size = sizeof(rs_beir_judgement)};
    const char *name = rs_arena_sprintf(mem, "qrels/%s.tsv", qrels);
    rs_status st;

    *out = (rs_beir){0};
    if (!name)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", folder);
    if ((st = each_line(&documents, folder, "corpus.jsonl", take_text, err)) != RS_OK ||
        (st = check_ids(&documents, err)) != RS_OK ||
        (st = each_line(&queries, folder, "queries.jsonl", take_text, err)) != RS_OK ||
        (st = check_ids(&queries, err)) != RS_OK ||
        (st = each_line(&judgements, folder, name, take_judgement, err)) != RS_OK)
        return st;
    if (judgements.n)
        qsort(judgements.rows, judgements.n, sizeof(rs_beir_judgement), by_query);
    out->documents = documents.rows;
    out->n_documents = documents.n;
    out->judgements = judgements.rows;
    out->n_judgements = judgements.n;
    out->n_queries = keep_judged(out, queries.rows, queries.n);
    out->queries = queries.rows;
    if (out->n_queries == 0)
        return rs_fail(err, RS_ECORRUPT, "%s: %s judges no query of queries.jsonl", folder, name);
    return RS_OK;
}
