/* train_step.c - one step of training: see train.h for how a batch is split.
 *
 *   draw rows and texts -> [views, image forward | text forward] -> loss over the batch
 *   -> [image backward | text backward] -> sum, clip, AdamW
 *
 * What stands in brackets runs on the pool. Images and texts touch different parameters,
 * so block k takes the gradients of the k-th stretch of both.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/train_int.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "embeddings/loss.h"
#include "embeddings/matmul.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

/* Streams of random numbers: one a step for texts, one an image of a step for its view. */
enum { STREAM_TEXT = 1, STREAM_VIEW = 2 };

static uint64_t stream(uint64_t seed, unsigned which)
{
    return seed * 4 + which;
}

/* ---- Memory ---------------------------------------------------------- */

static size_t chunks_of(size_t n, size_t micro)
{
    return (n + micro - 1) / micro;
}

static rs_tape **new_tapes(size_t n)
{
    rs_tape **t = rs_calloc(n, sizeof(rs_tape *));

    for (size_t i = 0; t && i < n; i++) {
        t[i] = rs_tape_new();
        if (!t[i]) {
            while (i--)
                rs_tape_free(t[i]);
            rs_free(t);
            return NULL;
        }
    }
    return t;
}

rs_status rs_train_batch_new(rs_train_run *r, rs_err *err)
{
    rs_train_batch *b = &r->batch;
    const rs_dual_config *m = rs_dual_config_of(r->model);
    size_t n, d = m->dim, area = 3 * m->image_size * m->image_size, workers = rs_pool_size(r->pool);

    b->batch = r->c->batch;
    b->views = r->c->two_views > 0 ? 2 : 1;
    b->micro = r->c->micro_batch;
    n = b->batch * b->views;
    b->n_image_tapes = r->c->recompute ? workers : chunks_of(n, b->micro);
    b->n_text_tapes = r->c->recompute ? workers : chunks_of(b->batch, b->micro);
    b->rows = rs_calloc(b->batch, sizeof *b->rows);
    b->text = rs_calloc(b->batch, sizeof *b->text);
    b->unique = rs_calloc(b->batch, sizeof *b->unique);
    b->seen = rs_calloc(r->data.n_texts, sizeof *b->seen);
    b->label = rs_calloc(n, sizeof *b->label);
    b->pixels = rs_calloc_aligned(n, area * sizeof *b->pixels);
    b->image = rs_calloc_aligned(n, d * sizeof *b->image);
    b->d_image = rs_calloc_aligned(n, d * sizeof *b->d_image);
    b->text_unique = rs_calloc_aligned(b->batch, d * sizeof *b->text_unique);
    b->d_text_unique = rs_calloc_aligned(b->batch, d * sizeof *b->d_text_unique);
    b->text_row = rs_calloc_aligned(b->batch, d * sizeof *b->text_row);
    b->d_text_row = rs_calloc_aligned(b->batch, d * sizeof *b->d_text_row);
    b->ids = rs_calloc(b->batch, m->max_tokens * sizeof *b->ids);
    b->id_at = rs_calloc(b->batch + 1, sizeof *b->id_at);
    b->length = rs_calloc(b->batch, sizeof *b->length);
    b->teacher = rs_calloc(b->batch, (r->teacher.d ? r->teacher.d : 1) * sizeof *b->teacher);
    b->image_tape = new_tapes(b->n_image_tapes);
    b->text_tape = new_tapes(b->n_text_tapes);
    if (!b->rows || !b->text || !b->unique || !b->seen || !b->label || !b->pixels || !b->image
        || !b->d_image || !b->text_unique || !b->d_text_unique || !b->text_row || !b->d_text_row
        || !b->ids || !b->id_at || !b->length || !b->teacher || !b->image_tape || !b->text_tape)
        return rs_fail(err, RS_ENOMEM, "a batch of %zu images of %zu pixels: no memory", n,
                       m->image_size);
    for (size_t t = 0; t < r->data.n_texts; t++)
        b->seen[t] = -1;
    return RS_OK;
}

void rs_train_batch_clear(rs_train_batch *b)
{
    for (size_t i = 0; b->image_tape && i < b->n_image_tapes; i++)
        rs_tape_free(b->image_tape[i]);
    for (size_t i = 0; b->text_tape && i < b->n_text_tapes; i++)
        rs_tape_free(b->text_tape[i]);
    void *owned[] = {b->rows, b->text, b->unique, b->seen, b->label, b->pixels, b->image,
                     b->d_image, b->text_unique, b->d_text_unique, b->text_row, b->d_text_row,
                     b->ids, b->id_at, b->length, b->teacher, b->image_tape, b->text_tape};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        rs_free(owned[i]);
    *b = (rs_train_batch){0};
}

/* ---- The batch ------------------------------------------------------- */

/* Rows, one text of each, labels, teacher rows. Equal texts are encoded once. */
static void draw(rs_train_run *r)
{
    rs_train_batch *b = &r->batch;
    const rs_dataset *ds = &r->data;
    rs_random rnd = rs_random_derive(stream(r->c->seed, STREAM_TEXT), r->step);

    rs_sampler_draw(r->sampler, b->rows, b->batch);
    b->n_unique = 0;
    b->id_at[0] = 0;
    for (size_t i = 0; i < b->batch; i++) {
        const rs_row *row = &ds->rows[b->rows[i]];
        int32_t t = ds->text_of[row->first_text + rs_random_below(&rnd, row->n_texts)];
        size_t from = ds->token_at[t], n = ds->token_at[t + 1] - from;
        if (b->seen[t] < 0) {
            size_t u = b->n_unique++;
            b->seen[t] = (int32_t)u;
            b->unique[u] = t;
            b->length[u] = n;
            memcpy(b->ids + b->id_at[u], ds->tokens + from, n * sizeof *b->ids);
            b->id_at[u + 1] = b->id_at[u] + n;
        }
        b->text[i] = b->seen[t];
        for (size_t v = 0; v < b->views; v++)
            b->label[v * b->batch + i] = row->label;
        if (r->teacher.d)
            memcpy(b->teacher + i * r->teacher.d, r->teacher.rows + row->line * r->teacher.d,
                   r->teacher.d * sizeof *b->teacher);
    }
    for (size_t u = 0; u < b->n_unique; u++)
        b->seen[b->unique[u]] = -1;
}

/* View k of the batch (row k mod batch) as the model's input. */
static rs_status make_view(const rs_train_run *r, size_t k, rs_err *err)
{
    const rs_train_batch *b = &r->batch;
    size_t size = r->preprocess.crop_width;
    rs_image from = rs_dataset_image(&r->data, b->rows[k % b->batch]);
    rs_random rnd = rs_random_derive(stream(r->c->seed, STREAM_VIEW),
                                     r->step * b->batch * b->views + k);

    return rs_augment_run(&r->c->augment, &from, size, r->preprocess.mean, r->preprocess.std, &rnd,
                          b->pixels + k * 3 * size * size, err);
}

/* ---- Forward and backward on the pool -------------------------------- */

typedef struct {
    rs_train_run *r;
    size_t image_chunks, text_chunks;
    pthread_mutex_t lock;                       /* guards the two below */
    rs_status st;                               /* the first failure */
    rs_err err;
} pass;

static void note(pass *p, rs_status st, const rs_err *err)
{
    if (st == RS_OK)
        return;
    pthread_mutex_lock(&p->lock);
    if (p->st == RS_OK) {
        p->st = st;
        p->err = *err;
    }
    pthread_mutex_unlock(&p->lock);
}

/* Where chunk c of n items starts and how many it has. */
static size_t chunk_size(size_t c, size_t micro, size_t n)
{
    return n - c * micro < micro ? n - c * micro : micro;
}

static rs_status images_forward(rs_train_run *r, size_t c, size_t worker, bool keep, rs_err *err)
{
    rs_train_batch *b = &r->batch;
    const rs_dual_config *m = rs_dual_config_of(r->model);
    size_t first = c * b->micro, n = chunk_size(c, b->micro, b->batch * b->views);

    return rs_dual_image_forward(r->model, b->pixels + first * 3 * m->image_size * m->image_size,
                                 n, b->image_tape[r->c->recompute ? worker : c], keep,
                                 b->image + first * m->dim, err);
}

static rs_status images_backward(rs_train_run *r, size_t c, size_t worker, float *grads, rs_err *err)
{
    rs_train_batch *b = &r->batch;
    const rs_dual_config *m = rs_dual_config_of(r->model);
    size_t first = c * b->micro, n = chunk_size(c, b->micro, b->batch * b->views);

    return rs_dual_image_backward(r->model, b->image_tape[r->c->recompute ? worker : c],
                                  b->pixels + first * 3 * m->image_size * m->image_size, n,
                                  b->d_image + first * m->dim, grads, err);
}

static rs_status texts_forward(rs_train_run *r, size_t c, size_t worker, bool keep, rs_err *err)
{
    rs_train_batch *b = &r->batch;
    size_t first = c * b->micro, n = chunk_size(c, b->micro, b->n_unique);

    return rs_dual_text_forward(r->model, b->ids + b->id_at[first], b->length + first, n,
                                b->text_tape[r->c->recompute ? worker : c], keep,
                                b->text_unique + first * rs_dual_config_of(r->model)->dim, err);
}

static rs_status texts_backward(rs_train_run *r, size_t c, size_t worker, float *grads, rs_err *err)
{
    rs_train_batch *b = &r->batch;
    size_t first = c * b->micro, n = chunk_size(c, b->micro, b->n_unique);

    return rs_dual_text_backward(r->model, b->text_tape[r->c->recompute ? worker : c],
                                 b->ids + b->id_at[first], b->length + first, n,
                                 b->d_text_unique + first * rs_dual_config_of(r->model)->dim,
                                 grads, err);
}

/* Items 0..image_chunks-1 are chunks of images, the rest of texts. */
static void forward_item(void *ctx, size_t i, size_t worker)
{
    pass *p = ctx;
    rs_train_run *r = p->r;
    rs_train_batch *b = &r->batch;
    bool keep = !r->c->recompute;
    rs_err err = {0};
    rs_status st = RS_OK;

    if (i < p->image_chunks) {
        size_t n = chunk_size(i, b->micro, b->batch * b->views);
        for (size_t k = 0; st == RS_OK && k < n; k++)
            st = make_view(r, i * b->micro + k, &err);
        if (st == RS_OK)
            st = images_forward(r, i, worker, keep, &err);
    } else {
        st = texts_forward(r, i - p->image_chunks, worker, keep, &err);
    }
    note(p, st, &err);
}

/* Items 0..n_blocks-1 are stretches of image chunks, the rest of text chunks. */
static void backward_item(void *ctx, size_t i, size_t worker)
{
    pass *p = ctx;
    rs_train_run *r = p->r;
    bool images = i < r->n_blocks;
    size_t g = images ? i : i - r->n_blocks, chunks = images ? p->image_chunks : p->text_chunks;
    rs_err err = {0};
    rs_status st = RS_OK;

    for (size_t c = g * chunks / r->n_blocks; c < (g + 1) * chunks / r->n_blocks && st == RS_OK; c++) {
        if (r->c->recompute)
            st = images ? images_forward(r, c, worker, true, &err)
                        : texts_forward(r, c, worker, true, &err);
        if (st == RS_OK)
            st = images ? images_backward(r, c, worker, r->blocks[g], &err)
                        : texts_backward(r, c, worker, r->blocks[g], &err);
    }
    note(p, st, &err);
}

/* ---- The loss -------------------------------------------------------- */

static void texts_to_rows(rs_train_batch *b, size_t d)
{
    for (size_t i = 0; i < b->batch; i++)
        memcpy(b->text_row + i * d, b->text_unique + (size_t)b->text[i] * d, d * sizeof(float));
}

static void rows_to_texts(rs_train_batch *b, size_t d)
{
    memset(b->d_text_unique, 0, b->n_unique * d * sizeof(float));
    for (size_t i = 0; i < b->batch; i++)
        for (size_t k = 0; k < d; k++)
            b->d_text_unique[(size_t)b->text[i] * d + k] += b->d_text_row[i * d + k];
}

static rs_status distill_loss(rs_train_run *r, double *value, rs_err *err)
{
    const rs_train_config *c = r->c;
    rs_train_batch *b = &r->batch;
    size_t d = rs_dual_config_of(r->model)->dim;

    switch (c->distill) {
    case RS_DISTILL_NONE:
        return RS_OK;
    case RS_DISTILL_RELATIONAL:
        return rs_loss_relational(&(rs_relational){
            .x = b->image, .teacher = b->teacher, .n = b->batch, .d = d,
            .teacher_d = r->teacher.d, .temperature = c->distill_temperature,
            .teacher_temperature = c->distill_teacher_temperature, .weight = c->distill_weight},
            value, b->d_image, err);
    case RS_DISTILL_COSINE:
        return rs_loss_cosine_map(&(rs_cosine_map){
            .x = b->image, .teacher = b->teacher, .map = r->map, .n = b->batch, .d = d,
            .teacher_d = r->teacher.d, .weight = c->distill_weight},
            value, b->d_image, r->d_map, err);
    }
    return RS_OK;
}

/* Gradients of the loss by the numbers that no tower has. */
typedef struct { double scale, bias; } scalars;

static rs_status image_text_loss(rs_train_run *r, double *value, scalars *d, rs_err *err)
{
    const float *params = rs_dual_params(r->model);
    rs_train_batch *b = &r->batch;
    const rs_contrastive c = {
        .image = b->image, .text = b->text_row, .image_label = b->label, .text_label = b->label,
        .m = b->batch * b->views, .n = b->batch, .d = rs_dual_config_of(r->model)->dim,
        .log_scale = params[r->scale_at], .weight = r->c->contrastive};

    if (r->sigmoid)
        return rs_loss_sigmoid(&c, params[r->bias_at], value, b->d_image, b->d_text_row, &d->scale,
                               &d->bias, err);
    return rs_loss_contrastive(&c, value, b->d_image, b->d_text_row, &d->scale, err);
}

/* All terms; the features' gradients are left in the batch. */
static rs_status batch_loss(rs_train_run *r, rs_step_report *s, scalars *d_scalars, rs_err *err)
{
    const rs_train_config *c = r->c;
    rs_train_batch *b = &r->batch;
    size_t d = rs_dual_config_of(r->model)->dim;
    rs_status st;

    texts_to_rows(b, d);
    memset(b->d_image, 0, b->batch * b->views * d * sizeof(float));
    memset(b->d_text_row, 0, b->batch * d * sizeof(float));
    st = image_text_loss(r, &s->contrastive, d_scalars, err);
    if (st == RS_OK && b->views == 2)
        st = rs_loss_two_views(&(rs_two_views){
            .x = b->image, .label = c->two_views_skip_labels ? b->label : NULL, .n = b->batch,
            .d = d, .temperature = c->two_views_temperature, .weight = c->two_views},
            &s->two_views, b->d_image, err);
    if (st == RS_OK)
        st = distill_loss(r, &s->distill, err);
    rows_to_texts(b, d);
    s->loss = c->contrastive * s->contrastive + c->two_views * s->two_views
            + (c->distill ? c->distill_weight * s->distill : 0.0);
    return st;
}

/* ---- The update ------------------------------------------------------ */

static void forget_gradients(rs_train_run *r)
{
    for (size_t g = 0; g < r->n_blocks; g++)
        memset(r->blocks[g], 0, r->n_params * sizeof(float));
    if (r->map)
        memset(r->d_map, 0, r->teacher.d * rs_dual_config_of(r->model)->dim * sizeof(float));
}

/* CLIP bounds its scale, the sigmoid loss does not. */
static void settle_scalars(rs_train_run *r, float *params, float scale, float bias)
{
    if (r->c->freeze_logit_scale) {
        params[r->scale_at] = scale;
        if (r->bias_at != SIZE_MAX)
            params[r->bias_at] = bias;
    }
    if (!r->sigmoid)
        params[r->scale_at] = fminf(fmaxf(params[r->scale_at], 0.0f), (float)RS_LOGIT_SCALE_MAX);
}

static void update(rs_train_run *r, rs_step_report *s, scalars d)
{
    const rs_train_config *c = r->c;
    const bool has_bias = r->bias_at != SIZE_MAX;
    float *params = rs_dual_params(r->model);
    const float scale = params[r->scale_at], bias = has_bias ? params[r->bias_at] : 0;

    r->blocks[0][r->scale_at] = c->freeze_logit_scale ? 0.0f : (float)d.scale;
    if (has_bias)
        r->blocks[0][r->bias_at] = c->freeze_logit_scale ? 0.0f : (float)d.bias;
    s->grad_norm = rs_adamw_sum(r->adamw, r->blocks, r->n_blocks, r->pool);
    if (!isfinite(s->grad_norm)) {
        s->skipped = true;
        forget_gradients(r);
        return;
    }
    rs_adamw_step(r->adamw, params, r->blocks[0],
                  c->clip > 0 && s->grad_norm > c->clip ? c->clip / s->grad_norm : 1.0, s->lr,
                  r->pool);
    settle_scalars(r, params, scale, bias);
    if (r->map)
        rs_adamw_step(r->map_adamw, r->map, r->d_map, 1.0, s->lr, r->pool);
}

/* ---- The step -------------------------------------------------------- */

static rs_status forward(pass *p, rs_err *err)
{
    rs_pool_for(p->r->pool, p->image_chunks + p->text_chunks, forward_item, p);
    if (p->st != RS_OK && err)
        *err = p->err;
    return p->st;
}

static rs_status backward(pass *p, rs_err *err)
{
    rs_pool_for(p->r->pool, 2 * p->r->n_blocks, backward_item, p);
    if (p->st != RS_OK && err)
        *err = p->err;
    return p->st;
}

rs_status rs_train_step(rs_train_run *r, rs_step_report *s, rs_err *err)
{
    rs_train_batch *b = &r->batch;
    rs_schedule course = {r->c->lr, r->c->last_lr, r->warmup, r->steps};
    double began = rs_now_s();
    scalars d = {0, 0};
    uint64_t flops = rs_matmul_flops();
    pass p = {.r = r};
    rs_status st;

    *s = (rs_step_report){.step = r->step + 1, .lr = rs_schedule_at(&course, r->step)};
    draw(r);
    p.image_chunks = chunks_of(b->batch * b->views, b->micro);
    p.text_chunks = chunks_of(b->n_unique, b->micro);
    pthread_mutex_init(&p.lock, NULL);
    st = forward(&p, err);
    if (st == RS_OK)
        st = batch_loss(r, s, &d, err);
    s->skipped = st == RS_OK && !(isfinite(s->loss) && isfinite(d.scale) && isfinite(d.bias));
    if (st == RS_OK && !s->skipped) {
        st = backward(&p, err);
        if (st == RS_OK)
            update(r, s, d);
    } else if (st == RS_OK && r->map) {
        forget_gradients(r);
    }
    pthread_mutex_destroy(&p.lock);
    if (st != RS_OK)
        return st;
    r->step++;
    s->logit_scale = rs_dual_logit_scale(r->model);
    s->seconds = rs_now_s() - began;
    s->samples_s = (double)b->batch / s->seconds;
    s->gflops = (double)(rs_matmul_flops() - flops) * 1e-9 / s->seconds;
    s->of_peak = r->peak_gflops > 0 ? s->gflops / r->peak_gflops : 0.0;
    return RS_OK;
}
