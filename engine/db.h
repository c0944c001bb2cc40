/* db.h - the catalog's SQLite connection: hardened, with prepared statements kept and
 * errors that stick until the end of a statement.
 *
 *   rs_stmt s = rs_db_use(db, "SELECT id FROM cases WHERE key = ?1", err);
 *   rs_bind_text(&s, 1, key);
 *   while (rs_step(&s))
 *       id = rs_col_int(&s, 0);
 *   st = rs_done(&s);               the first failure of any of the above, told in err
 *
 * SQL is always a string literal: it is the key under which its statement is kept, and
 * nothing from outside is ever part of it. One thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_DB_H
#define RS_ENGINE_DB_H

#include "base/arena.h"
#include "base/status.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rs_db rs_db;

/* Open `path` for reading, or for writing (made if absent, WAL, synchronous=FULL).
 * Hardened: defensive, no double-quoted strings, untrusted schema, secure delete. */
rs_status rs_db_open(rs_db **out, const char *path, bool writing, rs_err *err);
void      rs_db_close(rs_db *db);                      /* NULL is fine */
sqlite3  *rs_db_handle(rs_db *db);
const char *rs_db_path(const rs_db *db);
/* FTS5's interface of a connection; NULL and a message where it has none. */
fts5_api *rs_db_fts5(sqlite3 *sql, rs_err *err);
/* From now on statements end with RS_ECANCEL once rs_now_s() is past `when_s`; 0: never. */
void      rs_db_deadline(rs_db *db, double when_s);
/* RS_ECANCEL once it is past that: for work between statements. */
rs_status rs_db_in_time(const rs_db *db, rs_err *err);

/* Run statements that give no rows; `sql` may hold several. */
rs_status rs_db_exec(rs_db *db, const char *sql, rs_err *err);
/* The status that an SQLite result code means, with a message. */
rs_status rs_db_fail(rs_db *db, int rc, const char *doing, rs_err *err);

/* A write transaction. A commit that fails has rolled back. */
rs_status rs_db_begin(rs_db *db, rs_err *err);
rs_status rs_db_commit(rs_db *db, rs_err *err);
void      rs_db_rollback(rs_db *db);                   /* without one: nothing */
bool      rs_db_writing(const rs_db *db);

/* One snapshot over several statements; nests, and inside a write transaction the
 * reads belong to that. */
rs_status rs_db_read_begin(rs_db *db, rs_err *err);
void      rs_db_read_end(rs_db *db);

/* ---- Statements ------------------------------------------------------ */

typedef struct {
    rs_db        *db;
    sqlite3_stmt *st;              /* NULL after a failure */
    rs_status     status;
    rs_err       *err;
} rs_stmt;

rs_stmt rs_db_use(rs_db *db, const char *literal, rs_err *err);

void rs_bind_int(rs_stmt *s, int at, int64_t v);
void rs_bind_real(rs_stmt *s, int at, double v);
void rs_bind_null(rs_stmt *s, int at);
/* NULL binds NULL. The bytes are borrowed until rs_done. */
void rs_bind_text(rs_stmt *s, int at, const char *text);
void rs_bind_text_n(rs_stmt *s, int at, const char *text, size_t len);
void rs_bind_blob(rs_stmt *s, int at, const void *bytes, size_t len);
/* A pointer for a function of ours, borrowed until rs_done; `type` is a literal. */
void rs_bind_pointer(rs_stmt *s, int at, void *p, const char *type);

bool rs_step(rs_stmt *s);                              /* whether there is a row */

bool        rs_col_null(rs_stmt *s, int at);
int64_t     rs_col_int(rs_stmt *s, int at);
double      rs_col_real(rs_stmt *s, int at);
const char *rs_col_text(rs_stmt *s, int at);           /* until the next step; NULL for NULL */
const void *rs_col_blob(rs_stmt *s, int at, size_t *len);
/* A copy in `mem`; NULL for NULL; out of memory sticks to the statement. */
const char *rs_col_dup(rs_stmt *s, int at, rs_arena *mem);
void        rs_stmt_nomem(rs_stmt *s);                 /* let "out of memory" stick */

rs_status rs_done(rs_stmt *s);                         /* ends the use; what went wrong first */
rs_status rs_run(rs_stmt *s);                          /* step to the end, then rs_done */

/* Room for one more than n elements in an array that grows in an arena: *cap doubles, the
 * old array is left to the arena. False on out-of-memory. */
bool rs_arena_grow(rs_arena *mem, void **array, size_t *cap, size_t n, size_t size);

#endif
