/* test_words.c - normalising, cutting into words, the byte alphabet.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/words_int.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char *normalised(const char *text, size_t len)
{
    rs_buf b = {0};
    rs_err err;

    assert_int_equal(rs_words_normalise(&b, text, len, &err), RS_OK);
    return rs_buf_take(&b);
}

static void test_normalise(void **state)
{
    static const struct { const char *text, *want; } rows[] = {
        {"", ""},
        {"CT of THE Chest", "ct of the chest"},
        {" a \t\r\n b ", " a b "},
        {"a\u00a0\u2003 b\u3000", "a b "},
        {"e\u0301", "\u00e9"},                       /* NFC joins */
        {"E \u0301", "e \u0301"},
        {"\u212b", "\u00e5"},                        /* Angstrom sign */
        {"a\u0327\u0301", "\u00e1\u0327"},           /* over a mark of another class */
        {"q\u0307\u0323", "q\u0323\u0307"},          /* canonical order */
        {"\u1100\u1161\u11a8", "\uac01"},            /* Hangul */
        {"<\u0338", "\u226e"},
        {"\u0130", "i\u0307"},                       /* the lower case of two code points */
        {"\u0391\u03a3", "\u03b1\u03c3"},            /* no final sigma */
        {"\u1e9e", "\u00df"},
        {"caf\xe9 X", "caf\ufffd x"},
        {"\xe2\x82", "\ufffd"},
        {"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},
        {"\xf0\x9f\x98\xf0\x9f\x98\x80", "\ufffd\U0001f600"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *got = normalised(rows[i].text, strlen(rows[i].text));
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("row %zu: \"%s\" became \"%s\", wanted \"%s\"", i, rows[i].text, got,
                     rows[i].want);
        rs_free(got);
    }
}

static void test_nul_is_a_byte_like_others(void **state)
{
    char *got = normalised("A\0B", 3);

    (void)state;
    assert_memory_equal(got, "a\0b", 4);
    rs_free(got);
}

/* What is normal stays as it is, wherever the text is parted between the plain way and
 * the one for other code points. */
static void test_normalising_again_changes_nothing(void **state)
{
    static const char text[] = "Ab  \u0301C\td \u00c9 e\u0301\u0327f  \u3000 \xff\u0130 z";
    (void)state;
    for (size_t from = 0; from < sizeof text - 1; from++) {
        char *once = normalised(text + from, sizeof text - 1 - from);
        char *twice = normalised(once, strlen(once));
        assert_string_equal(once, twice);
        rs_free(once);
        rs_free(twice);
    }
}

static void test_many_marks_take_linear_time(void **state)
{
    enum { MARKS = 200000 };
    rs_buf b = {0};
    double start = rs_cpu_s();
    char *got;

    (void)state;
    rs_buf_puts(&b, "x");
    for (size_t i = 0; i < MARKS; i++)
        rs_buf_puts(&b, i % 2 ? "\u0316" : "\u0313");      /* classes 220 and 230 */
    got = normalised(b.data, b.len);
    assert_int_equal(strlen(got), b.len);
    assert_memory_equal(got, "x\u0316\u0316", 5);
    assert_string_equal(got + b.len - 4, "\u0313\u0313");
    assert_true(rs_cpu_s() - start < 10);                  /* exchanging takes 10^10 steps */
    rs_free(got);
    rs_buf_clear(&b);
}

static void test_words(void **state)
{
    /* Words parted by '|'. */
    static const struct { const char *text, *want; } rows[] = {
        {"", ""},
        {"  ", ""},
        {"no acute disease.", "no|acute|disease|."},
        {"it's", "it|'s"},
        {"they're we've i'll i'd i'm don't",
         "they|'re|we|'ve|i|'ll|i|'d|i|'m|don|'t"},
        {"'r 'l 'v ' 'x", "'|r|'|l|'|v|'|'|x"},
        {"''s", "''|s"},
        {"'ss", "'s|s"},
        {"12.5cm", "1|2|.|5|cm"},
        {"t2-weighted", "t|2|-|weighted"},
        {"(<=>)a", "(<=>)|a"},
        {"\u00e9t\u00e9", "\u00e9t\u00e9"},
        {"a\u0301b", "a|\u0301|b"},                  /* a mark is no letter */
        {"\u00b2\u0664\u2167", "\u00b2|\u0664|\u2167"},
        {"\u80f8\u90e8x", "\u80f8\u90e8x"},
        {"a\u3000b\u200bc", "a|b|\u200b|c"},
        {"\U0001f600\U0001f600!", "\U0001f600\U0001f600!"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_words w = {.text = rows[i].text, .len = strlen(rows[i].text)};
        const char *word;
        rs_buf got = {0};
        size_t n;

        rs_buf_puts(&got, "");
        while (rs_words_next(&w, &word, &n)) {
            if (got.len)
                rs_buf_putc(&got, '|');
            rs_buf_append(&got, word, n);
        }
        if (strcmp(got.data, rows[i].want) != 0)
            fail_msg("\"%s\" became \"%s\", wanted \"%s\"", rows[i].text, got.data, rows[i].want);
        rs_buf_clear(&got);
    }
}

/* Every code point there is, there and back; the ones that are none become U+FFFD. */
static void test_utf8(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        rs_buf b = {0};
        size_t at = 0;

        if (c >= 0xd800 && c < 0xe000)
            continue;
        if (c > 0x3000 && c % 97)                    /* all of the first, a sample of the rest */
            continue;
        rs_utf8_put(&b, c);
        assert_int_equal(rs_utf8_next(b.data, b.len, &at), c);
        assert_int_equal(at, b.len);
        for (size_t cut = 1; cut < b.len; cut++) {
            at = 0;
            assert_int_equal(rs_utf8_next(b.data, cut, &at), 0xfffd);
            assert_int_equal(at, cut);
        }
        rs_buf_clear(&b);
    }
}

static void test_byte_alphabet(void **state)
{
    bool seen[256] = {false};

    (void)state;
    for (unsigned b = 0; b < 256; b++) {
        uint32_t c = rs_byte_symbol((uint8_t)b);
        assert_int_equal(rs_symbol_byte(c), b);
        assert_true(c > ' ' && c != 0x7f && !(c >= 0x80 && c <= 0xa0) && c != 0xad);
        assert_false(seen[rs_byte_in_order(b)]);
        seen[rs_byte_in_order(b)] = true;
    }
    assert_int_equal(rs_byte_symbol(' '), 0x120);
    assert_int_equal(rs_byte_symbol('\n'), 0x10a);
    assert_int_equal(rs_byte_symbol(0xad), 0x143);
    assert_int_equal(rs_symbol_byte(0x144), -1);
    assert_int_equal(rs_symbol_byte(' '), -1);
    assert_int_equal(rs_byte_in_order(0), '!');
    assert_int_equal(rs_byte_in_order(255), 0xad);
}

static void test_out_of_memory(void **state)
{
    static const char text[] = "X\u0301\u0313\u0316\u0313\u0316\u0313\u0316\u0313\u0316\u0313\u0316"
        "\u0313\u0316\u0313\u0316\u0313\u0316\u0313\u0316\u0313\u0316\u0313\u0316 and more";
    rs_status st = RS_ENOMEM;

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_buf b = {0};
        rs_err err;
        rs_alloc_fail_after(k);
        st = rs_words_normalise(&b, text, sizeof text - 1, &err);
        rs_alloc_fail_after(-1);
        if (st != RS_OK)
            assert_int_equal(st, RS_ENOMEM);
        rs_buf_clear(&b);
        assert_int_equal(rs_alloc_live(), 0);
        assert_true(k < 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalise),
        cmocka_unit_test(test_nul_is_a_byte_like_others),
        cmocka_unit_test(test_normalising_again_changes_nothing),
        cmocka_unit_test(test_many_marks_take_linear_time),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_byte_alphabet),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
