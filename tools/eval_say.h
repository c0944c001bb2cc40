/* eval_say.h - what an evaluation found, as a table and as JSON.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_EVAL_SAY_H
#define RS_TOOLS_EVAL_SAY_H

#include "command.h"
#include "eval.h"

/* Both return the exit code. */
int rs_eval_say_json(rs_cli *c, const rs_eval_set *s, size_t k, const rs_eval_run *runs, size_t n);
int rs_eval_say_table(rs_cli *c, const rs_eval_set *s, size_t k, const rs_eval_run *runs, size_t n);

#endif
