/* test_same_image.c - an image that the archive holds finds itself first, whatever its
 * neighbours' passages say, and the score still is the sum of its parts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/query.h"
#include "engine/fixture.h"

enum { CASES = 60 };

static char dir[64];
static rs_archive *a;
static random_case cases[CASES];

static int make_all(void **state)
{
    rs_random rnd = rs_random_seed(11);

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    for (size_t i = 0; i < CASES; i++) {
        make_case(&cases[i], &rnd, i);
        put_one(a, &cases[i].c);
    }
    return 0;
}

static int drop_all(void **state)
{
    (void)state;
    rs_archive_close(a);
    remove_folder(dir);
    return 0;
}

static double parts_of(const rs_hit *h)
{
    double sum = 0;

    for (size_t i = 0; i < h->n_found; i++)
        sum += h->found[i].part;
    return sum;
}

static void test_itself_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        for (size_t k = 0; k < cases[i].c.n_images; k++) {
            rs_query q = rs_query_default();
            rs_arena mem = {0};
            rs_result r;
            rs_err err = {RS_OK, ""};
            ask_images(&q, cases[i].vectors[k], 1);
            ok(rs_search(a, &q, &mem, &r, &err), &err);
            assert_string_equal(r.hits[0].key, cases[i].key);
            assert_string_equal(r.hits[0].image, cases[i].paths[k]);
            assert_int_equal(r.hits[0].found[0].probe, RS_PROBE_IMAGE_IMAGE);
            for (size_t h = 0; h < r.n; h++) {
                assert_true(fabs(parts_of(&r.hits[h]) - r.hits[h].score) < 1e-12);
                assert_true(h == 0 || r.hits[h].score <= r.hits[h - 1].score);
            }
            rs_arena_clear(&mem);
        }
}

/* Only like, not the same: plain fusion, and nothing added. */
static void test_a_stranger_is_not_known(void **state)
{
    rs_random rnd = rs_random_seed(12);
    rs_query q = rs_query_default();
    rs_arena mem = {0};
    rs_result r;
    rs_err err = {RS_OK, ""};
    float x[DIM];

    (void)state;
    unit_vector(&rnd, x);
    ask_images(&q, x, 1);
    ok(rs_search(a, &q, &mem, &r, &err), &err);
    assert_true(r.hits[0].score <= 2 / (q.rrf_k + 1));
    rs_arena_clear(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_itself_first), cmocka_unit_test(test_a_stranger_is_not_known),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
