/* filter.h - which cases a query may find, as a condition of SQL and as ids.
 *
 * The condition is one literal over a row `c` of cases with parameters ?1 to ?12, the
 * unused ones NULL.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_FILTER_H
#define RS_ENGINE_FILTER_H

#include "base/arena.h"
#include "engine/db.h"
#include "engine/query.h"
#include "engine/vectors.h"

#define RS_FILTER_SQL                                                                     \
    "(?1 IS NULL OR c.modality = ?1) AND (?2 IS NULL OR c.body_part = ?2)"                \
    " AND (?3 IS NULL OR c.view = ?3) AND (?4 IS NULL OR c.sex = ?4)"                     \
    " AND (?5 IS NULL OR c.patient = ?5) AND (?6 IS NULL OR c.collection = ?6)"           \
    " AND (?7 IS NULL OR c.source = ?7 COLLATE NOCASE)"                                   \
    " AND (?8 IS NULL OR EXISTS"                                                          \
    "      (SELECT 1 FROM case_findings f WHERE f.case_id = c.id AND f.label = ?8))"      \
    " AND (?9 IS NULL OR (c.age >= ?9 AND c.age <= ?10))"                                 \
    " AND (?11 IS NULL OR c.id NOT IN"                                                    \
    "      (SELECT rowid FROM case_fts WHERE case_fts MATCH ?11))"                        \
    " AND (?12 IS NULL OR c.id NOT IN (SELECT value FROM json_each(?12)))"

/* A filter with what the rest of a query rules out. */
typedef struct {
    rs_filter   fields;
    const char *exclude;           /* FTS5 expression of words a case may not have, or NULL */
    int64_t    *left_out;          /* cases that are not among their own hits, ascending */
    size_t      n_left_out;
    const char *left_out_json;     /* the same as JSON, for SQL; NULL where there are none */
} rs_restriction;

/* Leave out some more cases. */
rs_status rs_restriction_leave_out(rs_restriction *r, const int64_t *ids, size_t n, rs_arena *mem,
                                   rs_err *err);
/* A case and, with `patient`, all others of its patient, where that is known. */
rs_status rs_restriction_leave_out_case(rs_restriction *r, rs_db *db, int64_t id, bool patient,
                                        rs_arena *mem, rs_err *err);
/* Does it rule out anything but those? */
bool rs_restriction_filters(const rs_restriction *r);
/* Bind ?1 to ?12. Strings are borrowed until rs_done. */
void rs_restriction_bind(rs_stmt *s, const rs_restriction *r);
/* The images or passages that pass, ascending, in `mem`. */
rs_status rs_restriction_ids(rs_db *db, rs_kind kind, const rs_restriction *r, rs_arena *mem,
                             int64_t **ids, size_t *n, rs_err *err);

#endif
