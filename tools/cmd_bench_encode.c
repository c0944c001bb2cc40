/* cmd_bench_encode.c - radscout bench encode [MODEL]
 * SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "embeddings/bench_encode.h"
#include "model.h"

#include <stdio.h>
#include <stdlib.h>

static void print_row(void *ctx, const rs_bench_row *r)
{
    const rs_cli *c = ctx;

    if (rs_cli_flag(c, "json")) {
        json_t *name = rs_json_any(r->model);
        char *quoted = json_dumps(name, JSON_ENCODE_ANY);
        printf("{\"model\":%s,\"tower\":\"%s\",\"precision\":\"%s\",\"threads\":%zu,\"batch\":%zu,"
               "\"tokens\":%zu,\"per_second\":%.2f,\"ms\":%.3f,\"gflops\":%.1f,\"cosine\":%.6f,"
               "\"rss_mib\":%.1f}\n",
               quoted ? quoted : "null", r->tower, r->precision, r->threads, r->batch, r->tokens,
               r->per_second, r->ms, r->gflops, r->cosine, r->rss_mib);
        free(quoted);
        json_decref(name);
    } else {
        printf("%-18s %-6s %-4s %7zu %6zu %7zu %11.1f %10.2f %8.1f %8.5f %8.0f\n", r->model, r->tower,
               r->precision, r->threads, r->batch, r->tokens, r->per_second, r->ms, r->gflops,
               r->cosine, r->rss_mib);
    }
    fflush(stdout);
}

static int run(rs_cli *c)
{
    const char *folders[2] = {NULL, rs_model_default()};
    size_t n = folders[1] && !rs_cli_flag(c, "random") ? 2 : 1;
    long long threads;
    rs_bench_request q = {.row = print_row, .ctx = c};

    if (!rs_model_precision(&q.precision, c) ||
        !rs_cli_number(c, "threads", 1, 1024, 0, &threads) ||
        !rs_cli_real(c, "seconds", 0.01, 600, 0.5, &q.seconds))
        return RS_EXIT_USAGE;
    q.threads = (size_t)threads;
    if (rs_cli_args(c) > 0) {
        folders[0] = rs_cli_arg(c, 0);
        n = 1;
    }
    if (!rs_cli_flag(c, "json"))
        printf("%-18s %-6s %-4s %7s %6s %7s %11s %10s %8s %8s %8s\n", "model", "tower", "prec",
               "threads", "batch", "tokens", "per second", "ms/batch", "GFLOPS", "cosine", "RSS MiB");
    for (size_t i = 0; i < n; i++) {
        rs_err err = {0};
        q.folder = folders[i];
        if (rs_bench_encode(&q, &err) != RS_OK)
            return rs_cli_fail(c, &err);
    }
    return RS_EXIT_OK;
}

static const rs_option options[] = {
    {"json", 0, NULL, "one JSON object a row"},
    {"precision", 0, "P", "f32, bf16 or int8 alone (default: each of them)"},
    {"random", 0, NULL, "the ViT-B/32 of random weights alone"},
    {"seconds", 's', "S", "measure each row for at least S seconds (default 0.5)"},
    {"threads", 't', "N", "measure 1 and N threads (default: all cores)"},
    {0},
};

const rs_command rs_command_bench_encode = {
    .name = "bench encode", .args = "[MODEL]",
    .summary = "measure how fast a model encodes images and texts",
    .description = "Without MODEL: a ViT-B/32 of random weights, and scout-mini. The towers alone\n"
                   "are measured: no decoding, no tokenising; each precision, on 1 thread and on all,\n"
                   "batches of 1, 16 and 32. \"cosine\" is an embedding's to what the float parameters\n"
                   "give. tools/bench/encode puts ONNX Runtime beside it.",
    .options = options, .min_args = 0, .max_args = 1, .run = run,
};
