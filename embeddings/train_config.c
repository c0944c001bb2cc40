/* train_config.c - see train_config.h: one table of fields, and the lists beside it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/train_config.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_CONFIG = 1 << 20, WHERE = 300 };

const char rs_train_config_help[] =
    "CONFIG is a JSON object. Paths are relative to the current folder. Its fields, and in\n"
    "parentheses what they are where they are left out:\n\n"
    "  out: folder of the model, checkpoint, metrics.jsonl and curves.png\n"
    "  cache (OUT/cache): folder of decoded images\n"
    "  vocab: folder of the tokenizer: vocab.json and merges.txt, or what \"init\" has\n"
    "  manifests: list of JSON-lines files, one row an image: {\"image\", \"texts\": [..],\n"
    "      \"label\", \"kind\", \"set\", \"split\": train|val|test, \"group\"}\n"
    "  init: model folder to start from, of any family; without it \"model\" is made from\n"
    "      scratch\n"
    "  model: image_size (128), patch_size (16), dim (128), max_tokens (64), activation\n"
    "      (quick_gelu; or gelu), logit_scale (2.6592, a logarithm), vision and text: width\n"
    "      (192), layers (6), heads (3), mlp (4 x width)\n\n"
    "  batch (256), micro_batch (8): images a step, images a thread takes at once\n"
    "  steps (0), epochs (0): one of both; an epoch draws as many rows as there are\n"
    "  lr (1e-3), last_lr (0), warmup (a twentieth of the steps): a cosine from lr to last_lr\n"
    "  weight_decay (0.1), beta1 (0.9), beta2 (0.98), eps (1e-6), clip (1; 0: none): AdamW\n"
    "  freeze_logit_scale (false), recompute (false; true: slower, little memory)\n"
    "  seed (1), threads (0: all cores)\n\n"
    "  contrastive (1): weight of the image-text term\n"
    "  loss (of the model's family): softmax (InfoNCE), or sigmoid, which asks of each pair\n"
    "      alone, for models with a logit_bias (SigLIP)\n"
    "  two_views: weight (0), temperature (0.1), skip_labels (false: true leaves out other\n"
    "      images of equal label): image against image, two augmentations of each\n"
    "  distill: features (safetensors file), kind (relational; or cosine), weight (1),\n"
    "      temperature (0.1), teacher_temperature (0.1)\n"
    "  augment: scale_min, scale_max, aspect, rotate, shift, flip, brightness, contrast, gamma,\n"
    "      noise, blur, erase, erase_area (\"radscout train --augment\" tells them)\n"
    "  balance (0.5), sets {\"name\": weight}: a set's share of a batch is\n"
    "      weight x rows^balance\n"
    "  run (1): rows of one kind come in runs of this many, so that a batch is hard;\n"
    "  mixed_epochs (0): a set's first epochs, without runs\n\n"
    "  eval_every (a twentieth of the steps), eval_rows (500), checkpoint_every (200)\n"
    "  half (true): store the model as F16\n"
    "  squash (false; true: images are resized to the square whole, their sides not kept in\n"
    "      proportion, so that nothing at an edge is cropped away; not with init)";

/* ---- The fields ------------------------------------------------------ */

typedef enum { SIZE, WHOLE, REAL, BOOL, TEXT } kind;

typedef struct {
    const char *section, *key;             /* section "": the object itself */
    kind        kind;
    size_t      place;                     /* offset in rs_train_config */
    double      min, max, fallback;        /* TEXT: must be there if min is 1 */
} field;

#define AT(member) offsetof(rs_train_config, member)
static const field fields[] = {
    {"", "out",                TEXT,  AT(out), 1, 0, 0},
    {"", "cache",              TEXT,  AT(cache), 0, 0, 0},
    {"", "vocab",              TEXT,  AT(vocab), 1, 0, 0},
    {"", "init",               TEXT,  AT(init), 0, 0, 0},
    {"", "batch",              SIZE,  AT(batch), 2, 65536, 256},
    {"", "micro_batch",        SIZE,  AT(micro_batch), 1, 4096, 8},
    {"", "steps",              WHOLE, AT(steps), 0, 1e9, 0},
    {"", "epochs",             REAL,  AT(epochs), 0, 1e6, 0},
    {"", "lr",                 REAL,  AT(lr), 0, 10, 1e-3},
    {"", "last_lr",            REAL,  AT(last_lr), 0, 10, 0},
    {"", "warmup",             WHOLE, AT(warmup), 0, 1e9, -1},
    {"", "weight_decay",       REAL,  AT(adamw.weight_decay), 0, 100, 0.1},
    {"", "beta1",              REAL,  AT(adamw.beta1), 0, 0.99999, 0.9},
    {"", "beta2",              REAL,  AT(adamw.beta2), 0, 0.999999, 0.98},
    {"", "eps",                REAL,  AT(adamw.eps), 1e-12, 1, 1e-6},
    {"", "clip",               REAL,  AT(clip), 0, 1e9, 1},
    {"", "freeze_logit_scale", BOOL,  AT(freeze_logit_scale), 0, 1, 0},
    {"", "recompute",          BOOL,  AT(recompute), 0, 1, 0},
    {"", "seed",               WHOLE, AT(seed), 0, 9e15, 1},
    {"", "threads",            SIZE,  AT(threads), 0, 1024, 0},
    {"", "contrastive",        REAL,  AT(contrastive), 0, 1e6, 1},
    {"", "balance",            REAL,  AT(balance), 0, 1, 0.5},
    {"", "run",                SIZE,  AT(run), 1, 65536, 1},
    {"", "mixed_epochs",       SIZE,  AT(mixed_epochs), 0, 1e6, 0},
    {"", "eval_every",         WHOLE, AT(eval_every), 0, 1e9, -1},
    {"", "eval_rows",          SIZE,  AT(eval_rows), 1, 5000, 500},
    {"", "checkpoint_every",   WHOLE, AT(checkpoint_every), 0, 1e9, 200},
    {"", "half",               BOOL,  AT(half), 0, 1, 1},
    {"", "squash",             BOOL,  AT(squash), 0, 1, 0},

    {"two_views", "weight",      REAL, AT(two_views), 0, 1e6, 0},
    {"two_views", "temperature", REAL, AT(two_views_temperature), 1e-3, 100, 0.1},
    {"two_views", "skip_labels", BOOL, AT(two_views_skip_labels), 0, 1, 0},

    {"distill", "features",            TEXT, AT(distill_features), 0, 0, 0},
    {"distill", "weight",              REAL, AT(distill_weight), 0, 1e6, 1},
    {"distill", "temperature",         REAL, AT(distill_temperature), 1e-3, 100, 0.1},
    {"distill", "teacher_temperature", REAL, AT(distill_teacher_temperature), 1e-3, 100, 0.1},

    {"model", "image_size",  SIZE, AT(model.image_size), 1, 2048, 128},
    {"model", "patch_size",  SIZE, AT(model.patch_size), 1, 1024, 16},
    {"model", "dim",         SIZE, AT(model.dim), 1, 8192, 128},
    {"model", "max_tokens",  SIZE, AT(model.max_tokens), 2, 8192, 64},
    {"model.vision", "width",  SIZE, AT(model.vision.width), 1, 8192, 192},
    {"model.vision", "layers", SIZE, AT(model.vision.layers), 1, 128, 6},
    {"model.vision", "heads",  SIZE, AT(model.vision.heads), 1, 8192, 3},
    {"model.vision", "mlp",    SIZE, AT(model.vision.mlp), 0, 65536, 0},
    {"model.text", "width",    SIZE, AT(model.text.width), 1, 8192, 192},
    {"model.text", "layers",   SIZE, AT(model.text.layers), 1, 128, 6},
    {"model.text", "heads",    SIZE, AT(model.text.heads), 1, 8192, 3},
    {"model.text", "mlp",      SIZE, AT(model.text.mlp), 0, 65536, 0},
};
#undef AT
enum { FIELDS = sizeof fields / sizeof *fields };

/* Fields that are read on their own; the empty keys let anything in. */
static const struct { const char *section, *key; } others[] = {
    {"", "manifests"}, {"", "loss"}, {"", "model"}, {"", "two_views"}, {"", "distill"}, {"", "augment"},
    {"", "sets"}, {"distill", "kind"}, {"model", "vision"}, {"model", "text"},
    {"model", "activation"}, {"model", "logit_scale"},
};

/* A section's object: "model.vision" is the vision of model. Absent ones are NULL. */
static const json_t *section_of(const json_t *root, const char *section)
{
    const char *dot = strchr(section, '.');
    char first[32];

    if (*section == '\0')
        return root;
    snprintf(first, sizeof first, "%.*s", dot ? (int)(dot - section) : 31, section);
    root = json_object_get(root, first);
    return dot ? json_object_get(root, dot + 1) : root;
}

static rs_json_at at_section(const json_t *root, const char *path, const char *section,
                             char where[WHERE])
{
    snprintf(where, WHERE, "%s%s%s", path, *section ? ": " : "", section);
    return (rs_json_at){section_of(root, section), where};
}

static rs_status read_text(rs_train_config *c, const field *f, rs_json_at at, rs_err *err)
{
    const char *s = NULL, **out = (const char **)((char *)c + f->place);
    rs_status st = f->min > 0 ? rs_json_need(at, f->key, err) : RS_OK;

    if (st == RS_OK)
        st = rs_json_str(at, f->key, NULL, &s, err);
    if (st != RS_OK || !s)
        return st;
    *out = rs_arena_strdup(&c->mem, s);
    return *out ? RS_OK : rs_fail(err, RS_ENOMEM, "%s: no memory", at.where);
}

static rs_status read_field(rs_train_config *c, const field *f, rs_json_at at, rs_err *err)
{
    void *place = (char *)c + f->place;
    long long n = 0;
    rs_status st = RS_OK;

    switch (f->kind) {
    case SIZE:
    case WHOLE:
        if (f->fallback < 0 && json_object_get(at.object, f->key) == NULL)
            n = -1;                             /* follows from the steps, see settle() */
        else
            st = rs_json_int(at, f->key, (long long)f->min, (long long)f->max,
                             (long long)f->fallback, &n, err);
        if (f->kind == SIZE)
            *(size_t *)place = (size_t)n;
        else
            *(uint64_t *)place = (uint64_t)n;
        return st;
    case REAL:
        return rs_json_real(at, f->key, f->min, f->max, f->fallback, place, err);
    case BOOL:
        return rs_json_bool(at, f->key, f->fallback != 0, place, err);
    case TEXT:
        return read_text(c, f, at, err);
    }
    return st;
}

/* ---- Unknown fields -------------------------------------------------- */

static bool is_known(const char *section, const char *key)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (strcmp(fields[i].section, section) == 0 && strcmp(fields[i].key, key) == 0)
            return true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(others[i].section, section) == 0 && strcmp(others[i].key, key) == 0)
            return true;
    return false;
}

static rs_status check_section(const json_t *root, const char *path, const char *section,
                               rs_err *err)
{
    const json_t *object = section_of(root, section);
    const char *key;
    json_t *value;

    if (!object || json_is_null(object))
        return RS_OK;
    if (!json_is_object(object))
        return rs_fail(err, RS_ECORRUPT, "%s: %s: wanted an object", path, section);
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
        if (!is_known(section, key))
            return rs_fail(err, RS_ECORRUPT, "%s: unknown field %s%s%s", path, section,
                           *section ? "." : "", key);
    return RS_OK;
}

/* ---- Lists and choices ----------------------------------------------- */

static rs_status read_manifests(rs_train_config *c, rs_json_at at, rs_err *err)
{
    const json_t *list = json_object_get(at.object, "manifests");

    c->n_manifests = json_array_size(list);
    if (c->n_manifests == 0)
        return rs_fail(err, RS_ECORRUPT, "%s: manifests: wanted a list of files", at.where);
    c->manifests = rs_new(&c->mem, const char *, c->n_manifests);
    for (size_t i = 0; c->manifests && i < c->n_manifests; i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (!s)
            return rs_fail(err, RS_ECORRUPT, "%s: manifests[%zu]: wanted a string", at.where, i);
        c->manifests[i] = rs_arena_strdup(&c->mem, s);
        if (!c->manifests[i])
            return rs_fail(err, RS_ENOMEM, "%s: no memory", at.where);
    }
    return c->manifests ? RS_OK : rs_fail(err, RS_ENOMEM, "%s: no memory", at.where);
}

static rs_status read_sets(rs_train_config *c, rs_json_at at, rs_err *err)
{
    json_t *sets = json_object_get(at.object, "sets"), *value;
    const char *key;

    if (sets && !json_is_object(sets))
        return rs_fail(err, RS_ECORRUPT, "%s: sets: wanted an object of weights", at.where);
    c->weighted_sets = rs_new(&c->mem, const char *, json_object_size(sets));
    c->set_weights = rs_new(&c->mem, double, json_object_size(sets));
    if (!c->weighted_sets || !c->set_weights)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", at.where);
    json_object_foreach(sets, key, value) {
        double w = json_number_value(value);
        if (!json_is_number(value) || w < 0 || w > 1e9)
            return rs_fail(err, RS_ECORRUPT, "%s: sets.%s: wanted a weight from 0 up", at.where, key);
        c->set_weights[c->n_weighted] = w;
        c->weighted_sets[c->n_weighted] = rs_arena_strdup(&c->mem, key);
        if (!c->weighted_sets[c->n_weighted++])
            return rs_fail(err, RS_ENOMEM, "%s: no memory", at.where);
    }
    return RS_OK;
}

static rs_status read_distill(rs_train_config *c, rs_json_at at, rs_err *err)
{
    const char *name = "relational";
    rs_status st = rs_json_str(at, "kind", "relational", &name, err);

    if (st != RS_OK || !c->distill_features)
        return st;
    if (strcmp(name, "relational") == 0)
        c->distill = RS_DISTILL_RELATIONAL;
    else if (strcmp(name, "cosine") == 0)
        c->distill = RS_DISTILL_COSINE;
    else
        return rs_fail(err, RS_ECORRUPT, "%s: kind: wanted relational or cosine, found %s", at.where,
                       name);
    return RS_OK;
}

static rs_status read_loss(rs_train_config *c, rs_json_at at, rs_err *err)
{
    const char *name = NULL;
    rs_status st = rs_json_str(at, "loss", NULL, &name, err);

    if (st != RS_OK || !name)
        return st;
    if (strcmp(name, "softmax") == 0)
        c->loss = RS_TERM_SOFTMAX;
    else if (strcmp(name, "sigmoid") == 0)
        c->loss = RS_TERM_SIGMOID;
    else
        return rs_fail(err, RS_ECORRUPT, "%s: loss: wanted softmax or sigmoid, found %s", at.where,
                       name);
    return RS_OK;
}

static rs_status read_model(rs_train_config *c, rs_json_at at, rs_err *err)
{
    rs_dual_config *m = &c->model;
    const char *act = "quick_gelu";
    double scale = 2.6592;
    rs_status st = rs_json_str(at, "activation", act, &act, err);

    if (st == RS_OK)
        st = rs_json_real(at, "logit_scale", 0, 4.6, scale, &scale, err);
    if (st != RS_OK)
        return st;
    if (strcmp(act, "quick_gelu") != 0 && strcmp(act, "gelu") != 0)
        return rs_fail(err, RS_ECORRUPT, "%s: activation: wanted quick_gelu or gelu, found %s",
                       at.where, act);
    m->vision.act = m->text.act = strcmp(act, "gelu") == 0 ? RS_ACT_GELU : RS_ACT_QUICK_GELU;
    m->vision.eps = m->text.eps = 1e-5f;
    m->logit_scale = (float)scale;
    m->vision.mlp = m->vision.mlp ? m->vision.mlp : 4 * m->vision.width;
    m->text.mlp = m->text.mlp ? m->text.mlp : 4 * m->text.width;
    if (m->vision.width % m->vision.heads || m->text.width % m->text.heads)
        return rs_fail(err, RS_ECORRUPT, "%s: heads must divide width", at.where);
    if (m->image_size % m->patch_size)
        return rs_fail(err, RS_ECORRUPT, "%s: patch_size must divide image_size", at.where);
    return RS_OK;
}

/* ---- The whole ------------------------------------------------------- */

static rs_status settle(rs_train_config *c, rs_json_at at, rs_err *err)
{
    if ((c->steps == 0) == (c->epochs == 0))
        return rs_fail(err, RS_ECORRUPT, "%s: wanted either steps or epochs", at.where);
    if (!c->cache) {
        c->cache = rs_arena_sprintf(&c->mem, "%s/cache", c->out);
        if (!c->cache)
            return rs_fail(err, RS_ENOMEM, "%s: no memory", at.where);
    }
    return RS_OK;
}

static rs_status read_all(rs_train_config *c, const json_t *root, const char *path, rs_err *err)
{
    static const char *const sections[] = {"", "two_views", "distill", "model", "model.vision",
                                           "model.text"};
    char where[WHERE];
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < sizeof sections / sizeof *sections; i++)
        st = check_section(root, path, sections[i], err);
    for (size_t i = 0; st == RS_OK && i < FIELDS; i++)
        st = read_field(c, &fields[i], at_section(root, path, fields[i].section, where), err);
    if (st == RS_OK)
        st = read_model(c, at_section(root, path, "model", where), err);
    if (st == RS_OK)
        st = read_distill(c, at_section(root, path, "distill", where), err);
    if (st == RS_OK)
        st = read_loss(c, at_section(root, path, "", where), err);
    rs_augment_defaults(&c->augment);
    if (st == RS_OK)
        st = rs_augment_read(&c->augment, at_section(root, path, "augment", where), err);
    if (st == RS_OK)
        st = read_manifests(c, at_section(root, path, "", where), err);
    if (st == RS_OK)
        st = read_sets(c, at_section(root, path, "", where), err);
    return st == RS_OK ? settle(c, at_section(root, path, "", where), err) : st;
}

rs_status rs_train_config_load(rs_train_config *c, const char *path, rs_err *err)
{
    json_t *root = NULL;
    rs_status st;

    *c = (rs_train_config){0};
    st = rs_json_load(&root, path, MAX_CONFIG, err);
    if (st == RS_OK && !json_is_object(root))
        st = rs_fail(err, RS_ECORRUPT, "%s: wanted an object", path);
    if (st == RS_OK)
        st = read_all(c, root, path, err);
    json_decref(root);
    if (st != RS_OK)
        rs_train_config_clear(c);
    return st;
}

void rs_train_config_clear(rs_train_config *c)
{
    rs_arena_clear(&c->mem);
    *c = (rs_train_config){0};
}
