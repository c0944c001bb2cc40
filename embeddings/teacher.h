/* teacher.h - another encoder's features of the training images, computed beforehand.
 *
 * A safetensors file with one array "features" [rows of all manifests x d], F32 or F16
 * (tests/reference/teacher_features.py writes it). A row of zeros: no features.
 * The training rows' mean is taken off and each row brought to unit length: features
 * after a ReLU all point the same way, and their cosines would say little.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_TEACHER_H
#define RS_EMBEDDINGS_TEACHER_H

#include "base/status.h"
#include "embeddings/dataset.h"

#include <stddef.h>

typedef struct {
    float *rows;                 /* [n x d], unit rows or zeros; n lines of the manifests */
    size_t n, d;
} rs_teacher;

/* RS_EMISMATCH when the file has not one row for each manifest line. */
rs_status rs_teacher_open(rs_teacher *t, const char *path, const rs_dataset *ds, rs_err *err);
void      rs_teacher_clear(rs_teacher *t);               /* {0} is fine */

#endif
