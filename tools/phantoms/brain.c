/* brain.c - see brain.h. Units are millimetres of a nominal head 132 wide and 165
 * long inside the skull; a patient's proportions stretch the scene's coordinates.
 * SPDX-License-Identifier: Apache-2.0 */
#include "brain.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const float PI = 3.14159265f;

/* Half outlines of the inner table, front to back, mirrored for the other side. */
enum { HALF = 9 };
static const sec_point inner_half[BRAIN_LEVELS][HALF] = {
    [BRAIN_BASE] = {{0, -64}, {23, -61}, {40, -48}, {51, -29}, {64, -8}, {66, 20}, {55, 50},
                    {30, 73}, {0, 80}},
    [BRAIN_VENTRICLES] = {{0, -79}, {27, -75}, {47, -58}, {59, -30}, {65, 3}, {64, 34},
                          {51, 62}, {27, 79}, {0, 84}},
    [BRAIN_BODIES] = {{0, -77}, {28, -72}, {48, -54}, {60, -27}, {66, 5}, {64, 35}, {50, 60},
                      {26, 76}, {0, 81}},
    [BRAIN_VERTEX] = {{0, -69}, {26, -63}, {44, -46}, {56, -21}, {60, 7}, {57, 34}, {44, 56},
                      {24, 70}, {0, 74}},
};

void brain_plan_init(brain_plan *p, int age, rs_random *r)
{
    float old = sec_step(35.0f, 95.0f, (float)age);

    memset(p, 0, sizeof *p);
    p->wide = 1.0f + 0.045f * sec_normal(r);
    p->longer = 1.0f + 0.035f * sec_normal(r);
    p->taper = 0.05f * sec_normal(r);
    p->bone = sec_range(r, 5.5, 8.5);
    p->scalp = sec_range(r, 4.5, 8.5);
    p->atrophy = old * 0.55f + 0.08f * fabsf(sec_normal(r));
    p->atrophy = p->atrophy > 0.65f ? 0.65f : p->atrophy;
    p->ventricles = sec_range(r, 0.8, 1.15) + 0.75f * p->atrophy;
    p->plexus = (float)rs_random_unit(r) * sec_step(20.0f, 50.0f, (float)age);
    p->sinus = rs_random_unit(r) < 0.3;
    p->folds = rs_random_u64(r);
}

void brain_inner_table(sec_outline *o, brain_level l)
{
    sec_point p[2 * HALF - 2];
    sec_shape curve;

    for (size_t i = 0; i < HALF; i++)
        p[i] = inner_half[l][i];
    for (size_t i = 1; i + 1 < HALF; i++)
        p[2 * HALF - 2 - i] = (sec_point){-inner_half[l][i].x, inner_half[l][i].y};
    curve = sec_curve(p, 2 * HALF - 2);
    sec_outline_of(o, &curve);
}

/* ---- Skull and scalp ------------------------------------------------- */

typedef struct {
    sec_outline inner, outer, scalp;
    float muscle[SEC_DIRECTIONS];            /* thickness of temporalis, mm */
} head_rings;

static void make_rings(head_rings *g, const brain_plan *p, brain_level l)
{
    static const float extra[BRAIN_LEVELS] = {0.5f, 0.0f, 0.6f, 3.0f};

    brain_inner_table(&g->inner, l);
    for (size_t k = 0; k < SEC_DIRECTIONS; k++) {
        float t = 2.0f * PI * (float)k / SEC_DIRECTIONS;
        float front = sec_step(0.86f, 1.0f, cosf(t)), back = sec_step(0.8f, 1.0f, -cosf(t));
        float temple = sec_step(0.75f, 1.0f, fabsf(sinf(t))) * (l <= BRAIN_VENTRICLES);
        float thick = p->bone + extra[l] + 2.5f * front + 2.2f * back - 1.8f * temple;

        if (p->sinus && l <= BRAIN_VENTRICLES)
            thick += 5.0f * sec_step(0.9f, 1.0f, cosf(t));
        g->muscle[k] = 0.0f;
        if (l <= BRAIN_BODIES) {
            float strength = l == BRAIN_BASE ? 11.0f : l == BRAIN_VENTRICLES ? 6.0f : 2.0f;
            float a = fminf(t, 2.0f * PI - t);
            g->muscle[k] = strength * expf(-(a - 1.05f) * (a - 1.05f) / 0.07f);
        }
        g->outer.radius[k] = g->inner.radius[k] + thick;
        g->scalp.radius[k] = g->outer.radius[k] + g->muscle[k] +
                             p->scalp * (1.0f + 0.25f * back - 0.25f * front);
    }
}

/* Paint order by depth; each step covers what is inside it. */
static void draw_rings(sec_scene *s, const head_rings *g, const brain_inks inks,
                       const float *angle, rs_random *r)
{
    size_t n = s->width * s->height, off = rs_random_below(r, n);
    const float *depth = s->spare[BRAIN_DEPTH];
    float edge = 0.75f * s->mm;

    for (size_t i = 0; i < n; i++) {
        size_t k = (size_t)(angle[i] / (2.0f * PI) * SEC_DIRECTIONS) % SEC_DIRECTIONS;
        size_t j = i + off < n ? i + off : i + off - n;
        float in = depth[i], thick = g->outer.radius[k] - g->inner.radius[k];
        float out = in + thick, scalp = in + g->scalp.radius[k] - g->inner.radius[k];
        float rough = s->rough[j] * 0.35f, a[6];
        static const brain_tissue order[6] = {BRAIN_SKIN, BRAIN_FAT, BRAIN_MUSCLE, BRAIN_BONE,
                                              BRAIN_DIPLOE, BRAIN_SULCAL};

        if (scalp < -edge)
            continue;
        a[0] = sec_step(-edge, edge, scalp);
        a[1] = sec_step(-edge, edge, scalp - 2.1f + 0.4f * rough);
        a[2] = sec_step(-edge, edge, out + g->muscle[k] - 0.8f) *
               sec_step(1.0f, 2.5f, g->muscle[k]);
        a[3] = sec_step(-edge, edge, out);
        a[4] = thick > 4.5f ? sec_step(-edge, edge, out - 0.3f * thick + rough) *
                              sec_step(-edge, edge, -in - 0.27f * thick + rough) *
                              sec_step(4.0f, 6.0f, thick) : 0.0f;
        a[5] = sec_step(-edge, edge, in);
        for (size_t t = 0; t < 6; t++)
            for (size_t c = 0; c < s->channels && a[t] > 0.0f; c++) {
                float x = inks[order[t]][c];

                if (order[t] == BRAIN_DIPLOE)
                    x *= 1.0f + 0.25f * s->fine[j];
                if (order[t] == BRAIN_MUSCLE || order[t] == BRAIN_FAT)
                    x += 0.08f * fabsf(x) * s->fine[j];
                s->picture[c][i] = sec_mix(s->picture[c][i], x, a[t]);
            }
    }
}

static sec_ink tissue(const brain_inks inks, brain_tissue t)
{
    sec_ink ink = {.soft = 0.9f};

    memcpy(ink.value, inks[t], sizeof ink.value);
    return ink;
}

static void paint_tissue(sec_scene *s, const sec_shape *a, const brain_inks inks,
                         brain_tissue t, float soft, float ragged, rs_random *r)
{
    sec_ink ink = tissue(inks, t);

    ink.soft = soft;
    ink.ragged = ragged;
    sec_paint(s, a, &ink, r);
}

/* Both sides, each with its own ragged edge. */
static void paint_pair(sec_scene *s, const sec_shape *a, const brain_inks inks,
                       brain_tissue t, float soft, float ragged, rs_random *r)
{
    sec_shape other = sec_mirror(a);

    paint_tissue(s, a, inks, t, soft, ragged, r);
    paint_tissue(s, &other, inks, t, soft, ragged, r);
}

static void draw_sinus(sec_scene *s, const head_rings *g, const brain_inks inks, rs_random *r)
{
    float y = -g->inner.radius[0] - 0.5f * (g->outer.radius[0] - g->inner.radius[0]) - 0.5f;
    float half = 0.26f * (g->outer.radius[0] - g->inner.radius[0]);

    for (int side = -1; side <= 1; side += 2) {
        float w = sec_range(r, 5.0, 11.0);
        sec_shape a = sec_ellipse((float)side * (w + 0.8f), y + 1.4f, w, half,
                                  (float)side * 0.16f, 0.2f, r);
        paint_tissue(s, &a, inks, BRAIN_AIR, 0.8f, 0.0f, r);
    }
}

/* Sphenoid wings and petrous ridges reach into the slice at the base. */
static void draw_base_bone(sec_scene *s, const brain_inks inks, rs_random *r)
{
    float in = sec_range(r, 0.0, 9.0);
    sec_point wing[4] = {{57, -24}, {48, -26}, {38 + in, -25}, {31 + in, -22}};
    float wing_r[4] = {5.0f, 2.6f, 1.6f, 0.6f};
    sec_shape a = sec_tube(wing, wing_r, 4);

    paint_pair(s, &a, inks, BRAIN_BONE, 1.2f, 0.5f, r);
    if (rs_random_unit(r) < 0.55) {
        sec_point ridge[3] = {{63, 30}, {52, 27}, {42 + in, 22}};
        float ridge_r[3] = {4.0f, 2.4f, 0.8f};
        a = sec_tube(ridge, ridge_r, 3);
        paint_pair(s, &a, inks, BRAIN_BONE, 1.4f, 0.6f, r);
    }
    for (int side = -1; side <= 1; side += 2) {       /* clinoid processes */
        sec_shape dot = sec_ellipse((float)side * 8.5f, -14.5f, 2.0f, 1.7f, 0.0f, 0.2f, r);
        paint_tissue(s, &dot, inks, BRAIN_BONE, 1.2f, 0.3f, r);
    }
}

/* ---- Sulci ----------------------------------------------------------- */

static void carve(sec_scene *s, const sec_shape *tube)
{
    sec_carve(s, tube, 5.0f, s->spare[BRAIN_FLUID_DISTANCE]);
}

static float sulcus_width(const brain_plan *p, sec_point at)
{
    float w = -0.45f + 1.5f * p->atrophy;

    if (p->efface_radius > 0.0f) {
        float far = hypotf(at.x - p->efface.x, at.y - p->efface.y) / p->efface_radius;
        w = sec_mix(-0.7f, w, sec_step(0.7f, 1.3f, far));
    }
    return w;
}

/* One sulcus from `from` along (dx, dy), `length` mm deep, perhaps forked. */
static void carve_sulcus(sec_scene *s, const brain_plan *p, sec_point from, float dx, float dy,
                         float length, rs_random *r)
{
    sec_point path[4];
    float radius[4], width = sulcus_width(p, from) + 0.3f * sec_normal(r);
    float heading = atan2f(dy, dx), step = length / 3.0f;

    for (size_t k = 0; k < 4; k++) {
        path[k] = from;
        radius[k] = width * (1.0f - 0.12f * (float)k) + (k == 0 ? 0.5f : 0.0f);
        heading += 0.38f * sec_normal(r);
        from.x += step * cosf(heading);
        from.y += step * sinf(heading);
    }
    sec_shape a = sec_chain(path, radius, 4);
    carve(s, &a);
    if (length > 11.0f && rs_random_unit(r) < 0.55) {
        float turn = heading + (rs_random_unit(r) < 0.5 ? -1.1f : 1.1f);
        sec_point fork[2] = {path[2], {path[2].x + 7.0f * cosf(turn),
                                       path[2].y + 7.0f * sinf(turn)}};
        float fork_r[2] = {radius[2], radius[3] - 0.1f};

        a = sec_chain(fork, fork_r, 2);
        carve(s, &a);
    }
}

static void carve_convexity(sec_scene *s, const brain_plan *p, const sec_outline *inner,
                            brain_level l, rs_random *r)
{
    size_t n = l == BRAIN_VERTEX ? 38 : 46;
    float deepest = l == BRAIN_VERTEX ? 27.0f : l == BRAIN_BODIES ? 23.0f : 17.0f;

    for (size_t k = 0; k < n; k++) {
        float t = 2.0f * PI * ((float)k + 0.5f + 0.25f * sec_normal(r)) / (float)n;
        sec_point at = sec_outline_point(inner, t, 0.5f);
        float length = sec_range(r, 8.0, (double)deepest);
        float aim_y = at.y * 0.45f;

        if (fabsf(at.x) < 7.0f)
            continue;
        carve_sulcus(s, p, at, -at.x, aim_y - at.y, length, r);
    }
}

/* The fissure between the hemispheres, from y0 to y1, and the sulci that leave it. */
static void carve_midline(sec_scene *s, const brain_plan *p, float y0, float y1, rs_random *r)
{
    sec_point path[5];
    float radius[5];

    for (size_t k = 0; k < 5; k++) {
        path[k] = (sec_point){0.5f * sec_normal(r), sec_mix(y0, y1, (float)k / 4.0f)};
        radius[k] = 0.35f + 1.1f * p->atrophy + 0.15f * sec_normal(r);
    }
    sec_shape a = sec_tube(path, radius, 5);
    carve(s, &a);
    for (int side = -1; side <= 1; side += 2)
        for (float y = y0 + 5.0f; y < y1 - 3.0f; y += sec_range(r, 7.0, 12.0)) {
            sec_point from = {0.0f, y};
            carve_sulcus(s, p, from, (float)side, 0.5f * sec_normal(r),
                         sec_range(r, 7.0, 14.0), r);
        }
}

static void carve_sylvian(sec_scene *s, const brain_plan *p, brain_level l, rs_random *r)
{
    float w = 0.3f + 2.2f * p->atrophy;

    for (int side = -1; side <= 1; side += 2) {
        float x = (float)side;
        bool narrow = sulcus_width(p, (sec_point){x * 50.0f, -5.0f}) < -0.6f;
        float a = narrow ? 0.2f : w;
        if (l == BRAIN_BASE) {
            sec_point stem[4] = {{x * 11, -9}, {x * 24, -14}, {x * 38, -17}, {x * 54, -13}};
            float radius[4] = {2.2f + a, 1.2f + a, 0.8f + a, 0.4f + a};
            sec_shape tube = sec_tube(stem, radius, 4);
            carve(s, &tube);
            continue;
        }
        bool low = l == BRAIN_VENTRICLES;
        float top = low ? -22.0f : -12.0f, end = low ? 14.0f : 8.0f;
        float wander = 2.0f * sec_normal(r);
        sec_point cleft[4] = {{x * 64, -6 + wander}, {x * 56, -5 + wander}, {x * 48, -3},
                              {x * 42, -2}};
        sec_point insula[4] = {{x * 39, top}, {x * 43, -8}, {x * 43, 2}, {x * 40, end}};
        float cleft_r[4] = {0.7f + a, 0.3f + a, 0.2f + a, 0.3f + a};
        float insula_r[4] = {0.2f + a * 0.7f, 0.3f + a, 0.3f + a, 0.1f + a * 0.6f};
        sec_shape tube = sec_tube(cleft, cleft_r, 4);
        carve(s, &tube);
        tube = sec_tube(insula, insula_r, 4);
        carve(s, &tube);
    }
}

/* The cerebellum's folia: faint curved lines behind the tentorium. */
static void carve_cerebellum(sec_scene *s, const brain_plan *p, rs_random *r)
{
    for (int side = -1; side <= 1; side += 2)
        for (float y = 42.0f; y < 70.0f; y += 6.0f) {
            sec_point line[3] = {{(float)side * 3.0f, y - 4.0f},
                                 {(float)side * (y - 28.0f) * 0.55f, y + 1.0f},
                                 {(float)side * (y - 22.0f) * 0.85f, y - 1.0f}};
            float w = -0.5f + 0.9f * p->atrophy + 0.1f * sec_normal(r);
            float radius[3] = {w, w, w - 0.2f};
            sec_shape tube = sec_tube(line, radius, 3);
            carve(s, &tube);
        }
}

/* ---- Brain ----------------------------------------------------------- */

/* Grey within three millimetres of fluid, white beneath. */
static void draw_cortex(sec_scene *s, const brain_inks inks, rs_random *r)
{
    const float *fluid = s->spare[BRAIN_FLUID_DISTANCE];
    float *mask = s->spare[BRAIN_MASK];
    size_t n = s->width * s->height, off = rs_random_below(r, n);
    float edge = 0.9f * s->mm;

    for (size_t i = 0; i < n; i++) {
        size_t j = i + off < n ? i + off : i + off - n;
        float d = fluid[i] + 0.25f * s->rough[j], brain, white;

        mask[i] = brain = sec_step(-edge, edge, d);
        if (brain <= 0.0f)
            continue;
        white = sec_step(1.9f, 4.6f, d + 0.35f * s->rough[j]);
        for (size_t c = 0; c < s->channels; c++) {
            float x = sec_mix(inks[BRAIN_GREY][c], inks[BRAIN_WHITE][c], white);

            x += 0.05f * (inks[BRAIN_GREY][c] - inks[BRAIN_WHITE][c]) * s->rough[j];
            s->picture[c][i] = sec_mix(s->picture[c][i], x, brain);
        }
    }
}

size_t brain_lateral_ventricles(sec_shape *out, const brain_plan *p, brain_level l)
{
    float w = p->ventricles, big = w > 1.8f ? w - 1.8f : 0.0f;
    float push = 1.0f + 0.12f * big;

    if (l == BRAIN_VENTRICLES) {
        sec_point front[4] = {{2.6f, -10}, {4.0f, -18}, {8.0f * push, -27},
                              {14.5f * push, -35 - big}};
        float front_r[4] = {1.3f * w, 2.2f * w, 2.9f * w, 1.5f * w};
        sec_point back[4] = {{19.0f, 22}, {23.5f * push, 29}, {24.5f * push, 39},
                             {20.0f * push, 51 + big}};
        float back_r[4] = {1.6f * w, 3.3f * w, 2.9f * w, 1.1f * w};
        out[0] = sec_tube(front, front_r, 4);
        out[2] = sec_tube(back, back_r, 4);
    } else if (l == BRAIN_BODIES) {
        sec_point front[4] = {{4.5f, -4}, {5.8f, -14}, {9.0f * push, -25},
                              {14.5f * push, -33 - big}};
        float front_r[4] = {2.6f * w, 3.0f * w, 2.9f * w, 1.3f * w};
        sec_point back[4] = {{4.5f, -4}, {7.0f, 8}, {14.5f * push, 20}, {22.0f * push, 31 + big}};
        float back_r[4] = {2.6f * w, 3.1f * w, 3.6f * w, 2.0f * w};
        out[0] = sec_tube(front, front_r, 4);
        out[2] = sec_tube(back, back_r, 4);
    } else if (l == BRAIN_BASE) {
        float t = 0.35f + 0.8f * (w - 1.0f);        /* temporal horns: slits in the young */
        sec_point horn[3] = {{29, -4}, {31, 4}, {34, 16}};
        float horn_r[3] = {fmaxf(t, 0.2f), fmaxf(0.8f * t, 0.2f), fmaxf(0.7f * t, 0.2f)};
        out[0] = sec_tube(horn, horn_r, 3);
        out[1] = sec_mirror(&out[0]);
        return 2;
    } else {
        return 0;
    }
    out[1] = sec_mirror(&out[0]);
    out[3] = sec_mirror(&out[2]);
    return 4;
}

static void draw_ventricles(sec_scene *s, const brain_plan *p, brain_level l,
                            const brain_inks inks, rs_random *r)
{
    sec_shape v[4];
    size_t n = brain_lateral_ventricles(v, p, l);

    for (size_t k = 0; k < n; k++)
        paint_tissue(s, &v[k], inks, BRAIN_FLUID, 1.1f, 0.35f, r);
    if (l == BRAIN_VENTRICLES || l == BRAIN_BODIES) {      /* septum pellucidum */
        sec_point septum[2] = {{0, l == BRAIN_BODIES ? 10 : -9}, {0, -24}};
        float radius[2] = {0.7f, 0.6f};
        sec_shape a = sec_tube(septum, radius, 2);
        paint_tissue(s, &a, inks, BRAIN_WHITE, 0.9f, 0.2f, r);
    }
    if (n == 4)
        for (int side = -1; side <= 1; side += 2) {        /* choroid plexus */
            sec_point at = l == BRAIN_VENTRICLES ? (sec_point){22.5f, 28} : (sec_point){13.0f, 18};
            sec_shape a = sec_ellipse((float)side * at.x, at.y, 2.4f, 3.6f,
                                      (float)side * -0.5f, 0.25f, r);
            sec_ink ink = tissue(inks, BRAIN_PLEXUS);

            ink.alpha = 0.15f + 0.75f * p->plexus * p->plexus;
            ink.soft = 1.6f;
            ink.ragged = 0.5f;
            sec_paint(s, &a, &ink, r);
        }
}

static void draw_deep_grey(sec_scene *s, const brain_inks inks, rs_random *r)
{
    const sec_point lentiform[5] = {{19.5f, -7}, {25, -17}, {31, -19}, {34, -5}, {31, 8}};
    const sec_point pallidum[4] = {{20, -6.5f}, {25, -12}, {28, -5}, {26.5f, 2}};
    sec_shape a = sec_curve(lentiform, 5);

    paint_pair(s, &a, inks, BRAIN_DEEP, 2.2f, 0.7f, r);
    a = sec_curve(pallidum, 4);
    paint_pair(s, &a, inks, BRAIN_PALLIDUM, 2.0f, 0.5f, r);
    a = sec_ellipse(14.5f, -24, 4.6f, 9.0f, 0.55f, 0.1f, r);     /* head of caudate */
    paint_pair(s, &a, inks, BRAIN_DEEP, 1.8f, 0.5f, r);
    a = sec_ellipse(11.8f, 9, 7.6f, 14.0f, -0.42f, 0.08f, r);    /* thalamus */
    paint_pair(s, &a, inks, BRAIN_DEEP, 2.4f, 0.6f, r);
}

static void draw_ventricle_level(sec_scene *s, const brain_plan *p, const brain_inks inks,
                                 rs_random *r)
{
    float third = 0.7f + 0.75f * p->ventricles;

    draw_deep_grey(s, inks, r);
    sec_point line[4] = {{0, -10}, {0, -3}, {0, 6}, {0, 13}};
    float radius[4] = {0.5f * third, 0.8f * third, third, 0.7f * third};
    sec_shape a = sec_tube(line, radius, 4);
    paint_tissue(s, &a, inks, BRAIN_FLUID, 1.0f, 0.2f, r);

    float w = 1.2f + 1.6f * p->atrophy;                    /* cistern behind the pineal */
    sec_point cistern[5] = {{-15, 22}, {-7, 27}, {0, 28}, {7, 27}, {15, 22}};
    float cistern_r[5] = {0.5f, w * 0.8f, w, w * 0.8f, 0.5f};
    a = sec_tube(cistern, cistern_r, 5);
    paint_tissue(s, &a, inks, BRAIN_SULCAL, 1.2f, 0.4f, r);
    a = sec_ellipse(0.4f * sec_normal(r), 21, 2.2f, 2.6f, 0, 0.15f, r);      /* pineal */
    sec_ink ink = tissue(inks, BRAIN_PLEXUS);
    ink.alpha = 0.15f + 0.7f * p->plexus;
    sec_paint(s, &a, &ink, r);
}

static void draw_bodies_level(sec_scene *s, const brain_plan *p, const brain_inks inks,
                              rs_random *r)
{
    float w = p->ventricles;
    sec_point body[4] = {{6 + 3.2f * w, -24}, {6 + 3.0f * w, -10}, {8 + 3.4f * w, 4},
                         {14 + 3.8f * w, 15}};
    float radius[4] = {2.4f, 2.2f, 1.6f, 1.0f};
    sec_shape a = sec_tube(body, radius, 4);               /* body of caudate */

    paint_pair(s, &a, inks, BRAIN_DEEP, 1.8f, 0.4f, r);
}

static void draw_base_level(sec_scene *s, const brain_plan *p, const brain_inks inks,
                            rs_random *r)
{
    float w = 0.6f + 1.3f * p->atrophy, star = 9.5f + 2.5f * p->atrophy;
    sec_point tip[5] = {{0, -20 - w}, {star, -11}, {star * 0.8f, 2}, {-star * 0.8f, 2},
                        {-star, -11}};
    const sec_point midbrain[8] = {{0, 5}, {9, 1}, {15, 9}, {14, 20}, {7, 27}, {-7, 27},
                                   {-14, 20}, {-15, 9}};
    sec_shape a = sec_curve(tip, 5);

    paint_tissue(s, &a, inks, BRAIN_SULCAL, 1.6f, 0.8f, r);
    a = sec_curve(midbrain, 8);
    sec_ink around = tissue(inks, BRAIN_SULCAL);           /* ambient cisterns */
    around.grow = 1.5f + w;
    around.soft = 1.4f;
    around.ragged = 0.5f;
    sec_paint(s, &a, &around, r);
    paint_tissue(s, &a, inks, BRAIN_WHITE, 1.2f, 0.3f, r);
    sec_ink core = tissue(inks, BRAIN_DEEP);
    core.grow = -4.5f;
    core.soft = 3.0f;
    core.alpha = 0.6f;
    sec_paint(s, &a, &core, r);
    a = sec_ellipse(0, 22.5f, 1.0f + 0.3f * w, 1.2f + 0.3f * w, 0, 0, NULL);      /* aqueduct */
    paint_tissue(s, &a, inks, BRAIN_FLUID, 0.9f, 0.0f, r);
    sec_point vee[3] = {{-24, 48}, {0, 30}, {24, 48}};      /* superior cerebellar cistern */
    float vee_r[3] = {0.4f, 1.0f + w, 0.4f};
    a = sec_tube(vee, vee_r, 3);
    paint_tissue(s, &a, inks, BRAIN_SULCAL, 1.3f, 0.4f, r);
    a = sec_ellipse(0, 42, 5.5f, 11, 0, 0.1f, r);           /* vermis */
    paint_tissue(s, &a, inks, BRAIN_DEEP, 2.0f, 0.6f, r);
    for (int side = -1; side <= 1; side += 2) {             /* carotids, basilar */
        a = sec_ellipse((float)side * 6.5f, -9.5f, 1.6f, 1.6f, 0, 0, NULL);
        paint_tissue(s, &a, inks, BRAIN_VESSEL, 1.0f, 0.0f, r);
    }
    a = sec_ellipse(0.7f * sec_normal(r), -0.5f, 1.5f, 1.5f, 0, 0, NULL);
    paint_tissue(s, &a, inks, BRAIN_VESSEL, 1.0f, 0.0f, r);
}

/* Where the two halves of the fissure lie at each level; 0, 0 for none. */
static const float fissure[BRAIN_LEVELS][4] = {
    [BRAIN_BASE] = {-64, -22, 0, 0},
    [BRAIN_VENTRICLES] = {-79, -42, 38, 84},
    [BRAIN_BODIES] = {-77, -42, 36, 81},
    [BRAIN_VERTEX] = {-69, 0, 0, 74},
};

static void draw_falx(sec_scene *s, brain_level l, const brain_inks inks, rs_random *r)
{
    for (size_t k = 0; k < 4; k += 2) {
        float y0 = fissure[l][k], y1 = fissure[l][k + 1];

        if (y0 >= y1)
            continue;
        sec_point line[3] = {{0, y0}, {0.3f * sec_normal(r), 0.5f * (y0 + y1)}, {0, y1}};
        float fade = (y0 < 0.0f) ? 0.1f : 0.6f, radius[3] = {0.6f, 0.45f, 0.35f};
        if (y0 >= 0.0f) {
            radius[0] = 0.35f;
            radius[2] = 0.8f;
        }
        sec_shape a = sec_tube(line, radius, 3);
        sec_ink ink = tissue(inks, BRAIN_FALX);
        ink.alpha = 0.75f + 0.2f * fade;
        ink.soft = 0.9f;
        sec_paint(s, &a, &ink, r);
    }
    if (l != BRAIN_BASE) {                                  /* superior sagittal sinus */
        sec_outline o;
        brain_inner_table(&o, l);
        float y = sec_outline_at(&o, PI);
        sec_point p[3] = {{0, y - 7.5f}, {4.6f, y}, {-4.6f, y}};
        sec_shape a = sec_curve(p, 3);
        sec_ink ink = tissue(inks, BRAIN_VESSEL);
        ink.soft = 1.2f;
        sec_paint(s, &a, &ink, r);
    } else {                                                /* tentorium */
        for (int side = -1; side <= 1; side += 2) {
            float x = (float)side;
            sec_point p[3] = {{x * 6, 34}, {x * 24, 50}, {x * 44, 58}};
            float radius[3] = {0.4f, 0.45f, 0.6f};
            sec_shape a = sec_tube(p, radius, 3);
            sec_ink ink = tissue(inks, BRAIN_FALX);
            ink.alpha = 0.6f;
            sec_paint(s, &a, &ink, r);
        }
    }
}

/* Mass effect: what lies at x is anatomy from nearer the diseased side. */
static void push_midline(sec_scene *s, const brain_plan *p)
{
    const float *depth = s->spare[BRAIN_DEPTH];

    for (size_t i = 0, n = s->width * s->height; p->shift > 0.0f && i < n; i++) {
        if (depth[i] <= 0.0f)
            continue;
        float bell = expf(-(s->v[i] * s->v[i]) / (48.0f * 48.0f));
        float near = 1.0f + 0.7f * p->side * s->u[i] / 65.0f;
        s->u[i] += p->side * p->shift * bell * near * sec_step(0.0f, 14.0f, depth[i]);
    }
}

void brain_draw(sec_scene *s, const brain_plan *p, brain_level l, const brain_inks inks,
                rs_random *r)
{
    head_rings g;
    float *angle = s->spare[BRAIN_MASK], *fluid = s->spare[BRAIN_FLUID_DISTANCE];
    size_t n = s->width * s->height;
    rs_random folds = rs_random_derive(p->folds, (uint64_t)l);
    float gap = 0.5f + 2.4f * p->atrophy;

    sec_stretch(s, p->wide, p->longer, p->taper);
    s->slack += 1.8f * p->shift;
    make_rings(&g, p, l);
    sec_depths(s, &g.inner, s->spare[BRAIN_DEPTH], angle);
    for (size_t c = 0; c < s->channels; c++)
        for (size_t i = 0; i < n; i++)
            s->picture[c][i] = inks[BRAIN_AIR][c];
    draw_rings(s, &g, inks, angle, r);
    if (p->sinus && l <= BRAIN_VENTRICLES)
        draw_sinus(s, &g, inks, r);
    for (size_t i = 0; i < n; i++) {
        size_t k = (size_t)(angle[i] / (2.0f * PI) * SEC_DIRECTIONS) % SEC_DIRECTIONS;
        float wider = 1.0f + 0.5f * cosf(angle[i]);
        fluid[i] = s->spare[BRAIN_DEPTH][i] - p->collection[k] - gap * wider;
    }
    push_midline(s, p);
    carve_convexity(s, p, &g.inner, l, &folds);
    for (size_t k = 0; k < 4; k += 2)
        if (fissure[l][k] < fissure[l][k + 1])
            carve_midline(s, p, fissure[l][k], fissure[l][k + 1], &folds);
    if (l <= BRAIN_BODIES)
        carve_sylvian(s, p, l, &folds);
    if (l == BRAIN_BASE)
        carve_cerebellum(s, p, &folds);
    draw_cortex(s, inks, r);
    if (l == BRAIN_VENTRICLES)
        draw_ventricle_level(s, p, inks, r);
    else if (l == BRAIN_BODIES)
        draw_bodies_level(s, p, inks, r);
    else if (l == BRAIN_BASE)
        draw_base_level(s, p, inks, r);
    draw_ventricles(s, p, l, inks, r);
    draw_falx(s, l, inks, r);
    if (l == BRAIN_BASE)
        draw_base_bone(s, inks, r);
}
