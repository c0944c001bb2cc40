/* served.h - a server in this process on a free port of 127.0.0.1, and a client that sends
 * bytes as it likes and waits for nothing longer than WAIT_MS.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_TESTS_SERVER_SERVED_H
#define RS_TESTS_SERVER_SERVED_H

#include "engine/fixture.h"
#include "server/routes.h"
#include "server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

enum { WAIT_MS = 20000, ANSWER_BYTES = 1 << 20 };

static char serve_folder[64];      /* the archive's */

/* ---- The server ------------------------------------------------------ */

typedef struct {
    rs_server_plan plan;
    rs_server     *s;
    pthread_t      thread;
    int            port;
} served;

static void *serve_main(void *arg)
{
    served *v = arg;
    rs_err err = {0};

    ok(rs_server_run(v->s, &err), &err);
    return NULL;
}

/* Settings as defaults have them; change v->plan, then serve_begin. */
static inline void serve_plan(served *v)
{
    rs_err err = {0};

    memset(v, 0, sizeof *v);
    ok(rs_config_load(&v->plan.config, NULL, NULL, NULL, &err), &err);
    v->plan.config.port = 0;
    v->plan.config.workers = 2;
    v->plan.config.access_log = 0;
    v->plan.service.archive = serve_folder;
}

static inline void serve_begin(served *v)
{
    rs_err err = {0};

    ok(rs_server_new(&v->s, &v->plan, &err), &err);
    v->port = rs_server_port(v->s);
    assert_true(v->port > 0);
    assert_int_equal(pthread_create(&v->thread, NULL, serve_main, v), 0);
}

static inline void serve_end(served *v)
{
    rs_server_stop(v->s);
    pthread_join(v->thread, NULL);
    rs_server_free(v->s);
    v->s = NULL;
}

static inline void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

/* ---- The client ------------------------------------------------------ */

/* A connection, or -1 where it is refused. */
static inline int try_dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline int dial(int port)
{
    int fd = try_dial(port);

    assert_true(fd >= 0);
    return fd;
}

/* Send; false where the peer has closed. */
static inline bool say_bytes(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

static inline bool say(int fd, const char *text)
{
    return say_bytes(fd, text, strlen(text));
}

/* What comes next: bytes, 0 at the end (a reset counts as one), -1 when time is over. */
static inline ssize_t hear_some(int fd, char *to, size_t size, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t n;

    if (poll(&p, 1, wait_ms) <= 0)
        return -1;
    n = recv(fd, to, size, 0);
    return n < 0 ? 0 : n;
}

typedef struct {
    int    status;                 /* 0: the peer closed instead */
    char  *head, *body;            /* NUL-terminated, until the next hear() */
    size_t body_len;
    bool   closes;
} answer;

static char answer_bytes[ANSWER_BYTES + 1];
static size_t answer_kept;         /* bytes of the next answer, at the end of this one */
static size_t answer_end;

/* How long the answer at the begin of answer_bytes is, head and body; 0: not known yet. */
static inline size_t answer_length(bool bodiless)
{
    const char *end = strstr(answer_bytes, "\r\n\r\n");
    const char *length = strstr(answer_bytes, "Content-Length: ");

    if (!end)
        return 0;
    return (size_t)(end + 4 - answer_bytes) +
           (length && length < end && !bodiless ? strtoul(length + 16, NULL, 10) : 0);
}

/* The next answer of a connection; `bodiless`: to a HEAD. One connection at a time may have
 * answers waiting (pipelining). */
static inline answer hear_answer(int fd, bool bodiless)
{
    answer a = {0};
    size_t len = answer_kept, want;
    char *end;

    memmove(answer_bytes, answer_bytes + answer_end, answer_kept);
    answer_kept = answer_end = 0;
    answer_bytes[len] = '\0';
    while ((want = answer_length(bodiless)) == 0 || len < want) {
        ssize_t n = hear_some(fd, answer_bytes + len, ANSWER_BYTES - len, WAIT_MS);
        if (n < 0)
            fail_msg("no answer in time; so far: %.300s", answer_bytes);
        if (n == 0)
            return a;
        len += (size_t)n;
        answer_bytes[len] = '\0';
    }
    end = strstr(answer_bytes, "\r\n\r\n");
    end[2] = '\0';
    a.status = atoi(answer_bytes + 9);
    a.head = answer_bytes;
    a.body = end + 4;
    a.body_len = want - (size_t)(a.body - answer_bytes);
    a.closes = strstr(a.head, "Connection: close\r\n") != NULL;
    answer_end = want;
    answer_kept = len - want;
    return a;
}

static inline answer hear(int fd)
{
    return hear_answer(fd, false);
}

/* The peer closes, whatever it says before. */
static inline void hear_end(int fd)
{
    char some[4096];
    ssize_t n;

    while ((n = hear_some(fd, some, sizeof some, WAIT_MS)) > 0)
        ;
    assert_int_equal(n, 0);
    answer_kept = answer_end = 0;
}

static inline void hang_up(int fd)
{
    close(fd);
    answer_kept = answer_end = 0;
}

/* One request on a connection of its own. */
static inline answer ask(int port, const char *request)
{
    int fd = dial(port);
    answer a;

    answer_kept = answer_end = 0;
    say(fd, request);
    a = hear_answer(fd, strncmp(request, "HEAD", 4) == 0);
    close(fd);
    answer_kept = 0;
    return a;
}

#define REQUEST(line) line " HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* POST `json` to `path`. */
static inline answer ask_post(int port, const char *path, const char *json)
{
    char request[4096];

    snprintf(request, sizeof request, "POST %s HTTP/1.1\r\nHost: localhost\r\n"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", path, strlen(json),
             json);
    return ask(port, request);
}

static inline answer ask_search(int port, const char *json)
{
    return ask_post(port, "/v1/search", json);
}

/* The number behind `name` in /metrics. */
static inline double metric(int port, const char *name)
{
    answer a = ask(port, REQUEST("GET /metrics"));
    char line[128];
    const char *found;

    snprintf(line, sizeof line, "\n%s ", name);
    found = strstr(a.body, line);
    assert_non_null(found);
    return strtod(found + strlen(line), NULL);
}

#endif
