/* dual_config.c - the config.json of a Hugging Face CLIPModel.
 *
 * What counts is what transformers 4.38 makes of the file: a tower is "text_config" /
 * "vision_config" (or, where the older "text_config_dict" / "vision_config_dict" is not
 * null, that one alone), keys that are absent take CLIPTextConfig's and
 * CLIPVisionConfig's defaults, and keys we have no use for are left alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/dual_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CONFIG = 4 * 1024 * 1024, WHERE = 300, MAX_POSITIONS = 65536 };

static const char *const activations[] = {"quick_gelu", "gelu"};   /* rs_activation */

/* Whole numbers of a configuration: where they go, what they are called, their bounds. */
typedef struct {
    const char *key;
    size_t      place;                 /* of a size_t in rs_dual_config */
    long long   max, fallback;         /* at least 1 */
} number;

#define AT(member) offsetof(rs_dual_config, member)
static const number vision_numbers[] = {
    {"hidden_size",         AT(vision.width),   8192,    768},
    {"num_hidden_layers",   AT(vision.layers),   128,     12},
    {"num_attention_heads", AT(vision.heads),   8192,     12},
    {"intermediate_size",   AT(vision.mlp),    65536,   3072},
    {"image_size",          AT(image_size),     8192,    224},
    {"patch_size",          AT(patch_size),     1024,     32},
    {NULL, 0, 0, 0},
};
static const number text_numbers[] = {
    {"hidden_size",         AT(text.width),     8192,    512},
    {"num_hidden_layers",   AT(text.layers),     128,     12},
    {"num_attention_heads", AT(text.heads),     8192,      8},
    {"intermediate_size",   AT(text.mlp),      65536,   2048},
    {"vocab_size",          AT(vocab_size),  4194304,  49408},
    {"max_position_embeddings", AT(max_tokens), 8192,     77},
    {NULL, 0, 0, 0},
};
static const number whole_numbers[] = {
    {"projection_dim",      AT(dim),            8192,    512},
    {NULL, 0, 0, 0},
};

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

rs_status rs_dual_config_check(const rs_dual_config *c, const char *what, rs_err *err)
{
    rs_status st;

    if ((st = check_numbers(c, vision_numbers, what, "vision_config: ", err)) != RS_OK ||
        (st = check_numbers(c, text_numbers, what, "text_config: ", err)) != RS_OK ||
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
    if (c->eos_id < 0 || (size_t)c->eos_id >= c->vocab_size)
        return rs_fail(err, RS_ECORRUPT, "%s: text_config: eos_token_id: %ld is not within 0..%zu",
                       what, (long)c->eos_id, c->vocab_size - 1);
    return RS_OK;
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

static rs_status read_activation(rs_activation *act, rs_json_at at, rs_err *err)
{
    const char *name;
    rs_status st = rs_json_str(at, "hidden_act", "quick_gelu", &name, err);

    if (st != RS_OK)
        return st;
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (strcmp(name, activations[i]) == 0) {
            *act = (rs_activation)i;
            return RS_OK;
        }
    return rs_fail(err, RS_EFORMAT, "%s: hidden_act: \"%.40s\" is not supported (quick_gelu, gelu)",
                   at.where, name);
}

static rs_status read_tower(rs_tower_config *t, rs_json_at at, rs_err *err)
{
    double eps = 0;
    rs_status st = rs_json_real(at, "layer_norm_eps", 0, 1, 1e-5, &eps, err);

    t->eps = (float)eps;
    return st == RS_OK ? read_activation(&t->act, at, err) : st;
}

/* The tower's object: `old` where it is there and not null, else `name`, else NULL. */
static rs_status find_tower(rs_json_at *at, const json_t *doc, const char *name, const char *old,
                            const char *path, char where[WHERE], rs_err *err)
{
    const json_t *v = json_object_get(doc, old);
    const char *from = v && !json_is_null(v) ? old : name;

    v = json_object_get(doc, from);
    snprintf(where, WHERE, "%s: %s", path, from);
    if (v && !json_is_null(v) && !json_is_object(v))
        return rs_fail(err, RS_ECORRUPT, "%s: wanted an object", where);
    *at = (rs_json_at){json_is_object(v) ? v : NULL, where};
    return RS_OK;
}

static rs_status read_vision(rs_dual_config *c, const json_t *doc, const char *path, rs_err *err)
{
    char where[WHERE];
    rs_json_at at = {0};
    long long channels = 3;
    rs_status st;

    st = find_tower(&at, doc, "vision_config", "vision_config_dict", path, where, err);
    if (st != RS_OK || (st = read_numbers(c, vision_numbers, at, err)) != RS_OK ||
        (st = read_tower(&c->vision, at, err)) != RS_OK)
        return st;
    return rs_json_int(at, "num_channels", 3, 3, 3, &channels, err);
}

static rs_status read_text(rs_dual_config *c, const json_t *doc, const char *path, rs_err *err)
{
    char where[WHERE];
    rs_json_at at = {0};
    long long bos = 0, eos = 0;
    rs_status st;

    if ((st = find_tower(&at, doc, "text_config", "text_config_dict", path, where, err)) != RS_OK ||
        (st = read_numbers(c, text_numbers, at, err)) != RS_OK ||
        (st = read_tower(&c->text, at, err)) != RS_OK ||
        (st = rs_json_int(at, "bos_token_id", 0, INT32_MAX, 49406, &bos, err)) != RS_OK ||
        (st = rs_json_int(at, "eos_token_id", 0, INT32_MAX, 49407, &eos, err)) != RS_OK)
        return st;
    c->bos_id = (int32_t)bos;
    c->eos_id = (int32_t)eos;
    return RS_OK;
}

static rs_status read_config(rs_dual_config *c, const json_t *doc, const char *path, rs_err *err)
{
    rs_json_at at = {doc, path};
    const char *type = NULL;
    double scale = 0;
    rs_status st;

    if (!json_is_object(doc))
        return rs_fail(err, RS_ECORRUPT, "%s: wanted an object", path);
    if ((st = rs_json_need(at, "model_type", err)) != RS_OK ||
        (st = rs_json_str(at, "model_type", NULL, &type, err)) != RS_OK)
        return st;
    if (strcmp(type, "clip") != 0)
        return rs_fail(err, RS_EFORMAT, "%s: model_type: \"%.40s\" is not supported (clip)", path,
                       type);
    if ((st = read_vision(c, doc, path, err)) != RS_OK ||
        (st = read_text(c, doc, path, err)) != RS_OK ||
        (st = read_numbers(c, whole_numbers, at, err)) != RS_OK ||
        (st = rs_json_real(at, "logit_scale_init_value", -20, 20, 2.6592, &scale, err)) != RS_OK)
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
                          const char *type)
{
    json_t *o = json_pack("{s:s, s:s, s:f, s:I}", "model_type", type, "hidden_act",
                          activations[t->act], "layer_norm_eps", tidy(t->eps), "projection_dim",
                          (json_int_t)c->dim);

    if (!put_numbers(o, c, list)) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static json_t *config_json(const rs_dual_config *c)
{
    json_t *text = tower_json(c, &c->text, text_numbers, "clip_text_model");
    json_t *vision = tower_json(c, &c->vision, vision_numbers, "clip_vision_model");
    json_t *doc = NULL;

    if (text && vision &&
        json_object_set_new(text, "bos_token_id", json_integer(c->bos_id)) == 0 &&
        json_object_set_new(text, "eos_token_id", json_integer(c->eos_id)) == 0 &&
        json_object_set_new(vision, "num_channels", json_integer(3)) == 0)
        doc = json_pack("{s:[s], s:s, s:f, s:O, s:O}", "architectures", "CLIPModel", "model_type",
                        "clip", "logit_scale_init_value", tidy(c->logit_scale), "text_config", text,
                        "vision_config", vision);
    if (doc && !put_numbers(doc, c, whole_numbers)) {
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
