/* conn_in.c - bytes in: TLS off, requests out of them, what cannot be taken yet kept. See
 * conn_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/conn_int.h"

#include "base/log.h"

#include <string.h>

enum { LINGER_BYTES = 1 << 20 };

/* The head of a request with a body. */
static void begin_body(rs_conn *c)
{
    const uint64_t max = (uint64_t)c->server->config.body_mb << 20;
    const rs_http_request *r;

    if (!rs_conn_find_route(c, true))
        return;
    r = c->x.request;
    if (!c->x.route->takes_body || r->length > max) {
        rs_conn_refuse(c, 413, c->x.route->takes_body ? "The body is larger than body_mb allows."
                                              : "No body is taken here.", true);
        return;
    }
    rs_http_body_max(c->parser, (size_t)max);
    rs_conn_begin_phase(c);
    if (r->expects_continue)
        rs_buf_puts(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* Take requests from the n bytes as long as they can be answered; what is left over is the
 * caller's. */
static size_t take(rs_conn *c, const char *bytes, size_t n)
{
    size_t at = 0;

    while (c->state == CONN_READ && !(at == n && rs_http_idle(c->parser))) {
        size_t used;
        const char *why;
        int status;
        rs_http_state st;
        if (rs_http_idle(c->parser))
            rs_conn_begin_phase(c);
        st = rs_http_feed(c->parser, bytes + at, n - at, &used);
        at += used;
        if (st == RS_PARSE_MORE)
            break;
        if (st == RS_PARSE_HEAD) {
            begin_body(c);
        } else if (st == RS_PARSE_DONE) {
            rs_conn_begin_exchange(c);
        } else {
            status = rs_http_bad(c->parser, &why);
            rs_conn_refuse(c, status, why, true);
        }
    }
    return at;
}

/* ---- TLS -------------------------------------------------------------- */

/* No TLS, or none that we share: a word where there is one for it, and goodbye. */
static void refuse_tls(rs_conn *c, rs_tls_state state)
{
    static const char plain[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
        "Content-Length: 48\r\nConnection: close\r\n\r\n"
        "This port speaks TLS: ask for https:// instead.\n";
    uv_buf_t buf;

    if (state == RS_TLS_NOT_TLS)
        rs_buf_append(&c->wire, plain, sizeof plain - 1);
    rs_log_event(RS_LOG_DEBUG, "no TLS", "from", c->x.from, "why", rs_tls_why(c->tls),
                 (const char *)NULL);
    buf = uv_buf_init(c->wire.data, (unsigned)c->wire.len);
    if (buf.len && !c->in_write)
        uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
    c->wire.len = 0;
    c->keep_alive = false;
    rs_conn_linger(c);
}

/* The peer's records as plain text, in the server's one buffer. false: the connection ends. */
static bool unseal(rs_conn *c, const char **bytes, size_t *n)
{
    rs_buf *plain = &c->server->plain;
    const bool was_ready = rs_tls_ready(c->tls);
    rs_tls_state state;

    plain->len = 0;
    state = rs_tls_feed(c->tls, *bytes, *n, plain, &c->wire);
    *bytes = plain->data;
    *n = plain->len;
    if (plain->failed || c->wire.failed || state == RS_TLS_ENDED) {
        if (plain->failed)
            rs_buf_clear(plain);
        rs_conn_close(c);
        return false;
    }
    if (state != RS_TLS_OPEN) {
        refuse_tls(c, state);
        return false;
    }
    if (!was_ready && rs_tls_ready(c->tls))
        rs_conn_begin_phase(c);
    return true;
}

/* ---- The socket ------------------------------------------------------- */

/* Keep what cannot be taken yet, and stop reading when that is enough. */
static void keep(rs_conn *c, const char *bytes, size_t n)
{
    rs_buf_append(&c->in, bytes, n);
    if (c->in.len >= RS_PIPELINE_BYTES && c->reading) {
        uv_read_stop((uv_stream_t *)&c->tcp);
        c->reading = false;
    }
    if (c->in.failed)
        rs_conn_close(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    rs_conn *c = (rs_conn *)stream;
    const char *bytes = buf->base;
    size_t used = 0, len = (size_t)(n < 0 ? 0 : n);

    if (n < 0) {                               /* the end too: who does not listen is gone */
        rs_conn_close(c);
        return;
    }
    c->moved_ms = c->state == CONN_READ ? rs_conn_now(c) : c->moved_ms;
    c->moved_bytes += c->state == CONN_READ || c->state == CONN_LINGER ? (size_t)n : 0;
    if (c->state == CONN_LINGER && c->moved_bytes > LINGER_BYTES)
        rs_conn_close(c);
    if (c->state == CONN_LINGER || c->state == CONN_STREAM || c->state == CONN_CLOSING)
        return;
    if (c->tls && !unseal(c, &bytes, &len))
        return;
    if (c->state == CONN_READ && c->in.len == 0 && len)
        used = take(c, bytes, len);
    if (used < len && c->keep_alive)
        keep(c, bytes + used, len - used);
    rs_conn_flush(c);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    rs_server *s = ((rs_conn *)h)->server;

    (void)hint;                                /* one buffer serves all: on_read empties it */
    *buf = uv_buf_init(s->read_buffer, sizeof s->read_buffer);
}

void rs_conn_read_more(rs_conn *c)
{
    if (!c->reading && c->state != CONN_CLOSING)
        c->reading = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0;
}

/* Go on with what came meanwhile. */
void rs_conn_resume(rs_conn *c)
{
    size_t used;

    if (c->in.len) {
        used = take(c, c->in.data, c->in.len);
        if (c->state == CONN_CLOSING)
            return;
        memmove(c->in.data, c->in.data + used, c->in.len - used);
        c->in.len -= used;
    }
    if (c->in.len < RS_PIPELINE_BYTES)
        rs_conn_read_more(c);
    if (c->out.len)
        rs_conn_flush(c);
}
