/* section_shape.c - shapes of section.h: ellipses, smooth curves, tubes, outlines.
 * SPDX-License-Identifier: Apache-2.0 */
#include "section.h"

#include <assert.h>
#include <float.h>
#include <math.h>

static const float TWO_PI = 6.2831853071795865f;

/* ---- Making shapes --------------------------------------------------- */

sec_shape sec_ellipse(float x, float y, float a, float b, float turn, float lumps,
                      rs_random *r)
{
    sec_shape out = {.tube = false, .n = 32};
    float wave[4] = {0}, phase[4] = {0};

    for (size_t k = 0; r && lumps > 0.0f && k < 4; k++) {
        wave[k] = lumps * sec_normal(r) * 0.5f / (float)(k + 1);
        phase[k] = (float)rs_random_unit(r) * TWO_PI;
    }
    for (size_t i = 0; i < out.n; i++) {
        float t = TWO_PI * (float)i / (float)out.n, grow = 1.0f;

        for (size_t k = 0; k < 4; k++)
            grow += wave[k] * cosf((float)(k + 2) * t + phase[k]);
        if (grow < 0.4f)
            grow = 0.4f;
        float px = a * grow * cosf(t), py = b * grow * sinf(t);
        out.p[i].x = x + px * cosf(turn) - py * sinf(turn);
        out.p[i].y = y + px * sinf(turn) + py * cosf(turn);
    }
    return out;
}

static float spline(float a, float b, float c, float d, float t)
{
    return 0.5f * (2.0f * b + (c - a) * t + (2.0f * a - 5.0f * b + 4.0f * c - d) * t * t +
                   (3.0f * b - a - 3.0f * c + d) * t * t * t);
}

static sec_point spline_point(sec_point a, sec_point b, sec_point c, sec_point d, float t)
{
    return (sec_point){spline(a.x, b.x, c.x, d.x, t), spline(a.y, b.y, c.y, d.y, t)};
}

sec_shape sec_curve(const sec_point *p, size_t n)
{
    sec_shape out = {.tube = false};
    size_t each;

    assert(n >= 3 && n <= 16);
    each = SEC_POINTS / n;
    if (each > 6)
        each = 6;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < each; k++)
            out.p[out.n++] = spline_point(p[(i + n - 1) % n], p[i], p[(i + 1) % n],
                                          p[(i + 2) % n], (float)k / (float)each);
    return out;
}

sec_shape sec_tube(const sec_point *p, const float *radius, size_t n)
{
    enum { EACH = 4 };
    sec_shape out = {.tube = true};

    assert(n >= 1 && n <= 12);
    for (size_t i = 0; i + 1 < n; i++) {
        size_t before = i > 0 ? i - 1 : 0, after = i + 2 < n ? i + 2 : n - 1;

        for (size_t k = 0; k < EACH; k++) {
            float t = (float)k / (float)EACH;

            out.p[out.n] = spline_point(p[before], p[i], p[i + 1], p[after], t);
            out.radius[out.n++] = sec_mix(radius[i], radius[i + 1], t);
        }
    }
    out.p[out.n] = p[n - 1];
    out.radius[out.n++] = radius[n - 1];
    return out;
}

sec_shape sec_chain(const sec_point *p, const float *radius, size_t n)
{
    sec_shape out = {.tube = true, .n = n};

    assert(n >= 1 && n <= SEC_POINTS);
    for (size_t i = 0; i < n; i++) {
        out.p[i] = p[i];
        out.radius[i] = radius[i];
    }
    return out;
}

sec_shape sec_mirror(const sec_shape *a)
{
    sec_shape out = *a;

    for (size_t i = 0; i < out.n; i++)
        out.p[i].x = -out.p[i].x;
    return out;
}

sec_shape sec_move(const sec_shape *a, float scale, float dx, float dy)
{
    sec_shape out = *a;

    for (size_t i = 0; i < out.n; i++) {
        out.p[i].x = out.p[i].x * scale + dx;
        out.p[i].y = out.p[i].y * scale + dy;
        out.radius[i] *= scale;
    }
    return out;
}

/* ---- Distance -------------------------------------------------------- */

static float tube_distance(const sec_shape *a, float x, float y)
{
    float best = hypotf(x - a->p[0].x, y - a->p[0].y) - a->radius[0];

    for (size_t i = 0; i + 1 < a->n; i++) {
        float ex = a->p[i + 1].x - a->p[i].x, ey = a->p[i + 1].y - a->p[i].y;
        float wx = x - a->p[i].x, wy = y - a->p[i].y;
        float len = ex * ex + ey * ey, t = len > 0.0f ? (wx * ex + wy * ey) / len : 0.0f;

        t = t < 0.0f ? 0.0f : t > 1.0f ? 1.0f : t;
        wx -= t * ex;
        wy -= t * ey;
        float d = sqrtf(wx * wx + wy * wy) - sec_mix(a->radius[i], a->radius[i + 1], t);
        if (d < best)
            best = d;
    }
    return best;
}

/* A polygon made ready for many distances. */
typedef struct {
    size_t n;
    float x[SEC_POINTS], y[SEC_POINTS];            /* an edge's end */
    float ex[SEC_POINTS], ey[SEC_POINTS];          /* from there to its start */
    float inverse[SEC_POINTS];                     /* 1 / squared length */
    float lo_x, lo_y, hi_x, hi_y;
} polygon;

static void prepare(polygon *g, const sec_shape *a)
{
    g->n = a->n;
    g->lo_x = g->lo_y = FLT_MAX;
    g->hi_x = g->hi_y = -FLT_MAX;
    for (size_t i = 0, j = a->n - 1; i < a->n; j = i++) {
        float ex = a->p[j].x - a->p[i].x, ey = a->p[j].y - a->p[i].y, len = ex * ex + ey * ey;

        g->x[i] = a->p[i].x;
        g->y[i] = a->p[i].y;
        g->ex[i] = ex;
        g->ey[i] = ey;
        g->inverse[i] = len > 0.0f ? 1.0f / len : 0.0f;
        g->lo_x = fminf(g->lo_x, g->x[i]);
        g->hi_x = fmaxf(g->hi_x, g->x[i]);
        g->lo_y = fminf(g->lo_y, g->y[i]);
        g->hi_y = fmaxf(g->hi_y, g->y[i]);
    }
}

/* Distance to the edges; inside by even-odd crossings. Beyond `far` mm from the
 * polygon's box the distance to the box will do. */
static float polygon_distance(const polygon *g, float x, float y, float far)
{
    float out = fmaxf(fmaxf(g->lo_x - x, x - g->hi_x), fmaxf(g->lo_y - y, y - g->hi_y));
    float best = FLT_MAX;
    bool inside = false;

    if (out > far)
        return out;
    for (size_t i = 0; i < g->n; i++) {
        float ex = g->ex[i], ey = g->ey[i], wx = x - g->x[i], wy = y - g->y[i];
        float t = (wx * ex + wy * ey) * g->inverse[i];

        t = t < 0.0f ? 0.0f : t > 1.0f ? 1.0f : t;
        float bx = wx - t * ex, by = wy - t * ey, d = bx * bx + by * by;
        best = d < best ? d : best;
        if ((wy < 0.0f) != (wy < ey) && wx < ex * wy / ey)
            inside = !inside;
    }
    return inside ? -sqrtf(best) : sqrtf(best);
}

float sec_distance(const sec_shape *a, float x, float y)
{
    polygon g;

    if (a->tube)
        return tube_distance(a, x, y);
    prepare(&g, a);
    return polygon_distance(&g, x, y, FLT_MAX);
}

static size_t clamp_pixel(float at, size_t n)
{
    return at <= 0.0f ? 0 : at >= (float)n ? n : (size_t)at;
}

static sec_region shape_region(const sec_scene *s, const sec_shape *a, float margin)
{
    float lo_x = FLT_MAX, lo_y = FLT_MAX, hi_x = -FLT_MAX, hi_y = -FLT_MAX;

    for (size_t i = 0; i < a->n; i++) {
        float reach = (a->tube ? a->radius[i] : 0.0f) + margin + s->slack;
        float mx = a->p[i].x * s->stretch_x * (1.0f + s->taper * a->p[i].y / 100.0f);
        float my = a->p[i].y * s->stretch_y;
        float x = s->centre_x + (s->cosine * mx - s->sine * my) / s->mm;
        float y = s->centre_y + (s->sine * mx + s->cosine * my) / s->mm;

        reach = (reach > 0.0f ? reach : 0.0f) / s->mm + 1.5f;
        lo_x = fminf(lo_x, x - reach);
        hi_x = fmaxf(hi_x, x + reach);
        lo_y = fminf(lo_y, y - reach);
        hi_y = fmaxf(hi_y, y + reach);
    }
    return (sec_region){clamp_pixel(lo_x, s->width), clamp_pixel(lo_y, s->height),
                        clamp_pixel(hi_x + 1.0f, s->width),
                        clamp_pixel(hi_y + 1.0f, s->height)};
}

/* Exact at every fourth pixel, bilinear between: a distance is smooth but for its
 * ridges, and the ridges of a blob are deep inside it. */
static void coarse_distances(const sec_scene *s, const polygon *a, float far, sec_region g,
                             float *d)
{
    enum { STEP = 4 };

    for (size_t y0 = g.y0; y0 < g.y1; y0 += STEP) {
        size_t y1 = y0 + STEP < s->height ? y0 + STEP : s->height - 1;
        float right[2] = {0};

        for (size_t x0 = g.x0; x0 < g.x1; x0 += STEP) {
            size_t x1 = x0 + STEP < s->width ? x0 + STEP : s->width - 1;
            size_t at[4] = {y0 * s->width + x0, y0 * s->width + x1,
                            y1 * s->width + x0, y1 * s->width + x1};
            float c[4];

            for (size_t k = 0; k < 4; k++)
                if ((k & 1) == 0 && x0 > g.x0)
                    c[k] = right[k / 2];
                else
                    c[k] = polygon_distance(a, s->u[at[k]], s->v[at[k]], far);
            right[0] = c[1];
            right[1] = c[3];
            for (size_t y = y0; y < g.y1 && y < y0 + STEP; y++) {
                float ty = y1 > y0 ? (float)(y - y0) / (float)(y1 - y0) : 0.0f;
                float l = sec_mix(c[0], c[2], ty), e = sec_mix(c[1], c[3], ty);

                for (size_t x = x0; x < g.x1 && x < x0 + STEP; x++)
                    d[y * s->width + x] =
                        sec_mix(l, e, x1 > x0 ? (float)(x - x0) / (float)(x1 - x0) : 0.0f);
            }
        }
    }
}

void sec_carve(const sec_scene *s, const sec_shape *tube, float reach, float *field)
{
    for (size_t k = 0; k + 1 < tube->n; k++) {
        sec_shape piece = {.tube = true, .n = 2, .p = {tube->p[k], tube->p[k + 1]},
                           .radius = {tube->radius[k], tube->radius[k + 1]}};
        sec_region g = shape_region(s, &piece, reach);
        float ax = piece.p[0].x, ay = piece.p[0].y, ra = piece.radius[0];
        float ex = piece.p[1].x - ax, ey = piece.p[1].y - ay, dr = piece.radius[1] - ra;
        float len = ex * ex + ey * ey, inverse = len > 0.0f ? 1.0f / len : 0.0f;

        for (size_t y = g.y0; y < g.y1; y++)
            for (size_t x = g.x0; x < g.x1; x++) {
                size_t i = y * s->width + x;
                float wx = s->u[i] - ax, wy = s->v[i] - ay, t = (wx * ex + wy * ey) * inverse;

                t = t < 0.0f ? 0.0f : t > 1.0f ? 1.0f : t;
                wx -= t * ex;
                wy -= t * ey;
                float d = sqrtf(wx * wx + wy * wy) - ra - t * dr;
                field[i] = d < field[i] ? d : field[i];
            }
    }
}

sec_region sec_distances(const sec_scene *s, const sec_shape *a, float margin, float *d)
{
    enum { DOT = 26 };               /* pixels; what is smaller is measured everywhere */
    sec_region g = shape_region(s, a, margin);
    float far = margin > 0.0f ? margin + 6.0f * s->mm : 6.0f * s->mm;
    polygon edges;

    if (g.x1 <= g.x0 || g.y1 <= g.y0)
        return (sec_region){0, 0, 0, 0};
    if (a->tube && a->n > 1) {
        for (size_t y = g.y0; y < g.y1; y++)
            for (size_t x = g.x0; x < g.x1; x++)
                d[y * s->width + x] = 1e3f;
        sec_carve(s, a, margin, d);
        return g;
    }
    prepare(&edges, a);
    if (!a->tube && fminf(edges.hi_x - edges.lo_x, edges.hi_y - edges.lo_y) > DOT * s->mm) {
        coarse_distances(s, &edges, far, g, d);
        return g;
    }
    for (size_t y = g.y0; y < g.y1; y++)
        for (size_t x = g.x0; x < g.x1; x++) {
            size_t i = y * s->width + x;

            d[i] = a->tube ? sec_distance(a, s->u[i], s->v[i])
                           : polygon_distance(&edges, s->u[i], s->v[i], far);
        }
    return g;
}

/* ---- Outlines -------------------------------------------------------- */

/* A fast atan2 in the outline's sense: 0 at (0, -1), growing through (1, 0). Worst
 * error 4e-4 rad, well under an entry of the table (Abramowitz, Stegun 4.4.47 cut). */
static float direction(float x, float y)
{
    float ax = fabsf(x), ay = fabsf(y), big = fmaxf(ax, ay), small = fminf(ax, ay);
    float q = big > 0.0f ? small / big : 0.0f, q2 = q * q;
    float t = q * (0.9998660f + q2 * (-0.3302995f + q2 * (0.1801410f +
              q2 * (-0.0851330f + q2 * 0.0208351f))));

    if (ax > ay)
        t = TWO_PI / 4.0f - t;                      /* now from the vertical */
    if (y > 0.0f)
        t = TWO_PI / 2.0f - t;
    return x >= 0.0f ? t : TWO_PI - t;
}

void sec_outline_of(sec_outline *o, const sec_shape *curve)
{
    for (size_t k = 0; k < SEC_DIRECTIONS; k++) {
        float t = TWO_PI * (float)k / SEC_DIRECTIONS, dx = sinf(t), dy = -cosf(t);
        float best = 1.0f;

        for (size_t i = 0, j = curve->n - 1; i < curve->n; j = i++) {
            sec_point a = curve->p[j], e = {curve->p[i].x - a.x, curve->p[i].y - a.y};
            float det = e.x * dy - e.y * dx;

            if (fabsf(det) < 1e-9f)
                continue;
            float along = (a.y * e.x - a.x * e.y) / det;     /* along the ray */
            float share = (a.y * dx - a.x * dy) / det;       /* along the edge */
            if (share >= -1e-4f && share <= 1.0001f && along > best)
                best = along;
        }
        o->radius[k] = best;
    }
}

float sec_outline_at(const sec_outline *o, float angle)
{
    float k = angle / TWO_PI * SEC_DIRECTIONS;
    float whole = floorf(k);
    long at = (long)whole % SEC_DIRECTIONS;
    size_t i = (size_t)(at < 0 ? at + SEC_DIRECTIONS : at);

    return sec_mix(o->radius[i], o->radius[(i + 1) % SEC_DIRECTIONS], k - whole);
}

sec_point sec_outline_point(const sec_outline *o, float angle, float depth)
{
    float radius = sec_outline_at(o, angle) - depth;

    return (sec_point){radius * sinf(angle), -radius * cosf(angle)};
}

void sec_depths(const sec_scene *s, const sec_outline *o, float *depth, float *angle)
{
    size_t n = s->width * s->height;

    for (size_t i = 0; i < n; i++) {
        float x = s->u[i], y = s->v[i], t = direction(x, y);

        depth[i] = sec_outline_at(o, t) - sqrtf(x * x + y * y);
        if (angle)
            angle[i] = t;
    }
}
