/* test_records.c - JSON in, log lines and progress out, seeded numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* A text that is read as the very same value, and no longer than it must be. */
static void test_json_numbers(void **state)
{
    static const struct { double x; const char *text; } list[] = {
        {0.1, "[0.1]"}, {-2.5, "[-2.5]"}, {1e300, "[1e+300]"}, {0.1 + 0.2, "[0.30000000000000004]"},
        {100.0 / 3, "[33.333333333333336]"}, {5, "[5.0]"}, {-1.0 / 3e-9, "[-333333333.3333333]"}};
    rs_random rnd = rs_random_seed(9);
    json_t *o = json_pack("{s:s,s:[f,i]}", "a \"0.10000000000000001\\", "1.10000000000000009 \\\"",
                          "n", 0.3, 7);
    char *text = rs_json_text(o);

    (void)state;
    assert_string_equal(text, "{\"a \\\"0.10000000000000001\\\\\":\"1.10000000000000009 \\\\\\\"\","
                        "\"n\":[0.3,7]}");
    rs_free(text);
    json_decref(o);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        o = json_pack("[f]", list[i].x);
        text = rs_json_text(o);
        assert_string_equal(text, list[i].text);
        rs_free(text);
        json_decref(o);
    }
    for (int i = 0; i < 20000; i++) {
        const double x = (rs_random_unit(&rnd) - 0.5) * (i % 3 ? 1 : 1e18) * (i % 5 ? 1 : 1e-30);
        json_t *back = NULL;
        o = json_pack("[f]", i % 2 ? x : (double)(float)x);
        text = rs_json_text(o);
        assert_int_equal(rs_json_parse(&back, text, strlen(text), "number", NULL), RS_OK);
        assert_true(json_equal(o, back));
        rs_free(text);
        json_decref(o);
        json_decref(back);
    }
}

static void test_json_fields(void **state)
{
    static const char text[] =
        "{\"n\": 7, \"x\": 1.5, \"s\": \"abc\", \"b\": true, \"none\": null}";
    json_t *doc;
    rs_json_at at = {NULL, "config.json"};
    long long n = 0;
    double x = 0;
    bool b = false;
    const char *s = NULL;
    rs_err err = {0};

    (void)state;
    assert_int_equal(rs_json_parse(&doc, text, sizeof text - 1, "config.json", &err), RS_OK);
    at.object = doc;
    assert_int_equal(rs_json_int(at, "n", 0, 10, -1, &n, &err), RS_OK);
    assert_int_equal(n, 7);
    assert_int_equal(rs_json_int(at, "none", 0, 10, -1, &n, &err), RS_OK);
    assert_int_equal(n, -1);
    assert_int_equal(rs_json_int(at, "n", 0, 6, -1, &n, &err), RS_ECORRUPT);
    assert_string_equal(err.msg, "config.json: n: 7 is not within 0..6");
    assert_int_equal(rs_json_int(at, "s", 0, 6, -1, &n, &err), RS_ECORRUPT);
    assert_string_equal(err.msg, "config.json: s: wanted an integer, found a string");
    assert_int_equal(rs_json_real(at, "x", 0, 2, 0, &x, &err), RS_OK);
    assert_true(x > 1.4 && x < 1.6);
    assert_int_equal(rs_json_real(at, "x", 0, 1, 0, &x, &err), RS_ECORRUPT);
    assert_int_equal(rs_json_bool(at, "b", false, &b, &err), RS_OK);
    assert_true(b);
    assert_int_equal(rs_json_bool(at, "n", false, &b, &err), RS_ECORRUPT);
    assert_int_equal(rs_json_str(at, "s", "", &s, &err), RS_OK);
    assert_string_equal(s, "abc");
    assert_int_equal(rs_json_str(at, "b", "", &s, &err), RS_ECORRUPT);
    assert_int_equal(rs_json_need(at, "n", &err), RS_OK);
    assert_int_equal(rs_json_need(at, "absent", &err), RS_ECORRUPT);
    json_decref(doc);
}

static void test_json_refusals(void **state)
{
    static const char *const bad[] = {
        "", "{", "{\"a\":1,\"a\":2}", "{\"a\":\"\\ud800\"}", "[1,]", "{} x", "\xff",
    };
    rs_buf deep = {0};
    json_t *doc;
    rs_err err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(rs_json_parse(&doc, bad[i], strlen(bad[i]), "m.json", &err), RS_ECORRUPT);
        assert_null(doc);
        assert_memory_equal(err.msg, "m.json: line ", 13);
    }
    for (int i = 0; i < 100000; i++)
        rs_buf_putc(&deep, '[');
    assert_int_equal(rs_json_parse(&doc, deep.data, deep.len, "deep", &err), RS_ECORRUPT);
    rs_buf_clear(&deep);
}

/* Whatever is logged, each line is one JSON object holding the value. */
static void test_log_lines(void **state)
{
    char path[] = "/tmp/rs_log_XXXXXX", *text;
    static const char *const values[] = {
        "plain", "quote\" back\\slash", "line\nbreak", "ctl\x01\x7f", "\xff\xfe bad", "caf\xc3\xa9",
        "\xed\xa0\x80 surrogate", "\xf0\x9f\xa9\xbb", "%s%n",
    };
    size_t n = sizeof values / sizeof *values, len;
    char *line, *save = NULL;

    (void)state;
    close(mkstemp(path));
    assert_int_equal(rs_log_open(path, NULL), RS_OK);
    rs_log_event(RS_LOG_INFO, "below the level", (const char *)NULL);
    for (size_t i = 0; i < n; i++)
        rs_log_event(RS_LOG_WARN, "image skipped", "file", values[i], (const char *)NULL);
    rs_log_error(RS_LOG_ERROR, "failed", &(rs_err){RS_EIO, "read x"});
    rs_log_close();
    assert_int_equal(rs_file_read(&text, &len, path, 1 << 20, NULL), RS_OK);
    line = strtok_r(text, "\n", &save);
    for (size_t i = 0; i <= n; i++, line = strtok_r(NULL, "\n", &save)) {
        json_t *doc;
        assert_non_null(line);
        assert_int_equal(rs_json_parse(&doc, line, strlen(line), "log", NULL), RS_OK);
        if (i < 4)
            assert_string_equal(json_string_value(json_object_get(doc, "file")), values[i]);
        if (i == n)
            assert_string_equal(json_string_value(json_object_get(doc, "status")), "EIO");
        json_decref(doc);
    }
    assert_null(line);
    rs_free(text);
    unlink(path);
}

static void test_progress_json(void **state)
{
    char path[] = "/tmp/rs_progress_XXXXXX", *text;
    int fd = mkstemp(path), keep = dup(STDERR_FILENO);
    rs_progress *p;
    size_t len;
    json_t *doc;

    (void)state;
    dup2(fd, STDERR_FILENO);
    p = rs_progress_new("indexing", "images", 10, RS_PROGRESS_JSON);
    for (int i = 0; i < 10; i++)
        rs_progress_add(p, 1);
    rs_progress_end(p);
    p = rs_progress_new("quiet", "images", 10, RS_PROGRESS_QUIET);
    rs_progress_add(p, 5);
    rs_progress_end(p);
    rs_progress_add(NULL, 1);
    rs_progress_end(NULL);
    fflush(stderr);
    dup2(keep, STDERR_FILENO);
    close(keep);
    close(fd);
    assert_int_equal(rs_file_read(&text, &len, path, 1 << 16, NULL), RS_OK);
    assert_int_equal(rs_json_parse(&doc, text, len, "progress", NULL), RS_OK);
    assert_int_equal(json_integer_value(json_object_get(doc, "done")), 10);
    assert_true(json_is_true(json_object_get(doc, "end")));
    json_decref(doc);
    rs_free(text);
    unlink(path);
}

/* Seeded numbers are fixed for good: archives and phantoms depend on them. */
static void test_random(void **state)
{
    enum { N = 200000 };
    rs_random a = rs_random_seed(42), b = rs_random_seed(42), c = rs_random_derive(42, 1);
    double sum = 0, square = 0;
    size_t index[50], seen[50] = {0}, bins[7] = {0};

    (void)state;
    assert_true(rs_random_u64(&a) == 1546998764402558742u);
    assert_true(rs_random_u64(&b) == 1546998764402558742u);
    assert_true(rs_random_u64(&a) != rs_random_u64(&c));
    for (int i = 0; i < N; i++) {
        double x = rs_random_normal(&a), u = rs_random_unit(&a);
        sum += x;
        square += x * x;
        assert_true(u >= 0 && u < 1);
        bins[rs_random_below(&a, 7)]++;
    }
    assert_true(fabs(sum / N) < 0.01);
    assert_true(fabs(square / N - 1) < 0.02);
    for (int i = 0; i < 7; i++)
        assert_true(bins[i] > N / 7 - 1000 && bins[i] < N / 7 + 1000);
    for (size_t i = 0; i < 50; i++)
        index[i] = i;
    rs_random_shuffle(&a, index, 50);
    for (size_t i = 0; i < 50; i++)
        seen[index[i]]++;
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(seen[i], 1);
}

static void test_clock(void **state)
{
    double t = rs_now_s();
    char text[32];

    (void)state;
    assert_true(rs_now_s() >= t);
    assert_true(rs_peak_rss_bytes() > 100000);
    assert_true(rs_rss_bytes() > 100000 && rs_rss_bytes() <= rs_peak_rss_bytes() + (1 << 20));
    assert_true(rs_cpu_s() >= 0);
    rs_utc_text(text);
    assert_int_equal(strlen(text), 24);
    assert_int_equal(text[23], 'Z');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_numbers),
        cmocka_unit_test(test_json_fields), cmocka_unit_test(test_json_refusals),
        cmocka_unit_test(test_log_lines), cmocka_unit_test(test_progress_json),
        cmocka_unit_test(test_random), cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
