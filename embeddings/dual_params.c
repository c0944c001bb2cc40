/* dual_params.c - the parameters of a model. Laying out, naming, starting, reading and
 * writing all walk the tables of families.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/family_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "embeddings/model_folder.h"
#include "embeddings/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Laying out ------------------------------------------------------ */

/* One walk over all tensors in memory order. */
typedef struct {
    rs_dual *m;
    const rs_tower_config *tower;
    size_t   length[RS_LENGTHS];
    rs_start *starts;                  /* of each table row */
    float   *deviation;
    bool     failed;                   /* out of memory, or sizes beyond size_t */
} walk;

static float deviation_of(rs_start how, const rs_tower_config *t)
{
    double w = (double)t->width, depth = (double)t->layers;

    switch (how) {
    case RS_START_ONES:
    case RS_START_ZEROS:
    case RS_START_LOGIT:
    case RS_START_BIAS:
    case RS_START_GRID:     return 0;
    case RS_START_SMALL:    return 0.02f;
    case RS_START_BY_WIDTH: return (float)(1 / sqrt(w));
    case RS_START_BY_DEPTH: return (float)(1 / sqrt(w) / sqrt(2 * depth));
    case RS_START_BY_TWICE: return (float)(1 / sqrt(2 * w));
    }
    return 0;
}

static size_t rows_of(const rs_tensor_spec *s)
{
    size_t n = 0;

    while (s && s[n].name)
        n++;
    return n;
}

/* Keep where p lies: one place, or q, k and v in a row. */
static void keep_place(const rs_tensor_spec *s, const rs_param *p, void *base)
{
    const size_t parts = s->flags & RS_FUSED ? 3 : 1;

    for (size_t i = 0; i < parts; i++) {
        size_t offset = p->offset + i * (p->count / parts);
        memcpy((char *)base + s->place + i * sizeof offset, &offset, sizeof offset);
    }
}

/* Give each tensor of a list the next place; `base` is the struct that keeps offsets. */
static void place(walk *w, const rs_tensor_spec *s, const char *prefix, void *base)
{
    rs_dual *m = w->m;

    for (; s && s->name && !w->failed; s++) {
        size_t row = m->tensors;
        rs_param *p = &m->table[row];
        p->name = rs_arena_sprintf(&m->mem, "%s%s", prefix, s->name);
        p->offset = m->count;
        p->count = 1;
        p->decay = s->flags & RS_DECAYS;
        p->transposed = s->flags & RS_TRANSPOSED;
        w->failed = !p->name;
        for (; p->rank < 4 && s->shape[p->rank] != RS_LEN_NONE; p->rank++) {
            p->shape[p->rank] = w->length[s->shape[p->rank]];
            w->failed |= !rs_mul_size(&p->count, p->count, p->shape[p->rank]);
        }
        w->failed |= !rs_add_size(&m->count, m->count, p->count);
        w->starts[row] = (rs_start)s->start;
        w->deviation[row] = deviation_of(w->starts[row], w->tower);
        keep_place(s, p, base);
        m->tensors++;
    }
}

static void place_tower(walk *w, const rs_tower_config *t, const rs_tower_family *f,
                        size_t positions, rs_tower_at *at)
{
    rs_dual *m = w->m;
    const size_t depth = rs_tower_depth(t, &f->traits);

    w->tower = t;
    w->length[RS_LEN_WIDTH] = t->width;
    w->length[RS_LEN_QKV] = 3 * t->width;
    w->length[RS_LEN_MLP] = t->mlp;
    w->length[RS_LEN_HIDDEN] = rs_proj_hidden(t, m->config.dim);
    w->length[RS_LEN_POSITIONS] = positions;
    memset(at, 0xff, sizeof *at);      /* RS_NOWHERE in each */
    at->layer = rs_new(&m->mem, rs_layer_at, depth);
    w->failed |= !at->layer;
    place(w, f->before, "", at);
    for (size_t i = 0; i < t->layers && !w->failed; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%zu.", f->layers, i);
        place(w, f->layer, name, &at->layer[i]);
    }
    place(w, f->after, "", at);
    if (depth > t->layers && !w->failed)
        place(w, f->pool, "", &at->layer[t->layers]);
}

static size_t count_rows(const rs_tower_config *t, const rs_tower_family *f)
{
    return rows_of(f->before) + rows_of(f->layer) * t->layers + rows_of(f->after) +
           rows_of(f->pool);
}

/* A model of config `c` with its table and offsets, without parameters. The starts go
 * to the model's own memory too. */
static rs_status lay_out(rs_dual **out, walk *w, const rs_dual_config *c, rs_err *err)
{
    const rs_tower_family *vision = rs_vision_family(c->vision.kind);
    const rs_tower_family *text = rs_text_family(c->text.kind);
    const rs_tensor_spec *scalars = rs_scalar_specs(c);
    const size_t rows = count_rows(&c->vision, vision) + count_rows(&c->text, text) +
                        rows_of(scalars);
    rs_dual *m = rs_calloc(1, sizeof *m);

    *out = m;
    if (!m)
        return rs_fail(err, RS_ENOMEM, "model: no memory");
    m->config = *c;
    m->table = rs_new(&m->mem, rs_param, rows);
    *w = (walk){.m = m, .starts = rs_new(&m->mem, rs_start, rows),
                .deviation = rs_new(&m->mem, float, rows)};
    w->length[RS_LEN_ONE] = 1;
    w->length[RS_LEN_RGB] = 3;
    w->length[RS_LEN_PATCH] = c->patch_size;
    w->length[RS_LEN_VOCAB] = c->vocab_size;
    w->length[RS_LEN_TYPES] = c->types;
    w->length[RS_LEN_DIM] = c->dim;
    w->failed = !m->table || !w->starts || !w->deviation;
    place_tower(w, &c->vision, vision, rs_dual_image_rows(c), &m->at.vision);
    place_tower(w, &c->text, text, c->positions ? c->positions : c->max_tokens, &m->at.text);
    m->at.logit_scale = m->at.logit_bias = RS_NOWHERE;
    place(w, scalars, "", &m->at);
    if (w->failed)
        return rs_fail(err, RS_ENOMEM, "model: no memory");
    return RS_OK;
}

static rs_status allot(rs_dual *m, rs_err *err)
{
    m->params = rs_calloc_aligned(m->count, sizeof *m->params);
    if (!m->params)
        return rs_fail(err, RS_ENOMEM, "model: no memory for %zu parameters", m->count);
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

/* Positions that begin as sines and cosines of the patch's column, then row, at width / 4
 * frequencies (Chen et al. 2021, arXiv:2104.02057, as in MoCo v3's code); zeros for a class
 * token. They are learned from there. Normal numbers of 0.02 start so far below the
 * patches' own size that a small model takes thousands of steps to tell left from right. */
static void fill_grid(float *x, const rs_dual_config *c)
{
    const size_t width = c->vision.width, n = width / 4, side = c->image_size / c->patch_size;
    const size_t first = rs_vision_traits(c)->class_token;

    memset(x, 0, rs_dual_image_rows(c) * width * sizeof *x);
    for (size_t i = 0; i < side * side; i++) {
        float *row = x + (first + i) * width;
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

static void fill(float *x, const rs_param *p, rs_start how, float deviation,
                 const rs_dual_config *c, rs_random *rnd)
{
    if (how == RS_START_GRID) {
        fill_grid(x, c);
        return;
    }
    for (size_t i = 0; i < p->count; i++)
        x[i] = how == RS_START_ONES ? 1 : how == RS_START_ZEROS ? 0
             : how == RS_START_LOGIT ? c->logit_scale : how == RS_START_BIAS ? c->logit_bias
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
    rs_status st = rs_dual_config_check(c, "model", err);

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
        fill(m->params + m->table[i].offset, &m->table[i], w.starts[i], w.deviation[i], c,
             rnd);
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

/* The scales of an int8 tensor. */
static bool is_scale(const rs_dual *m, const char *name)
{
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && strcmp(dot, ".scale") == 0 && i < m->tensors; i++)
        if (strncmp(m->table[i].name, name, (size_t)(dot - name)) == 0 &&
            m->table[i].name[dot - name] == '\0')
            return true;
    return false;
}

static bool is_wanted(const rs_dual *m, const char *name)
{
    return rs_dual_param(m, name) || is_buffer(name) || is_scale(m, name);
}

/* All shapes are checked before any memory is taken: what is asked for is then no more
 * than twice the files. */
static rs_status check_all(rs_dual *m, const rs_tensors *t, rs_err *err)
{
    for (size_t i = 0; i < m->tensors; i++) {
        const rs_param *p = &m->table[i];
        rs_status st = rs_tensors_check(t, p->name, p->shape, p->rank, err);
        if (st != RS_OK)
            return st;
    }
    m->unknown = rs_new(&m->mem, const char *, rs_tensors_count(t));
    for (size_t i = 0; m->unknown && i < rs_tensors_count(t); i++) {
        const char *name = rs_tensors_at(t, i)->name;
        if (is_wanted(m, name))
            continue;
        m->unknown[m->unknowns] = rs_arena_strdup(&m->mem, name);
        if (!m->unknown[m->unknowns++])
            m->unknown = NULL;
    }
    return m->unknown ? RS_OK : rs_fail(err, RS_ENOMEM, "model: no memory");
}

/* to [columns x rows] = from [rows x columns]^T */
static void transpose(float *to, const float *from, size_t rows, size_t columns)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            to[c * rows + r] = from[r * columns + c];
}

static rs_status read_one(rs_dual *m, const rs_tensors *t, const rs_param *p, rs_err *err)
{
    float *x = m->params + p->offset, *as_stored;
    rs_status st;

    if (!p->transposed)
        return rs_tensors_fetch(t, p->name, p->shape, p->rank, x, err);
    as_stored = rs_calloc(p->count, sizeof *as_stored);
    if (!as_stored)
        return rs_fail(err, RS_ENOMEM, "model: no memory for %s", p->name);
    st = rs_tensors_fetch(t, p->name, p->shape, p->rank, as_stored, err);
    if (st == RS_OK)
        transpose(x, as_stored, p->shape[0], p->shape[1]);
    rs_free(as_stored);
    return st;
}

static rs_status read_all(rs_dual *m, const rs_tensors *t, rs_err *err)
{
    const char *precision = rs_tensors_metadata(t, RS_PRECISION_KEY);
    rs_status st = check_all(m, t, err);

    m->int8 = precision && strcmp(precision, "int8") == 0;
    if (st == RS_OK)
        st = allot(m, err);
    for (size_t i = 0; i < m->tensors && st == RS_OK; i++)
        st = read_one(m, t, &m->table[i], err);
    return st;
}

/* The folder's config and tensors. *text: see rs_dual.config_text; caller frees. */
static rs_status open_files(rs_dual_config *c, rs_tensors **t, char **text, const char *folder,
                            rs_err *err)
{
    rs_layout layout;
    char *config;
    rs_status st = rs_model_layout(&layout, folder, err);

    if (st != RS_OK)
        return st;
    config = rs_path_join(folder, rs_layout_config(layout));
    if (!config)
        return rs_fail(err, RS_ENOMEM, "open %s: no memory", folder);
    if (layout == RS_LAYOUT_HF) {
        if ((st = rs_dual_config_load(c, config, err)) == RS_OK)
            st = rs_model_tensors(t, folder, err);
    } else if ((st = rs_model_tensors(t, folder, err)) == RS_OK) {
        st = rs_open_clip_config_load(c, text, config, *t, err);
    }
    rs_free(config);
    return st;
}

rs_status rs_dual_open(rs_dual **out, const char *folder, rs_err *err)
{
    rs_dual_config config;
    rs_tensors *t = NULL;
    rs_dual *m = NULL;
    char *text = NULL;
    walk w;
    rs_status st;

    *out = NULL;
    if ((st = open_files(&config, &t, &text, folder, err)) != RS_OK ||
        (st = lay_out(&m, &w, &config, err)) != RS_OK ||
        (st = read_all(m, t, err)) != RS_OK)
        goto done;
    if (text && !(m->config_text = rs_arena_strdup(&m->mem, text))) {
        st = rs_fail(err, RS_ENOMEM, "open %s: no memory", folder);
        goto done;
    }
    *out = m;
    m = NULL;
done:
    rs_dual_close(m);
    rs_tensors_close(t);
    rs_free(text);
    return st;
}

/* ---- To files -------------------------------------------------------- */

/* In half the single numbers stay whole: logit_scale is an exponent's. */
static rs_status write_weights(const rs_dual *m, const char *path, bool half, rs_err *err)
{
    rs_arena mem = {0};
    rs_tensor_out *list = rs_new(&mem, rs_tensor_out, m->tensors);
    rs_status st = list ? RS_OK : rs_fail(err, RS_ENOMEM, "write %s: no memory", path);

    for (size_t i = 0; st == RS_OK && i < m->tensors; i++) {
        const rs_param *p = &m->table[i];
        const float *data = m->params + p->offset;
        float *turned = p->transposed ? rs_new(&mem, float, p->count) : NULL;
        if (p->transposed && !turned)
            st = rs_fail(err, RS_ENOMEM, "write %s: no memory", path);
        else if (turned)
            transpose(turned, data, p->shape[1], p->shape[0]);
        list[i] = (rs_tensor_out){.name = p->name, .rank = p->rank, .shape = p->shape,
                                  .dtype = half && p->count > 1 ? RS_DTYPE_F16 : RS_DTYPE_F32,
                                  .data = turned ? turned : data};
    }
    if (st == RS_OK)
        st = rs_tensors_write(path, list, m->tensors, err);
    rs_arena_clear(&mem);
    return st;
}

static rs_status write_config(const rs_dual *m, rs_layout layout, const char *path, rs_err *err)
{
    if (layout == RS_LAYOUT_HF)
        return rs_dual_config_save(&m->config, path, err);
    if (m->config_text)
        return rs_file_write(path, m->config_text, strlen(m->config_text), err);
    return rs_open_clip_config_save(&m->config, path, err);
}

rs_status rs_dual_save(const rs_dual *m, const char *folder, bool half, rs_err *err)
{
    const rs_layout layout = rs_layout_of(&m->config);
    char *config = rs_path_join(folder, rs_layout_config(layout));
    char *weights = rs_path_join(folder, rs_layout_weights(layout));
    rs_status st;

    if (!config || !weights)
        st = rs_fail(err, RS_ENOMEM, "write %s: no memory", folder);
    else if ((st = rs_mkdirs(folder, err)) == RS_OK &&
             (st = write_weights(m, weights, half, err)) == RS_OK)
        st = write_config(m, layout, config, err);
    rs_free(config);
    rs_free(weights);
    return st;
}

/* ---- Asking ---------------------------------------------------------- */

const rs_dual_config *rs_dual_config_of(const rs_dual *m) { return &m->config; }
bool rs_dual_int8(const rs_dual *m) { return m->int8; }
size_t rs_dual_param_count(const rs_dual *m) { return m->count; }
float *rs_dual_params(rs_dual *m) { return m->params; }

const char *const *rs_dual_unknown(const rs_dual *m, size_t *n)
{
    *n = m->unknowns;
    return m->unknown;
}

const rs_param *rs_dual_param_table(const rs_dual *m, size_t *n)
{
    *n = m->tensors;
    return m->table;
}

const rs_param *rs_dual_param(const rs_dual *m, const char *name)
{
    for (size_t i = 0; i < m->tensors; i++)
        if (strcmp(m->table[i].name, name) == 0)
            return &m->table[i];
    return NULL;
}

float rs_dual_logit_scale(const rs_dual *m)
{
    return expf(m->params[m->at.logit_scale]);
}
