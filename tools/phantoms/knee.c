/* knee.c - the AP radiograph of a knee: femur, tibia, fibula, patella.
 *
 * Drawn in millimetres around the joint, x towards the outer side, y down; a left
 * knee is shown with its outer side, and so the fibula, on the right of the picture.
 * SPDX-License-Identifier: Apache-2.0 */
#include "limb.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef enum {
    NOTHING, MEDIAL_WEAR, LATERAL_WEAR, PLATEAU_FRACTURE, FIBULA_FRACTURE, FEMUR_FRACTURE,
    PATELLA_FRACTURE, REPLACEMENT, LYTIC_FEMUR, LYTIC_TIBIA, SCLEROTIC_FEMUR
} trouble;

static const struct { trouble what; const char *kind, *site; } places[] = {
    {NOTHING, "", ""},
    {MEDIAL_WEAR, "osteoarthritis", "medial knee compartment"},
    {LATERAL_WEAR, "osteoarthritis", "lateral knee compartment"},
    {PLATEAU_FRACTURE, "fracture", "lateral tibial plateau"},
    {FIBULA_FRACTURE, "fracture", "fibular neck"},
    {FEMUR_FRACTURE, "fracture", "distal femur"},
    {PATELLA_FRACTURE, "fracture", "patella"},
    {REPLACEMENT, "joint replacement", "knee"},
    {LYTIC_FEMUR, "lytic lesion", "distal femur"},
    {LYTIC_TIBIA, "lytic lesion", "proximal tibia"},
    {SCLEROTIC_FEMUR, "sclerotic lesion", "distal femur"},
};

static const ph_point femur_outline[] = {
    {-15, -190}, {-14.5f, -110}, {-15.5f, -80}, {-19, -60}, {-27, -43}, {-37, -30}, {-41, -18},
    {-38, -7}, {-29, -2.5f}, {-19, -2.5f}, {-11, -6}, {-6.5f, -13}, {-1, -17}, {4, -13.5f},
    {8, -6.5f}, {16, -3}, {27, -3.2f}, {35, -8}, {37.5f, -18}, {34, -31}, {26, -43}, {18.5f, -60},
    {15, -80}, {14, -110}, {14, -190}};
static const ph_point tibia_outline[] = {
    {-39, 6}, {-34, 3.4f}, {-22, 4.6f}, {-11, 4}, {-7, 0.5f}, {-4, -4.5f}, {-1, -0.5f}, {2, -0.5f},
    {5, -3.6f}, {8, 1.5f}, {14, 3.8f}, {26, 3.2f}, {35, 2.8f}, {38.5f, 6}, {38, 14}, {33, 25},
    {24, 40}, {16.5f, 60}, {13.5f, 85}, {12.5f, 120}, {12.5f, 200}, {-13.5f, 200}, {-13.5f, 120},
    {-14, 85}, {-17, 60}, {-24, 40}, {-34, 24}, {-40, 14}};
enum { FEMUR_POINTS = ph_count(femur_outline), TIBIA_POINTS = ph_count(tibia_outline) };

typedef struct {
    limb_film film;
    float scale, valgus, gap_medial, gap_lateral, depress;
    float flesh;
    bool young, old;
    trouble what;
    ph_canvas mark;
} knee;

static ph_point at(const knee *k, float x, float y)
{
    return limb_at(&k->film, x * k->scale, y * k->scale);
}

static float px(const knee *k, float mm)
{
    return mm * k->scale * k->film.mm;
}

static void to_pixels(const knee *k, ph_point *q, size_t n)
{
    for (size_t i = 0; i < n; i++)
        q[i] = at(k, q[i].x, q[i].y);
}

static void mark_at(knee *k, float x, float y, float mm)
{
    ph_point p = at(k, x, y);

    ph_paint_oval(&k->mark, (ph_oval){p.x, p.y, px(k, mm), px(k, mm), 0, 0}, 1.f, PH_MAX, 1.f);
}

/* ---- Bones ------------------------------------------------------------------------ */

/* A mask to bone: filled, with a thin bright rim everywhere and a thick one along the
 * shaft, that is `shaft` millimetres or more from the joint. */
static void add_bone(const knee *k, ph_canvas *bones, ph_canvas *mask, float shaft, float value)
{
    ph_canvas thin = ph_canvas_copy(mask), thick = ph_canvas_copy(mask);

    ph_blur(&thin, px(k, 0.9f));
    ph_blur(&thick, px(k, 3.4f));
    bones->failed |= mask->failed || thin.failed || thick.failed;
    for (size_t y = 0; !bones->failed && y < bones->height; y++) {
        float mm = fabsf((float)y - k->film.cy) / (k->scale * k->film.mm);
        float s = fminf(fmaxf((mm - 0.5f * shaft) / shaft, 0.f), 1.f);

        for (size_t x = 0; x < bones->width; x++) {
            size_t i = y * bones->width + x;
            float m = mask->at[i], edge = 2.f * (1.f - thin.at[i]), wall = 2.f * (1.f - thick.at[i]);
            float v = 0.6f - 0.24f * s + 0.2f * edge + (0.1f + 0.62f * s) * wall;

            bones->at[i] += value * m * v;
        }
    }
    ph_canvas_clear(&thin);
    ph_canvas_clear(&thick);
}

static ph_canvas outline_mask(const knee *k, ph_point *q, size_t n)
{
    ph_canvas m = ph_canvas_new(k->film.w, k->film.h);

    to_pixels(k, q, n);
    ph_paint_blob(&m, q, n, 1.6f, PH_MAX, 1.f);
    return m;
}

/* Everything above `y` mm turned and shifted: a broken femur. */
static void break_above(ph_point *q, size_t n, float y, float angle, float shift)
{
    for (size_t i = 0; i < n; i++)
        if (q[i].y < y) {
            float dy = q[i].y - y;

            q[i].x += shift - angle * dy;
            q[i].y = y + dy + 0.25f * fabsf(shift);
        }
}

static void draw_femur(knee *k, ph_canvas *bones, rs_random *r)
{
    ph_point q[FEMUR_POINTS];

    memcpy(q, femur_outline, sizeof q);
    if (k->what == FEMUR_FRACTURE) {
        float side = ph_chance(r, 0.5) ? 1.f : -1.f;

        break_above(q, FEMUR_POINTS, -52.f, side * ph_range(r, 0.08, 0.2),
                    -side * ph_range(r, 6, 13));
        mark_at(k, 0.f, -54.f, 29.f);
    }
    ph_canvas m = outline_mask(k, q, FEMUR_POINTS);

    if (k->what == FEMUR_FRACTURE) {
        enum { N = 9 };
        ph_point crack[N];

        for (int i = 0; i < N; i++)
            crack[i] = (ph_point){-34.f + 8.5f * (float)i,
                                  -53.f + ph_range(r, -5, 5) + 2.2f * (float)(i - 4)};
        to_pixels(k, crack, N);
        ph_paint_line(&m, crack, N, px(k, 1.7f), px(k, 1.7f), 1.5f, PH_MIN, 0.12f);
    }
    add_bone(k, bones, &m, 62.f, 1.f);
    ph_canvas_clear(&m);
}

static void draw_tibia(knee *k, ph_canvas *bones, rs_random *r)
{
    ph_point q[TIBIA_POINTS];

    memcpy(q, tibia_outline, sizeof q);
    for (size_t i = 0; i < TIBIA_POINTS; i++) {
        float gap = ph_mixf(k->gap_medial, k->gap_lateral, 0.5f + q[i].x / 60.f);

        if (k->what == PLATEAU_FRACTURE && q[i].x > 12.f && q[i].y < 20.f) {
            q[i].y += k->depress * (q[i].x < 30.f ? 1.f : 0.4f);
            q[i].x += 0.35f * k->depress * (q[i].x > 30.f ? 1.f : 0.f);
        }
        q[i].x -= k->valgus * (q[i].y > 0.f ? q[i].y : 0.f);
        q[i].y += gap;
    }
    ph_canvas m = outline_mask(k, q, TIBIA_POINTS);

    if (k->what == PLATEAU_FRACTURE) {
        float y = k->gap_lateral;
        ph_point crack[] = {{10.5f, y}, {13.f + ph_range(r, -2, 2), y + 16.f},
                            {19.f, y + 28.f}, {28.f + ph_range(r, -2, 3), y + 42.f}};

        to_pixels(k, crack, ph_count(crack));
        ph_paint_line(&m, crack, ph_count(crack), px(k, 1.8f), px(k, 0.9f), 1.4f, PH_MIN, 0.15f);
        mark_at(k, 24.f, 14.f, 24.f);
    }
    add_bone(k, bones, &m, 52.f, 0.97f);
    ph_canvas_clear(&m);
}

static void draw_fibula(knee *k, ph_canvas *bones, rs_random *r)
{
    ph_point q[] = {{33.f, 19}, {38.f, 14}, {43.f, 18}, {44.5f, 27}, {40.f, 37}, {37.5f, 52},
                    {36.5f, 90}, {36, 200}, {25, 200}, {26.5f, 90}, {28, 52}, {28.5f, 37}, {28, 27}};

    for (size_t i = 0; i < ph_count(q); i++)
        q[i].x -= k->valgus * q[i].y;
    if (k->what == FIBULA_FRACTURE) {
        float shift = ph_range(r, 3.5, 7);

        for (size_t i = 0; i < ph_count(q); i++)
            if (q[i].y < 45.f) {
                q[i].x += shift + 0.16f * (45.f - q[i].y);
                q[i].y -= 1.f;
            }
    }
    ph_canvas m = outline_mask(k, q, ph_count(q));

    if (k->what == FIBULA_FRACTURE) {
        ph_point crack[] = {{24.f, 47}, {32.f, 43.5f}, {37.f, 46}, {48.f, 40}};

        to_pixels(k, crack, ph_count(crack));
        ph_paint_line(&m, crack, ph_count(crack), px(k, 1.7f), px(k, 1.7f), 1.4f, PH_MIN, 0.05f);
        mark_at(k, 36.f, 42.f, 15.f);
    }
    add_bone(k, bones, &m, 30.f, 0.55f);
    ph_canvas_clear(&m);
}

static void draw_patella(knee *k, ph_canvas *bones, rs_random *r)
{
    float y = ph_range(r, -32, -25), x = ph_range(r, -3, 3);
    ph_point q[] = {{x - 20, y - 6}, {x - 13, y - 18}, {x, y - 21}, {x + 14, y - 18},
                    {x + 21, y - 5}, {x + 14, y + 12}, {x, y + 20}, {x - 14, y + 12}};
    ph_canvas m = outline_mask(k, q, ph_count(q));

    if (k->what == PATELLA_FRACTURE) {
        ph_point crack[] = {{x - 24, y + ph_range(r, -4, 2)}, {x - 6, y + ph_range(r, -3, 3)},
                            {x + 8, y + ph_range(r, -3, 3)}, {x + 24, y + ph_range(r, -4, 4)}};
        float wide = ph_range(r, 1.5, 3);

        to_pixels(k, crack, ph_count(crack));
        ph_paint_line(&m, crack, ph_count(crack), px(k, wide), px(k, wide), 1.5f, PH_MIN, -0.6f);
        mark_at(k, x, y, 23.f);
    }
    ph_add(bones, &m, k->what == PATELLA_FRACTURE ? 0.24f : 0.13f);
    ph_blur(&m, px(k, 1.2f));
    ph_canvas_clear(&m);
}

/* Growth plates: dark wavy lines across both metaphyses and the fibula's. */
static void draw_plates(const knee *k, ph_canvas *bones, rs_random *r)
{
    static const float spans[3][3] = {{-41, 38, -26}, {-39, 37, 17}, {28, 45, 27}};

    for (int p = 0; p < 3; p++) {
        enum { N = 9 };
        ph_point q[N];

        for (int i = 0; i < N; i++)
            q[i] = (ph_point){ph_mixf(spans[p][0], spans[p][1], (float)i / (N - 1)),
                              spans[p][2] + ph_range(r, -1.6, 1.6)};
        to_pixels(k, q, N);
        ph_paint_line(bones, q, N, px(k, 1.1f), px(k, 1.1f), 1.8f, PH_MUL, 0.5f);
    }
}

/* ---- What may be wrong ------------------------------------------------------------------- */

static void wear(knee *k, ph_canvas *bones, float side, rs_random *r)
{
    float y = 0.5f * (side < 0.f ? k->gap_medial : k->gap_lateral);
    ph_point middle = at(k, side * 24.f, y + 1.f);

    /* Dense bone on both sides of the lost space, spurs at the margin. */
    ph_paint_oval(bones, (ph_oval){middle.x, middle.y, px(k, 15), px(k, 7.5f), 0, 3}, px(k, 6),
                  PH_ADD, 0.28f);
    for (float up = -1.f; up <= 1.f; up += 2.f) {
        float reach = ph_range(r, 4, 7.5);
        ph_point spur[] = {{side * 37.f, y + up * 5.f + 2.f}, {side * (38.f + reach),
                                                               y + up * 3.4f + 2.f}};

        to_pixels(k, spur, 2);
        ph_paint_line(bones, spur, 2, px(k, 3.4f), px(k, 1.1f), 1.5f, PH_MAX, 0.85f);
    }
    mark_at(k, side * 28.f, y + 2.f, 19.f);
}

/* Where the metal is, bone counts no more: white, sharp, whatever lies behind. */
static void replace_joint(knee *k, ph_canvas *bones, ph_canvas *over, rs_random *r)
{
    ph_point shield[] = {{-40, -26}, {-41.5f, -14}, {-37, -4.5f}, {-26, -1.f}, {-14, -3}, {-8, -12},
                         {0, -15}, {8, -12}, {14, -3}, {26, -1.f}, {36, -5}, {38.5f, -14}, {37, -26},
                         {20, -31}, {-20, -31}};
    ph_point tray[] = {{-39, 9}, {38, 9}, {37.5f, 13.5f}, {-38.5f, 13.5f}};
    ph_point stem[] = {{-15, 12}, {15, 12}, {6, 30}, {5, ph_range(r, 44, 58)}, {0, 62}, {-5, 52},
                       {-6, 30}};
    ph_point gap[] = {{-42, -1}, {41, -1}, {41, 9.5f}, {-42, 9.5f}};

    to_pixels(k, shield, ph_count(shield));
    to_pixels(k, tray, ph_count(tray));
    to_pixels(k, stem, ph_count(stem));
    to_pixels(k, gap, ph_count(gap));
    /* The tibial spines are cut away: only plastic between the metal parts. */
    ph_paint_polygon(bones, gap, ph_count(gap), 2.f, PH_MUL, 0.12f);
    ph_canvas metal = ph_canvas_new(k->film.w, k->film.h);

    ph_paint_blob(&metal, shield, ph_count(shield), 1.4f, PH_MAX, 1.f);
    ph_paint_polygon(&metal, tray, ph_count(tray), 1.4f, PH_MAX, 1.f);
    ph_paint_blob(&metal, stem, ph_count(stem), 1.4f, PH_MAX, 1.f);
    ph_add(over, &metal, 1.1f);
    ph_add(&k->mark, &metal, 1.f);
    ph_canvas_clear(&metal);
}

static void spoil(knee *k, ph_canvas *bones, rs_random *r)
{
    enum { N = 10 };
    bool femur = k->what != LYTIC_TIBIA;
    float x = ph_range(r, -18, 18), y = femur ? ph_range(r, -46, -26) : ph_range(r, 22, 38);
    float size = ph_range(r, 10, 17);
    ph_point q[N];

    x *= femur ? 1.f : 0.7f;
    for (int i = 0; i < N; i++) {
        float a = 6.2832f * (float)i / N, d = size * ph_range(r, 0.82, 1.12);

        q[i] = (ph_point){x + 0.85f * d * cosf(a), y + 1.1f * d * sinf(a)};
    }
    to_pixels(k, q, N);
    if (k->what == SCLEROTIC_FEMUR) {
        ph_paint_blob(bones, q, N, px(k, 0.4f * size), PH_ADD, ph_range(r, 0.42, 0.65));
    } else {
        ph_paint_blob(bones, q, N, px(k, 2.4f), PH_MUL, 1.12f);
        ph_place(q, N, 0, 0, 1, 1, 0);
        ph_point middle = at(k, x, y);

        for (int i = 0; i < N; i++)
            q[i] = (ph_point){ph_mixf(middle.x, q[i].x, 0.93f), ph_mixf(middle.y, q[i].y, 0.93f)};
        ph_paint_blob(bones, q, N, px(k, 2.f), PH_MUL, ph_range(r, 0.38, 0.55));
    }
    mark_at(k, x, y, 1.25f * size);
}

/* ---- One case ------------------------------------------------------------------------------- */

static void draw_soft(const knee *k, ph_canvas *soft, rs_random *r)
{
    float f = k->flesh, calf = ph_range(r, 50, 60) * f;
    ph_point leg[] = {{-74 * f, -230}, {-66 * f, -120}, {-57 * f, -60}, {-54 * f, -20},
                      {-51 * f, 15}, {-51 * f, 50}, {-calf, 110}, {-calf, 230}, {calf + 4, 230},
                      {calf + 4, 110}, {54 * f, 50}, {52 * f, 10}, {54 * f, -20}, {60 * f, -60},
                      {68 * f, -120}, {76 * f, -230}};
    ph_canvas deep, m = outline_mask(k, leg, ph_count(leg));

    deep = ph_canvas_copy(&m);
    ph_blur(&deep, px(k, 12));
    ph_mul(&deep, &m);
    ph_add(soft, &deep, 0.8f);
    ph_add(soft, &m, 0.25f);
    ph_canvas_clear(&deep);
    ph_canvas_clear(&m);
}

static void plan_knee(knee *k, const ph_case *c, bool right, rs_random *patient, rs_random *film,
                      rs_random *disease)
{
    k->film = limb_film_new(0.82f, film);
    k->film.mirror = right ? -1.f : 1.f;
    k->scale = (c->sex == 'F' ? 0.92f : 1.f) * ph_range(patient, 0.95, 1.05);
    k->flesh = ph_range(patient, 0.92, 1.2);
    k->young = c->age < 15;
    k->old = c->age > 65;
    k->scale *= k->young ? 0.66f + 0.02f * (float)c->age : 1.f;
    k->valgus = ph_range(patient, -0.02, 0.03);
    k->gap_medial = ph_range(patient, 1.4, 2.6);
    k->gap_lateral = k->gap_medial + ph_range(patient, 0.2, 1.2);
    if (k->what == MEDIAL_WEAR || k->what == LATERAL_WEAR) {
        bool medial = k->what == MEDIAL_WEAR;
        float lost = ph_range(disease, -5.8, -4.6), left = ph_range(disease, 2.6, 4.2);

        k->gap_medial = medial ? lost : left;
        k->gap_lateral = medial ? left : lost;
        k->valgus = (medial ? 1.f : -1.f) * ph_range(disease, 0.03, 0.09);
    }
    k->depress = ph_range(disease, 5, 9);
    k->film.mm = (float)k->film.h / (ph_range(film, 190, 235) * k->scale);
    k->film.cx = (float)k->film.w * ph_range(film, 0.46, 0.54);
    k->film.cy = (float)k->film.h * ph_range(film, 0.44, 0.54);
    k->film.tilt = ph_range(film, -0.06, 0.06);
    k->mark = ph_canvas_new(k->film.w, k->film.h);
}

static const char *size_of(trouble what, rs_random *r)
{
    bool more = ph_chance(r, 0.5);

    switch (what) {
    case NOTHING: return "";
    case MEDIAL_WEAR:
    case LATERAL_WEAR: return more ? "severe" : "marked";
    case PLATEAU_FRACTURE: return "depressed";
    case FIBULA_FRACTURE:
    case FEMUR_FRACTURE: return "displaced";
    case PATELLA_FRACTURE: return "transverse";
    case REPLACEMENT: return "";
    case LYTIC_FEMUR:
    case LYTIC_TIBIA: return "geographic";
    case SCLEROTIC_FEMUR: return "dense";
    }
    return "";
}

static rs_status draw_knee(ph_case *c, size_t place, bool right, rs_random *patient,
                           rs_random *film, rs_random *disease, rs_err *err)
{
    knee k = {.what = c->bare ? NOTHING : places[place].what};
    ph_finding *f = &c->findings[0];

    plan_knee(&k, c, right, patient, film, disease);
    ph_canvas soft = ph_canvas_new(k.film.w, k.film.h), bones = ph_canvas_new(k.film.w, k.film.h);
    ph_canvas over = ph_canvas_new(k.film.w, k.film.h);

    f->size = size_of(places[place].what, disease);
    draw_soft(&k, &soft, patient);
    draw_femur(&k, &bones, disease);
    draw_tibia(&k, &bones, disease);
    draw_fibula(&k, &bones, disease);
    if (k.what != REPLACEMENT)
        draw_patella(&k, &bones, patient);
    if (k.young)
        draw_plates(&k, &bones, patient);
    if (k.what == MEDIAL_WEAR || k.what == LATERAL_WEAR)
        wear(&k, &bones, k.what == MEDIAL_WEAR ? -1.f : 1.f, disease);
    if (k.what >= LYTIC_FEMUR)
        spoil(&k, &bones, disease);
    if (k.what == REPLACEMENT)
        replace_joint(&k, &bones, &over, disease);
    limb_layers layers = {&soft, &bones, &over, 0.27f, 0.5f};
    rs_status st = limb_expose(c, &k.film, &layers, right ? "R" : "L", film, err);

    if (k.what != NOTHING && ph_mask_box(&k.mark, 0.5f, f->box))
        ph_box_grow(f->box, 2, k.film.w, k.film.h);
    ph_canvas_clear(&soft);
    ph_canvas_clear(&bones);
    ph_canvas_clear(&over);
    ph_canvas_clear(&k.mark);
    return st;
}

static int age_for(trouble what, rs_random *patient)
{
    double u = rs_random_unit(patient);

    if (what == MEDIAL_WEAR || what == LATERAL_WEAR || what == REPLACEMENT)
        return 50 + (int)(u * 38);
    if (what == NOTHING && u < 0.2)
        return 8 + (int)rs_random_below(patient, 7);
    return 18 + (int)(u * 65);
}

static rs_status draw(ph_case *c, size_t combo, rs_random *r, rs_err *err)
{
    size_t place = (combo + 1) / 2;
    bool right = combo ? combo % 2 : rs_random_below(r, 2);
    rs_random patient = ph_patient(c);
    rs_random film = rs_random_seed(rs_random_u64(r)), disease = rs_random_seed(rs_random_u64(r));
    rs_status st;

    c->modality = rs_random_below(r, 3) ? "DX" : "CR";
    c->body_part = "KNEE";
    c->sex = rs_random_below(&patient, 2) ? 'F' : 'M';
    c->age = age_for(places[place].what, &patient);
    c->study = right ? "Right knee radiograph" : "Left knee radiograph";
    c->view[0] = "AP";
    c->n_findings = combo != 0;
    c->findings[0] = (ph_finding){places[place].kind, right ? "right" : "left", places[place].site,
                                  "", 0, {0}};
    if (combo)
        snprintf(c->label, sizeof c->label, "knee: %s, %s %s", places[place].kind,
                 c->findings[0].side, places[place].site);
    else
        snprintf(c->label, sizeof c->label, "knee: normal");
    if ((st = draw_knee(c, place, right, &patient, &film, &disease, err)) != RS_OK)
        return st;
    return limb_report(c, "knee", r, err);
}

const ph_anatomy ph_knee = {"knee", 2 * ph_count(places) - 1, 0.1, draw};
