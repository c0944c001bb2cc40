/* intake.h - an image file straight to an encoder's input: the door through which the
 * indexer and an image query both go, so that a file is the same vector in both.
 *
 * Rows go from the decoder into the resampler as they come; the whole picture is in
 * memory only where it must be:
 *
 *   8-bit PNG, 16-bit colour, JPEG    some rows
 *   16-bit grey                       2 bytes a pixel: its own range must be known first
 *   interlaced PNG                    the picture, as its passes need it
 *   progressive JPEG                  libjpeg's coefficients, 2 bytes a sample
 *
 * A JPEG much larger than the encoder's input is decoded at n/8 of its size, by libjpeg's
 * scaled inverse DCT, and the antialiased resize goes on from there. Exact otherwise: the
 * same floats as rs_image_load and rs_preprocess_run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_INTAKE_H
#define RS_EMBEDDINGS_INTAKE_H

#include "base/threads.h"
#include "embeddings/preprocess.h"

/* A JPEG is decoded no smaller than this many times the resized picture, on either side.
 * Against a whole decode, over 553 JPEGs of 250 to 2048 pixels (real films and slices),
 * levels of 255 at 64 to 224 px, scout-mini at 128:
 *
 *   margin                         0.5    1      2      3      4
 *   worst set's mean difference    6.0    1.6    0.3    0.2    0.1   levels
 *   worst pixel of all             157    60     15     15     2
 *   worst cosine of the vectors    .9929  .9956  .99998 .99998 .99999
 *
 * 2 is the least at which a file and its whole decode still are "the same image" to a
 * search (0.999); larger ones cost time and change nothing that can be told apart. */
#define RS_INTAKE_MARGIN 2.0

typedef struct {
    size_t width, height;           /* of the file */
    size_t eighths;                 /* of that were decoded: 8, or less for a large JPEG */
    double decode_s, resize_s;      /* of the calling thread */
} rs_intake_facts;

/* Decode `bytes` and preprocess into out [3 x crop_height x crop_width]. margin 0: a JPEG
 * too is decoded whole. *facts (may be NULL) is filled in as far as it came. Errors as
 * rs_image_decode and rs_preprocess_run; `out` is then not to be used. Any thread. */
rs_status rs_intake_bytes(const rs_preprocess *p, const void *bytes, size_t len, double margin,
                          float *out, rs_intake_facts *facts, rs_err *err);

/* The same of n files of at most RS_IMAGE_MAX_FILE bytes, split over `pool` (may be NULL),
 * with RS_INTAKE_MARGIN; out: [n x 3 x crop_height x crop_width]. The error is that of the
 * first file that has one, and names its path. */
rs_status rs_intake_files(const rs_preprocess *p, const char *const *paths, size_t n,
                          rs_pool *pool, float *out, rs_err *err);

#endif
