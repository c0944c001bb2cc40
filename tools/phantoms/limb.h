/* limb.h - what hand and knee share: the film and the words.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_PHANTOM_LIMB_H
#define RS_PHANTOM_LIMB_H

#include "canvas.h"
#include "report.h"

typedef struct {
    size_t w, h;
    float  mm;                       /* pixels a millimetre */
    float  cx, cy;                   /* where (0, 0) lies */
    float  tilt, mirror;             /* mirror -1: x runs to the left */
} limb_film;

/* A film about `aspect` times as wide as high, 320..512 pixels a side. */
limb_film limb_film_new(float aspect, rs_random *r);

static inline ph_point limb_at(const limb_film *f, float x, float y)
{
    float u = f->mirror * x;

    return (ph_point){f->cx + f->mm * (u - f->tilt * y), f->cy + f->mm * (y + f->tilt * u)};
}

typedef struct {
    ph_canvas *soft, *bones, *over;  /* spent by limb_expose() */
    float soft_gain, bone_gain;
} limb_layers;

/* Layers to c->images[0]: trabeculae, blur, noise, field edges, the side marker. */
rs_status limb_expose(ph_case *c, const limb_film *f, const limb_layers *l, const char *marker,
                      rs_random *r, rs_err *err);
/* History, findings, impression, caption; `joint` is "hand" or "knee". */
rs_status limb_report(ph_case *c, const char *joint, rs_random *r, rs_err *err);

#endif
