/* vector_index_int.h - what an rs_vector_index is made of: vector_index.c makes it,
 * vector_search.c searches it, vector_file.c writes and reads it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_ENGINE_VECTOR_INDEX_INT_H
#define RS_ENGINE_VECTOR_INDEX_INT_H

#include "engine/codes.h"
#include "engine/faiss_ext.h"
#include "engine/vector_index.h"

#include <faiss/c_api/MetaIndexes_c.h>

struct rs_vector_index {
    FaissIndex      *index;        /* an IndexIDMap */
    rs_index_setting setting;
    size_t           dim, live;
    uint8_t         *alive;        /* a bit a slot */
    size_t           alive_cap;    /* bytes, a multiple of 8 */
    rs_codes         codes;        /* by slot */

    /* ivf and sq8, once sealed; all NULL for flat and hnsw, where a slot is a position */
    rs_codes         centroids;    /* from training on */
    uint32_t        *slot_of, *position_of;         /* [count] */
    uint32_t        *list_of;                       /* [count] by slot; not for an sq8 */
    uint32_t        *start;                         /* [lists + 1]: the first slot of each */
    const uint8_t  **list_codes;                    /* [lists]: half floats; not for an sq8 */

    rs_vector_source source;       /* sq8 */
    void            *source_ctx;

    /* What one search needs, kept for the next. */
    rs_shortlist     shortlist, coarse;
    float           *list_score;   /* [lists] */
    uint32_t        *list_heap;    /* [lists] */
    uint16_t        *fetched;      /* sq8: some exact vectors */
};

static inline FaissIndex *rs_sub_index(const rs_vector_index *v)
{
    return faiss_IndexIDMap_sub_index(v->index);
}

static inline bool rs_has_lists(const rs_vector_index *v)
{
    return v->setting.kind == RS_INDEX_IVF || v->setting.kind == RS_INDEX_SQ8;
}

/* The ids by position. */
size_t    rs_index_ids(const rs_vector_index *v, const int64_t **ids);
rs_status rs_faiss_failed(rs_status as, const char *doing, rs_err *err);
/* `index` becomes *out's, or is freed. */
rs_status rs_index_wrap(rs_vector_index **out, FaissIndex *index, size_t dim, rs_err *err);
/* Codes and bits of what `v` has just read. */
rs_status rs_index_take_in(rs_vector_index *v, rs_err *err);

#endif
