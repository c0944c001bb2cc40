/* api_search.c - POST /v1/search.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/api.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "server/search_request.h"
#include "engine/context.h"
#include "server/wire.h"

#include <math.h>
#include <string.h>

/* How images are called: looked up among the case's, which hits do not tell. */
typedef struct {
    rs_archive *archive;
    rs_arena   *mem;
    const char *key;               /* of the case read last */
    rs_case    *c;
} namer;

static const char *image_name(void *ctx, const char *key, const char *path)
{
    namer *n = ctx;

    if (!n->key || strcmp(n->key, key) != 0) {
        n->key = key;
        if (rs_archive_get(n->archive, key, n->mem, &n->c, NULL) != RS_OK)
            n->c = NULL;                       /* removed since: no image then */
    }
    for (size_t i = 0; n->c && i < n->c->n_images; i++)
        if (strcmp(n->c->images[i].path, path) == 0)
            return rs_api_image_url(n->mem, key, i);
    return NULL;
}

const char *rs_api_asked(rs_arena *mem, const rs_query *q)
{
    json_t *texts = json_array(), *likes = json_array(), *o;
    size_t pictures = 0;

    for (size_t i = 0; i < q->n_parts; i++) {
        const rs_query_part *p = &q->parts[i];
        if (p->text)
            json_array_append_new(texts, rs_json_any(p->text));
        else if (p->like)
            json_array_append_new(likes, rs_json_any(p->like));
        else
            pictures++;
    }
    o = json_pack("{s:o,s:o,s:I,s:o}", "text", texts, "like", likes, "images",
                  (json_int_t)pictures, "filter", rs_json_any(q->filter));
    return rs_json_keep(o, mem);
}

/* Every case that the answer names. */
static void show(rs_exchange *x, const rs_result *r)
{
    for (size_t i = 0; i < r->n; i++) {
        rs_exchange_shows(x, r->hits[i].key);
        for (size_t k = 0; k < r->hits[i].n_folded; k++)
            rs_exchange_shows(x, r->hits[i].folded[k].key);
        if (r->hits[i].contrast)
            rs_exchange_shows(x, r->hits[i].contrast->key);
    }
}

void rs_api_result(rs_exchange *x, rs_worker *w, const rs_query *q, bool explain,
                   const rs_result *r, double took_s)
{
    namer n = {.archive = w->archive, .mem = &x->mem};
    const rs_wire wire = {.explain = explain, .contrast = q->contrast, .facts = true,
                          .image = image_name, .thumbnail = "/thumbnail", .ctx = &n};
    json_t *o;

    show(x, r);
    x->encode_s = r->encode_ms > 0 ? r->encode_ms / 1000 : -1;
    x->search_s = r->search_ms / 1000;
    o = json_pack("{s:f,s:f,s:f,s:o,s:o}", "took_ms", round(took_s * 1e6) / 1e3,
                  "encode_ms", round(r->encode_ms * 1e3) / 1e3,
                  "search_ms", round(r->search_ms * 1e3) / 1e3,
                  "similarity", rs_verdict_json(&r->verdict), "hits", rs_wire_hits(r, &wire));
    if (o && r->no_regions)                    /* a box was asked for, and looked for as a whole */
        json_object_set_new(o, "no_regions", json_true());
    rs_api_json(x, o);
}

void rs_api_search(rs_exchange *x, rs_worker *w)
{
    rs_search_request *s;
    rs_err err = {0};
    rs_result r;
    const double begin = rs_now_s();
    rs_status st;

    if (!rs_http_has_document(x->request)) {
        rs_problem_reply(&x->reply, RS_PROBLEM_MEDIA_TYPE, NULL, "A search is asked for with "
                         "Content-Type: application/json or multipart/form-data.");
        return;
    }
    s = rs_calloc(1, sizeof *s);
    if (!s) {
        err.code = RS_ENOMEM;
        rs_problem_err_reply(&x->reply, &err);
        return;
    }
    st = rs_search_request_read(s, x->request, w->service->encoder, x->until_s, &x->mem, &err);
    if (st == RS_EARG || st == RS_ECORRUPT || st == RS_EFORMAT) {
        rs_problem_reply(&x->reply, st == RS_EFORMAT ? RS_PROBLEM_IMAGE : RS_PROBLEM_FIELD,
                         *s->field ? s->field : NULL, err.msg);
    } else if (st == RS_OK) {
        rs_exchange_query(x, w, &s->query);
        if (s->deadline_s > 0 && s->deadline_s < s->query.deadline_s)
            s->query.deadline_s = s->deadline_s;
        x->asked = rs_api_asked(&x->mem, &s->query);
        st = rs_search(w->archive, &s->query, &x->mem, &r, &err);
        if (st == RS_OK)
            rs_api_result(x, w, &s->query, s->explain, &r, rs_now_s() - begin);
    }
    if (st != RS_OK && x->reply.status == 200)
        rs_api_fail(x, w, &err);
    rs_search_request_clear(s);
    rs_free(s);
}
