/* problem.c - see problem.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/problem.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"

#include <string.h>

static const struct { int status; const char *type; } kinds[] = {
#define PROBLEM_ROW(name, status, type) {status, type},
    RS_PROBLEM_MAP(PROBLEM_ROW)
#undef PROBLEM_ROW
};

const char *rs_problem_type(rs_problem_kind k)
{
    return kinds[k].type;
}

int rs_problem_status(rs_problem_kind k)
{
    return kinds[k].status;
}

static void make(rs_reply *r, int status, const char *type, const char *field, const char *detail)
{
    json_t *o = json_pack("{s:o,s:s,s:i,s:o}", "type",
                          json_sprintf("https://radscout.invalid/problems/%s", type),
                          "title", rs_status_phrase(status), "status", status,
                          "detail", rs_json_any(detail));
    char *text;

    if (o && field)
        json_object_set_new(o, "field", rs_json_any(field));
    text = o ? rs_json_text(o) : NULL;
    json_decref(o);
    rs_reply_clear(r);
    r->status = status;
    r->type = "application/problem+json";
    rs_buf_puts(&r->body, text ? text : "{\"title\":\"out of memory\"}");
    rs_free(text);
    if (status == 503)
        rs_reply_field(r, "Retry-After", "1");
}

void rs_problem_reply(rs_reply *r, rs_problem_kind k, const char *field, const char *detail)
{
    make(r, kinds[k].status, kinds[k].type, field, detail);
}

void rs_problem_status_reply(rs_reply *r, int status, const char *detail)
{
    const char *type = kinds[RS_PROBLEM_REQUEST].type;

    for (size_t k = RS_PROBLEM_ORIGIN; k < RS_PROBLEMS; k++)
        if (kinds[k].status == status)
            type = kinds[k].type;
    make(r, status, type, NULL, detail);
}

void rs_problem_err_reply(rs_reply *r, const rs_err *err)
{
    switch (err->code) {
    case RS_EARG:
        rs_problem_reply(r, RS_PROBLEM_FIELD, NULL, err->msg);
        return;
    case RS_ENOENT:
        rs_problem_reply(r, RS_PROBLEM_NOT_FOUND, NULL, err->msg);
        return;
    case RS_EFORMAT:
        rs_problem_reply(r, RS_PROBLEM_IMAGE, NULL, err->msg);
        return;
    case RS_ELIMIT:
        rs_problem_reply(r, RS_PROBLEM_TOO_LARGE, NULL, err->msg);
        return;
    case RS_ECANCEL:
        rs_problem_reply(r, RS_PROBLEM_TIMEOUT, NULL, "The deadline passed before the search was "
                         "done: ask for less, or give deadline_ms more.");
        return;
    case RS_EBUSY:
        rs_problem_reply(r, RS_PROBLEM_BUSY, NULL, "The archive is in use: try again.");
        return;
    case RS_OK:
    case RS_EIO:
    case RS_ENOMEM:
    case RS_ECORRUPT:
    case RS_EMISMATCH:
    case RS_STATUS_COUNT:
        break;
    }
    rs_log_error(RS_LOG_ERROR, "request failed", err);
    rs_problem_reply(r, err->code == RS_ENOMEM ? RS_PROBLEM_BUSY : RS_PROBLEM_INTERNAL, NULL,
                     err->code == RS_ENOMEM ? "There is not enough memory just now: try again."
                     : "The server failed at this; its log says why.");
}
