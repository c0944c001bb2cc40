/* judgments_int.h - which judgments somebody may see; for engine/ only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_JUDGMENTS_INT_H
#define RS_ENGINE_JUDGMENTS_INT_H

#include "engine/archive_int.h"
#include "engine/restriction.h"

typedef struct {
    rs_archive    *a;
    const char    *access;         /* NULL: everything is seen */
    rs_restriction seen;           /* in `kept` */
    rs_arena       kept, scratch;
} rs_judgment_view;

/* Inside a snapshot, until the view is cleared (in any case). */
rs_status rs_judgment_view_begin(rs_judgment_view *v, rs_archive *a, const char *access,
                                 rs_err *err);
void      rs_judgment_view_clear(rs_judgment_view *v);
/* May a judgment of this case and query be seen? */
rs_status rs_judgment_view_shows(rs_judgment_view *v, const char *key, const char *query,
                                 bool *shown, rs_err *err);

#endif
