/* renditions.c - see renditions.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/renditions.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/bytes.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    TOUCH_S = 3600,                        /* a file's time of use is that exact */
    TAIL = 12                              /* bytes of the longest end */
};

struct rs_renditions {
    char           *folder;                /* ARCHIVE/renditions */
    uint64_t        max_bytes;
    pthread_mutex_t lock;                  /* of what follows */
    uint64_t        bytes;                 /* of all files, once they have been counted */
    bool            counted, sweeping, failing;
    unsigned        next;                  /* temporary name */
};

rs_status rs_renditions_new(rs_renditions **out, const char *archive, uint64_t max_bytes,
                            rs_err *err)
{
    rs_renditions *r = rs_calloc(1, sizeof *r);

    *out = NULL;
    if (!r || !(r->folder = rs_path_join(archive, "renditions"))) {
        rs_free(r);
        return rs_fail(err, RS_ENOMEM, "no memory for the renditions");
    }
    r->max_bytes = max_bytes;
    pthread_mutex_init(&r->lock, NULL);
    *out = r;
    return RS_OK;
}

void rs_renditions_free(rs_renditions *r)
{
    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    rs_free(r->folder);
    rs_free(r);
}

/* ---- Finding --------------------------------------------------------- */

/* Does it begin and end as one of the formats does? */
static bool is_whole(int fd, off_t size)
{
    static const struct { const char *begin; size_t n; const char *end; size_t n_end; } kinds[] = {
        {"\xff\xd8\xff", 3, "\xff\xd9", 2},
        {"\x89PNG\r\n\x1a\n", 8, "\0\0\0\0IEND\xae\x42\x60\x82", 12},
    };
    char begin[8], end[TAIL];

    if (size < (off_t)sizeof begin + TAIL || pread(fd, begin, sizeof begin, 0) != sizeof begin ||
        pread(fd, end, TAIL, size - TAIL) != TAIL)
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (memcmp(begin, kinds[i].begin, kinds[i].n) == 0)
            return memcmp(end + TAIL - kinds[i].n_end, kinds[i].end, kinds[i].n_end) == 0;
    return false;
}

int rs_renditions_open(rs_renditions *r, const char *path, uint64_t *length)
{
    struct stat sb;
    int fd;

    if (!r || !r->max_bytes)
        return -1;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0)
        return -1;
    if (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode) || !is_whole(fd, sb.st_size)) {
        close(fd);
        return -1;
    }
    if (sb.st_mtime + TOUCH_S < time(NULL))
        futimens(fd, NULL);                /* of another user's archive: its age stays */
    *length = (uint64_t)sb.st_size;
    return fd;
}

/* ---- The bound -------------------------------------------------------- */

typedef struct { struct timespec used; uint64_t size; char *path; } kept_file;
typedef struct { kept_file *list; size_t n, cap; uint64_t bytes; rs_arena mem; } inventory;

static bool note(inventory *all, const char *path, const struct stat *sb)
{
    kept_file *more = all->list;

    if (all->n == all->cap) {
        all->cap = all->cap ? 2 * all->cap : 256;
        more = rs_new(&all->mem, kept_file, all->cap);
        if (!more)
            return false;
        if (all->n)
            memcpy(more, all->list, all->n * sizeof *more);
        all->list = more;
    }
    more[all->n] = (kept_file){sb->st_mtim, (uint64_t)sb->st_size,
                               rs_arena_strdup(&all->mem, path)};
    all->bytes += (uint64_t)sb->st_size;
    return more[all->n++].path != NULL;
}

/* Every regular file of `folder` and, down to `depth`, below it. */
static bool take_stock(inventory *all, const char *folder, int depth)
{
    DIR *d = opendir(folder);
    const struct dirent *e;
    bool whole = true;

    while (d && whole && (e = readdir(d)) != NULL) {
        char *path;
        struct stat sb;
        if (e->d_name[0] == '.')
            continue;
        path = rs_path_join(folder, e->d_name);
        whole = path != NULL;
        if (path && lstat(path, &sb) == 0) {
            if (S_ISREG(sb.st_mode))
                whole = note(all, path, &sb);
            else if (S_ISDIR(sb.st_mode) && depth > 0)
                whole = take_stock(all, path, depth - 1);
        }
        rs_free(path);
    }
    if (d)
        closedir(d);
    return whole;
}

static int by_use(const void *a, const void *b)
{
    const struct timespec *x = &((const kept_file *)a)->used, *y = &((const kept_file *)b)->used;

    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* Count what there is, and make room where it is too much. Returns the bytes that stay. */
static uint64_t sweep(const rs_renditions *r)
{
    inventory all = {0};
    uint64_t left;

    if (!take_stock(&all, r->folder, 1))
        rs_log_event(RS_LOG_WARN, "renditions not counted", "folder", r->folder,
                     (const char *)NULL);
    left = all.bytes;
    if (left > r->max_bytes) {
        qsort(all.list, all.n, sizeof *all.list, by_use);
        for (size_t i = 0; i < all.n && left > r->max_bytes - r->max_bytes / 8; i++)
            if (all.list[i].path && (unlink(all.list[i].path) == 0 || errno == ENOENT))
                left -= all.list[i].size;
    }
    rs_arena_clear(&all.mem);
    return left;
}

/* `len` more bytes are there; one thread at a time looks whether it is too much. */
static void account(rs_renditions *r, size_t len)
{
    uint64_t before, left;
    bool mine;

    pthread_mutex_lock(&r->lock);
    r->bytes += len;
    mine = !r->sweeping && (!r->counted || r->bytes > r->max_bytes);
    r->sweeping |= mine;
    before = r->bytes;
    pthread_mutex_unlock(&r->lock);
    if (!mine)
        return;
    left = sweep(r);
    pthread_mutex_lock(&r->lock);
    r->bytes = left + (r->bytes - before);     /* some of what came meanwhile may count twice */
    r->counted = true;
    r->sweeping = false;
    pthread_mutex_unlock(&r->lock);
}

/* ---- Keeping --------------------------------------------------------- */

static rs_status make_folder_of(const char *path, rs_err *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? rs_calloc((size_t)(slash - path) + 1, 1) : NULL;
    rs_status st;

    if (!folder)
        return rs_fail(err, RS_ENOMEM, "no memory for a path");
    memcpy(folder, path, (size_t)(slash - path));
    st = rs_mkdirs(folder, err);
    rs_free(folder);
    return st;
}

static rs_status write_all(int fd, const char *bytes, size_t len, const char *path, rs_err *err)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return rs_fail_errno(err, "write %s", path);
        bytes += n;
        len -= (size_t)n;
    }
    return RS_OK;
}

/* An erasure looks for files that begin with the image's digest: the temporary name does. */
static rs_status write_file(rs_renditions *r, const char *path, const void *bytes, size_t len,
                            rs_err *err)
{
    rs_buf name = {0};
    rs_status st;
    unsigned n;
    int fd;

    if ((st = make_folder_of(path, err)) != RS_OK)
        return st;
    pthread_mutex_lock(&r->lock);
    n = r->next++;
    pthread_mutex_unlock(&r->lock);
    rs_buf_printf(&name, "%s.%ld-%u.tmp", path, (long)getpid(), n);
    if (name.failed)
        return rs_fail(err, RS_ENOMEM, "no memory for a path");
    fd = open(name.data, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0) {
        st = rs_fail_errno(err, "open %s", name.data);
        rs_buf_clear(&name);
        return st;
    }
    st = write_all(fd, bytes, len, name.data, err);
    if (close(fd) != 0 && st == RS_OK)
        st = rs_fail_errno(err, "close %s", name.data);
    if (st == RS_OK && rename(name.data, path) != 0)
        st = rs_fail_errno(err, "rename %s", name.data);
    if (st != RS_OK)
        unlink(name.data);
    rs_buf_clear(&name);
    return st;
}

void rs_renditions_keep(rs_renditions *r, const char *path, const void *bytes, size_t len)
{
    rs_err err = {0};
    rs_status st;
    bool news;

    if (!r || !r->max_bytes)
        return;
    st = write_file(r, path, bytes, len, &err);
    pthread_mutex_lock(&r->lock);
    news = st != RS_OK && !r->failing;
    r->failing = st != RS_OK;
    pthread_mutex_unlock(&r->lock);
    if (news)
        rs_log_error(RS_LOG_WARN, "renditions are not kept", &err);
    if (st == RS_OK)
        account(r, len);
}

void rs_renditions_drop(rs_renditions *r, const char *path)
{
    if (r && r->max_bytes)
        unlink(path);
}
