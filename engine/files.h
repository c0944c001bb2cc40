/* files.h - files that the archive owns: images that were sent to it, and what is made of images
 * for showing. Content-addressed: two cases with one picture share one file.
 *
 *   ARCHIVE/images/ab/<sha256>.png|jpg         originals, as they came
 *   ARCHIVE/renditions/ab/<sha256>.<name>      made of an image of that digest, any time anew
 *
 * The catalog keeps the path of an own image relative to the archive ("images/ab/..."), so
 * that an archive may be moved; a case read from it has absolute paths. A case that is put with
 * the path of such a file, by whatever name the archive's folder is reached, is one with an own
 * image; the file must be there then. Other files below ARCHIVE/images/ are nobody's business.
 *
 * An own image lives as long as a case has it: rs_files_sweep takes away what no case has. An
 * erasure takes originals and renditions of the cases' images, unless another case has the same
 * picture, and its proof looks at file names too. A backup copies the originals; renditions are
 * caches and are neither copied nor verified. What a crash between keeping and committing leaves
 * is taken away by rs_archive_purge.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_FILES_H
#define RS_ENGINE_FILES_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/status.h"
#include "engine/archive.h"

#include <stdbool.h>
#include <stddef.h>

/* Keep these bytes of a PNG or JPEG (told by their first bytes; RS_EFORMAT else). Written to a
 * temporary name, synced and renamed, before the case that will name it is committed. *path is
 * absolute; sha256 is the bytes'. A file that is there already, with these bytes, is left; one
 * that is damaged is replaced. The archive is open for writing (RS_EARG), inside a batch or not; one
 * thread at a time. On an error *path is NULL and nothing is kept: RS_EIO, RS_ENOMEM. */
rs_status rs_files_keep(rs_archive *a, const void *bytes, size_t len, rs_arena *mem,
                        const char **path, char sha256[RS_SHA256_HEX], rs_err *err);

/* Take away originals, and renditions of any name, of digests that no case has any more: after a
 * commit that took a case out or replaced it, for a batch may be undone, a file not (RS_EARG inside
 * one). What is no digest, NULL too, is passed over. RS_EIO. */
rs_status rs_files_sweep(rs_archive *a, const char *const *sha256, size_t n, rs_err *err);

/* ARCHIVE/renditions/ab/<sha256>.<name>, absolute; NULL on OOM. Does not look whether it is
 * there; folders are made by whoever writes it, 0700. NULL too unless `sha256` is 64 hex digits and
 * `name` of letters, digits, '-', '.'. `archive`: its folder, relative or not, opened or not; any
 * thread. An erasure does not wait for one that is being written: who wrote it asks afterwards
 * whether a case still has the picture, and takes it away if not. */
const char *rs_files_rendition(const char *archive, const char *sha256, const char *name,
                               rs_arena *mem);

#endif
