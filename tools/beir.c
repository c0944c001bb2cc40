/* beir.c - see beir.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "beir.h"

#include "base/bytes.h"
#include "base/json.h"
#include "lines.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_GRADE = 1000 };

/* ---- Lines ----------------------------------------------------------- */

static rs_status take_text(rs_lines *t, const char *line, size_t len, size_t number, rs_err *err)
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
    row = rs_lines_grow(t);
    if (row)
        *row = (rs_beir_text){
            rs_arena_strdup(t->mem, id),
            title && *title ? rs_arena_strdup(t->mem, title) : NULL,
            rs_arena_strdup(t->mem, text)};
    st = row && row->id && row->text && (row->title || !title || !*title)
       ? RS_OK : rs_lines_no_memory(t, err);
    json_decref(v);
    return st;
}

static rs_status take_judgement(rs_lines *t, const char *line, size_t len, size_t number,
                                rs_err *err)
{
    const char *first = memchr(line, '\t', len), *second;
    rs_beir_judgement *row;
    int grade;

    second = first ? memchr(first + 1, '\t', len - (size_t)(first + 1 - line)) : NULL;
    if (!second || !rs_lines_number(second + 1, len - (size_t)(second + 1 - line), MAX_GRADE,
                                    &grade)) {
        if (number == 1)
            return RS_OK;                               /* the header */
        return rs_fail(err, RS_ECORRUPT, "%s: line %zu: wanted query, document and grade, tabs "
                       "between", t->path, number);
    }
    row = rs_lines_grow(t);
    if (!row)
        return rs_lines_no_memory(t, err);
    *row = (rs_beir_judgement){
        rs_arena_strndup(t->mem, line, (size_t)(first - line)),
        rs_arena_strndup(t->mem, first + 1, (size_t)(second - first - 1)), grade};
    return row->query && row->document ? RS_OK : rs_lines_no_memory(t, err);
}

/* TREC's form: query, a number that is not used, document, grade; blanks between. */
static rs_status take_trec_judgement(rs_lines *t, const char *line, size_t len, size_t number,
                                     rs_err *err)
{
    enum { QUERY, UNUSED, DOCUMENT, GRADE, FIELDS };
    const char *end = line + len, *at = line, *field[FIELDS + 1] = {NULL};
    size_t n = 0, lengths[FIELDS + 1];
    rs_beir_judgement *row;
    int grade;

    while (n <= FIELDS && (field[n] = rs_lines_field(&at, end))) {
        lengths[n] = (size_t)(at - field[n]);
        n++;
    }
    if (n == 0)
        return RS_OK;
    if (n != FIELDS)
        return rs_fail(err, RS_ECORRUPT, "%s: line %zu: wanted 4 fields, query 0 document grade, "
                       "found %s", t->path, number, n > FIELDS ? "more" : "fewer");
    if (!rs_lines_number(field[GRADE], lengths[GRADE], MAX_GRADE, &grade))
        return rs_fail(err, RS_ECORRUPT, "%s: line %zu: field 4, the grade: '%.*s' is no whole "
                       "number", t->path, number, (int)(lengths[GRADE] > 60 ? 60 : lengths[GRADE]),
                       field[GRADE]);
    row = rs_lines_grow(t);
    if (!row)
        return rs_lines_no_memory(t, err);
    *row = (rs_beir_judgement){
        rs_arena_strndup(t->mem, field[QUERY], lengths[QUERY]),
        rs_arena_strndup(t->mem, field[DOCUMENT], lengths[DOCUMENT]), grade};
    return row->query && row->document ? RS_OK : rs_lines_no_memory(t, err);
}

/* NAME of FOLDER/qrels/NAME.tsv, or a file of its own. */
static rs_status read_judgements(rs_lines *t, const char *folder, const char *qrels, rs_err *err)
{
    const size_t len = strlen(qrels);
    const char *name;

    if (rs_file_exists(qrels) && !rs_is_folder(qrels))
        return rs_lines_each(t, NULL, qrels, len > 4 && strcmp(qrels + len - 4, ".tsv") == 0
                             ? take_judgement : take_trec_judgement, err);
    if (!(name = rs_arena_sprintf(t->mem, "qrels/%s.tsv", qrels)))
        return rs_fail(err, RS_ENOMEM, "%s: no memory", folder);
    return rs_lines_each(t, folder, name, take_judgement, err);
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
static rs_status check_ids(const rs_lines *t, rs_err *err)
{
    rs_beir_text *sorted = rs_new(t->mem, rs_beir_text, t->n + 1);

    if (!sorted)
        return rs_lines_no_memory(t, err);
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
    rs_lines documents = {.mem = mem, .size = sizeof(rs_beir_text)};
    rs_lines queries = {.mem = mem, .size = sizeof(rs_beir_text)};
    rs_lines judgements = {.mem = mem, .size = sizeof(rs_beir_judgement)};
    rs_status st;

    *out = (rs_beir){0};
    if ((st = rs_lines_each(&documents, folder, "corpus.jsonl", take_text, err)) != RS_OK ||
        (st = check_ids(&documents, err)) != RS_OK ||
        (st = rs_lines_each(&queries, folder, "queries.jsonl", take_text, err)) != RS_OK ||
        (st = check_ids(&queries, err)) != RS_OK ||
        (st = read_judgements(&judgements, folder, qrels, err)) != RS_OK)
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
        return rs_fail(err, RS_ECORRUPT, "%s: %s judges no query of queries.jsonl", folder,
                       judgements.path);
    return RS_OK;
}
