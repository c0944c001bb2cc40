/* query_images.h - the images that a search asks for, whole or by a box drawn in them.
 *
 *   --image a.png                       the image
 *   --image a.png --box 0.2,0.3,0.5,0.6    what is in the box, x0,y0,x1,y1
 *   --image a.png --box ... --box ...      two things
 *
 * A box is in fractions of the image's width and height where no number is above 1, else in
 * pixels.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_QUERY_IMAGES_H
#define RS_TOOLS_QUERY_IMAGES_H

#include "command.h"
#include "engine/query.h"

/* What parts of a query point to; ended with rs_query_images_clear. */
typedef struct {
    float    *pixels;              /* of the whole ones, [n x 3 x size x size] */
    rs_image *boxed;               /* [n_boxed] pictures that have boxes */
    size_t    n_boxed;
} rs_query_images;

/* Are --image, --not-image and --box as they should be? Otherwise it says what is wrong. */
bool rs_query_images_check(rs_cli *c);

/* Read the images and add a part for each whole one and for each box to `q`; unwanted ones
 * weigh -1. Whole ones go through the indexer's door. Errors name the file. */
rs_status rs_query_images_load(rs_query_images *out, rs_cli *c, const rs_encoder *e,
                               rs_pool *pool, rs_query *q, rs_err *err);
void      rs_query_images_clear(rs_query_images *im);          /* {0} is fine */

#endif
