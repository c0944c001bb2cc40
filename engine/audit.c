/* audit.c - see audit.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/audit.h"

#include "base/alloc.h"
#include "engine/archive_int.h"

#include <math.h>

enum { ROUNDS = 2000 };            /* of intervals and tests of groups */

rs_audit_options rs_audit_default(void)
{
    return (rs_audit_options){.sample = 10000, .queries = 2000, .few = 10, .top = 20, .seed = 1,
                              .since = "10%"};
}

static void count(rs_audit *out)
{
    for (size_t i = 0; i < out->census.n_cases; i++) {
        const rs_census_case *c = &out->census.cases[i];
        out->images += c->n_images;
        out->passages += c->n_passages;
        out->without_image += c->n_images == 0;
        out->without_report += !c->report;
        out->without_label += c->n_labels == 0;
    }
}

/* The measures of all queries together. */
static rs_status measure(rs_audit *out, uint64_t seed, rs_err *err)
{
    double *x = rs_calloc(out->n_asked + 1, sizeof *x);

    out->precision = out->ndcg = (rs_interval){NAN, NAN, NAN};
    if (!x)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu queries", out->n_asked);
    if (out->n_asked) {
        for (size_t i = 0; i < out->n_asked; i++)
            x[i] = out->asked[i].precision;
        out->precision = rs_bootstrap(x, out->n_asked, ROUNDS, seed);
        for (size_t i = 0; i < out->n_asked; i++)
            x[i] = out->asked[i].ndcg;
        out->ndcg = rs_bootstrap(x, out->n_asked, ROUNDS, seed);
    }
    rs_free(x);
    return RS_OK;
}

static rs_status take(rs_archive *a, const rs_audit_options *o, rs_arena *mem, rs_audit *out,
                      rs_err *err)
{
    rs_census *c = &out->census;
    rs_status st;

    if ((st = rs_census_take(a, mem, c, err)) != RS_OK ||
        (st = rs_newest_of(&out->newest, c, o->since, mem, err)) != RS_OK)
        return st;
    count(out);
    if ((st = rs_census_sample(c, o->sample, o->seed, err)) != RS_OK ||
        (st = rs_shift_want(c, &out->newest, o->seed, err)) != RS_OK)
        return st;
    return rs_census_vectors(a, mem, c, err);
}

static rs_status look(rs_archive *a, const rs_audit_options *o, rs_arena *mem, rs_audit *out,
                      rs_err *err)
{
    const rs_census *c = &out->census;
    rs_status st;

    if ((st = take(a, o, mem, out, err)) != RS_OK ||
        (st = rs_vicinity_find(&out->vicinity, c, o->pool, mem, err)) != RS_OK ||
        (st = rs_quality_ask(&out->vicinity, o->queries, o->seed, mem, &out->asked,
                             &out->n_asked, err)) != RS_OK ||
        (st = measure(out, o->seed, err)) != RS_OK ||
        (st = rs_quality_groups(c, out->asked, out->n_asked, ROUNDS, o->seed, mem, &out->groups,
                                &out->n_groups, err)) != RS_OK ||
        (st = rs_quality_holes(&out->vicinity, o->few, mem, &out->holes, &out->n_holes,
                               err)) != RS_OK ||
        (st = rs_shift_find(c, &out->newest, o->seed, out->shifts, err)) != RS_OK)
        return st;
    for (int k = 0; st == RS_OK && k < RS_SUSPECTS; k++) {
        rs_suspect_list *s = &out->suspects[k];
        st = rs_suspects_find(a, &out->vicinity, (rs_suspect_kind)k, o->top, mem, &s->list, &s->n,
                              &s->all, err);
    }
    return st;
}

rs_status rs_audit_run(rs_archive *a, const rs_audit_options *o, rs_arena *mem, rs_audit *out,
                       rs_err *err)
{
    rs_status st;

    *out = (rs_audit){0};
    if ((st = rs_db_read_begin(a->db, err)) != RS_OK)    /* one archive from first to last */
        return st;
    st = look(a, o, mem, out, err);
    rs_db_read_end(a->db);
    return st;
}
