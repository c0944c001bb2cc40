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
    int    number, seen;           /* in which order, how often it was run */
    int    shown;                  /* how often to ahead() */
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

static rs_jobs *make_together(size_t workers, size_t capacity, size_t together)
{
    static int none = -1;
    rs_jobs_plan plan = {workers, capacity, together, start, stop, wake, &none};
    rs_jobs *j;

    atomic_store(&started, 0);
    atomic_store(&stopped, 0);
    atomic_store(&order, 0);
    assert_int_equal(rs_jobs_new(&j, &plan, NULL), RS_OK);
    return j;
}

static rs_jobs *make(size_t workers, size_t capacity)
{
    return make_together(workers, capacity, 0);
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
        list[i] = (numbered){.job = {.run = run, .client = (uint64_t)i}};
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
        list[i].job = (rs_job){.run = run, .client = (uint64_t)i};
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

/* The only worker is held by a job, so that what is pushed next waits. */
static void hold(rs_jobs *j, numbered *first)
{
    *first = (numbered){.job = {.run = run, .client = 99}};
    pthread_mutex_lock(&gate);
    assert_true(rs_jobs_push(j, &first->job));
    while (rs_jobs_running(j) == 0)
        rest();
}

static void put_job(rs_jobs *j, numbered *n, uint64_t client, double cost)
{
    *n = (numbered){.job = {.run = run, .client = client, .cost = cost}};
    assert_true(rs_jobs_push(j, &n->job));
}

/* One client with many, one with few that comes later, one whose jobs cost three times as much:
 * they take turns by cost, each in its own order. */
static void test_shares(void **state)
{
    numbered first, many[8], few[2], dear[2];
    rs_jobs *j = make(1, 100);

    (void)state;
    hold(j, &first);
    for (int i = 0; i < 8; i++)
        put_job(j, &many[i], 1, 1);
    for (int i = 0; i < 2; i++)
        put_job(j, &few[i], 2, 1);
    for (int i = 0; i < 2; i++)
        put_job(j, &dear[i], 3, 3);
    pthread_mutex_unlock(&gate);
    collect(j, 13);
    for (int i = 1; i < 8; i++)
        assert_true(many[i - 1].number < many[i].number);
    assert_int_equal(many[0].number, 1);                 /* turns 1 1 2 2 3 3 4 5 6 6 7 8 */
    assert_int_equal(few[0].number, 2);
    assert_int_equal(many[1].number, 3);
    assert_int_equal(few[1].number, 4);
    assert_int_equal(many[2].number, 5);
    assert_int_equal(dear[0].number, 6);
    assert_int_equal(many[5].number, 9);
    assert_int_equal(dear[1].number, 10);
    assert_int_equal(many[7].number, 12);
    rs_jobs_free(j);
}

/* Somebody who was away has saved nothing up, and pays for nothing. */
static void test_share_of_one_who_comes_back(void **state)
{
    numbered first, early, list[6];
    rs_jobs *j = make(1, 100);

    (void)state;
    hold(j, &first);
    put_job(j, &early, 1, 50);
    pthread_mutex_unlock(&gate);
    collect(j, 2);
    hold(j, &first);
    for (int i = 0; i < 6; i++)
        put_job(j, &list[i], i < 4 ? 2 : 1, 1);
    pthread_mutex_unlock(&gate);
    collect(j, 7);
    assert_true(list[4].number < list[1].number);
    assert_true(list[5].number < list[2].number);
    rs_jobs_free(j);
}

/* No client fills the queue: there is room left for another. */
static void test_nobody_has_all(void **state)
{
    numbered first, list[6], other[3];
    rs_jobs *j = make(1, 8);

    (void)state;
    hold(j, &first);
    for (int i = 0; i < 6; i++)
        put_job(j, &list[i], 1, 1);
    other[0] = (numbered){.job = {.run = run, .client = 1}};
    assert_false(rs_jobs_push(j, &other[0].job));        /* three quarters */
    put_job(j, &other[0], 2, 1);
    put_job(j, &other[1], 3, 1);
    other[2] = (numbered){.job = {.run = run, .client = 4}};
    assert_false(rs_jobs_push(j, &other[2].job));        /* full */
    pthread_mutex_unlock(&gate);
    collect(j, 9);
    rs_jobs_free(j);
}

/* ---- Looking ahead ---------------------------------------------------- */

/* From several workers. */
static void ahead_any(rs_job *const *jobs, size_t n, void *worker)
{
    (void)worker;
    for (size_t i = 0; i < n; i++)
        ((numbered *)jobs[i])->shown++;
}

static size_t shown_at_once[16], n_shown;

static void ahead(rs_job *const *jobs, size_t n, void *worker)
{
    assert_non_null(worker);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(((numbered *)jobs[i])->seen, 0);
        ((numbered *)jobs[i])->shown++;
    }
    shown_at_once[n_shown++] = n;
}

/* Each is shown once, at most so many together, and then runs in its turn; others are not. */
static void test_ahead(void **state)
{
    numbered first, list[7], other;
    rs_jobs *j = make_together(1, 100, 4);

    (void)state;
    n_shown = 0;
    hold(j, &first);
    for (int i = 0; i < 7; i++) {
        list[i] = (numbered){.job = {.run = run, .ahead = ahead, .client = 1, .cost = 1}};
        assert_true(rs_jobs_push(j, &list[i].job));
    }
    put_job(j, &other, 2, 2);
    pthread_mutex_unlock(&gate);
    collect(j, 9);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(list[i].shown, 1);
        assert_int_equal(list[i].number, 1 + i + (i > 1));
    }
    assert_int_equal(other.shown, 0);
    assert_int_equal(other.number, 3);
    assert_int_equal(n_shown, 2);
    assert_int_equal(shown_at_once[0], 4);
    assert_int_equal(shown_at_once[1], 3);
    rs_jobs_free(j);
}

/* One that is shown cannot be dropped, since somebody reads it; alone, none is shown. */
static void test_ahead_of_few(void **state)
{
    numbered first, list[2];
    rs_jobs *j = make_together(1, 100, 4);

    (void)state;
    n_shown = 0;
    hold(j, &first);
    for (int i = 0; i < 2; i++) {
        list[i] = (numbered){.job = {.run = run, .ahead = ahead, .client = 1, .cost = 1}};
        assert_true(rs_jobs_push(j, &list[i].job));
    }
    assert_true(rs_jobs_drop(j, &list[1].job));
    pthread_mutex_unlock(&gate);
    collect(j, 2);
    assert_int_equal(list[0].shown, 0);
    assert_int_equal(list[0].seen, 1);
    assert_int_equal(list[1].seen, 0);
    assert_int_equal(n_shown, 0);
    rs_jobs_free(j);
}

/* Many at once, with and without: all run, once. */
static void test_ahead_of_many(void **state)
{
    static numbered list[JOBS];
    rs_jobs *j = make_together(3, JOBS, 8);

    (void)state;
    for (int i = 0; i < JOBS; i++) {
        list[i] = (numbered){.job = {.run = run, .ahead = i % 3 ? ahead_any : NULL,
                                     .client = (uint64_t)i % 7, .cost = 1 + i % 5}};
        while (!rs_jobs_push(j, &list[i].job))
            rest();
    }
    collect(j, JOBS);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(list[i].seen, 1);
        assert_in_range(list[i].shown, 0, i % 3 ? 1 : 0);
    }
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
    rs_jobs_plan plan = {3, 4, 0, start, stop, wake, &fail_at};
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
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_share_of_one_who_comes_back),
        cmocka_unit_test(test_nobody_has_all),
        cmocka_unit_test(test_ahead),
        cmocka_unit_test(test_ahead_of_few),
        cmocka_unit_test(test_ahead_of_many),
        cmocka_unit_test(test_free_with_work_left),
        cmocka_unit_test(test_a_start_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
