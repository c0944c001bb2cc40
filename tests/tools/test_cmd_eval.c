/* test_cmd_eval.c - radscout eval on a collection and on labelled cases made here, with figures
 * worked out by hand; run files in and out; configurations side by side; what it refuses.
 * SPDX-License-Identifier: Apache-2.0 */
#include "run.h"
#include "tiny_model.h"

#include "base/json.h"

#include <math.h>

static const char corpus[] =
    "{\"_id\": \"d1\", \"title\": \"\", \"text\": \"There is a pneumothorax.\", \"mesh\": \"zebra\"}\n"
    "{\"_id\": \"d2\", \"title\": \"\", \"text\": \"No pneumothorax. No pneumothorax.\"}\n"
    "{\"_id\": \"d3\", \"title\": \"Heart\", \"text\": \"The heart is enlarged.\"}\r\n"
    "\n"
    "{\"_id\": \"d4\", \"text\": \"Clear lungs.\"}\n"
    "{\"_id\": \"d5\", \"text\": \"Normal hand.\"}\n"
    "{\"_id\": \"d6\", \"text\": \"Normal knee.\"}\n"
    "{\"_id\": \"d7\", \"text\": \"Normal foot.\"}\n";
static const char queries[] =
    "{\"_id\": \"q1\", \"text\": \"pneumothorax\"}\n"
    "{\"_id\": \"q2\", \"text\": \"cardiomegaly\"}\n"
    "{\"_id\": \"q3\", \"text\": \"not judged\"}\n";
static const char qrels[] = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td3\t2\nq2\td4\t0\n";

static void make_collection(void)
{
    put("beir/corpus.jsonl", corpus);
    put("beir/queries.jsonl", queries);
    put("beir/qrels/test.tsv", qrels);
}

static double figure(const json_t *o, size_t configuration, const char *name)
{
    const json_t *c = json_array_get(json_object_get(o, "configurations"), configuration);

    return json_real_value(json_object_get(json_object_get(c, name), "mean"));
}

static const json_t *of(const json_t *o, size_t configuration, const char *what, const char *name)
{
    const json_t *c = json_array_get(json_object_get(o, "configurations"), configuration);

    return json_object_get(json_object_get(c, what), name);
}

static json_t *said_json(void)
{
    json_t *o = NULL;
    rs_err err = {0};

    ok(rs_json_parse(&o, said_out, said_out_len, "eval", &err), &err);
    return o;
}

/* Plain BM25: q1 finds d2 (twice the word) and d1 second, q2 nothing.
 *   nDCG@10 = (1 / log2(3) + 0) / 2 = 0.315465,  MAP = MRR = (1/2 + 0) / 2
 * Read: d1 alone for q1, d3 alone for q2: all 1. */
static void test_figures(void **state)
{
    json_t *o = NULL;
    rs_err err = {0};

    (void)state;
    make_collection();
    assert_int_equal(radscout("eval", "--beir", at("beir"), "--json", "--run", at("out.run"),
                              "--per-query", at("out.tsv")), 0);
    assert_int_equal(rs_json_parse(&o, said_out, said_out_len, "eval", &err), RS_OK);
    assert_int_equal(json_integer_value(json_object_get(o, "documents")), 7);
    assert_int_equal(json_integer_value(json_object_get(o, "queries")), 2);
    assert_true(fabs(figure(o, 0, "nDCG@10") - 0.315465) < 1e-6);
    assert_true(fabs(figure(o, 0, "MAP") - 0.25) < 1e-9);
    assert_true(fabs(figure(o, 0, "MRR") - 0.25) < 1e-9);
    assert_true(fabs(figure(o, 0, "R@10") - 0.5) < 1e-9);
    assert_true(fabs(figure(o, 0, "P@10") - 0.05) < 1e-9);
    assert_true(fabs(figure(o, 1, "nDCG@10") - 1) < 1e-9);
    assert_true(fabs(figure(o, 1, "MAP") - 1) < 1e-9);
    assert_true(json_is_real(of(o, 1, "p", "nDCG@10")));
    assert_true(json_is_real(of(o, 1, "p_holm", "nDCG@10")));
    assert_true(json_is_null(of(o, 0, "p", "nDCG@10")));
    json_decref(o);
}

static void test_files(void **state)
{
    char *run, *table;
    size_t len;

    (void)state;
    assert_int_equal(rs_file_read(&run, &len, at("out.run"), 1 << 20, NULL), RS_OK);
    assert_non_null(strstr(run, "q1 Q0 d1 1 "));
    assert_non_null(strstr(run, "q2 Q0 d3 1 "));
    assert_null(strstr(run, "d2"));
    assert_int_equal(rs_file_read(&table, &len, at("out.tsv"), 1 << 20, NULL), RS_OK);
    assert_non_null(strstr(table, "q1\tpneumothorax\tbm25\t0.6309\t0.5000\t1.0000\t0.1000\t0.5000\t2\n"));
    assert_non_null(strstr(table, "q2\tcardiomegaly\tread\t1.0000\t"));
    rs_free(run);
    rs_free(table);
}

static void test_plain_only(void **state)
{
    (void)state;
    assert_int_equal(radscout("eval", "--beir", at("beir"), "--bm25-only"), 0);
    assert_non_null(strstr(said_out, "nDCG@10 "));
    assert_non_null(strstr(said_out, "bm25             0.3155 "));
    assert_null(strstr(said_out, "read"));
    assert_int_equal(radscout("eval", "--beir", at("beir"), "-k", "1"), 0);
    assert_non_null(strstr(said_out, "nDCG@1 "));
}

/* ---- Runs of others --------------------------------------------------- */

/* As trec_eval orders them: the rank is not read; d2 and d1 are equal and d2 sorts later; d3 and
 * d4 differ beyond 32 bits alone, so d4 is first. q3 is not judged. Relevant: d1 for q1, d3
 * (grade 2) for q2, both second: nDCG = 1 / log2(3), AP = RR = 1/2. The second run: d1 first, and
 * nothing for q2: all 1/2 but P@10. */
static void test_run_in(void **state)
{
    json_t *o;

    (void)state;
    make_collection();
    put("ties.run", "q1 Q0 d1 1 0.5 ties\nq1\tQ0\td2  2 0.5\tties\r\n\nq3 Q0 d9 1 7 ties\n"
                    "q2 Q0 d3 1 1.00000002 ties\nq2 Q0 d4 2 1.00000001 ties\n");
    put("half.run", "q1 Q0 d2 1 -3e0 half\nq1 Q0 d1 7 -2.5 half\n");
    assert_exit(0, "eval", "--beir", at("beir"), "--json", "--bm25-only", "--run-in",
                at("ties.run"), "--run-in", at("half.run"));
    o = said_json();
    assert_int_equal(json_array_size(json_object_get(o, "configurations")), 3);
    assert_true(fabs(figure(o, 1, "nDCG@10") - 1 / log2(3)) < 1e-6);
    assert_true(fabs(figure(o, 1, "MAP") - 0.5) < 1e-9);
    assert_true(fabs(figure(o, 1, "MRR") - 0.5) < 1e-9);
    assert_true(fabs(figure(o, 1, "R@10") - 1) < 1e-9);
    assert_true(fabs(figure(o, 1, "P@10") - 0.1) < 1e-9);
    assert_true(fabs(figure(o, 2, "nDCG@10") - 0.5) < 1e-9);
    assert_true(fabs(figure(o, 2, "MAP") - 0.5) < 1e-9);
    assert_true(fabs(figure(o, 2, "P@10") - 0.05) < 1e-9);
    json_decref(o);
}

/* What we write is read as we meant it, and TREC's judgements as BEIR's. */
static void test_run_out_and_in(void **state)
{
    json_t *o;

    (void)state;
    make_collection();
    put("qrels.txt", "q1 0 d1 1\nq2 0 d3 2\nq2 0 d4 0\n");
    assert_exit(0, "eval", "--beir", at("beir"), "--run", at("ours.run"));
    assert_exit(0, "eval", "--beir", at("beir"), "--run-in", at("ours.run"), "--json", "--qrels",
                at("qrels.txt"));
    o = said_json();
    for (int m = 0; m < 3; m++) {
        const char *const name[] = {"nDCG@10", "MAP", "P@10"};
        assert_true(fabs(figure(o, 1, name[m]) - figure(o, 2, name[m])) < 1e-12);
    }
    assert_true(fabs(figure(o, 1, "MAP") - 1) < 1e-9);
    json_decref(o);
}

static void test_damaged_runs(void **state)
{
    static const struct { const char *run, *says; } rows[] = {
        {"", "a run without a line"},
        {"q1 Q0 d1 1 0.5\n", "line 1: 5 fields; wanted 6"},
        {"q1 Q0 d1 1 0.5 t\nq1 Q0 d 2 1 0.5 t x\n", "line 2: more than 6 fields"},
        {"q1 Q0 d1 one 0.5 t\n", "line 1: field 4, the rank: 'one'"},
        {"q1 Q0 d1 1 0.5x t\n", "line 1: field 5, the score: '0.5x'"},
        {"q1 Q0 d1 1 nan t\n", "field 5"},
        {"q1 Q0 d1 1 inf t\n", "field 5"},
        {"q1 Q0 d1 1 1e99 t\n", "field 5"},
        {"q1 Q0 d1 1 3 t\nq2 Q0 d1 1 3 t\nq1 Q0 d1 2 2 t\n",
         "line 3: document 'd1' of query 'q1' was in line 1"},
    };

    (void)state;
    make_collection();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put("bad.run", rows[i].run);
        assert_exit(1, "eval", "--beir", at("beir"), "--run-in", at("bad.run"));
        assert_says(said_err, "bad.run");
        assert_says(said_err, rows[i].says);
    }
    assert_exit(1, "eval", "--beir", at("beir"), "--run-in", at("none.run"));
    put("bad.txt", "q1 0 d1\n");
    assert_exit(1, "eval", "--beir", at("beir"), "--qrels", at("bad.txt"));
    assert_says(said_err, "line 1: wanted 4 fields");
    put("bad.txt", "q1 0 d1 1\nq1 0 d2 yes\n");
    assert_exit(1, "eval", "--beir", at("beir"), "--qrels", at("bad.txt"));
    assert_says(said_err, "line 2: field 4, the grade: 'yes'");
}

/* ---- Configurations --------------------------------------------------- */

static void test_side_by_side(void **state)
{
    json_t *o;
    rs_err err = {0};

    (void)state;
    make_collection();
    ok(tiny_model_write(at("model"), 7, &err), &err);
    assert_exit(0, "eval", "--beir", at("beir"), "--model", at("model"), "--json", "--quiet",
                "--compare", "bm25,read,rrf,minmax,zscore,atan,early,rrf+50,text-passage");
    o = said_json();
    assert_int_equal(json_array_size(json_object_get(o, "configurations")), 9);
    assert_true(fabs(figure(o, 0, "MAP") - 0.25) < 1e-9);           /* as without the model */
    assert_true(fabs(figure(o, 1, "MAP") - 1) < 1e-9);
    assert_true(fabs(figure(o, 8, "R@10") - 1) < 1e-9);              /* it ranks all 7 */
    for (size_t r = 1; r < 9; r++)
        assert_true(json_real_value(of(o, r, "p", "MAP")) <=
                    json_real_value(of(o, r, "p_holm", "MAP")));
    json_decref(o);
    assert_exit(0, "eval", "--beir", at("beir"), "--model", at("model"), "--quiet", "--weights",
                "text-passage=0", "--compare", "read,rrf");
    assert_says(said_out, "read             1.0000 ");
    assert_says(said_out, "rrf              1.0000 ");               /* BM25 alone is left */
}

/* ---- Labels ----------------------------------------------------------- */

/* u and t are of one patient; u, t and v have one picture, w another.
 *   u: t is left out, so v is first: it shares 1 label where w would share 2: nDCG@1 = 1/2
 *   v: u or t is first: shares the one label that v has: nDCG@1 = 1
 * Relevant: v, w for u and for t; all three others for v and for w. e and f are of one
 * patient, whom nobody else shares a label with: they ask nothing. */
static const char cases[] =
    "{\"id\": \"u\", \"image\": \"a.png\", \"labels\": [\"nodule\", \"mass\"], \"patient\": \"p1\","
    " \"report\": \"A nodule: and a mass.\"}\n"
    "{\"id\": \"t\", \"image\": \"a.png\", \"labels\": [\"nodule\", \"mass\"], \"patient\": \"P1\","
    " \"report\": \"A nodule and a mass.\"}\n"
    "{\"id\": \"v\", \"image\": \"a.png\", \"labels\": [\"nodule\"], \"group\": \"g\\\"1\","
    " \"report\": \"A nodule.\"}\n"
    "{\"id\": \"w\", \"image\": \"b.png\", \"labels\": [\"mass\", \"nodule\"],"
    " \"report\": \"-A mass.\"}\n"
    "{\"id\": \"e\", \"image\": \"b.png\", \"labels\": [\"hernia\"], \"group\": \"g2\"}\n"
    "{\"id\": \"f\", \"image\": \"b.png\", \"labels\": [\"Hernia\"], \"group\": \"g2\"}\n";

static void make_cases(void)
{
    rs_err err = {0};

    put("cases.jsonl", cases);
    put_picture("a.png", 1);
    put_picture("b.png", 2);
    ok(tiny_model_write(at("model"), 7, &err), &err);
}

static void test_labels(void **state)
{
    char *table;
    size_t len;
    json_t *o;

    (void)state;
    make_cases();
    assert_exit(0, "eval", "--labels", at("cases.jsonl"), "--model", at("model"), "--json", "-k",
                "1", "--quiet", "--per-query", at("out.tsv"), "--compare", "image-image");
    o = said_json();
    assert_int_equal(json_integer_value(json_object_get(o, "documents")), 6);
    assert_int_equal(json_integer_value(json_object_get(o, "queries")), 4);
    assert_int_equal(json_integer_value(json_object_get(o, "judgements")), 2 + 2 + 3 + 3);
    json_decref(o);
    assert_int_equal(rs_file_read(&table, &len, at("out.tsv"), 1 << 20, NULL), RS_OK);
    assert_says(table, "u\t\timage-image\t0.5000\t");
    assert_says(table, "t\t\timage-image\t0.5000\t");
    assert_says(table, "v\t\timage-image\t1.0000\t");
    rs_free(table);
}

/* The patient's other case is not among what is found: 4 of 6, 5 of 6 for who is alone. */
static void test_own_patient_is_left_out(void **state)
{
    char *run;
    size_t len;

    (void)state;
    make_cases();
    assert_exit(0, "eval", "--labels", at("cases.jsonl"), "--model", at("model"), "--quiet",
                "--by", "both", "--run", at("out.run"));
    assert_int_equal(rs_file_read(&run, &len, at("out.run"), 1 << 20, NULL), RS_OK);
    assert_null(strstr(run, "u Q0 t "));
    assert_null(strstr(run, "t Q0 u "));
    assert_null(strstr(run, "v Q0 v "));
    assert_non_null(strstr(run, "u Q0 v "));
    assert_non_null(strstr(run, "v Q0 t "));
    rs_free(run);
}

static void test_archive_and_labels_as_queries(void **state)
{
    json_t *o;

    (void)state;
    make_cases();
    assert_exit(0, "index", at("archive"), at("cases.jsonl"), "--model", at("model"), "--quiet");
    assert_exit(0, "eval", "--archive", at("archive"), "--by", "label", "--compare", "read,rrf",
                "--json");
    o = said_json();
    assert_int_equal(json_integer_value(json_object_get(o, "queries")), 3);
    assert_int_equal(json_integer_value(json_object_get(o, "judgements")), 2 + 3 + 4);
    /* Words find those whose report or label says so, and nothing else. */
    assert_true(fabs(figure(o, 0, "nDCG@10") - 1) < 1e-9);
    json_decref(o);
    assert_exit(0, "eval", "--archive", at("archive"), "--by", "text", "--compare", "read,rrf+5");
    assert_exit(0, "eval", "--archive", at("archive"), "--queries", "2");
    assert_says(said_out, "6 documents, 2 queries");
    put("none.jsonl", "{\"id\": \"a\", \"image\": \"a.png\"}\n");
    assert_exit(1, "eval", "--labels", at("none.jsonl"), "--model", at("model"), "--quiet");
    assert_says(said_err, "no case can ask");
}

/* ---- Refused ---------------------------------------------------------- */

static void test_usage(void **state)
{
    static const struct { const char *args[8], *says; } rows[] = {
        {{"eval"}, "wants one of --beir"},
        {{"eval", "--beir", "a", "--labels", "b"}, "wants one of --beir"},
        {{"eval", "--labels", "a", "--by", "zebra"}, "--by wants image"},
        {{"eval", "--labels", "a", "--compare", "rrf,zebra"}, "no configuration 'zebra'"},
        {{"eval", "--labels", "a", "--compare", "rrf+"}, "no configuration 'rrf+'"},
        {{"eval", "--labels", "a", "--compare", "rrf+0"}, "no configuration 'rrf+0'"},
        {{"eval", "--labels", "a", "--compare", "bm25"}, "--by image asks without any"},
        {{"eval", "--beir", "a", "--compare",
          "rrf,rrf,rrf,rrf,rrf,rrf,rrf,rrf,rrf,rrf,rrf,rrf,rrf"}, "no more than 12"},
        {{"eval", "--beir", "a", "-k", "0"}, "-k wants"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int code = end_radscout(start_radscout(rows[i].args));
        if (code != 2 || !strstr(said_err, rows[i].says))
            fail_msg("row %zu: exit %d, wanted '%s': %s", i, code, rows[i].says, said_err);
    }
    make_collection();
    assert_exit(1, "eval", "--beir", at("beir"), "--weights", "zebra=1");
    assert_says(said_err, "there is no probe 'zebra'");
    assert_exit(1, "eval", "--beir", at("beir"), "--weights", "bm25=-1");
    assert_says(said_err, "wanted PROBE=NUMBER");
    assert_exit(1, "eval", "--archive", at("nowhere"));
    assert_says(said_err, "there is no archive");
}

static void test_refused(void **state)
{
    static const struct { const char *file, *text, *says; } rows[] = {
        {"beir/corpus.jsonl", "{\"_id\": \"a\"\n", "corpus.jsonl: line 1"},
        {"beir/corpus.jsonl", "{\"_id\": \"a\"}\n", "wanted texts _id and text"},
        {"beir/corpus.jsonl", "{\"_id\": \"a\", \"text\": \"x\"}\n{\"_id\": \"a\", \"text\": \"y\"}\n",
         "'a' is there twice"},
        {"beir/qrels/test.tsv", "q\td\ts\nq1 d1 1\n", "line 2: wanted query, document and grade"},
        {"beir/qrels/test.tsv", "q\td\ts\nq1\td1\tmany\n", "line 2: wanted query"},
        {"beir/qrels/test.tsv", "q9\td1\t1\n", "judges no query"},
    };

    (void)state;
    assert_int_equal(radscout("eval"), 2);
    assert_int_equal(radscout("eval", "--beir", at("nowhere")), 1);
    assert_non_null(strstr(said_err, "corpus.jsonl"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        make_collection();
        put(rows[i].file, rows[i].text);
        assert_int_equal(radscout("eval", "--beir", at("beir")), 1);
        assert_non_null(strstr(said_err, rows[i].says));
    }
    make_collection();
    assert_int_equal(radscout("eval", "--beir", at("beir"), "--lexicon", at("nowhere")), 1);
    assert_non_null(strstr(said_err, "lexicon"));
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(scratch) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_plain_only),
        cmocka_unit_test(test_run_in),
        cmocka_unit_test(test_run_out_and_in),
        cmocka_unit_test(test_damaged_runs),
        cmocka_unit_test(test_side_by_side),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_own_patient_is_left_out),
        cmocka_unit_test(test_archive_and_labels_as_queries),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, set_up, scratch_drop);
}
