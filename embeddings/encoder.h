/* encoder.h - the dual encoder as everyone else sees it: images and texts in, unit
 * vectors of one space out.
 *
 * An encoder is a model folder (model_folder.h: CLIP, SigLIP, open_clip, BiomedCLIP) opened
 * once, its texts finished and its images prepared as its family wants; it is immutable and
 * may be used from several threads at once, each call splitting its batch over `pool`;
 * one item alone is split too, by the outputs of its products. Results do not depend on
 * the batch nor on the number of threads: to 1e-5, in bf16 to a cosine of 0.9999 (sums
 * in another order round to other neighbours, and layers add that up).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_ENCODER_H
#define RS_EMBEDDINGS_ENCODER_H

#include "base/hash.h"
#include "base/status.h"
#include "base/threads.h"
#include "embeddings/dual.h"
#include "embeddings/dual_fast.h"
#include "embeddings/image.h"
#include "embeddings/linear.h"
#include "embeddings/preprocess.h"
#include "embeddings/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct rs_encoder rs_encoder;

/* RS_ENOENT / RS_ECORRUPT name the file. The weights are packed here, once for all
 * threads, in `precision` (dual_fast.h says what each keeps). RS_AUTO: int8 for a folder
 * that was quantised, which is done only where it agrees with the original, and where this
 * processor gains by it; otherwise f32. */
rs_status rs_encoder_open_as(rs_encoder **out, const char *folder, rs_precision precision,
                             rs_err *err);
/* The same with RS_AUTO. */
rs_status rs_encoder_open(rs_encoder **out, const char *folder, rs_err *err);
void      rs_encoder_close(rs_encoder *e);                       /* NULL is fine */

size_t      rs_encoder_dim(const rs_encoder *e);                 /* d */
size_t      rs_encoder_max_tokens(const rs_encoder *e);          /* bos and eos counted */
const char *rs_encoder_id(const rs_encoder *e);                  /* 64 hex digits: SHA-256 over the
                                                                    folder's model files */
const char *rs_encoder_name(const rs_encoder *e);                /* the folder's last part */
rs_precision rs_encoder_precision(const rs_encoder *e);          /* never RS_AUTO */
const rs_tokenizer  *rs_encoder_tokenizer(const rs_encoder *e);
const rs_preprocess *rs_encoder_preprocess(const rs_encoder *e);
const rs_dual       *rs_encoder_dual(const rs_encoder *e);
const rs_dual_fast  *rs_encoder_fast(const rs_encoder *e);

/* out: [n x d], each row of unit length. pool may be NULL. */
rs_status rs_encoder_images(const rs_encoder *e, const rs_image *images, size_t n,
                            rs_pool *pool, float *out, rs_err *err);
/* The same from preprocessed pixels [n x 3 x size x size]. */
rs_status rs_encoder_pixels(const rs_encoder *e, const float *pixels, size_t n,
                            rs_pool *pool, float *out, rs_err *err);
/* texts: n NUL-terminated strings. *cut (may be NULL) counts those that were longer than
 * the encoder reads. */
rs_status rs_encoder_texts(const rs_encoder *e, const char *const *texts, size_t n,
                           rs_pool *pool, float *out, size_t *cut, rs_err *err);

#endif
