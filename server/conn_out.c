/* conn_out.c - answers out: heads, bodies, files piece by piece, and what comes after an answer. See
 * conn_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/conn_int.h"

#include "base/alloc.h"
#include "base/clock.h"

enum { KEPT_ARENA = 256 << 10 };

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
    rs_conn_begin_phase(c);
}

/* What a large answer needed: hundreds may wait for a request for a minute. */
static void let_go(rs_conn *c)
{
    if (c->out.len == 0 && c->out.cap > RS_PIECE_BYTES)
        rs_buf_clear(&c->out);
    if (!c->in_write && c->sending.cap > RS_PIECE_BYTES)
        rs_buf_clear(&c->sending);
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
        rs_conn_linger(c);
        return;
    }
    c->state = CONN_READ;
    let_go(c);
    rs_conn_resume(c);
}

static void on_piece(uv_fs_t *fs)
{
    rs_conn *c = fs->data;
    ssize_t n = fs->result;

    uv_fs_req_cleanup(fs);
    c->in_read = false;
    if (c->state == CONN_CLOSING) {
        rs_conn_forget_if_free(c);
        return;
    }
    if (n <= 0) {                              /* shorter than it was: the client must see that */
        rs_conn_close(c);
        return;
    }
    c->x.reply.offset += (uint64_t)n;
    c->x.reply.length -= (uint64_t)n;
    rs_buf_append(&c->out, c->piece, (size_t)n);
    rs_free(c->piece);                         /* not while the client takes its time */
    c->piece = NULL;
    rs_conn_flush(c);
}

/* The next piece of a file that is the body. */
static void read_piece(rs_conn *c)
{
    const rs_reply *r = &c->x.reply;
    uv_buf_t buf;

    if (!c->piece && !(c->piece = rs_malloc(c->piece_bytes))) {
        rs_conn_close(c);
        return;
    }
    buf = uv_buf_init(c->piece, (unsigned)(r->length < c->piece_bytes ? r->length : c->piece_bytes));
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
    c->moved_ms = rs_conn_now(c);
    c->moved_bytes += c->sending.len;
    c->sending.len = 0;
    rs_conn_flush(c);
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

/* Larger pieces for one who takes two in a row at once, small ones for one who does not. */
static void pace(rs_conn *c, bool at_once)
{
    if (!at_once)
        c->piece_bytes = RS_PIECE_BYTES;
    else if (c->prompt && c->piece_bytes < RS_PIECE_MOST)
        c->piece_bytes *= 2;
    c->prompt = at_once;
}

/* Send what is in `out`: at once where the socket takes it. */
void rs_conn_flush(rs_conn *c)
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
        c->moved_ms = rs_conn_now(c);
        c->moved_bytes += (unsigned)n;
    }
    if (c->x.reply.fd >= 0)
        pace(c, n == (int)out->len);
    if (n == (int)out->len) {
        out->len = 0;
        sent(c);
        return;
    }
    swap = c->sending;
    c->sending = *out;
    *out = swap;
    rs_buf_clear(out);                         /* it may be long until there is more for it */
    buf.base += n > 0 ? n : 0;
    buf.len -= (size_t)(n > 0 ? n : 0);
    c->write.data = c;
    c->in_write = uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) == 0;
    if (!c->in_write)
        rs_conn_close(c);
}

/* Put `r` on its way. Whoever calls flushes, so that many small answers go out in one write. */
void rs_conn_send(rs_conn *c, rs_reply *r)
{
    rs_server *s = c->server;

    c->status = r->status;
    rs_metrics_request(&s->metrics, c->x.route ? c->x.route_index : RS_METRICS_ROUTES - 1,
                       r->status);
    rs_reply_head(r, s->date, c->keep_alive && !s->draining, &c->out);
    if (r->body.failed)
        c->out.failed = true;
    if (r->fd >= 0 && !c->in_work)             /* of it only the file is still wanted, and long */
        rs_arena_clear(&c->x.mem);
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
    rs_conn_begin_phase(c);
}

/* Answer with a problem; the connection ends where the rest of the request is not read. */
void rs_conn_refuse(rs_conn *c, int status, const char *detail, bool last)
{
    if (last)
        c->keep_alive = false;
    rs_problem_status_reply(&c->x.reply, status, detail);
    rs_conn_send(c, &c->x.reply);
}
