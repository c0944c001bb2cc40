/* beir.h - a retrieval test collection in BEIR's layout (Thakur et al. 2021,
 * arXiv:2104.08663):
 *
 *   FOLDER/corpus.jsonl      {"_id", "title", "text"} a line; other fields are not read
 *   FOLDER/queries.jsonl     {"_id", "text"} a line
 *   FOLDER/qrels/NAME.tsv    query, document, grade; a header line is left out
 *
 * Queries without a judgement are not asked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_BEIR_H
#define RS_TOOLS_BEIR_H

#include "base/arena.h"
#include "base/status.h"

#include <stddef.h>

typedef struct { const char *id, *title, *text; } rs_beir_text;      /* title NULL in a query */
typedef struct { const char *query, *document; int grade; } rs_beir_judgement;

typedef struct {
    const rs_beir_text      *documents;   size_t n_documents;
    const rs_beir_text      *queries;     size_t n_queries;     /* those that were judged */
    const rs_beir_judgement *judgements;  size_t n_judgements;  /* by query, then document */
} rs_beir;

/* All of it in `mem`. `qrels`: NAME of the judgements, "test" as a rule, or a file: in BEIR's
 * form where it ends with .tsv, else in TREC's ("query 0 document grade"). RS_ENOENT,
 * RS_ECORRUPT (names file and line), RS_ELIMIT, RS_EIO, RS_ENOMEM. */
rs_status rs_beir_load(rs_beir *out, const char *folder, const char *qrels, rs_arena *mem,
                       rs_err *err);

/* The judgements of one query: [*n]. */
const rs_beir_judgement *rs_beir_judged(const rs_beir *b, const char *query, size_t *n);
/* The grade of a document among them; 0 where it was not judged. */
int rs_beir_grade(const rs_beir_judgement *of, size_t n, const char *document);

#endif
