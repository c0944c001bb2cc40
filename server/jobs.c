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
    rs_job         *first;                   /* waiting, by their turns */
    rs_job         *done, **done_last;
    double          now;                     /* the turn of the job that was taken last */
    size_t          waiting, running, started;     /* shown ones wait too */
    rs_status       start_st;                /* of the first start that failed */
    rs_err          start_err;
    bool            closed;
};

enum { MOST_TOGETHER = 64 };

/* ---- The queue -------------------------------------------------------- */

/* Where its turn is: behind all that have the same; one that was there before, before them. */
static void insert(rs_jobs *j, rs_job *job, bool again)
{
    rs_job **at = &j->first;

    while (*at && ((*at)->turn < job->turn || (!again && (*at)->turn == job->turn)))
        at = &(*at)->next;
    job->next = *at;
    *at = job;
}

/* The turn of a client's next job, and how many of the client's wait. */
static double next_turn(const rs_jobs *j, const rs_job *job, size_t *mine)
{
    double last = j->now;

    *mine = 0;
    for (const rs_job *other = j->first; other; other = other->next)
        if (other->client == job->client) {
            ++*mine;
            last = other->turn > last ? other->turn : last;
        }
    return last + job->cost;
}

static rs_job *take(rs_jobs *j)
{
    rs_job *job = j->first;

    j->first = job->next;
    job->next = NULL;
    if (job->turn > j->now)
        j->now = job->turn;
    return job;
}

/* ---- Workers ---------------------------------------------------------- */

/* Out of the queue: those that `job` would be shown with, a worker's share of them. */
static size_t gather(rs_jobs *j, rs_job *job, rs_job **group)
{
    size_t alike = 1, most, n = 0;

    if (!job->ahead || job->shown || j->plan.together < 2)
        return 0;
    for (const rs_job *other = j->first; other; other = other->next)
        alike += other->ahead == job->ahead && !other->shown;
    most = (alike + j->plan.workers - 1) / j->plan.workers;
    if (most > j->plan.together)
        most = j->plan.together;
    if (most > MOST_TOGETHER)
        most = MOST_TOGETHER;
    if (most < 2)
        return 0;
    group[n++] = job;
    for (rs_job **at = &j->first; *at && n < most;) {
        rs_job *other = *at;
        if (other->ahead != job->ahead || other->shown) {
            at = &other->next;
            continue;
        }
        *at = other->next;
        group[n++] = other;
    }
    for (size_t i = 0; i < n; i++)
        group[i]->shown = true;
    return n;
}

/* With the lock held before and after, not meanwhile. */
static void look_ahead(rs_jobs *j, rs_job *job, void *state)
{
    rs_job *group[MOST_TOGETHER];
    const size_t n = gather(j, job, group);

    if (n == 0)
        return;
    pthread_mutex_unlock(&j->lock);
    job->ahead(group, n, state);
    pthread_mutex_lock(&j->lock);
    for (size_t i = n; i-- > 1;)
        insert(j, group[i], true);
    pthread_cond_broadcast(&j->has_job);
}

static void run_one(rs_jobs *j, void *state)
{
    rs_job *job = take(j);

    look_ahead(j, job, state);
    j->waiting--;
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

static void work(rs_jobs *j, void *state)
{
    pthread_mutex_lock(&j->lock);
    while (!j->closed) {
        if (j->first)
            run_one(j, state);
        else
            pthread_cond_wait(&j->has_job, &j->lock);
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
    const size_t share = j->plan.capacity - j->plan.capacity / 4;
    size_t mine;
    bool room;

    job->next = NULL;
    job->shown = false;
    job->queued_s = rs_now_s();
    job->begun_s = job->ended_s = 0;
    pthread_mutex_lock(&j->lock);
    job->turn = next_turn(j, job, &mine);
    room = j->waiting < j->plan.capacity && mine < share;
    if (room) {
        insert(j, job, false);
        j->waiting++;
        pthread_cond_signal(&j->has_job);
    }
    pthread_mutex_unlock(&j->lock);
    return room;
}

bool rs_jobs_drop(rs_jobs *j, rs_job *job)
{
    rs_job **at;
    bool found;

    pthread_mutex_lock(&j->lock);
    for (at = &j->first; *at && *at != job;)
        at = &(*at)->next;
    found = *at != NULL;
    if (found) {
        *at = job->next;
        j->waiting--;
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
