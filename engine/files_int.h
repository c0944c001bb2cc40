/* files_int.h - paths of the archive's own files, as the catalog keeps them and as they go out;
 * inside engine/ only. All that is known of their names is in files.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_FILES_INT_H
#define RS_ENGINE_FILES_INT_H

#include "engine/archive_int.h"
#include "engine/files.h"

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
/* Whether it is there, a regular file. */
bool rs_files_there(const rs_archive *a, const char *stored);

#endif
