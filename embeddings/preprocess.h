/* preprocess.h - an image as an encoder wants it, equal to the reference
 * (Hugging Face CLIPImageProcessor on PIL) to within 1/255 before normalisation.
 *
 * Order: to RGB; shortest edge resized to `resize` (PIL bicubic with antialias, in
 * 8 bits with PIL's own fixed-point rounding); center crop to `crop`; times
 * `rescale`; minus mean, over std. An image smaller than the crop is centred on black.
 *
 * 16-bit grey is first scaled by its own smallest and largest sample: (v - min) * 255 /
 * (max - min), rounded half up; a flat image becomes black. 16-bit colour is taken as
 * ready for display and keeps its high bytes, as PIL reads it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_PREPROCESS_H
#define RS_EMBEDDINGS_PREPROCESS_H

#include "base/status.h"
#include "embeddings/image.h"

#include <stdbool.h>

typedef enum { RS_RESAMPLE_NEAREST, RS_RESAMPLE_BILINEAR, RS_RESAMPLE_BICUBIC,
               RS_RESAMPLE_LANCZOS } rs_resample;

/* Whose steps these are: what its files leave out, what is written back. open_clip's are
 * torchvision's: a crop that cannot be in the middle rounds to even, not down. */
typedef enum { RS_PROCESSOR_CLIP, RS_PROCESSOR_SIGLIP, RS_PROCESSOR_VIT, RS_PROCESSOR_OPEN_CLIP
} rs_processor;

typedef struct {
    rs_processor processor;
    bool        do_resize, do_center_crop, do_rescale, do_normalize;
    bool        keep_aspect;            /* "shortest_edge"; else exactly width x height */
    size_t      resize_height, resize_width;   /* equal when keep_aspect */
    size_t      crop_height, crop_width;
    rs_resample resample;
    double      rescale;                /* usually 1/255 */
    float       mean[3], std[3];
} rs_preprocess;

/* Read a preprocessor_config.json (old and new spellings: size as number, list or
 * object) of a CLIP, SigLIP or ViT processor; what it leaves out is as that processor's
 * library has it. A missing file gives CLIP's defaults for `image_size`. RS_ECORRUPT and
 * RS_EFORMAT name file and field. */
rs_status rs_preprocess_load(rs_preprocess *p, const char *path, size_t image_size, rs_err *err);
/* The one of a model folder: its preprocessor_config.json, or "preprocess_cfg" of its
 * open_clip_config.json. Where the former is missing, what `usual` leaves out. */
rs_status rs_preprocess_open(rs_preprocess *p, const char *folder, rs_processor usual,
                             size_t image_size, rs_err *err);
/* As a preprocessor_config.json; an open_clip one as CLIP's, which it nearly is. */
rs_status rs_preprocess_save(const rs_preprocess *p, const char *path, rs_err *err);
void      rs_preprocess_clip(rs_preprocess *p, size_t image_size);     /* CLIP's defaults */

/* out: [3 x crop_height x crop_width] float32, planar. Only the crop is ever resized.
 * RS_EARG for an empty image, or without do_center_crop for one of another size than
 * the crop's; RS_ENOMEM. Any thread. */
rs_status rs_preprocess_run(const rs_preprocess *p, const rs_image *im, float *out, rs_err *err);

/* Where a picture of width x height lies in what the encoder is given, its square [0, 1]^2:
 * square = scale * picture + shift for x and y as fractions of either. A crop shows a part of
 * the picture, a squash all of it; a picture smaller than the crop has a border. RS_EARG as
 * rs_preprocess_run. */
typedef struct { double scale[2], shift[2]; } rs_view;
rs_status rs_preprocess_view(const rs_preprocess *p, size_t width, size_t height, rs_view *out,
                             rs_err *err);

/* The resize alone, PIL's Image.resize((width, height), resample) to the bit for 8-bit
 * images; 16-bit ones alike in floats. Grey stays grey. Caller clears *out. RS_EARG,
 * RS_ENOMEM. */
rs_status rs_image_resize(rs_image *out, const rs_image *im, size_t width, size_t height,
                          rs_resample how, rs_err *err);

#endif
