/* linear.c - packing weights, choosing who multiplies, one run. See linear.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/linear.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "embeddings/kernels.h"
#include "embeddings/linear_int.h"
#include "embeddings/matmul.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

enum {
    SIZE_MOST = 1 << 20,
    INT8_MOST = 1 << 16,           /* inputs whose products, 255 * 127 each, fit a 32-bit sum */
    LINE = 64,
    SPLIT_FLOPS = 8000000,         /* what a pool is woken for: about 100 us of one core */
    MEASURE_ROWS = 192, MEASURE_OUTPUTS = 512, MEASURE_RUNS = 2
};

struct rs_weights {
    size_t n, k;
    size_t wide, padded;           /* n and k as the panels have them */
    rs_precision precision;
    rs_linear_backend backend;
    const rs_linear_set *set;
    void    *panels;
    float   *bias;                 /* [wide], zeros where there is none */
    float   *scale;                /* int8: [wide] */
    int32_t *offset;               /* int8: [wide], 128 * sum of the quantised weights */
    void   (*act)(float *y, const float *x, size_t n);
    const float *w;                /* BLAS */
    rs_dnnl *dnnl;
    size_t   bytes;
};

/* ---- Names and sets ------------------------------------------------------------------ */

static const char *const precision_names[] = {"auto", "f32", "bf16", "int8"};
static const char *const backend_names[] = {"measure", "own", "openblas", "onednn"};

const char *rs_precision_name(rs_precision p)
{
    return precision_names[p];
}

bool rs_precision_parse(rs_precision *p, const char *name)
{
    for (size_t i = 0; i < sizeof precision_names / sizeof *precision_names; i++)
        if (strcmp(name, precision_names[i]) == 0) {
            *p = (rs_precision)i;
            return true;
        }
    return false;
}

const char *rs_linear_backend_name(rs_linear_backend b)
{
    return backend_names[b];
}

#ifdef __x86_64__
/* VNNI on 256-bit vectors without AVX-512: leaf 7, subleaf 1, EAX bit 4. Not every
 * compiler that we build with knows its name. */
static bool has_avxvnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4) != 0;
}
#endif

size_t rs_linear_list(const rs_linear_set *list[RS_LINEAR_SETS])
{
    size_t n = 0;

    list[n++] = &rs_linear_generic;
#ifdef __x86_64__
    __builtin_cpu_init();
    if (rs_cpu_avx2()) {
        list[n++] = &rs_linear_avx2;
        if (has_avxvnni())
            list[n++] = &rs_linear_avxvnni;
    }
    if (rs_cpu_avx512()) {
        list[n++] = &rs_linear_avx512;
        if (__builtin_cpu_supports("avx512vnni")) {
            list[n++] = &rs_linear_vnni;
            if (__builtin_cpu_supports("avx512bf16")) {
                list[n++] = &rs_linear_bf16;
                if (rs_linear_amx_runs())
                    list[n++] = &rs_linear_amx;
            }
        }
    }
#endif
    return n;
}

static const rs_linear_set *best_set(void)
{
    const rs_linear_set *list[RS_LINEAR_SETS];
    return list[rs_linear_list(list) - 1];
}

bool rs_precision_pays(rs_precision p)
{
    const rs_linear_set *best = best_set();

    switch (p) {
    case RS_AUTO:
    case RS_F32:
        return p == RS_F32;
    case RS_BF16:
        return best->bf16_pairs;
    case RS_INT8:
        return best != &rs_linear_generic;
    }
    return false;
}

/* ---- Packing --------------------------------------------------------------------------- */

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static uint16_t to_bf16(float x)
{
    uint32_t u;

    memcpy(&u, &x, sizeof u);
    if ((u & 0x7FFFFFFF) > 0x7F800000)
        return (uint16_t)(u >> 16 | 64);
    return (uint16_t)((u + 0x7FFF + ((u >> 16) & 1)) >> 16);
}

float rs_quantise_row(int8_t *q, const float *w, size_t k)
{
    float top = 0;

    for (size_t l = 0; l < k; l++)
        top = fabsf(w[l]) > top ? fabsf(w[l]) : top;
    const float inverse = top > 1e-30f && top < INFINITY ? 127 / top : 0;
    for (size_t l = 0; l < k; l++)
        q[l] = (int8_t)lrintf(w[l] * inverse);
    return inverse > 0 ? top / 127 : 0;
}

static size_t element(rs_precision p)
{
    return p == RS_F32 ? sizeof(float) : p == RS_BF16 ? sizeof(uint16_t) : sizeof(int8_t);
}

/* One panel from `rows` rows of weights, or in int8 of integers, [rows x k]: read along
 * the rows side by side, written from one end to the other. See linear_int.h. */
static void put_panel_f32(float *to, const float *from, size_t rows, size_t k, size_t nr)
{
    for (size_t l = 0; l < k; l++, to += nr)
        for (size_t i = 0; i < rows; i++)
            to[i] = from[i * k + l];
}

static void put_panel_bf16(uint16_t *to, const float *from, size_t rows, size_t k, size_t nr)
{
    for (size_t l = 0; l < k; l += 2, to += 2 * nr)
        for (size_t i = 0; i < rows; i++) {
            to[2 * i] = to_bf16(from[i * k + l]);
            to[2 * i + 1] = l + 1 < k ? to_bf16(from[i * k + l + 1]) : 0;
        }
}

static void put_panel_int8(int8_t *to, const int8_t *from, size_t rows, size_t k, size_t nr, size_t g)
{
    for (size_t l = 0; l < k; l += g, to += g * nr)
        for (size_t i = 0; i < rows; i++)
            for (size_t h = 0; h < g; h++)
                to[g * i + h] = l + h < k ? from[i * k + l + h] : 0;
}

/* Rows [j, j + rows) in integers: those given, or made here in q [nr x k]. */
static const int8_t *integers(rs_weights *w, const rs_linear_spec *s, size_t j, size_t rows, int8_t *q)
{
    const int8_t *from = s->q ? s->q + j * w->k : q;

    for (size_t i = 0; i < rows; i++) {
        int32_t sum = 0;
        if (s->q)
            w->scale[j + i] = s->scale[j + i];
        else
            w->scale[j + i] = rs_quantise_row(q + i * w->k, s->w + (j + i) * w->k, w->k);
        for (size_t l = 0; l < w->k; l++)
            sum += from[i * w->k + l];
        w->offset[j + i] = 128 * sum;
    }
    return from;
}

static void put_rows(rs_weights *w, const rs_linear_spec *s, int8_t *q)
{
    const size_t nr = w->set->nr, k = w->k;

    for (size_t j = 0; j < w->n; j += nr) {
        const size_t rows = w->n - j < nr ? w->n - j : nr, at = j * w->padded;
        if (w->precision == RS_F32)
            put_panel_f32((float *)w->panels + at, s->w + j * k, rows, k, nr);
        else if (w->precision == RS_BF16)
            put_panel_bf16((uint16_t *)w->panels + at, s->w + j * k, rows, k, nr);
        else
            put_panel_int8((int8_t *)w->panels + at, integers(w, s, j, rows, q), rows, k, nr,
                           w->set->group);
    }
}

static rs_status pack(rs_weights *w, const rs_linear_spec *s, rs_err *err)
{
    rs_status st = RS_OK;
    int8_t *q = NULL;

    w->wide = round_up(w->n, w->set->nr);
    w->padded = w->precision == RS_F32 ? w->k
              : round_up(w->k, w->precision == RS_BF16 ? w->set->step_bf16 : w->set->step_int8);
    w->panels = rs_calloc_aligned(w->wide * w->padded, element(w->precision));
    w->bias = rs_calloc_aligned(w->wide, sizeof *w->bias);
    w->bytes = w->wide * (w->padded * element(w->precision) + sizeof *w->bias);
    if (w->precision == RS_INT8) {
        w->scale = rs_calloc_aligned(w->wide, sizeof *w->scale);
        w->offset = rs_calloc_aligned(w->wide, sizeof *w->offset);
        q = rs_calloc(w->set->nr, w->k);
        w->bytes += w->wide * (sizeof *w->scale + sizeof *w->offset);
    }
    if (!w->panels || !w->bias ||
        (w->precision == RS_INT8 && (!w->scale || !w->offset || !q))) {
        st = rs_fail(err, RS_ENOMEM, "linear layer %zu x %zu: no memory", w->n, w->k);
        goto done;
    }
    if (s->bias)
        memcpy(w->bias, s->bias, w->n * sizeof *w->bias);
    put_rows(w, s, q);
done:
    rs_free(q);
    return st;
}

/* ---- The other back ends ----------------------------------------------------------------- */

/* [n x k] as oneDNN gets it. */
static rs_status dnnl_weights(const rs_weights *w, const rs_linear_spec *s, rs_dnnl **out, rs_err *err)
{
    const size_t count = w->n * w->k;
    rs_status st;

    if (w->precision == RS_F32)
        return rs_dnnl_new(out, RS_F32, w->n, w->k, w->k, s->w, err);
    void *copy = rs_malloc(count * element(w->precision));
    if (!copy)
        return rs_fail(err, RS_ENOMEM, "linear layer %zu x %zu: no memory", w->n, w->k);
    if (w->precision == RS_BF16) {
        for (size_t i = 0; i < count; i++)
            ((uint16_t *)copy)[i] = to_bf16(s->w[i]);
    } else if (s->q) {
        memcpy(copy, s->q, count);
    } else {
        for (size_t j = 0; j < w->n; j++)
            rs_quantise_row((int8_t *)copy + j * w->k, s->w + j * w->k, w->k);
    }
    st = rs_dnnl_new(out, w->precision, w->n, w->k, w->padded, copy, err);
    rs_free(copy);
    return st;
}

/* Can this back end give what our own panels would? oneDNN multiplies int8 without
 * overflow, and bfloat16 at all, only where the processor does; there our own set takes
 * the same activations. */
static bool possible(const rs_weights *w, const rs_linear_spec *s, rs_linear_backend b)
{
    switch (b) {
    case RS_LINEAR_MEASURE:
        return false;
    case RS_LINEAR_OWN:
        return true;
    case RS_LINEAR_BLAS:
        return w->precision == RS_F32 && s->w && s->keeps_w;
    case RS_LINEAR_DNNL:
        return rs_dnnl_found() && (w->precision == RS_F32 ||
                                   (w->precision == RS_BF16 && w->set->bf16_pairs) ||
                                   (w->precision == RS_INT8 && w->set->group == 4));
    }
    return false;
}

/* Sets w->backend and what it needs. */
static rs_status use_backend(rs_weights *w, const rs_linear_spec *s, rs_linear_backend b, rs_err *err)
{
    rs_status st = RS_OK;

    w->backend = possible(w, s, b) ? b : RS_LINEAR_OWN;
    if (w->backend == RS_LINEAR_BLAS)
        w->w = s->w;
    if (w->backend == RS_LINEAR_DNNL) {
        st = dnnl_weights(w, s, &w->dnnl, err);
        if (!w->dnnl)
            w->backend = RS_LINEAR_OWN;
        else
            w->bytes += rs_dnnl_bytes(w->dnnl);
    }
    return st;
}

/* ---- Measuring ----------------------------------------------------------------------------- */

/* What was measured before, the oldest giving way when there is no more room. A shape is
 * measured on its first MEASURE_OUTPUTS outputs. */
typedef struct {
    size_t n, k;
    rs_precision precision;
    const rs_linear_set *set;
    bool keeps_w;
    rs_linear_backend best;
} measured;

static pthread_mutex_t measured_lock = PTHREAD_MUTEX_INITIALIZER;
static measured known[64];
static size_t n_known;                 /* ever; a place that is empty has no set */

static bool recall(const measured *m, rs_linear_backend *best)
{
    bool found = false;

    pthread_mutex_lock(&measured_lock);
    for (size_t i = 0; i < sizeof known / sizeof *known && !found; i++) {
        const measured *o = &known[i];
        found = o->n == m->n && o->k == m->k && o->precision == m->precision &&
                o->set == m->set && o->keeps_w == m->keeps_w;
        if (found)
            *best = o->best;
    }
    pthread_mutex_unlock(&measured_lock);
    return found;
}

static void remember(const measured *m)
{
    pthread_mutex_lock(&measured_lock);
    known[n_known++ % (sizeof known / sizeof *known)] = *m;
    pthread_mutex_unlock(&measured_lock);
}

/* The quickest of a few runs of MEASURE_ROWS rows, in seconds. */
static rs_status time_backend(const rs_linear_spec *s, rs_precision p, double *seconds, rs_err *err)
{
    rs_weights *w = NULL;
    float *x = NULL, *y = NULL;
    void *scratch = NULL;
    rs_status st = rs_weights_new(&w, s, p, err);

    if (st != RS_OK)
        return st;
    x = rs_calloc_aligned(MEASURE_ROWS * s->k, sizeof *x);
    y = rs_calloc_aligned(MEASURE_ROWS * s->n, sizeof *y);
    scratch = rs_calloc_aligned(rs_weights_scratch(w, MEASURE_ROWS) + 1, 1);
    if (!x || !y || !scratch) {
        st = rs_fail(err, RS_ENOMEM, "linear layer %zu x %zu: no memory", s->n, s->k);
        goto done;
    }
    for (size_t i = 0; i < MEASURE_ROWS * s->k; i++)
        x[i] = (float)(i % 17) - 8;
    *seconds = INFINITY;
    for (int i = 0; i <= MEASURE_RUNS; i++) {            /* the first warms up */
        const double start = rs_now_s();
        rs_weights_run(w, y, NULL, x, MEASURE_ROWS, scratch, NULL);
        const double took = rs_now_s() - start;
        *seconds = i > 0 && took < *seconds ? took : *seconds;
    }
    if (w->backend != s->backend)
        *seconds = INFINITY;                             /* it could not */
done:
    rs_weights_free(w);
    rs_free(x);
    rs_free(y);
    rs_free(scratch);
    return st;
}

/* Another back end than our own costs memory: it must be a twentieth faster. */
static rs_status measure(const rs_weights *w, const rs_linear_spec *s, rs_linear_backend *best,
                         rs_err *err)
{
    rs_linear_spec part = *s;
    measured m = {.k = s->k, .precision = w->precision, .set = w->set, .keeps_w = s->keeps_w};
    double least = 0, took = 0;
    rs_status st;

    part.n = m.n = s->n < MEASURE_OUTPUTS ? s->n : MEASURE_OUTPUTS;
    *best = RS_LINEAR_OWN;
    if (recall(&m, best) ||
        (!possible(w, s, RS_LINEAR_BLAS) && !possible(w, s, RS_LINEAR_DNNL)))
        return RS_OK;
    for (int b = RS_LINEAR_OWN; b <= RS_LINEAR_DNNL; b++) {
        if (!possible(w, s, (rs_linear_backend)b))
            continue;
        part.backend = (rs_linear_backend)b;
        if ((st = time_backend(&part, w->precision, &took, err)) != RS_OK)
            return st;
        if (b == RS_LINEAR_OWN || took < 0.95 * least) {
            least = took;
            *best = (rs_linear_backend)b;
        }
    }
    m.best = *best;
    remember(&m);
    return RS_OK;
}

static rs_linear_backend from_environment(void)
{
    const char *name = getenv("RADSCOUT_LINEAR");

    for (int b = RS_LINEAR_OWN; name && b <= RS_LINEAR_DNNL; b++)
        if (strcmp(name, backend_names[b]) == 0)
            return (rs_linear_backend)b;
    return RS_LINEAR_MEASURE;
}

/* ---- New and free ------------------------------------------------------------------------ */

rs_status rs_weights_new(rs_weights **out, const rs_linear_spec *s, rs_precision precision,
                         rs_err *err)
{
    rs_linear_backend b = s->backend;
    rs_weights *w;
    rs_status st;

    *out = NULL;
    if (s->n < 1 || s->n > SIZE_MOST || s->k < 1 || s->k > SIZE_MOST)
        return rs_fail(err, RS_EARG, "linear layer %zu x %zu: 1..%d each", s->n, s->k, SIZE_MOST);
    if (precision == RS_INT8 && s->k > INT8_MOST)
        return rs_fail(err, RS_EARG, "linear layer %zu x %zu: int8 sums %d inputs at most", s->n, s->k,
                       INT8_MOST);
    if (precision == RS_AUTO || (s->q ? precision != RS_INT8 || !s->scale : !s->w))
        return rs_fail(err, RS_EARG, "linear layer %zu x %zu: no weights for %s", s->n, s->k,
                       rs_precision_name(precision));
    w = rs_calloc(1, sizeof *w);
    if (!w)
        return rs_fail(err, RS_ENOMEM, "linear layer %zu x %zu: no memory", s->n, s->k);
    w->n = s->n;
    w->k = s->k;
    w->precision = precision;
    w->set = s->set ? s->set : best_set();
    w->act = s->act;
    if ((st = pack(w, s, err)) != RS_OK)
        goto done;
    if (b == RS_LINEAR_MEASURE)
        b = from_environment();
    if (b == RS_LINEAR_MEASURE && (st = measure(w, s, &b, err)) != RS_OK)
        goto done;
    if ((st = use_backend(w, s, b, err)) != RS_OK)
        goto done;
    *out = w;
    w = NULL;
done:
    rs_weights_free(w);
    return st;
}

void rs_weights_free(rs_weights *w)
{
    if (!w)
        return;
    rs_dnnl_free(w->dnnl);
    rs_free(w->panels);
    rs_free(w->bias);
    rs_free(w->scale);
    rs_free(w->offset);
    rs_free(w);
}

rs_linear_backend rs_weights_backend(const rs_weights *w)
{
    return w->backend;
}

const char *rs_weights_set(const rs_weights *w)
{
    return w->set->name;
}

size_t rs_weights_bytes(const rs_weights *w)
{
    return w->bytes;
}

/* ---- One run --------------------------------------------------------------------------------- */

/* Scratch: row scales, quantised or rounded activations, oneDNN's sums, its own scratch. */
typedef struct {
    size_t q, sums, own, end;          /* where they begin */
} pieces;

static pieces cut(const rs_weights *w, size_t m)
{
    const bool pairs = w->precision == RS_BF16 && w->set->bf16_pairs;
    const size_t quantum = w->precision == RS_INT8 ? (w->set->group == 4 ? 1 : 2) : pairs ? 2 : 0;
    pieces p = {.q = round_up(w->precision == RS_INT8 ? m * sizeof(float) : 0, LINE)};

    p.sums = p.q + round_up((m + w->set->rows_past) * w->padded * quantum, LINE);
    p.own = p.sums + (w->dnnl ? round_up(RS_LINEAR_BLOCK * w->n * sizeof(float), LINE) : 0);
    p.end = p.own + (w->dnnl ? rs_dnnl_scratch(w->dnnl) : 0);
    return p;
}

size_t rs_weights_scratch(const rs_weights *w, size_t m)
{
    return cut(w, m).end;
}

/* All rows by BLAS. */
static void run_blas(const rs_weights *w, const rs_linear_call *c)
{
    const rs_kernels *kn = rs_kernels_best();

    kn->add_bias(c->y, c->act ? NULL : c->base, w->bias, c->m, w->n);
    rs_matmul(RS_NT, c->m, w->n, w->k, 1, (rs_mat){c->x, w->k}, (rs_mat){w->w, w->k}, 1, c->y, w->n);
    if (c->act)
        c->act(c->y, c->y, c->m * w->n);
    if (c->act && c->base)
        kn->add(c->y, c->base, c->m * w->n);
}

/* Blocks of rows by oneDNN. Returns how many rows are done. */
static size_t run_dnnl(const rs_weights *w, const rs_linear_call *c, char *scratch, const pieces *at)
{
    const size_t step = w->precision == RS_F32 ? w->k * sizeof(float)
                      : w->padded * element(w->precision);
    const char *x = w->precision == RS_F32 ? (const void *)c->x : c->q;
    size_t row = 0;

    for (; row + RS_LINEAR_BLOCK <= c->m; row += RS_LINEAR_BLOCK) {
        if (!rs_dnnl_run(w->dnnl, scratch + at->sums, x + row * step, scratch + at->own))
            break;
        w->set->finish(c, row, scratch + at->sums, w->precision == RS_INT8, RS_LINEAR_BLOCK);
    }
    return row;
}

/* Rows `row`.. by our own panels, these shared out over a pool. */
typedef struct {
    const rs_weights *w;
    rs_linear_call c;
    size_t parts;
} shared;

static void on_part(void *ctx, size_t i, size_t worker)
{
    const shared *s = ctx;
    const size_t panels = s->w->wide / s->w->set->nr;
    rs_linear_call c = s->c;

    (void)worker;
    c.p0 = i * panels / s->parts;
    c.p1 = (i + 1) * panels / s->parts;
    if (s->w->precision == RS_F32)
        s->w->set->f32(&c);
    else if (s->w->precision == RS_BF16)
        s->w->set->bf16(&c);
    else
        s->w->set->int8(&c);
}

static void run_own(const rs_weights *w, rs_linear_call c, size_t row, size_t quantum, rs_pool *pool)
{
    shared s = {.w = w, .parts = 1};

    c.m -= row;
    c.x += row * w->k;
    c.y += row * w->n;
    c.base = c.base ? c.base + row * w->n : NULL;
    c.row_scale = c.row_scale ? c.row_scale + row : NULL;
    c.q = c.q ? (const char *)c.q + row * w->padded * quantum : NULL;
    s.c = c;
    if (rs_pool_size(pool) > 1 && 2.0 * (double)c.m * (double)w->n * (double)w->k >= SPLIT_FLOPS)
        s.parts = rs_pool_size(pool);
    rs_pool_for(s.parts > 1 ? pool : NULL, s.parts, on_part, &s);
}

void rs_weights_run(const rs_weights *w, float *y, const float *base, const float *x, size_t m,
                    void *scratch, rs_pool *pool)
{
    const pieces at = cut(w, m);
    const bool pairs = w->precision == RS_BF16 && w->set->bf16_pairs;
    char *room = scratch;
    rs_linear_call c = {
        .w = w->panels, .n = w->n, .k = w->k, .padded = w->padded, .m = m, .x = x,
        .scale = w->scale, .offset = w->offset, .bias = w->bias, .act = w->act,
        .base = base, .y = y,
    };
    size_t quantum = 0, done = 0;

    if (m == 0)
        return;
    rs_matmul_count(2 * (uint64_t)m * w->n * w->k);
    if (w->precision == RS_INT8) {
        float *row_scale = (float *)(void *)room;
        quantum = w->set->group == 4 ? 1 : 2;
        w->set->quantise(room + at.q, row_scale, x, m, w->k, w->padded);
        c.q = room + at.q;
        c.row_scale = row_scale;
    } else if (pairs) {
        quantum = 2;
        w->set->round((uint16_t *)(void *)(room + at.q), x, m, w->k, w->padded);
        c.q = room + at.q;
    }
    if (m >= RS_LINEAR_BLOCK && rs_pool_size(pool) == 1) {
        if (w->backend == RS_LINEAR_BLAS && !(w->act && base == y)) {
            run_blas(w, &c);
            done = m;
        } else if (w->backend == RS_LINEAR_DNNL) {
            done = run_dnnl(w, &c, room, &at);
        }
    }
    if (done < m)
        run_own(w, c, done, quantum, pool);
}
