/* hand.c - the PA radiograph of a hand: nineteen long bones, carpus, wrist.
 *
 * Drawn in millimetres around the capitate, x towards the thumb, y down; a left hand
 * shown PA has its thumb on the right of the picture, a right hand is mirrored.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bone.h"
#include "limb.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { RAYS = 5, JOINTS = 4 };          /* thumb first; metacarpal, three phalanges */

typedef enum {
    NOTHING, FRACTURE, ARTHROSIS, DISLOCATION, LYTIC, SCLEROTIC, FOREIGN_BODY
} trouble;

/* Which bone is meant: ray 0..4 and joint 0..3; or the radius. */
enum { RADIUS = 9, CARPUS = 8, SOFT = 7 };

static const struct {
    trouble what;
    const char *kind, *site;
    int ray, joint;
} places[] = {
    {NOTHING, "", "", 0, 0},
    {FRACTURE, "fracture", "distal radius", RADIUS, 0},
    {FRACTURE, "fracture", "fifth metacarpal", 4, 0},
    {FRACTURE, "fracture", "second metacarpal", 1, 0},
    {FRACTURE, "fracture", "proximal phalanx of the ring finger", 3, 1},
    {FRACTURE, "fracture", "proximal phalanx of the index finger", 1, 1},
    {ARTHROSIS, "osteoarthritis", "first carpometacarpal joint", 0, 0},
    {ARTHROSIS, "osteoarthritis", "distal interphalangeal joints", 1, 3},
    {DISLOCATION, "dislocation", "proximal interphalangeal joint of the middle finger", 2, 2},
    {DISLOCATION, "dislocation", "metacarpophalangeal joint of the thumb", 0, 1},
    {LYTIC, "lytic lesion", "proximal phalanx of the little finger", 4, 1},
    {LYTIC, "lytic lesion", "third metacarpal", 2, 0},
    {SCLEROTIC, "sclerotic lesion", "distal radius", RADIUS, 0},
    {FOREIGN_BODY, "foreign body", "thenar soft tissues", SOFT, 0},
};

static const struct { float x, y, angle; float length[JOINTS], thick; } rays[RAYS] = {
    {21.f, -3.f, 0.78f, {45, 31, 0, 22}, 1.08f},
    {12.5f, -15.f, 0.17f, {66, 40, 23, 17}, 1.02f},
    {2.f, -17.f, 0.02f, {63, 44, 27, 18}, 1.04f},
    {-7.5f, -15.f, -0.13f, {56, 41, 26, 18}, 0.95f},
    {-15.5f, -11.f, -0.28f, {52, 33, 19, 16}, 0.88f},
};
/* Half widths of base, waist and head, by joint. */
static const float widths[JOINTS][3] = {
    {7.6f, 4.4f, 7.2f}, {7.6f, 4.6f, 5.8f}, {6.2f, 3.9f, 4.9f}, {5.4f, 2.6f, 3.6f}};

typedef struct {
    limb_film film;
    ph_bone bones[RAYS][JOINTS], radius, ulna;
    bool young;                          /* growth plates open */
    float scale, soft;
    ph_canvas mark;
} hand;

/* ---- Bones --------------------------------------------------------------------- */

static ph_point at(const hand *h, float x, float y)
{
    return limb_at(&h->film, x * h->scale, y * h->scale);
}

static float px(const hand *h, float mm)
{
    return mm * h->scale * h->film.mm;
}

static void lay_rays(hand *h, rs_random *patient, rs_random *pose)
{
    float spread = ph_range(pose, 0.5, 1.4), curl = ph_range(pose, -0.03, 0.03);

    for (int i = 0; i < RAYS; i++) {
        float x = rays[i].x, y = rays[i].y, a = rays[i].angle + ph_range(pose, -0.03, 0.03);

        for (int k = 0; k < JOINTS; k++) {
            float len = rays[i].length[k] * ph_range(patient, 0.96, 1.04);
            float gap = k ? 1.5f : 0.f, t = rays[i].thick;

            if (rays[i].length[k] <= 0.f)
                continue;
            x += sinf(a) * gap;
            y -= cosf(a) * gap;
            float ex = x + sinf(a) * len, ey = y - cosf(a) * len;

            h->bones[i][k] = (ph_bone){
                .a = at(h, x, y), .b = at(h, ex, ey), .ra = px(h, t * widths[k][0]),
                .rm = px(h, t * widths[k][1]), .rb = px(h, t * widths[k][2]),
                .cap_a = px(h, 2.6f), .cap_b = px(h, k == 3 ? 3.f : 5.f), .wall = 0.42f};
            if (h->young) {
                bool base = k > 0 || i == 0;

                h->bones[i][k].plate = base ? 5.f / len : 1.f - 7.f / len;
                h->bones[i][k].plate_width = px(h, 0.9f);
            }
            x = ex;
            y = ey;
            a += k == 0 && i ? spread * (0.09f - 0.075f * (float)i) + curl
                 : i == 0    ? ph_range(pose, -0.22, 0.02)
                             : ph_range(pose, -0.03, 0.03);
        }
    }
}

static void lay_forearm(hand *h, rs_random *pose)
{
    float lean = ph_range(pose, -4, 4);

    h->radius = (ph_bone){.a = at(h, 9.f + lean, 130.f), .b = at(h, 6.5f, 13.5f),
                          .ra = px(h, 8), .rm = px(h, 7.5f), .rb = px(h, 15.5f),
                          .cap_a = 1.f, .cap_b = px(h, 4.f), .wall = 0.4f};
    h->ulna = (ph_bone){.a = at(h, -14.f + lean, 130.f), .b = at(h, -15.f, 15.5f),
                        .ra = px(h, 7), .rm = px(h, 6.f), .rb = px(h, 8.6f),
                        .cap_a = 1.f, .cap_b = px(h, 5.f), .wall = 0.42f};
    if (h->young) {
        h->radius.plate = h->ulna.plate = 0.92f;
        h->radius.plate_width = h->ulna.plate_width = px(h, 1.1f);
    }
}

static void draw_carpus(hand *h, ph_canvas *bones, rs_random *patient)
{
    static const struct { float x, y, rx, ry, angle, power; } carpals[] = {
        {17.5f, -4.f, 7.f, 6.5f, 0.5f, 3.f},  {9.8f, -10.5f, 5.2f, 6.f, 0.1f, 3.f},
        {1.5f, -6.5f, 6.8f, 10.5f, 0.06f, 3.f}, {-8.3f, -6.f, 7.f, 8.8f, -0.2f, 2.6f},
        {10.5f, 3.6f, 5.8f, 9.6f, 0.75f, 2.6f}, {0.f, 7.2f, 7.6f, 6.f, 0.1f, 2.6f},
        {-10.f, 5.2f, 6.2f, 6.f, 0.3f, 2.6f},  {-12.5f, 3.f, 4.2f, 5.2f, 0.2f, 2.f},
    };
    float grown = h->young ? 0.84f : 1.f, turn = h->film.mirror;

    for (size_t i = 0; i < ph_count(carpals); i++) {
        float s = ph_range(patient, 0.96, 1.06) * grown;
        ph_point c = at(h, carpals[i].x, carpals[i].y);
        ph_oval o = {c.x, c.y, px(h, carpals[i].rx) * s, px(h, carpals[i].ry) * s,
                     turn * carpals[i].angle + h->film.tilt, carpals[i].power};

        ph_paint_oval(bones, o, 1.5f, PH_ADD, 0.56f);
        o.rx -= px(h, 1.3f);
        o.ry -= px(h, 1.3f);
        ph_paint_oval(bones, o, px(h, 1.2f), PH_ADD, -0.16f);
    }
}

/* ---- Soft tissue ------------------------------------------------------------------ */

static void draw_soft(hand *h, ph_canvas *soft)
{
    ph_point palm[] = {{31, -34}, {24, -62}, {12, -88}, {0, -90}, {-14, -84}, {-26, -72},
                       {-30, -45}, {-27, -18}, {-27, 0}, {-26, 14}, {-27, 45}, {-32, 135},
                       {33, 135}, {27, 45}, {24, 16}, {28, 4}, {35, -14}};
    ph_canvas plate = ph_canvas_new(soft->width, soft->height);

    for (size_t i = 0; i < ph_count(palm); i++)
        palm[i] = at(h, palm[i].x * (0.94f + 0.06f * h->soft), palm[i].y);
    ph_paint_blob(&plate, palm, ph_count(palm), px(h, 7), PH_MAX, 1.f);
    for (int i = 0; i < RAYS; i++) {
        ph_point q[JOINTS + 2];
        size_t n = 0;
        float r0 = px(h, (i ? 10.2f : 12.5f) * rays[i].thick * h->soft);

        q[n++] = i ? h->bones[i][0].b : ph_bone_at(&h->bones[0][0], 0.3f);
        for (int k = 1; k < JOINTS; k++)
            if (rays[i].length[k] > 0.f)
                q[n++] = h->bones[i][k].b;
        /* Flesh reaches beyond the bone of the tip. */
        q[n - 1].x += 0.1f * (q[n - 1].x - q[n - 2].x);
        q[n - 1].y += 0.1f * (q[n - 1].y - q[n - 2].y);
        ph_paint_rod(&plate, q, n, r0, 0.74f * r0, PH_MAX, 0.92f);
        ph_paint_line(&plate, q, n, 0.97f * r0, 0.71f * r0, 2.f, PH_MAX, 0.42f);
    }
    ph_blur(&plate, px(h, 0.8f));
    ph_add(soft, &plate, 1.f);
    ph_canvas_clear(&plate);
}

/* ---- What may be wrong ---------------------------------------------------------------- */

static ph_bone *bone_of(hand *h, int ray, int joint)
{
    return ray == RADIUS ? &h->radius : &h->bones[ray][joint];
}

static void mark_at(hand *h, ph_point p, float mm)
{
    ph_paint_oval(&h->mark, (ph_oval){p.x, p.y, px(h, mm), px(h, mm), 0, 0}, 1.f, PH_MAX, 1.f);
}

/* Carry the bones beyond (ray, joint) along. */
static void follow(hand *h, int ray, int joint, float dx, float dy)
{
    for (int k = joint + 1; ray < RAYS && k < JOINTS; k++) {
        h->bones[ray][k].a.x += dx;
        h->bones[ray][k].b.x += dx;
        h->bones[ray][k].a.y += dy;
        h->bones[ray][k].b.y += dy;
    }
}

static void break_bone(hand *h, ph_finding *f, int ray, int joint, rs_random *r)
{
    ph_bone *b = bone_of(h, ray, joint);
    bool bad = ph_chance(r, 0.6), wrist = ray == RADIUS;
    float hand_side = ph_chance(r, 0.75) ? 1.f : -1.f;

    f->size = bad ? "displaced" : "minimally displaced";
    b->break_at = wrist ? ph_range(r, 0.8, 0.86)
                        : joint == 0 ? ph_range(r, 0.62, 0.78) : ph_range(r, 0.35, 0.6);
    b->bend = hand_side * h->film.mirror * (bad ? ph_range(r, 0.3, 0.55) : ph_range(r, 0.1, 0.2)) *
              (wrist ? 0.5f : 1.f);
    b->slip = -hand_side * h->film.mirror * b->rm * (bad ? ph_range(r, 0.3, 0.7)
                                                         : ph_range(r, 0.1, 0.25));
    b->gap = px(h, bad ? ph_range(r, -1, 0.8) : ph_range(r, 0.5, 1));
    mark_at(h, ph_bone_at(b, b->break_at), wrist ? 17.f : 10.f);
    ph_point end = ph_bone_end(b);

    if (!wrist)
        follow(h, ray, joint, end.x - b->b.x, end.y - b->b.y);
}

static void dislocate(hand *h, ph_finding *f, int ray, int joint, rs_random *r)
{
    ph_bone *b = &h->bones[ray][joint];
    float len = hypotf(b->b.x - b->a.x, b->b.y - b->a.y);
    float ux = (b->b.x - b->a.x) / len, uy = (b->b.y - b->a.y) / len;
    float side = (ph_chance(r, 0.5) ? 1.f : -1.f) * b->ra * ph_range(r, 1.1, 1.5);
    float back = -px(h, ph_range(r, 4, 7));
    float dx = -uy * side + ux * back, dy = ux * side + uy * back;

    f->size = "complete";
    follow(h, ray, joint - 1, dx, dy);
    mark_at(h, (ph_point){b->a.x - 0.4f * dx, b->a.y - 0.4f * dy}, 12.f);
}

/* Space lost, spurs at the margins, dense ends. */
static void wear_joint(hand *h, ph_canvas *bones, ph_point where, const ph_bone *b, rs_random *r)
{
    float len = hypotf(b->b.x - b->a.x, b->b.y - b->a.y), w = b->ra;
    float ux = (b->b.x - b->a.x) / len, uy = (b->b.y - b->a.y) / len;

    ph_paint_oval(bones, (ph_oval){where.x, where.y, 1.05f * w, 0.55f * w, atan2f(uy, ux) + 1.5708f,
                                   2.5f}, 0.5f * w, PH_ADD, 0.42f);
    for (float side = -1.f; side <= 1.f; side += 2.f)
        for (float end = -1.f; end <= 1.f; end += 2.f) {
            ph_oval spur = {where.x - uy * side * 1.12f * w + ux * end * 0.28f * w,
                            where.y + ux * side * 1.12f * w + uy * end * 0.28f * w,
                            w * ph_range(r, 0.22, 0.42), w * ph_range(r, 0.16, 0.24),
                            atan2f(uy, ux) + 1.2f * side * end, 0};

            ph_paint_oval(bones, spur, 1.5f, PH_ADD, 0.55f);
        }
    mark_at(h, where, 1.5f * w / (h->scale * h->film.mm));
}

static void wear(hand *h, ph_canvas *bones, int ray, int joint, rs_random *r)
{
    if (joint == 0) {
        ph_point p = at(h, 19.f, -3.5f);
        ph_bone wide = h->bones[ray][0];

        wide.ra *= 1.15f;
        wear_joint(h, bones, p, &wide, r);
        return;
    }
    for (int i = 1; i < RAYS; i++) {
        const ph_bone *b = &h->bones[i][JOINTS - 1];

        if (i < 3 || ph_chance(r, 0.7))
            wear_joint(h, bones, b->a, b, r);
    }
}

static void spoil_bone(hand *h, ph_canvas *bones, ph_finding *f, trouble what, int ray, int joint,
                       rs_random *r)
{
    const ph_bone *b = bone_of(h, ray, joint);
    float t = ray == RADIUS ? ph_range(r, 0.86, 0.93) : ph_range(r, 0.3, 0.65);
    ph_point p = ph_bone_at(b, t);
    float w = ray == RADIUS ? px(h, ph_range(r, 6, 9)) : b->rm * ph_range(r, 1.25, 1.7);
    ph_oval o = {p.x, p.y, w * ph_range(r, 1.2, 1.8), w,
                 atan2f(b->b.y - b->a.y, b->b.x - b->a.x), 0};

    if (what == LYTIC) {
        /* Blown up, thinned: a faint shell around a hole. */
        ph_paint_oval(bones, o, 2.f, PH_MAX, 0.72f);
        o.rx -= px(h, 1.1f);
        o.ry -= px(h, 1.1f);
        ph_paint_oval(bones, o, 2.f, PH_MUL, 0.36f);
        f->size = "expansile";
    } else {
        ph_paint_oval(bones, o, 0.7f * w, PH_ADD, ph_range(r, 0.5, 0.8));
        f->size = "dense";
    }
    mark_at(h, p, 1.5f * o.rx / (h->scale * h->film.mm));
}

static void add_metal(hand *h, ph_canvas *over, ph_finding *f, rs_random *r)
{
    ph_point p = at(h, ph_range(r, 14, 26), ph_range(r, -44, -26));
    float a = ph_range(r, 0, 3.14), half = px(h, ph_range(r, 3, 7));
    ph_point q[] = {{p.x - half * cosf(a), p.y - half * sinf(a)},
                    {p.x + half * cosf(a), p.y + half * sinf(a)}};

    f->size = "linear";
    ph_paint_line(over, q, 2, px(h, 1.f), px(h, ph_range(r, 0.4, 0.9)), 1.3f, PH_ADD, 0.8f);
    mark_at(h, p, 9.f);
}

/* ---- One case ---------------------------------------------------------------------------- */

static void plan_hand(hand *h, const ph_case *c, bool right, rs_random *patient, rs_random *film)
{
    h->young = c->age < 15;
    h->film = limb_film_new(0.8f, film);
    h->film.mirror = right ? -1.f : 1.f;
    h->scale = (c->sex == 'F' ? 0.93f : 1.f) * ph_range(patient, 0.95, 1.04);
    if (h->young)
        h->scale *= 0.58f + 0.028f * (float)c->age;
    h->soft = ph_range(patient, 0.9, 1.15);
    /* A small hand is filmed on a small field. */
    h->film.mm = (float)h->film.h / (ph_range(film, 238, 275) * h->scale);
    h->film.cx = (float)h->film.w * (0.5f - h->film.mirror * ph_range(film, 0, 0.06));
    h->film.cy = (float)h->film.h * ph_range(film, 0.74, 0.79);
    h->film.tilt = ph_range(film, -0.16, 0.16);
    lay_rays(h, patient, film);
    lay_forearm(h, film);
    h->mark = ph_canvas_new(h->film.w, h->film.h);
}

static void draw_bones(hand *h, ph_canvas *bones, rs_random *patient)
{
    for (int i = 0; i < RAYS; i++)
        for (int k = 0; k < JOINTS; k++)
            if (rays[i].length[k] > 0.f)
                ph_paint_bone(bones, &h->bones[i][k], k == 3 ? 0.62f : 0.78f);
    ph_paint_bone(bones, &h->radius, 0.95f);
    ph_paint_bone(bones, &h->ulna, 0.85f);
    draw_carpus(h, bones, patient);
}

static rs_status draw_hand(ph_case *c, size_t place, bool right, rs_random *patient,
                           rs_random *film, rs_random *disease, rs_err *err)
{
    hand h = {0};
    ph_finding *f = &c->findings[0];
    trouble what = c->bare ? NOTHING : places[place].what;
    int ray = places[place].ray, joint = places[place].joint;

    plan_hand(&h, c, right, patient, film);
    ph_canvas soft = ph_canvas_new(h.film.w, h.film.h), bones = ph_canvas_new(h.film.w, h.film.h);
    ph_canvas over = ph_canvas_new(h.film.w, h.film.h);

    if (what == FRACTURE)
        break_bone(&h, f, ray, joint, disease);
    if (what == DISLOCATION)
        dislocate(&h, f, ray, joint, disease);
    draw_soft(&h, &soft);
    draw_bones(&h, &bones, patient);
    if (what == ARTHROSIS) {
        f->size = "marked";
        wear(&h, &bones, ray, joint, disease);
    }
    if (what == LYTIC || what == SCLEROTIC)
        spoil_bone(&h, &bones, f, what, ray, joint, disease);
    if (what == FOREIGN_BODY)
        add_metal(&h, &over, f, disease);
    limb_layers layers = {&soft, &bones, &over, 0.3f, 0.44f};
    rs_status st = limb_expose(c, &h.film, &layers, right ? "R" : "L", film, err);

    if (places[place].what != NOTHING && ph_mask_box(&h.mark, 0.5f, f->box))
        ph_box_grow(f->box, 2, h.film.w, h.film.h);
    ph_canvas_clear(&soft);
    ph_canvas_clear(&bones);
    ph_canvas_clear(&over);
    ph_canvas_clear(&h.mark);
    return st;
}

static int age_for(trouble what, rs_random *patient)
{
    double u = rs_random_unit(patient);
    bool child = u < 0.2 && what != ARTHROSIS && what != LYTIC && what != SCLEROTIC;

    if (child)
        return 6 + (int)rs_random_below(patient, 9);
    return what == ARTHROSIS ? 52 + (int)(u * 36) : 18 + (int)(u * 68);
}

static rs_status draw(ph_case *c, size_t combo, rs_random *r, rs_err *err)
{
    size_t place = (combo + 1) / 2;
    bool right = combo ? combo % 2 : rs_random_below(r, 2);
    rs_random patient = ph_patient(c);
    rs_random film = rs_random_seed(rs_random_u64(r)), disease = rs_random_seed(rs_random_u64(r));
    rs_status st;

    c->modality = rs_random_below(r, 3) ? "DX" : "CR";
    c->body_part = "HAND";
    c->sex = rs_random_below(&patient, 2) ? 'F' : 'M';
    c->age = age_for(places[place].what, &patient);
    c->study = right ? "Right hand radiograph" : "Left hand radiograph";
    c->view[0] = "PA";
    c->n_findings = combo != 0;
    c->findings[0] = (ph_finding){places[place].kind, right ? "right" : "left", places[place].site,
                                  "", 0, {0}};
    if (combo)
        snprintf(c->label, sizeof c->label, "hand: %s, %s %s", places[place].kind,
                 c->findings[0].side, places[place].site);
    else
        snprintf(c->label, sizeof c->label, "hand: normal");
    if ((st = draw_hand(c, place, right, &patient, &film, &disease, err)) != RS_OK)
        return st;
    return limb_report(c, "hand", r, err);
}

const ph_anatomy ph_hand = {"hand", 2 * ph_count(places) - 1, 0.1, draw};
