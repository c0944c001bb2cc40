/* test_plot.c - lines lie where their numbers say, and odd numbers do no harm.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/plot.h"

#include "base/alloc.h"
#include "embeddings/plot_int.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const uint8_t BLUE[3] = {0, 114, 178}, RED[3] = {213, 94, 0};

static rs_image draw(const rs_plot_panel *p, size_t n)
{
    rs_image im;
    rs_err err;

    if (rs_plot_draw(&im, p, n, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return im;
}

static bool is(const rs_image *im, size_t x, size_t y, const uint8_t rgb[3])
{
    return memcmp((uint8_t *)im->pixels + 3 * (y * im->width + x), rgb, 3) == 0;
}

/* The box of a colour below the legend, and how many pixels have it. */
typedef struct { size_t left, right, top, bottom, n; } box;

static box box_of(const rs_image *im, const uint8_t rgb[3])
{
    box b = {SIZE_MAX, 0, SIZE_MAX, 0, 0};

    for (size_t y = 70; y < im->height; y++)
        for (size_t x = 0; x < im->width; x++)
            if (is(im, x, y, rgb)) {
                b.left = x < b.left ? x : b.left;
                b.right = x > b.right ? x : b.right;
                b.top = y < b.top ? y : b.top;
                b.bottom = y > b.bottom ? y : b.bottom;
                b.n++;
            }
    return b;
}

static void panels_lie_side_by_side(void **state)
{
    static const struct { size_t n, width, height; } rows[] = {
        {1, 720, 440}, {2, 1440, 440}, {3, 1440, 880}, {24, 1440, 12 * 440},
    };
    rs_plot_panel p[25] = {{0}};
    rs_image im;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        im = draw(p, rows[i].n);
        assert_int_equal(im.width, rows[i].width);
        assert_int_equal(im.height, rows[i].height);
        rs_image_clear(&im);
    }
    assert_int_equal(rs_plot_draw(&im, p, 0, NULL), RS_EARG);
    assert_int_equal(rs_plot_draw(&im, p, 25, NULL), RS_EARG);
    assert_null(im.pixels);
}

/* y = x fills a box by its diagonal; so does exp(-x) on a logarithmic axis, falling. */
static void lines_lie_where_their_numbers_say(void **state)
{
    double x[50], rising[50], falling[50];

    (void)state;
    for (size_t i = 0; i < 50; i++) {
        x[i] = rising[i] = (double)i;
        falling[i] = exp(-(double)i / 3);
    }
    for (int log = 0; log < 2; log++) {
        rs_plot_series s = {.name = "a", .x = x, .y = log ? falling : rising, .n = 50};
        rs_image im = draw(&(rs_plot_panel){.series = &s, .n_series = 1, .log_y = log}, 1);
        box b = box_of(&im, BLUE);
        assert_true(b.right - b.left > 500 && b.bottom - b.top > 250 && b.n > 500);
        for (size_t px = b.left; px <= b.right; px++)
            for (size_t y = b.top; y <= b.bottom; y++) {
                double along = (double)(px - b.left) / (double)(b.right - b.left);
                double want = log ? (double)b.top + along * (double)(b.bottom - b.top)
                                  : (double)b.bottom - along * (double)(b.bottom - b.top);
                if (is(&im, px, y, BLUE))
                    assert_true(fabs((double)y - want) < 3);
            }
        rs_image_clear(&im);
    }
}

static void gaps_stay_open_and_lone_points_show(void **state)
{
    const double x[] = {0, 1, 2, 3, 4}, y[] = {1, 1, NAN, 1, 1}, low[] = {NAN, NAN, 0, NAN, 2};
    const rs_plot_series s[] = {{.name = "a", .x = x, .y = y, .n = 5},
                                {.name = "b", .x = x, .y = low, .n = 3}};
    rs_image im = draw(&(rs_plot_panel){.series = s, .n_series = 2}, 1);
    box line = box_of(&im, BLUE), dot = box_of(&im, RED);
    size_t middle = (line.left + line.right) / 2, row = (line.top + line.bottom) / 2;

    (void)state;
    assert_true(is(&im, line.left + 20, row, BLUE) && is(&im, line.right - 20, row, BLUE));
    for (size_t px = middle - 100; px < middle + 100; px++)
        assert_false(is(&im, px, row, BLUE));
    assert_true(dot.n >= 20 && dot.right - dot.left <= 8 && dot.bottom - dot.top <= 8);
    assert_true(dot.left < middle + 4 && dot.right + 4 > middle);
    rs_image_clear(&im);
}

/* A given range cuts what lies beyond it, and leaves the rest of the image alone. */
static void a_given_range_cuts(void **state)
{
    const double x[] = {0, 1}, wild[] = {-1e300, 1e300}, flat[] = {0.5, 0.5};
    const rs_plot_series s[] = {{.x = x, .y = flat, .n = 2}, {.x = x, .y = wild, .n = 2}};
    rs_image im = draw(&(rs_plot_panel){.series = s, .n_series = 2, .y_min = 0, .y_max = 1}, 1);
    box line = box_of(&im, BLUE), cut = box_of(&im, RED);

    (void)state;
    assert_true(cut.top >= 70 && cut.bottom <= 440 - 60);
    assert_true(line.top > 200 && line.bottom < 250);              /* the middle */
    rs_image_clear(&im);
}

static void odd_numbers_do_no_harm(void **state)
{
    static const double values[] = {0, -1, 1.7e308, -1e300, 1e-300, NAN, -INFINITY,
                                    123456.789};
    enum { N = sizeof values / sizeof *values };

    (void)state;
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < N; k++)
            for (int log = 0; log < 2; log++) {
                const double x[2] = {0, values[i]}, y[2] = {values[k], values[i]};
                rs_plot_series s = {.name = "\xc3\xa9\xff", .x = x, .y = y, .n = 2, .colour = 99};
                rs_plot_panel p = {.title = "\x01", .series = &s, .n_series = 1, .log_y = log};
                rs_image im = draw(&p, 1);
                rs_image_clear(&im);
            }
}

static void every_letter_is_there_and_its_own(void **state)
{
    static const unsigned char blank[RS_FONT_ROWS] = {0};

    (void)state;
    assert_memory_equal(rs_plot_font[0], blank, sizeof blank);
    for (size_t i = 1; i < 95; i++) {
        assert_memory_not_equal(rs_plot_font[i], blank, sizeof blank);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(rs_plot_font[i], rs_plot_font[k], sizeof blank);
        for (size_t row = 0; row < RS_FONT_ROWS; row++)
            assert_true(rs_plot_font[i][row] < 1 << RS_FONT_COLUMNS);
    }
}

static void titles_and_labels_are_drawn(void **state)
{
    static const rs_plot_panel rows[] = {
        {.title = "ab"}, {.title = "ba"}, {.x_label = "ab"}, {.y_label = "ab"}, {.title = NULL},
    };
    rs_image im[5];

    (void)state;
    for (size_t i = 0; i < 5; i++)
        im[i] = draw(&rows[i], 1);
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(im[i].pixels, im[k].pixels, 720 * 440 * 3);
    for (size_t i = 0; i < 5; i++)
        rs_image_clear(&im[i]);
}

static void saves_and_says_why_not(void **state)
{
    const double x[] = {0, 1}, y[] = {0, 1};
    rs_plot_series s = {.name = "a", .x = x, .y = y, .n = 2};
    rs_plot_panel p = {.title = "t", .series = &s, .n_series = 1};
    size_t before = rs_alloc_live();
    char path[] = "/tmp/test_plot_XXXXXX";
    int fd = mkstemp(path);
    rs_status st = RS_ENOMEM;
    rs_image im, drawn;
    rs_err err;

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_plot_save_png(path, &p, 1, &err);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || (st == RS_ENOMEM && strstr(err.msg, path)));
    }
    assert_int_equal(rs_image_load(&im, path, NULL), RS_OK);
    drawn = draw(&p, 1);
    assert_memory_equal(im.pixels, drawn.pixels, 720 * 440 * 3);
    rs_image_clear(&im);
    rs_image_clear(&drawn);
    unlink(path);
    assert_int_equal(rs_plot_save_png("/no/such/folder/p.png", &p, 1, &err), RS_ENOENT);
    assert_int_equal(rs_alloc_live(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(panels_lie_side_by_side),
        cmocka_unit_test(lines_lie_where_their_numbers_say),
        cmocka_unit_test(gaps_stay_open_and_lone_points_show),
        cmocka_unit_test(a_given_range_cuts),
        cmocka_unit_test(odd_numbers_do_no_harm),
        cmocka_unit_test(every_letter_is_there_and_its_own),
        cmocka_unit_test(titles_and_labels_are_drawn),
        cmocka_unit_test(saves_and_says_why_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
