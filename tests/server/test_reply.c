/* test_reply.c - conditions, ranges, compression and heads; problems and events as bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/reply.h"

#include "base/alloc.h"
#include "base/json.h"
#include "server/problem.h"
#include "server/sse.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <cmocka.h>

static void test_ranges(void **state)
{
    static const struct {
        const char *text;
        uint64_t size;
        rs_range_kind kind;
        uint64_t offset, length;
    } rows[] = {
        {NULL, 10, RS_RANGE_NONE, 0, 10},
        {"bytes=0-9", 10, RS_RANGE_PART, 0, 10},
        {"bytes=0-0", 10, RS_RANGE_PART, 0, 1},
        {"bytes=3-5", 10, RS_RANGE_PART, 3, 3},
        {"BYTES=3-", 10, RS_RANGE_PART, 3, 7},
        {"bytes=9-99", 10, RS_RANGE_PART, 9, 1},
        {"bytes=-3", 10, RS_RANGE_PART, 7, 3},
        {"bytes=-99", 10, RS_RANGE_PART, 0, 10},
        {"bytes=10-", 10, RS_RANGE_UNSATISFIABLE, 0, 10},
        {"bytes=-0", 10, RS_RANGE_UNSATISFIABLE, 0, 10},
        {"bytes=0-", 0, RS_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-1", 0, RS_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=5-3", 10, RS_RANGE_NONE, 0, 10},
        {"bytes=0-1,3-4", 10, RS_RANGE_NONE, 0, 10},
        {"bytes=-", 10, RS_RANGE_NONE, 0, 10},
        {"bytes=", 10, RS_RANGE_NONE, 0, 10},
        {"bytes=a-b", 10, RS_RANGE_NONE, 0, 10},
        {"bytes= 1-2", 10, RS_RANGE_NONE, 0, 10},
        {"bytes=+1-2", 10, RS_RANGE_NONE, 0, 10},
        {"lines=1-2", 10, RS_RANGE_NONE, 0, 10},
        {"bytes=0-99999999999999999999", 10, RS_RANGE_NONE, 0, 10},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t offset, length;
        rs_range_kind kind = rs_range_parse(rows[i].text, rows[i].size, &offset, &length);
        if (kind != rows[i].kind || offset != rows[i].offset || length != rows[i].length)
            fail_msg("%s of %" PRIu64 ": kind %d, %" PRIu64 " + %" PRIu64,
                     rows[i].text ? rows[i].text : "none", rows[i].size, (int)kind, offset, length);
    }
}

static void test_conditions(void **state)
{
    (void)state;
    assert_true(rs_etag_listed("\"a\"", "\"a\""));
    assert_true(rs_etag_listed("\"b\", W/\"a\"", "\"a\""));
    assert_true(rs_etag_listed("*", "\"a\""));
    assert_false(rs_etag_listed("\"ab\"", "\"a\""));
    assert_false(rs_etag_listed("a", "\"a\""));
    assert_false(rs_etag_listed("", "\"a\""));
    assert_true(rs_accepts_gzip("gzip"));
    assert_true(rs_accepts_gzip("br, GZIP;q=0.5"));
    assert_true(rs_accepts_gzip("*"));
    assert_false(rs_accepts_gzip("br"));
    assert_false(rs_accepts_gzip("gzip;q=0"));
    assert_false(rs_accepts_gzip("gzip;q=0.000, br"));
    assert_true(rs_accepts_gzip("gzip; q=0.001"));
    assert_false(rs_accepts_gzip("xgzip"));
    assert_false(rs_accepts_gzip(NULL));
}

static rs_http_request asking(rs_http_field *f, size_t n)
{
    return (rs_http_request){.fields = f, .n_fields = n};
}

static void test_gzip(void **state)
{
    rs_http_field f[] = {{"accept-encoding", "gzip"}};
    rs_http_request q = asking(f, 1), none = asking(f, 0);
    unsigned char back[20000];
    z_stream z = {0};
    rs_arena mem = {0};
    rs_buf head = {0};
    rs_reply r;

    (void)state;
    for (size_t n = 100; n <= 10000; n *= 10) {
        rs_reply_init(&r);
        r.type = "application/json";
        for (size_t i = 0; i < n; i++)
            rs_buf_puts(&r.body, i % 3 ? "a" : "b");
        rs_reply_finish(&r, n > 1000 ? &q : &none, &mem);
        assert_int_equal(r.gzip, n > 1000);
        head.len = 0;
        rs_reply_head(&r, "now", true, &head);
        assert_int_equal(strstr(head.data, "Content-Encoding: gzip\r\n") != NULL, n > 1000);
        assert_int_equal(strstr(head.data, "Vary: Accept-Encoding\r\n") != NULL, n > 1000);
        if (r.gzip) {
            assert_true(r.body.len < n / 10);
            inflateInit2(&z, 15 + 16);
            z.next_in = (Bytef *)r.body.data;
            z.avail_in = (uInt)r.body.len;
            z.next_out = back;
            z.avail_out = sizeof back;
            assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
            assert_int_equal(z.total_out, n);
            inflateEnd(&z);
        }
        rs_reply_clear(&r);
    }
    rs_buf_clear(&head);
    rs_arena_clear(&mem);
}

static void test_not_modified(void **state)
{
    rs_http_field f[] = {{"if-none-match", "\"x\""}};
    rs_http_request q = asking(f, 1);
    rs_arena mem = {0};
    rs_buf head = {0};
    rs_reply r;

    (void)state;
    rs_reply_init(&r);
    r.type = "image/png";
    r.etag = "\"x\"";
    rs_buf_puts(&r.body, "bytes");
    rs_reply_finish(&r, &q, &mem);
    assert_int_equal(r.status, 304);
    rs_reply_head(&r, "now", false, &head);
    assert_string_equal(head.data, "HTTP/1.1 304 Not Modified\r\nDate: now\r\n"
                        "Cache-Control: no-store\r\nETag: \"x\"\r\n"
                        "X-Content-Type-Options: nosniff\r\n"
                        "Cross-Origin-Resource-Policy: same-origin\r\nConnection: close\r\n\r\n");
    rs_reply_clear(&r);
    rs_buf_clear(&head);
    rs_arena_clear(&mem);
}

/* Every problem is a document with the members that RFC 9457 names, whatever its text. */
static void test_problems(void **state)
{
    rs_reply r;

    (void)state;
    rs_reply_init(&r);
    for (int k = 0; k < RS_PROBLEMS; k++) {
        json_t *o = NULL;
        rs_problem_reply(&r, (rs_problem_kind)k, "a\"b", "bad \xff byte\n\"quoted\"");
        assert_int_equal(rs_json_parse(&o, r.body.data, r.body.len, "problem", NULL), RS_OK);
        assert_int_equal(json_integer_value(json_object_get(o, "status")),
                         rs_problem_status((rs_problem_kind)k));
        assert_non_null(strstr(json_string_value(json_object_get(o, "type")),
                               rs_problem_type((rs_problem_kind)k)));
        assert_string_equal(json_string_value(json_object_get(o, "field")), "a\"b");
        assert_string_equal(json_string_value(json_object_get(o, "detail")),
                            "bad ? byte\n\"quoted\"");
        assert_string_not_equal(json_string_value(json_object_get(o, "title")), "Unknown");
        json_decref(o);
    }
    rs_reply_clear(&r);
}

/* What a failure of ours is to a client; paths and reasons stay here. */
static void test_failures(void **state)
{
    static const struct { rs_status code; int status; bool told; } rows[] = {
        {RS_EARG, 400, true}, {RS_ENOENT, 404, true}, {RS_EFORMAT, 422, true},
        {RS_ELIMIT, 413, true}, {RS_ECANCEL, 504, false}, {RS_EBUSY, 503, false},
        {RS_EIO, 500, false}, {RS_ENOMEM, 503, false}, {RS_ECORRUPT, 500, false},
        {RS_EMISMATCH, 500, false},
    };
    rs_reply r;

    (void)state;
    rs_reply_init(&r);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_err err = {rows[i].code, "read /secret/place: no"};
        rs_problem_err_reply(&r, &err);
        assert_int_equal(r.status, rows[i].status);
        assert_int_equal(strstr(r.body.data, "secret") != NULL, rows[i].told);
    }
    rs_reply_clear(&r);
}

static void test_events(void **state)
{
    rs_buf b = {0};

    (void)state;
    rs_sse_event(&b, "hit\ndata: evil", "1\r", "one\ntwo\r\nthree\r");
    assert_string_equal(b.data, "43\r\nevent: hitdata: evil\nid: 1\ndata: one\ndata: two\n"
                        "data: three\ndata: \n\n\r\n");
    b.len = 0;
    rs_sse_event(&b, "e", NULL, "");
    assert_string_equal(b.data, "11\r\nevent: e\ndata: \n\n\r\n");
    b.len = 0;
    rs_sse_ping(&b);
    rs_sse_end(&b);
    assert_string_equal(b.data, "e\r\n: still here\n\n\r\n0\r\n\r\n");
    rs_buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),       cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_gzip),         cmocka_unit_test(test_not_modified),
        cmocka_unit_test(test_problems),     cmocka_unit_test(test_failures),
        cmocka_unit_test(test_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
