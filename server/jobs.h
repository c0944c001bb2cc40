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
 * Threading: push, drop, finished and stop are called by one thread, the owner's.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_JOBS_H
#define RS_SERVER_JOBS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct rs_job rs_job;
struct rs_job {
    void  (*run)(rs_job *job, void *worker);
    double  queued_s, begun_s, ended_s;      /* rs_now_s(), filled in on the way */
    rs_job *next;                            /* the queue's own */
};

typedef struct {
    size_t workers, capacity;                /* >= 1 each; jobs that may wait */
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

bool    rs_jobs_push(rs_jobs *j, rs_job *job);         /* false: full */
/* Take it out again; false where it has begun: it will come as finished. */
bool    rs_jobs_drop(rs_jobs *j, rs_job *job);
rs_job *rs_jobs_finished(rs_jobs *j);                  /* all at once, by `next`; NULL: none */
size_t  rs_jobs_waiting(rs_jobs *j);
size_t  rs_jobs_running(rs_jobs *j);

#endif
