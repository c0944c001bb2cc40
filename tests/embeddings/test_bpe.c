/* test_bpe.c - joining symbols: both ways against a naive one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/bpe_int.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* a b c = 0 1 2; ab = 3, abc = 4, bc = 5. */
static void test_rank_decides(void **state)
{
    static const struct { uint32_t in[6]; size_t n; uint32_t want[6]; size_t n_want; } rows[] = {
        {{0}, 0, {0}, 0},
        {{1}, 1, {1}, 1},
        {{0, 1, 2}, 3, {4}, 1},                      /* ab before bc, then ab c */
        {{1, 2, 0}, 3, {5, 0}, 2},
        {{0, 1, 0, 1, 2}, 5, {3, 4}, 2},
        {{0, 0, 1, 2, 2}, 5, {0, 4, 2}, 3},
    };
    rs_bpe b;
    rs_err err;

    (void)state;
    assert_int_equal(rs_bpe_init(&b, 3, &err), RS_OK);
    assert_true(rs_bpe_add(&b, 0, 1, 3));
    assert_true(rs_bpe_add(&b, 3, 2, 4));
    assert_true(rs_bpe_add(&b, 1, 2, 5));
    assert_false(rs_bpe_add(&b, 0, 1, 7));           /* keeps its first rank */
    assert_int_equal(rs_bpe_find(&b, 0, 1)->into, 3);
    assert_int_equal(rs_bpe_find(&b, 1, 2)->rank, 2);
    assert_null(rs_bpe_find(&b, 2, 1));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t s[6];
        size_t n = rows[i].n;
        memcpy(s, rows[i].in, sizeof s);
        assert_int_equal(rs_bpe_apply(&b, s, &n, &err), RS_OK);
        assert_int_equal(n, rows[i].n_want);
        assert_memory_equal(s, rows[i].want, n * sizeof *s);
    }
    rs_bpe_clear(&b);
}

static void test_full_table_refuses(void **state)
{
    rs_bpe b;
    uint32_t n = 0;

    (void)state;
    assert_int_equal(rs_bpe_init(&b, 100, NULL), RS_OK);
    while (n < 10000 && rs_bpe_add(&b, n, n + 1, n))
        n++;
    assert_true(n >= 100 && n < 10000);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(rs_bpe_find(&b, i, i + 1)->rank, i);
    assert_null(rs_bpe_find(&b, n, n + 1));
    rs_bpe_clear(&b);
}

/* The definition: the lowest rank, leftmost first, again and again. */
static size_t naive(const rs_bpe *b, uint32_t *s, size_t n)
{
    for (;;) {
        const rs_bpe_merge *best = NULL;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            const rs_bpe_merge *m = rs_bpe_find(b, s[i], s[i + 1]);
            if (m && (!best || m->rank < best->rank)) {
                best = m;
                at = i;
            }
        }
        if (!best)
            return n;
        s[at] = best->into;
        memmove(s + at + 1, s + at + 2, (n - at - 2) * sizeof *s);
        n--;
    }
}

static void test_same_as_naive(void **state)
{
    enum { SYMBOLS = 4, MERGES = 40, LONGEST = 400, WORDS = 3000 };
    rs_random r = rs_random_seed(5);
    rs_bpe b;

    (void)state;
    for (size_t round = 0; round < WORDS; round++) {
        uint32_t got[LONGEST], want[LONGEST];
        size_t n = rs_random_below(&r, round % 2 ? LONGEST : RS_BPE_SHORT + 2), n_want;

        if (round % 50 == 0) {
            if (round)
                rs_bpe_clear(&b);
            assert_int_equal(rs_bpe_init(&b, MERGES, NULL), RS_OK);
            for (uint32_t k = 0; k < MERGES; k++)
                rs_bpe_add(&b, (uint32_t)rs_random_below(&r, SYMBOLS + k / 2),
                           (uint32_t)rs_random_below(&r, SYMBOLS + k / 2), SYMBOLS + k);
        }
        for (size_t i = 0; i < n; i++)
            got[i] = want[i] = (uint32_t)rs_random_below(&r, SYMBOLS);
        n_want = naive(&b, want, n);
        assert_int_equal(rs_bpe_apply(&b, got, &n, NULL), RS_OK);
        assert_int_equal(n, n_want);
        if (n)
            assert_memory_equal(got, want, n * sizeof *got);
    }
    rs_bpe_clear(&b);
}

/* One letter without end and merges that double it: naive takes 10^11 steps. */
static void test_endless_word(void **state)
{
    enum { N = 1 << 18 };
    uint32_t *s = rs_calloc(N, sizeof *s);
    double start = rs_cpu_s();
    size_t n = N;
    rs_bpe b;

    (void)state;
    assert_non_null(s);
    assert_int_equal(rs_bpe_init(&b, 10, NULL), RS_OK);
    for (uint32_t k = 0; k < 10; k++)
        assert_true(rs_bpe_add(&b, k, k, k + 1));
    assert_int_equal(rs_bpe_apply(&b, s, &n, NULL), RS_OK);
    assert_int_equal(n, N >> 10);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(s[i], 10);
    assert_true(rs_cpu_s() - start < 20);
    rs_bpe_clear(&b);
    rs_free(s);
}

static void test_out_of_memory(void **state)
{
    uint32_t s[RS_BPE_SHORT + 1] = {0};
    size_t n = RS_BPE_SHORT + 1;
    rs_bpe b;

    (void)state;
    rs_alloc_fail_after(0);
    assert_int_equal(rs_bpe_init(&b, 5, NULL), RS_ENOMEM);
    rs_alloc_fail_after(-1);
    assert_null(rs_bpe_find(&b, 0, 0));
    for (long k = 0; k < 2; k++) {
        rs_alloc_fail_after(k);
        assert_int_equal(rs_bpe_apply(&b, s, &n, NULL), RS_ENOMEM);
        rs_alloc_fail_after(-1);
    }
    n = RS_BPE_SHORT;
    rs_alloc_fail_after(0);
    assert_int_equal(rs_bpe_apply(&b, s, &n, NULL), RS_OK);
    rs_alloc_fail_after(-1);
    assert_int_equal(n, RS_BPE_SHORT);               /* an empty table joins nothing */
    assert_int_equal(rs_alloc_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rank_decides),
        cmocka_unit_test(test_full_table_refuses),
        cmocka_unit_test(test_same_as_naive),
        cmocka_unit_test(test_endless_word),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
