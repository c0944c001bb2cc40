/* test_cases.c - cases in and out over HTTP: added, found, replaced, deleted, erased; sent
 * twice; refused; by whom; beside another process, beside searches, without memory or room.
 * SPDX-License-Identifier: Apache-2.0 */
#include "served.h"

#include "base/hash.h"
#include "base/json.h"
#include "embeddings/image.h"
#include "server/case_request.h"
#include "server/tokens.h"
#include "tiny_model.h"

#include <strings.h>
#include <sys/resource.h>

enum { PICTURES = 6 };

static char model[64], tokens[96], audit[96];
static rs_encoder *encoder;
static struct { char *bytes; size_t len; } pictures[PICTURES];

/* ---- The archive, its model, pictures ---------------------------------- */

/* Smooth, and each another. */
static void draw(size_t i)
{
    rs_random rnd = rs_random_seed(100 + i);
    rs_image im = {0};
    double x[4], y[4];
    rs_err err = {0};

    ok(rs_image_new(&im, 60 + i, 64, 1, 8, &err), &err);
    for (int k = 0; k < 4; k++) {
        x[k] = rs_random_unit(&rnd) * 64;
        y[k] = rs_random_unit(&rnd) * 64;
    }
    for (size_t r = 0; r < 64; r++)
        for (size_t c = 0; c < 60 + i; c++) {
            double v = 0;
            for (int k = 0; k < 4; k++)
                v += 200 / (1 + ((double)c - x[k]) * ((double)c - x[k]) / 30 +
                            ((double)r - y[k]) * ((double)r - y[k]) / 30);
            ((unsigned char *)im.pixels)[r * (60 + i) + c] = (unsigned char)(v > 255 ? 255 : v);
        }
    ok(rs_image_to_png(&pictures[i].bytes, &pictures[i].len, &im, &err), &err);
    rs_image_clear(&im);
}

static int make_all(void **state)
{
    rs_err err = {0};

    (void)state;
    make_folder(model);
    ok(tiny_model_write(model, 7, &err), &err);
    ok(rs_encoder_open(&encoder, model, &err), &err);
    for (size_t i = 0; i < PICTURES; i++)
        draw(i);
    return 0;
}

static int drop_all(void **state)
{
    (void)state;
    rs_encoder_close(encoder);
    for (size_t i = 0; i < PICTURES; i++)
        rs_free(pictures[i].bytes);
    remove_folder(model);
    return 0;
}

static rs_archive *open_own(void)
{
    rs_encoder_identity id = {rs_encoder_id(encoder), "tiny", model, rs_encoder_dim(encoder)};
    rs_archive *a = open_archive(serve_folder, RS_ARCHIVE_WRITE);
    rs_err err = {0};

    ok(rs_archive_bind_encoder(a, &id, &err), &err);
    return a;
}

static int make(void **state)
{
    (void)state;
    make_folder(serve_folder);
    snprintf(tokens, sizeof tokens, "%s.tokens", serve_folder);
    snprintf(audit, sizeof audit, "%s.audit", serve_folder);
    rs_archive_close(open_own());
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

static void plan(served *v)
{
    rs_err err = {0};

    serve_plan(v);
    v->plan.service.encoder = encoder;
    v->plan.config.rate = 0;
    ok(rs_digests_new(&v->plan.service.digests, &err), &err);
}

static void begin(served *v)
{
    plan(v);
    serve_begin(v);
}

static void end(served *v)
{
    serve_end(v);
    rs_digests_free(v->plan.service.digests);
}

/* ---- Sending ---------------------------------------------------------- */

typedef struct {
    const char *line;              /* "POST /v1/cases" */
    const char *token, *repeat;    /* or NULL */
    const char *json;
    int         images[PICTURES + 1];      /* numbers of pictures + 1; -1: garbage; 0 ends */
    const char *boundary;          /* NULL: x */
} sent;

/* The bytes of the request. */
static rs_buf form(const sent *s)
{
    const char *mark = s->boundary ? s->boundary : "xYx";
    rs_buf body = {0}, all = {0};

    rs_buf_printf(&body, "--%s\r\nContent-Disposition: form-data; name=\"case\"\r\n\r\n%s\r\n", mark,
                  s->json);
    for (size_t i = 0; i < PICTURES && s->images[i]; i++) {
        rs_buf_printf(&body, "--%s\r\nContent-Disposition: form-data; name=\"image\"; filename="
                      "\"doe^john %zu.png\"\r\nContent-Type: image/png\r\n\r\n", mark, i);
        if (s->images[i] < 0)
            rs_buf_puts(&body, "no picture");
        else
            rs_buf_append(&body, pictures[s->images[i] - 1].bytes, pictures[s->images[i] - 1].len);
        rs_buf_puts(&body, "\r\n");
    }
    rs_buf_printf(&body, "--%s--\r\n", mark);
    rs_buf_printf(&all, "%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
                  "boundary=%s\r\nContent-Length: %zu\r\n", s->line, mark, body.len);
    if (s->token)
        rs_buf_printf(&all, "Authorization: Bearer %s\r\n", s->token);
    if (s->repeat)
        rs_buf_printf(&all, "Idempotency-Key: %s\r\n", s->repeat);
    rs_buf_puts(&all, "\r\n");
    rs_buf_append(&all, body.data, body.len);
    assert_false(all.failed);
    rs_buf_clear(&body);
    return all;
}

static answer send_form(int port, sent s)
{
    rs_buf all = form(&s);
    int fd = dial(port);
    answer a;

    answer_kept = answer_end = 0;
    say_bytes(fd, all.data, all.len);
    a = hear(fd);
    close(fd);
    answer_kept = 0;
    rs_buf_clear(&all);
    return a;
}

static answer ask_as(int port, const char *token, const char *line)
{
    char request[512];

    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: localhost\r\n%s%s%s\r\n", line,
             token ? "Authorization: Bearer " : "", token ? token : "", token ? "\r\n" : "");
    return ask(port, request);
}

/* The first hit of a search by one picture; its key in `key`. */
static void find_picture(int port, int picture, char key[64])
{
    static const char before[] = "--x\r\nContent-Disposition: form-data; name=image\r\n\r\n";
    static const char after[] = "\r\n--x--\r\n";
    rs_buf all = {0};
    int fd = dial(port);
    const char *hit;
    answer a;

    rs_buf_printf(&all, "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                  "multipart/form-data; boundary=x\r\nContent-Length: %zu\r\n\r\n%s",
                  strlen(before) + pictures[picture].len + strlen(after), before);
    rs_buf_append(&all, pictures[picture].bytes, pictures[picture].len);
    rs_buf_puts(&all, after);
    answer_kept = answer_end = 0;
    say_bytes(fd, all.data, all.len);
    a = hear(fd);
    close(fd);
    answer_kept = 0;
    rs_buf_clear(&all);
    if (a.status != 200)
        fail_msg("%d %s", a.status, a.body);
    hit = strstr(a.body, "\"case\":\"");
    snprintf(key, 64, "%.*s", hit ? (int)strcspn(hit + 8, "\"") : 0, hit ? hit + 8 : "");
}

#define wants(a, code, text)                                                        \
    do {                                                                            \
        const answer a_ = (a);                                                      \
        if (a_.status != (code) || !strstr(a_.body, text))                          \
            fail_msg("line %d: %d %s, wanted %d with %s", __LINE__, a_.status, a_.body, (code), text); \
    } while (0)

static int cases_of(int port)
{
    answer a = ask(port, REQUEST("GET /v1/stats"));
    const char *at = strstr(a.body, "\"cases\":");

    return at ? atoi(at + 8) : -1;
}

/* Files in ARCHIVE/images. */
static int kept(void)
{
    char command[128];
    int n = -1;
    FILE *f;

    snprintf(command, sizeof command, "find '%s/images' -type f 2>/dev/null | wc -l", serve_folder);
    f = popen(command, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

/* ---- In, found, out ----------------------------------------------------- */

static void test_added_and_found(void **state)
{
    served v;
    char key[64];
    answer a;

    (void)state;
    begin(&v);
    a = send_form(v.port, (sent){.line = "POST /v1/cases", .json = "{\"case_id\": \"ward 3/17\", "
        "\"findings\": \"Large left effusion.\", \"impression\": \"Effusion.\", \"view\": [\"PA\", "
        "\"lateral\"], \"modality\": \"CR\"}", .images = {1, 2}});
    wants(a, 201, "{\"case\":\"ward 3/17\",\"state\":\"added\",\"images\":2,\"passages\":2,"
                  "\"refused\":[],\"took_ms\":");
    assert_non_null(strstr(a.head, "Location: /v1/cases/ward%203%2F17\r\n"));
    wants(ask_search(v.port, "{\"text\": \"effusion\"}"), 200, "\"case\":\"ward 3/17\"");
    find_picture(v.port, 1, key);
    assert_string_equal(key, "ward 3/17");
    a = ask(v.port, REQUEST("GET /v1/cases/ward%203%2F17"));
    wants(a, 200, "\"view\":\"lateral\"");
    assert_null(strstr(a.body, "doe"));                    /* no name of a file */
    assert_null(strstr(a.body, serve_folder));
    a = ask(v.port, REQUEST("GET /v1/images/ward%203%2F17/1"));
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_len, pictures[1].len);
    assert_memory_equal(a.body, pictures[1].bytes, a.body_len);
    a = send_form(v.port, (sent){.line = "POST /v1/cases", .json = "{\"id\": \"ward 3/17\"}",
                                 .images = {3}});
    wants(a, 409, "PUT it to");
    assert_null(strstr(a.head, "Location"));
    wants(ask_post(v.port, "/v1/cases", "{\"id\": \"w\", \"report\": \"Zebra stripes.\"}"), 201,
          "\"images\":0,\"passages\":1");
    wants(ask_search(v.port, "{\"text\": \"zebra\"}"), 200, "\"case\":\"w\"");
    end(&v);
}

/* Without a key the same upload is the same case, and another is another. */
static void test_key_of_content(void **state)
{
    served v;
    char key[64], line[128];
    answer a;

    (void)state;
    begin(&v);
    a = send_form(v.port, (sent){.line = "POST /v1/cases", .json = "{\"title\":\"a\"}", .images = {1}});
    wants(a, 201, "{\"case\":\"sent-");
    snprintf(key, sizeof key, "%.*s", (int)strcspn(a.body + 9, "\""), a.body + 9);
    assert_int_equal(strlen(key), 37);
    wants(send_form(v.port, (sent){.line = "POST /v1/cases", .json = "{ \"title\" : \"a\" }",
                                   .images = {1}, .boundary = "another"}), 409, "conflict");
    wants(send_form(v.port, (sent){.line = "POST /v1/cases", .json = "{\"title\":\"a\"}",
                                   .images = {2}}), 201, "added");
    wants(send_form(v.port, (sent){.line = "POST /v1/cases", .json = "{\"title\":\"b\"}",
                                   .images = {1}}), 201, "added");
    assert_int_equal(cases_of(v.port), 3);
    snprintf(line, sizeof line, "GET /v1/cases/%s", key);
    wants(ask_as(v.port, NULL, line), 200, "\"source\":\"(sent)\"");
    end(&v);
}

static void test_put_and_delete(void **state)
{
    static const char line[] = "PUT /v1/cases/a%2Fb";
    served v;
    answer a;
    char key[64];

    (void)state;
    begin(&v);
    a = send_form(v.port, (sent){.line = line, .json = "{\"report\":\"Effusion.\"}", .images = {1, 2}});
    wants(a, 201, "{\"case\":\"a/b\",\"state\":\"added\",\"images\":2");
    assert_non_null(strstr(a.head, "Location: /v1/cases/a%2Fb\r\n"));
    a = send_form(v.port, (sent){.line = line, .json = "{\"report\":\"Effusion.\"}", .images = {1, 2}});
    wants(a, 200, "\"state\":\"unchanged\",\"images\":2,\"passages\":1");
    assert_null(strstr(a.head, "Location"));
    a = send_form(v.port, (sent){.line = line, .json = "{\"report\":\"Zebra.\",\"id\":\"a/b\"}",
                                 .images = {2, 3}});
    wants(a, 200, "\"state\":\"replaced\"");
    assert_int_equal(kept(), 2);
    wants(ask_search(v.port, "{\"text\":\"zebra\"}"), 200, "a/b");
    find_picture(v.port, 2, key);
    assert_string_equal(key, "a/b");
    wants(send_form(v.port, (sent){.line = line, .json = "{\"id\":\"c\"}"}), 400, "case_id");
    wants(ask(v.port, REQUEST("DELETE /v1/cases/nobody")), 404, "no case of this key");
    wants(ask(v.port, REQUEST("DELETE /v1/cases/a%2Fb?erase=perhaps")), 400, "erase");
    wants(ask(v.port, REQUEST("DELETE /v1/cases/a%2Fb?purge=true")), 400, "purge");
    a = ask(v.port, REQUEST("DELETE /v1/cases/a%2Fb"));
    assert_int_equal(a.status, 204);
    assert_int_equal(kept(), 0);
    wants(ask(v.port, REQUEST("DELETE /v1/cases/a%2Fb")), 404, "no case of this key");
    wants(ask(v.port, REQUEST("GET /v1/cases/a%2Fb")), 404, "");
    assert_int_equal(cases_of(v.port), 0);
    end(&v);
}

static void test_erase(void **state)
{
    rs_archive *a;
    served v;
    rs_err err = {0};

    (void)state;
    begin(&v);
    wants(send_form(v.port, (sent){.line = "POST /v1/cases", .json = "{\"id\":\"gone for good\","
        "\"report\":\"A very rare finding of the left lung.\"}", .images = {1}, .repeat = "k1"}), 201,
        "added");
    wants(send_form(v.port, (sent){.line = "PUT /v1/cases/stays", .json = "{}", .images = {2}}), 201,
          "added");
    wants(ask(v.port, REQUEST("DELETE /v1/cases/gone%20for%20good?erase=true")), 200,
          "{\"cases\":1,\"images\":1,\"passages\":1,\"looked_for\":");
    assert_int_equal(kept(), 1);
    wants(ask(v.port, REQUEST("GET /v1/cases/gone%20for%20good")), 404, "");
    wants(ask(v.port, REQUEST("DELETE /v1/cases/gone%20for%20good?erase=true")), 404, "");
    assert_int_equal(cases_of(v.port), 1);
    end(&v);
    a = open_own();
    ok(rs_archive_verify(a, &err), &err);
    rs_archive_close(a);
}

/* ---- Sent twice --------------------------------------------------------- */

static void test_sent_twice(void **state)
{
    const sent s = {.line = "POST /v1/cases", .json = "{\"id\":\"x\",\"report\":\"Effusion.\"}",
                    .images = {1, -1}, .repeat = "8e03978e-40d5-43dd-bc93-6894a57f9324"};
    char first[512], key[400] = "";
    sent other = s;
    served v;
    answer a;

    (void)state;
    begin(&v);
    a = send_form(v.port, s);
    wants(a, 201, "\"refused\":[{\"image\":1,\"why\":");
    assert_null(strstr(a.head, "Idempotency-Replayed"));
    snprintf(first, sizeof first, "%s", a.body);
    for (int i = 0; i < 2; i++) {
        other.boundary = i ? "of-another-try" : NULL;
        a = send_form(v.port, other);
        assert_int_equal(a.status, 201);
        assert_string_equal(a.body, first);
        assert_non_null(strstr(a.head, "Idempotency-Replayed: true\r\n"));
        assert_non_null(strstr(a.head, "Location: /v1/cases/x\r\n"));
        if (i == 0) {                          /* after a restart, too */
            end(&v);
            begin(&v);
        }
    }
    other.json = "{\"id\":\"x\",\"report\":\"Another.\"}";
    wants(send_form(v.port, other), 422, "other-request");
    other = s;
    other.line = "PUT /v1/cases/x";            /* another request is another, body or not */
    wants(send_form(v.port, other), 422, "Idempotency-Key: another request");
    other.repeat = "k2";
    wants(send_form(v.port, other), 200, "unchanged");
    a = send_form(v.port, other);
    wants(a, 200, "unchanged");
    assert_non_null(strstr(a.head, "Idempotency-Replayed: true\r\n"));
    other = s;
    other.repeat = NULL;
    wants(send_form(v.port, other), 409, "conflict");
    memset(key, 'k', 256);
    other.repeat = key;
    wants(send_form(v.port, other), 400, "Idempotency-Key");
    other.repeat = "caf\xc3\xa9";
    wants(send_form(v.port, other), 400, "Idempotency-Key");
    other.repeat = "k3";                       /* what failed is not kept: it may be mended */
    other.json = "{\"id\":\"y\"}";
    other.images[0] = -1;
    wants(send_form(v.port, other), 422, "unreadable-image");
    other.images[0] = 1;
    wants(send_form(v.port, other), 201, "added");
    assert_int_equal(cases_of(v.port), 2);
    end(&v);
}

/* ---- Refused ------------------------------------------------------------ */

static void test_refused_images(void **state)
{
    served v;
    answer a;

    (void)state;
    begin(&v);
    a = send_form(v.port, (sent){.line = "POST /v1/cases", .json = "{\"id\":\"x\"}",
                                 .images = {-1, 1, -1}});
    wants(a, 201, "\"images\":1,\"passages\":0,\"refused\":[{\"image\":0,\"why\":");
    assert_non_null(strstr(a.body, "{\"image\":2,"));
    a = send_form(v.port, (sent){.line = "PUT /v1/cases/x", .json = "{}", .images = {-1}});
    wants(a, 422, "image 0 (doe^john 0.png): ");
    assert_non_null(strstr(a.body, "\"field\":\"image\""));
    wants(send_form(v.port, (sent){.line = "POST /v1/cases", .json = "{\"id\":\"y\"}",
                                   .images = {-1, -1}}), 422, "none of the 2 images can be read");
    wants(ask(v.port, REQUEST("GET /v1/cases/x")), 200, "\"images\":[{");     /* as it was */
    wants(ask(v.port, REQUEST("GET /v1/cases/y")), 404, "");
    assert_int_equal(kept(), 1);
    end(&v);
}

/* A PNG of `side` x `side` pixels, as its head says. */
static size_t bomb(unsigned char out[64], uint32_t side)
{
    static const unsigned char head[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    memset(out, 0, 64);
    memcpy(out, head, 16);
    for (int i = 0; i < 4; i++)
        out[16 + i] = out[20 + i] = (unsigned char)(side >> (24 - 8 * i));
    out[24] = 8;
    return 64;
}

static void test_refused_requests(void **state)
{
    static const struct { const char *json; int status; const char *field, *says; } rows[] = {
        {"", 400, "case", "wanted a JSON object"}, {"[]", 400, "case", "wanted a JSON object"},
        {"{", 400, "case", "case"}, {"{\"a\":1,\"a\":2}", 400, "case", "duplicate"},
        {"{}", 400, "case", "neither an image nor a text"},
        {"{\"report\":\"a\",\"image\":\"/etc/passwd\"}", 400, "image", "not read from paths"},
        {"{\"report\":\"a\",\"images\":[\"../x\"]}", 400, "images", "not read from paths"},
        {"{\"report\":[1]}", 400, "report", "wanted a text"},
        {"{\"report\":\"a\",\"age\":\"old\"}", 400, "age", "61Y"},
        {"{\"report\":\"a\",\"id\":\"..\"}", 400, "case_id", "no address"},
        {"{\"report\":\"a\",\"id\":\"a\\nb\"}", 400, "case_id", "control characters"},
        {"{\"report\":\"a\\u0000b\"}", 400, "case", ""},
    };
    rs_buf b = {0};
    char request[1024], form_body[512];
    unsigned char png[64];
    served v;
    answer a;

    (void)state;
    begin(&v);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char field[64];
        a = ask_post(v.port, "/v1/cases", rows[i].json);
        snprintf(field, sizeof field, "\"field\":\"%s\"", rows[i].field);
        if (a.status != rows[i].status || !strstr(a.body, field) || !strstr(a.body, rows[i].says))
            fail_msg("%s: %d %s", rows[i].json, a.status, a.body);
    }
    rs_buf_puts(&b, "{\"report\":\"a\",\"x\":");
    for (int i = 0; i < 40; i++)
        rs_buf_putc(&b, '[');
    for (int i = 0; i < 40; i++)
        rs_buf_putc(&b, ']');
    rs_buf_putc(&b, '}');
    wants(ask_post(v.port, "/v1/cases", b.data), 400, "nested deeper than 32");
    rs_buf_clear(&b);
    rs_buf_puts(&b, "{\"report\":\"a\",\"x\":[0");
    for (int i = 0; i < 12000; i++)
        rs_buf_puts(&b, ",0");
    rs_buf_puts(&b, "]}");
    wants(send_form(v.port, (sent){.line = "POST /v1/cases", .json = b.data}), 400, "10000 values");
    rs_buf_clear(&b);
    rs_buf_puts(&b, "{\"report\":\"");
    for (int i = 0; i < 1 << 17; i++)
        rs_buf_puts(&b, "words [{ ");
    rs_buf_puts(&b, "\"}");
    wants(send_form(v.port, (sent){.line = "POST /v1/cases", .json = b.data}), 400, "longer than 1 MiB");
    rs_buf_clear(&b);
    wants(ask(v.port, "POST /v1/cases HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
              "Content-Length: 2\r\n\r\n{}"), 415, "multipart/form-data");
    wants(ask(v.port, "POST /v1/cases HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
              "\r\nContent-Length: 67108865\r\n\r\n"), 413, "body_mb");
    for (int i = 0; i < 2; i++) {
        snprintf(form_body, sizeof form_body, "--x\r\nContent-Disposition: form-data; name=%s\r\n\r\n{}"
                 "\r\n--x--\r\n", i ? "image" : "file");
        snprintf(request, sizeof request, "POST /v1/cases HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                 "multipart/form-data; boundary=x\r\nContent-Length: %zu\r\n\r\n%s", strlen(form_body),
                 form_body);
        wants(ask(v.port, request), 400, i ? "the form has no such part" : "a form has the parts");
    }
    rs_buf_puts(&b, "--x\r\nContent-Disposition: form-data; name=case\r\n\r\n{\"id\":\"x\"}\r\n");
    for (int i = 0; i < 65; i++)
        rs_buf_puts(&b, "--x\r\nContent-Disposition: form-data; name=image\r\n\r\na\r\n");
    rs_buf_puts(&b, "--x--\r\n");
    snprintf(request, sizeof request, "POST /v1/cases HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
             "multipart/form-data; boundary=x\r\nContent-Length: %zu\r\n\r\n", b.len);
    {
        int fd = dial(v.port);
        say(fd, request);
        say_bytes(fd, b.data, b.len);
        wants(hear(fd), 400, "at most 64");
        hang_up(fd);
    }
    rs_buf_clear(&b);
    rs_buf_puts(&b, "--x\r\nContent-Disposition: form-data; name=case\r\n\r\n{\"id\":\"x\"}\r\n"
                    "--x\r\nContent-Disposition: form-data; name=image\r\n\r\n");
    rs_buf_append(&b, png, bomb(png, 30000));              /* 900 megapixels */
    rs_buf_puts(&b, "\r\n--x--\r\n");
    snprintf(request, sizeof request, "POST /v1/cases HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
             "multipart/form-data; boundary=x\r\nContent-Length: %zu\r\n\r\n", b.len);
    {
        int fd = dial(v.port);
        say(fd, request);
        say_bytes(fd, b.data, b.len);
        wants(hear(fd), 422, "unreadable-image");
        hang_up(fd);
    }
    rs_buf_clear(&b);
    assert_int_equal(cases_of(v.port), 0);
    end(&v);
}

/* Six pictures of 100 million pixels each: refused before one is decoded. */
static void test_too_many_pixels(void **state)
{
    rs_buf body = {0}, all = {0};
    rs_image im = {0};
    char *png;
    size_t len;
    served v;
    rs_err err = {0};
    int fd;

    (void)state;
    ok(rs_image_new(&im, 10000, 10000, 1, 8, &err), &err);
    ok(rs_image_to_png(&png, &len, &im, &err), &err);
    rs_image_clear(&im);
    rs_buf_puts(&body, "--x\r\nContent-Disposition: form-data; name=case\r\n\r\n{}\r\n");
    for (int i = 0; i < 6; i++) {
        rs_buf_puts(&body, "--x\r\nContent-Disposition: form-data; name=image\r\n\r\n");
        rs_buf_append(&body, png, len);
        rs_buf_puts(&body, "\r\n");
    }
    rs_buf_puts(&body, "--x--\r\n");
    rs_buf_printf(&all, "POST /v1/cases HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                  "multipart/form-data; boundary=x\r\nContent-Length: %zu\r\n\r\n", body.len);
    rs_buf_append(&all, body.data, body.len);
    begin(&v);
    fd = dial(v.port);
    say_bytes(fd, all.data, all.len);
    wants(hear(fd), 400, "512 million pixels");
    hang_up(fd);
    end(&v);
    rs_buf_clear(&body);
    rs_buf_clear(&all);
    rs_free(png);
}

/* A server without a model, and one with another than the archive's. */
static void test_no_model(void **state)
{
    served v;

    (void)state;
    plan(&v);
    v.plan.service.encoder = NULL;
    serve_begin(&v);
    wants(ask_post(v.port, "/v1/cases", "{\"report\":\"a\"}"), 409, "without a model");
    assert_int_equal(ask(v.port, REQUEST("DELETE /v1/cases/x")).status, 404);
    end(&v);
    remove_folder(serve_folder);
    rs_archive_close(open_writer(serve_folder));
    begin(&v);
    wants(ask_post(v.port, "/v1/cases", "{\"report\":\"a\"}"), 409, "another model");
    end(&v);
}

/* ---- By whom -------------------------------------------------------------- */

static void add_token(const char *name, rs_role role, const char *const *collections, size_t n,
                      char text[RS_TOKEN_TEXT])
{
    const rs_bearer want = {.name = name, .role = role, .all = !collections,
                            .collections = collections, .n_collections = n};
    rs_err err = {0};

    ok(rs_bearers_add(tokens, &want, text, &err), &err);
}

static void test_roles(void **state)
{
    char reader[RS_TOKEN_TEXT], editor[RS_TOKEN_TEXT], other[RS_TOKEN_TEXT], admin[RS_TOKEN_TEXT];
    sent s = {.line = "POST /v1/cases", .json = "{\"id\":\"x\",\"title\":\"t\"}", .repeat = "k"};
    char *text;
    size_t len;
    served v;
    rs_err err = {0};

    (void)state;
    add_token("reader", RS_ROLE_EDUCATOR, NULL, 0, reader);
    add_token("editor", RS_ROLE_EDITOR, NULL, 0, editor);
    add_token("other", RS_ROLE_EDITOR, NULL, 0, other);
    add_token("admin", RS_ROLE_ADMIN, NULL, 0, admin);
    begin(&v);
    wants(send_form(v.port, s), 401, "no-token");
    s.token = reader;
    wants(send_form(v.port, s), 403, "not-allowed");
    s.line = "PUT /v1/cases/x";
    wants(send_form(v.port, s), 403, "not-allowed");
    wants(ask_as(v.port, reader, "DELETE /v1/cases/x"), 403, "not-allowed");
    s = (sent){.line = "POST /v1/cases", .json = s.json, .repeat = "k", .token = editor};
    wants(send_form(v.port, s), 201, "added");
    assert_non_null(strstr(send_form(v.port, s).head, "Idempotency-Replayed"));
    s.token = other;                           /* the key is the editor's, not theirs */
    wants(send_form(v.port, s), 409, "conflict");
    wants(ask_as(v.port, editor, "DELETE /v1/cases/x?erase=true"), 403, "only an admin");
    wants(ask_as(v.port, admin, "DELETE /v1/cases/x?erase=true"), 200, "\"cases\":1");
    wants(send_form(v.port, s), 201, "added");
    assert_int_equal(ask_as(v.port, editor, "DELETE /v1/cases/x?erase=false").status, 204);
    end(&v);
    ok(rs_file_read(&text, &len, audit, 1 << 20, &err), &err);
    assert_non_null(strstr(text, "\"event\":\"change\",\"who\":\"editor\",\"role\":\"editor\""));
    assert_non_null(strstr(text, "\"method\":\"POST\",\"path\":\"/v1/cases\""));
    assert_non_null(strstr(text, "\"cases\":[\"x\"],\"status\":201"));
    assert_non_null(strstr(text, "\"cases\":[\"x\"],\"status\":204"));
    assert_non_null(strstr(text, "\"event\":\"denied\""));
    rs_free(text);
}

/* Random editors of some collections: what each does is what their lists allow, worked out
 * here once more; a case outside is neither changed nor told of, but that its key is taken. */
static void test_limited_editors(void **state)
{
    enum { KEYS = 6, EDITORS = 4, COLLECTIONS = 4, STEPS = 150 };
    static const char *const collections[COLLECTIONS] = {"chest", "a\"b\\c", "x) or (case:*", "*"};
    static const char *const spelt[COLLECTIONS] = {"CHEST", "a\\\"b\\\\c", "x) or (case:*", "*"};
    struct { char token[RS_TOKEN_TEXT]; bool may[COLLECTIONS]; } editors[EDITORS] = {0};
    struct { bool there; int collection, version; } cases[KEYS] = {0};    /* -1: of none */
    rs_random rnd = rs_random_seed(9);
    char admin[RS_TOKEN_TEXT];
    int counts[5] = {0};
    served v;

    (void)state;
    add_token("admin", RS_ROLE_ADMIN, NULL, 0, admin);
    for (size_t e = 0; e < EDITORS; e++) {
        const char *list[COLLECTIONS];
        char name[16];
        size_t n = 0;
        for (size_t c = 0; c < COLLECTIONS; c++)
            if ((editors[e].may[c] = c == e % COLLECTIONS || rs_random_below(&rnd, 3) == 0))
                list[n++] = collections[c];
        snprintf(name, sizeof name, "e%zu", e);
        add_token(name, RS_ROLE_EDITOR, list, n, editors[e].token);
    }
    begin(&v);
    for (int step = 0; step < STEPS; step++) {
        const size_t e = rs_random_below(&rnd, EDITORS + 1), k = rs_random_below(&rnd, KEYS);
        const int to = (int)rs_random_below(&rnd, COLLECTIONS + 1) - 1;
        const char *token = e < EDITORS ? editors[e].token : admin;
        const bool sees = cases[k].there && (e == EDITORS || (cases[k].collection >= 0 &&
                                                              editors[e].may[cases[k].collection]));
        const bool may_put = e == EDITORS || (to >= 0 && editors[e].may[to]);
        const size_t what = rs_random_below(&rnd, 3);
        char line[64], json[256], was[32] = "-";
        int want;
        answer a;
        if (what == 2) {
            snprintf(line, sizeof line, "DELETE /v1/cases/k%zu", k);
            a = ask_as(v.port, token, line);
            want = sees ? 204 : 404;
        } else {
            snprintf(line, sizeof line, what ? "PUT /v1/cases/k%zu" : "POST /v1/cases", k);
            snprintf(json, sizeof json, "{\"case_id\":\"k%zu\",\"title\":\"version%d\"%s%s%s}", k, step,
                     to >= 0 ? ",\"collection\":\"" : "", to >= 0 ? spelt[to] : "", to >= 0 ? "\"" : "");
            a = send_form(v.port, (sent){.line = line, .token = token, .json = json});
            want = !may_put ? 403 : !cases[k].there ? 201 : !what ? 409 : sees ? 200 : 404;
        }
        if (a.status != want)
            fail_msg("step %d, editor %zu: %s %s: %d %s, wanted %d", step, e, line, json, a.status,
                     a.body, want);
        snprintf(was, sizeof was, "version%d", cases[k].version);
        if (want >= 400 && (strstr(a.body, was) || (cases[k].there && cases[k].collection >= 0 &&
                                                    strstr(a.body, spelt[cases[k].collection]) &&
                                                    cases[k].collection < 3)))
            fail_msg("step %d: %s", step, a.body);
        if (want == 204)
            cases[k].there = false;
        if (want == 200 || want == 201) {
            cases[k].there = true;
            cases[k].collection = to;
            cases[k].version = step;
        }
        counts[want == 403 ? 0 : want == 404 ? 1 : want == 409 ? 2 : want == 204 ? 3 : 4]++;
        for (size_t i = 0; i < KEYS; i++) {    /* all is as the model has it */
            snprintf(line, sizeof line, "GET /v1/cases/k%zu", i);
            a = ask_as(v.port, admin, line);
            snprintf(was, sizeof was, "\"version%d\"", cases[i].version);
            assert_int_equal(a.status, cases[i].there ? 200 : 404);
            if (cases[i].there)
                assert_non_null(strstr(a.body, was));
        }
    }
    for (size_t i = 0; i < 5; i++)
        if (counts[i] < 5)
            fail_msg("kind %zu came %d times", i, counts[i]);
    end(&v);
}

/* ---- Beside others --------------------------------------------------------- */

static void test_another_writer(void **state)
{
    rs_archive *a = NULL;
    rs_err err = {0};
    served v;
    answer got;

    (void)state;
    plan(&v);
    v.plan.config.write_deadline_ms = 400;
    serve_begin(&v);
    a = open_own();
    got = ask_post(v.port, "/v1/cases", "{\"id\":\"x\",\"report\":\"a\"}");
    wants(got, 503, "Another process is writing the archive");
    assert_non_null(strstr(got.head, "Retry-After: 10\r\n"));
    wants(ask(v.port, REQUEST("DELETE /v1/cases/x")), 503, "Another process");
    wants(ask_search(v.port, "{\"text\":\"a\"}"), 200, "hits");
    rs_archive_close(a);
    wants(ask_post(v.port, "/v1/cases", "{\"id\":\"x\",\"report\":\"a\"}"), 201, "added");
    for (int i = 0; rs_archive_open(&a, serve_folder, RS_ARCHIVE_WRITE, &err) == RS_EBUSY; i++) {
        assert_true(i < 500);                  /* within seconds it is others' turn */
        pause_ms(20);
    }
    assert_non_null(a);
    rs_archive_close(a);
    end(&v);
}

static void test_searches_meanwhile(void **state)
{
    enum { N = 20 };
    int fds[N], answered = 0;
    served v;

    (void)state;
    plan(&v);
    v.plan.config.write_queue = 2 * N;      /* nobody has all of it */
    serve_begin(&v);
    wants(ask_post(v.port, "/v1/cases", "{\"id\":\"x\",\"report\":\"Zebra.\"}"), 201, "added");
    for (int i = 0; i < N; i++) {
        char json[64];
        rs_buf b;
        snprintf(json, sizeof json, "{\"id\":\"case-%d\",\"report\":\"Effusion %d.\"}", i, i);
        b = form(&(sent){.line = "POST /v1/cases", .json = json, .images = {1 + i % PICTURES, 2}});
        fds[i] = dial(v.port);
        assert_true(say_bytes(fds[i], b.data, b.len));
        rs_buf_clear(&b);
    }
    for (int i = 0; i < 10; i++)
        wants(ask_search(v.port, "{\"text\":\"zebra\"}"), 200, "\"case\":\"x\"");
    for (int i = 0; i < N; i++) {
        answer_kept = answer_end = 0;
        answered += hear(fds[i]).status == 201;
        hang_up(fds[i]);
    }
    assert_int_equal(answered, N);
    assert_int_equal(cases_of(v.port), N + 1);
    assert_int_equal(kept(), PICTURES);
    end(&v);
}

/* ---- Without memory, without room ------------------------------------------- */

static void test_out_of_memory(void **state)
{
    sent s = {.line = "PUT /v1/cases/x", .json = "{\"report\":\"Effusion.\"}", .images = {1, -1},
              .repeat = "k"};
    served v;

    (void)state;
    begin(&v);
    wants(ask_post(v.port, "/v1/cases", "{\"id\":\"before\",\"report\":\"a\"}"), 201, "added");
    for (long k = 0; k < 700; k += k < 150 ? 3 : 11) {
        char json[64], repeat[16];
        rs_buf b;
        int fd;
        answer a;
        snprintf(json, sizeof json, "{\"report\":\"Effusion %ld.\"}", k);
        snprintf(repeat, sizeof repeat, "k%ld", k);
        s.json = json;
        s.repeat = repeat;
        b = form(&s);
        fd = dial(v.port);
        answer_kept = answer_end = 0;
        rs_alloc_fail_after(k);
        say_bytes(fd, b.data, b.len);
        a = hear(fd);
        rs_alloc_fail_after(-1);
        hang_up(fd);
        rs_buf_clear(&b);
        if (a.status != 0 && a.status != 200 && a.status != 201 && a.status < 500)
            fail_msg("allocation %ld: %d %s", k, a.status, a.body);
        if (a.status == 200 || a.status == 201) {          /* and if it says so, it is so */
            answer got = ask(v.port, REQUEST("GET /v1/cases/x"));
            snprintf(json, sizeof json, "Effusion %ld.", k);
            wants(got, 200, json);
        }
    }
    s.json = "{\"report\":\"At last.\"}";
    s.repeat = "k";
    wants(send_form(v.port, s), 200, "replaced");
    wants(ask(v.port, REQUEST("GET /v1/cases/before")), 200, "");
    assert_int_equal(kept(), 1);
    end(&v);
}

/* No room for its picture: nothing of the case is there, and later it is. */
static void test_full_disk(void **state)
{
    const sent s = {.line = "POST /v1/cases", .json = "{\"id\":\"x\",\"report\":\"Zebra.\"}",
                    .images = {1, 2}, .repeat = "k"};
    struct rlimit was, now;
    served v;

    (void)state;
    begin(&v);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    now = was;
    now.rlim_cur = pictures[0].len / 2;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
    wants(send_form(v.port, s), 507, "Nothing was changed");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(kept(), 0);
    assert_int_equal(cases_of(v.port), 0);
    wants(send_form(v.port, s), 201, "added");
    end(&v);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make, drop)
    const struct CMUnitTest tests[] = {
        TEST(test_added_and_found), TEST(test_key_of_content), TEST(test_put_and_delete),
        TEST(test_erase), TEST(test_sent_twice), TEST(test_refused_images),
        TEST(test_refused_requests), TEST(test_too_many_pixels), TEST(test_no_model),
        TEST(test_roles), TEST(test_limited_editors), TEST(test_another_writer),
        TEST(test_searches_meanwhile), TEST(test_out_of_memory), TEST(test_full_disk),
    };

    return cmocka_run_group_tests(tests, make_all, drop_all);
}
