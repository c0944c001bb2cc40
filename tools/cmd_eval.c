/* cmd_eval.c - radscout eval --beir FOLDER [--bm25-only] ...
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/outfile.h"
#include "beir.h"
#include "commands.h"
#include "engine/metrics.h"
#include "engine/query.h"
#include "engine/sections.h"
#include "lexicon_folder.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 500, ROUNDS = 10000, SEED = 1, MAX_RUNS = 2 };

/* ---- An archive for the moment --------------------------------------- */

static void remove_folder(const char *folder)
{
    DIR *d = opendir(folder);
    const struct dirent *e;

    while (d && (e = readdir(d))) {
        char *path = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0
                   ? NULL : rs_path_join(folder, e->d_name);
        if (path && rs_is_folder(path))
            remove_folder(path);
        else if (path)
            unlink(path);
        rs_free(path);
    }
    if (d)
        closedir(d);
    rmdir(folder);
}

static rs_status put_document(rs_archive *a, const rs_beir_text *d, rs_arena *mem, rs_err *err)
{
    size_t n;
    rs_section *sections = rs_sections_find(rs_archive_lexicon(a), d->text, mem, &n);
    rs_case c = {.key = d->id, .title = d->title, .report = d->text, .sections = sections,
                 .n_sections = n, .age_years = -1};

    if (!sections)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", d->id);
    return rs_archive_put(a, &c, NULL, err);
}

static rs_status put_all(rs_archive *a, const rs_beir *b, rs_err *err)
{
    rs_status st = RS_OK;
    rs_arena mem = {0};

    for (size_t i = 0; st == RS_OK && i < b->n_documents; i++) {
        if (i % BATCH == 0)
            st = rs_archive_begin(a, err);
        if (st == RS_OK)
            st = put_document(a, &b->documents[i], &mem, err);
        if (st == RS_OK && ((i + 1) % BATCH == 0 || i + 1 == b->n_documents))
            st = rs_archive_commit(a, err);
        rs_arena_reset(&mem);
    }
    rs_arena_clear(&mem);
    return st;
}

/* ---- Asking ---------------------------------------------------------- */

typedef struct { const char *document; double score; } found;

/* A query and what a configuration makes of it. */
typedef struct {
    const found *found;        size_t n;
    double ndcg, ap, precision, recall, rr;
} answer;

typedef struct {
    const char *name;              /* "bm25", "read" */
    rs_words    words;
    answer     *answers;           /* [n_queries] */
    double      seconds;
} run_of;

#define METRICS(X) X(ndcg, "nDCG") X(ap, "MAP") X(recall, "R") X(precision, "P") X(rr, "MRR")
enum { N_METRICS = 5 };

static double metric_of(const answer *a, size_t which)
{
    const double all[N_METRICS] = {
#define VALUE(field, text) a->field,
        METRICS(VALUE)
#undef VALUE
    };
    return all[which];
}

static const char *metric_name(size_t which, size_t k, char out[32])
{
    static const char *const names[N_METRICS] = {
#define NAME(field, text) text,
        METRICS(NAME)
#undef NAME
    };
    bool cut = which == 0 || which == 2 || which == 3;

    snprintf(out, 32, cut ? "%s@%zu" : "%s", names[which], k);
    return out;
}

static int falling(const void *a, const void *b) { return *(const int *)b - *(const int *)a; }

static rs_status grade(const rs_beir *b, const char *query, size_t k, answer *a, rs_arena *mem,
                       rs_err *err)
{
    size_t n;
    const rs_beir_judgement *of = rs_beir_judged(b, query, &n);
    int *judged = rs_new(mem, int, n + 1), *retrieved = rs_new(mem, int, a->n + 1);
    rs_graded g = {retrieved, a->n, judged, n};

    if (!judged || !retrieved)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", query);
    for (size_t i = 0; i < n; i++)
        judged[i] = of[i].grade;
    qsort(judged, n, sizeof *judged, falling);
    for (size_t i = 0; i < a->n; i++)
        retrieved[i] = rs_beir_grade(of, n, a->found[i].document);
    a->ndcg = rs_ndcg_at(&g, k);
    a->ap = rs_average_precision(&g);
    a->precision = rs_precision_at(&g, k);
    a->recall = rs_recall_at(&g, k);
    a->rr = rs_reciprocal_rank(&g);
    return RS_OK;
}

static rs_status ask(rs_archive *a, const char *text, rs_words words, size_t depth, answer *out,
                     rs_arena *mem, rs_err *err)
{
    rs_query q = rs_query_default();
    found *list;
    rs_result r;
    rs_status st;

    q.text = text;
    q.words = words;
    q.k = q.depth = depth;
    q.scores_only = true;
    if ((st = rs_search(a, &q, mem, &r, err)) != RS_OK)
        return st;
    list = rs_new(mem, found, r.n + 1);
    if (!list)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu hits", r.n);
    for (size_t i = 0; i < r.n; i++) {
        list[i] = (found){r.hits[i].key, r.hits[i].n_found ? r.hits[i].found[0].score : 0};
        /* Whoever sorts the run again by its scores gets this order. */
        if (i > 0 && list[i].score >= list[i - 1].score)
            list[i].score = nextafter(list[i - 1].score, -INFINITY);
    }
    out->found = list;
    out->n = r.n;
    return RS_OK;
}

static rs_status ask_all(rs_archive *a, const rs_beir *b, size_t k, size_t depth, run_of *run,
                         rs_arena *mem, rs_err *err)
{
    rs_status st = RS_OK;

    run->answers = rs_new(mem, answer, b->n_queries);
    if (!run->answers)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu queries", b->n_queries);
    for (size_t i = 0; st == RS_OK && i < b->n_queries; i++) {
        double start = rs_now_s();
        st = ask(a, b->queries[i].text, run->words, depth, &run->answers[i], mem, err);
        run->seconds += rs_now_s() - start;
        if (st == RS_OK)
            st = grade(b, b->queries[i].id, k, &run->answers[i], mem, err);
    }
    return st;
}

/* ---- Files ----------------------------------------------------------- */

static rs_status write_buf(const char *path, rs_buf *b, rs_err *err)
{
    rs_status st = b->failed ? rs_fail(err, RS_ENOMEM, "%s: no memory", path)
                             : rs_file_write(path, b->data ? b->data : "", b->len, err);

    rs_buf_clear(b);
    return st;
}

/* query Q0 document rank score name: TREC's run format. */
static rs_status write_run(const char *path, const rs_beir *b, const run_of *run, rs_err *err)
{
    rs_buf out = {0};

    for (size_t i = 0; i < b->n_queries; i++)
        for (size_t k = 0; k < run->answers[i].n; k++)
            rs_buf_printf(&out, "%s Q0 %s %zu %.17g radscout-%s\n", b->queries[i].id,
                          run->answers[i].found[k].document, k + 1,
                          run->answers[i].found[k].score, run->name);
    return write_buf(path, &out, err);
}

static rs_status write_per_query(const char *path, const rs_beir *b, size_t k, const run_of *runs,
                                 size_t n_runs, rs_err *err)
{
    rs_buf out = {0};
    char name[32];

    rs_buf_puts(&out, "query\ttext\tconfiguration");
    for (size_t m = 0; m < N_METRICS; m++)
        rs_buf_printf(&out, "\t%s", metric_name(m, k, name));
    rs_buf_puts(&out, "\tretrieved\n");
    for (size_t i = 0; i < b->n_queries; i++)
        for (size_t r = 0; r < n_runs; r++) {
            rs_buf_printf(&out, "%s\t", b->queries[i].id);
            for (const char *p = b->queries[i].text; *p; p++)
                rs_buf_putc(&out, (unsigned char)*p < 0x20 ? ' ' : *p);
            rs_buf_printf(&out, "\t%s", runs[r].name);
            for (size_t m = 0; m < N_METRICS; m++)
                rs_buf_printf(&out, "\t%.4f", metric_of(&runs[r].answers[i], m));
            rs_buf_printf(&out, "\t%zu\n", runs[r].answers[i].n);
        }
    return write_buf(path, &out, err);
}

/* ---- What is said ---------------------------------------------------- */

static double *values_of(const run_of *run, size_t n, size_t which, rs_arena *mem)
{
    double *x = rs_new(mem, double, n);

    for (size_t i = 0; x && i < n; i++)
        x[i] = metric_of(&run->answers[i], which);
    return x;
}

/* p of "both runs are one", 1 for a run alone; NaN on OOM. */
static double difference_p(const run_of *runs, size_t n, size_t which, rs_arena *mem)
{
    double *a = values_of(&runs[0], n, which, mem), *b = values_of(&runs[1], n, which, mem);

    return a && b ? rs_randomisation_test(a, b, n, ROUNDS, SEED) : NAN;
}

static rs_interval interval_of(const run_of *run, size_t n, size_t which, rs_arena *mem)
{
    double *x = values_of(run, n, which, mem);

    return x ? rs_bootstrap(x, n, ROUNDS, SEED) : (rs_interval){NAN, NAN, NAN};
}

static json_t *number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static int print_json(rs_cli *c, const rs_beir *b, size_t k, const run_of *runs, size_t n_runs)
{
    json_t *list = json_array(), *differences = json_object(), *all;
    char name[32], *text;

    for (size_t r = 0; r < n_runs; r++) {
        json_t *o = json_pack("{s:s,s:o}", "name", runs[r].name, "ms_per_query",
                              number(1e3 * runs[r].seconds / (double)b->n_queries));
        for (size_t m = 0; m < N_METRICS; m++) {
            rs_interval i = interval_of(&runs[r], b->n_queries, m, rs_cli_arena(c));
            json_object_set_new(o, metric_name(m, k, name), json_pack("{s:o,s:o,s:o}",
                "mean", number(i.mean), "low", number(i.low), "high", number(i.high)));
        }
        json_array_append_new(list, o);
    }
    for (size_t m = 0; n_runs == 2 && m < N_METRICS; m++)
        json_object_set_new(differences, metric_name(m, k, name),
                            number(difference_p(runs, b->n_queries, m, rs_cli_arena(c))));
    all = json_pack("{s:I,s:I,s:I,s:I,s:o,s:o}", "documents", (json_int_t)b->n_documents,
                    "queries", (json_int_t)b->n_queries, "judgements",
                    (json_int_t)b->n_judgements, "k", (json_int_t)k, "configurations", list,
                    "p", differences);
    text = all ? rs_json_text(all) : NULL;
    json_decref(all);
    if (!text)
        return rs_cli_fail(c, &(rs_err){RS_ENOMEM, "no memory for the result"});
    puts(text);
    rs_free(text);
    return RS_EXIT_OK;
}

static int print_table(rs_cli *c, const rs_beir *b, size_t k, const run_of *runs, size_t n_runs)
{
    char name[32];

    printf("%zu documents, %zu queries, %zu judgements; 95%% bootstrap intervals\n\n%-10s",
           b->n_documents, b->n_queries, b->n_judgements, "");
    for (size_t r = 0; r < n_runs; r++)
        printf("  %-24s", runs[r].name);
    printf("%s\n", n_runs == 2 ? "  p" : "");
    for (size_t m = 0; m < N_METRICS; m++) {
        printf("%-10s", metric_name(m, k, name));
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
                          size_t depth, run_of *runs, size_t n_runs, rs_err *err)
{
    const char *run_file = rs_cli_value(c, "run", NULL);
    const char *per_query = rs_cli_value(c, "per-query", NULL);
    rs_archive *a = NULL;
    rs_status st;

    if ((st = rs_archive_open(&a, folder, RS_ARCHIVE_WRITE, err)) != RS_OK ||
        (st = rs_cli_lexicon(c, a, err)) != RS_OK || (st = put_all(a, b, err)) != RS_OK)
        goto done;
    for (size_t r = 0; st == RS_OK && r < n_runs; r++)
        st = ask_all(a, b, k, depth, &runs[r], rs_cli_arena(c), err);
    if (st == RS_OK && run_file)
        st = write_run(run_file, b, &runs[n_runs - 1], err);
    if (st == RS_OK && per_query)
        st = write_per_query(per_query, b, k, runs, n_runs, err);
done:
    rs_archive_close(a);
    return st;
}

static int run(rs_cli *c)
{
    bool plain_only = rs_cli_flag(c, "bm25-only");
    run_of runs[MAX_RUNS] = {{.name = "bm25", .words = RS_WORDS_PLAIN},
                             {.name = "read", .words = RS_WORDS_READ}};
    size_t n_runs = plain_only ? 1 : 2;
    const char *beir = rs_cli_value(c, "beir", NULL), *tmp = getenv("TMPDIR");
    char *folder = rs_arena_sprintf(rs_cli_arena(c), "%s/radscout-eval-XXXXXX",
                                    tmp && *tmp ? tmp : "/tmp");
    long long k, depth;
    rs_beir b;
    rs_err err = {0};
    rs_status st;

    if (!beir)
        return rs_cli_usage(c, "wants a test collection: --beir FOLDER");
    if (!rs_cli_number(c, "k", 1, 1000, 10, &k) || !rs_cli_number(c, "depth", 1, 10000, 1000, &depth))
        return RS_EXIT_USAGE;
    if (depth < k)
        depth = k;
    if (rs_beir_load(&b, beir, rs_cli_value(c, "qrels", "test"), rs_cli_arena(c), &err) != RS_OK)
        return rs_cli_fail(c, &err);
    if (!folder || !mkdtemp(folder))
        return rs_cli_fail(c, &(rs_err){RS_EIO, "cannot make a temporary folder; set TMPDIR"});
    st = evaluate(c, folder, &b, (size_t)k, (size_t)depth, runs, n_runs, &err);
    remove_folder(folder);
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
