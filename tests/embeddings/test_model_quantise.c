/* test_model_quantise.c - a model folder in int8: what is written, who it is, what it is
 * refused for, damage.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/model_quantise.h"

#include "embeddings/encoder.h"
#include "embeddings/model_id.h"
#include "embeddings/safetensors.h"
#include "scratch.h"
#include "tiny_model.h"

#include <math.h>

static int make_model(void **state)
{
    rs_err err = {0};

    (void)state;
    return mkdtemp(scratch) && tiny_model_write(at("model"), 3, &err) == RS_OK ? 0 : -1;
}

static double product(const float *a, const float *b, size_t d)
{
    double sum = 0;
    for (size_t i = 0; i < d; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static rs_encoder *open_as(const char *folder, rs_precision p)
{
    rs_encoder *e = NULL;
    rs_err err = {0};

    ok(rs_encoder_open_as(&e, folder, p, &err), &err);
    return e;
}

static void test_as_written(void **state)
{
    static const char *const texts[] = {"left hand", "no fracture of the knee is seen", "x"};
    float want[3 * TINY_DIM], got[3 * TINY_DIM];
    char before[RS_SHA256_HEX], after[RS_SHA256_HEX];
    rs_quantised q;
    rs_tensors *t = NULL;
    rs_err err = {0};

    (void)state;
    ok(rs_model_quantise(&q, at("model"), at("int8"), &err), &err);
    assert_true(q.image >= 0.99 && q.image <= 1.001 && q.text >= 0.99 && q.text <= 1.001);
    assert_true(q.bytes_after < q.bytes_before / 2);
    assert_true(rs_file_exists(at("int8/vocab.json")) && rs_file_exists(at("int8/config.json")));

    ok(rs_tensors_open(&t, at("int8/model.safetensors"), &err), &err);
    const rs_tensor *w = rs_tensors_find(t, "text_model.encoder.layers.0.mlp.fc1.weight");
    const rs_tensor *s = rs_tensors_find(t, "text_model.encoder.layers.0.mlp.fc1.weight.scale");
    assert_true(w && s && w->dtype == RS_DTYPE_I8 && s->dtype == RS_DTYPE_F32 && s->count == 64);
    assert_int_equal(rs_tensors_find(t, "text_projection.weight")->dtype, RS_DTYPE_F16);
    assert_int_equal(rs_tensors_find(t, "logit_scale")->dtype, RS_DTYPE_F32);
    assert_string_equal(rs_tensors_metadata(t, "radscout.precision"), "int8");
    rs_tensors_close(t);

    ok(rs_model_id(before, at("model"), &err), &err);
    ok(rs_model_id(after, at("int8"), &err), &err);
    assert_string_equal(before, after);

    /* The same integers as quantising when opened; F16 around them moves little. */
    rs_encoder *whole = open_as(at("model"), RS_INT8), *int8 = open_as(at("int8"), RS_AUTO);
    assert_int_equal(rs_encoder_precision(int8), rs_precision_pays(RS_INT8) ? RS_INT8 : RS_F32);
    assert_string_equal(rs_encoder_id(whole), rs_encoder_id(int8));
    size_t unknown;
    rs_dual_unknown(rs_encoder_dual(int8), &unknown);
    assert_int_equal(unknown, 0);
    ok(rs_encoder_texts(whole, texts, 3, NULL, want, NULL, &err), &err);
    ok(rs_encoder_texts(int8, texts, 3, NULL, got, NULL, &err), &err);
    for (size_t i = 0; i < 3; i++)
        assert_true(product(got + i * TINY_DIM, want + i * TINY_DIM, TINY_DIM) > 0.995);
    rs_encoder_close(whole);
    rs_encoder_close(int8);

    /* What is not quantised is f32 by itself. */
    whole = open_as(at("model"), RS_AUTO);
    assert_int_equal(rs_encoder_precision(whole), RS_F32);
    rs_encoder_close(whole);
}

static void test_refused(void **state)
{
    const struct { const char *from, *to, *why; rs_status st; } bad[] = {
        {"model", "model", "holds a model already", RS_EARG},
        {"model", "int8", "holds a model already", RS_EARG},
        {"int8", "again", "quantised already", RS_EARG},
        {"nothing", "again", "", RS_ENOENT},
    };
    rs_quantised q;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rs_err err = {0};
        assert_int_equal(rs_model_quantise(&q, at(bad[i].from), at(bad[i].to), &err), bad[i].st);
        if (!strstr(err.msg, bad[i].why))
            fail_msg("%s to %s: %s", bad[i].from, bad[i].to, err.msg);
    }
    assert_false(rs_file_exists(at("again/model.safetensors")));
}

/* An input that is always zero but has huge weights takes all of int8's range. */
static void test_model_that_does_not_bear_it(void **state)
{
    rs_dual *m = NULL;
    rs_quantised q;
    rs_err err = {0};

    (void)state;
    ok(tiny_model_write(at("spoilt"), 4, &err), &err);
    ok(rs_dual_open(&m, at("spoilt"), &err), &err);
    for (size_t i = 0, n; i < (rs_dual_param_table(m, &n), n); i++) {
        const rs_param *p = &rs_dual_param_table(m, &n)[i];
        float *x = rs_dual_params(m) + p->offset;
        if (strstr(p->name, "layer_norm1.") || strstr(p->name, "layer_norm2."))
            x[0] = 0;
        for (size_t r = 0; strstr(p->name, "fc1.weight") && r < p->shape[0]; r++)
            x[r * p->shape[1]] = 1000;
        for (size_t r = 0; strstr(p->name, "_proj.weight") && strstr(p->name, "layers") &&
                           !strstr(p->name, "out_proj") && r < p->shape[0]; r++)
            x[r * p->shape[1]] = 1000;
        for (size_t r = 0; strstr(p->name, "fc2.weight") && r < p->count; r++)
            x[r] *= 30;                               /* so that the MLP decides */
    }
    ok(rs_dual_save(m, at("spoilt"), false, &err), &err);
    rs_dual_close(m);
    assert_int_equal(rs_model_quantise(&q, at("spoilt"), at("spoilt8"), &err), RS_EMISMATCH);
    assert_true(q.image < 0.99 || q.text < 0.99);
    assert_non_null(strstr(err.msg, "0.99 is promised"));
    assert_false(rs_file_exists(at("spoilt8/model.safetensors")));
}

/* int8 tensors without their scales, and weights that name no original. */
static void test_damage(void **state)
{
    static const int8_t q[6] = {1, 2, 3, -4, 5, 127};
    static const float scale[3] = {0.5f, 2, 1};
    static const size_t shape[] = {2, 3}, two[] = {2}, three[] = {3};
    const rs_tensor_out w = {.name = "w", .dtype = RS_DTYPE_I8, .rank = 2, .shape = shape, .data = q};
    const struct { rs_tensor_out second; bool good; } files[] = {
        {{.name = "w.scale", .dtype = RS_DTYPE_F32, .rank = 1, .shape = two, .data = scale}, true},
        {{.name = "w.scale", .dtype = RS_DTYPE_F32, .rank = 1, .shape = three, .data = scale}, false},
        {{.name = "w.scale", .dtype = RS_DTYPE_F16, .rank = 1, .shape = two, .data = scale}, false},
        {{.name = "scale", .dtype = RS_DTYPE_F32, .rank = 1, .shape = two, .data = scale}, false},
    };
    char hex[RS_SHA256_HEX];
    rs_err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const rs_tensor_out both[] = {w, files[i].second};
        float out[6];
        rs_tensors *t = NULL;
        ok(rs_tensors_write(at("t.safetensors"), both, 2, &err), &err);
        ok(rs_tensors_open(&t, at("t.safetensors"), &err), &err);
        const rs_status st = rs_tensors_fetch(t, "w", shape, 2, out, &err);
        assert_int_equal(st, files[i].good ? RS_OK : RS_ECORRUPT);
        if (files[i].good)
            assert_true(out[0] == 0.5f && out[2] == 1.5f && out[3] == -8 && out[5] == 254);
        else
            assert_non_null(strstr(err.msg, "tensor w: dtype I8 without an F32 tensor w.scale"));
        rs_tensors_close(t);
    }
    const char *const notes[] = {"radscout.of", "not an identity", NULL};
    ok(rs_mkdirs(at("odd"), &err), &err);
    ok(rs_file_write(at("odd/config.json"), "{}", 2, &err), &err);
    ok(rs_tensors_write_noted(at("odd/model.safetensors"), &w, 1, notes, &err), &err);
    assert_int_equal(rs_model_id(hex, at("odd"), &err), RS_ECORRUPT);
    assert_string_equal(hex, "");
}

static void test_no_memory(void **state)
{
    const size_t live = rs_alloc_live();
    rs_status st = RS_ENOMEM;
    rs_quantised q;

    (void)state;
    for (long k = 0; st != RS_OK; k += 1 + k / 6) {
        rs_alloc_fail_after(k);
        st = rs_model_quantise(&q, at("model"), at("walk"), NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        assert_int_equal(rs_alloc_live(), live);
        assert_int_equal(rs_file_exists(at("walk/model.safetensors")), st == RS_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_written),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_model_that_does_not_bear_it),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, make_model, scratch_drop);
}
