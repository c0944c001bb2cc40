/* dual_fast.h - the layers of a dual encoder packed once, for forward passes in one
 * precision.
 *
 *   rs_dual_fast *f;
 *   rs_dual_fast_new(&f, m, RS_INT8, err);          one copy, for all threads
 *   rs_tape_use(tape, f, NULL);                     each thread's tape
 *   rs_dual_image_forward(m, pixels, n, tape, false, features, err);
 *
 * A pass with `keep` (training) takes no notice of it: gradients are those of the float
 * parameters. What is left in float in every precision: embeddings, layer norms, softmax,
 * sums of the residual stream, and the last projection, which sees one row an item.
 *
 * Against f32, per embedding: bf16 cosine >= 0.999, int8 >= 0.99 (test_dual_fast.c).
 * Vectors of different precision may stand in one archive: they differ from each other by
 * less than two photographs of one film do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_DUAL_FAST_H
#define RS_EMBEDDINGS_DUAL_FAST_H

#include "base/status.h"
#include "base/threads.h"
#include "embeddings/dual.h"
#include "embeddings/linear.h"

#include <stddef.h>

typedef struct rs_dual_fast rs_dual_fast;

/* m must outlive it. `precision` is not RS_AUTO. RS_ENOMEM. */
rs_status rs_dual_fast_new(rs_dual_fast **out, const rs_dual *m, rs_precision precision, rs_err *err);
void      rs_dual_fast_free(rs_dual_fast *f);                  /* NULL is fine */

rs_precision rs_dual_fast_precision(const rs_dual_fast *f);
size_t       rs_dual_fast_bytes(const rs_dual_fast *f);

/* Is the parameter at `offset` a matrix that is held in this precision? */
bool rs_dual_fast_holds(const rs_dual_fast *f, size_t offset);

/* From now on passes with this tape run on f (NULL: on the parameters), which must be
 * of their model, and split large products over `pool` (NULL: they do not). */
void rs_tape_use(rs_tape *t, const rs_dual_fast *f, rs_pool *pool);

#endif
