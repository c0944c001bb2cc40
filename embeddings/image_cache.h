/* image_cache.h - many image files as small 8-bit squares in one mapped file.
 *
 * Built once with all cores, then opened in no time: the file's name holds a digest of
 * every path, size, time and of the preprocessing, so a changed image or setting makes
 * another file.
 *
 *   the pixels, [side x side x channels] each, 64-byte aligned; then, little-endian,
 *   n times: offset u64, side u32, channels u32 (1 grey, 3 RGB; 0: it could not be
 *            read, and offset/side are where and how long the reason is)
 *   n u64, magic "RSIMAGE1"
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_IMAGE_CACHE_H
#define RS_EMBEDDINGS_IMAGE_CACHE_H

#include "base/progress.h"
#include "base/status.h"
#include "base/threads.h"
#include "embeddings/image.h"
#include "embeddings/preprocess.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct rs_image_cache rs_image_cache;

typedef struct {
    const char *folder;                    /* made if absent */
    const char *const *paths;              /* [n] */
    const bool *exact;                     /* [n]: as the preprocessing crops it; else with
                                              a margin for augmentation */
    size_t n;
    const rs_preprocess *preprocess;
    rs_pool *pool;
    rs_progress_mode progress;
} rs_image_cache_spec;

/* RS_EIO, RS_ENOMEM. An image that cannot be read is no error, see below. */
rs_status rs_image_cache_open(rs_image_cache **out, const rs_image_cache_spec *spec, rs_err *err);
void      rs_image_cache_close(rs_image_cache *c);      /* NULL is fine */

/* Image i, borrowed until close: square, 8 bits. pixels NULL: it could not be read. */
rs_image  rs_image_cache_get(const rs_image_cache *c, size_t i);
/* Why not, in `text` (cut to its size). */
void      rs_image_cache_reason(const rs_image_cache *c, size_t i, char *text, size_t size);

#endif
