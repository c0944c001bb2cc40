/* canvas.c - see canvas.h. Shapes are rasterised inside their bounding box only;
 * every soft edge is a smoothstep over `soft` pixels.
 * SPDX-License-Identifier: Apache-2.0 */
#include "canvas.h"

#include "base/alloc.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { MAX_POINTS = 512, SPLINE_STEPS = 8 };

/* fminf and fmaxf are calls, for the sake of NaN; these are one instruction. */
static inline float lesser(float a, float b)
{
    return a < b ? a : b;
}

static inline float greater(float a, float b)
{
    return a > b ? a : b;
}

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

/* How many pixels both have: all, or none where one of them failed. */
static size_t shared(ph_canvas *c, const ph_canvas *other)
{
    c->failed |= other->failed;
    if (!c->at || !other->at)
        return 0;
    assert(c->width == other->width && c->height == other->height);
    return c->width * c->height;
}

void ph_add(ph_canvas *c, const ph_canvas *what, float gain)
{
    size_t n = shared(c, what);

    for (size_t i = 0; i < n; i++)
        c->at[i] += gain * what->at[i];
}

void ph_mul(ph_canvas *c, const ph_canvas *what)
{
    size_t n = shared(c, what);

    for (size_t i = 0; i < n; i++)
        c->at[i] *= what->at[i];
}

void ph_blend(ph_canvas *c, const ph_canvas *what, const ph_canvas *mask)
{
    size_t n = shared(c, what);
    size_t m = shared(c, mask);

    for (size_t i = 0; i < n && i < m; i++)
        c->at[i] += lesser(greater(mask->at[i], 0.f), 1.f) * (what->at[i] - c->at[i]);
}

void ph_clamp(ph_canvas *c, float lo, float hi)
{
    for (size_t i = 0; i < c->width * c->height; i++)
        c->at[i] = lesser(greater(c->at[i], lo), hi);
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
    case PH_MAX: return greater(p, k * v);
    case PH_MIN: return p + k * (lesser(p, v) - p);
    }
    return p;
}

/* 1 inside (d well below 0), 0 outside, over `soft` pixels around d = 0. */
static inline float coverage(float d, float soft)
{
    float t = 0.5f - d / greater(soft, 1.f);

    t = lesser(greater(t, 0.f), 1.f);
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
        x0 = lesser(x0, p[i].x);
        y0 = lesser(y0, p[i].y);
        x1 = greater(x1, p[i].x);
        y1 = greater(y1, p[i].y);
    }
    return box_around(c, x0 - margin, y0 - margin, x1 + margin, y1 + margin);
}

/* ---- Ovals --------------------------------------------------------------- */

typedef struct { float cs, sn, rx, ry, power; } oval_frame;

static oval_frame frame_of(ph_oval o)
{
    return (oval_frame){cosf(o.angle), sinf(o.angle), greater(o.rx, 1e-3f), greater(o.ry, 1e-3f),
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
            float d = rho > 1e-4f ? hypotf(dx, dy) * (1.f - 1.f / rho) : -lesser(f.rx, f.ry);
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
        row[i] += gain * (lesser(last, (float)i + 1.f) - greater(first, (float)i));
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
            float k = lesser(m->at[y * m->width + x], 1.f);

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

    t = lesser(greater(t, 0.f), 1.f);
    *radius = ra + (rb - ra) * t;
    float dx = x - a.x - t * ux, dy = y - a.y - t * uy;
    return sqrtf(dx * dx + dy * dy);
}

typedef enum { FLAT, ROUND, HOLLOW } profile;
typedef struct { profile kind; float soft, inner; } line_style;

static inline float line_coverage(const line_style *s, float d, float radius)
{
    float rho = d / greater(radius, 1e-3f);

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
    float reach = greater(ra, rb) + s->soft + 1.f;
    span box = box_around(m, lesser(a.x, b.x) - ox - reach, lesser(a.y, b.y) - oy - reach,
                          greater(a.x, b.x) - ox + reach, greater(a.y, b.y) - oy + reach);

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
    float reach = greater(ra, rb) + 1.f;
    span box = box_around(m, lesser(a.x, b.x) - ox - reach, lesser(a.y, b.y) - oy - reach,
                          greater(a.x, b.x) - ox + reach, greater(a.y, b.y) - oy + reach);

    for (size_t y = box.y0; y < box.y1; y++)
        for (size_t x = box.x0; x < box.x1; x++) {
            float radius;
            float d = rod_distance(a, b, ra, rb, (float)x + ox, (float)y + oy, &radius);
            float *at = m->at + y * m->width + x;

            *at = greater(*at, 1.f - d / greater(radius, 1e-3f));
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
    span b = box_of_points(c, p, n, greater(r0, r1) + s.soft + 2.f);

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
    paint_styled(c, p, n, r0, r1, (line_style){HOLLOW, 0.f, greater(inner, 1e-3f)}, mix, value);
}

void ph_paint_mask(ph_canvas *c, const ph_canvas *mask, ph_mix mix, float value)
{
    size_t n = shared(c, mask);

    for (size_t i = 0; i < n; i++) {
        float k = lesser(mask->at[i], 1.f);

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

/* ---- Texture ------------------------------------------------------------------- */

/* A lattice value in [-1, 1] from its place and the layer's seed (murmur finish). */
static inline float lattice(uint64_t seed, long x, long y)
{
    uint64_t h = seed ^ ((uint64_t)x * 0x9E3779B97F4A7C15u) ^ ((uint64_t)y * 0xC2B2AE3D27D4EB4Fu);

    h ^= h >> 33;
    h *= 0xFF51AFD7ED558CCDu;
    h ^= h >> 33;
    h *= 0xC4CEB9FE1A85EC53u;
    h ^= h >> 33;
    return (float)((double)(h >> 40) / 8388607.5 - 1.0);
}

/* One layer of smooth noise: four lattice values are held while x stays in a cell. */
static void add_layer(ph_canvas *c, const ph_canvas *mask, float cell, float gain, uint64_t seed)
{
    for (size_t y = 0; y < c->height; y++) {
        float fy = (float)y / cell, ty = fy - floorf(fy);
        long iy = (long)floorf(fy), held = -1;
        float left = 0.f, right = 0.f, per = 1.f / cell;

        ty = ty * ty * (3.f - 2.f * ty);
        for (size_t x = 0; x < c->width; x++) {
            float fx = (float)x * per, tx;
            long ix = (long)fx;                        /* x is never negative */

            if (ix != held) {
                left = ph_mixf(lattice(seed, ix, iy), lattice(seed, ix, iy + 1), ty);
                right = ph_mixf(lattice(seed, ix + 1, iy), lattice(seed, ix + 1, iy + 1), ty);
                held = ix;
            }
            tx = fx - (float)ix;
            tx = tx * tx * (3.f - 2.f * tx);
            c->at[y * c->width + x] +=
                gain * ph_mixf(left, right, tx) * (mask ? mask->at[y * c->width + x] : 1.f);
        }
    }
}

void ph_add_noise(ph_canvas *c, const ph_canvas *mask, float scale, int octaves, float fall,
                  float amount, rs_random *r)
{
    float power = 0.f, gain = 1.f;

    /* One layer's standard deviation is about 0.43 of its gain. */
    for (int i = 0; i < octaves; i++, gain *= fall)
        power += gain * gain;
    gain = amount / (0.43f * sqrtf(power));
    if (mask && !shared(c, mask))
        return;
    for (int i = 0; i < octaves; i++, gain *= fall, scale *= 0.5f)
        add_layer(c, mask, greater(scale, 1.f), gain, rs_random_u64(r));
}

/* Near enough to normal: four 16-bit uniforms summed, variance 1. */
static inline float quick_normal(rs_random *r)
{
    uint64_t u = rs_random_u64(r);
    uint64_t sum = (u & 0xFFFF) + (u >> 16 & 0xFFFF) + (u >> 32 & 0xFFFF) + (u >> 48);

    return ((float)sum / 65535.f - 2.f) * 1.7320508f;
}

void ph_add_grain(ph_canvas *c, float sigma, float blur, rs_random *r)
{
    ph_canvas g = ph_canvas_new(c->width, c->height);
    double power = 0;

    for (size_t i = 0; i < g.width * g.height; i++)
        g.at[i] = quick_normal(r);
    if (blur > 0.f)
        ph_blur(&g, blur);
    for (size_t i = 0; i < g.width * g.height; i++)
        power += (double)g.at[i] * (double)g.at[i];
    if (power > 0)
        ph_add(c, &g, sigma / (float)sqrt(power / (double)(g.width * g.height)));
    c->failed |= g.failed;
    ph_canvas_clear(&g);
}

/* ---- Filters --------------------------------------------------------------------- */

/* Lines are filtered LANES at a time: value i of lane j lies at v[i * step + j * lane]. */
enum { LANES = 16 };
typedef struct { float *v; size_t n, step, lane, lanes; } bundle;

static void load(float (*tmp)[LANES], const bundle *b)
{
    for (size_t i = 0; i < b->n; i++)
        for (size_t j = 0; j < b->lanes; j++)
            tmp[i][j] = b->v[i * b->step + j * b->lane];
}

static inline size_t inside(long i, long last)
{
    return i < 0 ? 0 : (size_t)(i > last ? last : i);
}

/* Mean over [-r, r], edges repeated. */
static void box_lines(const bundle *b, long r, float (*tmp)[LANES])
{
    long last = (long)b->n - 1;
    float sum[LANES] = {0}, scale = 1.f / (float)(2 * r + 1);

    load(tmp, b);
    for (long k = -r; k <= r; k++)
        for (size_t j = 0; j < LANES; j++)
            sum[j] += tmp[inside(k, last)][j];
    for (long i = 0; i <= last; i++) {
        const float *in = tmp[inside(i + r + 1, last)], *out = tmp[inside(i - r, last)];

        for (size_t j = 0; j < b->lanes; j++)
            b->v[(size_t)i * b->step + j * b->lane] = sum[j] * scale;
        for (size_t j = 0; j < LANES; j++)
            sum[j] += in[j] - out[j];
    }
}

static void kernel_lines(const bundle *b, const float *k, long r, float (*tmp)[LANES])
{
    long last = (long)b->n - 1;

    load(tmp, b);
    for (long i = 0; i <= last; i++) {
        float sum[LANES] = {0};

        for (long m = -r; m <= r; m++) {
            const float *at = tmp[inside(i + m, last)];

            for (size_t j = 0; j < LANES; j++)
                sum[j] += k[m + r] * at[j];
        }
        for (size_t j = 0; j < b->lanes; j++)
            b->v[(size_t)i * b->step + j * b->lane] = sum[j];
    }
}

/* Rows, then columns, by the kernel k of 2 r + 1 values or by a box where k is NULL. */
static void blur_lines(ph_canvas *c, const float *k, long r, float (*tmp)[LANES])
{
    size_t w = c->width, h = c->height;

    for (int columns = 0; columns < 2; columns++) {
        size_t across = columns ? w : h, along = columns ? h : w;

        for (size_t from = 0; from < across; from += LANES) {
            bundle b = {c->at + (columns ? from : from * w), along, columns ? w : 1,
                        columns ? 1 : w, across - from < LANES ? across - from : LANES};

            if (k)
                kernel_lines(&b, k, r, tmp);
            else
                box_lines(&b, r, tmp);
        }
    }
}

void ph_blur(ph_canvas *c, float sigma)
{
    enum { MOST = 6 };
    float k[2 * MOST + 1], sum = 0.f;

    if (!c->at || sigma < 0.2f)
        return;
    float (*tmp)[LANES] =
        rs_calloc_aligned(c->width > c->height ? c->width : c->height, sizeof *tmp);

    if (!tmp) {
        c->failed = true;
        return;
    }
    if (sigma > 2.f) {
        /* Three boxes of width w have the variance of the Gaussian: w^2 = 4 s^2 + 1. */
        float radius = (sqrtf(4.f * sigma * sigma + 1.f) - 1.f) / 2.f;
        long small = (long)floorf(radius), extra = lrintf(3.f * (radius - (float)small));

        for (long pass = 0; pass < 3; pass++)
            blur_lines(c, NULL, small + (pass < extra), tmp);
    } else {
        long r = (long)ceilf(3.f * sigma);

        for (long i = -r; i <= r; i++)
            sum += k[i + r] = expf(-(float)(i * i) / (2.f * sigma * sigma));
        for (long i = 0; i <= 2 * r; i++)
            k[i] /= sum;
        blur_lines(c, k, r, tmp);
    }
    rs_free(tmp);
}

void ph_sharpen(ph_canvas *c, float sigma, float gain)
{
    ph_canvas low = ph_canvas_copy(c);
    size_t n = shared(c, &low);

    ph_blur(&low, sigma);
    for (size_t i = 0; i < n; i++)
        c->at[i] += gain * (c->at[i] - low.at[i]);
    c->failed |= low.failed;
    ph_canvas_clear(&low);
}

/* Bilinear, edges repeated. */
static float sample(const ph_canvas *c, float x, float y)
{
    x = lesser(greater(x, 0.f), (float)(c->width - 1));
    y = lesser(greater(y, 0.f), (float)(c->height - 1));
    size_t ix = (size_t)x, iy = (size_t)y;
    size_t jx = ix + 1 < c->width ? ix + 1 : ix, jy = iy + 1 < c->height ? iy + 1 : iy;
    float tx = x - (float)ix, ty = y - (float)iy;

    return ph_mixf(ph_mixf(c->at[iy * c->width + ix], c->at[iy * c->width + jx], tx),
                   ph_mixf(c->at[jy * c->width + ix], c->at[jy * c->width + jx], tx), ty);
}

void ph_warp(ph_canvas *c, float scale, float amount, rs_random *r)
{
    ph_canvas dx = ph_canvas_new(c->width, c->height), dy = ph_canvas_new(c->width, c->height);
    ph_canvas from = ph_canvas_copy(c);

    ph_add_noise(&dx, NULL, scale, 1, 0.5f, 0.43f * amount, r);
    ph_add_noise(&dy, NULL, scale, 1, 0.5f, 0.43f * amount, r);
    c->failed |= dx.failed || dy.failed || from.failed;
    if (!c->failed)
        for (size_t y = 0; y < c->height; y++)
            for (size_t x = 0; x < c->width; x++) {
                size_t i = y * c->width + x;

                c->at[i] = sample(&from, (float)x + dx.at[i], (float)y + dy.at[i]);
            }
    ph_canvas_clear(&dx);
    ph_canvas_clear(&dy);
    ph_canvas_clear(&from);
}

void ph_vignette(ph_canvas *c, float amount)
{
    float w = (float)c->width * 0.5f, h = (float)c->height * 0.5f;

    for (size_t y = 0; y < c->height; y++)
        for (size_t x = 0; x < c->width; x++) {
            float u = ((float)x - w) / w, v = ((float)y - h) / h;

            c->at[y * c->width + x] -= amount * 0.5f * (u * u + v * v);
        }
}

/* ---- Measuring --------------------------------------------------------------------- */

bool ph_mask_box(const ph_canvas *mask, float level, double box[4])
{
    size_t x0 = mask->width, y0 = mask->height, x1 = 0, y1 = 0;

    for (size_t y = 0; y < mask->height; y++)
        for (size_t x = 0; x < mask->width; x++)
            if (mask->at[y * mask->width + x] > level) {
                x0 = x < x0 ? x : x0;
                x1 = x + 1 > x1 ? x + 1 : x1;
                y0 = y < y0 ? y : y0;
                y1 = y + 1;
            }
    bool any = x1 > 0;

    box[0] = any ? (double)x0 : 0;
    box[1] = any ? (double)y0 : 0;
    box[2] = (double)x1;
    box[3] = (double)y1;
    return any;
}

bool ph_diff_box(const ph_canvas *a, const ph_canvas *b, float level, double box[4])
{
    ph_canvas d = ph_canvas_copy(a);
    size_t n = shared(&d, b);

    for (size_t i = 0; i < n; i++)
        d.at[i] = fabsf(d.at[i] - b->at[i]);
    bool any = ph_mask_box(&d, level, box);

    ph_canvas_clear(&d);
    return any;
}

void ph_box_grow(double box[4], double margin, size_t width, size_t height)
{
    box[0] = fmax(0, box[0] - margin);
    box[1] = fmax(0, box[1] - margin);
    box[2] = fmin((double)width, box[2] + margin);
    box[3] = fmin((double)height, box[3] + margin);
}

double ph_mean(const ph_canvas *c, const ph_canvas *mask)
{
    double sum = 0, weight = 0;

    for (size_t i = 0; i < c->width * c->height; i++) {
        double k = mask ? (double)mask->at[i] : 1;

        sum += k * (double)c->at[i];
        weight += k;
    }
    return weight > 0 ? sum / weight : 0;
}

/* ---- Output --------------------------------------------------------------------------- */

rs_status ph_to_image(rs_image *im, const ph_canvas *c, float lo, float hi, float gamma,
                      rs_err *err)
{
    rs_status st;

    if (c->failed || !c->at)
        return rs_fail(err, RS_ENOMEM, "drawing: no memory");
    if ((st = rs_image_new(im, c->width, c->height, 1, 8, err)) != RS_OK)
        return st;
    unsigned char *out = im->pixels;

    for (size_t i = 0; i < c->width * c->height; i++) {
        float t = lesser(greater((c->at[i] - lo) / (hi - lo), 0.f), 1.f);

        if (gamma != 1.f)
            t = powf(t, gamma);
        out[i] = (unsigned char)lrintf(255.f * t);
    }
    return RS_OK;
}

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
