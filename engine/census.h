/* census.h - all cases of an archive at once: who they are, how they are labelled, and the
 * vectors of those that are asked for. For measuring and auditing, where every case is looked
 * at beside every other.
 *
 *   rs_census c;
 *   rs_census_take(a, &mem, &c, &err);
 *   rs_census_sample(&c, 20000, 1);                      cases[i].wanted
 *   rs_census_vectors(a, &mem, &c, &err);                of those alone
 *
 * Everything lives in the caller's arena. A census is what it was taken of: later changes
 * of the archive are not in it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_CENSUS_H
#define RS_ENGINE_CENSUS_H

#include "engine/archive.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The fields that cases are grouped by, beside findings. */
#define RS_TRAIT_MAP(X) X(SEX, "sex") X(AGE, "age") X(MODALITY, "modality") \
    X(BODY_PART, "body part") X(SITE, "site")
typedef enum {
#define RS_TRAIT_ENUM(name, text) RS_TRAIT_##name,
    RS_TRAIT_MAP(RS_TRAIT_ENUM)
#undef RS_TRAIT_ENUM
    RS_TRAITS
} rs_trait;
const char *rs_trait_name(rs_trait f);                   /* "body part" */

typedef struct {
    int64_t         id;            /* in the catalog */
    const char     *key;
    const char     *facet[RS_TRAITS];   /* NULL: not known. Age: its band, "40-59"; site: the
                                           attribute "site", else the collection. One spelling
                                           each, so that equal ones are equal pointers */
    uint32_t        group;         /* equal for cases of one patient, or without one that is
                                      known (fold.h) of one attribute "group"; else its own */
    const char     *patient, *attribute_group;   /* by which; the other, or both, NULL */
    const char     *indexed_at;
    const uint32_t *labels;        /* ascending numbers into rs_census.labels */
    size_t          n_labels;
    bool            report;        /* has a text */
    size_t          n_images, n_passages;        /* in the archive */
    bool            wanted;        /* its vectors are */
    size_t          first_image, first_passage;  /* rows of the matrices; where wanted */
} rs_census_case;

typedef struct {
    uint32_t    of;                /* its case */
    const char *path, *sha256;     /* sha256 may be NULL */
    uint64_t    phash;             /* when hashed */
    bool        hashed;
} rs_census_image;

typedef struct {
    rs_census_case    *cases;           size_t n_cases;     /* in order of key */
    const char *const *labels;          size_t n_labels;    /* in order of name */
    size_t             n_groups, dim;
    const rs_census_image *images;                          /* of wanted cases */
    const float       *image_vectors;   size_t n_images;    /* [n x dim], unit length */
    const uint32_t    *passages;                            /* the case of each */
    const float       *passage_vectors; size_t n_passages;
} rs_census;

/* Cases, facets and labels; no vectors, no case is wanted. RS_ECORRUPT, RS_EIO, RS_ENOMEM. */
rs_status rs_census_take(rs_archive *a, rs_arena *mem, rs_census *out, rs_err *err);
/* At most n cases, by chance (all if fewer), become wanted. RS_ENOMEM. */
rs_status rs_census_sample(rs_census *c, size_t n, uint64_t seed, rs_err *err);
/* The vectors of all wanted cases. A case that was removed since has none. */
rs_status rs_census_vectors(rs_archive *a, rs_arena *mem, rs_census *c, rs_err *err);

/* How many labels two cases share. */
size_t rs_census_shared(const rs_census_case *x, const rs_census_case *y);

#endif
