/* test_phantom_sections.c - cross-sections: distances against the naive way, noise
 * against its moments, and every case's picture, box and report against its label.
 * SPDX-License-Identifier: Apache-2.0 */
#include "brain.h"
#include "section.h"
#include "section_report.h"

#include "base/alloc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const ph_anatomy *const anatomies[] = {&ph_head_ct, &ph_brain_mr, &ph_abdomen_ct};

static void near(const char *what, double got, double want, double within)
{
    if (!(fabs(got - want) <= within))
        fail_msg("%s: %g, wanted %g", what, got, want);
}

/* ---- Shapes -------------------------------------------------------------------- */

static sec_scene scene_of(size_t side, float turn, float warp)
{
    sec_scene s;
    sec_setup p = {.width = side, .height = side, .channels = 1, .mm = 1.0f, .turn = turn,
                   .shift = {3, -2}, .warp = warp, .warp_size = 40.0f};
    rs_random r = rs_random_seed(4);

    assert_int_equal(sec_scene_init(&s, &p, &r, NULL), RS_OK);
    return s;
}

static void test_distances_are_known(void **state)
{
    static const struct { float x, y, want; } circle[] = {
        {5, 5, -10}, {15, 5, 0}, {5, -15, 10}, {25, 5, 10}, {10, 5, -5}};
    const sec_point line[2] = {{0, 0}, {10, 0}};
    const float radius[2] = {2, 4};
    sec_shape round = sec_ellipse(5, 5, 10, 10, 0.3f, 0, NULL), tube = sec_tube(line, radius, 2);
    sec_shape other = sec_mirror(&tube), moved = sec_move(&tube, 2, 1, 3);

    (void)state;
    for (size_t i = 0; i < ph_count(circle); i++)
        near("circle", sec_distance(&round, circle[i].x, circle[i].y), circle[i].want, 0.06);
    near("at the thin end", sec_distance(&tube, -3, 0), 1, 1e-5);
    near("at the thick end", sec_distance(&tube, 10, 6), 2, 1e-5);
    near("inside", sec_distance(&tube, 10, 0), -4, 1e-5);
    near("mirrored", sec_distance(&other, 3, 0), 1, 1e-5);
    near("moved", sec_distance(&moved, 21, 3 + 10), 2, 1e-5);
}

/* sec_distances() takes short cuts; near the outline it agrees with sec_distance(). */
static void test_fast_distances_agree(void **state)
{
    const sec_point bean[6] = {{-30, 0}, {-10, -28}, {25, -20}, {38, 5}, {10, 12}, {-12, 30}};
    const sec_point line[4] = {{-40, 20}, {-10, -5}, {20, 10}, {44, -30}};
    const float radius[4] = {1, 4, 2, 0.5f};
    struct { sec_shape shape; float within; } table[] = {
        {sec_curve(bean, 6), 0.6f}, {sec_tube(line, radius, 4), 1e-3f},
        {sec_chain(line, radius, 4), 1e-3f}, {sec_ellipse(10, -12, 4, 3, 1, 0, NULL), 1e-3f}};
    sec_scene s = scene_of(128, 0.3f, 2.0f);
    const float MARGIN = 6;

    (void)state;
    sec_stretch(&s, 1.1f, 0.93f, 0.08f);
    for (size_t k = 0; k < ph_count(table); k++) {
        float *d = s.spare[0];
        sec_region g = sec_distances(&s, &table[k].shape, MARGIN, d);

        for (size_t y = 0; y < s.height; y++)
            for (size_t x = 0; x < s.width; x++) {
                size_t i = y * s.width + x;
                float want = sec_distance(&table[k].shape, s.u[i], s.v[i]);
                bool in = x >= g.x0 && x < g.x1 && y >= g.y0 && y < g.y1;

                if (!in && want < MARGIN)
                    fail_msg("shape %zu: (%zu, %zu) is %g away and left out", k, x, y,
                             (double)want);
                if (in && want < MARGIN && want > -1.5f)      /* ridges lie deeper */
                    near("distance", d[i], want, table[k].within);
                if (in && want >= MARGIN + 1.0f && d[i] < MARGIN - 1.0f)
                    fail_msg("shape %zu: (%zu, %zu) reads %g, is %g", k, x, y, (double)d[i],
                             (double)want);
            }
    }
    sec_scene_clear(&s);
}

static void test_outlines(void **state)
{
    sec_shape round = sec_ellipse(0, 0, 40, 40, 0, 0, NULL);
    sec_scene s = scene_of(96, 0, 0);
    float *depth = s.spare[0], *angle = s.spare[1];
    sec_outline o;

    (void)state;
    sec_outline_of(&o, &round);
    sec_depths(&s, &o, depth, angle);
    for (size_t i = 0; i < s.width * s.height; i++) {
        double x = s.u[i], y = s.v[i], t = atan2(x, -y);

        near("depth", depth[i], 40 - hypot(x, y), 0.25);
        if (hypot(x, y) > 2)
            near("angle", remainder((double)angle[i] - t, 6.283185307), 0, 1e-3);
    }
    sec_point right = sec_outline_point(&o, 1.5707963f, 5);
    near("right of the centre", right.x, 35, 0.3);
    near("at its height", right.y, 0, 0.3);
    sec_scene_clear(&s);
}

/* What is painted covers the shape's area; a blank ink only grows the box. */
static void test_ink(void **state)
{
    sec_scene s = scene_of(128, 0, 0);
    sec_shape round = sec_ellipse(0, 0, 30, 30, 0, 0, NULL);
    sec_box box = SEC_BOX_EMPTY, blank = SEC_BOX_EMPTY;
    sec_ink ink = {.value = {1}, .box = &box};
    rs_random r = rs_random_seed(1);
    double sum = 0;

    (void)state;
    sec_paint(&s, &round, &ink, &r);
    for (size_t i = 0; i < s.width * s.height; i++)
        sum += s.picture[0][i];
    near("area", sum, 3.14159 * 900, 40);
    near("left", box.x0, 128 / 2 + 3 - 30, 1.5);
    near("right", box.x1, 128 / 2 + 3 + 30, 2.5);
    near("top", box.y0, 128 / 2 - 2 - 30, 1.5);
    ink = (sec_ink){.value = {9}, .box = &blank, .blank = true};
    sec_paint(&s, &round, &ink, &r);
    near("the box of a blank", blank.x0, box.x0, 1.1);
    near("nothing painted", s.picture[0][64 * 128 + 64], 1, 1e-6);
    sec_scene_clear(&s);
}

static void test_steps(void **state)
{
    static const struct { float lo, hi, x, want; } table[] = {
        {0, 1, -1, 0}, {0, 1, 2, 1}, {0, 1, 0.5f, 0.5f}, {1, 0, 2, 0}, {1, 0, -1, 1},
        {3, 1, 2, 0.5f}, {2, 2, 1, 0}, {2, 2, 3, 1}};

    (void)state;
    for (size_t i = 0; i < ph_count(table); i++)
        near("step", sec_step(table[i].lo, table[i].hi, table[i].x), table[i].want, 1e-6);
}

/* ---- Noise --------------------------------------------------------------------- */

typedef struct { double mean, deviation; } moments;

static moments moments_of(const float *a, size_t n)
{
    double sum = 0, square = 0;

    for (size_t i = 0; i < n; i++) {
        sum += a[i];
        square += (double)a[i] * a[i];
    }
    return (moments){sum / (double)n, sqrt(square / (double)n - sum / (double)n * sum / (double)n)};
}

static void test_noise(void **state)
{
    sec_scene s = scene_of(256, 0, 0);
    size_t n = s.width * s.height;
    rs_random r = rs_random_seed(2);

    (void)state;
    memset(s.spare[3], 0, n * sizeof(float));
    sec_noise(s.spare[3], s.width, s.height, 8, 1, s.spare[4], &r);
    moments m = moments_of(s.spare[3], n);
    near("mean of smooth noise", m.mean, 0, 0.15);
    near("deviation of smooth noise", m.deviation, 1, 0.15);

    memset(s.picture[0], 0, n * sizeof(float));
    sec_ct_noise(&s, 5, 0.0f, &r);
    m = moments_of(s.picture[0], n);
    near("mean of CT noise", m.mean, 0, 0.2);
    near("deviation of CT noise", m.deviation, 5, 0.4);

    for (size_t i = 0; i < n; i++)
        s.picture[0][i] = 0;
    sec_rician(&s, 0, 2, &r);                /* Rayleigh where there is no signal */
    near("mean of air in MR", moments_of(s.picture[0], n).mean, 2 * sqrt(3.14159 / 2), 0.05);

    for (size_t i = 0; i < n; i++)
        s.picture[0][i] = i == n / 2 + 128 ? 16 : 0;
    sec_blur(s.picture[0], s.width, s.height, 1, s.spare[2]);
    near("blur keeps the sum", moments_of(s.picture[0], n).mean * (double)n, 16, 1e-3);
    near("blur's middle", s.picture[0][n / 2 + 128], 4, 1e-5);
    sec_scene_clear(&s);
}

/* ---- Words --------------------------------------------------------------------- */

static void test_words_for_numbers(void **state)
{
    static const struct { double mm; const char *in_mm, *in_cm; } table[] = {
        {0, "1 mm", "0.1 cm"}, {7.4, "7 mm", "0.7 cm"}, {18.6, "19 mm", "1.9 cm"},
        {120, "120 mm", "12.0 cm"}, {900, "199 mm", "19.9 cm"}};

    (void)state;
    for (size_t i = 0; i < ph_count(table); i++) {
        assert_string_equal(sec_mm_words(table[i].mm), table[i].in_mm);
        assert_string_equal(sec_cm_words(table[i].mm), table[i].in_cm);
    }
    assert_string_equal(sec_size_word(1, 0, 9), "small");
    assert_string_equal(sec_size_word(5, 0, 9), "moderate");
    assert_string_equal(sec_size_word(9, 0, 9), "large");
    assert_string_equal(sec_grade_word("large"), "severe");
    assert_string_equal(sec_side_word(-1), "right");
}

/* A normal sentence about what the finding is about is never said. */
static void test_reports_do_not_contradict(void **state)
{
    static const sec_sentence lines[] = {
        {"Liver normal.", 1}, {"Liver without lesion.", 1}, {"Spleen normal.", 2},
        {"Aorta normal.", 4}};
    const sec_style style = {.study = "CT", .technique = "Technique.", .normal = lines,
        .n_normal = 4, .negative = lines, .n_negative = 4, .normal_history = "h",
        .normal_impression = "i", .normal_caption = "c"};
    const sec_words mass = {1, "liver mass", "H", "A mass is seen", "{noun}", };

    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        rs_random r = rs_random_seed(seed);
        ph_case c = {.sex = 'M', .age = 50};
        ph_prose p = ph_prose_new(&c, &r);

        assert_int_equal(sec_report(&c, &style, seed % 2 ? &mass : NULL, &p, NULL), RS_OK);
        const char *once = strstr(c.findings_text, "Spleen normal.");
        assert_true(!once || !strstr(once + 1, "Spleen normal."));
        if (seed % 2) {
            assert_null(strstr(c.findings_text, "Liver"));
            assert_non_null(strstr(c.findings_text, "A mass is seen"));
            assert_string_equal(c.impression, "Liver mass");
            assert_non_null(strstr(c.caption, "a liver mass"));
        }
        ph_case_clear(&c);
    }
}

/* ---- Cases --------------------------------------------------------------------- */

static rs_status draw(ph_case *c, const ph_anatomy *a, size_t combo, uint64_t seed, bool bare,
                      rs_err *err)
{
    rs_random r = rs_random_derive(seed, combo);

    *c = (ph_case){.patient = 1000 * seed + combo, .bare = bare};
    return a->draw(c, combo, &r, err);
}

static bool says(const char *text, const char *word)
{
    char low[2000];
    size_t i = 0;

    for (; text[i] && i + 1 < sizeof low; i++)
        low[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
    low[i] = '\0';
    return strstr(low, word) != NULL;
}

/* The first word of the site, in the forms that reports use. */
static bool says_site(const char *text, const char *site)
{
    static const struct { const char *site, *other; } forms[] = {
        {"thalamus", "thalamic"}, {"middle cerebral", "mca"}, {"occipital", "pca"},
        {"kidney", "renal"}, {"kidney", "hydronephrosis"}, {"spleen", "splen"},
        {"peritoneal", "ascites"}, {"peritoneal", "pneumoperitoneum"},
        {"peritoneal", "free air"}, {"gallbladder", "gallstones"},
        {"gallbladder", "cholelithiasis"}, {"infrarenal", "aort"}, {"liver", "hepatic"},
        {"middle cranial", "temporal arachnoid"}, {"both", "metastases"}, {"sellar", "pituitary"},
        {"white matter", "small vessel"}, {"basal cisterns", "subarachnoid"},
        {"lateral ventricles", "intraventricular"}, {"occipital", "posterior cerebral"}};
    char word[40];

    snprintf(word, sizeof word, "%.*s", (int)strcspn(site, " "), site);
    if (!*site || says(text, word))
        return true;
    for (size_t i = 0; i < ph_count(forms); i++)
        if (strncmp(site, forms[i].site, strlen(forms[i].site)) == 0 && says(text, forms[i].other))
            return true;
    return false;
}

static void check_texts(const ph_case *c)
{
    const char *const texts[] = {c->history, c->findings_text, c->impression, c->caption};

    for (size_t i = 0; i < ph_count(texts); i++)
        if (!texts[i] || !*texts[i] || strpbrk(texts[i], "{}|+") || strstr(texts[i], "  ") ||
            strstr(texts[i], " .") || strstr(texts[i], ".."))
            fail_msg("%s: \"%s\"", c->label, texts[i] ? texts[i] : "(none)");
    assert_null(strchr(c->caption, '\n'));
    for (size_t i = 0; c->n_findings && i < 2; i++) {
        const char *text = i ? c->caption : c->impression;
        const ph_finding *f = &c->findings[0];

        if ((*f->side && !says(text, f->side)) || !says_site(text, f->site))
            fail_msg("%s: side or site missing: %s", c->label, text);
        if (*f->side && says(text, strcmp(f->side, "left") ? "left" : "right") &&
            !strstr(text, "midline shift"))
            fail_msg("%s: the other side is named: %s", c->label, text);
    }
}

typedef struct { double inside, outside; } change;

/* Mean absolute difference inside the box and out of it (two pixels apart). */
static change compare(const rs_image *a, const rs_image *b, const double box[4])
{
    const uint8_t *p = a->pixels, *q = b->pixels;
    double sum[2] = {0}, n[2] = {0};

    for (size_t i = 0; i < a->width * a->height; i++) {
        double x = (double)(i % a->width), y = (double)(i / a->width);
        double far = fmax(fmax(box[0] - x, x + 1 - box[2]), fmax(box[1] - y, y + 1 - box[3]));

        if (far > 0 && far < 3)
            continue;
        sum[far <= 0] += fabs((double)p[i] - (double)q[i]);
        n[far <= 0] += 1;
    }
    return (change){sum[1] / fmax(n[1], 1), sum[0] / fmax(n[0], 1)};
}

/* What changes an organ's shape moves its neighbours too. */
static bool reshapes(const char *kind)
{
    static const char *const kinds[] = {"hydrocephalus", "subarachnoid", "atrophy", "aneurysm",
                                        "obstruction", "splenomegaly"};

    for (size_t i = 0; i < ph_count(kinds); i++)
        if (strstr(kind, kinds[i]))
            return true;
    return false;
}

static void check_box(const ph_case *with, const ph_case *bare)
{
    const ph_finding *f = &with->findings[0];
    const rs_image *im = &with->images[f->image];

    if (!(f->box[0] >= 0 && f->box[0] + 3 < f->box[2] && f->box[2] <= (double)im->width &&
          f->box[1] >= 0 && f->box[1] + 3 < f->box[3] && f->box[3] <= (double)im->height))
        fail_msg("%s: box %g %g %g %g", with->label, f->box[0], f->box[1], f->box[2], f->box[3]);
    assert_int_equal(im->width, bare->images[f->image].width);
    change c = compare(im, &bare->images[f->image], f->box);
    if (c.inside < 1.2 || (reshapes(f->kind) ? c.inside < 2 * c.outside : c.outside > 0.1))
        fail_msg("%s: changed by %.2f inside its box, %.2f outside", with->label, c.inside,
                 c.outside);
}

/* Every second combination of each anatomy, so every kind and both sides. */
static void test_findings_are_in_their_boxes(void **state)
{
    (void)state;
    for (size_t k = 0; k < ph_count(anatomies); k++)
        for (size_t combo = 1; combo < anatomies[k]->combinations; combo += 2) {
            ph_case with, bare;
            rs_err err;

            if (draw(&with, anatomies[k], combo, 3, false, &err) != RS_OK ||
                draw(&bare, anatomies[k], combo, 3, true, &err) != RS_OK)
                fail_msg("%s", err.msg);
            assert_int_equal(with.n_findings, 1);
            assert_int_equal(with.n_images, bare.n_images);
            check_texts(&with);
            check_box(&with, &bare);
            for (size_t i = 0; i < with.n_images; i++) {
                assert_in_range(with.images[i].width, 320, 512);
                assert_in_range(with.images[i].height, 320, 512);
                assert_non_null(with.view[i]);
            }
            ph_case_clear(&with);
            ph_case_clear(&bare);
        }
}

/* Labels tell combinations apart, and the same numbers give the same case. */
static void test_cases_follow_their_numbers(void **state)
{
    (void)state;
    for (size_t k = 0; k < ph_count(anatomies); k++) {
        ph_case a, b, other;
        size_t n = anatomies[k]->combinations;

        assert_true(n >= 16);
        assert_int_equal(draw(&a, anatomies[k], n - 1, 9, false, NULL), RS_OK);
        assert_int_equal(draw(&b, anatomies[k], n - 1, 9, false, NULL), RS_OK);
        assert_int_equal(draw(&other, anatomies[k], 0, 10, false, NULL), RS_OK);
        assert_string_equal(a.label, b.label);
        assert_string_equal(a.findings_text, b.findings_text);
        assert_memory_equal(a.images[0].pixels, b.images[0].pixels,
                            a.images[0].width * a.images[0].height);
        assert_string_not_equal(a.label, other.label);
        assert_int_equal(other.n_findings, 0);
        assert_true(says(other.label, "normal"));
        check_texts(&other);
        ph_case_clear(&a);
        ph_case_clear(&b);
        ph_case_clear(&other);
    }
}

/* Let the k-th allocation fail: an error that says so, and nothing left behind. The
 * strides keep the walk short: most allocations are a report's growing text. */
static void test_out_of_memory(void **state)
{
    (void)state;
    for (size_t a = 0; a < ph_count(anatomies); a++) {
        rs_status st = RS_ENOMEM;

        for (long k = 0; st != RS_OK; k += k < 4 ? 1 : 17) {
            size_t live = rs_alloc_live();
            ph_case c;
            rs_err err = {0};

            rs_alloc_fail_after(k);
            st = draw(&c, anatomies[a], 2, 1, false, &err);
            rs_alloc_fail_after(-1);
            ph_case_clear(&c);
            assert_int_equal(rs_alloc_live(), live);
            if (st != RS_OK) {
                assert_int_equal(st, RS_ENOMEM);
                assert_non_null(strstr(err.msg, "memory"));
            }
            assert_true(k < 2000);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distances_are_known),
        cmocka_unit_test(test_fast_distances_agree),
        cmocka_unit_test(test_outlines),
        cmocka_unit_test(test_ink),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_words_for_numbers),
        cmocka_unit_test(test_reports_do_not_contradict),
        cmocka_unit_test(test_findings_are_in_their_boxes),
        cmocka_unit_test(test_cases_follow_their_numbers),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests_name("phantom sections", tests, NULL, NULL);
}
