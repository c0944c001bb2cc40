/* cmd_bench_text.c - radscout bench text
 * SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "engine/bench_text.h"
#include "scratch_folder.h"

#include <stdio.h>

static void print_row(void *ctx, const rs_bench_text_row *r)
{
    const rs_cli *c = ctx;

    if (rs_cli_flag(c, "json"))
        printf("{\"way\":\"%s\",\"words\":\"%s\",\"asked\":\"%s\",\"cases\":%zu,\"queries\":%zu,"
               "\"matches\":%.0f,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"build_s\":%.2f,"
               "\"memory_mib\":%.1f}\n",
               r->way, r->words, r->asked, r->cases, r->queries, r->matches, r->p50_ms, r->p99_ms,
               r->build_s, r->memory_mib);
    else
        printf("%-13s %-15s %-7s %8.0f %9.3f %9.3f %8.1f %8.0f\n", r->words, r->way, r->asked,
               r->matches, r->p50_ms, r->p99_ms, r->build_s, r->memory_mib);
    fflush(stdout);
}

static int run(rs_cli *c)
{
    rs_bench_text_request q = {.row = print_row, .ctx = c};
    long long cases, queries, k, seed;
    rs_err err = {0};
    int code = RS_EXIT_OK;

    if (!rs_cli_number(c, "n", 100, 10000000, 200000, &cases) ||
        !rs_cli_number(c, "queries", 10, 100000, 200, &queries) ||
        !rs_cli_number(c, "k", 1, 1000, 10, &k) ||
        !rs_cli_number(c, "seed", 0, 1000000000, 1, &seed))
        return RS_EXIT_USAGE;
    q.cases = (size_t)cases;
    q.queries = (size_t)queries;
    q.k = (size_t)k;
    q.seed = (uint64_t)seed;
    q.export = rs_cli_value(c, "export", NULL);
    if (!(q.folder = rs_scratch_make(rs_cli_arena(c), &err)))
        return rs_cli_fail(c, &err);
    if (!rs_cli_flag(c, "json"))
        printf("%-13s %-15s %-7s %8s %9s %9s %8s %8s\n", "words", "way", "asked", "matches",
               "p50 ms", "p99 ms", "build s", "MiB");
    if (rs_bench_text(&q, &err) != RS_OK)
        code = rs_cli_fail(c, &err);
    rs_scratch_remove(q.folder);
    return code;
}

static const rs_option options[] = {
    {"n", 'n', "N", "how many reports (default 200000)"},
    {"queries", 'q', "N", "how many of each kind (default 200)"},
    {"k", 'k', "K", "best cases wanted (default 10)"},
    {"seed", 0, "N", "reports and queries follow from it (default 1)"},
    {"export", 0, "FOLDER", "write reports and queries as stems, with scores, for another program"},
    {"json", 0, NULL, "one JSON object a row"},
    {0},
};

const rs_command rs_command_bench_text = {
    .name = "bench text", .args = "",
    .summary = "measure how fast reports are ranked by words",
    .description =
        "Made reports of 40 to 80 words are indexed, and two and three words of common, medium,\n"
        "rare and mixed frequency are asked for on one thread: by FTS5's own ORDER BY rank, by\n"
        "FTS5 with our ranking function, and by posting lists in memory. All must give the same\n"
        "scores. \"read\" queries are those that a user asks: other names count, and standing\n"
        "near. \"first\" is what a query takes that was not asked before, \"changed\" what one\n"
        "takes after a commit that replaced 50 cases. Times are of the processor, so what else\n"
        "runs does not count. tools/bench/text puts Xapian beside it.\n"
        "\n"
        "With --json: {\"way\", \"words\", \"asked\", \"cases\", \"queries\", \"matches\",\n"
        "\"p50_ms\", \"p99_ms\", \"build_s\", \"memory_mib\"} a line.",
    .examples = "  radscout bench text\n"
                "  radscout bench text -n 20000 -q 50 --json",
    .options = options, .min_args = 0, .max_args = 0, .run = run,
};
