/* test_status.c - messages name the thing and survive any length.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_fail_and_wrap(void **state)
{
    rs_err e = {0};

    (void)state;
    assert_int_equal(rs_fail(&e, RS_ECORRUPT, "dimension %d", 0), RS_ECORRUPT);
    assert_string_equal(e.msg, "dimension 0");
    assert_int_equal(rs_wrap(&e, e.code, "open %s", "a.bin"), RS_ECORRUPT);
    assert_string_equal(e.msg, "open a.bin: dimension 0");
    assert_int_equal(rs_fail(NULL, RS_ENOMEM, "x"), RS_ENOMEM);
    assert_int_equal(rs_wrap(NULL, RS_EIO, "x"), RS_EIO);
}

static void test_errno(void **state)
{
    static const struct { int e; rs_status want; } rows[] = {
        {ENOENT, RS_ENOENT}, {ENOMEM, RS_ENOMEM}, {EACCES, RS_EIO}, {ENOSPC, RS_EIO},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_err e = {0};
        errno = rows[i].e;
        assert_int_equal(rs_fail_errno(&e, "open %s", "f"), rows[i].want);
        assert_int_equal(e.code, rows[i].want);
        assert_memory_equal(e.msg, "open f: ", 8);
        assert_true(strlen(e.msg) > 8);
    }
}

static void test_long_messages_are_cut(void **state)
{
    rs_err e = {0};
    char text[2000];

    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    rs_fail(&e, RS_EARG, "%s", text);
    assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
    rs_wrap(&e, RS_EARG, "%s", text);
    assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
    errno = EIO;
    rs_fail_errno(&e, "%s", text);
    assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < RS_STATUS_COUNT; i++) {
        assert_true(strlen(rs_status_name((rs_status)i)) >= 2);
        assert_true(strlen(rs_status_text((rs_status)i)) >= 2);
    }
    assert_string_equal(rs_status_name(RS_ECORRUPT), "ECORRUPT");
    assert_string_equal(rs_status_name((rs_status)99), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_and_wrap), cmocka_unit_test(test_errno),
        cmocka_unit_test(test_long_messages_are_cut), cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
