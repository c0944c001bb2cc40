/* test_files_care.c - erasing, purging, checking and copying an archive with files of its own, and
 * what was said and asked of its cases.
 * SPDX-License-Identifier: Apache-2.0 */
#include "own_files.h"

#include "engine/files_int.h"

#include <sys/time.h>

/* Is `text` in the bytes or the name of a file below? */
static bool somewhere_below(const char *folder, const char *text)
{
    DIR *d = opendir(folder);
    const struct dirent *e;
    bool yes = false;

    while (d && !yes && (e = readdir(d)) != NULL) {
        char *path = rs_path_join(folder, e->d_name), *data = NULL;
        size_t len = 0;
        yes = strstr(e->d_name, text) != NULL;
        if (e->d_name[0] != '.' && rs_is_folder(path))
            yes |= somewhere_below(path, text);
        else if (e->d_name[0] != '.' && rs_file_read(&data, &len, path, 1 << 26, NULL) == RS_OK)
            for (size_t i = 0; i + strlen(text) <= len && !yes; i++)
                yes = memcmp(data + i, text, strlen(text)) == 0;
        rs_free(data);
        rs_free(path);
    }
    if (d)
        closedir(d);
    return yes;
}

static rs_status try_erase(rs_archive *a, const char *key, rs_err *err)
{
    rs_erasure e;

    return rs_archive_erase(a, &key, 1, &e, err);
}

static void erase(rs_archive *a, const char *key)
{
    rs_err err = {RS_OK, ""};

    ok(try_erase(a, key, &err), &err);
}

static void verify(rs_archive *a)
{
    rs_err err = {RS_OK, ""};

    ok(rs_archive_verify(a, &err), &err);
}

static void run_sql(rs_archive *a, const char *sql)
{
    rs_err err = {RS_OK, ""};

    ok(rs_db_exec(a->db, sql, &err), &err);
}

/* Last written two hours ago. */
static void make_old(const char *path)
{
    struct timeval t[2];

    gettimeofday(&t[0], NULL);
    t[0].tv_sec -= 7200;
    t[1] = t[0];
    assert_int_equal(utimes(path, t), 0);
}

static size_t own_files(const char *dir)
{
    return files_in(dir, "images") + files_in(dir, "renditions");
}

/* ---- Erasing ----------------------------------------------------------------- */

static void test_erase(void **state)
{
    rs_arena mem = {0};
    rs_archive *a;
    char dir[64];
    kept k[2], outside;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    k[0] = keep(a, "one", &mem);
    k[1] = keep(a, "two", &mem);
    for (size_t i = 0; i < 2; i++) {
        rendition(dir, k[i].sha, "256.png");
        rendition(dir, k[i].sha, "preview.webp");
        rendition(dir, k[i].sha, "preview.webp.tmp.17");
    }
    put(a, "case-a", k, 2);
    put(a, "case-b", k + 1, 1);
    erase(a, "case-a");
    assert_false(somewhere_below(dir, k[0].sha) || somewhere_below(dir, "case-a"));
    assert_true(rs_file_exists(k[1].path));
    assert_int_equal(own_files(dir), 1 + 3);
    verify(a);
    outside = k[1];                                /* the same picture, where somebody else has it */
    outside.path = "/pacs/two.png";
    put(a, "case-c", &outside, 1);
    erase(a, "case-b");
    assert_int_equal(own_files(dir), 1 + 3);
    erase(a, "case-c");
    assert_int_equal(own_files(dir), 0);
    assert_false(somewhere_below(dir, k[1].sha));
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

/* A file named by the digest of a picture that nobody has any more, wherever in the archive. */
static void test_names_prove(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];
    kept k;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    k = keep(a, "one", &mem);
    put(a, "case-a", &k, 1);
    put(a, "case-b", &k, 1);
    write_file(rs_arena_sprintf(&mem, "%s/old/copy-of-%s", dir, k.sha), "");
    erase(a, "case-a");                            /* b's too */
    assert_int_equal(try_erase(a, "case-b", &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "image digest"));
    assert_non_null(strstr(err.msg, "the name of"));
    assert_non_null(strstr(err.msg, "copy-of-"));
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

/* What a picture that stays has in it is that case's, as long as it is that picture. */
static void test_bytes_of_others(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];
    kept one, two;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    one = keep(a, "one", &mem);
    two = keep(a, "not case-a and not case-c", &mem);
    put(a, "case-a", &one, 1);
    put(a, "case-b", &two, 1);
    put(a, "case-c", NULL, 0);
    write_file(rs_files_rendition(dir, two.sha, "256.png", &mem), "after case-a");
    erase(a, "case-a");
    verify(a);
    write_file(two.path, PNG "not case-a and not case-c, changed");
    assert_int_equal(try_erase(a, "case-c", &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, two.sha));
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

/* ---- What was said and asked --------------------------------------------------- */

static size_t rows(rs_archive *a, const char *sql)
{
    rs_arena mem = {0};
    const char *n = text_of(a, sql, &mem);
    const size_t count = strtoul(n, NULL, 10);

    rs_arena_clear(&mem);
    return count;
}

#define JUDGMENTS "SELECT count(*) FROM judgments"
#define REQUESTS "SELECT count(*) FROM requests"

static void say(rs_archive *a)
{
    run_sql(a, "INSERT INTO judgments(case_key, query, verdict, note, who, at) VALUES"
            "('case-a', 'hilar mass of Wojciechowski', 'relevant', 'seen on Tuesday', 'ann', '2024'),"
            "('case-a', 'normal', 'relevant', 'effusion', 'ann', '2024'),"      /* words of others */
            "('case-a', 'nodule', 'not', NULL, 'ben', '2024'),"
            "('case-b', 'nodule', 'relevant', NULL, 'ann', '2024'),"
            "('case-b', '{\"like\": [\"case-a\"]}', 'relevant', NULL, 'ann', '2024'),"
            "('case-b', 'nodule', 'relevant', 'less than in case-a', 'ben', '2024')");
    run_sql(a, "INSERT INTO requests VALUES"
            "('ann', 'k-000001', 'aaaaaaaa', 'case-a', 201, '{\"case\":\"case-a\"}', 1),"
            "('ann', 'k-000002', 'bbbbbbbb', 'case-b', 201, '{\"case\":\"case-b\"}', 1),"
            "('ann', 'k-000003', 'cccccccc', NULL, 200, '[\"case-b\",\"case-a\"]', 1)");
}

static void test_said(void **state)
{
    rs_arena mem = {0};
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    put(a, "case-a", NULL, 0);
    put(a, "case-b", NULL, 0);
    put(a, "case-aa", NULL, 0);                    /* a key that "case-a" and "ann" hold together */
    say(a);
    put(a, "case-a", NULL, 0);                     /* put anew: what was said of it stays */
    assert_int_equal(rows(a, JUDGMENTS), 6);
    assert_int_equal(rows(a, REQUESTS), 3);
    erase(a, "case-aa");                           /* of whom nothing was said */
    assert_int_equal(rows(a, JUDGMENTS) + rows(a, REQUESTS), 9);
    erase(a, "case-a");
    assert_int_equal(rows(a, JUDGMENTS " WHERE case_key = 'case-b'"), 1);
    assert_int_equal(rows(a, JUDGMENTS), 1);
    assert_int_equal(rows(a, REQUESTS " WHERE key = 'k-000002'"), 1);
    assert_int_equal(rows(a, REQUESTS), 1);
    assert_false(somewhere_below(dir, "Wojciechowski") || somewhere_below(dir, "seen on Tuesday") ||
                 somewhere_below(dir, "k-000001") || somewhere_below(dir, "aaaaaaaa") ||
                 somewhere_below(dir, "case-a"));
    assert_true(somewhere_below(dir, "nodule"));
    verify(a);
    take(a, "case-b");                             /* removing without proof does so too */
    assert_int_equal(rows(a, JUDGMENTS) + rows(a, REQUESTS), 0);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

/* A remove that is undone has kept it all. */
static void test_said_and_undone(void **state)
{
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    put(a, "case-a", NULL, 0);
    put(a, "case-b", NULL, 0);
    say(a);
    ok(rs_archive_begin(a, &err), &err);
    ok(rs_archive_remove(a, "case-a", NULL, &err), &err);
    assert_int_equal(rows(a, JUDGMENTS), 3);
    rs_archive_rollback(a);
    assert_int_equal(rows(a, JUDGMENTS) + rows(a, REQUESTS), 9);
    rs_archive_close(a);
    remove_folder(dir);
}

/* ---- Orphans -------------------------------------------------------------------- */

static void test_orphans(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];
    const char *odd[4];
    kept had, old, again, young;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    ok(rs_archive_purge(a, &err), &err);           /* without any */
    had = keep(a, "had", &mem);
    old = keep(a, "old", &mem);
    again = keep(a, "again", &mem);
    young = keep(a, "young", &mem);
    put(a, "case-a", &had, 1);
    rendition(dir, had.sha, "256.png");
    rendition(dir, old.sha, "256.png");
    odd[0] = rs_arena_sprintf(&mem, "%s.tmp.123", had.path);
    odd[1] = rs_arena_sprintf(&mem, "%s.tmp.124", had.path);
    odd[2] = rs_files_rendition(dir, had.sha, "256.png.tmp.123", &mem);
    odd[3] = rs_arena_sprintf(&mem, "%s/images/00/mine.png", dir);
    for (size_t i = 0; i < 4; i++)
        write_file(odd[i], "half");
    make_old(had.path);
    make_old(old.path);
    make_old(again.path);
    make_old(odd[0]);
    make_old(odd[2]);
    make_old(odd[3]);
    keep(a, "again", &mem);                        /* sent again, on its way */
    ok(rs_archive_purge(a, &err), &err);
    assert_true(rs_file_exists(had.path) && rs_file_exists(again.path) && rs_file_exists(young.path));
    assert_false(rs_file_exists(old.path));
    assert_false(rs_file_exists(odd[0]) || rs_file_exists(odd[2]));
    assert_true(rs_file_exists(odd[1]) && rs_file_exists(odd[3]));
    assert_int_equal(files_in(dir, "renditions"), 1);
    verify(a);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

/* ---- Checking and copying --------------------------------------------------------- */

static void test_verify(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];
    kept k;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    k = keep(a, "one", &mem);
    put(a, "case-a", &k, 1);
    put(a, "case-b", &k, 1);
    verify(a);
    write_file(k.path, PNG "onf");
    assert_int_equal(rs_archive_verify(a, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "another digest"));
    assert_non_null(strstr(err.msg, k.path));
    unlink(k.path);
    assert_int_equal(rs_archive_verify(a, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "is missing"));
    assert_int_equal(rs_archive_backup(a, rs_arena_sprintf(&mem, "%s/copy", dir), &err), RS_ENOENT);
    assert_non_null(strstr(err.msg, k.sha));
    keep(a, "one", &mem);                          /* sent again: mended */
    verify(a);
    run_sql(a, "UPDATE images SET sha256 = NULL WHERE id = 1");
    assert_int_equal(rs_archive_verify(a, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "1 own images"));
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

static void test_backup(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_archive *a, *copy;
    struct stat one, other;
    char dir[64], to[80];
    const char *path;
    kept k[3];

    (void)state;
    make_folder(dir);
    snprintf(to, sizeof to, "%s-copy", dir);
    a = open_writer(dir);
    k[0] = keep(a, "one", &mem);
    k[1] = keep(a, "two", &mem);
    k[2] = keep(a, "of no case", &mem);
    rendition(dir, k[0].sha, "256.png");
    put(a, "case-a", k, 2);
    put(a, "case-b", k, 1);
    rs_archive_close(a);
    a = open_archive(dir, RS_ARCHIVE_READ);
    ok(rs_archive_backup(a, to, &err), &err);
    rs_archive_close(a);
    assert_int_equal(files_in(to, "images"), 2);
    assert_int_equal(files_in(to, "renditions"), 0);
    assert_int_equal(stat(rs_arena_sprintf(&mem, "%s/images", to), &one), 0);
    assert_int_equal(one.st_mode & 0777, 0700);
    copy = open_archive(to, RS_ARCHIVE_WRITE);
    path = path_of(copy, "case-b", 0, &mem);
    assert_true(strncmp(path, to, strlen(to)) == 0 && holds(path, PNG "one", 11));
    assert_int_equal(stat(path, &one), 0);
    assert_int_equal(stat(k[0].path, &other), 0);
    assert_int_not_equal(one.st_ino, other.st_ino);
    remove_folder(dir);                            /* and it stands alone */
    verify(copy);
    erase(copy, "case-a");
    assert_int_equal(files_in(to, "images"), 1);
    rs_archive_close(copy);
    rs_arena_clear(&mem);
    remove_folder(to);
}

/* ---- Without memory ---------------------------------------------------------------- */

typedef rs_status care_fn(rs_archive *a, const char *dir, rs_err *err);

static rs_status care_erase(rs_archive *a, const char *dir, rs_err *err)
{
    (void)dir;
    return try_erase(a, "case-a", err);
}

static rs_status care_purge(rs_archive *a, const char *dir, rs_err *err)
{
    (void)dir;
    return rs_archive_purge(a, err);
}

static rs_status care_verify(rs_archive *a, const char *dir, rs_err *err)
{
    (void)dir;
    return rs_archive_verify(a, err);
}

static rs_status care_backup(rs_archive *a, const char *dir, rs_err *err)
{
    char to[80];

    snprintf(to, sizeof to, "%s-copy", dir);
    return rs_archive_backup(a, to, err);
}

/* Whatever fails, no case lacks its file, and at last a purge leaves none too many. */
static void test_without_memory(void **state)
{
    static care_fn *const cares[] = {care_erase, care_purge, care_verify, care_backup};
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];
    kept k[2];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    for (size_t i = 0; i < sizeof cares / sizeof *cares; i++) {
        rs_status st = RS_ENOMEM;
        size_t fails = 0;
        for (long n = 0; st != RS_OK; n += 1 + n / 8) {
            k[0] = keep(a, "one", &mem);
            k[1] = keep(a, "two", &mem);
            put(a, "case-a", k, 2);
            put(a, "case-b", k + 1, 1);
            rendition(dir, k[0].sha, "256.png");
            rs_alloc_fail_after(n);
            st = cares[i](a, dir, &err);
            rs_alloc_fail_after(-1);
            assert_true(st == RS_OK || st == RS_ENOMEM);
            fails += st != RS_OK;
            verify(a);
            assert_true(rs_file_exists(k[1].path));
            remove_folder(rs_arena_sprintf(&mem, "%s-copy", dir));
            rs_arena_reset(&mem);
        }
        assert_true(fails > 3);
    }
    k[0] = keep(a, "one", &mem);
    k[1] = keep(a, "two", &mem);
    make_old(k[0].path);
    make_old(k[1].path);
    take(a, "case-a");
    take(a, "case-b");
    ok(rs_archive_purge(a, &err), &err);
    assert_int_equal(own_files(dir), 0);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_erase),
        cmocka_unit_test(test_names_prove),
        cmocka_unit_test(test_bytes_of_others),
        cmocka_unit_test(test_said),
        cmocka_unit_test(test_said_and_undone),
        cmocka_unit_test(test_orphans),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_backup),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
