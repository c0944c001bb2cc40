/* test_cmd_eval.c - radscout eval on a collection made here, with figures worked out by
 * hand; its files; what it refuses.
 * SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

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
    assert_true(json_is_real(json_object_get(json_object_get(o, "p"), "nDCG@10")));
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
    assert_non_null(strstr(said_out, "nDCG@10     0.3155"));
    assert_null(strstr(said_out, "read"));
    assert_int_equal(radscout("eval", "--beir", at("beir"), "-k", "1"), 0);
    assert_non_null(strstr(said_out, "nDCG@1 "));
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
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, set_up, scratch_drop);
}
