/* test_serving.c - the archive over HTTP: searches, cases, files, what another process adds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "served.h"

#include "base/hash.h"
#include "base/json.h"
#include "embeddings/image.h"

static char files[64];             /* a folder of pictures */
static char image_path[3][128], image_sha[3][RS_SHA256_HEX];
static size_t image_len[3];

/* ---- The archive ----------------------------------------------------- */

static void write_file(int i, const char *name, const void *bytes, size_t len)
{
    rs_err err = {0};

    snprintf(image_path[i], sizeof image_path[i], "%s/%s", files, name);
    ok(rs_file_write(image_path[i], bytes, len, &err), &err);
    ok(rs_sha256_of(image_sha[i], bytes, len, &err), &err);
    image_len[i] = len;
}

static void write_files(void)
{
    rs_random rnd = rs_random_seed(1);
    rs_image im = {0};
    rs_err err = {0};
    char *png;
    size_t len;

    ok(rs_image_new(&im, 300, 400, 1, 8, &err), &err);
    for (size_t i = 0; i < 300 * 400; i++)
        ((unsigned char *)im.pixels)[i] = (unsigned char)rs_random_below(&rnd, 256);
    ok(rs_image_to_png(&png, &len, &im, &err), &err);
    write_file(0, "a.png", png, len);
    rs_free(png);
    rs_image_clear(&im);
    write_file(1, "page.png", "<script>alert(1)</script>", 25);      /* no picture at all */
    write_file(2, "gone.png", "soon", 4);
}

static void put_case(rs_archive *a, const char *key, const char *report)
{
    rs_random rnd = rs_random_seed(strlen(key));
    float x[3][DIM];
    rs_case_image im[3];
    rs_case c = {.key = key, .source = "test", .title = "a <title> & more", .report = report,
                 .modality = "CR", .age_years = -1, .digest = "d", .images = im, .n_images = 3};

    for (int i = 0; i < 3; i++) {
        unit_vector(&rnd, x[i]);
        im[i] = (rs_case_image){.path = image_path[i], .given = "x", .sha256 = image_sha[i],
                                .width = 300, .height = 400, .vector = x[i]};
    }
    put_one(a, &c);
}

static int make_archive(void **state)
{
    rs_archive *a;

    (void)state;
    make_folder(serve_folder);
    make_folder(files);
    write_files();
    a = open_writer(serve_folder);
    put_case(a, "one", "FINDINGS: Large left pleural effusion. No pneumothorax.");
    put_case(a, "a/b c%\"<", "FINDINGS: Nodule of the right lung.");
    rs_archive_close(a);
    unlink(image_path[2]);
    return 0;
}

static int drop_archive(void **state)
{
    (void)state;
    remove_folder(serve_folder);
    remove_folder(files);
    return 0;
}

static void begin(served *v)
{
    rs_err err = {0};

    serve_plan(v);
    ok(rs_digests_new(&v->plan.service.digests, &err), &err);
    serve_begin(v);
}

static void end(served *v)
{
    serve_end(v);
    rs_digests_free(v->plan.service.digests);
}

static json_t *parsed(const answer *a)
{
    json_t *o = NULL;
    rs_err err = {0};

    ok(rs_json_parse(&o, a->body, a->body_len, "answer", &err), &err);
    return o;
}

static const char *text_at(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? text : "";
}

/* ---- Searches -------------------------------------------------------- */

static void test_search(void **state)
{
    served v;
    answer a;
    json_t *o, *hit;

    (void)state;
    begin(&v);
    a = ask_search(v.port, "{\"text\": \"pleural effusion\", \"k\": 5, \"explain\": true}");
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.head, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(a.head, "Cache-Control: no-store\r\n"));
    o = parsed(&a);
    assert_int_equal(json_array_size(json_object_get(o, "hits")), 1);
    hit = json_array_get(json_object_get(o, "hits"), 0);
    assert_string_equal(text_at(hit, "case"), "one");
    assert_string_equal(text_at(hit, "image"), "/v1/images/one/0");
    assert_string_equal(text_at(hit, "thumbnail"), "/v1/images/one/0/thumbnail");
    assert_string_equal(text_at(hit, "modality"), "CR");
    assert_null(strstr(a.body, files));                  /* no path of this machine */
    json_decref(o);
    a = ask_search(v.port, "{\"text\": \"pleural effusion\", \"filter\": \"modality:CT\"}");
    assert_non_null(strstr(a.body, "\"hits\":[]"));
    a = ask_search(v.port, "{\"text\": \"pleural effusion\", \"filter\": \"not modality:CT\"}");
    assert_non_null(strstr(a.body, "\"case\":\"one\""));
    a = ask_search(v.port, "{\"like\": \"one\", \"keep_patients\": true}");
    assert_int_equal(a.status, 200);
    a = ask_search(v.port, "{\"text\": \"nothing of the kind\"}");
    assert_int_equal(a.status, 200);
    end(&v);
}

/* What is wrong with a request is said, and of which field. */
static void test_wrong_searches(void **state)
{
    static const struct { const char *json, *field, *says; int status; } rows[] = {
        {"", "", "query", 400},
        {"{", "", "query", 400},
        {"[]", "query", "an object", 400},
        {"{}", "text", "nothing is asked for", 400},
        {"{\"text\": 5}", "text", "wanted a string, found a number", 400},
        {"{\"text\": \"\"}", "text", "is empty", 400},
        {"{\"text\": [\"a\", 1]}", "text[1]", "wanted a string", 400},
        {"{\"txt\": \"a\"}", "txt", "there is no such field", 400},
        {"{\"text\": \"a\", \"text\": \"b\"}", "", "duplicate", 400},
        {"{\"text\": \"a\", \"k\": 0}", "k", "wanted 1 to 1000, found 0", 400},
        {"{\"text\": \"a\", \"k\": \"5\"}", "k", "wanted a whole number, found a string", 400},
        {"{\"text\": \"a\", \"k\": 1.5}", "k", "wanted a whole number", 400},
        {"{\"text\": \"a\", \"fusion\": \"best\"}", "fusion", "rrf", 400},
        {"{\"text\": \"a\", \"diversity\": 2}", "diversity", "wanted 0 to 1", 400},
        {"{\"text\": \"a\", \"plain\": 1}", "plain", "wanted true or false", 400},
        {"{\"text\": \"a\", \"weights\": {\"bm52\": 1}}", "weights.bm52", "no such probe", 400},
        {"{\"text\": \"a\", \"filter\": 1}", "filter", "wanted a string", 400},
        {"{\"text\": \"a\", \"filter\": \"colour:red\"}", "filter", "colour", 400},
        {"{\"not_text\": \"a\"}", "text", "positive weight", 400},
        {"{\"parts\": {}}", "parts", "wanted a list", 400},
        {"{\"parts\": [1]}", "parts[0]", "wanted an object", 400},
        {"{\"parts\": [{}]}", "parts[0]", "none of text, image and like", 400},
        {"{\"parts\": [{\"text\": \"a\", \"like\": \"b\"}]}", "parts[0]", "more than one", 400},
        {"{\"parts\": [{\"text\": \"a\", \"weight\": 0}]}", "parts[0].weight", "not 0", 400},
        {"{\"parts\": [{\"text\": \"a\", \"box\": [0,0,1,1]}]}", "parts[0]", "only an image", 400},
        {"{\"parts\": [{\"image\": \"\", \"box\": [0,0,2,1]}]}", "parts[0].box", "fractions", 400},
        {"{\"parts\": [{\"image\": \"\", \"box\": [1,0,0,1]}]}", "parts[0].box", "left of", 400},
        {"{\"parts\": [{\"text\": \"a\", \"boxes\": 1}]}", "parts[0].boxes", "a part has", 400},
        {"{\"image\": \"!\"}", "image", "base64", 400},
        {"{\"image\": \"Zm9v\"}", "image", "no model", 400},
        {"{\"like\": \"nobody\"}", "", "nobody", 404},
        {"{\"text\": \"a\\u0000b\"}", "", "query", 400},
    };
    served v;

    (void)state;
    begin(&v);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        answer a = ask_search(v.port, rows[i].json);
        json_t *o = parsed(&a);
        if (a.status != rows[i].status || strcmp(text_at(o, "field"), rows[i].field) != 0 ||
            !strstr(text_at(o, "detail"), rows[i].says))
            fail_msg("%s: %d %s", rows[i].json, a.status, a.body);
        assert_null(strstr(a.body, serve_folder));
        json_decref(o);
    }
    for (size_t n = 99990; n < 100010; n += 19) {        /* many small values cost much memory */
        rs_buf b = {0};
        int fd = dial(v.port);
        answer a;
        rs_buf_puts(&b, "{\"text\":[0");
        for (size_t i = 4; i < n; i++)
            rs_buf_puts(&b, ",0");
        rs_buf_puts(&b, "]}");
        answer_kept = answer_end = 0;
        say(fd, "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n");
        for (size_t i = 0; i < b.len; i += 65536) {
            char size[16];
            size_t piece = b.len - i < 65536 ? b.len - i : 65536;
            snprintf(size, sizeof size, "%zx\r\n", piece);
            say(fd, size);
            say_bytes(fd, b.data + i, piece);
            say(fd, "\r\n");
        }
        say(fd, "0\r\n\r\n");
        a = hear(fd);
        assert_int_equal(a.status, 400);
        assert_int_equal(strstr(a.body, "100000 values") != NULL, n > 100000);
        hang_up(fd);
        rs_buf_clear(&b);
    }
    assert_int_equal(ask(v.port, "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                                 "2\r\n"
                         "Content-Type: text/plain\r\n\r\n{}").status, 415);
    end(&v);
}

static void test_forms(void **state)
{
    static const struct { const char *body; int status; const char *says; } rows[] = {
        {"--x\r\nContent-Disposition: form-data; name=text\r\n\r\neffusion\r\n--x--\r\n", 200,
         "one"},
        {"--x\r\nContent-Disposition: form-data; name=query\r\n\r\n{\"text\":\"nodule\"}\r\n--x--",
         200,
         "a%2Fb"},
        {"--x\r\nContent-Disposition: form-data; name=file\r\n\r\na\r\n--x--", 400, "a form has"},
        {"--x\r\nContent-Disposition: form-data; name=image\r\n\r\na\r\n--x--", 400, "no model"},
        {"--x\r\nContent-Disposition: form-data; name=query\r\n\r\n{}\r\n"
         "--x\r\nContent-Disposition: form-data; name=query\r\n\r\n{}\r\n--x--", 400, "twice"},
        {"--y--", 400, "boundary"},
    };
    served v;

    (void)state;
    begin(&v);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char request[1024];
        answer a;
        snprintf(request, sizeof request, "POST /v1/search HTTP/1.1\r\nHost: localhost\r\n"
                 "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: %zu\r\n\r\n%s",
                 strlen(rows[i].body), rows[i].body);
        a = ask(v.port, request);
        if (a.status != rows[i].status || !strstr(a.body, rows[i].says))
            fail_msg("row %zu: %d %s", i, a.status, a.body);
    }
    end(&v);
}

/* ---- Cases and files ------------------------------------------------- */

static void test_cases(void **state)
{
    served v;
    answer a;
    json_t *o, *images;

    (void)state;
    begin(&v);
    a = ask(v.port, REQUEST("GET /v1/cases/a%2Fb%20c%25%22%3C"));
    assert_int_equal(a.status, 200);
    assert_null(strstr(a.body, files));
    o = parsed(&a);
    assert_string_equal(text_at(o, "case"), "a/b c%\"<");
    assert_string_equal(text_at(o, "report"), "FINDINGS: Nodule of the right lung.");
    images = json_object_get(o, "images");
    assert_int_equal(json_array_size(images), 3);
    assert_string_equal(text_at(json_array_get(images, 2), "url"),
                        "/v1/images/a%2Fb%20c%25%22%3C/2");
    assert_string_equal(text_at(json_array_get(images, 2), "thumbnail"),
                        "/v1/images/a%2Fb%20c%25%22%3C/2/thumbnail");
    json_decref(o);
    a = ask(v.port, REQUEST("GET /v1/cases/nobody"));
    assert_int_equal(a.status, 404);
    assert_null(strstr(a.body, serve_folder));
    a = ask(v.port, REQUEST("GET /v1/stats"));
    o = parsed(&a);
    assert_int_equal(json_integer_value(json_object_get(o, "cases")), 2);
    json_decref(o);
    a = ask(v.port, REQUEST("GET /v1/facets?filter=modality%3ACR&attribute=scanner"));
    o = parsed(&a);
    assert_int_equal(json_integer_value(json_object_get(o, "passing")), 2);
    json_decref(o);
    assert_int_equal(ask(v.port, REQUEST("GET /v1/facets?filter=(")).status, 400);
    assert_int_equal(ask(v.port, REQUEST("GET /v1/facets?fliter=modality%3ACR")).status, 400);
    a = ask(v.port, REQUEST("HEAD /v1/stats"));
    assert_int_equal(a.status, 200);
    assert_null(strstr(a.head, "Content-Length: 0\r\n"));
    end(&v);
}

static answer ask_image(int port, const char *target, const char *fields)
{
    char request[512];

    snprintf(request, sizeof request, "GET /v1/images/%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
             target, fields);
    return ask(port, request);
}

static void test_images(void **state)
{
    char field[128], etag[80];
    char *bytes;
    size_t len;
    served v;
    answer a;
    rs_err err = {0};

    (void)state;
    ok(rs_file_read(&bytes, &len, image_path[0], 1 << 20, &err), &err);
    assert_true(len > 100000);                           /* more than one piece */
    begin(&v);
    snprintf(etag, sizeof etag, "ETag: \"%s\"\r\n", image_sha[0]);
    for (int i = 0; i < 2; i++) {                        /* hashed, and remembered */
        a = ask_image(v.port, "one/0", "");
        assert_int_equal(a.status, 200);
        assert_non_null(strstr(a.head, "Content-Type: image/png\r\n"));
        assert_non_null(strstr(a.head, etag));
        assert_non_null(strstr(a.head, "X-Content-Type-Options: nosniff\r\n"));
        assert_int_equal(a.body_len, len);
        assert_memory_equal(a.body, bytes, len);
    }
    a = ask_image(v.port, "a%2Fb%20c%25%22%3C/0", "Range: bytes=70000-99999\r\n");
    assert_int_equal(a.status, 206);
    assert_int_equal(a.body_len, 30000);
    assert_memory_equal(a.body, bytes + 70000, 30000);
    snprintf(field, sizeof field, "Content-Range: bytes 70000-99999/%zu\r\n", len);
    assert_non_null(strstr(a.head, field));
    assert_int_equal(ask_image(v.port, "one/0", "Range: bytes=99999999-\r\n").status, 416);
    assert_int_equal(ask_image(v.port, "one/0", "Range: bytes=0-1,3-4\r\n").body_len, len);
    assert_int_equal(ask_image(v.port, "one/0", "Range: bytes=0-1\r\nIf-Range: \"x\"\r\n").status,
                     200);
    snprintf(field, sizeof field, "If-None-Match: \"x\", \"%s\"\r\n", image_sha[0]);
    a = ask_image(v.port, "one/0", field);
    assert_int_equal(a.status, 304);
    assert_int_equal(a.body_len, 0);
    a = ask(v.port, REQUEST("HEAD /v1/images/one/0"));
    snprintf(field, sizeof field, "Content-Length: %zu\r\n", len);
    assert_non_null(strstr(a.head, field));
    a = ask_image(v.port, "one/1", "");                  /* by its bytes, not by its name */
    assert_non_null(strstr(a.head, "Content-Type: application/octet-stream\r\n"));
    assert_non_null(strstr(a.head, "Content-Disposition: attachment\r\n"));
    rs_free(bytes);
    end(&v);
}

/* Nothing but what the catalog names, however it is asked for. */
static void test_no_other_file(void **state)
{
    static const char *const targets[] = {
        "one/2", "one/3", "one/-1", "one/+0", "one/0x0", "one/00000000", "one/", "one/a.png",
        "../../../../etc/passwd/0", "..%2f..%2f..%2fetc%2fpasswd/0", "%2fetc%2fpasswd/0",
        "one/..%2f..%2fetc%2fpasswd", "one/%2e%2e", "one/0/..", "one/0%00.png", "file:%2f%2fetc/0",
        "one%00/0", "..%5c..%5cetc/0", "%c0%ae%c0%ae%c0%af/0", ".%2e/0",
    };
    served v;

    (void)state;
    begin(&v);
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        answer a = ask_image(v.port, targets[i], "");
        if (a.status != 404 && a.status != 400)
            fail_msg("%s: %d", targets[i], a.status);
        assert_null(strstr(a.body, "root:"));
        assert_null(strstr(a.body, files));
    }
    end(&v);
}

static void test_gzip(void **state)
{
    served v;
    answer a;

    (void)state;
    begin(&v);
    a = ask(v.port, "GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: "
                    "gzip\r\n\r\n");
    assert_non_null(strstr(a.head, "Content-Encoding: gzip\r\n"));
    assert_memory_equal(a.body, "\x1f\x8b", 2);
    a = ask(v.port, REQUEST("GET /v1/openapi.json"));
    assert_null(strstr(a.head, "Content-Encoding"));
    end(&v);
}

/* ---- What another writer adds ----------------------------------------- */

/* A search sees it at once, /readyz and listeners within a second. */
static void test_reader_sees_writer(void **state)
{
    rs_archive *w = open_archive(serve_folder, RS_ARCHIVE_WRITE);
    char some[4096] = "";
    served v;
    int fd;
    size_t len = 0;

    (void)state;
    begin(&v);
    fd = dial(v.port);
    say(fd, REQUEST("GET /v1/events"));
    pause_ms(700);
    put_case(w, "new", "FINDINGS: Pneumoperitoneum.");
    assert_non_null(strstr(ask_search(v.port, "{\"text\": \"pneumoperitoneum\"}").body, "\"new\""));
    assert_non_null(strstr(ask(v.port, REQUEST("GET /v1/stats")).body, "\"cases\":3"));
    pause_ms(1500);                                      /* sanitizers are slow */
    assert_non_null(strstr(ask(v.port, REQUEST("GET /readyz")).body, "\"cases\":3"));
    while (!strstr(some, "\"cases\":3")) {
        ssize_t n = hear_some(fd, some + len, sizeof some - 1 - len, WAIT_MS);
        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_non_null(strstr(some, "Content-Type: text/event-stream\r\n"));
    assert_non_null(strstr(some, "event: archive\n"));
    hang_up(fd);
    rs_archive_close(w);
    end(&v);
}

/* Many clients at once, a writer beside them: every answer is whole and right. */
static void *many_requests(void *arg)
{
    int fd = dial(*(int *)arg);
    intptr_t good = 0;

    for (int i = 0; i < 20; i++) {
        char some[16384];
        size_t len = 0;
        say(fd, REQUEST("GET /v1/cases/one"));
        for (;;) {
            ssize_t n = hear_some(fd, some + len, sizeof some - 1 - len, WAIT_MS);
            const char *body, *length;
            if (n <= 0)
                goto done;
            len += (size_t)n;
            some[len] = '\0';
            body = strstr(some, "\r\n\r\n");
            length = strstr(some, "Content-Length: ");
            if (body && length && strlen(body + 4) == strtoul(length + 16, NULL, 10))
                break;
        }
        good += strstr(some, " 200 OK") && strstr(some, "Large left pleural effusion");
    }
done:
    close(fd);
    return (void *)good;
}

static void test_crowd(void **state)
{
    rs_archive *w = open_archive(serve_folder, RS_ARCHIVE_WRITE);
    pthread_t thread[8];
    served v;

    (void)state;
    begin(&v);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, many_requests, &v.port), 0);
    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "crowd-%d", i);
        put_case(w, key, "FINDINGS: Cavity.");
    }
    for (int i = 0; i < 8; i++) {
        void *good;
        pthread_join(thread[i], &good);
        assert_int_equal((intptr_t)good, 20);
    }
    assert_non_null(strstr(ask_search(v.port, "{\"text\": \"cavity\", \"keep_duplicates\": "
                                              "true}").body,
                           "crowd-"));
    rs_archive_close(w);
    end(&v);
}

/* Memory runs out at any moment: that request fails, or its connection, and no other. */
static void test_out_of_memory(void **state)
{
    static const char *const requests[] = {
        REQUEST("GET /v1/images/one/0"), REQUEST("GET /v1/cases/one"), REQUEST("GET /metrics"),
        REQUEST("GET /v1/stats"), REQUEST("GET /none"), REQUEST("GET /v1/events"),
        "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: 19\r\n\r\n{\"text\":\"effusion\"}"};
    served v;

    (void)state;
    begin(&v);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        for (long k = 0; k < 120; k += k < 40 ? 1 : 7) {
            int fd = dial(v.port);
            answer a;
            answer_kept = answer_end = 0;
            rs_alloc_fail_after(k);
            say(fd, requests[i]);
            a = hear(fd);
            rs_alloc_fail_after(-1);
            if (a.status != 0 && a.status != 200 && a.status != 404 && a.status < 500)
                fail_msg("%s: allocation %ld: %d %s", requests[i], k, a.status, a.body);
            hang_up(fd);
        }
        assert_int_equal(ask(v.port, REQUEST("GET /v1/cases/one")).status, 200);
    }
    end(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_wrong_searches),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_no_other_file),
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_reader_sees_writer),
        cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_archive, drop_archive);
}
