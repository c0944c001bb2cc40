/* test_intake.c - an image file straight to an encoder's input: row by row it is what
 * decoding and preprocessing the whole image gives, a JPEG's fraction comes close to it,
 * and damage is noticed all the same. The files are those of the fuzz corpus, one of each
 * kind, and some made here.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/intake.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/random.h"
#include "embeddings/resample_int.h"
#include "jpeg_film.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define CORPUS "tests/fuzz/corpus/image"
enum { MAX_FILES = 40 };

/* ---- Files ------------------------------------------------------------ */

typedef struct { char name[64]; char *bytes; size_t len; } file;

static file files[MAX_FILES];
static size_t n_files;

static file *add(const char *name)
{
    assert_true(n_files < MAX_FILES);
    snprintf(files[n_files].name, sizeof files[n_files].name, "%s", name);
    return &files[n_files++];
}

static void add_png(const char *name, size_t width, size_t height, size_t channels, size_t depth)
{
    file *f = add(name);
    rs_image im;

    assert_int_equal(rs_image_new(&im, width, height, channels, depth, NULL), RS_OK);
    for (size_t i = 0; i < width * height * channels; i++) {
        size_t x = i / channels % width, y = i / channels / width, c = i % channels;
        if (depth == 16)
            ((uint16_t *)im.pixels)[i] = (uint16_t)(300 + film_sample(x + c, y, 4095));
        else
            ((uint8_t *)im.pixels)[i] = (uint8_t)film_sample(x + 9 * c, y, 255);
    }
    assert_int_equal(rs_image_to_png(&f->bytes, &f->len, &im, NULL), RS_OK);
    rs_image_clear(&im);
}

static void add_jpeg(const char *name, unsigned width, unsigned height, bool colour)
{
    file *f = add(name);

    f->bytes = jpeg_film(width, height, colour, &f->len);
}

static const file *find(const char *name)
{
    for (size_t i = 0; i < n_files; i++)
        if (strcmp(files[i].name, name) == 0)
            return &files[i];
    fail_msg("no file %s", name);
    return NULL;
}

static int make_files(void **state)
{
    struct dirent **entry = NULL;
    int n = scandir(CORPUS, &entry, NULL, alphasort);

    (void)state;
    for (int i = 0; i < n; i++) {
        char path[400];
        if (entry[i]->d_name[0] != '.') {
            file *f = add(entry[i]->d_name);
            snprintf(path, sizeof path, CORPUS "/%s", entry[i]->d_name);
            if (rs_file_read(&f->bytes, &f->len, path, 1 << 20, NULL) != RS_OK)
                return -1;
        }
        free(entry[i]);
    }
    free(entry);
    add_png("film16", 130, 170, 1, 16);
    add_png("film8", 217, 90, 1, 8);
    add_png("colour16", 60, 41, 3, 16);
    add_jpeg("grey film", 1001, 777, false);
    add_jpeg("colour film", 403, 517, true);
    return n > 20 ? 0 : -1;
}

static int drop_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_files; i++)
        rs_free(files[i].bytes);
    return 0;
}

/* ---- The resampler against its definition ------------------------------ */

/* One axis as resample.c's top comment says it, whole picture at once, in fixed point. */
static void naive_axis(uint8_t *to, const uint8_t *from, size_t lines, size_t in, size_t out,
                       size_t line, size_t step, size_t to_line, size_t to_step, bool cubic)
{
    double scale = (double)in / (double)out, stretch = scale > 1 ? scale : 1;
    double reach = (cubic ? 2 : 1) * stretch;

    for (size_t i = 0; i < out; i++) {
        double c = ((double)i + 0.5) * scale, w[2000], sum = 0;
        size_t lo = c - reach + 0.5 > 0 ? (size_t)(c - reach + 0.5) : 0;
        size_t hi = c + reach + 0.5 < (double)in ? (size_t)(c + reach + 0.5) : in;
        for (size_t j = lo; j < hi; j++) {
            double x = fabs(((double)j - c + 0.5) * (1.0 / stretch));
            w[j - lo] = cubic ? x < 1 ? (1.5 * x - 2.5) * x * x + 1
                                      : x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0
                              : x < 1 ? 1 - x : 0;
            sum += w[j - lo];
        }
        for (size_t l = 0; l < lines; l++) {
            int64_t v = 1 << 21;
            for (size_t j = lo; j < hi; j++) {
                double k = w[j - lo] / sum * (1 << 22);
                v += (int64_t)(k + (k < 0 ? -0.5 : 0.5)) * from[l * line + j * step];
            }
            v >>= 22;
            to[l * to_line + i * to_step] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
    }
}

/* 300 shapes and windows: what the rows give, however few of them are ever held, is the
 * window of the whole picture resized at once. */
static void rows_give_the_definition(void **state)
{
    rs_random rnd = rs_random_seed(5);

    (void)state;
    for (int k = 0; k < 300; k++) {
        size_t w = 1 + rs_random_below(&rnd, 90), h = 1 + rs_random_below(&rnd, 90);
        size_t W = 1 + rs_random_below(&rnd, 60), H = 1 + rs_random_below(&rnd, 60);
        bool cubic = k % 2;
        rs_rows in = {w, h, 1, 8, (double)w, (double)h};
        rs_window win = {.full_width = W, .full_height = H};
        uint8_t *pixels = malloc(w * h), *mid = malloc(W * h), *want = malloc(W * H);
        rs_resampler *r;
        rs_image out;

        win.x = rs_random_below(&rnd, W);
        win.y = rs_random_below(&rnd, H);
        win.width = 1 + rs_random_below(&rnd, W - win.x);
        win.height = 1 + rs_random_below(&rnd, H - win.y);
        for (size_t i = 0; i < w * h; i++)
            pixels[i] = (uint8_t)rs_random_below(&rnd, 256);
        naive_axis(mid, pixels, h, w, W, w, 1, W, 1, cubic);
        naive_axis(want, mid, W, h, H, 1, W, 1, W, cubic);
        assert_int_equal(rs_resampler_new(&r, &out, &in, win, cubic ? RS_RESAMPLE_BICUBIC
                                          : RS_RESAMPLE_BILINEAR, NULL), RS_OK);
        for (size_t y = 0; y < h; y++) {
            uint8_t *row = malloc(w);            /* a sanitizer sees a row that is kept */
            memcpy(row, pixels + y * w, w);
            rs_resampler_row(r, row);
            free(row);
        }
        rs_resampler_free(r);
        for (size_t y = 0; y < win.height; y++)
            for (size_t x = 0; x < win.width; x++)
                if (((uint8_t *)out.pixels)[y * win.width + x] != want[(win.y + y) * W + win.x + x])
                    fail_msg("%zu x %zu to %zu x %zu: (%zu, %zu)", w, h, W, H, win.x + x,
                             win.y + y);
        rs_image_clear(&out);
        free(pixels);
        free(mid);
        free(want);
    }
}

/* ---- Row by row is the whole ------------------------------------------- */

enum { SIDE = 20, FLOATS = 3 * SIDE * SIDE };

static size_t configs(rs_preprocess out[5])
{
    for (size_t i = 0; i < 5; i++)
        rs_preprocess_clip(&out[i], SIDE);
    out[1].keep_aspect = out[1].do_center_crop = false;     /* squashed */
    out[2].do_resize = false;                               /* cropped or padded */
    out[3].resize_height = out[3].resize_width = 33;        /* shorter edge 33, then cropped */
    out[3].resample = RS_RESAMPLE_BILINEAR;
    out[4].resample = RS_RESAMPLE_NEAREST;
    return 5;
}

static void exact_is_decode_and_preprocess(void **state)
{
    rs_preprocess p[5];
    size_t n = configs(p), whole = 0;
    float want[FLOATS], got[FLOATS];

    (void)state;
    for (size_t f = 0; f < n_files; f++)
        for (size_t c = 0; c < n; c++) {
            rs_image im;
            rs_err err = {0}, err2 = {0};
            rs_intake_facts facts;
            rs_status st = rs_image_decode(&im, files[f].bytes, files[f].len, &err);
            rs_status st2 = rs_intake_bytes(&p[c], files[f].bytes, files[f].len, 0, got, &facts,
                                            &err2);
            if (st != st2 || (st != RS_OK && strcmp(err.msg, err2.msg) != 0))
                fail_msg("%s: %s and %s", files[f].name, err.msg, err2.msg);
            if (st != RS_OK)
                continue;
            whole++;
            assert_int_equal(facts.width, im.width);
            assert_int_equal(facts.height, im.height);
            assert_int_equal(facts.eighths, 8);
            assert_int_equal(rs_preprocess_run(&p[c], &im, want, NULL), RS_OK);
            if (memcmp(want, got, sizeof want) != 0)
                fail_msg("%s, config %zu: not the same floats", files[f].name, c);
            rs_image_clear(&im);
        }
    assert_true(whole > 20 * n);
}

/* ---- A JPEG's fraction --------------------------------------------------- */

static void fractions_keep_the_margin(void **state)
{
    static const struct {
        const char *file;
        size_t side;
        bool squash;
        double margin;
        size_t want;
    } rows[] = {
        {"grey film", 20, true, 2, 1},       /* 126 x 98 of 40 wanted */
        {"grey film", 49, true, 2, 2},       /* 97.125 rows are too few for 98 */
        {"grey film", 48, true, 2, 1},
        {"grey film", 100, true, 2, 4},
        {"grey film", 100, false, 2, 4},     /* shorter edge 100: 777 / 8 * 2 < 200 */
        {"grey film", 100, true, 1, 2},
        {"grey film", 300, true, 2, 8},
        {"grey film", 3000, true, 2, 8},     /* never enlarged */
        {"grey film", 20, true, 0, 8},
        {"colour film", 50, true, 2, 2},
        {"film8", 5, true, 2, 8},            /* PNG has no fractions */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const file *f = find(rows[i].file);
        rs_preprocess p;
        rs_intake_facts facts;
        rs_preprocess_clip(&p, rows[i].side);
        p.keep_aspect = !rows[i].squash;
        float *out = malloc(3 * rows[i].side * rows[i].side * sizeof *out);
        assert_int_equal(rs_intake_bytes(&p, f->bytes, f->len, rows[i].margin, out, &facts, NULL),
                         RS_OK);
        if (facts.eighths != rows[i].want)
            fail_msg("row %zu: %zu eighths, wanted %zu", i, facts.eighths, rows[i].want);
        free(out);
    }
}

/* Levels of 255 between a whole decode and a fraction, on bars whose edges show a shift of
 * a tenth of a pixel: 1001 and 777 are no multiples of 8, so the last pixel of a fraction
 * lies across the picture's end. */
static void a_fraction_is_close_to_the_whole(void **state)
{
    static const size_t sides[] = {20, 31, 48, 96, 120};
    static const char *const names[] = {"grey film", "colour film"};

    (void)state;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
            const file *f = find(names[k]);
            size_t n = 3 * sides[i] * sides[i];
            float *whole = malloc(n * sizeof *whole), *part = malloc(n * sizeof *part);
            double sum = 0, worst = 0;
            rs_preprocess p;
            rs_intake_facts facts;
            rs_preprocess_clip(&p, sides[i]);
            p.do_normalize = p.do_rescale = p.keep_aspect = false;
            assert_int_equal(rs_intake_bytes(&p, f->bytes, f->len, 0, whole, NULL, NULL), RS_OK);
            assert_int_equal(rs_intake_bytes(&p, f->bytes, f->len, RS_INTAKE_MARGIN, part, &facts,
                                             NULL), RS_OK);
            for (size_t j = 0; j < n; j++) {
                double d = fabs((double)whole[j] - (double)part[j]);
                sum += d;
                worst = d > worst ? d : worst;
            }
            if (facts.eighths == 8 ? worst > 0 : sum / (double)n > 1 || worst > 12)
                fail_msg("%s at %zu px, %zu/8: mean %.2f, worst %.0f levels", names[k], sides[i],
                         facts.eighths, sum / (double)n, worst);
            free(whole);
            free(part);
        }
}

/* ---- Damage --------------------------------------------------------------- */

/* With so small a target that JPEGs are decoded at a fraction. */
static const double margins[] = {0, RS_INTAKE_MARGIN};

static rs_status take(const char *bytes, size_t len, double margin, rs_err *err)
{
    float out[3 * 2 * 2];
    rs_preprocess p;

    rs_preprocess_clip(&p, 2);
    return rs_intake_bytes(&p, bytes, len, margin, out, NULL, err);
}

/* Every how many bytes a file is damaged: large ones at fewer places. */
static size_t steps(const file *f, size_t places)
{
    return 1 + f->len / (f->len > 8000 ? places / 10 : places);
}

static void every_cut_is_noticed(void **state)
{
    size_t before = rs_alloc_live();

    (void)state;
    for (size_t f = 0; f < n_files; f++) {
        size_t step = steps(&files[f], 200);
        rs_err err = {0};
        if (take(files[f].bytes, files[f].len, 0, &err) != RS_OK)
            continue;
        for (size_t len = 0; len < files[f].len; len += step)
            for (size_t m = 0; m < 2; m++) {
                char *exact = malloc(len ? len : 1);    /* a sanitizer sees a read past it */
                rs_status st;
                memcpy(exact, files[f].bytes, len);
                st = take(exact, len, margins[m], &err);
                if (st != RS_ECORRUPT)
                    fail_msg("%s cut to %zu of %zu: %s", files[f].name, len, files[f].len,
                             rs_status_name(st));
                free(exact);
            }
    }
    assert_int_equal(rs_alloc_live(), before);
}

/* Changed bytes: the verdict is that of a whole decode, and nothing is lost or overrun. */
static void damage_is_judged_alike(void **state)
{
    size_t before = rs_alloc_live();

    (void)state;
    for (size_t f = 0; f < n_files; f++) {
        char *bytes = malloc(files[f].len);
        size_t step = steps(&files[f], 80);
        for (size_t i = 0; i < files[f].len; i += step) {
            rs_image im;
            rs_status want;
            memcpy(bytes, files[f].bytes, files[f].len);
            bytes[i] = (char)(bytes[i] ^ (i % 2 ? 0x80 : 0xff));
            want = rs_image_decode(&im, bytes, files[f].len, NULL);
            rs_image_clear(&im);
            for (size_t m = 0; m < 2; m++) {
                rs_err err = {0};
                rs_status st = take(bytes, files[f].len, margins[m], &err);
                if (st != want)
                    fail_msg("%s, byte %zu, margin %g: %s (%s), a whole decode says %s",
                             files[f].name, i, margins[m], rs_status_name(st), err.msg,
                             rs_status_name(want));
            }
        }
        free(bytes);
    }
    assert_int_equal(rs_alloc_live(), before);
}

/* A header that claims much is refused before memory is taken for it. */
static void bombs_cost_their_header(void **state)
{
    const file *f = find("film8");
    char *bytes = malloc(f->len);
    double start = rs_cpu_s();

    (void)state;
    memcpy(bytes, f->bytes, f->len);
    memcpy(bytes + 16, "\0\0\x75\x30\0\0\x75\x30", 8);          /* 30000 x 30000 */
    for (int i = 0; i < 200; i++) {
        rs_err err = {0};
        size_t total = rs_alloc_total();
        assert_int_equal(take(bytes, f->len, 0, &err), RS_ELIMIT);
        assert_int_equal(rs_alloc_total(), total);
        assert_non_null(strstr(err.msg, "30000 x 30000 pixels"));
    }
    assert_true(rs_cpu_s() - start < 1);
    free(bytes);
}

static void what_does_not_fit_is_refused(void **state)
{
    const file *f = find("film8");
    float out[3 * 4 * 4];
    rs_intake_facts facts;
    rs_preprocess p;
    rs_err err = {0};

    (void)state;
    rs_preprocess_clip(&p, 4);
    p.do_center_crop = false;
    assert_int_equal(rs_intake_bytes(&p, f->bytes, f->len, 0, out, &facts, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "9 x 4 pixels without a crop"));
    assert_int_equal(facts.width, 217);
    assert_int_equal(rs_intake_bytes(&p, "GIF89a", 6, 0, out, NULL, &err), RS_EFORMAT);
    assert_int_equal(rs_intake_bytes(&p, "", 0, 0, out, NULL, &err), RS_ECORRUPT);
}

static void every_failed_allocation_is_told(void **state)
{
    size_t before = rs_alloc_live();

    (void)state;
    for (size_t f = 0; f < n_files; f++) {
        rs_err err = {0};
        rs_status st = RS_ENOMEM;
        if (take(files[f].bytes, files[f].len, 0, &err) != RS_OK)
            continue;
        for (long k = 0; st != RS_OK; k++) {
            rs_alloc_fail_after(k);
            st = take(files[f].bytes, files[f].len, RS_INTAKE_MARGIN, &err);
            rs_alloc_fail_after(-1);
            if (st == RS_OK ? k < 5 : st != RS_ENOMEM || k > 100)
                fail_msg("%s, allocation %ld: %s", files[f].name, k, rs_status_name(st));
        }
    }
    assert_int_equal(rs_alloc_live(), before);
}

/* ---- From paths ------------------------------------------------------------- */

/* Several files on several threads are their bytes; the first that fails is named. */
static void files_are_their_bytes(void **state)
{
    enum { N = 6 };
    const file *film = find("grey film"), *png = find("film16");
    char folder[] = "/tmp/test_intake_XXXXXX", path[N][60];
    const char *paths[N];
    static float want[FLOATS], got[N * FLOATS];
    rs_preprocess p;
    rs_pool *pool;
    rs_err err = {0};

    (void)state;
    rs_preprocess_clip(&p, SIDE);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(rs_pool_new(&pool, 3, NULL), RS_OK);
    for (size_t i = 0; i < N; i++) {
        const file *f = i % 2 ? film : png;
        snprintf(path[i], sizeof path[i], "%s/%zu", folder, i);
        paths[i] = path[i];
        assert_int_equal(rs_file_write(path[i], f->bytes, f->len, NULL), RS_OK);
    }
    for (int threads = 0; threads < 2; threads++) {
        memset(got, 0, sizeof got);
        assert_int_equal(rs_intake_files(&p, paths, N, threads ? pool : NULL, got, &err), RS_OK);
        for (size_t i = 0; i < N; i++) {
            const file *f = i % 2 ? film : png;
            assert_int_equal(rs_intake_bytes(&p, f->bytes, f->len, RS_INTAKE_MARGIN, want, NULL,
                                             NULL), RS_OK);
            assert_memory_equal(want, got + i * FLOATS, sizeof want);
        }
    }
    assert_int_equal(unlink(path[4]), 0);
    assert_int_equal(rs_intake_files(&p, paths, N, pool, got, &err), RS_ENOENT);
    assert_non_null(strstr(err.msg, path[4]));
    assert_int_equal(rs_file_write(path[1], film->bytes, film->len / 2, NULL), RS_OK);
    assert_int_equal(rs_intake_files(&p, paths, N, pool, got, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, path[1]));
    assert_int_equal(rs_intake_files(&p, paths, 0, pool, got, &err), RS_OK);
    for (size_t i = 0; i < N; i++)
        unlink(path[i]);
    rmdir(folder);
    rs_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_give_the_definition),
        cmocka_unit_test(exact_is_decode_and_preprocess),
        cmocka_unit_test(fractions_keep_the_margin),
        cmocka_unit_test(a_fraction_is_close_to_the_whole),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(damage_is_judged_alike),
        cmocka_unit_test(bombs_cost_their_header),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(every_failed_allocation_is_told),
        cmocka_unit_test(files_are_their_bytes),
    };

    return cmocka_run_group_tests(tests, make_files, drop_files);
}
