/* ahead.c - see ahead.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/ahead.h"

#include "base/json.h"
#include "engine/query.h"
#include "server/text_vectors.h"

#include <string.h>

enum { BODY = 16 << 10 };                      /* larger ones hold images, or are no hurry */

typedef struct {
    rs_worker  *w;
    rs_arena    mem;
    const char *texts[RS_TEXTS_AHEAD];
    size_t      n;
} ahead;

/* Only words that a search would have encoded too. */
static void add(ahead *a, const json_t *v)
{
    const char *text = json_string_value(v), *plain;

    if (!text || a->n == RS_TEXTS_AHEAD || json_string_length(v) > RS_TEXT_KEPT)
        return;
    if (rs_query_plain(a->w->archive, text, &a->mem, &plain, NULL) == RS_OK && *plain)
        a->texts[a->n++] = plain;
}

static void add_some(ahead *a, const json_t *v)
{
    if (!json_is_array(v))
        add(a, v);
    for (size_t i = 0; i < json_array_size(v); i++)
        add(a, json_array_get(v, i));
}

static void read_request(ahead *a, const rs_http_request *r)
{
    const json_t *parts;
    json_t *o = NULL;

    if (!rs_http_type_is(rs_http_field_of(r, "content-type"), "application/json") || !r->body.len ||
        r->body.len > BODY ||
        rs_json_parse(&o, r->body.data, r->body.len, "request", NULL) != RS_OK)
        return;
    add_some(a, json_object_get(o, "text"));
    add_some(a, json_object_get(o, "not_text"));
    parts = json_object_get(o, "parts");
    for (size_t i = 0; i < json_array_size(parts); i++)
        add(a, json_object_get(json_array_get(parts, i), "text"));
    json_decref(o);
}

void rs_ahead_search(rs_exchange *const *x, size_t n, rs_worker *w)
{
    ahead a = {.w = w};

    if (!w->service->texts)
        return;
    for (size_t i = 0; i < n; i++)
        read_request(&a, x[i]->request);
    rs_text_vectors_ahead(w->service->texts, a.texts, a.n);
    rs_arena_clear(&a.mem);
}
