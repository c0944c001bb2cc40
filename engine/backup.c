/* backup.c - an archive copied while it is in use: SQLite's online backup of the catalog, the own
 * images that it names, and caches made anew beside it. See archive.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/archive_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "engine/files_int.h"

#include <unistd.h>

enum { PAGES_AT_ONCE = 1024, WAIT_MS = 20, PATIENCE = 500 };

/* All pages. A writer that commits meanwhile makes SQLite begin anew by itself. */
static int copy_pages(sqlite3 *to, sqlite3 *from)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    int rc = SQLITE_OK, waits = 0;

    if (!b)
        return sqlite3_errcode(to);
    do {
        rc = sqlite3_backup_step(b, PAGES_AT_ONCE);
        if ((rc == SQLITE_BUSY || rc == SQLITE_LOCKED) && waits++ < PATIENCE)
            sqlite3_sleep(WAIT_MS);
        else if (rc != SQLITE_OK)
            break;
    } while (true);
    sqlite3_backup_finish(b);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static rs_status copy_catalog(rs_archive *a, const char *path, rs_err *err)
{
    rs_db *to = NULL;
    rs_status st = rs_db_open(&to, path, true, err);
    int rc;

    if (st != RS_OK)
        return st;
    rc = copy_pages(rs_db_handle(to), rs_db_handle(a->db));
    if (rc != SQLITE_OK)
        st = rs_db_fail(to, rc, "copy the catalog", err);
    rs_db_close(to);
    return st;
}

/* The copy's own images and caches, and its own check. */
static rs_status finish(const char *to, const char *root, rs_err *err)
{
    rs_archive *copy = NULL;
    rs_status st = rs_archive_open(&copy, to, RS_ARCHIVE_WRITE, err);

    if (st == RS_OK && (st = rs_files_copy(copy, root, err)) == RS_OK &&
        (st = rs_archive_rebuild(copy, err)) == RS_OK)
        st = rs_archive_verify(copy, err);
    rs_archive_close(copy);
    return st;
}

rs_status rs_archive_backup(rs_archive *a, const char *to, rs_err *err)
{
    char *path = rs_path_join(to, "catalog.db");
    rs_status st;

    if (!path)
        return rs_fail(err, RS_ENOMEM, "backup to %s: no memory", to);
    if (rs_db_writing(a->db))
        st = rs_fail(err, RS_EARG, "backup: not inside a batch");
    else if (rs_file_exists(path))
        st = rs_fail(err, RS_EARG, "backup: %s is there already; name a new folder", path);
    else if ((st = rs_mkdirs(to, err)) == RS_OK && (st = copy_catalog(a, path, err)) == RS_OK)
        st = finish(to, a->root, err);
    rs_free(path);
    return st;
}
