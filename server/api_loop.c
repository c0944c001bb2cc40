/* api_loop.c - what the loop answers by itself: health, metrics, the API's description, and
 * the stream of events.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/api.h"

#include "base/alloc.h"
#include "server/routes.h"
#include "server/server.h"
#include "server/sse.h"

#include <inttypes.h>
#include <string.h>

/* Alive: the loop turns. */
void rs_api_health(rs_exchange *x, rs_server *s)
{
    (void)s;
    x->reply.type = "text/plain; charset=utf-8";
    rs_buf_puts(&x->reply.body, "ok\n");
}

static void put_watch(rs_buf *b, const rs_watch *w)
{
    rs_buf_printf(b, "{\"cases\":%zu,\"images\":%zu,\"image_generation\":%" PRId64
                  ",\"passage_generation\":%" PRId64 "}", w->cases, w->images,
                  w->image_generation, w->passage_generation);
}

/* Ready: the archive was readable a moment ago, and requests are wanted. */
void rs_api_ready(rs_exchange *x, rs_server *s)
{
    const char *why = rs_server_not_ready(s);

    if (why) {
        rs_problem_reply(&x->reply, RS_PROBLEM_BUSY, NULL, why);
        return;
    }
    x->reply.type = "application/json";
    if (rs_auth_asks(rs_server_auth(s)))               /* who may see counts asks for stats */
        rs_buf_puts(&x->reply.body, "{}");
    else
        put_watch(&x->reply.body, rs_server_watch(s));
}

void rs_api_metrics(rs_exchange *x, rs_server *s)
{
    x->reply.type = "text/plain; version=0.0.4; charset=utf-8";
    rs_server_generator_counts(s, NULL);       /* those that were never asked, too */
    rs_server_metrics(s, &x->reply.body);
}

void rs_api_openapi(rs_exchange *x, rs_server *s)
{
    size_t len;
    const char *text = rs_openapi(&len);

    (void)s;
    x->reply.type = "application/json";
    x->reply.cache = "no-cache";
    rs_buf_append(&x->reply.body, text, len);
}

/* What the archive is at now; later events come when it changes. */
void rs_api_events(rs_exchange *x, rs_server *s)
{
    rs_buf data = {0};

    if (x->request->http10) {
        rs_problem_status_reply(&x->reply, 505, "Events come in chunks, which HTTP/1.0 has not.");
        return;
    }
    put_watch(&data, rs_server_watch(s));
    x->reply.type = "text/event-stream";
    x->reply.stream = true;
    rs_sse_event(&x->reply.body, "archive", NULL, data.data ? data.data : "{}");
    rs_buf_clear(&data);
}
