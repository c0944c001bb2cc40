/* test_openapi.c - openapi.json says what the routes are, and the fields of a search.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/json.h"
#include "engine/judgments.h"
#include "indexer/one.h"
#include "server/problem.h"
#include "server/routes.h"
#include "server/search_request.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static json_t *document(void)
{
    json_t *o = NULL;
    rs_err err = {0};
    size_t len;
    const char *text = rs_openapi(&len);

    if (rs_json_parse(&o, text, len, "openapi.json", &err) != RS_OK)
        fail_msg("%s", err.msg);
    return o;
}

static json_t *at(json_t *o, const char *a, const char *b, const char *c)
{
    o = json_object_get(o, a);
    o = b ? json_object_get(o, b) : o;
    return c ? json_object_get(o, c) : o;
}

/* Each route is described and each description is a route; arguments are declared. */
static void test_routes(void **state)
{
    json_t *o = document(), *paths = json_object_get(o, "paths"), *operations, *p, *q;
    size_t described = 0, i;
    const char *path, *method;

    (void)state;
    assert_string_equal(json_string_value(json_object_get(o, "openapi")), "3.1.0");
    for (const rs_route *r = rs_routes; r->pattern; r++) {
        char name[16];
        json_t *operation;
        size_t n = 0, args = 0;
        snprintf(name, sizeof name, "%s", rs_http_method_name(r->method));
        for (char *c = name; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        operation = at(paths, r->pattern, name, NULL);
        if (!operation)
            fail_msg("%s %s is not described", name, r->pattern);
        assert_int_equal(r->takes_body, json_object_get(operation, "requestBody") != NULL);
        for (const char *c = r->pattern; (c = strchr(c, '{')) != NULL; c++)
            args++;
        json_array_foreach(json_object_get(operation, "parameters"), i, p) {
            if (strcmp(json_string_value(json_object_get(p, "in")), "path") != 0)
                continue;
            snprintf(name, sizeof name, "{%s}", json_string_value(json_object_get(p, "name")));
            assert_non_null(strstr(r->pattern, name));
            n++;
        }
        assert_int_equal(n, args);
    }
    json_object_foreach(paths, path, operations)
        json_object_foreach(operations, method, q)
            described++;
    assert_int_equal(described, rs_routes_count(rs_routes));
    json_decref(o);
}

/* Every $ref leads somewhere. */
static void follow(json_t *root, json_t *v)
{
    const char *key;
    json_t *inner;
    size_t i;

    if (json_is_array(v))
        json_array_foreach(v, i, inner)
            follow(root, inner);
    json_object_foreach(v, key, inner) {
        char path[128], *save, *part;
        json_t *to = root;
        follow(root, inner);
        if (strcmp(key, "$ref") != 0)
            continue;
        snprintf(path, sizeof path, "%s", json_string_value(inner));
        for (part = strtok_r(path, "/", &save); part; part = strtok_r(NULL, "/", &save))
            to = strcmp(part, "#") == 0 ? root : json_object_get(to, part);
        if (!to)
            fail_msg("%s leads nowhere", json_string_value(inner));
    }
}

static void test_references(void **state)
{
    json_t *o = document();

    (void)state;
    follow(o, o);
    json_decref(o);
}

/* A search of only that field, of whatever type: is the field known? */
static bool known(const char *field)
{
    char body[128];
    rs_http_request r = {.n_fields = 0};
    rs_search_request *s = rs_calloc(1, sizeof *s);
    rs_arena mem = {0};
    rs_err err = {0};
    bool there;

    snprintf(body, sizeof body, "{\"%s\": {\"?\": 0}}", field);
    r.body = (rs_buf){body, strlen(body), sizeof body, false};
    rs_search_request_read(s, &r, NULL, 1e9, &mem, &err);
    there = !strstr(err.msg, "there is no such field");
    rs_search_request_clear(s);
    rs_free(s);
    rs_arena_clear(&mem);
    return there;
}

/* The fields of a search are those that are read; the reader names its own in a message. */
static void test_search_fields(void **state)
{
    json_t *o = document(), *v;
    json_t *fields = at(at(o, "components", "schemas", "Search"), "properties", NULL, NULL);
    const char *key;
    rs_search_request *s = rs_calloc(1, sizeof *s);
    rs_http_request r = {.body = {(char[]){"{\"?\":0}"}, 7, 8, false}};
    rs_arena mem = {0};
    rs_err err = {0};

    (void)state;
    assert_true(json_object_size(fields) > 20);
    json_object_foreach(fields, key, v)
        if (!known(key))
            fail_msg("%s is described, not read", key);
    assert_false(known("nonsense"));
    assert_int_equal(rs_search_request_read(s, &r, NULL, 1e9, &mem, &err), RS_EARG);
    for (char *save, *name = strtok_r(strstr(err.msg, "there are") + 9, ", ", &save); name;
         name = strtok_r(NULL, ", ", &save))
        if (!json_object_get(fields, name))
            fail_msg("%s is read, not described", name);
    rs_search_request_clear(s);
    rs_free(s);
    rs_arena_clear(&mem);
    json_decref(o);
}

/* What is said of a case's fields is so: each has a place of its own. */
static void test_case_fields(void **state)
{
    json_t *o = document(), *v;
    json_t *fields = at(at(o, "components", "schemas", "SentCase"), "properties", NULL, NULL);
    rs_arena mem = {0};
    const char *key, *why;
    rs_err err = {0};

    (void)state;
    assert_true(json_object_size(fields) > 15);
    json_object_foreach(fields, key, v) {
        const char *value = strcmp(key, "study_date") == 0 ? "2024-03"
                          : strcmp(key, "tier") == 0 ? "proven"
                          : strcmp(key, "age") == 0 ? "61Y" : "x";
        json_t *row = json_pack("{s:s}", key, value);
        rs_source_case c;
        assert_null(rs_row_unread(row, &why));
        assert_int_equal(rs_row_sent(row, "k", NULL, 0, &mem, &c, &err), RS_OK);
        if (c.attributes)
            fail_msg("%s is described, and kept as an attribute", key);
        json_decref(row);
    }
    rs_arena_clear(&mem);
    json_decref(o);
}

static void test_problem_types(void **state)
{
    json_t *o = document();
    json_t *problem = at(at(o, "components", "schemas", "Problem"), "properties", NULL, NULL);
    const char *text = json_string_value(at(problem, "type", "description", NULL));

    (void)state;
    for (int k = 0; k < RS_PROBLEMS; k++)
        if (!strstr(text, rs_problem_type((rs_problem_kind)k)))
            fail_msg("%s is not described", rs_problem_type((rs_problem_kind)k));
    json_decref(o);
}

/* The verdicts are those that there are, and the description tells each one's grade. */
static void test_verdicts(void **state)
{
    json_t *o = document(), *verdict = at(at(o, "components", "schemas", "Verdict"), "enum", NULL,
                                          NULL);
    const char *text = json_string_value(json_object_get(at(o, "components", "schemas", "Verdict"),
                                                         "description"));

    (void)state;
    assert_int_equal(json_array_size(verdict), RS_JUDGED_VERDICTS);
    for (int v = 0; v < RS_JUDGED_VERDICTS; v++) {
        const char *name = rs_judged_name((rs_judged)v);
        char with[64];
        assert_string_equal(json_string_value(json_array_get(verdict, (size_t)v)), name);
        snprintf(with, sizeof with, "%s (%s%d)", name, v ? "" : "grade ",
                 rs_judged_grade((rs_judged)v));
        assert_non_null(strstr(text, with));
    }
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_search_fields),
        cmocka_unit_test(test_case_fields),
        cmocka_unit_test(test_problem_types),
        cmocka_unit_test(test_verdicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
