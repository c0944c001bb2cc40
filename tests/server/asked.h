/* asked.h - questions to a server in this process, their events read as they come.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_TESTS_SERVER_ASKED_H
#define RS_TESTS_SERVER_ASKED_H

#include "fake_generator.h"
#include "served.h"

#include "base/json.h"
#include "server/sse_parse.h"

enum { MAX_EVENTS = 4096 };

typedef struct {
    char    name[RS_SSE_NAME];
    json_t *data;
} asked_event;

typedef struct {
    int         status;
    rs_buf      bytes;                 /* all that came, head and chunks */
    asked_event events[MAX_EVENTS];
    size_t      n;
} asked;

static inline bool asked_take(void *ctx, const char *event, const char *data, size_t len)
{
    asked *a = ctx;

    assert_true(a->n < MAX_EVENTS);
    snprintf(a->events[a->n].name, sizeof a->events[a->n].name, "%s", event);
    a->events[a->n].data = json_loadb(data, len, 0, NULL);
    assert_non_null(a->events[a->n++].data);
    return true;
}

static inline void asked_clear(asked *a)
{
    for (size_t i = 0; i < a->n; i++)
        json_decref(a->events[i].data);
    rs_buf_clear(&a->bytes);
    free(a);
}

/* The connection on which `json` has been asked for. */
static inline int asked_dial(int port, const char *path, const char *json, bool events)
{
    char head[512];
    int fd = dial(port);

    snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", path,
             events ? "Accept: text/event-stream\r\n" : "", strlen(json));
    say(fd, head);
    say(fd, json);
    return fd;
}

/* Everything to the end. */
static inline asked *asked_hear(int fd)
{
    asked *a = calloc(1, sizeof *a);      /* as asked_clear frees it */
    rs_sse_parser p = {.begun = false};
    char some[4096], *at;
    ssize_t n;

    assert_non_null(a);
    while ((n = hear_some(fd, some, sizeof some, WAIT_MS)) > 0)
        rs_buf_append(&a->bytes, some, (size_t)n);
    close(fd);
    if (n < 0)
        fail_msg("no end in time; so far: %.500s", a->bytes.data);
    rs_buf_append(&a->bytes, "", 0);
    a->status = a->bytes.len > 12 ? atoi(a->bytes.data + 9) : 0;
    at = strstr(a->bytes.data, "\r\n\r\n");
    if (!at || !strstr(a->bytes.data, "\r\nContent-Type: text/event-stream"))
        return a;
    for (at += 4; *at;) {                      /* chunk by chunk */
        size_t len = strtoul(at, &at, 16);
        at += 2;
        if (len == 0)
            break;
        assert_int_equal(rs_sse_parse(&p, at, len, asked_take, a), RS_OK);
        at += len + 2;
    }
    rs_sse_parser_clear(&p);
    return a;
}

static inline asked *ask_events(int port, const char *json)
{
    return asked_hear(asked_dial(port, "/v1/ask", json, true));
}

/* The i-th event of that name, or NULL. */
static inline json_t *event_at(const asked *a, const char *name, size_t i)
{
    for (size_t k = 0; k < a->n; k++)
        if (strcmp(a->events[k].name, name) == 0 && i-- == 0)
            return a->events[k].data;
    return NULL;
}

static inline json_t *event_of(const asked *a, const char *name)
{
    json_t *o = event_at(a, name, 0);

    if (!o)
        fail_msg("no event %s in: %.2000s", name, a->bytes.data);
    return o;
}

/* The body of an answer that is one document; the caller json_decref()s. */
static inline json_t *asked_json(const asked *a)
{
    const char *body = strstr(a->bytes.data, "\r\n\r\n");
    json_t *o = body ? json_loads(body + 4, 0, NULL) : NULL;

    if (!o)
        fail_msg("no JSON: %.2000s", a->bytes.data);
    return o;
}

static inline const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? text : "";
}

/* All tokens, joined. */
static inline char *tokens_of(const asked *a, bool reasoning)
{
    rs_buf b = {0};
    json_t *o;

    for (size_t i = 0; (o = event_at(a, "token", i)) != NULL; i++)
        if (json_is_true(json_object_get(o, "reasoning")) == reasoning)
            rs_buf_puts(&b, text_of(o, "text"));
    return rs_buf_take(&b);
}

#endif
