/* generators.c - see generators.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/generators.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/bytes.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 1 << 20, MAX_KEY = 4096, MAX_ROUTES = 256 };

typedef struct {
    const char *template;
    rs_generator_route to;
} route;

struct rs_generators {
    rs_arena     mem;
    rs_generator *list;            size_t n;
    route        *routes;          size_t n_routes;
};

/* ---- One generator --------------------------------------------------- */

/* http or https, a host, no user, no query: and the path of chat completions behind it. */
static rs_status take_url(rs_generators *g, rs_generator *one, const char *url, const char *where,
                          rs_err *err)
{
    static const char path[] = "/chat/completions";
    const char *host = strncmp(url, "http://", 7) == 0 ? url + 7
                     : strncmp(url, "https://", 8) == 0 ? url + 8 : NULL;
    size_t n = strlen(url);

    if (!host || !*host || *host == '/' || *host == ':')
        return rs_fail(err, RS_ECORRUPT, "%s.url: wanted http://HOST... or https://HOST..., found "
                       "'%.80s'", where, url);
    for (const char *c = url; *c; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7F || strchr("@?#\\\"<>^`{|}", *c))
            return rs_fail(err, RS_ECORRUPT, "%s.url: no user, query, fragment or blank may be in "
                           "it: '%.80s'", where, url);
    while (n && url[n - 1] == '/')
        n--;
    if (n >= strlen(path) && strncmp(url + n - strlen(path), path, strlen(path)) == 0)
        n -= strlen(path);
    one->url = rs_arena_sprintf(&g->mem, "%.*s%s", (int)n, url, path);
    return one->url ? RS_OK : rs_fail(err, RS_ENOMEM, "no memory for a URL");
}

/* A header field's value: no line ends get into it. */
static rs_status keep_key(rs_generators *g, rs_generator *one, const char *key, const char *where,
                          rs_err *err)
{
    size_t n = strcspn(key, "\r\n");

    for (size_t i = 0; i < n; i++)
        if ((unsigned char)key[i] <= ' ' || (unsigned char)key[i] >= 0x7F)
            return rs_fail(err, RS_ECORRUPT, "%s: the key has a blank or another character that no "
                           "key has", where);
    if (n == 0)
        return rs_fail(err, RS_ECORRUPT, "%s: the key is empty", where);
    one->key = rs_arena_strndup(&g->mem, key, n);
    return one->key ? RS_OK : rs_fail(err, RS_ENOMEM, "no memory for a key");
}

static rs_status take_key(rs_generators *g, rs_generator *one, rs_json_at at, rs_err *err)
{
    const char *env, *file, *value;
    char *bytes = NULL;
    size_t len;
    rs_status st;

    if ((st = rs_json_str(at, "api_key_env", NULL, &env, err)) != RS_OK ||
        (st = rs_json_str(at, "api_key_file", NULL, &file, err)) != RS_OK)
        return st;
    if (env && file)
        return rs_fail(err, RS_ECORRUPT, "%s: both api_key_env and api_key_file", at.where);
    if (env) {
        if ((value = getenv(env)) == NULL)
            return rs_fail(err, RS_ECORRUPT, "%s.api_key_env: %.80s is not in the environment",
                           at.where, env);
        return keep_key(g, one, value, at.where, err);
    }
    if (!file)
        return RS_OK;
    if ((st = rs_file_read(&bytes, &len, file, MAX_KEY, err)) == RS_OK)
        st = keep_key(g, one, bytes, at.where, err);
    rs_free(bytes);
    return st;
}

/* A copy; NULL stays NULL. */
static rs_status copy_text(rs_generators *g, const char *text, const char **out, rs_err *err)
{
    *out = text ? rs_arena_strdup(&g->mem, text) : NULL;
    return text && !*out ? rs_fail(err, RS_ENOMEM, "no memory for generators") : RS_OK;
}

static rs_status only_fields(rs_json_at at, const char *const *names, rs_err *err)
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)at.object, key, v) {
        size_t i = 0;
        while (names[i] && strcmp(names[i], key) != 0)
            i++;
        if (!names[i])
            return rs_fail(err, RS_ECORRUPT, "%s: there is no such field: %.60s", at.where, key);
    }
    return RS_OK;
}

static rs_status read_one(rs_generators *g, rs_generator *one, rs_json_at at, rs_err *err)
{
    static const char *const names[] = {"url", "model", "api_key_env", "api_key_file", "proxy",
        "images", "json_schema", "temperature",
#define NAME(name, fallback, min, max) #name,
        RS_GENERATOR_NUMBERS(NAME)
#undef NAME
        NULL};
    const char *url, *model, *proxy;
    rs_status st;

    if (!json_is_object(at.object))
        return rs_fail(err, RS_ECORRUPT, "%s: wanted an object", at.where);
    if ((st = only_fields(at, names, err)) != RS_OK ||
        (st = rs_json_need(at, "url", err)) != RS_OK ||
        (st = rs_json_str(at, "url", "", &url, err)) != RS_OK ||
        (st = rs_json_str(at, "model", "", &model, err)) != RS_OK ||
        (st = rs_json_str(at, "proxy", NULL, &proxy, err)) != RS_OK ||
        (st = rs_json_bool(at, "images", false, &one->images, err)) != RS_OK ||
        (st = rs_json_bool(at, "json_schema", false, &one->json_schema, err)) != RS_OK ||
        (st = rs_json_real(at, "temperature", 0, 2, 0, &one->temperature, err)) != RS_OK)
        return st;
#define NUMBER(name, fallback, min, max) \
    if ((st = rs_json_int(at, #name, min, max, fallback, &one->name, err)) != RS_OK) \
        return st;
    RS_GENERATOR_NUMBERS(NUMBER)
#undef NUMBER
    if (one->max_tokens >= one->context_tokens)
        return rs_fail(err, RS_ECORRUPT, "%s: max_tokens %lld leave no room in context_tokens %lld",
                       at.where, one->max_tokens, one->context_tokens);
    if ((st = copy_text(g, model, &one->model, err)) != RS_OK ||
        (st = copy_text(g, proxy, &one->proxy, err)) != RS_OK ||
        (st = take_url(g, one, url, at.where, err)) != RS_OK)
        return st;
    return take_key(g, one, at, err);
}

/* ---- The file -------------------------------------------------------- */

static rs_status read_list(rs_generators *g, const json_t *list, const char *what, rs_err *err)
{
    char where[160];
    const char *key;
    json_t *v;
    rs_status st = RS_OK;

    if (list && !json_is_object(list))
        return rs_fail(err, RS_ECORRUPT, "%s: generators: wanted an object", what);
    if (json_object_size(list) > RS_GENERATORS_MAX)
        return rs_fail(err, RS_ECORRUPT, "%s: more than %d generators", what, RS_GENERATORS_MAX);
    g->list = rs_new(&g->mem, rs_generator, json_object_size(list) + 1);
    if (!g->list)
        return rs_fail(err, RS_ENOMEM, "no memory for generators");
    json_object_foreach((json_t *)(uintptr_t)list, key, v) {
        rs_generator *one = &g->list[g->n];
        snprintf(where, sizeof where, "%.60s: generators.%.60s", what, key);
        if (strcmp(key, "built-in") == 0 || !*key)
            return rs_fail(err, RS_ECORRUPT, "%s: the name is taken", where);
        if ((st = copy_text(g, key, &one->name, err)) != RS_OK ||
            (st = read_one(g, one, (rs_json_at){v, where}, err)) != RS_OK)
            return st;
        g->n++;
    }
    return st;
}

static rs_status pick(const rs_generators *g, rs_json_at at, const char *field, bool built_in,
                      const rs_generator **out, rs_err *err)
{
    const char *name;
    rs_status st = rs_json_str(at, field, NULL, &name, err);

    *out = NULL;
    if (st != RS_OK || !name || (built_in && strcmp(name, "built-in") == 0))
        return st;
    *out = rs_generators_find(g, name);
    return *out ? RS_OK : rs_fail(err, RS_ECORRUPT, "%s.%s: there is no generator '%.60s'",
                                  at.where, field, name);
}

static rs_status read_routes(rs_generators *g, const json_t *list, const char *what, rs_err *err)
{
    static const char *const names[] = {"draft", "check", NULL};
    char where[160];
    const char *key;
    json_t *v;
    rs_status st = RS_OK;

    if (list && !json_is_object(list))
        return rs_fail(err, RS_ECORRUPT, "%s: templates: wanted an object", what);
    if (json_object_size(list) > MAX_ROUTES)
        return rs_fail(err, RS_ECORRUPT, "%s: more than %d templates", what, MAX_ROUTES);
    g->routes = rs_new(&g->mem, route, json_object_size(list) + 1);
    if (!g->routes)
        return rs_fail(err, RS_ENOMEM, "no memory for generators");
    json_object_foreach((json_t *)(uintptr_t)list, key, v) {
        route *r = &g->routes[g->n_routes];
        rs_json_at at = {v, where};
        snprintf(where, sizeof where, "%.60s: templates.%.60s", what, key);
        if (!json_is_object(v))
            return rs_fail(err, RS_ECORRUPT, "%s: wanted an object", where);
        if ((st = only_fields(at, names, err)) != RS_OK ||
            (st = copy_text(g, key, &r->template, err)) != RS_OK ||
            (st = pick(g, at, "draft", true, &r->to.draft, err)) != RS_OK ||
            (st = pick(g, at, "check", false, &r->to.check, err)) != RS_OK)
            return st;
        g->n_routes++;
    }
    return st;
}

rs_status rs_generators_read(rs_generators **out, const char *text, size_t len, const char *what,
                             rs_err *err)
{
    static const char *const names[] = {"generators", "templates", NULL};
    rs_generators *g = rs_calloc(1, sizeof *g);
    json_t *o = NULL;
    rs_status st;

    *out = NULL;
    if (!g)
        return rs_fail(err, RS_ENOMEM, "no memory for generators");
    if ((st = rs_json_parse(&o, text, len, what, err)) == RS_OK) {
        rs_json_at at = {o, what};
        if (!json_is_object(o))
            st = rs_fail(err, RS_ECORRUPT, "%s: wanted an object", what);
        if (st == RS_OK && (st = only_fields(at, names, err)) == RS_OK &&
            (st = read_list(g, json_object_get(o, "generators"), what, err)) == RS_OK)
            st = read_routes(g, json_object_get(o, "templates"), what, err);
    }
    json_decref(o);
    if (st != RS_OK) {
        rs_generators_free(g);
        return st;
    }
    *out = g;
    return RS_OK;
}

rs_status rs_generators_load(rs_generators **out, const char *path, rs_err *err)
{
    char *text = NULL;
    size_t len;
    rs_status st = rs_file_read(&text, &len, path, MAX_FILE, err);

    *out = NULL;
    if (st == RS_OK)
        st = rs_generators_read(out, text, len, path, err);
    rs_free(text);
    return st;
}

void rs_generators_free(rs_generators *g)
{
    if (g)
        rs_arena_clear(&g->mem);
    rs_free(g);
}

/* ---- Looking up ------------------------------------------------------ */

size_t rs_generators_count(const rs_generators *g)
{
    return g ? g->n : 0;
}

const rs_generator *rs_generators_at(const rs_generators *g, size_t i)
{
    return &g->list[i];
}

const rs_generator *rs_generators_find(const rs_generators *g, const char *name)
{
    for (size_t i = 0; i < rs_generators_count(g); i++)
        if (strcmp(g->list[i].name, name) == 0)
            return &g->list[i];
    return NULL;
}

rs_generator_route rs_generators_route(const rs_generators *g, const char *template)
{
    const route *any = NULL;

    for (size_t i = 0; g && i < g->n_routes; i++) {
        if (strcmp(g->routes[i].template, template) == 0)
            return g->routes[i].to;
        if (strcmp(g->routes[i].template, "*") == 0)
            any = &g->routes[i];
    }
    return any ? any->to : (rs_generator_route){NULL, NULL};
}
