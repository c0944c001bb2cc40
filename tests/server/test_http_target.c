/* test_http_target.c - paths that cannot lead elsewhere, queries, and which route they find.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/http_target.h"

#include "base/alloc.h"
#include "server/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_paths(void **state)
{
    static const struct { const char *target; int status; size_t n; const char *last; } rows[] = {
        {"/", 0, 0, NULL},
        {"/healthz", 0, 1, "healthz"},
        {"/v1/cases/MPX1024", 0, 3, "MPX1024"},
        {"/v1/cases/", 0, 3, ""},
        {"//v1", 0, 2, "v1"},
        {"/a%2Fb", 0, 1, "a/b"},
        {"/%C3%A9+", 0, 1, "\xc3\xa9+"},
        {"/a?x=../..", 0, 1, "a"},
        /* Ways out, spelt in all the usual ways. */
        {"/..", 400, 0, NULL},
        {"/../etc/passwd", 400, 0, NULL},
        {"/v1/images/../../../etc/passwd", 400, 0, NULL},
        {"/v1/./stats", 400, 0, NULL},
        {"/%2e%2e/etc", 400, 0, NULL},
        {"/%2E./etc", 400, 0, NULL},
        {"/.%2e", 400, 0, NULL},
        {"/a/%2e", 400, 0, NULL},
        {"/%00", 400, 0, NULL},
        {"/a%00.png", 400, 0, NULL},
        {"/%", 400, 0, NULL},
        {"/%2", 400, 0, NULL},
        {"/%zz", 400, 0, NULL},
        {"/%2g", 400, 0, NULL},
        {"/a/b/c/d/e/f/g/h/i", 404, 0, NULL},
        /* Decoded once: what is left is a name like any other, and names no file. */
        {"/%252e%252e", 0, 1, "%2e%2e"},
        {"/..%2f..%2fetc%2fpasswd", 0, 1, "../../etc/passwd"},
        {"/..%5c..%5cetc", 0, 1, "..\\..\\etc"},
        {"/%c0%ae%c0%ae", 0, 1, "\xc0\xae\xc0\xae"},
        {"/...", 0, 1, "..."},
        {"/..;", 0, 1, "..;"},
    };
    rs_arena mem = {0};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why = NULL;
        rs_target t;
        int status = rs_target_parse(&t, rows[i].target, &mem, &why);
        if (status != rows[i].status || (status == 0 && t.n_segments != rows[i].n))
            fail_msg("%s: status %d, %zu segments", rows[i].target, status, t.n_segments);
        assert_true((why != NULL) == (status != 0));
        if (status == 0 && rows[i].n)
            assert_string_equal(t.segment[t.n_segments - 1], rows[i].last);
    }
    rs_arena_clear(&mem);
}

static void test_queries(void **state)
{
    rs_arena mem = {0};
    const char *why;
    rs_target t;
    char many[40 * 4 + 8] = "/?";

    (void)state;
    assert_int_equal(rs_target_parse(&t, "/s?q=left+pleural%20effusion&k=5&empty=&flag&&q=2", &mem,
                                     &why), 0);
    assert_int_equal(t.n_params, 5);
    assert_string_equal(t.path, "/s");
    assert_string_equal(rs_target_param(&t, "q"), "left pleural effusion");
    assert_string_equal(rs_target_param(&t, "k"), "5");
    assert_string_equal(rs_target_param(&t, "empty"), "");
    assert_string_equal(rs_target_param(&t, "flag"), "");
    assert_null(rs_target_param(&t, "no"));
    assert_int_equal(rs_target_parse(&t, "/?a=%0", &mem, &why), 400);
    assert_int_equal(rs_target_parse(&t, "/?a=%00", &mem, &why), 400);
    for (int i = 0; i < 40; i++)
        strcat(many, "a=&");
    assert_int_equal(rs_target_parse(&t, many, &mem, &why), 400);
    rs_alloc_fail_after(0);
    rs_arena_clear(&mem);
    assert_int_equal(rs_target_parse(&t, "/a", &mem, &why), 503);
    rs_alloc_fail_after(-1);
    rs_arena_clear(&mem);
}

/* ---- Routes ---------------------------------------------------------- */

static rs_route_match find(rs_http_method method, const char *target, rs_exchange *x,
                           char allow[64])
{
    const char *why;

    assert_int_equal(rs_target_parse(&x->target, target, &x->mem, &why), 0);
    return rs_route_find(rs_routes, method, x, allow);
}

static void test_routes(void **state)
{
    rs_exchange x = {.route = NULL};
    char allow[64];

    (void)state;
    assert_int_equal(find(RS_HTTP_GET, "/healthz", &x, allow), RS_ROUTE_FOUND);
    assert_string_equal(x.route->pattern, "/healthz");
    assert_int_equal(find(RS_HTTP_HEAD, "/v1/cases/a%2Fb", &x, allow), RS_ROUTE_FOUND);
    assert_string_equal(x.arg[0], "a/b");
    assert_int_equal(find(RS_HTTP_GET, "/v1/images/a/3", &x, allow), RS_ROUTE_FOUND);
    assert_string_equal(x.arg[0], "a");
    assert_string_equal(x.arg[1], "3");
    assert_int_equal(find(RS_HTTP_GET, "/v1/search", &x, allow), RS_ROUTE_NO_METHOD);
    assert_string_equal(allow, "POST, OPTIONS");
    assert_int_equal(find(RS_HTTP_DELETE, "/v1/stats", &x, allow), RS_ROUTE_NO_METHOD);
    assert_string_equal(allow, "GET, HEAD, OPTIONS");
    assert_int_equal(find(RS_HTTP_GET, "/", &x, allow), RS_ROUTE_NO_PATH);
    assert_int_equal(find(RS_HTTP_GET, "/v1/cases/", &x, allow), RS_ROUTE_NO_PATH);
    assert_int_equal(find(RS_HTTP_GET, "/v1/cases/a/b", &x, allow), RS_ROUTE_NO_PATH);
    assert_int_equal(find(RS_HTTP_GET, "/healthz/", &x, allow), RS_ROUTE_NO_PATH);
    assert_int_equal(find(RS_HTTP_GET, "//healthz", &x, allow), RS_ROUTE_NO_PATH);
    assert_int_equal(find(RS_HTTP_GET, "/HEALTHZ", &x, allow), RS_ROUTE_NO_PATH);
    rs_arena_clear(&x.mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
