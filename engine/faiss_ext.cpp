/* faiss_ext.cpp - see faiss_ext.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/faiss_ext.h"

#include <faiss/Index.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/impl/FaissException.h>
#include <faiss/impl/HNSW.h>
#include <faiss/impl/IDSelector.h>

#include <exception>
#include <omp.h>
#include <stdexcept>
#include <vector>

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

/* ---- Ours ------------------------------------------------------------------------- */

static const faiss::IndexIVF *ivf(const FaissIndex *sub)
{
    return static_cast<const faiss::IndexIVF *>(reinterpret_cast<const faiss::Index *>(sub));
}

rs_faiss_kind rs_faiss_kind_of(const FaissIndex *sub)
{
    using faiss::ScalarQuantizer;
    auto *index = reinterpret_cast<const faiss::Index *>(sub);

    if (auto *flat = dynamic_cast<const faiss::IndexScalarQuantizer *>(index))
        return flat->sq.qtype == ScalarQuantizer::QT_fp16 &&
               flat->codes.size() == (size_t)flat->ntotal * 2 * (size_t)flat->d
                   ? RS_FAISS_HALF : RS_FAISS_OTHER;
    if (auto *graph = dynamic_cast<const faiss::IndexHNSWSQ *>(index)) {
        auto *below = dynamic_cast<const faiss::IndexScalarQuantizer *>(graph->storage);
        return below && rs_faiss_kind_of(reinterpret_cast<const FaissIndex *>(
                            static_cast<const faiss::Index *>(below))) == RS_FAISS_HALF &&
               below->ntotal == graph->ntotal
                   ? RS_FAISS_HNSW_HALF : RS_FAISS_OTHER;
    }
    auto *lists = dynamic_cast<const faiss::IndexIVFScalarQuantizer *>(index);
    if (!lists || lists->by_residual || !lists->invlists || !lists->quantizer ||
        lists->invlists->nlist != lists->nlist || lists->invlists->code_size != lists->code_size ||
        lists->quantizer->d != lists->d || lists->quantizer->ntotal != (faiss::Index::idx_t)lists->nlist)
        return RS_FAISS_OTHER;
    if (lists->sq.qtype == ScalarQuantizer::QT_fp16 && lists->code_size == 2 * (size_t)lists->d)
        return RS_FAISS_IVF_HALF;
    if (lists->sq.qtype == ScalarQuantizer::QT_8bit && lists->code_size == (size_t)lists->d &&
        (lists->sq.trained.size() == 2 * (size_t)lists->d))
        return RS_FAISS_IVF_BYTE;
    return RS_FAISS_OTHER;
}

void rs_faiss_set_up(FaissIndex *sub, int ef_construction)
{
    auto *index = reinterpret_cast<faiss::Index *>(sub);

    if (auto *lists = dynamic_cast<faiss::IndexIVFScalarQuantizer *>(index))
        lists->by_residual = false;
    if (auto *graph = dynamic_cast<faiss::IndexHNSW *>(index))
        graph->hnsw.efConstruction = ef_construction;
}

const uint8_t *rs_faiss_codes(const FaissIndex *sub)
{
    auto *index = reinterpret_cast<const faiss::Index *>(sub);

    if (auto *graph = dynamic_cast<const faiss::IndexHNSWSQ *>(index))
        index = graph->storage;
    auto *flat = dynamic_cast<const faiss::IndexFlatCodes *>(index);
    return flat ? flat->codes.data() : nullptr;
}

void rs_faiss_list(const FaissIndex *sub, size_t list, const uint8_t **codes, const idx_t **at,
                   size_t *n)
{
    const faiss::InvertedLists *lists = ivf(sub)->invlists;

    *n = lists->list_size(list);
    *codes = lists->get_codes(list);
    *at = lists->get_ids(list);
}

void rs_faiss_byte_ranges(const FaissIndex *sub, const float **low, const float **range)
{
    auto *index = static_cast<const faiss::IndexIVFScalarQuantizer *>(ivf(sub));

    *low = index->sq.trained.data();
    *range = *low + index->d;
}

void rs_faiss_drop_list(FaissIndex *sub, size_t list)
{
    auto *lists = dynamic_cast<faiss::ArrayInvertedLists *>(ivf(sub)->invlists);

    if (!lists)
        return;
    std::vector<uint8_t>().swap(lists->codes[list]);
    std::vector<faiss::Index::idx_t>().swap(lists->ids[list]);
}

int rs_faiss_add_to_lists(FaissIndex *idmap, idx_t n, const float *x, const idx_t *ids,
                          const idx_t *lists)
{
    return guarded([&] {
        auto *map = static_cast<faiss::IndexIDMap *>(reinterpret_cast<faiss::Index *>(idmap));
        const size_t need = map->id_map.size() + (size_t)n;
        if (need > map->id_map.capacity())         /* before the vectors: nothing may fail after */
            map->id_map.reserve(need + need / 2);
        static_cast<faiss::IndexIVF *>(map->index)->add_core(n, x, nullptr, lists);
        map->id_map.insert(map->id_map.end(), ids, ids + n);
        map->ntotal = map->index->ntotal;
    });
}

int rs_faiss_set_threads(int n)
{
    int before = omp_get_max_threads();

    omp_set_num_threads(n);
    return before;
}

} /* extern "C" */
