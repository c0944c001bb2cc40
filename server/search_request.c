/* search_request.c - see search_request.h. One table of fields, one reader a kind of value.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/search_request.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "embeddings/intake.h"
#include "engine/filter.h"
#include "server/multipart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    rs_search_request *s;
    const rs_encoder  *encoder;
    double             until_s;
    rs_arena          *mem;
    rs_err            *err;
    rs_search_other   *other;      /* may be NULL */
    void              *ctx;
} reader;

/* "FIELD: what is wrong", and FIELD by itself. */
static rs_status wrong(reader *r, const char *field, const char *what)
{
    snprintf(r->s->field, sizeof r->s->field, "%s", field);
    return rs_fail(r->err, RS_EARG, "%s: %s", field, what);
}

static const char *type_of(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:  return "an object";
    case JSON_ARRAY:   return "a list";
    case JSON_STRING:  return "a string";
    case JSON_INTEGER:
    case JSON_REAL:    return "a number";
    case JSON_TRUE:
    case JSON_FALSE:   return "a boolean";
    case JSON_NULL:    return "null";
    }
    return "something";
}

static rs_status wrong_type(reader *r, const char *field, const char *wanted, const json_t *v)
{
    char what[96];

    snprintf(what, sizeof what, "wanted %s, found %s", wanted, type_of(v));
    return wrong(r, field, what);
}

/* ---- Parts ----------------------------------------------------------- */

static rs_status new_part(reader *r, const char *field, double weight, rs_query_part **out)
{
    char what[64];

    *out = rs_query_add(&r->s->query);
    if (*out) {
        (*out)->weight = weight;
        return RS_OK;
    }
    snprintf(what, sizeof what, "more than %d things are asked for", RS_QUERY_MAX_PARTS);
    return wrong(r, field, what);
}

static rs_status set_text(reader *r, const char *field, const char *text, rs_query_part *p)
{
    if (*text == '\0')
        return wrong(r, field, "is empty");
    if (strlen(text) > RS_SEARCH_MAX_TEXT)
        return wrong(r, field, "is longer than 65536 bytes");
    p->text = text;
    return RS_OK;
}

/* The engine wants the picture itself where a box of it is meant. */
static rs_status set_boxed(reader *r, const char *field, const void *bytes, size_t len,
                           rs_query_part *p)
{
    rs_image *im = &r->s->images[r->s->n_images];
    rs_status st = rs_image_decode(im, bytes, len, r->err);
    size_t pixels = 0;

    if (st != RS_OK) {
        snprintf(r->s->field, sizeof r->s->field, "%s", field);
        return rs_wrap(r->err, st == RS_ENOMEM ? st : RS_EFORMAT, "%s", field);
    }
    r->s->n_images++;
    for (size_t i = 0; i < r->s->n_images; i++)
        pixels += r->s->images[i].width * r->s->images[i].height;
    if (pixels > RS_IMAGE_MAX_PIXELS)
        return wrong(r, field, "the images with boxes have more than 100 million pixels together");
    p->image = im;
    return RS_OK;
}

static rs_status set_image(reader *r, const char *field, const void *bytes, size_t len,
                           rs_query_part *p)
{
    const rs_preprocess *pre;
    float *pixels;
    rs_status st;

    if (!r->encoder)
        return wrong(r, field, "this server has no model to look at images with");
    if (rs_now_s() > r->until_s)
        return rs_fail(r->err, RS_ECANCEL, "%s: past the deadline", field);
    if (p->weight > 0 && r->s->n_pictures < RS_SEARCH_PICTURES) {
        r->s->pictures[r->s->n_pictures].bytes = bytes;
        r->s->pictures[r->s->n_pictures++].len = len;
    }
    if (p->boxed)
        return set_boxed(r, field, bytes, len, p);
    pre = rs_encoder_preprocess(r->encoder);
    pixels = rs_new(r->mem, float, 3 * pre->crop_height * pre->crop_width);
    if (!pixels)
        return rs_fail(r->err, RS_ENOMEM, "%s: no memory", field);
    st = rs_intake_bytes(pre, bytes, len, RS_INTAKE_MARGIN, pixels, NULL, r->err);
    if (st != RS_OK) {
        snprintf(r->s->field, sizeof r->s->field, "%s", field);
        return rs_wrap(r->err, st == RS_ENOMEM ? st : RS_EFORMAT, "%s", field);
    }
    p->pixels = pixels;
    return RS_OK;
}

static rs_status set_base64(reader *r, const char *field, const char *text, rs_query_part *p)
{
    unsigned char *bytes;
    size_t len;
    rs_status st = rs_base64_decode(text, r->mem, &bytes, &len, r->err);

    if (st == RS_ENOMEM)
        return st;
    return st == RS_OK ? set_image(r, field, bytes, len, p)
                       : wrong(r, field, "wanted the image file's bytes as base64, without line "
                                         "ends");
}

/* What a part is made of; `like` is a case's key. */
typedef enum { PART_TEXT, PART_IMAGE, PART_LIKE } part_kind;

static rs_status fill_part(reader *r, const char *field, part_kind kind, const json_t *v,
                           rs_query_part *p)
{
    const char *text = json_string_value(v);

    if (!text)
        return wrong_type(r, field, kind == PART_TEXT ? "a string" : kind == PART_LIKE ?
                          "a case's key as a string" : "base64 as a string", v);
    if (kind == PART_TEXT)
        return set_text(r, field, text, p);
    if (kind == PART_IMAGE)
        return set_base64(r, field, text, p);
    p->like = text;
    return RS_OK;
}

/* "text": one string, or a list of them; each a part of `weight`. */
static rs_status read_some(reader *r, const char *field, const json_t *v, part_kind kind,
                           double weight)
{
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;

    for (size_t i = 0; i < n; i++) {
        char name[64];
        rs_query_part *p;
        rs_status st;
        snprintf(name, sizeof name, json_is_array(v) ? "%s[%zu]" : "%s", field, i);
        if ((st = new_part(r, field, weight, &p)) != RS_OK ||
            (st = fill_part(r, name, kind, json_is_array(v) ? json_array_get(v, i) : v, p)))
            return st;
    }
    return RS_OK;
}

static rs_status read_text(reader *r, const char *f, const json_t *v)
{
    return read_some(r, f, v, PART_TEXT, 1);
}

static rs_status read_not_text(reader *r, const char *f, const json_t *v)
{
    return read_some(r, f, v, PART_TEXT, -1);
}

static rs_status read_image(reader *r, const char *f, const json_t *v)
{
    return read_some(r, f, v, PART_IMAGE, 1);
}

static rs_status read_not_image(reader *r, const char *f, const json_t *v)
{
    return read_some(r, f, v, PART_IMAGE, -1);
}

static rs_status read_like(reader *r, const char *f, const json_t *v)
{
    return read_some(r, f, v, PART_LIKE, 1);
}

static rs_status read_not_like(reader *r, const char *f, const json_t *v)
{
    return read_some(r, f, v, PART_LIKE, -1);
}

/* ---- A part with a weight or a box ------------------------------------ */

static rs_status read_box(reader *r, const char *field, const json_t *v, rs_query_part *p)
{
    if (!json_is_array(v) || json_array_size(v) != 4)
        return wrong(r, field, "wanted [x0, y0, x1, y1]");
    for (size_t i = 0; i < 4; i++) {
        const json_t *x = json_array_get(v, i);
        p->box[i] = json_number_value(x);
        if (!json_is_number(x) || !(p->box[i] >= 0 && p->box[i] <= 1))
            return wrong(r, field, "wanted four fractions of width and height, 0 to 1");
    }
    if (p->box[0] >= p->box[2] || p->box[1] >= p->box[3])
        return wrong(r, field, "x0 is not left of x1, or y0 not above y1");
    p->boxed = true;
    return RS_OK;
}

static rs_status read_weight(reader *r, const char *field, const json_t *v, rs_query_part *p)
{
    p->weight = json_number_value(v);
    if (!json_is_number(v) || p->weight == 0 || !(fabs(p->weight) <= 1000))
        return wrong(r, field, "wanted a number from -1000 to 1000 that is not 0");
    return RS_OK;
}

static rs_status read_part(reader *r, const char *at, const json_t *o)
{
    static const struct { const char *name; part_kind kind; } kinds[] = {
        {"text", PART_TEXT}, {"image", PART_IMAGE}, {"like", PART_LIKE}};
    const char *name = NULL, *key;
    const json_t *v = NULL, *other;
    part_kind kind = PART_TEXT;
    char field[96];
    rs_query_part *p;
    rs_status st = new_part(r, at, 1, &p);

    if (st == RS_OK && !json_is_object(o))
        return wrong_type(r, at, "an object", o);
    json_object_foreach((json_t *)(uintptr_t)o, key, other) {
        bool known = strcmp(key, "weight") == 0 || strcmp(key, "box") == 0;
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            if (strcmp(key, kinds[k].name) != 0)
                continue;
            if (name)
                return wrong(r, at, "has more than one of text, image and like");
            name = key;
            v = other;
            kind = kinds[k].kind;
            known = true;
        }
        snprintf(field, sizeof field, "%.60s.%.32s", at, key);
        if (!known)
            return wrong(r, field, "a part has text, image or like, weight and box");
        if (st == RS_OK && strcmp(key, "weight") == 0)
            st = read_weight(r, field, other, p);
        else if (st == RS_OK && strcmp(key, "box") == 0)
            st = read_box(r, field, other, p);
    }
    if (st != RS_OK)
        return st;
    if (!name)
        return wrong(r, at, "has none of text, image and like");
    if (p->boxed && kind != PART_IMAGE)
        return wrong(r, at, "only an image has a box");
    snprintf(field, sizeof field, "%.60s.%s", at, name);
    return fill_part(r, field, kind, v, p);
}

static rs_status read_parts(reader *r, const char *field, const json_t *v)
{
    rs_status st = RS_OK;

    if (!json_is_array(v))
        return wrong_type(r, field, "a list", v);
    for (size_t i = 0; i < json_array_size(v) && st == RS_OK; i++) {
        char at[32];
        snprintf(at, sizeof at, "parts[%zu]", i);
        st = read_part(r, at, json_array_get(v, i));
    }
    return st;
}

/* ---- The rest -------------------------------------------------------- */

static rs_status read_count(reader *r, const char *field, const json_t *v, long long min,
                            long long max, size_t *out)
{
    char what[96];

    if (!json_is_integer(v))
        return wrong_type(r, field, "a whole number", v);
    if (json_integer_value(v) < min || json_integer_value(v) > max) {
        snprintf(what, sizeof what, "wanted %lld to %lld, found %lld", min, max,
                 (long long)json_integer_value(v));
        return wrong(r, field, what);
    }
    *out = (size_t)json_integer_value(v);
    return RS_OK;
}

static rs_status read_real(reader *r, const char *field, const json_t *v, double min, double max,
                           double *out)
{
    const double x = json_number_value(v);
    char what[96];

    if (!json_is_number(v))
        return wrong_type(r, field, "a number", v);
    if (!(x >= min && x <= max)) {
        snprintf(what, sizeof what, "wanted %g to %g, found %g", min, max, x);
        return wrong(r, field, what);
    }
    *out = x;
    return RS_OK;
}

static rs_status read_bool(reader *r, const char *field, const json_t *v, bool *out)
{
    if (!json_is_boolean(v))
        return wrong_type(r, field, "true or false", v);
    *out = json_is_true(v);
    return RS_OK;
}

static rs_status read_filter(reader *r, const char *f, const json_t *v)
{
    rs_err err = {0};
    rs_status st;

    if (!json_is_string(v))
        return wrong_type(r, f, "a string", v);
    if ((st = rs_filter_check(json_string_value(v), &err)) != RS_OK)
        return st == RS_EARG ? wrong(r, f, err.msg) : rs_fail(r->err, st, "%s", err.msg);
    r->s->query.filter = json_string_value(v);
    return RS_OK;
}

static rs_status read_k(reader *r, const char *f, const json_t *v)
{
    return read_count(r, f, v, 1, RS_SEARCH_MAX_K, &r->s->query.k);
}

static rs_status read_depth(reader *r, const char *f, const json_t *v)
{
    return read_count(r, f, v, 1, RS_SEARCH_MAX_DEPTH, &r->s->query.depth);
}

static rs_status read_rescore(reader *r, const char *f, const json_t *v)
{
    return read_count(r, f, v, 0, RS_SEARCH_MAX_K, &r->s->query.rescore);
}

static rs_status read_rrf_k(reader *r, const char *f, const json_t *v)
{
    return read_real(r, f, v, 0, 1e6, &r->s->query.rrf_k);
}

static rs_status read_diversity(reader *r, const char *f, const json_t *v)
{
    return read_real(r, f, v, 0, 1, &r->s->query.diversity);
}

static rs_status read_false_alarm(reader *r, const char *f, const json_t *v)
{
    return read_real(r, f, v, 0, 0.5, &r->s->query.false_alarm);
}

static rs_status read_deadline(reader *r, const char *f, const json_t *v)
{
    double ms = 0;
    rs_status st = read_real(r, f, v, 1, 3600000, &ms);

    if (st == RS_OK)
        r->s->deadline_s = ms / 1000;
    return st;
}

static rs_status read_fusion(reader *r, const char *f, const json_t *v)
{
    const rs_fusion fusion = json_is_string(v) ? rs_fusion_of(json_string_value(v)) : RS_FUSIONS;

    if (fusion == RS_FUSIONS)
        return wrong(r, f, "wanted \"rrf\", \"minmax\", \"zscore\", \"atan\" or \"early\"");
    r->s->query.fusion = fusion;
    return RS_OK;
}

static rs_status read_weights(reader *r, const char *f, const json_t *v)
{
    const char *key;
    json_t *w;
    rs_status st = RS_OK;

    if (!json_is_object(v))
        return wrong_type(r, f, "an object of weights by probe", v);
    json_object_foreach((json_t *)(uintptr_t)v, key, w) {
        char field[96];
        int p = 0;
        while (p < RS_PROBE_COUNT && strcmp(rs_probe_name((rs_probe)p), key) != 0)
            p++;
        snprintf(field, sizeof field, "%s.%.60s", f, key);
        if (p == RS_PROBE_COUNT)
            return wrong(r, field, "there is no such probe");
        if ((st = read_real(r, field, w, 0, 1000, &r->s->query.weight[p])) != RS_OK)
            break;
    }
    return st;
}

static rs_status read_plain(reader *r, const char *f, const json_t *v)
{
    bool plain = false;
    rs_status st = read_bool(r, f, v, &plain);

    r->s->query.words = plain ? RS_WORDS_PLAIN : RS_WORDS_READ;
    return st;
}

static rs_status read_keep_patients(reader *r, const char *f, const json_t *v)
{
    return read_bool(r, f, v, &r->s->query.keep_patients);
}

static rs_status read_keep_duplicates(reader *r, const char *f, const json_t *v)
{
    return read_bool(r, f, v, &r->s->query.keep_duplicates);
}

static rs_status read_contrast(reader *r, const char *f, const json_t *v)
{
    return read_bool(r, f, v, &r->s->query.contrast);
}

static rs_status read_explain(reader *r, const char *f, const json_t *v)
{
    return read_bool(r, f, v, &r->s->explain);
}

static const struct {
    const char *name;
    rs_status (*read)(reader *r, const char *field, const json_t *v);
} fields[] = {
    {"text", read_text}, {"not_text", read_not_text}, {"image", read_image},
    {"not_image", read_not_image}, {"like", read_like}, {"not_like", read_not_like},
    {"parts", read_parts}, {"filter", read_filter}, {"k", read_k}, {"depth", read_depth},
    {"fusion", read_fusion}, {"rescore", read_rescore}, {"rrf_k", read_rrf_k},
    {"weights", read_weights}, {"plain", read_plain}, {"keep_patients", read_keep_patients},
    {"keep_duplicates", read_keep_duplicates}, {"diversity", read_diversity},
    {"contrast", read_contrast}, {"false_alarm", read_false_alarm}, {"explain", read_explain},
    {"deadline_ms", read_deadline},
};
enum { FIELDS = sizeof fields / sizeof *fields };

static rs_status unknown_field(reader *r, const char *key)
{
    char what[400] = "there is no such field; there are";

    for (size_t i = 0; i < FIELDS; i++) {
        size_t len = strlen(what);
        snprintf(what + len, sizeof what - len, "%s %s", i ? "," : "", fields[i].name);
    }
    return wrong(r, key, what);
}

static rs_status read_other(reader *r, const char *key, const json_t *v)
{
    rs_status st = r->other ? r->other(r->ctx, key, v, r->err) : RS_ENOENT;

    if (st == RS_ENOENT)
        return unknown_field(r, key);
    if (st == RS_EARG)
        snprintf(r->s->field, sizeof r->s->field, "%s", key);
    return st;
}

/* At least how many values the text has, were it JSON: base64 adds none. */
static size_t count_values(const char *text, size_t len)
{
    size_t n = 1;

    for (size_t i = 0; i < len; i++)
        n += text[i] == ',' || text[i] == '[' || text[i] == '{' || text[i] == ':';
    return n;
}

static rs_status read_document(reader *r, const char *text, size_t len)
{
    const char *key;
    json_t *v;
    rs_status st = RS_OK;

    if (count_values(text, len) > RS_SEARCH_MAX_VALUES)
        return wrong(r, "query", "has more than 100000 values");
    if (r->s->document)
        return wrong(r, "query", "is there twice");
    if ((st = rs_json_parse(&r->s->document, text, len, "query", r->err)) != RS_OK)
        return st;
    if (!json_is_object(r->s->document))
        return wrong_type(r, "query", "an object", r->s->document);
    json_object_foreach(r->s->document, key, v) {
        size_t i = 0;
        while (i < FIELDS && strcmp(fields[i].name, key) != 0)
            i++;
        st = i < FIELDS ? fields[i].read(r, key, v) : read_other(r, key, v);
        if (st != RS_OK)
            break;
    }
    return st;
}

static rs_status read_form_part(reader *r, const rs_part *part)
{
    const bool not = strcmp(part->name, "not_image") == 0;
    rs_query_part *p;
    rs_status st;

    if (strcmp(part->name, "query") == 0)
        return read_document(r, part->bytes, part->len);
    if (!not && strcmp(part->name, "image") != 0 && strcmp(part->name, "text") != 0)
        return wrong(r, part->name, "a form has the parts query, text, image and not_image");
    if ((st = new_part(r, part->name, not ? -1 : 1, &p)) != RS_OK)
        return st;
    if (strcmp(part->name, "text") == 0) {
        const char *text = rs_arena_strndup(r->mem, part->bytes, part->len);
        if (!text)
            return rs_fail(r->err, RS_ENOMEM, "text: no memory");
        return memchr(part->bytes, '\0', part->len) ? wrong(r, "text", "has a NUL in it")
                                                    : set_text(r, "text", text, p);
    }
    return set_image(r, part->name, part->bytes, part->len, p);
}

static rs_status read_form(reader *r, const char *type, const rs_buf *body)
{
    rs_part *parts;
    size_t n;
    rs_status st = rs_multipart_parse(type, body->len ? body->data : "", body->len, r->mem, &parts,
                                      &n, r->err);

    for (size_t i = 0; i < n && st == RS_OK; i++)
        st = read_form_part(r, &parts[i]);
    return st;
}

rs_status rs_search_request_read(rs_search_request *s, const rs_http_request *r,
                                 const rs_encoder *encoder, double until_s, rs_arena *mem,
                                 rs_err *err)
{
    return rs_search_request_read_with(s, r, encoder, until_s, NULL, NULL, mem, err);
}

rs_status rs_search_request_read_with(rs_search_request *s, const rs_http_request *r,
                                      const rs_encoder *encoder, double until_s,
                                      rs_search_other *other, void *ctx, rs_arena *mem, rs_err *err)
{
    const char *type = rs_http_field_of(r, "content-type");
    reader all = {s, encoder, until_s, mem, err, other, ctx};
    bool positive = false;
    rs_status st;

    *s = (rs_search_request){.query = rs_query_default()};
    st = rs_http_type_is(type, "multipart/form-data")
        ? read_form(&all, type, &r->body)
        : read_document(&all, r->body.len ? r->body.data : "", r->body.len);
    if (st != RS_OK)
        return st;
    for (size_t i = 0; i < s->query.n_parts; i++)
        positive |= s->query.parts[i].weight > 0;
    if (!positive)
        return wrong(&all, "text", "nothing is asked for: give text, image, like or parts, at "
                     "least one with a positive weight");
    if (s->query.depth < 2 * s->query.k)
        s->query.depth = 2 * s->query.k;
    return RS_OK;
}

void rs_search_request_clear(rs_search_request *s)
{
    json_decref(s->document);
    for (size_t i = 0; i < s->n_images; i++)
        rs_image_clear(&s->images[i]);
    s->document = NULL;
    s->n_images = 0;
}
