/* test_preprocess.c - resizing equals PIL to the bit, preprocessing equals the
 * published processors; golden files by tests/reference/preprocess.py.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/preprocess.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/json.h"
#include "embeddings/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define DATA "tests/data"

/* ---- The picture that both languages make ----------------------------- */

static rs_image pattern(size_t width, size_t height, size_t channels, size_t depth)
{
    rs_image im;
    rs_err err;

    assert_int_equal(rs_image_new(&im, width, height, channels, depth, &err), RS_OK);
    for (size_t i = 0; i < width * height * channels; i++) {
        uint32_t c = (uint32_t)(i % channels), x = (uint32_t)(i / channels % width);
        uint32_t y = (uint32_t)(i / channels / width);
        uint32_t h = x * 374761393u + y * 668265263u + c * 2246822519u;
        uint32_t v = x * 5 + y * 3 + c * 40;
        h = (h ^ (h >> 13)) * 1274126177u;
        if (depth == 16)
            ((uint16_t *)im.pixels)[i] = (uint16_t)((v * 16 + (h >> 24)) % 4096 + 900);
        else
            ((uint8_t *)im.pixels)[i] = (uint8_t)(v + ((h >> 24) & 63));
    }
    return im;
}

static json_t *golden(const char *list)
{
    rs_err err;
    json_t *doc, *v;

    if (rs_json_load(&doc, DATA "/preprocess.json", 1 << 20, &err) != RS_OK)
        fail_msg("%s", err.msg);
    v = json_incref(json_object_get(doc, list));
    json_decref(doc);
    assert_true(json_array_size(v) > 50);
    return v;
}

static size_t num(const json_t *row, const char *key)
{
    return (size_t)json_integer_value(json_object_get(row, key));
}

static const char *str(const json_t *row, const char *key)
{
    return json_string_value(json_object_get(row, key));
}

static void assert_digest(const void *bytes, size_t n, const json_t *row)
{
    char hex[RS_SHA256_HEX];

    assert_int_equal(rs_sha256_of(hex, bytes, n, NULL), RS_OK);
    if (strcmp(hex, str(row, "sha256")) != 0) {
        char *text = rs_json_text(row);
        print_error("differs from the reference: %s\n", text);
        rs_free(text);
    }
    assert_string_equal(hex, str(row, "sha256"));
}

/* ---- Resizing ---------------------------------------------------------- */

static rs_resample filter_named(const char *name)
{
    static const char *const names[] = {
        [RS_RESAMPLE_NEAREST] = "nearest", [RS_RESAMPLE_BILINEAR] = "bilinear",
        [RS_RESAMPLE_BICUBIC] = "bicubic", [RS_RESAMPLE_LANCZOS] = "lanczos",
    };
    size_t i = 0;

    while (strcmp(names[i], name) != 0)
        i++;
    return (rs_resample)i;
}

static void resize_equals_pil_to_the_bit(void **state)
{
    json_t *rows = golden("resize"), *row;
    size_t i;

    (void)state;
    json_array_foreach(rows, i, row) {
        rs_image im = pattern(num(row, "width"), num(row, "height"), num(row, "channels"), 8), out;
        json_t *begins = json_object_get(row, "begins");

        assert_int_equal(rs_image_resize(&out, &im, num(row, "to_width"), num(row, "to_height"),
                                         filter_named(str(row, "resample")), NULL), RS_OK);
        assert_int_equal(out.channels, im.channels);
        for (size_t k = 0; k < json_array_size(begins); k++)
            assert_int_equal(((uint8_t *)out.pixels)[k],
                             json_integer_value(json_array_get(begins, k)));
        assert_digest(out.pixels, out.width * out.height * out.channels, row);
        rs_image_clear(&im);
        rs_image_clear(&out);
    }
    json_decref(rows);
}

/* An 8-bit picture times 256, resized in 16 bits, is the 8-bit result times 256 but for
 * what rounding to 8 bits between the passes costs. */
static void sixteen_bits_follow_eight(void **state)
{
    static const rs_resample how[] = {RS_RESAMPLE_NEAREST, RS_RESAMPLE_BILINEAR};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        rs_image small = pattern(50, 40, 3, 8), large, a, b;

        assert_int_equal(rs_image_new(&large, 50, 40, 3, 16, NULL), RS_OK);
        for (size_t i = 0; i < 50 * 40 * 3; i++)
            ((uint16_t *)large.pixels)[i] = (uint16_t)(((uint8_t *)small.pixels)[i] << 8);
        assert_int_equal(rs_image_resize(&a, &small, 23, 61, how[k], NULL), RS_OK);
        assert_int_equal(rs_image_resize(&b, &large, 23, 61, how[k], NULL), RS_OK);
        assert_int_equal(b.depth, 16);
        for (size_t i = 0; i < 23 * 61 * 3; i++) {
            int want = ((uint8_t *)a.pixels)[i] << 8, got = ((uint16_t *)b.pixels)[i];
            assert_in_range(got + 300, want, want + 600);
        }
        rs_image_clear(&small);
        rs_image_clear(&large);
        rs_image_clear(&a);
        rs_image_clear(&b);
    }
}

/* Flat stays flat through every kernel, at the ends of the range, where a rounding
 * slip or an overshoot would show. */
static void flat_stays_flat(void **state)
{
    static const unsigned values[] = {0, 1, 127, 254, 255};

    (void)state;
    for (size_t how = 0; how <= RS_RESAMPLE_LANCZOS; how++)
        for (size_t v = 0; v < 5; v++)
            for (size_t depth = 8; depth <= 16; depth += 8) {
                rs_image im, out;
                assert_int_equal(rs_image_new(&im, 31, 9, 1, depth, NULL), RS_OK);
                memset(im.pixels, (int)values[v], 31 * 9 * depth / 8);
                assert_int_equal(rs_image_resize(&out, &im, 13, 40, (rs_resample)how, NULL), RS_OK);
                for (size_t i = 0; i < 13 * 40 * depth / 8; i++)
                    assert_int_equal(((uint8_t *)out.pixels)[i], values[v]);
                rs_image_clear(&im);
                rs_image_clear(&out);
            }
}

static void resize_refuses(void **state)
{
    rs_image im = pattern(8, 8, 1, 8), empty = {0}, out;

    (void)state;
    assert_int_equal(rs_image_resize(&out, &im, 0, 5, RS_RESAMPLE_BICUBIC, NULL), RS_EARG);
    assert_null(out.pixels);
    assert_int_equal(rs_image_resize(&out, &im, 5, 40000, RS_RESAMPLE_BICUBIC, NULL), RS_EARG);
    assert_int_equal(rs_image_resize(&out, &empty, 5, 5, RS_RESAMPLE_BICUBIC, NULL), RS_EARG);
    rs_image_clear(&im);
}

/* ---- Preprocessing ------------------------------------------------------ */

static rs_preprocess config_named(const char *name)
{
    char path[200];
    rs_preprocess p;
    rs_err err;

    snprintf(path, sizeof path, DATA "/preprocess/%s.json", name);
    if (rs_preprocess_load(&p, path, 224, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return p;
}

static rs_image image_of(const json_t *row)
{
    char path[200];
    rs_image im;
    rs_err err;

    if (!str(row, "file"))
        return pattern(num(row, "width"), num(row, "height"), num(row, "channels"),
                       num(row, "depth"));
    snprintf(path, sizeof path, DATA "/images/%s", str(row, "file"));
    if (rs_image_load(&im, path, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return im;
}

static void assert_pixels_equal(const rs_preprocess *p, const rs_image *im, const json_t *row)
{
    size_t n = 3 * p->crop_height * p->crop_width;
    const json_t *spots = json_object_get(row, "at");
    rs_preprocess plain = *p;
    float *out = rs_calloc(n, sizeof *out);
    uint8_t *bytes = rs_calloc(n, 1);

    assert_int_equal(p->crop_height, num(row, "out_height"));
    assert_int_equal(p->crop_width, num(row, "out_width"));
    assert_int_equal(rs_preprocess_run(p, im, out, NULL), RS_OK);
    for (size_t k = 0; k < json_array_size(spots); k++) {
        const json_t *s = json_array_get(spots, k);
        size_t at[3];
        double want = json_number_value(json_array_get(s, 3));
        for (size_t i = 0; i < 3; i++)
            at[i] = (size_t)json_integer_value(json_array_get(s, i));
        double got = (double)out[(at[0] * p->crop_height + at[1]) * p->crop_width + at[2]];
        if (fabs(got - want) > 1e-6 * (1 + fabs(want)))
            fail_msg("%s: spot %zu: %.9g, the reference has %.9g", str(row, "config"), k, got,
                     want);
    }
    plain.do_rescale = plain.do_normalize = false;
    assert_int_equal(rs_preprocess_run(&plain, im, out, NULL), RS_OK);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)out[i];
    assert_digest(bytes, n, row);
    rs_free(out);
    rs_free(bytes);
}

/* 17 configs in every published spelling, on 6 shapes, both depths, and files of every
 * PNG kind that PIL writes. */
static void run_equals_the_published_processors(void **state)
{
    json_t *rows = golden("process"), *row;
    size_t i;

    (void)state;
    json_array_foreach(rows, i, row) {
        rs_preprocess p = config_named(str(row, "config"));
        rs_image im = image_of(row);

        assert_pixels_equal(&p, &im, row);
        rs_image_clear(&im);
    }
    json_decref(rows);
}

/* A strip 32768 long would be 7 million pixels long at 224: only the crop is made. */
static void extreme_shapes_cost_only_the_crop(void **state)
{
    static const size_t sizes[][2] = {{RS_IMAGE_MAX_SIDE, 1}, {1, RS_IMAGE_MAX_SIDE}, {1, 1}};
    float *out = rs_calloc(3 * 224 * 224, sizeof *out);
    rs_preprocess p;

    (void)state;
    rs_preprocess_clip(&p, 224);
    for (size_t i = 0; i < 3; i++) {
        rs_image im;
        assert_int_equal(rs_image_new(&im, sizes[i][0], sizes[i][1], 1, 8, NULL), RS_OK);
        memset(im.pixels, 255, sizes[i][0] * sizes[i][1]);
        assert_int_equal(rs_preprocess_run(&p, &im, out, NULL), RS_OK);
        for (size_t k = 0; k < 224 * 224; k++)
            assert_true(fabsf(out[k] - (1 - p.mean[0]) / p.std[0]) < 1e-6f);
        rs_image_clear(&im);
    }
    rs_free(out);
}

/* 16-bit grey by its own range, rounded half up; 16-bit colour by its high byte. */
static void sixteen_bits_are_scaled(void **state)
{
    static const uint16_t grey[4] = {1000, 1001, 1002, 1510};       /* 510 steps: halves occur */
    static const float want_grey[4] = {0, 1, 1, 255};
    static const uint16_t rgb[3] = {0x1234, 0xffff, 0x00ff};
    static const float want_rgb[3] = {0x12, 0xff, 0};
    float out[12];
    rs_preprocess p;
    rs_image im;

    (void)state;
    rs_preprocess_clip(&p, 2);
    p.do_resize = p.do_rescale = p.do_normalize = false;
    assert_int_equal(rs_image_new(&im, 2, 2, 1, 16, NULL), RS_OK);
    memcpy(im.pixels, grey, sizeof grey);
    assert_int_equal(rs_preprocess_run(&p, &im, out, NULL), RS_OK);
    for (size_t i = 0; i < 12; i++)
        assert_true(out[i] == want_grey[i % 4]);
    for (size_t i = 0; i < 4; i++)
        ((uint16_t *)im.pixels)[i] = 777;                           /* flat: no range */
    assert_int_equal(rs_preprocess_run(&p, &im, out, NULL), RS_OK);
    for (size_t i = 0; i < 12; i++)
        assert_true(out[i] == 0);
    rs_image_clear(&im);

    p.crop_width = p.crop_height = 1;
    assert_int_equal(rs_image_new(&im, 1, 1, 3, 16, NULL), RS_OK);
    memcpy(im.pixels, rgb, sizeof rgb);
    assert_int_equal(rs_preprocess_run(&p, &im, out, NULL), RS_OK);
    for (size_t i = 0; i < 3; i++)
        assert_true(out[i] == want_rgb[i]);
    rs_image_clear(&im);
}

/* Where the image is smaller than the crop, black surrounds it, the odd row on top. */
static void small_images_are_padded(void **state)
{
    static const struct { size_t side, crop, first; } rows[] = {
        {1, 2, 1}, {1, 3, 1}, {2, 5, 2}, {3, 4, 1}, {4, 4, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t side = rows[i].side, crop = rows[i].crop, first = rows[i].first;
        float out[3 * 25];
        rs_preprocess p;
        rs_image im;
        rs_preprocess_clip(&p, crop);
        p.do_resize = p.do_rescale = p.do_normalize = false;
        assert_int_equal(rs_image_new(&im, side, side, 1, 8, NULL), RS_OK);
        memset(im.pixels, 9, side * side);
        assert_int_equal(rs_preprocess_run(&p, &im, out, NULL), RS_OK);
        for (size_t k = 0; k < 3 * crop * crop; k++) {
            size_t x = k % crop, y = k / crop % crop;
            bool inside = x >= first && x < first + side && y >= first && y < first + side;
            assert_true(out[k] == (inside ? 9.0f : 0.0f));
        }
        rs_image_clear(&im);
    }
}

static void without_a_crop_the_size_must_fit(void **state)
{
    float out[3 * 16];
    rs_preprocess p;
    rs_image im = pattern(8, 6, 1, 8);
    rs_err err;

    (void)state;
    rs_preprocess_clip(&p, 4);
    p.do_center_crop = false;
    assert_int_equal(rs_preprocess_run(&p, &im, out, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "5 x 4 pixels without a crop"));
    rs_image_clear(&im);
}

/* ---- Configs ------------------------------------------------------------ */

static void save_then_load_is_the_same(void **state)
{
    static const char *const names[] = {"clip_numbers", "exact_size", "no_crop", "siglip",
                                        "lanczos_no_rescale", "bilinear_no_norm", "rescale_127"};
    char path[] = "/tmp/test_preprocess_XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        rs_preprocess a = config_named(names[i]), b;
        assert_int_equal(rs_preprocess_save(&a, path, NULL), RS_OK);
        assert_int_equal(rs_preprocess_load(&b, path, 99, NULL), RS_OK);
        assert_int_equal(a.do_resize, b.do_resize);
        assert_int_equal(a.do_center_crop, b.do_center_crop);
        assert_int_equal(a.do_rescale, b.do_rescale);
        assert_int_equal(a.do_normalize, b.do_normalize);
        assert_int_equal(a.keep_aspect, b.keep_aspect);
        assert_int_equal(a.resize_height, b.resize_height);
        assert_int_equal(a.resize_width, b.resize_width);
        assert_int_equal(a.crop_height, b.crop_height);
        assert_int_equal(a.crop_width, b.crop_width);
        assert_int_equal(a.resample, b.resample);
        assert_true(a.rescale == b.rescale);
        assert_memory_equal(a.mean, b.mean, sizeof a.mean);
        assert_memory_equal(a.std, b.std, sizeof a.std);
    }
    unlink(path);
}

static void a_missing_file_gives_clips_defaults(void **state)
{
    rs_preprocess p;

    (void)state;
    assert_int_equal(rs_preprocess_load(&p, DATA "/no/such.json", 160, NULL), RS_OK);
    assert_int_equal(p.crop_width, 160);
    assert_int_equal(p.resize_height, 160);
    assert_true(p.keep_aspect && p.do_center_crop && p.resample == RS_RESAMPLE_BICUBIC);
    assert_true(p.mean[2] == 0.40821073f && p.std[0] == 0.26862954f);
}

static void damaged_configs_name_the_field(void **state)
{
    static const struct { const char *json; rs_status want; const char *names; } rows[] = {
        {"[]", RS_ECORRUPT, "not a JSON object"},
        {"{", RS_ECORRUPT, "line 1"},
        {"{\"size\": \"224\"}", RS_ECORRUPT, "size: wanted an integer, found a string"},
        {"{\"size\": 0}", RS_ECORRUPT, "size: 0 is not within 1..4096"},
        {"{\"size\": 1e3}", RS_ECORRUPT, "size: wanted an integer"},
        {"{\"size\": {\"height\": 3}}", RS_ECORRUPT, "size: width is missing"},
        {"{\"size\": {\"shortest_edge\": 99999}}", RS_ECORRUPT, "size: shortest_edge: 99999"},
        {"{\"size\": [224, -1]}", RS_ECORRUPT, "size: 224 x -1"},
        {"{\"size\": [224]}", RS_ECORRUPT, "size: wanted an integer, found a list"},
        {"{\"crop_size\": {\"shortest_edge\": 9}}", RS_ECORRUPT, "crop_size: wanted height"},
        {"{\"resample\": \"cubic\"}", RS_ECORRUPT, "resample: wanted an integer"},
        {"{\"resample\": 4}", RS_EFORMAT, "resample: 4"},
        {"{\"resample\": 6}", RS_ECORRUPT, "resample: 6 is not within"},
        {"{\"image_mean\": [0.5, 0.5]}", RS_ECORRUPT, "image_mean: wanted three numbers"},
        {"{\"image_mean\": \"x\"}", RS_ECORRUPT, "image_mean: wanted three numbers"},
        {"{\"image_mean\": [0, 0, \"x\"]}", RS_ECORRUPT, "image_mean[2]"},
        {"{\"image_std\": [1, 0, 1]}", RS_ECORRUPT, "image_std[1]"},
        {"{\"do_resize\": 1}", RS_ECORRUPT, "do_resize: wanted true or false"},
        {"{\"rescale_factor\": -1}", RS_ECORRUPT, "rescale_factor: -1"},
        {"{\"image_processor_type\": \"BlipImageProcessor\"}", RS_EFORMAT, "BlipImageProcessor"},
        {"{\"image_processor_type\": 3}", RS_ECORRUPT, "image_processor_type"},
    };
    char path[] = "/tmp/test_preprocess_XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_preprocess p;
        rs_err err = {0};
        assert_int_equal(rs_file_write(path, rows[i].json, strlen(rows[i].json), NULL), RS_OK);
        rs_status st = rs_preprocess_load(&p, path, 224, &err);
        if (st != rows[i].want || !strstr(err.msg, rows[i].names) || !strstr(err.msg, path))
            fail_msg("%s: %s, \"%s\"", rows[i].json, rs_status_name(st), err.msg);
    }
    unlink(path);
}

/* A list [height, width] and one number for all channels are spellings too. */
static void rarer_spellings(void **state)
{
    static const char json[] = "{\"size\": [50, 60], \"image_mean\": 0.25, \"image_std\": 2,"
                               " \"crop_size\": [40, 30]}";
    char path[] = "/tmp/test_preprocess_XXXXXX";
    int fd = mkstemp(path);
    rs_preprocess p;

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(rs_file_write(path, json, strlen(json), NULL), RS_OK);
    assert_int_equal(rs_preprocess_load(&p, path, 224, NULL), RS_OK);
    assert_false(p.keep_aspect);
    assert_int_equal(p.resize_height, 50);
    assert_int_equal(p.resize_width, 60);
    assert_int_equal(p.crop_height, 40);
    assert_int_equal(p.crop_width, 30);
    assert_true(p.mean[2] == 0.25f && p.std[1] == 2);
    unlink(path);
}

/* ---- Memory -------------------------------------------------------------- */

static void every_failed_allocation_is_told(void **state)
{
    static const size_t depths[] = {8, 16};
    float *out = rs_calloc(3 * 16 * 16, sizeof *out);
    size_t before = rs_alloc_live();

    (void)state;
    for (size_t d = 0; d < 2; d++)
        for (size_t how = 0; how <= RS_RESAMPLE_LANCZOS; how++) {
            rs_image im = pattern(40, 30, 1, depths[d]), part;
            rs_status st = RS_ENOMEM;
            rs_preprocess p;
            rs_preprocess_clip(&p, 16);
            p.resample = (rs_resample)how;
            for (long k = 0; st != RS_OK; k++) {
                rs_alloc_fail_after(k);
                st = rs_preprocess_run(&p, &im, out, NULL);
                rs_alloc_fail_after(-1);
                assert_true(st == RS_OK || st == RS_ENOMEM);
                assert_true(k < 30);
            }
            st = RS_ENOMEM;
            for (long k = 0; st != RS_OK; k++) {
                rs_alloc_fail_after(k);
                st = rs_image_resize(&part, &im, 9, 7, (rs_resample)how, NULL);
                rs_alloc_fail_after(-1);
                assert_true(st == RS_OK || (st == RS_ENOMEM && !part.pixels));
            }
            rs_image_clear(&part);
            rs_image_clear(&im);
        }
    assert_int_equal(rs_alloc_live(), before);
    rs_free(out);
}

/* The crop of pictures that it cannot be in the middle of: torchvision's rounding. */
static void run_equals_open_clips(void **state)
{
    static const size_t sizes[8][2] = {{45, 24}, {24, 47}, {31, 12}, {12, 31},
                                       {13, 50}, {50, 13}, {17, 64}, {9, 40}};
    enum { FLOATS = 3 * 12 * 12 };
    rs_tensors *t;
    const rs_tensor *want;
    rs_preprocess p;
    rs_err err = {0};

    (void)state;
    assert_int_equal(rs_preprocess_open(&p, DATA "/biomed_tiny", RS_PROCESSOR_CLIP, 12, &err), RS_OK);
    assert_int_equal(rs_tensors_open(&t, DATA "/open_clip_pixels.safetensors", &err), RS_OK);
    want = rs_tensors_find(t, "pixels");
    assert_int_equal(want->count, 8 * FLOATS);
    for (size_t i = 0; i < 8; i++) {
        rs_image im = pattern(sizes[i][0], sizes[i][1], 3, 8);
        float got[FLOATS], x;
        assert_int_equal(rs_preprocess_run(&p, &im, got, &err), RS_OK);
        for (size_t k = 0; k < FLOATS; k++) {
            memcpy(&x, want->data + (i * FLOATS + k) * sizeof x, sizeof x);
            if (!(fabsf(got[k] - x) < 1e-5f))
                fail_msg("%zu x %zu: number %zu is %g, open_clip has %g", sizes[i][0], sizes[i][1],
                         k, (double)got[k], (double)x);
        }
        rs_image_clear(&im);
    }
    rs_tensors_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resize_equals_pil_to_the_bit),
        cmocka_unit_test(sixteen_bits_follow_eight),
        cmocka_unit_test(flat_stays_flat),
        cmocka_unit_test(resize_refuses),
        cmocka_unit_test(run_equals_the_published_processors),
        cmocka_unit_test(run_equals_open_clips),
        cmocka_unit_test(extreme_shapes_cost_only_the_crop),
        cmocka_unit_test(sixteen_bits_are_scaled),
        cmocka_unit_test(small_images_are_padded),
        cmocka_unit_test(without_a_crop_the_size_must_fit),
        cmocka_unit_test(save_then_load_is_the_same),
        cmocka_unit_test(a_missing_file_gives_clips_defaults),
        cmocka_unit_test(damaged_configs_name_the_field),
        cmocka_unit_test(rarer_spellings),
        cmocka_unit_test(every_failed_allocation_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
