/* facets.h - how many cases have which value of each field.
 *
 *   rs_facet_counts(a, "modality:CT", NULL, 0, &mem, &counts, &err);
 *   for (i ...) counts.facets[i].name "body_part", .values[0] {"CHEST", 4711}, ...
 *
 * Each value is a filter: FIELD:"VALUE" passes just the cases that were counted (filter.h),
 * and `not FIELD:*` those that were not known.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_FACETS_H
#define RS_ENGINE_FACETS_H

#include "base/arena.h"
#include "base/status.h"
#include "engine/archive.h"

#include <stddef.h>

typedef struct {
    const char     *name;          /* "modality", ..., "age", "date", "attr.scanner" */
    const rs_count *values;        size_t n;      /* most frequent first, then by label; none
                                                     that no case has */
    size_t          unknown;       /* cases of which it is not known */
} rs_facet;

typedef struct {
    size_t cases;                  /* in the archive */
    size_t passing;                /* of them, those that the filter passes: what is counted */
    const rs_facet *facets;        size_t n;
} rs_facet_report;

/* Exact counts among the cases that pass `filter` (NULL: all): modality, body part, view, sex,
 * age ("40..49"), date by year ("2024"), collection, tier, finding, then the attributes asked
 * for by name. Labels are spelled as one of the cases does; a case with several findings or
 * values counts for each. In `mem`. Not inside a batch. RS_EARG: the filter cannot be read. */
rs_status rs_facet_counts(rs_archive *a, const char *filter, const char *const *attributes,
                          size_t n_attributes, rs_arena *mem, rs_facet_report *out, rs_err *err);

#endif
