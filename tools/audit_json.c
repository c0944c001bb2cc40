/* audit_json.c - see audit_say.h. The shape stands in the help of cmd_audit.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_say.h"

#include <math.h>

static json_t *number(double x) { return isfinite(x) ? json_real(x) : json_null(); }
static json_t *whole(size_t n) { return json_integer((json_int_t)n); }

static json_t *interval(const rs_interval *i)
{
    return json_pack("{s:o,s:o,s:o}", "mean", number(i->mean), "low", number(i->low), "high",
                     number(i->high));
}

static json_t *groups(const rs_audit *a)
{
    json_t *list = json_array();

    for (size_t i = 0; i < a->n_groups; i++) {
        const rs_quality_group *g = &a->groups[i];
        json_array_append_new(list, json_pack(
            "{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:b,s:b}", "facet", rs_json_any(g->facet),
            "value", rs_json_any(g->value), "cases", whole(g->cases), "with_image",
            whole(g->images), "with_report", whole(g->reports), "asked", whole(g->n), "precision",
            interval(&g->precision), "ndcg", interval(&g->ndcg), "rest", number(g->rest), "p",
            number(g->p), "small", (int)(g->n < RS_QUALITY_FEW), "low",
            (int)(g->p < RS_AUDIT_LOW)));
    }
    return list;
}

static json_t *holes(const rs_audit *a)
{
    json_t *list = json_array();

    for (size_t i = 0; i < a->n_holes; i++) {
        const rs_quality_hole *h = &a->holes[i];
        json_array_append_new(list, json_pack("{s:o,s:o,s:o,s:o,s:o,s:b,s:b}", "finding",
            rs_json_any(h->label), "cases", whole(h->cases), "patients", whole(h->patients),
            "asked", whole(h->asked), "found", whole(h->found), "few", (int)h->few, "never",
            (int)h->never));
    }
    return list;
}

static json_t *newest(const rs_audit *a, const char *since)
{
    json_t *list = json_array();

    for (size_t i = 0; i < RS_SHIFTS; i++) {
        const rs_shift *s = &a->shifts[i];
        json_t *o = json_pack("{s:o,s:o,s:o,s:o,s:o,s:b}", "what", rs_json_any(s->what), "new",
            whole(s->n_new), "old", whole(s->n_old), "statistic", number(s->drift.statistic), "p",
            number(s->p), "shifted", (int)s->shifted);
        if (s->vectors)
            json_object_set_new(o, "scale", number(s->drift.scale));
        else {
            json_object_set_new(o, "most", rs_json_any(s->most));
            json_object_set_new(o, "share_new", number(s->share_new));
            json_object_set_new(o, "share_old", number(s->share_old));
        }
        json_array_append_new(list, o);
    }
    return json_pack("{s:o,s:o,s:o,s:o}", "since", rs_json_any(since), "cases",
                     whole(a->newest.n), "from", rs_json_any(a->newest.from), "compared", list);
}

static json_t *suspects(const rs_audit *a)
{
    json_t *all = json_object();

    for (int k = 0; k < RS_SUSPECTS; k++) {
        const rs_suspect_list *s = &a->suspects[k];
        json_t *list = json_array();
        for (size_t i = 0; i < s->n; i++)
            json_array_append_new(list, json_pack("{s:o,s:o,s:o,s:o}", "case",
                rs_json_any(s->list[i].key), "near", rs_json_any(s->list[i].other), "strength",
                number(s->list[i].strength), "reason", rs_json_any(s->list[i].reason)));
        json_object_set_new(all, rs_suspect_name((rs_suspect_kind)k),
                            json_pack("{s:o,s:o}", "all", whole(s->all), "listed", list));
    }
    return all;
}

json_t *rs_audit_json(const rs_audit *a, const rs_audit_options *o)
{
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:i,s:o,s:o,s:o,s:o,s:o,s:o}",
        "cases", whole(a->census.n_cases), "images", whole(a->images), "passages",
        whole(a->passages), "without_image", whole(a->without_image), "without_report",
        whole(a->without_report), "without_label", whole(a->without_label), "compared",
        whole(a->vicinity.n), "asked", whole(a->n_asked), "cut", (int)RS_QUALITY_CUT, "precision",
        interval(&a->precision), "ndcg", interval(&a->ndcg), "groups", groups(a), "holes",
        holes(a), "newest", newest(a, o->since), "suspects", suspects(a));
}
