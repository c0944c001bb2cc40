/* cmd_delete.c - radscout delete ARCHIVE CASE...
 * SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "erasure.h"
#include "model.h"

static int run(rs_cli *c)
{
    const size_t n = rs_cli_args(c) - 1;
    const char **keys = rs_new(rs_cli_arena(c), const char *, n);
    rs_archive *a;
    rs_err err = {0};
    int code;

    if (!keys)
        return rs_cli_fail(c, &(rs_err){RS_ENOMEM, "no memory"});
    for (size_t i = 0; i < n; i++)
        keys[i] = rs_cli_arg(c, i + 1);
    if (rs_cli_archive_write(&a, rs_cli_arg(c, 0), &err) != RS_OK)
        return rs_cli_fail(c, &err);
    code = rs_erase_and_tell(c, a, keys, n);
    rs_archive_close(a);
    return code;
}

static const rs_option options[] = {
    {"json", 0, NULL, "print one JSON object"},
    {0},
};

const rs_command rs_command_delete = {
    .name = "delete", .args = "ARCHIVE CASE...", .summary = "erase cases, and prove it",
    .description = "CASE is a case's key, as search prints it. If one is not there, none is removed.\n\n"
                   RS_ERASURE_HELP,
    .examples = "  radscout delete archive ph-000012\n",
    .options = options, .min_args = 2, .max_args = -1, .run = run,
};
