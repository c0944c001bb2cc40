/* test_archive.c - opening archives: made, found again, locked, of another encoder,
 * damaged; and caches that are lost or cannot be trusted.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/log.h"
#include "engine/query.h"
#include "engine/schema.h"

#include <sqlite3.h>

/* ---- Open ------------------------------------------------------------ */

static void test_make_and_find_again(void **state)
{
    const rs_encoder_identity *e;
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    rs_stats stats;
    char dir[64], deep[80];

    (void)state;
    make_folder(dir);
    snprintf(deep, sizeof deep, "%s/a/b", dir);
    a = open_writer(deep);                         /* folders are made */
    assert_string_equal(rs_archive_folder(a), deep);
    rs_archive_close(a);
    a = open_archive(deep, RS_ARCHIVE_READ);
    e = rs_archive_encoder(a);
    assert_string_equal(e->id, FIXTURE_ID);
    assert_string_equal(e->name, "tiny");
    assert_string_equal(e->folder, "/models/tiny");
    assert_int_equal(e->dim, DIM);
    ok(rs_archive_stats(a, &mem, &stats, &err), &err);
    assert_int_equal(stats.cases, 0);
    assert_int_equal(stats.schema_version, RS_SCHEMA_VERSION);
    assert_true(stats.catalog_bytes > 0);
    assert_int_equal(rs_archive_begin(a, &err), RS_EARG);
    assert_int_equal(rs_archive_rebuild(a, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "reading only"));
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
}

static void test_no_archive(void **state)
{
    rs_archive *a;
    rs_err err;
    char dir[64];

    (void)state;
    make_folder(dir);
    assert_int_equal(rs_archive_open(&a, dir, RS_ARCHIVE_READ, &err), RS_ENOENT);
    assert_non_null(strstr(err.msg, "catalog.db"));
    assert_null(a);
    rs_archive_close(a);
    remove_folder(dir);
}

static void test_one_writer(void **state)
{
    rs_archive *first, *second, *reader;
    char dir[64], pid[32];
    rs_err err;

    (void)state;
    make_folder(dir);
    first = open_writer(dir);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_int_equal(rs_archive_open(&second, dir, RS_ARCHIVE_WRITE, &err), RS_EBUSY);
    assert_non_null(strstr(err.msg, pid));
    assert_non_null(strstr(err.msg, dir));
    reader = open_archive(dir, RS_ARCHIVE_READ);
    rs_archive_close(first);
    second = open_archive(dir, RS_ARCHIVE_WRITE);
    rs_archive_close(second);
    rs_archive_close(reader);
    remove_folder(dir);
}

static void test_another_encoder(void **state)
{
    rs_encoder_identity moved = fixture_encoder, other = fixture_encoder, bad = fixture_encoder;
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    other.id = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    other.name = "large";
    assert_int_equal(rs_archive_bind_encoder(a, &other, &err), RS_EMISMATCH);
    assert_non_null(strstr(err.msg, "tiny"));
    assert_non_null(strstr(err.msg, "large"));
    assert_non_null(strstr(err.msg, "ff1122334455"));
    bad.id = "12";
    assert_int_equal(rs_archive_bind_encoder(a, &bad, &err), RS_EARG);
    bad = fixture_encoder;
    bad.dim = 100000;
    assert_int_equal(rs_archive_bind_encoder(a, &bad, &err), RS_EARG);
    moved.folder = "/elsewhere/tiny";
    ok(rs_archive_bind_encoder(a, &moved, &err), &err);
    assert_string_equal(rs_archive_encoder(a)->folder, "/elsewhere/tiny");
    rs_archive_close(a);
    remove_folder(dir);
}

/* ---- Damage ---------------------------------------------------------- */

static void fill(const char *dir, size_t n)
{
    rs_random rnd = rs_random_seed(1);
    rs_archive *a = open_writer(dir);
    rs_err err = {RS_OK, ""};
    random_case r;

    ok(rs_archive_begin(a, &err), &err);
    for (size_t i = 0; i < n; i++) {
        make_case(&r, &rnd, i);
        ok(rs_archive_put(a, &r.c, NULL, &err), &err);
    }
    ok(rs_archive_commit(a, &err), &err);
    ok(rs_archive_rebuild(a, &err), &err);
    rs_archive_close(a);
}

/* Whatever an archive's catalog is made into, using it gives a status of ours and a
 * message; never a crash, and never silence from verify. */
static rs_status use_everything(const char *dir, rs_err *err)
{
    static const float x[DIM] = {1};
    rs_query q = rs_query_default();
    rs_archive *a = NULL;
    rs_arena mem = {0};
    rs_result res;
    rs_status st;

    ask_text(&q, "effusion", NULL);
    ask_images(&q, x, 1);
    st = rs_archive_open(&a, dir, RS_ARCHIVE_WRITE, err);
    if (st == RS_OK) {
        st = rs_search(a, &q, &mem, &res, err);
        if (rs_archive_verify(a, st == RS_OK ? err : NULL) != RS_OK && st == RS_OK)
            st = RS_ECORRUPT;
    }
    rs_arena_clear(&mem);
    rs_archive_close(a);
    return st;
}

static void test_damaged_catalog(void **state)
{
    char dir[64], path[80], wal[80], *bytes, *copy;
    rs_random rnd = rs_random_seed(3);
    rs_err err = {RS_OK, ""};
    size_t len, found = 0;

    (void)state;
    make_folder(dir);
    fill(dir, 40);
    snprintf(path, sizeof path, "%s/catalog.db", dir);
    snprintf(wal, sizeof wal, "%s/catalog.db-wal", dir);
    ok(rs_file_read(&bytes, &len, path, 1 << 24, &err), &err);
    copy = malloc(len);
    for (int round = 0; round < 60; round++) {
        size_t size = round % 3 == 0 ? rs_random_below(&rnd, len) : len;
        rs_status st;
        memcpy(copy, bytes, len);
        for (int i = 0; round % 3 && i < 200; i++)
            copy[rs_random_below(&rnd, len)] = (char)rs_random_below(&rnd, 256);
        unlink(wal);
        ok(rs_file_write(path, copy, size, &err), &err);
        err.msg[0] = '\0';
        st = use_everything(dir, &err);
        if (st != RS_OK)
            assert_true(strlen(err.msg) > 0);
        found += st != RS_OK;
        assert_true(st == RS_OK || st == RS_ECORRUPT || st == RS_ENOMEM || st == RS_EIO ||
                    st == RS_EMISMATCH);
    }
    assert_true(found > 50);          /* zero bytes are an empty, new catalog: RS_OK */
    free(copy);
    rs_free(bytes);
    remove_folder(dir);
}

static void test_not_a_catalog(void **state)
{
    char dir[64], path[80];
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    sqlite3 *db;

    (void)state;
    make_folder(dir);
    snprintf(path, sizeof path, "%s/catalog.db", dir);
    ok(rs_file_write(path, "hello, this is no database, only text\n", 38, &err), &err);
    assert_int_equal(rs_archive_open(&a, dir, RS_ARCHIVE_READ, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, path));
    unlink(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, "CREATE TABLE t(x)", NULL, NULL, NULL);
    sqlite3_close(db);
    assert_int_equal(rs_archive_open(&a, dir, RS_ARCHIVE_WRITE, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "no radscout catalog"));
    remove_folder(dir);
}

static void test_newer_version(void **state)
{
    char dir[64], path[80];
    rs_archive *a;
    sqlite3 *db;
    rs_err err;

    (void)state;
    make_folder(dir);
    rs_archive_close(open_writer(dir));
    snprintf(path, sizeof path, "%s/catalog.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, "UPDATE meta SET value = 999", NULL, NULL, NULL);
    sqlite3_close(db);
    assert_int_equal(rs_archive_open(&a, dir, RS_ARCHIVE_READ, &err), RS_EMISMATCH);
    assert_non_null(strstr(err.msg, "999"));
    remove_folder(dir);
}

/* ---- Caches ---------------------------------------------------------- */

/* The best case for a vector along each axis. */
static void search_all(const char *dir, char keys[DIM][32])
{
    rs_archive *a = open_archive(dir, RS_ARCHIVE_READ);
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    rs_result res;

    for (int i = 0; i < DIM; i++) {
        rs_query q = rs_query_default();
        float x[DIM] = {0};
        x[i] = 1;
        ask_images(&q, x, 1);
        ok(rs_search(a, &q, &mem, &res, &err), &err);
        assert_int_equal(res.n, 10);
        snprintf(keys[i], sizeof keys[i], "%s", res.hits[0].key);
    }
    rs_arena_clear(&mem);
    rs_archive_close(a);
}

static void same_results(const char *dir, char want[DIM][32])
{
    char got[DIM][32];

    search_all(dir, got);
    for (int i = 0; i < DIM; i++)
        assert_string_equal(got[i], want[i]);
}

/* Lost, damaged or foreign caches change no result; verify tells, rebuild mends. */
static void test_caches_are_only_caches(void **state)
{
    char dir[64], image[160], passage[160], want[DIM][32], *bytes;
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    rs_archive *a;
    rs_stats stats;
    size_t len;

    (void)state;
    rs_log_set_level(RS_LOG_ERROR);                /* the warnings are meant to come */
    make_folder(dir);
    fill(dir, 60);
    snprintf(image, sizeof image, "%s/vectors/%.16s/image.1.faiss", dir, FIXTURE_ID);
    snprintf(passage, sizeof passage, "%s/vectors/%.16s/passage.1.faiss", dir, FIXTURE_ID);
    search_all(dir, want);
    ok(rs_file_read(&bytes, &len, image, 1 << 24, &err), &err);
    for (int how = 0; how < 4; how++) {
        if (how == 0)
            unlink(image);
        if (how == 1)
            ok(rs_file_write(image, bytes, len / 2, &err), &err);
        if (how == 2) {
            bytes[len - 20] ^= 4;
            ok(rs_file_write(image, bytes, len, &err), &err);
            bytes[len - 20] ^= 4;
        }
        if (how == 3)
            assert_int_equal(rename(passage, image), 0);
        same_results(dir, want);
    }
    a = open_archive(dir, RS_ARCHIVE_WRITE);
    assert_int_equal(rs_archive_verify(a, &err), RS_ECORRUPT);
    ok(rs_archive_rebuild(a, &err), &err);
    ok(rs_archive_verify(a, &err), &err);
    ok(rs_archive_stats(a, &mem, &stats, &err), &err);
    assert_int_equal(stats.image_generation, 2);
    assert_int_equal(stats.passage_generation, 2);
    assert_true(stats.cache_bytes > stats.images * DIM * 4);
    ok(rs_archive_rebuild(a, &err), &err);         /* nothing to do */
    ok(rs_archive_stats(a, &mem, &stats, &err), &err);
    assert_int_equal(stats.image_generation, 2);
    assert_false(rs_file_exists(image));           /* the former generation is gone */
    rs_archive_close(a);
    same_results(dir, want);
    rs_arena_clear(&mem);
    rs_free(bytes);
    remove_folder(dir);
    rs_log_set_level(RS_LOG_WARN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make_and_find_again),
        cmocka_unit_test(test_no_archive),
        cmocka_unit_test(test_one_writer),
        cmocka_unit_test(test_another_encoder),
        cmocka_unit_test(test_damaged_catalog),
        cmocka_unit_test(test_not_a_catalog),
        cmocka_unit_test(test_newer_version),
        cmocka_unit_test(test_caches_are_only_caches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
