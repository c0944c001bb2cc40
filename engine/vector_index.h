/* vector_index.h - one FAISS index of unit vectors under the ids of their rows.
 *
 * Ids ascend in the order of adding, so a position is found by bisection. Removing clears
 * a bit: FAISS is handed the bitmap of what may be found and never sees the rest. Which
 * kind of index it is stands in one factory string in vector_index.c.
 *
 * The file is FAISS's own format (an IndexIDMap), read only after its checksum is right:
 * FAISS trusts what it reads.
 *
 * One thread at a time. FAISS runs a search on the calling thread alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_VECTOR_INDEX_H
#define RS_ENGINE_VECTOR_INDEX_H

#include "base/hash.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rs_vector_index rs_vector_index;

typedef struct { int64_t id; float score; } rs_near;      /* score: inner product */

/* Empty, for vectors of `dim` floats; `expected` vectors choose the kind. */
rs_status rs_vector_index_new(rs_vector_index **out, size_t dim, size_t expected, rs_err *err);
void      rs_vector_index_free(rs_vector_index *v);       /* NULL is fine */

/* x: [n x dim]; ids ascend and are above all ids before, else RS_EARG. */
rs_status rs_vector_index_add(rs_vector_index *v, const int64_t *ids, const float *x, size_t n,
                              rs_err *err);
/* Never find this id again; whether it was there. */
bool      rs_vector_index_remove(rs_vector_index *v, int64_t id);

size_t    rs_vector_index_count(const rs_vector_index *v);    /* removed ones included */
size_t    rs_vector_index_live(const rs_vector_index *v);     /* without them */
int64_t   rs_vector_index_last_id(const rs_vector_index *v);  /* 0 when empty */
const char *rs_vector_index_factory(const rs_vector_index *v);

/* A bitmap for rs_vector_index_search. */
size_t    rs_vector_index_bitmap_bytes(const rs_vector_index *v);
/* Set the bits of those of the ascending `ids` that are in the index and not removed.
 * bits: [bitmap_bytes], zeroed by the caller. Returns how many were set. */
size_t    rs_vector_index_select(const rs_vector_index *v, const int64_t *ids, size_t n,
                                 uint8_t *bits);

/* The at most `k` nearest to q [dim], best first, equal scores by id. `bits` NULL: all.
 * near: [k]. *found <= k. (Which of several equal scores stay at the cut is FAISS's.) */
rs_status rs_vector_index_search(const rs_vector_index *v, const float *q, size_t k,
                                 const uint8_t *bits, rs_near *near, size_t *found, rs_err *err);

/* Write to `path` by atomic rename; `sha` is the file's digest. */
rs_status rs_vector_index_write(const rs_vector_index *v, const char *path,
                                char sha[RS_SHA256_HEX], rs_err *err);
/* Read a file whose digest must be `sha`. RS_ENOENT, RS_ECORRUPT (another digest, other
 * than `dim` floats, ids out of order), RS_ENOMEM. */
rs_status rs_vector_index_read(rs_vector_index **out, const char *path, const char *sha,
                               size_t dim, rs_err *err);

#endif
