/* query.c - what a query is before it is asked: defaults, names, whether it makes sense.
 * See query.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/search_int.h"

#include <math.h>
#include <string.h>

enum { MAX_K = 100000 };

const char *rs_probe_name(rs_probe p)
{
    static const char *const names[] = {
#define RS_PROBE_NAME(name, text) text,
        RS_PROBE_MAP(RS_PROBE_NAME)
#undef RS_PROBE_NAME
    };
    return (unsigned)p < RS_PROBE_COUNT ? names[p] : "?";
}

const char *rs_fusion_name(rs_fusion f)
{
    static const char *const names[] = {
#define RS_FUSION_NAME(name, text) text,
        RS_FUSION_MAP(RS_FUSION_NAME)
#undef RS_FUSION_NAME
    };
    return (unsigned)f < RS_FUSIONS ? names[f] : "?";
}

rs_fusion rs_fusion_of(const char *name)
{
    int f = 0;

    while (f < RS_FUSIONS && strcmp(name, rs_fusion_name((rs_fusion)f)) != 0)
        f++;
    return (rs_fusion)f;
}

rs_query rs_query_default(void)
{
    rs_query q = {.k = 10, .depth = 100, .rrf_k = 60, .deadline_s = 10, .false_alarm = 0.05,
                  .words_first = true};

    for (int p = 0; p < RS_PROBE_COUNT; p++)
        q.weight[p] = 1;
    return q;
}

rs_query_part *rs_query_add(rs_query *q)
{
    if (q->n_parts >= RS_QUERY_MAX_PARTS)
        return NULL;
    q->parts[q->n_parts] = (rs_query_part){.weight = 1};
    return &q->parts[q->n_parts++];
}

/* ---- Is it a query? -------------------------------------------------- */

static rs_status check_box(const double b[4], size_t i, rs_err *err)
{
    if (b[0] >= 0 && b[0] < b[2] && b[2] <= 1 && b[1] >= 0 && b[1] < b[3] && b[3] <= 1)
        return RS_OK;
    return rs_fail(err, RS_EARG, "query: part %zu: a box of %g %g %g %g, wanted fractions of the "
                   "image, x0 < x1 and y0 < y1", i + 1, b[0], b[1], b[2], b[3]);
}

static rs_status check_part(const rs_query *q, size_t i, rs_err *err)
{
    const rs_query_part *p = &q->parts[i];
    const bool pictured = p->image || p->pixels || (p->vector && !p->text);

    if ((p->text != NULL) + (p->like != NULL) + pictured != 1 || (p->image && p->pixels) ||
        (p->vector && (p->image || p->pixels || p->like)))
        return rs_fail(err, RS_EARG, "query: part %zu: wanted one of a text, an image or a case",
                       i + 1);
    if (!isfinite(p->weight) || p->weight == 0)
        return rs_fail(err, RS_EARG, "query: part %zu: a weight of %g", i + 1, p->weight);
    if (p->boxed && !p->image)
        return rs_fail(err, RS_EARG, "query: part %zu: a box, but no image for it", i + 1);
    if ((p->image || p->pixels) && !q->encoder)
        return rs_fail(err, RS_EARG, "query: images, but no encoder for them");
    return p->boxed ? check_box(p->box, i, err) : RS_OK;
}

static rs_status check_parts(const rs_query *q, rs_err *err)
{
    bool wanted = false;
    rs_status st = RS_OK;

    if (q->n_parts > RS_QUERY_MAX_PARTS)
        return rs_fail(err, RS_EARG, "query: %zu parts, at most %d", q->n_parts,
                       RS_QUERY_MAX_PARTS);
    for (size_t i = 0; st == RS_OK && i < q->n_parts; i++) {
        st = check_part(q, i, err);
        wanted |= q->parts[i].weight > 0;
    }
    if (st == RS_OK && !wanted)
        return rs_fail(err, RS_EARG, q->n_parts
                       ? "query: says only what is not wanted"
                       : "query: asks for nothing: give a text, an image or a case");
    return st;
}

rs_status rs_query_check(const rs_query *q, rs_err *err)
{
    rs_status st = check_parts(q, err);

    if (st != RS_OK)
        return st;
    if (q->k == 0 || q->k > MAX_K || q->depth > MAX_K)
        return rs_fail(err, RS_EARG, "query: %zu hits from %zu a probe, wanted 1 to %d", q->k,
                       q->depth, MAX_K);
    if (!(q->rrf_k >= 0) || !isfinite(q->rrf_k))
        return rs_fail(err, RS_EARG, "query: rrf_k %g", q->rrf_k);
    if ((unsigned)q->fusion >= RS_FUSIONS)
        return rs_fail(err, RS_EARG, "query: fusion %d", (int)q->fusion);
    for (int p = 0; p < RS_PROBE_COUNT; p++)
        if (!(q->weight[p] >= 0) || !isfinite(q->weight[p]))
            return rs_fail(err, RS_EARG, "query: weight of %s is %g",
                           rs_probe_name((rs_probe)p), q->weight[p]);
    if (!(q->deadline_s >= 0))
        return rs_fail(err, RS_EARG, "query: a deadline of %g s", q->deadline_s);
    if (!(q->diversity >= 0 && q->diversity <= 1))
        return rs_fail(err, RS_EARG, "query: a diversity of %g, wanted 0 to 1", q->diversity);
    if (!(q->false_alarm >= 0 && q->false_alarm < 1))
        return rs_fail(err, RS_EARG, "query: a false alarm rate of %g, wanted 0 to 1",
                       q->false_alarm);
    return RS_OK;
}
