/* server_int.h - what a server and its connections are made of; for server.c,
 * security.c, server_generators.c and conn*.c only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_SERVER_INT_H
#define RS_SERVER_SERVER_INT_H

#include "server/metrics.h"
#include "server/routes.h"
#include "server/server.h"
#include "server/tls.h"

#include <uv.h>

enum {
    RS_READ_BYTES = 64 << 10,            /* the loop's one read buffer */
    RS_PIECE_BYTES = 15 << 10,           /* of a file, at first and for a slow reader, whom it */
    RS_PIECE_MOST = 60 << 10,            /* costs 16 KiB with a head; for one who takes all at once */
    RS_PIPELINE_BYTES = 64 << 10,        /* read ahead of the request being answered */
    RS_OUT_BYTES = 64 << 10,             /* unsent answers, above which no request is taken */
    RS_ANSWER_BYTES = 2 << 20,           /* the same of events that answer a question */
    RS_SLOWEST = 1024,                   /* bytes a second that a peer must manage */
    RS_LINGER_MS = 2000                  /* an answered peer may still send what it had begun */
};

typedef enum {
    CONN_READ,                           /* waits for a request, or is in the midst of one */
    CONN_WORK,                           /* the exchange is a worker's */
    CONN_SEND,                           /* an answer goes out */
    CONN_STREAM,                         /* events, until the client goes */
    CONN_LINGER,                         /* answered and shut; what still comes is dropped */
    CONN_CLOSING
} conn_state;

/* One client. Lives from on_connection() until its handle is closed and neither a worker nor a
 * file read has it any more. */
typedef struct rs_conn rs_conn;
struct rs_conn {
    uv_tcp_t    tcp;                     /* first: a uv_handle_t * of ours is an rs_conn * */
    rs_exchange x;
    rs_server  *server;
    rs_tls_stream *tls;                  /* NULL: plain */
    rs_conn    *prev, *next;
    rs_http_parser *parser;
    conn_state  state;
    bool        in_work;                 /* x is a worker's: not to be touched */
    bool        in_read, in_write;       /* a file read, a socket write is under way */
    bool        closed;                  /* the handle is */
    bool        reading;                 /* from the socket */
    bool        keep_alive, head_only;
    bool        wants_worker;            /* for x.later, as soon as the queue has room */
    bool        given_up;                /* answered for the worker: its reply is not wanted */
    rs_buf      in;                      /* bytes of later requests */
    rs_buf      out;                     /* to be sent */
    rs_buf      wire;                    /* `out` as TLS has it, and its own; empty but in flush */
    rs_buf      sending;                 /* handed to libuv */
    char       *piece;                   /* of a file; while it is read */
    size_t      piece_bytes;             /* how large the next is */
    bool        prompt;                  /* the last went out at once */
    uv_write_t  write;
    uv_shutdown_t shutdown;
    uv_fs_t     fs;
    uint64_t    since_ms;                /* this state, or part of a request, began */
    uint64_t    moved_ms;                /* bytes last came or went */
    uint64_t    moved_bytes;             /* since since_ms */
    double      ready_s;                 /* the worker's answer came */
    int         status;                  /* of the answer under way */
};

struct rs_server {
    rs_server_plan plan;
    rs_config   config;
    uv_loop_t   loop;
    uv_tcp_t    listener;
    uv_tcp_t    spare;                   /* for a connection that is refused */
    bool        refusing, refuse_more;
    uv_async_t  wake, stop;
    uv_timer_t  tick;
    uv_signal_t signal[3];               /* TERM, INT, HUP */
    rs_jobs    *jobs;
    rs_jobs    *writes;                  /* one worker, of requests that change the archive */
    rs_fetcher *fetcher;                 /* NULL: no generator is set up */
    rs_auth    *auth;
    rs_audit_log *audit;                 /* NULL: nothing is recorded */
    rs_tls     *tls;                     /* NULL: plain HTTP */
    rs_buf      plain;                   /* what on_read has made of a peer's records */
    rs_conn    *conns;
    size_t      n_conns, n_streams, n_workers;
    rs_metrics  metrics;
    struct { rs_job job; rs_watch look; bool in_work; } watch;      /* the worker's */
    struct { rs_job job; bool in_work, made; size_t workers; } warm;   /* until all are */
    struct { rs_job job; bool in_work, wanted, closed; } rest;      /* the writer's */
    rs_watch    seen;                    /* the loop's copy */
    uint64_t    watched_ms, pinged_ms, drain_until_ms;
    bool        draining, ended;
    double      begun_s;
    int         port;
    char        date[32];
    char        read_buffer[RS_READ_BYTES];
};

/* A connection was accepted into `c`; it is the server's from here on. */
void rs_conn_begin(rs_conn *c);
/* The worker is done with its exchange. */
void rs_conn_worked(rs_conn *c);
/* The queue that it waits in. */
rs_jobs *rs_conn_lane(const rs_conn *c);
/* Time has passed. */
void rs_conn_tick(rs_conn *c, uint64_t now_ms);
/* No more requests: an idle one closes, another after its answer. */
void rs_conn_drain(rs_conn *c);
void rs_conn_close(rs_conn *c);
/* Bytes of a stream; a client that does not keep up is closed. */
void rs_conn_push(rs_conn *c, const rs_buf *bytes);
/* x.later, if there is one, is over. */
void rs_conn_drop_later(rs_conn *c);

/* security.c's: tokens, audit log and certificate, from the settings. */
rs_status rs_security_begin(rs_server *s, rs_err *err);
/* Open the audit log, where there should be one by now. */
rs_status rs_security_audit(rs_server *s, rs_err *err);
/* s->config is new; what cannot change is put back. */
void      rs_security_configure(rs_server *s, const rs_config *old);
void      rs_security_end(rs_server *s);

/* server.c's: the connection's memory may go. */
void rs_server_forget(rs_server *s, rs_conn *c);

#endif
