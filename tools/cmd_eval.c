/* cmd_eval.c - radscout eval --beir FOLDER [--bm25-only] ...
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"
#include "commands.h"
#include "engine/metrics.h"
#include "eval.h"
#include "lexicon_folder.h"
#include "scratch_folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 10000, SEED = 1, MAX_RUNS = 2 };

/* ---- What is said ---------------------------------------------------- */

static double *values_of(const rs_eval_run *run, size_t n, size_t which, rs_arena *mem)
{
    double *x = rs_new(mem, double, n);

    for (size_t i = 0; x && i < n; i++)
        x[i] = rs_eval_metric(&run->answers[i], which);
    return x;
}

/* p of "both runs are one", 1 for a run alone; NaN on OOM. */
static double difference_p(const rs_eval_run *runs, size_t n, size_t which, rs_arena *mem)
{
    double *a = values_of(&runs[0], n, which, mem), *b = values_of(&runs[1], n, which, mem);

    return a && b ? rs_randomisation_test(a, b, n, ROUNDS, SEED) : NAN;
}

static rs_interval interval_of(const rs_eval_run *run, size_t n, size_t which, rs_arena *mem)
{
    double *x = values_of(run, n, which, mem);

    return x ? rs_bootstrap(x, n, ROUNDS, SEED) : (rs_interval){NAN, NAN, NAN};
}

static json_t *number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static int print_json(rs_cli *c, const rs_beir *b, size_t k, const rs_eval_run *runs, size_t n_runs)
{
    json_t *list = json_array(), *differences = json_object(), *all;
    char name[32];

    for (size_t r = 0; r < n_runs; r++) {
        json_t *o = json_pack("{s:s,s:o}", "name", runs[r].name, "ms_per_query",
                              number(1e3 * runs[r].seconds / (double)b->n_queries));
        for (size_t m = 0; m < RS_EVAL_N_METRICS; m++) {
            rs_interval i = interval_of(&runs[r], b->n_queries, m, rs_cli_arena(c));
            json_object_set_new(o, rs_eval_metric_name(m, k, name), json_pack("{s:o,s:o,s:o}",
                "mean", number(i.mean), "low", number(i.low), "high", number(i.high)));
        }
        json_array_append_new(list, o);
    }
    for (size_t m = 0; n_runs == 2 && m < RS_EVAL_N_METRICS; m++)
        json_object_set_new(differences, rs_eval_metric_name(m, k, name),
                            number(difference_p(runs, b->n_queries, m, rs_cli_arena(c))));
    all = json_pack("{s:I,s:I,s:I,s:I,s:o,s:o}", "documents", (json_int_t)b->n_documents,
                    "queries", (json_int_t)b->n_queries, "judgements",
                    (json_int_t)b->n_judgements, "k", (json_int_t)k, "configurations", list,
                    "p", differences);
    return rs_cli_print_json(c, all);
}

static int print_table(rs_cli *c, const rs_beir *b, size_t k, const rs_eval_run *runs,
                       size_t n_runs)
{
    char name[32];

    printf("%zu documents, %zu queries, %zu judgements; 95%% bootstrap intervals\n\n%-10s",
           b->n_documents, b->n_queries, b->n_judgements, "");
    for (size_t r = 0; r < n_runs; r++)
        printf("  %-24s", runs[r].name);
    printf("%s\n", n_runs == 2 ? "  p" : "");
    for (size_t m = 0; m < RS_EVAL_N_METRICS; m++) {
        printf("%-10s", rs_eval_metric_name(m, k, name));
        for (size_t r = 0; r < n_runs; r++) {
            rs_interval i = interval_of(&runs[r], b->n_queries, m, rs_cli_arena(c));
            printf("  %.4f [%.4f, %.4f]", i.mean, i.low, i.high);
        }
        if (n_runs == 2)
            printf("  %.4f", difference_p(runs, b->n_queries, m, rs_cli_arena(c)));
        putchar('\n');
    }
    printf("%-10s", "ms/query");
    for (size_t r = 0; r < n_runs; r++)
        printf("  %-24.2f", 1e3 * runs[r].seconds / (double)b->n_queries);
    putchar('\n');
    return RS_EXIT_OK;
}

/* ---- The command ----------------------------------------------------- */

static rs_status evaluate(rs_cli *c, const char *folder, const rs_beir *b, size_t k,
                          size_t depth, rs_eval_run *runs, size_t n_runs, rs_err *err)
{
    const char *run_file = rs_cli_value(c, "run", NULL);
    const char *per_query = rs_cli_value(c, "per-query", NULL);
    rs_archive *a = NULL;
    rs_status st;

    if ((st = rs_archive_open(&a, folder, RS_ARCHIVE_WRITE, err)) != RS_OK ||
        (st = rs_cli_lexicon(c, a, err)) != RS_OK || (st = rs_eval_index(a, b, err)) != RS_OK)
        goto done;
    for (size_t r = 0; st == RS_OK && r < n_runs; r++)
        st = rs_eval_ask(a, b, k, depth, &runs[r], rs_cli_arena(c), err);
    if (st == RS_OK && run_file)
        st = rs_eval_write_run(run_file, b, &runs[n_runs - 1], err);
    if (st == RS_OK && per_query)
        st = rs_eval_write_queries(per_query, b, k, runs, n_runs, err);
done:
    rs_archive_close(a);
    return st;
}

static int run(rs_cli *c)
{
    bool plain_only = rs_cli_flag(c, "bm25-only");
    rs_eval_run runs[MAX_RUNS] = {{.name = "bm25", .words = RS_WORDS_PLAIN},
                             {.name = "read", .words = RS_WORDS_READ}};
    size_t n_runs = plain_only ? 1 : 2;
    const char *beir = rs_cli_value(c, "beir", NULL), *folder;
    long long k, depth;
    rs_beir b;
    rs_err err = {0};
    rs_status st;

    if (!beir)
        return rs_cli_usage(c, "wants a test collection: --beir FOLDER");
    if (!rs_cli_number(c, "k", 1, 1000, 10, &k) ||
        !rs_cli_number(c, "depth", 1, 10000, 1000, &depth))
        return RS_EXIT_USAGE;
    if (depth < k)
        depth = k;
    if (rs_beir_load(&b, beir, rs_cli_value(c, "qrels", "test"), rs_cli_arena(c), &err) != RS_OK)
        return rs_cli_fail(c, &err);
    if (!(folder = rs_scratch_make(rs_cli_arena(c), &err)))
        return rs_cli_fail(c, &err);
    st = evaluate(c, folder, &b, (size_t)k, (size_t)depth, runs, n_runs, &err);
    rs_scratch_remove(folder);
    if (st != RS_OK)
        return rs_cli_fail(c, &err);
    return rs_cli_flag(c, "json") ? print_json(c, &b, (size_t)k, runs, n_runs)
                                  : print_table(c, &b, (size_t)k, runs, n_runs);
}

static const rs_option options[] = {
    {"beir", 0, "FOLDER", "the test collection: corpus.jsonl, queries.jsonl, qrels/*.tsv"},
    {"qrels", 0, "NAME", "which judgements, qrels/NAME.tsv (default test)"},
    {"bm25-only", 0, NULL, "textbook BM25 alone, without reading reports or synonyms"},
    {"k", 'k', "N", "the cut of nDCG@k, R@k and P@k (default 10)"},
    {"depth", 0, "N", "documents taken of each query, for MAP, MRR and --run (default 1000)"},
    {"run", 0, "FILE", "write what was found as a TREC run"},
    {"per-query", 0, "FILE", "write each query's figures, tabs between"},
    {"json", 0, NULL, "print one JSON object"},
    RS_LEXICON_OPTION,
    {0},
};

const rs_command rs_command_eval = {
    .name = "eval", .args = "",
    .summary = "measure how well words find cases, on a test collection",
    .description =
        "Indexes the texts of a collection in BEIR's layout into a temporary archive (only _id,\n"
        "title and text are read; no images and no model), asks its queries and compares with\n"
        "its judgements. Figures are as trec_eval defines them: nDCG@k with the grade as gain, MAP,\n"
        "recall and precision at k, MRR; a query that nothing is found for counts with 0.\n"
        "Intervals hold 95 of 100 bootstrap samples of the queries; p is that of a paired\n"
        "randomisation test between plain BM25 and the search that reads reports.\n"
        "\n"
        "With --json: {\"documents\", \"queries\", \"judgements\", \"k\", \"configurations\": [{\"name\",\n"
        "\"ms_per_query\", \"nDCG@10\": {\"mean\", \"low\", \"high\"}, ...}], \"p\": {\"nDCG@10\", ...}}.",
    .examples = "  radscout eval --beir openi\n"
                "  radscout eval --beir openi --run openi.run --per-query openi.tsv",
    .options = options, .min_args = 0, .max_args = 0, .run = run,
};
