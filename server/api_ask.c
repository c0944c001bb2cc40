/* api_ask.c - POST /v1/ask: an answer from the archive, cited and checked, as it is made;
 * POST /v1/context: the numbered evidence alone, for a generator of one's own.
 *
 *   worker  search, evidence ------------.------------------------------- built in: all of it
 *   loop      evidence event, generator  |  token events
 *   worker    check -----------------------.----------------------------.
 *   loop                                     second reader, if any       |
 *   worker                                   what it says --------------.|
 *   loop                                                     citation, check, done events
 *
 * A generator that fails, in whatever way, costs an `error` event; the built-in one answers
 * instead. A client that goes away closes the connection to the generator. Without
 * "Accept: text/event-stream" the whole is one JSON object at the end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/api.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "server/ask.h"
#include "server/generation.h"
#include "server/server.h"
#include "server/sse.h"
#include "server/token_stream.h"
#include "server/wire_answer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a worker has left to be done. */
typedef enum { ASK_DRAFT, ASK_SECOND, ASK_DONE } ask_stage;

/* One question; rs_exchange.state. A worker's or the loop's, as the exchange is. */
typedef struct {
    rs_ask         k;
    ask_stage      stage;
    bool           stream;
    double         begun_s;
    rs_exchange   *x;
    rs_generation *generation;           /* under way, on the loop */
    rs_token_stream tokens, thoughts;    /* of the answer; of reasoning that comes apart */
    rs_buf         text, reasoning;      /* of the generator, when it has ended */
    char           finish[24];
    char           problem[RS_ASK_PROBLEM];      /* why it did not; "" */
    rs_buf         events;               /* to be pushed next */
} asking;

/* ---- Events ---------------------------------------------------------- */

static void put_event(rs_buf *out, const char *event, json_t *o)
{
    char *text = o ? rs_json_text(o) : NULL;

    json_decref(o);
    if (text)
        rs_sse_event(out, event, NULL, text);
    else
        out->failed = true;
    rs_free(text);
}

static void put_problem(asking *a, const rs_reply *problem)
{
    rs_sse_event(&a->events, "error", NULL, problem->body.data ? problem->body.data : "{}");
}

/* The generator's failure: told, and then answered without it. */
static void put_generator_problem(asking *a)
{
    rs_reply r;

    rs_reply_init(&r);
    rs_problem_reply(&r, RS_PROBLEM_GENERATOR, NULL, a->problem);
    put_problem(a, &r);
    rs_reply_clear(&r);
}

static json_t *check_of(const asking *a)
{
    const rs_verified *v = &a->k.verified;

    return json_pack("{s:I,s:I,s:b,s:o,s:o}", "claims", (json_int_t)v->claims, "held",
                     (json_int_t)v->held, "enough", (int)v->enough, "second",
                     rs_json_any(a->k.second), "sentences",
                     rs_wire_sentences(v, a->k.request.policy, a->k.context.n));
}

static json_t *answer_of(const asking *a)
{
    const rs_ask *k = &a->k;

    return json_pack("{s:o,s:o,s:b,s:s,s:s,s:o,s:o,s:f}",
                     "answer", rs_wire_cited(k->verified.text, k->context.n),
                     "reasoning", rs_json_any(k->reasoning), "enough", (int)k->verified.enough,
                     "generator", rs_ask_by(k), "template", rs_prompt_name(k->request.template),
                     "finish", rs_json_any(k->by ? a->finish : NULL), "problem",
                     rs_json_any(*a->problem ? a->problem : NULL), "took_ms",
                     round((rs_now_s() - a->begun_s) * 1e6) / 1e3);
}

static void finish_stream(asking *a)
{
    const rs_ask *k = &a->k;
    json_t *citations = rs_wire_citations(&k->verified, &k->context), *one;
    size_t i;

    if (!k->by)                                /* quoted and checked: it may be shown */
        put_event(&a->events, "token", json_pack("{s:o,s:b}", "text",
                                                 rs_json_any(k->verified.text), "reasoning", 0));
    json_array_foreach(citations, i, one)
        put_event(&a->events, "citation", json_incref(one));
    json_decref(citations);
    put_event(&a->events, "check", check_of(a));
    put_event(&a->events, "done", answer_of(a));
}

static void finish_whole(asking *a)
{
    const rs_ask *k = &a->k;
    json_t *o = answer_of(a);

    json_object_set_new(o, "citations", rs_wire_citations(&k->verified, &k->context));
    json_object_set_new(o, "checks", check_of(a));
    json_object_set_new(o, "context", rs_wire_context(&k->context, &a->x->mem));
    rs_api_json(a->x, o);
}

/* By a worker: the answer is there. */
static void finish(asking *a)
{
    a->stage = ASK_DONE;
    if (a->stream)
        finish_stream(a);
    else
        finish_whole(a);
}

/* By a worker: there will be none. */
static void fail(asking *a, rs_worker *w, const rs_err *err)
{
    a->stage = ASK_DONE;
    rs_api_fail(a->x, w, err);
    if (a->stream)
        put_problem(a, &a->x->reply);
}

/* ---- Workers --------------------------------------------------------- */

/* The draft is there, or is not to come. */
static rs_status draft_ended(asking *a, rs_worker *w, rs_err *err)
{
    rs_status st = rs_ask_drafted(&a->k, w, a->text.data ? a->text.data : "",
                                  a->reasoning.data ? a->reasoning.data : "", a->problem,
                                  &a->x->mem, err);

    if (*a->problem && a->stream)
        put_generator_problem(a);
    return st;
}

static rs_status second_ended(asking *a, rs_err *err)
{
    rs_status st = rs_ask_seconded(&a->k, a->text.data ? a->text.data : "", a->problem,
                                   &a->x->mem, err);

    a->problem[0] = '\0';                      /* the answer stands without it */
    return st;
}

static void on_work(rs_exchange *x, rs_worker *w)
{
    asking *a = x->state;
    rs_err err = {0};
    rs_status st = a->stage == ASK_DRAFT ? draft_ended(a, w, &err) : second_ended(a, &err);

    if (st != RS_OK)
        fail(a, w, &err);
    else if (a->k.send)
        a->stage = ASK_SECOND;
    else
        finish(a);
}

/* ---- Generators, on the loop ----------------------------------------- */

/* Events of pieces are collected, and pushed when the token stream is done with its text: a
 * push may end everything. */
static void on_piece(void *ctx, const char *text, bool reasoning)
{
    asking *a = ctx;

    put_event(&a->events, "token", json_pack("{s:o,s:b}", "text", rs_json_any(text), "reasoning",
                                             (int)reasoning));
}

static void on_thought(void *ctx, const char *text, bool reasoning)
{
    (void)reasoning;                           /* all of it is */
    on_piece(ctx, text, true);
}

/* false: the client is gone, and `a` with it. */
static bool push(asking *a)
{
    rs_buf all = a->events;
    bool there;

    if (!a->stream || (all.len == 0 && !all.failed))
        return true;
    a->events = (rs_buf){0};
    there = rs_server_push(a->x, &all);
    rs_buf_clear(&all);
    return there;
}

static void on_draft_text(void *ctx, const char *text, bool reasoning)
{
    asking *a = ctx;

    if (!reasoning)
        rs_token_stream_end(&a->thoughts);
    rs_token_stream_add(reasoning ? &a->thoughts : &a->tokens, text);
    push(a);
}

static void on_generated(void *ctx, const rs_generated *g)
{
    asking *a = ctx;

    a->generation = NULL;
    a->problem[0] = '\0';
    a->text.len = a->reasoning.len = 0;
    if (g->st != RS_OK)
        snprintf(a->problem, sizeof a->problem, "%.390s", g->why);
    rs_buf_puts(&a->text, g->text);
    rs_buf_puts(&a->reasoning, g->reasoning);
    if (a->text.failed || a->reasoning.failed)
        snprintf(a->problem, sizeof a->problem, "no memory for its answer");
    if (a->stage == ASK_DRAFT) {
        snprintf(a->finish, sizeof a->finish, "%s", g->finish);
        rs_token_stream_end(&a->thoughts);
        rs_token_stream_end(&a->tokens);
        if (!push(a))
            return;
    }
    rs_server_again(a->x);
}

static void start_generation(asking *a, rs_server *s)
{
    const bool show = a->stage == ASK_DRAFT && a->stream && a->k.request.policy == RS_CHECK_MARK;
    const rs_generation_plan plan = {
        .generator = a->k.to, .request = a->k.send, .plain = a->k.send_plain,
        .on_text = show ? on_draft_text : NULL, .on_end = on_generated, .ctx = a,
        .counts = rs_server_generator_counts(s, a->k.to)};
    rs_err err = {0};

    if (!rs_server_fetcher(s) || rs_fetcher_running(rs_server_fetcher(s)) >= rs_server_answers(s)) {
        rs_fail(&err, RS_EBUSY, "the generator has too many questions already");
        rs_generator_count_failure(plan.counts, RS_GENERATOR_BUSY);
    } else {
        rs_generation_begin(&a->generation, rs_server_fetcher(s), &plan, &err);
    }
    if (a->generation)
        return;
    snprintf(a->problem, sizeof a->problem, "%s", err.msg);
    rs_server_again(a->x);
}

static void on_begin(rs_exchange *x, rs_server *s)
{
    asking *a = x->state;

    switch (a->stage) {
    case ASK_DRAFT:
    case ASK_SECOND:
        start_generation(a, s);
        break;
    case ASK_DONE:
        if (push(a))
            rs_server_end(x);
        break;
    }
}

static void asking_free(asking *a)
{
    if (!a)
        return;
    rs_generation_cancel(a->generation);
    rs_token_stream_clear(&a->tokens);
    rs_token_stream_clear(&a->thoughts);
    rs_buf_clear(&a->text);
    rs_buf_clear(&a->reasoning);
    rs_buf_clear(&a->events);
    rs_ask_request_clear(&a->k.request);
    rs_free(a);
}

static void on_drop(rs_exchange *x)
{
    asking_free(x->state);
    x->state = NULL;
}

static const rs_later later = {.begin = on_begin, .work = on_work, .drop = on_drop};

/* ---- Requests -------------------------------------------------------- */

/* Seconds for the search: the server's deadline, or the question's own. */
static double left(const asking *a)
{
    const double own = a->k.request.search.deadline_s, all = a->x->until_s - rs_now_s();

    return own > 0 && own < all ? own : all;
}

/* Find the evidence among what the asker may see; the audit log is told what of it is shown. */
static rs_status look(asking *a, rs_worker *w, rs_err *err)
{
    const rs_context *c = &a->k.context;
    rs_exchange *x = a->x;
    rs_status st;

    x->asked = rs_api_asked(&x->mem, &a->k.request.search.query);
    rs_exchange_query(x, w, &a->k.request.search.query);
    st = rs_ask_find(&a->k, w, x->grant.access, left(a), &x->mem, err);
    for (size_t i = 0; st == RS_OK && i < c->n; i++) {
        rs_exchange_shows(x, c->items[i].key);
        for (size_t k = 0; k < c->items[i].n_folded; k++)
            rs_exchange_shows(x, c->items[i].folded[k]);
    }
    return st;
}

/* Read the request and find the evidence. NULL after having answered what is wrong. */
static asking *find(rs_exchange *x, rs_worker *w)
{
    const double begun = rs_now_s();
    asking *a;
    rs_err err = {0};
    rs_status st;

    if (!rs_http_has_document(x->request)) {
        rs_problem_reply(&x->reply, RS_PROBLEM_MEDIA_TYPE, NULL, "A question is asked with "
                         "Content-Type: application/json or multipart/form-data.");
        return NULL;
    }
    a = rs_calloc(1, sizeof *a);
    if (!a) {
        err.code = RS_ENOMEM;
        rs_problem_err_reply(&x->reply, &err);
        return NULL;
    }
    a->x = x;
    a->begun_s = begun;
    st = rs_ask_request_read(&a->k.request, x->request, w, x->until_s, &x->mem, &err);
    if (st == RS_EARG || st == RS_ECORRUPT || st == RS_EFORMAT) {
        const char *field = a->k.request.search.field;
        rs_problem_reply(&x->reply, st == RS_EFORMAT ? RS_PROBLEM_IMAGE : RS_PROBLEM_FIELD,
                         *field ? field : NULL, err.msg);
    } else if (st != RS_OK || look(a, w, &err) != RS_OK) {
        rs_api_fail(x, w, &err);
    } else {
        x->encode_s = a->k.encode_ms > 0 ? a->k.encode_ms / 1000 : -1;
        x->search_s = a->k.search_ms / 1000;
        return a;
    }
    asking_free(a);
    return NULL;
}

void rs_api_context(rs_exchange *x, rs_worker *w)
{
    asking *a = find(x, w);
    rs_filled filled = {.n = 0};
    rs_err err = {0};
    json_t *o;

    if (!a)
        return;
    if (a->k.request.templated &&
        rs_prompt_fill(a->k.request.template, &a->k.context, a->k.request.learner, &x->mem, &filled,
                       &err) != RS_OK) {
        rs_api_fail(x, w, &err);
    } else {
        o = rs_wire_context(&a->k.context, &x->mem);
        if (filled.n)
            json_object_set_new(o, "prompt", rs_wire_prompt(a->k.request.template, &filled));
        rs_api_json(x, o);
    }
    asking_free(a);
}

static bool wants_events(const rs_http_request *r)
{
    const char *accept = rs_http_field_of(r, "accept");

    return accept && strstr(accept, "text/event-stream");
}

void rs_api_ask(rs_exchange *x, rs_worker *w)
{
    asking *a = find(x, w);
    rs_err err = {0};
    rs_status st;

    if (!a)
        return;
    a->stream = wants_events(x->request);
    a->tokens = (rs_token_stream){.n = a->k.context.n, .on_piece = on_piece, .ctx = a};
    a->thoughts = (rs_token_stream){.n = a->k.context.n, .on_piece = on_thought, .ctx = a};
    st = a->k.route.draft ? rs_ask_prompt(&a->k, &x->mem, &err)
                          : rs_ask_extract(&a->k, w, &x->mem, &err);
    if (st != RS_OK) {
        rs_api_fail(x, w, &err);
        asking_free(a);
        return;
    }
    if (a->stream) {
        x->reply.type = "text/event-stream";
        x->reply.stream = true;
        put_event(&x->reply.body, "evidence", rs_wire_context(&a->k.context, &x->mem));
    }
    x->state = a;
    x->later = &later;
    if (!a->k.route.draft)
        finish(a);
}
