/* cmd_verify.c - radscout verify ARCHIVE
 * SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "engine/archive.h"
#include "model.h"

static int tell(rs_cli *c, rs_archive *a)
{
    rs_stats s;
    rs_err err = {0};

    if (rs_archive_stats(a, rs_cli_arena(c), &s, &err) != RS_OK)
        return rs_cli_fail(c, &err);
    printf("in step: %zu cases, %zu images and %zu passages with a vector each, words, caches of "
           "generation %lld and %lld\n", s.cases, s.images, s.passages, (long long)s.image_generation,
           (long long)s.passage_generation);
    return RS_EXIT_OK;
}

static int run(rs_cli *c)
{
    rs_archive *a;
    rs_err err = {0};
    int code;

    if (rs_cli_archive_write(&a, rs_cli_arg(c, 0), &err) != RS_OK)
        return rs_cli_fail(c, &err);
    if (rs_archive_verify(a, &err) != RS_OK)
        code = rs_cli_fail(c, &err);
    else
        code = tell(c, a);
    rs_archive_close(a);
    return code;
}

static const rs_option options[] = {{0}};

const rs_command rs_command_verify = {
    .name = "verify", .args = "ARCHIVE", .summary = "check that an archive is whole and in step",
    .description =
        "Reads all of it: SQLite's own check, references between rows, the text index against its\n"
        "text, one vector of the right size for each image and passage, words for each case, the\n"
        "caches' checksums. Ends with 1 and the first thing found where something is wrong; a\n"
        "damaged cache is mended by radscout rebuild. Needs the archive to itself for writing.",
    .examples = "  radscout verify archive\n",
    .options = options, .min_args = 1, .max_args = 1, .run = run,
};
