/* renditions.h - the renditions on the disk (files.h: where), a cache that stays below a bound.
 *
 * Who needs a rendition and finds none makes it and keeps it here: a temporary file, renamed,
 * not synced, for a cache may be lost. What a crash has left of one is noticed by its first and
 * last bytes and made anew. A file that is used is touched once an hour, and when all of them
 * together are above the bound, those go that nobody has used for longest, until an eighth of
 * the bound is free: so a folder is read once for so many megabytes written, and once at the
 * first write of a process, never for a request that finds its file.
 *
 * Where the folder cannot be written nothing is kept, the log says so once, and renditions are
 * made each time. Several processes may keep files in one archive; each bounds all of them.
 *
 * Threading: any thread; files are written and removed outside of the lock.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_RENDITIONS_H
#define RS_SERVER_RENDITIONS_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct rs_renditions rs_renditions;

/* Below ARCHIVE/renditions, at most `max_bytes`; 0: nothing is kept or found. `archive` is
 * copied. RS_ENOMEM. */
rs_status rs_renditions_new(rs_renditions **out, const char *archive, uint64_t max_bytes,
                            rs_err *err);
void      rs_renditions_free(rs_renditions *r);                  /* NULL is fine */

/* The rendition at `path`, whole and of a known type: an open file, the caller's, and its
 * length; or -1. `r` may be NULL, here and below: there is none. */
int  rs_renditions_open(rs_renditions *r, const char *path, uint64_t *length);
/* Keep these bytes at `path`. That it fails is nobody's failure. */
void rs_renditions_keep(rs_renditions *r, const char *path, const void *bytes, size_t len);
/* Not that one: what it was made of is gone. */
void rs_renditions_drop(rs_renditions *r, const char *path);

#endif
