/* threads.c - see threads.h. Workers sleep on a condition between loops, after a short
 * wait awake, since loops tend to follow each other; inside one they take indices from an
 * atomic counter. A loop is over when its items are done: a worker that was slow to wake
 * finds it closed, and nobody waits for it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE                    /* sched_getaffinity */
#include "base/threads.h"

#include "base/alloc.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct {
    rs_pool *pool;
    size_t id;
    pthread_t thread;
} worker;

struct rs_pool {
    size_t size;                       /* the caller and size - 1 workers */
    size_t started;
    worker *workers;
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    atomic_ulong round;                /* a new loop each time it grows */
    atomic_size_t busy;                /* workers inside this round */
    bool open, stop;                   /* the round may be joined; the pool ends */
    void (*fn)(void *ctx, size_t i, size_t worker);
    void *ctx;
    size_t n;
    atomic_size_t next;
};

enum { SPINS = 1000 };                 /* 10 to 50 us */

static inline void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

static void take_items(rs_pool *p, size_t id)
{
    for (;;) {
        size_t i = atomic_fetch_add(&p->next, 1);
        if (i >= p->n)
            return;
        p->fn(p->ctx, i, id);
    }
}

/* A few microseconds awake: until *at is not `value`. */
static void linger(const atomic_ulong *at, unsigned long value)
{
    for (int i = 0; i < SPINS && atomic_load_explicit(at, memory_order_relaxed) == value; i++)
        pause_cpu();
}

static void *work(void *arg)
{
    worker *w = arg;
    rs_pool *p = w->pool;
    unsigned long seen = 0;

    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->stop && !(p->open && atomic_load(&p->round) != seen))
            pthread_cond_wait(&p->wake, &p->lock);
        if (p->stop)
            break;
        seen = atomic_load(&p->round);
        atomic_fetch_add(&p->busy, 1);
        pthread_mutex_unlock(&p->lock);
        take_items(p, w->id);
        pthread_mutex_lock(&p->lock);
        if (atomic_fetch_sub(&p->busy, 1) == 1)
            pthread_cond_signal(&p->idle);
        pthread_mutex_unlock(&p->lock);
        linger(&p->round, seen);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

rs_status rs_pool_new(rs_pool **out, size_t threads, rs_err *err)
{
    rs_pool *p = rs_calloc(1, sizeof *p);

    *out = NULL;
    if (!p)
        return rs_fail(err, RS_ENOMEM, "thread pool: no memory");
    p->size = threads ? threads : rs_cores();
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->idle, NULL);
    p->workers = rs_calloc(p->size, sizeof *p->workers);
    if (!p->workers) {
        rs_pool_free(p);
        return rs_fail(err, RS_ENOMEM, "thread pool: no memory");
    }
    for (size_t i = 1; i < p->size; i++) {
        worker *w = &p->workers[i];
        *w = (worker){.pool = p, .id = i};
        if (pthread_create(&w->thread, NULL, work, w) != 0) {
            rs_pool_free(p);
            return rs_fail(err, RS_ENOMEM, "thread pool: cannot start thread %zu of %zu", i, threads);
        }
        p->started++;
    }
    *out = p;
    return RS_OK;
}

void rs_pool_free(rs_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 1; i <= p->started; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    rs_free(p->workers);
    rs_free(p);
}

size_t rs_pool_size(const rs_pool *p)
{
    return p ? p->size : 1;
}

void rs_pool_for(rs_pool *p, size_t n, void (*fn)(void *ctx, size_t i, size_t worker), void *ctx)
{
    if (!p || p->size == 1 || n <= 1) {
        for (size_t i = 0; i < n; i++)
            fn(ctx, i, 0);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->fn = fn;
    p->ctx = ctx;
    p->n = n;
    atomic_store(&p->next, 0);
    p->open = true;
    atomic_fetch_add(&p->round, 1);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    take_items(p, 0);
    pthread_mutex_lock(&p->lock);
    p->open = false;
    while (atomic_load(&p->busy) > 0)
        pthread_cond_wait(&p->idle, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

size_t rs_cores(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return CPU_COUNT(&set) > 0 ? (size_t)CPU_COUNT(&set) : 1;
}
