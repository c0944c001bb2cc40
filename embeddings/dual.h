/* dual.h - the dual encoder as numbers: parameters, forward, backward.
 *
 * Four families of published models, told apart by what their towers are made of
 * (rs_tower_traits; families.c has the table), not by their names:
 *
 *              vision tower                         text tower
 *   CLIP       class token, norm before the layers  causal, read at the end token
 *   SigLIP     patches with bias, attention-pooled  64 tokens padded, read at the last
 *   open_clip  CLIP's under other names, or timm's  CLIP's under other names, or a BERT
 *              ViT (BiomedCLIP)                      read at its first token (BiomedCLIP)
 *
 * Radford et al. 2021, arXiv:2103.00020, 2.4; Zhai et al. 2023, arXiv:2303.15343; Zhang et
 * al. 2023, arXiv:2303.00915; Dosovitskiy et al. 2021, arXiv:2010.11929; Devlin et al. 2019,
 * arXiv:1810.04805.
 *
 * The parameters are one float32 block with named views into it (the names of the
 * family's files); gradients are a block of the same layout, so an optimiser sees
 * one flat array. Whoever wants two cores splits a batch and gives each thread its
 * own call, tape and gradient block: every function here is single-threaded and
 * reads the parameters only.
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

typedef enum { RS_ACT_QUICK_GELU, RS_ACT_GELU, RS_ACT_GELU_TANH } rs_activation;

/* Whose layers and tensor names a tower has. Zero is CLIP's: a config that says nothing
 * of it describes a CLIP. TIMM is a vision tower only, BERT a text tower only. */
typedef enum {
    RS_TOWER_CLIP, RS_TOWER_SIGLIP, RS_TOWER_OPEN_CLIP, RS_TOWER_TIMM, RS_TOWER_BERT,
    RS_TOWER_KINDS
} rs_tower_kind;

/* Which rows of the last layer are read: the first (a class token), all through an
 * attention layer with one learned query (Zhai et al. 2022, arXiv:2106.04560, 3.3), the
 * end token's, the last. */
typedef enum { RS_POOL_FIRST, RS_POOL_ATTENTION, RS_POOL_END, RS_POOL_LAST } rs_pooling;

/* MLP: linear to (width + dim) / 2, gelu, linear, no biases. */
typedef enum { RS_PROJ_NONE, RS_PROJ_LINEAR, RS_PROJ_LINEAR_BIAS, RS_PROJ_MLP } rs_projection;

/* What a tower is made of, besides its sizes. */
typedef struct {
    bool class_token, patch_bias;            /* vision */
    bool token_types;                        /* text: a first row of types added to each token */
    bool input_norm;                         /* a layer norm between embeddings and layers */
    bool post_norm;                          /* layer norms after the residual sums, not before */
    bool causal;
    bool pads;                               /* each text is computed as max_tokens tokens */
    bool output_norm;                        /* a layer norm of what is read */
    rs_pooling    pool;
    rs_projection proj;
} rs_tower_traits;

typedef struct {
    size_t width, layers, heads, mlp;        /* mlp: intermediate_size */
    float  eps;                              /* layer norms */
    rs_activation act;
    rs_tower_kind kind;
} rs_tower_config;

typedef struct {
    rs_tower_config vision, text;
    size_t  image_size, patch_size;          /* pixels; channels are 3 */
    size_t  vocab_size, max_tokens;
    size_t  positions;                       /* rows of text positions; 0: max_tokens */
    size_t  types;                           /* rows of token types, where there are any */
    int32_t eos_id, bos_id;                  /* eos_id 2 is the old spelling: pool at argmax id */
    int32_t pad_id;                          /* where texts are padded */
    size_t  dim;                             /* of the features */
    float   logit_scale;                     /* initial, as its logarithm (2.6592) */
    float   logit_bias;                      /* initial, where the family has one (-10) */
} rs_dual_config;

/* Read / write a Hugging Face config.json of model_type "clip" or "siglip". RS_ECORRUPT
 * names the field; sizes are bounded (width <= 8192, layers <= 128, ...). */
rs_status rs_dual_config_load(rs_dual_config *c, const char *path, rs_err *err);
rs_status rs_dual_config_save(const rs_dual_config *c, const char *path, rs_err *err);
/* "CLIP", "SigLIP", "open_clip", "BiomedCLIP" */
const char *rs_dual_family(const rs_dual_config *c);
const rs_tower_traits *rs_vision_traits(const rs_dual_config *c);
const rs_tower_traits *rs_text_traits(const rs_dual_config *c);
/* Trained with the sigmoid loss: there is a logit_bias. */
bool rs_dual_sigmoid(const rs_dual_config *c);

/* One named view into the parameter block. */
typedef struct {
    const char *name;                        /* "text_model.encoder.layers.0.mlp.fc1.weight" */
    size_t      offset, count;               /* floats */
    size_t      rank, shape[4];              /* in the file */
    bool        decay;                       /* weight decay applies: matrices, not gains/biases/embeddings */
    bool        transposed;                  /* a matrix that the block holds as its transpose */
} rs_param;

typedef struct rs_dual rs_dual;              /* config + parameters */

/* Random weights as CLIP initialises them (std by width and depth); with `rnd` NULL all
 * zeros, for who fills them. */
rs_status rs_dual_new(rs_dual **out, const rs_dual_config *c, rs_random *rnd, rs_err *err);
/* From a model folder (model_folder.h): F32, F16, BF16. RS_ECORRUPT names a missing,
 * misshapen or mistyped tensor with found and wanted. */
rs_status rs_dual_open(rs_dual **out, const char *folder, rs_err *err);
/* Write config and weights in the family's own layout; `half` stores F16. */
rs_status rs_dual_save(const rs_dual *m, const char *folder, bool half, rs_err *err);
void      rs_dual_close(rs_dual *m);         /* NULL is fine */

const rs_dual_config *rs_dual_config_of(const rs_dual *m);
bool                  rs_dual_int8(const rs_dual *m);      /* opened from a quantised file */
size_t          rs_dual_param_count(const rs_dual *m);         /* floats in all */
float          *rs_dual_params(rs_dual *m);                    /* [param_count], for optimisers */
const rs_param *rs_dual_param_table(const rs_dual *m, size_t *n);
const rs_param *rs_dual_param(const rs_dual *m, const char *name);        /* NULL: none */
float           rs_dual_logit_scale(const rs_dual *m);         /* exp(logit_scale) */
/* Tensors that are in the file but of no use here: [*n], borrowed from m. */
const char *const *rs_dual_unknown(const rs_dual *m, size_t *n);

/* What a forward pass leaves for its backward pass; NULL where none is wanted. */
typedef struct rs_tape rs_tape;
rs_tape *rs_tape_new(void);                  /* grows to what is needed and is reused; NULL on OOM */
void     rs_tape_free(rs_tape *t);

/* features [n x dim], projected, *not* normalised.  pixels: [n x 3 x size x size].
 * `scratch` (a tape) is always needed; with `keep` it holds what backward needs. */
rs_status rs_dual_image_forward(const rs_dual *m, const float *pixels, size_t n,
                                rs_tape *scratch, bool keep, float *features, rs_err *err);
/* The same without a backward pass, and of each image `m` regions beside it: boxes [n x m x 4],
 * x0 y0 x1 y1 as fractions of its square, x0 < x1 and y0 < y1. region_features [n x m x dim],
 * not normalised (regions.h says what they are). */
rs_status rs_dual_image_regions(const rs_dual *d, const float *pixels, size_t n,
                                const double *boxes, size_t m, rs_tape *scratch, float *features,
                                float *region_features, rs_err *err);
/* ADDS the gradient of sum(d_features * features) to grads [param_count]. `tape` is the
 * one of the forward call of the same n, and is used up. pixels as then. */
rs_status rs_dual_image_backward(const rs_dual *m, rs_tape *tape, const float *pixels, size_t n,
                                 const float *d_features, float *grads, rs_err *err);

/* ids: the n texts end to end, no padding; length[i] in 1..max_tokens each. A family that
 * pads computes the padding too, see rs_tower_traits. */
rs_status rs_dual_text_forward(const rs_dual *m, const int32_t *ids, const size_t *length, size_t n,
                               rs_tape *scratch, bool keep, float *features, rs_err *err);
rs_status rs_dual_text_backward(const rs_dual *m, rs_tape *tape, const int32_t *ids,
                                const size_t *length, size_t n,
                                const float *d_features, float *grads, rs_err *err);

#endif
