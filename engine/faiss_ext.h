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

/* Ours: threads that FAISS may use in calls from this thread; gives the number before. */
int  rs_faiss_set_threads(int n);

#ifdef __cplusplus
}
#endif

#endif
