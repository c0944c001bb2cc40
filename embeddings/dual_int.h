/* dual_int.h - inside the CLIP model: where each tensor lies in the parameter block.
 *
 * Every place is an offset in floats, so one layout serves the parameters, the
 * gradients and an optimiser's moments alike:
 *
 *   const rs_layer_at *at = &m->at.vision.layer[i];
 *   const float *w = m->params + at->q_w;        q, k, v: one [3 width x width] matrix
 *   float *dw      = grads     + at->q_w;        the same of the gradients
 *
 * Linear weights are stored as PyTorch does, [out x in] row-major: y = x w^T + b.
 * The block has no padding; the lone scalar logit_scale comes last, so that tensors
 * whose widths are multiples of 16 stay 64-byte aligned.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_DUAL_INT_H
#define RS_EMBEDDINGS_DUAL_INT_H

#include "base/arena.h"
#include "embeddings/dual.h"

#include <stddef.h>

/* One transformer layer. Memory order is the order of these fields. */
typedef struct {
    size_t ln1_g, ln1_b;                   /* layer_norm1 [width] */
    size_t q_w, k_w, v_w;                  /* [width x width] each, adjacent: [3 width x width] */
    size_t q_b, k_b, v_b;                  /* [width] each, adjacent: [3 width] */
    size_t out_w, out_b;                   /* [width x width], [width] */
    size_t ln2_g, ln2_b;                   /* layer_norm2 [width] */
    size_t fc1_w, fc1_b;                   /* [mlp x width], [mlp] */
    size_t fc2_w, fc2_b;                   /* [width x mlp], [width] */
} rs_layer_at;

typedef struct {
    size_t class_token;                    /* [width] */
    size_t patch_w;                        /* [width x 3 x patch x patch], no bias */
    size_t position;                       /* [(image / patch)^2 + 1 x width], class token first */
    size_t pre_g, pre_b;                   /* pre_layrnorm [width] */
    rs_layer_at *layer;                    /* [vision.layers] */
    size_t post_g, post_b;                 /* post_layernorm [width] */
    size_t proj_w;                         /* visual_projection [dim x width], no bias */
} rs_vision_at;

typedef struct {
    size_t token;                          /* [vocab_size x width] */
    size_t position;                       /* [max_tokens x width] */
    rs_layer_at *layer;                    /* [text.layers] */
    size_t final_g, final_b;               /* final_layer_norm [width] */
    size_t proj_w;                         /* text_projection [dim x width], no bias */
} rs_text_at;

typedef struct {
    rs_vision_at vision;
    rs_text_at   text;
    size_t       logit_scale;              /* one float, a logarithm */
} rs_dual_at;

struct rs_dual {
    rs_dual_config config;
    rs_dual_at at;
    float   *params;                       /* [count], 64-byte aligned */
    size_t   count;
    rs_param *table;                       /* [tensors], by offset */
    size_t   tensors;
    rs_arena mem;                          /* the table, its names, the layers' offsets */
    size_t   unknown;                      /* tensors of the file that no place wanted */
};

/* Bounds, and what fields must be to each other. RS_ECORRUPT names the field. */
rs_status rs_dual_config_check(const rs_dual_config *c, const char *what, rs_err *err);

/* Patches of one image, without the class token. */
static inline size_t rs_dual_patches(const rs_dual_config *c)
{
    size_t side = c->image_size / c->patch_size;
    return side * side;
}

#endif
