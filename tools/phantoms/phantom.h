/* phantom.h - what a drawn case is, shared by every anatomy of the sample archive.
 *
 * A phantom is a procedural picture that looks like what it stands for, with findings
 * whose kind, side, site, size and box are known, and a report in a radiologist's
 * prose. Everything follows from (seed, case index): same numbers, same bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_PHANTOM_H
#define RS_PHANTOM_H

#include "base/bytes.h"
#include "base/random.h"
#include "embeddings/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A float picture while it is drawn: [height x width], any range. Where memory ran
 * out `failed` is set and spreads to what is painted with it, as in rs_buf: draw on,
 * ph_to_image() tells at the end. A canvas whose own pixels are missing is 0 x 0. */
typedef struct {
    size_t width, height;
    float *at;                       /* owned */
    bool   failed;
} ph_canvas;

typedef struct {
    const char *kind;                /* "effusion" */
    const char *side;                /* "left" as of the patient, "right", "bilateral", "midline", "" */
    const char *site;                /* "lower zone", "frontal lobe", "" */
    const char *size;                /* "small", "moderate", "large", "12 mm" ... */
    size_t image;                    /* which image of the case it is boxed in */
    double box[4];                   /* x0 y0 x1 y1 in pixels of that image */
} ph_finding;

enum { PH_MAX_IMAGES = 3, PH_MAX_FINDINGS = 3 };

/* One finished case; the strings of findings are static, the reports are owned. */
typedef struct {
    const char *modality;            /* "CR", "DX", "CT", "MR" */
    const char *body_part;           /* "CHEST", "HEAD", "ABDOMEN", "HAND", "KNEE", "BRAIN" */
    const char *study;               /* "Frontal chest radiograph" */
    char        sex;                 /* 'F', 'M' */
    int         age;                 /* years */
    size_t      n_images;
    rs_image    images[PH_MAX_IMAGES];          /* 8-bit grey, 320..512 px a side */
    const char *view[PH_MAX_IMAGES];            /* "PA", "axial T2", ... */
    size_t      n_findings;          /* 0: normal */
    ph_finding  findings[PH_MAX_FINDINGS];
    char        label[96];           /* "chest: effusion, left, moderate": one a combination */
    char       *history, *findings_text, *impression;   /* owned */
    char       *caption;             /* owned; one line: study, finding, side, site */
    uint64_t    patient;             /* set before draw(): who it is. Sex, age, build and
                                        anatomy come from ph_patient(); two cases of one
                                        patient share the number, not `r` */
    bool        bare;                /* set before draw(): leave the finding out of the
                                        pictures, and nothing else; for tests */
} ph_case;

/* The stream of random numbers that makes the patient. */
static inline rs_random ph_patient(const ph_case *c)
{
    return rs_random_seed(c->patient);
}

/* One anatomy. `combinations` counts its finding/side/site choices (0 is normal);
 * draw() fills *c for choice `combo` from `r` alone. */
typedef struct {
    const char *name;                /* "chest" */
    size_t      combinations;
    double      weight;              /* its share of the archive */
    rs_status (*draw)(ph_case *c, size_t combo, rs_random *r, rs_err *err);
} ph_anatomy;

extern const ph_anatomy ph_chest, ph_hand, ph_knee;             /* radiographs */
extern const ph_anatomy ph_head_ct, ph_abdomen_ct, ph_brain_mr; /* cross-sections */

void ph_case_clear(ph_case *c);

#endif
