/* vector_search.c - the ways of looking into an rs_vector_index. See vector_index.h.
 *
 * All end alike: a shortlist of slots that may be among the k best (codes.h), multiplied
 * exactly. What differs is which codes are looked at:
 *
 *   scan    those whose bit is set, word by word of the bitmap
 *   probe   the lists in the order of their centroids, until enough rows have been seen
 *   walk    FAISS's graph; what it finds is the shortlist
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/vector_index_int.h"

#include "base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GATHER = 256, EXACT_AT_ONCE = 32 };

typedef struct {
    rs_vector_index *v;
    const float     *q;
    size_t           k;
    const uint8_t   *bits;         /* NULL: all */
    size_t           set;          /* rows that may be found */
    bool             filtered;     /* not only the removed ones are out */
    rs_near         *near;         /* [k] a heap, the worst first */
    size_t           found;
    rs_err          *err;
} look;

/* ---- The k best, exactly ----------------------------------------------- */

static bool worse(rs_near a, rs_near b)
{
    return a.score != b.score ? a.score < b.score : a.id > b.id;
}

static void sift_down(rs_near *heap, size_t n, size_t at)
{
    const rs_near v = heap[at];

    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && worse(heap[child + 1], heap[child]);
        if (!worse(heap[child], v))
            break;
        heap[at] = heap[child];
    }
    heap[at] = v;
}

static void keep(look *s, rs_near one)
{
    if (isnan(one.score))
        return;
    if (s->found < s->k) {
        s->near[s->found++] = one;
        if (s->found == s->k)
            for (size_t i = s->k / 2; i-- > 0;)
                sift_down(s->near, s->k, i);
    } else if (worse(s->near[0], one)) {
        s->near[0] = one;
        sift_down(s->near, s->k, 0);
    }
}

static int64_t id_of(const rs_vector_index *v, const int64_t *ids, uint32_t slot)
{
    return ids[v->position_of ? v->position_of[slot] : slot];
}

/* The half floats of some slots; an sq8 asks its source. */
static rs_status find_rows(look *s, const int64_t *ids, const uint32_t *slot, size_t n,
                           const uint8_t *row[EXACT_AT_ONCE])
{
    rs_vector_index *v = s->v;
    const size_t bytes = 2 * v->dim;

    if (v->setting.kind == RS_INDEX_SQ8) {
        for (size_t i = 0; i < n; i++) {
            uint16_t *to = v->fetched + i * v->dim;
            rs_status st = v->source(v->source_ctx, id_of(v, ids, slot[i]), to, s->err);
            if (st != RS_OK)
                return st;
            row[i] = (const uint8_t *)to;
        }
    } else if (v->list_of) {
        for (size_t i = 0; i < n; i++) {
            const uint32_t list = v->list_of[slot[i]];
            row[i] = v->list_codes[list] + (slot[i] - v->start[list]) * bytes;
        }
    } else {
        const uint8_t *codes = rs_faiss_codes(rs_sub_index(v));
        for (size_t i = 0; i < n; i++)
            row[i] = codes + slot[i] * bytes;
    }
    return RS_OK;
}

static rs_status multiply(look *s, const int64_t *ids, const uint32_t *slot, size_t n)
{
    const uint8_t *row[EXACT_AT_ONCE];
    float score[EXACT_AT_ONCE];
    rs_status st = find_rows(s, ids, slot, n, row);

    if (st != RS_OK)
        return st;
    s->v->shortlist.set->halves(score, row, n, s->q, s->v->dim);
    for (size_t i = 0; i < n; i++)
        keep(s, (rs_near){id_of(s->v, ids, slot[i]), score[i]});
    return RS_OK;
}

/* Candidates with `least` at or above (first) or below (then) what k rows are sure of. */
static rs_status multiply_some(look *s, const int64_t *ids, bool sure)
{
    const rs_shortlist *list = &s->v->shortlist;
    uint32_t slot[EXACT_AT_ONCE];
    rs_status st = RS_OK;
    size_t n = 0;

    for (size_t i = 0; st == RS_OK && i < list->n; i++) {
        const rs_candidate *c = &list->list[i];
        if ((c->least >= list->limit) != sure)
            continue;
        if (!sure && s->found == s->k && c->most < s->near[0].score)
            continue;
        slot[n++] = c->row;
        if (n == EXACT_AT_ONCE) {
            st = multiply(s, ids, slot, n);
            n = 0;
        }
    }
    return st == RS_OK && n ? multiply(s, ids, slot, n) : st;
}

static int by_score(const void *a, const void *b)
{
    const rs_near *x = a, *y = b;

    return worse(*x, *y) ? 1 : worse(*y, *x) ? -1 : 0;
}

/* The shortlist becomes `near`, best first. */
static rs_status finish(look *s)
{
    rs_vector_index *v = s->v;
    const int64_t *ids;
    rs_status st = rs_shortlist_end(&v->shortlist, s->err);

    if (st != RS_OK)
        return st;
    if (v->setting.kind == RS_INDEX_SQ8 && !v->fetched &&
        !(v->fetched = rs_calloc(EXACT_AT_ONCE * v->dim, sizeof *v->fetched)))
        return rs_fail(s->err, RS_ENOMEM, "vector search: no memory");
    if (v->setting.kind == RS_INDEX_SQ8 && !v->source)
        return rs_fail(s->err, RS_EARG, "vector search: no source of exact vectors");
    rs_index_ids(v, &ids);
    if ((st = multiply_some(s, ids, true)) == RS_OK)
        st = multiply_some(s, ids, false);
    if (st == RS_OK && s->found)
        qsort(s->near, s->found, sizeof *s->near, by_score);
    return st;
}

/* ---- Scan -------------------------------------------------------------- */

static uint64_t word_at(const uint8_t *bits, size_t slot)
{
    uint64_t w;

    memcpy(&w, bits + slot / 8, sizeof w);
    return w;
}

/* Those of slots [from, to) whose bits are set; returns how many. */
static size_t scan_slots(look *s, size_t from, size_t to)
{
    rs_shortlist *list = &s->v->shortlist;
    uint32_t some[GATHER + 64];
    size_t n = 0, seen = 0;

    if (!s->bits) {
        rs_shortlist_range(list, from, to - from);
        return to - from;
    }
    for (size_t at = from / 64 * 64; at < to; at += 64) {
        uint64_t w = word_at(s->bits, at);
        if (at < from)
            w &= ~UINT64_C(0) << (from - at);
        if (to - at < 64)
            w &= (UINT64_C(1) << (to - at)) - 1;
        if (w == ~UINT64_C(0)) {
            rs_shortlist_range(list, at, 64);
            seen += 64;
            continue;
        }
        for (; w; w &= w - 1)
            some[n++] = (uint32_t)(at + (size_t)__builtin_ctzll(w));
        if (n >= GATHER) {
            rs_shortlist_rows(list, some, n);
            seen += n;
            n = 0;
        }
    }
    if (n)
        rs_shortlist_rows(list, some, n);
    return seen + n;
}

static rs_status begin(look *s, float caution)
{
    return rs_shortlist_begin(&s->v->shortlist, &s->v->codes, s->q, s->k, caution, s->err);
}

static rs_status scan(look *s)
{
    rs_status st = begin(s, RS_CAUTION_ALWAYS);

    if (st != RS_OK)
        return st;
    scan_slots(s, 0, rs_vector_index_count(s->v));
    return finish(s);
}

/* ---- Probe lists ------------------------------------------------------- */

/* Lists as a heap, the nearest first. */
static void list_down(const float *score, uint32_t *heap, size_t n, size_t at)
{
    const uint32_t v = heap[at];

    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && score[heap[child + 1]] > score[heap[child]];
        if (score[heap[child]] <= score[v])
            break;
        heap[at] = heap[child];
    }
    heap[at] = v;
}

/* How hard to look for k results: between the two that were measured along log k, beyond
 * them with its square root. */
static size_t effort_for(const rs_index_setting *s, size_t k)
{
    const double few = (double)s->effort[0], many = fmax(few, (double)s->effort[1]);

    if (k <= 10)
        return s->effort[0];
    if (k >= 100)
        return (size_t)ceil(many * sqrt((double)k / 100));
    return (size_t)ceil(few + (many - few) * log10((double)k / 10));
}

/* Rows that `effort` lists hold on average. */
static size_t rows_of(const rs_vector_index *v, size_t effort)
{
    return (size_t)((double)effort * (double)rs_vector_index_count(v) /
                    (double)v->setting.lists) + 1;
}

static rs_status probe(look *s, size_t effort)
{
    rs_vector_index *v = s->v;
    const size_t lists = v->setting.lists;
    size_t wanted = s->bits ? rows_of(v, effort) : 0, left = lists, seen = 0, visited = 0;
    rs_status st = rs_shortlist_begin(&v->coarse, &v->centroids, s->q, 1, RS_CAUTION_USUAL,
                                      s->err);

    if (st != RS_OK || (st = begin(s, RS_CAUTION_USUAL)) != RS_OK)
        return st;
    if (wanted < 2 * s->k)
        wanted = 2 * s->k;
    rs_shortlist_estimate(&v->coarse, v->list_score, lists);
    for (size_t l = 0; l < lists; l++)
        v->list_heap[l] = (uint32_t)l;
    for (size_t i = lists / 2; i-- > 0;)
        list_down(v->list_score, v->list_heap, lists, i);
    while (left) {
        const uint32_t l = v->list_heap[0];
        if (visited >= effort && seen >= wanted &&
            !(s->filtered && v->shortlist.limit - v->list_score[l] < v->setting.margin))
            break;
        v->list_heap[0] = v->list_heap[--left];
        if (left)
            list_down(v->list_score, v->list_heap, left, 0);
        seen += scan_slots(s, v->start[l], v->start[l + 1]);
        visited++;
    }
    return finish(s);
}

/* ---- FAISS ------------------------------------------------------------- */

/* FAISS's search over positions, which here are slots, restricted to `bits`. */
static int search_positions(const rs_vector_index *v, const float *q, size_t k,
                            const uint8_t *bits, size_t ef, float *score, idx_t *at)
{
    FaissSearchParameters *params = NULL;
    FaissIDSelectorBitmap *sel = NULL;
    int rc = 0, threads;

    if (bits)
        rc = faiss_IDSelectorBitmap_new(&sel, rs_vector_index_bitmap_bytes(v), bits);
    if (rc == 0)
        rc = ef ? faiss_SearchParametersHNSW_new_with(&params, (FaissIDSelector *)sel, (int)ef)
                : faiss_SearchParameters_new(&params, (FaissIDSelector *)sel);
    if (rc == 0) {
        threads = rs_faiss_set_threads(1);   /* one query: a team only costs */
        rc = faiss_Index_search_with_params(rs_sub_index(v), 1, q, (idx_t)k, params, score, at);
        rs_faiss_set_threads(threads);
    }
    if (params)
        faiss_SearchParameters_free(params);
    if (sel)
        faiss_IDSelectorBitmap_free(sel);
    return rc;
}

static rs_status walk(look *s, size_t ef)
{
    rs_vector_index *v = s->v;
    const size_t total = rs_vector_index_count(v);
    float *score = rs_calloc(s->k, sizeof *score);
    idx_t *at = rs_calloc(s->k, sizeof *at);
    const int64_t *ids;
    rs_status st = RS_OK;

    if (!score || !at)
        st = rs_fail(s->err, RS_ENOMEM, "vector search: no memory for %zu results", s->k);
    else if (search_positions(v, s->q, s->k, s->bits, ef, score, at) != 0)
        st = rs_faiss_failed(RS_EIO, "vector search", s->err);
    if (!v->shortlist.set)
        v->shortlist.set = rs_scan_best();
    rs_index_ids(v, &ids);
    for (size_t i = 0; st == RS_OK && i < s->k; i++) {
        const uint32_t slot = (uint32_t)at[i];
        if (at[i] >= 0 && (size_t)at[i] < total)
            st = multiply(s, ids, &slot, 1);       /* scores as the other kinds have them */
    }
    if (st == RS_OK && s->found)
        qsort(s->near, s->found, sizeof *s->near, by_score);
    rs_free(score);
    rs_free(at);
    return st;
}

/* ---- Which way --------------------------------------------------------- */

/* A flat index of what may be found; false where nothing may. */
static bool prepare(look *s, size_t *found)
{
    *found = 0;
    s->filtered = s->bits != NULL;
    if (!s->bits && s->v->live < rs_vector_index_count(s->v)) {
        s->bits = s->v->alive;
        s->set = s->v->live;
    } else if (!s->bits) {
        s->set = s->v->live;
    }
    if (s->k > s->set)
        s->k = s->set;
    return s->k > 0;
}

static rs_status probe_or_scan(look *s)
{
    const size_t effort = effort_for(&s->v->setting, s->k), rows = rows_of(s->v, effort);

    /* Few pass: all of them are no more than a probe would look at. */
    if (s->set <= rows + rows / 4 || s->set <= 2 * s->k || effort >= s->v->setting.lists)
        return scan(s);
    return probe(s, effort);
}

static rs_status walk_or_scan(look *s)
{
    const double share = (double)s->set / (double)rs_vector_index_count(s->v);
    size_t ef = effort_for(&s->v->setting, s->k);
    rs_status st;

    if (s->filtered || s->set <= 2 * s->k || ef >= s->set)
        return scan(s);
    if (ef < s->k)
        ef = s->k;
    ef = (size_t)ceil((double)ef / share);     /* removed rows are in the way all the same */
    if ((st = walk(s, ef)) != RS_OK || s->found == s->k)
        return st;
    s->found = 0;
    return scan(s);
}

rs_status rs_vector_index_search(rs_vector_index *v, const float *q, size_t k,
                                 const uint8_t *bits, size_t set, rs_near *near, size_t *found,
                                 rs_err *err)
{
    look s = {.v = v, .q = q, .k = k, .bits = bits, .set = set, .near = near, .err = err};
    rs_status st = RS_OK;

    if (!prepare(&s, found))
        return RS_OK;
    switch (v->setting.kind) {
    case RS_INDEX_FLAT:
    case RS_INDEX_KINDS:
        st = scan(&s);
        break;
    case RS_INDEX_IVF:
    case RS_INDEX_SQ8:
        st = probe_or_scan(&s);
        break;
    case RS_INDEX_HNSW:
        st = walk_or_scan(&s);
        break;
    }
    *found = st == RS_OK ? s.found : 0;
    return st;
}

rs_status rs_vector_index_exact(rs_vector_index *v, const float *q, size_t k,
                                const uint8_t *bits, size_t set, rs_near *near, size_t *found,
                                rs_err *err)
{
    look s = {.v = v, .q = q, .k = k, .bits = bits, .set = set, .near = near, .err = err};
    rs_status st;

    if (!prepare(&s, found))
        return RS_OK;
    st = scan(&s);
    *found = st == RS_OK ? s.found : 0;
    return st;
}

rs_status rs_vector_index_by_faiss(rs_vector_index *v, const float *q, size_t k,
                                   const uint8_t *bits, size_t set, rs_near *near, size_t *found,
                                   rs_err *err)
{
    look s = {.v = v, .q = q, .k = k, .bits = bits, .set = set, .near = near, .err = err};
    rs_status st;

    if (rs_has_lists(v))
        return rs_fail(err, RS_EARG, "vector search: lists are our own to look into");
    if (!prepare(&s, found))
        return RS_OK;
    st = walk(&s, v->setting.kind == RS_INDEX_HNSW ? effort_for(&v->setting, s.k) : 0);
    *found = st == RS_OK ? s.found : 0;
    return st;
}
