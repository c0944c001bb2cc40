/* judgments_view.c - see judgments_int.h: a judgment is seen by who may see all that it names.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/judgments_int.h"

#include "engine/access.h"
#include "engine/access_int.h"
#include "engine/facets_int.h"
#include "engine/filter.h"
#include "engine/judged_query.h"

#include <string.h>

/* A filter that tests more values than this is not looked through: it is not shown. */
enum { MOST_NAMES = 64 };

rs_status rs_judgment_view_begin(rs_judgment_view *v, rs_archive *a, const char *access,
                                 rs_err *err)
{
    *v = (rs_judgment_view){.a = a, .access = access};
    return rs_access_restriction(a, access, &v->kept, &v->seen, err);
}

void rs_judgment_view_clear(rs_judgment_view *v)
{
    rs_arena_clear(&v->kept);
    rs_arena_clear(&v->scratch);
}

static rs_status case_seen(rs_judgment_view *v, const char *key, bool *seen, rs_err *err)
{
    int64_t id;
    const rs_status st = rs_access_find(v->a, &v->seen, key, &id, NULL);

    *seen = st == RS_OK;
    return st == RS_OK || st == RS_ENOENT ? RS_OK : rs_access_find(v->a, &v->seen, key, &id, err);
}

/* Is there a case that is seen and has that value? */
static rs_status value_seen(rs_judgment_view *v, const char *field, const char *value, bool *seen,
                            rs_err *err)
{
    rs_buf b = {0};
    rs_restriction both;
    const char *text = NULL;
    rs_status st;

    rs_filter_add(&b, field, value);
    st = b.failed ? rs_fail(err, RS_ENOMEM, "filter: no memory")
                  : rs_access_and(v->access, b.data, &v->scratch, &text, err);
    if (st == RS_OK)
        st = rs_access_restriction(v->a, text, &v->scratch, &both, err);
    *seen = st == RS_OK && rs_bits_count(both.cases, both.cap) > 0;
    rs_buf_clear(&b);
    return st;
}

/* Values of these fields lead to cases or to people. */
static bool names_somebody(rs_field f)
{
    return f == RS_FIELD_CASE || f == RS_FIELD_PATIENT || f == RS_FIELD_COLLECTION ||
           f == RS_FIELD_SOURCE || f == RS_FIELD_ATTRIBUTE;
}

static rs_status filter_seen(rs_judgment_view *v, const char *filter, bool *seen, rs_err *err)
{
    rs_filter f;
    size_t names = 0;
    rs_status st = rs_filter_parse(filter, &v->scratch, &f, err);

    for (size_t i = 0; st == RS_OK && *seen && i < f.n; i++) {
        const rs_filter_step *s = &f.steps[i];
        const char *field = s->op == RS_FILTER_TEST ? rs_field_name(s->field) : "";
        if (s->op != RS_FILTER_TEST || !names_somebody(s->field))
            continue;
        if (s->field == RS_FIELD_ATTRIBUTE &&
            !(field = rs_arena_sprintf(&v->scratch, "attr.%s", s->attribute)))
            return rs_fail(err, RS_ENOMEM, "filter: no memory");
        for (size_t k = 0; st == RS_OK && *seen && k < s->n_values; k++) {
            if (s->values[k].kind != RS_VALUE_EQUAL)
                continue;
            if (++names > MOST_NAMES)
                *seen = false;
            else if (s->field == RS_FIELD_CASE)
                st = case_seen(v, s->values[k].text, seen, err);
            else
                st = value_seen(v, field, s->values[k].text, seen, err);
        }
    }
    return st;
}

rs_status rs_judgment_view_shows(rs_judgment_view *v, const char *key, const char *query,
                                 bool *shown, rs_err *err)
{
    rs_judged_query q;
    rs_status st;

    *shown = true;
    if (!v->access)
        return RS_OK;
    rs_arena_reset(&v->scratch);
    if ((st = case_seen(v, key, shown, err)) != RS_OK || !*shown)
        return st;
    if ((st = rs_judged_query_parse(&q, query, &v->scratch, NULL)) != RS_OK) {
        *shown = false;                        /* written by another version: not for everybody */
        return st == RS_ENOMEM ? rs_fail(err, st, "judgments: no memory") : RS_OK;
    }
    for (size_t i = 0; st == RS_OK && *shown && i < q.n_likes; i++)
        st = case_seen(v, q.likes[i], shown, err);
    if (st == RS_OK && *shown && q.filter)
        st = filter_seen(v, q.filter, shown, err);
    return st;
}
