/* test_phantom_canvas.c - shapes against their areas, blurs against their sums, boxes
 * against what was painted, and canvases that lost their memory.
 * The phantoms are a program, not a library: its source is taken in here.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../../tools/phantoms/canvas.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const double PI = 3.14159265358979;

static double total(const ph_canvas *c)
{
    return ph_mean(c, NULL) * (double)(c->width * c->height);
}

static void near(const char *what, double got, double want, double within)
{
    if (fabs(got - want) > within)
        fail_msg("%s: %g, wanted %g", what, got, want);
}

/* Soft edges are even about the outline: a shape's coverage sums to its area. */
static void test_areas(void **state)
{
    static const ph_point square[] = {{30.25f, 20.5f}, {70.25f, 20.5f}, {70.25f, 80.f},
                                      {30.25f, 80.f}};
    static const ph_point line[] = {{20, 50}, {50, 50}, {80, 50}};

    (void)state;
    for (float soft = 1.f; soft <= 8.f; soft += 3.5f) {
        ph_canvas c = ph_canvas_new(100, 100);

        ph_paint_oval(&c, (ph_oval){50, 50, 30, 18, 0.6f, 0}, soft, PH_ADD, 1.f);
        near("oval", total(&c), PI * 30 * 18, 12);
        ph_fill(&c, 0.f);
        ph_paint_polygon(&c, square, 4, soft, PH_ADD, 2.f);
        near("polygon", total(&c), 2 * 40 * 59.5, 5);
        ph_fill(&c, 0.f);
        ph_paint_line(&c, line, 3, 6.f, 6.f, soft, PH_ADD, 1.f);
        near("line", total(&c), 60 * 12 + PI * 36, 20);
        ph_canvas_clear(&c);
    }
}

/* An ellipsoid's and a rod's projections sum to their volumes over their depth. */
static void test_projections(void **state)
{
    static const ph_point line[] = {{20, 50}, {80, 50}};
    ph_canvas c = ph_canvas_new(100, 100);

    (void)state;
    ph_paint_ellipsoid(&c, (ph_oval){50, 50, 20, 30, 0.3f, 0}, PH_ADD, 1.f);
    near("ellipsoid", total(&c), 2. / 3 * PI * 20 * 30, 5);
    ph_fill(&c, 0.f);
    ph_paint_rod(&c, line, 2, 8, 8, PH_ADD, 1.f);
    near("rod", total(&c), 60 * PI * 4 + 2. / 3 * PI * 64, 16);
    near("rod's middle", (double)c.at[50 * 100 + 50], 1, 1e-5);
    ph_fill(&c, 0.f);
    ph_paint_pipe(&c, line, 2, 8, 8, 0.75f, PH_ADD, 1.f);
    near("pipe's middle", (double)c.at[50 * 100 + 50], 0.25, 1e-5);
    assert_true(c.at[43 * 100 + 50] > c.at[50 * 100 + 50]);
    ph_canvas_clear(&c);
}

static void test_mixes(void **state)
{
    static const struct { ph_mix mix; float before, value, want; } table[] = {
        {PH_ADD, 0.3f, 0.5f, 0.8f}, {PH_MUL, 0.3f, 0.5f, 0.15f}, {PH_SET, 0.3f, 0.5f, 0.5f},
        {PH_MAX, 0.3f, 0.5f, 0.5f}, {PH_MAX, 0.7f, 0.5f, 0.7f},  {PH_MIN, 0.3f, 0.5f, 0.3f},
        {PH_MIN, 0.7f, 0.5f, 0.5f},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ph_canvas c = ph_canvas_new(40, 40);

        ph_fill(&c, table[i].before);
        ph_paint_oval(&c, (ph_oval){20, 20, 8, 8, 0, 0}, 2.f, table[i].mix, table[i].value);
        near("inside", (double)c.at[20 * 40 + 20], (double)table[i].want, 1e-6);
        near("outside", (double)c.at[0], (double)table[i].before, 0);
        ph_canvas_clear(&c);
    }
}

/* A blur keeps the sum, and its spread is sigma, by the kernel and by the boxes. */
static void test_blur(void **state)
{
    static const float sigmas[] = {0.6f, 1.5f, 2.f, 2.1f, 4.f, 9.f};

    (void)state;
    for (size_t i = 0; i < sizeof sigmas / sizeof *sigmas; i++) {
        ph_canvas c = ph_canvas_new(129, 97);
        double spread = 0;

        c.at[48 * 129 + 64] = 1000.f;
        ph_blur(&c, sigmas[i]);
        near("sum", total(&c), 1000, 0.5);
        for (size_t y = 0; y < 97; y++)
            for (size_t x = 0; x < 129; x++)
                spread += (double)c.at[y * 129 + x] * pow((double)x - 64, 2) / 1000;
        near("spread", sqrt(spread), (double)sigmas[i], 0.04 * (double)sigmas[i] + 0.05);
        ph_canvas_clear(&c);
    }
}

static void test_boxes(void **state)
{
    ph_canvas a = ph_canvas_new(60, 50), b = ph_canvas_copy(&a);
    double box[4];

    (void)state;
    assert_false(ph_mask_box(&a, 0.f, box));
    a.at[10 * 60 + 20] = a.at[30 * 60 + 12] = 1.f;
    assert_true(ph_mask_box(&a, 0.5f, box));
    assert_true(box[0] == 12 && box[1] == 10 && box[2] == 21 && box[3] == 31);
    assert_true(ph_diff_box(&b, &a, 0.5f, box));
    assert_true(box[0] == 12 && box[3] == 31);
    ph_box_grow(box, 30, 60, 50);
    assert_true(box[0] == 0 && box[1] == 0 && box[2] == 51 && box[3] == 50);
    ph_canvas_clear(&a);
    ph_canvas_clear(&b);
}

static void test_noise(void **state)
{
    ph_canvas c = ph_canvas_new(256, 256);
    rs_random r = rs_random_seed(3);

    (void)state;
    ph_add_grain(&c, 0.25f, 0.8f, &r);
    near("grain's mean", ph_mean(&c, NULL), 0, 0.02);
    for (size_t i = 0; i < 256 * 256; i++)
        c.at[i] *= c.at[i];
    near("grain's strength", sqrt(ph_mean(&c, NULL)), 0.25, 1e-3);
    ph_fill(&c, 0.f);
    ph_add_noise(&c, NULL, 16, 3, 0.5f, 0.2f, &r);
    for (size_t i = 0; i < 256 * 256; i++)
        c.at[i] *= c.at[i];
    near("noise's strength", sqrt(ph_mean(&c, NULL)), 0.2, 0.06);
    ph_canvas_clear(&c);
}

/* Painting far outside, and canvases of one pixel, touch nothing they should not. */
static void test_edges(void **state)
{
    static const ph_point far_off[] = {{-500, -500}, {-400, -480}, {-450, 900}};
    ph_canvas c = ph_canvas_new(1, 1);
    rs_random r = rs_random_seed(4);

    (void)state;
    ph_paint_oval(&c, (ph_oval){-1e6f, 1e6f, 10, 10, 0, 0}, 2.f, PH_ADD, 1.f);
    ph_paint_polygon(&c, far_off, 3, 5.f, PH_ADD, 1.f);
    ph_paint_line(&c, far_off, 3, 3, 3, 1, PH_ADD, 1.f);
    assert_true(c.at[0] == 0.f);
    ph_blur(&c, 5.f);
    ph_warp(&c, 10, 4, &r);
    ph_sharpen(&c, 2, 1);
    ph_paint_text(&c, "LR?", 0, 0, 2, 1);
    assert_false(c.failed);
    ph_canvas_clear(&c);
}

/* One picture with everything in it; with memory lost anywhere it says so at the end. */
static rs_status draw(rs_image *im, rs_err *err)
{
    static const ph_point blob[] = {{10, 10}, {40, 12}, {30, 44}};
    rs_random r = rs_random_seed(5);
    ph_canvas c = ph_canvas_new(64, 64), m = ph_canvas_copy(&c);

    ph_paint_blob(&m, blob, 3, 4.f, PH_MAX, 1.f);
    ph_paint_rod(&m, blob, 3, 3, 2, PH_MAX, 1.f);
    ph_blur(&m, 3.f);
    ph_paint_mask(&c, &m, PH_ADD, 0.5f);
    ph_blend(&c, &m, &m);
    ph_add_grain(&c, 0.01f, 0.5f, &r);
    ph_warp(&c, 12.f, 2.f, &r);
    ph_sharpen(&c, 2.f, 0.5f);
    rs_status st = ph_to_image(im, &c, 0.f, 1.f, 0.8f, err);

    ph_canvas_clear(&m);
    ph_canvas_clear(&c);
    return st;
}

static void test_out_of_memory(void **state)
{
    size_t live = rs_alloc_live();
    rs_image im = {0};
    rs_status st = RS_ENOMEM;

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_err err;

        rs_alloc_fail_after(k);
        st = draw(&im, &err);
        rs_alloc_fail_after(-1);
        if (st != RS_OK)
            assert_int_equal(st, RS_ENOMEM);
        assert_true(k < 200);
    }
    rs_image_clear(&im);
    assert_int_equal(rs_alloc_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_areas),
        cmocka_unit_test(test_projections),
        cmocka_unit_test(test_mixes),
        cmocka_unit_test(test_blur),
        cmocka_unit_test(test_boxes),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests_name("phantom_canvas", tests, NULL, NULL);
}
