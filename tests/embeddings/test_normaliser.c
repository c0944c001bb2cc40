/* test_normaliser.c - single steps of a tokenizer's normalizer, its patterns, and how
 * texts are cut into words; the steps together are held to the library in test_unigram.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/added_int.h"
#include "embeddings/normaliser_int.h"
#include "embeddings/pretoken_int.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- Patterns ------------------------------------------------------------ */

static void test_patterns(void **state)
{
    static const struct { const char *pattern, *text; size_t want; } rows[] = {
        {"a", "abc", 1}, {"a", "bac", 0}, {"ab", "abc", 2}, {"ab", "a", 0},
        {" {2,}", " a", 0}, {" {2,}", "  a", 2}, {" {2,}", "     a", 5},
        {"a{2,3}", "aaaa", 3}, {"a{2}", "aaaa", 2}, {"a{2}", "a", 0},
        {"  +", " a", 0}, {"  +", "    a", 4}, {"\\s+", " \t\n\u00a0\u3000x", 8},
        {"\\S+", "a\u00e9 b", 3}, {"\\d{2}", "12", 2}, {"\\d", "\u0663", 2}, {"\\D", "1", 0},
        {"[abc]+", "cabx", 3}, {"[^abc]+", "xyz\u00e9a", 5}, {"[a-cx]", "x", 1},
        {"[a-]", "-", 1}, {"[-a]", "-", 1}, {"[\\]\\[]+", "[]x", 2}, {"[\\s\\d]+", "1 2x", 3},
        {"[^\\s]", " ", 0}, {"[^\\S ]", "\t", 1}, {"[^\\S ]", " ", 0}, {"[\u0300-\u036f]", "\u0301", 2},
        {"\\n", "\n", 1}, {"\\.", ".", 1}, {"\\.", "a", 0}, {"\u2581+", "\u2581\u2581", 6},
        {"[!\"\\#\\$%\\&'\\(\\)\\*\\+,\\-\\.:;=\\?@\\[\\\\\\]\\^_`\\{\\|\\}\\~]", "\\", 1},
        {"[!\"\\#\\$%\\&'\\(\\)\\*\\+,\\-\\.:;=\\?@\\[\\\\\\]\\^_`\\{\\|\\}\\~]", "/", 0},
        {"[!\"\\#\\$%\\&'\\(\\)\\*\\+,\\-\\./:;<=>\\?@\\[\\\\\\]\\^_`\\{\\|\\}\\~]", "/", 1},
        {"a", "", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_pattern p;
        rs_err err;
        size_t n;

        if (rs_pattern_read(&p, rows[i].pattern, strlen(rows[i].pattern), "p", &err) != RS_OK)
            fail_msg("row %zu: %s", i, err.msg);
        n = rs_pattern_match(&p, rows[i].text, strlen(rows[i].text));
        if (n != rows[i].want)
            fail_msg("row %zu, %s: %zu bytes, wanted %zu", i, rows[i].pattern, n, rows[i].want);
    }
}

static void test_patterns_refused(void **state)
{
    static const struct { const char *pattern, *want; rs_status st; } rows[] = {
        {"", "nothing to look for", RS_EFORMAT}, {"(a)", "byte 1", RS_EFORMAT},
        {"a|b", "byte 2", RS_EFORMAT}, {"a*", "byte 2", RS_EFORMAT}, {"a?", "byte 2", RS_EFORMAT},
        {".", "byte 1", RS_EFORMAT}, {"^a", "byte 1", RS_EFORMAT}, {"a$", "byte 2", RS_EFORMAT},
        {"a+b", "only the last", RS_EFORMAT}, {"a+?", "only the last", RS_EFORMAT},
        {"+", "byte 1", RS_EFORMAT}, {"a{", "wanted a number", RS_EFORMAT},
        {"a{2", "wanted \"}\"", RS_EFORMAT}, {"a{0,3}", "a count of 0", RS_EFORMAT},
        {"a{3,2}", "runs backwards", RS_EFORMAT}, {"a{99999}", "wanted \"}\"", RS_EFORMAT},
        {"[", "without end", RS_EFORMAT}, {"[]", "an empty class", RS_EFORMAT},
        {"[a", "without end", RS_EFORMAT}, {"[a[b]]", "within a class", RS_EFORMAT},
        {"[a&&b]", "within a class", RS_EFORMAT}, {"[z-a]", "runs backwards", RS_EFORMAT},
        {"[\\s-z]", "ends with a class", RS_EFORMAT}, {"\\", "at the end", RS_EFORMAT},
        {"\\w", "not supported", RS_EFORMAT}, {"\\p{L}", "not supported", RS_EFORMAT},
        {"\\b", "not supported", RS_EFORMAT}, {"a)", "byte 2", RS_EFORMAT},
        {"0123456789012345678901234567890123456789", "more than 32", RS_ELIMIT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_pattern p;
        rs_err err = {0};
        rs_status st = rs_pattern_read(&p, rows[i].pattern, strlen(rows[i].pattern), "p", &err);

        if (st != rows[i].st || !strstr(err.msg, rows[i].want))
            fail_msg("row %zu, %s: %s: %s", i, rows[i].pattern, rs_status_name(st), err.msg);
    }
}

/* ---- Steps --------------------------------------------------------------- */

static json_t *parse(const char *text)
{
    json_t *root;
    rs_err err;

    if (rs_json_parse(&root, text, strlen(text), "test", &err) != RS_OK)
        fail_msg("%s", err.msg);
    return root;
}

static void test_steps(void **state)
{
    static const struct { const char *step, *text, *want; } rows[] = {
        {"{\"type\":\"Lowercase\"}", "A\u00c9\u0130\u03a3 \u1e9e", "a\u00e9i\u0307\u03c3 \u00df"},
        {"{\"type\":\"Strip\"}", " \u3000 a b \n", "a b"},
        {"{\"type\":\"Strip\"}", " \n ", ""},
        {"{\"type\":\"Strip\",\"strip_left\":false}", " a ", " a"},
        {"{\"type\":\"Strip\",\"strip_right\":false}", " a ", "a "},
        {"{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":false}", " a ", " a "},
        {"{\"type\":\"NFC\"}", "e\u0301", "\u00e9"}, {"{\"type\":\"NFD\"}", "\u00e9\uac01", "e\u0301\u1100\u1161\u11a8"},
        {"{\"type\":\"NFC\"}", "\ufb01\u00b2", "\ufb01\u00b2"},
        {"{\"type\":\"NFKC\"}", "\ufb01\u00b2\u00bd", "fi21\u20442"}, {"{\"type\":\"NFKD\"}", "\uff21\u00e9", "Ae\u0301"},
        {"{\"type\":\"Prepend\",\"prepend\":\"x\"}", "a", "xa"}, {"{\"type\":\"Prepend\",\"prepend\":\"x\"}", "", ""},
        {"{\"type\":\"StripAccents\"}", "e\u0301\u0903", "e"},
        {"{\"type\":\"Nmt\"}", "a\tb\u200bc\x01" "d\ufeff", "a b cd "},
        {"{\"type\":\"Replace\",\"pattern\":{\"String\":\"ab\"},\"content\":\"-\"}", "xababa", "x--a"},
        {"{\"type\":\"Replace\",\"pattern\":\"ab\",\"content\":\"-\"}", "ab", "-"},
        {"{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"[ab]+\"},\"content\":\"\"}", "xabay", "xy"},
        {"{\"type\":\"BertNormalizer\"}", "\u00c9t\u00e9\t\u80ba\x01\u0130", "ete  \u80ba i"},
        {"{\"type\":\"BertNormalizer\",\"lowercase\":false}", "\u00c9t\u00e9", "\u00c9t\u00e9"},
        {"{\"type\":\"BertNormalizer\",\"strip_accents\":false}", "\u00c9t\u00e9", "\u00e9t\u00e9"},
        {"{\"type\":\"BertNormalizer\",\"strip_accents\":true,\"lowercase\":false}", "\u00c9", "E"},
        {"{\"type\":\"BertNormalizer\",\"clean_text\":false}", "a\tb", "a\tb"},
        {"{\"type\":\"BertNormalizer\",\"handle_chinese_chars\":false}", "\u80ba", "\u80ba"},
        {"{\"type\":\"Sequence\",\"normalizers\":[]}", "A", "A"}, {"null", "A", "A"},
        {"{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Lowercase\"}]},"
         "{\"type\":\"Strip\"}]}", " A ", "a"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char whole[400];
        rs_buf text = {0}, room = {0};
        rs_normaliser n;
        json_t *root;
        rs_err err;

        snprintf(whole, sizeof whole, "{\"normalizer\":%s}", rows[i].step);
        root = parse(whole);
        if (rs_normaliser_read(&n, json_object_get(root, "normalizer"), "test", &err) != RS_OK)
            fail_msg("row %zu: %s", i, err.msg);
        rs_buf_puts(&text, rows[i].text);
        assert_int_equal(rs_normaliser_run(&n, &text, &room, NULL), RS_OK);
        rs_buf_putc(&text, '\0');
        if (strcmp(text.data, rows[i].want) != 0)
            fail_msg("row %zu, %s: \"%s\", wanted \"%s\"", i, rows[i].step, text.data, rows[i].want);
        rs_normaliser_clear(&n);
        rs_buf_clear(&text);
        rs_buf_clear(&room);
        json_decref(root);
    }
}

/* A file's steps may not make a report as large as the memory. */
static void test_growth_is_bounded(void **state)
{
    json_t *root = parse("{\"type\":\"Replace\",\"pattern\":\"a\",\"content\":\"aaaaaaaaaaaaaaaa\"}");
    json_t *all = json_pack("{s:s,s:[]}", "type", "Sequence", "normalizers");
    json_t *list = json_object_get(all, "normalizers");
    rs_buf text = {0}, room = {0};
    rs_normaliser n;
    rs_err err;

    (void)state;
    for (int i = 0; i < 60; i++)
        json_array_append(list, root);
    assert_int_equal(rs_normaliser_read(&n, all, "test", &err), RS_OK);
    for (int i = 0; i < 1000; i++)
        rs_buf_putc(&text, 'a');
    assert_int_equal(rs_normaliser_run(&n, &text, &room, &err), RS_ELIMIT);
    rs_normaliser_clear(&n);
    for (int i = 0; i < 5; i++)
        json_array_append(list, root);
    assert_int_equal(rs_normaliser_read(&n, all, "test", &err), RS_ELIMIT);
    assert_non_null(strstr(err.msg, "normalizers 64: more than 64 steps"));
    rs_buf_clear(&text);
    rs_buf_clear(&room);
    json_decref(all);
    json_decref(root);
}

/* ---- Words --------------------------------------------------------------- */

static rs_status join(void *context, const char *word, size_t len, rs_err *err)
{
    rs_buf *out = context;

    (void)err;
    rs_buf_append(out, word, len);
    rs_buf_putc(out, '|');
    return RS_OK;
}

static void test_words(void **state)
{
#define META(more) "{\"type\":\"Metaspace\",\"replacement\":\"_\"" more "}"
    static const struct { const char *cut, *text, *want; } rows[] = {
        {"null", "a b", "a b|"},
        {"{\"type\":\"WhitespaceSplit\"}", "  a\tb\u3000c ", "a|b|c|"},
        {"{\"type\":\"WhitespaceSplit\"}", " ", ""},
        {"{\"type\":\"BertPreTokenizer\"}", "a-b, c\u2014d", "a|-|b|,|c|\u2014|d|"},
        {META(""), "a b", "_a|_b|"}, {META(""), " a  b ", "_a|_|_b|_|"}, {META(""), "_a", "_a|"},
        {META(",\"add_prefix_space\":false"), "a b", "a|_b|"},
        {META(",\"prepend_scheme\":\"never\""), "a b", "a|_b|"},
        {META(",\"split\":false"), "a b", "_a_b|"},
        {"{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},"
         META("") "]}", "a b", "_a|_b|"},
        {"{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},"
         META(",\"prepend_scheme\":\"first\"") "]}", "a b c", "_a|b|c|"},
    };
#undef META
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char whole[400];
        rs_cut_room room = {0};
        rs_buf out = {0};
        rs_cutter c;
        json_t *root;
        rs_err err;

        snprintf(whole, sizeof whole, "{\"pre_tokenizer\":%s}", rows[i].cut);
        root = parse(whole);
        if (rs_cutter_read(&c, json_object_get(root, "pre_tokenizer"), "test", &err) != RS_OK)
            fail_msg("row %zu: %s", i, err.msg);
        rs_buf_puts(&out, "");
        assert_int_equal(rs_cutter_run(&c, &room, rows[i].text, strlen(rows[i].text), join, &out,
                                       NULL), RS_OK);
        rs_buf_putc(&out, '\0');
        if (strcmp(out.data, rows[i].want) != 0)
            fail_msg("row %zu, %s: %s, wanted %s", i, rows[i].cut, out.data, rows[i].want);
        rs_cut_room_clear(&room);
        rs_buf_clear(&out);
        json_decref(root);
    }
}

/* ---- Added tokens -------------------------------------------------------- */

static void test_added_tokens(void **state)
{
    static const struct { const char *text, *want; } rows[] = {
        {"", ""}, {"a", "(a)"}, {"[X]", "1"}, {"a[X]b", "(a)1(b)"}, {"[X][X]y", "12"},
        {"[X", "([X)"}, {"a <l> b", "(a)3( b)"}, {"a <r>  b", "(a )4(b)"}, {"<r> <l>", "43"},
        {" \u3000<l>", "3"}, {"[X] <l>", "13"}, {"<r>", "4"}, {"[[X]]", "([)1(])"},
    };
    rs_added_set s = {0};
    rs_added_part part;

    (void)state;
    assert_int_equal(rs_added_put(&s, "[X]", 3, (rs_added){.id = 1}, NULL), RS_OK);
    assert_int_equal(rs_added_put(&s, "[X]y", 4, (rs_added){.id = 2}, NULL), RS_OK);
    assert_int_equal(rs_added_put(&s, "<l>", 3, (rs_added){.id = 3, .strip_left = true}, NULL), RS_OK);
    assert_int_equal(rs_added_put(&s, "<r>", 3, (rs_added){.id = 4, .strip_right = true}, NULL), RS_OK);
    assert_int_equal(rs_added_put(&s, "[X]", 3, (rs_added){.id = 5}, NULL), RS_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_added_parts p = {.set = &s, .text = rows[i].text, .len = strlen(rows[i].text)};
        rs_buf out = {0};

        while (rs_added_next(&p, &part)) {
            if (part.token)
                rs_buf_printf(&out, "%d", (int)part.token->id);
            else
                rs_buf_printf(&out, "(%.*s)", (int)part.len, part.text);
        }
        rs_buf_putc(&out, '\0');
        if (strcmp(out.data, rows[i].want) != 0)
            fail_msg("row %zu: %s, wanted %s", i, out.data, rows[i].want);
        rs_buf_clear(&out);
    }
    rs_added_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_patterns_refused),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_growth_is_bounded),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_added_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
