/* search.c - a query becomes probes, probes give rankings, fusion makes hits, and every
 * hit is given what speaks for it. See query.h; search_int.h says what is where.
 *
 * One snapshot covers it all: a case that is found can be read, whatever is written
 * meanwhile. Encoding comes before the snapshot, since it takes longest.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/access.h"
#include "engine/access_int.h"
#include "engine/search_int.h"
#include "engine/verdict.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

static const double SAME_IMAGE = 0.999;    /* cosine of a vector with its half-precision self */

/* ---- Weights --------------------------------------------------------- */

/* What the query's probes weigh. Measured (docs/benchmarks.md, "Fusion"): queries of one to five
 * words lose by text vectors of the same weight, whole reports as queries gain. */
static void set_weights(rs_search_state *s)
{
    enum { MANY = 20 };
    static const double LEAST = 0.1;
    size_t most = 0;
    double factor;

    memcpy(s->weight, s->q->weight, sizeof s->weight);
    for (size_t i = 0; i < s->n_words; i++)
        if (s->words[i].weight > 0 && s->words[i].query.n_groups > most)
            most = s->words[i].query.n_groups;
    if (!s->q->words_first || most == 0 || s->weight[RS_PROBE_BM25] <= 0)
        return;
    factor = (double)most / MANY;
    factor = factor < LEAST ? LEAST : factor > 1 ? 1 : factor;
    s->weight[RS_PROBE_TEXT_IMAGE] *= factor;
    s->weight[RS_PROBE_TEXT_PASSAGE] *= factor;
}

/* ---- Probe ----------------------------------------------------------- */

static void keep_ranking(rs_search_state *s, const rs_ranking *r)
{
    s->rankings[s->n_rankings++] = *r;
    s->out->ran[r->probe] = true;
    s->out->found[r->probe] = r->n;
}

rs_status rs_search_scope(rs_search_state *s, rs_kind kind, rs_scope **out)
{
    rs_status st = RS_OK;

    if (!s->scoped[kind])
        st = rs_scope_make(s->a, kind, &s->restriction, s->mem, &s->scope[kind], s->err);
    s->scoped[kind] = st == RS_OK;
    *out = &s->scope[kind];
    return st;
}

static bool wanted(const rs_asked *of)
{
    for (size_t i = 0; i < of->n; i++)
        if (of->rows[i].weight > 0)
            return true;
    return false;
}

static rs_status probe_vectors(rs_search_state *s, rs_probe probe, rs_kind kind, const rs_asked *of)
{
    rs_scope *scope;
    rs_status st;
    rs_ranking r;

    if (!wanted(of) || s->weight[probe] <= 0)
        return RS_OK;
    if ((st = rs_search_scope(s, kind, &scope)) != RS_OK)
        return st;
    st = rs_probe_vectors(s->a, probe, kind, of->rows, of->n, scope, s->depth, s->mem, &r, s->err);
    if (st == RS_OK)
        keep_ranking(s, &r);
    return st;
}

/* Without regions there is the whole image's probe, and the result says so. */
static void look_for_regions(rs_search_state *s)
{
    if (s->regions.n && rs_vectors_live(s->a->vectors[RS_KIND_REGION]) == 0) {
        s->out->no_regions = true;
        s->regions.n = 0;
    }
}

static rs_status probe_words(rs_search_state *s)
{
    const rs_text_query **q = rs_new(s->mem, const rs_text_query *, s->n_words + 1);
    double *weight = rs_new(s->mem, double, s->n_words + 1);
    bool any = false;
    rs_status st;
    rs_ranking r;

    if (!q || !weight)
        return rs_fail(s->err, RS_ENOMEM, "query: no memory");
    for (size_t i = 0; i < s->n_words; i++) {
        q[i] = &s->words[i].query;
        weight[i] = s->words[i].weight;
        any |= weight[i] > 0 && q[i]->match;
    }
    if (!any || s->weight[RS_PROBE_BM25] <= 0)
        return RS_OK;
    rs_db_deadline(s->a->db, s->q->deadline_s > 0 ? rs_now_s() + s->q->deadline_s : 0);
    st = rs_probe_words(s->a, q, weight, s->n_words, &s->restriction, s->depth, s->mem, &r,
                        s->err);
    rs_db_deadline(s->a->db, 0);
    if (st == RS_OK)
        keep_ranking(s, &r);
    return st;
}

/* All of the query as one vector against cases as one vector each. */
static rs_status probe_whole(rs_search_state *s)
{
    rs_status st = RS_OK;
    const float *x = s->a->encoder.id ? rs_query_whole(s, &st) : NULL;
    rs_asked_vector row = {x, 1};

    return x ? probe_vectors(s, RS_PROBE_CASE, RS_KIND_CASE, &(rs_asked){&row, 1}) : st;
}

static rs_status run_probes(rs_search_state *s)
{
    const struct { rs_probe probe; rs_kind kind; const rs_asked *of; } table[] = {
        {RS_PROBE_TEXT_IMAGE, RS_KIND_IMAGE, &s->texts},
        {RS_PROBE_TEXT_PASSAGE, RS_KIND_PASSAGE, &s->texts},
        {RS_PROBE_IMAGE_IMAGE, RS_KIND_IMAGE, &s->images},
        {RS_PROBE_IMAGE_PASSAGE, RS_KIND_PASSAGE, &s->images},
        {RS_PROBE_REGION, RS_KIND_REGION, &s->regions},
        {RS_PROBE_LIKE_IMAGE, RS_KIND_IMAGE, &s->like[RS_KIND_IMAGE]},
        {RS_PROBE_LIKE_PASSAGE, RS_KIND_PASSAGE, &s->like[RS_KIND_PASSAGE]},
    };
    rs_status st;

    if (s->q->fusion == RS_FUSION_EARLY)
        return probe_whole(s);
    look_for_regions(s);
    st = probe_words(s);
    for (size_t i = 0; st == RS_OK && i < sizeof table / sizeof *table; i++)
        st = probe_vectors(s, table[i].probe, table[i].kind, table[i].of);
    return st;
}

/* ---- Fuse ------------------------------------------------------------ */

/* Does the query consist of images alone? */
static bool images_only(const rs_query *q)
{
    for (size_t i = 0; i < q->n_parts; i++)
        if (q->parts[i].text || q->parts[i].like)
            return false;
    return true;
}

/* The query image itself is in the archive: the first of its ranking, and as like as half
 * precision lets it be. Ranks alone do not put it first (a second image whose passage is
 * ranked too has the larger sum), so it gets as much again as the best has. */
static void know_the_same(rs_search_state *s)
{
    bool same = false;
    rs_fused first;

    for (size_t r = 0; r < s->n_rankings; r++)
        same = same || (s->rankings[r].probe == RS_PROBE_IMAGE_IMAGE && s->rankings[r].n > 0 &&
                        s->rankings[r].rows[0].score >= SAME_IMAGE);
    for (size_t i = 0; same && images_only(s->q) && i < s->n_fused; i++) {
        if (s->fused[i].rank[RS_PROBE_IMAGE_IMAGE] != 1)
            continue;
        first = s->fused[i];
        first.part[RS_PROBE_IMAGE_IMAGE] += s->fused[0].score;
        first.score += s->fused[0].score;
        memmove(s->fused + 1, s->fused, i * sizeof *s->fused);
        s->fused[0] = first;
        return;
    }
}

static rs_status fuse(rs_search_state *s)
{
    rs_status st = RS_OK;

    s->fused = rs_fuse(s->rankings, s->n_rankings, s->q->fusion, s->q->rrf_k, s->weight, s->mem,
                       &s->n_fused);
    if (!s->fused)
        return rs_fail(s->err, RS_ENOMEM, "query: no memory");
    if (s->q->rescore)
        st = rs_search_rescore(s, s->q->rescore);
    know_the_same(s);
    return st;
}

static rs_status fill_hits(rs_search_state *s)
{
    rs_hit *hits = rs_new(s->mem, rs_hit, s->n_stands + 1);
    rs_status st = RS_OK;

    if (!hits)
        return rs_fail(s->err, RS_ENOMEM, "query: no memory");
    for (size_t i = 0; st == RS_OK && i < s->n_stands; i++) {
        st = rs_search_hit(s, &s->fused[s->stands[i].row], i + 1, &hits[i]);
        hits[i].folded = s->stands[i].folded;
        hits[i].n_folded = s->stands[i].n_folded;
    }
    s->out->hits = hits;
    s->out->n = st == RS_OK ? s->n_stands : 0;
    return st;
}

/* ---- Search ---------------------------------------------------------- */

/* Inside the snapshot. */
static rs_status look(rs_search_state *s)
{
    rs_status st;

    if ((st = rs_archive_refresh(s->a, s->err)) != RS_OK ||
        (st = rs_access_restriction(s->a, s->q->access, s->mem, &s->seen, s->err)) != RS_OK ||
        (st = rs_restriction_make(s->a, s->filter.n ? &s->filter : NULL, s->exclude, s->mem,
                                  &s->restriction, s->err)) != RS_OK ||
        (st = rs_query_find_cases(s)) != RS_OK ||
        (st = run_probes(s)) != RS_OK ||
        (st = rs_verdict_reach(s)) != RS_OK ||
        (st = fuse(s)) != RS_OK ||
        (st = rs_search_stands(s)) != RS_OK)
        return st;
    return fill_hits(s);
}

static rs_status look_in_snapshot(rs_search_state *s)
{
    rs_status st = rs_db_read_begin(s->a->db, s->err);

    if (st != RS_OK)
        return st;
    st = look(s);
    rs_db_read_end(s->a->db);
    return st;
}

rs_status rs_search(rs_archive *a, const rs_query *q, rs_arena *mem, rs_result *out, rs_err *err)
{
    rs_search_state s = {.a = a, .q = q, .mem = mem, .err = err, .out = out};
    double start = rs_now_s(), encoded;
    const char *filter;
    rs_status st;

    *out = (rs_result){0};
    if ((st = rs_query_check(q, err)) != RS_OK ||
        (st = rs_access_and(q->access, q->filter, mem, &filter, err)) != RS_OK ||
        (filter && (st = rs_filter_parse(filter, mem, &s.filter, err)) != RS_OK))
        return st;
    if (rs_db_writing(a->db))
        return rs_fail(err, RS_EARG, "search: a batch is open; commit it first");
    s.depth = q->depth > q->k ? q->depth : q->k;
    if ((st = rs_archive_refresh_encoder(a, err)) != RS_OK || (st = rs_query_encode(&s)) != RS_OK)
        return st;
    set_weights(&s);
    encoded = rs_now_s();
    st = look_in_snapshot(&s);
    out->encode_ms = 1e3 * (encoded - start);
    out->search_ms = 1e3 * (rs_now_s() - encoded);
    return st;
}
