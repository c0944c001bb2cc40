/* service.h - what the server serves: one archive, and what is shared by its workers.
 *
 * Each worker reads the archive through an rs_archive of its own, opened and warmed up before
 * the server says that it is ready; the encoder is immutable and shared. A worker's next
 * search sees what another process has committed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_SERVICE_H
#define RS_SERVER_SERVICE_H

#include "base/hash.h"
#include "base/status.h"
#include "embeddings/encoder.h"
#include "engine/archive.h"
#include "engine/prompts.h"
#include "server/generators.h"
#include "server/renditions.h"
#include "server/text_vectors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rs_digests rs_digests;

typedef struct {
    const char       *archive;       /* folder */
    const char       *lexicon;       /* folder; NULL: as built in */
    const rs_encoder *encoder;       /* NULL: words only */
    rs_digests       *digests;       /* of files served; may be NULL */
    rs_renditions    *renditions;    /* of images, on the disk; may be NULL */
    const char       *prompts;       /* folder of templates; NULL: those built in */
    const rs_generators *generators; /* NULL: the one built in */
    rs_text_vectors  *texts;         /* of queries, remembered; may be NULL */
} rs_service;

typedef struct {
    const rs_service *service;
    rs_archive       *archive;
    rs_prompts       *prompts;
    bool              words_warm;
} rs_worker;

/* For rs_jobs_plan, with an rs_service as `ctx`: opens the archive and searches once, so that
 * caches are in memory before the first request. */
rs_status rs_worker_start(void *service, void **worker, rs_err *err);
void      rs_worker_stop(void *service, void *worker);

/* Make what searching words is faster with, once a worker; some seconds for a large archive,
 * and searches do without it meanwhile. Returns whether it was made now. */
bool      rs_worker_warm_words(rs_worker *w);

/* ---- Digests of files ------------------------------------------------- */

/* SHA-256 of files, remembered by what stat says of them, so that an ETag is always that of
 * the bytes and costs a hash only once. Any thread. */
rs_status rs_digests_new(rs_digests **out, rs_err *err);
void      rs_digests_free(rs_digests *d);              /* NULL is fine */
/* Of the open file `fd`, read from its begin (its offset does not move); `d` may be NULL. */
rs_status rs_digests_of(rs_digests *d, int fd, char hex[RS_SHA256_HEX], rs_err *err);

/* ---- What the archive is at ------------------------------------------- */

/* What readers were last seen to see. Run by a worker about once a second; it looks into the
 * catalog only when the catalog's files have changed. */
typedef struct {
    int64_t  stamp[4];               /* mtime and size of catalog.db and its WAL */
    bool     known;                  /* the rest has been read */
    bool     changed;                /* by the last look */
    size_t   cases, images;
    int64_t  image_generation, passage_generation;
    rs_status st;                    /* of the last look */
    rs_err   err;
} rs_watch;

void rs_watch_look(rs_watch *w, rs_worker *worker);

#endif
