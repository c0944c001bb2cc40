/* test_augment.c - what augmentation may change, how far, and what it must not.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/augment.h"

#include "base/alloc.h"
#include "embeddings/preprocess.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { S = 64 };                                        /* output side */
static const float ZERO[3] = {0, 0, 0}, ONE[3] = {1, 1, 1};
static float out[3 * S * S];

/* Bytes by f(x, y). */
static rs_image image(size_t side, size_t channels, unsigned (*f)(size_t x, size_t y))
{
    rs_image im;

    assert_int_equal(rs_image_new(&im, side, side, channels, 8, NULL), RS_OK);
    for (size_t i = 0; i < side * side * channels; i++)
        ((uint8_t *)im.pixels)[i] = (uint8_t)(f(i / channels % side, i / channels / side) +
                                              40 * (i % channels));
    return im;
}

static unsigned flat(size_t x, size_t y) { (void)x; (void)y; return 128; }
static unsigned slope(size_t x, size_t y) { (void)y; return (unsigned)x; }
static unsigned chequered(size_t x, size_t y) { return (x + y) % 2 * 255; }
static unsigned left_bright(size_t x, size_t y) { (void)y; return x < 40 ? 200 : 20; }
static unsigned texture(size_t x, size_t y) { return (unsigned)(x * 7 + y * 13 + x * y) & 127; }

static void run(const rs_augment_config *c, const rs_image *im, uint64_t seed)
{
    rs_random r = rs_random_seed(seed);

    assert_int_equal(rs_augment_run(c, im, S, ZERO, ONE, &r, out, NULL), RS_OK);
}

static double mean_where(size_t x0, size_t x1)
{
    double sum = 0;

    for (size_t y = 0; y < S; y++)
        for (size_t x = x0; x < x1; x++)
            sum += (double)out[y * S + x];
    return sum / (double)(S * (x1 - x0));
}

/* ---- Nothing asked for, nothing changed -------------------------------- */

static void none_equals_preprocessing(void **state)
{
    static float want[3 * S * S];

    (void)state;
    for (size_t channels = 1; channels <= 3; channels += 2) {
        rs_image im = image(S, channels, texture);
        rs_random r = rs_random_seed(1);
        rs_augment_config c;
        rs_preprocess p;
        rs_preprocess_clip(&p, S);
        rs_augment_none(&c);
        assert_int_equal(rs_preprocess_run(&p, &im, want, NULL), RS_OK);
        assert_int_equal(rs_augment_run(&c, &im, S, p.mean, p.std, &r, out, NULL), RS_OK);
        for (size_t i = 0; i < 3 * S * S; i++)
            assert_true(fabsf(out[i] - want[i]) < 1e-6f);
        rs_image_clear(&im);
    }
}

/* Shrinking smooths: a pattern finer than the output's pixels becomes its mean instead
 * of stripes. At 1.25 some of it may show, at 2 nothing. */
static void shrinking_does_not_alias(void **state)
{
    static const struct { size_t side; double contrast; } rows[] = {{80, 0.5}, {128, 0.06},
                                                                    {256, 0.01}};
    rs_augment_config c;

    (void)state;
    rs_augment_none(&c);
    for (size_t k = 0; k < 3; k++) {
        rs_image im = image(rows[k].side, 1, chequered);
        run(&c, &im, 1);
        for (size_t y = 4; y < S - 4; y++)
            for (size_t x = 4; x < S - 4; x++)
                assert_true(fabs((double)out[y * S + x] - 0.5) <= rows[k].contrast / 2 + 0.01);
        rs_image_clear(&im);
    }
}

static void same_numbers_same_pixels(void **state)
{
    static float first[3 * S * S];
    rs_image im = image(80, 1, texture);
    rs_augment_config c;

    (void)state;
    rs_augment_defaults(&c);
    c.erase = 0.5;
    run(&c, &im, 7);
    memcpy(first, out, sizeof out);
    run(&c, &im, 7);
    assert_memory_equal(first, out, sizeof out);
    run(&c, &im, 8);
    assert_memory_not_equal(first, out, sizeof out);
    rs_image_clear(&im);
}

/* ---- Geometry ------------------------------------------------------------ */

/* A quarter of the area is half the side: grey rises half as steeply, wherever the crop
 * lies, and it lies anywhere it fits and nowhere else. */
static void crops_lie_within(void **state)
{
    rs_image im = image(2 * S, 1, slope);
    double least = 1, most = 0;
    rs_augment_config c;

    (void)state;
    rs_augment_none(&c);
    c.scale_min = c.scale_max = 0.25;
    for (uint64_t seed = 0; seed < 200; seed++) {
        run(&c, &im, seed);
        double begin = (double)out[S * S / 2 + 2], end = (double)out[S * S / 2 + S - 3];
        assert_true(fabs((end - begin) * 255 - (S - 5)) < 0.1);
        assert_true(begin * 255 > 1.9 && end * 255 < 2 * S - 2.9);
        least = begin < least ? begin : least;
        most = end > most ? end : most;
    }
    assert_true(least * 255 < 5 && most * 255 > 2 * S - 6);
    rs_image_clear(&im);
}

static void left_stays_left_unless_asked(void **state)
{
    rs_image im = image(80, 1, left_bright);
    size_t mirrored = 0;
    rs_augment_config c;

    (void)state;
    rs_augment_defaults(&c);
    for (uint64_t seed = 0; seed < 300; seed++) {
        run(&c, &im, seed);
        assert_true(mean_where(0, S / 2) > mean_where(S / 2, S));
    }
    c.flip = 0.5;
    for (uint64_t seed = 0; seed < 400; seed++) {
        run(&c, &im, seed);
        mirrored += mean_where(0, S / 2) < mean_where(S / 2, S);
    }
    assert_in_range(mirrored, 150, 250);
    rs_augment_none(&c);
    c.flip = 1;
    run(&c, &im, 1);
    assert_true(out[0] < 0.1f && out[S - 1] > 0.7f);
    rs_image_clear(&im);
}

static void far_outside_is_black(void **state)
{
    rs_image im = image(80, 3, flat);
    rs_augment_config c;

    (void)state;
    rs_augment_none(&c);
    c.scale_min = c.scale_max = 4;                      /* the image fills the middle half */
    run(&c, &im, 1);
    for (size_t k = 0; k < 3; k++) {
        float middle = out[k * S * S + S * S / 2 + S / 2];
        assert_true(out[k * S * S] == 0 && out[k * S * S + S - 1] == 0);
        assert_true(fabsf(middle - (128 + 40 * (float)k) / 255) < 1e-4f);
    }
    rs_image_clear(&im);
}

/* Turning about the middle leaves the middle where it was, and turns both ways. */
static void turns_both_ways(void **state)
{
    rs_image im = image(2 * S, 1, slope);
    double lowest = 0, highest = 0;
    rs_augment_config c;

    (void)state;
    rs_augment_none(&c);
    c.rotate = 10;
    for (uint64_t seed = 0; seed < 100; seed++) {
        run(&c, &im, seed);
        size_t at = S * S / 2 + S / 2;
        double across = (double)(out[at + 8] - out[at - 8]);
        double down = (double)(out[at + 8 * S] - out[at - 8 * S]);
        double turn = atan2(down, across) * 180 / 3.14159265358979;
        assert_true(fabs((double)out[at] * 255 - (S + 0.5)) < 2);
        lowest = turn < lowest ? turn : lowest;
        highest = turn > highest ? turn : highest;
    }
    assert_true(lowest > -10.2 && lowest < -8 && highest < 10.2 && highest > 8);
    rs_image_clear(&im);
}

/* ---- Tone, blur, noise, erasing -------------------------------------------- */

static double variance(void)
{
    double sum = 0, squares = 0, n = S * S;

    for (size_t i = 0; i < S * S; i++) {
        sum += (double)out[i];
        squares += (double)(out[i] * out[i]);
    }
    return squares / n - sum / n * (sum / n);
}

/* Each knob alone, over 200 draws: what it must reach and what it may not pass. */
static void tone_moves_as_far_as_asked(void **state)
{
    static const struct {
        const char *what;
        double brightness, contrast, gamma;
        double least, most;             /* of the change of a pixel of 128 or of 240 */
    } rows[] = {
        {"brightness", 0.1, 0, 0, -0.1, 0.1},
        {"contrast", 0, 0.3, 0, -0.0634, 0.0589},   /* 240, mean 170: at 255 it ends */
        {"gamma", 0, 0, 0.3, -0.1, 0.091},          /* 0.502^1.3 and 0.502^(1/1.3) */
    };
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        rs_image im = image(S, 1, flat);
        double lowest = 1, highest = -1;
        rs_augment_config c;
        bool contrast = rows[k].contrast > 0;
        size_t n = S * S;
        rs_augment_none(&c);
        c.brightness = rows[k].brightness;
        c.contrast = rows[k].contrast;
        c.gamma = rows[k].gamma;
        for (size_t i = 0; contrast && i < n; i++)
            ((uint8_t *)im.pixels)[i] = i < n * 10 / 16 ? 128 : 240;
        for (uint64_t seed = 0; seed < 200; seed++) {
            run(&c, &im, seed);
            double change = (double)out[n - 1] - (contrast ? 240 : 128) / 255.0;
            lowest = change < lowest ? change : lowest;
            highest = change > highest ? change : highest;
        }
        if (lowest < rows[k].least || lowest > 0.8 * rows[k].least ||
            highest > rows[k].most || highest < 0.8 * rows[k].most)
            fail_msg("%s: %.4f..%.4f", rows[k].what, lowest, highest);
        rs_image_clear(&im);
    }
}

static void blur_smooths_and_keeps_the_mean(void **state)
{
    rs_image im = image(S, 1, texture);
    rs_augment_config c;

    (void)state;
    rs_augment_none(&c);
    run(&c, &im, 1);
    double before = variance(), mean = mean_where(8, S - 8), least = before;
    c.blur = 2;
    for (uint64_t seed = 0; seed < 20; seed++) {
        run(&c, &im, seed);
        double after = variance();
        assert_true(after <= before + 1e-9);
        assert_true(fabs(mean_where(8, S - 8) - mean) < 0.05);
        least = after < least ? after : least;
    }
    assert_true(least < 0.5 * before);
    rs_image_clear(&im);
}

static void noise_is_as_strong_as_asked_and_grey(void **state)
{
    rs_image im = image(S, 1, flat);
    double strongest = 0;
    rs_augment_config c;

    (void)state;
    rs_augment_none(&c);
    c.noise = 0.1;
    for (uint64_t seed = 0; seed < 100; seed++) {
        run(&c, &im, seed);
        double deviation = sqrt(variance());
        assert_true(deviation < 0.1 * 1.04);
        assert_true(fabs(mean_where(0, S) - 128 / 255.0) < 0.1 * 5 / S);
        strongest = deviation > strongest ? deviation : strongest;
        for (size_t i = 0; i < S * S; i++)
            assert_true(out[i] == out[S * S + i] && out[i] == out[2 * S * S + i]);
    }
    assert_true(strongest > 0.09);
    rs_image_clear(&im);
}

static void erasing_covers_what_was_asked(void **state)
{
    rs_image im = image(S, 1, chequered);
    rs_augment_config c;

    (void)state;
    rs_augment_none(&c);
    c.erase = 1;
    c.erase_area = 0.1;
    for (uint64_t seed = 0; seed < 50; seed++) {
        size_t covered = 0;
        run(&c, &im, seed);
        for (size_t i = 0; i < S * S; i++)
            covered += out[i] == 0.5f;
        assert_in_range(covered, S * S / 40, S * S * 14 / 100);     /* whole rows and columns */
    }
    rs_image_clear(&im);
}

static void everything_at_once_stays_in_range(void **state)
{
    (void)state;
    for (size_t side = 1; side <= 200; side = side * 3 + 1)
        for (uint64_t seed = 0; seed < 40; seed++) {
            rs_image im = image(side, seed % 2 ? 3 : 1, texture);
            rs_augment_config c = {
                .scale_min = 0.01, .scale_max = 4, .aspect = 4, .rotate = 180, .shift = 1,
                .flip = 0.5, .brightness = 1, .contrast = 10, .gamma = 10, .noise = 1, .blur = 8,
                .erase = 0.5, .erase_area = 1,
            };
            run(&c, &im, seed);
            for (size_t i = 0; i < 3 * S * S; i++)
                assert_true(out[i] >= 0 && out[i] <= 1);
            rs_image_clear(&im);
        }
}

/* ---- Settings ---------------------------------------------------------------- */

static void settings_are_read(void **state)
{
    static const struct { const char *json; rs_status want; const char *says; } rows[] = {
        {"{\"rotate\": 5, \"flip\": 0.5}", RS_OK, ""},
        {"{}", RS_OK, ""},
        {"{\"rotaet\": 5}", RS_ECORRUPT, "train.json: augment: rotaet: no such field"},
        {"{\"rotate\": -5}", RS_ECORRUPT, "rotate: -5 is not within 0..180"},
        {"{\"rotate\": \"5\"}", RS_ECORRUPT, "rotate: wanted a number"},
        {"{\"aspect\": 0.5}", RS_ECORRUPT, "aspect: 0.5 is not within 1..4"},
        {"{\"scale_min\": 2}", RS_ECORRUPT, "scale_min 2 is above scale_max"},
        {"[]", RS_ECORRUPT, "wanted an object"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_augment_config c, before;
        rs_err err = {0};
        json_t *doc = json_loads(rows[i].json, 0, NULL);
        rs_augment_defaults(&c);
        before = c;
        rs_status st = rs_augment_read(&c, (rs_json_at){doc, "train.json: augment"}, &err);
        if (st != rows[i].want || !strstr(err.msg, rows[i].says))
            fail_msg("%s: %s, \"%s\"", rows[i].json, rs_status_name(st), err.msg);
        if (i == 0)
            assert_true(c.rotate == 5 && c.flip == 0.5 && c.noise == before.noise);
        else
            assert_memory_equal(&c, &before, sizeof c);
        json_decref(doc);
    }
    rs_augment_config c, before;
    rs_augment_none(&c);
    before = c;
    assert_int_equal(rs_augment_read(&c, (rs_json_at){NULL, ""}, NULL), RS_OK);
    assert_memory_equal(&c, &before, sizeof c);
    assert_true(c.flip == 0);
}

static void every_setting_is_described(void **state)
{
    static const char *const names[] = {"scale_min", "scale_max", "aspect", "rotate", "shift",
        "flip", "brightness", "contrast", "gamma", "noise", "blur", "erase", "erase_area"};
    rs_buf text = {0};

    (void)state;
    assert_int_equal(sizeof names / sizeof *names, sizeof(rs_augment_config) / sizeof(double));
    rs_augment_describe(&text);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_non_null(strstr(text.data, names[i]));
    rs_buf_clear(&text);
}

static void refuses_and_survives_lack_of_memory(void **state)
{
    rs_image im = image(80, 3, texture), deep, empty = {0};
    size_t before = rs_alloc_live();
    rs_random r = rs_random_seed(1);
    rs_status st = RS_ENOMEM;
    rs_augment_config c;

    (void)state;
    rs_augment_defaults(&c);
    assert_int_equal(rs_image_new(&deep, 4, 4, 1, 16, NULL), RS_OK);
    assert_int_equal(rs_augment_run(&c, &deep, S, ZERO, ONE, &r, out, NULL), RS_EARG);
    assert_int_equal(rs_augment_run(&c, &empty, S, ZERO, ONE, &r, out, NULL), RS_EARG);
    assert_int_equal(rs_augment_run(&c, &im, 0, ZERO, ONE, &r, out, NULL), RS_EARG);
    rs_image_clear(&deep);
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_augment_run(&c, &im, S, ZERO, ONE, &r, out, NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK ? k > 0 : st == RS_ENOMEM && k < 5);
    }
    assert_int_equal(rs_alloc_live(), before);
    rs_image_clear(&im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_equals_preprocessing),
        cmocka_unit_test(shrinking_does_not_alias),
        cmocka_unit_test(same_numbers_same_pixels),
        cmocka_unit_test(crops_lie_within),
        cmocka_unit_test(left_stays_left_unless_asked),
        cmocka_unit_test(far_outside_is_black),
        cmocka_unit_test(turns_both_ways),
        cmocka_unit_test(tone_moves_as_far_as_asked),
        cmocka_unit_test(blur_smooths_and_keeps_the_mean),
        cmocka_unit_test(noise_is_as_strong_as_asked_and_grey),
        cmocka_unit_test(erasing_covers_what_was_asked),
        cmocka_unit_test(everything_at_once_stays_in_range),
        cmocka_unit_test(settings_are_read),
        cmocka_unit_test(every_setting_is_described),
        cmocka_unit_test(refuses_and_survives_lack_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
