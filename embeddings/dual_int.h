/* dual_int.h - inside the model: where each tensor lies in the parameter block.
 *
 * Every place is an offset in floats, so one layout serves the parameters, the
 * gradients and an optimiser's moments alike:
 *
 *   const rs_layer_at *at = &m->at.vision.layer[i];
 *   const float *w = m->params + at->q_w;        q, k, v: one [3 width x width] matrix
 *   float *dw      = grads     + at->q_w;        the same of the gradients
 *
 * Linear weights are stored as PyTorch does, [out x in] row-major: y = x w^T + b.
 * A place that a tower's traits do not ask for is RS_NOWHERE. The block has no padding;
 * the lone scalars come last, so that tensors whose widths are multiples of 16 stay
 * 64-byte aligned.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_DUAL_INT_H
#define RS_EMBEDDINGS_DUAL_INT_H

#include "base/arena.h"
#include "embeddings/dual.h"
#include "embeddings/safetensors.h"

#include <stddef.h>

#define RS_NOWHERE SIZE_MAX

/* What a file that model_quantise.h wrote says of itself, in its metadata. */
#define RS_PRECISION_KEY "radscout.precision"      /* "int8" */
#define RS_ORIGINAL_KEY  "radscout.of"             /* the original's rs_model_id */

/* One transformer layer. */
typedef struct {
    size_t ln1_g, ln1_b;                   /* [width] before the attention (post_norm: after) */
    size_t q_w, k_w, v_w;                  /* [width x width] each, adjacent: [3 width x width] */
    size_t q_b, k_b, v_b;                  /* [width] each, adjacent: [3 width] */
    size_t out_w, out_b;                   /* [width x width], [width] */
    size_t ln2_g, ln2_b;                   /* [width] before the MLP (post_norm: after) */
    size_t fc1_w, fc1_b;                   /* [mlp x width], [mlp] */
    size_t fc2_w, fc2_b;                   /* [width x mlp], [width] */
} rs_layer_at;

typedef struct {
    size_t class_token;                    /* vision: [width] */
    size_t patch_w, patch_b;               /* vision: [width x 3 x patch x patch], [width] */
    size_t token, type;                    /* text: [vocab_size x width], [types x width] */
    size_t position;                       /* vision: class token first; [positions x width] */
    size_t in_g, in_b;                     /* input_norm [width] */
    rs_layer_at *layer;                    /* [layers], then the pooling layer if there is one */
    size_t probe;                          /* [width] its query */
    size_t out_g, out_b;                   /* output_norm [width] */
    size_t proj_w, proj_b;                 /* [dim x width], [dim]; MLP: [hidden x width] */
    size_t proj2_w;                        /* MLP: [dim x hidden] */
} rs_tower_at;

typedef struct {
    rs_tower_at vision, text;
    size_t      logit_scale, logit_bias;   /* one float each; the scale is a logarithm */
} rs_dual_at;

struct rs_dual {
    rs_dual_config config;
    rs_dual_at at;
    float   *params;                       /* [count], 64-byte aligned */
    size_t   count;
    rs_param *table;                       /* [tensors], by offset */
    size_t   tensors;
    rs_arena mem;                          /* the table, its names, the layers' offsets */
    const char **unknown;                  /* [unknowns] tensors of the file that no place wanted */
    size_t   unknowns;
    bool     int8;                         /* from a quantised file */
    const char *config_text;               /* the config file, where it is written back as it was */
};

/* Bounds, and what fields must be to each other. RS_ECORRUPT names the field. */
rs_status rs_dual_config_check(const rs_dual_config *c, const char *what, rs_err *err);

/* open_clip_config.c: `path` with the sizes that it leaves to the tensors `t`. *text is
 * the file's, which the caller rs_free()s. Errors as rs_dual_config_load. */
rs_status rs_open_clip_config_load(rs_dual_config *c, char **text, const char *path,
                                   const rs_tensors *t, rs_err *err);
rs_status rs_open_clip_config_save(const rs_dual_config *c, const char *path, rs_err *err);

/* Patches of one image, and its rows in the tower: with the class token. */
static inline size_t rs_dual_patches(const rs_dual_config *c)
{
    size_t side = c->image_size / c->patch_size;
    return side * side;
}

static inline size_t rs_dual_image_rows(const rs_dual_config *c)
{
    return rs_dual_patches(c) + rs_vision_traits(c)->class_token;
}

/* Layers of a tower with the pooling layer. */
static inline size_t rs_tower_depth(const rs_tower_config *c, const rs_tower_traits *f)
{
    return c->layers + (f->pool == RS_POOL_ATTENTION);
}

/* Between the two layers of an MLP projection. */
static inline size_t rs_proj_hidden(const rs_tower_config *c, size_t dim)
{
    return (c->width + dim) / 2;
}

#endif
