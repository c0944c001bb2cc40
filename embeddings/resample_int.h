/* resample_int.h - a window of a resized image. Inside embeddings/ only.
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

/* Caller clears *out. RS_EARG for a window outside `full`, RS_ENOMEM. */
rs_status rs_resample_window(rs_image *out, const rs_image *im, rs_window w,
                             rs_resample how, rs_err *err);

#endif
