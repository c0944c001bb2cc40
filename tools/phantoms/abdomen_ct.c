/* abdomen_ct.c - axial abdominal CT in a soft-tissue window, most with contrast.
 *
 * abdomen.h draws the trunk; here are the findings, in Hounsfield units, and what is
 * written about them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "abdomen.h"
#include "section_report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef enum {
    NORMAL, LIVER_MASS, LIVER_CYST, METASTASES, SPLENOMEGALY, LACERATION, STONE, HYDRONEPHROSIS,
    RENAL_MASS, RENAL_CYST, ASCITES, FREE_AIR, ANEURYSM, GALLSTONES, PANCREAS_MASS, OBSTRUCTION,
    HAEMATOMA, KINDS
} kind_id;

enum {                               /* families, see section_report.h */
    F_LIVER = 1, F_SPLEEN = 2, F_KIDNEY = 4, F_FLUID = 8, F_AIR = 16, F_AORTA = 32, F_GALL = 64,
    F_PANCREAS = 128, F_BOWEL = 256, F_RETRO = 512
};

typedef struct {
    kind_id     kind;
    int         side;                /* +1 left, -1 right, 0 none */
    const char *site;
    abdomen_level level;
    float       x, y;
} combo;

#define BOTH(kind, site, level, x, y) {kind, -1, site, level, x, y}, {kind, 1, site, level, x, y}

static const combo combos[] = {
    {NORMAL, 0, "", ABDOMEN_MIDDLE, 0, 0},
    {LIVER_MASS, -1, "liver", ABDOMEN_UPPER, -80, -10},
    {LIVER_MASS, 1, "liver", ABDOMEN_UPPER, 14, -62},
    {LIVER_CYST, -1, "liver", ABDOMEN_UPPER, -80, -12},
    {LIVER_CYST, 1, "liver", ABDOMEN_UPPER, 14, -62},
    {METASTASES, 0, "liver", ABDOMEN_UPPER, 0, 0},
    {SPLENOMEGALY, 0, "spleen", ABDOMEN_UPPER, 0, 0},
    {LACERATION, 0, "spleen", ABDOMEN_UPPER, 0, 0},
    BOTH(STONE, "kidney", ABDOMEN_MIDDLE, -5, -1),
    BOTH(HYDRONEPHROSIS, "kidney", ABDOMEN_MIDDLE, -7, -3),
    BOTH(RENAL_MASS, "kidney", ABDOMEN_MIDDLE, 14, 8),
    BOTH(RENAL_CYST, "kidney", ABDOMEN_MIDDLE, 16, 6),
    {ASCITES, 0, "peritoneal cavity", ABDOMEN_UPPER, 0, 0},
    {FREE_AIR, 0, "peritoneal cavity", ABDOMEN_MIDDLE, 0, 0},
    {ANEURYSM, 0, "infrarenal aorta", ABDOMEN_LOWER, 0, 0},
    {GALLSTONES, 0, "gallbladder", ABDOMEN_MIDDLE, 0, 0},
    {PANCREAS_MASS, 0, "pancreatic head", ABDOMEN_MIDDLE, -29, -13},
    {PANCREAS_MASS, 0, "pancreatic tail", ABDOMEN_MIDDLE, 58, -14},
    {OBSTRUCTION, 0, "small bowel", ABDOMEN_LOWER, 0, 0},
    BOTH(HAEMATOMA, "psoas muscle", ABDOMEN_LOWER, 44, 47),
};

static const struct { const char *name; double lo, hi; } traits[KINDS] = {
    [NORMAL] = {"normal", 0, 0},
    [LIVER_MASS] = {"liver mass", 20, 62},
    [LIVER_CYST] = {"liver cyst", 18, 58},
    [METASTASES] = {"liver metastases", 10, 34},
    [SPLENOMEGALY] = {"splenomegaly", 1.45, 1.85},
    [LACERATION] = {"splenic laceration", 24, 50},
    [STONE] = {"kidney stone", 7, 18},
    [HYDRONEPHROSIS] = {"hydronephrosis", 16, 30},
    [RENAL_MASS] = {"renal mass", 24, 60},
    [RENAL_CYST] = {"renal cyst", 22, 60},
    [ASCITES] = {"ascites", 9, 26},
    [FREE_AIR] = {"free intraperitoneal air", 9, 26},
    [ANEURYSM] = {"aortic aneurysm", 36, 72},
    [GALLSTONES] = {"gallstones", 5, 14},
    [PANCREAS_MASS] = {"pancreatic mass", 26, 54},
    [OBSTRUCTION] = {"small bowel obstruction", 1.75, 2.2},
    [HAEMATOMA] = {"psoas haematoma", 46, 78},
};

typedef struct {
    const combo *what;
    double size;
    sec_point at;
    bool blank;
    sec_box box;
} finding;

/* ---- Painting findings ----------------------------------------------- */

static sec_ink ink_of(finding *f, float hu, float soft, float ragged)
{
    return (sec_ink){.value = {hu}, .soft = soft, .ragged = ragged, .grain = 4.0f,
                     .box = &f->box, .blank = f->blank};
}

static void paint_liver_mass(sec_scene *s, finding *f, rs_random *r)
{
    float a = (float)f->size * 0.5f;
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a, a * (float)rs_random_range(r, 0.75, 1.0),
                                 (float)rs_random_range(r, 0.0, 3.0), 0.18f, r);
    sec_ink rim = ink_of(f, (float)rs_random_range(r, 70.0, 125.0), 2.6f, 1.2f);
    sec_ink core = ink_of(f, (float)rs_random_range(r, 42.0, 60.0), 4.0f, 1.6f);

    rim.clip = core.clip = s->spare[ABDOMEN_LIVER];
    core.grain = 9.0f;
    core.grow = -0.12f * a;
    sec_paint(s, &blob, &rim, r);
    sec_paint(s, &blob, &core, r);
}

static void paint_liver_cyst(sec_scene *s, finding *f, rs_random *r)
{
    float a = (float)f->size * 0.5f;
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a, a * (float)rs_random_range(r, 0.85, 1.0),
                                 (float)rs_random_range(r, 0.0, 3.0), 0.03f, r);
    sec_ink ink = ink_of(f, (float)rs_random_range(r, 0.0, 10.0), 1.6f, 0.0f);

    ink.grain = 1.0f;
    ink.clip = s->spare[ABDOMEN_LIVER];
    sec_paint(s, &blob, &ink, r);
}

/* Round foci scattered through the liver; places outside it are drawn again. */
static void paint_metastases(sec_scene *s, finding *f, rs_random *r)
{
    static const sec_point places[] = {{-100, -20}, {-84, 20}, {-66, -44}, {-56, 6}, {-40, -58},
                                       {-30, -34}, {16, -64}, {-92, -44}, {-72, -16}, {-98, 12},
                                       {-14, -68}, {-62, 36}, {34, -66}};
    size_t order[ph_count(places)], n = 5 + rs_random_below(r, 7);

    for (size_t k = 0; k < ph_count(places); k++)
        order[k] = k;
    rs_random_shuffle(r, order, ph_count(places));
    for (size_t k = 0; k < n; k++) {
        float a = (float)(f->size * rs_random_range(r, 0.22, 0.5));
        sec_point at = places[order[k]];
        sec_shape blob = sec_ellipse(at.x + 4.0f * sec_normal(r), at.y + 4.0f * sec_normal(r), a,
                                     a * (float)rs_random_range(r, 0.8, 1.0), 0, 0.12f, r);
        sec_ink ink = ink_of(f, (float)rs_random_range(r, 45.0, 66.0), 3.5f, 0.8f);
        ink.clip = s->spare[ABDOMEN_LIVER];
        sec_paint(s, &blob, &ink, r);
        if (a > 7.0f) {
            ink.value[0] = 36.0f;
            ink.grow = -0.5f * a;
            sec_paint(s, &blob, &ink, r);
        }
    }
}

/* Blood around the spleen, and dark clefts across it. */
static void paint_laceration(sec_scene *s, const abdomen_plan *p, finding *f, rs_random *r)
{
    sec_shape spleen = abdomen_spleen(p, f->what->level);
    float *outside = s->spare[0];

    for (size_t i = 0, n = s->width * s->height; i < n; i++)
        outside[i] = sec_step(0.5f, 2.0f, s->spare[ABDOMEN_DEPTH][i]) *
                     (1.0f - s->spare[ABDOMEN_SPLEEN][i]);
    sec_ink blood = ink_of(f, (float)rs_random_range(r, 42.0, 58.0), 3.0f, 1.8f);
    blood.grow = (float)rs_random_range(r, 4.0, 10.0);
    blood.clip = outside;
    sec_paint(s, &spleen, &blood, r);
    for (size_t k = 0; k < 2 + rs_random_below(r, 2); k++) {
        float y = sec_mix(48.0f, 4.0f, (float)k / 2.5f) + 4.0f * sec_normal(r);
        sec_point cut[3] = {{126, y - 8}, {110, y + 2.0f * sec_normal(r)}, {86, y + 7}};
        float w = (float)f->size * 0.07f, radius[3] = {w, w * 1.2f, w * 0.6f};
        sec_shape a = sec_tube(cut, radius, 3);
        sec_ink ink = ink_of(f, 46.0f, 2.0f, 1.4f);
        ink.clip = s->spare[ABDOMEN_SPLEEN];
        sec_paint(s, &a, &ink, r);
    }
}

static void paint_stone(sec_scene *s, finding *f, rs_random *r)
{
    float a = (float)f->size * 0.5f;
    sec_shape stone = sec_ellipse(f->at.x, f->at.y, a, a * (float)rs_random_range(r, 0.6, 1.0),
                                  (float)rs_random_range(r, 0.0, 3.0), 0.16f, r);
    sec_ink ink = ink_of(f, (float)rs_random_range(r, 600.0, 1200.0), 1.5f, 0.3f);

    ink.grain = 40.0f;
    sec_paint(s, &stone, &ink, r);
}

/* Pelvis and calyces full of water. */
static void paint_hydronephrosis(sec_scene *s, finding *f, rs_random *r)
{
    float x = (float)f->what->side, a = (float)f->size * 0.5f;
    sec_point pelvis[3] = {{f->at.x + 4 * x, f->at.y + 2}, {f->at.x - 6 * x, f->at.y - 4},
                           {f->at.x - 18 * x, f->at.y - 9}};
    float radius[3] = {a * 0.85f, a, a * 0.55f};
    sec_shape tube = sec_tube(pelvis, radius, 3);
    sec_ink ink = ink_of(f, 8.0f, 1.8f, 0.5f);

    ink.grain = 1.0f;
    sec_paint(s, &tube, &ink, r);
    for (int k = 0; k < 4; k++) {
        float t = -1.5f + 1.05f * (float)k, far = a + 4.0f;
        sec_point arm[2] = {{f->at.x + 2 * x, f->at.y}, {f->at.x + x * far * cosf(t) * 1.05f + 3 * x,
                                                         f->at.y + far * sinf(t) * 1.2f}};
        float arm_r[2] = {a * 0.35f, a * (float)rs_random_range(r, 0.32, 0.5)};
        sec_shape calyx = sec_tube(arm, arm_r, 2);
        sec_paint(s, &calyx, &ink, r);
    }
}

static void paint_renal(sec_scene *s, finding *f, bool enhanced, rs_random *r)
{
    bool cyst = f->what->kind == RENAL_CYST;
    float a = (float)f->size * 0.5f;
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a, a * (float)rs_random_range(r, 0.85, 1.0),
                                 (float)rs_random_range(r, 0.0, 3.0), cyst ? 0.03f : 0.14f, r);
    float *inside = s->spare[0];

    for (size_t i = 0, n = s->width * s->height; i < n; i++)
        inside[i] = sec_step(0.0f, 2.0f, s->spare[ABDOMEN_DEPTH][i]) *
                    (1.0f - s->spare[ABDOMEN_LIVER][i]);
    sec_ink ink = ink_of(f, cyst ? (float)rs_random_range(r, 0, 12) : enhanced ?
                         (float)rs_random_range(r, 85.0, 118.0) : 40.0f, cyst ? 1.5f : 2.0f,
                         cyst ? 0.0f : 0.8f);
    ink.clip = inside;
    ink.grain = cyst ? 1.0f : 16.0f;
    sec_paint(s, &blob, &ink, r);
    if (!cyst && a > 13.0f && rs_random_unit(r) < 0.7) {    /* necrosis */
        sec_ink core = ink_of(f, 38.0f, 5.0f, 2.0f);
        core.grow = -0.5f * a;
        core.clip = inside;
        sec_paint(s, &blob, &core, r);
    }
}

/* Fluid lies along the wall, deepest in the flanks. */
static void paint_ascites(sec_scene *s, finding *f, rs_random *r)
{
    const float *depth = s->spare[ABDOMEN_DEPTH];
    float *d = s->spare[0], thick = (float)f->size;

    for (size_t i = 0, n = s->width * s->height; i < n; i++) {
        float flank = sec_step(35.0f, 95.0f, fabsf(s->u[i])), back = sec_step(66.0f, 44.0f, s->v[i]);
        float t = thick * (0.25f + 0.75f * flank) * back * (1.0f + 0.08f * s->rough[i]);

        d[i] = fmaxf(-depth[i], depth[i] - t);
    }
    sec_ink ink = ink_of(f, (float)rs_random_range(r, 4.0, 20.0), 1.8f, 0.6f);
    ink.grain = 2.0f;
    sec_paint_field(s, d, sec_everywhere(s), &ink, r);
    for (size_t k = 0; k < 5; k++) {                        /* pools between the organs */
        float x = (float)rs_random_range(r, 28.0, 100.0), y = (float)rs_random_range(r, -20.0, 20.0);
        sec_shape pool = sec_ellipse(x, y, (float)rs_random_range(r, 6.0, 14.0), 5.0f,
                                     (float)rs_random_range(r, 0.0, 3.0), 0.35f, r);
        if (f->what->level == ABDOMEN_LOWER)
            sec_paint(s, &pool, &ink, r);
    }
}

/* Gas under the front wall, flat below: it floats. */
static void paint_free_air(sec_scene *s, finding *f, rs_random *r)
{
    const float *depth = s->spare[ABDOMEN_DEPTH];
    float *d = s->spare[0], top = 1e9f;
    size_t n = s->width * s->height;

    for (size_t i = 0; i < n; i++)
        if (depth[i] > 1.0f && s->v[i] < top)
            top = s->v[i];
    for (size_t i = 0; i < n; i++)
        d[i] = fmaxf(1.2f - depth[i], s->v[i] - top - (float)f->size + 1.2f * s->rough[i]);
    sec_ink ink = ink_of(f, -900.0f, 1.4f, 0.3f);
    sec_paint_field(s, d, sec_everywhere(s), &ink, r);
    for (size_t k = 0; k < 3; k++) {                        /* bubbles beneath */
        sec_shape bubble = sec_ellipse((float)rs_random_range(r, -50.0, 50.0),
            top + (float)f->size + (float)rs_random_range(r, 3.0, 14.0),
            (float)rs_random_range(r, 1.2, 3.4), (float)rs_random_range(r, 1.0, 2.4), 0, 0, NULL);
        sec_paint(s, &bubble, &ink, r);
    }
}

/* Stones lie at the back of the gallbladder. */
static void paint_gallstones(sec_scene *s, finding *f, rs_random *r)
{
    size_t n = f->size > 10.0 ? 1 + rs_random_below(r, 2) : 3 + rs_random_below(r, 4);
    bool rim = rs_random_unit(r) < 0.4;

    for (size_t k = 0; k < n; k++) {
        float a = (float)(f->size * rs_random_range(r, 0.38, 0.55));
        float x = -41.5f + ((float)k - 0.5f * (float)(n - 1)) * 1.25f * a + 0.8f * sec_normal(r);
        float y = -32.5f - a * 0.5f - 0.25f * fabsf(x + 41.5f) - (float)rs_random_range(r, 0.0, 3.0);
        sec_shape stone = sec_ellipse(x, y, a, a * 0.9f, 0, 0.1f, r);
        sec_ink ink = ink_of(f, (float)rs_random_range(r, 220.0, 520.0), 1.5f, 0.3f);
        sec_paint(s, &stone, &ink, r);
        if (rim) {
            ink.value[0] = 70.0f;
            ink.grow = -1.6f;
            sec_paint(s, &stone, &ink, r);
        }
    }
}

static void paint_pancreas_mass(sec_scene *s, finding *f, rs_random *r)
{
    float a = (float)f->size * 0.5f;
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a, a * (float)rs_random_range(r, 0.75, 0.95),
                                 (float)rs_random_range(r, -0.5, 0.5), 0.2f, r);
    sec_ink ink = ink_of(f, (float)rs_random_range(r, 48.0, 66.0), 2.4f, 1.4f);

    ink.grain = 8.0f;
    sec_paint(s, &blob, &ink, r);
    if (f->what->x < 0.0f && rs_random_unit(r) < 0.5) {     /* the duct is wide upstream */
        sec_point duct[3] = {{-14, -26}, {10, -30}, {46, -22}};
        float radius[3] = {2.2f, 1.9f, 1.2f};
        sec_shape tube = sec_tube(duct, radius, 3);
        ink.value[0] = 12.0f;
        sec_paint(s, &tube, &ink, r);
    }
}

static void paint_haematoma(sec_scene *s, finding *f, rs_random *r)
{
    float a = (float)f->size * 0.42f;
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a * 0.82f, a, -0.35f * (float)f->what->side,
                                 0.14f, r);
    sec_ink ink = ink_of(f, (float)rs_random_range(r, 48.0, 60.0), 2.4f, 1.4f);
    sec_ink clot = ink_of(f, 74.0f, 6.0f, 3.0f);

    ink.grain = 9.0f;
    sec_paint(s, &blob, &ink, r);
    clot.grow = -0.45f * a;
    sec_paint(s, &blob, &clot, r);
}

/* Findings that are an organ of another size: box the organ. */
static void box_organ(sec_scene *s, const abdomen_plan *p, finding *f, rs_random *r)
{
    sec_ink nothing = ink_of(f, 0.0f, 1.0f, 0.0f);
    sec_shape a;

    nothing.blank = true;
    if (f->what->kind == SPLENOMEGALY) {
        abdomen_plan big = *p;
        big.spleen = (float)f->size;
        a = abdomen_spleen(&big, f->what->level);
    } else if (f->what->kind == ANEURYSM) {
        sec_point at = abdomen_aorta(f->what->level);
        float radius = (float)f->size * 0.5f;
        a = sec_ellipse(at.x, at.y - (radius - 10.0f) * 0.9f, radius, radius, 0, 0, NULL);
        nothing.grow = 1.5f;
    } else {
        a = sec_ellipse(2, -27, 90, 46, 0, 0, NULL);
    }
    sec_paint(s, &a, &nothing, r);
}

static void paint_finding(sec_scene *s, const abdomen_plan *p, finding *f, rs_random *r)
{
    switch (f->what->kind) {
    case LIVER_MASS:    paint_liver_mass(s, f, r); break;
    case LIVER_CYST:    paint_liver_cyst(s, f, r); break;
    case METASTASES:    paint_metastases(s, f, r); break;
    case LACERATION:    paint_laceration(s, p, f, r); break;
    case STONE:         paint_stone(s, f, r); break;
    case HYDRONEPHROSIS: paint_hydronephrosis(s, f, r); break;
    case RENAL_MASS: case RENAL_CYST: paint_renal(s, f, p->enhanced, r); break;
    case ASCITES:       paint_ascites(s, f, r); break;
    case FREE_AIR:      paint_free_air(s, f, r); break;
    case GALLSTONES:    paint_gallstones(s, f, r); break;
    case PANCREAS_MASS: paint_pancreas_mass(s, f, r); break;
    case HAEMATOMA:     paint_haematoma(s, f, r); break;
    case SPLENOMEGALY: case ANEURYSM: case OBSTRUCTION: box_organ(s, p, f, r); break;
    case NORMAL: case KINDS: break;
    }
}

static void plan_disease(abdomen_plan *p, const finding *f, rs_random *r)
{
    bool plain = rs_random_unit(r) < (f->what->kind == STONE ? 0.6 : f->what->kind == NORMAL ? 0.15 : 0.0);

    p->enhanced = !plain;
    if (f->what->kind == GALLSTONES || f->what->kind == STONE || f->what->kind == OBSTRUCTION)
        p->oral = false;
    if (f->blank)
        return;
    if (f->what->kind == SPLENOMEGALY)
        p->spleen = (float)f->size;
    if (f->what->kind == ANEURYSM)
        p->aorta = (float)f->size * 0.5f;
    if (f->what->kind == OBSTRUCTION) {
        p->bowel = (float)f->size;
        p->levels = true;
    }
}

/* ---- Scanner --------------------------------------------------------- */

typedef struct { float mm, turn, low, high, noise, sharp; sec_point shift; size_t side; bool table; }
scanner;

static scanner scanner_new(const abdomen_plan *p, rs_random *r)
{
    static const size_t sides[] = {320, 352, 384, 384, 416};
    scanner c = {.side = sides[rs_random_below(r, 5)]};
    double level = rs_random_range(r, 38.0, 62.0), width = rs_random_range(r, 310.0, 420.0);

    c.mm = (float)((double)abdomen_width(p) / rs_random_range(r, 0.84, 0.96) / (double)c.side);
    c.turn = 0.035f * sec_normal(r);
    c.low = (float)(level - width * 0.5);
    c.high = (float)(level + width * 0.5);
    c.noise = (float)rs_random_range(r, 7.0, 17.0);
    c.sharp = (float)rs_random_range(r, 0.1, 0.6);
    c.shift = (sec_point){4.0f * sec_normal(r), 5.0f * sec_normal(r) - 4.0f};
    c.table = rs_random_unit(r) < 0.6;
    return c;
}

static void paint_table(sec_scene *s, const abdomen_plan *p, rs_random *r)
{
    float y = (100.0f + p->fat * 1.3f + 6.0f), w = (float)rs_random_range(r, 0.6, 1.3);
    sec_point line[5] = {{-165, y - 16}, {-90, y + 2}, {0, y + 8}, {90, y + 2}, {165, y - 16}};
    float radius[5] = {w, w, w, w, w};
    sec_shape a = sec_tube(line, radius, 5);
    sec_ink ink = {.value = {(float)rs_random_range(r, -60.0, 200.0)}, .soft = 1.2f};

    sec_paint(s, &a, &ink, r);
}

static rs_status draw_level(rs_image *im, const abdomen_plan *patient, abdomen_level l,
                            const scanner *c, finding *f, bool show, rs_random *r, rs_err *err)
{
    sec_scene s;
    sec_setup setup = {.width = c->side, .height = c->side, .channels = 1, .mm = c->mm,
                       .turn = c->turn, .shift = c->shift, .warp = 3.2f, .warp_size = 95.0f};
    rs_random scene = rs_random_seed(rs_random_u64(r)), disease = rs_random_seed(rs_random_u64(r));
    rs_random grain = rs_random_seed(rs_random_u64(r));
    rs_status st = sec_scene_init(&s, &setup, &scene, err);

    if (st != RS_OK)
        return st;
    abdomen_draw(&s, patient, l, &scene);
    if (show)
        paint_finding(&s, patient, f, &disease);
    if (c->table)
        paint_table(&s, patient, &grain);
    sec_blur(s.picture[0], s.width, s.height, 1, s.spare[2]);
    sec_ct_noise(&s, c->noise, c->sharp, &grain);
    st = sec_to_image(im, &s, 0, c->low, c->high, err);
    sec_scene_clear(&s);
    return st;
}

/* ---- Reports --------------------------------------------------------- */

#define PAIN "{age} {sex} with {abdominal pain|right upper quadrant pain|upper abdominal pain|nonspecific abdominal pain}. {?cause.|}"
#define CANCER "{age} {sex} with {weight loss|known colorectal carcinoma|deranged liver function|an abnormal ultrasound}. {Staging.|Characterise.|}"
#define LOIN "{age} {sex} with {{side} loin pain|{side} flank pain|renal colic on the {side}|haematuria}. {?stone.|?renal cause.|}"

static const sec_words words[KINDS] = {
    [LIVER_MASS] = {F_LIVER,
        "{{size}|{mm}|} {hypodense|hypoattenuating|low-attenuation} {mass|lesion} in the {side} {hepatic lobe|lobe of the liver|lobe of liver}",
        CANCER,
        "{There is a|A} {mm} {ill-defined|lobulated|irregular} {hypodense|hypoattenuating|low-attenuation} {mass|lesion} in the {side} {hepatic lobe|lobe of the liver}{ with {faint|irregular} rim enhancement|}.",
        "{Indeterminate|Suspicious|Solid} {mm} {mass|lesion} in the {side} {hepatic lobe|lobe of the liver}. {MRI of the liver {advised|recommended}.|Malignancy to be excluded.|Biopsy may be needed.}"},
    [LIVER_CYST] = {F_LIVER,
        "{{size}|{mm}|simple} {hepatic|liver} cyst in the {side} {lobe|hepatic lobe|lobe of the liver}",
        PAIN,
        "{There is a|A} {mm} {well-defined|sharply marginated|smooth} {fluid-attenuation|water-density} {lesion|cyst} in the {side} {hepatic lobe|lobe of the liver}{ without enhancement|, in keeping with a simple cyst|}.",
        "{Simple|{mm}} {hepatic|liver} cyst in the {side} lobe{, no follow-up needed|}."},
    [METASTASES] = {F_LIVER,
        "+multiple {hepatic|liver} metastases{ in both lobes|}",
        CANCER,
        "{Multiple|Numerous|Several} {hypodense|hypoattenuating|low-attenuation} {lesions|nodules} {throughout|in both lobes of|scattered through} the liver, {the largest|up to} {mm}{, in keeping with metastases|}.",
        "{Multiple hepatic metastases|Multiple liver lesions, in keeping with metastases|Metastatic disease of the liver}. {Primary to be sought.|Oncology referral.|}"},
    [SPLENOMEGALY] = {F_SPLEEN,
        "+{{size}|marked|} splenomegaly",
        "{age} {sex} with {lymphoma|thrombocytopenia|portal hypertension|night sweats|a palpable left upper quadrant mass}.",
        "{The spleen is {enlarged|markedly enlarged}|There is splenomegaly|Enlarged spleen}{, extending anteriorly and medially| with homogeneous enhancement|}. {No focal splenic lesion.|}",
        "{{size}|} splenomegaly. {Haematological correlation advised.|Portal hypertension or lymphoproliferative disease to be considered.|}"},
    [LACERATION] = {F_SPLEEN | F_FLUID,
        "{{size}|} splenic laceration with {perisplenic haematoma|perisplenic blood}",
        "{age} {sex} after a {road traffic accident|fall from height|bicycle accident|direct blow to the left flank}. {Left upper quadrant pain.|}",
        "{Linear|Irregular linear} {hypodense|low-attenuation} {clefts|bands} {through|across} the {splenic parenchyma|spleen} with {surrounding|perisplenic} {high-density fluid|haematoma}{. No active extravasation|}.",
        "{Splenic laceration|Laceration of the spleen} with {perisplenic haematoma|haemoperitoneum around the spleen}. {Surgical {review|opinion} {advised|recommended}.|}"},
    [STONE] = {F_KIDNEY,
        "{{mm}|} {side} {renal|kidney} {stone|calculus}",
        LOIN,
        "{There is a|A} {mm} {calculus|stone|hyperdense calculus} in the {side} {kidney|renal pelvis|renal collecting system}{ without hydronephrosis|}.",
        "{{mm}|Non-obstructing} {side} renal {calculus|stone}{ without hydronephrosis|}."},
    [HYDRONEPHROSIS] = {F_KIDNEY,
        "+{{size}|} {side} hydronephrosis",
        LOIN,
        "{{size} dilatation|Dilatation} of the {side} {renal pelvis and calyces|pelvicalyceal system|renal collecting system}{, in keeping with hydronephrosis|}. {No obstructing stone is seen at this level.|}",
        "{{size}|} {side} hydronephrosis. {Level of obstruction to be determined.|Urology referral.|}"},
    [RENAL_MASS] = {F_KIDNEY,
        "{{size}|{mm}|} {enhancing |solid |}{side} renal {mass|tumour}",
        "{age} {sex} with {haematuria|painless haematuria|weight loss and flank mass|an incidental mass on ultrasound}.",
        "{There is a|A} {mm} {heterogeneous|heterogeneously enhancing|solid} {mass|lesion} {arising from|in} the {side} kidney{ with central necrosis|, exophytic|}. {Renal vein patent.|}",
        "{mm} {solid |}{side} renal mass, {suspicious for|most likely} renal cell carcinoma. {Urology referral.|}"},
    [RENAL_CYST] = {F_KIDNEY,
        "{{size}|{mm}|simple} {side} renal cyst",
        PAIN,
        "{There is a|A} {mm} {well-defined|thin-walled|smooth} {exophytic |}{fluid-attenuation|simple} cyst {of|arising from} the {side} kidney{ without enhancement|}.",
        "{Simple|Bosniak I|{mm} simple} {side} renal cyst{, no follow-up required|}."},
    [ASCITES] = {F_FLUID,
        "+{{size}|{size} volume|free fluid and|} ascites",
        "{age} {sex} with {abdominal distension|known cirrhosis|ovarian carcinoma|increasing girth}.",
        "{There is|} {size} {volume |}{free fluid|ascites} {around the liver and spleen|in the peritoneal cavity|in the perihepatic and perisplenic spaces}.",
        "{{size}|{size} volume|} {ascites|free intraperitoneal fluid (ascites)}. {Diagnostic tap suggested.|Correlate with liver function.|}"},
    [FREE_AIR] = {F_AIR,
        "+free {intraperitoneal air|intraperitoneal gas|air} {under the anterior abdominal wall|in the peritoneal cavity|(pneumoperitoneum)}",
        "{age} {sex} with {acute abdomen|peritonitis|sudden severe abdominal pain|rigid abdomen}. {?perforation.|}",
        "{Free gas|Free air|Extraluminal gas} {collects|is seen} {anteriorly beneath the abdominal wall|in the anterior peritoneal cavity|anterior to the liver and bowel}{, with an air-fat level|}.",
        "{Pneumoperitoneum|Free intraperitoneal air}, {indicating|consistent with} {a perforated viscus|hollow viscus perforation}. {Urgent surgical review.|Discussed with the surgical team.|}"},
    [ANEURYSM] = {F_AORTA,
        "{{mm}|{size}|} {infrarenal |}abdominal aortic aneurysm",
        "{age} {sex} with {a pulsatile abdominal mass|back pain|an aneurysm on ultrasound|hypertension and abdominal pain}.",
        "{There is|} {aneurysmal dilatation of the infrarenal aorta|an infrarenal abdominal aortic aneurysm} {measuring|up to} {mm} {with|containing} {mural|eccentric mural} thrombus{ and wall calcification|}. {No retroperitoneal haematoma.|No sign of rupture.|}",
        "{{mm} abdominal aortic aneurysm|Infrarenal aortic aneurysm, {mm}}{ without rupture|}. {Vascular surgical referral.|}"},
    [GALLSTONES] = {F_GALL,
        "+{{multiple |}calcified gallstones|gallstones in the gallbladder|cholelithiasis}",
        PAIN,
        "{Hyperdense|Calcified|Several calcified} {calculi|gallstones|stones} {layer in|within} the gallbladder{, up to {mm}|}. {No wall thickening or pericholecystic fluid.|The bile ducts are not dilated.|}",
        "{Cholelithiasis|Gallstones}{ without {evidence of |}cholecystitis|}."},
    [PANCREAS_MASS] = {F_PANCREAS,
        "{{size}|{mm}|} {hypodense |hypoattenuating |}mass of the {site}",
        "{age} {sex} with {painless jaundice|weight loss|epigastric pain radiating to the back|new diabetes and weight loss}.",
        "{There is a|A} {mm} {hypodense|hypoattenuating|ill-defined hypodense} {mass|lesion} in the {site}{ with upstream ductal dilatation|, abutting the adjacent vessels|}.",
        "{mm} mass of the {site}, {suspicious for|most likely} {adenocarcinoma|pancreatic carcinoma}. {Endoscopic ultrasound advised.|MDT discussion.|}"},
    [OBSTRUCTION] = {F_BOWEL,
        "+small bowel obstruction{ with {dilated loops|air-fluid levels}|}",
        "{age} {sex} with {vomiting and distension|colicky abdominal pain and vomiting|previous laparotomy, vomiting}. {?obstruction.|}",
        "{Multiple|Several} {dilated|distended} {fluid-filled |gas- and fluid-filled |}small bowel loops with {air-fluid|gas-fluid} levels{. The colon is collapsed|}.",
        "{Small bowel obstruction|Dilated small bowel with air-fluid levels, in keeping with obstruction}. {Adhesions likely.|Surgical review.|}"},
    [HAEMATOMA] = {F_RETRO,
        "{{size}|{mm}|} {side} {psoas haematoma|retroperitoneal (psoas) haematoma|iliopsoas haematoma}",
        "{age} {sex} {on warfarin|on anticoagulation} with {{side} flank pain|groin pain|a falling haemoglobin}.",
        "{The {side} psoas is expanded by|There is} a {mm} {heterogeneous|hyperdense|mixed-density} {haematoma|collection}{ in the {side} psoas muscle|in the {side} psoas compartment}.",
        "{side} {psoas|retroperitoneal psoas} haematoma{, {mm}|}. {No active bleeding seen.|Correlate with coagulation status.|}"},
};

static const sec_sentence normals[] = {
    {"{The liver is {normal|unremarkable}{ in size and attenuation|}.|Homogeneous liver without focal lesion.}", F_LIVER},
    {"{The spleen is {normal in size|unremarkable}.|Normal spleen.}", F_SPLEEN},
    {"{Both kidneys {enhance|appear} {normally|symmetrically}.|Normal kidneys {bilaterally|without hydronephrosis}.}", F_KIDNEY},
    {"{The pancreas is {normal|unremarkable}.|Normal pancreas.}", F_PANCREAS},
    {"{The gallbladder is unremarkable.|No gallstones{ are seen|}.}", F_GALL},
    {"{The aorta is of normal calibre.|Normal calibre abdominal aorta.}", F_AORTA},
    {"{Bowel loops are {unremarkable|of normal calibre}.|No bowel dilatation.}", F_BOWEL},
    {"{The adrenal glands are {normal|unremarkable}.|Normal adrenals.}", 0},
    {"{No lymphadenopathy.|No enlarged lymph nodes.}", 0},
    {"{Bones: no {aggressive|suspicious} lesion.|Degenerative change in the spine.|The imaged spine is unremarkable.}", 0},
};

static const sec_sentence negatives[] = {
    {"{No {free fluid|ascites}.|No free intraperitoneal fluid.}", F_FLUID},
    {"{No {free {gas|air}|pneumoperitoneum}.|No extraluminal gas.}", F_AIR},
    {"{No hydronephrosis{ or stone|}.|No urinary obstruction.}", F_KIDNEY},
    {"{No {aortic |}aneurysm.|No aortic dilatation.}", F_AORTA},
    {"{No focal liver lesion.|No liver metastases.}", F_LIVER},
    {"{No bowel obstruction.|No dilated bowel.}", F_BOWEL},
    {"{No retroperitoneal haematoma.|No retroperitoneal collection.}", F_RETRO},
};

static const sec_style style = {
    .study = "{Axial|} {contrast} {abdominal CT|CT of the abdomen|CT abdomen}",
    .technique = "{contrast} CT of the abdomen{ in the portal venous phase|{ was |, }performed{ on a multislice scanner|}|}.",
    .normal = normals, .n_normal = ph_count(normals),
    .negative = negatives, .n_negative = ph_count(negatives),
    .normal_history = "{" PAIN "|" CANCER "}",
    .normal_impression = "{No acute abdominal {abnormality|pathology}.|Normal {CT of the abdomen|abdominal CT}.|No cause for the symptoms is seen.|No focal abnormality of the abdominal organs.|Normal study.}",
    .normal_caption = "{{study} {with no|showing no} {acute |}abnormality.|Normal axial {CT of the abdomen|abdominal CT}.|{study} that is normal.}",
};

static rs_status write_report(ph_case *c, const finding *f, bool enhanced, rs_random *r,
                              rs_err *err)
{
    ph_prose p = ph_prose_new(c, r);

    ph_set(&p, "contrast", enhanced ? "{contrast-enhanced|enhanced|post-contrast}"
                                    : "{unenhanced|non-contrast}");
    ph_set(&p, "side", sec_side_word(f->what->side));
    ph_set(&p, "site", f->what->site);
    ph_set(&p, "size", c->n_findings ? c->findings[0].size : "");
    ph_set(&p, "mm", rs_random_below(&p.r, 2) && f->size >= 10.0 ? sec_cm_words(f->size)
                                                               : sec_mm_words(f->size));
    return sec_report(c, &style, f->what->kind == NORMAL ? NULL : &words[f->what->kind], &p, err);
}

/* ---- The case -------------------------------------------------------- */

static finding finding_new(const combo *w, bool blank, rs_random *r)
{
    finding f = {.what = w, .blank = blank, .box = SEC_BOX_EMPTY};
    float side = (float)w->side, jitter = 5.0f;

    f.size = rs_random_range(r, traits[w->kind].lo, traits[w->kind].hi);
    f.at = (sec_point){w->x, w->y};
    switch (w->kind) {
    case LIVER_MASS: case LIVER_CYST:
        jitter = w->side < 0 ? 9.0f : 4.0f;
        if (w->side > 0)                                    /* the left lobe is thin */
            f.size = traits[w->kind].lo + (f.size - traits[w->kind].lo) * 0.4;
        break;
    case STONE: case HYDRONEPHROSIS: case RENAL_MASS: case RENAL_CYST: {
        sec_point k = abdomen_kidney(w->level, w->side);
        float out = w->kind == RENAL_MASS || w->kind == RENAL_CYST ? 0.25f * (float)f.size - 6.0f : 0.0f;
        f.at = (sec_point){k.x + side * (w->x + out), k.y + w->y};
        jitter = out != 0.0f ? 4.0f : 1.5f;
        break;
    }
    case HAEMATOMA:
        f.at.x *= side;
        jitter = 2.0f;
        break;
    default:
        jitter = 2.5f;
        break;
    }
    f.at.x += jitter * sec_normal(r);
    f.at.y += jitter * sec_normal(r);
    return f;
}

static const char *const level_view[ABDOMEN_LEVELS] = {
    "axial, liver and spleen", "axial, renal hila", "axial, lower poles of the kidneys"};

/* Is the finding to be seen at another level than its own? */
static bool shows_at(const finding *f, abdomen_level l)
{
    kind_id k = f->what->kind;

    return l == f->what->level || k == ASCITES || k == FREE_AIR;
}

static void record(ph_case *c, const finding *f)
{
    const combo *w = f->what;
    bool lobe = w->kind == LIVER_MASS || w->kind == LIVER_CYST;
    const char *side = sec_side_word(w->side);
    const char *site = lobe ? (w->side > 0 ? "left lobe" : "right lobe") : w->site;

    if (lobe)
        side = "";
    snprintf(c->label, sizeof c->label, "abdomen ct: %s%s%s%s%s", traits[w->kind].name,
             *side ? ", " : "", side, *site ? ", " : "", site);
    if (w->kind == NORMAL)
        return;
    bool small = w->kind == STONE || w->kind == GALLSTONES || w->kind == ANEURYSM;
    c->n_findings = 1;
    c->findings[0] = (ph_finding){.kind = traits[w->kind].name, .side = side, .site = site,
        .size = small ? sec_mm_words(f->size) :
                sec_size_word(f->size, traits[w->kind].lo, traits[w->kind].hi),
        .image = 0, .box = {f->box.x0, f->box.y0, f->box.x1, f->box.y1}};
}

static rs_status draw(ph_case *c, size_t which, rs_random *r, rs_err *err)
{
    const combo *w = &combos[which < ph_count(combos) ? which : 0];
    rs_random who = ph_patient(c), how = rs_random_seed(rs_random_u64(r));
    rs_random prose = rs_random_seed(rs_random_u64(r)), draws = rs_random_seed(rs_random_u64(r));
    abdomen_plan plan;

    c->modality = "CT";
    c->body_part = "ABDOMEN";
    c->study = "CT of the abdomen";
    c->sex = rs_random_below(&who, 2) ? 'F' : 'M';
    c->age = (int)rs_random_range(&who, 19.0, 92.0);
    abdomen_plan_init(&plan, c->age, c->sex, &who);
    plan.oral = rs_random_unit(&how) < 0.45;
    finding f = finding_new(w, c->bare, &how);
    plan_disease(&plan, &f, &how);
    scanner machine = scanner_new(&plan, &how);
    abdomen_level levels[2] = {w->level, w->level == ABDOMEN_LOWER ? ABDOMEN_MIDDLE : w->level + 1};
    if (w->kind == NORMAL)
        levels[0] = (abdomen_level)rs_random_below(&how, ABDOMEN_LEVELS);
    if (w->kind == ASCITES)
        levels[1] = ABDOMEN_LOWER;
    bool second = levels[0] != levels[1] && (w->kind == NORMAL || shows_at(&f, levels[1]));
    c->n_images = second && rs_random_unit(&how) < 0.5 ? 2 : 1;
    for (size_t i = 0; i < c->n_images; i++) {
        sec_box box = f.box;
        rs_status st = draw_level(&c->images[i], &plan, levels[i], &machine, &f,
                                  shows_at(&f, levels[i]), &draws, err);

        if (st != RS_OK)
            return st;
        if (i > 0)
            f.box = box;
        c->view[i] = level_view[levels[i]];
    }
    record(c, &f);
    return write_report(c, &f, plan.enhanced, &prose, err);
}

const ph_anatomy ph_abdomen_ct = {"abdomen_ct", sizeof combos / sizeof *combos, 0.15, draw};
