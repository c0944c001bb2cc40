/* augment.h - an image seen a little differently each time, for training.
 *
 * One call picks a view (a crop, turned and shifted), tone (brightness, contrast,
 * gamma), blur and noise, all small enough that a radiologist would read the picture
 * the same way, and writes the encoder's normalised pixels. Left and right are not
 * exchanged unless asked: laterality is a finding.
 *
 * Meant for 8-bit images kept in memory at a little more than the encoder's size:
 * larger ones are smoothed by as much as they shrink and sampled once, bilinearly.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_AUGMENT_H
#define RS_EMBEDDINGS_AUGMENT_H

#include "base/bytes.h"
#include "base/json.h"
#include "base/random.h"
#include "base/status.h"
#include "embeddings/image.h"

#include <stddef.h>

/* Each is drawn uniformly. What lies outside the image is its black. */
typedef struct {
    double scale_min, scale_max; /* the crop's share of the image's area; above 1 zooms out */
    double aspect;               /* the crop is stretched by 1/aspect..aspect; >= 1 */
    double rotate;               /* degrees either way */
    double shift;                /* the crop moves beyond where it fits, either way, by at most
                                    this share of the side */
    double flip;                 /* chance of exchanging left and right */
    double brightness;           /* added, either way; the range is 0..1 */
    double contrast;             /* about the mean, times 1/(1 + contrast)..1 + contrast */
    double gamma;                /* power of 1/(1 + gamma)..1 + gamma */
    double noise;                /* normal noise of a deviation up to this; the range is 0..1 */
    double blur;                 /* Gaussian of a deviation up to this, in output pixels */
    double erase;                /* chance that a rectangle is covered with the mean */
    double erase_area;           /* its largest share of the output's area */
} rs_augment_config;

void rs_augment_defaults(rs_augment_config *c);    /* for radiology */
void rs_augment_none(rs_augment_config *c);        /* the whole image, unchanged: for evaluation */

/* Take the fields named in a JSON object over into *c, the others stay. An absent object
 * changes nothing. RS_ECORRUPT names an unknown field, or one out of range. */
rs_status rs_augment_read(rs_augment_config *c, rs_json_at at, rs_err *err);
/* Append one line a field: its name, default and meaning. */
void      rs_augment_describe(rs_buf *out);

/* out: [3 x size x size], planar, (v - mean) / std of v in 0..1. The whole image is
 * taken for the square: one that is not square is stretched. The same numbers from `r`
 * give the same pixels. RS_EARG for 16-bit or empty images, RS_ENOMEM. Any thread, each
 * with its own `r`. */
rs_status rs_augment_run(const rs_augment_config *c, const rs_image *im, size_t size,
                         const float mean[3], const float std[3],
                         rs_random *r, float *out, rs_err *err);

#endif
