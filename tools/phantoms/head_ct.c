/* head_ct.c - axial head CT without contrast in a brain window, one or two levels.
 *
 * Hounsfield units throughout: fluid 6, white matter 29, grey 38, fresh blood 60-75,
 * bone 1100. brain.h draws the head; here are the findings.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "brain.h"
#include "head_ct_int.h"

#include <math.h>
#include <stdio.h>

static const float PI = 3.14159265f;

typedef struct {
    kind_id     kind;
    int         side;                /* +1 left, -1 right, 0 none */
    const char *site;
    brain_level level;               /* where it is boxed */
    float       x, y;                /* place; for collections x is the angle in degrees */
} combo;

#define BOTH(kind, site, level, x, y) {kind, -1, site, level, x, y}, {kind, 1, site, level, x, y}

static const combo combos[] = {
    {NORMAL, 0, "", BRAIN_VENTRICLES, 0, 0},
    BOTH(EPIDURAL, "frontal", BRAIN_VENTRICLES, 38, 0),
    BOTH(EPIDURAL, "temporal", BRAIN_BASE, 88, 0),
    BOTH(EPIDURAL, "parietal", BRAIN_BODIES, 122, 0),
    BOTH(SUBDURAL_ACUTE, "", BRAIN_BODIES, 90, 0),
    BOTH(SUBDURAL_CHRONIC, "", BRAIN_BODIES, 84, 0),
    BOTH(INTRACEREBRAL, "basal ganglia", BRAIN_VENTRICLES, 27, -6),
    BOTH(INTRACEREBRAL, "thalamus", BRAIN_VENTRICLES, 13, 9),
    BOTH(INTRACEREBRAL, "frontal lobe", BRAIN_BODIES, 29, -44),
    BOTH(INTRACEREBRAL, "parietal lobe", BRAIN_BODIES, 37, 34),
    {SUBARACHNOID, 0, "basal cisterns", BRAIN_BASE, 0, 0},
    {INTRAVENTRICULAR, 0, "lateral ventricles", BRAIN_VENTRICLES, 0, 0},
    BOTH(INFARCT_MCA, "middle cerebral artery territory", BRAIN_VENTRICLES, 50, 0),
    BOTH(INFARCT_PCA, "occipital lobe", BRAIN_VENTRICLES, 20, 62),
    BOTH(LACUNE, "basal ganglia", BRAIN_VENTRICLES, 25, -6),
    {HYDROCEPHALUS, 0, "", BRAIN_VENTRICLES, 0, 0},
    BOTH(MASS, "frontal lobe", BRAIN_BODIES, 28, -42),
    BOTH(MASS, "parietal lobe", BRAIN_BODIES, 34, 34),
    BOTH(CALCIFIED, "frontal lobe", BRAIN_BODIES, 27, -40),
    {ATROPHY, 0, "", BRAIN_BODIES, 0, 0},
};

static const struct {
    const char *name;
    double lo, hi;                   /* size, mm */
    double shift_lo, shift_hi;       /* midline shift a size calls for, share of size */
} traits[KINDS] = {
    [NORMAL] = {"normal", 0, 0, 0, 0},
    [EPIDURAL] = {"epidural haematoma", 11, 30, 0.1, 0.3},
    [SUBDURAL_ACUTE] = {"acute subdural haematoma", 6, 15, 0.4, 0.8},
    [SUBDURAL_CHRONIC] = {"chronic subdural haematoma", 9, 24, 0.2, 0.5},
    [INTRACEREBRAL] = {"intracerebral haemorrhage", 18, 52, 0.02, 0.16},
    [SUBARACHNOID] = {"subarachnoid haemorrhage", 0, 1, 0, 0},
    [INTRAVENTRICULAR] = {"intraventricular haemorrhage", 0, 1, 0, 0},
    [INFARCT_MCA] = {"acute infarct", 0.8, 1.15, 0, 5},
    [INFARCT_PCA] = {"acute infarct", 0.8, 1.15, 0, 0},
    [LACUNE] = {"lacunar infarct", 8, 15, 0, 0},
    [HYDROCEPHALUS] = {"hydrocephalus", 2.3, 3.4, 0, 0},
    [MASS] = {"mass with oedema", 16, 44, 0.05, 0.2},
    [CALCIFIED] = {"calcified lesion", 7, 17, 0, 0},
    [ATROPHY] = {"cerebral atrophy", 0.85, 1.05, 0, 0},
};

/* One finding of one patient, and where it was seen. */
typedef struct {
    const combo *what;
    double size;                     /* mm, or a share, by kind */
    float  shift;                    /* mm */
    float  length;                   /* half length of a collection along the bone, mm */
    float  bright;                   /* HU */
    float  angle;                    /* of a collection, radians */
    sec_point at;
    bool   blank;                    /* leave it out of the picture */
    sec_box box;
} finding;

/* ---- What disease does to the plan ----------------------------------- */

/* Thickness of an extra-axial collection by direction. */
static void place_collection(brain_plan *p, const finding *f, brain_level l, float scale)
{
    sec_outline inner;
    bool lens = f->what->kind == EPIDURAL;

    brain_inner_table(&inner, l);
    for (size_t k = 0; k < SEC_DIRECTIONS; k++) {
        float t = 2.0f * PI * (float)k / SEC_DIRECTIONS, off = remainderf(t - f->angle, 2.0f * PI);
        float along = off * inner.radius[k] / f->length, q = along * along;

        if (q >= 1.0f)
            continue;
        p->collection[k] = (float)f->size * scale * (lens ? 1.0f - q : 1.0f - q * q);
    }
}

static void plan_disease(brain_plan *p, finding *f, brain_level l, float scale)
{
    const combo *w = f->what;

    p->side = (float)w->side;
    p->shift = f->shift * scale;
    switch (w->kind) {
    case EPIDURAL:
    case SUBDURAL_ACUTE:
    case SUBDURAL_CHRONIC:
        place_collection(p, f, l, scale);
        p->efface = (sec_point){55.0f * (float)w->side, 0.0f};
        p->efface_radius = w->kind == EPIDURAL ? 45.0f : 60.0f;
        break;
    case INTRACEREBRAL:
    case MASS:
        p->efface = f->at;
        p->efface_radius = (float)f->size * 0.9f + 12.0f;
        break;
    case INFARCT_MCA:
    case INFARCT_PCA:
        p->efface = (sec_point){f->at.x, f->at.y};
        p->efface_radius = w->kind == INFARCT_MCA ? 46.0f : 30.0f;
        break;
    case HYDROCEPHALUS:
        if (!f->blank)
            p->ventricles = (float)f->size;
        p->efface = (sec_point){0, 0};
        p->efface_radius = 150.0f;
        break;
    case ATROPHY:
        if (!f->blank) {
            p->atrophy = (float)f->size;
            p->ventricles = 1.2f + 0.8f * (float)f->size;
        }
        break;
    case SUBARACHNOID:
        p->atrophy = p->atrophy * 0.5f + 0.22f;          /* fluid for the blood to fill */
        break;
    case INTRAVENTRICULAR:
        p->ventricles = p->ventricles * 0.5f + 0.95f;
        break;
    case NORMAL: case LACUNE: case CALCIFIED: case KINDS:
        break;
    }
}

/* ---- Painting findings ----------------------------------------------- */

static sec_ink ink_of(finding *f, float value, float soft, float ragged)
{
    return (sec_ink){.value = {value}, .soft = soft, .ragged = ragged, .box = &f->box,
                     .blank = f->blank};
}

/* Between the inner table and the pushed brain. */
static void paint_collection(sec_scene *s, const brain_plan *p, finding *f, rs_random *r)
{
    const float *depth = s->spare[BRAIN_DEPTH], *brain = s->spare[BRAIN_FLUID_DISTANCE];
    float *d = s->spare[0];
    size_t n = s->width * s->height;
    bool chronic = f->what->kind == SUBDURAL_CHRONIC;

    for (size_t i = 0; i < n; i++) {
        d[i] = 1e3f;
        if (depth[i] <= -2.0f)
            continue;
        float t = atan2f(s->u[i], -s->v[i]) / (2.0f * PI) * SEC_DIRECTIONS;
        size_t k = (size_t)(t < 0.0f ? t + SEC_DIRECTIONS : t) % SEC_DIRECTIONS;

        if (p->collection[k] > 0.6f && brain[i] < 8.0f)
            d[i] = fmaxf(-depth[i], depth[i] - p->collection[k]);
    }
    sec_ink ink = ink_of(f, f->bright, chronic ? 1.6f : 1.2f, 0.35f);
    ink.grain = chronic ? 2.0f : 3.5f;
    sec_paint_field(s, d, sec_everywhere(s), &ink, r);
    if (f->what->kind == SUBDURAL_CHRONIC && rs_random_unit(r) < 0.35) {
        /* acute on chronic: denser blood settles behind */
        float level = sec_range(r, 15.0, 40.0);
        for (size_t i = 0; i < n; i++)
            d[i] = fmaxf(d[i], level - s->v[i]);
        ink.value[0] = f->bright + 22.0f;
        ink.soft = 6.0f;
        sec_paint_field(s, d, sec_everywhere(s), &ink, r);
    }
}

static void paint_haemorrhage(sec_scene *s, finding *f, float scale, rs_random *r)
{
    bool deep = f->what->site[0] == 'b';
    float a = (float)f->size * 0.5f * scale, b = a * sec_range(r, 0.55, 0.85);
    float turn = deep ? 1.35f * (float)f->what->side : sec_range(r, -1.0, 1.0);
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a, b, turn, 0.28f, r);
    sec_ink rim = ink_of(f, 19.0f, 4.0f, 1.2f);

    rim.grow = sec_range(r, 2.5, 6.5);
    rim.alpha = 0.85f;
    rim.clip = s->spare[BRAIN_MASK];
    sec_paint(s, &blob, &rim, r);
    sec_ink blood = ink_of(f, f->bright, 1.6f, 0.9f);
    blood.grain = 4.0f;
    blood.clip = rim.clip;
    sec_paint(s, &blob, &blood, r);
}

static void paint_mass(sec_scene *s, finding *f, float scale, rs_random *r)
{
    float a = (float)f->size * 0.5f * scale;
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a, a * sec_range(r, 0.75, 1.0),
                                 sec_range(r, 0.0, 3.0), 0.22f, r);
    sec_shape swelling = sec_ellipse(f->at.x * 0.95f, f->at.y, a + 12.0f * scale,
                                     a + 15.0f * scale, 0.0f, 0.3f, r);
    const float *fluid = s->spare[BRAIN_FLUID_DISTANCE];
    float *white = s->spare[0];

    for (size_t i = 0, n = s->width * s->height; i < n; i++)
        white[i] = sec_step(1.5f, 5.0f, fluid[i]);        /* oedema spares the cortex */
    sec_ink oedema = ink_of(f, 17.0f, 5.0f, 2.5f);
    oedema.clip = white;
    oedema.alpha = 0.9f;
    sec_paint(s, &swelling, &oedema, r);
    sec_ink body = ink_of(f, f->bright, 1.8f, 0.8f);
    body.grain = 3.0f;
    body.clip = s->spare[BRAIN_MASK];
    sec_paint(s, &blob, &body, r);
    if (rs_random_unit(r) < 0.6 && a > 10.0f) {            /* necrosis */
        sec_ink core = ink_of(f, 20.0f, 2.5f, 1.5f);
        core.grow = -0.42f * a;
        sec_paint(s, &blob, &core, r);
    }
}

static void paint_infarct(sec_scene *s, finding *f, float scale, rs_random *r)
{
    float x = (float)f->what->side;
    const sec_point mca[8] = {{27 * x, -8}, {34 * x, -26}, {44 * x, -52}, {64 * x, -52},
                              {82 * x, 0}, {70 * x, 48}, {46 * x, 40}, {33 * x, 14}};
    const sec_point pca[7] = {{1.5f * x, 42}, {12 * x, 36}, {26 * x, 45}, {37 * x, 62},
                              {32 * x, 82}, {14 * x, 96}, {1.5f * x, 92}};
    bool big = f->what->kind == INFARCT_MCA;
    sec_point c = big ? (sec_point){68 * x, 0} : (sec_point){12 * x, 84};
    sec_shape a = big ? sec_curve(mca, 8) : sec_curve(pca, 7);
    float k = (float)f->size * scale;

    a = sec_move(&a, k, c.x * (1.0f - k), c.y * (1.0f - k));
    sec_ink ink = ink_of(f, f->bright, 4.0f, 2.2f);
    ink.alpha = 0.88f;
    ink.clip = s->spare[BRAIN_MASK];
    sec_paint(s, &a, &ink, r);
}

static void paint_small(sec_scene *s, finding *f, float scale, rs_random *r)
{
    bool stone = f->what->kind == CALCIFIED;
    float a = (float)f->size * 0.5f * sec_mix(1.0f, scale, 0.5f);
    sec_shape dot = sec_ellipse(f->at.x, f->at.y, a, a * sec_range(r, 0.65, 1.0),
                                sec_range(r, 0.0, 3.0), stone ? 0.35f : 0.15f, r);
    sec_ink ink = ink_of(f, f->bright, stone ? 1.0f : 1.6f, stone ? 0.7f : 0.4f);

    if (stone)
        ink.grain = 60.0f;
    sec_paint(s, &dot, &ink, r);
}

static void paint_ventricular_blood(sec_scene *s, const brain_plan *p, brain_level l, finding *f,
                                    rs_random *r)
{
    sec_shape v[4];
    size_t n = brain_lateral_ventricles(v, p, l);
    float *below = s->spare[0], level = f->at.y;

    for (size_t i = 0, m = s->width * s->height; i < m; i++)
        below[i] = sec_step(level - 1.5f, level + 1.5f, s->v[i] + 3.0f * s->rough[i]);
    for (size_t k = 0; k < n; k++) {
        sec_ink ink = ink_of(f, f->bright, 1.2f, 0.3f);
        ink.clip = k < 2 && level > 0.0f && l == BRAIN_VENTRICLES ? NULL : below;
        ink.grain = 4.0f;
        if (k < 2 && l == BRAIN_VENTRICLES) {              /* a cast in the frontal horns */
            if (f->size < 0.45 || (k == 0) == (f->what->side > 0))
                continue;
            ink.grow = -0.8f;
        }
        sec_paint(s, &v[k], &ink, r);
    }
    if (l == BRAIN_VENTRICLES) {
        sec_point line[3] = {{0, -6}, {0, 3}, {0, 11}};
        float radius[3] = {0.8f, 1.7f, 1.2f};
        sec_shape third = sec_tube(line, radius, 3);
        sec_ink ink = ink_of(f, f->bright, 1.0f, 0.2f);
        sec_paint(s, &third, &ink, r);
    }
}

/* Findings that are the anatomy itself: box what shows them. */
static void box_anatomy(sec_scene *s, const brain_plan *p, brain_level l, finding *f, rs_random *r)
{
    sec_ink nothing = ink_of(f, 0.0f, 1.0f, 0.0f);
    sec_shape v[4];

    nothing.blank = true;
    if (f->what->kind == HYDROCEPHALUS) {
        brain_plan wide = *p;
        wide.ventricles = (float)f->size;
        size_t n = brain_lateral_ventricles(v, &wide, l);
        for (size_t k = 0; k < n; k++)
            sec_paint(s, &v[k], &nothing, r);
    } else if (f->what->kind == SUBARACHNOID && l == BRAIN_BASE) {
        sec_shape star = sec_ellipse(0, -4, 42, 24, 0, 0, NULL);
        sec_paint(s, &star, &nothing, r);
    } else {
        float *d = s->spare[0];
        for (size_t i = 0, n = s->width * s->height; i < n; i++)
            d[i] = -s->spare[BRAIN_DEPTH][i];
        sec_paint_field(s, d, sec_everywhere(s), &nothing, r);
    }
}

static void paint_finding(sec_scene *s, const brain_plan *p, brain_level l, finding *f,
                          float scale, rs_random *r)
{
    switch (f->what->kind) {
    case EPIDURAL: case SUBDURAL_ACUTE: case SUBDURAL_CHRONIC:
        paint_collection(s, p, f, r);
        break;
    case INTRACEREBRAL: paint_haemorrhage(s, f, scale, r); break;
    case MASS:          paint_mass(s, f, scale, r); break;
    case INFARCT_MCA: case INFARCT_PCA: paint_infarct(s, f, scale, r); break;
    case LACUNE: case CALCIFIED: paint_small(s, f, scale, r); break;
    case INTRAVENTRICULAR: paint_ventricular_blood(s, p, l, f, r); break;
    case HYDROCEPHALUS: case SUBARACHNOID: case ATROPHY: box_anatomy(s, p, l, f, r); break;
    case NORMAL: case KINDS: break;
    }
}

/* ---- Scanner --------------------------------------------------------- */

static void paint_holder(sec_scene *s, rs_random *r)
{
    sec_point p[5] = {{-104, 15}, {-98, 72}, {0, 116}, {98, 72}, {104, 15}};
    float w = sec_range(r, 0.4, 1.0), radius[5] = {w, w, w, w, w};
    sec_shape a = sec_tube(p, radius, 5);
    sec_ink ink = {.value = {sec_range(r, 20.0, 160.0)}, .soft = 1.0f};

    sec_paint(s, &a, &ink, r);
}

/* Beam hardening: brighter under the bone, darker between the petrous ridges. */
static void harden_beam(sec_scene *s, brain_level l, rs_random *r)
{
    const float *depth = s->spare[BRAIN_DEPTH];
    float cup = sec_range(r, 2.0, 7.0), reach = sec_range(r, 4.0, 9.0);
    float band = l == BRAIN_BASE ? sec_range(r, 2.0, 9.0) : 0.0f;
    float at = sec_range(r, 10.0, 24.0);

    for (size_t i = 0, n = s->width * s->height; i < n; i++) {
        if (depth[i] <= 0.0f)
            continue;
        float v = (s->v[i] - at) / 7.0f;

        s->picture[0][i] += cup * expf(-depth[i] / reach);
        if (band > 0.0f)
            s->picture[0][i] -= band * expf(-v * v);
    }
}

typedef struct {
    float     mm, turn, low, high, noise, sharp;
    sec_point shift;
    size_t    side;
    bool      holder;
} scanner;

static scanner scanner_new(rs_random *r)
{
    static const size_t sides[] = {320, 352, 384, 384, 416};
    scanner c = {.side = sides[rs_random_below(r, 5)]};
    double level = rs_random_range(r, 32.0, 40.0), width = rs_random_range(r, 72.0, 100.0);

    c.mm = (float)(rs_random_range(r, 214.0, 246.0) / (double)c.side);
    c.turn = 0.07f * sec_normal(r);
    c.low = (float)(level - width * 0.5);
    c.high = (float)(level + width * 0.5);
    c.noise = sec_range(r, 2.0, 4.6);
    c.sharp = sec_range(r, 0.1, 0.7);
    c.shift = (sec_point){3.0f * sec_normal(r), 3.0f * sec_normal(r) - 2.0f};
    c.holder = rs_random_unit(r) < 0.4;
    return c;
}

static void draw_inks(brain_inks inks, const finding *f, rs_random *r)
{
    static const float hu[BRAIN_TISSUES] = {
        [BRAIN_AIR] = -1000, [BRAIN_SKIN] = 38, [BRAIN_FAT] = -75, [BRAIN_MUSCLE] = 50,
        [BRAIN_BONE] = 1100, [BRAIN_DIPLOE] = 420, [BRAIN_FLUID] = 6, [BRAIN_SULCAL] = 8,
        [BRAIN_GREY] = 38, [BRAIN_WHITE] = 28.5f, [BRAIN_DEEP] = 37, [BRAIN_PALLIDUM] = 35,
        [BRAIN_FALX] = 52, [BRAIN_PLEXUS] = 130, [BRAIN_VESSEL] = 48};
    float contrast = sec_range(r, 0.8, 1.2);

    for (size_t t = 0; t < BRAIN_TISSUES; t++)
        for (size_t c = 0; c < SEC_CHANNELS; c++)
            inks[t][c] = hu[t];
    for (size_t t = BRAIN_GREY; t <= BRAIN_PALLIDUM; t++)
        inks[t][0] = 33.5f + (hu[t] - 33.5f) * contrast;
    if (f->what->kind == SUBARACHNOID && !f->blank)
        inks[BRAIN_SULCAL][0] = f->bright;
}

static rs_status draw_level(rs_image *im, const brain_plan *patient, brain_level l,
                            const scanner *c, finding *f, float scale, rs_random *r, rs_err *err)
{
    sec_scene s;
    sec_setup setup = {.width = c->side, .height = c->side, .channels = 1, .mm = c->mm,
                       .turn = c->turn, .shift = c->shift, .warp = 1.0f, .warp_size = 55.0f};
    brain_plan p = *patient;
    brain_inks inks;
    rs_random ink = rs_random_seed(rs_random_u64(r)), scene = rs_random_seed(rs_random_u64(r));
    rs_random disease = rs_random_seed(rs_random_u64(r)), grain = rs_random_seed(rs_random_u64(r));
    rs_status st = sec_scene_init(&s, &setup, &scene, err);

    if (st != RS_OK)
        return st;
    plan_disease(&p, f, l, scale);
    draw_inks(inks, f, &ink);
    brain_draw(&s, &p, l, (const float (*)[SEC_CHANNELS])inks, &scene);
    paint_finding(&s, &p, l, f, scale, &disease);
    harden_beam(&s, l, &grain);
    if (c->holder)
        paint_holder(&s, &grain);
    sec_blur(s.picture[0], s.width, s.height, 1, s.spare[2]);
    sec_ct_noise(&s, c->noise, c->sharp, &grain);
    st = sec_to_image(im, &s, 0, c->low, c->high, err);
    sec_scene_clear(&s);
    return st;
}

/* ---- The report ------------------------------------------------------ */

static rs_status write_report(ph_case *c, const finding *f, rs_random *r, rs_err *err)
{
    const combo *w = f->what;
    ph_prose p = ph_prose_new(c, r);
    const char *site = w->site;
    bool lobar = w->kind == INTRACEREBRAL;

    ph_set(&p, "side", sec_side_word(w->side));
    ph_set(&p, "other", sec_side_word(-w->side));
    ph_set(&p, "site", site);
    ph_set(&p, "place", !lobar ? site : site[0] == 'b' ? "basal ganglia" : site[0] == 't' ?
           "thalamic" : site[0] == 'f' ? "frontal lobar" : "parietal lobar");
    ph_set(&p, "size", c->n_findings ? c->findings[0].size : "");
    ph_set(&p, "mm", sec_mm_words(f->size));
    ph_set(&p, "shift", sec_mm_words(f->shift));
    ph_set(&p, "grade", c->n_findings ? sec_grade_word(c->findings[0].size) : "");
    ph_set(&p, "shifted", f->shift >= 2.5f ? "{ with {shift} of midline shift{ to the "
        "{other}|}|}" : "");
    ph_set(&p, "moved", f->shift >= 2.5f ? "{Midline shift of {shift} to the {other}.|There is "
           "{shift} of midline shift to the {other}.}" : "{No significant midline shift.|}");
    return sec_report(c, &head_ct_style, w->kind == NORMAL ? NULL : &head_ct_words[w->kind], &p, err);
}

/* ---- The case -------------------------------------------------------- */

static finding finding_new(const combo *w, bool blank, rs_random *r)
{
    finding f = {.what = w, .blank = blank, .box = SEC_BOX_EMPTY};
    float side = (float)w->side;

    f.size = rs_random_range(r, traits[w->kind].lo, traits[w->kind].hi);
    f.shift = (float)(rs_random_range(r, traits[w->kind].shift_lo, traits[w->kind].shift_hi) *
                      (w->kind == INFARCT_MCA ? 1.0 : f.size));
    f.at = (sec_point){side * (w->x + 2.5f * sec_normal(r)), w->y + 3.0f * sec_normal(r)};
    f.angle = side * (w->x + 5.0f * sec_normal(r)) * PI / 180.0f;
    f.length = w->kind == EPIDURAL ? (float)(f.size * rs_random_range(r, 0.9, 1.2) + 17.0)
                                   : sec_range(r, 84.0, 104.0);
    switch (w->kind) {
    case SUBDURAL_CHRONIC: f.bright = sec_range(r, 12.0, 21.0); break;
    case INFARCT_MCA: case INFARCT_PCA: f.bright = sec_range(r, 17.0, 22.0); break;
    case LACUNE:    f.bright = sec_range(r, 9.0, 15.0); break;
    case MASS:      f.bright = sec_range(r, 40.0, 50.0); break;
    case CALCIFIED: f.bright = sec_range(r, 150.0, 500.0); break;
    case SUBARACHNOID: f.bright = sec_range(r, 54.0, 68.0); break;
    default:        f.bright = sec_range(r, 58.0, 74.0); break;
    }
    if (w->kind == INTRACEREBRAL && w->site[0] == 't')
        f.size = 14.0 + (f.size - 18.0) * 0.5;             /* the thalamus is small */
    if (w->kind == INTRACEREBRAL && w->site[0] == 'b')
        f.size = 18.0 + (f.size - 18.0) * 0.8;
    if (w->kind == INTRAVENTRICULAR)
        f.at.y = sec_range(r, 30.0, 42.0);
    return f;
}

static const char *const level_view[BRAIN_LEVELS] = {
    "axial, basal cisterns", "axial, basal ganglia", "axial, lateral ventricles",
    "axial, centrum semiovale"};

/* A neighbouring level that can show the finding too. */
static brain_level neighbour(const combo *w, rs_random *r)
{
    if (w->kind == NORMAL)
        return (brain_level)rs_random_below(r, BRAIN_LEVELS);
    if (w->level == BRAIN_BODIES && (w->kind == ATROPHY || w->kind == SUBDURAL_ACUTE ||
        w->kind == SUBDURAL_CHRONIC || w->kind == MASS || w->kind == EPIDURAL))
        return rs_random_below(r, 2) ? BRAIN_VERTEX : BRAIN_VENTRICLES;
    if (w->level == BRAIN_BODIES || w->level == BRAIN_BASE)
        return w->level == BRAIN_BASE || rs_random_below(r, 2) ? BRAIN_VENTRICLES : BRAIN_VERTEX;
    return BRAIN_BODIES;
}

static void record(ph_case *c, const finding *f)
{
    const combo *w = f->what;
    const char *side = sec_side_word(w->side);
    double lo = traits[w->kind].lo, hi = traits[w->kind].hi;

    snprintf(c->label, sizeof c->label, "head ct: %s%s%s%s%s", traits[w->kind].name,
             *side ? ", " : "", side, *w->site ? ", " : "", w->site);
    if (w->kind == NORMAL)
        return;
    c->n_findings = 1;
    c->findings[0] = (ph_finding){.kind = traits[w->kind].name, .side = side, .site = w->site,
        .size = w->kind == LACUNE || w->kind == CALCIFIED ? sec_mm_words(f->size)
                                                          : sec_size_word(f->size, lo, hi),
        .image = 0, .box = {f->box.x0, f->box.y0, f->box.x1, f->box.y1}};
}

static rs_status draw(ph_case *c, size_t which, rs_random *r, rs_err *err)
{
    const combo *w = &combos[which < ph_count(combos) ? which : 0];
    rs_random who = ph_patient(c), how = rs_random_seed(rs_random_u64(r));
    rs_random prose = rs_random_seed(rs_random_u64(r)), draws = rs_random_seed(rs_random_u64(r));
    brain_plan plan;

    c->modality = "CT";
    c->body_part = "HEAD";
    c->study = "Non-contrast CT of the head";
    c->sex = rs_random_below(&who, 2) ? 'F' : 'M';
    c->age = (int)rs_random_range(&who, 19.0, 92.0);
    brain_plan_init(&plan, c->age, &who);
    scanner machine = scanner_new(&how);
    finding f = finding_new(w, c->bare, &how);
    brain_level levels[2] = {w->level, neighbour(w, &how)};
    if (w->kind == NORMAL)
        levels[0] = (brain_level)rs_random_below(&how, BRAIN_LEVELS);
    else if (w->kind == HYDROCEPHALUS || w->kind == ATROPHY)
        levels[0] = rs_random_below(&how, 2) ? BRAIN_VENTRICLES : BRAIN_BODIES;
    c->n_images = rs_random_unit(&how) < 0.4 && levels[0] != levels[1] ? 2 : 1;
    for (size_t i = 0; i < c->n_images; i++) {
        float scale = i == 0 ? 1.0f : sec_range(&how, 0.65, 0.95);
        sec_box box = f.box;
        rs_status st = draw_level(&c->images[i], &plan, levels[i], &machine, &f, scale, &draws,
                                  err);

        if (st != RS_OK)
            return st;
        if (i > 0)
            f.box = box;
        c->view[i] = level_view[levels[i]];
    }
    record(c, &f);
    return write_report(c, &f, &prose, err);
}

const ph_anatomy ph_head_ct = {"head_ct", sizeof combos / sizeof *combos, 0.2, draw};
