/* test_regions.c - parts of an image as vectors: where a box lies in the encoder's square, the
 * windows, and each family's regions against their definition.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/regions.h"

#include "embeddings/formula.h"
#include "embeddings/golden.h"
#include "embeddings/tower_int.h"
#include "scratch.h"
#include "tiny_model.h"

/* ---- Where a box lies --------------------------------------------------------------------- */

static rs_preprocess squash(size_t side)
{
    rs_preprocess p;

    rs_preprocess_clip(&p, side);
    p.do_center_crop = p.keep_aspect = p.do_normalize = false;
    p.resize_width = p.resize_height = side;
    return p;
}

static rs_view view_of(const rs_preprocess *p, size_t width, size_t height)
{
    rs_view v;
    rs_err err = {0};

    ok(rs_preprocess_view(p, width, height, &v, &err), &err);
    return v;
}

/* A black picture whose pixels in [x0, x1) x [y0, y1) are white, as the encoder sees it. */
static float *see_box(const rs_preprocess *p, size_t width, size_t height, const size_t b[4])
{
    float *out = rs_calloc(3 * p->crop_width * p->crop_height, sizeof *out);
    rs_image im;
    rs_err err = {0};

    ok(rs_image_new(&im, width, height, 1, 8, &err), &err);
    for (size_t y = b[1]; y < b[3]; y++)
        memset((uint8_t *)im.pixels + y * width + b[0], 255, b[2] - b[0]);
    ok(rs_preprocess_run(p, &im, out, &err), &err);
    rs_image_clear(&im);
    return out;
}

/* What is white in the square lies where rs_region_seen says, to a pixel. */
static void check_seen(const rs_preprocess *p, size_t width, size_t height, const size_t b[4])
{
    const double picture[4] = {(double)b[0] / (double)width, (double)b[1] / (double)height,
                               (double)b[2] / (double)width, (double)b[3] / (double)height};
    const size_t side = p->crop_width;
    rs_view v = view_of(p, width, height);
    float *seen = see_box(p, width, height, b);
    double lo[2] = {1, 1}, hi[2] = {0, 0}, square[4];
    rs_err err = {0};

    for (size_t i = 0; i < side * side; i++)
        if (seen[i] > 0.5f)
            for (int axis = 0; axis < 2; axis++) {
                const double at = (double)(axis ? i / side : i % side) / (double)side;
                lo[axis] = fmin(lo[axis], at);
                hi[axis] = fmax(hi[axis], at + 1 / (double)side);
            }
    ok(rs_region_seen(&v, picture, square, &err), &err);
    for (int axis = 0; axis < 2; axis++)
        if (fabs(square[axis] - lo[axis]) > 1.01 / (double)side ||
            fabs(square[axis + 2] - hi[axis]) > 1.01 / (double)side)
            fail_msg("%zu x %zu, axis %d: %g to %g, white from %g to %g", width, height, axis,
                     square[axis], square[axis + 2], lo[axis], hi[axis]);
    rs_free(seen);
}

static void a_box_lies_where_its_pixels_go(void **state)
{
    rs_preprocess all = squash(64), middle, open_clip, small;

    (void)state;
    rs_preprocess_clip(&middle, 64);
    middle.do_normalize = false;
    open_clip = middle;
    open_clip.processor = RS_PROCESSOR_OPEN_CLIP;
    small = middle;
    small.do_resize = false;                       /* a picture in the middle of black */
    check_seen(&all, 200, 100, (size_t[]){20, 10, 90, 60});
    check_seen(&all, 100, 331, (size_t[]){0, 0, 100, 331});
    check_seen(&middle, 300, 100, (size_t[]){120, 10, 180, 60});
    check_seen(&middle, 100, 257, (size_t[]){5, 100, 60, 160});
    check_seen(&open_clip, 130, 257, (size_t[]){5, 100, 60, 160});
    check_seen(&small, 40, 30, (size_t[]){0, 5, 20, 30});
    check_seen(&small, 100, 30, (size_t[]){30, 5, 70, 30});
}

static void what_no_encoder_sees_is_refused(void **state)
{
    static const double bad[][4] = {
        {0.5, 0, 0.5, 1}, {-0.1, 0, 1, 1}, {0, 0, 1, 1.1}, {0.4, 0.6, 0.6, 0.4}, {NAN, 0, 1, 1}};
    rs_preprocess middle;
    double square[4];
    rs_view v;
    rs_err err = {0};

    (void)state;
    rs_preprocess_clip(&middle, 64);
    v = view_of(&middle, 400, 100);                /* sees the middle quarter */
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(rs_region_seen(&v, bad[i], square, &err), RS_EARG);
    assert_int_equal(rs_region_seen(&v, (double[]){0, 0, 0.3, 1}, square, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "sees nothing"));
    ok(rs_region_seen(&v, (double[]){0, 0, 0.5, 1}, square, &err), &err);
    assert_true(fabs(square[0]) < 1e-9 && fabs(square[2] - 0.5) < 0.02);
}

static void windows_cover_what_is_seen(void **state)
{
    double picture[RS_REGIONS_EACH][4], square[RS_REGIONS_EACH][4];
    rs_preprocess all = squash(64), middle;
    rs_view v = view_of(&all, 200, 100);

    (void)state;
    rs_region_windows(&v, picture, square);
    for (int i = 0; i < RS_REGIONS_EACH; i++)
        for (int k = 0; k < 4; k++) {
            const int at = (k % 2 ? i / RS_REGIONS_ROW : i % RS_REGIONS_ROW) + (k < 2 ? 0 : 2);
            assert_true(fabs(picture[i][k] - at / 6.0) < 1e-9);
            assert_true(fabs(square[i][k] - at / 6.0) < 1e-9);
        }
    rs_preprocess_clip(&middle, 64);
    v = view_of(&middle, 200, 100);
    rs_region_windows(&v, picture, square);
    assert_true(fabs(picture[0][0] - 0.25) < 1e-9 && fabs(picture[0][1]) < 1e-9);
    assert_true(fabs(picture[RS_REGIONS_EACH - 1][2] - 0.75) < 1e-9);
    assert_true(fabs(square[RS_REGIONS_EACH - 1][2] - 1) < 1e-9);
}

/* ---- Each family against the definition --------------------------------------------------- */

enum { IMAGES = 3, BOXES = 40 };               /* more boxes than a tiny tower has rows */
static const char *const families[] = {"tests/data/clip_tiny_gelu", "tests/data/siglip_tiny",
                                       "tests/data/open_clip_tiny", "tests/data/biomed_tiny"};

static rs_dual *open_model(const char *folder)
{
    rs_dual *m = NULL;
    rs_err err = {0};

    ok(rs_dual_open(&m, folder, &err), &err);
    return m;
}

static float *some_pixels(const rs_dual_config *c, size_t n)
{
    const size_t floats = n * 3 * c->image_size * c->image_size;
    float *x = rs_calloc(floats, sizeof *x);

    assert_non_null(x);
    formula(x, 7, floats, 0, 1);
    return x;
}

/* Any boxes; of each image the first is all of it, the second one patch, exactly. */
static void some_boxes(const rs_dual_config *c, double (*box)[4])
{
    rs_random rnd = rs_random_seed(3);
    const double patch = (double)c->patch_size / (double)c->image_size;

    for (size_t i = 0; i < IMAGES * BOXES; i++) {
        for (int axis = 0; axis < 2; axis++) {
            const double a = rs_random_unit(&rnd), b = rs_random_unit(&rnd);
            box[i][axis] = 0.98 * fmin(a, b);
            box[i][axis + 2] = fmin(1, fmax(a, b) + 0.02);
        }
        if (i % BOXES == 0)
            memcpy(box[i], (double[]){0, 0, 1, 1}, sizeof *box);
        if (i % BOXES == 1)
            memcpy(box[i], (double[]){patch, 0, 2 * patch, patch}, sizeof *box);
    }
}

/* y [n] = W x + b in double; W [n x k]. */
static void naive_linear(double *y, const double *x, const float *p, size_t w, size_t b, size_t k,
                         size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = b == RS_NOWHERE ? 0 : (double)p[b + i];
        for (size_t j = 0; j < k; j++)
            y[i] += (double)p[w + i * k + j] * x[j];
    }
}

static void naive_norm(double *y, const double *x, const float *p, size_t g, size_t b, double eps,
                       size_t d)
{
    double mean = 0, var = 0;

    for (size_t i = 0; i < d; i++)
        mean += x[i] / (double)d;
    for (size_t i = 0; i < d; i++)
        var += (x[i] - mean) * (x[i] - mean) / (double)d;
    for (size_t i = 0; i < d; i++)
        y[i] = (double)p[g + i] * (x[i] - mean) / sqrt(var + eps) + (double)p[b + i];
}

static double naive_act(rs_activation act, double x)
{
    switch (act) {
    case RS_ACT_QUICK_GELU: return x / (1 + exp(-1.702 * x));
    case RS_ACT_GELU:       return x * 0.5 * (1 + erf(x / sqrt(2)));
    case RS_ACT_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    }
    return 0;
}

/* How much of patch t lies in the box. */
static double share(const rs_dual_config *c, const double *b, size_t t)
{
    const size_t side = c->image_size / c->patch_size;
    double area = 1;

    for (int axis = 0; axis < 2; axis++) {
        const double at = (double)(axis ? t / side : t % side);
        area *= fmax(0, fmin(b[axis + 2] * (double)side, at + 1) -
                        fmax(b[axis] * (double)side, at));
    }
    return area;
}

enum { WIDE = 512 };

/* x: a row as it is read. */
static void naive_read(float *out, double *x, const rs_dual *m)
{
    const rs_tower_traits *f = rs_vision_traits(&m->config);
    const rs_tower_at *at = &m->at.vision;
    const size_t d = m->config.vision.width, hidden = rs_proj_hidden(&m->config.vision,
                                                                     m->config.dim);
    double y[WIDE], z[WIDE];

    if (f->output_norm)
        naive_norm(x, x, m->params, at->out_g, at->out_b, (double)m->config.vision.eps, d);
    memcpy(y, x, d * sizeof *y);
    if (f->proj == RS_PROJ_MLP) {
        naive_linear(z, x, m->params, at->proj_w, RS_NOWHERE, d, hidden);
        for (size_t i = 0; i < hidden; i++)
            z[i] = naive_act(RS_ACT_GELU, z[i]);
        naive_linear(y, z, m->params, at->proj2_w, RS_NOWHERE, hidden, m->config.dim);
    } else if (f->proj != RS_PROJ_NONE) {
        naive_linear(y, x, m->params, at->proj_w,
                     f->proj == RS_PROJ_LINEAR ? RS_NOWHERE : at->proj_b, d, m->config.dim);
    }
    for (size_t i = 0; i < m->config.dim; i++)
        out[i] = (float)y[i];
}

/* A pooling layer on the rows `in`, each counting w[t] times. */
static void naive_pool(double *x, const float *in, const double *w, size_t patches,
                       const rs_dual *m)
{
    const rs_tower_config *c = &m->config.vision;
    const rs_layer_at *at = &m->at.vision.layer[c->layers];
    const size_t d = c->width, hd = d / c->heads;
    const float *p = m->params;
    double q[WIDE], h[WIDE] = {0}, k[64][WIDE], v[64][WIDE], ctx[WIDE] = {0}, mlp[WIDE];

    for (size_t i = 0; i < d; i++)
        h[i] = (double)p[m->at.vision.probe + i];
    naive_linear(q, h, p, at->q_w, at->q_b, d, d);
    for (size_t t = 0; t < patches; t++) {
        for (size_t i = 0; i < d; i++)
            h[i] = (double)in[t * d + i];
        naive_norm(h, h, p, at->ln1_g, at->ln1_b, (double)c->eps, d);
        naive_linear(k[t], h, p, at->k_w, at->k_b, d, d);
        naive_linear(v[t], h, p, at->v_w, at->v_b, d, d);
    }
    for (size_t head = 0; head < d; head += hd) {
        double total = 0;
        for (size_t t = 0; t < patches; t++) {
            double score = 0;
            for (size_t j = 0; j < hd; j++)
                score += q[head + j] * k[t][head + j] / sqrt((double)hd);
            total += w[t] * exp(score);
            for (size_t j = 0; j < hd; j++)
                ctx[head + j] += w[t] * exp(score) * v[t][head + j];
        }
        for (size_t j = 0; j < hd; j++)
            ctx[head + j] /= total;
    }
    naive_linear(x, ctx, p, at->out_w, at->out_b, d, d);
    naive_norm(h, x, p, at->ln2_g, at->ln2_b, (double)c->eps, d);
    naive_linear(mlp, h, p, at->fc1_w, at->fc1_b, d, c->mlp);
    for (size_t i = 0; i < c->mlp; i++)
        mlp[i] = naive_act(c->act, mlp[i]);
    naive_linear(h, mlp, p, at->fc2_w, at->fc2_b, c->mlp, d);
    for (size_t i = 0; i < d; i++)
        x[i] += h[i];
}

/* in: the image's rows as they enter the last layer, without a class token. */
static void naive_region(float *out, const float *in, const double *box, const rs_dual *m)
{
    const size_t patches = rs_dual_patches(&m->config), d = m->config.vision.width;
    double w[64], x[WIDE] = {0}, total = 0;

    assert_true(patches <= 64 && d <= WIDE && m->config.vision.mlp <= WIDE);
    for (size_t t = 0; t < patches; t++)
        total += w[t] = share(&m->config, box, t);
    if (rs_vision_traits(&m->config)->pool == RS_POOL_ATTENTION)
        naive_pool(x, in, w, patches, m);
    else
        for (size_t t = 0; t < patches; t++)
            for (size_t j = 0; j < d; j++)
                x[j] += w[t] / total * (double)in[t * d + j];
    naive_read(out, x, m);
}

static void check_family(const char *folder, rs_precision precision, double tolerance)
{
    rs_dual *m = open_model(folder);
    const rs_dual_config *c = rs_dual_config_of(m);
    const size_t dim = c->dim, rows = rs_dual_image_rows(c), d = c->vision.width;
    static double box[IMAGES * BOXES][4];
    float *pixels = some_pixels(c, IMAGES), *whole = rs_calloc(IMAGES * dim, sizeof *whole);
    float *got = rs_calloc(IMAGES * BOXES * dim, sizeof *got);
    float *want = rs_calloc(dim, sizeof *want);
    float *features = rs_calloc(IMAGES * dim, sizeof *features);
    rs_tape *kept = rs_tape_new(), *tape = rs_tape_new();
    rs_dual_fast *fast = NULL;
    rs_err err = {0};

    some_boxes(c, box);
    ok(rs_dual_fast_new(&fast, m, precision, &err), &err);
    rs_tape_use(tape, precision == RS_F32 ? NULL : fast, NULL);
    ok(rs_dual_image_forward(m, pixels, IMAGES, kept, true, whole, &err), &err);
    ok(rs_dual_image_regions(m, pixels, IMAGES, box[0], BOXES, tape, features, got, &err), &err);
    if (precision == RS_F32)
        assert_near(folder, features, whole, IMAGES * dim, 1e-5);
    for (size_t i = 0; i < IMAGES * BOXES; i++) {
        const size_t image = i / BOXES;
        const float *in = kept->layer[kept->in.depth - 1].in +
                          (image * rows + rs_vision_traits(c)->class_token) * d;
        naive_region(want, in, box[i], m);
        if (precision == RS_F32)
            assert_near(folder, got + i * dim, want, dim, tolerance);
        else if (cosine(got + i * dim, want, dim) < tolerance)
            fail_msg("%s: region %zu: cosine %g", folder, i, cosine(got + i * dim, want, dim));
        if (i % BOXES == 0 && rs_vision_traits(c)->pool == RS_POOL_ATTENTION)
            assert_near("all of it", got + i * dim, features + image * dim, dim, tolerance);
    }
    rs_dual_fast_free(fast);
    rs_tape_free(kept);
    rs_tape_free(tape);
    rs_free(pixels);
    rs_free(whole);
    rs_free(got);
    rs_free(want);
    rs_free(features);
    rs_dual_close(m);
}

static void regions_are_as_defined_in_every_family(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        check_family(families[i], RS_F32, 2e-5);
}

static void packed_layers_give_nearly_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        check_family(families[i], RS_BF16, 0.999);
        check_family(families[i], RS_INT8, 0.99);
    }
}

/* ---- The encoder --------------------------------------------------------------------------- */

static rs_encoder *encoder;

static int make_encoder(void **state)
{
    rs_err err = {0};

    (void)state;
    if (!mkdtemp(scratch) || tiny_model_write(at("model"), 7, &err) != RS_OK ||
        rs_encoder_open(&encoder, at("model"), &err) != RS_OK) {
        print_error("%s\n", err.msg);
        return -1;
    }
    return 0;
}

static int drop_encoder(void **state)
{
    rs_encoder_close(encoder);
    return scratch_drop(state);
}

static void neither_batch_nor_threads_show(void **state)
{
    enum { MANY = 150 };
    const rs_dual_config *c = rs_dual_config_of(rs_encoder_dual(encoder));
    const size_t dim = rs_encoder_dim(encoder), floats = 3 * TINY_SIDE * TINY_SIDE;
    float *pixels = some_pixels(c, MANY), *whole = rs_calloc(MANY * dim, sizeof *whole);
    float *all = rs_calloc(MANY * 2 * dim, sizeof *all), one[2 * TINY_DIM], image[TINY_DIM];
    double (*box)[4] = rs_calloc(MANY * 2, sizeof *box);
    rs_pool *pool = NULL;
    rs_err err = {0};

    (void)state;
    for (size_t i = 0; i < MANY * 2; i++)
        memcpy(box[i], (double[]){0.1, 0.2 + 0.001 * (double)i, 0.5, 0.9}, sizeof *box);
    ok(rs_pool_new(&pool, 3, &err), &err);
    ok(rs_encoder_regions(encoder, pixels, MANY, box[0], 2, pool, whole, all, &err), &err);
    for (size_t i = 0; i < MANY; i++) {
        ok(rs_encoder_regions(encoder, pixels + i * floats, 1, box[2 * i], 2, NULL, image, one,
                              &err), &err);
        assert_near("an image alone", image, whole + i * dim, dim, 1e-5);
        assert_near("its regions alone", one, all + i * 2 * dim, 2 * dim, 1e-5);
        assert_true(fabs(cosine(one, one, dim) - 1) < 1e-6);
        ok(rs_encoder_pixels(encoder, pixels + i * floats, 1, NULL, one, &err), &err);
        assert_near("and without", one, image, dim, 1e-5);
    }
    rs_pool_free(pool);
    rs_free(pixels);
    rs_free(whole);
    rs_free(all);
    rs_free(box);
}

static void no_memory_is_told(void **state)
{
    const rs_dual_config *c = rs_dual_config_of(rs_encoder_dual(encoder));
    float *pixels = some_pixels(c, 2), whole[2 * TINY_DIM], regions[2 * TINY_DIM];
    const double box[2][4] = {{0, 0, 1, 1}, {0, 0, 0.5, 0.5}};
    rs_status st = RS_ENOMEM;
    rs_encoder *e = NULL;
    rs_err err = {0};

    (void)state;
    ok(rs_encoder_open(&e, at("model"), &err), &err);      /* with no tape at rest */
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_encoder_regions(e, pixels, 2, box[0], 1, NULL, whole, regions, &err);
        rs_alloc_fail_after(-1);
        if (st != RS_OK)
            assert_int_equal(st, RS_ENOMEM);
    }
    rs_encoder_close(e);
    rs_free(pixels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_box_lies_where_its_pixels_go),
        cmocka_unit_test(what_no_encoder_sees_is_refused),
        cmocka_unit_test(windows_cover_what_is_seen),
        cmocka_unit_test(regions_are_as_defined_in_every_family),
        cmocka_unit_test(packed_layers_give_nearly_the_same),
        cmocka_unit_test(neither_batch_nor_threads_show),
        cmocka_unit_test(no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, make_encoder, drop_encoder);
}
