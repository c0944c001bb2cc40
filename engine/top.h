/* top.h - the best few of many scored rows, kept as they come.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_TOP_H
#define RS_ENGINE_TOP_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct { double score; int64_t id; } rs_scored;

/* {0} with `mem` and `limit` set is empty. */
typedef struct {
    rs_arena  *mem;
    size_t     limit;
    rs_scored *rows;
    size_t     n, cap;
    size_t     cut_at;             /* rows at which the worse ones are dropped */
    double     floor;              /* the limit-th best score seen, once `cut` */
    bool       cut;
} rs_top;

/* False on OOM. */
bool rs_top_add(rs_top *t, double score, int64_t id);
/* Leave the best `limit` and whatever scores as the last of them, best first, equal ones
 * by id. */
void rs_top_end(rs_top *t);

#endif
