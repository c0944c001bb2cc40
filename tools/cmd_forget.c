/* cmd_forget.c - radscout forget ARCHIVE PATIENT
 * SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "erasure.h"
#include "model.h"

static int forget(rs_cli *c, rs_archive *a)
{
    const char **keys;
    size_t n;
    rs_err err = {0};

    if (rs_archive_patient(a, rs_cli_arg(c, 1), rs_cli_arena(c), &keys, &n, &err) != RS_OK)
        return rs_cli_fail(c, &err);
    if (n == 0) {
        rs_fail(&err, RS_ENOENT, "archive %s has no case of patient %s", rs_archive_folder(a),
                rs_cli_arg(c, 1));
        return rs_cli_fail(c, &err);
    }
    return rs_erase_and_tell(c, a, keys, n);
}

static int run(rs_cli *c)
{
    rs_archive *a;
    rs_err err = {0};
    int code;

    if (rs_cli_archive_write(&a, rs_cli_arg(c, 0), &err) != RS_OK)
        return rs_cli_fail(c, &err);
    code = forget(c, a);
    rs_archive_close(a);
    return code;
}

static const rs_option options[] = {
    {"json", 0, NULL, "print one JSON object"},
    {0},
};

const rs_command rs_command_forget = {
    .name = "forget", .args = "ARCHIVE PATIENT", .summary = "erase all cases of a patient, and prove it",
    .description = "PATIENT is the patient's identifier as the source gave it; upper and lower case do\n"
                   "not matter.\n\n" RS_ERASURE_HELP,
    .examples = "  radscout forget archive P-1042\n",
    .options = options, .min_args = 2, .max_args = 2, .run = run,
};
