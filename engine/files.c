/* files.c - see files.h. Names of own files are known here alone:
 *
 *   what the catalog keeps    images/ab/<64 digits>.png        78 bytes, always
 *   what goes out             ROOT/images/ab/<64 digits>.png
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/files_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/outfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ENDING = 4,                                  /* ".png", ".jpg" */
    SHARD_AT = sizeof RS_FILES_IMAGES,           /* behind "images/" */
    DIGEST_AT = SHARD_AT + 3,                    /* behind "ab/" */
    STORED = DIGEST_AT + RS_DIGEST_DIGITS + ENDING
};

/* ---- Names ------------------------------------------------------------ */

/* Does `s` begin with a digest, and with no digit more? */
static bool begins_with_digest(const char *s)
{
    return strspn(s, "0123456789abcdef") == RS_DIGEST_DIGITS;
}

bool rs_files_named_so(const char *name)
{
    return begins_with_digest(name) && name[RS_DIGEST_DIGITS] == '.';
}

static bool is_digest(const char *s)
{
    return s && begins_with_digest(s) && s[RS_DIGEST_DIGITS] == '\0';
}

const char *rs_files_digest(const char *stored)
{
    const char *digest, *end;

    if (strlen(stored) != STORED || strncmp(stored, RS_FILES_IMAGES "/", SHARD_AT) != 0)
        return NULL;
    digest = stored + DIGEST_AT;
    end = digest + RS_DIGEST_DIGITS;
    if (digest[-1] != '/' || !begins_with_digest(digest) || strncmp(stored + SHARD_AT, digest, 2) != 0)
        return NULL;
    return strcmp(end, ".png") == 0 || strcmp(end, ".jpg") == 0 ? digest : NULL;
}

/* NULL where the first bytes are of neither kind. */
static const char *ending_of(const void *bytes, size_t len)
{
    if (len >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
        return ".png";
    return len >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0 ? ".jpg" : NULL;
}

/* ---- Paths ------------------------------------------------------------ */

char *rs_files_root(const char *folder)
{
    size_t n = strlen(folder);
    char here[PATH_MAX];

    while (n > 0 && folder[n - 1] == '/')
        n--;
    if (folder[0] == '/')
        return rs_strndup(folder, n);            /* of "/" nothing is left: "" + "/images" */
    while (n >= 2 && strncmp(folder, "./", 2) == 0) {
        folder += 2;
        n -= 2;
    }
    if (!getcwd(here, sizeof here))
        return NULL;
    return n == 0 || (n == 1 && folder[0] == '.') ? rs_strdup(here)
                                                  : rs_sprintf("%s/%.*s", here, (int)n, folder);
}

/* Is the folder path[0..n) the archive's? By name, else because it is the same one. */
static bool is_root(const rs_archive *a, const char *path, size_t n)
{
    char folder[PATH_MAX];
    struct stat one, other;

    if (n == strlen(a->root) && strncmp(path, a->root, n) == 0)
        return true;
    if (n >= sizeof folder)
        return false;
    memcpy(folder, path, n);
    folder[n] = '\0';
    return stat(folder, &one) == 0 && stat(a->root, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

const char *rs_files_stored(const rs_archive *a, const char *path)
{
    const size_t len = strlen(path);
    const char *end = len > STORED ? path + len - STORED : path;

    if (end == path || end[-1] != '/' || !rs_files_digest(end))
        return path;
    return is_root(a, path, len - STORED - 1) ? end : path;
}

const char *rs_files_path(const rs_archive *a, const char *stored, rs_arena *mem)
{
    return rs_files_digest(stored) ? rs_arena_sprintf(mem, "%s/%s", a->root, stored)
                                   : rs_arena_strdup(mem, stored);
}

bool rs_files_there(const rs_archive *a, const char *stored)
{
    char path[PATH_MAX];
    struct stat sb;
    const int n = snprintf(path, sizeof path, "%s/%s", a->root, stored);

    return n > 0 && (size_t)n < sizeof path && lstat(path, &sb) == 0 && S_ISREG(sb.st_mode);
}

const char *rs_files_rendition(const char *archive, const char *sha256, const char *name,
                               rs_arena *mem)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    char *root, *path = NULL;

    if (!is_digest(sha256) || !*name || name[strspn(name, letters)] || !(root = rs_files_root(archive)))
        return NULL;
    path = rs_arena_sprintf(mem, "%s/" RS_FILES_RENDITIONS "/%.2s/%s.%s", root, sha256, sha256, name);
    rs_free(root);
    return path;
}

/* ---- Keeping ---------------------------------------------------------- */

/* So that what was made or taken away in it survives a power cut. */
static void sync_folder(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

/* `path` within `parent`, for this user alone. */
static rs_status make_folder(const char *parent, const char *path, rs_err *err)
{
    if (mkdir(path, 0700) == 0) {
        sync_folder(parent);
        return RS_OK;
    }
    return errno == EEXIST && rs_is_folder(path) ? RS_OK : rs_fail_errno(err, "create folder %s", path);
}

static rs_status write_file(const char *path, const void *bytes, size_t len, rs_err *err)
{
    rs_outfile *f = NULL;
    rs_status st = rs_outfile_open_private(&f, path, err);

    if (st == RS_OK)
        st = rs_outfile_end(f, rs_outfile_write(f, bytes, len, err), err);
    return st;
}

rs_status rs_files_write(const char *root, const char *stored, const void *bytes, size_t len,
                         rs_err *err)
{
    char *images = rs_path_join(root, RS_FILES_IMAGES), *path = rs_sprintf("%s/%s", root, stored);
    char *shard = rs_sprintf("%s/%.*s", root, DIGEST_AT - 1, stored);
    rs_status st;

    if (!images || !path || !shard)
        st = rs_fail(err, RS_ENOMEM, "write %s: no memory", stored);
    else if ((st = make_folder(root, images, err)) == RS_OK &&
             (st = make_folder(images, shard, err)) == RS_OK)
        st = write_file(path, bytes, len, err);
    rs_free(images);
    rs_free(path);
    rs_free(shard);
    return st;
}

/* Are these bytes, and no others, at `path`? What cannot be read has not got them. */
static rs_status has_bytes(const char *path, const void *bytes, size_t len, bool *yes, rs_err *err)
{
    struct stat sb;
    rs_map m = {0};
    rs_status st;

    *yes = false;
    if (lstat(path, &sb) != 0 || !S_ISREG(sb.st_mode) || (uint64_t)sb.st_size != len)
        return RS_OK;
    st = rs_map_open(&m, path, err);
    *yes = st == RS_OK && m.len == len && memcmp(m.data, bytes, len) == 0;
    rs_map_close(&m);
    return st == RS_ENOMEM ? st : RS_OK;
}

rs_status rs_files_keep(rs_archive *a, const void *bytes, size_t len, rs_arena *mem,
                        const char **path, char sha256[RS_SHA256_HEX], rs_err *err)
{
    const char *ending = ending_of(bytes, len), *to;
    rs_status st;
    bool there;

    *path = NULL;
    if (a->lock < 0)
        return rs_fail(err, RS_EARG, "keep an image: archive %s is opened for reading only", a->folder);
    if (!ending)
        return rs_fail(err, RS_EFORMAT, "keep an image: %zu bytes that are neither PNG nor JPEG", len);
    if ((st = rs_sha256_of(sha256, bytes, len, err)) != RS_OK)
        return st;
    to = rs_arena_sprintf(mem, "%s/" RS_FILES_IMAGES "/%.2s/%s%s", a->root, sha256, sha256, ending);
    if (!to)
        return rs_fail(err, RS_ENOMEM, "keep an image: no memory");
    if ((st = has_bytes(to, bytes, len, &there, err)) != RS_OK)
        return st;
    if (there)
        utimensat(AT_FDCWD, to, NULL, 0);        /* young again: no orphan, see rs_archive_purge */
    else if ((st = rs_files_write(a->root, to + strlen(a->root) + 1, bytes, len, err)) != RS_OK)
        return rs_wrap(err, st, "keep an image");
    *path = to;
    return RS_OK;
}

/* ---- Sweeping --------------------------------------------------------- */

rs_status rs_files_wanted(rs_archive *a, const char *sha256, bool *yes, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT EXISTS(SELECT 1 FROM images WHERE sha256 = ?1)", err);

    *yes = true;
    rs_bind_text_n(&s, 1, sha256, RS_DIGEST_DIGITS);
    if (rs_step(&s))
        *yes = rs_col_int(&s, 0) != 0;
    return rs_done(&s);
}

/* Every file in ROOT/`kind`/ab whose name begins with the digest: of any ending, temporary ones
 * too. */
static rs_status take_away(const rs_archive *a, const char *kind, const char *sha256, rs_err *err)
{
    char *folder = rs_sprintf("%s/%s/%.2s", a->root, kind, sha256);
    DIR *d = folder ? opendir(folder) : NULL;
    const struct dirent *e;
    rs_status st = RS_OK;

    if (!folder)
        st = rs_fail(err, RS_ENOMEM, "sweep files: no memory");
    else if (!d && errno != ENOENT)
        st = rs_fail_errno(err, "open folder %s", folder);
    while (d && st == RS_OK && (e = readdir(d)) != NULL)
        if (strncmp(e->d_name, sha256, RS_DIGEST_DIGITS) == 0 &&
            unlinkat(dirfd(d), e->d_name, 0) != 0 && errno != ENOENT)
            st = rs_fail_errno(err, "remove %s/%s", folder, e->d_name);
    if (d) {
        fsync(dirfd(d));
        closedir(d);
    }
    rs_free(folder);
    return st;
}

rs_status rs_files_sweep(rs_archive *a, const char *const *sha256, size_t n, rs_err *err)
{
    rs_status st = rs_archive_may_write(a, "sweep files", err);

    for (size_t i = 0; st == RS_OK && i < n; i++) {
        bool wanted;
        if (is_digest(sha256[i]) && (st = rs_files_wanted(a, sha256[i], &wanted, err)) == RS_OK && !wanted &&
            (st = take_away(a, RS_FILES_IMAGES, sha256[i], err)) == RS_OK)
            st = take_away(a, RS_FILES_RENDITIONS, sha256[i], err);
    }
    return st;
}
