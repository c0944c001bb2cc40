/* connection.c - one client: bytes to requests, exchanges to workers and back, answers out.
 *
 *            .------------- keep-alive --------------.
 *            v                                       |
 *   accept  READ --complete--> WORK --worked--> SEND +--> LINGER --> closed
 *            |  '--quick answer, malformed------^    '--> STREAM (events)
 *
 * One request at a time is answered, so pipelined answers are in order; what came after it
 * waits in `in`, and when that is full the socket is not read. Callbacks stand in the order in
 * which they fire. Everything runs on the loop's thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/server_int.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/sse.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { KEPT_ARENA = 256 << 10, LINGER_BYTES = 1 << 20 };

static void flush(rs_conn *c);
static void resume(rs_conn *c);

static uint64_t now_ms(const rs_conn *c)
{
    return uv_now(&c->server->loop);
}

static void begin_phase(rs_conn *c)
{
    c->since_ms = c->moved_ms = now_ms(c);
    c->moved_bytes = 0;
}

static void forget_if_free(rs_conn *c)
{
    if (c->closed && !c->in_work && !c->in_read)
        rs_server_forget(c->server, c);
}

/* ---- Closing --------------------------------------------------------- */

void rs_conn_drop_later(rs_conn *c)
{
    const rs_later *later = c->x.later;

    c->x.later = NULL;
    c->wants_worker = false;
    if (later)
        later->drop(&c->x);
}

static void on_closed(uv_handle_t *h)
{
    rs_conn *c = (rs_conn *)h;

    c->closed = true;
    forget_if_free(c);
}

/* What goes on with an answer (rs_later) is never a write. */
rs_jobs *rs_conn_lane(const rs_conn *c)
{
    return c->x.route && c->x.route->write ? c->server->writes : c->server->jobs;
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
static void linger(rs_conn *c)
{
    c->state = CONN_LINGER;
    end_tls(c);
    begin_phase(c);
    c->shutdown.data = c;
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown) != 0)
        rs_conn_close(c);
}

/* ---- Answers out ----------------------------------------------------- */

/* The exchange is over: ready for the next one. */
static void reset_exchange(rs_conn *c)
{
    rs_conn_drop_later(c);
    rs_reply_clear(&c->x.reply);
    if (c->x.mem.used_bytes > KEPT_ARENA)
        rs_arena_clear(&c->x.mem);
    else if (c->x.mem.last)
        rs_arena_reset(&c->x.mem);
    c->x.mem.used_bytes = 0;
    rs_exchange_forget(&c->x);
    c->head_only = false;
    rs_http_parser_reset(c->parser);
    begin_phase(c);
}

static void end_answer(rs_conn *c)
{
    rs_server *s = c->server;

    if (c->ready_s > 0)
        rs_metrics_stage(&s->metrics, RS_STAGE_WRITE, rs_now_s() - c->ready_s);
    c->ready_s = 0;
    if (!c->in_work)
        reset_exchange(c);
    if (!c->keep_alive || s->draining || c->in_work) {
        linger(c);
        return;
    }
    c->state = CONN_READ;
    resume(c);
}

static void on_piece(uv_fs_t *fs)
{
    rs_conn *c = fs->data;
    ssize_t n = fs->result;

    uv_fs_req_cleanup(fs);
    c->in_read = false;
    if (c->state == CONN_CLOSING) {
        forget_if_free(c);
        return;
    }
    if (n <= 0) {                              /* shorter than it was: the client must see that */
        rs_conn_close(c);
        return;
    }
    c->x.reply.offset += (uint64_t)n;
    c->x.reply.length -= (uint64_t)n;
    rs_buf_append(&c->out, c->piece, (size_t)n);
    flush(c);
}

/* The next piece of a file that is the body. */
static void read_piece(rs_conn *c)
{
    const rs_reply *r = &c->x.reply;
    uv_buf_t buf;

    if (!c->piece && !(c->piece = rs_malloc(RS_READ_BYTES))) {
        rs_conn_close(c);
        return;
    }
    buf = uv_buf_init(c->piece, r->length < RS_READ_BYTES ? (unsigned)r->length : RS_READ_BYTES);
    c->fs.data = c;
    c->in_read = uv_fs_read(&c->server->loop, &c->fs, r->fd, &buf, 1, (int64_t)r->offset,
                            on_piece) == 0;
    if (!c->in_read)
        rs_conn_close(c);
}

/* Everything in `out` is with the system. */
static void sent(rs_conn *c)
{
    if (c->state == CONN_READ && c->server->draining && rs_http_idle(c->parser))
        rs_conn_close(c);
    if (c->state != CONN_SEND || c->in_read)
        return;
    if (!c->in_work && c->x.reply.fd >= 0 && c->x.reply.length)
        read_piece(c);
    else
        end_answer(c);
}

static void on_written(uv_write_t *req, int status)
{
    rs_conn *c = req->data;

    c->in_write = false;
    if (c->state == CONN_CLOSING)
        return;
    if (status < 0) {
        rs_conn_close(c);
        return;
    }
    c->moved_ms = now_ms(c);
    c->moved_bytes += c->sending.len;
    c->sending.len = 0;
    flush(c);
}

/* What goes to the socket: `out`, or `wire` with all of it sealed. NULL: it cannot be made. */
static rs_buf *bytes_to_send(rs_conn *c)
{
    if (c->out.failed)
        return NULL;
    if (!c->tls)
        return &c->out;
    if (c->out.len && !rs_tls_seal(c->tls, c->out.data, c->out.len, &c->wire))
        return NULL;
    c->out.len = 0;
    return c->wire.failed ? NULL : &c->wire;
}

/* Send what is in `out`: at once where the socket takes it. */
static void flush(rs_conn *c)
{
    rs_buf *out;
    uv_buf_t buf;
    rs_buf swap;
    int n;

    if (c->in_write || c->state == CONN_CLOSING)
        return;
    if (!(out = bytes_to_send(c))) {
        rs_conn_close(c);
        return;
    }
    if (out->len == 0) {
        sent(c);
        return;
    }
    buf = uv_buf_init(out->data, (unsigned)out->len);
    n = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
    if (n < 0 && n != UV_EAGAIN) {
        rs_conn_close(c);
        return;
    }
    if (n > 0) {
        c->moved_ms = now_ms(c);
        c->moved_bytes += (unsigned)n;
    }
    if (n == (int)out->len) {
        out->len = 0;
        sent(c);
        return;
    }
    swap = c->sending;
    c->sending = *out;
    *out = swap;
    buf.base += n > 0 ? n : 0;
    buf.len -= (size_t)(n > 0 ? n : 0);
    c->write.data = c;
    c->in_write = uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) == 0;
    if (!c->in_write)
        rs_conn_close(c);
}

/* Put `r` on its way. Whoever calls flushes, so that many small answers go out in one write. */
static void send_reply(rs_conn *c, rs_reply *r)
{
    rs_server *s = c->server;

    c->status = r->status;
    rs_metrics_request(&s->metrics, c->x.route ? c->x.route_index : RS_METRICS_ROUTES - 1,
                       r->status);
    rs_reply_head(r, s->date, c->keep_alive && !s->draining, &c->out);
    if (r->body.failed)
        c->out.failed = true;
    if (c->head_only) {
        rs_reply_clear(r);
    } else if (r->fd < 0 && r->body.len) {
        rs_buf_append(&c->out, r->body.data, r->body.len);
    }
    if (r->stream && !c->head_only) {
        c->state = CONN_STREAM;
        s->n_streams++;
    } else if (r->fd >= 0 || !c->keep_alive || s->draining || c->ready_s > 0 ||
               c->out.len > RS_OUT_BYTES) {
        c->state = CONN_SEND;
    } else {
        reset_exchange(c);                     /* the next may be read at once */
        c->state = CONN_READ;
        return;
    }
    begin_phase(c);
}

/* ---- Requests in ----------------------------------------------------- */

/* Answer with a problem; the connection ends where the rest of the request is not read. */
static void refuse(rs_conn *c, int status, const char *detail, bool last)
{
    if (last)
        c->keep_alive = false;
    rs_problem_status_reply(&c->x.reply, status, detail);
    send_reply(c, &c->x.reply);
}

/* Answered here although a worker has the exchange: nothing of it is touched. */
static void give_up(rs_conn *c, rs_problem_kind kind, const char *detail)
{
    rs_reply r;

    rs_reply_init(&r);
    rs_problem_reply(&r, kind, NULL, detail);
    c->keep_alive = false;
    c->given_up = true;
    c->server->metrics.timeouts++;
    send_reply(c, &r);
    rs_reply_clear(&r);
    flush(c);
}

/* A page of another site may send a request here, but must not get it done. */
static bool other_origin(const rs_config *config, const rs_http_request *r)
{
    const char *scheme = *config->tls_cert ? "https://" : "http://";
    const size_t n = strlen(scheme);
    const char *origin = rs_http_field_of(r, "origin");
    const char *site = rs_http_field_of(r, "sec-fetch-site");
    const char *mode = rs_http_field_of(r, "sec-fetch-mode");

    if (site && strcmp(site, "cross-site") == 0 &&
        !(r->method == RS_HTTP_GET && mode && strcmp(mode, "navigate") == 0))
        return true;                           /* a link may lead here: its page sees nothing */
    if (!origin)
        return false;
    if (strncmp(origin, scheme, n) != 0)
        return true;
    return strcmp(origin + n, r->host) != 0 || !rs_config_is_host(config, origin + n);
}

/* Who asks, and whether they may. false after having answered. */
static bool admit(rs_conn *c, bool body_follows)
{
    static const rs_problem_kind kinds[] = {
        [RS_AUTH_NO_TOKEN] = RS_PROBLEM_TOKEN, [RS_AUTH_NO_CSRF] = RS_PROBLEM_ROLE,
        [RS_AUTH_ROLE] = RS_PROBLEM_ROLE, [RS_AUTH_PARTIAL] = RS_PROBLEM_ROLE,
        [RS_AUTH_TOO_OFTEN] = RS_PROBLEM_RATE, [RS_AUTH_NO_MEMORY] = RS_PROBLEM_BUSY};
    rs_exchange *x = &c->x;
    const rs_auth_question q = {x->request, x->route->role, x->route->whole, rs_now_s()};
    double wait_s;
    const rs_auth_verdict v = rs_auth_check(c->server->auth, &q, &x->mem, &x->grant, &wait_s);

    x->audit = c->server->audit;
    if (v == RS_AUTH_OK)
        return true;
    rs_problem_reply(&x->reply, kinds[v], NULL, rs_auth_verdict_text(v));
    if (v == RS_AUTH_NO_TOKEN)
        rs_reply_field(&x->reply, "WWW-Authenticate", "Bearer realm=\"radscout\"");
    if (v == RS_AUTH_TOO_OFTEN)
        rs_reply_field(&x->reply, "Retry-After",
                       rs_arena_sprintf(&x->mem, "%ld", (long)wait_s + 1));
    rs_exchange_record(x, RS_AUDIT_DENIED);
    if (body_follows)
        c->keep_alive = false;
    send_reply(c, &x->reply);
    return false;
}

/* The head is complete: whom it concerns. false after having answered. */
static bool find_route(rs_conn *c, bool body_follows)
{
    const rs_http_request *r = rs_http_request_of(c->parser);
    const char *why;
    char allow[64];
    int status;

    c->x.request = r;
    c->keep_alive = r->keep_alive && !r->http10;   /* it would want to be told in an own way */
    c->head_only = r->method == RS_HTTP_HEAD;
    if ((status = rs_target_parse(&c->x.target, r->target, &c->x.mem, &why)) != 0) {
        refuse(c, status, why, body_follows);
    } else if (*r->host && !rs_config_is_host(&c->server->config, r->host)) {
        refuse(c, 421, "This server is not known by the name in the Host field: use localhost, or "
               "name it in the setting hosts.", body_follows);
    } else if (other_origin(&c->server->config, r)) {
        refuse(c, 403, "A page of another origin asks; only this server's own page may.",
               body_follows);
    } else {
        rs_route_match match = rs_route_find(c->server->plan.routes, r->method, &c->x, allow);
        if (match == RS_ROUTE_FOUND)
            return admit(c, body_follows);
        if (match == RS_ROUTE_NO_PATH && strcmp(r->target, "*") != 0) {
            refuse(c, 404, "There is nothing at this path; /v1/openapi.json lists what there is.",
                   body_follows);
        } else {
            rs_reply *reply = &c->x.reply;
            if (r->method == RS_HTTP_OPTIONS)
                reply->status = 204;
            else
                rs_problem_reply(reply, RS_PROBLEM_METHOD, NULL, "This path is not asked for with "
                                 "that method: the field Allow names those that it has.");
            rs_reply_field(reply, "Allow", rs_arena_strdup(&c->x.mem, match == RS_ROUTE_NO_PATH ?
                           "GET, HEAD, POST, OPTIONS" : allow));
            if (body_follows)
                c->keep_alive = false;
            send_reply(c, reply);
        }
    }
    return false;
}

/* The head of a request with a body. */
static void begin_body(rs_conn *c)
{
    const uint64_t max = (uint64_t)c->server->config.body_mb << 20;
    const rs_http_request *r;

    if (!find_route(c, true))
        return;
    r = c->x.request;
    if (!c->x.route->takes_body || r->length > max) {
        refuse(c, 413, c->x.route->takes_body ? "The body is larger than body_mb allows."
                                              : "No body is taken here.", true);
        return;
    }
    rs_http_body_max(c->parser, (size_t)max);
    begin_phase(c);
    if (r->expects_continue)
        rs_buf_puts(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* On the worker's thread. */
static void run_exchange(rs_job *job, void *worker)
{
    rs_exchange *x = (rs_exchange *)job;

    if (rs_now_s() > x->until_s)
        rs_problem_reply(&x->reply, RS_PROBLEM_BUSY, NULL,
                         "The request waited longer than its deadline: try again.");
    else if (x->route->write)
        x->route->write(x, worker);
    else
        x->route->work(x, worker);
    rs_exchange_record(x, x->route->audit);
    if (x->later && x->reply.status >= 400) {  /* not recorded, so not answered */
        x->later->drop(x);
        x->later = NULL;
    }
    if (!x->later)
        rs_reply_finish(&x->reply, x->request, &x->mem);
    if (x->logged) {
        char status[16], took[32];
        snprintf(status, sizeof status, "%d", x->reply.status);
        snprintf(took, sizeof took, "%.3f", 1000 * (rs_now_s() - x->job.queued_s));
        rs_log_event(RS_LOG_INFO, "request", "method", rs_http_method_name(x->request->method),
                     "path", x->target.path, "status", status, "ms", took, (const char *)NULL);
    }
}

/* On the worker's thread: exchanges that wait. A job of ours is an exchange. */
static void run_ahead(rs_job *const *jobs, size_t n, void *worker)
{
    rs_exchange *const *x = (rs_exchange *const *)(const void *)jobs;

    x[0]->route->ahead(x, n, worker);
}

/* Whose share of the queue it is: the token's, else the address'. Requests with large bodies,
 * with images, count for several. */
static void set_share(rs_exchange *x)
{
    const char *who = x->grant.name ? x->grant.token : x->from;

    x->job.client = 0xcbf29ce484222325u;       /* FNV-1a; two that collide share a share */
    for (; *who; who++)
        x->job.client = (x->job.client ^ (unsigned char)*who) * 0x100000001b3u;
    x->job.cost = 1 + (double)x->request->body.len / (256 << 10);
}

/* The request is complete. */
static void begin_exchange(rs_conn *c)
{
    rs_server *s = c->server;
    rs_exchange *x = &c->x;

    if (!x->route && !find_route(c, false))
        return;
    if (x->route->loop) {
        x->route->loop(x, s);
        rs_exchange_record(x, x->route->audit);
        rs_reply_finish(&x->reply, x->request, &x->mem);
        send_reply(c, &x->reply);
        return;
    }
    x->job.run = run_exchange;
    x->job.ahead = x->route->ahead ? run_ahead : NULL;
    set_share(x);
    x->until_s = rs_now_s() + (double)(x->route->write ? s->config.write_deadline_ms
                                                       : s->config.deadline_ms) / 1000;
    x->encode_s = x->search_s = -1;
    x->logged = s->config.access_log;
    if (!rs_jobs_push(rs_conn_lane(c), &x->job)) {
        rs_problem_reply(&x->reply, RS_PROBLEM_BUSY, NULL, "Too many requests wait already: try "
                         "again after the seconds that Retry-After tells.");
        send_reply(c, &x->reply);
        return;
    }
    c->in_work = true;
    c->state = CONN_WORK;
    begin_phase(c);
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
            begin_phase(c);
        st = rs_http_feed(c->parser, bytes + at, n - at, &used);
        at += used;
        if (st == RS_PARSE_MORE)
            break;
        if (st == RS_PARSE_HEAD) {
            begin_body(c);
        } else if (st == RS_PARSE_DONE) {
            begin_exchange(c);
        } else {
            status = rs_http_bad(c->parser, &why);
            refuse(c, status, why, true);
        }
    }
    return at;
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    rs_server *s = ((rs_conn *)h)->server;

    (void)hint;                                /* one buffer serves all: on_read empties it */
    *buf = uv_buf_init(s->read_buffer, sizeof s->read_buffer);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void read_more(rs_conn *c)
{
    if (!c->reading && c->state != CONN_CLOSING)
        c->reading = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0;
}

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
    linger(c);
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
        begin_phase(c);
    return true;
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
    c->moved_ms = c->state == CONN_READ ? now_ms(c) : c->moved_ms;
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
    flush(c);
}

/* Go on with what came meanwhile. */
static void resume(rs_conn *c)
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
        read_more(c);
    if (c->out.len)
        flush(c);
}

/* ---- What server.c calls --------------------------------------------- */

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

void rs_conn_begin(rs_conn *c)
{
    c->state = CONN_READ;
    c->keep_alive = true;
    rs_reply_init(&c->x.reply);
    rs_exchange_forget(&c->x);
    know_peer(c);
    begin_phase(c);
    uv_tcp_nodelay(&c->tcp, 1);
    read_more(c);
    if (!c->reading)
        rs_conn_close(c);
}

static void count_stages(rs_metrics *m, const rs_exchange *x)
{
    rs_metrics_stage(m, RS_STAGE_QUEUE, x->job.begun_s - x->job.queued_s);
    m->texts_kept += x->texts.kept;
    m->texts_ahead += x->texts.ahead;
    m->texts_alone += x->texts.alone;
    if (x->encode_s >= 0)
        rs_metrics_stage(m, RS_STAGE_ENCODE, x->encode_s);
    if (x->search_s >= 0)
        rs_metrics_stage(m, RS_STAGE_SEARCH, x->search_s);
}

/* The worker has left something to wait for. */
static void go_on(rs_conn *c)
{
    if (c->x.reply.stream && c->state == CONN_WORK) {
        send_reply(c, &c->x.reply);
        flush(c);
    }
    c->x.encode_s = c->x.search_s = -1;        /* counted */
    c->x.texts = (rs_text_use){.from = c->x.texts.from};
    if (c->x.later)
        c->x.later->begin(&c->x, c->server);
}

void rs_conn_worked(rs_conn *c)
{
    c->in_work = false;
    if (c->state == CONN_CLOSING) {
        c->server->metrics.dropped_jobs++;
        rs_conn_drop_later(c);
        forget_if_free(c);
        return;
    }
    if (c->given_up)
        return;
    count_stages(&c->server->metrics, &c->x);
    if (c->x.later) {
        go_on(c);
        return;
    }
    c->ready_s = rs_now_s();
    send_reply(c, &c->x.reply);
    flush(c);
}

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
        refuse(c, 408, "The request did not come in time.", true);
        flush(c);
    }
}

static void tick_work(rs_conn *c)
{
    /* A worker minds the deadline itself; this is for one that does not get to it. */
    if (rs_now_s() < c->x.until_s + 0.5)
        return;
    if (rs_jobs_drop(rs_conn_lane(c), &c->x.job)) {
        c->in_work = false;
        c->server->metrics.timeouts++;
        rs_problem_reply(&c->x.reply, RS_PROBLEM_BUSY, NULL,
                         "The request waited longer than its deadline: try again.");
        send_reply(c, &c->x.reply);
        flush(c);
    } else {
        give_up(c, RS_PROBLEM_TIMEOUT, "The deadline passed before the answer was ready.");
    }
}

/* On the worker's thread. */
static void run_later(rs_job *job, void *worker)
{
    rs_exchange *x = (rs_exchange *)job;

    x->later->work(x, worker);
}

static void try_worker(rs_conn *c)
{
    c->x.job.run = run_later;
    c->x.job.ahead = NULL;
    c->x.until_s = rs_now_s() + (double)c->server->config.deadline_ms / 1000;
    c->wants_worker = !rs_jobs_push(c->server->jobs, &c->x.job);
    c->in_work = !c->wants_worker;
}

void rs_conn_tick(rs_conn *c, uint64_t now)
{
    const long long write_ms = c->server->config.write_ms;

    if (c->wants_worker)
        try_worker(c);
    switch (c->state) {
    case CONN_READ:
        tick_read(c, now);
        break;
    case CONN_WORK:
        if (c->in_work)
            tick_work(c);
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

static void end_stream(rs_conn *c)
{
    c->server->n_streams--;
    c->state = CONN_SEND;
    begin_phase(c);
    rs_sse_end(&c->out);
    flush(c);
}

void rs_conn_drain(rs_conn *c)
{
    if (c->state == CONN_STREAM && !c->x.later) {      /* an answer may be finished */
        c->keep_alive = false;
        end_stream(c);
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
        flush(c);
}

/* ---- For rs_later ---------------------------------------------------- */

static rs_conn *conn_of(rs_exchange *x)
{
    return (rs_conn *)(void *)((char *)x - offsetof(rs_conn, x));
}

bool rs_server_push(rs_exchange *x, const rs_buf *bytes)
{
    rs_conn *c = conn_of(x);

    if (c->state != CONN_STREAM)
        return false;
    rs_buf_append(&c->out, bytes->data, bytes->len);
    c->out.failed |= bytes->failed;
    flush(c);
    if (c->state == CONN_STREAM && c->out.len > RS_ANSWER_BYTES)
        rs_conn_close(c);
    return c->state == CONN_STREAM;
}

void rs_server_again(rs_exchange *x)
{
    try_worker(conn_of(x));
}

void rs_server_end(rs_exchange *x)
{
    rs_conn *c = conn_of(x);

    c->ready_s = rs_now_s();
    if (c->state == CONN_STREAM) {
        end_stream(c);
    } else if (c->state == CONN_WORK) {
        rs_reply_finish(&x->reply, x->request, &x->mem);
        send_reply(c, &x->reply);
        flush(c);
    }
}
