/* postings_rank.c - the best cases of a query out of posting lists; see postings.h.
 *
 *   source   a list with the term that it stands for: a word, or a piece
 *   group    what is asked for: its sources, in its columns
 *   window   4096 documents
 *
 * A source's bound over a block is the best of the block's four pairs of count and length;
 * over a window the best of its blocks; a group's the sum of its sources', at most what
 * saturation lets it be; a document's the sum over its groups and what pairs of them get
 * for standing near. In a window, groups whose bounds together cannot reach the k-th best
 * score are only looked up (MaxScore), the others' lists are read and summed. A sum is exact
 * where a word stands in one column; it is a bound in any case, and what it lets through is
 * scored place by place.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/postings_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 4096, MASKS = 1 << RS_POSTING_MAX_COLUMNS };
/* Sums are made in another order than scores: by so much they may differ. */
static const double SLACK = 1 + 1e-9;

typedef struct {
    rs_posting_cursor *at;
    double   *bound;               /* of each part of the list */
    uint64_t *there;               /* a bit for each document of the window, once read; */
    uint32_t  looked_up;           /* else the one that it was found for last */
    size_t    phrase, group;
    double    weight;
    bool      own;
} source;

typedef struct {
    size_t   from, to;             /* sources */
    uint16_t columns;
    double  *worth;                /* [MASKS]: the most that one of the columns is worth */
    double   own, wide;            /* what its two sums are multiplied with */
    double   best;                 /* the largest weight of a source */
    double   near;                 /* the largest weight of a place */
    double   cap;                  /* more it is never worth */
    bool     read;                 /* its lists are read in this window */
    double  *bound;                /* [windows] */
} group;

typedef struct { double own, all, best; } sum;

/* All that belongs to one ranking. */
typedef struct {
    rs_postings         *p;
    const rs_text_query *q;
    const rs_bm25_plan  *plan;
    rs_arena *mem;
    rs_err   *err;
    rs_top   *top;
    source   *sources;  size_t n_sources;
    group    *groups;   size_t n_groups;
    double   *pair;                /* [n_groups x n_groups]: what two get at most for being near */
    uint64_t *barred;              /* documents that may not be found */
    double    norm, norm_token;    /* of a document: norm + norm_token * length */
    size_t    n_windows;
    double   *best;  size_t n_best;           /* the best scores so far, the worst at [0] */
    double    least;               /* what a score must reach */

    /* The window being looked at. */
    double   *score;               /* [WINDOW], of the groups read so far */
    uint64_t *has;                 /* [WINDOW], a bit for each of those groups */
    uint64_t *touched;             /* a bit for each document with any */
    sum      *sums;                /* [WINDOW], of the group being read */
    uint64_t *summed;
    size_t   *order;               /* groups, the least first; the first `n_few` only looked up */
    double   *few;                 /* what these may add, from each on to the first */
    size_t    n_few;
    rs_posting_page *page;
} ranking;

static rs_status no_memory(const ranking *r)
{
    return rs_fail(r->err, RS_ENOMEM, "query: no memory");
}

/* ---- What may be reached --------------------------------------------- */

static double saturated(double tf, double norm) { return tf * (RS_BM25_K1 + 1) / (tf + norm); }

static double norm_of(const ranking *r, uint32_t length)
{
    return r->norm + r->norm_token * length;
}

/* A source alone, with places that are worth `worth` together. The wider sum grows with
 * the group's best weight, so it is taken as large as it can be. */
static double source_score(const group *g, const source *s, double worth, double norm)
{
    double score = s->own ? g->own * saturated(worth, norm) : 0;

    if (g->wide > 0)
        score += g->wide * g->best * saturated(worth * s->weight / g->best, norm);
    return score;
}

static double block_bound(const ranking *r, const group *g, const source *s,
                          const rs_posting_block *b)
{
    double worth = g->worth[b->columns & g->columns], most = 0;

    for (uint32_t i = 0; worth > 0 && i < RS_POSTING_PAIRS && b->shortest[i] != UINT16_MAX; i++) {
        uint32_t count = i + 1 < RS_POSTING_PAIRS ? i + 1 : b->most;
        double bound = source_score(g, s, worth * count, norm_of(r, b->shortest[i]));
        most = bound > most ? bound : most;
    }
    return most;
}

/* The bounds of a source by block, and into its group's by window. `window`: room. */
static rs_status bound_source(ranking *r, source *s, double *window)
{
    const rs_posting_list *l = s->at->list;
    size_t parts = rs_posting_parts(l);
    group *g = &r->groups[s->group];

    if (!(s->bound = rs_new(r->mem, double, parts)))
        return no_memory(r);
    memset(window, 0, r->n_windows * sizeof *window);
    for (size_t k = 0; k < parts; k++) {
        const rs_posting_block *b = rs_posting_part(l, k);
        s->bound[k] = block_bound(r, g, s, b);
        for (size_t w = b->first / WINDOW; w <= b->last / WINDOW; w++)
            window[w] = s->bound[k] > window[w] ? s->bound[k] : window[w];
    }
    for (size_t w = 0; w < r->n_windows; w++)
        g->bound[w] += window[w];
    return RS_OK;
}

static double pair_of(const ranking *r, size_t g, size_t h) { return r->pair[g * r->n_groups + h]; }

static rs_status bound_pairs(ranking *r)
{
    const rs_bm25_plan *p = r->plan;

    r->pair = rs_new(r->mem, double, r->n_groups * r->n_groups);
    if (!r->pair)
        return no_memory(r);
    for (size_t g = 0; p->near > 0 && g < r->n_groups; g++)
        for (size_t h = 0; h < r->n_groups; h++) {
            double least = fmin(r->groups[g].near, r->groups[h].near);
            if (h != g && r->groups[g].from < r->groups[g].to &&
                r->groups[h].from < r->groups[h].to)
                r->pair[g * r->n_groups + h] = p->near * least *
                    (p->groups[g].wider_idf + p->groups[h].wider_idf) / 2;
        }
    return RS_OK;
}

static rs_status bound_all(ranking *r)
{
    double *window = rs_new(r->mem, double, r->n_windows);
    rs_status st = window ? bound_pairs(r) : no_memory(r);

    for (size_t i = 0; st == RS_OK && i < r->n_sources; i++)
        st = bound_source(r, &r->sources[i], window);
    for (size_t g = 0; st == RS_OK && g < r->n_groups; g++)
        for (size_t w = 0; w < r->n_windows; w++)
            if (r->groups[g].bound[w] > r->groups[g].cap)
                r->groups[g].bound[w] = r->groups[g].cap;
    return st;
}

/* ---- Setting up ------------------------------------------------------ */

static rs_status make_group(ranking *r, size_t at)
{
    const rs_bm25_group *plan = &r->plan->groups[at];
    group *g = &r->groups[at];

    g->columns = rs_postings_columns(r->q->groups[at].weight);
    g->own = plan->idf;
    g->wide = r->plan->wider * plan->wider_idf;
    g->worth = rs_new(r->mem, double, MASKS);
    g->bound = rs_new(r->mem, double, r->n_windows);
    if (!g->worth || !g->bound)
        return no_memory(r);
    for (size_t mask = 1; mask < MASKS; mask++)
        for (int c = 0; c < RS_TEXT_COUNT; c++)
            if (mask >> c & 1 && plan->column[c] > g->worth[mask])
                g->worth[mask] = plan->column[c];
    return RS_OK;
}

/* The source of term k, where any case has it. */
static rs_status make_source(ranking *r, size_t k, size_t parts)
{
    const rs_term *t = &r->q->terms[k];
    source *s = &r->sources[r->n_sources];
    group *g = &r->groups[t->group];
    bool nomem;
    const rs_posting_list *l = rs_postings_list(r->p, t, parts, r->mem, &nomem);

    if (nomem)
        return no_memory(r);
    if (!l || !l->n)
        return RS_OK;
    *s = (source){.at = rs_new(r->mem, rs_posting_cursor, 1), .phrase = k, .group = t->group,
                  .weight = t->weight, .own = t->own, .looked_up = UINT32_MAX,
                  .there = rs_new(r->mem, uint64_t, WINDOW / 64)};
    if (!s->at || !s->there)
        return no_memory(r);
    s->at->list = l;
    if (g->from == g->to)
        g->from = r->n_sources;
    g->to = ++r->n_sources;
    g->best = t->weight > g->best ? t->weight : g->best;
    return RS_OK;
}

static rs_status make_sources(ranking *r)
{
    rs_status st = RS_OK;

    r->sources = rs_new(r->mem, source, r->q->n + 1);
    r->groups = rs_new(r->mem, group, r->n_groups);
    if (!r->sources || !r->groups)
        return no_memory(r);
    for (size_t g = 0; st == RS_OK && g < r->n_groups; g++)
        st = make_group(r, g);
    for (size_t k = 0, parts; st == RS_OK && k < r->q->n; k += parts) {
        parts = rs_postings_parts(r->q->terms, r->q->n, k);
        st = make_source(r, k, parts);
    }
    for (size_t i = 0; st == RS_OK && i < r->n_groups; i++) {
        group *g = &r->groups[i];
        g->near = g->best * g->worth[g->columns];
        g->cap = (RS_BM25_K1 + 1) * (g->own + g->wide * g->best);
    }
    return st;
}

static bool passes(const rs_postings_scope *s, int64_t id)
{
    return (uint64_t)id < s->n_pass && rs_bit(s->pass, (size_t)id);
}

/* Which documents may not be found: the dead, and what the scope rules out. */
static rs_status bar(ranking *r, const rs_postings_scope *s)
{
    size_t words = (size_t)r->p->n_docs / 64 + 1;

    if (!(r->barred = rs_new(r->mem, uint64_t, words)))
        return no_memory(r);
    for (size_t i = 0; i < ((size_t)r->p->n_docs + 63) / 64; i++)
        r->barred[i] |= r->p->dead[i];
    for (uint32_t d = 0; s->pass && d < r->p->n_docs; d++)
        if (!passes(s, r->p->ids[d]))
            rs_bit_set(r->barred, d);
    for (size_t i = 0; i < s->n_left_out; i++) {
        int64_t id = s->left_out[i];
        if (id > 0 && (uint64_t)id < r->p->cap_ids && r->p->doc_of[id])
            rs_bit_set(r->barred, r->p->doc_of[id] - 1);
    }
    return RS_OK;
}

static rs_status make_room(ranking *r)
{
    r->score = rs_new(r->mem, double, WINDOW);
    r->has = rs_new(r->mem, uint64_t, WINDOW);
    r->touched = rs_new(r->mem, uint64_t, WINDOW / 64);
    r->sums = rs_new(r->mem, sum, WINDOW);
    r->summed = rs_new(r->mem, uint64_t, WINDOW / 64);
    r->order = rs_new(r->mem, size_t, r->n_groups);
    r->few = rs_new(r->mem, double, r->n_groups + 1);
    r->page = rs_new(r->mem, rs_posting_page, 1);
    r->best = r->top->limit < r->p->n_docs ? rs_new(r->mem, double, r->top->limit) : NULL;
    return r->score && r->has && r->touched && r->sums && r->summed && r->order && r->few &&
           r->page && (r->best || r->top->limit >= r->p->n_docs) ? RS_OK : no_memory(r);
}

/* ---- The best so far ------------------------------------------------- */

static bool beyond(const ranking *r, double bound) { return bound * SLACK < r->least; }

/* A heap of the best scores, the worst on top: what the k-th best is. */
static void note_score(ranking *r, double score)
{
    size_t k = r->top->limit, at;

    if (!r->best)                                /* all are wanted */
        return;
    if (r->n_best < k) {
        for (at = r->n_best++; at && r->best[(at - 1) / 2] > score; at = (at - 1) / 2)
            r->best[at] = r->best[(at - 1) / 2];
        r->best[at] = score;
    } else {
        if (score <= r->best[0])
            return;
        for (at = 0; 2 * at + 1 < k;) {
            size_t child = 2 * at + 1;
            child += child + 1 < k && r->best[child + 1] < r->best[child];
            if (r->best[child] >= score)
                break;
            r->best[at] = r->best[child];
            at = child;
        }
        r->best[at] = score;
    }
    if (r->n_best == k)
        r->least = r->best[0];
}

/* ---- One document ---------------------------------------------------- */

/* What a group gives a document whose sums are known: a bound, exact in one column. */
static double sum_score(const group *g, const sum *s, double norm)
{
    double score = g->own * saturated(s->own, norm);

    if (g->wide > 0 && s->best > 0)
        score += g->wide * s->best * saturated(s->all / s->best, norm);
    return score;
}

static void add_to_sum(const source *s, double worth, sum *to)
{
    to->own += s->own ? worth : 0;
    to->all += s->weight * worth;
    to->best = s->weight > to->best ? s->weight : to->best;
}

/* What the group gives a document, looked up; *any: it is there at all. */
static double look_up(ranking *r, const group *g, uint32_t doc, bool *any)
{
    sum total = {0};

    *any = false;
    for (size_t i = g->from; i < g->to; i++) {
        source *s = &r->sources[i];
        uint16_t columns;
        if (!rs_posting_goto(s->at, doc))
            continue;
        columns = s->at->page.columns[s->at->i] & g->columns;
        if (!columns)
            continue;
        *any = true;
        s->looked_up = doc;
        add_to_sum(s, g->worth[columns] * s->at->page.count[s->at->i], &total);
    }
    return *any ? sum_score(g, &total, norm_of(r, r->p->lengths[doc])) : 0;
}

/* What groups of `has` get at most for standing near each other. */
static double pairs_of(const ranking *r, uint64_t has)
{
    double most = 0;

    for (uint64_t a = has; r->plan->near > 0 && a; a &= a - 1)
        for (uint64_t b = a & (a - 1); b; b &= b - 1)
            most += pair_of(r, (size_t)__builtin_ctzll(a), (size_t)__builtin_ctzll(b));
    return most;
}

/* Does the source have the document, as its group was read or looked up? */
static bool has_source(const ranking *r, const source *s, uint32_t doc)
{
    return r->groups[s->group].read ? rs_bit(s->there, doc % WINDOW) : s->looked_up == doc;
}

/* Place by place, as FTS5 would hand them over. */
static double exact_score(ranking *r, uint32_t doc)
{
    rs_bm25_begin(r->plan);
    for (size_t i = 0; i < r->n_sources; i++) {
        source *s = &r->sources[i];
        const group *g = &r->groups[s->group];
        if (!has_source(r, s, doc) || !rs_posting_goto(s->at, doc))
            continue;
        for (uint32_t k = 0; k < s->at->page.count[s->at->i]; k++) {
            uint32_t place = rs_posting_place(&s->at->page, s->at->i, k);
            if (g->columns >> RS_PLACE_COLUMN(place) & 1)
                rs_bm25_at(r->plan, s->phrase, (int)RS_PLACE_COLUMN(place),
                           (int)RS_PLACE_OFFSET(place));
        }
    }
    return rs_bm25_score(r->plan, r->p->lengths[doc]);
}

/* A document that some group was read for, and those that were not are looked up. False on
 * OOM. */
static bool consider(ranking *r, uint32_t doc, double score, uint64_t has)
{
    double pairs = pairs_of(r, has), exact;

    if (beyond(r, score + pairs + r->few[r->n_few]))
        return true;
    for (size_t i = r->n_few; i-- > 0;) {
        size_t g = r->order[i];
        bool any;
        score += look_up(r, &r->groups[g], doc, &any);
        for (uint64_t a = any ? has : 0; r->plan->near > 0 && a; a &= a - 1)
            pairs += pair_of(r, g, (size_t)__builtin_ctzll(a));
        has |= (uint64_t)any << g;
        if (beyond(r, score + pairs + r->few[i]))
            return true;
    }
    exact = exact_score(r, doc);
    if (exact < r->least)
        return true;
    note_score(r, exact);
    return rs_top_add(r->top, exact, r->p->ids[doc]);
}

/* ---- One window ------------------------------------------------------ */

/* The groups that are only looked up: those that together cannot reach the least. Pairs are
 * counted half with each group; where it is looked up, with it in full. */
static double share_out(ranking *r, size_t window)
{
    double all = 0, low = 0;

    for (size_t g = 0; g < r->n_groups; g++) {
        size_t at = g;
        for (; at && r->groups[r->order[at - 1]].bound[window] > r->groups[g].bound[window]; at--)
            r->order[at] = r->order[at - 1];
        r->order[at] = g;
    }
    r->few[0] = 0;
    r->n_few = 0;
    for (size_t i = 0; i < r->n_groups; i++) {
        size_t g = r->order[i];
        double bound = r->groups[g].bound[window], pairs = 0;
        for (size_t h = 0; bound > 0 && r->plan->near > 0 && h < r->n_groups; h++)
            pairs += r->groups[h].bound[window] > 0 ? pair_of(r, g, h) : 0;
        all += bound + pairs / 2;
        r->few[i + 1] = r->few[i] + bound + pairs;
        low += bound + pairs / 2;
        if (r->n_few == i && beyond(r, low))
            r->n_few = i + 1;
    }
    return all;
}

/* One page of a source into the sums of its group. */
static void take_page(ranking *r, const group *g, const source *s, uint32_t from, uint32_t to)
{
    const rs_posting_page *p = r->page;

    for (uint32_t i = p->doc[0] < from ? rs_posting_find(p, from) : 0;
         i < p->n && p->doc[i] < to; i++) {
        uint16_t columns = p->columns[i] & g->columns;
        uint32_t at = p->doc[i] - from;
        if (!columns)
            continue;
        rs_bit_set(r->summed, at);
        rs_bit_set(s->there, at);
        add_to_sum(s, g->worth[columns] * p->count[i], &r->sums[at]);
    }
}

/* A page of the only source of its group: its score at once. */
static void take_alone(ranking *r, const group *g, const source *s, uint32_t from, uint32_t to)
{
    const rs_posting_page *p = r->page;
    const uint64_t bit = (uint64_t)1 << s->group;

    for (uint32_t i = p->doc[0] < from ? rs_posting_find(p, from) : 0;
         i < p->n && p->doc[i] < to; i++) {
        uint16_t columns = p->columns[i] & g->columns;
        uint32_t at = p->doc[i] - from;
        if (!columns)
            continue;
        rs_bit_set(r->touched, at);
        rs_bit_set(s->there, at);
        r->has[at] |= bit;
        r->score[at] += source_score(g, s, g->worth[columns] * p->count[i],
                                     norm_of(r, r->p->lengths[p->doc[i]]));
    }
}

static void take_sums(ranking *r, size_t at_group, uint32_t from)
{
    const group *g = &r->groups[at_group];

    for (uint32_t w = 0; w < WINDOW / 64; w++) {
        for (uint64_t bits = r->summed[w]; bits; bits &= bits - 1) {
            uint32_t at = w * 64 + (uint32_t)__builtin_ctzll(bits);
            r->score[at] += sum_score(g, &r->sums[at], norm_of(r, r->p->lengths[from + at]));
            r->has[at] |= (uint64_t)1 << at_group;
            r->sums[at] = (sum){0};
        }
        r->touched[w] |= r->summed[w];
        r->summed[w] = 0;
    }
}

/* The lists of a group in the window. `rest`: what all other groups may give. Blocks of a
 * lone list that cannot reach the least even with that are passed over. */
static void read_group(ranking *r, size_t at_group, size_t window, double rest)
{
    group *g = &r->groups[at_group];
    uint32_t from = (uint32_t)window * WINDOW, to = from + WINDOW;
    bool alone = g->to - g->from == 1;

    g->read = true;
    for (size_t i = g->from; i < g->to; i++) {
        source *s = &r->sources[i];
        const rs_posting_list *l = s->at->list;
        size_t parts = rs_posting_parts(l);
        memset(s->there, 0, WINDOW / 8);
        for (size_t k = rs_posting_seek(l, from); k < parts; k++) {
            if (rs_posting_part(l, k)->first >= to)
                break;
            if (!(s->bound[k] > 0) || (alone && beyond(r, s->bound[k] + rest)))
                continue;
            rs_posting_read(l, k, r->page);
            if (alone)
                take_alone(r, g, s, from, to);
            else
                take_page(r, g, s, from, to);
        }
    }
    if (!alone)
        take_sums(r, at_group, from);
}

static rs_status look_at_window(ranking *r, size_t window)
{
    double all = share_out(r, window);
    uint32_t from = (uint32_t)window * WINDOW;
    bool room = true;

    if (beyond(r, all))
        return RS_OK;
    for (size_t i = r->n_groups; i-- > 0;) {
        size_t g = r->order[i];
        r->groups[g].read = false;
        if (i >= r->n_few && r->groups[g].bound[window] > 0)
            read_group(r, g, window, all - r->groups[g].bound[window]);
    }
    for (uint32_t w = 0; w < WINDOW / 64; w++) {
        uint64_t bits = r->touched[w];
        r->touched[w] = 0;
        for (; bits; bits &= bits - 1) {
            uint32_t at = w * 64 + (uint32_t)__builtin_ctzll(bits);
            if (room && !rs_bit(r->barred, from + at))
                room = consider(r, from + at, r->score[at], r->has[at]);
            r->score[at] = 0;
            r->has[at] = 0;
        }
    }
    return room ? rs_db_in_time(r->p->db, r->err) : no_memory(r);
}

/* ---- All windows ----------------------------------------------------- */

typedef struct { double bound; size_t window; } promise;

static int most_first(const void *a, const void *b)
{
    const promise *x = a, *y = b;

    if (x->bound != y->bound)
        return x->bound < y->bound ? 1 : -1;
    return (x->window > y->window) - (x->window < y->window);
}

static rs_status look_at_windows(ranking *r)
{
    promise *list = rs_new(r->mem, promise, r->n_windows);
    rs_status st = list ? RS_OK : no_memory(r);

    for (size_t w = 0; st == RS_OK && w < r->n_windows; w++)
        list[w] = (promise){share_out(r, w), w};
    if (st == RS_OK)
        qsort(list, r->n_windows, sizeof *list, most_first);
    for (size_t w = 0; st == RS_OK && w < r->n_windows && !beyond(r, list[w].bound); w++)
        if (list[w].bound > 0)
            st = look_at_window(r, list[w].window);
    return st;
}

rs_status rs_postings_rank(rs_postings *p, const rs_text_query *q, const rs_bm25_plan *plan,
                           const rs_postings_scope *scope, rs_top *top, rs_arena *mem,
                           rs_err *err)
{
    ranking r = {.p = p, .q = q, .plan = plan, .mem = mem, .err = err, .top = top,
                 .n_groups = q->n_groups, .least = -1,
                 .n_windows = ((size_t)p->n_docs + WINDOW - 1) / WINDOW};
    rs_status st;

    _Static_assert(RS_QUERY_MAX_TERMS <= 64, "a bit for each group");
    r.norm = RS_BM25_K1 * (1 - plan->b);
    r.norm_token = RS_BM25_K1 * plan->b / plan->mean;
    if (p->n_docs == 0)
        return RS_OK;
    if ((st = make_sources(&r)) != RS_OK || (st = bar(&r, scope)) != RS_OK ||
        (st = make_room(&r)) != RS_OK || (st = bound_all(&r)) != RS_OK)
        return st;
    return look_at_windows(&r);
}
