/* faiss_ext.h - what the C API of FAISS 1.7.3 lacks, under the names and signatures of
 * later upstream versions: search with parameters, an ID bitmap, nprobe and efSearch per
 * call. The definitions are weak: where a newer libfaiss_c brings its own, those win.
 *
 * Each returns 0, or FAISS's negative error codes with faiss_get_last_error() set; no C++
 * exception passes. Only vector_index.c includes this.
 *
 * In 1.7.3 an IndexIDMap takes no parameters: search its sub-index, where an id is a
 * position, and translate.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_FAISS_EXT_H
#define RS_ENGINE_FAISS_EXT_H

#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/impl/AuxIndexStructures_c.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct FaissSearchParameters_H FaissSearchParameters;
typedef struct FaissSearchParameters_H FaissSearchParametersIVF;
typedef struct FaissSearchParameters_H FaissSearchParametersHNSW;
typedef struct FaissIDSelectorBitmap_H FaissIDSelectorBitmap;

/* One bit per id, ceil(n / 8) bytes, borrowed: id i is taken where bit i % 8 of byte
 * i / 8 is set. `n` is what upstream's is: the length of the bitmap in bytes. */
int  faiss_IDSelectorBitmap_new(FaissIDSelectorBitmap **p_sel, size_t n, const uint8_t *bitmap);
void faiss_IDSelectorBitmap_free(FaissIDSelectorBitmap *sel);

/* `sel` may be NULL; it is borrowed until the parameters are freed. */
int  faiss_SearchParameters_new(FaissSearchParameters **p_sp, FaissIDSelector *sel);
void faiss_SearchParameters_free(FaissSearchParameters *sp);
int  faiss_SearchParametersIVF_new_with(FaissSearchParametersIVF **p_sp, FaissIDSelector *sel,
                                        size_t nprobe, size_t max_codes);
void faiss_SearchParametersIVF_free(FaissSearchParametersIVF *sp);
int  faiss_SearchParametersHNSW_new_with(FaissSearchParametersHNSW **p_sp, FaissIDSelector *sel,
                                         int efSearch);
void faiss_SearchParametersHNSW_free(FaissSearchParametersHNSW *sp);

int  faiss_Index_search_with_params(const FaissIndex *index, idx_t n, const float *x, idx_t k,
                                    const FaissSearchParameters *params, float *distances,
                                    idx_t *labels);

/* ---- Ours ------------------------------------------------------------------------- */

/* Threads that FAISS may use in calls from this thread; gives the number before. */
int  rs_faiss_set_threads(int n);

/* What stands below an IndexIDMap, as far as radscout makes them. The codes of *_HALF are
 * half floats as they stand in the catalog. */
typedef enum {
    RS_FAISS_OTHER, RS_FAISS_HALF, RS_FAISS_IVF_HALF, RS_FAISS_IVF_BYTE, RS_FAISS_HNSW_HALF
} rs_faiss_kind;

rs_faiss_kind rs_faiss_kind_of(const FaissIndex *sub);
/* Before training: lists hold vectors and not their distance from the centroid, a graph is
 * built looking at `ef_construction` neighbours. */
void rs_faiss_set_up(FaissIndex *sub, int ef_construction);
/* The codes of HALF and HNSW_HALF in order, until the next add. */
const uint8_t *rs_faiss_codes(const FaissIndex *sub);
/* One list of an IVF: codes and positions [*n], until the next add. */
void rs_faiss_list(const FaissIndex *sub, size_t list, const uint8_t **codes, const idx_t **at,
                   size_t *n);
/* IVF_BYTE: component j is low[j] + (code + 0.5) / 255 * range[j]. */
void rs_faiss_byte_ranges(const FaissIndex *sub, const float **low, const float **range);
/* Give the memory of a list back; the index is then only good for its centroids. */
void rs_faiss_drop_list(FaissIndex *sub, size_t list);
/* Add to an IndexIDMap over an IVF, the list of each vector being known. */
int  rs_faiss_add_to_lists(FaissIndex *idmap, idx_t n, const float *x, const idx_t *ids,
                           const idx_t *lists);

#ifdef __cplusplus
}
#endif

#endif
