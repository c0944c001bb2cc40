/* cmd_model_quantize.c - radscout model quantize FOLDER OUT
 * SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "embeddings/model_quantise.h"

#include <stdio.h>

static int run(rs_cli *c)
{
    const char *out = rs_cli_arg(c, 1);
    rs_quantised q;
    rs_err err = {0};

    if (rs_model_quantise(&q, rs_cli_arg(c, 0), out, &err) != RS_OK)
        return rs_cli_fail(c, &err);
    if (rs_cli_flag(c, "json")) {
        printf("{\"image_cosine\":%.5f,\"text_cosine\":%.5f,\"bytes_before\":%zu,\"bytes_after\":%zu}\n",
               q.image, q.text, q.bytes_before, q.bytes_after);
        return RS_EXIT_OK;
    }
    printf("weights      %.1f MiB in int8, %.1f MiB before\n", (double)q.bytes_after / (1 << 20),
           (double)q.bytes_before / (1 << 20));
    printf("cosine       images %.5f, texts %.5f to the original, the lowest of each\n", q.image,
           q.text);
    printf("written to   ");
    rs_print_line(out);
    printf("\n             archives made with either are searched with both\n");
    return RS_EXIT_OK;
}

static const rs_option options[] = {
    {"json", 0, NULL, "one JSON object"},
    {0},
};

const rs_command rs_command_model_quantize = {
    .name = "model quantize", .args = "FOLDER OUT",
    .summary = "write a model with its matrices in int8",
    .description =
        "OUT gets the weights in a quarter of the bytes and a copy of every other file of\n"
        "FOLDER. Both models encode drawn pictures and made-up sentences; the lowest cosines\n"
        "are printed, and where one is below 0.99 nothing is written. With --precision auto,\n"
        "the default everywhere, OUT is computed in int8 where the processor gains by it.",
    .examples = "  radscout model quantize MedSigLIP MedSigLIP-int8",
    .options = options, .min_args = 2, .max_args = 2, .run = run,
};
