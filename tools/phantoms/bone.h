/* bone.h - one long bone as a film shows it: a hollow shaft between two ends.
 *
 * Along the bone runs t, 0 at `a`, 1 at `b`; across it the distance from the axis over
 * the half width there. Cortex is thick at the waist, thin at the ends, which are
 * filled with spongy bone. A broken bone is drawn in two pieces.
 *
 *        a                                   b
 *      ,---.______________________________,---.
 *     ( ra           rm (waist)            rb  )
 *      `---'``````````````````````````````'---'
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_PHANTOM_BONE_H
#define RS_PHANTOM_BONE_H

#include "canvas.h"

typedef struct {
    ph_point a, b;               /* pixels */
    float ra, rm, rb;            /* half widths, pixels */
    float cap_a, cap_b;          /* over which length the ends are rounded, pixels */
    float wall;                  /* cortex over half width at the waist, 0..1 */
    float plate;                 /* t of an open growth plate, 0 none */
    float plate_width;           /* pixels */
    float break_at;              /* t of a fracture, 0 none */
    float bend, slip, gap;       /* radians; pixels across; pixels along */
} ph_bone;

/* Add the bone to c: about `value` where it is thick. */
void ph_paint_bone(ph_canvas *c, const ph_bone *bone, float value);
/* Where the far end came to lie: b, or b carried along by the fracture. */
ph_point ph_bone_end(const ph_bone *bone);
/* The point at t on the unbroken axis. */
ph_point ph_bone_at(const ph_bone *bone, float t);

#endif
