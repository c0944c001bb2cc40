/* restriction.c - see restriction.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/restriction.h"

#include "engine/archive_int.h"
#include "engine/facets_int.h"
#include "engine/fold.h"

#include <stdlib.h>
#include <string.h>

static rs_status bits_of_filter(rs_archive *a, const rs_filter *filter, rs_arena *mem,
                                uint64_t **bits, size_t *cap, rs_err *err)
{
    rs_status st = rs_facets_refresh(&a->facets, a->db, err);

    if (st != RS_OK)
        return st;
    *cap = a->facets->cap;
    return rs_facets_select(a->facets, a->db, filter, mem, bits, err);
}

/* All ids that there may be. */
static rs_status bits_of_all(rs_archive *a, rs_arena *mem, uint64_t **bits, size_t *cap,
                             rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT max(id) FROM cases", err);
    int64_t last = 0;
    rs_status st;

    if (rs_step(&s))
        last = rs_col_int(&s, 0);
    if ((st = rs_done(&s)) != RS_OK)
        return st;
    *cap = ((size_t)last + 64) / 64 * 64;
    *bits = rs_new(mem, uint64_t, *cap / 64);
    if (!*bits)
        return rs_fail(err, RS_ENOMEM, "filter: no memory");
    memset(*bits, 0xFF, *cap / 8);
    return RS_OK;
}

static rs_status rule_out(rs_archive *a, const char *exclude, uint64_t *bits, size_t cap,
                          rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT rowid FROM case_fts WHERE case_fts MATCH ?1", err);

    rs_bind_text(&s, 1, exclude);
    while (rs_step(&s)) {
        const int64_t id = rs_col_int(&s, 0);
        if (id >= 0 && (uint64_t)id < cap)
            bits[id >> 6] &= ~(UINT64_C(1) << (id & 63));
    }
    return rs_done(&s);
}

rs_status rs_restriction_make(rs_archive *a, const rs_filter *filter, const char *exclude,
                              rs_arena *mem, rs_restriction *out, rs_err *err)
{
    rs_status st = RS_OK;
    uint64_t *bits;
    size_t cap;

    *out = (rs_restriction){0};
    if (!filter && !exclude)
        return RS_OK;
    st = filter ? bits_of_filter(a, filter, mem, &bits, &cap, err)
                : bits_of_all(a, mem, &bits, &cap, err);
    if (st == RS_OK && exclude)
        st = rule_out(a, exclude, bits, cap, err);
    if (st == RS_OK)
        *out = (rs_restriction){.cases = bits, .cap = cap};
    return st;
}

static int ascending(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

rs_status rs_restriction_leave_out(rs_restriction *r, const int64_t *ids, size_t n, rs_arena *mem,
                                   rs_err *err)
{
    int64_t *all = rs_new(mem, int64_t, r->n_left_out + n + 1);

    if (!all)
        return rs_fail(err, RS_ENOMEM, "query: no memory");
    if (r->n_left_out)
        memcpy(all, r->left_out, r->n_left_out * sizeof *all);
    if (n)
        memcpy(all + r->n_left_out, ids, n * sizeof *all);
    if (r->n_left_out + n)
        qsort(all, r->n_left_out + n, sizeof *all, ascending);
    r->left_out = all;
    r->n_left_out += n;
    return RS_OK;
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

bool rs_restriction_leaves_out(const rs_restriction *r, int64_t id)
{
    return r->n_left_out && bsearch(&id, r->left_out, r->n_left_out, sizeof id, ascending);
}
