/* conn_route.c - a request's head: whom it concerns, and whether who asks may. See conn_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/conn_int.h"

#include "base/clock.h"

#include <string.h>

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
    rs_conn_send(c, &x->reply);
    return false;
}

/* The head is complete: whom it concerns. false after having answered. */
bool rs_conn_find_route(rs_conn *c, bool body_follows)
{
    const rs_http_request *r = rs_http_request_of(c->parser);
    const char *why;
    char allow[64];
    int status;

    c->x.request = r;
    c->keep_alive = r->keep_alive && !r->http10;   /* it would want to be told in an own way */
    c->head_only = r->method == RS_HTTP_HEAD;
    if ((status = rs_target_parse(&c->x.target, r->target, &c->x.mem, &why)) != 0) {
        rs_conn_refuse(c, status, why, body_follows);
    } else if (*r->host && !rs_config_is_host(&c->server->config, r->host)) {
        rs_conn_refuse(c, 421, "This server is not known by the name in the Host field: use localhost, or "
               "name it in the setting hosts.", body_follows);
    } else if (other_origin(&c->server->config, r)) {
        rs_conn_refuse(c, 403, "A page of another origin asks; only this server's own page may.",
               body_follows);
    } else {
        rs_route_match match = rs_route_find(c->server->plan.routes, r->method, &c->x, allow);
        if (match == RS_ROUTE_FOUND)
            return admit(c, body_follows);
        if (match == RS_ROUTE_NO_PATH && strcmp(r->target, "*") != 0) {
            rs_conn_refuse(c, 404, "There is nothing at this path; /v1/openapi.json lists what there is.",
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
            rs_conn_send(c, reply);
        }
    }
    return false;
}
