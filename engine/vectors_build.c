/* vectors_build.c - the next generation of an archive's vector index. See vectors.h.
 *
 * A generation is one row of vector_caches and one file:
 *
 *   in a snapshot    the vectors are read, the index is built, written and measured
 *   no transaction   the file is there, synced and renamed; no row names it
 *   a short write    the row, what was measured, the tombstones that the file lacks
 *   after it         files of other generations are removed
 *
 * So readers and the writer go on all the while; what is written meanwhile has larger ids
 * and later tombstones and stays tail. Where another generation was put in meanwhile, ours is
 * dropped. A crash leaves at most a file without a row, which the next one removes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/vectors_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { QUERIES = 100, WORTH = 16, FEW_FOR_LISTS = 5000, MANY_FOR_GRAPH = 200000 };
static const double QUICK_MS = 1;      /* an exact answer this quick is not bettered */

/* What is to be built, and upon what. */
typedef struct {
    rs_vectors        *v, *other;
    rs_cache_row       row;            /* the generation there is */
    rs_vectors_setting setting;
    size_t             count;
    int64_t            last_id, tombstone, tombstones;
    uint64_t           memory;
    rs_tune_queries    queries;
    float             *x;
    int64_t           *self;
} plan;

static const struct { const char *count, *set; } sql_of[] = {
    {"SELECT count(*), coalesce(max(id), 0) FROM image_vectors",
     "INSERT OR REPLACE INTO meta VALUES('vectors.image', ?1)"},
    {"SELECT count(*), coalesce(max(id), 0) FROM passage_vectors",
     "INSERT OR REPLACE INTO meta VALUES('vectors.passage', ?1)"},
    {"SELECT count(*), coalesce(max(id), 0) FROM case_vectors",
     "INSERT OR REPLACE INTO meta VALUES('vectors.case', ?1)"},
    {"SELECT count(*), coalesce(max(id), 0) FROM region_vectors",
     "INSERT OR REPLACE INTO meta VALUES('vectors.region', ?1)"},
};

/* ---- What there is ----------------------------------------------------- */

/* Does a file with that digest stand where the row says? */
static rs_status check_file(rs_vectors *v, const rs_cache_row *row, rs_err *err)
{
    char *path = rs_vectors_cache_path(v, row->generation);
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
    rs_cache_row row;
    rs_status st = rs_vectors_read_row(v, &row, err);

    return st != RS_OK || row.generation == 0 ? st : check_file(v, &row, err);
}

/* Inside a snapshot. */
static rs_status look(plan *p, rs_err *err)
{
    rs_vectors *v = p->v;
    rs_status st;
    rs_stmt s;

    if ((st = rs_vectors_read_row(v, &p->row, err)) != RS_OK ||
        (st = rs_vectors_read_setting(v, &p->setting, err)) != RS_OK)
        return st;
    s = rs_db_use(v->db, sql_of[v->kind].count, err);
    if (rs_step(&s)) {
        p->count = (size_t)rs_col_int(&s, 0);
        p->last_id = rs_col_int(&s, 1);
    }
    if ((st = rs_done(&s)) != RS_OK)
        return st;
    s = rs_db_use(v->db,
        "SELECT count(*), coalesce(max(seq), 0) FROM tombstones WHERE kind = ?1", err);
    rs_bind_int(&s, 1, v->kind);
    if (rs_step(&s)) {
        p->tombstones = rs_col_int(&s, 0);
        p->tombstone = rs_col_int(&s, 1);
    }
    return rs_done(&s);
}

/* The kind of the next generation: what was tuned, or what suits the size. Lists stay as
 * many as they are while that is near what their number should be. */
static rs_index_setting wanted(const plan *p)
{
    rs_index_setting s = rs_index_setting_for(p->count, p->v->dim, p->memory);
    const size_t ideal = rs_index_lists_for(p->count), is = p->setting.index.lists;

    if (p->setting.tuned && p->count > 0) {
        s = (rs_index_setting){.kind = p->setting.index.kind};
        if (s.kind == RS_INDEX_IVF || s.kind == RS_INDEX_SQ8)
            s.lists = ideal;
        if (s.kind == RS_INDEX_FLAT && p->count > 4 * RS_FLAT_MOST)
            s = rs_index_setting_for(p->count, p->v->dim, p->memory);
    }
    if (s.lists && p->setting.there && is >= ideal / 2 && is <= 2 * ideal && is > 0)
        s.lists = is;
    return s;
}

static bool worth_it(const plan *p, bool lazy)
{
    const rs_index_setting s = wanted(p);
    const int64_t count = (int64_t)p->count, before = p->row.vectors, gone = p->tombstones;
    char factory[RS_FACTORY_SIZE];
    int64_t added;

    if (p->row.generation == 0 && gone == 0)
        return count > 0;
    rs_index_factory(&s, factory);
    if (strcmp(factory, p->row.factory) != 0 || check_file(p->v, &p->row, NULL) != RS_OK)
        return true;
    if (gone == 0 && before == count && p->row.last_id == p->last_id)
        return false;
    added = count + gone > before ? count + gone - before : 0;
    return !lazy || count <= RS_FLAT_MOST || (added + gone) * WORTH > count;
}

/* ---- Queries to measure with ------------------------------------------- */

/* About QUERIES of v's vectors, evenly spread over its ids. */
static rs_status take_queries(rs_vectors *v, int64_t last, float *x, int64_t *self, size_t *n,
                              bool own, rs_err *err)
{
    int64_t id, after = 0;

    for (size_t i = 0; i < QUERIES; i++) {
        const int64_t from = last / QUERIES * (int64_t)i;
        rs_status st;
        if (from > after)
            after = from;
        st = rs_vectors_first_after(v, after, &id, x + *n * v->dim, err);
        if (st != RS_OK || !id)
            return st;
        self[(*n)++] = own ? id : 0;
        after = id;
    }
    return RS_OK;
}

static rs_status find_queries(plan *p, rs_err *err)
{
    const size_t dim = p->v->dim;
    int64_t last = 0;
    size_t n = 0;
    rs_status st;
    rs_stmt s;

    p->x = rs_calloc_aligned(2 * QUERIES, dim * sizeof *p->x);
    p->self = rs_calloc(2 * QUERIES, sizeof *p->self);
    if (!p->x || !p->self)
        return rs_fail(err, RS_ENOMEM, "tune: no memory");
    if ((st = take_queries(p->v, p->last_id, p->x, p->self, &n, true, err)) != RS_OK)
        return st;
    p->queries.own = n;
    if (p->other) {
        s = rs_db_use(p->v->db, sql_of[p->other->kind].count, err);
        if (rs_step(&s))
            last = rs_col_int(&s, 1);
        if ((st = rs_done(&s)) == RS_OK)
            st = take_queries(p->other, last, p->x, p->self, &n, false, err);
    }
    p->queries.x = p->x;
    p->queries.self = p->self;
    p->queries.n = n;
    return st;
}

static void forget(plan *p)
{
    rs_free(p->x);
    rs_free(p->self);
}

/* ---- Build ------------------------------------------------------------- */

typedef struct { float *x; size_t n, cap, dim; } sample;

static rs_status keep_sample(void *ctx, const int64_t *ids, const float *x, size_t n, rs_err *err)
{
    sample *s = ctx;

    (void)ids;
    (void)err;
    if (n > s->cap - s->n)
        n = s->cap - s->n;
    if (n)
        memcpy(s->x + s->n * s->dim, x, n * s->dim * sizeof *x);
    s->n += n;
    return RS_OK;
}

static rs_status train(plan *p, rs_vector_index *index, rs_err *err)
{
    sample s = {.cap = rs_vector_index_sample(index), .dim = p->v->dim};
    rs_status st;

    if (s.cap == 0 || p->count == 0)
        return RS_OK;
    if (s.cap > p->count)
        s.cap = p->count;
    s.x = rs_calloc_aligned(s.cap, s.dim * sizeof *s.x);
    if (!s.x)
        return rs_fail(err, RS_ENOMEM, "vector index: no memory to train with %zu vectors", s.cap);
    st = rs_vectors_each(p->v, 0, p->count / s.cap, keep_sample, &s, err);
    if (st == RS_OK)
        st = rs_vector_index_train(index, s.x, s.n, err);
    rs_free(s.x);
    return st;
}

/* An index of `setting` over all vectors to the file `path`, measured. Inside a snapshot. */
static rs_status build(plan *p, const rs_index_setting *setting, double recall, bool whole,
                       const char *path, rs_tune_try *out, rs_cache_row *row, rs_err *err)
{
    const double start = rs_now_s();
    rs_vector_index *index = NULL;
    struct stat sb;
    rs_status st;

    *out = (rs_tune_try){.setting = *setting};
    rs_index_factory(setting, out->factory);
    if ((st = rs_vector_index_new(&index, p->v->dim, setting, err)) != RS_OK ||
        (st = train(p, index, err)) != RS_OK ||
        (st = rs_vectors_each(p->v, 0, 1, rs_vectors_add_to, index, err)) != RS_OK ||
        (st = rs_vector_index_write(index, path, row->sha, err)) != RS_OK)
        goto done;
    if (stat(path, &sb) != 0) {
        st = rs_fail_errno(err, "stat %s", path);
        goto done;
    }
    row->generation = p->row.generation + 1;
    row->vectors = (int64_t)rs_vector_index_count(index);
    row->last_id = rs_vector_index_last_id(index);
    snprintf(row->factory, sizeof row->factory, "%s", out->factory);
    out->file_bytes = (uint64_t)sb.st_size;
    if (p->queries.n) {
        rs_vector_index_set_source(index, rs_vectors_half, p->v);
        if ((st = rs_vector_index_seal(index, err)) != RS_OK)
            goto done;
        out->build_s = rs_now_s() - start;
        out->memory_bytes = rs_vector_index_bytes(index);
        st = rs_tune(index, &p->queries, recall, whole, &out->tuned, err);
        out->setting = *rs_vector_index_setting(index);
    }
done:
    rs_vector_index_free(index);
    if (st != RS_OK)
        unlink(path);
    return st;
}

/* ---- Put in ------------------------------------------------------------ */

static rs_status write_row(rs_vectors *v, const rs_cache_row *row, const char *file,
                           uint64_t bytes, int64_t tombstone, rs_err *err)
{
    rs_status st;
    rs_stmt s = rs_db_use(v->db,
        "INSERT OR REPLACE INTO vector_caches"
        "(kind, generation, factory, file, sha256, bytes, vectors, last_id)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", err);

    rs_bind_int(&s, 1, v->kind);
    rs_bind_int(&s, 2, row->generation);
    rs_bind_text(&s, 3, row->factory);
    rs_bind_text(&s, 4, file);
    rs_bind_text(&s, 5, row->sha);
    rs_bind_int(&s, 6, (int64_t)bytes);
    rs_bind_int(&s, 7, row->vectors);
    rs_bind_int(&s, 8, row->last_id);
    if ((st = rs_run(&s)) != RS_OK)
        return st;
    s = rs_db_use(v->db, "DELETE FROM tombstones WHERE kind = ?1 AND seq <= ?2", err);
    rs_bind_int(&s, 1, v->kind);
    rs_bind_int(&s, 2, tombstone);
    return rs_run(&s);
}

static rs_status write_setting(rs_vectors *v, const rs_index_setting *is, double recall,
                               bool tuned, rs_err *err)
{
    char text[96];
    rs_stmt s;

    if (is->kind == RS_INDEX_FLAT && !tuned)
        return RS_OK;
    snprintf(text, sizeof text, "%s %zu %zu %zu %.4f %.6g %s", rs_index_kind_name(is->kind),
             is->lists, is->effort[0], is->effort[1], (double)is->margin, recall,
             tuned ? "tuned" : "auto");
    s = rs_db_use(v->db, sql_of[v->kind].set, err);
    rs_bind_text(&s, 1, text);
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
    snprintf(prefix, sizeof prefix, "%s.", rs_kind_names[v->kind]);
    snprintf(keep, sizeof keep, "%s%lld.faiss", prefix, (long long)generation);
    while ((e = readdir(d)))
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 && strcmp(e->d_name, keep) != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
}

/* The file at `path` becomes the current generation, unless that has changed. */
static rs_status put_in(plan *p, const char *path, const rs_cache_row *row, const rs_tune_try *t,
                        double recall, bool tuned, rs_err *err)
{
    rs_vectors *v = p->v;
    rs_cache_row now;
    rs_status st = rs_db_begin(v->db, err);

    if (st != RS_OK)
        goto done;
    if ((st = rs_vectors_read_row(v, &now, err)) != RS_OK)
        goto done;
    if (now.generation != p->row.generation) {
        rs_db_rollback(v->db);
        unlink(path);
        return RS_OK;
    }
    if ((st = write_row(v, row, path + strlen(v->folder) + 1, t->file_bytes, p->tombstone,
                        err)) == RS_OK &&
        (st = write_setting(v, &t->setting, recall, tuned, err)) == RS_OK &&
        (st = rs_db_commit(v->db, err)) == RS_OK)
        remove_others(v, row->generation);
done:
    rs_db_rollback(v->db);
    if (st != RS_OK)
        unlink(path);
    return st;
}

/* ---- Rebuild ----------------------------------------------------------- */

/* In a snapshot: is there anything to do, and where it is, the file. */
static rs_status make_file(plan *p, bool lazy, char **path, rs_cache_row *row, rs_tune_try *t,
                           rs_err *err)
{
    rs_index_setting s;
    rs_status st = look(p, err);

    if (st != RS_OK || !worth_it(p, lazy))
        return st;
    s = wanted(p);
    *path = rs_vectors_cache_path(p->v, p->row.generation + 1);
    if (!*path)
        return rs_fail(err, RS_ENOMEM, "vectors: no memory");
    if ((st = rs_mkdirs(p->v->folder, err)) != RS_OK)
        return st;
    if (s.kind != RS_INDEX_FLAT && (st = find_queries(p, err)) != RS_OK)
        return st;
    return build(p, &s, p->setting.recall, false, *path, t, row, err);
}

rs_status rs_vectors_rebuild(rs_vectors *v, rs_vectors *other, bool lazy, rs_err *err)
{
    plan p = {.v = v, .other = other, .memory = rs_index_memory()};
    rs_cache_row row = {0};
    char *path = NULL;
    rs_tune_try t;
    rs_status st = rs_db_read_begin(v->db, err);

    if (st != RS_OK)
        return st;
    st = make_file(&p, lazy, &path, &row, &t, err);
    rs_db_read_end(v->db);
    if (st == RS_OK && path)
        st = put_in(&p, path, &row, &t, p.setting.recall, p.setting.tuned, err);
    rs_free(path);
    forget(&p);
    return st;
}

/* ---- Tune -------------------------------------------------------------- */

/* The kinds to try: those asked for, or what may suit so many vectors. */
static size_t choose_kinds(const plan *p, const rs_tune_options *o, rs_index_setting *out)
{
    bool asked = false, fits = (uint64_t)p->count * p->v->dim * 3 <= p->memory;
    bool want[RS_INDEX_KINDS];
    size_t n = 0;

    for (int k = 0; k < RS_INDEX_KINDS; k++)
        asked |= want[k] = o->kinds[k];
    if (!asked) {
        want[RS_INDEX_FLAT] = fits;
        want[RS_INDEX_IVF] = fits && p->count >= FEW_FOR_LISTS;
        want[RS_INDEX_SQ8] = !fits;
        want[RS_INDEX_HNSW] = fits && p->count >= FEW_FOR_LISTS && p->count <= MANY_FOR_GRAPH;
    }
    for (int k = 0; k < RS_INDEX_KINDS; k++)
        if (want[k])
            out[n++] = (rs_index_setting){
                .kind = (rs_index_kind)k,
                .lists = k == RS_INDEX_IVF || k == RS_INDEX_SQ8 ? rs_index_lists_for(p->count) : 0};
    return n;
}

/* Is a better than b? */
static bool better(const rs_tune_try *a, const rs_tune_try *b)
{
    const double ms_a = a->tuned.ms[0] + a->tuned.ms[1], ms_b = b->tuned.ms[0] + b->tuned.ms[1];

    if (a->tuned.reached != b->tuned.reached)
        return a->tuned.reached;
    if (b->setting.kind == RS_INDEX_FLAT && b->tuned.ms[1] < QUICK_MS)
        return false;
    return ms_a < ms_b;
}

/* Build each into "PATH.kind"; the best one's file is at `path` in the end. Inside a snapshot. */
static rs_status try_all(plan *p, const rs_tune_options *o, const rs_index_setting *s, size_t n,
                         const char *path, rs_tune_report *out, rs_cache_row *best_row, rs_err *err)
{
    rs_tune_try *best = NULL;
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < n; i++) {
        rs_tune_try *t = &out->tries[i];
        rs_cache_row row = {0};
        char *to = rs_sprintf("%s.%s", path, rs_index_kind_name(s[i].kind));
        if (!to)
            return rs_fail(err, RS_ENOMEM, "tune: no memory");
        st = build(p, &s[i], o->recall, true, to, t, &row, err);
        if (st == RS_OK && (!best || better(t, best))) {
            if (rename(to, path) != 0)
                st = rs_fail_errno(err, "rename %s to %s", to, path);
            best = t;
            *best_row = row;
        } else {
            unlink(to);
        }
        rs_free(to);
        out->n = i + 1;
    }
    if (st == RS_OK && best)
        best->chosen = true;
    return st;
}

rs_status rs_vectors_tune(rs_vectors *v, rs_vectors *other, const rs_tune_options *o,
                          rs_arena *mem, rs_tune_report *out, rs_err *err)
{
    plan p = {.v = v, .other = other, .memory = o->memory ? o->memory : rs_index_memory()};
    rs_index_setting kinds[RS_INDEX_KINDS];
    rs_cache_row row = {0};
    char *path = NULL;
    size_t n, best = 0;
    rs_status st = rs_db_read_begin(v->db, err);

    *out = (rs_tune_report){0};
    if (st != RS_OK)
        return st;
    if ((st = look(&p, err)) != RS_OK || p.count == 0)
        goto read;
    out->vectors = p.count;
    n = choose_kinds(&p, o, kinds);
    out->tries = rs_new(mem, rs_tune_try, n);
    path = rs_vectors_cache_path(v, p.row.generation + 1);
    if (!path || !out->tries)
        st = rs_fail(err, RS_ENOMEM, "tune: no memory");
    else if ((st = rs_mkdirs(v->folder, err)) == RS_OK && (st = find_queries(&p, err)) == RS_OK)
        st = try_all(&p, o, kinds, n, path, out, &row, err);
read:
    rs_db_read_end(v->db);
    while (best < out->n && !out->tries[best].chosen)
        best++;
    if (st == RS_OK && best < out->n)
        st = put_in(&p, path, &row, &out->tries[best], o->recall, true, err);
    else if (path)
        unlink(path);
    rs_free(path);
    forget(&p);
    return st;
}
