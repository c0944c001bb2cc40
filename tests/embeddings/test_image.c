/* test_image.c - every kind of PNG and JPEG, whole and damaged.
 *
 * PNG files are made here by libpng, sample by sample from a formula, so that what must
 * come out is known. JPEG files are tests/data/images/x.jpg with PIL's pixels beside
 * them as x.jpg.png (tests/reference/preprocess.py), or made here by libjpeg.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/image.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <jpeglib.h>
#include <png.h>

#define DATA "tests/data/images"

/* ---- Making PNG files -------------------------------------------------- */

typedef struct {
    const char *what;
    int  colour, bits;
    bool interlaced, clear, text;           /* clear: with a tRNS chunk */
    size_t width, height;
} png_kind;

static unsigned sample(size_t x, size_t y, size_t c, int bits)
{
    uint32_t h = (uint32_t)(x * 73 + y * 179 + c * 283) * 2654435761u;
    return h >> 16 & ((1u << bits) - 1);
}

static png_color palette_entry(size_t i)
{
    return (png_color){(png_byte)(i * 3 + 1), (png_byte)(250 - i), (png_byte)(i * i)};
}

static void on_write(png_structp png, png_bytep bytes, size_t n)
{
    rs_buf_append(png_get_io_ptr(png), bytes, n);
}

static void on_flush(png_structp png) { (void)png; }

static size_t samples_of(int colour)
{
    return colour == PNG_COLOR_TYPE_RGB ? 3 : colour == PNG_COLOR_TYPE_RGBA ? 4
         : colour == PNG_COLOR_TYPE_GRAY_ALPHA ? 2 : 1;
}

/* One packed row as the file holds it. */
static void pack_row(uint8_t *row, const png_kind *k, size_t y)
{
    size_t n = samples_of(k->colour), bits = (size_t)k->bits;

    memset(row, 0, k->width * n * 2 + 1);
    for (size_t i = 0; i < k->width * n; i++) {
        unsigned v = sample(i / n, y, i % n, k->bits);
        if (bits == 16) {
            row[2 * i] = (uint8_t)(v >> 8);
            row[2 * i + 1] = (uint8_t)v;
        } else {
            row[i * bits / 8] |= (uint8_t)(v << (8 - bits - i * bits % 8));
        }
    }
}

static void add_text(png_structp png, png_infop info, png_text *text, char *zeros, size_t n)
{
    memset(zeros, 'a', n);
    zeros[n] = '\0';
    *text = (png_text){.compression = PNG_TEXT_COMPRESSION_zTXt, .key = (char *)(uintptr_t)"Bomb",
                       .text = zeros, .text_length = n};
    png_set_text(png, info, text, 1);
}

static rs_buf make_png(const png_kind *k)
{
    enum { TEXT = 8 << 20 };
    rs_buf b = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    uint8_t *row = calloc(k->width * 4 + 1, 2);
    char *zeros = k->text ? malloc(TEXT + 1) : NULL;
    png_color palette[256];
    png_byte alpha[256] = {0, 10, 200};
    png_color_16 key = {.gray = 1, .red = 1, .green = 2, .blue = 3};
    png_text text;

    if (setjmp(png_jmpbuf(png)))
        fail_msg("%s: libpng could not make it", k->what);
    png_set_write_fn(png, &b, on_write, on_flush);
    png_set_IHDR(png, info, (png_uint_32)k->width, (png_uint_32)k->height, k->bits, k->colour,
                 k->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, 0, 0);
    for (size_t i = 0; i < 256; i++)
        palette[i] = palette_entry(i);
    if (k->colour == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(png, info, palette, 1 << k->bits);
    if (k->clear)
        png_set_tRNS(png, info, alpha, 2, &key);
    if (k->text)
        add_text(png, info, &text, zeros, TEXT);
    png_write_info(png, info);
    for (int pass = k->interlaced ? png_set_interlace_handling(png) : 1; pass > 0; pass--)
        for (size_t y = 0; y < k->height; y++) {
            pack_row(row, k, y);
            png_write_row(png, row);
        }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    free(row);
    free(zeros);
    return b;
}

/* ---- PNG ---------------------------------------------------------------- */

static unsigned wanted(const png_kind *k, size_t x, size_t y, size_t c)
{
    unsigned v = sample(x, y, k->colour & PNG_COLOR_MASK_COLOR ? c : 0, k->bits);

    if (k->colour == PNG_COLOR_TYPE_PALETTE) {
        png_color p = palette_entry(sample(x, y, 0, k->bits));
        return c == 0 ? p.red : c == 1 ? p.green : p.blue;
    }
    return k->bits < 8 ? v * 255 / ((1u << k->bits) - 1) : v;
}

static unsigned at(const rs_image *im, size_t x, size_t y, size_t c)
{
    size_t i = (y * im->width + x) * im->channels + c;
    return im->depth == 16 ? ((uint16_t *)im->pixels)[i] : ((uint8_t *)im->pixels)[i];
}

static void check_png(const png_kind *k)
{
    rs_buf b = make_png(k);
    rs_image im;
    rs_err err;

    if (rs_image_decode(&im, b.data, b.len, &err) != RS_OK)
        fail_msg("%s: %s", k->what, err.msg);
    assert_int_equal(im.width, k->width);
    assert_int_equal(im.height, k->height);
    assert_int_equal(im.channels, k->colour & PNG_COLOR_MASK_COLOR ? 3 : 1);
    assert_int_equal(im.depth, k->bits == 16 ? 16 : 8);
    for (size_t i = 0; i < im.width * im.height * im.channels; i++) {
        size_t c = i % im.channels, x = i / im.channels % im.width, y = i / im.channels / im.width;
        if (at(&im, x, y, c) != wanted(k, x, y, c))
            fail_msg("%s: (%zu, %zu) channel %zu: %u, wanted %u", k->what, x, y, c,
                     at(&im, x, y, c), wanted(k, x, y, c));
    }
    rs_image_clear(&im);
    rs_buf_clear(&b);
}

/* Each colour type at each of its depths, plain and interlaced, opaque and not, in sizes
 * that leave bits over at the end of a row. */
static void every_kind_of_png(void **state)
{
    static const struct { const char *what; int colour, bits[5]; } kinds[] = {
        {"grey", PNG_COLOR_TYPE_GRAY, {1, 2, 4, 8, 16}},
        {"palette", PNG_COLOR_TYPE_PALETTE, {1, 2, 4, 8}},
        {"RGB", PNG_COLOR_TYPE_RGB, {8, 16}},
        {"grey and alpha", PNG_COLOR_TYPE_GRAY_ALPHA, {8, 16}},
        {"RGB and alpha", PNG_COLOR_TYPE_RGBA, {8, 16}},
    };
    static const size_t sizes[][2] = {{1, 1}, {13, 11}, {1, 40}, {67, 3}};

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (size_t b = 0; b < 5 && kinds[i].bits[b]; b++)
            for (size_t s = 0; s < 4; s++)
                for (int flags = 0; flags < 4; flags++) {
                    png_kind k = {kinds[i].what, kinds[i].colour, kinds[i].bits[b], flags & 1,
                                  flags & 2 && !(kinds[i].colour & PNG_COLOR_MASK_ALPHA), false,
                                  sizes[s][0], sizes[s][1]};
                    check_png(&k);
                }
}

static void a_text_bomb_is_not_inflated(void **state)
{
    png_kind k = {"8 MiB of text in 8 KiB", PNG_COLOR_TYPE_GRAY, 8, false, false, true, 9, 9};

    (void)state;
    check_png(&k);
}

static void png_round_trip(void **state)
{
    static const size_t sizes[][2] = {{1, 1}, {31, 17}, {1, 999}};

    (void)state;
    for (size_t s = 0; s < 3; s++)
        for (size_t channels = 1; channels <= 3; channels += 2)
            for (size_t depth = 8; depth <= 16; depth += 8) {
                size_t n = sizes[s][0] * sizes[s][1] * channels * (depth / 8), len, w, h;
                rs_image a, b;
                char *bytes;
                assert_int_equal(rs_image_new(&a, sizes[s][0], sizes[s][1], channels, depth, NULL),
                                 RS_OK);
                for (size_t i = 0; i < n; i++)
                    ((uint8_t *)a.pixels)[i] = (uint8_t)(i * i * 31 + i);
                assert_int_equal(rs_image_to_png(&bytes, &len, &a, NULL), RS_OK);
                assert_int_equal(rs_image_decode(&b, bytes, len, NULL), RS_OK);
                assert_int_equal(b.channels, channels);
                assert_int_equal(b.depth, depth);
                assert_memory_equal(a.pixels, b.pixels, n);
                assert_int_equal(rs_image_size(&w, &h, bytes, len, NULL), RS_OK);
                assert_true(w == sizes[s][0] && h == sizes[s][1]);
                rs_free(bytes);
                rs_image_clear(&a);
                rs_image_clear(&b);
            }
    rs_image empty = {0};
    char *bytes;
    size_t len;
    assert_int_equal(rs_image_to_png(&bytes, &len, &empty, NULL), RS_EARG);
    assert_null(bytes);
}

/* ---- JPEG --------------------------------------------------------------- */

static void jpeg_pixels_equal_pils(void **state)
{
    static const char *const names[] = {"grey", "rgb_420", "rgb_444", "progressive", "rotated",
                                        "cmyk", "wide"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[200];
        rs_image im, want;
        snprintf(path, sizeof path, DATA "/%s.jpg.png", names[i]);
        assert_int_equal(rs_image_load(&want, path, NULL), RS_OK);
        path[strlen(path) - 4] = '\0';
        assert_int_equal(rs_image_load(&im, path, NULL), RS_OK);
        assert_int_equal(im.width, want.width);
        assert_int_equal(im.height, want.height);
        assert_int_equal(im.channels, want.channels);
        for (size_t k = 0; k < im.width * im.height * im.channels; k++) {
            int a = ((uint8_t *)im.pixels)[k], b = ((uint8_t *)want.pixels)[k];
            if (abs(a - b) > 1)         /* another libjpeg may round otherwise */
                fail_msg("%s: sample %zu: %d, PIL has %d", path, k, a, b);
        }
        rs_image_clear(&im);
        rs_image_clear(&want);
    }
}

/* A JPEG of smooth samples: `components` of the colour space `in`, stored as `stored`.
 * With `scans`, as a progressive file of one scan a coefficient and bit. */
static rs_buf make_jpeg(int components, J_COLOR_SPACE in, J_COLOR_SPACE stored, bool scans)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    jpeg_scan_info script[128] = {{.comps_in_scan = 1}};
    unsigned char *bytes = NULL;
    unsigned long len = 0;
    rs_buf b = {0};
    JSAMPLE row[4 * 24];
    JSAMPROW rows[1] = {row};

    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &len);
    c.image_width = c.image_height = 24;
    c.input_components = components;
    c.in_color_space = in;
    jpeg_set_defaults(&c);
    jpeg_set_colorspace(&c, stored);
    jpeg_set_quality(&c, 100, TRUE);
    if (scans) {
        int n = 1;
        for (int pass = 1; pass >= 0; pass--)
            for (int k = 1; k <= 63; k++)
                script[n++] = (jpeg_scan_info){.comps_in_scan = 1, .Ss = k, .Se = k,
                                               .Ah = pass ? 0 : 1, .Al = pass};
        c.scan_info = script;
        c.num_scans = n;
    }
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < 24) {
        for (int i = 0; i < 24 * components; i++)
            row[i] = (JSAMPLE)(40 + 3 * (i / components) + 2 * (int)c.next_scanline +
                               30 * (i % components));
        jpeg_write_scanlines(&c, rows, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    rs_buf_append(&b, bytes, len);
    free(bytes);
    return b;
}

/* CMYK and YCCK hold the same picture: (255 - cyan) * (255 - black) / 255 of inverted
 * samples, which is sample * black / 255 of those stored. */
static void cmyk_and_ycck(void **state)
{
    static const J_COLOR_SPACE stored[] = {JCS_CMYK, JCS_YCCK};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        rs_buf b = make_jpeg(4, JCS_CMYK, stored[k], false);
        rs_image im;
        assert_int_equal(rs_image_decode(&im, b.data, b.len, NULL), RS_OK);
        assert_int_equal(im.channels, 3);
        for (int i = 0; i < 24 * 24; i++) {
            int base = 40 + 3 * (i % 24) + 2 * (i / 24), black = base + 90;
            for (int ch = 0; ch < 3; ch++) {
                int want = (base + 30 * ch) * black / 255, got = ((uint8_t *)im.pixels)[3 * i + ch];
                assert_in_range(got + 6, want, want + 12);
            }
        }
        rs_image_clear(&im);
        rs_buf_clear(&b);
    }
}

/* Where SOF's precision, height and width are. */
static size_t find_sof(const rs_buf *b)
{
    for (size_t i = 2; i + 9 < b->len; i++)
        if ((uint8_t)b->data[i] == 0xff && ((uint8_t)b->data[i + 1] == 0xc0 ||
                                            (uint8_t)b->data[i + 1] == 0xc2))
            return i + 4;
    fail_msg("no SOF");
    return 0;
}

static void odd_jpegs_are_told_apart(void **state)
{
    rs_buf two = make_jpeg(2, JCS_UNKNOWN, JCS_UNKNOWN, false);
    rs_buf scans = make_jpeg(1, JCS_GRAYSCALE, JCS_GRAYSCALE, true);
    rs_buf deep = make_jpeg(1, JCS_GRAYSCALE, JCS_GRAYSCALE, false);
    rs_buf lossless = make_jpeg(1, JCS_GRAYSCALE, JCS_GRAYSCALE, false);
    rs_buf arithmetic = make_jpeg(1, JCS_GRAYSCALE, JCS_GRAYSCALE, false);
    const struct { const rs_buf *file; rs_status want; const char *says; } rows[] = {
        {&two, RS_EFORMAT, "2 components"},
        {&scans, RS_ELIMIT, "more than 100 scans"},
        {&deep, RS_EFORMAT, "precision 12"},
        {&lossless, RS_EFORMAT, "0xc3"},
        {&arithmetic, RS_EFORMAT, "arithmetic coding"},
    };

    (void)state;
    deep.data[find_sof(&deep)] = 12;
    lossless.data[find_sof(&lossless) - 3] = (char)0xc3;
    arithmetic.data[find_sof(&arithmetic) - 3] = (char)0xc9;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_image im;
        rs_err err = {0};
        rs_status st = rs_image_decode(&im, rows[i].file->data, rows[i].file->len, &err);
        if (st != rows[i].want || !strstr(err.msg, rows[i].says))
            fail_msg("row %zu: %s, \"%s\"", i, rs_status_name(st), err.msg);
        assert_null(im.pixels);
    }
    rs_buf_clear(&two);
    rs_buf_clear(&scans);
    rs_buf_clear(&deep);
    rs_buf_clear(&lossless);
    rs_buf_clear(&arithmetic);
}

/* ---- Bombs ---------------------------------------------------------------- */

static void put16(rs_buf *b, size_t at_byte, size_t v)
{
    b->data[at_byte] = (char)(v >> 8);
    b->data[at_byte + 1] = (char)v;
}

/* A small file that claims to be large is refused by its header: 200 times in a blink. */
static void bombs_cost_their_header(void **state)
{
    static const struct { size_t width, height; rs_status want; const char *says; } rows[] = {
        {30000, 30000, RS_ELIMIT, "30000 x 30000 pixels"},
        {32769, 1, RS_ELIMIT, "32769 x 1 pixels"},
        {10001, 10000, RS_ELIMIT, "10001 x 10000 pixels"},
        {10000, 10000, RS_ECORRUPT, "cannot hold 10000 x 10000"},
        {0, 5, RS_ECORRUPT, ""},
    };
    png_kind k = {"RGB", PNG_COLOR_TYPE_RGB, 8, false, false, false, 8, 8};
    rs_buf files[2] = {make_png(&k), make_jpeg(1, JCS_GRAYSCALE, JCS_GRAYSCALE, false)};
    double start = rs_cpu_s();

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t f = 0; f < 2; f++) {
            rs_image im;
            rs_err err = {0};
            size_t w, h;
            size_t place = f == 0 ? 16 : find_sof(&files[1]) + 1;
            put16(&files[f], place + 2, rows[i].width);
            put16(&files[f], f == 0 ? place + 6 : place, rows[i].height);
            for (size_t again = 0; again < 20; again++) {
                rs_status st = rs_image_decode(&im, files[f].data, files[f].len, &err);
                if (st != rows[i].want || !strstr(err.msg, rows[i].says))
                    fail_msg("row %zu, file %zu: %s, \"%s\"", i, f, rs_status_name(st), err.msg);
                assert_null(im.pixels);
            }
            assert_true(rs_image_size(&w, &h, files[f].data, files[f].len, &err) != RS_OK);
        }
    assert_true(rs_cpu_s() - start < 1);
    rs_buf_clear(&files[0]);
    rs_buf_clear(&files[1]);
}

/* ---- Damage ----------------------------------------------------------------- */

static size_t fixtures(rs_buf out[8])
{
    static const png_kind kinds[] = {
        {"grey", PNG_COLOR_TYPE_GRAY, 8, false, false, false, 16, 9},
        {"interlaced", PNG_COLOR_TYPE_RGB, 16, true, false, false, 7, 9},
        {"palette", PNG_COLOR_TYPE_PALETTE, 4, false, true, false, 21, 5},
    };
    static const char *const files[] = {"grey.jpg", "rgb_420.jpg", "progressive.jpg", "cmyk.jpg"};
    size_t n = 0;

    for (size_t i = 0; i < 3; i++)
        out[n++] = make_png(&kinds[i]);
    for (size_t i = 0; i < 4; i++, n++) {
        char path[100], *bytes;
        snprintf(path, sizeof path, DATA "/%s", files[i]);
        out[n] = (rs_buf){0};
        size_t len;
        assert_int_equal(rs_file_read(&bytes, &len, path, 1 << 20, NULL), RS_OK);
        rs_buf_append(&out[n], bytes, len);
        rs_free(bytes);
    }
    return n;
}

/* What was wrong in a body below: stderr is taken while it runs. */
static char wrong[300];

/* Run `body` on each fixture; nothing may be said on stderr, nothing left allocated. */
static void on_each_fixture(void (*body)(const rs_buf *file))
{
    rs_buf files[8];
    size_t n = fixtures(files), before = rs_alloc_live();
    FILE *said = tmpfile();
    int old = dup(STDERR_FILENO);

    assert_non_null(said);
    wrong[0] = '\0';
    fflush(stderr);
    dup2(fileno(said), STDERR_FILENO);
    for (size_t i = 0; i < n; i++)
        body(&files[i]);
    fflush(stderr);
    dup2(old, STDERR_FILENO);
    close(old);
    if (wrong[0])
        fail_msg("%s", wrong);
    assert_int_equal(lseek(fileno(said), 0, SEEK_END), 0);
    fclose(said);
    assert_int_equal(rs_alloc_live(), before);
    for (size_t i = 0; i < n; i++)
        rs_buf_clear(&files[i]);
}

static void cut_everywhere(const rs_buf *file)
{
    for (size_t len = 0; len < file->len; len++) {
        uint8_t *exact = malloc(len ? len : 1);         /* a sanitizer sees a read past it */
        rs_image im;
        rs_err err = {0};
        memcpy(exact, file->data, len);
        rs_status st = rs_image_decode(&im, exact, len, &err);
        if (st != RS_ECORRUPT || err.msg[0] == '\0' || im.pixels)
            snprintf(wrong, sizeof wrong, "cut to %zu of %zu: %s, \"%.200s\"", len, file->len,
                     rs_status_name(st), err.msg);
        free(exact);
    }
}

static void every_cut_is_noticed(void **state)
{
    (void)state;
    on_each_fixture(cut_everywhere);
}

static void flip_everywhere(const rs_buf *file)
{
    uint8_t *bytes = malloc(file->len);

    for (size_t i = 0; i < file->len * 3; i++) {
        rs_image im;
        memcpy(bytes, file->data, file->len);
        bytes[i / 3] ^= (uint8_t)(i % 3 == 0 ? 0x01 : i % 3 == 1 ? 0x80 : 0xff);
        if ((rs_image_decode(&im, bytes, file->len, NULL) == RS_OK) != (im.pixels != NULL))
            snprintf(wrong, sizeof wrong, "byte %zu of %zu changed: status and pixels differ",
                     i / 3, file->len);
        rs_image_clear(&im);
    }
    free(bytes);
}

static void damage_does_no_harm(void **state)
{
    (void)state;
    on_each_fixture(flip_everywhere);
}

static void trailing_bytes_are_ignored(void **state)
{
    rs_buf files[8];
    size_t n = fixtures(files);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        rs_image im;
        rs_buf_puts(&files[i], "and then some");
        assert_int_equal(rs_image_decode(&im, files[i].data, files[i].len, NULL), RS_OK);
        rs_image_clear(&im);
        rs_buf_clear(&files[i]);
    }
}

/* ---- Memory ----------------------------------------------------------------- */

static void fail_everywhere(const rs_buf *file)
{
    rs_status st = RS_ENOMEM;

    for (long k = 0; st != RS_OK; k++) {
        rs_image im;
        rs_alloc_fail_after(k);
        st = rs_image_decode(&im, file->data, file->len, NULL);
        rs_alloc_fail_after(-1);
        if (st == RS_OK ? k == 0 : st != RS_ENOMEM || im.pixels || k > 100) {
            snprintf(wrong, sizeof wrong, "allocation %ld failed: %s", k, rs_status_name(st));
            st = RS_OK;
        }
        rs_image_clear(&im);
    }
}

static void every_failed_allocation_is_told(void **state)
{
    size_t before = rs_alloc_live(), len;
    rs_status st = RS_ENOMEM;
    rs_image im;
    char *bytes;

    (void)state;
    on_each_fixture(fail_everywhere);
    assert_int_equal(rs_image_new(&im, 200, 100, 3, 16, NULL), RS_OK);
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_image_to_png(&bytes, &len, &im, NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || (st == RS_ENOMEM && !bytes && k < 100));
    }
    rs_free(bytes);
    rs_image_clear(&im);
    assert_int_equal(rs_alloc_live(), before);
}

static void new_checks_the_shape(void **state)
{
    static const struct { size_t width, height, channels, depth; rs_status want; } rows[] = {
        {1, 1, 1, 8, RS_OK}, {3, 5, 3, 16, RS_OK}, {RS_IMAGE_MAX_SIDE, 1, 1, 8, RS_OK},
        {0, 1, 1, 8, RS_EARG}, {1, 0, 1, 8, RS_EARG}, {RS_IMAGE_MAX_SIDE + 1, 1, 1, 8, RS_EARG},
        {20000, 20000, 1, 8, RS_EARG}, {SIZE_MAX, SIZE_MAX, 3, 16, RS_EARG},
        {1, 1, 2, 8, RS_EARG}, {1, 1, 4, 8, RS_EARG}, {1, 1, 1, 12, RS_EARG},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_image im;
        assert_int_equal(rs_image_new(&im, rows[i].width, rows[i].height, rows[i].channels,
                                      rows[i].depth, NULL), rows[i].want);
        assert_int_equal(im.pixels != NULL, rows[i].want == RS_OK);
        assert_int_equal((uintptr_t)im.pixels % 64, 0);
        rs_image_clear(&im);
        rs_image_clear(&im);                                /* twice is fine */
    }
}

/* ---- Files ------------------------------------------------------------------- */

static void messages_name_the_file(void **state)
{
    static const struct { const char *bytes; size_t len; rs_status want; } rows[] = {
        {"", 0, RS_ECORRUPT}, {"GIF89a", 6, RS_EFORMAT}, {"\x89PNG", 4, RS_ECORRUPT},
        {"\xff\xd8\xff\xd9", 4, RS_ECORRUPT},
    };
    char folder[] = "/tmp/test_image_XXXXXX", path[100];
    rs_image im;
    rs_err err;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a picture.png", folder);
    assert_int_equal(rs_image_load(&im, path, &err), RS_ENOENT);
    assert_non_null(strstr(err.msg, path));
    assert_int_equal(rs_image_load(&im, folder, &err), RS_EIO);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(rs_file_write(path, rows[i].bytes, rows[i].len, NULL), RS_OK);
        assert_int_equal(rs_image_load(&im, path, &err), rows[i].want);
        assert_non_null(strstr(err.msg, path));
        assert_null(im.pixels);
    }
    assert_int_equal(rs_image_new(&im, 5, 4, 1, 8, NULL), RS_OK);
    assert_int_equal(rs_image_save_png(&im, path, NULL), RS_OK);
    rs_image_clear(&im);
    assert_int_equal(rs_image_load(&im, path, NULL), RS_OK);
    assert_int_equal(im.width, 5);
    assert_int_equal(rs_image_save_png(&im, "/no/such/folder/x.png", &err), RS_ENOENT);
    rs_image_clear(&im);
    unlink(path);
    rmdir(folder);
}

/* Every 40th image of the real sets, as published: PNG and JPEG from many programs. */
static void real_images_load(void **state)
{
    static const char *const folders[] = {"../shared/data/cxr/images",
        "../shared/data/openrad/images", "../shared/data/medpix-dev/images"};
    size_t loaded = 0;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        DIR *dir = opendir(folders[i]);
        struct dirent *e;
        for (size_t k = 0; dir && (e = readdir(dir)); k++) {
            char path[600];
            struct stat sb;
            rs_image im;
            rs_err err;
            snprintf(path, sizeof path, "%s/%s", folders[i], e->d_name);
            if (k % 40 || stat(path, &sb) != 0 || !S_ISREG(sb.st_mode))
                continue;
            if (rs_image_load(&im, path, &err) != RS_OK)
                fail_msg("%s", err.msg);
            rs_image_clear(&im);
            loaded++;
        }
        if (dir)
            closedir(dir);
    }
    if (loaded == 0) {
        print_message("skipped: ../shared/data is absent\n");
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_png),
        cmocka_unit_test(a_text_bomb_is_not_inflated),
        cmocka_unit_test(png_round_trip),
        cmocka_unit_test(jpeg_pixels_equal_pils),
        cmocka_unit_test(cmyk_and_ycck),
        cmocka_unit_test(odd_jpegs_are_told_apart),
        cmocka_unit_test(bombs_cost_their_header),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(damage_does_no_harm),
        cmocka_unit_test(trailing_bytes_are_ignored),
        cmocka_unit_test(every_failed_allocation_is_told),
        cmocka_unit_test(new_checks_the_shape),
        cmocka_unit_test(messages_name_the_file),
        cmocka_unit_test(real_images_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
