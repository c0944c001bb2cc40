/* test_scan.c - every build of the scan against its definition: odd numbers of rows, rows
 * named and in order, the largest sums there can be, halves of every kind at any alignment;
 * and codes.h: a score lies within its bounds, and no row of the k best is off the list.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "embeddings/half.h"
#include "engine/codes.h"
#include "engine/scan.h"

/* ---- The two loops ----------------------------------------------------- */

enum { ROWS = 37, WIDTH_MOST = 1024 };

/* The query in the form that a set wants. */
static const void *query_for(const rs_scan_set *set, const int8_t *q, int16_t *wide, size_t width)
{
    if (!set->wide)
        return q;
    for (size_t j = 0; j < width; j++)
        wide[j] = q[j];
    return wide;
}

static void check_codes(const rs_scan_set *set, const uint8_t *rows, const int8_t *q, size_t width,
                        rs_random *rnd)
{
    _Alignas(64) int16_t wide[WIDTH_MOST];
    const void *query = query_for(set, q, wide, width);
    int32_t want[ROWS], got[ROWS + 1];
    uint32_t at[ROWS];

    for (size_t n = 0; n <= ROWS; n++)
        for (int named = 0; named < 2; named++) {
            for (size_t i = 0; i < n; i++)
                at[i] = (uint32_t)rs_random_below(rnd, ROWS);
            got[n] = 12345;
            rs_scan_reference.codes(want, rows, named ? at : NULL, n, q, width);
            set->codes(got, rows, named ? at : NULL, n, query, width);
            for (size_t i = 0; i < n; i++)
                assert_int_equal(got[i], want[i]);
            assert_int_equal(got[n], 12345);         /* nothing beyond */
        }
}

static void test_codes_equal_definition(void **state)
{
    static const size_t widths[] = {64, 128, 512, 768, WIDTH_MOST};
    uint8_t *rows = aligned_alloc(64, (size_t)ROWS * WIDTH_MOST);
    _Alignas(64) int8_t q[WIDTH_MOST];
    const rs_scan_set *list[RS_SCAN_SETS];
    const size_t sets = rs_scan_list(list);
    rs_random rnd = rs_random_seed(1);

    (void)state;
    assert_ptr_equal(rs_scan_best(), list[sets - 1]);
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (int largest = 0; largest < 3; largest++) {
            for (size_t j = 0; j < WIDTH_MOST; j++)
                q[j] = largest ? (largest == 1 ? 127 : -127)
                               : (int8_t)((int)rs_random_below(&rnd, 255) - 127);
            for (size_t j = 0; j < (size_t)ROWS * widths[w]; j++)
                rows[j] = largest ? 255 : (uint8_t)rs_random_below(&rnd, 256);
            for (size_t i = 0; i < sets; i++)
                check_codes(list[i], rows, q, widths[w], &rnd);
        }
    free(rows);
}

static void test_largest_sum(void **state)
{
    enum { WIDTH = 65536 };
    uint8_t *row = aligned_alloc(64, WIDTH);
    int8_t *q = aligned_alloc(64, WIDTH);
    int16_t *wide = aligned_alloc(64, 2 * WIDTH);
    const rs_scan_set *list[RS_SCAN_SETS];
    const size_t sets = rs_scan_list(list);
    int32_t sum;

    (void)state;
    memset(row, 255, WIDTH);
    for (int sign = -1; sign < 2; sign += 2) {
        memset(q, sign * 127, WIDTH);
        for (size_t i = 0; i < sets; i++) {
            list[i]->codes(&sum, row, NULL, 1, query_for(list[i], q, wide, WIDTH), WIDTH);
            assert_int_equal(sum, sign * 127 * 255 * WIDTH);
        }
    }
    free(row);
    free(q);
    free(wide);
}

static void test_halves_equal_definition(void **state)
{
    static const size_t dims[] = {1, 3, 8, 15, 16, 31, 64, 100, 257, 512, 777};
    const rs_scan_set *list[RS_SCAN_SETS];
    const size_t sets = rs_scan_list(list);
    rs_random rnd = rs_random_seed(2);
    float q[777], want[9], got[10];

    (void)state;
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
        const size_t dim = dims[d], bytes = 2 * dim;
        uint8_t *block = malloc(9 * bytes + 1);       /* exactly: reading on is found */
        const uint8_t *row[9];
        for (size_t i = 0; i < 9; i++)
            row[i] = block + 1 + i * bytes;           /* at odd addresses */
        for (size_t i = 0; i < 9 * dim; i++) {
            uint16_t h = rs_half_from_float((float)rs_random_normal(&rnd) / 8);
            if (i % 17 == 0)
                h = (uint16_t)rs_random_below(&rnd, 1024);       /* subnormal */
            memcpy(block + 1 + 2 * i, &h, sizeof h);
        }
        for (size_t j = 0; j < dim; j++)
            q[j] = (float)rs_random_normal(&rnd);
        for (size_t n = 0; n <= 9; n += 3) {
            rs_scan_reference.halves(want, row, n, q, dim);
            for (size_t i = 0; i < sets; i++) {
                got[n] = 7;
                list[i]->halves(got, row, n, q, dim);
                for (size_t r = 0; r < n; r++)
                    assert_true(fabs((double)got[r] - (double)want[r]) < 1e-6 * (double)(dim + 8));
                assert_true(got[n] == 7);
            }
        }
        free(block);
    }
}

/* ---- Codes and the shortlist ------------------------------------------- */

enum { N = 900, D = 96 };

typedef struct { float x[N][D], q[D]; double score[N]; rs_codes codes; } world;

/* Clustered, so that many rows are nearly as good as the best; some are as odd as can be. */
static void make_world(world *w, rs_random *rnd, bool odd)
{
    rs_err err = {RS_OK, ""};
    float centre[4][D];

    for (size_t c = 0; c < 4; c++)
        for (size_t j = 0; j < D; j++)
            centre[c][j] = (float)rs_random_normal(rnd);
    for (size_t i = 0; i <= N; i++) {
        float *x = i < N ? w->x[i] : w->q;
        const float *c = centre[rs_random_below(rnd, 4)];
        for (size_t j = 0; j < D; j++)
            x[j] = (c[j] + 0.1f * (float)rs_random_normal(rnd)) / 10;
        if (odd && i < N && i % 50 == 0)
            memset(x, 0, D * sizeof *x);
        if (odd && i < N && i % 50 == 1)
            x[i % D] = 3;                             /* coarse steps for all the others */
        if (odd && i < N && i % 50 == 2)
            memcpy(x, w->x[i - 2], D * sizeof *x);    /* the same twice */
    }
    for (size_t i = 0; i < N; i++) {
        w->score[i] = 0;
        for (size_t j = 0; j < D; j++)
            w->score[i] += (double)w->x[i][j] * (double)w->q[j];
    }
    rs_codes_init(&w->codes, D);
    ok(rs_codes_add(&w->codes, w->x[0], 300, &err), &err);
    ok(rs_codes_add(&w->codes, w->x[300], N - 300, &err), &err);
}

static int falling(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x < y) - (x > y);
}

static void check_shortlist(const world *w, rs_shortlist *s, size_t k, bool some, rs_random *rnd)
{
    double sorted[N];
    bool listed[N] = {false}, among[N];
    uint32_t rows[N];
    size_t n = 0;
    rs_err err = {RS_OK, ""};

    for (size_t i = 0; i < N; i++) {
        among[i] = !some || rs_random_below(rnd, 3) == 0;
        if (among[i]) {
            sorted[n] = w->score[i];
            rows[n++] = (uint32_t)i;
        }
    }
    ok(rs_shortlist_begin(s, &w->codes, w->q, k, RS_CAUTION_ALWAYS, &err), &err);
    if (some) {
        rs_shortlist_rows(s, rows, n);
    } else {
        rs_shortlist_range(s, 0, 451);
        rs_shortlist_range(s, 451, N - 451);
    }
    ok(rs_shortlist_end(s, &err), &err);
    qsort(sorted, n, sizeof *sorted, falling);
    for (size_t i = 0; i < s->n; i++) {
        const rs_candidate *c = &s->list[i];
        assert_true(among[c->row] && !listed[c->row]);
        assert_true(w->score[c->row] >= (double)c->least - 1e-6);
        assert_true(w->score[c->row] <= (double)c->most + 1e-6);
        listed[c->row] = true;
    }
    for (size_t i = 0; i < N; i++)                    /* ties with the k-th included */
        if (among[i] && n && w->score[i] >= sorted[k < n ? k - 1 : n - 1])
            assert_true(listed[i]);
}

static void test_shortlist_misses_nothing(void **state)
{
    static const size_t ks[] = {1, 2, 10, 100, N, 2 * N};
    const rs_scan_set *list[RS_SCAN_SETS];
    const size_t sets = rs_scan_list(list);
    rs_random rnd = rs_random_seed(3);
    world *w = malloc(sizeof *w);
    rs_shortlist s = {0};

    (void)state;
    for (int round = 0; round < 6; round++) {
        make_world(w, &rnd, round % 2);
        for (size_t i = 0; i < sets; i++)
            for (size_t k = 0; k < sizeof ks / sizeof *ks; k++) {
                s.set = list[i];
                check_shortlist(w, &s, ks[k], k % 2, &rnd);
            }
        rs_codes_clear(&w->codes);
    }
    rs_shortlist_clear(&s);
    free(w);
}

/* A vector that is no number is always a candidate: what it is, the exact product says. */
static void test_not_a_number(void **state)
{
    rs_random rnd = rs_random_seed(4);
    world *w = malloc(sizeof *w);
    rs_shortlist s = {0};
    rs_err err = {RS_OK, ""};
    float bad[D] = {0};
    bool there = false;

    (void)state;
    make_world(w, &rnd, false);
    bad[5] = NAN;
    ok(rs_codes_add(&w->codes, bad, 1, &err), &err);
    ok(rs_shortlist_begin(&s, &w->codes, w->q, 3, RS_CAUTION_USUAL, &err), &err);
    rs_shortlist_range(&s, 0, N + 1);
    ok(rs_shortlist_end(&s, &err), &err);
    for (size_t i = 0; i < s.n; i++)
        there |= s.list[i].row == N;
    assert_true(there);
    rs_shortlist_clear(&s);
    rs_codes_clear(&w->codes);
    free(w);
}

static void test_allocation_failures(void **state)
{
    rs_random rnd = rs_random_seed(5);
    world *w = malloc(sizeof *w);
    rs_status st = RS_ENOMEM;
    rs_err err;
    size_t live;

    (void)state;
    make_world(w, &rnd, false);
    live = rs_alloc_live();
    for (long k = 0; st != RS_OK; k++) {
        rs_shortlist s = {0};
        rs_codes codes;
        rs_codes_init(&codes, D);
        rs_alloc_fail_after(k);
        st = rs_codes_add(&codes, w->x[0], N, &err);
        if (st == RS_OK)
            st = rs_shortlist_begin(&s, &codes, w->q, N, RS_CAUTION_ALWAYS, &err);
        if (st == RS_OK)
            for (int twice = 0; twice < 2; twice++)   /* a list that must grow */
                rs_shortlist_range(&s, 0, N);
        if (st == RS_OK)
            st = rs_shortlist_end(&s, &err);
        rs_alloc_fail_after(-1);
        if (st != RS_OK) {
            assert_int_equal(st, RS_ENOMEM);
            assert_true(strlen(err.msg) > 0);
        }
        rs_shortlist_clear(&s);
        rs_codes_clear(&codes);
        assert_int_equal(rs_alloc_live(), live);
    }
    rs_codes_clear(&w->codes);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_equal_definition),
        cmocka_unit_test(test_largest_sum),
        cmocka_unit_test(test_halves_equal_definition),
        cmocka_unit_test(test_shortlist_misses_nothing),
        cmocka_unit_test(test_not_a_number),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
