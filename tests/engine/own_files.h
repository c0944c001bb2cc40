/* own_files.h - archives with images of their own, for the tests of engine/: bytes that pass for
 * a PNG kept, cases that have them, what files there are.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_TESTS_ENGINE_OWN_FILES_H
#define RS_TESTS_ENGINE_OWN_FILES_H

#include "fixture.h"

#include "base/hash.h"
#include "engine/archive_int.h"
#include "engine/files.h"

#define PNG "\x89PNG\r\n\x1a\n"
#define JPEG "\xff\xd8\xff\xe0"

/* ---- Bytes and files ------------------------------------------------------- */

/* A picture kept: its path and digest. */
typedef struct {
    const char *path;
    char        sha[RS_SHA256_HEX];
} kept;

/* What passes for a PNG here, told from others by `what`. */
static inline kept keep(rs_archive *a, const char *what, rs_arena *mem)
{
    const char *bytes = rs_arena_sprintf(mem, PNG "%s", what);
    rs_err err = {RS_OK, ""};
    kept k;

    ok(rs_files_keep(a, bytes, strlen(bytes), mem, &k.path, k.sha, &err), &err);
    return k;
}

static inline bool holds(const char *path, const char *bytes, size_t len)
{
    char *data;
    size_t n;
    bool yes;

    if (rs_file_read(&data, &n, path, 1 << 20, NULL) != RS_OK)
        return false;
    yes = n == len && memcmp(data, bytes, n) == 0;
    rs_free(data);
    return yes;
}

static inline void write_file(const char *path, const char *text)
{
    rs_err err = {RS_OK, ""};
    char *folder = rs_strdup(path);

    *strrchr(folder, '/') = '\0';
    ok(rs_mkdirs(folder, &err), &err);
    ok(rs_file_write(path, text, strlen(text), &err), &err);
    rs_free(folder);
}

static inline size_t files_below(const char *folder)
{
    DIR *d = opendir(folder);
    const struct dirent *e;
    size_t n = 0;

    while (d && (e = readdir(d)) != NULL) {
        char *path = rs_path_join(folder, e->d_name);
        if (e->d_name[0] != '.')
            n += rs_is_folder(path) ? files_below(path) : 1;
        rs_free(path);
    }
    if (d)
        closedir(d);
    return n;
}

static inline size_t files_in(const char *folder, const char *sub)
{
    char *path = rs_path_join(folder, sub);
    const size_t n = files_below(path);

    rs_free(path);
    return n;
}

/* ---- Cases ----------------------------------------------------------------- */

static float somewhere[2][DIM] = {{1}, {0, 1}};

/* `key` with these images, at most 4. */
static inline rs_status try_put(rs_archive *a, const char *key, const kept *k, size_t n, rs_err *err)
{
    rs_region region = {.box = {0, 0, 0.5, 0.5}, .vector = somewhere[1]};
    rs_case_image images[4] = {{0}};
    rs_status st = rs_archive_begin(a, err);

    for (size_t i = 0; i < n; i++)
        images[i] = (rs_case_image){.path = k[i].path, .sha256 = k[i].sha, .width = 1, .height = 1,
                                    .vector = somewhere[0], .regions = &region, .n_regions = 1};
    if (st == RS_OK)
        st = rs_archive_put(a, &(rs_case){.key = key, .title = "Effusion", .age_years = -1,
                                          .images = images, .n_images = n}, NULL, err);
    if (st == RS_OK)
        return rs_archive_commit(a, err);
    rs_archive_rollback(a);
    return st;
}

static inline void put(rs_archive *a, const char *key, const kept *k, size_t n)
{
    rs_err err = {RS_OK, ""};

    ok(try_put(a, key, k, n, &err), &err);
}

static inline void take(rs_archive *a, const char *key)
{
    rs_err err = {RS_OK, ""};

    ok(rs_archive_begin(a, &err), &err);
    ok(rs_archive_remove(a, key, NULL, &err), &err);
    ok(rs_archive_commit(a, &err), &err);
}

static inline void sweep(rs_archive *a, const char *sha)
{
    rs_err err = {RS_OK, ""};

    ok(rs_files_sweep(a, &sha, 1, &err), &err);
}

/* The path of image `i` as rs_archive_get has it. */
static inline const char *path_of(rs_archive *a, const char *key, size_t i, rs_arena *mem)
{
    rs_err err = {RS_OK, ""};
    rs_case *c;

    ok(rs_archive_get(a, key, mem, &c, &err), &err);
    assert_true(i < c->n_images);
    return c->images[i].path;
}

/* The first text of a query, or NULL. */
static inline const char *text_of(rs_archive *a, const char *sql, rs_arena *mem)
{
    rs_err err = {RS_OK, ""};
    rs_stmt s = rs_db_use(a->db, sql, &err);
    const char *text = rs_step(&s) ? rs_col_dup(&s, 0, mem) : NULL;

    ok(rs_done(&s), &err);
    return text;
}

static inline void rendition(const char *dir, const char *sha, const char *name)
{
    rs_arena mem = {0};

    write_file(rs_files_rendition(dir, sha, name, &mem), "small");
    rs_arena_clear(&mem);
}

#endif
