/* bench_encode.c - see bench_encode.h. A batch is split evenly over the threads, as the
 * encoder does it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/bench_encode.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/threads.h"
#include "embeddings/dual_fast.h"
#include "embeddings/dual_int.h"
#include "embeddings/matmul.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_MAX = 32, RUNS_MAX = 1000, THREADS_MAX = 256 };

/* One model under measurement. */
typedef struct {
    const rs_bench_request *q;
    const char *name;
    rs_dual *m;
    rs_dual_fast *fast;            /* of the precision at hand */
    rs_pool *pool;                 /* of `threads` */
    size_t threads;
    rs_tape *tape[THREADS_MAX];
    float  *pixels, *out;          /* [BATCH_MAX x ...] */
    float  *f32[3];                /* [dim] of each kind: the first item's embedding in f32 */
    int32_t *ids;                  /* [BATCH_MAX x tokens] */
    size_t length[BATCH_MAX];
    size_t tokens, batch, parts;   /* of the row; tokens 0: images */
    pthread_mutex_t lock;
    rs_status st;                  /* of any part */
    rs_err err;
} bench;

/* ---- What is encoded --------------------------------------------------------------- */

rs_status rs_bench_random(rs_dual **m, rs_err *err)
{
    const rs_dual_config c = {
        .vision = {.width = 768, .layers = 12, .heads = 12, .mlp = 3072, .eps = 1e-5f},
        .text = {.width = 512, .layers = 12, .heads = 8, .mlp = 2048, .eps = 1e-5f},
        .image_size = 224, .patch_size = 32, .vocab_size = 49408, .max_tokens = 77,
        .eos_id = 49407, .bos_id = 49406, .dim = 512, .logit_scale = 2.6592f,
    };
    rs_random rnd = rs_random_seed(1);
    return rs_dual_new(m, &c, &rnd, err);
}

void rs_bench_pixels(float *pixels, size_t n, const rs_dual_config *c)
{
    const size_t floats = n * 3 * c->image_size * c->image_size;

    for (size_t i = 0; i < floats; i++)
        pixels[i] = (float)(i % 255) / 128 - 1;
}

void rs_bench_ids(int32_t *ids, size_t n, size_t tokens, const rs_dual_config *c)
{
    for (size_t i = 0; i < n; i++, ids += tokens) {
        for (size_t j = 0; j < tokens; j++) {
            ids[j] = (int32_t)((7 * i + 13 * j) % (c->vocab_size - 1));
            ids[j] = ids[j] == c->eos_id ? 0 : ids[j];
        }
        /* The end: with the old spelling that is the largest id. Families that are not read
         * there may name one beyond their vocabulary. */
        ids[tokens - 1] = c->eos_id == 2 || (size_t)c->eos_id >= c->vocab_size
                        ? (int32_t)c->vocab_size - 1 : c->eos_id;
    }
}

/* ---- One row ----------------------------------------------------------------------- */

static void on_part(void *ctx, size_t i, size_t worker)
{
    bench *b = ctx;
    const rs_dual_config *c = rs_dual_config_of(b->m);
    const size_t first = i * b->batch / b->parts, n = (i + 1) * b->batch / b->parts - first;
    const size_t floats = 3 * c->image_size * c->image_size;
    float *out = b->out + first * c->dim;
    rs_err err = {0};
    rs_status st;

    rs_tape_use(b->tape[worker], b->fast, b->parts == 1 ? b->pool : NULL);
    if (b->tokens)
        st = rs_dual_text_forward(b->m, b->ids + first * b->tokens, b->length, n, b->tape[worker],
                                  false, out, &err);
    else
        st = rs_dual_image_forward(b->m, b->pixels + first * floats, n, b->tape[worker], false,
                                   out, &err);
    if (st != RS_OK) {
        pthread_mutex_lock(&b->lock);
        b->st = st;
        b->err = err;
        pthread_mutex_unlock(&b->lock);
    }
}

/* One item has the pool to itself; more are shared out. */
static void run_batch(bench *b)
{
    b->parts = b->batch < b->threads ? 1 : b->threads;
    if (b->parts == 1)
        on_part(b, 0, 0);
    else
        rs_pool_for(b->pool, b->parts, on_part, b);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double cosine(const float *x, const float *y, size_t n)
{
    double xy = 0, xx = 0, yy = 0;

    for (size_t i = 0; i < n; i++) {
        xy += (double)x[i] * (double)y[i];
        xx += (double)x[i] * (double)x[i];
        yy += (double)y[i] * (double)y[i];
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

/* The first item on the float parameters, once a kind: images, texts of either length. */
static rs_status keep_f32(bench *b, size_t kind, rs_err *err)
{
    const size_t dim = rs_dual_config_of(b->m)->dim;

    if (b->f32[kind])
        return RS_OK;
    b->f32[kind] = rs_calloc(dim, sizeof **b->f32);
    if (!b->f32[kind])
        return rs_fail(err, RS_ENOMEM, "bench: no memory");
    rs_tape_use(b->tape[0], NULL, NULL);
    return b->tokens ? rs_dual_text_forward(b->m, b->ids, b->length, 1, b->tape[0], false,
                                            b->f32[kind], err)
                     : rs_dual_image_forward(b->m, b->pixels, 1, b->tape[0], false, b->f32[kind], err);
}

/* Runs batches for the time asked, after one that warms up, and reports the row. */
static rs_status measure(bench *b, size_t kind, size_t batch, size_t tokens, rs_err *err)
{
    const double least = b->q->seconds > 0 ? b->q->seconds : 0.5;
    double run[RUNS_MAX], all = 0;
    size_t runs = 0;
    uint64_t flops = 0;
    rs_status st;

    b->batch = batch;
    b->tokens = tokens;
    for (size_t i = 0; i < BATCH_MAX; i++)
        b->length[i] = tokens;
    if (tokens)
        rs_bench_ids(b->ids, BATCH_MAX, tokens, rs_dual_config_of(b->m));
    if ((st = keep_f32(b, kind, err)) != RS_OK)
        return st;
    run_batch(b);
    while (b->st == RS_OK && runs < RUNS_MAX && (runs == 0 || all < least)) {
        uint64_t before = rs_matmul_flops();
        double start = rs_now_s();
        run_batch(b);
        run[runs] = rs_now_s() - start;
        flops += rs_matmul_flops() - before;
        all += run[runs++];
    }
    if (b->st != RS_OK) {
        if (err)
            *err = b->err;
        return b->st;
    }
    qsort(run, runs, sizeof *run, by_size);
    rs_bench_row row = {
        .model = b->name, .tower = tokens ? "text" : "image",
        .precision = rs_precision_name(rs_dual_fast_precision(b->fast)),
        .threads = b->threads, .batch = batch,
        .tokens = tokens ? tokens : rs_dual_image_rows(rs_dual_config_of(b->m)),
        .per_second = (double)batch / run[runs / 2], .ms = 1e3 * run[runs / 2],
        .gflops = 1e-9 * (double)flops / all,
        .cosine = cosine(b->out, b->f32[kind], rs_dual_config_of(b->m)->dim),
        .rss_mib = (double)rs_rss_bytes() / (1 << 20),
    };
    b->q->row(b->q->ctx, &row);
    return RS_OK;
}

/* ---- One model ----------------------------------------------------------------------- */

static rs_status set_up(bench *b, rs_err *err)
{
    const rs_dual_config *c;
    rs_status st = b->q->folder ? rs_dual_open(&b->m, b->q->folder, err)
                                : rs_bench_random(&b->m, err);
    if (st != RS_OK)
        return st;
    c = rs_dual_config_of(b->m);
    b->pixels = rs_calloc(BATCH_MAX * 3 * c->image_size * c->image_size, sizeof *b->pixels);
    b->out = rs_calloc(BATCH_MAX * c->dim, sizeof *b->out);
    b->ids = rs_calloc(BATCH_MAX * c->max_tokens, sizeof *b->ids);
    if (!b->pixels || !b->out || !b->ids)
        return rs_fail(err, RS_ENOMEM, "bench: no memory");
    rs_bench_pixels(b->pixels, BATCH_MAX, c);
    return RS_OK;
}

static rs_status use_threads(bench *b, size_t threads, rs_err *err)
{
    rs_pool_free(b->pool);
    b->pool = NULL;
    b->threads = threads;
    for (size_t i = 0; i < threads; i++)
        if (!b->tape[i] && !(b->tape[i] = rs_tape_new()))
            return rs_fail(err, RS_ENOMEM, "bench: no memory");
    return rs_pool_new(&b->pool, threads, err);
}

static rs_status measure_kinds(bench *b, rs_err *err)
{
    static const size_t batches[] = {1, 16, BATCH_MAX}, lengths[] = {0, 10, 77};
    const size_t max = rs_dual_config_of(b->m)->max_tokens;
    rs_status st = RS_OK;

    for (size_t l = 0; l < 3; l++)
        for (size_t i = 0; i < 3 && st == RS_OK; i++)
            st = measure(b, l, batches[i], lengths[l] < max ? lengths[l] : max, err);
    return st;
}

static rs_status measure_precision(bench *b, rs_precision p, size_t most, rs_err *err)
{
    rs_status st = rs_dual_fast_new(&b->fast, b->m, p, err);

    if (st == RS_OK && (st = use_threads(b, 1, err)) == RS_OK &&
        (st = measure_kinds(b, err)) == RS_OK && most > 1 &&
        (st = use_threads(b, most, err)) == RS_OK)
        st = measure_kinds(b, err);
    rs_dual_fast_free(b->fast);
    b->fast = NULL;
    return st;
}

/* The last part of a path, which may end with a slash. */
static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

rs_status rs_bench_encode(const rs_bench_request *q, rs_err *err)
{
    size_t most = q->threads ? q->threads : rs_cores();
    bench *b = rs_calloc(1, sizeof *b);
    rs_status st;

    if (!b)
        return rs_fail(err, RS_ENOMEM, "bench: no memory");
    most = most < THREADS_MAX ? most : THREADS_MAX;
    b->q = q;
    b->name = q->folder ? last_part(q->folder) : "random ViT-B/32";
    pthread_mutex_init(&b->lock, NULL);
    st = set_up(b, err);
    for (int p = RS_F32; p <= RS_INT8 && st == RS_OK; p++)
        if (q->precision == RS_AUTO || q->precision == (rs_precision)p)
            st = measure_precision(b, (rs_precision)p, most, err);
    for (size_t i = 0; i < THREADS_MAX; i++)
        rs_tape_free(b->tape[i]);
    rs_pool_free(b->pool);
    rs_dual_close(b->m);
    rs_free(b->pixels);
    rs_free(b->out);
    rs_free(b->ids);
    for (size_t i = 0; i < 3; i++)
        rs_free(b->f32[i]);
    pthread_mutex_destroy(&b->lock);
    rs_free(b);
    return st;
}
