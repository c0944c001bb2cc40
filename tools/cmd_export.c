/* cmd_export.c - radscout export ARCHIVE FOLDER
 * SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "indexer/export.h"
#include "model.h"

static void print_refused(void *ctx, const char *item, const char *reason)
{
    (void)ctx;
    fputs("refused: ", stderr);
    rs_put_safe(stderr, item, false);
    fputs(": ", stderr);
    rs_put_safe(stderr, reason, false);
    fputc('\n', stderr);
}

static int run(rs_cli *c)
{
    rs_export_options o = {.links = rs_cli_flag(c, "links"), .refused = print_refused};
    rs_export_report r;
    rs_archive *a;
    rs_stats s;
    rs_err err = {0};
    rs_status st;

    if (rs_cli_archive(&a, rs_cli_arg(c, 0), &err) != RS_OK)
        return rs_cli_fail(c, &err);
    if ((st = rs_archive_stats(a, rs_cli_arena(c), &s, &err)) == RS_OK) {
        o.progress = rs_progress_new("exporting", "cases", s.cases, rs_cli_progress(c));
        st = rs_export(a, rs_cli_arg(c, 1), &o, &r, &err);
        rs_progress_end(o.progress);
    }
    rs_archive_close(a);
    if (st != RS_OK)
        return rs_cli_fail(c, &err);
    printf("%zu cases with %zu images written to ", r.cases, r.images);
    rs_print_line(rs_cli_arg(c, 1));
    printf("/cases.jsonl, %zu files copied", r.files);
    if (r.refused)
        printf("; %zu refused", r.refused);
    putchar('\n');
    return r.refused ? RS_EXIT_PARTIAL : RS_EXIT_OK;
}

static const rs_option options[] = {
    {"links", 0, NULL, "copy no image: the manifest names them where they are"},
    {"quiet", 'q', NULL, "no progress"},
    {0},
};

const rs_command rs_command_export = {
    .name = "export", .args = "ARCHIVE FOLDER", .summary = "write an archive out as a manifest with its images",
    .description =
        "FOLDER/cases.jsonl has a case a line with the fields that radscout index reads, and\n"
        "FOLDER/images the images, named by their SHA-256. To import it: radscout index NEW\n"
        "FOLDER/cases.jsonl, with whichever model. An image whose file is gone is listed, its case\n"
        "goes without it, and the exit status is 3.",
    .examples = "  radscout export archive out\n"
                "  radscout index other out/cases.jsonl --model biomedclip\n",
    .options = options, .min_args = 2, .max_args = 2, .run = run,
};
