/* test_top.c - the best few of many, against sorting all.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/top.h"

static int better_first(const void *a, const void *b)
{
    const rs_scored *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

static void test_against_sorting(void **state)
{
    static rs_scored all[20000];
    rs_random rnd = rs_random_seed(6);
    rs_arena mem = {0};

    (void)state;
    for (int round = 0; round < 60; round++) {
        size_t n = rs_random_below(&rnd, round % 2 ? 20000 : 30), distinct = 1 + rs_random_below(&rnd, 5000);
        rs_top top = {.mem = &mem, .limit = rs_random_below(&rnd, 400)};
        for (size_t i = 0; i < n; i++) {
            all[i] = (rs_scored){(double)rs_random_below(&rnd, distinct), (int64_t)i};
            assert_true(rs_top_add(&top, all[i].score, all[i].id));
        }
        rs_top_end(&top);
        qsort(all, n, sizeof *all, better_first);
        assert_true(top.n >= (n < top.limit ? n : top.limit) && top.n <= n);
        for (size_t i = 0; i < top.n; i++)
            assert_true(top.rows[i].id == all[i].id);
        if (top.limit && top.n < n)                /* ties of the last one are all there */
            assert_true(all[top.n].score < all[top.limit - 1].score);
        rs_arena_reset(&mem);
    }
    rs_arena_clear(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_sorting)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
