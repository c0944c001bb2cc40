/* rendition.h - images made for looking at, out of the file as it was indexed.
 *
 *   thumbnail  8 bits, at most 256 pixels a side, JPEG 85: lists of hits
 *   display    8 bits, at most 1536 a side, JPEG 92: one image on a screen
 *   gray16     16-bit grey PNG, at most 4096 a side: for windowing where it is shown
 *
 * None is ever enlarged; what is reduced is resized as preprocessing does it (bicubic,
 * antialiased), and a side never becomes less than 1. 16 bits become 8 as for the encoder
 * (preprocess.h), so that a thumbnail looks like what was searched; `gray16` keeps a 16-bit
 * source's samples as they are, to the bit where it is not reduced, 8-bit ones times 257, and
 * of colour the luma (ITU-R BT.601). It has no chunks but IHDR, IDAT and IEND, and is not
 * interlaced.
 *
 * A display may have a window, in samples of the file: DICOM PS3.3, C.11.2.1.2.1, LINEAR,
 *
 *   v <= c - 0.5 - (w - 1) / 2   0
 *   v >  c - 0.5 + (w - 1) / 2   255
 *   else                         ((v - (c - 0.5)) / (w - 1) + 0.5) * 255, rounded
 *
 * Rows go from the decoder into the resampler as they come (image_int.h); whole in memory are
 * only an interlaced PNG and 16-bit grey whose range must be known first. A thumbnail of a large
 * JPEG comes from a fraction of it, at least RS_INTAKE_MARGIN times as large.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_RENDITION_H
#define RS_EMBEDDINGS_RENDITION_H

#include "base/status.h"

#include <stddef.h>

/*   name       in URLs      longest  type          as a cached file: another name whenever
 *                           side                   other bytes are made for one and the same */
#define RS_RENDITION_MAP(X)                                                                \
    X(THUMBNAIL, "thumbnail", 256,   "image/jpeg", "thumbnail1.jpg")                       \
    X(DISPLAY,   "display",   1536,  "image/jpeg", "display1.jpg")                         \
    X(GRAY16,    "gray16",    4096,  "image/png",  "gray16-1.png")

typedef enum {
#define RS_RENDITION_ENUM(name, text, side, type, file) RS_RENDITION_##name,
    RS_RENDITION_MAP(RS_RENDITION_ENUM)
#undef RS_RENDITION_ENUM
    RS_RENDITIONS
} rs_rendition;

const char *rs_rendition_name(rs_rendition r);         /* "thumbnail" */
const char *rs_rendition_type(rs_rendition r);         /* "image/jpeg" */
const char *rs_rendition_file(rs_rendition r);         /* "thumbnail1.jpg" */
/* The size that an image of width x height has in it. */
void rs_rendition_size(rs_rendition r, size_t width, size_t height, size_t *to_width,
                       size_t *to_height);

typedef struct { double center, width; } rs_grey_window;     /* of samples; width >= 1 */

/* Make `r` of a PNG or JPEG file's bytes. `window` is NULL or, for a display of a grey image,
 * what becomes black and white. On RS_OK the caller rs_free()s *out. Errors as rs_image_decode;
 * RS_EARG: a window for colour or for another rendition, or of a width below 1. Any thread. */
rs_status rs_rendition_make(char **out, size_t *out_len, rs_rendition r,
                            const rs_grey_window *window, const void *bytes, size_t len,
                            rs_err *err);

#endif
