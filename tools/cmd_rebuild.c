/* cmd_rebuild.c - radscout rebuild ARCHIVE
 * SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "engine/archive.h"
#include "model.h"

static int run(rs_cli *c)
{
    const bool purge = rs_cli_flag(c, "purge");
    rs_archive *a;
    rs_err err = {0};
    int code = RS_EXIT_OK;

    if (rs_cli_archive_write(&a, rs_cli_arg(c, 0), &err) != RS_OK)
        return rs_cli_fail(c, &err);
    if ((purge ? rs_archive_purge(a, &err) : rs_archive_rebuild(a, &err)) != RS_OK)
        code = rs_cli_fail(c, &err);
    else
        puts(purge ? "catalog, text index and vector caches were written anew" : "vector caches are current");
    rs_archive_close(a);
    return code;
}

static const rs_option options[] = {
    {"purge", 0, NULL, "write the catalog and the text index anew too, without what was removed"},
    {0},
};

const rs_command rs_command_rebuild = {
    .name = "rebuild", .args = "ARCHIVE", .summary = "write an archive's caches anew from its catalog",
    .description =
        "Vector caches that are missing, damaged or behind are written from the catalog's vectors.\n"
        "Nothing is lost without it: a search takes from the catalog what a cache does not have.\n\n"
        "--purge also takes away images and renditions in the archive's folder that no case has.",
    .examples = "  radscout rebuild archive\n",
    .options = options, .min_args = 1, .max_args = 1, .run = run,
};
