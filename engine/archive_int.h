/* archive_int.h - what an rs_archive is made of; inside engine/ only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_ENGINE_ARCHIVE_INT_H
#define RS_ENGINE_ARCHIVE_INT_H

#include "engine/archive.h"
#include "engine/db.h"
#include "engine/facets_int.h"
#include "engine/text_index.h"
#include "engine/vectors.h"

struct rs_archive {
    char          *folder;            /* as opened */
    char          *root;              /* that as an absolute path: files_int.h */
    rs_db         *db;
    int            lock;              /* writer.lock, or -1 in a reader */
    rs_lexicon    *lexicon;
    rs_text_index *text;
    rs_case_keys  *keys;
    rs_vectors    *vectors[RS_KINDS]; /* NULL until an encoder is known */
    rs_encoder_identity encoder;      /* strings owned; id NULL until one is bound */
    int64_t        encoder_row;
    bool           words_current;     /* read by `lexicon`, as far as this writer knows */
    struct rs_calibration_memo *calibration;     /* verdict.c's; NULL: not read yet */
    rs_facets     *facets;            /* NULL until a filter or a count wants them */
    int64_t        data_version;      /* as of the last refresh; -1: look again */
};

/* Take in what has changed in the catalog since the last call: the encoder, the caches'
 * generations, new and removed vectors. Inside a snapshot, outside a batch. */
rs_status rs_archive_refresh(rs_archive *a, rs_err *err);
/* The words of all cases read anew with the archive's lexicon. Inside a transaction. */
rs_status rs_archive_read_words(rs_archive *a, rs_err *err);
/* The encoder alone. */
rs_status rs_archive_refresh_encoder(rs_archive *a, rs_err *err);
/* "WHAT: ... opened for reading only" in a reader, "WHAT: not inside a batch" in one. */
rs_status rs_archive_may_write(const rs_archive *a, const char *what, rs_err *err);
/* "WHAT needs an open batch" unless one is open. */
rs_status rs_archive_need_batch(const rs_archive *a, const char *what, rs_err *err);

#endif
