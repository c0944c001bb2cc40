/* fault_vfs.h - an SQLite VFS under which the disk fails when a test says so: the k-th change of
 * a file (a write, a truncation, a sync) ends in an error, in half a write, in "disk full", or
 * in a loss of power, by which each change that was not synced is lost or not, one by one.
 *
 * It wraps the system's VFS and becomes the default, so that the code under test opens its
 * catalog as ever. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TESTS_FAULT_VFS_H
#define RS_TESTS_FAULT_VFS_H

#include "fixture.h"

#include <sqlite3.h>

typedef enum { FAULT_NONE, FAULT_IO, FAULT_SHORT, FAULT_FULL, FAULT_POWER } fault_kind;

/* A change that no sync has made certain. len 0: the file got `size` bytes. */
typedef struct change {
    struct change *before;
    char    *path;
    int64_t  offset, size_before, size;
    size_t   len;
    uint8_t *old, *new;                /* [len]; of old what was there, zeros past the end */
} change;

static struct {
    sqlite3_vfs  vfs, *real;
    fault_kind   kind;
    long         left;                 /* changes until it fails; negative: never */
    bool         lasting;              /* all that come after fail too */
    size_t       changes;              /* seen since armed */
    bool         failed;
    change      *unsynced;             /* the newest first */
} fault;

typedef struct {
    sqlite3_file  base;
    sqlite3_file *real;
    char         *path;                /* NULL: a temporary one */
} fault_file;

#define REAL(f) (((fault_file *)(void *)(f))->real)

/* ---- When --------------------------------------------------------------- */

static inline void fault_arm(fault_kind kind, long after, bool lasting)
{
    fault.kind = kind;
    fault.left = after;
    fault.lasting = lasting || kind == FAULT_POWER;
    fault.changes = 0;
    fault.failed = false;
}

/* Is this the change that fails? */
static inline bool fault_now(void)
{
    fault.changes++;
    if (fault.kind == FAULT_NONE || fault.left < 0)
        return false;
    if (fault.failed)
        return fault.lasting;
    if (fault.left-- > 0)
        return false;
    fault.left = 0;
    fault.failed = true;
    return true;
}

/* ---- What is not yet certain --------------------------------------------- */

static inline void fault_drop(change *c)
{
    free(c->path);
    free(c->old);
    free(c->new);
    free(c);
}

static inline void fault_synced(const char *path)
{
    for (change **at = &fault.unsynced; *at;) {
        change *c = *at;
        if (path && strcmp(c->path, path) != 0) {
            at = &c->before;
            continue;
        }
        *at = c->before;
        fault_drop(c);
    }
}

static inline void fault_remember(fault_file *f, const void *bytes, size_t len, int64_t offset,
                                  int64_t size)
{
    change *c = f->path ? calloc(1, sizeof *c) : NULL;

    if (!c)
        return;
    assert_int_equal(f->real->pMethods->xFileSize(f->real, (sqlite3_int64 *)&c->size_before), SQLITE_OK);
    c->path = strdup(f->path);
    c->offset = offset;
    c->len = len;
    c->size = size < 0 ? c->size_before : size;
    if (len > 0) {
        c->old = calloc(1, len);
        c->new = malloc(len);
        assert_true(c->old && c->new);
        f->real->pMethods->xRead(f->real, c->old, (int)len, offset);    /* zeros past the end */
        memcpy(c->new, bytes, len);
        if (offset + (int64_t)len > c->size)
            c->size = offset + (int64_t)len;
    }
    c->before = fault.unsynced;
    fault.unsynced = c;
}

/* The power went: all that was not synced is undone, and a random part of it had got to the
 * disk all the same, in whatever order. Files must be closed. */
static inline void fault_power_loss(rs_random *rnd)
{
    change *oldest_first = NULL;

    while (fault.unsynced) {
        change *c = fault.unsynced;
        int fd = open(c->path, O_RDWR);
        if (fd >= 0) {
            if (c->len > 0)
                assert_int_equal(pwrite(fd, c->old, c->len, c->offset), (ssize_t)c->len);
            assert_int_equal(ftruncate(fd, c->size_before), 0);
            close(fd);
        }
        fault.unsynced = c->before;
        c->before = oldest_first;
        oldest_first = c;
    }
    while (oldest_first) {
        change *c = oldest_first;
        int fd = rs_random_below(rnd, 2) ? open(c->path, O_RDWR) : -1;
        if (fd >= 0) {
            if (c->len > 0)
                assert_int_equal(pwrite(fd, c->new, c->len, c->offset), (ssize_t)c->len);
            else
                assert_int_equal(ftruncate(fd, c->size), 0);
            close(fd);
        }
        oldest_first = c->before;
        fault_drop(c);
    }
}

/* ---- The file ------------------------------------------------------------- */

static int fault_close(sqlite3_file *f)
{
    int rc = REAL(f)->pMethods->xClose(REAL(f));
    free(((fault_file *)(void *)f)->path);
    return rc;
}

static int fault_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    return REAL(f)->pMethods->xRead(REAL(f), to, n, at);
}

static int fault_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    if (fault_now()) {
        if (fault.kind == FAULT_SHORT) {
            fault_remember((fault_file *)(void *)f, from, (size_t)n / 2, at, -1);
            REAL(f)->pMethods->xWrite(REAL(f), from, n / 2, at);
        }
        return fault.kind == FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    }
    fault_remember((fault_file *)(void *)f, from, (size_t)n, at, -1);
    return REAL(f)->pMethods->xWrite(REAL(f), from, n, at);
}

static int fault_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    if (fault_now())
        return SQLITE_IOERR_TRUNCATE;
    fault_remember((fault_file *)(void *)f, NULL, 0, 0, size);
    return REAL(f)->pMethods->xTruncate(REAL(f), size);
}

static int fault_sync(sqlite3_file *f, int flags)
{
    if (fault_now())
        return SQLITE_IOERR_FSYNC;
    if (((fault_file *)(void *)f)->path)
        fault_synced(((fault_file *)(void *)f)->path);
    return REAL(f)->pMethods->xSync(REAL(f), flags);
}

static int fault_size(sqlite3_file *f, sqlite3_int64 *n) { return REAL(f)->pMethods->xFileSize(REAL(f), n); }
static int fault_lock(sqlite3_file *f, int l) { return REAL(f)->pMethods->xLock(REAL(f), l); }
static int fault_unlock(sqlite3_file *f, int l) { return REAL(f)->pMethods->xUnlock(REAL(f), l); }
static int fault_reserved(sqlite3_file *f, int *r) { return REAL(f)->pMethods->xCheckReservedLock(REAL(f), r); }
static int fault_control(sqlite3_file *f, int op, void *arg) { return REAL(f)->pMethods->xFileControl(REAL(f), op, arg); }
static int fault_sector(sqlite3_file *f) { return REAL(f)->pMethods->xSectorSize(REAL(f)); }
static int fault_device(sqlite3_file *f) { return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f)); }
static int fault_shm_map(sqlite3_file *f, int p, int n, int e, void volatile **m) { return REAL(f)->pMethods->xShmMap(REAL(f), p, n, e, m); }
static int fault_shm_lock(sqlite3_file *f, int o, int n, int l) { return REAL(f)->pMethods->xShmLock(REAL(f), o, n, l); }
static void fault_shm_barrier(sqlite3_file *f) { REAL(f)->pMethods->xShmBarrier(REAL(f)); }
static int fault_shm_unmap(sqlite3_file *f, int d) { return REAL(f)->pMethods->xShmUnmap(REAL(f), d); }

static const sqlite3_io_methods fault_methods = {
    .iVersion = 2, .xClose = fault_close, .xRead = fault_read, .xWrite = fault_write,
    .xTruncate = fault_truncate, .xSync = fault_sync, .xFileSize = fault_size, .xLock = fault_lock,
    .xUnlock = fault_unlock, .xCheckReservedLock = fault_reserved, .xFileControl = fault_control,
    .xSectorSize = fault_sector, .xDeviceCharacteristics = fault_device, .xShmMap = fault_shm_map,
    .xShmLock = fault_shm_lock, .xShmBarrier = fault_shm_barrier, .xShmUnmap = fault_shm_unmap,
};

static int fault_open(sqlite3_vfs *v, const char *name, sqlite3_file *file, int flags, int *out)
{
    fault_file *f = (fault_file *)(void *)file;
    int rc;

    (void)v;
    f->real = (sqlite3_file *)(void *)(f + 1);
    f->base.pMethods = NULL;
    rc = fault.real->xOpen(fault.real, name, f->real, flags, out);
    if (rc == SQLITE_OK) {
        f->path = name ? strdup(name) : NULL;
        f->base.pMethods = &fault_methods;
    }
    return rc;
}

static inline void fault_install(void)
{
    fault.real = sqlite3_vfs_find(NULL);
    assert_non_null(fault.real);
    fault.vfs = *fault.real;
    fault.vfs.zName = "fault";
    fault.vfs.szOsFile = (int)sizeof(fault_file) + fault.real->szOsFile;
    fault.vfs.xOpen = fault_open;
    fault.vfs.pNext = NULL;
    fault.left = -1;
    assert_int_equal(sqlite3_vfs_register(&fault.vfs, 1), SQLITE_OK);
}

#endif
