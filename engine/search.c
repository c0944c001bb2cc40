/* search.c - a query becomes probes, probes give rankings, fusion makes hits, and every
 * hit is given what speaks for it. See query.h.
 *
 * One snapshot covers it all: a case that is found can be read, whatever is written
 * meanwhile. Encoding comes before the snapshot, since it takes longest.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/query.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "engine/catalog.h"
#include "engine/fusion.h"
#include "engine/probe.h"
#include "engine/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_K = 100000 };
static const double SAME_IMAGE = 0.999;    /* cosine of a vector with its half-precision self */

/* All that belongs to one search. */
typedef struct {
    rs_archive     *a;
    const rs_query *q;
    rs_arena       *mem;
    rs_err         *err;
    rs_result      *out;
    rs_text_query   words;
    rs_filter       filter;            /* no steps: none */
    rs_restriction  restriction;
    int64_t         like_id;           /* the case asked for, 0 where there is none */
    rs_scope        scope[RS_KINDS];
    bool            scoped[RS_KINDS];
    size_t          depth;
    const float    *text;              /* [dim], or NULL */
    const float    *images;            /* [n_images x dim] */
    size_t          n_images;
    const float    *like[RS_KINDS];    /* the vectors of the case asked for */
    size_t          n_like[RS_KINDS];
    rs_ranking      rankings[RS_PROBE_COUNT];
    size_t          n_rankings;
    double          same;                  /* what the query image itself gets besides */
} search;

const char *rs_probe_name(rs_probe p)
{
    static const char *const names[] = {
#define RS_PROBE_NAME(name, text) text,
        RS_PROBE_MAP(RS_PROBE_NAME)
#undef RS_PROBE_NAME
    };
    return (unsigned)p < RS_PROBE_COUNT ? names[p] : "?";
}

rs_query rs_query_default(void)
{
    rs_query q = {.k = 10, .depth = 100, .rrf_k = 60, .deadline_s = 10};

    for (int p = 0; p < RS_PROBE_COUNT; p++)
        q.weight[p] = 1;
    q.weight[RS_PROBE_IMAGE_PASSAGE] = 0.5;
    return q;
}

/* ---- Is it a query? -------------------------------------------------- */

static rs_status check_query(const rs_query *q, rs_err *err)
{
    if (!q->text && !q->n_images && !q->n_image_pixels && !q->n_image_vectors && !q->like)
        return rs_fail(err, RS_EARG, "query: asks for nothing: give a text, an image or a case");
    if (q->k == 0 || q->k > MAX_K || q->depth > MAX_K)
        return rs_fail(err, RS_EARG, "query: %zu hits from %zu a probe, wanted 1 to %d", q->k,
                       q->depth, MAX_K);
    if (!(q->rrf_k >= 0) || !isfinite(q->rrf_k))
        return rs_fail(err, RS_EARG, "query: rrf_k %g", q->rrf_k);
    for (int p = 0; p < RS_PROBE_COUNT; p++)
        if (!(q->weight[p] >= 0) || !isfinite(q->weight[p]))
            return rs_fail(err, RS_EARG, "query: weight of %s is %g",
                           rs_probe_name((rs_probe)p), q->weight[p]);
    if (!(q->deadline_s >= 0))
        return rs_fail(err, RS_EARG, "query: a deadline of %g s", q->deadline_s);
    if ((q->n_images || q->n_image_pixels) && !q->encoder)
        return rs_fail(err, RS_EARG, "query: images, but no encoder for them");
    return RS_OK;
}

static rs_status check_finite(const float *x, size_t n, const char *what, rs_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return rs_fail(err, RS_EARG, "query: %s vector: value %zu is not finite", what, i);
    return RS_OK;
}

static rs_status check_encoder(const search *s)
{
    const rs_encoder *e = s->q->encoder;
    const rs_encoder_identity *mine = rs_archive_encoder(s->a);

    if (!e || !mine || strcmp(rs_encoder_id(e), mine->id) == 0)
        return RS_OK;
    return rs_fail(s->err, RS_EMISMATCH,
                   "archive %s: its vectors come from encoder %s (%.12s), the query's from %s "
                   "(%.12s)", rs_archive_folder(s->a), mine->name, mine->id,
                   rs_encoder_name(e), rs_encoder_id(e));
}

/* ---- Encode ---------------------------------------------------------- */

static rs_status encode_text(search *s)
{
    const rs_query *q = s->q;
    float *x;

    if (!q->text || !*s->words.plain || (!q->text_vector && !q->encoder) ||
        (q->weight[RS_PROBE_TEXT_IMAGE] <= 0 && q->weight[RS_PROBE_TEXT_PASSAGE] <= 0))
        return RS_OK;
    if (q->text_vector) {
        s->text = q->text_vector;
        return check_finite(s->text, s->a->encoder.dim, "text", s->err);
    }
    x = rs_new(s->mem, float, s->a->encoder.dim);
    if (!x)
        return rs_fail(s->err, RS_ENOMEM, "query: no memory");
    s->text = x;
    return rs_encoder_texts(q->encoder, &s->words.plain, 1, q->pool, x, NULL, s->err);
}

/* The caller's ready vectors, then those of its images, pixels last. */
static rs_status encode_images(search *s)
{
    const rs_query *q = s->q;
    size_t dim = s->a->encoder.dim, have = q->n_image_vectors;
    rs_status st = RS_OK;
    float *x;

    s->n_images = have + q->n_images + q->n_image_pixels;
    if (s->n_images == 0)
        return RS_OK;
    x = s->n_images < SIZE_MAX / dim ? rs_new(s->mem, float, s->n_images * dim) : NULL;
    if (!x)
        return rs_fail(s->err, RS_ENOMEM, "query: no memory for %zu images", s->n_images);
    s->images = x;
    if (have)
        memcpy(x, q->image_vectors, have * dim * sizeof *x);
    if (q->n_images)
        st = rs_encoder_images(q->encoder, q->images, q->n_images, q->pool, x + have * dim, s->err);
    have += q->n_images;
    if (st == RS_OK && q->n_image_pixels)
        st = rs_encoder_pixels(q->encoder, q->image_pixels, q->n_image_pixels, q->pool,
                               x + have * dim, s->err);
    return st == RS_OK ? check_finite(x, s->n_images * dim, "image", s->err) : st;
}

/* Words and vectors of the query. Without an encoder in the archive there are no vectors
 * to compare with, and none are made. */
static rs_status encode(search *s)
{
    rs_status st = check_encoder(s);

    if (st == RS_OK && s->q->text)
        st = rs_text_query_compile(s->a->text, s->q->text, s->q->words, s->mem, &s->words, s->err);
    if (st == RS_OK && s->a->encoder.id)
        st = encode_text(s);
    if (st == RS_OK && s->a->encoder.id)
        st = encode_images(s);
    return st;
}

static rs_status find_like(search *s)
{
    int64_t id;
    rs_status st = rs_catalog_find(s->a, s->q->like, &id, s->err);

    s->like_id = id;
    for (int kind = 0; st == RS_OK && s->a->encoder.id && kind < RS_KINDS; kind++) {
        float *x;
        st = rs_catalog_vectors(s->a, (rs_kind)kind, id, s->mem, &x, &s->n_like[kind], s->err);
        s->like[kind] = x;
    }
    return st;
}

/* ---- Probe ----------------------------------------------------------- */

static void keep_ranking(search *s, const rs_ranking *r)
{
    s->rankings[s->n_rankings++] = *r;
    s->out->ran[r->probe] = true;
    s->out->found[r->probe] = r->n;
}

static rs_status probe_vectors(search *s, rs_probe probe, rs_kind kind, const float *x, size_t n)
{
    rs_status st = RS_OK;
    rs_ranking r;

    if (!x || n == 0 || s->q->weight[probe] <= 0)
        return RS_OK;
    if (!s->scoped[kind])
        st = rs_scope_make(s->a, kind, &s->restriction, s->mem, &s->scope[kind], s->err);
    s->scoped[kind] = st == RS_OK;
    if (st == RS_OK)
        st = rs_probe_vectors(s->a, probe, kind, x, n, &s->scope[kind], s->depth, s->mem, &r,
                              s->err);
    if (st == RS_OK)
        keep_ranking(s, &r);
    return st;
}

static rs_status run_probes(search *s)
{
    const struct { rs_probe probe; rs_kind kind; const float *x; size_t n; } table[] = {
        {RS_PROBE_TEXT_IMAGE,    RS_KIND_IMAGE,   s->text,   1},
        {RS_PROBE_TEXT_PASSAGE,  RS_KIND_PASSAGE, s->text,   1},
        {RS_PROBE_IMAGE_IMAGE,   RS_KIND_IMAGE,   s->images, s->n_images},
        {RS_PROBE_IMAGE_PASSAGE, RS_KIND_PASSAGE, s->images, s->n_images},
        {RS_PROBE_LIKE_IMAGE,    RS_KIND_IMAGE,   s->like[RS_KIND_IMAGE],
                                                  s->n_like[RS_KIND_IMAGE]},
        {RS_PROBE_LIKE_PASSAGE,  RS_KIND_PASSAGE, s->like[RS_KIND_PASSAGE],
                                                  s->n_like[RS_KIND_PASSAGE]},
    };
    rs_status st = RS_OK;
    rs_ranking r;

    if (s->words.match && s->q->weight[RS_PROBE_BM25] > 0) {
        rs_db_deadline(s->a->db, s->q->deadline_s > 0 ? rs_now_s() + s->q->deadline_s : 0);
        st = rs_probe_words(s->a, &s->words, &s->restriction, s->depth, s->mem, &r, s->err);
        rs_db_deadline(s->a->db, 0);
        if (st == RS_OK)
            keep_ranking(s, &r);
    }
    for (size_t i = 0; st == RS_OK && i < sizeof table / sizeof *table; i++)
        st = probe_vectors(s, table[i].probe, table[i].kind, table[i].x, table[i].n);
    return st;
}

/* ---- Evidence -------------------------------------------------------- */

/* A case's passages with what of them the query asked for. */
typedef struct {
    rs_evidence *rows;
    int64_t     *ids;
    size_t       n;
    size_t       best;                 /* most of the query's terms, the first of equals */
    size_t       best_terms;           /* how many; 0: none has any */
} passages;

/* What the passage says of each match. */
static rs_status read_states(search *s, rs_evidence *e)
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

static rs_status read_passages(search *s, int64_t case_id, passages *out)
{
    rs_passage *rows;
    rs_status st = rs_catalog_passages(s->a, case_id, s->mem, &rows, &out->ids, &out->n, s->err);

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
        if (s->words.n)
            st = rs_text_query_spans(s->a->text, &s->words, e->text, s->mem, &spans,
                                     &e->n_matches, &terms, s->err);
        e->matches = spans;
        if (st == RS_OK && e->n_matches)
            st = read_states(s, e);
        if (terms > out->best_terms) {
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
static rs_status attach(search *s, const passages *all, int64_t item, rs_found *f)
{
    if (s->q->scores_only)
        return RS_OK;
    if (f->probe == RS_PROBE_BM25) {
        f->passage = all->best_terms ? &all->rows[all->best] : NULL;
        return RS_OK;
    }
    if (!earned_by_passage(f->probe))
        return rs_catalog_image_path(s->a, item, s->mem, &f->image, s->err);
    for (size_t i = 0; i < all->n; i++)
        if (all->ids[i] == item)
            f->passage = &all->rows[i];
    return RS_OK;
}

/* The query image itself is in the archive: the first of its ranking, and as like as half
 * precision lets it be. Ranks alone do not put it first (a second image whose passage is
 * ranked too has the larger sum), so it gets as much again as any case could have. */
static void know_the_same(search *s, rs_fused *rows, size_t n)
{
    double most = 0;
    bool same = false;
    rs_fused first;

    for (size_t r = 0; r < s->n_rankings; r++) {
        const rs_ranking *one = &s->rankings[r];
        most += rs_rrf_part(s->q->weight[one->probe], s->q->rrf_k, 1);
        same = same || (one->probe == RS_PROBE_IMAGE_IMAGE && one->n > 0 &&
                        one->rows[0].score >= SAME_IMAGE);
    }
    for (size_t i = 0; same && !s->q->text && !s->q->like && i < n; i++) {
        if (rows[i].rank[RS_PROBE_IMAGE_IMAGE] != 1)
            continue;
        s->same = most;
        first = rows[i];
        first.score += most;
        memmove(rows + 1, rows, i * sizeof *rows);
        rows[0] = first;
        return;
    }
}

static int by_part(const void *a, const void *b)
{
    const rs_found *x = a, *y = b;

    if (x->part != y->part)
        return x->part < y->part ? 1 : -1;
    return (int)x->probe - (int)y->probe;
}

static rs_status fill_found(search *s, const rs_fused *c, const passages *all, rs_hit *hit)
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
                              .part = rs_rrf_part(s->q->weight[p], s->q->rrf_k, c->rank[p])};
        if (p == RS_PROBE_IMAGE_IMAGE && c->rank[p] == 1)
            found[n].part += s->same;
        if ((st = attach(s, all, row->item, &found[n++])) != RS_OK)
            return st;
    }
    qsort(found, n, sizeof *found, by_part);
    hit->found = found;
    hit->n_found = n;
    return RS_OK;
}

/* Its best image and passage: the first that a probe names, best part first. */
static rs_status fill_best(search *s, int64_t case_id, const passages *all, rs_hit *hit)
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

static rs_status fill_hit(search *s, const rs_fused *f, size_t rank, rs_hit *hit)
{
    passages all = {0};
    rs_status st;
    rs_case c;

    if (s->q->scores_only) {
        *hit = (rs_hit){.rank = rank, .key = f->key, .score = f->score, .age_years = -1};
        return fill_found(s, f, &all, hit);
    }
    if ((st = rs_catalog_case(s->a, f->case_id, s->mem, &c, s->err)) != RS_OK ||
        (st = read_passages(s, f->case_id, &all)) != RS_OK)
        return st;
    *hit = (rs_hit){
        .rank = rank, .key = c.key, .score = f->score, .title = c.title,
        .modality = c.modality, .body_part = c.body_part, .view = c.view, .sex = c.sex,
        .patient = c.patient, .collection = c.collection, .source = c.source,
        .age_years = c.age_years};
    if ((st = fill_found(s, f, &all, hit)) != RS_OK)
        return st;
    return fill_best(s, f->case_id, &all, hit);
}

static rs_status fill_hits(search *s)
{
    rs_fused *fused;
    rs_status st = RS_OK;
    rs_hit *hits;
    size_t n;

    fused = rs_fuse_rrf(s->rankings, s->n_rankings, s->q->rrf_k, s->q->weight, s->mem, &n);
    if (fused)
        know_the_same(s, fused, n);
    if (n > s->q->k)
        n = s->q->k;
    hits = fused ? rs_new(s->mem, rs_hit, n + 1) : NULL;
    if (!hits)
        return rs_fail(s->err, RS_ENOMEM, "query: no memory");
    for (size_t i = 0; st == RS_OK && i < n; i++)
        st = fill_hit(s, &fused[i], i + 1, &hits[i]);
    s->out->hits = hits;
    s->out->n = st == RS_OK ? n : 0;
    return st;
}

/* ---- Search ---------------------------------------------------------- */

static rs_status restrict_cases(search *s)
{
    rs_status st = rs_restriction_make(s->a, s->filter.n ? &s->filter : NULL, s->words.exclude,
                                       s->mem, &s->restriction, s->err);

    s->restriction.not_cases = &s->like_id;
    s->restriction.n_not = s->like_id != 0;
    return st;
}

/* Inside the snapshot. */
static rs_status look(search *s)
{
    rs_status st;

    if ((st = rs_archive_refresh(s->a, s->err)) != RS_OK ||
        (s->q->like && (st = find_like(s)) != RS_OK) ||
        (st = restrict_cases(s)) != RS_OK || (st = run_probes(s)) != RS_OK)
        return st;
    return fill_hits(s);
}

static rs_status look_in_snapshot(search *s)
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
    search s = {.a = a, .q = q, .mem = mem, .err = err, .out = out, .words.plain = ""};
    double start = rs_now_s(), encoded;
    rs_status st;

    *out = (rs_result){0};
    if ((st = check_query(q, err)) != RS_OK ||
        (q->filter && (st = rs_filter_parse(q->filter, mem, &s.filter, err)) != RS_OK))
        return st;
    if (rs_db_writing(a->db))
        return rs_fail(err, RS_EARG, "search: a batch is open; commit it first");
    s.depth = q->depth > q->k ? q->depth : q->k;
    if ((st = rs_archive_refresh_encoder(a, err)) != RS_OK || (st = encode(&s)) != RS_OK)
        return st;
    encoded = rs_now_s();
    st = look_in_snapshot(&s);
    out->encode_ms = 1e3 * (encoded - start);
    out->search_ms = 1e3 * (rs_now_s() - encoded);
    return st;
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
