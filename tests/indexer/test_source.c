/* test_source.c - manifests, CSV and folders become the same case records.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/bytes.h"
#include "indexer/source.h"
#include "indexer/source_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char folder[] = "/tmp/rs_source_XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    char command[200];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static char *put(const char *name, const char *text)
{
    char *path = rs_path_join(folder, name);
    char *slash = strrchr(path, '/');

    *slash = '\0';
    assert_int_equal(rs_mkdirs(path, NULL), RS_OK);
    *slash = '/';
    assert_int_equal(rs_file_write(path, text, strlen(text), NULL), RS_OK);
    return path;
}

static rs_source *open_text(const char *name, const char *text)
{
    char *path = put(name, text);
    rs_source *s;
    rs_err err = {0};

    if (rs_source_open(&s, path, &err) != RS_OK)
        fail_msg("%s", err.msg);
    rs_free(path);
    return s;
}

static void test_json_lines(void **state)
{
    static const char text[] =
        "{\"id\":\"a\",\"images\":[\"x/1.png\",\"/abs/2.png\"],\"view\":[\"PA\",\"LAT\"],"
        "\"modality\":\"CR\",\"body_part\":\"CHEST\",\"age\":61,\"sex\":\"F\",\"patient\":7,"
        "\"findings\":[\"effusion\",\"effusion\",\"mass\"],\"report\":\"Findings: x.\","
        "\"licence\":\"CC BY\",\"size\":[1,2]}\n"
        "\n"
        "{\"case_id\":\"m\",\"id\":\"m1\",\"image\":\"1.png\",\"plane\":\"Axial\",\"caption\":\"One.\","
        "\"history\":\"H.\",\"findings\":\"F.\",\"diagnosis\":\"D.\"}\n"
        "not json\n"
        "{\"case_id\":\"m\",\"id\":\"m2\",\"image\":\"2.png\",\"plane\":\"Coronal\",\"caption\":\"Two.\","
        "\"history\":\"H.\",\"findings\":\"F.\",\"age\":\"018M\"}\n"
        "{\"title\":\"words only\"}\n"
        "{\"id\":\"none\"}\n"
        "[1]";
    rs_source *s = open_text("cases.jsonl", text);
    rs_arena mem = {0};
    rs_source_case c;

    (void)state;
    assert_int_equal(rs_source_count(s), 6);

    assert_int_equal(rs_source_get(s, 0, &mem, &c, NULL), RS_OK);
    assert_null(c.problem);
    assert_string_equal(c.key, "a");
    assert_string_equal(c.item, "row 1");
    assert_int_equal(c.n_images, 2);
    assert_memory_equal(c.images[0].path, folder, strlen(folder));
    assert_string_equal(c.images[0].path + strlen(folder), "/x/1.png");
    assert_string_equal(c.images[0].given, "x/1.png");
    assert_string_equal(c.images[1].path, "/abs/2.png");
    assert_string_equal(c.images[1].view, "LAT");
    assert_string_equal(c.view, "PA");
    assert_string_equal(c.patient, "7");
    assert_true(c.age_years > 60.9 && c.age_years < 61.1);
    assert_int_equal(c.n_findings, 2);
    assert_string_equal(c.findings[1], "mass");
    assert_int_equal(c.n_parts, 0);
    assert_string_equal(c.report, "Findings: x.");
    assert_non_null(strstr(c.attributes, "\"licence\":\"CC BY\""));
    assert_null(strstr(c.attributes, "modality"));

    assert_int_equal(rs_source_get(s, 1, &mem, &c, NULL), RS_OK);       /* rows 3 and 5 */
    assert_string_equal(c.key, "m");
    assert_int_equal(c.n_images, 2);
    assert_string_equal(c.images[1].view, "Coronal");
    assert_true(c.age_years > 1.4 && c.age_years < 1.6);
    assert_int_equal(c.n_parts, 5);                  /* history, findings, two captions, diagnosis */
    assert_string_equal(c.parts[0].name, "history");
    assert_string_equal(c.parts[2].text, "One.");
    assert_string_equal(c.parts[3].text, "Two.");

    assert_int_equal(rs_source_get(s, 2, &mem, &c, NULL), RS_OK);
    assert_string_equal(c.item, "row 4");
    assert_non_null(strstr(c.problem, "JSON: line 1"));
    assert_int_equal(rs_source_get(s, 3, &mem, &c, NULL), RS_OK);
    assert_string_equal(c.key, "row-6");
    assert_null(c.problem);
    assert_int_equal(rs_source_get(s, 4, &mem, &c, NULL), RS_OK);
    assert_string_equal(c.problem, "it has neither an image nor a text");
    assert_int_equal(rs_source_get(s, 5, &mem, &c, NULL), RS_OK);
    assert_string_equal(c.problem, "not a JSON object");
    rs_arena_clear(&mem);
    rs_source_close(s);
}

static void test_csv(void **state)
{
    rs_source *s = open_text("cases.csv",
        "\xef\xbb\xbfid,images,report,labels,age\r\n"
        "a,1.png;2.png,\"Two lines,\nand a \"\"quote\"\".\",mass; cyst,45Y\r\n"
        "b,3.png\r\n"
        "c,4.png,,,\r\n"
        "d,5.png,\"open,,\n");
    rs_arena mem = {0};
    rs_source_case c;

    (void)state;
    assert_int_equal(rs_source_count(s), 4);
    assert_int_equal(rs_source_get(s, 0, &mem, &c, NULL), RS_OK);
    assert_string_equal(c.key, "a");
    assert_int_equal(c.n_images, 2);
    assert_string_equal(c.images[1].given, "2.png");
    assert_string_equal(c.report, "Two lines,\nand a \"quote\".");
    assert_int_equal(c.n_findings, 2);
    assert_string_equal(c.findings[1], "cyst");
    assert_true(c.age_years > 44.9 && c.age_years < 45.1);
    assert_int_equal(rs_source_get(s, 1, &mem, &c, NULL), RS_OK);
    assert_string_equal(c.problem, "2 fields where the header names 5");
    assert_int_equal(rs_source_get(s, 2, &mem, &c, NULL), RS_OK);
    assert_null(c.problem);
    assert_null(c.report);
    assert_int_equal(rs_source_get(s, 3, &mem, &c, NULL), RS_OK);
    assert_string_equal(c.problem, "a quote is never closed");
    rs_arena_clear(&mem);
    rs_source_close(s);
}

static void test_folder_source(void **state)
{
    static const struct { const char *key; size_t images; const char *report; } want[] = {
        {"a", 1, "Report of a."}, {"d", 1, NULL}, {"words", 0, "Words alone."},
        {"study", 2, "Whole study."}, {"z/e", 1, NULL},
    };
    char *root = rs_path_join(folder, "tree");
    rs_source *s;
    rs_arena mem = {0};
    rs_source_case c;

    (void)state;
    rs_free(put("tree/a.png", "x"));
    rs_free(put("tree/a.txt", "Report of a."));
    rs_free(put("tree/d.JPG", "x"));
    rs_free(put("tree/.hidden.png", "x"));
    rs_free(put("tree/notes.doc", "x"));
    rs_free(put("tree/words.txt", "Words alone."));
    rs_free(put("tree/study/report.txt", "Whole study."));
    rs_free(put("tree/study/1.png", "x"));
    rs_free(put("tree/study/2.jpeg", "x"));
    rs_free(put("tree/z/e.png", "x"));
    assert_int_equal(rs_source_open(&s, root, NULL), RS_OK);
    assert_int_equal(rs_source_count(s), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(rs_source_get(s, i, &mem, &c, NULL), RS_OK);
        assert_null(c.problem);
        assert_string_equal(c.key, want[i].key);
        assert_int_equal(c.n_images, want[i].images);
        if (want[i].report)
            assert_string_equal(c.report, want[i].report);
        else
            assert_null(c.report);
    }
    rs_arena_clear(&mem);
    rs_source_close(s);
    rs_free(root);
}

static void test_refusals(void **state)
{
    char *path = put("x.docx", "hello"), *empty = put("empty.csv", "");
    rs_source *s;
    rs_err err = {0};

    (void)state;
    assert_int_equal(rs_source_open(&s, "/nowhere/at/all", &err), RS_ENOENT);
    assert_non_null(strstr(err.msg, "/nowhere/at/all"));
    assert_int_equal(rs_source_open(&s, path, &err), RS_EFORMAT);
    assert_non_null(strstr(err.msg, ".jsonl"));
    assert_int_equal(rs_source_open(&s, empty, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "header"));
    assert_null(s);
    rs_free(path);
    rs_free(empty);
}

/* A date and a tier that can be read have fields of their own; what cannot stays an attribute. */
static void test_dates_and_tiers(void **state)
{
    static const struct { const char *row, *date; rs_tier tier; const char *attributes; } rows[] = {
        {"\"study_date\":\"2024-03-01\",\"tier\":\"Proven\"", "2024-03-01", RS_TIER_PROVEN, NULL},
        {"\"date\":\"20240229\",\"diagnosis_tier\":\"reviewed\"", "2024-02-29", RS_TIER_REVIEWED, NULL},
        {"\"studydate\":20240229", "2024-02-29", RS_TIER_UNKNOWN, NULL},
        {"\"StudyDate\":2024,\"tier\":\"unknown\"", "2024", RS_TIER_UNKNOWN, NULL},
        {"\"date\":\"2024-03\",\"n\":1", "2024-03", RS_TIER_UNKNOWN, "{\"n\":1}"},
        {"\"date\":\"2023-02-29\"", NULL, RS_TIER_UNKNOWN, "{\"date\":\"2023-02-29\"}"},
        {"\"date\":[2020],\"tier\":4", NULL, RS_TIER_UNKNOWN, "{\"date\":[2020],\"tier\":4}"},
        {"\"study_date\":\"?\",\"date\":\"2020\"", "2020", RS_TIER_UNKNOWN, "{\"study_date\":\"?\"}"},
        {"\"date\":123456789012", NULL, RS_TIER_UNKNOWN, "{\"date\":123456789012}"},
    };
    rs_arena mem = {0};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        rs_source_case c;
        rs_source *s;
        snprintf(text, sizeof text, "{\"id\":\"a\",\"title\":\"T\",%s}\n", rows[i].row);
        s = open_text("dates.jsonl", text);
        assert_int_equal(rs_source_get(s, 0, &mem, &c, NULL), RS_OK);
        assert_null(c.problem);
        assert_string_equal(c.study_date ? c.study_date : "", rows[i].date ? rows[i].date : "");
        assert_int_equal(c.tier, rows[i].tier);
        assert_string_equal(c.attributes ? c.attributes : "", rows[i].attributes ? rows[i].attributes : "");
        rs_source_close(s);
    }
    rs_arena_clear(&mem);
}

static void test_ages(void **state)
{
    static const struct { const char *text; double want; } rows[] = {
        {"61", 61}, {"061Y", 61}, {"18M", 1.5}, {"18m", 1.5}, {"0", 0}, {"", -1}, {"abc", -1},
        {"-3", -1}, {"151", -1}, {"61 years", -1}, {"1e9", -1}, {"nan", -1}, {NULL, -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double got = rs_age_years(rows[i].text);
        if (got < rows[i].want - 1e-9 || got > rows[i].want + 1e-9)
            fail_msg("age '%s': %g, wanted %g", rows[i].text, got, rows[i].want);
    }
}

/* Any allocation may fail: an error, no crash, no leak. */
static void test_out_of_memory(void **state)
{
    char *path = put("oom.jsonl",
        "{\"id\":\"a\",\"images\":[\"1.png\"],\"labels\":[\"x\"],\"note\":\"n\",\"findings\":\"F.\"}\n"
        "{\"id\":\"b\",\"images\":[\"2.png\"]}\n");
    size_t live = rs_alloc_live();
    bool done = false;

    (void)state;
    for (long k = 0; !done && k < 500; k++) {
        rs_arena mem = {0};
        rs_source_case c = {0};
        rs_source *s = NULL;
        rs_status st;
        rs_alloc_fail_after(k);
        st = rs_source_open(&s, path, NULL);
        if (st == RS_OK)
            st = rs_source_get(s, 0, &mem, &c, NULL);
        rs_alloc_fail_after(-1);
        done = st == RS_OK && !c.problem && c.n_images == 1 && c.attributes;
        if (st != RS_OK)
            assert_int_equal(st, RS_ENOMEM);
        rs_arena_clear(&mem);
        rs_source_close(s);
        assert_int_equal(rs_alloc_live(), live);
    }
    assert_true(done);
    rs_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_lines), cmocka_unit_test(test_csv),
        cmocka_unit_test(test_folder_source), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_ages), cmocka_unit_test(test_dates_and_tiers), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
