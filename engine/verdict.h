/* verdict.h - is anything in the archive similar enough? Told from the archive's own scores,
 * probe by probe, not from one fixed cosine: what is near differs from encoder to encoder, from
 * texts to images, from an archive of hands to one of everything.
 *
 * Calibration asks for some of the archive's own cases as if they were queries, each without
 * itself and its patient, and keeps how well the best other one did:
 *
 *   probe                         asked with                       score
 *   text-image, text-passage      a passage's vector               cosine
 *   image-image, image-passage    an image's vector                cosine
 *   region                        a region's vector                cosine
 *   like-image, like-passage      all of a case's vectors          late interaction
 *   case                          the case's vector                cosine
 *   bm25                          the first words of a passage     score / sum of idf asked for,
 *                                                                  at most 1: all of it is there
 *
 * A query's `typical` of a probe is the share of those that did no better than its best case. A
 * query is called "nothing similar enough" where typical is below the false alarm rate in every
 * probe that ran: of queries like the archive's own cases, that happens at most so often
 * (in each single probe exactly so often, for those asked).
 *
 * Measured on openrad (4,057 cases) with one group of six left out and asked for afterwards:
 * docs/benchmarks.md.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_VERDICT_H
#define RS_ENGINE_VERDICT_H

#include "engine/search_int.h"

enum { RS_CALIBRATION_CASES = 200, RS_CALIBRATION_LEAST = 20, RS_CALIBRATION_POINTS = 65 };

/* Ascending quantiles of the best scores; known: there are such. */
typedef struct {
    bool  known;
    float at[RS_CALIBRATION_POINTS];
} rs_typical;

typedef struct {
    int64_t    cases;              /* that the archive had then; 0: never calibrated */
    rs_typical probe[RS_PROBE_COUNT];
} rs_calibration;

/* Share of the sample that did no better than `score`, 0 to 1. */
double    rs_typical_share(const rs_typical *t, double score);
/* Quantiles of n scores, sorted in place; at least RS_CALIBRATION_LEAST, or it stays unknown. */
void      rs_typical_make(rs_typical *t, float *score, size_t n);

/* What the catalog's meta has. Damage counts as never calibrated. */
rs_status rs_calibration_read(rs_archive *a, rs_calibration *out, rs_err *err);
/* What the archive remembers of it, for its end. */
void      rs_calibration_forget(rs_archive *a);
/* Calibrate where it was never done or the archive has grown or shrunk by a quarter since.
 * Writer only, outside a batch. About 200 searches. */
rs_status rs_calibrate(rs_archive *a, rs_err *err);

/* The verdict on the rankings of `s`. Inside the snapshot. */
rs_status rs_verdict_reach(rs_search_state *s);

#endif
