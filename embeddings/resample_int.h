/* resample_int.h - a window of a resized image, made while its rows come in. Inside
 * embeddings/ only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_RESAMPLE_INT_H
#define RS_EMBEDDINGS_RESAMPLE_INT_H

#include "embeddings/image.h"
#include "embeddings/preprocess.h"

/* The image is resized to full_width x full_height, and of that only the
 * width x height pixels from (x, y) on are computed: a crop costs its own size,
 * however long the other edge would have become. */
typedef struct {
    size_t full_width, full_height;      /* >= 1; may exceed RS_IMAGE_MAX_SIDE */
    size_t x, y, width, height;          /* within full; each side as rs_image_new allows */
} rs_window;

/* The rows that come: `height` of them, `width` pixels each. The picture ends at
 * (extent_x, extent_y), in these pixels: at width and height, or up to one pixel before,
 * where a JPEG decoded at a fraction of its size ends within its last pixel. */
typedef struct {
    size_t width, height, channels, depth;
    double extent_x, extent_y;
} rs_rows;

typedef struct rs_resampler rs_resampler;

/* Fill *to, which the caller clears and which must stay where it is, from the rows given
 * to rs_resampler_row, top to bottom. After the last one (in->height) it is complete, the
 * same to the bit however the rows came. Memory: some rows. RS_EARG for a window outside
 * `full`, RS_ENOMEM; then *to is empty. */
rs_status rs_resampler_new(rs_resampler **out, rs_image *to, const rs_rows *in, rs_window w,
                           rs_resample how, rs_err *err);
/* row: [width x channels] samples, not kept. */
void      rs_resampler_row(rs_resampler *r, const void *row);
void      rs_resampler_free(rs_resampler *r);              /* NULL is fine; *to stays */

#endif
