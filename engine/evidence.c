/* evidence.c - what speaks for a hit: per probe the image, the passage and the words that
 * earned it, and what the report says of them. See query.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/search_int.h"

#include "base/bytes.h"
#include "engine/catalog.h"
#include "engine/regions_int.h"
#include "engine/report.h"

#include <stdlib.h>
#include <string.h>

/* A case's passages with what of them the query asked for. */
typedef struct {
    rs_evidence *rows;
    int64_t     *ids;
    size_t       n;
    size_t       best;                 /* says it as asked, most of the query's terms, the first */
    size_t       best_terms;           /* how many; 0: none has any */
} passages;

/* What the passage says of each match. */
static rs_status read_states(rs_search_state *s, rs_evidence *e)
{
    const char **states = rs_new(s->mem, const char *, e->n_matches);
    bool past = e->section && strcmp(e->section, "history") == 0;
    rs_statement *list;
    size_t n, k = 0;
    rs_status st = rs_report_read(s->a->lexicon, e->text, 0, strlen(e->text), s->mem, &list, &n,
                                  s->err);

    if (st != RS_OK || !states)
        return st != RS_OK ? st : rs_fail(s->err, RS_ENOMEM, "query: no memory");
    for (size_t i = 0; i < e->n_matches; i++) {
        rs_state state;
        while (k < n && list[k].end <= e->matches[i].begin)
            k++;
        state = k < n && list[k].begin <= e->matches[i].begin ? list[k].state : RS_STATE_AFFIRMED;
        if (past && state < RS_STATE_HISTORICAL)
            state = RS_STATE_HISTORICAL;
        states[i] = rs_state_name(state);
    }
    e->states = states;
    return RS_OK;
}

static int by_begin(const void *a, const void *b)
{
    const rs_span *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* Spans that overlap become one. */
static size_t join_spans(rs_span *spans, size_t n)
{
    size_t kept = 0;

    if (n)
        qsort(spans, n, sizeof *spans, by_begin);
    for (size_t i = 0; i < n; i++) {
        if (kept && spans[i].begin < spans[kept - 1].end) {
            if (spans[i].end > spans[kept - 1].end)
                spans[kept - 1].end = spans[i].end;
        } else {
            spans[kept++] = spans[i];
        }
    }
    return kept;
}

/* Where the words of any wanted text are; *terms: of how many of the things asked for. */
static rs_status find_matches(rs_search_state *s, const char *text, rs_span **out, size_t *n,
                              size_t *terms)
{
    void *all = NULL;
    size_t cap = 0;

    *n = *terms = 0;
    for (size_t w = 0; w < s->n_words; w++) {
        rs_span *spans = NULL;
        size_t found = 0, distinct = 0;
        rs_status st;
        if (s->words[w].weight < 0 || s->words[w].query.n == 0)
            continue;
        st = rs_text_query_spans(s->a->text, &s->words[w].query, text, s->mem, &spans, &found,
                                 &distinct, s->err);
        if (st != RS_OK)
            return st;
        *terms += distinct;
        for (size_t i = 0; i < found; i++) {
            if (!rs_arena_grow(s->mem, &all, &cap, *n, sizeof *spans))
                return rs_fail(s->err, RS_ENOMEM, "query: no memory");
            ((rs_span *)all)[(*n)++] = spans[i];
        }
    }
    *out = all;
    *n = join_spans(all, *n);
    return RS_OK;
}

/* Does it say of anything asked for what was asked? */
static bool any_as_asked(const rs_search_state *s, const rs_evidence *e)
{
    for (size_t i = 0; i < e->n_matches; i++)
        for (int k = 0; k < RS_STATE_COUNT; k++)
            if (s->looked_for[k] && strcmp(e->states[i], rs_state_name((rs_state)k)) == 0)
                return true;
    return false;
}

static rs_status read_passages(rs_search_state *s, int64_t case_id, passages *out)
{
    rs_passage *rows;
    rs_status st = rs_catalog_passages(s->a, case_id, s->mem, &rows, &out->ids, &out->n, s->err);

    bool fits = false;

    out->best = out->best_terms = 0;
    out->rows = rs_new(s->mem, rs_evidence, out->n + 1);
    if (st == RS_OK && !out->rows)
        st = rs_fail(s->err, RS_ENOMEM, "query: no memory");
    for (size_t i = 0; st == RS_OK && i < out->n; i++) {
        size_t terms = 0;
        rs_span *spans = NULL;
        rs_evidence *e = &out->rows[i];
        *e = (rs_evidence){.section = rows[i].section, .text = rows[i].text,
                           .begin = rows[i].begin, .end = rows[i].end};
        st = find_matches(s, e->text, &spans, &e->n_matches, &terms);
        e->matches = spans;
        if (st == RS_OK && e->n_matches)
            st = read_states(s, e);
        if (st == RS_OK && terms && (terms > out->best_terms || !fits)) {
            const bool fit = any_as_asked(s, e);
            if (fit == fits ? terms <= out->best_terms : !fit)
                continue;
            fits = fit;
            out->best_terms = terms;
            out->best = i;
        }
    }
    return st;
}

static bool earned_by_passage(rs_probe p)
{
    return p == RS_PROBE_TEXT_PASSAGE || p == RS_PROBE_IMAGE_PASSAGE ||
           p == RS_PROBE_LIKE_PASSAGE;
}

/* The image or passage that earned a probe's rank. */
static rs_status attach(rs_search_state *s, const passages *all, int64_t item, rs_found *f)
{
    if (s->q->scores_only)
        return RS_OK;
    if (f->probe == RS_PROBE_BM25) {
        f->passage = all->best_terms ? &all->rows[all->best] : NULL;
        return RS_OK;
    }
    if (f->probe == RS_PROBE_REGION)
        return rs_region_evidence(s->a, item, s->mem, f, s->err);
    if (!earned_by_passage(f->probe))
        return rs_catalog_image_path(s->a, item, s->mem, &f->image, s->err);
    for (size_t i = 0; i < all->n; i++)
        if (all->ids[i] == item)
            f->passage = &all->rows[i];
    return RS_OK;
}

static int by_part(const void *a, const void *b)
{
    const rs_found *x = a, *y = b;

    if (x->part != y->part)
        return x->part < y->part ? 1 : -1;
    return (int)x->probe - (int)y->probe;
}

static rs_status fill_found(rs_search_state *s, const rs_fused *c, const passages *all, rs_hit *hit)
{
    rs_found *found = rs_new(s->mem, rs_found, s->n_rankings + 1);
    size_t n = 0;

    if (!found)
        return rs_fail(s->err, RS_ENOMEM, "query: no memory");
    for (size_t r = 0; r < s->n_rankings; r++) {
        rs_probe p = s->rankings[r].probe;
        const rs_ranked *row;
        rs_status st;
        if (!c->rank[p])
            continue;
        row = &s->rankings[r].rows[c->rank[p] - 1];
        found[n] = (rs_found){.probe = p, .rank = c->rank[p], .score = row->score,
                              .part = c->part[p]};
        if ((st = attach(s, all, row->item, &found[n++])) != RS_OK)
            return st;
    }
    qsort(found, n, sizeof *found, by_part);
    hit->found = found;
    hit->n_found = n;
    return RS_OK;
}

/* Its best image and passage: the first that a probe names, best part first. */
static rs_status fill_best(rs_search_state *s, int64_t case_id, const passages *all, rs_hit *hit)
{
    rs_case_image *images;
    rs_status st;
    size_t n;

    if (all->best_terms)
        hit->snippet = &all->rows[all->best];
    for (size_t i = 0; i < hit->n_found; i++) {
        if (!hit->image)
            hit->image = hit->found[i].image;
        if (!hit->snippet)
            hit->snippet = hit->found[i].passage;
    }
    if (!hit->snippet && all->n)
        hit->snippet = &all->rows[0];
    if (hit->image)
        return RS_OK;
    st = rs_catalog_images(s->a, case_id, s->mem, &images, &n, s->err);
    if (st == RS_OK && n)
        hit->image = images[0].path;
    return st;
}

rs_status rs_search_hit(rs_search_state *s, const rs_fused *f, size_t rank, rs_hit *hit)
{
    passages all = {0};
    rs_status st;
    rs_case c;

    if (s->q->scores_only) {
        *hit = (rs_hit){.rank = rank, .key = f->key, .score = f->score, .age_years = -1,
                        .agreement = f->agreement};
        return fill_found(s, f, &all, hit);
    }
    if ((st = rs_catalog_case(s->a, f->case_id, s->mem, &c, s->err)) != RS_OK ||
        (st = rs_catalog_findings(s->a, f->case_id, s->mem, &c, s->err)) != RS_OK ||
        (st = read_passages(s, f->case_id, &all)) != RS_OK)
        return st;
    *hit = (rs_hit){
        .rank = rank, .key = c.key, .score = f->score, .title = c.title,
        .modality = c.modality, .body_part = c.body_part, .view = c.view, .sex = c.sex,
        .patient = c.patient, .collection = c.collection, .source = c.source,
        .age_years = c.age_years, .study_date = c.study_date, .tier = c.tier,
        .findings = c.findings, .n_findings = c.n_findings, .agreement = f->agreement};
    if ((st = fill_found(s, f, &all, hit)) != RS_OK ||
        (s->q->contrast && (st = rs_search_contrast(s, f->case_id, hit)) != RS_OK))
        return st;
    return fill_best(s, f->case_id, &all, hit);
}

const char *rs_evidence_marked(const rs_evidence *e, const char *before, const char *after,
                               rs_arena *mem)
{
    const char *text;
    rs_buf b = {0};
    size_t at = 0;

    for (size_t i = 0; i < e->n_matches; i++) {
        rs_buf_append(&b, e->text + at, e->matches[i].begin - at);
        rs_buf_puts(&b, before);
        rs_buf_append(&b, e->text + e->matches[i].begin,
                      e->matches[i].end - e->matches[i].begin);
        rs_buf_puts(&b, after);
        at = e->matches[i].end;
    }
    rs_buf_puts(&b, e->text + at);
    text = b.failed ? NULL : rs_arena_strdup(mem, b.data);
    rs_buf_clear(&b);
    return text;
}
