/* test_dual_forward.c - both towers against PyTorch: features, every layer, full size.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/tower_int.h"

#include "base/random.h"
#include "embeddings/formula.h"
#include "embeddings/golden.h"

#include <stdlib.h>

static const struct { const char *model, *golden; } tiny[] = {
    {"tests/data/clip_tiny_quick", "tests/data/towers_quick.safetensors"},
    {"tests/data/clip_tiny_gelu",  "tests/data/towers_gelu.safetensors"},
    {"tests/data/siglip_tiny",     "tests/data/towers_siglip.safetensors"},
    {"tests/data/open_clip_tiny",  "tests/data/towers_open_clip.safetensors"},
    {"tests/data/biomed_tiny",     "tests/data/towers_biomed.safetensors"},
};
enum { TINY = 5, WITH_LAYERS = 2 };         /* the first ones' goldens have every layer */

static rs_dual *open_model(const char *folder)
{
    rs_dual *m = NULL;
    rs_err err = {0};

    if (rs_dual_open(&m, folder, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return m;
}

static void ok(rs_status st, const rs_err *err)
{
    if (st != RS_OK)
        fail_msg("%s: %s", rs_status_name(st), err->msg);
}

/* ---- Against PyTorch ------------------------------------------------------------------ */

static void check_features(const char *what, const float *got, const float *want, size_t n,
                           size_t d)
{
    assert_near(what, got, want, n * d, 1e-4);
    for (size_t i = 0; i < n; i++)
        if (!(cosine(got + i * d, want + i * d, d) >= 0.99999))
            fail_msg("%s %zu: cosine %.7f", what, i, cosine(got + i * d, want + i * d, d));
}

static void test_features(void **state)
{
    (void)state;
    for (size_t k = 0; k < TINY; k++) {
        rs_dual *m = open_model(tiny[k].model);
        rs_tensors *g = golden_open(tiny[k].golden);
        golden_texts texts = golden_texts_of(g);
        const size_t d = rs_dual_config_of(m)->dim, n = texts.n;
        float *pixels = golden_floats(g, "pixels", NULL), *got = rs_calloc(n * d, sizeof *got);
        float *image = golden_floats(g, "image_features", NULL);
        float *text = golden_floats(g, "text_features", NULL);
        rs_tape *tape = rs_tape_new();
        rs_err err = {0};

        for (int keep = 0; keep < 2; keep++) {
            ok(rs_dual_image_forward(m, pixels, n, tape, keep, got, &err), &err);
            check_features("image", got, image, n, d);
            ok(rs_dual_text_forward(m, texts.ids, texts.length, n, tape, keep, got, &err), &err);
            check_features("text", got, text, n, d);
        }
        rs_tape_free(tape);
        golden_texts_clear(&texts);
        rs_free(pixels); rs_free(got); rs_free(image); rs_free(text);
        rs_tensors_close(g);
        rs_dual_close(m);
    }
}

/* Layer `layer` of the tape against hidden.I and probs.I, whose texts are padded to
 * `stride` rows. The last layer's attention is kept for the pooled row only. */
static void check_layer(const rs_tape *t, const rs_tensors *g, const char *tower, size_t layer,
                        size_t stride)
{
    const rs_packed *in = &t->in;
    const size_t d = in->c->width, heads = in->c->heads;
    const bool last = layer + 1 == in->c->layers;
    char name[64];
    snprintf(name, sizeof name, "%s.hidden.%zu", tower, layer);
    float *hidden = golden_floats(g, name, NULL);
    snprintf(name, sizeof name, "%s.probs.%zu", tower, layer);
    float *probs = golden_floats(g, name, NULL);
    const float *p = t->layer[layer].probs;

    for (size_t i = 0; i < in->n; i++) {
        const size_t rows = in->start[i + 1] - in->start[i];
        assert_near(name, t->layer[layer].in + in->start[i] * d, hidden + i * stride * d,
                    rows * d, 5e-5);
        for (size_t h = 0; h < heads; h++)
            for (size_t r = last ? in->pool[i] - in->start[i] : 0; r < rows; r++, p += rows) {
                assert_near(name, p, probs + ((i * heads + h) * stride + r) * stride, rows, 2e-5);
                if (last)
                    r = rows;
            }
    }
    rs_free(hidden);
    rs_free(probs);
}

static void test_every_layer(void **state)
{
    (void)state;
    for (size_t k = 0; k < WITH_LAYERS; k++) {
        rs_dual *m = open_model(tiny[k].model);
        const rs_dual_config *c = rs_dual_config_of(m);
        rs_tensors *g = golden_open(tiny[k].golden);
        golden_texts texts = golden_texts_of(g);
        float *pixels = golden_floats(g, "pixels", NULL), *got = rs_calloc(3 * c->dim, sizeof *got);
        rs_tape *tape = rs_tape_new();
        rs_err err = {0};

        ok(rs_dual_image_forward(m, pixels, texts.n, tape, true, got, &err), &err);
        for (size_t i = 0; i < c->vision.layers; i++)
            check_layer(tape, g, "vision", i, rs_dual_image_rows(c));
        ok(rs_dual_text_forward(m, texts.ids, texts.length, texts.n, tape, true, got, &err), &err);
        for (size_t i = 0; i < c->text.layers; i++)
            check_layer(tape, g, "text", i, c->max_tokens);
        rs_tape_free(tape);
        golden_texts_clear(&texts);
        rs_free(pixels); rs_free(got);
        rs_tensors_close(g);
        rs_dual_close(m);
    }
}

/* The shapes of the published models with 1000 words; parameters by formula.h. */
static void check_full(const char *name, rs_tower_config vision, size_t patch,
                       rs_tower_config text, size_t dim)
{
    const rs_dual_config c = {
        .vision = vision, .text = text, .image_size = 224, .patch_size = patch,
        .vocab_size = 1000, .max_tokens = 77, .eos_id = 999, .bos_id = 998, .dim = dim,
        .logit_scale = 2.6592f,
    };
    const size_t pixel_count = 2 * 3 * 224 * 224, length[2] = {77, 10};
    rs_tensors *g = golden_open("tests/data/towers_full.safetensors");
    float *pixels = rs_calloc(pixel_count, sizeof *pixels), *got = rs_calloc(2 * dim, sizeof *got);
    rs_tape *tape = rs_tape_new();
    rs_dual *m = NULL;
    rs_err err = {0};
    int32_t ids[87];
    char what[32];

    ok(rs_dual_new(&m, &c, NULL, &err), &err);
    formula_fill_all(m);
    formula(pixels, 1000, pixel_count, 0, 1);
    for (int32_t i = 0; i < 87; i++)
        ids[i] = 1 + 7 * (i < 77 ? i : i - 77) % 997;
    ids[0] = ids[77] = 998;
    ids[76] = ids[86] = 999;
    for (int kind = 0; kind < 2; kind++) {
        snprintf(what, sizeof what, "%s.%s", name, kind ? "text" : "image");
        float *want = golden_floats(g, what, NULL);
        ok(kind ? rs_dual_text_forward(m, ids, length, 2, tape, false, got, &err)
                : rs_dual_image_forward(m, pixels, 2, tape, false, got, &err), &err);
        check_features(what, got, want, 2, dim);
        rs_free(want);
    }
    rs_dual_close(m);
    rs_tape_free(tape);
    rs_free(pixels); rs_free(got);
    rs_tensors_close(g);
}

static rs_tower_config tower(size_t width, size_t layers, size_t heads)
{
    return (rs_tower_config){.width = width, .layers = layers, .heads = heads, .mlp = 4 * width,
                             .eps = 1e-5f, .act = RS_ACT_QUICK_GELU};
}

static void test_vit_b32(void **state)
{
    (void)state;
    check_full("b32", tower(768, 12, 12), 32, tower(512, 12, 8), 512);
}

static void test_vit_b16_l14(void **state)
{
    (void)state;
    if (!getenv("RADSCOUT_SLOW")) {
        print_message("skipped: takes 2 GB and some seconds, set RADSCOUT_SLOW=1\n");
        skip();
    }
    check_full("b16", tower(768, 12, 12), 16, tower(512, 12, 8), 512);
    check_full("l14", tower(1024, 24, 16), 14, tower(768, 12, 12), 768);
}

/* ---- Promises ------------------------------------------------------------------------- */

/* A model like the default one, small: enough rows that calls without `keep` run in
 * several chunks. */
static rs_dual *medium(void)
{
    const rs_dual_config c = {
        .vision = {48, 3, 3, 96, 1e-5f, RS_ACT_QUICK_GELU, RS_TOWER_CLIP},
        .text = {32, 2, 2, 64, 1e-5f, RS_ACT_GELU, RS_TOWER_CLIP},
        .image_size = 64, .patch_size = 8, .vocab_size = 100, .max_tokens = 40, .eos_id = 99,
        .bos_id = 98, .dim = 24, .logit_scale = 2.6592f,
    };
    rs_dual *m = NULL;
    rs_err err = {0};

    ok(rs_dual_new(&m, &c, NULL, &err), &err);
    formula_fill_all(m);
    return m;
}

static void test_images_do_not_depend_on_the_batch(void **state)
{
    enum { N = 37 };
    rs_dual *m = medium();
    const size_t d = rs_dual_config_of(m)->dim, floats = 3 * 64 * 64;
    float *pixels = rs_calloc(N, floats * sizeof *pixels);
    float *all = rs_calloc(N, d * sizeof *all), *one = rs_calloc(N, d * sizeof *one);
    rs_tape *tape = rs_tape_new();
    rs_err err = {0};

    (void)state;
    formula(pixels, 2000, N * floats, 0, 1);
    ok(rs_dual_image_forward(m, pixels, N, tape, false, all, &err), &err);
    for (size_t i = 0; i < N; i++)
        ok(rs_dual_image_forward(m, pixels + i * floats, 1, tape, false, one + i * d, &err), &err);
    assert_near("one by one", one, all, N * d, 1e-5 * fmax(1, largest(all, N * d)));
    ok(rs_dual_image_forward(m, pixels, N, tape, true, one, &err), &err);
    assert_near("kept", one, all, N * d, 1e-5 * fmax(1, largest(all, N * d)));
    rs_tape_free(tape);
    rs_free(pixels); rs_free(all); rs_free(one);
    rs_dual_close(m);
}

static void test_texts_do_not_depend_on_the_batch(void **state)
{
    enum { N = 90 };
    rs_dual *m = medium();
    const size_t d = rs_dual_config_of(m)->dim;
    int32_t *ids = rs_calloc(N * 40, sizeof *ids);
    size_t length[N], total = 0;
    float *all = rs_calloc(N, d * sizeof *all), *one = rs_calloc(N, d * sizeof *one);
    rs_tape *tape = rs_tape_new();
    rs_random r = rs_random_seed(4);
    rs_err err = {0};

    (void)state;
    for (size_t i = 0; i < N; i++) {
        length[i] = 2 + i % 39;
        for (size_t j = 0; j + 1 < length[i]; j++)
            ids[total++] = (int32_t)rs_random_below(&r, 99);
        ids[total++] = 99;
    }
    assert_true(total > RS_CHUNK_ROWS);
    ok(rs_dual_text_forward(m, ids, length, N, tape, false, all, &err), &err);
    for (size_t i = 0, at = 0; i < N; at += length[i++])
        ok(rs_dual_text_forward(m, ids + at, length + i, 1, tape, false, one + i * d, &err), &err);
    assert_near("one by one", one, all, N * d, 1e-5 * fmax(1, largest(all, N * d)));
    rs_tape_free(tape);
    rs_free(ids); rs_free(all); rs_free(one);
    rs_dual_close(m);
}

/* What follows the end token changes nothing, to the bit. */
static void test_padding_is_not_read(void **state)
{
    rs_dual *m = medium();
    const int32_t bare[] = {98, 5, 6, 7, 99}, padded[] = {98, 5, 6, 7, 99, 99, 0, 99};
    const size_t five = 5, eight = 8;
    float a[24], b[24];
    rs_tape *tape = rs_tape_new();
    rs_err err = {0};

    (void)state;
    ok(rs_dual_text_forward(m, bare, &five, 1, tape, false, a, &err), &err);
    ok(rs_dual_text_forward(m, padded, &eight, 1, tape, false, b, &err), &err);
    assert_memory_equal(a, b, sizeof a);
    rs_tape_free(tape);
    rs_dual_close(m);
}

static void test_bad_texts(void **state)
{
    static const struct { int32_t ids[4]; size_t length; const char *says; } rows[] = {
        {{98, 5, 99}, 0, "text 0: 0 tokens"},
        {{98, 5, 99}, 41, "text 0: 41 tokens"},
        {{98, 100, 99}, 3, "text 0: token 1 is 100"},
        {{-1, 5, 99}, 3, "text 0: token 0 is -1"},
        {{98, 5, 6}, 3, "text 0: no end token 99"},
    };
    rs_dual *m = medium();
    rs_tape *tape = rs_tape_new();
    float out[24];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_err err = {0};
        assert_int_equal(rs_dual_text_forward(m, rows[i].ids, &rows[i].length, 1, tape, false, out,
                                              &err), RS_EARG);
        if (!strstr(err.msg, rows[i].says))
            fail_msg("row %zu: \"%s\", wanted \"%s\"", i, err.msg, rows[i].says);
    }
    assert_int_equal(rs_dual_text_forward(m, NULL, NULL, 0, tape, false, out, NULL), RS_OK);
    assert_int_equal(rs_dual_image_forward(m, NULL, 0, tape, false, out, NULL), RS_OK);
    rs_tape_free(tape);
    rs_dual_close(m);
}

/* The second call of the same size allocates nothing; each failing allocation is told. */
static void test_memory(void **state)
{
    rs_dual *m = medium();
    float *pixels = rs_calloc(2 * 3 * 64 * 64, sizeof *pixels), out[2 * 24];
    rs_status st = RS_ENOMEM;
    rs_tape *tape = NULL;

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        tape = rs_tape_new();
        st = tape ? rs_dual_image_forward(m, pixels, 2, tape, true, out, NULL) : RS_ENOMEM;
        rs_alloc_fail_after(-1);
        if (st != RS_OK) {
            assert_int_equal(st, RS_ENOMEM);
            rs_tape_free(tape);
        }
        assert_true(k < 50);
    }
    size_t before = rs_alloc_total();
    assert_int_equal(rs_dual_image_forward(m, pixels, 2, tape, true, out, NULL), RS_OK);
    assert_int_equal(rs_dual_image_forward(m, pixels, 1, tape, false, out, NULL), RS_OK);
    assert_int_equal(rs_alloc_total(), before);
    rs_tape_free(tape);
    rs_free(pixels);
    rs_dual_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_every_layer),
        cmocka_unit_test(test_vit_b32),
        cmocka_unit_test(test_vit_b16_l14),
        cmocka_unit_test(test_images_do_not_depend_on_the_batch),
        cmocka_unit_test(test_texts_do_not_depend_on_the_batch),
        cmocka_unit_test(test_padding_is_not_read),
        cmocka_unit_test(test_bad_texts),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
