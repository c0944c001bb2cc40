/* trec.h - TREC's run files: what some system found for each query.
 *
 *   query Q0 document rank score tag           six fields, blanks or tabs between
 *
 * As in trec_eval (form_res_rels.c) only the scores order a query's documents: the rank is
 * not looked at, scores are floats of 32 bits, and of documents with equal scores the one
 * whose name sorts later (strcmp) comes first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_TREC_H
#define RS_TOOLS_TREC_H

#include "base/arena.h"
#include "base/status.h"

#include <stddef.h>

typedef struct {
    const char *query, *document;
    float       score;
    size_t      line;
} rs_trec_row;

typedef struct {
    const char        *tag;                     /* of its first line */
    const rs_trec_row *rows;  size_t n;         /* by query, then best first */
} rs_trec_run;

/* All of it in `mem`. RS_ENOENT; RS_ECORRUPT names file, line and field: other than six
 * fields, a rank that is no whole number, a score that is no finite number, a document
 * twice for a query, an empty file; RS_EIO, RS_ENOMEM. */
rs_status rs_trec_load(rs_trec_run *out, const char *path, rs_arena *mem, rs_err *err);
/* What was found for one query: [*n]. */
const rs_trec_row *rs_trec_found(const rs_trec_run *r, const char *query, size_t *n);

#endif
