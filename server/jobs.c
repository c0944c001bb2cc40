/* jobs.c - see jobs.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <pthread.h>
#include <signal.h>

typedef struct {
    rs_jobs  *jobs;
    pthread_t thread;
    bool      begun;
} worker;

struct rs_jobs {
    rs_jobs_plan    plan;
    worker         *workers;
    pthread_mutex_t lock;
    pthread_cond_t  has_job, has_started;
    rs_job         *first, **last;           /* waiting, oldest first */
    rs_job         *done, **done_last;
    size_t          waiting, running, started;
    rs_status       start_st;                /* of the first start that failed */
    rs_err          start_err;
    bool            closed;
};

static rs_job *take(rs_jobs *j)
{
    rs_job *job = j->first;

    j->first = job->next;
    if (!j->first)
        j->last = &j->first;
    job->next = NULL;
    j->waiting--;
    return job;
}

static void work(rs_jobs *j, void *state)
{
    pthread_mutex_lock(&j->lock);
    while (!j->closed) {
        rs_job *job;
        if (!j->first) {
            pthread_cond_wait(&j->has_job, &j->lock);
            continue;
        }
        job = take(j);
        j->running++;
        pthread_mutex_unlock(&j->lock);
        job->begun_s = rs_now_s();
        job->run(job, state);
        job->ended_s = rs_now_s();
        pthread_mutex_lock(&j->lock);
        j->running--;
        *j->done_last = job;
        j->done_last = &job->next;
        j->plan.wake(j->plan.ctx);
    }
    pthread_mutex_unlock(&j->lock);
}

static void *worker_main(void *arg)
{
    rs_jobs *j = ((worker *)arg)->jobs;
    rs_err err = {0};
    void *state = NULL;
    rs_status st = j->plan.start(j->plan.ctx, &state, &err);

    pthread_mutex_lock(&j->lock);
    if (st != RS_OK && j->start_st == RS_OK) {
        j->start_st = st;
        j->start_err = err;
    }
    j->started++;
    pthread_cond_signal(&j->has_started);
    pthread_mutex_unlock(&j->lock);
    if (st == RS_OK) {
        work(j, state);
        j->plan.stop(j->plan.ctx, state);
    }
    return NULL;
}

/* Signals are the loop's: workers block them all. */
static bool start_thread(worker *w)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    w->begun = pthread_create(&w->thread, NULL, worker_main, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return w->begun;
}

rs_status rs_jobs_new(rs_jobs **out, const rs_jobs_plan *plan, rs_err *err)
{
    rs_jobs *j = rs_calloc(1, sizeof *j);
    size_t begun = 0;
    rs_status st;

    *out = NULL;
    if (j)
        j->workers = rs_calloc(plan->workers, sizeof *j->workers);
    if (!j || !j->workers) {
        rs_free(j);
        return rs_fail(err, RS_ENOMEM, "no memory for %zu workers", plan->workers);
    }
    j->plan = *plan;
    j->last = &j->first;
    j->done_last = &j->done;
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->has_job, NULL);
    pthread_cond_init(&j->has_started, NULL);
    while (begun < plan->workers) {
        j->workers[begun].jobs = j;
        if (!start_thread(&j->workers[begun]))
            break;
        begun++;
    }
    pthread_mutex_lock(&j->lock);
    while (j->started < begun)
        pthread_cond_wait(&j->has_started, &j->lock);
    st = j->start_st;
    if (st != RS_OK && err)
        *err = j->start_err;
    pthread_mutex_unlock(&j->lock);
    if (st == RS_OK && begun < plan->workers)
        st = rs_fail(err, RS_ENOMEM, "only %zu of %zu workers could be started", begun,
                     plan->workers);
    if (st != RS_OK) {
        rs_jobs_free(j);
        return st;
    }
    *out = j;
    return RS_OK;
}

void rs_jobs_free(rs_jobs *j)
{
    if (!j)
        return;
    pthread_mutex_lock(&j->lock);
    j->closed = true;
    pthread_cond_broadcast(&j->has_job);
    pthread_mutex_unlock(&j->lock);
    for (size_t i = 0; i < j->plan.workers; i++)
        if (j->workers[i].begun)
            pthread_join(j->workers[i].thread, NULL);
    pthread_cond_destroy(&j->has_started);
    pthread_cond_destroy(&j->has_job);
    pthread_mutex_destroy(&j->lock);
    rs_free(j->workers);
    rs_free(j);
}

bool rs_jobs_push(rs_jobs *j, rs_job *job)
{
    bool room;

    job->next = NULL;
    job->queued_s = rs_now_s();
    job->begun_s = job->ended_s = 0;
    pthread_mutex_lock(&j->lock);
    room = j->waiting < j->plan.capacity;
    if (room) {
        *j->last = job;
        j->last = &job->next;
        j->waiting++;
        pthread_cond_signal(&j->has_job);
    }
    pthread_mutex_unlock(&j->lock);
    return room;
}

bool rs_jobs_drop(rs_jobs *j, rs_job *job)
{
    bool found = false;

    pthread_mutex_lock(&j->lock);
    for (rs_job **at = &j->first; *at && !found;) {
        if (*at != job) {
            at = &(*at)->next;
            continue;
        }
        *at = job->next;
        if (!*at)
            j->last = at;
        j->waiting--;
        found = true;
    }
    pthread_mutex_unlock(&j->lock);
    return found;
}

rs_job *rs_jobs_finished(rs_jobs *j)
{
    rs_job *list;

    pthread_mutex_lock(&j->lock);
    list = j->done;
    j->done = NULL;
    j->done_last = &j->done;
    pthread_mutex_unlock(&j->lock);
    return list;
}

size_t rs_jobs_waiting(rs_jobs *j)
{
    size_t n;

    pthread_mutex_lock(&j->lock);
    n = j->waiting;
    pthread_mutex_unlock(&j->lock);
    return n;
}

size_t rs_jobs_running(rs_jobs *j)
{
    size_t n;

    pthread_mutex_lock(&j->lock);
    n = j->running;
    pthread_mutex_unlock(&j->lock);
    return n;
}
