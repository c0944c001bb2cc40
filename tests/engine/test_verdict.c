/* test_verdict.c - "nothing similar enough" is said of strangers, and of the archive's own kind
 * no more often than promised; contrast cases.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/verdict.h"

enum { CASES = 300 };

/* Around one of a few directions in the first half of the space; strangers in the other. */
static void near_centre(rs_random *rnd, size_t centre, float x[DIM])
{
    double sum = 0;

    unit_vector(rnd, x);
    for (int i = 0; i < DIM; i++) {
        x[i] = (float)((double)x[i] * 0.35 + ((size_t)i == centre));
        sum += (double)x[i] * (double)x[i];
    }
    for (int i = 0; i < DIM; i++)
        x[i] = (float)((double)x[i] / sqrt(sum));
}

static void put_kind(rs_archive *a, rs_random *rnd, size_t i, size_t centre, const char *patient)
{
    static const char *const words[] = {"left pleural effusion seen", "small lung nodule",
                                        "fracture of the right hand", "enlarged heart"};
    static const char *const labels[] = {"effusion", "nodule", "fracture", "cardiomegaly"};
    float image[DIM], passage[DIM];
    char key[16];

    near_centre(rnd, centre, image);
    near_centre(rnd, centre, passage);
    snprintf(key, sizeof key, "c%zu", i);
    put_one(a, &(rs_case){.key = key, .title = words[centre], .report = words[centre],
                          .age_years = -1, .patient = patient,
                          .images = &(rs_case_image){.path = "/x", .vector = image}, .n_images = 1,
                          .passages = &(rs_passage){.text = words[centre], .vector = passage},
                          .n_passages = 1, .findings = &labels[centre], .n_findings = 1});
}

static char dir[64];
static rs_archive *archive;

static int make_all(void **state)
{
    rs_random rnd = rs_random_seed(31);
    rs_err err = {RS_OK, ""};

    (void)state;
    make_folder(dir);
    archive = open_writer(dir);
    for (size_t i = 0; i < CASES; i++)
        put_kind(archive, &rnd, i, i % 4, NULL);
    ok(rs_archive_rebuild(archive, &err), &err);
    return 0;
}

static int drop_all(void **state)
{
    (void)state;
    rs_archive_close(archive);
    remove_folder(dir);
    return 0;
}

static void test_share(void **state)
{
    rs_typical t = {0};
    float score[200];

    (void)state;
    for (size_t i = 0; i < 200; i++)
        score[i] = (float)(199 - i) / 199;
    rs_typical_make(&t, score, RS_CALIBRATION_LEAST - 1);
    assert_false(t.known);
    for (size_t i = 0; i < 200; i++)
        score[i] = (float)(199 - i) / 199;
    rs_typical_make(&t, score, 200);
    assert_true(t.known);
    assert_true(rs_typical_share(&t, -0.1) == 0 && rs_typical_share(&t, 1.5) == 1);
    for (double x = 0.01; x < 1; x += 0.07)
        assert_true(fabs(rs_typical_share(&t, x) - x) < 0.01);
    for (size_t i = 0; i < 200; i++)
        score[i] = 3;                                   /* all equal: no better, no worse */
    rs_typical_make(&t, score, 200);
    assert_true(rs_typical_share(&t, 3) == 1 && rs_typical_share(&t, 2.9) == 0);
}

static rs_verdict verdict_of(const float *image, double false_alarm)
{
    rs_query q = rs_query_default();
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    rs_result r;

    ask_images(&q, image, 1);
    q.false_alarm = false_alarm;
    ok(rs_search(archive, &q, &mem, &r, &err), &err);
    rs_arena_clear(&mem);
    return r.verdict;
}

/* 400 of the archive's own kind at three rates, and as many strangers. Both probes must be below
 * the rate, so the alarms are fewer than promised; a binomial's 4 sd are allowed. */
static void test_false_alarms(void **state)
{
    static const double rates[] = {0.02, 0.05, 0.2};
    rs_random rnd = rs_random_seed(32);

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        size_t wrong = 0, caught = 0;
        for (size_t i = 0; i < 400; i++) {
            float own[DIM], stranger[DIM];
            near_centre(&rnd, i % 4, own);
            near_centre(&rnd, DIM / 2 + i % 4, stranger);
            wrong += verdict_of(own, rates[k]).kind == RS_VERDICT_NOTHING;
            caught += verdict_of(stranger, rates[k]).kind == RS_VERDICT_NOTHING;
        }
        assert_true((double)wrong <= 400 * rates[k] + 4 * sqrt(400 * rates[k] * (1 - rates[k])));
        assert_true(caught >= 390);
    }
    assert_int_equal(verdict_of((float[DIM]){1}, 0).kind, RS_VERDICT_NONE);
}

static rs_verdict verdict_of_text(const char *text, bool plain)
{
    rs_query q = rs_query_default();
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    rs_result r;

    ask_text(&q, text, NULL);
    q.words = plain ? RS_WORDS_PLAIN : RS_WORDS_READ;
    ok(rs_search(archive, &q, &mem, &r, &err), &err);
    rs_arena_clear(&mem);
    return r.verdict;
}

static void test_words(void **state)
{
    (void)state;
    assert_int_equal(verdict_of_text("pleural effusion", false).kind, RS_VERDICT_SIMILAR);
    assert_int_equal(verdict_of_text("small nodule of the lung", false).kind, RS_VERDICT_SIMILAR);
    assert_int_equal(verdict_of_text("cerebellar haemangioblastoma", false).kind, RS_VERDICT_NOTHING);
    assert_int_equal(verdict_of_text("effusion in the glenohumeral joint, ganglion cyst", false).kind,
                     RS_VERDICT_NOTHING);
    assert_int_equal(verdict_of_text("pleural effusion", true).kind, RS_VERDICT_NONE);
}

/* What the catalog keeps, damaged, counts as nothing; a quarter more cases calibrate anew. */
static void test_kept_and_renewed(void **state)
{
    rs_random rnd = rs_random_seed(33);
    rs_err err = {RS_OK, ""};
    rs_calibration c;

    (void)state;
    ok(rs_calibration_read(archive, &c, &err), &err);
    assert_int_equal(c.cases, CASES);
    assert_true(c.probe[RS_PROBE_IMAGE_IMAGE].known && c.probe[RS_PROBE_BM25].known &&
                c.probe[RS_PROBE_CASE].known && !c.probe[RS_PROBE_REGION].known);
    for (size_t i = 0; i < CASES / 4; i++)
        put_kind(archive, &rnd, CASES + i, i % 4, NULL);
    ok(rs_archive_catch_up(archive, &err), &err);
    ok(rs_calibration_read(archive, &c, &err), &err);
    assert_int_equal(c.cases, CASES);
    put_kind(archive, &rnd, 2 * CASES, 0, NULL);
    ok(rs_archive_catch_up(archive, &err), &err);
    ok(rs_calibration_read(archive, &c, &err), &err);
    assert_int_equal(c.cases, CASES + CASES / 4 + 1);
    ok(rs_db_exec(archive->db, "UPDATE meta SET value = '{\"cases\": 5, \"bm25\": [1, 0]}'"
                  " WHERE key = 'verdict'", &err), &err);
    ok(rs_calibration_read(archive, &c, &err), &err);
    assert_false(c.probe[RS_PROBE_BM25].known);
    assert_int_equal(verdict_of_text("effusion", false).kind, RS_VERDICT_NONE);
    ok(rs_db_exec(archive->db, "UPDATE meta SET value = '[[[' WHERE key = 'verdict'", &err), &err);
    assert_int_equal(verdict_of_text("effusion", false).kind, RS_VERDICT_NONE);
    ok(rs_archive_rebuild(archive, &err), &err);
    assert_int_equal(verdict_of_text("effusion", false).kind, RS_VERDICT_SIMILAR);
}

/* ---- Contrast --------------------------------------------------------- */

static void test_contrast(void **state)
{
    rs_query q = rs_query_default();
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    rs_result r;

    (void)state;
    ask_text(&q, "lung nodule", NULL);
    q.contrast = true;
    ok(rs_search(archive, &q, &mem, &r, &err), &err);
    assert_int_equal(r.n, 10);
    for (size_t i = 0; i < r.n; i++) {
        const rs_contrast *c = r.hits[i].contrast;
        assert_non_null(c);
        assert_string_equal(r.hits[i].findings[0], "nodule");
        assert_int_equal(c->n_findings, 1);
        assert_string_not_equal(c->findings[0], "nodule");
        assert_string_equal(c->image, "/x");
        assert_true(c->score > -1 && c->score < 1);
    }
    rs_arena_clear(&mem);
}

/* By hand: the nearest has the same label, the next no label, then one of the same patient; then
 * it comes. Reports speak where there are no labels. */
static void put_at(rs_archive *a, const char *key, double cosine, const char *label,
                   const char *patient, const char *report)
{
    const float x[DIM] = {(float)cosine, (float)sqrt(1 - cosine * cosine)};

    put_one(a, &(rs_case){.key = key, .title = "t", .report = report, .age_years = -1,
                          .patient = patient, .findings = &label, .n_findings = label ? 1 : 0,
                          .images = &(rs_case_image){.path = "/x", .vector = x}, .n_images = 1});
}

static void test_contrast_by_hand(void **state)
{
    static const float first[DIM] = {1};
    rs_query q = rs_query_default();
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    rs_result r;
    char folder[64];
    rs_archive *a;

    (void)state;
    make_folder(folder);
    a = open_writer(folder);
    put_at(a, "hit", 1, "glioma", "p", NULL);
    put_at(a, "same label", 0.99, "Glioma", NULL, NULL);
    put_at(a, "no label", 0.98, NULL, NULL, NULL);
    put_at(a, "same patient", 0.97, "abscess", "p", NULL);
    put_at(a, "other", 0.9, NULL, NULL, "There is a pleural effusion. No pneumothorax.");
    put_at(a, "farther", 0.8, "abscess", NULL, NULL);
    ask_images(&q, first, 1);
    q.contrast = true;
    q.k = 1;
    ok(rs_search(a, &q, &mem, &r, &err), &err);
    assert_string_equal(r.hits[0].key, "hit");
    assert_string_equal(r.hits[0].contrast->key, "other");
    assert_true(fabs(r.hits[0].contrast->score - 0.9) < 1e-3);
    q.parts[0].vector = (float[DIM]){-1};
    q.contrast = false;
    ok(rs_search(a, &q, &mem, &r, &err), &err);
    assert_null(r.hits[0].contrast);
    rs_archive_close(a);
    remove_folder(folder);
    rs_arena_clear(&mem);
}

/* Let the k-th allocation of calibrating, and of a search with everything, fail. */
static rs_status do_all(rs_archive *a, bool calibrate, rs_err *err)
{
    static const float x[DIM] = {1};
    rs_query q = rs_query_default();
    rs_arena mem = {0};
    rs_result r;
    rs_status st;

    if (calibrate)
        return rs_calibrate(a, err);
    ask_text(&q, "nodule", x);
    ask_images(&q, x, 1);
    rs_query_add(&q)->like = "c3";
    ask_text(&q, "effusion", x);
    q.parts[3].weight = -0.5;
    q.contrast = true;
    q.rescore = 5;
    q.k = 3;
    st = rs_search(a, &q, &mem, &r, err);
    rs_arena_clear(&mem);
    return st;
}

static void test_out_of_memory(void **state)
{
    rs_random rnd = rs_random_seed(34);
    rs_err err = {RS_OK, ""};
    char folder[64];
    rs_archive *a;

    (void)state;
    make_folder(folder);
    a = open_writer(folder);
    for (size_t i = 0; i < RS_CALIBRATION_LEAST; i++)
        put_kind(a, &rnd, i, i % 4, "p");
    for (int calibrate = 1; calibrate >= 0; calibrate--) {
        rs_status st = RS_ENOMEM;
        ok(do_all(a, false, &err), &err);               /* what is loaded once is there */
        for (long k = 0; st != RS_OK; k++) {
            assert_true(k < 5000);
            rs_alloc_fail_after(k);
            st = do_all(a, calibrate, &err);
            rs_alloc_fail_after(-1);
            if (st != RS_OK)
                assert_int_equal(st, RS_ENOMEM);
        }
    }
    rs_archive_close(a);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_false_alarms),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_contrast),
        cmocka_unit_test(test_contrast_by_hand),
        cmocka_unit_test(test_kept_and_renewed),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
