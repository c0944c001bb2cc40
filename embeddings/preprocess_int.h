/* preprocess_int.h - preprocessing while the rows come in. Inside embeddings/ only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_PREPROCESS_INT_H
#define RS_EMBEDDINGS_PREPROCESS_INT_H

#include "embeddings/preprocess.h"

/* Smallest and largest sample of a 16-bit grey picture; {UINT16_MAX, 0}: none seen. */
typedef struct { uint16_t lo, hi; } rs_sample_range;

void rs_sample_range_widen(rs_sample_range *r, const uint16_t *row, size_t n);
/* How 16-bit grey becomes 8 bits: byte_of[v - lo] for the samples of a range, (v - lo) * 255 /
 * (hi - lo) rounded half up; a flat image becomes 0. Caller rs_free()s; NULL on OOM. */
uint8_t *rs_sample_range_bytes(rs_sample_range range);

/* The size to which a picture of width x height is resized before the crop; RS_EARG
 * where that does not fit the encoder. */
rs_status rs_preprocess_size(const rs_preprocess *p, size_t width, size_t height,
                             size_t *full_width, size_t *full_height, rs_err *err);

/* A picture on its way through `p`. It is file_width x file_height, and its rows come in
 * eighths / 8 of that, rounded up. `range` is asked of 16-bit grey, else NULL. `p` and
 * the object stay where they are. RS_EARG, RS_ENOMEM. */
typedef struct rs_preprocess_rows rs_preprocess_rows;

rs_status rs_preprocess_rows_new(rs_preprocess_rows **out, const rs_preprocess *p,
                                 size_t file_width, size_t file_height, size_t channels,
                                 size_t depth, size_t eighths, const rs_sample_range *range,
                                 rs_err *err);
void      rs_preprocess_rows_take(rs_preprocess_rows *r, const void *row);    /* the next one */
void      rs_preprocess_rows_emit(const rs_preprocess_rows *r, float *out);   /* after the last */
void      rs_preprocess_rows_free(rs_preprocess_rows *r);                     /* NULL is fine */

#endif
