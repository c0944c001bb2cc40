/* test_dual_params.c - the parameter table, random starts, models opened and saved.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/dual.h"
#include "embeddings/dual_int.h"
#include "embeddings/half.h"
#include "embeddings/safetensors.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define QUICK "tests/data/clip_tiny_quick"
#define GELU "tests/data/clip_tiny_gelu"
#define MIXED "tests/data/clip_tiny_mixed"
#define COUNT(a) (sizeof(a) / sizeof *(a))

static char folder[] = "/tmp/rs_dual_params_XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    char command[200];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static const char *in_folder(const char *name)
{
    static char text[2][200];
    static size_t turn;

    turn ^= 1;
    snprintf(text[turn], sizeof text[turn], "%s/%s", folder, name);
    return text[turn];
}

static rs_dual *open_model(const char *path)
{
    rs_err err = {0};
    rs_dual *m;

    if (rs_dual_open(&m, path, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return m;
}

static const rs_param *param(const rs_dual *m, const char *name)
{
    size_t n;
    const rs_param *list = rs_dual_param_table(m, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

static size_t unknown(const rs_dual *m)
{
    size_t n;

    rs_dual_unknown(m, &n);
    return n;
}

static rs_tower_config tower(size_t width, size_t layers, size_t heads, size_t mlp, float eps,
                             rs_activation act)
{
    return (rs_tower_config){.width = width, .layers = layers, .heads = heads, .mlp = mlp,
                             .eps = eps, .act = act};
}

static rs_dual_config dual(rs_tower_config vision, rs_tower_config text, size_t image, size_t patch,
                           size_t words, size_t tokens, int32_t eos, int32_t bos, size_t dim)
{
    return (rs_dual_config){.vision = vision, .text = text, .image_size = image,
                            .patch_size = patch, .vocab_size = words, .max_tokens = tokens,
                            .eos_id = eos, .bos_id = bos, .dim = dim, .logit_scale = 2.0f};
}

/* ---- The table --------------------------------------------------------- */

static void test_table_tiles_the_block(void **state)
{
    rs_dual *m = open_model(GELU);
    const rs_param *list;
    size_t n, at = 0;

    (void)state;
    list = rs_dual_param_table(m, &n);
    assert_int_equal(n, 14 + 16 * (3 + 2));
    for (size_t i = 0; i < n; i++) {
        size_t count = 1;
        for (size_t k = 0; k < list[i].rank; k++)
            count *= list[i].shape[k];
        assert_int_equal(list[i].offset, at);
        assert_int_equal(list[i].count, count);
        at += count;
    }
    assert_int_equal(at, rs_dual_param_count(m));
    rs_dual_close(m);
}

/* What the towers rely on: names lead to the offsets, q, k and v lie side by side. */
static void test_offsets(void **state)
{
    rs_dual *m = open_model(GELU);
    const rs_layer_at *v = &m->at.vision.layer[2], *t = &m->at.text.layer[1];
    const size_t w = m->config.vision.width;

    (void)state;
    assert_int_equal(v->k_w, v->q_w + w * w);
    assert_int_equal(v->v_w, v->k_w + w * w);
    assert_int_equal(v->k_b, v->q_b + w);
    assert_int_equal(v->v_b, v->k_b + w);
    {
        const struct { const char *name; size_t at; } rows[] = {
            {"vision_model.embeddings.class_embedding", m->at.vision.class_token},
            {"vision_model.embeddings.patch_embedding.weight", m->at.vision.patch_w},
            {"vision_model.embeddings.position_embedding.weight", m->at.vision.position},
            {"vision_model.pre_layrnorm.weight", m->at.vision.in_g},
            {"vision_model.encoder.layers.2.self_attn.v_proj.weight", v->v_w},
            {"vision_model.encoder.layers.2.layer_norm2.bias", v->ln2_b},
            {"vision_model.post_layernorm.bias", m->at.vision.out_b},
            {"visual_projection.weight", m->at.vision.proj_w},
            {"text_model.embeddings.token_embedding.weight", m->at.text.token},
            {"text_model.embeddings.position_embedding.weight", m->at.text.position},
            {"text_model.encoder.layers.1.mlp.fc2.bias", t->fc2_b},
            {"text_model.encoder.layers.1.self_attn.out_proj.weight", t->out_w},
            {"text_model.final_layer_norm.weight", m->at.text.out_g},
            {"text_projection.weight", m->at.text.proj_w},
            {"logit_scale", m->at.logit_scale},
        };
        for (size_t i = 0; i < COUNT(rows); i++)
            assert_int_equal(param(m, rows[i].name)->offset, rows[i].at);
    }
    assert_int_equal(m->at.logit_scale, rs_dual_param_count(m) - 1);
    rs_dual_close(m);
}

static void test_decay(void **state)
{
    rs_dual *m = open_model(QUICK);
    size_t n, decays = 0;
    const rs_param *list = rs_dual_param_table(m, &n);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        bool matrix = list[i].rank >= 2 && !strstr(list[i].name, "token_embedding") &&
                      !strstr(list[i].name, "position_embedding");
        if (list[i].decay != matrix)
            fail_msg("%s: decay %d", list[i].name, list[i].decay);
        decays += list[i].decay;
    }
    assert_int_equal(decays, 3 + 6 * 4);
    rs_dual_close(m);
}

/* ---- Opening ----------------------------------------------------------- */

static void test_open_holds_the_file(void **state)
{
    rs_dual *m = open_model(QUICK);
    rs_tensors *t;
    size_t n;
    const rs_param *list = rs_dual_param_table(m, &n);

    (void)state;
    assert_int_equal(rs_tensors_open_model(&t, QUICK, NULL), RS_OK);
    assert_int_equal(rs_tensors_count(t), n);
    for (size_t i = 0; i < n; i++) {
        const rs_tensor *one = rs_tensors_find(t, list[i].name);
        assert_non_null(one);
        assert_memory_equal(rs_dual_params(m) + list[i].offset, one->data, one->bytes);
    }
    assert_int_equal((uintptr_t)rs_dual_params(m) % 64, 0);
    assert_true(fabsf(rs_dual_logit_scale(m) - 14.2849f) < 1e-3f);
    assert_int_equal(unknown(m), 0);
    rs_tensors_close(t);
    rs_dual_close(m);
}

/* Three shards, three dtypes: the same numbers as `quick`, rounded as each dtype rounds;
 * the integer position_ids beside them are no stranger. */
static void test_open_sharded(void **state)
{
    rs_dual *a = open_model(QUICK), *b = open_model(MIXED);
    rs_tensors *t;
    size_t n, kinds[RS_DTYPE_COUNT] = {0};
    const rs_param *list = rs_dual_param_table(b, &n);

    (void)state;
    assert_int_equal(rs_tensors_open_model(&t, MIXED, NULL), RS_OK);
    assert_int_equal(unknown(b), 0);
    for (size_t i = 0; i < n; i++) {
        rs_dtype type = rs_tensors_find(t, list[i].name)->dtype;
        kinds[type]++;
        for (size_t k = list[i].offset; k < list[i].offset + list[i].count; k++) {
            float x = a->params[k], y = b->params[k];
            if (type == RS_DTYPE_F32)
                assert_true(x == y);
            else if (type == RS_DTYPE_F16)
                assert_true(y == rs_half_to_float(rs_half_from_float(x)));
            else
                assert_true(fabsf(x - y) <= fabsf(x) * 0x1p-8f);
        }
    }
    assert_true(kinds[RS_DTYPE_F32] && kinds[RS_DTYPE_F16] && kinds[RS_DTYPE_BF16]);
    rs_tensors_close(t);
    rs_dual_close(a);
    rs_dual_close(b);
}

/* ---- Starting ---------------------------------------------------------- */

/* Mean and deviation of one tensor. */
static void moments(const rs_dual *m, const rs_param *p, double *mean, double *deviation)
{
    double sum = 0, square = 0;

    for (size_t i = p->offset; i < p->offset + p->count; i++) {
        sum += m->params[i];
        square += (double)m->params[i] * m->params[i];
    }
    *mean = sum / (double)p->count;
    *deviation = sqrt(square / (double)p->count - *mean * *mean);
}

/* Positions of 4 x 4 patches, width 64: row 1 + 4 y + x is the patch in column x, row y. */
static void check_grid(const float *p)
{
    for (size_t k = 0; k < 64; k++)
        assert_true(p[k] == 0);
    for (size_t i = 0; i < 16; i++) {
        const float *row = p + (i + 1) * 64;
        for (size_t k = 0; k < 16; k++) {
            const double w = pow(1e-4, (double)k / 16), x = (double)(i % 4), y = (double)(i / 4);
            const double want[4] = {sin(x * w), cos(x * w), sin(y * w), cos(y * w)};
            for (size_t part = 0; part < 4; part++)
                assert_true(fabs(row[part * 16 + k] - want[part]) < 1e-6);
        }
    }
}

/* Width 64: keys lean towards queries, the output takes the values away. */
static void check_attention(const float *p, const rs_layer_at *at)
{
    double same = 0, square = 0;

    for (size_t i = 0; i < 64 * 64; i++) {
        same += (double)p[at->q_w + i] * p[at->k_w + i];
        square += (double)p[at->q_w + i] * p[at->q_w + i];
        assert_true(p[at->out_w + i] == -0.4f * p[at->v_w + i % 64 * 64 + i / 64]);
    }
    assert_true(fabs(same / square - 0.7) < 5 * 0.7 / 64);
}

static void test_new(void **state)
{
    const rs_dual_config c = dual(tower(64, 2, 4, 128, 1e-5f, RS_ACT_GELU), tower(48, 3, 4, 96, 1e-5f, RS_ACT_GELU),
                              64, 16, 500, 32, 499, 498, 32);
    static const struct { const char *name; double deviation; } rows[] = {
        {"text_model.embeddings.token_embedding.weight", 0.02},
        {"vision_model.embeddings.patch_embedding.weight", 0.02},
        {"vision_model.encoder.layers.1.self_attn.q_proj.weight", 0.125},
        {"vision_model.encoder.layers.1.self_attn.k_proj.weight", 0.125 * 0.7 * 1.4142136},
        {"vision_model.encoder.layers.0.self_attn.v_proj.weight", 0.125},
        {"vision_model.encoder.layers.0.self_attn.out_proj.weight", 0.125 * 0.4},
        {"text_model.encoder.layers.0.self_attn.out_proj.weight", 0.1443376},
        {"vision_model.encoder.layers.0.mlp.fc1.weight", 0.0883883},
        {"vision_model.encoder.layers.0.mlp.fc2.weight", 0.125 * 0.5},
        {"text_model.encoder.layers.2.self_attn.q_proj.weight", 0.1443376 * 0.4082483},
        {"text_model.encoder.layers.2.mlp.fc1.weight", 0.1020621},
        {"text_projection.weight", 0.1443376},
        {"visual_projection.weight", 0.125},
    };
    rs_random one = rs_random_seed(5), same = rs_random_seed(5);
    rs_dual *m, *again;
    double mean, deviation;

    (void)state;
    assert_int_equal(rs_dual_new(&m, &c, &one, NULL), RS_OK);
    assert_int_equal(rs_dual_new(&again, &c, &same, NULL), RS_OK);
    assert_memory_equal(m->params, again->params, m->count * sizeof *m->params);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const rs_param *p = param(m, rows[i].name);
        double error = 5 / sqrt((double)p->count);     /* five standard errors */
        moments(m, p, &mean, &deviation);
        if (fabs(mean) > rows[i].deviation * error ||
            fabs(deviation / rows[i].deviation - 1) > error)
            fail_msg("%s: mean %g, deviation %g, wanted %g", rows[i].name, mean, deviation,
                     rows[i].deviation);
    }
    moments(m, param(m, "text_model.final_layer_norm.weight"), &mean, &deviation);
    assert_true(mean == 1 && deviation == 0);
    moments(m, param(m, "vision_model.encoder.layers.1.mlp.fc1.bias"), &mean, &deviation);
    assert_true(mean == 0 && deviation == 0);
    assert_true(m->params[m->at.logit_scale] == 2.0f);
    check_grid(m->params + m->at.vision.position);
    check_attention(m->params, &m->at.vision.layer[0]);
    check_attention(m->params, &m->at.vision.layer[1]);
    rs_dual_close(again);
    rs_dual_close(m);
}

static void test_new_refuses(void **state)
{
    rs_dual_config c = dual(tower(64, 2, 5, 128, 1e-5f, RS_ACT_GELU), tower(48, 3, 4, 96, 1e-5f, RS_ACT_GELU),
                        64, 16, 500, 32, 499, 498, 32);
    rs_random rnd = rs_random_seed(1);
    rs_err err = {0};
    rs_dual *m;

    (void)state;
    assert_int_equal(rs_dual_new(&m, &c, &rnd, &err), RS_EARG);
    assert_int_equal(err.code, RS_EARG);
    assert_string_equal(err.msg, "model: vision_config: num_attention_heads: 5 do not divide "
                                 "hidden_size 64");
    assert_null(m);
}

/* ---- Saving ------------------------------------------------------------ */

static void test_round_trip(void **state)
{
    rs_dual *m = open_model(GELU), *back;
    rs_err err = {0};

    (void)state;
    for (int half = 0; half < 2; half++) {
        const char *to = in_folder(half ? "new/half" : "whole");
        assert_int_equal(rs_dual_save(m, to, half, &err), RS_OK);
        back = open_model(to);
        assert_int_equal(back->count, m->count);
        for (size_t i = 0; i < m->count; i++) {
            bool whole = !half || i == m->at.logit_scale;
            float x = m->params[i];
            assert_true(back->params[i] == (whole ? x : rs_half_to_float(rs_half_from_float(x))));
        }
        assert_int_equal(back->config.text.heads, 4);
        assert_int_equal(back->config.eos_id, 58);
        rs_dual_close(back);
    }
    rs_dual_close(m);
}

static void test_save_refuses(void **state)
{
    rs_dual *m = open_model(QUICK);
    rs_err err = {0};

    (void)state;
    m->params[m->at.text.layer[1].fc1_w + 3] = 1e6f;
    assert_int_equal(rs_dual_save(m, in_folder("over"), true, &err), RS_EARG);
    assert_string_equal(err.msg, "tensor text_model.encoder.layers.1.mlp.fc1.weight: value 1e+06 of "
                                 "element 3 does not fit F16");
    assert_int_equal(rs_dual_save(m, "/dev/null/x", false, &err), RS_EIO);
    rs_dual_close(m);
}

/* ---- Files that do not fit --------------------------------------------- */

enum { MOST = 100 };

/* The tensors of `quick`, to be spoilt one at a time and written to `folder`/spoilt. */
typedef struct {
    rs_dual *m;
    rs_tensor_out list[MOST];
    size_t n;
} bench;

static void bench_begin(bench *b)
{
    size_t n;
    const rs_param *p;

    b->m = open_model(QUICK);
    p = rs_dual_param_table(b->m, &n);
    assert_true(n < MOST);
    for (b->n = 0; b->n < n; b->n++, p++)
        b->list[b->n] = (rs_tensor_out){p->name, RS_DTYPE_F32, p->rank, p->shape,
                                        b->m->params + p->offset};
}

static rs_tensor_out *bench_find(bench *b, const char *name)
{
    for (size_t i = 0; i < b->n; i++)
        if (strcmp(b->list[i].name, name) == 0)
            return &b->list[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

static rs_status bench_end(bench *b, rs_dual **m, rs_err *err)
{
    assert_int_equal(rs_mkdirs(in_folder("spoilt"), NULL), RS_OK);
    assert_int_equal(rs_dual_config_save(&b->m->config, in_folder("spoilt/config.json"), NULL), RS_OK);
    assert_int_equal(rs_tensors_write(in_folder("spoilt/model.safetensors"), b->list, b->n, NULL),
                     RS_OK);
    rs_dual_close(b->m);
    return rs_dual_open(m, in_folder("spoilt"), err);
}

static void test_missing_tensor(void **state)
{
    rs_err err = {0};
    rs_dual *m;
    bench b;

    (void)state;
    bench_begin(&b);
    *bench_find(&b, "vision_model.pre_layrnorm.bias") = b.list[--b.n];
    assert_int_equal(bench_end(&b, &m, &err), RS_ECORRUPT);
    assert_null(m);
    assert_non_null(strstr(err.msg, "spoilt/model.safetensors: tensor vision_model.pre_layrnorm.bias "
                                    "is missing, wanted [16]"));
}

static void test_misshapen_tensor(void **state)
{
    static const size_t shape[] = {12, 8};
    rs_err err = {0};
    rs_dual *m;
    bench b;

    (void)state;
    bench_begin(&b);
    bench_find(&b, "text_projection.weight")->shape = shape;
    assert_int_equal(bench_end(&b, &m, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "tensor text_projection.weight: shape [12 x 8], wanted [8 x 12]"));
}

static void test_unknown_tensors_are_counted(void **state)
{
    static const size_t shape[] = {12};
    rs_err err = {0};
    rs_dual *m;
    bench b;

    (void)state;
    bench_begin(&b);
    b.list[b.n++] = (rs_tensor_out){"head.weight", RS_DTYPE_F32, 1, shape, b.m->params};
    b.list[b.n++] = (rs_tensor_out){"head.bias", RS_DTYPE_F16, 1, shape, b.m->params};
    assert_int_equal(bench_end(&b, &m, &err), RS_OK);
    assert_int_equal(unknown(m), 2);
    rs_dual_close(m);
}

/* The same bytes under another name of dtype of the same size. */
static void test_mistyped_tensor(void **state)
{
    static const char was[] = "\"text_model.final_layer_norm.bias\":{\"dtype\":\"F32\"";
    char *data, *at;
    size_t len;
    rs_err err = {0};
    rs_dual *m;

    (void)state;
    assert_int_equal(rs_file_read(&data, &len, QUICK "/model.safetensors", 1 << 20, NULL), RS_OK);
    for (at = data; memcmp(at, was, sizeof was - 1) != 0; at++)
        assert_true(at < data + len - sizeof was);
    memcpy(at + sizeof was - 5, "I32", 3);
    m = open_model(QUICK);
    assert_int_equal(rs_dual_save(m, in_folder("typed"), false, NULL), RS_OK);
    rs_dual_close(m);
    assert_int_equal(rs_file_write(in_folder("typed/model.safetensors"), data, len, NULL), RS_OK);
    assert_int_equal(rs_dual_open(&m, in_folder("typed"), &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "tensor text_model.final_layer_norm.bias: dtype I32, wanted F32, "
                                    "F16 or BF16"));
    rs_free(data);
}

/* A configuration that asks for hundreds of gigabytes beside a small file costs nothing. */
static void test_vast_config(void **state)
{
    static const char vast[] =
        "{\"model_type\":\"clip\",\"projection_dim\":8192,\"vision_config\":{\"hidden_size\":8192,"
        "\"num_hidden_layers\":128,\"num_attention_heads\":64,\"intermediate_size\":65536}}";
    rs_err err = {0};
    rs_dual *m = open_model(QUICK);

    (void)state;
    assert_int_equal(rs_dual_save(m, in_folder("vast"), false, NULL), RS_OK);
    rs_dual_close(m);
    assert_int_equal(rs_file_write(in_folder("vast/config.json"), vast, sizeof vast - 1, NULL), RS_OK);
    assert_int_equal(rs_dual_open(&m, in_folder("vast"), &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "class_embedding: shape [16], wanted [8192]"));
}

static void test_no_folder(void **state)
{
    rs_err err = {0};
    rs_dual *m;

    (void)state;
    assert_int_equal(rs_dual_open(&m, in_folder("absent"), &err), RS_ENOENT);
    assert_non_null(strstr(err.msg, "absent/config.json"));
    assert_null(m);
}

/* ---- Out of memory ----------------------------------------------------- */

static void test_allocation_failures(void **state)
{
    const rs_dual_config c = dual(tower(16, 1, 2, 32, 1e-5f, RS_ACT_GELU), tower(16, 1, 2, 32, 1e-5f, RS_ACT_GELU),
                              16, 8, 50, 8, 49, 48, 8);
    size_t live = rs_alloc_live();
    rs_status st = RS_ENOMEM;

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_dual *m, *fresh = NULL;
        rs_random rnd = rs_random_seed(3);
        rs_alloc_fail_after(k);
        st = rs_dual_open(&m, MIXED, NULL);
        if (st == RS_OK)
            st = rs_dual_save(m, in_folder("walk"), true, NULL);
        if (st == RS_OK)
            st = rs_dual_new(&fresh, &c, &rnd, NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        rs_dual_close(m);
        rs_dual_close(fresh);
        assert_int_equal(rs_alloc_live(), live);
        assert_true(k < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_tiles_the_block), cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_decay),                 cmocka_unit_test(test_open_holds_the_file),
        cmocka_unit_test(test_open_sharded),          cmocka_unit_test(test_new),
        cmocka_unit_test(test_new_refuses),           cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_save_refuses),          cmocka_unit_test(test_missing_tensor),
        cmocka_unit_test(test_misshapen_tensor),      cmocka_unit_test(test_unknown_tensors_are_counted),
        cmocka_unit_test(test_mistyped_tensor),       cmocka_unit_test(test_vast_config),
        cmocka_unit_test(test_no_folder),             cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
