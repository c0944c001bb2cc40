/* index.h - a source into an archive: decode, read the report, encode, write.
 *
 * Cases are taken in batches. A batch is decoded and encoded on all cores, then written
 * in one transaction, so a run that is killed has lost at most the batch in flight and
 * goes on where it was: a case whose digest (its texts and its files' sizes and times)
 * is in the archive is not even opened. A changed case replaces what it was.
 *
 * A broken image or row is recorded with its reason (rs_archive_problems) and the rest
 * goes on; a case keeps its whole images and its words, and one of which nothing can be
 * read any more stays as it was. What a finished run no longer finds wrong is forgotten.
 *
 * Threading: one thread calls; decoding and encoding use the pool.
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

typedef struct {
    rs_pool          *pool;         /* NULL: one thread */
    size_t            batch;        /* cases a transaction; 0: 64 */
    const char       *prefix;       /* put before each key, so that sources cannot clash; or NULL */
    bool              prune;        /* remove cases of this source that it no longer holds;
                                       not while it has rows that cannot be read, of which
                                       nobody knows the case */
    rs_progress_mode  progress;
    const atomic_int *stop;         /* not 0: end after the batch in flight; may be NULL */
} rs_index_options;

typedef struct {
    size_t cases, added, updated, unchanged, pruned, gone;   /* gone: no longer in the source, kept */
    size_t images, passages;        /* encoded in this run */
    size_t refused_cases, refused_images;                    /* found in this run */
    size_t problems;                /* of this source, as the archive lists them now */
    size_t unreadable;              /* rows or folders that hide which cases they hold */
    size_t texts_cut;               /* sentences longer than the encoder reads */
    double seconds, decode_s, encode_s, write_s;
} rs_index_report;

/* Bring `source` (a folder or manifest, see source.h) into `a`, which is open for writing
 * and is bound to `e`. *r is filled in also on failure. RS_ECANCEL when stopped; else what
 * rs_source_open, the encoder or the archive say. The caches are brought up to date. */
rs_status rs_index_run(rs_archive *a, const rs_encoder *e, const char *source,
                       const rs_index_options *o, rs_index_report *r, rs_err *err);

#endif
