/* eval.h - asking a test collection's queries of an archive made for the moment, and
 * comparing with its judgements.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_EVAL_H
#define RS_TOOLS_EVAL_H

#include "beir.h"
#include "engine/archive.h"
#include "engine/query.h"

#include <stddef.h>

/* X(field, name): the measures of a query; those with a cut are named with "@k" behind. */
#define RS_EVAL_METRICS(X) \
    X(ndcg, "nDCG", true) X(ap, "MAP", false) X(recall, "R", true) X(precision, "P", true) \
    X(rr, "MRR", false)
enum { RS_EVAL_N_METRICS = 5 };

typedef struct { const char *document; double score; } rs_eval_found;

/* What a configuration makes of one query: documents best first, scores strictly falling,
 * so that whoever sorts them again gets the same order. */
typedef struct {
    const rs_eval_found *found;  size_t n;
#define RS_EVAL_FIELD(field, name, cut) double field;
    RS_EVAL_METRICS(RS_EVAL_FIELD)
#undef RS_EVAL_FIELD
} rs_eval_answer;

typedef struct {
    const char     *name;              /* "bm25", "read" */
    rs_words        words;
    rs_eval_answer *answers;           /* [n_queries] */
    double          seconds;           /* that asking took */
} rs_eval_run;

double      rs_eval_metric(const rs_eval_answer *a, size_t which);
const char *rs_eval_metric_name(size_t which, size_t k, char out[32]);      /* "nDCG@10" */

/* The collection's texts as cases of `a`, which is open for writing. */
rs_status rs_eval_index(rs_archive *a, const rs_beir *b, rs_err *err);
/* All queries, `depth` documents each; answers in `mem`. */
rs_status rs_eval_ask(rs_archive *a, const rs_beir *b, size_t k, size_t depth, rs_eval_run *run,
                      rs_arena *mem, rs_err *err);

/* TREC's run format: query Q0 document rank score name. */
rs_status rs_eval_write_run(const char *path, const rs_beir *b, const rs_eval_run *run,
                            rs_err *err);
/* A line a query and configuration, tabs between. */
rs_status rs_eval_write_queries(const char *path, const rs_beir *b, size_t k,
                                const rs_eval_run *runs, size_t n_runs, rs_err *err);

#endif
