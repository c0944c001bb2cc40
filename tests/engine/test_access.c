/* test_access.c - access filters: put together, and when memory runs out at any moment.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/access.h"
#include "engine/filter.h"

enum { CASES = 40 };

static char folder[64];
static const char SEEN[] = "collection:\"seen\"";

static int make(void **state)
{
    rs_random rnd = rs_random_seed(3);
    rs_archive *a;

    (void)state;
    make_folder(folder);
    a = open_writer(folder);
    for (size_t i = 0; i < CASES; i++) {
        random_case r;
        make_case(&r, &rnd, i);
        snprintf(r.key, sizeof r.key, "%s-%zu", i % 2 ? "seen" : "hidden", i);
        r.c.collection = i % 2 ? "Seen" : NULL;
        put_one(a, &r.c);
    }
    rs_archive_close(a);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

static void test_put_together(void **state)
{
    static const char *const names[] = {"a", "b\"c\\", "*"};
    rs_arena mem = {0};
    rs_err err = {0};
    const char *out;
    rs_buf b = {0};

    (void)state;
    rs_access_collections(&b, names, 3);
    assert_string_equal(b.data, "collection:\"a\"|\"b\\\"c\\\\\"|\"*\"");
    ok(rs_filter_check(b.data, &err), &err);
    b.len = 0;
    rs_access_collections(&b, names, 0);
    assert_string_equal(b.data, "not case:*");
    rs_buf_clear(&b);
    ok(rs_access_and(NULL, NULL, &mem, &out, &err), &err);
    assert_null(out);
    ok(rs_access_and(SEEN, NULL, &mem, &out, &err), &err);
    assert_string_equal(out, SEEN);
    ok(rs_access_and(NULL, "sex:F", &mem, &out, &err), &err);
    assert_string_equal(out, "sex:F");
    ok(rs_access_and(SEEN, "sex:F or sex:M", &mem, &out, &err), &err);
    assert_string_equal(out, "(collection:\"seen\") (sex:F or sex:M)");
    assert_int_equal(rs_access_and(SEEN, "sex:F) or (case:*", &mem, &out, &err), RS_EARG);
    assert_int_equal(rs_access_and(SEEN, "", &mem, &out, &err), RS_EARG);
    rs_arena_clear(&mem);
}

/* Everything that is asked with an access filter; hidden cases stay so. */
static rs_status ask_all(rs_archive *a, rs_arena *mem, rs_err *err)
{
    rs_query *q = rs_arena_alloc(mem, 1, sizeof *q);
    rs_facet_report facets;
    rs_stats stats;
    rs_result r;
    rs_case *c;
    rs_status st;

    if (!q)
        return RS_ENOMEM;
    *q = rs_query_default();
    ask_text(q, "effusion nodule left right", NULL);
    q->access = SEEN;
    q->contrast = true;
    q->k = CASES;
    if ((st = rs_search(a, q, mem, &r, err)) != RS_OK)
        return st;
    assert_true(r.n > 0);
    for (size_t i = 0; i < r.n; i++) {
        assert_memory_equal(r.hits[i].key, "seen-", 5);
        for (size_t k = 0; k < r.hits[i].n_folded; k++)
            assert_memory_equal(r.hits[i].folded[k].key, "seen-", 5);
        if (r.hits[i].contrast)
            assert_memory_equal(r.hits[i].contrast->key, "seen-", 5);
    }
    st = rs_access_case(a, SEEN, "hidden-0", mem, &c, err);
    assert_null(c);
    if (st != RS_ENOENT)
        return st;
    if ((st = rs_access_case(a, SEEN, "seen-1", mem, &c, err)) != RS_OK ||
        (st = rs_access_facets(a, SEEN, "case:*", NULL, 0, mem, &facets, err)) != RS_OK ||
        (st = rs_access_stats(a, SEEN, mem, &stats, err)) != RS_OK)
        return st;
    assert_int_equal(facets.cases, CASES / 2);
    assert_int_equal(facets.passing, CASES / 2);
    assert_int_equal(stats.cases, CASES / 2);
    return RS_OK;
}

static void test_out_of_memory(void **state)
{
    rs_status st = RS_ENOMEM;
    rs_err err = {0};

    (void)state;
    for (long k = 0; st != RS_OK; k += k < 400 ? 3 : 17) {
        rs_archive *a = open_archive(folder, RS_ARCHIVE_READ);
        rs_arena mem = {0};
        rs_alloc_fail_after(k);
        st = ask_all(a, &mem, &err);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        rs_arena_clear(&mem);
        rs_archive_close(a);
    }
}

/* What a case that is not there yet would be to an access filter is what it is once it is. */
static void test_would_see(void **state)
{
    static const char *const collections[] = {"seen", "SEEN", "a\"b\\c", "x) or (case:*", "*", NULL,
                                              "see", "seen "};
    enum { N = sizeof collections / sizeof *collections };
    rs_random rnd = rs_random_seed(4);
    rs_archive *a = open_archive(folder, RS_ARCHIVE_WRITE);
    rs_arena mem = {0};
    size_t seen = 0;
    rs_err err = {0};
    bool yes;

    (void)state;
    ok(rs_archive_bind_encoder(a, &fixture_encoder, &err), &err);
    for (size_t i = 0; i < 200; i++) {
        const char *names[N], *collection = collections[rs_random_below(&rnd, N)];
        rs_case c = {.key = "new", .title = "t", .collection = collection, .age_years = -1}, *got;
        rs_buf b = {0};
        size_t n = 0;
        rs_status st;
        for (size_t k = 0; k < N; k++)
            if (collections[k] && rs_random_below(&rnd, 3) == 0)
                names[n++] = collections[k];
        rs_access_collections(&b, names, n);
        ok(rs_access_would_see(b.data, "new", collection, &mem, &yes, &err), &err);
        put_one(a, &c);
        st = rs_access_case(a, b.data, "new", &mem, &got, &err);
        assert_int_equal(st, yes ? RS_OK : RS_ENOENT);
        seen += yes;
        rs_buf_clear(&b);
    }
    assert_true(seen > 20 && seen < 180);
    ok(rs_access_would_see(NULL, "k", NULL, &mem, &yes, &err), &err);
    assert_true(yes);
    ok(rs_access_would_see("not (case:* or sex:F)", "k", "seen", &mem, &yes, &err), &err);
    assert_false(yes);                         /* sex: nothing is known of it here */
    rs_arena_clear(&mem);
    rs_archive_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_together), cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_would_see),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
