/* families.c - the families of models: what their towers are made of, what their tensors
 * are called. See family_int.h.
 *
 * The names are those of transformers' CLIPModel and SiglipModel, of open_clip's CLIP and
 * CustomTextCLIP, of timm's VisionTransformer and of transformers' BertModel inside of
 * the latter.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/family_int.h"

#define TOWER(member) offsetof(rs_tower_at, member)
#define LAYER(member) offsetof(rs_layer_at, member)
#define DUAL(member) offsetof(rs_dual_at, member)

#define VECTOR {RS_LEN_WIDTH}
#define SQUARE {RS_LEN_WIDTH, RS_LEN_WIDTH}
#define ROW {RS_LEN_ONE, RS_LEN_ONE, RS_LEN_WIDTH}
#define QKV_W {RS_LEN_QKV, RS_LEN_WIDTH}
#define QKV_B {RS_LEN_QKV}
#define FC1_W {RS_LEN_MLP, RS_LEN_WIDTH}
#define FC1_B {RS_LEN_MLP}
#define FC2_W {RS_LEN_WIDTH, RS_LEN_MLP}
#define PATCHES {RS_LEN_WIDTH, RS_LEN_RGB, RS_LEN_PATCH, RS_LEN_PATCH}
#define POSITION {RS_LEN_POSITIONS, RS_LEN_WIDTH}
#define TOKENS {RS_LEN_VOCAB, RS_LEN_WIDTH}
#define PROJ_W {RS_LEN_DIM, RS_LEN_WIDTH}
#define PROJ_T {RS_LEN_WIDTH, RS_LEN_DIM}
#define END {NULL, 0, {RS_LEN_NONE}, 0, 0}

/* Starts, short: this file is a table. */
enum {
    ONES = RS_START_ONES, ZEROS = RS_START_ZEROS, SMALL = RS_START_SMALL, GRID = RS_START_GRID,
    BY_WIDTH = RS_START_BY_WIDTH, BY_DEPTH = RS_START_BY_DEPTH, BY_TWICE = RS_START_BY_TWICE,
    DECAYS = RS_DECAYS, FUSED = RS_FUSED, TRANSPOSED = RS_TRANSPOSED
};

/* ---- Hugging Face's CLIPModel ---------------------------------------- */

static const rs_tensor_spec hf_layer[] = {
    {"layer_norm1.weight",        LAYER(ln1_g), VECTOR, ONES,     0},
    {"layer_norm1.bias",          LAYER(ln1_b), VECTOR, ZEROS,    0},
    {"self_attn.q_proj.weight",   LAYER(q_w),   SQUARE, BY_DEPTH, DECAYS},
    {"self_attn.k_proj.weight",   LAYER(k_w),   SQUARE, BY_DEPTH, DECAYS},
    {"self_attn.v_proj.weight",   LAYER(v_w),   SQUARE, BY_DEPTH, DECAYS},
    {"self_attn.q_proj.bias",     LAYER(q_b),   VECTOR, ZEROS,    0},
    {"self_attn.k_proj.bias",     LAYER(k_b),   VECTOR, ZEROS,    0},
    {"self_attn.v_proj.bias",     LAYER(v_b),   VECTOR, ZEROS,    0},
    {"self_attn.out_proj.weight", LAYER(out_w), SQUARE, BY_WIDTH, DECAYS},
    {"self_attn.out_proj.bias",   LAYER(out_b), VECTOR, ZEROS,    0},
    {"layer_norm2.weight",        LAYER(ln2_g), VECTOR, ONES,     0},
    {"layer_norm2.bias",          LAYER(ln2_b), VECTOR, ZEROS,    0},
    {"mlp.fc1.weight",            LAYER(fc1_w), FC1_W,  BY_TWICE, DECAYS},
    {"mlp.fc1.bias",              LAYER(fc1_b), FC1_B,  ZEROS,    0},
    {"mlp.fc2.weight",            LAYER(fc2_w), FC2_W,  BY_DEPTH, DECAYS},
    {"mlp.fc2.bias",              LAYER(fc2_b), VECTOR, ZEROS,    0},
    END,
};

/* "pre_layrnorm" is how the published models spell it. */
static const rs_tensor_spec clip_vision_before[] = {
    {"vision_model.embeddings.class_embedding", TOWER(class_token), VECTOR, BY_WIDTH, 0},
    {"vision_model.embeddings.patch_embedding.weight", TOWER(patch_w), PATCHES, SMALL, DECAYS},
    {"vision_model.embeddings.position_embedding.weight", TOWER(position), POSITION, GRID, 0},
    {"vision_model.pre_layrnorm.weight", TOWER(in_g), VECTOR, ONES, 0},
    {"vision_model.pre_layrnorm.bias", TOWER(in_b), VECTOR, ZEROS, 0},
    END,
};
static const rs_tensor_spec clip_vision_after[] = {
    {"vision_model.post_layernorm.weight", TOWER(out_g), VECTOR, ONES, 0},
    {"vision_model.post_layernorm.bias", TOWER(out_b), VECTOR, ZEROS, 0},
    {"visual_projection.weight", TOWER(proj_w), PROJ_W, BY_WIDTH, DECAYS},
    END,
};
static const rs_tensor_spec hf_text_before[] = {
    {"text_model.embeddings.token_embedding.weight", TOWER(token), TOKENS, SMALL, 0},
    {"text_model.embeddings.position_embedding.weight", TOWER(position), POSITION, SMALL, 0},
    END,
};
static const rs_tensor_spec clip_text_after[] = {
    {"text_model.final_layer_norm.weight", TOWER(out_g), VECTOR, ONES, 0},
    {"text_model.final_layer_norm.bias", TOWER(out_b), VECTOR, ZEROS, 0},
    {"text_projection.weight", TOWER(proj_w), PROJ_W, BY_WIDTH, DECAYS},
    END,
};
static const rs_tensor_spec clip_scalars[] = {
    {"logit_scale", DUAL(logit_scale), {RS_LEN_NONE}, RS_START_LOGIT, 0},
    END,
};

/* ---- Hugging Face's SiglipModel -------------------------------------- */

static const rs_tensor_spec siglip_vision_before[] = {
    {"vision_model.embeddings.patch_embedding.weight", TOWER(patch_w), PATCHES, SMALL, DECAYS},
    {"vision_model.embeddings.patch_embedding.bias", TOWER(patch_b), VECTOR, ZEROS, 0},
    {"vision_model.embeddings.position_embedding.weight", TOWER(position), POSITION, GRID, 0},
    END,
};
static const rs_tensor_spec siglip_vision_after[] = {
    {"vision_model.head.probe", TOWER(probe), ROW, BY_WIDTH, 0},
    END,
};
/* The pooling layer begins with the norm over all tokens. */
static const rs_tensor_spec siglip_pool[] = {
    {"vision_model.post_layernorm.weight", LAYER(ln1_g), VECTOR, ONES, 0},
    {"vision_model.post_layernorm.bias", LAYER(ln1_b), VECTOR, ZEROS, 0},
    {"vision_model.head.attention.in_proj_weight", LAYER(q_w), QKV_W, BY_WIDTH, DECAYS | FUSED},
    {"vision_model.head.attention.in_proj_bias", LAYER(q_b), QKV_B, ZEROS, FUSED},
    {"vision_model.head.attention.out_proj.weight", LAYER(out_w), SQUARE, BY_WIDTH, DECAYS},
    {"vision_model.head.attention.out_proj.bias", LAYER(out_b), VECTOR, ZEROS, 0},
    {"vision_model.head.layernorm.weight", LAYER(ln2_g), VECTOR, ONES, 0},
    {"vision_model.head.layernorm.bias", LAYER(ln2_b), VECTOR, ZEROS, 0},
    {"vision_model.head.mlp.fc1.weight", LAYER(fc1_w), FC1_W, BY_TWICE, DECAYS},
    {"vision_model.head.mlp.fc1.bias", LAYER(fc1_b), FC1_B, ZEROS, 0},
    {"vision_model.head.mlp.fc2.weight", LAYER(fc2_w), FC2_W, BY_DEPTH, DECAYS},
    {"vision_model.head.mlp.fc2.bias", LAYER(fc2_b), VECTOR, ZEROS, 0},
    END,
};
static const rs_tensor_spec siglip_text_after[] = {
    {"text_model.final_layer_norm.weight", TOWER(out_g), VECTOR, ONES, 0},
    {"text_model.final_layer_norm.bias", TOWER(out_b), VECTOR, ZEROS, 0},
    {"text_model.head.weight", TOWER(proj_w), PROJ_W, BY_WIDTH, DECAYS},
    {"text_model.head.bias", TOWER(proj_b), {RS_LEN_DIM}, ZEROS, 0},
    END,
};
static const rs_tensor_spec siglip_scalars[] = {
    {"logit_scale", DUAL(logit_scale), {RS_LEN_ONE}, RS_START_LOGIT, 0},
    {"logit_bias", DUAL(logit_bias), {RS_LEN_ONE}, RS_START_BIAS, 0},
    END,
};

/* ---- open_clip's own CLIP -------------------------------------------- */

static const rs_tensor_spec open_clip_layer[] = {
    {"ln_1.weight",          LAYER(ln1_g), VECTOR, ONES,     0},
    {"ln_1.bias",            LAYER(ln1_b), VECTOR, ZEROS,    0},
    {"attn.in_proj_weight",  LAYER(q_w),   QKV_W,  BY_DEPTH, DECAYS | FUSED},
    {"attn.in_proj_bias",    LAYER(q_b),   QKV_B,  ZEROS,    FUSED},
    {"attn.out_proj.weight", LAYER(out_w), SQUARE, BY_WIDTH, DECAYS},
    {"attn.out_proj.bias",   LAYER(out_b), VECTOR, ZEROS,    0},
    {"ln_2.weight",          LAYER(ln2_g), VECTOR, ONES,     0},
    {"ln_2.bias",            LAYER(ln2_b), VECTOR, ZEROS,    0},
    {"mlp.c_fc.weight",      LAYER(fc1_w), FC1_W,  BY_TWICE, DECAYS},
    {"mlp.c_fc.bias",        LAYER(fc1_b), FC1_B,  ZEROS,    0},
    {"mlp.c_proj.weight",    LAYER(fc2_w), FC2_W,  BY_DEPTH, DECAYS},
    {"mlp.c_proj.bias",      LAYER(fc2_b), VECTOR, ZEROS,    0},
    END,
};
static const rs_tensor_spec open_clip_vision_before[] = {
    {"visual.class_embedding", TOWER(class_token), VECTOR, BY_WIDTH, 0},
    {"visual.conv1.weight", TOWER(patch_w), PATCHES, SMALL, DECAYS},
    {"visual.positional_embedding", TOWER(position), POSITION, GRID, 0},
    {"visual.ln_pre.weight", TOWER(in_g), VECTOR, ONES, 0},
    {"visual.ln_pre.bias", TOWER(in_b), VECTOR, ZEROS, 0},
    END,
};
static const rs_tensor_spec open_clip_vision_after[] = {
    {"visual.ln_post.weight", TOWER(out_g), VECTOR, ONES, 0},
    {"visual.ln_post.bias", TOWER(out_b), VECTOR, ZEROS, 0},
    {"visual.proj", TOWER(proj_w), PROJ_T, BY_WIDTH, DECAYS | TRANSPOSED},
    END,
};
static const rs_tensor_spec open_clip_text_before[] = {
    {"token_embedding.weight", TOWER(token), TOKENS, SMALL, 0},
    {"positional_embedding", TOWER(position), POSITION, SMALL, 0},
    END,
};
static const rs_tensor_spec open_clip_text_after[] = {
    {"ln_final.weight", TOWER(out_g), VECTOR, ONES, 0},
    {"ln_final.bias", TOWER(out_b), VECTOR, ZEROS, 0},
    {"text_projection", TOWER(proj_w), PROJ_T, BY_WIDTH, DECAYS | TRANSPOSED},
    END,
};

/* ---- timm's ViT and a BERT inside of open_clip ----------------------- */

static const rs_tensor_spec timm_layer[] = {
    {"norm1.weight",     LAYER(ln1_g), VECTOR, ONES,     0},
    {"norm1.bias",       LAYER(ln1_b), VECTOR, ZEROS,    0},
    {"attn.qkv.weight",  LAYER(q_w),   QKV_W,  BY_DEPTH, DECAYS | FUSED},
    {"attn.qkv.bias",    LAYER(q_b),   QKV_B,  ZEROS,    FUSED},
    {"attn.proj.weight", LAYER(out_w), SQUARE, BY_WIDTH, DECAYS},
    {"attn.proj.bias",   LAYER(out_b), VECTOR, ZEROS,    0},
    {"norm2.weight",     LAYER(ln2_g), VECTOR, ONES,     0},
    {"norm2.bias",       LAYER(ln2_b), VECTOR, ZEROS,    0},
    {"mlp.fc1.weight",   LAYER(fc1_w), FC1_W,  BY_TWICE, DECAYS},
    {"mlp.fc1.bias",     LAYER(fc1_b), FC1_B,  ZEROS,    0},
    {"mlp.fc2.weight",   LAYER(fc2_w), FC2_W,  BY_DEPTH, DECAYS},
    {"mlp.fc2.bias",     LAYER(fc2_b), VECTOR, ZEROS,    0},
    END,
};
static const rs_tensor_spec timm_before[] = {
    {"visual.trunk.cls_token", TOWER(class_token), ROW, SMALL, 0},
    {"visual.trunk.patch_embed.proj.weight", TOWER(patch_w), PATCHES, SMALL, DECAYS},
    {"visual.trunk.patch_embed.proj.bias", TOWER(patch_b), VECTOR, ZEROS, 0},
    {"visual.trunk.pos_embed", TOWER(position), {RS_LEN_ONE, RS_LEN_POSITIONS, RS_LEN_WIDTH},
     GRID, 0},
    END,
};
static const rs_tensor_spec timm_after[] = {
    {"visual.trunk.norm.weight", TOWER(out_g), VECTOR, ONES, 0},
    {"visual.trunk.norm.bias", TOWER(out_b), VECTOR, ZEROS, 0},
    {"visual.head.proj.weight", TOWER(proj_w), PROJ_W, BY_WIDTH, DECAYS},
    END,
};

static const rs_tensor_spec bert_layer[] = {
    {"attention.self.query.weight",       LAYER(q_w),   SQUARE, BY_DEPTH, DECAYS},
    {"attention.self.key.weight",         LAYER(k_w),   SQUARE, BY_DEPTH, DECAYS},
    {"attention.self.value.weight",       LAYER(v_w),   SQUARE, BY_DEPTH, DECAYS},
    {"attention.self.query.bias",         LAYER(q_b),   VECTOR, ZEROS,    0},
    {"attention.self.key.bias",           LAYER(k_b),   VECTOR, ZEROS,    0},
    {"attention.self.value.bias",         LAYER(v_b),   VECTOR, ZEROS,    0},
    {"attention.output.dense.weight",     LAYER(out_w), SQUARE, BY_WIDTH, DECAYS},
    {"attention.output.dense.bias",       LAYER(out_b), VECTOR, ZEROS,    0},
    {"attention.output.LayerNorm.weight", LAYER(ln1_g), VECTOR, ONES,     0},
    {"attention.output.LayerNorm.bias",   LAYER(ln1_b), VECTOR, ZEROS,    0},
    {"intermediate.dense.weight",         LAYER(fc1_w), FC1_W,  BY_TWICE, DECAYS},
    {"intermediate.dense.bias",           LAYER(fc1_b), FC1_B,  ZEROS,    0},
    {"output.dense.weight",               LAYER(fc2_w), FC2_W,  BY_DEPTH, DECAYS},
    {"output.dense.bias",                 LAYER(fc2_b), VECTOR, ZEROS,    0},
    {"output.LayerNorm.weight",           LAYER(ln2_g), VECTOR, ONES,     0},
    {"output.LayerNorm.bias",             LAYER(ln2_b), VECTOR, ZEROS,    0},
    END,
};
#define EMBEDDINGS "text.transformer.embeddings."
static const rs_tensor_spec bert_before[] = {
    {EMBEDDINGS "word_embeddings.weight", TOWER(token), TOKENS, SMALL, 0},
    {EMBEDDINGS "position_embeddings.weight", TOWER(position), POSITION, SMALL, 0},
    {EMBEDDINGS "token_type_embeddings.weight", TOWER(type), {RS_LEN_TYPES, RS_LEN_WIDTH},
     SMALL, 0},
    {EMBEDDINGS "LayerNorm.weight", TOWER(in_g), VECTOR, ONES, 0},
    {EMBEDDINGS "LayerNorm.bias", TOWER(in_b), VECTOR, ZEROS, 0},
    END,
};
static const rs_tensor_spec bert_after[] = {
    {"text.proj.0.weight", TOWER(proj_w), {RS_LEN_HIDDEN, RS_LEN_WIDTH}, BY_WIDTH, DECAYS},
    {"text.proj.2.weight", TOWER(proj2_w), {RS_LEN_DIM, RS_LEN_HIDDEN}, BY_WIDTH, DECAYS},
    END,
};

/* ---- The families ---------------------------------------------------- */

static const rs_tower_family vision[RS_TOWER_KINDS] = {
    [RS_TOWER_CLIP] = {
        {.class_token = true, .input_norm = true, .output_norm = true, .pool = RS_POOL_FIRST,
         .proj = RS_PROJ_LINEAR},
        "vision_model.encoder.layers.", clip_vision_before, hf_layer, clip_vision_after, NULL},
    [RS_TOWER_SIGLIP] = {
        {.patch_bias = true, .pool = RS_POOL_ATTENTION, .proj = RS_PROJ_NONE},
        "vision_model.encoder.layers.", siglip_vision_before, hf_layer, siglip_vision_after,
        siglip_pool},
    [RS_TOWER_OPEN_CLIP] = {
        {.class_token = true, .input_norm = true, .output_norm = true, .pool = RS_POOL_FIRST,
         .proj = RS_PROJ_LINEAR},
        "visual.transformer.resblocks.", open_clip_vision_before, open_clip_layer,
        open_clip_vision_after, NULL},
    [RS_TOWER_TIMM] = {
        {.class_token = true, .patch_bias = true, .output_norm = true, .pool = RS_POOL_FIRST,
         .proj = RS_PROJ_LINEAR},
        "visual.trunk.blocks.", timm_before, timm_layer, timm_after, NULL},
};

static const rs_tower_family text[RS_TOWER_KINDS] = {
    [RS_TOWER_CLIP] = {
        {.causal = true, .output_norm = true, .pool = RS_POOL_END, .proj = RS_PROJ_LINEAR},
        "text_model.encoder.layers.", hf_text_before, hf_layer, clip_text_after, NULL},
    [RS_TOWER_SIGLIP] = {
        {.pads = true, .output_norm = true, .pool = RS_POOL_LAST, .proj = RS_PROJ_LINEAR_BIAS},
        "text_model.encoder.layers.", hf_text_before, hf_layer, siglip_text_after, NULL},
    [RS_TOWER_OPEN_CLIP] = {
        {.causal = true, .output_norm = true, .pool = RS_POOL_END, .proj = RS_PROJ_LINEAR},
        "transformer.resblocks.", open_clip_text_before, open_clip_layer, open_clip_text_after,
        NULL},
    [RS_TOWER_BERT] = {
        {.token_types = true, .input_norm = true, .post_norm = true, .pool = RS_POOL_FIRST,
         .proj = RS_PROJ_MLP},
        "text.transformer.encoder.layer.", bert_before, bert_layer, bert_after, NULL},
};

const rs_tower_family *rs_vision_family(rs_tower_kind k)
{
    return k < RS_TOWER_KINDS && vision[k].layers ? &vision[k] : NULL;
}

const rs_tower_family *rs_text_family(rs_tower_kind k)
{
    return k < RS_TOWER_KINDS && text[k].layers ? &text[k] : NULL;
}

const rs_tower_traits *rs_vision_traits(const rs_dual_config *c)
{
    return &vision[c->vision.kind].traits;
}

const rs_tower_traits *rs_text_traits(const rs_dual_config *c)
{
    return &text[c->text.kind].traits;
}

const rs_tensor_spec *rs_scalar_specs(const rs_dual_config *c)
{
    return rs_dual_sigmoid(c) ? siglip_scalars : clip_scalars;
}

bool rs_dual_sigmoid(const rs_dual_config *c)
{
    return c->vision.kind == RS_TOWER_SIGLIP;
}

const char *rs_dual_family(const rs_dual_config *c)
{
    if (c->vision.kind == RS_TOWER_SIGLIP)
        return "SigLIP";
    if (c->vision.kind == RS_TOWER_TIMM && c->text.kind == RS_TOWER_BERT)
        return "BiomedCLIP";
    return c->vision.kind == RS_TOWER_CLIP ? "CLIP" : "open_clip";
}
