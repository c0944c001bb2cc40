/* ask_generator.h - who writes the answer of radscout ask: --generators, --generator, and the draft
 * on the terminal while it comes.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_ASK_GENERATOR_H
#define RS_TOOLS_ASK_GENERATOR_H

#include "command.h"
#include "engine/query.h"
#include "server/ask_wait.h"

typedef struct {
    rs_cli        *c;
    rs_generators *all;            /* NULL: the built-in one */
    rs_service     service;
    rs_worker      worker;
    rs_ask_wait    wait;           /* afterwards: how it ended */
    const char    *name;           /* of who drafts */
    bool           begun, thinking;    /* what of the draft has been shown */
} rs_cli_generator;

/* Fill in k->request but for template and budget, and k->route; k->request.template is there. The
 * archive and the query are borrowed. RS_EARG: there is no such generator; as
 * rs_generators_load and rs_file_read. To be closed in any case. */
rs_status rs_cli_generator_open(rs_cli_generator *g, rs_cli *c, rs_archive *a, const rs_query *q,
                                rs_ask *k, rs_err *err);
/* As rs_ask_write; drafts and problems go to stderr, no drafts with --json. */
rs_status rs_cli_generator_write(rs_cli_generator *g, rs_ask *k, rs_err *err);
void      rs_cli_generator_close(rs_cli_generator *g);         /* {0} is fine */

#endif
