/* neighbours.h - each row of a matrix beside every other: its k nearest, exactly.
 *
 * n^2 products in blocks through BLAS: for auditing samples of an archive, not for searching it
 * (vectors.h). On one core 10,000 rows of 192 floats take about a second.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_NEIGHBOURS_H
#define RS_ENGINE_NEIGHBOURS_H

#include "base/status.h"
#include "base/threads.h"

#include <stddef.h>
#include <stdint.h>

#define RS_NEIGHBOUR_NONE UINT32_MAX
typedef struct { uint32_t row; float score; } rs_neighbour;

/* out [n x k]: for each row of x [n x dim], unit length, the k others of largest inner product,
 * best first, equal ones by row; places that none is left for have row RS_NEIGHBOUR_NONE.
 * group [n]: rows of one group are no neighbours of each other. A result does not depend on
 * the pool (may be NULL). RS_ENOMEM. */
rs_status rs_neighbours(const float *x, size_t n, size_t dim, const uint32_t *group, size_t k,
                        rs_pool *pool, rs_neighbour *out, rs_err *err);

#endif
