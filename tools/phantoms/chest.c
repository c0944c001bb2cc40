/* chest.c - the frontal chest radiograph: its combinations, and one drawn case.
 * SPDX-License-Identifier: Apache-2.0 */
#include "chest_int.h"

#include <stdio.h>
#include <string.h>

static const struct { const char *kind, *side, *site; } combos[] = {
    {"", "", ""},
    {"pleural effusion", "right", ""},
    {"pleural effusion", "left", ""},
    {"pleural effusion", "bilateral", ""},
    {"pneumothorax", "right", ""},
    {"pneumothorax", "left", ""},
    {"cardiomegaly", "", ""},
    {"consolidation", "right", "upper zone"},
    {"consolidation", "right", "middle zone"},
    {"consolidation", "right", "lower zone"},
    {"consolidation", "left", "upper zone"},
    {"consolidation", "left", "middle zone"},
    {"consolidation", "left", "lower zone"},
    {"nodule", "right", "upper zone"},
    {"nodule", "right", "lower zone"},
    {"nodule", "left", "upper zone"},
    {"nodule", "left", "lower zone"},
    {"mass", "right", "upper zone"},
    {"mass", "right", "lower zone"},
    {"mass", "left", "upper zone"},
    {"mass", "left", "lower zone"},
    {"cavity", "right", "upper zone"},
    {"cavity", "left", "upper zone"},
    {"pulmonary oedema", "bilateral", ""},
    {"lobar collapse", "right", "lower lobe"},
    {"lobar collapse", "left", "lower lobe"},
    {"rib fracture", "right", "ribs"},
    {"rib fracture", "left", "ribs"},
    {"pneumoperitoneum", "right", "hemidiaphragm"},
    {"pneumoperitoneum", "bilateral", "hemidiaphragm"},
    {"central line", "right", "internal jugular"},
    {"central line", "left", "internal jugular"},
    {"central line", "right", "subclavian"},
    {"central line", "left", "subclavian"},
    {"pacemaker", "left", "chest wall"},
    {"pacemaker", "right", "chest wall"},
    {"hyperinflation", "", ""},
    {"hilar enlargement", "right", "hilum"},
    {"hilar enlargement", "left", "hilum"},
    {"hilar enlargement", "bilateral", "hila"},
};

static void label_case(ph_case *c, const char *kind, const char *side, const char *site)
{
    if (!kind[0])
        snprintf(c->label, sizeof c->label, "chest: normal");
    else
        snprintf(c->label, sizeof c->label, "chest: %s%s%s%s%s", kind, side[0] ? ", " : "", side,
                 site[0] ? " " : "", site);
}

static void patient_of(ph_case *c, rs_random *patient)
{
    c->sex = rs_random_below(patient, 2) ? 'F' : 'M';
    c->age = 18 + (int)(0.5 * (rs_random_range(patient, 0, 72) + rs_random_range(patient, 0, 72)));
}

static rs_status draw_film(ph_case *c, const chest_kind *k, ph_finding *f, rs_random *patient,
                           rs_random *film, rs_random *disease, rs_err *err)
{
    chest_plan p = chest_plan_new(c, patient, film);
    chest_layers l;
    ph_canvas mark = {0}, d;
    rs_status st;

    if (k && k->bend && !c->bare)
        k->bend(&p, f, disease);
    chest_layers_new(&l, &p);
    chest_draw_anatomy(&l, &p, patient);
    mark = ph_canvas_new(p.w, p.h);
    if (k && k->paint && !c->bare)
        k->paint(&l, &p, f, &mark, disease);
    d = chest_compose(&l, &p, film);
    d.failed |= mark.failed;
    st = ph_to_image(&c->images[0], &d, 0.f, 1.f, 1.f, err);
    if (k && ph_mask_box(&mark, 0.12f, f->box))
        ph_box_grow(f->box, 2, p.w, p.h);
    c->view[0] = p.ap ? "AP" : "PA";
    c->n_images = st == RS_OK;
    chest_layers_clear(&l);
    ph_canvas_clear(&mark);
    ph_canvas_clear(&d);
    return st;
}

/* Words that the texts need beyond side, site and size: adverbs, plurals. */
static void set_words(ph_prose *p, const ph_finding *f)
{
    static const struct { const char *size, *adverb; } adverbs[] = {
        {"mild", "mildly"}, {"moderate", "moderately"}, {"marked", "markedly"},
    };

    ph_set(p, "sizely", "");
    for (size_t i = 0; i < ph_count(adverbs); i++)
        if (strcmp(f->size, adverbs[i].size) == 0)
            ph_set(p, "sizely", adverbs[i].adverb);
    bool many = strcmp(f->side, "bilateral") == 0 || strcmp(f->size, "multiple") == 0 ||
                strcmp(f->size, "two-level") == 0;

    ph_set(p, "is_are", many ? "are" : "is");
    ph_set(p, "effusions", many ? "effusions" : "effusion");
    ph_set(p, "an_effusion", many ? "{size} bilateral pleural effusions"
                                  : "a {size} {side} pleural effusion");
    ph_set(p, "angles", many ? "{angles|sulci}" : "{angle|sulcus}");
    ph_set(p, "fractures", many ? "fractures" : "fracture");
    ph_set(p, "an", many ? "" : "a");
    ph_set(p, "under_what", strcmp(f->side, "right") == 0 ? "the right hemidiaphragm"
                                                          : "both hemidiaphragms");
}

static rs_status draw(ph_case *c, size_t combo, rs_random *r, rs_err *err)
{
    const char *kind = combos[combo].kind;
    const chest_kind *k = chest_kind_of(kind);
    rs_random patient = ph_patient(c);
    rs_random film = rs_random_seed(rs_random_u64(r)), disease = rs_random_seed(rs_random_u64(r));
    ph_finding *f = &c->findings[0];
    rs_status st;

    c->modality = rs_random_below(r, 2) ? "CR" : "DX";
    c->body_part = "CHEST";
    c->study = "Frontal chest radiograph";
    patient_of(c, &patient);
    c->n_findings = k != NULL;
    *f = (ph_finding){kind, combos[combo].side, combos[combo].site, "", 0, {0}};
    label_case(c, kind, f->side, f->site);
    if ((st = draw_film(c, k, f, &patient, &film, &disease, err)) != RS_OK)
        return st;
    ph_prose p = ph_prose_new(c, r);

    if (k)
        ph_set_finding(&p, f);
    set_words(&p, f);
    ph_set(&p, "view", c->view[0]);
    return ph_write_report(c, &p, &chest_reporter, k ? &k->script : NULL, err);
}

const ph_anatomy ph_chest = {"chest", ph_count(combos), 0.35, draw};
