/* test_described.c - what the running server answers is what openapi.json says: status, media
 * type, and every value against its schema, each field named by it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "served.h"

#include "base/json.h"
#include "tiny_model.h"

static json_t *document;

/* ---- A JSON schema, as far as openapi.json uses it --------------------- */

static json_t *resolve(json_t *schema)
{
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    char path[128], *save, *part;
    json_t *to = document;

    if (!ref)
        return schema;
    snprintf(path, sizeof path, "%s", ref + 2);
    for (part = strtok_r(path, "/", &save); part && to; part = strtok_r(NULL, "/", &save))
        to = json_object_get(to, part);
    assert_non_null(to);
    return to;
}

static bool is_type(const json_t *v, const char *type)
{
    return strcmp(type, "object") == 0 ? json_is_object(v)
         : strcmp(type, "array") == 0 ? json_is_array(v)
         : strcmp(type, "string") == 0 ? json_is_string(v)
         : strcmp(type, "integer") == 0 ? json_is_integer(v)
         : strcmp(type, "number") == 0 ? json_is_number(v)
         : strcmp(type, "boolean") == 0 ? json_is_boolean(v) : json_is_null(v);
}

static void check_type(json_t *type, const json_t *v, const char *where)
{
    bool fits = !type;
    json_t *one;
    size_t i;

    if (json_is_string(type))
        fits = is_type(v, json_string_value(type));
    json_array_foreach(type, i, one)
        fits |= is_type(v, json_string_value(one));
    if (!fits)
        fail_msg("%s: another type than described", where);
}

/* `v` against `schema`. With `closed`, an object of a described kind has no other fields. */
static void check(json_t *schema, json_t *v, const char *where)
{
    json_t *properties, *others, *one, *list;
    const char *key;
    char at[512];
    size_t i;

    schema = resolve(schema);
    check_type(json_object_get(schema, "type"), v, where);
    list = json_object_get(schema, "enum");
    if (list) {
        bool there = false;
        json_array_foreach(list, i, one)
            there |= json_equal(one, v);
        if (!there)
            fail_msg("%s: none of the values described", where);
    }
    if (json_is_array(v) && json_object_get(schema, "items"))
        json_array_foreach(v, i, one) {
            snprintf(at, sizeof at, "%.400s[%zu]", where, i);
            check(json_object_get(schema, "items"), one, at);
        }
    if (!json_is_object(v))
        return;
    properties = json_object_get(schema, "properties");
    others = json_object_get(schema, "additionalProperties");
    json_array_foreach(json_object_get(schema, "required"), i, one)
        if (!json_object_get(v, json_string_value(one)))
            fail_msg("%s: no %s", where, json_string_value(one));
    json_object_foreach(v, key, one) {
        json_t *known = json_object_get(properties, key);
        snprintf(at, sizeof at, "%.400s.%s", where, key);
        if (!known && properties && !others)
            fail_msg("%s is not described", at);
        if (known || json_is_object(others))
            check(known ? known : others, one, at);
    }
}

/* ---- Answers --------------------------------------------------------- */

/* The description of an answer: of its status, else the default. */
static json_t *described(const char *path, const char *method, int status)
{
    json_t *o = json_object_get(json_object_get(json_object_get(document, "paths"), path), method);
    json_t *responses = json_object_get(o, "responses"), *r;
    char text[8];

    snprintf(text, sizeof text, "%d", status);
    r = json_object_get(responses, text);
    if (!r)
        r = json_object_get(responses, "default");
    if (!r)
        fail_msg("%s %s: %d is not described", method, path, status);
    return resolve(r);
}

static void check_answer(const char *path, const char *method, const answer *a)
{
    json_t *content = json_object_get(described(path, method, a->status), "content"), *media, *v;
    const char *type = strstr(a->head, "Content-Type: ");
    char name[64];
    rs_err err = {0};

    if (!content) {
        assert_int_equal(a->body_len, 0);
        return;
    }
    assert_non_null(type);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(type + 14, ";\r"), type + 14);
    media = json_object_get(content, name);
    if (!media)
        fail_msg("%s %s: %d of %s is not described", method, path, a->status, name);
    if (!strstr(name, "json"))
        return;
    ok(rs_json_parse(&v, a->body, a->body_len, "answer", &err), &err);
    check(json_object_get(media, "schema"), v, path);
    json_decref(v);
}

static void test_answers(void **state)
{
    static const struct { const char *path, *request; int status; } rows[] = {
        {"/healthz", REQUEST("GET /healthz"), 200},
        {"/metrics", REQUEST("GET /metrics"), 200},
        {"/readyz", REQUEST("GET /readyz"), 200},
        {"/v1/openapi.json", REQUEST("GET /v1/openapi.json"), 200},
        {"/v1/stats", REQUEST("GET /v1/stats"), 200},
        {"/v1/facets", REQUEST("GET /v1/facets?attribute=n"), 200},
        {"/v1/facets", REQUEST("GET /v1/facets?filter=modality:"), 400},
        {"/v1/cases/{key}", REQUEST("GET /v1/cases/case-37"), 200},
        {"/v1/cases/{key}", REQUEST("GET /v1/cases/nobody"), 404},
        {"/v1/images/{key}/{n}", REQUEST("GET /v1/images/nobody/0"), 404},
        {"/v1/images/{key}/{n}", REQUEST("GET /v1/images/case-37/9"), 404},
        {"/v1/cases/{key}", REQUEST("GET /v1/cases/drawn"), 200},
        {"/v1/cases/{key}/similar", REQUEST("GET /v1/cases/case-37/similar?k=5"), 200},
        {"/v1/cases/{key}/similar", REQUEST("GET /v1/cases/drawn/similar?image=0"), 200},
        {"/v1/cases/{key}/similar", REQUEST("GET /v1/cases/case-37/similar?k=0"), 400},
        {"/v1/cases/{key}/similar", REQUEST("GET /v1/cases/nobody/similar"), 404},
        {"/v1/images/{key}/{n}", REQUEST("GET /v1/images/drawn/0"), 200},
        {"/v1/images/{key}/{n}/thumbnail", REQUEST("GET /v1/images/drawn/0/thumbnail"), 200},
        {"/v1/images/{key}/{n}/thumbnail", REQUEST("GET /v1/images/drawn/1/thumbnail"), 422},
        {"/v1/images/{key}/{n}/thumbnail", REQUEST("GET /v1/images/drawn/2/thumbnail"), 404},
        {"/v1/images/{key}/{n}/display", REQUEST("GET /v1/images/drawn/0/display"), 200},
        {"/v1/images/{key}/{n}/display",
         REQUEST("GET /v1/images/drawn/0/display?window=40,400"), 200},
        {"/v1/images/{key}/{n}/display", REQUEST("GET /v1/images/drawn/0/display?window=4"), 400},
        {"/v1/images/{key}/{n}/display", REQUEST("GET /v1/images/nobody/0/display"), 404},
        {"/v1/images/{key}/{n}/gray16", REQUEST("GET /v1/images/drawn/0/gray16"), 200},
        {"/v1/images/{key}/{n}/gray16", REQUEST("GET /v1/images/drawn/1/gray16"), 422},
    };
    static const struct { const char *json; int status; } searches[] = {
        {"{\"text\":\"effusion\"}", 200},
        {"{\"text\":\"left nodule\",\"explain\":true,\"contrast\":true,\"k\":50}", 200},
        {"{\"like\":\"case-37\",\"explain\":true,\"fusion\":\"minmax\",\"rescore\":5}", 200},
        {"{\"text\":[\"mass\",\"lung\"],\"filter\":\"modality:CT\",\"keep_patients\":true}", 200},
        {"{\"parts\":[{\"text\":\"mass\",\"weight\":2},{\"like\":\"case-74\",\"weight\":-1}]}",
         200},
        {"{\"k\":0}", 400},
        {"{\"like\":\"nobody\"}", 404},
    };
    static const struct { const char *path, *json; int status; } questions[] = {
        {"/v1/context", "{\"text\":\"left nodule\"}", 200},
        {"/v1/context", "{\"like\":\"case-37\",\"template\":\"report-draft\",\"budget\":200}",
         200},
        {"/v1/context", "{\"text\":\"mass\",\"budget\":1}", 400},
        {"/v1/ask", "{\"text\":\"left nodule\"}", 200},
        {"/v1/ask", "{\"text\":\"zebra\"}", 200},
        {"/v1/ask", "{\"like\":\"case-37\",\"template\":\"differential\","
                    "\"policy\":\"withhold\"}", 200},
        {"/v1/ask", "{\"text\":\"mass\",\"template\":\"quiz-feedback\","
                    "\"learner\":\"a mass\"}", 200},
        {"/v1/ask", "{\"text\":\"mass\",\"generator\":\"none\"}", 400},
    };
    served v;

    (void)state;
    serve_plan(&v);
    serve_begin(&v);
    for (int i = 0; ask(v.port, REQUEST("GET /readyz")).status != 200; i++) {
        assert_true(i < 500);
        pause_ms(10);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        answer a = ask(v.port, rows[i].request);
        if (a.status != rows[i].status)
            fail_msg("%s: %d %s", rows[i].request, a.status, a.body);
        check_answer(rows[i].path, "get", &a);
    }
    for (size_t i = 0; i < sizeof searches / sizeof *searches; i++) {
        answer a = ask_search(v.port, searches[i].json);
        if (a.status != searches[i].status)
            fail_msg("%s: %d %s", searches[i].json, a.status, a.body);
        check_answer("/v1/search", "post", &a);
    }
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        answer a = ask_post(v.port, questions[i].path, questions[i].json);
        if (a.status != questions[i].status)
            fail_msg("%s: %d %s", questions[i].json, a.status, a.body);
        check_answer(questions[i].path, "post", &a);
    }
    serve_end(&v);
}

/* ---- Cases in and out ------------------------------------------------- */

/* POST, PUT or DELETE; `form` is a body whose boundary is x, `json` one that is none. */
static answer send_case(int port, const char *line, const char *fields, const char *form,
                        const char *json)
{
    const char *body = form ? form : json ? json : "";
    char request[4096];

    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: localhost\r\n%s%s%sContent-Length: "
             "%zu\r\n\r\n%s", line, fields, form ? "Content-Type: multipart/form-data; boundary=x\r\n"
             : "", json ? "Content-Type: application/json\r\n" : "", strlen(body), body);
    return ask(port, request);
}

#define PART(name, text) "--x\r\nContent-Disposition: form-data; name=" name "\r\n\r\n" text "\r\n"
#define KEY_FIELD "Idempotency-Key: k1\r\n"

static void test_cases(void **state)
{
    static const struct {
        const char *path, *line, *fields, *form, *json;
        int status;
    } rows[] = {
        {"/v1/cases", "POST /v1/cases", KEY_FIELD, NULL, "{\"id\":\"a\",\"report\":\"Mass.\"}", 201},
        {"/v1/cases", "POST /v1/cases", KEY_FIELD, NULL, "{\"id\":\"a\",\"report\":\"Mass.\"}", 201},
        {"/v1/cases", "POST /v1/cases", KEY_FIELD, NULL, "{\"id\":\"b\",\"report\":\"Mass.\"}", 422},
        {"/v1/cases", "POST /v1/cases", "", NULL, "{\"id\":\"a\",\"report\":\"Mass.\"}", 409},
        {"/v1/cases", "POST /v1/cases", "", NULL, "{}", 400},
        {"/v1/cases", "POST /v1/cases", "", NULL, NULL, 415},
        {"/v1/cases", "POST /v1/cases", "", PART("case", "{\"title\":\"Mass\"}") PART("image", "junk")
         "--x--", NULL, 201},
        {"/v1/cases", "POST /v1/cases", "", PART("case", "{}") PART("image", "junk") "--x--", NULL, 422},
        {"/v1/cases/{key}", "PUT /v1/cases/a", "", NULL, "{\"report\":\"Mass.\",\"id\":\"a\"}", 200},
        {"/v1/cases/{key}", "PUT /v1/cases/a", "", NULL, "{\"report\":\"No mass.\"}", 200},
        {"/v1/cases/{key}", "PUT /v1/cases/c", "", NULL, "{\"report\":\"No mass.\"}", 201},
        {"/v1/cases/{key}", "PUT /v1/cases/c", "", NULL, "{\"id\":\"d\"}", 400},
        {"/v1/cases/{key}", "DELETE /v1/cases/c", "", NULL, NULL, 204},
        {"/v1/cases/{key}", "DELETE /v1/cases/c", "", NULL, NULL, 404},
        {"/v1/cases/{key}", "DELETE /v1/cases/a?erase=1", "", NULL, NULL, 400},
        {"/v1/cases/{key}", "DELETE /v1/cases/a?erase=true", "", NULL, NULL, 200},
    };
    char folder[64], model[64];
    rs_encoder *e;
    rs_err err = {0};
    served v;

    (void)state;
    memcpy(folder, serve_folder, sizeof folder);
    make_folder(serve_folder);
    make_folder(model);
    ok(tiny_model_write(model, 7, &err), &err);
    ok(rs_encoder_open(&e, model, &err), &err);
    rs_archive_close(open_archive(serve_folder, RS_ARCHIVE_WRITE));
    serve_plan(&v);
    v.plan.service.encoder = e;
    serve_begin(&v);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char method[8];
        answer a = send_case(v.port, rows[i].line, rows[i].fields, rows[i].form, rows[i].json);
        if (a.status != rows[i].status)
            fail_msg("row %zu: %s: %d %s", i, rows[i].line, a.status, a.body);
        snprintf(method, sizeof method, "%.*s", (int)strcspn(rows[i].line, " "), rows[i].line);
        for (char *c = method; *c; c++)
            *c = (char)(*c | 0x20);
        check_answer(rows[i].path, method, &a);
    }
    serve_end(&v);
    rs_encoder_close(e);
    remove_folder(model);
    remove_folder(serve_folder);
    memcpy(serve_folder, folder, sizeof folder);
}

/* ---- Judgments ------------------------------------------------------- */

static void test_judgments(void **state)
{
    static const struct { const char *json; int status; } said[] = {
        {"{\"query\":{\"text\":[\"b\",\"a\"],\"like\":\"case-74\",\"filter\":\"sex:F\"},"
         "\"case\":\"case-37\",\"verdict\":\"same_finding\",\"note\":\"n\"}", 201},
        {"{\"query\":{\"text\":[\"a\",\"b\"],\"like\":\"case-74\",\"filter\":\"sex:F\"},"
         "\"case\":\"case-37\",\"verdict\":\"not_relevant\"}", 200},
        {"{\"query\":{\"text\":\"mass\"},\"case\":\"nobody\",\"verdict\":\"relevant\"}", 404},
        {"{\"query\":{\"text\":\"mass\"},\"case\":\"case-37\",\"verdict\":\"good\"}", 400},
    };
    served v;
    answer a;

    (void)state;
    serve_plan(&v);
    serve_begin(&v);
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        a = ask_post(v.port, "/v1/judgments", said[i].json);
        if (a.status != said[i].status)
            fail_msg("%s: %d %s", said[i].json, a.status, a.body);
        check_answer("/v1/judgments", "post", &a);
    }
    a = ask(v.port, REQUEST("GET /v1/judgments"));
    assert_int_equal(a.status, 200);
    check_answer("/v1/judgments", "get", &a);
    a = ask(v.port, REQUEST("GET /v1/judgments?limit=0"));
    assert_int_equal(a.status, 400);
    check_answer("/v1/judgments", "get", &a);
    a = ask(v.port, REQUEST("DELETE /v1/judgments/1"));
    assert_int_equal(a.status, 204);
    check_answer("/v1/judgments/{id}", "delete", &a);
    a = ask(v.port, REQUEST("DELETE /v1/judgments/1"));
    assert_int_equal(a.status, 404);
    check_answer("/v1/judgments/{id}", "delete", &a);
    serve_end(&v);
}

/* ---- The archive ----------------------------------------------------- */

/* A case with a picture, a file that is none, and one that is not there. */
static void put_drawn(rs_archive *a)
{
    static char paths[2][96];
    rs_image im = {0};
    rs_err err = {0};
    float x[DIM] = {1};
    rs_case_image list[] = {{.path = paths[0], .width = 30, .height = 20, .vector = x},
                            {.path = paths[1], .width = 30, .height = 20, .vector = x}};
    const rs_case c = {.key = "drawn", .source = "test", .age_years = -1, .digest = "d",
                       .images = list, .n_images = 2};

    snprintf(paths[0], sizeof paths[0], "%s/drawn.png", serve_folder);
    snprintf(paths[1], sizeof paths[1], "%s/page.png", serve_folder);
    ok(rs_image_new(&im, 30, 20, 1, 16, &err), &err);
    ok(rs_image_save_png(&im, paths[0], &err), &err);
    ok(rs_file_write(paths[1], "<p>no picture</p>", 17, &err), &err);
    rs_image_clear(&im);
    put_one(a, &c);
}

static int make_archive(void **state)
{
    rs_random rnd = rs_random_seed(3);
    rs_archive *a;
    random_case c;
    rs_err err = {0};
    size_t len;
    const char *text = rs_openapi(&len);

    (void)state;
    ok(rs_json_parse(&document, text, len, "openapi.json", &err), &err);
    make_folder(serve_folder);
    a = open_writer(serve_folder);
    for (size_t i = 0; i < 40; i++) {
        make_case(&c, &rnd, i);
        put_one(a, &c.c);
    }
    put_drawn(a);
    ok(rs_archive_rebuild(a, &err), &err);
    rs_archive_close(a);
    return 0;
}

static int drop_archive(void **state)
{
    (void)state;
    json_decref(document);
    remove_folder(serve_folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_judgments),
    };
    return cmocka_run_group_tests(tests, make_archive, drop_archive);
}
