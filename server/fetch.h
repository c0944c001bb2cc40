/* fetch.h - HTTP requests of our own, many at a time, on the loop: libcurl's multi interface
 * driven by libuv.
 *
 *   curl: watch this socket  CURLMOPT_SOCKETFUNCTION -> uv_poll   -> curl_multi_socket_action
 *   curl: wake me in n ms    CURLMOPT_TIMERFUNCTION  -> uv_timer  -> curl_multi_socket_action
 *
 * One kind of request is made: a POST of JSON whose answer is taken as it comes. http and
 * https to the URL given and nowhere else: no redirect is followed, no proxy is used but one
 * that is named (none from the environment), no cookie and no .netrc is read. Certificates
 * are checked. Nothing else of the program sees libcurl.
 *
 * Threading: everything on the loop's thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_FETCH_H
#define RS_SERVER_FETCH_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct uv_loop_s;                  /* uv_loop_t: who includes this need not see libuv */

typedef struct rs_fetcher rs_fetcher;
typedef struct rs_fetch rs_fetch;

typedef enum {
    RS_FETCH_WHOLE,                /* answered, to the end */
    RS_FETCH_STOPPED,              /* on_bytes wanted no more */
    RS_FETCH_REFUSED,              /* nobody listens there, or no such host */
    RS_FETCH_IDLE,                 /* no byte for idle_ms */
    RS_FETCH_LATE,                 /* not done within total_ms, or not connected in connect_ms */
    RS_FETCH_BROKEN                /* anything else: reset, TLS, not HTTP */
} rs_fetch_fate;

typedef struct {
    rs_fetch_fate fate;
    int           status;          /* of HTTP; 0: none came */
    const char   *why;             /* until on_end returns; "" where all went well */
} rs_fetch_end;

typedef struct {
    const char *url, *key, *proxy; /* bearer token, proxy: NULL for none */
    const char *body;  size_t len; /* JSON; copied, as the texts are */
    long        connect_ms, idle_ms, total_ms;
    /* Bytes of the answer's body with the status it came with; false: no more. It may cancel
     * the fetch. */
    bool      (*on_bytes)(void *ctx, int status, const char *bytes, size_t n);
    /* Once, never from within rs_fetch_begin; the fetch is gone then. Not after a cancel. */
    void      (*on_end)(void *ctx, const rs_fetch_end *end);
    void       *ctx;
} rs_fetch_plan;

/* RS_ENOMEM, RS_EIO. */
rs_status rs_fetcher_new(rs_fetcher **out, struct uv_loop_s *loop, rs_err *err);
/* Its handles close, and it frees itself in the loop's next turns; all fetches have ended or
 * are cancelled. NULL is fine. */
void      rs_fetcher_close(rs_fetcher *f);
size_t    rs_fetcher_running(const rs_fetcher *f);             /* of NULL: 0 */
struct uv_loop_s *rs_fetcher_loop(const rs_fetcher *f);

/* RS_ENOMEM; RS_ECANCEL: the fetcher is closing. */
rs_status rs_fetch_begin(rs_fetch **out, rs_fetcher *f, const rs_fetch_plan *plan, rs_err *err);
/* Close the connection, say no more. */
void      rs_fetch_cancel(rs_fetch *x);

#endif
