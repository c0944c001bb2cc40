/* test_requests.c - answered requests: found again by who sent them and by their key, for a day.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/requests.h"

static const char SHA[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static char folder[64];

static int make(void **state)
{
    (void)state;
    make_folder(folder);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

static rs_status keep(rs_archive *a, const char *who, const char *key, int64_t at, rs_err *err)
{
    const rs_request r = {.who = who, .key = key, .sha256 = SHA, .case_key = "case one",
                          .status = 201, .answer = "{\"state\":\"added\"}", .at = at};
    rs_status st = rs_archive_begin(a, err);

    if (st == RS_OK && (st = rs_requests_keep(a, &r, err)) == RS_OK)
        return rs_archive_commit(a, err);
    rs_archive_rollback(a);
    return st;
}

static const rs_request *find(rs_archive *a, const char *who, const char *key, int64_t now,
                              rs_arena *mem)
{
    const rs_request *r;
    rs_err err = {0};

    ok(rs_requests_find(a, who, key, now, mem, &r, &err), &err);
    return r;
}

static void test_kept_for_a_day(void **state)
{
    const int64_t now = 1700000000;
    rs_archive *a = open_writer(folder);
    const rs_request *r;
    rs_arena mem = {0};
    rs_err err = {0};

    (void)state;
    assert_int_equal(rs_requests_keep(a, &(rs_request){.who = ""}, &err), RS_EARG);    /* no batch */
    ok(keep(a, "ada", "k1", now, &err), &err);
    ok(keep(a, "", "k1", now + 10, &err), &err);
    r = find(a, "ada", "k1", now + 60, &mem);
    assert_non_null(r);
    assert_string_equal(r->sha256, SHA);
    assert_string_equal(r->case_key, "case one");
    assert_string_equal(r->answer, "{\"state\":\"added\"}");
    assert_int_equal(r->status, 201);
    assert_int_equal(r->at, now);
    assert_int_equal(find(a, "", "k1", now + 60, &mem)->at, now + 10);
    assert_null(find(a, "bob", "k1", now, &mem));          /* another's keys are another's */
    assert_null(find(a, "ada", "K1", now, &mem));
    assert_non_null(find(a, "ada", "k1", now + RS_REQUESTS_S - 1, &mem));
    assert_null(find(a, "ada", "k1", now + RS_REQUESTS_S, &mem));
    ok(keep(a, "ada", "k1", now + RS_REQUESTS_S, &err), &err);         /* in its place */
    assert_int_equal(find(a, "ada", "k1", now + RS_REQUESTS_S + 5, &mem)->at, now + RS_REQUESTS_S);
    assert_non_null(find(a, "", "k1", now + 60, &mem));    /* ten seconds younger */
    ok(keep(a, "eve", "k2", now + RS_REQUESTS_S + 10, &err), &err);
    assert_null(find(a, "", "k1", now + 60, &mem));        /* gone, not only too old */
    rs_archive_close(a);
    a = open_archive(folder, RS_ARCHIVE_READ);
    assert_non_null(find(a, "eve", "k2", now + RS_REQUESTS_S + 20, &mem));
    rs_archive_close(a);
    rs_arena_clear(&mem);
}

/* It comes and goes with its batch. */
static void test_of_its_batch(void **state)
{
    const rs_request r = {.who = "x", .key = "y", .sha256 = SHA, .status = 200, .answer = "{}",
                          .at = 1800000000};
    rs_archive *a = open_writer(folder);
    rs_arena mem = {0};
    rs_err err = {0};

    (void)state;
    ok(rs_archive_begin(a, &err), &err);
    ok(rs_requests_keep(a, &r, &err), &err);
    rs_archive_rollback(a);
    assert_null(find(a, "x", "y", r.at, &mem));
    ok(rs_archive_begin(a, &err), &err);
    ok(rs_requests_keep(a, &r, &err), &err);
    ok(rs_archive_commit(a, &err), &err);
    assert_null(find(a, "x", "y", r.at, &mem)->case_key);
    rs_archive_close(a);
    rs_arena_clear(&mem);
}

static void test_out_of_memory(void **state)
{
    rs_archive *a = open_writer(folder);
    rs_status st = RS_ENOMEM;
    rs_err err = {0};

    (void)state;
    ok(keep(a, "ada", "again", 1900000000, &err), &err);
    for (long k = 0; st != RS_OK; k++) {
        const rs_request *r = NULL;
        rs_arena mem = {0};
        rs_alloc_fail_after(k);
        st = rs_requests_find(a, "ada", "again", 1900000001, &mem, &r, &err);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_ENOMEM || (st == RS_OK && r));
        rs_arena_clear(&mem);
    }
    rs_archive_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_for_a_day), cmocka_unit_test(test_of_its_batch),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
