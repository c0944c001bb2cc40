/* filter.c - see filter.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/filter.h"

#include "base/bytes.h"
#include "engine/fold.h"

#include <stdlib.h>
#include <string.h>

bool rs_restriction_filters(const rs_restriction *r)
{
    const rs_filter *f = &r->fields;

    return f->modality || f->body_part || f->view || f->sex || f->patient || f->collection ||
           f->source || f->finding || f->by_age || r->exclude;
}

void rs_restriction_bind(rs_stmt *s, const rs_restriction *r)
{
    const rs_filter *f = &r->fields;

    rs_bind_text(s, 1, f->modality);
    rs_bind_text(s, 2, f->body_part);
    rs_bind_text(s, 3, f->view);
    rs_bind_text(s, 4, f->sex);
    rs_bind_text(s, 5, f->patient);
    rs_bind_text(s, 6, f->collection);
    rs_bind_text(s, 7, f->source);
    rs_bind_text(s, 8, f->finding);
    if (f->by_age) {
        rs_bind_real(s, 9, f->age_min);
        rs_bind_real(s, 10, f->age_max);
    }
    rs_bind_text(s, 11, r->exclude);
    rs_bind_text(s, 12, r->left_out_json);
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

rs_status rs_restriction_leave_out(rs_restriction *r, const int64_t *ids, size_t n, rs_arena *mem,
                                   rs_err *err)
{
    int64_t *all = rs_new(mem, int64_t, r->n_left_out + n + 1);
    rs_buf json = {0};
    size_t kept = 0;

    if (!all)
        return rs_fail(err, RS_ENOMEM, "query: no memory");
    if (r->n_left_out)
        memcpy(all, r->left_out, r->n_left_out * sizeof *all);
    if (n)
        memcpy(all + r->n_left_out, ids, n * sizeof *all);
    if (r->n_left_out + n)
        qsort(all, r->n_left_out + n, sizeof *all, ascending);
    for (size_t i = 0; i < r->n_left_out + n; i++)
        if (kept == 0 || all[kept - 1] != all[i])
            all[kept++] = all[i];
    for (size_t i = 0; i < kept; i++)
        rs_buf_printf(&json, "%s%lld", i ? "," : "[", (long long)all[i]);
    rs_buf_puts(&json, "]");
    r->left_out = all;
    r->n_left_out = kept;
    r->left_out_json = kept && !json.failed ? rs_arena_strdup(mem, json.data) : NULL;
    rs_buf_clear(&json);
    return kept && !r->left_out_json ? rs_fail(err, RS_ENOMEM, "query: no memory") : RS_OK;
}

rs_status rs_restriction_leave_out_case(rs_restriction *r, rs_db *db, int64_t id, bool patient,
                                        rs_arena *mem, rs_err *err)
{
    const char *who = NULL;
    void *ids = NULL;
    size_t n = 0, cap = 0;
    rs_status st = patient ? rs_patient_of(db, id, mem, &who, err) : RS_OK;
    rs_stmt s;

    if (st != RS_OK)
        return st;
    s = rs_db_use(db, "SELECT ?1 UNION SELECT id FROM cases WHERE patient = ?2", err);
    rs_bind_int(&s, 1, id);
    rs_bind_text(&s, 2, who);
    while (rs_step(&s)) {
        if (!rs_arena_grow(mem, &ids, &cap, n, sizeof(int64_t))) {
            rs_stmt_nomem(&s);
            break;
        }
        ((int64_t *)ids)[n++] = rs_col_int(&s, 0);
    }
    st = rs_done(&s);
    return st == RS_OK ? rs_restriction_leave_out(r, ids, n, mem, err) : st;
}

/* Cases first: their condition is looked at once a case, in the index of their facets,
 * without reading a report. */
rs_status rs_restriction_ids(rs_db *db, rs_kind kind, const rs_restriction *r, rs_arena *mem,
                             int64_t **ids, size_t *n, rs_err *err)
{
    static const char *const sql[] = {
        "SELECT i.id FROM cases c CROSS JOIN images i ON i.case_id = c.id WHERE "
        RS_FILTER_SQL,
        "SELECT i.id FROM cases c CROSS JOIN passages i ON i.case_id = c.id WHERE "
        RS_FILTER_SQL,
    };
    rs_stmt s = rs_db_use(db, sql[kind], err);
    void *array = NULL;
    size_t cap = 0;

    *n = 0;
    rs_restriction_bind(&s, r);
    while (rs_step(&s)) {
        if (!rs_arena_grow(mem, &array, &cap, *n, sizeof **ids)) {
            rs_stmt_nomem(&s);
            break;
        }
        ((int64_t *)array)[(*n)++] = rs_col_int(&s, 0);
    }
    *ids = array;
    if (*n)
        qsort(*ids, *n, sizeof **ids, ascending);
    return rs_done(&s);
}
