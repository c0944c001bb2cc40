/* agreement.h - judgments as an evaluation wants them: for each query the cases that were judged
 * and one grade each.
 *
 * Where several judged one case for one query, the grade is the median of theirs; of an even
 * number the lower one in the middle, so that a dispute between two counts as the stricter says.
 * Judgments of cases that are not in the archive (any more) are left out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_AGREEMENT_H
#define RS_ENGINE_AGREEMENT_H

#include "engine/judgments.h"

typedef struct {
    const char *key;
    int         grade;             /* 0 to 3 */
    size_t      judges;
    bool        disputed;          /* not all gave this grade */
} rs_agreed_case;

typedef struct {
    const char     *id;            /* "q" and 16 hex digits of the query's SHA-256: the same in
                                      every archive */
    rs_judged_query query;
    const char     *words;         /* to ask with words alone; NULL: it has cases or images */
    const rs_agreed_case *cases;   /* in order of keys (strcmp) */
    size_t          n;
} rs_agreed_query;

/* All queries, in the order of their canonical texts, in `mem`. Errors as rs_judgments_list. */
rs_status rs_judgments_agree(rs_archive *a, rs_arena *mem, const rs_agreed_query **out, size_t *n,
                             rs_err *err);

#endif
