/* teacher.c - see teacher.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/teacher.h"

#include "base/alloc.h"
#include "embeddings/safetensors.h"

#include <math.h>
#include <stdbool.h>

enum { MAX_DIM = 65536 };

static bool is_zero(const float *row, size_t d)
{
    for (size_t k = 0; k < d; k++)
        if (row[k] != 0.0f)
            return false;
    return true;
}

/* Mean over the training rows that have features. mean [d] starts as zeros. */
static void mean_row(double *mean, const rs_teacher *t, const rs_dataset *ds)
{
    size_t counted = 0;

    for (size_t i = 0; i < ds->n_train; i++) {
        const float *row = t->rows + ds->rows[ds->train[i]].line * t->d;
        if (is_zero(row, t->d))
            continue;
        counted++;
        for (size_t k = 0; k < t->d; k++)
            mean[k] += row[k];
    }
    for (size_t k = 0; k < t->d; k++)
        mean[k] /= counted ? (double)counted : 1.0;
}

static rs_status centre(rs_teacher *t, const rs_dataset *ds, rs_err *err)
{
    double *mean = rs_calloc(t->d, sizeof *mean);

    if (!mean)
        return rs_fail(err, RS_ENOMEM, "teacher: no memory");
    mean_row(mean, t, ds);
    for (size_t i = 0; i < t->n; i++) {
        float *row = t->rows + i * t->d;
        double sum = 0;
        if (is_zero(row, t->d))
            continue;
        for (size_t k = 0; k < t->d; k++) {
            row[k] = (float)(row[k] - mean[k]);
            sum += (double)row[k] * row[k];
        }
        for (size_t k = 0; k < t->d; k++)
            row[k] = sum > 0 ? (float)(row[k] / sqrt(sum)) : 0.0f;
    }
    rs_free(mean);
    return RS_OK;
}

rs_status rs_teacher_open(rs_teacher *t, const char *path, const rs_dataset *ds, rs_err *err)
{
    rs_tensors *file = NULL;
    const rs_tensor *features;
    rs_status st = rs_tensors_open(&file, path, err);

    *t = (rs_teacher){0};
    if (st != RS_OK)
        return st;
    features = rs_tensors_find(file, "features");
    if (!features || features->rank != 2 || features->shape[1] == 0 || features->shape[1] > MAX_DIM)
        st = rs_fail(err, RS_ECORRUPT, "%s: wanted an array \"features\" [rows x d]", path);
    else if (features->shape[0] != ds->lines)
        st = rs_fail(err, RS_EMISMATCH, "%s: features of %zu images, but the manifests have %zu lines",
                     path, features->shape[0], ds->lines);
    if (st == RS_OK) {
        t->n = features->shape[0];
        t->d = features->shape[1];
        t->rows = rs_calloc_aligned(features->count, sizeof *t->rows);
        st = t->rows ? rs_tensors_fetch(file, "features", features->shape, 2, t->rows, err)
                     : rs_fail(err, RS_ENOMEM, "%s: no memory for %zu features", path, features->count);
    }
    if (st == RS_OK)
        st = centre(t, ds, err);
    rs_tensors_close(file);
    if (st != RS_OK)
        rs_teacher_clear(t);
    return st;
}

void rs_teacher_clear(rs_teacher *t)
{
    rs_free(t->rows);
    *t = (rs_teacher){0};
}
