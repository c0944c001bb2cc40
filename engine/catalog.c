/* catalog.c - reading cases: whole ones for archive.h, parts by id for catalog.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/catalog.h"

#include "embeddings/half.h"
#include "engine/files_int.h"
#include "engine/vectors_int.h"

#include <string.h>

/* ---- By id ----------------------------------------------------------- */

rs_status rs_catalog_no_case(const rs_archive *a, const char *key, rs_err *err)
{
    return rs_fail(err, RS_ENOENT, "archive %s: there is no case '%.200s'", a->folder, key);
}

rs_status rs_catalog_find(rs_archive *a, const char *key, int64_t *id, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT id FROM cases WHERE key = ?1", err);
    rs_status st;

    *id = 0;
    rs_bind_text(&s, 1, key);
    if (rs_step(&s))
        *id = rs_col_int(&s, 0);
    st = rs_done(&s);
    if (st == RS_OK && *id == 0)
        return rs_catalog_no_case(a, key, err);
    return st;
}

rs_status rs_catalog_owner(rs_archive *a, rs_kind kind, int64_t item, rs_arena *mem,
                           int64_t *case_id, const char **key, rs_err *err)
{
    static const char *const sql[] = {
        "SELECT case_id FROM images WHERE id = ?1",
        "SELECT case_id FROM passages WHERE id = ?1",
        "SELECT case_id FROM case_vectors WHERE id = ?1",
        "SELECT i.case_id FROM region_vectors r JOIN images i ON i.id = r.image_id WHERE r.id = ?1",
    };
    rs_status st = RS_OK;

    *key = NULL;
    *case_id = rs_vectors_owner(a->vectors[kind], item);
    if (!*case_id) {
        rs_stmt s = rs_db_use(a->db, sql[kind], err);
        rs_bind_int(&s, 1, item);
        if (rs_step(&s))
            *case_id = rs_col_int(&s, 0);
        if ((st = rs_done(&s)) == RS_OK)
            st = rs_vectors_owner_missed(a->vectors[kind], err);
    }
    if (st == RS_OK && *case_id)
        st = rs_case_keys_get(a->keys, *case_id, mem, key, err);
    if (st == RS_OK && !*key)
        return rs_fail(err, RS_ECORRUPT, "%s: a vector of %s %lld, which is in no case",
                       rs_db_path(a->db), rs_kind_names[kind],
                       (long long)item);
    return st;
}

rs_status rs_catalog_vectors(rs_archive *a, rs_kind kind, int64_t case_id, rs_arena *mem,
                             float **x, int64_t **ids, size_t *n, rs_err *err)
{
    static const char *const sql[] = {
        "SELECT v.vector, v.id FROM images i JOIN image_vectors v ON v.id = i.id"
        " WHERE i.case_id = ?1 ORDER BY i.ordinal",
        "SELECT v.vector, v.id FROM passages i JOIN passage_vectors v ON v.id = i.id"
        " WHERE i.case_id = ?1 ORDER BY i.ordinal",
        "SELECT vector, id FROM case_vectors WHERE case_id = ?1",
        "SELECT v.vector, v.id FROM images i JOIN region_vectors v ON v.image_id = i.id"
        " WHERE i.case_id = ?1 ORDER BY i.ordinal, v.id",
    };
    size_t dim = a->encoder.dim, cap = 0, id_cap = 0, len;
    rs_stmt s = rs_db_use(a->db, sql[kind], err);
    void *rows = NULL, *id_rows = NULL;

    *n = 0;
    rs_bind_int(&s, 1, case_id);
    while (rs_step(&s)) {
        const void *blob = rs_col_blob(&s, 0, &len);
        if (!blob || len != 2 * dim) {
            s.status = rs_fail(err, RS_ECORRUPT, "%s: case %lld: a vector of %zu bytes, wanted %zu",
                               rs_db_path(a->db), (long long)case_id, len, 2 * dim);
            break;
        }
        if (!rs_arena_grow(mem, &rows, &cap, *n, dim * sizeof(float)) ||
            !rs_arena_grow(mem, &id_rows, &id_cap, *n, sizeof(int64_t))) {
            rs_stmt_nomem(&s);
            break;
        }
        ((int64_t *)id_rows)[*n] = rs_col_int(&s, 1);
        rs_half_unpack((float *)rows + (*n)++ * dim, blob, dim);
    }
    *x = rows;
    if (ids)
        *ids = id_rows;
    return rs_done(&s);
}

rs_status rs_catalog_image_vector(rs_archive *a, int64_t case_id, size_t n, rs_arena *mem,
                                  float **x, rs_err *err)
{
    const size_t dim = a->encoder.dim;
    rs_stmt s = rs_db_use(a->db,
        "SELECT v.vector FROM images i JOIN image_vectors v ON v.id = i.id"
        " WHERE i.case_id = ?1 AND i.ordinal = ?2", err);
    size_t len;
    rs_status st;

    *x = NULL;
    rs_bind_int(&s, 1, case_id);
    rs_bind_int(&s, 2, (int64_t)n);
    if (rs_step(&s)) {
        const void *blob = rs_col_blob(&s, 0, &len);
        if (!blob || len != 2 * dim)
            s.status = rs_fail(err, RS_ECORRUPT, "%s: case %lld: a vector of %zu bytes, wanted %zu",
                               rs_db_path(a->db), (long long)case_id, len, 2 * dim);
        else if (!(*x = rs_new(mem, float, dim)))
            rs_stmt_nomem(&s);
        else
            rs_half_unpack(*x, blob, dim);
    }
    st = rs_done(&s);
    if (st == RS_OK && !*x)
        return rs_fail(err, RS_ENOENT, "the case has no image %zu that can be compared", n);
    return st;
}

const char *rs_catalog_path(const rs_archive *a, rs_stmt *s, int at, rs_arena *mem)
{
    const char *stored = rs_col_text(s, at), *path = NULL;

    if (stored && !(path = rs_files_path(a, stored, mem)))
        rs_stmt_nomem(s);
    return path;
}

rs_status rs_catalog_image_path(rs_archive *a, int64_t image, rs_arena *mem, const char **path,
                                rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT path FROM images WHERE id = ?1", err);

    *path = NULL;
    rs_bind_int(&s, 1, image);
    if (rs_step(&s))
        *path = rs_catalog_path(a, &s, 0, mem);
    return rs_done(&s);
}

/* ---- Parts of a case ------------------------------------------------- */

rs_status rs_catalog_case(rs_archive *a, int64_t case_id, rs_arena *mem, rs_case *out,
                          rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "SELECT key, source, title, report, modality, body_part, view, sex, patient, collection,"
        " attributes, digest, study_date, age, tier FROM cases WHERE id = ?1", err);
    const char **texts[] = {
        &out->key, &out->source, &out->title, &out->report, &out->modality, &out->body_part,
        &out->view, &out->sex, &out->patient, &out->collection, &out->attributes, &out->digest,
        &out->study_date};
    enum { TEXTS = sizeof texts / sizeof *texts };
    rs_status st;

    *out = (rs_case){.age_years = -1};
    rs_bind_int(&s, 1, case_id);
    if (rs_step(&s)) {
        for (int i = 0; i < TEXTS; i++)
            *texts[i] = rs_col_dup(&s, i, mem);
        if (!rs_col_null(&s, TEXTS))
            out->age_years = rs_col_real(&s, TEXTS);
        out->tier = (rs_tier)rs_col_int(&s, TEXTS + 1);
    }
    st = rs_done(&s);
    if (st == RS_OK && !out->key)
        return rs_fail(err, RS_ECORRUPT, "%s: there is no case row %lld", rs_db_path(a->db),
                       (long long)case_id);
    return st;
}

static rs_status read_sections(rs_archive *a, int64_t case_id, rs_arena *mem, rs_case *c,
                               rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "SELECT name, first, past FROM sections WHERE case_id = ?1 ORDER BY ordinal", err);
    void *rows = NULL;
    size_t cap = 0;

    rs_bind_int(&s, 1, case_id);
    while (rs_step(&s)) {
        if (!rs_arena_grow(mem, &rows, &cap, c->n_sections, sizeof(rs_section))) {
            rs_stmt_nomem(&s);
            break;
        }
        ((rs_section *)rows)[c->n_sections++] = (rs_section){
            rs_col_dup(&s, 0, mem), (size_t)rs_col_int(&s, 1), (size_t)rs_col_int(&s, 2)};
    }
    c->sections = rows;
    return rs_done(&s);
}

rs_status rs_catalog_findings(rs_archive *a, int64_t case_id, rs_arena *mem, rs_case *c,
                              rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "SELECT label FROM case_findings WHERE case_id = ?1 ORDER BY ordinal", err);
    void *rows = NULL;
    size_t cap = 0;

    rs_bind_int(&s, 1, case_id);
    while (rs_step(&s)) {
        if (!rs_arena_grow(mem, &rows, &cap, c->n_findings, sizeof(char *))) {
            rs_stmt_nomem(&s);
            break;
        }
        ((const char **)rows)[c->n_findings++] = rs_col_dup(&s, 0, mem);
    }
    c->findings = rows;
    return rs_done(&s);
}

rs_status rs_catalog_sections(rs_archive *a, int64_t case_id, rs_arena *mem, rs_case *c,
                              rs_err *err)
{
    rs_status st = read_sections(a, case_id, mem, c, err);

    return st == RS_OK ? rs_catalog_findings(a, case_id, mem, c, err) : st;
}

rs_status rs_catalog_images(rs_archive *a, int64_t case_id, rs_arena *mem, rs_case_image **out,
                            size_t *n, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "SELECT path, given, sha256, view, width, height, phash FROM images"
        " WHERE case_id = ?1 ORDER BY ordinal", err);
    void *rows = NULL;
    size_t cap = 0;

    *n = 0;
    rs_bind_int(&s, 1, case_id);
    while (rs_step(&s)) {
        if (!rs_arena_grow(mem, &rows, &cap, *n, sizeof **out)) {
            rs_stmt_nomem(&s);
            break;
        }
        ((rs_case_image *)rows)[(*n)++] = (rs_case_image){
            .path = rs_catalog_path(a, &s, 0, mem), .given = rs_col_dup(&s, 1, mem),
            .sha256 = rs_col_dup(&s, 2, mem), .view = rs_col_dup(&s, 3, mem),
            .width = (size_t)rs_col_int(&s, 4), .height = (size_t)rs_col_int(&s, 5),
            .hashed = !rs_col_null(&s, 6), .phash = (uint64_t)rs_col_int(&s, 6)};
    }
    *out = rows;
    return rs_done(&s);
}

rs_status rs_catalog_passages(rs_archive *a, int64_t case_id, rs_arena *mem, rs_passage **out,
                              int64_t **ids, size_t *n, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "SELECT section, text, first, past, id FROM passages WHERE case_id = ?1"
        " ORDER BY ordinal", err);
    void *rows = NULL, *id_rows = NULL;
    size_t cap = 0, id_cap = 0;

    *n = 0;
    rs_bind_int(&s, 1, case_id);
    while (rs_step(&s)) {
        if (!rs_arena_grow(mem, &rows, &cap, *n, sizeof **out) ||
            !rs_arena_grow(mem, &id_rows, &id_cap, *n, sizeof **ids)) {
            rs_stmt_nomem(&s);
            break;
        }
        ((int64_t *)id_rows)[*n] = rs_col_int(&s, 4);
        ((rs_passage *)rows)[(*n)++] = (rs_passage){
            .section = rs_col_dup(&s, 0, mem), .text = rs_col_dup(&s, 1, mem),
            .begin = (size_t)rs_col_int(&s, 2), .end = (size_t)rs_col_int(&s, 3)};
    }
    *out = rows;
    if (ids)
        *ids = id_rows;
    return rs_done(&s);
}

/* ---- Whole cases ----------------------------------------------------- */

static rs_status get_parts(rs_archive *a, const char *key, rs_arena *mem, rs_case *c,
                           rs_err *err)
{
    rs_case_image *images;
    rs_passage *passages;
    rs_status st;
    int64_t id;

    if ((st = rs_catalog_find(a, key, &id, err)) != RS_OK ||
        (st = rs_catalog_case(a, id, mem, c, err)) != RS_OK ||
        (st = rs_catalog_sections(a, id, mem, c, err)) != RS_OK ||
        (st = rs_catalog_images(a, id, mem, &images, &c->n_images, err)) != RS_OK)
        return st;
    c->images = images;
    st = rs_catalog_passages(a, id, mem, &passages, NULL, &c->n_passages, err);
    c->passages = passages;
    return st;
}

rs_status rs_archive_get(rs_archive *a, const char *key, rs_arena *mem, rs_case **out,
                         rs_err *err)
{
    rs_case *c = rs_new(mem, rs_case, 1);
    rs_status st;

    *out = NULL;
    if (!c)
        return rs_fail(err, RS_ENOMEM, "case '%.200s': no memory", key);
    if ((st = rs_db_read_begin(a->db, err)) != RS_OK)
        return st;
    st = get_parts(a, key, mem, c, err);
    rs_db_read_end(a->db);
    if (st == RS_OK)
        *out = c;
    return st;
}

rs_status rs_archive_digest(rs_archive *a, const char *key, rs_arena *mem, const char **digest,
                            rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT coalesce(digest, '') FROM cases WHERE key = ?1", err);
    rs_status st;

    *digest = NULL;
    rs_bind_text(&s, 1, key);
    if (rs_step(&s))
        *digest = rs_col_dup(&s, 0, mem);
    st = rs_done(&s);
    return st == RS_OK && !*digest ? RS_ENOENT : st;
}

rs_status rs_archive_keys(rs_archive *a, const char *source, const char *after, size_t limit,
                          rs_arena *mem, const char ***keys, size_t *n, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "SELECT key FROM cases WHERE (?1 IS NULL OR source = ?1) AND (?2 IS NULL OR key > ?2)"
        " ORDER BY key LIMIT ?3", err);
    void *rows = NULL;
    size_t cap = 0;

    *n = 0;
    rs_bind_text(&s, 1, source);
    rs_bind_text(&s, 2, after);
    rs_bind_int(&s, 3, limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
    while (rs_step(&s)) {
        if (!rs_arena_grow(mem, &rows, &cap, *n, sizeof **keys)) {
            rs_stmt_nomem(&s);
            break;
        }
        ((const char **)rows)[(*n)++] = rs_col_dup(&s, 0, mem);
    }
    *keys = rows;
    return rs_done(&s);
}
