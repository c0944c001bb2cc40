/* test_jobs.c - every job once, in order, a bounded number; dropped ones never begin.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs.h"

#include "base/alloc.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

enum { JOBS = 500 };

typedef struct {
    rs_job job;
    int    number, seen;           /* how often it was run */
} numbered;

static atomic_int started, stopped, woken, order;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;     /* closed: jobs wait in run() */

static rs_status start(void *ctx, void **worker, rs_err *err)
{
    const int fail_at = *(int *)ctx, n = atomic_fetch_add(&started, 1);

    *worker = rs_malloc(8);
    if (n != fail_at)
        return RS_OK;
    rs_free(*worker);
    return rs_fail(err, RS_EIO, "no archive");
}

static void stop(void *ctx, void *worker)
{
    (void)ctx;
    rs_free(worker);
    atomic_fetch_add(&stopped, 1);
}

static void wake(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&woken, 1);
}

static void run(rs_job *job, void *worker)
{
    numbered *n = (numbered *)job;

    assert_non_null(worker);
    pthread_mutex_lock(&gate);
    n->seen++;
    n->number = atomic_fetch_add(&order, 1);
    pthread_mutex_unlock(&gate);
}

static void rest(void)
{
    struct timespec t = {0, 1000000};

    nanosleep(&t, NULL);
}

static rs_jobs *make(size_t workers, size_t capacity)
{
    static int none = -1;
    rs_jobs_plan plan = {workers, capacity, start, stop, wake, &none};
    rs_jobs *j;

    atomic_store(&started, 0);
    atomic_store(&stopped, 0);
    atomic_store(&order, 0);
    assert_int_equal(rs_jobs_new(&j, &plan, NULL), RS_OK);
    return j;
}

static size_t collect(rs_jobs *j, size_t n)
{
    size_t got = 0;

    while (got < n) {
        for (rs_job *job = rs_jobs_finished(j), *next; job; job = next) {
            next = job->next;
            assert_true(job->queued_s <= job->begun_s && job->begun_s <= job->ended_s);
            got++;
        }
        rest();
    }
    return got;
}

static void test_all_once(void **state)
{
    static numbered list[JOBS];
    rs_jobs *j = make(3, JOBS);

    (void)state;
    for (int i = 0; i < JOBS; i++) {
        list[i] = (numbered){.job = {.run = run}};
        assert_true(rs_jobs_push(j, &list[i].job));
    }
    assert_int_equal(collect(j, JOBS), JOBS);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(list[i].seen, 1);
    assert_true(atomic_load(&woken) > 0);
    rs_jobs_free(j);
    assert_int_equal(atomic_load(&stopped), 3);
    assert_int_equal(rs_alloc_live(), 0);
}

static void test_bound_order_and_drop(void **state)
{
    numbered list[6] = {{.number = 0}};
    rs_jobs *j = make(1, 4);

    (void)state;
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 6; i++)
        list[i].job.run = run;
    assert_true(rs_jobs_push(j, &list[0].job));
    while (rs_jobs_running(j) == 0)
        rest();
    for (int i = 1; i < 5; i++)
        assert_true(rs_jobs_push(j, &list[i].job));
    assert_int_equal(rs_jobs_waiting(j), 4);
    assert_false(rs_jobs_push(j, &list[5].job));         /* full */
    assert_true(rs_jobs_drop(j, &list[2].job));
    assert_true(rs_jobs_drop(j, &list[4].job));          /* the last one */
    assert_false(rs_jobs_drop(j, &list[4].job));
    assert_false(rs_jobs_drop(j, &list[0].job));         /* has begun */
    assert_true(rs_jobs_push(j, &list[5].job));          /* behind the new last one */
    pthread_mutex_unlock(&gate);
    collect(j, 4);
    assert_int_equal(list[2].seen + list[4].seen, 0);
    assert_int_equal(list[1].number, 1);
    assert_int_equal(list[3].number, 2);
    assert_int_equal(list[5].number, 3);
    rs_jobs_free(j);
}

/* What waits at the end is not run; what runs is waited for. */
static void test_free_with_work_left(void **state)
{
    numbered list[3] = {{.number = 0}};
    rs_jobs *j = make(1, 4);

    (void)state;
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 3; i++) {
        list[i].job.run = run;
        assert_true(rs_jobs_push(j, &list[i].job));
    }
    while (rs_jobs_running(j) == 0)
        rest();
    assert_true(rs_jobs_drop(j, &list[1].job));
    assert_true(rs_jobs_drop(j, &list[2].job));
    pthread_mutex_unlock(&gate);
    rs_jobs_free(j);
    assert_int_equal(list[0].seen, 1);
    assert_int_equal(list[1].seen + list[2].seen, 0);
    rs_jobs_free(NULL);
}

static void test_a_start_fails(void **state)
{
    int fail_at = 1;
    rs_jobs_plan plan = {3, 4, start, stop, wake, &fail_at};
    rs_err err = {0};
    rs_jobs *j;

    (void)state;
    atomic_store(&started, 0);
    assert_int_equal(rs_jobs_new(&j, &plan, &err), RS_EIO);
    assert_null(j);
    assert_string_equal(err.msg, "no archive");
    assert_int_equal(rs_alloc_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_once),
        cmocka_unit_test(test_bound_order_and_drop),
        cmocka_unit_test(test_free_with_work_left),
        cmocka_unit_test(test_a_start_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
