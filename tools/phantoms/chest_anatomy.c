/* chest_anatomy.c - the healthy chest: tissue, lungs, heart, vessels, bones, film.
 * SPDX-License-Identifier: Apache-2.0 */
#include "chest_int.h"

#include <math.h>

/* ---- The plan ---------------------------------------------------------------- */

chest_plan chest_plan_new(const ph_case *c, rs_random *patient, rs_random *film)
{
    chest_plan p = {.sex = c->sex, .age = c->age};
    rs_random *q = patient;

    p.wide = ph_range(q, 0.94, 1.04);
    p.heart = ph_range(q, 0.9, 1.08) + (c->age > 65 ? 0.05f : 0.f);
    p.knob = ph_range(q, 0.8, 1.1) + (float)(c->age > 60) * ph_range(q, 0.05, 0.3);
    p.fat = ph_range(q, 0, 1) * ph_range(q, 0, 1);
    p.breast = c->sex == 'F' ? ph_range(q, 0.35, 1) : 0.f;
    p.markings = ph_range(q, 0.5, 0.9);
    p.rib_gap = ph_range(q, 0.158, 0.172);
    float deep = ph_range(q, -0.06, 0.08), uneven = ph_range(q, 0.03, 0.11);

    p.ap = ph_chance(film, 0.28);
    deep += ph_range(film, -0.05, 0.05) - (p.ap ? ph_range(film, 0.1, 0.28) : 0.f);
    p.heart *= p.ap ? 1.08f : 1.f;
    p.dome[RIGHT] = 1.63f + deep;
    p.dome[LEFT] = p.dome[RIGHT] + uneven;
    p.flat = 1.f;
    p.upper = p.ap ? 0.95f : 0.7f;
    p.air = ph_range(film, 0.8, 1.04) * (p.ap ? 0.92f : 1.f);
    p.h = 384 + 8 * rs_random_below(film, 13);
    p.w = (size_t)((float)p.h * ph_range(film, 0.9, 1.08) / 4.f) * 4;
    p.w = p.w < 360 ? 360 : p.w > 512 ? 512 : p.w;
    p.s = fminf((float)p.w / ph_range(film, 2.22, 2.55), (float)p.h / ph_range(film, 2.3, 2.5));
    p.cx = (float)p.w * 0.5f + p.s * ph_range(film, -0.06, 0.06);
    p.top = p.s * ph_range(film, 0.2, 0.36);
    p.tilt = ph_range(film, -0.025, 0.025) * (p.ap ? 2.f : 1.f);
    return p;
}

void chest_points(const chest_plan *p, ph_point *q, size_t n, float sign)
{
    for (size_t i = 0; i < n; i++)
        q[i] = chest_at(p, sign * q[i].x, q[i].y);
}

/* Outer wall of the lung: (v, u) pairs, straight between. */
float chest_wall(const chest_plan *p, float v)
{
    static const float at[][2] = {{0.02f, 0.36f}, {0.06f, 0.48f}, {0.16f, 0.62f}, {0.3f, 0.72f},
                                  {0.58f, 0.84f}, {0.92f, 0.92f}, {1.28f, 0.965f},
                                  {1.6f, 0.985f}, {2.2f, 0.99f}};
    size_t i = 1;

    while (i + 1 < ph_count(at) && v > at[i][0])
        i++;
    float t = (v - at[i - 1][0]) / (at[i][0] - at[i - 1][0]);

    return p->wide * ph_mixf(at[i - 1][1], at[i][1], fminf(fmaxf(t, 0.f), 1.f));
}

/* ---- Layers ---------------------------------------------------------------------- */

static ph_canvas *const *all_layers(chest_layers *l, ph_canvas *list[7])
{
    list[0] = &l->body;
    list[1] = &l->lung[RIGHT];
    list[2] = &l->lung[LEFT];
    list[3] = &l->middle;
    list[4] = &l->vessels;
    list[5] = &l->bones;
    list[6] = &l->over;
    return list;
}

void chest_layers_new(chest_layers *l, const chest_plan *p)
{
    ph_canvas *list[7];

    all_layers(l, list);
    for (size_t i = 0; i < 7; i++)
        *list[i] = ph_canvas_new(p->w, p->h);
}

void chest_layers_clear(chest_layers *l)
{
    ph_canvas *list[7];

    all_layers(l, list);
    for (size_t i = 0; i < 7; i++)
        ph_canvas_clear(list[i]);
}

/* ---- Soft tissue -------------------------------------------------------------------- */

static void draw_arms(chest_layers *l, const chest_plan *p)
{
    for (int side = 0; side < 2; side++) {
        float sign = side == LEFT ? 1.f : -1.f, far = 1.42f + 0.06f * p->fat;
        ph_point arm[] = {{0.85f, 0.02f}, {1.12f, 0.16f}, {far, 0.8f}, {far + 0.1f, 2.3f}};

        chest_points(p, arm, ph_count(arm), sign);
        ph_paint_line(&l->body, arm, ph_count(arm), 0.2f * p->s, 0.22f * p->s, 0.16f * p->s,
                      PH_MAX, 0.5f);
    }
}

/* Below the domes: liver, spleen, stomach; thick, so bright. */
static void draw_abdomen(chest_layers *l, const chest_plan *p, rs_random *r)
{
    float wall = 1.02f * p->wide + 0.05f;
    float right = p->dome[RIGHT] + 0.04f, left = p->dome[LEFT] + 0.04f;
    ph_point belly[] = {{-wall, right + 0.34f}, {-0.95f * p->wide, right + 0.24f},
                        {-0.75f, right + 0.04f}, {-0.5f, right}, {-0.2f, right + 0.08f},
                        {0.f, right + 0.1f}, {0.2f, left + 0.08f}, {0.5f, left},
                        {0.75f, left + 0.04f}, {0.95f * p->wide, left + 0.24f},
                        {wall, left + 0.34f}, {wall, 3.f}, {-wall, 3.f}};

    chest_points(p, belly, ph_count(belly), 1.f);
    ph_paint_polygon(&l->middle, belly, ph_count(belly), 0.08f * p->s, PH_MAX, 0.95f);
    ph_paint_polygon(&l->body, belly, ph_count(belly), 0.5f * p->s, PH_ADD,
                     0.02f + 0.05f * p->fat);
    /* Stomach bubble, under the left dome. */
    ph_point at = chest_at(p, ph_range(r, 0.38, 0.56), p->dome[LEFT] + ph_range(r, 0.15, 0.2));
    float wide = ph_range(r, 0.1, 0.2) * p->s;

    if (ph_chance(r, 0.85))
        ph_paint_oval(&l->body, (ph_oval){at.x, at.y, wide, ph_range(r, 0.05, 0.09) * p->s,
                                          ph_range(r, -0.2, 0.15), 2.4f},
                      0.06f * p->s, PH_ADD, -ph_range(r, 0.14, 0.26));
    /* Gas in the splenic flexure and other bowel. */
    for (size_t i = rs_random_below(r, 4); i > 0; i--) {
        at = chest_at(p, ph_range(r, -0.5, 0.85), p->dome[LEFT] + ph_range(r, 0.32, 0.6));
        ph_paint_oval(&l->body, (ph_oval){at.x, at.y, ph_range(r, 0.05, 0.12) * p->s,
                                          ph_range(r, 0.04, 0.08) * p->s, ph_range(r, -1, 1), 0},
                      0.06f * p->s, PH_ADD, -ph_range(r, 0.05, 0.14));
    }
}

static void draw_breasts(chest_layers *l, const chest_plan *p, rs_random *r)
{
    float low = ph_range(r, 1.42, 1.75), out = ph_range(r, 0.55, 0.68);

    for (int side = 0; side < 2 && p->breast > 0.f; side++) {
        float sign = side == LEFT ? 1.f : -1.f, b = 0.62f + 0.38f * p->breast;
        ph_point q[] = {{out - 0.42f * b, low - 0.25f}, {out - 0.3f * b, low - 0.03f},
                        {out, low + 0.06f}, {out + 0.35f * b, low - 0.02f},
                        {out + 0.42f * b, low - 0.3f}, {out + 0.35f * b, low - 0.7f},
                        {out, low - 0.75f}};

        chest_points(p, q, ph_count(q), sign);
        ph_canvas m = ph_canvas_new(p->w, p->h);

        ph_paint_blob(&m, q, ph_count(q), 2.f, PH_MAX, 1.f);
        /* Fade upwards: only the lower fold is an edge. */
        ph_canvas soft = ph_canvas_copy(&m);

        ph_blur(&soft, 0.16f * p->s);
        ph_mul(&m, &soft);
        ph_add(&l->body, &m, 0.07f + 0.1f * p->breast);
        ph_canvas_clear(&m);
        ph_canvas_clear(&soft);
    }
}

static void draw_body(chest_layers *l, const chest_plan *p, rs_random *r)
{
    float side = 1.06f * p->wide + 0.05f + 0.12f * p->fat, neck = 0.27f + 0.05f * p->fat;
    ph_point trunk[] = {{-neck, -0.8f}, {-neck, -0.3f}, {-0.42f, -0.17f}, {-0.9f, -0.08f},
                        {-1.2f, 0.08f}, {-side - 0.06f, 0.62f}, {-side, 1.1f}, {-side, 1.7f},
                        {-side - 0.03f, 3.f}, {side + 0.03f, 3.f}, {side, 1.7f}, {side, 1.1f},
                        {side + 0.06f, 0.62f}, {1.2f, 0.08f}, {0.9f, -0.08f}, {0.42f, -0.17f},
                        {neck, -0.3f}, {neck, -0.8f}};

    chest_points(p, trunk, ph_count(trunk), 1.f);
    ph_paint_blob(&l->body, trunk, ph_count(trunk), 0.1f * p->s, PH_MAX, 0.54f + 0.05f * p->fat);
    draw_arms(l, p);
    ph_blur(&l->body, 0.02f * p->s);
    draw_breasts(l, p, r);
    draw_abdomen(l, p, r);
    /* Muscle and fat planes. */
    ph_canvas where = ph_canvas_copy(&l->body);

    ph_clamp(&where, 0.f, 0.6f);
    ph_add_noise(&l->body, &where, 0.22f * p->s, 3, 0.55f, 0.022f, r);
    ph_canvas_clear(&where);
}

/* ---- Lungs, heart --------------------------------------------------------------------- */

static void draw_lung(chest_layers *l, const chest_plan *p, int side)
{
    enum { WALL = 14 };
    ph_point q[WALL + 14];
    size_t n = 0;
    float dome = p->dome[side], angle = dome + 0.1f + 0.12f * p->flat;
    float f = p->flat;

    q[n++] = (ph_point){0.24f * p->wide, 0.06f};
    for (int i = 0; i < WALL; i++) {
        float v = ph_mixf(0.02f, angle - 0.1f, (float)i / (WALL - 1));

        q[n++] = (ph_point){chest_wall(p, v), v};
    }
    q[n++] = (ph_point){chest_wall(p, angle) - 0.005f, angle};
    q[n++] = (ph_point){chest_wall(p, angle) - 0.03f, angle - 0.03f};
    q[n++] = (ph_point){0.84f, dome + 0.045f + 0.03f * f};
    q[n++] = (ph_point){0.66f, dome + 0.01f};
    q[n++] = (ph_point){0.48f, dome};
    q[n++] = (ph_point){0.3f, dome + 0.03f * f};
    q[n++] = (ph_point){0.16f, dome + 0.1f * f};
    q[n++] = (ph_point){0.06f, dome + 0.12f * f};
    q[n++] = (ph_point){0.06f, 1.2f};
    q[n++] = (ph_point){0.06f, 0.7f};
    q[n++] = (ph_point){0.08f, 0.35f};
    q[n++] = (ph_point){0.15f, 0.14f};
    chest_points(p, q, n, side == LEFT ? 1.f : -1.f);
    ph_paint_blob(&l->lung[side], q, n, 2.2f, PH_MAX, 1.f);
    /* Thin near the wall, thick inside: a sharp outline with a soft filling. */
    ph_canvas deep = ph_canvas_copy(&l->lung[side]);

    ph_blur(&deep, 0.09f * p->s);
    ph_mul(&deep, &l->lung[side]);
    ph_affine(&l->lung[side], 0.f, 0.52f);
    ph_add(&l->lung[side], &deep, 0.5f);
    ph_canvas_clear(&deep);
}

/* The silhouette from the right neck down around the heart and up the aorta. */
static void draw_middle(chest_layers *l, const chest_plan *p, rs_random *r)
{
    float k = 0.12f * (p->knob - 0.9f), h = p->heart, floor_v = 0.5f * (p->dome[0] + p->dome[1]);
    float sink = floor_v - 1.66f;                  /* the heart lies on the diaphragm */
    float x = p->shift, tall = ph_range(r, -0.03, 0.03);
    ph_point q[] = {
        {-0.12f, -0.6f}, {-0.14f, -0.05f}, {-0.15f, 0.2f}, {-0.165f + x, 0.42f},
        {-0.175f + x, 0.66f}, {-0.17f + x, 0.84f}, {-0.22f * h + x, 1.0f + 0.7f * sink},
        {-0.28f * h + x, 1.2f + 0.8f * sink}, {-0.285f * h + x, 1.4f + sink},
        {-0.22f * h + x, 1.6f + sink}, {-0.1f + x, 1.9f + sink}, {0.3f + x, 1.9f + sink},
        {0.5f * h + x, 1.72f + sink}, {0.575f * h + x, 1.56f + sink + tall},
        {0.545f * h + x, 1.4f + sink + tall}, {0.44f * h + x, 1.2f + 0.9f * sink},
        {0.32f * h + x, 1.02f + 0.7f * sink}, {0.245f + x, 0.88f}, {0.22f + x, 0.77f},
        {0.175f + x, 0.69f}, {0.215f + x + k, 0.6f}, {0.225f + x + k, 0.52f},
        {0.19f + x + k, 0.44f}, {0.15f + x, 0.36f}, {0.15f, 0.15f}, {0.13f, -0.05f},
        {0.12f, -0.6f}};

    chest_points(p, q, ph_count(q), 1.f);
    ph_paint_blob(&l->middle, q, ph_count(q), 3.2f, PH_MAX, 0.88f);
    /* The heart's own bulk over that. */
    ph_point at = chest_at(p, 0.12f * h + x, 1.38f + sink);

    ph_paint_ellipsoid(&l->middle, (ph_oval){at.x, at.y, 0.42f * h * p->s, 0.4f * p->s, 0.35f, 0},
                       PH_ADD, 0.24f);
    /* Descending aorta: a faint stripe left of the spine. */
    ph_point aorta[] = {{0.15f + x + k, 0.55f}, {0.155f + x, 0.9f}, {0.12f + x, 1.3f},
                        {0.08f, 1.8f}};

    chest_points(p, aorta, ph_count(aorta), 1.f);
    ph_paint_rod(&l->middle, aorta, ph_count(aorta), 0.09f * p->s, 0.07f * p->s, PH_ADD, 0.1f);
}

/* ---- Vessels ------------------------------------------------------------------------------ */

void chest_branch(ph_canvas *c, float x, float y, float angle, float length, float radius,
                  float value, int depth, rs_random *r)
{
    enum { STEPS = 5 };
    ph_point q[STEPS + 1] = {{x, y}};
    float turn = ph_range(r, -0.1, 0.1);

    for (int i = 1; i <= STEPS; i++) {
        angle += turn + ph_range(r, -0.07, 0.07);
        q[i].x = q[i - 1].x + cosf(angle) * length / STEPS;
        q[i].y = q[i - 1].y + sinf(angle) * length / STEPS;
    }
    ph_paint_rod(c, q, STEPS + 1, radius, 0.72f * radius, PH_ADD,
                 value * fminf(1.f, 0.16f + radius / 4.2f));
    if (depth <= 0)
        return;
    float fork = ph_range(r, 0.25, 0.6), lean = ph_range(r, -0.3, 0.3);

    chest_branch(c, q[STEPS].x, q[STEPS].y, angle - fork * 0.5f + lean, length * 0.78f,
                 fmaxf(0.68f * radius, 0.7f), value, depth - 1, r);
    chest_branch(c, q[STEPS].x, q[STEPS].y, angle + fork * 0.7f + lean, length * 0.7f,
                 fmaxf(0.6f * radius, 0.7f), value, depth - 1, r);
    if (ph_chance(r, 0.6))
        chest_branch(c, q[3].x, q[3].y, angle + (ph_chance(r, 0.5) ? 0.8f : -0.8f),
                     length * 0.5f, fmaxf(0.5f * radius, 0.7f), value, depth - 2, r);
}

/* Directions of the lobes' vessels: 0 is lateral, + is down; how long, how thick. */
static const struct { float angle, length, radius; bool upper; } lobes[] = {
    {-1.25f, 0.3f, 0.024f, true},  {-0.85f, 0.3f, 0.022f, true},  {-0.4f, 0.27f, 0.02f, true},
    {-0.05f, 0.26f, 0.02f, false}, {0.35f, 0.3f, 0.024f, false},  {0.75f, 0.34f, 0.028f, false},
    {1.05f, 0.36f, 0.033f, false}, {1.35f, 0.34f, 0.03f, false},
};

static void draw_hilum(chest_layers *l, const chest_plan *p, int side, rs_random *r)
{
    float sign = side == LEFT ? 1.f : -1.f, v = side == LEFT ? 0.82f : 0.88f;
    ph_point at = chest_at(p, sign * 0.24f + p->shift, v);
    ph_point lower[] = {{0.22f, v - 0.08f}, {0.29f, v + 0.02f}, {0.3f, v + 0.16f},
                        {0.34f, v + 0.34f}};

    for (size_t i = 0; i < ph_count(lower); i++)
        lower[i] = chest_at(p, sign * lower[i].x + p->shift, lower[i].y);
    ph_paint_rod(&l->vessels, lower, ph_count(lower), 0.062f * p->s, 0.03f * p->s, PH_ADD,
                 0.17f * p->markings);
    ph_paint_ellipsoid(&l->vessels, (ph_oval){at.x, at.y, 0.085f * p->s, 0.12f * p->s,
                                              sign * -0.3f, 0},
                       PH_ADD, 0.11f * p->markings);
    for (size_t i = 0; i < ph_count(lobes); i++) {
        float angle = lobes[i].angle + ph_range(r, -0.12, 0.12);
        float thick = lobes[i].radius * p->s * (lobes[i].upper ? p->upper : 1.f);
        float x = at.x + sign * cosf(angle) * 0.05f * p->s, y = at.y + sinf(angle) * 0.1f * p->s;

        if (sign < 0.f)
            angle = 3.14159265f - angle;
        chest_branch(&l->vessels, x, y, angle, lobes[i].length * p->s * ph_range(r, 0.8, 1.1),
                     thick, 0.17f * p->markings, 4, r);
    }
}

/* ---- Bones ----------------------------------------------------------------------------------- */

size_t chest_rib(const chest_plan *p, ph_point *q, int rib, int side, bool front)
{
    float sign = side == LEFT ? 1.f : -1.f, v = -0.02f + p->rib_gap * (float)rib;
    float drop = 0.12f + 0.028f * (float)rib, out = chest_wall(p, v + drop) + 0.015f;
    ph_point back[] = {{0.09f, v + 0.02f}, {0.22f, v - 0.03f}, {0.42f * out, v - 0.03f},
                       {0.72f * out, v + 0.25f * drop}, {0.93f * out, v + 0.62f * drop},
                       {out, v + drop}};
    float low = v + drop, stop = 0.34f + 0.035f * (float)rib;
    float fall = 0.30f + 0.012f * (float)rib;
    ph_point ahead[] = {{out, low}, {0.965f * out, low + 0.3f * fall},
                        {0.82f * out, low + 0.7f * fall}, {ph_mixf(out, stop, 0.65f),
                                                           low + fall},
                        {stop, low + 1.08f * fall}};

    if (front)
        ph_spline(q, CHEST_RIB_POINTS, ahead, ph_count(ahead), false);
    else
        ph_spline(q, CHEST_RIB_POINTS, back, ph_count(back), false);
    chest_points(p, q, CHEST_RIB_POINTS, sign);
    return CHEST_RIB_POINTS;
}

static void draw_ribs(chest_layers *l, const chest_plan *p)
{
    ph_point q[CHEST_RIB_POINTS];
    float old = p->age > 70 ? 0.85f : 1.f, r = 0.038f * p->s;

    for (int side = 0; side < 2; side++)
        for (int rib = 0; rib < CHEST_RIBS; rib++) {
            size_t n = chest_rib(p, q, rib, side, false);

            ph_paint_line(&l->bones, q, n, r, 0.95f * r, 1.6f, PH_ADD, 0.05f * old);
            ph_paint_pipe(&l->bones, q, n, r, 0.95f * r, 0.8f, PH_ADD, 0.13f * old);
            if (rib < 1 || rib > 7)
                continue;
            n = chest_rib(p, q, rib, side, true);
            ph_paint_line(&l->bones, q, n, r, 1.1f * r, 2.4f, PH_ADD, 0.034f * old);
            ph_paint_pipe(&l->bones, q, n, r, 1.1f * r, 0.86f, PH_ADD, 0.07f * old);
        }
}

static void draw_spine(chest_layers *l, const chest_plan *p, rs_random *r)
{
    for (int i = 0; i < 17; i++) {
        float v = -0.45f + (float)i * 0.165f, w = 0.1f + 0.0022f * (float)i;
        ph_point at = chest_at(p, ph_range(r, -0.004, 0.004), v);

        ph_paint_oval(&l->bones, (ph_oval){at.x, at.y, w * p->s, 0.066f * p->s, p->tilt, 5.f},
                      3.f, PH_ADD, 0.05f);
        ph_paint_oval(&l->bones, (ph_oval){at.x, at.y, 0.78f * w * p->s, 0.05f * p->s, p->tilt,
                                           4.f}, 6.f, PH_ADD, -0.02f);
        for (int side = -1; side <= 1; side += 2) {
            ph_point pedicle = chest_at(p, (float)side * 0.065f, v - 0.015f);

            ph_paint_oval(&l->bones, (ph_oval){pedicle.x, pedicle.y, 0.02f * p->s, 0.027f * p->s,
                                               0, 0}, 2.5f, PH_ADD, 0.04f);
        }
        ph_point spinous = chest_at(p, 0.f, v + 0.05f);

        ph_paint_oval(&l->bones, (ph_oval){spinous.x, spinous.y, 0.013f * p->s, 0.035f * p->s, 0,
                                           0}, 2.5f, PH_ADD, 0.04f);
    }
}

static void draw_shoulders(chest_layers *l, const chest_plan *p, rs_random *r)
{
    float lift = ph_range(r, -0.04, 0.03), apart = ph_range(r, 0, 0.07);

    for (int side = 0; side < 2; side++) {
        float sign = side == LEFT ? 1.f : -1.f, o = apart;
        ph_point clavicle[] = {{0.1f, 0.2f}, {0.3f, 0.15f}, {0.55f, 0.04f + lift},
                               {0.8f, -0.02f + lift}, {1.03f, 0.f + lift}};
        ph_point bone[16];
        ph_point blade[] = {{0.86f + o, 0.05f}, {1.0f + o, 0.1f}, {1.04f + o, 0.24f},
                            {0.96f + o, 0.55f}, {0.9f + o, 0.95f}, {0.83f + o, 0.98f},
                            {0.78f + o, 0.6f}, {0.76f + o, 0.25f}};
        ph_point border[] = {{1.05f + o, 0.24f}, {0.97f + o, 0.55f}, {0.89f + o, 0.97f}};
        ph_point spine[] = {{0.77f + o, 0.22f}, {0.95f + o, 0.08f}, {1.12f + o, 0.f}};
        ph_point humerus[] = {{1.17f + o, 0.2f}, {1.22f + o, 0.36f}, {1.32f + o, 0.8f},
                              {1.45f + o, 1.6f}};
        ph_point head = chest_at(p, sign * (1.16f + o), 0.2f);

        ph_spline(bone, ph_count(bone), clavicle, ph_count(clavicle), false);
        chest_points(p, bone, ph_count(bone), sign);
        chest_points(p, blade, ph_count(blade), sign);
        chest_points(p, border, ph_count(border), sign);
        chest_points(p, spine, ph_count(spine), sign);
        chest_points(p, humerus, ph_count(humerus), sign);
        ph_paint_line(&l->bones, bone, ph_count(bone), 0.044f * p->s, 0.04f * p->s, 1.8f, PH_ADD,
                      0.06f);
        ph_paint_pipe(&l->bones, bone, ph_count(bone), 0.044f * p->s, 0.04f * p->s, 0.78f,
                      PH_ADD, 0.1f);
        ph_paint_blob(&l->bones, blade, ph_count(blade), 3.f, PH_ADD, 0.035f);
        ph_paint_rod(&l->bones, border, ph_count(border), 0.028f * p->s, 0.02f * p->s, PH_ADD,
                     0.08f);
        ph_paint_rod(&l->bones, spine, ph_count(spine), 0.03f * p->s, 0.045f * p->s, PH_ADD,
                     0.08f);
        ph_paint_oval(&l->bones, (ph_oval){head.x, head.y, 0.13f * p->s, 0.14f * p->s, 0, 0},
                      3.f, PH_ADD, 0.13f);
        ph_paint_pipe(&l->bones, humerus, ph_count(humerus), 0.085f * p->s, 0.075f * p->s, 0.6f,
                      PH_ADD, 0.2f);
    }
}

/* ---- All of it ------------------------------------------------------------------------------------- */

/* Trachea and main bronchi: air before the spine. */
static void draw_airway(chest_layers *l, const chest_plan *p)
{
    float x = p->shift;
    ph_point trachea[] = {{0.f, -0.5f}, {-0.005f + 0.5f * x, 0.2f}, {-0.02f + x, 0.64f}};
    ph_point right[] = {{-0.02f + x, 0.62f}, {-0.1f + x, 0.74f}, {-0.19f + x, 0.86f}};
    ph_point left[] = {{-0.02f + x, 0.62f}, {0.09f + x, 0.72f}, {0.21f + x, 0.8f}};
    ph_canvas m = ph_canvas_new(p->w, p->h);

    chest_points(p, trachea, 3, 1.f);
    chest_points(p, right, 3, 1.f);
    chest_points(p, left, 3, 1.f);
    ph_paint_line(&m, trachea, 3, 0.062f * p->s, 0.062f * p->s, 4.f, PH_MAX, 1.f);
    ph_paint_line(&m, right, 3, 0.05f * p->s, 0.04f * p->s, 4.f, PH_MAX, 0.6f);
    ph_paint_line(&m, left, 3, 0.046f * p->s, 0.036f * p->s, 4.f, PH_MAX, 0.6f);
    ph_add(&l->body, &m, -0.13f);
    ph_canvas_clear(&m);
}

void chest_draw_anatomy(chest_layers *l, const chest_plan *p, rs_random *patient)
{
    draw_body(l, p, patient);
    draw_lung(l, p, RIGHT);
    draw_lung(l, p, LEFT);
    draw_middle(l, p, patient);
    draw_airway(l, p);
    draw_hilum(l, p, RIGHT, patient);
    draw_hilum(l, p, LEFT, patient);
    draw_ribs(l, p);
    draw_spine(l, p, patient);
    draw_shoulders(l, p, patient);
}

/* What is dense already whitens ever more slowly: ribs fade over the heart. */
static void shoulder(ph_canvas *d)
{
    static const float from = 0.62f, room = 0.36f;

    for (size_t i = 0; i < d->width * d->height; i++)
        if (d->at[i] > from)
            d->at[i] = from + room * (1.f - expf((from - d->at[i]) / room));
}

static void take_film(ph_canvas *d, const chest_plan *p, rs_random *film)
{
    float contrast = ph_range(film, 0.8, 1.1), level = ph_range(film, -0.07, 0.05);

    ph_blur(d, ph_range(film, 0.5, 0.9));
    ph_sharpen(d, 0.05f * p->s, ph_range(film, 0.05, 0.35));
    ph_add_grain(d, ph_range(film, 0.006, 0.016) * (p->ap ? 1.3f : 1.f), ph_range(film, 0.4, 0.8),
                 film);
    ph_vignette(d, ph_range(film, 0, 0.06));
    ph_affine(d, 0.5f - 0.5f * contrast + level, contrast);
    shoulder(d);
    /* Collimated edges, and the side marker. */
    if (ph_chance(film, 0.3)) {
        float m = ph_range(film, 1, 5), w = (float)p->w - 1.f - m, h = (float)p->h - 1.f - m;
        ph_canvas open = ph_canvas_new(p->w, p->h);

        ph_paint_polygon(&open, (ph_point[]){{m, m}, {w, m}, {w, h}, {m, h}}, 4, 2.f, PH_MAX,
                         1.f);
        ph_mul(d, &open);
        ph_canvas_clear(&open);
    }
    if (ph_chance(film, 0.75)) {
        bool left = ph_chance(film, 0.7);
        ph_point at = chest_at(p, left ? 1.08f : -1.14f, ph_range(film, -0.12, 0.02));

        at.x = fminf(fmaxf(at.x, 8.f), (float)p->w - 26.f);
        at.y = fmaxf(at.y, 8.f);
        ph_paint_text(d, left ? "L" : "R", at.x, at.y, ph_range(film, 1.4, 2.2), 0.97f);
    }
}

ph_canvas chest_compose(const chest_layers *l, const chest_plan *p, rs_random *film)
{
    ph_canvas d = ph_canvas_copy(&l->body), air = ph_canvas_copy(&l->lung[RIGHT]);
    ph_canvas seen = ph_canvas_copy(&l->middle), fine = ph_canvas_new(p->w, p->h);
    ph_canvas inside = ph_canvas_copy(&l->vessels);

    ph_add(&air, &l->lung[LEFT], 1.f);
    ph_clamp(&air, 0.f, 1.1f);
    /* Vessels and the interstitium show where air is beside them. */
        ph_add_noise(&fine, &air, 0.05f * p->s, 3, 0.75f, 0.013f * p->markings, film);
    ph_clamp(&seen, 0.f, 1.f);
    ph_affine(&seen, 1.f, -0.9f);
    ph_mul(&air, &seen);
    ph_mul(&inside, &air);
    ph_add(&d, &air, -0.43f * p->air);
    ph_add(&d, &inside, 1.f);
    ph_add(&d, &fine, 1.f);
    ph_add(&d, &l->middle, 0.24f);
    ph_add(&d, &l->bones, 0.9f);
    ph_add(&d, &l->over, 1.f);
    take_film(&d, p, film);
    ph_canvas_clear(&air);
    ph_canvas_clear(&seen);
    ph_canvas_clear(&fine);
    ph_canvas_clear(&inside);
    return d;
}
