/* outfile.h - a file written piece by piece that appears whole or not at all.
 *
 * The pieces go to a temporary file in the same folder; commit syncs and renames it.
 * After a crash the old file or the new one is there.
 *
 *   rs_outfile *f;
 *   if ((st = rs_outfile_open(&f, path, err)) != RS_OK)
 *       return st;
 *   st = rs_outfile_write(f, bytes, n, err);
 *   ...
 *   return rs_outfile_end(f, st, err);          commit if all went well, else drop
 *
 * One thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_BASE_OUTFILE_H
#define RS_BASE_OUTFILE_H

#include "base/status.h"

#include <stddef.h>

typedef struct rs_outfile rs_outfile;

/* RS_ENOENT (no such folder), RS_EIO, RS_ENOMEM. On failure *out is NULL. */
rs_status rs_outfile_open(rs_outfile **out, const char *path, rs_err *err);
/* The same; only this user may read the file (0600). */
rs_status rs_outfile_open_private(rs_outfile **out, const char *path, rs_err *err);
rs_status rs_outfile_write(rs_outfile *f, const void *bytes, size_t n, rs_err *err);
/* Frees `f` (NULL is fine). With `so_far` RS_OK the file is put in place, RS_EIO if
 * that fails; otherwise it is dropped, `path` stays as it was and `so_far` comes back. */
rs_status rs_outfile_end(rs_outfile *f, rs_status so_far, rs_err *err);

#endif
