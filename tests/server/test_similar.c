/* test_similar.c - cases like a case by GET: what a search by POST finds, and what one image of
 * it finds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "served.h"

#include "base/json.h"

static json_t *parsed(const answer *a)
{
    json_t *o = NULL;
    rs_err err = {0};

    ok(rs_json_parse(&o, a->body, a->body_len, "answer", &err), &err);
    return o;
}

static answer ask_similar(int port, const char *rest)
{
    char request[256];

    snprintf(request, sizeof request, "GET /v1/cases/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", rest);
    return ask(port, request);
}

/* The hits' keys and scores, a line each, in `out`. */
static size_t hits_of(const answer *a, char *out, size_t size)
{
    json_t *o, *hit;
    size_t i, len = 0;

    if (a->status != 200)
        fail_msg("%d %s", a->status, a->body);
    o = parsed(a);
    out[0] = '\0';
    json_array_foreach(json_object_get(o, "hits"), i, hit)
        len += (size_t)snprintf(out + len, size - len, "%s %.9g\n",
                                json_string_value(json_object_get(hit, "case")),
                                json_number_value(json_object_get(hit, "score")));
    i = json_array_size(json_object_get(o, "hits"));
    json_decref(o);
    return i;
}

static void test_as_a_search(void **state)
{
    static const struct { const char *get, *post; } rows[] = {
        {"case-37/similar", "{\"like\":\"case-37\"}"},
        {"case-37/similar?k=3", "{\"like\":\"case-37\",\"k\":3}"},
        {"case-74/similar?k=20&filter=modality%3ACR&depth=200",
         "{\"like\":\"case-74\",\"k\":20,\"depth\":200,\"filter\":\"modality:CR\"}"},
    };
    char got[4096], want[4096];
    served v;

    (void)state;
    serve_plan(&v);
    serve_begin(&v);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        answer a = ask_search(v.port, rows[i].post);
        size_t n = hits_of(&a, want, sizeof want);
        a = ask_similar(v.port, rows[i].get);
        assert_int_equal(hits_of(&a, got, sizeof got), n);
        assert_string_equal(got, want);
        assert_true(n > 0);
        assert_null(strstr(got, i < 2 ? "case-37 " : "case-74 "));
    }
    serve_end(&v);
}

/* Of a case whose two images are near different cases, each finds its own. */
static void test_one_image(void **state)
{
    char got[4096];
    served v;
    answer a;

    (void)state;
    serve_plan(&v);
    serve_begin(&v);
    a = ask_similar(v.port, "both/similar?k=1&image=0");
    hits_of(&a, got, sizeof got);
    assert_memory_equal(got, "north ", 6);
    a = ask_similar(v.port, "both/similar?k=1&image=1");
    hits_of(&a, got, sizeof got);
    assert_memory_equal(got, "south ", 6);
    a = ask_similar(v.port, "both/similar?k=50");
    hits_of(&a, got, sizeof got);
    assert_non_null(strstr(got, "north "));
    assert_non_null(strstr(got, "south "));
    assert_null(strstr(got, "both "));
    assert_int_equal(ask_similar(v.port, "both/similar?image=2").status, 404);
    assert_int_equal(ask_similar(v.port, "north/similar?image=1").status, 404);
    serve_end(&v);
}

static void test_wrong(void **state)
{
    static const struct { const char *rest, *field; } rows[] = {
        {"both/similar?k=0", "k"}, {"both/similar?k=1001", "k"}, {"both/similar?k=", "k"},
        {"both/similar?k=-1", "k"}, {"both/similar?k=1.0", "k"}, {"both/similar?depth=0", "depth"},
        {"both/similar?depth=99999999999999999999", "depth"}, {"both/similar?image=x", "image"},
        {"both/similar?image=1000000", "image"}, {"both/similar?k=1&k=1", "k"},
        {"both/similar?like=north", "like"}};
    served v;

    (void)state;
    serve_plan(&v);
    serve_begin(&v);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        answer a = ask_similar(v.port, rows[i].rest);
        json_t *o = parsed(&a);
        const char *field = json_string_value(json_object_get(o, "field"));
        if (a.status != 400 || !field || strcmp(field, rows[i].field) != 0)
            fail_msg("%s: %d %s", rows[i].rest, a.status, a.body);
        json_decref(o);
    }
    assert_int_equal(ask_similar(v.port, "both/similar?filter=modality:").status, 400);
    assert_int_equal(ask_similar(v.port, "nobody/similar").status, 404);
    assert_int_equal(ask_similar(v.port, "nobody/similar?image=0").status, 404);
    serve_end(&v);
}

/* ---- The archive ----------------------------------------------------- */

static void put_vectors(rs_archive *a, const char *key, const int *axis, size_t n)
{
    static const char *const paths[] = {"/images/a.png", "/images/b.png"};
    float x[2][DIM] = {{0}};
    rs_case_image im[2];
    rs_case c = {.key = key, .source = "test", .age_years = -1, .digest = "d", .images = im,
                 .n_images = n};

    for (size_t i = 0; i < n; i++) {
        x[i][axis[i]] = 1;
        im[i] = (rs_case_image){.path = paths[i], .width = 1, .height = 1, .vector = x[i]};
    }
    put_one(a, &c);
}

static int make_archive(void **state)
{
    rs_random rnd = rs_random_seed(3);
    rs_archive *a;

    (void)state;
    make_folder(serve_folder);
    a = open_writer(serve_folder);
    for (size_t i = 0; i < 40; i++) {
        random_case c;
        make_case(&c, &rnd, i);
        put_one(a, &c.c);
    }
    put_vectors(a, "both", (const int[]){0, 1}, 2);
    put_vectors(a, "north", (const int[]){0}, 1);
    put_vectors(a, "south", (const int[]){1}, 1);
    rs_archive_close(a);
    return 0;
}

static int drop_archive(void **state)
{
    (void)state;
    remove_folder(serve_folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_a_search),
        cmocka_unit_test(test_one_image),
        cmocka_unit_test(test_wrong),
    };
    return cmocka_run_group_tests(tests, make_archive, drop_archive);
}
