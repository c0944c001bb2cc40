/* cmd_eval.c - radscout eval --beir FOLDER | --labels MANIFEST | [--archive] ARCHIVE [--judgments]
 * SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "eval_say.h"
#include "eval_source.h"
#include "lexicon_folder.h"
#include "model.h"
#include "scratch_folder.h"

#include <stdio.h>
#include <string.h>

enum { MAX_RUNS = 12 };

typedef struct {
    rs_cli         *cli;
    rs_eval_source  from;
    size_t          k, depth;
    rs_eval_run     runs[MAX_RUNS];
    size_t          n_runs, n_asked;          /* asked: the rest comes from files */
} evaluation;

/* ---- What is asked for ------------------------------------------------ */

static bool read_by(evaluation *v)
{
    static const struct { const char *name; rs_eval_by by; } names[] = {
        {"image", RS_EVAL_BY_IMAGE}, {"text", RS_EVAL_BY_TEXT}, {"both", RS_EVAL_BY_BOTH},
        {"label", RS_EVAL_BY_LABEL}};
    const char *by = rs_cli_value(v->cli, "by", "image");

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(by, names[i].name) == 0) {
            v->from.by = names[i].by;
            return true;
        }
    rs_cli_usage(v->cli, "--by wants image, text, both or label, not '%s'", by);
    return false;
}

/* The names parted by commas. */
static bool add_runs(evaluation *v, const char *names)
{
    char *list = rs_arena_strdup(rs_cli_arena(v->cli), names), *save = NULL;

    for (char *name = list ? strtok_r(list, ",", &save) : NULL; name;
         name = strtok_r(NULL, ",", &save)) {
        if (v->n_runs == MAX_RUNS) {
            rs_cli_usage(v->cli, "no more than %d configurations at once", MAX_RUNS);
            return false;
        }
        if (!rs_eval_run_of(&v->runs[v->n_runs], name)) {
            rs_cli_usage(v->cli, "--compare: there is no configuration '%s'; wanted bm25, read, "
                         "rrf, minmax, zscore, atan, early (with +N: N rescored) or a probe", name);
            return false;
        }
        v->from.vectors |= !v->runs[v->n_runs].words_only;
        if (v->runs[v->n_runs++].words_only && !v->from.beir && !v->from.judgments &&
            v->from.by == RS_EVAL_BY_IMAGE) {
            rs_cli_usage(v->cli, "%s looks for words, and --by image asks without any", name);
            return false;
        }
    }
    return list && v->n_runs > 0;
}

static bool read_options(evaluation *v)
{
    rs_cli *c = v->cli;
    const char *usual = rs_fusion_name(rs_query_default().fusion);
    long long k, depth, queries, seed;
    bool asks_words;

    v->from.beir = rs_cli_value(c, "beir", NULL);
    v->from.labels = rs_cli_value(c, "labels", NULL);
    v->from.archive = rs_cli_value(c, "archive", rs_cli_args(c) ? rs_cli_arg(c, 0) : NULL);
    v->from.judgments = rs_cli_flag(c, "judgments");
    if (!!v->from.beir + !!v->from.labels + !!v->from.archive != 1) {
        rs_cli_usage(c, "wants one of --beir FOLDER, --labels MANIFEST, --archive ARCHIVE");
        return false;
    }
    if (v->from.judgments && (!v->from.archive || rs_cli_value(c, "by", NULL))) {
        rs_cli_usage(c, v->from.archive ? "--by asks with cases, --judgments with what was judged"
                                        : "--judgments are an archive's: give that");
        return false;
    }
    asks_words = v->from.beir && !rs_cli_value(c, "compare", NULL) &&
                 !rs_cli_value(c, "model", NULL);
    if (v->from.judgments)
        usual = rs_arena_sprintf(rs_cli_arena(c), "bm25,read,%s", usual);
    if (v->from.beir)
        usual = rs_cli_flag(c, "bm25-only") ? "bm25"
              : asks_words ? "bm25,read"
              : rs_arena_sprintf(rs_cli_arena(c), "bm25,read,%s", usual);
    if (!usual || !read_by(v) || !add_runs(v, rs_cli_value(c, "compare", usual)) ||
        !rs_cli_number(c, "k", 1, 1000, 10, &k) ||
        !rs_cli_number(c, "depth", 1, 10000, v->from.vectors ? 100 : 1000, &depth) ||
        !rs_cli_number(c, "queries", 1, 100000, 500, &queries) ||
        !rs_cli_number(c, "seed", 0, 1LL << 62, 1, &seed))
        return false;
    v->k = (size_t)k;
    v->depth = (size_t)(depth < k ? k : depth);
    v->from.queries = (size_t)queries;
    v->from.seed = (uint64_t)seed;
    v->n_asked = v->n_runs;
    return true;
}

/* --weights and --run-in. */
static rs_status read_files(evaluation *v, rs_err *err)
{
    const char *weights = rs_cli_value(v->cli, "weights", "");
    size_t n;
    const char *const *files = rs_cli_values(v->cli, "run-in", &n);
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < v->n_runs; i++)
        st = rs_eval_weights(&v->runs[i], weights, err);
    for (size_t i = 0; st == RS_OK && i < n; i++) {
        rs_trec_run *given = rs_new(rs_cli_arena(v->cli), rs_trec_run, 1);
        if (v->n_runs == MAX_RUNS)
            return rs_fail(err, RS_EARG, "no more than %d configurations and run files at once",
                           MAX_RUNS);
        if (!given)
            return rs_fail(err, RS_ENOMEM, "%s: no memory", files[i]);
        st = rs_trec_load(given, files[i], rs_cli_arena(v->cli), err);
        v->runs[v->n_runs++] = (rs_eval_run){.name = given->tag, .given = given};
    }
    return st;
}

/* ---- The command ------------------------------------------------------ */

static rs_status evaluate(evaluation *v, const char *folder, rs_err *err)
{
    const char *run_file = rs_cli_value(v->cli, "run", NULL);
    const char *per_query = rs_cli_value(v->cli, "per-query", NULL);
    rs_status st = rs_eval_source_open(&v->from, v->cli, folder, err);

    for (size_t r = 0; st == RS_OK && r < v->n_runs; r++)
        st = rs_eval_ask(v->from.a, v->from.encoder, &v->from.set, v->k, v->depth, &v->runs[r],
                         rs_cli_arena(v->cli), err);
    if (st == RS_OK && run_file)
        st = rs_eval_write_run(run_file, &v->from.set, &v->runs[v->n_asked - 1], err);
    if (st == RS_OK && per_query)
        st = rs_eval_write_queries(per_query, &v->from.set, v->k, v->runs, v->n_runs, err);
    rs_eval_source_close(&v->from);
    return st;
}

static int run(rs_cli *c)
{
    evaluation *v = rs_new(rs_cli_arena(c), evaluation, 1);
    const char *folder = NULL;
    rs_err err = {RS_ENOMEM, "no memory"};
    rs_status st;
    int code;

    if (!v)
        return rs_cli_fail(c, &err);
    v->cli = c;
    if (!read_options(v))
        return RS_EXIT_USAGE;
    if (!rs_model_pool(&v->from.pool, c, &code))
        return code;
    if ((st = read_files(v, &err)) == RS_OK &&
        (v->from.archive || (folder = rs_scratch_make(rs_cli_arena(c), &err))))
        st = evaluate(v, folder, &err);
    else if (st == RS_OK)
        st = err.code;
    rs_scratch_remove(folder);
    rs_pool_free(v->from.pool);
    if (st != RS_OK)
        return rs_cli_fail(c, &err);
    if (v->from.left_out)
        fprintf(stderr, "%zu judged queries have cases or images and are left out\n",
                v->from.left_out);
    return rs_cli_flag(c, "json") ? rs_eval_say_json(c, &v->from.set, v->k, v->runs, v->n_runs)
                                  : rs_eval_say_table(c, &v->from.set, v->k, v->runs, v->n_runs);
}

static const rs_option options[] = {
    {"beir", 0, "FOLDER", "a test collection: corpus.jsonl, queries.jsonl, qrels/*.tsv"},
    {"labels", 0, "MANIFEST", "cases with finding labels, a SOURCE as index takes it"},
    {"archive", 0, "ARCHIVE", "the same of an archive that is there; it is only read"},
    {"judgments", 0, NULL, "ask the archive what experts judged (see radscout judgments)"},
    {"by", 0, "WHAT", "what of a case asks: image, text, both, or label: the labels' names ask\n"
                      "(default image)"},
    {"queries", 0, "N", "cases that ask, at most (default 500)"},
    {"seed", 0, "N", "another seed chooses others (default 1)"},
    {"compare", 0, "LIST", "configurations, commas between: bm25, read (words alone), rrf,\n"
                           "minmax, zscore, atan, early, with +N the best N rescored, or a probe"},
    {"weights", 0, "LIST", "weights of probes in all of them: text-image=0.5,bm25=2"},
    {"qrels", 0, "NAME", "which judgements: qrels/NAME.tsv (default test), or a file in\n"
                         "TREC's form"},
    {"bm25-only", 0, NULL, "the same as --compare bm25"},
    {"k", 'k', "N", "the cut of nDCG@k, R@k and P@k (default 10)"},
    {"depth", 0, "N", "documents taken of each query and probe, for MAP, MRR and --run\n"
                      "(default 100, of words alone 1000)"},
    {"run", 0, "FILE", "write what the last configuration found as a TREC run"},
    {"run-in", 0, "FILE", "compare with a TREC run file of another system; may be repeated"},
    {"per-query", 0, "FILE", "write each query's figures, tabs between"},
    {"quiet", 'q', NULL, "no progress while indexing"},
    {"json", 0, NULL, "print one JSON object"},
    RS_MODEL_OPTION,
    RS_PRECISION_OPTION,
    RS_THREADS_OPTION,
    RS_LEXICON_OPTION,
    {0},
};

const rs_command rs_command_eval = {
    .name = "eval", .args = "[ARCHIVE]",
    .summary = "measure how well cases are found, in several configurations",
    .description =
        "--beir: the texts of a collection in BEIR's layout become a temporary archive (only\n"
        "_id, title and text are read), its queries are asked and compared with its judgements.\n"
        "Plain BM25 and the search that reads reports need no model; --compare and --model index\n"
        "the texts with one, as index does (a text without a title gets one).\n"
        "\n"
        "--labels, --archive: each of a sample of cases asks for those that share a finding\n"
        "label with it, by its images, its text or both; the grade is how many labels they\n"
        "share. Its own patient's cases (of one attribute group, where no patient is known) are\n"
        "left out, neither relevant nor found. Labels take turns in choosing who asks, so that\n"
        "rare ones count as much as frequent ones. --by label asks with the labels' names\n"
        "instead.\n"
        "\n"
        "--judgments: the queries that experts judged in this archive (/v1/judgments of radscout\n"
        "serve), among what their filters pass. Where several judged one case the grade is the\n"
        "median, of two the lower. A case that nobody judged counts as not relevant. Queries with\n"
        "cases or images are left out, and their number is told.\n"
        "\n"
        "Figures are as trec_eval defines them: nDCG@k with the grade as gain, MAP, recall and\n"
        "precision at k, MRR; a query that nothing is found for counts with 0. Of a run file\n"
        "only the scores count, as floats of 32 bits; equal ones stand in falling order of the\n"
        "document's name. Intervals hold 95 of 100 bootstrap samples of the queries; p is that\n"
        "of a paired randomisation test against the first configuration, Holm's for several.\n"
        "\n"
        "With --json: {\"documents\", \"queries\", \"judgements\", \"k\", \"configurations\":\n"
        "[{\"name\", \"ms_per_query\", \"nDCG@10\": {\"mean\", \"low\", \"high\"}, ..., \"p\":\n"
        "{\"nDCG@10\", ...}, \"p_holm\": {\"nDCG@10\", ...}}]}; p is null for the first.",
    .examples = "  radscout eval --beir openi\n"
                "  radscout eval --beir openi --run openi.run --run-in other.run\n"
                "  radscout eval --archive archive --compare rrf,minmax,rrf+50,early --by both\n"
                "  radscout eval archive --judgments",
    .options = options, .min_args = 0, .max_args = 1, .run = run,
};
