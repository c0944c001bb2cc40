/* test_chat_stream.c - bytes of generators: every dialect, cut anywhere, is the same answer; what
 * is none is told. Events first, then what they mean, then what is shown of it while it comes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "server/chat_stream.h"
#include "server/sse.h"
#include "server/token_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

/* ---- Events ---------------------------------------------------------- */

static bool note_event(void *ctx, const char *event, const char *data, size_t len)
{
    rs_buf_printf(ctx, "%s(%.*s)", event, (int)len, data);
    return strcmp(data, "stop") != 0;
}

/* The events of `bytes`, fed in two pieces. */
static void events_of(const char *bytes, size_t n, size_t cut, rs_buf *out, rs_status want)
{
    rs_sse_parser p = {.begun = false};
    rs_status st = rs_sse_parse(&p, bytes, cut, note_event, out);

    if (st == RS_OK)
        st = rs_sse_parse(&p, bytes + cut, n - cut, note_event, out);
    if (st == RS_OK)
        st = rs_sse_parse_end(&p, note_event, out);
    assert_int_equal(st, want);
    rs_sse_parser_clear(&p);
}

static void test_events(void **state)
{
    static const struct { const char *bytes, *want; rs_status st; } rows[] = {
        {"data: a\n\ndata: b\n\n", "message(a)message(b)", RS_OK},
        {"data: a\r\n\r\ndata: b\r\n\r\n", "message(a)message(b)", RS_OK},
        {"data: a\r\rdata: b\r\r", "message(a)message(b)", RS_OK},
        {"\xEF\xBB\xBF" "data: a\n\n", "message(a)", RS_OK},
        {"data:a\ndata:  b\ndata\n\n", "message(a\n b\n)", RS_OK},
        {"event: x\nid: 1\nretry: 5\ndata: a\n\ndata: b\n\n", "x(a)message(b)", RS_OK},
        {"event: x\n\ndata: b\n\n", "message(b)", RS_OK},
        {": hm\n\n\n\n:\n\ndata: a\n\n", "message(a)", RS_OK},
        {"datas: a\ndat: b\n<html>\n\n", "", RS_OK},
        {"data: a", "message(a)", RS_OK},
        {"data: a\n", "message(a)", RS_OK},
        {"data: a\n\nerror: {\"m\":1}\ndata: b\n\n", "message(a)error({\"m\":1})message(b)", RS_OK},
        {"data: x\nerror: y\n\n", "error(y)", RS_OK},
        {"data: stop\n\ndata: b\n\n", "message(stop)", RS_ECANCEL},
        {"data: \xc3\xa9\n\n", "message(\xc3\xa9)", RS_OK},
        {"", "", RS_OK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t cut = 0; cut <= strlen(rows[i].bytes); cut++) {
            rs_buf got = {0};
            rs_buf_puts(&got, "");
            events_of(rows[i].bytes, strlen(rows[i].bytes), cut, &got, rows[i].st);
            if (strcmp(got.data, rows[i].want) != 0)
                fail_msg("row %zu cut at %zu: '%s', wanted '%s'", i, cut, got.data, rows[i].want);
            rs_buf_clear(&got);
        }
}

/* What sse.h writes is read back, chunks of HTTP taken off. */
static void test_own_events(void **state)
{
    rs_buf out = {0}, got = {0};
    char *begin, *end;

    (void)state;
    rs_sse_event(&out, "x", "1", "a\nb\r\nc");
    begin = strchr(out.data, '\n') + 1;
    end = out.data + out.len - 2;
    events_of(begin, (size_t)(end - begin), 3, &got, RS_OK);
    assert_string_equal(got.data, "x(a\nb\nc)");
    rs_buf_clear(&out);
    rs_buf_clear(&got);
}

static void test_event_limits(void **state)
{
    char *line = malloc(RS_SSE_MAX + 2);
    rs_sse_parser p = {.begun = false};
    rs_buf got = {0};
    rs_status st = RS_OK;

    (void)state;
    memset(line, 'a', RS_SSE_MAX + 2);
    assert_int_equal(rs_sse_parse(&p, line, RS_SSE_MAX + 2, note_event, &got), RS_ELIMIT);
    rs_sse_parser_clear(&p);
    memcpy(line, "data: ", 6);
    line[65536] = '\n';
    for (int i = 0; i < 100 && st == RS_OK; i++)       /* an event without end, line by line */
        st = rs_sse_parse(&p, line, 65537, note_event, &got);
    assert_int_equal(st, RS_ELIMIT);
    rs_sse_parser_clear(&p);
    rs_buf_clear(&got);
    free(line);
}

/* ---- Answers --------------------------------------------------------- */

#define DELTA(text) "data: {\"choices\":[{\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define STOP "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define DONE "data: [DONE]\n\n"

typedef struct { const char *name, *bytes; rs_status st; const char *text, *reasoning, *why; } row;

static const row rows[] = {
    {"plain", DELTA("A ") DELTA("b") STOP DONE, RS_OK, "A b", "", ""},
    {"role first", "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n"
     DELTA("b") DONE, RS_OK, "b", "", ""},
    {"no done", DELTA("b"), RS_OK, "b", "", ""},
    {"no empty line", "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}", RS_OK, "b", "", ""},
    {"usage last", DELTA("b") "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n" DONE,
     RS_OK,
     "b", "", ""},
    {"reasoning", "data: "
     "{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n" DELTA("b") DONE,
     RS_OK, "b", "hm", ""},
    {"reasoning, other name", "data: {\"choices\":[{\"delta\":{\"reasoning\":\"hm\"}}]}\n\n"
     DELTA("b") DONE, RS_OK, "b", "hm", ""},
    {"content in parts", "data: "
     "{\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
     "{\"type\":\"text\",\"text\":\"b\"}]}}]}\n\n" DONE, RS_OK, "ab", "", ""},
    {"comments", ": ping\n\n" DELTA("b") ":\n\n\n\n" DONE, RS_OK, "b", "", ""},
    {"escapes", DELTA("\\u00e9\\n\\\"") DONE, RS_OK, "\xc3\xa9\n\"", "", ""},
    {"utf-8", DELTA("\xe2\x89\xa5 \xf0\x9f\x92\x80") DONE, RS_OK, "\xe2\x89\xa5 \xf0\x9f\x92\x80",
     "", ""},
    {"not utf-8", DELTA("a\xff\xc3 b") DONE, RS_OK, "a?? b", "", ""},
    {"not streamed", " "
     "{\"choices\":[{\"message\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}\n",
     RS_OK, "b", "", ""},
    {"after the end", DELTA("b") STOP DELTA("c"), RS_OK, "b", "", ""},
    {"error", DELTA("b") "data: {\"error\":{\"message\":\"out of slots\",\"code\":500}}\n\n",
     RS_EIO, "b",
     "", "out of slots"},
    {"error, a string", "data: {\"error\":\"no model\"}\n\n", RS_EIO, "", "", "no model"},
    {"error, vLLM", "data: {\"object\":\"error\",\"message\":\"too long\",\"code\":400}\n\n",
     RS_EIO, "",
     "", "too long"},
    {"error, its own field", DELTA("b") "error: {\"code\":500,\"message\":\"slot\"}\n\n", RS_EIO,
     "b", "",
     "slot"},
    {"error, an event", "event: error\ndata: {\"message\":\"m\"}\n\n", RS_EIO, "", "", "m"},
    {"error, not streamed", "{\"error\":{\"message\":\"whole\"}}", RS_EIO, "", "", "whole"},
    {"html", "<html><body>Welcome</body></html>", RS_ECORRUPT, "", "", "answers nothing"},
    {"nothing", "", RS_ECORRUPT, "", "", "answers nothing"},
    {"done only", DONE, RS_ECORRUPT, "", "", "answers nothing"},
    {"not json", "data: hello\n\n", RS_ECORRUPT, "", "", "JSON"},
    {"cut json", "data: {\"choices\":[{\"delta\"\n\n", RS_ECORRUPT, "", "", "JSON"},
    {"a list", "data: []\n\n", RS_ECORRUPT, "", "", "JSON"},
    {"another object", "data: {\"hello\":1}\n\n", RS_ECORRUPT, "", "", "no choices"},
    {"choices of another kind", "data: {\"choices\":7}\n\n", RS_ECORRUPT, "", "", "no choices"},
    {"odd choice", "data: {\"choices\":[7]}\n\n" DELTA("b"), RS_OK, "b", "", ""},
    {"odd content", "data: {\"choices\":[{\"delta\":{\"content\":{\"a\":1}}}]}\n\n" DELTA("b"),
     RS_OK,
     "b", "", ""},
};

static rs_status read_all(rs_chat_stream *s, const char *bytes, size_t n, size_t cut, rs_err *err)
{
    rs_status st = rs_chat_stream_read(s, bytes, cut, err);

    if (st == RS_OK)
        st = rs_chat_stream_read(s, bytes + cut, n - cut, err);
    return st == RS_OK || st == RS_ECANCEL ? rs_chat_stream_end(s, err) : st;
}

static const char *text_of(const rs_buf *b)
{
    return b->data ? b->data : "";
}

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t cut = 0; cut <= strlen(rows[i].bytes); cut++) {
            rs_chat_stream s = {.on_text = NULL};
            rs_err err = {0};
            rs_status st = read_all(&s, rows[i].bytes, strlen(rows[i].bytes), cut, &err);
            if (st != rows[i].st || strcmp(text_of(&s.text), rows[i].text) != 0 ||
                strcmp(text_of(&s.reasoning), rows[i].reasoning) != 0 ||
                !strstr(err.msg, rows[i].why))
                fail_msg("%s, cut at %zu: %s '%s' '%s' '%s'", rows[i].name, cut, rs_status_name(st),
                         text_of(&s.text), text_of(&s.reasoning), err.msg);
            rs_chat_stream_clear(&s);
        }
}

static void test_no_end(void **state)
{
    static const char *const pieces[] = {DELTA("0123456789012345678901234567890123456789"),
        "data: {\"choices\":[{\"delta\":{\"reasoning\":\"0123456789012345678901234567\"}}]}\n\n"};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        rs_chat_stream s = {.on_text = NULL};
        rs_err err = {0};
        rs_status st = RS_OK;
        for (int i = 0; i < 100000 && st == RS_OK; i++)
            st = rs_chat_stream_read(&s, pieces[k], strlen(pieces[k]), &err);
        assert_int_equal(st, RS_ELIMIT);
        assert_true(s.text.len + s.reasoning.len <= RS_CHAT_MAX);
        rs_chat_stream_clear(&s);
    }
}

static void test_problem(void **state)
{
    static const struct { const char *body, *want; } list[] = {
        {"{\"error\":{\"message\":\"a\"}}", "a"}, {"{\"error\":\"a\"}", "a"},
        {"{\"detail\":\"a\"}", "a"}, {"\"a\"", "a"}, {"plain\r\nlines\x1b[2J", "plain  lines [2J"},
        {"", ""}, {"{\"x\":1}", "{\"x\":1}"},
    };
    char out[200], flood[1000];

    (void)state;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        rs_chat_problem(list[i].body, strlen(list[i].body), out);
        assert_string_equal(out, list[i].want);
    }
    memset(flood, 'x', sizeof flood);
    rs_chat_problem(flood, sizeof flood, out);
    assert_true(strlen(out) < 200);
}

/* ---- What is shown --------------------------------------------------- */

static void note_piece(void *ctx, const char *text, bool reasoning)
{
    rs_buf_printf(ctx, reasoning ? "{%s}" : "%s", text);
}

static void test_tokens(void **state)
{
    static const struct { const char *text, *want; } list[] = {
        {"A mass [1] and [2].", "A mass [1] and [2]."},
        {"A mass [1][9].", "A mass [1]."},
        {"A mass [9[9]].", "A mass ."},
        {"A mass [9[9] ][1[7]].", "A mass [1]."},
        {"A [[9]] b]9] [c [1] ].", "A [] b]9] [c [1] ]."},
        {"All [0] of [1-9] them [1, 2].", "All  of  them [1, 2]."},
        {"<answer>A mass.</answer>", "A mass."},
        {"a < b and c <d", "a < b and c < d"},
        {"See [this](http://evil/x).", "See [this] (http://evil/x)."},
        {"See [this\nor that](http://evil/x).", "See [this\nor that] (http://evil/x)."},
        {"![x](http://evil/?q=1)", "![x] (http://evil/?q=1)"},
        {"See [this][INST].", "See [this] (INST)."},
        {"<img src=x onerror=y>", "< img src=x onerror=y>"},
        {"a\xe2\x80\xae" "b \x1b[31mred", "ab red"},
        {"line\n\nnext", "line\n\nnext"},
        {"[</think>9] [1</answer>2] [a[</think>9]] x", "[< /think>9] [1< /answer>2] [a[< /think>9]] x"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        for (size_t step = 1; step < 40; step++) {
            rs_buf got = {0};
            rs_token_stream t = {.n = 3, .on_piece = note_piece, .ctx = &got};
            const char *text = list[i].text;
            rs_buf_puts(&got, "");
            for (size_t at = 0, n; at < strlen(text); at += n) {
                char piece[64];
                n = step < strlen(text + at) ? step : strlen(text + at);
                while (((unsigned char)text[at + n] & 0xC0) == 0x80)
                    n++;
                snprintf(piece, sizeof piece, "%.*s", (int)n, text + at);
                rs_token_stream_add(&t, piece);
            }
            rs_token_stream_end(&t);
            if (strcmp(got.data, list[i].want) != 0)
                fail_msg("'%s' by %zu: '%s', wanted '%s'", text, step, got.data, list[i].want);
            rs_token_stream_clear(&t);
            rs_buf_clear(&got);
        }
}

/* A whole answer at once, of what is looked ahead for: no time but its own. */
static void test_tokens_at_once(void **state)
{
    static const char *const list[] = {"[", "<", "[1", "<think>a"};
    char *text = malloc(RS_CHAT_MAX + 1);

    (void)state;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        rs_buf got = {0};
        rs_token_stream t = {.n = 3, .on_piece = note_piece, .ctx = &got};
        const clock_t begun = clock();
        double took_s;
        for (size_t at = 0; at < RS_CHAT_MAX; at++)
            text[at] = list[i][at % strlen(list[i])];
        text[RS_CHAT_MAX] = '\0';
        rs_token_stream_add(&t, text);
        rs_token_stream_end(&t);
        took_s = (double)(clock() - begun) / CLOCKS_PER_SEC;
        if (took_s > 20)                             /* a second, under sanitizers; or minutes */
            fail_msg("%s takes %.0f s", list[i], took_s);
        rs_token_stream_clear(&t);
        rs_buf_clear(&got);
    }
    free(text);
}

static void test_tokens_reasoning(void **state)
{
    rs_buf got = {0};
    rs_token_stream t = {.n = 1, .on_piece = note_piece, .ctx = &got};
    char flood[3001];

    (void)state;
    for (const char *c = "<think>so it is</think><answer>yes [1]</answer>"; *c; c++) {
        char piece[2] = {*c, '\0'};
        rs_token_stream_add(&t, piece);
    }
    rs_token_stream_end(&t);
    assert_string_equal(got.data, "{so }{it }{is}yes [1]");
    got.len = 0;                               /* a bracket that stays open hides no tag */
    rs_token_stream_add(&t, "<think>\x1b[2J</think>yes [1]");
    rs_token_stream_end(&t);
    assert_string_equal(got.data, "yes [1]");
    rs_token_stream_clear(&t);
    memset(flood, 'a', 300);                   /* a word too long to be held ends in a bracket */
    strcpy(flood + 299, "]");
    got.len = 0;
    rs_token_stream_add(&t, flood);
    rs_token_stream_add(&t, "(http://evil/) ");
    assert_non_null(strstr(got.data, "a] (http"));
    memset(flood, '[', 3000);                  /* never a word's end, never a bracket's */
    flood[3000] = '\0';
    got.len = 0;
    rs_token_stream_add(&t, flood);
    assert_true(t.held.len <= RS_TOKEN_HOLD + 1);
    rs_token_stream_clear(&t);
    rs_buf_clear(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),      cmocka_unit_test(test_own_events),
        cmocka_unit_test(test_event_limits), cmocka_unit_test(test_answers),
        cmocka_unit_test(test_no_end),      cmocka_unit_test(test_problem),
        cmocka_unit_test(test_tokens),      cmocka_unit_test(test_tokens_at_once),
        cmocka_unit_test(test_tokens_reasoning),
    };

    return cmocka_run_group_tests_name("server/chat_stream", tests, NULL, NULL);
}
