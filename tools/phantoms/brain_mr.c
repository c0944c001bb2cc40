/* brain_mr.c - axial MR of the brain: one to three sequences of the same slice.
 *
 * Intensities are shares of the brightest tissue. brain.h draws the head in all
 * sequences at once; a finding is a few strokes, each with its value in every
 * sequence (fluid dark on T1 and FLAIR, bright on T2; fresh infarct bright on DWI).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "brain.h"
#include "brain_mr_int.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef enum { T1, T1C, T2, FLAIR, DWI, SEQUENCES } sequence;

typedef struct {
    kind_id     kind;
    int         side;                /* +1 left, -1 right, 0 none */
    const char *site;
    brain_level level;
    float       x, y;
} combo;

#define BOTH(kind, site, level, x, y) {kind, -1, site, level, x, y}, {kind, 1, site, level, x, y}

static const combo combos[] = {
    {NORMAL, 0, "", BRAIN_VENTRICLES, 0, 0},
    BOTH(GLIOMA, "frontal lobe", BRAIN_BODIES, 29, -42),
    BOTH(GLIOMA, "parietal lobe", BRAIN_BODIES, 35, 33),
    BOTH(GLIOMA, "temporal lobe", BRAIN_BASE, 42, 14),
    BOTH(MENINGIOMA, "frontal convexity", BRAIN_BODIES, 40, 0),
    BOTH(MENINGIOMA, "parietal convexity", BRAIN_BODIES, 116, 0),
    BOTH(INFARCT_MCA, "middle cerebral artery territory", BRAIN_VENTRICLES, 50, 0),
    BOTH(INFARCT_PCA, "occipital lobe", BRAIN_VENTRICLES, 20, 62),
    {PLAQUES, 0, "periventricular white matter", BRAIN_BODIES, 0, 0},
    {HYDROCEPHALUS, 0, "", BRAIN_VENTRICLES, 0, 0},
    BOTH(CYST, "middle cranial fossa", BRAIN_BASE, 56, -4),
    BOTH(OLD_INFARCT, "frontal lobe", BRAIN_BODIES, 46, -38),
    BOTH(ABSCESS, "frontal lobe", BRAIN_BODIES, 28, -42),
    BOTH(ABSCESS, "parietal lobe", BRAIN_BODIES, 34, 34),
    {PITUITARY, 0, "sellar and suprasellar region", BRAIN_BASE, 0, -11},
    {SMALL_VESSEL, 0, "white matter", BRAIN_BODIES, 0, 0},
    BOTH(LACUNE, "thalamus", BRAIN_VENTRICLES, 12, 8),
    {METASTASES, 0, "both hemispheres", BRAIN_BODIES, 0, 0},
};

static const struct {
    const char *name;
    double lo, hi;                   /* size, mm or a share */
    float shift;                     /* most midline shift, mm */
    bool contrast, diffusion;        /* sequences that are asked for */
} traits[KINDS] = {
    [NORMAL] = {"normal", 0, 0, 0, false, false},
    [GLIOMA] = {"high-grade glioma", 24, 52, 8, true, false},
    [MENINGIOMA] = {"meningioma", 20, 50, 6, true, false},
    [INFARCT_MCA] = {"acute infarct", 0.75, 1.1, 2, false, true},
    [INFARCT_PCA] = {"acute infarct", 0.8, 1.1, 0, false, true},
    [PLAQUES] = {"demyelinating plaques", 6, 15, 0, false, false},
    [HYDROCEPHALUS] = {"hydrocephalus", 2.3, 3.4, 0, false, false},
    [CYST] = {"arachnoid cyst", 22, 42, 0, false, false},
    [OLD_INFARCT] = {"encephalomalacia", 26, 46, 0, false, false},
    [ABSCESS] = {"abscess", 18, 38, 5, true, true},
    [PITUITARY] = {"pituitary mass", 17, 32, 0, true, false},
    [SMALL_VESSEL] = {"small vessel disease", 0.3, 1.0, 0, false, false},
    [LACUNE] = {"lacune", 7, 13, 0, false, false},
    [METASTASES] = {"metastases", 9, 26, 2, true, false},
};

typedef struct {
    const combo *what;
    double size;
    float shift, turn;
    sec_point at;
    size_t count;
    bool blank;
    sec_box box;
} finding;

/* What is scanned, and how it comes out. */
typedef struct {
    size_t   n, side;
    sequence seq[SEC_CHANNELS];
    float    mm, turn, noise[SEC_CHANNELS], white[SEC_CHANNELS], bias;
    unsigned blur;
    sec_point shift;
} study;

/* ---- Tissues --------------------------------------------------------- */

/*                                            T1    T1C   T2    FLAIR DWI */
static const float tissues[BRAIN_TISSUES][SEQUENCES] = {
    [BRAIN_AIR]      = {0.00f, 0.00f, 0.00f, 0.00f, 0.00f},
    [BRAIN_SKIN]     = {0.50f, 0.55f, 0.36f, 0.42f, 0.08f},
    [BRAIN_FAT]      = {0.98f, 0.98f, 0.74f, 0.70f, 0.12f},
    [BRAIN_MUSCLE]   = {0.36f, 0.42f, 0.20f, 0.28f, 0.10f},
    [BRAIN_BONE]     = {0.04f, 0.05f, 0.03f, 0.04f, 0.02f},
    [BRAIN_DIPLOE]   = {0.42f, 0.46f, 0.28f, 0.25f, 0.05f},
    [BRAIN_FLUID]    = {0.13f, 0.14f, 0.98f, 0.06f, 0.08f},
    [BRAIN_SULCAL]   = {0.17f, 0.20f, 0.92f, 0.12f, 0.12f},
    [BRAIN_GREY]     = {0.37f, 0.40f, 0.54f, 0.54f, 0.46f},
    [BRAIN_WHITE]    = {0.53f, 0.52f, 0.36f, 0.42f, 0.38f},
    [BRAIN_DEEP]     = {0.42f, 0.44f, 0.46f, 0.51f, 0.42f},
    [BRAIN_PALLIDUM] = {0.48f, 0.48f, 0.33f, 0.42f, 0.32f},
    [BRAIN_FALX]     = {0.30f, 0.75f, 0.25f, 0.28f, 0.20f},
    [BRAIN_PLEXUS]   = {0.34f, 0.82f, 0.70f, 0.48f, 0.30f},
    [BRAIN_VESSEL]   = {0.12f, 0.80f, 0.08f, 0.12f, 0.10f},
};

/* Strokes of findings, in the same columns. */
typedef enum {
    OEDEMA, RIM, NECROSIS, SOLID, MENINGEAL, FRESH_INFARCT, PLAQUE, FLUID_LIKE, GLIOSIS, PUS,
    CAPSULE, ADENOMA, STROKES
} stroke_id;

static const float strokes[STROKES][SEQUENCES] = {
    [OEDEMA]        = {0.41f, 0.41f, 0.78f, 0.82f, 0.40f},
    [RIM]           = {0.42f, 0.92f, 0.60f, 0.64f, 0.62f},
    [NECROSIS]      = {0.22f, 0.22f, 0.90f, 0.42f, 0.20f},
    [SOLID]         = {0.42f, 0.86f, 0.58f, 0.62f, 0.55f},
    [MENINGEAL]     = {0.42f, 0.90f, 0.56f, 0.60f, 0.55f},
    [FRESH_INFARCT] = {0.38f, 0.40f, 0.74f, 0.80f, 0.98f},
    [PLAQUE]        = {0.36f, 0.38f, 0.84f, 0.92f, 0.55f},
    [FLUID_LIKE]    = {0.13f, 0.14f, 0.98f, 0.07f, 0.08f},
    [GLIOSIS]       = {0.38f, 0.40f, 0.78f, 0.82f, 0.40f},
    [PUS]           = {0.24f, 0.24f, 0.92f, 0.56f, 1.00f},
    [CAPSULE]       = {0.52f, 0.94f, 0.28f, 0.50f, 0.50f},
    [ADENOMA]       = {0.42f, 0.80f, 0.60f, 0.62f, 0.45f},
};

static void make_inks(brain_inks inks, const study *st, rs_random *r)
{
    float contrast = sec_range(r, 0.8, 1.2);

    for (size_t c = 0; c < SEC_CHANNELS; c++)
        for (size_t t = 0; t < BRAIN_TISSUES; t++) {
            float x = c < st->n ? tissues[t][st->seq[c]] : 0.0f;

            if (t >= BRAIN_GREY && t <= BRAIN_PALLIDUM)
                x = 0.45f + (x - 0.45f) * contrast;
            inks[t][c] = x;
        }
}

static sec_ink stroke(const study *st, finding *f, stroke_id id, float soft, float ragged)
{
    sec_ink ink = {.soft = soft, .ragged = ragged, .box = &f->box, .blank = f->blank};

    for (size_t c = 0; c < st->n; c++)
        ink.value[c] = strokes[id][st->seq[c]];
    ink.grain = 0.02f;
    return ink;
}

/* ---- Findings -------------------------------------------------------- */

/* Oedema runs along white matter: 1 there, 0 in the cortex. */
static const float *white_matter(sec_scene *s)
{
    const float *fluid = s->spare[BRAIN_FLUID_DISTANCE];
    float *white = s->spare[0];

    for (size_t i = 0, n = s->width * s->height; i < n; i++)
        white[i] = sec_step(1.5f, 5.0f, fluid[i]);
    return white;
}

static void paint_oedema(sec_scene *s, const study *st, finding *f, sec_point at, float radius,
                         rs_random *r)
{
    sec_shape a = sec_ellipse(at.x * 0.96f, at.y, radius, radius * 1.15f,
                              sec_range(r, 0.0, 3.0), 0.3f, r);
    sec_ink ink = stroke(st, f, OEDEMA, 5.0f, 2.6f);

    ink.alpha = 0.92f;
    ink.clip = white_matter(s);
    sec_paint(s, &a, &ink, r);
}

/* A ring: rim of `thick` mm around a core. */
static void paint_ring(sec_scene *s, const study *st, finding *f, const sec_shape *a,
                       stroke_id rim, stroke_id core, float thick, float ragged, rs_random *r)
{
    sec_ink outer = stroke(st, f, rim, 1.3f, ragged), inner = stroke(st, f, core, 1.6f, ragged);

    outer.clip = inner.clip = s->spare[BRAIN_MASK];
    sec_paint(s, a, &outer, r);
    inner.grow = -thick;
    sec_paint(s, a, &inner, r);
}

static void paint_glioma(sec_scene *s, const study *st, finding *f, rs_random *r)
{
    float a = (float)f->size * 0.5f;
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a, a * sec_range(r, 0.7, 0.95),
                                 f->turn, 0.3f, r);

    paint_oedema(s, st, f, f->at, a + sec_range(r, 6.0, 15.0), r);
    paint_ring(s, st, f, &blob, RIM, NECROSIS, sec_range(r, 2.5, 5.5), 1.3f, r);
    if (rs_random_unit(r) < 0.5) {                          /* a solid nodule in the wall */
        float x = f->at.x + 0.6f * a * cosf(f->turn), y = f->at.y + 0.6f * a * sinf(f->turn);
        sec_shape lump = sec_ellipse(x, y, 0.35f * a, 0.3f * a, 0, 0.2f, r);
        sec_ink ink = stroke(st, f, SOLID, 1.6f, 0.8f);
        ink.clip = s->spare[BRAIN_MASK];
        sec_paint(s, &lump, &ink, r);
    }
}

static void paint_abscess(sec_scene *s, const study *st, finding *f, rs_random *r)
{
    float a = (float)f->size * 0.5f;
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a, a * sec_range(r, 0.78, 1.0),
                                 f->turn, 0.07f, r);

    paint_oedema(s, st, f, f->at, a + sec_range(r, 9.0, 16.0), r);
    paint_ring(s, st, f, &blob, CAPSULE, PUS, sec_range(r, 1.8, 2.8), 0.25f, r);
}

/* Against the inner table, broad based, with a thin cleft of fluid and a dural tail. */
static void paint_meningioma(sec_scene *s, const study *st, finding *f, rs_random *r)
{
    float a = (float)f->size * 0.5f, *inside = s->spare[0];
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a, a * 0.95f, f->turn, 0.08f, r);
    const float *depth = s->spare[BRAIN_DEPTH];

    if (rs_random_unit(r) < 0.6)
        paint_oedema(s, st, f, (sec_point){f->at.x * 0.75f, f->at.y * 0.75f}, a, r);
    for (size_t i = 0, n = s->width * s->height; i < n; i++)
        inside[i] = sec_step(0.2f, 1.2f, depth[i]);
    sec_ink cleft = stroke(st, f, FLUID_LIKE, 1.2f, 0.3f);
    cleft.grow = 1.2f;
    cleft.alpha = 0.7f;
    cleft.clip = inside;
    sec_paint(s, &blob, &cleft, r);
    sec_ink body = stroke(st, f, MENINGEAL, 1.2f, 0.3f);
    body.clip = inside;
    sec_paint(s, &blob, &body, r);

    float *band = s->spare[1];                              /* dural tail */
    for (size_t i = 0, n = s->width * s->height; i < n; i++)
        band[i] = sec_step(0.0f, 0.6f, depth[i]) * sec_step(2.6f, 1.6f, depth[i]);
    sec_shape tail = sec_ellipse(f->at.x, f->at.y, a * 1.5f, a * 1.5f, 0, 0, NULL);
    sec_ink thin = stroke(st, f, MENINGEAL, 2.0f, 0.3f);
    thin.clip = band;
    thin.alpha = 0.75f;
    sec_paint(s, &tail, &thin, r);
}

static void paint_infarct(sec_scene *s, const study *st, finding *f, rs_random *r)
{
    float x = (float)f->what->side, k = (float)f->size;
    const sec_point mca[8] = {{30 * x, -8}, {36 * x, -26}, {44 * x, -50}, {64 * x, -50},
                              {82 * x, 0}, {70 * x, 46}, {46 * x, 38}, {36 * x, 14}};
    const sec_point pca[7] = {{1.5f * x, 42}, {12 * x, 36}, {26 * x, 45}, {37 * x, 62},
                              {32 * x, 82}, {14 * x, 96}, {1.5f * x, 92}};
    bool big = f->what->kind == INFARCT_MCA;
    sec_point c = big ? (sec_point){68 * x, f->at.y} : (sec_point){12 * x, 84};
    sec_shape a = big ? sec_curve(mca, 8) : sec_curve(pca, 7);
    sec_ink ink = stroke(st, f, FRESH_INFARCT, 3.0f, 2.6f);

    a = sec_move(&a, k, c.x * (1.0f - k), c.y * (1.0f - k));
    ink.alpha = 0.85f;
    ink.grain = 0.05f;
    ink.clip = s->spare[BRAIN_MASK];
    sec_paint(s, &a, &ink, r);
}

static void paint_old_infarct(sec_scene *s, const study *st, finding *f, rs_random *r)
{
    float a = (float)f->size * 0.5f;
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a, a * 0.8f, f->turn, 0.35f, r);
    sec_ink scar = stroke(st, f, GLIOSIS, 3.5f, 2.0f), hole = stroke(st, f, FLUID_LIKE, 1.6f, 1.6f);

    scar.grow = 3.5f;
    scar.alpha = 0.9f;
    scar.clip = hole.clip = s->spare[BRAIN_MASK];
    sec_paint(s, &blob, &scar, r);
    sec_paint(s, &blob, &hole, r);
}

/* The middle fossa's cyst pushes the temporal pole back: fluid against the bone. */
static void paint_cyst(sec_scene *s, const study *st, finding *f, rs_random *r)
{
    float a = (float)f->size * 0.5f, *inside = s->spare[0];
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a * 0.95f, a, 0.0f, 0.1f, r);

    for (size_t i = 0, n = s->width * s->height; i < n; i++)
        inside[i] = sec_step(0.0f, 0.8f, s->spare[BRAIN_DEPTH][i]);
    sec_ink ink = stroke(st, f, FLUID_LIKE, 1.1f, 0.3f);
    ink.grain = 0.005f;
    ink.clip = inside;
    sec_paint(s, &blob, &ink, r);
}

static void paint_pituitary(sec_scene *s, const study *st, finding *f, rs_random *r)
{
    float a = (float)f->size * 0.5f;
    sec_shape blob = sec_ellipse(f->at.x, f->at.y, a, a * sec_range(r, 0.85, 1.1),
                                 0.0f, 0.14f, r);
    sec_ink ink = stroke(st, f, ADENOMA, 1.3f, 0.5f);

    ink.grain = 0.05f;
    sec_paint(s, &blob, &ink, r);
    if (rs_random_unit(r) < 0.3) {
        ink = stroke(st, f, NECROSIS, 1.8f, 0.6f);
        ink.grow = -0.55f * a;
        sec_paint(s, &blob, &ink, r);
    }
}

/* Ovals that stand on the ventricles' walls, and some under the cortex. */
static void paint_plaques(sec_scene *s, const study *st, finding *f, rs_random *r)
{
    const float *white = white_matter(s);

    for (size_t k = 0; k < f->count; k++) {
        int side = rs_random_below(r, 2) ? 1 : -1;
        float along = (float)rs_random_unit(r);
        float long_axis = sec_range(r, 0.22, 0.5) * (float)f->size;
        float y = sec_mix(-36.0f, 38.0f, along), out = sec_range(r, 9.0, 24.0);
        float x = (float)side * (out + 0.0125f * (y + 4.0f) * (y + 4.0f) * 0.5f);

        if (k % 3 == 2) {
            x = (float)side * sec_range(r, 30.0, 48.0);
            y = sec_range(r, -44.0, 46.0);
        }
        sec_shape a = sec_ellipse(x, y, long_axis, 0.55f * long_axis,
                                  (float)side * 0.5f * (y / 36.0f), 0.15f, r);
        sec_ink ink = stroke(st, f, PLAQUE, 1.8f, 0.5f);
        ink.clip = white;
        ink.alpha = 0.95f;
        sec_paint(s, &a, &ink, r);
    }
}

/* Caps and bands about the ventricles, and spots that flow together. */
static void paint_small_vessel(sec_scene *s, const study *st, finding *f, const brain_plan *p,
                               brain_level l, rs_random *r)
{
    sec_shape v[4];
    size_t n = brain_lateral_ventricles(v, p, l);
    float strength = (float)f->size;

    for (size_t k = 0; k < n; k++) {
        float *d = s->spare[2];
        sec_region g = sec_distances(s, &v[k], 18.0f, d);
        sec_ink ink = stroke(st, f, GLIOSIS, 6.0f, 2.2f);

        for (size_t y = g.y0; y < g.y1; y++)                /* never in the ventricle */
            for (size_t x = g.x0; x < g.x1; x++) {
                size_t i = y * s->width + x;
                d[i] = d[i] < 0.4f ? 50.0f : d[i];
            }
        ink.grow = 1.5f + 6.0f * strength;
        ink.clip = white_matter(s);
        sec_paint_field(s, d, g, &ink, r);
    }
    const float *white = white_matter(s);
    for (size_t k = 0; k < (size_t)(14.0f + 26.0f * strength); k++) {
        int side = rs_random_below(r, 2) ? 1 : -1;
        float a = sec_range(r, 1.2, 2.4 + 2.2 * (double)strength);
        sec_shape spot = sec_ellipse((float)side * sec_range(r, 17.0, 44.0),
                                     sec_range(r, -46.0, 48.0), a, a * 0.8f,
                                     sec_range(r, 0.0, 3.0), 0.3f, r);
        sec_ink ink = stroke(st, f, GLIOSIS, 2.0f, 0.8f);
        ink.clip = white;
        sec_paint(s, &spot, &ink, r);
    }
}

static void paint_metastases(sec_scene *s, const study *st, finding *f, rs_random *r)
{
    for (size_t k = 0; k < f->count; k++) {
        int side = k % 2 ? 1 : -1;
        float t = sec_range(r, 0.3, 2.85), a = (float)f->size * 0.5f;
        sec_point at = {(float)side * 45.0f * sinf(t), -56.0f * cosf(t)};

        a *= sec_range(r, 0.45, 1.0);
        paint_oedema(s, st, f, at, a + sec_range(r, 3.0, 10.0), r);
        sec_shape blob = sec_ellipse(at.x, at.y, a, a * 0.9f, t, 0.12f, r);
        if (a > 5.5f)
            paint_ring(s, st, f, &blob, RIM, NECROSIS, 0.45f * a, 0.4f, r);
        else
            paint_ring(s, st, f, &blob, SOLID, SOLID, a, 0.3f, r);
    }
}

static void paint_lacune(sec_scene *s, const study *st, finding *f, rs_random *r)
{
    float a = (float)f->size * 0.5f;
    sec_shape dot = sec_ellipse(f->at.x, f->at.y, a, a * 0.8f, f->turn, 0.15f, r);
    sec_ink rim = stroke(st, f, GLIOSIS, 1.4f, 0.4f), hole = stroke(st, f, FLUID_LIKE, 1.2f, 0.3f);

    rim.grow = 1.3f;
    sec_paint(s, &dot, &rim, r);
    sec_paint(s, &dot, &hole, r);
}

/* Wide ventricles; fluid seeps into the white matter around them. */
static void paint_hydrocephalus(sec_scene *s, const study *st, finding *f, const brain_plan *p,
                                brain_level l, rs_random *r)
{
    brain_plan wide = *p;
    sec_shape v[4];

    wide.ventricles = (float)f->size;
    for (size_t k = 0, n = brain_lateral_ventricles(v, &wide, l); k < n; k++) {
        float *d = s->spare[2];
        sec_region g = sec_distances(s, &v[k], 10.0f, d);
        sec_ink ink = stroke(st, f, OEDEMA, 5.0f, 1.0f), nothing = ink;

        nothing.blank = true;
        nothing.soft = 1.0f;
        sec_paint_field(s, d, g, &nothing, r);
        for (size_t y = g.y0; y < g.y1; y++)
            for (size_t x = g.x0; x < g.x1; x++) {
                size_t i = y * s->width + x;
                bool other = sec_distance(&v[(k + 2) % 4], s->u[i], s->v[i]) < 0.5f ||
                             sec_distance(&v[k ^ 1], s->u[i], s->v[i]) < 0.5f;
                d[i] = d[i] < 0.4f || d[i] > 6.0f || other ? 50.0f : d[i];
            }
        ink.grow = 2.0f;
        ink.alpha = 0.8f;
        sec_paint_field(s, d, g, &ink, r);
    }
}

static void paint_finding(sec_scene *s, const study *st, const brain_plan *p, brain_level l,
                          finding *f, rs_random *r)
{
    switch (f->what->kind) {
    case GLIOMA:        paint_glioma(s, st, f, r); break;
    case MENINGIOMA:    paint_meningioma(s, st, f, r); break;
    case INFARCT_MCA:
    case INFARCT_PCA:   paint_infarct(s, st, f, r); break;
    case PLAQUES:       paint_plaques(s, st, f, r); break;
    case HYDROCEPHALUS: paint_hydrocephalus(s, st, f, p, l, r); break;
    case CYST:          paint_cyst(s, st, f, r); break;
    case OLD_INFARCT:   paint_old_infarct(s, st, f, r); break;
    case ABSCESS:       paint_abscess(s, st, f, r); break;
    case PITUITARY:     paint_pituitary(s, st, f, r); break;
    case SMALL_VESSEL:  paint_small_vessel(s, st, f, p, l, r); break;
    case LACUNE:        paint_lacune(s, st, f, r); break;
    case METASTASES:    paint_metastases(s, st, f, r); break;
    case NORMAL: case KINDS: break;
    }
}

static void plan_disease(brain_plan *p, const finding *f)
{
    p->side = (float)f->what->side;
    p->shift = f->shift;
    switch (f->what->kind) {
    case GLIOMA: case ABSCESS: case MENINGIOMA:
        p->efface = f->at;
        p->efface_radius = (float)f->size * 0.9f + 12.0f;
        break;
    case INFARCT_MCA: case INFARCT_PCA:
        p->efface = f->at;
        p->efface_radius = 42.0f;
        break;
    case HYDROCEPHALUS:
        if (!f->blank)
            p->ventricles = (float)f->size;
        p->efface_radius = 150.0f;
        break;
    case CYST:
        p->atrophy *= 0.6f;
        break;
    default:
        break;
    }
}

/* ---- Scanner --------------------------------------------------------- */

static study study_new(const combo *w, rs_random *r)
{
    static const size_t sides[] = {320, 320, 352, 384};
    study st = {.side = sides[rs_random_below(r, 4)]};
    sequence pool[3] = {T2, FLAIR, T1};
    size_t order[3] = {0, 1, 2};

    if (traits[w->kind].contrast || (w->kind == NORMAL && rs_random_unit(r) < 0.25))
        pool[2] = T1C;
    if (w->kind == INFARCT_MCA || w->kind == INFARCT_PCA ||
        (w->kind == ABSCESS && rs_random_unit(r) < 0.4))
        pool[w->kind == ABSCESS ? 0 : 2] = DWI;
    if (w->kind == METASTASES && rs_random_unit(r) < 0.6)
        pool[0] = T1C, pool[2] = T1;
    rs_random_shuffle(r, order, 3);
    double many = rs_random_unit(r);
    st.n = many < 0.3 ? 1 : many < 0.7 ? 2 : 3;
    for (size_t c = 0; c < st.n; c++)
        st.seq[c] = pool[order[c]];
    if (st.seq[0] == T1 && w->kind != NORMAL) {             /* lead with one that shows it */
        st.seq[0] = st.n > 1 ? st.seq[1] : T2;
        if (st.n > 1)
            st.seq[1] = T1;
    }
    st.mm = (float)(rs_random_range(r, 216.0, 246.0) / (double)st.side);
    st.turn = 0.06f * sec_normal(r);
    st.shift = (sec_point){3.0f * sec_normal(r), 3.0f * sec_normal(r) - 2.0f};
    st.bias = sec_range(r, 0.03, 0.12);
    st.blur = 1 + (unsigned)rs_random_below(r, 2);
    for (size_t c = 0; c < st.n; c++) {
        st.noise[c] = sec_range(r, 0.008, 0.03) * (st.seq[c] == DWI ? 1.8f : 1.0f);
        st.white[c] = sec_range(r, 0.82, 1.08);
    }
    return st;
}

/* Coil sensitivity: smooth, a little brighter near the coil. */
static void shade(sec_scene *s, float amount, rs_random *r)
{
    float *field = s->spare[0];
    size_t n = s->width * s->height;

    memset(field, 0, n * sizeof *field);
    sec_noise(field, s->width, s->height, (double)s->width / 3.0, amount, s->spare[1], r);
    for (size_t i = 0; i < n; i++) {
        float far = (s->u[i] * s->u[i] + s->v[i] * s->v[i]) / (85.0f * 85.0f);
        float gain = 1.0f + field[i] + 1.2f * amount * (far - 0.5f);

        for (size_t c = 0; c < s->channels; c++)
            s->picture[c][i] *= gain;
    }
}

static rs_status draw_study(ph_case *c, const brain_plan *patient, brain_level l,
                            const study *st, finding *f, rs_random *r, rs_err *err)
{
    sec_scene s;
    sec_setup setup = {.width = st->side, .height = st->side, .channels = st->n, .mm = st->mm,
                       .turn = st->turn, .shift = st->shift, .warp = 1.0f, .warp_size = 55.0f};
    brain_plan p = *patient;
    brain_inks inks;
    rs_random ink = rs_random_seed(rs_random_u64(r)), scene = rs_random_seed(rs_random_u64(r));
    rs_random disease = rs_random_seed(rs_random_u64(r)), grain = rs_random_seed(rs_random_u64(r));
    rs_status ok = sec_scene_init(&s, &setup, &scene, err);

    if (ok != RS_OK)
        return ok;
    plan_disease(&p, f);
    make_inks(inks, st, &ink);
    brain_draw(&s, &p, l, (const float (*)[SEC_CHANNELS])inks, &scene);
    paint_finding(&s, st, &p, l, f, &disease);
    shade(&s, st->bias, &grain);
    for (size_t k = 0; k < st->n && ok == RS_OK; k++) {
        sec_blur(s.picture[k], s.width, s.height, st->seq[k] == DWI ? 6 : st->blur, s.spare[2]);
        sec_rician(&s, k, st->noise[k], &grain);
        ok = sec_to_image(&c->images[k], &s, k, 0.0f, st->white[k], err);
        c->n_images = k + 1;
    }
    sec_scene_clear(&s);
    return ok;
}

/* ---- The report ------------------------------------------------------ */

static const char *const sequence_words[SEQUENCES] = {
    "T1-weighted", "post-contrast T1-weighted", "T2-weighted", "FLAIR", "diffusion-weighted"};
static const char *const sequence_views[SEQUENCES] = {
    "axial T1", "axial T1 post-contrast", "axial T2", "axial FLAIR", "axial DWI"};

static rs_status write_report(ph_case *c, const finding *f, const study *st, rs_random *r,
                              rs_err *err)
{
    ph_prose p = ph_prose_new(c, r);
    const char *site = f->what->site;
    bool contrast = false, diffusion = false;
    char list[120];

    snprintf(list, sizeof list, "%s%s%s%s%s", sequence_words[st->seq[0]], st->n == 3 ? ", " :
             st->n == 2 ? " and " : "", st->n > 1 ? sequence_words[st->seq[1]] : "",
             st->n > 2 ? " and " : "", st->n > 2 ? sequence_words[st->seq[2]] : "");
    for (size_t k = 0; k < st->n; k++) {
        contrast |= st->seq[k] == T1C;
        diffusion |= st->seq[k] == DWI;
    }
    ph_set(&p, "homogeneous", contrast ? "{avid |}homogeneous enhancement" : "homogeneous "
        "signal");
    ph_set(&p, "ring", contrast ? "{ring-enhancing|rim-enhancing}" : "ring-like");
    ph_set(&p, "restricted", diffusion ? "The contents show restricted diffusion." : "");
    ph_set(&p, "bright", diffusion ? "{Restricted diffusion|High signal on diffusion-weighted "
        "imaging}"
                                   : "{Hyperintense signal|T2/FLAIR hyperintensity}");
    ph_set(&p, "grade", c->n_findings ? sec_grade_word(c->findings[0].size) : "");
    ph_set(&p, "shifted", f->shift >= 2.5f ? "{ with {shift} of midline shift|}" : "");
    ph_set(&p, "sequence", sequence_words[st->seq[0]]);
    ph_set(&p, "sequences", list);
    ph_set(&p, "side", sec_side_word(f->what->side));
    ph_set(&p, "site", site);
    ph_set(&p, "lobe", *site == 'f' ? "frontal" : *site == 'p' ? "parietal" : "temporal");
    ph_set(&p, "size", c->n_findings ? c->findings[0].size : "");
    ph_set(&p, "mm", sec_mm_words(f->size));
    ph_set(&p, "shift", sec_mm_words((double)f->shift));
    ph_set(&p, "extent", f->size > 0.65 ? "{severe|extensive|marked}" : "{moderate|established}");
    return sec_report(c, &brain_mr_style, f->what->kind == NORMAL ? NULL : &brain_mr_words[f->what->kind], &p, err);
}

/* ---- The case -------------------------------------------------------- */

static finding finding_new(const combo *w, bool blank, rs_random *r)
{
    finding f = {.what = w, .blank = blank, .box = SEC_BOX_EMPTY};
    float side = (float)w->side, jitter = w->kind == PITUITARY || w->kind == LACUNE ? 0.8f : 3.0f;
    double lo = traits[w->kind].lo, hi = traits[w->kind].hi;

    f.size = rs_random_range(r, lo, hi);
    if (hi > lo)
        f.shift = traits[w->kind].shift * (float)((f.size - lo) / (hi - lo)) *
                  sec_range(r, 0.5, 1.0);
    f.turn = sec_range(r, 0.0, 3.14);
    f.count = w->kind == METASTASES ? 3 + rs_random_below(r, 5) : 9 + rs_random_below(r, 9);
    if (w->kind == MENINGIOMA) {                            /* x is the angle in degrees */
        sec_outline inner;
        brain_inner_table(&inner, w->level);
        f.at = sec_outline_point(&inner, side * (w->x + 5.0f * sec_normal(r)) * 0.01745f,
                                 (float)f.size * 0.36f);
        return f;
    }
    f.at = (sec_point){side * w->x + jitter * sec_normal(r), w->y + jitter * sec_normal(r)};
    return f;
}

static void record(ph_case *c, const finding *f)
{
    const combo *w = f->what;
    const char *side = sec_side_word(w->side);

    snprintf(c->label, sizeof c->label, "brain mr: %s%s%s%s%s", traits[w->kind].name,
             *side ? ", " : "", side, *w->site ? ", " : "", w->site);
    if (w->kind == NORMAL)
        return;
    c->n_findings = 1;
    c->findings[0] = (ph_finding){.kind = traits[w->kind].name, .side = side, .site = w->site,
        .size = w->kind == LACUNE || w->kind == PLAQUES ? sec_mm_words(f->size) :
                sec_size_word(f->size, traits[w->kind].lo, traits[w->kind].hi),
        .image = 0, .box = {f->box.x0, f->box.y0, f->box.x1, f->box.y1}};
}

static rs_status draw(ph_case *c, size_t which, rs_random *r, rs_err *err)
{
    const combo *w = &combos[which < ph_count(combos) ? which : 0];
    rs_random who = ph_patient(c), how = rs_random_seed(rs_random_u64(r));
    rs_random prose = rs_random_seed(rs_random_u64(r)), draws = rs_random_seed(rs_random_u64(r));
    brain_level level = w->level;
    brain_plan plan;

    c->modality = "MR";
    c->body_part = "BRAIN";
    c->study = "MRI of the brain";
    c->sex = rs_random_below(&who, 2) ? 'F' : 'M';
    c->age = (int)rs_random_range(&who, 19.0, 92.0);
    brain_plan_init(&plan, c->age, &who);
    study st = study_new(w, &how);
    finding f = finding_new(w, c->bare, &how);
    if (w->kind == NORMAL)
        level = (brain_level)rs_random_below(&how, BRAIN_LEVELS);
    if (w->kind == HYDROCEPHALUS && rs_random_below(&how, 2))
        level = BRAIN_BODIES;
    rs_status ok = draw_study(c, &plan, level, &st, &f, &draws, err);
    if (ok != RS_OK)
        return ok;
    for (size_t k = 0; k < st.n; k++)
        c->view[k] = sequence_views[st.seq[k]];
    record(c, &f);
    return write_report(c, &f, &st, &prose, err);
}

const ph_anatomy ph_brain_mr = {"brain_mr", sizeof combos / sizeof *combos, 0.15, draw};
