/* test_bm25.c - the ranking function against FTS5's own, its caches, its deadline.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/clock.h"
#include "engine/archive_int.h"

enum { CASES = 300 };

static void put_cases(rs_archive *a, rs_random *rnd, int from, int to)
{
    rs_err err = {RS_OK, ""};

    ok(rs_archive_begin(a, &err), &err);
    for (int i = from; i < to; i++) {
        char key[16], title[160], report[512];
        rs_case c = {.key = key, .title = title, .report = report, .age_years = -1};
        snprintf(key, sizeof key, "c%d", i);
        random_words(rnd, 1 + rs_random_below(rnd, 6), title, sizeof title);
        random_words(rnd, rs_random_below(rnd, 40), report, sizeof report);
        ok(rs_archive_put(a, &c, NULL, &err), &err);
    }
    ok(rs_archive_commit(a, &err), &err);
}

/* -bm25() of each case by id, as FTS5 computes it with these weights. */
static void fts5_scores(rs_archive *a, const char *match, const double *w, double *score)
{
    rs_err err = {RS_OK, ""};
    rs_stmt s = rs_db_use(a->db,
        "SELECT rowid, -bm25(case_fts, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) FROM case_fts"
        " WHERE case_fts MATCH ?1", &err);

    memset(score, 0, 2 * CASES * sizeof *score);
    rs_bind_text(&s, 1, match);
    for (int i = 0; i < RS_TEXT_COUNT; i++)
        rs_bind_real(&s, 2 + i, w[i]);
    while (rs_step(&s))
        score[rs_col_int(&s, 0)] = rs_col_real(&s, 1);
    ok(rs_done(&s), &err);
}

static void compare(rs_archive *a, const char *text, const double *w)
{
    static double want[2 * CASES];
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_text_query q;
    rs_ranked *got;
    size_t n, expected = 0;

    ok(rs_text_query_compile(a->text, text, RS_WORDS_PLAIN, &mem, &q, &err), &err);
    ok(rs_text_index_rank(a->text, &q, &(rs_restriction){0}, w, 2 * CASES, &mem, &got, &n, &err),
       &err);
    fts5_scores(a, q.match, w, want);
    for (size_t i = 0; i < 2 * CASES; i++)
        expected += want[i] > 0;
    assert_int_equal(n, expected);
    for (size_t i = 0; i < n; i++) {
        double difference = fabs(got[i].score - want[got[i].case_id]);
        if (difference > 1e-12)
            print_error("%s: case %s: %.17g, FTS5 %.17g\n", text, got[i].key, got[i].score,
                        want[got[i].case_id]);
        assert_true(difference <= 1e-12);
        assert_true(i == 0 || got[i - 1].score >= got[i].score);
    }
    rs_arena_clear(&mem);
}

/* Any words, phrases and beginnings, any weights: the same scores to the last bits. Also
 * after cases were added, replaced and removed: nothing kept is stale. */
static void test_equals_fts5(void **state)
{
    rs_random rnd = rs_random_seed(21);
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    for (int part = 0; part < 3; part++) {
        put_cases(a, &rnd, part * 90, CASES / 3 + part * 100);
        for (int round = 0; round < 60; round++) {
            char text[128], words[64];
            double w[RS_TEXT_COUNT];
            random_words(&rnd, 1 + rs_random_below(&rnd, 4), words, sizeof words);
            snprintf(text, sizeof text, "%s \"%s %s\" %.3s*", words, pick(&rnd, fixture_words, 12),
                     pick(&rnd, fixture_words, 12), pick(&rnd, fixture_words, 12));
            for (int i = 0; i < RS_TEXT_COUNT; i++)
                w[i] = round % 2 ? 1 : rs_random_range(&rnd, 0.1, 3);
            compare(a, text, w);
        }
        ok(rs_archive_begin(a, &err), &err);
        ok(rs_archive_remove(a, "c3", NULL, &err), &err);
        ok(rs_archive_remove(a, "c50", NULL, &err), &err);
        ok(rs_archive_commit(a, &err), &err);
    }
    rs_archive_close(a);
    remove_folder(dir);
}

/* A reader's lengths follow what another connection writes. */
static void test_follows_the_writer(void **state)
{
    static const double w[RS_TEXT_COUNT] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    rs_random rnd = rs_random_seed(22);
    rs_archive *a, *reader;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    put_cases(a, &rnd, 0, 20);
    reader = open_archive(dir, RS_ARCHIVE_READ);
    compare(reader, "effusion", w);
    put_cases(a, &rnd, 10, 60);
    compare(reader, "effusion", w);
    compare(reader, "effusion left", w);
    rs_archive_close(reader);
    rs_archive_close(a);
    remove_folder(dir);
}

/* Names of one thing count as one term: df of all of them, and no more for two names than
 * the best. */
static void test_names_are_one_term(void **state)
{
    static const char *const rows[][2] = {
        {"A", "pneumothorax"}, {"B", "ptx"}, {"C", "hydropneumothorax"}, {"D", "clear"},
        {"E", "heart"}, {"F", "spine"}, {"G", "lung"}, {"H", "aorta"}, {"I", "rib"}};
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_text_query q;
    rs_ranked *got;
    rs_archive *a;
    char dir[64];
    size_t n;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        put_one(a, &(rs_case){.key = rows[i][0], .title = rows[i][1], .age_years = -1});
    ok(rs_text_query_compile(a->text, "pneumothorax", RS_WORDS_READ, &mem, &q, &err), &err);
    assert_int_equal(q.n_groups, 1);
    ok(rs_text_index_rank(a->text, &q, &(rs_restriction){0}, NULL, 10, &mem, &got, &n, &err), &err);
    assert_int_equal(n, 3);
    assert_string_equal(got[0].key, "A");
    assert_true(got[0].score > got[1].score);
    ok(rs_text_query_compile(a->text, "PTX", RS_WORDS_READ, &mem, &q, &err), &err);
    ok(rs_text_index_rank(a->text, &q, &(rs_restriction){0}, NULL, 10, &mem, &got, &n, &err), &err);
    assert_int_equal(n, 3);
    assert_string_equal(got[0].key, "B");
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
}

/* What takes too long ends with RS_ECANCEL, and the next search is whole. */
static void test_deadline(void **state)
{
    rs_random rnd = rs_random_seed(23);
    rs_query q = rs_query_default();
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_result r;
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    put_cases(a, &rnd, 0, 250);
    rs_query_add(&q)->text = "effusion left right lung heart";
    q.deadline_s = 1e-9;
    assert_int_equal(rs_search(a, &q, &mem, &r, &err), RS_ECANCEL);
    assert_non_null(strstr(err.msg, "time"));
    q.deadline_s = 0;
    ok(rs_search(a, &q, &mem, &r, &err), &err);
    assert_true(r.n > 0);
    q.deadline_s = 60;
    ok(rs_search(a, &q, &mem, &r, &err), &err);
    q.deadline_s = -1;
    assert_int_equal(rs_search(a, &q, &mem, &r, &err), RS_EARG);
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_fts5),
        cmocka_unit_test(test_follows_the_writer),
        cmocka_unit_test(test_names_are_one_term),
        cmocka_unit_test(test_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
