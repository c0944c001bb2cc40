/* exchange.h - one request and its answer, on the way from the loop to a worker and back.
 *
 *   conn_in.c      parses the request, finds its route        loop thread
 *   route->work    reads x->request, fills in x->reply        a worker
 *   conn_out.c     sends x->reply                             loop thread
 *
 * At any moment one thread owns an exchange: rs_jobs hands it over. All texts a handler
 * makes live in x->mem, which is emptied when the answer has been sent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_EXCHANGE_H
#define RS_SERVER_EXCHANGE_H

#include "base/arena.h"
#include "engine/query.h"
#include "server/audit_log.h"
#include "server/auth.h"
#include "server/http_request.h"
#include "server/http_target.h"
#include "server/jobs.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/service.h"
#include "server/writer.h"

typedef struct rs_server rs_server;
typedef struct rs_exchange rs_exchange;

enum { RS_ROUTE_ARGS = 2 };

/* Where a rendition came from, for the metrics. */
typedef enum { RS_VIEW_NONE, RS_VIEW_CACHED, RS_VIEW_MADE } rs_view_origin;

/* What can be asked for. One of `loop` (quick, on the loop's thread), `work` and `write` (which
 * changes the archive) is there. A row says who may ask: a row that does not is for nobody. */
typedef struct {
    rs_http_method method;                 /* GET serves HEAD too */
    const char    *pattern;                /* "/v1/cases/{key}" */
    void         (*loop)(rs_exchange *x, rs_server *s);
    void         (*work)(rs_exchange *x, rs_worker *w);
    bool           takes_body;
    rs_role        role;                   /* at least; public: without a token */
    bool           whole;                  /* tells of all collections: needs access to them */
    rs_audit_kind  audit;                  /* as what it stands in the audit log; RS_AUDITS: not */
    void         (*write)(rs_exchange *x, rs_writer *w);
    /* By a worker: n waiting ones of any routes that have it are looked at (rs_jobs). */
    void         (*ahead)(rs_exchange *const *x, size_t n, rs_worker *w);
} rs_route;

/* What goes on with an exchange when its worker has returned: set by the worker, for answers
 * that wait for somebody else. A reply with `stream` has its head sent before `begin`.
 *
 *   worker: route->work   loop: begin -> ... -> rs_server_again   worker: work   loop: begin ...
 *                                        '----> rs_server_end */
typedef struct {
    void (*begin)(rs_exchange *x, rs_server *s);
    void (*work)(rs_exchange *x, rs_worker *w);
    void (*drop)(rs_exchange *x);          /* on the loop, once: it is over or the client is gone */
} rs_later;

struct rs_exchange {
    rs_job          job;                   /* first: an rs_job * of ours is an rs_exchange * */
    const rs_http_request *request;
    rs_target       target;
    const rs_route *route;                 /* NULL: none matched */
    size_t          route_index;           /* for the metrics */
    const char     *arg[RS_ROUTE_ARGS];    /* what stands for {…} in the pattern, in order */
    double          until_s;               /* rs_now_s() of the deadline */
    bool            logged;                /* a line in the log when it is done */
    rs_audit_log   *audit;                 /* where it is recorded; NULL: nowhere */
    char            from[48];              /* the client's address */
    rs_grant        grant;                 /* who asks; .access goes into every look-up */
    const char     *asked;                 /* for the audit log: what, where the target does not */
    const char    **shown;                 /* tell it, and the cases in the answer */
    size_t          n_shown, shown_cap;
    bool            audit_failed;          /* no memory for one of them: no answer */
    rs_arena        mem;
    rs_reply        reply;
    const rs_later *later;                 /* NULL: the worker's reply is all */
    void           *state;                 /* of `later` */
    rs_text_use     texts;                 /* how those of the query got their vectors */
    double          encode_s, search_s;    /* of the worker; negative: did not happen */
    rs_view_origin  view;                  /* of the worker */
};

/* For handlers: the answer shows that case; `key` outlives the exchange or
 * is in x->mem. */
void rs_exchange_shows(rs_exchange *x, const char *key);
/* The name of the token that asks; "" where nobody had to say. */
const char *rs_exchange_who(const rs_exchange *x);
/* A query of who asks, answered by `w`: encoder, access, deadline and what is
 * remembered are set. */
void rs_exchange_query(rs_exchange *x, const rs_worker *w, rs_query *q);
/* The exchange's line in the audit log, as `kind`. Where it cannot be written the reply
 * becomes a 503. Whoever has the exchange calls it, before the answer goes out. */
void rs_exchange_record(rs_exchange *x, rs_audit_kind kind);
/* Nothing of the request before. */
void rs_exchange_forget(rs_exchange *x);

#endif
