/* vectors.c - see vectors.h.
 *
 * vectors_build.c makes generations. A reader that holds an older one keeps searching its
 * memory until its next refresh.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/vectors_int.h"

#include "base/alloc.h"
#include "base/log.h"
#include "embeddings/half.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 512 };                  /* vectors unpacked at a time */

const char *const rs_kind_names[RS_KINDS] = {"image", "passage", "case", "region"};

rs_kind rs_kind_asked_by(rs_kind kind)
{
    return kind == RS_KIND_IMAGE ? RS_KIND_PASSAGE : kind == RS_KIND_PASSAGE ? RS_KIND_IMAGE : kind;
}

/* The statements of a kind: whole literals, since SQL is never put together. */
static const struct { const char *after, *one, *setting, *owner, *owners; } sql_of[] = {
    {"SELECT id, vector FROM image_vectors WHERE id > ?1 ORDER BY id",
     "SELECT id, vector FROM image_vectors WHERE id = ?1",
     "SELECT value FROM meta WHERE key = 'vectors.image'",
     "SELECT id, case_id FROM images WHERE id >= ?1 ORDER BY id",
     "SELECT id, case_id FROM images"},
    {"SELECT id, vector FROM passage_vectors WHERE id > ?1 ORDER BY id",
     "SELECT id, vector FROM passage_vectors WHERE id = ?1",
     "SELECT value FROM meta WHERE key = 'vectors.passage'",
     "SELECT id, case_id FROM passages WHERE id >= ?1 ORDER BY id",
     "SELECT id, case_id FROM passages"},
    {"SELECT id, vector FROM case_vectors WHERE id > ?1 ORDER BY id",
     "SELECT id, vector FROM case_vectors WHERE id = ?1",
     "SELECT value FROM meta WHERE key = 'vectors.case'",
     "SELECT id, case_id FROM case_vectors WHERE id >= ?1 ORDER BY id",
     "SELECT id, case_id FROM case_vectors"},
    {"SELECT id, vector FROM region_vectors WHERE id > ?1 ORDER BY id",
     "SELECT id, vector FROM region_vectors WHERE id = ?1",
     "SELECT value FROM meta WHERE key = 'vectors.region'",
     "SELECT r.id, i.case_id FROM region_vectors r JOIN images i ON i.id = r.image_id"
     " WHERE r.id >= ?1 ORDER BY r.id",
     "SELECT r.id, i.case_id FROM images i JOIN region_vectors r ON r.image_id = i.id"},
};

/* ---- Make, free ------------------------------------------------------ */

rs_status rs_vectors_new(rs_vectors **out, rs_db *db, const char *folder, rs_kind kind,
                         const char *encoder_id, size_t dim, rs_err *err)
{
    rs_vectors *v = rs_calloc(1, sizeof *v);

    *out = NULL;
    if (!v || !(v->folder = rs_sprintf("%s/vectors/%.16s", folder, encoder_id))) {
        rs_free(v);
        return rs_fail(err, RS_ENOMEM, "archive %s: no memory", folder);
    }
    v->db = db;
    v->kind = kind;
    v->dim = dim;
    *out = v;
    return RS_OK;
}

static void unload(rs_vectors *v)
{
    rs_vector_index_free(v->base);
    rs_vector_index_free(v->tail);
    v->base = v->tail = NULL;
    rs_free(v->base_owners.case_id);
    rs_free(v->tail_owners.case_id);
    v->base_owners = v->tail_owners = (rs_owners){0};
    v->loaded = false;
    v->tombstone = 0;
}

void rs_vectors_free(rs_vectors *v)
{
    if (!v)
        return;
    unload(v);
    rs_free(v->folder);
    rs_free(v);
}

size_t rs_vectors_live(const rs_vectors *v)
{
    return (v->base ? rs_vector_index_live(v->base) : 0) +
           (v->tail ? rs_vector_index_live(v->tail) : 0);
}

int64_t rs_vectors_generation(const rs_vectors *v) { return v->base ? v->generation : 0; }

/* ---- From the catalog ------------------------------------------------ */

rs_status rs_vectors_read_row(rs_vectors *v, rs_cache_row *row, rs_err *err)
{
    rs_stmt s = rs_db_use(v->db,
        "SELECT generation, vectors, last_id, sha256, factory FROM vector_caches"
        " WHERE kind = ?1", err);

    *row = (rs_cache_row){0};
    rs_bind_int(&s, 1, v->kind);
    if (rs_step(&s)) {
        const char *sha = rs_col_text(&s, 3), *factory = rs_col_text(&s, 4);
        row->generation = rs_col_int(&s, 0);
        row->vectors = rs_col_int(&s, 1);
        row->last_id = rs_col_int(&s, 2);
        snprintf(row->sha, sizeof row->sha, "%s", sha ? sha : "");
        snprintf(row->factory, sizeof row->factory, "%s", factory ? factory : "");
    }
    return rs_done(&s);
}

/* "ivf 1024 8 24 0.21 0.99 auto"; one that cannot be read is none. */
rs_status rs_vectors_read_setting(rs_vectors *v, rs_vectors_setting *out, rs_err *err)
{
    rs_stmt s = rs_db_use(v->db, sql_of[v->kind].setting, err);
    rs_vectors_setting it = {.recall = RS_RECALL_WANTED};
    char kind[8], how[8];

    *out = it;
    if (rs_step(&s)) {
        const char *text = rs_col_text(&s, 0);
        if (text && sscanf(text, "%7s %zu %zu %zu %f %lf %7s", kind, &it.index.lists,
                           &it.index.effort[0], &it.index.effort[1], &it.index.margin, &it.recall,
                           how) == 7 &&
            isfinite(it.index.margin) &&
            rs_index_kind_of(kind, &it.index.kind) && it.recall > 0 && it.recall <= 1) {
            it.there = true;
            it.tuned = strcmp(how, "tuned") == 0;
            *out = it;
        }
    }
    return rs_done(&s);
}

char *rs_vectors_cache_path(const rs_vectors *v, int64_t generation)
{
    return rs_sprintf("%s/%s.%lld.faiss", v->folder, rs_kind_names[v->kind],
                      (long long)generation);
}

/* One blob to floats. */
static rs_status unpack(rs_vectors *v, rs_stmt *s, float *x)
{
    size_t len;
    const void *blob = rs_col_blob(s, 1, &len);

    if (!blob || len != 2 * v->dim)
        return rs_fail(s->err, RS_ECORRUPT, "%s: vector of %s %lld: %zu bytes, wanted %zu",
                       rs_db_path(v->db), rs_kind_names[v->kind], (long long)rs_col_int(s, 0), len,
                       2 * v->dim);
    rs_half_unpack(x, blob, v->dim);
    return RS_OK;
}

rs_status rs_vectors_each(rs_vectors *v, int64_t last, size_t stride, rs_vectors_take take,
                          void *ctx, rs_err *err)
{
    float *x = rs_calloc_aligned(CHUNK * v->dim, sizeof *x);
    rs_status st = RS_OK, done;
    int64_t ids[CHUNK];
    size_t n = 0;
    rs_stmt s;

    if (!x)
        return rs_fail(err, RS_ENOMEM, "vectors: no memory");
    s = rs_db_use(v->db, sql_of[v->kind].after, err);
    rs_bind_int(&s, 1, last);
    for (size_t i = 0; st == RS_OK && rs_step(&s); i++) {
        if (i % stride)
            continue;
        ids[n] = rs_col_int(&s, 0);
        st = unpack(v, &s, x + n * v->dim);
        if (st == RS_OK && ++n == CHUNK) {
            st = take(ctx, ids, x, n, err);
            n = 0;
        }
    }
    done = rs_done(&s);
    if (st == RS_OK)
        st = done;
    if (st == RS_OK)
        st = take(ctx, ids, x, n, err);
    rs_free(x);
    return st;
}

rs_status rs_vectors_first_after(rs_vectors *v, int64_t after, int64_t *id, float *x, rs_err *err)
{
    rs_stmt s = rs_db_use(v->db, sql_of[v->kind].after, err);
    rs_status st = RS_OK, done;

    *id = 0;
    rs_bind_int(&s, 1, after);
    if (rs_step(&s)) {
        *id = rs_col_int(&s, 0);
        st = unpack(v, &s, x);
    }
    done = rs_done(&s);
    return st == RS_OK ? done : st;
}

rs_status rs_vectors_add_to(void *index, const int64_t *ids, const float *x, size_t n, rs_err *err)
{
    return rs_vector_index_add(index, ids, x, n, err);
}

rs_status rs_vectors_half(void *ctx, int64_t id, uint16_t *half, rs_err *err)
{
    rs_vectors *v = ctx;
    rs_stmt s = rs_db_use(v->db, sql_of[v->kind].one, err);
    rs_status st = RS_OK, done;

    rs_bind_int(&s, 1, id);
    if (rs_step(&s)) {
        size_t len;
        const void *blob = rs_col_blob(&s, 1, &len);
        if (blob && len == 2 * v->dim)
            memcpy(half, blob, len);
        else
            st = rs_fail(err, RS_ECORRUPT, "%s: vector of %s %lld: %zu bytes, wanted %zu",
                         rs_db_path(v->db), rs_kind_names[v->kind], (long long)id, len,
                         2 * v->dim);
    } else {
        memset(half, 0xFF, 2 * v->dim);      /* not there any more: not a number, not found */
    }
    done = rs_done(&s);
    return st == RS_OK ? done : st;
}

/* Look as hard as was measured, where that was this kind of index. */
static rs_status use_setting(rs_vectors *v, rs_err *err)
{
    const rs_index_setting *is = rs_vector_index_setting(v->base);
    rs_vectors_setting s;
    rs_status st = rs_vectors_read_setting(v, &s, err);

    if (st == RS_OK && s.there && s.index.kind == is->kind && s.index.lists == is->lists)
        rs_vector_index_set_effort(v->base, &s.index);
    return st;
}

/* The cache file as the base; where that cannot be, no base. */
static rs_status load_base(rs_vectors *v, const rs_cache_row *row, rs_err *err)
{
    rs_err why = {RS_OK, ""};
    rs_status st;
    char *path;

    if (row->generation == 0)
        return RS_OK;
    path = rs_vectors_cache_path(v, row->generation);
    if (!path)
        return rs_fail(err, RS_ENOMEM, "vectors: no memory");
    st = rs_vector_index_read(&v->base, path, row->sha, v->dim, &why);
    rs_free(path);
    if (st == RS_ENOMEM)
        return rs_fail(err, st, "%s", why.msg);
    if (st == RS_OK && (rs_vector_index_last_id(v->base) != row->last_id ||
                        (int64_t)rs_vector_index_count(v->base) != row->vectors))
        st = rs_fail(&why, RS_ECORRUPT, "generation %lld: other vectors than recorded",
                     (long long)row->generation);
    if (st != RS_OK) {
        rs_vector_index_free(v->base);
        v->base = NULL;
        rs_log_error(RS_LOG_WARN, "vector cache not used; searching the catalog's vectors", &why);
        return RS_OK;
    }
    rs_vector_index_set_source(v->base, rs_vectors_half, v);
    return use_setting(v, err);
}

static rs_status apply_tombstones(rs_vectors *v, rs_err *err)
{
    rs_stmt s = rs_db_use(v->db,
        "SELECT seq, id FROM tombstones WHERE kind = ?1 AND seq > ?2 ORDER BY seq", err);

    rs_bind_int(&s, 1, v->kind);
    rs_bind_int(&s, 2, v->tombstone);
    while (rs_step(&s)) {
        int64_t id = rs_col_int(&s, 1);
        v->tombstone = rs_col_int(&s, 0);
        if (!(v->base && rs_vector_index_remove(v->base, id)) && v->tail)
            rs_vector_index_remove(v->tail, id);
    }
    return rs_done(&s);
}

static rs_status load_tail(rs_vectors *v, rs_err *err)
{
    int64_t last = v->tail && rs_vector_index_count(v->tail) ? rs_vector_index_last_id(v->tail)
                 : v->base ? rs_vector_index_last_id(v->base) : 0;
    rs_status st = RS_OK;

    if (!v->tail)
        st = rs_vector_index_new(&v->tail, v->dim, NULL, err);
    return st == RS_OK ? rs_vectors_each(v, last, 1, rs_vectors_add_to, v->tail, err) : st;
}

rs_status rs_vectors_refresh(rs_vectors *v, rs_err *err)
{
    rs_cache_row row;
    rs_status st = rs_vectors_read_row(v, &row, err);

    if (st != RS_OK)
        return st;
    if (!v->loaded || row.generation != v->generation) {
        unload(v);
        v->generation = row.generation;
        if ((st = load_base(v, &row, err)) != RS_OK) {
            unload(v);
            return st;
        }
    }
    v->loaded = true;
    if ((st = apply_tombstones(v, err)) != RS_OK || (st = load_tail(v, err)) != RS_OK)
        unload(v);                         /* half taken in: begin again next time */
    return st;
}

/* ---- Whose they are -------------------------------------------------- */

/* Where `id` is among n ascending ids, at or near `hint`; n where it is not. */
static size_t position_of(const int64_t *ids, size_t n, size_t hint, int64_t id)
{
    size_t low = 0, high = n;

    if (hint < n && ids[hint] == id)
        return hint;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && ids[low] == id ? low : n;
}

static rs_status make_room(rs_owners *o, size_t n, rs_err *err)
{
    const size_t want = n > o->cap + o->cap / 2 ? n : o->cap + o->cap / 2;
    uint32_t *more;

    if (n <= o->cap)
        return RS_OK;
    more = rs_realloc(o->case_id, want, sizeof *more);
    if (!more)
        return rs_fail(err, RS_ENOMEM, "vectors: no memory for the cases of %zu", n);
    o->case_id = more;
    o->cap = want;
    return RS_OK;
}

/* Those that are not known yet. A few are looked up, many are read off an index of the
 * catalog, which gives them in the order of cases but spares it the rows. */
static rs_status read_owners(rs_vectors *v, const rs_vector_index *index, rs_owners *o, rs_err *err)
{
    enum { FEW = 1000 };
    const size_t n = index ? rs_vector_index_count(index) : 0, known = o->n;
    const bool few = n - known < FEW;
    const int64_t *ids;
    size_t at = known;
    rs_status st;
    rs_stmt s;

    if (known == n)
        return RS_OK;
    if ((st = make_room(o, n, err)) != RS_OK)
        return st;
    ids = rs_vector_index_ids(index);
    memset(o->case_id + known, 0, (n - known) * sizeof *o->case_id);
    s = rs_db_use(v->db, few ? sql_of[v->kind].owner : sql_of[v->kind].owners, err);
    if (few)
        rs_bind_int(&s, 1, ids[known]);
    while (rs_step(&s)) {
        const int64_t id = rs_col_int(&s, 0), of = rs_col_int(&s, 1);
        const size_t place = position_of(ids, n, at, id);
        if (place < known || place == n || of < 0 || of > UINT32_MAX)
            continue;
        o->case_id[place] = (uint32_t)of;
        at = place + 1;
    }
    if ((st = rs_done(&s)) == RS_OK)
        o->n = n;
    return st;
}

/* ---- Search ---------------------------------------------------------- */

static rs_status select_in(const rs_vector_index *index, const rs_owners *owners,
                           const uint64_t *cases, size_t cap, rs_arena *mem, uint8_t **bits,
                           size_t *set, rs_err *err)
{
    if (!index)
        return RS_OK;
    *bits = rs_new(mem, uint8_t, rs_vector_index_bitmap_bytes(index) + 8);
    if (!*bits)
        return rs_fail(err, RS_ENOMEM, "filter: no memory");
    *set += rs_vector_index_select_owned(index, owners->case_id, cases, cap, *bits);
    return RS_OK;
}

rs_status rs_vectors_select(rs_vectors *v, const uint64_t *cases, size_t cap, rs_arena *mem,
                            rs_selection *out, rs_err *err)
{
    rs_status st;

    *out = (rs_selection){0};
    if ((st = read_owners(v, v->base, &v->base_owners, err)) != RS_OK ||
        (st = read_owners(v, v->tail, &v->tail_owners, err)) != RS_OK ||
        (st = select_in(v->base, &v->base_owners, cases, cap, mem, &out->base, &out->n, err)) != RS_OK)
        return st;
    out->in_base = out->n;
    return select_in(v->tail, &v->tail_owners, cases, cap, mem, &out->tail, &out->n, err);
}

rs_status rs_vectors_owner_missed(rs_vectors *v, rs_err *err)
{
    enum { MANY = 5000 };
    rs_status st;

    if (++v->owners_missed < MANY)
        return RS_OK;
    v->owners_missed = 0;
    st = read_owners(v, v->base, &v->base_owners, err);
    return st == RS_OK ? read_owners(v, v->tail, &v->tail_owners, err) : st;
}

static int64_t owner_in(const rs_vector_index *index, const rs_owners *o, int64_t id)
{
    const size_t at = index ? position_of(rs_vector_index_ids(index), o->n, 0, id) : o->n;

    return at < o->n ? o->case_id[at] : 0;
}

int64_t rs_vectors_owner(const rs_vectors *v, int64_t id)
{
    const int64_t owner = owner_in(v->base, &v->base_owners, id);

    return owner ? owner : owner_in(v->tail, &v->tail_owners, id);
}

/* Merge two lists, each best first, to the best k. */
static size_t merge(rs_near *to, size_t k, const rs_near *a, size_t na, const rs_near *b,
                    size_t nb)
{
    size_t n = 0, i = 0, j = 0;

    while (n < k && (i < na || j < nb)) {
        bool left = j == nb || (i < na && (a[i].score > b[j].score ||
                                           (a[i].score == b[j].score && a[i].id < b[j].id)));
        to[n++] = left ? a[i++] : b[j++];
    }
    return n;
}

rs_status rs_vectors_search(const rs_vectors *v, const float *q, size_t k,
                            const rs_selection *sel, rs_arena *mem, rs_near **out, size_t *n,
                            rs_err *err)
{
    size_t most = sel ? sel->n : rs_vectors_live(v), na = 0, nb = 0;
    rs_status st = RS_OK;
    rs_near *a, *b;

    *out = NULL;
    *n = 0;
    if (k > most)
        k = most;
    if (k == 0)
        return RS_OK;
    a = rs_new(mem, rs_near, k);
    b = rs_new(mem, rs_near, k);
    *out = rs_new(mem, rs_near, k);
    if (!a || !b || !*out)
        return rs_fail(err, RS_ENOMEM, "vector search: no memory");
    if (v->base)
        st = rs_vector_index_search(v->base, q, k, sel ? sel->base : NULL, sel ? sel->in_base : 0, a, &na,
                                    err);
    if (st == RS_OK && v->tail)
        st = rs_vector_index_search(v->tail, q, k, sel ? sel->tail : NULL,
                                    sel ? sel->n - sel->in_base : 0, b, &nb, err);
    if (st == RS_OK)
        *n = merge(*out, k, a, na, b, nb);
    return st;
}
