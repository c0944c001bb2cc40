/* open_clip_config.c - the open_clip_config.json of a model published with open_clip.
 *
 * "model_cfg" tells the two towers apart: a "timm_model_name" makes the image tower a timm
 * ViT, an "hf_model_name" the text tower a BERT, otherwise each is open_clip's own. The
 * sizes of the former two are nowhere in the file but in the tensors; their heads are 64
 * wide, as in every published ViT up to "large" and every BERT, unless "head_width" or
 * "heads" says otherwise. What the file asks for and we do not have is refused by name.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/dual_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CONFIG = 1 << 20, WHERE = 300, HEAD_WIDTH = 64, MAX_LAYERS = 128 };

/* ---- What is accepted ------------------------------------------------ */

/* A key and its one value that we know how to follow; "*": any. */
typedef struct { const char *key, *value; } rule;

static const rule model_rules[] = {
    {"embed_dim", "*"}, {"vision_cfg", "*"}, {"text_cfg", "*"}, {"quick_gelu", "*"},
    {"custom_text", "*"}, {"init_logit_scale", "*"}, {NULL, NULL},
};
static const rule own_vision_rules[] = {
    {"image_size", "*"}, {"layers", "*"}, {"width", "*"}, {"head_width", "*"}, {"mlp_ratio", "*"},
    {"patch_size", "*"}, {"patch_dropout", "*"}, {"pool_type", "tok"},
    {"pos_embed_type", "learnable"}, {NULL, NULL},
};
static const rule timm_rules[] = {
    {"image_size", "*"}, {"timm_model_name", "*"}, {"timm_model_pretrained", "*"},
    {"timm_pool", "token"}, {"timm_proj", "linear"}, {"timm_drop", "*"}, {"timm_drop_path", "*"},
    {"layers", "*"}, {"width", "*"}, {"head_width", "*"}, {"mlp_ratio", "*"}, {"patch_size", "*"},
    {"patch_dropout", "*"}, {NULL, NULL},
};
static const rule own_text_rules[] = {
    {"context_length", "*"}, {"vocab_size", "*"}, {"width", "*"}, {"heads", "*"}, {"layers", "*"},
    {"mlp_ratio", "*"}, {"pad_id", "*"}, {"hf_tokenizer_name", "*"}, {"tokenizer_kwargs", "*"},
    {"pool_type", "argmax"}, {"proj_type", "linear"}, {NULL, NULL},
};
static const rule bert_rules[] = {
    {"context_length", "*"}, {"hf_model_name", "*"}, {"hf_tokenizer_name", "*"},
    {"hf_model_pretrained", "*"}, {"tokenizer_kwargs", "*"}, {"vocab_size", "*"}, {"width", "*"},
    {"heads", "*"}, {"layers", "*"}, {"mlp_ratio", "*"}, {"pad_id", "*"},
    {"proj", "mlp"}, {"hf_proj_type", "mlp"},
    {"pooler_type", "cls_last_hidden_state_pooler"},
    {"hf_pooler_type", "cls_last_hidden_state_pooler"}, {NULL, NULL},
};

/* null, false, 0, "": the same as not being there. */
static bool is_nothing(const json_t *v)
{
    return json_is_null(v) || json_is_false(v) || (json_is_number(v) && json_number_value(v) == 0) ||
           (json_is_string(v) && json_string_length(v) == 0);
}

static rs_status check_rules(rs_json_at at, const rule *rules, rs_err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)at.object, key, value) {
        const rule *r = rules;
        const char *text = json_string_value(value);
        while (r->key && strcmp(r->key, key) != 0)
            r++;
        if (is_nothing(value) ||
            (r->key && (strcmp(r->value, "*") == 0 || (text && strcmp(r->value, text) == 0))))
            continue;
        if (r->key && text)
            return rs_fail(err, RS_EFORMAT, "%s: %s: \"%.40s\" is not supported (%s)", at.where, key,
                           text, r->value);
        return rs_fail(err, RS_EFORMAT, "%s: %.60s is not supported", at.where, key);
    }
    return RS_OK;
}

/* vit_base_patch16_224, with what timm puts behind: ".augreg_in21k". Others of that family
 * ("vit_base_patch16_clip_224", "..._siglip_224") have other layers. */
static bool is_plain_vit(const char *name)
{
    static const char *const sizes[] = {"tiny", "small", "base", "large"};

    if (strncmp(name, "vit_", 4) != 0)
        return false;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t n = strlen(sizes[i]);
        const char *p = name + 4;
        if (strncmp(p, sizes[i], n) != 0 || strncmp(p + n, "_patch", 6) != 0)
            continue;
        p += n + 6;
        p += strspn(p, "0123456789");
        if (*p != '_' || !isdigit((unsigned char)p[1]))
            return false;
        p += 1 + strspn(p + 1, "0123456789");
        return *p == '\0' || *p == '.' || strcmp(p, "_in21k") == 0;
    }
    return false;
}

/* ---- Numbers --------------------------------------------------------- */

static rs_status read_size(rs_json_at at, const char *key, long long max, size_t fallback,
                           size_t *out, rs_err *err)
{
    long long n = 0;
    rs_status st = rs_json_int(at, key, 1, max, (long long)fallback, &n, err);

    *out = (size_t)n;
    return st;
}

/* Dimension `i` of the tensor `name`, of `rank` dimensions. */
static rs_status read_shape(const rs_tensors *t, const char *name, size_t rank, size_t i,
                            size_t *out, rs_err *err)
{
    const rs_tensor *found = rs_tensors_find(t, name);

    if (!found)
        return rs_fail(err, RS_ECORRUPT, "open_clip_model.safetensors: no tensor %s", name);
    if (found->rank != rank)
        return rs_fail(err, RS_ECORRUPT, "%s: %s has %zu dimensions, wanted %zu", found->file, name,
                       found->rank, rank);
    *out = found->shape[i];
    return RS_OK;
}

/* Layers there are: PREFIX0.SUFFIX, PREFIX1.SUFFIX, ... */
static size_t count_layers(const rs_tensors *t, const char *prefix, const char *suffix)
{
    size_t n = 0;

    for (; n <= MAX_LAYERS; n++) {
        char name[128];
        snprintf(name, sizeof name, "%s%zu.%s", prefix, n, suffix);
        if (!rs_tensors_find(t, name))
            break;
    }
    return n;
}

static rs_status read_ratio(rs_json_at at, rs_tower_config *t, rs_err *err)
{
    double ratio = 4;
    rs_status st = rs_json_real(at, "mlp_ratio", 0, 64, 4, &ratio, err);

    t->mlp = (size_t)((double)t->width * ratio);
    return st;
}

static rs_status heads_of_width(rs_tower_config *t, rs_json_at at, size_t head_width, rs_err *err)
{
    if (head_width == 0 || t->width < head_width)
        return rs_fail(err, RS_ECORRUPT, "%s: heads of width %zu in a tower of %zu", at.where,
                       head_width, t->width);
    t->heads = t->width / head_width;
    return RS_OK;
}

/* ---- Towers ---------------------------------------------------------- */

static rs_status read_own_vision(rs_dual_config *c, rs_json_at at, rs_err *err)
{
    rs_tower_config *v = &c->vision;
    size_t head = 0;
    rs_status st;

    v->kind = RS_TOWER_OPEN_CLIP;
    v->eps = 1e-5f;
    if ((st = check_rules(at, own_vision_rules, err)) != RS_OK ||
        (st = read_size(at, "layers", MAX_LAYERS, 12, &v->layers, err)) != RS_OK ||
        (st = read_size(at, "width", 8192, 768, &v->width, err)) != RS_OK ||
        (st = read_size(at, "head_width", 8192, HEAD_WIDTH, &head, err)) != RS_OK ||
        (st = read_size(at, "patch_size", 1024, 16, &c->patch_size, err)) != RS_OK ||
        (st = read_ratio(at, v, err)) != RS_OK)
        return st;
    return heads_of_width(v, at, head, err);
}

static rs_status read_timm(rs_dual_config *c, rs_json_at at, const rs_tensors *t, rs_err *err)
{
    static const char patch[] = "visual.trunk.patch_embed.proj.weight";
    rs_tower_config *v = &c->vision;
    const char *name = NULL;
    size_t head = 0;
    rs_status st;

    v->kind = RS_TOWER_TIMM;
    v->eps = 1e-6f;
    v->act = RS_ACT_GELU;
    if ((st = check_rules(at, timm_rules, err)) != RS_OK ||
        (st = rs_json_str(at, "timm_model_name", NULL, &name, err)) != RS_OK)
        return st;
    if (!is_plain_vit(name))
        return rs_fail(err, RS_EFORMAT, "%s: timm_model_name: \"%.60s\" is not supported "
                       "(vit_{tiny,small,base,large}_patchN_SIZE)", at.where, name);
    v->layers = count_layers(t, "visual.trunk.blocks.", "norm1.weight");
    if ((st = read_shape(t, patch, 4, 0, &v->width, err)) != RS_OK ||
        (st = read_shape(t, patch, 4, 2, &c->patch_size, err)) != RS_OK ||
        (st = read_shape(t, "visual.trunk.blocks.0.mlp.fc1.weight", 2, 0, &v->mlp, err)) != RS_OK ||
        (st = read_size(at, "head_width", 8192, HEAD_WIDTH, &head, err)) != RS_OK)
        return st;
    return heads_of_width(v, at, head, err);
}

/* The end of a text is its largest id, which the old spelling of eos_id says. */
static rs_status read_own_text(rs_dual_config *c, rs_json_at at, rs_err *err)
{
    rs_tower_config *x = &c->text;
    rs_status st;

    x->kind = RS_TOWER_OPEN_CLIP;
    x->eps = 1e-5f;
    c->eos_id = 2;
    if ((st = check_rules(at, own_text_rules, err)) != RS_OK ||
        (st = read_size(at, "layers", MAX_LAYERS, 12, &x->layers, err)) != RS_OK ||
        (st = read_size(at, "width", 8192, 512, &x->width, err)) != RS_OK ||
        (st = read_size(at, "heads", 8192, 8, &x->heads, err)) != RS_OK ||
        (st = read_size(at, "vocab_size", 4194304, 49408, &c->vocab_size, err)) != RS_OK)
        return st;
    return read_ratio(at, x, err);
}

/* RoBERTa's tensors have the same names, but its positions begin at 2. */
static rs_status read_bert(rs_dual_config *c, rs_json_at at, const rs_tensors *t, rs_err *err)
{
#define TEXT "text.transformer."
    rs_tower_config *x = &c->text;
    const char *name = NULL, *pooler = NULL;
    rs_status st;

    x->kind = RS_TOWER_BERT;
    x->eps = 1e-12f;
    x->act = RS_ACT_GELU;
    if ((st = check_rules(at, bert_rules, err)) != RS_OK ||
        (st = rs_json_str(at, "hf_model_name", NULL, &name, err)) != RS_OK ||
        (st = rs_json_str(at, "pooler_type", "", &pooler, err)) != RS_OK ||
        (st = rs_json_str(at, "hf_pooler_type", pooler, &pooler, err)) != RS_OK)
        return st;
    if (strstr(name, "roberta") || strstr(name, "RoBERTa"))
        return rs_fail(err, RS_EFORMAT, "%s: hf_model_name: \"%.60s\" is not supported (BERT)",
                       at.where, name);
    if (!*pooler)
        return rs_fail(err, RS_EFORMAT, "%s: hf_pooler_type: \"mean_pooler\" is not supported "
                       "(cls_last_hidden_state_pooler)", at.where);
    x->layers = count_layers(t, TEXT "encoder.layer.", "output.dense.weight");
    if ((st = read_shape(t, TEXT "embeddings.word_embeddings.weight", 2, 0, &c->vocab_size,
                         err)) != RS_OK ||
        (st = read_shape(t, TEXT "embeddings.word_embeddings.weight", 2, 1, &x->width,
                         err)) != RS_OK ||
        (st = read_shape(t, TEXT "embeddings.position_embeddings.weight", 2, 0, &c->positions,
                         err)) != RS_OK ||
        (st = read_shape(t, TEXT "embeddings.token_type_embeddings.weight", 2, 0, &c->types,
                         err)) != RS_OK ||
        (st = read_shape(t, TEXT "encoder.layer.0.intermediate.dense.weight", 2, 0, &x->mlp,
                         err)) != RS_OK)
        return st;
    if (json_object_get(at.object, "heads"))
        return read_size(at, "heads", 8192, 1, &x->heads, err);
    return heads_of_width(x, at, HEAD_WIDTH, err);
#undef TEXT
}

/* ---- The file -------------------------------------------------------- */

static rs_status find_part(rs_json_at *at, const json_t *model, const char *name, const char *path,
                           char where[WHERE], rs_err *err)
{
    const json_t *v = json_object_get(model, name);

    snprintf(where, WHERE, "%s: %s", path, name);
    *at = (rs_json_at){v, where};
    return json_is_object(v) ? RS_OK : rs_fail(err, RS_ECORRUPT, "%s: wanted an object", where);
}

static rs_status read_model(rs_dual_config *c, const json_t *doc, const char *path,
                            const rs_tensors *t, rs_err *err)
{
    char where[3][WHERE];
    rs_json_at model, vision, text;
    bool quick = false;
    rs_status st;

    if ((st = find_part(&model, doc, "model_cfg", path, where[0], err)) != RS_OK ||
        (st = find_part(&vision, model.object, "vision_cfg", path, where[1], err)) != RS_OK ||
        (st = find_part(&text, model.object, "text_cfg", path, where[2], err)) != RS_OK ||
        (st = check_rules(model, model_rules, err)) != RS_OK ||
        (st = rs_json_need(model, "embed_dim", err)) != RS_OK ||
        (st = read_size(model, "embed_dim", 8192, 512, &c->dim, err)) != RS_OK ||
        (st = rs_json_bool(model, "quick_gelu", false, &quick, err)) != RS_OK ||
        (st = read_size(vision, "image_size", 8192, 224, &c->image_size, err)) != RS_OK ||
        (st = read_size(text, "context_length", 8192, 77, &c->max_tokens, err)) != RS_OK)
        return st;
    c->vision.act = c->text.act = quick ? RS_ACT_QUICK_GELU : RS_ACT_GELU;
    st = json_object_get(vision.object, "timm_model_name") ? read_timm(c, vision, t, err)
                                                           : read_own_vision(c, vision, err);
    if (st == RS_OK)
        st = json_object_get(text.object, "hf_model_name") ? read_bert(c, text, t, err)
                                                           : read_own_text(c, text, err);
    if (st != RS_OK)
        return st;
    if (c->text.kind == RS_TOWER_OPEN_CLIP && json_is_true(json_object_get(model.object,
                                                                           "custom_text")))
        return rs_fail(err, RS_EFORMAT, "%s: custom_text is not supported", where[0]);
    c->logit_scale = 2.6592f;
    return rs_dual_config_check(c, path, err);
}

rs_status rs_open_clip_config_load(rs_dual_config *c, char **text, const char *path,
                                   const rs_tensors *t, rs_err *err)
{
    rs_dual_config got = {0};
    json_t *doc = NULL;
    size_t len = 0;
    rs_status st = rs_json_load(&doc, path, MAX_CONFIG, err);

    *text = NULL;
    if (st == RS_OK)
        st = read_model(&got, doc, path, t, err);
    if (st == RS_OK)
        st = rs_file_read(text, &len, path, MAX_CONFIG, err);
    if (st == RS_OK)
        *c = got;
    json_decref(doc);
    return st;
}

/* ---- Writing --------------------------------------------------------- */

static json_t *vision_json(const rs_dual_config *c)
{
    const rs_tower_config *v = &c->vision;
    const json_int_t head = (json_int_t)(v->width / v->heads);
    char name[64];

    if (v->kind == RS_TOWER_OPEN_CLIP)
        return json_pack("{s:I, s:I, s:I, s:I, s:I, s:f}", "image_size", (json_int_t)c->image_size,
                         "layers", (json_int_t)v->layers, "width", (json_int_t)v->width,
                         "head_width", head, "patch_size", (json_int_t)c->patch_size, "mlp_ratio",
                         (double)v->mlp / (double)v->width);
    snprintf(name, sizeof name, "vit_%s_patch%zu_%zu", v->width < 384 ? "tiny" : v->width < 768
             ? "small" : v->width < 1024 ? "base" : "large", c->patch_size, c->image_size);
    return json_pack("{s:s, s:b, s:s, s:s, s:I, s:I}", "timm_model_name", name,
                     "timm_model_pretrained", 0, "timm_pool", "", "timm_proj", "linear",
                     "image_size", (json_int_t)c->image_size, "head_width", head);
}

static json_t *text_json(const rs_dual_config *c)
{
    const rs_tower_config *x = &c->text;

    if (x->kind == RS_TOWER_OPEN_CLIP)
        return json_pack("{s:I, s:I, s:I, s:I, s:I, s:f}", "context_length",
                         (json_int_t)c->max_tokens, "vocab_size", (json_int_t)c->vocab_size,
                         "width", (json_int_t)x->width, "heads", (json_int_t)x->heads, "layers",
                         (json_int_t)x->layers, "mlp_ratio", (double)x->mlp / (double)x->width);
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "hf_model_name", "bert-base-uncased",
                     "hf_tokenizer_name", "bert-base-uncased", "hf_proj_type", "mlp",
                     "hf_pooler_type", "cls_last_hidden_state_pooler", "context_length",
                     (json_int_t)c->max_tokens, "heads", (json_int_t)x->heads);
}

rs_status rs_open_clip_config_save(const rs_dual_config *c, const char *path, rs_err *err)
{
    json_t *vision = vision_json(c), *text = text_json(c), *doc = NULL;
    const bool quick = c->vision.act == RS_ACT_QUICK_GELU || c->text.act == RS_ACT_QUICK_GELU;
    char *dump = NULL;
    rs_status st;

    if (vision && text)
        doc = json_pack("{s:{s:I, s:b, s:O, s:O}}", "model_cfg", "embed_dim", (json_int_t)c->dim,
                        "quick_gelu", quick, "vision_cfg", vision, "text_cfg", text);
    dump = doc ? json_dumps(doc, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    st = dump ? rs_file_write(path, dump, strlen(dump), err)
              : rs_fail(err, RS_ENOMEM, "write %s: no memory", path);
    free(dump);                         /* jansson's */
    json_decref(doc);
    json_decref(text);
    json_decref(vision);
    return st;
}
