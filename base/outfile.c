/* outfile.c - see outfile.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/outfile.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct rs_outfile {
    int   fd;
    char *path, *tmp;
};

static void drop(rs_outfile *f)
{
    if (f->fd >= 0) {
        close(f->fd);
        unlink(f->tmp);
    }
    rs_free(f->path);
    rs_free(f->tmp);
    rs_free(f);
}

static rs_status open_mode(rs_outfile **out, const char *path, mode_t mode, rs_err *err)
{
    rs_outfile *f = rs_calloc(1, sizeof *f);
    rs_status st;

    *out = NULL;
    if (!f)
        return rs_fail(err, RS_ENOMEM, "write %s: no memory", path);
    f->fd = -1;
    f->path = rs_strdup(path);
    f->tmp = rs_sprintf("%s.tmp.%ld", path, (long)getpid());
    if (!f->path || !f->tmp) {
        st = rs_fail(err, RS_ENOMEM, "write %s: no memory", path);
        drop(f);
        return st;
    }
    f->fd = open(f->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (f->fd < 0) {
        st = rs_fail_errno(err, "create %s", f->tmp);
        drop(f);
        return st;
    }
    *out = f;
    return RS_OK;
}

rs_status rs_outfile_open(rs_outfile **out, const char *path, rs_err *err)
{
    return open_mode(out, path, 0644, err);
}

rs_status rs_outfile_open_private(rs_outfile **out, const char *path, rs_err *err)
{
    return open_mode(out, path, 0600, err);
}

rs_status rs_outfile_write(rs_outfile *f, const void *bytes, size_t n, rs_err *err)
{
    const char *p = bytes;

    while (n) {
        ssize_t some = write(f->fd, p, n);
        if (some < 0 && errno == EINTR)
            continue;
        if (some < 0)
            return rs_fail_errno(err, "write %s", f->tmp);
        p += some;
        n -= (size_t)some;
    }
    return RS_OK;
}

/* So that the rename itself survives a power cut. `path` is cut at its last slash. */
static void sync_folder_of(char *path)
{
    char *slash = strrchr(path, '/');
    int fd;

    if (slash)
        slash[slash == path] = '\0';
    fd = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

rs_status rs_outfile_end(rs_outfile *f, rs_status so_far, rs_err *err)
{
    rs_status st = so_far;
    int fd;

    if (!f)
        return st;
    if (st == RS_OK && fsync(f->fd) != 0)
        st = rs_fail_errno(err, "fsync %s", f->tmp);
    if (st != RS_OK) {
        drop(f);
        return st;
    }
    fd = f->fd;
    f->fd = -1;
    if (close(fd) != 0)
        st = rs_fail_errno(err, "close %s", f->tmp);
    else if (rename(f->tmp, f->path) != 0)
        st = rs_fail_errno(err, "rename %s to %s", f->tmp, f->path);
    if (st == RS_OK)
        sync_folder_of(f->path);
    else
        unlink(f->tmp);
    drop(f);
    return st;
}
