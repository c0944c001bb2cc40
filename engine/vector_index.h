/* vector_index.h - one FAISS index of unit vectors under the ids of their rows, and the
 * scan of our own over what it holds.
 *
 *   kind    factory               what is looked at
 *   flat    IDMap,SQfp16          every vector: exact
 *   ivf     IDMap,IVF<n>,SQfp16   the vectors of the nearest lists
 *   sq8     IDMap,IVF<n>,SQ8      the same from bytes; exact vectors come from the catalog
 *   hnsw    IDMap,HNSW32,SQfp16   a graph, walked by FAISS
 *
 * FAISS trains, assigns, walks the graph and makes the file. Vectors are kept as the half
 * floats that the catalog has, so nothing is lost, and each has an 8-bit code besides
 * (codes.h). Codes are scanned, the vectors of what may be among the best are multiplied
 * exactly: every score is an exact one, and a search of the kind flat misses nothing.
 *
 * A filter is a bitmap over slots. Rows whose bit is clear are never looked at; when few
 * pass, those are scanned one by one, which is exact; when more pass, a probe of lists goes on
 * until it has seen as many passing rows as it sees without a filter, and no list that is
 * left is near enough to matter. A graph finds no way through rows that do not pass, so
 * under a filter all that pass are scanned.
 *
 * Ids ascend in the order of adding, so a position is found by bisection. A slot is where a
 * row's code lies: the position, or in an IVF its place in the order of the lists.
 *
 * The file is FAISS's own format (an IndexIDMap), read only after its checksum is right:
 * FAISS trusts what it reads.
 *
 * One thread at a time. A search runs on the calling thread alone.
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

/* ---- Which kind ------------------------------------------------------- */

typedef enum { RS_INDEX_FLAT, RS_INDEX_IVF, RS_INDEX_SQ8, RS_INDEX_HNSW, RS_INDEX_KINDS }
    rs_index_kind;

/* How hard to look: `effort`, for 10 results and for 100, is lists visited, or efSearch.
 * `margin` is for a filter over lists: how far below the k-th best score so far a centroid
 * must be before the lists from there on are left alone. What passes may lie far from the
 * query, in many lists that are about as near, and this is seen from scores alone. */
typedef struct {
    rs_index_kind kind;
    size_t lists;                  /* ivf and sq8; else 0 */
    size_t effort[2];              /* 0: the kind's own, which is careful, */
    float  margin;                 /* as is this */
} rs_index_setting;

enum { RS_FACTORY_SIZE = 48, RS_FLAT_MOST = 50000 };

const char *rs_index_kind_name(rs_index_kind kind);               /* "ivf" */
bool        rs_index_kind_of(const char *name, rs_index_kind *out);
/* The factory string, as FAISS reads it. */
void        rs_index_factory(const rs_index_setting *s, char out[RS_FACTORY_SIZE]);
/* What suits n vectors of `dim` floats within `memory` bytes, before anything was measured:
 * flat up to RS_FLAT_MOST, then ivf, or sq8 where ivf would not fit. */
rs_index_setting rs_index_setting_for(size_t n, size_t dim, uint64_t memory);
/* The number of lists for n vectors: a power of two near 4 sqrt(n). */
size_t      rs_index_lists_for(size_t n);
/* Half of this machine's memory. */
uint64_t    rs_index_memory(void);

/* ---- Make -------------------------------------------------------------- */

/* Empty, for vectors of `dim` floats; `s` NULL: flat. */
rs_status rs_vector_index_new(rs_vector_index **out, size_t dim, const rs_index_setting *s,
                              rs_err *err);
void      rs_vector_index_free(rs_vector_index *v);       /* NULL is fine */

/* Whether it wants to see a sample first, and how many vectors (0: none). */
size_t    rs_vector_index_sample(const rs_vector_index *v);
rs_status rs_vector_index_train(rs_vector_index *v, const float *x, size_t n, rs_err *err);
/* x: [n x dim], kept as half floats; ids ascend and are above all ids before, else RS_EARG. */
rs_status rs_vector_index_add(rs_vector_index *v, const int64_t *ids, const float *x, size_t n,
                              rs_err *err);
/* After the last add of an ivf or sq8, before anything below; others take vectors always. */
rs_status rs_vector_index_seal(rs_vector_index *v, rs_err *err);
/* Never find this id again; whether it was there. */
bool      rs_vector_index_remove(rs_vector_index *v, int64_t id);

/* Where an sq8 gets exact vectors from: `half` [dim] of `id`. */
typedef rs_status (*rs_vector_source)(void *ctx, int64_t id, uint16_t *half, rs_err *err);
void      rs_vector_index_set_source(rs_vector_index *v, rs_vector_source source, void *ctx);

size_t    rs_vector_index_count(const rs_vector_index *v);    /* removed ones included */
size_t    rs_vector_index_live(const rs_vector_index *v);     /* without them */
size_t    rs_vector_index_dim(const rs_vector_index *v);
int64_t   rs_vector_index_last_id(const rs_vector_index *v);  /* 0 when empty */
size_t    rs_vector_index_bytes(const rs_vector_index *v);    /* of memory, about */
const rs_index_setting *rs_vector_index_setting(const rs_vector_index *v);
/* Effort and margin of `s`. */
void      rs_vector_index_set_effort(rs_vector_index *v, const rs_index_setting *s);

/* ---- Search ------------------------------------------------------------ */

/* A bitmap for rs_vector_index_search, a multiple of 8 bytes. */
size_t    rs_vector_index_bitmap_bytes(const rs_vector_index *v);
/* Set the bits of those of the ascending `ids` that are in the index and not removed.
 * bits: [bitmap_bytes], zeroed by the caller. Returns how many were set. */
size_t    rs_vector_index_select(const rs_vector_index *v, const int64_t *ids, size_t n,
                                 uint8_t *bits);
/* The same of all whose owner has a bit: owner[i] is that of the i-th id, [count]; `owners` a
 * bit an owner, those from `cap` on have none. */
size_t    rs_vector_index_select_owned(const rs_vector_index *v, const uint32_t *owner,
                                       const uint64_t *owners, size_t cap, uint8_t *bits);
/* The ids in the order of adding, [count]; borrowed until the next add. */
const int64_t *rs_vector_index_ids(const rs_vector_index *v);

/* The at most `k` nearest to q [dim], best first, equal scores by id. `bits` NULL: all; else
 * `set` of them are set. near: [k]. *found <= k, and less only where fewer may be found. */
rs_status rs_vector_index_search(rs_vector_index *v, const float *q, size_t k,
                                 const uint8_t *bits, size_t set, rs_near *near, size_t *found,
                                 rs_err *err);
/* The same by looking at every row (an sq8: every code). */
rs_status rs_vector_index_exact(rs_vector_index *v, const float *q, size_t k,
                                const uint8_t *bits, size_t set, rs_near *near, size_t *found,
                                rs_err *err);
/* The same by FAISS alone, of flat and hnsw: a second opinion. RS_EARG of the others. */
rs_status rs_vector_index_by_faiss(rs_vector_index *v, const float *q, size_t k,
                                   const uint8_t *bits, size_t set, rs_near *near, size_t *found,
                                   rs_err *err);

/* For tuning: gap[i] = the n-th (last) score of near[0..n) less that of the centroid of the
 * list in which near[i] is; ivf and sq8. What a margin must be to find it. */
rs_status rs_vector_index_gaps(rs_vector_index *v, const float *q, const rs_near *near, size_t n,
                               float *gap, rs_err *err);
/* bits: [bitmap_bytes] all that is alive, but the lists in which near[0..n) are. How many. */
size_t    rs_vector_index_bar(const rs_vector_index *v, const rs_near *near, size_t n,
                              uint8_t *bits);

/* ---- File -------------------------------------------------------------- */

/* Write to `path` by atomic rename; `sha` is the file's digest. Not an sq8 that was sealed. */
rs_status rs_vector_index_write(const rs_vector_index *v, const char *path,
                                char sha[RS_SHA256_HEX], rs_err *err);
/* Read a file whose digest must be `sha`, sealed. RS_ENOENT, RS_ECORRUPT (another digest,
 * other than `dim` floats, ids out of order, a kind that we do not make), RS_ENOMEM. */
rs_status rs_vector_index_read(rs_vector_index **out, const char *path, const char *sha,
                               size_t dim, rs_err *err);

#endif
