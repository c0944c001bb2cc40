/* index.h - a source into an archive: decode, read the report, encode, write.
 *
 * Cases are taken in batches. A batch is decoded and encoded on all cores while the one
 * before it is written, each in one transaction and in the source's order. A run that is
 * killed has lost at most the batches in flight, three, and goes on where it was: a case
 * whose digest (its texts and its files' sizes and times) is in the archive is not even
 * opened. A changed case replaces what it was.
 *
 * A broken image or row is recorded with its reason (rs_archive_problems) and the rest
 * goes on; a case keeps its whole images and its words, and one of which nothing can be
 * read any more stays as it was. What a finished run no longer finds wrong is forgotten.
 *
 * Memory is that of the batches in flight, whatever the source holds: their texts and
 * vectors, three chunks of preprocessed pixels (32 MiB each, or 16 images where that is
 * more), and what each thread needs for the file it decodes (intake.h).
 *
 * Threading: one thread calls, and it alone touches archive and source. With a pool of
 * several threads, encoding uses it, and decoding as many threads beside it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_INDEXER_INDEX_H
#define RS_INDEXER_INDEX_H

#include "base/progress.h"
#include "base/status.h"
#include "base/threads.h"
#include "embeddings/encoder.h"
#include "engine/archive.h"

#include <stdatomic.h>
#include <stddef.h>

/* Vectors of parts of images too (engine/regions.h): 25 more an image. Where the choice is not
 * what it was, every case with images that this and later runs see is taken in anew. */
typedef enum { RS_REGIONS_AS_BEFORE, RS_REGIONS_ON, RS_REGIONS_OFF } rs_regions_wanted;

typedef struct {
    rs_pool          *pool;         /* NULL or of one thread: all in the calling one */
    size_t            batch;        /* cases a transaction; 0: 64 */
    const char       *prefix;       /* put before each key, so that sources cannot clash; or NULL */
    bool              prune;        /* remove cases of this source that it no longer holds;
                                       not while it has rows that cannot be read, of which
                                       nobody knows the case */
    rs_regions_wanted regions;
    rs_progress_mode  progress;
    const atomic_int *stop;         /* not 0: end after the batch being encoded; may be NULL */
} rs_index_options;

typedef struct {
    size_t cases, added, updated, unchanged, pruned, gone;   /* gone: no longer in the source, kept */
    size_t images, passages, regions;                        /* encoded in this run */
    size_t refused_cases, refused_images;                    /* found in this run */
    size_t problems;                /* of this source, as the archive lists them now */
    size_t unreadable;              /* rows or folders that hide which cases they hold */
    size_t texts_cut;               /* sentences longer than the encoder reads */
    double seconds;                 /* of the run */
    double decode_s, encode_s, write_s;     /* in which this was done; with several threads
                                               they overlap */
    double read_thread_s, decode_thread_s, resize_thread_s;  /* of decode_s, by what was done,
                                                                summed over the threads */
} rs_index_report;

/* Bring `source` (a folder or manifest, see source.h) into `a`, which is open for writing
 * and is bound to `e`. *r is filled in also on failure. RS_ECANCEL when stopped; else what
 * rs_source_open, the encoder or the archive say. The caches are brought up to date. */
rs_status rs_index_run(rs_archive *a, const rs_encoder *e, const char *source,
                       const rs_index_options *o, rs_index_report *r, rs_err *err);

#endif
