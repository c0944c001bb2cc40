/* fetch.c - see fetch.h. The only file that sees libcurl.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/fetch.h"

#include "base/alloc.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

enum { HEAD_MAX = 64 << 10 };

struct rs_fetcher {
    uv_loop_t *loop;
    uv_timer_t timer;                    /* curl's */
    CURLM     *multi;
    rs_fetch  *list;
    size_t     running;
    size_t     handles;                  /* of ours that the loop still has */
    bool       closing;
};

struct rs_fetch {
    rs_fetcher   *fetcher;
    rs_fetch     *prev, *next;
    rs_fetch_plan plan;
    CURL         *easy;
    struct curl_slist *fields;
    uv_timer_t    idle;                  /* the fetch's memory lives until it is closed */
    bool          in_bytes;              /* on_bytes is running */
    bool          cancelled, stopped, timed_out, over;
    size_t        head_bytes;
    char          why[CURL_ERROR_SIZE];
};

/* A socket that curl wants watched. */
typedef struct {
    uv_poll_t   poll;
    rs_fetcher *fetcher;
    curl_socket_t fd;
} watched;

static void reap(rs_fetcher *f);

/* ---- Handles --------------------------------------------------------- */

static void end_if_closed(rs_fetcher *f)
{
    if (!f->closing || f->handles)
        return;
    curl_multi_cleanup(f->multi);
    curl_global_cleanup();
    rs_free(f);
}

static void on_fetcher_timer_closed(uv_handle_t *h)
{
    rs_fetcher *f = h->data;

    f->handles--;
    end_if_closed(f);
}

static void on_watched_closed(uv_handle_t *h)
{
    watched *w = h->data;
    rs_fetcher *f = w->fetcher;

    rs_free(w);
    f->handles--;
    end_if_closed(f);
}

static void on_fetch_closed(uv_handle_t *h)
{
    rs_fetch *x = h->data;
    rs_fetcher *f = x->fetcher;

    rs_free(x);
    f->handles--;
    end_if_closed(f);
}

/* ---- What curl asks for ---------------------------------------------- */

static void act(rs_fetcher *f, curl_socket_t fd, int events)
{
    int running;

    curl_multi_socket_action(f->multi, fd, events, &running);
    reap(f);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    watched *w = p->data;
    /* A reset: curl finds it when it reads, and tries a kept connection that was dead again. */
    int flags = status < 0 ? CURL_CSELECT_IN | CURL_CSELECT_OUT : 0;

    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    act(w->fetcher, w->fd, flags);
}

static void on_timer(uv_timer_t *t)
{
    act(t->data, CURL_SOCKET_TIMEOUT, 0);
}

static int want_timer(CURLM *multi, long ms, void *ctx)
{
    rs_fetcher *f = ctx;

    (void)multi;
    if (f->closing)
        return 0;
    if (ms < 0)
        uv_timer_stop(&f->timer);
    else
        uv_timer_start(&f->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static watched *watch(rs_fetcher *f, curl_socket_t fd)
{
    watched *w = rs_calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->fetcher = f;
    w->fd = fd;
    w->poll.data = w;
    if (uv_poll_init_socket(f->loop, &w->poll, fd) != 0) {
        rs_free(w);
        return NULL;
    }
    f->handles++;
    return w;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *of_socket)
{
    rs_fetcher *f = ctx;
    watched *w = of_socket;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            uv_poll_stop(&w->poll);
            uv_close((uv_handle_t *)&w->poll, on_watched_closed);
            curl_multi_assign(f->multi, fd, NULL);
        }
        return 0;
    }
    if (!w && !(w = watch(f, fd)))
        return -1;                       /* curl ends its transfers with an error */
    curl_multi_assign(f->multi, fd, w);
    events |= what & CURL_POLL_IN ? UV_READABLE : 0;
    events |= what & CURL_POLL_OUT ? UV_WRITABLE : 0;
    return uv_poll_start(&w->poll, events, on_poll) == 0 ? 0 : -1;
}

/* ---- One fetch ------------------------------------------------------- */

/* Take it out of everything; its memory goes when its timer is closed. */
static void drop(rs_fetch *x)
{
    rs_fetcher *f = x->fetcher;

    x->over = true;
    if (x->easy) {
        curl_multi_remove_handle(f->multi, x->easy);
        curl_easy_cleanup(x->easy);
    }
    x->easy = NULL;
    curl_slist_free_all(x->fields);
    x->fields = NULL;
    if (x->prev)
        x->prev->next = x->next;
    else
        f->list = x->next;
    if (x->next)
        x->next->prev = x->prev;
    f->running--;
    uv_close((uv_handle_t *)&x->idle, on_fetch_closed);
}

static int status_of(rs_fetch *x)
{
    long status = 0;

    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

static rs_fetch_fate fate_of(const rs_fetch *x, CURLcode code)
{
    if (x->stopped)
        return RS_FETCH_STOPPED;
    switch ((int)code) {
    case CURLE_OK:
        return RS_FETCH_WHOLE;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return RS_FETCH_REFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return RS_FETCH_LATE;
    default:
        return RS_FETCH_BROKEN;
    }
}

static void finish(rs_fetch *x, rs_fetch_fate fate, const char *why)
{
    const rs_fetch_plan plan = x->plan;
    char text[CURL_ERROR_SIZE];
    rs_fetch_end end = {.fate = fate, .status = status_of(x), .why = text};

    snprintf(text, sizeof text, "%s", why);
    drop(x);
    plan.on_end(plan.ctx, &end);
}

/* What has ended. */
static void reap(rs_fetcher *f)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(f->multi, &left)) != NULL) {
        rs_fetch *x = NULL;
        const CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&x);
        if (x->cancelled)
            drop(x);
        else
            finish(x, fate_of(x, code), code == CURLE_OK || x->stopped ? "" : *x->why ? x->why
                                        : curl_easy_strerror(code));
    }
}

static void on_idle(uv_timer_t *t)
{
    rs_fetch *x = t->data;

    if (x->cancelled && !x->over)
        drop(x);
    else if (!x->over)
        finish(x, RS_FETCH_IDLE, "not a byte for too long");
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
    rs_fetch *x = ctx;

    if (x->cancelled || x->stopped)
        return 0;
    uv_timer_start(&x->idle, on_idle, (uint64_t)x->plan.idle_ms, 0);
    x->in_bytes = true;
    if (!x->plan.on_bytes(x->plan.ctx, status_of(x), bytes, size * n))
        x->stopped = true;
    x->in_bytes = false;
    return x->cancelled || x->stopped ? 0 : size * n;
}

void rs_fetch_cancel(rs_fetch *x)
{
    x->cancelled = true;
    if (!x->in_bytes && !x->over)                    /* else curl is told by on_body's return */
        drop(x);
}

/* libcurl keeps all fields of a head. */
static size_t on_head(char *bytes, size_t size, size_t n, void *ctx)
{
    rs_fetch *x = ctx;

    (void)bytes;
    x->head_bytes += size * n;
    return x->head_bytes > HEAD_MAX ? 0 : size * n;
}

static bool add_field(rs_fetch *x, const char *text)
{
    struct curl_slist *more = curl_slist_append(x->fields, text);

    if (more)
        x->fields = more;
    return more != NULL;
}

static bool add_fields(rs_fetch *x)
{
    char key[4200];

    if (!add_field(x, "Content-Type: application/json") ||
        !add_field(x, "Accept: text/event-stream, application/json") || !add_field(x, "Expect:"))
        return false;
    if (!x->plan.key)
        return true;
    snprintf(key, sizeof key, "Authorization: Bearer %s", x->plan.key);
    return add_field(x, key);
}

/* false: no memory, or an option that this libcurl does not know. */
static bool set_options(rs_fetch *x)
{
    const rs_fetch_plan *p = &x->plan;
    CURL *e = x->easy;
    CURLcode bad = CURLE_OK;

#define SET(option, value) bad = bad != CURLE_OK ? bad : curl_easy_setopt(e, option, value)
    SET(CURLOPT_PRIVATE, x);
    SET(CURLOPT_ERRORBUFFER, x->why);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, p->proxy ? p->proxy : "");      /* "": none of the environment's */
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, "radscout");
    SET(CURLOPT_URL, p->url);
    SET(CURLOPT_HTTPHEADER, x->fields);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)p->len);
    SET(CURLOPT_COPYPOSTFIELDS, p->body);
    SET(CURLOPT_CONNECTTIMEOUT_MS, p->connect_ms);
    SET(CURLOPT_TIMEOUT_MS, p->total_ms);
    SET(CURLOPT_HEADERFUNCTION, on_head);
    SET(CURLOPT_HEADERDATA, x);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, x);
#undef SET
    return bad == CURLE_OK;
}

static void forget_unbegun(rs_fetch *x)
{
    if (x->easy)
        curl_easy_cleanup(x->easy);
    curl_slist_free_all(x->fields);
    rs_free(x);
}

rs_status rs_fetch_begin(rs_fetch **out, rs_fetcher *f, const rs_fetch_plan *plan, rs_err *err)
{
    rs_fetch *x;

    *out = NULL;
    if (f->closing)
        return rs_fail(err, RS_ECANCEL, "the server is stopping");
    x = rs_calloc(1, sizeof *x);
    if (!x)
        return rs_fail(err, RS_ENOMEM, "no memory for a request");
    x->fetcher = f;
    x->plan = *plan;
    x->easy = curl_easy_init();
    if (!x->easy || !add_fields(x) || !set_options(x) ||
        curl_multi_add_handle(f->multi, x->easy) != CURLM_OK) {
        forget_unbegun(x);
        return rs_fail(err, RS_ENOMEM, "no memory for a request");
    }
    x->plan.url = x->plan.key = x->plan.proxy = x->plan.body = NULL;      /* curl has copies */
    uv_timer_init(f->loop, &x->idle);
    x->idle.data = x;
    uv_timer_start(&x->idle, on_idle, (uint64_t)plan->idle_ms, 0);
    f->handles++;
    x->next = f->list;
    if (x->next)
        x->next->prev = x;
    f->list = x;
    f->running++;
    *out = x;
    return RS_OK;
}

/* ---- The fetcher ----------------------------------------------------- */

rs_status rs_fetcher_new(rs_fetcher **out, uv_loop_t *loop, rs_err *err)
{
    rs_fetcher *f = rs_calloc(1, sizeof *f);

    *out = NULL;
    if (!f)
        return rs_fail(err, RS_ENOMEM, "no memory to make requests");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        rs_free(f);
        return rs_fail(err, RS_EIO, "libcurl does not start");
    }
    f->loop = loop;
    f->multi = curl_multi_init();
    if (!f->multi) {
        curl_global_cleanup();
        rs_free(f);
        return rs_fail(err, RS_ENOMEM, "no memory to make requests");
    }
    curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
    curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
    uv_timer_init(loop, &f->timer);
    f->timer.data = f;
    f->handles = 1;
    *out = f;
    return RS_OK;
}

void rs_fetcher_close(rs_fetcher *f)
{
    if (!f || f->closing)
        return;
    while (f->list) {
        f->list->cancelled = true;
        drop(f->list);
    }
    f->closing = true;
    uv_close((uv_handle_t *)&f->timer, on_fetcher_timer_closed);
}

size_t rs_fetcher_running(const rs_fetcher *f)
{
    return f ? f->running : 0;
}

uv_loop_t *rs_fetcher_loop(const rs_fetcher *f)
{
    return f->loop;
}
