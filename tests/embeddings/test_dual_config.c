/* test_dual_config.c - configurations as published, as saved, and as broken.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/dual.h"
#include "embeddings/dual_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static char path[] = "/tmp/rs_dual_config_XXXXXX";

static int make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd >= 0 ? close(fd) : -1;
}

static int drop_file(void **state)
{
    (void)state;
    return remove(path);
}

static rs_status load(const char *text, rs_dual_config *c, rs_err *err)
{
    assert_int_equal(rs_file_write(path, text, strlen(text), NULL), RS_OK);
    return rs_dual_config_load(c, path, err);
}

static void assert_same(const rs_dual_config *a, const rs_dual_config *b)
{
    const rs_tower_config *x[] = {&a->vision, &a->text}, *y[] = {&b->vision, &b->text};

    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(x[i]->width, y[i]->width);
        assert_int_equal(x[i]->layers, y[i]->layers);
        assert_int_equal(x[i]->heads, y[i]->heads);
        assert_int_equal(x[i]->mlp, y[i]->mlp);
        assert_true(x[i]->eps == y[i]->eps);
        assert_int_equal(x[i]->act, y[i]->act);
    }
    assert_int_equal(a->image_size, b->image_size);
    assert_int_equal(a->patch_size, b->patch_size);
    assert_int_equal(a->vocab_size, b->vocab_size);
    assert_int_equal(a->max_tokens, b->max_tokens);
    assert_int_equal(a->eos_id, b->eos_id);
    assert_int_equal(a->bos_id, b->bos_id);
    assert_int_equal(a->dim, b->dim);
    assert_int_equal(a->vision.kind, b->vision.kind);
    assert_int_equal(a->text.kind, b->text.kind);
    assert_int_equal(a->pad_id, b->pad_id);
    assert_true(a->logit_scale == b->logit_scale);
}

/* ---- As published ------------------------------------------------------ */

/* openai/clip-vit-base-patch32: everything spelled out, generation settings included. */
static const char vit_b32[] =
    "{\"_name_or_path\":\"openai/clip-vit-base-patch32\",\"architectures\":[\"CLIPModel\"],"
    "\"initializer_factor\":1.0,\"logit_scale_init_value\":2.6592,\"model_type\":\"clip\","
    "\"projection_dim\":512,\"text_config\":{\"_name_or_path\":\"\",\"add_cross_attention\":false,"
    "\"architectures\":null,\"attention_dropout\":0.0,\"bad_words_ids\":null,\"bos_token_id\":0,"
    "\"chunk_size_feed_forward\":0,\"dropout\":0.0,\"eos_token_id\":2,\"hidden_act\":\"quick_gelu\","
    "\"hidden_size\":512,\"id2label\":{\"0\":\"LABEL_0\"},\"initializer_range\":0.02,"
    "\"intermediate_size\":2048,\"layer_norm_eps\":1e-05,\"max_length\":20,"
    "\"max_position_embeddings\":77,\"model_type\":\"clip_text_model\",\"num_attention_heads\":8,"
    "\"num_hidden_layers\":12,\"pad_token_id\":1,\"vocab_size\":49408},\"text_config_dict\":null,"
    "\"torch_dtype\":\"float32\",\"transformers_version\":null,"
    "\"vision_config\":{\"attention_dropout\":0.0,\"bos_token_id\":null,\"hidden_act\":\"quick_gelu\","
    "\"hidden_size\":768,\"image_size\":224,\"intermediate_size\":3072,\"layer_norm_eps\":1e-05,"
    "\"model_type\":\"clip_vision_model\",\"num_attention_heads\":12,\"num_hidden_layers\":12,"
    "\"patch_size\":32},\"vision_config_dict\":null}";

/* openai/clip-vit-large-patch14: the dict variants beside stale full ones. */
static const char vit_l14[] =
    "{\"architectures\":[\"CLIPModel\"],\"logit_scale_init_value\":2.6592,\"model_type\":\"clip\","
    "\"projection_dim\":768,\"text_config\":{\"bos_token_id\":0,\"eos_token_id\":2,"
    "\"hidden_size\":768,\"intermediate_size\":3072,\"num_attention_heads\":12,"
    "\"num_hidden_layers\":12,\"vocab_size\":49408},\"text_config_dict\":{\"hidden_size\":768,"
    "\"intermediate_size\":3072,\"num_attention_heads\":12,\"num_hidden_layers\":12,"
    "\"projection_dim\":768},\"vision_config\":{\"hidden_size\":7},\"vision_config_dict\":"
    "{\"hidden_size\":1024,\"intermediate_size\":4096,\"num_attention_heads\":16,"
    "\"num_hidden_layers\":24,\"patch_size\":14,\"projection_dim\":768}}";

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
                            .eos_id = eos, .bos_id = bos, .dim = dim, .logit_scale = 2.6592f};
}

static rs_tower_config base_vision(void)
{
    return tower(768, 12, 12, 3072, 1e-5f, RS_ACT_QUICK_GELU);
}

static rs_tower_config base_text(void)
{
    return tower(512, 12, 8, 2048, 1e-5f, RS_ACT_QUICK_GELU);
}

static void test_published(void **state)
{
    const rs_dual_config b32 = dual(base_vision(), base_text(), 224, 32, 49408, 77, 2, 0, 512);
    const rs_dual_config l14 = dual(tower(1024, 24, 16, 4096, 1e-5f, RS_ACT_QUICK_GELU),
                                tower(768, 12, 12, 3072, 1e-5f, RS_ACT_QUICK_GELU),
                                224, 14, 49408, 77, 49407, 49406, 768);
    const rs_dual_config bare = dual(base_vision(), base_text(), 224, 32, 49408, 77, 49407, 49406, 512);
    rs_dual_config b16 = b32;
    rs_dual_config c;
    char text[sizeof vit_b32];
    char *patch;

    (void)state;
    assert_int_equal(load(vit_b32, &c, NULL), RS_OK);
    assert_same(&c, &b32);
    memcpy(text, vit_b32, sizeof text);
    patch = strstr(text, "\"patch_size\":32");
    memcpy(patch, "\"patch_size\":16", 15);
    b16.patch_size = 16;
    assert_int_equal(load(text, &c, NULL), RS_OK);
    assert_same(&c, &b16);
    assert_int_equal(rs_dual_patches(&c), 196);
    assert_int_equal(load(vit_l14, &c, NULL), RS_OK);
    assert_same(&c, &l14);
    assert_int_equal(load("{\"model_type\":\"clip\"}", &c, NULL), RS_OK);      /* all defaults */
    assert_same(&c, &bare);
}

static void test_tiny_models(void **state)
{
    const rs_dual_config quick = dual(tower(16, 2, 2, 40, 1e-5f, RS_ACT_QUICK_GELU),
                                  tower(12, 2, 2, 32, 1e-5f, RS_ACT_QUICK_GELU),
                                  24, 8, 60, 16, 2, 0, 8);
    const rs_dual_config gelu = dual(tower(12, 3, 3, 36, 1e-6f, RS_ACT_GELU),
                                 tower(16, 2, 4, 24, 1e-6f, RS_ACT_GELU),
                                 20, 5, 60, 12, 58, 57, 10);
    rs_dual_config c;

    (void)state;
    assert_int_equal(rs_dual_config_load(&c, "tests/data/clip_tiny_quick/config.json", NULL), RS_OK);
    assert_same(&c, &quick);
    assert_int_equal(rs_dual_config_load(&c, "tests/data/clip_tiny_gelu/config.json", NULL), RS_OK);
    assert_same(&c, &gelu);
}

/* ---- As saved ---------------------------------------------------------- */

static void test_save_load(void **state)
{
    rs_dual_config c = dual(tower(96, 4, 6, 320, 1.25e-6f, RS_ACT_GELU),
                              tower(80, 3, 5, 200, 1e-5f, RS_ACT_QUICK_GELU),
                              128, 16, 9000, 48, 8999, 8998, 64);
    rs_dual_config back;
    rs_err err = {0};
    json_t *doc;

    (void)state;
    c.logit_scale = 2.302585f;
    assert_int_equal(rs_dual_config_save(&c, path, &err), RS_OK);
    assert_int_equal(rs_dual_config_load(&back, path, &err), RS_OK);
    assert_same(&back, &c);
    assert_int_equal(rs_json_load(&doc, path, 10000, &err), RS_OK);
    assert_string_equal(json_string_value(json_array_get(json_object_get(doc, "architectures"), 0)),
                        "CLIPModel");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(doc, "vision_config"),
                                                        "projection_dim")), 64);
    json_decref(doc);
}

static void test_save_refuses(void **state)
{
    rs_dual_config c = dual(base_vision(), base_text(), 224, 32, 49408, 77, 2, 0, 512);
    rs_err err = {0};

    (void)state;
    c.text.heads = 7;
    assert_int_equal(rs_dual_config_save(&c, path, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "text_config: num_attention_heads: 7 do not divide hidden_size 512"));
}

/* ---- As broken --------------------------------------------------------- */

static void test_refuses(void **state)
{
    static const struct { const char *text; rs_status want; const char *says; } rows[] = {
        {"[]", RS_ECORRUPT, "wanted an object"},
        {"{", RS_ECORRUPT, "line 1"},
        {"{}", RS_ECORRUPT, "model_type is missing"},
        {"{\"model_type\":\"blip\"}", RS_EFORMAT,
         "model_type: \"blip\" is not supported (clip, siglip)"},
        {"{\"model_type\":1}", RS_ECORRUPT, "model_type: wanted a string, found an integer"},
#define BAD(json, says) {"{\"model_type\":\"clip\"," json "}", RS_ECORRUPT, says}
        BAD("\"vision_config\":[]", "vision_config: wanted an object"),
        BAD("\"text_config_dict\":3", "text_config_dict: wanted an object"),
        BAD("\"vision_config\":{\"hidden_size\":\"768\"}",
            "vision_config: hidden_size: wanted an integer, found a string"),
        BAD("\"vision_config\":{\"hidden_size\":0}", "hidden_size: 0 is not within 1..8192"),
        BAD("\"vision_config\":{\"hidden_size\":8193}", "hidden_size: 8193 is not within 1..8192"),
        BAD("\"vision_config\":{\"hidden_size\":770}",
            "vision_config: num_attention_heads: 12 do not divide hidden_size 770"),
        BAD("\"vision_config\":{\"num_hidden_layers\":129}", "num_hidden_layers: 129"),
        BAD("\"vision_config\":{\"intermediate_size\":-1}", "intermediate_size: -1"),
        BAD("\"vision_config\":{\"patch_size\":225}",
            "vision_config: patch_size: 225 is more than image_size 224"),
        BAD("\"vision_config\":{\"patch_size\":1,\"image_size\":8192}",
            "patch_size: 1 gives 67108864 patches, at most 65536"),
        BAD("\"vision_config\":{\"num_channels\":1}", "vision_config: num_channels: 1 is not within 3..3"),
        BAD("\"vision_config\":{\"layer_norm_eps\":-1}", "layer_norm_eps: -1"),
        BAD("\"vision_config_dict\":{\"image_size\":1.5}", "vision_config_dict: image_size: wanted an integer"),
        BAD("\"text_config\":{\"vocab_size\":99999999999999}", "text_config: vocab_size"),
        BAD("\"text_config\":{\"max_position_embeddings\":0}", "text_config: max_position_embeddings"),
        BAD("\"text_config\":{\"vocab_size\":100}", "text_config: eos_token_id: 49407 is not within 0..99"),
        BAD("\"text_config\":{\"eos_token_id\":-1}", "text_config: eos_token_id: -1"),
        BAD("\"text_config\":{\"hidden_act\":7}", "text_config: hidden_act: wanted a string"),
        BAD("\"projection_dim\":0", "projection_dim: 0 is not within 1..8192"),
        BAD("\"logit_scale_init_value\":1e300", "logit_scale_init_value"),
        BAD("\"projection_dim\":1,\"projection_dim\":1", "duplicate"),
#undef BAD
        {"{\"model_type\":\"clip\",\"text_config\":{\"hidden_act\":\"relu\"}}", RS_EFORMAT,
         "text_config: hidden_act: \"relu\" is not supported (quick_gelu, gelu, gelu_pytorch_tanh)"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        rs_dual_config c = {.dim = 4711};
        rs_err err = {0};
        rs_status st = load(rows[i].text, &c, &err);
        if (st != rows[i].want || !strstr(err.msg, rows[i].says) || !strstr(err.msg, path))
            fail_msg("%s: %s (%s)", rows[i].text, rs_status_name(st), err.msg);
        assert_int_equal(c.dim, 4711);               /* left alone */
    }
}

static void test_absent_and_cut(void **state)
{
    rs_dual_config c;
    char text[sizeof vit_b32];

    (void)state;
    assert_int_equal(rs_dual_config_load(&c, "tests/data/no/config.json", NULL), RS_ENOENT);
    for (size_t len = 0; len < sizeof vit_b32 - 1; len += 7) {
        memcpy(text, vit_b32, len);
        text[len] = '\0';
        assert_int_equal(load(text, &c, NULL), RS_ECORRUPT);
    }
}

static void test_allocation_failures(void **state)
{
    rs_dual_config c;
    rs_status st = RS_ENOMEM;
    size_t live = rs_alloc_live();

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_dual_config_load(&c, "tests/data/clip_tiny_gelu/config.json", NULL);
        if (st == RS_OK)
            st = rs_dual_config_save(&c, path, NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        assert_int_equal(rs_alloc_live(), live);
        assert_true(k < 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),    cmocka_unit_test(test_tiny_models),
        cmocka_unit_test(test_save_load),    cmocka_unit_test(test_save_refuses),
        cmocka_unit_test(test_refuses),      cmocka_unit_test(test_absent_and_cut),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, make_file, drop_file);
}
