/* scratch_folder.h - a folder of a command's own in $TMPDIR or /tmp, for the time being.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_SCRATCH_FOLDER_H
#define RS_TOOLS_SCRATCH_FOLDER_H

#include "base/arena.h"
#include "base/status.h"

/* Its name, in `mem`, NULL with what is wrong in `err`. The caller removes it. */
const char *rs_scratch_make(rs_arena *mem, rs_err *err);
void        rs_scratch_remove(const char *folder);     /* with all that it holds; NULL is fine */

#endif
