/* test_phash.c - the perceptual hash: against its definition, what it does not see, what it
 * tells apart.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/phash.h"

#include "embeddings/intake.h"
#include "scratch.h"

#include <math.h>

enum { SIDE = 128, PLANE = SIDE * SIDE };

static const uint64_t GOLDEN = 0xbaf99cebe0d0a2c0;

static float *planes(size_t height, size_t width)
{
    float *x = rs_calloc(3 * height * width, sizeof *x);

    assert_non_null(x);
    return x;
}

/* Blobs of scratch.h as an encoder's input, with `preprocess`. */
static void prepare(float *out, const rs_image *im)
{
    rs_preprocess p;
    rs_err err = {0};

    rs_preprocess_clip(&p, SIDE);
    p.keep_aspect = false;
    ok(rs_preprocess_run(&p, im, out, &err), &err);
}

static uint64_t hash_of(const float *x, size_t height, size_t width)
{
    uint64_t h;

    assert_true(rs_phash(&h, x, height, width));
    return h;
}

static uint64_t hash_of_image(const rs_image *im)
{
    float *x = planes(SIDE, SIDE);
    uint64_t h;

    prepare(x, im);
    h = hash_of(x, SIDE, SIDE);
    rs_free(x);
    return h;
}

/* ---- Against the definition ------------------------------------------ */

/* The mean of luminance over part (i, j) of 32 x 32, by points 1/32 of a pixel apart. */
static double part_mean(const float *x, size_t height, size_t width, size_t i, size_t j)
{
    double sum = 0;

    for (size_t v = i * height; v < (i + 1) * height; v++)
        for (size_t u = j * width; u < (j + 1) * width; u++) {
            const size_t at = v / 32 * width + u / 32;
            sum += 0.299 * (double)x[at] + 0.587 * (double)x[height * width + at] +
                   0.114 * (double)x[2 * height * width + at];
        }
    return sum / (double)(height * width);
}

static uint64_t naive(const float *x, size_t height, size_t width)
{
    static double mean[32][32];
    double c[64];
    uint64_t h = 0;

    for (size_t i = 0; i < 32; i++)
        for (size_t j = 0; j < 32; j++)
            mean[i][j] = part_mean(x, height, width, i, j);
    for (int k = 0; k < 64; k++) {
        c[k] = 0;
        for (int i = 0; i < 32; i++)
            for (int j = 0; j < 32; j++)
                c[k] += mean[i][j] * cos(acos(-1) * (2 * i + 1) * (k / 8 + 1) / 64) *
                        cos(acos(-1) * (2 * j + 1) * (k % 8 + 1) / 64);
    }
    for (int k = 0; k < 64; k++) {                     /* above the median: 32 are below */
        int below = 0;
        for (int i = 0; i < 64; i++)
            below += c[i] < c[k];
        h |= (uint64_t)(below >= 32) << k;
    }
    return h;
}

static void test_definition(void **state)
{
    static const size_t sizes[][2] = {{128, 128}, {32, 32}, {224, 224}, {7, 50}, {33, 31}, {1, 90},
                                      {100, 64}};
    rs_random rnd = rs_random_seed(4);

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t h = sizes[s][0], w = sizes[s][1];
        float *x = planes(h, w);
        for (size_t i = 0; i < 3 * h * w; i++)
            x[i] = (float)rs_random_normal(&rnd);
        if (h > 1)                                     /* one row has no vertical frequencies */
            assert_true(hash_of(x, h, w) == naive(x, h, w));
        rs_free(x);
    }
}

/* A picture that anyone can make: the bits are those of every version. */
static void test_golden(void **state)
{
    float *x = planes(64, 64);

    (void)state;
    for (size_t i = 0; i < 3 * 64 * 64; i++) {
        const size_t row = i / 64 % 64, column = i % 64;
        x[i] = (float)((row * row + 3 * row * column + 7 * column) % 256);
    }
    assert_true(hash_of(x, 64, 64) == naive(x, 64, 64));
    assert_true(hash_of(x, 64, 64) == GOLDEN);
    rs_free(x);
}

static void test_no_contrast(void **state)
{
    static const float levels[] = {0, 1, -1.7922626f, 255, 1e30f};
    float *x = planes(SIDE, SIDE);
    uint64_t h = 5;

    (void)state;
    for (size_t k = 0; k < 5; k++) {
        for (size_t i = 0; i < 3 * PLANE; i++)
            x[i] = levels[k];
        assert_false(rs_phash(&h, x, SIDE, SIDE));
        assert_int_equal(h, 0);
    }
    x[77] = NAN;
    assert_false(rs_phash(&h, x, SIDE, SIDE));
    assert_false(rs_phash(&h, x, 0, 0));
    rs_free(x);
}

/* ---- What it does not see -------------------------------------------- */

static void test_light(void **state)
{
    rs_image im = picture(3, 300, 260, 1, 8), altered = picture(3, 300, 260, 1, 8);
    float *x = planes(SIDE, SIDE), *y = planes(SIDE, SIDE);
    uint64_t h;

    (void)state;
    prepare(x, &im);
    h = hash_of(x, SIDE, SIDE);
    for (size_t i = 0; i < 3 * PLANE; i++)
        y[i] = x[i] * 4 + 3;
    assert_true(hash_of(y, SIDE, SIDE) == h);
    for (size_t i = 0; i < 300 * 260; i++)               /* gamma */
        ((uint8_t *)altered.pixels)[i] =
            (uint8_t)(255 * pow(((const uint8_t *)im.pixels)[i] / 255.0, 0.85) + 0.5);
    assert_in_range(rs_phash_distance(hash_of_image(&altered), h), 0, 8);
    for (size_t i = 0; i < 3 * PLANE; i++)               /* a negative is another picture */
        y[i] = -x[i];
    assert_in_range(rs_phash_distance(hash_of(y, SIDE, SIDE), h), 62, 64);
    rs_free(x);
    rs_free(y);
    rs_image_clear(&im);
    rs_image_clear(&altered);
}

static void test_size_and_noise(void **state)
{
    rs_image im = picture(5, 400, 400, 1, 8), small = {0};
    rs_random rnd = rs_random_seed(8);
    rs_err err = {0};
    uint64_t h = hash_of_image(&im);

    (void)state;
    ok(rs_image_resize(&small, &im, 170, 190, RS_RESAMPLE_BILINEAR, &err), &err);
    assert_in_range(rs_phash_distance(hash_of_image(&small), h), 0, 2);
    for (size_t i = 0; i < 400 * 400; i++) {
        uint8_t *p = (uint8_t *)im.pixels + i;
        const int v = *p + (int)rs_random_below(&rnd, 21) - 10;
        *p = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
    assert_in_range(rs_phash_distance(hash_of_image(&im), h), 0, 4);
    rs_image_clear(&im);
    rs_image_clear(&small);
}

/* ---- What it tells apart --------------------------------------------- */

static void test_other_pictures(void **state)
{
    enum { N = 40 };
    uint64_t h[N];
    unsigned least = 64, sum = 0;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        rs_image im = picture(100 + i, 120, 140, i % 2 ? 3 : 1, i % 4 == 2 ? 16 : 8);
        h[i] = hash_of_image(&im);
        rs_image_clear(&im);
        for (size_t k = 0; k < i; k++) {
            const unsigned d = rs_phash_distance(h[i], h[k]);
            least = d < least ? d : least;
            sum += d;
        }
    }
    assert_true(least > 8);
    assert_in_range(sum / (N * (N - 1) / 2), 26, 38);
}

static void test_distance(void **state)
{
    rs_random rnd = rs_random_seed(2);

    (void)state;
    assert_int_equal(rs_phash_distance(0, UINT64_MAX), 64);
    assert_int_equal(rs_phash_distance(7, 7), 0);
    for (int k = 0; k < 1000; k++) {
        const uint64_t a = rs_random_u64(&rnd), b = rs_random_u64(&rnd);
        unsigned n = 0;
        for (int i = 0; i < 64; i++)
            n += (unsigned)((a ^ b) >> i & 1);
        assert_int_equal(rs_phash_distance(a, b), n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definition),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_no_contrast),
        cmocka_unit_test(test_light),
        cmocka_unit_test(test_size_and_noise),
        cmocka_unit_test(test_other_pictures),
        cmocka_unit_test(test_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
