/* train_config.h - what `radscout train` is told, read from a JSON file.
 *
 * The fields, their defaults and their meaning are told by rs_train_config_help,
 * which the command prints. Paths are relative to the folder that the command runs in.
 * A field that is not known is refused: a misspelt one would train something else.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_TRAIN_CONFIG_H
#define RS_EMBEDDINGS_TRAIN_CONFIG_H

#include "base/arena.h"
#include "base/status.h"
#include "embeddings/augment.h"
#include "embeddings/dual.h"
#include "embeddings/optimizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { RS_DISTILL_NONE, RS_DISTILL_RELATIONAL, RS_DISTILL_COSINE } rs_distill;

/* The image-text term: of the model's family, or as asked for. */
typedef enum { RS_TERM_OF_FAMILY, RS_TERM_SOFTMAX, RS_TERM_SIGMOID } rs_term;

/* Strings and lists are borrowed from `mem`. */
typedef struct {
    const char  *out, *cache, *vocab;
    const char  *init;                       /* model folder to start from; NULL: from scratch */
    rs_dual_config model;                    /* where init is NULL; vocab_size, bos_id, eos_id
                                                come from the vocabulary */
    const char **manifests;
    size_t       n_manifests;

    size_t       batch, micro_batch;
    uint64_t     steps;                      /* 0: from `epochs` */
    double       epochs;                     /* of the training rows */
    double       lr, last_lr;
    uint64_t     warmup;
    rs_adamw_config adamw;
    double       clip;                       /* of the gradient's norm; 0: none */
    bool         freeze_logit_scale, recompute;
    uint64_t     seed;
    size_t       threads;                    /* 0: all cores */

    double       contrastive;                /* weights of the terms */
    rs_term      loss;
    double       two_views, two_views_temperature;
    bool         two_views_skip_labels;
    rs_distill   distill;
    const char  *distill_features;
    double       distill_weight, distill_temperature, distill_teacher_temperature;

    rs_augment_config augment;
    double       balance;
    size_t       run, mixed_epochs;          /* see sampler.h */
    const char **weighted_sets;              /* [n_weighted] with weights other than 1 */
    double      *set_weights;
    size_t       n_weighted;

    uint64_t     eval_every, checkpoint_every;      /* steps; 0: at the end only */
    size_t       eval_rows;
    bool         half;                       /* the model is stored as F16 */
    bool         squash;                     /* preprocessing: whole image, no crop */
    rs_arena     mem;
} rs_train_config;

/* RS_ENOENT, RS_ECORRUPT naming the file and the field. */
rs_status rs_train_config_load(rs_train_config *c, const char *path, rs_err *err);
void      rs_train_config_clear(rs_train_config *c);        /* {0} is fine */

/* The table of fields as text, a line or two each. */
extern const char rs_train_config_help[];

#endif
