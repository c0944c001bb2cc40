/* image_int.h - a decoder's rows and where they go; the two codecs. Inside embeddings/
 * only.
 *
 * A decoder hands its rows to a sink, one at a time and top to bottom, so that whoever
 * wants a small picture of a large file never holds the large one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_IMAGE_INT_H
#define RS_EMBEDDINGS_IMAGE_INT_H

#include "embeddings/image.h"

#include <stdbool.h>

/* What a file holds, known and checked before any memory is taken. */
typedef struct {
    size_t width, height;         /* of the file */
    size_t channels, depth;       /* of the rows: as in rs_image */
    bool   in_passes;             /* interlaced: rows come several times, each time more whole */
    bool   scalable;              /* JPEG: begin may ask for a fraction by setting `eighths` */
    size_t eighths;               /* 1..8: rows come at eighths / 8 of the size, rounded up */
} rs_file_shape;

typedef struct {
    void *ctx;
    rs_status (*begin)(void *ctx, rs_file_shape *shape, rs_err *err);
    /* Where row y is to be written, [width x channels] samples; in_passes: the same place
     * each time, what was written there before unchanged. */
    void *(*place)(void *ctx, size_t y);
    /* Row y has been written (in_passes: not called). NULL where nobody asks. */
    void (*row)(void *ctx, size_t y);
} rs_row_sink;

/* ceil(n * eighths / 8): a side at that fraction. */
size_t rs_eighths_of(size_t n, size_t eighths);
/* The least fraction of 1, 2, 4 and 8 eighths (others have no fast transform) at which a
 * scalable file is at least width x height; 8 for any other. */
size_t rs_eighths_for(const rs_file_shape *s, double width, double height);

/* RS_EARG-free check of a size that a file claims: RS_ECORRUPT for 0, RS_ELIMIT
 * above RS_IMAGE_MAX_SIDE or RS_IMAGE_MAX_PIXELS. */
rs_status rs_image_check_claim(size_t width, size_t height, rs_err *err);

/* Decode a PNG or JPEG into `to`; errors as rs_image_decode, and what begin says. On an
 * error rows may have come already: they are worth nothing. */
rs_status rs_image_rows(const void *bytes, size_t len, const rs_row_sink *to, rs_err *err);
/* Those of one format; `bytes` begins with its signature. */
rs_status rs_png_rows(const unsigned char *bytes, size_t len, const rs_row_sink *to, rs_err *err);
rs_status rs_jpeg_rows(const unsigned char *bytes, size_t len, const rs_row_sink *to, rs_err *err);

#endif
