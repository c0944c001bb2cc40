/* canvas.c - canvases and shapes on them; see canvas.h. Shapes are rasterised inside
 * their bounding box only; every soft edge is a smoothstep over `soft` pixels.
 * canvas_film.c makes a picture of what is drawn.
 * SPDX-License-Identifier: Apache-2.0 */
#include "canvas_int.h"

#include "base/alloc.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { MAX_POINTS = 512, SPLINE_STEPS = 8 };

/* ---- Canvases ---------------------------------------------------------- */

ph_canvas ph_canvas_new(size_t width, size_t height)
{
    ph_canvas c = {width, height, NULL, false};

    c.at = rs_calloc_aligned(width * height, sizeof *c.at);
    if (!c.at)
        c = (ph_canvas){0, 0, NULL, true};
    return c;
}

ph_canvas ph_canvas_copy(const ph_canvas *from)
{
    ph_canvas c = ph_canvas_new(from->width, from->height);

    if (from->width && c.at)
        memcpy(c.at, from->at, c.width * c.height * sizeof *c.at);
    c.failed |= from->failed;
    return c;
}

void ph_canvas_clear(ph_canvas *c)
{
    rs_free(c->at);
    *c = (ph_canvas){0};
}

void ph_fill(ph_canvas *c, float value)
{
    for (size_t i = 0; i < c->width * c->height; i++)
        c->at[i] = value;
}

size_t ph_shared(ph_canvas *c, const ph_canvas *other)
{
    c->failed |= other->failed;
    if (!c->at || !other->at)
        return 0;
    assert(c->width == other->width && c->height == other->height);
    return c->width * c->height;
}

void ph_add(ph_canvas *c, const ph_canvas *what, float gain)
{
    size_t n = ph_shared(c, what);

    for (size_t i = 0; i < n; i++)
        c->at[i] += gain * what->at[i];
}

void ph_mul(ph_canvas *c, const ph_canvas *what)
{
    size_t n = ph_shared(c, what);

    for (size_t i = 0; i < n; i++)
        c->at[i] *= what->at[i];
}

void ph_blend(ph_canvas *c, const ph_canvas *what, const ph_canvas *mask)
{
    size_t n = ph_shared(c, what);
    size_t m = ph_shared(c, mask);

    for (size_t i = 0; i < n && i < m; i++)
        c->at[i] += ph_lesser(ph_greater(mask->at[i], 0.f), 1.f) * (what->at[i] - c->at[i]);
}

void ph_clamp(ph_canvas *c, float lo, float hi)
{
    for (size_t i = 0; i < c->width * c->height; i++)
        c->at[i] = ph_lesser(ph_greater(c->at[i], lo), hi);
}

void ph_affine(ph_canvas *c, float a, float b)
{
    for (size_t i = 0; i < c->width * c->height; i++)
        c->at[i] = a + b * c->at[i];
}

/* ---- Painting one pixel and one box -------------------------------------- */

static inline float mixed(float p, float k, float v, ph_mix mix)
{
    switch (mix) {
    case PH_ADD: return p + k * v;
    case PH_MUL: return p * (1.f + k * (v - 1.f));
    case PH_SET: return p + k * (v - p);
    case PH_MAX: return ph_greater(p, k * v);
    case PH_MIN: return p + k * (ph_lesser(p, v) - p);
    }
    return p;
}

/* 1 inside (d well below 0), 0 outside, over `soft` pixels around d = 0. */
static inline float coverage(float d, float soft)
{
    float t = 0.5f - d / ph_greater(soft, 1.f);

    t = ph_lesser(ph_greater(t, 0.f), 1.f);
    return t * t * (3.f - 2.f * t);
}

/* Pixels [x0, x1) x [y0, y1) of a canvas. */
typedef struct { size_t x0, y0, x1, y1; } span;

static size_t clip(float v, size_t most)
{
    if (!(v > 0.f))
        return 0;
    return v >= (float)most ? most : (size_t)v;
}

static span box_around(const ph_canvas *c, float x0, float y0, float x1, float y1)
{
    return (span){clip(floorf(x0), c->width), clip(floorf(y0), c->height),
                  clip(ceilf(x1) + 1.f, c->width), clip(ceilf(y1) + 1.f, c->height)};
}

static span box_of_points(const ph_canvas *c, const ph_point *p, size_t n, float margin)
{
    float x0 = INFINITY, y0 = INFINITY, x1 = -INFINITY, y1 = -INFINITY;

    for (size_t i = 0; i < n; i++) {
        x0 = ph_lesser(x0, p[i].x);
        y0 = ph_lesser(y0, p[i].y);
        x1 = ph_greater(x1, p[i].x);
        y1 = ph_greater(y1, p[i].y);
    }
    return box_around(c, x0 - margin, y0 - margin, x1 + margin, y1 + margin);
}

/* ---- Ovals --------------------------------------------------------------- */

typedef struct { float cs, sn, rx, ry, power; } oval_frame;

static oval_frame frame_of(ph_oval o)
{
    return (oval_frame){cosf(o.angle), sinf(o.angle), ph_greater(o.rx, 1e-3f), ph_greater(o.ry, 1e-3f),
                        o.power > 0.f ? o.power : 2.f};
}

static span box_of_oval(const ph_canvas *c, ph_oval o, float margin)
{
    oval_frame f = frame_of(o);
    float w, h;

    if (f.power <= 2.f) {
        w = hypotf(f.rx * f.cs, f.ry * f.sn);
        h = hypotf(f.rx * f.sn, f.ry * f.cs);
    } else {
        w = fabsf(f.rx * f.cs) + fabsf(f.ry * f.sn);
        h = fabsf(f.rx * f.sn) + fabsf(f.ry * f.cs);
    }
    return box_around(c, o.x - w - margin, o.y - h - margin, o.x + w + margin, o.y + h + margin);
}

/* How far out the point is: 1 on the outline, 0 in the middle. */
static inline float oval_rho(const oval_frame *f, float dx, float dy)
{
    float u = (dx * f->cs + dy * f->sn) / f->rx;
    float v = (dy * f->cs - dx * f->sn) / f->ry;

    if (f->power == 2.f)
        return sqrtf(u * u + v * v);
    return powf(powf(fabsf(u), f->power) + powf(fabsf(v), f->power), 1.f / f->power);
}

void ph_paint_oval(ph_canvas *c, ph_oval o, float soft, ph_mix mix, float value)
{
    oval_frame f = frame_of(o);
    span b = box_of_oval(c, o, soft);

    for (size_t y = b.y0; y < b.y1; y++)
        for (size_t x = b.x0; x < b.x1; x++) {
            float dx = (float)x - o.x, dy = (float)y - o.y;
            float rho = oval_rho(&f, dx, dy);
            /* Distance to the outline along the ray from the centre. */
            float d = rho > 1e-4f ? hypotf(dx, dy) * (1.f - 1.f / rho) : -ph_lesser(f.rx, f.ry);
            float k = coverage(d, soft);

            if (k > 0.f)
                c->at[y * c->width + x] = mixed(c->at[y * c->width + x], k, value, mix);
        }
}

void ph_paint_ellipsoid(ph_canvas *c, ph_oval o, ph_mix mix, float value)
{
    oval_frame f = frame_of(o);
    span b = box_of_oval(c, o, 1.f);

    for (size_t y = b.y0; y < b.y1; y++)
        for (size_t x = b.x0; x < b.x1; x++) {
            float rho = oval_rho(&f, (float)x - o.x, (float)y - o.y);

            if (rho < 1.f)
                c->at[y * c->width + x] =
                    mixed(c->at[y * c->width + x], sqrtf(1.f - rho * rho), value, mix);
        }
}

/* ---- Polygons -------------------------------------------------------------- */

/* Add the crossings of height y with the outline to x[], sorted; their count. */
static size_t crossings(float *x, const ph_point *p, size_t n, float y)
{
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        ph_point a = p[i], b = p[(i + 1) % n];

        if ((a.y <= y) == (b.y <= y))
            continue;
        float v = a.x + (b.x - a.x) * (y - a.y) / (b.y - a.y);
        size_t j = m++;

        for (; j > 0 && x[j - 1] > v; j--)
            x[j] = x[j - 1];
        x[j] = v;
    }
    return m;
}

/* row[] += gain where [x0, x1) of a line covers the pixels, in part at the ends. */
static void cover_run(float *row, size_t width, float x0, float x1, float gain)
{
    float first = x0 + 0.5f, last = x1 + 0.5f;        /* pixel i spans [i, i + 1) */
    size_t from = clip(floorf(first), width), to = clip(ceilf(last), width);

    for (size_t i = from; i < to; i++)
        row[i] += gain * (ph_lesser(last, (float)i + 1.f) - ph_greater(first, (float)i));
}

/* Even-odd coverage of the outline, four lines a pixel, into a canvas whose upper
 * left pixel is (ox, oy) of the picture. */
static void rasterise(ph_canvas *m, const ph_point *p, size_t n, float ox, float oy)
{
    enum { LINES = 4 };
    float x[MAX_POINTS];

    for (size_t y = 0; y < m->height; y++)
        for (int s = 0; s < LINES; s++) {
            float at = oy + (float)y - 0.5f + ((float)s + 0.5f) / LINES;
            size_t k = crossings(x, p, n, at);

            for (size_t i = 0; i + 1 < k; i += 2)
                cover_run(m->at + y * m->width, m->width, x[i] - ox, x[i + 1] - ox,
                          1.f / LINES);
        }
}

/* Lay the small mask onto the picture at (b.x0, b.y0). */
static void paint_patch(ph_canvas *c, const ph_canvas *m, span b, ph_mix mix, float value)
{
    c->failed |= m->failed;
    for (size_t y = 0; y < m->height; y++)
        for (size_t x = 0; x < m->width; x++) {
            float *at = c->at + (b.y0 + y) * c->width + b.x0 + x;
            float k = ph_lesser(m->at[y * m->width + x], 1.f);

            if (k > 1e-4f)
                *at = mixed(*at, k, value, mix);
        }
}

void ph_paint_polygon(ph_canvas *c, const ph_point *p, size_t n, float soft, ph_mix mix,
                      float value)
{
    span b = box_of_points(c, p, n, soft + 2.f);

    assert(n <= MAX_POINTS);
    if (b.x0 >= b.x1 || b.y0 >= b.y1 || n < 3)
        return;
    ph_canvas m = ph_canvas_new(b.x1 - b.x0, b.y1 - b.y0);

    rasterise(&m, p, n, (float)b.x0, (float)b.y0);
    if (soft > 1.f)
        ph_blur(&m, soft * 0.3f);
    paint_patch(c, &m, b, mix, value);
    ph_canvas_clear(&m);
}

void ph_paint_blob(ph_canvas *c, const ph_point *p, size_t n, float soft, ph_mix mix, float value)
{
    ph_point outline[MAX_POINTS];

    assert(n * SPLINE_STEPS <= MAX_POINTS);
    ph_spline(outline, n * SPLINE_STEPS, p, n, true);
    ph_paint_polygon(c, outline, n * SPLINE_STEPS, soft, mix, value);
}

/* ---- Lines ------------------------------------------------------------------ */

/* Signed distance of (x, y) to the rod from a to b, and its radius there. */
static inline float rod_distance(ph_point a, ph_point b, float ra, float rb, float x, float y,
                                 float *radius)
{
    float ux = b.x - a.x, uy = b.y - a.y, len2 = ux * ux + uy * uy;
    float t = len2 > 0.f ? ((x - a.x) * ux + (y - a.y) * uy) / len2 : 0.f;

    t = ph_lesser(ph_greater(t, 0.f), 1.f);
    *radius = ra + (rb - ra) * t;
    float dx = x - a.x - t * ux, dy = y - a.y - t * uy;
    return sqrtf(dx * dx + dy * dy);
}

typedef enum { FLAT, ROUND, HOLLOW } profile;
typedef struct { profile kind; float soft, inner; } line_style;

static inline float line_coverage(const line_style *s, float d, float radius)
{
    float rho = d / ph_greater(radius, 1e-3f);

    if (s->kind == FLAT)
        return coverage(d - radius, s->soft);
    if (rho >= 1.f)
        return 0.f;
    if (s->kind == ROUND)
        return sqrtf(1.f - rho * rho);
    float in = rho / s->inner;
    return sqrtf(1.f - rho * rho) - (in < 1.f ? s->inner * sqrtf(1.f - in * in) : 0.f);
}

/* One piece of the line into the patch, united by maximum with the others. */
static void cover_piece(ph_canvas *m, const line_style *s, ph_point a, ph_point b, float ra,
                        float rb, float ox, float oy)
{
    float reach = ph_greater(ra, rb) + s->soft + 1.f;
    span box = box_around(m, ph_lesser(a.x, b.x) - ox - reach, ph_lesser(a.y, b.y) - oy - reach,
                          ph_greater(a.x, b.x) - ox + reach, ph_greater(a.y, b.y) - oy + reach);

    for (size_t y = box.y0; y < box.y1; y++)
        for (size_t x = box.x0; x < box.x1; x++) {
            float radius;
            float d = rod_distance(a, b, ra, rb, (float)x + ox, (float)y + oy, &radius);
            float k = line_coverage(s, d, radius);
            float *at = m->at + y * m->width + x;

            if (k > *at)
                *at = k;
        }
}

/* A pipe's pieces meet by the nearest, not by maximum: the wall of one would fill the
 * hollow of the next. So d/r is united first (kept as 1 - d/r, best first). */
static void cover_near(ph_canvas *m, ph_point a, ph_point b, float ra, float rb, float ox,
                       float oy)
{
    float reach = ph_greater(ra, rb) + 1.f;
    span box = box_around(m, ph_lesser(a.x, b.x) - ox - reach, ph_lesser(a.y, b.y) - oy - reach,
                          ph_greater(a.x, b.x) - ox + reach, ph_greater(a.y, b.y) - oy + reach);

    for (size_t y = box.y0; y < box.y1; y++)
        for (size_t x = box.x0; x < box.x1; x++) {
            float radius;
            float d = rod_distance(a, b, ra, rb, (float)x + ox, (float)y + oy, &radius);
            float *at = m->at + y * m->width + x;

            *at = ph_greater(*at, 1.f - d / ph_greater(radius, 1e-3f));
        }
}

static void hollow_out(ph_canvas *m, const line_style *s)
{
    for (size_t i = 0; i < m->width * m->height; i++)
        m->at[i] = line_coverage(s, 1.f - m->at[i], 1.f);
}

static void paint_styled(ph_canvas *c, const ph_point *p, size_t n, float r0, float r1,
                         line_style s, ph_mix mix, float value)
{
    span b = box_of_points(c, p, n, ph_greater(r0, r1) + s.soft + 2.f);

    assert(n <= MAX_POINTS);
    if (b.x0 >= b.x1 || b.y0 >= b.y1 || n < 2)
        return;
    ph_canvas m = ph_canvas_new(b.x1 - b.x0, b.y1 - b.y0);
    float ox = (float)b.x0, oy = (float)b.y0;

    for (size_t i = 0; i + 1 < n; i++) {
        float ra = ph_mixf(r0, r1, (float)i / (float)(n - 1));
        float rb = ph_mixf(r0, r1, (float)(i + 1) / (float)(n - 1));

        if (s.kind == HOLLOW)
            cover_near(&m, p[i], p[i + 1], ra, rb, ox, oy);
        else
            cover_piece(&m, &s, p[i], p[i + 1], ra, rb, ox, oy);
    }
    if (s.kind == HOLLOW)
        hollow_out(&m, &s);
    paint_patch(c, &m, b, mix, value);
    ph_canvas_clear(&m);
}

void ph_paint_line(ph_canvas *c, const ph_point *p, size_t n, float r0, float r1, float soft,
                   ph_mix mix, float value)
{
    paint_styled(c, p, n, r0, r1, (line_style){FLAT, soft, 0.f}, mix, value);
}

void ph_paint_rod(ph_canvas *c, const ph_point *p, size_t n, float r0, float r1, ph_mix mix,
                  float value)
{
    paint_styled(c, p, n, r0, r1, (line_style){ROUND, 0.f, 0.f}, mix, value);
}

void ph_paint_pipe(ph_canvas *c, const ph_point *p, size_t n, float r0, float r1, float inner,
                   ph_mix mix, float value)
{
    paint_styled(c, p, n, r0, r1, (line_style){HOLLOW, 0.f, ph_greater(inner, 1e-3f)}, mix, value);
}

void ph_paint_mask(ph_canvas *c, const ph_canvas *mask, ph_mix mix, float value)
{
    size_t n = ph_shared(c, mask);

    for (size_t i = 0; i < n; i++) {
        float k = ph_lesser(mask->at[i], 1.f);

        if (k > 0.f)
            c->at[i] = mixed(c->at[i], k, value, mix);
    }
}

/* ---- Points ------------------------------------------------------------------ */

static float catmull_rom(float a, float b, float c, float d, float t)
{
    return 0.5f * (2.f * b + t * ((c - a) + t * ((2.f * a - 5.f * b + 4.f * c - d) +
                                                 t * (3.f * (b - c) + d - a))));
}

void ph_spline(ph_point *out, size_t m, const ph_point *p, size_t n, bool closed)
{
    size_t pieces = closed ? n : n - 1;

    assert(n >= 2 && m >= 2);
    for (size_t i = 0; i < m; i++) {
        float at = (float)i * (float)pieces / (float)(closed ? m : m - 1);
        size_t k = (size_t)at < pieces ? (size_t)at : pieces - 1;
        float t = at - (float)k;
        ph_point a, b = p[k], c = p[(k + 1) % n], d;

        a = closed ? p[(k + n - 1) % n] : p[k > 0 ? k - 1 : 0];
        d = closed ? p[(k + 2) % n] : p[k + 2 < n ? k + 2 : n - 1];
        out[i].x = catmull_rom(a.x, b.x, c.x, d.x, t);
        out[i].y = catmull_rom(a.y, b.y, c.y, d.y, t);
    }
}

void ph_jitter(ph_point *p, size_t n, float amount, rs_random *r)
{
    float before = 0.f;

    /* Each radial push remembers half of its neighbour's: lumps, not spikes. */
    for (size_t i = 0; i < n; i++) {
        float dx = 0.5f * before + 0.5f * amount * ph_range(r, -1, 1);

        p[i].x += dx;
        p[i].y += 0.5f * amount * ph_range(r, -1, 1);
        before = dx;
    }
}

void ph_place(ph_point *p, size_t n, float x, float y, float sx, float sy, float angle)
{
    float cs = cosf(angle), sn = sinf(angle);

    for (size_t i = 0; i < n; i++) {
        float u = p[i].x * sx, v = p[i].y * sy;

        p[i].x = x + u * cs - v * sn;
        p[i].y = y + u * sn + v * cs;
    }
}

/* ---- Letters ----------------------------------------------------------------- */

/* Seven rows of five dots a letter, the leftmost dot in bit 4. */
static const struct { char letter; unsigned char rows[7]; } font[] = {
    {'A', {14, 17, 17, 31, 17, 17, 17}}, {'B', {30, 17, 17, 30, 17, 17, 30}},
    {'C', {14, 17, 16, 16, 16, 17, 14}}, {'D', {30, 17, 17, 17, 17, 17, 30}},
    {'E', {31, 16, 16, 30, 16, 16, 31}}, {'F', {31, 16, 16, 30, 16, 16, 16}},
    {'G', {14, 17, 16, 23, 17, 17, 14}}, {'H', {17, 17, 17, 31, 17, 17, 17}},
    {'I', {14, 4, 4, 4, 4, 4, 14}},      {'L', {16, 16, 16, 16, 16, 16, 31}},
    {'M', {17, 27, 21, 21, 17, 17, 17}}, {'N', {17, 25, 21, 19, 17, 17, 17}},
    {'O', {14, 17, 17, 17, 17, 17, 14}}, {'P', {30, 17, 17, 30, 16, 16, 16}},
    {'R', {30, 17, 17, 30, 20, 18, 17}}, {'S', {15, 16, 16, 14, 1, 1, 30}},
    {'T', {31, 4, 4, 4, 4, 4, 4}},       {'U', {17, 17, 17, 17, 17, 17, 14}},
    {'X', {17, 17, 10, 4, 10, 17, 17}},  {'1', {4, 12, 4, 4, 4, 4, 14}},
    {'2', {14, 17, 1, 6, 8, 16, 31}},    {'3', {30, 1, 1, 14, 1, 1, 30}},
};

void ph_paint_text(ph_canvas *c, const char *text, float x, float y, float size, float value)
{
    for (; *text; text++, x += 6.f * size)
        for (size_t i = 0; i < sizeof font / sizeof *font; i++) {
            if (font[i].letter != *text)
                continue;
            for (int row = 0; row < 7; row++)
                for (int dot = 0; dot < 5; dot++)
                    if (font[i].rows[row] >> (4 - dot) & 1)
                        ph_paint_oval(c,
                                      (ph_oval){x + ((float)dot + 0.5f) * size,
                                                y + ((float)row + 0.5f) * size, 0.62f * size,
                                                0.62f * size, 0.f, 4.f},
                                      1.f, PH_SET, value);
        }
}
