/* test_image_jpeg_write.c - JPEGs written and read again: how close, how large, what is refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include <math.h>

/* Peak signal to noise of b, in dB; 99: the same. */
static double psnr(const rs_image *a, const rs_image *b)
{
    const size_t n = a->width * a->height * a->channels;
    const uint8_t *x = a->pixels, *y = b->pixels;
    double sum = 0;

    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->channels, b->channels);
    assert_int_equal(b->depth, 8);
    for (size_t i = 0; i < n; i++)
        sum += (double)(x[i] - y[i]) * (double)(x[i] - y[i]);
    return sum > 0 ? 10 * log10(255.0 * 255.0 * (double)n / sum) : 99;
}

static double written(const rs_image *im, int quality, size_t *len)
{
    rs_image back = {0};
    rs_err err = {0};
    char *bytes;
    double db;

    ok(rs_image_to_jpeg(&bytes, len, im, quality, &err), &err);
    assert_memory_equal(bytes, "\xff\xd8\xff", 3);
    assert_memory_equal(bytes + *len - 2, "\xff\xd9", 2);
    ok(rs_image_decode(&back, bytes, *len, &err), &err);
    db = psnr(im, &back);
    rs_image_clear(&back);
    rs_free(bytes);
    return db;
}

/* Every shape around a block of 8 x 8, grey and colour. */
static void test_shapes(void **state)
{
    (void)state;
    for (size_t channels = 1; channels <= 3; channels += 2)
        for (size_t w = 1; w <= 33; w += w < 18 ? 1 : 5)
            for (size_t h = 1; h <= 33; h += 8) {
                rs_image im = picture(w * 64 + h, w, h, channels, 8);
                size_t len;
                double db = written(&im, 95, &len);
                if (db < 30)
                    fail_msg("%zu x %zu of %zu channels: %.1f dB", w, h, channels, db);
                rs_image_clear(&im);
            }
}

/* More quality, more bytes and closer; at both ends too. Colour has its resolution from 90. */
static void test_quality(void **state)
{
    static const struct { int quality; double grey, colour; } rows[] = {
        {1, 15, 12}, {50, 36, 30}, {85, 40, 33}, {92, 43, 38}, {100, 50, 44}};
    rs_image grey = picture(1, 600, 500, 1, 8), colour = picture(2, 600, 500, 3, 8);
    size_t before = 0, len;
    double last = 0;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double db = written(&grey, rows[i].quality, &len);
        if (db < rows[i].grey || db <= last || len <= before)
            fail_msg("quality %d: %.1f dB, %zu bytes", rows[i].quality, db, len);
        last = db;
        before = len;
        db = written(&colour, rows[i].quality, &len);
        if (db < rows[i].colour)
            fail_msg("quality %d in colour: %.1f dB", rows[i].quality, db);
    }
    rs_image_clear(&grey);
    rs_image_clear(&colour);
}

/* A red line of one pixel on grey stays red. */
static void test_thin_colour(void **state)
{
    rs_image im = {0}, back = {0};
    rs_err err = {0};
    char *bytes;
    size_t len;

    (void)state;
    ok(rs_image_new(&im, 64, 64, 3, 8, &err), &err);
    for (size_t i = 0; i < 64 * 64; i++)
        memcpy((uint8_t *)im.pixels + 3 * i, i % 64 == 31 ? "\xe0\x20\x20" : "\x60\x60\x60", 3);
    ok(rs_image_to_jpeg(&bytes, &len, &im, 92, &err), &err);
    ok(rs_image_decode(&back, bytes, len, &err), &err);
    for (size_t y = 0; y < 64; y++) {
        const uint8_t *p = (const uint8_t *)back.pixels + 3 * (y * 64 + 31);
        assert_true(p[0] > 190 && p[1] < 64 && p[2] < 64);
    }
    rs_free(bytes);
    rs_image_clear(&im);
    rs_image_clear(&back);
}

/* Noise, which needs more room than any piece of the output. */
static void test_large(void **state)
{
    rs_random rnd = rs_random_seed(1);
    rs_image im = {0};
    rs_err err = {0};
    size_t len;

    (void)state;
    ok(rs_image_new(&im, 700, 900, 1, 8, &err), &err);
    for (size_t i = 0; i < 700 * 900; i++)
        ((uint8_t *)im.pixels)[i] = (uint8_t)rs_random_below(&rnd, 256);
    assert_true(written(&im, 100, &len) > 45);
    assert_true(len > 300000);
    rs_image_clear(&im);
}

static void test_refused(void **state)
{
    rs_image im = picture(1, 8, 8, 1, 8), deep = picture(1, 8, 8, 1, 16), none = {0};
    rs_err err = {0};
    char *bytes;
    size_t len;

    (void)state;
    assert_int_equal(rs_image_to_jpeg(&bytes, &len, &im, 0, &err), RS_EARG);
    assert_int_equal(rs_image_to_jpeg(&bytes, &len, &im, 101, &err), RS_EARG);
    assert_int_equal(rs_image_to_jpeg(&bytes, &len, &deep, 90, &err), RS_EARG);
    assert_int_equal(rs_image_to_jpeg(&bytes, &len, &none, 90, &err), RS_EARG);
    assert_null(bytes);
    rs_image_clear(&im);
    rs_image_clear(&deep);
}

static void test_out_of_memory(void **state)
{
    rs_image im = picture(3, 300, 300, 3, 8);
    rs_status st = RS_ENOMEM;
    char *bytes;
    size_t len;
    long k = 0;

    (void)state;
    for (; st != RS_OK; k++) {
        rs_err err = {0};
        rs_alloc_fail_after(k);
        st = rs_image_to_jpeg(&bytes, &len, &im, 95, &err);
        rs_alloc_fail_after(-1);
        if (st != RS_OK) {
            assert_int_equal(st, RS_ENOMEM);
            assert_null(bytes);
        }
    }
    assert_true(k > 2);
    rs_free(bytes);
    rs_image_clear(&im);
}

/* The quick PNG is the same pixels. */
static void test_quick_png(void **state)
{
    (void)state;
    for (size_t channels = 1; channels <= 3; channels += 2)
        for (size_t depth = 8; depth <= 16; depth += 8) {
            rs_image im = picture(depth + channels, 123, 77, channels, depth), back = {0};
            rs_err err = {0};
            char *bytes;
            size_t len;
            ok(rs_image_to_png_quick(&bytes, &len, &im, &err), &err);
            ok(rs_image_decode(&back, bytes, len, &err), &err);
            assert_int_equal(back.depth, depth);
            assert_memory_equal(back.pixels, im.pixels, 123 * 77 * channels * depth / 8);
            rs_free(bytes);
            rs_image_clear(&im);
            rs_image_clear(&back);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),  cmocka_unit_test(test_quality),
        cmocka_unit_test(test_thin_colour), cmocka_unit_test(test_large),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_quick_png),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
