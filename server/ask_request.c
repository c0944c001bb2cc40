/* ask_request.c - see ask_request.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/ask_request.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    rs_ask_request  *a;
    const rs_worker *w;
    rs_err          *err;
} reader;

static rs_status wrong(reader *r, const char *field, const char *what)
{
    return rs_fail(r->err, RS_EARG, "%s: %s", field, what);
}

static rs_status read_text(reader *r, const char *f, const json_t *v, const char **out)
{
    if (!json_is_string(v))
        return wrong(r, f, "wanted a string");
    if (json_string_length(v) > RS_SEARCH_MAX_TEXT)
        return wrong(r, f, "is longer than 65536 bytes");
    *out = json_string_value(v);
    return RS_OK;
}

static rs_status read_template(reader *r, const char *f, const json_t *v)
{
    const char *name = NULL;
    rs_err told = {0};
    rs_status st = read_text(r, f, v, &name);

    r->a->templated = true;
    if (st == RS_OK && rs_prompts_find(r->w->prompts, name, &r->a->template, &told) != RS_OK)
        st = wrong(r, f, told.msg);
    return st;
}

static rs_status read_learner(reader *r, const char *f, const json_t *v)
{
    return read_text(r, f, v, &r->a->learner);
}

static rs_status read_budget(reader *r, const char *f, const json_t *v)
{
    const json_int_t n = json_integer_value(v);

    if (!json_is_integer(v) || n < RS_ASK_BUDGET_MIN || n > RS_ASK_BUDGET_MAX)
        return wrong(r, f, "wanted a whole number from 64 to 16000");
    r->a->budget = (size_t)n;
    return RS_OK;
}

static rs_status read_policy(reader *r, const char *f, const json_t *v)
{
    const char *name = json_is_string(v) ? json_string_value(v) : "";

    if (strcmp(name, "mark") != 0 && strcmp(name, "withhold") != 0)
        return wrong(r, f, "wanted \"mark\" or \"withhold\"");
    r->a->policy = *name == 'm' ? RS_CHECK_MARK : RS_CHECK_WITHHOLD;
    return RS_OK;
}

static rs_status read_generator(reader *r, const char *f, const json_t *v)
{
    const rs_generators *all = r->w->service->generators;
    const char *name = NULL;
    char what[400] = "there is no such generator; there are: built-in";
    rs_status st = read_text(r, f, v, &name);

    if (st != RS_OK)
        return st;
    r->a->chosen = true;
    r->a->draft = rs_generators_find(all, name);
    if (r->a->draft || strcmp(name, "built-in") == 0)
        return RS_OK;
    for (size_t i = 0; i < rs_generators_count(all); i++) {
        size_t len = strlen(what);
        snprintf(what + len, sizeof what - len, ", %s", rs_generators_at(all, i)->name);
    }
    return wrong(r, f, what);
}

static rs_status read_images(reader *r, const char *f, const json_t *v)
{
    if (!json_is_boolean(v))
        return wrong(r, f, "wanted true or false");
    r->a->images = json_is_true(v);
    return RS_OK;
}

static const struct {
    const char *name;
    rs_status (*read)(reader *r, const char *field, const json_t *v);
} fields[] = {
    {"template", read_template}, {"learner", read_learner}, {"budget", read_budget},
    {"policy", read_policy}, {"generator", read_generator}, {"images", read_images},
};

static rs_status read_field(void *ctx, const char *field, const json_t *v, rs_err *err)
{
    reader *r = ctx;

    r->err = err;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strcmp(fields[i].name, field) == 0)
            return fields[i].read(r, field, v);
    return RS_ENOENT;
}

rs_status rs_ask_request_read(rs_ask_request *a, const rs_http_request *r, const rs_worker *w,
                              double until_s, rs_arena *mem, rs_err *err)
{
    reader all = {a, w, err};
    rs_status st;

    *a = (rs_ask_request){.budget = RS_CONTEXT_BUDGET, .policy = RS_CHECK_MARK, .images = true};
    st = rs_search_request_read_with(&a->search, r, w->service->encoder, until_s, read_field, &all,
                                     mem, err);
    a->search.query.contrast = true;
    if (st == RS_OK && !a->template)
        st = rs_prompts_find(w->prompts, "case-comparison", &a->template, err);
    return st;
}

void rs_ask_request_clear(rs_ask_request *a)
{
    rs_search_request_clear(&a->search);
}
