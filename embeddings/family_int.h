/* family_int.h - what tells one family of models from another: the traits of its towers
 * and a table of its tensors. A new family is a row here and the layers it lacks.
 *
 * A table's row says what a tensor is called, where its offset is kept, its shape in the
 * file, how it starts in a new model, and what is special about it. Rows are in the order
 * in which the tensors lie in the block.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_FAMILY_INT_H
#define RS_EMBEDDINGS_FAMILY_INT_H

#include "embeddings/dual_int.h"

/* Lengths that shapes are made of; those from WIDTH to POSITIONS are of the tower at hand. */
typedef enum {
    RS_LEN_NONE, RS_LEN_ONE, RS_LEN_RGB, RS_LEN_PATCH, RS_LEN_VOCAB, RS_LEN_TYPES, RS_LEN_DIM,
    RS_LEN_WIDTH, RS_LEN_QKV, RS_LEN_MLP, RS_LEN_HIDDEN, RS_LEN_POSITIONS,
    RS_LENGTHS
} rs_length;

/* Starting values, transformers' CLIPPreTrainedModel._init_weights with factor 1:
 * normal with a deviation by width w and depth L of the tower. */
typedef enum {
    RS_START_ONES, RS_START_ZEROS, RS_START_LOGIT, RS_START_BIAS,
    RS_START_SMALL,                        /* 0.02 */
    RS_START_GRID,                         /* sines of the place of each patch */
    RS_START_BY_WIDTH,                     /* w^-1/2 */
    RS_START_BY_DEPTH,                     /* w^-1/2 (2 L)^-1/2: what adds to the residual stream */
    RS_START_BY_TWICE                      /* (2 w)^-1/2 */
} rs_start;

enum {
    RS_DECAYS = 1,                         /* weight decay applies */
    RS_FUSED = 2,                          /* q, k and v in one tensor: three places in a row */
    RS_TRANSPOSED = 4                      /* the file has [in x out] */
};

typedef struct {
    const char   *name;                    /* after the prefix of its list; NULL ends a list */
    size_t        place;                   /* of its offset, in the struct of its list */
    unsigned char shape[4];                /* rs_length, ended by NONE */
    unsigned char start, flags;
} rs_tensor_spec;

typedef struct {
    rs_tower_traits traits;
    const char *layers;                    /* "vision_model.encoder.layers.", before a number */
    const rs_tensor_spec *before, *layer, *after;     /* places in rs_tower_at, but `layer`: ... */
    const rs_tensor_spec *pool;            /* ... in rs_layer_at; the pooling layer, or NULL */
} rs_tower_family;

/* NULL where there is no such tower. */
const rs_tower_family *rs_vision_family(rs_tower_kind k);
const rs_tower_family *rs_text_family(rs_tower_kind k);
/* The scalars, places in rs_dual_at. */
const rs_tensor_spec *rs_scalar_specs(const rs_dual_config *c);

#endif
