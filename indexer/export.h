/* export.h - an archive as a manifest that can be indexed again: cases.jsonl, one case a
 * line with the fields of source.h, and its images beside it. What import is: radscout index.
 *
 *   FOLDER/cases.jsonl
 *   FOLDER/images/ab/<sha256>.png     named by their content, so that equal ones are one
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_INDEXER_EXPORT_H
#define RS_INDEXER_EXPORT_H

#include "base/progress.h"
#include "base/status.h"
#include "engine/archive.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    size_t cases, images, files;       /* files: copied */
    size_t refused;                    /* cases whose key, images whose file cannot be written out */
} rs_export_report;

typedef struct {
    bool links;                        /* no copies: the manifest names the images where they are */
    rs_progress *progress;             /* NULL: none */
    /* Called for each refused item, in order. */
    void (*refused)(void *ctx, const char *item, const char *reason);
    void *ctx;
} rs_export_options;

/* Into `folder`, which is made if absent; its cases.jsonl appears when it is whole. RS_EARG when
 * there is one already. An image that cannot be read is told and left out of its case; a case
 * whose key is not UTF-8, which JSON cannot hold, is told and left out. */
rs_status rs_export(rs_archive *a, const char *folder, const rs_export_options *o,
                    rs_export_report *out, rs_err *err);

#endif
