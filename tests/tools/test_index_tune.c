/* test_index_tune.c - radscout index-tune and radscout bench search: what they say, key by
 * key, what they keep, and what they refuse.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "base/random.h"
#include "engine/archive.h"
#include "run.h"

#include <math.h>

enum { D = 16, CASES = 400 };

#define ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void fill_archive(void)
{
    const rs_encoder_identity encoder = {ID, "tiny", "", D};
    rs_random rnd = rs_random_seed(1);
    rs_archive *a;
    rs_err err = {0};

    ok(rs_archive_open(&a, at("archive"), RS_ARCHIVE_WRITE, &err), &err);
    ok(rs_archive_bind_encoder(a, &encoder, &err), &err);
    ok(rs_archive_begin(a, &err), &err);
    for (size_t i = 0; i < CASES; i++) {
        float x[2][D];
        char key[16];
        rs_case_image image = {.path = "/a.png", .width = 1, .height = 1, .vector = x[0]};
        rs_passage passage = {.text = "words", .vector = x[1]};
        rs_case c = {.key = key, .age_years = -1, .images = &image, .n_images = 1,
                     .passages = &passage, .n_passages = 1};
        snprintf(key, sizeof key, "c%zu", i);
        for (size_t v = 0; v < 2; v++) {
            double sum = 0;
            for (size_t j = 0; j < D; j++) {
                x[v][j] = (float)rs_random_normal(&rnd);
                sum += (double)x[v][j] * (double)x[v][j];
            }
            for (size_t j = 0; j < D; j++)
                x[v][j] = (float)((double)x[v][j] / sqrt(sum));
        }
        ok(rs_archive_put(a, &c, NULL, &err), &err);
    }
    ok(rs_archive_commit(a, &err), &err);
    rs_archive_close(a);
}

static int make_all(void **state)
{
    (void)state;
    if (!mkdtemp(scratch))
        return -1;
    fill_archive();
    return 0;
}

static int drop_all(void **state)
{
    forget_said();
    return scratch_drop(state);
}

static void has_numbers(const json_t *o, const char *const *names)
{
    for (; *names; names++)
        if (!json_is_number(json_object_get(o, *names)))
            fail_msg("%s is no number", *names);
}

static void test_index_tune(void **state)
{
    static const char *const of_try[] = {
        "effort_10", "effort_100", "margin", "recall_10", "recall_100", "ms_10", "ms_100",
        "exact_ms_10", "build_s", "memory_bytes", "file_bytes", NULL};
    static const char *const of_point[] = {"effort", "recall_10", "ms_10", "p99_ms_10",
                                           "recall_100", "ms_100", "p99_ms_100", NULL};
    json_t *o, *tried;

    (void)state;
    assert_exit(0, "index-tune", at("archive"), "--kind", "flat", "--kind", "ivf", "--recall",
                "0.95", "--json");
    o = json_loadb(said_out, said_out_len, 0, NULL);
    assert_non_null(o);
    assert_true(json_real_value(json_object_get(o, "recall")) == 0.95);
    for (int kind = 0; kind < 2; kind++) {
        json_t *one = json_object_get(o, kind ? "passage" : "image");
        assert_int_equal(json_integer_value(json_object_get(one, "vectors")), CASES);
        tried = json_object_get(one, "tried");
        assert_int_equal(json_array_size(tried), 2);
        for (size_t i = 0; i < 2; i++) {
            json_t *t = json_array_get(tried, i);
            has_numbers(t, of_try);
            assert_string_equal(json_string_value(json_object_get(t, "kind")), i ? "ivf" : "flat");
            assert_non_null(strstr(json_string_value(json_object_get(t, "factory")), "SQfp16"));
            assert_true(json_is_true(json_object_get(t, "reached")));
            assert_true(json_is_boolean(json_object_get(t, "chosen")));
        }
        tried = json_object_get(json_array_get(tried, 1), "curve");
        assert_true(json_array_size(tried) > 0);
        has_numbers(json_array_get(tried, 0), of_point);
    }
    json_decref(o);
    assert_exit(0, "index-tune", at("archive"), "--kind", "ivf");
    assert_non_null(strstr(said_out, "-> IDMap,IVF"));
    assert_non_null(strstr(said_out, "effort"));
}

static void test_refused(void **state)
{
    (void)state;
    assert_exit(2, "index-tune", at("archive"), "--kind", "lsh");
    assert_non_null(strstr(said_err, "flat, ivf, sq8 or hnsw"));
    assert_exit(2, "index-tune", at("archive"), "--recall", "2");
    assert_exit(1, "index-tune", at("nothing"));
    assert_false(rs_file_exists(at("nothing")));
    assert_exit(2, "bench", "search", "--n", "100000,x");
    assert_exit(2, "bench", "search", "--n", "7");
    assert_exit(2, "bench", "search", "--kind", "flat,x");
}

static void test_bench_search(void **state)
{
    static const char *const fields[] = {
        "n", "dim", "effort", "share", "recall_10", "per_second", "p50_ms", "p99_ms", "build_s",
        "memory_mib", "rss_mib", "disk_mib", NULL};
    const char *line;
    size_t rows = 0;

    (void)state;
    assert_exit(0, "bench", "search", "--n", "2000", "--d", "24", "--queries", "20", "--kind",
                "ivf,sq8", "--export", at("export"), "--json");
    for (line = said_out; *line; rows++) {
        size_t len = strcspn(line, "\n");
        json_t *o = json_loadb(line, len, 0, NULL);
        assert_non_null(o);
        has_numbers(o, fields);
        assert_true(json_is_string(json_object_get(o, "factory")));
        if (strcmp(json_string_value(json_object_get(o, "index")), "flat") == 0)
            assert_true(json_number_value(json_object_get(o, "recall_10")) == 1);
        assert_true(json_number_value(json_object_get(o, "recall_10")) > 0.9);
        json_decref(o);
        line += len + (line[len] == '\n');
    }
    assert_int_equal(rows, 4 * 5);         /* flat twice, ivf, sq8, at five shares */
    for (size_t i = 0; i < 5; i++) {
        static const char *const share[] = {"1", "0.5", "0.1", "0.01", "0.0001"};
        char name[40];
        snprintf(name, sizeof name, "export/truth-%s.u32", share[i]);
        assert_true(rs_file_exists(at(name)));
    }
    assert_exit(0, "bench", "search", "--n", "1000", "--d", "8", "--queries", "10", "--kind", "flat");
    assert_non_null(strstr(said_out, "faiss flat"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_tune),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bench_search),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
