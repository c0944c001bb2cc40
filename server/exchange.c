/* exchange.c - see exchange.h: what of an exchange the audit log keeps.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/exchange.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

void rs_exchange_shows(rs_exchange *x, const char *key)
{
    if (!x->audit || !key)
        return;
    if (x->n_shown == x->shown_cap) {
        const size_t cap = x->shown_cap ? 2 * x->shown_cap : 16;
        const char **rows = rs_new(&x->mem, const char *, cap);
        if (!rows) {
            x->audit_failed = true;
            return;
        }
        if (x->n_shown)
            memcpy(rows, x->shown, x->n_shown * sizeof *rows);
        x->shown = rows;
        x->shown_cap = cap;
    }
    x->shown[x->n_shown++] = key;
}

const char *rs_exchange_who(const rs_exchange *x)
{
    return x->grant.name ? x->grant.name : "";
}

void rs_exchange_query(rs_exchange *x, const rs_worker *w, rs_query *q)
{
    const double left = x->until_s - rs_now_s();

    q->encoder = w->service->encoder;
    q->access = x->grant.access;
    q->deadline_s = left > 0.001 ? left : 0.001;
    x->texts.from = w->service->texts;
    if (x->texts.from) {
        q->encode = rs_text_vectors_of;
        q->encode_ctx = &x->texts;
    }
}

void rs_exchange_record(rs_exchange *x, rs_audit_kind kind)
{
    const rs_audit_event e = {
        .kind = kind, .who = x->grant.name,
        .role = x->grant.name ? rs_role_name(x->grant.role) : NULL, .from = x->from,
        .method = rs_http_method_name(x->request->method), .path = x->target.path,
        .asked = x->asked ? x->asked : x->request->target, .cases = x->shown,
        .n_cases = x->reply.status < 400 ? x->n_shown : 0, .status = x->reply.status};
    rs_err err = {0};
    rs_status st;

    if (!x->audit || kind == RS_AUDITS)
        return;
    st = x->audit_failed ? rs_fail(&err, RS_ENOMEM, "no memory for the cases shown")
                         : rs_audit_log_append(x->audit, &e, &err);
    if (st == RS_OK)
        return;
    rs_log_error(RS_LOG_ERROR, "not recorded, so not answered", &err);
    rs_problem_reply(&x->reply, RS_PROBLEM_BUSY, NULL, "The audit log cannot be written, and "
                     "nothing is answered that is not recorded: the server's log says why.");
}

void rs_exchange_forget(rs_exchange *x)
{
    x->route = NULL;
    x->grant = (rs_grant){.role = RS_ROLE_PUBLIC};
    x->asked = NULL;
    x->shown = NULL;
    x->n_shown = x->shown_cap = 0;
    x->audit_failed = false;
    x->view = RS_VIEW_NONE;
    x->texts = (rs_text_use){0};
}
