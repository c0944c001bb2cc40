/* test_serve.c - radscout serve as a process: settings, images, an index beside it, signals.
 * SPDX-License-Identifier: Apache-2.0 */
#include "run.h"
#include "tiny_model.h"

#include "base/clock.h"
#include "base/json.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

enum { WAIT_MS = 30000, ANSWER = 1 << 20 };

#define LOCAL "Host: localhost\r\n"

static char answer[ANSWER];

static void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

/* ---- The server and a client ------------------------------------------ */

/* Start it at a free port; the port when it listens. */
static pid_t begin_serve(int *port, const char *const *args)
{
    const double begin = rs_now_s();
    pid_t pid;

    unlink(at("stdout"));                      /* of the run before */
    pid = start_radscout(args);
    for (*port = 0; !*port; pause_ms(10)) {
        char *text = NULL;
        size_t len;
        if (rs_file_read(&text, &len, at("stdout"), 4096, NULL) == RS_OK && strchr(text, '\n'))
            assert_int_equal(sscanf(text, "http://127.0.0.1:%d/", port), 1);
        rs_free(text);
        if (waitpid(pid, NULL, WNOHANG) == pid)
            fail_msg("the server ended");
        assert_true(rs_now_s() - begin < WAIT_MS / 1000.0);
    }
    return pid;
}

/* Send bytes on a connection of their own; the status, and the body in `answer`. */
static int ask(int port, const char *line, const char *fields, const void *body, size_t len)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), status;
    char request[512];
    size_t got = 0;
    ssize_t n;
    char *end;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    snprintf(request, sizeof request, "%s HTTP/1.1\r\nConnection: close\r\nContent-Length: %zu\r\n"
             "%s\r\n", line, len, fields);
    assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
    if (len)
        assert_int_equal(send(fd, body, len, 0), len);
    while (got < ANSWER - 1 && (n = recv(fd, answer + got, ANSWER - 1 - got, 0)) > 0)
        got += (size_t)n;
    answer[got] = '\0';
    close(fd);
    status = atoi(answer + 9);
    end = strstr(answer, "\r\n\r\n");
    assert_non_null(end);
    memmove(answer, end + 4, got - (size_t)(end + 4 - answer) + 1);
    return status;
}

static int search(int port, const char *json)
{
    return ask(port, "POST /v1/search", LOCAL "Content-Type: application/json\r\n", json,
               strlen(json));
}

/* ---- Tests ----------------------------------------------------------- */

static void index_manifest(const char *name, const char *text)
{
    put(name, text);
    assert_exit(0, "index", at("archive"), at(name), "--model", at("model"), "--quiet");
}

static int make_archive(void **state)
{
    rs_err err = {0};
    char text[2048] = "", row[256];

    (void)state;
    if (!mkdtemp(scratch))
        return -1;
    ok(tiny_model_write(at("model"), 1, &err), &err);
    for (int i = 0; i < 4; i++) {
        snprintf(row, sizeof row, "p%d.png", i);
        put_picture(row, (uint64_t)i + 1);
        snprintf(row, sizeof row, "{\"case_id\":\"c%d\",\"image\":\"p%d.png\",\"report\":"
                 "\"FINDINGS: Nodule number %d of the lung.\",\"modality\":\"CR\"}\n", i, i, i);
        strcat(text, row);
    }
    index_manifest("cases.jsonl", text);
    return 0;
}

static void test_check(void **state)
{
    json_t *o = NULL;

    (void)state;
    assert_exit(0, "serve", at("archive"), "--check", "--queue", "7");
    assert_int_equal(rs_json_parse(&o, said_out, said_out_len, "check", NULL), RS_OK);
    assert_int_equal(json_integer_value(json_object_get(o, "queue")), 7);
    assert_int_equal(json_integer_value(json_object_get(o, "port")), 8080);
    json_decref(o);
    assert_exit(2, "serve", at("archive"), "--check", "--bind", "0.0.0.0");
    assert_says(said_err, "TLS and authentication");
    assert_exit(2, "serve", at("archive"), "--bind", "0.0.0.0");
    assert_exit(2, "serve", at("archive"), "--port", "99999");
    assert_says(said_err, "--port: wanted 0 to 65535");
    put("bad.json", "{\"prot\": 1}");
    assert_exit(1, "serve", at("archive"), "--check", "--config", at("bad.json"));
    assert_says(said_err, "prot: there is no such setting");
    put("generators.json", "{\"generators\": {\"big\": {\"url\": \"http://127.0.0.1:1/v1\"}}}");
    assert_exit(0, "serve", at("archive"), "--check", "--generators", at("generators.json"));
    put("generators.json", "{\"generators\": {\"big\": {\"url\": \"ftp://127.0.0.1\"}}}");
    assert_exit(1, "serve", at("archive"), "--check", "--generators", at("generators.json"));
    assert_says(said_err, "generators.big.url: wanted http://HOST");
    assert_exit(1, "serve", at("nothing"), "--check");
    assert_says(said_err, "radscout index");
}

/* A picture sent as a form finds itself; one that is none is a problem. */
static void test_images(void **state)
{
    static const char before[] = "--x\r\nContent-Disposition: form-data; name=image; "
                                 "filename=a\r\n\r\n";
    static const char form[] = LOCAL "Content-Type: multipart/form-data; boundary=x\r\n";
    int port;
    pid_t pid = begin_serve(&port, (const char *const[]){"serve", at("archive"), "--port", "0",
                                                         NULL});

    (void)state;
    for (int i = 0; i < 4; i++) {
        rs_buf b = {0};
        rs_err err = {0};
        char name[16], *png, want[64];
        size_t len;
        snprintf(name, sizeof name, "p%d.png", i);
        ok(rs_file_read(&png, &len, at(name), 1 << 20, &err), &err);
        rs_buf_puts(&b, before);
        rs_buf_append(&b, png, len);
        rs_buf_puts(&b, "\r\n--x--\r\n");
        assert_int_equal(ask(port, "POST /v1/search", form, b.data, b.len), 200);
        snprintf(want, sizeof want, "\"hits\":[{\"rank\":1,\"case\":\"c%d\"", i);
        assert_says(answer, want);
        b.len = sizeof before - 1;
        rs_buf_append(&b, png, len / 2);                 /* cut short */
        rs_buf_puts(&b, "\r\n--x--\r\n");
        assert_int_equal(ask(port, "POST /v1/search", form, b.data, b.len), 422);
        assert_says(answer, "unreadable-image");
        assert_says(answer, "\"field\":\"image\"");
        rs_buf_clear(&b);
        rs_free(png);
    }
    assert_int_equal(ask(port, "GET /v1/images/c2/0", LOCAL, NULL, 0), 200);
    kill(pid, SIGTERM);
    assert_int_equal(end_radscout(pid), 0);
    assert_says(said_err, "\"event\":\"stopped\"");
}

/* What another process indexes is found by the next search, and shows in /readyz. */
static void test_index_beside_it(void **state)
{
    int port;
    pid_t pid = begin_serve(&port, (const char *const[]){"serve", at("archive"), "--port", "0",
                                                         NULL});

    (void)state;
    assert_int_equal(search(port, "{\"text\": \"hamartoma\"}"), 200);
    assert_null(strstr(answer, "\"late\""));
    index_manifest("more.jsonl", "{\"case_id\":\"late\",\"report\":\"FINDINGS: Hamartoma.\"}\n");
    assert_int_equal(search(port, "{\"text\": \"hamartoma\"}"), 200);
    assert_says(answer, "\"hits\":[{\"rank\":1,\"case\":\"late\"");
    pause_ms(1200);
    assert_int_equal(ask(port, "GET /readyz", LOCAL, NULL, 0), 200);
    assert_says(answer, "\"cases\":5");
    kill(pid, SIGINT);
    assert_int_equal(end_radscout(pid), 0);
}

static void test_reload(void **state)
{
    static const char other[] = "Host: pacs.example\r\n";
    int port;
    pid_t pid;

    (void)state;
    put("s.json", "{\"log_level\": \"info\"}");
    pid = begin_serve(&port, (const char *const[]){"serve", at("archive"), "--port", "0",
                                                   "--config",
                                                   at("s.json"), NULL});
    assert_int_equal(ask(port, "GET /healthz", other, NULL, 0), 421);
    put("s.json", "{\"hosts\": \"pacs.example\", \"workers\": 9}");
    kill(pid, SIGHUP);
    for (int i = 0; ask(port, "GET /healthz", other, NULL, 0) != 200; i++) {
        assert_true(i < 200);
        pause_ms(20);
    }
    put("s.json", "{\"hosts\": 1}");                     /* wrong: nothing changes */
    kill(pid, SIGHUP);
    pause_ms(200);
    assert_int_equal(ask(port, "GET /healthz", other, NULL, 0), 200);
    kill(pid, SIGTERM);
    assert_int_equal(end_radscout(pid), 0);
    assert_says(said_err, "need a restart");
    assert_says(said_err, "stay as they were");
}

/* A log that was moved away is begun anew by SIGHUP; lines are JSON, and name no query. */
static void test_log(void **state)
{
    char *text = NULL, *line, *save;
    size_t len;
    int port;
    pid_t pid = begin_serve(&port, (const char *const[]){"serve", at("archive"), "--port", "0",
                                                         "--log",
                                                         at("serve.log"), NULL});

    (void)state;
    assert_int_equal(search(port, "{\"text\": \"secret words\"}"), 200);
    assert_int_equal(rename(at("serve.log"), at("serve.log.1")), 0);
    kill(pid, SIGHUP);
    for (int i = 0; access(at("serve.log"), F_OK) != 0; i++) {
        assert_true(i < 500);
        pause_ms(10);
    }
    assert_int_equal(ask(port, "GET /v1/cases/c1", LOCAL, NULL, 0), 200);
    kill(pid, SIGTERM);
    assert_int_equal(end_radscout(pid), 0);
    assert_int_equal(said_err_len, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rs_file_read(&text, &len, at(i ? "serve.log" : "serve.log.1"), 1 << 20,
                                      NULL),
                         RS_OK);
        assert_says(text, i ? "\"path\":\"/v1/cases/c1\",\"status\":\"200\"" : "/v1/search");
        assert_null(strstr(text, "secret"));
        for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
            json_t *o = NULL;
            assert_int_equal(rs_json_parse(&o, line, strlen(line), "line", NULL), RS_OK);
            json_decref(o);
        }
        rs_free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_index_beside_it),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_log),
    };
    int failed = cmocka_run_group_tests(tests, make_archive, scratch_drop);

    forget_said();
    return failed;
}
