/* test_bytes.c - buffers, bounded reads, files that are whole or not there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/rs_bytes_XXXXXX";

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

static void test_buf(void **state)
{
    rs_buf b = {0};
    char *s;

    (void)state;
    for (int i = 0; i < 1000; i++)
        rs_buf_printf(&b, "%d,", i);
    assert_int_equal(b.len, 10 * 2 + 90 * 3 + 900 * 4);
    assert_int_equal(b.data[b.len], '\0');
    s = rs_buf_take(&b);
    assert_memory_equal(s, "0,1,2,", 6);
    rs_free(s);
    s = rs_buf_take(&b);
    assert_string_equal(s, "");
    rs_free(s);
    assert_false(rs_buf_reserve(&b, SIZE_MAX));
    assert_null(rs_buf_take(&b));
}

static void test_buf_out_of_memory(void **state)
{
    rs_buf b = {0};

    (void)state;
    rs_buf_puts(&b, "start");
    rs_alloc_fail_after(0);
    for (int i = 0; i < 100; i++)
        rs_buf_puts(&b, "more and more");
    rs_alloc_fail_after(-1);
    assert_true(b.failed);
    assert_null(rs_buf_take(&b));
}

static void test_reader(void **state)
{
    const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

    (void)state;
    for (size_t len = 0; len <= sizeof bytes; len++) {
        rs_reader r = {bytes, len, 0, false};
        uint64_t a = rs_read_u8(&r), b = rs_read_u16le(&r), c = rs_read_u32le(&r),
                 d = rs_read_u64le(&r);
        assert_int_equal(r.failed, len < 15);
        assert_int_equal(a, len >= 1 ? 0x01 : 0);
        assert_int_equal(b, len >= 3 ? 0x0302 : 0);
        assert_int_equal(c, len >= 7 ? 0x07060504 : 0);
        assert_true(d == (len >= 15 ? 0x0f0e0d0c0b0a0908u : 0));
        assert_true(r.at <= len);
    }
}

static void test_sizes(void **state)
{
    size_t out = 5;

    (void)state;
    assert_true(rs_mul_size(&out, SIZE_MAX, 1));
    assert_true(out == SIZE_MAX);
    assert_false(rs_mul_size(&out, SIZE_MAX / 2 + 1, 2));
    assert_false(rs_add_size(&out, SIZE_MAX, 1));
    assert_true(rs_mul_size(&out, 0, SIZE_MAX));
    assert_int_equal(out, 0);
}

static void test_files(void **state)
{
    char *path = rs_path_join(folder, "a.txt"), *data;
    rs_err err = {0};
    rs_map m;
    size_t len;

    (void)state;
    assert_int_equal(rs_file_read(&data, &len, path, 100, &err), RS_ENOENT);
    assert_non_null(strstr(err.msg, path));
    assert_int_equal(rs_file_write(path, "hello", 5, &err), RS_OK);
    assert_int_equal(rs_file_read(&data, &len, path, 100, &err), RS_OK);
    assert_int_equal(len, 5);
    assert_string_equal(data, "hello");
    rs_free(data);
    assert_int_equal(rs_file_read(&data, &len, path, 4, &err), RS_ELIMIT);
    assert_non_null(strstr(err.msg, "5 bytes"));
    assert_int_equal(rs_map_open(&m, path, &err), RS_OK);
    assert_memory_equal(m.data, "hello", 5);
    rs_map_close(&m);
    assert_int_equal(rs_file_write(path, "", 0, &err), RS_OK);
    assert_int_equal(rs_map_open(&m, path, &err), RS_OK);
    assert_int_equal(m.len, 0);
    rs_map_close(&m);
    assert_int_equal(rs_file_read(&data, &len, folder, 100, &err), RS_EIO);
    assert_non_null(strstr(err.msg, "not a regular file"));
    assert_int_equal(rs_file_write("/proc/nowhere/x", "a", 1, &err), RS_ENOENT);
    rs_free(path);
}

static void test_folders_and_paths(void **state)
{
    char *deep = rs_path_join(folder, "x/y/z"), *p;
    rs_err err = {0};

    (void)state;
    assert_int_equal(rs_mkdirs(deep, &err), RS_OK);
    assert_int_equal(rs_mkdirs(deep, &err), RS_OK);
    assert_true(rs_is_folder(deep));
    rs_free(deep);
    deep = rs_path_join(folder, "file");
    assert_int_equal(rs_file_write(deep, "", 0, &err), RS_OK);
    assert_true(rs_file_exists(deep));
    assert_false(rs_is_folder(deep));
    assert_int_not_equal(rs_mkdirs(deep, &err), RS_OK);
    rs_free(deep);
    p = rs_path_join("a/", "b");
    assert_string_equal(p, "a/b");
    rs_free(p);
    p = rs_path_join("a", "/b");
    assert_string_equal(p, "/b");
    rs_free(p);
    p = rs_path_join(NULL, "b");
    assert_string_equal(p, "b");
    rs_free(p);
}

/* FIPS 180-4's example, and the same over a file. */
static void test_sha256(void **state)
{
    const char *want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    char *path = rs_path_join(folder, "abc"), hex[RS_SHA256_HEX];
    rs_err err = {0};

    (void)state;
    assert_int_equal(rs_sha256_of(hex, "abc", 3, &err), RS_OK);
    assert_string_equal(hex, want);
    assert_int_equal(rs_file_write(path, "abc", 3, &err), RS_OK);
    assert_int_equal(rs_sha256_file(hex, path, &err), RS_OK);
    assert_string_equal(hex, want);
    rs_free(path);
}

static void test_no_leak(void **state)
{
    (void)state;
    assert_int_equal(rs_alloc_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf), cmocka_unit_test(test_buf_out_of_memory),
        cmocka_unit_test(test_reader), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_files), cmocka_unit_test(test_folders_and_paths),
        cmocka_unit_test(test_sha256), cmocka_unit_test(test_no_leak),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
