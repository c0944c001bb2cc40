/* api_judgments.c - /v1/judgments: what experts say of a case as an answer to a query
 * (engine/judgments.h).
 *
 * Who asks sees only judgments of which all named cases may be seen, and one's name is that of
 * one's token. A judgment may be taken back by who made it; an editor may remove what it sees.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/api.h"

#include "base/bytes.h"
#include "engine/access.h"
#include "engine/judgments.h"
#include "server/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOCUMENT_BYTES = 256 << 10, PAGE = 100, MAX_PAGE = 1000, PAGE_BYTES = 2 << 20 };

static void wrong(rs_exchange *x, const char *field, const char *what)
{
    char detail[400];

    snprintf(detail, sizeof detail, "%s: %s", field, what);
    rs_problem_reply(&x->reply, RS_PROBLEM_FIELD, field, detail);
}

/* The audit log is told which cases the answer names. */
static void show(rs_exchange *x, const rs_judgment *j)
{
    rs_judged_query q;

    rs_exchange_shows(x, j->key);
    if (rs_judged_query_parse(&q, j->query, &x->mem, NULL) != RS_OK) {
        x->audit_failed = true;
        return;
    }
    for (size_t i = 0; i < q.n_likes; i++)
        rs_exchange_shows(x, q.likes[i]);
}

/* A number of digits alone, from 1; 0 where it is none. */
static int64_t positive(const char *text)
{
    const size_t n = strlen(text);

    return n && n <= 18 && strspn(text, "0123456789") == n ? (int64_t)strtoll(text, NULL, 10) : 0;
}

/* ---- Judging ---------------------------------------------------------- */

/* What a request says; the texts are the document's. */
typedef struct {
    json_t         *document;
    rs_judgment     j;
    rs_judged_query query;
} said;

static bool read_query(rs_exchange *x, said *s, const json_t *v)
{
    char field[96], whole[128];
    rs_err err = {0};
    rs_status st = rs_judged_query_read(&s->query, v, &x->mem, field, &err);

    if (st == RS_OK) {
        s->j.query = s->query.canonical;
        return true;
    }
    snprintf(whole, sizeof whole, "query%s%s", *field ? "." : "", field);
    if (st == RS_EARG)
        wrong(x, whole, *field ? err.msg + strlen(field) + 2 : err.msg);
    else
        rs_problem_err_reply(&x->reply, &err);
    return false;
}

static bool read_field(rs_exchange *x, said *s, const char *field, const json_t *v)
{
    const char *text = json_string_value(v);

    if (strcmp(field, "query") == 0)
        return read_query(x, s, v);
    if (strcmp(field, "note") == 0 && json_is_null(v))
        return true;
    if (strcmp(field, "case") != 0 && strcmp(field, "verdict") != 0 && strcmp(field, "note") != 0)
        return wrong(x, field, "there is no such field; there are query, case, verdict, note"),
               false;
    if (!text)
        return wrong(x, field, "wanted a string"), false;
    if (*field == 'c')
        s->j.key = text;
    else if (*field == 'n')
        s->j.note = text;
    else
        s->j.verdict = rs_judged_of(text);
    if (*field == 'v' && s->j.verdict == RS_JUDGED_VERDICTS) {
        char what[300];
        snprintf(what, sizeof what, "wanted one of %s", rs_judged_names());
        return wrong(x, field, what), false;
    }
    if (*field == 'n' && strlen(text) > RS_JUDGMENT_NOTE_BYTES)
        return wrong(x, field, "is longer than 4096 bytes"), false;
    return true;
}

/* False after having answered what is wrong. */
static bool read_document(rs_exchange *x, said *s)
{
    const rs_buf *body = &x->request->body;
    const char *field;
    json_t *v;
    rs_err err = {0};

    if (!rs_http_type_is(rs_http_field_of(x->request, "content-type"), "application/json")) {
        rs_problem_reply(&x->reply, RS_PROBLEM_MEDIA_TYPE, NULL, "A judgment is sent with "
                         "Content-Type: application/json.");
        return false;
    }
    if (body->len > DOCUMENT_BYTES) {
        rs_problem_reply(&x->reply, RS_PROBLEM_TOO_LARGE, NULL, "A judgment has at most 256 KiB.");
        return false;
    }
    if (rs_json_parse(&s->document, body->len ? body->data : "", body->len, "judgment",
                      &err) != RS_OK) {
        if (err.code == RS_ECORRUPT)
            rs_problem_reply(&x->reply, RS_PROBLEM_FIELD, NULL, err.msg);
        else
            rs_problem_err_reply(&x->reply, &err);
        return false;
    }
    if (!json_is_object(s->document)) {
        rs_problem_reply(&x->reply, RS_PROBLEM_FIELD, NULL, "judgment: wanted an object");
        return false;
    }
    s->j.verdict = RS_JUDGED_VERDICTS;
    json_object_foreach(s->document, field, v)
        if (!read_field(x, s, field, v))
            return false;
    if (!s->j.query)
        return wrong(x, "query", "is missing"), false;
    if (!s->j.key)
        return wrong(x, "case", "is missing"), false;
    if (s->j.verdict == RS_JUDGED_VERDICTS)
        return wrong(x, "verdict", "is missing"), false;
    return true;
}

/* Is the case there for who asks? False after having answered. */
static bool sees(rs_exchange *x, rs_writer *w, rs_archive *a, const char *field, const char *key)
{
    rs_err err = {0};
    rs_case *c;
    rs_status st = rs_access_case(a, x->grant.access, key, &x->mem, &c, &err);

    if (st == RS_OK)
        return true;
    rs_api_write_fail(x, w, &err);
    if (st == RS_ENOENT) {
        char detail[300];
        snprintf(detail, sizeof detail, "%s: there is no case '%.200s'", field, key);
        rs_problem_reply(&x->reply, RS_PROBLEM_NOT_FOUND, field, detail);
    }
    return false;
}

/* In a batch of its own. RS_EARG: who says it could not see it afterwards. */
static rs_status put(rs_exchange *x, rs_archive *a, const rs_judgment *j, rs_judgment *out,
                     bool *replaced, rs_err *err)
{
    int64_t id;
    rs_status st;

    if ((st = rs_archive_begin(a, err)) != RS_OK)
        return st;
    if ((st = rs_judgments_add(a, j, &id, replaced, err)) == RS_OK) {
        st = rs_judgments_get(a, x->grant.access, id, &x->mem, out, err);
        if (st == RS_ENOENT)
            st = rs_fail(err, RS_EARG, "tests a case, patient, collection, source or attribute "
                         "for a value that no case has, or for too many");
    }
    if (st == RS_OK)
        return rs_archive_commit(a, err);
    rs_archive_rollback(a);
    return st;
}

static void judge(rs_exchange *x, rs_writer *w, said *s)
{
    rs_archive *a;
    rs_judgment out;
    rs_err err = {0};
    bool replaced;
    rs_status st;

    x->asked = rs_arena_sprintf(&x->mem, "%s %s", rs_judged_name(s->j.verdict), s->j.query);
    s->j.who = rs_exchange_who(x);
    if (!rs_api_open_to_write(x, w, &a))
        return;
    if (!sees(x, w, a, "case", s->j.key))
        return;
    for (size_t i = 0; i < s->query.n_likes; i++)
        if (!sees(x, w, a, "query.like", s->query.likes[i]))
            return;
    st = put(x, a, &s->j, &out, &replaced, &err);
    if (st == RS_EARG) {
        wrong(x, "query.filter", err.msg);
    } else if (st != RS_OK) {
        rs_api_write_fail(x, w, &err);
    } else {
        show(x, &out);
        rs_api_json(x, rs_wire_judgment(&out));
        if (x->reply.status == 200 && !replaced)
            x->reply.status = 201;
    }
}

void rs_api_judge(rs_exchange *x, rs_writer *w)
{
    said s = {.document = NULL};

    if (read_document(x, &s))
        judge(x, w, &s);
    json_decref(s.document);
}

/* ---- Listing ---------------------------------------------------------- */

/* ?case=KEY&query=QUERY&who=NAME&limit=N&after=ID, each once. False after having answered. */
static bool read_params(rs_exchange *x, rs_judgments_wanted *want)
{
    rs_judged_query q;
    rs_err err = {0};

    *want = (rs_judgments_wanted){.access = x->grant.access, .limit = PAGE,
                                   .bytes = PAGE_BYTES};
    for (size_t i = 0; i < x->target.n_params; i++) {
        const rs_http_param *p = &x->target.param[i];
        for (size_t k = 0; k < i; k++)
            if (strcmp(x->target.param[k].name, p->name) == 0)
                return wrong(x, p->name, "is there twice"), false;
        if (strcmp(p->name, "case") == 0) {
            want->key = p->value;
        } else if (strcmp(p->name, "who") == 0) {
            want->who = p->value;
        } else if (strcmp(p->name, "after") == 0) {
            want->after = positive(p->value);
            if (!want->after && strcmp(p->value, "0") != 0)
                return wrong(x, "after", "wanted the id of a judgment"), false;
        } else if (strcmp(p->name, "limit") == 0) {
            want->limit = (size_t)positive(p->value);
            if (want->limit < 1 || want->limit > MAX_PAGE)
                return wrong(x, "limit", "wanted a number from 1 to 1000"), false;
        } else if (strcmp(p->name, "query") == 0) {
            rs_status st = rs_judged_query_parse(&q, p->value, &x->mem, &err);
            if (st == RS_EARG)
                return wrong(x, "query", err.msg), false;
            if (st != RS_OK)
                return rs_problem_err_reply(&x->reply, &err), false;
            want->query = q.canonical;
        } else {
            return wrong(x, p->name, "judgments are listed by case, query, who, limit, after"),
                   false;
        }
    }
    return true;
}

void rs_api_judgments(rs_exchange *x, rs_worker *w)
{
    json_t *list = json_array();
    rs_judgments_wanted want;
    const rs_judgment *j;
    rs_err err = {0};
    size_t n;
    bool more;

    if (!read_params(x, &want)) {
        json_decref(list);
        return;
    }
    if (rs_judgments_list(w->archive, &want, &x->mem, &j, &n, &more, &err) != RS_OK) {
        json_decref(list);
        rs_api_fail(x, w, &err);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        show(x, &j[i]);
        json_array_append_new(list, rs_wire_judgment(&j[i]));
    }
    rs_api_json(x, json_array_size(list) < n ? (json_decref(list), NULL)
                : json_pack("{s:o,s:o}", "judgments", list, "next",
                            more ? json_integer(j[n - 1].id) : json_null()));
}

/* ---- Taking back ------------------------------------------------------ */

/* May who asks remove it? RS_ENOENT: it is not there, for them. */
static rs_status may_remove(rs_exchange *x, rs_archive *a, int64_t id, rs_judgment *j, bool *may,
                            rs_err *err)
{
    rs_status st = rs_judgments_get(a, NULL, id, &x->mem, j, err);

    if (st != RS_OK)
        return st;
    *may = strcmp(j->who, rs_exchange_who(x)) == 0;
    if (*may)
        return RS_OK;
    *may = x->grant.role >= RS_ROLE_EDITOR;
    return rs_judgments_get(a, x->grant.access, id, &x->mem, j, err);
}

void rs_api_judgment_remove(rs_exchange *x, rs_writer *w)
{
    const int64_t id = positive(x->arg[0]);
    rs_archive *a;
    rs_judgment j;
    rs_err err = {0};
    bool may = false;
    rs_status st;

    if (!id) {
        rs_problem_reply(&x->reply, RS_PROBLEM_NOT_FOUND, NULL, "A judgment is named by its id, "
                         "a number.");
        return;
    }
    if (!rs_api_open_to_write(x, w, &a))
        return;
    st = may_remove(x, a, id, &j, &may, &err);
    if (st == RS_OK && !may) {
        rs_problem_reply(&x->reply, RS_PROBLEM_ROLE, NULL, "Somebody else's judgment is removed by "
                         "an editor.");
        return;
    }
    if (st == RS_OK && (st = rs_archive_begin(a, &err)) == RS_OK) {
        st = rs_judgments_remove(a, id, NULL, &err);
        st = st == RS_OK ? rs_archive_commit(a, &err) : (rs_archive_rollback(a), st);
    }
    if (st != RS_OK) {
        rs_api_write_fail(x, w, &err);
        return;
    }
    rs_exchange_shows(x, j.key);
    x->reply.status = 204;
}
