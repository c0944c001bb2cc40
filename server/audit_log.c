/* audit_log.c - see audit_log.h: writing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/audit_log.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/audit_line.h"
#include "server/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct rs_audit_log {
    pthread_mutex_t lock;
    char     *path;
    int       fd, guard;           /* `guard`: the lock file, as long as the log is open */
    bool      plain, dirty;
    uint64_t  bytes, max_bytes;
    long long n;                   /* of the last line */
    char      head[RS_SHA256_HEX], salt[RS_SECRET_HEX];
};

static const char *const names[] = {
#define AUDIT_NAME(name, text) text,
    RS_AUDIT_MAP(AUDIT_NAME)
#undef AUDIT_NAME
};

const char *rs_audit_name(rs_audit_kind k)
{
    return names[k];
}

rs_audit_kind rs_audit_of(const char *name)
{
    int k = 0;

    while (k < RS_AUDITS && strcmp(names[k], name) != 0)
        k++;
    return (rs_audit_kind)k;
}

/* ---- Bytes ----------------------------------------------------------- */

/* All of a line or none of it: what was written of half a line is taken back. */
static rs_status write_line(int fd, const char *path, uint64_t at, const rs_buf *line, rs_err *err)
{
    size_t done = 0;

    while (done < line->len) {
        ssize_t n = pwrite(fd, line->data + done, line->len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            rs_status st = rs_fail_errno(err, "audit log %s", path);
            if (ftruncate(fd, (off_t)at) != 0)
                rs_log_event(RS_LOG_ERROR, "audit log has half a line", "file", path,
                             (const char *)NULL);
            return st;
        }
        done += (size_t)n;
    }
    return RS_OK;
}

/* The begin of a line: number, time, and what came before. */
static json_t *begin_line(const rs_audit_log *l, const char *event)
{
    char now[32];

    rs_utc_text(now);
    return json_pack("{s:I,s:s,s:s,s:s}", "n", (json_int_t)l->n + 1, "t", now, "prev", l->head,
                     "event", event);
}

/* `o` (released) as the next line of `fd`, which has l->bytes. */
static rs_status put(rs_audit_log *l, int fd, json_t *o, rs_err *err)
{
    char hash[RS_SHA256_HEX];
    rs_buf line = {0};
    rs_status st = rs_audit_line_make(o, &line, hash, err);

    if (st == RS_OK)
        st = write_line(fd, l->path, l->bytes, &line, err);
    if (st == RS_OK) {
        l->bytes += line.len;
        l->n++;
        memcpy(l->head, hash, sizeof hash);
        l->dirty = true;
    }
    rs_buf_clear(&line);
    return st;
}

/* Nothing is left out of a line: false where there is no memory for it. */
static bool set(json_t *o, const char *key, const char *text)
{
    return o && (!text || json_object_set_new(o, key, rs_json_any(text)) == 0);
}

/* ---- Files ----------------------------------------------------------- */

static rs_status sync_file(rs_audit_log *l, int fd, rs_err *err)
{
    if (fdatasync(fd) != 0)
        return rs_fail_errno(err, "sync audit log %s", l->path);
    return RS_OK;
}

/* The names in the file's folder reach the disk. */
static void sync_folder(const char *path)
{
    char *folder = rs_strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
    int fd;

    if (slash)
        slash[slash == folder] = '\0';
    fd = folder ? open(slash ? folder : ".", O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    rs_free(folder);
}

/* A file of its own for the lines after this one. The new file is whole before the old one is
 * renamed, so that between any two steps a restart finds the way (open_file). */
static rs_status rotate(rs_audit_log *l, rs_err *err)
{
    char *old = rs_sprintf("%s.%010lld", l->path, l->n), *new = rs_sprintf("%s.new", l->path);
    const uint64_t bytes = l->bytes;
    rs_audit_log was = *l;
    const char *slash = old ? strrchr(old, '/') : NULL;
    json_t *o = begin_line(l, "continue");
    int fd = -1;
    rs_status st = sync_file(l, l->fd, err);

    if (!old || !new || !set(o, "salt", l->salt) || !set(o, "after", slash ? slash + 1 : old))
        st = rs_fail(err, RS_ENOMEM, "audit log %s: no memory", l->path);
    if (st == RS_OK && (fd = open(new, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0)
        st = rs_fail_errno(err, "create %s", new);
    l->bytes = 0;
    if (st == RS_OK)
        st = put(l, fd, json_incref(o), err);
    if (st == RS_OK)
        st = sync_file(l, fd, err);
    if (st == RS_OK && rename(l->path, old) != 0)
        st = rs_fail_errno(err, "rename %s", l->path);
    if (st == RS_OK && rename(new, l->path) != 0) {
        st = rs_fail_errno(err, "rename %s", new);
        (void)!rename(old, l->path);               /* as it was */
    }
    if (st == RS_OK) {
        close(l->fd);
        l->fd = fd;
        sync_folder(l->path);
        rs_log_event(RS_LOG_INFO, "audit log goes on in a new file", "file", old, "head", was.head,
                     (const char *)NULL);
    } else {
        l->n = was.n;
        l->bytes = bytes;
        memcpy(l->head, was.head, sizeof l->head);
        if (fd >= 0)
            close(fd);
    }
    json_decref(o);
    rs_free(old);
    rs_free(new);
    return st;
}

/* One process at a time. */
static rs_status guard(rs_audit_log *l, rs_err *err)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char *name = rs_sprintf("%s.lock", l->path);

    if (!name)
        return rs_fail(err, RS_ENOMEM, "audit log %s: no memory", l->path);
    l->guard = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    rs_free(name);
    if (l->guard < 0)
        return rs_fail_errno(err, "audit log %s", l->path);
    if (fcntl(l->guard, F_SETLK, &all) != 0)
        return rs_fail(err, RS_EBUSY, "audit log %s: another process writes it", l->path);
    return RS_OK;
}

static rs_status begin_log(rs_audit_log *l, rs_err *err)
{
    rs_status st = rs_secret_make(l->salt, err);
    json_t *o;

    if (st != RS_OK)
        return st;
    memcpy(l->head, rs_audit_nothing, sizeof l->head);
    o = begin_line(l, "begin");
    if (!set(o, "salt", l->salt)) {
        json_decref(o);
        return rs_fail(err, RS_ENOMEM, "audit log %s: no memory", l->path);
    }
    st = put(l, l->fd, o, err);
    if (st == RS_OK)
        st = sync_file(l, l->fd, err);
    sync_folder(l->path);
    return st;
}

/* The salt out of the first line, number and hash out of the last; *whole: bytes of lines. */
static rs_status know_ends(rs_audit_log *l, const char *text, size_t len, size_t *whole,
                           rs_err *err)
{
    const char *end = memchr(text, '\n', len);
    size_t from;
    json_t *o = NULL;
    rs_status st;

    for (*whole = len; *whole && text[*whole - 1] != '\n'; --*whole)
        ;
    if (!end)
        return RS_OK;
    for (from = *whole - 1; from && text[from - 1] != '\n'; from--)
        ;
    st = rs_audit_line_read(text, (size_t)(end - text), l->path, &o, l->head, err);
    if (st == RS_OK && json_string_length(json_object_get(o, "salt")) == RS_SECRET_HEX - 1)
        memcpy(l->salt, json_string_value(json_object_get(o, "salt")), sizeof l->salt);
    json_decref(o);
    if (st != RS_OK || !*l->salt)
        return rs_fail(err, RS_ECORRUPT, "audit log %s: its first line is not one of its own: "
                       "radscout audit-log verify says more", l->path);
    st = rs_audit_line_read(text + from, *whole - 1 - from, l->path, &o, l->head, err);
    if (st == RS_OK)
        l->n = json_integer_value(json_object_get(o, "n"));
    json_decref(o);
    if (st != RS_OK)
        return rs_fail(err, RS_ECORRUPT, "audit log %s: its last line is not as it was written: "
                       "put the file aside", l->path);
    return RS_OK;
}

static rs_status go_on(rs_audit_log *l, rs_err *err)
{
    size_t whole = 0, cut;
    json_t *o;
    rs_map m;
    rs_status st = rs_map_open(&m, l->path, err);

    if (st != RS_OK)
        return st;
    if (m.len)
        st = know_ends(l, (const char *)m.data, m.len, &whole, err);
    cut = m.len - whole;
    rs_map_close(&m);
    if (st != RS_OK)
        return st;
    l->bytes = whole;
    if (cut && ftruncate(l->fd, (off_t)whole) != 0)
        return rs_fail_errno(err, "audit log %s", l->path);
    if (whole == 0)
        return begin_log(l, err);
    if (cut == 0)
        return RS_OK;
    o = begin_line(l, "recovered");
    if (!o || json_object_set_new(o, "cut_bytes", json_integer((json_int_t)cut)) != 0) {
        json_decref(o);
        return rs_fail(err, RS_ENOMEM, "audit log %s: no memory", l->path);
    }
    return put(l, l->fd, o, err);
}

static rs_status open_file(rs_audit_log *l, rs_err *err)
{
    char *new = rs_sprintf("%s.new", l->path);

    if (!new)
        return rs_fail(err, RS_ENOMEM, "audit log %s: no memory", l->path);
    if (!rs_file_exists(l->path))                  /* a crash between the two steps of rotate() */
        (void)!rename(new, l->path);
    rs_free(new);
    l->fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (l->fd < 0)
        return rs_fail_errno(err, "audit log %s", l->path);
    return go_on(l, err);
}

/* ---- The door -------------------------------------------------------- */

rs_status rs_audit_log_open(rs_audit_log **out, const rs_audit_plan *plan, rs_err *err)
{
    rs_audit_log *l = rs_calloc(1, sizeof *l);
    rs_status st;

    *out = NULL;
    if (!l || !(l->path = rs_strdup(plan->path))) {
        rs_free(l);
        return rs_fail(err, RS_ENOMEM, "audit log %s: no memory", plan->path);
    }
    pthread_mutex_init(&l->lock, NULL);
    l->fd = l->guard = -1;
    l->plain = plan->plain;
    l->max_bytes = plan->max_bytes;
    if ((st = guard(l, err)) != RS_OK || (st = open_file(l, err)) != RS_OK) {
        rs_audit_log_close(l);
        return st;
    }
    *out = l;
    return RS_OK;
}

void rs_audit_log_close(rs_audit_log *l)
{
    if (!l)
        return;
    rs_audit_log_sync(l, NULL);
    if (l->fd >= 0)
        close(l->fd);
    if (l->guard >= 0)
        close(l->guard);
    pthread_mutex_destroy(&l->lock);
    rs_free(l->path);
    rs_free(l);
}

/* What was asked, as the log keeps it; false on OOM. */
static bool set_asked(const rs_audit_log *l, json_t *o, const char *asked)
{
    char hash[RS_SHA256_HEX];
    rs_sha256 *h;

    if (!asked || l->plain)
        return set(o, "asked", asked);
    if (!(h = rs_sha256_new()))
        return false;
    rs_sha256_add(h, l->salt, strlen(l->salt));
    rs_sha256_add(h, asked, strlen(asked));
    rs_sha256_end(h, hash);
    return set(o, "asked_sha256", hash);
}

static bool set_cases(json_t *o, const rs_audit_event *e)
{
    json_t *cases = e->n_cases ? json_array() : NULL;

    if (e->n_cases == 0)
        return true;
    for (size_t i = 0; i < e->n_cases; i++)
        if (json_array_append_new(cases, rs_json_any(e->cases[i])) != 0) {
            json_decref(cases);
            return false;
        }
    return json_object_set_new(o, "cases", cases) == 0;
}

static rs_status append(rs_audit_log *l, const rs_audit_event *e, rs_err *err)
{
    json_t *o = NULL;
    rs_status st;

    if (l->max_bytes && l->bytes >= l->max_bytes && (st = rotate(l, err)) != RS_OK)
        return st;
    o = begin_line(l, rs_audit_name(e->kind));
    if (!o || !set(o, "who", e->who) || !set(o, "role", e->role) || !set(o, "from", e->from) ||
        !set(o, "method", e->method) || !set(o, "path", e->path) ||
        !set_asked(l, o, e->asked) || !set_cases(o, e) ||
        (e->status && json_object_set_new(o, "status", json_integer(e->status)) != 0)) {
        json_decref(o);
        return rs_fail(err, RS_ENOMEM, "audit log: no memory");
    }
    return put(l, l->fd, o, err);
}

rs_status rs_audit_log_append(rs_audit_log *l, const rs_audit_event *e, rs_err *err)
{
    rs_status st;

    pthread_mutex_lock(&l->lock);
    st = append(l, e, err);
    pthread_mutex_unlock(&l->lock);
    return st;
}

rs_status rs_audit_log_sync(rs_audit_log *l, rs_err *err)
{
    rs_status st = RS_OK;

    pthread_mutex_lock(&l->lock);
    if (l->dirty && l->fd >= 0 && (st = sync_file(l, l->fd, err)) == RS_OK)
        l->dirty = false;
    pthread_mutex_unlock(&l->lock);
    return st;
}

void rs_audit_log_head(rs_audit_log *l, char hash[RS_SHA256_HEX])
{
    pthread_mutex_lock(&l->lock);
    memcpy(hash, l->head, RS_SHA256_HEX);
    pthread_mutex_unlock(&l->lock);
}

void rs_audit_log_plain(rs_audit_log *l, bool plain)
{
    pthread_mutex_lock(&l->lock);
    l->plain = plain;
    pthread_mutex_unlock(&l->lock);
}
