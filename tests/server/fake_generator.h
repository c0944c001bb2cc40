/* fake_generator.h - an OpenAI-compatible server as tests want it: each request is read whole
 * and kept, then a function of the test's says whatever it likes, byte by byte if need be.
 *
 *   fake f;
 *   fake_begin(&f, speak, NULL);        speak(&f, fd, number of the request, its text)
 *   ... "http://127.0.0.1:%d/v1", f.port ...
 *   fake_end(&f);
 *
 * A thread a connection; one request a connection, which is closed behind it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_TESTS_SERVER_FAKE_GENERATOR_H
#define RS_TESTS_SERVER_FAKE_GENERATOR_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FAKE_REQUEST = 4 << 20, FAKE_THREADS = 512 };

typedef struct fake fake;
typedef void fake_speak(fake *f, int fd, int number, const char *request);

typedef struct { fake *f; int fd; } fake_client;

struct fake {
    int         fd, port;
    fake_speak *speak;
    const void *ctx;                   /* the test's */
    atomic_int  connections;           /* so far */
    atomic_int  requests;              /* read whole */
    atomic_int  gone;                  /* clients seen to close while we had more to say */
    atomic_bool stop;
    pthread_t   thread, client[FAKE_THREADS];
    fake_client of[FAKE_THREADS];
    int         n_clients;
    pthread_mutex_t lock;
    char       *last;                  /* request; under the lock */
};

static inline void fake_pause(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

/* ---- What a test says ------------------------------------------------ */

/* false: the client is gone. */
static inline bool fake_bytes(fake *f, int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0) {
            f->gone++;
            return false;
        }
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

static inline bool fake_say(fake *f, int fd, const char *text)
{
    return fake_bytes(f, fd, text, strlen(text));
}

/* A byte at a time, each in a packet of its own. */
static inline bool fake_drip(fake *f, int fd, const char *text)
{
    for (; *text; text++)
        if (!fake_bytes(f, fd, text, 1))
            return false;
    return true;
}

/* Say nothing until the client closes; false where the test ends first. */
static inline bool fake_hold(fake *f, int fd)
{
    while (!f->stop) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char some[256];
        if (poll(&p, 1, 20) > 0 && recv(fd, some, sizeof some, 0) <= 0) {
            f->gone++;
            return true;
        }
    }
    return false;
}

static inline void fake_reset(int fd)
{
    struct linger hard = {1, 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

#define FAKE_OK "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

/* The text as a JSON string's inside. */
static inline void fake_escape(const char *text, char *out, size_t size)
{
    size_t n = 0;

    for (; *text && n + 8 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            n += (size_t)snprintf(out + n, size - n, "\\%c", c);
        else if (c < ' ')
            n += (size_t)snprintf(out + n, size - n, "\\u%04x", c);
        else
            out[n++] = (char)c;
    }
    out[n] = '\0';
}

/* A whole answer, streamed in pieces of `step` bytes (0: one piece). */
static inline bool fake_answer(fake *f, int fd, const char *text, size_t step)
{
    char piece[8192], escaped[16384], event[20000];
    size_t len = strlen(text);
    bool there = fake_say(f, fd, FAKE_OK);

    for (size_t at = 0; there && at < len;) {
        size_t n = step && step < len - at ? step : len - at;
        n = n < sizeof piece - 1 ? n : sizeof piece - 1;
        while (at + n < len && ((unsigned char)text[at + n] & 0xC0) == 0x80)
            n++;
        memcpy(piece, text + at, n);
        piece[n] = '\0';
        fake_escape(piece, escaped, sizeof escaped);
        snprintf(event, sizeof event, "data: {\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}\n\n",
                 escaped);
        there = fake_say(f, fd, event);
        at += n;
    }
    return there && fake_say(f, fd, "data: "
                             "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}"
                                    "\n\ndata: [DONE]\n\n");
}

/* ---- The server ------------------------------------------------------ */

/* Read one request to the end of its body; NULL where the client goes before. */
static inline char *fake_read(fake *f, int fd)
{
    char *bytes = malloc(FAKE_REQUEST + 1), *end, *field;
    size_t len = 0, want = SIZE_MAX;

    while (bytes && len < want && !f->stop) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t n;
        if (poll(&p, 1, 20) <= 0)
            continue;
        n = recv(fd, bytes + len, FAKE_REQUEST - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
        bytes[len] = '\0';
        end = strstr(bytes, "\r\n\r\n");
        field = strstr(bytes, "Content-Length: ");
        if (end)
            want = (size_t)(end + 4 - bytes) + (field ? strtoul(field + 16, NULL, 10) : 0);
    }
    if (bytes && len >= want)
        return bytes;
    free(bytes);
    return NULL;
}

static inline void *fake_client_main(void *arg)
{
    fake_client *c = arg;
    fake *f = c->f;
    char *request = fake_read(f, c->fd);
    int on = 1;

    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (request) {
        int number = f->requests++;
        pthread_mutex_lock(&f->lock);
        free(f->last);
        f->last = strdup(request);
        pthread_mutex_unlock(&f->lock);
        if (f->speak)
            f->speak(f, c->fd, number, request);
    }
    free(request);
    close(c->fd);
    return NULL;
}

static inline void *fake_main(void *arg)
{
    fake *f = arg;

    while (!f->stop) {
        struct pollfd p = {.fd = f->fd, .events = POLLIN};
        int fd;
        if (poll(&p, 1, 20) <= 0 || (fd = accept(f->fd, NULL, NULL)) < 0)
            continue;
        f->connections++;
        if (f->n_clients == FAKE_THREADS) {
            close(fd);
            continue;
        }
        f->of[f->n_clients] = (fake_client){f, fd};
        if (pthread_create(&f->client[f->n_clients], NULL, fake_client_main,
                           &f->of[f->n_clients]) == 0)
            f->n_clients++;
    }
    return NULL;
}

static inline void fake_begin(fake *f, fake_speak *speak, const void *ctx)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;

    memset(f, 0, sizeof *f);
    f->speak = speak;
    f->ctx = ctx;
    pthread_mutex_init(&f->lock, NULL);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(f->fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(f->fd, 64) != 0)
        abort();
    getsockname(f->fd, (struct sockaddr *)&at, &len);
    f->port = ntohs(at.sin_port);
    if (pthread_create(&f->thread, NULL, fake_main, f) != 0)
        abort();
}

static inline void fake_end(fake *f)
{
    f->stop = true;
    pthread_join(f->thread, NULL);
    for (int i = 0; i < f->n_clients; i++)
        pthread_join(f->client[i], NULL);
    close(f->fd);
    free(f->last);
    pthread_mutex_destroy(&f->lock);
}

/* A port that nobody listens at. */
static inline int fake_nobody(void)
{
    fake f;

    fake_begin(&f, NULL, NULL);
    fake_end(&f);
    return f.port;
}

#endif
