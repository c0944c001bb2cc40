/* test_http_request.c - what is a request and what is not, however its bytes are cut.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/http_request.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { BODY_MAX = 1000 };

#define GET "GET / HTTP/1.1\r\n"
#define HOST "Host: localhost\r\n"
#define POST "POST /v1/search HTTP/1.1\r\n" HOST
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"

typedef struct {
    rs_http_state state;
    int    status;                 /* of BAD */
    size_t used;
    char   body[BODY_MAX + 1];
} outcome;

/* Feed `n` bytes in two or more pieces: cut at `cut`, and then every `step` bytes. */
static outcome feed(rs_http_parser *p, const char *bytes, size_t n, size_t cut, size_t step)
{
    outcome o = {.state = RS_PARSE_MORE};
    size_t at = 0;
    const char *why;

    rs_http_parser_reset(p);
    while (o.state == RS_PARSE_MORE || o.state == RS_PARSE_HEAD) {
        size_t piece = at < cut ? cut - at : step, used;
        piece = piece < n - at ? piece : n - at;
        if (o.state == RS_PARSE_HEAD)
            rs_http_body_max(p, BODY_MAX);
        else if (piece == 0)
            break;
        o.state = rs_http_feed(p, bytes + at, piece, &used);
        assert_true(used <= piece);
        at += used;
    }
    o.used = at;
    if (o.state == RS_PARSE_BAD) {
        o.status = rs_http_bad(p, &why);
        assert_non_null(why);
    } else if (o.state == RS_PARSE_DONE) {
        const rs_buf *b = &rs_http_request_of(p)->body;
        memcpy(o.body, b->len ? b->data : "", b->len);
    }
    return o;
}

static const struct {
    const char *what, *bytes;
    int  status;                   /* 0: complete; -1: needs more */
    const char *body;
} rows[] = {
    /* Good ones. */
    {"plain", GET HOST "\r\n", 0, ""},
    {"an empty line before", "\r\n" GET HOST "\r\n", 0, ""},
    {"no blank after the colon", GET "Host:localhost\r\n\r\n", 0, ""},
    {"blanks around a value", GET HOST "X: \t a b \t\r\n\r\n", 0, ""},
    {"an empty value", GET HOST "X:\r\n\r\n", 0, ""},
    {"obs-text in a value", GET HOST "X: \xe9\r\n\r\n", 0, ""},
    {"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 0, ""},
    {"IPv6 host", GET "Host: [::1]:8080\r\n\r\n", 0, ""},
    {"OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0, ""},
    {"upgrade is ignored", GET HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 0, ""},
    {"a body by length", POST "Content-Length: 5\r\n\r\nhello", 0, "hello"},
    {"a body of none", POST "Content-Length: 0\r\n\r\n", 0, ""},
    {"POST without a length", POST "\r\n", 0, ""},
    {"chunks", POST CHUNKED "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", 0, "hello!"},
    {"chunk sizes in both cases, zeros", POST CHUNKED "0a\r\n0123456789\r\n00\r\n\r\n", 0,
     "0123456789"},
    {"a chunk extension", POST CHUNKED "2;a=b\r\nok\r\n0\r\n\r\n", 0, "ok"},
    {"coding in capitals", POST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", 0, ""},
    {"expect", POST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx", 0, "x"},
    /* Not complete. */
    {"nothing", "", -1, NULL},
    {"half a line", "GET / HT", -1, NULL},
    {"half a head", GET HOST, -1, NULL},
    {"half a body", POST "Content-Length: 5\r\n\r\nhel", -1, NULL},
    {"half a chunk", POST CHUNKED "5\r\nhel", -1, NULL},
    {"no last chunk", POST CHUNKED "5\r\nhello\r\n", -1, NULL},
    /* The request line. */
    {"HTTP/0.9", "GET /\r\n", 400, NULL},
    {"HTTP/0.9 spelt out", "GET / HTTP/0.9\r\n\r\n", 505, NULL},
    {"HTTP/2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", 505, NULL},
    {"HTTP/1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", 505, NULL},
    {"http/1.1", "GET / http/1.1\r\n" HOST "\r\n", 400, NULL},
    {"HTTP/1.10", "GET / HTTP/1.10\r\n" HOST "\r\n", 400, NULL},
    {"two blanks", "GET  / HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"a tab", "GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"a blank in the target", "GET /a b HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"a blank at the end", "GET / HTTP/1.1 \r\n" HOST "\r\n", 400, NULL},
    {"a fragment", "GET /#x HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"raw UTF-8", "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"a backslash", "GET /..\\x HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"absolute form", "GET http://localhost/ HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"CONNECT", "CONNECT localhost:80 HTTP/1.1\r\n" HOST "\r\n", 501, NULL},
    {"* with GET", "GET * HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"unknown method", "BREW / HTTP/1.1\r\n" HOST "\r\n", 501, NULL},
    {"method in small letters", "get / HTTP/1.1\r\n" HOST "\r\n", 501, NULL},
    {"a blank before the method", " GET / HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"two empty lines before", "\r\n\r\n" GET HOST "\r\n", 400, NULL},
    {"a TLS hello", "\x16\x03\x01\x02", 400, NULL},
    {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, NULL},
    {"LF alone after the request line", "GET / HTTP/1.1\n" HOST "\r\n", 400, NULL},
    /* Header lines. */
    {"LF alone after a header line", GET "Host: localhost\n\r\n", 400, NULL},
    {"LF alone at the end", GET HOST "\n", 400, NULL},
    {"CR in a value", GET HOST "X: a\rb\r\n\r\n", 400, NULL},
    {"CR that hides a field", GET HOST "X:\rTransfer-Encoding: chunked\r\n\r\n", 400, NULL},
    {"CR CR LF", GET HOST "X: a\r\r\n\r\n", 400, NULL},
    {"a control character", GET HOST "X: a\x01\r\n\r\n", 400, NULL},
    {"obs-fold", GET HOST "X: a\r\n b\r\n\r\n", 400, NULL},
    {"obs-fold with a tab", GET HOST "X: a\r\n\tb\r\n\r\n", 400, NULL},
    {"first line begins with a blank", GET " Host: localhost\r\n\r\n", 400, NULL},
    {"a blank before the colon", GET HOST "X : a\r\n\r\n", 400, NULL},
    {"Transfer-Encoding with a blank", POST "Transfer-Encoding : chunked\r\n\r\n", 400, NULL},
    {"no colon", GET HOST "X\r\n\r\n", 400, NULL},
    {"no name", GET HOST ": a\r\n\r\n", 400, NULL},
    {"a name that is no token", GET HOST "X(y): a\r\n\r\n", 400, NULL},
    /* Host. */
    {"no Host", GET "\r\n", 400, NULL},
    {"two Hosts", GET HOST HOST "\r\n", 400, NULL},
    {"two Hosts in other cases", GET HOST "HOST: evil\r\n\r\n", 400, NULL},
    {"an empty Host", GET "Host:\r\n\r\n", 400, NULL},
    {"a Host with a path", GET "Host: localhost/x\r\n\r\n", 400, NULL},
    {"a Host with a user", GET "Host: a@localhost\r\n\r\n", 400, NULL},
    {"a list of Hosts", GET "Host: localhost, evil\r\n\r\n", 400, NULL},
    /* Lengths. */
    {"CL and TE", POST "Content-Length: 3\r\n" CHUNKED "0\r\n\r\n", 400, NULL},
    {"TE and CL", POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400,
     NULL},
    {"two CLs", POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, NULL},
    {"two CLs alike", POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400, NULL},
    {"a list of CLs", POST "Content-Length: 3, 3\r\n\r\nabc", 400, NULL},
    {"CL with a sign", POST "Content-Length: +3\r\n\r\nabc", 400, NULL},
    {"CL below zero", POST "Content-Length: -1\r\n\r\n", 400, NULL},
    {"CL in hex", POST "Content-Length: 0x3\r\n\r\nabc", 400, NULL},
    {"CL without a number", POST "Content-Length:\r\n\r\n", 400, NULL},
    {"CL over 64 bits", POST "Content-Length: 18446744073709551617\r\n\r\n", 400, NULL},
    {"CL over the limit", POST "Content-Length: 1001\r\n\r\n", 413, NULL},
    {"TE in HTTP/1.0", "POST / HTTP/1.0\r\n" CHUNKED "0\r\n\r\n", 400, NULL},
    {"two TEs", POST "Transfer-Encoding: chunked\r\n" CHUNKED "0\r\n\r\n", 400, NULL},
    {"TE of gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, NULL},
    {"TE of identity", POST "Transfer-Encoding: identity\r\n\r\n", 501, NULL},
    {"TE of xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n", 501, NULL},
    {"a body with GET", GET HOST "Content-Length: 3\r\n\r\nabc", 400, NULL},
    {"chunks with HEAD", "HEAD / HTTP/1.1\r\n" HOST CHUNKED "0\r\n\r\n", 400, NULL},
    {"expect the moon", POST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx", 417, NULL},
    /* Chunks. */
    {"no chunk size", POST CHUNKED "\r\n", 400, NULL},
    {"a chunk size of no digits", POST CHUNKED "x\r\n", 400, NULL},
    {"a chunk size with a sign", POST CHUNKED "-1\r\n", 400, NULL},
    {"0x in a chunk size", POST CHUNKED "0x2\r\nok\r\n0\r\n\r\n", 400, NULL},
    {"a blank before a chunk size", POST CHUNKED " 2\r\nok\r\n0\r\n\r\n", 400, NULL},
    {"a blank after a chunk size", POST CHUNKED "2 \r\nok\r\n0\r\n\r\n", 400, NULL},
    {"a chunk size of nine digits", POST CHUNKED "000000002\r\nok\r\n0\r\n\r\n", 400, NULL},
    {"a chunk over the limit", POST CHUNKED "fffffff\r\n", 413, NULL},
    {"nine digits, cut after a number over the limit", POST CHUNKED "fffffffff\r\n", 400, NULL},
    {"no size, cut after a number over the limit", POST CHUNKED "ffffz\r\n", 400, NULL},
    {"a chunk over the limit, no end of it", POST CHUNKED "3e9;a=b\r\nab", 413, NULL},
    {"LF alone after a chunk size", POST CHUNKED "2\nok\r\n0\r\n\r\n", 400, NULL},
    {"LF alone in an extension", POST CHUNKED "2;a\nok\r\n0\r\n\r\n", 400, NULL},
    {"a chunk longer than it says", POST CHUNKED "2\r\noka\r\n0\r\n\r\n", 400, NULL},
    {"LF alone after a chunk", POST CHUNKED "2\r\nok\n0\r\n\r\n", 400, NULL},
    {"trailer fields", POST CHUNKED "0\r\nX: a\r\n\r\n", 400, NULL},
    {"a trailing Content-Length", POST CHUNKED "0\r\nContent-Length: 9\r\n\r\n", 400, NULL},
};

static void check(rs_http_parser *p, size_t i, size_t cut, size_t step)
{
    const size_t n = strlen(rows[i].bytes);
    const outcome o = feed(p, rows[i].bytes, n, cut, step);
    const rs_http_state want = rows[i].status == 0 ? RS_PARSE_DONE
                               : rows[i].status < 0 ? RS_PARSE_MORE : RS_PARSE_BAD;

    if (o.state != want || (want == RS_PARSE_BAD && o.status != rows[i].status) ||
        (want == RS_PARSE_DONE && (o.used != n || strcmp(o.body, rows[i].body) != 0)))
        fail_msg("%s (cut at %zu, step %zu): state %d, status %d, used %zu of %zu, body '%s'",
                 rows[i].what, cut, step, (int)o.state, o.status, o.used, n, o.body);
}

/* Whole, a byte at a time, and cut in two at every place: always the same. */
static void test_table_at_every_split(void **state)
{
    rs_http_parser *p = rs_http_parser_new();

    (void)state;
    assert_non_null(p);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const size_t n = strlen(rows[i].bytes);
        check(p, i, n, n + 1);
        check(p, i, 0, 1);
        for (size_t cut = 1; cut < n; cut++)
            check(p, i, cut, n + 1);
    }
    rs_http_parser_free(p);
}

static void test_what_a_request_says(void **state)
{
    static const char bytes[] =
        "POST /v1/search?q=a%20b HTTP/1.1\r\nHost: LocalHost:80\r\nContent-Type: \t text/x \r\n"
        "X-Two: 1\r\nx-two: 2\r\nConnection: keep-alive, Close\r\nExpect: 100-Continue\r\n"
        "Content-Length: 2\r\n\r\nokGET /next HTTP/1.1\r\n";
    rs_http_parser *p = rs_http_parser_new();
    const rs_http_request *r = rs_http_request_of(p);
    size_t used, more;

    (void)state;
    assert_true(rs_http_idle(p));
    assert_int_equal(rs_http_feed(p, bytes, sizeof bytes - 1, &used), RS_PARSE_HEAD);
    assert_false(rs_http_idle(p));
    assert_int_equal(r->method, RS_HTTP_POST);
    assert_string_equal(r->target, "/v1/search?q=a%20b");
    assert_string_equal(r->host, "LocalHost:80");
    assert_string_equal(rs_http_field_of(r, "content-type"), "text/x");
    assert_string_equal(rs_http_field_of(r, "x-two"), "1");
    assert_null(rs_http_field_of(r, "cookie"));
    assert_int_equal(r->length, 2);
    assert_true(r->expects_continue);
    assert_false(r->keep_alive);
    assert_int_equal(r->n_fields, 7);
    rs_http_body_max(p, 2);
    assert_int_equal(rs_http_feed(p, bytes + used, sizeof bytes - 1 - used, &more), RS_PARSE_DONE);
    assert_int_equal(more, 2);                       /* the next request is left alone */
    assert_string_equal(r->body.data, "ok");
    rs_http_parser_reset(p);
    assert_int_equal(rs_http_feed(p, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 42, &used),
                     RS_PARSE_DONE);
    assert_true(r->keep_alive && r->http10);
    rs_http_parser_free(p);
}

/* A head of `n` fields of `len` bytes each; the status, 0 where it is complete. */
static int many(size_t n, size_t len, size_t target)
{
    rs_http_parser *p = rs_http_parser_new();
    rs_buf b = {0};
    outcome o;

    rs_buf_puts(&b, "GET /");
    for (size_t i = 1; i < target; i++)
        rs_buf_putc(&b, 'a');
    rs_buf_puts(&b, " HTTP/1.1\r\n" HOST);
    for (size_t i = 0; i < n; i++) {
        rs_buf_printf(&b, "x%zu: ", i);
        for (size_t k = 0; k < len; k++)
            rs_buf_putc(&b, 'v');
        rs_buf_puts(&b, "\r\n");
    }
    rs_buf_puts(&b, "\r\n");
    o = feed(p, b.data, b.len, 0, 1460);
    rs_buf_clear(&b);
    rs_http_parser_free(p);
    return o.status;
}

static void test_limits(void **state)
{
    (void)state;
    assert_int_equal(many(99, 1, 1), 0);
    assert_int_equal(many(100, 1, 1), 431);
    assert_int_equal(many(10000, 8, 1), 431);
    assert_int_equal(many(3, 10000, 1), 0);
    assert_int_equal(many(4, 10000, 1), 431);
    assert_int_equal(many(0, 0, 8000), 0);
    assert_int_equal(many(0, 0, 8200), 414);
    assert_int_equal(many(0, 0, 1000000), 414);
}

static void test_chunk_extensions_are_bounded(void **state)
{
    rs_http_parser *p = rs_http_parser_new();

    (void)state;
    for (size_t n = 250; n <= 260; n++) {
        rs_buf b = {0};
        rs_buf_puts(&b, POST CHUNKED "2");
        for (size_t i = 0; i < n; i++)
            rs_buf_putc(&b, i ? 'e' : ';');
        rs_buf_puts(&b, "\r\nok\r\n0\r\n\r\n");
        assert_int_equal(feed(p, b.data, b.len, 0, 7).status, n <= RS_HTTP_MAX_CHUNK_EXT ? 0 : 400);
        rs_buf_clear(&b);
    }
    rs_http_parser_free(p);
}

static void test_body_limit_of_chunks(void **state)
{
    rs_http_parser *p = rs_http_parser_new();
    rs_buf b = {0};

    (void)state;
    rs_buf_puts(&b, POST CHUNKED);
    for (size_t i = 0; i < 126; i++)                 /* 126 * 8 = 1008 */
        rs_buf_puts(&b, "8\r\n01234567\r\n");
    assert_int_equal(feed(p, b.data, b.len, 0, 5).status, 413);
    rs_buf_clear(&b);
    rs_http_parser_free(p);
}

static void test_out_of_memory(void **state)
{
    static const char bytes[] = POST "Content-Length: 5\r\n\r\nhello";
    rs_http_parser *p;
    outcome o = {.state = RS_PARSE_BAD};

    (void)state;
    rs_alloc_fail_after(0);
    assert_null(rs_http_parser_new());
    rs_alloc_fail_after(-1);
    for (long k = 0; o.state != RS_PARSE_DONE; k++) {
        p = rs_http_parser_new();
        assert_non_null(p);
        rs_alloc_fail_after(k);
        o = feed(p, bytes, sizeof bytes - 1, 0, 9);
        rs_alloc_fail_after(-1);
        assert_true(o.state == RS_PARSE_DONE || o.status == 503);
        rs_http_parser_free(p);
    }
    assert_int_equal(rs_alloc_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_at_every_split),
        cmocka_unit_test(test_what_a_request_says),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_chunk_extensions_are_bounded),
        cmocka_unit_test(test_body_limit_of_chunks),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
