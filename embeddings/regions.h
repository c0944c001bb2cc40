/* regions.h - parts of an image as vectors of the encoder's space: the windows that an
 * archive keeps of each image, and the box that somebody draws.
 *
 * A region costs hardly more than the image: one pass gives the image's vector and those of
 * any boxes. Where a class token is read, a region is the mean of the patches in the box as
 * they enter the last layer, through the final norm and the projection, as the class token
 * goes (dense features as in MaskCLIP: Zhou, Loy, Dai, ECCV 2022, arXiv:2112.01071, but of
 * one layer less). Where a layer pools by attention (SigLIP), that layer's query sees the
 * patches of the box alone. All families have one or the other.
 *
 * The last layer is left out since nothing ever taught it what to make of a patch: only its
 * class token is read. Measured with scout-mini, 432 boxes of findings against 1,500 phantoms
 * (docs/benchmarks.md, "Regions"); "with" adds the whole image's cosine, which alone has .411:
 *
 *                                     mAP    with   finds the place
 *   patches before the last layer    .274   .423   .78
 *   patches after it                 .283   .426   .73
 *   values of the last layer         .185   .410   .77
 *   class token that sees the box    .375   .412   .55
 *   crops as images of their own     less than half of the first
 *
 * Windows: RS_REGIONS_ROW x RS_REGIONS_ROW, a third of the picture's width and height each,
 * half overlapping, of what the encoder sees of the picture: all of it, or what a crop in
 * the middle leaves (preprocess.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_REGIONS_H
#define RS_EMBEDDINGS_REGIONS_H

#include "embeddings/encoder.h"
#include "embeddings/preprocess.h"

enum { RS_REGIONS_ROW = 5, RS_REGIONS_EACH = RS_REGIONS_ROW * RS_REGIONS_ROW };

/* What an archive's regions are made by; another text where they are made otherwise. */
#define RS_REGIONS_RECIPE "patches before the last layer, 5 x 5 windows of 1/3"

/* Boxes are x0 y0 x1 y1, x0 < x1, y0 < y1: of a picture as fractions of its width and height,
 * of the encoder's square as fractions of that. */

/* The windows of a picture that lies so in the square. */
void rs_region_windows(const rs_view *v, double picture[RS_REGIONS_EACH][4],
                       double square[RS_REGIONS_EACH][4]);

/* Where a picture's box lies in the square, as far as it is seen. RS_EARG: it is no box, or
 * none of it is seen. */
rs_status rs_region_seen(const rs_view *v, const double picture[4], double square[4],
                         rs_err *err);

/* From pixels [n x 3 x size x size]: images [n x d] as rs_encoder_pixels, and `m` regions of
 * each, regions [n x m x d], rows of unit length; boxes [n x m x 4] in the square. Promises
 * as encoder.h. RS_ENOMEM. */
rs_status rs_encoder_regions(const rs_encoder *e, const float *pixels, size_t n,
                             const double *boxes, size_t m, rs_pool *pool, float *images,
                             float *regions, rs_err *err);

#endif
