/* test_case_keys.c - keys by ids: as the catalog has them, whatever was asked for before.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/archive_int.h"
#include "engine/case_keys.h"
#include "engine/catalog.h"

static char folder[64];

static rs_archive *make(size_t n)
{
    rs_archive *a;

    make_folder(folder);
    a = open_writer(folder);
    for (size_t i = 0; i < n; i++) {
        char key[32];
        snprintf(key, sizeof key, "case %zu", i);
        put_one(a, &(rs_case){.key = key, .title = "Effusion", .age_years = -1});
    }
    return a;
}

static int64_t id_of(rs_archive *a, const char *key)
{
    rs_err err = {0};
    rs_stmt s = rs_db_use(a->db, "SELECT id FROM cases WHERE key = ?1", &err);
    int64_t id = 0;

    rs_bind_text(&s, 1, key);
    if (rs_step(&s))
        id = rs_col_int(&s, 0);
    ok(rs_done(&s), &err);
    return id;
}

static void test_as_the_catalog_has_them(void **state)
{
    rs_archive *a = make(50);
    rs_arena mem = {0};
    rs_err err = {0};
    const char *key;

    (void)state;
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < 50; i++) {
            char want[32];
            snprintf(want, sizeof want, "case %zu", i);
            ok(rs_case_keys_get(a->keys, id_of(a, want), &mem, &key, &err), &err);
            assert_string_equal(key, want);
        }
    for (int64_t none = 1000; none < 1003; none++) {     /* nor in the place of one that is there */
        ok(rs_case_keys_get(a->keys, none, &mem, &key, &err), &err);
        assert_null(key);
        ok(rs_case_keys_get(a->keys, id_of(a, "case 1") + RS_CASE_KEYS * none, &mem, &key, &err), &err);
        assert_null(key);
    }
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(folder);
}

/* An id that a batch gave away and took back is another case's afterwards. */
static void test_a_batch_undone(void **state)
{
    rs_archive *a = make(3);
    rs_arena mem = {0};
    rs_err err = {0};
    const char *key;
    int64_t id;

    (void)state;
    ok(rs_archive_begin(a, &err), &err);
    ok(rs_archive_put(a, &(rs_case){.key = "undone", .title = "x", .age_years = -1}, NULL, &err), &err);
    id = id_of(a, "undone");
    ok(rs_case_keys_get(a->keys, id, &mem, &key, &err), &err);
    assert_string_equal(key, "undone");
    rs_archive_rollback(a);
    ok(rs_case_keys_get(a->keys, id, &mem, &key, &err), &err);
    assert_null(key);
    put_one(a, &(rs_case){.key = "done", .title = "x", .age_years = -1});
    assert_int_equal(id_of(a, "done"), id);
    ok(rs_case_keys_get(a->keys, id, &mem, &key, &err), &err);
    assert_string_equal(key, "done");
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(folder);
}

/* Whose a vector is: looked up at first, then known, and for those that come later again. */
static void test_owners(void **state)
{
    rs_archive *a = make(0);
    rs_random rnd = rs_random_seed(5);
    rs_arena mem = {0};
    rs_err err = {0};
    int64_t of, image = 0;
    const char *key;

    (void)state;
    for (int wave = 0; wave < 2; wave++) {
        for (int i = 0; i < 20; i++) {
            float x[2][DIM];
            char name[16];
            rs_case_image im[2] = {{.path = "/a", .width = 1, .height = 1, .vector = x[0]},
                                   {.path = "/b", .width = 1, .height = 1, .vector = x[1]}};
            unit_vector(&rnd, x[0]);
            unit_vector(&rnd, x[1]);
            snprintf(name, sizeof name, "w%d-%d", wave, i);
            put_one(a, &(rs_case){.key = name, .age_years = -1, .images = im, .n_images = 2});
        }
        if (wave == 0)
            ok(rs_archive_rebuild(a, &err), &err);       /* the rest is the tail */
        ok(rs_db_read_begin(a->db, &err), &err);
        ok(rs_archive_refresh(a, &err), &err);
        for (int round = 0; round < 12000; round++) {
            char want[16];
            image = 1 + round % (40 * (wave + 1));
            snprintf(want, sizeof want, "w%d-%d", image > 40, (int)(image - 1) / 2 % 20);
            ok(rs_catalog_owner(a, RS_KIND_IMAGE, image, &mem, &of, &key, &err), &err);
            assert_string_equal(key, want);
            if (round % 1000 == 0)
                rs_arena_clear(&mem);
        }
        assert_true(rs_vectors_owner(a->vectors[RS_KIND_IMAGE], image) == of);   /* by now */
        rs_db_read_end(a->db);
    }
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(folder);
}

/* Out of memory at any moment: an error, or an answer. */
static void test_no_memory(void **state)
{
    rs_archive *a = make(2);
    rs_arena mem = {0};
    rs_err err = {0};
    const char *key;
    const int64_t id = id_of(a, "case 1");
    rs_status st = RS_ENOMEM;

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_arena_clear(&mem);
        rs_alloc_fail_after(k);
        st = rs_case_keys_get(a->keys, id, &mem, &key, &err);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
    }
    assert_string_equal(key, "case 1");
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_catalog_has_them),
        cmocka_unit_test(test_a_batch_undone),
        cmocka_unit_test(test_owners),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
