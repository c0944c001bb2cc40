/* test_upgrade.c - an archive of an earlier schema, and one read by other tables.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/archive_int.h"
#include "engine/catalog.h"
#include "engine/files.h"
#include "engine/query.h"
#include "engine/schema.h"

#include <math.h>

static const char report[] = "FINDINGS: No pneumothorax. Left effusion.";
static const rs_section sections[] = {{"findings", 10, 41}};

static void make_archive(const char *dir)
{
    static const char *const labels[] = {"Effusion"};
    rs_archive *a = open_writer(dir);
    float x[DIM] = {1}, y[DIM] = {0, 1};
    const rs_case_image images[] = {{.path = "/x", .width = 1, .height = 1, .vector = x},
                                    {.path = "/y", .width = 1, .height = 1, .vector = y}};

    put_one(a, &(rs_case){.key = "one", .title = "Effusion", .report = report,
                          .sections = sections, .n_sections = 1, .findings = labels,
                          .n_findings = 1, .age_years = 50});
    put_one(a, &(rs_case){.key = "two", .title = "Pneumothorax", .age_years = -1,
                          .images = images, .n_images = 2,
                          .attributes = "{\"site\": \"A\", \"codes\": [1, \"x\"], \"ok\": true}"});
    for (int i = 0; i < 7; i++) {
        char key[8];
        snprintf(key, sizeof key, "n%d", i);
        put_one(a, &(rs_case){.key = key, .title = "hand", .age_years = -1});
    }
    rs_archive_close(a);
}

/* As versions 1 to 3 had it. */
static void make_old(const char *dir, int version)
{
    rs_err err = {RS_OK, ""};
    char *path = rs_path_join(dir, "catalog.db");
    rs_db *db;

    ok(rs_db_open(&db, path, true, &err), &err);
    ok(rs_db_exec(db,
        "DROP TABLE judgments; DROP TABLE requests;"
        "UPDATE meta SET value = 3 WHERE key = 'schema_version'", &err), &err);
    if (version <= 2)
        ok(rs_db_exec(db,
        "DROP TABLE case_vectors; DROP TABLE region_vectors; DROP TABLE case_attributes;"
        "DROP TABLE case_changes; DROP INDEX cases_by_facets;"
        "CREATE INDEX cases_by_facets ON cases(modality, body_part, view, sex, age, collection,"
        " patient, source); ALTER TABLE cases DROP COLUMN study_date;"
        "ALTER TABLE cases DROP COLUMN tier; ALTER TABLE images DROP COLUMN phash;"
        "UPDATE meta SET value = 2 WHERE key = 'schema_version'", &err), &err);
    if (version == 1)
        ok(rs_db_exec(db,
        "DROP TABLE case_fts;"
        "CREATE VIRTUAL TABLE case_fts USING fts5(title, findings, impression, history, other,"
        " labels, tokenize = 'porter unicode61 remove_diacritics 2');"
        "INSERT INTO case_fts(rowid, title, findings, impression, history, other, labels)"
        " SELECT id, title, report, '', '', '', '' FROM cases;"
        "DELETE FROM meta WHERE key = 'reading';"
        "UPDATE meta SET value = 1 WHERE key = 'schema_version'", &err), &err);
    rs_db_close(db);
    rs_free(path);
}

/* The only case that `text` finds. */
static const char *only(rs_archive *a, const char *text, rs_arena *mem)
{
    rs_query q = rs_query_default();
    rs_err err = {RS_OK, ""};
    rs_result r;

    rs_query_add(&q)->text = text;
    ok(rs_search(a, &q, mem, &r, &err), &err);
    assert_int_equal(r.n, 1);
    return r.hits[0].key;
}

/* The images of case "two" as one vector, halfway between them. */
static void check_whole(rs_archive *a, rs_arena *mem)
{
    rs_err err = {RS_OK, ""};
    int64_t id;
    float *x;
    size_t n;

    ok(rs_catalog_find(a, "two", &id, &err), &err);
    ok(rs_catalog_vectors(a, RS_KIND_CASE, id, mem, &x, NULL, &n, &err), &err);
    assert_int_equal(n, 1);
    assert_float_equal(x[0], sqrt(0.5), 1e-3);
    assert_float_equal(x[1], sqrt(0.5), 1e-3);
    ok(rs_catalog_find(a, "one", &id, &err), &err);
    ok(rs_catalog_vectors(a, RS_KIND_CASE, id, mem, &x, NULL, &n, &err), &err);
    assert_int_equal(n, 0);
}

/* How many cases have this attribute. */
static int attributes_of(rs_archive *a, const char *name, const char *value)
{
    rs_err err = {RS_OK, ""};
    rs_stmt s = rs_db_use(a->db, "SELECT count(*) FROM case_attributes"
                          " WHERE name = ?1 AND value = ?2", &err);
    int n = -1;

    rs_bind_text(&s, 1, name);
    rs_bind_text(&s, 2, value);
    if (rs_step(&s))
        n = (int)rs_col_int(&s, 0);
    ok(rs_done(&s), &err);
    return n;
}

/* What came with version 4: there, empty and used. */
static void check_said(rs_archive *a)
{
    static const char *const sql[] = {"SELECT count(*) FROM judgments WHERE case_key = 'one'",
                                      "SELECT count(*) FROM requests WHERE case_key = 'one'"};
    rs_err err = {RS_OK, ""};

    for (size_t i = 0; i < 2; i++) {
        rs_stmt s = rs_db_use(a->db, sql[i], &err);
        assert_true(rs_step(&s));
        assert_int_equal(rs_col_int(&s, 0), 0);
        ok(rs_done(&s), &err);
    }
}

static void check_new(rs_archive *a)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_stats stats;

    ok(rs_archive_stats(a, &mem, &stats, &err), &err);
    assert_int_equal(stats.schema_version, RS_SCHEMA_VERSION);
    assert_int_equal(stats.cases, 9);
    assert_string_equal(only(a, "pneumothorax", &mem), "two");
    assert_string_equal(only(a, "no pneumothorax", &mem), "one");
    assert_string_equal(only(a, "labels:effusion", &mem), "one");
    check_whole(a, &mem);
    check_said(a);
    assert_int_equal(attributes_of(a, "site", "a") + attributes_of(a, "codes", "1") +
                     attributes_of(a, "codes", "x") + attributes_of(a, "ok", "true"), 4);
    rs_arena_clear(&mem);
}

/* Files of its own: an archive of any age takes them, and forgets them with their case. */
static void check_own_image(rs_archive *a)
{
    static const float x[DIM] = {1};
    const char *key = "own";
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_case_image im = {.width = 1, .height = 1, .vector = x};
    char sha[RS_SHA256_HEX];
    rs_erasure e;

    ok(rs_files_keep(a, "\xff\xd8\xff", 3, &mem, &im.path, sha, &err), &err);
    put_one(a, &(rs_case){.key = key, .age_years = -1, .images = &im, .n_images = 1});
    ok(rs_archive_verify(a, &err), &err);
    ok(rs_archive_erase(a, &key, 1, &e, &err), &err);
    assert_false(rs_file_exists(im.path));
    rs_arena_clear(&mem);
}

/* By whoever opens it first, writer or reader, and once. */
static void test_upgrade(void **state)
{
    static const rs_archive_mode modes[] = {RS_ARCHIVE_WRITE, RS_ARCHIVE_READ};
    rs_err err = {RS_OK, ""};

    (void)state;
    for (int i = 0; i < 6; i++) {
        rs_archive *a;
        char dir[64];
        make_folder(dir);
        make_archive(dir);
        make_old(dir, 1 + i / 2);
        a = open_archive(dir, modes[i % 2]);
        check_new(a);
        rs_archive_close(a);
        a = open_archive(dir, RS_ARCHIVE_WRITE);
        check_new(a);
        ok(rs_archive_verify(a, &err), &err);
        check_own_image(a);
        rs_archive_close(a);
        remove_folder(dir);
    }
}

/* While another process writes it, a reader is told so instead of being served wrongly. */
static void test_upgrade_waits(void **state)
{
    rs_err err = {RS_OK, ""};
    rs_archive *a, *b;
    char dir[64];

    (void)state;
    make_folder(dir);
    make_archive(dir);
    a = open_archive(dir, RS_ARCHIVE_WRITE);
    make_old(dir, 1);
    assert_int_equal(rs_archive_open(&b, dir, RS_ARCHIVE_READ, &err), RS_EBUSY);
    assert_null(b);
    assert_non_null(strstr(err.msg, "upgraded"));
    rs_archive_close(a);
    remove_folder(dir);
}

static void put_file(const char *dir, const char *name, const char *text)
{
    char *path = rs_path_join(dir, name);
    rs_err err = {RS_OK, ""};

    ok(rs_file_write(path, text, strlen(text), &err), &err);
    rs_free(path);
}

/* Tables of the user's own: reports are read anew by the next batch, and by the built-in
 * ones again when these come back. */
static void test_other_tables(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64], tables[64];

    (void)state;
    make_folder(dir);
    make_folder(tables);
    put_file(tables, "headings.tsv", "findings\tfindings\n");
    put_file(tables, "context.tsv", "negated\tafter\t0\teffusion\n");
    put_file(tables, "terms.tsv", "word\thand\t=\t1\tmanus\n");
    put_file(tables, "spelling.tsv", "");
    make_archive(dir);
    a = open_archive(dir, RS_ARCHIVE_WRITE);
    assert_int_equal(rs_archive_use_lexicon(a, "/nowhere", &err), RS_ENOENT);
    ok(rs_archive_use_lexicon(a, tables, &err), &err);
    ok(rs_archive_begin(a, &err), &err);
    assert_int_equal(rs_archive_use_lexicon(a, NULL, &err), RS_EARG);
    ok(rs_archive_commit(a, &err), &err);
    assert_string_equal(only(a, "negated:left", &mem), "one");
    rs_archive_close(a);
    a = open_archive(dir, RS_ARCHIVE_WRITE);
    ok(rs_archive_begin(a, &err), &err);
    ok(rs_archive_commit(a, &err), &err);
    check_new(a);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(tables);
    remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_upgrade_waits),
        cmocka_unit_test(test_other_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
