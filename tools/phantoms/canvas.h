/* canvas.h - drawing in floats: what the phantoms are made of.
 *
 * A canvas is a field of numbers, in the radiographs the attenuation summed along
 * the ray, in the sections the value of the slice. Shapes have soft edges: `soft`
 * is the width in pixels over which coverage falls from 1 to 0, centred on the
 * outline. A shape is painted straight onto a picture or, where several shapes make
 * one organ, with PH_MAX and value 1 onto an empty canvas (a mask), which is then
 * blurred, warped or textured and painted as a whole with ph_paint_mask().
 *
 * Coordinates are pixels, x to the right, y down, pixel centres at integers.
 * Angles are radians, clockwise on the screen. Nothing here fails but what
 * allocates, and that is told at the end (see ph_canvas); all follows from the arguments. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_PHANTOM_CANVAS_H
#define RS_PHANTOM_CANVAS_H

#include "phantom.h"

/* How a shape of coverage k (0..1) and value v meets what is there (p):
 *   PH_ADD  p + k v        PH_MUL  p (1 + k (v - 1))      PH_SET  p + k (v - p)
 *   PH_MAX  max(p, k v)    PH_MIN  min(p, v) blended by k                        */
typedef enum { PH_ADD, PH_MUL, PH_SET, PH_MAX, PH_MIN } ph_mix;

typedef struct { float x, y; } ph_point;

/* ---- Canvases ---------------------------------------------------------- */

ph_canvas ph_canvas_new(size_t width, size_t height);      /* zeroed; caller clears */
ph_canvas ph_canvas_copy(const ph_canvas *from);
void      ph_canvas_clear(ph_canvas *c);                   /* {0} is fine */
/* Two canvases that meet in a call have the same size. */
void      ph_fill(ph_canvas *c, float value);
void      ph_add(ph_canvas *c, const ph_canvas *what, float gain);    /* c += gain * what */
void      ph_mul(ph_canvas *c, const ph_canvas *what);                /* c *= what */
/* c = c + mask * (what - c): `what` seen through the mask. */
void      ph_blend(ph_canvas *c, const ph_canvas *what, const ph_canvas *mask);
/* Clamp each value; the sections' windows, the masks' 0..1. */
void      ph_clamp(ph_canvas *c, float lo, float hi);
/* p = a + b p */
void      ph_affine(ph_canvas *c, float a, float b);

/* ---- Shapes ------------------------------------------------------------ */

/* |x/rx|^power + |y/ry|^power <= 1, turned by `angle`; power 2 is an ellipse, 4 a
 * rounded box, 1.6 a pointed one; 0 is read as 2. */
typedef struct { float x, y, rx, ry, angle, power; } ph_oval;

void ph_paint_oval(ph_canvas *c, ph_oval o, float soft, ph_mix mix, float value);
/* As if an ellipsoid were projected: coverage sqrt(1 - rho^2), 1 in the middle. */
void ph_paint_ellipsoid(ph_canvas *c, ph_oval o, ph_mix mix, float value);
/* A closed polygon, even-odd. At most 512 points. */
void ph_paint_polygon(ph_canvas *c, const ph_point *p, size_t n, float soft, ph_mix mix,
                      float value);
/* A closed smooth outline through the points (Catmull-Rom), filled. At most 64. */
void ph_paint_blob(ph_canvas *c, const ph_point *p, size_t n, float soft, ph_mix mix,
                   float value);
/* A line of n points whose radius runs from r0 to r1; the union of its pieces is
 * painted once, so joints are not doubled. At most 512 points. */
void ph_paint_line(ph_canvas *c, const ph_point *p, size_t n, float r0, float r1, float soft,
                   ph_mix mix, float value);
/* The same line as a projected rod: coverage sqrt(1 - (d/r)^2). */
void ph_paint_rod(ph_canvas *c, const ph_point *p, size_t n, float r0, float r1, ph_mix mix,
                  float value);
/* A projected pipe: wall between r and r * inner (0..1), bright at its edges. */
void ph_paint_pipe(ph_canvas *c, const ph_point *p, size_t n, float r0, float r1, float inner,
                   ph_mix mix, float value);
/* Paint `value` wherever the mask covers (mask clamped to 0..1 while read). */
void ph_paint_mask(ph_canvas *c, const ph_canvas *mask, ph_mix mix, float value);

/* Catmull-Rom through n points, `out` gets m points evenly spaced in parameter. */
void ph_spline(ph_point *out, size_t m, const ph_point *p, size_t n, bool closed);
/* Move each point by up to `amount` along smooth noise, so that no two are alike. */
void ph_jitter(ph_point *p, size_t n, float amount, rs_random *r);
/* p = centre + scale * turn(p), for shapes written around the origin. */
void ph_place(ph_point *p, size_t n, float x, float y, float sx, float sy, float angle);

/* ---- Texture ------------------------------------------------------------ */

/* Add fractal value noise: `octaves` layers, the first with features `scale`
 * pixels apart, each next half as wide and `fall` (0.5) as strong. The sum has a
 * standard deviation near `amount`. With a mask, only where it covers. */
void ph_add_noise(ph_canvas *c, const ph_canvas *mask, float scale, int octaves, float fall,
                  float amount, rs_random *r);
/* Add white noise of standard deviation `sigma`, smoothed by a Gaussian of `blur`
 * pixels (0: not), its strength kept. */
void ph_add_grain(ph_canvas *c, float sigma, float blur, rs_random *r);

/* Gaussian of standard deviation `sigma` (three box passes above 2), edges repeated. */
void ph_blur(ph_canvas *c, float sigma);
/* c += gain * (c - blurred c): the edge enhancement of digital radiography. */
void ph_sharpen(ph_canvas *c, float sigma, float gain);
/* Bend the picture by smooth noise: features `scale` pixels, shifts up to `amount`. */
void ph_warp(ph_canvas *c, float scale, float amount, rs_random *r);
/* Darken (amount > 0) towards the corners: p -= amount * rho^2. */
void ph_vignette(ph_canvas *c, float amount);

/* ---- Measuring ---------------------------------------------------------- */

/* The smallest box (x0 y0 x1 y1, x1 and y1 past the end) around the pixels above
 * `level`; false and zeros where there are none. */
bool ph_mask_box(const ph_canvas *mask, float level, double box[4]);
/* The same around the pixels in which a and b differ by more than `level`. */
bool ph_diff_box(const ph_canvas *a, const ph_canvas *b, float level, double box[4]);
/* Grow by `margin` and keep inside width x height. */
void ph_box_grow(double box[4], double margin, size_t width, size_t height);
double ph_mean(const ph_canvas *c, const ph_canvas *mask);     /* mask NULL: all */

/* ---- Output -------------------------------------------------------------- */

/* 8-bit grey: lo -> 0, hi -> 255, with t^gamma between (1: straight), clamped.
 * RS_ENOMEM where the canvas failed on the way here. */
rs_status ph_to_image(rs_image *im, const ph_canvas *c, float lo, float hi, float gamma,
                      rs_err *err);
/* Letters and digits of a 5x7 font, `size` pixels a dot, painted with PH_SET: side
 * markers, "L", "R", "AP ERECT". Upper case only; others are blanks. */
void ph_paint_text(ph_canvas *c, const char *text, float x, float y, float size, float value);

/* ---- Small helpers ------------------------------------------------------- */

static inline float ph_range(rs_random *r, double lo, double hi)
{
    return (float)rs_random_range(r, lo, hi);
}

static inline bool ph_chance(rs_random *r, double p)
{
    return rs_random_unit(r) < p;
}

static inline float ph_mixf(float a, float b, float t)
{
    return a + (b - a) * t;
}

#endif
