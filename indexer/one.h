/* one.h - one case that is sent, rather than found in a source: its fields as a manifest's row
 * has them (source.h), its images as bytes.
 *
 *   row, images -> rs_row_sent -> case -> rs_one_put -> the archive, one transaction
 *
 * It goes the way of a case of rs_index_run, through the same code: the same passages, hashes,
 * regions and vectors as if its files had been indexed. Its images are decoded and encoded
 * from memory before anything is written; those that are good become files of the archive's
 * own (files.h). Its digest is of fields and bytes, so it stays the same wherever they are.
 *
 * Such a case has the source RS_ONE_SOURCE. The next index of a source that has a case of
 * that key leaves it alone and says so.
 *
 * Threading: the archive's thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_INDEXER_ONE_H
#define RS_INDEXER_ONE_H

#include "base/json.h"
#include "base/threads.h"
#include "embeddings/encoder.h"
#include "engine/archive.h"
#include "indexer/source.h"

#define RS_ONE_SOURCE "(sent)"

/* ---- What is sent ---------------------------------------------------- */

/* The first field of `row`, a JSON object, that has a meaning and is of a type that is not
 * read, or names images by paths; why, in *why. NULL: there is none. */
const char *rs_row_unread(const json_t *row, const char **why);
/* The case that `row` describes, with these images, which get their views from it; `row_key`
 * is its key where the row has none. As with rs_source_get, out->problem says what is wrong
 * with it. Borrows row_key and images. RS_ENOMEM. */
rs_status rs_row_sent(const json_t *row, const char *row_key, rs_source_image *images, size_t n,
                      rs_arena *mem, rs_source_case *out, rs_err *err);

/* ---- Into the archive ------------------------------------------------ */

typedef enum { RS_ONE_ADDED, RS_ONE_REPLACED, RS_ONE_UNCHANGED } rs_one_state;

typedef struct {
    size_t      image;               /* its number among those sent, from 0 */
    const char *why;
} rs_one_refused;

typedef struct {
    rs_one_state state;
    size_t images, passages;         /* that the archive now has of the case */
    const rs_one_refused *refused;  size_t n_refused;
} rs_one_report;

/* Called inside the transaction, when the case is in it: for what must be there with it or not
 * at all. Where nothing changes it has a transaction of its own. */
typedef rs_status rs_one_also(void *ctx, rs_archive *a, const rs_one_report *r, rs_err *err);

/* Put `c`, whose images all have bytes, sha256 and, for messages, `given`, into `a`, which is
 * open for writing, bound to `e` and in no batch. A case that has this digest already stays as
 * it is. Images that cannot be read are left out and told in *r; RS_EFORMAT names the first
 * where nothing else is left of the case. Whatever fails, the archive is as it was, files too.
 * `pool` and `also` may be NULL; the report lives in `mem`. RS_ENOMEM, RS_EIO, and what encoder,
 * archive and `also` say. */
rs_status rs_one_put(rs_archive *a, const rs_encoder *e, rs_pool *pool, const rs_source_case *c,
                     rs_one_also *also, void *ctx, rs_arena *mem, rs_one_report *r, rs_err *err);
/* Take `c`, as it was read, out of `a`, and those of its files away that no other case has. */
rs_status rs_one_remove(rs_archive *a, const rs_case *c, rs_err *err);

#endif
