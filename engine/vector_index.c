/* vector_index.c - making an rs_vector_index: kinds, vectors in, what is derived from them.
 * See vector_index.h; vector_index_int.h says what it is made of.
 *
 * An IndexIDMap of 1.7.3 refuses search parameters, so its sub-index is used, in which an id
 * is a position, and positions are translated here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/vector_index_int.h"

#include "base/alloc.h"
#include "embeddings/half.h"

#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/index_factory_c.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PER_LIST = 40, CHUNK = 256, GRAPH_LINKS = 32, GRAPH_CARE = 128 };
static const float CAREFUL_MARGIN = 0.5f;

/* ---- FAISS's errors --------------------------------------------------- */

rs_status rs_faiss_failed(rs_status as, const char *doing, rs_err *err)
{
    const char *why = faiss_get_last_error();

    if (why && strstr(why, "bad_alloc"))
        as = RS_ENOMEM;
    return rs_fail(err, as, "%s: FAISS: %.250s", doing, why ? why : "unknown error");
}

/* ---- Kinds ------------------------------------------------------------ */

static const struct { const char *name; size_t effort[2]; } kinds[] = {
    [RS_INDEX_FLAT] = {"flat", {0, 0}},
    [RS_INDEX_IVF]  = {"ivf", {32, 64}},
    [RS_INDEX_SQ8]  = {"sq8", {32, 64}},
    [RS_INDEX_HNSW] = {"hnsw", {128, 256}},
};

const char *rs_index_kind_name(rs_index_kind kind)
{
    return kind < RS_INDEX_KINDS ? kinds[kind].name : "?";
}

bool rs_index_kind_of(const char *name, rs_index_kind *out)
{
    for (int kind = 0; kind < RS_INDEX_KINDS; kind++)
        if (strcmp(name, kinds[kind].name) == 0) {
            *out = (rs_index_kind)kind;
            return true;
        }
    return false;
}

void rs_index_factory(const rs_index_setting *s, char out[RS_FACTORY_SIZE])
{
    switch (s->kind) {
    case RS_INDEX_FLAT:
    case RS_INDEX_KINDS:
        snprintf(out, RS_FACTORY_SIZE, "IDMap,SQfp16");
        break;
    case RS_INDEX_IVF:
        snprintf(out, RS_FACTORY_SIZE, "IDMap,IVF%zu,SQfp16", s->lists);
        break;
    case RS_INDEX_SQ8:
        snprintf(out, RS_FACTORY_SIZE, "IDMap,IVF%zu,SQ8", s->lists);
        break;
    case RS_INDEX_HNSW:
        snprintf(out, RS_FACTORY_SIZE, "IDMap,HNSW%d,SQfp16", GRAPH_LINKS);
        break;
    }
}

size_t rs_index_lists_for(size_t n)
{
    size_t lists = 1;

    while ((double)lists * 1.5 < 4 * sqrt((double)n))
        lists *= 2;
    while (lists > 1 && lists * PER_LIST > n)
        lists /= 2;
    return lists;
}

uint64_t rs_index_memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 2 : UINT64_MAX;
}

rs_index_setting rs_index_setting_for(size_t n, size_t dim, uint64_t memory)
{
    rs_index_setting s = {.kind = RS_INDEX_FLAT};

    if (n > RS_FLAT_MOST) {
        s.kind = (uint64_t)n * dim * 3 <= memory ? RS_INDEX_IVF : RS_INDEX_SQ8;
        s.lists = rs_index_lists_for(n);
    }
    return s;
}

/* ---- Ids and positions ------------------------------------------------ */

size_t rs_index_ids(const rs_vector_index *v, const int64_t **ids)
{
    idx_t *map = NULL;
    size_t n = 0;

    faiss_IndexIDMap_id_map(v->index, &map, &n);
    *ids = map;
    return n;
}

/* The position of `id`, or of the first larger one. */
static size_t lower_bound(const int64_t *ids, size_t n, int64_t id)
{
    size_t lo = 0;

    while (lo < n) {
        size_t mid = lo + (n - lo) / 2;
        if (ids[mid] < id)
            lo = mid + 1;
        else
            n = mid;
    }
    return lo;
}

static size_t slot_at(const rs_vector_index *v, size_t position)
{
    return v->slot_of ? v->slot_of[position] : position;
}

static bool is_alive(const rs_vector_index *v, size_t slot)
{
    return v->alive[slot / 8] >> (slot % 8) & 1;
}

size_t rs_vector_index_count(const rs_vector_index *v)
{
    return (size_t)faiss_Index_ntotal(v->index);
}

size_t rs_vector_index_live(const rs_vector_index *v) { return v->live; }
size_t rs_vector_index_dim(const rs_vector_index *v) { return v->dim; }

int64_t rs_vector_index_last_id(const rs_vector_index *v)
{
    const int64_t *ids;
    size_t n = rs_index_ids(v, &ids);

    return n ? ids[n - 1] : 0;
}

const rs_index_setting *rs_vector_index_setting(const rs_vector_index *v) { return &v->setting; }

void rs_vector_index_set_effort(rs_vector_index *v, const rs_index_setting *s)
{
    for (int i = 0; i < 2; i++)
        v->setting.effort[i] = s->effort[i] ? s->effort[i] : kinds[v->setting.kind].effort[i];
    v->setting.margin = s->margin != 0 ? s->margin : CAREFUL_MARGIN;
}

void rs_vector_index_set_source(rs_vector_index *v, rs_vector_source source, void *ctx)
{
    v->source = source;
    v->source_ctx = ctx;
}

size_t rs_vector_index_bytes(const rs_vector_index *v)
{
    const size_t n = rs_vector_index_count(v), lists = v->setting.lists;
    size_t bytes = n * sizeof(int64_t) + v->alive_cap + rs_codes_bytes(&v->codes);

    switch (v->setting.kind) {
    case RS_INDEX_FLAT:
    case RS_INDEX_KINDS:
        return bytes + n * 2 * v->dim;
    case RS_INDEX_HNSW:
        return bytes + n * 2 * v->dim + n * 4 * 2 * GRAPH_LINKS;
    case RS_INDEX_IVF:
        return bytes + n * (2 * v->dim + 20) + lists * 5 * v->dim;
    case RS_INDEX_SQ8:
        break;
    }
    return bytes + n * 8 + lists * 5 * v->dim;
}

/* ---- Make, free -------------------------------------------------------- */

rs_status rs_index_wrap(rs_vector_index **out, FaissIndex *index, size_t dim, rs_err *err)
{
    rs_vector_index *v = rs_calloc(1, sizeof *v);

    if (!v) {
        faiss_Index_free(index);
        return rs_fail(err, RS_ENOMEM, "vector index: no memory");
    }
    v->index = index;
    v->dim = dim;
    rs_codes_init(&v->codes, dim);
    rs_codes_init(&v->centroids, dim);
    *out = v;
    return RS_OK;
}

rs_status rs_vector_index_new(rs_vector_index **out, size_t dim, const rs_index_setting *s,
                              rs_err *err)
{
    static const rs_index_setting flat = {.kind = RS_INDEX_FLAT};
    char factory[RS_FACTORY_SIZE];
    FaissIndex *index = NULL;
    rs_status st;

    *out = NULL;
    if (!s)
        s = &flat;
    rs_index_factory(s, factory);
    if (faiss_index_factory(&index, (int)dim, factory, METRIC_INNER_PRODUCT) != 0)
        return rs_faiss_failed(RS_EARG, "make a vector index", err);
    faiss_IndexIDMap_set_own_fields(index, 1);
    if ((st = rs_index_wrap(out, index, dim, err)) != RS_OK)
        return st;
    (*out)->setting = *s;
    rs_vector_index_set_effort(*out, s);
    rs_faiss_set_up(rs_sub_index(*out), GRAPH_CARE);
    return RS_OK;
}

void rs_vector_index_free(rs_vector_index *v)
{
    if (!v)
        return;
    faiss_Index_free(v->index);
    rs_codes_clear(&v->codes);
    rs_codes_clear(&v->centroids);
    rs_shortlist_clear(&v->shortlist);
    rs_shortlist_clear(&v->coarse);
    rs_free(v->alive);
    rs_free(v->slot_of);
    rs_free(v->position_of);
    rs_free(v->list_of);
    rs_free(v->start);
    rs_free(v->list_codes);
    rs_free(v->list_score);
    rs_free(v->list_heap);
    rs_free(v->fetched);
    rs_free(v);
}

/* ---- Train ------------------------------------------------------------- */

size_t rs_vector_index_sample(const rs_vector_index *v)
{
    return faiss_Index_is_trained(v->index)  ? 0
           : v->setting.kind == RS_INDEX_HNSW ? 1       /* a form: nothing is learned */
                                              : v->setting.lists * PER_LIST;
}

/* The centroids as codes: which lists are near is seen from those. */
static rs_status code_centroids(rs_vector_index *v, rs_err *err)
{
    const size_t lists = v->setting.lists;
    FaissIndex *quantiser = faiss_IndexIVF_quantizer(rs_sub_index(v));
    float *x = rs_calloc_aligned(lists, v->dim * sizeof *x);
    rs_status st;

    rs_codes_clear(&v->centroids);
    rs_free(v->list_score);
    rs_free(v->list_heap);
    v->list_score = rs_calloc(lists, sizeof *v->list_score);
    v->list_heap = rs_calloc(lists, sizeof *v->list_heap);
    if (!x || !v->list_score || !v->list_heap)
        st = rs_fail(err, RS_ENOMEM, "vector index: no memory for %zu lists", lists);
    else if (faiss_Index_reconstruct_n(quantiser, 0, (idx_t)lists, x) != 0)
        st = rs_faiss_failed(RS_EIO, "read the centroids", err);
    else if ((st = rs_codes_reserve(&v->centroids, lists, err)) == RS_OK)
        st = rs_codes_add(&v->centroids, x, lists, err);
    rs_free(x);
    return st;
}

rs_status rs_vector_index_train(rs_vector_index *v, const float *x, size_t n, rs_err *err)
{
    if (rs_vector_index_sample(v) == 0)
        return RS_OK;
    if (n == 0 || (rs_has_lists(v) && n < v->setting.lists))
        return rs_fail(err, RS_EARG, "vector index: %zu vectors for %zu lists", n,
                       v->setting.lists);
    if (faiss_Index_train(v->index, (idx_t)n, x) != 0)
        return rs_faiss_failed(RS_EIO, "train the vector index", err);
    return rs_has_lists(v) ? code_centroids(v, err) : RS_OK;
}

/* ---- Add, remove ------------------------------------------------------- */

/* Mark slots [from, from + n) alive. */
static rs_status enliven(rs_vector_index *v, size_t from, size_t n, rs_err *err)
{
    size_t need = (from + n + 63) / 64 * 8;

    if (need > v->alive_cap) {
        size_t cap = need > 2 * v->alive_cap ? need : 2 * v->alive_cap;
        uint8_t *grown = rs_realloc(v->alive, cap, 1);
        if (!grown)
            return rs_fail(err, RS_ENOMEM, "vector index: no memory for %zu vectors", from + n);
        memset(grown + v->alive_cap, 0, cap - v->alive_cap);
        v->alive = grown;
        v->alive_cap = cap;
    }
    for (size_t i = from; i < from + n; i++)
        v->alive[i / 8] |= (uint8_t)(1u << (i % 8));
    v->live += n;
    return RS_OK;
}

/* The nearest list of each, by the codes of the centroids. */
static rs_status assign(rs_vector_index *v, const float *x, size_t n, idx_t *list, rs_err *err)
{
    for (size_t i = 0; i < n; i++) {
        rs_status st = rs_shortlist_begin(&v->coarse, &v->centroids, x + i * v->dim, 1,
                                          RS_CAUTION_USUAL, err);
        size_t best = 0;
        if (st != RS_OK)
            return st;
        rs_shortlist_estimate(&v->coarse, v->list_score, v->setting.lists);
        for (size_t l = 1; l < v->setting.lists; l++)
            if (v->list_score[l] > v->list_score[best])
                best = l;
        list[i] = (idx_t)best;
    }
    return RS_OK;
}

/* A team of threads pays for a graph; rounding to half floats it would only delay, and a
 * process that was forked from one with a team could not have it. */
static int add_to_faiss(rs_vector_index *v, const int64_t *ids, const float *x, size_t n,
                        const idx_t *list)
{
    const int threads = v->setting.kind == RS_INDEX_HNSW ? 0 : rs_faiss_set_threads(1);
    const int rc = list ? rs_faiss_add_to_lists(v->index, (idx_t)n, x, ids, list)
                        : faiss_Index_add_with_ids(v->index, (idx_t)n, x, ids);

    if (threads)
        rs_faiss_set_threads(threads);
    return rc;
}

static rs_status add_to_lists(rs_vector_index *v, const int64_t *ids, const float *x, size_t n,
                              rs_err *err)
{
    idx_t list[CHUNK];
    rs_status st = RS_OK;

    if (v->centroids.n == 0)
        return rs_fail(err, RS_EARG, "vector index: not trained");
    if (v->start)
        return rs_fail(err, RS_EARG, "vector index: sealed");
    for (size_t at = 0, m; st == RS_OK && at < n; at += m) {
        m = n - at < CHUNK ? n - at : CHUNK;
        st = assign(v, x + at * v->dim, m, list, err);
        if (st == RS_OK && add_to_faiss(v, ids + at, x + at * v->dim, m, list) != 0)
            st = rs_faiss_failed(RS_EIO, "add to the vector index", err);
    }
    return st;
}

rs_status rs_vector_index_add(rs_vector_index *v, const int64_t *ids, const float *x, size_t n,
                              rs_err *err)
{
    int64_t last = rs_vector_index_last_id(v);
    size_t before = rs_vector_index_count(v);
    rs_status st;

    for (size_t i = 0; i < n; last = ids[i++])
        if (ids[i] <= last)
            return rs_fail(err, RS_EARG, "vector index: id %lld after %lld", (long long)ids[i],
                           (long long)last);
    if (n == 0)
        return RS_OK;
    if (rs_has_lists(v))
        return add_to_lists(v, ids, x, n, err);
    /* First what is ours: whatever FAISS has must have its code and its bit. */
    if ((st = rs_codes_add(&v->codes, x, n, err)) != RS_OK)
        return st;
    if ((st = enliven(v, before, n, err)) == RS_OK && add_to_faiss(v, ids, x, n, NULL) != 0) {
        v->live -= n;
        st = rs_faiss_failed(RS_EIO, "add to the vector index", err);
    }
    if (st != RS_OK)
        v->codes.n -= n;
    return st;
}

bool rs_vector_index_remove(rs_vector_index *v, int64_t id)
{
    const int64_t *ids;
    size_t n = rs_index_ids(v, &ids), at = lower_bound(ids, n, id), slot;

    if (at == n || ids[at] != id || !is_alive(v, slot = slot_at(v, at)))
        return false;
    v->alive[slot / 8] &= (uint8_t)~(1u << (slot % 8));
    v->live--;
    return true;
}

/* ---- Seal -------------------------------------------------------------- */

static rs_status allocate_order(rs_vector_index *v, size_t n, size_t lists, rs_err *err)
{
    const bool half = v->setting.kind == RS_INDEX_IVF;

    v->slot_of = rs_calloc(n, sizeof *v->slot_of);
    v->position_of = rs_calloc(n, sizeof *v->position_of);
    v->start = rs_calloc(lists + 1, sizeof *v->start);
    v->list_of = half ? rs_calloc(n, sizeof *v->list_of) : NULL;
    v->list_codes = half ? rs_calloc(lists, sizeof *v->list_codes) : NULL;
    if (!v->slot_of || !v->position_of || !v->start ||
        (half && (!v->list_of || !v->list_codes)))
        return rs_fail(err, RS_ENOMEM, "vector index: no memory for %zu vectors", n);
    return RS_OK;
}

/* Each position must be in one list, once. */
static rs_status order_list(rs_vector_index *v, size_t list, size_t n, size_t *at, rs_err *err)
{
    const uint8_t *codes;
    const idx_t *position;
    size_t m;

    rs_faiss_list(rs_sub_index(v), list, &codes, &position, &m);
    if (m > n - *at)
        return rs_fail(err, RS_ECORRUPT, "vector index: more vectors in its lists than it has");
    for (size_t i = 0; i < m; i++, (*at)++) {
        if (position[i] < 0 || (size_t)position[i] >= n || v->slot_of[position[i]] != UINT32_MAX)
            return rs_fail(err, RS_ECORRUPT, "vector index: list %zu: position %lld", list,
                           (long long)position[i]);
        v->slot_of[position[i]] = (uint32_t)*at;
        v->position_of[*at] = (uint32_t)position[i];
        if (v->list_of)
            v->list_of[*at] = (uint32_t)list;
    }
    if (v->list_codes)
        v->list_codes[list] = codes;
    v->start[list + 1] = (uint32_t)*at;
    return RS_OK;
}

/* n half vectors to codes of ours. */
static rs_status code_halves(rs_vector_index *v, const uint8_t *half, size_t n, float *x,
                             rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t at = 0, m; st == RS_OK && at < n; at += m) {
        m = n - at < CHUNK ? n - at : CHUNK;
        rs_half_unpack(x, half + at * 2 * v->dim, m * v->dim);
        st = rs_codes_add(&v->codes, x, m, err);
    }
    return st;
}

/* A list of FAISS's bytes becomes ours, and FAISS forgets it. */
static void take_bytes(rs_vector_index *v, size_t list)
{
    const uint8_t *codes;
    const idx_t *position;
    size_t n;

    rs_faiss_list(rs_sub_index(v), list, &codes, &position, &n);
    for (size_t i = 0; i < n; i++)
        memcpy(v->codes.code + v->codes.n++ * v->codes.width, codes + i * v->dim, v->dim);
    rs_faiss_drop_list(rs_sub_index(v), list);
}

static rs_status take_ranges(rs_vector_index *v, rs_err *err)
{
    const float *low, *range;

    rs_faiss_byte_ranges(rs_sub_index(v), &low, &range);
    v->codes.low = rs_calloc(v->dim, sizeof *v->codes.low);
    v->codes.step = rs_calloc(v->dim, sizeof *v->codes.step);
    if (!v->codes.low || !v->codes.step)
        return rs_fail(err, RS_ENOMEM, "vector index: no memory");
    for (size_t j = 0; j < v->dim; j++) {
        v->codes.step[j] = range[j] / 255;
        v->codes.low[j] = low[j] + range[j] / 510;
        if (!isfinite(v->codes.step[j]) || !isfinite(v->codes.low[j]))
            return rs_fail(err, RS_ECORRUPT, "vector index: range %zu is not finite", j);
    }
    v->codes.longest = 74 * sqrtf((float)v->dim);    /* of even bytes, from their middle */
    return RS_OK;
}

static rs_status make_codes(rs_vector_index *v, size_t n, float *x, rs_err *err)
{
    rs_status st = RS_OK;

    rs_codes_clear(&v->codes);
    if (v->setting.kind == RS_INDEX_SQ8)
        st = take_ranges(v, err);
    if (st == RS_OK)
        st = rs_codes_reserve(&v->codes, n ? n : 1, err);
    if (st != RS_OK)
        return st;
    if (!rs_has_lists(v))
        return code_halves(v, rs_faiss_codes(rs_sub_index(v)), n, x, err);
    for (size_t l = 0; st == RS_OK && l < v->setting.lists; l++) {
        if (v->setting.kind == RS_INDEX_SQ8)
            take_bytes(v, l);
        else
            st = code_halves(v, v->list_codes[l], v->start[l + 1] - v->start[l], x, err);
    }
    return st;
}

rs_status rs_index_take_in(rs_vector_index *v, rs_err *err)
{
    const size_t n = rs_vector_index_count(v), lists = v->setting.lists;
    float *x = rs_calloc_aligned(CHUNK * v->dim, sizeof *x);
    rs_status st = RS_OK;
    size_t at = 0;

    if (n > UINT32_MAX)
        st = rs_fail(err, RS_ELIMIT, "vector index: %zu vectors, at most 2^32 - 1", n);
    else if (!x)
        st = rs_fail(err, RS_ENOMEM, "vector index: no memory");
    if (st != RS_OK) {
        rs_free(x);
        return st;
    }
    if (rs_has_lists(v) && (st = code_centroids(v, err)) == RS_OK &&
        (st = allocate_order(v, n, lists, err)) == RS_OK) {
        memset(v->slot_of, 0xFF, n * sizeof *v->slot_of);
        for (size_t l = 0; st == RS_OK && l < lists; l++)
            st = order_list(v, l, n, &at, err);
        if (st == RS_OK && at != n)
            st = rs_fail(err, RS_ECORRUPT, "vector index: %zu vectors in lists, of %zu", at, n);
    }
    if (st == RS_OK)
        st = make_codes(v, n, x, err);
    if (st == RS_OK)
        st = enliven(v, 0, n, err);
    rs_free(x);
    return st;
}

rs_status rs_vector_index_seal(rs_vector_index *v, rs_err *err)
{
    return rs_has_lists(v) && !v->start ? rs_index_take_in(v, err) : RS_OK;
}

/* ---- Which may be found ------------------------------------------------ */

size_t rs_vector_index_bitmap_bytes(const rs_vector_index *v)
{
    return (rs_vector_index_count(v) + 63) / 64 * 8;
}

size_t rs_vector_index_select(const rs_vector_index *v, const int64_t *wanted, size_t n_wanted,
                              uint8_t *bits)
{
    const int64_t *ids;
    size_t n = rs_index_ids(v, &ids), at = 0, set = 0;

    for (size_t i = 0; i < n_wanted && at < n; i++) {
        size_t reach = 1;                  /* the next is near, as a rule */
        while (at + reach < n && ids[at + reach - 1] < wanted[i])
            reach *= 2;
        if (reach > n - at)
            reach = n - at;
        at += lower_bound(ids + at, reach, wanted[i]);
        if (at == n || ids[at] != wanted[i] || !is_alive(v, slot_at(v, at)))
            continue;
        bits[slot_at(v, at) / 8] |= (uint8_t)(1u << (slot_at(v, at) % 8));
        set++;
    }
    return set;
}

size_t rs_vector_index_select_owned(const rs_vector_index *v, const uint32_t *owner,
                                    const uint64_t *owners, size_t cap, uint8_t *bits)
{
    const size_t n = rs_vector_index_count(v), bytes = rs_vector_index_bitmap_bytes(v);
    size_t set = 0;

    for (size_t i = 0; i < n; i++) {
        const uint32_t o = owner[i];
        const size_t slot = slot_at(v, i);
        const bool in = o < cap && (owners[o >> 6] >> (o & 63) & 1);
        bits[slot / 8] |= (uint8_t)((unsigned)in << (slot % 8));
    }
    for (size_t i = 0; i < bytes; i++) {
        bits[i] &= v->alive[i];
        set += (size_t)__builtin_popcount(bits[i]);
    }
    return set;
}

const int64_t *rs_vector_index_ids(const rs_vector_index *v)
{
    const int64_t *ids;

    rs_index_ids(v, &ids);
    return ids;
}

/* ---- For tuning -------------------------------------------------------- */

static size_t list_at(const rs_vector_index *v, int64_t id)
{
    const int64_t *ids;
    const size_t n = rs_index_ids(v, &ids), slot = slot_at(v, lower_bound(ids, n, id));
    size_t lo = 0, hi = v->setting.lists;

    while (hi - lo > 1) {                  /* start[lo] <= slot < start[hi] */
        const size_t mid = lo + (hi - lo) / 2;
        if (v->start[mid] <= slot)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

rs_status rs_vector_index_gaps(rs_vector_index *v, const float *q, const rs_near *near, size_t n,
                               float *gap, rs_err *err)
{
    rs_status st = rs_shortlist_begin(&v->coarse, &v->centroids, q, 1, RS_CAUTION_USUAL, err);

    if (st != RS_OK)
        return st;
    rs_shortlist_estimate(&v->coarse, v->list_score, v->setting.lists);
    for (size_t i = 0; i < n; i++)
        gap[i] = near[n - 1].score - v->list_score[list_at(v, near[i].id)];
    return RS_OK;
}

size_t rs_vector_index_bar(const rs_vector_index *v, const rs_near *near, size_t n, uint8_t *bits)
{
    size_t set = v->live;

    memcpy(bits, v->alive, rs_vector_index_bitmap_bytes(v));
    for (size_t i = 0; i < n; i++) {
        const size_t list = list_at(v, near[i].id);
        for (size_t slot = v->start[list]; slot < v->start[list + 1]; slot++) {
            set -= bits[slot / 8] >> (slot % 8) & 1;
            bits[slot / 8] &= (uint8_t)~(1u << (slot % 8));
        }
    }
    return set;
}
