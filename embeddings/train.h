/* train.h - contrastive training of both towers, as a config file says.
 *
 * In the out folder:
 *   config.json, model.safetensors, vocab.json, merges.txt, preprocessor_config.json
 *                      the model, at the end: what rs_encoder_open reads
 *   checkpoint.bin     everything a resumed run needs to go on bit for bit
 *   metrics.jsonl      a line a step and a line an evaluation
 *   curves.png         loss and recall over the steps
 *   cache/             decoded images
 *
 * A batch is split into micro-batches over the pool. Features of all are computed
 * first, the loss sees the whole batch, then each micro-batch goes backward with the
 * cached feature gradients (GradCache, Gao et al. 2021, arXiv:2101.06983); activations
 * are kept between the two, or computed again with "recompute". Gradients are summed in
 * a fixed order: results do not depend on scheduling or on the number of threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_TRAIN_H
#define RS_EMBEDDINGS_TRAIN_H

#include "base/progress.h"
#include "base/status.h"
#include "embeddings/train_config.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* One step, as logged. */
typedef struct {
    uint64_t step;                           /* from 1 */
    double loss;                             /* weighted sum of the terms */
    double contrastive, two_views, distill;  /* unweighted */
    double lr, grad_norm, logit_scale;       /* logit_scale: exp of the parameter */
    double seconds, samples_s, gflops, of_peak;      /* of_peak: share of measured SGEMM */
    bool   skipped;                          /* a loss or gradient was not finite */
} rs_step_report;

/* Hits among the validation rows; r1, r5, r10 in 0..1. A hit has the same label or is
 * the row itself; `exact` counts the row itself only. */
typedef struct { double r1, r5, r10, exact_r1, exact_r5, exact_r10; } rs_recall;

typedef struct {
    size_t rows;
    rs_recall text_to_image, image_to_text;
    double zero_shot;                        /* mean over the sets that have labels; NaN: none */
} rs_eval_report;

typedef struct {
    bool     resume;                         /* go on from OUT/checkpoint.bin */
    uint64_t stop_after;                     /* checkpoint and return after this step; 0: never */
    size_t   threads;                        /* 0: as the config says */
    rs_progress_mode progress;
    const volatile sig_atomic_t *stop;       /* becomes nonzero: checkpoint and return RS_ECANCEL */
    void   (*on_step)(void *ctx, const rs_step_report *s);    /* may be NULL */
    void   (*on_eval)(void *ctx, uint64_t step, const rs_eval_report *e);
    void    *ctx;
} rs_train_options;

typedef struct {
    uint64_t steps, skipped;
    double   seconds, samples_s, of_peak;    /* of this run */
    rs_step_report last;
    rs_eval_report eval;
    size_t   train_rows, val_rows, broken, parameters;
} rs_train_summary;

/* RS_ECANCEL after a requested stop (a checkpoint is there); RS_ECORRUPT when three
 * steps in a row were not finite; else what reading, memory or writing fails with. */
rs_status rs_train(const rs_train_config *c, const rs_train_options *o, rs_train_summary *sum,
                   rs_err *err);

#endif
