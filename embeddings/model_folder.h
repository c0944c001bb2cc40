/* model_folder.h - which files of a model folder hold the model.
 *
 *   Hugging Face   config.json, model.safetensors (or model.safetensors.index.json and its
 *                  shards), preprocessor_config.json
 *   open_clip      open_clip_config.json, open_clip_model.safetensors
 *
 * A folder with both is taken as Hugging Face's. Files in the pickle format run code when
 * they are read, so they are refused, with the line that converts them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_MODEL_FOLDER_H
#define RS_EMBEDDINGS_MODEL_FOLDER_H

#include "base/status.h"
#include "embeddings/dual.h"
#include "embeddings/safetensors.h"

typedef enum { RS_LAYOUT_HF, RS_LAYOUT_OPEN_CLIP } rs_layout;

/* RS_EFORMAT: its weights are a pickle. What is missing is told by whoever opens it. */
rs_status rs_model_layout(rs_layout *out, const char *folder, rs_err *err);
/* The weights of a folder, as rs_tensors_open. */
rs_status rs_model_tensors(rs_tensors **out, const char *folder, rs_err *err);
/* The one that models of this config are written in. */
rs_layout rs_layout_of(const rs_dual_config *c);

const char *rs_layout_config(rs_layout l);         /* "config.json" */
const char *rs_layout_weights(rs_layout l);        /* "model.safetensors" */

#endif
