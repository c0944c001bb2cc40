/* dual.h - the dual encoder as numbers: parameters, forward, backward.
 *
 * The parameters are one float32 block with named views into it (Hugging Face
 * CLIPModel names); gradients are a block of the same layout, so an optimiser sees
 * one flat array. Whoever wants two cores splits a batch and gives each thread its
 * own call, tape and gradient block: every function here is single-threaded and
 * reads the parameters only.
 *
 * Vision tower: conv patch embedding (no bias), class token, learned positions,
 * pre-LN transformer with pre_layrnorm before and post_layernorm on the class token,
 * projection without bias. Text tower: token + position embedding, causal pre-LN
 * transformer, final_layer_norm, the end token's row, projection without bias.
 * Radford et al. 2021, arXiv:2103.00020, section 2.4.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_DUAL_H
#define RS_EMBEDDINGS_DUAL_H

#include "base/random.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { RS_ACT_QUICK_GELU, RS_ACT_GELU } rs_activation;

typedef struct {
    size_t width, layers, heads, mlp;        /* mlp: intermediate_size */
    float  eps;                              /* layer norms */
    rs_activation act;
} rs_tower_config;

typedef struct {
    rs_tower_config vision, text;
    size_t  image_size, patch_size;          /* pixels; channels are 3 */
    size_t  vocab_size, max_tokens;          /* max_position_embeddings */
    int32_t eos_id, bos_id;                  /* eos_id 2 is the old spelling: pool at argmax id */
    size_t  dim;                             /* projection_dim */
    float   logit_scale;                     /* initial, as its logarithm (2.6592) */
} rs_dual_config;

/* Read / write a Hugging Face config.json. RS_ECORRUPT names the field; sizes are
 * bounded (width <= 8192, layers <= 128, ...). Only model_type "clip" here. */
rs_status rs_dual_config_load(rs_dual_config *c, const char *path, rs_err *err);
rs_status rs_dual_config_save(const rs_dual_config *c, const char *path, rs_err *err);

/* One named view into the parameter block. */
typedef struct {
    const char *name;                        /* "text_model.encoder.layers.0.mlp.fc1.weight" */
    size_t      offset, count;               /* floats */
    size_t      rank, shape[4];
    bool        decay;                       /* weight decay applies: matrices, not gains/biases/embeddings */
} rs_param;

typedef struct rs_dual rs_dual;              /* config + parameters */

/* Random weights as CLIP initialises them (std by width and depth); with `rnd` NULL all
 * zeros, for who fills them. */
rs_status rs_dual_new(rs_dual **out, const rs_dual_config *c, rs_random *rnd, rs_err *err);
/* From FOLDER/config.json and model.safetensors (or its sharded index): F32, F16, BF16.
 * RS_ECORRUPT names a missing, misshapen or mistyped tensor with found and wanted. */
rs_status rs_dual_open(rs_dual **out, const char *folder, rs_err *err);
/* Write config.json and model.safetensors; `half` stores F16. */
rs_status rs_dual_save(const rs_dual *m, const char *folder, bool half, rs_err *err);
void      rs_dual_close(rs_dual *m);         /* NULL is fine */

const rs_dual_config *rs_dual_config_of(const rs_dual *m);
size_t          rs_dual_param_count(const rs_dual *m);         /* floats in all */
float          *rs_dual_params(rs_dual *m);                    /* [param_count], for optimisers */
const rs_param *rs_dual_param_table(const rs_dual *m, size_t *n);
float           rs_dual_logit_scale(const rs_dual *m);         /* exp(logit_scale) */
size_t          rs_dual_unknown_tensors(const rs_dual *m);     /* in the file, but of no use here */

/* What a forward pass leaves for its backward pass; NULL where none is wanted. */
typedef struct rs_tape rs_tape;
rs_tape *rs_tape_new(void);                  /* grows to what is needed and is reused; NULL on OOM */
void     rs_tape_free(rs_tape *t);

/* features [n x dim], projected, *not* normalised.  pixels: [n x 3 x size x size].
 * `scratch` (a tape) is always needed; with `keep` it holds what backward needs. */
rs_status rs_dual_image_forward(const rs_dual *m, const float *pixels, size_t n,
                                rs_tape *scratch, bool keep, float *features, rs_err *err);
/* ADDS the gradient of sum(d_features * features) to grads [param_count]. `tape` is the
 * one of the forward call of the same n, and is used up. pixels as then. */
rs_status rs_dual_image_backward(const rs_dual *m, rs_tape *tape, const float *pixels, size_t n,
                                 const float *d_features, float *grads, rs_err *err);

/* ids: the n texts end to end, no padding; length[i] in 1..max_tokens each. */
rs_status rs_dual_text_forward(const rs_dual *m, const int32_t *ids, const size_t *length, size_t n,
                               rs_tape *scratch, bool keep, float *features, rs_err *err);
rs_status rs_dual_text_backward(const rs_dual *m, rs_tape *tape, const int32_t *ids,
                                const size_t *length, size_t n,
                                const float *d_features, float *grads, rs_err *err);

#endif
