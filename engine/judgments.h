/* judgments.h - what experts said of a case as an answer to a query.
 *
 *   verdict           grade   said of a case that ...
 *   same_diagnosis    3       has what was asked for: the case one hoped to find
 *   relevant          2       answers the query, for whatever reason
 *   same_finding      2       shows the same finding, of whatever cause
 *   other_stage       2       has the same disease at another stage
 *   other_diagnosis   1       looks like it and is something else: worth seeing beside it
 *   near_miss         1       is of the right kind and yet not what was asked for
 *   not_relevant      0       should not have been found
 *
 * A grade is the gain of an evaluation (agreement.h). A judgment belongs to a case's key, not
 * its row, so a case that is indexed anew keeps what was said of it. Who says something again of
 * the same query and case replaces what they said before; the judgment keeps its id.
 *
 * Who may see one: a judgment names cases, its own, those that its query is like, and what its
 * filter tests (case, patient, collection, source and attributes by value). With an access filter
 * (access.h) it is there only where all of these may be seen; a name that nobody has counts as
 * one that may not, so that the one cannot be told from the other. Digests of images are shown:
 * they say nothing to who has not the picture. Notes and the words of queries are prose, shown to
 * whoever may see the cases.
 *
 * Texts are UTF-8; bytes that are not are stored as '?'. Threading: as the archive's.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_JUDGMENTS_H
#define RS_ENGINE_JUDGMENTS_H

#include "engine/archive.h"
#include "engine/judged_query.h"

#define RS_JUDGED_MAP(X)                              \
    X(SAME_DIAGNOSIS,  "same_diagnosis",  3)          \
    X(RELEVANT,        "relevant",        2)          \
    X(SAME_FINDING,    "same_finding",    2)          \
    X(OTHER_STAGE,     "other_stage",     2)          \
    X(OTHER_DIAGNOSIS, "other_diagnosis", 1)          \
    X(NEAR_MISS,       "near_miss",       1)          \
    X(NOT_RELEVANT,    "not_relevant",    0)

typedef enum {
#define RS_JUDGED_ENUM(name, text, grade) RS_JUDGED_##name,
    RS_JUDGED_MAP(RS_JUDGED_ENUM)
#undef RS_JUDGED_ENUM
    RS_JUDGED_VERDICTS
} rs_judged;

const char *rs_judged_name(rs_judged v);         /* "same_finding" */
rs_judged   rs_judged_of(const char *name);      /* RS_JUDGED_VERDICTS where it is none */
int         rs_judged_grade(rs_judged v);        /* 0 to 3 */
const char *rs_judged_names(void);               /* all of them, ", " between */

enum { RS_JUDGMENT_NOTE_BYTES = 4 << 10 };

typedef struct {
    int64_t     id;               /* never used again */
    const char *key;              /* of the case */
    const char *query;            /* canonical (judged_query.h) */
    rs_judged   verdict;
    const char *note;             /* NULL: none */
    const char *who;              /* the name of a token; "": nobody had to say */
    const char *at;               /* UTC text */
} rs_judgment;

/* ---- Writing ---------------------------------------------------------- */

/* (batch) Add it, or replace what j->who said of this query and case; j->id and j->at are not
 * read, the id goes to *id. RS_ENOENT: there is no such case. RS_EARG: a query that is none, a
 * note longer than RS_JUDGMENT_NOTE_BYTES, no verdict. */
rs_status rs_judgments_add(rs_archive *a, const rs_judgment *j, int64_t *id, bool *replaced,
                           rs_err *err);
/* (batch) Remove one; of `who` alone, unless NULL. RS_ENOENT where there is none such. */
rs_status rs_judgments_remove(rs_archive *a, int64_t id, const char *who, rs_err *err);
/* (batch) Remove all that name a case, as their own, in a query, by the digest of one of its
 * images, or by its key (of 6 bytes or more) anywhere in a text: what an erasure must not leave.
 * While the case's images are still in the catalog. */
rs_status rs_judgments_forget(rs_archive *a, const char *key, rs_err *err);

/* ---- Reading ---------------------------------------------------------- */

typedef struct {
    const char *key, *query, *who;   /* only those; NULL: any. `query` is canonical */
    const char *access;              /* as who asks may see (access.h); NULL: all */
    int64_t     after;               /* only ids above it: the last one of the page before */
    size_t      limit;
    size_t      bytes;               /* of queries and notes, after which a page ends; 0: without */
} rs_judgments_wanted;

/* In order of ids, texts in `mem`. *more (may be NULL): there are others behind them.
 * RS_ECORRUPT: a verdict that this version does not know. */
rs_status rs_judgments_list(rs_archive *a, const rs_judgments_wanted *want, rs_arena *mem,
                            const rs_judgment **out, size_t *n, bool *more, rs_err *err);
/* One; RS_ENOENT also where it may not be seen. */
rs_status rs_judgments_get(rs_archive *a, const char *access, int64_t id, rs_arena *mem,
                           rs_judgment *out, rs_err *err);
/* How many may be seen. */
rs_status rs_judgments_count(rs_archive *a, const char *access, size_t *n, rs_err *err);

#endif
