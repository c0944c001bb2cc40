/* tokens.c - see tokens.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/tokens.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/outfile.h"
#include "engine/access.h"
#include "server/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char PREFIX[] = "rst_";
enum { MAX_FILE = 64 << 20 };

typedef struct {
    ino_t   ino;
    off_t   size;
    int64_t mtime_ns;
    bool    there;
} stamp;

struct rs_bearers {
    char     *path;
    rs_arena  mem;                 /* the tokens */
    rs_bearer *rows;
    size_t    n;
    stamp     seen;
    bool      failed;              /* by the last look: none holds */
};

static const char *const role_names[] = {
#define ROLE_NAME(name, text) text,
    RS_ROLE_MAP(ROLE_NAME)
#undef ROLE_NAME
};

const char *rs_role_name(rs_role r)
{
    return role_names[r];
}

rs_role rs_role_of(const char *name)
{
    for (int r = RS_ROLE_READER; r < RS_ROLES; r++)
        if (strcmp(role_names[r], name) == 0)
            return (rs_role)r;
    return RS_ROLES;
}

/* ---- One line -------------------------------------------------------- */

static bool good_text(const char *s, size_t max)
{
    const size_t n = strlen(s);

    if (n == 0 || n > max)
        return false;
    for (size_t i = 0, k; i < n; i += k) {
        k = rs_utf8_length((const unsigned char *)s + i, n - i);
        if (k == 0 || (unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            return false;
    }
    return true;
}

static bool is_hash(const char *s)
{
    return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static rs_status read_collections(const json_t *o, const char *where, rs_arena *mem, rs_bearer *t,
                                  rs_err *err)
{
    const json_t *v = json_object_get(o, "collections"), *item;
    const char **list;
    size_t i;

    t->all = json_is_string(v) && strcmp(json_string_value(v), "all") == 0;
    if (t->all)
        return RS_OK;
    if (!json_is_array(v) || json_array_size(v) > RS_TOKEN_COLLECTIONS)
        return rs_fail(err, RS_ECORRUPT, "%s: collections: wanted \"all\" or a list of at most %d",
                       where, RS_TOKEN_COLLECTIONS);
    list = rs_new(mem, const char *, json_array_size(v) + 1);
    if (!list)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", where);
    json_array_foreach(v, i, item) {
        if (!json_is_string(item))
            return rs_fail(err, RS_ECORRUPT, "%s: collections[%zu]: wanted a string", where, i);
        if (!(list[i] = rs_arena_strdup(mem, json_string_value(item))))
            return rs_fail(err, RS_ENOMEM, "%s: no memory", where);
    }
    t->collections = list;
    t->n_collections = json_array_size(v);
    return RS_OK;
}

static rs_status read_token(const json_t *o, const char *where, rs_arena *mem, rs_bearer *t,
                            rs_err *err)
{
    const rs_json_at at = {o, where};
    const char *name, *role, *hash;
    rs_status st;

    *t = (rs_bearer){0};
    if ((st = rs_json_str(at, "name", "", &name, err)) != RS_OK ||
        (st = rs_json_str(at, "role", "", &role, err)) != RS_OK ||
        (st = rs_json_str(at, "sha256", "", &hash, err)) != RS_OK ||
        (st = rs_json_int(at, "created", 0, 1LL << 40, 0, &t->created, err)) != RS_OK ||
        (st = rs_json_int(at, "expires", 0, 1LL << 40, 0, &t->expires, err)) != RS_OK ||
        (st = rs_json_int(at, "revoked", 0, 1LL << 40, 0, &t->revoked, err)) != RS_OK ||
        (st = read_collections(o, where, mem, t, err)) != RS_OK)
        return st;
    t->role = rs_role_of(role);
    if (!good_text(name, RS_TOKEN_NAME) || t->role == RS_ROLES || !is_hash(hash))
        return rs_fail(err, RS_ECORRUPT, "%s: no name, role or sha256 that could be one", where);
    memcpy(t->sha256, hash, RS_SHA256_HEX);
    t->name = rs_arena_strdup(mem, name);
    return t->name ? RS_OK : rs_fail(err, RS_ENOMEM, "%s: no memory", where);
}

static void write_token(const rs_bearer *t, rs_buf *out)
{
    json_t *list = t->all ? json_string("all") : json_array(), *o;
    char *text;

    for (size_t i = 0; i < t->n_collections; i++)
        json_array_append_new(list, rs_json_any(t->collections[i]));
    if (!t->all && json_array_size(list) != t->n_collections)
        out->failed = true;                        /* rather none than another list */
    o = json_pack("{s:s,s:s,s:o,s:s,s:I,s:I,s:I}", "name", t->name, "role", rs_role_name(t->role),
                  "collections", list, "sha256", t->sha256, "created", (json_int_t)t->created,
                  "expires", (json_int_t)t->expires, "revoked", (json_int_t)t->revoked);
    text = o ? rs_json_text(o) : NULL;
    json_decref(o);
    if (text)
        rs_buf_printf(out, "%s\n", text);
    else
        out->failed = true;
    rs_free(text);
}

/* ---- The file -------------------------------------------------------- */

static stamp stamp_of(const char *path)
{
    struct stat sb;

    if (stat(path, &sb) != 0)
        return (stamp){.there = errno != ENOENT};
    return (stamp){sb.st_ino, sb.st_size,
                   (int64_t)sb.st_mtim.tv_sec * 1000000000 + sb.st_mtim.tv_nsec, true};
}

static bool same(const stamp *a, const stamp *b)
{
    return a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns &&
           a->there == b->there;
}

static rs_status check_owner(const char *path, rs_err *err)
{
    struct stat sb;

    if (stat(path, &sb) == 0 && (sb.st_mode & (S_IWGRP | S_IWOTH)))
        return rs_fail(err, RS_EARG, "%s: others than its owner may write it, and so give "
                       "themselves any token: chmod 600 it", path);
    return RS_OK;
}

static rs_status read_lines(rs_bearers *t, const char *text, size_t len, rs_err *err)
{
    size_t lines = 0, number = 0;
    rs_status st = RS_OK;

    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    if (lines >= RS_TOKENS_MAX)
        return rs_fail(err, RS_ELIMIT, "%s: over %d tokens", t->path, RS_TOKENS_MAX);
    t->rows = rs_new(&t->mem, rs_bearer, lines + 1);
    if (!t->rows)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", t->path);
    for (size_t from = 0, to; st == RS_OK && from < len; from = to + 1) {
        const char *end = memchr(text + from, '\n', len - from);
        char where[200];
        json_t *o;
        to = end ? (size_t)(end - text) : len;
        snprintf(where, sizeof where, "%.160s: line %zu", t->path, ++number);
        st = rs_json_parse(&o, text + from, to - from, where, err);
        if (st == RS_OK)
            st = read_token(o, where, &t->mem, &t->rows[t->n], err);
        t->n += st == RS_OK;
        json_decref(o);
    }
    return st;
}

static rs_status load(rs_bearers *t, rs_err *err)
{
    char *text = NULL;
    size_t len = 0;
    rs_status st;

    t->n = 0;
    t->failed = false;
    rs_arena_clear(&t->mem);
    if (!t->seen.there)
        return RS_OK;
    if ((st = check_owner(t->path, err)) == RS_OK &&
        (st = rs_file_read(&text, &len, t->path, MAX_FILE, err)) == RS_OK)
        st = read_lines(t, text, len, err);
    rs_free(text);
    t->failed = st != RS_OK;
    return st;
}

rs_status rs_bearers_open(rs_bearers **out, const char *path, rs_err *err)
{
    rs_bearers *t = rs_calloc(1, sizeof *t);
    rs_status st;

    *out = NULL;
    if (!t || !(t->path = rs_strdup(path))) {
        rs_free(t);
        return rs_fail(err, RS_ENOMEM, "%s: no memory", path);
    }
    t->seen = stamp_of(path);
    if ((st = load(t, err)) != RS_OK) {
        rs_bearers_close(t);
        return st;
    }
    *out = t;
    return RS_OK;
}

void rs_bearers_close(rs_bearers *t)
{
    if (!t)
        return;
    rs_arena_clear(&t->mem);
    rs_free(t->path);
    rs_free(t);
}

rs_status rs_bearers_refresh(rs_bearers *t, rs_err *err)
{
    const stamp now = stamp_of(t->path);

    if (same(&now, &t->seen) && !t->failed)
        return RS_OK;
    t->seen = now;
    return load(t, err);
}

/* ---- Looking --------------------------------------------------------- */

size_t rs_bearers_count(const rs_bearers *t)
{
    return t->failed ? 0 : t->n;
}

const rs_bearer *rs_bearers_at(const rs_bearers *t, size_t i)
{
    return &t->rows[i];
}

bool rs_bearers_known(const rs_bearers *t)
{
    return t->seen.there;
}

bool rs_bearer_holds(const rs_bearer *t, long long now)
{
    return !t->revoked && (!t->expires || now < t->expires);
}

size_t rs_bearers_holding(const rs_bearers *t, long long now)
{
    size_t n = 0;

    for (size_t i = 0; i < rs_bearers_count(t); i++)
        n += rs_bearer_holds(&t->rows[i], now);
    return n;
}

const rs_bearer *rs_bearers_hashed(const rs_bearers *t, const char *sha256, long long now)
{
    const rs_bearer *found = NULL;

    for (size_t i = 0; i < rs_bearers_count(t); i++)
        if (rs_secret_equal(t->rows[i].sha256, sha256))
            found = &t->rows[i];
    return found && rs_bearer_holds(found, now) ? found : NULL;
}

const rs_bearer *rs_bearers_find(const rs_bearers *t, const char *text, long long now)
{
    char hash[RS_SHA256_HEX];

    if (rs_sha256_of(hash, text, strlen(text), NULL) != RS_OK)
        return NULL;
    return rs_bearers_hashed(t, hash, now);
}

const char *rs_bearer_filter(const rs_bearer *t, rs_arena *mem, rs_status *st)
{
    rs_buf b = {0};
    const char *filter = NULL;

    *st = RS_OK;
    if (t->all)
        return NULL;
    rs_access_collections(&b, t->collections, t->n_collections);
    if (!b.failed)
        filter = rs_arena_strdup(mem, b.data);
    rs_buf_clear(&b);
    *st = filter ? RS_OK : RS_ENOMEM;
    return filter;
}

/* ---- Changing -------------------------------------------------------- */

/* Until it is closed, no other process changes the file. */
static rs_status lock(const char *path, int *fd, rs_err *err)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char *name = rs_sprintf("%s.lock", path);
    int code;

    if (!name)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", path);
    *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    rs_free(name);
    if (*fd < 0)
        return rs_fail_errno(err, "lock %s", path);
    while ((code = fcntl(*fd, F_SETLKW, &all)) != 0 && errno == EINTR)
        ;
    if (code == 0)
        return RS_OK;
    rs_fail_errno(err, "lock %s", path);
    close(*fd);
    return RS_EIO;
}

/* What the administrator makes, the server of the archive's owner must be able to read. */
static void give_to_owner(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash && slash > path ? rs_strndup(path, (size_t)(slash - path))
                                         : rs_strdup(slash ? "/" : ".");
    struct stat sb;

    if (geteuid() == 0 && folder && stat(folder, &sb) == 0 && sb.st_uid != 0)
        (void)!chown(path, sb.st_uid, sb.st_gid);
    rs_free(folder);
}

static rs_status save(const rs_bearers *t, const rs_bearer *more, rs_err *err)
{
    rs_outfile *f = NULL;
    rs_buf b = {0};
    rs_status st;

    for (size_t i = 0; i < t->n; i++)
        write_token(&t->rows[i], &b);
    if (more)
        write_token(more, &b);
    st = b.failed ? rs_fail(err, RS_ENOMEM, "%s: no memory", t->path)
                  : rs_outfile_open_private(&f, t->path, err);
    if (st == RS_OK) {
        st = rs_outfile_write(f, b.data ? b.data : "", b.len, err);
        st = rs_outfile_end(f, st, err);
        if (st == RS_OK)
            give_to_owner(t->path);
    }
    rs_buf_clear(&b);
    return st;
}

static rs_status check_wanted(const rs_bearers *t, const rs_bearer *want, rs_err *err)
{
    if (!good_text(want->name, RS_TOKEN_NAME))
        return rs_fail(err, RS_EARG, "a name has 1 to %d bytes of UTF-8, and no control characters",
                       RS_TOKEN_NAME);
    if (want->role < RS_ROLE_READER || want->role >= RS_ROLES)
        return rs_fail(err, RS_EARG, "a role is reader, educator, editor or admin");
    if (!want->all && (want->n_collections == 0 || want->n_collections > RS_TOKEN_COLLECTIONS))
        return rs_fail(err, RS_EARG, "a token sees all collections or 1 to %d",
                       RS_TOKEN_COLLECTIONS);
    for (size_t i = 0; i < want->n_collections; i++)
        if (!good_text(want->collections[i], 1024))
            return rs_fail(err, RS_EARG, "a collection has 1 to 1024 bytes of UTF-8");
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->rows[i].name, want->name) == 0)
            return rs_fail(err, RS_EARG, "%s: there %s a token '%s'; names are not given twice",
                           t->path, t->rows[i].revoked ? "was" : "is", want->name);
    return t->n < RS_TOKENS_MAX - 1 ? RS_OK : rs_fail(err, RS_ELIMIT, "%s: %d tokens are too many",
                                                      t->path, RS_TOKENS_MAX);
}

rs_status rs_bearers_add(const char *path, const rs_bearer *want, char text[RS_TOKEN_TEXT],
                        rs_err *err)
{
    char secret[RS_SECRET_HEX];
    rs_bearer new = *want;
    rs_bearers *t = NULL;
    rs_status st;
    int fd;

    text[0] = '\0';
    if ((st = lock(path, &fd, err)) != RS_OK)
        return st;
    if ((st = rs_bearers_open(&t, path, err)) == RS_OK &&
        (st = check_wanted(t, want, err)) == RS_OK &&
        (st = rs_secret_make(secret, err)) == RS_OK) {
        snprintf(text, RS_TOKEN_TEXT, "%s%s", PREFIX, secret);
        rs_secret_wipe(secret, sizeof secret);
        new.created = time(NULL);
        new.revoked = 0;
        st = rs_sha256_of(new.sha256, text, strlen(text), err);
        if (st == RS_OK)
            st = save(t, &new, err);
    }
    if (st != RS_OK)
        rs_secret_wipe(text, RS_TOKEN_TEXT);
    rs_bearers_close(t);
    close(fd);
    return st;
}

rs_status rs_bearers_revoke(const char *path, const char *name, rs_err *err)
{
    rs_bearer *found = NULL;
    rs_bearers *t = NULL;
    rs_status st;
    int fd;

    if ((st = lock(path, &fd, err)) != RS_OK)
        return st;
    if ((st = rs_bearers_open(&t, path, err)) == RS_OK) {
        for (size_t i = 0; i < t->n; i++)
            if (strcmp(t->rows[i].name, name) == 0)
                found = &t->rows[i];
        if (!found)
            st = rs_fail(err, RS_ENOENT, "%s: there is no token '%.100s'", path, name);
        else if (found->revoked)
            st = rs_fail(err, RS_EARG, "%s: the token '%s' was revoked before", path, name);
        else
            found->revoked = time(NULL);
        if (st == RS_OK)
            st = save(t, NULL, err);
    }
    rs_bearers_close(t);
    close(fd);
    return st;
}

char *rs_beside_archive(const char *archive, const char *suffix)
{
    size_t n = strlen(archive);

    while (n > 1 && archive[n - 1] == '/')
        n--;
    return rs_sprintf("%.*s%s", (int)n, archive, suffix);
}
