/* exchange.h - one request and its answer, on the way from the loop to a worker and back.
 *
 *   connection.c   parses the request, finds its route        loop thread
 *   route->work    reads x->request, fills in x->reply        a worker
 *   connection.c   sends x->reply                             loop thread
 *
 * At any moment one thread owns an exchange: rs_jobs hands it over. All texts a handler
 * makes live in x->mem, which is emptied when the answer has been sent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_EXCHANGE_H
#define RS_SERVER_EXCHANGE_H

#include "base/arena.h"
#include "server/http_request.h"
#include "server/http_target.h"
#include "server/jobs.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/service.h"

typedef struct rs_server rs_server;
typedef struct rs_exchange rs_exchange;

enum { RS_ROUTE_ARGS = 2 };

/* What can be asked for. One of `loop` (quick, on the loop's thread) and `work` is there. */
typedef struct {
    rs_http_method method;                 /* GET serves HEAD too */
    const char    *pattern;                /* "/v1/cases/{key}" */
    void         (*loop)(rs_exchange *x, rs_server *s);
    void         (*work)(rs_exchange *x, rs_worker *w);
    bool           takes_body;
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
    rs_arena        mem;
    rs_reply        reply;
    const rs_later *later;                 /* NULL: the worker's reply is all */
    void           *state;                 /* of `later` */
    double          encode_s, search_s;    /* of the worker; negative: did not happen */
};

#endif
