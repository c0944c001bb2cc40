/* generation.c - see generation.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/generation.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/chat_stream.h"

#include <stdio.h>
#include <string.h>
#include <uv.h>

enum { BACKOFF_MAX_MS = 8000, PROBLEM_BYTES = 4096 };

struct rs_generation {
    rs_generation_plan plan;
    rs_fetcher    *fetcher;
    rs_fetch      *fetch;                /* NULL: none is under way */
    uv_timer_t     again;                /* the memory lives until it is closed */
    rs_chat_stream stream;
    rs_buf         problem;              /* body of an HTTP error */
    rs_err         err;                  /* of the stream */
    char          *request, *plain;
    double         begun_s;
    int            attempts;
    bool           begun;                /* some text has come, of whatever attempt */
    bool           is_plain;             /* the schema was refused */
    bool           ended;
};

static rs_status attempt(rs_generation *g, rs_err *err);

static void on_closed(uv_handle_t *h)
{
    rs_generation *g = h->data;

    rs_chat_stream_clear(&g->stream);
    rs_buf_clear(&g->problem);
    rs_free(g->request);
    rs_free(g->plain);
    rs_free(g);
}

/* `detail` is for the log alone: it may tell of addresses. What the generator said itself, behind
 * the colon, is not for the log: it may repeat what was asked. */
static void end(rs_generation *g, rs_status st, rs_generator_failure reason, const char *why,
                const char *detail)
{
    const rs_generated out = {
        .st = st, .why = why, .text = g->stream.text.data ? g->stream.text.data : "",
        .reasoning = g->stream.reasoning.data ? g->stream.reasoning.data : "",
        .finish = g->stream.finish, .attempts = g->attempts};
    char told[160];

    g->ended = true;
    if (st != RS_OK) {
        rs_generator_count_failure(g->plan.counts, reason);
        snprintf(told, sizeof told, "%.*s", (int)strcspn(why, ":"), why);
        rs_log_event(RS_LOG_WARN, "generator", "name", g->plan.generator->name, "why", told,
                     "detail", detail, (const char *)NULL);
    }
    g->plan.on_end(g->plan.ctx, &out);
    uv_close((uv_handle_t *)&g->again, on_closed);
}

/* ---- Again ----------------------------------------------------------- */

static double left_ms(const rs_generation *g)
{
    return (double)g->plan.generator->total_ms - 1000 * (rs_now_s() - g->begun_s);
}

static void on_again(uv_timer_t *t)
{
    rs_generation *g = t->data;
    rs_err err = {0};
    rs_status st = attempt(g, &err);

    if (st != RS_OK)
        end(g, st, RS_GENERATOR_MEMORY, err.msg, "");
}

/* Another attempt after a while; false where there is to be none. */
static bool try_again(rs_generation *g)
{
    const rs_generator *to = g->plan.generator;
    long long wait = to->backoff_ms;

    if (g->attempts > to->retries || g->stream.text.len || g->stream.reasoning.len)
        return false;
    for (int i = 1; i < g->attempts && wait < BACKOFF_MAX_MS; i++)
        wait *= 2;
    wait = wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS;
    if ((double)wait >= left_ms(g))
        return false;
    uv_timer_start(&g->again, on_again, (uint64_t)wait, 0);
    return true;
}

/* ---- Answers --------------------------------------------------------- */

static bool on_bytes(void *ctx, int status, const char *bytes, size_t n)
{
    rs_generation *g = ctx;

    if (status == 200)
        return rs_chat_stream_read(&g->stream, bytes, n, &g->err) == RS_OK;
    if (g->problem.len < PROBLEM_BYTES)
        rs_buf_append(&g->problem, bytes, n < PROBLEM_BYTES ? n : PROBLEM_BYTES);
    return g->problem.len < PROBLEM_BYTES;
}

/* An HTTP status that is not 200. */
static void end_status(rs_generation *g, int status)
{
    const bool loading = status == 503 || status == 429;
    char why[320], text[200];

    if (g->plain && !g->is_plain && (status == 400 || status == 422 || status == 501)) {
        g->is_plain = true;
        uv_timer_start(&g->again, on_again, 0, 0);
        return;
    }
    if (loading && try_again(g))
        return;
    rs_chat_problem(g->problem.data ? g->problem.data : "", g->problem.len, text);
    if (status >= 300 && status < 400)
        snprintf(text, sizeof text, "it sends us elsewhere, where we do not go");
    snprintf(why, sizeof why, "the generator answers with HTTP status %d%s%s", status,
             *text ? ": " : "", text);
    end(g, RS_EIO, RS_GENERATOR_ERROR, why, "");
}

static void end_fate(rs_generation *g, const rs_fetch_end *e)
{
    static const struct { const char *text; rs_generator_failure reason; } fates[] = {
        [RS_FETCH_REFUSED] = {"the generator cannot be reached", RS_GENERATOR_UNREACHABLE},
        [RS_FETCH_IDLE] = {"the generator is silent for too long", RS_GENERATOR_SILENT},
        [RS_FETCH_LATE] = {"the generator takes too long", RS_GENERATOR_LATE},
        [RS_FETCH_BROKEN] = {"the connection to the generator broke", RS_GENERATOR_BROKEN}};

    if (e->fate == RS_FETCH_REFUSED && try_again(g))
        return;
    end(g, RS_EIO, fates[e->fate].reason, fates[e->fate].text, e->why);
}

static void on_fetched(void *ctx, const rs_fetch_end *e)
{
    rs_generation *g = ctx;
    rs_status st;

    g->fetch = NULL;
    if (e->fate != RS_FETCH_WHOLE && e->fate != RS_FETCH_STOPPED) {
        end_fate(g, e);
    } else if (e->status != 200) {
        end_status(g, e->status);
    } else {
        g->err.msg[0] = '\0';
        st = rs_chat_stream_end(&g->stream, &g->err);
        end(g, st, st == RS_ECORRUPT ? RS_GENERATOR_NONSENSE : st == RS_ELIMIT
            ? RS_GENERATOR_TOO_MUCH : st == RS_ENOMEM ? RS_GENERATOR_MEMORY : RS_GENERATOR_ERROR,
            g->err.msg, "");
    }
}

static void on_text(void *ctx, const char *text, bool reasoning)
{
    rs_generation *g = ctx;

    if (!g->ended) {
        rs_generator_count_piece(g->plan.counts, strlen(text),
                                 g->begun ? -1 : rs_now_s() - g->begun_s);
        g->begun = true;
    }
    if (g->plan.on_text && !g->ended)
        g->plan.on_text(g->plan.ctx, text, reasoning);
}

/* ---- Beginning and end ----------------------------------------------- */

static rs_status attempt(rs_generation *g, rs_err *err)
{
    const rs_generator *to = g->plan.generator;
    const char *body = g->is_plain ? g->plain : g->request;
    const double left = left_ms(g);
    const rs_fetch_plan plan = {
        .url = to->url, .key = to->key, .proxy = to->proxy, .body = body, .len = strlen(body),
        .connect_ms = (long)to->connect_ms, .idle_ms = (long)to->idle_ms,
        .total_ms = left > 1 ? (long)left : 1, .on_bytes = on_bytes, .on_end = on_fetched,
        .ctx = g};

    rs_chat_stream_clear(&g->stream);
    g->problem.len = 0;
    g->attempts++;
    if (g->plan.counts)
        g->plan.counts->attempts++;
    return rs_fetch_begin(&g->fetch, g->fetcher, &plan, err);
}

static char *copy(const char *text)
{
    char *out = text ? rs_malloc(strlen(text) + 1) : NULL;

    if (out)
        memcpy(out, text, strlen(text) + 1);
    return out;
}

rs_status rs_generation_begin(rs_generation **out, rs_fetcher *f, const rs_generation_plan *plan,
                              rs_err *err)
{
    rs_generation *g = rs_calloc(1, sizeof *g);
    rs_status st;

    *out = NULL;
    if (plan->counts)
        plan->counts->requests++;
    if (!g) {
        rs_generator_count_failure(plan->counts, RS_GENERATOR_MEMORY);
        return rs_fail(err, RS_ENOMEM, "no memory for an answer");
    }
    g->plan = *plan;
    g->fetcher = f;
    g->stream.on_text = on_text;
    g->stream.ctx = g;
    g->begun_s = rs_now_s();
    g->request = copy(plan->request);
    g->plain = copy(plan->plain);
    if (g->request && (g->plain || !plan->plain))
        st = attempt(g, err);
    else
        st = rs_fail(err, RS_ENOMEM, "no memory for an answer");
    if (st != RS_OK) {
        rs_generator_count_failure(plan->counts, st == RS_ECANCEL ? RS_GENERATOR_CANCELLED
                                                                  : RS_GENERATOR_MEMORY);
        rs_free(g->request);
        rs_free(g->plain);
        rs_free(g);
        return st;
    }
    uv_timer_init(rs_fetcher_loop(f), &g->again);
    g->again.data = g;
    *out = g;
    return RS_OK;
}

void rs_generation_cancel(rs_generation *g)
{
    if (!g || g->ended)
        return;
    g->ended = true;
    rs_generator_count_failure(g->plan.counts, RS_GENERATOR_CANCELLED);
    if (g->fetch)
        rs_fetch_cancel(g->fetch);
    uv_close((uv_handle_t *)&g->again, on_closed);
}
