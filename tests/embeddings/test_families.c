/* test_families.c - model folders of every family: opened, written back in their own
 * layout, refused by name where something is not ours.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/family_int.h"
#include "embeddings/tower_int.h"
#include "embeddings/encoder.h"
#include "embeddings/golden.h"
#include "embeddings/model_folder.h"
#include "embeddings/model_id.h"
#include "embeddings/preprocess.h"
#include "scratch.h"

#include "base/bytes.h"

#include <math.h>

static const struct {
    const char *folder, *family;
    const char *config, *weights;
} families[] = {
    {"tests/data/clip_tiny_gelu", "CLIP", "config.json", "model.safetensors"},
    {"tests/data/siglip_tiny", "SigLIP", "config.json", "model.safetensors"},
    {"tests/data/open_clip_tiny", "open_clip", "open_clip_config.json",
     "open_clip_model.safetensors"},
    {"tests/data/biomed_tiny", "BiomedCLIP", "open_clip_config.json",
     "open_clip_model.safetensors"},
};
enum { FAMILIES = sizeof families / sizeof *families };

static int make_scratch(void **state)
{
    (void)state;
    return mkdtemp(scratch) ? 0 : -1;
}

/* An end for a folder of ours. */
static void forget(const char *name)
{
    char command[600];

    snprintf(command, sizeof command, "rm -rf '%s'", at(name));
    assert_int_equal(system(command), 0);
}

/* "FOLDER/NAME" */
static const char *in(const char *folder, const char *name)
{
    static char path[4][300];
    static size_t next;
    char *p = path[next++ % 4];

    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static rs_dual *open_model(const char *folder)
{
    rs_dual *m = NULL;
    rs_err err = {0};

    ok(rs_dual_open(&m, folder, &err), &err);
    return m;
}

/* ---- Opening and writing ------------------------------------------------------------------- */

static void every_family_is_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAMILIES; i++) {
        rs_dual *m = open_model(families[i].folder);
        size_t n;
        assert_string_equal(rs_dual_family(rs_dual_config_of(m)), families[i].family);
        assert_int_equal(rs_dual_sigmoid(rs_dual_config_of(m)), i == 1);
        assert_int_equal(rs_dual_param(m, "logit_bias") != NULL, i == 1);
        rs_dual_unknown(m, &n);
        assert_int_equal(n, 0);
        rs_dual_close(m);
    }
}

/* What was opened is written in the same layout under the same names, to the bit. */
static void written_back_in_its_own_layout(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAMILIES; i++) {
        rs_dual *m = open_model(families[i].folder), *back;
        const rs_param *table;
        rs_tensors *was, *is;
        rs_err err = {0};
        size_t n;

        ok(rs_dual_save(m, at("written"), false, &err), &err);
        assert_true(rs_file_exists(at(in("written", families[i].config))));
        assert_true(rs_file_exists(at(in("written", families[i].weights))));
        back = open_model(at("written"));
        assert_int_equal(rs_dual_param_count(back), rs_dual_param_count(m));
        assert_memory_equal(rs_dual_params(back), rs_dual_params(m),
                            rs_dual_param_count(m) * sizeof(float));
        ok(rs_model_tensors(&was, families[i].folder, &err), &err);
        ok(rs_model_tensors(&is, at("written"), &err), &err);
        table = rs_dual_param_table(m, &n);
        assert_int_equal(rs_tensors_count(is), n);
        for (size_t k = 0; k < n; k++) {
            const rs_tensor *a = rs_tensors_find(was, table[k].name);
            const rs_tensor *b = rs_tensors_find(is, table[k].name);
            assert_true(a && b && a->bytes == b->bytes && a->rank == b->rank);
            assert_memory_equal(a->data, b->data, a->bytes);
        }
        rs_tensors_close(was);
        rs_tensors_close(is);
        rs_dual_close(back);
        rs_dual_close(m);
        forget("written");
    }
}

/* A fused tensor has three places, a transposed one lies turned. */
static void fused_and_transposed(void **state)
{
    rs_dual *m = open_model("tests/data/open_clip_tiny");
    const rs_layer_at *l = &m->at.vision.layer[1];
    const size_t w = m->config.vision.width, dim = m->config.dim;
    rs_tensors *t;
    float *fused, *turned;

    (void)state;
    assert_int_equal(rs_model_tensors(&t, "tests/data/open_clip_tiny", NULL), RS_OK);
    fused = golden_floats(t, "visual.transformer.resblocks.1.attn.in_proj_weight", NULL);
    turned = golden_floats(t, "visual.proj", NULL);
    assert_int_equal(l->k_w, l->q_w + w * w);
    assert_int_equal(l->v_b, l->q_b + 2 * w);
    assert_memory_equal(m->params + l->v_w, fused + 2 * w * w, w * w * sizeof *fused);
    for (size_t i = 0; i < w; i++)
        for (size_t k = 0; k < dim; k++)
            assert_true(m->params[m->at.vision.proj_w + k * w + i] == turned[i * dim + k]);
    assert_true(rs_dual_param(m, "visual.proj")->transposed);
    assert_int_equal(m->at.vision.patch_b, RS_NOWHERE);
    rs_free(fused);
    rs_free(turned);
    rs_tensors_close(t);
    rs_dual_close(m);
}

/* Models that never were in a file, of each pair of towers. */
static void new_models_come_back(void **state)
{
    static const struct { rs_tower_kind vision, text; } pairs[] = {
        {RS_TOWER_SIGLIP, RS_TOWER_SIGLIP}, {RS_TOWER_OPEN_CLIP, RS_TOWER_OPEN_CLIP},
        {RS_TOWER_OPEN_CLIP, RS_TOWER_BERT}, {RS_TOWER_TIMM, RS_TOWER_OPEN_CLIP},
        {RS_TOWER_TIMM, RS_TOWER_BERT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const bool own = pairs[i].text == RS_TOWER_OPEN_CLIP;
        const rs_dual_config c = {
            .vision = {24, 2, 3, 40, pairs[i].vision == RS_TOWER_OPEN_CLIP ? 1e-5f : 1e-6f,
                       RS_ACT_GELU, pairs[i].vision},
            .text = {16, 1, 2, 64, own ? 1e-5f : pairs[i].text == RS_TOWER_BERT ? 1e-12f : 1e-6f,
                     RS_ACT_GELU, pairs[i].text},
            .image_size = 16, .patch_size = 4, .vocab_size = 50, .max_tokens = 12,
            .positions = pairs[i].text == RS_TOWER_BERT ? 20 : 0,
            .types = pairs[i].text == RS_TOWER_BERT ? 2 : 0, .eos_id = own ? 2 : 0, .pad_id = 1,
            .dim = 24, .logit_scale = 2.6592f, .logit_bias = -10,
        };
        rs_random rnd = rs_random_seed(i + 1);
        rs_dual *m = NULL, *back;
        rs_err err = {0};
        ok(rs_dual_new(&m, &c, &rnd, &err), &err);
        ok(rs_dual_save(m, at("new"), false, &err), &err);
        back = open_model(at("new"));
        assert_int_equal(rs_dual_param_count(back), rs_dual_param_count(m));
        assert_memory_equal(rs_dual_params(back), rs_dual_params(m),
                            rs_dual_param_count(m) * sizeof(float));
        assert_int_equal(back->config.vision.heads, 3);
        assert_int_equal(back->config.text.heads, 2);
        assert_int_equal(back->config.vision.kind, pairs[i].vision);
        assert_int_equal(back->config.text.kind, pairs[i].text);
        assert_int_equal(back->config.max_tokens, 12);
        assert_true(back->config.text.eps == c.text.eps);
        rs_dual_close(back);
        rs_dual_close(m);
        forget("new");
    }
}

static void towers_that_do_not_go_together(void **state)
{
    static const struct { rs_tower_kind vision, text; } pairs[] = {
        {RS_TOWER_CLIP, RS_TOWER_SIGLIP}, {RS_TOWER_BERT, RS_TOWER_BERT},
        {RS_TOWER_TIMM, RS_TOWER_TIMM}, {RS_TOWER_SIGLIP, RS_TOWER_OPEN_CLIP},
        {RS_TOWER_OPEN_CLIP, RS_TOWER_CLIP}, {RS_TOWER_KINDS, RS_TOWER_CLIP},
    };

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        rs_dual *m = open_model("tests/data/clip_tiny_gelu"), *other;
        rs_dual_config c = *rs_dual_config_of(m);
        rs_err err = {0};
        c.vision.kind = pairs[i].vision;
        c.text.kind = pairs[i].text;
        assert_int_equal(rs_dual_new(&other, &c, NULL, &err), RS_EARG);
        assert_non_null(strstr(err.msg, "are no model"));
        rs_dual_close(m);
    }
}

static void running_out_of_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAMILIES; i++) {
        size_t live = rs_alloc_live();
        rs_status st = RS_ENOMEM;
        for (long k = 0; st != RS_OK; k++) {
            rs_dual *m = NULL;
            rs_alloc_fail_after(k);
            st = rs_dual_open(&m, families[i].folder, NULL);
            if (st == RS_OK)
                st = rs_dual_save(m, at("memory"), true, NULL);
            rs_alloc_fail_after(-1);
            rs_dual_close(m);
            assert_true(st == RS_OK || st == RS_ENOMEM);
            assert_int_equal(rs_alloc_live(), live);
            assert_true(k < 4000);
        }
        forget("memory");
    }
}

/* ---- Folders -------------------------------------------------------------------------------- */

static void pickles_are_refused_with_the_line_that_converts(void **state)
{
    static const struct { const char *config, *pickle, *weights; } rows[] = {
        {"config.json", "pytorch_model.bin", "model.safetensors"},
        {"open_clip_config.json", "open_clip_pytorch_model.bin", "open_clip_model.safetensors"},
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char hex[RS_SHA256_HEX], line[400];
        rs_dual *m;
        rs_err err = {0};
        put(in("pickle", rows[i].config), "{}");
        put(in("pickle", rows[i].pickle), "\x80\x02");
        assert_int_equal(rs_dual_open(&m, at("pickle"), &err), RS_EFORMAT);
        snprintf(line, sizeof line, "python3 -c \"import torch,safetensors.torch as s;s.save_file("
                 "{k:v.clone().contiguous() for k,v in torch.load('%s',weights_only=True).items()},"
                 "'%s')\"", rows[i].pickle, rows[i].weights);
        if (!strstr(err.msg, line))
            fail_msg("%s", err.msg);
        assert_int_equal(rs_model_id(hex, at("pickle"), &err), RS_EFORMAT);
        /* With the line's result beside it the pickle does not matter. */
        put_copy(in("pickle", rows[i].config), in(families[2 * i].folder, rows[i].config));
        put_copy(in("pickle", rows[i].weights), in(families[2 * i].folder, rows[i].weights));
        rs_dual_close(open_model(at("pickle")));
        forget("pickle");
    }
}

/* As many open_clip models are published: both layouts beside each other. */
static void hugging_face_comes_first(void **state)
{
    rs_layout layout;

    (void)state;
    put("both/open_clip_config.json", "{}");
    put("both/open_clip_model.safetensors", "x");
    put("both/config.json", "{}");
    assert_int_equal(rs_model_layout(&layout, at("both"), NULL), RS_OK);
    assert_int_equal(layout, RS_LAYOUT_OPEN_CLIP);       /* a config.json without weights */
    put("both/model.safetensors.index.json", "{}");
    assert_int_equal(rs_model_layout(&layout, at("both"), NULL), RS_OK);
    assert_int_equal(layout, RS_LAYOUT_HF);
    forget("both");
}

static void what_counts_for_the_identity(void **state)
{
    static const struct { const char *name; bool changes; } steps[] = {
        {"README.md", false}, {"config.json", false}, {"preprocessor_config.json", false},
        {"open_clip_pytorch_model.bin", false}, {"vocab.txt", true},
        {"tokenizer_config.json", true}, {"open_clip_config.json", true},
        {"open_clip_model.safetensors", true}, {"tokenizer.json", true},
    };
    char before[RS_SHA256_HEX], after[RS_SHA256_HEX];

    (void)state;
    put("id/open_clip_config.json", "{}");
    put("id/open_clip_model.safetensors", "w");
    assert_int_equal(rs_model_id(before, at("id"), NULL), RS_OK);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        put(in("id", steps[i].name), "other");
        assert_int_equal(rs_model_id(after, at("id"), NULL), RS_OK);
        if ((strcmp(before, after) != 0) != steps[i].changes)
            fail_msg("%s: wanted %d", steps[i].name, steps[i].changes);
        memcpy(before, after, sizeof before);
    }
    /* A tokenizer.json is what is read: vocab.txt no longer counts. */
    put("id/vocab.txt", "another");
    assert_int_equal(rs_model_id(after, at("id"), NULL), RS_OK);
    assert_string_equal(before, after);
    /* With a spiece.model beside it, tokenizer_config.json says which of them is read. */
    put("id/spiece.model", "pieces");
    assert_int_equal(rs_model_id(before, at("id"), NULL), RS_OK);
    assert_string_not_equal(before, after);
    put("id/tokenizer_config.json", "that one");
    assert_int_equal(rs_model_id(after, at("id"), NULL), RS_OK);
    assert_string_not_equal(before, after);
    forget("id");
}

/* ---- open_clip_config.json ------------------------------------------------------------------- */

/* The config of biomed_tiny or open_clip_tiny with `was` replaced by `is`. */
static rs_status open_changed(const char *folder, const char *was, const char *is, rs_err *err)
{
    char *text, *where, changed[4096];
    size_t len;
    rs_dual *m = NULL;
    rs_status st;

    assert_int_equal(rs_file_read(&text, &len, at("config/open_clip_config.json"), 4000,
                                  NULL), RS_OK);
    where = strstr(text, was);
    if (!where)
        fail_msg("%s is not in the config of %s", was, folder);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(where - text), text, is,
             where + strlen(was));
    put("config/open_clip_config.json", changed);
    st = rs_dual_open(&m, at("config"), err);
    put("config/open_clip_config.json", text);
    rs_dual_close(m);
    rs_free(text);
    return st;
}

static void configs_are_refused_by_name(void **state)
{
    static const struct { int biomed; const char *was, *is; rs_status want; const char *says; }
    rows[] = {
#define OWN 0
#define BIO 1
        {OWN, "\"embed_dim\": 8", "\"embed_dim\": 9", RS_ECORRUPT, "visual.proj: shape"},
        {OWN, "\"embed_dim\": 8", "\"no\": null", RS_ECORRUPT, "embed_dim is missing"},
        {OWN, "\"embed_dim\": 8", "\"embed_dim\": 8, \"multimodal_cfg\": {\"a\": 1}", RS_EFORMAT,
         "model_cfg: multimodal_cfg is not supported"},
        {OWN, "\"embed_dim\": 8", "\"embed_dim\": 8, \"init_logit_bias\": -10", RS_EFORMAT,
         "init_logit_bias is not supported"},
        {OWN, "\"embed_dim\": 8", "\"embed_dim\": 8, \"custom_text\": true", RS_EFORMAT,
         "custom_text is not supported"},
        {OWN, "\"head_width\": 4", "\"head_width\": 4, \"attentional_pool\": true", RS_EFORMAT,
         "vision_cfg: attentional_pool is not supported"},
        {OWN, "\"head_width\": 4", "\"head_width\": 4, \"attentional_pool\": false", RS_OK, ""},
        {OWN, "\"head_width\": 4", "\"head_width\": 13", RS_ECORRUPT, "heads of width 13"},
        {OWN, "\"layers\": 2,\n      \"head_width\"", "\"layers\": [3, 4, 6, 3],\n      \"head_width\"",
         RS_ECORRUPT, "layers"},
        {OWN, "\"heads\": 2", "\"heads\": 2, \"pool_type\": \"last\"", RS_EFORMAT,
         "text_cfg: pool_type: \"last\" is not supported (argmax)"},
        {OWN, "\"model_cfg\"", "\"model\"", RS_ECORRUPT, "model_cfg: wanted an object"},
        {BIO, "vit_base_patch4_12", "vit_base_patch16_siglip_224", RS_EFORMAT, "timm_model_name"},
        {BIO, "vit_base_patch4_12", "vit_base_patch16_clip_224.openai", RS_EFORMAT,
         "timm_model_name"},
        {BIO, "vit_base_patch4_12", "convnext_base", RS_EFORMAT, "timm_model_name"},
        {BIO, "vit_base_patch4_12", "vit_huge_patch14_224", RS_EFORMAT, "timm_model_name"},
        {BIO, "vit_base_patch4_12", "vit_base_patch16_224.augreg_in21k", RS_OK, ""},
        {BIO, "\"timm_pool\": \"\"", "\"timm_pool\": \"avg\"", RS_EFORMAT,
         "timm_pool: \"avg\" is not supported (token)"},
        {BIO, "\"timm_proj\": \"linear\"", "\"timm_proj\": \"mlp\"", RS_EFORMAT, "timm_proj"},
        {BIO, "\"hf_proj_type\": \"mlp\"", "\"hf_proj_type\": \"linear\"", RS_EFORMAT,
         "hf_proj_type: \"linear\" is not supported (mlp)"},
        {BIO, "\"hf_pooler_type\": \"cls_last_hidden_state_pooler\"", "\"a\": null", RS_EFORMAT,
         "hf_pooler_type: \"mean_pooler\" is not supported"},
        {BIO, "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract\",\n      \"hf_tok",
         "roberta-base\",\n      \"hf_tok", RS_EFORMAT, "hf_model_name: \"roberta-base\""},
        {BIO, "\"heads\": 3", "\"heads\": 5", RS_ECORRUPT, "num_attention_heads"},
        {BIO, "\"context_length\": 9", "\"context_length\": 15", RS_ECORRUPT,
         "14 text positions, wanted 15"},
        {BIO, "\"image_size\": 12", "\"image_size\": 16", RS_ECORRUPT, "visual.trunk.pos_embed"},
    };

    (void)state;
    for (int biomed = 0; biomed < 2; biomed++) {
        const char *folder = families[2 + biomed].folder;
        put_copy("config/open_clip_config.json", in(folder, "open_clip_config.json"));
        put_copy("config/open_clip_model.safetensors", in(folder, "open_clip_model.safetensors"));
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            rs_err err = {0};
            if (rows[i].biomed != biomed)
                continue;
            rs_status st = open_changed(folder, rows[i].was, rows[i].is, &err);
            if (st != rows[i].want || !strstr(err.msg, rows[i].says))
                fail_msg("%s: %s: %s", rows[i].is, rs_status_name(st), err.msg);
        }
        forget("config");
    }
}

static void a_config_cut_anywhere_is_refused(void **state)
{
    char *text;
    size_t len;

    (void)state;
    put_copy("cut/open_clip_model.safetensors", "tests/data/biomed_tiny/open_clip_model.safetensors");
    assert_int_equal(rs_file_read(&text, &len, "tests/data/biomed_tiny/open_clip_config.json", 4000,
                                  NULL), RS_OK);
    for (size_t n = 0; n + 2 < len; n += 3) {
        rs_dual *m = NULL;
        rs_preprocess p;
        put_bytes("cut/open_clip_config.json", text, n);
        assert_int_equal(rs_dual_open(&m, at("cut"), NULL), RS_ECORRUPT);
        assert_int_equal(rs_preprocess_open(&p, at("cut"), RS_PROCESSOR_CLIP, 12, NULL),
                         RS_ECORRUPT);
    }
    rs_free(text);
    forget("cut");
}

/* ---- Preprocessing --------------------------------------------------------------------------- */

static void preprocessing_comes_from_the_folder(void **state)
{
    rs_preprocess p;
    rs_err err = {0};

    (void)state;
    ok(rs_preprocess_open(&p, "tests/data/open_clip_tiny", RS_PROCESSOR_CLIP, 12, &err), &err);
    assert_int_equal(p.processor, RS_PROCESSOR_OPEN_CLIP);
    assert_false(p.keep_aspect || p.do_center_crop);
    assert_int_equal(p.resample, RS_RESAMPLE_BILINEAR);
    assert_true(p.mean[1] == 0.4f && p.std[2] == 0.3f);
    ok(rs_preprocess_open(&p, "tests/data/biomed_tiny", RS_PROCESSOR_CLIP, 12, &err), &err);
    assert_true(p.keep_aspect && p.do_center_crop && p.resample == RS_RESAMPLE_BICUBIC);
    assert_int_equal(p.crop_width, 12);
    assert_true(fabsf(p.mean[0] - 0.48145466f) < 1e-7f);
    /* Without a file: what the family's library does. */
    ok(rs_preprocess_open(&p, "tests/data/siglip_tiny", RS_PROCESSOR_SIGLIP, 12, &err), &err);
    assert_false(p.keep_aspect || p.do_center_crop);
    assert_true(p.mean[0] == 0.5f && p.resize_width == 12);
}

static void open_clip_modes_are_refused_by_name(void **state)
{
    static const struct { const char *cfg; rs_status want; const char *says; } rows[] = {
        {"{\"resize_mode\": \"longest\"}", RS_EFORMAT, "resize_mode: \"longest\" is not supported"},
        {"{\"interpolation\": \"area\"}", RS_EFORMAT, "interpolation: \"area\" is not supported"},
        {"{\"interpolation\": \"random\"}", RS_OK, ""},
        {"{\"mode\": \"L\"}", RS_EFORMAT, "mode: \"L\" is not supported"},
        {"{\"mean\": [1, 2]}", RS_ECORRUPT, "preprocess_cfg: mean: wanted three numbers"},
        {"{\"std\": [1, 2, 0]}", RS_ECORRUPT, "std[2]"},
        {"{\"size\": \"big\"}", RS_ECORRUPT, "size"},
        {"{\"size\": [9, 9]}", RS_OK, ""},
        {"7", RS_ECORRUPT, "preprocess_cfg: wanted an object"},
    };

    (void)state;
    put("modes/open_clip_model.safetensors", "w");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[200];
        rs_preprocess p;
        rs_err err = {0};
        snprintf(text, sizeof text, "{\"preprocess_cfg\": %s}", rows[i].cfg);
        put("modes/open_clip_config.json", text);
        rs_status st = rs_preprocess_open(&p, at("modes"), RS_PROCESSOR_CLIP, 12, &err);
        if (st != rows[i].want || !strstr(err.msg, rows[i].says))
            fail_msg("%s: %s: %s", rows[i].cfg, rs_status_name(st), err.msg);
    }
    forget("modes");
}

/* ---- Batches ------------------------------------------------------------------------------- */

/* More rows than a call without `keep` takes at a time: the chunks do not show. */
static void batches_do_not_show(void **state)
{
    enum { N = 130, MAX = 9, DIM = 12 };
    const size_t floats = 3 * 12 * 12;
    float *pixels = rs_calloc(N * floats, sizeof *pixels);
    float *all = rs_calloc(N * DIM, sizeof *all), *one = rs_calloc(N * DIM, sizeof *one);
    int32_t *ids = rs_calloc(N * MAX, sizeof *ids);
    rs_random r = rs_random_seed(6);

    (void)state;
    for (size_t i = 0; i < N * floats; i++)
        pixels[i] = (float)rs_random_normal(&r);
    for (size_t f = 1; f < FAMILIES; f++) {
        rs_dual *m = open_model(families[f].folder);
        const size_t d = rs_dual_config_of(m)->dim;
        rs_tape *tape = rs_tape_new();
        size_t length[N], total = 0;
        rs_err err = {0};
        assert_true(d <= DIM && N * rs_dual_image_rows(rs_dual_config_of(m)) > RS_CHUNK_ROWS);
        for (size_t i = 0; i < N; i++) {
            length[i] = 2 + i % (MAX - 1);
            for (size_t k = 0; k < length[i]; k++)
                ids[total++] = (int32_t)rs_random_below(&r, 40);
        }
        ok(rs_dual_text_forward(m, ids, length, N, tape, false, all, &err), &err);
        for (size_t i = 0, at_id = 0; i < N; at_id += length[i++])
            ok(rs_dual_text_forward(m, ids + at_id, length + i, 1, tape, false, one + i * d, &err),
               &err);
        assert_near("texts", one, all, N * d, 1e-5 * fmax(1, largest(all, N * d)));
        ok(rs_dual_image_forward(m, pixels, N, tape, false, all, &err), &err);
        for (size_t i = 0; i < N; i++)
            ok(rs_dual_image_forward(m, pixels + i * floats, 1, tape, false, one + i * d, &err),
               &err);
        assert_near("images", one, all, N * d, 1e-5 * fmax(1, largest(all, N * d)));
        rs_tape_free(tape);
        rs_dual_close(m);
    }
    rs_free(pixels);
    rs_free(all);
    rs_free(one);
    rs_free(ids);
}

/* ---- As encoders ----------------------------------------------------------------------------- */

enum { SIDE = 16, TOKENS = 12 };

/* at("whole"): a model of random weights of the family, with the tokenizer file `words`. */
static rs_dual_config write_whole(bool siglip, const char *words)
{
    rs_tokenizer *t = NULL;
    rs_dual_config c = {
        .vision = {24, 2, 3, 40, 1e-6f, siglip ? RS_ACT_GELU_TANH : RS_ACT_GELU,
                   siglip ? RS_TOWER_SIGLIP : RS_TOWER_TIMM},
        .text = {16, 1, 2, 64, siglip ? 1e-6f : 1e-12f, siglip ? RS_ACT_GELU_TANH : RS_ACT_GELU,
                 siglip ? RS_TOWER_SIGLIP : RS_TOWER_BERT},
        .image_size = SIDE, .patch_size = 4, .max_tokens = TOKENS, .dim = 24,
        .positions = siglip ? 0 : 20, .types = siglip ? 0 : 2, .logit_scale = 2.3f,
        .logit_bias = -10,
    };
    rs_random rnd = rs_random_seed(3);
    rs_dual *m = NULL;
    rs_err err = {0};

    put_copy(in("whole", words), in("tests/data/tokenizer_words", words));
    ok(rs_tokenizer_open(&t, at("whole"), &err), &err);
    c.vocab_size = rs_tokenizer_size(t);
    c.pad_id = rs_tokenizer_pad(t);
    ok(rs_dual_new(&m, &c, &rnd, &err), &err);
    ok(rs_dual_save(m, at("whole"), false, &err), &err);
    rs_dual_close(m);
    rs_tokenizer_close(t);
    return c;
}

static const char *const sentences[] = {"No pleural effusion.", "", "knee",
                                        "A hairline fracture of the left wrist, and then very many "
                                        "more words than any of these models reads."};
enum { SENTENCES = sizeof sentences / sizeof *sentences };

/* Texts come out of an encoder as out of the towers, finished by hand: SigLIP's filled up
 * with its pad token, BERT's as they are. */
static void texts_are_finished_as_the_family_wants(void **state)
{
    (void)state;
    for (int siglip = 0; siglip < 2; siglip++) {
        const rs_dual_config c = write_whole(siglip, siglip ? "spiece.model" : "vocab.txt");
        const size_t d = c.dim;
        rs_encoder *e = NULL;
        rs_tape *tape = rs_tape_new();
        float got[SENTENCES * 24], want[24];
        size_t cut = 0;
        rs_err err = {0};

        ok(rs_encoder_open(&e, at("whole"), &err), &err);
        assert_int_equal(rs_encoder_max_tokens(e), TOKENS);
        ok(rs_encoder_texts(e, sentences, SENTENCES, NULL, got, &cut, &err), &err);
        assert_int_equal(cut, 1);
        for (size_t i = 0; i < SENTENCES; i++) {
            int32_t ids[TOKENS];
            size_t n = 0;
            bool over;
            ok(rs_tokenizer_encode(rs_encoder_tokenizer(e), sentences[i], strlen(sentences[i]), ids,
                                   TOKENS, &n, &over, &err), &err);
            for (; siglip && n < TOKENS; n++)
                ids[n] = c.pad_id;
            ok(rs_dual_text_forward(rs_encoder_dual(e), ids, &n, 1, tape, false, want, &err), &err);
            if (!(cosine(got + i * d, want, d) >= 0.999999))
                fail_msg("%s: cosine %.7f", sentences[i], cosine(got + i * d, want, d));
        }
        rs_tape_free(tape);
        rs_encoder_close(e);
        forget("whole");
    }
}

static void images_of_every_family(void **state)
{
    (void)state;
    for (int siglip = 0; siglip < 2; siglip++) {
        const rs_dual_config c = write_whole(siglip, siglip ? "spiece.model" : "vocab.txt");
        rs_image im[2] = {picture(1, 40, 30, 1, 8), picture(2, 20, 50, 3, 8)};
        float got[2 * 24], pixels[3 * SIDE * SIDE], one[24];
        rs_encoder *e = NULL;
        rs_err err = {0};

        ok(rs_encoder_open(&e, at("whole"), &err), &err);
        assert_int_equal(rs_encoder_preprocess(e)->do_center_crop, !siglip);
        ok(rs_encoder_images(e, im, 2, NULL, got, &err), &err);
        assert_true(fabs(cosine(got, got + c.dim, c.dim)) < 0.9999);
        ok(rs_preprocess_run(rs_encoder_preprocess(e), &im[1], pixels, &err), &err);
        ok(rs_encoder_pixels(e, pixels, 1, NULL, one, &err), &err);
        assert_near("alone", one, got + c.dim, c.dim, 1e-5);
        rs_image_clear(&im[0]);
        rs_image_clear(&im[1]);
        rs_encoder_close(e);
        forget("whole");
    }
}

static void a_pad_token_that_is_another_is_refused(void **state)
{
    rs_dual_config c = write_whole(true, "spiece.model");
    rs_encoder *e = NULL;
    rs_dual *m = NULL;
    rs_err err = {0};

    (void)state;
    c.pad_id++;
    ok(rs_dual_new(&m, &c, NULL, &err), &err);
    ok(rs_dual_save(m, at("whole"), false, &err), &err);
    assert_int_equal(rs_encoder_open(&e, at("whole"), &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "pad_token_id"));
    rs_dual_close(m);
    forget("whole");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_is_told_apart),
        cmocka_unit_test(written_back_in_its_own_layout),
        cmocka_unit_test(fused_and_transposed),
        cmocka_unit_test(new_models_come_back),
        cmocka_unit_test(towers_that_do_not_go_together),
        cmocka_unit_test(running_out_of_memory),
        cmocka_unit_test(pickles_are_refused_with_the_line_that_converts),
        cmocka_unit_test(hugging_face_comes_first),
        cmocka_unit_test(what_counts_for_the_identity),
        cmocka_unit_test(configs_are_refused_by_name),
        cmocka_unit_test(a_config_cut_anywhere_is_refused),
        cmocka_unit_test(preprocessing_comes_from_the_folder),
        cmocka_unit_test(open_clip_modes_are_refused_by_name),
        cmocka_unit_test(batches_do_not_show),
        cmocka_unit_test(texts_are_finished_as_the_family_wants),
        cmocka_unit_test(images_of_every_family),
        cmocka_unit_test(a_pad_token_that_is_another_is_refused),
    };
    return cmocka_run_group_tests(tests, make_scratch, scratch_drop);
}
