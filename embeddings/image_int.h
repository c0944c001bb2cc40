/* image_int.h - what image.c and the two codecs share. Inside embeddings/ only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_IMAGE_INT_H
#define RS_EMBEDDINGS_IMAGE_INT_H

#include "embeddings/image.h"

/* RS_EARG-free check of a size that a file claims: RS_ECORRUPT for 0, RS_ELIMIT
 * above RS_IMAGE_MAX_SIDE or RS_IMAGE_MAX_PIXELS. */
rs_status rs_image_check_claim(size_t width, size_t height, rs_err *err);

/* Decoders of one format; `bytes` begins with its signature. As rs_image_decode. */
rs_status rs_png_decode(rs_image *im, const unsigned char *bytes, size_t len, rs_err *err);
rs_status rs_jpeg_decode(rs_image *im, const unsigned char *bytes, size_t len, rs_err *err);

#endif
