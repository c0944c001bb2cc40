/* test_rendition.c - renditions against plain definitions of what they are: the resize as a
 * double loop, the window as DICOM writes it down, 16 bits sample by sample.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/rendition.h"
#include "embeddings/preprocess.h"

#include "scratch.h"

#include <math.h>
#include <png.h>

static rs_image made(rs_rendition r, const rs_grey_window *w, const void *bytes, size_t len)
{
    rs_image im = {0};
    rs_err err = {0};
    char *out;
    size_t n;

    ok(rs_rendition_make(&out, &n, r, w, bytes, len, &err), &err);
    ok(rs_image_decode(&im, out, n, &err), &err);
    rs_free(out);
    return im;
}

static rs_image made_of(rs_rendition r, const rs_grey_window *w, const rs_image *source)
{
    rs_image im;
    rs_err err = {0};
    char *png;
    size_t len;

    ok(rs_image_to_png(&png, &len, source, &err), &err);
    im = made(r, w, png, len);
    rs_free(png);
    return im;
}

static double sample(const rs_image *im, size_t x, size_t y, size_t c)
{
    const size_t i = (y * im->width + x) * im->channels + c;

    return im->depth == 16 ? ((const uint16_t *)im->pixels)[i] : ((const uint8_t *)im->pixels)[i];
}

/* ---- The plain resize ------------------------------------------------- */

static double cubic(double x)
{
    x = fabs(x);
    return x < 1 ? 1.5 * x * x * x - 2.5 * x * x + 1
         : x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

/* The weight that input j of n has for output i of m: the kernel as wide as the reduction. */
static double weight(size_t i, size_t j, size_t n, size_t m)
{
    const double scale = (double)n / (double)m, wide = scale > 1 ? scale : 1;

    return cubic(((double)j + 0.5 - ((double)i + 0.5) * scale) / wide);
}

/* One pixel of `im` at width x height, all of it looked at. */
static double resized(const rs_image *im, size_t width, size_t height, size_t x, size_t y, size_t c)
{
    double sum = 0, all = 0;

    for (size_t j = 0; j < im->height; j++) {
        const double wy = weight(y, j, im->height, height);
        for (size_t i = 0; i < im->width && wy != 0; i++) {
            const double w = wy * weight(x, i, im->width, width);
            sum += w * sample(im, i, j, c);
            all += w;
        }
    }
    return sum / all;
}

/* Largest and mean difference from the plain resize, every `step`th pixel looked at. */
static double against(const rs_image *out, const rs_image *source, size_t step, double *mean)
{
    double most = 0, sum = 0, n = 0;

    for (size_t y = 0; y < out->height; y += step)
        for (size_t x = 0; x < out->width; x += step)
            for (size_t c = 0; c < out->channels; c++) {
                double want = resized(source, out->width, out->height, x, y, c);
                const double top = out->depth == 16 ? 65535 : 255;
                want = want < 0 ? 0 : want > top ? top : want;
                most = fmax(most, fabs(sample(out, x, y, c) - want));
                sum += fabs(sample(out, x, y, c) - want);
                n++;
            }
    *mean = sum / n;
    return most;
}

/* What a shift by half a pixel or a wrong kernel would not pass: JPEG's own loss is less. */
static void test_resize(void **state)
{
    static const struct { size_t width, height, channels; } rows[] = {
        {700, 431, 1}, {431, 700, 3}, {257, 300, 1}, {1900, 40, 1}};
    double mean, most;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_image im = picture(i + 1, rows[i].width, rows[i].height, rows[i].channels, 8), out;
        out = made_of(RS_RENDITION_THUMBNAIL, NULL, &im);
        most = against(&out, &im, 7, &mean);
        if (most > (im.channels == 3 ? 24 : 12) || mean > 1.5)
            fail_msg("row %zu: thumbnail off by %.2f, mean %.3f", i, most, mean);
        rs_image_clear(&out);
        rs_image_clear(&im);
    }
    {                                          /* 16 bits have no loss but rounding */
        rs_image im = picture(9, 4300, 90, 1, 16), out = made_of(RS_RENDITION_GRAY16, NULL, &im);
        assert_int_equal(out.width, 4096);
        assert_int_equal(out.height, 86);
        most = against(&out, &im, 41, &mean);
        if (most > 1.01)
            fail_msg("16 bits: off by %.2f", most);
        rs_image_clear(&out);
        rs_image_clear(&im);
    }
}

/* A JPEG's thumbnail out of a fraction of it is close to that of the whole. */
static void test_scaled_jpeg(void **state)
{
    rs_image im = picture(4, 2100, 1500, 1, 8), out;
    rs_err err = {0};
    char *jpeg;
    size_t len;
    double mean, most;

    (void)state;
    ok(rs_image_to_jpeg(&jpeg, &len, &im, 95, &err), &err);
    out = made(RS_RENDITION_THUMBNAIL, NULL, jpeg, len);
    assert_int_equal(out.width, 256);
    assert_int_equal(out.height, 183);
    most = against(&out, &im, 13, &mean);
    if (most > 16 || mean > 1.5)
        fail_msg("off by %.2f, mean %.3f", most, mean);
    rs_image_clear(&out);
    rs_image_clear(&im);
    rs_free(jpeg);
}

/* ---- Sizes ----------------------------------------------------------- */

static void test_sizes(void **state)
{
    static const struct { size_t w, h, thumb_w, thumb_h, display_w, display_h; } rows[] = {
        {1, 1, 1, 1, 1, 1},           {256, 256, 256, 256, 256, 256},
        {257, 1, 256, 1, 257, 1},     {20000, 1, 256, 1, 1536, 1},
        {1, 20000, 1, 256, 1, 1536},  {1536, 1024, 256, 171, 1536, 1024},
        {1537, 1537, 256, 256, 1536, 1536}, {2000, 2500, 205, 256, 1229, 1536}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t w, h;
        rs_rendition_size(RS_RENDITION_THUMBNAIL, rows[i].w, rows[i].h, &w, &h);
        if (w != rows[i].thumb_w || h != rows[i].thumb_h)
            fail_msg("row %zu: thumbnail of %zu x %zu", i, w, h);
        rs_rendition_size(RS_RENDITION_DISPLAY, rows[i].w, rows[i].h, &w, &h);
        if (w != rows[i].display_w || h != rows[i].display_h)
            fail_msg("row %zu: display of %zu x %zu", i, w, h);
    }
    for (int r = 0; r < RS_RENDITIONS; r++) {          /* and that is what is made */
        rs_image line = picture(1, 20000, 1, 1, 8), dot = picture(2, 1, 1, 3, 16), out;
        out = made_of((rs_rendition)r, NULL, &line);
        assert_int_equal(out.width, r == 0 ? 256 : r == 1 ? 1536 : 4096);
        assert_int_equal(out.height, 1);
        rs_image_clear(&out);
        out = made_of((rs_rendition)r, NULL, &dot);
        assert_int_equal(out.width * out.height, 1);
        rs_image_clear(&out);
        rs_image_clear(&line);
        rs_image_clear(&dot);
    }
}

/* ---- 16 bits ---------------------------------------------------------- */

/* Samples stay what they are; 8 bits times 257; grey in colour is grey. */
static void test_gray16(void **state)
{
    rs_image deep = picture(1, 90, 70, 1, 16), flat = picture(2, 90, 70, 1, 8), rgb = {0}, out;
    rs_err err = {0};

    (void)state;
    ((uint16_t *)deep.pixels)[0] = 65535;
    out = made_of(RS_RENDITION_GRAY16, NULL, &deep);
    assert_int_equal(out.depth, 16);
    assert_int_equal(out.channels, 1);
    assert_memory_equal(out.pixels, deep.pixels, 90 * 70 * 2);
    rs_image_clear(&out);
    out = made_of(RS_RENDITION_GRAY16, NULL, &flat);
    for (size_t i = 0; i < 90 * 70; i++)
        assert_int_equal(((uint16_t *)out.pixels)[i], ((uint8_t *)flat.pixels)[i] * 257);
    rs_image_clear(&out);
    for (size_t depth = 8; depth <= 16; depth += 8) {
        ok(rs_image_new(&rgb, 64, 4, 3, depth, &err), &err);
        for (size_t i = 0; i < 64 * 4 * 3; i++)
            if (depth == 8)
                ((uint8_t *)rgb.pixels)[i] = (uint8_t)(i / 3);
            else
                ((uint16_t *)rgb.pixels)[i] = (uint16_t)(i / 3 * 257);
        out = made_of(RS_RENDITION_GRAY16, NULL, &rgb);
        for (size_t i = 0; i < 64 * 4; i++)
            assert_int_equal(((uint16_t *)out.pixels)[i], i * 257);
        rs_image_clear(&out);
        memset(rgb.pixels, 0, 64 * 4 * 3 * depth / 8);
        memset(rgb.pixels, 255, depth / 8);                    /* one red pixel */
        out = made_of(RS_RENDITION_GRAY16, NULL, &rgb);
        assert_int_equal(((uint16_t *)out.pixels)[0], 19595);  /* 0.299 */
        assert_int_equal(((uint16_t *)out.pixels)[1], 0);
        rs_image_clear(&out);
        rs_image_clear(&rgb);
    }
    rs_image_clear(&deep);
    rs_image_clear(&flat);
}

/* 16 bits by their own range, as preprocessing takes them; a flat one is black. */
static void test_range(void **state)
{
    rs_image im = {0}, out;
    rs_err err = {0};

    (void)state;
    ok(rs_image_new(&im, 128, 128, 1, 16, &err), &err);
    for (size_t i = 0; i < 128 * 128; i++)
        ((uint16_t *)im.pixels)[i] = (uint16_t)(1000 + i % 128 * 10);
    out = made_of(RS_RENDITION_DISPLAY, NULL, &im);
    for (size_t i = 0; i < 128 * 128; i++) {
        const double want = floor((double)(i % 128) * 255 / 127 + 0.5);
        assert_true(fabs(sample(&out, i % 128, i / 128, 0) - want) <= 3);
    }
    rs_image_clear(&out);
    memset(im.pixels, 7, 128 * 128 * 2);
    out = made_of(RS_RENDITION_THUMBNAIL, NULL, &im);
    for (size_t i = 0; i < 128 * 128; i++)
        assert_true(((uint8_t *)out.pixels)[i] <= 1);
    rs_image_clear(&out);
    rs_image_clear(&im);
}

static void on_write(png_structp png, png_bytep bytes, size_t n)
{
    rs_buf_append(png_get_io_ptr(png), bytes, n);
}

static void on_flush(png_structp png) { (void)png; }

/* An interlaced file is the same renditions, byte for byte. */
static void test_interlaced(void **state)
{
    static const rs_grey_window window = {600, 900};
    rs_image im = picture(3, 301, 203, 1, 16);
    rs_buf b = {0};
    rs_err err = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_bytep rows[203];
    char *plain;
    size_t plain_len;

    (void)state;
    for (size_t y = 0; y < 203; y++)
        rows[y] = (png_bytep)((uint16_t *)im.pixels + y * 301);
    png_set_write_fn(png, &b, on_write, on_flush);
    png_set_IHDR(png, info, 301, 203, 16, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_ADAM7,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    png_set_swap(png);
    png_write_image(png, rows);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    ok(rs_image_to_png(&plain, &plain_len, &im, &err), &err);
    for (int r = 0; r <= RS_RENDITIONS; r++) {
        const rs_rendition kind = r < RS_RENDITIONS ? (rs_rendition)r : RS_RENDITION_DISPLAY;
        char *a, *c;
        size_t n, m;
        ok(rs_rendition_make(&a, &n, kind, r < RS_RENDITIONS ? NULL : &window, b.data, b.len,
                             &err), &err);
        ok(rs_rendition_make(&c, &m, kind, r < RS_RENDITIONS ? NULL : &window, plain, plain_len,
                             &err), &err);
        assert_int_equal(n, m);
        assert_memory_equal(a, c, n);
        rs_free(a);
        rs_free(c);
    }
    rs_free(plain);
    rs_buf_clear(&b);
    rs_image_clear(&im);
}

/* ---- Windows --------------------------------------------------------- */

/* C.11.2.1.2.1, as it stands there. */
static double linear(double x, double c, double w)
{
    if (x <= c - 0.5 - (w - 1) / 2)
        return 0;
    if (x > c - 0.5 + (w - 1) / 2)
        return 255;
    return ((x - (c - 0.5)) / (w - 1) + 0.5) * 255;
}

static void test_windows(void **state)
{
    static const rs_grey_window rows[] = {
        {2048, 4096}, {0, 100}, {100, 1}, {100.5, 1}, {40, 400}, {-5, 20}, {70000, 10}, {128, 256},
        {100, 1.5}, {50.25, 33.5}};

    (void)state;
    for (size_t depth = 8; depth <= 16; depth += 8)
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            rs_image im = {0}, out;
            rs_err err = {0};
            ok(rs_image_new(&im, 256, 64, 1, depth, &err), &err);
            for (size_t i = 0; i < 256 * 64; i++)              /* flat blocks: JPEG keeps them */
                if (depth == 8)
                    ((uint8_t *)im.pixels)[i] = (uint8_t)(i % 256 / 8 * 8);
                else
                    ((uint16_t *)im.pixels)[i] = (uint16_t)(i % 256 / 8 * 12);
            out = made_of(RS_RENDITION_DISPLAY, &rows[r], &im);
            for (size_t x = 0; x < 256; x++) {
                const double v = sample(&im, x, 9, 0);
                const double want = linear(v, rows[r].center, rows[r].width);
                if (fabs(sample(&out, x, 9, 0) - want) > 4)
                    fail_msg("%zu bits, row %zu: %g becomes %g, wanted %.2f", depth, r, v,
                             sample(&out, x, 9, 0), want);
            }
            rs_image_clear(&out);
            rs_image_clear(&im);
        }
}

static void test_refused(void **state)
{
    rs_image grey = picture(1, 20, 20, 1, 8), colour = picture(2, 20, 20, 3, 8);
    const rs_grey_window good = {10, 10}, thin = {10, 0.5}, none = {NAN, 10}, wide = {1, INFINITY};
    rs_err err = {0};
    char *png[2], *out;
    size_t len[2], n;

    (void)state;
    ok(rs_image_to_png(&png[0], &len[0], &grey, &err), &err);
    ok(rs_image_to_png(&png[1], &len[1], &colour, &err), &err);
    const struct { rs_rendition r; const rs_grey_window *w; const char *bytes; size_t len;
                   rs_status st; } rows[] = {
        {RS_RENDITION_DISPLAY, &good, png[1], len[1], RS_EARG},
        {RS_RENDITION_DISPLAY, &thin, png[0], len[0], RS_EARG},
        {RS_RENDITION_DISPLAY, &none, png[0], len[0], RS_EARG},
        {RS_RENDITION_DISPLAY, &wide, png[0], len[0], RS_EARG},
        {RS_RENDITION_THUMBNAIL, &good, png[0], len[0], RS_EARG},
        {RS_RENDITION_GRAY16, &good, png[0], len[0], RS_EARG},
        {RS_RENDITION_GRAY16, NULL, png[0], len[0] - 20, RS_ECORRUPT},
        {RS_RENDITION_THUMBNAIL, NULL, "no picture", 10, RS_EFORMAT},
        {RS_RENDITION_THUMBNAIL, NULL, "", 0, RS_ECORRUPT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_status st = rs_rendition_make(&out, &n, rows[i].r, rows[i].w, rows[i].bytes,
                                         rows[i].len, &err);
        if (st != rows[i].st || out)
            fail_msg("row %zu: %s", i, rs_status_name(st));
    }
    rs_free(png[0]);
    rs_free(png[1]);
    rs_image_clear(&grey);
    rs_image_clear(&colour);
}

static void test_out_of_memory(void **state)
{
    rs_image im = picture(1, 300, 310, 1, 16);
    rs_err err = {0};
    char *png, *out;
    size_t len, n;

    (void)state;
    ok(rs_image_to_png(&png, &len, &im, &err), &err);
    for (int r = 0; r < RS_RENDITIONS; r++) {
        rs_status st = RS_ENOMEM;
        for (long k = 0; st != RS_OK; k++) {
            rs_alloc_fail_after(k);
            st = rs_rendition_make(&out, &n, (rs_rendition)r, NULL, png, len, &err);
            rs_alloc_fail_after(-1);
            if (st != RS_OK) {
                assert_int_equal(st, RS_ENOMEM);
                assert_null(out);
            }
        }
        rs_free(out);
    }
    rs_free(png);
    rs_image_clear(&im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resize),  cmocka_unit_test(test_scaled_jpeg),
        cmocka_unit_test(test_sizes),   cmocka_unit_test(test_gray16),
        cmocka_unit_test(test_range),   cmocka_unit_test(test_interlaced),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
