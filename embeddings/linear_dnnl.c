/* linear_dnnl.c - oneDNN's matrix product for blocks of rows; nothing else includes its
 * header, and without it this file has no implementation to offer.
 *
 * One primitive a layer, for RS_LINEAR_BLOCK rows, the weights reordered once into
 * whatever layout it asks for. oneDNN runs on OpenMP's threads: each call tells it to
 * stay on the calling one, since our pool is the parallelism. See linear_int.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "embeddings/linear_int.h"

#include "base/alloc.h"

#ifdef RADSCOUT_DNNL
#include <oneapi/dnnl/dnnl.h>

/* From OpenMP's runtime, whose header not every compiler has without -fopenmp. */
extern int  omp_get_max_threads(void);
extern void omp_set_num_threads(int n);

struct rs_dnnl {
    dnnl_engine_t    engine;
    dnnl_primitive_t primitive;
    dnnl_memory_t    weights;
    dnnl_memory_desc_t src, dst, room;
    size_t room_bytes, weight_bytes;
};

bool rs_dnnl_found(void)
{
    return true;
}

static bool ok(dnnl_status_t st)
{
    return st == dnnl_success;
}

static dnnl_data_type_t type_of(rs_precision p, bool activation)
{
    return p == RS_F32 ? dnnl_f32 : p == RS_BF16 ? dnnl_bf16 : activation ? dnnl_u8 : dnnl_s8;
}

/* A dense [rows x columns] matrix whose elements are `down` and `right` apart. */
static bool matrix(dnnl_memory_desc_t *md, size_t rows, size_t columns, dnnl_data_type_t type,
                   size_t down, size_t right)
{
    const dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
    const dnnl_dims_t strides = {(dnnl_dim_t)down, (dnnl_dim_t)right};
    return ok(dnnl_memory_desc_init_by_strides(md, 2, dims, type, strides));
}

/* The description of the product, weights in the layout it likes. NULL: none. */
static dnnl_primitive_desc_t describe(rs_dnnl *d, rs_precision p, size_t n, size_t k, size_t ldx)
{
    const dnnl_dims_t dims = {(dnnl_dim_t)k, (dnnl_dim_t)n};
    dnnl_memory_desc_t weights;
    dnnl_matmul_desc_t what;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;

    if (matrix(&d->src, RS_LINEAR_BLOCK, k, type_of(p, true), ldx, 1) &&
        matrix(&d->dst, RS_LINEAR_BLOCK, n, p == RS_INT8 ? dnnl_s32 : dnnl_f32, n, 1) &&
        ok(dnnl_memory_desc_init_by_tag(&weights, 2, dims, type_of(p, false),
                                        dnnl_format_tag_any)) &&
        ok(dnnl_matmul_desc_init(&what, &d->src, &weights, NULL, &d->dst)) &&
        ok(dnnl_primitive_attr_create(&attr)) &&
        ok(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user)) &&
        !ok(dnnl_primitive_desc_create(&pd, &what, attr, d->engine, NULL)))
        pd = NULL;
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return pd;
}

/* d->weights from w [n x k]. */
static bool reorder(rs_dnnl *d, const_dnnl_primitive_desc_t pd, rs_precision p, size_t n, size_t k,
                    const void *w)
{
    const dnnl_memory_desc_t *want = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    dnnl_memory_desc_t plain;
    dnnl_memory_t from = NULL;
    dnnl_primitive_desc_t rpd = NULL;
    dnnl_primitive_t r = NULL;
    dnnl_stream_t stream = NULL;
    bool good = false;

    if (!want || !matrix(&plain, k, n, type_of(p, false), 1, k))
        return false;
    d->weight_bytes = dnnl_memory_desc_get_size(want);
    if (ok(dnnl_memory_create(&from, &plain, d->engine, (void *)(uintptr_t)w)) &&
        ok(dnnl_memory_create(&d->weights, want, d->engine, DNNL_MEMORY_ALLOCATE)) &&
        ok(dnnl_reorder_primitive_desc_create(&rpd, &plain, d->engine, want, d->engine, NULL)) &&
        ok(dnnl_primitive_create(&r, rpd)) &&
        ok(dnnl_stream_create(&stream, d->engine, dnnl_stream_default_flags))) {
        const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, d->weights}};
        good = ok(dnnl_primitive_execute(r, stream, 2, args)) && ok(dnnl_stream_wait(stream));
    }
    if (stream)
        dnnl_stream_destroy(stream);
    if (r)
        dnnl_primitive_destroy(r);
    if (rpd)
        dnnl_primitive_desc_destroy(rpd);
    if (from)
        dnnl_memory_destroy(from);
    return good;
}

static bool build(rs_dnnl *d, rs_precision p, size_t n, size_t k, size_t ldx, const void *w)
{
    dnnl_primitive_desc_t pd = NULL;
    bool good = ok(dnnl_engine_create(&d->engine, dnnl_cpu, 0)) &&
                (pd = describe(d, p, n, k, ldx)) != NULL &&
                ok(dnnl_primitive_create(&d->primitive, pd)) && reorder(d, pd, p, n, k, w);
    if (good) {
        d->room = *dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
        d->room_bytes = dnnl_memory_desc_get_size(&d->room);
    }
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    return good;
}

rs_status rs_dnnl_new(rs_dnnl **out, rs_precision p, size_t n, size_t k, size_t ldx,
                      const void *w, rs_err *err)
{
    rs_dnnl *d = rs_calloc(1, sizeof *d);
    const int threads = omp_get_max_threads();

    *out = NULL;
    if (!d)
        return rs_fail(err, RS_ENOMEM, "linear layer %zu x %zu: no memory", n, k);
    omp_set_num_threads(1);
    if (!build(d, p, n, k, ldx, w)) {
        rs_dnnl_free(d);
        d = NULL;
    }
    omp_set_num_threads(threads);
    *out = d;
    return RS_OK;
}

void rs_dnnl_free(rs_dnnl *d)
{
    if (!d)
        return;
    if (d->primitive)
        dnnl_primitive_destroy(d->primitive);
    if (d->weights)
        dnnl_memory_destroy(d->weights);
    if (d->engine)
        dnnl_engine_destroy(d->engine);
    rs_free(d);
}

size_t rs_dnnl_scratch(const rs_dnnl *d)
{
    return d->room_bytes;
}

size_t rs_dnnl_bytes(const rs_dnnl *d)
{
    return d->weight_bytes;
}

bool rs_dnnl_run(const rs_dnnl *d, void *c, const void *x, void *scratch)
{
    const int threads = omp_get_max_threads();
    dnnl_memory_t src = NULL, dst = NULL, room = NULL;
    dnnl_stream_t stream = NULL;
    bool good = false;

    omp_set_num_threads(1);
    if (ok(dnnl_memory_create(&src, &d->src, d->engine, (void *)(uintptr_t)x)) &&
        ok(dnnl_memory_create(&dst, &d->dst, d->engine, c)) &&
        ok(dnnl_memory_create(&room, &d->room, d->engine, scratch)) &&
        ok(dnnl_stream_create(&stream, d->engine, dnnl_stream_default_flags))) {
        const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, src}, {DNNL_ARG_WEIGHTS, d->weights},
                                        {DNNL_ARG_DST, dst}, {DNNL_ARG_SCRATCHPAD, room}};
        good = ok(dnnl_primitive_execute(d->primitive, stream, 4, args)) &&
               ok(dnnl_stream_wait(stream));
    }
    if (stream)
        dnnl_stream_destroy(stream);
    if (room)
        dnnl_memory_destroy(room);
    if (dst)
        dnnl_memory_destroy(dst);
    if (src)
        dnnl_memory_destroy(src);
    omp_set_num_threads(threads);
    return good;
}

#else

struct rs_dnnl {
    int none;
};

bool rs_dnnl_found(void)
{
    return false;
}

rs_status rs_dnnl_new(rs_dnnl **out, rs_precision p, size_t n, size_t k, size_t ldx,
                      const void *w, rs_err *err)
{
    (void)p, (void)n, (void)k, (void)ldx, (void)w, (void)err;
    *out = NULL;
    return RS_OK;
}

void rs_dnnl_free(rs_dnnl *d)
{
    rs_free(d);
}

size_t rs_dnnl_scratch(const rs_dnnl *d)
{
    (void)d;
    return 0;
}

size_t rs_dnnl_bytes(const rs_dnnl *d)
{
    (void)d;
    return 0;
}

bool rs_dnnl_run(const rs_dnnl *d, void *c, const void *x, void *scratch)
{
    (void)d, (void)c, (void)x, (void)scratch;
    return false;
}
#endif
