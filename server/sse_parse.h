/* sse_parse.h - server-sent events as they come from a generator: bytes in, events out.
 *
 * The format is WHATWG HTML, section 9.2.6, read more kindly than written there, as servers
 * write it:
 *
 *   data: {...}        CR, LF or CRLF ends a line; several data lines of an event are joined
 *                      with LF
 *   : comment          ignored, as are id, retry and fields that are not known
 *   (empty)            ends an event; one without data is none
 *   error: {...}       not in the standard; older llama.cpp fails so at HTTP 200. An event
 *                      "error", at once
 *   (end of bytes)     an event that lacks its empty line is one all the same
 *
 * Bytes may be cut anywhere, in line ends and characters too. What sse.h writes is read back.
 * The parser touches no socket.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_SSE_PARSE_H
#define RS_SERVER_SSE_PARSE_H

#include "base/bytes.h"

enum { RS_SSE_MAX = 4 << 20, RS_SSE_NAME = 32 };

/* {0} is one that has read nothing. */
typedef struct {
    rs_buf line, data;
    char   event[RS_SSE_NAME];   /* "" stands for "message"; longer ones are cut */
    bool   after_cr, has_data, begun;
} rs_sse_parser;

/* An event; `data` is NUL-terminated too, until it returns. false: no more is wanted. */
typedef bool rs_sse_take(void *ctx, const char *event, const char *data, size_t len);

/* RS_ECANCEL: `take` wants no more. RS_ELIMIT: a line or an event of more than RS_SSE_MAX
 * bytes. RS_ENOMEM. After one of them nothing more is read. */
rs_status rs_sse_parse(rs_sse_parser *p, const char *bytes, size_t n, rs_sse_take *take,
                       void *ctx);
/* The bytes are over. */
rs_status rs_sse_parse_end(rs_sse_parser *p, rs_sse_take *take, void *ctx);
void      rs_sse_parser_clear(rs_sse_parser *p);

#endif
