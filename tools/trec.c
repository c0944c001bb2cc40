/* trec.c - see trec.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "trec.h"

#include "lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { QUERY, Q0, DOCUMENT, RANK, SCORE, TAG, FIELDS };

typedef struct {
    rs_lines    rows;         /* first: a rs_lines * is also a run_lines * */
    const char *tag;
} run_lines;

static bool score_of(const char *text, float *out)
{
    char *end;

    *out = (float)strtod(text, &end);                  /* as trec_eval: atof into a float */
    return *text && !*end && isfinite(*out);
}

static rs_status take_row(rs_lines *t, const char *line, size_t len, size_t number, rs_err *err)
{
    run_lines *run = (run_lines *)t;
    const char *end = line + len, *at = line, *p;
    char *field[FIELDS];
    rs_trec_row *row;
    float score;
    size_t n = 0;
    int rank;

    for (; (p = rs_lines_field(&at, end)); n++) {
        if (n == FIELDS)
            return rs_fail(err, RS_ECORRUPT, "%s: line %zu: more than 6 fields; wanted query Q0 "
                           "document rank score tag", t->path, number);
        if (!(field[n] = rs_arena_strndup(t->mem, p, (size_t)(at - p))))
            return rs_lines_no_memory(t, err);
    }
    if (n == 0)
        return RS_OK;                                    /* blanks alone */
    if (n < FIELDS)
        return rs_fail(err, RS_ECORRUPT, "%s: line %zu: %zu fields; wanted 6, query Q0 document "
                       "rank score tag", t->path, number, n);
    if (!rs_lines_number(field[RANK], strlen(field[RANK]), 1000000000, &rank))
        return rs_fail(err, RS_ECORRUPT, "%s: line %zu: field 4, the rank: '%.60s' is no whole "
                       "number", t->path, number, field[RANK]);
    if (!score_of(field[SCORE], &score))
        return rs_fail(err, RS_ECORRUPT, "%s: line %zu: field 5, the score: '%.60s' is no finite "
                       "number", t->path, number, field[SCORE]);
    row = rs_lines_grow(t);
    if (!row)
        return rs_lines_no_memory(t, err);
    *row = (rs_trec_row){field[QUERY], field[DOCUMENT], score, number};
    if (!run->tag)
        run->tag = field[TAG];
    return RS_OK;
}

static int by_document(const void *a, const void *b)
{
    const rs_trec_row *x = a, *y = b;
    int c = strcmp(x->query, y->query);

    if (c == 0)
        c = strcmp(x->document, y->document);
    return c ? c : (x->line > y->line) - (x->line < y->line);
}

static int by_score(const void *a, const void *b)
{
    const rs_trec_row *x = a, *y = b;
    const int c = strcmp(x->query, y->query);

    if (c)
        return c;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return strcmp(y->document, x->document);
}

rs_status rs_trec_load(rs_trec_run *out, const char *path, rs_arena *mem, rs_err *err)
{
    run_lines run = {.rows = {.mem = mem, .size = sizeof(rs_trec_row)}};
    rs_trec_row *rows;
    rs_status st;

    *out = (rs_trec_run){0};
    if ((st = rs_lines_each(&run.rows, NULL, path, take_row, err)) != RS_OK)
        return st;
    if (run.rows.n == 0)
        return rs_fail(err, RS_ECORRUPT, "%s: a run without a line", path);
    rows = run.rows.rows;
    qsort(rows, run.rows.n, sizeof *rows, by_document);
    for (size_t i = 1; i < run.rows.n; i++)
        if (strcmp(rows[i].query, rows[i - 1].query) == 0 &&
            strcmp(rows[i].document, rows[i - 1].document) == 0)
            return rs_fail(err, RS_ECORRUPT, "%s: line %zu: document '%.100s' of query '%.60s' was "
                           "in line %zu already", path, rows[i].line, rows[i].document,
                           rows[i].query, rows[i - 1].line);
    qsort(rows, run.rows.n, sizeof *rows, by_score);
    *out = (rs_trec_run){run.tag, rows, run.rows.n};
    return RS_OK;
}

const rs_trec_row *rs_trec_found(const rs_trec_run *r, const char *query, size_t *n)
{
    size_t low = 0, high = r->n;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(r->rows[middle].query, query) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *n = 0;
    while (low + *n < r->n && strcmp(r->rows[low + *n].query, query) == 0)
        ++*n;
    return r->rows + low;
}
