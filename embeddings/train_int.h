/* train_int.h - a training run in memory, shared by train*.c and checkpoint.c.
 *
 *   train.c          the run: opens everything, the loop, the end
 *   train_step.c     one step: views, forward, loss, backward, update
 *   train_eval.c     recall and zero-shot accuracy on validation rows
 *   train_log.c      metrics.jsonl and curves.png
 *   checkpoint.c     the state of a run in one file
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_TRAIN_INT_H
#define RS_EMBEDDINGS_TRAIN_INT_H

#include "base/threads.h"
#include "embeddings/dual.h"
#include "embeddings/dataset.h"
#include "embeddings/optimizer.h"
#include "embeddings/preprocess.h"
#include "embeddings/sampler.h"
#include "embeddings/teacher.h"
#include "embeddings/tokenizer.h"
#include "embeddings/train.h"

/* Gradient blocks: each sums the micro-batches of one stretch of the batch, in order,
 * on whichever thread. There are as many as keep 16 threads busy, fewer where the model is
 * so large that they would take more than RS_GRAD_BYTES; never more by the threads that
 * there are, so that a run is the same on any machine. */
enum { RS_GRAD_BLOCKS = 16, RS_GRAD_BLOCKS_LEAST = 8 };
#define RS_GRAD_BYTES ((size_t)1 << 30)

/* What one batch needs; made once. n images = batch x views. */
typedef struct {
    size_t   batch, views, micro;
    size_t  *rows;                     /* [batch] drawn rows */
    int32_t *text;                     /* [batch] number of the drawn text among `unique` */
    int32_t *unique;                   /* [batch] distinct texts of the batch */
    size_t   n_unique;
    int32_t *seen;                     /* [texts of the data set] place in unique, or -1 */
    int32_t *label;                    /* [views x batch], views one after the other */
    float   *pixels;                   /* [n x 3 x size x size] */
    float   *image, *d_image;          /* [n x d] features and their gradients */
    float   *text_unique, *d_text_unique;         /* [batch x d] by unique text */
    float   *text_row, *d_text_row;    /* [batch x d] by row */
    int32_t *ids;                      /* tokens of the unique texts, end to end */
    size_t  *id_at, *length;           /* [batch + 1], [batch] */
    float   *teacher;                  /* [batch x teacher d] */
    rs_tape **image_tape, **text_tape; /* one a micro-batch, or one a thread with recompute */
    size_t   n_image_tapes, n_text_tapes;
} rs_train_batch;

typedef struct {
    const rs_train_config *c;
    const rs_train_options *o;
    rs_pool      *pool;
    rs_tokenizer *tokenizer;
    rs_preprocess preprocess;
    rs_dataset    data;
    rs_sampler   *sampler;
    rs_teacher    teacher;
    rs_dual      *model;
    size_t        n_params, scale_at;  /* floats; where logit_scale lies */
    size_t        bias_at;             /* and logit_bias; SIZE_MAX: the model has none */
    bool          sigmoid;             /* the image-text term */
    rs_adamw     *adamw;
    float        *map, *d_map;         /* [teacher d x d] with cosine distillation, else NULL */
    rs_adamw     *map_adamw;
    float        *blocks[RS_GRAD_BLOCKS];
    size_t        n_blocks;
    rs_train_batch batch;
    uint64_t      step, steps;         /* done; in all */
    uint64_t      warmup, eval_every;
    double        peak_gflops;
} rs_train_run;

/* ---- train_step.c ---------------------------------------------------- */

rs_status rs_train_batch_new(rs_train_run *r, rs_err *err);
void      rs_train_batch_clear(rs_train_batch *b);
/* Draw, forward, loss, backward, update; advances r->step. A step whose loss or gradient
 * is not finite changes no parameter and says so in the report. */
rs_status rs_train_step(rs_train_run *r, rs_step_report *report, rs_err *err);

/* ---- train_eval.c ---------------------------------------------------- */

/* One set's rows among themselves. */
typedef struct {
    size_t rows, labels;               /* looked at; labels 0 where fewer than two */
    rs_recall text_to_image, image_to_text;
    double zero_shot;                  /* accuracy, by the mean of each label's texts */
} rs_set_report;

/* Up to eval_rows val rows, the same ones each time, the sets taking turns.
 * per_set: [data.n_sets]. */
rs_status rs_train_eval(rs_train_run *r, rs_eval_report *report, rs_set_report *per_set,
                        rs_err *err);

/* ---- train_log.c ----------------------------------------------------- */

rs_status rs_train_log_step(const rs_train_run *r, const rs_step_report *s, rs_err *err);
rs_status rs_train_log_eval(const rs_train_run *r, const rs_eval_report *e,
                            const rs_set_report *per_set, rs_err *err);
/* Keep the lines up to r->step only: what a killed run wrote after its checkpoint goes. */
rs_status rs_train_log_rewind(const rs_train_run *r, rs_err *err);
/* Draw curves.png from metrics.jsonl. */
rs_status rs_train_log_plot(const rs_train_run *r, rs_err *err);

/* ---- checkpoint.c ---------------------------------------------------- */

/* OUT/checkpoint.bin, little-endian:
 *   magic "RSTRAIN1", u64 step, u64 parameters, u64 map floats, u64 optimiser steps, u64 map
 *   optimiser steps, u64 seed, u64 sampler bytes; sampler state; f32 parameters, first
 *   moments, second moments; the same three of the map; SHA-256 of all before it in hex. */
rs_status rs_checkpoint_save(rs_train_run *r, rs_err *err);
/* RS_ENOENT: there is none. RS_ECORRUPT: damaged. RS_EMISMATCH: of another model or data. */
rs_status rs_checkpoint_load(rs_train_run *r, rs_err *err);

#endif
