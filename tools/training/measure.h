/* measure.h - the parts of scout_measure; see measure.c for what is measured.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TRAINING_MEASURE_H
#define RS_TRAINING_MEASURE_H

#include "base/arena.h"
#include "base/random.h"
#include "base/status.h"
#include "base/threads.h"
#include "embeddings/encoder.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum { MS_LABEL, MS_MODALITY, MS_REGION, MS_FINDING, MS_PLANE, MS_DATASET,
               MS_ATTRIBUTES } ms_attribute;

typedef struct {
    const char *image, *text, *set, *group, *label;
    const char *value[MS_ATTRIBUTES];      /* NULL where the set does not say */
} ms_row;

/* Test rows of one set, and their vectors by the encoder at hand. */
typedef struct {
    ms_row *rows;
    size_t  n, cap;
    float  *vectors, *texts;               /* [n x d] images; their first texts */
    rs_arena mem;
} ms_set;

/* A model, or with `encoder` NULL random vectors. */
typedef struct {
    const char *name;
    rs_encoder *encoder;
    rs_pool    *pool;
    size_t      dim;
    rs_random   random;
} ms_encoder;

rs_status ms_read_manifest(ms_set *s, const char *path, const char *set, rs_err *err);
rs_status ms_read_medpix(ms_set *s, const char *folder, rs_err *err);
void      ms_set_clear(ms_set *s);

rs_status ms_encode_set(ms_encoder *e, ms_set *s, rs_err *err);
rs_status ms_text_vectors(ms_encoder *e, const char *const *texts, size_t n, float *out, rs_err *err);

double ms_dot(const float *a, const float *b, size_t d);
double ms_precision_at_5(const ms_set *s, size_t d, ms_attribute a, size_t *queries);
double ms_recall(const ms_set *s, const float *from, const float *to, size_t d, size_t k,
                 bool by_case);

/* ---- Zero-shot (zero_shot.c) ----------------------------------------- */

/* A question with a few answers in words. Rows count whose `filter` attribute is
 * `filter_value` (NULL: all) and whose `attribute` is an answer's value. */
typedef struct {
    const char  *name, *set;
    ms_attribute filter;
    const char  *filter_value;
    ms_attribute attribute;
    struct { const char *value, *prompts[4]; } answers[8];
} ms_question;

extern const ms_question ms_questions[];
extern const size_t ms_n_questions;

/* Share of right answers, averaged over the classes so that a large one does not count
 * for more (balanced accuracy). *n rows were asked. */
rs_status ms_zero_shot(ms_encoder *e, const ms_set *s, const ms_question *q, size_t *n,
                       double *accuracy, rs_err *err);

#endif
