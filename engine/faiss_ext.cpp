/* faiss_ext.cpp - see faiss_ext.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/faiss_ext.h"

#include <faiss/Index.h>
#include <faiss/IndexIVF.h>
#include <faiss/impl/FaissException.h>
#include <faiss/impl/HNSW.h>
#include <faiss/impl/IDSelector.h>

#include <exception>
#include <omp.h>
#include <stdexcept>

/* Where the C API keeps what faiss_get_last_error() tells. */
extern thread_local std::exception_ptr faiss_last_exception;

namespace {

/* Run `f`; exceptions become the C API's codes. */
template <typename F>
int guarded(F f) noexcept
{
    try {
        f();
        return 0;
    } catch (const faiss::FaissException &e) {
        faiss_last_exception = std::make_exception_ptr(e);
        return -2;
    } catch (const std::exception &) {
        faiss_last_exception = std::current_exception();
        return -4;
    } catch (...) {
        faiss_last_exception = std::make_exception_ptr(std::runtime_error("Unknown error"));
        return -1;
    }
}

faiss::IDSelector *selector(FaissIDSelector *sel)
{
    return reinterpret_cast<faiss::IDSelector *>(sel);
}

/* Handles are pointers to the base class, as the C API's casts expect. */
template <typename P>
FaissSearchParameters *handle(P *p)
{
    return reinterpret_cast<FaissSearchParameters *>(static_cast<faiss::SearchParameters *>(p));
}

void destroy(FaissSearchParameters *sp)
{
    delete reinterpret_cast<faiss::SearchParameters *>(sp);
}

} // namespace

#define RS_WEAK __attribute__((weak))

extern "C" {

RS_WEAK int faiss_IDSelectorBitmap_new(FaissIDSelectorBitmap **p_sel, size_t n,
                                       const uint8_t *bitmap)
{
    return guarded([&] {
        faiss::IDSelector *sel = new faiss::IDSelectorBitmap(n, bitmap);
        *p_sel = reinterpret_cast<FaissIDSelectorBitmap *>(sel);
    });
}

RS_WEAK void faiss_IDSelectorBitmap_free(FaissIDSelectorBitmap *sel)
{
    delete reinterpret_cast<faiss::IDSelector *>(sel);
}

RS_WEAK int faiss_SearchParameters_new(FaissSearchParameters **p_sp, FaissIDSelector *sel)
{
    return guarded([&] {
        auto *sp = new faiss::SearchParameters;
        sp->sel = selector(sel);
        *p_sp = handle(sp);
    });
}

RS_WEAK void faiss_SearchParameters_free(FaissSearchParameters *sp) { destroy(sp); }

RS_WEAK int faiss_SearchParametersIVF_new_with(FaissSearchParametersIVF **p_sp,
                                               FaissIDSelector *sel, size_t nprobe,
                                               size_t max_codes)
{
    return guarded([&] {
        auto *sp = new faiss::SearchParametersIVF;
        sp->sel = selector(sel);
        sp->nprobe = nprobe;
        sp->max_codes = max_codes;
        *p_sp = handle(sp);
    });
}

RS_WEAK void faiss_SearchParametersIVF_free(FaissSearchParametersIVF *sp) { destroy(sp); }

RS_WEAK int faiss_SearchParametersHNSW_new_with(FaissSearchParametersHNSW **p_sp,
                                                FaissIDSelector *sel, int efSearch)
{
    return guarded([&] {
        auto *sp = new faiss::SearchParametersHNSW;
        sp->sel = selector(sel);
        sp->efSearch = efSearch;
        *p_sp = handle(sp);
    });
}

RS_WEAK void faiss_SearchParametersHNSW_free(FaissSearchParametersHNSW *sp) { destroy(sp); }

RS_WEAK int faiss_Index_search_with_params(const FaissIndex *index, idx_t n, const float *x,
                                           idx_t k, const FaissSearchParameters *params,
                                           float *distances, idx_t *labels)
{
    return guarded([&] {
        reinterpret_cast<const faiss::Index *>(index)->search(
            n, x, k, distances, labels,
            reinterpret_cast<const faiss::SearchParameters *>(params));
    });
}

int rs_faiss_set_threads(int n)
{
    int before = omp_get_max_threads();

    omp_set_num_threads(n);
    return before;
}

} /* extern "C" */
