/* test_generation.c - generators over the wire: a fake server speaks every dialect, a byte at a
 * time, stalls, resets, redirects, floods; and the file that names generators.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fake_generator.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "server/generation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <uv.h>

#define DELTA(text) "data: {\"choices\":[{\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define DONE "data: [DONE]\n\n"
#define UNAVAILABLE "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 44\r\n\r\n" \
                    "{\"error\":{\"message\":\"Loading model\",\"a\":12}}"

/* ---- The file -------------------------------------------------------- */

static rs_generators *generators(const char *text, rs_err *err)
{
    rs_generators *g = NULL;

    rs_generators_read(&g, text, strlen(text), "g.json", err);
    return g;
}

static void test_file(void **state)
{
    rs_err err = {0};
    rs_generators *g;
    rs_generator_route r;

    (void)state;
    setenv("RADSCOUT_TEST_KEY", "secret-1", 1);
    g = generators("{\"generators\": {\"big\": {\"url\": \"http://h:1/v1/\", \"model\": \"m\", "
                   "\"images\": true, \"api_key_env\": \"RADSCOUT_TEST_KEY\", "
                   "\"context_tokens\": 4096}, "
                   "\"small\": {\"url\": \"https://h/v1/chat/completions\", \"json_schema\": "
                       "true}}, "
                   "\"templates\": {\"*\": {\"draft\": \"big\", \"check\": \"small\"}, "
                   "\"teaching\": {\"draft\": \"built-in\"}}}", &err);
    assert_non_null(g);
    assert_int_equal(rs_generators_count(g), 2);
    r = rs_generators_route(g, "differential");
    assert_string_equal(r.draft->name, "big");
    assert_string_equal(r.draft->url, "http://h:1/v1/chat/completions");
    assert_string_equal(r.draft->key, "secret-1");
    assert_true(r.draft->images && !r.draft->json_schema);
    assert_int_equal(r.draft->context_tokens, 4096);
    assert_int_equal(r.draft->max_tokens, 1024);
    assert_string_equal(r.check->url, "https://h/v1/chat/completions");
    assert_null(r.check->key);
    r = rs_generators_route(g, "teaching");
    assert_true(!r.draft && !r.check);
    rs_generators_free(g);
    r = rs_generators_route(NULL, "teaching");
    assert_true(!r.draft && !r.check);
    assert_null(rs_generators_find(NULL, "big"));
}

#define ONE(fields) "{\"generators\": {\"a\": {" fields "}}}"
#define URL "\"url\": \"http://h/v1\""

static void test_file_refused(void **state)
{
    static const struct { const char *text, *want; } list[] = {
        {"[]", "wanted an object"},
        {"{\"generator\": {}}", "there is no such field: generator"},
        {"{\"generators\": []}", "generators: wanted an object"},
        {ONE(""), "url"},
        {ONE("\"url\": \"file:///etc/passwd\""), "wanted http://HOST"},
        {ONE("\"url\": \"http:///v1\""), "wanted http://HOST"},
        {ONE("\"url\": \"http://me:pw@h/v1\""), "no user"},
        {ONE("\"url\": \"http://h/v1?x=1\""), "query"},
        {ONE("\"url\": \"http://h/v1\\r\\nX: y\""), "blank"},
        {ONE(URL ", \"modle\": \"x\""), "there is no such field: modle"},
        {ONE(URL ", \"retries\": 99"), "retries"},
        {ONE(URL ", \"context_tokens\": 1024"), "leave no room"},
        {ONE(URL ", \"api_key_env\": \"RADSCOUT_NO_SUCH\""), "not in the environment"},
        {ONE(URL ", \"api_key_env\": \"A\", \"api_key_file\": \"B\""), "both"},
        {ONE(URL ", \"api_key_file\": \"/nonexistent\""), "/nonexistent"},
        {"{\"generators\": {\"built-in\": {" URL "}}}", "taken"},
        {"{\"templates\": {\"*\": {\"draft\": \"x\"}}}", "there is no generator 'x'"},
        {"{\"templates\": {\"*\": {\"check\": \"built-in\"}}}", "there is no generator"},
        {"{\"templates\": {\"*\": {\"drfat\": \"x\"}}}", "there is no such field: drfat"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        rs_err err = {0};
        assert_null(generators(list[i].text, &err));
        if (!strstr(err.msg, list[i].want))
            fail_msg("%s: '%s', wanted '%s'", list[i].text, err.msg, list[i].want);
    }
}

/* ---- Requests -------------------------------------------------------- */

static void test_request(void **state)
{
    static const char png[] = "\x89PNG\r\n\x1a\nxy";
    const rs_chat_image images[] = {{"Image of case [1]:", png, 10}, {"no image", "GIF89a", 6}};
    const rs_message m[] = {{"system", "s \"q\""}, {"user", "u"}};
    rs_chat chat = {.messages = m, .n = 2, .images = images, .n_images = 2,
                    .schema = "{\"type\":\"object\"}", .schema_name = "x"};
    rs_arena mem = {0};
    rs_err err = {0};
    rs_generators *g = generators(ONE(URL ", \"images\": true, \"json_schema\": true, \"model\": "
                                      "\"m\""),
                                  &err), *h = generators(ONE(URL), &err);
    const char *text = rs_chat_request(rs_generators_at(g, 0), &chat, false, &mem);

    (void)state;
    assert_non_null(strstr(text, "{\"role\":\"system\",\"content\":\"s \\\"q\\\"\"}"));
    assert_non_null(strstr(text, "{\"type\":\"text\",\"text\":\"u\"},{\"type\":\"text\",\"text\":\"Image of"
                           " case "
                               "[1]:\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;"
                           "base64,iVBORw0KGgp4eQ==\"}}]"));
    assert_null(strstr(text, "GIF"));
    assert_non_null(strstr(text, "\"response_format\":{\"type\":\"json_schema\""));
    assert_non_null(strstr(text, "\"model\":\"m\""));
    text = rs_chat_request(rs_generators_at(g, 0), &chat, true, &mem);
    assert_null(strstr(text, "response_format"));
    text = rs_chat_request(rs_generators_at(h, 0), &chat, false, &mem);
    assert_null(strstr(text, "image_url"));
    assert_null(strstr(text, "response_format"));
    assert_null(strstr(text, "\"model\""));
    assert_non_null(strstr(text, "\"stream\":true"));
    rs_arena_clear(&mem);
    rs_generators_free(g);
    rs_generators_free(h);
}

/* ---- Over the wire --------------------------------------------------- */

static uv_loop_t loop;
static rs_fetcher *fetcher;
static fake canary;                    /* nobody is to come here */

/* What came of one generation. */
typedef struct {
    bool      ended;
    rs_status st;
    char      why[512], text[256], reasoning[64], shown[256];
    int       attempts;
    rs_generation *g;
    bool      cancel;                  /* at the first text */
} outcome;

static void on_text(void *ctx, const char *text, bool reasoning)
{
    outcome *o = ctx;

    if (!reasoning && strlen(o->shown) + strlen(text) < sizeof o->shown)
        strcat(o->shown, text);
    if (o->cancel && o->g) {
        rs_generation_cancel(o->g);
        o->g = NULL;
    }
}

static void on_end(void *ctx, const rs_generated *g)
{
    outcome *o = ctx;

    assert_false(o->ended);
    o->ended = true;
    o->g = NULL;
    o->st = g->st;
    o->attempts = g->attempts;
    snprintf(o->why, sizeof o->why, "%s", g->why);
    snprintf(o->text, sizeof o->text, "%.200s", g->text);
    snprintf(o->reasoning, sizeof o->reasoning, "%.50s", g->reasoning);
}

static rs_generators *one_at(int port, const char *more)
{
    char text[512];
    rs_err err = {0};
    rs_generators *g;

    snprintf(text, sizeof text, "{\"generators\": {\"a\": {\"url\": \"http://127.0.0.1:%d/v1\", "
             "\"idle_ms\": 400, \"total_ms\": 1500, \"connect_ms\": 1000, \"retries\": 3, "
             "\"backoff_ms\": 5, \"json_schema\": true%s}}}", port, more);
    g = generators(text, &err);
    if (!g)
        fail_msg("%s", err.msg);
    return g;
}

/* Ask, and turn the loop until it is over (or until `ms` have gone after a cancel). */
static void ask_at(int port, const char *more, const char *plain, outcome *o)
{
    rs_generators *g = one_at(port, more);
    const rs_generation_plan plan = {.generator = rs_generators_at(g, 0),
                                     .request = "{\"stream\":true,\"response_format\":1}",
                                     .plain = plain, .on_text = on_text, .on_end = on_end,
                                         .ctx = o};
    rs_err err = {0};

    assert_int_equal(rs_generation_begin(&o->g, fetcher, &plan, &err), RS_OK);
    assert_false(o->ended);
    while (o->g)
        uv_run(&loop, UV_RUN_ONCE);
    for (int i = 0; i < 3; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(rs_fetcher_running(fetcher), 0);
    rs_generators_free(g);
}

typedef enum { CLOSE, HOLD, RESET, FLOOD, TRICKLE } then;

typedef struct {
    const char *name, *head, *body;
    then        then;                  /* when that is said */
    rs_status   st;
    const char *text, *why;
    int         attempts;              /* 0: 1 */
} row;

static const row rows[] = {
    {"plain", FAKE_OK, DELTA("A ") DELTA("b") DONE, CLOSE, RS_OK, "A b", "", 0},
    {"crlf", FAKE_OK, "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\r\n\r\ndata: "
     "[DONE]\r\n\r\n",
     CLOSE, RS_OK, "b", "", 0},
    {"utf-8", FAKE_OK, ": hm\n\n" DELTA("\xe2\x89\xa5") DONE, CLOSE, RS_OK, "\xe2\x89\xa5", "", 0},
    {"no done", FAKE_OK, DELTA("b"), CLOSE, RS_OK, "b", "", 0},
    {"done, and stays", FAKE_OK, DELTA("b") DONE, HOLD, RS_OK, "b", "", 0},
    {"finished, and stays", FAKE_OK, DELTA("b")
     "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", HOLD, RS_OK, "b", "",
         0},
    {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
     "1\r\nd\r\n31\r\nata: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n  \r\n0\r\n\r\n",
         CLOSE, RS_OK,
     "b", "", 0},
    {"whole", "HTTP/1.1 200 OK\r\nContent-Length: 48\r\n\r\n",
     "{\"choices\":[{\"message\":{\"content\":\"b\"}}],\"a\":10}", CLOSE, RS_OK, "b", "", 0},
    {"error in the stream", FAKE_OK, DELTA("b") "data: {\"error\":{\"message\":\"slots\"}}\n\n",
     HOLD,
     RS_EIO, "b", "slots", 0},
    {"error of its own", FAKE_OK, DELTA("b") "error: {\"message\":\"slots\"}\n", HOLD, RS_EIO, "b",
     "slots", 0},
    {"401", "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n",
     "{\"error\":{\"message\":\"wrong key\"}}", CLOSE, RS_EIO, "", "401: wrong key", 0},
    {"500 and a text", "HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n", "\"it broke\"", CLOSE,
     RS_EIO,
     "", "500: it broke", 0},
    {"500 and nothing", "HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n", "", CLOSE, RS_EIO, "",
     "500",
     0},
    {"500 without end", "HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n", "x", FLOOD, RS_EIO, "",
     "500",
     0},
    {"html", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "<html>Welcome</html>", CLOSE,
     RS_ECORRUPT, "", "nothing", 0},
    {"not json", FAKE_OK, "data: hello\n\n", HOLD, RS_ECORRUPT, "", "JSON", 0},
    {"empty", FAKE_OK, "", CLOSE, RS_ECORRUPT, "", "nothing", 0},
    {"closes at once", "", "", CLOSE, RS_EIO, "", "broke", 0},
    {"another protocol", "SSH-2.0-OpenSSH_9.2\r\n", "", HOLD, RS_EIO, "", "", 0},
    {"reset", FAKE_OK, DELTA("b"), RESET, RS_EIO, "b", "broke", 0},
    {"short", "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n", DELTA("b"), CLOSE, RS_EIO, "b",
     "broke", 0},
    {"silent", "", "", HOLD, RS_EIO, "", "silent", 0},
    {"silent after a word", FAKE_OK, DELTA("b"), HOLD, RS_EIO, "b", "silent", 0},
    {"a word now and then", FAKE_OK, DELTA("b"), TRICKLE, RS_EIO, "b", "too long", 0},
    {"text without end", FAKE_OK, DELTA("0123456789012345678901234567890123456789"), FLOOD,
     RS_ELIMIT,
     "012345", "", 0},
    {"a line without end", FAKE_OK, "data: 0123456789012345678901234567890123456789", FLOOD,
     RS_ELIMIT,
     "", "", 0},
    {"a head without end", "HTTP/1.1 200 OK\r\n", "X: 0123456789012345678901234567890123456789\r\n",
     FLOOD, RS_EIO, "", "broke", 0},
    {"loading for ever", UNAVAILABLE, "", CLOSE, RS_EIO, "", "503: Loading model", 4},
};

static void speak_row(fake *f, int fd, int number, const char *request)
{
    const row *r = f->ctx;
    bool there = fake_say(f, fd, r->head);

    (void)number;
    (void)request;
    there = there && fake_drip(f, fd, r->body);
    switch (r->then) {
    case CLOSE:
        break;
    case HOLD:
        fake_hold(f, fd);
        break;
    case RESET:
        fake_pause(50);                    /* so that it has been read */
        fake_reset(fd);
        break;
    case FLOOD:
        while (there && !f->stop)
            there = fake_say(f, fd, r->body);
        break;
    case TRICKLE:
        while (there && !f->stop) {
            there = fake_say(f, fd, ": wait\n\n");
            fake_pause(50);
        }
        break;
    }
}

static void test_dialects(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const row *r = &rows[i];
        outcome o = {.ended = false};
        fake f;
        fake_begin(&f, speak_row, r);
        ask_at(f.port, "", NULL, &o);
        fake_end(&f);
        if (!o.ended || o.st != r->st || strncmp(o.text, r->text, strlen(r->text)) != 0 ||
            (strlen(r->text) < 6 && strcmp(o.text, r->text) != 0) || !strstr(o.why, r->why))
            fail_msg("%s: %s '%s' '%s'", r->name, rs_status_name(o.st), o.text, o.why);
        assert_int_equal(o.attempts, r->attempts ? r->attempts : 1);
        assert_int_equal(f.connections, o.attempts);
    }
}

/* What is sent: where to, with what. */
static void test_sent(void **state)
{
    static const row good = {"", FAKE_OK, DELTA("b") DONE, CLOSE, RS_OK, "", "", 0};
    outcome o = {.ended = false};
    fake f;

    (void)state;
    setenv("RADSCOUT_TEST_KEY", "secret-1", 1);
    fake_begin(&f, speak_row, &good);
    ask_at(f.port, ", \"api_key_env\": \"RADSCOUT_TEST_KEY\"", NULL, &o);
    fake_end(&f);
    assert_int_equal(o.st, RS_OK);
    assert_string_equal(o.shown, "b");
    fake_begin(&f, speak_row, &good);
    ask_at(f.port, ", \"api_key_env\": \"RADSCOUT_TEST_KEY\"", NULL, &(outcome){.ended = false});
    pthread_mutex_lock(&f.lock);
    assert_int_equal(strncmp(f.last, "POST /v1/chat/completions HTTP/1.1\r\n", 36), 0);
    assert_non_null(strstr(f.last, "\r\nAuthorization: Bearer secret-1\r\n"));
    assert_non_null(strstr(f.last, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(f.last, "\r\n\r\n{\"stream\":true,"));
    pthread_mutex_unlock(&f.lock);
    fake_end(&f);
}

/* Loading three times, then there; and refused in the same way. */
static void speak_loading(fake *f, int fd, int number, const char *request)
{
    (void)request;
    if (number < 3)
        fake_say(f, fd, UNAVAILABLE);
    else
        fake_answer(f, fd, "ready", 2);
}

static void test_loading(void **state)
{
    outcome o = {.ended = false}, p = {.ended = false};
    fake f;

    (void)state;
    fake_begin(&f, speak_loading, NULL);
    ask_at(f.port, "", NULL, &o);
    fake_end(&f);
    assert_int_equal(o.st, RS_OK);
    assert_string_equal(o.text, "ready");
    assert_int_equal(o.attempts, 4);
    ask_at(fake_nobody(), "", NULL, &p);
    assert_int_equal(p.st, RS_EIO);
    assert_int_equal(p.attempts, 4);
    assert_non_null(strstr(p.why, "cannot be reached"));
    assert_null(strstr(p.why, "127.0.0.1"));
}

/* A server that knows no schemas. */
static void speak_schema(fake *f, int fd, int number, const char *request)
{
    (void)number;
    if (strstr(request, "response_format"))
        fake_say(f, fd, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n\"no such thing\"");
    else
        fake_answer(f, fd, "plain", 0);
}

static void test_schema(void **state)
{
    outcome o = {.ended = false}, p = {.ended = false};
    fake f;

    (void)state;
    fake_begin(&f, speak_schema, NULL);
    ask_at(f.port, "", "{\"stream\":true}", &o);
    assert_int_equal(o.st, RS_OK);
    assert_string_equal(o.text, "plain");
    assert_int_equal(o.attempts, 2);
    ask_at(f.port, "", NULL, &p);
    assert_int_equal(p.st, RS_EIO);
    assert_int_equal(p.attempts, 1);
    fake_end(&f);
}

/* ---- Nowhere else ---------------------------------------------------- */

static void speak_redirect(fake *f, int fd, int number, const char *request)
{
    static const int statuses[] = {301, 302, 303, 307, 308};
    char text[256];

    (void)request;
    snprintf(text, sizeof text, "HTTP/1.1 %d Moved\r\nLocation: "
             "http://127.0.0.1:%d/v1/chat/completions"
             "\r\nRefresh: 0; url=http://127.0.0.1:%d/\r\nAlt-Svc: h2=\"127.0.0.1:%d\"\r\n"
             "Content-Length: 0\r\n\r\n", statuses[number % 5], canary.port, canary.port,
                 canary.port);
    fake_say(f, fd, text);
}

static void test_nowhere_else(void **state)
{
    static const row good = {"", FAKE_OK, DELTA("b") DONE, CLOSE, RS_OK, "", "", 0};
    char proxy[64];
    fake f;

    (void)state;
    fake_begin(&f, speak_redirect, NULL);
    for (int i = 0; i < 5; i++) {
        outcome o = {.ended = false};
        ask_at(f.port, "", NULL, &o);
        assert_int_equal(o.st, RS_EIO);
        assert_non_null(strstr(o.why, "elsewhere"));
    }
    fake_end(&f);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", canary.port);
    setenv("http_proxy", proxy, 1);
    setenv("ALL_PROXY", proxy, 1);
    fake_begin(&f, speak_row, &good);
    ask_at(f.port, "", NULL, &(outcome){.ended = false});
    assert_int_equal(f.requests, 1);
    fake_end(&f);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    assert_int_equal(canary.connections, 0);
}

static void test_named_proxy(void **state)
{
    static const row good = {"", FAKE_OK, DELTA("b") DONE, CLOSE, RS_OK, "", "", 0};
    outcome o = {.ended = false};
    char more[64];
    fake f;

    (void)state;
    fake_begin(&f, speak_row, &good);
    snprintf(more, sizeof more, ", \"proxy\": \"http://127.0.0.1:%d\"", f.port);
    ask_at(fake_nobody(), more, NULL, &o);
    fake_end(&f);
    assert_int_equal(o.st, RS_OK);
}

/* ---- Cancelling ------------------------------------------------------ */

static void speak_words(fake *f, int fd, int number, const char *request)
{
    bool there = fake_say(f, fd, FAKE_OK);

    (void)number;
    (void)request;
    while (there && !f->stop) {
        there = fake_say(f, fd, DELTA("word "));
        fake_pause(5);
    }
}

static void test_cancel(void **state)
{
    outcome o = {.cancel = true};
    fake f;

    (void)state;
    fake_begin(&f, speak_words, NULL);
    ask_at(f.port, "", NULL, &o);
    assert_false(o.ended);
    for (int i = 0; i < 400 && f.gone == 0; i++)
        fake_pause(5);
    assert_int_equal(f.gone, 1);               /* it has seen us go */
    fake_end(&f);
}

/* At any moment: before it is connected, while it waits, between attempts. */
static void test_cancel_anywhere(void **state)
{
    static const row silent = {"", "", "", HOLD, RS_OK, "", "", 0};
    static const row loading = {"", UNAVAILABLE, "", CLOSE, RS_OK, "", "", 0};
    static const row *const kinds[] = {&silent, &loading};

    (void)state;
    for (int k = 0; k < 2; k++) {
        fake f;
        fake_begin(&f, speak_row, kinds[k]);
        for (int turns = 0; turns < 12; turns++) {
            outcome o = {.ended = false};
            rs_generators *g = one_at(f.port, "");
            const rs_generation_plan plan = {.generator = rs_generators_at(g, 0), .request = "{}",
                                             .on_end = on_end, .ctx = &o};
            rs_err err = {0};
            assert_int_equal(rs_generation_begin(&o.g, fetcher, &plan, &err), RS_OK);
            for (int i = 0; i < turns && !o.ended; i++)
                uv_run(&loop, UV_RUN_ONCE);
            if (o.g)
                rs_generation_cancel(o.g);
            assert_int_equal(rs_fetcher_running(fetcher), 0);
            uv_run(&loop, UV_RUN_NOWAIT);
            rs_generators_free(g);
        }
        fake_end(&f);
    }
}

/* The k-th allocation of ours fails. */
static void test_out_of_memory(void **state)
{
    static const row good = {"", FAKE_OK, DELTA("a") DELTA("b") DONE, CLOSE, RS_OK, "", "", 0};
    rs_generators *g;
    bool done = false;
    fake f;

    (void)state;
    fake_begin(&f, speak_row, &good);
    g = one_at(f.port, "");
    for (long k = 0; !done && k < 200; k++) {
        outcome o = {.ended = false};
        const rs_generation_plan plan = {.generator = rs_generators_at(g, 0), .request = "{}",
                                         .on_end = on_end, .ctx = &o};
        rs_err err = {0};
        rs_alloc_fail_after(k);
        if (rs_generation_begin(&o.g, fetcher, &plan, &err) == RS_OK)
            while (!o.ended)
                uv_run(&loop, UV_RUN_ONCE);
        rs_alloc_fail_after(-1);
        done = o.ended && o.st == RS_OK && strcmp(o.text, "ab") == 0;
        assert_true(done || !o.ended || o.st != RS_OK);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    assert_true(done);
    rs_generators_free(g);
    fake_end(&f);
}

/* ---- Frame ----------------------------------------------------------- */

static int begin(void **state)
{
    (void)state;
    fake_begin(&canary, NULL, NULL);
    return uv_loop_init(&loop) == 0 && rs_fetcher_new(&fetcher, &loop, NULL) == RS_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    rs_fetcher_close(fetcher);
    uv_run(&loop, UV_RUN_DEFAULT);
    fake_end(&canary);
    return uv_loop_close(&loop) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),          cmocka_unit_test(test_file_refused),
        cmocka_unit_test(test_request),       cmocka_unit_test(test_dialects),
        cmocka_unit_test(test_sent),          cmocka_unit_test(test_loading),
        cmocka_unit_test(test_schema),        cmocka_unit_test(test_nowhere_else),
        cmocka_unit_test(test_named_proxy),   cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancel_anywhere), cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests_name("server/generation", tests, begin, end);
}
