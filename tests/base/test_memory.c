/* test_memory.c - counted allocation, its failure hook, and the arena.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_counting_and_overflow(void **state)
{
    size_t live = rs_alloc_live();
    char *a = rs_calloc(3, 5), *b = rs_strdup("abc"), *c = rs_sprintf("%d-%s", 7, "x");

    (void)state;
    assert_int_equal(rs_alloc_live(), live + 3);
    assert_string_equal(b, "abc");
    assert_string_equal(c, "7-x");
    for (int i = 0; i < 15; i++)
        assert_int_equal(a[i], 0);
    assert_null(rs_calloc(SIZE_MAX / 2, 3));
    assert_null(rs_realloc(a, SIZE_MAX / 2, 3));
    assert_null(rs_calloc_aligned(SIZE_MAX / 2, 3));
    rs_free(a);
    rs_free(b);
    rs_free(c);
    rs_free(NULL);
    assert_int_equal(rs_alloc_live(), live);
}

static void test_fail_after(void **state)
{
    void *p, *q, *r;

    (void)state;
    rs_alloc_fail_after(2);
    p = rs_malloc(8);
    q = rs_calloc(1, 8);
    r = rs_malloc(8);
    assert_null(rs_realloc(p, 16, 1));
    assert_null(rs_calloc_aligned(1, 1));
    assert_null(rs_strdup("x"));
    rs_alloc_fail_after(-1);
    assert_non_null(p);
    assert_non_null(q);
    assert_null(r);
    rs_free(p);
    rs_free(q);
}

static void test_aligned(void **state)
{
    (void)state;
    for (size_t n = 0; n < 300; n += 7) {
        float *p = rs_calloc_aligned(n, sizeof *p);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        for (size_t i = 0; i < n; i++)
            assert_true(p[i] == 0.0f);
        rs_free(p);
    }
}

/* Many blocks of many sizes: none overlaps another, all zeroed, all aligned. */
static void test_arena(void **state)
{
    enum { N = 400 };
    rs_arena a = {0};
    rs_random r = rs_random_seed(1);
    size_t live = rs_alloc_live(), size[N];
    unsigned char *p[N];

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N; i++) {
            size[i] = rs_random_below(&r, 5000);
            p[i] = rs_new(&a, unsigned char, size[i]);
            assert_non_null(p[i]);
            assert_int_equal((uintptr_t)p[i] % 64, 0);
            for (size_t k = 0; k < size[i]; k++)
                assert_int_equal(p[i][k], 0);
            memset(p[i], (int)(i % 251), size[i]);
        }
        for (size_t i = 0; i < N; i++)
            for (size_t k = 0; k < size[i]; k++)
                assert_int_equal(p[i][k], i % 251);
        rs_arena_reset(&a);
    }
    assert_null(rs_new(&a, double, SIZE_MAX / 4));
    assert_string_equal(rs_arena_sprintf(&a, "%s %d", "case", 12), "case 12");
    assert_string_equal(rs_arena_strndup(&a, "abcdef", 3), "abc");
    rs_arena_clear(&a);
    assert_int_equal(rs_alloc_live(), live);
}

static void test_arena_out_of_memory(void **state)
{
    rs_arena a = {0};

    (void)state;
    rs_alloc_fail_after(0);
    assert_null(rs_new(&a, int, 4));
    assert_null(rs_arena_strdup(&a, "x"));
    rs_alloc_fail_after(-1);
    assert_non_null(rs_new(&a, int, 4));
    rs_arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counting_and_overflow), cmocka_unit_test(test_fail_after),
        cmocka_unit_test(test_aligned), cmocka_unit_test(test_arena),
        cmocka_unit_test(test_arena_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
