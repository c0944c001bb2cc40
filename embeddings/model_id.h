/* model_id.h - which model this is: a SHA-256 over the files that decide its vectors.
 *
 * Over each file, in order of name (strcmp): its name, a NUL, its size (8 bytes,
 * little-endian), its bytes. The files are those of them that are there:
 *
 *   Hugging Face   config.json, preprocessor_config.json and the weights:
 *                  model.safetensors, or else its index and every *.safetensors
 *   open_clip      open_clip_config.json, open_clip_model.safetensors
 *   either         vocab.json, merges.txt and tokenizer.json; and where another file may be
 *                  read instead (no vocab.json, and no tokenizer.json or a spiece.model
 *                  beside it), spiece.model, vocab.txt and tokenizer_config.json
 *
 * (model_folder.h says which of the two a folder is). Where the folder lies, dates, cards
 * and other files do not count.
 *
 * A quantised model (model_quantise.h) is the one that it was made from: its weights say
 * which, and their vectors may be mixed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_MODEL_ID_H
#define RS_EMBEDDINGS_MODEL_ID_H

#include "base/hash.h"
#include "base/status.h"

/* hex: 64 digits and a NUL; "" on failure. RS_ENOENT without a folder, a config or
 * weights, RS_EFORMAT where these are a pickle, RS_EIO, RS_ENOMEM. Any thread. */
rs_status rs_model_id(char hex[RS_SHA256_HEX], const char *folder, rs_err *err);

#endif
