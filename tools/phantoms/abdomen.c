/* abdomen.c - see abdomen.h. Painted from the outside in: skin, fat, wall, spine,
 * then the organs from back to front.
 * SPDX-License-Identifier: Apache-2.0 */
#include "abdomen.h"

#include <math.h>
#include <string.h>

static const float PI = 3.14159265f;

enum { AIR = -1000, GAS = -850, FAT = -102, SOFT = 42, MUSCLE_HU = 58, FLUID = 8, BONE_HU = 620,
       MARROW = 210 };

void abdomen_plan_init(abdomen_plan *p, int age, char sex, rs_random *r)
{
    float stout = (float)rs_random_unit(r);

    memset(p, 0, sizeof *p);
    p->fat = 7.0f + 30.0f * stout * stout + (sex == 'F' ? 5.0f : 0.0f);
    p->wide = 1.0f + 0.05f * sec_normal(r);
    p->deep = 0.97f + 0.06f * sec_normal(r) + 0.09f * stout;
    p->inner_fat = 0.15f + 0.6f * stout * sec_range(r, 0.6, 1.2) +
                   (sex == 'M' ? 0.12f : 0.0f);
    p->muscle = (sex == 'M' ? 1.08f : 0.9f) * (1.1f - 0.3f * sec_step(40, 95, (float)age));
    p->calcified = sec_step(50.0f, 90.0f, (float)age) * (float)rs_random_unit(r);
    p->enhanced = true;
    p->oral = rs_random_unit(r) < 0.45;
    p->liver_hu = 8.0f * sec_normal(r) - 18.0f * stout * (float)rs_random_unit(r);
    p->inside = rs_random_u64(r);
    p->spleen = sec_range(r, 0.88, 1.1);
    p->bowel = 1.0f;
}

float abdomen_width(const abdomen_plan *p)
{
    return 2.0f * (142.0f * p->wide + p->fat);
}

/* ---- Strokes --------------------------------------------------------- */

typedef struct { float hu, soft, ragged, grain, grow, alpha; const float *clip; } paint;

static void put(sec_scene *s, const sec_shape *a, paint how, rs_random *r)
{
    sec_ink ink = {.value = {how.hu}, .soft = how.soft, .ragged = how.ragged, .grain = how.grain,
                   .grow = how.grow, .alpha = how.alpha, .clip = how.clip};
    sec_paint(s, a, &ink, r);
}

static void put_oval(sec_scene *s, float x, float y, float a, float b, float turn, paint how,
                     rs_random *r)
{
    sec_shape e = sec_ellipse(x, y, a, b, turn, 0.06f, r);

    put(s, &e, how, r);
}

/* mask = 1 in the shape, 0 elsewhere. */
static void mask_of(sec_scene *s, const sec_shape *a, float *mask)
{
    float *d = s->spare[SEC_SPARE - 1];
    sec_region g = sec_distances(s, a, 2.0f, d);

    memset(mask, 0, s->width * s->height * sizeof *mask);
    for (size_t y = g.y0; y < g.y1; y++)
        for (size_t x = g.x0; x < g.x1; x++)
            mask[y * s->width + x] = sec_step(1.0f, -1.0f, d[y * s->width + x]);
}

/* ---- The wall -------------------------------------------------------- */

enum { HALF = 9 };
static const sec_point trunk_half[HALF] = {{0, -95}, {48, -93}, {98, -74}, {133, -32}, {141, 14},
                                           {127, 60}, {88, 90}, {45, 102}, {0, 97}};

static void trunk(sec_outline *o)
{
    sec_point p[2 * HALF - 2];
    sec_shape a;

    for (size_t i = 0; i < HALF; i++)
        p[i] = trunk_half[i];
    for (size_t i = 1; i + 1 < HALF; i++)
        p[2 * HALF - 2 - i] = (sec_point){-trunk_half[i].x, trunk_half[i].y};
    a = sec_curve(p, 2 * HALF - 2);
    sec_outline_of(o, &a);
}

/* Wall thickness by direction: rectus in front, three flat layers at the side. */
static float wall_at(const abdomen_plan *p, float t)
{
    float a = fminf(t, 2.0f * PI - t);
    float rectus = 10.0f * sec_step(0.04f, 0.14f, a) * sec_step(0.62f, 0.42f, a);
    float flat = 13.0f * sec_step(0.55f, 0.95f, a);
    float linea = 2.5f;

    return p->muscle * fmaxf(fmaxf(rectus, flat), linea);
}

/* One pass by depth: skin, fat, muscle with its fat planes, the cavity's fat. */
static void draw_wall(sec_scene *s, const abdomen_plan *p, const sec_outline *o, rs_random *r)
{
    float *depth = s->spare[ABDOMEN_DEPTH], *angle = s->spare[ABDOMEN_LIVER];
    size_t n = s->width * s->height, off = rs_random_below(r, n);
    float e = 0.7f * s->mm, *pic = s->picture[0];

    sec_depths(s, o, depth, angle);
    for (size_t i = 0; i < n; i++) {
        size_t j = i + off < n ? i + off : i + off - n;
        float t = angle[i];
        float d = depth[i];
        float side = fabsf(sinf(t));
        float behind = sec_step(0.2f, 1.0f, -cosf(t));
        float fat = p->fat * (1.0f - 0.35f * side + 0.25f * behind), skin = d + fat + 2.4f;
        float wall = wall_at(p, t), rough = s->rough[j];
        float x = AIR;

        if (skin < -e) {
            pic[i] = x;
            depth[i] = d - wall;
            continue;
        }
        x = sec_mix(x, 25.0f, sec_step(-e, e, skin));
        x = sec_mix(x, FAT + 6.0f * s->fine[j], sec_step(-e, e, skin - 2.3f));
        if (d > -fat && d < -3.0f)                          /* septa in the fat */
            x += 38.0f * sec_step(1.75f, 2.3f, rough + 0.5f * s->fine[j]);
        float muscle = MUSCLE_HU + 7.0f * s->fine[j];
        if (wall > 9.0f && side > 0.5f) {                    /* planes between the layers */
            float f1 = (d - 0.36f * wall + 0.6f * rough) / 1.1f;
            float f2 = (d - 0.68f * wall + 0.6f * rough) / 1.0f;
            muscle -= 95.0f * (expf(-f1 * f1) + expf(-f2 * f2));
        }
        x = sec_mix(x, muscle, sec_step(-e, e, d + 0.3f * rough));
        x = sec_mix(x, FAT + 5.0f * rough, sec_step(-e, e, d - wall + 0.4f * rough));
        pic[i] = x;
        depth[i] = d - wall;
    }
}

static void draw_ribs(sec_scene *s, const sec_outline *o, abdomen_level l, rs_random *r)
{
    size_t count = l == ABDOMEN_UPPER ? 6 : l == ABDOMEN_MIDDLE ? 4 : 1;

    for (int side = -1; side <= 1; side += 2)
        for (size_t k = 0; k < count; k++) {
            float first = l == ABDOMEN_UPPER ? 0.75f : 1.35f;
            float t = first + (2.62f - first) * ((float)k + 0.35f + 0.12f * sec_normal(r)) /
                      (float)(l == ABDOMEN_LOWER ? 3 : count);
            if (l == ABDOMEN_LOWER)
                t = 2.1f + 0.1f * sec_normal(r);
            t *= (float)side;
            sec_point a = sec_outline_point(o, t - 0.05f, 6.5f);
            sec_point b = sec_outline_point(o, t + 0.05f, 6.5f);
            float turn = atan2f(b.y - a.y, b.x - a.x), len = sec_range(r, 6.0, 12.0);
            sec_shape rib = sec_ellipse(0.5f * (a.x + b.x), 0.5f * (a.y + b.y), len,
                                        sec_range(r, 3.0, 4.2), turn, 0.1f, r);
            put(s, &rib, (paint){.hu = 520, .soft = 1.6f, .grain = 60}, r);
            put(s, &rib, (paint){.hu = 190, .soft = 1.6f, .grow = -1.9f, .grain = 40}, r);
        }
}

static void draw_spine(sec_scene *s, const abdomen_plan *p, abdomen_level l, rs_random *r)
{
    float m = p->muscle, big = l == ABDOMEN_UPPER ? 0.9f : 1.0f;
    paint flesh = {.hu = MUSCLE_HU, .soft = 1.8f, .ragged = 1.0f, .grain = 9};

    for (int k = -1; k <= 1; k += 2) {
        float x = (float)k;
        const sec_point back[7] = {{6 * x, 80}, {26 * x, 68}, {52 * x, 68}, {62 * x, 82},
                                   {50 * x, 95},
                                   {26 * x, 102}, {7 * x, 99}};
        sec_shape a = sec_curve(back, 7);
        put(s, &a, (paint){.hu = FAT, .soft = 2.0f, .grow = 2.0f}, r);
        put(s, &a, flesh, r);
        sec_point cleft[3] = {{22 * x, 72}, {30 * x, 84}, {34 * x, 98}};
        float thin[3] = {0.2f, 0.7f, 0.4f};
        a = sec_tube(cleft, thin, 3);
        put(s, &a, (paint){.hu = -40, .soft = 1.6f, .alpha = 0.7f}, r);
        if (l != ABDOMEN_UPPER) {
            float w = (l == ABDOMEN_LOWER ? 15.0f : 10.0f) * m;
            float h = (l == ABDOMEN_LOWER ? 19.0f : 14.0f) * m;
            put_oval(s, (26.0f + w * 0.75f) * x, 46, w, h, -0.35f * x, flesh, r);
            put_oval(s, 63.0f * x, 63, 14.0f * m, 6.5f * m, 0.55f * -x, flesh, r);
        }
        sec_point crus[3] = {{20 * x, 40}, {19 * x, 24}, {12 * x, 6}};
        float crus_r[3] = {3.2f, 3.0f, 1.6f};
        a = sec_tube(crus, crus_r, 3);
        if (l == ABDOMEN_UPPER)
            put(s, &a, flesh, r);
        sec_point process[3] = {{11 * x, 64}, {28 * x, 68}, {43 * x, 69}};
        float process_r[3] = {4.5f, 3.0f, 2.2f};
        a = sec_tube(process, process_r, 3);
        put(s, &a, (paint){.hu = BONE_HU, .soft = 1.6f, .grain = 90}, r);
        put(s, &a, (paint){.hu = 250, .soft = 1.6f, .grow = -1.7f}, r);
    }
    put_oval(s, 0, 66, 15.5f, 13.0f, 0, (paint){.hu = BONE_HU, .soft = 1.6f, .grain = 70}, r);
    sec_point spinous[3] = {{0, 76}, {0, 90}, {0, 104}};
    float spinous_r[3] = {4.0f, 2.8f, 3.2f};
    sec_shape a = sec_tube(spinous, spinous_r, 3);
    put(s, &a, (paint){.hu = BONE_HU, .soft = 1.6f, .grain = 90}, r);
    put(s, &a, (paint){.hu = 260, .soft = 1.4f, .grow = -1.8f}, r);
    const sec_point body[8] = {{0, 29}, {15 * big, 31}, {23.5f * big, 42}, {20 * big, 56}, {0, 58},
                               {-20 * big, 56}, {-23.5f * big, 42}, {-15 * big, 31}};
    a = sec_curve(body, 8);
    put(s, &a, (paint){.hu = BONE_HU * 0.8f, .soft = 1.5f}, r);
    put(s, &a, (paint){.hu = MARROW, .soft = 2.2f, .grow = -1.9f, .grain = 38, .ragged = 0.5f}, r);
    put_oval(s, 0, 67, 10.5f, 8.5f, 0, (paint){.hu = -10, .soft = 1.6f}, r);
    put_oval(s, 0, 67, 8.0f, 7.0f, 0, (paint){.hu = 30, .soft = 1.6f}, r);
}

/* ---- Vessels --------------------------------------------------------- */

sec_point abdomen_aorta(abdomen_level l)
{
    return l == ABDOMEN_UPPER ? (sec_point){9, 19} : (sec_point){8, 17};
}

static float vessel_hu(const abdomen_plan *p, bool vein)
{
    return !p->enhanced ? 42.0f : vein ? 148.0f : 185.0f;
}

static void draw_great_vessels(sec_scene *s, const abdomen_plan *p, abdomen_level l, rs_random *r)
{
    sec_point at = abdomen_aorta(l);
    float radius = p->aorta > 0.0f ? p->aorta : sec_range(r, 8.5, 10.8);
    float y = p->aorta > 0.0f ? at.y - (p->aorta - 10.0f) * 0.9f : at.y;

    put_oval(s, -21 - 0.25f * (radius - 10), 19, 11.0f, sec_range(r, 6.0, 9.5), 0.1f,
             (paint){.hu = vessel_hu(p, true), .soft = 1.6f, .grain = 6}, r);
    sec_shape a = sec_ellipse(at.x, y, radius, radius * 0.97f, 0, p->aorta > 0 ? 0.06f : 0.0f, r);
    if (p->aorta > 0.0f) {                                  /* thrombus in the sac */
        put(s, &a, (paint){.hu = 45, .soft = 1.6f, .grain = 6}, r);
        float lumen = radius * sec_range(r, 0.5, 0.75);
        float off = (radius - lumen) * 0.5f;
        put_oval(s, at.x + off * sec_normal(r) * 0.5f, y + off * 0.6f, lumen, lumen * 0.9f, 0,
                 (paint){.hu = vessel_hu(p, false), .soft = 1.6f, .grain = 6}, r);
    } else {
        put(s, &a, (paint){.hu = vessel_hu(p, false), .soft = 1.5f, .grain = 5}, r);
    }
    float flecks = p->aorta > 0.0f ? 6.0f : 4.0f * p->calcified;
    for (float k = 0.0f; k < flecks; k += 1.0f) {
        float t = sec_range(r, 0.0, 6.28), len = sec_range(r, 1.2, 3.8);
        sec_shape fleck = sec_ellipse(at.x + radius * cosf(t), y + radius * sinf(t), len, 0.8f,
                                      t + PI / 2.0f, 0, NULL);
        put(s, &fleck, (paint){.hu = 600, .soft = 1.2f}, r);
    }
}

/* Bright dots and short strokes in the mesentery. */
static void draw_mesentery(sec_scene *s, const abdomen_plan *p, rs_random *r)
{
    for (size_t k = 0; k < 26; k++) {
        float t = sec_range(r, -1.3, 1.3), far = sec_range(r, 14.0, 70.0);
        sec_point from = {far * sinf(t), -12.0f - 0.72f * far * cosf(t)};
        float w = sec_range(r, 0.5, 1.9);
        float length = sec_range(r, 0.0, 12.0);
        sec_point path[2] = {from, {from.x + length * sinf(t), from.y - length * cosf(t)}};
        float radius[2] = {w, w * 0.7f};
        sec_shape a = sec_tube(path, radius, 2);
        put(s, &a, (paint){.hu = p->enhanced ? 120 : 35, .soft = 1.6f, .alpha = 0.9f}, r);
    }
}

/* ---- Solid organs ---------------------------------------------------- */

static const sec_point liver_upper[13] = {
    {-124, -8}, {-113, -48}, {-78, -72}, {-28, -80}, {22, -78}, {54, -64}, {32, -46}, {4, -32},
    {-9, -8}, {-24, 10}, {-44, 34}, {-78, 60}, {-110, 42}};
static const sec_point liver_middle[10] = {
    {-124, 2}, {-114, -42}, {-88, -66}, {-56, -70}, {-40, -52}, {-46, -24}, {-50, 2}, {-66, 22},
    {-88, 48}, {-112, 42}};
static const sec_point liver_lower[7] = {
    {-125, 4}, {-119, -26}, {-104, -38}, {-97, -18}, {-98, 8}, {-104, 30}, {-116, 30}};

static void liver_vessels(sec_scene *s, const abdomen_plan *p, abdomen_level l, rs_random *r)
{
    static const sec_point upper[5][3] = {
        {{-20, 10}, {-48, -2}, {-84, -18}}, {{-20, 8}, {-44, -24}, {-62, -52}},
        {{-16, 4}, {-12, -28}, {-18, -58}}, {{-22, 12}, {-56, 20}, {-92, 26}},
        {{-14, -2}, {8, -40}, {34, -60}}};
    const float *liver = s->spare[ABDOMEN_LIVER];
    float hu = p->enhanced ? 158.0f + p->liver_hu * 0.4f : 40.0f;

    for (size_t k = 0; k < (l == ABDOMEN_UPPER ? 5 : 3); k++) {
        sec_point path[3];
        float w = sec_range(r, 2.2, 4.2), radius[3] = {w, w * 0.75f, 0.6f};
        for (size_t i = 0; i < 3; i++) {
            path[i].x = upper[k][i].x + 4.0f * sec_normal(r) - (l == ABDOMEN_MIDDLE ? 28.0f : 0.0f);
            path[i].y = upper[k][i].y + 4.0f * sec_normal(r);
        }
        sec_shape a = sec_tube(path, radius, 3);
        put(s, &a, (paint){.hu = hu, .soft = 2.4f, .clip = liver, .alpha = 0.85f}, r);
    }
    for (size_t k = 0; k < 26; k++) {                       /* branches seen end on */
        float a = sec_range(r, 0.8, 2.2);
        put_oval(s, sec_range(r, -112.0, 30.0), sec_range(r, -70.0,
                45.0), a,
                 a * 1.5f, sec_range(r, 0.0, 3.0),
                 (paint){.hu = hu, .soft = 2.0f, .clip = liver, .alpha = 0.8f}, r);
    }
}

static void draw_liver(sec_scene *s, const abdomen_plan *p, abdomen_level l, rs_random *r)
{
    float hu = (p->enhanced ? 108.0f : 58.0f) + p->liver_hu, *mask = s->spare[ABDOMEN_LIVER];
    sec_shape a = l == ABDOMEN_UPPER ? sec_curve(liver_upper, 13) :
                  l == ABDOMEN_MIDDLE ? sec_curve(liver_middle, 10) : sec_curve(liver_lower, 7);
    paint how = {.hu = hu, .soft = 1.8f, .ragged = 0.6f, .grain = 5};

    how.clip = s->spare[0];
    for (size_t i = 0, n = s->width * s->height; i < n; i++)
        s->spare[0][i] = sec_step(1.0f, 3.0f, s->spare[ABDOMEN_DEPTH][i]);
    mask_of(s, &a, mask);
    for (size_t i = 0, n = s->width * s->height; i < n; i++)
        mask[i] *= s->spare[0][i];
    put(s, &a, how, r);
    if (l == ABDOMEN_LOWER)
        return;
    liver_vessels(s, p, l, r);
    if (l == ABDOMEN_UPPER) {                               /* fissure, portal vein, caudate */
        sec_point cleft[3] = {{-6, -82}, {-8, -66}, {-12, -48}};
        float w = 0.8f + 1.6f * p->inner_fat, radius[3] = {w * 1.4f, w, 0.5f};
        a = sec_tube(cleft, radius, 3);
        put(s, &a, (paint){.hu = -70, .soft = 2.2f, .ragged = 0.6f}, r);
        sec_point portal[3] = {{-12, -14}, {-32, -20}, {-52, -12}};
        float portal_r[3] = {5.5f, 5.0f, 3.0f};
        a = sec_tube(portal, portal_r, 3);
        put(s, &a, (paint){.hu = p->enhanced ? 165 : 42, .soft = 2.0f}, r);
    } else {
        const sec_point lobe[6] = {{-34, -80}, {0, -82}, {24, -72}, {10, -60}, {-14, -60},
                                   {-32, -64}};
        a = sec_curve(lobe, 6);
        put(s, &a, how, r);
    }
}

sec_shape abdomen_spleen(const abdomen_plan *p, abdomen_level l)
{
    const sec_point upper[8] = {{84, 66}, {112, 50}, {124, 18}, {118, -12}, {106, -14}, {102, 8},
                                {92, 30}, {78, 50}};
    const sec_point middle[7] = {{96, 58}, {116, 42}, {124, 16}, {116, -2}, {108, 10},
                                 {102, 28}, {92, 44}};
    sec_shape a = l == ABDOMEN_UPPER ? sec_curve(upper, 8) : sec_curve(middle, 7);
    float k = p->spleen;

    for (size_t i = 0; i < a.n; i++) {                      /* grows forwards and inwards */
        a.p[i].x = 124.0f + (a.p[i].x - 124.0f) * (k > 1.0f ? 1.0f + (k - 1.0f) * 1.5f : k);
        a.p[i].y = 62.0f + (a.p[i].y - 62.0f) * k;
    }
    return a;
}

static void draw_spleen(sec_scene *s, const abdomen_plan *p, abdomen_level l, rs_random *r)
{
    sec_shape a = abdomen_spleen(p, l);

    for (size_t i = 0, n = s->width * s->height; i < n; i++)
        s->spare[0][i] = sec_step(1.0f, 3.0f, s->spare[ABDOMEN_DEPTH][i]);
    mask_of(s, &a, s->spare[ABDOMEN_SPLEEN]);
    put(s, &a, (paint){.hu = p->enhanced ? 122 : 48, .soft = 1.8f, .ragged = 0.6f, .grain = 5,
                       .clip = s->spare[0]}, r);
}

sec_point abdomen_kidney(abdomen_level l, int side)
{
    return l == ABDOMEN_LOWER ? (sec_point){60.0f * (float)side, 40}
                              : (sec_point){64.0f * (float)side, side > 0 ? 36 : 40};
}

/* Cortex, pyramids, sinus fat, hilum towards the spine. */
static void draw_kidney(sec_scene *s, const abdomen_plan *p, abdomen_level l, int side,
                        rs_random *r)
{
    sec_point c = abdomen_kidney(l, side);
    float x = (float)side;
    float k = (l == ABDOMEN_MIDDLE ? 1.0f : 0.8f) * sec_range(r, 0.92, 1.08);
    float turn = x * 0.45f, a = 23.0f * k, b = 29.0f * k;
    float cortex = p->enhanced ? sec_range(r, 160, 190) : 34.0f;
    float medulla = p->enhanced ? cortex - sec_range(r, 10, 55) : 34.0f;
    sec_shape bean = sec_ellipse(c.x, c.y, a, b, turn, 0.06f, r);

    put(s, &bean, (paint){.hu = FAT, .soft = 2.0f, .grow = 2.5f + 5.0f * p->inner_fat,
                          .ragged = 0.8f}, r);
    put(s, &bean, (paint){.hu = cortex, .soft = 1.6f, .ragged = 0.4f, .grain = 5}, r);
    for (int m = 0; m < 7; m++) {
        float t = turn + (float)m * 0.9f + 0.2f * sec_normal(r);
        put_oval(s, c.x + 0.56f * a * cosf(t), c.y + 0.58f * b * sinf(t), 5.2f * k, 4.0f * k, t,
                 (paint){.hu = medulla, .soft = 2.5f}, r);
    }
    if (l == ABDOMEN_LOWER && rs_random_unit(r) < 0.4)
        return;
    const float in = l == ABDOMEN_MIDDLE ? 1.0f : 0.6f;     /* the sinus opens inwards */
    sec_point sinus[3] = {{c.x + 3 * x, c.y + 2}, {c.x - 8 * x, c.y - 5}, {c.x - 25 * x, c.y - 13}};
    float sinus_r[3] = {6.5f * k * in, 6.0f * k * in, 4.5f * k * in};
    sec_shape s1 = sec_tube(sinus, sinus_r, l == ABDOMEN_MIDDLE ? 3 : 2);
    put(s, &s1, (paint){.hu = -75, .soft = 2.6f, .ragged = 1.6f}, r);
    if (l != ABDOMEN_MIDDLE)
        return;
    sec_point vein[4] = {{c.x - 2 * x, c.y - 2}, {c.x - 14 * x, c.y - 9}, {c.x - 28 * x, c.y - 20},
                         {side > 0 ? 4 : -26, side > 0 ? 4 : 19}};
    float vein_r[4] = {1.5f, 3.0f, 3.5f, 3.0f};
    s1 = sec_tube(vein, vein_r, 4);
    put(s, &s1, (paint){.hu = vessel_hu(p, true), .soft = 1.8f}, r);
    put_oval(s, c.x - 6 * x, c.y + 1, 3.0f, 2.4f, 0, (paint){.hu = p->enhanced ? 30 : 10,
            .soft = 2.0f}, r);
}

static void draw_pancreas(sec_scene *s, const abdomen_plan *p, rs_random *r)
{
    sec_point path[5] = {{-30, -8}, {-22, -22}, {2, -30}, {34, -26}, {66, -8}};
    float radius[5] = {12.5f, 10.0f, 7.0f, 7.5f, 7.0f};
    float hu = p->enhanced ? 96.0f : 42.0f;

    sec_point vein[4] = {{-8, -14}, {12, -18}, {38, -16}, {74, 2}};
    float vein_r[4] = {5.0f, 3.8f, 3.4f, 2.8f};
    for (size_t i = 0; i < 5; i++) {
        path[i].y += 3.0f * sec_normal(r);
        radius[i] *= sec_range(r, 0.85, 1.12);
    }
    sec_shape a = sec_tube(path, radius, 5);
    put(s, &a, (paint){.hu = hu, .soft = 2.0f, .ragged = 1.7f, .grain = 9}, r);
    a = sec_tube(vein, vein_r, 4);
    put(s, &a, (paint){.hu = vessel_hu(p, true) + 10, .soft = 1.8f}, r);
    put_oval(s, -8, -13, 6.2f, 6.0f, 0, (paint){.hu = vessel_hu(p, true) + 8, .soft = 1.6f}, r);
    put_oval(s, 7, -5, 3.6f, 3.6f, 0, (paint){.hu = vessel_hu(p, false), .soft = 1.6f}, r);
}

sec_shape abdomen_gallbladder(void)
{
    return sec_ellipse(-44, -46, 12.0f, 19.0f, 0.35f, 0, NULL);
}

/* ---- Hollow organs --------------------------------------------------- */

typedef enum { COLLAPSED, LIQUID, CONTRAST, GASEOUS, STOOL } filling;

/* A loop with its wall; gas rises to the front, above the level. */
static void draw_loop(sec_scene *s, const sec_shape *a, float y_level, filling what, float wall,
                      float wall_hu, rs_random *r)
{
    static const float fillings[] = {
        [COLLAPSED] = 52, [LIQUID] = 18, [CONTRAST] = 320, [GASEOUS] = 18, [STOOL] = 35};
    float *d = s->spare[SEC_SPARE - 1], grain = what == STOOL ? 60.0f : 6.0f;

    put(s, a, (paint){.hu = wall_hu, .soft = 1.6f, .ragged = 0.5f, .grain = 8}, r);
    put(s, a, (paint){.hu = fillings[what], .soft = 1.6f, .grow = -wall, .grain = grain}, r);
    if (what == STOOL)                                       /* mottled with gas */
        for (size_t k = 0; k < 7; k++) {
            size_t at = rs_random_below(r, a->n), to = rs_random_below(r, a->n);
            float t = sec_range(r, 0.25, 0.75);
            put_oval(s, sec_mix(a->p[at].x, a->p[to].x, t), sec_mix(a->p[at].y, a->p[to].y, t),
                     sec_range(r, 1.0, 3.0), sec_range(r, 1.0, 2.2), 0,
                     (paint){.hu = -500, .soft = 1.8f}, r);
        }
    if (what != GASEOUS && what != CONTRAST)
        return;
    sec_region g = sec_distances(s, a, 0.0f, d);
    for (size_t y = g.y0; y < g.y1; y++)
        for (size_t x = g.x0; x < g.x1; x++) {
            size_t i = y * s->width + x;
            d[i] = fmaxf(d[i] + wall, s->v[i] - y_level);
        }
    sec_ink gas = {.value = {GAS}, .soft = 1.4f};
    sec_paint_field(s, d, g, &gas, r);
}

static void draw_stomach(sec_scene *s, const abdomen_plan *p, abdomen_level l, rs_random *r)
{
    const sec_point upper[8] = {{32, -44}, {58, -66}, {88, -62}, {104, -36}, {98, -6}, {78, 8},
                                {58, -2}, {44, -22}};
    const sec_point middle[6] = {{22, -52}, {48, -72}, {82, -66}, {92, -48}, {70, -38}, {42, -38}};
    sec_shape a = l == ABDOMEN_UPPER ? sec_curve(upper, 8) : sec_curve(middle, 6);
    filling what = p->oral ? CONTRAST : rs_random_unit(r) < 0.75 ? GASEOUS : LIQUID;
    float level = l == ABDOMEN_UPPER ? sec_range(r, -54, -26) : sec_range(r, -66, -54);
    float k = sec_range(r, 0.8, 1.0);

    a = sec_move(&a, k, 78.0f * (1.0f - k), -30.0f * (1.0f - k));
    draw_loop(s, &a, level, what, 3.4f, p->enhanced ? 88.0f : 44.0f, r);
}

static void draw_small_bowel(sec_scene *s, const abdomen_plan *p, sec_point from, sec_point to,
                             size_t count, rs_random *r)
{
    for (size_t k = 0; k < count; k++) {
        float a = sec_range(r, 8.0, 12.5) * p->bowel;
        float b = a * sec_range(r, 0.75, 1.5);
        float x = sec_range(r, (double)from.x, (double)to.x);
        float y = sec_range(r, (double)from.y, (double)to.y);
        sec_shape loop = sec_ellipse(x, y, a, b, sec_range(r, 0, 3), 0.16f, r);
        double dice = rs_random_unit(r);
        filling what = p->oral && dice < 0.55 ? CONTRAST : dice < 0.5 ? COLLAPSED :
                       dice < 0.85 ? LIQUID : GASEOUS;
        float level = y - b * 0.75f;

        if (p->levels) {
            what = dice < 0.65 ? GASEOUS : LIQUID;
            level = y - sec_range(r, -0.2, 0.45) * b;
        } else if (what == CONTRAST) {
            level = y - sec_range(r, 0.7, 1.6) * b;
        }
        draw_loop(s, &loop, level, what, p->levels ? 1.6f : 2.4f, p->enhanced ? 92.0f : 44.0f, r);
    }
}

static void draw_colon(sec_scene *s, const abdomen_plan *p, abdomen_level l, rs_random *r)
{
    static const sec_point middle[5] = {{106, -22}, {92, -54}, {-12, -66}, {-70, -72}, {60, -78}};
    static const sec_point lower[5] = {{-98, 12}, {103, 24}, {-62, -68}, {0, -72}, {58, -70}};
    const sec_point *at = l == ABDOMEN_MIDDLE ? middle : lower;

    for (size_t k = 0; k < (l == ABDOMEN_MIDDLE ? 2 : 5); k++) {
        float a = sec_range(r, 10.0, 17.0) * (k == 1 && l == ABDOMEN_LOWER ? 0.8f : 1.0f);
        float x = at[k].x + 4.0f * sec_normal(r), y = at[k].y + 3.0f * sec_normal(r);
        bool across = k >= 2;
        sec_shape loop = sec_ellipse(x, y, a * (across ? 1.25f : 1.0f),
                                     a * (across ? 0.7f : 1.1f), 0, 0.16f, r);
        double dice = rs_random_unit(r);
        filling what = dice < 0.45 ? STOOL : dice < 0.8 ? GASEOUS : p->oral ? CONTRAST : STOOL;

        draw_loop(s, &loop, y + a * sec_range(r, -0.5, 0.6), what, 2.2f,
                  p->enhanced ? 80.0f : 42.0f, r);
    }
}

static void draw_splenic_flexure(sec_scene *s, const abdomen_plan *p, rs_random *r)
{
    float a = sec_range(r, 9.0, 15.0);
    sec_shape loop = sec_ellipse(99, -44, a, a * 1.2f, -0.6f, 0.16f, r);

    draw_loop(s, &loop, -44.0f + a * sec_range(r, -0.4, 0.9),
              rs_random_unit(r) < 0.6 ? GASEOUS : STOOL, 2.0f, p->enhanced ? 80.0f : 42.0f, r);
}

/* ---- All of it ------------------------------------------------------- */

static void draw_adrenals(sec_scene *s, const abdomen_plan *p, rs_random *r)
{
    for (int k = -1; k <= 1; k += 2) {
        float x = (float)k;
        sec_point limb[3] = {{36 * x, 18}, {38 * x, 26}, {46 * x, 36}};
        sec_point other[2] = {{38 * x, 25}, {37 * x, 38}};
        float w[3] = {1.6f, 1.8f, 1.2f};
        sec_shape a = sec_tube(limb, w, 3);
        put(s, &a, (paint){.hu = p->enhanced ? 80 : 30, .soft = 1.6f}, r);
        a = sec_tube(other, w, 2);
        put(s, &a, (paint){.hu = p->enhanced ? 80 : 30, .soft = 1.6f}, r);
    }
}

/* A stream for each part, so that disease in one leaves the others as they are. */
typedef enum { PART_VESSELS, PART_ORGANS, PART_BOWEL, PART_COLON, PART_STOMACH, PART_FAT } part;

static rs_random stream(const abdomen_plan *p, abdomen_level l, part k)
{
    return rs_random_derive(p->inside, (uint64_t)l * 16 + (uint64_t)k);
}

static void draw_upper(sec_scene *s, const abdomen_plan *p)
{
    rs_random organs = stream(p, ABDOMEN_UPPER, PART_ORGANS);
    rs_random vessels = stream(p, ABDOMEN_UPPER, PART_VESSELS);
    rs_random stomach = stream(p, ABDOMEN_UPPER, PART_STOMACH);
    rs_random colon = stream(p, ABDOMEN_UPPER, PART_COLON);
    rs_random fat = stream(p, ABDOMEN_UPPER, PART_FAT);

    draw_adrenals(s, p, &organs);
    draw_mesentery(s, p, &fat);
    draw_liver(s, p, ABDOMEN_UPPER, &organs);
    draw_great_vessels(s, p, ABDOMEN_UPPER, &vessels);
    draw_stomach(s, p, ABDOMEN_UPPER, &stomach);
    draw_spleen(s, p, ABDOMEN_UPPER, &organs);
    if (rs_random_unit(&organs) < 0.5)                      /* left kidney's upper pole */
        put_oval(s, 58, 48, 15, 12, 0.3f, (paint){.hu = p->enhanced ? 172 : 34, .soft = 1.6f,
                 .ragged = 0.4f, .grain = 5}, &organs);
    if (rs_random_unit(&colon) < 0.6)
        draw_splenic_flexure(s, p, &colon);
}

static void draw_middle(sec_scene *s, const abdomen_plan *p)
{
    rs_random organs = stream(p, ABDOMEN_MIDDLE, PART_ORGANS);
    rs_random vessels = stream(p, ABDOMEN_MIDDLE, PART_VESSELS);
    rs_random stomach = stream(p, ABDOMEN_MIDDLE, PART_STOMACH);
    rs_random bowel = stream(p, ABDOMEN_MIDDLE, PART_BOWEL);
    rs_random colon = stream(p, ABDOMEN_MIDDLE, PART_COLON);
    rs_random fat = stream(p, ABDOMEN_MIDDLE, PART_FAT);
    sec_shape gall = abdomen_gallbladder();

    draw_mesentery(s, p, &fat);
    draw_great_vessels(s, p, ABDOMEN_MIDDLE, &vessels);
    for (int side = -1; side <= 1; side += 2)
        draw_kidney(s, p, ABDOMEN_MIDDLE, side, &organs);
    draw_spleen(s, p, ABDOMEN_MIDDLE, &organs);
    draw_colon(s, p, ABDOMEN_MIDDLE, &colon);
    draw_small_bowel(s, p, (sec_point){46, -36}, (sec_point){88, -14}, 5, &bowel);
    draw_pancreas(s, p, &organs);
    draw_liver(s, p, ABDOMEN_MIDDLE, &organs);
    draw_stomach(s, p, ABDOMEN_MIDDLE, &stomach);
    put(s, &gall, (paint){.hu = 70, .soft = 1.6f, .grow = 1.6f}, &organs);
    put(s, &gall, (paint){.hu = 10, .soft = 1.6f, .ragged = 0.3f}, &organs);
    put_oval(s, -44, -14, 10, 8, 0.4f, (paint){.hu = 60, .soft = 2, .ragged = 1}, &organs);
}

static void draw_lower(sec_scene *s, const abdomen_plan *p)
{
    rs_random organs = stream(p, ABDOMEN_LOWER, PART_ORGANS);
    rs_random vessels = stream(p, ABDOMEN_LOWER, PART_VESSELS), again = vessels;
    rs_random bowel = stream(p, ABDOMEN_LOWER, PART_BOWEL);
    rs_random colon = stream(p, ABDOMEN_LOWER, PART_COLON);
    rs_random fat = stream(p, ABDOMEN_LOWER, PART_FAT);

    draw_mesentery(s, p, &fat);
    draw_great_vessels(s, p, ABDOMEN_LOWER, &vessels);
    for (int side = -1; side <= 1; side += 2)
        draw_kidney(s, p, ABDOMEN_LOWER, side, &organs);
    if (rs_random_unit(&organs) < 0.6)
        draw_liver(s, p, ABDOMEN_LOWER, &organs);
    draw_small_bowel(s, p, (sec_point){-68, -52}, (sec_point){72, -2}, p->levels ? 15 : 22, &bowel);
    draw_colon(s, p, ABDOMEN_LOWER, &colon);
    if (p->aorta > 0.0f)                                    /* lies in front of the loops */
        draw_great_vessels(s, p, ABDOMEN_LOWER, &again);
}

void abdomen_draw(sec_scene *s, const abdomen_plan *p, abdomen_level l, rs_random *r)
{
    sec_outline o;
    size_t bytes = s->width * s->height * sizeof(float);

    sec_stretch(s, p->wide, p->deep, 0.0f);
    trunk(&o);
    draw_wall(s, p, &o, r);
    memset(s->spare[ABDOMEN_LIVER], 0, bytes);
    memset(s->spare[ABDOMEN_SPLEEN], 0, bytes);
    draw_ribs(s, &o, l, r);
    draw_spine(s, p, l, r);
    switch (l) {
    case ABDOMEN_UPPER:  draw_upper(s, p); break;
    case ABDOMEN_MIDDLE: draw_middle(s, p); break;
    case ABDOMEN_LOWER:  draw_lower(s, p); break;
    case ABDOMEN_LEVELS: break;
    }
}
