/* test_multipart.c - forms and base64: what they give, and every way to be none.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/multipart.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TYPE "multipart/form-data; boundary=xx"
#define PART "Content-Disposition: form-data; name=\"a\"\r\n\r\n"

static void test_a_form(void **state)
{
    static const char body[] =
        "--x y\r\nContent-Disposition: form-data; name=query\r\n"
        "Content-Type: application/json\r\n\r\n{}\r\n"
        "--x y\r\ncontent-disposition: form-data; name=\"im\\\"age\"; filename=\"../a.png\"\r\n\r\n"
        "\x89PNG\r\n--x\r\n\0\r\n"
        "--x y\r\n" PART "\r\n--x y--\r\n";
    rs_arena mem = {0};
    rs_part *p;
    size_t n;
    rs_err err = {0};

    (void)state;
    assert_int_equal(rs_multipart_parse("multipart/form-data; charset=x; Boundary=\"x y\"", body,
                                        sizeof body - 1, &mem, &p, &n, &err), RS_OK);
    assert_int_equal(n, 3);
    assert_string_equal(p[0].name, "query");
    assert_string_equal(p[0].type, "application/json");
    assert_null(p[0].filename);
    assert_int_equal(p[0].len, 2);
    assert_string_equal(p[1].name, "im\"age");
    assert_string_equal(p[1].filename, "../a.png");
    assert_int_equal(p[1].len, 12);
    assert_memory_equal(p[1].bytes, "\x89PNG\r\n--x\r\n\0", 12);
    assert_int_equal(p[2].len, 0);
    rs_arena_clear(&mem);
}

static void test_no_forms(void **state)
{
    static const struct { const char *type, *body; } rows[] = {
        {"multipart/form-data", "--xx--"},
        {"multipart/form-data; boundary=", "----"},
        {"multipart/form-data; boundary=\"x", "--x--"},
        {TYPE, ""},
        {TYPE, "preamble\r\n--xx--\r\n"},
        {TYPE, "--xx"},
        {TYPE, "--xx\r\n"},
        {TYPE, "--xx\r\n" PART "a"},
        {TYPE, "--xx\r\n" PART "a\r\n--xx"},
        {TYPE, "--xx\r\n" PART "a\r\n--xxy\r\n"},
        {TYPE, "--xx\r\n\r\na\r\n--xx--\r\n"},
        {TYPE, "--xx\r\nContent-Disposition: form-data\r\n\r\na\r\n--xx--\r\n"},
        {TYPE, "--xx\r\nContent-Disposition: attachment; name=a\r\n\r\na\r\n--xx--\r\n"},
        {TYPE, "--xx\r\nContent-Transfer-Encoding: base64\r\n" PART "a\r\n--xx--\r\n"},
        {TYPE, "--xx\r\nno colon\r\n" PART "a\r\n--xx--\r\n"},
        {TYPE, "--xx\r\n" PART "a\r\n--xx--\r\nepilogue"},
        {TYPE, "--xx\n" PART "a\n--xx--\n"},
    };
    rs_arena mem = {0};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_part *p;
        size_t n;
        rs_err err = {0};
        rs_status st = rs_multipart_parse(rows[i].type, rows[i].body, strlen(rows[i].body), &mem,
                                          &p, &n, &err);
        if (st != RS_EARG || !*err.msg)
            fail_msg("row %zu: %s %s", i, rs_status_name(st), rows[i].body);
    }
    rs_arena_clear(&mem);
}

/* Cut anywhere, in a block of its own so that a read past the end shows. */
static void test_every_cut(void **state)
{
    static const char body[] = "--xx\r\n" PART "one\r\n--xx\r\n" PART "two\r\n--xx--\r\n";
    rs_arena mem = {0};

    (void)state;
    for (size_t len = 0; len < sizeof body - 1; len++) {
        char *exact = malloc(len ? len : 1);
        rs_part *p;
        size_t n;
        memcpy(exact, body, len);
        assert_int_equal(rs_multipart_parse(TYPE, exact, len, &mem, &p, &n, NULL),
                         len == sizeof body - 3 ? RS_OK : RS_EARG);
        free(exact);
    }
    rs_arena_clear(&mem);
}

static void test_too_many_parts(void **state)
{
    char body[128 * 64] = "";
    rs_arena mem = {0};
    rs_part *p;
    size_t n;

    (void)state;
    for (int i = 0; i < RS_MULTIPART_MAX; i++)
        strcat(body, i ? "\r\n--xx\r\n" PART : "--xx\r\n" PART);
    strcat(body, "\r\n--xx--");
    assert_int_equal(rs_multipart_parse(TYPE, body, strlen(body), &mem, &p, &n, NULL), RS_OK);
    assert_int_equal(n, RS_MULTIPART_MAX);
    strcpy(body + strlen(body) - 2, "\r\n" PART "\r\n--xx--");
    assert_int_equal(rs_multipart_parse(TYPE, body, strlen(body), &mem, &p, &n, NULL), RS_EARG);
    rs_arena_clear(&mem);
}

static void test_base64(void **state)
{
    static const struct { const char *text, *bytes; } rows[] = {
        {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9vYg==", "foob"},
        {"+/+/", "\xfb\xff\xbf"},
        {"", NULL}, {"Zg=", NULL}, {"Zg", NULL}, {"Z===", NULL}, {"====", NULL},
        {"Zm9v\nZm9v", NULL},
        {"Zm9 ", NULL}, {"Zm-_", NULL}, {"Zg==Zg==", NULL}, {"\xc3\xa9==", NULL},
    };
    rs_arena mem = {0};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned char *bytes;
        size_t len;
        rs_status st = rs_base64_decode(rows[i].text, &mem, &bytes, &len, NULL);
        if (st != (rows[i].bytes ? RS_OK : RS_EARG) ||
            (st == RS_OK &&
             (len != strlen(rows[i].bytes) || memcmp(bytes, rows[i].bytes, len) != 0)))
            fail_msg("%s: %s, %zu bytes", rows[i].text, rs_status_name(st), len);
    }
    rs_arena_clear(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_form),
        cmocka_unit_test(test_no_forms),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_too_many_parts),
        cmocka_unit_test(test_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
