/* test_outfile.c - a file in pieces: whole or not there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/outfile.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

static char folder[] = "/tmp/rs_outfile_XXXXXX";
static char path[200];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int drop_folder(void **state)
{
    char command[200];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void assert_file(const char *want)
{
    char *data;
    size_t len;

    assert_int_equal(rs_file_read(&data, &len, path, 1000, NULL), RS_OK);
    assert_string_equal(data, want);
    rs_free(data);
}

/* No temporary file stays behind. */
static void assert_entries(size_t want)
{
    DIR *dir = opendir(folder);
    size_t n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    assert_int_equal(n, want + 2);           /* "." and ".." */
}

static void test_pieces(void **state)
{
    rs_outfile *f;

    (void)state;
    assert_int_equal(rs_outfile_open(&f, path, NULL), RS_OK);
    assert_int_equal(rs_outfile_write(f, "one ", 4, NULL), RS_OK);
    assert_int_equal(rs_outfile_write(f, "", 0, NULL), RS_OK);
    assert_int_equal(rs_outfile_write(f, "two", 3, NULL), RS_OK);
    assert_false(rs_file_exists(path));      /* not before the end */
    assert_int_equal(rs_outfile_end(f, RS_OK, NULL), RS_OK);
    assert_file("one two");
    assert_entries(1);
}

static void test_dropped(void **state)
{
    rs_outfile *f;

    (void)state;
    assert_int_equal(rs_outfile_open(&f, path, NULL), RS_OK);
    assert_int_equal(rs_outfile_write(f, "half a", 6, NULL), RS_OK);
    assert_int_equal(rs_outfile_end(f, RS_ECORRUPT, NULL), RS_ECORRUPT);
    assert_file("one two");
    assert_entries(1);
    assert_int_equal(rs_outfile_end(NULL, RS_ENOMEM, NULL), RS_ENOMEM);
}

static void test_no_place(void **state)
{
    rs_err err = {0};
    rs_outfile *f;

    (void)state;
    assert_int_equal(rs_outfile_open(&f, "/tmp/rs_no_such_folder/x", &err), RS_ENOENT);
    assert_null(f);
    assert_non_null(strstr(err.msg, "create /tmp/rs_no_such_folder/x"));
    assert_int_equal(rs_outfile_open(&f, folder, &err), RS_OK);     /* a folder is in the way */
    assert_int_equal(rs_outfile_end(f, RS_OK, &err), RS_EIO);
    assert_non_null(strstr(err.msg, "rename "));
}

/* A full disk, by way of the file size limit. */
static void test_full(void **state)
{
    struct rlimit was, small;
    rs_err err = {0};
    rs_outfile *f;
    rs_status st;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small = was;
    small.rlim_cur = 10;
    assert_int_equal(rs_outfile_open(&f, path, NULL), RS_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    st = rs_outfile_write(f, "more than ten bytes", 19, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(st, RS_EIO);
    assert_int_equal(rs_outfile_end(f, st, &err), RS_EIO);
    assert_non_null(strstr(err.msg, "write "));
    assert_file("one two");
    assert_entries(1);
}

static void test_allocation_failures(void **state)
{
    rs_status st = RS_ENOMEM;
    size_t live = rs_alloc_live();

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_outfile *f;
        rs_alloc_fail_after(k);
        st = rs_outfile_open(&f, path, NULL);
        rs_alloc_fail_after(-1);
        assert_true((f != NULL) == (st == RS_OK));
        assert_true(st == RS_OK || st == RS_ENOMEM);
        assert_int_equal(rs_outfile_end(f, RS_ECANCEL, NULL), RS_ECANCEL);
        assert_int_equal(rs_alloc_live(), live);
        assert_true(k < 10);
    }
    assert_entries(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces), cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_no_place), cmocka_unit_test(test_full),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
