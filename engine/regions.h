/* regions.h - an archive's images by their parts.
 *
 * An archive either has regions of all images that are indexed from now on or of none; which
 * stands in the catalog's table meta under "regions", as a text that says how they are made
 * (embeddings/regions.h), so that a later run of the indexer does the same. It is the
 * indexer that makes them: a case whose digest says otherwise is taken in anew.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_REGIONS_H
#define RS_ENGINE_REGIONS_H

#include "base/arena.h"
#include "engine/archive.h"

/* How the regions of its images are made, in `mem`; NULL: there are to be none. */
rs_status rs_archive_regions(rs_archive *a, rs_arena *mem, const char **recipe, rs_err *err);
/* From now on so; NULL: none. Writer only, not inside a batch. What is there already stays
 * until its case is put again. */
rs_status rs_archive_set_regions(rs_archive *a, const char *recipe, rs_err *err);

#endif
