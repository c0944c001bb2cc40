/* conn_work.c - an exchange on its way to a worker and back, and what goes on after that. See
 * conn_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/conn_int.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "server/sse.h"

#include <stddef.h>
#include <stdio.h>

/* What goes on with an answer (rs_later) is never a write. */
rs_jobs *rs_conn_lane(const rs_conn *c)
{
    return c->x.route && c->x.route->write ? c->server->writes : c->server->jobs;
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
    x->job.client = rs_hash_text(x->grant.name ? x->grant.token : x->from);   /* may collide */
    x->job.cost = 1 + (double)x->request->body.len / (256 << 10);
}

/* The request is complete. */
void rs_conn_begin_exchange(rs_conn *c)
{
    rs_server *s = c->server;
    rs_exchange *x = &c->x;

    if (!x->route && !rs_conn_find_route(c, false))
        return;
    if (x->route->loop) {
        x->route->loop(x, s);
        rs_exchange_record(x, x->route->audit);
        rs_reply_finish(&x->reply, x->request, &x->mem);
        rs_conn_send(c, &x->reply);
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
        rs_conn_send(c, &x->reply);
        return;
    }
    c->in_work = true;
    c->state = CONN_WORK;
    rs_conn_begin_phase(c);
}

/* ---- Back from the worker --------------------------------------------- */

static void count_stages(rs_metrics *m, const rs_exchange *x)
{
    rs_metrics_stage(m, RS_STAGE_QUEUE, x->job.begun_s - x->job.queued_s);
    m->renditions_cached += x->view == RS_VIEW_CACHED;
    m->renditions_made += x->view == RS_VIEW_MADE;
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
        rs_conn_send(c, &c->x.reply);
        rs_conn_flush(c);
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
        rs_conn_forget_if_free(c);
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
    rs_conn_send(c, &c->x.reply);
    rs_conn_flush(c);
}

/* ---- Deadlines -------------------------------------------------------- */

/* Answered here although a worker has the exchange: nothing of it is touched. */
static void give_up(rs_conn *c, rs_problem_kind kind, const char *detail)
{
    rs_reply r;

    rs_reply_init(&r);
    rs_problem_reply(&r, kind, NULL, detail);
    c->keep_alive = false;
    c->given_up = true;
    c->server->metrics.timeouts++;
    rs_conn_send(c, &r);
    rs_reply_clear(&r);
    rs_conn_flush(c);
}

void rs_conn_tick_work(rs_conn *c)
{
    /* A worker minds the deadline itself; this is for one that does not get to it. */
    if (rs_now_s() < c->x.until_s + 0.5)
        return;
    if (rs_jobs_drop(rs_conn_lane(c), &c->x.job)) {
        c->in_work = false;
        c->server->metrics.timeouts++;
        rs_problem_reply(&c->x.reply, RS_PROBLEM_BUSY, NULL,
                         "The request waited longer than its deadline: try again.");
        rs_conn_send(c, &c->x.reply);
        rs_conn_flush(c);
    } else {
        give_up(c, RS_PROBLEM_TIMEOUT, "The deadline passed before the answer was ready.");
    }
}

/* ---- For rs_later ----------------------------------------------------- */

void rs_conn_drop_later(rs_conn *c)
{
    const rs_later *later = c->x.later;

    c->x.later = NULL;
    c->wants_worker = false;
    if (later)
        later->drop(&c->x);
}

/* On the worker's thread. */
static void run_later(rs_job *job, void *worker)
{
    rs_exchange *x = (rs_exchange *)job;

    x->later->work(x, worker);
}

void rs_conn_try_worker(rs_conn *c)
{
    c->x.job.run = run_later;
    c->x.job.ahead = NULL;
    c->x.until_s = rs_now_s() + (double)c->server->config.deadline_ms / 1000;
    c->wants_worker = !rs_jobs_push(c->server->jobs, &c->x.job);
    c->in_work = !c->wants_worker;
}

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
    rs_conn_flush(c);
    if (c->state == CONN_STREAM && c->out.len > RS_ANSWER_BYTES)
        rs_conn_close(c);
    return c->state == CONN_STREAM;
}

void rs_server_again(rs_exchange *x)
{
    rs_conn_try_worker(conn_of(x));
}

void rs_server_end(rs_exchange *x)
{
    rs_conn *c = conn_of(x);

    c->ready_s = rs_now_s();
    if (c->state == CONN_STREAM) {
        rs_conn_end_stream(c);
    } else if (c->state == CONN_WORK) {
        rs_reply_finish(&x->reply, x->request, &x->mem);
        rs_conn_send(c, &x->reply);
        rs_conn_flush(c);
    }
}
