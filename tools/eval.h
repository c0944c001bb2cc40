/* eval.h - queries of which it is known what should be found, asked of an archive in several
 * ways, or answered by somebody else.
 *
 *   set      queries with judgements: a collection in BEIR's layout (eval_beir.c), the cases of an
 *            archive by their labels (eval_labels.c), or what experts said (eval_judgments.c)
 *   run      one way to ask: a configuration of the search, or a TREC run file
 *   answer   what a run makes of one query, and its measures
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_EVAL_H
#define RS_TOOLS_EVAL_H

#include "beir.h"
#include "engine/archive.h"
#include "engine/census.h"
#include "engine/metrics.h"
#include "engine/query.h"
#include "trec.h"

#include <limits.h>
#include <stddef.h>

/* ---- Sets ------------------------------------------------------------ */

typedef struct {
    const char  *id;
    const char  *text;             /* may be NULL */
    const float *text_vector;      /* [dim]; NULL: the encoder makes it */
    const float *images;  size_t n_images;       /* [n x dim] */
    const char  *filter;           /* what may be found (filter.h); NULL: everything */
} rs_eval_query;

/* The grade of a document that is neither relevant nor irrelevant: it counts as not there. */
#define RS_EVAL_LEFT_OUT INT_MIN

typedef struct rs_eval_set rs_eval_set;
struct rs_eval_set {
    const rs_eval_query *queries;  size_t n_queries;
    size_t      n_documents, n_judgements;
    /* The judgements of one query, by document; in `mem` or borrowed. */
    rs_status (*judged)(const rs_eval_set *s, size_t query, rs_arena *mem,
                        const rs_beir_judgement **of, size_t *n, rs_err *err);
    const void *data;              /* for `judged` */
};

/* A collection's texts as cases of `a`, which is open for writing: words alone. */
rs_status rs_eval_index(rs_archive *a, const rs_beir *b, rs_err *err);
/* The same as a manifest for rs_index_run. */
rs_status rs_eval_manifest(const char *path, const rs_beir *b, rs_err *err);
/* `b` is borrowed. RS_ENOMEM. */
rs_status rs_eval_set_beir(rs_eval_set *out, const rs_beir *b, rs_arena *mem, rs_err *err);

/* What of a case asks. */
typedef enum { RS_EVAL_BY_IMAGE, RS_EVAL_BY_TEXT, RS_EVAL_BY_BOTH, RS_EVAL_BY_LABEL } rs_eval_by;
/* Each of at most `most` labelled cases asks for those that share a label with it: the grade is
 * how many. Its own patient's cases are left out. Labels take turns in giving a query, so
 * that rare ones ask as often as frequent ones; `seed` chooses. By label: each label's name is
 * a query, its cases have grade 1. RS_ENOENT: nothing can ask. RS_ECORRUPT, RS_EIO, RS_ENOMEM. */
rs_status rs_eval_set_labels(rs_eval_set *out, rs_archive *a, rs_eval_by by, size_t most,
                             uint64_t seed, rs_arena *mem, rs_err *err);

/* The queries that experts judged in this archive, each of its cases with the median of their
 * grades (engine/agreement.h), asked among what their filters pass. Cases that nobody judged count
 * as not relevant. Queries with cases or images are left out: *left_out says how many.
 * RS_ENOENT: there are no others. RS_ECORRUPT, RS_EIO, RS_ENOMEM. */
rs_status rs_eval_set_judgments(rs_eval_set *out, rs_archive *a, size_t *left_out, rs_arena *mem,
                                rs_err *err);

/* ---- Runs ------------------------------------------------------------ */

/* X(field, name): the measures of a query; those with a cut are named with "@k" behind. */
#define RS_EVAL_METRICS(X) \
    X(ndcg, "nDCG", true) X(ap, "MAP", false) X(recall, "R", true) X(precision, "P", true) \
    X(rr, "MRR", false)
enum { RS_EVAL_N_METRICS = 5 };

typedef struct { const char *document; float score; } rs_eval_found;

/* Documents best first, scores strictly falling as floats of 32 bits, so that whoever sorts them
 * again (trec_eval does) gets the same order. */
typedef struct {
    const rs_eval_found *found;  size_t n;
#define RS_EVAL_FIELD(field, name, cut) double field;
    RS_EVAL_METRICS(RS_EVAL_FIELD)
#undef RS_EVAL_FIELD
} rs_eval_answer;

typedef struct {
    const char        *name;       /* "bm25", "read", "rrf+50", a run file's tag */
    rs_words           words;
    bool               words_only; /* no vectors */
    rs_fusion          fusion;
    size_t             rescore;
    double             weight[RS_PROBE_COUNT];
    const rs_trec_run *given;      /* not NULL: these are the answers */
    rs_eval_answer    *answers;    /* [n_queries] */
    double             seconds;    /* that asking took */
} rs_eval_run;

/* A configuration by name: bm25, read (words alone); rrf, minmax, zscore, atan, early, each also
 * with "+50": the best 50 rescored; or a probe's name: that one alone. False where it is none. */
bool rs_eval_run_of(rs_eval_run *out, const char *name);
/* "text-image=0.5,bm25=2" into the weights of a run. RS_EARG. */
rs_status rs_eval_weights(rs_eval_run *run, const char *text, rs_err *err);

double      rs_eval_metric(const rs_eval_answer *a, size_t which);
const char *rs_eval_metric_name(size_t which, size_t k, char out[32]);      /* "nDCG@10" */

/* All queries, `depth` documents each; answers in `mem`. `e` may be NULL: for words alone. */
rs_status rs_eval_ask(rs_archive *a, const rs_encoder *e, const rs_eval_set *s, size_t k,
                      size_t depth, rs_eval_run *run, rs_arena *mem, rs_err *err);

/* One measure of one run over all queries, and how it differs from that of the first run:
 * a paired randomisation test, p alone and put up for all runs that are compared (Holm).
 * NaN for the first run and on OOM. */
typedef struct { rs_interval interval; double p, holm; } rs_eval_figure;
/* out: [n_runs x RS_EVAL_N_METRICS]. */
void rs_eval_figures(rs_eval_figure *out, const rs_eval_set *s, const rs_eval_run *runs,
                     size_t n_runs, rs_arena *mem);

/* TREC's run format: query Q0 document rank score name. */
rs_status rs_eval_write_run(const char *path, const rs_eval_set *s, const rs_eval_run *run,
                            rs_err *err);
/* A line a query and configuration, tabs between. */
rs_status rs_eval_write_queries(const char *path, const rs_eval_set *s, size_t k,
                                const rs_eval_run *runs, size_t n_runs, rs_err *err);

#endif
