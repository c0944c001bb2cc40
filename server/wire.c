/* wire.c - see wire.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/wire.h"

#include "base/alloc.h"

static json_t *strings(const char *const *list, size_t n)
{
    json_t *out = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(out, rs_json_any(list[i]));
    return out;
}

static json_t *image(const rs_wire *w, const char *key, const char *path)
{
    return rs_json_any(path && w->image ? w->image(w->ctx, key, path) : path);
}

/* Beside an image's URL, that of its thumbnail. */
static void add_thumbnail(json_t *o, const rs_wire *w, const json_t *image)
{
    const char *url = json_string_value(image);

    if (w->thumbnail)
        json_object_set_new(o, "thumbnail",
                            url ? json_sprintf("%s%s", url, w->thumbnail) : json_null());
}

/* ---- Hits ------------------------------------------------------------ */

static json_t *passage(const rs_evidence *e)
{
    json_t *matches = json_array(), *states = json_array();

    for (size_t i = 0; i < e->n_matches; i++) {
        json_array_append_new(matches, json_pack("[I,I]", (json_int_t)e->matches[i].begin,
                                                 (json_int_t)e->matches[i].end));
        json_array_append_new(states, rs_json_any(e->states[i]));
    }
    return json_pack("{s:o,s:o,s:I,s:I,s:o,s:o}", "section", rs_json_any(e->section),
                     "text", rs_json_any(e->text), "begin", (json_int_t)e->begin,
                     "end", (json_int_t)e->end, "matches", matches, "states", states);
}

json_t *rs_wire_box(const double box[4])
{
    return json_pack("[f,f,f,f]", box[0], box[1], box[2], box[3]);
}

static json_t *found(const rs_found *f, const char *key, const rs_wire *w)
{
    json_t *p = json_pack("{s:s,s:I,s:f}", "probe", rs_probe_name(f->probe),
                          "rank", (json_int_t)f->rank, "score", f->score);

    if (w->explain)
        json_object_set_new(p, "part", json_real(f->part));
    if (w->explain || f->boxed)
        json_object_set_new(p, "image", image(w, key, f->image));
    if (w->explain)
        json_object_set_new(p, "passage", f->passage ? passage(f->passage) : json_null());
    if (f->boxed)
        json_object_set_new(p, "box", rs_wire_box(f->box));
    return p;
}

/* What a hit stands for, and its opposite. */
static void add_relations(json_t *hit, const rs_hit *h, const rs_wire *w)
{
    json_t *folded = json_array();
    const rs_contrast *c = h->contrast;
    json_t *o;

    for (size_t i = 0; i < h->n_folded; i++)
        json_array_append_new(folded, json_pack("{s:o,s:o}", "case", rs_json_any(h->folded[i].key),
                                                "why", rs_json_any(h->folded[i].why)));
    json_object_set_new(hit, "folded", folded);
    if (!w->contrast)
        return;
    o = !c ? json_null() :
        json_pack("{s:o,s:o,s:o,s:f,s:o}", "case", rs_json_any(c->key),
                  "title", rs_json_any(c->title),
                  "findings", strings(c->findings, c->n_findings), "score", c->score,
                  "image", image(w, c->key, c->image));
    if (c)
        add_thumbnail(o, w, json_object_get(o, "image"));
    json_object_set_new(hit, "contrast", o);
}

static void add_facts(json_t *hit, const rs_hit *h)
{
    json_object_set_new(hit, "modality", rs_json_any(h->modality));
    json_object_set_new(hit, "body_part", rs_json_any(h->body_part));
    json_object_set_new(hit, "view", rs_json_any(h->view));
    json_object_set_new(hit, "sex", rs_json_any(h->sex));
    json_object_set_new(hit, "age_years", h->age_years < 0 ? json_null() : json_real(h->age_years));
    json_object_set_new(hit, "study_date", rs_json_any(h->study_date));
    json_object_set_new(hit, "collection", rs_json_any(h->collection));
    json_object_set_new(hit, "tier", json_string(rs_tier_name(h->tier)));
    json_object_set_new(hit, "findings", strings(h->findings, h->n_findings));
}

static json_t *one_hit(const rs_hit *h, const rs_wire *w)
{
    json_t *probes = json_array(), *hit;

    for (size_t i = 0; i < h->n_found; i++)
        json_array_append_new(probes, found(&h->found[i], h->key, w));
    hit = json_pack("{s:I,s:o,s:f,s:o,s:o,s:o,s:o}", "rank", (json_int_t)h->rank,
                    "case", rs_json_any(h->key), "score", h->score,
                    "title", rs_json_any(h->title), "probes", probes,
                    "image", image(w, h->key, h->image),
                    "snippet", rs_json_any(h->snippet ? h->snippet->text : NULL));
    add_thumbnail(hit, w, json_object_get(hit, "image"));
    add_relations(hit, h, w);
    if (w->facts)
        add_facts(hit, h);
    return hit;
}

json_t *rs_wire_hits(const rs_result *r, const rs_wire *w)
{
    json_t *hits = json_array();

    for (size_t i = 0; i < r->n; i++)
        json_array_append_new(hits, one_hit(&r->hits[i], w));
    return hits;
}

/* ---- A case ---------------------------------------------------------- */

static json_t *case_images(const rs_case *c, const rs_wire *w)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->n_images; i++) {
        const rs_case_image *im = &c->images[i];
        json_t *o = json_pack("{s:o}", w->image ? "url" : "path", image(w, c->key, im->path));
        add_thumbnail(o, w, json_object_get(o, "url"));
        if (!w->image)
            json_object_set_new(o, "given", rs_json_any(im->given));
        json_object_set_new(o, "sha256", rs_json_any(im->sha256));
        json_object_set_new(o, "view", rs_json_any(im->view));
        json_object_set_new(o, "width", json_integer((json_int_t)im->width));
        json_object_set_new(o, "height", json_integer((json_int_t)im->height));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *case_passages(const rs_case *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->n_passages; i++) {
        const rs_passage *p = &c->passages[i];
        json_array_append_new(list, json_pack("{s:o,s:o,s:I,s:I}", "section",
            rs_json_any(p->section), "text", rs_json_any(p->text),
            "begin", (json_int_t)p->begin, "end", (json_int_t)p->end));
    }
    return list;
}

static json_t *case_mentions(const rs_mention *m, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:I,s:I}",
            "finding", m[i].finding, "state", rs_state_name(m[i].state),
            "side", rs_json_any(rs_side_name(m[i].side)),
            "size", m[i].unit ? json_real(m[i].size) : json_null(),
            "unit", rs_json_any(m[i].unit), "section", rs_json_any(m[i].section),
            "begin", (json_int_t)m[i].begin, "end", (json_int_t)m[i].end));
    return list;
}

json_t *rs_wire_case(const rs_case *c, const rs_mention *m, size_t n, const rs_wire *w)
{
    json_t *attributes = c->attributes ? json_loads(c->attributes, 0, NULL) : NULL;

    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:o,s:o,s:o,s:o,s:o,s:o}",
        "case", rs_json_any(c->key), "source", rs_json_any(c->source),
        "title", rs_json_any(c->title), "modality", rs_json_any(c->modality),
        "body_part", rs_json_any(c->body_part), "view", rs_json_any(c->view),
        "sex", rs_json_any(c->sex), "patient", rs_json_any(c->patient),
        "collection", rs_json_any(c->collection),
        "age_years", c->age_years < 0 ? json_null() : json_real(c->age_years),
        "study_date", rs_json_any(c->study_date), "tier", rs_tier_name(c->tier),
        "findings", strings(c->findings, c->n_findings), "report", rs_json_any(c->report),
        "images", case_images(c, w), "passages", case_passages(c),
        "mentions", case_mentions(m, n),
        "attributes", attributes ? attributes : json_null());
}

/* ---- Counts ---------------------------------------------------------- */

static json_t *counts(const rs_count *list, size_t n)
{
    json_t *o = json_object();

    for (size_t i = 0; i < n; i++)
        json_object_set_new(o, list[i].label, json_integer((json_int_t)list[i].count));
    return o;
}

static json_t *problems(const rs_problem *p, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:o,s:o,s:o,s:o}",
            "source", rs_json_any(p[i].source), "item", rs_json_any(p[i].item),
            "reason", rs_json_any(p[i].reason), "at", rs_json_any(p[i].at)));
    return list;
}

static json_t *encoder(const rs_encoder_identity *e, bool folders)
{
    json_t *o;

    if (!e)
        return json_null();
    o = json_pack("{s:o,s:o}", "id", rs_json_any(e->id), "name", rs_json_any(e->name));
    if (folders)
        json_object_set_new(o, "folder", rs_json_any(e->folder));
    json_object_set_new(o, "dim", json_integer((json_int_t)e->dim));
    return o;
}

json_t *rs_wire_stats(const rs_stats *s, const rs_problem *p, size_t n, bool local)
{
    json_t *o = json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:i,s:I,s:I,s:o,s:o,s:o,s:o}",
        "cases", (json_int_t)s->cases, "images", (json_int_t)s->images,
        "passages", (json_int_t)s->passages, "image_vectors", (json_int_t)s->image_vectors,
        "passage_vectors", (json_int_t)s->passage_vectors,
        "region_vectors", (json_int_t)s->region_vectors,
        "images_with_regions", (json_int_t)s->images_with_regions,
        "sources", (json_int_t)s->sources,
        "refused", (json_int_t)s->problems, "catalog_bytes", (json_int_t)s->catalog_bytes,
        "cache_bytes", (json_int_t)s->cache_bytes, "schema_version", s->schema_version,
        "image_generation", (json_int_t)s->image_generation,
        "passage_generation", (json_int_t)s->passage_generation,
        "encoder", encoder(s->encoder, local),
        "modalities", counts(s->modalities, s->n_modalities),
        "body_parts", counts(s->body_parts, s->n_body_parts),
        "findings", counts(s->findings, s->n_findings));

    if (o && local)
        json_object_set_new(o, "problems", problems(p, n));
    return o;
}

json_t *rs_wire_facets(const rs_facet_report *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->n; i++) {
        const rs_facet *f = &r->facets[i];
        json_t *values = json_array();
        for (size_t k = 0; k < f->n; k++)
            json_array_append_new(values, json_pack("{s:o,s:I}",
                "value", rs_json_any(f->values[k].label), "cases", (json_int_t)f->values[k].count));
        json_array_append_new(list, json_pack("{s:o,s:o,s:I}", "facet", rs_json_any(f->name),
                                              "values", values, "unknown", (json_int_t)f->unknown));
    }
    return json_pack("{s:I,s:I,s:o}", "cases", (json_int_t)r->cases,
                     "passing", (json_int_t)r->passing, "facets", list);
}

json_t *rs_wire_erasure(const rs_erasure *e)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b}", "cases", (json_int_t)e->cases,
                     "images", (json_int_t)e->images, "passages", (json_int_t)e->passages,
                     "looked_for", (json_int_t)e->looked_for, "shared", (json_int_t)e->shared,
                     "files", (json_int_t)e->files, "bytes", (json_int_t)e->bytes,
                     "rewritten", e->vacuumed);
}

json_t *rs_wire_judgment(const rs_judgment *j)
{
    return json_pack("{s:I,s:o,s:o,s:s,s:i,s:o,s:o,s:s}", "id", (json_int_t)j->id, "case",
                     rs_json_any(j->key), "query", json_loads(j->query, 0, NULL), "verdict",
                     rs_judged_name(j->verdict), "grade", rs_judged_grade(j->verdict), "note",
                     rs_json_any(j->note), "who", rs_json_any(j->who), "at", j->at);
}
