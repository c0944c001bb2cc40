/* vicinity.h - the cases of a census beside each other: which are each case's nearest.
 *
 * Two cases are as near as their nearest images (or passages, where the archive has no image
 * vectors). A case's own patient is left out: an examination of last week looks alike
 * whatever it is labelled.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_VICINITY_H
#define RS_ENGINE_VICINITY_H

#include "base/arena.h"
#include "base/threads.h"
#include "engine/census.h"
#include "engine/neighbours.h"

/* Of each image so many are looked at; a case's neighbours are the different cases among them. */
enum { RS_VICINITY_IMAGES = 32, RS_VICINITY_CASES = 20 };

typedef struct {
    const rs_census    *census;
    rs_pool            *pool;                /* as given, for who compares further */
    bool                by_passages;
    const uint32_t     *cases;  size_t n;    /* those that have neighbours looked up */
    const uint32_t     *place;               /* [census->n_cases]: where in `cases`, or NONE */
    const rs_neighbour *near;                /* [n x RS_VICINITY_CASES], rows are cases; best
                                                first, RS_NEIGHBOUR_NONE behind the last */
} rs_vicinity;

/* Of the wanted cases, whose vectors were taken. All in `mem`. RS_ENOMEM. */
rs_status rs_vicinity_find(rs_vicinity *out, const rs_census *c, rs_pool *pool, rs_arena *mem,
                           rs_err *err);
/* The neighbours of case `i` of the census: [*n]. */
const rs_neighbour *rs_vicinity_of(const rs_vicinity *v, uint32_t i, size_t *n);

#endif
