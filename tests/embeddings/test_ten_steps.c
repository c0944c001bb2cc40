/* test_ten_steps.c - training as a whole: ten steps of towers, contrastive loss and
 * AdamW follow PyTorch's from the same model on the same six pairs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/dual_int.h"
#include "embeddings/golden.h"
#include "embeddings/loss.h"
#include "embeddings/optimizer.h"

enum { PAIRS = 6, STEPS = 10 };

typedef struct {
    rs_dual *m;
    rs_tensors *g;
    golden_texts texts;
    float *pixels, *grads, *image, *text, *d_image, *d_text;
    rs_tape *image_tape, *text_tape;
    size_t dim;
} rig;

static void ok(rs_status st, const rs_err *err)
{
    if (st != RS_OK)
        fail_msg("%s: %s", rs_status_name(st), err->msg);
}

static rig rig_open(void)
{
    rig r = {.g = golden_open("tests/data/adamw_steps.safetensors")};
    rs_err err = {0};

    ok(rs_dual_open(&r.m, "tests/data/clip_tiny_quick", &err), &err);
    r.dim = rs_dual_config_of(r.m)->dim;
    r.texts = golden_texts_of(r.g);
    assert_int_equal(r.texts.n, PAIRS);
    r.pixels = golden_floats(r.g, "pixels", NULL);
    r.grads = rs_calloc(rs_dual_param_count(r.m), sizeof *r.grads);
    r.image = rs_calloc(4 * PAIRS * r.dim, sizeof *r.image);
    assert_true(r.grads && r.image);
    r.text = r.image + PAIRS * r.dim;
    r.d_image = r.text + PAIRS * r.dim;
    r.d_text = r.d_image + PAIRS * r.dim;
    r.image_tape = rs_tape_new();
    r.text_tape = rs_tape_new();
    return r;
}

static void rig_clear(rig *r)
{
    rs_dual_close(r->m);
    rs_tensors_close(r->g);
    golden_texts_clear(&r->texts);
    rs_free(r->pixels); rs_free(r->grads); rs_free(r->image);
    rs_tape_free(r->image_tape);
    rs_tape_free(r->text_tape);
}

/* The loss of the six pairs; its gradient is added to r->grads. */
static double loss_and_gradient(rig *r)
{
    static const int32_t label[PAIRS] = {0, 1, 2, 3, 4, 5};
    const size_t scale_at = r->m->at.logit_scale;
    const rs_contrastive c = {
        .image = r->image, .text = r->text, .image_label = label, .text_label = label,
        .m = PAIRS, .n = PAIRS, .d = r->dim,
        .log_scale = (double)rs_dual_params(r->m)[scale_at], .weight = 1,
    };
    double value, d_scale = 0;
    rs_err err = {0};

    ok(rs_dual_image_forward(r->m, r->pixels, PAIRS, r->image_tape, true, r->image, &err), &err);
    ok(rs_dual_text_forward(r->m, r->texts.ids, r->texts.length, PAIRS, r->text_tape, true,
                            r->text, &err), &err);
    memset(r->d_image, 0, 2 * PAIRS * r->dim * sizeof *r->d_image);
    ok(rs_loss_contrastive(&c, &value, r->d_image, r->d_text, &d_scale, &err), &err);
    ok(rs_dual_image_backward(r->m, r->image_tape, r->pixels, PAIRS, r->d_image, r->grads, &err),
       &err);
    ok(rs_dual_text_backward(r->m, r->text_tape, r->texts.ids, r->texts.length, PAIRS, r->d_text,
                             r->grads, &err), &err);
    r->grads[scale_at] += (float)d_scale;
    return value;
}

static void check_last(const rig *r, const char *name)
{
    char key[160];
    size_t tensors;
    const rs_param *table = rs_dual_param_table(r->m, &tensors);

    snprintf(key, sizeof key, "last.%s", name);
    float *want = golden_floats(r->g, key, NULL);
    for (size_t i = 0; i < tensors; i++)
        if (strcmp(table[i].name, name) == 0)
            assert_near(name, rs_dual_params(r->m) + table[i].offset, want, table[i].count, 1e-4);
    rs_free(want);
}

static void test_ten_steps(void **state)
{
    rig r = rig_open();
    size_t tensors;
    const rs_param *table = rs_dual_param_table(r.m, &tensors);
    float *loss = golden_floats(r.g, "loss", NULL), *hyper = golden_floats(r.g, "hyper", NULL);
    float *scale = golden_floats(r.g, "logit_scale", NULL);
    const rs_adamw_config c = {(double)hyper[1], (double)hyper[2], (double)hyper[3],
                               (double)hyper[4]};
    rs_adamw *opt = NULL;
    rs_err err = {0};

    (void)state;
    ok(rs_adamw_new(&opt, &c, rs_dual_param_count(r.m), table, tensors, &err), &err);
    for (size_t s = 0; s <= STEPS; s++) {
        double got = loss_and_gradient(&r);
        if (!(fabs(got - (double)loss[s]) <= 1e-4))
            fail_msg("loss before step %zu: %.6f, PyTorch %.6f", s, got, (double)loss[s]);
        if (s < STEPS)
            rs_adamw_step(opt, rs_dual_params(r.m), r.grads, 1, (double)hyper[0], NULL);
    }
    assert_near("logit_scale", rs_dual_params(r.m) + r.m->at.logit_scale, scale, 1, 1e-5);
    check_last(&r, "vision_model.embeddings.patch_embedding.weight");
    check_last(&r, "text_projection.weight");
    check_last(&r, "text_model.encoder.layers.0.self_attn.q_proj.bias");
    rs_adamw_free(opt);
    rs_free(loss); rs_free(hyper); rs_free(scale);
    rig_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ten_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
