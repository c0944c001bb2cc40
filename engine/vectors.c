/* vectors.c - see vectors.h.
 *
 * A generation is one row of vector_caches and one file. The file is written, synced and
 * renamed first, the row committed after; only then are older files removed. A crash in
 * between leaves a file that no row names, which the next rebuild removes. A reader that
 * holds an older generation keeps searching its memory until its next refresh.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/vectors.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/log.h"
#include "embeddings/half.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 512 };                  /* vectors unpacked at a time */

struct rs_vectors {
    rs_db  *db;
    char   *folder;                    /* ARCHIVE/vectors/<encoder> */
    rs_kind kind;
    size_t  dim;
    bool    loaded;
    int64_t generation;                /* of the catalog's row when loaded */
    int64_t tombstone;                 /* last one applied */
    rs_vector_index *base, *tail;      /* either may be NULL */
};

typedef struct {
    int64_t generation, vectors, last_id;
    char    sha[RS_SHA256_HEX];
} cache_row;

static const char *const kind_names[] = {"image", "passage"};

/* The statements of a kind: whole literals, since SQL is never put together. */
static const struct { const char *after, *count; } sql_of[] = {
    {"SELECT id, vector FROM image_vectors WHERE id > ?1 ORDER BY id",
     "SELECT count(*), coalesce(max(id), 0) FROM image_vectors"},
    {"SELECT id, vector FROM passage_vectors WHERE id > ?1 ORDER BY id",
     "SELECT count(*), coalesce(max(id), 0) FROM passage_vectors"},
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

static rs_status read_row(rs_vectors *v, cache_row *row, rs_err *err)
{
    rs_stmt s = rs_db_use(v->db,
        "SELECT generation, vectors, last_id, sha256 FROM vector_caches WHERE kind = ?1", err);

    *row = (cache_row){0};
    rs_bind_int(&s, 1, v->kind);
    if (rs_step(&s)) {
        const char *sha = rs_col_text(&s, 3);
        row->generation = rs_col_int(&s, 0);
        row->vectors = rs_col_int(&s, 1);
        row->last_id = rs_col_int(&s, 2);
        snprintf(row->sha, sizeof row->sha, "%s", sha ? sha : "");
    }
    return rs_done(&s);
}

static char *cache_path(const rs_vectors *v, int64_t generation)
{
    return rs_sprintf("%s/%s.%lld.faiss", v->folder, kind_names[v->kind], (long long)generation);
}

/* One blob to floats. */
static rs_status unpack(rs_vectors *v, rs_stmt *s, float *x)
{
    size_t len;
    const void *blob = rs_col_blob(s, 1, &len);

    if (!blob || len != 2 * v->dim)
        return rs_fail(s->err, RS_ECORRUPT, "%s: vector of %s %lld: %zu bytes, wanted %zu",
                       rs_db_path(v->db), kind_names[v->kind], (long long)rs_col_int(s, 0), len,
                       2 * v->dim);
    rs_half_unpack(x, blob, v->dim);
    return RS_OK;
}

/* Add all vectors of the catalog after `last` to `index`. */
static rs_status load_after(rs_vectors *v, rs_vector_index *index, int64_t last, rs_err *err)
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
    while (st == RS_OK && rs_step(&s)) {
        ids[n] = rs_col_int(&s, 0);
        st = unpack(v, &s, x + n * v->dim);
        if (st == RS_OK && ++n == CHUNK) {
            st = rs_vector_index_add(index, ids, x, n, err);
            n = 0;
        }
    }
    done = rs_done(&s);
    if (st == RS_OK)
        st = done;
    if (st == RS_OK)
        st = rs_vector_index_add(index, ids, x, n, err);
    rs_free(x);
    return st;
}

/* The cache file as the base; where that cannot be, no base. */
static rs_status load_base(rs_vectors *v, const cache_row *row, rs_err *err)
{
    rs_err why = {RS_OK, ""};
    rs_status st;
    char *path;

    if (row->generation == 0)
        return RS_OK;
    path = cache_path(v, row->generation);
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
    }
    return RS_OK;
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
        st = rs_vector_index_new(&v->tail, v->dim, 0, err);
    return st == RS_OK ? load_after(v, v->tail, last, err) : st;
}

rs_status rs_vectors_refresh(rs_vectors *v, rs_err *err)
{
    cache_row row;
    rs_status st = read_row(v, &row, err);

    if (st != RS_OK)
        return st;
    if (!v->loaded || row.generation != v->generation) {
        unload(v);
        v->generation = row.generation;
        if ((st = load_base(v, &row, err)) != RS_OK)
            return st;
    }
    v->loaded = true;
    if ((st = apply_tombstones(v, err)) != RS_OK || (st = load_tail(v, err)) != RS_OK)
        unload(v);                         /* half taken in: begin again next time */
    return st;
}

/* ---- The next generation --------------------------------------------- */

/* Does a file with that digest stand where the row says? */
static rs_status check_file(rs_vectors *v, const cache_row *row, rs_err *err)
{
    char *path = cache_path(v, row->generation);
    char sha[RS_SHA256_HEX];
    rs_status st;

    if (!path)
        return rs_fail(err, RS_ENOMEM, "vectors: no memory");
    st = rs_sha256_file(sha, path, err);
    if (st == RS_OK && strcmp(sha, row->sha) != 0)
        st = rs_fail(err, RS_ECORRUPT, "%s: checksum %.12s, wanted %.12s", path, sha, row->sha);
    else if (st == RS_ENOENT)
        st = rs_fail(err, RS_ECORRUPT, "%s: is missing", path);
    rs_free(path);
    return st;
}

rs_status rs_vectors_check_cache(rs_vectors *v, rs_err *err)
{
    cache_row row;
    rs_status st = read_row(v, &row, err);

    return st != RS_OK || row.generation == 0 ? st : check_file(v, &row, err);
}

/* Whether the current generation holds just what the catalog holds. */
static rs_status is_current(rs_vectors *v, const cache_row *row, bool *current, size_t *count,
                            rs_err *err)
{
    int64_t last = 0, tombs = 0;
    rs_status st;
    rs_stmt s;

    *count = 0;
    s = rs_db_use(v->db, sql_of[v->kind].count, err);
    if (rs_step(&s)) {
        *count = (size_t)rs_col_int(&s, 0);
        last = rs_col_int(&s, 1);
    }
    if ((st = rs_done(&s)) != RS_OK)
        return st;
    s = rs_db_use(v->db, "SELECT count(*) FROM tombstones WHERE kind = ?1", err);
    rs_bind_int(&s, 1, v->kind);
    if (rs_step(&s))
        tombs = rs_col_int(&s, 0);
    if ((st = rs_done(&s)) != RS_OK)
        return st;
    *current = tombs == 0 && (size_t)row->vectors == *count && row->last_id == last &&
               (row->generation == 0 || check_file(v, row, NULL) == RS_OK);
    return RS_OK;
}

static rs_status write_row(rs_vectors *v, const cache_row *row, const char *factory,
                           const char *file, uint64_t bytes, rs_err *err)
{
    rs_status st;
    rs_stmt s = rs_db_use(v->db,
        "INSERT OR REPLACE INTO vector_caches"
        "(kind, generation, factory, file, sha256, bytes, vectors, last_id)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", err);

    rs_bind_int(&s, 1, v->kind);
    rs_bind_int(&s, 2, row->generation);
    rs_bind_text(&s, 3, factory);
    rs_bind_text(&s, 4, file);
    rs_bind_text(&s, 5, row->sha);
    rs_bind_int(&s, 6, (int64_t)bytes);
    rs_bind_int(&s, 7, row->vectors);
    rs_bind_int(&s, 8, row->last_id);
    if ((st = rs_run(&s)) != RS_OK)
        return st;
    s = rs_db_use(v->db, "DELETE FROM tombstones WHERE kind = ?1", err);
    rs_bind_int(&s, 1, v->kind);
    return rs_run(&s);
}

/* Remove the files of this kind that are not of `generation`. */
static void remove_others(const rs_vectors *v, int64_t generation)
{
    DIR *d = opendir(v->folder);
    char keep[64], prefix[16];
    const struct dirent *e;

    if (!d)
        return;
    snprintf(prefix, sizeof prefix, "%s.", kind_names[v->kind]);
    snprintf(keep, sizeof keep, "%s%lld.faiss", prefix, (long long)generation);
    while ((e = readdir(d)))
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 && strcmp(e->d_name, keep) != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
}

/* File and row of the generation after `row`, inside a write transaction. */
static rs_status write_next(rs_vectors *v, cache_row *row, size_t count, rs_err *err)
{
    rs_vector_index *index = NULL;
    char *path = NULL;
    struct stat sb;
    rs_status st;

    row->generation++;
    path = cache_path(v, row->generation);
    if (!path)
        return rs_fail(err, RS_ENOMEM, "vectors: no memory");
    if ((st = rs_mkdirs(v->folder, err)) != RS_OK ||
        (st = rs_vector_index_new(&index, v->dim, count, err)) != RS_OK ||
        (st = load_after(v, index, 0, err)) != RS_OK ||
        (st = rs_vector_index_write(index, path, row->sha, err)) != RS_OK)
        goto done;
    if (stat(path, &sb) != 0) {
        st = rs_fail_errno(err, "stat %s", path);
        goto done;
    }
    row->vectors = (int64_t)rs_vector_index_count(index);
    row->last_id = rs_vector_index_last_id(index);
    st = write_row(v, row, rs_vector_index_factory(index), path + strlen(v->folder) + 1,
                   (uint64_t)sb.st_size, err);
done:
    rs_vector_index_free(index);
    rs_free(path);
    return st;
}

rs_status rs_vectors_rebuild(rs_vectors *v, rs_err *err)
{
    bool current = false;
    size_t count;
    cache_row row;
    rs_status st;

    if ((st = rs_db_begin(v->db, err)) != RS_OK)
        return st;
    if ((st = read_row(v, &row, err)) != RS_OK ||
        (st = is_current(v, &row, &current, &count, err)) != RS_OK)
        goto done;
    if (current)
        goto done;
    if ((st = write_next(v, &row, count, err)) != RS_OK)
        goto done;
    if ((st = rs_db_commit(v->db, err)) == RS_OK)
        remove_others(v, row.generation);
done:
    rs_db_rollback(v->db);
    return st;
}

/* ---- Search ---------------------------------------------------------- */

static rs_status select_in(const rs_vector_index *index, const int64_t *ids, size_t n,
                           rs_arena *mem, uint8_t **bits, size_t *set, rs_err *err)
{
    if (!index)
        return RS_OK;
    *bits = rs_new(mem, uint8_t, rs_vector_index_bitmap_bytes(index) + 1);
    if (!*bits)
        return rs_fail(err, RS_ENOMEM, "filter: no memory");
    *set += rs_vector_index_select(index, ids, n, *bits);
    return RS_OK;
}

rs_status rs_vectors_select(const rs_vectors *v, const int64_t *ids, size_t n, rs_arena *mem,
                            rs_selection *out, rs_err *err)
{
    rs_status st;

    *out = (rs_selection){0};
    st = select_in(v->base, ids, n, mem, &out->base, &out->n, err);
    return st != RS_OK ? st : select_in(v->tail, ids, n, mem, &out->tail, &out->n, err);
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
        st = rs_vector_index_search(v->base, q, k, sel ? sel->base : NULL, a, &na, err);
    if (st == RS_OK && v->tail)
        st = rs_vector_index_search(v->tail, q, k, sel ? sel->tail : NULL, b, &nb, err);
    if (st == RS_OK)
        *n = merge(*out, k, a, na, b, nb);
    return st;
}
