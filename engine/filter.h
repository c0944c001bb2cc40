/* filter.h - which cases a query may find, said in a small language.
 *
 *   modality:CT and not (sex:F or age:..40) and date:2020..2023-06
 *   finding:"pleural effusion"|pneumothorax  tier:>=reviewed  attr.scanner:Siemens
 *
 *   filter  = all { "or" all }
 *   all     = one { ["and"] one }
 *   one     = "not" one  |  "(" filter ")"  |  field ":" value { "|" value }
 *   value   = "*"  |  word  |  "quoted \" or \\"  |  range
 *   range   = from ".." to  |  ".." to  |  from ".."  |  ( ">=" ">" "<=" "<" "=" ) end
 *
 *   field                                       a value is
 *   modality body_part view (or plane) sex      a text that is equal, ASCII case ignored
 *   collection source patient
 *   finding                                     one of the case's finding labels, likewise
 *   case                                        the case's key, to the byte
 *   age      years: 40, 40..60, <40             a whole number is that year of life: 40 is
 *                                               from 40 to below 41, 40..60 to below 61
 *   date     2020, 2020-03, 2020-03-01          all of that year, month or day; a case's own
 *                                               date that is a year or month lies in it as a
 *                                               whole or does not pass
 *   tier     reported, >=reviewed               names as in archive.h
 *   attr.NAME  or attr."A NAME"                 one of the case's own values: a text, or a
 *                                               range of numbers, which other values are not in
 *
 * field:* is any case of which the field is known; several values (a|b) are any of them. A
 * case whose field is not known passes no other test on it (but tier:unknown is a tier), so
 * `not` of a test, its plain complement, lets it pass: `not sex:F` is M, O and not known.
 * `and`, `or`, `not` and names of fields may be in capitals; body-part is body_part.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_FILTER_H
#define RS_ENGINE_FILTER_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Of one filter; more is RS_EARG. */
enum { RS_FILTER_MAX_BYTES = 64 * 1024, RS_FILTER_MAX_DEPTH = 64, RS_FILTER_MAX_TESTS = 512,
       RS_FILTER_MAX_VALUES = 4096 };

/* name, as written, whether a value may be a range */
#define RS_FILTER_FIELDS(X)                                                             \
    X(MODALITY, "modality", false) X(BODY_PART, "body_part", false)                     \
    X(VIEW, "view", false) X(SEX, "sex", false) X(COLLECTION, "collection", false)      \
    X(SOURCE, "source", false) X(FINDING, "finding", false)                             \
    X(PATIENT, "patient", false) X(CASE, "case", false) X(AGE, "age", true)             \
    X(DATE, "date", true) X(TIER, "tier", true) X(ATTRIBUTE, "attr", true)

typedef enum {
#define RS_FILTER_ENUM(name, text, ranges) RS_FIELD_##name,
    RS_FILTER_FIELDS(RS_FILTER_ENUM)
#undef RS_FILTER_ENUM
    RS_FIELDS
} rs_field;

const char *rs_field_name(rs_field f);           /* "body_part" */

typedef struct {
    enum { RS_VALUE_KNOWN, RS_VALUE_EQUAL, RS_VALUE_RANGE } kind;
    const char *text;              /* EQUAL */
    double      from, below;       /* RANGE: from <= x < below; a date is yyyymmdd */
} rs_filter_value;

/* A filter as its parts in postfix order: `not (a or b)` is a b OR NOT. */
typedef struct {
    enum { RS_FILTER_TEST, RS_FILTER_AND, RS_FILTER_OR, RS_FILTER_NOT } op;
    rs_field    field;             /* of a TEST: any of the values */
    const char *attribute;         /* of RS_FIELD_ATTRIBUTE: its name */
    const rs_filter_value *values; size_t n_values;
} rs_filter_step;

typedef struct {
    const rs_filter_step *steps; size_t n;       /* at least one */
    size_t room;                                 /* results that wait at a time, at most */
} rs_filter;

/* In `mem`. RS_EARG tells where in the text it went wrong, and what was expected. An empty
 * text is wrong too. */
rs_status rs_filter_parse(const char *text, rs_arena *mem, rs_filter *out, rs_err *err);
/* The same without a result. */
rs_status rs_filter_check(const char *text, rs_err *err);

/* Let `b`, empty or made by these two, also ask for field:"value". `field` may be "attr.NAME"
 * with any NAME; the value is quoted, whatever is in it. Out of memory: b->failed. */
void rs_filter_add(rs_buf *b, const char *field, const char *value);
/* A value as it stands behind a colon, quoted. */
void rs_filter_add_value(rs_buf *b, const char *value);
/* Let `b` also ask for `filter`, in parentheses. */
void rs_filter_add_filter(rs_buf *b, const char *filter);

/* The number that the whole of `text` is. */
bool rs_filter_number(const char *text, size_t len, double *out);

#endif
