/* source.h - where cases come from, before anything is decoded.
 *
 * A source is one of
 *   FILE.jsonl   a manifest: one JSON object a line
 *   FILE.csv     the same with a header row (RFC 4180; .tsv with tabs)
 *   FOLDER       every PNG and JPEG below it, with sidecar texts
 *
 * Manifest fields (all optional but one image or one text; others are kept as
 * attributes):
 *
 *   case_id, id          the case's key; rows that share a case_id (or, without one, an
 *                        id) are one case. Without either the row number names it
 *   images | image       paths, relative to the manifest; a list, or in CSV "a.png;b.png"
 *   view | view_or_plane | plane      of the image(s); a list gives one each
 *   title, modality, body_part | location, sex, patient | patient_id,
 *   collection | dataset, age (years: 61, "61", "61Y", "061Y", "18M", "3W", "10D")
 *   study_date | date    2024-03-01, 20240301, 2024-03 or 2024
 *   tier | diagnosis_tier   how well the diagnosis is established: reported, reviewed,
 *                        followed or proven
 *                        (a date or tier that is none is kept as an attribute)
 *   report               the whole text, its sections found by their headings
 *   history | indication, exam | technique, comparison, findings (a text), impression,
 *   caption, diagnosis, differential, discussion | topic_discussion
 *                        sections of a report given piece by piece
 *   labels | findings (a list)        finding labels
 *
 * A folder with a report.txt is one case of all images in it; any other image is a
 * case of its own, named by its path without ending, with STEM.txt beside it as its
 * report. A .txt that belongs to no image is a case of words only.
 *
 * Threading: one thread. Everything handed out lives in the caller's arena.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_INDEXER_SOURCE_H
#define RS_INDEXER_SOURCE_H

#include "base/arena.h"
#include "base/status.h"
#include "engine/archive.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *path;             /* absolute */
    const char *given;            /* as the source wrote it */
    const char *view;             /* may be NULL */
    const void *bytes;            /* of an image that was sent (one.h): what is decoded; the file */
    size_t      len;              /* comes to be, and `path`, when it is kept. NULL: read `path` */
    const char *sha256;           /* of those bytes */
} rs_source_image;

/* A part of a report that came under a name of its own. */
typedef struct {
    const char *name;             /* "findings" */
    const char *text;
} rs_source_part;

typedef struct {
    const char *item;             /* names it in messages: "row 12" or a path */
    const char *problem;          /* not NULL: this item cannot be read, and why; the
                                     fields below are then empty */
    const char *key, *title, *modality, *body_part, *view, *sex, *patient, *collection;
    double      age_years;        /* negative: not known */
    const char *study_date;       /* 2024-03-01, 2024-03, 2024 or NULL */
    rs_tier     tier;
    const char *report;           /* whole text, or NULL; parts then stand for it */
    const char *attributes;       /* JSON object text of all other fields, or NULL */
    const rs_source_part  *parts;     size_t n_parts;
    const rs_source_image *images;    size_t n_images;
    const char *const     *findings;  size_t n_findings;
} rs_source_case;

typedef struct rs_source rs_source;

/* RS_ENOENT, RS_EFORMAT (neither a folder, .jsonl, .csv nor .tsv), RS_ECORRUPT (a CSV
 * without a header), RS_EIO, RS_ENOMEM. */
rs_status   rs_source_open(rs_source **out, const char *path, rs_err *err);
void        rs_source_close(rs_source *s);             /* NULL is fine */
const char *rs_source_name(const rs_source *s);        /* its absolute path */
size_t      rs_source_count(const rs_source *s);       /* cases in all */

/* Case i in [0, count). RS_OK also for a broken row, which then has `problem` set:
 * only RS_ENOMEM and RS_EIO end a run. */
rs_status   rs_source_get(rs_source *s, size_t i, rs_arena *mem, rs_source_case *out, rs_err *err);

/* Years from "61", "61Y", "18M", "3W", "10D"; -1 where it is none of these. */
double      rs_age_years(const char *text);

#endif
