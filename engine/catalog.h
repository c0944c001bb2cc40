/* catalog.h - reading of catalog rows by id, for probes and hits; inside engine/ only.
 * Writing and reading of whole cases is in archive.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_CATALOG_H
#define RS_ENGINE_CATALOG_H

#include "base/arena.h"
#include "engine/archive_int.h"

/* The id of a case; 0 and RS_ENOENT (message names the key) where there is none. */
rs_status rs_catalog_find(rs_archive *a, const char *key, int64_t *id, rs_err *err);
/* Its RS_ENOENT. */
rs_status rs_catalog_no_case(const rs_archive *a, const char *key, rs_err *err);

/* The case that an image or passage belongs to, its key in `mem`; RS_ECORRUPT if none. */
rs_status rs_catalog_owner(rs_archive *a, rs_kind kind, int64_t item, rs_arena *mem,
                           int64_t *case_id, const char **key, rs_err *err);

/* The vectors of a case's images or passages: [n x dim] in `mem`, with their ids in *ids unless
 * NULL. */
rs_status rs_catalog_vectors(rs_archive *a, rs_kind kind, int64_t case_id, rs_arena *mem,
                             float **x, int64_t **ids, size_t *n, rs_err *err);

/* The vector of one image, `n` from 0: [dim] in `mem`. RS_ENOENT: there is none. */
rs_status rs_catalog_image_vector(rs_archive *a, int64_t case_id, size_t n, rs_arena *mem,
                                  float **x, rs_err *err);

/* A case without its parts; *out's arrays are empty. */
rs_status rs_catalog_case(rs_archive *a, int64_t case_id, rs_arena *mem, rs_case *out,
                          rs_err *err);
rs_status rs_catalog_images(rs_archive *a, int64_t case_id, rs_arena *mem, rs_case_image **out,
                            size_t *n, rs_err *err);
/* With their ids in *ids unless NULL. */
rs_status rs_catalog_passages(rs_archive *a, int64_t case_id, rs_arena *mem, rs_passage **out,
                              int64_t **ids, size_t *n, rs_err *err);
/* Sections and finding labels into *c. */
rs_status rs_catalog_sections(rs_archive *a, int64_t case_id, rs_arena *mem, rs_case *c,
                              rs_err *err);
/* Finding labels into *c. */
rs_status rs_catalog_findings(rs_archive *a, int64_t case_id, rs_arena *mem, rs_case *c,
                              rs_err *err);
/* (batch) The words of a case that has none in the text index yet. */
rs_status rs_put_words(rs_archive *a, int64_t case_id, const rs_case *c, rs_arena *mem,
                       rs_err *err);
/* The vectors of all whole cases, from those of their parts. Inside a transaction. */
rs_status rs_put_case_vectors(rs_archive *a, rs_err *err);
/* A column that is an image's path, as it goes out: absolute (files_int.h). As rs_col_dup. */
const char *rs_catalog_path(const rs_archive *a, rs_stmt *s, int at, rs_arena *mem);
/* The path of one image. */
rs_status rs_catalog_image_path(rs_archive *a, int64_t image, rs_arena *mem, const char **path,
                                rs_err *err);

#endif
