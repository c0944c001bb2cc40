/* test_dual_backward.c - every gradient of both towers against PyTorch and against
 * differences of the forward pass.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/dual.h"

#include "base/random.h"
#include "embeddings/formula.h"
#include "embeddings/golden.h"

static const struct { const char *model, *golden; } tiny[] = {
    {"tests/data/clip_tiny_quick", "tests/data/towers_quick.safetensors"},
    {"tests/data/clip_tiny_gelu",  "tests/data/towers_gelu.safetensors"},
    {"tests/data/siglip_tiny",     "tests/data/towers_siglip.safetensors"},
    {"tests/data/open_clip_tiny",  "tests/data/towers_open_clip.safetensors"},
    {"tests/data/biomed_tiny",     "tests/data/towers_biomed.safetensors"},
};
enum { TINY = 5 };

/* A model with everything a pass needs. */
typedef struct {
    rs_dual *m;
    rs_tensors *g;
    golden_texts texts;
    float *pixels, *d_image, *d_text, *features, *grads;
    rs_tape *tape;
    size_t n, dim, count, image_floats;
} rig;

static void ok(rs_status st, const rs_err *err)
{
    if (st != RS_OK)
        fail_msg("%s: %s", rs_status_name(st), err->msg);
}

static rig rig_open(size_t k)
{
    rig r = {0};
    rs_err err = {0};

    ok(rs_dual_open(&r.m, tiny[k].model, &err), &err);
    r.g = golden_open(tiny[k].golden);
    r.texts = golden_texts_of(r.g);
    r.n = r.texts.n;
    r.dim = rs_dual_config_of(r.m)->dim;
    r.count = rs_dual_param_count(r.m);
    r.pixels = golden_floats(r.g, "pixels", &r.image_floats);
    r.image_floats /= r.n;
    r.d_image = golden_floats(r.g, "d_image", NULL);
    r.d_text = golden_floats(r.g, "d_text", NULL);
    r.features = rs_calloc(r.n * r.dim, sizeof *r.features);
    r.grads = rs_calloc(r.count, sizeof *r.grads);
    r.tape = rs_tape_new();
    assert_true(r.features && r.grads && r.tape);
    return r;
}

static void rig_clear(rig *r)
{
    rs_dual_close(r->m);
    rs_tensors_close(r->g);
    golden_texts_clear(&r->texts);
    rs_free(r->pixels); rs_free(r->d_image); rs_free(r->d_text);
    rs_free(r->features); rs_free(r->grads);
    rs_tape_free(r->tape);
}

/* Forward and backward of images [first, first + n), adding to grads. */
static void image_pass(rig *r, size_t first, size_t n, float *grads)
{
    const float *pixels = r->pixels + first * r->image_floats;
    rs_err err = {0};

    ok(rs_dual_image_forward(r->m, pixels, n, r->tape, true, r->features, &err), &err);
    ok(rs_dual_image_backward(r->m, r->tape, pixels, n, r->d_image + first * r->dim, grads, &err),
       &err);
}

static void text_pass(rig *r, size_t first, size_t n, float *grads)
{
    const int32_t *ids = r->texts.ids;
    rs_err err = {0};

    for (size_t i = 0; i < first; i++)
        ids += r->texts.length[i];
    ok(rs_dual_text_forward(r->m, ids, r->texts.length + first, n, r->tape, true, r->features,
                            &err), &err);
    ok(rs_dual_text_backward(r->m, r->tape, ids, r->texts.length + first, n,
                             r->d_text + first * r->dim, grads, &err), &err);
}

/* <d_image, image features> + <d_text, text features>, in double. */
static double loss(rig *r)
{
    rs_err err = {0};
    double sum = 0;

    ok(rs_dual_image_forward(r->m, r->pixels, r->n, r->tape, false, r->features, &err), &err);
    for (size_t i = 0; i < r->n * r->dim; i++)
        sum += (double)r->features[i] * (double)r->d_image[i];
    ok(rs_dual_text_forward(r->m, r->texts.ids, r->texts.length, r->n, r->tape, false, r->features,
                            &err), &err);
    for (size_t i = 0; i < r->n * r->dim; i++)
        sum += (double)r->features[i] * (double)r->d_text[i];
    return sum;
}

/* ---- Against PyTorch ------------------------------------------------------------------ */

static void test_every_gradient(void **state)
{
    (void)state;
    for (size_t k = 0; k < TINY; k++) {
        rig r = rig_open(k);
        size_t tensors;
        const rs_param *table = rs_dual_param_table(r.m, &tensors);

        image_pass(&r, 0, r.n, r.grads);
        text_pass(&r, 0, r.n, r.grads);
        for (size_t i = 0; i < tensors; i++) {
            char name[160];
            size_t n;
            snprintf(name, sizeof name, "grad.%s", table[i].name);
            float *want = golden_floats(r.g, name, &n);
            assert_int_equal(n, table[i].count);
            if (table[i].transposed)
                formula_turn(want, table[i].shape[0], table[i].shape[1]);
            assert_near(name, r.grads + table[i].offset, want, n, 1e-4);
            /* A key bias shifts all scores of a query alike: its gradient is rounding. */
            if (largest(want, n) > 1e-3 &&
                !(cosine(r.grads + table[i].offset, want, n) >= 0.99999))
                fail_msg("%s: cosine %.7f", name, cosine(r.grads + table[i].offset, want, n));
            rs_free(want);
        }
        rig_clear(&r);
    }
}

/* ---- Against differences -------------------------------------------------------------- */

/* A few numbers of each tensor, moved by +-h: (loss(+h) - loss(-h)) / 2h. */
static void test_differences(void **state)
{
    rs_random rnd = rs_random_seed(5);

    (void)state;
    for (size_t k = 0; k < TINY; k++) {
        rig r = rig_open(k);
        size_t tensors;
        const rs_param *table = rs_dual_param_table(r.m, &tensors);
        float *p = rs_dual_params(r.m);

        image_pass(&r, 0, r.n, r.grads);
        text_pass(&r, 0, r.n, r.grads);
        for (size_t i = 0; i < 3 * tensors; i++) {
            const rs_param *t = &table[i / 3];
            const size_t at = t->offset + rs_random_below(&rnd, t->count);
            const float old = p[at], up = old + 4e-3f, down = old - 4e-3f;
            p[at] = up;
            double high = loss(&r);
            p[at] = down;
            double low = loss(&r);
            p[at] = old;
            double want = (high - low) / ((double)up - (double)down);
            if (!(fabs(want - (double)r.grads[at]) <= 2e-3 * fmax(1, fabs(want))))
                fail_msg("%s[%zu]: %g, by differences %g", t->name, at - t->offset,
                         (double)r.grads[at], want);
        }
        rig_clear(&r);
    }
}

/* ---- Promises ------------------------------------------------------------------------- */

/* Gradients add up: parts of a batch one after the other give the batch's. */
static void test_parts_add_up(void **state)
{
    (void)state;
    for (size_t k = 0; k < TINY; k++) {
        rig r = rig_open(k);
        float *parts = rs_calloc(r.count, sizeof *parts);

        image_pass(&r, 0, r.n, r.grads);
        text_pass(&r, 0, r.n, r.grads);
        for (size_t i = 0; i < r.n; i++) {
            image_pass(&r, i, 1, parts);
            text_pass(&r, i, 1, parts);
        }
        assert_near("parts", parts, r.grads, r.count, 1e-5 * fmax(1, largest(r.grads, r.count)));
        rs_free(parts);
        rig_clear(&r);
    }
}

/* A tape serves one backward pass, of the forward pass it holds. */
static void test_tape_is_used_up(void **state)
{
    rig r = rig_open(0);
    rs_err err = {0};

    (void)state;
#define BACK(n) rs_dual_image_backward(r.m, r.tape, r.pixels, n, r.d_image, r.grads, &err)
    assert_int_equal(BACK(1), RS_EARG);                       /* nothing there */
    ok(rs_dual_image_forward(r.m, r.pixels, 2, r.tape, false, r.features, &err), &err);
    assert_int_equal(BACK(2), RS_EARG);                       /* not kept */
    ok(rs_dual_image_forward(r.m, r.pixels, 2, r.tape, true, r.features, &err), &err);
    assert_int_equal(BACK(1), RS_EARG);                       /* another number */
    assert_int_equal(rs_dual_text_backward(r.m, r.tape, r.texts.ids, r.texts.length, 2, r.d_text,
                                           r.grads, &err), RS_EARG);
    assert_int_equal(largest(r.grads, r.count), 0);
    assert_int_equal(BACK(2), RS_OK);
    assert_int_equal(BACK(2), RS_EARG);                       /* used up */
    assert_int_equal(BACK(0), RS_OK);
#undef BACK
    rig_clear(&r);
}

/* Steady state: a second like pass allocates nothing. */
static void test_no_allocation(void **state)
{
    rig r = rig_open(1);
    size_t before;

    (void)state;
    image_pass(&r, 0, r.n, r.grads);
    text_pass(&r, 0, r.n, r.grads);
    before = rs_alloc_total();
    image_pass(&r, 0, r.n, r.grads);
    text_pass(&r, 0, r.n, r.grads);
    image_pass(&r, 1, 1, r.grads);
    assert_int_equal(rs_alloc_total(), before);
    rig_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_gradient),
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_parts_add_up),
        cmocka_unit_test(test_tape_is_used_up),
        cmocka_unit_test(test_no_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
