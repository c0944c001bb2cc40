/* wire_answer.c - see wire_answer.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/wire_answer.h"

#include "base/alloc.h"
#include "server/api.h"
#include "server/token_stream.h"

#include <string.h>

json_t *rs_wire_context(const rs_context *c, rs_arena *mem)
{
    json_t *all = rs_context_json(c, mem), *list = json_object_get(all, "evidence");

    /* An item's image is the first of its case (context.h). */
    for (size_t i = 0; i < c->n && i < json_array_size(list); i++)
        if (c->items[i].image)
            json_object_set_new(json_array_get(list, i), "image",
                                rs_json_any(rs_api_image_url(mem, c->items[i].key, 0)));
    return all;
}

json_t *rs_wire_prompt(const rs_prompt *t, const rs_filled *f)
{
    json_t *messages = json_array();

    for (size_t i = 0; i < f->n; i++)
        json_array_append_new(messages, json_pack("{s:s,s:o}", "role", f->messages[i].role,
                                                  "content", rs_json_any(f->messages[i].text)));
    return json_pack("{s:s,s:I,s:o}", "template", rs_prompt_name(t), "version",
                     (json_int_t)rs_prompt_version(t), "messages", messages);
}

static json_t *flags_of(unsigned flags)
{
    json_t *out = json_array();

    for (int f = 0; f < RS_FLAGS; f++)
        if (flags >> f & 1)
            json_array_append_new(out, json_string(rs_flag_name((rs_flag)f)));
    return out;
}

static json_t *nearest_of(const rs_checked *r)
{
    if (!r->nearest)
        return json_null();
    return json_pack("{s:I,s:o,s:I,s:I}", "n", (json_int_t)r->item, "section",
                     rs_json_any(r->nearest->section), "begin", (json_int_t)r->nearest->begin,
                     "end", (json_int_t)r->nearest->end);
}

json_t *rs_wire_cited(const char *text, size_t n)
{
    char *copy = n < SIZE_MAX ? rs_malloc(strlen(text) + 1) : NULL;
    json_t *out;

    if (n == SIZE_MAX)
        return rs_json_any(text);
    if (!copy)
        return NULL;
    strcpy(copy, text);
    rs_citations_limit(copy, n);
    out = rs_json_any(copy);
    rs_free(copy);
    return out;
}

json_t *rs_wire_sentence(const rs_checked *r, rs_check_policy policy, size_t n)
{
    const bool shown = !r->flags || policy == RS_CHECK_MARK;
    json_t *cites = json_array();

    for (size_t i = 0; shown && i < r->sentence->n_cites; i++)
        if (n == SIZE_MAX || (r->sentence->cites[i] >= 1 && r->sentence->cites[i] <= n))
            json_array_append_new(cites, json_integer((json_int_t)r->sentence->cites[i]));
    return json_pack("{s:o,s:o,s:o,s:b,s:f,s:o,s:o,s:o}",
                     "text", shown ? rs_wire_cited(r->sentence->text, n) : json_null(),
                     "part", rs_json_any(r->sentence->part), "cites", cites,
                     "holds", (int)(r->flags == 0), "support", r->support,
                     "flags", flags_of(r->flags), "about", rs_json_any(shown ? r->about : NULL),
                     "nearest", nearest_of(r));
}

json_t *rs_wire_sentences(const rs_verified *v, rs_check_policy policy, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; v->enough && i < v->n; i++)
        json_array_append_new(list, rs_wire_sentence(&v->rows[i], policy, n));
    return list;
}

json_t *rs_wire_citations(const rs_verified *v, const rs_context *c)
{
    json_t *list = json_array();

    for (size_t i = 0; v->enough && i < v->n; i++) {
        const rs_sentence *s = v->rows[i].sentence;
        for (size_t k = 0; !v->rows[i].flags && k < s->n_cites; k++)
            if (s->cites[k] >= 1 && s->cites[k] <= c->n)
                json_array_append_new(list, json_pack("{s:I,s:I,s:o}", "sentence", (json_int_t)i,
                    "n", (json_int_t)s->cites[k], "case",
                    rs_json_any(c->items[s->cites[k] - 1].key)));
    }
    return list;
}
