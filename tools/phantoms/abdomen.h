/* abdomen.h - the abdomen in axial section: wall, spine, vessels, organs, bowel.
 *
 * Hounsfield units and millimetres; the origin lies a little in front of the spine,
 * u grows to the image's right, the patient's left: the liver is at negative u.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_PHANTOM_ABDOMEN_H
#define RS_PHANTOM_ABDOMEN_H

#include "section.h"

typedef enum {
    ABDOMEN_UPPER,       /* liver, spleen, stomach */
    ABDOMEN_MIDDLE,      /* kidneys' hila, gallbladder, pancreas */
    ABDOMEN_LOWER,       /* lower poles, colon, small bowel */
    ABDOMEN_LEVELS
} abdomen_level;

typedef struct {
    float fat;                       /* subcutaneous, mm */
    float wide, deep;                /* proportions of the trunk, around 1 */
    float inner_fat;                 /* 0 lean .. 1 much fat between organs */
    float muscle;                    /* thickness of the wall, share of normal */
    float calcified;                 /* aortic wall, 0..1 */
    bool  enhanced;                  /* intravenous contrast */
    bool  oral;                      /* contrast in the bowel */
    float liver_hu;                  /* on top of normal: fat makes it darker */
    uint64_t inside;                 /* seed of the bowel's arrangement */
    /* disease */
    float spleen;                    /* scale, 1 normal */
    float aorta;                     /* radius, mm; 0: normal */
    float bowel;                     /* calibre of small bowel loops, 1 normal */
    bool  levels;                    /* gas-fluid levels in them */
} abdomen_plan;

void abdomen_plan_init(abdomen_plan *p, int age, char sex, rs_random *r);

enum {                               /* fields left in the scene */
    ABDOMEN_DEPTH = 3,               /* spare: mm inside the abdominal wall */
    ABDOMEN_LIVER = 4,               /* spare: 1 in the liver */
    ABDOMEN_SPLEEN = 5               /* spare: 1 in the spleen */
};

void abdomen_draw(sec_scene *s, const abdomen_plan *p, abdomen_level l, rs_random *r);
/* How wide the trunk is with its fat, mm: what the field of view must hold. */
float abdomen_width(const abdomen_plan *p);

/* Shapes that findings need. */
sec_shape abdomen_spleen(const abdomen_plan *p, abdomen_level l);
sec_point abdomen_kidney(abdomen_level l, int side);
sec_point abdomen_aorta(abdomen_level l);
sec_shape abdomen_gallbladder(void);

#endif
