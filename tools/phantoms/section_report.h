/* section_report.h - the report of a drawn section from tables of templates.
 *
 * An anatomy says what a normal study reads like (sentences, each with the findings
 * that would make it untrue) and what each finding reads like; the report is put
 * together from both with prose.h's choices.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_PHANTOM_SECTION_REPORT_H
#define RS_PHANTOM_SECTION_REPORT_H

#include "prose.h"

/* A sentence that is true unless a finding of one of these families is there; once
 * said, nothing more is said about what it speaks of. */
typedef struct {
    const char *text;
    unsigned    topics;              /* bits of sec_words.family */
} sec_sentence;

/* What one kind of finding reads like; templates of prose.h. {noun} is expanded from
 * `noun` ("large right frontal epidural haematoma", for "a {noun}"), once. */
typedef struct {
    unsigned    family;
    const char *noun;                /* starting with "+": takes no article ("+ascites") */
    const char *history;
    const char *findings;
    const char *impression;
} sec_words;

typedef struct {
    const char *study;               /* for captions: "{unenhanced|non-contrast} CT head" */
    const char *technique;
    const sec_sentence *normal;      /* "The basal cisterns are patent." */
    size_t n_normal;
    const sec_sentence *negative;    /* "No acute haemorrhage." */
    size_t n_negative;
    const char *normal_history, *normal_impression, *normal_caption;
} sec_style;

/* Fill c's four texts; the prose has every variable that the templates use. `w` is
 * NULL for a normal case. RS_ENOMEM. */
rs_status sec_report(ph_case *c, const sec_style *style, const sec_words *w, ph_prose *p,
                     rs_err *err);

/* "14 mm" and its kin, static, for sizes to 199 mm. */
const char *sec_mm_words(double mm);
/* "1.4 cm" below 2 cm steps of 1 mm, static, to 19.9 cm. */
const char *sec_cm_words(double mm);
/* "small", "moderate", "large" for where x lies in lo..hi. */
const char *sec_size_word(double x, double lo, double hi);
/* "mild", "moderate", "severe" for "small", "moderate", "large". */
const char *sec_grade_word(const char *size);
/* "left" for +1, "right" for -1, "" for 0. */
const char *sec_side_word(int side);

#endif
