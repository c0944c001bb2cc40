/* model_quantise.h - a model folder with its matrices in int8: about a quarter of the bytes of its matrices, and
 * what `auto` computes in int8.
 *
 *   model.safetensors   matrices of the layers: NAME I8 [out x in] and NAME.scale F32
 *                       [out], value = q * scale, q in -127..127; embeddings and
 *                       projections F16; single numbers F32
 *   its metadata        radscout.precision "int8", radscout.of the original's identity,
 *                       radscout.cosine the lowest that was measured
 *   everything else     copied as it is
 *
 * The quantised model has the original's identity (model_id.h), so an archive made with
 * one is searched with the other. It is written only where it keeps what int8 promises:
 * drawn pictures and made-up sentences are encoded by both.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_MODEL_QUANTISE_H
#define RS_EMBEDDINGS_MODEL_QUANTISE_H

#include "base/status.h"

#include <stddef.h>

typedef struct {
    double image, text;                /* lowest cosine of one embedding to the original's */
    size_t bytes_before, bytes_after;  /* of the weights */
} rs_quantised;

/* Writes `out`, made if absent. RS_EARG: `out` is `folder`, holds another model, or the
 * model is quantised already; RS_EMISMATCH: a cosine below 0.99, *report says which,
 * and `out` keeps no weights; otherwise as rs_encoder_open. */
rs_status rs_model_quantise(rs_quantised *report, const char *folder, const char *out, rs_err *err);

#endif
