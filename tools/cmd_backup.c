/* cmd_backup.c - radscout backup ARCHIVE FOLDER
 * SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "engine/archive.h"
#include "model.h"

static int run(rs_cli *c)
{
    rs_archive *a;
    rs_err err = {0};
    int code = RS_EXIT_OK;

    if (rs_cli_archive(&a, rs_cli_arg(c, 0), &err) != RS_OK)
        return rs_cli_fail(c, &err);
    if (rs_archive_backup(a, rs_cli_arg(c, 1), &err) != RS_OK) {
        code = rs_cli_fail(c, &err);
    } else {
        printf("archive copied to ");
        rs_print_line(rs_cli_arg(c, 1));
        puts(", checked; it is an archive like the first");
    }
    rs_archive_close(a);
    return code;
}

static const rs_option options[] = {{0}};

const rs_command rs_command_backup = {
    .name = "backup", .args = "ARCHIVE FOLDER", .summary = "copy an archive while it is in use",
    .description =
        "The catalog is copied as it is at one moment, whoever reads or writes it meanwhile, into a\n"
        "new FOLDER; caches are written there and the copy is checked. To restore, use FOLDER as\n"
        "the archive. Image files are not in an archive, and not in its backup.",
    .examples = "  radscout backup archive /mnt/backup/archive-2026-11\n",
    .options = options, .min_args = 2, .max_args = 2, .run = run,
};
