/* index_int.h - one run of the indexer and its batches, shared by the files that make up
 * rs_index_run. Inside indexer/ only.
 *
 *   calling thread        decoding thread            encoding thread       calling thread
 *   gather a batch   ->   its chunks: read,     ->   encode, then the  ->  write it in one
 *   (gather.c)            decode, resize             case's report         transaction
 *                         (stages.c)                 (stages.c)            (write.c)
 *
 * pipeline.c moves them; with one thread in all the calling thread does each in turn. A
 * batch belongs to one stage at a time, except that its chunks may be decoded while
 * earlier ones of it are encoded: a stage then touches its chunk alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_INDEXER_INDEX_INT_H
#define RS_INDEXER_INDEX_INT_H

#include "indexer/case_make.h"
#include "indexer/index.h"
#include "indexer/source.h"

/* One run. */
typedef struct {
    rs_archive *archive;
    const rs_encoder *encoder;
    const rs_index_options *o;
    rs_index_report *r;
    rs_source *source;
    const char *name;                /* of the source */
    size_t count;                    /* cases of the source */
    rs_progress *progress;
    size_t pixels_each, chunk;       /* floats an image; images of a chunk at most */
    const char *regions;             /* how regions are made (engine/regions.h), or NULL */
    char **refused;                  /* items of this run */
    size_t n_refused, cap_refused;
} rs_index_job;

/* Memory for the pixels of one chunk, used again and again. */
typedef struct {
    float *floats;
    size_t images;                   /* room for so many */
} rs_pixels;

typedef struct rs_index_batch rs_index_batch;

/* Some of a batch's images. */
typedef struct {
    rs_index_batch *batch;
    rs_case_job_image **images;
    size_t n, whole;                 /* images; those that could be read, from the front */
    bool last;                       /* of its batch */
    rs_pixels *pixels;               /* of the whole ones; NULL before and after */
    float *vectors;                  /* [n x dim], in the batch's memory */
    double decode_s;
    rs_status st;                    /* RS_ENOMEM when decoding found no memory */
    rs_err err;
} rs_index_chunk;

/* Cases [first, next) of the source. All memory is `mem`. */
struct rs_index_batch {
    rs_arena mem;
    size_t first, next;
    rs_case_job *jobs;               /* those that are new or changed */
    size_t n;
    rs_problem *problems;
    size_t n_problems, cap_problems;
    size_t n_images;                 /* of all jobs, in order */
    rs_index_chunk *chunks;          /* at least one */
    size_t n_chunks;
    rs_index_chunk empty;            /* the one of a batch without images */
    rs_index_report r;               /* what it adds to the run's, once it is written */
    bool dropped;                    /* the run ended before it was encoded */
    rs_status st;                    /* what the first stage to fail said */
    rs_err err;
};

/* ---- index.c --------------------------------------------------------- */

/* x->pixels_each and x->chunk, by what its encoder reads. */
void      rs_index_sizes(rs_index_job *x);
/* x->regions: the archive's choice, or what x->o wants now made its choice; made as we make
 * them. Not inside a batch. */
rs_status rs_index_regions(rs_index_job *x, rs_arena *mem, rs_err *err);

/* ---- gather.c -------------------------------------------------------- */

/* Make *b the next batch, from case `first` on; ended with rs_arena_clear(&b->mem). What
 * goes wrong is in b->st, to be told when it would be written: what came before it is in
 * the archive then. */
void      rs_index_gather(rs_index_job *x, rs_index_batch *b, size_t first);
/* A problem of the batch, copied; noted for the end of the run too. */
rs_status rs_index_problem(rs_index_job *x, rs_index_batch *b, const char *item, const char *reason,
                           rs_err *err);
/* Cut the images of all jobs into chunks of at most x->chunk. */
rs_status rs_index_cut(rs_index_job *x, rs_index_batch *b, rs_err *err);
/* What the archive holds of this key: *before, or NULL. */
rs_status rs_index_known(rs_index_job *x, const char *key, rs_arena *mem, const rs_case **before,
                         rs_err *err);

/* ---- stages.c -------------------------------------------------------- */

/* Read, decode and resize a chunk's images on `pool`, into memory of `pixels`. */
void rs_index_decode(rs_index_job *x, rs_index_chunk *c, rs_pixels *pixels, rs_pool *pool);
/* Encode them; after the batch's last chunk, read and encode its reports. */
void rs_index_encode(rs_index_job *x, rs_index_chunk *c);

/* ---- pipeline.c ------------------------------------------------------ */

/* All cases of the source. *done: how far it came; less than x->count with RS_OK: it was
 * asked to stop. */
rs_status rs_index_batches(rs_index_job *x, size_t *done, rs_err *err);

/* ---- write.c --------------------------------------------------------- */

rs_status rs_index_write(rs_index_job *x, rs_index_batch *b, rs_err *err);
/* Forget what was remembered of images that the case no longer has. */
rs_status rs_index_forget_files(rs_index_job *x, const rs_case_job *job, rs_err *err);

/* ---- gone.c ---------------------------------------------------------- */

/* After the last batch: what the source no longer holds, and what is no longer wrong. */
rs_status rs_index_clean_up(rs_index_job *x, rs_err *err);

#endif
