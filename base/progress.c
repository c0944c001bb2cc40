/* progress.c - see progress.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/progress.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { BAR = 24 };
static const double TTY_EVERY_S = 0.1, PLAIN_EVERY_S = 10.0, JSON_EVERY_S = 1.0;

struct rs_progress {
    const char *what, *unit;           /* borrowed: string literals of the caller */
    size_t total, done;
    rs_progress_mode mode;
    bool tty;
    double start_s, last_s;
    pthread_mutex_t lock;
};

/* "2:05" or "1:02:05"; "-" when it cannot be told. */
static void time_text(char out[24], double s)
{
    long t = (long)(s + 0.5);

    if (!(s >= 0 && s < 1e7))
        snprintf(out, 24, "-");
    else if (t >= 3600)
        snprintf(out, 24, "%ld:%02ld:%02ld", t / 3600, t / 60 % 60, t % 60);
    else
        snprintf(out, 24, "%ld:%02ld", t / 60, t % 60);
}

static void print_bar(const rs_progress *p, double share)
{
    char bar[BAR + 1];
    int full = (int)(share * BAR);

    for (int i = 0; i < BAR; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR] = '\0';
    fprintf(stderr, "\r%s [%s] %3.0f%%  ", p->what, bar, 100 * share);
}

static void print_line(const rs_progress *p, double now, bool last)
{
    double elapsed = now - p->start_s;
    double rate = elapsed > 0 ? (double)p->done / elapsed : 0;
    double share = p->total ? (double)p->done / (double)p->total : 0;
    double left = rate > 0 && p->total >= p->done ? (double)(p->total - p->done) / rate : -1;
    char eta[24];

    if (p->mode == RS_PROGRESS_JSON) {
        fprintf(stderr, "{\"progress\":\"%s\",\"unit\":\"%s\",\"done\":%zu,\"total\":%zu,"
                "\"per_second\":%.2f,\"elapsed_s\":%.1f,\"end\":%s}\n",
                p->what, p->unit, p->done, p->total, rate, elapsed, last ? "true" : "false");
        return;
    }
    time_text(eta, last ? elapsed : left);
    if (p->tty && p->total)
        print_bar(p, share > 1 ? 1 : share);
    else
        fprintf(stderr, "%s%s: ", p->tty ? "\r" : "", p->what);
    fprintf(stderr, "%zu", p->done);
    if (p->total)
        fprintf(stderr, "/%zu", p->total);
    fprintf(stderr, " %s, %.1f/s, %s %s%s", p->unit, rate, eta, last ? "in all" : "left",
            p->tty ? "\x1b[K" : "");
    if (last || !p->tty)
        fputc('\n', stderr);
    fflush(stderr);
}

rs_progress *rs_progress_new(const char *what, const char *unit, size_t total,
                             rs_progress_mode mode)
{
    rs_progress *p = rs_calloc(1, sizeof *p);

    if (!p)
        return NULL;
    *p = (rs_progress){.what = what, .unit = unit, .total = total, .mode = mode,
                       .tty = isatty(STDERR_FILENO) == 1, .start_s = rs_now_s()};
    p->last_s = p->start_s;
    pthread_mutex_init(&p->lock, NULL);
    if (p->tty && mode == RS_PROGRESS_AUTO)
        print_line(p, p->start_s, false);      /* a bar at once: the first batch may take long */
    return p;
}

void rs_progress_add(rs_progress *p, size_t done)
{
    double now, every;

    if (!p || p->mode == RS_PROGRESS_QUIET)
        return;
    pthread_mutex_lock(&p->lock);
    p->done += done;
    now = rs_now_s();
    every = p->mode == RS_PROGRESS_JSON ? JSON_EVERY_S : p->tty ? TTY_EVERY_S : PLAIN_EVERY_S;
    if (now - p->last_s >= every) {
        p->last_s = now;
        print_line(p, now, false);
    }
    pthread_mutex_unlock(&p->lock);
}

void rs_progress_set_total(rs_progress *p, size_t total)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->total = total;
    pthread_mutex_unlock(&p->lock);
}

void rs_progress_end(rs_progress *p)
{
    if (!p)
        return;
    if (p->mode != RS_PROGRESS_QUIET)
        print_line(p, rs_now_s(), true);
    pthread_mutex_destroy(&p->lock);
    rs_free(p);
}
