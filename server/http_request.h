/* http_request.h - bytes in, one HTTP/1.1 request out: done, need more, or bad.
 *
 * Two readers see every byte and must agree: llhttp, and a strict reading of RFC 9112 in
 * front of it. Smuggling needs two parsers that end a message at different places; here a
 * disagreement is a 400. What llhttp 8.1 lets through and this refuses:
 *
 *   lines that end in LF alone, CR or NUL inside a line     obs-fold, a first header line
 *   HTTP/0.9, other versions (505)                          that begins with a blank
 *   no Host, two Hosts, a Host that is none                 fields that may come once, twice
 *   Transfer-Encoding in HTTP/1.0, beside Content-Length,   chunk extensions over 256 bytes,
 *   or other than "chunked" (501)                           trailer fields
 *   a body with GET or HEAD                                 anything in a target but RFC 3986
 *
 * Nothing is repaired: a peer that means well sends none of these. The parser touches no
 * socket and keeps at most RS_HTTP_MAX_HEAD bytes and the body.
 *
 *   rs_http_parser_reset(p);
 *   while ((state = rs_http_feed(p, bytes, n, &used)) == RS_PARSE_HEAD)
 *       ... choose a limit: rs_http_body_max(p, limit); bytes += used; n -= used ...
 *   RS_PARSE_DONE: rs_http_request_of(p); what follows `used` is the next request's.
 *
 * Threading: one thread at a time.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_HTTP_REQUEST_H
#define RS_SERVER_HTTP_REQUEST_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RS_HTTP_MAX_LINE = 8 << 10,         /* request line, bytes: 414 */
    RS_HTTP_MAX_HEAD = 32 << 10,        /* request line and header fields: 431 */
    RS_HTTP_MAX_HEADERS = 100,          /* fields: 431 */
    RS_HTTP_MAX_CHUNK_EXT = 256         /* bytes of chunk extensions in a message: 400 */
};

#define RS_HTTP_METHOD_MAP(X) \
    X(GET) X(HEAD) X(POST) X(PUT) X(PATCH) X(DELETE) X(OPTIONS)

typedef enum {
#define RS_HTTP_METHOD_ENUM(name) RS_HTTP_##name,
    RS_HTTP_METHOD_MAP(RS_HTTP_METHOD_ENUM)
#undef RS_HTTP_METHOD_ENUM
    RS_HTTP_METHODS
} rs_http_method;

const char *rs_http_method_name(rs_http_method m);     /* "GET" */

typedef struct {
    const char *name;              /* in lower case */
    const char *value;             /* without blanks around it */
} rs_http_field;

/* NUL-terminated texts; borrowed until the parser's next reset. */
typedef struct {
    rs_http_method method;
    const char *target;            /* origin form: "/v1/stats?x=1", or "*" with OPTIONS */
    const char *host;              /* "" where an HTTP/1.0 request has none */
    const rs_http_field *fields;   size_t n_fields;
    bool   http10, keep_alive;
    bool   chunked;
    uint64_t length;               /* Content-Length; 0 where there is none */
    bool   expects_continue;       /* waits for "100 Continue" before it sends the body */
    rs_buf body;
} rs_http_request;

/* The value of field `name` (lower case), or NULL. */
const char *rs_http_field_of(const rs_http_request *r, const char *name);
/* Is `content_type` (NULL: none) that media type, whatever its parameters? */
bool rs_http_type_is(const char *content_type, const char *wanted);
/* A document: JSON, or a form that may hold files. */
bool rs_http_has_document(const rs_http_request *r);

typedef enum {
    RS_PARSE_MORE,                  /* all bytes taken, the request is not complete */
    RS_PARSE_HEAD,                  /* the head is complete; a body follows (told once) */
    RS_PARSE_DONE,                  /* the request is complete */
    RS_PARSE_BAD                    /* rs_http_bad() says why; the connection cannot go on */
} rs_http_state;

typedef struct rs_http_parser rs_http_parser;

rs_http_parser *rs_http_parser_new(void);              /* NULL on OOM */
void rs_http_parser_free(rs_http_parser *p);           /* NULL is fine */
void rs_http_parser_reset(rs_http_parser *p);          /* ready for the next request */

/* Take bytes[0, n); *used of them belong to this request. */
rs_http_state rs_http_feed(rs_http_parser *p, const char *bytes, size_t n, size_t *used);
/* The longest body that is taken, 0 at first: 413 above. */
void rs_http_body_max(rs_http_parser *p, size_t max_bytes);

/* Whole after RS_PARSE_DONE; all but the body from RS_PARSE_HEAD on. */
const rs_http_request *rs_http_request_of(const rs_http_parser *p);
/* After RS_PARSE_BAD: the status to answer with, and a sentence. */
int rs_http_bad(const rs_http_parser *p, const char **why);
/* Nothing of a request has come yet. */
bool rs_http_idle(const rs_http_parser *p);
/* The head is complete. */
bool rs_http_in_body(const rs_http_parser *p);

#endif
