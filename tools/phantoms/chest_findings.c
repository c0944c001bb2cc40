/* chest_findings.c - what may be wrong in the chest, painted into its layers.
 *
 * Fluid, pus and collapse take air out of the lung, so they are white because the
 * air is missing, and fade where the lung is thin. Lines and metal lie on top.
 * SPDX-License-Identifier: Apache-2.0 */
#include "chest_int.h"

#include <math.h>
#include <string.h>

static float sign_of(const ph_finding *f)
{
    return strcmp(f->side, "left") == 0 ? 1.f : -1.f;
}

static int side_of(const ph_finding *f)
{
    return strcmp(f->side, "left") == 0 ? LEFT : RIGHT;
}

static bool on_side(const ph_finding *f, int side)
{
    return strcmp(f->side, "bilateral") == 0 || f->side[0] == '\0' || side_of(f) == side;
}

/* A size word and the number that draws it. */
typedef struct { const char *word; float lo, hi; } grade;

static float pick(ph_finding *f, const grade *g, size_t n, rs_random *r)
{
    const grade *chosen = &g[rs_random_below(r, n)];

    f->size = chosen->word;
    return ph_range(r, chosen->lo, chosen->hi);
}

/* Take `gain` of the air away where `what` covers, and remember where that was. */
static void consolidate(chest_layers *l, int side, ph_canvas *what, float gain, ph_canvas *mark)
{
    ph_canvas touched = ph_canvas_copy(what);

    ph_clamp(&touched, 0.f, 1.f);
    ph_mul(&touched, &l->lung[side]);
    ph_add(mark, &touched, 1.f);
    ph_clamp(what, 0.f, 1.f);
    ph_affine(what, 1.f, -gain);
    ph_mul(&l->lung[side], what);
    ph_canvas_clear(&touched);
}

/* A cloud: a soft oval with a ragged, noisy edge. */
static ph_canvas cloud(const chest_plan *p, ph_point at, float rx, float ry, float angle,
                       rs_random *r)
{
    ph_canvas c = ph_canvas_new(p->w, p->h), where = ph_canvas_new(p->w, p->h);

    ph_paint_oval(&where, (ph_oval){at.x, at.y, rx * 1.25f, ry * 1.25f, angle, 0}, rx, PH_MAX,
                  1.f);
    ph_paint_oval(&c, (ph_oval){at.x, at.y, rx, ry, angle, 2.3f}, 0.9f * rx, PH_MAX, 0.95f);
    ph_add_noise(&c, &where, 0.5f * rx, 4, 0.62f, 0.2f, r);
    ph_affine(&c, -0.12f, 1.35f);
    ph_mul(&c, &where);
    ph_clamp(&c, 0.f, 1.f);
    ph_canvas_clear(&where);
    return c;
}

/* ---- Pleura ------------------------------------------------------------------- */

/* The part of `what` that lies in the lung, thin or thick: in place, and returned. */
static const ph_canvas *whole_lung(const chest_layers *l, ph_canvas *what, int side)
{
    ph_canvas lung = ph_canvas_copy(&l->lung[side]);

    ph_affine(&lung, 0.f, 2.2f);
    ph_clamp(&lung, 0.f, 1.f);
    ph_mul(what, &lung);
    ph_canvas_clear(&lung);
    return what;
}

static void effusion_on(chest_layers *l, const chest_plan *p, int side, float level,
                        ph_canvas *mark, rs_random *r)
{
    float sign = side == LEFT ? 1.f : -1.f, base = p->dome[side] + 0.2f;
    float climb = ph_range(r, 0.16, 0.3) * fminf(1.f, level + 0.35f), top = base - level;
    ph_point q[] = {{1.2f, top - climb}, {0.97f * p->wide, top - climb},
                    {0.9f * p->wide, top - 0.55f * climb}, {0.78f, top - 0.16f * climb},
                    {0.58f, top + 0.02f}, {0.36f, top + 0.03f}, {0.2f, top - 0.02f},
                    {0.0f, top - 0.1f * climb}, {0.f, 3.f}, {1.2f, 3.f}};
    ph_canvas fluid = ph_canvas_new(p->w, p->h);

    chest_points(p, q, ph_count(q), sign);
    ph_paint_polygon(&fluid, q, ph_count(q), (0.05f + 0.08f * fminf(level, 1.f)) * p->s, PH_MAX,
                     1.f);
    /* As dense as the liver below it: the diaphragm's outline is lost. */
    ph_canvas within = ph_canvas_copy(&fluid);

    ph_paint_mask(&l->middle, whole_lung(l, &within, side), PH_MAX,
                  fminf(0.5f + level, p->ap ? 0.75f : 0.92f));
    ph_canvas_clear(&within);
    consolidate(l, side, &fluid, p->ap ? 0.86f : 0.95f, mark);
    ph_canvas_clear(&fluid);
}

CHEST_PAINTER(chest_paint_effusion)
{
    static const grade sizes[] = {{"small", 0.16f, 0.26f}, {"moderate", 0.38f, 0.6f},
                                  {"large", 0.75f, 1.15f}};
    float level = pick(f, sizes, strcmp(f->side, "bilateral") ? 3 : 2, r);

    for (int side = 0; side < 2; side++)
        if (on_side(f, side))
            effusion_on(l, p, side, level * (float)rs_random_range(r, 0.85, 1.1), mark, r);
}

void chest_bend_pneumothorax(chest_plan *p, ph_finding *f, rs_random *r)
{
    static const char *const sizes[] = {"small", "moderate", "large"};

    f->size = sizes[rs_random_below(r, ph_count(sizes))];
    if (f->size[0] == 'l')
        p->shift -= sign_of(f) * ph_range(r, 0.02, 0.1);
}

/* The collapsed lung's edge: the outer wall drawn in towards the hilum, most at the
 * apex, by `gap`; it meets the wall again near `end`. */
static size_t pleural_edge(const chest_plan *p, ph_point *q, float gap, float end, float sign)
{
    enum { N = 24 };

    for (int i = 0; i < N; i++) {
        float t = (float)i / (N - 1), v = ph_mixf(0.04f + 0.9f * gap, end, t);
        float off = gap * (1.f - powf(t, 3.f)), top = fminf(1.f, t * 4.f);
        float u = chest_wall(p, v) - off;

        /* The apex of the lung is a dome: the edge starts at the mediastinum. */
        u = ph_mixf(0.2f, u, sqrtf(1.f - (1.f - top) * (1.f - top)));
        q[i] = (ph_point){u, v};
    }
    chest_points(p, q, N, sign);
    return N;
}

CHEST_PAINTER(chest_paint_pneumothorax)
{
    enum { MOST = 32 };
    ph_point q[MOST];
    int side = side_of(f);
    float sign = sign_of(f), base = p->dome[side] + 0.3f;
    bool large = f->size[0] == 'l', small = f->size[0] == 's';
    float gap = large ? ph_range(r, 0.34, 0.46) : small ? ph_range(r, 0.14, 0.18)
                                                        : ph_range(r, 0.17, 0.26);
    float end = large ? base + 0.2f : small ? ph_range(r, 0.95, 1.2) : ph_range(r, 1.3, 1.6);
    size_t n = pleural_edge(p, q, gap, end, sign);
    ph_canvas inner = ph_canvas_new(p->w, p->h), free_air = ph_canvas_copy(&l->lung[side]);
    ph_point line[MOST];

    memcpy(line, q, n * sizeof *q);
    q[n++] = chest_at(p, sign * 1.3f, end);
    q[n++] = chest_at(p, sign * 1.3f, 3.f);
    q[n++] = chest_at(p, sign * -0.1f, 3.f);
    q[n++] = chest_at(p, sign * -0.1f, 0.02f + gap);
    ph_paint_polygon(&inner, q, n, 1.5f, PH_MAX, 1.f);
    ph_affine(&inner, 1.f, -1.f);
    ph_mul(&free_air, &inner);
    ph_add(mark, &free_air, 1.5f);
    /* No vessels there, darker; the lung that is left is a little denser. */
    ph_canvas keep = ph_canvas_copy(&free_air);

    ph_clamp(&keep, 0.f, 0.6f);
    ph_affine(&keep, 1.f, -1.f / 0.6f);
    ph_mul(&l->vessels, &keep);
    /* keep: 1 in the lung that is left, 0 in the free air. */
    ph_affine(&keep, 1.3f, large ? -0.56f : -0.4f);
    ph_mul(&l->lung[side], &keep);
    ph_canvas edge = ph_canvas_new(p->w, p->h);

    ph_paint_line(&edge, line, n - 4, 0.007f * p->s, 0.007f * p->s, 1.6f, PH_ADD, 0.2f);
    ph_add(&l->over, whole_lung(l, &edge, side), 1.f);
    ph_canvas_clear(&edge);
    ph_canvas_clear(&keep);
    ph_canvas_clear(&inner);
    ph_canvas_clear(&free_air);
}

/* ---- Heart ---------------------------------------------------------------------- */

void chest_bend_heart(chest_plan *p, ph_finding *f, rs_random *r)
{
    static const grade sizes[] = {{"mild", 1.3f, 1.38f}, {"moderate", 1.42f, 1.55f},
                                  {"marked", 1.6f, 1.75f}};

    p->heart = pick(f, sizes, ph_count(sizes), r) * (p->ap ? 1.06f : 1.f);
    p->upper += 0.1f;
}

CHEST_PAINTER(chest_paint_heart)
{
    float h = p->heart, sink = 0.5f * (p->dome[0] + p->dome[1]) - 1.66f;
    ph_point q[] = {chest_at(p, -0.29f * h + p->shift, 0.95f + 0.7f * sink),
                    chest_at(p, 0.58f * h + p->shift, 1.72f + sink)};

    (void)l, (void)f, (void)r;
    ph_paint_polygon(mark, (ph_point[]){q[0], {q[1].x, q[0].y}, q[1], {q[0].x, q[1].y}}, 4, 1.f,
                     PH_MAX, 1.f);
}

void chest_bend_oedema(chest_plan *p, ph_finding *f, rs_random *r)
{
    p->heart = fmaxf(p->heart, ph_range(r, 1.12, 1.4));
    p->upper = ph_range(r, 1.0, 1.25);
    p->markings *= ph_range(r, 1.2, 1.5);
    f->size = ph_chance(r, 0.5) ? "mild" : "marked";
}

/* Kerley's B lines: short, level, at the lateral bases. */
static void septal_lines(chest_layers *l, const chest_plan *p, int side, float value, rs_random *r)
{
    float sign = side == LEFT ? 1.f : -1.f;

    for (int i = 0; i < 8; i++) {
        float v = p->dome[side] - 0.42f + 0.062f * (float)i, u = chest_wall(p, v) - 0.02f;
        ph_point q[] = {chest_at(p, sign * u, v),
                        chest_at(p, sign * (u - ph_range(r, 0.08, 0.15)),
                                 v + ph_range(r, -0.012, 0.004))};

        ph_paint_line(&l->vessels, q, 2, 0.005f * p->s, 0.005f * p->s, 1.3f, PH_ADD, value);
    }
}

CHEST_PAINTER(chest_paint_oedema)
{
    bool marked = f->size[0] == 'm' && f->size[1] == 'a';
    float strength = marked ? ph_range(r, 0.66, 0.85) : ph_range(r, 0.44, 0.58);

    for (int side = 0; side < 2; side++) {
        float sign = side == LEFT ? 1.f : -1.f;
        ph_canvas haze = cloud(p, chest_at(p, sign * 0.42f + p->shift, 0.98f), 0.34f * p->s,
                               0.46f * p->s, sign * -0.25f, r);

        consolidate(l, side, &haze, strength, mark);
        ph_canvas_clear(&haze);
        septal_lines(l, p, side, marked ? 0.1f : 0.07f, r);
        if (marked || ph_chance(r, 0.4)) {
            ph_canvas quiet = ph_canvas_new(p->w, p->h);

            effusion_on(l, p, side, ph_range(r, 0.12, 0.24), &quiet, r);
            ph_canvas_clear(&quiet);
        }
    }
}

/* ---- Lungs ------------------------------------------------------------------------ */

/* The middle of a zone in u (towards the wall) and v. */
static ph_point zone(const chest_plan *p, const ph_finding *f, float out, rs_random *r)
{
    float dome = p->dome[side_of(f)], v;

    if (strncmp(f->site, "upper", 5) == 0)
        v = ph_range(r, 0.26, 0.42);
    else if (strncmp(f->site, "middle", 6) == 0)
        v = ph_range(r, 0.48, 0.56) * dome;
    else
        v = ph_range(r, 0.74, 0.86) * dome;
    float wall = chest_wall(p, v), in = v > 0.6f * dome && sign_of(f) > 0.f ? 0.52f : 0.3f;
    float u = ph_mixf(fminf(in * fmaxf(p->heart, 1.f), wall - 0.2f), wall - 0.08f,
                      out * ph_range(r, 0.3, 1));

    return (ph_point){sign_of(f) * u, v};
}

static void bronchogram(chest_layers *l, ph_point at, float size, const ph_canvas *where,
                        float sign, rs_random *r)
{
    ph_canvas air = ph_canvas_new(where->width, where->height);
    float angle = sign > 0.f ? 0.4f : 2.7f;

    for (int i = 0; i < 3; i++)
        chest_branch(&air, at.x - sign * 0.6f * size, at.y - 0.4f * size,
                     angle + ph_range(r, -0.6, 0.6), 0.55f * size, fmaxf(0.05f * size, 1.2f), 0.14f,
                     2, r);
    ph_mul(&air, where);
    ph_add(&l->over, &air, -1.f);
    ph_canvas_clear(&air);
}

CHEST_PAINTER(chest_paint_consolidation)
{
    static const grade sizes[] = {{"patchy", 0.17f, 0.22f}, {"focal", 0.2f, 0.26f},
                                  {"dense", 0.26f, 0.33f}};
    float size = pick(f, sizes, ph_count(sizes), r) * p->s;
    ph_point uv = zone(p, f, 0.7f, r), at = chest_at(p, uv.x, uv.y);
    ph_canvas c = cloud(p, at, size * ph_range(r, 0.9, 1.25), size * ph_range(r, 0.8, 1.05),
                        ph_range(r, -0.5, 0.5), r), kept;

    if (f->size[0] == 'p') {
        /* Two or three smaller patches beside it. */
        for (size_t i = 1 + rs_random_below(r, 2); i > 0; i--) {
            ph_point near = {at.x + size * ph_range(r, -1.2, 1.2),
                             at.y + size * ph_range(r, -0.9, 0.9)};
            ph_canvas more = cloud(p, near, 0.55f * size, 0.5f * size, 0.f, r);

            ph_add(&c, &more, 0.8f);
            ph_canvas_clear(&more);
        }
        ph_clamp(&c, 0.f, 1.f);
    }
    ph_add(&l->over, whole_lung(l, &c, side_of(f)), f->size[0] == 'd' ? 0.13f : 0.08f);
    kept = ph_canvas_copy(&c);
    ph_mul(&kept, &l->lung[side_of(f)]);
    consolidate(l, side_of(f), &c, f->size[0] == 'd' ? ph_range(r, 0.9, 0.98)
                                                     : ph_range(r, 0.7, 0.88), mark);
    if (f->size[0] != 'p')
        bronchogram(l, at, size, &kept, sign_of(f), r);
    ph_canvas_clear(&kept);
    ph_canvas_clear(&c);
}

/* "6 mm" ... "84 mm", static so that a finding can hold it. */
static const char *millimetres(int mm)
{
    static const char *const words[] = {
#define MM4(a, b, c, d) #a " mm", #b " mm", #c " mm", #d " mm"
        MM4(0, 1, 2, 3), MM4(4, 5, 6, 7), MM4(8, 9, 10, 11), MM4(12, 13, 14, 15),
        MM4(16, 17, 18, 19), MM4(20, 21, 22, 23), MM4(24, 25, 26, 27), MM4(28, 29, 30, 31),
        MM4(32, 33, 34, 35), MM4(36, 37, 38, 39), MM4(40, 41, 42, 43), MM4(44, 45, 46, 47),
        MM4(48, 49, 50, 51), MM4(52, 53, 54, 55), MM4(56, 57, 58, 59), MM4(60, 61, 62, 63),
        MM4(64, 65, 66, 67), MM4(68, 69, 70, 71),
#undef MM4
    };
    int n = (int)ph_count(words);

    return words[mm < 0 ? 0 : mm < n ? mm : n - 1];
}

CHEST_PAINTER(chest_paint_nodule)
{
    int mm = 8 + (int)rs_random_below(r, 21);
    float radius = 0.5f * (float)mm / CHEST_UNIT_MM * p->s;
    ph_point uv = zone(p, f, 0.85f, r), at = chest_at(p, uv.x, uv.y);
    ph_oval o = {at.x, at.y, radius * ph_range(r, 0.95, 1.15), radius * ph_range(r, 0.9, 1.05),
                 ph_range(r, 0, 3), 0};

    f->size = millimetres(mm);
    ph_paint_oval(&l->over, o, fmaxf(0.35f * radius, 1.8f), PH_ADD, ph_range(r, 0.13, 0.2));
    ph_paint_ellipsoid(&l->over, o, PH_ADD, ph_range(r, 0.13, 0.2));
    ph_paint_oval(mark, o, 1.f, PH_MAX, 1.f);
}

/* A lumpy outline of `n` points around (x, y). */
static void lumpy(ph_point *q, size_t n, ph_point at, float radius, float lumps, rs_random *r)
{
    for (size_t i = 0; i < n; i++) {
        float a = 6.2831853f * (float)i / (float)n, k = radius * (1.f + lumps * ph_range(r, -1, 1));

        q[i] = (ph_point){at.x + k * cosf(a), at.y + k * sinf(a)};
    }
}

CHEST_PAINTER(chest_paint_mass)
{
    enum { N = 11 };
    ph_point q[N];
    int mm = 36 + (int)rs_random_below(r, 32);
    float radius = 0.5f * (float)mm / CHEST_UNIT_MM * p->s;
    ph_point uv = zone(p, f, 0.6f, r), at = chest_at(p, uv.x, uv.y);
    ph_canvas m = ph_canvas_new(p->w, p->h), keep = ph_canvas_new(p->w, p->h);

    f->size = millimetres(mm);
    lumpy(q, N, at, radius, 0.13f, r);
    ph_paint_blob(&m, q, N, 0.22f * radius, PH_MAX, 0.6f);
    ph_paint_ellipsoid(&m, (ph_oval){at.x, at.y, radius, radius, 0, 0}, PH_ADD, 0.35f);
    /* Spicules. */
    for (size_t i = rs_random_below(r, 14); i > 0; i--) {
        float a = ph_range(r, 0, 6.283), reach = radius * ph_range(r, 1.2, 1.6);
        ph_point ray[] = {{at.x + 0.8f * radius * cosf(a), at.y + 0.8f * radius * sinf(a)},
                          {at.x + reach * cosf(a + 0.1f), at.y + reach * sinf(a + 0.1f)}};

        ph_paint_line(&m, ray, 2, 0.012f * p->s, 0.003f * p->s, 1.4f, PH_MAX, 0.35f);
    }
    ph_add_noise(&keep, &m, 0.6f * radius, 2, 0.5f, 0.08f, r);
    ph_add(&m, &keep, 1.f);
    ph_add(&l->over, &m, 0.4f);
    ph_add(mark, &m, 3.f);
    ph_canvas_clear(&m);
    ph_canvas_clear(&keep);
}

CHEST_PAINTER(chest_paint_cavity)
{
    enum { N = 10 };
    ph_point q[N], hole[N];
    int mm = 30 + (int)rs_random_below(r, 26);
    float radius = 0.5f * (float)mm / CHEST_UNIT_MM * p->s, thick = ph_range(r, 0.55, 0.72);
    ph_point uv = zone(p, f, 0.5f, r), at = chest_at(p, uv.x, uv.y);
    ph_canvas m = ph_canvas_new(p->w, p->h);

    f->size = millimetres(mm);
    lumpy(q, N, at, radius, 0.09f, r);
    lumpy(hole, N, (ph_point){at.x + 0.06f * radius, at.y - 0.06f * radius}, thick * radius, 0.1f,
          r);
    ph_paint_blob(&m, q, N, 0.25f * radius, PH_MAX, 1.f);
    ph_paint_blob(&m, hole, N, 0.15f * radius, PH_MIN, 0.16f);
    if (ph_chance(r, 0.5)) {
        /* A fluid level. */
        float level = at.y + thick * radius * ph_range(r, 0.15, 0.5);
        ph_canvas fluid = ph_canvas_new(p->w, p->h);
        float y = level, x0 = at.x - 2.f * radius, x1 = at.x + 2.f * radius;

        ph_paint_blob(&fluid, q, N, 2.f, PH_MAX, 1.f);
        ph_paint_polygon(&fluid, (ph_point[]){{x0, y - 3.f * radius}, {x1, y - 3.f * radius},
                                              {x1, y}, {x0, y}}, 4, 1.f, PH_MIN, 0.f);
        ph_paint_mask(&m, &fluid, PH_MAX, 0.8f);
        ph_canvas_clear(&fluid);
    }
    ph_add(&l->over, &m, 0.36f);
    ph_add(mark, &m, 3.f);
    ph_canvas_clear(&m);
}

void chest_bend_collapse(chest_plan *p, ph_finding *f, rs_random *r)
{
    p->dome[side_of(f)] -= ph_range(r, 0.07, 0.15);
    p->shift += sign_of(f) * ph_range(r, 0.02, 0.07);
    f->size = ph_chance(r, 0.5) ? "partial" : "complete";
}

/* The lower lobe shrinks to a wedge beside the spine, its straight edge the fissure. */
CHEST_PAINTER(chest_paint_collapse)
{
    int side = side_of(f);
    float sign = sign_of(f), dome = p->dome[side], full = f->size[0] == 'c' ? 0.f : 0.1f;
    ph_point q[] = {{0.1f, 0.86f}, {0.2f, 0.9f}, {0.36f + full, 1.25f}, {0.52f + full, dome + 0.1f},
                    {0.5f + full, dome + 0.3f}, {0.f, dome + 0.3f}, {0.f, 0.9f}};
    ph_canvas wedge = ph_canvas_new(p->w, p->h);
    float gain = full > 0.f ? 0.75f : 0.93f;

    chest_points(p, q, ph_count(q), sign);
    ph_jitter(q, ph_count(q), 0.03f * p->s, r);
    ph_paint_blob(&wedge, q, ph_count(q), 0.035f * p->s, PH_MAX, 1.f);
    /* Behind the heart too: density of its own, or it would hide. */
    ph_canvas behind = ph_canvas_copy(&wedge);

    ph_mul(&behind, &l->lung[side]);
    ph_add(&l->over, &behind, 0.16f);
    ph_canvas_clear(&behind);
    consolidate(l, side, &wedge, gain, mark);
    ph_canvas_clear(&wedge);
}

void chest_bend_hyperinflation(chest_plan *p, ph_finding *f, rs_random *r)
{
    f->size = ph_chance(r, 0.5) ? "moderate" : "marked";
    p->ap = false;
    p->dome[RIGHT] = ph_range(r, 1.82, 1.95);
    p->dome[LEFT] = p->dome[RIGHT] + ph_range(r, 0.02, 0.06);
    p->flat = ph_range(r, 0, 0.25);
    p->heart = ph_range(r, 0.66, 0.78);
    p->markings *= 0.75f;
    p->air *= ph_range(r, 1.08, 1.16);
    p->s *= 0.96f;
}

CHEST_PAINTER(chest_paint_hyperinflation)
{
    (void)p, (void)f, (void)r;
    ph_add(mark, &l->lung[RIGHT], 3.f);
    ph_add(mark, &l->lung[LEFT], 3.f);
}

CHEST_PAINTER(chest_paint_hilum)
{
    enum { N = 12 };

    f->size = ph_chance(r, 0.5) ? "lobulated" : "bulky";
    for (int side = 0; side < 2; side++) {
        ph_point q[N];
        float sign = side == LEFT ? 1.f : -1.f, radius = ph_range(r, 0.12, 0.17) * p->s;
        ph_point at = chest_at(p, sign * ph_range(r, 0.3, 0.34) + p->shift,
                               (side == LEFT ? 0.84f : 0.9f) + ph_range(r, -0.03, 0.03));

        if (!on_side(f, side))
            continue;
        lumpy(q, N, at, radius, f->size[0] == 'l' ? 0.2f : 0.08f, r);
        for (size_t i = 0; i < N; i++)
            q[i].y = at.y + 1.25f * (q[i].y - at.y);
        ph_canvas m = ph_canvas_new(p->w, p->h);

        ph_paint_blob(&m, q, N, 0.3f * radius, PH_MAX, 0.65f);
        ph_paint_ellipsoid(&m, (ph_oval){at.x, at.y, radius, 1.25f * radius, 0, 0}, PH_ADD, 0.35f);
        ph_add(&l->over, &m, 0.3f);
        ph_add(mark, &m, 3.f);
        ph_canvas_clear(&m);
    }
}

/* ---- Bones, air, metal --------------------------------------------------------------- */

/* Break a posterior rib's outer third: a dark gap, and the outer piece dropped. */
static void break_rib(chest_layers *l, const chest_plan *p, int rib, int side, float where,
                      ph_canvas *mark, rs_random *r)
{
    ph_point q[CHEST_RIB_POINTS];
    size_t n = chest_rib(p, q, rib, side, false), at = (size_t)(where * (float)(n - 1));
    float radius = 0.038f * p->s, step = ph_range(r, 1.4, 2.2) * radius;
    ph_point end = q[at];
    float dx = q[at + 1].x - q[at - 1].x, dy = q[at + 1].y - q[at - 1].y;
    float len = hypotf(dx, dy), nx = -dy / len, ny = dx / len;

    /* Erase the rib there, then lay the displaced ends. */
    for (int outer = 0; outer < 2; outer++) {
        ph_point piece[6];
        float move = outer ? step : -0.35f * step;

        for (size_t i = 0; i < 6; i++) {
            size_t k = outer ? at + i : at - 5 + i;

            piece[i] = q[k < n ? k : n - 1];
        }
        ph_paint_line(&l->bones, piece, 6, 1.05f * radius, 1.05f * radius, 2.f, PH_MUL, 0.3f);
        for (size_t i = 0; i < 6; i++) {
            float k = outer ? 1.f - 0.13f * (float)i : 0.4f + 0.12f * (float)i;
            float gap = (outer ? 1.f : -1.f) * 0.35f * radius;

            piece[i].x += nx * move * k + dx / len * gap;
            piece[i].y += ny * move * k + dy / len * gap;
        }
        ph_paint_line(&l->bones, piece, 6, radius, radius, 1.4f, PH_ADD, 0.06f);
        ph_paint_pipe(&l->bones, piece, 6, radius, radius, 0.75f, PH_ADD, 0.2f);
    }
    ph_paint_oval(mark, (ph_oval){end.x, end.y, 2.4f * radius, 2.4f * radius, 0, 0}, 1.f, PH_MAX,
                  1.f);
}

CHEST_PAINTER(chest_paint_rib_fracture)
{
    int side = side_of(f), rib = 4 + (int)rs_random_below(r, 3);
    int count = 1 + (int)(3.f * ph_range(r, 0.2, 1));
    float where = ph_range(r, 0.62, 0.74);

    f->size = count == 1 ? "single" : count == 2 ? "two-level" : "multiple";
    for (int i = 0; i < count; i++)
        break_rib(l, p, rib + i, side, where + ph_range(r, -0.03, 0.03), mark, r);
    /* Blood and swelling outside the ribs. */
    ph_point at = chest_at(p, sign_of(f) * 0.95f, 0.1f + p->rib_gap * ((float)rib + 1.f) + 0.2f);

    ph_paint_oval(&l->over, (ph_oval){at.x, at.y, 0.1f * p->s, 0.22f * p->s, 0, 0}, 0.16f * p->s,
                  PH_ADD, 0.05f);
}

/* A dark crescent under the dome, and the diaphragm a thin line above it. */
static void air_under(chest_layers *l, const chest_plan *p, int side, float deep, ph_canvas *mark)
{
    enum { N = 14 };
    ph_point q[2 * N], dome[N];
    float sign = side == LEFT ? 1.f : -1.f, d = p->dome[side];

    for (int i = 0; i < N; i++) {
        float t = (float)i / (N - 1), u = ph_mixf(0.24f, 0.9f, t), k = 2.f * t - 1.f;
        float lift = 0.02f + 0.13f * k * k * (t > 0.5f ? 1.2f : 0.7f);

        dome[i] = chest_at(p, sign * u, d + lift);
        q[i] = chest_at(p, sign * u, d + lift + 0.026f);
        q[2 * N - 1 - i] = chest_at(p, sign * u, d + lift + 0.028f + deep * (1.f - k * k));
    }
    ph_canvas m = ph_canvas_new(p->w, p->h);

    ph_paint_polygon(&m, q, 2 * N, 2.f, PH_MAX, 1.f);
    ph_add(&l->over, &m, -0.5f);
    ph_add(mark, &m, 1.f);
    ph_paint_line(&l->over, dome, N, 0.008f * p->s, 0.008f * p->s, 1.6f, PH_ADD, 0.14f);
    ph_canvas_clear(&m);
}

CHEST_PAINTER(chest_paint_free_air)
{
    static const grade sizes[] = {{"small", 0.05f, 0.07f}, {"moderate", 0.09f, 0.13f},
                                  {"large", 0.16f, 0.22f}};
    float deep = pick(f, sizes, ph_count(sizes), r);

    for (int side = 0; side < 2; side++)
        if (on_side(f, side))
            air_under(l, p, side, side == LEFT ? 0.8f * deep : deep, mark);
}

/* A thin bright line along a spline of (u, v). */
static void wire(chest_layers *l, const chest_plan *p, const ph_point *uv, size_t n, float radius,
                 float value, ph_canvas *mark)
{
    ph_point q[12], line[48];

    memcpy(q, uv, n * sizeof *q);
    chest_points(p, q, n, 1.f);
    ph_spline(line, ph_count(line), q, n, false);
    ph_paint_line(&l->over, line, ph_count(line), radius, radius, 1.3f, PH_ADD, value);
    ph_paint_line(mark, line, ph_count(line), radius, radius, 1.3f, PH_MAX, 1.f);
}

CHEST_PAINTER(chest_paint_line)
{
    float x = p->shift, tip = ph_range(r, 0.72, 0.98), sag = ph_range(r, -0.03, 0.03);
    float thick = fmaxf(ph_range(r, 0.01, 0.014) * p->s, 1.4f), value = ph_range(r, 0.32, 0.44);
    ph_point end = {-0.155f + x, tip}, svc = {-0.15f + x, 0.45f};

    f->size = "";
    if (strcmp(f->site, "internal jugular") == 0) {
        float neck = sign_of(f) * ph_range(r, 0.2, 0.26);
        ph_point right[] = {{neck - 0.12f, -0.5f}, {neck, -0.25f}, {-0.17f, 0.1f}, svc, end};
        ph_point left[] = {{neck + 0.12f, -0.5f}, {neck, -0.22f}, {0.16f, 0.12f}, {0.f, 0.3f}, svc,
                           end};

        if (side_of(f) == RIGHT)
            wire(l, p, right, ph_count(right), thick, value, mark);
        else
            wire(l, p, left, ph_count(left), thick, value, mark);
    } else {
        float k = sign_of(f);
        ph_point right[] = {{1.02f * k, 0.42f}, {0.72f * k, 0.2f + sag}, {0.42f * k, 0.12f},
                            {-0.2f, 0.22f}, svc, end};
        ph_point left[] = {{1.02f * k, 0.42f}, {0.72f * k, 0.2f + sag}, {0.42f * k, 0.12f},
                           {0.2f, 0.22f}, {0.f, 0.34f}, svc, end};

        if (side_of(f) == RIGHT)
            wire(l, p, right, ph_count(right), thick, value, mark);
        else
            wire(l, p, left, ph_count(left), thick, value, mark);
    }
}

CHEST_PAINTER(chest_paint_pacemaker)
{
    float k = sign_of(f), x = p->shift, h = p->heart, thick = fmaxf(0.009f * p->s, 1.1f);
    ph_point can = {k * ph_range(r, 0.62, 0.74), ph_range(r, 0.3, 0.42)};
    ph_point at = chest_at(p, can.x, can.y);
    float turn = ph_range(r, -0.3, 0.3), sink = 0.5f * (p->dome[0] + p->dome[1]) - 1.66f;
    ph_oval box = {at.x, at.y, 0.15f * p->s, 0.125f * p->s, turn, 3.2f};
    ph_point entry = {k * 0.36f, 0.12f}, svc = {-0.15f + x, 0.5f};
    ph_point atrium = {-0.2f * h + x, 1.12f + sink}, apex = {0.34f * h + x, 1.56f + sink};
    ph_point one[] = {{can.x, can.y - 0.1f}, entry, {k > 0 ? 0.05f : -0.17f, 0.26f}, svc,
                      {-0.16f + x, 0.95f}, {-0.06f + x, 1.3f + sink}, apex};
    ph_point two[] = {{can.x, can.y - 0.09f}, entry, {k > 0 ? 0.04f : -0.18f, 0.28f}, svc,
                      {-0.15f + x, 0.95f}, {-0.1f + x, 1.22f + sink}, atrium};

    f->size = ph_chance(r, 0.65) ? "dual-chamber" : "single-chamber";
    ph_paint_oval(&l->over, box, 1.6f, PH_ADD, 0.42f);
    ph_paint_oval(mark, box, 1.f, PH_MAX, 1.f);
    box.rx *= 0.62f;
    box.ry *= 0.5f;
    ph_paint_oval(&l->over, box, 2.f, PH_ADD, 0.12f);
    wire(l, p, one, ph_count(one), thick, 0.3f, mark);
    if (f->size[0] == 'd')
        wire(l, p, two, ph_count(two), thick, 0.3f, mark);
}
