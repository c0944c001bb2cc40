/* test_erase.c - erasing cases and proving it, backups, and the search of files that the
 * proof stands on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "embeddings/half.h"
#include "engine/needles.h"

#include <sqlite3.h>

enum { CASES = 40 };
#define SECRET "Przybyszewska"                    /* in one patient's reports alone */

/* ---- Searching files ------------------------------------------------------ */

static void write_file(const char *folder, const char *name, const char *bytes, size_t n)
{
    char *path = rs_path_join(folder, name);
    rs_err err = {RS_OK, ""};

    ok(rs_file_write(path, bytes, n, &err), &err);
    rs_free(path);
}

static rs_status never_shared(void *ctx, const rs_needle *n, const char *file, rs_needle_kind *kind,
                              rs_err *err)
{
    size_t *asked = ctx;

    (void)n, (void)file, (void)err;
    ++*asked;
    *kind = RS_NEEDLE_STRAY;
    return RS_OK;
}

static rs_status always_shared(void *ctx, const rs_needle *n, const char *file, rs_needle_kind *kind,
                               rs_err *err)
{
    never_shared(ctx, n, file, kind, err);
    *kind = RS_NEEDLE_SHARED;
    return RS_OK;
}

/* All files that are called "big" belong to somebody. */
static rs_status big_ones_stay(void *ctx, const rs_needle *n, const char *file, rs_needle_kind *kind,
                               rs_err *err)
{
    never_shared(ctx, n, file, kind, err);
    if (strstr(file, "/big"))
        *kind = RS_NEEDLE_OF_FILE;
    return RS_OK;
}

static void test_needles(void **state)
{
    static char big[9000];
    rs_needle list[] = {{.what = "a", .bytes = "needle", .len = 6},
                        {.what = "b", .bytes = "ne\0dle-two", .len = 10},
                        {.what = "c", .bytes = "nowhere at all", .len = 14}};
    rs_needle_report r;
    rs_err err = {RS_OK, ""};
    char dir[64], sub[80];
    size_t asked = 0;

    (void)state;
    make_folder(dir);
    snprintf(sub, sizeof sub, "%s/in/side", dir);
    ok(rs_mkdirs(sub, &err), &err);
    write_file(dir, "empty", "", 0);
    write_file(dir, "short", "need", 4);
    write_file(dir, "other", "neeedle and ne\0dle-tw", 21);
    ok(rs_needles_search(dir, list, 3, never_shared, &asked, &r, &err), &err);
    assert_null(r.found);
    assert_int_equal(asked, 0);
    assert_int_equal(r.files, 3);
    assert_int_equal(r.bytes, 25);
    memset(big, 'n', sizeof big);                  /* the needle's first letter over and over */
    memcpy(big + sizeof big - 10, "ne\0dle-two", 10);
    write_file(sub, "big", big, sizeof big);
    ok(rs_needles_search(dir, list, 3, never_shared, &asked, &r, &err), &err);
    assert_ptr_equal(r.found, &list[1]);
    assert_int_equal(r.at, sizeof big - 10);
    assert_non_null(strstr(r.file, "/in/side/big"));
    assert_int_equal(asked, 1);
    write_file(sub, "big", "xneedle needle needle", 21);
    ok(rs_needles_search(dir, list, 3, always_shared, &asked, &r, &err), &err);
    assert_null(r.found);
    assert_int_equal(asked, 2);                    /* once, however often it is there */
    assert_true(list[0].shared && !list[1].shared);
    list[0].shared = list[1].shared = false;
    asked = 0;
    ok(rs_needles_search(dir, list, 3, big_ones_stay, &asked, &r, &err), &err);
    assert_null(r.found);
    assert_int_equal(asked, 1);                    /* and on to the next file */
    list[1].in_names = true;
    write_file(sub, "big", "", 0);
    write_file(dir, "a needle", "", 0);            /* no name is looked at for this one */
    ok(rs_needles_search(dir, list, 3, never_shared, &asked, &r, &err), &err);
    assert_null(r.found);
    list[1].bytes = "e-two.";
    list[1].len = 6;
    write_file(sub, "needle-two.png", "", 0);
    ok(rs_needles_search(dir, list, 3, never_shared, &asked, &r, &err), &err);
    assert_ptr_equal(r.found, &list[1]);
    assert_true(r.in_name && strstr(r.file, "/in/side/needle-two.png"));
    assert_int_equal(rs_needles_search("/no/such/folder", list, 3, never_shared, &asked, &r, &err),
                     RS_ENOENT);
    remove_folder(dir);
}

/* What a naive search would ask of, and where. */
typedef struct {
    const rs_needle *list;
    size_t           found[8];         /* how often each was found */
} counting;

static rs_status count(void *ctx, const rs_needle *n, const char *file, rs_needle_kind *kind, rs_err *err)
{
    counting *c = ctx;

    (void)file, (void)err;
    c->found[n - c->list]++;
    *kind = RS_NEEDLE_SHARED;
    return RS_OK;
}

/* Random needles of two letters' alphabet in random bytes of it, at any place: as a naive search. */
static void test_needles_are_all_found(void **state)
{
    rs_random rnd = rs_random_seed(5);
    rs_err err = {RS_OK, ""};
    char dir[64], bytes[40], texts[8][12];
    rs_needle_report r;

    (void)state;
    make_folder(dir);
    for (size_t round = 0; round < 3000; round++) {
        rs_needle list[8];
        counting c = {.list = list};
        const size_t len = rs_random_below(&rnd, sizeof bytes + 1);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)('a' + rs_random_below(&rnd, 2));
        for (size_t k = 0; k < 8; k++) {
            const size_t n = RS_NEEDLE_LEAST + rs_random_below(&rnd, 4);
            for (size_t i = 0; i < n; i++)
                texts[k][i] = (char)('a' + rs_random_below(&rnd, 2));
            list[k] = (rs_needle){.what = "x", .bytes = texts[k], .len = n};
        }
        write_file(dir, "bytes", bytes, len);
        ok(rs_needles_search(dir, list, 8, count, &c, &r, &err), &err);
        for (size_t k = 0; k < 8; k++) {
            bool there = false;
            for (size_t i = 0; i + list[k].len <= len; i++)
                there |= memcmp(bytes + i, texts[k], list[k].len) == 0;
            assert_int_equal(c.found[k], there);
            assert_int_equal(list[k].shared, there);
        }
    }
    remove_folder(dir);
}

/* ---- Archives to erase from ------------------------------------------------ */

static const char *patient_of(size_t i)
{
    static const char *const patients[] = {"PATIENT-0001", "PATIENT-00017", "patient-four", NULL};
    return patients[i % 4];
}

/* CASES cases of four patients (the last of none); those of the second carry SECRET. */
static void fill(rs_archive *a)
{
    rs_random rnd = rs_random_seed(7);
    rs_err err = {RS_OK, ""};

    ok(rs_archive_begin(a, &err), &err);
    for (size_t i = 0; i < CASES; i++) {
        random_case r;
        char attributes[64], file[48];
        make_case(&r, &rnd, i);
        r.c.patient = patient_of(i);
        snprintf(attributes, sizeof attributes, "{\"accession\":\"ACC-%06zu\"}", i * 7919);
        r.c.attributes = attributes;
        if (i % 4 == 1) {
            const size_t used = strlen(r.report);
            snprintf(r.report + used, sizeof r.report - used, "Seen by Dr. %s, number %zu.\n", SECRET, i);
        }
        snprintf(file, sizeof file, "reports/%s.txt", r.key);
        ok(rs_archive_put(a, &r.c, NULL, &err), &err);
        ok(rs_archive_set_file(a, "folder", &(rs_source_file){.file = file, .case_key = r.key}, &err),
           &err);
    }
    ok(rs_archive_commit(a, &err), &err);
    ok(rs_archive_rebuild(a, &err), &err);
}

/* Naively: is it in any file of the folder? */
static bool in_files(const char *folder, const void *bytes, size_t n)
{
    DIR *d = opendir(folder);
    const struct dirent *e;
    bool yes = false;

    assert_non_null(d);
    while (!yes && (e = readdir(d)) != NULL) {
        char *path = rs_path_join(folder, e->d_name), *data;
        size_t len;
        if (e->d_name[0] == '.') {
            rs_free(path);
            continue;
        }
        if (rs_is_folder(path)) {
            yes = in_files(path, bytes, n);
        } else if (rs_file_read(&data, &len, path, 1 << 26, NULL) == RS_OK) {
            for (size_t i = 0; i + n <= len && !yes; i++)
                yes = memcmp(data + i, bytes, n) == 0;
            rs_free(data);
        }
        rs_free(path);
    }
    closedir(d);
    return yes;
}

static bool has_text(const char *folder, const char *text)
{
    return in_files(folder, text, strlen(text));
}

/* Whether the FTS index, not its text, knows a word that begins so. */
static bool word_indexed(const char *folder, const char *begin)
{
    char *path = rs_path_join(folder, "catalog.db");
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    bool yes;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE VIRTUAL TABLE temp.v USING fts5vocab(main, case_fts, row)",
                                  NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT 1 FROM temp.v WHERE instr(term, ?1)", -1, &st, NULL),
                     SQLITE_OK);
    sqlite3_bind_text(st, 1, begin, -1, SQLITE_STATIC);
    yes = sqlite3_step(st) == SQLITE_ROW;
    sqlite3_finalize(st);
    sqlite3_close(db);
    rs_free(path);
    return yes;
}

/* ---- Erasing ----------------------------------------------------------------- */

static void test_forget_a_patient(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_erasure e;
    rs_stats before, after;
    rs_case *c;
    rs_archive *a;
    const char **keys, **others;
    uint16_t half[DIM] = {0};
    float wide[DIM] = {0};
    size_t n, m;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    fill(a);
    ok(rs_archive_patient(a, "patient-00017", &mem, &keys, &n, &err), &err);   /* any case */
    assert_int_equal(n, CASES / 4);
    ok(rs_archive_patient(a, "patient-0001", &mem, &others, &m, &err), &err);
    assert_int_equal(m, CASES / 4);
    for (size_t i = 0; i < CASES; i++) {           /* a vector of one of theirs, as both files have it */
        random_case r;
        rs_random rnd = rs_random_seed(7);
        for (size_t k = 0; k <= i; k++)
            make_case(&r, &rnd, k);
        if (i % 4 != 1 || r.c.n_images == 0)
            continue;
        rs_half_pack(half, r.vectors[0], DIM);
        rs_half_unpack(wide, half, DIM);
        break;
    }
    assert_true(has_text(dir, SECRET) && has_text(dir, "PATIENT-00017") && word_indexed(dir, "przyby"));
    assert_true(in_files(dir, half, sizeof half));
    ok(rs_archive_stats(a, &mem, &before, &err), &err);
    ok(rs_archive_get(a, keys[3], &mem, &c, &err), &err);

    ok(rs_archive_erase(a, keys, n, &e, &err), &err);
    assert_int_equal(e.cases, n);
    assert_true(e.looked_for > 5 * n && e.files >= 4 && e.bytes > 10000);
    ok(rs_archive_stats(a, &mem, &after, &err), &err);
    assert_int_equal(after.cases, before.cases - n);
    assert_int_equal(after.images, before.images - e.images);
    assert_int_equal(after.passages, before.passages - e.passages);
    ok(rs_archive_verify(a, &err), &err);
    assert_false(has_text(dir, SECRET) || has_text(dir, "PATIENT-00017") || word_indexed(dir, "przyby"));
    assert_false(in_files(dir, half, sizeof half) || in_files(dir, wide, sizeof wide));
    assert_false(has_text(dir, strstr(c->attributes, "ACC-")));
    for (size_t i = 0; i < n; i++) {
        char file[64];
        const rs_source_file *f;
        snprintf(file, sizeof file, "reports/%s.txt", keys[i]);
        assert_int_equal(rs_archive_get(a, keys[i], &mem, &c, &err), RS_ENOENT);
        ok(rs_archive_file(a, "folder", file, &mem, &f, &err), &err);
        assert_null(f);
    }
    assert_true(has_text(dir, "PATIENT-0001"));    /* whose number is part of it */
    for (size_t i = 0; i < m; i++)
        ok(rs_archive_get(a, others[i], &mem, &c, &err), &err);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

/* The same text and the same picture in a case that stays: found, and rightly so. */
static void test_what_others_share(void **state)
{
    rs_random rnd = rs_random_seed(3);
    rs_err err = {RS_OK, ""};
    rs_erasure e;
    rs_archive *a;
    random_case r;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    do
        make_case(&r, &rnd, 1);
    while (r.c.n_images == 0 || r.c.n_passages == 0);
    r.c.key = "first-case";
    put_one(a, &r.c);
    r.c.key = "first-case-again";                  /* a key that holds the other's */
    put_one(a, &r.c);
    ok(rs_archive_erase(a, (const char *const[]){"first-case"}, 1, &e, &err), &err);
    assert_int_equal(e.cases, 1);
    assert_true(e.shared >= 5 && e.shared <= e.looked_for);
    ok(rs_archive_erase(a, (const char *const[]){"first-case-again"}, 1, &e, &err), &err);
    assert_int_equal(e.shared, 0);
    ok(rs_archive_verify(a, &err), &err);
    rs_archive_close(a);
    remove_folder(dir);
}

static void test_refusals(void **state)
{
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    rs_erasure e;
    rs_stats s;
    rs_archive *a, *reader;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    fill(a);
    assert_int_equal(rs_archive_erase(a, (const char *const[]){"case-37", "case-x"}, 2, &e, &err), RS_ENOENT);
    assert_non_null(strstr(err.msg, "case-x"));
    ok(rs_archive_stats(a, &mem, &s, &err), &err);
    assert_int_equal(s.cases, CASES);
    ok(rs_archive_erase(a, NULL, 0, &e, &err), &err);
    ok(rs_archive_begin(a, &err), &err);
    assert_int_equal(rs_archive_erase(a, (const char *const[]){"case-37"}, 1, &e, &err), RS_EARG);
    rs_archive_rollback(a);
    reader = open_archive(dir, RS_ARCHIVE_READ);
    assert_int_equal(rs_archive_erase(reader, (const char *const[]){"case-37"}, 1, &e, &err), RS_EARG);
    assert_int_equal(rs_archive_purge(reader, &err), RS_EARG);
    rs_archive_close(reader);
    /* The proof can fail: somebody's copy inside the archive's folder. */
    write_file(dir, "note.txt", "look at case-999", 16);
    assert_int_equal(rs_archive_erase(a, (const char *const[]){"case-999"}, 1, &e, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "case key"));
    assert_non_null(strstr(err.msg, "note.txt, at byte 8"));
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

/* A reader in the middle of a snapshot keeps the journal. */
static void test_a_reader_keeps_the_journal(void **state)
{
    char dir[64], *path;
    rs_err err = {RS_OK, ""};
    sqlite3 *reader = NULL;
    rs_erasure e;
    rs_archive *a;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    fill(a);
    path = rs_path_join(dir, "catalog.db");
    assert_int_equal(sqlite3_open(path, &reader), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM cases", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(rs_archive_erase(a, (const char *const[]){"case-37"}, 1, &e, &err), RS_EBUSY);
    assert_non_null(strstr(err.msg, "rebuild --purge"));
    assert_int_equal(sqlite3_exec(reader, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    ok(rs_archive_purge(a, &err), &err);
    assert_false(has_text(dir, "ACC-007919"));
    assert_true(has_text(dir, "ACC-015838"));
    ok(rs_archive_verify(a, &err), &err);
    sqlite3_close(reader);
    rs_archive_close(a);
    rs_free(path);
    remove_folder(dir);
}

static void test_no_memory(void **state)
{
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    rs_archive *a;
    rs_stats s;
    char dir[64];
    size_t fails = 0;
    rs_status st = RS_ENOMEM;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    fill(a);
    for (long k = 0; st != RS_OK; k += 1 + k / 6) {
        const char **keys;                         /* each try has a case of its own */
        rs_erasure e;
        size_t n;
        ok(rs_archive_keys(a, NULL, NULL, 1, &mem, &keys, &n, &err), &err);
        assert_int_equal(n, 1);
        rs_alloc_fail_after(k);
        st = rs_archive_erase(a, keys, 1, &e, &err);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        fails += st != RS_OK;
        ok(rs_archive_verify(a, &err), &err);
    }
    assert_true(fails > 5);
    ok(rs_archive_stats(a, &mem, &s, &err), &err);
    assert_true(s.cases < CASES);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

/* ---- Backups ------------------------------------------------------------------- */

static void test_backup_and_restore(void **state)
{
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    rs_archive *a, *reader, *copy;
    const char **keys;
    random_case r;
    rs_random rnd = rs_random_seed(11);
    rs_stats s, t;
    size_t n;
    char dir[64], to[80];

    (void)state;
    make_folder(dir);
    snprintf(to, sizeof to, "%s-copy/deep", dir);
    a = open_writer(dir);
    fill(a);
    ok(rs_archive_begin(a, &err), &err);           /* a writer at work: not yet part of it */
    make_case(&r, &rnd, 1000);
    ok(rs_archive_put(a, &r.c, NULL, &err), &err);
    assert_int_equal(rs_archive_backup(a, to, &err), RS_EARG);
    reader = open_archive(dir, RS_ARCHIVE_READ);
    ok(rs_archive_backup(reader, to, &err), &err);
    ok(rs_archive_commit(a, &err), &err);
    assert_int_equal(rs_archive_backup(reader, to, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "is there already"));
    ok(rs_archive_stats(reader, &mem, &s, &err), &err);
    assert_int_equal(s.cases, CASES + 1);

    copy = open_archive(to, RS_ARCHIVE_WRITE);
    ok(rs_archive_verify(copy, &err), &err);
    ok(rs_archive_stats(copy, &mem, &t, &err), &err);
    assert_int_equal(t.cases, CASES);
    assert_int_equal(t.image_vectors, s.image_vectors - r.c.n_images);
    ok(rs_archive_keys(copy, NULL, NULL, 1000, &mem, &keys, &n, &err), &err);
    assert_int_equal(n, CASES);
    for (size_t i = 0; i < n; i++) {
        rs_case *was, *is;
        ok(rs_archive_get(a, keys[i], &mem, &was, &err), &err);
        ok(rs_archive_get(copy, keys[i], &mem, &is, &err), &err);
        assert_string_equal(is->report, was->report);
        assert_string_equal(is->attributes, was->attributes);
        assert_int_equal(is->n_images, was->n_images);
    }
    put_one(copy, &r.c);                            /* and it is used like the first */
    rs_archive_close(copy);
    rs_archive_close(reader);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    to[strlen(to) - strlen("/deep")] = '\0';
    remove_folder(to);
    remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_needles),
        cmocka_unit_test(test_needles_are_all_found),
        cmocka_unit_test(test_forget_a_patient),
        cmocka_unit_test(test_what_others_share),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_reader_keeps_the_journal),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_backup_and_restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
