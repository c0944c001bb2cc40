/* server.c - see server.h: the loop, its beginning and end, and what happens by the clock.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/server_int.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/sse.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TICK_MS = 250, WATCH_MS = 500, PING_MS = 15000, BACKLOG = 1024 };

static void begin_drain(rs_server *s, const char *why);
static void end_if_drained(rs_server *s);

/* ---- Connections ----------------------------------------------------- */

static void on_connection(uv_stream_t *listener, int status);

static void on_refused(uv_handle_t *h)
{
    rs_server *s = h->data;

    s->refusing = false;
    if (s->refuse_more && !s->draining) {
        s->refuse_more = false;
        on_connection((uv_stream_t *)&s->listener, 0);
    }
}

/* Over the cap, or no memory for it: a word and goodbye. It must be accepted for that, or libuv
 * accepts no other: so there is a handle in reserve, and one refusal at a time. */
static void refuse_connection(rs_server *s)
{
    static char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                         "Retry-After: 1\r\nConnection: close\r\n\r\n";
    uv_buf_t buf = uv_buf_init(text, sizeof text - 1);

    if (s->refusing) {
        s->refuse_more = true;
        return;
    }
    uv_tcp_init(&s->loop, &s->spare);
    s->spare.data = s;
    if (uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&s->spare) == 0) {
        if (!s->tls)
            uv_try_write((uv_stream_t *)&s->spare, &buf, 1);
        s->metrics.refused_connections++;
    }
    s->refusing = true;
    uv_close((uv_handle_t *)&s->spare, on_refused);
}

static void on_connection(uv_stream_t *listener, int status)
{
    rs_server *s = listener->data;
    rs_conn *c;

    if (status < 0)
        return;
    if (s->n_conns >= (size_t)s->config.connections ||
        !(c = rs_calloc(1, sizeof *c))) {
        refuse_connection(s);
        return;
    }
    c->parser = rs_http_parser_new();
    c->tls = s->tls && c->parser ? rs_tls_stream_new(s->tls) : NULL;
    if (!c->parser || (s->tls && !c->tls)) {
        rs_http_parser_free(c->parser);
        rs_free(c);
        refuse_connection(s);
        return;
    }
    c->server = s;
    c->next = s->conns;
    if (c->next)
        c->next->prev = c;
    s->conns = c;
    s->n_conns++;
    s->metrics.connections_total++;
    uv_tcp_init(&s->loop, &c->tcp);
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) == 0)
        rs_conn_begin(c);
    else
        rs_conn_close(c);
}

void rs_server_forget(rs_server *s, rs_conn *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    s->n_conns--;
    rs_conn_drop_later(c);
    rs_reply_clear(&c->x.reply);
    rs_arena_clear(&c->x.mem);
    rs_http_parser_free(c->parser);
    rs_buf_clear(&c->in);
    rs_buf_clear(&c->out);
    rs_buf_clear(&c->sending);
    rs_buf_clear(&c->wire);
    rs_tls_stream_free(c->tls);
    rs_free(c->piece);
    rs_free(c);
    end_if_drained(s);
}

/* ---- What workers have done ------------------------------------------ */

/* To those who listen; `asking` ones too, who wait for an answer of their own. */
static void broadcast(rs_server *s, const rs_buf *bytes, bool asking)
{
    for (rs_conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        if (asking || !c->x.later)
            rs_conn_push(c, bytes);
    }
}

static void end_watch(rs_server *s)
{
    char data[160], id[48];
    rs_buf b = {0};

    s->watch.in_work = false;
    s->seen = s->watch.look;
    if (s->seen.st != RS_OK)
        rs_log_error(RS_LOG_ERROR, "archive cannot be read", &s->seen.err);
    if (!s->seen.changed || !s->n_streams)
        return;
    snprintf(id, sizeof id, "%" PRId64, s->seen.stamp[2]);
    snprintf(data, sizeof data, "{\"cases\":%zu,\"images\":%zu,\"image_generation\":%" PRId64
             ",\"passage_generation\":%" PRId64 "}", s->seen.cases, s->seen.images,
             s->seen.image_generation, s->seen.passage_generation);
    rs_sse_event(&b, "archive", id, data);
    broadcast(s, &b, false);
    rs_buf_clear(&b);
}

static void end_warm(rs_server *s)
{
    s->warm.in_work = false;
    s->warm.workers += s->warm.made;
}

static void end_rest(rs_server *s)
{
    s->rest.in_work = false;
    s->rest.wanted |= !s->rest.closed;
}

static void take_finished(rs_server *s, rs_job *first, bool wrote)
{
    rs_job *next;

    for (rs_job *job = first; job; job = next) {
        next = job->next;
        if (job == &s->watch.job) {
            end_watch(s);
        } else if (job == &s->warm.job) {
            end_warm(s);
        } else if (job == &s->rest.job) {
            end_rest(s);
        } else {
            s->rest.wanted |= wrote;
            rs_conn_worked((rs_conn *)(void *)((char *)job - offsetof(rs_conn, x)));
        }
    }
}

static void on_wake(uv_async_t *a)
{
    rs_server *s = a->data;
    rs_job *jobs = rs_jobs_finished(s->jobs), *writes = rs_jobs_finished(s->writes);

    take_finished(s, jobs, false);             /* the last connection may end with the first */
    take_finished(s, writes, true);
    end_if_drained(s);
}

/* From a worker's thread. */
static void wake(void *ctx)
{
    uv_async_send(&((rs_server *)ctx)->wake);
}

static rs_status start_worker(void *ctx, void **worker, rs_err *err)
{
    return rs_worker_start(&((rs_server *)ctx)->plan.service, worker, err);
}

static void stop_worker(void *ctx, void *worker)
{
    rs_worker_stop(&((rs_server *)ctx)->plan.service, worker);
}

static rs_status start_writer(void *ctx, void **writer, rs_err *err)
{
    return rs_writer_start(&((rs_server *)ctx)->plan.service, writer, err);
}

static void stop_writer(void *ctx, void *writer)
{
    rs_writer_stop(&((rs_server *)ctx)->plan.service, writer);
}

/* ---- By the clock ---------------------------------------------------- */

static void tell_date(rs_server *s)
{
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(s->date, sizeof s->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

static void look(rs_job *job, void *worker)
{
    rs_server *s = (rs_server *)(void *)((char *)job - offsetof(rs_server, watch));
    rs_err err = {0};

    rs_watch_look(&s->watch.look, worker);
    if (s->audit && rs_audit_log_sync(s->audit, &err) != RS_OK)
        rs_log_error(RS_LOG_ERROR, "audit log not synced", &err);
}

static void warm(rs_job *job, void *worker)
{
    rs_server *s = (rs_server *)(void *)((char *)job - offsetof(rs_server, warm));

    s->warm.made = rs_worker_warm_words(worker);
}

/* One worker at a time, so that the others answer meanwhile. */
static void tick_warm(rs_server *s)
{
    if (s->warm.in_work || s->draining || !s->seen.known || s->warm.workers >= s->n_workers)
        return;
    s->warm.job.run = warm;
    s->warm.in_work = rs_jobs_push(s->jobs, &s->warm.job);
}

static void rest(rs_job *job, void *writer)
{
    rs_server *s = (rs_server *)(void *)((char *)job - offsetof(rs_server, rest));

    s->rest.closed = rs_writer_rest(writer);
}

/* Behind writing requests, and until the archive is closed. */
static void tick_rest(rs_server *s)
{
    if (s->rest.in_work || !s->rest.wanted || s->draining)
        return;
    s->rest.job.run = rest;
    s->rest.in_work = rs_jobs_push(s->writes, &s->rest.job);
    s->rest.wanted = !s->rest.in_work;
}

static void tick_watch(rs_server *s, uint64_t now)
{
    if (s->watch.in_work || s->draining || now < s->watched_ms + WATCH_MS)
        return;
    s->watch.job.run = look;
    s->watch.in_work = rs_jobs_push(s->jobs, &s->watch.job);
    s->watched_ms = now;
}

static void on_tick(uv_timer_t *t)
{
    rs_server *s = t->data;
    const uint64_t now = uv_now(&s->loop);
    rs_err err = {0};

    tell_date(s);
    rs_auth_refresh(s->auth);
    if (!s->audit && !s->draining && rs_security_audit(s, &err) != RS_OK) {
        rs_log_error(RS_LOG_ERROR, "nothing is answered that cannot be recorded", &err);
        begin_drain(s, "no audit log");
    }
    for (rs_conn *c = s->conns; c; c = c->next)
        rs_conn_tick(c, now);
    tick_watch(s, now);
    tick_warm(s);
    tick_rest(s);
    if (s->n_streams && now > s->pinged_ms + PING_MS) {
        rs_buf b = {0};
        rs_sse_ping(&b);
        broadcast(s, &b, true);
        rs_buf_clear(&b);
        s->pinged_ms = now;
    }
    if (s->draining && now >= s->drain_until_ms)
        for (rs_conn *c = s->conns; c; c = c->next)
            rs_conn_close(c);
}

/* ---- Signals --------------------------------------------------------- */

static void on_stop(uv_async_t *a)
{
    begin_drain(a->data, "asked to");
}

static rs_log_level log_level(const rs_config *c)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    for (int i = 0; i < 4; i++)
        if (strcmp(c->log_level, names[i]) == 0)
            return (rs_log_level)i;
    return RS_LOG_INFO;
}

/* What a running server cannot change stays, and the log says so. */
static void keep_fixed(rs_config *new, const rs_config *old)
{
#define FIXED(name) {#name, offsetof(rs_config, name), sizeof old->name}
    static const struct { const char *name; size_t at, size; } fixed[] = {
        FIXED(bind), FIXED(port), FIXED(workers), FIXED(queue), FIXED(write_queue),
        FIXED(together), FIXED(generators), FIXED(prompts), FIXED(renditions_mb)};
#undef FIXED
    rs_buf names = {0};

    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        char *to = (char *)new + fixed[i].at;
        const char *from = (const char *)old + fixed[i].at;
        if (memcmp(to, from, fixed[i].size) == 0)
            continue;
        memcpy(to, from, fixed[i].size);
        rs_buf_printf(&names, "%s%s", names.len ? ", " : "", fixed[i].name);
    }
    if (names.len)
        rs_log_event(RS_LOG_WARN, "settings need a restart", "settings", names.data,
                     (const char *)NULL);
    rs_buf_clear(&names);
}

static void take_config(rs_server *s, const rs_config *new)
{
    const rs_config old = s->config;
    rs_err err = {0};

    if ((*new->log || *old.log) &&             /* the same one too: it may have been moved away */
        rs_log_open(*new->log ? new->log : NULL, &err) != RS_OK)
        rs_log_error(RS_LOG_ERROR, "log not opened", &err);
    s->config = *new;
    keep_fixed(&s->config, &old);
    rs_security_configure(s, &old);
    rs_log_set_level(log_level(new));
    rs_log_event(RS_LOG_INFO, "settings read again", (const char *)NULL);
}

static void on_signal(uv_signal_t *h, int number)
{
    rs_server *s = h->data;
    rs_config new = s->config;
    rs_err err = {0};

    if (number != SIGHUP) {
        begin_drain(s, number == SIGTERM ? "SIGTERM" : "SIGINT");
    } else if (s->plan.reload && s->plan.reload(s->plan.ctx, &new, &err) == RS_OK) {
        take_config(s, &new);
    } else if (s->plan.reload) {
        rs_log_error(RS_LOG_ERROR, "settings are wrong and stay as they were", &err);
    }
}

/* ---- The end --------------------------------------------------------- */

/* Behind the last connection, which cancels what it has there. */
static void close_fetcher(rs_server *s)
{
    rs_fetcher_close(s->fetcher);
    s->fetcher = NULL;
}

static void close_handle(uv_handle_t *h)
{
    if (h->loop && !uv_is_closing(h))
        uv_close(h, NULL);
}

static void close_handles(rs_server *s)
{
    close_handle((uv_handle_t *)&s->listener);
    close_handle((uv_handle_t *)&s->wake);
    close_handle((uv_handle_t *)&s->stop);
    close_handle((uv_handle_t *)&s->tick);
    for (size_t i = 0; i < sizeof s->signal / sizeof *s->signal; i++)
        close_handle((uv_handle_t *)&s->signal[i]);
}

static void begin_drain(rs_server *s, const char *why)
{
    if (s->ended)
        return;
    rs_log_event(RS_LOG_INFO, s->draining ? "cut" : "draining", "why", why, (const char *)NULL);
    s->drain_until_ms = s->draining ? 0 : uv_now(&s->loop) + (uint64_t)s->config.drain_ms;
    s->draining = true;
    close_handle((uv_handle_t *)&s->listener);
    for (rs_conn *c = s->conns; c; c = c->next)
        rs_conn_drain(c);
    end_if_drained(s);
}

static void free_jobs(rs_server *s)
{
    rs_jobs_free(s->jobs);
    rs_jobs_free(s->writes);
    s->jobs = s->writes = NULL;
}

/* Nobody is left: the loop has nothing to wait for. */
static void end_if_drained(rs_server *s)
{
    if (!s->draining || s->ended || s->n_conns || s->watch.in_work || s->warm.in_work ||
        s->rest.in_work)
        return;
    s->ended = true;
    free_jobs(s);
    close_handles(s);
    close_fetcher(s);
}

/* ---- The beginning --------------------------------------------------- */

static rs_status uv_fail(rs_err *err, int code, const char *what)
{
    return rs_fail(err, code == UV_EADDRINUSE ? RS_EBUSY : code == UV_ENOMEM ? RS_ENOMEM : RS_EIO,
                   "%s: %s", what, uv_strerror(code));
}

static rs_status start_listening(rs_server *s, rs_err *err)
{
    struct sockaddr_storage address = {0};
    int len = sizeof address, code;
    const int port = (int)s->config.port;
    char what[96];

    snprintf(what, sizeof what, "listen at %s port %d", s->config.bind, port);
    code = strchr(s->config.bind, ':')
        ? uv_ip6_addr(s->config.bind, port, (struct sockaddr_in6 *)&address)
        : uv_ip4_addr(s->config.bind, port, (struct sockaddr_in *)&address);
    if (code == 0)
        code = uv_tcp_bind(&s->listener, (const struct sockaddr *)&address, 0);
    if (code == 0)
        code = uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection);
    if (code == 0)
        code = uv_tcp_getsockname(&s->listener, (struct sockaddr *)&address, &len);
    if (code != 0)
        return uv_fail(err, code, what);
    s->port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                  : ((struct sockaddr_in *)&address)->sin_port);
    return RS_OK;
}

static rs_status start_handles(rs_server *s, rs_err *err)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    int code = 0;

    if ((code = uv_tcp_init(&s->loop, &s->listener)) != 0 ||
        (code = uv_async_init(&s->loop, &s->wake, on_wake)) != 0 ||
        (code = uv_async_init(&s->loop, &s->stop, on_stop)) != 0 ||
        (code = uv_timer_init(&s->loop, &s->tick)) != 0)
        return uv_fail(err, code, "start the loop");
    s->listener.data = s->wake.data = s->stop.data = s->tick.data = s;
    uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
    for (size_t i = 0; s->plan.signals && i < sizeof numbers / sizeof *numbers; i++) {
        if ((code = uv_signal_init(&s->loop, &s->signal[i])) != 0)
            return uv_fail(err, code, "take signals");
        s->signal[i].data = s;
        if ((code = uv_signal_start(&s->signal[i], on_signal, numbers[i])) != 0)
            return uv_fail(err, code, "take signals");
    }
    return RS_OK;
}

/* How many waiting texts are encoded at once: as asked for, else as pays. Images do not: one
 * is hundreds of rows for a processor already. */
static size_t together(const rs_server *s)
{
    enum { TOGETHER = 16 };
    const rs_service *v = &s->plan.service;
    char gain[32];
    bool pays;

    if (!v->texts || !v->encoder)
        return 0;
    if (s->config.together)
        return (size_t)s->config.together;
    snprintf(gain, sizeof gain, "%.2f", rs_text_vectors_gain(v->encoder, TOGETHER));
    pays = strtod(gain, NULL) >= 1.2;
    rs_log_event(RS_LOG_INFO, "waiting texts are encoded", "how", pays ? "together" : "one by one",
                 "gain", gain, (const char *)NULL);
    return pays ? TOGETHER : 1;
}

rs_status rs_server_new(rs_server **out, const rs_server_plan *plan, rs_err *err)
{
    rs_server *s = rs_calloc(1, sizeof *s);
    rs_jobs_plan jobs = {.start = start_worker, .stop = stop_worker, .wake = wake, .ctx = s};
    rs_jobs_plan writes = {.workers = 1, .start = start_writer, .stop = stop_writer, .wake = wake,
                           .ctx = s};
    rs_status st;

    *out = NULL;
    if (!s)
        return rs_fail(err, RS_ENOMEM, "no memory for the server");
    s->plan = *plan;
    if (!s->plan.routes)
        s->plan.routes = rs_routes;
    s->config = plan->config;
    s->begun_s = rs_now_s();
    jobs.workers = s->config.workers ? (size_t)s->config.workers : rs_cores();
    s->n_workers = jobs.workers;
    jobs.capacity = (size_t)s->config.queue;
    jobs.together = together(s);
    writes.capacity = (size_t)s->config.write_queue;
    tell_date(s);
    if (uv_loop_init(&s->loop) != 0) {
        rs_free(s);
        return rs_fail(err, RS_ENOMEM, "no memory for the loop");
    }
    if ((st = rs_config_check(&s->config, err)) != RS_OK ||
        (st = rs_security_begin(s, err)) != RS_OK ||
        (st = start_handles(s, err)) != RS_OK ||
        (rs_generators_count(s->plan.service.generators) &&
         (st = rs_fetcher_new(&s->fetcher, &s->loop, err)) != RS_OK) ||
        (st = start_listening(s, err)) != RS_OK ||
        (st = rs_jobs_new(&s->jobs, &jobs, err)) != RS_OK ||
        (st = rs_jobs_new(&s->writes, &writes, err)) != RS_OK) {
        rs_server_free(s);
        return st;
    }
    *out = s;
    return RS_OK;
}

void rs_server_free(rs_server *s)
{
    if (!s)
        return;
    free_jobs(s);
    s->ended = true;
    close_handles(s);
    for (rs_conn *c = s->conns; c; c = c->next) {
        c->in_work = false;                    /* no worker is left */
        rs_conn_close(c);
    }
    close_fetcher(s);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
    rs_security_end(s);
    rs_free(s);
}

int rs_server_port(const rs_server *s)
{
    return s->port;
}

rs_status rs_server_run(rs_server *s, rs_err *err)
{
    int code;

    tick_watch(s, uv_now(&s->loop) + WATCH_MS);
    code = uv_run(&s->loop, UV_RUN_DEFAULT);
    rs_log_event(RS_LOG_INFO, "stopped", (const char *)NULL);
    return code < 0 ? uv_fail(err, code, "the loop") : RS_OK;
}

void rs_server_stop(rs_server *s)
{
    uv_async_send(&s->stop);
}

/* ---- For handlers ---------------------------------------------------- */

rs_fetcher *rs_server_fetcher(const rs_server *s)
{
    return s->fetcher;
}

size_t rs_server_answers(const rs_server *s)
{
    return (size_t)s->config.answers;
}

rs_auth *rs_server_auth(rs_server *s)
{
    return s->auth;
}

const rs_watch *rs_server_watch(const rs_server *s)
{
    return &s->seen;
}

const char *rs_server_not_ready(const rs_server *s)
{
    if (s->draining)
        return "The server is stopping.";
    if (!s->seen.known)
        return "The archive has not been looked into yet.";
    return s->seen.st == RS_OK ? NULL : "The archive cannot be read; the log says why.";
}

void rs_server_metrics(rs_server *s, rs_buf *out)
{
    const char *names[RS_METRICS_ROUTES] = {NULL};
    rs_metrics *m = &s->metrics;

    for (size_t i = 0; i < rs_routes_count(s->plan.routes) && i < RS_METRICS_ROUTES - 1; i++)
        names[i] = s->plan.routes[i].pattern;
    m->connections = s->n_conns;
    m->streams = s->n_streams;
    m->waiting = rs_jobs_waiting(s->jobs);
    m->running = rs_jobs_running(s->jobs);
    m->image_generation = s->seen.image_generation;
    m->passage_generation = s->seen.passage_generation;
    m->cases = s->seen.cases;
    m->uptime_s = rs_now_s() - s->begun_s;
    rs_metrics_write(m, names, out);
}
