/* ask_wait.c - see ask_wait.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/ask_wait.h"

#include "base/bytes.h"
#include "server/generation.h"
#include "server/token_stream.h"

#include <assert.h>
#include <stdio.h>
#include <uv.h>

/* One answer of one generator. */
typedef struct {
    rs_ask_wait    *v;
    rs_token_stream tokens, thoughts;
    rs_buf          text, reasoning;     /* when it has ended */
    char            finish[24];
    char            problem[RS_ASK_PROBLEM];
    bool            ended;
} waiting;

static void on_piece(void *ctx, const char *text, bool reasoning)
{
    waiting *a = ctx;

    a->v->on_piece(a->v->ctx, text, reasoning);
}

static void on_thought(void *ctx, const char *text, bool reasoning)
{
    (void)reasoning;                           /* all of it is */
    on_piece(ctx, text, true);
}

static void on_text(void *ctx, const char *text, bool reasoning)
{
    waiting *a = ctx;

    if (!reasoning)
        rs_token_stream_end(&a->thoughts);
    rs_token_stream_add(reasoning ? &a->thoughts : &a->tokens, text);
}

static void on_end(void *ctx, const rs_generated *g)
{
    waiting *a = ctx;

    a->ended = true;
    rs_buf_puts(&a->text, g->text);
    rs_buf_puts(&a->reasoning, g->reasoning);
    snprintf(a->finish, sizeof a->finish, "%s", g->finish);
    if (g->st != RS_OK)
        snprintf(a->problem, sizeof a->problem, "%.390s", g->why);
    else if (a->text.failed || a->reasoning.failed)
        snprintf(a->problem, sizeof a->problem, "no memory for its answer");
}

/* Ask k->to and wait; what goes wrong is a->problem. */
static void generate(waiting *a, const rs_ask *k, bool show)
{
    const rs_generation_plan plan = {.generator = k->to, .request = k->send,
                                     .plain = k->send_plain, .on_text = show ? on_text : NULL,
                                     .on_end = on_end, .ctx = a};
    rs_generation *g = NULL;
    rs_fetcher *f = NULL;
    rs_err err = {0};
    uv_loop_t loop;
    int left;

    if (uv_loop_init(&loop) != 0) {
        snprintf(a->problem, sizeof a->problem, "no loop to ask the generator on");
        return;
    }
    if (rs_fetcher_new(&f, &loop, &err) != RS_OK ||
        rs_generation_begin(&g, f, &plan, &err) != RS_OK)
        snprintf(a->problem, sizeof a->problem, "%s", err.msg);
    while (g && !a->ended && uv_run(&loop, UV_RUN_ONCE))
        ;
    if (g && !a->ended) {                      /* nothing to wait for, so nothing comes */
        rs_generation_cancel(g);
        snprintf(a->problem, sizeof a->problem, "the generator was lost");
    }
    rs_token_stream_end(&a->thoughts);
    rs_token_stream_end(&a->tokens);
    rs_fetcher_close(f);
    uv_run(&loop, UV_RUN_DEFAULT);
    left = uv_loop_close(&loop);
    assert(left == 0);
    (void)left;
}

static void waiting_clear(waiting *a)
{
    rs_token_stream_clear(&a->tokens);
    rs_token_stream_clear(&a->thoughts);
    rs_buf_clear(&a->text);
    rs_buf_clear(&a->reasoning);
}

static const char *text_of(const rs_buf *b)
{
    return b->data ? b->data : "";
}

static rs_status draft(rs_ask *k, rs_worker *w, rs_ask_wait *v, rs_arena *mem, rs_err *err)
{
    const bool show = v->on_piece && k->request.policy == RS_CHECK_MARK;
    waiting a = {.v = v};
    rs_status st = rs_ask_prompt(k, mem, err);

    if (st != RS_OK)
        return st;
    a.tokens = (rs_token_stream){.n = k->context.n, .on_piece = on_piece, .ctx = &a};
    a.thoughts = (rs_token_stream){.n = k->context.n, .on_piece = on_thought, .ctx = &a};
    generate(&a, k, show);
    snprintf(v->finish, sizeof v->finish, "%s", a.finish);
    st = rs_ask_drafted(k, w, text_of(&a.text), text_of(&a.reasoning), a.problem, mem, err);
    snprintf(v->problem, sizeof v->problem, "%s", a.problem);
    waiting_clear(&a);
    return st;
}

static rs_status second(rs_ask *k, rs_ask_wait *v, rs_arena *mem, rs_err *err)
{
    waiting a = {.v = v};
    rs_status st;

    generate(&a, k, false);
    st = rs_ask_seconded(k, text_of(&a.text), a.problem, mem, err);
    waiting_clear(&a);
    return st;
}

rs_status rs_ask_write(rs_ask *k, rs_worker *w, rs_ask_wait *v, rs_arena *mem, rs_err *err)
{
    rs_status st;

    v->finish[0] = v->problem[0] = '\0';
    if (!k->route.draft)
        return rs_ask_extract(k, w, mem, err);
    st = draft(k, w, v, mem, err);
    return st == RS_OK && k->send ? second(k, v, mem, err) : st;
}
