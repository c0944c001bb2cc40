/* chest_int.h - the parts of the frontal chest radiograph.
 *
 * The patient is drawn in chest coordinates (u, v): u = 0 the spine, u = +1 the outer
 * ribs on the patient's left, which is the right of the picture; v = 0 the lung
 * apices, the diaphragm near 1.65; both in units of half the thorax's width, about
 * 140 mm. Layers add up as attenuation does: soft tissue, less the air of the lungs,
 * plus bone, vessels, fluid and metal.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_PHANTOM_CHEST_INT_H
#define RS_PHANTOM_CHEST_INT_H

#include "canvas.h"
#include "report.h"

enum { RIGHT = 0, LEFT = 1 };

static const float CHEST_UNIT_MM = 140.f;

/* Who lies there and how the film was taken: all that the layers need. */
typedef struct {
    size_t w, h;
    char   sex;
    int    age;
    bool   ap;                       /* supine or sitting, at the bedside */
    float  s, cx, top, tilt;         /* (u, v) -> pixels */
    float  dome[2];                  /* v of each hemidiaphragm's top */
    float  flat;                     /* 1 domed, 0 flat */
    float  wide;                     /* lungs' width */
    float  heart;                    /* heart's width, 1 usual */
    float  knob;                     /* aortic knob, 1 usual */
    float  shift;                    /* of the mediastinum, + to the patient's left */
    float  fat, breast;
    float  markings;                 /* how strong the vessels are */
    float  upper;                    /* upper-lobe vessels against the lower ones */
    float  air;                      /* how dark the lungs are */
    float  rib_gap;
} chest_plan;

typedef struct {
    ph_canvas body;                  /* soft tissue, front to back */
    ph_canvas lung[2];               /* air, 0..1 */
    ph_canvas middle;                /* heart and mediastinum, 0..1 */
    ph_canvas vessels, bones;
    ph_canvas over;                  /* added last: metal, lines, nodules */
} chest_layers;

static inline ph_point chest_at(const chest_plan *p, float u, float v)
{
    return (ph_point){p->cx + p->s * (u - p->tilt * (v - 0.9f)),
                      p->top + p->s * (v + p->tilt * u)};
}

/* n points of (u, v) to pixels, in place; u multiplied by `sign` first. */
void chest_points(const chest_plan *p, ph_point *q, size_t n, float sign);
/* The lung's outer wall at height v, in u. */
float chest_wall(const chest_plan *p, float v);

chest_plan chest_plan_new(const ph_case *c, rs_random *patient, rs_random *film);
void chest_layers_new(chest_layers *l, const chest_plan *p);
void chest_layers_clear(chest_layers *l);
void chest_draw_anatomy(chest_layers *l, const chest_plan *p, rs_random *patient);
/* Layers to density, then noise, collimation and marker; 0 black, 1 white. */
ph_canvas chest_compose(const chest_layers *l, const chest_plan *p, rs_random *film);
/* One branching vessel from (x, y) in pixels; also the bronchi of a bronchogram. */
void chest_branch(ph_canvas *c, float x, float y, float angle, float length, float radius,
                  float value, int depth, rs_random *r);

/* ---- Findings --------------------------------------------------------------- */

/* One kind of finding. bend() changes the plan before anything is drawn; paint()
 * changes the layers and adds to `mark` whatever it touched: the box is its extent.
 * Both fill in f->size. Either may be NULL. */
typedef struct {
    const char *kind;
    void (*bend)(chest_plan *p, ph_finding *f, rs_random *r);
    void (*paint)(chest_layers *l, const chest_plan *p, ph_finding *f, ph_canvas *mark,
                  rs_random *r);
    ph_script script;
} chest_kind;

extern const chest_kind chest_kinds[];
extern const ph_reporter chest_reporter;
/* The kind of that name; NULL where there is none. */
const chest_kind *chest_kind_of(const char *kind);

void chest_bend_heart(chest_plan *p, ph_finding *f, rs_random *r);
void chest_bend_oedema(chest_plan *p, ph_finding *f, rs_random *r);
void chest_bend_collapse(chest_plan *p, ph_finding *f, rs_random *r);
void chest_bend_hyperinflation(chest_plan *p, ph_finding *f, rs_random *r);
void chest_bend_pneumothorax(chest_plan *p, ph_finding *f, rs_random *r);

#define CHEST_PAINTER(name) \
    void name(chest_layers *l, const chest_plan *p, ph_finding *f, ph_canvas *mark, rs_random *r)
CHEST_PAINTER(chest_paint_effusion);
CHEST_PAINTER(chest_paint_pneumothorax);
CHEST_PAINTER(chest_paint_heart);
CHEST_PAINTER(chest_paint_consolidation);
CHEST_PAINTER(chest_paint_nodule);
CHEST_PAINTER(chest_paint_mass);
CHEST_PAINTER(chest_paint_cavity);
CHEST_PAINTER(chest_paint_oedema);
CHEST_PAINTER(chest_paint_collapse);
CHEST_PAINTER(chest_paint_rib_fracture);
CHEST_PAINTER(chest_paint_free_air);
CHEST_PAINTER(chest_paint_line);
CHEST_PAINTER(chest_paint_pacemaker);
CHEST_PAINTER(chest_paint_hyperinflation);
CHEST_PAINTER(chest_paint_hilum);

/* The course of a posterior rib (0 the first) in pixels, spine first; its length. */
enum { CHEST_RIB_POINTS = 20, CHEST_RIBS = 11 };
size_t chest_rib(const chest_plan *p, ph_point *q, int rib, int side, bool front);

#endif
