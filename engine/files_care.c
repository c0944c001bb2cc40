/* files_care.c - all files of the archive's own: checked, copied, told from others, and those that
 * belong to no case any more taken away. See files_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/files_int.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { GRACE_S = 3600 };               /* an upload is committed within that */

/* ---- Each that the catalog names --------------------------------------- */

typedef rs_status each_fn(const char *root, const char *stored, void *ctx, rs_err *err);

static rs_status for_each(rs_archive *a, each_fn *f, void *ctx, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT DISTINCT path FROM images WHERE path GLOB '"
                          RS_FILES_IMAGES "/[0-9a-f][0-9a-f]/*'", err);

    while (rs_step(&s)) {
        const char *stored = rs_col_text(&s, 0);
        if (stored && rs_files_digest(stored))
            s.status = f(a->root, stored, ctx, err);
    }
    return rs_done(&s);
}

static rs_status check_one(const char *root, const char *stored, void *ctx, rs_err *err)
{
    char sha[RS_SHA256_HEX], *path = rs_path_join(root, stored);
    rs_status st;

    (void)ctx;
    if (!path)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", stored);
    st = rs_sha256_file(sha, path, err);
    if (st == RS_ENOENT)
        st = rs_fail(err, RS_ECORRUPT, "%s: is missing, and a case has it", path);
    else if (st == RS_OK && strncmp(sha, rs_files_digest(stored), RS_DIGEST_DIGITS) != 0)
        st = rs_fail(err, RS_ECORRUPT, "%s: its bytes have another digest, %.12s", path, sha);
    rs_free(path);
    return st;
}

rs_status rs_files_check(rs_archive *a, rs_err *err) { return for_each(a, check_one, NULL, err); }

static rs_status copy_one(const char *root, const char *stored, void *ctx, rs_err *err)
{
    const char *from_root = ctx;
    char *from = rs_path_join(from_root, stored);
    rs_map m = {0};
    rs_status st;

    if (!from)
        return rs_fail(err, RS_ENOMEM, "copy %s: no memory", stored);
    if ((st = rs_map_open(&m, from, err)) == RS_OK)
        st = rs_files_write(root, stored, m.data, m.len, err);
    rs_map_close(&m);
    rs_free(from);
    return st;
}

rs_status rs_files_copy(rs_archive *a, const char *root, rs_err *err)
{
    return for_each(a, copy_one, (void *)(uintptr_t)root, err);
}

/* ---- Whose file is it? --------------------------------------------------- */

/* Is the own original whole? */
static rs_status is_whole(const rs_archive *a, const char *stored, bool *yes, rs_err *err)
{
    const rs_status st = check_one(a->root, stored, NULL, err);

    *yes = st == RS_OK;
    return st == RS_ENOMEM ? st : RS_OK;
}

/* "renditions/ab/<digest>.<name>": where the digest begins, or NULL. */
static const char *rendition_digest(const char *file)
{
    const char *name = file + sizeof RS_FILES_RENDITIONS + 3;

    if (strncmp(file, RS_FILES_RENDITIONS "/", sizeof RS_FILES_RENDITIONS) != 0 ||
        strlen(file) <= sizeof RS_FILES_RENDITIONS + 3)
        return NULL;
    return name[-1] == '/' && rs_files_named_so(name) ? name : NULL;
}

rs_status rs_files_had(rs_archive *a, const char *file, bool *yes, rs_err *err)
{
    const char *original, *digest;
    rs_status st;

    *yes = false;
    while (*file == '/')
        file++;
    original = rs_files_digest(file);
    digest = original ? original : rendition_digest(file);
    if (!digest || (st = rs_files_wanted(a, digest, yes, err)) != RS_OK)
        return digest ? st : RS_OK;
    return *yes && original ? is_whole(a, file, yes, err) : RS_OK;
}

/* ---- Nobody's ------------------------------------------------------------- */

/* One kind's files: ARCHIVE/`kind`/ab/... */
typedef struct {
    rs_archive *a;
    const char *kind;
    bool        originals;
} family;

/* Older than what may still be on its way. */
static bool is_old(int folder, const char *name)
{
    struct stat sb;

    return fstatat(folder, name, &sb, AT_SYMLINK_NOFOLLOW) == 0 && time(NULL) - sb.st_mtime > GRACE_S;
}

/* The file `name` of `folder`, which is the family's: does anybody want it? What we did not name
 * is left alone. */
static rs_status is_orphan(const family *f, int folder, const char *name, bool *yes, rs_err *err)
{
    const char *ending = name + RS_DIGEST_DIGITS;
    bool wanted = true;
    rs_status st;

    *yes = false;
    if (!rs_files_named_so(name))
        return RS_OK;
    if (strstr(ending, ".tmp.")) {                       /* half written: base/outfile.c */
        *yes = is_old(folder, name);
        return RS_OK;
    }
    if (f->originals && strcmp(ending, ".png") != 0 && strcmp(ending, ".jpg") != 0)
        return RS_OK;
    if ((st = rs_files_wanted(f->a, name, &wanted, err)) == RS_OK)
        *yes = !wanted && (!f->originals || is_old(folder, name));
    return st;
}

static rs_status sweep_shard(const family *f, const char *path, rs_err *err)
{
    DIR *d = opendir(path);
    const struct dirent *e;
    rs_status st = RS_OK;

    if (!d)
        return errno == ENOTDIR || errno == ENOENT ? RS_OK : rs_fail_errno(err, "open folder %s", path);
    while (st == RS_OK && (e = readdir(d)) != NULL) {
        bool orphan;
        if ((st = is_orphan(f, dirfd(d), e->d_name, &orphan, err)) == RS_OK && orphan &&
            unlinkat(dirfd(d), e->d_name, 0) != 0 && errno != ENOENT)
            st = rs_fail_errno(err, "remove %s/%s", path, e->d_name);
    }
    fsync(dirfd(d));
    closedir(d);
    return st;
}

static rs_status sweep_family(const family *f, rs_err *err)
{
    rs_status st = RS_OK;

    for (unsigned shard = 0; st == RS_OK && shard < 256; shard++) {
        char *path = rs_sprintf("%s/%s/%02x", f->a->root, f->kind, shard);
        st = path ? sweep_shard(f, path, err) : rs_fail(err, RS_ENOMEM, "sweep files: no memory");
        rs_free(path);
    }
    return st;
}

rs_status rs_files_sweep_orphans(rs_archive *a, rs_err *err)
{
    rs_status st = sweep_family(&(family){a, RS_FILES_IMAGES, true}, err);

    return st == RS_OK ? sweep_family(&(family){a, RS_FILES_RENDITIONS, false}, err) : st;
}
