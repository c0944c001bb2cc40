/* vector_index.c - see vector_index.h. With faiss_ext.cpp the only place that sees FAISS.
 *
 * An IndexIDMap of 1.7.3 refuses search parameters, so its sub-index is searched and
 * positions are translated here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/vector_index.h"

#include "base/alloc.h"
#include "engine/faiss_ext.h"

#include <errno.h>
#include <faiss/c_api/MetaIndexes_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/index_factory_c.h>
#include <faiss/c_api/index_io_c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rs_vector_index {
    FaissIndex *index;            /* an IndexIDMap */
    size_t      dim, live;
    uint8_t    *alive;            /* bit per position */
    size_t      alive_cap;        /* bytes */
};

/* ---- FAISS's errors and threads -------------------------------------- */

static rs_status faiss_failed(rs_status as, const char *doing, rs_err *err)
{
    const char *why = faiss_get_last_error();

    if (why && strstr(why, "bad_alloc"))
        as = RS_ENOMEM;
    return rs_fail(err, as, "%s: FAISS: %.250s", doing, why ? why : "unknown error");
}

/* The kind for so many vectors. Flat is exact. Above about 50,000 vectors another kind
 * may pay; none is chosen before it is measured on archives of that size. */
static const char *factory_for(size_t expected)
{
    (void)expected;
    return "IDMap,Flat";
}

/* ---- Ids and positions ----------------------------------------------- */

static size_t ids_of(const rs_vector_index *v, const int64_t **ids)
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

static bool is_alive(const rs_vector_index *v, size_t at)
{
    return v->alive[at / 8] >> (at % 8) & 1;
}

size_t rs_vector_index_count(const rs_vector_index *v)
{
    return (size_t)faiss_Index_ntotal(v->index);
}

size_t rs_vector_index_live(const rs_vector_index *v) { return v->live; }

int64_t rs_vector_index_last_id(const rs_vector_index *v)
{
    const int64_t *ids;
    size_t n = ids_of(v, &ids);

    return n ? ids[n - 1] : 0;
}

const char *rs_vector_index_factory(const rs_vector_index *v)
{
    return factory_for(rs_vector_index_count(v));
}

/* ---- Make, add, remove ----------------------------------------------- */

static rs_status wrap(rs_vector_index **out, FaissIndex *index, size_t dim, rs_err *err)
{
    rs_vector_index *v = rs_calloc(1, sizeof *v);

    if (!v) {
        faiss_Index_free(index);
        return rs_fail(err, RS_ENOMEM, "vector index: no memory");
    }
    v->index = index;
    v->dim = dim;
    *out = v;
    return RS_OK;
}

rs_status rs_vector_index_new(rs_vector_index **out, size_t dim, size_t expected, rs_err *err)
{
    FaissIndex *index = NULL;

    *out = NULL;
    if (faiss_index_factory(&index, (int)dim, factory_for(expected), METRIC_INNER_PRODUCT) != 0)
        return faiss_failed(RS_EARG, "make a vector index", err);
    if (faiss_IndexIDMap_cast(index))
        faiss_IndexIDMap_set_own_fields(index, 1);
    return wrap(out, index, dim, err);
}

void rs_vector_index_free(rs_vector_index *v)
{
    if (!v)
        return;
    faiss_Index_free(v->index);
    rs_free(v->alive);
    rs_free(v);
}

/* Mark positions [from, from + n) alive. */
static rs_status enliven(rs_vector_index *v, size_t from, size_t n, rs_err *err)
{
    size_t need = (from + n + 7) / 8;

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
    st = enliven(v, before, n, err);         /* first: what FAISS has must have its bit */
    if (st != RS_OK)
        return st;
    if (faiss_Index_add_with_ids(v->index, (idx_t)n, x, ids) != 0) {
        v->live -= n;
        return faiss_failed(RS_EIO, "add to the vector index", err);
    }
    return RS_OK;
}

bool rs_vector_index_remove(rs_vector_index *v, int64_t id)
{
    const int64_t *ids;
    size_t n = ids_of(v, &ids), at = lower_bound(ids, n, id);

    if (at == n || ids[at] != id || !is_alive(v, at))
        return false;
    v->alive[at / 8] &= (uint8_t)~(1u << (at % 8));
    v->live--;
    return true;
}

/* ---- Search ---------------------------------------------------------- */

size_t rs_vector_index_bitmap_bytes(const rs_vector_index *v)
{
    return (rs_vector_index_count(v) + 7) / 8;
}

size_t rs_vector_index_select(const rs_vector_index *v, const int64_t *wanted, size_t n_wanted,
                              uint8_t *bits)
{
    const int64_t *ids;
    size_t n = ids_of(v, &ids), at = 0, set = 0;

    for (size_t i = 0; i < n_wanted && at < n; i++) {
        at += lower_bound(ids + at, n - at, wanted[i]);
        if (at == n || ids[at] != wanted[i] || !is_alive(v, at))
            continue;
        bits[at / 8] |= (uint8_t)(1u << (at % 8));
        set++;
    }
    return set;
}

static int by_score(const void *a, const void *b)
{
    const rs_near *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

/* FAISS's search over positions, restricted to `bits` unless NULL. */
static int search_positions(const rs_vector_index *v, const float *q, size_t k,
                            const uint8_t *bits, float *score, idx_t *at)
{
    FaissIndex *sub = faiss_IndexIDMap_sub_index(v->index);
    FaissSearchParameters *params = NULL;
    FaissIDSelectorBitmap *sel = NULL;
    int rc = 0, threads;

    if (bits) {
        rc = faiss_IDSelectorBitmap_new(&sel, rs_vector_index_bitmap_bytes(v), bits);
        if (rc == 0)
            rc = faiss_SearchParameters_new(&params, (FaissIDSelector *)sel);
    }
    if (rc == 0) {
        threads = rs_faiss_set_threads(1);   /* one query: a team only costs */
        rc = faiss_Index_search_with_params(sub, 1, q, (idx_t)k, params, score, at);
        rs_faiss_set_threads(threads);
    }
    if (params)
        faiss_SearchParameters_free(params);
    if (sel)
        faiss_IDSelectorBitmap_free(sel);
    return rc;
}

rs_status rs_vector_index_search(const rs_vector_index *v, const float *q, size_t k,
                                 const uint8_t *bits, rs_near *near, size_t *found, rs_err *err)
{
    size_t total = rs_vector_index_count(v), n = 0;
    const int64_t *ids;
    rs_status st = RS_OK;
    float *score;
    idx_t *at;

    *found = 0;
    if (k > total)
        k = total;
    if (k == 0)
        return RS_OK;
    if (!bits && v->live < total)
        bits = v->alive;
    score = rs_calloc(k, sizeof *score);
    at = rs_calloc(k, sizeof *at);
    if (!score || !at) {
        st = rs_fail(err, RS_ENOMEM, "vector search: no memory for %zu results", k);
        goto done;
    }
    if (search_positions(v, q, k, bits, score, at) != 0) {
        st = faiss_failed(RS_EIO, "vector search", err);
        goto done;
    }
    ids_of(v, &ids);
    for (size_t i = 0; i < k; i++)
        if (at[i] >= 0 && (size_t)at[i] < total)
            near[n++] = (rs_near){ids[at[i]], score[i]};
    qsort(near, n, sizeof *near, by_score);
    *found = n;
done:
    rs_free(score);
    rs_free(at);
    return st;
}

/* ---- File ------------------------------------------------------------ */

static rs_status digest_of(FILE *f, const char *path, char sha[RS_SHA256_HEX], rs_err *err)
{
    enum { CHUNK = 1 << 16 };
    unsigned char *buf = rs_malloc(CHUNK);
    rs_sha256 *h = rs_sha256_new();
    size_t n;

    sha[0] = '\0';
    if (!buf || !h) {
        if (h)
            rs_sha256_end(h, sha);
        rs_free(buf);
        return rs_fail(err, RS_ENOMEM, "checksum of %s: no memory", path);
    }
    rewind(f);
    while ((n = fread(buf, 1, CHUNK, f)) > 0)
        rs_sha256_add(h, buf, n);
    rs_sha256_end(h, sha);
    rs_free(buf);
    return ferror(f) ? rs_fail_errno(err, "read %s", path) : RS_OK;
}

/* The index into an open file, on disk when it returns. */
static rs_status write_file(const rs_vector_index *v, FILE *f, const char *tmp,
                            char sha[RS_SHA256_HEX], rs_err *err)
{
    if (faiss_write_index(v->index, f) != 0)
        return faiss_failed(RS_EIO, tmp, err);
    if (fflush(f) != 0 || fsync(fileno(f)) != 0)
        return rs_fail_errno(err, "write %s", tmp);
    return digest_of(f, tmp, sha, err);
}

rs_status rs_vector_index_write(const rs_vector_index *v, const char *path,
                                char sha[RS_SHA256_HEX], rs_err *err)
{
    char *tmp = rs_sprintf("%s.tmp", path);
    rs_status st;
    FILE *f;

    if (!tmp)
        return rs_fail(err, RS_ENOMEM, "write %s: no memory", path);
    f = fopen(tmp, "w+be");
    if (!f) {
        st = rs_fail_errno(err, "create %s", tmp);
        goto done;
    }
    st = write_file(v, f, tmp, sha, err);
    if (fclose(f) != 0 && st == RS_OK)
        st = rs_fail_errno(err, "close %s", tmp);
    if (st == RS_OK && rename(tmp, path) != 0)
        st = rs_fail_errno(err, "rename %s to %s", tmp, path);
    if (st != RS_OK)
        unlink(tmp);
done:
    rs_free(tmp);
    return st;
}

/* Is what FAISS has read the index we know how to search? */
static rs_status check_read(const rs_vector_index *v, const char *path, rs_err *err)
{
    const int64_t *ids;
    size_t n;

    if ((size_t)faiss_Index_d(v->index) != v->dim)
        return rs_fail(err, RS_ECORRUPT, "%s: vectors of %d floats, wanted %zu", path,
                       faiss_Index_d(v->index), v->dim);
    if (faiss_Index_metric_type(v->index) != METRIC_INNER_PRODUCT)
        return rs_fail(err, RS_ECORRUPT, "%s: not an inner-product index", path);
    if (!faiss_IndexIDMap_cast(v->index))
        return rs_fail(err, RS_ECORRUPT, "%s: not an index with ids", path);
    n = ids_of(v, &ids);
    if (n != rs_vector_index_count(v))
        return rs_fail(err, RS_ECORRUPT, "%s: %zu ids for %zu vectors", path, n,
                       rs_vector_index_count(v));
    for (size_t i = 1; i < n; i++)
        if (ids[i] <= ids[i - 1])
            return rs_fail(err, RS_ECORRUPT, "%s: id %zu is out of order", path, i);
    return RS_OK;
}

static rs_status read_file(rs_vector_index **out, FILE *f, const char *path, const char *sha,
                           size_t dim, rs_err *err)
{
    char found[RS_SHA256_HEX];
    FaissIndex *index = NULL;
    rs_status st = digest_of(f, path, found, err);

    if (st != RS_OK)
        return st;
    if (strcmp(found, sha) != 0)
        return rs_fail(err, RS_ECORRUPT, "%s: checksum %.12s, wanted %.12s", path, found, sha);
    rewind(f);
    if (faiss_read_index(f, 0, &index) != 0)
        return faiss_failed(RS_ECORRUPT, path, err);
    if ((st = wrap(out, index, dim, err)) != RS_OK)
        return st;
    if ((st = check_read(*out, path, err)) != RS_OK ||
        (st = enliven(*out, 0, rs_vector_index_count(*out), err)) != RS_OK) {
        rs_vector_index_free(*out);
        *out = NULL;
    }
    return st;
}

rs_status rs_vector_index_read(rs_vector_index **out, const char *path, const char *sha,
                               size_t dim, rs_err *err)
{
    FILE *f = fopen(path, "rbe");
    rs_status st;

    *out = NULL;
    if (!f)
        return rs_fail_errno(err, "open %s", path);
    st = read_file(out, f, path, sha, dim, err);
    fclose(f);
    return st;
}
