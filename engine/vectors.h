/* vectors.h - the vectors of an archive's images, or of its passages and so on, ready to search.
 *
 * The truth is the catalog's fp16 blobs. What is searched is
 *
 *   base   the FAISS cache file of the current generation, if it is there and whole
 *   tail   all that is newer than the base (everything, where there is no base),
 *          flat, from the catalog
 *
 * less the tombstones since. So a new vector is found and a removed one is not, at once,
 * whether or not anybody writes another generation.
 *
 * Which kind of index the base is, and how hard it must look, stands in the catalog's table
 * meta under "vectors.image" and the like: what suits the size, measured whenever a
 * generation is written, or what `radscout index-tune` found.
 *
 * One thread at a time; inside the archive's snapshot or batch as said.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_VECTORS_H
#define RS_ENGINE_VECTORS_H

#include "base/arena.h"
#include "base/status.h"
#include "engine/db.h"
#include "engine/vector_index.h"

#include <stddef.h>
#include <stdint.h>

/* As in the catalog. Case: a case's images and passages as one vector. Region: a part of an
 * image; only where it was indexed so. */
typedef enum {
    RS_KIND_IMAGE, RS_KIND_PASSAGE, RS_KIND_CASE, RS_KIND_REGION, RS_KINDS
} rs_kind;

typedef struct rs_vectors rs_vectors;

/* Nothing is loaded before the first refresh. `db` is borrowed. */
rs_status rs_vectors_new(rs_vectors **out, rs_db *db, const char *folder, rs_kind kind,
                         const char *encoder_id, size_t dim, rs_err *err);
void      rs_vectors_free(rs_vectors *v);              /* NULL is fine */

/* Take in what the catalog has now. Inside a snapshot. A cache that is missing, damaged
 * or of another generation is left aside (a warning in the log), never an error. */
rs_status rs_vectors_refresh(rs_vectors *v, rs_err *err);

/* Write the next generation where that is worth it: where there is none that is whole and
 * of the wanted kind, and where the catalog has changed; with `lazy`, of more than RS_FLAT_MOST
 * vectors, by more than a sixteenth (the tail is searched exactly until then). The vectors are read
 * in one snapshot, the file is made beside whatever else goes on, and only putting the new
 * row in is a write transaction. `other`: the other kind of the same archive, for queries to
 * measure with; may be NULL. */
rs_status rs_vectors_rebuild(rs_vectors *v, rs_vectors *other, bool lazy, rs_err *err);
/* RS_ECORRUPT where a cache is recorded but its file is not there as recorded. */
rs_status rs_vectors_check_cache(rs_vectors *v, rs_err *err);

size_t  rs_vectors_live(const rs_vectors *v);
int64_t rs_vectors_generation(const rs_vectors *v);    /* of the base; 0: none in use */

/* Which ids may be found. */
typedef struct {
    size_t   n, in_base;           /* of them in the index, and in its base */
    uint8_t *base, *tail;          /* bitmaps over slots */
} rs_selection;

/* Those of the cases that have a bit in `cases`, a bit a case id, `cap` of them; in `mem`; good
 * until the next refresh. Inside the snapshot: whose each vector is, is read at the first call. */
rs_status rs_vectors_select(rs_vectors *v, const uint64_t *cases, size_t cap, rs_arena *mem,
                            rs_selection *out, rs_err *err);
/* The case that a vector is of, once they have been read; 0: not known. */
int64_t   rs_vectors_owner(const rs_vectors *v, int64_t id);
/* It was not known and had to be looked up: where that has been so for some thousands, all are
 * read, which costs about as much. Inside the snapshot. */
rs_status rs_vectors_owner_missed(rs_vectors *v, rs_err *err);

/* The at most k nearest to q [dim] among the selected (NULL: all), best first, equal
 * scores by id; in `mem`. */
rs_status rs_vectors_search(const rs_vectors *v, const float *q, size_t k,
                            const rs_selection *sel, rs_arena *mem, rs_near **out, size_t *n,
                            rs_err *err);

#endif
