/* db.c - see db.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/db.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

enum { MAX_STATEMENTS = 256, BUSY_MS = 5000 };

struct rs_db {
    sqlite3 *sql;
    char    *path;
    size_t   readers;              /* nesting of rs_db_read_begin */
    double   deadline_s;           /* 0: none */
    bool     writing;              /* between rs_db_begin and its end */
    size_t   n;
    struct { const char *literal; sqlite3_stmt *st; } kept[MAX_STATEMENTS];
};

sqlite3 *rs_db_handle(rs_db *db) { return db->sql; }
const char *rs_db_path(const rs_db *db) { return db->path; }

fts5_api *rs_db_fts5(sqlite3 *sql, rs_err *err)
{
    sqlite3_stmt *st = NULL;
    fts5_api *api = NULL;

    if (sqlite3_prepare_v2(sql, "SELECT fts5(?1)", -1, &st, NULL) == SQLITE_OK) {
        sqlite3_bind_pointer(st, 1, &api, "fts5_api_ptr", NULL);
        sqlite3_step(st);
    }
    sqlite3_finalize(st);
    if (!api)
        rs_fail(err, RS_EFORMAT, "text index: no FTS5 in this SQLite");
    return api;
}

/* Asked every so many steps of SQLite's machine. */
static int is_late(void *context)
{
    const rs_db *db = context;

    return rs_now_s() > db->deadline_s;
}

void rs_db_deadline(rs_db *db, double when_s)
{
    enum { STEPS = 2000 };

    db->deadline_s = when_s;
    sqlite3_progress_handler(db->sql, when_s > 0 ? STEPS : 0, when_s > 0 ? is_late : NULL, db);
}

rs_status rs_db_in_time(const rs_db *db, rs_err *err)
{
    return db->deadline_s > 0 && rs_now_s() > db->deadline_s
         ? rs_fail(err, RS_ECANCEL, "%s: the time for it is over", db->path) : RS_OK;
}

/* ---- Errors ---------------------------------------------------------- */

static rs_status status_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK: case SQLITE_ROW: case SQLITE_DONE: return RS_OK;
    case SQLITE_NOMEM:                                 return RS_ENOMEM;
    case SQLITE_CORRUPT: case SQLITE_NOTADB:           return RS_ECORRUPT;
    case SQLITE_BUSY: case SQLITE_LOCKED:              return RS_EBUSY;
    case SQLITE_INTERRUPT:                             return RS_ECANCEL;
    case SQLITE_TOOBIG:                                return RS_ELIMIT;
    case SQLITE_RANGE: case SQLITE_MISMATCH:           return RS_EARG;
    case SQLITE_CONSTRAINT: case SQLITE_SCHEMA: case SQLITE_ERROR: return RS_ECORRUPT;
    default:                                           return RS_EIO;
    }
}

rs_status rs_db_fail(rs_db *db, int rc, const char *doing, rs_err *err)
{
    const char *what = (rc & 0xff) == SQLITE_INTERRUPT ? "the time for it is over"
                     : db->sql ? sqlite3_errmsg(db->sql) : sqlite3_errstr(rc);

    return rs_fail(err, status_of(rc), "%s: %s%s%s (SQLite code %d)", db->path,
                   doing ? doing : "", doing ? ": " : "", what, rc);
}

/* ---- Open, close ----------------------------------------------------- */

static rs_status harden(rs_db *db, bool writing, rs_err *err)
{
    static const struct { int option, value; } options[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},   {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_DQS_DDL, 0},     {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}, {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
    };

    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        int rc = sqlite3_db_config(db->sql, options[i].option, options[i].value, NULL);
        if (rc != SQLITE_OK)
            return rs_db_fail(db, rc, "set up", err);
    }
    sqlite3_extended_result_codes(db->sql, 1);
    sqlite3_busy_timeout(db->sql, BUSY_MS);
    /* 32 MiB of pages: a common word's cases are looked up without reading them anew. */
    if (!writing)
        return rs_db_exec(db, "PRAGMA query_only=1; PRAGMA cell_size_check=1;"
                          "PRAGMA cache_size=-32768;", err);
    return rs_db_exec(db,
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=1;"
        "PRAGMA secure_delete=1; PRAGMA cell_size_check=1; PRAGMA temp_store=MEMORY;"
        "PRAGMA cache_size=-32768;", err);
}

rs_status rs_db_open(rs_db **out, const char *path, bool writing, rs_err *err)
{
    int flags = SQLITE_OPEN_NOMUTEX |
        (writing ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    rs_status st;
    rs_db *db;
    int rc;

    *out = NULL;
    db = rs_calloc(1, sizeof *db);
    if (!db || !(db->path = rs_strdup(path))) {
        rs_free(db);
        return rs_fail(err, RS_ENOMEM, "open %s: no memory", path);
    }
    rc = sqlite3_open_v2(path, &db->sql, flags, NULL);
    st = rc == SQLITE_OK ? harden(db, writing, err) : rs_db_fail(db, rc, "open", err);
    if (st != RS_OK) {
        rs_db_close(db);
        return st;
    }
    *out = db;
    return RS_OK;
}

void rs_db_close(rs_db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < db->n; i++)
        sqlite3_finalize(db->kept[i].st);
    sqlite3_close(db->sql);
    rs_free(db->path);
    rs_free(db);
}

rs_status rs_db_exec(rs_db *db, const char *sql, rs_err *err)
{
    int rc = sqlite3_exec(db->sql, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? RS_OK : rs_db_fail(db, rc, NULL, err);
}

/* ---- Transactions ---------------------------------------------------- */

rs_status rs_db_begin(rs_db *db, rs_err *err)
{
    rs_status st;

    assert(!db->writing && db->readers == 0);
    st = rs_db_exec(db, "BEGIN IMMEDIATE", err);
    db->writing = st == RS_OK;
    return st;
}

rs_status rs_db_commit(rs_db *db, rs_err *err)
{
    rs_status st = rs_db_exec(db, "COMMIT", err);

    if (st != RS_OK)
        rs_db_rollback(db);
    db->writing = false;
    return st;
}

void rs_db_rollback(rs_db *db)
{
    if (!sqlite3_get_autocommit(db->sql))
        sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
    db->writing = false;
}

bool rs_db_writing(const rs_db *db) { return db->writing; }

rs_status rs_db_read_begin(rs_db *db, rs_err *err)
{
    rs_status st = RS_OK;

    if (db->readers == 0 && !db->writing)
        st = rs_db_exec(db, "BEGIN", err);
    if (st == RS_OK)
        db->readers++;
    return st;
}

void rs_db_read_end(rs_db *db)
{
    assert(db->readers > 0);
    if (--db->readers == 0 && !db->writing)
        sqlite3_exec(db->sql, "COMMIT", NULL, NULL, NULL);
}

/* ---- Statements ------------------------------------------------------ */

static void fail(rs_stmt *s, int rc)
{
    if (s->status == RS_OK)
        s->status = rs_db_fail(s->db, rc, NULL, s->err);
}

static sqlite3_stmt *keep(rs_stmt *s, const char *literal)
{
    rs_db *db = s->db;
    sqlite3_stmt *st = NULL;
    int rc;

    for (size_t i = 0; i < db->n; i++)
        if (db->kept[i].literal == literal)
            return db->kept[i].st;
    assert(db->n < MAX_STATEMENTS);
    rc = sqlite3_prepare_v3(db->sql, literal, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL);
    if (rc != SQLITE_OK) {
        fail(s, rc);
        return NULL;
    }
    db->kept[db->n].literal = literal;
    db->kept[db->n++].st = st;
    return st;
}

rs_stmt rs_db_use(rs_db *db, const char *literal, rs_err *err)
{
    rs_stmt s = {.db = db, .status = RS_OK, .err = err};

    s.st = keep(&s, literal);
    assert(!s.st || !sqlite3_stmt_busy(s.st));
    return s;
}

static void bound(rs_stmt *s, int rc)
{
    if (rc != SQLITE_OK)
        fail(s, rc);
}

void rs_bind_int(rs_stmt *s, int at, int64_t v)
{
    if (s->st)
        bound(s, sqlite3_bind_int64(s->st, at, v));
}

void rs_bind_real(rs_stmt *s, int at, double v)
{
    if (s->st)
        bound(s, sqlite3_bind_double(s->st, at, v));
}

void rs_bind_null(rs_stmt *s, int at)
{
    if (s->st)
        bound(s, sqlite3_bind_null(s->st, at));
}

void rs_bind_text_n(rs_stmt *s, int at, const char *text, size_t len)
{
    if (s->st)
        bound(s, sqlite3_bind_text64(s->st, at, text, len, SQLITE_STATIC, SQLITE_UTF8));
}

void rs_bind_text(rs_stmt *s, int at, const char *text)
{
    rs_bind_text_n(s, at, text, text ? strlen(text) : 0);
}

void rs_bind_blob(rs_stmt *s, int at, const void *bytes, size_t len)
{
    if (s->st)
        bound(s, sqlite3_bind_blob64(s->st, at, bytes, len, SQLITE_STATIC));
}

void rs_bind_pointer(rs_stmt *s, int at, void *p, const char *type)
{
    if (s->st)
        bound(s, sqlite3_bind_pointer(s->st, at, p, type, NULL));
}

bool rs_step(rs_stmt *s)
{
    int rc;

    if (!s->st || s->status != RS_OK)
        return false;
    rc = sqlite3_step(s->st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        fail(s, rc);
    return rc == SQLITE_ROW;
}

bool rs_col_null(rs_stmt *s, int at) { return sqlite3_column_type(s->st, at) == SQLITE_NULL; }
int64_t rs_col_int(rs_stmt *s, int at) { return sqlite3_column_int64(s->st, at); }
double rs_col_real(rs_stmt *s, int at) { return sqlite3_column_double(s->st, at); }

const char *rs_col_text(rs_stmt *s, int at)
{
    const char *text;

    if (rs_col_null(s, at))
        return NULL;
    text = (const char *)sqlite3_column_text(s->st, at);
    if (!text)
        rs_stmt_nomem(s);
    return text;
}

const void *rs_col_blob(rs_stmt *s, int at, size_t *len)
{
    const void *bytes = sqlite3_column_blob(s->st, at);

    *len = (size_t)sqlite3_column_bytes(s->st, at);
    return bytes;
}

void rs_stmt_nomem(rs_stmt *s)
{
    if (s->status == RS_OK)
        s->status = rs_fail(s->err, RS_ENOMEM, "%s: no memory", s->db->path);
}

const char *rs_col_dup(rs_stmt *s, int at, rs_arena *mem)
{
    const char *text = rs_col_text(s, at);
    char *copy;

    if (!text)
        return NULL;
    copy = rs_arena_strdup(mem, text);
    if (!copy)
        rs_stmt_nomem(s);
    return copy;
}

rs_status rs_done(rs_stmt *s)
{
    if (s->st) {
        sqlite3_reset(s->st);
        sqlite3_clear_bindings(s->st);
    }
    s->st = NULL;
    return s->status;
}

rs_status rs_run(rs_stmt *s)
{
    while (rs_step(s))
        ;
    return rs_done(s);
}

bool rs_arena_grow(rs_arena *mem, void **array, size_t *cap, size_t n, size_t size)
{
    size_t want;
    void *grown;

    if (n < *cap)
        return true;
    want = *cap ? 2 * *cap : 16;
    grown = rs_arena_alloc(mem, want, size);
    if (!grown)
        return false;
    if (n)
        memcpy(grown, *array, n * size);
    *array = grown;
    *cap = want;
    return true;
}
