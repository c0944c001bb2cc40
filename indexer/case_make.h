/* case_make.h - one case of a source on its way into the archive.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_INDEXER_CASE_MAKE_H
#define RS_INDEXER_CASE_MAKE_H

#include "base/hash.h"
#include "embeddings/encoder.h"
#include "engine/archive.h"
#include "indexer/source.h"

#include <stddef.h>

/* An image after decoding. */
typedef struct {
    const rs_source_image *from;
    rs_source_file file;             /* size and time; sha256 set when decoded */
    char        sha256[RS_SHA256_HEX];
    size_t      width, height;       /* of the file */
    uint64_t    phash;               /* of the pixels; when hashed */
    bool        hashed;
    double      read_s, decode_s, resize_s;      /* that it took */
    float      *pixels;              /* [3 x crop x crop], the run's; until it is encoded */
    const float *vector;             /* [dim], in the batch's memory, once it is encoded */
    const rs_region *regions;        /* likewise; NULL where none are made */
    rs_status   st;
    rs_err      err;                 /* why it was refused */
} rs_case_job_image;

/* A case from its source to rs_archive_put. All memory is the batch's arena. */
typedef struct {
    rs_source_case     from;
    rs_case            record;       /* filled in step by step */
    const rs_case     *before;       /* what the archive holds of it, or NULL */
    rs_case_job_image *images;       /* [from.n_images] */
    rs_passage        *passages;     /* record.passages before they are const */
    char               digest[RS_SHA256_HEX];
} rs_case_job;

/* Digest of everything the case is made from: its fields, its files' paths, sizes and
 * times (a file that is not there counts as such; of images that were sent, the digests of
 * their bytes), and how regions of its images are made (NULL: not at all). Fills
 * images[].file. RS_ENOMEM. */
rs_status rs_case_digest(rs_case_job *job, const char *regions, rs_arena *mem, rs_err *err);

/* Report, sections, title and passages of `record`, without vectors; adds to *cut. */
rs_status rs_case_read(rs_case_job *job, const rs_encoder *e, const rs_lexicon *l, rs_arena *mem,
                       size_t *cut, rs_err *err);

/* Read (unless it has bytes), hash, decode and preprocess one image into im->pixels (room for
 * one). The outcome is im->st, RS_OK before, and im->err. Any thread. */
void rs_case_decode(rs_case_job_image *im, const rs_preprocess *p);

#endif
