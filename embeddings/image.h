/* image.h - pixels in memory, and the files they come from.
 *
 * An rs_image is grey or RGB, 8 or 16 bits a sample, row-major, no padding. Every
 * decoder ends here; the preprocessing of every encoder starts here, or from the rows
 * as they come (intake.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_IMAGE_H
#define RS_EMBEDDINGS_IMAGE_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    size_t width, height;        /* pixels, each 1..RS_IMAGE_MAX_SIDE */
    size_t channels;             /* 1 grey, 3 RGB */
    size_t depth;                /* bits a sample: 8 or 16 (host byte order) */
    void  *pixels;               /* [height x width x channels], owned, 64-byte aligned */
} rs_image;

enum {
    RS_IMAGE_MAX_SIDE = 32768,
    RS_IMAGE_MAX_PIXELS = 100 * 1000 * 1000,     /* larger files are refused before decoding */
    RS_IMAGE_MAX_FILE = 512 << 20                /* bytes */
};

/* Allocate zeroed pixels. RS_EARG for a shape outside the limits, RS_ENOMEM. */
rs_status rs_image_new(rs_image *im, size_t width, size_t height, size_t channels,
                       size_t depth, rs_err *err);
void      rs_image_clear(rs_image *im);          /* {0} is fine */

/* Decode a PNG or JPEG, told apart by its first bytes: PNG grey/RGB/palette, 1-16
 * bits, alpha (dropped, as PIL's convert("RGB") does), interlaced; JPEG grey, YCbCr,
 * CMYK (none of 12 bits, lossless or arithmetic-coded), EXIF rotation left alone.
 * 16 bits stay 16 bits. On RS_OK the caller clears *im. RS_EFORMAT for another kind of
 * file, RS_ECORRUPT for a damaged or cut one, RS_ELIMIT for one over
 * RS_IMAGE_MAX_PIXELS, RS_ENOMEM. A bomb costs its header only. Any thread. */
rs_status rs_image_decode(rs_image *im, const void *bytes, size_t len, rs_err *err);
/* How large it is, by its head alone; errors as above, as far as that tells them. */
rs_status rs_image_size(size_t *width, size_t *height, const void *bytes, size_t len, rs_err *err);
/* Read at most RS_IMAGE_MAX_FILE bytes of `path` and decode; messages name the path. */
rs_status rs_image_load(rs_image *im, const char *path, rs_err *err);

/* Encode as PNG (8 or 16 bits). Caller rs_free()s *bytes. The quick one takes a quarter to
 * a twelfth of the time for files a twentieth to a fifth larger: for what is made while somebody
 * waits. */
rs_status rs_image_to_png(char **bytes, size_t *len, const rs_image *im, rs_err *err);
rs_status rs_image_to_png_quick(char **bytes, size_t *len, const rs_image *im, rs_err *err);
/* Encode as baseline JPEG, 8 bits only, of quality 1 to 100 (as cjpeg counts); colour is
 * subsampled below 90. RS_EARG for another image or quality, RS_ENOMEM. Caller rs_free()s
 * *bytes. Any thread. */
rs_status rs_image_to_jpeg(char **bytes, size_t *len, const rs_image *im, int quality,
                           rs_err *err);
rs_status rs_image_save_png(const rs_image *im, const char *path, rs_err *err);

#endif
