/* limb.c - see limb.h. SPDX-License-Identifier: Apache-2.0 */
#include "limb.h"

#include <math.h>
#include <string.h>

/* ---- Film ------------------------------------------------------------------------ */

limb_film limb_film_new(float aspect, rs_random *r)
{
    limb_film f = {.mirror = 1.f};

    f.h = 400 + 8 * rs_random_below(r, 15);
    f.w = (size_t)((float)f.h * aspect * ph_range(r, 0.94, 1.08) / 4.f) * 4;
    f.w = f.w < 320 ? 320 : f.w > 512 ? 512 : f.w;
    return f;
}

/* The cassette's edge: outside the field nothing was exposed. */
static void mark_field(ph_canvas *d, rs_random *r)
{
    float m = ph_range(r, 3, 14), w = (float)d->width - 1.f - m, h = (float)d->height - 1.f - m;
    float t = ph_range(r, -0.015, 0.015) * w;
    ph_canvas open = ph_canvas_new(d->width, d->height);

    ph_paint_polygon(&open, (ph_point[]){{m, m + t}, {w - t, m}, {w, h - t}, {m + t, h}}, 4, 3.f,
                     PH_MAX, 1.f);
    ph_mul(d, &open);
    ph_canvas_clear(&open);
}

static void put_marker(ph_canvas *d, const char *marker, rs_random *r)
{
    float size = ph_range(r, 1.8, 3), x = ph_chance(r, 0.5) ? 0.07f : 0.86f;

    ph_paint_text(d, marker, x * (float)d->width, ph_range(r, 0.05, 0.5) * (float)d->height, size,
                  ph_range(r, 0.85, 1));
}

rs_status limb_expose(ph_case *c, const limb_film *f, const limb_layers *l, const char *marker,
                      rs_random *r, rs_err *err)
{
    ph_canvas d = ph_canvas_new(f->w, f->h), where = ph_canvas_copy(l->bones);
    float contrast = ph_range(r, 0.88, 1.1), fog = ph_range(r, 0.015, 0.08);
    rs_status st;

    ph_clamp(&where, 0.f, 0.8f);
    ph_add_noise(l->bones, &where, 1.9f * f->mm, 2, 0.7f, 0.08f, r);
    ph_add_noise(l->bones, &where, 9.f * f->mm, 2, 0.5f, 0.06f, r);
    ph_add_noise(l->soft, l->soft, 14.f * f->mm, 3, 0.5f, 0.04f, r);
    ph_add(&d, l->soft, l->soft_gain);
    ph_add(&d, l->bones, l->bone_gain);
    ph_blur(&d, ph_range(r, 0.5, 0.8));
    ph_sharpen(&d, 2.2f * f->mm, ph_range(r, 0.1, 0.5));
    ph_add(&d, l->over, 1.f);
    ph_affine(&d, fog, contrast);
    ph_add_grain(&d, ph_range(r, 0.004, 0.011), ph_range(r, 0.4, 0.8), r);
    ph_clamp(&d, 0.f, 2.f);
    /* The film's shoulder: bone on bone goes on whitening, ever more slowly. */
    for (size_t i = 0; i < d.width * d.height; i++)
        d.at[i] = 1.06f * (1.f - expf(-1.75f * d.at[i])) / (1.f - expf(-1.75f));
    if (ph_chance(r, 0.35))
        mark_field(&d, r);
    if (ph_chance(r, 0.85))
        put_marker(&d, marker, r);
    st = ph_to_image(&c->images[0], &d, 0.f, 1.02f, 1.f, err);
    c->n_images = st == RS_OK;
    ph_canvas_clear(&d);
    ph_canvas_clear(&where);
    return st;
}

/* ---- Words ------------------------------------------------------------------------- */

enum { FRACTURES = 1, ALIGNMENT = 2, JOINTS = 4, DENSITY = 8, SOFT_TISSUE = 16, EVERYTHING = 32 };

static const ph_normal normals[] = {
    {FRACTURES, "{No fracture.*2|No acute fracture.|No evidence of fracture.|No cortical break.}"},
    {ALIGNMENT, "{Normal alignment.|Alignment is {anatomic|normal|maintained}.|No dislocation.|No "
                "subluxation.}"},
    {FRACTURES | ALIGNMENT, "No fracture or dislocation."},
    {JOINTS, "{Joint spaces are {preserved|maintained}.|No degenerative change.|No erosions.|No "
             "osteophytes.}"},
    {DENSITY, "{Bone density is normal.|Normal bone mineralisation.|No lytic or sclerotic lesion.|No "
              "focal bone lesion.}"},
    {SOFT_TISSUE, "{No soft tissue swelling.|Soft tissues are unremarkable.|No radiopaque foreign "
                  "body.}"},
};

typedef struct { const char *kind; ph_script script; } limb_kind;

static const limb_kind kinds[] = {
    {"fracture",
     {PH_TEXTS("a {size} fracture of the {side} {site}", "a {side} {site} fracture",
               "a fracture of the {side} {site}"),
      PH_TEXTS("{Fall|Trauma|Injury at work|Fell from a bicycle|Sports injury}. {Swelling and "
               "pain.|Tender.|}", "{age} {sex} with pain after {a fall|trauma|a direct blow}.",
               "{Fracture?|Exclude fracture.} {Bruising and swelling.|}"),
      PH_TEXTS("{There is|We see} a {size} {transverse|oblique|} fracture of the {side} {site}{ with "
               "soft tissue swelling|}.", "{size} fracture of the {side} {site}{ with angulation|}.",
               "A cortical break is seen in the {side} {site}, {consistent with|in keeping with} a "
               "{size} fracture."),
      PH_TEXTS("{size} fracture of the {side} {site}.", "Fracture, {side} {site}{, {size}|}. "
               "{Orthopaedic referral advised.|}", "{side} {site} fracture."),
      FRACTURES | ALIGNMENT | SOFT_TISSUE}},
    {"osteoarthritis",
     {PH_TEXTS("{size} osteoarthritis of the {side} {site}", "degenerative change of the {side} "
               "{site}", "{side} {site} osteoarthritis"),
      PH_TEXTS("{Chronic {joint} pain|Stiffness|Pain on movement}. {Osteoarthritis?|}",
               "{age} {sex} with {long-standing pain|swelling and stiffness|reduced range of "
               "motion}."),
      PH_TEXTS("{size} joint space narrowing{, osteophytes|} and {subchondral |}sclerosis at the "
               "{side} {site}.", "Degenerative change with osteophytes {at|of} the {side} {site}.",
               "{There is|We see} {size} osteoarthritis of the {side} {site}."),
      PH_TEXTS("{size} osteoarthritis of the {side} {site}.", "{side} {site} osteoarthritis.",
               "Osteoarthritic change, {side} {site}. {No acute fracture.|}"),
      JOINTS | DENSITY}},
    {"dislocation",
     {PH_TEXTS("a dislocation of the {side} {site}", "a dislocated {side} {site}",
               "{size} dislocation of the {side} {site}"),
      PH_TEXTS("{Ball injury|Fall|Hyperextension injury}. {Deformity.|}",
               "{age} {sex} with {deformity|pain and deformity} after {sport|a fall}."),
      PH_TEXTS("{There is|We see} {size} dislocation of the {side} {site}{ without fracture|}.",
               "The {side} {site} is dislocated{ with overlap of the bone ends|}."),
      PH_TEXTS("Dislocation of the {side} {site}. {Check film after reduction advised.|}",
               "{side} {site} dislocation{ without {an associated|} fracture|}."),
      ALIGNMENT | JOINTS}},
    {"lytic lesion",
     {PH_TEXTS("a lytic lesion of the {side} {site}", "a {size} lytic lesion in the {side} {site}",
               "a lucent bone lesion in the {side} {site}"),
      PH_TEXTS("{Pain|Swelling|Incidental finding|Night pain}. {Bone lesion?|}",
               "{age} {sex} with {a palpable lump|localised pain|known myeloma}."),
      PH_TEXTS("{There is|We see} a {size} lytic lesion in the {side} {site}{ with a thin sclerotic "
               "rim|}.", "A {well-defined|geographic} lucent lesion {is seen|lies} in the {side} "
               "{site}{ with cortical thinning|}."),
      PH_TEXTS("Lytic lesion of the {side} {site}{; {enchondroma|metastasis|myeloma} {cannot be "
               "excluded|should be considered}|}.", "{size} lytic lesion, {side} {site}. {MRI "
               "advised.|}"),
      DENSITY}},
    {"sclerotic lesion",
     {PH_TEXTS("a sclerotic lesion of the {side} {site}", "a {size} sclerotic lesion in the {side} "
               "{site}"),
      PH_TEXTS("{Known prostate carcinoma|Incidental finding|Bone pain}.",
               "{age} {sex} with {localised pain|known breast cancer|a bone scan abnormality}."),
      PH_TEXTS("{There is|We see} a {size} sclerotic {lesion|focus} in the {side} {site}.",
               "A {size} area of sclerosis {is seen|lies} in the {side} {site}{ without periosteal "
               "reaction|}."),
      PH_TEXTS("Sclerotic lesion of the {side} {site}{, {likely a bone island|metastasis cannot be "
               "excluded}|}.", "{size} sclerotic focus, {side} {site}."),
      DENSITY}},
    {"foreign body",
     {PH_TEXTS("a radiopaque foreign body in the {side} {site}", "a {size} metallic foreign body in "
               "the {side} {site}"),
      PH_TEXTS("{Puncture wound|Glass injury|Stepped on a needle|Grinding accident}.",
               "{age} {sex} with {a wound|a retained splinter}. {Foreign body?|}"),
      PH_TEXTS("A {size} radiopaque foreign body {projects over|lies in} the {side} {site}.",
               "{There is|We see} a metallic foreign body in the {side} {site}."),
      PH_TEXTS("Radiopaque foreign body, {side} {site}.", "Foreign body in the {side} {site}. {No bony "
               "injury.|}"),
      SOFT_TISSUE}},
    {"joint replacement",
     {PH_TEXTS("a {side} total knee replacement", "a {side} total knee arthroplasty",
               "a {side} knee prosthesis"),
      PH_TEXTS("{Postoperative check|Routine follow-up of arthroplasty|Pain after knee "
               "replacement}.", "{age} {sex}, status post knee replacement."),
      PH_TEXTS("{side} total knee {replacement|arthroplasty} in {satisfactory|good} position{ without "
               "periprosthetic lucency|}.", "{Femoral and tibial components of a {side} total knee "
               "replacement are in situ|A {side} knee prosthesis is in place}. {No loosening.|}"),
      PH_TEXTS("{side} total knee replacement{ without complication|}.", "Well-positioned {side} total "
               "knee arthroplasty."),
      JOINTS | DENSITY}},
};

static const ph_reporter reporter = {
    .technique = PH_TEXTS("{Single {view} view.|{view} projection of the {side} {joint}.}"),
    .normals = normals,
    .n_normals = ph_count(normals),
    .least = 2,
    .most = 4,
    .normal = {
        PH_TEXTS("no abnormality", "no fracture or dislocation", "normal bones and joints",
                 "normal findings"),
        PH_TEXTS("{Pain|Fall|Trauma|Swelling}. {Fracture?|Exclude fracture.|}",
                 "{age} {sex} with {joint} pain{ after a fall|}."),
        PH_TEXTS("{The bones and joints of the {side} {joint} are normal.|No bony abnormality of the "
                 "{side} {joint}.|Normal appearances.}"),
        PH_TEXTS("Normal {side} {joint} radiograph.", "No fracture of the {side} {joint}.",
                 "No acute bony abnormality of the {side} {joint}.")},
    .caption_study = "{{view} radiograph of the {side} {joint}*2|{side} {joint} radiograph|{side} "
                     "{joint} X-ray|{joint} radiograph}",
};

rs_status limb_report(ph_case *c, const char *joint, rs_random *r, rs_err *err)
{
    ph_prose p = ph_prose_new(c, r);
    const ph_script *script = NULL;

    ph_set_finding(&p, &c->findings[0]);
    ph_set(&p, "joint", joint);
    ph_set(&p, "view", c->view[0]);
    for (size_t i = 0; i < ph_count(kinds); i++)
        if (strcmp(kinds[i].kind, c->findings[0].kind) == 0)
            script = &kinds[i].script;
    return ph_write_report(c, &p, &reporter, script, err);
}
