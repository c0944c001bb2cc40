/* sources.c - resume marks, known files and problems of the sources. See archive.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/archive_int.h"

#include "base/clock.h"

/* ---- Marks ----------------------------------------------------------- */

rs_status rs_archive_set_mark(rs_archive *a, const char *source, const char *mark, rs_err *err)
{
    rs_status st = rs_archive_need_batch(a, "set a mark", err);
    rs_stmt s;

    if (st != RS_OK)
        return st;
    s = rs_db_use(a->db, "INSERT OR REPLACE INTO sources(name, mark) VALUES(?1, ?2)", err);
    rs_bind_text(&s, 1, source);
    rs_bind_text(&s, 2, mark);
    return rs_run(&s);
}

rs_status rs_archive_mark(rs_archive *a, const char *source, rs_arena *mem, const char **mark,
                          rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT mark FROM sources WHERE name = ?1", err);

    *mark = NULL;
    rs_bind_text(&s, 1, source);
    if (rs_step(&s))
        *mark = rs_col_dup(&s, 0, mem);
    return rs_done(&s);
}

/* ---- Files ----------------------------------------------------------- */

rs_status rs_archive_set_file(rs_archive *a, const char *source, const rs_source_file *f,
                              rs_err *err)
{
    rs_status st = rs_archive_need_batch(a, "remember a file", err);
    rs_stmt s;

    if (st != RS_OK)
        return st;
    s = rs_db_use(a->db,
        "INSERT OR REPLACE INTO source_files(source, file, sha256, case_key, mtime_ns, bytes)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6)", err);
    rs_bind_text(&s, 1, source);
    rs_bind_text(&s, 2, f->file);
    rs_bind_text(&s, 3, f->sha256);
    rs_bind_text(&s, 4, f->case_key);
    rs_bind_int(&s, 5, f->mtime_ns);
    rs_bind_int(&s, 6, f->size_bytes);
    return rs_run(&s);
}

rs_status rs_archive_forget_file(rs_archive *a, const char *source, const char *file, rs_err *err)
{
    rs_status st = rs_archive_need_batch(a, "forget a file", err);
    rs_stmt s;

    if (st != RS_OK)
        return st;
    s = rs_db_use(a->db, "DELETE FROM source_files WHERE source = ?1 AND file = ?2", err);
    rs_bind_text(&s, 1, source);
    rs_bind_text(&s, 2, file);
    return rs_run(&s);
}

static rs_source_file file_of(rs_stmt *s, rs_arena *mem)
{
    return (rs_source_file){
        .file = rs_col_dup(s, 0, mem), .sha256 = rs_col_dup(s, 1, mem),
        .case_key = rs_col_dup(s, 2, mem), .mtime_ns = rs_col_int(s, 3),
        .size_bytes = rs_col_int(s, 4)};
}

rs_status rs_archive_file(rs_archive *a, const char *source, const char *file, rs_arena *mem,
                          const rs_source_file **out, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "SELECT file, sha256, case_key, mtime_ns, bytes FROM source_files"
        " WHERE source = ?1 AND file = ?2", err);
    rs_source_file *f;

    *out = NULL;
    rs_bind_text(&s, 1, source);
    rs_bind_text(&s, 2, file);
    if (rs_step(&s)) {
        f = rs_new(mem, rs_source_file, 1);
        if (f)
            *f = file_of(&s, mem);
        else
            rs_stmt_nomem(&s);
        *out = f;
    }
    return rs_done(&s);
}

rs_status rs_archive_files(rs_archive *a, const char *source, rs_arena *mem,
                           const rs_source_file **out, size_t *n, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "SELECT file, sha256, case_key, mtime_ns, bytes FROM source_files"
        " WHERE source = ?1 ORDER BY file", err);
    void *rows = NULL;
    size_t cap = 0;

    *n = 0;
    rs_bind_text(&s, 1, source);
    while (rs_step(&s)) {
        if (!rs_arena_grow(mem, &rows, &cap, *n, sizeof **out)) {
            rs_stmt_nomem(&s);
            break;
        }
        ((rs_source_file *)rows)[(*n)++] = file_of(&s, mem);
    }
    *out = rows;
    return rs_done(&s);
}

/* ---- Problems -------------------------------------------------------- */

rs_status rs_archive_set_problem(rs_archive *a, const rs_problem *p, rs_err *err)
{
    rs_status st = rs_archive_need_batch(a, "record a problem", err);
    char now[32];
    rs_stmt s;

    if (st != RS_OK)
        return st;
    rs_utc_text(now);
    s = rs_db_use(a->db,
        "INSERT OR REPLACE INTO problems(source, item, reason, at) VALUES(?1, ?2, ?3, ?4)", err);
    rs_bind_text(&s, 1, p->source);
    rs_bind_text(&s, 2, p->item);
    rs_bind_text(&s, 3, p->reason);
    rs_bind_text(&s, 4, now);
    return rs_run(&s);
}

rs_status rs_archive_clear_problem(rs_archive *a, const char *source, const char *item,
                                   rs_err *err)
{
    rs_status st = rs_archive_need_batch(a, "clear a problem", err);
    rs_stmt s;

    if (st != RS_OK)
        return st;
    s = rs_db_use(a->db, "DELETE FROM problems WHERE source = ?1 AND item = ?2", err);
    rs_bind_text(&s, 1, source);
    rs_bind_text(&s, 2, item);
    return rs_run(&s);
}

rs_status rs_archive_problems(rs_archive *a, const char *source, rs_arena *mem,
                              const rs_problem **out, size_t *n, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "SELECT source, item, reason, at FROM problems WHERE (?1 IS NULL OR source = ?1)"
        " ORDER BY source, item", err);
    void *rows = NULL;
    size_t cap = 0;

    *n = 0;
    rs_bind_text(&s, 1, source);
    while (rs_step(&s)) {
        if (!rs_arena_grow(mem, &rows, &cap, *n, sizeof **out)) {
            rs_stmt_nomem(&s);
            break;
        }
        ((rs_problem *)rows)[(*n)++] = (rs_problem){
            rs_col_dup(&s, 0, mem), rs_col_dup(&s, 1, mem), rs_col_dup(&s, 2, mem),
            rs_col_dup(&s, 3, mem)};
    }
    *out = rows;
    return rs_done(&s);
}
