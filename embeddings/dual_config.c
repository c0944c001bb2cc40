/* dual_config.c - the config.json of a Hugging Face CLIPModel or SiglipModel.
 *
 * What counts is what transformers 4.38 makes of the file: a tower is "text_config" /
 * "vision_config" (or, for CLIP, where the older "text_config_dict" / "vision_config_dict"
 * is not null, that one alone), keys that are absent take the defaults of the family's
 * config classes, and keys we have no use for are left alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/family_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CONFIG = 4 * 1024 * 1024, WHERE = 300, MAX_POSITIONS = 65536 };

/* By rs_activation: the names that are written. */
static const char *const activations[] = {"quick_gelu", "gelu", "gelu_pytorch_tanh"};

/* Whole numbers of a configuration: where they go, what they are called, their bounds. */
typedef struct {
    const char *key;
    size_t      place;                 /* of a size_t in rs_dual_config */
    long long   max, fallback;         /* at least 1 */
} number;

#define AT(member) offsetof(rs_dual_config, member)
#define VISION(w, n, h, m, image, patch)                     \
    {"hidden_size",         AT(vision.width),   8192,    w}, \
    {"num_hidden_layers",   AT(vision.layers),   128,    n}, \
    {"num_attention_heads", AT(vision.heads),   8192,    h}, \
    {"intermediate_size",   AT(vision.mlp),    65536,    m}, \
    {"image_size",          AT(image_size),     8192, image}, \
    {"patch_size",          AT(patch_size),     1024, patch}, \
    {NULL, 0, 0, 0}
#define TEXT(w, n, h, m, words, tokens)                      \
    {"hidden_size",         AT(text.width),     8192,    w}, \
    {"num_hidden_layers",   AT(text.layers),     128,    n}, \
    {"num_attention_heads", AT(text.heads),     8192,    h}, \
    {"intermediate_size",   AT(text.mlp),      65536,    m}, \
    {"vocab_size",          AT(vocab_size),  4194304, words}, \
    {"max_position_embeddings", AT(max_tokens), 8192, tokens}, \
    {NULL, 0, 0, 0}
static const number clip_vision[] = {VISION(768, 12, 12, 3072, 224, 32)};
static const number clip_text[] = {TEXT(512, 12, 8, 2048, 49408, 77)};
static const number siglip_vision[] = {VISION(768, 12, 12, 3072, 224, 16)};
static const number siglip_text[] = {TEXT(768, 12, 12, 3072, 32000, 64)};
static const number whole_numbers[] = {
    {"projection_dim",      AT(dim),            8192,    512},
    {NULL, 0, 0, 0},
};

/* What a model_type means. */
typedef struct {
    const char   *type, *architecture, *vision_type, *text_type;
    rs_tower_kind kind;
    const number *vision, *text;
    const char   *act;                 /* what absent fields are */
    double        eps;
} dialect;

static const dialect dialects[] = {
    {"clip", "CLIPModel", "clip_vision_model", "clip_text_model", RS_TOWER_CLIP, clip_vision,
     clip_text, "quick_gelu", 1e-5},
    {"siglip", "SiglipModel", "siglip_vision_model", "siglip_text_model", RS_TOWER_SIGLIP,
     siglip_vision, siglip_text, "gelu_pytorch_tanh", 1e-6},
};
enum { DIALECTS = sizeof dialects / sizeof *dialects };

/* ---- Checks that need more than one field ---------------------------- */

static rs_status check_tower(const rs_tower_config *t, const char *what, const char *tower,
                             rs_err *err)
{
    if (t->width % t->heads)
        return rs_fail(err, RS_ECORRUPT, "%s: %s: num_attention_heads: %zu do not divide "
                       "hidden_size %zu", what, tower, t->heads, t->width);
    return RS_OK;
}

static rs_status check_numbers(const rs_dual_config *c, const number *list, const char *what,
                               const char *part, rs_err *err)
{
    for (; list->key; list++) {
        size_t n = *(const size_t *)((const char *)c + list->place);
        if (n < 1 || n > (size_t)list->max)
            return rs_fail(err, RS_ECORRUPT, "%s: %s%s: %zu is not within 1..%lld", what, part,
                           list->key, n, list->max);
    }
    return RS_OK;
}

/* Hugging Face's towers come in pairs, open_clip's are combined freely. */
static bool go_together(rs_tower_kind vision, rs_tower_kind text)
{
    if (!rs_vision_family(vision) || !rs_text_family(text))
        return false;
    if (vision == RS_TOWER_CLIP || vision == RS_TOWER_SIGLIP)
        return text == vision;
    return text != RS_TOWER_CLIP && text != RS_TOWER_SIGLIP;
}

static rs_status check_tokens(const rs_dual_config *c, const char *what, rs_err *err)
{
    const rs_tower_traits *f = rs_text_traits(c);

    if (f->pool == RS_POOL_END && (c->eos_id < 0 || (size_t)c->eos_id >= c->vocab_size))
        return rs_fail(err, RS_ECORRUPT, "%s: text_config: eos_token_id: %ld is not within 0..%zu",
                       what, (long)c->eos_id, c->vocab_size - 1);
    if (f->pads && (c->pad_id < 0 || (size_t)c->pad_id >= c->vocab_size))
        return rs_fail(err, RS_ECORRUPT, "%s: text_config: pad_token_id: %ld is not within 0..%zu",
                       what, (long)c->pad_id, c->vocab_size - 1);
    if (c->positions && (c->positions < c->max_tokens || c->positions > MAX_POSITIONS))
        return rs_fail(err, RS_ECORRUPT, "%s: %zu text positions, wanted %zu..%d", what,
                       c->positions, c->max_tokens, MAX_POSITIONS);
    if (f->token_types && (c->types < 1 || c->types > 1024))
        return rs_fail(err, RS_ECORRUPT, "%s: %zu token types, wanted 1..1024", what, c->types);
    return RS_OK;
}

rs_status rs_dual_config_check(const rs_dual_config *c, const char *what, rs_err *err)
{
    rs_status st;

    if (!go_together(c->vision.kind, c->text.kind))
        return rs_fail(err, RS_ECORRUPT, "%s: a vision tower of kind %d and a text tower of kind "
                       "%d are no model", what, (int)c->vision.kind, (int)c->text.kind);
    if ((st = check_numbers(c, clip_vision, what, "vision_config: ", err)) != RS_OK ||
        (st = check_numbers(c, clip_text, what, "text_config: ", err)) != RS_OK ||
        (st = check_numbers(c, whole_numbers, what, "", err)) != RS_OK ||
        (st = check_tower(&c->vision, what, "vision_config", err)) != RS_OK ||
        (st = check_tower(&c->text, what, "text_config", err)) != RS_OK)
        return st;
    if (c->patch_size > c->image_size)
        return rs_fail(err, RS_ECORRUPT, "%s: vision_config: patch_size: %zu is more than "
                       "image_size %zu", what, c->patch_size, c->image_size);
    if (rs_dual_patches(c) > MAX_POSITIONS)
        return rs_fail(err, RS_ECORRUPT, "%s: vision_config: patch_size: %zu gives %zu patches, at "
                       "most %d", what, c->patch_size, rs_dual_patches(c), MAX_POSITIONS);
    if (rs_vision_traits(c)->proj == RS_PROJ_NONE && c->dim != c->vision.width)
        return rs_fail(err, RS_ECORRUPT, "%s: vision_config: hidden_size: %zu without a projection "
                       "cannot meet texts of %zu", what, c->vision.width, c->dim);
    return check_tokens(c, what, err);
}

/* ---- Reading --------------------------------------------------------- */

static rs_status read_numbers(rs_dual_config *c, const number *list, rs_json_at at, rs_err *err)
{
    long long n = 0;

    for (; list->key; list++) {
        rs_status st = rs_json_int(at, list->key, 1, list->max, list->fallback, &n, err);
        if (st != RS_OK)
            return st;
        *(size_t *)((char *)c + list->place) = (size_t)n;
    }
    return RS_OK;
}

static rs_status read_activation(rs_activation *act, rs_json_at at, const char *fallback,
                                 rs_err *err)
{
    const char *name;
    rs_status st = rs_json_str(at, "hidden_act", fallback, &name, err);

    if (st != RS_OK)
        return st;
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (strcmp(name, activations[i]) == 0) {
            *act = (rs_activation)i;
            return RS_OK;
        }
    return rs_fail(err, RS_EFORMAT, "%s: hidden_act: \"%.40s\" is not supported (quick_gelu, gelu, "
                   "gelu_pytorch_tanh)", at.where, name);
}

static rs_status read_tower(rs_tower_config *t, rs_json_at at, const dialect *d, rs_err *err)
{
    double eps = 0;
    rs_status st = rs_json_real(at, "layer_norm_eps", 0, 1, d->eps, &eps, err);

    t->eps = (float)eps;
    t->kind = d->kind;
    return st == RS_OK ? read_activation(&t->act, at, d->act, err) : st;
}

/* The tower's object: `old` (may be NULL) where it is there and not null, else `name`, else NULL. */
static rs_status find_tower(rs_json_at *at, const json_t *doc, const char *name, const char *old,
                            const char *path, char where[WHERE], rs_err *err)
{
    const json_t *v = old ? json_object_get(doc, old) : NULL;
    const char *from = v && !json_is_null(v) ? old : name;

    v = json_object_get(doc, from);
    snprintf(where, WHERE, "%s: %s", path, from);
    if (v && !json_is_null(v) && !json_is_object(v))
        return rs_fail(err, RS_ECORRUPT, "%s: wanted an object", where);
    *at = (rs_json_at){json_is_object(v) ? v : NULL, where};
    return RS_OK;
}

static rs_status read_vision(rs_dual_config *c, const json_t *doc, const dialect *d,
                             const char *path, rs_err *err)
{
    const char *old = d->kind == RS_TOWER_CLIP ? "vision_config_dict" : NULL;
    char where[WHERE];
    rs_json_at at = {0};
    long long channels = 3;
    bool head = true;
    rs_status st;

    st = find_tower(&at, doc, "vision_config", old, path, where, err);
    if (st != RS_OK || (st = read_numbers(c, d->vision, at, err)) != RS_OK ||
        (st = read_tower(&c->vision, at, d, err)) != RS_OK)
        return st;
    if (d->kind == RS_TOWER_SIGLIP)
        st = rs_json_bool(at, "vision_use_head", true, &head, err);
    if (st != RS_OK)
        return st;
    if (!head)
        return rs_fail(err, RS_EFORMAT, "%s: vision_use_head: false is not supported", where);
    return rs_json_int(at, "num_channels", 3, 3, 3, &channels, err);
}

/* SigLIP's texts are padded, and end in a linear layer of their own width, or of
 * "projection_size". */
static rs_status read_siglip_text(rs_dual_config *c, rs_json_at at, rs_err *err)
{
    long long pad = 0, dim = 0;
    rs_status st = rs_json_int(at, "pad_token_id", 0, INT32_MAX, 1, &pad, err);

    if (st == RS_OK)
        st = rs_json_int(at, "projection_size", 1, 8192, (long long)c->text.width, &dim, err);
    c->pad_id = (int32_t)pad;
    c->dim = (size_t)dim;
    return st;
}

static rs_status read_text(rs_dual_config *c, const json_t *doc, const dialect *d,
                           const char *path, rs_err *err)
{
    const char *old = d->kind == RS_TOWER_CLIP ? "text_config_dict" : NULL;
    char where[WHERE];
    rs_json_at at = {0};
    long long bos = 0, eos = 0;
    rs_status st;

    if ((st = find_tower(&at, doc, "text_config", old, path, where, err)) != RS_OK ||
        (st = read_numbers(c, d->text, at, err)) != RS_OK ||
        (st = read_tower(&c->text, at, d, err)) != RS_OK ||
        (st = rs_json_int(at, "bos_token_id", 0, INT32_MAX, 49406, &bos, err)) != RS_OK ||
        (st = rs_json_int(at, "eos_token_id", 0, INT32_MAX, 49407, &eos, err)) != RS_OK)
        return st;
    c->bos_id = (int32_t)bos;
    c->eos_id = (int32_t)eos;
    return d->kind == RS_TOWER_SIGLIP ? read_siglip_text(c, at, err) : RS_OK;
}

static rs_status find_dialect(const dialect **d, const json_t *doc, const char *path, rs_err *err)
{
    rs_json_at at = {doc, path};
    const char *type = NULL;
    rs_status st;

    if (!json_is_object(doc))
        return rs_fail(err, RS_ECORRUPT, "%s: wanted an object", path);
    if ((st = rs_json_need(at, "model_type", err)) != RS_OK ||
        (st = rs_json_str(at, "model_type", NULL, &type, err)) != RS_OK)
        return st;
    for (size_t i = 0; i < DIALECTS; i++)
        if (strcmp(type, dialects[i].type) == 0) {
            *d = &dialects[i];
            return RS_OK;
        }
    return rs_fail(err, RS_EFORMAT, "%s: model_type: \"%.40s\" is not supported (clip, siglip)",
                   path, type);
}

static rs_status read_config(rs_dual_config *c, const json_t *doc, const char *path, rs_err *err)
{
    rs_json_at at = {doc, path};
    const dialect *d = NULL;
    double scale = 0;
    rs_status st;

    if ((st = find_dialect(&d, doc, path, err)) != RS_OK ||
        (st = read_vision(c, doc, d, path, err)) != RS_OK ||
        (st = read_text(c, doc, d, path, err)) != RS_OK)
        return st;
    if (d->kind == RS_TOWER_CLIP &&
        ((st = read_numbers(c, whole_numbers, at, err)) != RS_OK ||
         (st = rs_json_real(at, "logit_scale_init_value", -20, 20, 2.6592, &scale,
                            err)) != RS_OK))
        return st;
    c->logit_scale = (float)scale;
    return rs_dual_config_check(c, path, err);
}

rs_status rs_dual_config_load(rs_dual_config *c, const char *path, rs_err *err)
{
    json_t *doc = NULL;
    rs_dual_config got = {0};
    rs_status st = rs_json_load(&doc, path, MAX_CONFIG, err);

    if (st == RS_OK)
        st = read_config(&got, doc, path, err);
    if (st == RS_OK)
        *c = got;
    json_decref(doc);
    return st;
}

/* ---- Writing --------------------------------------------------------- */

/* The shortest decimal that is this float: 1e-05, not 9.9999997e-06. */
static double tidy(float x)
{
    char text[32];

    for (int digits = 1; digits < 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)x);
        if (strtof(text, NULL) == x)
            return strtod(text, NULL);
    }
    return (double)x;
}

/* Adds to `object`; false on OOM, as for a NULL object. */
static bool put_numbers(json_t *object, const rs_dual_config *c, const number *list)
{
    for (; list->key; list++) {
        size_t n = *(const size_t *)((const char *)c + list->place);
        if (json_object_set_new(object, list->key, json_integer((json_int_t)n)) != 0)
            return false;
    }
    return true;
}

static json_t *tower_json(const rs_dual_config *c, const rs_tower_config *t, const number *list,
                          const char *type, const char *dim)
{
    json_t *o = json_pack("{s:s, s:s, s:f, s:I}", "model_type", type, "hidden_act",
                          activations[t->act], "layer_norm_eps", tidy(t->eps), dim,
                          (json_int_t)c->dim);

    if (!put_numbers(o, c, list)) {
        json_decref(o);
        return NULL;
    }
    return o;
}

/* An object's reference is kept by the caller, as with json_pack's "O". */
static bool put(json_t *doc, const char *key, json_t *object)
{
    return object && json_object_set(doc, key, object) == 0;
}

static bool fill(json_t *doc, json_t *text, json_t *vision, const rs_dual_config *c,
                 const dialect *d)
{
    const bool clip = d->kind == RS_TOWER_CLIP;

    return doc && text && vision &&
           json_object_set_new(text, "bos_token_id", json_integer(c->bos_id)) == 0 &&
           json_object_set_new(text, "eos_token_id", json_integer(c->eos_id)) == 0 &&
           (clip || json_object_set_new(text, "pad_token_id", json_integer(c->pad_id)) == 0) &&
           json_object_set_new(vision, "num_channels", json_integer(3)) == 0 &&
           (!clip || json_object_set_new(doc, "logit_scale_init_value",
                                         json_real(tidy(c->logit_scale))) == 0) &&
           put(doc, "text_config", text) && put(doc, "vision_config", vision) &&
           (!clip || put_numbers(doc, c, whole_numbers));
}

static json_t *config_json(const rs_dual_config *c)
{
    const dialect *d = &dialects[c->vision.kind == RS_TOWER_SIGLIP];
    const char *dim = d->kind == RS_TOWER_CLIP ? "projection_dim" : "projection_size";
    json_t *text = tower_json(c, &c->text, d->text, d->text_type, dim);
    json_t *vision = tower_json(c, &c->vision, d->vision, d->vision_type, dim);
    json_t *doc = json_pack("{s:[s], s:s}", "architectures", d->architecture, "model_type",
                            d->type);

    if (!fill(doc, text, vision, c, d)) {
        json_decref(doc);
        doc = NULL;
    }
    json_decref(text);
    json_decref(vision);
    return doc;
}

rs_status rs_dual_config_save(const rs_dual_config *c, const char *path, rs_err *err)
{
    json_t *doc = NULL;
    char *text = NULL;
    rs_buf out = {0};
    rs_status st = rs_dual_config_check(c, path, err);

    if (st != RS_OK)
        return rs_wrap(err, RS_EARG, "write");
    doc = config_json(c);
    text = doc ? json_dumps(doc, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    if (text) {
        rs_buf_puts(&out, text);
        rs_buf_putc(&out, '\n');
    }
    if (!text || out.failed)
        st = rs_fail(err, RS_ENOMEM, "write %s: no memory", path);
    else
        st = rs_file_write(path, out.data, out.len, err);
    rs_buf_clear(&out);
    free(text);                         /* jansson's */
    json_decref(doc);
    return st;
}
