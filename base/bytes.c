/* bytes.c - see bytes.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include "base/alloc.h"
#include "base/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Growable buffer ------------------------------------------------- */

bool rs_buf_reserve(rs_buf *b, size_t extra)
{
    size_t want, cap;
    char *grown;

    if (b->failed)
        return false;
    if (!rs_add_size(&want, b->len, extra) || !rs_add_size(&want, want, 1)) {
        b->failed = true;
        return false;
    }
    if (want <= b->cap)
        return true;
    cap = b->cap > SIZE_MAX / 2 ? want : 2 * b->cap;
    if (cap < want)
        cap = want < 64 ? 64 : want;
    grown = rs_realloc(b->data, cap, 1);
    if (!grown) {
        b->failed = true;
        return false;
    }
    b->data = grown;
    b->cap = cap;
    return true;
}

void rs_buf_append(rs_buf *b, const void *bytes, size_t n)
{
    if (!rs_buf_reserve(b, n))
        return;
    if (n)
        memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void rs_buf_puts(rs_buf *b, const char *s) { rs_buf_append(b, s, strlen(s)); }
void rs_buf_putc(rs_buf *b, char c) { rs_buf_append(b, &c, 1); }

void rs_buf_printf(rs_buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !rs_buf_reserve(b, (size_t)n)) {
        b->failed = true;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

char *rs_buf_take(rs_buf *b)
{
    char *data;

    rs_buf_append(b, "", 0);            /* an empty buffer becomes "" */
    data = b->failed ? NULL : b->data;
    if (b->failed)
        rs_free(b->data);
    *b = (rs_buf){0};
    return data;
}

void rs_buf_clear(rs_buf *b)
{
    rs_free(b->data);
    *b = (rs_buf){0};
}

/* ---- Bounded reader -------------------------------------------------- */

const uint8_t *rs_read_bytes(rs_reader *r, size_t n)
{
    const uint8_t *p;

    if (r->failed || n > r->len - r->at) {
        r->failed = true;
        return NULL;
    }
    p = r->p + r->at;
    r->at += n;
    return p;
}

static uint64_t read_le(rs_reader *r, size_t n)
{
    const uint8_t *p = rs_read_bytes(r, n);
    uint64_t v = 0;

    for (size_t i = 0; p && i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint8_t rs_read_u8(rs_reader *r) { return (uint8_t)read_le(r, 1); }
uint16_t rs_read_u16le(rs_reader *r) { return (uint16_t)read_le(r, 2); }
uint32_t rs_read_u32le(rs_reader *r) { return (uint32_t)read_le(r, 4); }
uint64_t rs_read_u64le(rs_reader *r) { return read_le(r, 8); }

bool rs_mul_size(size_t *out, size_t a, size_t b)
{
    if (b && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

bool rs_add_size(size_t *out, size_t a, size_t b)
{
    if (a > SIZE_MAX - b)
        return false;
    *out = a + b;
    return true;
}

/* ---- Text ----------------------------------------------------------- */

size_t rs_utf8_length(const unsigned char *s, size_t n)
{
    static const struct { unsigned char first, last, lo, hi; size_t len; } forms[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
        {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    if (s[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (s[0] < forms[i].first || s[0] > forms[i].last || n < forms[i].len)
            continue;
        if (s[1] < forms[i].lo || s[1] > forms[i].hi)
            return 0;
        for (size_t k = 2; k < forms[i].len; k++)
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].len;
    }
    return 0;
}

/* ---- Files ----------------------------------------------------------- */

static rs_status read_fd(char *data, size_t len, int fd, const char *path, rs_err *err)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = read(fd, data + got, len - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rs_fail_errno(err, "read %s", path);
        if (n == 0)
            return rs_fail(err, RS_EIO, "read %s: shrank while being read", path);
        got += (size_t)n;
    }
    return RS_OK;
}

/* Open `path`, which must be a regular file. */
static rs_status open_regular(int *fd, size_t *len, const char *path, rs_err *err)
{
    struct stat sb;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return rs_fail_errno(err, "open %s", path);
    if (fstat(*fd, &sb) != 0) {
        rs_status st = rs_fail_errno(err, "stat %s", path);
        close(*fd);
        return st;
    }
    if (!S_ISREG(sb.st_mode)) {
        close(*fd);
        return rs_fail(err, RS_EIO, "open %s: not a regular file", path);
    }
    *len = (size_t)sb.st_size;
    return RS_OK;
}

rs_status rs_file_read(char **data, size_t *len, const char *path, size_t max, rs_err *err)
{
    rs_status st;
    char *buf = NULL;
    size_t size;
    int fd;

    *data = NULL;
    *len = 0;
    st = open_regular(&fd, &size, path, err);
    if (st != RS_OK)
        return st;
    if (size > max) {
        st = rs_fail(err, RS_ELIMIT, "read %s: %zu bytes, at most %zu are read", path, size, max);
        goto done;
    }
    buf = rs_malloc(size + 1);
    if (!buf) {
        st = rs_fail(err, RS_ENOMEM, "read %s: no memory for %zu bytes", path, size);
        goto done;
    }
    st = read_fd(buf, size, fd, path, err);
    if (st != RS_OK)
        goto done;
    buf[size] = '\0';
    *data = buf;
    *len = size;
    buf = NULL;
done:
    rs_free(buf);
    close(fd);
    return st;
}

rs_status rs_file_write(const char *path, const void *data, size_t len, rs_err *err)
{
    rs_outfile *f;
    rs_status st = rs_outfile_open(&f, path, err);

    if (st != RS_OK)
        return st;
    st = rs_outfile_write(f, data, len, err);
    return rs_outfile_end(f, st, err);
}

rs_status rs_map_open(rs_map *m, const char *path, rs_err *err)
{
    rs_status st;
    size_t len;
    void *p;
    int fd;

    *m = (rs_map){0};
    st = open_regular(&fd, &len, path, err);
    if (st != RS_OK)
        return st;
    if (len) {
        p = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            st = rs_fail_errno(err, "map %s", path);
            close(fd);
            return st;
        }
        m->data = p;
        m->len = len;
    }
    close(fd);
    return RS_OK;
}

void rs_map_close(rs_map *m)
{
    if (m->data)
        munmap((void *)(uintptr_t)m->data, m->len);
    *m = (rs_map){0};
}

rs_status rs_mkdirs(const char *path, rs_err *err)
{
    rs_status st = RS_OK;
    char *copy = rs_strdup(path);

    if (!copy)
        return rs_fail(err, RS_ENOMEM, "create folder %s: no memory", path);
    for (char *p = copy + 1; *copy; p++) {
        char c = *p;
        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(copy, 0777) != 0 && !(errno == EEXIST && rs_is_folder(copy))) {
            st = rs_fail_errno(err, "create folder %s", copy);
            break;
        }
        if (c == '\0')
            break;
        *p = c;
    }
    rs_free(copy);
    return st;
}

bool rs_file_exists(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0;
}

bool rs_is_folder(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

char *rs_path_join(const char *dir, const char *name)
{
    size_t n = dir ? strlen(dir) : 0;

    if (n == 0 || name[0] == '/')
        return rs_strdup(name);
    return rs_sprintf("%s%s%s", dir, dir[n - 1] == '/' ? "" : "/", name);
}
