/* facets_int.h - what filters and counts look at: a column in memory for each field that many
 * cases share, by case id.
 *
 *   code[id]   a number of the column's dictionary, 0 where the field is not known;
 *              for findings the number of a set of labels
 *   age[id]    years, NaN where not known
 *
 * So a test looks at each value of the dictionary once, and at each case with one load: 1 M
 * cases take a millisecond or two. It takes 44 bytes a case and the dictionaries, the largest of
 * which is that of sets of labels: some 200 bytes a case more where no two have the same.
 * Patients, keys and attributes are as many as the cases; they stay in the catalog, where indexes
 * find them.
 *
 * Loaded at the first filter; after that the catalog's log of changed cases says which rows
 * to read again. Where the log does not reach back far enough, or has as many entries as the
 * columns have rows, all is loaded anew.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_FACETS_INT_H
#define RS_ENGINE_FACETS_INT_H

#include "engine/db.h"
#include "engine/facets.h"
#include "engine/filter.h"
#include "engine/strmap.h"

#include <stdint.h>

/* Entries of case_changes that a commit leaves in the catalog: a reader that is further behind
 * loads its columns anew. */
enum { RS_CHANGES_KEPT = 50000 };

typedef enum {
    RS_COLUMN_MODALITY, RS_COLUMN_BODY_PART, RS_COLUMN_VIEW, RS_COLUMN_SEX,
    RS_COLUMN_COLLECTION, RS_COLUMN_SOURCE, RS_COLUMN_DATE, RS_COLUMN_TIER, RS_COLUMN_FINDING,
    RS_COLUMNS
} rs_column;

/* A value. [0] of each dictionary is "not known". */
typedef struct {
    const char     *text;          /* as the first case spells it; of findings: NULL */
    double          from, to;      /* a date's days, a tier; NaN where it is neither */
    const uint32_t *labels;        size_t n_labels;    /* of findings, ascending */
} rs_entry;

typedef struct {
    rs_strmap codes;               /* the value with small ASCII letters -> code */
    rs_entry *entries; size_t n, cap;
    uint32_t  last;                /* the code asked for last */
} rs_dictionary;

typedef struct rs_facets {
    rs_arena      mem;             /* of the dictionaries */
    rs_dictionary values[RS_COLUMNS], labels;
    uint32_t     *code[RS_COLUMNS];                    /* [cap] by case id */
    double       *age;                                 /* [cap] */
    uint64_t     *present;                             /* a bit a case that there is */
    size_t        cap;             /* ids below it have a place; a multiple of 64 */
    size_t        live;            /* cases */
    size_t        changed;         /* rows read again since all were loaded */
    int64_t       seq;             /* the last change taken in */
    int64_t       data_version, total_changes;         /* of the database then */
    char         *fold;            /* room for one value with small letters */
    size_t        fold_cap;
} rs_facets;

/* Bring *f up to date with the catalog, making it where it is NULL. Inside a snapshot. Where
 * that fails *f is NULL. */
rs_status rs_facets_refresh(rs_facets **f, rs_db *db, rs_err *err);
void      rs_facets_free(rs_facets *f);                /* NULL is fine */
size_t    rs_facets_bytes(const rs_facets *f);         /* of memory, about */

/* The cases that pass, a bit a case id below f->cap, in `mem`. Inside the same snapshot. */
rs_status rs_facets_select(rs_facets *f, rs_db *db, const rs_filter *filter, rs_arena *mem,
                           uint64_t **bits, rs_err *err);
/* How many bits are set. */
size_t    rs_bits_count(const uint64_t *bits, size_t cap);

/* `text` with small letters, until the next call; NULL on OOM. */
const char *rs_facets_fold(rs_facets *f, const char *text);

#endif
