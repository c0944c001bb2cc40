/* test_access.c - random access lists over a random archive: whatever a token asks, nothing of
 * a case outside of its collections comes back, neither named, counted, folded, contrasted
 * nor told apart from a case that was never there.
 *
 * Who may see what is worked out here once more, without filters. Cases of one patient and
 * with one picture lie in different collections on purpose, so that folding and contrast
 * would reach over.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fake_generator.h"
#include "served.h"

#include "base/json.h"
#include "server/generators.h"
#include "server/tokens.h"

#include <strings.h>

enum { CASES = 90, TOKENS = 14, COLLECTIONS = 7 };

static const char *const collections[COLLECTIONS] = {
    "chest", "CHEST", "a\"b\\c", "x) or (case:*", "*", "", "trauma"};

static struct { char key[32]; const char *collection; char patient[16]; bool seen; } cases[CASES];
static struct {
    char        text[RS_TOKEN_TEXT];
    const char *list[COLLECTIONS];
    size_t      n;
} holders[TOKENS];
static char picture[96], tokens[96];

/* ---- The archive ----------------------------------------------------- */

static void put_cases(void)
{
    rs_random rnd = rs_random_seed(5);
    rs_archive *a = open_writer(serve_folder);

    for (size_t i = 0; i < CASES; i++) {
        static random_case r;
        char sha[65];
        const size_t which = rs_random_below(&rnd, COLLECTIONS + 1);
        make_case(&r, &rnd, i);
        snprintf(cases[i].key, sizeof cases[i].key, "key%04zu-%08llx", i,
                 (unsigned long long)(rs_random_u64(&rnd) & 0xffffffff));
        snprintf(cases[i].patient, sizeof cases[i].patient, "P%zu", i % 9);
        snprintf(sha, sizeof sha, "%064zu", i % 20);
        cases[i].collection = which < COLLECTIONS ? collections[which] : NULL;
        r.c.key = cases[i].key;
        r.c.title = cases[i].key;
        r.c.patient = cases[i].patient;
        r.c.collection = cases[i].collection;
        r.c.attributes = rs_random_below(&rnd, 2) ? "{\"scanner\":\"A\"}" : "{\"scanner\":\"B\"}";
        for (size_t k = 0; k < r.c.n_images; k++) {
            r.images[k].path = picture;
            r.images[k].sha256 = sha;            /* one file, as far as folding can tell */
        }
        put_one(a, &r.c);
    }
    rs_archive_close(a);
}

static void make_tokens(void)
{
    rs_random rnd = rs_random_seed(6);
    rs_err err = {0};

    for (size_t t = 0; t < TOKENS; t++) {
        rs_bearer want = {.role = RS_ROLE_ADMIN};
        char name[16];
        snprintf(name, sizeof name, "t%zu", t);
        while (holders[t].n == 0)
            for (size_t k = 0; k < COLLECTIONS; k++)
                if (rs_random_below(&rnd, 3) == 0 && *collections[k])
                    holders[t].list[holders[t].n++] = collections[k];
        if (t == 0) {                          /* of nothing that there is */
            holders[t].list[0] = "nowhere";
            holders[t].n = 1;
        }
        want.name = name;
        want.collections = holders[t].list;
        want.n_collections = holders[t].n;
        ok(rs_bearers_add(tokens, &want, holders[t].text, &err), &err);
    }
}

static int make(void **state)
{
    rs_err err = {0};

    (void)state;
    make_folder(serve_folder);
    snprintf(tokens, sizeof tokens, "%s.tokens", serve_folder);
    snprintf(picture, sizeof picture, "%s/picture", serve_folder);
    put_cases();
    ok(rs_file_write(picture, "pixels", 6, &err), &err);
    make_tokens();
    return 0;
}

static int drop(void **state)
{
    static const char *const suffixes[] = {".tokens", ".tokens.lock", ".audit", ".audit.lock"};
    char name[128];

    (void)state;
    remove_folder(serve_folder);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        snprintf(name, sizeof name, "%s%s", serve_folder, suffixes[i]);
        unlink(name);
    }
    return 0;
}

/* cases[].seen for one token; how many. */
static size_t see(size_t t)
{
    size_t n = 0;

    for (size_t i = 0; i < CASES; i++) {
        cases[i].seen = false;
        for (size_t k = 0; k < holders[t].n && cases[i].collection; k++)
            cases[i].seen |= strcasecmp(holders[t].list[k], cases[i].collection) == 0;
        n += cases[i].seen;
    }
    return n;
}

/* ---- Asking ---------------------------------------------------------- */

static answer ask_as(int port, size_t t, const char *line, const char *body)
{
    char request[4096];

    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: localhost\r\n"
             "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s", line, holders[t].text, body ? strlen(body) : 0, body ? body : "");
    if (!body)
        snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: localhost\r\n"
                 "Authorization: Bearer %s\r\n\r\n", line, holders[t].text);
    return ask(port, request);
}

/* Nothing of a case that is not seen; how many that are seen are named. */
static size_t check_names(size_t t, const char *what, const answer *a)
{
    size_t named = 0;

    for (size_t i = 0; i < CASES; i++) {
        const bool there = strstr(a->body, cases[i].key) != NULL;
        if (there && !cases[i].seen)
            fail_msg("token %zu, %s: %s leaks\n%.2000s", t, what, cases[i].key, a->body);
        named += there;
    }
    return named;
}

static json_t *parsed(const answer *a)
{
    json_t *o = NULL;
    rs_err err = {0};

    ok(rs_json_parse(&o, a->body, a->body_len, "answer", &err), &err);
    return o;
}

static size_t number(const json_t *o, const char *key)
{
    return (size_t)json_integer_value(json_object_get(o, key));
}

/* ---- Searches -------------------------------------------------------- */

static const char *const queries[] = {
    "{\"text\":\"effusion nodule left\",\"k\":100,\"explain\":true}",
    "{\"text\":\"effusion\",\"k\":100,\"contrast\":true}",
    "{\"text\":\"mass normal\",\"k\":100,\"contrast\":true,\"keep_patients\":true,"
    "\"keep_duplicates\":true}",
    "{\"text\":\"heart lung\",\"k\":5,\"diversity\":0.5}",
    "{\"text\":\"-effusion nodule\",\"k\":100}",
    "{\"text\":\"small\",\"k\":100,\"filter\":\"case:*\"}",
    "{\"text\":\"small\",\"k\":100,\"filter\":\"collection:* or not collection:*\"}",
    "{\"text\":\"small\",\"k\":100,\"filter\":\"not case:nobody\"}",
    "{\"text\":\"left\",\"k\":100,\"filter\":\"modality:CT or modality:CR or patient:P1|P2\"}",
    "{\"text\":\"left\",\"k\":100,\"filter\":\"collection:chest|trauma|\\\"*\\\"\"}",
};

static void test_searches(void **state)
{
    static const char *const broken[] = {
        "{\"text\":\"left\",\"filter\":\"modality:CT) or (case:*\"}",
        "{\"text\":\"left\",\"filter\":\")\"}", "{\"text\":\"left\",\"filter\":\"\"}",
        "{\"text\":\"left\",\"filter\":\"case:\\\"\"}"};
    size_t named = 0, folded = 0, contrasts = 0;
    served v;

    (void)state;
    serve_plan(&v);
    serve_begin(&v);
    for (size_t t = 0; t < TOKENS; t++) {
        const size_t n = see(t);
        answer a;
        for (size_t q = 0; q < sizeof queries / sizeof *queries; q++) {
            a = ask_as(v.port, t, "POST /v1/search", queries[q]);
            if (a.status != 200)
                fail_msg("%s: %s", queries[q], a.body);
            named += check_names(t, queries[q], &a);
            folded += strstr(a.body, "\"why\":\"same p") != NULL;
            contrasts += strstr(a.body, "\"contrast\":{") != NULL;
            if (n == 0)
                assert_non_null(strstr(a.body, "\"hits\":[]"));
        }
        for (size_t q = 0; q < sizeof broken / sizeof *broken; q++) {
            a = ask_as(v.port, t, "POST /v1/search", broken[q]);
            assert_int_equal(a.status, 400);
            for (size_t k = 0; k < holders[t].n; k++)          /* nor how it is done */
                assert_null(strstr(a.body, "collection:"));
        }
    }
    assert_true(named > 500);                  /* it did find what may be seen, */
    assert_true(folded > 10);                  /* and had to leave out */
    assert_true(contrasts > 10);
    serve_end(&v);
}

/* "like" and the case itself, seen or not; a hidden one is as one that never was. */
static void test_cases(void **state)
{
    static const char *const lines[] = {
        "GET /v1/cases/%s", "GET /v1/images/%s/0", "GET /v1/images/%s/9",
        "GET /v1/images/%s/0/thumbnail", "GET /v1/images/%s/0/display?window=1,1",
        "GET /v1/images/%s/0/gray16", "GET /v1/cases/%s/similar?k=100",
        "GET /v1/cases/%s/similar?k=100&image=0"};
    char line[128], body[192], never[512], *at;
    size_t found = 0;
    served v;

    (void)state;
    serve_plan(&v);
    v.plan.config.rate = 0;
    serve_begin(&v);
    for (size_t t = 0; t < TOKENS; t += 2) {
        see(t);
        for (size_t i = 0; i < CASES; i += 3) {
            char other[32];
            answer a;
            snprintf(other, sizeof other, "%s", cases[i].key);
            other[0] = 'K';                    /* keys are compared to the byte */
            for (size_t l = 0; l < sizeof lines / sizeof *lines; l++) {
                snprintf(line, sizeof line, lines[l], other);
                a = ask_as(v.port, t, line, NULL);
                assert_int_equal(a.status, 404);
                snprintf(never, sizeof never, "%s", a.body);
                if ((at = strstr(never, other)) != NULL)
                    *at = 'k';
                snprintf(line, sizeof line, lines[l], cases[i].key);
                a = ask_as(v.port, t, line, NULL);
                if (!cases[i].seen && (a.status != 404 || strcmp(a.body, never) != 0))
                    fail_msg("%s: %d %s", line, a.status, a.body);
                if (cases[i].seen && l == 0)
                    assert_int_equal(a.status, 200);
                if (l >= 6 && a.status == 200)
                    check_names(t, line, &a);
                found += a.status == 200;
            }
            snprintf(body, sizeof body, "{\"like\":\"%s\",\"k\":100,\"contrast\":true}", other);
            a = ask_as(v.port, t, "POST /v1/search", body);
            assert_int_equal(a.status, 404);
            snprintf(never, sizeof never, "%s", a.body);
            if ((at = strstr(never, other)) != NULL)
                *at = 'k';
            snprintf(body, sizeof body, "{\"like\":\"%s\",\"k\":100,\"contrast\":true}",
                     cases[i].key);
            a = ask_as(v.port, t, "POST /v1/search", body);
            if (cases[i].seen) {
                assert_int_equal(a.status, 200);
                check_names(t, body, &a);
            } else if (a.status != 404 || strcmp(a.body, never) != 0) {
                fail_msg("%s: %d %s", body, a.status, a.body);
            }
        }
    }
    assert_true(found > 50);
    serve_end(&v);
}

/* ---- Answers --------------------------------------------------------- */

static void speak(fake *f, int fd, int number, const char *request)
{
    (void)number;
    (void)request;
    fake_answer(f, fd, "There is an effusion [1]. And so it is in [24].", 5);
}

/* Neither evidence nor answers, nor what a generator is told. */
static void test_answers(void **state)
{
    static const char *const lines[] = {"POST /v1/context", "POST /v1/ask"};
    rs_generators *g = NULL;
    rs_err err = {0};
    size_t named = 0, told = 0;
    char text[256];
    served v;
    fake f;

    (void)state;
    fake_begin(&f, speak, NULL);
    snprintf(text, sizeof text, "{\"generators\": {\"a\": {\"url\": \"http://127.0.0.1:%d/v1\"}}, "
             "\"templates\": {\"*\": {\"draft\": \"a\"}}}", f.port);
    ok(rs_generators_read(&g, text, strlen(text), "test", &err), &err);
    serve_plan(&v);
    v.plan.service.generators = g;
    v.plan.config.rate = 0;
    serve_begin(&v);
    for (size_t t = 0; t < TOKENS; t++) {
        see(t);
        for (size_t q = 0; q < sizeof queries / sizeof *queries; q++)
            for (size_t l = 0; l < 2; l++) {
                answer a = ask_as(v.port, t, lines[l], queries[q]);
                if (a.status != 200)
                    fail_msg("%s: %s", queries[q], a.body);
                named += check_names(t, queries[q], &a);
            }
        pthread_mutex_lock(&f.lock);
        if (f.last) {
            const answer a = {.body = f.last};
            told += check_names(t, "the generator", &a);
        }
        pthread_mutex_unlock(&f.lock);
    }
    assert_true(named > 500 && told > 10);
    serve_end(&v);
    fake_end(&f);
    rs_generators_free(g);
}

/* ---- Counts ---------------------------------------------------------- */

/* The count of `value` in facet `name`. */
static size_t facet_value(const json_t *o, const char *name, const char *value)
{
    json_t *facet, *v;
    size_t i, k;

    json_array_foreach(json_object_get(o, "facets"), i, facet)
        if (strcmp(json_string_value(json_object_get(facet, "facet")), name) == 0)
            json_array_foreach(json_object_get(facet, "values"), k, v)
                if (strcasecmp(json_string_value(json_object_get(v, "value")), value) == 0)
                    return number(v, "cases");
    return 0;
}

static void test_counts(void **state)
{
    served v;

    (void)state;
    serve_plan(&v);
    serve_begin(&v);
    for (size_t t = 0; t < TOKENS; t++) {
        const size_t n = see(t);
        answer a = ask_as(v.port, t, "GET /v1/stats", NULL);
        json_t *o = parsed(&a);
        size_t sum = 0;
        const char *key;
        json_t *count;
        assert_int_equal(number(o, "cases"), n);
        json_object_foreach(json_object_get(o, "modalities"), key, count)
            sum += (size_t)json_integer_value(count);
        assert_int_equal(sum, n);
        assert_true(number(o, "images") <= 3 * n);
        assert_true(number(o, "passages") <= 3 * n);
        assert_int_equal(number(o, "catalog_bytes"), 0);
        json_decref(o);
        a = ask_as(v.port, t, "GET /v1/facets?attribute=scanner&filter=case:*", NULL);
        assert_int_equal(a.status, 200);
        o = parsed(&a);
        assert_int_equal(number(o, "cases"), n);
        assert_int_equal(number(o, "passing"), n);
        assert_int_equal(facet_value(o, "attr.scanner", "A") +
                         facet_value(o, "attr.scanner", "B"), n);
        for (size_t c = 0; c < COLLECTIONS; c++) {
            size_t want = 0;
            for (size_t i = 0; i < CASES; i++)
                want += cases[i].seen && strcasecmp(cases[i].collection, collections[c]) == 0;
            assert_int_equal(facet_value(o, "collection", collections[c]), want);
        }
        json_decref(o);
        a = ask_as(v.port, t, "GET /v1/facets?filter=patient:P1", NULL);
        o = parsed(&a);
        for (size_t i = 1, want = 0; i < CASES; i += 9) {
            want += cases[i].seen;
            if (i + 9 >= CASES)
                assert_int_equal(number(o, "passing"), want);
        }
        json_decref(o);
        assert_int_equal(ask_as(v.port, t, "GET /v1/facets?filter=)+or+(case:*", NULL).status, 400);
        assert_int_equal(ask_as(v.port, t, "GET /v1/events", NULL).status, 403);
        a = ask(v.port, REQUEST("GET /readyz"));
        assert_null(strstr(a.body, "cases"));
    }
    serve_end(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_searches), cmocka_unit_test(test_cases),
        cmocka_unit_test(test_answers),  cmocka_unit_test(test_counts),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
