/* The loss terms: each against its definition written plainly in double, its gradient
 * against that definition's central differences, and both against PyTorch.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/loss.h"

#include "base/alloc.h"
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX = 16, D = 6, TD = 9 };

/* ---- The definitions, in double -------------------------------------- */

static double cosine(const double *a, const double *b, size_t d)
{
    double ab = 0, aa = 0, bb = 0;

    for (size_t k = 0; k < d; k++) {
        ab += a[k] * b[k];
        aa += a[k] * a[k];
        bb += b[k] * b[k];
    }
    return ab / sqrt(aa * bb);
}

static double log_sum_exp(const double *x, const bool *use, size_t n)
{
    double top = -INFINITY, sum = 0;

    for (size_t j = 0; j < n; j++)
        top = use[j] && x[j] > top ? x[j] : top;
    for (size_t j = 0; j < n; j++)
        sum += use[j] ? exp(x[j] - top) : 0;
    return top + log(sum);
}

/* Mean cross entropy of the rows that have a positive. */
static double one_way(const double *a, const double *b, const int32_t *la, const int32_t *lb,
                      size_t m, size_t n, double log_scale)
{
    double total = 0, s[MAX];
    size_t counted = 0;
    bool use[MAX];

    for (size_t i = 0; i < m; i++) {
        double picked = 0;
        size_t positives = 0;
        for (size_t j = 0; j < n; j++) {
            s[j] = exp(log_scale) * cosine(a + i * D, b + j * D, D);
            use[j] = true;
            if (la[i] == lb[j]) {
                positives++;
                picked += s[j];
            }
        }
        if (positives) {
            total += log_sum_exp(s, use, n) - picked / (double)positives;
            counted++;
        }
    }
    return counted ? total / (double)counted : 0;
}

typedef struct {
    size_t m, n;                              /* images, texts; or n views twice, n rows */
    int32_t la[MAX], lb[MAX];
    double teacher[MAX * TD];
    double t1, t2;                            /* temperatures */
    bool with_labels;
} setting;

/* x: all inputs end to end. */
static double contrastive_of(const double *x, const setting *s)
{
    const double *image = x, *text = x + s->m * D;
    double scale = text[s->n * D];

    return 0.5 * one_way(image, text, s->la, s->lb, s->m, s->n, scale)
         + 0.5 * one_way(text, image, s->lb, s->la, s->n, s->m, scale);
}

/* The scale and the bias come after the rows. */
static double sigmoid_of(const double *x, const setting *s)
{
    const double *image = x, *text = x + s->m * D, *scalars = text + s->n * D;
    double total = 0;

    for (size_t i = 0; i < s->m; i++)
        for (size_t j = 0; j < s->n; j++) {
            double logit = exp(scalars[0]) * cosine(image + i * D, text + j * D, D) + scalars[1];
            total += log(1 + exp(s->la[i] == s->lb[j] ? -logit : logit));
        }
    return total / (double)s->m;
}

static double two_views_of(const double *x, const setting *s)
{
    size_t m = 2 * s->n;
    double total = 0, row[MAX];
    bool use[MAX];

    for (size_t i = 0; i < m; i++) {
        size_t other = (i + s->n) % m;
        for (size_t j = 0; j < m; j++) {
            row[j] = cosine(x + i * D, x + j * D, D) / s->t1;
            use[j] = j != i && (j == other || !s->with_labels
                                || s->la[i % s->n] != s->la[j % s->n]);
        }
        total += log_sum_exp(row, use, m) - row[other];
    }
    return total / (double)m;
}

static bool is_known(const double *t)
{
    for (size_t k = 0; k < TD; k++)
        if (t[k] != 0)
            return true;
    return false;
}

static double relational_of(const double *x, const setting *s)
{
    double total = 0, p[MAX], q[MAX];
    size_t counted = 0;
    bool use[MAX];

    for (size_t i = 0; i < s->n; i++) {
        if (!is_known(s->teacher + i * TD))
            continue;
        for (size_t j = 0; j < s->n; j++) {
            use[j] = j != i && is_known(s->teacher + j * TD);
            q[j] = cosine(x + i * D, x + j * D, D) / s->t1;
            p[j] = use[j] ? cosine(s->teacher + i * TD, s->teacher + j * TD, TD) / s->t2 : 0;
        }
        double zp = log_sum_exp(p, use, s->n), zq = log_sum_exp(q, use, s->n);
        for (size_t j = 0; j < s->n; j++)
            total += use[j] ? exp(p[j] - zp) * (p[j] - zp - q[j] + zq) : 0;
        counted++;
    }
    return total / (double)counted;
}

/* x: features, then the map [TD x D]. */
static double cosine_map_of(const double *x, const setting *s)
{
    const double *map = x + s->n * D;
    double total = 0;
    size_t counted = 0;

    for (size_t i = 0; i < s->n; i++) {
        double y[TD] = {0};
        if (!is_known(s->teacher + i * TD))
            continue;
        for (size_t t = 0; t < TD; t++)
            for (size_t k = 0; k < D; k++)
                y[t] += map[t * D + k] * x[i * D + k];
        total += 1 - cosine(y, s->teacher + i * TD, TD);
        counted++;
    }
    return total / (double)counted;
}

/* ---- The terms under test, with the same arguments ------------------- */

static rs_status contrastive(const float *x, const setting *s, double weight, double *value,
                             float *dx, rs_err *err)
{
    double d_scale = 0;
    rs_status st = rs_loss_contrastive(&(rs_contrastive){
        .image = x, .text = x + s->m * D, .image_label = s->la, .text_label = s->lb, .m = s->m,
        .n = s->n, .d = D, .log_scale = x[(s->m + s->n) * D], .weight = weight},
        value, dx, dx + s->m * D, &d_scale, err);

    dx[(s->m + s->n) * D] += (float)d_scale;
    return st;
}

static rs_status sigmoid(const float *x, const setting *s, double weight, double *value,
                         float *dx, rs_err *err)
{
    const float *scalars = x + (s->m + s->n) * D;
    double d_scale = 0, d_bias = 0;
    rs_status st = rs_loss_sigmoid(&(rs_contrastive){
        .image = x, .text = x + s->m * D, .image_label = s->la, .text_label = s->lb, .m = s->m,
        .n = s->n, .d = D, .log_scale = scalars[0], .weight = weight}, scalars[1],
        value, dx, dx + s->m * D, &d_scale, &d_bias, err);

    dx[(s->m + s->n) * D] += (float)d_scale;
    dx[(s->m + s->n) * D + 1] += (float)d_bias;
    return st;
}

static rs_status two_views(const float *x, const setting *s, double weight, double *value,
                           float *dx, rs_err *err)
{
    return rs_loss_two_views(&(rs_two_views){
        .x = x, .label = s->with_labels ? s->la : NULL, .n = s->n, .d = D, .temperature = s->t1,
        .weight = weight}, value, dx, err);
}

static void float_teacher(float *to, const setting *s)
{
    for (size_t i = 0; i < s->n * TD; i++)
        to[i] = (float)s->teacher[i];
}

static rs_status relational(const float *x, const setting *s, double weight, double *value,
                            float *dx, rs_err *err)
{
    float teacher[MAX * TD];

    float_teacher(teacher, s);
    return rs_loss_relational(&(rs_relational){
        .x = x, .teacher = teacher, .n = s->n, .d = D, .teacher_d = TD, .temperature = s->t1,
        .teacher_temperature = s->t2, .weight = weight}, value, dx, err);
}

static rs_status cosine_map(const float *x, const setting *s, double weight, double *value,
                            float *dx, rs_err *err)
{
    float teacher[MAX * TD];

    float_teacher(teacher, s);
    return rs_loss_cosine_map(&(rs_cosine_map){
        .x = x, .teacher = teacher, .map = x + s->n * D, .n = s->n, .d = D, .teacher_d = TD,
        .weight = weight}, value, dx, dx + s->n * D, err);
}

typedef double (*definition)(const double *x, const setting *s);
typedef rs_status (*term)(const float *x, const setting *s, double weight, double *value,
                          float *dx, rs_err *err);

/* ---- Settings -------------------------------------------------------- */

static const struct {
    const char *name;
    definition  of;
    term        fast;
    size_t      m, n, extra;               /* extra inputs after the rows */
    int32_t     la[MAX], lb[MAX];
    double      t1, t2;
    bool        with_labels;
    size_t      unknown;                   /* teacher rows that are zero, from the first */
} cases[] = {
    {"all labels differ", contrastive_of, contrastive, 5, 5, 1, {0, 1, 2, 3, 4}, {0, 1, 2, 3, 4},
     0, 0, false, 0},
    {"equal labels", contrastive_of, contrastive, 6, 6, 1, {0, 0, 1, 1, 1, 2}, {0, 0, 1, 1, 1, 2},
     0, 0, false, 0},
    {"two views against texts", contrastive_of, contrastive, 8, 4, 1, {0, 1, 2, 1, 0, 1, 2, 1},
     {0, 1, 2, 1}, 0, 0, false, 0},
    {"rows without a positive", contrastive_of, contrastive, 4, 3, 1, {0, 7, 1, 8}, {0, 1, 9},
     0, 0, false, 0},
    {"all of one label", contrastive_of, contrastive, 3, 3, 1, {5, 5, 5}, {5, 5, 5}, 0, 0, false, 0},
    {"sigmoid, all labels differ", sigmoid_of, sigmoid, 5, 5, 2, {0, 1, 2, 3, 4}, {0, 1, 2, 3, 4},
     0, 0, false, 0},
    {"sigmoid, two views, equal labels", sigmoid_of, sigmoid, 8, 4, 2, {0, 1, 2, 1, 0, 1, 2, 1},
     {0, 1, 2, 1}, 0, 0, false, 0},
    {"views", two_views_of, two_views, 0, 5, 0, {0}, {0}, 0.2, 0, false, 0},
    {"views, labels left out", two_views_of, two_views, 0, 5, 0, {0, 0, 1, 2, 1}, {0}, 0.2, 0, true, 0},
    {"relations", relational_of, relational, 0, 7, 0, {0}, {0}, 0.2, 0.3, false, 0},
    {"relations, some unknown", relational_of, relational, 0, 7, 0, {0}, {0}, 0.2, 0.3, false, 2},
    {"map", cosine_map_of, cosine_map, 0, 6, TD * D, {0}, {0}, 0, 0, false, 0},
    {"map, some unknown", cosine_map_of, cosine_map, 0, 6, TD * D, {0}, {0}, 0, 0, false, 3},
};
enum { CASES = sizeof cases / sizeof *cases, INPUTS = 2 * MAX * D + TD * D + 2 };

static size_t set_up(size_t c, setting *s, double *x)
{
    rs_random r = rs_random_seed(100 + c);
    size_t rows = cases[c].fast == two_views ? 2 * cases[c].n : cases[c].m + cases[c].n;
    size_t inputs = rows * D + cases[c].extra;

    *s = (setting){.m = cases[c].m, .n = cases[c].n, .t1 = cases[c].t1, .t2 = cases[c].t2,
                   .with_labels = cases[c].with_labels};
    memcpy(s->la, cases[c].la, sizeof s->la);
    memcpy(s->lb, cases[c].lb, sizeof s->lb);
    for (size_t i = 0; i < inputs; i++)
        x[i] = (float)rs_random_normal(&r);        /* exact in float as well */
    for (size_t i = 0; i < s->n; i++) {
        double sum = 0, *t = s->teacher + i * TD;
        for (size_t k = 0; k < TD; k++) {
            t[k] = i < cases[c].unknown ? 0 : rs_random_normal(&r);
            sum += t[k] * t[k];
        }
        for (size_t k = 0; k < TD && sum > 0; k++)
            t[k] /= sqrt(sum);
    }
    return inputs;
}

static void values_and_gradients_are_those_of_the_definition(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        static const double h = 1e-6, weight = 0.7;
        setting s;
        double x[INPUTS], value = 0;
        float f[INPUTS], dx[INPUTS];
        size_t n = set_up(c, &s, x);

        for (size_t i = 0; i < n; i++) {
            f[i] = (float)x[i];
            dx[i] = 1.0f;                          /* gradients are added to what is there */
        }
        assert_int_equal(cases[c].fast(f, &s, weight, &value, dx, NULL), RS_OK);
        if (fabs(value - cases[c].of(x, &s)) > 1e-5)
            fail_msg("%s: value %.8f, wanted %.8f", cases[c].name, value, cases[c].of(x, &s));
        for (size_t i = 0; i < n; i++) {
            double keep = x[i], up, down, want, found = dx[i] - 1.0;
            x[i] = keep + h;
            up = cases[c].of(x, &s);
            x[i] = keep - h;
            down = cases[c].of(x, &s);
            x[i] = keep;
            want = weight * (up - down) / (2 * h);
            if (fabs(found - want) > 2e-5 * fmax(1.0, fabs(want)))
                fail_msg("%s: gradient %zu is %.8f, wanted %.8f", cases[c].name, i, found, want);
        }
    }
}

static void a_perfect_match_costs_nothing_and_confusion_the_logarithm(void **state)
{
    float same[4 * 4] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    float flat[4 * 4], g[16] = {0}, h[16] = {0};
    int32_t label[4] = {0, 1, 2, 3};
    double value, d = 0;

    (void)state;
    for (size_t i = 0; i < 16; i++)
        flat[i] = 1;
    rs_contrastive c = {same, same, label, label, 4, 4, 4, RS_LOGIT_SCALE_MAX, 1};
    assert_int_equal(rs_loss_contrastive(&c, &value, g, h, &d, NULL), RS_OK);
    assert_true(value < 1e-6);
    c.image = c.text = flat;
    assert_int_equal(rs_loss_contrastive(&c, &value, g, h, &d, NULL), RS_OK);
    assert_true(fabs(value - log(4)) < 1e-6);
}

/* Logits of thousands: what is right costs nothing, what is wrong its distance. */
static void sigmoid_of_vast_logits_is_finite(void **state)
{
    float x[2 * 2] = {1, 0, 0, 1}, g[4] = {0}, h[4] = {0};
    int32_t right[2] = {0, 1}, wrong[2] = {1, 0};
    double value, d_scale = 0, d_bias = 0;
    rs_contrastive c = {x, x, right, right, 2, 2, 2, log(2000), 1};

    (void)state;
    assert_int_equal(rs_loss_sigmoid(&c, -1000, &value, g, h, &d_scale, &d_bias, NULL), RS_OK);
    assert_true(value < 1e-6 && fabs(d_scale) < 1e-6 && fabs(d_bias) < 1e-6);
    c.text_label = wrong;
    assert_int_equal(rs_loss_sigmoid(&c, -1000, &value, g, h, &d_scale, &d_bias, NULL), RS_OK);
    assert_true(fabs(value - 2000) < 1e-2);
    assert_true(fabs(d_scale - 2000) < 1e-2 && fabs(d_bias) < 1e-6);
}

/* Rows of zeros have no direction: the loss and its gradient stay finite. */
static void zero_features_do_not_make_nan(void **state)
{
    float x[2 * 3 * D] = {0}, dx[2 * 3 * D] = {0};
    setting s = {.n = 3, .t1 = 0.1};
    double value;

    (void)state;
    assert_int_equal(two_views(x, &s, 1, &value, dx, NULL), RS_OK);
    assert_true(!isnan(value) && !isinf(value));
    for (size_t i = 0; i < 2 * 3 * D; i++)
        assert_true(!isnan(dx[i]) && !isinf(dx[i]));
}

static void running_out_of_memory_is_told(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        setting s;
        double x[INPUTS], value;
        float f[INPUTS], dx[INPUTS] = {0};
        size_t n = set_up(c, &s, x), live = rs_alloc_live();
        rs_status st = RS_ENOMEM;

        for (size_t i = 0; i < n; i++)
            f[i] = (float)x[i];
        for (long k = 0; st != RS_OK; k++) {
            rs_alloc_fail_after(k);
            st = cases[c].fast(f, &s, 1, &value, dx, NULL);
            rs_alloc_fail_after(-1);
            assert_true(st == RS_OK || st == RS_ENOMEM);
            assert_int_equal(rs_alloc_live(), live);
        }
    }
}

/* ---- Against PyTorch ------------------------------------------------- */

/* tests/data/loss.bin, made by tests/reference/loss.py; float32 little-endian:
 *   n, d, log_scale; image [n x d], text [n x d], labels [n];
 *   contrastive value, d image, d text, d log_scale;
 *   two-view value (temperature 0.1, image and text as the two views), d image, d text */
static void equal_to_pytorch(void **state)
{
    enum { ROOM = 4096 };
    static float v[ROOM];
    FILE *f = fopen("tests/data/loss.bin", "rb");
    size_t got, n, d, nd;
    float g[512] = {0};
    int32_t label[MAX];
    double value, d_scale = 0;

    (void)state;
    assert_non_null(f);
    got = fread(v, sizeof *v, ROOM, f);
    fclose(f);
    n = (size_t)v[0];
    d = (size_t)v[1];
    nd = n * d;
    assert_int_equal(got, 3 + 2 * nd + n + 2 + 2 * nd + 1 + 2 * nd);
    const float *x = v + 3, *want = x + 2 * nd + n;
    for (size_t i = 0; i < n; i++)
        label[i] = (int32_t)x[2 * nd + i];
    assert_int_equal(rs_loss_contrastive(&(rs_contrastive){
        .image = x, .text = x + nd, .image_label = label, .text_label = label, .m = n, .n = n,
        .d = d, .log_scale = v[2], .weight = 1}, &value, g, g + nd, &d_scale, NULL), RS_OK);
    assert_true(fabs(value - want[0]) < 1e-5);
    for (size_t i = 0; i < 2 * nd; i++)
        assert_true(fabs(g[i] - want[1 + i]) < 1e-5);
    assert_true(fabs(d_scale - want[1 + 2 * nd]) < 1e-4);
    want += 2 + 2 * nd;
    memset(g, 0, sizeof g);
    assert_int_equal(rs_loss_two_views(&(rs_two_views){
        .x = x, .n = n, .d = d, .temperature = 0.1, .weight = 1}, &value, g, NULL), RS_OK);
    assert_true(fabs(value - want[0]) < 1e-5);
    for (size_t i = 0; i < 2 * nd; i++)
        assert_true(fabs(g[i] - want[1 + i]) < 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_gradients_are_those_of_the_definition),
        cmocka_unit_test(a_perfect_match_costs_nothing_and_confusion_the_logarithm),
        cmocka_unit_test(sigmoid_of_vast_logits_is_finite),
        cmocka_unit_test(zero_features_do_not_make_nan),
        cmocka_unit_test(running_out_of_memory_is_told),
        cmocka_unit_test(equal_to_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
