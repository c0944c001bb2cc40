/* golden.h - reference values of tests/data/NAME.safetensors, and how near ours are.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_TESTS_EMBEDDINGS_GOLDEN_H
#define RS_TESTS_EMBEDDINGS_GOLDEN_H

#include "base/alloc.h"
#include "embeddings/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static inline rs_tensors *golden_open(const char *path)
{
    rs_tensors *t = NULL;
    rs_err err = {0};

    if (rs_tensors_open(&t, path, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return t;
}

static inline const rs_tensor *golden_find(const rs_tensors *g, const char *name, rs_dtype dtype)
{
    const rs_tensor *t = rs_tensors_find(g, name);

    if (!t || t->dtype != dtype)
        fail_msg("no %s of type %s", name, rs_dtype_name(dtype));
    return t;
}

/* A copy of the tensor's numbers; caller rs_free()s. *n may be NULL. */
static inline float *golden_floats(const rs_tensors *g, const char *name, size_t *n)
{
    const rs_tensor *t = golden_find(g, name, RS_DTYPE_F32);
    float *x = rs_calloc(t->count, sizeof *x);

    assert_non_null(x);
    memcpy(x, t->data, t->count * sizeof *x);
    if (n)
        *n = t->count;
    return x;
}

/* n texts: `ids` [n x max] padded and `length` [n] of the file, packed end to end. */
typedef struct {
    size_t n;
    int32_t *ids;
    size_t *length;
} golden_texts;

static inline golden_texts golden_texts_of(const rs_tensors *g)
{
    const rs_tensor *ids = golden_find(g, "ids", RS_DTYPE_I32);
    const rs_tensor *length = golden_find(g, "length", RS_DTYPE_I32);
    const size_t n = length->count, max = ids->count / n;
    golden_texts t = {n, rs_calloc(ids->count, sizeof *t.ids), rs_calloc(n, sizeof *t.length)};
    size_t at = 0;

    assert_true(t.ids && t.length);
    for (size_t i = 0; i < n; i++) {
        int32_t len;
        memcpy(&len, length->data + 4 * i, sizeof len);
        memcpy(t.ids + at, ids->data + 4 * i * max, (size_t)len * sizeof *t.ids);
        t.length[i] = (size_t)len;
        at += (size_t)len;
    }
    return t;
}

static inline void golden_texts_clear(golden_texts *t)
{
    rs_free(t->ids);
    rs_free(t->length);
}

/* ---- Nearness ------------------------------------------------------------------------ */

static inline double max_difference(const float *a, const float *b, size_t n)
{
    double worst = 0;

    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        worst = d > worst || isnan(d) ? d : worst;
        if (isnan(d))
            return INFINITY;
    }
    return worst;
}

static inline double largest(const float *a, size_t n)
{
    double top = 0;

    for (size_t i = 0; i < n; i++)
        top = fmax(top, fabs((double)a[i]));
    return top;
}

static inline double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;

    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

/* Fails naming `what` where a and b differ by more than `tolerance` anywhere. */
static inline void assert_near(const char *what, const float *got, const float *want, size_t n,
                               double tolerance)
{
    double d = max_difference(got, want, n);

    if (!(d <= tolerance))
        fail_msg("%s: off by %g, allowed %g", what, d, tolerance);
}

#endif
