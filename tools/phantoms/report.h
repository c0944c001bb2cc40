/* report.h - from a finding to a whole report: which sentences, in which order.
 *
 * A script holds the ways to say one finding; the normals are sentences about what is
 * not wrong, each with the topics it speaks of. A finding silences the topics that it
 * would contradict.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_PHANTOM_REPORT_H
#define RS_PHANTOM_REPORT_H

#include "prose.h"

typedef struct { const char *const *text; size_t n; } ph_texts;

/* {"...", "..."} as a ph_texts, in static storage. */
#define PH_TEXTS(...)                              \
    {                                              \
        (const char *const[]){__VA_ARGS__},        \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *) \
    }

typedef struct {
    ph_texts named;            /* noun phrases: "a {size} {side} pleural effusion" */
    ph_texts history;          /* why the picture was asked for */
    ph_texts said;             /* sentences of the findings */
    ph_texts concluded;        /* sentences of the impression: finding, side and site */
    unsigned silences;         /* topics of the normals it contradicts */
} ph_script;

typedef struct { unsigned topics; const char *text; } ph_normal;

typedef struct {
    ph_texts technique;        /* views and quality, now and then said */
    const ph_normal *normals;
    size_t n_normals;
    size_t least, most;        /* how many normals are said */
    ph_script normal;          /* of a picture without a finding */
    const char *caption_study; /* template of the study's name in captions, or NULL for
                                  the case's: "{frontal chest radiograph|chest X-ray}" */
} ph_reporter;

/* Fill history, findings_text, impression and caption. `s` NULL: nothing is wrong. Every
 * variable that the texts use is set in p beforehand. */
rs_status ph_write_report(ph_case *c, ph_prose *p, const ph_reporter *w, const ph_script *s,
                          rs_err *err);

#endif
