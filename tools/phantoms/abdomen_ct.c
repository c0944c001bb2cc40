/* abdomen_ct.c - axial abdominal CT in a soft-tissue window, most with contrast.
 *
 * abdomen.h draws the trunk; here are the findings, in Hounsfield units, and what is
 * written about them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "abdomen.h"
#include "abdomen_ct_int.h"

#include <math.h>
#include <stdio.h>

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
    BOTH(RENAL_MASS, "kidney", ABDOMEN_MIDDLE, 12, 13),
    BOTH(RENAL_CYST, "kidney", ABDOMEN_MIDDLE, 14, 11),
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
    [LIVER_MASS] = {"liver mass", 26, 66},
    [LIVER_CYST] = {"liver cyst", 22, 60},
    [METASTASES] = {"liver metastases", 18, 40},
    [SPLENOMEGALY] = {"splenomegaly", 1.45, 1.85},
    [LACERATION] = {"splenic laceration", 24, 50},
    [STONE] = {"kidney stone", 9, 20},
    [HYDRONEPHROSIS] = {"hydronephrosis", 16, 30},
    [RENAL_MASS] = {"renal mass", 34, 70},
    [RENAL_CYST] = {"renal cyst", 28, 66},
    [ASCITES] = {"ascites", 12, 28},
    [FREE_AIR] = {"free intraperitoneal air", 12, 30},
    [ANEURYSM] = {"aortic aneurysm", 36, 72},
    [GALLSTONES] = {"gallstones", 7, 17},
    [PANCREAS_MASS] = {"pancreatic mass", 32, 58},
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
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a, a * sec_range(r, 0.75, 1.0),
                                 sec_range(r, 0.0, 3.0), 0.18f, r);
    sec_ink rim = ink_of(f, sec_range(r, 66.0, 104.0), 2.4f, 1.2f);
    sec_ink core = ink_of(f, sec_range(r, 36.0, 54.0), 2.6f, 1.4f);

    rim.clip = core.clip = s->spare[ABDOMEN_LIVER];
    core.grain = 9.0f;
    core.grow = -0.12f * a;
    sec_paint(s, &blob, &rim, r);
    sec_paint(s, &blob, &core, r);
}

static void paint_liver_cyst(sec_scene *s, finding *f, rs_random *r)
{
    float a = (float)f->size * 0.5f;
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a, a * sec_range(r, 0.85, 1.0),
                                 sec_range(r, 0.0, 3.0), 0.03f, r);
    sec_ink ink = ink_of(f, sec_range(r, 0.0, 10.0), 1.6f, 0.0f);

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
        float a = (float)(f->size * rs_random_range(r, 0.24, 0.5));
        sec_point at = places[order[k]];
        sec_shape blob = sec_ellipse(at.x + 4.0f * sec_normal(r), at.y + 4.0f * sec_normal(r), a,
                                     a * sec_range(r, 0.8, 1.0), 0, 0.12f, r);
        sec_ink ink = ink_of(f, sec_range(r, 38.0, 58.0), 3.0f, 0.8f);
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
    sec_ink blood = ink_of(f, sec_range(r, 42.0, 58.0), 3.0f, 1.8f);
    blood.grow = sec_range(r, 4.0, 10.0);
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
    sec_shape stone = sec_ellipse(f->at.x, f->at.y, a, a * sec_range(r, 0.6, 1.0),
                                  sec_range(r, 0.0, 3.0), 0.16f, r);
    sec_ink ink = ink_of(f, sec_range(r, 600.0, 1200.0), 1.5f, 0.3f);

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
        sec_point arm[2] = {{f->at.x + 2 * x, f->at.y},
                            {f->at.x + x * (far * cosf(t) * 1.05f + 3),
                             f->at.y + far * sinf(t) * 1.2f}};
        float arm_r[2] = {a * 0.35f, a * sec_range(r, 0.32, 0.5)};
        sec_shape calyx = sec_tube(arm, arm_r, 2);
        sec_paint(s, &calyx, &ink, r);
    }
}

static void paint_renal(sec_scene *s, finding *f, bool enhanced, rs_random *r)
{
    bool cyst = f->what->kind == RENAL_CYST;
    float a = (float)f->size * 0.5f;
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a, a * sec_range(r, 0.85, 1.0),
                                 sec_range(r, 0.0, 3.0), cyst ? 0.03f : 0.14f, r);
    float *inside = s->spare[0];

    for (size_t i = 0, n = s->width * s->height; i < n; i++)
        inside[i] = sec_step(0.0f, 2.0f, s->spare[ABDOMEN_DEPTH][i]) *
                    (1.0f - s->spare[ABDOMEN_LIVER][i]);
    sec_ink ink = ink_of(f, cyst ? sec_range(r, 0, 12) : enhanced ?
                         sec_range(r, 72.0, 108.0) : 40.0f, cyst ? 1.5f : 2.0f,
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
        float flank = sec_step(35.0f, 95.0f, fabsf(s->u[i]));
        float back = sec_step(66.0f, 44.0f, s->v[i]);
        float t = thick * (0.25f + 0.75f * flank) * back * (1.0f + 0.08f * s->rough[i]);

        d[i] = fmaxf(-depth[i], depth[i] - t);
    }
    sec_ink ink = ink_of(f, sec_range(r, 4.0, 20.0), 1.8f, 0.6f);
    ink.grain = 2.0f;
    sec_paint_field(s, d, sec_everywhere(s), &ink, r);
    for (size_t k = 0; k < 5; k++) {                        /* pools between the organs */
        float x = sec_range(r, 28.0, 100.0);
        float y = sec_range(r, -20.0, 20.0);
        sec_shape pool = sec_ellipse(x, y, sec_range(r, 6.0, 14.0), 5.0f,
                                     sec_range(r, 0.0, 3.0), 0.35f, r);
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
        sec_shape bubble = sec_ellipse(sec_range(r, -50.0, 50.0),
            top + (float)f->size + sec_range(r, 3.0, 14.0),
            sec_range(r, 1.2, 3.4), sec_range(r, 1.0, 2.4), 0, 0, NULL);
        sec_paint(s, &bubble, &ink, r);
    }
}

/* Stones lie at the back of the gallbladder. */
static void paint_gallstones(sec_scene *s, finding *f, rs_random *r)
{
    size_t n = f->size > 12.0 ? 1 + rs_random_below(r, 2) : 3 + rs_random_below(r, 4);
    bool rim = rs_random_unit(r) < 0.4;

    for (size_t k = 0; k < n; k++) {
        float a = (float)(f->size * rs_random_range(r, 0.38, 0.55));
        float x = -41.5f + ((float)k - 0.5f * (float)(n - 1)) * 1.25f * a + 0.8f * sec_normal(r);
        float y = -32.5f - a * 0.5f - 0.25f * fabsf(x + 41.5f) - sec_range(r, 0.0, 3.0);
        sec_shape stone = sec_ellipse(x, y, a, a * 0.9f, 0, 0.1f, r);
        sec_ink ink = ink_of(f, sec_range(r, 260.0, 620.0), 1.5f, 0.3f);
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
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a, a * sec_range(r, 0.75, 0.95),
                                 sec_range(r, -0.5, 0.5), 0.2f, r);
    sec_ink ink = ink_of(f, sec_range(r, 48.0, 66.0), 2.4f, 1.4f);

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
    sec_ink ink = ink_of(f, sec_range(r, 48.0, 60.0), 2.4f, 1.4f);
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
    kind_id kind = f->what->kind;
    double plain = kind == STONE ? 0.6 : kind == NORMAL ? 0.15 : 0.0;

    p->enhanced = rs_random_unit(r) >= plain;
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

typedef struct {
    float     mm, turn, low, high, noise, sharp;
    sec_point shift;
    size_t    side;
    bool      table;
} scanner;

static scanner scanner_new(const abdomen_plan *p, rs_random *r)
{
    static const size_t sides[] = {320, 352, 384, 384, 416};
    scanner c = {.side = sides[rs_random_below(r, 5)]};
    double level = rs_random_range(r, 28.0, 55.0), width = rs_random_range(r, 340.0, 440.0);

    c.mm = (float)((double)abdomen_width(p) / rs_random_range(r, 0.84, 0.96) / (double)c.side);
    c.turn = 0.035f * sec_normal(r);
    c.low = (float)(level - width * 0.5);
    c.high = (float)(level + width * 0.5);
    c.noise = sec_range(r, 7.0, 17.0);
    c.sharp = sec_range(r, 0.1, 0.6);
    c.shift = (sec_point){4.0f * sec_normal(r), 5.0f * sec_normal(r) - 4.0f};
    c.table = rs_random_unit(r) < 0.6;
    return c;
}

static void paint_table(sec_scene *s, const abdomen_plan *p, rs_random *r)
{
    float y = (100.0f + p->fat * 1.3f + 6.0f), w = sec_range(r, 0.6, 1.3);
    sec_point line[5] = {{-165, y - 16}, {-90, y + 2}, {0, y + 8}, {90, y + 2}, {165, y - 16}};
    float radius[5] = {w, w, w, w, w};
    sec_shape a = sec_tube(line, radius, 5);
    sec_ink ink = {.value = {sec_range(r, -60.0, 200.0)}, .soft = 1.2f};

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

/* ---- The report ------------------------------------------------------ */

static rs_status write_report(ph_case *c, const finding *f, bool enhanced, rs_random *r,
                              rs_err *err)
{
    ph_prose p = ph_prose_new(c, r);

    ph_set(&p, "contrast", enhanced ? "{contrast-enhanced|enhanced|post-contrast}"
                                    : "{unenhanced|non-contrast}");
    ph_set(&p, "phase", enhanced ? "{ in the portal venous phase|}" : "");
    ph_set(&p, "grade", c->n_findings ? sec_grade_word(c->findings[0].size) : "");
    ph_set(&p, "side", sec_side_word(f->what->side));
    ph_set(&p, "site", f->what->site);
    ph_set(&p, "size", c->n_findings ? c->findings[0].size : "");
    ph_set(&p, "mm", rs_random_below(&p.r, 2) && f->size >= 10.0 ? sec_cm_words(f->size)
                                                               : sec_mm_words(f->size));
    return sec_report(c, &abdomen_ct_style, f->what->kind == NORMAL ? NULL : &abdomen_ct_words[f->what->kind], &p, err);
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
        bool outside = w->kind == RENAL_MASS || w->kind == RENAL_CYST;
        float out = outside ? 0.25f * (float)f.size - 6.0f : 0.0f;
        f.at = (sec_point){k.x + side * (w->x + out), k.y + w->y};
        jitter = outside ? 4.0f : 1.5f;
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
