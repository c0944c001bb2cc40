/* shift.h - are the cases that came last like those before them? By vectors and by mix, see
 * drift.h for the statistics.
 *
 * A patient gives one case to each side, so that what is exchanged is independent, and only so
 * many are drawn that the mix stays that of cases; at most RS_SHIFT_VECTORS cases a side are
 * compared by their vectors, RS_SHIFT_MIX by their mix.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_SHIFT_H
#define RS_ENGINE_SHIFT_H

#include "base/arena.h"
#include "engine/census.h"
#include "engine/drift.h"

enum { RS_SHIFT_VECTORS = 500, RS_SHIFT_MIX = 4000, RS_SHIFT_ROUNDS = 1999 };
/* A shift is told from chance below this p, Holm's over all that are tested. */
#define RS_SHIFT_ALPHA 0.01

/* Which cases are new. */
typedef struct {
    const bool *of;                /* [n_cases] */
    size_t      n;
    const char *from;              /* when the first of them was indexed; NULL where none is */
} rs_newest;

/* `since`: a day or a moment in UTC ("2026-11-26", "2026-11-26T08:00"), by when a case was
 * indexed; "last 200": so many cases; "5%": that share. RS_EARG where it is none of these. */
rs_status rs_newest_of(rs_newest *out, const rs_census *c, const char *since, rs_arena *mem,
                       rs_err *err);

/* One comparison. */
typedef struct {
    const char *what;              /* "image vectors", "passage vectors", a facet, "finding" */
    bool        vectors;
    size_t      n_new, n_old;      /* cases compared */
    rs_drift    drift;
    double      p;                 /* adjusted; NaN where a side has fewer than 2 cases */
    bool        shifted;           /* p < RS_SHIFT_ALPHA */
    const char *most;              /* of a mix: the value whose share moved most; NULL: not known */
    double      share_new, share_old;
} rs_shift;
enum { RS_SHIFTS = 2 + RS_TRAITS + 1 };

/* Marks the cases as wanted whose vectors rs_shift_find will compare. RS_ENOMEM. */
rs_status rs_shift_want(rs_census *c, const rs_newest *new_cases, uint64_t seed, rs_err *err);
/* All comparisons, after rs_census_vectors; `seed` as before. RS_ENOMEM. */
rs_status rs_shift_find(const rs_census *c, const rs_newest *new_cases, uint64_t seed,
                        rs_shift out[RS_SHIFTS], rs_err *err);

#endif
