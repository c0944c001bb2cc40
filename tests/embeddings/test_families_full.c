/* test_families_full.c - towers of the published sizes with weights by a formula, against
 * the published libraries.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/dual.h"

#include "embeddings/formula.h"
#include "embeddings/golden.h"

static void ok(rs_status st, const rs_err *err)
{
    if (st != RS_OK)
        fail_msg("%s: %s", rs_status_name(st), err->msg);
}

typedef struct { const char *name; rs_dual_config c; int32_t last; } full;

static void check_full(const full *f)
{
    const rs_dual_config *c = &f->c;
    const size_t pixel_count = 2 * 3 * 224 * 224, dim = c->dim;
    const size_t length[2] = {c->max_tokens, 10};
    rs_tensors *g = golden_open("tests/data/families_full.safetensors");
    float *pixels = rs_calloc(pixel_count, sizeof *pixels), *got = rs_calloc(2 * dim, sizeof *got);
    rs_tape *tape = rs_tape_new();
    rs_dual *m = NULL;
    int32_t ids[300];
    rs_err err = {0};

    ok(rs_dual_new(&m, c, NULL, &err), &err);
    formula_fill_all(m);
    formula(pixels, 1000, pixel_count, 0, 1);
    for (size_t row = 0, to = 0; row < 2; row++) {
        for (size_t i = 0; i < length[row]; i++)
            ids[to++] = (int32_t)(1 + 7 * i % 997);
        if (f->last)
            ids[to - 1] = f->last;
    }
    for (int text = 0; text < 2; text++) {
        char what[32];
        snprintf(what, sizeof what, "%s.%s", f->name, text ? "text" : "image");
        float *want = golden_floats(g, what, NULL);
        ok(text ? rs_dual_text_forward(m, ids, length, 2, tape, false, got, &err)
                : rs_dual_image_forward(m, pixels, 2, tape, false, got, &err), &err);
        assert_near(what, got, want, 2 * dim, 1e-4);
        for (size_t i = 0; i < 2; i++)
            if (!(cosine(got + i * dim, want + i * dim, dim) >= 0.99999))
                fail_msg("%s %zu: cosine %.7f", what, i,
                         cosine(got + i * dim, want + i * dim, dim));
        rs_free(want);
    }
    rs_dual_close(m);
    rs_tape_free(tape);
    rs_free(pixels);
    rs_free(got);
    rs_tensors_close(g);
}

static void siglip_base(void **state)
{
    const full f = {"siglip", {
        .vision = {768, 12, 12, 3072, 1e-6f, RS_ACT_GELU_TANH, RS_TOWER_SIGLIP},
        .text = {768, 12, 12, 3072, 1e-6f, RS_ACT_GELU_TANH, RS_TOWER_SIGLIP},
        .image_size = 224, .patch_size = 16, .vocab_size = 1000, .max_tokens = 64, .pad_id = 1,
        .dim = 768}, 0};

    (void)state;
    check_full(&f);
}

static void open_clip_b32(void **state)
{
    const full f = {"open_clip", {
        .vision = {768, 12, 12, 3072, 1e-5f, RS_ACT_QUICK_GELU, RS_TOWER_OPEN_CLIP},
        .text = {512, 12, 8, 2048, 1e-5f, RS_ACT_QUICK_GELU, RS_TOWER_OPEN_CLIP},
        .image_size = 224, .patch_size = 32, .vocab_size = 1000, .max_tokens = 77, .eos_id = 2,
        .dim = 512}, 999};

    (void)state;
    check_full(&f);
}

static void biomed_clip(void **state)
{
    const full f = {"biomed", {
        .vision = {768, 12, 12, 3072, 1e-6f, RS_ACT_GELU, RS_TOWER_TIMM},
        .text = {768, 12, 12, 3072, 1e-12f, RS_ACT_GELU, RS_TOWER_BERT},
        .image_size = 224, .patch_size = 16, .vocab_size = 1000, .max_tokens = 256,
        .positions = 512, .types = 2, .dim = 512}, 0};

    (void)state;
    check_full(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siglip_base),
        cmocka_unit_test(open_clip_b32),
        cmocka_unit_test(biomed_clip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
