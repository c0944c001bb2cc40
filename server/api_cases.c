/* api_cases.c - cases in and out: POST /v1/cases, PUT and DELETE /v1/cases/{key}.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/api.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/access.h"
#include "engine/requests.h"
#include "server/case_request.h"
#include "server/wire.h"

#include <math.h>
#include <string.h>
#include <time.h>

/* ---- Whose cases ------------------------------------------------------ */

/* The case as it is, or NULL; and whether who asks may see it. */
static rs_status look(rs_exchange *x, rs_archive *a, const char *key, rs_case **c, bool *seen,
                      rs_err *err)
{
    rs_status st = rs_archive_get(a, key, &x->mem, c, err);

    *seen = false;
    if (st != RS_OK) {
        *c = NULL;
        return st == RS_ENOENT ? RS_OK : st;
    }
    return rs_access_would_see(x->grant.access, key, (*c)->collection, &x->mem, seen, err);
}

static void no_case(rs_exchange *x)
{
    rs_problem_reply(&x->reply, RS_PROBLEM_NOT_FOUND, NULL, "There is no case of this key.");
}

/* May the case that is sent stand where it wants to? False after having answered. */
static bool may_put(rs_exchange *x, rs_writer *w, const rs_source_case *c)
{
    rs_err err = {0};
    bool yes;

    if (rs_access_would_see(x->grant.access, c->key, c->collection, &x->mem, &yes, &err) != RS_OK) {
        rs_api_write_fail(x, w, &err);
        return false;
    }
    if (!yes)
        rs_problem_reply(&x->reply, RS_PROBLEM_ROLE, "collection", c->collection
                         ? "collection: the token may not put cases into this collection."
                         : "collection: the token may put cases only into its own collections: "
                           "the case has to name one of them.");
    return yes;
}

/* ---- Adding and replacing --------------------------------------------- */

typedef struct {
    rs_exchange    *x;
    rs_case_request request;
    double          begin_s;
    int64_t         now;             /* Unix seconds */
    int             status;
    char           *text;            /* of the answer; owned */
} upload;

/* Status and text of the answer. */
static bool write_answer(upload *u, const rs_one_report *r)
{
    static const char *const states[] = {[RS_ONE_ADDED] = "added", [RS_ONE_REPLACED] = "replaced",
                                         [RS_ONE_UNCHANGED] = "unchanged"};
    json_t *list = json_array(), *o;

    for (size_t i = 0; i < r->n_refused; i++)
        json_array_append_new(list, json_pack("{s:I,s:o}", "image",
                                              (json_int_t)r->refused[i].image, "why",
                                              rs_json_any(r->refused[i].why)));
    o = json_pack("{s:o,s:s,s:I,s:I,s:o,s:f}", "case", rs_json_any(u->request.from.key),
                  "state", states[r->state], "images", (json_int_t)r->images, "passages",
                  (json_int_t)r->passages, "refused", list,
                  "took_ms", round((rs_now_s() - u->begin_s) * 1e6) / 1e3);
    rs_free(u->text);
    u->text = o ? rs_json_text(o) : NULL;
    json_decref(o);
    u->status = r->state == RS_ONE_ADDED ? 201 : 200;
    return u->text != NULL;
}

static rs_status keep_answer(void *ctx, rs_archive *a, const rs_one_report *r, rs_err *err)
{
    upload *u = ctx;
    rs_request kept = {.who = rs_exchange_who(u->x), .key = u->request.repeat_key, .sha256 = u->request.sha256,
                       .case_key = u->request.from.key, .at = u->now};

    if (!write_answer(u, r))
        return rs_fail(err, RS_ENOMEM, "no memory for an answer");
    kept.status = u->status;
    kept.answer = u->text;
    return rs_requests_keep(a, &kept, err);
}

static void answer(rs_exchange *x, const char *key, int status, const char *text)
{
    const char *url = status == 201 ? rs_api_case_url(&x->mem, key) : NULL;

    rs_exchange_shows(x, key);
    x->reply.status = status;
    x->reply.type = "application/json";
    rs_buf_puts(&x->reply.body, text);
    if (url)
        rs_reply_field(&x->reply, "Location", url);
}

/* The same request was answered before: true after having answered. */
static bool answered_before(upload *u, rs_writer *w, rs_archive *a)
{
    rs_exchange *x = u->x;
    const rs_request *before = NULL;
    rs_err err = {0};

    if (!u->request.repeat_key)
        return false;
    if (rs_requests_find(a, rs_exchange_who(x), u->request.repeat_key, u->now, &x->mem, &before,
                         &err) != RS_OK) {
        rs_api_write_fail(x, w, &err);
        return true;
    }
    if (!before)
        return false;
    if (strcmp(before->sha256, u->request.sha256) != 0) {
        rs_problem_reply(&x->reply, RS_PROBLEM_OTHER, "Idempotency-Key", "Idempotency-Key: another "
                         "request was sent with this key within the last 24 hours. A new request "
                         "wants a new key.");
        return true;
    }
    answer(x, u->request.from.key, before->status, before->answer);
    rs_reply_field(&x->reply, "Idempotency-Replayed", "true");
    return true;
}

static void say_taken(rs_exchange *x, const char *key)
{
    const char *url = rs_api_case_url(&x->mem, key);
    const char *detail = url ? rs_arena_sprintf(&x->mem, "There is a case of this key already: PUT "
                                                "it to %s to replace it.", url) : NULL;

    rs_problem_reply(&x->reply, RS_PROBLEM_CONFLICT, "case_id",
                     detail ? detail : "There is a case of this key already.");
}

/* Is the key free for a POST, or theirs for a PUT? False after having answered. */
static bool may_have_key(upload *u, rs_writer *w, rs_archive *a, bool replace)
{
    rs_exchange *x = u->x;
    rs_case *c;
    bool seen;
    rs_err err = {0};

    if (look(x, a, u->request.from.key, &c, &seen, &err) != RS_OK) {
        rs_api_write_fail(x, w, &err);
        return false;
    }
    if (c && !replace)
        say_taken(x, u->request.from.key);
    else if (c && !seen)
        no_case(x);
    return !c || (replace && seen);
}

static void put(upload *u, rs_writer *w, rs_archive *a)
{
    rs_exchange *x = u->x;
    rs_one_report r;
    rs_err err = {0};
    const rs_status st = rs_one_put(a, w->service->encoder, NULL, &u->request.from,
                                    u->request.repeat_key ? keep_answer : NULL, u, &x->mem, &r,
                                    &err);

    if (st == RS_EFORMAT) {
        rs_problem_reply(&x->reply, RS_PROBLEM_IMAGE, "image", err.msg);
    } else if (st != RS_OK) {
        rs_api_write_fail(x, w, &err);
    } else {
        w->changes += r.state != RS_ONE_UNCHANGED;
        if (!u->text && !write_answer(u, &r)) {
            err.code = RS_ENOMEM;
            rs_api_write_fail(x, w, &err);
        } else {
            answer(x, u->request.from.key, u->status, u->text);
        }
    }
}

static void take(upload *u, rs_writer *w, const char *key)
{
    rs_exchange *x = u->x;
    rs_archive *a;
    rs_err err = {0};
    const rs_status st = rs_case_request_read(&u->request, x->request, key, &x->mem, &err);

    if (st == RS_EARG || st == RS_ECORRUPT) {
        rs_problem_reply(&x->reply, RS_PROBLEM_FIELD, *u->request.field ? u->request.field : NULL,
                         err.msg);
        return;
    }
    if (st != RS_OK) {
        rs_api_write_fail(x, w, &err);
        return;
    }
    if (!may_put(x, w, &u->request.from))
        return;
    if (!w->service->encoder) {
        rs_problem_reply(&x->reply, RS_PROBLEM_CONFLICT, NULL, "This server runs without a model, "
                         "and a case cannot be taken in without one.");
        return;
    }
    if (rs_api_open_to_write(x, w, &a) && !answered_before(u, w, a) &&
        may_have_key(u, w, a, key != NULL))
        put(u, w, a);
}

/* `key` of the address; NULL: POST. */
static void upload_case(rs_exchange *x, rs_writer *w, const char *key)
{
    upload u = {.x = x, .begin_s = rs_now_s(), .now = (int64_t)time(NULL)};

    if (!rs_http_has_document(x->request)) {
        rs_problem_reply(&x->reply, RS_PROBLEM_MEDIA_TYPE, NULL, "A case is sent with Content-"
                         "Type: multipart/form-data, or application/json where it has no images.");
        return;
    }
    take(&u, w, key);
    rs_case_request_clear(&u.request);
    rs_free(u.text);
}

void rs_api_case_add(rs_exchange *x, rs_writer *w)
{
    upload_case(x, w, NULL);
}

void rs_api_case_put(rs_exchange *x, rs_writer *w)
{
    upload_case(x, w, x->arg[0]);
}

/* ---- Taking out ------------------------------------------------------- */

static void erase(rs_exchange *x, rs_writer *w, rs_archive *a, const char *key)
{
    rs_erasure e;
    const char *digest;
    rs_err err = {0};
    const rs_status st = rs_archive_erase(a, &key, 1, &e, &err);
    const bool gone = rs_archive_digest(a, key, &x->mem, &digest, NULL) == RS_ENOENT;

    w->changes += gone;
    if (st == RS_OK) {
        rs_api_json(x, rs_wire_erasure(&e));
    } else if (gone) {                         /* out of the tables, but not proved */
        rs_log_error(RS_LOG_ERROR, "not erased for good", &err);
        rs_problem_reply(&x->reply, RS_PROBLEM_INTERNAL, NULL, "The case is deleted and is not "
                         "found any more, but it could not be shown that nothing of it is left in "
                         "the archive's files: the server's log says why. radscout rebuild --purge "
                         "writes these files anew.");
    } else {
        rs_api_write_fail(x, w, &err);
    }
}

/* ?erase=true, or nothing; false after having answered. */
static bool read_erase(rs_exchange *x, bool *yes)
{
    *yes = false;
    for (size_t i = 0; i < x->target.n_params; i++) {
        const rs_http_param *p = &x->target.param[i];
        *yes = strcmp(p->value, "true") == 0;
        if (i > 0 || strcmp(p->name, "erase") != 0 || (!*yes && strcmp(p->value, "false") != 0)) {
            rs_problem_reply(&x->reply, RS_PROBLEM_FIELD, p->name, "A case is deleted with nothing "
                             "but erase, once, true or false.");
            return false;
        }
    }
    if (*yes && x->grant.role < RS_ROLE_ADMIN) {
        rs_problem_reply(&x->reply, RS_PROBLEM_ROLE, "erase", "erase: only an admin's token may "
                         "erase for good; without it the case is deleted.");
        return false;
    }
    return true;
}

void rs_api_case_delete(rs_exchange *x, rs_writer *w)
{
    const char *key = x->arg[0];
    rs_archive *a;
    rs_case *c;
    bool for_good, seen;
    rs_err err = {0};

    if (!read_erase(x, &for_good) || !rs_api_open_to_write(x, w, &a))
        return;
    if (look(x, a, key, &c, &seen, &err) != RS_OK) {
        rs_api_write_fail(x, w, &err);
        return;
    }
    if (!c || !seen) {
        no_case(x);
        return;
    }
    rs_exchange_shows(x, key);
    if (for_good) {
        erase(x, w, a, key);
        return;
    }
    if (rs_one_remove(a, c, &err) != RS_OK) {
        rs_api_write_fail(x, w, &err);
        return;
    }
    w->changes++;
    x->reply.status = 204;
}
