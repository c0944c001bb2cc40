/* bench_encode.h - how fast a model encodes on this machine.
 *
 * The towers alone: no decoding, no tokenising. Texts have bos, words and eos, `tokens`
 * in all. Weights decide nothing about speed, so a model of random ones will do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_BENCH_ENCODE_H
#define RS_EMBEDDINGS_BENCH_ENCODE_H

#include "base/status.h"
#include "embeddings/dual.h"
#include "embeddings/linear.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *model;             /* the folder's last part, or "random ViT-B/32" */
    const char *tower;             /* "image" or "text" */
    const char *precision;         /* "f32", "bf16", "int8" */
    size_t threads, batch;
    size_t tokens;                 /* rows of the transformer an item has */
    double per_second;             /* items */
    double ms;                     /* a whole batch, median */
    double gflops;                 /* of matrix products, done per second */
    double cosine;                 /* of the first item to its embedding by the float parameters */
    double rss_mib;                /* the process's memory now */
} rs_bench_row;

typedef struct {
    const char *folder;            /* NULL: random weights of the shape of ViT-B/32 */
    rs_precision precision;        /* RS_AUTO: each of them */
    size_t threads;                /* the most; 0: one a core. Measured: 1 and this */
    double seconds;                /* for each row at least, 0 counts as 0.5 */
    void (*row)(void *ctx, const rs_bench_row *row);   /* called as rows are done */
    void *ctx;
} rs_bench_request;

/* Opens the model and measures batches of 1, 16, 32 images and texts of 10 and 77 tokens
 * (or as many as it reads). A batch is split over the threads; one item's products are.
 * RS_ENOENT, RS_ECORRUPT, RS_ENOMEM as of rs_dual_open. */
rs_status rs_bench_encode(const rs_bench_request *q, rs_err *err);

/* What is encoded, so that others may be given the same: the random ViT-B/32, images
 * [n x 3 x size x size], texts [n x tokens] end to end. */
rs_status rs_bench_random(rs_dual **m, rs_err *err);
void rs_bench_pixels(float *pixels, size_t n, const rs_dual_config *c);
void rs_bench_ids(int32_t *ids, size_t n, size_t tokens, const rs_dual_config *c);

#endif
