/* archive.c - see archive.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "archive.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/json.h"

#include <math.h>
#include <string.h>

const ph_anatomy *const ph_anatomies[] = {
    &ph_chest, &ph_hand, &ph_knee, &ph_head_ct, &ph_abdomen_ct, &ph_brain_mr,
};
const size_t ph_n_anatomies = sizeof ph_anatomies / sizeof *ph_anatomies;

/* Streams of one seed that must not meet. */
enum { STREAM_PATIENT = 1, STREAM_CASE, STREAM_PAIR };
static const double NORMAL_SHARE = 0.14;
static const double SEEN_TWICE = 0.12;

static rs_random stream(uint64_t seed, unsigned which, size_t i)
{
    return rs_random_derive(seed * 8 + which, i);
}

/* ---- Where a case stands -------------------------------------------------- */

static bool wanted(const ph_archive *a, const ph_anatomy *anatomy)
{
    return !a->only || strcmp(a->only, anatomy->name) == 0;
}

static double total_weight(const ph_archive *a)
{
    double sum = 0;

    for (size_t k = 0; k < ph_n_anatomies; k++)
        if (wanted(a, ph_anatomies[k]))
            sum += ph_anatomies[k]->weight;
    return sum;
}

/* The combination at u in [0, 1): 0 takes the normal share, the others the rest. */
static size_t combo_at(const ph_anatomy *anatomy, double u)
{
    if (anatomy->combinations < 2 || u < NORMAL_SHARE)
        return 0;
    double rest = (u - NORMAL_SHARE) / (1 - NORMAL_SHARE);
    size_t n = anatomy->combinations - 1, k = (size_t)(rest * (double)n);

    return 1 + (k < n ? k : n - 1);
}

static ph_seat seat_at(const ph_archive *a, size_t i)
{
    rs_random shift = stream(a->seed, STREAM_PAIR, (size_t)-1);
    double u = fmod(rs_random_unit(&shift) + (double)i * 0.6180339887498949, 1.0);
    double at = u * total_weight(a);
    ph_seat seat = {NULL, 0, i};

    for (size_t k = 0; k < ph_n_anatomies; k++) {
        if (!wanted(a, ph_anatomies[k]))
            continue;
        seat.anatomy = ph_anatomies[k];
        if (at < seat.anatomy->weight) {
            seat.combo = combo_at(seat.anatomy, at / seat.anatomy->weight);
            return seat;
        }
        at -= seat.anatomy->weight;
    }
    return seat;
}

ph_seat ph_seat_of(const ph_archive *a, size_t i)
{
    rs_random pair = stream(a->seed, STREAM_PAIR, i / 2);
    bool twice = rs_random_unit(&pair) < SEEN_TWICE;
    ph_seat seat = seat_at(a, twice ? i - i % 2 : i);

    /* A limb comes back with the same trouble, a chest or a head with any. */
    if (twice && i % 2 && seat.anatomy != &ph_hand && seat.anatomy != &ph_knee)
        seat.combo = combo_at(seat.anatomy, rs_random_unit(&pair));
    return seat;
}

/* ---- A case's row ----------------------------------------------------------- */

static void set_str(json_t *o, const char *key, const char *value)
{
    json_object_set_new(o, key, json_string(value ? value : ""));
}

static json_t *strings(const char *const *s, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(s[i] ? s[i] : ""));
    return list;
}

static json_t *findings_of(const ph_case *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->n_findings; i++) {
        const ph_finding *f = &c->findings[i];
        json_t *o = json_object(), *box = json_array();

        set_str(o, "finding", f->kind);
        set_str(o, "side", f->side);
        set_str(o, "site", f->site);
        set_str(o, "size", f->size);
        json_object_set_new(o, "image", json_integer((json_int_t)f->image));
        for (int k = 0; k < 4; k++)
            json_array_append_new(box, json_real(round(f->box[k] * 10) / 10));
        json_object_set_new(o, "box", box);
        json_array_append_new(list, o);
    }
    return list;
}

/* By the patient, so that two cases of one stay together: 8 train, 1 val, 1 test. */
static rs_status split_of(const char **split, const char *patient, rs_err *err)
{
    char hex[RS_SHA256_HEX];
    rs_status st = rs_sha256_of(hex, patient, strlen(patient), err);

    if (st != RS_OK)
        return st;
    unsigned v = 0;

    for (int i = 0; i < 4; i++)
        v = v * 16 + (unsigned)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
    *split = v % 10 == 8 ? "val" : v % 10 == 9 ? "test" : "train";
    return RS_OK;
}

static char *report_of(const ph_case *c)
{
    return rs_sprintf("EXAMINATION: %s.\n\nHISTORY: %s\n\nFINDINGS: %s\n\nIMPRESSION: %s\n",
                      c->study, c->history, c->findings_text, c->impression);
}

typedef struct { char *id, *patient, *names[PH_MAX_IMAGES], *report; } row_names;

static void clear_names(row_names *n)
{
    rs_free(n->id);
    rs_free(n->patient);
    rs_free(n->report);
    for (size_t k = 0; k < PH_MAX_IMAGES; k++)
        rs_free(n->names[k]);
}

static rs_status make_names(row_names *n, const ph_case *c, size_t i, size_t patient, rs_err *err)
{
    n->id = rs_sprintf("ph-%06zu", i);
    n->patient = rs_sprintf("ph-patient-%06zu", patient);
    n->report = report_of(c);
    bool ok = n->id && n->patient && n->report;

    for (size_t k = 0; k < c->n_images; k++) {
        n->names[k] = rs_sprintf("images/ph-%06zu-%zu.png", i, k);
        ok = ok && n->names[k];
    }
    return ok ? RS_OK : rs_fail(err, RS_ENOMEM, "case %zu: no memory", i);
}

static rs_status make_row(char **row, const ph_case *c, const row_names *n, rs_err *err)
{
    const char *split;
    rs_status st = split_of(&split, n->patient, err);
    json_t *o = json_object();

    if (st != RS_OK)
        goto done;
    set_str(o, "id", n->id);
    set_str(o, "case_id", n->id);
    json_object_set_new(o, "images", strings((const char *const *)n->names, c->n_images));
    set_str(o, "title", c->study);
    set_str(o, "modality", c->modality);
    set_str(o, "body_part", c->body_part);
    json_object_set_new(o, "view", strings(c->view, c->n_images));
    json_object_set_new(o, "sex", json_pack("s#", &c->sex, 1));
    json_object_set_new(o, "age", json_integer(c->age));
    set_str(o, "patient", n->patient);
    set_str(o, "history", c->history);
    set_str(o, "findings", c->findings_text);
    set_str(o, "impression", c->impression);
    set_str(o, "report", n->report);
    set_str(o, "caption", c->caption);
    set_str(o, "label", c->label);
    json_object_set_new(o, "findings_list", findings_of(c));
    set_str(o, "split", split);
    *row = rs_json_text(o);
    if (!*row)
        st = rs_fail(err, RS_ENOMEM, "%s: no memory", n->id);
done:
    json_decref(o);
    return st;
}

static rs_status save_images(const ph_archive *a, const ph_case *c, const row_names *n,
                             rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t k = 0; k < c->n_images && st == RS_OK; k++) {
        char *path = rs_path_join(a->out, n->names[k]);

        st = path ? rs_image_save_png(&c->images[k], path, err)
                  : rs_fail(err, RS_ENOMEM, "%s: no memory", n->names[k]);
        rs_free(path);
    }
    return st;
}

rs_status ph_archive_case(char **row, const ph_archive *a, size_t i, rs_err *err)
{
    ph_seat seat = ph_seat_of(a, i);
    rs_random who = stream(a->seed, STREAM_PATIENT, seat.patient);
    rs_random r = stream(a->seed, STREAM_CASE, i);
    ph_case c = {.patient = rs_random_u64(&who), .bare = a->bare};
    row_names names = {0};
    rs_status st;

    *row = NULL;
    if ((st = seat.anatomy->draw(&c, seat.combo, &r, err)) == RS_OK &&
        (st = make_names(&names, &c, i, seat.patient, err)) == RS_OK &&
        (st = save_images(a, &c, &names, err)) == RS_OK)
        st = make_row(row, &c, &names, err);
    if (st != RS_OK)
        rs_wrap(err, st, "case %zu (%s)", i, seat.anatomy->name);
    clear_names(&names);
    ph_case_clear(&c);
    return st;
}
