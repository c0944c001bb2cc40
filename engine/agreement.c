/* agreement.c - see agreement.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/agreement.h"

#include "engine/archive_int.h"

#include <stdlib.h>
#include <string.h>

enum { ID_DIGITS = 16 };

/* One judgment. */
typedef struct { const char *query, *key; int grade; } row;

static rs_status read_rows(rs_archive *a, rs_arena *mem, row **out, size_t *n, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "SELECT query, case_key, verdict FROM judgments"
        " WHERE EXISTS(SELECT 1 FROM cases WHERE key = case_key)", err);
    void *rows = NULL;
    size_t cap = 0;
    rs_status st = RS_OK, ended;

    while (st == RS_OK && rs_step(&s)) {
        const rs_judged v = rs_judged_of(rs_col_text(&s, 2));
        if (v == RS_JUDGED_VERDICTS)
            st = rs_fail(err, RS_ECORRUPT, "judgments: verdict '%.60s' is not known",
                         rs_col_text(&s, 2));
        else if (!rs_arena_grow(mem, &rows, &cap, *n, sizeof **out))
            rs_stmt_nomem(&s);
        else
            ((row *)rows)[(*n)++] = (row){rs_col_dup(&s, 0, mem), rs_col_dup(&s, 1, mem),
                                          rs_judged_grade(v)};
    }
    *out = rows;
    ended = rs_done(&s);
    return st == RS_OK ? ended : st;
}

static int in_order(const void *a, const void *b)
{
    const row *x = a, *y = b;
    int c = strcmp(x->query, y->query);

    if (c == 0)
        c = strcmp(x->key, y->key);
    return c ? c : (x->grade > y->grade) - (x->grade < y->grade);
}

/* How many rows from the first on are of its query; of its case too, if asked. */
static size_t run_of(const row *r, size_t n, bool one_case)
{
    size_t k = 1;

    while (k < n && strcmp(r[k].query, r->query) == 0 &&
           (!one_case || strcmp(r[k].key, r->key) == 0))
        k++;
    return k;
}

static rs_status agree(const row *r, size_t n, rs_arena *mem, rs_agreed_query *out, rs_err *err)
{
    rs_agreed_case *cases = rs_new(mem, rs_agreed_case, n);
    char hex[RS_SHA256_HEX];
    bool nomem = false;
    rs_status st;

    *out = (rs_agreed_query){.cases = cases};
    if ((st = rs_sha256_of(hex, r->query, strlen(r->query), err)) != RS_OK)
        return st;
    out->id = rs_arena_sprintf(mem, "q%.*s", ID_DIGITS, hex);
    if (!cases || !out->id)
        return rs_fail(err, RS_ENOMEM, "judgments: no memory");
    if ((st = rs_judged_query_parse(&out->query, r->query, mem, err)) != RS_OK)
        return rs_wrap(err, st == RS_EARG ? RS_ECORRUPT : st, "a judgment's query");
    out->words = rs_judged_query_words(&out->query, mem, &nomem);
    if (nomem)
        return rs_fail(err, RS_ENOMEM, "judgments: no memory");
    for (size_t i = 0, k; i < n; i += k) {
        k = run_of(r + i, n - i, true);
        cases[out->n++] = (rs_agreed_case){r[i].key, r[i + (k - 1) / 2].grade, k,
                                           r[i].grade != r[i + k - 1].grade};
    }
    return RS_OK;
}

rs_status rs_judgments_agree(rs_archive *a, rs_arena *mem, const rs_agreed_query **out, size_t *n,
                             rs_err *err)
{
    rs_agreed_query *queries;
    row *rows = NULL;
    size_t count = 0;
    rs_status st = read_rows(a, mem, &rows, &count, err);

    *out = NULL;
    *n = 0;
    if (st != RS_OK)
        return st;
    if (count)
        qsort(rows, count, sizeof *rows, in_order);
    queries = rs_new(mem, rs_agreed_query, count + 1);
    if (!queries)
        return rs_fail(err, RS_ENOMEM, "judgments: no memory");
    for (size_t i = 0, k; st == RS_OK && i < count; i += k) {
        k = run_of(rows + i, count - i, false);
        st = agree(rows + i, k, mem, &queries[(*n)++], err);
    }
    *out = queries;
    return st;
}
