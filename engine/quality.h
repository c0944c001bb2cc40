/* quality.h - how well an archive finds cases of the same labels, for whom it does worse, and
 * what it never finds.
 *
 * Each labelled case asks for its nearest (vicinity.h: by image, own patient left out); another
 * case is relevant when it shares a label, its grade is how many. Measures as in metrics.h.
 * A case that no case of another patient shares a label with asks nothing: there is
 * nothing that could be found.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_QUALITY_H
#define RS_ENGINE_QUALITY_H

#include "engine/metrics.h"
#include "engine/vicinity.h"

enum { RS_QUALITY_CUT = 10 };      /* of P and nDCG */
enum { RS_QUALITY_FEW = 20 };      /* a group of fewer queries is not judged */

/* One query: a case. */
typedef struct { uint32_t of; double precision, ndcg; } rs_quality_case;

/* At most `most` labelled cases of the vicinity, by chance. In `mem`. RS_ENOMEM. */
rs_status rs_quality_ask(const rs_vicinity *v, size_t most, uint64_t seed, rs_arena *mem,
                         rs_quality_case **out, size_t *n, rs_err *err);

typedef struct {
    const char *facet, *value;     /* "sex", "F"; the facet of labels is "finding"; value NULL:
                                      not known */
    size_t      cases;             /* in the archive */
    size_t      images, reports;   /* cases that have any */
    size_t      n;                 /* queries */
    rs_interval precision, ndcg;   /* NaN where n is 0 */
    double      rest;              /* mean nDCG of the other queries; NaN where none */
    double      p;                 /* of "as good as the rest", one-sided, put up for all groups
                                      tested (Holm); NaN where n or the rest is too small */
} rs_quality_group;

/* Every value of every facet, in order of facet, then most cases first; labels last. */
rs_status rs_quality_groups(const rs_census *c, const rs_quality_case *asked, size_t n,
                            size_t rounds, uint64_t seed, rs_arena *mem, rs_quality_group **out,
                            size_t *n_groups, rs_err *err);

/* A label that is hard to find. */
typedef struct {
    const char *label;
    size_t      cases, patients;   /* in the archive; groups in rs_census's sense */
    size_t      asked, found;      /* cases of the vicinity; those with a neighbour of the label
                                      among the first RS_QUALITY_CUT */
    bool        few, never;        /* fewer than `least` cases; asked, and never found */
} rs_quality_hole;

/* Labels that are few or never found, least found first. RS_ENOMEM. */
rs_status rs_quality_holes(const rs_vicinity *v, size_t least, rs_arena *mem,
                           rs_quality_hole **out, size_t *n, rs_err *err);

#endif
