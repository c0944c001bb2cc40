/* jobs.h - work done off the loop: a bounded queue and a few workers.
 *
 *   loop thread                             workers
 *   rs_jobs_push(jobs, job)   -> queue ->   job->run(job, worker)  -> finished list, wake()
 *   rs_jobs_finished(jobs)    <---------------------------------------------'
 *
 * The queue never waits for room: a push into a full one fails, and the client is told to
 * come again. A job that nobody wants any more is taken out of the queue before it begins.
 * What one side wrote before it handed a job over, the other sees.
 *
 * Fair shares: jobs are taken in the order of start-time fair queueing (Goyal, Vin, Cheng,
 * SIGCOMM 1996, section 2): a client's jobs one after the other, clients beside each other, so
 * that one who has a hundred waiting takes turns with one who has a single one. And no client
 * has more than three quarters of the queue.
 *
 * Looking ahead: what several waiting jobs need may be cheaper to make at once (texts encoded in
 * one batch). A worker that takes a job with `ahead` shows it those of its kind that wait,
 * itself included, at most its share of them; they wait on, each is shown once.
 *
 * Threading: push, drop, finished and stop are called by one thread, the owner's.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_JOBS_H
#define RS_SERVER_JOBS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rs_job rs_job;
struct rs_job {
    void  (*run)(rs_job *job, void *worker);
    void  (*ahead)(rs_job *const *jobs, size_t n, void *worker);      /* NULL: nothing is */
    uint64_t client;                         /* whose; any number that is theirs alone */
    double  cost;                            /* beside others, > 0; a client's share is of it */
    double  turn;                            /* the queue's own, as the next two lines */
    bool    shown;
    double  queued_s, begun_s, ended_s;      /* rs_now_s(), filled in on the way */
    rs_job *next;                            /* the queue's own */
};

typedef struct {
    size_t workers, capacity;                /* >= 1 each; jobs that may wait */
    size_t together;                         /* jobs shown to `ahead` at once; below 2: never */
    /* In the worker's thread: make and end what it works with (an archive of its own). A
     * start that fails ends rs_jobs_new with its error. */
    rs_status (*start)(void *ctx, void **worker, rs_err *err);
    void      (*stop)(void *ctx, void *worker);
    /* From any worker's thread: something is finished. May be called too often. */
    void      (*wake)(void *ctx);
    void      *ctx;
} rs_jobs_plan;

typedef struct rs_jobs rs_jobs;

/* Returns when every worker has started. */
rs_status rs_jobs_new(rs_jobs **out, const rs_jobs_plan *plan, rs_err *err);
/* Jobs still waiting are not run and are not finished; running ones are waited for. NULL is
 * fine. */
void      rs_jobs_free(rs_jobs *j);

/* run, ahead, client and cost are set. false: full, or full for this client. */
bool    rs_jobs_push(rs_jobs *j, rs_job *job);
/* Take it out again; false where it has begun or is being shown: it will come as finished. */
bool    rs_jobs_drop(rs_jobs *j, rs_job *job);
rs_job *rs_jobs_finished(rs_jobs *j);                  /* all at once, by `next`; NULL: none */
size_t  rs_jobs_waiting(rs_jobs *j);
size_t  rs_jobs_running(rs_jobs *j);

#endif
