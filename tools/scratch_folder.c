/* scratch_folder.c - see scratch_folder.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700                  /* nftw */
#include "scratch_folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPEN_FOLDERS = 16 };

const char *rs_scratch_make(rs_arena *mem, rs_err *err)
{
    const char *tmp = getenv("TMPDIR");
    char *folder = rs_arena_sprintf(mem, "%s/radscout-XXXXXX", tmp && *tmp ? tmp : "/tmp");

    if (!folder) {
        rs_fail(err, RS_ENOMEM, "no memory");
        return NULL;
    }
    if (!mkdtemp(folder)) {
        rs_fail_errno(err, "make %s (TMPDIR names another place)", folder);
        return NULL;
    }
    return folder;
}

static int remove_one(const char *path, const struct stat *sb, int kind, struct FTW *ftw)
{
    (void)sb;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void rs_scratch_remove(const char *folder)
{
    if (folder)
        nftw(folder, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}
