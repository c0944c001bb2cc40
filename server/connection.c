/* connection.c - one client's life, from accept to close; conn_int.h lists the files for what
 * happens meanwhile.
 *
 *            .------------- keep-alive --------------.
 *            v                                       |
 *   accept  READ --complete--> WORK --worked--> SEND +--> LINGER --> closed
 *            |  '--quick answer, malformed------^    '--> STREAM (events)
 *
 * One request at a time is answered, so pipelined answers are in order; what came after it
 * waits in `in`, and when that is full the socket is not read.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/conn_int.h"

#include "server/sse.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

uint64_t rs_conn_now(const rs_conn *c)
{
    return uv_now(&c->server->loop);
}

void rs_conn_begin_phase(rs_conn *c)
{
    c->since_ms = c->moved_ms = rs_conn_now(c);
    c->moved_bytes = 0;
}

void rs_conn_forget_if_free(rs_conn *c)
{
    if (c->closed && !c->in_work && !c->in_read)
        rs_server_forget(c->server, c);
}

/* ---- The end ---------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
    rs_conn *c = (rs_conn *)h;

    c->closed = true;
    rs_conn_forget_if_free(c);
}

void rs_conn_close(rs_conn *c)
{
    if (c->state == CONN_CLOSING)
        return;
    if (c->state == CONN_STREAM)
        c->server->n_streams--;
    c->state = CONN_CLOSING;
    if (c->in_work && rs_jobs_drop(rs_conn_lane(c), &c->x.job)) {
        c->in_work = false;
        c->server->metrics.dropped_jobs++;
    }
    if (!c->in_work)
        rs_conn_drop_later(c);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    if (status < 0 && status != UV_ECANCELED)
        rs_conn_close(req->data);
}

/* TLS's own end, where there is still a way out for it. */
static void end_tls(rs_conn *c)
{
    uv_buf_t buf;

    if (!c->tls || c->in_write)
        return;
    rs_tls_end(c->tls, &c->wire);
    buf = uv_buf_init(c->wire.data, (unsigned)c->wire.len);
    if (buf.len)
        uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
    c->wire.len = 0;
}

/* The answer is out and the last: say so, and let what the peer still sends fall, so that it
 * gets to read the answer before a reset. */
void rs_conn_linger(rs_conn *c)
{
    c->state = CONN_LINGER;
    end_tls(c);
    rs_conn_begin_phase(c);
    c->shutdown.data = c;
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown) != 0)
        rs_conn_close(c);
}

/* ---- The beginning ---------------------------------------------------- */

/* The client's address as a text; "" where it is gone already. */
static void know_peer(rs_conn *c)
{
    struct sockaddr_storage address;
    int len = sizeof address;

    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&address, &len) != 0)
        return;
    if (address.ss_family == AF_INET6)
        uv_ip6_name((struct sockaddr_in6 *)&address, c->x.from, sizeof c->x.from);
    else
        uv_ip4_name((struct sockaddr_in *)&address, c->x.from, sizeof c->x.from);
}

/* The system takes no more of an answer than a piece beyond what is on its way: else it takes
 * megabytes for a client that reads nothing, and we would not know that it does not. */
static void limit_unsent(const rs_conn *c)
{
    const int most = RS_PIECE_BYTES;
    uv_os_fd_t fd;

    if (uv_fileno((const uv_handle_t *)&c->tcp, &fd) == 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof most);
}

void rs_conn_begin(rs_conn *c)
{
    c->state = CONN_READ;
    c->keep_alive = true;
    c->piece_bytes = RS_PIECE_BYTES;
    rs_reply_init(&c->x.reply);
    rs_exchange_forget(&c->x);
    know_peer(c);
    rs_conn_begin_phase(c);
    uv_tcp_nodelay(&c->tcp, 1);
    limit_unsent(c);
    rs_conn_read_more(c);
    if (!c->reading)
        rs_conn_close(c);
}

/* ---- By the clock ----------------------------------------------------- */

/* A slow client: no byte for so long, or on the whole fewer than RS_SLOWEST a second. */
static bool too_slow(const rs_conn *c, uint64_t now, long long limit_ms)
{
    return now > c->moved_ms + (uint64_t)limit_ms ||
           now > c->since_ms + (uint64_t)limit_ms + c->moved_bytes * 1000 / RS_SLOWEST;
}

static void tick_read(rs_conn *c, uint64_t now)
{
    const rs_config *config = &c->server->config;

    if (c->tls && !rs_tls_ready(c->tls)) {
        if (now > c->since_ms + (uint64_t)config->header_ms) {
            c->server->metrics.timeouts++;
            rs_conn_close(c);
        }
    } else if (c->in_write || c->out.len) {           /* answers of before are not being read */
        if (now > c->moved_ms + (uint64_t)config->write_ms)
            rs_conn_close(c);
    } else if (rs_http_idle(c->parser)) {
        if (now > c->since_ms + (uint64_t)config->idle_ms)
            rs_conn_close(c);
    } else if (rs_http_in_body(c->parser) ? too_slow(c, now, config->body_ms)
                                          : now > c->since_ms + (uint64_t)config->header_ms) {
        c->server->metrics.timeouts++;
        rs_conn_refuse(c, 408, "The request did not come in time.", true);
        rs_conn_flush(c);
    }
}

void rs_conn_tick(rs_conn *c, uint64_t now)
{
    const long long write_ms = c->server->config.write_ms;

    if (c->wants_worker)
        rs_conn_try_worker(c);
    switch (c->state) {
    case CONN_READ:
        tick_read(c, now);
        break;
    case CONN_WORK:
        if (c->in_work)
            rs_conn_tick_work(c);
        break;
    case CONN_SEND:
        if (!c->in_read && too_slow(c, now, write_ms)) {
            c->server->metrics.timeouts++;
            rs_conn_close(c);
        }
        break;
    case CONN_STREAM:
        if (c->in_write && now > c->moved_ms + (uint64_t)write_ms)
            rs_conn_close(c);
        break;
    case CONN_LINGER:
        if (now > c->since_ms + RS_LINGER_MS)
            rs_conn_close(c);
        break;
    case CONN_CLOSING:
        break;
    }
}

/* ---- Streams, and draining --------------------------------------------- */

void rs_conn_end_stream(rs_conn *c)
{
    c->server->n_streams--;
    c->state = CONN_SEND;
    rs_conn_begin_phase(c);
    rs_sse_end(&c->out);
    rs_conn_flush(c);
}

void rs_conn_drain(rs_conn *c)
{
    if (c->state == CONN_STREAM && !c->x.later) {      /* an answer may be finished */
        c->keep_alive = false;
        rs_conn_end_stream(c);
    } else if (c->state == CONN_READ && rs_http_idle(c->parser) && !c->in.len && !c->in_write &&
               !c->out.len) {
        rs_conn_close(c);
    }
}

void rs_conn_push(rs_conn *c, const rs_buf *bytes)
{
    if (c->state != CONN_STREAM)
        return;
    rs_buf_append(&c->out, bytes->data, bytes->len);
    if (c->out.len > RS_OUT_BYTES)
        rs_conn_close(c);
    else
        rs_conn_flush(c);
}
