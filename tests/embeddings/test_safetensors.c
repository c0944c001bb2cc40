/* test_safetensors.c - what is read, what is refused and with which words.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/safetensors.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIXED "tests/data/clip_tiny_mixed"
#define COUNT(a) (sizeof(a) / sizeof *(a))

static char folder[] = "/tmp/rs_tensors_XXXXXX";

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

/* "FOLDER/NAME" in one of two turns of storage. */
static const char *in_folder(const char *name)
{
    static char text[2][200];
    static size_t turn;

    turn ^= 1;
    snprintf(text[turn], sizeof text[turn], "%s/%s", folder, name);
    return text[turn];
}

/* A file in memory: size of header, header, `len` bytes of data. Caller clears. */
static rs_buf file_of(const char *header, const void *data, size_t len)
{
    rs_buf b = {0};
    uint64_t n = strlen(header);

    rs_buf_append(&b, &n, sizeof n);
    rs_buf_puts(&b, header);
    rs_buf_append(&b, data, len);
    assert_false(b.failed);
    return b;
}

static void assert_says(const rs_err *err, const char *part, const char *row)
{
    if (!strstr(err->msg, part))
        fail_msg("%s: message is \"%s\", wanted \"%s\" in it", row, err->msg, part);
}

/* ---- Reading ----------------------------------------------------------- */

static void test_reads_three_dtypes(void **state)
{
    static const float f32[2] = {1.5f, -3e-40f};
    static const uint16_t half[3] = {0x3c00, 0x8001, 0x7c00}, bf16[1] = {0xc049};
    static const size_t two[] = {2}, three_by_one[] = {3, 1};
    uint8_t data[16];
    rs_tensors *t;
    rs_err err = {0};
    float x[3];
    rs_buf b;

    (void)state;
    memcpy(data, f32, 8);
    memcpy(data + 8, half, 6);
    memcpy(data + 14, bf16, 2);
    b = file_of("{\"z\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                "\"half\":{\"dtype\":\"F16\",\"shape\":[3,1],\"data_offsets\":[8,14]},"
                "\"__metadata__\":{\"format\":\"pt\",\"who\":\"us\"},"
                "\"b\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[14,16]}}  ", data, 16);
    assert_int_equal(rs_tensors_parse(&t, b.data, b.len, "mem", &err), RS_OK);
    assert_int_equal(rs_tensors_count(t), 3);
    assert_string_equal(rs_tensors_at(t, 0)->name, "b");
    assert_string_equal(rs_tensors_at(t, 2)->name, "z");
    assert_string_equal(rs_tensors_metadata(t, "who"), "us");
    assert_null(rs_tensors_metadata(t, "nobody"));
    assert_null(rs_tensors_find(t, "zz"));
    assert_int_equal(rs_tensors_find(t, "half")->count, 3);

    assert_int_equal(rs_tensors_fetch(t, "z", two, 1, x, &err), RS_OK);
    assert_memory_equal(x, f32, 8);
    assert_int_equal(rs_tensors_fetch(t, "half", three_by_one, 2, x, &err), RS_OK);
    assert_true(x[0] == 1 && x[1] == -0x1p-24f && isinf(x[2]));
    assert_int_equal(rs_tensors_fetch(t, "b", NULL, 0, x, &err), RS_OK);
    assert_true(x[0] == -3.140625f);
    rs_tensors_close(t);
    rs_buf_clear(&b);
}

static void test_refuses_what_does_not_fit(void **state)
{
    static const size_t wide[] = {2, 3}, flat[] = {6}, two[] = {2};
    static const struct {
        const char *name; const size_t *shape; size_t rank; const char *says;
    } rows[] = {
        {"w", flat, 1, "mem: tensor w: shape [2 x 3], wanted [6]"},
        {"w", NULL, 0, "mem: tensor w: shape [2 x 3], wanted []"},
        {"v", wide, 2, "mem: tensor v is missing, wanted [2 x 3]"},
        {"i", two,  1, "mem: tensor i: dtype I64, wanted F32, F16 or BF16"},
    };
    rs_buf b = file_of("{\"w\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,12]},"
                       "\"i\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[12,28]}}",
                       "............................", 28);
    rs_tensors *t;
    float x[6];

    (void)state;
    assert_int_equal(rs_tensors_parse(&t, b.data, b.len, "mem", NULL), RS_OK);
    for (size_t i = 0; i < COUNT(rows); i++) {
        rs_err err = {0};
        assert_int_equal(rs_tensors_fetch(t, rows[i].name, rows[i].shape, rows[i].rank, x, &err),
                         RS_ECORRUPT);
        assert_string_equal(err.msg, rows[i].says);
    }
    assert_int_equal(rs_tensors_check(t, "w", wide, 2, NULL), RS_OK);
    rs_tensors_close(t);
    rs_buf_clear(&b);
}

/* ---- Hostile headers --------------------------------------------------- */

#define ONE(dtype, shape, offsets) \
    "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define PAIR(offsets1, offsets2)                                              \
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":" offsets1 "},"  \
    "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":" offsets2 "}}"

static void test_hostile_headers(void **state)
{
    static const struct {
        const char *header; size_t data; rs_status want; const char *says;
    } rows[] = {
        {"{}", 0, RS_OK, ""},
        {PAIR("[0,2]", "[2,4]"), 4, RS_OK, ""},
        {PAIR("[2,4]", "[0,2]"), 4, RS_OK, ""},
        {ONE("\"U8\"", "[0]", "[0,0]"), 0, RS_OK, ""},
        {ONE("\"U8\"", "[0,9223372036854775807,9]", "[0,0]"), 0, RS_OK, ""},
        {"{}", 1, RS_ECORRUPT, "tensors end at byte 0 of the data, the file at 1"},
        {PAIR("[0,2]", "[1,3]"), 3, RS_ECORRUPT, "tensor b: begins at byte 1 of the data, the one "
                                                 "before ends at 2"},
        {PAIR("[0,2]", "[0,2]"), 2, RS_ECORRUPT, "begins at byte 0 of the data, the one before "
                                                 "ends at 2"},
        {PAIR("[0,2]", "[3,5]"), 5, RS_ECORRUPT, "tensor b: begins at byte 3"},
        {PAIR("[1,3]", "[3,5]"), 5, RS_ECORRUPT, "tensor a: begins at byte 1"},
        {PAIR("[0,2]", "[2,4]"), 5, RS_ECORRUPT, "tensors end at byte 4 of the data, the file at 5"},
        {PAIR("[0,2]", "[2,4]"), 3, RS_ECORRUPT, "data_offsets 2..4 are not within 0..3"},
        {ONE("\"U8\"", "[2]", "[2,0]"), 2, RS_ECORRUPT, "data_offsets 2..0 are not within"},
        {ONE("\"F32\"", "[2]", "[0,4]"), 4, RS_ECORRUPT, "span 4 bytes, shape and dtype F32 want 8"},
        {ONE("\"F32\"", "[-1]", "[0,4]"), 4, RS_ECORRUPT, "shape[0]: wanted a whole number"},
        {ONE("\"F32\"", "[1.0]", "[0,4]"), 4, RS_ECORRUPT, "shape[0]: wanted a whole number"},
        {ONE("\"F32\"", "7", "[0,4]"), 4, RS_ECORRUPT, "shape: wanted a list"},
        {ONE("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, RS_ECORRUPT, "shape: 9 numbers, at most 8"},
        {ONE("\"U8\"", "[4611686018427387904,4]", "[0,0]"), 0, RS_ECORRUPT, "shape: too many elements"},
        {ONE("\"F32\"", "[4611686018427387904]", "[0,0]"), 0, RS_ECORRUPT, "shape: too many bytes"},
        {ONE("\"F32\"", "[9223372036854775808]", "[0,0]"), 0, RS_ECORRUPT, "header: line 1"},
        {ONE("\"F32\"", "[1]", "[0]"), 4, RS_ECORRUPT, "data_offsets"},
        {ONE("\"F32\"", "[1]", "[0,4,8]"), 4, RS_ECORRUPT, "data_offsets: 3 numbers, at most 2"},
        {ONE("\"F32\"", "[1]", "{}"), 4, RS_ECORRUPT, "data_offsets: wanted a list"},
        {ONE("\"F31\"", "[1]", "[0,4]"), 4, RS_EFORMAT, "dtype F31 is not known"},
        {ONE("32", "[1]", "[0,4]"), 4, RS_ECORRUPT, "dtype: wanted a string"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, RS_ECORRUPT, "dtype is missing"},
        {"{\"a\":7}", 0, RS_ECORRUPT, "tensor a: wanted an object"},
        {"{\"__metadata__\":[]}", 0, RS_ECORRUPT, "__metadata__: wanted an object"},
        {"{\"__metadata__\":{\"k\":1}}", 0, RS_ECORRUPT, "__metadata__: k: wanted a string"},
        {"{\"a\":{},\"a\":{}}", 0, RS_ECORRUPT, "duplicate"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, RS_ECORRUPT, "duplicate"},
        {"{\"a\\u0000b\":{}}", 0, RS_ECORRUPT, "header: line 1"},
        {"{\"\xff\":{}}", 0, RS_ECORRUPT, "header: line 1"},
        {"{} {}", 0, RS_ECORRUPT, "header: line 1"},
        {" {}", 0, RS_ECORRUPT, "header does not begin with '{'"},
        {"[]", 0, RS_ECORRUPT, "header does not begin with '{'"},
        {"", 0, RS_ECORRUPT, "header does not begin with '{'"},
        {"{", 0, RS_ECORRUPT, "header: line 1"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        rs_buf b = file_of(rows[i].header, "0123456789", rows[i].data);
        rs_err err = {0};
        rs_tensors *t;
        rs_status st = rs_tensors_parse(&t, b.data, b.len, "mem", &err);
        if (st != rows[i].want)
            fail_msg("row %zu, %s: %s (%s)", i, rows[i].header, rs_status_name(st), err.msg);
        assert_true((t != NULL) == (st == RS_OK));
        assert_says(&err, rows[i].says, rows[i].header);
        rs_tensors_close(t);
        rs_buf_clear(&b);
    }
}

static void test_hostile_header_sizes(void **state)
{
    static const struct { uint64_t size; size_t len; rs_status want; const char *says; } rows[] = {
        {0, 3, RS_ECORRUPT, "3 bytes, too few"},
        {3, 10, RS_ECORRUPT, "header of 3 bytes in a file of 10"},
        {UINT64_MAX, 10, RS_ECORRUPT, "header of 18446744073709551615 bytes in a file of 10"},
        {UINT64_MAX - 7, 10, RS_ECORRUPT, "in a file of 10"},
        {100000001, 100000009, RS_ELIMIT, "header of 100000001 bytes, at most 100000000"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t *file = rs_calloc(rows[i].len + 8, 1);
        rs_err err = {0};
        rs_tensors *t;
        memcpy(file, &rows[i].size, 8);
        assert_int_equal(rs_tensors_parse(&t, file, rows[i].len, "mem", &err), rows[i].want);
        assert_says(&err, rows[i].says, "sizes");
        assert_null(t);
        rs_free(file);
    }
}

/* Cut at each length, and with a byte more: never read, never beyond the end (the copy
 * is of exactly that size, for the sanitizer). */
static void test_every_truncation(void **state)
{
    rs_buf b = file_of(PAIR("[0,2]", "[2,4]"), "wxyz", 4);
    (void)state;
    for (size_t len = 0; len <= b.len + 1; len++) {
        uint8_t *copy = malloc(len);
        rs_tensors *t;
        rs_status st;
        memcpy(copy, b.data, len);       /* at b.len + 1 the buffer's NUL comes along */
        st = rs_tensors_parse(&t, copy, len, "cut", NULL);
        assert_int_equal(st, len == b.len ? RS_OK : RS_ECORRUPT);
        rs_tensors_close(t);
        free(copy);
    }
    rs_buf_clear(&b);
}

/* ---- Writing ----------------------------------------------------------- */

static void test_write_read(void **state)
{
    static const float a[6] = {1, -2, 3.25f, 65504, 1e-7f, -0.0f}, b[1] = {0.1f};
    static const size_t shape[] = {2, 3};
    const rs_tensor_out list[] = {
        {"second", RS_DTYPE_F32, 2, shape, a},
        {"first", RS_DTYPE_F16, 2, shape, a},
        {"scale", RS_DTYPE_F32, 0, NULL, b},
    };
    const char *path = in_folder("written.safetensors");
    rs_err err = {0};
    rs_tensors *t;
    float x[6];

    (void)state;
    assert_int_equal(rs_tensors_write(path, list, COUNT(list), &err), RS_OK);
    assert_int_equal(rs_tensors_open(&t, path, &err), RS_OK);
    assert_int_equal(rs_tensors_count(t), 3);
    assert_string_equal(rs_tensors_metadata(t, "format"), "pt");
    assert_int_equal((uintptr_t)rs_tensors_find(t, "second")->data % 8, 0);
    assert_int_equal(rs_tensors_fetch(t, "second", shape, 2, x, &err), RS_OK);
    assert_memory_equal(x, a, sizeof a);
    assert_int_equal(rs_tensors_fetch(t, "scale", NULL, 0, x, &err), RS_OK);
    assert_memory_equal(x, b, sizeof b);
    assert_int_equal(rs_tensors_fetch(t, "first", shape, 2, x, &err), RS_OK);
    assert_true(x[0] == 1 && x[2] == 3.25f && x[3] == 65504 && x[4] == 0x1p-23f && signbit(x[5]));
    rs_tensors_close(t);
}

/* More than one piece of the converter, with a value that F16 has not in the second. */
static void test_write_large_half(void **state)
{
    enum { N = 70001 };
    static const size_t shape[] = {N};
    float *x = rs_calloc(N, sizeof *x), *y = rs_calloc(N, sizeof *y);
    const rs_tensor_out one = {"big", RS_DTYPE_F16, 1, shape, x};
    const char *path = in_folder("large.safetensors");
    rs_err err = {0};
    rs_tensors *t;

    (void)state;
    for (size_t i = 0; i < N; i++)
        x[i] = (float)(i % 2048) - 1000;
    x[N - 1] = INFINITY;                      /* allowed: it was there before */
    assert_int_equal(rs_tensors_write(path, &one, 1, &err), RS_OK);
    assert_int_equal(rs_tensors_open(&t, path, &err), RS_OK);
    assert_int_equal(rs_tensors_fetch(t, "big", shape, 1, y, &err), RS_OK);
    assert_memory_equal(x, y, N * sizeof *x);
    rs_tensors_close(t);

    x[40000] = 65520;
    assert_int_equal(rs_tensors_write(path, &one, 1, &err), RS_EARG);
    assert_says(&err, "tensor big: value 65520 of element 40000 does not fit F16", "large");
    assert_int_equal(rs_tensors_open(&t, path, &err), RS_OK);      /* the old file stayed */
    rs_tensors_close(t);
    rs_free(x);
    rs_free(y);
}

static void test_write_refuses(void **state)
{
    static const float x[1] = {0};
    static const size_t one[] = {1}, vast[] = {SIZE_MAX, 2};
    const rs_tensor_out twice[] = {{"a", RS_DTYPE_F32, 1, one, x}, {"a", RS_DTYPE_F32, 1, one, x}};
    const rs_tensor_out integer = {"i", RS_DTYPE_I64, 1, one, x};
    const rs_tensor_out large = {"l", RS_DTYPE_F32, 2, vast, x};
    rs_err err = {0};

    (void)state;
    assert_int_equal(rs_tensors_write(in_folder("no"), twice, 2, &err), RS_EARG);
    assert_says(&err, "tensor a is given twice", "twice");
    assert_int_equal(rs_tensors_write(in_folder("no"), &integer, 1, &err), RS_EARG);
    assert_says(&err, "tensor i: dtype I64 is not written", "integer");
    assert_int_equal(rs_tensors_write(in_folder("no"), &large, 1, &err), RS_EARG);
    assert_says(&err, "tensor l: too many elements", "large");
    assert_false(rs_file_exists(in_folder("no")));
    assert_int_equal(rs_tensors_write(in_folder("none/x"), twice, 1, &err), RS_ENOENT);
    assert_says(&err, "none/x", "no folder");
}

/* ---- Models in several files ------------------------------------------- */

static void write_text(const char *name, const char *text)
{
    assert_int_equal(rs_file_write(in_folder(name), text, strlen(text), NULL), RS_OK);
}

static void test_sharded_model(void **state)
{
    static const size_t shape[] = {8, 16};
    rs_tensors *t;
    rs_err err = {0};
    float x[128];

    (void)state;
    assert_int_equal(rs_tensors_open_model(&t, MIXED, &err), RS_OK);
    assert_int_equal(rs_tensors_count(t), 79);
    assert_int_equal(rs_tensors_find(t, "text_model.embeddings.position_ids")->dtype, RS_DTYPE_I64);
    assert_int_equal(rs_tensors_fetch(t, "visual_projection.weight", shape, 2, x, &err), RS_OK);
    for (size_t i = 1; i < rs_tensors_count(t); i++)
        assert_true(strcmp(rs_tensors_at(t, i - 1)->name, rs_tensors_at(t, i)->name) < 0);
    assert_string_equal(rs_tensors_metadata(t, "format"), "pt");
    rs_tensors_close(t);
}

static void test_bad_indexes(void **state)
{
    static const struct { const char *index; rs_status want; const char *says; } rows[] = {
        {"{\"weight_map\":{\"a\":\"s1\",\"b\":\"s2\"}}", RS_OK, ""},
        {"{\"weight_map\":{\"a\":\"s1\"}}", RS_OK, ""},
        {"{\"weight_map\":{}}", RS_OK, ""},
        {"{\"weight_map\":{\"b\":\"s1\"}}", RS_ECORRUPT, "s1: tensor b is missing"},
        {"{\"weight_map\":{\"a\":\"s3\"}}", RS_ENOENT, "s3"},
        {"{\"weight_map\":{\"a\":\"../s1\"}}", RS_ECORRUPT, "weight_map: a: wanted the name of a file"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", RS_ECORRUPT, "weight_map: a"},
        {"{\"weight_map\":{\"a\":\"\"}}", RS_ECORRUPT, "weight_map: a"},
        {"{\"weight_map\":{\"a\":1}}", RS_ECORRUPT, "weight_map: a"},
        {"{\"weight_map\":[]}", RS_ECORRUPT, "weight_map: wanted an object"},
        {"[]", RS_ECORRUPT, "weight_map: wanted an object"},
        {"{", RS_ECORRUPT, "model.safetensors.index.json: line 1"},
        {"{\"weight_map\":{\"a\":\"broken\"}}", RS_ECORRUPT, "broken: 1 bytes, too few"},
    };
    static const float x[1] = {4};
    const rs_tensor_out a = {"a", RS_DTYPE_F32, 0, NULL, x}, b = {"b", RS_DTYPE_F32, 0, NULL, x};
    rs_tensors *t;

    (void)state;
    assert_int_equal(rs_tensors_write(in_folder("s1"), &a, 1, NULL), RS_OK);
    assert_int_equal(rs_tensors_write(in_folder("s2"), &b, 1, NULL), RS_OK);
    write_text("broken", "x");
    for (size_t i = 0; i < COUNT(rows); i++) {
        rs_err err = {0};
        rs_status st;
        write_text("model.safetensors.index.json", rows[i].index);
        st = rs_tensors_open_model(&t, folder, &err);
        if (st != rows[i].want)
            fail_msg("%s: %s (%s)", rows[i].index, rs_status_name(st), err.msg);
        assert_true((t != NULL) == (st == RS_OK));
        assert_says(&err, rows[i].says, rows[i].index);
        rs_tensors_close(t);
    }
    remove(in_folder("model.safetensors.index.json"));
}

static void test_no_files(void **state)
{
    rs_tensors *t;
    rs_err err = {0};

    (void)state;
    assert_int_equal(rs_tensors_open(&t, in_folder("absent"), &err), RS_ENOENT);
    assert_null(t);
    assert_int_equal(rs_tensors_open_model(&t, in_folder("nothere"), &err), RS_ENOENT);
    assert_says(&err, "nothere/model.safetensors", "names the file wanted");
    assert_null(t);
}

/* ---- Out of memory ----------------------------------------------------- */

static void test_allocation_failures(void **state)
{
    static const float x[2] = {4, 5};
    static const size_t two[] = {2};
    const rs_tensor_out list[] = {{"a", RS_DTYPE_F16, 1, two, x}, {"b", RS_DTYPE_F32, 1, two, x}};
    const char *path = in_folder("walk.safetensors");
    rs_status st = RS_ENOMEM;
    size_t live = rs_alloc_live();

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_tensors_write(path, list, 2, NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        assert_int_equal(rs_alloc_live(), live);
        assert_true(rs_file_exists(path) == (st == RS_OK));
        assert_true(k < 100);
    }
    st = RS_ENOMEM;
    for (long k = 0; st != RS_OK; k++) {
        rs_tensors *t;
        rs_alloc_fail_after(k);
        st = rs_tensors_open_model(&t, MIXED, NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        assert_true((t != NULL) == (st == RS_OK));
        rs_tensors_close(t);
        assert_int_equal(rs_alloc_live(), live);
        assert_true(k < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_three_dtypes), cmocka_unit_test(test_refuses_what_does_not_fit),
        cmocka_unit_test(test_hostile_headers),    cmocka_unit_test(test_hostile_header_sizes),
        cmocka_unit_test(test_every_truncation),   cmocka_unit_test(test_write_read),
        cmocka_unit_test(test_write_large_half),   cmocka_unit_test(test_write_refuses),
        cmocka_unit_test(test_sharded_model),      cmocka_unit_test(test_bad_indexes),
        cmocka_unit_test(test_no_files),           cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
