/* archive.h - which case stands at which place of the sample archive, and its files.
 *
 * Case i follows from (seed, i) alone, so cases may be made in any order, in parallel,
 * and an archive may be extended. The places walk through all combinations of all
 * anatomies by the golden ratio: any run of cases is spread over them by weight. Now
 * and then cases 2k and 2k + 1 are one patient seen twice.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_PHANTOM_ARCHIVE_H
#define RS_PHANTOM_ARCHIVE_H

#include "phantom.h"

typedef struct {
    const char *out;                 /* folder */
    const char *only;                /* one anatomy's name, or NULL */
    uint64_t    seed;
    bool        bare;                /* leave the findings out of the pictures */
} ph_archive;

/* All anatomies, and how many. */
extern const ph_anatomy *const ph_anatomies[];
extern const size_t ph_n_anatomies;

typedef struct {
    const ph_anatomy *anatomy;
    size_t combo;
    size_t patient;                  /* the index of the patient's first case */
} ph_seat;

ph_seat ph_seat_of(const ph_archive *a, size_t i);

/* Draw case i, write its images below a->out/images, and make its row of
 * cases.jsonl (no newline; caller rs_free()s). Any thread. */
rs_status ph_archive_case(char **row, const ph_archive *a, size_t i, rs_err *err);

#endif
