/* fold.h - which rows of a ranking stand for others: same patient, same picture.
 *
 * Rows are joined, and whatever hangs together is one group; the best row of it stands for
 * the rest. Two cases are joined when
 *
 *   patient    both have the same one, ASCII case ignored. One that is not known, or is a
 *              word for that ("anonymous"), joins nothing.
 *   picture    every image of one of the two has a twin in the other. One shared image is not
 *              enough where both have more: a follow-up with last year's film beside its own
 *              is not the study of last year, and would be hidden behind it. Of a case of more
 *              than 16 images the first 16 are looked at, and only a case of as many holds it.
 *
 * Two images are twins when their files are equal (SHA-256), or when their perceptual hashes
 * (phash.h) are near and their vectors nearer than other patients' ever were; the farther the
 * hashes, the nearer the vectors. Images without a hash (of an earlier version) go by their
 * vectors alone. Measured over 988 real films and slices with scout-mini, each with 13 altered
 * copies, and over 3,862 pictures whose patients are known (docs/benchmarks.md):
 *
 *   bits apart     cosine at least      share of copies found
 *    0 to  2            0.90            recoded, rescaled                 1.00
 *    3 to  4            0.95            light, contrast, gamma            0.95 to 0.98
 *    5 to  6            0.99            1 degree turned, 1% cut off       0.97, 1.00
 *    7 to  8            0.995           burned-in text, a bit of all      0.63, 0.69
 *    no hash            0.998           3% cut off, 3 degrees turned      0.68, 0.35
 *
 * A picture of another patient was never a twin. Neighbouring slices of one series may be.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_FOLD_H
#define RS_ENGINE_FOLD_H

#include "base/arena.h"
#include "engine/archive.h"
#include "engine/db.h"

#include <stdbool.h>

typedef enum { RS_FOLD_ITSELF, RS_FOLD_PATIENT, RS_FOLD_PICTURE } rs_fold_why;

const char *rs_fold_why_text(rs_fold_why why);   /* "same patient", "same picture"; "" */

typedef struct {
    size_t      row;               /* that stands for this one: itself or an earlier one */
    rs_fold_why why;               /* PICTURE: by pictures alone; PATIENT: a patient is needed */
} rs_fold;

/* How n cases fold, each named once, best first: *out [n] in `mem`. Either relation may be
 * left out. In a snapshot of the caller's. To leave out whatever is of the patient or the
 * picture of a case asked for, name that case first. Every two rows are compared, every image
 * of one with those of the other: 200 rows of one image each take 0.4 ms (0.9 without hashes),
 * of 16 and more each 4 ms. RS_ECORRUPT: no such case, or a vector of another length; RS_EIO,
 * RS_ENOMEM. */
rs_status rs_fold_rows(rs_archive *a, const int64_t *cases, size_t n, bool patients,
                       bool pictures, rs_arena *mem, rs_fold **out, rs_err *err);

/* The cosine from which on two images are twins whose perceptual hashes differ in so many bits, or
 * that have none; above 1: never. */
double rs_twin_cosine(bool hashed, unsigned bits);

/* Could `patient` be somebody? Not NULL, "", "unknown", "anonymous" and the like. */
bool rs_patient_known(const char *patient);

/* The patient of a case, NULL where there is none that is known. RS_ECORRUPT: no such case. */
rs_status rs_patient_of(rs_db *db, int64_t case_id, rs_arena *mem, const char **patient,
                        rs_err *err);

#endif
