/* access.c - see access.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/access.h"

#include "engine/access_int.h"
#include "engine/archive_int.h"
#include "engine/catalog.h"
#include "engine/facets_int.h"
#include "engine/filter.h"

#include <string.h>
#include <strings.h>

void rs_access_collections(rs_buf *b, const char *const *collections, size_t n)
{
    if (n == 0)
        rs_buf_puts(b, "not case:*");
    for (size_t i = 0; i < n; i++) {
        rs_buf_puts(b, i ? "|" : "collection:");
        rs_filter_add_value(b, collections[i]);
    }
}

rs_status rs_access_and(const char *access, const char *filter, rs_arena *mem, const char **out,
                        rs_err *err)
{
    rs_buf b = {0};
    rs_status st;

    *out = access ? access : filter;
    if (filter && (st = rs_filter_check(filter, err)) != RS_OK)
        return st;
    if (!access || !filter)
        return RS_OK;
    rs_filter_add_filter(&b, access);
    rs_filter_add_filter(&b, filter);
    *out = b.failed ? NULL : rs_arena_strdup(mem, b.data);
    rs_buf_clear(&b);
    return *out ? RS_OK : rs_fail(err, RS_ENOMEM, "filter: no memory");
}

rs_status rs_access_restriction(rs_archive *a, const char *access, rs_arena *mem,
                                rs_restriction *out, rs_err *err)
{
    rs_filter f;
    rs_status st;

    *out = (rs_restriction){0};
    if (!access)
        return RS_OK;
    st = rs_filter_parse(access, mem, &f, err);
    return st == RS_OK ? rs_restriction_make(a, &f, NULL, mem, out, err) : st;
}

rs_status rs_access_find(rs_archive *a, const rs_restriction *seen, const char *key, int64_t *id,
                         rs_err *err)
{
    rs_status st = rs_catalog_find(a, key, id, err);

    if (st == RS_OK && !rs_restriction_passes(seen, *id))
        return rs_catalog_no_case(a, key, err);
    return st;
}

/* ---- A case that is not there yet ------------------------------------- */

static bool passes(const rs_filter_step *s, const char *value, bool fold)
{
    for (size_t i = 0; value && i < s->n_values; i++) {
        const rs_filter_value *v = &s->values[i];
        if (v->kind == RS_VALUE_KNOWN ||
            (v->kind == RS_VALUE_EQUAL && (fold ? strcasecmp : strcmp)(v->text, value) == 0))
            return true;
    }
    return false;
}

rs_status rs_access_would_see(const char *access, const char *key, const char *collection,
                              rs_arena *mem, bool *yes, rs_err *err)
{
    rs_filter f;
    bool *stack;
    size_t n = 0;
    rs_status st;

    *yes = !access;
    if (!access)
        return RS_OK;
    if ((st = rs_filter_parse(access, mem, &f, err)) != RS_OK)
        return st;
    if (!(stack = rs_new(mem, bool, f.room + 1)))
        return rs_fail(err, RS_ENOMEM, "filter: no memory");
    for (size_t i = 0; i < f.n; i++) {
        const rs_filter_step *s = &f.steps[i];
        if (s->op == RS_FILTER_TEST) {
            if (s->field != RS_FIELD_COLLECTION && s->field != RS_FIELD_CASE)
                return RS_OK;                  /* not ours to tell: no */
            stack[n++] = s->field == RS_FIELD_CASE ? passes(s, key, false)
                                                   : passes(s, collection, true);
        } else if (s->op == RS_FILTER_NOT) {
            stack[n - 1] = !stack[n - 1];
        } else {
            n--;
            stack[n - 1] = s->op == RS_FILTER_AND ? stack[n - 1] && stack[n]
                                                  : stack[n - 1] || stack[n];
        }
    }
    *yes = stack[0];
    return RS_OK;
}

/* ---- A case ---------------------------------------------------------- */

static rs_status get(rs_archive *a, const char *access, const char *key, rs_arena *mem,
                     rs_case **out, rs_err *err)
{
    rs_restriction seen;
    int64_t id;
    rs_status st;

    if ((st = rs_access_restriction(a, access, mem, &seen, err)) != RS_OK ||
        (st = rs_access_find(a, &seen, key, &id, err)) != RS_OK)
        return st;
    return rs_archive_get(a, key, mem, out, err);
}

rs_status rs_access_case(rs_archive *a, const char *access, const char *key, rs_arena *mem,
                         rs_case **out, rs_err *err)
{
    rs_status st;

    *out = NULL;
    if (!access)
        return rs_archive_get(a, key, mem, out, err);
    if ((st = rs_db_read_begin(a->db, err)) != RS_OK)
        return st;
    st = get(a, access, key, mem, out, err);
    rs_db_read_end(a->db);
    return st;
}

/* ---- Counts ---------------------------------------------------------- */

static rs_status count_facets(rs_archive *a, const char *access, const char *filter,
                              const char *const *attributes, size_t n, rs_arena *mem,
                              rs_facet_report *out, rs_err *err)
{
    rs_restriction seen;
    rs_status st = rs_access_restriction(a, access, mem, &seen, err);

    if (st == RS_OK)
        st = rs_facet_counts(a, filter, attributes, n, mem, out, err);
    if (st == RS_OK && access)
        out->cases = rs_bits_count(seen.cases, seen.cap);
    return st;
}

rs_status rs_access_facets(rs_archive *a, const char *access, const char *filter,
                           const char *const *attributes, size_t n, rs_arena *mem,
                           rs_facet_report *out, rs_err *err)
{
    rs_status st;

    *out = (rs_facet_report){0};
    if ((st = rs_access_and(access, filter, mem, &filter, err)) != RS_OK ||
        (st = rs_db_read_begin(a->db, err)) != RS_OK)
        return st;
    st = count_facets(a, access, filter, attributes, n, mem, out, err);
    rs_db_read_end(a->db);
    return st;
}

/* The sum of a statement's counts over cases that are seen. */
static rs_status sum(rs_archive *a, const char *sql, const rs_restriction *seen, size_t *out,
                     rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, sql, err);

    while (rs_step(&s))
        if (rs_restriction_passes(seen, rs_col_int(&s, 0)))
            *out += (size_t)rs_col_int(&s, 1);
    return rs_done(&s);
}

static rs_status sums(rs_archive *a, const rs_restriction *seen, rs_stats *out, rs_err *err)
{
    const struct { const char *sql; size_t *to; } rows[] = {
        {"SELECT case_id, count(*) FROM images GROUP BY case_id", &out->images},
        {"SELECT case_id, count(*) FROM passages GROUP BY case_id", &out->passages},
        {"SELECT i.case_id, count(*) FROM image_vectors v JOIN images i ON i.id = v.id"
         " GROUP BY i.case_id", &out->image_vectors},
        {"SELECT p.case_id, count(*) FROM passage_vectors v JOIN passages p ON p.id = v.id"
         " GROUP BY p.case_id", &out->passage_vectors},
    };
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < sizeof rows / sizeof *rows; i++)
        st = sum(a, rows[i].sql, seen, rows[i].to, err);
    return st;
}

/* The values of facet `name`, with the cases that have none as "" where `unknown` asks. */
static rs_status take(const rs_facet_report *r, const char *name, bool unknown, rs_arena *mem,
                      const rs_count **out, size_t *n, rs_err *err)
{
    rs_count *list;
    const rs_facet *f = NULL;

    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->facets[i].name, name) == 0)
            f = &r->facets[i];
    *n = 0;
    if (!f)
        return RS_OK;
    list = rs_new(mem, rs_count, f->n + 1);
    if (!list)
        return rs_fail(err, RS_ENOMEM, "stats: no memory");
    if (f->n)
        memcpy(list, f->values, f->n * sizeof *list);
    *n = f->n;
    if (unknown && f->unknown)
        list[(*n)++] = (rs_count){"", f->unknown};
    *out = list;
    return RS_OK;
}

static rs_status fill(rs_archive *a, const char *access, rs_arena *mem, rs_stats *out, rs_err *err)
{
    rs_facet_report r;
    rs_restriction seen;
    rs_stats all;
    rs_status st;

    if ((st = rs_archive_stats(a, mem, &all, err)) != RS_OK ||
        (st = rs_access_restriction(a, access, mem, &seen, err)) != RS_OK ||
        (st = rs_access_facets(a, access, NULL, NULL, 0, mem, &r, err)) != RS_OK ||
        (st = sums(a, &seen, out, err)) != RS_OK ||
        (st = take(&r, "modality", true, mem, &out->modalities, &out->n_modalities,
                   err)) != RS_OK ||
        (st = take(&r, "body_part", true, mem, &out->body_parts, &out->n_body_parts,
                   err)) != RS_OK ||
        (st = take(&r, "finding", false, mem, &out->findings, &out->n_findings, err)) != RS_OK)
        return st;
    out->cases = r.cases;
    out->encoder = all.encoder;
    out->schema_version = all.schema_version;
    return RS_OK;
}

rs_status rs_access_stats(rs_archive *a, const char *access, rs_arena *mem, rs_stats *out,
                          rs_err *err)
{
    rs_status st;

    if (!access)
        return rs_archive_stats(a, mem, out, err);
    *out = (rs_stats){0};
    if ((st = rs_db_read_begin(a->db, err)) != RS_OK)
        return st;
    st = fill(a, access, mem, out, err);
    rs_db_read_end(a->db);
    return st;
}
