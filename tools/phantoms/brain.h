/* brain.h - the head in axial section, drawn for head CT and brain MR alike.
 *
 * The same strokes lay down tissues; a table says how bright each tissue is in each
 * picture. The cortex follows its sulci: sulci are tubes that wander inwards from the
 * brain's surface, and what lies within three millimetres of the fluid is grey. That
 * one rule makes ribbons, gyri, the insula and atrophy (wider tubes) look as they do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_PHANTOM_BRAIN_H
#define RS_PHANTOM_BRAIN_H

#include "section.h"

typedef enum {
    BRAIN_BASE,          /* suprasellar cistern, temporal lobes, midbrain */
    BRAIN_VENTRICLES,    /* frontal horns, third ventricle, basal ganglia */
    BRAIN_BODIES,        /* bodies of the lateral ventricles */
    BRAIN_VERTEX,        /* centrum semiovale */
    BRAIN_LEVELS
} brain_level;

typedef enum {
    BRAIN_AIR, BRAIN_SKIN, BRAIN_FAT, BRAIN_MUSCLE, BRAIN_BONE, BRAIN_DIPLOE,
    BRAIN_FLUID,         /* ventricles */
    BRAIN_SULCAL,        /* sulci and cisterns: blood may fill them alone */
    BRAIN_GREY, BRAIN_WHITE, BRAIN_DEEP, BRAIN_PALLIDUM, BRAIN_FALX, BRAIN_PLEXUS,
    BRAIN_VESSEL, BRAIN_TISSUES
} brain_tissue;

/* The value of each tissue in each picture. */
typedef float brain_inks[BRAIN_TISSUES][SEC_CHANNELS];

/* One patient, and what disease does to the shape of the brain. */
typedef struct {
    float wide, longer, taper;       /* head's proportions, around 1, 1, 0 */
    float bone;                      /* skull thickness, mm */
    float scalp;                     /* mm */
    float atrophy;                   /* 0 young .. 1 severe */
    float ventricles;                /* scale of their width; 1 as age has it */
    float plexus;                    /* calcification of the choroid plexus, 0..1 */
    bool  sinus;                     /* frontal sinus in the slice */
    uint64_t folds;                  /* seed of the gyral pattern */
    /* disease */
    float shift;                     /* mm, midline pushed away from `side` */
    float side;                      /* -1 the image's left (patient's right), +1 */
    sec_point efface;                /* sulci are narrow around here ... */
    float efface_radius;             /* ... to this distance, mm; 0: nowhere */
    float collection[SEC_DIRECTIONS];/* mm between inner table and brain */
} brain_plan;

/* A patient of this age, nothing wrong. */
void brain_plan_init(brain_plan *p, int age, rs_random *r);

enum {                               /* fields left in the scene for the findings */
    BRAIN_DEPTH = 3,                 /* spare: mm under the inner table */
    BRAIN_MASK = 4,                  /* spare: 1 in the brain, 0 outside it */
    BRAIN_FLUID_DISTANCE = 5         /* spare: mm from surface or sulcal fluid */
};

/* Draw level `l` of patient `p`; the scene was set up at about 0.5-0.6 mm a pixel. */
void brain_draw(sec_scene *s, const brain_plan *p, brain_level l, const brain_inks inks,
                rs_random *r);
/* The inner table's outline at a level, in the scene's frame after brain_draw(). */
void brain_inner_table(sec_outline *o, brain_level l);
/* The lateral ventricles of a level as tubes; returns how many (at most 4). */
size_t brain_lateral_ventricles(sec_shape *out, const brain_plan *p, brain_level l);

#endif
