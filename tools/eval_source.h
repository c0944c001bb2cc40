/* eval_source.h - what radscout eval asks: an archive, made for the moment or there already, a
 * model where one is needed, and the queries.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_EVAL_SOURCE_H
#define RS_TOOLS_EVAL_SOURCE_H

#include "command.h"
#include "eval.h"

typedef struct {
    const char  *beir, *labels, *archive;     /* one of them */
    bool         judgments;                   /* of the archive: what experts said asks */
    size_t       left_out;                    /* queries judged that cannot be asked */
    rs_eval_by   by;                          /* of labels and archive: who asks, how, how many */
    size_t       queries;
    uint64_t     seed;
    bool         vectors;                     /* some run needs them */
    rs_pool     *pool;
    rs_archive  *a;
    rs_encoder  *encoder;                     /* NULL: words alone */
    rs_beir      collection;
    rs_eval_set  set;
} rs_eval_source;

/* `folder`: an empty one, where the archive is to be made. The caller closes it, on failure too.
 * What lies in the set lives until run() returns. */
rs_status rs_eval_source_open(rs_eval_source *s, rs_cli *c, const char *folder, rs_err *err);
void      rs_eval_source_close(rs_eval_source *s);

#endif
