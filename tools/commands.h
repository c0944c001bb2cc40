/* commands.h - every subcommand's table, each defined in its own cmd_x.c.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_COMMANDS_H
#define RS_TOOLS_COMMANDS_H

#include "command.h"

/* X(identifier): rs_command_<identifier> in cmd_<identifier>.c, in the order of --help.
 * A new command is its file and one line here. */
#define RS_COMMANDS(X) \
    X(index) X(index_tune) X(search) X(ask) X(serve) X(token_add) X(token_list) X(token_revoke) \
    X(audit_log_verify) X(audit_log_export) X(show) X(stats) X(facets) X(judgments) \
    X(eval) X(audit) \
    X(delete) X(forget) X(verify) X(rebuild) X(backup) X(export) X(encode) X(bench_encode) \
    X(bench_index) X(bench_search) X(bench_text) X(vocab) X(train) X(model_check) \
    X(model_quantize)

#define RS_COMMAND_DECLARE(id) extern const rs_command rs_command_##id;
RS_COMMANDS(RS_COMMAND_DECLARE)
#undef RS_COMMAND_DECLARE

#endif
