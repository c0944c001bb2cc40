/* test_judgments.c - radscout judgments as a user meets it, and an archive measured on its own
 * judgments: the same figures as when they are written out and read again as a collection.
 * SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include "base/json.h"
#include "engine/judgments.h"

#include <math.h>

static const struct { const char *key, *report; } cases[] = {
    {"d1", "There is a pneumothorax."}, {"d2", "No pneumothorax. No pneumothorax."},
    {"d3", "The heart is enlarged."}, {"d 4", "Clear lungs."}, {"d5", "A small pneumothorax."},
    {"d6", "Normal knee."}};

static const rs_judgment said[] = {
    {.key = "d1", .query = "pneumothorax", .verdict = RS_JUDGED_SAME_DIAGNOSIS, .who = "anna",
     .note = "clear\x1b[2J as day"},
    {.key = "d1", .query = "pneumothorax", .verdict = RS_JUDGED_NEAR_MISS, .who = "ben"},
    {.key = "d1", .query = "pneumothorax", .verdict = RS_JUDGED_SAME_FINDING, .who = "cleo"},
    {.key = "d2", .query = "pneumothorax", .verdict = RS_JUDGED_NOT_RELEVANT, .who = "anna"},
    {.key = "d5", .query = "pneumothorax", .verdict = RS_JUDGED_RELEVANT, .who = "anna"},
    {.key = "d3", .query = "{\"text\":[\"heart\",\"enlarged\"],\"filter\":\"not sex:F\"}",
     .verdict = RS_JUDGED_RELEVANT, .who = ""},
    {.key = "d 4", .query = "clear lungs", .verdict = RS_JUDGED_RELEVANT, .who = ""},
    {.key = "d1", .query = "{\"like\":\"d5\"}", .verdict = RS_JUDGED_RELEVANT, .who = ""},
};

static void make_archive(const char *folder, bool judged)
{
    rs_archive *a;
    rs_err err = {0};

    ok(rs_archive_open(&a, folder, RS_ARCHIVE_WRITE, &err), &err);
    ok(rs_archive_begin(a, &err), &err);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const rs_case c = {.key = cases[i].key, .report = cases[i].report, .age_years = -1};
        ok(rs_archive_put(a, &c, NULL, &err), &err);
    }
    for (size_t i = 0; judged && i < sizeof said / sizeof *said; i++) {
        int64_t id;
        bool replaced;
        ok(rs_judgments_add(a, &said[i], &id, &replaced, &err), &err);
    }
    ok(rs_archive_commit(a, &err), &err);
    rs_archive_close(a);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(scratch))
        return -1;
    make_archive(at("archive"), true);
    make_archive(at("plain"), false);
    return 0;
}

static int drop(void **state)
{
    forget_said();
    return scratch_drop(state);
}

static json_t *said_json(void)
{
    json_t *o = json_loads(said_out, 0, NULL);

    if (!o)
        fail_msg("no JSON: %s", said_out);
    return o;
}

static void test_listed(void **state)
{
    json_t *o;

    (void)state;
    assert_exit(0, "judgments", at("archive"));
    assert_says(said_out, "1  same_diagnosis (3)  d1\n    said    20");
    assert_says(said_out, " by anna\n    text    pneumothorax\n    note    clear?[2J as day\n");
    assert_says(said_out, "    like    d5\n");
    assert_says(said_out, "    text    enlarged\n            heart\n    filter  not sex:F\n");
    assert_exit(0, "judgments", at("archive"), "--case", "d1", "--who", "anna", "--json");
    o = said_json();
    assert_int_equal(json_array_size(json_object_get(o, "judgments")), 1);
    json_decref(o);
    assert_exit(0, "judgments", at("plain"));
    assert_int_equal(said_out_len, 0);
    assert_says(said_err, "nothing has been judged\n");
    assert_exit(1, "judgments", at("nowhere"));
    assert_says(said_err, "there is no archive");
}

static double figure(const json_t *o, size_t run, const char *name)
{
    const json_t *of = json_array_get(json_object_get(o, "configurations"), run);

    return json_number_value(json_object_get(json_object_get(of, name), "mean"));
}

static void test_written_and_measured(void **state)
{
    static const char *const measures[] = {"nDCG@10", "MAP", "R@10", "P@10", "MRR"};
    char *text;
    size_t len;
    json_t *here, *there;
    rs_buf corpus = {0};

    (void)state;
    put("beir/qrels/other.tsv", "");           /* the folders */
    assert_exit(0, "judgments", at("archive"), "--qrels", at("a.qrels"), "--queries",
                at("beir/queries.jsonl"));
    assert_int_equal(strlen(said_err), 0);
    assert_says(said_out, "3 queries, 4 judged cases, 1 of them disputed");
    assert_says(said_out, "left out: 1 queries that have cases or images");
    assert_says(said_out, "left out: 1 cases whose keys have blanks");
    assert_int_equal(rs_file_read(&text, &len, at("a.qrels"), 1 << 20, NULL), RS_OK);
    assert_says(text, " 0 d1 2\n");            /* the median of 1, 2, 3 */
    assert_says(text, " 0 d2 0\n");
    rs_free(text);
    assert_exit(0, "judgments", at("archive"), "--qrels", at("beir/qrels/test.tsv"), "--json");
    here = said_json();
    assert_int_equal(json_integer_value(json_object_get(here, "cases_left_out")), 0);
    assert_int_equal(json_integer_value(json_object_get(here, "queries_left_out")), 1);
    json_decref(here);
    /* The archive on its own judgments, and the same as a collection. */
    assert_exit(0, "eval", at("archive"), "--judgments", "--compare", "bm25,read", "--json");
    assert_says(said_err, "1 judged queries have cases or images and are left out");
    here = said_json();
    assert_int_equal(json_integer_value(json_object_get(here, "queries")), 3);
    assert_int_equal(json_integer_value(json_object_get(here, "judgements")), 5);
    assert_int_equal(json_integer_value(json_object_get(here, "documents")), 6);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        rs_buf_printf(&corpus, "{\"_id\": \"%s\", \"text\": \"%s\"}\n", cases[i].key,
                      cases[i].report);
    put("beir/corpus.jsonl", corpus.data);
    rs_buf_clear(&corpus);
    assert_exit(0, "eval", "--beir", at("beir"), "--compare", "bm25,read", "--json");
    there = said_json();
    for (size_t r = 0; r < 2; r++)
        for (size_t m = 0; m < sizeof measures / sizeof *measures; m++) {
            assert_true(figure(here, r, measures[m]) > 0);
            assert_true(fabs(figure(here, r, measures[m]) - figure(there, r, measures[m])) < 1e-9);
        }
    assert_true(fabs(figure(here, 1, "nDCG@10") - 1) < 1e-9);    /* as a report is read */
    json_decref(here);
    json_decref(there);
    assert_exit(0, "eval", "--archive", at("archive"), "--judgments", "--compare", "bm25");
    assert_says(said_out, "6 documents, 3 queries");
}

static void test_refused(void **state)
{
    (void)state;
    assert_exit(2, "judgments", at("archive"), "--qrels", "x", "--who", "anna");
    assert_exit(2, "judgments");
    assert_exit(1, "judgments", at("archive"), "--qrels", at("no/such/file"));
    assert_exit(2, "eval", "--judgments", "--beir", at("beir"));
    assert_says(said_err, "--judgments are an archive's");
    assert_exit(2, "eval", at("archive"), "--judgments", "--by", "text");
    assert_exit(2, "eval", at("archive"), "--beir", at("beir"));
    assert_exit(1, "eval", at("plain"), "--judgments", "--compare", "bm25");
    assert_says(said_err, "no query of words has been judged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listed),
        cmocka_unit_test(test_written_and_measured),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, set_up, drop);
}
