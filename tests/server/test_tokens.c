/* test_tokens.c - tokens in their file, sessions, rates, secrets: without a server.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/fixture.h"

#include "server/auth.h"
#include "server/rate.h"
#include "server/secret.h"
#include "server/session.h"
#include "server/tokens.h"

#include <time.h>

static char folder[64], path[96];

static int make(void **state)
{
    (void)state;
    make_folder(folder);
    snprintf(path, sizeof path, "%s/a.tokens", folder);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

static const char *const two[] = {"chest", "say \"ah\" \\ or b|c"};

static void add(const char *name, const rs_bearer *like, char text[RS_TOKEN_TEXT])
{
    rs_bearer want = *like;
    rs_err err = {0};

    want.name = name;
    ok(rs_bearers_add(path, &want, text, &err), &err);
}

static rs_bearers *open_all(void)
{
    rs_bearers *t = NULL;
    rs_err err = {0};

    ok(rs_bearers_open(&t, path, &err), &err);
    return t;
}

static const rs_bearer reader = {.role = RS_ROLE_READER, .collections = two, .n_collections = 2};
static const rs_bearer admin = {.role = RS_ROLE_ADMIN, .all = true};

/* ---- The file -------------------------------------------------------- */

static void test_made_and_found(void **state)
{
    char a[RS_TOKEN_TEXT], b[RS_TOKEN_TEXT], wrong[RS_TOKEN_TEXT], *text;
    const long long now = time(NULL);
    const rs_bearer *found;
    struct stat sb;
    rs_bearers *t;
    size_t len;

    (void)state;
    t = open_all();                            /* no file: nobody, and that is known */
    assert_int_equal(rs_bearers_count(t), 0);
    assert_false(rs_bearers_known(t));
    rs_bearers_close(t);
    add("ward 3", &reader, a);
    add("ada", &admin, b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 4 + 64);
    t = open_all();
    assert_int_equal(rs_bearers_holding(t, now), 2);
    found = rs_bearers_find(t, a, now);
    assert_non_null(found);
    assert_string_equal(found->name, "ward 3");
    assert_int_equal(found->role, RS_ROLE_READER);
    assert_int_equal(found->n_collections, 2);
    assert_string_equal(found->collections[1], two[1]);
    assert_string_equal(rs_bearers_find(t, b, now)->name, "ada");
    for (size_t i = 0; i < strlen(a); i++) {   /* one letter off is as wrong as any */
        memcpy(wrong, a, sizeof wrong);
        wrong[i] = (char)(wrong[i] ^ 1);
        assert_null(rs_bearers_find(t, wrong, now));
    }
    assert_null(rs_bearers_find(t, "", now));
    assert_null(rs_bearers_find(t, found->sha256, now));       /* the hash opens nothing */
    rs_bearers_close(t);
    assert_int_equal(stat(path, &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0600);
    assert_int_equal(rs_file_read(&text, &len, path, 1 << 20, NULL), RS_OK);
    assert_null(strstr(text, a));
    assert_null(strstr(text, a + 4));
    rs_free(text);
}

static void test_changes_are_seen(void **state)
{
    const long long now = time(NULL);
    char a[RS_TOKEN_TEXT], b[RS_TOKEN_TEXT], c[RS_TOKEN_TEXT];
    rs_bearer short_lived = admin;
    rs_err err = {0};
    rs_bearers *t;

    (void)state;
    add("one", &reader, a);
    t = open_all();
    short_lived.expires = now + 100;
    add("two", &admin, b);
    add("three", &short_lived, c);
    assert_null(rs_bearers_find(t, b, now));
    ok(rs_bearers_refresh(t, &err), &err);
    assert_non_null(rs_bearers_find(t, b, now));
    assert_non_null(rs_bearers_find(t, c, now + 99));
    assert_null(rs_bearers_find(t, c, now + 100));
    ok(rs_bearers_revoke(path, "two", &err), &err);
    ok(rs_bearers_refresh(t, &err), &err);
    assert_null(rs_bearers_find(t, b, now));
    assert_non_null(rs_bearers_find(t, a, now));
    assert_int_equal(rs_bearers_revoke(path, "two", &err), RS_EARG);
    assert_int_equal(rs_bearers_revoke(path, "nobody", &err), RS_ENOENT);
    short_lived.name = "two";                  /* not given again */
    assert_int_equal(rs_bearers_add(path, &short_lived, b, &err), RS_EARG);
    assert_string_equal(b, "");
    /* Damaged: nobody holds, until it is mended. */
    ok(rs_file_write(path, "{\n", 2, &err), &err);
    assert_int_equal(rs_bearers_refresh(t, &err), RS_ECORRUPT);
    assert_null(rs_bearers_find(t, a, now));
    assert_int_equal(rs_bearers_holding(t, now), 0);
    assert_int_equal(unlink(path), 0);
    ok(rs_bearers_refresh(t, &err), &err);
    rs_bearers_close(t);
}

static void test_wrong_files(void **state)
{
    static const struct { const char *text, *says; } rows[] = {
        {"x", "line 1"}, {"[]\n", "line 1"}, {"{}\n", "collections"},
        {"{\"collections\":\"all\"}\n", "no name"},
        {"{\"collections\":[1]}\n", "collections[0]"},
        {"{\"collections\":\"some\"}\n", "wanted \"all\""},
        {"{\"name\":\"a\",\"role\":\"none\",\"collections\":\"all\",\"sha256\":\"\"}\n", "role"},
        {"{\"name\":\"a\",\"role\":\"king\",\"collections\":\"all\",\"sha256\":\"\"}\n", "role"},
        {"{\"name\":\"a\",\"role\":\"admin\",\"collections\":\"all\",\"sha256\":\"12\"}\n",
         "sha256"},
        {"{\"name\":\"a\",\"expires\":-1}\n", "expires"},
    };
    rs_bearers *t;
    rs_err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ok(rs_file_write(path, rows[i].text, strlen(rows[i].text), &err), &err);
        assert_int_equal(rs_bearers_open(&t, path, &err), RS_ECORRUPT);
        assert_null(t);
        if (!strstr(err.msg, rows[i].says))
            fail_msg("%s: %s", rows[i].text, err.msg);
    }
    ok(rs_file_write(path, "", 0, &err), &err);
    assert_int_equal(chmod(path, 0620), 0);    /* another could give himself a token */
    assert_int_equal(rs_bearers_open(&t, path, &err), RS_EARG);
    unlink(path);
}

static void test_wrong_wishes(void **state)
{
    static const char *const bad[] = {"", "a\nb", "\xff", "\x1b[2J"};
    rs_bearer want = {.name = "a", .role = RS_ROLE_READER};
    char text[RS_TOKEN_TEXT];
    rs_err err = {0};

    (void)state;
    assert_int_equal(rs_bearers_add(path, &want, text, &err), RS_EARG);    /* sees nothing */
    want.all = true;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        want.name = bad[i];
        assert_int_equal(rs_bearers_add(path, &want, text, &err), RS_EARG);
    }
    want.name = "a";
    want.role = RS_ROLE_PUBLIC;
    assert_int_equal(rs_bearers_add(path, &want, text, &err), RS_EARG);
    assert_false(rs_file_exists(path));
}

static void test_out_of_memory(void **state)
{
    rs_status st = RS_ENOMEM;
    char text[RS_TOKEN_TEXT];
    rs_bearer want = reader;
    rs_bearers *t = NULL;

    (void)state;
    want.name = "a";
    for (long k = 0; st != RS_OK; k++) {
        const size_t live = rs_alloc_live();
        rs_alloc_fail_after(k);
        st = rs_bearers_add(path, &want, text, NULL);
        rs_alloc_fail_after(-1);
        assert_int_equal(rs_alloc_live(), live);
        assert_true(st == RS_OK || st == RS_ENOMEM || st == RS_ECORRUPT);
        if (st != RS_OK) {
            assert_string_equal(text, "");
            assert_false(rs_file_exists(path));
        }
    }
    st = RS_ENOMEM;
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_bearers_open(&t, path, NULL);
        rs_alloc_fail_after(-1);
    }
    assert_int_equal(rs_bearers_count(t), 1);
    assert_int_equal(rs_bearers_at(t, 0)->n_collections, 2);
    rs_bearers_close(t);
}

static void test_filters(void **state)
{
    rs_arena mem = {0};
    rs_bearer none = {.role = RS_ROLE_READER};
    rs_status st;

    (void)state;
    assert_null(rs_bearer_filter(&admin, &mem, &st));
    assert_int_equal(st, RS_OK);
    assert_string_equal(rs_bearer_filter(&reader, &mem, &st),
                        "collection:\"chest\"|\"say \\\"ah\\\" \\\\ or b|c\"");
    assert_string_equal(rs_bearer_filter(&none, &mem, &st), "not case:*");
    rs_arena_clear(&mem);
}

/* ---- Sessions and rates ---------------------------------------------- */

static void test_cookies(void **state)
{
    static const struct { const char *field, *value; } rows[] = {
        {"radscout=abc", "abc"}, {"a=b; radscout=abc", "abc"}, {"a=b;radscout=abc; c=d", "abc"},
        {"xradscout=abc", NULL}, {"radscoutx=abc", NULL}, {"a=radscout=abc", NULL},
        {"radscout=", NULL}, {"", NULL}, {";;;", NULL}, {"radscout", NULL},
        {"radscout=0123456789012345678901234567890123456789012345678901234567890123456789", NULL},
    };
    char value[RS_SECRET_HEX];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool found = rs_cookie_find(rows[i].field, "radscout", value);
        if (found != (rows[i].value != NULL) || (found && strcmp(value, rows[i].value) != 0))
            fail_msg("%s: %s", rows[i].field, found ? value : "none");
    }
    assert_false(rs_cookie_find(NULL, "radscout", value));
}

static void test_sessions(void **state)
{
    char cookie[RS_SECRET_HEX], first[RS_SECRET_HEX];
    const rs_session *s;
    rs_sessions all = {0};
    rs_err err = {0};

    (void)state;
    ok(rs_sessions_begin(&all, FIXTURE_ID, 0, first, &s, &err), &err);
    assert_string_not_equal(s->id, first);             /* only the hash is kept */
    assert_string_equal(s->token, FIXTURE_ID);
    assert_non_null(rs_sessions_find(&all, first, 1));
    assert_null(rs_sessions_find(&all, s->id, 1));
    assert_null(rs_sessions_find(&all, "", 1));
    for (int i = 0; i < RS_SESSIONS - 1; i++)
        ok(rs_sessions_begin(&all, FIXTURE_ID, 10 + i, cookie, &s, &err), &err);
    assert_non_null(rs_sessions_find(&all, first, RS_SESSIONS + 20.0));      /* used last */
    ok(rs_sessions_begin(&all, FIXTURE_ID, RS_SESSIONS + 21.0, cookie, &s, &err), &err);
    assert_int_equal(all.n, RS_SESSIONS);
    assert_non_null(rs_sessions_find(&all, first, RS_SESSIONS + 22.0));
    assert_null(rs_sessions_find(&all, cookie, RS_SESSIONS + 23.0 + RS_SESSION_IDLE_S));
    for (double t = RS_SESSIONS; t < RS_SESSION_S; t += 1000)
        assert_non_null(rs_sessions_find(&all, first, t));
    assert_null(rs_sessions_find(&all, first, RS_SESSION_S + 1));
    rs_sessions_clear(&all);
}

static void test_rates(void **state)
{
    rs_rates r = {0};

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_true(rs_rates_take(&r, "a", 2, 5, 100) <= 0);
    assert_true(rs_rates_take(&r, "a", 2, 5, 100) > 0.4);
    assert_true(rs_rates_take(&r, "b", 2, 5, 100) <= 0);       /* another's is its own */
    assert_true(rs_rates_take(&r, "a", 2, 5, 100.6) <= 0);
    assert_true(rs_rates_take(&r, "a", 2, 5, 100.6) > 0);
    for (int i = 0; i < 5; i++)                                /* never more than full */
        assert_true(rs_rates_take(&r, "a", 2, 5, 1e6) <= 0);
    assert_true(rs_rates_take(&r, "a", 2, 5, 1e6) > 0);
    assert_true(rs_rates_take(&r, "a", 0, 5, 1e6) <= 0);       /* no limit */
    rs_alloc_fail_after(0);
    assert_true(rs_rates_take(&r, "c", 2, 5, 1e6) > 0);
    rs_alloc_fail_after(-1);
    rs_rates_clear(&r);
}

static void test_secrets(void **state)
{
    char a[RS_SECRET_HEX], b[RS_SECRET_HEX];
    rs_err err = {0};

    (void)state;
    ok(rs_secret_make(a, &err), &err);
    ok(rs_secret_make(b, &err), &err);
    assert_int_equal(strspn(a, "0123456789abcdef"), 64);
    assert_false(rs_secret_equal(a, b));
    assert_true(rs_secret_equal(a, a));
    assert_false(rs_secret_equal(a, ""));
    assert_true(rs_secret_equal("", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_made_and_found, make, drop),
        cmocka_unit_test_setup_teardown(test_changes_are_seen, make, drop),
        cmocka_unit_test_setup_teardown(test_wrong_files, make, drop),
        cmocka_unit_test_setup_teardown(test_wrong_wishes, make, drop),
        cmocka_unit_test_setup_teardown(test_out_of_memory, make, drop),
        cmocka_unit_test(test_filters), cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_sessions), cmocka_unit_test(test_rates),
        cmocka_unit_test(test_secrets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
