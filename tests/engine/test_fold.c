/* test_fold.c - folding of rows against a naive transitive closure over the rules of fold.h,
 * and each rule by itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "embeddings/phash.h"
#include "engine/catalog.h"
#include "engine/filter.h"
#include "engine/fold.h"

enum { CASES = 60, PATIENTS = 8 };

static char dir[64];
static rs_archive *a;
static random_case cases[CASES];
static char shas[CASES][3][65], names[CASES][16];
static int64_t ids[CASES];

/* A vector at this cosine from `from`. */
static void vector_near(rs_random *rnd, float x[DIM], const float from[DIM], double cosine)
{
    float other[DIM];
    double along = 0, length = 0;

    unit_vector(rnd, other);
    for (int k = 0; k < DIM; k++)
        along += (double)other[k] * (double)from[k];
    for (int k = 0; k < DIM; k++) {
        other[k] -= (float)along * from[k];
        length += (double)other[k] * (double)other[k];
    }
    for (int k = 0; k < DIM; k++)
        x[k] = (float)(cosine * (double)from[k] +
                       sqrt((1 - cosine * cosine) / length) * (double)other[k]);
}

static uint64_t flip(uint64_t hash, rs_random *rnd, size_t bits)
{
    size_t index[64];

    for (size_t i = 0; i < 64; i++)
        index[i] = i;
    rs_random_shuffle(rnd, index, 64);
    for (size_t i = 0; i < bits; i++)
        hash ^= (uint64_t)1 << index[i];
    return hash;
}

/* An image of case i, new or made from one of an earlier case: the same file, a copy of it at
 * some distance, or the like without a hash. */
static void make_image(rs_random *rnd, size_t i, size_t k)
{
    static const double cosines[] = {0.88, 0.92, 0.96, 0.985, 0.993, 0.997, 0.9995};
    rs_case_image *im = &cases[i].images[k];
    const random_case *from = &cases[i ? rs_random_below(rnd, i) : 0];

    snprintf(shas[i][k], 65, "%032zx%032zx", i, k);
    im->sha256 = rs_random_below(rnd, 6) ? shas[i][k] : NULL;
    im->phash = rs_random_u64(rnd);
    im->hashed = rs_random_below(rnd, 4) > 0;
    if (i == 0 || from->c.n_images == 0 || rs_random_below(rnd, 2))
        return;
    const rs_case_image *old = &from->images[rs_random_below(rnd, from->c.n_images)];
    im->phash = flip(old->phash, rnd, rs_random_below(rnd, 12));
    vector_near(rnd, cases[i].vectors[k], old->vector, cosines[rs_random_below(rnd, 7)]);
    if (rs_random_below(rnd, 4) == 0) {
        im->sha256 = old->sha256;
        im->phash = old->phash;
        im->hashed = old->hashed;
        memcpy(cases[i].vectors[k], old->vector, sizeof cases[i].vectors[k]);
    }
}

static int make_all(void **state)
{
    static const char *const nobody[] = {NULL, "", "Unknown", "ANONYMOUS"};
    rs_random rnd = rs_random_seed(12);
    rs_err err = {RS_OK, ""};

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    for (size_t i = 0; i < CASES; i++) {
        make_case(&cases[i], &rnd, i);
        for (size_t k = 0; k < cases[i].c.n_images; k++)
            make_image(&rnd, i, k);
        snprintf(names[i], sizeof names[i], rs_random_below(&rnd, 2) ? "PAT-%zu" : "pat-%zu",
                 rs_random_below(&rnd, PATIENTS));
        cases[i].c.patient = rs_random_below(&rnd, 3) ? nobody[rs_random_below(&rnd, 4)] : names[i];
        put_one(a, &cases[i].c);
        ok(rs_catalog_find(a, cases[i].key, &ids[i], &err), &err);
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

/* ---- The rules, naively ---------------------------------------------- */

static bool naive_twins(const rs_case_image *x, const rs_case_image *y)
{
    static const double least[] = {0.9, 0.9, 0.9, 0.95, 0.95, 0.99, 0.99, 0.995, 0.995};
    double cosine = 0, want = 0.998;

    if (x->sha256 && y->sha256 && strcmp(x->sha256, y->sha256) == 0)
        return true;
    if (x->hashed && y->hashed) {
        const unsigned bits = rs_phash_distance(x->phash, y->phash);
        want = bits <= 8 ? least[bits] : 2;
    }
    for (int k = 0; k < DIM; k++)
        cosine += (double)x->vector[k] * (double)y->vector[k];
    return cosine >= want;
}

static bool naive_contained(const rs_case *x, const rs_case *y)
{
    for (size_t i = 0; i < x->n_images; i++) {
        bool found = false;
        for (size_t j = 0; j < y->n_images; j++)
            found = found || naive_twins(&x->images[i], &y->images[j]);
        if (!found)
            return false;
    }
    return x->n_images > 0;
}

static bool naive_picture(const rs_case *x, const rs_case *y)
{
    return naive_contained(x, y) || naive_contained(y, x);
}

/* "PAT-3" and "pat-3"; every other name here is nobody's. */
static bool naive_patient(const rs_case *x, const rs_case *y)
{
    return x->patient && y->patient && strlen(x->patient) == 5 && strlen(y->patient) == 5 &&
           x->patient[4] == y->patient[4];
}

static bool reach[CASES][CASES];

static void close_over(const size_t *order, size_t n, bool patients, bool pictures)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const rs_case *x = &cases[order[i]].c, *y = &cases[order[j]].c;
            reach[i][j] = i == j || (patients && naive_patient(x, y)) ||
                          (pictures && naive_picture(x, y));
        }
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                reach[i][j] = reach[i][j] || (reach[i][k] && reach[k][j]);
}

static size_t first_reached(size_t i)
{
    size_t j = 0;

    while (!reach[i][j])
        j++;
    return j;
}

static void test_against_closure(void **state)
{
    rs_random rnd = rs_random_seed(3);
    size_t joined[3] = {0};

    (void)state;
    for (int round = 0; round < 40; round++) {
        const size_t n = 1 + rs_random_below(&rnd, CASES);
        const bool patients = round % 4 != 1, pictures = round % 4 != 2;
        size_t order[CASES], whole[CASES];
        int64_t list[CASES];
        rs_arena mem = {0};
        rs_err err = {RS_OK, ""};
        rs_fold *fold;
        for (size_t i = 0; i < CASES; i++)
            order[i] = i;
        rs_random_shuffle(&rnd, order, CASES);
        for (size_t i = 0; i < n; i++)
            list[i] = ids[order[i]];
        ok(rs_fold_rows(a, list, n, patients, pictures, &mem, &fold, &err), &err);
        close_over(order, n, patients, pictures);
        for (size_t i = 0; i < n; i++)
            whole[i] = first_reached(i);
        close_over(order, n, false, pictures);
        for (size_t i = 0; i < n; i++) {
            const rs_fold_why why = whole[i] == i ? RS_FOLD_ITSELF : reach[i][whole[i]]
                                    ? RS_FOLD_PICTURE : RS_FOLD_PATIENT;
            if (fold[i].row != whole[i] || fold[i].why != why)
                fail_msg("round %d, row %zu: row %zu (%s), wanted %zu (%s)", round, i, fold[i].row,
                         rs_fold_why_text(fold[i].why), whole[i], rs_fold_why_text(why));
            joined[why]++;
        }
        rs_arena_clear(&mem);
    }
    for (int why = 0; why < 3; why++)
        if (joined[why] < 30)                              /* all are to be seen */
            fail_msg("%s: %zu rows", rs_fold_why_text((rs_fold_why)why), joined[why]);
}

/* ---- Each by itself -------------------------------------------------- */

static void test_patient_of_a_case(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    const char *patient;

    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        ok(rs_patient_of(a->db, ids[i], &mem, &patient, &err), &err);
        if (cases[i].c.patient == names[i])
            assert_string_equal(patient, names[i]);
        else
            assert_null(patient);
    }
    assert_int_equal(rs_patient_of(a->db, 1 << 20, &mem, &patient, &err), RS_ECORRUPT);
    rs_arena_clear(&mem);
}

/* What a search with a case leaves out: itself, and its patient's others where that is somebody. */
static void test_left_out(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};

    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        rs_restriction r = {0};
        size_t want = 0;
        ok(rs_restriction_leave_out_case(&r, a->db, ids[i], true, &mem, &err), &err);
        for (size_t k = 0; k < CASES; k++)
            want += k == i || naive_patient(&cases[i].c, &cases[k].c);
        assert_int_equal(r.n_left_out, want);
    }
    rs_arena_clear(&mem);
}

static void test_who_is_known(void **state)
{
    static const char *const nobody[] = {"", "unknown", "Anonymous", "N/A", "-", "NONE"};
    static const char *const somebody[] = {"p1", "Nona", "0", "unknown-3", "anon 7"};

    (void)state;
    assert_false(rs_patient_known(NULL));
    for (size_t i = 0; i < sizeof nobody / sizeof *nobody; i++)
        assert_false(rs_patient_known(nobody[i]));
    for (size_t i = 0; i < sizeof somebody / sizeof *somebody; i++)
        assert_true(rs_patient_known(somebody[i]));
}

static void test_failures(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_status st = RS_ENOMEM;
    rs_fold *fold;
    const int64_t wrong[] = {ids[0], 1 << 20};

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_fold_rows(a, ids, CASES, true, true, &mem, &fold, NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        rs_arena_clear(&mem);
    }
    ok(rs_fold_rows(a, ids, 0, true, true, &mem, &fold, &err), &err);
    assert_int_equal(rs_fold_rows(a, wrong, 2, true, true, &mem, &fold, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "no case row 1048576"));
    rs_arena_clear(&mem);
}

/*   a: film 1     b: films 1 and 2     c: films 2 and 3     d: a copy of film 4, without a patient
 *   e: film 4, patient p     f: nothing in common, patient P
 *
 * All that a shows is in b. Of b and c neither holds all of the other. d, e and f are one patient's
 * by what is known of e. */
static void test_one_shared_image(void **state)
{
    static const int films[6][2] = {{1}, {1, 2}, {2, 3}, {4}, {4}, {5}};
    static const char *const patients[] = {NULL, NULL, NULL, NULL, "p", "P"};
    static const size_t row[] = {0, 0, 2, 3, 3, 3};
    static const rs_fold_why why[] = {RS_FOLD_ITSELF, RS_FOLD_PICTURE, RS_FOLD_ITSELF,
                                      RS_FOLD_ITSELF, RS_FOLD_PICTURE, RS_FOLD_PATIENT};
    char own[64], key[2] = "a";
    float x[6][DIM] = {{0}};
    int64_t list[6];
    rs_archive *b;
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_fold *fold;

    (void)state;
    make_folder(own);
    b = open_writer(own);
    for (size_t i = 0; i < 6; i++, key[0]++) {
        rs_case_image im[2] = {{.path = "/1"}, {.path = "/2"}};
        const rs_case c = {.key = key, .age_years = -1, .patient = patients[i], .images = im,
                           .n_images = films[i][1] ? 2 : 1};
        for (size_t k = 0; k < c.n_images; k++) {
            x[films[i][k]][films[i][k]] = 1;
            im[k].vector = x[films[i][k]];
            im[k].phash = (uint64_t)0x1357 << (12 * films[i][k] - 12);
            im[k].hashed = true;
        }
        put_one(b, &c);
        ok(rs_catalog_find(b, key, &list[i], &err), &err);
    }
    ok(rs_fold_rows(b, list, 6, true, true, &mem, &fold, &err), &err);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(fold[i].row, row[i]);
        assert_int_equal(fold[i].why, why[i]);
    }
    rs_arena_clear(&mem);
    rs_archive_close(b);
    remove_folder(own);
}

/* Series cut from the same 50 images, `n` from `first` on. */
static void test_many_images(void **state)
{
    static const struct { int first, n; size_t row; } series[] = {
        {0, 20, 0},                /* images 0 to 19 */
        {0, 20, 0},                /* the same once more */
        {0, 21, 2},                /* and another image, which 0 does not have */
        {18, 1, 3},                /* one that is late in both: not looked for */
        {30, 16, 4},               /* as many as are looked at */
        {31, 15, 4}, {33, 1, 4},   /* some of them, one of them */
    };
    enum { N = sizeof series / sizeof *series };
    static const float x[DIM] = {1};
    rs_random rnd = rs_random_seed(5);
    char own[64], key[2] = "a";
    uint64_t hashes[50];
    int64_t list[N];
    rs_archive *b;
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_fold *fold;

    (void)state;
    make_folder(own);
    b = open_writer(own);
    for (size_t i = 0; i < 50; i++)
        hashes[i] = rs_random_u64(&rnd);
    for (size_t i = 0; i < N; i++, key[0]++) {
        rs_case_image im[21];
        const rs_case c = {.key = key, .age_years = -1, .images = im,
                           .n_images = (size_t)series[i].n};
        for (size_t k = 0; k < c.n_images; k++)
            im[k] = (rs_case_image){.path = "/p", .vector = x, .hashed = true,
                                    .phash = hashes[(size_t)series[i].first + k]};
        put_one(b, &c);
        ok(rs_catalog_find(b, key, &list[i], &err), &err);
    }
    ok(rs_fold_rows(b, list, N, true, true, &mem, &fold, &err), &err);
    for (size_t i = 0; i < N; i++)
        if (fold[i].row != series[i].row)
            fail_msg("row %zu: row %zu, wanted %zu", i, fold[i].row, series[i].row);
    rs_arena_clear(&mem);
    rs_archive_close(b);
    remove_folder(own);
}

/* A vector that is damaged in the catalog is said, where it is needed. */
static void test_damaged_vector(void **state)
{
    char own[64];
    rs_archive *b;
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_fold *fold;
    int64_t list[2];

    (void)state;
    make_folder(own);
    b = open_writer(own);
    for (size_t i = 0; i < 2; i++) {
        static const float x[DIM] = {0.6f, 0.8f};
        const rs_case_image im = {.path = "/p", .width = 1, .height = 1, .vector = x};
        const rs_case c = {.key = i ? "b" : "a", .age_years = -1, .images = &im, .n_images = 1};
        put_one(b, &c);
        ok(rs_catalog_find(b, c.key, &list[i], &err), &err);
    }
    ok(rs_fold_rows(b, list, 2, true, true, &mem, &fold, &err), &err);
    assert_int_equal(fold[1].row, 0);
    assert_string_equal(rs_fold_why_text(fold[1].why), "same picture");
    ok(rs_db_exec(b->db, "UPDATE image_vectors SET vector = x'00' WHERE id = 2", &err), &err);
    assert_int_equal(rs_fold_rows(b, list, 2, true, true, &mem, &fold, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "image 2: a vector of 1 bytes, wanted 16"));
    rs_arena_clear(&mem);
    rs_archive_close(b);
    remove_folder(own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_closure),
        cmocka_unit_test(test_patient_of_a_case),
        cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_who_is_known),
        cmocka_unit_test(test_one_shared_image),
        cmocka_unit_test(test_many_images),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_damaged_vector),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
