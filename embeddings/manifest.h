/* manifest.h - the rows of training manifests, as they stand in the files.
 *
 * A manifest is a file of JSON lines; dataset.h documents the fields.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_MANIFEST_H
#define RS_EMBEDDINGS_MANIFEST_H

#include "base/arena.h"
#include "base/status.h"

#include <stddef.h>

typedef enum { RS_SPLIT_TRAIN, RS_SPLIT_VAL, RS_SPLIT_TEST } rs_split;

/* All strings are borrowed from the manifest's arena. */
typedef struct {
    const char  *image;              /* the manifest's folder in front */
    const char **texts;
    size_t       n_texts;            /* >= 1 */
    const char  *label, *kind;       /* NULL: none given */
    const char  *set, *group;        /* group: NULL where none is given */
    rs_split     split;
} rs_manifest_row;

typedef struct {
    rs_manifest_row *rows;           /* of all files, in order */
    size_t n, cap;
    rs_arena mem;
} rs_manifest;

/* Append the rows of the file at `path`. RS_ENOENT, RS_ECORRUPT naming line and field. */
rs_status rs_manifest_add(rs_manifest *m, const char *path, rs_err *err);
/* RS_ECORRUPT when a group of a set has rows in two splits: its patient would be both
 * learned and tested on. */
rs_status rs_manifest_check_groups(const rs_manifest *m, rs_err *err);
void      rs_manifest_clear(rs_manifest *m);            /* {0} is fine */

#endif
