/* fuzz_http.c - any bytes as a stream of requests: cut in two anywhere they are the same
 * requests; targets, forms, searches and cases are read from what comes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "server/case_request.h"
#include "server/http_request.h"
#include "server/http_target.h"
#include "server/reply.h"
#include "server/search_request.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 4096 };

static void want(bool ok)
{
    if (!ok)
        abort();
}

/* What became of a stream, as a number that two readings share. */
typedef struct { size_t requests, bytes; int status; } fate;

static void look_at(const rs_http_request *r)
{
    rs_search_request *s = rs_calloc(1, sizeof *s);
    rs_case_request c;
    rs_arena mem = {0};
    rs_err err = {0};
    rs_target t;
    rs_reply reply;
    const char *why;

    want(s != NULL && r->method < RS_HTTP_METHODS && r->target[0]);
    rs_target_parse(&t, r->target, &mem, &why);
    rs_search_request_read(s, r, NULL, 1e9, &mem, &err);
    rs_search_request_clear(s);
    rs_free(s);
    if (rs_case_request_read(&c, r, NULL, &mem, &err) == RS_OK)
        want(c.from.key[0] && c.sha256[0] && !c.from.problem && c.from.n_images <= RS_CASE_IMAGES);
    rs_case_request_clear(&c);
    rs_reply_init(&reply);
    reply.etag = "\"e\"";
    reply.type = "text/plain";
    for (size_t i = 0; i < 300; i++)
        rs_buf_puts(&reply.body, "text ");
    rs_reply_finish(&reply, r, &mem);
    rs_reply_clear(&reply);
    rs_arena_clear(&mem);
}

static fate read_stream(rs_http_parser *p, const char *bytes, size_t n, size_t cut, bool look)
{
    fate f = {0, 0, 0};
    rs_http_state st = RS_PARSE_MORE;
    size_t at = 0;
    const char *why;

    rs_http_parser_reset(p);
    while (st != RS_PARSE_BAD && (at < n || st == RS_PARSE_HEAD)) {
        const size_t end = at < cut ? cut : n;
        size_t used;
        if (st == RS_PARSE_HEAD)
            rs_http_body_max(p, BODY_MAX);
        st = rs_http_feed(p, bytes + at, end - at, &used);
        want(used <= end - at);
        want(st != RS_PARSE_MORE || used == end - at);
        at += used;
        if (st != RS_PARSE_DONE)
            continue;
        f.requests++;
        f.bytes += rs_http_request_of(p)->body.len + rs_http_request_of(p)->n_fields;
        if (look)
            look_at(rs_http_request_of(p));
        rs_http_parser_reset(p);
    }
    f.status = st == RS_PARSE_BAD ? rs_http_bad(p, &why) : 0;
    return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    rs_http_parser *p = rs_http_parser_new();
    const size_t cut = size ? data[size / 2] % size : 0;
    fate whole, parts;

    want(p != NULL);
    whole = read_stream(p, bytes, size, 0, true);
    parts = read_stream(p, bytes, size, cut, false);
    want(whole.requests == parts.requests && whole.bytes == parts.bytes &&
         whole.status == parts.status);
    rs_http_parser_free(p);
    return 0;
}
