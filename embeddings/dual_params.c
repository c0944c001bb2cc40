/* dual_params.c - the parameters of a CLIP model: one table says what each tensor is
 * called, where its offset is kept, its shape, how it starts, whether it decays. Laying
 * out, naming, starting, reading and writing all walk it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/dual_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "embeddings/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- The table ------------------------------------------------------- */

/* Lengths that shapes are made of; WIDTH and MLP are those of the tower at hand. */
typedef enum { NONE, WIDTH, MLP, DIM, VOCAB, TOKENS, POSITIONS, RGB, PATCH, LENGTHS } length;

/* Starting values, transformers' CLIPPreTrainedModel._init_weights with factor 1:
 * normal with a deviation by width w and depth L of the tower. */
typedef enum {
    ONES, ZEROS, LOGIT,
    SMALL,                             /* 0.02 */
    GRID,                              /* sines of the place of each patch, see fill_grid() */
    BY_WIDTH,                          /* w^-1/2 */
    BY_DEPTH,                          /* w^-1/2 (2 L)^-1/2: what adds to the residual stream */
    BY_TWICE                           /* (2 w)^-1/2 */
} start;

typedef struct {
    const char   *name;                /* after the prefix of its walk */
    size_t        place;               /* of its offset, in the struct of its walk */
    unsigned char shape[4];            /* lengths, ended by NONE */
    start         start;
    bool          decay;
} spec;

#define PUT(type, member) offsetof(type, member)
static const spec layer_specs[] = {
    {"layer_norm1.weight",        PUT(rs_layer_at, ln1_g), {WIDTH},        ONES,     false},
    {"layer_norm1.bias",          PUT(rs_layer_at, ln1_b), {WIDTH},        ZEROS,    false},
    {"self_attn.q_proj.weight",   PUT(rs_layer_at, q_w),   {WIDTH, WIDTH}, BY_DEPTH, true},
    {"self_attn.k_proj.weight",   PUT(rs_layer_at, k_w),   {WIDTH, WIDTH}, BY_DEPTH, true},
    {"self_attn.v_proj.weight",   PUT(rs_layer_at, v_w),   {WIDTH, WIDTH}, BY_DEPTH, true},
    {"self_attn.q_proj.bias",     PUT(rs_layer_at, q_b),   {WIDTH},        ZEROS,    false},
    {"self_attn.k_proj.bias",     PUT(rs_layer_at, k_b),   {WIDTH},        ZEROS,    false},
    {"self_attn.v_proj.bias",     PUT(rs_layer_at, v_b),   {WIDTH},        ZEROS,    false},
    {"self_attn.out_proj.weight", PUT(rs_layer_at, out_w), {WIDTH, WIDTH}, BY_WIDTH, true},
    {"self_attn.out_proj.bias",   PUT(rs_layer_at, out_b), {WIDTH},        ZEROS,    false},
    {"layer_norm2.weight",        PUT(rs_layer_at, ln2_g), {WIDTH},        ONES,     false},
    {"layer_norm2.bias",          PUT(rs_layer_at, ln2_b), {WIDTH},        ZEROS,    false},
    {"mlp.fc1.weight",            PUT(rs_layer_at, fc1_w), {MLP, WIDTH},   BY_TWICE, true},
    {"mlp.fc1.bias",              PUT(rs_layer_at, fc1_b), {MLP},          ZEROS,    false},
    {"mlp.fc2.weight",            PUT(rs_layer_at, fc2_w), {WIDTH, MLP},   BY_DEPTH, true},
    {"mlp.fc2.bias",              PUT(rs_layer_at, fc2_b), {WIDTH},        ZEROS,    false},
};

/* "pre_layrnorm" is how the published models spell it. */
static const spec vision_before[] = {
    {"vision_model.embeddings.class_embedding", PUT(rs_dual_at, vision.class_token), {WIDTH},
     BY_WIDTH, false},
    {"vision_model.embeddings.patch_embedding.weight", PUT(rs_dual_at, vision.patch_w),
     {WIDTH, RGB, PATCH, PATCH}, SMALL, true},
    {"vision_model.embeddings.position_embedding.weight", PUT(rs_dual_at, vision.position),
     {POSITIONS, WIDTH}, GRID, false},
    {"vision_model.pre_layrnorm.weight", PUT(rs_dual_at, vision.pre_g), {WIDTH}, ONES, false},
    {"vision_model.pre_layrnorm.bias", PUT(rs_dual_at, vision.pre_b), {WIDTH}, ZEROS, false},
};
static const spec vision_after[] = {
    {"vision_model.post_layernorm.weight", PUT(rs_dual_at, vision.post_g), {WIDTH}, ONES, false},
    {"vision_model.post_layernorm.bias", PUT(rs_dual_at, vision.post_b), {WIDTH}, ZEROS, false},
    {"visual_projection.weight", PUT(rs_dual_at, vision.proj_w), {DIM, WIDTH}, BY_WIDTH, true},
};
static const spec text_before[] = {
    {"text_model.embeddings.token_embedding.weight", PUT(rs_dual_at, text.token), {VOCAB, WIDTH},
     SMALL, false},
    {"text_model.embeddings.position_embedding.weight", PUT(rs_dual_at, text.position),
     {TOKENS, WIDTH}, SMALL, false},
};
static const spec text_after[] = {
    {"text_model.final_layer_norm.weight", PUT(rs_dual_at, text.final_g), {WIDTH}, ONES, false},
    {"text_model.final_layer_norm.bias", PUT(rs_dual_at, text.final_b), {WIDTH}, ZEROS, false},
    {"text_projection.weight", PUT(rs_dual_at, text.proj_w), {DIM, WIDTH}, BY_WIDTH, true},
};
static const spec at_the_end[] = {
    {"logit_scale", PUT(rs_dual_at, logit_scale), {NONE}, LOGIT, false},
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* ---- Laying out ------------------------------------------------------ */

/* One walk over all specs in memory order. */
typedef struct {
    rs_dual *m;
    const rs_tower_config *tower;
    size_t   length[LENGTHS];
    start   *starts;                   /* of each table row */
    float   *deviation;
    bool     failed;                   /* out of memory, or sizes beyond size_t */
} walk;

static float deviation_of(start how, const rs_tower_config *t)
{
    double w = (double)t->width, depth = (double)t->layers;

    switch (how) {
    case ONES:
    case ZEROS:
    case LOGIT:    return 0;
    case SMALL:    return 0.02f;
    case GRID:     return 0;
    case BY_WIDTH: return (float)(1 / sqrt(w));
    case BY_DEPTH: return (float)(1 / sqrt(w) / sqrt(2 * depth));
    case BY_TWICE: return (float)(1 / sqrt(2 * w));
    }
    return 0;
}

/* Give each of the n specs the next place; `base` is the struct that keeps offsets. */
static void place(walk *w, const spec *s, size_t n, const char *prefix, void *base)
{
    rs_dual *m = w->m;

    for (; n && !w->failed; n--, s++) {
        size_t row = m->tensors;
        rs_param *p = &m->table[row];
        p->name = rs_arena_sprintf(&m->mem, "%s%s", prefix, s->name);
        p->offset = m->count;
        p->count = 1;
        p->decay = s->decay;
        w->failed = !p->name;
        for (; p->rank < 4 && s->shape[p->rank] != NONE; p->rank++) {
            p->shape[p->rank] = w->length[s->shape[p->rank]];
            w->failed |= !rs_mul_size(&p->count, p->count, p->shape[p->rank]);
        }
        w->failed |= !rs_add_size(&m->count, m->count, p->count);
        w->starts[row] = s->start;
        w->deviation[row] = deviation_of(s->start, w->tower);
        memcpy((char *)base + s->place, &p->offset, sizeof p->offset);
        m->tensors++;
    }
}

static void place_tower(walk *w, const rs_tower_config *t, const char *prefix, rs_layer_at **layers,
                        const spec *before, size_t n_before, const spec *after, size_t n_after)
{
    rs_dual *m = w->m;

    w->tower = t;
    w->length[WIDTH] = t->width;
    w->length[MLP] = t->mlp;
    *layers = rs_new(&m->mem, rs_layer_at, t->layers);
    w->failed |= !*layers;
    place(w, before, n_before, "", &m->at);
    for (size_t i = 0; i < t->layers && !w->failed; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.encoder.layers.%zu.", prefix, i);
        place(w, layer_specs, COUNT(layer_specs), name, &(*layers)[i]);
    }
    place(w, after, n_after, "", &m->at);
}

/* A model of config `c` with its table and offsets, without parameters. The starts go
 * to the model's own memory too. */
static rs_status lay_out(rs_dual **out, walk *w, const rs_dual_config *c, rs_err *err)
{
    size_t rows = COUNT(vision_before) + COUNT(vision_after) + COUNT(text_before) +
                  COUNT(text_after) + COUNT(at_the_end) +
                  COUNT(layer_specs) * (c->vision.layers + c->text.layers);
    rs_dual *m = rs_calloc(1, sizeof *m);

    *out = m;
    if (!m)
        return rs_fail(err, RS_ENOMEM, "CLIP model: no memory");
    m->config = *c;
    m->table = rs_new(&m->mem, rs_param, rows);
    *w = (walk){.m = m, .starts = rs_new(&m->mem, start, rows),
                .deviation = rs_new(&m->mem, float, rows)};
    w->length[DIM] = c->dim;
    w->length[VOCAB] = c->vocab_size;
    w->length[TOKENS] = c->max_tokens;
    w->length[POSITIONS] = rs_dual_patches(c) + 1;
    w->length[RGB] = 3;
    w->length[PATCH] = c->patch_size;
    w->failed = !m->table || !w->starts || !w->deviation;
    place_tower(w, &c->vision, "vision_model", &m->at.vision.layer, vision_before,
                COUNT(vision_before), vision_after, COUNT(vision_after));
    place_tower(w, &c->text, "text_model", &m->at.text.layer, text_before, COUNT(text_before),
                text_after, COUNT(text_after));
    place(w, at_the_end, COUNT(at_the_end), "", &m->at);
    if (w->failed)
        return rs_fail(err, RS_ENOMEM, "CLIP model: no memory");
    return RS_OK;
}

static rs_status allot(rs_dual *m, rs_err *err)
{
    m->params = rs_calloc_aligned(m->count, sizeof *m->params);
    if (!m->params)
        return rs_fail(err, RS_ENOMEM, "CLIP model: no memory for %zu parameters", m->count);
    return RS_OK;
}

void rs_dual_close(rs_dual *m)
{
    if (!m)
        return;
    rs_free(m->params);
    rs_arena_clear(&m->mem);
    rs_free(m);
}

/* ---- From nothing ---------------------------------------------------- */

/* Positions [1 + side^2 x width] that begin as sines and cosines of the patch's column,
 * then row, at width / 4 frequencies (Chen et al. 2021, arXiv:2104.02057, as in MoCo v3's
 * code); zeros for the class token. They are learned from there. Normal numbers of 0.02
 * start so far below the patches' own size that a small model takes thousands of steps
 * to tell left from right. */
static void fill_grid(float *x, const rs_param *p)
{
    const size_t width = p->shape[1], n = width / 4;
    const size_t side = (size_t)lround(sqrt((double)p->shape[0] - 1));

    memset(x, 0, p->count * sizeof *x);
    for (size_t i = 0; i < side * side; i++) {
        float *row = x + (i + 1) * width;
        for (size_t k = 0; k < n; k++) {
            const double w = pow(10000, -(double)k / (double)n);
            const double u = (double)(i % side) * w, v = (double)(i / side) * w;
            row[k] = (float)sin(u);
            row[n + k] = (float)cos(u);
            row[2 * n + k] = (float)sin(v);
            row[3 * n + k] = (float)cos(v);
        }
    }
}

static void fill(float *x, const rs_param *p, start how, float deviation, float logit,
                 rs_random *rnd)
{
    if (how == GRID) {
        fill_grid(x, p);
        return;
    }
    for (size_t i = 0; i < p->count; i++)
        x[i] = how == ONES ? 1 : how == ZEROS ? 0 : how == LOGIT ? logit
             : (float)(deviation * rs_random_normal(rnd));
}

/* Attention of the image tower that begins as trained ones look, Trockman & Kolter 2023,
 * arXiv:2305.09828: keys resemble queries (W_q^T W_k ~ I), so that with positions as
 * sines a patch looks at its neighbours, and what is read is taken away (W_o W_v ~ -I).
 * Normal numbers make every patch look at all alike, and what is needed to read a small
 * data set, locality, takes long to learn. */
static void fill_attention(float *params, const rs_layer_at *at, size_t d, rs_random *rnd)
{
    const double deviation = 1 / sqrt((double)d);

    for (size_t i = 0; i < d * d; i++) {
        const double q = deviation * rs_random_normal(rnd);
        params[at->q_w + i] = (float)q;
        params[at->k_w + i] = (float)(0.7 * q + 0.7 * deviation * rs_random_normal(rnd));
        params[at->v_w + i] = (float)(deviation * rs_random_normal(rnd));
    }
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            params[at->out_w + i * d + j] = -0.4f * params[at->v_w + j * d + i];
}

rs_status rs_dual_new(rs_dual **out, const rs_dual_config *c, rs_random *rnd, rs_err *err)
{
    walk w;
    rs_dual *m = NULL;
    rs_status st = rs_dual_config_check(c, "CLIP model", err);

    *out = NULL;
    if (st != RS_OK) {
        if (err)
            err->code = RS_EARG;        /* the same words: it is the caller's, not a file's */
        return RS_EARG;
    }
    if ((st = lay_out(&m, &w, c, err)) != RS_OK || (st = allot(m, err)) != RS_OK) {
        rs_dual_close(m);
        return st;
    }
    for (size_t i = 0; rnd && i < m->tensors; i++)
        fill(m->params + m->table[i].offset, &m->table[i], w.starts[i], w.deviation[i],
             c->logit_scale, rnd);
    for (size_t i = 0; rnd && i < c->vision.layers; i++)
        fill_attention(m->params, &m->at.vision.layer[i], c->vision.width, rnd);
    *out = m;
    return RS_OK;
}

/* ---- From files ------------------------------------------------------ */

/* Integer buffers that older versions of the library saved along. */
static bool is_buffer(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && strcmp(dot, ".position_ids") == 0;
}

/* All shapes are checked before any memory is taken: what is asked for is then no more
 * than twice the files. */
static rs_status check_all(rs_dual *m, const rs_tensors *t, rs_err *err)
{
    size_t ignored = 0;

    for (size_t i = 0; i < m->tensors; i++) {
        const rs_param *p = &m->table[i];
        rs_status st = rs_tensors_check(t, p->name, p->shape, p->rank, err);
        if (st != RS_OK)
            return st;
    }
    for (size_t i = 0; i < rs_tensors_count(t); i++)
        ignored += is_buffer(rs_tensors_at(t, i)->name);
    m->unknown = rs_tensors_count(t) - m->tensors - ignored;
    return RS_OK;
}

static rs_status read_all(rs_dual *m, const rs_tensors *t, rs_err *err)
{
    rs_status st = check_all(m, t, err);

    if (st == RS_OK)
        st = allot(m, err);
    for (size_t i = 0; i < m->tensors && st == RS_OK; i++) {
        const rs_param *p = &m->table[i];
        st = rs_tensors_fetch(t, p->name, p->shape, p->rank, m->params + p->offset, err);
    }
    return st;
}

rs_status rs_dual_open(rs_dual **out, const char *folder, rs_err *err)
{
    char *path = rs_path_join(folder, "config.json");
    rs_dual_config config;
    rs_tensors *t = NULL;
    rs_dual *m = NULL;
    walk w;
    rs_status st;

    *out = NULL;
    if (!path)
        return rs_fail(err, RS_ENOMEM, "open %s: no memory", folder);
    if ((st = rs_dual_config_load(&config, path, err)) != RS_OK ||
        (st = rs_tensors_open_model(&t, folder, err)) != RS_OK ||
        (st = lay_out(&m, &w, &config, err)) != RS_OK ||
        (st = read_all(m, t, err)) != RS_OK)
        goto done;
    *out = m;
    m = NULL;
done:
    rs_dual_close(m);
    rs_tensors_close(t);
    rs_free(path);
    return st;
}

/* ---- To files -------------------------------------------------------- */

/* In half the single numbers stay whole: logit_scale is an exponent's. */
static rs_status write_weights(const rs_dual *m, const char *path, bool half, rs_err *err)
{
    rs_tensor_out *list = rs_calloc(m->tensors, sizeof *list);
    rs_status st;

    if (!list)
        return rs_fail(err, RS_ENOMEM, "write %s: no memory", path);
    for (size_t i = 0; i < m->tensors; i++) {
        const rs_param *p = &m->table[i];
        list[i] = (rs_tensor_out){.name = p->name, .rank = p->rank, .shape = p->shape,
                                  .dtype = half && p->rank ? RS_DTYPE_F16 : RS_DTYPE_F32,
                                  .data = m->params + p->offset};
    }
    st = rs_tensors_write(path, list, m->tensors, err);
    rs_free(list);
    return st;
}

rs_status rs_dual_save(const rs_dual *m, const char *folder, bool half, rs_err *err)
{
    char *config = rs_path_join(folder, "config.json");
    char *weights = rs_path_join(folder, "model.safetensors");
    rs_status st;

    if (!config || !weights)
        st = rs_fail(err, RS_ENOMEM, "write %s: no memory", folder);
    else if ((st = rs_mkdirs(folder, err)) == RS_OK &&
             (st = write_weights(m, weights, half, err)) == RS_OK)
        st = rs_dual_config_save(&m->config, config, err);
    rs_free(config);
    rs_free(weights);
    return st;
}

/* ---- Asking ---------------------------------------------------------- */

const rs_dual_config *rs_dual_config_of(const rs_dual *m) { return &m->config; }
size_t rs_dual_param_count(const rs_dual *m) { return m->count; }
float *rs_dual_params(rs_dual *m) { return m->params; }
size_t rs_dual_unknown_tensors(const rs_dual *m) { return m->unknown; }

const rs_param *rs_dual_param_table(const rs_dual *m, size_t *n)
{
    *n = m->tensors;
    return m->table;
}

float rs_dual_logit_scale(const rs_dual *m)
{
    return expf(m->params[m->at.logit_scale]);
}
