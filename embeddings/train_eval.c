/* train_eval.c - what the model finds among the validation rows.
 *
 * Ties count against the model: a row's rank is one plus the number of wrong ones that
 * score at least as high, so an encoder that maps everything to one point finds nothing.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/train_int.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "embeddings/loss_int.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum { STREAM_EVAL = 3, CHUNK = 32, LABEL_TEXTS = 32 };

/* The rows that are looked at and what was computed of them. */
typedef struct {
    rs_train_run *r;
    size_t *rows, n;                            /* data row indices */
    float  *image;                              /* [n x d] unit */
    int32_t *texts;                             /* text numbers wanted */
    size_t  n_texts;
    int32_t *place;                             /* [data.n_texts] place in texts, or -1 */
    float  *text;                               /* [n_texts x d] unit */
    size_t  image_chunks;
    rs_tape **tape;                             /* [threads] */
    float  **pixels;                            /* [threads][CHUNK x 3 x size x size] */
    pthread_mutex_t lock;
    rs_status st;
    rs_err err;
} evaluation;

/* ---- Choosing -------------------------------------------------------- */

/* Up to eval_rows val rows in a seeded order, the sets taking turns: a large set does not
 * crowd the others out. */
static rs_status choose_rows(evaluation *e, rs_arena *mem, rs_err *err)
{
    const rs_dataset *ds = &e->r->data;
    size_t limit = e->r->c->eval_rows < ds->n_val ? e->r->c->eval_rows : ds->n_val;
    size_t *order = rs_new(mem, size_t, ds->n_val), *at = rs_new(mem, size_t, ds->n_sets);
    rs_random rnd = rs_random_derive(e->r->c->seed, STREAM_EVAL);

    e->rows = rs_new(mem, size_t, limit);
    if (!order || !at || !e->rows)
        return rs_fail(err, RS_ENOMEM, "evaluation: no memory");
    memcpy(order, ds->val, ds->n_val * sizeof *order);
    rs_random_shuffle(&rnd, order, ds->n_val);
    for (size_t s = 0; e->n < limit; s = (s + 1) % ds->n_sets) {
        while (at[s] < ds->n_val && ds->rows[order[at[s]]].set != (int32_t)s)
            at[s]++;
        if (at[s] < ds->n_val)
            e->rows[e->n++] = order[at[s]++];
    }
    return RS_OK;
}

static void want_text(evaluation *e, int32_t t)
{
    if (e->place[t] >= 0)
        return;
    e->place[t] = (int32_t)e->n_texts;
    e->texts[e->n_texts++] = t;
}

/* The first text of each row, and up to LABEL_TEXTS of each label among them. */
static rs_status choose_texts(evaluation *e, rs_arena *mem, rs_err *err)
{
    const rs_dataset *ds = &e->r->data;
    size_t *used = rs_new(mem, size_t, ds->n_labels);

    e->place = rs_new(mem, int32_t, ds->n_texts);
    e->texts = rs_new(mem, int32_t, ds->n_texts);
    if (!used || !e->place || !e->texts)
        return rs_fail(err, RS_ENOMEM, "evaluation: no memory");
    for (size_t t = 0; t < ds->n_texts; t++)
        e->place[t] = -1;
    for (size_t i = 0; i < e->n; i++) {
        const rs_row *row = &ds->rows[e->rows[i]];
        want_text(e, ds->text_of[row->first_text]);
        for (size_t k = 0; row->named_label >= 0 && k < row->n_texts
                           && used[row->named_label] < LABEL_TEXTS; k++, used[row->named_label]++)
            want_text(e, ds->text_of[row->first_text + k]);
    }
    return RS_OK;
}

/* ---- Encoding -------------------------------------------------------- */

static rs_status encode_images(evaluation *e, size_t first, size_t n, size_t worker, rs_err *err)
{
    rs_train_run *r = e->r;
    const rs_dual_config *m = rs_dual_config_of(r->model);
    size_t area = 3 * m->image_size * m->image_size;

    for (size_t i = 0; i < n; i++) {
        rs_image im = rs_dataset_image(&r->data, e->rows[first + i]);
        rs_dataset_pixels(&r->preprocess, &im, e->pixels[worker] + i * area);
    }
    return rs_dual_image_forward(r->model, e->pixels[worker], n, e->tape[worker], false,
                                 e->image + first * m->dim, err);
}

static rs_status encode_texts(evaluation *e, size_t first, size_t n, size_t worker, rs_err *err)
{
    rs_train_run *r = e->r;
    const rs_dataset *ds = &r->data;
    const rs_dual_config *m = rs_dual_config_of(r->model);
    size_t length[CHUNK], at = 0;
    int32_t *ids = rs_calloc(n, m->max_tokens * sizeof *ids);
    rs_status st;

    if (!ids)
        return rs_fail(err, RS_ENOMEM, "evaluation: no memory");
    for (size_t i = 0; i < n; i++) {
        size_t t = (size_t)e->texts[first + i];
        length[i] = ds->token_at[t + 1] - ds->token_at[t];
        memcpy(ids + at, ds->tokens + ds->token_at[t], length[i] * sizeof *ids);
        at += length[i];
    }
    st = rs_dual_text_forward(r->model, ids, length, n, e->tape[worker], false,
                              e->text + first * m->dim, err);
    rs_free(ids);
    return st;
}

static void encode_item(void *ctx, size_t i, size_t worker)
{
    evaluation *e = ctx;
    bool images = i < e->image_chunks;
    size_t first = (images ? i : i - e->image_chunks) * CHUNK;
    size_t total = images ? e->n : e->n_texts, n = total - first < CHUNK ? total - first : CHUNK;
    rs_err err = {0};
    rs_status st = images ? encode_images(e, first, n, worker, &err)
                          : encode_texts(e, first, n, worker, &err);

    if (st != RS_OK) {
        pthread_mutex_lock(&e->lock);
        e->st = st;
        e->err = err;
        pthread_mutex_unlock(&e->lock);
    }
}

static rs_status encode(evaluation *e, rs_arena *mem, rs_err *err)
{
    const rs_dual_config *m = rs_dual_config_of(e->r->model);
    size_t d = m->dim, workers = rs_pool_size(e->r->pool), area = 3 * m->image_size * m->image_size;
    float *norm = rs_new(mem, float, e->n > e->n_texts ? e->n : e->n_texts);

    e->image = rs_new(mem, float, e->n * d);
    e->text = rs_new(mem, float, e->n_texts * d);
    e->tape = rs_new(mem, rs_tape *, workers);
    e->pixels = rs_new(mem, float *, workers);
    if (!norm || !e->image || !e->text || !e->tape || !e->pixels)
        return rs_fail(err, RS_ENOMEM, "evaluation: no memory");
    for (size_t w = 0; w < workers; w++) {
        e->tape[w] = rs_tape_new();
        e->pixels[w] = rs_new(mem, float, CHUNK * area);
        if (!e->tape[w] || !e->pixels[w])
            e->st = rs_fail(&e->err, RS_ENOMEM, "evaluation: no memory");
    }
    e->image_chunks = (e->n + CHUNK - 1) / CHUNK;
    if (e->st == RS_OK)
        rs_pool_for(e->r->pool, e->image_chunks + (e->n_texts + CHUNK - 1) / CHUNK, encode_item, e);
    for (size_t w = 0; w < workers; w++)
        rs_tape_free(e->tape[w]);
    if (e->st != RS_OK) {
        if (err)
            *err = e->err;
        return e->st;
    }
    rs_unit_rows(e->image, norm, e->image, e->n, d);
    rs_unit_rows(e->text, norm, e->text, e->n_texts, d);
    return RS_OK;
}

/* ---- Recall ---------------------------------------------------------- */

enum { ALL_SETS = -1 };

static bool is_in(const evaluation *e, size_t i, int32_t set)
{
    return set == ALL_SETS || e->r->data.rows[e->rows[i]].set == set;
}

/* Rank of the best right one among query i's scores of the rows of `set`. */
static size_t rank_of(const evaluation *e, const float *score, size_t i, int32_t set, bool exact)
{
    const rs_dataset *ds = &e->r->data;
    int32_t label = ds->rows[e->rows[i]].label;
    float best = -INFINITY;
    size_t rank = 1;

    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t j = 0; j < e->n; j++) {
            bool right = j == i || (!exact && ds->rows[e->rows[j]].label == label);
            if (!is_in(e, j, set))
                continue;
            if (pass == 0 && right && score[j] > best)
                best = score[j];
            else if (pass == 1 && !right && !(score[j] < best))
                rank++;
        }
    }
    return rank;
}

static void count_rank(double *r1, double *r5, double *r10, size_t rank, size_t n)
{
    *r1 += rank <= 1 ? 1.0 / (double)n : 0.0;
    *r5 += rank <= 5 ? 1.0 / (double)n : 0.0;
    *r10 += rank <= 10 ? 1.0 / (double)n : 0.0;
}

/* score [n x n]: row i's query against all; the rows of `set` among themselves. */
static rs_recall recall(const evaluation *e, const float *score, int32_t set)
{
    rs_recall out = {0};
    size_t n = 0;

    for (size_t i = 0; i < e->n; i++)
        n += is_in(e, i, set);
    for (size_t i = 0; i < e->n; i++) {
        const float *row = score + i * e->n;
        if (!is_in(e, i, set))
            continue;
        count_rank(&out.r1, &out.r5, &out.r10, rank_of(e, row, i, set, false), n);
        count_rank(&out.exact_r1, &out.exact_r5, &out.exact_r10, rank_of(e, row, i, set, true), n);
    }
    return out;
}

/* ---- Zero-shot ------------------------------------------------------- */

/* Each label's vector: the mean of its texts' unit vectors. known [n_labels]: whether it
 * has one in this set. */
static size_t label_vectors(const evaluation *e, int32_t set, float *vector, bool *known, size_t d)
{
    const rs_dataset *ds = &e->r->data;
    size_t count = 0;

    memset(vector, 0, ds->n_labels * d * sizeof *vector);
    memset(known, 0, ds->n_labels * sizeof *known);
    for (size_t i = 0; i < e->n; i++) {
        const rs_row *row = &ds->rows[e->rows[i]];
        if (row->set != set || row->named_label < 0)
            continue;
        count += !known[row->named_label];
        known[row->named_label] = true;
        for (size_t k = 0; k < row->n_texts; k++) {
            int32_t at = e->place[ds->text_of[row->first_text + k]];
            for (size_t j = 0; at >= 0 && j < d; j++)
                vector[(size_t)row->named_label * d + j] += e->text[(size_t)at * d + j];
        }
    }
    return count;
}

static void zero_shot(const evaluation *e, int32_t set, float *vector, float *norm, bool *known,
                      size_t d, rs_set_report *out)
{
    const rs_dataset *ds = &e->r->data;
    size_t right = 0, rows = 0, labels = label_vectors(e, set, vector, known, d);

    out->zero_shot = NAN;
    if (labels < 2)
        return;
    rs_unit_rows(vector, norm, vector, ds->n_labels, d);
    for (size_t i = 0; i < e->n; i++) {
        const rs_row *row = &ds->rows[e->rows[i]];
        float best = -INFINITY;
        size_t pick = ds->n_labels;
        if (row->set != set || row->named_label < 0)
            continue;
        for (size_t l = 0; l < ds->n_labels; l++) {
            float s = 0;
            for (size_t j = 0; known[l] && j < d; j++)
                s += vector[l * d + j] * e->image[i * d + j];
            if (known[l] && s > best)
                best = s, pick = l;
        }
        rows++;
        right += pick == (size_t)row->named_label;
    }
    out->labels = labels;
    out->zero_shot = (double)right / (double)rows;
}

/* ---- All of it ------------------------------------------------------- */

typedef struct {
    float *text_score, *image_score;            /* [n x n]: texts against images, and back */
    float *text;                                /* [n x d] first texts */
    float *vector, *norm;                       /* [labels x d], [labels] */
    bool  *known;                               /* [labels] */
} scratch;

static rs_status new_scratch(scratch *s, const evaluation *e, size_t d, rs_arena *mem, rs_err *err)
{
    size_t n = e->n, labels = e->r->data.n_labels;

    s->text_score = rs_new(mem, float, n * n);
    s->image_score = rs_new(mem, float, n * n);
    s->text = rs_new(mem, float, n * d);
    s->vector = rs_new(mem, float, labels * d);
    s->norm = rs_new(mem, float, labels);
    s->known = rs_new(mem, bool, labels);
    if (!s->text_score || !s->image_score || !s->text || !s->vector || !s->norm || !s->known)
        return rs_fail(err, RS_ENOMEM, "evaluation: no memory");
    return RS_OK;
}

static rs_status measure(evaluation *e, rs_arena *mem, rs_eval_report *report,
                         rs_set_report *per_set, rs_err *err)
{
    const rs_dataset *ds = &e->r->data;
    size_t d = rs_dual_config_of(e->r->model)->dim, sets = 0;
    double sum = 0;
    scratch s;
    rs_status st = new_scratch(&s, e, d, mem, err);

    if (st != RS_OK)
        return st;
    for (size_t i = 0; i < e->n; i++) {
        int32_t t = ds->text_of[ds->rows[e->rows[i]].first_text];
        memcpy(s.text + i * d, e->text + (size_t)e->place[t] * d, d * sizeof *s.text);
    }
    rs_dense(RS_NT, s.text_score, s.text, e->image, e->n, e->n, d, 1, 0);
    rs_dense(RS_NT, s.image_score, e->image, s.text, e->n, e->n, d, 1, 0);
    report->rows = e->n;
    report->text_to_image = recall(e, s.text_score, ALL_SETS);
    report->image_to_text = recall(e, s.image_score, ALL_SETS);
    for (size_t k = 0; k < ds->n_sets; k++) {
        rs_set_report *p = &per_set[k];
        for (size_t i = 0; i < e->n; i++)
            p->rows += is_in(e, i, (int32_t)k);
        p->text_to_image = recall(e, s.text_score, (int32_t)k);
        p->image_to_text = recall(e, s.image_score, (int32_t)k);
        zero_shot(e, (int32_t)k, s.vector, s.norm, s.known, d, p);
        sum += p->labels ? p->zero_shot : 0;
        sets += p->labels > 0;
    }
    report->zero_shot = sets ? sum / (double)sets : NAN;
    return RS_OK;
}

rs_status rs_train_eval(rs_train_run *r, rs_eval_report *report, rs_set_report *per_set,
                        rs_err *err)
{
    evaluation e = {.r = r};
    rs_arena mem = {0};
    rs_status st;

    *report = (rs_eval_report){.zero_shot = NAN};
    memset(per_set, 0, r->data.n_sets * sizeof *per_set);
    if (r->data.n_val == 0)
        return RS_OK;
    pthread_mutex_init(&e.lock, NULL);
    st = choose_rows(&e, &mem, err);
    if (st == RS_OK)
        st = choose_texts(&e, &mem, err);
    if (st == RS_OK)
        st = encode(&e, &mem, err);
    if (st == RS_OK)
        st = measure(&e, &mem, report, per_set, err);
    pthread_mutex_destroy(&e.lock);
    rs_arena_clear(&mem);
    return st;
}
