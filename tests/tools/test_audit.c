/* test_audit.c - radscout audit: what it says of a small archive with a few things planted, its
 * JSON key by key, what it refuses. That the statistics are right is tests/engine/test_audit.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "run.h"
#include "tiny_model.h"

#include "base/json.h"

#include <math.h>

enum { CASES = 60 };

/* Case i has the picture of its kind i % 3 (with another seed each) and says what it is labelled;
 * case 4 has the picture of case 3 to the byte, case 6 is labelled with what it negates, case 9
 * alone has a hernia, case 10 has no image, case 11 nothing but an image. */
static void make_archive(void)
{
    static const char *const labels[] = {"pleural effusion", "fracture", "nodule"};
    rs_buf rows = {0};
    char name[32];
    rs_err err = {0};

    for (size_t i = 0; i < CASES; i++) {
        snprintf(name, sizeof name, "p/%zu.png", i);
        put_picture(name, 1 + (i == 4 ? 3 : i));
        rs_buf_printf(&rows, "{\"id\": \"c%02zu\", \"sex\": \"%s\", \"site\": \"A\","
                      " \"modality\": \"CR\"", i, i % 2 ? "F" : "M");
        if (i != 10)
            rs_buf_printf(&rows, ", \"image\": \"p/%zu.png\"", i);
        if (i != 11)
            rs_buf_printf(&rows, ", \"labels\": [\"%s\"%s], \"report\": \"There is %s %s.\"",
                          labels[i % 3], i == 9 ? ", \"hernia\"" : "", i == 6 ? "no" : "a",
                          labels[i % 3]);
        rs_buf_puts(&rows, "}\n");
    }
    assert_false(rows.failed);
    put("cases.jsonl", rows.data);
    rs_buf_clear(&rows);
    ok(tiny_model_write(at("model"), 7, &err), &err);
    assert_exit(0, "index", at("archive"), at("cases.jsonl"), "--model", at("model"), "--quiet");
}

static json_t *audit_json(void)
{
    json_t *o = NULL;
    rs_err err = {0};

    assert_exit(0, "audit", at("archive"), "--json", "--since", "last 20");
    ok(rs_json_parse(&o, said_out, said_out_len, "audit", &err), &err);
    return o;
}

static const json_t *in(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    if (!v)
        fail_msg("there is no '%s'", key);
    return v;
}

static void has_keys(const json_t *o, const char *const *keys)
{
    size_t n = 0;

    for (; keys[n]; n++)
        in(o, keys[n]);
    if (json_object_size(o) != n)
        fail_msg("%zu keys, wanted %zu beginning with %s", json_object_size(o), n, keys[0]);
}

static void test_json_shape(void **state)
{
    static const char *const top[] = {
        "cases", "images", "passages", "without_image", "without_report", "without_label",
        "compared", "asked", "cut", "precision", "ndcg", "groups", "holes", "newest", "suspects",
        NULL};
    static const char *const interval[] = {"mean", "low", "high", NULL};
    static const char *const group[] = {
        "facet", "value", "cases", "with_image", "with_report", "asked", "precision", "ndcg",
        "rest", "p", "small", "low", NULL};
    static const char *const hole[] = {"finding", "cases", "patients", "asked", "found", "few",
                                       "never", NULL};
    static const char *const newest[] = {"since", "cases", "from", "compared", NULL};
    static const char *const vectors[] = {"what", "new", "old", "statistic", "p", "shifted",
                                          "scale", NULL};
    static const char *const mix[] = {"what", "new", "old", "statistic", "p", "shifted", "most",
                                      "share_new", "share_old", NULL};
    static const char *const kinds[] = {"labels", "report", "agreement", "contradiction",
                                        "duplicate", "outlier", NULL};
    static const char *const list[] = {"all", "listed", NULL};
    static const char *const suspect[] = {"case", "near", "strength", "reason", NULL};
    json_t *o = audit_json();
    const json_t *compared = in(in(o, "newest"), "compared");

    (void)state;
    has_keys(o, top);
    has_keys(in(o, "ndcg"), interval);
    has_keys(json_array_get(in(o, "groups"), 0), group);
    has_keys(json_array_get(in(o, "holes"), 0), hole);
    has_keys(in(o, "newest"), newest);
    assert_int_equal(json_array_size(compared), 8);
    for (size_t i = 0; i < 8; i++)
        has_keys(json_array_get(compared, i), i < 2 ? vectors : mix);
    has_keys(in(o, "suspects"), kinds);
    for (int k = 0; kinds[k]; k++) {
        const json_t *of = in(in(o, "suspects"), kinds[k]), *listed = in(of, "listed");
        has_keys(of, list);
        for (size_t i = 0; i < json_array_size(listed); i++)
            has_keys(json_array_get(listed, i), suspect);
    }
    json_decref(o);
}

static long long whole(const json_t *o, const char *key) { return json_integer_value(in(o, key)); }

static const char *first_case(const json_t *o, const char *kind, size_t *n)
{
    const json_t *listed = in(in(in(o, "suspects"), kind), "listed");

    *n = json_array_size(listed);
    return json_string_value(json_object_get(json_array_get(listed, 0), "case"));
}

static void test_what_it_finds(void **state)
{
    json_t *o = audit_json(), *again = audit_json();
    size_t n;

    (void)state;
    assert_true(json_equal(o, again));                   /* the same twice */
    assert_int_equal(whole(o, "cases"), CASES);
    assert_int_equal(whole(o, "images"), CASES - 1);
    assert_int_equal(whole(o, "without_image"), 1);
    assert_int_equal(whole(o, "without_report"), 1);
    assert_int_equal(whole(o, "without_label"), 1);
    assert_int_equal(whole(o, "compared"), CASES - 1);
    assert_int_equal(whole(o, "asked"), CASES - 2);
    assert_int_equal(whole(in(o, "newest"), "cases"), 20);
    assert_string_equal(first_case(o, "contradiction", &n), "c06");
    assert_int_equal(n, 1);
    assert_string_equal(first_case(o, "duplicate", &n), "c04");
    assert_int_equal(n, 1);
    assert_int_equal(json_array_size(in(o, "holes")), 1);
    assert_string_equal(json_string_value(in(json_array_get(in(o, "holes"), 0), "finding")),
                        "hernia");
    json_decref(again);
    json_decref(o);
}

static void test_table(void **state)
{
    static const char *const says[] = {
        "60 cases, 59 images", "without an image 1 (1.7%)", "sex\n", "site\n", "  A  ",
        "(not known)", "hernia", "never", "the newest 6 cases (10%, indexed from ", "image vectors",
        "c06: label pleural effusion, report negates it",
        "c04 and c03: the same picture, but labels fracture here and pleural effusion there"};

    (void)state;
    assert_exit(0, "audit", at("archive"));
    for (size_t i = 0; i < sizeof says / sizeof *says; i++)
        assert_says(said_out, says[i]);
}

static void test_refused(void **state)
{
    (void)state;
    assert_exit(2, "audit");
    assert_exit(2, "audit", at("archive"), "--sample", "1");
    assert_exit(1, "audit", at("nowhere"));
    assert_says(said_err, "there is no archive");
    assert_exit(1, "audit", at("archive"), "--since", "yesterday");
    assert_says(said_err, "'yesterday' says no beginning");
    assert_exit(0, "audit", at("archive"), "--since", "2999-01-01");
    assert_says(said_out, "the newest 0 cases");
    assert_says(said_out, "too few");
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(scratch))
        return -1;
    make_archive();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_shape),
        cmocka_unit_test(test_what_it_finds),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, set_up, scratch_drop);
}
