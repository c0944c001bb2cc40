/* reply.h - an answer before it goes out: status, fields, a body in memory or a part of a
 * file; and the rules of RFC 9110 for what is asked conditionally, in part or compressed.
 *
 * A handler fills in an rs_reply; rs_reply_finish() fits it to the request (304, 206, 416,
 * gzip); rs_reply_head() is the text of its head. None of this touches a socket.
 *
 * Threading: one thread at a time; a reply is made by a worker, sent by the loop.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_REPLY_H
#define RS_SERVER_REPLY_H

#include "base/arena.h"
#include "base/bytes.h"
#include "server/http_request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RS_REPLY_MAX_FIELDS = 6, RS_GZIP_MIN = 1024 };

typedef struct {
    int         status;
    const char *type;              /* Content-Type; static, or in the exchange's arena */
    const char *cache;             /* Cache-Control; NULL: no-store */
    const char *etag;              /* with its quotes, or NULL */
    struct { const char *name, *value; } field[RS_REPLY_MAX_FIELDS];  size_t n_fields;
    rs_buf      body;              /* owned */
    int         fd;                /* the body is of this file (owned), or -1: */
    uint64_t    offset, length;    /* these bytes */
    bool        stream;            /* the head now, events later (sse.h) */
    bool        gzip;              /* the body is compressed */
} rs_reply;

void rs_reply_init(rs_reply *r);               /* status 200, nothing in it */
void rs_reply_clear(rs_reply *r);              /* the body freed, the file closed */
/* Another field; both texts outlive the reply. Nothing where there are too many. */
void rs_reply_field(rs_reply *r, const char *name, const char *value);

/* Fit a 200 to what was asked: 304 by If-None-Match, 206 or 416 by Range and If-Range (one
 * range of a file, or of bytes in memory that have an ETag and are no text), gzip of a body in
 * memory of at least RS_GZIP_MIN bytes where it is accepted and the type is text. Texts it needs
 * come from `mem`. */
void rs_reply_finish(rs_reply *r, const rs_http_request *q, rs_arena *mem);

/* Bytes of the body that follow the head. */
uint64_t rs_reply_length(const rs_reply *r);
/* Status line and fields, with the empty line, appended to `out`. `date`: IMF-fixdate. */
void rs_reply_head(const rs_reply *r, const char *date, bool keep_alive, rs_buf *out);

const char *rs_status_phrase(int status);      /* "Not Found" */

/* ---- For tests ------------------------------------------------------- */

typedef enum { RS_RANGE_NONE, RS_RANGE_PART, RS_RANGE_UNSATISFIABLE } rs_range_kind;
/* "bytes=0-99" over `size` bytes. Other units, several ranges and what is malformed are
 * NONE: the whole is the answer (RFC 9110, section 14.2). */
rs_range_kind rs_range_parse(const char *text, uint64_t size, uint64_t *offset, uint64_t *length);
/* Is `etag` among If-None-Match's `list`? Weak comparison. */
bool rs_etag_listed(const char *list, const char *etag);
/* Does Accept-Encoding take gzip? */
bool rs_accepts_gzip(const char *text);

#endif
