/* cmd_bench_search.c - radscout bench search
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "commands.h"
#include "engine/bench_search.h"
#include "scratch_folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANY_FOR_GRAPH = 200000 };

static void print_row(void *ctx, const rs_bench_search_row *r)
{
    const rs_cli *c = ctx;

    if (rs_cli_flag(c, "json"))
        printf("{\"n\":%zu,\"dim\":%zu,\"index\":\"%s\",\"factory\":\"%s\",\"effort\":%zu,"
               "\"share\":%g,\"recall_10\":%.4f,\"per_second\":%.1f,\"p50_ms\":%.4f,"
               "\"p99_ms\":%.4f,\"build_s\":%.2f,\"memory_mib\":%.1f,\"rss_mib\":%.1f,"
               "\"disk_mib\":%.1f}\n",
               r->n, r->dim, r->index, r->factory, r->effort, r->share, r->recall, r->per_second,
               r->p50_ms, r->p99_ms, r->build_s, r->memory_mib, r->rss_mib, r->disk_mib);
    else
        printf("%8zu %-10s %6zu %7g%% %8.4f %10.1f %9.3f %9.3f %9.1f %8.0f %8.0f\n", r->n, r->index,
               r->effort, 100 * r->share, r->recall, r->per_second, r->p50_ms, r->p99_ms,
               r->build_s, r->memory_mib, r->disk_mib);
    fflush(stdout);
}

/* "flat,ivf"; false after having said which is none. */
static bool read_kinds(rs_cli *c, bool kinds[RS_INDEX_KINDS])
{
    char *list = rs_arena_strdup(rs_cli_arena(c), rs_cli_value(c, "kind", "")), *save = NULL;
    rs_index_kind kind;

    for (char *k = list ? strtok_r(list, ",", &save) : NULL; k; k = strtok_r(NULL, ",", &save)) {
        if (!rs_index_kind_of(k, &kind)) {
            rs_cli_usage(c, "--kind %s: wanted flat, ivf, sq8 or hnsw", k);
            return false;
        }
        kinds[kind] = true;
    }
    return true;
}

/* The next of "100000,1000000"; false at its end, *bad where it is none. */
static bool next_size(const char **at, size_t *n, bool *bad)
{
    unsigned long long v;
    char *end;

    if (!**at)
        return false;
    errno = 0;
    v = strtoull(*at, &end, 10);
    *bad = errno || end == *at || (*end && *end != ',') || v < 1000 || v > 100000000;
    *at = *end == ',' ? end + 1 : end;
    *n = (size_t)v;
    return !*bad;
}

static int run(rs_cli *c)
{
    rs_bench_search_request q = {.row = print_row, .ctx = c};
    const char *sizes = rs_cli_value(c, "n", "100000");
    rs_err scratch = {0};
    bool bad = false, any = false;
    long long dim, queries, seed;
    int code = RS_EXIT_OK;

    if (!rs_cli_number(c, "d", 1, 8192, 512, &dim) ||
        !rs_cli_number(c, "queries", 10, 100000, 500, &queries) ||
        !rs_cli_number(c, "seed", 0, 1000000000, 1, &seed) ||
        !rs_cli_real(c, "recall", 0.5, 1, 0.99, &q.recall) || !read_kinds(c, q.kinds))
        return RS_EXIT_USAGE;
    for (const char *at = sizes; next_size(&at, &q.n, &bad);)
        ;
    if (bad || !*sizes)
        return rs_cli_usage(c, "--n %s: wanted numbers from 1000 to 100000000", sizes);
    q.dim = (size_t)dim;
    q.queries = (size_t)queries;
    q.seed = (uint64_t)seed;
    q.export = rs_cli_value(c, "export", NULL);
    for (int k = 0; k < RS_INDEX_KINDS; k++)
        any |= q.kinds[k];
    if (!(q.folder = rs_scratch_make(rs_cli_arena(c), &scratch)))
        return rs_cli_fail(c, &scratch);
    if (!rs_cli_flag(c, "json"))
        printf("%8s %-10s %6s %8s %8s %10s %9s %9s %9s %8s %8s\n", "n", "index", "effort", "pass",
               "recall", "per second", "p50 ms", "p99 ms", "build s", "MiB", "disk MiB");
    while (code == RS_EXIT_OK && next_size(&sizes, &q.n, &bad)) {
        rs_err err = {0};
        if (!any)
            for (int k = 0; k < RS_INDEX_KINDS; k++)
                q.kinds[k] = k != RS_INDEX_HNSW || q.n <= MANY_FOR_GRAPH;
        if (rs_bench_search(&q, &err) != RS_OK)
            code = rs_cli_fail(c, &err);
    }
    rs_scratch_remove(q.folder);
    return code;
}

static const rs_option options[] = {
    {"n", 'n', "N,...", "how many vectors (default 100000)"},
    {"d", 'd', "D", "floats a vector (default 512)"},
    {"kind", 0, "K,...", "flat, ivf, sq8, hnsw (default: all; hnsw up to 200,000 vectors).\n"
                         "flat is always measured: what the others find is held against it"},
    {"queries", 'q', "N", "how many (default 500)"},
    {"recall", 0, "R", "the recall at 10 that efforts are chosen for (default 0.99)"},
    {"seed", 0, "N", "the vectors follow from it (default 1)"},
    {"export", 0, "FOLDER", "write vectors, queries and exact answers for another program"},
    {"json", 0, NULL, "one JSON object a row"},
    {0},
};

const rs_command rs_command_bench_search = {
    .name = "bench search", .args = "",
    .summary = "measure how fast vectors are searched, and how much is found",
    .description =
        "Clustered unit vectors are made and indexed in each kind; queries of the same clusters\n"
        "are asked on one thread, without a filter and with filters that 50%, 10%, 1% and 0.01%\n"
        "of the rows pass. Times are of the processor, so what else runs does not count. \"faiss\n"
        "flat\" is FAISS's own exact search over the same index, for comparison. tools/bench/search\n"
        "puts other vector search engines beside it.\n"
        "\n"
        "With --json: {\"n\", \"dim\", \"index\", \"factory\", \"effort\", \"share\", \"recall_10\",\n"
        "\"per_second\", \"p50_ms\", \"p99_ms\", \"build_s\", \"memory_mib\", \"rss_mib\", \"disk_mib\"}\n"
        "a line; \"share\" of the rows pass the filter, 1 is none.",
    .examples = "  radscout bench search\n"
                "  radscout bench search --n 100000,1000000 --kind flat,ivf --json",
    .options = options, .min_args = 0, .max_args = 0, .run = run,
};
