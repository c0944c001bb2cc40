/* api_session.c - /v1/session: who one is, and the page's cookie (session.h).
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/api.h"

#include "base/clock.h"
#include "server/server.h"

/* Who asks, as JSON. */
static void answer(rs_exchange *x, const char *csrf)
{
    const rs_grant *g = &x->grant;
    json_t *collections = g->collections ? json_loads(g->collections, 0, NULL) : json_string("all");

    rs_api_json(x, json_pack("{s:o,s:s,s:o,s:o}", "name", rs_json_any(g->name),
                             "role", rs_role_name(g->role), "collections", collections,
                             "csrf", rs_json_any(csrf)));
}

void rs_api_session(rs_exchange *x, rs_server *s)
{
    (void)s;
    answer(x, x->grant.csrf);
}

void rs_api_session_begin(rs_exchange *x, rs_server *s)
{
    const char *set_cookie, *csrf;
    rs_err err = {0};

    if (!x->grant.name) {                          /* no tokens are asked for: nothing to keep */
        answer(x, NULL);
        return;
    }
    if (rs_auth_begin_session(rs_server_auth(s), &x->grant, rs_now_s(), &x->mem, &set_cookie,
                              &csrf, &err) != RS_OK) {
        rs_problem_err_reply(&x->reply, &err);
        return;
    }
    rs_reply_field(&x->reply, "Set-Cookie", set_cookie);
    answer(x, csrf);
}

void rs_api_session_end(rs_exchange *x, rs_server *s)
{
    rs_reply_field(&x->reply, "Set-Cookie",
                   rs_auth_end_session(rs_server_auth(s), x->request, rs_now_s()));
    x->reply.status = 204;
}
