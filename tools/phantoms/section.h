/* section.h - what every cross-section is drawn with: a picture in millimetres,
 * shapes by signed distance, ink, noise, windowing.
 *
 * A sec_scene holds up to SEC_CHANNELS pictures of one slice (the sequences of an MR
 * study; CT uses one), all drawn in the same strokes. Each pixel knows its place in
 * the body: (u, v) in millimetres, u to the image's right (the patient's left), v
 * down (posterior), after rotation, shift and a smooth warp that makes each patient
 * other than the last. Shapes are given in that frame, so a shape bends with its
 * patient.
 *
 *   sec_scene_init -> sec_paint ... -> sec_blur, sec_noise -> sec_to_image
 *
 * Everything is drawn from rs_random streams: same stream, same bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_PHANTOM_SECTION_H
#define RS_PHANTOM_SECTION_H

#include "phantom.h"

enum {
    SEC_CHANNELS = 3,
    SEC_POINTS = 64,             /* most vertices of a shape */
    SEC_DIRECTIONS = 1024,       /* entries of a polar outline */
    SEC_SPARE = 7                /* scratch fields; sec_paint uses the last, noise 0..2 */
};

typedef struct { float x, y; } sec_point;

/* Pixels x0 <= x < x1, y0 <= y < y1. */
typedef struct { size_t x0, y0, x1, y1; } sec_region;

/* The extent of what was painted, in pixels; starts as SEC_BOX_EMPTY. */
typedef struct { double x0, y0, x1, y1; } sec_box;
#define SEC_BOX_EMPTY {1e9, 1e9, -1e9, -1e9}

typedef struct {
    size_t width, height, channels;
    float  mm;                       /* a pixel's side */
    float  centre_x, centre_y;       /* pixel at which u = v = 0 */
    float  cosine, sine;             /* of the rotation */
    float  stretch_x, stretch_y;     /* a shape's (x, y) mm lies at (x * stretch_x * */
    float  taper;                    /* (1 + taper * y / 100), y * stretch_y): sec_stretch() */
    float  slack;                    /* mm by which warps may move a point at most */
    float *u, *v;                    /* [height x width] place of each pixel, mm */
    float *picture[SEC_CHANNELS];    /* [height x width] */
    float *rough, *fine;             /* unit-variance periodic noise: ~6 mm, ~2 mm */
    float *spare[SEC_SPARE];
    void  *block;                    /* owned; all of the above */
} sec_scene;

typedef struct {
    size_t    width, height, channels;
    float     mm;
    float     turn;                  /* rotation, radians */
    sec_point shift;                 /* of the body's centre from the picture's, mm */
    float     warp;                  /* mm, standard deviation of the smooth warp */
    float     warp_size;             /* mm, its wavelength */
} sec_setup;

/* RS_ENOMEM. On RS_OK end with sec_scene_clear(). */
rs_status sec_scene_init(sec_scene *s, const sec_setup *setup, rs_random *r, rs_err *err);
/* Give the body its proportions: wider by x, deeper by y, wider behind by taper. */
void      sec_stretch(sec_scene *s, float x, float y, float taper);
void      sec_scene_clear(sec_scene *s);             /* {0} is fine */

/* ---- Shapes ---------------------------------------------------------- */

/* A closed outline, or (tube) a chain of points with a radius each. */
typedef struct {
    bool      tube;
    size_t    n;
    sec_point p[SEC_POINTS];
    float     radius[SEC_POINTS];
} sec_shape;

/* Ellipse with half axes a, b turned by `turn` radians; `lumps` (0..0.3) makes the
 * outline uneven by that share of its radius. r may be NULL when lumps is 0. */
sec_shape sec_ellipse(float x, float y, float a, float b, float turn, float lumps,
                      rs_random *r);
/* A smooth closed curve through n <= 16 points (Catmull-Rom). */
sec_shape sec_curve(const sec_point *p, size_t n);
/* A smooth open tube through n <= 12 points with radius[i] at each. */
sec_shape sec_tube(const sec_point *p, const float *radius, size_t n);
/* The same without smoothing: n <= SEC_POINTS straight pieces, quick to draw. */
sec_shape sec_chain(const sec_point *p, const float *radius, size_t n);
/* Mirror at u = 0. */
sec_shape sec_mirror(const sec_shape *a);
/* Move and scale about (0, 0): p -> p * scale + (dx, dy). */
sec_shape sec_move(const sec_shape *a, float scale, float dx, float dy);
float     sec_distance(const sec_shape *a, float x, float y);      /* < 0 inside, mm */
/* field[i] = min(field[i], distance) for the pixels within `reach` mm of a tube. */
void sec_carve(const sec_scene *s, const sec_shape *tube, float reach, float *field);
/* d[i] = distance of each pixel of the returned region: the shape grown by `margin`
 * mm and the scene's slack; what is farther than `margin` may read as any distance above
 * it. d: [height x width], other entries are left. */
sec_region sec_distances(const sec_scene *s, const sec_shape *a, float margin, float *d);

/* ---- Ink ------------------------------------------------------------- */

typedef struct {
    float  value[SEC_CHANNELS];
    float  soft;                     /* mm over which the edge fades; 0: one pixel */
    float  grow;                     /* mm added all around */
    float  alpha;                    /* 0 means 1 */
    float  ragged;                   /* mm by which rough noise moves the edge */
    float  grain;                    /* value's variation by noise, in value units */
    bool   add;                      /* add value instead of covering with it */
    const float *clip;               /* [height x width] 0..1 factor, or NULL */
    sec_box     *box;                /* grows to what was painted, or NULL */
    bool   blank;                    /* grow the box but leave the picture alone */
} sec_ink;

/* Offsets into the noise fields come from r, so that no two shapes share noise. */
void sec_paint(sec_scene *s, const sec_shape *a, const sec_ink *ink, rs_random *r);
/* The same for distances that the caller made: d in `where`. */
void sec_paint_field(sec_scene *s, const float *d, sec_region where, const sec_ink *ink,
                     rs_random *r);
sec_region sec_everywhere(const sec_scene *s);
void sec_box_add(sec_box *b, double x, double y);

/* ---- Polar outlines -------------------------------------------------- */

/* Radius by direction around (0, centre_y): entry k stands for the angle
 * 2 pi k / SEC_DIRECTIONS, 0 anterior (up), growing towards the image's right. */
typedef struct { float radius[SEC_DIRECTIONS]; } sec_outline;

/* From a closed curve that its centre sees whole. */
void  sec_outline_of(sec_outline *o, const sec_shape *curve);
float sec_outline_at(const sec_outline *o, float angle);            /* radians */
sec_point sec_outline_point(const sec_outline *o, float angle, float depth);
/* depth[i] = mm under the outline (negative outside), angle[i] (may be NULL). */
void  sec_depths(const sec_scene *s, const sec_outline *o, float *depth, float *angle);

/* ---- Noise, blur, output --------------------------------------------- */

/* out += amplitude * smooth periodic noise of unit variance with cells of `cell` px.
 * scratch: at least (width / cell + 2) * (height / cell + 2) floats. */
void sec_noise(float *out, size_t width, size_t height, double cell, float amplitude,
               float *scratch, rs_random *r);
/* A fast approximate normal number (four 16-bit uniforms). */
float sec_normal(rs_random *r);
/* Binomial blur of `times` passes of (1 2 1) / 4 both ways. scratch: one row. */
void sec_blur(float *a, size_t width, size_t height, unsigned times, float *scratch);
/* CT noise of standard deviation `sigma`, correlated as a reconstruction kernel does. */
void sec_ct_noise(sec_scene *s, float sigma, float sharpness, rs_random *r);
/* MR magnitude noise: picture = |picture + complex noise|. */
void sec_rician(sec_scene *s, size_t channel, float sigma, rs_random *r);
/* 8-bit grey: low -> 0, high -> 255. */
rs_status sec_to_image(rs_image *im, const sec_scene *s, size_t channel, float low,
                       float high, rs_err *err);

static inline float sec_range(rs_random *r, double lo, double hi)
{
    return (float)rs_random_range(r, lo, hi);
}

static inline float sec_mix(float a, float b, float t)
{
    return a + (b - a) * t;
}

/* 0 at lo and beyond, 1 at hi and beyond, smooth between; lo may be above hi. */
static inline float sec_step(float lo, float hi, float x)
{
    float t = lo != hi ? (x - lo) / (hi - lo) : (x >= lo ? 1.0f : 0.0f);

    if (t <= 0.0f)
        return 0.0f;
    if (t >= 1.0f)
        return 1.0f;
    return t * t * (3.0f - 2.0f * t);
}

#endif
