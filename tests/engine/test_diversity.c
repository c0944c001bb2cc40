/* test_diversity.c - maximal marginal relevance against its definition, term by term.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/catalog.h"
#include "engine/diversity.h"

enum { MOST = 24 };

static double cosine(const float *x, size_t d, size_t i, size_t j)
{
    double sum = 0;

    for (size_t k = 0; k < d; k++)
        sum += (double)x[i * d + k] * (double)x[j * d + k];
    return sum;
}

static bool blank(const float *x, size_t d, size_t i) { return cosine(x, d, i, i) == 0; }

/* s(i, j) of diversity.h. */
static double likeness(const float *x, size_t n, size_t d, size_t best, size_t i, size_t j)
{
    double low = 1;

    for (size_t k = 0; k < n; k++)
        if (!blank(x, d, k) && cosine(x, d, k, best) < low)
            low = cosine(x, d, k, best);
    if (low >= 1 || blank(x, d, i) || blank(x, d, j))
        return 0;
    return fmax(0, (cosine(x, d, i, j) - low) / (1 - low));
}

static double relevance(const double *score, size_t n, size_t i)
{
    double least = score[0], most = score[0];

    for (size_t k = 0; k < n; k++) {
        least = fmin(least, score[k]);
        most = fmax(most, score[k]);
    }
    return most > least ? (score[i] - least) / (most - least) : 1;
}

/* The definition, all of it computed anew for every pick. */
static void naive(size_t *picked, const double *score, const float *x, size_t n, size_t d,
                  double diversity, size_t k)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        best = score[i] > score[best] ? i : best;
    picked[0] = best;
    for (size_t p = 1; p < k; p++) {
        double most = -INFINITY;
        for (size_t i = 0; i < n; i++) {
            double near = 0, v;
            bool taken = false;
            for (size_t q = 0; q < p; q++) {
                taken = taken || picked[q] == i;
                near = fmax(near, likeness(x, n, d, best, i, picked[q]));
            }
            v = (1 - diversity) * relevance(score, n, i) - diversity * near;
            if (!taken && v > most) {
                most = v;
                picked[p] = i;
            }
        }
    }
}

static void test_definition(void **state)
{
    rs_random rnd = rs_random_seed(1);
    rs_arena mem = {0};

    (void)state;
    for (int round = 0; round < 400; round++) {
        const size_t n = 1 + rs_random_below(&rnd, MOST), k = 1 + rs_random_below(&rnd, n);
        const double diversity = (double)rs_random_below(&rnd, 5) / 4;
        float x[MOST * DIM];
        double score[MOST];
        size_t want[MOST], *got;
        for (size_t i = 0; i < n; i++) {
            unit_vector(&rnd, x + i * DIM);
            if (i && rs_random_below(&rnd, 4) == 0)        /* the same picture once more */
                memcpy(x + i * DIM, x + rs_random_below(&rnd, i) * DIM, DIM * sizeof *x);
            if (rs_random_below(&rnd, 8) == 0)
                memset(x + i * DIM, 0, DIM * sizeof *x);
            score[i] = round % 7 ? (double)rs_random_below(&rnd, 6) / 10 : 0.5;
        }
        naive(want, score, x, n, DIM, diversity, k);
        got = rs_diversify(score, x, n, DIM, diversity, k, &mem);
        assert_non_null(got);
        for (size_t i = 0; i < k; i++)
            if (got[i] != want[i])
                fail_msg("round %d, pick %zu: row %zu, wanted %zu", round, i, got[i], want[i]);
        rs_arena_reset(&mem);
    }
    rs_arena_clear(&mem);
}

/* Two copies of the best row and one that is like nothing, worked out by hand. With scores
 * 1, 0.9, 0.8, 0.5, 0.3 relevance is 1, 0.857, 0.714, 0.286, 0, low = 0: likeness to the first
 * is 1, 1, 0.6, 0. At 0.5 the second pick is the largest of -0.07, -0.14, -0.16 (row 3) and 0. */
static void test_by_hand(void **state)
{
    static const float x[] = {1, 0, 1, 0, 1, 0, 0.6f, 0.8f, 0, 1};
    static const double score[] = {1, 0.9, 0.8, 0.5, 0.3};
    static const size_t none[] = {0, 1, 2, 3, 4}, half[] = {0, 4, 1, 2, 3}, all[] = {0, 4, 3, 1, 2};
    rs_arena mem = {0};

    (void)state;
    assert_memory_equal(rs_diversify(score, x, 5, 2, 0, 5, &mem), none, sizeof none);
    assert_memory_equal(rs_diversify(score, x, 5, 2, 0.5, 5, &mem), half, sizeof half);
    assert_memory_equal(rs_diversify(score, x, 5, 2, 1, 9, &mem), all, sizeof all);
    assert_non_null(rs_diversify(score, x, 0, 2, 1, 9, &mem));
    rs_arena_clear(&mem);
    for (long k = 0; k < 4; k++) {
        rs_alloc_fail_after(k);
        if (!rs_diversify(score, x, 5, 2, 0.5, 5, &mem))
            assert_int_equal(k, 0);                    /* one block holds it all */
        rs_alloc_fail_after(-1);
        rs_arena_clear(&mem);
    }
}

/* Cases are looked at as the archive knows them whole; without a vector they count as unlike. */
static void test_cases(void **state)
{
    char dir[64];
    rs_random rnd = rs_random_seed(6);
    float x[6 * DIM] = {0};
    double score[6];
    int64_t ids[6];
    size_t want[6], *got;
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_archive *a;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    for (size_t i = 0; i < 6; i++) {
        random_case c;
        float *own;
        size_t n;
        make_case(&c, &rnd, i);
        c.c.n_images = i != 3;
        c.c.n_passages = 0;
        c.images[0] = (rs_case_image){.path = "/p.png", .width = 1, .height = 1,
                                      .vector = c.vectors[0]};
        if (i != 3)
            unit_vector(&rnd, c.vectors[0]);
        put_one(a, &c.c);
        ok(rs_catalog_find(a, c.key, &ids[i], &err), &err);
        ok(rs_catalog_vectors(a, RS_KIND_CASE, ids[i], &mem, &own, NULL, &n, &err), &err);
        assert_int_equal(n, i != 3);
        if (n)
            memcpy(x + i * DIM, own, DIM * sizeof *x);
        score[i] = 1 - (double)i / 10;
    }
    naive(want, score, x, 6, DIM, 0.6, 6);
    ok(rs_diversify_cases(a, ids, score, 6, 0.6, 6, &mem, &got, &err), &err);
    assert_memory_equal(got, want, sizeof want);
    rs_arena_clear(&mem);
    for (long k = 0;; k++) {
        rs_status st;
        rs_alloc_fail_after(k);
        st = rs_diversify_cases(a, ids, score, 6, 0.6, 6, &mem, &got, NULL);
        rs_alloc_fail_after(-1);
        rs_arena_clear(&mem);
        if (st == RS_OK)
            break;
        assert_int_equal(st, RS_ENOMEM);
        assert_null(got);
    }
    rs_archive_close(a);
    remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definition),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
