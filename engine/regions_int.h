/* regions_int.h - regions in a search: the boxes of a query, and the box that a hit is shown
 * by. Inside engine/ only.
 *
 * A box becomes two vectors out of one pass: the region's, for the region probe, and the
 * whole image's, for the probes of images. Together they find better than either
 * (docs/benchmarks.md, "Regions"), and in an archive without regions the latter are all there
 * is; the result says so then.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_REGIONS_INT_H
#define RS_ENGINE_REGIONS_INT_H

#include "engine/search_int.h"

/* The vectors of a boxed part, [dim] each in `mem`. RS_EARG: the encoder sees none of the
 * box. */
rs_status rs_region_encode(const rs_query *q, const rs_query_part *p, rs_arena *mem,
                           const float **region, const float **whole, rs_err *err);

/* Image and box of one region into *f. */
rs_status rs_region_evidence(rs_archive *a, int64_t region, rs_arena *mem, rs_found *f,
                             rs_err *err);

#endif
