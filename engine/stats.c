/* stats.c - what is in an archive, whether it is in step, and its caches. See archive.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/archive_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "engine/files_int.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Stats ----------------------------------------------------------- */

static rs_status count_of(rs_archive *a, const char *sql, size_t *out, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, sql, err);

    *out = 0;
    if (rs_step(&s))
        *out = (size_t)rs_col_int(&s, 0);
    return rs_done(&s);
}

static rs_status labels_of(rs_archive *a, const char *sql, rs_arena *mem, const rs_count **out,
                           size_t *n, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, sql, err);
    void *rows = NULL;
    size_t cap = 0;

    *n = 0;
    while (rs_step(&s)) {
        if (!rs_arena_grow(mem, &rows, &cap, *n, sizeof **out)) {
            rs_stmt_nomem(&s);
            break;
        }
        ((rs_count *)rows)[(*n)++] =
            (rs_count){rs_col_dup(&s, 0, mem), (size_t)rs_col_int(&s, 1)};
    }
    *out = rows;
    return rs_done(&s);
}

static uint64_t bytes_of(const char *path, const char *suffix)
{
    char *name = rs_sprintf("%s%s", path, suffix);
    struct stat sb;
    uint64_t bytes = name && stat(name, &sb) == 0 ? (uint64_t)sb.st_size : 0;

    rs_free(name);
    return bytes;
}

static rs_status caches_of(rs_archive *a, rs_stats *out, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT kind, generation, bytes FROM vector_caches", err);

    while (rs_step(&s)) {
        const int64_t kind = rs_col_int(&s, 0);
        if (kind == RS_KIND_IMAGE)
            out->image_generation = rs_col_int(&s, 1);
        if (kind == RS_KIND_PASSAGE)
            out->passage_generation = rs_col_int(&s, 1);
        out->cache_bytes += (uint64_t)rs_col_int(&s, 2);
    }
    return rs_done(&s);
}

static rs_status counts_of(rs_archive *a, rs_stats *out, rs_err *err)
{
    const struct { const char *sql; size_t *to; } counts[] = {
        {"SELECT count(*) FROM cases", &out->cases},
        {"SELECT count(*) FROM images", &out->images},
        {"SELECT count(*) FROM passages", &out->passages},
        {"SELECT count(*) FROM image_vectors", &out->image_vectors},
        {"SELECT count(*) FROM passage_vectors", &out->passage_vectors},
        {"SELECT count(*) FROM region_vectors", &out->region_vectors},
        {"SELECT count(DISTINCT image_id) FROM region_vectors", &out->images_with_regions},
        {"SELECT count(*) FROM problems", &out->problems},
        {"SELECT count(*) FROM (SELECT name FROM sources UNION SELECT source FROM cases"
         " WHERE source IS NOT NULL)", &out->sources},
    };
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < sizeof counts / sizeof *counts; i++)
        st = count_of(a, counts[i].sql, counts[i].to, err);
    return st;
}

static rs_status fill_stats(rs_archive *a, rs_arena *mem, rs_stats *out, rs_err *err)
{
    size_t version;
    rs_status st;

    if ((st = rs_archive_refresh_encoder(a, err)) != RS_OK ||
        (st = counts_of(a, out, err)) != RS_OK ||
        (st = labels_of(a, "SELECT coalesce(min(modality), ''), count(*) AS n FROM cases"
                        " GROUP BY modality ORDER BY n DESC, 1", mem, &out->modalities,
                        &out->n_modalities, err)) != RS_OK ||
        (st = labels_of(a, "SELECT coalesce(min(body_part), ''), count(*) AS n FROM cases"
                        " GROUP BY body_part ORDER BY n DESC, 1", mem, &out->body_parts,
                        &out->n_body_parts, err)) != RS_OK ||
        (st = labels_of(a, "SELECT min(label), count(DISTINCT case_id) AS n FROM case_findings"
                        " GROUP BY label ORDER BY n DESC, 1", mem, &out->findings,
                        &out->n_findings, err)) != RS_OK ||
        (st = caches_of(a, out, err)) != RS_OK ||
        (st = count_of(a, "SELECT value FROM meta WHERE key = 'schema_version'", &version,
                       err)) != RS_OK)
        return st;
    out->schema_version = (int)version;
    out->encoder = rs_archive_encoder(a);
    out->catalog_bytes = bytes_of(rs_db_path(a->db), "") + bytes_of(rs_db_path(a->db), "-wal");
    return RS_OK;
}

rs_status rs_archive_stats(rs_archive *a, rs_arena *mem, rs_stats *out, rs_err *err)
{
    rs_status st;

    *out = (rs_stats){0};
    if ((st = rs_db_read_begin(a->db, err)) != RS_OK)
        return st;
    st = fill_stats(a, mem, out, err);
    rs_db_read_end(a->db);
    return st;
}

/* ---- Verify ---------------------------------------------------------- */

/* A statement that gives the row "ok", or no row. */
static rs_status expect_clean(rs_archive *a, const char *sql, const char *what, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, sql, err);

    if (rs_step(&s)) {
        const char *text = rs_col_text(&s, 0);
        if (!text || strcmp(text, "ok") != 0)
            s.status = rs_fail(err, RS_ECORRUPT, "%s: %s: %.200s", rs_db_path(a->db), what,
                               text ? text : "NULL");
    }
    return rs_done(&s);
}

static rs_status expect_none(rs_archive *a, const char *sql, const char *what, int64_t arg,
                             rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, sql, err);
    int64_t n = 0;
    rs_status st;

    if (sqlite3_bind_parameter_count(s.st) > 0)
        rs_bind_int(&s, 1, arg);
    if (rs_step(&s))
        n = rs_col_int(&s, 0);
    st = rs_done(&s);
    if (st == RS_OK && n)
        return rs_fail(err, RS_ECORRUPT, "%s: %lld %s", rs_db_path(a->db), (long long)n, what);
    return st;
}

static rs_status check_rows(rs_archive *a, rs_err *err)
{
    static const struct { const char *what, *sql; } checks[] = {
        {"images without a vector", "SELECT count(*) FROM images i WHERE NOT EXISTS"
         " (SELECT 1 FROM image_vectors v WHERE v.id = i.id)"},
        {"vectors without an image", "SELECT count(*) FROM image_vectors v WHERE NOT EXISTS"
         " (SELECT 1 FROM images i WHERE i.id = v.id)"},
        {"passages without a vector", "SELECT count(*) FROM passages i WHERE NOT EXISTS"
         " (SELECT 1 FROM passage_vectors v WHERE v.id = i.id)"},
        {"vectors without a passage", "SELECT count(*) FROM passage_vectors v WHERE NOT EXISTS"
         " (SELECT 1 FROM passages i WHERE i.id = v.id)"},
        {"image vectors of a wrong size",
         "SELECT count(*) FROM image_vectors WHERE length(vector) <> 2 * ?1"},
        {"passage vectors of a wrong size",
         "SELECT count(*) FROM passage_vectors WHERE length(vector) <> 2 * ?1"},
        {"cases with images or passages, but without a vector",
         "SELECT count(*) FROM cases c WHERE NOT EXISTS (SELECT 1 FROM case_vectors v"
         " WHERE v.case_id = c.id) AND (EXISTS (SELECT 1 FROM images i WHERE i.case_id = c.id)"
         " OR EXISTS (SELECT 1 FROM passages p WHERE p.case_id = c.id))"},
        {"vectors without a case", "SELECT count(*) FROM case_vectors v WHERE NOT EXISTS"
         " (SELECT 1 FROM cases c WHERE c.id = v.case_id)"},
        {"case vectors of a wrong size",
         "SELECT count(*) FROM case_vectors WHERE length(vector) <> 2 * ?1"},
        {"regions without an image", "SELECT count(*) FROM region_vectors v WHERE NOT EXISTS"
         " (SELECT 1 FROM images i WHERE i.id = v.image_id)"},
        {"region vectors of a wrong size",
         "SELECT count(*) FROM region_vectors WHERE length(vector) <> 2 * ?1"},
        {"attributes without a case", "SELECT count(*) FROM case_attributes v WHERE NOT EXISTS"
         " (SELECT 1 FROM cases c WHERE c.id = v.case_id)"},
        {"own images whose digest is not that of their name", "SELECT count(*) FROM images WHERE"
         " path GLOB '" RS_FILES_IMAGES "/[0-9a-f][0-9a-f]/*.[pj][np]g' AND length(path) = 78"
         " AND sha256 IS NOT substr(path, 11, 64)"},
        {"cases without words", "SELECT count(*) FROM cases c WHERE NOT EXISTS"
         " (SELECT 1 FROM case_fts f WHERE f.rowid = c.id)"},
        {"words without a case", "SELECT count(*) FROM case_fts f WHERE NOT EXISTS"
         " (SELECT 1 FROM cases c WHERE c.id = f.rowid)"},
    };
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < sizeof checks / sizeof *checks; i++)
        st = expect_none(a, checks[i].sql, checks[i].what, (int64_t)a->encoder.dim, err);
    return st;
}

rs_status rs_archive_verify(rs_archive *a, rs_err *err)
{
    rs_status st;

    if (a->lock < 0)
        return rs_fail(err, RS_EARG, "verify: archive %s is opened for reading only", a->folder);
    if ((st = expect_clean(a, "PRAGMA integrity_check", "integrity", err)) != RS_OK ||
        (st = expect_clean(a, "PRAGMA foreign_key_check", "foreign key", err)) != RS_OK ||
        (st = rs_db_exec(a->db, "INSERT INTO case_fts(case_fts) VALUES('integrity-check')",
                         err)) != RS_OK ||
        (st = check_rows(a, err)) != RS_OK)
        return st;
    for (int kind = 0; st == RS_OK && kind < RS_KINDS; kind++)
        if (a->vectors[kind])
            st = rs_vectors_check_cache(a->vectors[kind], err);
    return st == RS_OK ? rs_files_check(a, err) : st;
}
