/* sse.h - server-sent events (WHATWG HTML, section 9.2) as bytes, each event one chunk of a
 * chunked body. Who writes them to a client is connection.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_SSE_H
#define RS_SERVER_SSE_H

#include "base/bytes.h"

/* Append an event. `data` may have lines; `id` may be NULL. Line ends in `event` and `id` are
 * left out, so that nothing from outside becomes a field of its own. */
void rs_sse_event(rs_buf *out, const char *event, const char *id, const char *data);
/* A comment that keeps proxies and clients from giving up. */
void rs_sse_ping(rs_buf *out);
/* The end of the body. */
void rs_sse_end(rs_buf *out);

#endif
