/* test_threads.c - every item once, on any number of threads.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/threads.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { MAX_ITEMS = 1000 };

typedef struct {
    atomic_int times[MAX_ITEMS];
    atomic_size_t bad_worker;
    size_t threads;
} counts;

static void count(void *ctx, size_t i, size_t worker)
{
    counts *c = ctx;

    atomic_fetch_add(&c->times[i], 1);
    if (worker >= c->threads)
        atomic_fetch_add(&c->bad_worker, 1);
}

static void test_each_item_once(void **state)
{
    static const size_t items[] = {0, 1, 2, 3, 17, MAX_ITEMS};

    (void)state;
    for (size_t threads = 1; threads <= 5; threads++) {
        rs_pool *p;
        assert_int_equal(rs_pool_new(&p, threads, NULL), RS_OK);
        assert_int_equal(rs_pool_size(p), threads);
        for (size_t round = 0; round < 60; round++) {
            static counts c;
            size_t n = items[round % (sizeof items / sizeof *items)];
            memset(&c, 0, sizeof c);
            c.threads = threads;
            rs_pool_for(p, n, count, &c);
            for (size_t i = 0; i < MAX_ITEMS; i++)
                assert_int_equal(c.times[i], i < n);
            assert_int_equal(c.bad_worker, 0);
        }
        rs_pool_free(p);
    }
}

static void test_without_a_pool(void **state)
{
    static counts c;

    (void)state;
    c.threads = 1;
    rs_pool_for(NULL, 10, count, &c);
    assert_int_equal(c.times[9], 1);
    assert_int_equal(rs_pool_size(NULL), 1);
    rs_pool_free(NULL);
    assert_true(rs_cores() >= 1);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (long k = 0; k < 2; k++) {
        rs_pool *p;
        rs_alloc_fail_after(k);
        assert_int_equal(rs_pool_new(&p, 3, NULL), RS_ENOMEM);
        rs_alloc_fail_after(-1);
        assert_null(p);
    }
    assert_int_equal(rs_alloc_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_item_once), cmocka_unit_test(test_without_a_pool),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
