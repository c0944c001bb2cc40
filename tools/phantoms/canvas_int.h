/* canvas_int.h - what the two files of the canvas share.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_PHANTOM_CANVAS_INT_H
#define RS_PHANTOM_CANVAS_INT_H

#include "canvas.h"

/* fminf and fmaxf are calls, for the sake of NaN; these are one instruction. */
static inline float ph_lesser(float a, float b)
{
    return a < b ? a : b;
}

static inline float ph_greater(float a, float b)
{
    return a > b ? a : b;
}

/* How many pixels both have: all, or none where one of them failed. */
size_t ph_shared(ph_canvas *c, const ph_canvas *other);

#endif
