/* suspects.h - cases that look mislabelled, mixed up or poisoned, each with why and how strongly.
 *
 *   labels         its labels are unlike those of the cases that look like it
 *   report         its report is unlike theirs
 *   agreement      its image and its report agree less than theirs do
 *   contradiction  a label says what the report rules out, or the other way round
 *   duplicate      the picture of another case, with other labels or another sex
 *   outlier        a picture far from every other
 *
 * Inside the snapshot that the census was taken in, where a writer may be at work (rs_audit_run
 * sees to it).
 *
 * The first three compare a case with its nearest cases of other patients (vicinity.h):
 *
 *   v_i = mean over neighbours j of  Jaccard(labels i, labels j)    labels
 *                                    <report i, report j>           report
 *         <image i, report i>                                       agreement
 *   z_i = (median of v_j over neighbours j - v_i) / max(1.4826 MAD of v_j, a floor)
 *
 * so that a region of the archive where neighbours disagree anyway accuses nobody; z of 3.5 and
 * more is listed (Iglewicz, Hoaglin 1993). Of labels there is a second z, the share of neighbours
 * that have a case's labels beside what that share is for cases of those labels, and what counts
 * is the root mean square of both: who sits among cases that agree on nothing may still have a
 * label that elsewhere is always among its like. The idea that neighbours vote on a label is
 * that of Bahri, Jiang, Gupta, ICML 2020. An outlier's z is that of its mean cosine to its nearest
 * images, among all images. What is listed is to be looked at, not known to be wrong.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_SUSPECTS_H
#define RS_ENGINE_SUSPECTS_H

#include "engine/vicinity.h"

#define RS_SUSPECT_MAP(X) X(LABELS, "labels") X(REPORT, "report") X(AGREEMENT, "agreement") \
    X(CONTRADICTION, "contradiction") X(DUPLICATE, "duplicate") X(OUTLIER, "outlier")
typedef enum {
#define RS_SUSPECT_ENUM(name, text) RS_SUSPECT_##name,
    RS_SUSPECT_MAP(RS_SUSPECT_ENUM)
#undef RS_SUSPECT_ENUM
    RS_SUSPECTS
} rs_suspect_kind;
const char *rs_suspect_name(rs_suspect_kind k);          /* "contradiction" */

typedef struct {
    rs_suspect_kind kind;
    const char     *key, *other;   /* other: the case it is a duplicate of, else its nearest;
                                      may be NULL */
    double          strength;      /* z; of a contradiction how often the report says so; of a
                                      duplicate the cosine */
    const char     *reason;        /* a sentence's half: "label effusion, report negates it" */
} rs_suspect;

/* Strongest first, at most `most`; *n_all (may be NULL) counts those left out too. In `mem`.
 * RS_ECORRUPT, RS_EIO, RS_ENOMEM. */
rs_status rs_suspects_find(rs_archive *a, const rs_vicinity *v, rs_suspect_kind kind, size_t most,
                           rs_arena *mem, rs_suspect **out, size_t *n, size_t *n_all,
                           rs_err *err);

#endif
