/* access_int.h - access filters inside a snapshot; for engine/ only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_ACCESS_INT_H
#define RS_ENGINE_ACCESS_INT_H

#include "engine/restriction.h"

/* {0}, which lets all pass, for NULL. In `mem`. */
rs_status rs_access_restriction(rs_archive *a, const char *access, rs_arena *mem,
                                rs_restriction *out, rs_err *err);
/* The case's row, where it is seen; otherwise as though it were not there. */
rs_status rs_access_find(rs_archive *a, const rs_restriction *seen, const char *key, int64_t *id,
                         rs_err *err);

#endif
