/* server.h - the query server: one loop thread, workers, and how both begin and end.
 *
 *   rs_server_new(&s, &plan, &err);       listens; the archive is open and warm
 *   rs_server_run(s);                     the loop, until SIGTERM or rs_server_stop()
 *   rs_server_free(s);
 *
 * Ending: nothing new is accepted, idle connections close, what is under way is finished, and
 * after drain_ms what is left is cut. A second SIGTERM cuts at once.
 *
 * Threading: rs_server_stop and rs_server_port from any thread, the rest from one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_SERVER_H
#define RS_SERVER_SERVER_H

#include "base/bytes.h"
#include "base/status.h"
#include "server/config.h"
#include "server/exchange.h"
#include "server/fetch.h"
#include "server/generator_counts.h"

#include <stdbool.h>

typedef struct {
    rs_config   config;
    rs_service  service;
    const rs_route *routes;              /* NULL: the API's (rs_routes) */
    bool        signals;                 /* take SIGTERM, SIGINT and SIGHUP */
    /* SIGHUP: read the settings again. On RS_OK *config is new; else it is left as it was. */
    rs_status (*reload)(void *ctx, rs_config *config, rs_err *err);
    void       *ctx;
} rs_server_plan;

/* `plan` is copied, what it points to outlives the server. RS_EBUSY: the port is taken, or the
 * audit log. RS_EARG, RS_EIO, RS_ENOMEM, and what rs_auth_new, rs_tls_open, rs_audit_log_open
 * and rs_worker_start give. */
rs_status rs_server_new(rs_server **out, const rs_server_plan *plan, rs_err *err);
void      rs_server_free(rs_server *s);              /* NULL is fine; not while it runs */
int       rs_server_port(const rs_server *s);
rs_status rs_server_run(rs_server *s, rs_err *err);
/* As SIGTERM; calls that come before the loop hears of the first count as one. */
void      rs_server_stop(rs_server *s);

/* ---- For handlers on the loop ----------------------------------------- */

/* Tokens and sessions. */
rs_auth *rs_server_auth(rs_server *s);
/* The last look at the archive. */
const rs_watch *rs_server_watch(const rs_server *s);
/* NULL, or why requests should go elsewhere: draining, or an archive that cannot be read. */
const char *rs_server_not_ready(const rs_server *s);
void rs_server_metrics(rs_server *s, rs_buf *out);
/* Requests of our own; NULL where no generator is set up. */
rs_fetcher *rs_server_fetcher(const rs_server *s);
/* Where one of them is counted; NULL for any other. All have a row in the metrics from the first
 * call on. */
rs_generator_counts *rs_server_generator_counts(rs_server *s, const rs_generator *g);
/* How many answers may be with generators at once. */
size_t rs_server_answers(const rs_server *s);

/* For rs_later.begin and what it began. Bytes of a stream (sse.h); a client that does not keep
 * up is closed, and then `drop` has been called when this returns false. */
bool rs_server_push(rs_exchange *x, const rs_buf *bytes);
/* A worker is to do `work`, as soon as there is room in the queue. */
void rs_server_again(rs_exchange *x);
/* The answer is whole: a stream ends, another reply is sent; `drop` is called on the way. */
void rs_server_end(rs_exchange *x);

#endif
