/* test_queue.c - order kept, bounds kept, nothing lost, whoever is slow.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/queue.h"

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

enum { ITEMS = 2000 };

/* A producer: ITEMS numbers, counting how many lie between it and its consumer. */
typedef struct {
    rs_queue *q;
    atomic_int between;
    int most;                    /* that the consumer ever saw */
    int numbers[ITEMS];
    long producer_ns, consumer_ns;      /* how slow they are, now and then */
} line;

static void rest(long ns, int i)
{
    struct timespec t = {0, ns};

    if (ns && i % 50 == 0)
        nanosleep(&t, NULL);
}

static void *produce(void *arg)
{
    line *l = arg;

    for (int i = 0; i < ITEMS; i++) {
        rest(l->producer_ns, i);
        l->numbers[i] = i;
        rs_queue_push(l->q, &l->numbers[i]);
        atomic_fetch_add(&l->between, 1);
    }
    rs_queue_close(l->q);
    return NULL;
}

static void test_order_and_bound(void **state)
{
    static const struct { size_t capacity; long producer_ns, consumer_ns; } rows[] = {
        {1, 0, 0}, {3, 0, 100000}, {3, 100000, 0}, {7, 0, 0},
    };

    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        static line l;
        pthread_t thread;
        int *item, next = 0;
        l = (line){.producer_ns = rows[r].producer_ns};
        assert_int_equal(rs_queue_new(&l.q, rows[r].capacity, NULL), RS_OK);
        assert_int_equal(pthread_create(&thread, NULL, produce, &l), 0);
        while ((item = rs_queue_pop(l.q)) != NULL) {
            int between = atomic_fetch_sub(&l.between, 1);
            l.most = between > l.most ? between : l.most;
            assert_int_equal(*item, next++);
            rest(rows[r].consumer_ns, next);
        }
        pthread_join(thread, NULL);
        assert_int_equal(next, ITEMS);
        assert_true(l.most <= (int)rows[r].capacity + 1);
        assert_null(rs_queue_pop(l.q));             /* and stays at its end */
        rs_queue_free(l.q);
    }
}

/* Several of each: every item once. */
typedef struct { rs_queue *q; atomic_int seen[ITEMS]; atomic_int next; int items[ITEMS]; } crowd;

static void *push_some(void *arg)
{
    crowd *c = arg;

    for (int i; (i = atomic_fetch_add(&c->next, 1)) < ITEMS;) {
        c->items[i] = i;
        rs_queue_push(c->q, &c->items[i]);
    }
    return NULL;
}

static void *pop_some(void *arg)
{
    crowd *c = arg;

    for (int *item; (item = rs_queue_pop(c->q)) != NULL;)
        atomic_fetch_add(&c->seen[*item], 1);
    return NULL;
}

static void test_each_item_once(void **state)
{
    static crowd c;
    pthread_t in[3], out[3];

    (void)state;
    assert_int_equal(rs_queue_new(&c.q, 4, NULL), RS_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&in[i], NULL, push_some, &c), 0);
        assert_int_equal(pthread_create(&out[i], NULL, pop_some, &c), 0);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(in[i], NULL);
    rs_queue_close(c.q);
    for (int i = 0; i < 3; i++)
        pthread_join(out[i], NULL);
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(c.seen[i], 1);
    rs_queue_free(c.q);
}

static void test_out_of_memory(void **state)
{
    size_t before = rs_alloc_live();
    rs_queue *q = NULL;

    (void)state;
    for (long k = 0; !q; k++) {
        rs_err err = {0};
        rs_alloc_fail_after(k);
        rs_status st = rs_queue_new(&q, 5, &err);
        rs_alloc_fail_after(-1);
        assert_int_equal(st, q ? RS_OK : RS_ENOMEM);
        assert_true(k < 5);
    }
    rs_queue_free(q);
    rs_queue_free(NULL);
    assert_int_equal(rs_alloc_live(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_bound), cmocka_unit_test(test_each_item_once),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
