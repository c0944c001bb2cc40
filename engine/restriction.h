/* restriction.h - which cases the probes of one query may find: one bitmap over case ids that
 * all of them look at before they rank.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_RESTRICTION_H
#define RS_ENGINE_RESTRICTION_H

#include "base/arena.h"
#include "engine/archive.h"
#include "engine/db.h"
#include "engine/filter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* {0} lets all pass. */
typedef struct {
    const uint64_t *cases;         /* a bit a case id; NULL: all pass */
    size_t          cap;           /* ids below it have a bit; a multiple of 64 */
    const int64_t  *left_out;      /* ruled out besides: a few, ascending. They have no part in */
    size_t          n_left_out;    /* the bitmap, so that probes may go on without one */
} rs_restriction;

/* Those that pass `filter` (NULL: all) and have none of the words `exclude` (an expression of
 * FTS5; NULL: none). Inside the snapshot; in `mem`. */
rs_status rs_restriction_make(rs_archive *a, const rs_filter *filter, const char *exclude,
                              rs_arena *mem, rs_restriction *out, rs_err *err);
/* Leave out some more cases. */
rs_status rs_restriction_leave_out(rs_restriction *r, const int64_t *ids, size_t n, rs_arena *mem,
                                   rs_err *err);
/* A case and, with `patient`, all others of its patient, where that is known. */
rs_status rs_restriction_leave_out_case(rs_restriction *r, rs_db *db, int64_t id, bool patient,
                                        rs_arena *mem, rs_err *err);

bool rs_restriction_leaves_out(const rs_restriction *r, int64_t id);

static inline bool rs_restriction_passes(const rs_restriction *r, int64_t id)
{
    if (r->cases && (id < 0 || (uint64_t)id >= r->cap || !(r->cases[id >> 6] >> (id & 63) & 1)))
        return false;
    return !r->n_left_out || !rs_restriction_leaves_out(r, id);
}

#endif
