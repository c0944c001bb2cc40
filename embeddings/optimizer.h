/* optimizer.h - AdamW over one flat parameter block, and what goes with it: the sum
 * and norm of gradient blocks, the learning rate's course.
 *
 * AdamW: Loshchilov, Hutter 2019, arXiv:1711.05101, algorithm 2, in the order of
 * torch.optim.AdamW (weight decay multiplies before the step; epsilon is added to the
 * bias-corrected root). Everything is split into fixed pieces of the block, so results
 * do not depend on the number of threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_OPTIMIZER_H
#define RS_EMBEDDINGS_OPTIMIZER_H

#include "base/status.h"
#include "base/threads.h"
#include "embeddings/dual.h"

#include <stddef.h>
#include <stdint.h>

typedef struct { double beta1, beta2, eps, weight_decay; } rs_adamw_config;
typedef struct rs_adamw rs_adamw;

/* For a block of n floats described by table [n_table] (whose views tile it; decay only
 * where a view says so), or with table NULL for a block that decays everywhere. */
rs_status rs_adamw_new(rs_adamw **out, const rs_adamw_config *c, size_t n,
                       const rs_param *table, size_t n_table, rs_err *err);
void      rs_adamw_free(rs_adamw *a);                     /* NULL is fine */

/* One step: params [n] move by lr against grad_scale * grads [n]; grads become 0. */
void rs_adamw_step(rs_adamw *a, float *params, float *grads, double grad_scale, double lr,
                   rs_pool *pool);

/* The state, for checkpoints: first and second moments [n] and the steps taken. */
float    *rs_adamw_first(rs_adamw *a);
float    *rs_adamw_second(rs_adamw *a);
uint64_t *rs_adamw_steps(rs_adamw *a);

/* blocks[0] becomes the sum of the k blocks [n], in order; the others become 0. Returns
 * the sum's Euclidean norm (NaN or infinity when an element is). */
double rs_adamw_sum(rs_adamw *a, float *const *blocks, size_t k, rs_pool *pool);

/* The learning rate of step s in [0, steps): rises linearly over `warmup` steps to
 * `peak`, then falls along half a cosine to `last`. */
typedef struct { double peak, last; uint64_t warmup, steps; } rs_schedule;
double rs_schedule_at(const rs_schedule *s, uint64_t step);

#endif
