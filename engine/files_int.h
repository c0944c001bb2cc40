/* files_int.h - paths of the archive's own files, as the catalog keeps them and as they go out,
 * and care for all of them (files_care.c); inside engine/ only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_FILES_INT_H
#define RS_ENGINE_FILES_INT_H

#include "engine/archive_int.h"
#include "engine/files.h"

#define RS_FILES_IMAGES "images"
#define RS_FILES_RENDITIONS "renditions"
enum { RS_DIGEST_DIGITS = RS_SHA256_HEX - 1 };

/* `folder` as an absolute path, symlinks as they are. The caller rs_free()s it; NULL on OOM, or
 * where the working directory is gone. */
char *rs_files_root(const char *folder);

/* What the catalog keeps of an image's path: its end, "images/ab/...", where it is an own
 * original of `a`, by whatever name the archive's folder is reached; else `path` itself. */
const char *rs_files_stored(const rs_archive *a, const char *path);
/* And back: an absolute path in `mem`; what is no own original as it is. NULL on OOM. */
const char *rs_files_path(const rs_archive *a, const char *stored, rs_arena *mem);
/* The RS_DIGEST_DIGITS digits in the name of an own original, as the catalog keeps it (borrowed,
 * without a NUL of their own); NULL where `stored` is none. */
const char *rs_files_digest(const char *stored);
/* Does a file's name begin with a digest and a dot, as those of originals and renditions do? */
bool rs_files_named_so(const char *name);
/* Whether it is there, a regular file. */
bool rs_files_there(const rs_archive *a, const char *stored);
/* Has a case a picture of the digest that `sha256` begins with? */
rs_status rs_files_wanted(rs_archive *a, const char *sha256, bool *yes, rs_err *err);
/* Put an own original in its place in the archive at `root`, whole or not at all, with the folders
 * that it needs. */
rs_status rs_files_write(const char *root, const char *stored, const void *bytes, size_t len,
                         rs_err *err);

/* ---- All of them: files_care.c ----------------------------------------- */

/* Is each own original there, with its digest? RS_ECORRUPT names the first that is not. Reads them
 * all. */
rs_status rs_files_check(rs_archive *a, rs_err *err);
/* The own originals of `a` out of the archive at `root`, whose catalog was copied into a's.
 * RS_ENOENT names one that is not there: taken away since, or lost. */
rs_status rs_files_copy(rs_archive *a, const char *root, rs_err *err);
/* Is `file`, a path below the archive's folder, all of what a case has: an own original of a
 * digest that a case has and that its bytes have too, or a rendition of such a picture? */
rs_status rs_files_had(rs_archive *a, const char *file, bool *yes, rs_err *err);
/* What rs_archive_purge says of files. Outside a batch. */
rs_status rs_files_sweep_orphans(rs_archive *a, rs_err *err);

#endif
